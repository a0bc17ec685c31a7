package sqlite

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"slices"
)

const (
	interiorIndex = 2
	leafIndex     = 10

	// maxAudited bounds the pages of a database that can be audited: 8 MiB of bits for
	// those in use, and as much for those in the freelist.
	maxAudited = 1 << 26
	// maxAuditFaults is how many faults are kept.
	maxAuditFaults = 16
)

// Audit follows what every page of a database is used for. It finds what SQLite's own
// PRAGMA integrity_check finds in the structure: bytes of a page that belong to two cells
// or to none, pages that belong to two trees or to none, and an index that has another
// number of entries than its table. A page has no checksum, so this is how a lost row is
// noticed. The unused bytes in pages in use are handed to the caller.
//
// The order is: Rows of each table that the caller reads, Rest, and then Unused.
type Audit struct {
	// Entry, if set before Rest, gets every entry of an index whose first value is a text,
	// as far as the page has all of the entry: the text, valid during the call, and the
	// rowid.
	Entry func(index string, first []byte, rowid int64)

	db    *DB
	slack func(page uint32, b []byte)
	stop  func() bool

	used, free []uint64
	spans      []uint32 // first byte<<16 | last byte
	levels     [][]byte
	chain      []byte
	stopped    bool
	index      string // the one that is followed
	proven     bool   // all trees were followed

	faults []*Fault
	more   int
}

// Audit begins an audit. Slack gets the unused bytes in pages in use, valid during the
// call; stop is asked now and then whether to end. Both can be nil. The error is for a
// database with too many pages.
func (db *DB) Audit(slack func(page uint32, b []byte), stop func() bool) (*Audit, error) {
	if db.pages > maxAudited {
		return nil, fmt.Errorf("expected at most %d pages, found %d", maxAudited, db.pages)
	}
	words := int(db.pages)/64 + 1
	a := &Audit{db: db, slack: slack, stop: stop, used: make([]uint64, words), free: make([]uint64, words)}
	if db.lockPage() <= db.pages {
		a.set(a.used, db.lockPage())
	}
	if db.vacuums {
		// A pointer map page is before each group of pages that it has entries for,
		// of 5 bytes; where the page of the locks is, it is the next one.
		for page := uint64(2); page <= uint64(db.pages); page += uint64(db.usable/5) + 1 {
			at := uint32(page)
			if at == db.lockPage() {
				at++
			}
			if at <= db.pages {
				a.set(a.used, at)
			}
		}
	}
	return a, nil
}

// lockPage is the page that is never used. A small database does not have it.
func (db *DB) lockPage() uint32 { return uint32(lockByte/int64(db.pageSize)) + 1 }

func (a *Audit) set(bits []uint64, page uint32)      { bits[page/64] |= 1 << (page % 64) }
func (a *Audit) has(bits []uint64, page uint32) bool { return bits[page/64]&(1<<(page%64)) != 0 }

// expired asks whether to stop.
func (a *Audit) expired() bool {
	a.stopped = a.stopped || a.stop != nil && a.stop()
	return a.stopped
}

func (a *Audit) fault(f *Fault) {
	if len(a.faults) == maxAuditFaults {
		a.more++
		return
	}
	a.faults = append(a.faults, f)
}

// use notes that a tree uses a page.
func (a *Audit) use(page uint32) *Fault {
	if a.has(a.used, page) {
		return corrupt(page, "it is used twice")
	}
	a.set(a.used, page)
	return nil
}

