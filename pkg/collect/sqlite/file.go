package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

const (
	magic      = "SQLite format 3\x00"
	headerSize = 100

	minPageSize = 512
	maxPageSize = 65536
	minUsable   = 480 // bytes of a page without those reserved at its end

	// lockByte is the file offset of SQLite's locks. The page that holds it is
	// never used.
	lockByte = 1 << 30
)

// Encoding is how a database stores its texts.
type Encoding uint32

// The encodings, as the header has them.
const (
	UTF8    Encoding = 1
	UTF16LE Encoding = 2
	UTF16BE Encoding = 3
)

func (e Encoding) String() string {
	switch e {
	case UTF8:
		return "UTF-8"
	case UTF16LE:
		return "UTF-16le"
	case UTF16BE:
		return "UTF-16be"
	}
	return fmt.Sprintf("encoding %d", uint32(e))
}

// Fault is a page that contradicts the format, or that could not be read.
type Fault struct {
	Page   uint32      // page number, from 1
	Reason fact.Reason // Corrupt, Truncated or Unreadable
	Text   string      // what was expected and found; never bytes of the file
	Err    error       // the reader's error, if it is Unreadable
}

func (f *Fault) Error() string {
	if f.Err != nil {
		return fmt.Sprintf("page %d: %s: %v", f.Page, f.Text, f.Err)
	}
	return fmt.Sprintf("page %d: %s", f.Page, f.Text)
}

func (f *Fault) Unwrap() error { return f.Err }

func corrupt(page uint32, format string, args ...any) *Fault {
	return &Fault{Page: page, Reason: fact.Corrupt, Text: fmt.Sprintf(format, args...)}
}

// DB is one committed state of a database. Its methods can be used by one
// goroutine at a time.
type DB struct {
	main io.ReaderAt
	size int64
	head [headerSize]byte // of the main file, as it was when it was opened

	log      wal
	pageSize int
	usable   int    // bytes of a page that SQLite uses
	pages    uint32 // of the database; more than the file can have, if it was cut short
	encoding Encoding

	freeTrunk, freeCount uint32 // of the freelist
	vacuums              bool   // it has pointer map pages
}

// Open reads the header of a database of size bytes and its write-ahead log, if
// there is one (nil or size 0 otherwise). It reads the log from its start to
// its last valid frame, and no other page than the first. The readers are used
// as long as the DB is.
func Open(main io.ReaderAt, size int64, log io.ReaderAt, logSize int64) (*DB, error) {
	db := &DB{main: main, size: size}
	// As SQLite does, an empty file is an empty database, whatever its log says.
	if size < headerSize {
		return nil, fmt.Errorf("reading the header: expected at least %d bytes, found a file of %d", headerSize, size)
	}
	if err := fill(main, db.head[:], 0); err != nil {
		return nil, fmt.Errorf("reading the header: %w", err)
	}
	if err := db.parsePageSize(db.head[:]); err != nil {
		return nil, err
	}
	if log != nil {
		if err := db.log.open(log, logSize, db.pageSize); err != nil {
			return nil, err
		}
	}
	// The log can have a newer first page.
	head := db.head
	db.pages = 1
	if f := db.read(head[:], 1, 0); f != nil {
		return nil, fmt.Errorf("reading the header: %w", f)
	}
	if err := db.parseHeader(head[:]); err != nil {
		return nil, err
	}
	return db, nil
}

// parsePageSize reads the part of the header that is the same in the log.
func (db *DB) parsePageSize(h []byte) error {
	if string(h[:16]) != magic {
		return errors.New("reading the header: expected an SQLite 3 database, found a file of another kind")
	}
	// 65536 does not fit and is written as 1.
	size := int(binary.BigEndian.Uint16(h[16:]))
	if size == 1 {
		size = maxPageSize
	}
	if size < minPageSize || size&(size-1) != 0 {
		return fmt.Errorf("reading the header: expected a page size of a power of two from %d to %d, found %d", minPageSize, maxPageSize, size)
	}
	db.pageSize, db.usable = size, size-int(h[20])
	return nil
}

