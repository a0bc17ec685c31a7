package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// cli runs SQLite's own shell on a file and returns what it prints. The test is
// skipped where it is not installed, and fails where CHECKLIST_REQUIRE_TOOLS=1
// says that it is.
func cli(t testing.TB, path, script string) string {
	t.Helper()
	program, err := exec.LookPath("sqlite3")
	if err != nil {
		if os.Getenv("CHECKLIST_REQUIRE_TOOLS") == "1" {
			t.Fatal("sqlite3 is not installed")
		}
		t.Skip("sqlite3 is not installed")
	}
	cmd := exec.Command(program, "-batch", "-bail", path)
	cmd.Stdin = strings.NewReader(script)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("sqlite3: %v: %.500s", err, stderr.String())
	}
	return string(out)
}

// fixture is a database, perhaps with a log.
type fixture struct {
	path      string
	main, log []byte
}

// build makes a database with a script. The files are copied while the shell
// has it open: a log is as the script left it.
func build(t testing.TB, script string) fixture {
	t.Helper()
	dir := t.TempDir()
	cli(t, filepath.Join(dir, "open"), script+"\n.shell cp "+dir+"/open "+dir+"/db; cp "+dir+"/open-wal "+dir+"/db-wal 2>/dev/null || true\n")
	f := fixture{path: filepath.Join(dir, "db")}
	var err error
	if f.main, err = os.ReadFile(f.path); err != nil {
		t.Fatal(err)
	}
	if f.log, err = os.ReadFile(f.path + "-wal"); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return f
}

// open opens the bytes of a fixture.
func (f fixture) open(t testing.TB) *DB {
	t.Helper()
	db, err := open(f.main, f.log)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func open(main, log []byte) (*DB, error) {
	if log == nil {
		return Open(bytes.NewReader(main), int64(len(main)), nil, 0)
	}
	return Open(bytes.NewReader(main), int64(len(main)), bytes.NewReader(log), int64(len(log)))
}

func table(t testing.TB, db *DB, name string) *Table {
	t.Helper()
	tab, err := db.Table(name)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// dump is every row as dumpSQL prints it, and the faults.
func dump(t testing.TB, tab *Table, from int64) (rows []string, faults []*Fault) {
	t.Helper()
	for row, err := range tab.Rows(from) {
		if err != nil {
			faults = append(faults, asFault(t, err))
			continue
		}
		line, err := render(row)
		if err != nil {
			faults = append(faults, asFault(t, err))
			continue
		}
		rows = append(rows, line)
	}
	return rows, faults
}

func asFault(t testing.TB, err error) *Fault {
	t.Helper()
	var f *Fault
	if !errors.As(err, &f) || f.Page == 0 || f.Reason == "" || f.Text == "" {
		t.Fatalf("expected a fault with a page, a reason and a text, found %#v", err)
	}
	return f
}

// maxTestValue is more than any fixture has in one value.
const maxTestValue = 4 << 20

func render(row *Row) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%d", row.RowID)
	for i := range row.columns {
		v, err := row.Value(i)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "|%s|", strings.ToLower(v.Type.String()))
		switch v.Type {
		case Null:
			b.WriteString("NULL")
		case Integer:
			fmt.Fprint(&b, v.Int)
		case Real:
			fmt.Fprintf(&b, "%016X", math.Float64bits(v.Real))
		default:
			buf := make([]byte, min(v.Len, maxTestValue))
			if n, err := v.ReadAt(buf, 0); err != nil && v.Len > 0 {
				return "", err
			} else if n != len(buf) {
				return "", fmt.Errorf("expected %d bytes, found %d", len(buf), n)
			}
			fmt.Fprintf(&b, "%X", buf)
		}
	}
	return b.String(), nil
}

// dumpSQL has SQLite print a table's rows as dump does.
func dumpSQL(t testing.TB, path, table string, columns ...string) []string {
	t.Helper()
	var b strings.Builder
	b.WriteString("SELECT rowid")
	for _, c := range columns {
		fmt.Fprintf(&b, ", typeof(%[1]s), CASE typeof(%[1]s) WHEN 'text' THEN hex(%[1]s) WHEN 'blob' THEN hex(%[1]s) WHEN 'real' THEN printf('%%!.20e', %[1]s) ELSE quote(%[1]s) END", c)
	}
	fmt.Fprintf(&b, " FROM %s ORDER BY rowid;\n", table)
	out := strings.TrimSuffix(cli(t, path, ".mode list\n"+b.String()), "\n")
	if out == "" {
		return nil
	}
	rows := strings.Split(out, "\n")
	for i, row := range rows {
		fields := strings.Split(row, "|")
		for j := 1; j+1 < len(fields); j += 2 {
			if fields[j] == "real" {
				var x float64
				if _, err := fmt.Sscan(fields[j+1], &x); err != nil {
					t.Fatal(err)
				}
				fields[j+1] = fmt.Sprintf("%016X", math.Float64bits(x))
			}
		}
		rows[i] = strings.Join(fields, "|")
	}
	return rows
}

// same compares all rows of a table with those that SQLite finds.
func (f fixture) same(t testing.TB, name string, columns ...string) int {
	t.Helper()
	got, faults := dump(t, table(t, f.open(t), name), math.MinInt64)
	if len(faults) > 0 {
		t.Fatalf("faults: %v", faults[0])
	}
	want := dumpSQL(t, f.path, name, columns...)
	if len(want) == 0 {
		t.Fatalf("%s has no row", name)
	}
	equal(t, want, got)
	return len(want)
}

func equal(t testing.TB, want, got []string) {
	t.Helper()
	for i := range max(len(want), len(got)) {
		var w, g string
		if i < len(want) {
			w = want[i]
		}
		if i < len(got) {
			g = got[i]
		}
		if w != g {
			t.Fatalf("row %d of %d (ours: %d)\nsqlite: %.200s\nours:   %.200s", i, len(want), len(got), w, g)
		}
	}
}

// literal is a random value as SQL writes it. Sizes reach over several pages.
func literal(r *rand.Rand, largest int) string {
	switch r.Intn(9) {
	case 0:
		return "NULL"
	case 1:
		return fmt.Sprint(r.Intn(3))
	case 2, 3: // each width, both signs
		n := int64(r.Uint64()) >> r.Intn(64)
		if n == math.MinInt64 {
			n++ // its literal is a real
		}
		return fmt.Sprint(n)
	case 4:
		return fmt.Sprintf("%.17e", r.NormFloat64()*math.Pow(10, float64(r.Intn(40)-20)))
	case 5, 6:
		b := make([]rune, r.Intn(40))
		for i := range b {
			b[i] = []rune{'a', 'z', 'é', '水', '😀', '"'}[r.Intn(6)]
		}
		return "'" + strings.Repeat(string(b), 1+r.Intn(3)*r.Intn(10)) + "'"
	case 7:
		return fmt.Sprintf("X'%x'", make([]byte, r.Intn(30)))
	}
	b := make([]byte, r.Intn(largest))
	r.Read(b)
	return fmt.Sprintf("X'%x'", b)
}

// rows inserts n random rows into a table, with rowids that rise by up to gap.
func rows(r *rand.Rand, table string, first int64, n, gap, columns, largest int) string {
	var b strings.Builder
	b.WriteString("BEGIN;\n")
	id := first
	for range n {
		fmt.Fprintf(&b, "INSERT INTO %s VALUES(%d", table, id)
		for range columns {
			b.WriteString(", " + literal(r, largest))
		}
		b.WriteString(");\n")
		id += 1 + int64(r.Intn(gap))
	}
	b.WriteString("COMMIT;\n")
	return b.String()
}
