package report

import (
	"cmp"
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

// nextSteps bounds the closing lines.
const nextSteps = 3

// step is one thing to do: a check to read about or a hint, and the reason.
type step struct {
	check string // "" for a hint
	hint  string
	why   string
}

// fix is what is known about one check that fails.
type fix struct {
	finding  *api.Finding // the most severe
	objects  []fact.Subject
	more     map[string]int // that are not in the list, by kind
	platform bool           // all of them are the platform's
	// alone are the numbers of the questions whose NO comes from this check alone.
	// beside is how many checks make its question NO, if there are several.
	alone  []int
	number int
	beside int
}

// steps says what to do, in this order: an attack that is happening now; the user's
// own subjects before the platform's; severe findings before the rest. Among these
// comes first what changes most: a check that alone makes a question NO. Then the rank
// decides. If few checks fail, the hint that lets most be measured follows.
func steps(report *api.ChecklistReport, failing []*checks.Failing) []step {
	fixes := map[string]*fix{}
	var order []*fix
	seen := map[string]bool{}
	refuting := map[api.Question][]string{} // checks that make it NO
	for i := range report.Findings {
		f := &report.Findings[i]
		if f.Verdict != api.Fail || f.Counted() == "" {
			continue // what other checks judge is done with them
		}
		if f.Counted() != f.Severity {
			counted := *f
			counted.Severity = f.Counted()
			f = &counted
		}
		x := fixes[f.Check]
		if x == nil {
			x = &fix{finding: f, platform: true}
			fixes[f.Check], order = x, append(order, x)
		}
		if rankOf(f, 1).compare(rankOf(x.finding, 1)) < 0 {
			x.finding = f
		}
		x.platform = x.platform && f.Subject.Platform
		if o := object(f.Subject); !seen[f.Check+" "+o.Key()] {
			seen[f.Check+" "+o.Key()] = true
			x.objects = append(x.objects, escaped(o))
		}
		if f.Severity.Rank() >= api.Medium.Rank() && !slices.Contains(refuting[f.Question], f.Check) {
			refuting[f.Question] = append(refuting[f.Question], f.Check)
		}
	}
	for _, f := range failing {
		x := fixes[escape.Line(f.Check)]
		if x == nil {
			continue
		}
		x.platform = x.platform && !f.Own
		kind, more := escape.Line(f.Kind), f.Objects
		for _, o := range x.objects {
			if o.Kind == kind {
				more--
			}
		}
		if more > 0 {
			if x.more == nil {
				x.more = map[string]int{}
			}
			x.more[kind] += more
		}
	}
	for _, a := range report.Answers {
		for _, id := range refuting[a.Question] {
			if x := fixes[id]; a.Answer == api.No {
				x.number, x.beside = a.Number, len(refuting[a.Question])
				if x.beside == 1 {
					x.alone = append(x.alone, a.Number)
				}
			}
		}
	}
	slices.SortStableFunc(order, func(a, b *fix) int {
		return cmp.Or(
			first(attack(a.finding), attack(b.finding)),
			first(!a.platform, !b.platform),
			first(grave(a.finding.Severity), grave(b.finding.Severity)),
			cmp.Compare(len(b.alone), len(a.alone)),
			rankOf(a.finding, a.count()).compare(rankOf(b.finding, b.count())),
		)
	})
	var out []step
	for _, x := range order[:min(nextSteps, len(order))] {
		out = append(out, step{check: escape.Line(x.finding.Check), why: x.why()})
	}
	if len(out) < nextSteps {
		if c := costliest(report.Gaps); c != nil {
			out = append(out, step{hint: c.hint, why: c.subjects.String() + ": " + c.lost(false)})
		}
	}
	return out
}

// count is how many objects fail.
func (x *fix) count() int {
	s := subjects{objects: x.objects, more: x.more}
	return s.len()
}

// why says how many subjects fail, what to do, and what that would change.
func (x *fix) why() string {
	text := countKinds(x.objects, x.more) + "."
	remedy := escape.Line(x.finding.Remediation.Text)
	if i := strings.Index(remedy, ". "); i > 0 {
		remedy = remedy[:i+1] // explain prints the rest
	}
	if remedy != "" {
		text += " " + remedy
	}
	switch {
	case len(x.alone) > 0:
		text += fmt.Sprintf(" Then question %d is no longer NO.", x.alone[0])
	case x.beside > 1:
		text += fmt.Sprintf(" One of %d checks that make question %d NO.", x.beside, x.number)
	}
	return text
}

// costliest returns the gap with a hint that leaves most unknown, counted as checks
// times subjects.
func costliest(gaps []fact.Gap) *cause {
	var worst *cause
	cost := func(c *cause) int { return len(c.checks)*len(c.subjects.objects) + len(c.some) }
	for _, c := range causes(gaps) {
		if c.hint != "" && cost(c) > 0 && (worst == nil || cost(c) > cost(worst)) {
			worst = c
		}
	}
	return worst
}

// next prints what to do first.
func (p *tablePrinter) next(out io.Writer, report *api.ChecklistReport) error {
	if p.opts.NoHeaders {
		return nil
	}
	const label = "Next: "
	indent := strings.Repeat(" ", len(label))
	var b strings.Builder
	for i, s := range steps(report, p.failing) {
		margin := indent
		if i == 0 {
			margin = label
		}
		what := s.hint
		if s.check != "" {
			what = "kubectl checklist explain " + s.check
		}
		p.hanging(&b, margin, p.opts.expand(what), screen.Plain)
		p.hanging(&b, indent+"  ", p.opts.expand(s.why), screen.Dim)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// hanging prints a text after a margin. Further lines are indented by the width of the
// margin.
func (p *tablePrinter) hanging(b *strings.Builder, margin, text string, paint screen.Paint) {
	lines := []string{text}
	if width := p.width(); width > 0 {
		lines = screen.WrapWhole(text, width-len(margin))
	}
	for _, line := range lines {
		b.WriteString(margin + screen.Painted(line, paint, p.opts.Color) + "\n")
		margin = strings.Repeat(" ", len(margin))
	}
}
