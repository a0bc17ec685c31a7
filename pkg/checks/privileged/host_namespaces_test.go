package privileged

import (
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestHostNamespaces(t *testing.T) {
	hostPID := func(s *fact.PodSpec) { s.HostPID = true }
	hostNetwork := func(s *fact.PodSpec) { s.HostNetwork = true }
	inHostPID := func(p *fact.Process) { p.PIDNS = ft.PIDNS }
	unread := func(p *fact.Process) { p.PIDNS, p.NetNS, p.IPCNS = 0, 0, 0 }
	measured := func(m fact.MeasuredContainer, edits ...func(*fact.PodSpec)) *fact.Set {
		return ft.Measured(m, fact.Container{}, edits...)
	}
	container := fact.Subject{Kind: "Container", Name: "aaaaaaaaaaaa", Node: "n1"}
	noAPI := func(s *fact.Set) { s.Workloads, s.PodScope = nil, fact.PodsNotListed }
	pass := func(s fact.Subject) api.Finding {
		return api.Finding{
			Verdict: api.Pass, Basis: api.Measured, Subject: s, Message: "shares none of the node's namespaces",
			Evidence: ft.Evidence(
				"node/n1 /proc/100/ns/pid", "4026532001, the node's is 4026531836",
				"node/n1 /proc/100/ns/net", "4026532002, the node's is 4026531840",
				"node/n1 /proc/100/ns/ipc", "4026532003, the node's is 4026531839",
			),
		}
	}
	declaredNone := api.Finding{
		Verdict: api.Pass, Basis: api.Declared, Subject: ft.PodSubject(), Message: "declares none of the node's namespaces",
		Evidence: ft.Claimed(0, ft.Evidence(ft.Field+"hostPID", "not set", ft.Field+"hostNetwork", "not set", ft.Field+"hostIPC", "not set")),
	}
	declaredPID := api.Finding{
		Verdict: api.Fail, Severity: api.High, Basis: api.Declared, Subject: ft.PodSubject(),
		Message:  "declares the node's process namespace",
		Evidence: ft.Claimed(0, ft.Evidence(ft.Field+"hostPID", "true")),
	}
	left := api.Finding{
		Verdict: api.Fail, Severity: api.High, Basis: api.Declared, Subject: ft.PodSubject(),
		Message: "declares the node's process namespace, but its processes were measured in another",
		Evidence: []api.Evidence{
			{Source: ft.Field + "hostPID", Value: "true", Basis: api.Declared},
			{Source: "node/n1 /proc/100/ns/pid", Value: "4026532001, the node's is 4026531836", Basis: api.Measured},
		},
	}

	ft.Judge(t, checks.OfSet(judgeHostNamespaces), map[string]row{
		"processes of a Windows node fail": {
			ft.Declared(fact.Container{}, windows, processes(true)),
			ft.One(api.Finding{
				Verdict: api.Fail, Severity: api.High, Basis: api.Declared, Subject: ft.PodSubject(),
				Message:  "runs outside any container, as processes of its Windows node (hostProcess)",
				Evidence: ft.Claimed(0, ft.Evidence(ft.Field+hostProcess, "true")),
			}),
		},
		"measured in namespaces of its own passes": {measured(ft.With()), ft.One(pass(ft.PodSubject()))},
		"measured in the node's process namespace fails": {
			measured(ft.With(inHostPID), hostPID),
			ft.One(api.Finding{
				Verdict: api.Fail, Severity: api.High, Basis: api.Measured, Subject: ft.PodSubject(),
				Message: "shares the node's process namespace",
				Evidence: ft.Claimed(1, ft.Evidence(
					"node/n1 /proc/100/ns/pid", "4026531836, as pid 1", ft.Field+"hostPID", "true")),
			}),
		},
		"measured, though not declared, fails and says so": {
			measured(ft.With(inHostPID)),
			ft.One(api.Finding{
				Verdict: api.Fail, Severity: api.High, Basis: api.Measured, Subject: ft.PodSubject(),
				Message: "shares the node's process namespace, though hostPID is not declared",
				Evidence: ft.Claimed(1, ft.Evidence(
					"node/n1 /proc/100/ns/pid", "4026531836, as pid 1", ft.Field+"hostPID", "not set")),
			}),
		},
		"declared, though measured in another, fails: a process can leave a namespace": {measured(ft.With(), hostPID), ft.One(left)},
		"the node was not measured: declared": {
			ft.Declared(fact.Container{}, hostPID, hostNetwork),
			[]api.Finding{declaredPID, {
				Verdict: api.Fail, Severity: api.Medium, Basis: api.Declared, Subject: ft.PodSubject(),
				Message:  "declares the node's network namespace",
				Evidence: ft.Claimed(0, ft.Evidence(ft.Field+"hostNetwork", "true")),
			}},
		},
		"the node was not measured and nothing is declared": {ft.Declared(fact.Container{}), ft.One(declaredNone)},
		"level proc reads no inodes: declared":              {measured(ft.With(unread), hostPID), ft.One(declaredPID)},
		"declared running but not seen: declared":           {ft.Edit(measured(ft.With()), ft.NoContainers), ft.One(declaredNone)},
		"unknown to the API, measured":                      {ft.Edit(measured(ft.With()), noAPI), ft.One(pass(container))},
		"unknown to the API and not read is unknown": {
			ft.Edit(measured(ft.With(unread)), noAPI),
			ft.One(api.Finding{
				Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Basis: api.Measured, Subject: container,
				Message:  "its namespaces were not read, and its declaration is unknown",
				Evidence: ft.Evidence("node/n1 /proc/100/ns", "not read"),
			}),
		},
		"the runtime on its way in is unknown, and what is declared counts too": {
			ft.Edit(measured(ft.With()), func(s *fact.Set) {
				p := ft.Process()
				inHostPID(&p)
				p.PID, p.Started, p.Exe = 101, fact.NewTime(ft.Time.Add(-time.Second)), &fact.Executable{Path: "/memfd:runc", Origin: fact.OriginMemfd}
				c := &s.Nodes[0].Measured.Containers[0]
				c.Processes = append(c.Processes, p)
			}),
			[]api.Finding{{
				Verdict: api.VerdictUnknown, Reason: fact.Changing, Basis: api.Measured, Subject: ft.PodSubject(),
				Message:  "a process that had just been started, maybe by the container runtime on its way in, shares the node's process namespace",
				Evidence: ft.Evidence("node/n1 /proc/101/ns/pid", "4026531836, as pid 1"),
			}, declaredNone},
		},
		"where a process was not read what is declared counts too": {
			ft.Edit(measured(ft.With()), func(s *fact.Set) {
				s.Nodes[0].Measured.Gaps = []fact.NodeGap{{What: fact.Processes, Container: ft.ID, Reason: fact.Changing}}
			}), []api.Finding{pass(ft.PodSubject()), declaredNone},
		},
		"unknown to the API, where a process of the node was not read": {
			ft.Edit(measured(ft.With()), noAPI, func(s *fact.Set) {
				s.Nodes[0].Measured.Gaps = []fact.NodeGap{{What: fact.Processes, Reason: fact.Timeout}}
			}), []api.Finding{pass(container), {
				Verdict: api.VerdictUnknown, Reason: fact.Timeout, Basis: api.Measured, Subject: container,
				Message:  "not all of its processes may have been read, and its declaration is unknown",
				Evidence: ft.Evidence("node/n1 /proc/100/status", "1 process"),
			}},
		},
		"the node's own inodes unread: never a measured pass": {
			ft.Edit(measured(ft.With()), func(s *fact.Set) { s.Nodes[0].Measured.HostIPCNS = 0 }), ft.One(declaredNone),
		},
	})
}
