package report

import (
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/screen"
)

// tablePrinter prints for people: what was looked at, the scorecard, the findings,
// what was not measured, and what to do next. Wide prints more of each.
//
// If Options.Width is 0, stdout is not a terminal. Then every row is one line, nothing
// is cut, and no column is left out.
type tablePrinter struct {
	opts Options
	wide bool
	// counts are of a report that has only the first findings of those that say the same, by
	// what identifies a finding.
	counts  map[string]*checks.Said
	failing []*checks.Failing
	// controls are those of Options.Mapping; nil if findings are not grouped.
	controls *Controls
}

// Terminals are assumed to be at least leastWidth wide. From oneLineFrom on a finding
// is one line of columns, below that two lines.
const (
	leastWidth  = 40
	oneLineFrom = 160
)

// withControls is the printer with the controls of its mapping.
func (p *tablePrinter) withControls(head *api.ChecklistReport, findings iter.Seq[api.Finding]) *tablePrinter {
	if p.opts.Mapping == "" {
		return p
	}
	own := *p
	own.controls, _ = ControlsOf(p.opts.Mapping, head, findings)
	return &own
}

// Print keeps the findings that it shows. A report can have very many passes, which the table does
// not show unless it was asked to.
func (p *tablePrinter) Print(out io.Writer, report *Report) error {
	whole := *report.Head
	p = p.withControls(report.Head, report.Each)
	if report.few != nil {
		few := &tablePrinter{opts: p.opts, wide: p.wide, controls: p.controls, counts: map[string]*checks.Said{}, failing: report.failing}
		for f, said := range report.few {
			if f.Verdict != api.Pass || p.shows(&f) {
				whole.Findings = append(whole.Findings, f)
				few.counts[findingKey(&f)] = said
			}
		}
		return few.print(out, &whole, report.Stored)
	}
	clusters := map[string]bool{}
	for f := range report.Each {
		// One of each cluster stays: see unnamedCluster.
		if f.Verdict != api.Pass || p.shows(&f) || !clusters[f.Subject.Cluster] {
			whole.Findings = append(whole.Findings, f)
		}
		clusters[f.Subject.Cluster] = true
	}
	return p.print(out, &whole, report.Stored)
}

func findingKey(f *api.Finding) string { return f.Check + " " + f.Subject.Key() }

// addCounts adds to rows the objects, pods and findings that the report does not have, and
// returns how many findings are in no row.
func (p *tablePrinter) addCounts(rows []*row) (others int) {
	in := map[*checks.Said]bool{}
	for _, r := range rows {
		has := map[string]int{}
		for _, o := range r.subjects.objects {
			has[o.Kind]++
		}
		all, findings, pods := map[string]int{}, 0, 0
		for _, f := range r.findings {
			said := p.counts[findingKey(f)]
			if said != nil && said.Kind == "" { // what was too much to be told apart
				others--
			}
			if said == nil || in[said] {
				continue
			}
			in[said] = true
			if said.Kind == "" {
				others += said.Findings
				continue
			}
			all[escape.Line(said.Kind)] += said.Objects
			findings += said.Findings
			pods += said.Pods
		}
		r.pods = max(r.pods, pods)
		r.moreFindings = max(0, findings-len(r.findings))
		for kind, n := range all {
			if more := n - has[kind]; more > 0 {
				if r.subjects.more == nil {
					r.subjects.more = map[string]int{}
				}
				r.subjects.more[kind] = more
			}
		}
	}
	return others
}

func (p *tablePrinter) print(out io.Writer, report *api.ChecklistReport, store *checks.Store) error {
	report = unnamedCluster(report)
	stored := func(out io.Writer, _ *api.ChecklistReport) error { return p.stored(out, store) }
	parts := []func(io.Writer, *api.ChecklistReport) error{p.where, p.nodes, p.scorecard, p.parts, stored, p.findings, p.waivers, p.gaps, p.containers, p.next}
	for _, part := range parts {
		if err := part(out, report); err != nil {
			return err
		}
	}
	return nil
}

// width returns the terminal's width, or 0 without a terminal.
func (p *tablePrinter) width() int {
	if p.opts.Width <= 0 {
		return 0
	}
	return max(p.opts.Width, leastWidth)
}

