package checks

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

func TestAnswers(t *testing.T) {
	const number, text = 3, "Are you avoiding --privileged?"
	catalogue := []Check{{ID: "privileged/a"}, {ID: "privileged/b"}}
	subject := func(name string) fact.Subject { return fact.Subject{Kind: "Deployment", Namespace: "shop", Name: name} }
	platform := fact.Subject{Kind: "DaemonSet", Namespace: "kube-system", Name: "cni", Platform: true}
	finding := func(verdict api.Verdict, severity api.Severity, basis api.Basis, s fact.Subject) api.Finding {
		return api.Finding{Check: "privileged/a", Question: api.Privileged, Verdict: verdict, Severity: severity, Basis: basis, Subject: s}
	}
	for name, tc := range map[string]struct {
		findings []api.Finding
		want     api.Answer
	}{
		"everything measured passes: yes": {
			[]api.Finding{finding(api.Pass, api.High, api.Measured, subject("a"))},
			api.Answer{Answer: api.Yes, Workloads: api.Yes, InScope: 1, Measured: 1},
		},
		"a medium fail: no": {
			[]api.Finding{
				finding(api.Pass, api.High, api.Measured, subject("a")),
				finding(api.Fail, api.Medium, api.Measured, subject("b")),
			},
			api.Answer{Answer: api.No, Workloads: api.No, InScope: 2, Measured: 2, Failing: map[api.Severity]int{api.Medium: 1}},
		},
		"a declared fail is as good as a measured one: no": {
			[]api.Finding{finding(api.Fail, api.Critical, api.Declared, subject("a"))},
			api.Answer{Answer: api.No, Workloads: api.No, InScope: 1, Failing: map[api.Severity]int{api.Critical: 1}},
		},
		"a low fail does not make it a no": {
			[]api.Finding{finding(api.Fail, api.Low, api.Measured, subject("a"))},
			api.Answer{Answer: api.Yes, Workloads: api.Yes, InScope: 1, Measured: 1, Failing: map[api.Severity]int{api.Low: 1}},
		},
		"a fail outweighs an unknown: no": {
			[]api.Finding{
				finding(api.VerdictUnknown, api.High, api.Measured, subject("a")),
				finding(api.Fail, api.High, api.Measured, subject("b")),
			},
			api.Answer{
				Answer: api.No, Workloads: api.No, InScope: 2, Measured: 1, Unknowns: 1,
				Failing: map[api.Severity]int{api.High: 1},
			},
		},
		"a low fail and an unknown: unknown": {
			[]api.Finding{
				finding(api.Fail, api.Low, api.Measured, subject("a")),
				finding(api.VerdictUnknown, api.High, api.Measured, subject("b")),
			},
			api.Answer{
				Answer: api.Unknown, Workloads: api.Unknown, InScope: 2, Measured: 1, Unknowns: 1,
				Failing: map[api.Severity]int{api.Low: 1}, Reason: "not everything could be read",
			},
		},
		"one unknown among passes: unknown": {
			[]api.Finding{
				finding(api.Pass, api.High, api.Measured, subject("a")),
				finding(api.VerdictUnknown, api.High, api.Measured, subject("b")),
			},
			api.Answer{
				Answer: api.Unknown, Workloads: api.Unknown, InScope: 2, Measured: 1, Unknowns: 1,
				Reason: "not everything could be read",
			},
		},
		"nothing in scope: unknown": {
			nil,
			api.Answer{Answer: api.Unknown, Workloads: api.Unknown, Reason: "nothing was in scope"},
		},
		"declarations alone never make a yes": {
			[]api.Finding{finding(api.Pass, api.High, api.Declared, subject("a"))},
			api.Answer{Answer: api.Unknown, Workloads: api.Unknown, InScope: 1, Reason: "nothing was measured"},
		},
		"an accepted fail is none": {
			[]api.Finding{
				finding(api.Accepted, api.Critical, api.Measured, subject("a")),
				finding(api.Pass, api.High, api.Measured, subject("b")),
			},
			api.Answer{Answer: api.Yes, Workloads: api.Yes, InScope: 2, Measured: 2},
		},
		"a platform fail counts for the answer, not for the workloads": {
			[]api.Finding{
				finding(api.Fail, api.Critical, api.Measured, platform),
				finding(api.Pass, api.High, api.Measured, subject("a")),
			},
			api.Answer{
				Answer: api.No, Workloads: api.Yes, InScope: 2, Measured: 2, Failing: map[api.Severity]int{api.Critical: 1},
			},
		},
		"only platform subjects: the workloads are unknown": {
			[]api.Finding{finding(api.Pass, api.High, api.Measured, platform)},
			api.Answer{Answer: api.Yes, Workloads: api.Unknown, InScope: 1, Measured: 1},
		},
		"a node's gap makes the workloads unknown too": {
			[]api.Finding{
				finding(api.Pass, api.High, api.Measured, subject("a")),
				finding(api.VerdictUnknown, api.High, api.Measured, fact.Subject{Kind: "Node", Name: "n1"}),
			},
			api.Answer{
				Answer: api.Unknown, Workloads: api.Unknown, InScope: 2, Measured: 1, Unknowns: 1,
				Reason: "not everything could be read",
			},
		},
		"a subject counts once, and as measured if any check measured it": {
			[]api.Finding{
				finding(api.Pass, api.High, api.Declared, subject("a")),
				finding(api.Pass, api.High, api.Measured, subject("a")),
				finding(api.Pass, api.High, api.Declared, subject("b")),
			},
			api.Answer{Answer: api.Yes, Workloads: api.Yes, InScope: 2, Measured: 1},
		},
		"findings of other questions do not matter": {
			[]api.Finding{
				finding(api.Pass, api.High, api.Measured, subject("a")),
				{Check: "drift/a", Question: api.Drift, Verdict: api.Fail, Severity: api.Critical, Subject: subject("b")},
			},
			api.Answer{Answer: api.Yes, Workloads: api.Yes, InScope: 1, Measured: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.want.Question, tc.want.Number, tc.want.Text = api.Privileged, number, text
			if diff := cmp.Diff([]api.Answer{tc.want}, Answers(catalogue, tc.findings)); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnswersCoverTheQuestionsAsked(t *testing.T) {
	answers := Answers([]Check{{ID: "drift/a"}, {ID: "hosts/a"}}, nil)
	var got []api.Question
	for _, a := range answers {
		got = append(got, a.Question)
		if a.Question == api.Hosts && a.Workloads != api.NotApplicable {
			t.Errorf("hosts is not about workloads: want %q, got %q", api.NotApplicable, a.Workloads)
		}
	}
	if diff := cmp.Diff([]api.Question{api.Hosts, api.Drift}, got); diff != "" {
		t.Errorf("questions, in the checklist's order (-want +got):\n%s", diff)
	}
}
