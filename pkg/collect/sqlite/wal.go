package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// The write-ahead log: a header of 32 bytes (magic, version, page size,
// checkpoint sequence, two salts, two checksums; big endian), then frames of 24
// bytes (page number, pages of the database after a commit or 0, the two salts,
// two checksums) and a page.
const (
	logHeaderSize   = 32
	frameHeaderSize = 24
	logMagic        = 0x377f0682 // with the lowest bit set: checksums over big-endian words
	logVersion      = 3007000

	// maxIndex bounds the index of a log, in elements of 8 bytes: 8 MiB, and 12
	// while it grows. A quarter of it is left for pages that are written again.
	// So a log may have 786,432 different pages, 3 GiB with pages of 4 KiB; a page
	// counts twice while a transaction that writes it again is not committed.
	maxIndex   = 1 << 20
	maxIndexed = maxIndex / 4 * 3
)

// LogState says how much of a write-ahead log was read.
type LogState struct {
	Frames      uint32 // up to the last commit: these are read
	Uncommitted uint32 // valid ones after it; more may follow, for an open transaction's checksums are not right until it commits
	End         string // why the log ends there; "" where the file ends too
	// Unread is true if commits were not read: the header is damaged and frames follow, or
	// a commit with the salts of the header follows a frame that is not valid.
	Unread bool
}

// wal is a write-ahead log. The zero value is a log without frames.
type wal struct {
	src      io.ReaderAt
	size     int64
	pageSize int
	header   [logHeaderSize]byte
	order    binary.ByteOrder // of the words in a checksum

	valid     uint32    // frames with the right salts and checksums
	committed uint32    // frames up to the last commit
	pages     uint32    // of the database after it
	sum       [2]uint32 // the checksum up to it
	end       string
	bad       bool // the header is damaged

	// index has an element for each page: page<<32 | last committed frame, in
	// order.
	index []uint64
}

// open reads the log. As in SQLite, a log with a damaged header has no frames,
// and a damaged frame ends it.
func (w *wal) open(src io.ReaderAt, size int64, pageSize int) error {
	w.src, w.size, w.pageSize = src, size, pageSize
	if size < logHeaderSize {
		return nil
	}
	if err := fill(w.src, w.header[:], 0); errors.Is(err, io.ErrUnexpectedEOF) {
		w.end = "the file ends in the log's header"
		return nil
	} else if err != nil {
		return fmt.Errorf("reading the write-ahead log: %w", err)
	}
	word := func(i int) uint32 { return binary.BigEndian.Uint32(w.header[4*i:]) }
	if word(0)&^1 != logMagic {
		w.end, w.bad = "the log's header has no magic number", true
		return nil
	}
	w.order = binary.LittleEndian
	if word(0)&1 != 0 {
		w.order = binary.BigEndian
	}
	sum := checksum(w.order, [2]uint32{}, w.header[:24])
	switch {
	case sum != [2]uint32{word(6), word(7)}:
		w.end, w.bad = "the checksum of the log's header does not match", true
		return nil
	case word(1) != logVersion:
		return fmt.Errorf("reading the write-ahead log: expected version %d, found %d", logVersion, word(1))
	case word(2) != uint32(w.pageSize):
		return fmt.Errorf("reading the write-ahead log: expected the database's page size %d, found %d", w.pageSize, word(2))
	}
	w.sum = sum
	return w.add(1, sum, size)
}

// extend reads what was appended since.
func (w *wal) extend(size int64) error {
	w.size, w.valid = size, w.committed
	return w.add(w.committed+1, w.sum, size)
}

// add reads the frames from one on, with the checksum so far.
func (w *wal) add(frame uint32, sum [2]uint32, size int64) (err error) {
	limit := max(1024, 2*len(w.index)) // of the index, before it is made smaller
	w.end, err = w.frames(frame, sum, size, func(frame, page, commit uint32, sum [2]uint32) error {
		w.valid = frame
		if commit != 0 {
			w.committed, w.pages, w.sum = frame, commit, sum
		}
		w.index = append(w.index, uint64(page)<<32|uint64(frame))
		if len(w.index) < limit {
			return nil
		}
		w.compact(false)
		if len(w.index) > maxIndexed {
			return fmt.Errorf("reading the write-ahead log: expected at most %d pages, found more up to frame %d", maxIndexed, frame)
		}
		limit = min(max(1024, 2*len(w.index)), maxIndex)
		if limit > cap(w.index) {
			w.index = append(make([]uint64, 0, limit), w.index...)
		}
		return nil
	})
	w.compact(true)
	return err
}