// where prints what was looked at, on one line if it fits.
func (p *tablePrinter) where(out io.Writer, report *api.ChecklistReport) error {
	var words []string
	c := report.Cluster
	switch scope := report.Spec.Scope; {
	case scope.Local && scope.Root != "":
		words = append(words, "this machine's directory "+escape.Line(scope.Root))
	case scope.Local:
		words = append(words, "this machine")
	case scope.Snapshot != "":
		words = append(words, "snapshot "+escape.Line(scope.Snapshot))
	case len(scope.Files) > 0:
		words = append(words, "files "+escape.Line(strings.Join(scope.Files, ", ")))
	case c.Server != "":
		words = append(words, escape.Line(c.Server))
	}
	words = append(words, p.readFiles(report)...)
	if c.Version != "" {
		words = append(words, escape.Line(c.Version))
	}
	if c.Provider != "" && c.Provider != "unknown" {
		words = append(words, escape.Line(c.Provider))
	}
	if c.Nodes > 0 {
		words = append(words, fmt.Sprintf("%s (%d measured)", count(c.Nodes, "node"), c.MeasuredNodes))
	}
	if c.Pods > 0 {
		pods := count(c.Pods, "pod")
		if idle := notRunning(report); idle > 0 {
			pods += fmt.Sprintf(" (%s not running)", thousands(idle))
		}
		words = append(words, pods)
	}
	if read := report.Read; read != nil && len(report.Spec.Scope.Files) == 0 && read.Workloads > 0 {
		words = append(words, count(read.Workloads, "workload"))
	}
	if c.Secrets != nil {
		words = append(words, count(*c.Secrets, "secret"))
	}
	if narrowed := report.Spec.Scope.Narrowed; narrowed != "" {
		words = append(words, escape.Line(narrowed))
	}
	if w := report.Spec.Scope.WhatIf; w != nil {
		words = append(words, whatIf(w))
	}
	if len(words) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(out, "%s\n\n", strings.Join(p.withUser(words, &c), "\n"))
	return err
}

// maxUser bounds the name of a user, in bytes. A report from a file can hold any text.
const maxUser = 200

// withUser joins words, after the server with who asked it. A name that would need another line
// is only in the wide table.
func (p *tablePrinter) withUser(words []string, c *api.ReportCluster) []string {
	without := p.join(words)
	if c.Server == "" || c.User == "" {
		return without
	}
	with := p.join(slices.Insert(slices.Clone(words), 1, "as "+escape.Short(c.User, maxUser)))
	if p.wide || len(with) <= len(without) {
		return with
	}
	return without
}

// whatIf says that the report is not about what there is.
func whatIf(w *api.WhatIf) string {
	var changes []string
	if w.Patches > 0 {
		changes = append(changes, count(w.Patches, "patch")+" of "+count(w.Patched, "object"))
	}
	if w.Replaced > 0 {
		changes = append(changes, count(w.Replaced, "object")+" replaced")
	}
	if w.Added > 0 {
		changes = append(changes, count(w.Added, "object")+" added")
	}
	return "WHAT IF " + escape.Line(w.Directory) + " were applied (nothing was): " + strings.Join(changes, ", ")
}

// readFiles says how much of the files was judged.
func (p *tablePrinter) readFiles(report *api.ChecklistReport) []string {
	read := report.Read
	if read == nil || len(report.Spec.Scope.Files) == 0 {
		return nil
	}
	words := []string{count(read.Files, "file"), count(read.Objects, "object"), count(read.Workloads, "workload") + " judged"}
	if read.Skipped > 0 {
		words = append(words, thousands(read.Skipped)+" skipped")
	}
	if read.Repeated > 0 {
		words = append(words, count(read.Repeated, "file")+" named twice, read once")
	}
	if read.Foreign > 0 {
		words = append(words, count(read.Foreign, "file")+" without a Kubernetes object")
	}
	return words
}

// join puts words on as few lines as possible, two spaces apart.
func (p *tablePrinter) join(words []string) []string {
	width := p.width()
	if width == 0 {
		return []string{strings.Join(words, "  ")}
	}
	var lines []string
	for _, word := range words {
		last := len(lines) - 1
		if last >= 0 && screen.Width(lines[last])+2+screen.Width(word) <= width {
			lines[last] += "  " + word
			continue
		}
		lines = append(lines, screen.Wrap(word, width)...)
	}
	return lines
}

// notRunning counts the pods that could not be measured because they do not run.
func notRunning(report *api.ChecklistReport) int {
	n := 0
	for i := range report.Answers {
		n = max(n, report.Answers[i].NotRunning)
	}
	return n
}

// questionMin is the least width of the questions before a count is left out.
// answerColumn is the column at which a reason begins.
const (
	questionMin  = 29
	answerColumn = 2
)

