package sqlite

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf16"
)

// Type is the type of a value.
type Type int

// The types of SQLite.
const (
	Null Type = iota
	Integer
	Real
	Text
	Blob
)

func (t Type) String() string { return [...]string{"NULL", "integer", "real", "text", "blob"}[t] }

// stored is where a row has the value of a column.
type stored struct {
	serial uint64
	off    int64 // in the payload
}

// absent marks a column that a row does not have: the table got it later.
const absent = math.MaxUint64

// Row is a row of a table. It is valid until the next one.
type Row struct {
	RowID int64

	table   *Table
	scan    *scan
	page    uint32 // the leaf
	cell    cell
	columns []stored
	exact   bool

	head []byte // the record's header, where the leaf does not have all of it

	// The overflow chain. Page number at holds the chain's page of index now;
	// after is the next one, where it was read.
	at, after    uint32
	now, deepest int64
	mark         uint32 // a page of the chain, to detect a cycle
}

// parse reads the header of a record: its size, then a serial type for each
// column.
func (r *Row) parse(page uint32, c cell) *Fault {
	r.RowID, r.page, r.cell = c.rowid, page, c
	r.at, r.after, r.now, r.deepest, r.mark = c.overflow, 0, 0, -1, 0
	size, n := varint(c.local)
	if n == 0 || size > uint64(c.size) || size < uint64(n) {
		return corrupt(page, "its header does not fit into its %d bytes", c.size)
	}
	// No more is needed for the table's columns.
	head := c.local
	if want := min(int(size), 9*(len(r.columns)+1)); want <= len(head) {
		head = head[:want]
	} else {
		if cap(r.head) < want {
			r.head = make([]byte, want)
		}
		head = r.head[:want]
		if f := r.read(head, 0); f != nil {
			return f
		}
	}
	head = head[n:]
	off := int64(size)
	for i := range r.columns {
		if len(head) == 0 {
			r.columns[i] = stored{serial: absent}
			continue
		}
		serial, n := varint(head)
		if n == 0 {
			return corrupt(page, "its header ends inside the type of column %d", i)
		}
		head = head[n:]
		length := serialSize(serial)
		if length < 0 || length > c.size-off {
			return corrupt(page, "column %d of serial type %d at byte %d does not fit into its %d bytes", i, serial, off, c.size)
		}
		r.columns[i] = stored{serial, off}
		off += length
	}
	r.exact = len(head) == 0 && off == c.size
	return nil
}

// Exact reports whether the row has as many values as the table has columns, and no byte
// more. It is so for every row of a table whose columns never changed.
func (r *Row) Exact() bool { return r.exact && r.columns[len(r.columns)-1].serial != absent }

// serialSize is the size of a value in bytes, -1 for a type that does not exist.
func serialSize(serial uint64) int64 {
	switch {
	case serial >= 12:
		return int64((serial - 12) / 2)
	case serial >= 10:
		return -1
	}
	return [...]int64{0, 1, 2, 3, 4, 6, 8, 8, 0, 0}[serial]
}

// Value is a value of a row, valid as long as the row.
type Value struct {
	Type Type
	// Absent means NULL because the row is older than the column. SQLite gives
	// the column's default then.
	Absent bool
	Int    int64   // of an Integer
	Real   float64 // of a Real
	// Len is the size in bytes of a Text (as stored: two or four bytes a
	// character in UTF-16) or a Blob. It is at most 2 GiB and can be a lie
	// until the bytes are read: do not allocate it without a limit.
	Len int64

	row *Row
	off int64
}

// Value returns the value of a column, by its index in the table's Columns. The
// column that stands for the rowid has the rowid. Of a Text or Blob, no byte is
// read yet. The error is a *Fault.
func (r *Row) Value(column int) (Value, error) {
	c := r.columns[column]
	info := &r.table.Columns[column]
	v := Value{row: r, off: c.off}
	switch {
	case c.serial == absent:
		v.Absent = !info.RowID
		if info.RowID {
			v.Type, v.Int = Integer, r.RowID
		}
	case c.serial == 0:
		if info.RowID {
			v.Type, v.Int = Integer, r.RowID
		}
	case c.serial >= 12:
		v.Type, v.Len = Blob-Type(c.serial&1), serialSize(c.serial)
	case c.serial == 8 || c.serial == 9:
		v.Type, v.Int = Integer, int64(c.serial-8)
	default:
		size := serialSize(c.serial)
		var buf [8]byte
		b := buf[8-size:]
		if f := r.read(b, c.off); f != nil {
			return Value{}, f
		}
		bits := binary.BigEndian.Uint64(buf[:])
		if c.serial == 7 {
			v.Type, v.Real = Real, math.Float64frombits(bits)
			break
		}
		shift := 64 - 8*size
		v.Type, v.Int = Integer, int64(bits<<shift)>>shift
	}
	if v.Type == Integer && info.real {
		// SQLite stores 2.0 as 2 in a column of type REAL.
		v.Type, v.Real, v.Int = Real, float64(v.Int), 0
	}
	return v, nil
}

