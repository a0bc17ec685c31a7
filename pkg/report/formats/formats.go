// Package formats lists every output format: those of package report, and those that other tools
// read.
package formats

import (
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/csv"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/html"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/junit"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/markdown"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/policyreport"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/prometheus"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/sarif"
)

// All lists every format, in the order in which help shows them.
func All() []report.Format {
	all := append(report.Formats(),
		sarif.Format(),
		junit.Format(),
		html.Format(),
		markdown.Format(),
	)
	all = append(all, policyreport.Formats()...)
	return append(all,
		prometheus.Format(),
		csv.Format(),
	)
}

// Names lists every format as a user types it.
func Names() []string { return report.Names(All()) }

// NewPrinter returns the printer for the value of -o.
func NewPrinter(output string, opts report.Options) (report.Printer, error) {
	return report.Choose(All(), output, opts)
}

// ShowsPasses reports whether a format shows passes. asked is --show-passes.
func ShowsPasses(output string, asked bool) bool {
	format := report.Named(All(), output)
	return format != nil && (format.Passes == nil || format.Passes(asked))
}

// ShowsLines reports whether a format shows lines of files.
func ShowsLines(output string) bool {
	format := report.Named(All(), output)
	return format != nil && format.Lines
}

// SplitFile splits the value of --output-file, FORMAT=PATH. A format with an argument ends at the
// last "=", because an argument can hold one (jsonpath={[?(@.a=="b")]}), and any other format at the
// first, because a path can. ok is false if there is no path.
func SplitFile(value string) (output, path string, ok bool) {
	output, path, ok = strings.Cut(value, "=")
	if format := report.Named(All(), output); format != nil && format.Argument != "" {
		i := strings.LastIndexByte(value, '=')
		output, path = value[:i], value[i+1:]
	}
	return output, path, ok && path != ""
}