func (p *tablePrinter) scorecard(out io.Writer, report *api.ChecklistReport) error {
	if len(report.Answers) == 0 {
		return nil
	}
	t := screen.Table{Color: p.opts.Color, NoHeaders: p.opts.NoHeaders, NoteIndent: 3, Columns: []screen.Column{
		{},
		{Header: "QUESTION", Fold: screen.Wrapping, Min: questionMin},
		{Header: "ANSWER"},
		{Header: "WORKLOADS", Drop: 1},
		{Header: "CRIT", Right: true, Drop: 2},
		{Header: "HIGH", Right: true, Drop: 3},
		{Header: "MED", Right: true, Drop: 4},
		{Header: "LOW", Right: true, Drop: 6},
		{Header: "UNKNOWN", Right: true, Drop: 5},
		{Header: "MEASURED", Right: true, Drop: 7},
	}}
	for _, a := range report.Answers {
		row := screen.Row{NoteFrom: answerColumn, Cells: []screen.Cell{
			{Text: strconv.Itoa(a.Number)},
			{Text: escape.Line(a.Text)},
			answerCell(a.Answer),
			answerCell(a.Workloads),
			countCell(a.Failing[api.Critical], screen.Red),
			countCell(a.Failing[api.High], screen.Red),
			countCell(a.Failing[api.Medium], screen.Yellow),
			countCell(a.Failing[api.Low], screen.Plain),
			countCell(a.Unknowns, screen.Yellow),
			{Text: fmt.Sprintf("%d/%d", a.Measured, a.InScope)},
		}}
		var notes []string
		if a.Answer == api.Unknown && a.Reason != "" {
			notes = append(notes, escape.Line(sayReason(a.Reason)))
		}
		if a.WorkloadsReason != "" {
			notes = append(notes, escape.Line("workloads: "+sayReason(a.WorkloadsReason)))
		}
		if a.Accepted > 0 {
			notes = slices.Insert(notes, 0, thousands(a.Accepted)+" accepted")
		}
		row.Note = strings.Join(notes, "; ")
		t.Rows = append(t.Rows, row)
	}
	if err := p.legend(out, &t, report.Spec.Scope.PlatformNamespaces); err != nil {
		return err
	}
	if err := t.Write(out, p.width()); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out)
	return err
}

// mostPlatform bounds the namespaces of the platform that the table names.
const mostPlatform = 10

// legend explains the words of the table below it, if they are shown. Platform are the namespaces
// that the user called the platform's.
func (p *tablePrinter) legend(out io.Writer, t *screen.Table, platform []string) error {
	if p.opts.NoHeaders {
		return nil
	}
	named := ""
	if len(platform) > 0 {
		named = ", and the user's: " + escape.Line(checks.JoinWords(platform, mostPlatform))
	}
	explained := map[string]string{
		"WORKLOADS": "WORKLOADS: the answer without the platform (kube-system and similar" + named + ").",
		"MEASURED":  "MEASURED: subjects measured / subjects in scope.",
	}
	var words []string
	for _, header := range t.Shown(p.width()) {
		if text := explained[header]; text != "" {
			words = append(words, text)
		}
	}
	return p.dimmed(out, strings.Join(words, " "))
}

// dimmed prints a text that explains another. It prints nothing for "".
func (p *tablePrinter) dimmed(out io.Writer, text string) error {
	if text == "" {
		return nil
	}
	lines := []string{text}
	if width := p.width(); width > 0 {
		lines = screen.Wrap(text, width)
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(out, screen.Painted(line, screen.Dim, p.opts.Color)); err != nil {
			return err
		}
	}
	return nil
}

// sayReason removes the word for machines if the rest says the same. A reason whose
// rest is only a subject ("NotPresent: node w17") keeps the word.
func sayReason(reason string) string {
	for _, begin := range []string{"NotRequested: only ", "NotRequested: did not run", "Unsupported: this version has no ", "NotPresent: nothing was in scope"} {
		if strings.HasPrefix(reason, begin) {
			_, reason, _ = strings.Cut(reason, ": ")
			return reason
		}
	}
	return reason
}

// parts lists the parts of each question, in the wide table.
func (p *tablePrinter) parts(out io.Writer, report *api.ChecklistReport) error {
	if !p.wide {
		return nil
	}
	t := screen.Table{Color: p.opts.Color, NoHeaders: p.opts.NoHeaders, Columns: []screen.Column{
		{},
		{Header: "PART", Fold: screen.CutInside, Min: 24},
		{Header: "ANSWER"},
		{Header: "WORKLOADS", Drop: 1},
		{Header: "MEASURED", Right: true, Drop: 2},
		{Header: "UNKNOWN", Right: true, Drop: 3},
		{Header: "REASON", Fold: screen.Wrapping, Min: 24},
	}}
	for _, a := range report.Answers {
		for _, part := range a.Parts {
			reason := escape.Line(sayReason(part.Reason))
			if part.WorkloadsReason != "" {
				reason = "workloads: " + escape.Line(sayReason(part.WorkloadsReason))
			}
			if part.Accepted > 0 {
				reason = strings.TrimSuffix(thousands(part.Accepted)+" accepted; "+reason, "; ")
			}
			if part.Optional {
				reason = strings.TrimSuffix("optional; "+reason, "; ")
			}
			t.Add(
				screen.Cell{Text: strconv.Itoa(a.Number)},
				screen.Cell{Text: string(a.Question) + ": " + part.Part},
				answerCell(part.Answer),
				answerCell(part.Workloads),
				screen.Cell{Text: fmt.Sprintf("%d/%d", part.Measured, part.InScope)},
				countCell(part.Unknown, screen.Yellow),
				screen.Cell{Text: reason},
			)
		}
	}
	if len(t.Rows) == 0 {
		return nil
	}
	if err := t.Write(out, p.width()); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out)
	return err
}

