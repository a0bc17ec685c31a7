package report

import (
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/mapping"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/screen"
)

// Controls are the controls of one benchmark with the findings that give evidence for them.
// Findings never show that a control is met.
type Controls struct {
	mapping.Choice
	// List has the controls that some check of this run gives evidence for, in the benchmark's order.
	List []Control
	// NotRun has those that only checks give evidence for that did not run. Uncovered has those that
	// no check gives evidence for.
	NotRun, Uncovered []string
	// Complete reports whether every control of the benchmark is known. If not, Uncovered can lack
	// some.
	Complete bool
	// Other counts the findings of checks that no control asks for.
	Other map[api.Verdict]int
	// of are the controls of each check that ran.
	of map[string][]string
}

// Control is one control.
type Control struct {
	ID      string
	Heading string   // "" if the ID is the heading, or if the source's text may not be copied
	Same    bool     // some check asks what the control asks; else checks give evidence for a part of it
	Checks  []string // that ran and give evidence for it, sorted
	Counts  map[api.Verdict]int
}

// ControlsOf groups findings by the controls of the mapping that the word names. Findings count
// whatever their severity. ok is false if the word names none.
func ControlsOf(word string, head *api.ChecklistReport, findings iter.Seq[api.Finding]) (_ *Controls, ok bool) {
	choice, ok := mapping.Choose(word, head.Cluster.Version, head.Cluster.Provider)
	if !ok {
		return nil, false
	}
	c := &Controls{Choice: choice, Other: map[api.Verdict]int{}, of: map[string][]string{}}
	if c.Refused != "" {
		return c, true
	}
	ran := map[string]bool{}
	for i := range head.Checks {
		ran[head.Checks[i].Check] = true
	}
	index, missing := map[string]int{}, map[string]bool{}
	var notes []controlNote
	for _, row := range mapping.Rows() {
		if row.Info != c.Info {
			continue
		}
		if row.Note != "" && slices.ContainsFunc(row.Checks, func(check string) bool { return ran[check] }) {
			notes = append(notes, controlNote{row.IDs, row.Note})
		}
		for _, id := range row.IDs {
			for _, check := range row.Checks {
				if !ran[check] {
					missing[id] = true
					continue
				}
				i, known := index[id]
				if !known {
					i = len(c.List)
					index[id] = i
					c.List = append(c.List, Control{ID: id, Heading: mapping.Heading(c.Name, id), Counts: map[api.Verdict]int{}})
				}
				c.List[i].Same = c.List[i].Same || row.Same
				if !slices.Contains(c.List[i].Checks, check) {
					c.List[i].Checks = append(c.List[i].Checks, check)
					c.of[check] = append(c.of[check], id)
				}
			}
		}
	}
	order := mapping.Order(c.Name, c.Version)
	place := func(id string) int { return slices.Index(order, id) }
	for id := range missing {
		if _, some := index[id]; !some {
			c.NotRun = append(c.NotRun, id)
		}
	}
	slices.SortFunc(c.NotRun, func(a, b string) int { return place(a) - place(b) })
	c.note(notes, place)
	for f := range findings {
		ids := c.Of(&f)
		if len(ids) == 0 {
			c.Other[f.Verdict]++
		}
		for _, id := range ids {
			c.List[index[id]].Counts[f.Verdict]++
		}
	}
	for i := range c.List {
		slices.Sort(c.List[i].Checks)
	}
	for _, ids := range c.of {
		slices.SortFunc(ids, func(a, b string) int { return place(a) - place(b) })
	}
	slices.SortFunc(c.List, func(a, b Control) int { return place(a.ID) - place(b.ID) })
	c.Uncovered, c.Complete = mapping.Uncovered(c.Name, c.Version)
	return c, true
}

// controlNote says of controls what the checks do not ask of them, or ask more.
type controlNote struct {
	ids  []string
	text string
}

// note adds what is to be known of the mapping, and of its controls in its order.
func (c *Controls) note(notes []controlNote, place func(string) int) {
	// The slice is the caller's copy of a shared one.
	c.Notes = slices.Clone(c.Notes)
	for _, text := range []string{c.Unsure, c.Info.Note} {
		if text != "" {
			c.Notes = append(c.Notes, text)
		}
	}
	slices.SortStableFunc(notes, func(a, b controlNote) int { return place(a.ids[0]) - place(b.ids[0]) })
	for _, n := range notes {
		c.Notes = append(c.Notes, strings.Join(n.ids, ", ")+": "+n.text)
	}
}

