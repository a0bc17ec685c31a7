package sqlite

import (
	"encoding/binary"
	"iter"
)

// Page reads a page into b, in the state of the last commit. b has PageSize bytes. The
// error is a *Fault.
func (db *DB) Page(b []byte, page uint32) error {
	if f := db.read(b[:db.pageSize], page, 0); f != nil {
		return f
	}
	return nil
}

// Shadowed iterates over the pages that the write-ahead log has a newer version of, in
// order, with the place of the older one in the main file.
func (db *DB) Shadowed() iter.Seq2[uint32, int64] {
	return func(yield func(uint32, int64) bool) {
		for _, e := range db.log.index {
			page := uint32(e >> 32)
			if !yield(page, int64(page-1)*int64(db.pageSize)) {
				return
			}
		}
	}
}

// OldFrames iterates over the frames of the write-ahead log that are not part of the last
// commit's state: those that a later frame replaces, those that were not committed, and
// those from before the log was restarted. It gives where their page begins in the log's
// file and how many bytes of it there are, fewer than a page in the last one of a log
// that was cut short. Size is the log's, in bytes. A header that is not that of a log
// makes all frames old. The error of reading is yielded with offset 0.
func (db *DB) OldFrames(size int64) iter.Seq2[int64, int] {
	return func(yield func(int64, int) bool) {
		step := int64(frameHeaderSize + db.pageSize)
		for at, frame := int64(logHeaderSize), uint32(1); at+frameHeaderSize < size && frame < 1<<32-1; at, frame = at+step, frame+1 {
			if frame <= db.log.committed {
				var head [4]byte
				if err := fill(db.log.src, head[:], at); err != nil {
					yield(0, 0)
					return
				}
				if db.log.frame(binary.BigEndian.Uint32(head[:])) == frame {
					continue
				}
			}
			if !yield(at+frameHeaderSize, int(min(int64(db.pageSize), size-at-frameHeaderSize))) {
				return
			}
		}
	}
}

// Local is a value of a row as far as one page has it.
type Local struct {
	Type  Type
	Int   int64  // of an Integer
	Len   int64  // in bytes of a Text or Blob
	Bytes []byte // of it, the first ones
}

// Leftovers parses the bytes of a page that may once have been a leaf of a table with so
// many columns. It calls row for each cell that is a record of exactly that many, with
// the bytes that the page itself has, valid during the call; and rest for all other bytes.
// A page that was something else is all rest.
func (db *DB) Leftovers(b []byte, columns int, row func(rowid int64, values []Local), rest func(b []byte)) {
	usable := min(len(b), db.usable)
	if len(b) < minUsable || b[0] != leafTable {
		rest(b)
		return
	}
	n := node{b: b[:usable], leaf: true, cells: int(binary.BigEndian.Uint16(b[3:]))}
	head := n.pointers() + 2*n.cells
	if head > usable {
		rest(b)
		return
	}
	// The cells are in no order in the page. Most often they are in that of their
	// rowids, from the end.
	taken := make([]bool, usable)
	values := make([]Local, columns)
	for i := range n.cells {
		off := n.offset(i)
		if off < head || off > usable-4 {
			continue
		}
		c, problem := n.row(i, 1<<32-2)
		if problem != "" || !localRecord(c, values) {
			continue
		}
		end := off + n.size(i)
		if end > usable || taken[off] {
			continue
		}
		for j := off; j < end; j++ {
			taken[j] = true
		}
		row(c.rowid, values)
	}
	for at := 0; at < usable; {
		from := at
		for at < usable && taken[at] == taken[from] {
			at++
		}
		if !taken[from] {
			rest(b[from:at])
		}
	}
	if usable < len(b) {
		rest(b[usable:])
	}
}

// localRecord reads a record of exactly so many columns from the bytes that its leaf has.
func localRecord(c cell, values []Local) bool {
	size, k := varint(c.local)
	if k == 0 || size < uint64(k) || size > uint64(len(c.local)) {
		return false
	}
	head, off := c.local[k:size], int64(size)
	for i := range values {
		serial, k := varint(head)
		length := int64(0)
		if k > 0 {
			length = serialSize(serial)
		}
		if k == 0 || length < 0 || length > c.size-off {
			return false
		}
		head = head[k:]
		v := Local{}
		from := min(off, int64(len(c.local)))
		part := c.local[from:min(off+length, int64(len(c.local)))]
		switch {
		case serial == 0:
		case serial >= 12:
			v = Local{Type: Blob - Type(serial&1), Len: length, Bytes: part}
		case serial == 7:
			v.Type = Real
		case serial == 8 || serial == 9:
			v.Type, v.Int = Integer, int64(serial-8)
		default:
			if int64(len(part)) < length {
				return false
			}
			for _, c := range part {
				v.Int = v.Int<<8 | int64(c)
			}
			shift := 64 - 8*length
			v.Type, v.Int = Integer, v.Int<<shift>>shift
		}
		values[i] = v
		off += length
	}
	return len(head) == 0 && off == c.size
}
