package etcd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"sync"
	"time"
)

// metaSlot is one of the two meta pages as it lies in the file.
type metaSlot struct {
	raw  [pageHeaderSize + metaSize]byte
	n    int // bytes of raw that could be read
	meta meta
	err  error // why it is not valid
}

// readMetaSlot reads the meta page that should have the given number.
func readMetaSlot(src io.ReaderAt, off int64, number uint64) metaSlot {
	var s metaSlot
	n, err := src.ReadAt(s.raw[:], off)
	s.n = max(n, 0)
	if s.n < len(s.raw) {
		s.err = errors.New("the file ends before it")
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			s.err = err
		}
		return s
	}
	if s.meta, s.err = parseMeta(s.raw[:]); s.err != nil {
		return s
	}
	h := parsePageHeader(s.raw[:])
	if h.id != number || h.flags != flagMeta {
		s.err = fmt.Errorf("expected page number %d and the flag of a meta page, found %d and %#x", number, h.id, h.flags)
	}
	return s
}

// metas are both meta pages, read once.
type metas [2]metaSlot

// readMetas reads both meta pages. The second is found by the page size in the
// first, or else where bbolt looks for it. The error says that neither is
// valid.
func readMetas(src io.ReaderAt) (metas, error) {
	var m metas
	m[0] = readMetaSlot(src, 0, 0)
	if m[0].err == nil {
		m[1] = readMetaSlot(src, int64(m[0].meta.pageSize), 1)
		switch {
		case m[1].err != nil:
		case m[1].meta.pageSize != m[0].meta.pageSize:
			m[1].err = fmt.Errorf("expected a page size of %d, found %d", m[0].meta.pageSize, m[1].meta.pageSize)
		case m[1].meta.txid == m[0].meta.txid:
			// bbolt writes them in turn, and a snapshot has T and T-1.
			m[1].err = fmt.Errorf("expected another transaction than that of page 0, found %d in both", m[0].meta.txid)
		}
		return m, nil
	}
	m[1].err = errNoMagic
	for size := int64(minPageSize); size <= maxPageSize; size *= 2 {
		s := readMetaSlot(src, size, 1)
		if s.err == nil && int64(s.meta.pageSize) == size {
			m[1] = s
			return m, nil
		}
		if s.err != nil && !errors.Is(s.err, errNoMagic) && s.n == len(s.raw) {
			m[1] = s // the best reason so far
		}
		if s.n == 0 {
			break
		}
	}
	if m[1].err == nil {
		m[1].err = errNoMagic
	}
	return m, noMetaError{m[0].err, m[1].err}
}

// noMetaError says why neither meta page is valid.
type noMetaError [2]error

func (e noMetaError) Error() string {
	return fmt.Sprintf("no valid meta page: page 0: %v; page 1: %v", e[0], e[1])
}

// bigEndian reports whether a page has the magic number in the other byte
// order.
func (e noMetaError) bigEndian() bool {
	return errors.Is(e[0], errBigEndian) || errors.Is(e[1], errBigEndian)
}

// newest is the valid meta with the higher transaction number.
func (m *metas) newest() meta {
	if m[1].err == nil && (m[0].err != nil || m[1].meta.txid > m[0].meta.txid) {
		return m[1].meta
	}
	return m[0].meta
}

// oldest is the other meta: the tree of the transaction before. Both must be valid.
func (m *metas) oldest() meta {
	if m[1].meta.txid > m[0].meta.txid {
		return m[0].meta
	}
	return m[1].meta
}

// unchanged reports whether both meta pages still hold the same bytes. Then
// every page of the newest tree was exact during that time. bbolt may overwrite
// pages of tree T only in transaction T+2, which starts after the meta page of
// T+1 was written.
func (m *metas) unchanged(src io.ReaderAt) bool {
	size := int64(m.newest().pageSize)
	for i := range m {
		var raw [pageHeaderSize + metaSize]byte
		n, _ := src.ReadAt(raw[:], int64(i)*size)
		if max(n, 0) != m[i].n || raw != m[i].raw {
			return false
		}
	}
	return true
}

