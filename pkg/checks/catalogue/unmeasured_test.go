package catalogue

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// What runs and was not measured keeps every part that measures it from yes,
// whatever is declared of it: a node that was not measured, a container that was
// not seen, one kind that was not read on one node.
func TestWhatRunsUnmeasuredIsUnknown(t *testing.T) {
	throwsAway(t)
	plan, seeds, tried := built(), 4000, map[string]int{}
	if testing.Short() {
		seeds = 400
	}
	for seed := range uint64(seeds) {
		r := rand.New(rand.NewPCG(seed, 8))
		set := ft.Random(r)
		node, container, ok := runningContainer(r, set)
		if !ok {
			continue
		}
		before := partsOf(checks.JudgeSet(plan, set))
		kinds := fact.KindsOf(fact.OfContainer)
		m := set.Nodes[node].Measured
		how := []string{"node", "container", "kind"}[r.IntN(3)]
		switch how {
		case "node":
			set.Nodes[node].Measured = nil
		case "container":
			m.Containers = slices.DeleteFunc(m.Containers, func(c fact.MeasuredContainer) bool { return c.ID == container })
		case "kind":
			kinds = []fact.Kind{kinds[r.IntN(len(kinds))]}
			unread(m, kinds[0])
		}
		after := partsOf(checks.JudgeSet(plan, set))
		for _, part := range plan.Parts {
			name := string(part.Question) + "/" + part.Name
			if !slices.ContainsFunc(part.Checks, func(id string) bool { return measuresContainersBy(id, kinds) }) {
				continue
			}
			if after[name] == api.Yes {
				t.Fatalf("seed %d: without its %s, part %s says yes", seed, how, name)
			}
			if before[name] == api.Yes {
				tried[how]++
			}
		}
	}
	for _, how := range []string{"node", "container", "kind"} {
		if tried[how] < seeds/100 {
			t.Errorf("without a %s only %d parts lost a yes: too few to show anything", how, tried[how])
		}
	}
}

// unread takes a kind out of a node's answer, as a collector leaves it out.
func unread(m *fact.Measurement, kind fact.Kind) {
	m.Read = slices.DeleteFunc(m.Read, func(k fact.Kind) bool { return k == kind })
	if kind != fact.Executables {
		return // of the others, checks ask whether they were read
	}
	for i := range m.Containers {
		for j := range m.Containers[i].Processes {
			m.Containers[i].Processes[j].Exe = nil
		}
	}
}

func measuresContainersBy(id string, kinds []fact.Kind) bool {
	for _, c := range All() {
		if c.ID == id && c.Measures() && c.Scope == checks.ScopeWorkload {
			return slices.ContainsFunc(kinds, func(k fact.Kind) bool { return c.NeedsKind(k) || c.UsesKind(k) })
		}
	}
	return false
}

// runningContainer picks a container that runs and was measured.
func runningContainer(r *rand.Rand, set *fact.Set) (node int, id string, ok bool) {
	type found struct {
		node int
		id   string
	}
	var all []found
	for i := range set.Nodes {
		for _, w := range set.Workloads {
			for _, p := range w.Pods {
				for _, c := range p.Containers {
					if p.Node == set.Nodes[i].Name && c.Running && set.Nodes[i].Measured != nil &&
						slices.ContainsFunc(set.Nodes[i].Measured.Containers, func(m fact.MeasuredContainer) bool { return m.ID == c.ID }) {
						all = append(all, found{i, c.ID})
					}
				}
			}
		}
	}
	if len(all) == 0 {
		return 0, "", false
	}
	f := all[r.IntN(len(all))]
	return f.node, f.id, true
}

func partsOf(result checks.Result) map[string]api.AnswerWord {
	out := map[string]api.AnswerWord{}
	for _, a := range result.Answers {
		for _, p := range a.Parts {
			out[string(a.Question)+"/"+p.Part] = p.Answer
		}
	}
	return out
}
