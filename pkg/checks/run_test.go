package checks

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// planOf judges by these checks, which are one part of each of their questions.
func planOf(list ...Check) Plan {
	plan := Plan{Checks: list}
	for _, info := range Questions() {
		part := Part{Question: info.Question, Name: "all", Title: "All of it"}
		for _, c := range list {
			if c.Question() == info.Question {
				part.Checks = append(part.Checks, c.ID)
			}
		}
		if len(part.Checks) > 0 {
			plan.Parts = append(plan.Parts, part)
		}
	}
	for _, c := range list {
		plan.Known = append(plan.Known, c.ID)
	}
	return plan
}

// mergeFindings is merge, of findings.
func mergeFindings(findings []api.Finding) []api.Finding {
	var out []api.Finding
	list, subjects := judgedOf(findings)
	for _, j := range merge(list, subjects.size(), MaxEvidence) {
		out = append(out, *j.Finding)
	}
	return out
}

func judgedOf(findings []api.Finding) (list []*judged, subjects *roster) {
	subjects = newRoster(nil)
	for _, f := range findings {
		list = append(list, &judged{
			Finding: &f, subject: subjects.number(&f.Subject),
			unmeasured: f.Basis == api.Declared && f.Check == "privileged/a", // the one that measures in TestAnswers
		})
	}
	return list, subjects
}

// ledgerOf holds judged findings of a plan's checks.
func ledgerOf(plan *Plan, list []*judged, subjects *roster) *ledger {
	l := newLedger(nil, plan.Checks, subjects, nil)
	for _, j := range list {
		if i := slices.IndexFunc(plan.Checks, func(c Check) bool { return c.ID == j.Check }); i >= 0 {
			l.keep(i, j)
		}
	}
	l.sort()
	return l
}

// unsorted holds judged findings in the order in which they are given.
func unsorted(list []*judged, subjects *roster) *ledger {
	l := newLedger(nil, []Check{{ID: "privileged/a"}}, subjects, nil)
	for _, j := range list {
		l.keep(0, j)
	}
	return l
}

func evidence(source string) []api.Evidence { return []api.Evidence{{Source: source, Value: "v"}} }

// numbered is so much evidence, each piece another.
func numbered(n int) (out []api.Evidence) {
	for i := range n {
		out = append(out, evidence(fmt.Sprintf("e%02d", i))...)
	}
	return out
}

