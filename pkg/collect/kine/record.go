package kine

import (
	"fmt"
	"math"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/sqlite"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored"
)

const tableName = "kine"

// columnNames are the columns of kine's table, in order.
var columnNames = []string{"id", "name", "created", "deleted", "create_revision", "prev_revision", "lease", "value", "old_value"}

const (
	colID = iota
	colName
	colCreated
	colDeleted
	colCreateRevision
	colPrevRevision
	colLease
	colValue
	colOldValue
)

// types are those that the columns can have, as bits.
var types = [9]int{
	colID: 1 << sqlite.Integer, colName: 1 << sqlite.Text,
	colCreated: 1 << sqlite.Integer, colDeleted: 1 << sqlite.Integer,
	colCreateRevision: 1<<sqlite.Integer | 1<<sqlite.Null, colPrevRevision: 1<<sqlite.Integer | 1<<sqlite.Null, colLease: 1<<sqlite.Integer | 1<<sqlite.Null,
	colValue: 1<<sqlite.Blob | 1<<sqlite.Text | 1<<sqlite.Null, colOldValue: 1<<sqlite.Blob | 1<<sqlite.Text | 1<<sqlite.Null,
}

// Rows that are not keys of the API server (kine, pkg/logstructured/sqllog, pkg/server).
const (
	compactKey    = "compact_rev_key"
	compactKeyAPI = "compact_rev_key_apiserver"
	gapPrefix     = "gap-"
)

// maxHeldName is how many bytes of a name are looked at. A longer one is not a Secret's.
const maxHeldName = 4096

// record is a row.
type record struct {
	id               int64
	name             []byte // its first maxHeldName bytes
	long             bool
	created, deleted bool
	prev             int64
	value, old       sqlite.Value // Null, Blob or Text
}

// layout is where the table has kine's columns.
type layout struct {
	table  *sqlite.Table
	column [9]int
	// exact is true if it has these and no others, so that every row has nine values.
	exact bool
	// inOrder is true if the columns are in kine's order.
	inOrder bool
}

// layoutOf finds kine's table and its columns. problem says why it is not kine's.
func layoutOf(db *sqlite.DB) (l layout, err error) {
	if l.table, err = db.Table(tableName); err != nil {
		return l, fmt.Errorf("expected kine's table with columns %s: %w", strings.Join(columnNames, ", "), err)
	}
	l.exact, l.inOrder = len(l.table.Columns) == len(columnNames), true
	for i, name := range columnNames {
		l.column[i] = l.table.Column(name)
		if l.column[i] < 0 || i == colID && !l.table.Columns[l.column[i]].RowID {
			return l, fmt.Errorf("expected kine's table with columns %s, found %s", strings.Join(columnNames, ", "), shownColumns(l.table))
		}
		l.inOrder = l.inOrder && l.column[i] == i
	}
	return l, nil
}

// shownColumns lists the columns that were found. A name that is not plain text is not
// shown.
func shownColumns(t *sqlite.Table) string {
	var names []string
	for i, c := range t.Columns {
		if i == 20 {
			names = append(names, fmt.Sprintf("and %d more", len(t.Columns)-i))
			break
		}
		plain := c.Name != "" && len(c.Name) <= 64
		for _, ch := range []byte(c.Name) {
			plain = plain && (ch == '_' || ch >= '0' && ch <= '9' || ch >= 'a' && ch <= 'z' || ch >= 'A' && ch <= 'Z')
		}
		name := c.Name
		if !plain {
			name = "?"
		}
		if c.Name == "id" && !c.RowID {
			name += " (not INTEGER PRIMARY KEY)"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// parse reads a row. The error is a *sqlite.Fault; problem says what is wrong with the row
// itself. The name is valid until the next row.
func (l *layout) parse(r *sqlite.Row) (rec record, problem string, err error) {
	rec.id = r.RowID
	if rec.id <= 0 {
		return rec, "its id is not a revision", nil
	}
	if l.exact && !r.Exact() {
		return rec, "it does not have kine's nine values", nil
	}
	var v [9]sqlite.Value
	for i := range v {
		if v[i], err = r.Value(l.column[i]); err != nil {
			return rec, "", err
		}
	}
	for i := range v {
		if 1<<v[i].Type&types[i] == 0 {
			return rec, fmt.Sprintf("its %s is a value of type %s", columnNames[i], v[i].Type), nil
		}
	}
	if rec.name, err = v[colName].First(maxHeldName); err != nil {
		return rec, "", err
	}
	rec.long = v[colName].Len > maxHeldName
	for _, i := range [...]int{colCreated, colDeleted} {
		if v[i].Int != 0 && v[i].Int != 1 {
			return rec, fmt.Sprintf("its %s is neither 0 nor 1", columnNames[i]), nil
		}
	}
	rec.created, rec.deleted = v[colCreated].Int == 1, v[colDeleted].Int == 1
	rec.prev, rec.value, rec.old = v[colPrevRevision].Int, v[colValue], v[colOldValue]
	switch {
	case rec.created && rec.deleted:
		return rec, "it is a creation and a deletion", nil
	case rec.prev < 0 || rec.prev >= rec.id && string(rec.name) != compactKey:
		return rec, "its prev_revision is not before it", nil
	}
	return rec, "", nil
}

// column is a value of a row as stored.Source. Its bytes are read when they are asked
// for, and valid until the next call.
type column struct {
	value sqlite.Value
	buf   []byte
}

// span is the value as a Span. Only one column of a row can be in use at a time.
func (c *column) span(v sqlite.Value) stored.Span {
	c.value = v
	return stored.Span{From: c, Size: int(min(v.Len, math.MaxInt32))}
}

// Bytes is stored.Source.
func (c *column) Bytes(off, n int) ([]byte, error) {
	if off < 0 || n < 0 || int64(off)+int64(n) > c.value.Len {
		return nil, fmt.Errorf("%d bytes at offset %d lie outside of %d", n, off, c.value.Len)
	}
	if cap(c.buf) < n {
		c.buf = make([]byte, max(n, 4096))
	}
	b := c.buf[:n]
	if got, err := c.value.ReadAt(b, int64(off)); got < n {
		return nil, err
	}
	return b, nil
}

// same reports whether two values have the same bytes.
func same(a, b sqlite.Value) (bool, error) {
	if a.Type != b.Type || a.Len != b.Len {
		return false, nil
	}
	// Reading two places of one chain of overflow pages in turn follows it from its start
	// each time, so few large pieces.
	size := int(min(a.Len, 256<<10))
	x, y := make([]byte, size), make([]byte, size)
	for off := int64(0); off < a.Len; off += int64(size) {
		n := int(min(a.Len-off, int64(size)))
		if got, err := a.ReadAt(x[:n], off); got < n {
			return false, err
		}
		if got, err := b.ReadAt(y[:n], off); got < n {
			return false, err
		}
		if string(x[:n]) != string(y[:n]) {
			return false, nil
		}
	}
	return true, nil
}
