package sqlite

import (
	"errors"
	"math"
	"strings"
	"testing"
)

// TestCreateTable compares names and the rowid's column with SQLite's: a row
// without values has a value only in the column that stands for the rowid.
func TestCreateTable(t *testing.T) {
	for _, sql := range []string{
		"CREATE TABLE t(a)",
		"CREATE TABLE t(a INTEGER PRIMARY KEY)",
		"create table IF NOT EXISTS main.t(a, b integer /* , x */ primary key -- , y\n autoincrement, c)",
		"CREATE TABLE t(a INTEGER PRIMARY KEY DESC, b)",
		"CREATE TABLE t(a INTEGER PRIMARY KEY ASC, b)",
		"CREATE TABLE t(a INT PRIMARY KEY, b)",
		"CREATE TABLE t(a INTEGER(4) PRIMARY KEY, b)",
		"CREATE TABLE t(a BIG INTEGER PRIMARY KEY, b)",
		`CREATE TABLE t(a "INTEGER" PRIMARY KEY, b)`,
		"CREATE TABLE t(a INTEGER CONSTRAINT k PRIMARY KEY ON CONFLICT FAIL, b)",
		"CREATE TABLE t(a INTEGER, b TEXT, PRIMARY KEY(a))",
		"CREATE TABLE t(a INTEGER, b TEXT, PRIMARY KEY(a DESC))",
		"CREATE TABLE t(a INTEGER, b INTEGER, PRIMARY KEY(b, a))",
		"CREATE TABLE t(a INTEGER(9), b TEXT, PRIMARY KEY(a))",
		`CREATE TABLE t("a b" INTEGER, b TEXT, CONSTRAINT k UNIQUE(b), PRIMARY KEY("a b" AUTOINCREMENT))`,
		"CREATE TABLE t(a INTEGER, b, CHECK (b IN (1, 2) OR b IS NULL) PRIMARY KEY(a))",
		"CREATE TABLE t(a DECIMAL(10, 2) DEFAULT (NULL) CHECK (CAST(a AS INT) != 1 OR a IS NULL), b VARCHAR(20) COLLATE NOCASE)",
		`CREATE TABLE t("a""b", [c,d], ` + "`e``f`" + `, 'g''h', """", "primary", "CHECK" INTEGER PRIMARY KEY)`,
		"CREATE TABLE t(ключ TEXT, 水 INTEGER, _x$1, \"(\" , \")\" )",
		"CREATE TABLE t(a REFERENCES u(x) ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED, b INTEGER PRIMARY KEY)",
		"CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT) STRICT",
		"CREATE TABLE t(key, value, action, abort, without, view, rowid_)",
		"CREATE TABLE t AS SELECT 1 AS a, 'x' AS \"b c\" WHERE 0",
		kineSchema,
		"CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL DEFAULT X'00')",
	} {
		name := "t"
		for _, other := range []string{"kine", "Packages"} {
			if strings.Contains(sql, other) {
				name = other
			}
		}
		f := build(t, sql+";\nINSERT INTO "+name+" DEFAULT VALUES;")
		want := strings.Split(strings.TrimSpace(cli(t, f.path, ".mode list\n.separator ~\nSELECT name FROM pragma_table_info('"+name+"') ORDER BY cid;")), "\n")
		tab, err := f.open(t).Table(name)
		if err != nil {
			t.Errorf("%s: %v", sql, err)
			continue
		}
		var got []string
		for i, c := range tab.Columns {
			got = append(got, c.Name)
			if tab.Column(strings.ToUpper(c.Name)) != i {
				t.Errorf("%s: column %q is not found", sql, c.Name)
			}
		}
		equal(t, want, got)
		rows, faults := dump(t, tab, math.MinInt64)
		if len(faults) > 0 {
			t.Fatal(faults[0])
		}
		for i, c := range got {
			got[i] = `"` + strings.ReplaceAll(c, `"`, `""`) + `"`
		}
		equal(t, dumpSQL(t, f.path, name, got...), rows)
		if tab.Column("absent") != -1 {
			t.Error("found a column that is not there")
		}
	}
}

func TestTableErrors(t *testing.T) {
	f := build(t, `CREATE TABLE a(x PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE b(x); CREATE VIEW c AS SELECT x FROM b; CREATE INDEX d ON b(x);
CREATE VIRTUAL TABLE e USING fts5(x);
CREATE TABLE g(x, y AS (x+1), z);
CREATE TABLE h(x, y INT GENERATED ALWAYS AS (x+1) STORED);
`)
	db := f.open(t)
	for name, want := range map[string]string{
		"a":    `table "a": expected a table with rowids, found one WITHOUT ROWID`,
		"c":    `table "c": expected a table, found a view`,
		"d":    `table "d": no such table`,
		"e":    `table "e": expected a table, found a virtual table`,
		"g":    `table "g": expected stored columns, found a generated column, which is not supported`,
		"h":    `table "h": expected stored columns, found a generated column, which is not supported`,
		"kine": `table "kine": no such table`,
	} {
		_, err := db.Table(name)
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, expected %s", name, err, want)
		}
		if errors.Is(err, ErrNoTable) != strings.HasSuffix(want, "no such table") {
			t.Errorf("%s: is ErrNoTable: %v", name, errors.Is(err, ErrNoTable))
		}
	}
	if rows, faults := dump(t, table(t, db, "SQLITE_MASTER"), 0); len(rows) < 7 || len(faults) > 0 {
		t.Errorf("the schema: %d rows, %v", len(rows), faults)
	}

	for sql, want := range map[string]string{
		"":                    "expected CREATE TABLE, found other SQL",
		"DROP TABLE x":        "expected CREATE TABLE, found other SQL",
		"CREATE TABLE x":      "expected a CREATE TABLE with columns in parentheses, found other SQL",
		"CREATE TABLE x()":    "expected a CREATE TABLE with columns in parentheses, found other SQL",
		"CREATE TABLE x(a":    "expected a CREATE TABLE with columns in parentheses, found other SQL",
		"CREATE TABLE x(a,":   "expected a CREATE TABLE with columns in parentheses, found other SQL",
		"CREATE TABLE x('":    "expected a CREATE TABLE with columns in parentheses, found other SQL",
		"CREATE TABLE x(a /*": "expected a CREATE TABLE with columns in parentheses, found other SQL",
		"CREATE TABLE x(a" + strings.Repeat(",a", 2000) + ")": "expected at most 2000 columns, found more",
	} {
		if _, err := parseCreateTable(sql); err == nil || err.Error() != want {
			t.Errorf("%.30q: %v, expected %s", sql, err, want)
		}
	}
}
