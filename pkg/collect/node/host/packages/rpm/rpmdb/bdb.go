package rpmdb

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Packages (Berkeley DB, access method hash; its dbinc/db_page.h and hash.h), in
// the byte order of the machine that made it. Pages are numbered from 0. Page 0
// describes the database:
//
//	12 magic, 16 version, 20 page size, 24 encryption, 25 page type 8,
//	26 flags (1: checksums), 32 last page, 88 count of records
//
// Every other page begins with 26 bytes:
//
//	8 its number, 12 previous, 16 next, 20 entries, 22 free area, 25 type
//
// On a hash page, the entries are u16 offsets from byte 26 on, each of an item
// that ends where the one before it begins, the first at the end of the page.
// Keys and values take turns. An item is a byte of type and its bytes (1), or (3)
// the first of a chain of overflow pages at byte 4 and the length at byte 8. An
// overflow page has in its "free area" how many bytes of the item follow its
// header; all but the last page of a chain are full.
//
// A key is a package's number. Number 0 has a counter. All pages are looked at,
// not those of the chains of the buckets only: so one damaged page costs its own
// records, and no chain has to end.
const (
	bdbMagic      = 0x61561
	bdbMetaSize   = 96 // of what is used of page 0
	bdbRecords    = 88 // in page 0
	bdbPageHeader = 26
	bdbItemInline = 1
	bdbItemOff    = 3
	bdbItemSize   = 12 // of an item in a chain

	bdbTypeUnsorted = 2
	bdbTypeOverflow = 7
	bdbTypeMeta     = 8
	bdbTypeHash     = 13

	// maxPages bounds the pages that are looked at: 4 GiB of the usual size.
	maxPages = 1 << 20
)

type bdb struct {
	file     io.ReaderAt
	size     int64
	order    binary.ByteOrder
	pageSize int
	last     uint32 // page
	meta     [bdbMetaSize]byte
	room     room
}

func openBDB(file io.ReaderAt, size int64) (*bdb, error) {
	db := &bdb{file: file, size: size, room: room(size)}
	if err := readFull(file, db.meta[:], 0); err != nil {
		return nil, err
	}
	switch uint32(bdbMagic) {
	case binary.LittleEndian.Uint32(db.meta[12:]):
		db.order = binary.LittleEndian
	case binary.BigEndian.Uint32(db.meta[12:]):
		db.order = binary.BigEndian
	default:
		return nil, fmt.Errorf("expected the magic number %#x of a Berkeley DB hash at byte 12, found something else", bdbMagic)
	}
	if t := db.meta[25]; t != bdbTypeMeta {
		return nil, fmt.Errorf("expected page type %d of a hash at byte 25, found %d", bdbTypeMeta, t)
	}
	// Checksums and encryption make the header of a page longer.
	if db.meta[24] != 0 || db.meta[26] != 0 {
		return nil, fmt.Errorf("%w: a Berkeley DB with encryption %d and flags %#x", errUnsupported, db.meta[24], db.meta[26])
	}
	pageSize := db.order.Uint32(db.meta[20:])
	if pageSize < 512 || pageSize > 64<<10 || pageSize&(pageSize-1) != 0 {
		return nil, fmt.Errorf("expected a page size that is a power of two from 512 to 65536, found %d", pageSize)
	}
	db.pageSize, db.last = int(pageSize), db.order.Uint32(db.meta[32:])
	return db, nil
}

// changed reports whether the first page is another one than when the database
// was opened. It has the counts of pages and records.
func (db *bdb) changed() bool {
	now, err := openBDB(db.file, db.size)
	return err != nil || now.meta != db.meta
}

func (db *bdb) records(ctx context.Context, do func(record) bool) error {
	if have := db.size / int64(db.pageSize); int64(db.last) >= have {
		if !do(record{kind: "page", at: have, err: fmt.Errorf("%w: expected pages up to %d", rootfs.ErrCut, db.last)}) {
			return nil
		}
		db.last = uint32(max(have, 1) - 1) // what is there is read
	}
	if db.last >= maxPages {
		return fmt.Errorf("%w of %d pages: found %d", rootfs.ErrTooLarge, maxPages, db.last)
	}
	page := make([]byte, db.pageSize)
	found, more := uint32(0), true
	for n := uint32(1); n <= db.last && more; n++ {
		if n%1024 == 1 && ctx.Err() != nil {
			return ctx.Err()
		}
		err := readFull(db.file, page[:bdbPageHeader], int64(n)*int64(db.pageSize))
		if err == nil {
			switch page[25] {
			case bdbTypeHash, bdbTypeUnsorted:
				if err = db.readPage(n, page); err == nil {
					more, err = db.hashPage(n, page, &found, do)
				}
			case 0, bdbTypeOverflow: // free, or of a record that is on another page
			default:
				err = fmt.Errorf("expected a page of a hash, found one of type %d", page[25])
			}
		}
		if err != nil {
			more = do(record{kind: "page", at: int64(n), err: err})
		}
	}
	// A page of zeros is a free one, so only the count shows that one was lost.
	if expected := db.order.Uint32(db.meta[bdbRecords:]); more && found < expected {
		do(record{kind: "page", err: fmt.Errorf("expected %d records by the first page's account, found %d", expected, found)})
	}
	return nil
}

