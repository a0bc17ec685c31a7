package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// maxDocument bounds one document, and one item of a List in JSON, bytes. The API server
// takes objects of up to 3 MiB (etcd of 1.5 MiB); a List in YAML is one document.
var maxDocument = 64 << 20

// splitter finds the documents in a source while it reads it: YAML documents between lines
// "---" and after lines "...", and JSON objects, which may follow each other directly. Of a
// List in JSON it gives the items one by one, so that a list of any size can be read.
type splitter struct {
	in     *input
	source string
	// whole is called with each document, item with each item of a List in JSON and listed
	// at its end. The text of a document is valid until they return. An error ends reading.
	whole  func(d *document) error
	item   func(d *document, kind, apiVersion string) error
	listed func(d *document, h head, items int) error
	// problem is called for what cannot be split.
	problem func(p Problem)

	number    int  // of documents so far
	lineStart bool // the input is at the start of a line
	explicit  bool // the document began with "---"
	text      []byte
	over      bool // text is longer than maxDocument, and incomplete
	lost      bool // text does not have all of its object any more
}

// run reads the source to its end.
func (s *splitter) run() error {
	s.lineStart = true
	for {
		more, err := s.next()
		if err != nil {
			return err
		}
		if !more {
			return s.in.failure()
		}
	}
}

// next reads one document, with the separator behind it.
func (s *splitter) next() (more bool, err error) {
	d := document{source: s.source, before: s.in.line}
	s.text, s.over = s.text[:0], false
	comment, content, noJSON := 0, false, false
	for {
		if _, ok := s.in.peek(); !ok {
			if s.in.failure() != nil {
				return false, nil // the document was cut short
			}
			return false, s.flush(&d, content, comment)
		}
		if s.lineStart && s.mark() {
			if err := s.flush(&d, content, comment); err != nil {
				return false, err
			}
			s.separator()
			return true, nil
		}
		if !content {
			s.blank()
			c, ok := s.in.peek()
			switch {
			case !ok || c == '\n':
			case c == '#', c == '%' && !s.explicit:
				if comment == 0 {
					comment = s.in.line + 1
				}
			case c == '{' && !noJSON:
				object := d
				object.before, object.first, object.column = s.in.line, s.in.line+1, s.in.column
				kept := slices.Clone(s.text)
				done, err := s.object(&object)
				if err != nil || done {
					s.explicit = false
					return err == nil, err
				}
				s.text, s.over, noJSON = append(s.text[:0], kept...), false, true
				d.first, content = s.in.line+1, true
				s.line()
				continue
			default:
				d.first, content = s.in.line+1, true
			}
		}
		s.line()
	}
}

// blank takes the white space before the first character of a line.
func (s *splitter) blank() {
	for {
		c, ok := s.in.peek()
		if !ok || c != ' ' && c != '\t' && c != '\r' {
			return
		}
		s.take(1)
	}
}

// line takes the rest of the line into the text.
func (s *splitter) line() {
	s.lineStart = false
	for !s.lineStart && s.in.more(1) {
		rest := s.in.rest()
		end := bytes.IndexByte(rest, '\n') + 1
		s.lineStart = end > 0
		if end == 0 {
			end = len(rest)
		}
		s.take(end)
	}
}

// take moves bytes of the input to the text.
func (s *splitter) take(n int) {
	b := s.in.rest()[:n]
	if lines := bytes.Count(b, []byte{'\n'}); lines > 0 {
		s.in.line, s.in.column = s.in.line+lines, 0
	}
	s.in.column += utf8.RuneCount(b[bytes.LastIndexByte(b, '\n')+1:])
	switch {
	case s.over:
	case len(s.text)+n > maxDocument:
		s.over, s.lost = true, true
	default:
		s.text = append(s.text, b...)
	}
	s.in.pos += n
}

// mark reports whether the line is a separator.
func (s *splitter) mark() bool {
	s.in.more(4)
	rest := s.in.rest()
	return isMark(rest)
}

