package privileged

import (
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestRunsAsRoot(t *testing.T) {
	const (
		uid     = "node/n1 /proc/100/status Uid"
		nonRoot = ft.App + "securityContext.runAsNonRoot"
		user    = ft.App + "securityContext.runAsUser"
		uidMap  = "node/n1 /proc/100/uid_map"
	)
	as := func(real, effective, saved int64) func(*fact.Process) {
		return func(p *fact.Process) { p.UID = [4]int64{real, effective, saved, effective} }
	}
	inside := func(root int64) func(*fact.Process) {
		return func(p *fact.Process) { p.UserNS, p.RootUID = 4026532999, &root }
	}
	loose := fact.Subject{Kind: fact.SubjectContainer, Name: ft.ID[:12], Node: ft.Node}
	procLevel := func(p *fact.Process) { p.UserNS = 0 }
	runtimes := func(p *fact.Process) {
		p.Started, p.Exe = fact.NewTime(ft.Time.Add(-time.Second)), &fact.Executable{Path: "/memfd:runc", Origin: fact.OriginMemfd}
	}
	measured := func(c fact.Container, edits ...func(*fact.Process)) *fact.Set {
		return ft.Measured(ft.With(append([]func(*fact.Process){ft.Bare}, edits...)...), c)
	}
	second := func(edits ...func(*fact.Process)) func(*fact.Set) {
		return func(s *fact.Set) {
			p := ft.Process()
			ft.Bare(&p)
			p.PID = 101
			for _, edit := range edits {
				edit(&p)
			}
			c := &s.Nodes[0].Measured.Containers[0]
			c.Processes = append(c.Processes, p)
		}
	}
	// finding has the uids and the two declared fields.
	finding := func(verdict api.Verdict, severity api.Severity, message, uids, declaredNonRoot, declaredUser string) api.Finding {
		return api.Finding{
			Verdict: verdict, Severity: severity, Basis: api.Measured, Subject: ft.Subject(), Message: message,
			Evidence: ft.Claimed(1, ft.Evidence(uid, uids, nonRoot, declaredNonRoot, user, declaredUser)),
		}
	}
	// mapped is a finding in a user namespace of its own.
	mapped := func(f api.Finding) api.Finding {
		own := api.Evidence{Source: uidMap, Value: "its root is uid 65536 of the node", Basis: api.Measured}
		f.Evidence = append([]api.Evidence{f.Evidence[0], own}, f.Evidence[1:]...)
		return f
	}
	declared := func(verdict api.Verdict, severity api.Severity, message, declaredNonRoot, declaredUser string, more ...string) []api.Finding {
		f := api.Finding{
			Verdict: verdict, Severity: severity, Basis: api.Declared, Subject: ft.Subject(), Message: message,
			Evidence: ft.Claimed(0, ft.Evidence(nonRoot, declaredNonRoot, user, declaredUser)),
		}
		f.Evidence = append(f.Evidence, ft.Evidence(more...)...)
		return ft.One(f)
	}
	const unset = "not set"
	open := func(declaredNonRoot string) []api.Finding {
		f := declared(api.Fail, api.Low, "may run as root: neither runAsNonRoot nor runAsUser is declared, so its image decides", declaredNonRoot, unset)
		f[0].Reason, f[0].Remediation.Text = fact.NotPresent, remediationOfRoot
		if declaredNonRoot == "false" {
			f[0].Message = "may run as root: runAsNonRoot is false and runAsUser is not set, so its image decides"
		}
		return f
	}
	moved := ft.Edit(measured(fact.Container{}, as(0, 0, 0)), func(s *fact.Set) { s.Workloads, s.PodScope = nil, fact.PodsNotListed })
	const windowsUser = "securityContext.windowsOptions.runAsUserName"
	onWindows := func(verdict api.Verdict, severity api.Severity, message, source, value string, more ...string) []api.Finding {
		f := api.Finding{Verdict: verdict, Severity: severity, Basis: api.Declared, Subject: ft.Subject(), Message: message}
		for _, e := range ft.Evidence(append([]string{source, value, ft.Field + "os.name", "windows"}, more...)...) {
			e.Basis = api.Declared
			f.Evidence = append(f.Evidence, e)
		}
		switch {
		case verdict == api.VerdictUnknown:
			f.Reason = fact.NotPresent
		case severity == api.Low:
			f.Reason = fact.NotPresent
			fallthrough
		case verdict == api.Fail:
			f.Remediation.Text = remediationOfAdministrator
		}
		return ft.One(f)
	}
	ofPod := declared(api.Pass, "", "is declared not to run as root", "true", "1000")
	ofPod[0].Evidence[0].Source, ofPod[0].Evidence[1].Source = ft.Field+"securityContext.runAsNonRoot", ft.Field+"securityContext.runAsUser"
	starts := finding(api.Fail, api.Low, "does not run as root now, but is declared to start as root", "1000 1000 1000, of 1 process", "not set", "0")
	starts.Basis, starts.Evidence[0].Basis = api.Declared, api.Measured
	changing := finding(api.VerdictUnknown, "", "a process that had just been started, maybe by the container runtime on its way in, runs as root", "0 0 0, of 2 processes", unset, unset)
	changing.Reason, changing.Evidence[0].Source = fact.Changing, "node/n1 /proc/101/status Uid"
	other := finding(api.Fail, api.Medium, "runs as root", "0 0 0, of 2 processes", unset, unset)
	other.Evidence[0].Source = "node/n1 /proc/101/status Uid"
	thread := finding(api.Fail, api.Medium, "runs as root", "0 0 0, of 1 process", unset, unset)
	thread.Evidence[0].Source = "node/n1 /proc/100/task/103/status Uid"

	judge := RunsAsRoot.Judge
	ft.Judge(t, checks.OfSet(judge), map[string]row{
		"another user passes":       {measured(fact.Container{}), ft.One(finding(api.Pass, "", "does not run as root", "1000 1000 1000, of 1 process", unset, unset))},
		"root fails":                {measured(fact.Container{}, as(0, 0, 0)), ft.One(finding(api.Fail, api.Medium, "runs as root", "0 0 0, of 1 process", unset, unset))},
		"root of one process fails": {ft.Edit(measured(fact.Container{}), second(as(0, 0, 0))), ft.One(other)},
		"root of one thread fails": {
			measured(fact.Container{}, func(p *fact.Process) {
				p.Threads = &fact.Threads{Count: 2, DifferingCount: 1, Differing: []fact.Thread{{TID: 103}}}
			}), ft.One(thread),
		},
		"a saved uid of 0 can be taken again": {
			measured(fact.Container{}, as(1000, 1000, 0)),
			ft.One(finding(api.Fail, api.Medium, "can become root again (its real or saved uid is 0)", "1000 1000 0, of 1 process", unset, unset)),
		},
		"a real uid of 0 can be taken again": {
			measured(fact.Container{}, as(0, 1000, 1000)),
			ft.One(finding(api.Fail, api.Medium, "can become root again (its real or saved uid is 0)", "0 1000 1000, of 1 process", unset, unset)),
		},
		"a process that opens files as root": {
			measured(fact.Container{}, func(p *fact.Process) { p.UID = [4]int64{1000, 1000, 1000, 0} }),
			ft.One(finding(api.Fail, api.Medium, "opens files as root (its file system uid is 0)", "1000 1000 1000 0, of 1 process", unset, unset)),
		},
		"root though runAsNonRoot is declared": {
			measured(fact.Container{RunAsNonRoot: ft.Ptr(true)}, as(1000, 0, 0)),
			ft.One(finding(api.Fail, api.Medium, "runs as root, though runAsNonRoot is declared", "1000 0 0, of 1 process", "true", unset)),
		},
		"root though another user is declared": {
			measured(fact.Container{RunAsUser: ft.Ptr(int64(1000))}, as(0, 0, 0)),
			ft.One(finding(api.Fail, api.Medium, "runs as root, though user 1000 is declared", "0 0 0, of 1 process", unset, "1000")),
		},
		"declared to start as root is low where it has left it": {
			measured(fact.Container{RunAsUser: ft.Ptr(int64(0))}), ft.One(starts),
		},
		"root of a user namespace whose root is another user passes": {
			measured(fact.Container{}, as(65536, 65536, 65536), inside(65536)),
			ft.One(mapped(finding(api.Pass, "", "runs as root only in its own user namespace, which is another user of the node", "65536 65536 65536, of 1 process", unset, unset))),
		},
		"a process that made itself a user namespace is still the declared user": {
			measured(fact.Container{RunAsUser: ft.Ptr(int64(65536))}, as(65536, 65536, 65536), inside(65536)),
			ft.One(mapped(finding(api.Pass, "", "runs as root only in its own user namespace, which is another user of the node", "65536 65536 65536, of 1 process", unset, "65536"))),
		},
		"root of the pod's user namespace though runAsNonRoot is declared": {
			ft.Edit(measured(fact.Container{RunAsNonRoot: ft.Ptr(true)}, as(65536, 65536, 65536), inside(65536)), func(s *fact.Set) {
				hostUsers(false)(&s.Workloads[0].Spec)
			}),
			ft.One(mapped(finding(api.Fail, api.Low,
				"runs as root only in its own user namespace, which is another user of the node, though runAsNonRoot is declared", "65536 65536 65536, of 1 process", "true", unset))),
		},
		"another user of a user namespace passes": {
			measured(fact.Container{}, as(66536, 66536, 66536), inside(65536), procLevel),
			ft.One(mapped(finding(api.Pass, "", "does not run as root of the node", "66536 66536 66536, of 1 process", unset, unset))),
		},
		"root of a user namespace whose root is the node's fails": {
			measured(fact.Container{}, as(0, 0, 0), inside(0)), ft.One(finding(api.Fail, api.Medium, "runs as root", "0 0 0, of 1 process", unset, unset)),
		},
		"the runtime on its way in is unknown": {
			ft.Edit(measured(fact.Container{}), second(as(0, 0, 0), runtimes)),
			[]api.Finding{finding(api.Pass, "", "does not run as root", "1000 1000 1000, of 2 processes", unset, unset), changing},
		},
		"root of a container that the API does not know": {
			moved, ft.One(api.Finding{
				Verdict: api.Fail, Severity: api.Medium, Basis: api.Measured, Subject: fact.Subject{Kind: "Container", Name: "aaaaaaaaaaaa", Node: "n1"},
				Message: "runs as root", Evidence: ft.Evidence(uid, "0 0 0, of 1 process"),
			}),
		},

		"declared nothing may be root, which is a note and stays open": {
			ft.Declared(fact.Container{}), open(unset),
		},
		"declared runAsNonRoot passes": {
			ft.Declared(fact.Container{RunAsNonRoot: ft.Ptr(true)}), declared(api.Pass, "", "is declared not to run as root", "true", unset),
		},
		"declared runAsNonRoot false may be root too": {
			ft.Declared(fact.Container{RunAsNonRoot: ft.Ptr(false)}),
			open("false"),
		},
		"a declared user passes": {ft.Declared(fact.Container{RunAsUser: ft.Ptr(int64(7))}), declared(api.Pass, "", "is declared not to run as root", unset, "7")},
		"declared root fails": {
			ft.Declared(fact.Container{RunAsUser: ft.Ptr(int64(0)), RunAsNonRoot: ft.Ptr(true)}),
			ft.One(api.Finding{
				Verdict: api.Fail, Severity: api.Medium, Basis: api.Declared, Subject: ft.Subject(), Message: "is declared to run as root",
				Evidence: ft.Claimed(0, ft.Evidence(user, "0", nonRoot, "true")),
			}),
		},
		"the pod's fields stand in": {ft.Declared(fact.Container{}, func(s *fact.PodSpec) { s.RunAsNonRoot, s.RunAsUser = ft.Ptr(true), ft.Ptr(int64(1000)) }), ofPod},
		"Windows without a user": {
			ft.Declared(fact.Container{RunAsNonRoot: ft.Ptr(true)}, windows),
			onWindows(api.Fail, api.Low, "may run as an administrator: runAsUserName is not declared, so its image decides", ft.App+windowsUser, "not set"),
		},
		"an administrator of Windows": {
			ft.Declared(fact.Container{WindowsUser: "containeradministrator"}, windows),
			onWindows(api.Fail, api.Medium, "is declared to run as an administrator of its container", ft.App+windowsUser, "containeradministrator"),
		},
		"a user of Windows": {
			ft.Declared(fact.Container{WindowsUser: "containeruser"}, windows, func(s *fact.PodSpec) { s.WindowsUser = "containeradministrator" }),
			onWindows(api.Pass, "", "is declared not to run as an administrator", ft.App+windowsUser, "containeruser"),
		},
		"another user of Windows": {
			ft.Declared(fact.Container{}, windows, func(s *fact.PodSpec) { s.WindowsUser = fact.AnotherUser }),
			onWindows(api.VerdictUnknown, "", "whether the user that it is declared to run as is an administrator is in its image", ft.Field+windowsUser, fact.AnotherUser),
		},
		"a process of a Windows node as SYSTEM": {
			ft.Declared(fact.Container{}, windows, processes(true), func(s *fact.PodSpec) { s.WindowsUser = "system" }),
			onWindows(api.Fail, api.Medium, "is declared to run as an administrator of its Windows node", ft.Field+windowsUser, "system", ft.Field+hostProcess, "true"),
		},
		"without processes it is judged by its declaration": {
			ft.Measured(fact.MeasuredContainer{}, fact.Container{RunAsNonRoot: ft.Ptr(true)}), declared(api.Pass, "", "is declared not to run as root", "true", unset),
		},
		"where a process was not read the declaration counts too": {
			ft.Edit(measured(fact.Container{RunAsNonRoot: ft.Ptr(true)}), func(s *fact.Set) {
				s.Nodes[0].Measured.Gaps = []fact.NodeGap{{What: fact.Processes, Container: ft.ID, Reason: fact.Changing}}
			}),
			append(ft.One(finding(api.Pass, "", "does not run as root", "1000 1000 1000, of 1 process", "true", unset)),
				declared(api.Pass, "", "is declared not to run as root", "true", unset)...),
		},
		"where a process of the node was not read it may be this container's": {
			ft.Edit(measured(fact.Container{}), func(s *fact.Set) {
				s.Nodes[0].Measured.Gaps = []fact.NodeGap{{What: fact.Processes, Reason: fact.Timeout, Detail: "1 of 30000 processes could not be read"}}
			}),
			append(ft.One(finding(api.Pass, "", "does not run as root", "1000 1000 1000, of 1 process", unset, unset)), open(unset)...),
		},
		"a container without a declaration, where a process of the node was not read": {
			ft.Edit(measured(fact.Container{}), func(s *fact.Set) {
				s.Nodes[0].Measured.Gaps = []fact.NodeGap{{What: fact.Processes, Reason: fact.Timeout}}
				s.Workloads = nil
			}),
			[]api.Finding{
				{Verdict: api.Pass, Basis: api.Measured, Subject: loose, Message: "does not run as root", Evidence: ft.Evidence(uid, "1000 1000 1000, of 1 process")},
				{
					Verdict: api.VerdictUnknown, Reason: fact.Timeout, Basis: api.Measured, Subject: loose,
					Message:  "not all of its processes may have been read, and its declaration is unknown",
					Evidence: ft.Evidence("node/n1 /proc/100/status", "1 process"),
				},
			},
		},
		"what the level does not read leaves the processes that were found": {
			ft.Edit(measured(fact.Container{}), func(s *fact.Set) {
				s.Nodes[0].Measured.Gaps = []fact.NodeGap{{What: fact.Processes, Reason: fact.NotRequested}}
			}),
			ft.One(finding(api.Pass, "", "does not run as root", "1000 1000 1000, of 1 process", unset, unset)),
		},
		"in a declared user namespace": {
			ft.Declared(fact.Container{}, hostUsers(false)),
			declared(api.Pass, "", "can be root only in its own user namespace", unset, unset, ft.Field+"hostUsers", "false"),
		},
	})
}
