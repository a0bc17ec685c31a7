package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
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
					rows(r, "t", -500, min(400, 4096*400/size), 5, 4, 3*size)+"DELETE FROM t WHERE rowid % 7 = 3;\n")
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

// TestTables compares tables that came about in different ways.
func TestTables(t *testing.T) {
	const series = "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<%d) "
	for _, tc := range []struct {
		name, script string
		columns      []string
		rows         int
	}{
		{
			name:    "100,000 rows in small pages",
			script:  "PRAGMA page_size=512; CREATE TABLE t(a, b);\nINSERT INTO t " + fmt.Sprintf(series, 100_000) + "SELECT i, 'row ' || i FROM n;",
			columns: []string{"a", "b"}, rows: 100_000,
		},
		{
			name:    "ends of the rowids",
			script:  "CREATE TABLE t(id INTEGER PRIMARY KEY, a);\nINSERT INTO t VALUES(-9223372036854775808, 1), (9223372036854775807, 2), (0, 3), (-1, 4), (127, 5), (128, 6), (16383, 7), (16384, 8), (72057594037927935, 9), (72057594037927936, 10);",
			columns: []string{"id", "a"}, rows: 10,
		},
		{
			name:    "integers of every width",
			script:  "CREATE TABLE t(a, b REAL, c NUMERIC);\nINSERT INTO t VALUES(0,0,0),(1,1,1),(-1,-1,-1),(127,127,127),(-128,-128,1.5),(128,128,1e300),(32767,32767,9),(-32768,-32768,9),(8388607,8388607,9),(-8388608,-8388608,9),(2147483647,2147483647,9),(-2147483648,-2147483648,9),(140737488355327,140737488355327,9),(-140737488355328,-140737488355328,9),(9223372036854775807,9223372036854775807,9),(-9223372036854775807-1,-9223372036854775807-1,9),(1e999,-1e999,'x');",
			columns: []string{"a", "b", "c"}, rows: 17,
		},
		{
			name:    "columns that came later",
			script:  "CREATE TABLE t(a);\nINSERT INTO t VALUES(1),(2);\nALTER TABLE t ADD COLUMN b TEXT;\nALTER TABLE t ADD COLUMN \"c, d\" BLOB /* ( */;\nINSERT INTO t VALUES(3,'x',X'00');\nALTER TABLE t RENAME COLUMN b TO e;\nALTER TABLE t RENAME TO u; ALTER TABLE u RENAME TO t;",
			columns: []string{"a", "e", `"c, d"`}, rows: 3,
		},
		{
			name:    "a column that was removed",
			script:  "CREATE TABLE t(a, b, c);\nINSERT INTO t VALUES(1,2,3),(4,5,6);\nALTER TABLE t DROP COLUMN b;",
			columns: []string{"a", "c"}, rows: 2,
		},
		{
			name:    "deleted rows and free pages",
			script:  "PRAGMA page_size=1024; CREATE TABLE x(a); CREATE TABLE t(a);\nINSERT INTO x " + fmt.Sprintf(series, 3000) + "SELECT randomblob(i%3000) FROM n;\nINSERT INTO t SELECT a FROM x;\nDROP TABLE x; DELETE FROM t WHERE rowid%5 > 0; DELETE FROM t WHERE rowid BETWEEN 1000 AND 2000;",
			columns: []string{"a"}, rows: 399,
		},
		{
			name:    "all but one row deleted",
			script:  "PRAGMA page_size=512; CREATE TABLE t(a);\nINSERT INTO t " + fmt.Sprintf(series, 3000) + "SELECT hex(i) FROM n;\nDELETE FROM t WHERE rowid != 1500;",
			columns: []string{"a"}, rows: 1,
		},
		{
			name:    "vacuum",
			script:  "CREATE TABLE t(a);\nINSERT INTO t " + fmt.Sprintf(series, 3000) + "SELECT hex(i) FROM n;\nDELETE FROM t WHERE rowid%3; PRAGMA page_size=8192; VACUUM;",
			columns: []string{"a"}, rows: 1000,
		},
		{
			name:    "rows in random order, updated and enlarged",
			script:  "PRAGMA page_size=512; CREATE TABLE t(id INTEGER PRIMARY KEY, a, b);\nINSERT INTO t " + fmt.Sprintf(series, 5000) + "SELECT (i*7919)%5003, i, 'x' FROM n;\nUPDATE t SET b = hex(zeroblob(id%400)) WHERE id%3 = 1;\nUPDATE t SET b = NULL WHERE id%11 = 1;",
			columns: []string{"id", "a", "b"}, rows: 5000,
		},
		{
			name:    "more columns than a page has bytes",
			script:  wide(700),
			columns: []string{"c0", "c1", "c350", "c699"}, rows: 3,
		},
		{
			name:    "kine",
			script:  kineSchema + "INSERT INTO kine(name, created, deleted, create_revision, prev_revision, lease, value, old_value) " + fmt.Sprintf(series, 300) + "SELECT '/registry/secrets/default/s' || i, i%2, 0, i, i-1, 0, randomblob(i*100), randomblob(i*90) FROM n;",
			columns: []string{"id", "name", "created", "deleted", "create_revision", "prev_revision", "lease", "value", "old_value"}, rows: 300,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			name := "t"
			if tc.name == "kine" {
				name = "kine"
			}
			f := build(t, "PRAGMA synchronous=OFF;\n"+tc.script)
			want := dumpSQL(t, f.path, name, tc.columns...)
			tab := table(t, f.open(t), name)
			got, faults := dump(t, tab, math.MinInt64)
			if len(faults) > 0 {
				t.Fatal(faults[0])
			}
			if len(tab.Columns) > len(tc.columns) { // only some were asked for
				for i, row := range got {
					fields := strings.Split(row, "|")
					some := fields[:1:1]
					for _, name := range tc.columns {
						c := tab.Column(name)
						some = append(some, fields[1+2*c], fields[2+2*c])
					}
					got[i] = strings.Join(some, "|")
				}
			}
			if len(got) != tc.rows {
				t.Fatalf("%d rows, expected %d", len(got), tc.rows)
			}
			equal(t, want, got)
		})
	}
}

