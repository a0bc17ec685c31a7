package report

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"

	"k8s.io/cli-runtime/pkg/printers"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
)

// newJSONPath parses a template as cli-runtime's printer does. That printer's errors hold
// the whole report, these do not.
func newJSONPath(text string) (writer, error) {
	parsed, err := printers.NewJSONPathPrinter(text)
	if err != nil {
		return nil, fmt.Errorf("error parsing jsonpath %s, %s", quoted(text), escape.Short(err.Error(), mostQuoted))
	}
	parsed.AllowMissingKeys(true)
	return func(out io.Writer, document []byte) error {
		var object map[string]any
		if err := json.Unmarshal(document, &object); err != nil {
			return err
		}
		if err := parsed.Execute(out, object); err != nil {
			return fmt.Errorf("jsonpath: %s", jsonPathProblem(err))
		}
		return nil
	}, nil
}

// The library's errors that hold nothing of the report: numbers, and names of the template.
var (
	outOfBounds = regexp.MustCompile(`^array index out of bounds: index (-?[0-9]+), length ([0-9]+)$`)
	notFound    = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9]{0,62}) is not found$`)
)

func jsonPathProblem(err error) string {
	if match := outOfBounds.FindStringSubmatch(err.Error()); match != nil {
		return fmt.Sprintf("index %s is out of range: the list has %s", match[1], match[2])
	}
	if match := notFound.FindStringSubmatch(err.Error()); match != nil {
		return fmt.Sprintf("the report has no field %q there", match[1])
	}
	return "the template does not fit the report: compare it with -o json"
}
