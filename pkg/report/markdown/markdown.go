// Package markdown prints a report as a comment for a pull request. It fits the limit of GitHub
// (65,536 characters), with some room for text around it. Texts that are not ours are in code spans:
// there, no name is a mention, a link or markup.
package markdown

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

const (
	mostCharacters  = 60_000
	leastCharacters = 1000
	footer          = 600 // characters kept for what was left out
)

// Format is the entry of the list of formats.
func Format() report.Format {
	return report.Format{Name: "markdown", New: func(_ string, opts report.Options) (report.Printer, error) {
		if opts.Limit == 0 {
			opts.Limit = mostCharacters
		}
		if opts.Limit < leastCharacters {
			return nil, fmt.Errorf("--limit: expected at least %d characters, found %d", leastCharacters, opts.Limit)
		}
		return printer{opts}, nil
	}}
}

type printer struct{ opts report.Options }

// page is the text so far. What does not fit is not added.
type page struct {
	text strings.Builder
	left int // characters
	full bool
}

// add reports whether the text fits. After one that does not, nothing fits: a page never skips a
// bad finding and shows a better one.
func (p *page) add(text string) bool {
	n := utf8.RuneCountInString(text)
	if p.full || n > p.left {
		p.full = true
		return false
	}
	p.left -= n
	p.text.WriteString(text)
	return true
}

// Print reads the findings once.
func (p printer) Print(out io.Writer, r *report.Report) error {
	to := &page{left: p.opts.Limit - footer}
	rows := answers(to, r.Head)
	var byControl *report.Controls
	lost := 0
	if p.opts.Mapping != "" {
		if c, ok := report.ControlsOf(p.opts.Mapping, r.Head, r.Each); ok {
			byControl, lost = c, controls(to, c)
		}
	}
	// A sixth of the page is for what to do, and what the findings do not need.
	kept := to.left / 6
	to.left -= kept
	todo := remedies{seen: map[string]bool{}}
	left, hidden := p.findings(to, r, byControl, &todo)
	to.full, to.left = false, to.left+kept
	untold := todo.add(to, p.opts.Expand)
	to.full, to.left = false, footer
	to.text.WriteByte('\n')
	if untold > 0 {
		to.add(fmt.Sprintf("- Left out: %d remediations, because of the limit\n", untold))
	}
	if lost > 0 {
		to.add(fmt.Sprintf("- Left out: %d rows of controls, because of the limit\n", lost))
	}
	for _, line := range leftOut(rows, left, hidden) {
		to.add("- " + line + "\n")
	}
	_, err := io.WriteString(out, to.text.String())
	return err
}

// mostRemedies bounds the remediations of a page.
const mostRemedies = 200

// remedies are what to do about the checks that fail, once for each check.
type remedies struct {
	seen   map[string]bool
	checks []string
	texts  []string
	more   int
}

// note keeps the remediation of a fail that is on the page.
func (t *remedies) note(f *api.Finding) {
	if f.Verdict != api.Fail || f.Remediation.Text == "" || t.seen[f.Check] {
		return
	}
	if len(t.checks) == mostRemedies {
		t.more++
		return
	}
	t.seen[f.Check] = true
	t.checks, t.texts = append(t.checks, f.Check), append(t.texts, f.Remediation.Text)
}

// add writes a list, and returns how many did not fit.
func (t *remedies) add(to *page, expand func(string) string) int {
	lost := t.more
	for i, text := range t.texts {
		if expand != nil {
			text = expand(text)
		}
		line := fmt.Sprintf("- %s: %s\n", span(t.checks[i], 80), span(text, 500))
		if i == 0 {
			line = "\n### What to do\n\n" + line
		}
		if !to.add(line) {
			lost++
		}
	}
	return lost
}

// mostAbout bounds the line that says what the page is about, in characters.
const mostAbout = 600

// answers adds the tables of answers and parts, and returns how many rows did not fit.
func answers(to *page, head *api.ChecklistReport) int {
	lost := 0
	row := func(text string) {
		if !to.add(text) {
			lost++
		}
	}
	to.add("## Checklist\n\nAbout " + span(report.About(head), mostAbout) + "\n\n| Question | Answer | Measured | Unknown | Accepted | Reason |\n| --- | --- | --- | --- | --- | --- |\n")
	parts := 0
	for _, a := range head.Answers {
		row(fmt.Sprintf("| %s | %s | %d of %d | %d | %d | %s |\n", code(string(a.Question), 40), word(a.Answer), a.Measured, a.InScope, a.Unknowns, a.Accepted, code(a.Reason, 100)))
		parts += len(a.Parts)
	}
	if parts == 0 {
		return lost
	}
	to.add("\n| Question | Part | Answer | Measured | Unknown | Accepted | Reason |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, a := range head.Answers {
		for _, p := range a.Parts {
			row(fmt.Sprintf("| %s | %s | %s | %d of %d | %d | %d | %s |\n", code(string(a.Question), 40), code(p.Part, 40), word(p.Answer), p.Measured, p.InScope, p.Unknown, p.Accepted, code(p.Reason, 100)))
		}
	}
	return lost
}

