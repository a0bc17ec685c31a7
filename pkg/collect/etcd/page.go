package etcd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// The format of bbolt, as go.etcd.io/bbolt 1.5 writes it (internal/common:
// page.go, meta.go, inode.go, bucket.go). Integers are in the writer's byte
// order; we read little endian.
const (
	pageHeaderSize = 16 // id u64, flags u16, count u16, overflow u32
	elementSize    = 16 // branch: pos u32, ksize u32, pgid u64; leaf: flags, pos, ksize, vsize u32
	metaSize       = 64 // magic, version, pageSize, flags u32; root {pgid, sequence}, freelist, pgid, txid, checksum u64
	bucketSize     = 16 // root u64, sequence u64: the head of a bucket's value

	metaMagic   = 0xED0CDAED
	metaVersion = 2

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagMeta     = 0x04
	flagFreelist = 0x10

	leafIsBucket = 0x01

	minPageSize = 512
	maxPageSize = 1024 << 14 // bbolt looks for the second meta page no further

	maxDepth = 20 // of a tree; bbolt's own tests reach 5
)

// noFreelist stands in a meta whose freelist is not in the file, as etcd writes it.
const noFreelist = ^uint64(0)

// fault is a contradiction in one page, or a page that could not be read.
type fault struct {
	page   uint64
	reason fact.Reason // Corrupt, Truncated or Unreadable
	text   string      // what was expected and found; never bytes of a value
	before bool        // it is about rows missing before a row
	torn   bool        // the page is sound, but belongs to another tree
	link   bool        // the page may belong to another tree
}

func (f *fault) Error() string { return fmt.Sprintf("page %d: %s", f.page, f.text) }

func corrupt(page uint64, format string, args ...any) *fault {
	return &fault{page: page, reason: fact.Corrupt, text: fmt.Sprintf(format, args...)}
}

// strange is a contradiction between a page and the link that leads to it.
func strange(page uint64, format string, args ...any) *fault {
	f := corrupt(page, format, args...)
	f.link = true
	return f
}

type pageHeader struct {
	id       uint64
	flags    uint16
	count    int
	overflow uint32
}

// parsePageHeader reads the first 16 bytes of a page.
func parsePageHeader(b []byte) pageHeader {
	return pageHeader{
		id:       binary.LittleEndian.Uint64(b),
		flags:    binary.LittleEndian.Uint16(b[8:]),
		count:    int(binary.LittleEndian.Uint16(b[10:])),
		overflow: binary.LittleEndian.Uint32(b[12:]),
	}
}

// meta is a valid meta page: the head of one tree.
type meta struct {
	pageSize  int
	root      uint64 // page of the root bucket
	freelist  uint64 // first page of the freelist; noFreelist if it is not in the file
	highWater uint64 // first page number that was never used
	txid      uint64
}

var (
	errBigEndian = errors.New("written on a big-endian machine")
	errNoMagic   = errors.New("no magic number")
)

// parseMeta reads a meta page including its header: at least 80 bytes. The
// checksum is FNV-1a-64 over the 56 bytes before it.
func parseMeta(page []byte) (meta, error) {
	if len(page) < pageHeaderSize+metaSize {
		return meta{}, fmt.Errorf("expected %d bytes, found %d", pageHeaderSize+metaSize, len(page))
	}
	b := page[pageHeaderSize:][:metaSize]
	switch magic := binary.LittleEndian.Uint32(b); {
	case magic == metaMagic:
	case binary.BigEndian.Uint32(b) == metaMagic:
		return meta{}, errBigEndian
	default:
		return meta{}, errNoMagic
	}
	if v := binary.LittleEndian.Uint32(b[4:]); v != metaVersion {
		return meta{}, fmt.Errorf("expected version %d, found %d", metaVersion, v)
	}
	sum := uint64(14695981039346656037)
	for _, c := range b[:56] {
		sum = (sum ^ uint64(c)) * 1099511628211
	}
	if binary.LittleEndian.Uint64(b[56:]) != sum {
		return meta{}, errors.New("the checksum does not match")
	}
	size := binary.LittleEndian.Uint32(b[8:])
	if size < minPageSize || size > maxPageSize || size&(size-1) != 0 {
		return meta{}, fmt.Errorf("expected a page size of a power of two from %d to %d, found %d", minPageSize, maxPageSize, size)
	}
	return meta{
		pageSize:  int(size),
		root:      binary.LittleEndian.Uint64(b[16:]),
		freelist:  binary.LittleEndian.Uint64(b[32:]),
		highWater: binary.LittleEndian.Uint64(b[40:]),
		txid:      binary.LittleEndian.Uint64(b[48:]),
	}, nil
}

