package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/screen"
)

// gapLines bounds the lines about what was not measured, except in the wide table.
const gapLines = 12

// leastName is the shortest subject's name that is searched for in reasons. A shorter
// one would be found in words that mean something else.
const leastName = 3

// cause is one thing that was not read, for one subject or many.
type cause struct {
	subjects subjects
	why      string
	hint     string
	// checks are unknown for every subject. some are unknown only for some subjects
	// (checks of storage, if the control plane is among the nodes). Both are sorted
	// by question.
	checks, some []string
}

// causes joins gaps: first the gaps of one subject with the same reason, then the
// subjects with the same reason. Two reasons that name their subjects are the same if
// only the names differ. The first reason is quoted.
func causes(gaps []fact.Gap) []*cause {
	type about struct{ subject, why string }
	type one struct {
		subject   fact.Subject
		why, hint string
		checks    []string
	}
	var ones []*one
	index := map[about]*one{}
	for _, gap := range gaps {
		why := string(gap.Reason)
		if gap.Detail != "" {
			why += ": " + gap.Detail
		}
		k := about{gap.Subject.Key(), why}
		o := index[k]
		if o == nil {
			o = &one{subject: gap.Subject, why: why, hint: gap.Hint}
			ones, index[k] = append(ones, o), o
		}
		for _, check := range gap.Affects {
			if !slices.Contains(o.checks, check) {
				o.checks = append(o.checks, check)
			}
		}
	}
	var out []*cause
	type same struct{ kind, why, hint string }
	byCause := map[same]*cause{}
	for _, o := range ones {
		sortChecks(o.checks)
		k := same{o.subject.Kind, o.why, o.hint}
		if len(o.subject.Name) >= leastName {
			k.why, k.hint = strings.ReplaceAll(o.why, o.subject.Name, "\x00"), strings.ReplaceAll(o.hint, o.subject.Name, "\x00")
		}
		c := byCause[k]
		if c == nil {
			c = &cause{why: escape.Line(o.why), hint: escape.Line(o.hint), checks: o.checks}
			out, byCause[k] = append(out, c), c
		} else {
			c.narrow(o.checks)
		}
		s := escaped(object(o.subject))
		if o.subject.Container != "" {
			s.Name += ":" + escape.Line(o.subject.Container)
		}
		c.subjects.objects = append(c.subjects.objects, s)
	}
	return out
}

// sortChecks orders IDs by question, then by name.
func sortChecks(ids []string) {
	number := map[api.Question]int{}
	for _, info := range checks.Questions() {
		number[info.Question] = info.Number
	}
	slices.SortStableFunc(ids, func(a, b string) int {
		if d := number[questionOf(a)] - number[questionOf(b)]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
}

// narrow keeps in checks only those that another subject loses too.
func (c *cause) narrow(others []string) {
	var common []string
	for _, id := range slices.Concat(c.checks, others) {
		switch both := slices.Contains(c.checks, id) && slices.Contains(others, id); {
		case both && !slices.Contains(common, id):
			common = append(common, id)
		case !both && !slices.Contains(c.some, id):
			c.some = append(c.some, id)
		}
	}
	c.checks = common
	sortChecks(c.some)
}

// questionsOf returns the questions of checks, each once.
func questionsOf(ids []string) []string {
	var out []string
	for _, id := range ids {
		if q := string(questionOf(id)); !slices.Contains(out, q) {
			out = append(out, q)
		}
	}
	return out
}

// lost says what is unknown because of the cause: questions, or checks if details are
// wanted. It is "" if no selected check needs what is missing.
func (c *cause) lost(details bool) string {
	all, some := c.checks, c.some
	if !details {
		all, some = questionsOf(all), questionsOf(some)
		some = slices.DeleteFunc(some, func(q string) bool { return slices.Contains(all, q) })
	}
	var words []string
	switch s := c.subjects.objects; {
	case len(all) == 0:
	case len(s) == 1 && s[0].Kind == fact.SubjectCluster:
		words = append(words, "unknown: "+strings.Join(all, ", "))
	default:
		words = append(words, "unknown there: "+strings.Join(all, ", "))
	}
	if len(some) > 0 {
		words = append(words, "unknown on some of them: "+strings.Join(some, ", "))
	}
	return escape.Line(strings.Join(words, "; "))
}

// help returns the hint, for several subjects the hint of the first.
func (c *cause) help() string {
	if c.hint != "" && len(c.subjects.objects) > 1 && strings.Contains(c.hint, c.subjects.objects[0].Name) {
		return "for the first of them: " + c.hint
	}
	return c.hint
}

// gaps prints what was not measured, and what is unknown because of it.
func (p *tablePrinter) gaps(out io.Writer, report *api.ChecklistReport) error {
	lines := causes(report.Gaps)
	more := 0
	if len(lines) > gapLines && !p.wide {
		lines, more = lines[:gapLines], len(lines)-gapLines
	}
	var b strings.Builder
	for _, c := range lines {
		p.gap(&b, c)
	}
	if more > 0 {
		if err := p.more(&b, fmt.Sprintf("%d more", more)); err != nil {
			return err
		}
	}
	for _, other := range report.Cluster.OtherStores {
		p.labelled(&b, screen.Cell{Text: "NOT JUDGED", Paint: screen.Dim}, escape.Line("another etcd: "+other))
	}
	if b.Len() == 0 {
		return nil
	}
	_, err := fmt.Fprintln(out, b.String())
	return err
}

func (p *tablePrinter) gap(b *strings.Builder, c *cause) {
	label := screen.Cell{Text: "NOT MEASURED", Paint: screen.Yellow}
	lost, help := c.lost(p.wide), p.opts.expand(c.help())
	if p.width() == 0 {
		text := c.subjects.String() + ": " + c.why
		if lost != "" {
			text += "; " + lost
		}
		if help != "" {
			text += " (" + help + ")"
		}
		p.labelled(b, label, text)
		return
	}
	subject := c.subjects.fit(p.width() - len(label.Text) - 3)
	p.labelled(b, label, subject+": "+c.why)
	for _, text := range []string{lost, help} {
		if text == "" {
			continue
		}
		for _, line := range screen.WrapWhole(text, p.width()-2) {
			fmt.Fprintf(b, "  %s\n", line)
		}
	}
}

// labelled prints a text after a label. Further lines are indented by two.
func (p *tablePrinter) labelled(b *strings.Builder, label screen.Cell, text string) {
	lines := []string{label.Text + "  " + text}
	if width := p.width(); width > 0 {
		lines = screen.Wrap(label.Text+" "+text, width-2)
		// The label was wrapped as a part of the text, and the first line has two
		// more columns.
		lines[0] = strings.Replace(lines[0], label.Text+" ", label.Text+"  ", 1)
	}
	for i, line := range lines {
		if i == 0 {
			rest := strings.TrimPrefix(line, label.Text)
			line = screen.Painted(label.Text, label.Paint, p.opts.Color) + rest
		} else {
			line = "  " + line
		}
		b.WriteString(line + "\n")
	}
}
