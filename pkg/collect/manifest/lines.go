package manifest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"hash/fnv"
	"strconv"
	"strings"
	"unicode/utf8"

	yamlv3 "go.yaml.in/yaml/v3"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/weburl"
)

// Lines are the places of objects and of their fields in the files that a Stream read. It holds
// names of fields and no values. Its memory is bounded: of an object beyond the bounds it has the
// line, then nothing.
type Lines struct {
	files    []string
	objects  map[uint64]placed // by origin, as evidence shows it ("FILE deployment/NS/NAME")
	first    map[uint64]uint64 // the origin of the first object with a kind, namespace and name
	problems map[string]int    // the line of the first problem of a source

	names map[string]uint64
	list  []string
	bytes int    // of names
	data  []byte // the fields of all objects

	document *document // whose fields are in tree
	tree     *field
}

// placed is an object. Its fields are in data, from at on; there are none if at is negative.
type placed struct{ file, line, column, at int32 }

// Position is a place in a file. Lines and columns count from 1, columns in characters. The end is
// the column behind it, on the same line.
type Position struct {
	File              string
	Line, Column, End int
}

// Bounds of Lines.
const (
	mostPlaced    = 1 << 18 // objects
	mostFieldData = 32 << 20
	mostNames     = 1 << 16
	mostNameBytes = 4 << 20
	mostFields    = 1 << 14 // of an object, with what its aliases stand for
	mostDepth     = 64
	mostText      = 8 << 20 // bytes of a document whose fields are looked for
)

// NewLines returns a Lines for Files.Lines.
func NewLines() *Lines {
	return &Lines{objects: map[uint64]placed{}, first: map[uint64]uint64{}, problems: map[string]int{}, names: map[string]uint64{}}
}

// field is a value in a document, with the place of its key; of an item or a document it is that
// of the value.
type field struct {
	name         string // "" for an item
	line, column int
	width        int // characters
	fields       []*field
	node         *yamlv3.Node // whose fields are not made yet
}

// add adds an object that is at a path of a document.
func (l *Lines) add(d *document, path []any, origin, object string) {
	if l == nil || d.built || len(l.objects) >= mostPlaced {
		return
	}
	key := hashed(shownText(origin))
	if _, found := l.objects[key]; found {
		return
	}
	if n := len(l.files); n == 0 || l.files[n-1] != d.source {
		l.files = append(l.files, d.source)
	}
	one := placed{file: int32(len(l.files) - 1), line: int32(d.first), column: 1, at: -1}
	if of := l.find(d, path); of != nil {
		one.line, one.column = int32(of.line), int32(of.column)
		if len(l.data) < mostFieldData {
			one.at = int32(len(l.data))
			budget := mostFields
			l.encode(of, of.line, 0, &budget)
		}
	}
	l.objects[key] = one
	if short := hashed(shownText(object)); l.first[short] == 0 {
		l.first[short] = key
	}
}

// problem remembers a line of a source that cannot be read.
func (l *Lines) problem(p Problem) {
	if l == nil || p.Line == 0 || l.problems[shownText(p.Source)] != 0 || len(l.problems) >= MaxProblems {
		return
	}
	l.problems[shownText(p.Source)] = p.Line
}

// find returns the value at a path of a document; nil if its place is not known.
func (l *Lines) find(d *document, path []any) *field {
	if l.document != d {
		l.document, l.tree = d, placesOf(d)
	}
	at := l.tree
	for _, step := range path {
		if at == nil {
			return nil
		}
		at = at.step(step)
	}
	return at
}

// step is a field or an item; nil if there is none.
func (f *field) step(step any) *field {
	f.open()
	switch step := step.(type) {
	case string:
		for _, one := range f.fields {
			if one.name == step {
				return one
			}
		}
	case int:
		if step >= 0 && step < len(f.fields) && f.fields[step].name == "" {
			return f.fields[step]
		}
	}
	return nil
}

// placesOf finds the places of what a document has; nil if it is too large, or if its lines are
// not those of the file.
func placesOf(d *document) *field {
	switch {
	case len(d.text) > mostText:
		return nil
	case d.json:
		return jsonFields(d)
	case oddBreaks(d.text):
		return nil
	}
	node := parseNodes(d.text)
	if node == nil {
		return nil
	}
	root := &field{line: d.before + node.Line, column: node.Column, width: 1, node: node}
	root.shift(d.before)
	return root
}

// shift opens all fields, whose lines count from the start of the text. It ends at a bound: what
// aliases stand for can be very much.
func (f *field) shift(before int) {
	budget := 1 << 18
	var walk func(f *field, depth int)
	walk = func(f *field, depth int) {
		if depth == mostDepth || budget < 0 {
			f.node = nil
			return
		}
		f.open()
		for _, one := range f.fields {
			one.line += before
			budget--
			walk(one, depth+1)
		}
	}
	walk(f, 0)
}

