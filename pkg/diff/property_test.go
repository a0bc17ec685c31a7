package diff_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/catalogue"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/diff"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/gather"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

// judged is the report of a set, as a run makes it.
func judged(set *fact.Set, selected []checks.Check, scope api.Scope) *api.ChecklistReport {
	spec := api.ReportSpec{Command: "checklist", CatalogueVersion: catalogue.Version, Scope: scope}
	spec.Scope.Narrowed = gather.Narrowed(spec.Command, &spec.Scope, set)
	ready := slices.DeleteFunc(slices.Clone(selected), func(c checks.Check) bool { return !c.Ready(set) })
	for _, c := range catalogue.All() {
		if !slices.ContainsFunc(ready, func(r checks.Check) bool { return r.ID == c.ID }) {
			spec.Scope.LeftOutChecks = append(spec.Scope.LeftOutChecks, c.ID)
		}
	}
	built := report.Build(spec, set, checks.JudgeSet(catalogue.Plan(selected, spec.Scope.Narrowed), set))
	built.Checks = catalogue.Describe(ready)
	return built
}

// less takes information away from a set, at random: nothing of the cluster changes. It names what.
func less(r *rand.Rand, set *fact.Set) (what string) {
	for i := range set.Nodes {
		n := &set.Nodes[i]
		switch {
		case n.Measured == nil:
		case r.IntN(4) == 0:
			what += " silent:" + n.Name
			n.Measured, n.Ready = nil, false
			if r.IntN(2) == 0 {
				set.Gaps = append(set.Gaps, fact.Gap{What: fact.Processes, Subject: fact.Subject{Kind: fact.SubjectNode, Name: n.Name}, Reason: fact.NotReady})
			}
		default:
			n.Measured.Read = slices.DeleteFunc(slices.Clone(n.Measured.Read), func(k fact.Kind) bool {
				gone := r.IntN(20) == 0
				if gone {
					what += fmt.Sprintf(" %s:%s", n.Name, k)
				}
				return gone
			})
		}
	}
	for _, list := range []struct {
		name   string
		forget func()
	}{
		{"secrets", func() { set.SecretsListed, set.Secrets = false, nil }},
		{"tokens", func() { set.TokensListed, set.LegacyTokens = false, nil }},
		{"stores", func() { set.StoresRead, set.SecretStores = false, nil }},
		{"templates", func() { set.TemplatesRead = false }},
		{"namespaces", func() { set.NamespacesRead, set.Namespaces = false, nil }},
		{"configmaps", func() { set.ConfigMaps = nil }},
		{"images", func() { set.ImageScan = nil }},
		{"enforcement", func() { set.Enforcement = nil }},
		{"pods", func() {
			set.PodScope, set.Workloads = fact.PodsNotListed, nil
			set.Gaps = append(set.Gaps, fact.Gap{What: fact.Pods, Subject: fact.Subject{Kind: fact.SubjectCluster}, Reason: fact.Forbidden})
		}},
	} {
		if r.IntN(8) == 0 {
			list.forget()
			what += " " + list.name
		}
	}
	return what
}

func sideOf(t *testing.T, r *api.ChecklistReport) *diff.Side {
	t.Helper()
	s, err := diff.Of(r, false)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func compare(t *testing.T, old, now *diff.Side) *api.ChecklistDiff {
	t.Helper()
	d, err := diff.Compare(old, now, diff.Options{Unchanged: true})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A report has not changed from itself. What was not looked at is neither fixed nor gone nor better.
func TestLessInformationIsNoGoodNews(t *testing.T) {
	lost, findings := 0, 0
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		set := facttest.Random(r)
		before := judged(set, catalogue.All(), api.Scope{AllNamespaces: true})
		findings += len(before.Findings)
		if d := compare(t, sideOf(t, before), sideOf(t, before)); d.Summary.Unchanged != len(before.Findings) || len(d.Answers) > 0 || d.Catalogue != nil {
			t.Fatalf("seed %d: a report differs from itself: %+v", seed, d.Summary)
		}
		for range 3 {
			after := set.DeepCopy()
			what := less(r, after)
			selected, scope := catalogue.All(), api.Scope{AllNamespaces: true}
			if r.IntN(3) == 0 {
				selected = slices.DeleteFunc(selected, func(checks.Check) bool { return r.IntN(10) == 0 })
				what += " checks"
			}
			if r.IntN(4) == 0 {
				namespace := facttest.Namespaces[r.IntN(len(facttest.Namespaces))]
				after.Workloads = slices.DeleteFunc(slices.Clone(after.Workloads), func(w fact.Workload) bool { return w.Owner.Namespace != namespace })
				gather.KeepNamespace(after, namespace)
				if after.PodScope == fact.PodsAll {
					after.PodScope = fact.PodsSome
				}
				scope = api.Scope{Namespaces: []string{namespace}}
				what += " namespace:" + namespace
			}
			if r.IntN(4) == 0 {
				after.PlatformNamespaces = facttest.Namespaces[:1+r.IntN(len(facttest.Namespaces))]
				scope.PlatformNamespaces = after.PlatformNamespaces
				what += " platform"
			}
			if r.IntN(4) == 0 && len(after.Nodes) > 0 {
				after.ControlPlaneNodes = []string{after.Nodes[r.IntN(len(after.Nodes))].Name}
				scope.ControlPlaneNodes = after.ControlPlaneNodes
				what += " control-plane"
			}
			now := judged(after, selected, scope)
			if r.IntN(4) == 0 {
				now.Spec.Inputs.Severity = api.Medium
				now = report.Visible(now, api.Medium)
				what += " severity"
			}
			d := compare(t, sideOf(t, before), sideOf(t, now))
			lost += d.Summary.NoLongerMeasured
			for _, c := range d.Changes {
				if c.Class == api.ChangeFixed || c.Class == api.ChangeGone || c.Class == api.ChangeBetter {
					t.Errorf("seed %d, less by%s: %s %s of %+v: %+v -> %+v", seed, what, c.Class, c.Check, c.Subject, c.Old, c.New)
				}
			}
		}
	}
	if findings < 5000 || lost < 2000 {
		t.Errorf("only %d findings, of which %d were lost", findings, lost)
	}
}

// A report that was printed and read back is the same.
func TestReadBack(t *testing.T) {
	for seed := range uint64(5) {
		before := judged(facttest.Random(rand.New(rand.NewPCG(seed, 1))), catalogue.All(), api.Scope{AllNamespaces: true})
		after := judged(facttest.Random(rand.New(rand.NewPCG(seed, 2))), catalogue.All(), api.Scope{AllNamespaces: true})
		want := compare(t, sideOf(t, before), sideOf(t, after))
		var sides [2]*diff.Side
		for i, r := range []*api.ChecklistReport{before, after} {
			printer, err := report.NewPrinter([]string{"json", "yaml"}[i], report.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var text bytes.Buffer
			if err := report.Print(&text, printer, report.Of(r)); err != nil {
				t.Fatal(err)
			}
			if sides[i], err = diff.Read(diff.NewReader(&text)); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(want, compare(t, sides[0], sides[1])); diff != "" {
			t.Errorf("seed %d: (-in memory +read back):\n%s", seed, diff)
		}
	}
}
