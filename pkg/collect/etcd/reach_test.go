package etcd

import (
	"fmt"
	"math/rand"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

// TestPagesInUse compares the pages in use, found from the trees, with bbolt's own
// statistics and page types, with a freelist in the file and without.
func TestPagesInUse(t *testing.T) {
	for _, pageSize := range []int{1 << 10, 4 << 10, 16 << 10} {
		for _, synced := range []bool{false, true} {
			t.Run(fmt.Sprintf("pages of %d bytes, freelist synced %v", pageSize, synced), func(t *testing.T) {
				s := newStore(t, pageSize)
				s.db.NoFreelistSync = !synced
				r := rand.New(rand.NewSource(int64(pageSize)))
				s.cluster(r, 200)
				s.update(func(tx *bolt.Tx) { // buckets with trees, and one in another
					for i := range 500 {
						s.check(tx.Bucket([]byte("lease")).Put(fmt.Appendf(nil, "%08d", i), make([]byte, 40)))
					}
					b, err := tx.Bucket([]byte("members")).CreateBucket([]byte("nested"))
					s.check(err)
					for i := range 500 {
						s.check(b.Put(fmt.Appendf(nil, "%08d", i), make([]byte, 40)))
					}
				})
				s.compact(s.rev * 2 / 3)
				s.put("/registry/secrets/shop/large", storedtest.ProtobufSecret("shop", "large", make([]byte, 100_000)))
				want := make(inUse, 1000)
				s.check(s.db.View(func(tx *bolt.Tx) error {
					for p := 0; ; p++ {
						info, err := tx.Page(p)
						if err != nil || info == nil {
							return err
						}
						if info.Type != "free" {
							want.add(uint64(p), uint64(p+info.OverflowCount))
							p += info.OverflowCount
						}
					}
				}))
				file := s.bytes()
				m, err := readMetas(memory(file))
				if err != nil {
					t.Fatal(err)
				}
				never := func() bool { return false }
				live, err := reachable(memory(file), m, never)
				if err != nil {
					t.Fatal(err)
				}
				quick, err := reachableQuickly(memory(file), m, never)
				if err != nil {
					t.Fatal(err)
				}
				rd := &reader{ctx: ctx, src: memory(file), opts: Options{limit: MaxSecrets}}
				c, w, err := rd.walk("registry", false, false)
				if err != nil {
					t.Fatal(err)
				}
				still, whole := w.pagesInUse(c)
				if !whole {
					t.Error("not whole")
				}
				for p := range m.newest().highWater {
					if want.has(p) != live.has(p) || want.has(p) != still.has(p) || want.has(p) != quick.has(p) {
						t.Fatalf("page %d: bbolt says in use %v, live %v, quick %v, still %v", p, want.has(p), live.has(p), quick.has(p), still.has(p))
					}
				}
				plain := 0
				for _, s := range oracle(t, s.path) {
					if s.Class.Plaintext() {
						plain++
						if !c.plain.has(s.Revision, 0) && !c.plain.has(s.Revision, 1) {
							t.Errorf("%s: row %d is not among the plaintext rows", s.Name, s.Revision)
						}
					} else if c.plain.has(s.Revision, 0) {
						t.Errorf("%s, %s: row %d is among the plaintext rows", s.Name, s.Class, s.Revision)
					}
				}
				if plain == 0 || len(c.plain.mains) < plain {
					t.Errorf("%d plaintext Secrets, %d rows", plain, len(c.plain.mains))
				}
			})
		}
	}
}
