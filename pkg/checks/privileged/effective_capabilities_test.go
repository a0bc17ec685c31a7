package privileged

import (
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestEffectiveCapabilities(t *testing.T) {
	const (
		netAdmin  = 1 << 12
		netRaw    = 1 << 13
		sysPtrace = 1 << 19
		sysAdmin  = 1 << 21
		bpf       = 1 << 39
		future    = 1 << 41

		eff, prm, bnd, nnp = "node/n1 /proc/100/status CapEff", "node/n1 /proc/100/status CapPrm", "node/n1 /proc/100/status CapBnd", "node/n1 /proc/100/status NoNewPrivs"
		field              = ft.App + "securityContext.capabilities"

		defaultNames = "CHOWN,DAC_OVERRIDE,FOWNER,FSETID,KILL,SETGID,SETUID,SETPCAP,NET_BIND_SERVICE,NET_RAW,SYS_CHROOT,MKNOD,AUDIT_WRITE,SETFCAP"
	)
	// holds gives a process a mask, effective, permitted and bounding.
	holds := func(mask uint64) func(*fact.Process) {
		return func(p *fact.Process) {
			p.CapEff, p.CapPrm, p.CapBnd = fact.NewCapMask(mask), fact.NewCapMask(mask), fact.NewCapMask(mask)
		}
	}
	canGain := func(mask uint64) func(*fact.Process) {
		return func(p *fact.Process) { p.CapBnd = fact.NewCapMask(mask) }
	}
	noNewPrivs := func(p *fact.Process) { p.NoNewPrivs = ft.Ptr(true) }
	userNS := func(rootUID int64) func(*fact.Process) {
		return func(p *fact.Process) { p.UserNS, p.RootUID = 4026532999, &rootUID }
	}
	// procLevel is what a probe without a capability cannot read.
	procLevel := func(p *fact.Process) { p.UserNS, p.PIDNS, p.NetNS, p.IPCNS = 0, 0, 0, 0 }
	hostNet := func(p *fact.Process) { p.NetNS = ft.NetNS }
	measured := func(c fact.Container, edits ...func(*fact.Process)) *fact.Set {
		return ft.Measured(ft.With(edits...), c)
	}
	// finding has the evidence that every one has: the mask and what is declared.
	finding := func(verdict api.Verdict, severity api.Severity, message, effValue, declared string, more ...string) api.Finding {
		e := ft.Evidence(eff, effValue, field, declared)
		e[1].Basis = api.Declared
		return api.Finding{
			Verdict: verdict, Severity: severity, Basis: api.Measured, Subject: ft.Subject(), Message: message,
			Evidence: append(e, ft.Evidence(more...)...),
		}
	}
	unknown := func(f api.Finding, reason fact.Reason) api.Finding { f.Reason = reason; return f }
	const runtimes = "declared: the runtime's default"
	inherited := "holds NET_RAW, which is in the default of containerd and Docker and not in CRI-O's" + then("NET_RAW")
	raw := func(f api.Finding) api.Finding { f.Remediation.Text = dropNetRaw; return f }

	ft.Judge(t, checks.OfSet(judgeEffectiveCapabilities), map[string]row{
		"the default set has NET_RAW, which is low": {
			measured(fact.Container{}),
			ft.One(raw(finding(api.Fail, api.Low, inherited, "00000000a80425fb "+defaultNames, runtimes))),
		},
		"containerd is named for NET_RAW": {
			ft.Edit(measured(fact.Container{}), func(s *fact.Set) { s.Nodes[0].ContainerRuntime = "containerd://2.3.7" }),
			ft.One(raw(finding(api.Fail, api.Low, "holds NET_RAW, which containerd gives by default and CRI-O does not"+then("NET_RAW"), "00000000a80425fb "+defaultNames, runtimes))),
		},
		"Docker is named for NET_RAW, though the cgroup names another": {
			ft.Edit(measured(fact.Container{}), func(s *fact.Set) {
				s.Nodes[0].ContainerRuntime, s.Nodes[0].Measured.Containers[0].Runtime = "docker://29.1.0", "crio"
			}),
			ft.One(raw(finding(api.Fail, api.Low, "holds NET_RAW, which Docker gives by default and CRI-O does not"+then("NET_RAW"), "00000000a80425fb "+defaultNames, runtimes))),
		},
		"CRI-O does not give NET_RAW by itself": {
			ft.Edit(measured(fact.Container{}), func(s *fact.Set) { s.Nodes[0].ContainerRuntime = "cri-o://1.34.1" }),
			ft.One(raw(finding(api.Fail, api.Low, "holds NET_RAW, which this node's CRI-O must be configured to give: its default has none"+then("NET_RAW"),
				"00000000a80425fb "+defaultNames, runtimes))),
		},
		"NET_RAW that the spec asks for": {
			measured(fact.Container{CapAdd: []string{"CAP_NET_RAW"}, CapDrop: []string{"ALL"}}, holds(netRaw)),
			ft.One(raw(finding(api.Fail, api.Low, "holds NET_RAW, as its spec asks"+then("NET_RAW"), "0000000000002000 NET_RAW", "declared: add NET_RAW, drop ALL"))),
		},
		"the default set without NET_RAW passes": {
			measured(fact.Container{CapDrop: []string{"NET_RAW"}}, holds(ft.DefaultCaps&^netRaw)),
			ft.One(finding(api.Pass, "", "holds nothing beyond the runtime's default",
				"00000000a80405fb CHOWN,DAC_OVERRIDE,FOWNER,FSETID,KILL,SETGID,SETUID,SETPCAP,NET_BIND_SERVICE,SYS_CHROOT,MKNOD,AUDIT_WRITE,SETFCAP",
				"declared: drop NET_RAW")),
		},
		"ALL is more than any mask, also where the node's was not read": {
			ft.Edit(measured(fact.Container{CapAdd: []string{"all"}}, holds(ft.DefaultCaps&^netRaw)), func(s *fact.Set) {
				s.Nodes[0].Measured.HostCapBnd, s.Nodes[0].Measured.CapLastCap = fact.CapMask{}, nil
			}),
			ft.One(finding(api.Pass, "", "holds nothing beyond the runtime's default",
				"00000000a80405fb CHOWN,DAC_OVERRIDE,FOWNER,FSETID,KILL,SETGID,SETUID,SETPCAP,NET_BIND_SERVICE,SYS_CHROOT,MKNOD,AUDIT_WRITE,SETFCAP",
				"declared: add all")),
		},
		"ordinary ones that the spec has dropped are more than declared": {
			measured(fact.Container{CapDrop: []string{"ALL"}}, holds(netRaw|1)),
			ft.One(finding(api.Fail, api.Medium, "holds more than its spec grants: CHOWN,NET_RAW"+then("CHOWN")+"; declared: drop ALL",
				"0000000000002001 CHOWN,NET_RAW", "declared: drop ALL")),
		},
		"more than declared in its own user namespace is low": {
			measured(fact.Container{CapDrop: []string{"ALL"}}, holds(netRaw), userNS(65536)),
			ft.One(finding(api.Fail, api.Low, "holds more than its spec grants: NET_RAW"+then("NET_RAW")+"; declared: drop ALL; only in its own user namespace",
				"0000000000002000 NET_RAW", "declared: drop ALL",
				"node/n1 /proc/100/uid_map", "not the node's; its root is uid 65536 of the node")),
		},
		"it can gain what the spec has dropped": {
			measured(fact.Container{CapDrop: []string{"ALL"}}, holds(0), canGain(netRaw)),
			ft.One(finding(api.Fail, api.Low, "can gain NET_RAW through a set-user-ID program (CapBnd, and NoNewPrivs is 0); declared: drop ALL",
				"0000000000000000 none", "declared: drop ALL", bnd, "0000000000002000 NET_RAW", nnp, "false")),
		},
		"a capability without a name may be the one that the spec names": {
			measured(fact.Container{CapAdd: []string{"FUTURE"}, CapDrop: []string{"ALL"}}, holds(future)),
			ft.One(finding(api.Fail, api.Medium, "holds cap_41 beyond the runtime's default; declared: add FUTURE, drop ALL",
				"0000020000000000 cap_41", "declared: add FUTURE, drop ALL")),
		},
		"a thread that holds more than its process": {
			measured(fact.Container{CapDrop: []string{"ALL"}}, holds(0), func(p *fact.Process) {
				mask := fact.NewCapMask(sysAdmin)
				p.Threads = &fact.Threads{Count: 3, DifferingCount: 1, Differing: []fact.Thread{{TID: 107, CapEff: mask, CapPrm: mask, CapBnd: mask}}}
			}),
			[]api.Finding{
				finding(api.Pass, "", "holds no capability", "0000000000000000 none", "declared: drop ALL"),
				{
					Verdict: api.Fail, Severity: api.Critical, Basis: api.Measured, Subject: ft.Subject(),
					Message: "holds SYS_ADMIN beyond the runtime's default" + then("SYS_ADMIN") + "; declared: drop ALL; not declared: SYS_ADMIN",
					Evidence: ft.Claimed(1, ft.Evidence(
						"node/n1 /proc/100/task/107/status CapEff", "0000000000200000 SYS_ADMIN", field, "declared: drop ALL")),
				},
			},
		},
		"threads that are not listed are unknown": {
			measured(fact.Container{CapDrop: []string{"ALL"}}, holds(0), func(p *fact.Process) { p.Threads = &fact.Threads{Count: 99, DifferingCount: 40} }),
			[]api.Finding{
				{
					Verdict: api.VerdictUnknown, Reason: fact.Truncated, Basis: api.Measured, Subject: ft.Subject(),
					Message:  "not all of its threads were judged: too many have other rights than their process",
					Evidence: ft.Evidence("node/n1 /proc/100/task", "40 of 99 threads differ, 0 are listed"),
				},
				finding(api.Pass, "", "holds no capability", "0000000000000000 none", "declared: drop ALL"),
			},
		},
		"the runtime on its way in is unknown": {
			measured(fact.Container{CapDrop: []string{"ALL"}}, holds(ft.AllCaps), func(p *fact.Process) {
				p.Started, p.Exe = fact.NewTime(ft.Time.Add(-time.Second)), &fact.Executable{Path: "/memfd:runc", Origin: fact.OriginMemfd}
			}),
			ft.One(unknown(finding(api.VerdictUnknown, "",
				"a process that had just been started, maybe by the container runtime on its way in, "+
					"holds every capability that the node has, as with --privileged; declared: drop ALL; not declared: all 41",
				"000001ffffffffff all 41", "declared: drop ALL", "node/n1 /proc/1/status CapBnd", "000001ffffffffff (41 capabilities)"), fact.Changing)),
		},
		"a young process of the container's own program is judged": {
			measured(fact.Container{CapDrop: []string{"ALL"}}, holds(sysAdmin), func(p *fact.Process) { p.Started = fact.NewTime(ft.Time.Add(-time.Second)) }),
			ft.One(finding(api.Fail, api.Critical, "holds SYS_ADMIN beyond the runtime's default"+then("SYS_ADMIN")+"; declared: drop ALL; not declared: SYS_ADMIN",
				"0000000000200000 SYS_ADMIN", "declared: drop ALL")),
		},
		"no capability at all passes": {
			measured(fact.Container{CapDrop: []string{"ALL"}}, holds(0)),
			ft.One(finding(api.Pass, "", "holds no capability", "0000000000000000 none", "declared: drop ALL")),
		},
		"SYS_ADMIN fails, and that it was not declared is said": {
			measured(fact.Container{}, holds(ft.DefaultCaps|sysAdmin)),
			ft.One(finding(api.Fail, api.Critical, "holds SYS_ADMIN beyond the runtime's default"+then("SYS_ADMIN")+"; declared: the runtime's default; not declared: SYS_ADMIN",
				"00000000a82425fb CHOWN,DAC_OVERRIDE,FOWNER,FSETID,KILL,SETGID,SETUID,SETPCAP,NET_BIND_SERVICE,NET_RAW,SYS_CHROOT,SYS_ADMIN,MKNOD,AUDIT_WRITE,SETFCAP",
				runtimes)),
		},
		"SYS_ADMIN as declared fails": {
			measured(fact.Container{CapAdd: []string{"CAP_SYS_ADMIN"}, CapDrop: []string{"ALL"}}, holds(sysAdmin)),
			ft.One(finding(api.Fail, api.Critical, "holds SYS_ADMIN beyond the runtime's default"+then("SYS_ADMIN")+"; declared: add SYS_ADMIN, drop ALL",
				"0000000000200000 SYS_ADMIN", "declared: add SYS_ADMIN, drop ALL")),
		},
		"more than was declared": {
			measured(fact.Container{CapAdd: []string{"NET_ADMIN"}, CapDrop: []string{"ALL"}}, holds(netAdmin|bpf)),
			ft.One(finding(api.Fail, api.High,
				"holds NET_ADMIN,BPF beyond the runtime's default"+then("BPF")+"; declared: add NET_ADMIN, drop ALL; not declared: BPF",
				"0000008000001000 NET_ADMIN,BPF", "declared: add NET_ADMIN, drop ALL")),
		},
		"everything the node has is as good as privileged": {
			measured(fact.Container{Privileged: ft.Ptr(true)}, holds(ft.AllCaps)),
			ft.One(finding(api.Fail, api.Critical, "holds every capability that the node has, as with --privileged; declared: privileged",
				"000001ffffffffff all 41", "declared: privileged", "node/n1 /proc/1/status CapBnd", "000001ffffffffff (41 capabilities)")),
		},
		"everything, on a node that lacks some itself": {
			ft.Edit(measured(fact.Container{Privileged: ft.Ptr(true)}, holds(0x3ffffeffff)), func(s *fact.Set) {
				s.Nodes[0].Measured.HostCapBnd = fact.NewCapMask(0x3ffffeffff)
			}),
			ft.One(finding(api.Fail, api.Critical, "holds every capability that the node has, as with --privileged; declared: privileged",
				"0000003ffffeffff all 37", "declared: privileged", "node/n1 /proc/1/status CapBnd", "0000003ffffeffff (37 capabilities)")),
		},
		"without pid 1's CapBnd, cap_last_cap tells what everything is": {
			ft.Edit(measured(fact.Container{Privileged: ft.Ptr(true)}, holds(ft.AllCaps)), func(s *fact.Set) {
				s.Nodes[0].Measured.HostCapBnd = fact.CapMask{}
			}),
			ft.One(finding(api.Fail, api.Critical, "holds every capability that the node has, as with --privileged; declared: privileged",
				"000001ffffffffff all 41", "declared: privileged", "node/n1 /proc/sys/kernel/cap_last_cap", "40")),
		},
		"a bit that has no name yet": {
			measured(fact.Container{CapDrop: []string{"ALL"}}, holds(future)),
			ft.One(finding(api.Fail, api.Medium, "holds cap_41 beyond the runtime's default; declared: drop ALL; not declared: cap_41",
				"0000020000000000 cap_41", "declared: drop ALL")),
		},
		"NET_ADMIN in the node's network is high": {
			measured(fact.Container{CapAdd: []string{"NET_ADMIN"}, CapDrop: []string{"ALL"}}, holds(netAdmin), hostNet),
			ft.One(finding(api.Fail, api.High, "holds NET_ADMIN beyond the runtime's default"+then("NET_ADMIN")+"; declared: add NET_ADMIN, drop ALL",
				"0000000000001000 NET_ADMIN", "declared: add NET_ADMIN, drop ALL")),
		},
		"SYS_PTRACE among its own processes is medium": {
			measured(fact.Container{CapAdd: []string{"SYS_PTRACE"}, CapDrop: []string{"ALL"}}, holds(sysPtrace)),
			ft.One(finding(api.Fail, api.Medium, "holds SYS_PTRACE beyond the runtime's default"+then("SYS_PTRACE")+"; declared: add SYS_PTRACE, drop ALL",
				"0000000000080000 SYS_PTRACE", "declared: add SYS_PTRACE, drop ALL")),
		},
		"permitted counts as effective": {
			measured(fact.Container{CapDrop: []string{"ALL"}}, holds(0), func(p *fact.Process) { p.CapPrm = fact.NewCapMask(sysAdmin) }),
			ft.One(api.Finding{
				Verdict: api.Fail, Severity: api.Critical, Basis: api.Measured, Subject: ft.Subject(),
				Message: "holds SYS_ADMIN beyond the runtime's default" + then("SYS_ADMIN") + "; declared: drop ALL; not declared: SYS_ADMIN",
				Evidence: ft.Claimed(2, ft.Evidence(
					eff, "0000000000000000 none", prm, "0000000000200000 SYS_ADMIN", field, "declared: drop ALL")),
			}),
		},
		"all bits in a user namespace with another root are low": {
			measured(fact.Container{CapAdd: []string{"ALL"}}, holds(ft.AllCaps), userNS(65536)),
			ft.One(finding(api.Fail, api.Low,
				"holds DAC_READ_SEARCH,LINUX_IMMUTABLE,NET_BROADCAST,NET_ADMIN,IPC_LOCK,IPC_OWNER,SYS_MODULE,SYS_RAWIO,SYS_PTRACE,SYS_PACCT,"+
					"SYS_ADMIN,SYS_BOOT,SYS_NICE,SYS_RESOURCE,SYS_TIME,SYS_TTY_CONFIG,LEASE,AUDIT_CONTROL,MAC_OVERRIDE,MAC_ADMIN,SYSLOG,"+
					"WAKE_ALARM,BLOCK_SUSPEND,AUDIT_READ,PERFMON,BPF,CHECKPOINT_RESTORE beyond the runtime's default, "+
					"but only in its own user namespace; declared: add ALL",
				"000001ffffffffff all 41", "declared: add ALL",
				"node/n1 /proc/100/uid_map", "not the node's; its root is uid 65536 of the node")),
		},
		"in a user namespace whose root is the node's root it is medium": {
			measured(fact.Container{CapDrop: []string{"ALL"}}, holds(sysAdmin), userNS(0)),
			ft.One(finding(api.Fail, api.Medium,
				"holds SYS_ADMIN beyond the runtime's default, but only in its own user namespace, whose root is still the node's root; declared: drop ALL",
				"0000000000200000 SYS_ADMIN", "declared: drop ALL",
				"node/n1 /proc/100/uid_map", "not the node's; its root is uid 0 of the node")),
		},
		"in one whose root was not read it is taken for that": {
			measured(fact.Container{CapDrop: []string{"ALL"}}, holds(sysAdmin), userNS(0), func(p *fact.Process) { p.RootUID = nil }),
			ft.One(finding(api.Fail, api.Medium,
				"holds SYS_ADMIN beyond the runtime's default, but only in its own user namespace, whose root may be the node's root; declared: drop ALL",
				"0000000000200000 SYS_ADMIN", "declared: drop ALL",
				"node/n1 /proc/100/uid_map", "not the node's; which uid of the node its root is was not read")),
		},
		"the default set in a user namespace is low for NET_RAW too": {
			measured(fact.Container{}, userNS(65536)),
			ft.One(raw(finding(api.Fail, api.Low, inherited, "00000000a80425fb "+defaultNames, runtimes,
				"node/n1 /proc/100/uid_map", "not the node's; its root is uid 65536 of the node"))),
		},
		"what a bounding set leaves open to set-user-ID programs": {
			measured(fact.Container{Privileged: ft.Ptr(true)}, holds(0), canGain(ft.DefaultCaps|sysAdmin)),
			ft.One(finding(api.Fail, api.Medium, "can gain SYS_ADMIN through a set-user-ID program (CapBnd, and NoNewPrivs is 0); declared: privileged",
				"0000000000000000 none", "declared: privileged",
				bnd, "00000000a82425fb CHOWN,DAC_OVERRIDE,FOWNER,FSETID,KILL,SETGID,SETUID,SETPCAP,NET_BIND_SERVICE,NET_RAW,SYS_CHROOT,SYS_ADMIN,MKNOD,AUDIT_WRITE,SETFCAP",
				nnp, "false")),
		},
		"less of it is low": {
			measured(fact.Container{CapDrop: []string{"ALL"}}, holds(0), canGain(netAdmin)),
			ft.One(finding(api.Fail, api.Low, "can gain NET_ADMIN through a set-user-ID program (CapBnd, and NoNewPrivs is 0); declared: drop ALL",
				"0000000000000000 none", "declared: drop ALL", bnd, "0000000000001000 NET_ADMIN", nnp, "false")),
		},
		"NoNewPrivs closes that": {
			measured(fact.Container{Privileged: ft.Ptr(true)}, holds(0), canGain(ft.AllCaps), noNewPrivs),
			ft.One(finding(api.Pass, "", "holds no capability", "0000000000000000 none", "declared: privileged")),
		},
		"an unread mask is unknown": {
			measured(fact.Container{}, func(p *fact.Process) { p.CapEff = fact.CapMask{} }),
			ft.One(unknown(api.Finding{
				Verdict: api.VerdictUnknown, Basis: api.Measured, Subject: ft.Subject(), Message: "its effective capabilities (CapEff) were not read",
				Evidence: ft.Claimed(2, ft.Evidence(eff, "not read", prm, "00000000a80425fb "+defaultNames, field, runtimes)),
			}, fact.Unreadable)),
		},
		"an unread permitted set is unknown": {
			measured(fact.Container{}, holds(0), func(p *fact.Process) { p.CapPrm = fact.CapMask{} }),
			ft.One(unknown(api.Finding{
				Verdict: api.VerdictUnknown, Basis: api.Measured, Subject: ft.Subject(), Message: "its permitted capabilities (CapPrm) were not read",
				Evidence: ft.Claimed(2, ft.Evidence(eff, "0000000000000000 none", prm, "not read", field, runtimes)),
			}, fact.Unreadable)),
		},
		"an unread bounding set is unknown": {
			measured(fact.Container{}, holds(0), func(p *fact.Process) { p.CapBnd = fact.CapMask{} }),
			ft.One(unknown(finding(api.VerdictUnknown, "", "the capabilities that it can gain (CapBnd, NoNewPrivs) were not read",
				"0000000000000000 none", runtimes, bnd, "not read", nnp, "false"), fact.Unreadable)),
		},
		"at level proc the user namespace is taken for the node's, which is said": {
			measured(fact.Container{CapDrop: []string{"ALL"}}, holds(sysAdmin), procLevel),
			ft.One(finding(api.Fail, api.Critical, "holds SYS_ADMIN beyond the runtime's default"+then("SYS_ADMIN")+"; declared: drop ALL; not declared: SYS_ADMIN",
				"0000000000200000 SYS_ADMIN", "declared: drop ALL",
				"node/n1 /proc/100/ns/user", "not read: treated as the node's")),
		},
		"at level proc a uid map tells another user namespace": {
			measured(fact.Container{CapDrop: []string{"ALL"}}, holds(sysAdmin), userNS(65536), procLevel),
			ft.One(finding(api.Fail, api.Low, "holds SYS_ADMIN beyond the runtime's default, but only in its own user namespace; declared: drop ALL",
				"0000000000200000 SYS_ADMIN", "declared: drop ALL",
				"node/n1 /proc/100/uid_map", "not the node's; its root is uid 65536 of the node")),
		},
		"a container that the API does not know": {
			ft.Edit(measured(fact.Container{}, holds(sysAdmin)), func(s *fact.Set) { s.Workloads, s.PodScope = nil, fact.PodsNotListed }),
			ft.One(api.Finding{
				Verdict: api.Fail, Severity: api.Critical, Basis: api.Measured,
				Subject:  fact.Subject{Kind: "Container", Name: "aaaaaaaaaaaa", Node: "n1"},
				Message:  "holds SYS_ADMIN beyond the runtime's default" + then("SYS_ADMIN") + "; its declaration is unknown",
				Evidence: ft.Evidence(eff, "0000000000200000 SYS_ADMIN"),
			}),
		},
		"processes that hold the same are one finding, others another": {
			ft.Edit(measured(fact.Container{}), func(s *fact.Set) {
				c := &s.Nodes[0].Measured.Containers[0]
				second, third := ft.Process(), ft.Process()
				second.PID, third.PID = 101, 102
				holds(0)(&third)
				c.Processes = append(c.Processes, second, third)
			}),
			[]api.Finding{
				raw(finding(api.Fail, api.Low, inherited, "00000000a80425fb "+defaultNames, runtimes)),
				{
					Verdict: api.Pass, Basis: api.Measured, Subject: ft.Subject(), Message: "holds no capability",
					Evidence: ft.Claimed(1, ft.Evidence("node/n1 /proc/102/status CapEff", "0000000000000000 none", field, runtimes)),
				},
			},
		},
		"a container without a process that was read is unknown": {
			ft.Measured(fact.MeasuredContainer{}, fact.Container{}),
			ft.One(api.Finding{
				Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Basis: api.Measured, Subject: ft.Subject(), Message: "none of its processes was read",
				Evidence: ft.Evidence("node/n1 container aaaaaaaaaaaa status", "no process"),
			}),
		},
		"declared running but not seen is unknown":                      {ft.Edit(measured(fact.Container{}), ft.NoContainers), ft.One(ft.NotSeen())},
		"a node that was not measured gives nothing here: its gap does": {ft.Declared(fact.Container{}), nil},
	})
}
