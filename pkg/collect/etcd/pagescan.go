package etcd

import (
	"encoding/binary"
	"errors"
	"hash/maphash"
	"io"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored"
)

// Known is what Read found in the rows of a member's database. What lies
// elsewhere is compared with it: a value that the rows hold in plaintext too is
// current or history there, and no residue. The zero Known knows of no row.
type Known struct {
	rows plainRows
	// last is the newest revision that was read from a live file; a later one is
	// no residue either. It is 0 for a file that does not change.
	last int64
	// puts are how many revisions in plaintext the rows hold, by nameHash.
	puts map[uint64]uint32
}

// row reports whether a row is among the known ones.
func (k *Known) row(main, sub int64) bool {
	return k != nil && (k.rows.has(main, sub) || k.last > 0 && main > k.last)
}

// revision reports whether any row of a revision is among the known ones.
func (k *Known) revision(main int64) bool {
	return k != nil && main > 0 && (k.rows.hasMain(main) || k.last > 0 && main > k.last)
}

// count notes how many revisions of each Secret the rows hold in plaintext.
func (k *Known) count(db *fact.EtcdDB) {
	k.puts = map[uint64]uint32{}
	for _, s := range db.Secrets {
		n := s.Older
		if s.Class.Plaintext() {
			n++
		}
		if n > 0 {
			k.puts[nameHash(s.Namespace, s.Name)] = uint32(n)
		}
	}
	if db.History == nil {
		return
	}
	for _, s := range db.History.Deleted {
		k.puts[nameHash(s.Namespace, s.Name)] = uint32(s.Plaintext)
	}
}

var nameSeed = maphash.MakeSeed()

// nameHash tells Secrets apart in 8 bytes.
func nameHash(namespace, name string) uint64 {
	return maphash.String(nameSeed, namespace+"/"+name)
}

// finder makes a Finder that leaves out what is known.
func (k *Known) finder(prefix string) *stored.Finder {
	f := stored.NewFinder(prefix)
	f.Skip = func(_, _ string, revision int64) bool { return k.revision(revision) }
	return f
}

// pageScan looks for Secrets in plaintext in pages of a bbolt file that no tree
// uses, or in all pages. A page that carries its own number and is a leaf gives
// its rows. All else goes through a Finder.
//
// A leaf's run may have been overwritten behind its first page. It ends before
// the first page in use, and before the first that carries its own number:
// bbolt writes a run whole, so that page is newer.
type pageScan struct {
	src      io.ReaderAt
	pageSize int
	used     inUse // is left out
	prefix   string
	known    *Known
	finder   *stored.Finder
	expired  func() bool

	size    int    // of the buffer
	buf     []byte // the bytes of the file from at on
	at      int64
	run     run
	keyBuf  []byte
	scanned int64 // bytes
}

// scanBuffer is how much is read at once, bytes.
const scanBuffer = 1 << 20

// newPageScan makes one for a file with pages of a size. Prefix is the API
// server's; "" if it is not known.
func newPageScan(src io.ReaderAt, pageSize int, prefix string, known *Known, expired func() bool) *pageScan {
	return &pageScan{
		src: src, pageSize: pageSize, prefix: strings.Trim(prefix, "/"), known: known,
		finder: known.finder(prefix), expired: expired, size: scanBuffer,
	}
}

// errEnd says that the file ends before the pages do.
var errEnd = errors.New("the file ends too early")

// pages searches pages from up to to, without those in use.
func (s *pageScan) pages(from, to uint64) error {
	for p := from; p < to; {
		if s.used.has(p) {
			if word := p / 64; p%64 == 0 && s.used[word] == ^uint64(0) {
				p += 64
			} else {
				p++
			}
			continue
		}
		end := p + 1
		for end < to && !s.used.has(end) {
			end++
		}
		err := s.stretch(p, end)
		s.finder.Break()
		if err != nil {
			return err
		}
		p = end
	}
	return nil
}

