package osv

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// archive is an open zip file (APPNOTE.TXT 6.3, sections 4.3.6 to 4.5.3). It is read
// front to back by its central directory: archive/zip would hold all entries at
// once, some 40 MB for 100,000.
type archive struct {
	file io.ReaderAt
	size int64
	// start and length are those of the central directory, count its entries.
	start, length, count int64

	packed  []byte
	data    bytes.Reader
	inflate io.ReadCloser
}

// Signatures, and sizes without what follows.
const (
	signFile, sizeFile           = 0x04034b50, 30
	signEntry, sizeEntry         = 0x02014b50, 46
	signEnd, sizeEnd             = 0x06054b50, 22
	signEnd64, sizeEnd64         = 0x06064b50, 56
	signLocator64, sizeLocator64 = 0x07064b50, 20
	maxComment                   = 1<<16 - 1
	only32                       = 1<<32 - 1 // the value is in a field of 64 bits
	only16                       = 1<<16 - 1
)

var (
	errNoZip     = errors.New("not a zip file")
	errDirectory = errors.New("its central directory is cut or damaged")
	errEntry     = errors.New("its entry in the zip file is damaged")
	errChecksum  = errors.New("its checksum is wrong")
	errMethod    = errors.New("it is packed or encrypted in a way that is not supported")
)

// openArchive finds the central directory.
func openArchive(file io.ReaderAt, size int64) (*archive, error) {
	tail := make([]byte, min(size, sizeEnd+maxComment))
	base := size - int64(len(tail))
	if err := readAt(file, tail, base); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	for i := len(tail) - sizeEnd; i >= 0; i-- {
		end := tail[i:]
		if le.Uint32(end) != signEnd || i+sizeEnd+int(le.Uint16(end[20:])) != len(tail) {
			continue
		}
		a := &archive{
			file: file, size: size,
			count: int64(le.Uint16(end[10:])), length: int64(le.Uint32(end[12:])), start: int64(le.Uint32(end[16:])),
		}
		at := base + int64(i)
		if a.count == only16 || a.length == only32 || a.start == only32 {
			if err := a.end64(at - sizeLocator64); err != nil {
				return nil, err
			}
		}
		if a.start < 0 || a.length < 0 || a.count < 0 || a.start > at || a.length > at-a.start {
			return nil, errDirectory
		}
		return a, nil
	}
	return nil, errNoZip
}

// end64 reads the end of a large file, whose locator is at an offset. Without one
// the numbers of the ordinary end are right as they are.
func (a *archive) end64(at int64) error {
	le := binary.LittleEndian
	var buf [sizeEnd64]byte
	if at < 0 || readAt(a.file, buf[:sizeLocator64], at) != nil || le.Uint32(buf[:]) != signLocator64 {
		return nil
	}
	offset := le.Uint64(buf[8:])
	if offset > uint64(a.size) || readAt(a.file, buf[:], int64(offset)) != nil || le.Uint32(buf[:]) != signEnd64 { //nolint:gosec // at most size
		return errDirectory
	}
	a.count, a.length, a.start = int64(le.Uint64(buf[32:])), int64(le.Uint64(buf[40:])), int64(le.Uint64(buf[48:])) //nolint:gosec // checked by the caller
	return nil
}

// entry is a file in the archive. Name is valid until the next one.
type entry struct {
	name          []byte
	flags, method uint16
	crc           uint32
	packed, size  int64
	offset        int64 // of its header
}

