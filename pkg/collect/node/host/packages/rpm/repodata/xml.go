package repodata

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

const (
	// bufferSize is how much of a file is in memory, bytes. No tag may be longer.
	bufferSize = 128 << 10
	// maxText bounds a text or attribute that is wanted, bytes.
	maxText = 4 << 10
	// maxEmptyReads is how often a reader may give nothing.
	maxEmptyReads = 100
)

var errUnsupported = rootfs.NewError(fact.Unsupported, "not supported")

// tag is one tag of a file. Its slices point into the scanner's buffer: they are
// valid until the scanner goes on.
type tag struct {
	name  []byte // without a prefix and colon
	attrs []byte // what follows the name
	end   bool   // </name>
	empty bool   // <name/>: no end follows
}

func (t *tag) is(name string) bool { return string(t.name) == name }

// scanner goes through the tags of an XML file.
type scanner struct {
	r        io.Reader
	buf      []byte
	pos, end int   // buf[pos:end] was read and not used
	base     int64 // of buf[0] in the file
	err      error // of r, io.EOF at the end
	// depth counts the elements that are open, with the one of a start tag.
	depth int
	root  bool // an element was seen
}

func newScanner(r io.Reader, buf []byte) *scanner {
	if len(buf) < bufferSize {
		buf = make([]byte, bufferSize)
	}
	return &scanner{r: r, buf: buf}
}

// at is the offset of the next byte.
func (s *scanner) at() int64 { return s.base + int64(s.pos) }

// more reads on. It keeps what was not used, and fails if that fills the buffer.
func (s *scanner) more() error {
	if s.err != nil {
		return s.err
	}
	if s.pos > 0 {
		copy(s.buf, s.buf[s.pos:s.end])
		s.base += int64(s.pos)
		s.end -= s.pos
		s.pos = 0
	}
	if s.end == len(s.buf) {
		return fmt.Errorf("expected a tag of less than %d bytes at byte %d, found a longer one", len(s.buf), s.at())
	}
	for range maxEmptyReads {
		n, err := s.r.Read(s.buf[s.end:])
		s.end += n
		s.err = err
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	s.err = io.ErrNoProgress
	return s.err
}

// pass goes behind the next occurrence of a text of at most 8 bytes.
func (s *scanner) pass(text string) error {
	for {
		if i := bytes.Index(s.buf[s.pos:s.end], []byte(text)); i >= 0 {
			s.pos += i + len(text)
			return nil
		}
		s.pos = max(s.pos, s.end-len(text)+1)
		if err := s.more(); err != nil {
			return s.cut(err)
		}
	}
}

// cut turns the end of the file into an error.
func (s *scanner) cut(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: %d elements are open at byte %d", rootfs.ErrCut, s.depth, s.base+int64(s.end))
	}
	return err
}

// next returns the next tag, io.EOF after the last one.
func (s *scanner) next() (tag, error) {
	for {
		i := bytes.IndexByte(s.buf[s.pos:s.end], '<')
		if i < 0 {
			s.pos = s.end
			switch err := s.more(); {
			case err == nil:
				continue
			case errors.Is(err, io.EOF) && s.depth == 0 && s.root:
				return tag{}, io.EOF
			default:
				return tag{}, s.cut(err)
			}
		}
		s.pos += i
		if err := s.need(2); err != nil {
			return tag{}, err
		}
		switch s.buf[s.pos+1] {
		case '?':
			if err := s.pass("?>"); err != nil {
				return tag{}, err
			}
		case '!':
			if err := s.need(4); err != nil {
				return tag{}, err
			}
			end := "]]>"
			switch string(s.buf[s.pos : s.pos+3]) {
			case "<!-":
				end = "-->"
			case "<![":
			default:
				return tag{}, fmt.Errorf("expected a tag or a comment at byte %d, found a declaration", s.at())
			}
			s.pos += 4
			if err := s.pass(end); err != nil {
				return tag{}, err
			}
		default:
			return s.tag()
		}
	}
}

