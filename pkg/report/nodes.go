package report

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/screen"
)

// Nodes says for each node what is installed there, and answers the questions for what
// runs on that node. It judges each node's facts alone, with the plan that judged all
// of them, so that an answer never depends on another node. gaps are those of the
// whole run.
func Nodes(plan checks.Plan, set *fact.Set, gaps []fact.Gap) []api.ReportNode {
	podsOn := map[string][]fact.Workload{}
	for i := range set.Workloads {
		w := &set.Workloads[i]
		pods := map[string][]fact.Pod{}
		var order []string
		for _, p := range w.Pods {
			if pods[p.Node] == nil {
				order = append(order, p.Node)
			}
			pods[p.Node] = append(pods[p.Node], p)
		}
		for _, node := range order {
			some := *w
			some.Pods = pods[node]
			podsOn[node] = append(podsOn[node], some)
		}
	}
	gapsOf := map[string][]fact.Gap{}
	var everywhere []fact.Gap
	for _, gap := range set.Gaps {
		switch {
		case gap.Subject.Kind == fact.SubjectNode:
			gapsOf[gap.Subject.Name] = append(gapsOf[gap.Subject.Name], gap)
		case gap.Subject.Kind == fact.SubjectCluster:
			everywhere = append(everywhere, gap)
		case gap.Subject.Node != "":
			gapsOf[gap.Subject.Node] = append(gapsOf[gap.Subject.Node], gap)
		}
	}
	nodes := make([]api.ReportNode, 0, len(set.Nodes))
	for i := range set.Nodes {
		node := &set.Nodes[i]
		alone, one := *set, 1
		alone.Cluster.Nodes = &one // it is judged as if it had no peers
		alone.Nodes, alone.Workloads = set.Nodes[i:i+1:i+1], podsOn[node.Name]
		alone.Gaps = slices.Concat(everywhere, gapsOf[node.Name])
		nodes = append(nodes, reportNode(node, set.CollectedAt, checks.JudgeSet(plan, &alone), gaps))
	}
	return nodes
}

func reportNode(node *fact.Node, now fact.Time, result checks.Result, whole []fact.Gap) api.ReportNode {
	out := api.ReportNode{
		Name: escape.Line(node.Name), Measured: node.Measured != nil,
		OS: escape.Line(node.OSImage), Kernel: escape.Line(node.KernelVersion),
	}
	if m := node.Measured; m != nil {
		if m.Host.OS.PrettyName != "" {
			out.OS = escape.Line(m.Host.OS.PrettyName)
		}
		if m.Host.Running != nil {
			out.Kernel = escape.Line(m.Host.Running.Release)
		}
		if state := m.Host.Packages; state != nil && state.Indexes > 0 {
			out.Updates = &api.NodeUpdates{IndexDays: indexDays(state, now)}
			for _, p := range state.Pending {
				switch {
				case p.Security == "":
					out.Updates.Other++
					if p.Unclassified {
						out.Updates.Unclassified++
					}
				case p.Held:
					out.Updates.Held++
				default:
					out.Updates.Security++
				}
			}
		}
	}
	for _, a := range result.Answers {
		word := a.Answer
		if word == api.Unknown && !asked(a.Question, result, whole) {
			word = api.NotApplicable
		}
		out.Answers = append(out.Answers, api.NodeAnswer{Question: a.Question, Answer: word})
	}
	return out
}

// indexDays is the age of the oldest security archive's index, nil if unknown.
func indexDays(state *fact.PackageState, now fact.Time) *int {
	var oldest *int
	for _, a := range state.Archives {
		if !a.Security {
			continue
		}
		proved := a.Proved()
		if proved.IsZero() || now.IsZero() {
			return nil
		}
		days := int(now.Sub(proved.Time) / (24 * time.Hour))
		if oldest == nil || days > *oldest {
			oldest = &days
		}
	}
	return oldest
}

