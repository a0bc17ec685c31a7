package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

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

// loadFacts reads a facts file. What it says of its kind and version is looked
// at first, so that a newer file gets a word about its version and not about
// some field.
func loadFacts(path string) (*api.ChecklistFacts, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading facts: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	data, err := io.ReadAll(io.LimitReader(file, maxFacts+1))
	if err != nil {
		return nil, fmt.Errorf("reading facts %q: %w", path, err)
	}
	if len(data) > maxFacts {
		return nil, fmt.Errorf("reading facts %q: larger than %d bytes", path, int64(maxFacts))
	}
	return parseFacts(path, data)
}

func parseFacts(path string, data []byte) (*api.ChecklistFacts, error) {
	var head metav1.TypeMeta
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("reading facts %q: expected a JSON file that --save-facts wrote: %w", path, positioned(err, data))
	}
	switch {
	case head.Kind == api.ReportKind:
		return nil, fmt.Errorf("reading facts %q: this is a report (%s); expected facts, as --save-facts writes them", path, head.Kind)
	case head.Kind != api.FactsKind:
		return nil, fmt.Errorf("reading facts %q: expected kind %q, found %q", path, api.FactsKind, head.Kind)
	case head.APIVersion != api.GroupVersion.String():
		return nil, fmt.Errorf("reading facts %q: expected apiVersion %q, found %q: it was written by another version of this plugin", path, api.GroupVersion, head.APIVersion)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var facts api.ChecklistFacts
	if err := decoder.Decode(&facts); err != nil {
		return nil, fmt.Errorf("reading facts %q: %w", path, positioned(err, data))
	}
	if facts.Facts.CollectedAt.IsZero() {
		return nil, fmt.Errorf("reading facts %q: facts.collectedAt is missing", path)
	}
	return &facts, nil
}

// positioned adds the line to an error of encoding/json, and says plainly
// where a file was cut short.
func positioned(err error, data []byte) error {
	var syntax *json.SyntaxError
	var field *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF),
		errors.As(err, &syntax) && syntax.Offset >= int64(len(bytes.TrimSpace(data))):
		return fmt.Errorf("cut short after %d bytes (line %d)", len(data), 1+bytes.Count(data, []byte("\n")))
	case errors.As(err, &syntax):
		return fmt.Errorf("line %d: %w", 1+bytes.Count(data[:min(syntax.Offset, int64(len(data)))], []byte("\n")), err)
	case errors.As(err, &field):
		return fmt.Errorf("line %d: field %s: expected %s, found a JSON %s", 1+bytes.Count(data[:min(field.Offset, int64(len(data)))], []byte("\n")), field.Field, field.Type, field.Value)
	}
	return err
}
