package show

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/diff"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/screen"
)

const (
	mostRows  = 100 // of a class in the table
	pipeWidth = 200 // without a terminal
)

func paintOf(class api.ChangeClass) screen.Paint {
	switch class {
	case api.ChangeNew, api.ChangeWorse:
		return screen.Red
	case api.ChangeNoLongerMeasured, api.ChangeNewlyMeasured:
		return screen.Yellow
	case api.ChangeFixed, api.ChangeBetter:
		return screen.Green
	}
	return screen.Bold
}

// table prints for people: what was compared, counts, answers that changed, then the changes by
// class, two lines each.
func table(out io.Writer, d *api.ChecklistDiff, opts Options) error {
	width := max(cmp.Or(opts.Width, pipeWidth), 40)
	var b strings.Builder
	wrapped := func(label string, text string) {
		const indent = 9
		for i, line := range screen.Wrap(text, width-indent) {
			if i > 0 {
				label = ""
			}
			fmt.Fprintf(&b, "%-*s%s\n", indent, label, line)
		}
	}
	wrapped("OLD", side(&d.Old))
	wrapped("NEW", side(&d.New))
	for _, line := range catalogue(d.Catalogue) {
		wrapped("NOTE", line)
	}
	for _, line := range d.Warnings {
		wrapped("WARNING", line)
	}
	b.WriteByte('\n')
	for _, t := range tallies(&d.Summary) {
		count := fmt.Sprintf("%6d", t.n)
		text := string(t.class)
		if t.failing >= 0 && t.n > 0 {
			text += fmt.Sprintf(" (%d failing)", t.failing)
		}
		paint := paintOf(t.class)
		if t.n == 0 {
			paint = screen.Dim
		}
		b.WriteString(count + "  " + screen.Painted(text, paint, opts.Color) + "\n")
	}
	if d.Summary.ByCatalogue > 0 {
		for _, line := range screen.Wrap(byCatalogue(&d.Summary), width-8) {
			b.WriteString(strings.Repeat(" ", 8) + line + "\n")
		}
	}
	if len(d.Answers) > 0 {
		b.WriteString("\n" + screen.Painted("ANSWERS", screen.Bold, opts.Color) + "\n")
		for _, a := range d.Answers {
			text := string(a.Question)
			if a.Part != "" {
				text += ":" + a.Part
			}
			text += ": " + answerWord(a.Old) + " -> " + answerWord(a.New)
			if a.New == api.Unknown && a.Reason != "" {
				text += " (" + a.Reason + ")"
			}
			b.WriteString("  " + screen.Cut(text, width-2) + "\n")
		}
	}
	const gutter = 12
	for _, g := range groups(d, mostRows) {
		b.WriteString("\n" + screen.Painted(strings.ToUpper(string(g.class)), paintOf(g.class), opts.Color) + "\n")
		for i := range g.shown {
			c := &g.shown[i]
			state := diff.State(c)
			room := width - gutter
			name := screen.CutMiddle(subject(c), max(room*4/7, room-2-screen.Width(state.Message)))
			fmt.Fprintf(&b, "  %-10s%s\n", severity(state), screen.Cut(name+": "+state.Message, room))
			text := c.Check + ", " + states(c)
			if reason := why(c); reason != "" {
				text += "; " + reason
			}
			for _, line := range screen.Wrap(text, room) {
				b.WriteString(strings.Repeat(" ", gutter) + screen.Painted(line, screen.Dim, opts.Color) + "\n")
			}
		}
		if text := g.leftOut(); text != "" {
			for _, line := range screen.Wrap(text, width-2) {
				b.WriteString("  " + line + "\n")
			}
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// answerWord is an answer, or "not asked".
func answerWord(a api.AnswerWord) string { return cmp.Or(string(a), "not asked") }