// page accounts for every byte of a page: its header and the offsets of its cells, the
// bytes behind them that nothing uses, the cells, the free blocks between them, and
// fragments of at most three bytes of which only the number is known.
func (a *Audit) page(n *node) *Fault {
	if f := a.use(n.page); f != nil {
		return f
	}
	usable := len(n.b)
	content := int(binary.BigEndian.Uint16(n.b[n.header+5:]))
	if content == 0 {
		content = 65536
	}
	head := n.pointers() + 2*n.cells
	if content < head || content > usable {
		return corrupt(n.page, "its cells begin at %d, outside of %d to %d", content, head, usable)
	}
	spans := a.spans[:0]
	for i := range n.cells {
		off := n.offset(i)
		size := n.size(i)
		if off < content || off+size > usable {
			return corrupt(n.page, "cell %d at offset %d lies outside offsets %d to %d", i, off, content, usable)
		}
		spans = append(spans, uint32(off)<<16|uint32(off+size-1))
	}
	cells := len(spans)
	for at := int(binary.BigEndian.Uint16(n.b[n.header+1:])); at != 0; {
		if at < content || at+4 > usable {
			return corrupt(n.page, "a free block at offset %d lies outside offsets %d to %d", at, content, usable)
		}
		next, size := int(binary.BigEndian.Uint16(n.b[at:])), int(binary.BigEndian.Uint16(n.b[at+2:]))
		if size < 4 || at+size > usable || next != 0 && next < at+size {
			return corrupt(n.page, "the free block at offset %d has a wrong size or successor", at)
		}
		spans = append(spans, uint32(at)<<16|uint32(at+size-1))
		if a.slack != nil {
			a.slack(n.page, n.b[at+4:at+size])
		}
		at = next
	}
	a.spans = spans
	if a.slack != nil && content > head {
		a.slack(n.page, n.b[head:content])
	}
	if !slices.IsSorted(spans[:cells]) || len(spans) > cells {
		slices.Sort(spans)
	}
	end, fragments := content, 0
	for _, s := range spans {
		from, to := int(s>>16), int(s&0xffff)+1
		if from < end {
			return corrupt(n.page, "byte %d belongs to two cells or free blocks", from)
		}
		fragments += from - end
		end = to
	}
	fragments += usable - end
	if stated := int(n.b[n.header+7]); stated != fragments {
		return corrupt(n.page, "%d bytes belong to no cell and no free block, expected %d", fragments, stated)
	}
	return nil
}

// size is how many bytes of the page a cell takes. Load checked that it has them.
func (n *node) size(i int) int {
	b := n.b[n.offset(i):]
	size := 0
	if !n.leaf {
		size = 4
	}
	usable := int64(len(n.b))
	payload, k := varint(b[size:])
	size += k
	if n.index {
		local := localIndexSize(int64(min(payload, maxPayload)), usable)
		size += int(local)
		if local < int64(payload) {
			size += 4
		}
	} else if n.leaf {
		_, k := varint(b[size:])
		local := localSize(int64(min(payload, maxPayload)), usable)
		size += k + int(local)
		if local < int64(payload) {
			size += 4
		}
	}
	return max(size, 4)
}

// localIndexSize is how much of an index entry is in a page.
func localIndexSize(payload, usable int64) int64 {
	most := (usable-12)*64/255 - 23
	if payload <= most {
		return payload
	}
	least := (usable-12)*32/255 - 23
	if k := least + (payload-least)%(usable-4); k <= most {
		return k
	}
	return least
}

// overflow follows a chain of overflow pages with so many bytes.
func (a *Audit) overflow(from, page uint32, left int64) *Fault {
	capacity := int64(a.db.usable - 4)
	if a.chain == nil {
		a.chain = make([]byte, a.db.usable)
	}
	for left > 0 {
		if text := a.db.outside(page); text != "" {
			return corrupt(from, "an overflow page leads to %s", text)
		}
		if f := a.use(page); f != nil {
			return f
		}
		b := a.chain[:4]
		if left < capacity && a.slack != nil {
			b = a.chain
		}
		if f := a.db.read(b, page, 0); f != nil {
			return f
		}
		if left < capacity && a.slack != nil {
			a.slack(page, b[4+left:])
		}
		left -= capacity
		from, page = page, binary.BigEndian.Uint32(b)
		if left > 0 && a.expired() {
			return nil
		}
	}
	if page != 0 {
		return corrupt(from, "expected the last overflow page of a row, found that page %d follows", page)
	}
	return nil
}

// Rows is Table.Rows of all rows, with the audit of the table's pages. A fault of the
// audit is yielded after the rows of the page that has it.
func (a *Audit) Rows(t *Table) iter.Seq2[*Row, error] {
	return func(yield func(*Row, error) bool) {
		t.scan(math.MinInt64, a, yield)
	}
}

// Object is a table or an index in the schema.
type Object struct {
	Name, Table string // Table is the table that an index is of
	Index       bool
	Partial     bool // an index that has only some rows
	// Entries is how many rows or entries it has. It is right only if the audit has no
	// fault.
	Entries int64

	root uint32
}