// stretch searches adjacent pages.
func (s *pageScan) stretch(p, end uint64) error {
	s.finder.Break()
	for p < end {
		if s.expired() {
			return errDeadline
		}
		page, err := s.window(p, end)
		if err != nil {
			return err
		}
		h := parsePageHeader(page)
		size := uint64(1)
		switch own := ownPage(h, p); {
		case own && h.flags == flagLeaf:
			s.finder.Break()
			size, err = s.extent(p, h, end)
			if err == nil {
				err = s.leaf(p, h, size, end)
			}
			s.finder.Break()
			if err != nil {
				return err
			}
		case own:
			s.finder.Break()
			fallthrough
		default:
			for at := 0; at < s.pageSize; { // larger than the window, perhaps
				n := min(len(page), s.pageSize-at)
				_, _ = s.finder.Write(page[:n])
				if at += n; at < s.pageSize {
					if page, err = s.fill(int64(p)*int64(s.pageSize)+int64(at), int64(s.pageSize-at)); err != nil {
						return err
					}
				}
			}
		}
		s.scanned += int64(size) * int64(s.pageSize)
		p += size
	}
	return nil
}

// ownPage reports whether a page starts with its own number and one of bbolt's
// flags.
func ownPage(h pageHeader, p uint64) bool {
	return h.id == p && (h.flags == flagBranch || h.flags == flagLeaf || h.flags == flagMeta || h.flags == flagFreelist)
}

// window returns the bytes from a page on: the page, and what was read with it.
// Of a page larger than the buffer it is the start.
func (s *pageScan) window(p, end uint64) ([]byte, error) {
	off := int64(p) * int64(s.pageSize)
	if off >= s.at && off+int64(s.pageSize) <= s.at+int64(len(s.buf)) {
		return s.buf[off-s.at:], nil
	}
	return s.fill(off, int64(end-p)*int64(s.pageSize))
}

// fill reads up to so many bytes.
func (s *pageScan) fill(off, size int64) ([]byte, error) {
	if s.buf == nil {
		s.buf = make([]byte, s.size)
	}
	s.at, s.buf = off, s.buf[:min(size, int64(s.size))]
	n, err := s.src.ReadAt(s.buf, off)
	s.buf = s.buf[:max(n, 0)]
	if n < pageHeaderSize {
		if err == nil || errors.Is(err, io.EOF) {
			return nil, errEnd
		}
		return nil, err
	}
	return s.buf, nil
}

// extent is how many pages of a run are left.
func (s *pageScan) extent(p uint64, h pageHeader, end uint64) (uint64, error) {
	size := uint64(1)
	for ; size <= uint64(h.overflow) && p+size < end; size++ {
		var head [pageHeaderSize]byte
		off := int64(p+size) * int64(s.pageSize)
		if off >= s.at && off+pageHeaderSize <= s.at+int64(len(s.buf)) {
			copy(head[:], s.buf[off-s.at:])
		} else if n, err := s.src.ReadAt(head[:], off); n < len(head) {
			if err == nil || errors.Is(err, io.EOF) {
				break
			}
			return 0, err
		}
		if ownPage(parsePageHeader(head[:]), p+size) {
			break
		}
		if size%1024 == 0 && s.expired() {
			return 0, errDeadline
		}
	}
	return size, nil
}

// leaf searches the rows of a leaf of so many pages.
func (s *pageScan) leaf(p uint64, h pageHeader, pages, end uint64) error {
	r := &s.run
	total := int64(pages) * int64(s.pageSize)
	off := int64(p) * int64(s.pageSize)
	if off < s.at || off+min(total, int64(s.size)) > s.at+int64(len(s.buf)) {
		if _, err := s.fill(off, int64(end-p)*int64(s.pageSize)); err != nil {
			return err
		}
	}
	if total > 1<<31-1 {
		return s.long(off, total)
	}
	*r = run{src: s.src, page: p, header: h, size: int(total), start: off, window: r.window[:0]}
	r.buf = s.buf[off-s.at:]
	r.buf = r.buf[:min(len(r.buf), r.size)]

	at := uint64(pageHeaderSize + h.count*elementSize)
	if at > uint64(r.size) {
		return s.raw(r, pageHeaderSize, r.size)
	}
	table, f := r.bytes(pageHeaderSize, h.count*elementSize)
	if f != nil {
		return s.short(f)
	}
	if pageHeaderSize+len(table) > len(r.buf) {
		table = append(r.table[:0:0], table...) // the window is reused
	}
	for i := range h.count {
		b := table[i*elementSize:]
		flags := binary.LittleEndian.Uint32(b)
		key := uint64(pageHeaderSize+i*elementSize) + uint64(binary.LittleEndian.Uint32(b[4:]))
		value := key + uint64(binary.LittleEndian.Uint32(b[8:]))
		stop := value + uint64(binary.LittleEndian.Uint32(b[12:]))
		if key != at || flags > leafIsBucket {
			break // not what bbolt writes: the rest is raw
		}
		if key >= uint64(r.size) {
			return nil
		}
		if f := s.row(r, flags, int(key), min(value, stop), stop); f != nil {
			return s.short(f)
		}
		at = stop
	}
	if at < uint64(r.size) {
		return s.raw(r, int(at), r.size)
	}
	return nil
}

