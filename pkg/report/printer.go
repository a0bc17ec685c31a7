package report

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
)

// Options are the settings of a printer besides its format.
type Options struct {
	Color     bool
	NoHeaders bool
	// MinSeverity hides findings below it, but none that is unknown; answers do not change.
	MinSeverity api.Severity
	// Summary makes the table print the scorecard and the most important findings
	// instead of every finding.
	Summary bool
	// ShowPasses prints passes in the wide table too.
	ShowPasses bool
	// Width is the terminal's width in columns, which the table fits. It is 0 if
	// stdout is not a terminal.
	Width int
	// Catalogue holds every check, for what a finding does not say about its check:
	// titles, reasons, references.
	Catalogue []checks.Check
	// AllowUnknown makes what is unknown no error, in formats that tell the two apart.
	AllowUnknown bool
	// Limit is the greatest length of a text in characters, in formats that have one. 0 means
	// the format's own.
	Limit int
	// Mapping is the benchmark by whose controls findings are grouped; "" for none.
	Mapping string
	// Wide is the command that prints the same report as a wide table.
	Wide string
	// Expand adds the user's own flags to the commands of a text. Texts hold
	// commands without any of the user's flags. nil leaves them unchanged.
	Expand func(text string) string
}

// expand calls Expand if it is set.
func (o *Options) expand(text string) string {
	if o.Expand == nil {
		return text
	}
	return o.Expand(text)
}

// expanded returns the report with the user's own flags in the commands of hints and
// remediations.
func (o *Options) expanded(report *api.ChecklistReport) *api.ChecklistReport {
	if o.Expand == nil {
		return report
	}
	out := *report
	out.Findings, out.Gaps = slices.Clone(report.Findings), slices.Clone(report.Gaps)
	for i := range out.Findings {
		out.Findings[i].Remediation.Text = o.expand(out.Findings[i].Remediation.Text)
	}
	for i := range out.Gaps {
		out.Gaps[i].Hint = o.expand(out.Gaps[i].Hint)
	}
	return &out
}

// Printer writes one report. It reads the findings one by one if its format allows that.
type Printer interface {
	Print(out io.Writer, report *Report) error
}

// Print prints a report through a buffer.
func Print(out io.Writer, printer Printer, report *Report) error {
	buffered := bufio.NewWriterSize(out, 1<<16)
	if err := printer.Print(buffered, report); err != nil {
		return err
	}
	return buffered.Flush()
}

// wholePrinter is a Printer of a format that needs the whole report in memory. Commands have the
// user's own flags. A template can fail in its middle: all is printed, or nothing.
type wholePrinter struct {
	opts  Options
	print func(out io.Writer, report *api.ChecklistReport) error
}

func (p wholePrinter) Print(out io.Writer, report *Report) error {
	var text bytes.Buffer
	if err := p.print(&text, p.opts.expanded(report.Whole())); err != nil {
		return err
	}
	_, err := out.Write(text.Bytes())
	return err
}

// Format is one entry of the list of formats.
type Format struct {
	Name string
	// Argument names what follows "NAME=". It is "" if nothing may follow.
	Argument string
	// Passes reports whether the format shows passes, or counts them finding by finding. asked is
	// --show-passes. Nil means that it always does.
	Passes func(asked bool) bool
	New    func(argument string, opts Options) (Printer, error)
	// Lines reports whether the format shows lines of files (Report.Place).
	Lines bool
}

func neverPasses(bool) bool { return false }

// Formats lists the formats of this package. Package formats adds those of other tools.
func Formats() []Format {
	return []Format{
		{"table", "", neverPasses, func(_ string, o Options) (Printer, error) { return &tablePrinter{opts: o}, nil }, false},
		{"wide", "", func(asked bool) bool { return asked }, func(_ string, o Options) (Printer, error) { return &tablePrinter{opts: o, wide: true}, nil }, false},
		{"json", "", nil, func(_ string, o Options) (Printer, error) { return newDocument("json", o), nil }, false},
		{"yaml", "", nil, func(_ string, o Options) (Printer, error) { return newDocument("yaml", o), nil }, false},
		{"name", "", neverPasses, func(_ string, o Options) (Printer, error) { return namePrinter{o}, nil }, false},
		{"jsonpath", "TEMPLATE", nil, fromText("jsonpath", newJSONPath), false},
		{"jsonpath-file", "FILE", nil, fromFile("jsonpath-file", newJSONPath), false},
		{"go-template", "TEMPLATE", nil, fromText("go-template", newGoTemplate), false},
		{"go-template-file", "FILE", nil, fromFile("go-template-file", newGoTemplate), false},
		{"custom-columns", "HEADER:PATH,...", nil, func(arg string, o Options) (Printer, error) { return newCustomColumns(arg, o) }, false},
	}
}