// maxBranchRun bounds a branch's run, which is always read whole, in bytes.
// bbolt splits a branch at its page size.
const maxBranchRun = 4 << 20

// run is a page with its overflow pages, or the page of an inline bucket.
// Offsets count from the page header.
type run struct {
	src    io.ReaderAt // nil where buf has everything
	page   uint64      // page number; of an inline bucket, the page that holds it
	inline bool
	header pageHeader
	size   int // bytes, with overflow

	buf   []byte // from offset 0; as long as size, or at least one page
	own   []byte // the memory of buf, unless that is a part of tree.batch
	start int64  // file offset
	table []byte // the elements
	used  int    // bytes up to the end of the last element

	window    []byte // bytes that are not in buf
	windowOff int
}

// bytes returns n bytes at off, which must lie inside the run. The result is
// valid until the next call.
func (r *run) bytes(off, n int) ([]byte, *fault) {
	if off < 0 || n < 0 || n > r.size-off {
		return nil, corrupt(r.page, "%d bytes at offset %d lie outside the page's %d bytes", n, off, r.size)
	}
	if off+n <= len(r.buf) {
		return r.buf[off : off+n : off+n], nil
	}
	if off >= r.windowOff && off+n <= r.windowOff+len(r.window) {
		return r.window[off-r.windowOff:][:n:n], nil
	}
	want := min(max(n, 4096), r.size-off)
	if cap(r.window) < want {
		r.window = make([]byte, want)
	}
	r.window, r.windowOff = r.window[:want], off
	if f := readAt(r.src, r.window, r.start+int64(off), r.page); f != nil {
		r.window = r.window[:0]
		return nil, f
	}
	return r.window[:n:n], nil
}

// Bytes is the method bytes for package stored, which reads the values.
func (r *run) Bytes(off, n int) ([]byte, error) {
	b, f := r.bytes(off, n)
	if f != nil {
		return nil, f
	}
	return b, nil
}

// faultOf returns the fault of a run that comes back through package stored.
func faultOf(err error) *fault {
	if err == nil {
		return nil
	}
	return err.(*fault)
}

// readAt fills b or says why not.
func readAt(src io.ReaderAt, b []byte, off int64, page uint64) *fault {
	n, err := src.ReadAt(b, off)
	switch {
	case n == len(b):
		return nil
	case err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return &fault{page: page, reason: fact.Truncated, text: fmt.Sprintf("expected %d bytes at %d, found the end of the file after %d", len(b), off, max(n, 0))}
	}
	return &fault{page: page, reason: fact.Unreadable, text: fmt.Sprintf("reading %d bytes at %d: %v", len(b), off, err)}
}

// element is one entry of a branch or leaf. Offsets count from the page header.
type element struct {
	flags    uint32 // leaf
	child    uint64 // branch
	key, end int    // key at [key, value), value at [value, end)
	value    int
}

func (r *run) leaf() bool { return r.header.flags == flagLeaf }

