package apt

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// scanBuffer is the only large allocation of a scan. A longer line is cut,
// because the fields that are kept are short.
const scanBuffer = 256 << 10

// stanza holds the fields of one paragraph of control data (deb-control(5))
// that the collector uses. Its slices are valid until the next stanza is read.
type stanza struct {
	Package, Version, Architecture, Source, Status, Phased field
	// Offset is the position of the stanza in the file, in bytes.
	Offset int64
}

// field is a value in its own buffer, so that reading stanzas does not allocate
// once the buffers have grown.
type field struct {
	value []byte
	set   bool
}

func (f *field) put(value []byte) {
	f.value, f.set = append(f.value[:0], value...), true
}

func (s *stanza) reset(offset int64) {
	for _, f := range []*field{&s.Package, &s.Version, &s.Architecture, &s.Source, &s.Status, &s.Phased} {
		f.value, f.set = f.value[:0], false
	}
	s.Offset = offset
}

// lookup finds the field of that name, in any case; nil if it is not kept.
func (s *stanza) lookup(name []byte) *field {
	var f *field
	var want string
	switch len(name) {
	case len("Source"): // and Status
		if name[1]|0x20 == 'o' {
			f, want = &s.Source, "source"
		} else {
			f, want = &s.Status, "status"
		}
	case len("Package"): // and Version
		if name[0]|0x20 == 'p' {
			f, want = &s.Package, "package"
		} else {
			f, want = &s.Version, "version"
		}
	case len("Architecture"):
		f, want = &s.Architecture, "architecture"
	case len("Phased-Update-Percentage"):
		f, want = &s.Phased, "phased-update-percentage"
	default:
		return nil
	}
	for i := range name {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != want[i] {
			return nil
		}
	}
	return f
}

// stanzaScanner reads the paragraphs of a package list or of dpkg's status
// line by line in one buffer, however long a paragraph is.
type stanzaScanner struct {
	r          io.Reader
	buf        []byte
	start, end int   // the unread part of buf
	offset     int64 // of buf[start] in the file
	err        error // of r, io.EOF included

	// slow is set where a line ends in \r\n: then an empty line is not \n\n,
	// and stanzas are skipped line by line.
	slow bool
	// closed reports whether the last stanza ended with an empty line.
	closed bool
}

func newStanzaScanner(r io.Reader, buf []byte) *stanzaScanner {
	if len(buf) == 0 {
		buf = make([]byte, scanBuffer)
	}
	return &stanzaScanner{r: r, buf: buf}
}

// fill reads more after the unread part; false at the end or with a full
// buffer.
func (s *stanzaScanner) fill() bool {
	if s.err != nil {
		return false
	}
	if s.start > 0 {
		copy(s.buf, s.buf[s.start:s.end])
		s.end -= s.start
		s.start = 0
	}
	if s.end == len(s.buf) {
		return false
	}
	// A reader may return nothing a few times; one that always does so is
	// broken.
	for range 100 {
		n, err := s.r.Read(s.buf[s.end:])
		if n < 0 || n > len(s.buf)-s.end {
			s.err = fmt.Errorf("reader returned %d bytes", n)
			return false
		}
		s.end += n
		if err != nil {
			s.err = err
		}
		if n > 0 {
			return true
		}
		if err != nil {
			return false
		}
	}
	s.err = io.ErrNoProgress
	return false
}

func (s *stanzaScanner) advance(n int) {
	s.start += n
	s.offset += int64(n)
}

// line returns the next line without its end. Of a line longer than the buffer
// the beginning is returned and the rest dropped. ok is false at the end.
func (s *stanzaScanner) line() (line []byte, ok bool, err error) {
	searched := 0
	for {
		if i := bytes.IndexByte(s.buf[s.start+searched:s.end], '\n'); i >= 0 {
			line = s.buf[s.start : s.start+searched+i]
			s.advance(searched + i + 1)
			if n := len(line); n > 0 && line[n-1] == '\r' {
				s.slow = true
				line = line[:n-1]
			}
			return line, true, nil
		}
		searched = s.end - s.start
		if s.fill() {
			continue
		}
		if s.err == nil { // the buffer is full
			line = append([]byte(nil), s.buf[s.start:s.start+min(1024, searched)]...)
			for {
				s.advance(s.end - s.start)
				if !s.fill() {
					break
				}
				if i := bytes.IndexByte(s.buf[s.start:s.end], '\n'); i >= 0 {
					s.advance(i + 1)
					return line, true, nil
				}
			}
			searched = 0
		}
		switch {
		case !errors.Is(s.err, io.EOF):
			return nil, false, s.err
		case searched > 0 || line != nil:
			s.advance(s.end - s.start)
			return nil, false, fmt.Errorf("%w: inside a line, at byte %d", rootfs.ErrCut, s.offset)
		}
		return nil, false, nil
	}
}

