package sqlite

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

const (
	maxSQL     = 64 << 10 // bytes of a CREATE TABLE
	maxColumns = 2000     // of a table, as in SQLite
	maxName    = 1024     // bytes of a table's name
)

// ErrNoTable is the error for a table that the database does not have.
var ErrNoTable = errors.New("no such table")

// Column is a column of a table.
type Column struct {
	Name  string
	Type  string // as declared, without a length: "VARCHAR"; often ""
	RowID bool   // INTEGER PRIMARY KEY: its value is the rowid

	integer bool // the type is exactly INTEGER
	real    bool // its integers are reals
}

// Table is a table with rowids.
type Table struct {
	Name    string
	Columns []Column

	db   *DB
	root uint32
}

// Column returns the index of a column by its name, -1 if there is none. As in
// SQL, case does not count.
func (t *Table) Column(name string) int {
	for i := range t.Columns {
		if strings.EqualFold(t.Columns[i].Name, name) {
			return i
		}
	}
	return -1
}

// Table finds a table by its name, in which case does not count. The error is
// ErrNoTable only if all of the schema was read. Views, virtual tables, tables
// WITHOUT ROWID and tables with generated columns are errors.
func (db *DB) Table(name string) (*Table, error) {
	if strings.EqualFold(name, "sqlite_schema") || strings.EqualFold(name, "sqlite_master") {
		return db.schema(), nil
	}
	var fault error
	for row, err := range db.schema().Rows(math.MinInt64) {
		if err != nil {
			if fault == nil {
				fault = err
			}
			continue
		}
		t, err := db.entry(row, name)
		if err != nil {
			return nil, fmt.Errorf("table %q: %w", name, err)
		}
		if t != nil {
			return t, nil
		}
	}
	if fault != nil {
		return nil, fmt.Errorf("finding table %q: %w", name, fault)
	}
	return nil, fmt.Errorf("table %q: %w", name, ErrNoTable)
}

// schema is the table that lists the others.
func (db *DB) schema() *Table {
	t := &Table{Name: "sqlite_schema", db: db, root: 1}
	for _, name := range []string{"type", "name", "tbl_name", "rootpage", "sql"} {
		t.Columns = append(t.Columns, Column{Name: name})
	}
	return t
}

// entry reads a row of the schema; nil if it is not about the named table.
func (db *DB) entry(row *Row, name string) (*Table, error) {
	text := func(column, limit int) (string, error) {
		v, err := row.Value(column)
		if err != nil {
			return "", err
		}
		if v.Type != Text || v.Len > int64(limit) && column < 4 {
			return "", nil
		}
		return v.Text(limit)
	}
	kind, err := text(0, maxName)
	if err != nil || kind != "table" && kind != "view" {
		return nil, err
	}
	found, err := text(1, maxName)
	if err != nil || !strings.EqualFold(found, name) {
		return nil, err
	}
	if kind == "view" {
		return nil, errors.New("expected a table, found a view")
	}
	sql, err := text(4, maxSQL)
	if err != nil {
		return nil, fmt.Errorf("its CREATE TABLE: %w", err)
	}
	t := &Table{Name: found, db: db}
	if t.Columns, err = parseCreateTable(sql); err != nil {
		return nil, err
	}
	root, err := row.Value(3)
	if err != nil {
		return nil, err
	}
	if root.Type != Integer || root.Int < 1 || root.Int > math.MaxUint32 || db.outside(uint32(root.Int)) != "" {
		return nil, fmt.Errorf("expected a root page from 1 to %d, found %s %d", db.pages, root.Type, root.Int)
	}
	t.root = uint32(root.Int)
	return t, nil
}

// parseCreateTable reads the columns of a CREATE TABLE as SQLite keeps it. It
// knows only as much of SQL as that takes; what it does not know, it skips.
func parseCreateTable(sql string) ([]Column, error) {
	p := &parser{rest: sql}
	if !p.next() || !p.is("CREATE") {
		return nil, errors.New("expected CREATE TABLE, found other SQL")
	}
	for p.next() && !p.is("(") {
		if p.is("VIRTUAL") {
			return nil, errors.New("expected a table, found a virtual table")
		}
	}
	for more := p.next(); more; {
		switch {
		case p.is("CONSTRAINT") || p.is("PRIMARY") || p.is("UNIQUE") || p.is("CHECK") || p.is("FOREIGN"):
			more = p.constraint()
		case len(p.columns) == maxColumns:
			return nil, fmt.Errorf("expected at most %d columns, found more", maxColumns)
		default:
			more = p.column()
		}
		if p.problem != "" {
			return nil, errors.New(p.problem)
		}
	}
	if !p.closed || len(p.columns) == 0 {
		return nil, errors.New("expected a CREATE TABLE with columns in parentheses, found other SQL")
	}
	for p.next() {
		if p.is("WITHOUT") {
			return nil, errors.New("expected a table with rowids, found one WITHOUT ROWID")
		}
	}
	return p.columns, nil
}