// errStop ends a walk early: enough for this time.
var errStop = errors.New("stop")

// errDeadline ends a walk at the deadline, or when the context is done.
var errDeadline = errors.New("deadline")

// tree reads the pages of one tree.
type tree struct {
	src  io.ReaderAt
	meta meta
	// seen has one bit for each page that was read; nil for a file that
	// changes.
	seen []uint64
	// expired is asked before each page.
	expired func() bool
	// salvage makes a walk go on after a fault, which it reports to lost.
	// Otherwise the first fault ends the walk.
	salvage bool
	lost    func(*fault)

	slack  *slackScan // nil: slack is not looked at
	levels []*run
	done   []uint64 // roots of the buckets that chunk walks

	// ahead is how many leaves are read ahead at most; 0 means that each page is
	// read by itself. leaves is the depth of the leaves of this tree, 0 until the
	// first was read: all are at one depth.
	// Twice says that two parts of the file may be read at once.
	ahead  int
	twice  bool
	leaves int
	batch  batch
}

// batch is a number of leaves that were read ahead, in as few reads as they allow. Most
// leaves that follow each other in key order lie close to each other in the file.
type batch struct {
	buf    []byte
	pages  []uint64 // of the leaves that are wanted, sorted
	extent []extent // of what was read, sorted
}

// extent is a part of the file in memory: pages first to end-1, from at in batch.buf.
type extent struct {
	first, end uint64
	at         int
}

// batchSize is how much is read ahead at most, bytes.
const batchSize = 256 << 10

// batchLeaves is for how many leaves.
const batchLeaves = 128

// maxHole is how many bytes between two pages that are wanted are read and not used:
// copying them takes no longer than another call.
const maxHole = 8 << 10

// readAhead reads the leaves whose page numbers are in pages. A page that cannot be read
// is left out: it will be read by itself, and that says what is wrong.
func (t *tree) readAhead(r *run, from int) {
	b := &t.batch
	b.extent, b.pages = b.extent[:0], b.pages[:0]
	size := uint64(t.meta.pageSize)
	for i := from; i < r.header.count && len(b.pages) < min(t.ahead, batchLeaves, int(batchSize/size)); i++ {
		if id := r.element(i).child; id >= 2 && id < t.meta.highWater {
			b.pages = append(b.pages, id)
		}
	}
	for len(b.pages) > 1 {
		wanted := len(b.pages)
		slices.Sort(b.pages)
		b.extent = b.extent[:0]
		bytes := uint64(0)
		for _, id := range b.pages {
			if n := len(b.extent); n > 0 && id <= b.extent[n-1].end+maxHole/size {
				if last := &b.extent[n-1]; id >= last.end {
					bytes += (id + 1 - last.end) * size
					last.end = id + 1
				}
				continue
			}
			b.extent = append(b.extent, extent{first: id, end: id + 1, at: int(bytes)})
			bytes += size
		}
		if bytes <= batchSize {
			if cap(b.buf) < int(bytes) {
				b.buf = make([]byte, batchSize)
			}
			break
		}
		// Fewer, in key order.
		b.pages = b.pages[:0]
		for i := from; len(b.pages) < wanted/2; i++ {
			if id := r.element(i).child; id >= 2 && id < t.meta.highWater {
				b.pages = append(b.pages, id)
			}
		}
	}
	if len(b.pages) <= 1 {
		b.extent = b.extent[:0]
		return
	}
	// One half beside the other: io.ReaderAt allows that, and most of the time goes into
	// the calls where the leaves are scattered.
	if half := len(b.extent) / 2; t.twice && half >= 8 {
		t.readTwo(b.extent[:half], b.extent[half:])
	} else {
		t.readExtents(b.extent)
	}
	b.extent = slices.DeleteFunc(b.extent, func(e extent) bool { return e.end == e.first })
}

// readTwo reads two lists at once.
func (t *tree) readTwo(one, other []extent) {
	var wait sync.WaitGroup
	defer wait.Wait() // also if the source panics, which only a bug can be
	wait.Go(func() {
		defer func() {
			if recover() != nil {
				// It comes again when the pages are read by themselves.
				for i := range other {
					other[i].end = other[i].first
				}
			}
		}()
		t.readExtents(other)
	})
	t.readExtents(one)
}

