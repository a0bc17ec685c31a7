package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

// maxFacts bounds a facts file: 5,000 nodes at 1 MiB of packed frames each
// would be more than anyone keeps; a file this large is not one of ours.
const maxFacts = 4 << 30

// saveFacts writes a facts file.
func saveFacts(path string, spec api.ReportSpec, set *fact.Set) error {
	facts := api.ChecklistFacts{
		TypeMeta: metav1.TypeMeta{APIVersion: api.GroupVersion.String(), Kind: api.FactsKind},
		ObjectMeta: metav1.ObjectMeta{
			Name:              report.RunName(set),
			CreationTimestamp: metav1.NewTime(set.CollectedAt.Time),
		},
		Spec:  spec,
		Facts: *set,
	}
	return writeFile(path, func(out io.Writer) error {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", " ")
		return encoder.Encode(facts)
	})
}

// loadFacts reads a facts file. It returns when the context is done, even where
// the file is a pipe to which nobody writes.
func loadFacts(ctx context.Context, path string) (*api.ChecklistFacts, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data, err := readFacts(path)
		done <- result{data, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			return nil, r.err
		}
		return parseFacts(path, r.data)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func readFacts(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading facts %q: %w", path, cause(err))
	}
	defer file.Close() //nolint:errcheck // only read
	data, err := io.ReadAll(io.LimitReader(file, maxFacts+1))
	if err != nil {
		return nil, fmt.Errorf("reading facts %q: %w", path, cause(err))
	}
	if len(data) > maxFacts {
		return nil, fmt.Errorf("reading facts %q: larger than %d bytes", path, int64(maxFacts))
	}
	return data, nil
}