// open makes the fields of a node of YAML.
func (f *field) open() {
	node := f.node
	f.node = nil
	for hops := 0; node != nil && node.Kind == yamlv3.AliasNode && hops < mostDepth; hops++ {
		node = node.Alias
	}
	if node == nil {
		return
	}
	switch node.Kind {
	case yamlv3.SequenceNode:
		for _, one := range node.Content {
			f.fields = append(f.fields, &field{line: one.Line, column: one.Column, width: 1, node: one})
		}
	case yamlv3.MappingNode:
		var merged []*yamlv3.Node
		for i := 0; i+1 < len(node.Content); i += 2 {
			key, value := node.Content[i], node.Content[i+1]
			if key.Tag == "!!merge" {
				merged = append(merged, value)
				continue
			}
			width := utf8.RuneCountInString(key.Value)
			if key.Style&(yamlv3.DoubleQuotedStyle|yamlv3.SingleQuotedStyle) != 0 {
				width += 2
			}
			f.fields = append(f.fields, &field{name: key.Value, line: key.Line, column: key.Column, width: width, node: value})
		}
		for _, value := range merged { // what is merged comes after the map's own keys
			for _, of := range mergedMaps(value) {
				from := &field{node: of}
				from.open()
				f.fields = append(f.fields, from.fields...)
			}
		}
	}
}

// mergedMaps are the maps that a merge key (<<) has: one, or those in a list.
func mergedMaps(value *yamlv3.Node) []*yamlv3.Node {
	if value.Kind == yamlv3.AliasNode {
		value = value.Alias
	}
	switch {
	case value == nil:
		return nil
	case value.Kind == yamlv3.SequenceNode:
		return value.Content
	}
	return []*yamlv3.Node{value}
}

// oddBreaks reports whether text has line breaks of YAML that end no line in an editor.
func oddBreaks(text []byte) bool {
	for i := bytes.IndexByte(text, '\r'); i >= 0; {
		if i+1 == len(text) || text[i+1] != '\n' {
			return true
		}
		next := bytes.IndexByte(text[i+1:], '\r')
		if next < 0 {
			break
		}
		i += 1 + next
	}
	return bytes.Contains(text, []byte("\u0085")) || bytes.Contains(text, []byte("\u2028")) || bytes.Contains(text, []byte("\u2029"))
}

// jsonFields is placesOf for JSON.
func jsonFields(d *document) *field {
	decoder := json.NewDecoder(bytes.NewReader(d.text))
	decoder.UseNumber()
	// The place of an offset; offsets only grow.
	at, line, column := 0, d.before+1, d.column+1
	place := func(offset int) (int, int) {
		part := d.text[at:offset]
		if i := bytes.LastIndexByte(part, '\n'); i >= 0 {
			line, column = line+bytes.Count(part, []byte{'\n'}), 1
			part = part[i+1:]
		}
		column += utf8.RuneCount(part)
		at = offset
		return line, column
	}
	// start is where the next token starts.
	start := func() int {
		offset := int(decoder.InputOffset())
		for offset < len(d.text) && strings.IndexByte(" \t\r\n,:", d.text[offset]) >= 0 {
			offset++
		}
		return offset
	}
	var value func(f *field, depth int) bool
	value = func(f *field, depth int) bool {
		token, err := decoder.Token()
		const most = 10_000 // levels, of which more would take much stack
		if err != nil || depth == most {
			return false
		}
		open, is := token.(json.Delim)
		if !is {
			return true
		}
		for decoder.More() {
			from := start()
			one := &field{width: 1}
			one.line, one.column = place(from)
			if open == '{' {
				key, err := decoder.Token()
				name, is := key.(string)
				if err != nil || !is {
					return false
				}
				one.name, one.width = name, utf8.RuneCount(d.text[from:decoder.InputOffset()])
			}
			if !value(one, depth+1) {
				return false
			}
			if depth < mostDepth {
				f.fields = append(f.fields, one)
			}
		}
		_, err = decoder.Token()
		return err == nil
	}
	root := &field{width: 1}
	root.line, root.column = place(start())
	if !value(root, 0) {
		return nil
	}
	return root
}

// encode appends a value's fields: their number, and for each its name, the lines below its
// parent (zigzag), its column, its width, and its own fields.
func (l *Lines) encode(f *field, line, depth int, budget *int) {
	f.open()
	fields := f.fields
	if depth == mostDepth || *budget <= 0 {
		fields = nil
	}
	fields = fields[:min(len(fields), max(*budget, 0))]
	*budget -= len(fields)
	l.data = binary.AppendUvarint(l.data, uint64(len(fields)))
	for _, one := range fields {
		l.data = binary.AppendUvarint(l.data, l.number(one.name))
		l.data = binary.AppendVarint(l.data, int64(one.line-line))
		l.data = binary.AppendUvarint(l.data, uint64(max(one.column, 1)))
		l.data = binary.AppendUvarint(l.data, uint64(one.width))
		l.encode(one, one.line, depth+1, budget)
	}
}

