package gather

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// maxFacts bounds a facts file: 5,000 nodes at 1 MiB of packed frames each
// would be more than anyone keeps; a file this large is not one of ours.
const maxFacts = 4 << 30

// maxFactsMemory bounds what it takes in memory. Facts of 5,000 nodes take 2.7 GB.
const maxFactsMemory = 8 << 30

// Saved reads facts that WriteFacts wrote. No cluster is contacted.
type Saved struct {
	Path string
	// ControlPlaneNodes are named besides those that the facts name.
	ControlPlaneNodes []string
	Warn              func(line string) // as in Cluster
}

// Gather reads the facts. Their scope is that of the run which saved them.
func (s *Saved) Gather(ctx context.Context) (*Gathered, error) {
	saved, err := loadFacts(ctx, s.Path)
	if err != nil {
		return nil, err
	}
	if err := nameControlPlane(&saved.Facts, s.ControlPlaneNodes, s.Warn); err != nil {
		return nil, err
	}
	return &Gathered{Set: &saved.Facts, Scope: saved.Spec.Scope, Saved: &saved.Spec}, nil
}

// WriteFacts writes facts for Saved to read, under the name of their run.
func WriteFacts(out io.Writer, name string, spec api.ReportSpec, set *fact.Set) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", " ")
	return encoder.Encode(api.ChecklistFacts{
		TypeMeta: metav1.TypeMeta{APIVersion: api.GroupVersion.String(), Kind: api.FactsKind},
		ObjectMeta: metav1.ObjectMeta{
			Name:              name,
			CreationTimestamp: metav1.NewTime(set.CollectedAt.Time),
		},
		Spec:  spec,
		Facts: *set,
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
		return nil, fmt.Errorf("reading facts %q: %w", path, Cause(err))
	}
	defer file.Close() //nolint:errcheck // only read
	data, err := io.ReadAll(io.LimitReader(file, maxFacts+1))
	if err != nil {
		return nil, fmt.Errorf("reading facts %q: %w", path, Cause(err))
	}
	if len(data) > maxFacts {
		return nil, fmt.Errorf("reading facts %q: larger than %d bytes", path, int64(maxFacts))
	}
	return data, nil
}

// Cause leaves out the name that an operating system's error carries: a
// temporary one, or one that the message has already.
func Cause(err error) error {
	var of *fs.PathError
	if errors.As(err, &of) {
		return of.Err
	}
	return err
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
		APIVersion json.RawMessage `json:"apiVersion"`
		Kind       json.RawMessage `json:"kind"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return fail("expected a JSON file that --save-facts wrote: %s", jsonProblem(err, data))
	}
	switch kind := text(head.Kind); {
	case kind == api.ReportKind:
		return fail("expected facts that --save-facts wrote, found a report (%s)", api.ReportKind)
	case kind != api.FactsKind:
		return fail("expected kind %s, which --save-facts writes, found another kind", api.FactsKind)
	case text(head.APIVersion) != api.GroupVersion.String():
		return fail("expected apiVersion %q, found %s: another version of this plugin wrote the file", api.GroupVersion, ourVersion(text(head.APIVersion)))
	}
	if weigh(data, reflect.TypeFor[api.ChecklistFacts](), maxFactsMemory) > maxFactsMemory {
		return fail("expected facts of at most some 5,000 nodes, found facts that need more than %d GiB of memory", maxFactsMemory>>30)
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

// text is a JSON string's, "" for another value or a long one.
func text(value json.RawMessage) string {
	const long = 200
	var text string
	if len(value) > long || json.Unmarshal(value, &text) != nil {
		return ""
	}
	return text
}

// ourVersion names an apiVersion, if it is one of ours.
func ourVersion(text string) string {
	if v, found := strings.CutPrefix(text, api.GroupVersion.Group+"/"); found && version.MatchString(v) {
		return strconv.Quote(text)
	}
	return "another version"
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
	return "expected a value in the form that --save-facts writes"
}