// short turns a read beyond the end of the file into errEnd.
func (s *pageScan) short(f *fault) error {
	if f.reason == fact.Truncated {
		return errEnd
	}
	return f
}

// row looks at an element: its key from key on, its value from value up to stop,
// which can lie beyond what is left of the run.
func (s *pageScan) row(r *run, flags uint32, key int, value, stop uint64) *fault {
	left := int(min(stop, uint64(r.size)))
	raw := func() *fault { return faultOf(s.raw(r, key, left)) }
	if flags != 0 || s.prefix == "" || value > uint64(r.size) || value-uint64(key) > revisionSize+1 {
		return raw()
	}
	b, f := r.bytes(key, int(value)-key)
	if f != nil {
		return f
	}
	rev, problem := parseRevision(b)
	if problem != "" {
		return raw()
	}
	if rev.tombstone || stop == value || s.known.row(rev.main, rev.sub) {
		return nil
	}
	if uint64(left) < stop {
		b, f := r.bytes(int(value), min(left-int(value), 64<<10))
		if f != nil {
			return f
		}
		if v := cutValue(b); v != nil && !stored.HoldsData(v) {
			return nil
		}
		return raw()
	}
	kv, problem, f := parseKeyValue(stored.Span{From: r, Off: int(value), Size: int(stop - value)}, s.keyBuf[:0])
	s.keyBuf = kv.key[:0]
	switch {
	case f != nil:
		return f
	case problem != "":
		return raw()
	case kv.value.Size == 0:
		return nil
	}
	full := kv.key
	if full[0] == '/' {
		full = full[1:]
	}
	rest, ok := cutPrefix(full, s.prefix)
	if ok {
		rest, ok = cutPrefix(rest, secretsDir)
	}
	if !ok || kv.long() {
		// A Secret of another cluster?
		if plain, err := stored.IsPlainSecret(kv.value); err == nil && plain {
			before := s.finder.Found().Values
			if f := faultOf(s.raw(r, kv.value.Off, min(kv.value.Off+1024, left))); f != nil {
				return f
			}
			if s.finder.Found().Values == before {
				s.finder.Add("", "", rev.main)
			}
		}
		return nil
	}
	ns, name, ok := strings.Cut(string(rest), "/")
	if !ok || !label(ns) || !subdomain(name) {
		return raw()
	}
	form, err := stored.Classify(kv.value, ns, name, nil)
	switch {
	case err != nil:
		return faultOf(err)
	case form.Class.Plaintext():
		s.finder.Add(ns, name, rev.main)
	case form.Problem != "" || form.Class == fact.ClassUnknown:
		return raw() // the Finder knows forms that the API server does not write
	}
	return nil
}

// cutValue returns what is there of field 5 of a KeyValue of which the end is gone; nil if
// the field does not begin there.
func cutValue(b []byte) []byte {
	for len(b) > 0 {
		number, _, _, rest, ok := protoField(b)
		if ok {
			b = rest
			continue
		}
		_, n := binary.Uvarint(b)
		if number != 5 || n <= 0 {
			return nil
		}
		if _, m := binary.Uvarint(b[n:]); m > 0 {
			return b[n+m:]
		}
		return nil
	}
	return nil
}

// raw gives a part of a run to the Finder.
func (s *pageScan) raw(r *run, from, to int) error {
	s.finder.Break()
	defer s.finder.Break()
	for from < to {
		n := min(to-from, 64<<10)
		b, f := r.bytes(from, n)
		if f != nil {
			return f
		}
		_, _ = s.finder.Write(b)
		from += n
	}
	return nil
}

// long gives a run of more than 2 GiB to the Finder.
func (s *pageScan) long(off, size int64) error {
	for size > 0 {
		if s.expired() {
			return errDeadline
		}
		b, err := s.fill(off, size)
		if err != nil {
			return err
		}
		_, _ = s.finder.Write(b)
		off, size = off+int64(len(b)), size-int64(len(b))
	}
	return nil
}