// readExtents reads parts of the file into the batch, and shortens those that cannot be
// read.
func (t *tree) readExtents(list []extent) {
	size := int64(t.meta.pageSize)
	for i := range list {
		e := &list[i]
		n := int(e.end-e.first) * int(size)
		got, _ := t.src.ReadAt(t.batch.buf[:cap(t.batch.buf)][e.at:e.at+n], int64(e.first)*size)
		e.end = e.first + uint64(max(got, 0))/uint64(size)
	}
}

// page returns what was read ahead from the start of a page, as much as is there; nil if
// nothing is.
func (b *batch) page(id uint64, size int) []byte {
	lo, hi := 0, len(b.extent)
	for lo < hi {
		if mid := (lo + hi) / 2; b.extent[mid].end <= id {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == len(b.extent) || id < b.extent[lo].first {
		return nil
	}
	e := b.extent[lo]
	from, to := e.at+int(id-e.first)*size, e.at+int(e.end-e.first)*size
	return b.buf[:cap(b.buf)][from:to:to]
}

// fault reports f, or ends the walk with it.
func (t *tree) fault(f *fault) error {
	if !t.salvage {
		return f
	}
	t.lost(f)
	return nil
}

// load reads the run that starts with a page of a tree.
func (t *tree) load(r *run, id uint64) *fault {
	size := t.meta.pageSize
	r.src, r.page, r.inline, r.start = t.src, id, false, int64(id)*int64(size)
	r.window = r.window[:0]
	r.table = nil
	if id < 2 || id >= t.meta.highWater {
		return strange(id, "a link to it, but pages in use have numbers from 2 to %d", int64(t.meta.highWater)-1)
	}
	if id > uint64(1<<62)/uint64(size) {
		return corrupt(id, "a page number beyond any file")
	}
	ready := t.batch.page(id, size)
	if ready != nil && parsePageHeader(ready).flags == flagLeaf {
		r.buf = ready[:size]
	} else { // a branch outlives the leaves that were read with it
		if cap(r.own) < size {
			r.own = make([]byte, size)
		}
		r.buf, ready = r.own[:size], nil
		if f := readAt(t.src, r.buf, r.start, id); f != nil {
			return f
		}
	}
	h := parsePageHeader(r.buf)
	r.header = h
	if h.id != id {
		return strange(id, "expected its own number in its header, found %d", h.id)
	}
	if h.flags != flagBranch && h.flags != flagLeaf {
		return strange(id, "expected a branch (0x1) or leaf (0x2), found flags %#x", h.flags)
	}
	if uint64(h.overflow) >= t.meta.highWater-id {
		return corrupt(id, "%d overflow pages reach beyond page %d, the last in use", h.overflow, int64(t.meta.highWater)-1)
	}
	if t.seen != nil {
		for p := id; p <= id+uint64(h.overflow); p++ {
			word, bit := p/64, uint64(1)<<(p%64)
			if word >= uint64(len(t.seen)) {
				break // beyond the end of the file; reading it will show
			}
			if t.seen[word]&bit != 0 {
				return strange(id, "page %d is in use twice", p)
			}
			t.seen[word] |= bit
		}
	}
	total := (1 + int64(h.overflow)) * int64(size)
	if total > 1<<31-1 {
		return corrupt(id, "%d overflow pages make a run of more than 2 GiB", h.overflow)
	}
	r.size = int(total)
	switch {
	case h.flags == flagBranch && total > maxBranchRun:
		return corrupt(id, "a branch of %d bytes", total)
	case ready != nil:
		r.buf = ready[:min(len(ready), r.size)]
	case h.flags == flagBranch && h.overflow > 0:
		// A branch is read whole. Of a leaf most overflow pages hold nothing but
		// values, and r.bytes reads what is needed.
		if cap(r.own) < r.size {
			r.own = append(make([]byte, 0, r.size), r.own...)
		}
		r.buf = r.own[:r.size]
		if f := readAt(t.src, r.buf[size:], r.start+int64(size), id); f != nil {
			return f
		}
	}
	if f := r.check(size); f != nil {
		return f
	}
	if t.slack != nil {
		t.slack.run(r)
	}
	return nil
}

// inlineRun is the page inside the value of a bucket whose root is 0.
func inlineRun(page uint64, value []byte) (*run, *fault) {
	if len(value) < pageHeaderSize {
		return nil, corrupt(page, "an inline bucket of %d bytes has no room for a page header", len(value))
	}
	r := &run{page: page, inline: true, header: parsePageHeader(value), size: len(value), buf: value}
	if r.header.flags != flagLeaf || r.header.overflow != 0 {
		return nil, corrupt(page, "an inline bucket: expected a leaf, found flags %#x and %d overflow pages", r.header.flags, r.header.overflow)
	}
	if f := r.check(len(value)); f != nil {
		return nil, f
	}
	return r, nil
}

// bucket is where a bucket's rows are: in an own tree or in an inline page.
type bucket struct {
	root   uint64
	inline *run
}

// parseBucket reads a bucket's value. The page of an inline bucket is copied.
func parseBucket(r *run, e element) (bucket, *fault) {
	if e.end-e.value < bucketSize {
		return bucket{}, corrupt(r.page, "a bucket's value of %d bytes", e.end-e.value)
	}
	if e.end-e.value > maxPageSize {
		return bucket{}, corrupt(r.page, "an inline bucket of %d bytes", e.end-e.value)
	}
	value, f := r.bytes(e.value, e.end-e.value)
	if f != nil {
		return bucket{}, f
	}
	if root := binary.LittleEndian.Uint64(value); root != 0 {
		if len(value) != bucketSize {
			return bucket{}, corrupt(r.page, "a bucket with a root page and %d more bytes", len(value)-bucketSize)
		}
		return bucket{root: root}, nil
	}
	inline, f := inlineRun(r.page, bytes.Clone(value[bucketSize:]))
	return bucket{inline: inline}, f
}

// leafFunc gets the elements of one leaf, starting at index first. Their keys
// are in order and within the parents' bounds.
type leafFunc func(r *run, first int) error

// walk visits the leaves of a bucket that have keys greater than after, in key
// order.
func (t *tree) walk(b bucket, after []byte, visit leafFunc) error {
	t.leaves, t.batch.extent = 0, t.batch.extent[:0]
	if b.inline != nil {
		return t.visitLeaf(b.inline, nil, nil, after, visit)
	}
	return t.walkPage(b.root, 0, nil, nil, after, visit)
}

// walkPage walks below one page. Its first key must be low, as bbolt's spill
// writes it into the parent (nil at the root), and all keys must be less than
// high.
func (t *tree) walkPage(id uint64, depth int, low, high, after []byte, visit leafFunc) error {
	if t.expired() {
		return errDeadline
	}
	if depth >= maxDepth {
		return t.fault(corrupt(id, "a tree deeper than %d pages", maxDepth))
	}
	if depth >= len(t.levels) {
		t.levels = append(t.levels, &run{})
	}
	r := t.levels[depth]
	if f := t.load(r, id); f != nil {
		return t.fault(f)
	}
	if r.leaf() {
		t.leaves = depth
		return t.visitLeaf(r, low, high, after, visit)
	}
	if r.header.count == 0 {
		return t.fault(corrupt(id, "a branch without children"))
	}
	if f := checkKeys(r, low, high); f != nil {
		return t.fault(f)
	}
	for i := range r.header.count {
		e := r.element(i)
		childLow, childHigh := r.buf[e.key:e.value], high
		if i+1 < r.header.count {
			next := r.element(i + 1)
			childHigh = r.buf[next.key:next.value]
			if after != nil && bytes.Compare(childHigh, after) <= 0 {
				continue
			}
		}
		if t.ahead > 0 && depth+1 == t.leaves && t.batch.page(e.child, t.meta.pageSize) == nil {
			t.readAhead(r, i)
		}
		if err := t.walkPage(e.child, depth+1, childLow, childHigh, after, visit); err != nil {
			return err
		}
	}
	return nil
}

func (t *tree) visitLeaf(r *run, low, high, after []byte, visit leafFunc) error {
	if r.header.count == 0 {
		if low != nil {
			return t.fault(corrupt(r.page, "an empty leaf below a branch"))
		}
		if r.remainder() {
			return t.fault(corrupt(r.page, "an empty leaf with bytes that look like a row"))
		}
		return nil
	}
	if f := checkKeys(r, low, high); f != nil {
		return t.fault(f)
	}
	first := 0
	if after != nil {
		// The keys are few and in order; a binary search.
		lo, hi := 0, r.header.count
		for lo < hi {
			mid := (lo + hi) / 2
			e := r.element(mid)
			key, f := r.bytes(e.key, e.value-e.key)
			if f != nil {
				return t.fault(f)
			}
			if bytes.Compare(key, after) <= 0 {
				lo = mid + 1
			} else {
				hi = mid
			}
		}
		first = lo
	}
	if first == r.header.count {
		return nil
	}
	if err := visit(r, first); err != nil {
		return err
	}
	if r.remainder() {
		// After its rows: what is lost may be newer than they are.
		return t.fault(corrupt(r.page, "bytes that look like a row behind its last element: it may have lost that element"))
	}
	return nil
}

// maxKey is bbolt's own limit, bytes.
const maxKey = 32768

// checkKeys checks the keys of a page against their order and against its
// parent.
func checkKeys(r *run, low, high []byte) *fault {
	var previous []byte
	var kept [64]byte // a copy, because the window moves on
	for i := range r.header.count {
		e := r.element(i)
		if e.value-e.key > maxKey {
			return corrupt(r.page, "element %d: a key of %d bytes", i, e.value-e.key)
		}
		var key []byte
		if e.value <= len(r.buf) {
			key = r.buf[e.key:e.value]
		} else {
			var f *fault
			if key, f = r.bytes(e.key, e.value-e.key); f != nil {
				return f
			}
		}
		switch {
		case i == 0 && low != nil && !bytes.Equal(key, low):
			f := strange(r.page, "its first key is not the one that its parent names")
			f.torn = !oneBit(key, low)
			return f
		case i > 0 && bytes.Compare(previous, key) >= 0:
			return corrupt(r.page, "element %d: its key does not come after the one before", i)
		}
		if e.value > len(r.buf) {
			previous = append(kept[:0], key...)
		} else {
			previous = key
		}
	}
	if high != nil && bytes.Compare(previous, high) >= 0 {
		return strange(r.page, "its last key is not before its neighbour's first")
	}
	return nil
}

// oneBit reports whether two keys differ in at most one bit, as after damage.
func oneBit(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	n := 0
	for i := range a {
		n += bits.OnesCount8(a[i] ^ b[i])
	}
	return n <= 1
}

// buckets finds the buckets of the root tree by name. Names of others are
// counted.
func (t *tree) buckets(names ...string) (found map[string]bucket, others int, err error) {
	found = map[string]bucket{}
	err = t.walkPage(t.meta.root, 0, nil, nil, nil, func(r *run, first int) error {
		for i := first; i < r.header.count; i++ {
			e := r.element(i)
			key, f := r.bytes(e.key, e.value-e.key)
			if f != nil {
				if err := t.fault(f); err != nil {
					return err
				}
				continue
			}
			if e.flags != leafIsBucket && len(key) >= revisionSize {
				f := corrupt(r.page, "element %d: expected a bucket, found a row", i)
				f.torn = true
				if err := t.fault(f); err != nil {
					return err
				}
				return nil
			}
			name := ""
			for _, n := range names {
				if string(key) == n {
					name = n
				}
			}
			if name == "" {
				others++
				continue
			}
			if e.flags != leafIsBucket {
				f = corrupt(r.page, "element %d: bucket %q is not marked as a bucket", i, name)
			} else {
				found[name], f = parseBucket(r, e)
			}
			if f != nil {
				delete(found, name)
				if err := t.fault(f); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return found, others, err
}

// passed reports whether a deadline is over; the zero time means no deadline.
func passed(deadline time.Time) bool {
	return !deadline.IsZero() && !time.Now().Before(deadline)
}
