package etcd

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

// canary is the text in every plaintext value of these tests.
func canary(ns, name string, revision int64) string {
	return fmt.Sprintf("CANARY<%s/%s@%d>", ns, name, revision)
}

var canaries = regexp.MustCompile(`CANARY<([a-z0-9-]+)/([a-z0-9.-]+)@([0-9]+)>`)

// plainPut writes a Secret in plaintext, with its revision in its canary.
func (s *store) plainPut(r *rand.Rand, ns, name string, padding int) {
	text := canary(ns, name, s.rev+1)
	value := storedtest.ProtobufSecret(ns, name, append([]byte(text), storedtest.Payload(r, padding)...))
	if r.Intn(4) == 0 {
		value = storedtest.JSONSecret(ns, name, text+strings.Repeat("x", padding))
	}
	s.put("/registry/secrets/"+ns+"/"+name, value)
}

// liveRevisions are the rows that bbolt itself finds with a canary.
func liveRevisions(t testing.TB, db *bolt.DB) map[int64]bool {
	t.Helper()
	live := map[int64]bool{}
	if err := db.View(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte("key")).ForEach(func(k, v []byte) error {
			if canaries.Match(v) {
				live[int64(binary.BigEndian.Uint64(k))] = true
			}
			return nil
		})
	}); err != nil {
		t.Fatal(err)
	}
	return live
}

