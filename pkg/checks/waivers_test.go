package checks

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/waiver"
)

// accepting is a plan with one check that finds this, and a waiver of what its evidence says.
func accepting(severity api.Severity, evidence []waiver.Item, found ...api.Finding) Plan {
	check := Check{
		ID: "privileged/a", Severity: api.Critical, Basis: api.Measured, Needs: []fact.Kind{fact.Pods}, Scope: ScopeWorkload,
		Judge: func(*View) []api.Finding { return append([]api.Finding(nil), found...) },
	}
	return Plan{
		Checks: []Check{check}, Known: []string{check.ID}, Parts: []Part{{Question: api.Privileged, Name: "one", Checks: []string{check.ID}}},
		Waivers: waiver.New([]waiver.Waiver{{
			Line: 7, Check: check.ID, Subject: waiver.Subject{Kind: "Deployment", Namespace: "shop", Name: "web"}, Severity: severity, Evidence: evidence,
			Reason: "why", AcceptedBy: "ann", Expires: time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC),
		}}),
		JudgedAt: time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC),
	}
}

var web = fact.Subject{Kind: "Deployment", Namespace: "shop", Name: "web"}

func failsBy(severity api.Severity, evidence ...api.Evidence) api.Finding {
	return api.Finding{Verdict: api.Fail, Severity: severity, Subject: web, Message: "fails", Evidence: evidence}
}

func maskAt(node string, value int) api.Evidence {
	return api.Evidence{Source: fmt.Sprintf("node/%s /proc/%d/status CapEff", node, 100+value), Value: fmt.Sprint("mask ", value), Basis: api.Measured}
}

func masks(n int) (evidence []api.Evidence, items []waiver.Item) {
	for i := range n {
		evidence = append(evidence, maskAt(fmt.Sprint("w", i%3), i))
		items = append(items, waiver.Item{Field: "node /proc/PID/status CapEff", Value: fmt.Sprint("mask ", i)})
	}
	return evidence, items
}

// A part whose fails are all accepted is yes, and says so.
func TestAcceptedIsAsIfPassed(t *testing.T) {
	evidence, items := masks(1)
	result := JudgeSet(accepting(api.High, items, failsBy(api.High, evidence...)), &fact.Set{PodScope: fact.PodsAll})
	a := result.Answers[0]
	if a.Answer != api.Yes || a.Workloads != api.Yes || a.Accepted != 1 || a.Parts[0].Accepted != 1 || a.Parts[0].Answer != api.Yes || len(a.Failing) > 0 {
		t.Errorf("answers: %+v", a)
	}
	f := result.Findings[0]
	if f.Verdict != api.Accepted || f.Severity != api.High || f.Reason != "" {
		t.Errorf("finding: %+v", f)
	}
	if diff := cmp.Diff(&api.WaiverUse{Waivers: 1, Used: 1}, result.Waivers); diff != "" {
		t.Errorf("use (-want +got):\n%s", diff)
	}
}

// A fail hides what is unknown of its subject: nobody asks for more. Once it is accepted, the
// unknown shows, and the part is not yes. The unknown comes from the check or from a gap.
func TestAnAcceptedFailDoesNotHideAnUnknown(t *testing.T) {
	evidence, items := masks(1)
	unknown := api.Finding{Verdict: api.VerdictUnknown, Reason: fact.Unreadable, Subject: web, Message: "one process was not read"}
	gap := fact.Gap{What: fact.Pods, Subject: web, Reason: fact.NotReady, Detail: "its node is not ready"}
	for name, tc := range map[string]struct {
		plan   Plan
		set    fact.Set
		reason fact.Reason
		said   string
	}{
		"of the check": {accepting(api.High, items, failsBy(api.High, evidence...), unknown), fact.Set{PodScope: fact.PodsAll}, fact.Unreadable, "fails; one process was not read"},
		"of a gap":     {accepting(api.High, items, failsBy(api.High, evidence...)), fact.Set{PodScope: fact.PodsAll, Gaps: []fact.Gap{gap}}, fact.NotReady, "fails; pods not read: its node is not ready"},
		"a low fail":   {accepting(api.Low, append(items, waiver.Item{Field: "gap pods", Value: "NotReady"}), failsBy(api.Low, evidence...)), fact.Set{PodScope: fact.PodsAll, Gaps: []fact.Gap{gap}}, fact.NotReady, "fails; pods not read: its node is not ready"},
	} {
		t.Run(name, func(t *testing.T) {
			result := JudgeSet(tc.plan, &tc.set)
			if len(result.Findings) != 1 {
				t.Fatalf("findings: %+v", result.Findings)
			}
			f := result.Findings[0]
			if f.Verdict != api.Accepted || f.Reason != tc.reason || f.Message != tc.said {
				t.Errorf("finding: %+v", f)
			}
			if a := result.Answers[0]; a.Answer != api.Unknown || a.Accepted != 1 || a.Unknowns != 1 {
				t.Errorf("answer: %+v", a)
			}
		})
	}
}

