package diff

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// Bounds of what is read. A parsed YAML document takes many times its size.
const (
	mostReport = 4 << 30
	mostYAML   = 256 << 20
	mostValue  = 16 << 20 // one finding, gap, node, or field of the head
	mostSmall  = 1 << 20  // one answer or check
	mostPeek   = 64 << 10 // within which facts say that they are facts
	mostList   = 10_000   // answers, and checks
)

// ErrFacts is the error of a file of facts.
var ErrFacts = errors.New("expected a report, found facts")

var (
	errNotReport = errors.New("expected a report that -o json or -o yaml printed, or facts that --save-facts wrote; found another file")
	errValue     = errors.New("expected a report; one of its values is too large")
)

// IsFacts reports whether a file is one of facts, by its beginning, which it does not consume.
func IsFacts(in *bufio.Reader) bool {
	head, _ := in.Peek(mostPeek) //nolint:errcheck // a short file is no error here
	decoder := json.NewDecoder(bytes.NewReader(head))
	if begin, err := decoder.Token(); err != nil || begin != json.Delim('{') {
		return false
	}
	for {
		key, err := decoder.Token()
		if err != nil {
			return false
		}
		if key == "kind" {
			kind, err := decoder.Token()
			return err == nil && kind == api.FactsKind
		}
		var skipped json.RawMessage
		if decoder.Decode(&skipped) != nil {
			return false
		}
	}
}

// NewReader returns a reader of which IsFacts can look at the beginning.
func NewReader(in io.Reader) *bufio.Reader { return bufio.NewReaderSize(in, mostPeek) }

// bounded is a reader that ends with an error after a number of bytes: of all, and of one value.
type bounded struct {
	in         io.Reader
	all, value int64
	err        error // of the reader itself
	read       int64
}

var errLarge = fmt.Errorf("larger than %d bytes", int64(mostReport))