// element returns entry i. check has made sure that it is inside the run.
func (r *run) element(i int) element {
	b := r.table[i*elementSize:]
	base := pageHeaderSize + i*elementSize
	if r.leaf() {
		e := element{flags: binary.LittleEndian.Uint32(b)}
		e.key = base + int(binary.LittleEndian.Uint32(b[4:]))
		e.value = e.key + int(binary.LittleEndian.Uint32(b[8:]))
		e.end = e.value + int(binary.LittleEndian.Uint32(b[12:]))
		return e
	}
	e := element{child: binary.LittleEndian.Uint64(b[8:])}
	e.key = base + int(binary.LittleEndian.Uint32(b))
	e.value = e.key + int(binary.LittleEndian.Uint32(b[4:]))
	e.end = e.value
	return e
}

// check loads the table of elements and compares them with what bbolt writes
// (WriteInodeToPage): keys and values follow the table back to back, in order,
// with nothing between. So a flipped bit in a count, position or size always
// causes a contradiction.
func (r *run) check(pageSize int) *fault {
	end := uint64(pageHeaderSize + r.header.count*elementSize)
	if end > uint64(r.size) {
		return corrupt(r.page, "%d elements do not fit into %d bytes", r.header.count, r.size)
	}
	table, f := r.bytes(pageHeaderSize, r.header.count*elementSize)
	if f != nil {
		return f
	}
	if len(table) > 0 && r.header.count*elementSize+pageHeaderSize > len(r.buf) {
		table = append(r.table[:0:0], table...) // the window is reused
	}
	r.table = table
	for i := range r.header.count {
		b := table[i*elementSize:]
		var pos, size uint64
		if r.leaf() {
			if flags := binary.LittleEndian.Uint32(b); flags > leafIsBucket {
				return corrupt(r.page, "element %d: expected flags 0 or 1, found %#x", i, flags)
			}
			pos = uint64(binary.LittleEndian.Uint32(b[4:]))
			size = uint64(binary.LittleEndian.Uint32(b[8:]))
			if size == 0 {
				return corrupt(r.page, "element %d: an empty key", i)
			}
			size += uint64(binary.LittleEndian.Uint32(b[12:]))
		} else {
			pos = uint64(binary.LittleEndian.Uint32(b))
			size = uint64(binary.LittleEndian.Uint32(b[4:]))
			if size == 0 {
				return corrupt(r.page, "element %d: an empty key", i)
			}
		}
		if at := uint64(pageHeaderSize+i*elementSize) + pos; at != end {
			return corrupt(r.page, "element %d: expected its data at %d, found %d", i, end, at)
		}
		end += size
		if end > uint64(r.size) {
			return corrupt(r.page, "element %d: its data ends at %d, beyond the page's %d bytes", i, end, r.size)
		}
	}
	r.used = int(end)
	if r.inline {
		if end != uint64(r.size) {
			return corrupt(r.page, "an inline bucket of %d bytes, of which %d are used", r.size, end)
		}
		return nil
	}
	// bbolt allocates as many pages as are needed. Versions before 1.4 allocate
	// one more if the last one would be exactly full.
	pages, size := uint64(r.size/pageSize), uint64(pageSize)
	if pages != (end+size-1)/size && pages != end/size+1 {
		return corrupt(r.page, "%d bytes in use take other than %d pages", end, pages)
	}
	return nil
}

// remainder reports whether bytes that look like a row lie behind the last element of a
// leaf: then the page may have lost that element. bbolt clears its buffers, so nothing
// should be there. Of a leaf with overflow pages only what was loaded is looked at.
func (r *run) remainder() bool {
	if r.inline || r.used >= len(r.buf) {
		return false
	}
	rest := r.buf[r.used:min(r.size, len(r.buf))]
	for {
		at := bytes.IndexByte(rest, '_')
		if at < 0 || at+11 > len(rest) {
			return false
		}
		if at >= 8 {
			main, sub := binary.BigEndian.Uint64(rest[at-8:]), binary.BigEndian.Uint64(rest[at+1:])
			after := rest[at+9]
			if after == 't' {
				after = rest[at+10]
			}
			if main > 0 && main < 1<<48 && sub < 1<<24 && after == 1<<3|2 { // field 1 of a KeyValue
				return true
			}
		}
		rest = rest[at+1:]
	}
}
