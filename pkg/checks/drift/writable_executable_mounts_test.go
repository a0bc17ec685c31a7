package drift

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/capability"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestWritableExecutableMounts(t *testing.T) {
	const table = "node/n1 /proc/100/mountinfo"
	finding := func(verdict api.Verdict, reason fact.Reason, message, state string, evidence ...string) api.Finding {
		return api.Finding{
			Verdict: verdict, Reason: reason, Basis: api.Measured, Subject: ft.Subject(), Message: message,
			Evidence: ft.Evidence(append(evidence, "drift state", state)...),
		}
	}
	passes := func(state, remains string) []api.Finding {
		return ft.One(finding(api.Pass, "", "can execute nothing that it writes to a mount", state, table, "what remains: "+remains))
	}
	fails := func(message, state string, evidence ...string) []api.Finding {
		return ft.One(finding(api.Fail, "", message, state, evidence...))
	}
	const usual = "single files: /dev/termination-log; scripts that an interpreter reads in /dev/shm (tmpfs); code in memory only"
	data := func(edit func(*fact.Mount)) func(*fact.MeasuredContainer) {
		m := fact.Mount{Path: "/data", FSType: "ext4", Volume: "csi/pv", File: ft.Ptr(false), Owner: owner(0, 0, 0o755)}
		edit(&m)
		return mounts(m)
	}
	refused := func(m *fact.Mount) {}
	ownerUnread := func(m *fact.Mount) { m.Owner = nil }
	proc := func(s *fact.Set) { s.Nodes[0].Measured.Level = fact.LevelProc }
	writes := func(who string) string { return "writable for " + who + " of pid 100" }

	ft.Judge(t, checks.OfSet(judgeWritableExecutableMounts), map[string]row{
		"the mounts of every container pass for a user": {hardened(), passes("PREVENTED", usual)},
		"a writable root is another check's business":   {hardened(writableRoot), passes("OPEN", usual)},
		"without a seccomp filter it says so": {
			hardened(process(func(p *fact.Process) { p.Seccomp = ft.Ptr(0) })),
			passes("PREVENTED", usual+"; mounts in a user namespace of its own (no seccomp filter)"),
		},
		"a file that its user cannot write is not named": {
			hardened(mounts(fact.Mount{Path: "/etc/hosts", FSType: "ext4", File: ft.Ptr(true), Owner: owner(0, 0, 0o644)})), passes("PREVENTED", usual),
		},
		"root can write to /dev": {
			hardened(uid(0)), fails("can execute what it writes to /dev (tmpfs)", "OPEN",
				table+" /dev", "tmpfs rw, exec, owner 0:0, mode 0755, "+writes("uid 0")),
		},
		"root and a /dev of unknown owner": {
			ft.Edit(hardened(uid(0), func(m *fact.MeasuredContainer) { m.Mounts[0].Owner, m.Mounts[0].File = nil, nil }), proc),
			fails("can execute what it writes to /dev (tmpfs)", "OPEN", table+" /dev", "tmpfs rw, exec, owner not read, "+writes("uid 0")),
		},
		"DAC_OVERRIDE writes to /dev": {
			hardened(caps(capability.DACOverride)), fails("can execute what it writes to /dev (tmpfs)", "OPEN",
				table+" /dev", "tmpfs rw, exec, owner 0:0, mode 0755, "+writes("uid 1000")+" with DAC_OVERRIDE"),
		},
		"SYS_ADMIN can mount": {
			hardened(caps(capability.SysAdmin), func(m *fact.MeasuredContainer) { m.Mounts = nil }),
			fails("can mount file systems, and so write and execute on one (SYS_ADMIN)", "OPEN",
				"node/n1 /proc/100/status CapEff", "uid 1000 of pid 100 with SYS_ADMIN"),
		},
		"an emptyDir fails": {
			hardened(mounts(emptyDir())), fails("can execute what it writes to /cache (emptyDir)", "OPEN",
				table+" /cache", "ext4 rw, exec, volume emptyDir/cache, owner 0:0, mode 0777, "+writes("uid 1000")),
		},
		"a group of the process counts": {
			hardened(data(func(m *fact.Mount) { m.Owner = owner(0, 2000, 0o2775) }), process(func(p *fact.Process) { p.Groups = []int64{2000} })),
			fails("can execute what it writes to /data (csi)", "OPEN",
				table+" /data", "ext4 rw, exec, volume csi/pv, owner 0:2000, mode 2775, "+writes("uid 1000")),
		},
		"a read-only volume passes": {hardened(data(func(m *fact.Mount) { m.ReadOnly, m.Owner.Mode = true, 0o777 })), passes("PREVENTED", usual)},
		"a noexec volume passes, and its scripts remain": {
			hardened(data(func(m *fact.Mount) { m.NoExec, m.Owner.Mode = true, 0o777 })),
			passes("PREVENTED", "single files: /dev/termination-log; scripts that an interpreter reads in /dev/shm (tmpfs), /data (csi); code in memory only"),
		},
		"a noexec volume that refuses its users is not named": {hardened(data(func(m *fact.Mount) { m.NoExec = true })), passes("PREVENTED", usual)},
		"a volume whose top refuses the user is unknown": {
			hardened(data(refused)), []api.Finding{{
				Verdict: api.VerdictUnknown, Reason: fact.Unsupported, Basis: api.Measured, Subject: ft.Subject(),
				Message:     "whether its users can write to /data (csi) and execute there is unknown: only the directory that is mounted was looked at, and it refuses them",
				Remediation: api.Remediation{Text: "mount it read-only or with noexec"},
				Evidence:    ft.Evidence(table+" /data", "ext4 rw, exec, volume csi/pv, owner 0:0, mode 0755", "drift state", "unknown"),
			}},
		},
		"an owner that was not read is unknown": {
			hardened(data(ownerUnread)), ft.One(finding(api.VerdictUnknown, fact.NotPresent,
				"whether its users can write to /data (csi) and execute there is unknown: what is mounted there and its owner were not read", "unknown",
				table+" /data", "ext4 rw, exec, volume csi/pv, owner not read")),
		},
		"at level proc it says what reads the owner": {
			ft.Edit(hardened(data(ownerUnread)), proc), []api.Finding{{
				Verdict: api.VerdictUnknown, Reason: fact.NotRequested, Basis: api.Measured, Subject: ft.Subject(),
				Message:     "whether its users can write to /data (csi) and execute there is unknown: what is mounted there and its owner were not read",
				Remediation: api.Remediation{Text: "--probe-level full reads it"},
				Evidence:    ft.Evidence(table+" /data", "ext4 rw, exec, volume csi/pv, owner not read", "drift state", "unknown"),
			}},
		},
		"kubelet's files are files, read or not": {
			hardened(func(m *fact.MeasuredContainer) { m.Mounts[2].File, m.Mounts[2].Owner = nil, nil }), passes("PREVENTED", usual),
		},
		"a mount that may be a file is unknown, though it can be written": {
			hardened(data(func(m *fact.Mount) { m.File, m.Owner.Mode = nil, 0o777 })), ft.One(finding(api.VerdictUnknown, fact.NotPresent,
				"whether its users can write to /data (csi) and execute there is unknown: what is mounted there and its owner were not read", "unknown",
				table+" /data", "ext4 rw, exec, volume csi/pv, owner 0:0, mode 0777, "+writes("uid 1000"))),
		},
		"a subPath has the kind that the spec says": {
			ft.Edit(hardened(data(func(m *fact.Mount) { m.Volume, m.Owner.Mode = "subPath/v", 0o777 })), func(s *fact.Set) {
				s.Workloads[0].Spec.Volumes = []fact.Volume{{Name: "v", Source: "emptyDir"}}
			}), fails("can execute what it writes to /data (emptyDir)", "OPEN",
				table+" /data", "ext4 rw, exec, volume subPath/v, owner 0:0, mode 0777, "+writes("uid 1000")),
		},
		"one that can be written decides, next to an unknown one": {
			hardened(mounts(emptyDir()), data(refused)), []api.Finding{
				finding(api.Fail, "", "can execute what it writes to /cache (emptyDir)", "OPEN",
					table+" /cache", "ext4 rw, exec, volume emptyDir/cache, owner 0:0, mode 0777, "+writes("uid 1000")),
				{
					Verdict: api.VerdictUnknown, Reason: fact.Unsupported, Basis: api.Measured, Subject: ft.Subject(),
					Message:     "whether its users can write to /data (csi) and execute there is unknown: only the directory that is mounted was looked at, and it refuses them",
					Remediation: api.Remediation{Text: "mount it read-only or with noexec"},
					Evidence:    ft.Evidence(table+" /data", "ext4 rw, exec, volume csi/pv, owner 0:0, mode 0755", "drift state", "OPEN"),
				},
			},
		},
		"no mounts that were read are unknown": {
			hardened(func(m *fact.MeasuredContainer) { m.Root, m.Mounts = nil, nil }),
			ft.One(finding(api.VerdictUnknown, fact.NotPresent, "its mounts were not read", "unknown", table, "no mount at /")),
		},
		"threads beyond the list are unknown": {
			hardened(process(func(p *fact.Process) { p.Threads = &fact.Threads{Count: 99, DifferingCount: 40} })),
			ft.One(finding(api.VerdictUnknown, fact.NotPresent, "not all of its processes and threads were read", "unknown", "node/n1 /proc/100/status", "processes: 1")),
		},
		"no process that was read is unknown": {
			hardened(func(m *fact.MeasuredContainer) { m.Processes, m.Mounts = nil, nil }),
			ft.One(finding(api.VerdictUnknown, fact.NotPresent, "not all of its processes and threads were read", "unknown",
				"node/n1 container aaaaaaaaaaaa status", "processes: 0")),
		},
		"declared running but not seen is unknown": {ft.Edit(hardened(), ft.NoContainers), ft.One(ft.NotSeen())},
	})
}

// The containers of one subject have one line of states, so that it is there once.
func TestTheStatesOfASubjectAreCounted(t *testing.T) {
	set := hardened()
	other := set.Nodes[0].DeepCopy()
	other.Name = "n2"
	other.Measured.Containers[0].ID = "other"
	other.Measured.Containers[0].PodUID = "2"
	other.Measured.Containers[0].Root.ReadOnly = false
	set.Nodes = append(set.Nodes, *other)
	pod := *set.Workloads[0].Pods[0].DeepCopy()
	pod.Name, pod.UID, pod.Node, pod.Containers[0].ID = "web-2", "2", "n2", "other"
	set.Workloads[0].Pods = append(set.Workloads[0].Pods, pod)
	want := api.Evidence{Source: "drift state", Value: "OPEN 1, PREVENTED 1"}
	findings := judgeWritableExecutableMounts(checks.NewView(set))
	if len(findings) != 2 {
		t.Fatalf("%d findings", len(findings))
	}
	for _, f := range findings {
		if got := f.Evidence[len(f.Evidence)-1]; got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}