// frames visits the frames from one on, up to the last valid one, with the
// checksum so far. It says why it ends there, "" where the file ends too.
func (w *wal) frames(frame uint32, sum [2]uint32, size int64, visit func(frame, page, commit uint32, sum [2]uint32) error) (end string, err error) {
	b := make([]byte, frameHeaderSize+w.pageSize)
	for ; ; frame++ {
		at := w.offset(frame)
		if at == size {
			return "", nil
		}
		if at+int64(len(b)) > size || frame == 1<<32-1 {
			return fmt.Sprintf("frame %d is cut short", frame), nil
		}
		if err := fill(w.src, b, at); errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Sprintf("frame %d is cut short", frame), nil
		} else if err != nil {
			return "", fmt.Errorf("reading the write-ahead log at byte %d: %w", at, err)
		}
		page, commit := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
		if string(b[8:16]) != string(w.header[16:24]) {
			return fmt.Sprintf("frame %d is from before the log was restarted", frame), nil
		}
		if page == 0 {
			return fmt.Sprintf("frame %d is of page 0", frame), nil
		}
		sum = checksum(w.order, sum, b[:8])
		sum = checksum(w.order, sum, b[frameHeaderSize:])
		if sum != [2]uint32{binary.BigEndian.Uint32(b[16:]), binary.BigEndian.Uint32(b[20:])} {
			return fmt.Sprintf("the checksum of frame %d does not match", frame), nil
		}
		if err := visit(frame, page, commit, sum); err != nil {
			return "", err
		}
	}
}

// compact sorts the index and keeps the last committed frame of each page, and
// the last uncommitted one unless the log is at its end.
func (w *wal) compact(end bool) {
	slices.Sort(w.index)
	kept := w.index[:0]
	for i, e := range w.index {
		pending := uint32(e) > w.committed
		if pending && end {
			continue
		}
		if i+1 < len(w.index) {
			next := w.index[i+1]
			if next>>32 == e>>32 && pending == (uint32(next) > w.committed) {
				continue
			}
		}
		kept = append(kept, e)
	}
	w.index = kept
}

// offset is where a frame begins in the file.
func (w *wal) offset(frame uint32) int64 {
	return logHeaderSize + int64(frame-1)*int64(frameHeaderSize+w.pageSize)
}

// frame returns the last committed frame with a page, 0 if there is none.
func (w *wal) frame(page uint32) uint32 {
	i, _ := slices.BinarySearch(w.index, uint64(page)<<32)
	if i < len(w.index) && uint32(w.index[i]>>32) == page {
		return uint32(w.index[i])
	}
	return 0
}

var errCommit = errors.New("a commit")

// changed compares the log with what it was. The frames up to the last commit
// do not change before the log is restarted.
func (w *wal) changed(size int64) (Change, error) {
	if size < w.size || w.src == nil && size > 0 {
		return Changed, nil
	}
	if size < logHeaderSize {
		return Same, nil
	}
	// A commit first: it would not be found in a log that was restarted since.
	change := Same
	if w.order != nil {
		_, err := w.frames(w.committed+1, w.sum, size, func(_, _, commit uint32, _ [2]uint32) error {
			if commit != 0 {
				return errCommit
			}
			return nil
		})
		if errors.Is(err, errCommit) {
			change = Appended
		} else if err != nil {
			return Changed, err
		}
	}
	if same, err := w.sameHeader(); err != nil || !same {
		return Changed, err
	}
	return change, nil
}

// sameHeader reports whether the log was not restarted.
func (w *wal) sameHeader() (bool, error) {
	var header [logHeaderSize]byte
	if err := fill(w.src, header[:], 0); err != nil {
		return false, fmt.Errorf("reading the write-ahead log again: %w", err)
	}
	return header == w.header, nil
}

// checksum continues a checksum over a multiple of 8 bytes.
func checksum(order binary.ByteOrder, sum [2]uint32, b []byte) [2]uint32 {
	s0, s1 := sum[0], sum[1]
	if order == binary.LittleEndian {
		for ; len(b) >= 8; b = b[8:] {
			s0 += binary.LittleEndian.Uint32(b) + s1
			s1 += binary.LittleEndian.Uint32(b[4:]) + s0
		}
	} else {
		for ; len(b) >= 8; b = b[8:] {
			s0 += binary.BigEndian.Uint32(b) + s1
			s1 += binary.BigEndian.Uint32(b[4:]) + s0
		}
	}
	return [2]uint32{s0, s1}
}

// unread reports whether commits follow the last valid frame. A transaction that was
// rolled back can leave frames with the right salts, but no commit.
func (w *wal) unread() bool {
	if w.src == nil || w.end == "" {
		return false
	}
	if w.bad {
		return w.size > logHeaderSize+frameHeaderSize
	}
	if w.order == nil {
		return false
	}
	var head [frameHeaderSize]byte
	for frame := w.valid + 1; frame-w.valid < maxIndex; frame++ {
		at := w.offset(frame)
		if at+frameHeaderSize > w.size || fill(w.src, head[:], at) != nil {
			return false
		}
		if string(head[8:16]) == string(w.header[16:24]) && binary.BigEndian.Uint32(head[4:]) != 0 {
			return true
		}
	}
	return false
}
