package sqlite

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzScan: no panic and an end; every error is a fault in a page; work and
// memory by the size of the file.
func FuzzScan(f *testing.F) {
	small := build(f, "PRAGMA page_size=512; CREATE TABLE t(a, b);\nINSERT INTO t VALUES(1, 'x'), (2, zeroblob(2000)), (1.5, NULL);")
	f.Add(small.main, []byte(nil), 600, []byte{9}, false)
	log := build(f, "PRAGMA page_size=512; PRAGMA journal_mode=wal; CREATE TABLE t(a, b);\nINSERT INTO t VALUES(1, 'x'), (2, zeroblob(2000)), (1.5, NULL);")
	f.Add(log.main, log.log, 0, []byte{}, true)
	deep := build(f, "PRAGMA page_size=512; CREATE TABLE t(a);\nINSERT INTO t WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<200) SELECT i FROM n;\nINSERT INTO t VALUES(hex(zeroblob(900)));")
	f.Add(deep.main, []byte(nil), 1024, []byte{5}, false)
	f.Add(handmade(3), []byte(nil), 512, []byte{leafTable, 0, 0, 0, 1}, false)
	w := newLog(binary.BigEndian, 512, "saltsalt")
	w.frame(1, 3, handmade(3)[:512])
	f.Add(handmade(1), w.Bytes(), 0, []byte{}, false)
	f.Fuzz(func(t *testing.T, main, log []byte, at int, with []byte, sign bool) {
		main = append([]byte(nil), main...)
		if at >= 0 && at < len(main) {
			copy(main[at:], with)
		}
		if sign {
			log = signed(log)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		src := &counter{ReaderAt: swapped(main)}
		db, err := Open(src, int64(len(main)), swapped(log), int64(len(log)))
		if err != nil {
			if db != nil || !utf8.ValidString(err.Error()) {
				t.Fatalf("%v, %v", db, err)
			}
			return
		}
		if c, err := db.Changed(int64(len(main)), int64(len(log))); c != Same || err != nil {
			t.Fatalf("changed: %v, %v", c, err)
		}
		tables := []*Table{db.schema()}
		tab, err := db.Table("t")
		if err == nil {
			tables = append(tables, tab)
		}
		buf := make([]byte, 100)
		for _, tab := range tables {
			last, faults, first := int64(math.MinInt64), 0, true
			for row, err := range tab.Rows(math.MinInt64) {
				if err != nil {
					asFault(t, err)
					faults++
					continue
				}
				if !first && row.RowID <= last {
					t.Fatalf("rowid %d after %d", row.RowID, last)
				}
				last, first = row.RowID, false
				for i := range tab.Columns {
					v, err := row.Value(i)
					if err != nil {
						asFault(t, err)
						continue
					}
					if v.Len > 0 {
						a, err := v.First(50)
						if err != nil {
							asFault(t, err)
						}
						if n, err := v.ReadAt(buf, max(0, v.Len-70)); err != nil && !errors.Is(err, io.EOF) {
							asFault(t, err)
						} else if n != int(min(70, v.Len)) {
							t.Fatalf("%d bytes of %d", n, v.Len)
						} else if v.Len <= 50 && string(a) != string(buf[:n]) {
							t.Fatal("two ways, two values")
						}
					}
					if v.Type == Text {
						if s, err := v.Text(100); err == nil && !utf8.ValidString(s) {
							t.Fatalf("%q", s)
						}
					}
				}
			}
			if faults > maxFaults {
				t.Fatalf("%d faults", faults)
			}
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20+uint64(len(main)+len(log))*64 {
			t.Fatalf("%d bytes allocated for files of %d and %d", n, len(main), len(log))
		}
		if limit := 20*(len(main)+len(log))/512*10 + 40*maxFaults; src.calls > limit {
			t.Fatalf("%d reads of a file of %d bytes", src.calls, len(main))
		}
	})
}

// signed is a log with the salts and checksums that make its frames valid.
func signed(log []byte) []byte {
	if len(log) < logHeaderSize {
		return log
	}
	w := newLog(binary.LittleEndian, 512, "saltsalt")
	for log = log[logHeaderSize:]; len(log) >= frameHeaderSize+512; log = log[frameHeaderSize+512:] {
		w.frame(binary.BigEndian.Uint32(log), binary.BigEndian.Uint32(log[4:]), log[frameHeaderSize:][:512])
	}
	return w.Bytes()
}

func swapped(b []byte) io.ReaderAt { return &swap{b} }

// FuzzCreateTable: no panic, and what is found are names from the text.
func FuzzCreateTable(f *testing.F) {
	for _, sql := range []string{kineSchema, "CREATE TABLE t(\"a\"\"b\" INTEGER PRIMARY KEY DESC, [c], `d`, PRIMARY KEY(x)) WITHOUT ROWID", "CREATE TABLE t(a AS (1), b /* -- */)"} {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		columns, err := parseCreateTable(sql)
		if err != nil {
			if columns != nil {
				t.Fatal("columns beside an error")
			}
			return
		}
		if len(columns) == 0 || len(columns) > maxColumns {
			t.Fatalf("%d columns", len(columns))
		}
		for _, c := range columns {
			for part := range strings.SplitSeq(c.Name, `"`) {
				if !strings.Contains(sql, part) {
					t.Fatalf("a column %q", c.Name)
				}
			}
		}
	})
}
