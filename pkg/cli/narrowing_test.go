package cli

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/hack/raced"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/catalogue"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/gather"
)

// complete removes the checks that do not exist yet from a plan's parts. With them no
// answer could be yes, and the test would show nothing.
func complete(plan checks.Plan) checks.Plan {
	var parts []checks.Part
	for _, p := range plan.Parts {
		p.Checks = slices.DeleteFunc(slices.Clone(p.Checks), func(id string) bool { return !slices.Contains(plan.Known, id) })
		if len(p.Checks) > 0 {
			parts = append(parts, p)
		}
	}
	plan.Parts = parts
	return plan
}

// saidYes lists what an answer says yes to: questions, workloads, parts.
func saidYes(answers []api.Answer) map[string]bool {
	out := map[string]bool{}
	for _, a := range answers {
		q := string(a.Question)
		out[q] = a.Answer == api.Yes
		out[q+" workloads"] = a.Workloads == api.Yes
		for _, p := range a.Parts {
			out[q+"/"+p.Part] = p.Answer == api.Yes
			out[q+"/"+p.Part+" workloads"] = p.Workloads == api.Yes
		}
	}
	return out
}

// narrow turns a whole run's facts into those of a run that looks at less, with its scope
// and its checks.
func narrow(r *rand.Rand, set *fact.Set) (*fact.Set, api.ReportSpec, []checks.Check) {
	set = set.DeepCopy()
	spec := api.ReportSpec{Command: []string{"checklist", "pods", "nodes", "secrets"}[r.IntN(4)]}
	spec.Scope.ProbeLevel = []string{"", "full"}[r.IntN(2)]
	selected := checksOf(spec.Command, spec)
	if r.IntN(2) == 0 {
		selected = slices.DeleteFunc(slices.Clone(selected), func(checks.Check) bool { return r.IntN(3) == 0 })
	}
	if r.IntN(2) == 0 {
		namespace := ft.Namespaces[r.IntN(len(ft.Namespaces))]
		spec.Scope.Namespaces = []string{namespace}
		set.PodScope = fact.PodsSome
		set.Workloads = slices.DeleteFunc(set.Workloads, func(w fact.Workload) bool { return w.Owner.Namespace != namespace })
		set.Secrets = slices.DeleteFunc(set.Secrets, func(s fact.SecretName) bool { return s.Namespace != namespace })
		gather.KeepNamespace(set, namespace)
	}
	if r.IntN(3) == 0 && spec.Command == "nodes" {
		keep := set.Nodes[r.IntN(len(set.Nodes))].Name
		spec.Scope.Names = []string{keep}
		set.Nodes = slices.DeleteFunc(set.Nodes, func(n fact.Node) bool { return n.Name != keep })
		for i := range set.Workloads {
			w := &set.Workloads[i]
			w.Pods = slices.DeleteFunc(w.Pods, func(p fact.Pod) bool { return p.Node != keep })
		}
		set.Workloads = slices.DeleteFunc(set.Workloads, func(w fact.Workload) bool { return len(w.Pods) == 0 })
	}
	if r.IntN(4) == 0 && spec.Command == "pods" {
		spec.Scope.Names = []string{"w0"}
		set.PodScope = fact.PodsSome
		set.Workloads = slices.DeleteFunc(set.Workloads, func(w fact.Workload) bool { return w.Owner.Name != "w0" })
	}
	return set, spec, selected
}

// A run that looks at less (some checks, namespaces, nodes or pods, or what one command
// asks) never says yes where the whole run does not. This applies to every question and
// every part, and to the workloads.
func TestALessThanWholeRunSaysNoMoreThanTheWhole(t *testing.T) {
	wholePlan := complete(catalogue.Whole())
	yes, wholeYes, narrowYes := 0, 0, 0
	seeds := raced.Fewer(4_000, 500)
	if testing.Short() {
		seeds = min(seeds, 1000)
	}
	for seed := range uint64(seeds) {
		r := rand.New(rand.NewPCG(seed, 3))
		set := ft.Random(r)
		whole := saidYes(checks.JudgeSet(wholePlan, set).Answers)
		all := true
		for _, info := range checks.Questions() {
			if whole[string(info.Question)] {
				wholeYes++
			} else {
				all = false
			}
		}
		if all {
			yes++
		}
		less, spec, selected := narrow(r, set)
		plan := complete(catalogue.Plan(selected, gather.Narrowed(spec.Command, &spec.Scope, less)))
		for what, isYes := range saidYes(checks.JudgeSet(plan, less).Answers) {
			if isYes && !whole[what] {
				t.Fatalf("seed %d: %s with scope %+v and checks %v says yes to %s; the whole run does not", seed, spec.Command, spec.Scope, leftOut(selected), what)
			}
			if isYes {
				narrowYes++
			}
		}
	}
	if yes < seeds/20 || wholeYes < seeds/2 || narrowYes < seeds/10 {
		t.Errorf("%d sets with six yes, %d yes of whole runs, %d of narrowed ones: too few to show anything", yes, wholeYes, narrowYes)
	}
}
