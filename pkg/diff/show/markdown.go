package show

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/diff"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/markdown"
)

// footer is kept for what was left out, characters.
const footer = 1000

// page prints a comment for a pull request. What does not fit is counted. Texts that are not ours
// are in code spans.
func page(out io.Writer, d *api.ChecklistDiff) error {
	var b strings.Builder
	left := markdown.MostCharacters - footer
	full := false
	add := func(text string) bool {
		n := utf8.RuneCountInString(text)
		if full || n > left {
			full = true
			return false
		}
		left -= n
		b.WriteString(text)
		return true
	}
	add("## Checklist: what changed\n\n| Change | Findings | Failing now |\n| --- | --- | --- |\n")
	for _, t := range tallies(&d.Summary) {
		failing := "-"
		if t.failing >= 0 {
			failing = fmt.Sprint(t.failing)
		}
		name := string(t.class)
		if t.n > 0 {
			name = "**" + name + "**"
		}
		add(fmt.Sprintf("| %s | %d | %s |\n", name, t.n, failing))
	}
	add("\n")
	if d.Summary.ByCatalogue > 0 {
		add("- " + byCatalogue(&d.Summary) + "\n")
	}
	add("- Old: " + markdown.Span(side(&d.Old), 600) + "\n- New: " + markdown.Span(side(&d.New), 600) + "\n")
	for _, line := range catalogue(d.Catalogue) {
		add("- Note: " + markdown.Span(line, 2000) + "\n")
	}
	for _, line := range d.Warnings {
		add("- Warning: " + markdown.Span(line, 600) + "\n")
	}
	lostAnswers := 0
	for i, a := range d.Answers {
		if i == 0 {
			add("\n| Question | Part | Old answer | New answer | Reason |\n| --- | --- | --- | --- | --- |\n")
		}
		reason := ""
		if a.New == api.Unknown {
			reason = a.Reason
		}
		if !add(fmt.Sprintf("| %s | %s | %s | %s | %s |\n", markdown.Code(string(a.Question), 40), markdown.Code(a.Part, 40),
			answerOf(a.Old), answerOf(a.New), markdown.Code(reason, 100))) {
			lostAnswers++
		}
	}
	lost := []string{}
	if lostAnswers > 0 {
		lost = append(lost, fmt.Sprintf("%d answers, because of the limit", lostAnswers))
	}
	for _, g := range groups(d, len(d.Changes)) {
		begun, cut := false, 0
		for i := range g.shown {
			c := &g.shown[i]
			state := diff.State(c)
			row := fmt.Sprintf("| %s | %s | %s | %s | %s | %s |\n", severity(state), markdown.Code(states(c), 80), markdown.Code(c.Check, 80),
				markdown.Code(subject(c), 300), markdown.Code(state.Message, 300), markdown.Code(why(c), 200))
			if !begun {
				row = "\n### " + title(g.class) + "\n\n| Severity | Verdict | Check | Subject | Finding | Reason |\n| --- | --- | --- | --- | --- | --- |\n" + row
			}
			begun = true
			if !add(row) {
				cut++
			}
		}
		if cut > 0 {
			lost = append(lost, fmt.Sprintf("%d %s, because of the limit", cut, g.class))
		}
		if g.passes > 0 {
			lost = append(lost, fmt.Sprintf("%d %s that pass", g.passes, g.class))
		}
	}
	full, left = false, footer
	for i, line := range lost {
		if i == 0 {
			add("\n")
		}
		add("- Left out: " + line + "\n")
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func answerOf(a api.AnswerWord) string {
	if a == "" {
		return "not asked"
	}
	return markdown.Word(a)
}
