package etcd

import (
	"encoding/binary"
	"fmt"
)

// revision is the key of a row in etcd's bucket "key": main and sub as big
// endian i64 with '_' between, and a 't' behind them for a tombstone (etcd,
// server/storage/mvcc/revision.go).
type revision struct {
	main, sub int64
	tombstone bool
}

const revisionSize = 17

// parseRevision reads a row's key; problem says what is wrong with it. The
// revision may be 0: no row has that one, but a compaction can be asked for it.
func parseRevision(key []byte) (r revision, problem string) {
	switch len(key) {
	case revisionSize:
	case revisionSize + 1:
		if key[revisionSize] != 't' {
			return r, "a revision with an unknown mark"
		}
		r.tombstone = true
	default:
		return r, fmt.Sprintf("a revision of %d bytes, expected 17 or 18", len(key))
	}
	r.main = int64(binary.BigEndian.Uint64(key))
	r.sub = int64(binary.BigEndian.Uint64(key[9:]))
	if key[8] != '_' || r.main < 0 || r.sub < 0 {
		return r, "not a revision"
	}
	return r, ""
}

// span is a part of a run. The zero span is empty and can be read like any
// other: an empty value is not written at all, so it has no place in a run.
type span struct {
	r         *run
	off, size int
}

// spanOf makes a span of bytes in memory.
func spanOf(b []byte) span { return span{&run{buf: b, size: len(b)}, 0, len(b)} }

// bytes gives n bytes at off, which has to lie inside the span.
func (s span) bytes(off, n int) ([]byte, *fault) {
	if n == 0 {
		return nil, nil
	}
	return s.r.bytes(s.off+off, n)
}

// lead gives the first n bytes, or all if there are fewer.
func (s span) lead(n int) ([]byte, *fault) { return s.bytes(0, min(n, s.size)) }

// leadSize is how much of a value is read at first, bytes.
const leadSize = 512

// scanner reads protobuf fields from a span in order without loading more than
// the bytes that are asked for.
type scanner struct {
	s     span
	off   int // from the start of the span
	win   []byte
	winAt int
	f     *fault // a page that could not be read
}

func (c *scanner) left() int { return c.s.size - c.off }

// take gives the next n bytes, good until the next call; nil if there are not
// so many.
func (c *scanner) take(n int) []byte {
	if n < 0 || n > c.left() {
		return nil
	}
	if c.win == nil || c.off < c.winAt || c.off+n > c.winAt+len(c.win) {
		size := min(max(n, leadSize), c.left())
		win, f := c.s.bytes(c.off, size)
		if f != nil {
			c.f = f
			return nil
		}
		c.win, c.winAt = win, c.off
	}
	b := c.win[c.off-c.winAt:][:n:n]
	c.off += n
	return b
}

// skip moves over n bytes.
func (c *scanner) skip(n int) bool {
	if n < 0 || n > c.left() {
		return false
	}
	c.off += n
	return true
}

// varint reads a base-128 varint in its shortest form, which is the only one
// that a marshaller writes.
func (c *scanner) varint() (uint64, bool) {
	b := c.take(min(binary.MaxVarintLen64, c.left()))
	if len(b) == 0 {
		return 0, false
	}
	v, n := binary.Uvarint(b)
	if n <= 0 || n > 1 && b[n-1] == 0 {
		return 0, false
	}
	c.off -= len(b) - n
	return v, true
}

// The wire types of protobuf. Groups (3 and 4) are not read.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// tag reads a field's number and wire type.
func (c *scanner) tag() (number, wire int, ok bool) {
	v, ok := c.varint()
	if !ok || v>>3 == 0 || v>>3 > 1<<20 {
		return 0, 0, false
	}
	return int(v >> 3), int(v & 7), true
}

// length reads the length of a field of wire type 2, which has to fit.
func (c *scanner) length() (int, bool) {
	v, ok := c.varint()
	if !ok || v > uint64(c.left()) {
		return 0, false
	}
	return int(v), true
}