// Rest follows all trees that Rows did not, the schema's too, and the freelist. It
// returns every table and index, tables that were read by Rows without Entries, and says
// what is wrong: faults that are not those of the rows, and how many more there are. A
// page that no tree uses and that is not in the freelist is only a fault if every tree
// could be followed, those of Rows too (whole).
func (a *Audit) Rest(whole bool) (objects []Object, faults []*Fault, more int) {
	objects = a.objects()
	if f := a.tree(1, a.db.schema().root, nil); f != nil {
		a.fault(f)
	}
	for i := range objects {
		o := &objects[i]
		if o.root == 0 || a.db.outside(o.root) != "" {
			if o.root != 0 {
				a.fault(corrupt(1, "the root of a table or index is %s", a.db.outside(o.root)))
			}
			continue
		}
		if !o.Index && a.has(a.used, o.root) {
			continue // Rows read it
		}
		a.index = ""
		if o.Index {
			a.index = o.Name
		}
		if f := a.tree(o.root, o.root, &o.Entries); f != nil {
			a.fault(f)
		}
		if a.stopped {
			break
		}
	}
	a.proven = whole && len(a.faults) == 0 && !a.stopped
	a.freelist()
	if a.proven && len(a.faults) == 0 {
		for page := uint32(1); page <= a.db.pages; page++ {
			if !a.has(a.used, page) && !a.has(a.free, page) {
				a.fault(corrupt(page, "no table and no index uses it, and it is not in the freelist"))
			}
		}
	}
	return objects, a.faults, a.more
}

// objects reads the schema.
func (a *Audit) objects() []Object {
	var out []Object
	for row, err := range a.db.schema().Rows(math.MinInt64) {
		if err != nil {
			a.fault(asFaultOf(err))
			continue
		}
		var text [5]string
		var o Object
		for i := range text {
			v, err := row.Value(i)
			if err != nil {
				a.fault(asFaultOf(err))
			} else if i == 3 && v.Type == Integer && v.Int > 0 && v.Int <= math.MaxUint32 {
				o.root = uint32(v.Int)
			} else if v.Type == Text && v.Len <= maxSQL {
				text[i], err = v.Text(maxSQL)
				if err != nil {
					a.fault(asFaultOf(err))
				}
			}
		}
		o.Index, o.Name, o.Table = text[0] == "index", text[1], text[2]
		if o.Index {
			p := parser{rest: text[4]}
			for p.next() {
				o.Partial = o.Partial || p.is("WHERE")
			}
		}
		if len(out) < maxColumns {
			out = append(out, o)
		}
	}
	return out
}

func asFaultOf(err error) *Fault {
	if f, ok := err.(*Fault); ok {
		return f
	}
	return corrupt(1, "a row of the schema is not valid")
}

// tree follows a tree from its root. Entries can be nil.
func (a *Audit) tree(from, root uint32, entries *int64) *Fault {
	var count int64
	if entries == nil {
		entries = &count
	}
	return a.subtree(from, root, 0, -1, entries)
}

func (a *Audit) subtree(from, page uint32, depth, kind int, entries *int64) *Fault {
	if text := a.db.outside(page); text != "" {
		return corrupt(from, "a child is %s", text)
	}
	if depth >= maxDepth {
		return corrupt(page, "it is deeper than SQLite allows")
	}
	if a.has(a.used, page) {
		return corrupt(page, "it is used twice")
	}
	if len(a.levels) == depth {
		a.levels = append(a.levels, make([]byte, a.db.pageSize))
	}
	b := a.levels[depth]
	if f := a.db.read(b, page, 0); f != nil {
		return f
	}
	n := node{page: page, b: b[:a.db.usable]}
	if page == 1 {
		n.header = headerSize
	}
	switch n.b[n.header] {
	case leafTable:
		n.leaf = true
	case interiorTable:
	case leafIndex:
		n.leaf, n.index = true, true
	case interiorIndex:
		n.index = true
	default:
		return corrupt(page, "expected a page of a table or an index, found type %d", n.b[n.header])
	}
	if is := map[bool]int{false: 0, true: 1}[n.index]; kind < 0 {
		kind = is
	} else if kind != is {
		return corrupt(page, "a page of an index in a table, or of a table in an index")
	}
	n.cells = int(binary.BigEndian.Uint16(n.b[n.header+3:]))
	end := n.pointers() + 2*n.cells
	if end > len(n.b) {
		return corrupt(page, "%d cells do not fit into its %d bytes", n.cells, len(n.b))
	}
	for i := range n.cells {
		if off := n.offset(i); off < end || off > len(n.b)-4 {
			return corrupt(page, "cell %d at offset %d lies outside offsets %d to %d", i, off, end, len(n.b)-4)
		}
	}
	if f := a.page(&n); f != nil {
		return f
	}
	if n.leaf || n.index {
		*entries += int64(n.cells)
	}
	for i := range n.cells {
		b, total, next := n.payload(i)
		if rest := total - int64(len(b)); rest > 0 {
			if f := a.overflow(page, next, rest); f != nil {
				return f
			}
		} else if a.Entry != nil && a.index != "" {
			if first, rowid, ok := indexEntry(b); ok {
				a.Entry(a.index, first, rowid)
			}
		}
	}
	if n.leaf {
		return nil
	}
	var first *Fault
	for i := range n.cells + 1 {
		child := binary.BigEndian.Uint32(n.b[n.header+8:])
		if i < n.cells {
			child = binary.BigEndian.Uint32(n.b[n.offset(i):])
		}
		if a.expired() {
			return first
		}
		if f := a.subtree(page, child, depth+1, kind, entries); f != nil {
			if first != nil {
				a.fault(f)
				continue
			}
			first = f
		}
	}
	return first
}

