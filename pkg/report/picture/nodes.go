package picture

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// mostNodes is how many rows the grid of nodes has. More nodes are grouped by their answers.
const mostNodes = 24

// nodeRow is a node, or nodes with the same answers.
type nodeRow struct {
	name     string
	more     int // nodes besides the named one
	measured bool
	answers  []mark
}

// answerMark is the mark of an answer. Any word that is not ours is unknown.
func answerMark(a api.AnswerWord) mark {
	switch a {
	case api.Yes:
		return good
	case api.No:
		return bad
	case api.NotApplicable:
		return nothing
	}
	return unknown
}

// worst orders rows by the number of no, then of unknown, then whether the probe answered.
func (r *nodeRow) worst() (no, open int) {
	for _, m := range r.answers {
		switch m {
		case bad:
			no++
		case unknown:
			open++
		}
	}
	return no, open
}

func (r *nodeRow) key() string { return fmt.Sprint(r.measured, r.answers) }

// nodes draws a grid: a row for each node, a column for each question.
func nodes(list []api.ReportNode) Picture {
	p := Picture{ID: "nodes", Title: "Nodes by questions"}
	var questions []api.Question
	for i := range list {
		for _, a := range list[i].Answers {
			if !slices.Contains(questions, a.Question) && len(questions) < 6 {
				questions = append(questions, a.Question)
			}
		}
	}
	silent := 0
	rows := make([]nodeRow, 0, len(list))
	for i := range list {
		n := &list[i]
		row := nodeRow{name: n.Name, measured: n.Measured, answers: make([]mark, len(questions))}
		for j, q := range questions {
			row.answers[j] = unknown
			if at := slices.IndexFunc(n.Answers, func(a api.NodeAnswer) bool { return a.Question == q }); at >= 0 {
				row.answers[j] = answerMark(n.Answers[at].Answer)
			}
		}
		if !n.Measured {
			silent++
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 || silent == len(rows) || len(questions) == 0 {
		p.Summary = "No node was measured, so no picture shows nodes."
		if len(rows) > 0 {
			p.Summary = fmt.Sprintf("None of %s was measured, so no picture shows them.", counted(len(rows), "node"))
		}
		return p
	}
	p.Summary = nodeSummary(rows, questions, silent)

	grouped := len(rows) > mostNodes
	if grouped {
		rows = groupNodes(rows)
	}
	slices.SortStableFunc(rows, func(a, b nodeRow) int {
		if grouped && a.measured != b.measured { // silent nodes are never among those that are left out
			return lastIf(a.measured, b.measured)
		}
		no, open := a.worst()
		otherNo, otherOpen := b.worst()
		return cmp.Or(cmp.Compare(otherNo, no), cmp.Compare(otherOpen, open), cmp.Compare(b.more, a.more), cmp.Compare(a.name, b.name))
	})
	left := 0
	if len(rows) > mostNodes {
		for _, r := range rows[mostNodes:] {
			left += 1 + r.more
		}
		rows = rows[:mostNodes]
	}
	if grouped {
		p.Summary += " Nodes with the same answers share a row."
	}
	if left > 0 {
		p.Summary += " " + counted(left, "node") + " with fewer no, or as many, " + verb(left, "is", "are") + " not shown."
	}

	s := &svg{}
	const label, column, head = 176, 25, 76
	for j, title := range append([]string{"probe"}, words(questions)...) {
		s.upright(label+j*column+9, head-4, fit(title, 12))
	}
	s.y = head
	for _, r := range rows {
		name := fitHost(r.name, 28)
		if r.more > 0 {
			more := fmt.Sprintf(" and %d more", r.more)
			name = fitHost(r.name, 28-len(more)) + more
		}
		s.text(margin, s.y+9, "", name)
		probe := unknown
		if r.measured {
			probe = good
		}
		for j, m := range append([]mark{probe}, r.answers...) {
			s.mark(label+j*column, s.y, m)
		}
		s.y += line
		s.rule(s.y - 2)
	}
	s.y += 4
	s.legend(good, "yes", bad, "no", unknown, "unknown", nothing, "nothing to judge")
	if left > 0 {
		s.said(fmt.Sprintf("%s more, with fewer no, or as many", counted(left, "node")))
	}
	p.SVG = s.done(p.ID, p.Title, p.Summary)
	return p
}

// fitHost is fit for the name of a host. What its domain leaves is told first: names of one domain
// would all be cut to the same.
func fitHost(name string, columns int) string {
	name = plain(name)
	host, _, domain := strings.Cut(name, ".")
	const cut = "..."
	if domain && len(name) > columns && len(host)+len(cut) <= columns {
		return host + cut
	}
	return fit(name, columns)
}

func words(questions []api.Question) []string {
	var out []string
	for _, q := range questions {
		out = append(out, string(q))
	}
	return out
}

// groupNodes joins the nodes with the same answers.
func groupNodes(rows []nodeRow) []nodeRow {
	at := map[string]int{}
	var out []nodeRow
	for _, r := range rows {
		k := r.key()
		if i, known := at[k]; known {
			out[i].more++
			continue
		}
		at[k] = len(out)
		out = append(out, r)
	}
	return out
}

func nodeSummary(rows []nodeRow, questions []api.Question, silent int) string {
	text := fmt.Sprintf("%d of %s answered the probe.", len(rows)-silent, counted(len(rows), "node"))
	var parts []string
	for j, q := range questions {
		no, open := 0, 0
		for i := range rows {
			switch rows[i].answers[j] {
			case bad:
				no++
			case unknown:
				open++
			}
		}
		parts = append(parts, fmt.Sprintf("%s: no on %d, unknown on %d", plain(string(q)), no, open))
	}
	return text + " " + strings.Join(parts, "; ") + "."
}
