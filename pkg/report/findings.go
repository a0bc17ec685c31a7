package report

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/screen"
)

const (
	// wideEvidence is for how many findings of a row the wide table shows evidence.
	wideEvidence = 5
	// pipedWidth is the width at which the table, but not the wide one, cuts a
	// message or evidence if stdout is not a terminal.
	pipedWidth = 110
)

// message is what a row says. If its subjects differ in their numbers, the message is
// about the first subject, and names it.
func (r *row) message() string {
	text := strings.Join(r.messages, "; ")
	if r.differ {
		text = r.subjects.objects[0].Name + ": " + text
	}
	return text
}

// moreWords returns "+2 more": how many other checks fail besides those that the row
// names.
func (r *row) moreWords(named int) string {
	if more := r.more + len(r.also) - named; more > 0 {
		return fmt.Sprintf("+%d more", more)
	}
	return ""
}

// checkWords names the row's checks, and the first of those that fail with them. A
// question is named only if it differs from the one before:
// "hosts/kernel-outdated,pending-security-updates".
func (r *row) checkWords(also int) string {
	var words []string
	question := api.Question("")
	for _, id := range slices.Concat(r.checks, r.also[:also]) {
		word := id
		if questionOf(id) == question {
			_, word, _ = strings.Cut(id, "/")
		}
		question = questionOf(id)
		words = append(words, word)
	}
	return escape.Line(strings.Join(words, ","))
}

func (r *row) ids() string { return escape.Line(strings.Join(r.checks, ",")) }

// evidence returns the source and value of the first thing that was read for the row.
func (r *row) evidence() (source, value string) {
	if len(r.finding.Evidence) == 0 {
		return "", ""
	}
	e := r.finding.Evidence[0]
	return escape.Line(e.Source), escape.Line(e.Value)
}

// where formats evidence: "node/w1 /proc/2143/exe: /tmp/miner, origin added".
func where(source, value string) string {
	if value == "" {
		return source
	}
	return source + ": " + value
}

// squeeze is where, shortened to a width. It first cuts what was read, then the middle
// of the object's name. Then it leaves out the whole name if it is an object of the
// API, because the row already names that.
func squeeze(source, value string, width int) string {
	const leastValue, leastName = 8, 12
	room := width - screen.Width(source) - len(": ")
	switch {
	case screen.Width(where(source, value)) <= width:
		return where(source, value)
	case room >= leastValue:
		return where(source, screen.Cut(value, room))
	}
	name, field, ok := strings.Cut(source, " ")
	if !ok {
		return screen.CutMiddle(source, width)
	}
	room = width - screen.Width(" "+field)
	switch {
	case room >= leastName:
		return screen.CutMiddle(name, room) + " " + field
	case !strings.HasPrefix(name, "node/"):
		return screen.CutMiddle(field, width)
	case strings.Contains(field, " "):
		return screen.Cut(source, width) // the file, without the object's name
	}
	return screen.CutMiddle(source, width)
}

// oneLine prints a line of columns for each row.
func (p *tablePrinter) oneLine(out io.Writer, rows []*row, width int) error {
	if p.wide {
		return p.wideLines(out, rows)
	}
	t := screen.Table{Color: p.opts.Color, NoHeaders: p.opts.NoHeaders, Columns: []screen.Column{
		{Header: "SEVERITY"},
		{Header: "CHECK", Fold: screen.CutInside, Min: 34, Give: 1},
		{Header: "SUBJECT", Fold: screen.Cutting, Min: 36},
		{Header: "MESSAGE", Fold: screen.Cutting, Min: 36},
		{Header: "EVIDENCE", Fold: screen.Cutting, Min: 36, Give: 1},
	}}
	for _, r := range rows {
		source, value := r.evidence()
		subject, message, evidence := r.subjects.names(someNames), r.message(), where(source, value)
		if width == 0 {
			message, evidence = r.fitMessage(pipedWidth), squeeze(source, value, pipedWidth)
		} else {
			subject = r.subjects.names(manyNames)
			message = r.fitMessage(screen.Width(message) + len(" (+99 more)"))
		}
		t.Add(
			severityCell(r.finding),
			screen.Cell{Text: r.ids()},
			screen.Cell{Text: subject, Fit: r.subjects.fit},
			screen.Cell{Text: message, Fit: r.fitMessage},
			screen.Cell{Text: evidence, Fit: func(width int) string { return squeeze(source, value, width) }},
		)
	}
	return t.Write(out, width)
}

// fitMessage cuts the message and keeps the count of further ones.
func (r *row) fitMessage(width int) string {
	if more := r.moreWords(0); more != "" {
		more = " (" + more + ")"
		return screen.Cut(r.message(), width-len(more)) + more
	}
	return screen.Cut(r.message(), width)
}

