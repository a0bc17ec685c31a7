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
	"strconv"
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

// Print prints finding by finding.
func (p printer) Print(out io.Writer, r *report.Report) error {
	w := csv.NewWriter(out)
	columns := Columns()
	var byControl *report.Controls
	if p.opts.Mapping != "" {
		if c, ok := report.ControlsOf(p.opts.Mapping, r.Head, r.Each); ok {
			byControl, columns = c, append(columns, "controls")
		}
	}
	if err := w.Write(columns); err != nil {
		return err
	}
	write := func(record []string) error {
		if byControl != nil && len(record) < len(columns) {
			record = append(record, "")
		}
		return w.Write(cells(record))
	}
	known := map[string]*api.ReportCheck{}
	for i := range r.Head.Checks {
		known[r.Head.Checks[i].Check] = &r.Head.Checks[i]
	}
	parts := func(check string) string {
		if c := known[check]; c != nil {
			return strings.Join(c.Parts, " ")
		}
		return ""
	}
	told, hidden := report.NewTold(r.Head.Gaps), 0
	for f := range r.Each {
		if report.Hides(&f, p.opts.MinSeverity) {
			hidden++
			continue
		}
		told.See(&f)
		of := record(&f, parts(f.Check))
		if byControl != nil {
			of = append(of, strings.Join(byControl.Of(&f), ", "))
		}
		if err := write(of); err != nil {
			return err
		}
	}
	for i := range r.Head.Gaps {
		g := &r.Head.Gaps[i]
		left, _ := told.Left(g)
		for _, check := range left {
			f := unread(g, check)
			if c := known[check]; c != nil {
				f.Severity = c.Severity
			}
			if err := write(record(f, parts(check))); err != nil {
				return err
			}
		}
		if len(g.Affects) == 0 {
			row := record(unread(g, ""), "")
			row[6], row[len(row)-1] = KindGap, ""
			row[13] = report.SubjectName(g.Subject) + ": " + row[13]
			if err := write(row); err != nil {
				return err
			}
		}
	}
	for i := range r.Head.Answers {
		a := &r.Head.Answers[i]
		if err := write(answer(string(a.Question), "", a.Answer, a.Reason)); err != nil {
			return err
		}
		for j := range a.Parts {
			part := &a.Parts[j]
			if err := write(answer(string(a.Question), part.Part, part.Answer, part.Reason)); err != nil {
				return err
			}
		}
	}
	if byControl != nil {
		if err := controls(write, byControl); err != nil {
			return err
		}
	}
	if err := write(bare(KindAbout, "about: "+report.About(r.Head))); err != nil {
		return err
	}
	if hidden > 0 {
		text := "left out: " + strconv.Itoa(hidden) + " (below severity " + string(p.opts.MinSeverity) + ")"
		if err := write(bare(KindLeftOut, text)); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// controls writes a record for each control, and for what is to be known about them.
func controls(write func([]string) error, c *report.Controls) error {
	named := func(kind, name, message string) []string {
		out := bare(kind, message)
		out[slices.Index(Columns(), "name")] = name
		return out
	}
	title := c.Title()
	if c.Refused != "" {
		return write(named(KindMapping, title, "nothing is mapped: "+c.Refused))
	}
	records := [][]string{named(KindMapping, title, c.Meaning())}
	for _, note := range c.Notes {
		records = append(records, named(KindMapping, title, note))
	}
	for i := range c.List {
		of := &c.List[i]
		records = append(records, named(KindControl, of.Name(), fmt.Sprintf("%d fail, %d unknown, %d accepted, %d pass",
			of.Counts[api.Fail], of.Counts[api.VerdictUnknown], of.Counts[api.Accepted], of.Counts[api.Pass])))
	}
	for _, id := range c.NotRun {
		records = append(records, named(KindControl, id, "its checks did not run"))
	}
	for _, id := range c.Uncovered {
		records = append(records, named(KindUncovered, id, "no check gives evidence for it"))
	}
	if !c.Complete {
		records = append(records, named(KindMapping, title, "not every control of this source is known here: the list of those without a check can lack some"))
	}
	for _, r := range records {
		if err := write(r); err != nil {
			return err
		}
	}
	return nil
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
