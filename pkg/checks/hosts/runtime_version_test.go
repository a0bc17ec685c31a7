package hosts

import (
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestRuntimeVersion(t *testing.T) {
	const (
		field      = "node/n1 status.nodeInfo.containerRuntimeVersion"
		containerd = "https://containerd.io/releases/ as of 2026-10-13"
		kubernetes = "https://kubernetes.io/releases/ as of 2026-09-15"
		on20       = "2.0: end of life 2025-11-07, extended support in part until 2027-03-31"
	)
	set := func(runtime string) *fact.Set {
		return &fact.Set{CollectedAt: ft.Time, Nodes: []fact.Node{{Name: ft.Node, Listed: true, ContainerRuntime: runtime}}}
	}
	finding := func(verdict api.Verdict, severity api.Severity, reason fact.Reason, message string, evidence ...string) []api.Finding {
		return ft.One(api.Finding{Verdict: verdict, Severity: severity, Reason: reason, Subject: ft.NodeSubject(), Message: message, Evidence: ft.Evidence(evidence...)})
	}
	const gke = "its containerd 2.0 gets only fixes that Google Kubernetes Engine needs, since 2025-11-07"
	ft.Judge(t, checks.OfSet(judgeRuntimeVersion), map[string]row{
		"supported passes": {
			set("containerd://2.3.7"), finding(api.Pass, "", "", "its containerd 2.3 gets fixes from its project", field, "containerd://2.3.7", containerd, "2.3: end of life 2028-04-30"),
		},
		"past its end fails": {
			set("containerd://2.2.5"), finding(api.Fail, "", "", "its containerd 2.2 gets no more fixes from its project (2026-11-06)", field, "containerd://2.2.5", containerd, "2.2: end of life 2026-11-06"),
		},
		"long past it, too": {
			set("containerd://0.2.9"), finding(api.Fail, "", "", "its containerd 0.2 gets no more fixes from its project", field, "containerd://0.2.9", containerd, "0.2: long past its end of life"),
		},
		"an extension for others": {set("containerd://2.0.7"), finding(api.Fail, api.Medium, "", gke, field, "containerd://2.0.7", containerd, on20)},
		"an extension for this provider": {
			ft.Edit(set("containerd://2.0.7"), func(s *fact.Set) { s.Nodes[0].KubeletVersion = "v1.33.5-gke.1080000" }),
			finding(api.Pass, "", "", "its containerd 2.0 gets fixes from its project", field, "containerd://2.0.7", containerd, on20),
		},
		"a system whose package says only the project's version": {
			ft.Edit(set("containerd://1.7.28"), func(s *fact.Set) { s.Nodes[0].OSImage = "Amazon Linux 2023.9.20251014" }),
			finding(api.VerdictUnknown, "", fact.Unsupported, "its containerd 1.7 gets no more fixes from its project (2026-03-10), and Amazon Linux may have built it and add its own",
				field, "containerd://1.7.28", containerd, "1.7: end of life 2026-03-10, extended support in part until 2026-09-30"),
		},
		"k3s on such a system": {
			ft.Edit(set("containerd://1.7.11-k3s2"), func(s *fact.Set) { s.Nodes[0].OSImage = "Ubuntu 24.04.3 LTS" }),
			finding(
				api.Fail, "", "", "its containerd 1.7 gets no more fixes from its project (2026-03-10)",
				field, "containerd://1.7.11-k3s2", containerd, "1.7: end of life 2026-03-10, extended support in part until 2026-09-30",
			),
		},
		"k3s follows containerd": {
			set("containerd://1.7.11-k3s2"),
			finding(
				api.Fail, "", "", "its containerd 1.7 gets no more fixes from its project (2026-03-10)",
				field, "containerd://1.7.11-k3s2", containerd, "1.7: end of life 2026-03-10, extended support in part until 2026-09-30",
			),
		},
		"a distribution's build after the end is unknown": {
			set("containerd://1.6.20~ds1"),
			finding(
				api.VerdictUnknown, "", fact.Unsupported, "its containerd 1.6 gets no more fixes from its project (2025-08-23), and its version is a distribution's, which may add its own",
				field, "containerd://1.6.20~ds1", containerd, "1.6: end of life 2025-08-23",
			),
		},
		"a distribution's build before it passes": {
			set("containerd://2.3.1-0ubuntu1"), finding(api.Pass, "", "", "its containerd 2.3 gets fixes from its project", field, "containerd://2.3.1-0ubuntu1", containerd, "2.3: end of life 2028-04-30"),
		},
		"a pre-release is the project's": {
			set("containerd://2.1.0-rc.1"), finding(api.Fail, "", "", "its containerd 2.1 gets no more fixes from its project (2026-07-03)", field, "containerd://2.1.0-rc.1", containerd, "2.1: end of life 2026-07-03"),
		},
		"CRI-O ends with Kubernetes": {
			set("cri-o://1.34.0"), finding(api.Fail, "", "", "its CRI-O 1.34 gets no more fixes from its project (2026-10-27)", field, "cri-o://1.34.0", kubernetes, "1.34: end of life 2026-10-27"),
		},
		"CRI-O of a supported minor passes": {
			set("cri-o://1.37.4"), finding(api.Pass, "", "", "its CRI-O 1.37 gets fixes from its project", field, "cri-o://1.37.4", kubernetes, "1.37: end of life 2027-10-28"),
		},
		"OpenShift's CRI-O is Red Hat's": {
			set("cri-o://1.28.4-3.rhaos4.15.git1.el9"),
			finding(
				api.VerdictUnknown, "", fact.Unsupported, "its CRI-O 1.28 gets no more fixes from its project (2024-10-22), and its version is a distribution's, which may add its own",
				field, "cri-o://1.28.4-3.rhaos4.15.git1.el9", kubernetes, "1.28: end of life 2024-10-22",
			),
		},
		"a version that the table does not have is unknown": {
			set("containerd://2.9.0"), finding(api.VerdictUnknown, "", fact.Unsupported, "the end of life of containerd 2.9 is unknown", field, "containerd://2.9.0", containerd, "2.9 is not listed"),
		},
		"data of more than a year ago are unknown": {
			ft.Edit(set("containerd://2.3.7"), func(s *fact.Set) { s.CollectedAt = fact.NewTime(time.Date(2027, 10, 20, 0, 0, 0, 0, time.UTC)) }),
			finding(api.VerdictUnknown, "", fact.Unsupported, "the table of end-of-life dates is more than a year old", field, "containerd://2.3.7", containerd, "2.3: end of life 2028-04-30"),
		},
		"facts without a time are unknown": {
			ft.Edit(set("containerd://2.3.7"), func(s *fact.Set) { s.CollectedAt = fact.Time{} }),
			finding(
				api.VerdictUnknown, "", fact.NotPresent, "the end of life cannot be judged because the facts do not say when they were collected",
				field, "containerd://2.3.7", containerd, "2.3: end of life 2028-04-30",
			),
		},
		"docker has no dates": {
			set("docker://27.3.1"), finding(api.VerdictUnknown, "", fact.Unsupported, "Docker Engine publishes no end-of-life dates, so it is unknown whether this version still gets fixes", field, "docker://27.3.1"),
		},
		"another runtime is unknown": {
			set("rkt://1.30.0"), finding(api.VerdictUnknown, "", fact.Unsupported, "the end of life of its container runtime is unknown", field, "rkt://1.30.0"),
		},
		"not a version":               {set("containerd://main"), finding(api.VerdictUnknown, "", fact.Unsupported, "its container runtime's version cannot be parsed", field, "containerd://main")},
		"Unknown, as containerd says": {set("containerd://Unknown"), finding(api.VerdictUnknown, "", fact.Unsupported, "its container runtime's version cannot be parsed", field, "containerd://Unknown")},
		"not reported":                {set(""), finding(api.VerdictUnknown, "", fact.NotPresent, "its container runtime is not reported", field, "not set")},
		"a machine that no API lists": {&fact.Set{Nodes: []fact.Node{{Name: ft.Node}}}, nil},
	})
}