// asked reports whether a question has anything to judge on a node: a finding about
// something there, or a gap of the whole cluster. A worker that is judged alone lacks
// the control plane's storage. That is not a gap of the cluster.
func asked(question api.Question, result checks.Result, whole []fact.Gap) bool {
	about := func(f api.Finding) bool { return f.Question == question && f.Subject.Kind != fact.SubjectCluster }
	if slices.ContainsFunc(result.Findings, about) {
		return true
	}
	return slices.ContainsFunc(whole, func(g fact.Gap) bool {
		return g.Subject.Kind == fact.SubjectCluster && slices.ContainsFunc(g.Affects, func(id string) bool { return questionOf(id) == question })
	})
}

// nodes prints a row for each node.
func (p *tablePrinter) nodes(out io.Writer, report *api.ChecklistReport) error {
	if report.Spec.Command != "nodes" || len(report.Nodes) == 0 {
		return nil
	}
	width := p.width()
	t := p.nodeTable(report, false)
	legend := "-: nothing to judge."
	if !t.Fits(width) {
		t = p.nodeTable(report, true)
		var words []string
		for _, a := range report.Answers {
			words = append(words, fmt.Sprintf("%d %s", a.Number, a.Question))
		}
		legend += " ?: unknown. Questions: " + strings.Join(words, ", ") + "."
	}
	if slices.Contains(t.Shown(width), "UPDATES") {
		legend = "UPDATES: pending security updates. " + legend
	}
	if !p.opts.NoHeaders {
		if err := p.dimmed(out, legend); err != nil {
			return err
		}
	}
	if err := t.Write(out, width); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out)
	return err
}

// nodeTable makes a table with a column for each question, named by name, or by number
// if compact.
func (p *tablePrinter) nodeTable(report *api.ChecklistReport, compact bool) *screen.Table {
	t := &screen.Table{Color: p.opts.Color, NoHeaders: p.opts.NoHeaders, Columns: []screen.Column{
		{Header: "NODE", Fold: screen.CutInside, Min: 12},
		{Header: "OS", Fold: screen.Cutting, Min: 12, Give: 1, Drop: 3},
		{Header: "KERNEL", Fold: screen.CutInside, Min: 16, Give: 1, Drop: 2},
		{Header: "UPDATES", Right: true, Drop: 1},
	}}
	for _, a := range report.Answers {
		header := strings.ToUpper(string(a.Question))
		if compact {
			header = strconv.Itoa(a.Number)
		}
		t.Columns = append(t.Columns, screen.Column{Header: header})
	}
	for _, n := range report.Nodes {
		cells := []screen.Cell{{Text: escape.Line(n.Name)}, {Text: orUnknown(escape.Line(n.OS))}, {Text: orUnknown(escape.Line(n.Kernel))}, updatesCell(n.Updates)}
		for _, a := range report.Answers {
			word := api.NotApplicable
			for _, of := range n.Answers {
				if of.Question == a.Question {
					word = of.Answer
				}
			}
			cell := answerCell(word)
			if compact && word == api.Unknown {
				cell.Text = "?"
			}
			cells = append(cells, cell)
		}
		t.Add(cells...)
	}
	return t
}

func orUnknown(text string) string {
	if text == "" {
		return "?"
	}
	return text
}

// updatesCell counts the security updates that are pending.
func updatesCell(u *api.NodeUpdates) screen.Cell {
	if u == nil || u.Security+u.Held == 0 && (u.IndexDays == nil || u.Unclassified > 0) {
		return screen.Cell{Text: "?", Paint: screen.Yellow} // nothing shows that none is pending
	}
	cell := countCell(u.Security+u.Held, screen.Red)
	if u.Held > 0 {
		cell.Text = fmt.Sprintf("%d (%d held)", u.Security+u.Held, u.Held)
	}
	if u.IndexDays != nil && *u.IndexDays > oldIndex {
		cell.Text += fmt.Sprintf(" (index %dd old)", *u.IndexDays)
		if u.Security+u.Held == 0 {
			cell.Paint = screen.Yellow
		}
	}
	return cell
}

// oldIndex is the age in days from which the index of security updates is shown.
const oldIndex = 7
