package manifest

import "bytes"

// valueScan finds the end of a JSON value that may come in pieces. It looks at the structure
// only: what is between brackets and quotes is for the decoder to check. It stops at a byte
// that cannot be part of JSON, so that text of another form is not read to its end.
type valueScan struct {
	depth    int
	inString bool
	escaped  bool
	scalar   bool
	minus    bool // a digit has to follow
}

// scan states.
type scanState int

const (
	scanMore scanState = iota // the value goes on
	scanDone                  // it ended before the returned offset
	scanBad                   // the byte at the returned offset is not JSON
)

// feed reads the next piece of a value.
func (s *valueScan) feed(b []byte) (int, scanState) {
	i := 0
	for i < len(b) {
		if s.inString {
			end, done, bad := s.text(b, i)
			if bad {
				return end, scanBad
			}
			i = end
			if done && s.depth == 0 {
				return i, scanDone
			}
			continue
		}
		c := b[i]
		if s.minus && (c < '0' || c > '9') {
			return i, scanBad
		}
		s.minus = false
		if s.scalar {
			if scalarByte[c] {
				i++
				continue
			}
			s.scalar = false
			if s.depth == 0 {
				return i, scanDone
			}
			if c != ',' && c != '}' && c != ']' && c != ':' && !isSpace(c) {
				return i, scanBad
			}
		}
		switch {
		case c == '{' || c == '[':
			s.depth++
		case c == '}' || c == ']':
			s.depth--
			if s.depth < 0 {
				return i, scanBad
			}
			if s.depth == 0 {
				return i + 1, scanDone
			}
		case c == '"':
			s.inString = true
		case isSpace(c):
		case (c == ',' || c == ':') && s.depth > 0:
		case scalarByte[c] && c != '.' && c != '+':
			s.scalar, s.minus = true, c == '-'
		default:
			return i, scanBad
		}
		i++
	}
	return i, scanMore
}

// text reads a string to its end, or to the end of the piece. A JSON string has no line
// breaks.
func (s *valueScan) text(b []byte, i int) (end int, done, bad bool) {
	for ; i < len(b); i++ {
		for !s.escaped && i < len(b) && !endsText[b[i]] {
			i++
		}
		if i == len(b) {
			break
		}
		switch c := b[i]; {
		case s.escaped:
			s.escaped = false
		case c == '"':
			s.inString = false
			return i + 1, true, false
		case c == '\\':
			s.escaped = true
		case c < ' ':
			return i, false, true
		}
	}
	return i, false, false
}

// finish reports whether a value that the input ended in is complete: a number can be.
func (s *valueScan) finish() bool { return s.scalar && !s.minus && s.depth == 0 }

var scalarByte = func() (table [256]bool) {
	for _, c := range []byte("+-.0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		table[c] = true
	}
	return table
}()

// endsText are the bytes that end a string, or mean something in it.
var endsText = func() (table [256]bool) {
	for c := range ' ' {
		table[c] = true
	}
	table['"'], table['\\'] = true, true
	return table
}()

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// cursor reads a JSON value that is whole in memory.
type cursor struct {
	b   []byte
	pos int
}

func (c *cursor) space() {
	for c.pos < len(c.b) && isSpace(c.b[c.pos]) {
		c.pos++
	}
}

// take reads one byte of punctuation and the white space around it.
func (c *cursor) take(want byte) bool {
	c.space()
	if c.pos == len(c.b) || c.b[c.pos] != want {
		return false
	}
	c.pos++
	c.space()
	return true
}

// value returns the value at the cursor.
func (c *cursor) value() ([]byte, bool) {
	var s valueScan
	n, state := s.feed(c.b[c.pos:])
	if state == scanBad || state == scanMore && !s.finish() || n == 0 {
		return nil, false
	}
	from := c.pos
	c.pos += n
	return c.b[from:c.pos], true
}

// head is what the fields at the top of an object say about its kind.
type head struct {
	kind, apiVersion string
	// items is the list of a List, nil if there is none.
	items []byte
	// whole is false if a field is not what it should be, or if there may be more: then the
	// object has to be decoded.
	whole bool
}

// headOf reads the fields at the top of an object. With quick it stops once it knows the
// kind.
func headOf(raw []byte, quick bool) head {
	var h head
	c := cursor{b: raw}
	if !c.take('{') {
		return h
	}
	if c.take('}') {
		h.whole = true
		return h
	}
	for {
		key, ok := c.value()
		if !ok || key[0] != '"' || !c.take(':') {
			return h
		}
		value, ok := c.value()
		if !ok {
			return h
		}
		switch string(key) {
		case `"kind"`:
			if h.kind, ok = plainString(value); !ok {
				return h
			}
		case `"apiVersion"`:
			if h.apiVersion, ok = plainString(value); !ok {
				return h
			}
		case `"items"`:
			if value[0] != '[' || h.items != nil {
				return h
			}
			h.items = value
		default:
			if bytes.IndexByte(key, '\\') >= 0 {
				return h
			}
		}
		if quick && h.kind != "" && h.apiVersion != "" {
			return h
		}
		if c.take(',') {
			continue
		}
		h.whole = c.take('}')
		return h
	}
}

// plainString returns a JSON string without escapes.
func plainString(raw []byte) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' || bytes.IndexByte(raw, '\\') >= 0 {
		return "", false
	}
	return string(raw[1 : len(raw)-1]), true
}

// eachItem calls do with each value of a JSON list; it reports whether the list is
// well-formed.
func eachItem(list []byte, do func(i int, raw []byte)) bool {
	c := cursor{b: list}
	if !c.take('[') {
		return false
	}
	if c.take(']') {
		return true
	}
	for i := 0; ; i++ {
		raw, ok := c.value()
		if !ok {
			return false
		}
		do(i, raw)
		if c.take(']') {
			return true
		}
		if !c.take(',') {
			return false
		}
	}
}
