package report

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// tablePrinter prints for people: where, the scorecard, the findings that
// fail, what was not measured, and what to do next. Wide prints every finding
// with its evidence.
type tablePrinter struct {
	opts Options
	wide bool
}

const (
	// summaryRows bounds the findings below the scorecard of the root command.
	summaryRows = 15
	// groupFrom is how many findings of one check with one message the table
	// shows as one row.
	groupFrom = 4
	// messageWidth is where the table, never wide, cuts a message, and
	// leastMessage how much a narrow terminal leaves of it.
	messageWidth = 110
	leastMessage = 40
	// reasonWidth is where the scorecard cuts a reason.
	reasonWidth = 96
)

func (p *tablePrinter) Print(out io.Writer, report *api.ChecklistReport) error {
	parts := []func(io.Writer, *api.ChecklistReport) error{p.where, p.scorecard, p.parts, p.findings, p.gaps, p.next}
	for _, part := range parts {
		if err := part(out, report); err != nil {
			return err
		}
	}
	return nil
}

// where prints one line: what was looked at.
func (p *tablePrinter) where(out io.Writer, report *api.ChecklistReport) error {
	var words []string
	c := report.Cluster
	switch scope := report.Spec.Scope; {
	case scope.Local && scope.Root != "":
		words = append(words, "this machine's directory "+Escape(scope.Root))
	case scope.Local:
		words = append(words, "this machine")
	case scope.Snapshot != "":
		words = append(words, "snapshot "+Escape(scope.Snapshot))
	case len(scope.Files) > 0:
		words = append(words, "files "+Escape(strings.Join(scope.Files, ", ")))
	case c.Server != "":
		words = append(words, Escape(c.Server))
	}
	if c.Version != "" {
		words = append(words, Escape(c.Version))
	}
	if c.Provider != "" && c.Provider != "unknown" {
		words = append(words, Escape(c.Provider))
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
	if c.Secrets != nil {
		words = append(words, count(*c.Secrets, "secret"))
	}
	if narrowed := report.Spec.Scope.Narrowed; narrowed != "" {
		words = append(words, Escape(narrowed))
	}
	if len(words) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(out, "%s\n\n", strings.Join(words, "  "))
	return err
}

// notRunning counts the pods that could not be measured because they do not run.
func notRunning(report *api.ChecklistReport) int {
	n := 0
	for i := range report.Answers {
		n = max(n, report.Answers[i].NotRunning)
	}
	return n
}

func (p *tablePrinter) scorecard(out io.Writer, report *api.ChecklistReport) error {
	if len(report.Answers) == 0 {
		return nil
	}
	t := &columns{color: p.opts.Color, right: map[int]bool{4: true, 5: true, 6: true, 7: true, 8: true, 9: true}}
	if !p.opts.NoHeaders {
		t.header("", "QUESTION", "ANSWER", "WORKLOADS", "CRIT", "HIGH", "MED", "LOW", "UNKNOWN", "MEASURED")
	}
	for _, a := range report.Answers {
		t.add(
			cell{text: strconv.Itoa(a.Number)},
			cell{text: a.Text},
			answerCell(a.Answer),
			answerCell(a.Workloads),
			countCell(a.Failing[api.Critical], red),
			countCell(a.Failing[api.High], red),
			countCell(a.Failing[api.Medium], yellow),
			countCell(a.Failing[api.Low], plain),
			countCell(a.Unknowns, yellow),
			cell{text: fmt.Sprintf("%d/%d", a.Measured, a.InScope)},
		)
		if a.Answer == api.Unknown && a.Reason != "" {
			t.note(cut(sayReason(a.Reason), p.reasonWidth()))
		}
		if a.WorkloadsReason != "" {
			t.note(cut("workloads: "+sayReason(a.WorkloadsReason), p.reasonWidth()))
		}
	}
	if err := t.writeTo(out); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out)
	return err
}

// reasonWidth is where a reason below an answer is cut.
func (p *tablePrinter) reasonWidth() int {
	if p.opts.Width > leastMessage {
		return min(reasonWidth, p.opts.Width-len("   "))
	}
	return reasonWidth
}