// controls adds a table of controls and what no check gives evidence for, and returns how many rows
// did not fit.
func controls(to *page, c *report.Controls) int {
	lost := 0
	add := func(text string) {
		if !to.add(text) {
			lost++
		}
	}
	if c.Refused != "" {
		add("\nNothing is mapped: " + c.Refused + "\n")
		return lost
	}
	add("\n### " + c.Title() + "\n\n" + c.Meaning() + " " + strings.Join(c.Notes, " ") + "\n")
	add("\n| Control | = | Fail | Unknown | Accepted | Pass | Checks |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	row := func(name, same string, counts map[api.Verdict]int, checks string) {
		add(fmt.Sprintf("| %s | %s | %d | %d | %d | %d | %s |\n", code(name, 100), same, counts[api.Fail], counts[api.VerdictUnknown], counts[api.Accepted], counts[api.Pass], code(checks, 600)))
	}
	for i := range c.List {
		same := ""
		if c.List[i].Same {
			same = "="
		}
		row(c.List[i].Name(), same, c.List[i].Counts, strings.Join(c.List[i].Checks, ", "))
	}
	row("(no control)", "", c.Other, "")
	for _, text := range c.Missing() {
		add("\n" + text + "\n")
	}
	return lost
}

// findings adds the worst first, and counts those that do not fit, and those that --severity hides.
// It hides no unknown.
func (p printer) findings(to *page, r *report.Report, byControl *report.Controls, todo *remedies) (left map[api.Verdict]int, hidden int) {
	left = map[api.Verdict]int{}
	parts := report.PartsOf(r.Head, ", ")
	begun := false
	for f := range r.Each {
		switch {
		case report.Hides(&f, p.opts.MinSeverity):
			hidden++
			continue
		case f.Verdict == api.Pass:
			left[api.Pass]++
			continue
		}
		text := row(&f, parts[f.Check], byControl)
		if !begun {
			begun = true
			text = "\n| Verdict | Severity | Check | Part | Subject | Finding | Basis | Evidence |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n" + text
		}
		switch {
		case to.add(text):
			todo.note(&f)
		case f.Verdict == api.Fail || f.Verdict == api.Accepted:
			left[f.Verdict]++
		default: // a word that is no verdict is unknown
			left[api.VerdictUnknown]++
		}
	}
	return left, hidden
}

func row(f *api.Finding, parts string, byControl *report.Controls) string {
	check := code(f.Check, 80)
	if byControl != nil {
		if ids := byControl.Of(f); len(ids) > 0 {
			check += " for " + code(strings.Join(ids, ", "), 200)
		}
	}
	said := code(f.Message, 300)
	if f.Reason != "" {
		said += " reason " + code(string(f.Reason), 60)
	}
	if f.Accepted != nil {
		said += fmt.Sprintf(" accepted by %s until %s: %s", code(f.Accepted.AcceptedBy, 60), code(f.Accepted.Expires, 20), code(f.Accepted.Reason, 200))
	}
	evidence := "-"
	if len(f.Evidence) > 0 {
		evidence = code(f.Evidence[0].Source, 160) + " " + code(f.Evidence[0].Value, 100)
	}
	if more := len(f.Evidence) - 1; more > 0 {
		evidence += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %s | %s |\n", code(string(f.Verdict), 20), code(string(f.Severity), 20),
		check, code(parts, 80), code(report.SubjectName(f.Subject), 300), said, code(string(f.Basis), 20), evidence)
}

// leftOut says what is not on the page, a line for each kind.
func leftOut(rows int, left map[api.Verdict]int, hidden int) []string {
	var lines []string
	for _, kind := range []struct {
		n    int
		name string
	}{
		{rows, "rows of answers, because of the limit"},
		{left[api.Fail], "fail, because of the limit"},
		{left[api.VerdictUnknown], "unknown, because of the limit"},
		{left[api.Accepted], "accepted, because of the limit"},
		{hidden, "below the severity that was asked for"},
		{left[api.Pass], "pass"},
	} {
		if kind.n > 0 {
			lines = append(lines, fmt.Sprintf("Left out: %d %s", kind.n, kind.name))
		}
	}
	return lines
}

// word is an answer. Any other word than ours is unknown.
func word(answer api.AnswerWord) string {
	switch answer {
	case api.Yes:
		return "**YES**"
	case api.No:
		return "**NO**"
	}
	return "**unknown**"
}

// mostBackticks bounds a run of them, and so the fence around it: GitHub's renderer (cmark-gfm) takes
// no run of more than 80 for a fence.
const mostBackticks = 20

var (
	backticks     = regexp.MustCompile("`+")
	manyBackticks = regexp.MustCompile(fmt.Sprintf("(`{%d})`+", mostBackticks))
	slashedPipe   = regexp.MustCompile(`\\\|`)
)

// code returns text as a code span in a cell of a table, cut at limit bytes; "-" if it is empty. A
// space parts a backslash from a pipe after it: some renderers end the cell at \\|, whatever is meant.
func code(text string, limit int) string {
	return strings.ReplaceAll(slashedPipe.ReplaceAllString(span(text, limit), `\ |`), "|", `\|`)
}

// span returns text as a code span outside of tables, where a pipe is only a pipe. The text is cut at
// limit bytes; "-" if it is empty.
func span(text string, limit int) string {
	text = manyBackticks.ReplaceAllString(escape.Short(text, limit), "$1 ... ")
	if text == "" {
		return "-"
	}
	longest := 0
	for _, run := range backticks.FindAllString(text, -1) {
		longest = max(longest, len(run))
	}
	fence, pad := strings.Repeat("`", longest+1), ""
	if longest > 0 {
		pad = " " // a backtick beside the fence would be a part of it
	}
	return fence + pad + text + pad + fence
}
