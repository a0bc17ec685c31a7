package sqlite

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestLive reads beside a shell that writes, checkpoints and vacuums. Every
// transaction gives all rows one new number. What was read while nothing
// changed has one number, and no fault.
func TestLive(t *testing.T) {
	for _, mode := range []string{"wal", "delete"} {
		t.Run(mode, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "db")
			begin := "PRAGMA page_size=512; PRAGMA synchronous=OFF; PRAGMA journal_mode=" + mode + "; PRAGMA wal_autocheckpoint=37;\n"
			cli(t, path, begin+"CREATE TABLE t(g, x);\nINSERT INTO t WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<300) SELECT 0, hex(zeroblob(i)) FROM n;\n")
			var script strings.Builder
			script.WriteString(begin)
			const transactions = 700
			for i := range transactions {
				script.WriteString("UPDATE t SET g=g+1, x=hex(zeroblob((g*7+rowid)%400));\n")
				if i%100 == 50 {
					script.WriteString("VACUUM;\n")
				}
			}
			writer := exec.Command("sqlite3", "-batch", "-bail", path)
			writer.Stdin = strings.NewReader(script.String())
			if err := writer.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- writer.Wait() }()
			defer writer.Process.Kill()
			counts := map[string]int{}
			done := false
			for !done {
				select {
				case err := <-ended:
					if err != nil {
						t.Fatal(err)
					}
					done = true // and once more
				default:
				}
				number, what := readLive(t, path, mode)
				counts[what]++
				if done && (what != "same" || number != transactions) {
					t.Errorf("at the end: %s, number %d", what, number)
				}
			}
			t.Logf("%v", counts)
		})
	}
}

// readLive reads the table once and says how that went.
func readLive(t *testing.T, path, mode string) (number int64, what string) {
	t.Helper()
	main, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer main.Close()
	log, err := os.Open(path + "-wal")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	defer log.Close()
	size := func(f *os.File) int64 {
		if f == nil {
			return 0
		}
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	journal := func() bool {
		info, err := os.Stat(path + "-journal")
		return err == nil && info.Size() > 0
	}
	if journal() {
		return 0, "a journal"
	}
	var db *DB
	if log != nil {
		db, err = Open(main, size(main), log, size(log))
	} else {
		db, err = Open(main, size(main), nil, 0)
	}
	if err != nil {
		return 0, "not opened"
	}
	numbers := map[int64]int{}
	var problem error
	if tab, err := db.Table("t"); err != nil {
		problem = err
	} else {
		for row, err := range tab.Rows(0) {
			if err != nil {
				problem = err
				continue
			}
			v, err := row.Value(0)
			if err != nil {
				problem = err
				continue
			}
			numbers[v.Int]++
			number = v.Int
		}
	}
	crossed := journal() // before Changed: a commit after this is noticed there
	change, err := db.Changed(size(main), size(log))
	if err != nil {
		return 0, "not compared"
	}
	now, err := os.Stat(path + "-wal")
	if crossed || (err == nil) != (log != nil) {
		return 0, "a file came or went"
	}
	if log != nil {
		if old, err := log.Stat(); err != nil || !os.SameFile(old, now) {
			return 0, "another log"
		}
	}
	one := problem == nil && len(numbers) == 1 && numbers[number] == 300
	switch {
	case change == Same && one:
		return number, "same"
	case change == Same:
		t.Errorf("%s: nothing changed, and the numbers are %v, %v", mode, numbers, problem)
		return 0, "torn"
	}
	return 0, fmt.Sprintf("change %d, one state: %v", change, one)
}