// twoLines prints two lines for each row. The first has the subject and the message,
// the second the check and its evidence. If these do not fit on one line, they take
// two.
func (p *tablePrinter) twoLines(out io.Writer, rows []*row, width int) error {
	const gutter = len("critical  ")
	const leastEvidence = 20
	room := width - gutter
	var b strings.Builder
	line := func(margin screen.Cell, text string, paint screen.Paint) {
		pad := strings.Repeat(" ", max(0, gutter-screen.Width(margin.Text)))
		if text == "" {
			pad = ""
		}
		b.WriteString(screen.Painted(margin.Text, margin.Paint, p.opts.Color) + pad + screen.Painted(text, paint, p.opts.Color) + "\n")
	}
	if !p.opts.NoHeaders {
		line(screen.Cell{Text: "SEVERITY", Paint: screen.Bold}, screen.Cut("SUBJECT: MESSAGE, and below CHECK  EVIDENCE", room), screen.Bold)
	}
	for _, r := range rows {
		line(severityCell(r.finding), r.fit(room), screen.Plain)
		source, value := r.evidence()
		least := min(leastEvidence, screen.Width(where(source, value)))
		also := len(r.also)
		for also > 0 && screen.Width(r.checkWords(also))+2+least > room {
			also--
		}
		check := screen.CutMiddle(r.checkWords(also), room)
		margin := screen.Cell{Text: r.moreWords(also), Paint: screen.Dim}
		left := room - screen.Width(check) - 2
		switch {
		case source == "":
			line(margin, check, screen.Dim)
		case left >= least:
			line(margin, check+"  "+squeeze(source, value, left), screen.Dim)
		default:
			line(margin, check, screen.Dim)
			line(screen.Cell{}, squeeze(source, value, room), screen.Dim)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// fit returns the first of two lines. Names are shortened before the message. One name
// is shortened to three sevenths of the width, the first of many to four sevenths.
func (r *row) fit(width int) string {
	subject, message := r.subjects.names(manyNames), r.message()
	if screen.Width(subject)+2+screen.Width(message) > width {
		parts := 3
		if len(r.subjects.objects) > 1 {
			parts = 4
		}
		room := max(width*parts/7, width-2-screen.Width(message))
		subject = r.subjects.fit(min(room, screen.Width(subject)))
	}
	return subject + ": " + screen.Cut(message, width-2-screen.Width(subject))
}

// wideLines prints everything that the wide table has about a row in one line.
func (p *tablePrinter) wideLines(out io.Writer, rows []*row) error {
	t := screen.Table{Color: p.opts.Color, NoHeaders: p.opts.NoHeaders, Columns: []screen.Column{
		{Header: "SEVERITY"}, {Header: "BASIS"}, {Header: "CHECK"}, {Header: "SUBJECT"}, {Header: "PODS"}, {Header: "MESSAGE"}, {Header: "EVIDENCE"},
	}}
	for _, r := range rows {
		t.Add(
			severityCell(r.finding),
			screen.Cell{Text: string(r.finding.Basis)},
			screen.Cell{Text: r.ids()},
			screen.Cell{Text: r.subjects.names(manyNames)},
			screen.Cell{Text: r.podWords()},
			screen.Cell{Text: r.message()},
			screen.Cell{Text: strings.Join(r.allEvidence(), "; ")},
		)
	}
	return t.Write(out, 0)
}

// blocks prints the same for a terminal, with a few lines for each row. It cuts only
// words that are wider than the terminal.
func (p *tablePrinter) blocks(out io.Writer, rows []*row, width int) error {
	const gutter = len("critical  ")
	var b strings.Builder
	write := func(margin screen.Cell, text string, hanging int, paint screen.Paint) {
		for i, line := range screen.Wrap(text, width-gutter-hanging) {
			indent := gutter - screen.Width(margin.Text)
			if i > 0 {
				indent += hanging
			}
			b.WriteString(screen.Painted(margin.Text, margin.Paint, p.opts.Color) + strings.Repeat(" ", indent))
			b.WriteString(screen.Painted(line, paint, p.opts.Color) + "\n")
			margin = screen.Cell{}
		}
	}
	if !p.opts.NoHeaders {
		write(screen.Cell{Text: "SEVERITY", Paint: screen.Bold}, "SUBJECT: MESSAGE, and below BASIS, PODS, CHECK; EVIDENCE", 0, screen.Bold)
	}
	for _, r := range rows {
		write(severityCell(r.finding), r.subjects.names(manyNames)+": "+r.message(), 0, screen.Plain)
		words := string(r.finding.Basis)
		if r.pods > 0 {
			words += ", " + count(r.pods, "pod")
		}
		write(screen.Cell{}, words+", "+strings.ReplaceAll(r.ids(), ",", ", "), 0, screen.Dim)
		for _, e := range r.allEvidence() {
			write(screen.Cell{}, e, 2, screen.Dim)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func (r *row) podWords() string {
	if r.pods == 0 {
		return ""
	}
	return strconv.Itoa(r.pods)
}

// allEvidence returns everything that was read for a row with one finding. For other
// rows it returns the first evidence of the first few findings.
func (r *row) allEvidence() []string {
	var out []string
	add := func(e api.Evidence) { out = append(out, where(escape.Line(e.Source), escape.Line(e.Value))) }
	all := len(r.findings) + r.moreFindings
	for _, f := range r.findings {
		if a := f.Accepted; a != nil && len(out) < wideEvidence {
			if text := fmt.Sprintf("accepted by %s until %s: %s", escape.Line(a.AcceptedBy), escape.Line(a.Expires), escape.Line(a.Reason)); !slices.Contains(out, text) {
				out = append(out, text)
			}
		}
	}
	if all == 1 {
		for _, e := range r.finding.Evidence {
			add(e)
		}
		return out
	}
	for i, f := range r.findings {
		if i == wideEvidence {
			out = append(out, fmt.Sprintf("and %s more (see -o json)", thousands(all-wideEvidence)))
			break
		}
		if len(f.Evidence) > 0 {
			add(f.Evidence[0])
		}
	}
	return out
}
