package report

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"

	template "github.com/DataDog/datadog-agent/pkg/template/text"
	intjson "k8s.io/apimachinery/pkg/util/json"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
)

// writer writes something of a report. document is the report in JSON.
type writer func(out io.Writer, document []byte) error

// fromText returns the constructor of a format whose argument is a template.
func fromText(name string, parse func(text string) (writer, error)) func(string, Options) (Printer, error) {
	return func(argument string, opts Options) (Printer, error) {
		write, err := parse(argument)
		if err != nil {
			return nil, fmt.Errorf("output format %q: %w", name, err)
		}
		return wholePrinter{opts, func(out io.Writer, report *api.ChecklistReport) error {
			document, err := json.Marshal(Visible(report, opts.MinSeverity))
			if err != nil {
				return err
			}
			return write(out, document)
		}}, nil
	}
}

// fromFile is fromText for a format whose argument names a file with the template.
func fromFile(name string, parse func(text string) (writer, error)) func(string, Options) (Printer, error) {
	return func(argument string, opts Options) (Printer, error) {
		text, err := readTemplate(argument)
		if err != nil {
			return nil, fmt.Errorf("output format %q: reading the template: %w", name, err)
		}
		return fromText(name, parse)(string(text), opts)
	}
}

// mostTemplate bounds a file with a template, and mostQuoted what an error quotes of it, in bytes.
const mostTemplate, mostQuoted = 1 << 20, 200

func readTemplate(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(file, mostTemplate+1))
	if err == nil && len(text) > mostTemplate {
		err = fmt.Errorf("%q: expected at most %d bytes, found more", path, mostTemplate)
	}
	return text, err
}

// quoted is the beginning of a template, for an error: a file can be any file.
func quoted(text string) string { return escape.Short(text, mostQuoted) }

// newGoTemplate parses a template as kubectl's -o go-template does: the same language, the
// same two functions besides Go's own, and whole numbers are integers. A report has no
// methods, so the library needs none. Go's own text/template can call methods by name: a
// program that links it keeps every exported method of every type (see
// docs/dependencies.md).
func newGoTemplate(text string) (writer, error) {
	parsed, err := template.New("output").Funcs(template.FuncMap{
		"exists": exists,
		"base64decode": func(text string) (string, error) {
			data, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return "", fmt.Errorf("base64 decode failed: %w", err)
			}
			return string(data), nil
		},
	}).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("error parsing template %s, %s", quoted(text), escape.Short(err.Error(), mostQuoted))
	}
	return func(out io.Writer, document []byte) error {
		var object map[string]any
		if err := intjson.Unmarshal(document, &object); err != nil {
			return err
		}
		if err := parsed.Execute(out, object); err != nil {
			return fmt.Errorf("error executing template %q: %w", quoted(text), err)
		}
		return nil
	}, nil
}

// exists is kubectl's function of templates: whether "index item indices..." finds
// something, which is not null. Without an index it is always true there.
func exists(item any, indices ...any) bool {
	for _, index := range indices {
		switch in := item.(type) {
		case map[string]any:
			key, is := index.(string)
			if !is {
				return false
			}
			item = in[key]
		case []any:
			i, is := number(index)
			if !is || i < 0 || i >= int64(len(in)) {
				return false
			}
			item = in[i]
		case string:
			i, is := number(index)
			if !is || i < 0 || i >= int64(len(in)) {
				return false
			}
			item = in[i]
		default:
			return false
		}
	}
	return len(indices) == 0 || item != nil
}

// number returns an index, which is a constant of the template or a number of the report.
func number(index any) (int64, bool) {
	if v := reflect.ValueOf(index); v.IsValid() && v.CanInt() {
		return v.Int(), true
	}
	return 0, false
}
