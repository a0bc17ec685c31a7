package checks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// allGaps gathers the gaps of a set: its own, those of every measurement, and
// those that nobody reported (see silent). A measurement's gap without a
// subject is about its node; one about a container is about what the API calls
// that container, so that it joins the container's findings.
func allGaps(catalogue []Check, set *fact.Set) []fact.Gap {
	gaps := slices.Clone(set.Gaps)
	index := newIndex(set)
	for i := range set.Nodes {
		node := &set.Nodes[i]
		if node.Measured == nil {
			continue
		}
		for _, gap := range node.Measured.Gaps {
			switch gap.Subject.Kind {
			case "":
				gap.Subject = fact.Subject{Kind: "Node", Name: node.Name}
			case "Container":
				subject, asked := index.containerSubject(node, gap.Subject.Name)
				if !asked {
					continue
				}
				gap.Subject = subject
			}
			gaps = append(gaps, gap)
		}
	}
	return append(gaps, silent(catalogue, set, gaps)...)
}

// containerSubject is the subject of a container on a node, given by its id or
// by the first twelve digits of it; false if it was not asked about.
func (x *index) containerSubject(node *fact.Node, id string) (fact.Subject, bool) {
	for i := range node.Measured.Containers {
		m := &node.Measured.Containers[i]
		if id != "" && (m.ID == id || len(id) >= shortID && strings.HasPrefix(m.ID, id)) {
			r, asked := x.join(node, m)
			return r.Subject(), asked
		}
	}
	// One of which nothing but a sandboxed runtime's own processes is seen
	// (gVisor, Kata) is not among the measured; the API may know it.
	for known := range x.byID {
		if len(id) < shortID || !strings.HasPrefix(known, id) {
			continue
		}
		if found, here := x.on(node, x.byID[known]); here {
			return Running{Node: node, Workload: found.workload, Pod: found.pod, Declared: found.container}.Subject(), true
		}
	}
	return fact.Subject{Kind: "Container", Name: short(id), Node: node.Name}, x.scope != fact.PodsSome
}

// nodeKinds are the kinds that every node has, so that a node without one was
// not measured as a whole. Not every node has etcd or an API server.
var nodeKinds = []fact.Kind{
	fact.Processes, fact.Mounts, fact.Executables, fact.Upperdir, fact.Devices, fact.Kernel, fact.Packages,
}

// silent finds what was needed and not read while no gap says so. Whoever
// collects should say why; where it does not, this keeps "not looked" from
// being taken for "none found".
func silent(catalogue []Check, set *fact.Set, gaps []fact.Gap) []fact.Gap {
	said := func(kind fact.Kind, node string) bool {
		return slices.ContainsFunc(gaps, func(g fact.Gap) bool {
			return g.What == kind && (g.Subject.Kind == "Cluster" || g.Subject.Kind == "File" ||
				node != "" && g.Subject.Kind == "Node" && g.Subject.Name == node)
		})
	}
	var out []fact.Gap
	add := func(kind fact.Kind, node string, reason fact.Reason, detail, hint string) {
		if said(kind, node) {
			return
		}
		gap := fact.Gap{What: kind, Subject: fact.Subject{Kind: "Cluster"}, Reason: reason, Detail: detail, Hint: hint}
		if node != "" {
			gap.Subject = fact.Subject{Kind: "Node", Name: node}
		}
		out = append(out, gap)
	}
	needed := func(kind fact.Kind) bool {
		return slices.ContainsFunc(catalogue, func(c Check) bool { return c.NeedsKind(kind) })
	}
	if needed(fact.Pods) && set.PodScope == fact.PodsNotListed && len(set.Workloads) == 0 {
		add(fact.Pods, "", fact.NotRequested, "no pods were listed", "")
	}
	if needed(fact.Nodes) && !slices.ContainsFunc(set.Nodes, func(n fact.Node) bool { return n.Listed }) {
		add(fact.Nodes, "", fact.NotRequested, "no nodes were listed", "")
	}
	absent := absentNodes(set)
	for _, kind := range nodeKinds {
		if !needed(kind) {
			continue
		}
		for _, node := range absent {
			add(kind, node, fact.NotPresent, "pods run on the node, but it was not in the list of nodes", "run it again")
		}
		if len(set.Nodes) == 0 {
			add(kind, "", fact.NotRequested, "no node was measured", "")
		}
		for i := range set.Nodes {
			switch m := set.Nodes[i].Measured; {
			case m.HasRead(kind):
			case m == nil:
				add(kind, set.Nodes[i].Name, fact.NotRequested, "the node was not measured", "")
			case m.Level == fact.LevelProc:
				add(kind, set.Nodes[i].Name, fact.NotRequested, fmt.Sprintf("a probe of level %s did not read it", m.Level), "--probe-level full reads it")
			default:
				add(kind, set.Nodes[i].Name, fact.NotRequested, "the probe did not read it", "")
			}
		}
	}
	return out
}

// absentNodes are those, sorted, on which pods run while the list of nodes does
// not have them: one that joined between the two lists, or was deleted with its
// pods still there. Where a run is narrowed to some nodes, so are its pods; where
// no node was measured at all, that is said for all of them.
func absentNodes(set *fact.Set) []string {
	listed := map[string]bool{}
	measured := false
	for i := range set.Nodes {
		listed[set.Nodes[i].Name] = true
		measured = measured || set.Nodes[i].Listed && set.Nodes[i].Measured != nil
	}
	if !measured || set.PodScope == fact.PodsNotListed {
		return nil
	}
	var out []string
	for i := range set.Workloads {
		for j := range set.Workloads[i].Pods {
			p := &set.Workloads[i].Pods[j]
			running := slices.ContainsFunc(p.Containers, func(c fact.ContainerStatus) bool { return c.Running })
			if running && p.Node != "" && !listed[p.Node] {
				out = append(out, p.Node)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// affecting keeps the gaps that some check needs and does not excuse, with
// Affects filled in, sorted, each once.
func affecting(catalogue []Check, set *fact.Set, gaps []fact.Gap) []fact.Gap {
	var kept []fact.Gap
	for _, gap := range gaps {
		gap.Affects = nil
		for _, check := range catalogue {
			if check.NeedsKind(gap.What) && (check.Excuse == nil || !check.Excuse(set, gap)) {
				gap.Affects = append(gap.Affects, check.ID)
			}
		}
		if len(gap.Affects) > 0 {
			kept = append(kept, gap)
		}
	}
	slices.SortFunc(kept, func(a, b fact.Gap) int {
		return cmp.Or(
			cmp.Compare(kindRank(a.What), kindRank(b.What)),
			cmp.Compare(a.Subject.Key(), b.Subject.Key()),
			cmp.Compare(a.Reason, b.Reason),
			cmp.Compare(a.Detail, b.Detail),
			cmp.Compare(a.Hint, b.Hint),
		)
	})
	return slices.CompactFunc(kept, func(a, b fact.Gap) bool {
		return a.What == b.What && a.Subject.Key() == b.Subject.Key() && a.Reason == b.Reason && a.Detail == b.Detail
	})
}

func kindRank(kind fact.Kind) int { return slices.Index(fact.Kinds(), kind) }