// ReadAt reads bytes of a Text or Blob as they are stored, as io.ReaderAt does.
// Overflow pages before off are only followed, and those after the last byte
// are not touched. Reading forwards is linear; reading back starts again.
// The error is io.EOF or a *Fault.
func (v Value) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= v.Len {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), v.Len-off))
	if f := v.row.read(p[:n], v.off+off); f != nil {
		return 0, f
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// First returns the first n bytes of a Text or Blob, or all if it has fewer.
// They are not to be changed. It allocates only where they reach into an
// overflow page.
func (v Value) First(n int) ([]byte, error) {
	n = int(min(int64(n), v.Len))
	if n <= 0 {
		return nil, nil
	}
	if local := v.row.cell.local; v.off+int64(n) <= int64(len(local)) {
		return local[v.off:][:n:n], nil
	}
	b := make([]byte, n)
	if f := v.row.read(b, v.off); f != nil {
		return nil, f
	}
	return b, nil
}

// Text returns a Text as valid UTF-8, whatever the database's encoding; what
// is not valid becomes U+FFFD. Text of more than limit bytes as stored, and
// values of other types, are errors.
func (v Value) Text(limit int) (string, error) {
	if v.Type != Text {
		return "", fmt.Errorf("expected a text, found a value of type %s", v.Type)
	}
	if v.Len > int64(limit) {
		return "", fmt.Errorf("expected a text of at most %d bytes, found %d", limit, v.Len)
	}
	b, err := v.First(limit)
	if err != nil {
		return "", err
	}
	return decode(v.row.scan.db.encoding, b), nil
}

// decode makes a text valid UTF-8.
func decode(e Encoding, b []byte) string {
	var order binary.ByteOrder
	switch e {
	case UTF16LE:
		order = binary.LittleEndian
	case UTF16BE:
		order = binary.BigEndian
	default:
		return strings.ToValidUTF8(string(b), "\ufffd")
	}
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = order.Uint16(b[2*i:])
	}
	text := string(utf16.Decode(units))
	if len(b)%2 != 0 {
		text += "\ufffd"
	}
	return text
}

// read fills b with bytes of the payload from off, which must lie inside it.
func (r *Row) read(b []byte, off int64) *Fault {
	if local := r.cell.local; off < int64(len(local)) {
		n := copy(b, local[off:])
		b, off = b[n:], off+int64(n)
	}
	capacity := int64(r.scan.db.usable - 4)
	for len(b) > 0 {
		inChain := off - int64(len(r.cell.local))
		if f := r.seek(inChain / capacity); f != nil {
			return f
		}
		from := int(inChain % capacity)
		n := min(len(b), int(capacity)-from)
		if r.scan.chain == nil {
			r.scan.chain = make([]byte, r.scan.db.usable)
		}
		page := r.scan.chain[:4+from+n]
		if f := r.scan.db.read(page, r.at, 0); f != nil {
			return f
		}
		r.after = binary.BigEndian.Uint32(page)
		if r.after != 0 && r.now == (r.cell.size-int64(len(r.cell.local))-1)/capacity {
			return corrupt(r.at, "expected the last overflow page of a row, found that page %d follows", r.after)
		}
		copy(b, page[4+from:])
		b, off = b[n:], off+int64(n)
	}
	return nil
}

// seek goes to a page of the overflow chain by its index. The pages between are
// only asked for the next one.
func (r *Row) seek(index int64) *Fault {
	if index < r.now {
		r.at, r.after, r.now = r.cell.overflow, 0, 0
	}
	from := r.page
	for {
		if r.now > r.deepest {
			if f := r.deeper(from); f != nil {
				return f
			}
		}
		if r.now == index {
			return nil
		}
		if r.after == 0 {
			var next [4]byte
			if f := r.scan.db.read(next[:], r.at, 0); f != nil {
				return f
			}
			r.after = binary.BigEndian.Uint32(next[:])
		}
		from = r.at
		if text := r.scan.db.outside(r.after); text != "" {
			f := corrupt(from, "overflow page %d of a row leads to %s", r.now, text)
			r.after = 0
			return f
		}
		r.at, r.after, r.now = r.after, 0, r.now+1
	}
}

// deeper checks a page of the chain that is reached for the first time. A page
// that comes twice is noticed before the chain is three times as long, or at
// the row's end, because no page of a cycle is the last one. Chains that share
// pages are noticed when they are longer than the database.
func (r *Row) deeper(from uint32) *Fault {
	if text := r.scan.db.outside(r.at); text != "" {
		return corrupt(from, "its overflow begins at %s", text)
	}
	if r.now > 0 && r.at == r.mark {
		return corrupt(from, "the overflow pages of a row are a cycle")
	}
	if r.scan.chainLeft == 0 {
		return corrupt(from, "the rows so far have more overflow pages than the database has pages")
	}
	r.scan.chainLeft--
	if r.now&(r.now-1) == 0 {
		r.mark = r.at
	}
	r.deepest = r.now
	return nil
}