// need makes n bytes available.
func (s *scanner) need(n int) error {
	for s.end-s.pos < n {
		if err := s.more(); err != nil {
			return s.cut(err)
		}
	}
	return nil
}

// tag reads the tag that begins here.
func (s *scanner) tag() (tag, error) {
	length := 0
	quote := byte(0) // a > within quotes is part of a value
	start := 1
	if i := bytes.IndexByte(s.buf[s.pos+1:s.end], '>'); i >= 0 && simple(s.buf[s.pos+1:s.pos+1+i]) {
		start += i
	}
	for i := start; ; i++ {
		if s.pos+i >= s.end {
			if err := s.more(); err != nil {
				return tag{}, s.cut(err)
			}
		}
		c := s.buf[s.pos+i]
		if quote != 0 {
			j := bytes.IndexByte(s.buf[s.pos+i:s.end], quote)
			if j < 0 {
				i = s.end - s.pos - 1
				continue
			}
			i += j
			quote = 0
			continue
		}
		switch c {
		case '"', '\'':
			quote = c
			continue
		case '<':
			return tag{}, fmt.Errorf("expected the end of the tag at byte %d, found another one", s.at())
		case '>':
		default:
			continue
		}
		length = i
		break
	}
	var t tag
	body := s.buf[s.pos+1 : s.pos+length]
	if len(body) > 0 && body[0] == '/' {
		t.end, body = true, body[1:]
	} else if len(body) > 0 && body[len(body)-1] == '/' {
		t.empty, body = true, body[:len(body)-1]
	}
	n, colon := 0, -1
	for n < len(body) && !isSpace(body[n]) {
		if body[n] == ':' {
			colon = n
		}
		n++
	}
	t.name, t.attrs = body[colon+1:n], body[n:]
	if len(t.name) == 0 {
		return tag{}, fmt.Errorf("expected a name in the tag at byte %d, found none", s.at())
	}
	s.root = true
	switch {
	case t.end:
		if s.depth--; s.depth < 0 {
			return tag{}, fmt.Errorf("expected a start tag at byte %d, found an end tag that closes nothing", s.at())
		}
	case !t.empty:
		s.depth++
	}
	s.pos += length + 1
	return t, nil
}

// simple reports whether what is before the first > of a tag is all of the tag.
func simple(body []byte) bool {
	if len(body) > 32 {
		return bytes.IndexByte(body, '"') < 0 && bytes.IndexByte(body, '\'') < 0 && bytes.IndexByte(body, '<') < 0
	}
	for _, c := range body {
		if c == '"' || c == '\'' || c == '<' {
			return false
		}
	}
	return true
}

// skip goes behind the end of the element that a start tag has just opened. The
// element holds none of its own name.
func (s *scanner) skip(name string) error {
	depth := s.depth
	for {
		if err := s.pass("</"); err != nil {
			return err
		}
		n, colon := 0, -1
		for ; n < 64; n++ {
			if err := s.need(n + 1); err != nil {
				return err
			}
			c := s.buf[s.pos+n]
			if c == '>' || isSpace(c) {
				break
			}
			if c == ':' {
				colon = n
			}
		}
		if string(s.buf[s.pos+colon+1:s.pos+n]) != name {
			continue
		}
		s.depth = depth - 1
		return s.pass(">")
	}
}