func TestMerge(t *testing.T) {
	subject := func(pods ...string) fact.Subject {
		return fact.Subject{Kind: "Deployment", Namespace: "shop", Name: "web", PodCount: len(pods), Pods: pods}
	}
	many := func(n int) (findings []api.Finding, pods []string, kept []api.Evidence) {
		for i := range n {
			pod := fmt.Sprintf("web-%02d", i)
			pods = append(pods, pod)
			findings = append(findings, api.Finding{
				Verdict: api.Pass, Subject: subject(pod), Message: "fine", Evidence: evidence("e" + pod), Basis: api.Measured,
			})
			if i < MaxEvidence {
				kept = append(kept, evidence("e"+pod)...)
			}
		}
		return findings, pods, kept
	}
	dozen, dozenPods, dozenEvidence := many(12)
	onNode := func(node, message string) api.Finding {
		return api.Finding{
			Verdict: api.Fail, Subject: subject("web-1"), Message: message,
			Evidence: append(evidence("node/"+node+" x"), evidence("pod/shop/web-1 spec")...),
		}
	}

	for name, tc := range map[string]struct {
		findings []api.Finding
		want     []api.Finding
	}{
		"a fail stands above an unknown and a pass, with its own evidence and pods": {
			[]api.Finding{
				{Verdict: api.Pass, Severity: api.High, Subject: subject("web-1"), Message: "fine", Evidence: evidence("a")},
				{Verdict: api.VerdictUnknown, Severity: api.High, Reason: fact.Unreadable, Subject: subject("web-2"), Message: "not read", Evidence: evidence("b")},
				{Verdict: api.Fail, Severity: api.Medium, Subject: subject("web-3"), Message: "bad", Evidence: evidence("c"), Remediation: api.Remediation{Text: "mend"}},
			},
			[]api.Finding{{
				Verdict: api.Fail, Severity: api.Medium, Subject: subject("web-3"), Message: "bad", Evidence: evidence("c"), Remediation: api.Remediation{Text: "mend"},
			}},
		},
		"a fail below medium next to an unknown stays a fail, and says that something is unknown": {
			[]api.Finding{
				{Verdict: api.Pass, Severity: api.High, Subject: subject("web-1"), Message: "fine", Evidence: evidence("a")},
				{Verdict: api.Fail, Severity: api.Low, Subject: subject("web-3"), Message: "bad", Evidence: evidence("c"), Remediation: api.Remediation{Text: "mend"}},
				{Verdict: api.VerdictUnknown, Severity: api.High, Reason: fact.Unreadable, Subject: subject("web-2"), Message: "not read", Evidence: evidence("b")},
			},
			[]api.Finding{{
				Verdict: api.Fail, Severity: api.Low, Reason: fact.Unreadable, Subject: subject("web-2", "web-3"), Message: "bad; not read",
				Evidence: append(evidence("c"), evidence("b")...), Remediation: api.Remediation{Text: "mend"},
			}},
		},
		"a gap alone says no more than the gap": {
			[]api.Finding{
				{Verdict: api.VerdictUnknown, Reason: fact.Timeout, Subject: subject(), Message: "not read", Evidence: evidence("a"), FromGap: true},
				{Verdict: api.Pass, Subject: subject(), Message: "fine", Evidence: evidence("b")},
			},
			[]api.Finding{{Verdict: api.VerdictUnknown, Reason: fact.Timeout, Subject: subject(), Message: "not read", Evidence: evidence("a"), FromGap: true}},
		},
		"a gap next to an unknown of the check's own does not hide it": {
			[]api.Finding{
				{Verdict: api.VerdictUnknown, Reason: fact.Timeout, Subject: subject(), Message: "a", Evidence: evidence("a"), FromGap: true},
				{Verdict: api.VerdictUnknown, Reason: fact.Corrupt, Subject: subject(), Message: "b", Evidence: evidence("b")},
			},
			[]api.Finding{{
				Verdict: api.VerdictUnknown, Reason: fact.Timeout, Subject: subject(), Message: "a; b", Evidence: append(evidence("a"), evidence("b")...),
			}},
		},
		"a gap after an unknown of the check's own does not hide it": {
			[]api.Finding{
				{Verdict: api.VerdictUnknown, Reason: fact.Corrupt, Subject: subject(), Message: "a", Evidence: evidence("a")},
				{Verdict: api.VerdictUnknown, Reason: fact.Timeout, Subject: subject(), Message: "b", Evidence: evidence("b"), FromGap: true},
			},
			[]api.Finding{{
				Verdict: api.VerdictUnknown, Reason: fact.Corrupt, Subject: subject(), Message: "a; b", Evidence: append(evidence("a"), evidence("b")...),
			}},
		},
		"of two unknowns behind a low fail the first gives the reason": {
			[]api.Finding{
				{Verdict: api.Fail, Severity: api.Low, Subject: subject(), Message: "bad", Evidence: evidence("a")},
				{Verdict: api.VerdictUnknown, Reason: fact.Corrupt, Subject: subject(), Message: "b", Evidence: evidence("b")},
				{Verdict: api.VerdictUnknown, Reason: fact.Timeout, Subject: subject(), Message: "c", Evidence: evidence("c")},
			},
			[]api.Finding{{
				Verdict: api.Fail, Severity: api.Low, Reason: fact.Corrupt, Subject: subject(), Message: "bad; b; c",
				Evidence: append(evidence("a"), append(evidence("b"), evidence("c")...)...),
			}},
		},
		"a medium fail next to an unknown has no reason": {
			[]api.Finding{
				{Verdict: api.Fail, Severity: api.Medium, Subject: subject(), Message: "bad", Evidence: evidence("a")},
				{Verdict: api.VerdictUnknown, Reason: fact.Corrupt, Subject: subject(), Message: "b", Evidence: evidence("b")},
			},
			[]api.Finding{{Verdict: api.Fail, Severity: api.Medium, Subject: subject(), Message: "bad", Evidence: evidence("a")}},
		},
		"more pods than are named stay counted": {
			[]api.Finding{
				{Verdict: api.Fail, Subject: fact.Subject{Kind: "Pod", Name: "x", Pods: []string{"a"}, PodCount: 50}, Message: "a", Evidence: evidence("a")},
				{Verdict: api.Fail, Subject: fact.Subject{Kind: "Pod", Name: "x", Pods: []string{"b"}, PodCount: 1}, Message: "b", Evidence: evidence("a")},
			},
			[]api.Finding{{
				Verdict: api.Fail, Subject: fact.Subject{Kind: "Pod", Name: "x", Pods: []string{"a", "b"}, PodCount: 50}, Message: "a; b", Evidence: evidence("a"),
			}},
		},
		"a low fail next to a gap stays visible": {
			[]api.Finding{
				{Verdict: api.VerdictUnknown, Reason: fact.Timeout, Subject: subject(), Message: "not read", Evidence: evidence("a"), FromGap: true},
				{Verdict: api.Fail, Severity: api.Low, Subject: subject(), Message: "bad", Evidence: evidence("b")},
			},
			[]api.Finding{{
				Verdict: api.Fail, Severity: api.Low, Reason: fact.Timeout, Subject: subject(), Message: "bad; not read",
				Evidence: append(evidence("b"), evidence("a")...),
			}},
		},
		"an unknown stands above a pass": {
			[]api.Finding{
				{Verdict: api.Pass, Subject: subject("web-1"), Message: "fine", Evidence: evidence("a")},
				{Verdict: api.VerdictUnknown, Reason: fact.Unreadable, Subject: subject("web-2"), Message: "not read", Evidence: evidence("b")},
			},
			[]api.Finding{{
				Verdict: api.VerdictUnknown, Reason: fact.Unreadable, Subject: subject("web-2"), Message: "not read", Evidence: evidence("b"),
			}},
		},
		"of two fails the gravest severity stands and speaks first; evidence and pods are united": {
			[]api.Finding{
				{Verdict: api.Fail, Severity: api.Medium, Subject: subject("web-1"), Message: "a bad thing", Evidence: evidence("a"), Remediation: api.Remediation{Text: "one"}},
				{Verdict: api.Fail, Severity: api.Critical, Subject: subject("web-2"), Message: "very bad", Evidence: evidence("b"), Remediation: api.Remediation{Text: "two"}},
			},
			[]api.Finding{{
				Verdict: api.Fail, Severity: api.Critical, Subject: subject("web-1", "web-2"), Message: "very bad; a bad thing",
				Evidence: append(evidence("b"), evidence("a")...), Remediation: api.Remediation{Text: "two"},
			}},
		},
		"equal messages and evidence stand once": {
			[]api.Finding{
				{Verdict: api.Fail, Severity: api.Low, Subject: subject("web-1"), Message: "bad", Evidence: evidence("a")},
				{Verdict: api.Fail, Severity: api.Low, Subject: subject("web-1"), Message: "bad", Evidence: evidence("a")},
			},
			[]api.Finding{{Verdict: api.Fail, Severity: api.Low, Subject: subject("web-1"), Message: "bad", Evidence: evidence("a")}},
		},
		"messages beyond three are counted": {
			[]api.Finding{
				{Verdict: api.Fail, Subject: subject(), Message: "5", Evidence: evidence("a")},
				{Verdict: api.Fail, Subject: subject(), Message: "1", Evidence: evidence("a")},
				{Verdict: api.Fail, Subject: subject(), Message: "4", Evidence: evidence("a")},
				{Verdict: api.Fail, Subject: subject(), Message: "2", Evidence: evidence("a")},
				{Verdict: api.Fail, Subject: subject(), Message: "3", Evidence: evidence("a")},
			},
			[]api.Finding{{Verdict: api.Fail, Subject: subject(), Message: "1; 2; 3; and 2 more", Evidence: evidence("a")}},
		},
		"a pass that was measured in part is declared": {
			[]api.Finding{
				{Verdict: api.Pass, Basis: api.Measured, Subject: subject("web-1"), Message: "read-only", Evidence: evidence("a")},
				{Verdict: api.Pass, Basis: api.Declared, Subject: subject("web-2"), Message: "declared", Evidence: evidence("b")},
			},
			[]api.Finding{{
				Verdict: api.Pass, Basis: api.Declared, Subject: subject("web-1", "web-2"), Message: "read-only; declared",
				Evidence: append(evidence("a"), evidence("b")...),
			}},
		},
		"a fail that was measured for one pod is measured": {
			[]api.Finding{
				{Verdict: api.Fail, Basis: api.Declared, Subject: subject("web-2"), Message: "declared", Evidence: evidence("b")},
				{Verdict: api.Fail, Basis: api.Measured, Subject: subject("web-1"), Message: "writable", Evidence: evidence("a")},
			},
			[]api.Finding{{
				Verdict: api.Fail, Basis: api.Measured, Subject: subject("web-1", "web-2"), Message: "writable; declared",
				Evidence: append(evidence("a"), evidence("b")...),
			}},
		},
		"evidence and pod names beyond the limits are counted": {
			dozen,
			[]api.Finding{{
				Verdict: api.Pass, Basis: api.Measured, Message: "fine",
				Subject:  fact.Subject{Kind: "Deployment", Namespace: "shop", Name: "web", PodCount: 12, Pods: dozenPods[:fact.MaxPodNames]},
				Evidence: append(dozenEvidence, api.Evidence{Source: "further evidence", Value: "4 more", Basis: api.Measured}),
			}},
		},
		"of one finding, too": {
			[]api.Finding{{Verdict: api.Fail, Subject: subject("web-1"), Message: "bad", Evidence: numbered(MaxEvidence + 2)}},
			[]api.Finding{{
				Verdict: api.Fail, Subject: subject("web-1"), Message: "bad",
				Evidence: append(numbered(MaxEvidence), api.Evidence{Source: "further evidence", Value: "2 more"}),
			}},
		},
		"of one finding the pods are sorted, counted, and named once": {
			[]api.Finding{{
				Verdict: api.Fail, Subject: fact.Subject{Kind: "Pod", Name: "x", Pods: []string{"b", "a", "b"}}, Message: "bad", Evidence: evidence("a"),
			}},
			[]api.Finding{{
				Verdict: api.Fail, Subject: fact.Subject{Kind: "Pod", Name: "x", Pods: []string{"a", "b"}, PodCount: 2}, Message: "bad", Evidence: evidence("a"),
			}},
		},
		"of one finding counted pods are sorted": {
			[]api.Finding{{Verdict: api.Fail, Subject: subject("b", "a"), Message: "bad", Evidence: evidence("a")}},
			[]api.Finding{{Verdict: api.Fail, Subject: subject("a", "b"), Message: "bad", Evidence: evidence("a")}},
		},
		"messages take turns by the first node of their evidence": {
			[]api.Finding{onNode("a", "1"), onNode("a", "2"), onNode("a", "3"), onNode("b", "4")},
			[]api.Finding{{
				Verdict: api.Fail, Subject: subject("web-1"), Message: "1; 2; 4; and 1 more",
				Evidence: append(append(evidence("node/a x"), evidence("pod/shop/web-1 spec")...), evidence("node/b x")...),
			}},
		},
		"of one pod, too": {
			[]api.Finding{{Verdict: api.Fail, Subject: fact.Subject{Kind: "Pod", Name: "x", Pods: []string{"a"}}, Message: "bad", Evidence: evidence("a")}},
			[]api.Finding{{Verdict: api.Fail, Subject: fact.Subject{Kind: "Pod", Name: "x", Pods: []string{"a"}, PodCount: 1}, Message: "bad", Evidence: evidence("a")}},
		},
		"of one finding equal evidence stands once": {
			[]api.Finding{{Verdict: api.Fail, Subject: subject("web-1"), Message: "bad", Evidence: append(evidence("a"), evidence("a")...)}},
			[]api.Finding{{Verdict: api.Fail, Subject: subject("web-1"), Message: "bad", Evidence: evidence("a")}},
		},
		"among very many, what was said before is not counted again": {
			[]api.Finding{
				{Verdict: api.Fail, Subject: subject("web-1"), Message: "bad", Evidence: append(numbered(40), numbered(40)...)},
				{Verdict: api.Fail, Subject: subject("web-1"), Message: "bad", Evidence: numbered(41)},
			},
			[]api.Finding{{
				Verdict: api.Fail, Subject: subject("web-1"), Message: "bad",
				Evidence: append(numbered(MaxEvidence), api.Evidence{Source: "further evidence", Value: fmt.Sprintf("%d more", 41-MaxEvidence)}),
			}},
		},
		"other subjects stay apart, in order": {
			[]api.Finding{
				{Check: "b", Verdict: api.Pass, Subject: subject("web-1"), Message: "fine", Evidence: evidence("a")},
				{Check: "b", Verdict: api.Fail, Subject: fact.Subject{Kind: "Node", Name: "n1"}, Message: "bad", Evidence: evidence("a")},
			},
			[]api.Finding{
				{Check: "b", Verdict: api.Pass, Subject: subject("web-1"), Message: "fine", Evidence: evidence("a")},
				{Check: "b", Verdict: api.Fail, Subject: fact.Subject{Kind: "Node", Name: "n1"}, Message: "bad", Evidence: evidence("a")},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, mergeFindings(tc.findings)); diff != "" {
				t.Errorf("merged (-want +got):\n%s", diff)
			}
		})
	}
}

