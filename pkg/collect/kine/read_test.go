package kine

import (
	"fmt"
	"math/rand"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/kine/kinetest"
)

// TestRandom compares random databases with their model: every page size, with and without
// a log, vacuumed, with large values.
func TestRandom(t *testing.T) {
	for size := 512; size <= 65536; size *= 2 {
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
				m.Run(rand.New(rand.NewSource(int64(size+i))), 600, 3*size+2000)
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