const kineSchema = `CREATE TABLE kine
	(
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		name INTEGER,
		created INTEGER,
		deleted INTEGER,
		create_revision INTEGER,
		prev_revision INTEGER,
		lease INTEGER,
		value BLOB,
		old_value BLOB
	);
`

// wide is a table with a record header longer than a page.
func wide(columns int) string {
	var names, values []string
	for i := range columns {
		names = append(names, fmt.Sprintf("c%d", i))
		values = append(values, fmt.Sprintf("'%0*d'", 70+i%3, i))
	}
	row := "INSERT INTO t VALUES(" + strings.Join(values, ",") + ");\n"
	return "PRAGMA page_size=512; CREATE TABLE t(" + strings.Join(names, ",") + ");\n" + row + row + row
}

// TestAbsent tells NULL from a column that a row does not have.
func TestAbsent(t *testing.T) {
	f := build(t, "CREATE TABLE t(a);\nINSERT INTO t VALUES(1);\nALTER TABLE t ADD COLUMN b DEFAULT 7;\nINSERT INTO t VALUES(2, NULL);")
	tab := table(t, f.open(t), "t")
	var got []bool
	for row, err := range tab.Rows(0) {
		if err != nil {
			t.Fatal(err)
		}
		v, err := row.Value(tab.Column("B"))
		if err != nil || v.Type != Null {
			t.Fatal(v, err)
		}
		got = append(got, v.Absent)
	}
	if !slices.Equal(got, []bool{true, false}) {
		t.Errorf("absent: %v", got)
	}
}

// counter counts the bytes and the ranges of what is read.
type counter struct {
	io.ReaderAt
	bytes, calls int
}

func (c *counter) ReadAt(p []byte, off int64) (int, error) {
	c.bytes += len(p)
	c.calls++
	return c.ReaderAt.ReadAt(p, off)
}

