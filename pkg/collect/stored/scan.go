package stored

import (
	"encoding/binary"
	"fmt"
)

// Source holds values. Bytes returns n bytes at off, valid until the next call.
// Its errors are passed on unchanged.
type Source interface {
	Bytes(off, n int) ([]byte, error)
}

// Span is a part of what a Source holds, for example one value. The zero Span is
// empty and can be read like any other: an empty value is often not written at
// all, so it has no position in a Source. Off and Size are in bytes.
type Span struct {
	From      Source
	Off, Size int
}

// Of makes a Span of bytes in memory.
func Of(b []byte) Span { return Span{memory(b), 0, len(b)} }

type memory []byte

func (m memory) Bytes(off, n int) ([]byte, error) {
	if off < 0 || n < 0 || n > len(m)-off {
		return nil, fmt.Errorf("%d bytes at offset %d lie outside of %d", n, off, len(m))
	}
	return m[off : off+n : off+n], nil
}

// Bytes returns n bytes at off, which must lie inside the Span.
func (s Span) Bytes(off, n int) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	return s.From.Bytes(s.Off+off, n)
}

// Lead returns the first n bytes, or all if there are fewer.
func (s Span) Lead(n int) ([]byte, error) { return s.Bytes(0, min(n, s.Size)) }

// Part is the Span of n bytes at off, which must lie inside this one.
func (s Span) Part(off, n int) Span { return Span{s.From, s.Off + off, n} }

// after is the Span after the first n bytes.
func (s Span) after(n int) Span {
	n = min(n, s.Size)
	return s.Part(n, s.Size-n)
}

// leadSize is how much of a value is read at first, bytes.
const leadSize = 512

// Scanner reads protobuf fields from a Span in order without loading more than
// the requested bytes.
type Scanner struct {
	Span Span
	Off  int   // from the start of the Span
	Err  error // the Source's error

	win   []byte
	winAt int
}

// Left is how many bytes there are from Off on.
func (c *Scanner) Left() int { return c.Span.Size - c.Off }

// Take returns the next n bytes, valid until the next call; nil if there are
// fewer.
func (c *Scanner) Take(n int) []byte {
	if n < 0 || n > c.Left() {
		return nil
	}
	if c.win == nil || c.Off < c.winAt || c.Off+n > c.winAt+len(c.win) {
		size := min(max(n, leadSize), c.Left())
		win, err := c.Span.Bytes(c.Off, size)
		if err != nil {
			c.Err = err
			return nil
		}
		c.win, c.winAt = win, c.Off
	}
	b := c.win[c.Off-c.winAt:][:n:n]
	c.Off += n
	return b
}

// Skip moves over n bytes.
func (c *Scanner) Skip(n int) bool {
	if n < 0 || n > c.Left() {
		return false
	}
	c.Off += n
	return true
}

// Varint reads a base-128 varint in its shortest form, the only form that a
// marshaller writes.
func (c *Scanner) Varint() (uint64, bool) {
	b := c.Take(min(binary.MaxVarintLen64, c.Left()))
	if len(b) == 0 {
		return 0, false
	}
	v, n := binary.Uvarint(b)
	if n <= 0 || n > 1 && b[n-1] == 0 {
		return 0, false
	}
	c.Off -= len(b) - n
	return v, true
}

// The wire types of protobuf. Groups (3 and 4) are not read.
const (
	WireVarint  = 0
	wireFixed64 = 1
	WireBytes   = 2
	wireFixed32 = 5
)

// Tag reads a field's number and wire type.
func (c *Scanner) Tag() (number, wire int, ok bool) {
	v, ok := c.Varint()
	if !ok || v>>3 == 0 || v>>3 > 1<<20 {
		return 0, 0, false
	}
	return int(v >> 3), int(v & 7), true
}

// Length reads the length of a field of WireBytes, which must fit.
func (c *Scanner) Length() (int, bool) {
	v, ok := c.Varint()
	if !ok || v > uint64(c.Left()) {
		return 0, false
	}
	return int(v), true
}

// SkipField moves over a field's value.
func (c *Scanner) SkipField(wire int) bool {
	switch wire {
	case WireVarint:
		_, ok := c.Varint()
		return ok
	case wireFixed64:
		return c.Skip(8)
	case WireBytes:
		n, ok := c.Length()
		return ok && c.Skip(n)
	case wireFixed32:
		return c.Skip(4)
	}
	return false
}
