package osv

import (
	"bytes"
	"encoding/json"
)

// cursor walks over JSON without making values of it: most of a record is never
// looked at. The text must be valid (json.Valid); then no method can fail or go
// beyond the end. Values of other kinds than asked for are skipped.
type cursor struct {
	text []byte
	at   int
}

// peek returns the first byte of the next value or the closing bracket, 0 at the end.
func (c *cursor) peek() byte {
	for c.at < len(c.text) {
		switch b := c.text[c.at]; b {
		case ' ', '\t', '\r', '\n', ',', ':':
			c.at++
		default:
			return b
		}
	}
	return 0
}

// raw returns the next value, which must be a string, as it is written between the
// quotes.
func (c *cursor) raw() []byte {
	c.at++
	start := c.at
	for c.at < len(c.text) {
		i := bytes.IndexByte(c.text[c.at:], '"')
		if i < 0 {
			c.at = len(c.text)
			break
		}
		c.at += i
		slashes := 0
		for c.at-slashes > start && c.text[c.at-slashes-1] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			c.at++
			return c.text[start : c.at-1]
		}
		c.at++
	}
	return c.text[min(start, len(c.text)):]
}

// string returns the next value if it is a string, decoded, else nil.
func (c *cursor) string() []byte {
	if c.peek() != '"' {
		c.skip()
		return nil
	}
	raw := c.raw()
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw
	}
	var text string
	if json.Unmarshal(c.text[c.at-len(raw)-2:c.at], &text) != nil {
		return nil
	}
	return []byte(text)
}

// skip goes over the next value.
func (c *cursor) skip() {
	depth := 0
	for {
		switch c.peek() {
		case 0:
			return
		case '"':
			c.raw()
		case '{', '[':
			c.at++
			depth++
		case '}', ']':
			if depth == 0 {
				return // the end of what holds the value: there is none
			}
			c.at++
			depth--
		default: // a number, true, false, null
			for c.at < len(c.text) && bytes.IndexByte([]byte(",:]} \t\r\n"), c.text[c.at]) < 0 {
				c.at++
			}
		}
		if depth == 0 {
			return
		}
	}
}

// object calls field with each name of the next value if it is an object. field has
// to read the value. It reports whether it was an object.
func (c *cursor) object(field func(name []byte)) bool {
	if c.peek() != '{' {
		c.skip()
		return false
	}
	c.at++
	for c.peek() == '"' {
		name := c.string()
		c.peek()
		field(name)
	}
	c.at++
	return true
}

// list calls item before each item of the next value if it is a list. item has to
// read it. It reports whether it was a list.
func (c *cursor) list(item func()) bool {
	if c.peek() != '[' {
		c.skip()
		return false
	}
	c.at++
	for b := c.peek(); b != ']' && b != 0; b = c.peek() {
		item()
	}
	c.at++
	return true
}

// strings calls item with each string of the next value if it is a list. It reports
// whether it was a list of strings only.
func (c *cursor) strings(item func([]byte)) bool {
	all := true
	return c.list(func() {
		if c.peek() != '"' {
			c.skip()
			all = false
			return
		}
		item(c.string())
	}) && all
}