func (b *bounded) Read(into []byte) (int, error) {
	switch {
	case b.all <= 0:
		return 0, errLarge
	case b.value <= 0:
		return 0, errValue
	}
	n, err := b.in.Read(into[:min(int64(len(into)), b.all, b.value)])
	b.all, b.value, b.read = b.all-int64(n), b.value-int64(n), b.read+int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// Read reads a report of JSON or YAML. Its errors quote nothing from it.
func Read(in *bufio.Reader) (*Side, error) {
	first, err := in.Peek(1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	var source io.Reader = in
	if len(first) == 0 || first[0] != '{' {
		text, err := io.ReadAll(io.LimitReader(in, mostYAML+1))
		switch {
		case err != nil:
			return nil, err
		case len(text) > mostYAML:
			return nil, fmt.Errorf("a YAML report is larger than %d bytes; reports of this size can be read as JSON", mostYAML)
		case several(text):
			return nil, errors.New("expected one YAML document, found several")
		}
		text, err = yaml.YAMLToJSON(text)
		if err != nil {
			return nil, errNotReport // the library's own error quotes the file
		}
		source = bytes.NewReader(text)
	}
	b := &bounded{in: source, all: mostReport, value: mostValue}
	r := reader{in: b, decoder: json.NewDecoder(b), side: NewSide(false), head: &api.ChecklistReport{}, seen: map[string]bool{}}
	if err := r.document(); err != nil {
		return nil, r.problem(err)
	}
	return r.side, nil
}

// several reports whether a YAML text has several documents: no scalar can hold the mark between
// them.
func several(text []byte) bool {
	mark := []byte("\n---")
	for begun := 0; ; {
		at := bytes.Index(text[begun:], mark)
		if at < 0 {
			return false
		}
		at += begun
		begun = at + len(mark)
		marks := begun == len(text) || bytes.IndexByte([]byte(" \t\r\n"), text[begun]) >= 0
		// A document can begin with comments and a mark.
		if marks && len(bytes.TrimSpace(comments.ReplaceAll(text[:at], nil))) > 0 {
			return true
		}
	}
}

var comments = regexp.MustCompile(`(?m)^(#.*|---\s*)$`)

// reader reads one JSON document.
type reader struct {
	in      *bounded
	decoder *json.Decoder
	side    *Side
	head    *api.ChecklistReport
	seen    map[string]bool
}

// own is an error in our words.
type own struct{ error }

// problem says what is wrong in words of ours.
func (r *reader) problem(err error) error {
	var (
		ours   own
		syntax *json.SyntaxError
		field  *json.UnmarshalTypeError
	)
	switch {
	case errors.As(err, &ours):
		return ours.error
	case r.in.err != nil:
		return r.in.err
	case errors.Is(err, errLarge), errors.Is(err, errValue), errors.Is(err, ErrFacts):
		return err
	case r.head.Kind != api.ReportKind:
		return errNotReport
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("expected a report, found one that is cut short after %d bytes", r.in.read)
	case errors.As(err, &syntax):
		return fmt.Errorf("expected a report, found a text that is not JSON near byte %d", r.decoder.InputOffset())
	case errors.As(err, &field):
		return fmt.Errorf("expected a report, found a value of another type near byte %d", r.decoder.InputOffset())
	}
	return fmt.Errorf("expected a report, found another value near byte %d", r.decoder.InputOffset())
}

func (r *reader) document() error {
	if begin, err := r.decoder.Token(); err != nil || begin != json.Delim('{') {
		return errNotReport
	}
	for r.decoder.More() {
		key, err := r.decoder.Token()
		if err != nil {
			return err
		}
		name, ok := key.(string)
		switch {
		case !ok:
			return errNotReport
		case fields[name] && r.seen[name]:
			return own{fmt.Errorf("expected a report, found one that has the field %s twice", name)}
		}
		r.seen[name] = fields[name]
		if !fields[name] {
			delete(r.seen, name) // a file can have any number of them
		}
		if err := r.field(name); err != nil {
			return err
		}
	}
	if _, err := r.decoder.Token(); err != nil { // the end of the object
		return err
	}
	switch {
	case r.head.Kind != api.ReportKind:
		return errNotReport
	case r.head.APIVersion != api.GroupVersion.String():
		return own{fmt.Errorf("expected a report of version %s, found %s", api.GroupVersion, version(r.head.APIVersion))}
	}
	r.in.value = mostValue
	if _, err := r.decoder.Token(); !errors.Is(err, io.EOF) {
		if r.in.err != nil || errors.Is(err, errLarge) {
			return err
		}
		return own{errors.New("expected one report, found more after its end")}
	}
	r.side.SetHead(r.head)
	return nil
}

// fields are those of a report that are read.
var fields = map[string]bool{
	"apiVersion": true, "kind": true, "metadata": true, "spec": true, "cluster": true, "checks": true, "answers": true,
	"findings": true, "gaps": true, "nodes": true,
}

// field reads the value of a field.
func (r *reader) field(name string) error {
	r.in.value = mostValue
	switch name {
	case "apiVersion":
		return r.decoder.Decode(&r.head.APIVersion)
	case "kind":
		if err := r.decoder.Decode(&r.head.Kind); err != nil {
			return err
		}
		switch r.head.Kind {
		case api.ReportKind:
			return nil
		case api.FactsKind:
			return ErrFacts
		}
		return errNotReport
	case "metadata":
		return r.decoder.Decode(&r.head.ObjectMeta)
	case "spec":
		return r.decoder.Decode(&r.head.Spec)
	case "cluster":
		return r.decoder.Decode(&r.head.Cluster)
	case "checks":
		return each(r, mostSmall, mostList, func(c *api.ReportCheck) error {
			r.head.Checks = append(r.head.Checks, api.ReportCheck{Check: c.Check, Severity: c.Severity})
			return r.side.keep(entrySize)
		})
	case "answers":
		return each(r, mostSmall, mostList, func(a *api.Answer) error {
			r.head.Answers = append(r.head.Answers, *a)
			return r.side.keep(entrySize * (1 + len(a.Parts)))
		})
	case "findings":
		return each(r, mostValue, 0, r.side.Add)
	case "gaps":
		return each(r, mostValue, 0, r.side.AddGap)
	case "nodes":
		return each(r, mostValue, 0, func(n *api.ReportNode) error {
			r.side.AddNode(n)
			return r.side.keep(0)
		})
	}
	var skipped json.RawMessage
	return r.decoder.Decode(&skipped)
}

// each reads a list one by one: each value has at most size bytes, and there are at most so many,
// or any number if most is 0.
func each[T fact.Gap | api.Finding | api.ReportNode | api.ReportCheck | api.Answer](r *reader, size int64, most int, use func(*T) error) error {
	begin, err := r.decoder.Token()
	switch {
	case err != nil:
		return err
	case begin == nil: // null
		return nil
	case begin != json.Delim('['):
		return own{fmt.Errorf("expected a report, found another value than a list near byte %d", r.decoder.InputOffset())}
	}
	for n := 1; ; n++ {
		r.in.value = size
		if !r.decoder.More() {
			break
		}
		if most > 0 && n > most {
			return own{fmt.Errorf("expected a report, found one with more than %d answers or checks", most)}
		}
		var value T
		if err := r.decoder.Decode(&value); err != nil {
			return err
		}
		if err := use(&value); err != nil {
			return own{err}
		}
	}
	_, err = r.decoder.Token()
	return err
}

// printable matches a version that a report may give, so that it can be shown.
var printable = regexp.MustCompile(`^[a-zA-Z0-9.:/+_-]{1,80}$`)

func version(text string) string {
	if !printable.MatchString(text) {
		return "another one"
	}
	return text
}