// parser reads SQL word by word.
type parser struct {
	rest    string
	word    string // a name, keyword, number, or a single other character
	quoted  bool   // it is not a keyword
	columns []Column
	closed  bool // the parenthesis of the columns
	problem string
}

// is reports whether the word is a keyword or a character.
func (p *parser) is(keyword string) bool { return !p.quoted && strings.EqualFold(p.word, keyword) }

// column reads a column from its name on. Like constraint, it ends at the comma
// or parenthesis after it, and reports whether there is more.
func (p *parser) column() bool {
	c := Column{Name: p.word}
	full, inType := "", true
	more := p.item(func(depth int) {
		switch {
		case depth > 0:
			if inType {
				full += p.word // INTEGER(4) is not INTEGER
			}
			return
		case p.is("PRIMARY"):
			// By an old mistake of SQLite, DESC makes it an ordinary column.
			after := *p
			for range 2 { // KEY and the word after it
				after.next()
			}
			c.RowID = strings.EqualFold(full, "INTEGER") && !after.is("DESC")
		case p.is("GENERATED") || p.is("AS"):
			p.problem = "expected stored columns, found a generated column, which is not supported"
		}
		for _, keyword := range []string{"CONSTRAINT", "PRIMARY", "NOT", "NULL", "UNIQUE", "CHECK", "DEFAULT", "COLLATE", "REFERENCES", "GENERATED", "AS"} {
			inType = inType && !p.is(keyword)
		}
		if inType {
			c.Type = strings.TrimSpace(c.Type + " " + p.word)
			full = strings.TrimSpace(full + " " + p.word)
		}
	})
	c.integer, c.real = strings.EqualFold(full, "INTEGER"), isReal(c.Type)
	p.columns = append(p.columns, c)
	return more
}

// isReal reports whether a column's integers are reals, by SQLite's rules of
// affinity.
func isReal(declared string) bool {
	declared = strings.ToUpper(declared)
	has := func(part string) bool { return strings.Contains(declared, part) }
	return !has("INT") && !has("CHAR") && !has("CLOB") && !has("TEXT") && !has("BLOB") &&
		(has("REAL") || has("FLOA") || has("DOUB"))
}

// constraint reads constraints of the table: PRIMARY KEY with one column of
// type INTEGER makes that the rowid.
func (p *parser) constraint() bool {
	key := func(depth int) {
		if depth != 0 || !p.is("PRIMARY") {
			return
		}
		rest := *p
		if !rest.next() || !rest.is("KEY") || !rest.next() || !rest.is("(") || !rest.next() {
			return
		}
		name := rest.word
		for rest.next() && !rest.is(")") {
			if rest.is(",") {
				return
			}
		}
		for i := range p.columns {
			if c := &p.columns[i]; strings.EqualFold(c.Name, name) && c.integer {
				c.RowID = true
			}
		}
	}
	key(0)
	return p.item(key)
}

// item visits the words up to a comma or to the end of the table, with the
// depth of parentheses, and reports whether more comes.
func (p *parser) item(visit func(depth int)) bool {
	depth := 0
	for p.next() {
		switch {
		case p.is("("):
			depth++
			continue
		case p.is(")") && depth > 0:
			depth--
			continue
		case p.is(")"):
			p.closed = true
			return false
		case p.is(",") && depth == 0:
			return p.next()
		}
		visit(depth)
	}
	return false
}

// next reads a word, and reports whether there is one. Space and comments are
// skipped.
func (p *parser) next() bool {
	for {
		p.rest = strings.TrimLeft(p.rest, " \t\n\f\r")
		switch {
		case strings.HasPrefix(p.rest, "--"):
			_, p.rest, _ = strings.Cut(p.rest, "\n")
			continue
		case strings.HasPrefix(p.rest, "/*"):
			_, p.rest, _ = strings.Cut(p.rest[2:], "*/")
			continue
		}
		break
	}
	if p.rest == "" {
		return false
	}
	p.quoted = true
	switch c := p.rest[0]; c {
	case '[':
		p.word, p.rest, _ = strings.Cut(p.rest[1:], "]")
		return true
	case '"', '`', '\'':
		quote := string(c)
		p.word, p.rest, _ = strings.Cut(p.rest[1:], quote)
		for strings.HasPrefix(p.rest, quote) { // a doubled quote stands for one
			var part string
			part, p.rest, _ = strings.Cut(p.rest[1:], quote)
			p.word += quote + part
		}
		return true
	}
	p.quoted = false
	n := 0
	for n < len(p.rest) && inWord(p.rest[n]) {
		n++
	}
	n = max(n, 1)
	p.word, p.rest = p.rest[:n], p.rest[n:]
	return true
}

func inWord(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}
