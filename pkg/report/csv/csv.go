// Package csv prints a report as comma-separated values (RFC 4180), for spreadsheets: a record for
// each finding, passes too, and then one for each check and subject that a gap makes unknown if no
// finding says so.
//
// Records after these have no check. Their kind says what they are: Gap (something that was not
// read and that no check of the run needs), Answer (question, part or "" for the whole question,
// verdict yes, no or unknown, message why it is unknown) and LeftOut (message how many findings
// --severity hides). So a filter on "check is not empty" gives the findings alone.
package csv

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

// Kinds of the records that are no finding.
const (
	KindGap     = "Gap"
	KindAnswer  = "Answer"
	KindLeftOut = "LeftOut"
	// KindAbout says what the report is about.
	KindAbout = "About"
	// KindControl is of a control of --mapping (name the control, message the counts of the findings
	// that are evidence for it, in words), KindUncovered of one that no check gives
	// evidence for, KindMapping of what is to be known about the mapping.
	KindControl   = "Control"
	KindUncovered = "ControlWithoutCheck"
	KindMapping   = "Mapping"
)

// columns are the names of the columns, in the order of record.cells. With --mapping, the column of
// controls follows.
var columns = []string{
	"question", "part", "check", "verdict", "severity", "basis", "kind", "namespace", "name", "container",
	"node", "cluster", "file", "message", "evidence", "gap", "accepted", "fingerprint",
}

const columnControls = "controls"

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

// Print prints finding by finding.
func (p printer) Print(out io.Writer, r *report.Report) error {
	w := newWriter(out, r, p.opts.Mapping)
	told, hidden := w.findings(r, p.opts.MinSeverity)
	w.gaps(r.Head.Gaps, told)
	w.answers(r.Head.Answers)
	if w.byControl != nil {
		w.controls(w.byControl)
	}
	w.write(&record{kind: KindAbout, message: "about: " + report.About(r.Head)})
	if hidden > 0 {
		w.write(&record{kind: KindLeftOut, message: fmt.Sprintf("left out: %d (below severity %s)", hidden, p.opts.MinSeverity)})
	}
	w.csv.Flush()
	return w.csv.Error()
}

// record is one line of the output. A field is "" if the record has nothing for its column.
type record struct {
	question, part, check, verdict, severity, basis         string
	kind, namespace, name, container, node, cluster, file   string
	message, evidence, gap, accepted, fingerprint, controls string
}

// cells returns the fields in the order of the columns.
func (r *record) cells() []string {
	return []string{
		r.question, r.part, r.check, r.verdict, r.severity, r.basis, r.kind, r.namespace, r.name, r.container,
		r.node, r.cluster, r.file, r.message, r.evidence, r.gap, r.accepted, r.fingerprint, r.controls,
	}
}

// writer writes records until the first error, which csv.Error returns.
type writer struct {
	csv       *csv.Writer
	byControl *report.Controls // nil without --mapping
	checks    map[string]*api.ReportCheck
	parts     map[string]string
}

// newWriter writes the header.
func newWriter(out io.Writer, r *report.Report, mapping string) *writer {
	w := &writer{csv: csv.NewWriter(out), checks: map[string]*api.ReportCheck{}, parts: report.PartsOf(r.Head, " ")}
	for i := range r.Head.Checks {
		w.checks[r.Head.Checks[i].Check] = &r.Head.Checks[i]
	}
	header := columns
	if c, ok := report.ControlsOf(mapping, r.Head, r.Each); ok {
		w.byControl, header = c, append(slices.Clone(columns), columnControls)
	}
	_ = w.csv.Write(header) // csv.Error has it
	return w
}

// write reports whether there was no error yet.
func (w *writer) write(r *record) bool {
	cells := r.cells()
	if w.byControl == nil {
		cells = cells[:len(columns)]
	}
	for i := range cells {
		cells[i] = cell(cells[i])
	}
	return w.csv.Write(cells) == nil
}

// findings writes a record for each finding that a severity does not hide. It returns the gaps that
// they tell, and how many are hidden.
func (w *writer) findings(r *report.Report, least api.Severity) (told *report.Told, hidden int) {
	told = report.NewTold(r.Head.Gaps)
	for f := range r.Each {
		if report.Hides(&f, least) {
			hidden++
			continue
		}
		told.See(&f)
		one := w.record(&f)
		if w.byControl != nil {
			one.controls = strings.Join(w.byControl.Of(&f), ", ")
		}
		if !w.write(one) {
			break
		}
	}
	return told, hidden
}