// payload is what a page has of a cell's payload, how many bytes it has in all, and the page
// of the rest.
func (n *node) payload(i int) (local []byte, total int64, next uint32) {
	if !n.leaf && !n.index {
		return nil, 0, 0
	}
	b := n.b[n.offset(i):]
	if !n.leaf {
		b = b[4:]
	}
	size, k := varint(b)
	b = b[k:]
	total = int64(min(size, maxPayload))
	var here int64
	if n.index {
		here = localIndexSize(total, int64(len(n.b)))
	} else {
		_, k = varint(b)
		b = b[k:]
		here = localSize(total, int64(len(n.b)))
	}
	if here > int64(len(b)) {
		return nil, total, 0
	}
	if here < total && here+4 <= int64(len(b)) {
		next = binary.BigEndian.Uint32(b[here:])
	}
	return b[:here], total, next
}

// indexEntry reads the first value of an index entry, a text, and its last, the rowid.
func indexEntry(b []byte) (first []byte, rowid int64, ok bool) {
	size, k := varint(b)
	if k == 0 || size < uint64(k) || size > uint64(len(b)) {
		return nil, 0, false
	}
	head, off := b[k:size], int(size)
	var serial uint64
	from := off
	for n := 0; len(head) > 0; n++ {
		serial, k = varint(head)
		length := serialSize(serial)
		if k == 0 || length < 0 || length > int64(len(b)-off) {
			return nil, 0, false
		}
		if n == 0 {
			if serial < 13 || serial%2 == 0 {
				return nil, 0, false
			}
			first = b[off : off+int(length)]
		}
		from = off
		head, off = head[k:], off+int(length)
	}
	switch {
	case serial == 8 || serial == 9:
		return first, int64(serial - 8), first != nil
	case serial == 0 || serial > 6:
		return nil, 0, false
	}
	for _, c := range b[from:off] {
		rowid = rowid<<8 | int64(c)
	}
	shift := 64 - 8*(off-from)
	return first, rowid << shift >> shift, first != nil
}

// freelist notes the free pages: trunk pages with the next trunk, a number, and so many
// free pages.
func (a *Audit) freelist() {
	trunk, count, found := a.db.freeTrunk, a.db.freeCount, uint32(0)
	from := uint32(1)
	note := func(from, page uint32) *Fault {
		switch text := a.db.outside(page); {
		case text != "":
			return corrupt(from, "the freelist leads to %s", text)
		case a.has(a.free, page):
			return corrupt(page, "it is in the freelist twice")
		case a.has(a.used, page):
			return corrupt(page, "it is in use and in the freelist")
		}
		a.set(a.free, page)
		found++
		return nil
	}
	b := make([]byte, a.db.usable)
	for trunk != 0 && !a.expired() {
		f := note(from, trunk)
		if f == nil {
			f = a.db.read(b, trunk, 0)
		}
		if f != nil {
			a.fault(f)
			return
		}
		n := binary.BigEndian.Uint32(b[4:])
		if uint64(n) > uint64(len(b)/4-2) { // int(n) may be negative on 32 bits
			a.fault(corrupt(trunk, "a page of the freelist with %d pages, more than fit", n))
			return
		}
		for i := range int(n) {
			if f := note(trunk, binary.BigEndian.Uint32(b[8+4*i:])); f != nil {
				a.fault(f)
				return
			}
		}
		from, trunk = trunk, binary.BigEndian.Uint32(b)
	}
	if found != count && !a.stopped {
		a.fault(corrupt(1, "the freelist has %d pages, expected %d", found, count))
	}
}

// Unused iterates over the pages that no tree uses, in order. Where a tree could not be
// followed, its pages are among them, and proven is false.
func (a *Audit) Unused() (pages iter.Seq[uint32], proven bool) {
	return func(yield func(uint32) bool) {
		for page := uint32(1); page <= a.db.pages; page++ {
			if !a.has(a.used, page) && !yield(page) {
				return
			}
		}
	}, a.proven
}
