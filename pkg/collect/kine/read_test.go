package kine

import (
	"context"
	"fmt"
	"math/rand"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/kine/kinetest"
)

// TestRandom compares random databases with their model: every page size, with and without
// a log, vacuumed, with large values.
func TestRandom(t *testing.T) {
	for size := 512; size <= 65536; size *= 2 {
		if testing.Short() && size > 4096 {
			break
		}
		for i, mode := range []struct{ begin, end string }{
			{"PRAGMA journal_mode=DELETE;", ""},
			{"PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;", ""},
			{"PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=37;", ""},
			{"PRAGMA journal_mode=WAL;", "VACUUM;"},
			{"PRAGMA journal_mode=WAL; PRAGMA auto_vacuum=1;", "PRAGMA wal_checkpoint(FULL);"},
			{"PRAGMA journal_mode=WAL;", "PRAGMA wal_checkpoint(TRUNCATE);"},
		} {
			t.Run(fmt.Sprintf("%d/%d", size, i), func(t *testing.T) {
				m := kinetest.New()
				m.Doubled = i == 2
				m.Run(rand.New(rand.NewSource(int64(size+i))), 250, 3*size+2000)
				f := build(t, fmt.Sprintf("PRAGMA page_size=%d; PRAGMA synchronous=OFF; %s\n%s\n%s\n", size, mode.begin, m.SQL(), mode.end))
				db := f.whole(t, Options{Residue: true})
				agrees(t, m, db)
				for _, r := range db.Remains {
					if !r.Complete {
						t.Errorf("%+v", r)
					}
				}
			})
		}
	}
}

// TestChunks reads in chunks of every size what does not change.
func TestChunks(t *testing.T) {
	m := kinetest.New()
	m.Run(rand.New(rand.NewSource(3)), 500, 3000)
	f := build(t, "PRAGMA page_size=1024; PRAGMA synchronous=OFF; PRAGMA journal_mode=WAL;\n"+m.SQL())
	for _, size := range []int64{1, 2, 7, 100, 1000} {
		r := newReader(context.Background(), f.files(), Options{Path: "state.db", Live: true, chunk: size, Resources: true})
		chunked, err := r.chunks("/registry")
		if err != nil {
			t.Fatal(err)
		}
		r.opts.Prefix = "/registry"
		db := r.facts(chunked, nil)
		if len(r.gaps) > 0 || !db.Complete {
			t.Fatalf("chunks of %d: %v", size, r.gaps)
		}
		agrees(t, m, db)
		whole := f.whole(t, Options{Resources: true})
		if got, want := fmt.Sprint(db.Resources), fmt.Sprint(whole.Resources); got != want {
			t.Errorf("chunks of %d: %s, expected %s", size, got, want)
		}
	}
	// A row that is missing at the end, and one in the middle.
	for what, id := range map[string]int64{"the last row": m.Last, "a row before it": m.Last - 1} {
		f := build(t, "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;\n"+func() string {
			m := kinetest.New()
			m.Run(rand.New(rand.NewSource(3)), 500, 3000)
			m.Exec(fmt.Sprintf("DELETE FROM kine WHERE id = %d", id))
			return m.SQL()
		}())
		r := newReader(context.Background(), f.files(), Options{Path: "state.db", Live: true, chunk: 50})
		chunked, err := r.chunks("/registry")
		if err != nil {
			t.Fatal(err)
		}
		if db := r.facts(chunked, nil); db.Complete || len(r.gaps) == 0 {
			t.Errorf("without %s: complete, %v", what, r.gaps)
		}
	}
}
