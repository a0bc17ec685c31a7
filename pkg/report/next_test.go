package report

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

func TestSteps(t *testing.T) {
	answers := []api.Answer{
		{Question: api.Builds, Number: 1, Answer: api.No},
		{Question: api.Privileged, Number: 3, Answer: api.No},
		{Question: api.Secrets, Number: 5, Answer: api.No},
		{Question: api.Drift, Number: 6, Answer: api.No},
		{Question: api.Hosts, Number: 4, Answer: api.Unknown},
	}
	gap := func(hint string, nodes ...string) []fact.Gap {
		var gaps []fact.Gap
		for _, n := range nodes {
			gaps = append(gaps, fact.Gap{What: fact.Kernel, Subject: fact.Subject{Kind: "Node", Name: n}, Reason: fact.NotReady, Hint: hint, Affects: []string{"hosts/x"}})
		}
		return gaps
	}
	for name, tc := range map[string]struct {
		findings []string
		gaps     []fact.Gap
		want     []step
	}{
		"nothing fails and all was read": {nil, nil, nil},
		"an attack first, then what alone makes a no, of the grave": {
			[]string{
				"critical declared builds/a Pod/shop/a builds", "critical declared builds/b Pod/shop/a builds, too",
				"high measured drift/a Deployment/shop/web:app runs x", "high measured drift/a Deployment/shop/web:side runs x", "medium measured drift/b Deployment/shop/web writable",
				"high measured secrets/a Secret/shop/a plaintext", "high measured secrets/a Secret/shop/b plaintext",
			},
			nil,
			[]step{
				{check: "drift/a", why: "1 Deployment. Mend drift/a. One of 2 checks that make question 6 NO."},
				{check: "secrets/a", why: "2 Secrets. Mend secrets/a. Then question 5 is no longer NO."},
				{check: "builds/a", why: "1 Pod. Mend builds/a. One of 2 checks that make question 1 NO."},
			},
		},
		"a medium one that alone makes a no comes after the grave": {
			[]string{"critical declared builds/a Pod/shop/a x", "high declared builds/b Pod/shop/a x", "medium measured drift/b Pod/shop/a x"},
			nil,
			[]step{
				{check: "builds/a", why: "1 Pod. Mend builds/a. One of 2 checks that make question 1 NO."},
				{check: "builds/b", why: "1 Pod. Mend builds/b. One of 2 checks that make question 1 NO."},
				{check: "drift/b", why: "1 Pod. Mend drift/b. Then question 6 is no longer NO."},
			},
		},
		"the user's own before the platform's": {
			[]string{"critical measured privileged/a DaemonSet/kube-system/cni x", "low declared privileged/b Pod/shop/a x"},
			nil,
			[]step{
				{check: "privileged/b", why: "1 Pod. Mend privileged/b."},
				{check: "privileged/a", why: "1 DaemonSet. Mend privileged/a. Then question 3 is no longer NO."},
			},
		},
		"what would let most be measured": {
			nil,
			append(append(gap("a small thing", "w1"), gap("log in", "w2", "w3", "w4")...), gap("", "w5", "w6", "w7", "w8", "w9")...),
			[]step{{hint: "log in", why: "3 nodes (w2, w3, w4): unknown there: hosts"}},
		},
		"both, where little fails": {
			[]string{"high measured secrets/a Secret/shop/a plaintext"},
			gap("log in", "w1"),
			[]step{
				{check: "secrets/a", why: "1 Secret. Mend secrets/a. Then question 5 is no longer NO."},
				{hint: "log in", why: "node/w1: unknown there: hosts"},
			},
		},
		"what is unknown is no step": {[]string{"unknown measured secrets/a Secret/shop/a not read"}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			report := &api.ChecklistReport{Answers: answers, Findings: allFailing(t, tc.findings...), Gaps: tc.gaps}
			if diff := cmp.Diff(tc.want, steps(report, nil), cmp.AllowUnexported(step{})); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
		})
	}
}

// What other checks judge is no step of its own, and makes no answer a no.
func TestStepsOfCoveredFindings(t *testing.T) {
	report := &api.ChecklistReport{
		Answers: []api.Answer{{Question: api.Privileged, Number: 3, Answer: api.No}},
		Findings: allFailing(t, "critical declared privileged/a Pod/shop/a x", "critical declared privileged/b Pod/shop/a x",
			"critical declared privileged/c Pod/shop/a x", "high declared privileged/d Pod/shop/a x"),
	}
	report.Findings[1].CoveredBy = []string{"privileged/a"}
	report.Findings[2].CoveredBy, report.Findings[2].Remaining = []string{"privileged/a"}, api.Low
	want := []step{
		{check: "privileged/a", why: "1 Pod. Mend privileged/a. One of 2 checks that make question 3 NO."},
		{check: "privileged/d", why: "1 Pod. Mend privileged/d. One of 2 checks that make question 3 NO."},
		{check: "privileged/c", why: "1 Pod. Mend privileged/c."},
	}
	if diff := cmp.Diff(want, steps(report, nil), cmp.AllowUnexported(step{})); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}
