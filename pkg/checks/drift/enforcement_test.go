package drift

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

const (
	tryUnset   = "namespace/shop create pods dryRun=All spec.containers[1].securityContext.readOnlyRootFilesystem not set"
	tryFalse   = "namespace/shop create pods dryRun=All spec.containers[1].securityContext.readOnlyRootFilesystem: false"
	tryInit    = "namespace/shop create pods dryRun=All spec.initContainers[1].securityContext.readOnlyRootFilesystem not set"
	tryPerfect = "namespace/shop create pods dryRun=All readOnlyRootFilesystem: true"
)

func TestEnforcement(t *testing.T) {
	tried := func(d fact.DryRun) *fact.Set {
		d.Namespace = "shop"
		set := ft.Declared(fact.Container{})
		set.Enforcement = &fact.Enforcement{DryRuns: []fact.DryRun{d}}
		return set
	}
	shop := fact.Subject{Kind: fact.SubjectNamespace, Name: "shop"}
	found := func(verdict api.Verdict, message string, evidence ...string) []api.Finding {
		return ft.One(api.Finding{Verdict: verdict, Basis: api.Measured, Subject: shop, Message: message, Evidence: ft.Evidence(evidence...)})
	}
	because := func(reason fact.Reason, findings []api.Finding) []api.Finding {
		findings[0].Reason = reason
		return findings
	}
	predicted := func(source string) string {
		return "validatingadmissionpolicies, predicted for namespace/shop" + strings.TrimPrefix(source, "namespace/shop create pods dryRun=All")
	}
	declared := func(verdict api.Verdict, reason fact.Reason, message string, evidence ...string) []api.Finding {
		return ft.One(api.Finding{Verdict: verdict, Reason: reason, Basis: api.Declared, Subject: shop, Message: message, Evidence: ft.Claimed(0, ft.Evidence(evidence...))})
	}
	onlyPredicted := func(s *fact.Set) { s.Enforcement.DryRuns, s.Enforcement.Predicted = nil, s.Enforcement.DryRuns }
	const yes, no, changed = fact.DryRunAllowed, fact.DryRunRefused, fact.DryRunMadeReadOnly
	by := []string{"ValidatingAdmissionPolicy ro, binding all"}
	const byRO = "refused by ValidatingAdmissionPolicy ro, binding all"
	const nothing = "nothing refuses a pod with a writable root: a pod that does not set readOnlyRootFilesystem is allowed"
	prevented := func(edits ...func(*fact.Set)) *fact.Set {
		set := hardened()
		set.Enforcement = &fact.Enforcement{DryRuns: []fact.DryRun{{Namespace: "shop", Unset: yes}}}
		return ft.Edit(set, edits...)
	}
	ft.Judge(t, checks.OfSet(judgeEnforcement), map[string]row{
		"nobody asked": {ft.Declared(fact.Container{}), nil},
		"nothing refuses": {
			tried(fact.DryRun{Unset: yes}), found(api.Fail, nothing, tryUnset, "allowed"),
		},
		"who asked, and with what": {
			ft.Edit(tried(fact.DryRun{Unset: yes, Image: "web:1", LabelsOf: "deployment/web"}), func(s *fact.Set) { s.Enforcement.User = "jane" }),
			found(api.Fail, nothing, tryUnset, "allowed for user jane, image web:1, labels of deployment/web"),
		},
		"a policy refuses every writable root": {
			tried(fact.DryRun{Unset: no, Writable: no, Init: no, Perfect: yes, By: by}),
			found(api.Pass, "pods with a writable root are "+byRO+forWhom, tryUnset, byRO, tryFalse, byRO, tryInit, byRO, tryPerfect, "allowed"),
		},
		"every root is made read-only": {
			tried(fact.DryRun{Unset: changed, Writable: changed, Init: changed}),
			found(api.Pass, "pods with a writable root are made read-only"+forWhom,
				tryUnset, "allowed, and made read-only", tryFalse, "allowed, and made read-only", tryInit, "allowed, and made read-only"),
		},
		"only a default": {
			tried(fact.DryRun{Unset: changed, Writable: yes}),
			found(api.Fail, "a pod that does not set readOnlyRootFilesystem is made read-only, but a pod with readOnlyRootFilesystem: false is allowed",
				tryUnset, "allowed, and made read-only", tryFalse, "allowed"),
		},
		"init containers are forgotten": {
			tried(fact.DryRun{Unset: no, Writable: no, Init: yes, By: by}),
			found(api.Fail, "a pod that does not set readOnlyRootFilesystem is "+byRO+", but a pod with an init container that does not set readOnlyRootFilesystem is allowed",
				tryUnset, byRO, tryFalse, byRO, tryInit, "allowed"),
		},
		"the perfect pod is refused too": {
			tried(fact.DryRun{Unset: no, Writable: no, Init: no, Perfect: no, By: by, PerfectBy: "webhook x"}),
			because(fact.AdmissionDenied, found(api.VerdictUnknown, "the perfect pod is refused too, which proves nothing about its root: refused by webhook x",
				tryUnset, byRO, tryFalse, byRO, tryInit, byRO, tryPerfect, "refused by webhook x")),
		},
		"a webhook that refuses dry runs": {
			tried(fact.DryRun{Unset: fact.DryRunOther, Reason: fact.Unsupported, Detail: "webhook x does not support dry runs"}),
			because(fact.Unsupported, found(api.VerdictUnknown, "the dry run says nothing: webhook x does not support dry runs", tryUnset, "webhook x does not support dry runs")),
		},
		"the perfect pod met a quota": {
			tried(fact.DryRun{Unset: no, Writable: no, Init: no, Perfect: fact.DryRunOther, By: by, Reason: fact.AdmissionDenied, Detail: "quota q refuses another pod"}),
			because(fact.AdmissionDenied, found(api.VerdictUnknown, "the dry run says nothing: quota q refuses another pod",
				tryUnset, byRO, tryFalse, byRO, tryInit, byRO, tryPerfect, "quota q refuses another pod")),
		},
		"facts without the perfect pod": {
			tried(fact.DryRun{Unset: no, Writable: no, Init: no, By: by}),
			because(fact.NotPresent, found(api.VerdictUnknown, "not every pod was tried", tryUnset, byRO, tryFalse, byRO, tryInit, byRO)),
		},
		"facts without an init container": {
			tried(fact.DryRun{Unset: no, Writable: no, Perfect: yes, By: by}),
			because(fact.NotPresent, found(api.VerdictUnknown, "not every pod was tried", tryUnset, byRO, tryFalse, byRO, tryPerfect, "allowed")),
		},
		"facts with an answer of another version": {
			tried(fact.DryRun{Unset: "perhaps", Writable: no, Init: no, Perfect: yes, By: by}),
			because(fact.NotPresent, found(api.VerdictUnknown, "not every pod was tried", tryUnset, "perhaps", tryFalse, byRO, tryInit, byRO, tryPerfect, "allowed")),
		},
		"facts with another answer to the perfect pod": {
			tried(fact.DryRun{Unset: no, Writable: no, Init: no, Perfect: "perhaps", By: by}),
			because(fact.NotPresent, found(api.VerdictUnknown, "not every pod was tried", tryUnset, byRO, tryFalse, byRO, tryInit, byRO, tryPerfect, "perhaps")),
		},
		"facts with nothing tried": {
			tried(fact.DryRun{}), because(fact.NotPresent, found(api.VerdictUnknown, "not every pod was tried")),
		},
		"a namespace that was not asked": {
			ft.Edit(tried(fact.DryRun{Unset: yes}), func(s *fact.Set) { s.Enforcement.DryRuns[0].Namespace = "other" }),
			ft.One(api.Finding{Verdict: api.VerdictUnknown, Reason: fact.NotRequested, Subject: shop, Message: "the API server was not asked what it refuses there", Evidence: ft.Evidence("facts enforcement.dryRuns", "none of this namespace")}),
		},
		"a gap speaks for it": {
			ft.Edit(tried(fact.DryRun{Unset: yes}), func(s *fact.Set) {
				s.Enforcement.DryRuns[0].Namespace = "other"
				s.Gaps = []fact.Gap{{What: fact.Enforcing, Subject: fact.Subject{Kind: fact.SubjectCluster}, Reason: fact.Forbidden}}
			}),
			nil,
		},
		"a template of the cluster has no namespace": {
			ft.Edit(tried(fact.DryRun{Unset: yes}), func(s *fact.Set) { s.Workloads[0].Owner.Namespace = "" }), nil,
		},
		"policies declare that they refuse it": {
			ft.Edit(tried(fact.DryRun{Unset: no, Writable: no, Init: no, Perfect: yes, By: by}), onlyPredicted),
			declared(api.Pass, "", "policies declare that pods with a writable root are "+byRO+"; no dry run shows it", predicted(tryUnset), byRO, predicted(tryFalse), byRO, predicted(tryInit), byRO, predicted(tryPerfect), "allowed"),
		},
		"policies whose answer is unknown": {
			ft.Edit(tried(fact.DryRun{Unset: fact.DryRunOther, Reason: fact.Unsupported, Detail: "policy x reads request.userInfo"}), onlyPredicted),
			declared(api.VerdictUnknown, fact.Unsupported, "what policies refuse cannot be predicted: policy x reads request.userInfo", predicted(tryUnset), "policy x reads request.userInfo"),
		},
		"policies that refuse everything": {
			ft.Edit(tried(fact.DryRun{Unset: no, Writable: no, Init: no, Perfect: no, By: by}), onlyPredicted),
			declared(api.VerdictUnknown, fact.AdmissionDenied, "policies refuse the perfect pod too, which proves nothing about its root",
				predicted(tryUnset), byRO, predicted(tryFalse), byRO, predicted(tryInit), byRO, predicted(tryPerfect), "refused"),
		},
		"policies that refuse nothing say nothing": {
			ft.Edit(tried(fact.DryRun{Unset: no, Writable: yes, By: by}), onlyPredicted),
			ft.One(api.Finding{Verdict: api.VerdictUnknown, Reason: fact.NotRequested, Subject: shop, Message: "the API server was not asked what it refuses there", Evidence: ft.Evidence("facts enforcement.dryRuns", "none of this namespace")}),
		},
		"what the server says counts for more": {
			ft.Edit(tried(fact.DryRun{Unset: yes}), func(s *fact.Set) {
				s.Enforcement.Predicted = []fact.DryRun{{Namespace: "shop", Unset: no, Writable: no, Init: no, Perfect: yes, By: by}}
			}),
			found(api.Fail, nothing, tryUnset, "allowed"),
		},
		"policies do not see the container that something adds": {
			ft.Edit(tried(fact.DryRun{Unset: no, Writable: no, Init: no, Perfect: yes, By: by}), onlyPredicted, func(s *fact.Set) {
				s.Enforcement.DryRuns = []fact.DryRun{{Namespace: "shop", Unset: fact.DryRunOther, Reason: fact.NotOurs, Detail: "something gives the pod a writable root, in container proxy"}}
			}),
			because(fact.NotOurs, found(api.VerdictUnknown, "the dry run says nothing: something gives the pod a writable root, in container proxy",
				tryUnset, "something gives the pod a writable root, in container proxy")),
		},
		"where the server says nothing, policies may": {
			ft.Edit(tried(fact.DryRun{Unset: no, Writable: no, Init: no, Perfect: yes, By: by}), onlyPredicted, func(s *fact.Set) {
				s.Enforcement.DryRuns = []fact.DryRun{{Namespace: "shop", Unset: fact.DryRunOther, Reason: fact.Unsupported, Detail: "webhook x does not support dry runs"}}
			}),
			func() []api.Finding {
				f := declared(api.Pass, "", "policies declare that pods with a writable root are "+byRO+"; no dry run shows it", predicted(tryUnset), byRO, predicted(tryFalse), byRO, predicted(tryInit), byRO, predicted(tryPerfect), "allowed")
				f[0].Evidence = append(f[0].Evidence, api.Evidence{Source: tryUnset, Value: "webhook x does not support dry runs"})
				return f
			}(),
		},
		"all that runs is PREVENTED": {
			prevented(),
			func() []api.Finding {
				f := found(api.Fail, nothing+"; every container that runs there is PREVENTED", tryUnset, "allowed", "drift state", "PREVENTED in 1 pod")
				f[0].Severity = api.Low
				return f
			}(),
		},
		"a pod that ended does not count": {
			prevented(func(s *fact.Set) {
				s.Workloads[0].Pods = append(s.Workloads[0].Pods, fact.Pod{Name: "web-0", Phase: "Succeeded"})
			}),
			func() []api.Finding {
				f := found(api.Fail, nothing+"; every container that runs there is PREVENTED", tryUnset, "allowed", "drift state", "PREVENTED in 1 pod")
				f[0].Severity = api.Low
				return f
			}(),
		},
		"one pod was not measured": {
			prevented(func(s *fact.Set) {
				s.Workloads[0].Pods = append(s.Workloads[0].Pods, fact.Pod{Name: "web-2", UID: "2", Node: "n2", Phase: "Running"})
			}),
			found(api.Fail, nothing, tryUnset, "allowed"),
		},
		"one container is OPEN": {
			prevented(func(s *fact.Set) { s.Nodes[0].Measured.Containers[0].Root.ReadOnly = false }),
			found(api.Fail, nothing, tryUnset, "allowed"),
		},
		"one container was not seen": {
			prevented(func(s *fact.Set) {
				p := &s.Workloads[0].Pods[0]
				p.Containers = append(p.Containers, fact.ContainerStatus{Name: "other", ID: "b", Running: true})
			}),
			found(api.Fail, nothing, tryUnset, "allowed"),
		},
		"nothing runs": {
			prevented(func(s *fact.Set) { s.Workloads[0].Pods = nil }), found(api.Fail, nothing, tryUnset, "allowed"),
		},
	})
}