func isMark(line []byte) bool {
	return len(line) >= 3 && (string(line[:3]) == "---" || string(line[:3]) == "...") &&
		(len(line) == 3 || line[3] == ' ' || line[3] == '\t' || line[3] == '\r' || line[3] == '\n')
}

// separator takes the line of a separator.
func (s *splitter) separator() {
	s.text, s.over = s.text[:0], false
	line := s.in.line + 1
	s.explicit = s.in.rest()[0] == '-'
	s.line()
	if rest := bytes.TrimSpace(s.text[min(3, len(s.text)):]); len(rest) > 0 && rest[0] != '#' || s.over {
		s.problem(Problem{Source: s.source, Line: line, Reason: fact.Corrupt, Text: "text on the line of the separator: expected it on the next line"})
	}
}

// flush gives the document that ends here.
func (s *splitter) flush(d *document, content bool, comment int) error {
	switch {
	case content:
	case s.explicit && comment > 0: // comments are a separate document
		d.first, s.text = comment, s.text[:0]
	default:
		return nil
	}
	s.number++
	d.number, d.text = s.number, s.text
	if s.over {
		s.problem(d.problem(0, fact.Truncated, tooLarge()))
		return nil
	}
	return s.whole(d)
}

func tooLarge() string {
	return fmt.Sprintf("expected a document of at most %d MiB, found more", maxDocument>>20)
}

// object reads a JSON object. If the text is no JSON, it returns false and the input is
// where it was.
func (s *splitter) object(d *document) (bool, error) {
	s.text, s.over, s.lost, s.lineStart = s.text[:0], false, false, false
	s.number++
	d.number, d.json = s.number, true
	list, h, items, err := s.fields(d)
	switch {
	case err != nil:
		return false, err
	case h.whole && list:
		return true, s.listed(d, h, items)
	case h.whole && s.over:
		s.problem(d.problem(0, fact.Truncated, tooLarge()))
		return true, nil
	case h.whole:
		d.text = s.text
		return true, s.whole(d)
	case s.in.failure() != nil && s.in.pos == s.in.end:
		return true, nil // it was cut short
	case !s.lost:
		s.number--
		s.in.unread(s.text, bytes.Count(s.text, []byte{'\n'}))
		s.in.column = d.column
		return false, nil
	}
	p := d.problem(0, fact.Corrupt, "not valid JSON")
	p.Line = s.in.line + 1
	if _, more := s.in.peek(); !more {
		p.Reason, p.Text = fact.Truncated, "not valid JSON: the text ends in the middle of an object"
	}
	s.problem(p)
	s.skip()
	return true, nil
}

// skip passes over the rest of a document.
func (s *splitter) skip() {
	s.line()
	for s.in.more(1) && !s.mark() {
		s.text, s.over = s.text[:0], false
		s.line()
	}
}

// fields reads the object at the input. If it is a List, its items are given and are not in
// the text. head.whole is false if it is not JSON.
func (s *splitter) fields(d *document) (list bool, h head, items int, err error) {
	if !s.punctuation('{') {
		return false, h, 0, nil
	}
	if s.punctuation('}') {
		h.whole = true
		return false, h, 0, nil
	}
	wait := held{d: d}
	var seen [3]bool
	twice := 0 // the line of a field that is there twice
	for {
		from, line := len(s.text), s.in.line+1
		if c, _ := s.in.peek(); c != '"' || !s.value() {
			return list, h, items, nil
		}
		key := plainKey(s.text[min(from, len(s.text)):])
		if i := slices.Index([]string{`"kind"`, `"apiVersion"`, `"items"`}, key); i >= 0 {
			if seen[i] {
				twice = line
			}
			seen[i] = true
		}
		if !s.punctuation(':') {
			return list, h, items, nil
		}
		if c, _ := s.in.peek(); key == `"items"` && c == '[' && !list && !s.over {
			list = true
			var ok bool
			if items, ok, err = s.items(d, &h, &wait); !ok || err != nil {
				return list, h, items, err
			}
		} else {
			from = len(s.text)
			if !s.value() {
				return list, h, items, nil
			}
			value := s.text[min(from, len(s.text)):]
			switch key {
			case `"kind"`:
				h.kind, _ = plainString(value)
			case `"apiVersion"`:
				h.apiVersion, _ = plainString(value)
			}
		}
		if s.punctuation(',') {
			continue
		}
		h.whole = s.last('}')
		if list && twice > 0 { // readers differ in which of the two counts
			p := d.problem(0, fact.Corrupt, "a List with a field that is there twice: the second one is not judged")
			p.Line = twice
			s.problem(p)
		}
		if h.whole && h.kind != "" {
			err = wait.give(s, &h)
		}
		return list, h, items, err
	}
}

