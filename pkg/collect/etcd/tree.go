package etcd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
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
		if m[1].err == nil && m[1].meta.pageSize != m[0].meta.pageSize {
			m[1].err = fmt.Errorf("expected a page size of %d, found %d", m[0].meta.pageSize, m[1].meta.pageSize)
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

	levels []*run
	done   []uint64 // roots of the buckets that chunk walks
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
		return corrupt(id, "a link to it, but pages in use have numbers from 2 to %d", int64(t.meta.highWater)-1)
	}
	if id > uint64(1<<62)/uint64(size) {
		return corrupt(id, "a page number beyond any file")
	}
	if cap(r.buf) < size {
		r.buf = make([]byte, size)
	}
	r.buf = r.buf[:size]
	if f := readAt(t.src, r.buf, r.start, id); f != nil {
		return f
	}
	h := parsePageHeader(r.buf)
	r.header = h
	if h.id != id {
		return corrupt(id, "expected its own number in its header, found %d", h.id)
	}
	if h.flags != flagBranch && h.flags != flagLeaf {
		return corrupt(id, "expected a branch (0x1) or leaf (0x2), found flags %#x", h.flags)
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
				return corrupt(id, "page %d is in use twice", p)
			}
			t.seen[word] |= bit
		}
	}
	total := (1 + int64(h.overflow)) * int64(size)
	if total > 1<<31-1 {
		return corrupt(id, "%d overflow pages make a run of more than 2 GiB", h.overflow)
	}
	r.size = int(total)
	whole := wholeRun
	if h.flags == flagBranch {
		if total > maxBranchRun {
			return corrupt(id, "a branch of %d bytes", total)
		}
		whole = maxBranchRun
	}
	if h.overflow > 0 && r.size <= whole {
		if cap(r.buf) < r.size {
			r.buf = append(make([]byte, 0, r.size), r.buf...)
		}
		r.buf = r.buf[:r.size]
		if f := readAt(t.src, r.buf[size:], r.start+int64(size), id); f != nil {
			return f
		}
	}
	return r.check(size)
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
	return visit(r, first)
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
		key, f := r.bytes(e.key, e.value-e.key)
		if f != nil {
			return f
		}
		switch {
		case i == 0 && low != nil && !bytes.Equal(key, low):
			return corrupt(r.page, "its first key is not the one that its parent names")
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
		return corrupt(r.page, "its last key is not before its neighbour's first")
	}
	return nil
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
