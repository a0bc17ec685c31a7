package rpmdb

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Packages.db (rpm's lib/backend/ndb/rpmpkg.c), little-endian. A header of 32
// bytes ("RpmP", version, generation, pages of slots, next index), then slots of
// 16 bytes up to the end of those pages: "Slot", package index, block, count of
// blocks; block 0 means free. At block × 16: "BlbS", package index, generation,
// length, the blob, padding, and in the last 12 bytes a checksum, the length,
// "BlbE".
const (
	ndbHeader   = 32
	ndbPage     = 4096
	ndbBlock    = 16
	ndbBlobHead = 16
	ndbBlobTail = 12

	ndbMagic     = "RpmP"
	ndbSlotMagic = "Slot"
	ndbHeadMagic = "BlbS"
	ndbTailMagic = "BlbE"
)

type ndb struct {
	file       io.ReaderAt
	size       int64
	generation uint32
	pages      uint32 // of slots
}

func openNDB(file io.ReaderAt, size int64) (*ndb, error) {
	var header [ndbHeader]byte
	if err := readFull(file, header[:], 0); err != nil {
		return nil, err
	}
	if string(header[:4]) != ndbMagic {
		return nil, fmt.Errorf("expected %q at byte 0 of an NDB database, found something else", ndbMagic)
	}
	if version := binary.LittleEndian.Uint32(header[4:]); version != 0 {
		return nil, fmt.Errorf("%w: expected version 0 of NDB, found %d", errUnsupported, version)
	}
	db := &ndb{file, size, binary.LittleEndian.Uint32(header[8:]), binary.LittleEndian.Uint32(header[12:])}
	if db.pages == 0 || int64(db.pages)*ndbPage > size {
		return nil, fmt.Errorf("%w: expected 1 page of slots or more within %d bytes, found %d", rootfs.ErrCut, size, db.pages)
	}
	return db, nil
}

// changed reports whether something was written since the database was opened.
func (db *ndb) changed() bool {
	now, err := openNDB(db.file, db.size)
	return err != nil || now.generation != db.generation || now.pages != db.pages
}

func (db *ndb) records(ctx context.Context, do func(record) bool) error {
	var page [ndbPage]byte
	left := room(db.size)
	for n := range int64(db.pages) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := readFull(db.file, page[:], n*ndbPage); err != nil {
			return fmt.Errorf("page %d of slots: %w", n, err)
		}
		first := 0
		if n == 0 {
			first = ndbHeader
		}
		for at := first; at < ndbPage; at += ndbBlock {
			slot := page[at : at+ndbBlock]
			place := n*ndbPage + int64(at)
			r := record{kind: "slot at byte", at: place}
			if string(slot[:4]) != ndbSlotMagic {
				r.err = fmt.Errorf("expected %q, found something else", ndbSlotMagic)
			} else if block := binary.LittleEndian.Uint32(slot[8:]); block == 0 {
				continue
			} else {
				r.src, r.size, r.err = db.blob(binary.LittleEndian.Uint32(slot[4:]), block, binary.LittleEndian.Uint32(slot[12:]))
			}
			if !do(left.limit(r)) {
				return nil
			}
		}
	}
	return nil
}

// blob finds a package's blob by its slot.
func (db *ndb) blob(index, block, blocks uint32) (io.ReaderAt, int64, error) {
	at, length := int64(block)*ndbBlock, int64(blocks)*ndbBlock
	if at < int64(db.pages)*ndbPage || at+length > db.size || length < ndbBlobHead+ndbBlobTail {
		return nil, 0, fmt.Errorf("expected blocks between byte %d and %d, found %d bytes at %d", int64(db.pages)*ndbPage, db.size, length, at)
	}
	var head [ndbBlobHead]byte
	var tail [ndbBlobTail]byte
	for _, part := range []struct {
		to []byte
		at int64
	}{{head[:], at}, {tail[:], at + length - ndbBlobTail}} {
		if err := readFull(db.file, part.to, part.at); err != nil {
			return nil, 0, err
		}
	}
	size := binary.LittleEndian.Uint32(head[12:])
	switch {
	case string(head[:4]) != ndbHeadMagic || string(tail[8:]) != ndbTailMagic:
		return nil, 0, fmt.Errorf("expected %q at byte %d and %q at byte %d, found something else", ndbHeadMagic, at, ndbTailMagic, at+length-4)
	case binary.LittleEndian.Uint32(head[4:]) != index:
		return nil, 0, fmt.Errorf("expected package %d at byte %d, found %d", index, at, binary.LittleEndian.Uint32(head[4:]))
	case binary.LittleEndian.Uint32(tail[4:]) != size || int64(size) > length-ndbBlobHead-ndbBlobTail:
		return nil, 0, fmt.Errorf("expected a blob of at most %d bytes at byte %d, found %d, and %d at its end",
			length-ndbBlobHead-ndbBlobTail, at, size, binary.LittleEndian.Uint32(tail[4:]))
	}
	return io.NewSectionReader(db.file, at+ndbBlobHead, int64(size)), int64(size), nil
}
