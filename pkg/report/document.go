package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/printers"
	"sigs.k8s.io/yaml"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// documentPrinter prints a report as one JSON or YAML document, byte for byte as
// cli-runtime's printer does. That printer needs the whole document in memory, several
// times over. This one writes finding by finding. Commands in it have none of the user's flags:
// the same facts give the same document, whoever prints it.
type documentPrinter struct {
	opts Options
	head printers.ResourcePrinter
	yaml bool
	// empty is how the head's printer prints the field without findings, and before and
	// after what surrounds them if there are any.
	empty, before, after string
	// batch is how many findings are encoded at once.
	batch  int
	encode func(out *bytes.Buffer, findings []api.Finding, first bool) error
}

// ofRuntime returns the printer that cli-runtime has for "json" or "yaml". Its PrintFlags
// have printers for all formats, and those link text/template (see docs/dependencies.md).
func ofRuntime(format string) printers.ResourcePrinter {
	var printer printers.ResourcePrinter = &printers.JSONPrinter{}
	if format == "yaml" {
		printer = &printers.YAMLPrinter{}
	}
	return printers.NewTypeSetter(api.NewScheme()).ToPrinter(printer)
}

func newDocument(format string, opts Options) *documentPrinter {
	p := &documentPrinter{opts: opts, head: ofRuntime(format), yaml: format == "yaml"}
	if format == "json" {
		// No string of a JSON document holds a line feed, so that this is the field of
		// the report itself.
		p.empty, p.before, p.after = "\n    \"findings\": []", "\n    \"findings\": [\n", "\n    ]"
		p.batch, p.encode = 1, encodeJSON
	} else {
		p.empty, p.before, p.after = "\nfindings: []\n", "\nfindings:\n", ""
		p.batch, p.encode = 16, encodeYAML
	}
	return p
}

func encodeJSON(out *bytes.Buffer, findings []api.Finding, first bool) error {
	for i := range findings {
		if !first || i > 0 {
			out.WriteString(",\n")
		}
		const indent = "        "
		out.WriteString(indent)
		encoder := json.NewEncoder(out)
		encoder.SetIndent(indent, "    ")
		if err := encoder.Encode(&findings[i]); err != nil {
			return err
		}
		out.Truncate(out.Len() - 1) // the line feed that an Encoder adds
	}
	return nil
}

func encodeYAML(out *bytes.Buffer, findings []api.Finding, _ bool) error {
	text, err := toYAML(findings)
	out.Write(text)
	return err
}

func toYAML(of any) ([]byte, error) {
	text, err := json.Marshal(of)
	if err != nil {
		return nil, err
	}
	return yaml.JSONToYAML(forYAML(text))
}

// forYAML writes the characters that YAML forbids, and JSON does not, as JSON escapes them: DEL, C1
// and two noncharacters. JSON has characters beyond ASCII only in strings.
func forYAML(document []byte) []byte {
	forbidden := func(r rune) bool { return r >= 0x7f && r < 0xa0 || r == 0xfffe || r == 0xffff }
	if bytes.IndexFunc(document, forbidden) < 0 {
		return document
	}
	var out bytes.Buffer
	for _, r := range string(document) {
		if forbidden(r) {
			fmt.Fprintf(&out, `\u%04x`, r)
		} else {
			out.WriteRune(r)
		}
	}
	return out.Bytes()
}

// printHead prints the report without findings. It counts those that --severity hides before, so
// that the head can say it.
func (p *documentPrinter) printHead(report *Report, out *bytes.Buffer) error {
	head := *report.Head
	if p.opts.MinSeverity != "" {
		for f := range report.Each {
			if Hides(&f, p.opts.MinSeverity) {
				head.Spec.Inputs.Hidden++
			}
		}
	}
	if p.yaml {
		// The runtime's printer fails at a character that YAML forbids.
		head.TypeMeta = metav1.TypeMeta{APIVersion: api.GroupVersion.String(), Kind: api.ReportKind}
		text, err := toYAML(&head)
		out.Write(text)
		return err
	}
	return p.head.PrintObj(&head, out)
}

func (p *documentPrinter) Print(out io.Writer, report *Report) error {
	var head bytes.Buffer
	if err := p.printHead(report, &head); err != nil {
		return err
	}
	start, rest, found := bytes.Cut(head.Bytes(), []byte(p.empty))
	if !found {
		return errors.New("the report has no field for findings")
	}
	if _, err := out.Write(start); err != nil {
		return err
	}
	var (
		text    bytes.Buffer
		pending = make([]api.Finding, 0, p.batch)
		first   = true
	)
	flush := func() error {
		if len(pending) == 0 {
			return nil
		}
		text.Reset()
		if first {
			text.WriteString(p.before)
		}
		if err := p.encode(&text, pending, first); err != nil {
			return err
		}
		pending, first = pending[:0], false
		_, err := out.Write(text.Bytes())
		return err
	}
	for f := range report.Each {
		if Hides(&f, p.opts.MinSeverity) {
			continue
		}
		if pending = append(pending, f); len(pending) == p.batch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	end := p.after
	if first {
		end = p.empty
	}
	if _, err := io.WriteString(out, end); err != nil {
		return err
	}
	_, err := out.Write(rest)
	return err
}