// Of returns the controls that a finding gives evidence for, in the benchmark's order.
func (c *Controls) Of(f *api.Finding) []string {
	var ids []string
	for _, id := range c.of[f.Check] {
		if mapping.Concerns(f, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// Title is the benchmark's name with its version.
func (c *Controls) Title() string { return strings.TrimSpace(c.Info.Title + " " + c.Version) }

// Meaning says what a group of findings is, and what it is not.
func (c *Controls) Meaning() string {
	return "Findings are evidence for or against a control. No number of passes shows that a control is met. =: a check asks what the control asks; any other check asks a part of it."
}

// Missing says which controls nothing here speaks about, in a sentence for each reason.
func (c *Controls) Missing() []string {
	var out []string
	if len(c.NotRun) > 0 {
		out = append(out, fmt.Sprintf("Not judged in this run, because their checks did not run: %s.", strings.Join(c.NotRun, ", ")))
	}
	switch {
	case len(c.Uncovered) > 0:
		out = append(out, fmt.Sprintf("No check gives evidence for %s: %s.", count(len(c.Uncovered), "control"), strings.Join(c.Uncovered, ", ")))
	case c.Complete:
		out = append(out, "Every control has a check that gives evidence for a part of it.")
	}
	if !c.Complete {
		out = append(out, "Not every control of this source is known here: the list of those without a check can lack some.")
	}
	return out
}

// Name is the control's ID, with its heading if it has one.
func (c *Control) Name() string {
	if c.Heading == "" {
		return c.ID
	}
	return c.ID + " " + c.Heading
}

// mapped prints findings by control, in place of findings. It prints each finding under each control
// that its check gives evidence for.
func (p *tablePrinter) mapped(out io.Writer, report *api.ChecklistReport) error {
	c := p.controls
	if err := p.paragraph(out, append([]string{"BY CONTROL: " + c.Title() + " (" + c.Source + ", " + c.Date + "). " + c.Meaning()}, c.Notes...)); err != nil {
		return err
	}
	t := screen.Table{Color: p.opts.Color, NoHeaders: p.opts.NoHeaders, Columns: []screen.Column{
		{Header: "CONTROL", Fold: screen.Wrapping, Min: 12},
		{Header: "", Drop: 2},
		{Header: "FAIL", Right: true},
		{Header: "UNKNOWN", Right: true},
		{Header: "ACCEPTED", Right: true, Drop: 1},
		{Header: "PASS", Right: true},
		{Header: "CHECKS", Fold: screen.Wrapping, Min: 24, Give: 1},
	}}
	row := func(name, same string, counts map[api.Verdict]int, checks string) {
		t.Add(screen.Cell{Text: escape.Line(name)}, screen.Cell{Text: same}, countCell(counts[api.Fail], screen.Red), countCell(counts[api.VerdictUnknown], screen.Yellow),
			countCell(counts[api.Accepted], screen.Plain), countCell(counts[api.Pass], screen.Plain), screen.Cell{Text: escape.Line(checks)})
	}
	for i := range c.List {
		same := ""
		if c.List[i].Same {
			same = "="
		}
		row(c.List[i].Name(), same, c.List[i].Counts, strings.Join(c.List[i].Checks, ", "))
	}
	row("(no control)", "", c.Other, "checks that no control of it asks for")
	if err := t.Write(out, p.width()); err != nil {
		return err
	}
	if err := p.paragraph(out, append([]string{""}, c.Missing()...)); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out); err != nil {
		return err
	}
	const none = "" // no control's ID
	of := map[string][]*api.Finding{}
	for i := range report.Findings {
		f := &report.Findings[i]
		if !p.shows(f) || Hides(f, p.opts.MinSeverity) {
			continue
		}
		ids := c.Of(f)
		if len(ids) == 0 {
			ids = []string{none}
		}
		for _, id := range ids {
			of[id] = append(of[id], f)
		}
	}
	for i := range c.List {
		if err := p.group(out, report, c.List[i].Name(), of[c.List[i].ID]); err != nil {
			return err
		}
	}
	return p.group(out, report, "(no control)", of[none])
}

// group prints some findings of a report under a heading; nothing if there are none.
func (p *tablePrinter) group(out io.Writer, report *api.ChecklistReport, name string, findings []*api.Finding) error {
	if len(findings) == 0 {
		return nil
	}
	some := *report
	some.Findings = make([]api.Finding, len(findings))
	for i, f := range findings {
		some.Findings[i] = *f
	}
	if _, err := fmt.Fprintln(out, screen.Painted("CONTROL "+escape.Line(name), screen.Bold, p.opts.Color)); err != nil {
		return err
	}
	return p.rows(out, &some)
}

// paragraph prints lines of text, wrapped to the terminal.
func (p *tablePrinter) paragraph(out io.Writer, lines []string) error {
	for _, l := range lines {
		wrapped := []string{l}
		if width := p.width(); width > 0 {
			wrapped = screen.Wrap(l, width)
		}
		if _, err := fmt.Fprintln(out, strings.Join(wrapped, "\n")); err != nil {
			return err
		}
	}
	return nil
}