// skip moves past the next empty line.
func (s *stanzaScanner) skip() error {
	if s.start < s.end || s.fill() {
		if s.buf[s.start] == '\n' { // the line before was the last
			s.advance(1)
			s.closed = true
			return nil
		}
	}
	for !s.slow {
		if i := bytes.Index(s.buf[s.start:s.end], []byte("\n\n")); i >= 0 {
			s.advance(i + 2)
			s.closed = true
			return nil
		}
		// Keep the last byte: it may be the first of the two.
		if s.end-s.start > 1 {
			s.advance(s.end - s.start - 1)
		}
		if !s.fill() {
			break // line reports what is wrong, if anything
		}
	}
	for {
		line, ok, err := s.line()
		if err != nil || !ok {
			return err
		}
		if blank(line) {
			s.closed = true
			return nil
		}
	}
}

// next reads one stanza into st. If wanted returns false for the package's
// name, the rest of its stanza is skipped and the next one is tried; nil means
// all. ok is false at the end of the file.
func (s *stanzaScanner) next(st *stanza, wanted func(name []byte) bool) (ok bool, err error) {
	for {
		started := false
		for {
			at := s.offset
			line, more, err := s.line()
			if err != nil {
				return false, err
			}
			if !more {
				return started, nil
			}
			if blank(line) {
				if started {
					s.closed = true
					return true, nil
				}
				continue
			}
			if !started {
				started, s.closed = true, false
				st.reset(at)
			}
			if line[0] == ' ' || line[0] == '\t' || line[0] == '#' {
				continue // of a field that is not kept, for those have one line
			}
			colon := bytes.IndexByte(line, ':')
			if colon <= 0 {
				return false, fmt.Errorf("expected \"Field: value\" at byte %d, found %q", at, rootfs.Excerpt(line))
			}
			f := st.lookup(line[:colon])
			if f == nil {
				continue
			}
			f.put(bytes.TrimSpace(line[colon+1:]))
			if f == &st.Package && wanted != nil && !wanted(f.value) {
				break
			}
		}
		if err := s.skip(); err != nil {
			return false, err
		}
	}
}

// blank reports whether a line separates paragraphs: it is empty, or has only
// spaces and tabs (deb822(5)).
func blank(line []byte) bool {
	for _, c := range line {
		if c != ' ' && c != '\t' {
			return false
		}
	}
	return true
}

// paragraph is one paragraph of a small control file, read as a whole.
type paragraph struct {
	fields []namedField
	line   int // of its first field, from 1
}

// namedField is a field with its continuation lines, each without the leading
// space, joined by newlines.
type namedField struct {
	name, value string
}

// get returns the value of the first field of that name, in any case.
func (p paragraph) get(name string) (value string, ok bool) {
	for _, f := range p.fields {
		if strings.EqualFold(f.name, name) {
			return f.value, true
		}
	}
	return "", false
}

// words returns the value cut at white space, newlines included.
func (p paragraph) words(name string) []string {
	value, _ := p.get(name)
	return strings.Fields(value)
}

// parseParagraphs reads a whole deb822(5) file: .sources, preferences. Lines
// that start with # are comments, also inside a field. The paragraphs before
// an error are returned with it.
func parseParagraphs(data []byte) ([]paragraph, error) {
	var all []paragraph
	var current paragraph
	var name string
	var value []byte // of the field that is being read
	endField := func() {
		if name != "" {
			current.fields = append(current.fields, namedField{name: name, value: string(value)})
		}
		name, value = "", value[:0]
	}
	end := func() {
		endField()
		if len(current.fields) > 0 {
			all = append(all, current)
		}
		current = paragraph{}
	}
	for number := 1; len(data) > 0; number++ {
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		data = rest
		line = bytes.TrimRight(line, " \t\r")
		switch {
		case len(line) == 0:
			end()
		case line[0] == '#':
		case line[0] == ' ' || line[0] == '\t':
			if name == "" {
				end()
				return all, fmt.Errorf("line %d: expected \"Field: value\", found a continuation line", number)
			}
			value = append(append(value, '\n'), line[1:]...)
		default:
			colon := bytes.IndexByte(line, ':')
			if colon <= 0 || blank(line[:colon]) {
				end()
				return all, fmt.Errorf("line %d: expected \"Field: value\", found %q", number, rootfs.Excerpt(line))
			}
			endField()
			if len(current.fields) == 0 {
				current.line = number
			}
			name = string(bytes.TrimSpace(line[:colon]))
			value = append(value, bytes.TrimSpace(line[colon+1:])...)
		}
	}
	end()
	return all, nil
}