// TestLazy: the first bytes of a long value cost no overflow page, those of the
// value behind it cost four bytes of each page between.
func TestLazy(t *testing.T) {
	const size = 1_500_000
	f := build(t, kineSchema+fmt.Sprintf("INSERT INTO kine VALUES(7, '/registry/secrets/a/b', 1, 0, 7, 0, 0, randomblob(%d), randomblob(%d));", size, size))
	want := strings.Split(dumpSQL(t, f.path, "kine", "value", "old_value")[0], "|")
	value, old := want[2], want[4]
	src := &counter{ReaderAt: bytes.NewReader(f.main)}
	db, err := Open(src, int64(len(f.main)), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	tab := table(t, db, "kine")
	cost := func(maxBytes, maxCalls int, what string) {
		t.Helper()
		if src.bytes > maxBytes || src.calls > maxCalls {
			t.Errorf("%s: %d bytes in %d reads, expected at most %d in %d", what, src.bytes, src.calls, maxBytes, maxCalls)
		}
		src.bytes, src.calls = 0, 0
	}
	src.bytes, src.calls = 0, 0
	seen := 0
	for row, err := range tab.Rows(0) {
		if err != nil {
			t.Fatal(err)
		}
		seen++
		cost(4096, 1, "the row")
		get := func(column string) Value {
			v, err := row.Value(tab.Column(column))
			if err != nil || v.Type != Blob || v.Len != size {
				t.Fatal(v, err)
			}
			return v
		}
		first := func(column, want string) {
			t.Helper()
			b, err := get(column).First(64)
			if err != nil || fmt.Sprintf("%X", b) != want[:128] {
				t.Fatalf("%s: %X, %v", column, b, err)
			}
		}
		first("value", value)
		cost(0, 0, "first bytes of value")
		first("old_value", old)
		pages := size/4092 + 1
		cost(4*pages+4096, pages+2, "first bytes of old_value")

		// In pieces, forwards; then in a random order.
		v := get("old_value")
		var pieces strings.Builder
		b := make([]byte, 1000)
		for off := int64(0); ; {
			n, err := v.ReadAt(b, off)
			fmt.Fprintf(&pieces, "%X", b[:n])
			off += int64(n)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if pieces.String() != old {
			t.Fatal("the pieces are not the value")
		}
		cost(6*size, 3*size/1000, "all of old_value")
		for i := range 200 {
			off := (i * 7919 * 31) % size
			n, err := get("value").ReadAt(b, int64(off))
			if err != nil && !errors.Is(err, io.EOF) || fmt.Sprintf("%X", b[:n]) != value[2*off:2*(off+n)] {
				t.Fatalf("at %d: %v", off, err)
			}
		}
		if n, err := get("value").ReadAt(b, size); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("at the end: %d, %v", n, err)
		}
	}
	if seen != 1 {
		t.Fatalf("%d rows", seen)
	}
}

// TestText: texts are UTF-8 in every encoding.
func TestText(t *testing.T) {
	const want = "résumé 水 😀"
	for _, encoding := range []string{"UTF-8", "UTF-16le", "UTF-16be"} {
		f := build(t, fmt.Sprintf("PRAGMA encoding='%s'; CREATE TABLE \"né\"(\"ключ\");\nINSERT INTO \"né\" VALUES('%s');", encoding, want))
		db := f.open(t)
		if db.Encoding().String() != encoding {
			t.Errorf("encoding %v, expected %s", db.Encoding(), encoding)
		}
		tab := table(t, db, "né")
		n := 0
		for row, err := range tab.Rows(0) {
			if err != nil {
				t.Fatal(err)
			}
			v, err := row.Value(tab.Column("ключ"))
			if err != nil {
				t.Fatal(err)
			}
			n++
			if got, err := v.Text(100); got != want || err != nil {
				t.Errorf("%s: %q, %v", encoding, got, err)
			}
			if _, err := v.Text(5); err == nil || !strings.Contains(err.Error(), "at most 5 bytes, found") {
				t.Errorf("%s: a limit of 5 bytes: %v", encoding, err)
			}
		}
		if n != 1 {
			t.Errorf("%s: %d rows", encoding, n)
		}
	}
	for _, tc := range []struct {
		encoding Encoding
		bytes    string
		want     string
	}{
		{UTF8, "a\xffb", "a\ufffdb"},
		{UTF16LE, "a\x00\x00\xd8b\x00", "a\ufffdb"},
		{UTF16BE, "\x00a\x00", "a\ufffd"},
	} {
		if got := decode(tc.encoding, []byte(tc.bytes)); got != tc.want {
			t.Errorf("%v %q: %q", tc.encoding, tc.bytes, got)
		}
	}
}

// TestMemory reads a file of 200 MB, and the heap does not grow with it.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 200 MB")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "db")
	cli(t, path, "PRAGMA synchronous=OFF; PRAGMA journal_mode=OFF;\n"+kineSchema+
		"INSERT INTO kine WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<40000) SELECT i, '/registry/pods/default/p' || i, 1, 0, i, 0, 0, zeroblob(CASE WHEN i%1000=0 THEN 1500000 ELSE 3000 END), zeroblob(300) FROM n;\n")
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() < 180<<20 {
		t.Fatalf("%d bytes", info.Size())
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	db, err := Open(file, info.Size(), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	tab := table(t, db, "kine")
	name, value, old := tab.Column("name"), tab.Column("value"), tab.Column("old_value")
	rows, long := 0, 0
	buf := make([]byte, 32<<10)
	for row, err := range tab.Rows(0) {
		if err != nil {
			t.Fatal(err)
		}
		rows++
		for _, column := range []int{name, value, old} {
			v, err := row.Value(column)
			if err != nil {
				t.Fatal(err)
			}
			for off := int64(0); off < v.Len; off += int64(len(buf)) {
				if _, err := v.ReadAt(buf, off); err != nil && !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
			}
			if v.Len == 1_500_000 {
				long++
			}
		}
	}
	runtime.ReadMemStats(&after)
	if rows != 40_000 || long != 40 {
		t.Fatalf("%d rows, %d long values", rows, long)
	}
	allocated := after.TotalAlloc - before.TotalAlloc
	t.Logf("%d MB read, %d bytes allocated in all, buffer of the test included", info.Size()>>20, allocated)
	if allocated > 128<<10 {
		t.Errorf("%d bytes allocated, expected at most 128 KiB", allocated)
	}
}
