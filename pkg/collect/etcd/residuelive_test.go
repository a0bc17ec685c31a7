package etcd

import (
	"encoding/binary"
	"fmt"
	"math/rand"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

// TestResidueLive searches a file that is being written. All plaintext in it is in rows
// that the tree holds, and copies of these lie in free pages all the time: none may count.
// Then one row goes, and its copies have to be found.
func TestResidueLive(t *testing.T) {
	reads := 60
	if testing.Short() {
		reads = 15
	}
	r := rand.New(rand.NewSource(1))
	s := newStore(t, 4096)
	s.put("/registry/namespaces/default", []byte("x"))
	for i := range 40 {
		s.plainPut(r, "shop", fmt.Sprintf("plain%02d", i), r.Intn(6000))
	}
	f, err := os.Open(s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()

	stop := make(chan struct{})
	var writer sync.WaitGroup
	var commits atomic.Int32
	writer.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(r.Intn(3000)) * time.Microsecond):
			}
			err := s.db.Update(func(tx *bolt.Tx) error {
				for range 1 + r.Intn(5) {
					name := fmt.Sprintf("s%03d", r.Intn(200))
					s.txn(tx, op{key: "/registry/secrets/shop/" + name, value: storedtest.AESGCM(r, "key1", r.Intn(9000))})
				}
				return nil
			})
			if err == nil && n%40 == 39 {
				err = s.db.Update(func(tx *bolt.Tx) error { s.compactTx(tx, s.rev-20); return nil })
			}
			if err != nil {
				t.Error(err)
				return
			}
			commits.Add(1)
		}
	})
	sampled, count := 0, 0
	for ; count < reads || commits.Load() < 300 && !t.Failed(); count++ {
		db, gaps, err := Read(ctx, fileSource{f}, Options{Path: "db", Prefix: "/registry", Live: true, Residue: true})
		if err != nil || len(gaps) > 0 {
			t.Fatal(gaps, err)
		}
		for _, place := range db.Remains {
			if place.Values != 0 || !place.Complete {
				t.Fatalf("%+v", place)
			}
		}
		if place(t, db, fact.InFreePages).Scanned > db.Size*2/3 {
			sampled++
		}
	}
	close(stop)
	writer.Wait()
	t.Logf("%d reads while there were %d commits, %d of all pages", count, commits.Load(), sampled)

	s.put("/registry/secrets/shop/plain00", storedtest.AESGCM(r, "key1", 10))
	s.put("/registry/pods/shop/last", []byte("x"))
	s.compact(s.rev)
	if n := agree(t, s.db, true); n == 0 {
		t.Error("nothing was found of the row that went")
	}
}

// flapping is a file whose first meta page is another each time.
type flapping struct {
	memory
	reads *int
}

func (f flapping) ReadAt(b []byte, off int64) (int, error) {
	n, err := f.memory.ReadAt(b, off)
	if off != 0 || n < pageHeaderSize+metaSize {
		return n, err
	}
	*f.reads++
	m := b[pageHeaderSize:]
	binary.LittleEndian.PutUint64(m[24:], uint64(*f.reads)) // the root's sequence, which nothing uses
	sum := uint64(14695981039346656037)
	for _, c := range m[:56] {
		sum = (sum ^ uint64(c)) * 1099511628211
	}
	binary.LittleEndian.PutUint64(m[56:], sum)
	return n, err
}

// TestResidueSampled: of a file that changes too fast all pages are searched. Nothing that
// the tree holds counts, and what is found is not said to be all.
func TestResidueSampled(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	s := newStore(t, 1024)
	s.put("/registry/namespaces/default", []byte("x"))
	for step := range 2 {
		for i := range 30 {
			s.plainPut(r, "shop", fmt.Sprintf("s%02d", i), r.Intn(3000))
			if i < 10 && step > 0 {
				s.put(fmt.Sprintf("/registry/secrets/shop/s%02d", i), storedtest.AESGCM(r, "key1", 10))
			}
		}
	}
	read := func(compact bool) (still, sampled fact.Remains) {
		if compact {
			s.compact(s.rev)
		}
		file, err := os.ReadFile(s.path)
		if err != nil {
			t.Fatal(err)
		}
		db, gaps, err := Read(ctx, memory(file), Options{Path: "db", Prefix: "/registry", Residue: true})
		if err != nil || len(gaps) > 0 {
			t.Fatal(gaps, err)
		}
		rd := &reader{ctx: ctx, src: memory(file), opts: Options{Path: "db", Prefix: "/registry", Residue: true, Live: true, limit: MaxSecrets}}
		c, w, err := rd.walk("registry", false, false)
		if err != nil {
			t.Fatal(err)
		}
		rd.src = flapping{memory(file), new(int)}
		return place(t, db, fact.InFreePages), rd.residue(db, w, c)[0]
	}
	if still, sampled := read(false); still.Values != 0 || sampled.Values != 0 || !sampled.Complete {
		t.Errorf("all is in rows:\n%+v\n%+v", still, sampled)
	}
	still, sampled := read(true)
	if still.Values == 0 || sampled.Values != still.Values || sampled.Complete || sampled.Reason != fact.Changing || sampled.Scanned <= still.Scanned {
		t.Errorf("%+v\n%+v", still, sampled)
	}
}