// parseFacts reads facts. What they say of their kind and version is looked at
// first, so that a newer file gets a word about its version and not about some
// field. Errors hold nothing of the file but a version of ours: it may be
// another file than was meant.
func parseFacts(path string, data []byte) (*api.ChecklistFacts, error) {
	fail := func(format string, args ...any) (*api.ChecklistFacts, error) {
		return nil, fmt.Errorf("reading facts %q: %s", path, fmt.Sprintf(format, args...))
	}
	var head struct {
		APIVersion any `json:"apiVersion"`
		Kind       any `json:"kind"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return fail("expected a JSON file that --save-facts wrote: %s", jsonProblem(err, data))
	}
	switch {
	case head.Kind == api.ReportKind:
		return fail("this is a report (%s); expected facts, as --save-facts writes them", api.ReportKind)
	case head.Kind != api.FactsKind:
		return fail("expected kind %s, as --save-facts writes it, found another one", api.FactsKind)
	case head.APIVersion != api.GroupVersion.String():
		return fail("expected apiVersion %q, found %s: it was written by another version of this plugin", api.GroupVersion, ourVersion(head.APIVersion))
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var facts api.ChecklistFacts
	if err := decoder.Decode(&facts); err != nil {
		return fail("%s", factsProblem(err, data))
	}
	if facts.Facts.CollectedAt.IsZero() {
		return fail("facts.collectedAt is missing")
	}
	return &facts, nil
}

// version is what a version of an API looks like.
var version = regexp.MustCompile(`^v[0-9]{1,4}((alpha|beta)[0-9]{1,4})?$`)

// ourVersion names an apiVersion, if it is one of ours.
func ourVersion(value any) string {
	text, _ := value.(string)
	if v, found := strings.CutPrefix(text, api.GroupVersion.Group+"/"); found && version.MatchString(v) {
		return strconv.Quote(text)
	}
	return "another one"
}

// jsonProblem words an error of encoding/json with the line, and says plainly
// where a file was cut short. The library's own words quote the text.
func jsonProblem(err error, data []byte) string {
	line := func(offset int64) int { return 1 + bytes.Count(data[:min(offset, int64(len(data)))], []byte("\n")) }
	var syntax *json.SyntaxError
	var field *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF),
		errors.As(err, &syntax) && syntax.Offset >= int64(len(bytes.TrimSpace(data))):
		return fmt.Sprintf("cut short after %d bytes (line %d)", len(data), line(int64(len(data))))
	case errors.As(err, &syntax):
		return fmt.Sprintf("line %d: not valid JSON", line(syntax.Offset))
	case errors.As(err, &field):
		return fmt.Sprintf("line %d: expected an object, found another value", line(field.Offset))
	}
	return "not valid JSON"
}

// factsProblem says where a file of the right kind does not fit its type.
func factsProblem(err error, data []byte) string {
	if at, offset := misplaced(data, reflect.TypeFor[api.ChecklistFacts]()); at != "" {
		return fmt.Sprintf("line %d: %s", 1+bytes.Count(data[:min(offset, int64(len(data)))], []byte("\n")), at)
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) || errors.Is(err, io.ErrUnexpectedEOF) {
		return jsonProblem(err, data)
	}
	return "a value of another form than --save-facts writes"
}

// misplaced finds the first place at which JSON does not fit a type: a field
// that the type has not, or another kind of value. The text holds names of our
// own fields alone; "" where there is no such place. Values that read themselves
// (times, masks) are tried with their own reader.
func misplaced(data []byte, t reflect.Type) (text string, offset int64) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	m := mismatch{decoder: decoder, data: data}
	m.value(t, "")
	return m.text, m.offset
}

type mismatch struct {
	decoder *json.Decoder
	data    []byte
	text    string
	offset  int64
}

var unmarshalerType = reflect.TypeFor[json.Unmarshaler]()

// value reads one value that should be of a type. It returns false where the
// search is over: something was found, or the text ends.
func (m *mismatch) value(t reflect.Type, path string) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	found := func(text string) bool {
		if path != "" {
			text = path + ": " + text
		}
		m.text, m.offset = text, m.decoder.InputOffset()
		return false
	}
	if reflect.PointerTo(t).Implements(unmarshalerType) {
		var raw json.RawMessage
		if m.decoder.Decode(&raw) != nil {
			return false
		}
		if string(raw) != "null" && json.Unmarshal(raw, reflect.New(t).Interface()) != nil {
			return found("a value of another form than --save-facts writes")
		}
		return true
	}
	token, err := m.decoder.Token()
	if err != nil {
		return false
	}
	is := ""
	switch token := token.(type) {
	case nil:
		return true
	case json.Delim:
		is = map[json.Delim]string{'{': "an object", '[': "a list"}[token]
	case string:
		is = "a string"
	case bool:
		is = "true or false"
	case json.Number:
		is = "a number"
		_, whole := token.Int64()
		if t.Kind() == reflect.Uint64 {
			_, whole = strconv.ParseUint(token.String(), 10, 64)
		}
		if whole != nil && wanted(t) == is && t.Kind() != reflect.Float64 {
			return found("expected a whole number")
		}
	}
	if want := wanted(t); is != want && want != "" {
		return found("expected " + want + ", found " + is)
	}
	switch {
	case is == "an object" && t.Kind() == reflect.Struct:
		fields := map[string]reflect.Type{}
		jsonFields(t, fields)
		for m.decoder.More() {
			name, err := m.decoder.Token()
			if err != nil {
				return false
			}
			key, _ := name.(string)
			field, known := fields[strings.ToLower(key)]
			if !known {
				return found("a field that this version does not know")
			}
			inner := strings.TrimPrefix(path+"."+key, ".")
			if !m.value(field, inner) {
				return false
			}
		}
	case is == "an object": // a map; its keys are not ours to show
		for m.decoder.More() {
			if _, err := m.decoder.Token(); err != nil || !m.value(t.Elem(), path) {
				return false
			}
		}
	case is == "a list":
		for i := 0; m.decoder.More(); i++ {
			if !m.value(t.Elem(), fmt.Sprintf("%s[%d]", path, i)) {
				return false
			}
		}
	default:
		return true
	}
	_, err = m.decoder.Token() // the closing delimiter
	return err == nil
}

// wanted is the kind of JSON value that a type is read from.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Interface:
		return ""
	}
	return "a number"
}

// jsonFields lists the fields of a struct by their JSON names in lower case,
// those of embedded ones among them.
func jsonFields(t reflect.Type, into map[string]reflect.Type) {
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name == "" && t.Field(i).Anonymous {
			jsonFields(t.Field(i).Type, into)
			continue
		}
		into[strings.ToLower(name)] = t.Field(i).Type
	}
}
