package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"k8s.io/cli-runtime/pkg/printers"
	"k8s.io/client-go/util/jsonpath"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
)

// customColumns prints a row for each finding, with columns as in kubectl get
// -o custom-columns: HEADER:.json.path,... The paths start at the finding.
//
// kubectl's own printer is not used, because its package links every typed client:
// 13 MB, and the plugin uses only four of them.
type customColumns struct {
	headers []string
	paths   []*jsonpath.JSONPath
	opts    Options
}

func newCustomColumns(spec string, opts Options) (Printer, error) {
	p := &customColumns{opts: opts}
	for _, column := range strings.Split(spec, ",") {
		header, path, ok := strings.Cut(column, ":")
		if !ok || header == "" || path == "" {
			return nil, fmt.Errorf("custom-columns: expected HEADER:PATH, found %q", column)
		}
		expression, err := relaxedJSONPath(path)
		if err != nil {
			return nil, fmt.Errorf("custom-columns: column %q: %w", header, err)
		}
		parser := jsonpath.New(header).AllowMissingKeys(true)
		if err := parser.Parse(expression); err != nil {
			return nil, fmt.Errorf("custom-columns: column %q: %w", header, err)
		}
		p.headers, p.paths = append(p.headers, header), append(p.paths, parser)
	}
	return wholePrinter{opts, p.print}, nil
}

// relaxedJSONPath accepts x.y, .x.y and {.x.y}, as kubectl does.
func relaxedJSONPath(path string) (string, error) {
	inner := strings.TrimSuffix(strings.TrimPrefix(path, "{"), "}")
	if strings.ContainsAny(inner, "{}") {
		return "", fmt.Errorf("unexpected brace in path %q", path)
	}
	return "{." + strings.TrimPrefix(inner, ".") + "}", nil
}

func (p *customColumns) print(out io.Writer, report *api.ChecklistReport) error {
	w := printers.GetNewTabWriter(out)
	if !p.opts.NoHeaders {
		if _, err := fmt.Fprintln(w, strings.Join(p.headers, "\t")); err != nil {
			return err
		}
	}
	for _, f := range Visible(report, p.opts.MinSeverity).Findings {
		// On structs jsonpath uses Go field names, but users write JSON names.
		data, err := json.Marshal(f)
		if err != nil {
			return err
		}
		var object map[string]any
		if err := json.Unmarshal(data, &object); err != nil {
			return err
		}
		cells := make([]string, len(p.paths))
		for i, path := range p.paths {
			var cell bytes.Buffer
			if err := path.Execute(&cell, object); err != nil {
				return fmt.Errorf("custom-columns: column %q: %s", p.headers[i], jsonPathProblem(err))
			}
			cells[i] = escape.Line(cell.String())
			if cells[i] == "" {
				cells[i] = "<none>"
			}
		}
		if _, err := fmt.Fprintln(w, strings.Join(cells, "\t")); err != nil {
			return err
		}
	}
	return w.Flush()
}