// sayReason leaves out the words for machines where the rest says as much. A
// reason that names a subject alone ("NotPresent: node w17") keeps its word.
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
	t := &columns{color: p.opts.Color, right: map[int]bool{4: true, 5: true}}
	if !p.opts.NoHeaders {
		t.header("", "PART", "ANSWER", "WORKLOADS", "MEASURED", "UNKNOWN", "REASON")
	}
	rows := 0
	for _, a := range report.Answers {
		for _, part := range a.Parts {
			rows++
			reason := sayReason(part.Reason)
			if part.Answer != api.Unknown && reason != "" {
				reason = "workloads: " + reason
			}
			if part.Optional {
				reason = strings.TrimSuffix("optional; "+reason, "; ")
			}
			t.add(
				cell{text: strconv.Itoa(a.Number)},
				cell{text: string(a.Question) + ": " + part.Part},
				answerCell(part.Answer),
				answerCell(part.Workloads),
				cell{text: fmt.Sprintf("%d/%d", part.Measured, part.InScope)},
				countCell(part.Unknown, yellow),
				cell{text: reason},
			)
		}
	}
	if !p.wide || rows == 0 {
		return nil
	}
	if err := t.writeTo(out); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out)
	return err
}

func answerCell(word api.AnswerWord) cell {
	switch word {
	case api.Yes:
		return cell{"YES", green}
	case api.No:
		return cell{"NO", red}
	case api.Unknown:
		return cell{"UNKNOWN", yellow}
	}
	return cell{"-", dim}
}

func countCell(n int, p paint) cell {
	if n == 0 {
		return cell{"0", dim}
	}
	return cell{strconv.Itoa(n), p}
}

func severityCell(f api.Finding) cell {
	text := string(f.Severity)
	switch f.Verdict {
	case api.VerdictUnknown:
		return cell{"unknown", yellow}
	case api.Accepted:
		return cell{"accepted", dim}
	case api.Pass:
		return cell{"pass", green}
	}
	switch f.Severity {
	case api.Critical, api.High:
		return cell{text, red}
	case api.Medium:
		return cell{text, yellow}
	}
	return cell{text, plain}
}