// gaps writes a record for each check that a gap makes unknown and that no finding tells, and one
// for each gap that affects no check.
func (w *writer) gaps(gaps []fact.Gap, told *report.Told) {
	for i := range gaps {
		g := &gaps[i]
		left, _ := told.Left(g)
		for _, check := range left {
			f := unread(g, check)
			if c := w.checks[check]; c != nil {
				f.Severity = c.Severity
			}
			w.write(w.record(f))
		}
		if len(g.Affects) == 0 {
			one := w.record(unread(g, ""))
			one.kind, one.fingerprint = KindGap, ""
			one.message = report.SubjectName(g.Subject) + ": " + one.message
			w.write(one)
		}
	}
}

// answers writes a record for each question and each part.
func (w *writer) answers(answers []api.Answer) {
	for i := range answers {
		a := &answers[i]
		w.write(&record{kind: KindAnswer, question: string(a.Question), verdict: string(a.Answer), message: a.Reason})
		for j := range a.Parts {
			p := &a.Parts[j]
			w.write(&record{kind: KindAnswer, question: string(a.Question), part: p.Part, verdict: string(p.Answer), message: p.Reason})
		}
	}
}

// controls writes a record for each control, and for what is to be known about them.
func (w *writer) controls(c *report.Controls) {
	title := c.Title()
	write := func(kind, name, message string) { w.write(&record{kind: kind, name: name, message: message}) }
	if c.Refused != "" {
		write(KindMapping, title, "nothing is mapped: "+c.Refused)
		return
	}
	write(KindMapping, title, c.Meaning())
	for _, note := range c.Notes {
		write(KindMapping, title, note)
	}
	for i := range c.List {
		of := &c.List[i]
		write(KindControl, of.Name(), fmt.Sprintf("%d fail, %d unknown, %d accepted, %d pass",
			of.Counts[api.Fail], of.Counts[api.VerdictUnknown], of.Counts[api.Accepted], of.Counts[api.Pass]))
	}
	for _, id := range c.NotRun {
		write(KindControl, id, "its checks did not run")
	}
	for _, id := range c.Uncovered {
		write(KindUncovered, id, "no check gives evidence for it")
	}
	if !c.Complete {
		write(KindMapping, title, "not every control of this source is known here: the list of those without a check can lack some")
	}
}

// unread is a finding for what a gap makes unknown.
func unread(g *fact.Gap, check string) *api.Finding {
	question, _, _ := strings.Cut(check, "/")
	text := string(g.What) + " not read: " + cmp.Or(g.Detail, string(g.Reason))
	if g.Hint != "" {
		text += " (" + g.Hint + ")"
	}
	return &api.Finding{
		Check: check, Question: api.Question(question), Verdict: api.VerdictUnknown, Subject: g.Subject, Message: text, Reason: g.Reason,
		FromGap: true,
	}
}

// record returns the record of a finding, without its controls.
func (w *writer) record(f *api.Finding) *record {
	s := &f.Subject
	evidence := make([]string, len(f.Evidence))
	for i, e := range f.Evidence {
		evidence[i] = fmt.Sprintf("%s: %s (%s)", e.Source, e.Value, e.Basis)
	}
	accepted := ""
	if a := f.Accepted; a != nil {
		accepted = fmt.Sprintf("%s (by %s, until %s)", a.Reason, a.AcceptedBy, a.Expires)
	}
	return &record{
		question: string(f.Question), part: w.parts[f.Check], check: f.Check,
		verdict: string(f.Verdict), severity: string(f.Severity), basis: string(f.Basis),
		kind: s.Kind, namespace: s.Namespace, name: s.Name, container: s.Container, node: s.Node, cluster: s.Cluster, file: s.File,
		message: f.Message, evidence: strings.Join(evidence, "; "), gap: string(f.Reason), accepted: accepted, fingerprint: f.Fingerprint(),
	}
}

// cell makes a text safe for a spreadsheet, which runs a cell that begins like a formula. The quote
// before it makes it text. White space before a formula does not count there. A spreadsheet whose
// lists have semicolons may take what follows one for a cell of its own.
func cell(text string) string {
	formula := strings.HasPrefix(text, "\t") || strings.HasPrefix(text, "\r")
	if cut := escape.Bounded(text, maxCell); len(text) > maxCell {
		text = cut + " ..."
	} else {
		text = escape.Line(text)
	}
	if !strings.Contains(text, ";") {
		if formula || isFormula(text) {
			return "'" + text
		}
		return text
	}
	var b strings.Builder
	for i, piece := range strings.Split(text, ";") {
		if i > 0 {
			b.WriteByte(';')
		}
		if formula && i == 0 || isFormula(piece) {
			b.WriteByte('\'')
		}
		b.WriteString(piece)
	}
	return b.String()
}

// isFormula reports whether a text begins like a formula, perhaps behind white space or quotes. The
// wide characters count in the Far East.
func isFormula(text string) bool {
	first, _ := utf8.DecodeRuneInString(strings.TrimLeftFunc(text, func(r rune) bool { return r == '"' || unicode.IsSpace(r) }))
	return strings.ContainsRune("=+-@＝＋－＠", first)
}