// searched is what a plain search for canaries finds in a file, without those of
// rows in use: how many for each Secret, and how many have lost the start of their
// value.
func searched(file []byte, live map[int64]bool) (found []fact.RemainingSecret, headless int) {
	counts := map[string]*fact.RemainingSecret{}
	for _, m := range canaries.FindAllSubmatchIndex(file, -1) {
		ns, name := string(file[m[2]:m[3]]), string(file[m[4]:m[5]])
		revision, _ := strconv.ParseInt(string(file[m[6]:m[7]]), 10, 64)
		if live[revision] {
			continue
		}
		before := file[max(0, m[0]-400):m[0]]
		head := max(bytes.LastIndex(before, []byte("k8s\x00\x0a\x0c\x0a\x02v1\x12\x06Secret")), bytes.LastIndex(before, []byte(`{"kind":"Secret","apiVersion":"v1"`)))
		if head < 0 || !bytes.Contains(before[head:], []byte(name)) {
			headless++
			continue
		}
		c := counts[ns+"/"+name]
		if c == nil {
			c = &fact.RemainingSecret{Namespace: ns, Name: name}
			counts[ns+"/"+name] = c
		}
		c.Values++
		c.Revision = max(c.Revision, revision)
	}
	for _, c := range counts {
		found = append(found, *c)
	}
	slices.SortFunc(found, func(a, b fact.RemainingSecret) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return found, headless
}

// place is what was found in a place.
func place(t testing.TB, db *fact.EtcdDB, p fact.RemainsPlace) fact.Remains {
	t.Helper()
	for _, r := range db.Remains {
		if r.Place == p {
			return r
		}
	}
	t.Fatalf("no %s in %+v", p, db.Remains)
	return fact.Remains{}
}

// agree compares the free pages and what lies behind the end with a search of the
// file.
func agree(t testing.TB, db *bolt.DB, live bool) (values int) {
	t.Helper()
	file, err := os.ReadFile(db.Path())
	if err != nil {
		t.Fatal(err)
	}
	want, headless := searched(file, liveRevisions(t, db))
	facts, gaps, err := Read(ctx, memory(file), Options{Path: "db", Prefix: "/registry", Residue: true, Live: live})
	if err != nil || len(gaps) > 0 {
		t.Fatalf("%v, %v", err, gaps)
	}
	free, slack, behind := place(t, facts, fact.InFreePages), place(t, facts, fact.InPageSlack), place(t, facts, fact.BehindEnd)
	for _, r := range facts.Remains {
		if !r.Complete || r.Reason != "" {
			t.Errorf("%+v", r)
		}
	}
	if slack.Values != 0 {
		t.Errorf("slack: %+v", slack)
	}
	got := map[string]fact.RemainingSecret{}
	for _, r := range []fact.Remains{free, behind} {
		for _, s := range r.Secrets {
			had := got[s.Namespace+"/"+s.Name]
			s.Values += had.Values
			s.Revision = max(s.Revision, had.Revision)
			got[s.Namespace+"/"+s.Name] = s
		}
		values += r.Values
	}
	total := 0
	for _, w := range want {
		total += w.Values
		g := got[w.Namespace+"/"+w.Name]
		if g.Revision != 0 && g.Revision != w.Revision {
			g.Values = -1
		}
		g.Revision = w.Revision
		if len(want) <= fact.MaxRemainingSecrets {
			if diff := gocmp.Diff(w, g); diff != "" {
				t.Errorf("(-search +got):\n%s", diff)
			}
		}
	}
	if values != total {
		t.Errorf("found %d values, the search %d, and %d without their start", values, total, headless)
	}
	return values
}

// TestResidue writes, encrypts, compacts, writes more and defragments. At each step
// what is found agrees with a search for canaries, both ways.
func TestResidue(t *testing.T) {
	for _, pageSize := range []int{1 << 10, 4 << 10, 16 << 10, 64 << 10} {
		for _, synced := range []bool{false, true} {
			t.Run(fmt.Sprintf("pages of %d bytes, freelist synced %v", pageSize, synced), func(t *testing.T) {
				r := rand.New(rand.NewSource(int64(pageSize)))
				s := newStore(t, pageSize)
				s.db.NoFreelistSync = !synced
				const secrets = 60
				name := func(i int) string { return fmt.Sprintf("s%03d", i) }
				s.put("/registry/namespaces/default", []byte("x"))
				check := func(step string, least, most int) {
					t.Helper()
					for _, live := range []bool{false, true} {
						n := agree(t, s.db, live)
						if n < least || n > most {
							t.Errorf("%s: %d values, expected %d to %d", step, n, least, most)
						}
						if !live {
							t.Logf("%s: %d values", step, n)
						}
					}
				}
				for i := range secrets {
					size := r.Intn(600)
					if i%10 == 0 {
						size = r.Intn(40_000)
					}
					s.plainPut(r, "shop", name(i), size)
				}
				check("written", 0, 0)
				for i := range secrets {
					s.put("/registry/secrets/shop/"+name(i), storedtest.AESCBC(r, "key1", 10))
				}
				check("encrypted", 0, 0) // all is history
				for i := range secrets / 2 {
					s.plainPut(r, "shop", name(i), r.Intn(300))
					s.put("/registry/secrets/shop/"+name(i), storedtest.AESCBC(r, "key1", 10))
				}
				s.compact(s.rev)
				check("compacted", secrets/2, 1000)
				for i := range 40 {
					s.put(fmt.Sprintf("/registry/pods/shop/p%d", i), storedtest.Payload(r, r.Intn(pageSize/2)))
				}
				check("written more", 0, 1000)
				s.check(s.db.Close())
				defrag(t, s.path)
				var err error
				s.db, err = bolt.Open(s.path, 0o600, &bolt.Options{ReadOnly: true})
				s.check(err)
				check("defragmented", 0, 0)
			})
		}
	}
}

// TestResidueChurn writes and deletes values of many sizes at random, with readers that
// keep pages from being used again, so that free pages hold many copies of a row and runs
// that were overwritten in part.
func TestResidueChurn(t *testing.T) {
	seeds := 24
	if testing.Short() {
		seeds = 8
	}
	most := 0
	for seed := range int64(seeds) {
		r := rand.New(rand.NewSource(seed))
		pageSize := 1 << (10 + r.Intn(4))
		s := newStore(t, pageSize)
		s.check(s.db.Close())
		var err error
		// Readers would block a larger map.
		s.db, err = bolt.Open(s.path, 0o600, &bolt.Options{PageSize: pageSize, NoFreelistSync: r.Intn(2) == 0, NoSync: true, InitialMmapSize: 64 << 20})
		s.check(err)
		s.put("/registry/namespaces/default", []byte("x"))
		var readers []*bolt.Tx
		for step := range 120 {
			if r.Intn(8) == 0 {
				tx, err := s.db.Begin(false)
				s.check(err)
				readers = append(readers, tx)
			}
			name := fmt.Sprintf("s%02d", r.Intn(20))
			size := r.Intn(200)
			if r.Intn(4) == 0 {
				size = r.Intn(6 * pageSize)
			}
			switch r.Intn(6) {
			case 0:
				s.put("/registry/secrets/shop/"+name, storedtest.AESGCM(r, "key1", size))
			case 1:
				if s.ver["/registry/secrets/shop/"+name] > 0 {
					s.delete("/registry/secrets/shop/" + name)
				}
			case 2:
				s.put("/registry/pods/shop/"+name, storedtest.Protobuf("v1", "Pod", storedtest.Payload(r, size)))
			case 3:
				if len(readers) > 0 && r.Intn(3) == 0 {
					s.check(readers[0].Rollback())
					readers = readers[1:]
				}
			default:
				s.plainPut(r, "shop", name, size)
			}
			if step%30 == 29 {
				s.put("/registry/pods/shop/last", []byte("x"))
				s.compact(s.rev - int64(r.Intn(10)))
				most = max(most, agree(t, s.db, false), agree(t, s.db, true))
			}
			if t.Failed() {
				t.Fatalf("seed %d, pages of %d bytes, step %d", seed, pageSize, step)
			}
		}
		for _, tx := range readers {
			s.check(tx.Rollback())
		}
	}
	t.Logf("up to %d values", most)
}

// defrag does what etcd's defragmentation does: all rows go into a new file.
func defrag(t testing.TB, path string) {
	t.Helper()
	src, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	to := filepath.Join(t.TempDir(), "db.tmp")
	dst, err := bolt.Open(to, 0o600, &bolt.Options{NoFreelistSync: true, PageSize: src.Info().PageSize})
	if err != nil {
		t.Fatal(err)
	}
	if err := bolt.Compact(dst, src, 10_000); err != nil {
		t.Fatal(err)
	}
	if err := dst.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(to, path); err != nil {
		t.Fatal(err)
	}
}
