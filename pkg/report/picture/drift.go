package picture

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/drift"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

// mostDrift is how many workloads the picture of drift shows.
const mostDrift = 14

// driftState is a state with its mark and its word.
type driftState struct {
	state drift.State
	mark  mark
	word  string
}

// driftOrder has the states from the worst.
var driftOrder = [...]driftState{
	{drift.Detected, bad, "detected"},
	{drift.Open, open, "possible"},
	{drift.Unknown, unknown, "unknown"},
	{drift.Prevented, good, "prevented"},
}

// driftRow counts the containers of a workload by state, in the order of driftOrder.
type driftRow struct {
	subject fact.Subject
	counts  [len(driftOrder)]int
}

func (r *driftRow) sum() (n int) {
	for _, c := range r.counts {
		n += c
	}
	return n
}

func (r *driftRow) words() string {
	var out []string
	for i, n := range r.counts {
		if n > 0 {
			out = append(out, fmt.Sprintf("%d %s", n, driftOrder[i].word))
		}
	}
	return strings.Join(out, ", ")
}

// drifts draws for each workload how many of its running containers drifted, or can.
func drifts(view *checks.View) Picture {
	p := Picture{ID: "drift", Title: "Drift by workload"}
	rows, all := driftRows(view)
	if len(rows) == 0 {
		p.Summary = "No running container was measured, so no picture shows drift."
		return p
	}
	if all.counts[2] == all.sum() {
		p.Summary = fmt.Sprintf("Drift is unknown in all of %s, so no picture shows it.", counted(all.sum(), "running container"))
		return p
	}
	p.Summary = fmt.Sprintf("Of %s in %s, drift was detected in %d, is possible in %d, prevented in %d and unknown in %d. Waivers change nothing here.",
		counted(all.sum(), "running container"), counted(len(rows), "workload"), all.counts[0], all.counts[1], all.counts[3], all.counts[2])
	shown := rows[:min(len(rows), mostDrift)]
	left := driftRow{}
	for i := range rows[len(shown):] {
		for j, n := range rows[len(shown)+i].counts {
			left.counts[j] += n
		}
	}
	if n := len(rows) - len(shown); n > 0 {
		p.Summary += fmt.Sprintf(" The picture shows the %d worst workloads, and counts %d more together.", len(shown), n)
	}

	s := &svg{y: 4}
	s.driftBar(fmt.Sprintf("All %s", counted(len(rows), "workload")), &all)
	s.rule(s.y - 4)
	for i := range shown {
		s.driftBar(report.SubjectName(shown[i].subject), &shown[i])
	}
	if n := len(rows) - len(shown); n > 0 {
		s.driftBar(fmt.Sprintf("%d more", n), &left)
	}
	s.y += 2
	s.legend(bad, "detected", open, "possible", unknown, "unknown", good, "prevented")
	p.SVG = s.done(p.ID, p.Title, p.Summary)
	return p
}

// driftBar draws a name, the counts in words, and below them a bar of all containers.
func (s *svg) driftBar(name string, r *driftRow) {
	words := r.words()
	columns := (width - 2*margin) / letter
	s.text(margin, s.y+9, "", fit(name, max(columns-len(words)-2, 12)))
	if 12+2+len(words) > columns {
		s.y += line - 2
	}
	s.text(width-margin, s.y+9, "pic-end", words)
	s.y += line - 3
	x, rest, units := margin, width-2*margin, r.sum()
	for i, n := range r.counts {
		if n == 0 {
			continue
		}
		w := max(rest*n/units, 4)
		s.area(x, s.y, w-1, 10, driftOrder[i].mark)
		x, rest, units = x+w, rest-w, units-n
	}
	s.y += line
}

// driftRows counts the containers by the state of each, the worst workloads first.
func driftRows(view *checks.View) (rows []driftRow, all driftRow) {
	if view == nil {
		return nil, all
	}
	seen, unseen := checks.RunningContainers(view, fact.Processes)
	at := map[fact.SubjectKey]int{}
	count := func(r checks.Running) {
		s := r.Subject()
		s.Container, s.PodCount, s.Pods = "", 0, nil
		key := s.Identity()
		i, known := at[key]
		if !known {
			i = len(rows)
			at[key] = i
			rows = append(rows, driftRow{subject: s})
		}
		state := drift.StateOf(view, r)
		j := slices.IndexFunc(driftOrder[:], func(o driftState) bool { return o.state == state })
		rows[i].counts[j]++
		all.counts[j]++
	}
	for _, r := range seen {
		count(r)
	}
	for _, r := range unseen {
		count(r)
	}
	slices.SortStableFunc(rows, func(a, b driftRow) int {
		for j := range driftOrder {
			if c := cmp.Compare(b.counts[j], a.counts[j]); c != 0 {
				return c
			}
		}
		return cmp.Compare(report.SubjectName(a.subject), report.SubjectName(b.subject))
	})
	return rows, all
}