// each calls do with every entry in the order of the directory, until it returns
// false. The error means that the rest was not read.
func (a *archive) each(do func(*entry) bool) error {
	r := bufio.NewReaderSize(io.NewSectionReader(a.file, a.start, a.length), 128<<10)
	le := binary.LittleEndian
	var fixed [sizeEntry]byte
	var name, extra []byte
	entries, left := int64(0), a.length
	for ; left > 0; entries++ {
		if _, err := io.ReadFull(r, fixed[:]); err != nil || le.Uint32(fixed[:]) != signEntry {
			return errDirectory
		}
		e := entry{
			flags: le.Uint16(fixed[8:]), method: le.Uint16(fixed[10:]), crc: le.Uint32(fixed[16:]),
			packed: int64(le.Uint32(fixed[20:])), size: int64(le.Uint32(fixed[24:])), offset: int64(le.Uint32(fixed[42:])),
		}
		var err error
		if name, err = take(r, name, int(le.Uint16(fixed[28:]))); err == nil {
			extra, err = take(r, extra, int(le.Uint16(fixed[30:])))
		}
		if err == nil {
			_, err = r.Discard(int(le.Uint16(fixed[32:])))
		}
		if err != nil {
			return errDirectory
		}
		left -= sizeEntry + int64(len(name)) + int64(len(extra)) + int64(le.Uint16(fixed[32:]))
		e.name = name
		e.wide(extra)
		if !do(&e) {
			return nil
		}
	}
	// Without the fields of 64 bits, some writers store only the count's lower half.
	if entries != a.count && (a.count > only16 || entries&only16 != a.count) {
		return errDirectory
	}
	return nil
}

func take(r io.Reader, buf []byte, n int) ([]byte, error) {
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	_, err := io.ReadFull(r, buf[:n])
	return buf[:n], err
}

// wide takes the numbers of 64 bits from the extra field.
func (e *entry) wide(extra []byte) {
	le := binary.LittleEndian
	for len(extra) >= 4 {
		id, n := le.Uint16(extra), int(le.Uint16(extra[2:]))
		extra = extra[4:]
		if n > len(extra) {
			return
		}
		field := extra[:n]
		extra = extra[n:]
		if id != 1 {
			continue
		}
		for _, value := range []*int64{&e.size, &e.packed, &e.offset} {
			if *value == only32 && len(field) >= 8 {
				*value = int64(le.Uint64(field)) //nolint:gosec // checked where it is used
				field = field[8:]
			}
		}
	}
}

// smallEntry is how much of an entry is read at once, bytes.
const smallEntry = 256 << 10

// read unpacks an entry into buf, at most limit bytes: errLarge if it has more.
func (a *archive) read(e *entry, buf *bytes.Buffer, limit int) error {
	le := binary.LittleEndian
	var header [sizeFile]byte
	switch {
	case e.flags&1 != 0, e.method != 0 && e.method != 8:
		return errMethod
	case e.size > int64(limit) || e.packed > int64(limit)+smallEntry:
		return errLarge
	case e.offset < 0 || e.packed < 0 || e.size < 0 || e.offset > a.size-sizeFile:
		return errEntry
	}
	if err := readAt(a.file, header[:], e.offset); err != nil {
		return err
	}
	start := e.offset + sizeFile + int64(le.Uint16(header[26:])) + int64(le.Uint16(header[28:]))
	if le.Uint32(header[:]) != signFile || start > a.size-e.packed {
		return errEntry
	}
	var src io.Reader = &a.data
	if e.packed > smallEntry {
		src = bufio.NewReaderSize(io.NewSectionReader(a.file, start, e.packed), 64<<10)
	} else {
		if int64(cap(a.packed)) < e.packed {
			a.packed = make([]byte, smallEntry)
		}
		a.packed = a.packed[:e.packed]
		if err := readAt(a.file, a.packed, start); err != nil {
			return err
		}
		a.data.Reset(a.packed)
	}
	if e.method == 8 {
		if a.inflate == nil {
			a.inflate = flate.NewReader(src)
		} else if err := a.inflate.(flate.Resetter).Reset(src, nil); err != nil {
			return errEntry
		}
		src = a.inflate
	}
	buf.Reset()
	n, err := buf.ReadFrom(io.LimitReader(src, int64(limit)+1))
	switch {
	case n > int64(limit):
		return errLarge
	case err != nil:
		var damaged flate.CorruptInputError
		if errors.As(err, &damaged) || errors.Is(err, io.ErrUnexpectedEOF) {
			return errEntry
		}
		return err
	case crc32.ChecksumIEEE(buf.Bytes()) != e.crc:
		return errChecksum
	}
	return nil
}

// readAt fills buf. What ends before is damaged, because the size is known.
func readAt(file io.ReaderAt, buf []byte, at int64) error {
	n, err := file.ReadAt(buf, at)
	if n == len(buf) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return fmt.Errorf("it ends at byte %d: it was cut meanwhile", at+int64(n))
	}
	return cause(err)
}
