package sqlite

import (
	"encoding/binary"
	"iter"
	"math"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

const (
	interiorTable = 5
	leafTable     = 13

	maxDepth   = 20        // of a tree, as in SQLite
	maxPayload = 1<<31 - 1 // bytes of a row, as in SQLite

	// maxFaults ends a scan. A good page is visited once, because its rowids
	// lie in a range that no other page has; each visit of a bad one is a
	// fault. So this bounds the work too.
	maxFaults = 1000
)

// Rows iterates over the rows of a table with a rowid of at least from, in
// rowid order. A row, its values and their bytes are valid until the next one.
//
// Where a page is damaged, it yields a *Fault and no row, and goes on after the
// rows below that page: with one fault, the rows are not complete. It ends
// after 1,000 faults; the last one says so.
func (t *Table) Rows(from int64) iter.Seq2[*Row, error] {
	return func(yield func(*Row, error) bool) { t.scan(from, nil, yield) }
}

func (t *Table) scan(from int64, audit *Audit, yield func(*Row, error) bool) {
	s := &scan{db: t.db, from: from, audit: audit, yield: yield, chainLeft: int64(t.db.pages)}
	s.row = Row{table: t, scan: s, columns: make([]stored, len(t.Columns))}
	s.walk(t.root, 0, math.MinInt64, math.MaxInt64)
}

// scan is one pass over a table. It holds one page for each level of the tree
// and one for overflow.
type scan struct {
	db     *DB
	from   int64
	audit  *Audit // or nil
	yield  func(*Row, error) bool
	levels [][]byte
	row    Row
	faults int

	chain     []byte // an overflow page
	chainLeft int64  // overflow pages until there were more than the database has
}

// fault yields a fault, and reports whether to go on.
func (s *scan) fault(f *Fault) bool {
	if s.faults++; s.faults < maxFaults {
		return s.yield(nil, f)
	}
	s.yield(nil, &Fault{Page: f.Page, Reason: fact.Corrupt, Text: "too many faults, and the rest was not read: " + f.Text, Err: f.Err})
	return false
}

// node is a page of a table's tree.
type node struct {
	page   uint32
	b      []byte // without what is reserved at its end
	header int    // offset: 100 on page 1
	leaf   bool
	index  bool
	cells  int
}

// pointers is where the offsets of the cells begin.
func (n *node) pointers() int {
	if n.leaf {
		return n.header + 8
	}
	return n.header + 12
}

// offset is where a cell begins.
func (n *node) offset(cell int) int {
	return int(binary.BigEndian.Uint16(n.b[n.pointers()+2*cell:]))
}

// child returns an interior cell, or the rightmost child after the last cell.
// Check was called before.
func (n *node) child(cell int) (page uint32, key int64) {
	if cell == n.cells {
		return binary.BigEndian.Uint32(n.b[n.header+8:]), math.MaxInt64
	}
	b := n.b[n.offset(cell):]
	k, _ := varint(b[4:])
	return binary.BigEndian.Uint32(b), int64(k)
}

// cell is a row in a leaf.
type cell struct {
	rowid    int64
	size     int64  // of the payload
	local    []byte // its start
	overflow uint32 // page of the rest, or 0
}

// row parses a leaf's cell; problem says what is wrong with it.
func (n *node) row(i int, pages uint32) (c cell, problem string) {
	b := n.b[n.offset(i):]
	size, n1 := varint(b)
	rowid, n2 := varint(b[n1:])
	if n1 == 0 || n2 == 0 {
		return c, "it ends outside the page"
	}
	if size > maxPayload {
		return c, "its payload is larger than SQLite allows"
	}
	b = b[n1+n2:]
	c = cell{rowid: int64(rowid), size: int64(size)}
	local := localSize(c.size, int64(len(n.b)))
	rest := c.size - local
	if local > int64(len(b)) || rest > 0 && local+4 > int64(len(b)) {
		return c, "it ends outside the page"
	}
	c.local = b[:local:local]
	if rest > 0 {
		if rest > int64(pages)*int64(len(n.b)-4) {
			return c, "its payload is larger than the database"
		}
		c.overflow = binary.BigEndian.Uint32(b[local:])
	}
	return c, ""
}

// localSize is how much of a payload is in a leaf with so many usable bytes.
func localSize(payload, usable int64) int64 {
	if payload <= usable-35 {
		return payload
	}
	least := (usable-12)*32/255 - 23
	if k := least + (payload-least)%(usable-4); k <= usable-35 {
		return k
	}
	return least
}

// load reads a page into the buffer of its level and checks it: the cells lie
// inside it, and their rowids rise from low to high.
func (s *scan) load(n *node, page uint32, depth int, low, high int64) *Fault {
	if len(s.levels) == depth {
		s.levels = append(s.levels, make([]byte, s.db.pageSize))
	}
	b := s.levels[depth]
	if f := s.db.read(b, page, 0); f != nil {
		return f
	}
	*n = node{page: page, b: b[:s.db.usable]}
	if page == 1 {
		n.header = headerSize
	}
	switch kind := b[n.header]; kind {
	case leafTable:
		n.leaf = true
	case interiorTable:
	default:
		return corrupt(page, "expected a page of a table, of type %d or %d, found type %d", interiorTable, leafTable, kind)
	}
	n.cells = int(binary.BigEndian.Uint16(b[n.header+3:]))
	end := n.pointers() + 2*n.cells
	if end > s.db.usable {
		return corrupt(page, "%d cells do not fit into its %d bytes", n.cells, s.db.usable)
	}
	// Only a table without rows has an empty leaf, and only page 1, which has
	// less room than others, can have a single child.
	if n.cells == 0 && depth > 0 || n.cells == 0 && !n.leaf && page != 1 {
		return corrupt(page, "it has no cell")
	}
	for i := range n.cells {
		off := n.offset(i)
		if off < end || off > s.db.usable-4 {
			return corrupt(page, "cell %d at offset %d lies outside offsets %d to %d", i, off, end, s.db.usable-4)
		}
		var key int64
		if n.leaf {
			c, problem := n.row(i, s.db.pages)
			if problem != "" {
				return corrupt(page, "cell %d at offset %d: %s", i, off, problem)
			}
			key = c.rowid
		} else {
			k, size := varint(n.b[off+4:])
			if size == 0 {
				return corrupt(page, "cell %d at offset %d: it ends outside the page", i, off)
			}
			key = int64(k)
		}
		// An interior key is the highest that its child can have; the
		// rightmost child has higher ones.
		if key < low || key > high || key == high && (!n.leaf || i+1 < n.cells) {
			return corrupt(page, "cell %d at offset %d: its rowid is out of order", i, off)
		}
		low = key
		if key < high {
			low++
		}
	}
	return nil
}

// walk visits the rows below a page, whose rowids must be from low to high. It
// reports whether to go on.
func (s *scan) walk(page uint32, depth int, low, high int64) bool {
	var n node
	if f := s.load(&n, page, depth, low, high); f != nil {
		return s.fault(f)
	}
	// The fault of an audit comes after the rows below the page: any of them may be
	// missing, also the last one.
	var audit *Fault
	if s.audit != nil {
		audit = s.audit.page(&n)
	}
	if n.leaf {
		return s.leaf(&n) && s.overflow(&n) && (audit == nil || s.fault(audit))
	}
	for i := range n.cells + 1 {
		child, key := n.child(i)
		key = min(key, high)
		if key < s.from {
			low = key + 1
			continue
		}
		text := s.db.outside(child)
		if text == "" && depth+1 == maxDepth {
			text = "a page deeper than SQLite allows"
		}
		if text != "" {
			if !s.fault(corrupt(page, "child %d is %s", i, text)) {
				return false
			}
		} else if !s.walk(child, depth+1, low, key) {
			return false
		}
		low = key + 1 // after the rightmost child nobody asks
	}
	return audit == nil || s.fault(audit)
}

// overflow audits the overflow pages of a leaf's rows.
func (s *scan) overflow(n *node) bool {
	if s.audit == nil {
		return true
	}
	for i := range n.cells {
		if c, _ := n.row(i, s.db.pages); c.overflow != 0 {
			if f := s.audit.overflow(n.page, c.overflow, c.size-int64(len(c.local))); f != nil && !s.fault(f) {
				return false
			}
		}
	}
	return true
}

// leaf visits the rows of a leaf.
func (s *scan) leaf(n *node) bool {
	for i := range n.cells {
		c, _ := n.row(i, s.db.pages)
		if c.rowid < s.from {
			continue
		}
		if problem := s.row.parse(n.page, c); problem != nil {
			problem.Text = "a row: " + problem.Text
			if !s.fault(problem) {
				return false
			}
		} else if !s.yield(&s.row, nil) {
			return false
		}
	}
	return true
}

// varint reads a number of 1 to 9 bytes. The size is 0 if b ends before it.
func varint(b []byte) (v uint64, size int) {
	for i, c := range b {
		if i == 8 {
			return v<<8 | uint64(c), 9
		}
		v = v<<7 | uint64(c&0x7f)
		if c < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}
