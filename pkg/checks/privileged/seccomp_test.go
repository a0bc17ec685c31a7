package privileged

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestSeccomp(t *testing.T) {
	const (
		mode    = "node/n1 /proc/100/status Seccomp"
		profile = ft.App + "securityContext.seccompProfile.type"
		flag    = ft.App + "securityContext.privileged"
		unset   = "not set"
		none    = "no seccomp filter limits it"
		limits  = "a seccomp filter limits it; which one cannot be read from the node"
	)
	is := func(n int) func(*fact.Process) { return func(p *fact.Process) { p.Seccomp = &n } }
	measured := func(c fact.Container, edits ...func(*fact.Process)) *fact.Set {
		return ft.Measured(ft.With(edits...), c)
	}
	finding := func(verdict api.Verdict, severity api.Severity, message, value, declared string, more ...string) api.Finding {
		return api.Finding{
			Verdict: verdict, Severity: severity, Basis: api.Measured, Subject: ft.Subject(), Message: message,
			Evidence: ft.Claimed(1, ft.Evidence(append([]string{mode, value, profile, declared}, more...)...)),
		}
	}
	all := func(f api.Finding) api.Finding { f.Evidence[0].Basis = api.Measured; return f }
	asDeclared := func(f api.Finding) api.Finding { f.Basis = api.Declared; return f }
	because := func(f api.Finding, reason fact.Reason) api.Finding { f.Reason = reason; return f }
	helped := func(f api.Finding) api.Finding { f.Remediation.Text = remediationOfSeccomp; return f }
	declared := func(verdict api.Verdict, severity api.Severity, message, value string, more ...string) api.Finding {
		return api.Finding{
			Verdict: verdict, Severity: severity, Basis: api.Declared, Subject: ft.Subject(), Message: message,
			Evidence: ft.Claimed(0, ft.Evidence(append([]string{profile, value}, more...)...)),
		}
	}
	thread := finding(api.Fail, api.Medium, none, "0 (off)", unset)
	thread.Evidence[0].Source = "node/n1 /proc/100/task/103/status Seccomp"
	ofPod := declared(api.Pass, "", "the seccomp profile RuntimeDefault is declared for it", "RuntimeDefault")
	ofPod.Evidence[0].Source = ft.Field + "securityContext.seccompProfile.type"

	ft.Judge(t, checks.OfSet(Seccomp.Judge), map[string]row{
		"a filter passes": {measured(fact.Container{}, is(2)), ft.One(all(finding(api.Pass, "", limits, "2 (filter), of 1 process", unset)))},
		"strict passes":   {measured(fact.Container{}, is(1)), ft.One(all(finding(api.Pass, "", limits, "1 (strict), of 1 process", unset)))},
		"off fails":       {measured(fact.Container{}, is(0)), ft.One(finding(api.Fail, api.Medium, none, "0 (off)", unset))},
		"off though a profile is declared": {
			measured(fact.Container{Seccomp: "RuntimeDefault"}, is(0)),
			ft.One(finding(api.Fail, api.Medium, none+", though the profile RuntimeDefault is declared", "0 (off)", "RuntimeDefault")),
		},
		"off as declared": {measured(fact.Container{Seccomp: "Unconfined"}, is(0)), ft.One(finding(api.Fail, api.Medium, none, "0 (off)", "Unconfined"))},
		"privileged has none, whatever is declared": {
			measured(fact.Container{Seccomp: "RuntimeDefault", Privileged: ft.Ptr(true)}, is(0)),
			ft.One(finding(api.Fail, api.Medium, none, "0 (off)", "RuntimeDefault", flag, "true")),
		},
		"a filter that the processes have set themselves: Unconfined": {
			measured(fact.Container{Seccomp: "Unconfined"}, is(2)),
			ft.One(asDeclared(all(finding(api.Fail, api.Medium,
				"has a seccomp filter now, but a new process of it has none: the profile Unconfined is declared", "2 (filter), of 1 process", "Unconfined")))),
		},
		"a filter that the processes have set themselves: privileged": {
			measured(fact.Container{Privileged: ft.Ptr(true)}, is(2)),
			ft.One(asDeclared(all(finding(api.Fail, api.Medium,
				"has a seccomp filter now, but a new process of it has none: it is declared privileged", "2 (filter), of 1 process", unset, flag, "true")))),
		},
		"unread is unknown, and so is a kernel without it": {
			measured(fact.Container{}, func(p *fact.Process) { p.Seccomp = nil }),
			ft.One(because(finding(api.VerdictUnknown, "", "its seccomp mode was not read, or its kernel has no seccomp", "not read", unset), fact.Unreadable)),
		},
		"a mode of the future is unknown": {
			measured(fact.Container{}, is(3)),
			ft.One(because(finding(api.VerdictUnknown, "", "its seccomp mode is one that this version does not know", "3", unset), fact.Unsupported)),
		},
		"one thread without a filter fails": {
			measured(fact.Container{}, is(2), func(p *fact.Process) {
				p.Threads = &fact.Threads{Count: 2, DifferingCount: 1, Differing: []fact.Thread{{TID: 103, Seccomp: ft.Ptr(0)}}}
			}), ft.One(thread),
		},

		"a declared profile passes": {
			ft.Declared(fact.Container{Seccomp: "Localhost"}), ft.One(declared(api.Pass, "", "the seccomp profile Localhost is declared for it", "Localhost")),
		},
		"the pod's profile stands in": {ft.Declared(fact.Container{}, func(s *fact.PodSpec) { s.Seccomp = "RuntimeDefault" }), ft.One(ofPod)},
		"the container's own counts more": {
			ft.Declared(fact.Container{Seccomp: "Unconfined"}, func(s *fact.PodSpec) { s.Seccomp = "RuntimeDefault" }),
			ft.One(declared(api.Fail, api.Medium, "is declared without a seccomp filter", "Unconfined")),
		},
		"nothing declared is a note and stays open": {
			ft.Declared(fact.Container{}),
			ft.One(helped(because(declared(api.Fail, api.Low, "no seccomp profile is declared for it: it has one only if its kubelet sets a default", unset), fact.NotPresent))),
		},
		"declared privileged fails": {
			ft.Declared(fact.Container{Seccomp: "RuntimeDefault", Privileged: ft.Ptr(true)}),
			ft.One(declared(api.Fail, api.Medium, none, "RuntimeDefault", flag, "true")),
		},
		"Windows has none": {ft.Declared(fact.Container{}, windows), noSuchField()},
	})
}