func (p *tablePrinter) findings(out io.Writer, report *api.ChecklistReport) error {
	visible := Visible(report, p.opts.MinSeverity).Findings
	if p.wide {
		return p.wideFindings(out, visible)
	}
	var shown []api.Finding
	for _, f := range visible {
		// A gap has a line of its own below.
		if f.Verdict == api.Fail || f.Verdict == api.VerdictUnknown && !f.FromGap {
			shown = append(shown, f)
		}
	}
	if len(shown) == 0 {
		return nil
	}
	rows := group(shown, p.opts.Summary)
	more := 0
	if p.opts.Summary && len(rows) > summaryRows {
		rows, more = rows[:summaryRows], len(rows)-summaryRows
	}
	t := &columns{color: p.opts.Color}
	if !p.opts.NoHeaders {
		t.header("SEVERITY", "CHECK", "SUBJECT", "EVIDENCE")
	}
	for _, r := range rows {
		t.add(severityCell(r.finding), cell{text: r.finding.Check}, cell{text: Escape(r.subject)},
			cell{text: cut(Escape(r.finding.Message), messageWidth)})
	}
	if p.opts.Width > 0 {
		t.fit(p.opts.Width, leastMessage)
	}
	if err := t.writeTo(out); err != nil {
		return err
	}
	if more > 0 {
		if _, err := fmt.Fprintf(out, "... and %d more: %s -o wide\n", more, p.command(report)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(out)
	return err
}

func (p *tablePrinter) wideFindings(out io.Writer, findings []api.Finding) error {
	if len(findings) == 0 {
		return nil
	}
	t := &columns{color: p.opts.Color}
	if !p.opts.NoHeaders {
		t.header("SEVERITY", "BASIS", "CHECK", "SUBJECT", "PODS", "MESSAGE", "EVIDENCE")
	}
	for _, f := range findings {
		pods := ""
		if f.Subject.PodCount > 0 {
			pods = strconv.Itoa(f.Subject.PodCount)
		}
		var evidence []string
		for _, e := range f.Evidence {
			evidence = append(evidence, e.Source+" = "+e.Value)
		}
		t.add(severityCell(f), cell{text: string(f.Basis)}, cell{text: f.Check},
			cell{text: Escape(SubjectName(f.Subject))}, cell{text: pods},
			cell{text: Escape(f.Message)}, cell{text: Escape(strings.Join(evidence, "; "))})
	}
	if err := t.writeTo(out); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out)
	return err
}

// row is one line of the table: a finding, or several alike.
type row struct {
	finding api.Finding
	subject string
}

// group joins findings that say the same of many subjects, in summaries only.
func group(findings []api.Finding, summary bool) []row {
	type key struct {
		check, message, kind string
		severity             api.Severity
		verdict              api.Verdict
	}
	keyOf := func(f api.Finding) key {
		return key{f.Check, f.Message, f.Subject.Kind, f.Severity, f.Verdict}
	}
	counts := map[key]int{}
	for _, f := range findings {
		counts[keyOf(f)]++
	}
	var rows []row
	done := map[key]bool{}
	for _, f := range findings {
		k := keyOf(f)
		if !summary || counts[k] < groupFrom {
			rows = append(rows, row{f, SubjectName(f.Subject)})
			continue
		}
		if !done[k] {
			done[k] = true
			rows = append(rows, row{f, fmt.Sprintf("%d %ss", counts[k], f.Subject.Kind)})
		}
	}
	return rows
}

// gaps prints a line for each thing that was not measured, and what that costs.
func (p *tablePrinter) gaps(out io.Writer, report *api.ChecklistReport) error {
	type line struct {
		subject, why, hint string
		questions          []string
	}
	type about struct{ subject, why string }
	var lines []*line
	index := map[about]*line{}
	for _, gap := range report.Gaps {
		subject := SubjectName(gap.Subject)
		why := string(gap.Reason)
		if gap.Detail != "" {
			why += ": " + gap.Detail
		}
		l := index[about{subject, why}]
		if l == nil {
			l = &line{subject: subject, why: why, hint: gap.Hint}
			lines, index[about{subject, why}] = append(lines, l), l
		}
		for _, check := range gap.Affects {
			question, _, _ := strings.Cut(check, "/")
			if !slices.Contains(l.questions, question) {
				l.questions = append(l.questions, question)
			}
		}
	}
	const maxLines = 12
	for i, l := range lines {
		if i == maxLines && !p.wide {
			if _, err := fmt.Fprintf(out, "... and %d more: %s -o wide\n", len(lines)-maxLines, p.command(report)); err != nil {
				return err
			}
			break
		}
		text := fmt.Sprintf("%s: %s; unknown there: %s", l.subject, l.why, strings.Join(l.questions, ", "))
		if l.hint != "" {
			text += " (" + l.hint + ")"
		}
		if _, err := fmt.Fprintf(out, "%s  %s\n", painted(cell{"NOT MEASURED", yellow}, p.opts.Color), Escape(text)); err != nil {
			return err
		}
	}
	for _, other := range report.Cluster.OtherStores {
		if _, err := fmt.Fprintf(out, "%s  %s\n", painted(cell{"NOT JUDGED", dim}, p.opts.Color), Escape("another etcd: "+other)); err != nil {
			return err
		}
	}
	if len(lines)+len(report.Cluster.OtherStores) > 0 {
		if _, err := fmt.Fprintln(out); err != nil {
			return err
		}
	}
	return nil
}

// next names the command that helps with the gravest finding.
func (p *tablePrinter) next(out io.Writer, report *api.ChecklistReport) error {
	if !p.opts.Summary {
		return nil
	}
	for _, f := range report.Findings {
		if f.Verdict == api.Fail {
			_, err := fmt.Fprintf(out, "Next: %s explain %s\n", p.opts.Command, f.Check)
			return err
		}
	}
	return nil
}

func (p *tablePrinter) command(report *api.ChecklistReport) string {
	if report.Spec.Command == "" || report.Spec.Command == "checklist" {
		return p.opts.Command
	}
	return p.opts.Command + " " + report.Spec.Command
}

// cut shortens text to a width in runes.
func cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:width-3]) + "..."
}

// count writes "1 node", "3 nodes", with thousands separated.
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return thousands(n) + " " + noun
}

// thousands separates them: "10,000".
func thousands(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
