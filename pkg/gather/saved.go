package gather

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// maxFacts bounds a facts file. 5,000 nodes with 1 MiB of packed frames each would be
// more than anyone keeps. A file of this size is not one of ours.
// On 32 bits it is 512 MiB, because a larger slice may not fit into the address space.
const maxFacts = min(4<<30, math.MaxInt>>2)

// maxFactsMemory bounds the memory that the facts need. Facts of 5,000 nodes need
// 2.7 GB.
const maxFactsMemory = 8 << 30

// Saved reads facts that WriteFacts wrote. It contacts no cluster.
type Saved struct {
	Path string
	// In is read in place of the file, which Path then only names in messages. Nil means the file.
	In io.Reader
	// ControlPlaneNodes are added to those that the facts name.
	ControlPlaneNodes []string
	Warn              func(line string) // as in Cluster
}

// Gather reads the facts. Their scope is that of the run that saved them.
func (s *Saved) Gather(ctx context.Context) (*Gathered, error) {
	saved, digest, err := loadFacts(ctx, s.Path, s.In)
	if err != nil {
		return nil, err
	}
	if err := nameControlPlane(&saved.Facts, s.ControlPlaneNodes, s.Warn); err != nil {
		return nil, err
	}
	return &Gathered{Set: &saved.Facts, Scope: saved.Spec.Scope, Saved: &saved.Spec, Digest: digest}, nil
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

// loadFacts reads a facts file, and gives the digest of its bytes. It returns when the context is done, even if the file
// is a pipe and nobody writes to it.
func loadFacts(ctx context.Context, path string, in io.Reader) (*api.ChecklistFacts, string, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data, err := readFacts(path, in)
		done <- result{data, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			return nil, "", r.err
		}
		sum := sha256.Sum256(r.data)
		facts, err := parseFacts(path, r.data)
		return facts, digestText(sum[:]), err
	case <-ctx.Done():
		return nil, "", ctx.Err()
	}
}

func readFacts(path string, in io.Reader) ([]byte, error) {
	if in == nil {
		file, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("reading facts %q: %w", path, Cause(err))
		}
		defer file.Close() //nolint:errcheck // only read
		in = file
	}
	data, err := io.ReadAll(io.LimitReader(in, maxFacts+1))
	if err != nil {
		return nil, fmt.Errorf("reading facts %q: %w", path, Cause(err))
	}
	if len(data) > maxFacts {
		return nil, fmt.Errorf("reading facts %q: larger than %d bytes", path, int64(maxFacts))
	}
	return data, nil
}

// Cause removes the file name from an operating system's error. It is a temporary
// name, or the message already has it.
func Cause(err error) error {
	var of *fs.PathError
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// parseFacts reads facts. It looks at their kind and version first, so that the error
// for a newer file is about its version and not about some field. Errors quote only a
// version of ours from the file, because the user may have named the wrong file.
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

// version matches the version of an API.
var version = regexp.MustCompile(`^v[0-9]{1,4}((alpha|beta)[0-9]{1,4})?$`)

// text returns the text of a JSON string, or "" for another value or a long string.
func text(value json.RawMessage) string {
	const long = 200
	var text string
	if len(value) > long || json.Unmarshal(value, &text) != nil {
		return ""
	}
	return text
}

// ourVersion returns an apiVersion, quoted, if it is one of ours.
func ourVersion(text string) string {
	if v, found := strings.CutPrefix(text, api.GroupVersion.Group+"/"); found && version.MatchString(v) {
		return strconv.Quote(text)
	}
	return "another version"
}

// jsonProblem describes an error of encoding/json with its line, and says if a file
// was cut short. The library's own error quotes the text, so it is not used.
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

// factsProblem says at which place a file of the right kind does not fit its type.
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