// What was only declared of one pod is not hidden by what was measured of another,
// whatever the verdicts are.
func TestMergeKeepsWhatWasNotMeasured(t *testing.T) {
	subject := fact.Subject{Kind: "Deployment", Namespace: "shop", Name: "web"}
	measured := &judged{Finding: &api.Finding{Verdict: api.Fail, Severity: api.Low, Basis: api.Measured, Subject: subject, Message: "a"}}
	declared := &judged{Finding: &api.Finding{Verdict: api.Pass, Severity: api.Low, Basis: api.Declared, Subject: subject, Message: "b"}, unmeasured: true}
	if got := merge([]*judged{declared, measured}, 1, MaxEvidence); len(got) != 1 || !got[0].unmeasured || got[0].Verdict != api.Fail {
		t.Errorf("got %+v", got[0])
	}
}

// However much one node says of a workload that it shares, what another says and
// what the API says of it stays among what is kept.
func TestMergeTakesNodesInTurn(t *testing.T) {
	subject := fact.Subject{Kind: "DaemonSet", Namespace: "shop", Name: "web"}
	finding := func(message string, sources ...string) api.Finding {
		f := api.Finding{Verdict: api.Fail, Severity: api.High, Basis: api.Measured, Subject: subject, Message: message}
		for _, source := range sources {
			f.Evidence = append(f.Evidence, evidence(source)...)
		}
		return f
	}
	var findings []api.Finding
	for i := range 40 {
		findings = append(findings, finding(fmt.Sprintf("a %02d", i), fmt.Sprintf("node/a /proc/%02d/status", i)))
	}
	findings = append(
		findings,
		finding("b sees it too", "node/b /proc/7/status", "pod/shop/web-1 spec.hostPID"),
		finding("c as well", "node/c /proc/8/status"),
	)
	got := mergeFindings(findings)[0]
	var sources []string
	for _, e := range got.Evidence {
		sources = append(sources, e.Source)
	}
	want := []string{
		"node/a /proc/00/status", "node/a /proc/01/status", "node/a /proc/02/status", "node/a /proc/03/status", "node/a /proc/04/status",
		"node/b /proc/7/status", "pod/shop/web-1 spec.hostPID", "node/c /proc/8/status", "further evidence",
	}
	if diff := cmp.Diff(want, sources); diff != "" {
		t.Errorf("evidence (-want +got):\n%s", diff)
	}
	if want := "a 00; b sees it too; c as well; and 39 more"; got.Message != want {
		t.Errorf("want %q, got %q", want, got.Message)
	}
	if want := "35 more"; got.Evidence[MaxEvidence].Value != want {
		t.Errorf("want %s, got %s", want, got.Evidence[MaxEvidence].Value)
	}
}

