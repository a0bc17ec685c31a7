package sqlite

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// audit follows all of a database: the faults, the numbers of entries, the unused pages.
func audit(t testing.TB, db *DB, read ...string) (faults []*Fault, entries map[string]int64, unused int) {
	t.Helper()
	a, err := db.Audit(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range read {
		tab, err := db.Table(name)
		if err != nil {
			return []*Fault{corrupt(1, "no table")}, nil, 0
		}
		for _, err := range a.Rows(tab) {
			if err != nil {
				faults = append(faults, asFault(t, err))
			}
		}
	}
	objects, more, _ := a.Rest(len(faults) == 0)
	entries = map[string]int64{}
	for _, o := range objects {
		entries[o.Name] = o.Entries
	}
	pages, proven := a.Unused()
	for range pages {
		unused++
	}
	if faults = append(faults, more...); proven != (len(faults) == 0) && !proven && len(faults) == 0 {
		t.Error("no fault, and not proven")
	}
	return faults, entries, unused
}

// auditSQL has a table with long rows, indexes with long entries, a table without rowids,
// and free pages.
func auditSQL(size int, begin string) string {
	return fmt.Sprintf("PRAGMA page_size=%d; PRAGMA synchronous=OFF;\n%s\n", size, begin) + `
CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT, b);
CREATE INDEX i ON t(a);
CREATE INDEX long ON t(b, a);
CREATE INDEX some ON t(a) WHERE id % 2;
CREATE TABLE w(a PRIMARY KEY, b) WITHOUT ROWID;
CREATE TABLE gone(a);
INSERT INTO t WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<700)
SELECT i, 'name ' || (i*7919)%997, CASE WHEN i%50=7 THEN zeroblob(9000+i) ELSE zeroblob(i%90) END FROM n;
INSERT INTO w SELECT a || id, b FROM t;
INSERT INTO gone SELECT b FROM t;
DELETE FROM t WHERE id % 3 = 1;
UPDATE t SET a = a || 'x' WHERE id % 5 = 1;
DROP TABLE gone;
`
}

// TestAudit finds no fault where SQLite's integrity check finds none, as many entries as
// the tables have rows, and as many unused pages as there are in the freelist.
func TestAudit(t *testing.T) {
	for size := minPageSize; size <= maxPageSize; size *= 4 {
		for i, begin := range []string{"", "PRAGMA auto_vacuum=1;", "PRAGMA auto_vacuum=2;", "PRAGMA journal_mode=WAL;", ".filectrl reserve_bytes 32\n"} {
			t.Run(fmt.Sprintf("%d/%d", size, i), func(t *testing.T) {
				f := build(t, auditSQL(size, begin))
				if got := strings.TrimSpace(cli(t, f.path, "PRAGMA integrity_check;")); got != "ok" {
					t.Fatal(got)
				}
				var rows, free int
				if _, err := fmt.Sscan(cli(t, f.path, "SELECT count(*) FROM t; PRAGMA freelist_count;"), &rows, &free); err != nil {
					t.Fatal(err)
				}
				faults, entries, unused := audit(t, f.open(t), "t")
				if len(faults) > 0 {
					t.Fatal(faults[0])
				}
				if unused != free || free == 0 && i == 0 {
					t.Errorf("%d pages are not used, the freelist has %d", unused, free)
				}
				if entries["i"] != int64(rows) || entries["long"] != int64(rows) || entries["some"] >= int64(rows) || entries["some"] == 0 || entries["w"] != 700 {
					t.Errorf("%d rows, entries %v", rows, entries)
				}
			})
		}
	}
}

// TestAuditDamage overwrites a few bytes. Where SQLite's integrity check finds a fault in
// the structure of the file, so do we.
func TestAuditDamage(t *testing.T) {
	f := build(t, auditSQL(512, "PRAGMA journal_mode=DELETE;"))
	r := rand.New(rand.NewSource(1))
	good := bytes.Clone(f.main)
	tries, both, only := 200, 0, 0
	path := filepath.Join(t.TempDir(), "db")
	for i := range tries {
		copy(f.main, good)
		page := 1 + r.Intn(len(good)/512-1)
		at := page * 512
		if i%2 == 0 {
			at += r.Intn(12) // the header of a page
		} else {
			at += r.Intn(512)
		}
		f.main[at] ^= byte(1 + r.Intn(255))
		if err := os.WriteFile(path, f.main, 0o600); err != nil {
			t.Fatal(err)
		}
		// The shell ends with an error where not even the check can go on.
		out, _ := exec.Command("sqlite3", "-batch", path, "PRAGMA integrity_check;").CombinedOutput()
		check := string(out)
		if strings.TrimSpace(check) == "ok" {
			continue
		}
		db, err := open(f.main, nil)
		if err != nil {
			continue
		}
		// What the check says about the content of rows and entries is not ours.
		structure := false
		for line := range strings.Lines(check) {
			structure = structure || !strings.Contains(line, "missing from index") && !strings.Contains(line, "non-unique") &&
				!strings.Contains(line, "out of order") && !(strings.Contains(line, "malformed") && at%512 >= 12) && !strings.Contains(line, "Pointer map") && strings.TrimSpace(line) != ""
		}
		faults, entries, _ := audit(t, db, "t")
		switch {
		case len(faults) > 0:
			both++
		case structure && entries["i"] == entries["long"]:
			only++
			t.Errorf("byte %d of page %d: SQLite says %.200q", at%512, page+1, check)
		}
	}
	t.Logf("%d of %d: a fault for both, %d only for SQLite", both, tries, only)
}

// A count of free pages that is negative in an int of 32 bits is damage there, too.
func TestAuditFreelistCount(t *testing.T) {
	for _, count := range []uint32{200, 1<<31 - 1, 1 << 31, 1<<32 - 1} {
		f := build(t, auditSQL(512, "PRAGMA journal_mode=DELETE;"))
		trunk := binary.BigEndian.Uint32(f.main[32:])
		if trunk == 0 {
			t.Fatal("the fixture has no free page")
		}
		binary.BigEndian.PutUint32(f.main[(trunk-1)*512+4:], count)
		db, err := open(f.main, nil)
		if err != nil {
			t.Fatal(err)
		}
		faults, _, _ := audit(t, db, "t")
		if !slices.ContainsFunc(faults, func(f *Fault) bool {
			return strings.Contains(f.Error(), fmt.Sprintf("a page of the freelist with %d pages, more than fit", count))
		}) {
			t.Errorf("%d pages in a page of the freelist: found %v", count, faults)
		}
	}
}

// TestRefresh goes on to later commits in the same log, and finds what Open finds.
func TestRefresh(t *testing.T) {
	dir := t.TempDir()
	var states []fixture
	script := "PRAGMA page_size=512; PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; CREATE TABLE t(a);\n"
	for i := range 6 {
		script += fmt.Sprintf("INSERT INTO t WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<60) SELECT hex(zeroblob(i)) FROM n;\nUPDATE t SET a = a || '%d' WHERE rowid %% 3 = 0;\n", i)
		if i == 3 {
			script += "PRAGMA wal_checkpoint(PASSIVE);\n"
		}
		script += fmt.Sprintf(".shell cp %[1]s/open %[1]s/db%[2]d; cp %[1]s/open-wal %[1]s/db%[2]d-wal\n", dir, i)
	}
	cli(t, filepath.Join(dir, "open"), script)
	for i := range 6 {
		var f fixture
		var err error
		f.path = filepath.Join(dir, fmt.Sprintf("db%d", i))
		if f.main, err = os.ReadFile(f.path); err != nil {
			t.Fatal(err)
		}
		if f.log, err = os.ReadFile(f.path + "-wal"); err != nil {
			t.Fatal(err)
		}
		states = append(states, f)
	}
	main, log := &swap{states[0].main}, &swap{states[0].log}
	db, err := Open(main, int64(len(main.b)), log, int64(len(log.b)))
	if err != nil {
		t.Fatal(err)
	}
	restarts := 0
	for i, f := range states {
		main.b, log.b = f.main, f.log
		ok, err := db.Refresh(int64(len(f.main)), int64(len(f.log)))
		if restarted := !bytes.Equal(f.log[:32], states[max(0, i-1)].log[:32]); err != nil || ok == restarted {
			t.Fatal(i, ok, err)
		}
		if !ok {
			restarts++
			if db, err = Open(main, int64(len(main.b)), log, int64(len(log.b))); err != nil {
				t.Fatal(err)
			}
		}
		got, faults := dump(t, table(t, db, "t"), 0)
		want, _ := dump(t, table(t, f.open(t), "t"), 0)
		if len(faults) > 0 || len(want) != 60*(i+1) {
			t.Fatal(faults, len(want))
		}
		equal(t, want, got)
		if c, err := db.Changed(int64(len(f.main)), int64(len(f.log))); c != Same || err != nil {
			t.Errorf("state %d: %v, %v", i, c, err)
		}
	}
	if restarts != 1 {
		t.Errorf("the log was restarted %d times", restarts)
	}
	log.b = bytes.Clone(log.b)
	log.b[12]++ // another sequence: restarted
	if ok, err := db.Refresh(int64(len(main.b)), int64(len(log.b))); ok || err != nil {
		t.Error(ok, err)
	}
}

// TestLeftovers finds the rows of a leaf that is no longer in use, and the bytes between.
func TestLeftovers(t *testing.T) {
	f := build(t, "PRAGMA page_size=1024; CREATE TABLE t(a, b, c);\nINSERT INTO t VALUES(1, 'one', X'0102'), (-300, 'two', NULL), (1099511627776, 'three', zeroblob(3000));")
	db := f.open(t)
	b := make([]byte, 1024)
	if err := db.Page(b, 2); err != nil {
		t.Fatal(err)
	}
	var rows []string
	rest := 0
	look := func(columns int) {
		rows, rest = nil, 0
		db.Leftovers(b, columns, func(id int64, v []Local) {
			rows = append(rows, fmt.Sprintf("%d %d %s %s %d %d", id, v[0].Int, v[1].Bytes, v[2].Type, v[2].Len, len(v[2].Bytes)))
		}, func(b []byte) { rest += len(b) })
	}
	look(3)
	want := "1 1 one blob 2 2\n2 -300 two NULL 0 0\n3 1099511627776 three blob 3000"
	if got := strings.Join(rows, "\n"); !strings.HasPrefix(got, want) || rest == 0 || rest >= 1024 {
		t.Errorf("%s, %d other bytes", got, rest)
	}
	if look(2); rows != nil || rest != 1024 {
		t.Errorf("two columns: %q, %d", rows, rest)
	}
	b[0] = 0
	if look(3); rows != nil || rest != 1024 {
		t.Errorf("no leaf: %q, %d", rows, rest)
	}
}