// readPage reads a page, or as much of it as to has, and checks its number.
func (db *bdb) readPage(n uint32, to []byte) error {
	if err := readFull(db.file, to, int64(n)*int64(db.pageSize)); err != nil {
		return err
	}
	if number := db.order.Uint32(to[8:]); number != n {
		return fmt.Errorf("expected the number %d at byte 8 of the page, found %d", n, number)
	}
	return nil
}

// hashPage hands on the records of a page. The error means that the page has
// none that can be found.
func (db *bdb) hashPage(n uint32, page []byte, found *uint32, do func(record) bool) (more bool, err error) {
	entries := int(db.order.Uint16(page[20:]))
	if entries%2 != 0 || bdbPageHeader+2*entries > len(page) {
		return true, fmt.Errorf("expected pairs of entries on a page of %d bytes, found %d entries", len(page), entries)
	}
	// item returns the bytes of entry i.
	end := len(page)
	item := func(i int) ([]byte, error) {
		start := int(db.order.Uint16(page[bdbPageHeader+2*i:]))
		if start < bdbPageHeader+2*entries || start >= end {
			return nil, fmt.Errorf("expected entry %d between byte %d and %d, found it at %d", i, bdbPageHeader+2*entries, end, start)
		}
		b := page[start:end]
		end = start
		return b, nil
	}
	for i := 0; i < entries; i += 2 {
		key, err := item(i)
		if err != nil {
			return true, err // where the next one ends is unknown
		}
		value, err := item(i + 1)
		if err != nil {
			return true, err
		}
		*found++
		r := record{kind: "page", at: int64(n), part: i/2 + 1}
		switch {
		case key[0] != bdbItemInline || len(key) != 5:
			r.err = fmt.Errorf("expected a key of type %d with 4 bytes, found type %d with %d", bdbItemInline, key[0], len(key)-1)
		case db.order.Uint32(key[1:]) == 0:
			continue
		case value[0] == bdbItemInline:
			r.src, r.size = bytes.NewReader(value[1:]), int64(len(value)-1)
		case value[0] == bdbItemOff && len(value) == bdbItemSize:
			c := &chain{db: db, first: db.order.Uint32(value[4:]), size: int64(db.order.Uint32(value[8:]))}
			r.src, r.size = c, c.size
		default:
			r.err = fmt.Errorf("expected a value of type %d, or type %d with %d bytes, found type %d with %d",
				bdbItemInline, bdbItemOff, bdbItemSize, value[0], len(value))
		}
		if !do(db.room.limit(r)) {
			return false, nil
		}
	}
	return true, nil
}

// chain is an item in overflow pages. Reading forwards is linear.
type chain struct {
	db    *bdb
	first uint32
	size  int64

	page   uint32 // 0: not at any
	next   uint32
	at     int64 // of the page's first byte in the item
	length int64 // of the item's bytes on the page
}

// ReadAt reads as io.ReaderAt does, but cannot be used by two at a time.
func (c *chain) ReadAt(to []byte, off int64) (int, error) {
	done := 0
	for done < len(to) {
		at := off + int64(done)
		if at >= c.size {
			return done, io.EOF
		}
		if c.page == 0 || at < c.at {
			if err := c.enter(c.first, 0); err != nil {
				return done, err
			}
		}
		for at >= c.at+c.length {
			if err := c.enter(c.next, c.at+c.length); err != nil {
				return done, err
			}
		}
		n := int(min(int64(len(to)-done), c.at+c.length-at))
		place := int64(c.page)*int64(c.db.pageSize) + bdbPageHeader + at - c.at
		if err := readFull(c.db.file, to[done:done+n], place); err != nil {
			return done, fmt.Errorf("overflow page %d: %w", c.page, err)
		}
		done += n
	}
	return done, nil
}

// enter reads the header of a page that has the item's bytes from at on.
func (c *chain) enter(n uint32, at int64) error {
	c.page = 0
	if n == 0 || n > c.db.last {
		return fmt.Errorf("expected an overflow page for byte %d of an item of %d, found page %d of %d", at, c.size, n, c.db.last)
	}
	var header [bdbPageHeader]byte
	if err := c.db.readPage(n, header[:]); err != nil {
		return fmt.Errorf("overflow page %d: %w", n, err)
	}
	length := int64(c.db.order.Uint16(header[22:]))
	// So a chain is as long as its item needs, also if it is a circle.
	if want := min(c.size-at, int64(c.db.pageSize-bdbPageHeader)); header[25] != bdbTypeOverflow || length != want {
		return fmt.Errorf("overflow page %d: expected type %d with %d bytes of the item, found type %d with %d", n, bdbTypeOverflow, want, header[25], length)
	}
	c.page, c.next, c.at, c.length = n, c.db.order.Uint32(header[16:]), at, length
	return nil
}