// NewPrinter returns the printer for the value of -o, of the formats of this package.
func NewPrinter(output string, opts Options) (Printer, error) { return Choose(Formats(), output, opts) }

// Named returns the format that a value of -o names; nil if there is none. The value can have an
// argument.
func Named(formats []Format, output string) *Format {
	name, _, _ := strings.Cut(cmp.Or(output, "table"), "=")
	if i := slices.IndexFunc(formats, func(f Format) bool { return f.Name == name }); i >= 0 {
		return &formats[i]
	}
	return nil
}

// Names lists formats as a user types them.
func Names(formats []Format) []string {
	var names []string
	for _, f := range formats {
		if f.Argument != "" {
			names = append(names, f.Name+"=")
			continue
		}
		names = append(names, f.Name)
	}
	return names
}

// Choose returns the printer for the value of -o.
func Choose(formats []Format, output string, opts Options) (Printer, error) {
	format := Named(formats, output)
	name, argument, hasArgument := strings.Cut(output, "=")
	switch {
	case format == nil:
		return nil, fmt.Errorf("output format %q is not supported; use one of: %s", output, strings.Join(Names(formats), ", "))
	case format.Argument == "" && hasArgument:
		return nil, fmt.Errorf("output format %q takes no argument, found %q", name, argument)
	case format.Argument != "" && argument == "":
		return nil, fmt.Errorf("output format %q needs an argument: %s=%s", name, name, format.Argument)
	}
	return format.New(argument, opts)
}

// Hides reports whether a printer leaves out a finding because its severity is below the least. It
// never hides what is unknown: an alert that is missing in the next output is closed as fixed. That
// includes a low fail about whose subject something is unknown: it may have been a worse one, measured,
// before its node went silent. A word that is no verdict is unknown.
func Hides(f *api.Finding, least api.Severity) bool {
	return f.Verdict.OrUnknown() != api.VerdictUnknown && !f.Open() && f.Severity.Rank() < least.Rank()
}

// Visible returns the report without the findings that a severity hides, and says how many they are.
// Answers stay as they are.
func Visible(report *api.ChecklistReport, least api.Severity) *api.ChecklistReport {
	if least == "" {
		return report
	}
	visible := *report
	visible.Findings = []api.Finding{}
	for i := range report.Findings {
		if Hides(&report.Findings[i], least) {
			visible.Spec.Inputs.Hidden++
			continue
		}
		visible.Findings = append(visible.Findings, report.Findings[i])
	}
	return &visible
}

// PartsOf returns, by check, the parts of questions that a check of the report counts for, with a
// separator between them.
func PartsOf(head *api.ChecklistReport, separator string) map[string]string {
	parts := map[string]string{}
	for i := range head.Checks {
		parts[head.Checks[i].Check] = strings.Join(head.Checks[i].Parts, separator)
	}
	return parts
}

// namePrinter prints a line for each failing or unknown finding: its
// fingerprint, check and subject.
type namePrinter struct{ opts Options }

// Print reads the findings twice: the first time only for the clusters that they name.
func (p namePrinter) Print(out io.Writer, report *Report) error {
	visible := func(yield func(api.Finding) bool) {
		for f := range report.Each {
			if !Hides(&f, p.opts.MinSeverity) && !yield(f) {
				return
			}
		}
	}
	unnamed := oneCluster(report.Head, visible)
	for f := range visible {
		if f.Verdict != api.Fail && f.Verdict != api.VerdictUnknown {
			continue
		}
		if unnamed {
			f.Subject.Cluster = ""
		}
		if _, err := fmt.Fprintf(out, "%s %s %s\n", f.Verdict, f.Check, escape.Line(SubjectName(f.Subject))); err != nil {
			return err
		}
	}
	return nil
}