// keyValue is a row's mvccpb.KeyValue. Any field may be absent, and is then
// zero: an empty value as a lock leaves it, no lease, and all but the key in a
// tombstone.
type keyValue struct {
	key                  []byte // appended to the buffer that was given; its first maxHeldKey bytes
	keySize              int
	create, mod, version int64
	value                span // empty where there is none
	bare                 bool // nothing but a key, as a tombstone has it
	more                 bool // fields that are not known, which a later version of etcd may add
}

// maxHeldKey is how much of a key is held, bytes. etcd limits only the size of a
// request (1.5 MiB by default); a Secret's key has a prefix, two names of at
// most 63 and 253 bytes and "/secrets/".
const maxHeldKey = 4096

// long reports whether there is more of the key than is held: then it is not a
// Secret's.
func (kv *keyValue) long() bool { return kv.keySize > len(kv.key) }

// parseKeyValue reads key=1, create_revision=2, mod_revision=3, version=4,
// value=5, lease=6, in any order. Fields that a later version adds are skipped.
// Of the value only the place is read.
//
// What it takes means what protobuf says it means; two things that protobuf
// takes are refused. etcd's marshaller never writes a field twice, or a number
// in more bytes than it needs, but a flipped bit can make one field of another,
// and the last one would count.
func parseKeyValue(s span, keyBuf []byte) (kv keyValue, problem string, f *fault) {
	const broken = "the row is not a KeyValue"
	c := scanner{s: s}
	seen := 0
	kv.bare = true
	for c.left() > 0 {
		number, wire, ok := c.tag()
		if !ok {
			return kv, broken, c.f
		}
		if number > 6 {
			if !c.skipField(wire) {
				return kv, broken, c.f
			}
			kv.more = true
			continue
		}
		if seen&(1<<number) != 0 {
			return kv, "a field of the row is there twice", nil
		}
		seen |= 1 << number
		switch {
		case wire == wireBytes && (number == 1 || number == 5):
			n, ok := c.length()
			if !ok {
				return kv, broken, c.f
			}
			if number == 5 {
				kv.value = span{s.r, s.off + c.off, n}
				kv.bare = kv.bare && n == 0
				c.skip(n)
				continue
			}
			held := min(n, maxHeldKey)
			key := c.take(held)
			if c.f != nil {
				return kv, broken, c.f
			}
			c.skip(n - held)
			kv.key, kv.keySize = append(keyBuf, key...), n
		case wire == wireVarint && number != 1 && number != 5:
			v, ok := c.varint()
			if !ok {
				return kv, broken, c.f
			}
			kv.bare = kv.bare && v == 0
			switch number {
			case 2:
				kv.create = int64(v)
			case 3:
				kv.mod = int64(v)
			case 4:
				kv.version = int64(v)
			}
		default:
			return kv, broken, nil
		}
	}
	if len(kv.key) == 0 {
		return kv, "the row has no key", nil
	}
	return kv, "", nil
}

// skipField moves over a field's value.
func (c *scanner) skipField(wire int) bool {
	switch wire {
	case wireVarint:
		_, ok := c.varint()
		return ok
	case wireFixed64:
		return c.skip(8)
	case wireBytes:
		n, ok := c.length()
		return ok && c.skip(n)
	case wireFixed32:
		return c.skip(4)
	}
	return false
}

// consistent holds a row that is no tombstone against its revision.
func (kv *keyValue) consistent(r revision) string {
	switch {
	case kv.mod != r.main:
		return "its mod_revision is not the row's revision"
	case kv.create <= 0 || kv.create > kv.mod || kv.version <= 0:
		return "its create_revision or version cannot be"
	case (kv.version == 1) != (kv.create == kv.mod):
		return "its version does not fit its create_revision"
	}
	return ""
}
