package checks

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// A question of three parts: measured says what runs, declared what is said,
// and extra needs a database. Of todo one check is not built yet.
func TestAnswers(t *testing.T) {
	const number, text = 3, "Are you avoiding --privileged?"
	measured := Check{ID: "privileged/a", Basis: api.Measured, Scope: ScopeWorkload}
	declared := Check{ID: "privileged/b", Basis: api.Declared, Scope: ScopeWorkload}
	one := Part{Question: api.Privileged, Name: "one", Title: "One", Checks: []string{"privileged/a"}}
	two := Part{Question: api.Privileged, Name: "two", Title: "Two", Checks: []string{"privileged/b"}}
	todo := Part{Question: api.Privileged, Name: "todo", Title: "To do", Checks: []string{"privileged/c", "privileged/d"}}
	extra := Part{Question: api.Privileged, Name: "extra", Title: "Extra", Checks: []string{"privileged/e"}, Optional: true}
	plan := func(parts ...Part) Plan {
		return Plan{Checks: []Check{measured, declared}, Known: []string{"privileged/a", "privileged/b", "privileged/e"}, Parts: parts}
	}

	both := Part{Question: api.Privileged, Name: "both", Title: "Both", Checks: []string{"privileged/a", "privileged/b"}}
	optional := func(slugs ...string) Part {
		part := extra
		part.Checks = nil
		for _, slug := range slugs {
			part.Checks = append(part.Checks, "privileged/"+slug)
		}
		return part
	}
	// withExtra is a plan in which the optional part's check runs too.
	withExtra := func(p Plan) Plan {
		p.Checks = append(p.Checks, Check{ID: "privileged/e", Basis: api.Measured})
		return p
	}

	subject := func(name string) fact.Subject { return fact.Subject{Kind: "Deployment", Namespace: "shop", Name: name} }
	platform := fact.Subject{Kind: "DaemonSet", Namespace: "kube-system", Name: "cni", Platform: true}
	node := fact.Subject{Kind: "Node", Name: "n1"}
	f := func(check string, verdict api.Verdict, severity api.Severity, s fact.Subject) api.Finding {
		f := api.Finding{Check: "privileged/" + check, Question: api.Privileged, Verdict: verdict, Severity: severity, Basis: api.Measured, Subject: s}
		if check == "b" {
			f.Basis = api.Declared
		}
		if verdict == api.VerdictUnknown {
			f.Reason = fact.Unreadable
		}
		return f
	}
	declaredOnly := func(name string) api.Finding {
		f := f("a", api.Pass, api.High, subject(name))
		f.Basis = api.Declared
		return f
	}
	covered := func(f api.Finding, remaining api.Severity, by ...string) api.Finding {
		f.CoveredBy, f.Remaining = by, remaining
		return f
	}
	passA := f("a", api.Pass, api.High, subject("a"))
	passB := f("b", api.Pass, api.High, subject("a"))

	type parts []api.PartAnswer
	part := func(p Part, answer, workloads api.AnswerWord, coverage api.Coverage, unknown int, reason string) api.PartAnswer {
		return api.PartAnswer{
			Part: p.Name, Title: p.Title, Answer: answer, Workloads: workloads, Optional: p.Optional,
			Coverage: coverage, Unknown: unknown, Reason: reason,
		}
	}
	accepting := func(p api.PartAnswer, n int) api.PartAnswer {
		p.Accepted = n
		return p
	}
	cover := func(measured, inScope int) api.Coverage { return api.Coverage{Measured: measured, InScope: inScope} }
	oneYes, twoYes := part(one, api.Yes, api.Yes, cover(1, 1), 0, ""), part(two, api.Yes, api.Yes, cover(0, 1), 0, "")

	for name, tc := range map[string]struct {
		plan     Plan
		findings []api.Finding
		want     api.Answer
	}{
		"every part passes and something was measured: yes": {
			plan(one, two),
			[]api.Finding{passA, passB},
			api.Answer{Answer: api.Yes, Workloads: api.Yes, Coverage: cover(1, 1), Parts: parts{oneYes, twoYes}},
		},
		"a medium fail in one part: no, and the other part stays yes": {
			plan(one, two),
			[]api.Finding{passA, f("b", api.Fail, api.Medium, subject("a"))},
			api.Answer{
				Answer: api.No, Workloads: api.No, Coverage: cover(1, 1), Failing: map[api.Severity]int{api.Medium: 1},
				Parts: parts{oneYes, part(two, api.No, api.No, cover(0, 1), 0, "")},
			},
		},
		"a fail that another check of the plan covers counts once": {
			plan(one, two),
			[]api.Finding{f("a", api.Fail, api.High, subject("a")), covered(f("b", api.Fail, api.High, subject("a")), "", "privileged/a")},
			api.Answer{
				Answer: api.No, Workloads: api.No, Coverage: cover(1, 1), Failing: map[api.Severity]int{api.High: 1},
				Parts: parts{part(one, api.No, api.No, cover(1, 1), 0, ""), twoYes},
			},
		},
		"what no other check covers counts with its own severity": {
			plan(one, two),
			[]api.Finding{passA, covered(f("b", api.Fail, api.High, subject("a")), api.Medium, "privileged/a")},
			api.Answer{
				Answer: api.No, Workloads: api.No, Coverage: cover(1, 1), Failing: map[api.Severity]int{api.Medium: 1},
				Parts: parts{oneYes, part(two, api.No, api.No, cover(0, 1), 0, "")},
			},
		},
		"a low rest makes it no no": {
			plan(one, two),
			[]api.Finding{passA, covered(f("b", api.Fail, api.High, subject("a")), api.Low, "privileged/a")},
			api.Answer{
				Answer: api.Yes, Workloads: api.Yes, Coverage: cover(1, 1), Failing: map[api.Severity]int{api.Low: 1},
				Parts: parts{oneYes, twoYes},
			},
		},
		"a low fail does not make it a no": {
			plan(one),
			[]api.Finding{f("a", api.Fail, api.Low, subject("a"))},
			api.Answer{Answer: api.Yes, Workloads: api.Yes, Coverage: cover(1, 1), Failing: map[api.Severity]int{api.Low: 1}, Parts: parts{oneYes}},
		},
		"a low fail of a subject of which something is unknown: unknown": {
			plan(one),
			[]api.Finding{func() api.Finding {
				f := f("a", api.Fail, api.Low, subject("a"))
				f.Reason = fact.Timeout
				return f
			}()},
			api.Answer{
				Answer: api.Unknown, Workloads: api.Unknown, Coverage: cover(1, 1), Failing: map[api.Severity]int{api.Low: 1}, Unknowns: 1,
				Reason: "Timeout: deployment shop/a",
				Parts:  parts{part(one, api.Unknown, api.Unknown, cover(1, 1), 1, "Timeout: deployment shop/a")},
			},
		},
		"a fail outweighs an unknown: no": {
			plan(one),
			[]api.Finding{f("a", api.VerdictUnknown, api.High, subject("a")), f("a", api.Fail, api.High, subject("b"))},
			api.Answer{
				Answer: api.No, Workloads: api.No, Coverage: cover(1, 2), Unknowns: 1, Failing: map[api.Severity]int{api.High: 1},
				Parts: parts{part(one, api.No, api.No, cover(1, 2), 1, "")},
			},
		},
		"an unknown finding among passes: unknown, with its reason and how many more": {
			plan(one),
			[]api.Finding{passA, f("a", api.VerdictUnknown, api.High, subject("b")), f("a", api.VerdictUnknown, api.High, subject("c"))},
			api.Answer{
				Answer: api.Unknown, Workloads: api.Unknown, Coverage: cover(1, 3), Unknowns: 2, Reason: "Unreadable: deployment shop/b and 1 more",
				Parts: parts{part(one, api.Unknown, api.Unknown, cover(1, 3), 2, "Unreadable: deployment shop/b and 1 more")},
			},
		},
		"a gap is named before its consequences": {
			plan(one),
			[]api.Finding{
				f("a", api.VerdictUnknown, api.High, subject("b")),
				{Check: "privileged/a", Verdict: api.VerdictUnknown, Reason: fact.NotReady, Basis: api.Measured, Subject: node, FromGap: true},
			},
			api.Answer{
				Answer: api.Unknown, Workloads: api.Unknown, Coverage: cover(0, 2), Unknowns: 2, Reason: "NotReady: node n1 and 1 more",
				Parts: parts{part(one, api.Unknown, api.Unknown, cover(0, 2), 2, "NotReady: node n1 and 1 more")},
			},
		},
		"a part of which a check is not built: unknown, and it is named": {
			plan(one, todo),
			[]api.Finding{passA},
			api.Answer{
				Answer: api.Unknown, Workloads: api.Unknown, Coverage: cover(1, 1), Reason: "not in this version: todo",
				Parts: parts{oneYes, part(todo, api.Unknown, api.Unknown, cover(0, 0), 0, "Unsupported: this version has no c, d")},
			},
		},
		"a check that did not run: unknown": {
			func() Plan { p := plan(one, two); p.Checks = p.Checks[:1]; return p }(),
			[]api.Finding{passA},
			api.Answer{
				Answer: api.Unknown, Workloads: api.Unknown, Coverage: cover(1, 1), Reason: "not run: two",
				Parts: parts{oneYes, part(two, api.Unknown, api.Unknown, cover(0, 0), 0, "NotRequested: did not run: b")},
			},
		},
		"of a check that measures, a running container's declaration is no measurement: unknown": {
			plan(one),
			[]api.Finding{passA, declaredOnly("b"), declaredOnly("c")},
			api.Answer{
				Answer: api.Unknown, Workloads: api.Unknown, Coverage: cover(1, 3), Reason: "NotPresent: declared but not measured: deployment shop/b and 1 more",
				Parts: parts{part(one, api.Unknown, api.Unknown, cover(1, 3), 0, "NotPresent: declared but not measured: deployment shop/b and 1 more")},
			},
		},
		"what a platform's container only declares leaves the workloads' answer alone": {
			plan(one),
			[]api.Finding{passA, func() api.Finding { f := declaredOnly("b"); f.Subject = platform; return f }()},
			api.Answer{
				Answer: api.Unknown, Workloads: api.Yes, Coverage: cover(1, 2), Reason: "NotPresent: declared but not measured: daemonset kube-system/cni",
				Parts: parts{part(one, api.Unknown, api.Yes, cover(1, 2), 0, "NotPresent: declared but not measured: daemonset kube-system/cni")},
			},
		},
		"an optional part without its database does not block": {
			plan(one, extra),
			[]api.Finding{passA},
			api.Answer{
				Answer: api.Yes, Workloads: api.Yes, Coverage: cover(1, 1),
				Parts: parts{oneYes, part(extra, api.Unknown, api.Unknown, cover(0, 0), 0, "NotRequested: did not run: e")},
			},
		},
		"an optional part makes it a no": {
			withExtra(plan(one, extra)),
			[]api.Finding{passA, f("e", api.Fail, api.High, subject("a"))},
			api.Answer{
				Answer: api.No, Workloads: api.No, Coverage: cover(1, 1), Failing: map[api.Severity]int{api.High: 1},
				Parts: parts{oneYes, part(extra, api.No, api.No, cover(1, 1), 0, "")},
			},
		},
		"fails and unknowns of all parts are counted": {
			plan(one, two),
			[]api.Finding{
				f("a", api.Fail, api.High, subject("a")), f("b", api.Fail, api.High, subject("a")),
				f("a", api.VerdictUnknown, api.High, subject("b")), f("b", api.VerdictUnknown, api.High, subject("c")),
			},
			api.Answer{
				Answer: api.No, Workloads: api.No, Coverage: cover(1, 2), Failing: map[api.Severity]int{api.High: 2}, Unknowns: 2,
				Parts: parts{part(one, api.No, api.No, cover(1, 2), 1, ""), part(two, api.No, api.No, cover(0, 2), 1, "")},
			},
		},
		"an optional part that found nothing does not block": {
			withExtra(plan(one, extra)),
			[]api.Finding{passA},
			api.Answer{
				Answer: api.Yes, Workloads: api.Yes, Coverage: cover(1, 1),
				Parts: parts{oneYes, part(extra, api.Unknown, api.Unknown, cover(0, 0), 0, "NotPresent: nothing was in scope")},
			},
		},
		"an optional part with a check that is not built does not block": {
			withExtra(plan(one, optional("e", "c"))),
			[]api.Finding{passA, f("e", api.Pass, api.High, subject("a"))},
			api.Answer{
				Answer: api.Yes, Workloads: api.Yes, Coverage: cover(1, 1),
				Parts: parts{oneYes, part(extra, api.Unknown, api.Unknown, cover(1, 1), 0, "Unsupported: this version has no c")},
			},
		},
		"an optional part with a check that did not run does not block": {
			func() Plan {
				p := withExtra(plan(one, optional("e", "b")))
				p.Checks = slices.DeleteFunc(p.Checks, func(c Check) bool { return c.ID == "privileged/b" })
				return p
			}(),
			[]api.Finding{passA, f("e", api.Pass, api.High, subject("a"))},
			api.Answer{
				Answer: api.Yes, Workloads: api.Yes, Coverage: cover(1, 1),
				Parts: parts{oneYes, part(extra, api.Unknown, api.Unknown, cover(1, 1), 0, "NotRequested: did not run: b")},
			},
		},
		"an optional part of which something was not read blocks": {
			withExtra(plan(one, extra)),
			[]api.Finding{passA, f("e", api.VerdictUnknown, api.High, subject("a"))},
			api.Answer{
				Answer: api.Unknown, Workloads: api.Unknown, Coverage: cover(1, 1), Unknowns: 1, Reason: "Unreadable: deployment shop/a",
				Parts: parts{oneYes, part(extra, api.Unknown, api.Unknown, cover(0, 1), 1, "Unreadable: deployment shop/a")},
			},
		},
		"of a question that measures, what is only declared elsewhere is not in scope": {
			plan(one, two),
			[]api.Finding{passA, f("b", api.Pass, api.High, subject("b"))},
			api.Answer{Answer: api.Yes, Workloads: api.Yes, Coverage: cover(1, 1), Parts: parts{oneYes, twoYes}},
		},
		"only the platform was measured, and the workloads declare a low fail": {
			plan(one),
			[]api.Finding{f("a", api.Pass, api.High, platform), func() api.Finding {
				f := f("a", api.Fail, api.Low, subject("a"))
				f.Basis = api.Declared
				return f
			}()},
			api.Answer{
				Answer: api.Unknown, Workloads: api.Unknown, Coverage: cover(1, 2), Failing: map[api.Severity]int{api.Low: 1},
				Reason: "NotPresent: declared but not measured: deployment shop/a",
				Parts:  parts{part(one, api.Unknown, api.Unknown, cover(1, 2), 0, "NotPresent: declared but not measured: deployment shop/a")},
			},
		},
		"a check that measures found nothing that runs but the platform's": {
			plan(both),
			[]api.Finding{f("a", api.Pass, api.High, platform), passB},
			api.Answer{
				Answer: api.Yes, Workloads: api.Unknown, WorkloadsReason: "NotPresent: nothing was in scope of a", Coverage: cover(1, 1),
				Parts: parts{func() api.PartAnswer {
					p := part(both, api.Yes, api.Unknown, cover(1, 1), 0, "")
					p.WorkloadsReason = "NotPresent: nothing was in scope of a"
					return p
				}()},
			},
		},
		"of two that found nothing the first is named": {
			withExtra(plan(Part{Question: api.Privileged, Name: "three", Title: "Three", Checks: []string{"privileged/a", "privileged/b", "privileged/e"}})),
			[]api.Finding{passB},
			api.Answer{
				Answer: api.Unknown, Workloads: api.Unknown, Reason: "NotPresent: nothing was in scope of a",
				Parts: parts{{
					Part: "three", Title: "Three", Answer: api.Unknown, Workloads: api.Unknown, Reason: "NotPresent: nothing was in scope of a",
				}},
			},
		},
		"a narrowed run never says yes, for a part either": {
			func() Plan { p := plan(one, two); p.Narrowed = "only namespace shop"; return p }(),
			[]api.Finding{passA, passB},
			api.Answer{
				Answer: api.Unknown, Workloads: api.Unknown, Coverage: cover(1, 1), Reason: "NotRequested: only namespace shop; nothing found there",
				Parts: parts{
					part(one, api.Unknown, api.Unknown, cover(1, 1), 0, "NotRequested: only namespace shop; nothing found there"),
					part(two, api.Unknown, api.Unknown, cover(0, 1), 0, "NotRequested: only namespace shop; nothing found there"),
				},
			},
		},
		"of a narrowed run, a part of which a check is not built or did not run says so: nobody looked there": {
			func() Plan {
				p := plan(one, two, todo)
				p.Checks, p.Narrowed = p.Checks[:1], "only namespace shop"
				return p
			}(),
			[]api.Finding{passA},
			api.Answer{
				Answer: api.Unknown, Workloads: api.Unknown, Coverage: cover(1, 1), Reason: "NotRequested: only namespace shop; nothing found there",
				Parts: parts{
					part(one, api.Unknown, api.Unknown, cover(1, 1), 0, "NotRequested: only namespace shop; nothing found there"),
					part(two, api.Unknown, api.Unknown, cover(0, 0), 0, "NotRequested: did not run: b"),
					part(todo, api.Unknown, api.Unknown, cover(0, 0), 0, "Unsupported: this version has no c, d"),
				},
			},
		},
		"a narrowed run that found nothing, of what is not built: nobody could have looked": {
			func() Plan { p := plan(todo); p.Narrowed = "only namespace shop"; return p }(),
			nil,
			api.Answer{
				Answer: api.Unknown, Workloads: api.Unknown, Reason: "not in this version: todo",
				Parts: parts{part(todo, api.Unknown, api.Unknown, cover(0, 0), 0, "Unsupported: this version has no c, d")},
			},
		},
		"a narrowed run says no": {
			func() Plan { p := plan(one); p.Narrowed = "only namespace shop"; return p }(),
			[]api.Finding{f("a", api.Fail, api.High, subject("a"))},
			api.Answer{
				Answer: api.No, Workloads: api.No, Coverage: cover(1, 1), Failing: map[api.Severity]int{api.High: 1},
				Parts: parts{part(one, api.No, api.No, cover(1, 1), 0, "")},
			},
		},
		"nothing in scope: unknown": {
			plan(one, two), nil,
			api.Answer{
				Answer: api.Unknown, Workloads: api.Unknown, Reason: "NotPresent: nothing was in scope",
				Parts: parts{
					part(one, api.Unknown, api.Unknown, cover(0, 0), 0, "NotPresent: nothing was in scope"),
					part(two, api.Unknown, api.Unknown, cover(0, 0), 0, "NotPresent: nothing was in scope"),
				},
			},
		},
		"a check that measures and found nothing that runs: unknown": {
			plan(both),
			[]api.Finding{passB},
			api.Answer{
				Answer: api.Unknown, Workloads: api.Unknown, Reason: "NotPresent: nothing was in scope of a",
				Parts: parts{{
					Part: "both", Title: "Both", Answer: api.Unknown, Workloads: api.Unknown, Reason: "NotPresent: nothing was in scope of a",
				}},
			},
		},
		"declarations alone never make a yes of a question": {
			plan(two),
			[]api.Finding{passB},
			api.Answer{Answer: api.Unknown, Workloads: api.Unknown, Coverage: cover(0, 1), Reason: "nothing was measured", Parts: parts{twoYes}},
		},
		"an accepted fail is none": {
			plan(one),
			[]api.Finding{f("a", api.Accepted, api.Critical, subject("b")), passA},
			api.Answer{Answer: api.Yes, Workloads: api.Yes, Coverage: cover(2, 2), Accepted: 1, Parts: parts{accepting(part(one, api.Yes, api.Yes, cover(2, 2), 0, ""), 1)}},
		},
		"a platform fail counts for the answer, not for the workloads": {
			plan(one),
			[]api.Finding{f("a", api.Fail, api.Critical, platform), passA},
			api.Answer{
				Answer: api.No, Workloads: api.Yes, Coverage: cover(2, 2), Failing: map[api.Severity]int{api.Critical: 1},
				Parts: parts{part(one, api.No, api.Yes, cover(2, 2), 0, "")},
			},
		},
		"only platform subjects: the workloads are unknown, with a reason": {
			plan(one),
			[]api.Finding{f("a", api.Pass, api.High, platform)},
			api.Answer{
				Answer: api.Yes, Workloads: api.Unknown, WorkloadsReason: "NotPresent: nothing was in scope", Coverage: cover(1, 1),
				Parts: parts{func() api.PartAnswer {
					p := part(one, api.Yes, api.Unknown, cover(1, 1), 0, "")
					p.WorkloadsReason = "NotPresent: nothing was in scope"
					return p
				}()},
			},
		},
		"a node's gap makes the workloads unknown too": {
			plan(one),
			[]api.Finding{passA, f("a", api.VerdictUnknown, api.High, node)},
			api.Answer{
				Answer: api.Unknown, Workloads: api.Unknown, Coverage: cover(1, 2), Unknowns: 1, Reason: "Unreadable: node n1",
				Parts: parts{part(one, api.Unknown, api.Unknown, cover(1, 2), 1, "Unreadable: node n1")},
			},
		},
		"findings of other questions do not matter": {
			plan(one),
			[]api.Finding{passA, {Check: "drift/a", Question: api.Drift, Verdict: api.Fail, Severity: api.Critical, Subject: subject("b")}},
			api.Answer{Answer: api.Yes, Workloads: api.Yes, Coverage: cover(1, 1), Parts: parts{oneYes}},
		},
		"a question without parts": {
			plan(),
			[]api.Finding{passA},
			api.Answer{Answer: api.Unknown, Workloads: api.Unknown, Reason: "no part of it is listed"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.want.Question, tc.want.Number, tc.want.Text = api.Privileged, number, text
			findings, subjects := judgedOf(tc.findings)
			if diff := cmp.Diff([]api.Answer{tc.want}, NewView(&fact.Set{}).answers(&tc.plan, ledgerOf(&tc.plan, findings, subjects))); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnswersCoverTheQuestionsAsked(t *testing.T) {
	plan := planOf(Check{ID: "drift/a"}, Check{ID: "hosts/a"})
	var got []api.Question
	for _, a := range NewView(&fact.Set{}).answers(&plan, ledgerOf(&plan, nil, newRoster(nil))) {
		got = append(got, a.Question)
		if a.Question == api.Hosts && (a.Workloads != api.NotApplicable || a.Parts[0].Workloads != api.NotApplicable) {
			t.Errorf("hosts is not about workloads: want %q, got %q", api.NotApplicable, a.Workloads)
		}
	}
	if diff := cmp.Diff([]api.Question{api.Hosts, api.Drift}, got); diff != "" {
		t.Errorf("questions, in the checklist's order (-want +got):\n%s", diff)
	}
}

// What does not run is counted, and is not in the scope of what measures.
func TestCoverageCountsWhatRuns(t *testing.T) {
	pods := func(n int, phase string, status fact.ContainerStatus) (out []fact.Pod) {
		for range n {
			out = append(out, fact.Pod{Name: "p", Node: "n1", Phase: phase, Containers: []fact.ContainerStatus{status}})
		}
		return out
	}
	set := &fact.Set{PodScope: fact.PodsAll, Workloads: []fact.Workload{
		{Owner: fact.Subject{Kind: "Deployment", Name: "web"}, Pods: pods(4, "Running", fact.ContainerStatus{Running: true})},
		{Owner: fact.Subject{Kind: "Deployment", Name: "stuck"}, Pods: pods(200, "Pending", fact.ContainerStatus{Waiting: true})},
		{Owner: fact.Subject{Kind: "Job", Name: "done"}, Pods: pods(7, "Succeeded", fact.ContainerStatus{Terminated: true})},
	}}
	check := Check{ID: "privileged/a", Basis: api.Measured, Scope: ScopeWorkload, Judge: func(v *View) []api.Finding {
		var out []api.Finding
		for i := range v.Workloads { // it judges declarations where nothing was measured
			f := api.Finding{Verdict: api.Pass, Basis: api.Declared, Subject: v.Workloads[i].Owner, Message: "fine", Evidence: evidence("e")}
			if i == 0 {
				f.Basis = api.Measured
			}
			out = append(out, f)
		}
		return out
	}}
	got := JudgeSet(planOf(check), set).Answers[0]
	if want := (api.Coverage{Measured: 1, InScope: 1, NotRunning: 207}); got.Coverage != want || got.Parts[0].Coverage != want {
		t.Errorf("want %+v, got %+v and of the part %+v", want, got.Coverage, got.Parts[0].Coverage)
	}
	if got.Answer != api.Yes {
		t.Errorf("want yes within that scope, got %s (%s)", got.Answer, got.Reason)
	}
}

// Pods that do not run matter where what runs is measured of workloads.
func TestNotRunningCountsForMeasuredWorkloads(t *testing.T) {
	set := &fact.Set{PodScope: fact.PodsAll, Workloads: []fact.Workload{{
		Owner: fact.Subject{Kind: "Job", Name: "done"},
		Pods:  []fact.Pod{{Name: "p", Node: "n1", Phase: "Succeeded", Containers: []fact.ContainerStatus{{Terminated: true}}}},
	}}}
	check := func(id string, basis api.Basis, scope Scope) Check {
		return Check{ID: "privileged/" + id, Basis: basis, Scope: scope, Judge: func(*View) []api.Finding { return nil }}
	}
	measured, declared := check("a", api.Measured, ScopeWorkload), check("b", api.Declared, ScopeWorkload)
	node := check("c", api.Measured, ScopeNode)
	for name, tc := range map[string]struct {
		checks []Check
		want   int
	}{
		"measured of workloads":         {[]Check{measured}, 1},
		"declared of workloads":         {[]Check{declared}, 0},
		"measured of nodes":             {[]Check{node}, 0},
		"both of workloads":             {[]Check{measured, declared}, 1},
		"of workloads, and of nodes":    {[]Check{measured, node}, 1},
		"declared, and of nodes":        {[]Check{declared, node}, 0},
		"of nodes first, then of those": {[]Check{node, measured}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			plan := planOf(tc.checks...)
			if got := JudgeSet(plan, set).Answers[0]; got.NotRunning != tc.want || got.Parts[0].NotRunning != tc.want {
				t.Errorf("in one part: want %d, got %d and of the part %d", tc.want, got.NotRunning, got.Parts[0].NotRunning)
			}
			plan.Parts = nil
			for _, c := range tc.checks {
				plan.Parts = append(plan.Parts, Part{Question: api.Privileged, Name: c.Slug(), Checks: []string{c.ID}})
			}
			if got := JudgeSet(plan, set).Answers[0]; got.NotRunning != tc.want {
				t.Errorf("in parts of their own: want %d, got %d", tc.want, got.NotRunning)
			}
		})
	}
}

// What is declared of containers that do not run is nothing that a check which
// measures has looked at.
func TestWhatDoesNotRunIsNotInScope(t *testing.T) {
	workload := func(namespace, phase string) fact.Workload {
		return fact.Workload{
			Owner: fact.Subject{Kind: "Deployment", Namespace: namespace, Name: "web"},
			Spec:  fact.PodSpec{Containers: []fact.Container{{Name: "app"}}},
			Pods:  []fact.Pod{{Name: "web-1", Node: "n1", Phase: phase}},
		}
	}
	check := Check{ID: "privileged/a", Basis: api.Measured, Scope: ScopeWorkload, Judge: func(v *View) []api.Finding {
		var out []api.Finding
		for i := range v.Workloads {
			f := api.Finding{Verdict: api.Pass, Basis: api.Declared, Subject: WorkloadSubject(&v.Workloads[i]), Message: "fine", Evidence: evidence("e")}
			if v.Workloads[i].Owner.Namespace == "kube-system" {
				f.Basis = api.Measured
			}
			out = append(out, f)
		}
		return out
	}}
	const nothing = "NotPresent: nothing was in scope of a"
	for name, tc := range map[string]struct {
		workloads         []fact.Workload
		answer, workload  api.AnswerWord
		reason, ofReasons string
	}{
		"one workload, which has not started": {[]fact.Workload{workload("shop", "Pending")}, api.Unknown, api.Unknown, nothing, ""},
		"one workload that has not started, and the platform, which runs": {
			[]fact.Workload{workload("shop", "Pending"), workload("kube-system", "Running")}, api.Yes, api.Unknown, "", nothing,
		},
		"it runs, and was not measured": {
			[]fact.Workload{workload("shop", "Running")}, api.Unknown, api.Unknown, "NotPresent: declared but not measured: deployment shop/web", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := JudgeSet(planOf(check), &fact.Set{PodScope: fact.PodsAll, Workloads: tc.workloads}).Answers[0]
			if got.Answer != tc.answer || got.Reason != tc.reason || got.Workloads != tc.workload || got.WorkloadsReason != tc.ofReasons {
				t.Errorf("got %s %q, workloads %s %q", got.Answer, got.Reason, got.Workloads, got.WorkloadsReason)
			}
		})
	}
}

// What decides a part, in order: each step takes away what decided before it.
func TestWhatDecidesAPart(t *testing.T) {
	v := verdicts{
		failed: true, expected: []expected{{"privileged/b", 1}, {"privileged/a", 0}},
		open:       firstOf{finding: &api.Finding{Reason: fact.Timeout, Subject: fact.Subject{Kind: "Node", Name: "n1"}}, subjects: 1},
		unmeasured: firstOf{finding: &api.Finding{Subject: fact.Subject{Kind: "Pod", Name: "p"}}, subjects: 1},
	}
	plan, missing, idle := Plan{Narrowed: "only some", WhatIf: true}, "missing", "idle"
	for _, step := range []struct {
		name   string
		word   api.AnswerWord
		reason string
		remove func()
	}{
		{"a fail", api.No, "", func() { v.failed = false }},
		{"an open finding", api.Unknown, "Timeout: node n1", func() { v.open = firstOf{} }},
		{"what was only declared", api.Unknown, "NotPresent: declared but not measured: pod p", func() { v.unmeasured = firstOf{} }},
		{"what is not built", api.Unknown, "missing", func() { missing = "" }},
		{"what did not run", api.Unknown, "idle", func() { idle = "" }},
		{"a what-if", api.Unknown, nothingLeft, func() { plan.WhatIf = false }},
		{"a narrowed run", api.Unknown, "NotRequested: only some; nothing found there", func() { plan.Narrowed = "" }},
		{"nothing at all", api.Unknown, "NotPresent: nothing was in scope", func() { v.any = true }},
		{"a check with nothing to judge", api.Unknown, "NotPresent: nothing was in scope of a", func() { v.expected = nil }},
		{"nothing is against it", api.Yes, "", func() {}},
	} {
		if word, reason := v.word(&plan, missing, idle); word != step.word || reason != step.reason {
			t.Errorf("%s: want %s %q, got %s %q", step.name, step.word, step.reason, word, reason)
		}
		step.remove()
	}
}

// The same of a question, from its parts.
func TestWhatDecidesAQuestion(t *testing.T) {
	w := worst{limited: "NotRequested: only some; nothing found there", no: true, parts: 3, unknown: []reasoned{
		{"a", "Unsupported: this version has no x"}, {"b", "NotRequested: did not run: y"}, {"c", "Timeout: node n1"},
	}}
	measured := false
	for _, step := range []struct {
		name   string
		word   api.AnswerWord
		reason string
		remove func()
	}{
		{"a part that is no", api.No, "", func() { w.no = false }},
		{"what was not read", api.Unknown, "Timeout: node n1", func() { w.unknown = w.unknown[:2] }},
		{"a narrowed run", api.Unknown, "NotRequested: only some; nothing found there", func() { w.limited = "" }},
		{"what did not run", api.Unknown, "not run: b", func() { w.unknown = w.unknown[:1] }},
		{"what is not built", api.Unknown, "not in this version: a", func() { w.unknown, w.parts = nil, 0 }},
		{"no part", api.Unknown, "no part of it is listed", func() { w.parts = 1 }},
		{"nothing was measured", api.Unknown, "nothing was measured", func() { measured = true }},
		{"nothing is against it", api.Yes, "", func() {}},
	} {
		if word, reason := w.word(measured); word != step.word || reason != step.reason {
			t.Errorf("%s: want %s %q, got %s %q", step.name, step.word, step.reason, word, reason)
		}
		step.remove()
	}
}

// A question of a what-if is never yes, even if all of it was measured. What was changed and so not
// measured has the same reason; what else is open has its own.
func TestWhatIfIsNeverYes(t *testing.T) {
	w := worst{limited: nothingLeft, parts: 1}
	if word, reason := w.word(true); word != api.Unknown || reason != "NotMeasured: nothing left that fails; measure after" {
		t.Errorf("got %s %q", word, reason)
	}
	for reason, want := range map[fact.Reason]string{fact.NotMeasured: nothingLeft, fact.Timeout: "Timeout: pod p"} {
		v := verdicts{open: firstOf{finding: &api.Finding{Reason: reason, Subject: fact.Subject{Kind: "Pod", Name: "p"}}, subjects: 1}}
		if word, got := v.word(&Plan{WhatIf: true}, "", ""); word != api.Unknown || got != want {
			t.Errorf("%s: got %s %q", reason, word, got)
		}
	}
}

// The reason for an unknown answer: the first subject without a verdict, and of
// what is about everything its words up to the first pause.
func TestBecause(t *testing.T) {
	open := func(kind, message string) api.Finding {
		return api.Finding{Verdict: api.VerdictUnknown, Reason: fact.Timeout, Subject: fact.Subject{Kind: kind, Name: "x"}, Message: message}
	}
	gap := func(name string) api.Finding {
		f := open("Node", "")
		f.Subject.Name, f.FromGap = name, true
		return f
	}
	container := open("Deployment", "a, b")
	container.Subject.Namespace, container.Subject.Container = "shop", "app"
	for name, tc := range map[string]struct {
		findings []api.Finding
		want     string
	}{
		"up to a comma":             {[]api.Finding{open("Cluster", "a, b; c: d")}, "Timeout: a"},
		"up to a colon":             {[]api.Finding{open("Cluster", "a: b, c")}, "Timeout: a"},
		"up to a semicolon":         {[]api.Finding{open("Cluster", "a; b, c")}, "Timeout: a"},
		"no pause":                  {[]api.Finding{open("Cluster", "a b")}, "Timeout: a b"},
		"a pause at the start":      {[]api.Finding{open("Cluster", ": a")}, "Timeout: : a"},
		"about a file":              {[]api.Finding{open("File", "a, b")}, "Timeout: a"},
		"about a node":              {[]api.Finding{open("Node", "a, b")}, "Timeout: node x"},
		"about a container":         {[]api.Finding{container}, "Timeout: deployment shop/x app"},
		"a gap before what is open": {[]api.Finding{open("Node", "a"), gap("y"), gap("z")}, "Timeout: node y and 2 more"},
		"one subject of two checks": {[]api.Finding{open("Node", "a"), open("Node", "b")}, "Timeout: node x"},
		"several subjects of two checks: each counts once": {[]api.Finding{open("Node", "a"), open("Cluster", "b"), open("Node", "a")}, "Timeout: node x and 1 more"},
	} {
		t.Run(name, func(t *testing.T) {
			list, subjects := judgedOf(tc.findings)
			var first firstOf
			findings := unsorted(list, subjects)
			seen := make([]bool, subjects.size())
			for i := range findings.entries {
				f := &findings.entries[i]
				first.add(f, &findings.classes[f.class], 0, !seen[f.subject])
				seen[f.subject] = true
			}
			first.resolve(findings)
			if got := first.because(); got != tc.want {
				t.Errorf("want %q, got %q", tc.want, got)
			}
		})
	}
}

// Facts that cover only some of a cluster never give a yes, whatever the plan
// says of its scope: a caller may have forgotten to say it.
func TestFactsOfSomeOfAClusterGiveNoYes(t *testing.T) {
	pass := func(*View) []api.Finding {
		return []api.Finding{{Verdict: api.Pass, Subject: fact.Subject{Kind: "Node", Name: "n1"}, Message: "fine", Evidence: evidence("e")}}
	}
	plan := planOf(Check{ID: "hosts/a", Basis: api.Measured, Severity: api.High, Judge: pass})
	for name, tc := range map[string]struct {
		set    fact.Set
		answer api.AnswerWord
		reason string
	}{
		"all of it":                     {fact.Set{PodScope: fact.PodsAll}, api.Yes, ""},
		"a scope that there is none of": {fact.Set{PodScope: "most"}, api.Unknown, "NotRequested: only some pods; nothing found there"},
		"pods, and nothing says of which scope": {
			fact.Set{Workloads: []fact.Workload{{}}}, api.Unknown, "NotRequested: only some pods; nothing found there",
		},
		"some pods":         {fact.Set{PodScope: fact.PodsSome}, api.Unknown, "NotRequested: only some pods; nothing found there"},
		"a store's file":    {fact.Set{Snapshot: &fact.EtcdDB{}}, api.Unknown, "NotRequested: only a store's file; nothing found there"},
		"no pods were read": {fact.Set{}, api.Yes, ""}, // no check of the plan needs them
	} {
		t.Run(name, func(t *testing.T) {
			got := JudgeSet(plan, &tc.set).Answers[0]
			if got.Answer != tc.answer || got.Reason != tc.reason {
				t.Errorf("want %s %q, got %s %q", tc.answer, tc.reason, got.Answer, got.Reason)
			}
		})
	}
}
