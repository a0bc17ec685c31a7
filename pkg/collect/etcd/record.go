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

// parseRevision reads a row's key; problem says what is wrong with it.
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
	if key[8] != '_' || r.main <= 0 || r.sub < 0 {
		return r, "not a revision"
	}
	return r, ""
}

// span is a part of a run.
type span struct {
	r         *run
	off, size int
}

// spanOf makes a span of bytes in memory.
func spanOf(b []byte) span { return span{&run{buf: b, size: len(b)}, 0, len(b)} }

// lead gives the first n bytes, or all if there are fewer.
func (s span) lead(n int) ([]byte, *fault) { return s.r.bytes(s.off, min(n, s.size)) }

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
		win, f := c.s.r.bytes(c.s.off+c.off, size)
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

const (
	wireVarint = 0
	wireBytes  = 2
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

// keyValue is a row's mvccpb.KeyValue.
type keyValue struct {
	key                  []byte // appended to the buffer that was given
	create, mod, version int64
	value                span // empty where there is none
	bare                 bool // nothing but a key, as a tombstone has it
}

// parseKeyValue reads key=1, create_revision=2, mod_revision=3, version=4,
// value=5, lease=6; zero fields are not written. Each may stand once, in any
// order, and nothing else may stand there. Of the value only the place is read.
func parseKeyValue(s span, keyBuf []byte) (kv keyValue, problem string, f *fault) {
	const broken = "the row is not a KeyValue"
	c := scanner{s: s}
	seen := 0
	kv.bare = true
	for c.left() > 0 {
		number, wire, ok := c.tag()
		if !ok || number > 6 || seen&(1<<number) != 0 {
			return kv, broken, c.f
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
				kv.bare = false
				c.skip(n)
				continue
			}
			if n > maxKey {
				return kv, broken, nil
			}
			key := c.take(n)
			if key == nil {
				return kv, broken, c.f
			}
			kv.key = append(keyBuf, key...)
		case wire == wireVarint && number != 1 && number != 5:
			v, ok := c.varint()
			if !ok || int64(v) <= 0 && number != 6 {
				return kv, broken, c.f
			}
			kv.bare = false
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