func answerCell(word api.AnswerWord) screen.Cell {
	switch word {
	case api.Yes:
		return screen.Cell{Text: "YES", Paint: screen.Green}
	case api.No:
		return screen.Cell{Text: "NO", Paint: screen.Red}
	case api.Unknown:
		return screen.Cell{Text: "UNKNOWN", Paint: screen.Yellow}
	}
	return screen.Cell{Text: "-", Paint: screen.Dim}
}

func countCell(n int, paint screen.Paint) screen.Cell {
	if n == 0 {
		return screen.Cell{Text: "0", Paint: screen.Dim}
	}
	return screen.Cell{Text: strconv.Itoa(n), Paint: paint}
}

func severityCell(f *api.Finding) screen.Cell {
	switch f.Verdict {
	case api.VerdictUnknown:
		return screen.Cell{Text: "unknown", Paint: screen.Yellow}
	case api.Accepted:
		return screen.Cell{Text: "accepted", Paint: screen.Dim}
	case api.Pass:
		return screen.Cell{Text: "pass", Paint: screen.Green}
	case api.Fail:
	}
	switch f.Severity {
	case api.Critical, api.High:
		return screen.Cell{Text: string(f.Severity), Paint: screen.Red}
	case api.Medium:
		return screen.Cell{Text: string(f.Severity), Paint: screen.Yellow}
	case api.Low:
	}
	return screen.Cell{Text: escape.Line(string(f.Severity))}
}

// shows reports whether a finding has a row. A finding from a gap has a line below.
// Accepted fails are only in the wide table, unless something else about the subject is
// unknown. Passes are there too, if they were asked for.
func (p *tablePrinter) shows(f *api.Finding) bool {
	switch f.Verdict {
	case api.Fail:
		return true
	case api.VerdictUnknown:
		return !f.FromGap
	case api.Accepted:
		return p.wide || f.Open()
	case api.Pass:
		return p.wide && p.opts.ShowPasses
	}
	return false
}

func (p *tablePrinter) findings(out io.Writer, report *api.ChecklistReport) error {
	switch {
	case p.controls == nil:
	case p.controls.Refused != "":
		if err := p.paragraph(out, []string{"NOTHING IS MAPPED: " + p.controls.Refused, ""}); err != nil {
			return err
		}
	default:
		return p.mapped(out, report)
	}
	return p.rows(out, report)
}

// rows prints the findings of a report that are shown.
func (p *tablePrinter) rows(out io.Writer, report *api.ChecklistReport) error {
	shown := slices.DeleteFunc(
		slices.Clone(Visible(report, p.opts.MinSeverity).Findings),
		func(f api.Finding) bool { return !p.shows(&f) },
	)
	if len(shown) == 0 {
		return nil
	}
	list, more, low := statements(shown), 0, 0
	var rows []*row
	if p.opts.Summary && !p.wide && (p.controls == nil || p.controls.Refused != "") {
		rows, more = summarize(list, report.Answers, summaryRows)
	} else {
		rows = unsortedByMessage(list)
		more = p.addCounts(rows)
		sortRows(rows)
		if !p.wide && p.opts.MinSeverity == "" {
			rows, low = foldLow(rows)
		}
	}
	var err error
	switch width := p.width(); {
	case width > 0 && p.wide:
		err = p.blocks(out, rows, width)
	case width > 0 && width < oneLineFrom:
		err = p.twoLines(out, rows, width)
	default:
		err = p.oneLine(out, rows, width)
	}
	if err != nil {
		return err
	}
	if more > 0 {
		if err := p.more(out, fmt.Sprintf("%d more", more)); err != nil {
			return err
		}
	}
	if low > 0 {
		if err := p.more(out, fmt.Sprintf("%d more of low severity", low)); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(out)
	return err
}

// more says how many lines were left out, and which command prints them.
func (p *tablePrinter) more(out io.Writer, what string) error {
	_, err := fmt.Fprintln(out, strings.Join(p.whole(fmt.Sprintf("... and %s: %s", what, p.opts.Wide)), "\n"))
	return err
}

// whole wraps a text that holds a command.
func (p *tablePrinter) whole(text string) []string {
	if width := p.width(); width > 0 {
		return screen.WrapWhole(text, width)
	}
	return []string{text}
}
