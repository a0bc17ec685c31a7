package drift

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/capability"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestCanWriteOwnCode(t *testing.T) {
	const (
		exe    = "node/n1 /proc/100/exe"
		cmd    = "node/n1 /proc/100/cmdline"
		status = "node/n1 /proc/100/status Uid, Gid, CapEff"
		nobody = "1000, 1000, 0000000000000000"
		passes = "its processes cannot change the programs that they run"
		roots  = "/web, file 0:0 0755, / 0:0 0755"
	)
	finding := func(verdict api.Verdict, reason fact.Reason, message string, evidence ...string) api.Finding {
		return api.Finding{Verdict: verdict, Reason: reason, Basis: api.Measured, Subject: ft.Subject(), Message: message, Evidence: ft.Evidence(evidence...)}
	}
	one := func(verdict api.Verdict, reason fact.Reason, message, value, who string) []api.Finding {
		return ft.One(finding(verdict, reason, message, exe, value, status, who))
	}
	unknown := func(reason fact.Reason, why, value string) []api.Finding {
		return one(api.VerdictUnknown, reason, "whether it can change what it runs is unknown: "+why, value, nobody)
	}
	on := func(edit func(*fact.Executable)) func(*fact.MeasuredContainer) {
		return process(func(p *fact.Process) { edit(p.Exe) })
	}
	origin := func(o fact.Origin) func(*fact.MeasuredContainer) {
		return on(func(e *fact.Executable) { e.Origin = o })
	}
	fileOf := func(file, dir *fact.FileOwner) func(*fact.MeasuredContainer) {
		return on(func(e *fact.Executable) { e.Owner, e.Dir = file, dir })
	}
	script := fact.Executable{
		Path: "/data/run.sh", Origin: fact.OriginVolume, Mount: "/data", FSType: "ext4", Script: true, Owner: owner(1000, 1000, 0o644), Dir: owner(0, 0, 0o755),
	}
	data := fact.Mount{Path: "/data", FSType: "ext4", NoExec: true, File: ft.Ptr(false), Owner: owner(0, 0, 0o755)}

	ft.Judge(t, checks.OfSet(judgeCanWriteOwnCode), map[string]row{
		"root's program and a user on a writable root passes": {
			hardened(writableRoot), one(api.Pass, "", passes, roots+", mount / rw", nobody),
		},
		"its own program on a writable root fails": {
			hardened(writableRoot, fileOf(owner(1000, 1000, 0o755), owner(0, 0, 0o755))),
			one(api.Fail, "", "can change the program that it runs", "/web, file 1000:1000 0755, / 0:0 0755, mount / rw", nobody),
		},
		"its own directory fails": {
			hardened(writableRoot, fileOf(owner(0, 0, 0o755), owner(1000, 0, 0o755))),
			one(api.Fail, "", "can change the program that it runs", "/web, file 0:0 0755, / 1000:0 0755, mount / rw", nobody),
		},
		"its own program on a read-only root passes": {
			hardened(fileOf(owner(1000, 1000, 0o755), owner(0, 0, 0o755))),
			one(api.Pass, "", passes, "/web, file 1000:1000 0755, / 0:0 0755, mount / ro", nobody),
		},
		"root on a read-only root passes": {
			hardened(uid(0)), one(api.Pass, "", passes, roots+", mount / ro", "0, 1000, 0000000000000000"),
		},
		"root on a writable root fails": {
			hardened(writableRoot, uid(0)),
			one(api.Fail, "", "can change the program that it runs", roots+", mount / rw", "0, 1000, 0000000000000000"),
		},
		"DAC_OVERRIDE on a writable root fails, whoever owns the file": {
			hardened(writableRoot, caps(capability.DACOverride), fileOf(nil, nil)),
			one(api.Fail, "", "can change the program that it runs", "/web, file not read, / not read, mount / rw", "1000, 1000, 0000000000000002"),
		},
		"owners that were not read are unknown": {
			hardened(writableRoot, fileOf(nil, nil)),
			unknown(fact.NotPresent, "the owner of the file or of its directory was not read", "/web, file not read, / not read, mount / rw"),
		},
		"owners that were not read on a read-only root pass": {
			hardened(fileOf(nil, nil)), one(api.Pass, "", passes, "/web, file not read, / not read, mount / ro", nobody),
		},
		"a directory that was not read is unknown": {
			hardened(writableRoot, fileOf(owner(0, 0, 0o755), nil)),
			unknown(fact.NotPresent, "the owner of the file or of its directory was not read", "/web, file 0:0 0755, / not read, mount / rw"),
		},
		"masks that were not read are unknown": {
			hardened(writableRoot, process(func(p *fact.Process) { p.CapPrm = fact.CapMask{} })),
			unknown(fact.NotPresent, "its capabilities or groups were not read completely", roots+", mount / rw"),
		},
		"a script on a volume with noexec can be changed too": {
			hardened(mounts(data), process(func(p *fact.Process) { p.Scripts = []fact.Executable{script} })), []api.Finding{
				finding(api.Pass, "", passes, exe, roots+", mount / ro", status, nobody),
				finding(api.Fail, "", "can change the script that it runs",
					cmd, "/data/run.sh, file 1000:1000 0644, /data 0:0 0755, mount /data rw", status, nobody),
			},
		},
		"a program on a read-only volume passes": {
			hardened(origin(fact.OriginReadOnly)), one(api.Pass, "", passes, roots+", mount / ro", nobody),
		},
		"a program on a mount that the facts do not have is unknown": {
			hardened(on(func(e *fact.Executable) { e.Origin, e.Mount = fact.OriginVolume, "/gone" })),
			unknown(fact.NotPresent, "the mount that holds it is not in the facts", roots+", mount /gone"),
		},
		"a program in memory is unknown": {
			hardened(on(func(e *fact.Executable) { e.Origin, e.Mount = fact.OriginMemfd, "" })),
			unknown(fact.Unsupported, "it exists only in memory", roots+", mount unknown"),
		},
		"a program on a foreign mount is unknown": {
			hardened(on(func(e *fact.Executable) { e.Origin, e.Mount = fact.OriginForeign, "" })),
			unknown(fact.Unsupported, "the mount that holds it is unknown", roots+", mount unknown"),
		},
		"a deleted program on a writable root is unknown": {
			hardened(writableRoot, origin(fact.OriginDeletedImage)), unknown(fact.Changing, "it was deleted while it runs", roots+", mount / rw"),
		},
		"a program whose origin is unknown is judged by owner and mode": {
			hardened(writableRoot, origin(fact.OriginUnknown)), one(api.Pass, "", passes, roots+", mount / rw", nobody),
		},
		"workers of one user and program are one finding": {
			hardened(func(m *fact.MeasuredContainer) { m.Processes = append(m.Processes, m.Processes[0]) }),
			one(api.Pass, "", passes, roots+", mount / ro", nobody),
		},
		"a process of the same user with a group that may write it counts": {
			hardened(writableRoot, fileOf(owner(0, 50, 0o775), owner(0, 0, 0o755)), func(m *fact.MeasuredContainer) {
				p := m.Processes[0]
				p.PID, p.Groups = 200, []int64{50}
				m.Processes = append(m.Processes, p)
			}), []api.Finding{
				finding(api.Pass, "", passes, exe, "/web, file 0:50 0775, / 0:0 0755, mount / rw", status, nobody),
				finding(api.Fail, "", "can change the program that it runs", "node/n1 /proc/200/exe", "/web, file 0:50 0775, / 0:0 0755, mount / rw",
					"node/n1 /proc/200/status Uid, Gid, CapEff", nobody),
			},
		},
		"another file at the same path counts": {
			hardened(writableRoot, func(m *fact.MeasuredContainer) {
				p, exe := m.Processes[0], *m.Processes[0].Exe
				exe.Owner = owner(1000, 1000, 0o755)
				p.PID, p.Exe = 200, &exe
				m.Processes = append(m.Processes, p)
			}), []api.Finding{
				finding(api.Pass, "", passes, exe, roots+", mount / rw", status, nobody),
				finding(api.Fail, "", "can change the program that it runs", "node/n1 /proc/200/exe", "/web, file 1000:1000 0755, / 0:0 0755, mount / rw",
					"node/n1 /proc/200/status Uid, Gid, CapEff", nobody),
			},
		},
		"a thread with more rights counts": {
			hardened(writableRoot, process(func(p *fact.Process) {
				p.Threads = &fact.Threads{Count: 2, DifferingCount: 1, Differing: []fact.Thread{{TID: 101, CapEff: fact.NewCapMask(0), CapPrm: fact.NewCapMask(2)}}}
			})), []api.Finding{
				finding(api.Pass, "", passes, exe, roots+", mount / rw", status, nobody),
				finding(api.Fail, "", "can change the program that it runs", exe, roots+", mount / rw",
					"node/n1 /proc/101/status Uid, Gid, CapEff", "0, 1000, 0000000000000002"),
			},
		},
		"threads beyond the list are unknown": {
			hardened(writableRoot, process(func(p *fact.Process) { p.Threads = &fact.Threads{Count: 99, DifferingCount: 40} })), append(
				one(api.Pass, "", passes, roots+", mount / rw", nobody),
				unknown(fact.NotPresent, "its capabilities or groups were not read completely", roots+", mount / rw")...),
		},
		"no executable that was read is unknown": {
			hardened(process(func(p *fact.Process) { p.Exe = nil })),
			ft.One(finding(api.VerdictUnknown, fact.NotPresent, "none of its executables was read", exe, "not read")),
		},
		"declared running but not seen is unknown": {ft.Edit(hardened(), ft.NoContainers), ft.One(ft.NotSeen())},
	})
}
