package sqlite

import (
	"fmt"
	"math"
	"math/rand"
	"testing"
)

// TestRows compares every row and value with SQLite's, for every page size,
// with and without reserved bytes, pointer-map pages and UTF-16.
func TestRows(t *testing.T) {
	for size := minPageSize; size <= maxPageSize; size *= 2 {
		for i, more := range []string{
			"",
			"PRAGMA auto_vacuum=1;",
			"PRAGMA auto_vacuum=2; PRAGMA encoding='UTF-16le';",
			"PRAGMA encoding='UTF-16be';\n.filectrl reserve_bytes 12\n",
			".filectrl reserve_bytes 32\n",
		} {
			t.Run(fmt.Sprintf("%d/%d", size, i), func(t *testing.T) {
				r := rand.New(rand.NewSource(int64(size + i)))
				f := build(t, fmt.Sprintf("PRAGMA page_size=%d;\n%s\nCREATE TABLE t(id INTEGER PRIMARY KEY, a, b REAL, c TEXT, d);\n", size, more)+
					rows(r, "t", -500, 400, 5, 4, 3*size)+"DELETE FROM t WHERE rowid % 7 = 3;\n")
				db := f.open(t)
				if db.PageSize() != size || int(db.Pages())*size != len(f.main) {
					t.Fatalf("page size %d, pages %d of %d bytes", db.PageSize(), db.Pages(), len(f.main))
				}
				if i > 2 && db.usable == db.pageSize {
					t.Fatal("no reserved bytes")
				}
				f.same(t, "t", "id", "a", "b", "c", "d")
			})
		}
	}
}

// TestSeek starts scans at rowids that exist and that do not.
func TestSeek(t *testing.T) {
	f := build(t, "PRAGMA page_size=512; CREATE TABLE t(a, b);\nINSERT INTO t(rowid, a, b) WITH RECURSIVE n(i) AS (VALUES(0) UNION ALL SELECT i+1 FROM n WHERE i<2000) SELECT i*3-900, i, hex(zeroblob(i%90)) FROM n;\n")
	tab := table(t, f.open(t), "T")
	all, _ := dump(t, tab, math.MinInt64)
	if len(all) != 2001 {
		t.Fatalf("%d rows", len(all))
	}
	for from := int64(-910); from < 5110; from += 7 {
		got, faults := dump(t, tab, from)
		skipped := min(max(0, (from+900+2)/3), 2001)
		if len(faults) > 0 {
			t.Fatal(faults[0])
		}
		equal(t, all[skipped:], got)
	}
}