// A waiver sees all evidence, also what a report has no room for.
func TestAWaiverSeesEvidenceThatIsNotShown(t *testing.T) {
	evidence, items := masks(3 * MaxEvidence)
	whole := JudgeSet(accepting(api.High, items, failsBy(api.High, evidence...)), &fact.Set{PodScope: fact.PodsAll}).Findings[0]
	if whole.Verdict != api.Accepted || len(whole.Evidence) != MaxEvidence+1 {
		t.Errorf("with all values accepted: %s, %d entries of evidence", whole.Verdict, len(whole.Evidence))
	}
	for i := range items {
		some := append(append([]waiver.Item(nil), items[:i]...), items[i+1:]...)
		if f := JudgeSet(accepting(api.High, some, failsBy(api.High, evidence...)), &fact.Set{PodScope: fact.PodsAll}).Findings[0]; f.Verdict != api.Fail || len(f.Evidence) != MaxEvidence+1 {
			t.Errorf("without value %d: %s, %d entries of evidence", i, f.Verdict, len(f.Evidence))
		}
	}
	// What is printed does not depend on whether there are waivers.
	plain := accepting(api.High, nil, failsBy(api.High, evidence...))
	plain.Waivers = nil
	if diff := cmp.Diff(JudgeSet(plain, &fact.Set{PodScope: fact.PodsAll}).Findings[0].Evidence, whole.Evidence); diff != "" {
		t.Errorf("evidence (-without +with):\n%s", diff)
	}
}

// A waiver that was accepted for one of several fails of a subject does not cover the others.
func TestAWaiverSeesAllFailsOfASubject(t *testing.T) {
	evidence, items := masks(2)
	for _, order := range [][2]int{{0, 1}, {1, 0}} {
		f := JudgeSet(accepting(api.High, items[:1], failsBy(api.High, evidence[order[0]]), failsBy(api.Medium, evidence[order[1]])), &fact.Set{PodScope: fact.PodsAll}).Findings[0]
		if f.Verdict != api.Fail {
			t.Errorf("%v: %+v", order, f)
		}
	}
}

// No check accepts its own fails.
func TestACheckCannotAccept(t *testing.T) {
	evidence, _ := masks(1)
	f := failsBy(api.High, evidence...)
	f.Verdict = api.Accepted
	if got := JudgeSet(accepting(api.Low, nil, f), &fact.Set{PodScope: fact.PodsAll}).Findings[0]; got.Verdict != api.VerdictUnknown {
		t.Errorf("finding: %+v", got)
	}
}

// A namespace that the user names is the platform's: it stays in the answer, and leaves the
// workloads.
func TestUsersPlatformNamespaces(t *testing.T) {
	evidence, _ := masks(1)
	passes := api.Finding{Verdict: api.Pass, Subject: fact.Subject{Kind: "Deployment", Namespace: "infra", Name: "web"}, Message: "passes", Evidence: evidence}
	for glob, platform := range map[string]bool{"shop": true, "sh*": true, "*p": true, "s?op": true, "sho": false, "shop-*": false, "infra": false} {
		plan := accepting(api.Low, nil, failsBy(api.High, evidence...), passes)
		result := JudgeSet(plan, &fact.Set{PodScope: fact.PodsAll, PlatformNamespaces: []string{glob}})
		workloads := api.No
		if platform {
			workloads = api.Yes
		}
		a := result.Answers[0]
		if a.Answer != api.No || a.Workloads != workloads || a.Failing[api.High] != 1 || len(result.Findings) != 2 || result.Findings[0].Subject.Platform != platform {
			t.Errorf("%s: %+v", glob, a)
		}
	}
}