// parseHeader checks the header. The numbers of the freelist are not checked: no table is
// read through it.
func (db *DB) parseHeader(h []byte) error {
	pageSize := db.pageSize
	if err := db.parsePageSize(h); err != nil {
		return err
	}
	fault := func(what string, want any, found any) error {
		return fmt.Errorf("reading the header: expected %s %v, found %v", what, want, found)
	}
	schemaFormat := binary.BigEndian.Uint32(h[44:])
	db.encoding = Encoding(binary.BigEndian.Uint32(h[56:]))
	switch {
	case db.pageSize != pageSize:
		return fault("the page size of the write-ahead log's first page to be", pageSize, db.pageSize)
	case db.usable < minUsable:
		return fault("a usable page size of at least", minUsable, db.usable)
	case h[19] != 1 && h[19] != 2:
		return fault("read version", "1 or 2", h[19])
	case h[21] != 64 || h[22] != 32 || h[23] != 32:
		return fault("payload fractions", "64, 32, 32", fmt.Sprintf("%d, %d, %d", h[21], h[22], h[23]))
	case schemaFormat > 4:
		return fault("schema format", "1 to 4", schemaFormat)
	case db.encoding == 0: // nothing was written yet
		db.encoding = UTF8
	case db.encoding > UTF16BE:
		return fault("text encoding", "1 to 3", uint32(db.encoding))
	}
	db.freeTrunk, db.freeCount = binary.BigEndian.Uint32(h[32:]), binary.BigEndian.Uint32(h[36:])
	db.vacuums = binary.BigEndian.Uint32(h[52:]) != 0
	// The count in the header is right only if the last writer knew of it.
	db.pages = binary.BigEndian.Uint32(h[28:])
	if db.pages == 0 || binary.BigEndian.Uint32(h[24:]) != binary.BigEndian.Uint32(h[92:]) {
		db.pages = uint32(min(db.size/int64(db.pageSize), 1<<32-2))
	}
	if db.log.committed > 0 {
		db.pages = db.log.pages
	}
	return nil
}

// Refresh goes on to the newest commit, as Open does, but reads only what was appended to
// the log. It reports false, and changes nothing, if the database must be opened again:
// there is no log, or it was restarted. Rows and values of before are no longer valid.
func (db *DB) Refresh(size, logSize int64) (bool, error) {
	var head [headerSize]byte
	if db.log.order == nil || logSize < db.log.size {
		return false, nil
	}
	if err := db.log.extend(logSize); err != nil {
		return false, err
	}
	if same, err := db.log.sameHeader(); err != nil || !same {
		return false, err
	}
	if err := fill(db.main, head[:], 0); err != nil {
		return false, fmt.Errorf("reading the header again: %w", err)
	}
	// A checkpoint writes only pages that the log has.
	db.head, db.size = head, size
	if f := db.read(head[:], 1, 0); f != nil {
		return false, fmt.Errorf("reading the header again: %w", f)
	}
	return true, db.parseHeader(head[:])
}

// PageSize returns the size of a page in bytes.
func (db *DB) PageSize() int { return db.pageSize }

// Pages returns how many pages the database has by its own account.
func (db *DB) Pages() uint32 { return db.pages }

// Encoding returns how texts are stored.
func (db *DB) Encoding() Encoding { return db.encoding }

// Log says how much of the write-ahead log was read.
func (db *DB) Log() LogState {
	return LogState{
		Frames: db.log.committed, Uncommitted: db.log.valid - db.log.committed, End: db.log.end, Unread: db.log.unread(),
	}
}

// Change says what happened to a database since it was opened.
type Change int

const (
	// Same means that there was no commit: what was read is one state.
	Same Change = iota
	// Appended means that the write-ahead log has a commit after those that were
	// read, and no other change was seen. What was read is one committed state
	// unless a checkpoint copied that commit's pages to the main file meanwhile.
	// No byte of the file says so; its modification time does, as far as the
	// file system's clock is fine enough.
	Appended
	// Changed means that the file was written or the log was restarted. What was
	// read may mix two states.
	Changed
)

// Changed compares the database with what it was when it was opened. The sizes
// are those of the two files now (0 for a log that does not exist). A log that
// was removed and made again is another file: a caller who keeps the old one
// open must compare that too.
func (db *DB) Changed(size, logSize int64) (Change, error) {
	var head [headerSize]byte
	if size != db.size {
		return Changed, nil
	}
	if err := fill(db.main, head[:], 0); err != nil {
		return Changed, fmt.Errorf("reading the header again: %w", err)
	}
	if head != db.head {
		return Changed, nil
	}
	return db.log.changed(logSize)
}

// outside says why a page number cannot be that of a page in use, "" if it can.
func (db *DB) outside(page uint32) string {
	switch {
	case page == 0 || page > db.pages:
		return fmt.Sprintf("page %d, outside the database's %d pages", page, db.pages)
	case page == db.lockPage():
		return fmt.Sprintf("page %d, which is never used", page)
	}
	return ""
}

// read fills b with bytes of a page, from off, in the state of the last commit.
func (db *DB) read(b []byte, page uint32, off int) *Fault {
	if text := db.outside(page); text != "" {
		return corrupt(page, "%s", text)
	}
	src, start, name := db.main, int64(page-1)*int64(db.pageSize), "the file"
	if frame := db.log.frame(page); frame > 0 {
		src, start, name = db.log.src, db.log.offset(frame)+frameHeaderSize, "the write-ahead log"
	}
	err := fill(src, b, start+int64(off))
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &Fault{Page: page, Reason: fact.Truncated, Text: fmt.Sprintf("%s ends before byte %d", name, start+int64(off+len(b)))}
	}
	return &Fault{Page: page, Reason: fact.Unreadable, Text: fmt.Sprintf("reading %s at byte %d", name, start+int64(off)), Err: err}
}

// fill reads all of b or returns an error, io.ErrUnexpectedEOF at the end.
func fill(src io.ReaderAt, b []byte, off int64) error {
	n, err := src.ReadAt(b, off)
	switch {
	case n == len(b):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}
