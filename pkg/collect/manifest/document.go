package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/crash"
)

// Problem says what is wrong with one document, in our own words only: a
// library's error may quote what it reads, even a Secret's data.
type Problem struct {
	Source string // the file, "stdin", a cleaned URL, or a kustomization
	// Document counts the documents of the source from 1; 0 if there is only
	// one, or if the source as a whole is meant.
	Document int
	// Line counts the lines of the source from 1; 0 if unknown.
	Line int
	Text string
}

func (p Problem) Error() string {
	where := p.Source
	sep := ": "
	if p.Document > 0 {
		where += fmt.Sprintf(": document %d", p.Document)
		sep = ", "
	}
	if p.Line > 0 {
		where += fmt.Sprintf("%sline %d", sep, p.Line)
	}
	return where + ": " + p.Text
}

// document is one document of a source.
type document struct {
	source string
	number int
	of     int // how many there are
	text   []byte
	before int // lines of the source before the text
	first  int // line of the source on which its content starts
	json   bool
	built  bool // made by kustomize: its lines are in no file
}

// problem says what is wrong with a document. Line counts from the start of its
// text; 0 means the document as a whole.
func (d *document) problem(line int, text string) Problem {
	p := Problem{Source: d.source, Line: d.first, Text: text}
	if line > 0 {
		// The end of the text is its last line.
		p.Line = d.before + min(line, 1+bytes.Count(bytes.TrimRight(d.text, " \t\r\n"), []byte("\n")))
	}
	if d.of > 1 {
		p.Document = d.number
	}
	if d.built {
		p.Line = 0
	}
	return p
}

// split finds the documents in a source: YAML documents between lines "---" and
// after lines "...", and JSON documents, which may follow each other directly.
// Problems are lines that begin like a separator but are not one.
func split(source string, data []byte) ([]document, []error) {
	var docs []document
	var problems []error
	lines := bytes.SplitAfter(plainText(data), []byte("\n"))
	start, explicit := 0, false
	flush := func(end int) {
		d := document{source: source, text: bytes.Join(lines[start:end], nil), before: start}
		first, content := 0, false
		for i, line := range lines[start:end] {
			switch trimmed := bytes.TrimSpace(line); {
			case len(trimmed) == 0:
			case trimmed[0] == '#', trimmed[0] == '%' && !explicit:
				if first == 0 {
					first = start + i + 1
				}
			default:
				d.first, content = start+i+1, true
			}
			if content {
				break
			}
		}
		switch {
		case content && bytes.TrimSpace(lines[d.first-1])[0] == '{':
			docs = append(docs, splitJSON(d)...)
		case content:
			docs = append(docs, d)
		case explicit && first > 0: // comments are a separate document
			d.first, d.text = first, nil
			docs = append(docs, d)
		}
	}
	for i, line := range lines {
		mark := len(line) >= 3 && (string(line[:3]) == "---" || string(line[:3]) == "...") &&
			(len(line) == 3 || strings.ContainsRune(" \t\r\n", rune(line[3])))
		if !mark {
			continue
		}
		flush(i)
		start, explicit = i+1, line[0] == '-'
		if rest := bytes.TrimSpace(line[3:]); len(rest) > 0 && rest[0] != '#' {
			problems = append(problems, Problem{Source: source, Line: i + 1, Text: "text on the line of the separator: expected it on the next line"})
		}
	}
	flush(len(lines))
	for i := range docs {
		docs[i].number, docs[i].of = i+1, len(docs)
	}
	return docs, problems
}

// splitJSON separates JSON values that follow each other. Text that does not
// begin with one is YAML, which also has maps in braces.
func splitJSON(d document) []document {
	var docs []document
	decoder := json.NewDecoder(bytes.NewReader(d.text))
	for {
		from := int(decoder.InputOffset())
		var raw json.RawMessage
		err := decoder.Decode(&raw)
		if errors.Is(err, io.EOF) && len(docs) > 0 {
			return docs
		}
		part := d
		part.json = err == nil
		if err != nil && len(docs) == 0 {
			return []document{d}
		}
		text := d.text[from:]
		if err == nil {
			text = d.text[from:decoder.InputOffset()]
		}
		blank := len(text) - len(bytes.TrimLeftFunc(text, unicode.IsSpace))
		part.text = text[blank:]
		part.before = d.before + bytes.Count(d.text[:from+blank], []byte("\n"))
		part.first = part.before + 1
		docs = append(docs, part)
		if err != nil {
			return docs
		}
	}
}

// plainText drops a byte order mark, and turns UTF-16 into UTF-8, as kubectl
// does for files that were made on Windows.
func plainText(data []byte) []byte {
	big := bytes.HasPrefix(data, []byte{0xFE, 0xFF})
	if !big && !bytes.HasPrefix(data, []byte{0xFF, 0xFE}) {
		return bytes.TrimPrefix(data, []byte{0xEF, 0xBB, 0xBF})
	}
	data = data[2:]
	out := make([]byte, 0, len(data))
	var before rune // the first half of a pair
	for ; len(data) >= 2; data = data[2:] {
		r := rune(data[0]) | rune(data[1])<<8
		if big {
			r = rune(data[0])<<8 | rune(data[1])
		}
		pair := utf16.DecodeRune(before, r)
		switch {
		case pair != utf8.RuneError:
			out = utf8.AppendRune(out, pair)
			before = 0
			continue
		case before != 0:
			out = utf8.AppendRune(out, utf8.RuneError)
		}
		before = 0
		if utf16.IsSurrogate(r) {
			before = r
			continue
		}
		out = utf8.AppendRune(out, r)
	}
	return out
}

// decode reads a document; nil where it is empty.
func (d *document) decode() (value any, err error) {
	defer func() {
		if v := recover(); v != nil {
			value, err = nil, d.problem(0, panicked+crash.Describe(v))
		}
	}()
	text := d.text
	if !d.json {
		if text, err = yaml.YAMLToJSON(d.text); err != nil {
			line, problem := yamlProblem(d.text, err)
			return nil, d.problem(line, problem)
		}
	}
	if err := utiljson.Unmarshal(text, &value); err != nil {
		return nil, d.problem(0, "expected an object, found a value that is not JSON")
	}
	return value, nil
}

// panicked starts the text about a bug in this package or in a library.
const panicked = "a bug in this program: "
