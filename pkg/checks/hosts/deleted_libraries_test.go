package hosts

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestDeletedLibraries(t *testing.T) {
	const (
		maps = "node/n1 /proc/PID/maps"
		run  = "processes of the host run files that were deleted or replaced after their start"
		ssl  = "/usr/lib/x86_64-linux-gnu/libssl.so.3"
	)
	state := func(s fact.LibraryState) *fact.Set { return host(fact.Host{Libraries: &s}) }
	outdated := func(files ...fact.OutdatedFile) *fact.Set {
		return state(fact.LibraryState{Processes: 40, Outdated: files, OutdatedCount: len(files)})
	}
	finding := func(verdict api.Verdict, message string, evidence ...string) []api.Finding {
		f := api.Finding{Verdict: verdict, Subject: ft.NodeSubject(), Message: message, Evidence: ft.Evidence(evidence...)}
		if verdict == api.VerdictUnknown {
			f.Reason = fact.NotPresent
		}
		return ft.One(f)
	}
	ft.Judge(t, checks.OfSet(judgeDeletedLibraries), map[string]row{
		"all as installed passes": {
			state(fact.LibraryState{Processes: 40}),
			finding(api.Pass, "no process of the host runs a deleted or replaced file", maps, "40 processes of the host read"),
		},
		"what was not judged is said": {
			state(fact.LibraryState{Processes: 1, Elsewhere: 2}),
			finding(api.Pass, "no process of the host runs a deleted or replaced file", maps, "1 process of the host read; 2 with a root directory of their own not judged"),
		},
		"a library fails, by unit": {
			outdated(fact.OutdatedFile{Path: ssl, Unit: "ssh.service", Processes: 2}),
			finding(api.Fail, run+": ssh.service", "node/n1 "+ssl, "library of ssh.service (2 processes), deleted or replaced", maps, "40 processes of the host read"),
		},
		"a program comes first, and its unit once": {
			outdated(
				fact.OutdatedFile{Path: ssl, Unit: "cron.service", Processes: 1}, fact.OutdatedFile{Path: ssl, Unit: "kubelet.service", Processes: 1},
				fact.OutdatedFile{Path: "/usr/bin/containerd-shim-runc-v2", Program: true, Processes: 9},
				fact.OutdatedFile{Path: "/usr/bin/kubelet", Unit: "kubelet.service", Program: true, Processes: 1},
			),
			finding(
				api.Fail, run+": containerd-shim-runc-v2, kubelet.service (its program), cron.service",
				"node/n1 "+ssl, "library of cron.service (1 process), deleted or replaced", "node/n1 "+ssl, "library of kubelet.service (1 process), deleted or replaced",
				"node/n1 /usr/bin/containerd-shim-runc-v2", "program of no unit (9 processes), deleted or replaced",
				"node/n1 /usr/bin/kubelet", "program of kubelet.service (1 process), deleted or replaced", maps, "40 processes of the host read",
			),
		},
		"without a unit": {
			outdated(fact.OutdatedFile{Path: ssl, Processes: 1, Replaced: true}),
			finding(api.Fail, run+": processes without a unit", "node/n1 "+ssl, "library of no unit (1 process), hidden by another file system", maps, "40 processes of the host read"),
		},
		"more than are listed": {
			state(fact.LibraryState{Processes: 40, OutdatedCount: 3, Outdated: []fact.OutdatedFile{{Path: ssl, Unit: "a.service", Processes: 1}}}),
			finding(api.Fail, run+": a.service; 2 files are not listed", "node/n1 "+ssl, "library of a.service (1 process), deleted or replaced", maps, "40 processes of the host read"),
		},
		"only the count arrived": {
			state(fact.LibraryState{Processes: 40, OutdatedCount: 3}),
			finding(api.Fail, run+"; 3 files are not listed", maps, "40 processes of the host read"),
		},
		"no process is unknown":         {state(fact.LibraryState{}), finding(api.VerdictUnknown, "no process of the host was read", maps, "not read")},
		"no state is unknown":           {host(fact.Host{}), finding(api.VerdictUnknown, "no process of the host was read", maps, "not read")},
		"facts of a version without it": {ft.Edit(host(fact.Host{}), func(s *fact.Set) { s.Nodes[0].Measured.Read = nil }), nil},
	})
}
