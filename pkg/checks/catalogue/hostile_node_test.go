package catalogue

import (
	"math/rand/v2"
	"reflect"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// seeds is how many random sets a property is tried on.
func seeds() int {
	if testing.Short() {
		return 1000
	}
	return 5_000
}

// throwsAway lets a test that makes much and keeps nothing collect garbage less
// often, which is a third of its time.
func throwsAway(t *testing.T) {
	t.Helper()
	before := debug.SetGCPercent(1000)
	t.Cleanup(func() { debug.SetGCPercent(before) })
}

// theirs reports whether a subject is about a node, or about a workload with a
// pod there, which the node has a say in.
func theirs(set *fact.Set, node string) func(fact.Subject) bool {
	type owner struct{ kind, namespace, name string }
	owners := map[owner]bool{}
	for i := range set.Workloads {
		w := &set.Workloads[i]
		if slices.ContainsFunc(w.Pods, func(p fact.Pod) bool { return p.Node == node }) {
			owners[owner{w.Owner.Kind, w.Owner.Namespace, w.Owner.Name}] = true
		}
	}
	return func(s fact.Subject) bool {
		return s.Node == node || s.Kind == "Node" && s.Name == node || owners[owner{s.Kind, s.Namespace, s.Name}]
	}
}

// same compares quickly; cmp says what differs.
func same[T any](a, b []T) bool { return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b) }

// notAsked is what a gap says of nodes that were not asked for what each node holds.
var notAsked = regexp.MustCompile(`not asked (?:for copies of the cluster's store|about swap): \d+ nodes? \([^)]*\)`)

// A node that is no witness says what it likes, with everybody's ids, UIDs,
// names and revisions. Findings and gaps about others do not change at all, and
// what others have shown to fail about a workload that it shares still fails.
func TestAHostileNodeSpeaksForItselfAlone(t *testing.T) {
	throwsAway(t)
	plan := built()
	changed, shared := 0, 0
	for seed := range uint64(seeds()) {
		r := rand.New(rand.NewPCG(seed, 1))
		set := ft.Random(r)
		last := &set.Nodes[len(set.Nodes)-1]
		if fact.InControlPlane(last.Labels) {
			continue // every node of this cluster is a witness
		}
		mine := theirs(set, last.Name)
		hostile := ft.Hostile(r, set, last.Name)
		want, got := checks.JudgeSet(plan, set), checks.JudgeSet(plan, hostile)

		// One gap of the cluster lists the nodes that were not asked: the node has a say whether it is
		// one of them, not whether others are.
		ofOne := func(text string) bool {
			return strings.Contains(text, ": 1 node ("+last.Name+")") && notAsked.MatchString(text)
		}
		others := func(res checks.Result) ([]api.Finding, []fact.Gap) {
			var findings, enforced []api.Finding
			for _, f := range res.Findings {
				if f.Check == "drift/enforcement" && f.Subject.Kind == fact.SubjectNamespace {
					// How grave it is depends on all containers of a namespace, the verdict on none.
					f.Severity, f.Message, f.Evidence = "", "", nil
					enforced = append(enforced, f)
					continue
				}
				findings = append(findings, f)
			}
			gaps := slices.Clone(res.Gaps)
			for i := range gaps {
				if gaps[i].Subject.Kind == fact.SubjectCluster && notAsked.MatchString(gaps[i].Detail) && !ofOne(gaps[i].Detail) {
					gaps[i].Detail, gaps[i].Hint = notAsked.ReplaceAllString(gaps[i].Detail, "some nodes"), ""
				}
			}
			for i := range findings {
				if f := &findings[i]; f.Subject.Kind == fact.SubjectCluster && notAsked.MatchString(f.Message) && !ofOne(f.Message) {
					f.Message, f.Remediation = notAsked.ReplaceAllString(f.Message, "some nodes"), api.Remediation{}
				}
			}
			slices.SortFunc(enforced, func(a, b api.Finding) int { return a.Subject.Compare(&b.Subject) })
			findings = append(findings, enforced...)
			return slices.DeleteFunc(findings, func(f api.Finding) bool {
					// It compares nodes with each other, so each of them has a say.
					return mine(f.Subject) || f.Check == "hosts/behind-peers" || f.Subject.Kind == fact.SubjectCluster && ofOne(f.Message)
				}),
				slices.DeleteFunc(gaps, func(g fact.Gap) bool {
					return mine(g.Subject) || g.Subject.Kind == fact.SubjectCluster && ofOne(g.Detail)
				})
		}
		wantFindings, wantGaps := others(want)
		gotFindings, gotGaps := others(got)
		if !same(wantFindings, gotFindings) {
			t.Fatalf("seed %d: findings about others (-honest +hostile):\n%s", seed, cmp.Diff(wantFindings, gotFindings))
		}
		if !same(wantGaps, gotGaps) {
			t.Fatalf("seed %d: gaps about others (-honest +hostile):\n%s", seed, cmp.Diff(wantGaps, gotGaps))
		}
		if len(want.Findings) != len(gotFindings) {
			changed++
		}

		// Without its word: what fails then, others have shown.
		silent := hostile.DeepCopy()
		silent.Nodes[len(silent.Nodes)-1].Measured = nil
		fails := map[string]bool{}
		for _, f := range got.Findings {
			if f.Verdict == api.Fail {
				fails[f.Check+" "+f.Subject.Key()] = true
			}
		}
		for _, f := range checks.JudgeSet(plan, silent).Findings {
			if f.Verdict != api.Fail {
				continue
			}
			shared++
			if !fails[f.Check+" "+f.Subject.Key()] {
				t.Fatalf("seed %d: %s %s fails without the hostile node's word and not with it", seed, f.Check, f.Subject.Key())
			}
		}
	}
	if changed < seeds()/10 || shared < seeds()/10 {
		t.Errorf("%d hostile nodes changed something and %d fails were compared: too few to show anything", changed, shared)
	}
}

// A witness that lies does not take back what another witness's etcd shows:
// plaintext there still fails.
func TestAHostileWitnessHidesNoPlaintext(t *testing.T) {
	throwsAway(t)
	const atRest = "secrets/encrypted-at-rest"
	plan := built()
	// The one check that is looked at: others have no say in it.
	plan.Checks = slices.DeleteFunc(plan.Checks, func(c checks.Check) bool { return c.ID != atRest })
	compared := 0
	for seed := range uint64(seeds()) {
		r := rand.New(rand.NewPCG(seed, 2))
		set := ft.Random(r)
		if len(set.Nodes) < 2 || !fact.InControlPlane(set.Nodes[1].Labels) {
			continue
		}
		without := set.DeepCopy()
		without.Nodes[0].Measured = nil
		fails := map[string]bool{}
		for _, f := range checks.JudgeSet(plan, ft.Hostile(r, set, set.Nodes[0].Name)).Findings {
			fails[f.Check+" "+f.Subject.Key()] = f.Verdict == api.Fail
		}
		for _, f := range checks.JudgeSet(plan, without).Findings {
			if f.Check != atRest || f.Verdict != api.Fail {
				continue
			}
			compared++
			if !fails[f.Check+" "+f.Subject.Key()] {
				t.Fatalf("seed %d: plaintext of %s is no longer found", seed, f.Subject.Key())
			}
		}
	}
	if compared < seeds()/20 {
		t.Errorf("only %d Secrets in plaintext were compared", compared)
	}
}