// number is that of a name: 0 for an item, 1 for a name that does not fit.
func (l *Lines) number(name string) uint64 {
	if name == "" {
		return 0
	}
	if n, found := l.names[name]; found {
		return n
	}
	if len(l.list) >= mostNames || l.bytes+len(name) > mostNameBytes {
		return 1
	}
	const others = 2
	l.bytes += len(name)
	l.list = append(l.list, name)
	l.names[name] = uint64(len(l.list)-1) + others
	return l.names[name]
}

// At is the place that the source of evidence names, "FILE deployment/NS/NAME spec.template...":
// that of the field, or of the innermost one above it that there is. It is false for what is in no
// file.
func (l *Lines) At(source string) (Position, bool) {
	if l == nil {
		return Position{}, false
	}
	hash := fnv.New64a()
	for from := 0; ; {
		i := strings.IndexByte(source[from:], ' ')
		if i < 0 {
			return Position{}, false
		}
		_, _ = hash.Write([]byte(source[from : from+i]))
		if one, found := l.objects[hash.Sum64()]; found {
			return l.inside(one, source[from+i+1:]), true
		}
		_, _ = hash.Write([]byte{' '})
		from += i + 1
	}
}

// Of is the place of an object, or of the first problem of a file. It is false for what is in no
// file.
func (l *Lines) Of(s *fact.Subject) (Position, bool) {
	if l == nil {
		return Position{}, false
	}
	if s.Kind == fact.SubjectFile {
		line := l.problems[s.Name]
		return Position{File: s.Name, Line: line, Column: 1, End: 1}, line > 0
	}
	key := hashed(origin("", s.Kind, s.Namespace, s.Name))
	if s.File != "" {
		key = hashed(origin(s.File+" ", s.Kind, s.Namespace, s.Name))
	} else {
		key = l.first[key]
	}
	one, found := l.objects[key]
	if !found {
		return Position{}, false
	}
	return l.inside(one, ""), true
}

// inside finds a field of an object.
func (l *Lines) inside(one placed, path string) Position {
	p := Position{File: l.files[one.file], Line: int(one.line), Column: int(one.column), End: int(one.column) + 1}
	if one.at < 0 {
		return p
	}
	r := fieldReader{data: l.data[one.at:]}
	for {
		name, index, rest, ok := nextStep(path)
		if !ok {
			return p
		}
		number, known := l.names[name]
		if index < 0 && !known {
			return p
		}
		if !r.enter(number, index, &p) {
			return p
		}
		path = rest
	}
}

// nextStep cuts the first step from a path: ".name", "[2]" or "[name]". Index is -1 for a name.
func nextStep(path string) (name string, index int, rest string, ok bool) {
	path = strings.TrimPrefix(path, ".")
	if strings.HasPrefix(path, "[") {
		inner, rest, closed := strings.Cut(path[1:], "]")
		if n, err := strconv.Atoi(inner); err == nil && n >= 0 {
			return "", n, rest, closed
		}
		return inner, -1, rest, closed
	}
	end := strings.IndexAny(path, ".[ ")
	if end < 0 {
		end = len(path)
	}
	return path[:end], -1, path[end:], end > 0
}

// fieldReader reads what encode wrote. It is at the number of a value's fields.
type fieldReader struct{ data []byte }

func (r *fieldReader) next() uint64 {
	n, size := binary.Uvarint(r.data)
	r.data = r.data[max(size, 0):]
	return n
}

// enter goes to a field by its name's number, or to an item, and sets its place. It is false if
// there is none.
func (r *fieldReader) enter(number uint64, index int, p *Position) bool {
	line := p.Line
	for i := range int(r.next()) {
		name := r.next()
		delta, size := binary.Varint(r.data)
		r.data = r.data[max(size, 0):]
		column, width := int(r.next()), int(r.next())
		if index >= 0 && name == 0 && i == index || index < 0 && name == number {
			p.Line, p.Column, p.End = line+int(delta), column, column+width
			return true
		}
		r.skip()
	}
	return false
}

// skip passes over a value's fields.
func (r *fieldReader) skip() {
	for n := r.next(); n > 0; n-- {
		for range 4 {
			r.next()
		}
		r.skip()
	}
}

// shownText is a text as a report shows it.
func shownText(s string) string { return escape.Line(weburl.Clean(s)) }

func hashed(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s))
	return h.Sum64()
}
