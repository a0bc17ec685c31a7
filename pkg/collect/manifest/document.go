package manifest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	kjson "sigs.k8s.io/json"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/blockyaml"
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
	// Reason is for machines, Hint is what a user can do.
	Reason fact.Reason
	Hint   string
}

func (p Problem) Error() string {
	where := p.Source
	if place := p.place(); place != "" {
		where += ": " + place
	}
	return where + ": " + p.Text
}

// place is where in the source the problem is; "" for the source as a whole.
func (p Problem) place() string {
	var words []string
	if p.Document > 0 {
		words = append(words, fmt.Sprintf("document %d", p.Document))
	}
	if p.Line > 0 {
		words = append(words, fmt.Sprintf("line %d", p.Line))
	}
	return strings.Join(words, ", ")
}

// Gap is the problem as a gap: the pods that the document declares, if it does, are unknown.
func (p Problem) Gap() fact.Gap {
	detail := p.Text
	if place := p.place(); place != "" {
		detail = place + ": " + p.Text
	}
	return fact.Gap{
		What: fact.Pods, Subject: fact.Subject{Kind: fact.SubjectFile, Name: p.Source},
		Reason: p.Reason, Detail: detail, Hint: p.Hint,
	}
}

// document is one document of a source, or one item of a List in JSON.
type document struct {
	source string
	number int
	text   []byte
	before int // lines of the source before the text
	column int // characters before the text on its first line, of JSON
	first  int // line of the source on which its content starts
	json   bool
	built  bool  // made by kustomize: its lines are in no file
	path   []any // of the text in the document, for an item
}

// problem says what is wrong with a document. Line counts from the start of its
// text; 0 means the document as a whole.
func (d *document) problem(line int, reason fact.Reason, text string) Problem {
	p := Problem{Source: d.source, Document: d.number, Line: d.first, Reason: reason, Text: text}
	if line > 0 {
		// The end of the text is its last line.
		p.Line = d.before + min(line, 1+bytes.Count(bytes.TrimRight(d.text, " \t\r\n"), []byte("\n")))
	}
	if d.built {
		p.Line = 0
	}
	return p
}

// shown names an object in a List, below the path of the text.
func (d *document) shown(path []any) string {
	if len(d.path) == 0 && len(path) == 0 {
		return ""
	}
	return pathText(slices.Concat(d.path, path)) + ": "
}

// toJSON returns the document as JSON, which may be in the buffer.
func (d *document) toJSON(buffer *[]byte) (text []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			text, err = nil, d.problem(0, fact.Unsupported, panicked+crash.Describe(v))
		}
	}()
	if d.json {
		return d.text, nil
	}
	text, simple := blockyaml.ToJSON((*buffer)[:0], d.text)
	*buffer = text[:0]
	if simple {
		return text, nil
	}
	if expanded(d.text, maxDocument) > maxDocument {
		return nil, d.problem(0, fact.Truncated, fmt.Sprintf("expected a document of at most %d MiB with its aliases in full, found more", maxDocument>>20))
	}
	if text, err = convert(d.text); err != nil {
		line, problem := yamlProblem(d.text, err)
		return nil, d.problem(line, fact.Corrupt, problem)
	}
	return text, nil
}

// decode reads a document; nil where it is empty.
func (d *document) decode() (any, error) {
	var buffer []byte
	text, err := d.toJSON(&buffer)
	if err != nil {
		return nil, err
	}
	return d.unmarshal(text)
}

// unmarshal reads JSON. A field that is there twice is an error, because readers differ in
// which of the two counts.
func (d *document) unmarshal(text []byte) (value any, err error) {
	twice, err := kjson.UnmarshalStrict(text, &value, kjson.DisallowDuplicateFields)
	switch {
	case err != nil:
		return nil, d.problem(0, fact.Corrupt, "expected an object, found a value that is not JSON")
	case len(twice) > 0:
		return nil, d.problem(duplicate(d.text), fact.Corrupt, "a field that is there twice")
	}
	return value, nil
}

// panicked starts the text about a bug in this package or in a library.
const panicked = "a bug in this program: "