func TestMergeDoesNotDependOnTheOrderOfFindings(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	pick := func(words ...string) string { return words[random.IntN(len(words))] }
	for range 200 {
		var findings []api.Finding
		for range 1 + random.IntN(12) {
			pod := pick("p1", "p2", "p3")
			findings = append(findings, api.Finding{
				Verdict:  api.Verdict(pick("pass", "fail", "unknown", "accepted")),
				Severity: api.Severity(pick("low", "high")),
				Basis:    api.Basis(pick("declared", "measured")),
				Reason:   fact.Reason(pick("", "Timeout", "Corrupt")),
				Subject:  fact.Subject{Kind: "Pod", Name: pick("x", "y"), PodCount: 1, Pods: []string{pod}},
				Message:  pick("one", "two", "three", "four", "five"),
				Evidence: evidence(pick("e1", "e2", "e3")),
			})
		}
		merged := func(findings []api.Finding) []api.Finding {
			out := mergeFindings(findings)
			SortFindings(out)
			return out
		}
		want := merged(findings)
		shuffled := slices.Clone(findings)
		random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if diff := cmp.Diff(want, merged(shuffled)); diff != "" {
			t.Fatalf("shuffled (-want +got):\n%s", diff)
		}
	}
}

func TestSortFindings(t *testing.T) {
	f := func(check string, question api.Question, verdict api.Verdict, severity api.Severity, name string) api.Finding {
		return api.Finding{Check: check, Question: question, Verdict: verdict, Severity: severity, Subject: fact.Subject{Kind: "Pod", Name: name}}
	}
	want := []api.Finding{
		f("drift/a", api.Drift, api.Fail, api.Critical, "a"),
		f("builds/a", api.Builds, api.Fail, api.High, "a"),
		f("immutable/a", api.Immutable, api.Fail, api.High, "a"), // the second question
		f("hosts/a", api.Hosts, api.Fail, api.High, "a"),
		f("hosts/b", api.Hosts, api.Fail, api.High, "a"),
		f("hosts/b", api.Hosts, api.Fail, api.High, "b"),
		f("builds/a", api.Builds, api.VerdictUnknown, api.Critical, "a"),
		f("builds/a", api.Builds, api.Accepted, api.Critical, "a"),
		f("builds/a", api.Builds, api.Pass, api.Critical, "a"),
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	SortFindings(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sorted: verdict, severity, question, check, subject (-want +got):\n%s", diff)
	}
}

func TestRunFillsInFromTheCheck(t *testing.T) {
	subject := fact.Subject{Kind: "Node", Name: "n1"}
	check := func(f api.Finding) Check {
		f.Subject = subject
		return Check{
			ID: "hosts/a", Severity: api.High, Basis: api.Measured, Remediation: "Mend it.",
			Judge: func(*View) []api.Finding { return []api.Finding{f} },
		}
	}
	for name, tc := range map[string]struct {
		finding, want api.Finding
	}{
		"severity, basis and remediation come from the check": {
			api.Finding{Verdict: api.Fail, Message: "bad", Evidence: evidence("a")},
			api.Finding{
				Verdict: api.Fail, Severity: api.High, Basis: api.Measured, Message: "bad", Remediation: api.Remediation{Text: "Mend it."},
				Evidence: []api.Evidence{{Source: "a", Value: "v", Basis: api.Measured}},
			},
		},
		"what the finding says itself stays": {
			api.Finding{
				Verdict: api.Fail, Severity: api.Low, Basis: api.Declared, Message: "bad", Remediation: api.Remediation{Text: "Do that."},
				Evidence: []api.Evidence{{Source: "a", Value: "v", Basis: api.Measured}},
			},
			api.Finding{
				Verdict: api.Fail, Severity: api.Low, Basis: api.Declared, Message: "bad", Remediation: api.Remediation{Text: "Do that."},
				Evidence: []api.Evidence{{Source: "a", Value: "v", Basis: api.Measured}},
			},
		},
		"a pass needs no remediation": {
			api.Finding{Verdict: api.Pass, Message: "fine", Evidence: evidence("a")},
			api.Finding{
				Verdict: api.Pass, Severity: api.High, Basis: api.Measured, Message: "fine",
				Evidence: []api.Evidence{{Source: "a", Value: "v", Basis: api.Measured}},
			},
		},
		"a pass without evidence is unknown": {
			api.Finding{Verdict: api.Pass, Message: "fine"},
			api.Finding{
				Verdict: api.VerdictUnknown, Severity: api.High, Basis: api.Measured, Reason: fact.NotPresent,
				Message: "the check gave no evidence for its verdict",
			},
		},
		"no verdict is unknown": {
			api.Finding{Message: "?", Evidence: evidence("a")},
			api.Finding{
				Verdict: api.VerdictUnknown, Severity: api.High, Basis: api.Measured, Reason: fact.NotPresent,
				Message:  "the check gave no evidence for its verdict",
				Evidence: []api.Evidence{{Source: "a", Value: "v", Basis: api.Measured}},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.want.Check, tc.want.Question, tc.want.Subject = "hosts/a", api.Hosts, subject
			got := JudgeSet(planOf(check(tc.finding)), &fact.Set{}).Findings
			if diff := cmp.Diff([]api.Finding{tc.want}, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRunDoesNotLoseAnUnknownBehindALowFail(t *testing.T) {
	subject := fact.Subject{Kind: "Node", Name: "n1"}
	check := Check{ID: "hosts/a", Severity: api.High, Basis: api.Measured, Judge: func(*View) []api.Finding {
		return []api.Finding{
			{Verdict: api.Fail, Severity: api.Low, Subject: subject, Message: "bad", Evidence: evidence("a")},
			{Verdict: api.VerdictUnknown, Reason: fact.Unreadable, Subject: subject, Message: "not read", Evidence: evidence("b")},
		}
	}}
	got := JudgeSet(planOf(check), &fact.Set{})
	want := []api.Finding{{
		Check: "hosts/a", Question: api.Hosts, Verdict: api.Fail, Severity: api.Low, Basis: api.Measured,
		Reason: fact.Unreadable, Subject: subject, Message: "bad; not read",
		Evidence: []api.Evidence{{Source: "a", Value: "v", Basis: api.Measured}, {Source: "b", Value: "v", Basis: api.Measured}},
	}}
	if diff := cmp.Diff(want, got.Findings); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if answer := got.Answers[0].Answer; answer != api.Unknown {
		t.Errorf("answer: want unknown, got %s", answer)
	}
}

// What a pod that does not run declares takes nothing from what was measured of
// one that does; what a running one declares does.
func TestRunLeavesIdleDeclarationsAside(t *testing.T) {
	for phase, want := range map[string]struct {
		basis  api.Basis
		answer api.AnswerWord
	}{
		"Pending": {api.Measured, api.Yes},
		"Running": {api.Declared, api.Unknown},
	} {
		t.Run(phase, func(t *testing.T) {
			set := &fact.Set{PodScope: fact.PodsAll, Workloads: []fact.Workload{{
				Owner: fact.Subject{Kind: "Deployment", Namespace: "shop", Name: "web"},
				Pods:  []fact.Pod{{Name: "a", Node: "n1", Phase: "Running"}, {Name: "b", Node: "n1", Phase: phase}},
			}}}
			check := Check{ID: "drift/a", Severity: api.High, Basis: api.Measured, Scope: ScopeWorkload, Judge: func(v *View) []api.Finding {
				w := &v.Workloads[0]
				return []api.Finding{
					{Verdict: api.Pass, Subject: PodsSubject(w, []*fact.Pod{&w.Pods[0]}), Message: "read-only", Evidence: evidence("a")},
					{Verdict: api.Pass, Basis: api.Declared, Subject: PodsSubject(w, []*fact.Pod{&w.Pods[1]}), Message: "declared", Evidence: evidence("b")},
				}
			}}
			got := JudgeSet(planOf(check), set)
			if len(got.Findings) != 1 || got.Findings[0].Basis != want.basis || got.Answers[0].Answer != want.answer {
				t.Errorf("want %s and %s, got %s (%s) and %+v", want.basis, want.answer, got.Answers[0].Answer, got.Answers[0].Reason, got.Findings)
			}
		})
	}
}

// What findings of one subject leave uncovered is the worst that any of them leaves.
func TestMergeOfCoveredFindings(t *testing.T) {
	subject := fact.Subject{Kind: "Deployment", Namespace: "shop", Name: "web"}
	f := func(verdict api.Verdict, severity, remaining api.Severity, by ...string) api.Finding {
		return api.Finding{
			Verdict: verdict, Severity: severity, Subject: subject, Message: "m", CoveredBy: by, Remaining: remaining,
			Evidence: []api.Evidence{{Source: "pod/shop/web spec", Value: string(severity) + string(remaining)}},
		}
	}
	for name, tc := range map[string]struct {
		findings  []api.Finding
		by        []string
		remaining api.Severity
	}{
		"one":  {[]api.Finding{f(api.Fail, api.High, api.Low, "a", "b")}, []string{"a", "b"}, api.Low},
		"both": {[]api.Finding{f(api.Fail, api.High, "", "b"), f(api.Fail, api.Medium, api.Low, "a")}, []string{"a", "b"}, api.Low},
		"one that nothing covers stays as it is": {
			[]api.Finding{f(api.Fail, api.High, "", "b"), f(api.Fail, api.Medium, "")}, []string{"b"}, api.Medium,
		},
		"neither": {[]api.Finding{f(api.Fail, api.High, ""), f(api.Fail, api.Medium, "")}, nil, ""},
		"a check that does not run covers nothing": {[]api.Finding{f(api.Fail, api.High, api.Low, "a", "c")}, nil, ""},
		"a pass has nothing to cover":              {[]api.Finding{f(api.Fail, api.High, "", "b"), f(api.Pass, api.High, "")}, []string{"b"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			gives := func(id string, findings ...api.Finding) Check {
				return Check{ID: id, Severity: api.Critical, Basis: api.Declared, Judge: func(*View) []api.Finding { return slices.Clone(findings) }}
			}
			plan := Plan{Checks: []Check{gives("a"), gives("privileged/x", tc.findings...), gives("b")}}
			result := JudgeSet(plan, &fact.Set{PodScope: fact.PodsAll})
			if len(result.Findings) != 1 {
				t.Fatalf("%d findings", len(result.Findings))
			}
			if got := result.Findings[0]; !slices.Equal(got.CoveredBy, tc.by) || got.Remaining != tc.remaining {
				t.Errorf("covered by %v, remaining %q", got.CoveredBy, got.Remaining)
			}
		})
	}
}
