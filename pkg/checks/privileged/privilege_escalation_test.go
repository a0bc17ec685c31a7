package privileged

import (
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestPrivilegeEscalation(t *testing.T) {
	const (
		nnp   = "node/n1 /proc/100/status NoNewPrivs"
		field = ft.App + "securityContext.allowPrivilegeEscalation"
		can   = "can gain rights through a set-user-ID program: NoNewPrivs is 0"
		may   = "may gain rights: allowPrivilegeEscalation is not false"
		unset = "not set"
	)
	is := func(b *bool) func(*fact.Process) { return func(p *fact.Process) { p.NoNewPrivs = b } }
	on, off := ft.Ptr(true), ft.Ptr(false)
	measured := func(c fact.Container, edits ...func(*fact.Process)) *fact.Set {
		return ft.Measured(ft.With(edits...), c)
	}
	finding := func(verdict api.Verdict, severity api.Severity, message, value, declared string) api.Finding {
		f := api.Finding{
			Verdict: verdict, Severity: severity, Basis: api.Measured, Subject: ft.Subject(), Message: message,
			Evidence: ft.Claimed(1, ft.Evidence(nnp, value, field, declared)),
		}
		return f
	}
	// all is a finding about every process.
	all := func(f api.Finding) api.Finding { f.Evidence[0].Basis = api.Measured; return f }
	declared := func(verdict api.Verdict, severity api.Severity, message, value string) api.Finding {
		return api.Finding{
			Verdict: verdict, Severity: severity, Basis: api.Declared, Subject: ft.Subject(), Message: message, Evidence: ft.Claimed(0, ft.Evidence(field, value)),
		}
	}
	unread := finding(api.VerdictUnknown, "", "its NoNewPrivs was not read", "not read", unset)
	unread.Reason = fact.Unreadable
	newOnes := all(finding(api.Fail, api.Low, "can gain no rights now, but a new process of it can: allowPrivilegeEscalation is not declared false", "1, of 1 process", unset))
	newOnes.Basis = api.Declared
	inside := finding(api.Fail, api.Low, can+", but only in its own user namespace", "0", unset)
	inside.Evidence = append(inside.Evidence, api.Evidence{Source: "node/n1 /proc/100/uid_map", Value: "its root is uid 65536 of the node", Basis: api.Measured})
	powerful := finding(api.Fail, api.Low, can, "0", unset)
	powerful.Evidence = append(powerful.Evidence, api.Evidence{Source: "node/n1 /proc/100/status CapEff", Value: "holds SYS_ADMIN already", Basis: api.Measured})
	thread := finding(api.Fail, api.Medium, can+", though allowPrivilegeEscalation is declared false", "0", "false")
	thread.Evidence[0].Source = "node/n1 /proc/100/task/103/status NoNewPrivs"
	changing := finding(api.VerdictUnknown, "", "a process that had just been started, maybe by the container runtime on its way in, "+can+", though allowPrivilegeEscalation is declared false", "0", "false")
	changing.Reason = fact.Changing

	ft.Judge(t, checks.OfSet(PrivilegeEscalation.Judge), map[string]row{
		"set and declared passes": {
			measured(fact.Container{AllowPrivilegeEscalation: off}, is(on)), ft.One(all(finding(api.Pass, "", "can gain no rights", "1, of 1 process", "false"))),
		},
		"not set fails": {measured(fact.Container{}, is(off)), ft.One(finding(api.Fail, api.Low, can, "0", unset))},
		"not set though declared": {
			measured(fact.Container{AllowPrivilegeEscalation: off}, is(off)),
			ft.One(finding(api.Fail, api.Medium, can+", though allowPrivilegeEscalation is declared false", "0", "false")),
		},
		"set and not declared does not hold for new processes": {measured(fact.Container{}, is(on)), ft.One(newOnes)},
		"unread is unknown": {measured(fact.Container{}, is(nil)), ft.One(unread)},
		"one thread without it fails": {
			measured(fact.Container{AllowPrivilegeEscalation: off}, is(on), func(p *fact.Process) {
				p.Threads = &fact.Threads{Count: 2, DifferingCount: 1, Differing: []fact.Thread{{TID: 103, NoNewPrivs: off}}}
			}), ft.One(thread),
		},
		"in its own user namespace it is low": {
			measured(fact.Container{}, is(off), func(p *fact.Process) { p.UserNS, p.RootUID = 4026532999, ft.Ptr(int64(65536)) }), ft.One(inside),
		},
		"SYS_ADMIN already gives more": {
			measured(fact.Container{}, is(off), func(p *fact.Process) { p.CapEff = fact.NewCapMask(1 << 21) }),
			ft.One(powerful),
		},
		"the runtime on its way in is unknown": {
			measured(fact.Container{AllowPrivilegeEscalation: off}, is(off), func(p *fact.Process) {
				p.Started, p.Exe = fact.NewTime(ft.Time.Add(-time.Second)), nil
			}), ft.One(changing),
		},
		"set in a container that the API does not know passes": {
			ft.Edit(measured(fact.Container{}, is(on)), func(s *fact.Set) { s.Workloads = nil }),
			ft.One(api.Finding{
				Verdict: api.Pass, Basis: api.Measured, Subject: fact.Subject{Kind: "Container", Name: "aaaaaaaaaaaa", Node: "n1"}, Message: "can gain no rights",
				Evidence: []api.Evidence{{Source: nnp, Value: "1, of 1 process", Basis: api.Measured}},
			}),
		},
		"a container that the API does not know without a process is unknown": {
			ft.Edit(ft.Measured(fact.MeasuredContainer{}, fact.Container{}), func(s *fact.Set) { s.Workloads = nil }),
			ft.One(api.Finding{
				Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Basis: api.Measured, Subject: fact.Subject{Kind: "Container", Name: "aaaaaaaaaaaa", Node: "n1"},
				Message: "none of its processes was read", Evidence: ft.Evidence("node/n1 container aaaaaaaaaaaa status", "no process"),
			}),
		},

		"declared false passes": {ft.Declared(fact.Container{AllowPrivilegeEscalation: off}), ft.One(declared(api.Pass, "", "may gain no rights", "false"))},
		"declared true fails":   {ft.Declared(fact.Container{AllowPrivilegeEscalation: on}), ft.One(declared(api.Fail, api.Low, may, "true"))},
		"absent is true":        {ft.Declared(fact.Container{}), ft.One(declared(api.Fail, api.Low, may, unset))},
		"Windows has none":      {ft.Declared(fact.Container{}, windows), noSuchField()},
	})
}
