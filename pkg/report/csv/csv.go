// Package csv prints a report as comma-separated values (RFC 4180), for spreadsheets: a record for
// each finding, passes too.
//
// Records after the findings have no check. Their kind says what they are: Answer (question, part
// or "" for the whole question, verdict YES, NO or UNKNOWN, message why it is unknown) and LeftOut
// (message how many findings --severity hides). So a filter on "check is not empty" gives the
// findings alone.
package csv

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

// Kinds of the records that are no finding.
const (
	KindAnswer  = "Answer"
	KindLeftOut = "LeftOut"
)

// Columns are the names of the columns, in order.
func Columns() []string {
	return []string{
		"question", "part", "check", "verdict", "severity", "basis", "kind", "namespace", "name", "container",
		"node", "cluster", "file", "message", "evidence", "gap", "accepted", "fingerprint",
	}
}

// maxCell is the greatest length of a cell in bytes, without the mark of a cut. Excel refuses
// cells of more than 32,767 characters.
const maxCell = 32_000

// Format is the entry of the list of formats.
func Format() report.Format {
	return report.Format{Name: "csv", New: func(_ string, opts report.Options) (report.Printer, error) {
		return printer{opts}, nil
	}}
}

type printer struct{ opts report.Options }

// Print prints the report.
func (p printer) Print(out io.Writer, r *api.ChecklistReport) error {
	return p.Stream(out, report.Of(r))
}

// Stream prints finding by finding.
func (p printer) Stream(out io.Writer, r *report.Report) error {
	w := csv.NewWriter(out)
	if err := w.Write(Columns()); err != nil {
		return err
	}
	parts := map[string]string{}
	for i := range r.Head.Checks {
		parts[r.Head.Checks[i].Check] = strings.Join(r.Head.Checks[i].Parts, " ")
	}
	hidden := 0
	for f := range r.Each {
		if report.Hides(&f, p.opts.MinSeverity) {
			hidden++
			continue
		}
		if err := w.Write(cells(record(&f, parts[f.Check]))); err != nil {
			return err
		}
	}
	for i := range r.Head.Answers {
		a := &r.Head.Answers[i]
		if err := w.Write(cells(answer(string(a.Question), "", a.Answer, a.Reason))); err != nil {
			return err
		}
		for j := range a.Parts {
			part := &a.Parts[j]
			if err := w.Write(cells(answer(string(a.Question), part.Part, part.Answer, part.Reason))); err != nil {
				return err
			}
		}
	}
	if hidden > 0 {
		text := strconv.Itoa(hidden) + " findings below severity " + string(p.opts.MinSeverity) + " are left out"
		if err := w.Write(cells(bare(KindLeftOut, text))); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

func record(f *api.Finding, parts string) []string {
	s := &f.Subject
	evidence := make([]string, len(f.Evidence))
	for i, e := range f.Evidence {
		evidence[i] = fmt.Sprintf("%s: %s (%s)", e.Source, e.Value, e.Basis)
	}
	accepted := ""
	if a := f.Accepted; a != nil {
		accepted = fmt.Sprintf("%s (by %s, until %s)", a.Reason, a.AcceptedBy, a.Expires)
	}
	return []string{
		string(f.Question), parts, f.Check, string(f.Verdict), string(f.Severity), string(f.Basis),
		s.Kind, s.Namespace, s.Name, s.Container, s.Node, s.Cluster, s.File,
		f.Message, strings.Join(evidence, "; "), string(f.Reason), accepted, f.Fingerprint(),
	}
}

// bare is a record with only a kind and a message.
func bare(kind, message string) []string {
	out := make([]string, len(Columns()))
	for i, column := range Columns() {
		switch column {
		case "kind":
			out[i] = kind
		case "message":
			out[i] = message
		}
	}
	return out
}

func answer(question, part string, word api.AnswerWord, reason string) []string {
	out := bare(KindAnswer, reason)
	out[0], out[1], out[3] = question, part, string(word)
	return out
}

func cells(texts []string) []string {
	for i := range texts {
		texts[i] = cell(texts[i])
	}
	return texts
}

// cell makes a text safe for a spreadsheet, which runs a cell that begins like a formula.
// The quote before it makes it text. White space before a formula does not count there.
func cell(text string) string {
	formula := strings.HasPrefix(text, "\t") || strings.HasPrefix(text, "\r")
	if cut := escape.Bounded(text, maxCell); len(text) > maxCell {
		text = cut + " ..."
	} else {
		text = escape.Line(text)
	}
	if trimmed := strings.TrimSpace(text); formula || trimmed != "" && strings.ContainsRune("=+-@", rune(trimmed[0])) {
		return "'" + text
	}
	return text
}