// plainKey returns a key with its quotes and without escapes.
func plainKey(raw []byte) string {
	var text string
	if bytes.IndexByte(raw, '\\') >= 0 && json.Unmarshal(raw, &text) == nil {
		return `"` + text + `"`
	}
	return string(raw)
}

// items reads the items of a List.
func (s *splitter) items(d *document, h *head, wait *held) (n int, ok bool, err error) {
	s.punctuation('[')
	if s.punctuation(']') {
		return 0, true, nil
	}
	from := len(s.text)
	for ; ; n++ {
		part := *d
		part.path = append(slices.Clone(d.path), "items", n)
		part.before, part.first, part.column = s.in.line, s.in.line+1, s.in.column
		if !s.value() {
			return n, false, nil
		}
		switch {
		case s.over:
			s.problem(part.problem(0, fact.Truncated, part.shown(nil)+tooLarge()))
		default:
			part.text = s.text[from:]
			if err := wait.add(s, h, &part); err != nil {
				return n, false, err
			}
		}
		s.text, s.over, s.lost = s.text[:from], false, true
		if s.punctuation(',') {
			s.text = s.text[:from]
			continue
		}
		return n + 1, s.punctuation(']'), nil
	}
}

// held keeps items that do not name their kind until the List says which one they have.
type held struct {
	d     *document
	parts []document
	size  int
	full  bool
}

func (w *held) add(s *splitter, h *head, part *document) error {
	if h.kind != "" || headOf(part.text, true).kind != "" {
		return s.item(part, h.kind, h.apiVersion)
	}
	if w.size += len(part.text) + 1; w.size > maxDocument {
		w.full = true
		return nil
	}
	clone := *part
	clone.text = slices.Clone(part.text)
	w.parts = append(w.parts, clone)
	return nil
}

func (w *held) give(s *splitter, h *head) error {
	if w.full {
		s.problem(w.d.problem(0, fact.Truncated, "a List whose items have no kind, and which says its own only behind them: not all of them were read"))
	}
	for i := range w.parts {
		if err := s.item(&w.parts[i], h.kind, h.apiVersion); err != nil {
			return err
		}
	}
	return nil
}

// punctuation takes white space, one byte, and the white space behind it.
func (s *splitter) punctuation(want byte) bool {
	if !s.last(want) {
		return false
	}
	s.space()
	return true
}

// last takes white space and one byte.
func (s *splitter) last(want byte) bool {
	s.space()
	if c, ok := s.in.peek(); !ok || c != want {
		return false
	}
	s.take(1)
	return true
}

func (s *splitter) space() {
	for {
		if _, ok := s.in.peek(); !ok {
			return
		}
		rest := s.in.rest()
		n := 0
		for n < len(rest) && isSpace(rest[n]) {
			n++
		}
		s.take(n)
		if n < len(rest) {
			return
		}
	}
}

// value takes a JSON value.
func (s *splitter) value() bool {
	var scan valueScan
	for s.in.more(1) {
		n, state := scan.feed(s.in.rest())
		s.take(n)
		switch state {
		case scanDone:
			return true
		case scanBad:
			return false
		case scanMore:
		}
	}
	return scan.finish()
}