// Workload by workload it finds the same.
func TestEnforcementAcross(t *testing.T) {
	set := ft.Declared(fact.Container{})
	second := set.Workloads[0]
	second.Owner.Namespace = "another"
	set.Workloads = append(set.Workloads, second)
	set.Enforcement = &fact.Enforcement{DryRuns: []fact.DryRun{{Namespace: "another", Unset: fact.DryRunAllowed}, {Namespace: "shop", Unset: fact.DryRunAllowed}}}
	want := checks.OfSet(judgeEnforcement)(set)
	if len(want) != 2 {
		t.Fatalf("findings: %v", want)
	}
	context := *set
	context.Workloads = nil
	across := Enforcement.Across(checks.NewView(&context))
	for i := range set.Workloads {
		across.Add(&set.Workloads[i])
	}
	if diff := cmp.Diff(want, across.Findings(checks.NewView(&context))); diff != "" {
		t.Errorf("across (-whole +across):\n%s", diff)
	}
}

// A gap about lists of policies leaves nothing open where the server was asked everywhere.
func TestEnforcementExcuse(t *testing.T) {
	gap := fact.Gap{What: fact.Enforcing, Subject: fact.Subject{Kind: fact.SubjectCluster}, Reason: fact.Forbidden}
	set := ft.Declared(fact.Container{})
	excused := func() bool { return Enforcement.Excuse(checks.NewView(set), gap) }
	if excused() {
		t.Error("nobody asked, and the gap is excused")
	}
	set.Enforcement = &fact.Enforcement{}
	if excused() {
		t.Error("one namespace was not tried, and the gap is excused")
	}
	set.Enforcement.DryRuns = []fact.DryRun{{Namespace: "shop"}}
	if !excused() {
		t.Error("all namespaces were tried, and the gap is not excused")
	}
	gap.What = fact.Pods
	if excused() {
		t.Error("a gap of another kind is excused")
	}
}