// text appends the text behind a start tag to what is in dst[:0], decoded and
// without space around it.
func (s *scanner) text(dst []byte) ([]byte, error) {
	from := s.at()
	for {
		i := bytes.IndexByte(s.buf[s.pos:s.end], '<')
		n := i
		if i < 0 {
			n = s.end - s.pos
		}
		if n > maxText {
			return dst[:0], fmt.Errorf("expected a text of at most %d bytes at byte %d, found a longer one", maxText, from)
		}
		if i >= 0 {
			raw := bytes.TrimSpace(s.buf[s.pos : s.pos+i])
			s.pos += i
			dst, err := decode(dst[:0], raw)
			if err != nil {
				return dst, fmt.Errorf("text at byte %d: %w", from, err)
			}
			if err := s.need(2); err != nil {
				return dst, err
			}
			if s.buf[s.pos+1] == '!' {
				return dst, fmt.Errorf("a text with a comment or CDATA at byte %d is %w", from, errUnsupported)
			}
			return dst, nil
		}
		if err := s.more(); err != nil {
			return dst[:0], s.cut(err)
		}
	}
}

// each calls do with each attribute of a tag, its value undecoded.
func (t *tag) each(do func(name, value []byte)) error {
	rest := t.attrs
	for {
		rest = bytes.TrimLeft(rest, " \t\r\n")
		if len(rest) == 0 {
			return nil
		}
		i := bytes.IndexByte(rest, '=')
		if i <= 0 {
			return errAttribute
		}
		name := bytes.TrimRight(rest[:i], " \t\r\n")
		rest = bytes.TrimLeft(rest[i+1:], " \t\r\n")
		if len(rest) == 0 || rest[0] != '"' && rest[0] != '\'' {
			return errAttribute
		}
		end := bytes.IndexByte(rest[1:], rest[0])
		if end < 0 {
			return errAttribute
		}
		do(name, rest[1:1+end])
		rest = rest[end+2:]
	}
}

var errAttribute = errors.New(`expected attributes of the form name="value", found something else`)

// take copies the wanted attributes of a tag: names and where they go, in pairs.
// Those that the tag lacks become empty.
func (t *tag) take(wanted []attr) error {
	for _, w := range wanted {
		*w.to = (*w.to)[:0]
	}
	var failed error
	err := t.each(func(name, value []byte) {
		for _, w := range wanted {
			if string(name) != w.name || failed != nil {
				continue
			}
			if len(value) > maxText {
				failed = fmt.Errorf("expected an attribute of at most %d bytes, found one of %d", maxText, len(value))
				return
			}
			*w.to, failed = decode((*w.to)[:0], value)
		}
	})
	if err == nil {
		err = failed
	}
	return err
}

type attr struct {
	name string
	to   *[]byte
}

// decode appends raw with its entities decoded.
func decode(dst, raw []byte) ([]byte, error) {
	for {
		i := bytes.IndexByte(raw, '&')
		if i < 0 {
			return append(dst, raw...), nil
		}
		dst = append(dst, raw[:i]...)
		raw = raw[i+1:]
		end := bytes.IndexByte(raw[:min(len(raw), 12)], ';')
		if end < 0 {
			return dst, errEntity
		}
		entity := raw[:end]
		raw = raw[end+1:]
		switch string(entity) {
		case "amp":
			dst = append(dst, '&')
		case "lt":
			dst = append(dst, '<')
		case "gt":
			dst = append(dst, '>')
		case "quot":
			dst = append(dst, '"')
		case "apos":
			dst = append(dst, '\'')
		default:
			r, ok := charRef(entity)
			if !ok {
				return dst, errEntity
			}
			dst = utf8.AppendRune(dst, r)
		}
	}
}

var errEntity = errors.New("expected an entity of XML after &, found something else")

// charRef parses #NN or #xHH.
func charRef(entity []byte) (rune, bool) {
	if len(entity) < 2 || entity[0] != '#' {
		return 0, false
	}
	digits, base := entity[1:], rune(10)
	if digits[0] == 'x' {
		digits, base = digits[1:], 16
	}
	r := rune(0)
	for _, c := range digits {
		d := rune(99)
		switch {
		case '0' <= c && c <= '9':
			d = rune(c - '0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			d = rune(c|0x20-'a') + 10
		}
		if d >= base {
			return 0, false
		}
		if r = r*base + d; r > utf8.MaxRune {
			return 0, false
		}
	}
	return r, len(digits) > 0
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }
