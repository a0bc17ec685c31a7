package hosts

import (
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestKubeletVersion(t *testing.T) {
	const (
		field  = "node/n1 status.nodeInfo.kubeletVersion"
		server = "/version gitVersion of the API server that answered"
		table  = "https://kubernetes.io/releases/ as of 2026-09-15"
	)
	set := func(kubelet, server string) *fact.Set {
		return &fact.Set{
			CollectedAt: ft.Time, Cluster: fact.Cluster{Version: server},
			Nodes: []fact.Node{{Name: ft.Node, Listed: true, KubeletVersion: kubelet}},
		}
	}
	at := func(s *fact.Set, day string) *fact.Set {
		parsed, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		s.CollectedAt = fact.NewTime(parsed.Add(12 * time.Hour))
		return s
	}
	finding := func(verdict api.Verdict, reason fact.Reason, message string, evidence ...string) api.Finding {
		return api.Finding{Verdict: verdict, Reason: reason, Subject: ft.NodeSubject(), Message: message, Evidence: ft.Evidence(evidence...)}
	}
	ft.Judge(t, checks.OfSet(judgeKubeletVersion), map[string]row{
		"supported and as the API server passes": {
			set("v1.37.2", "v1.37.2"),
			ft.One(finding(api.Pass, "", "its kubelet 1.37 is supported and fits the API server", field, "v1.37.2", server, "v1.37.2", table, "1.37: end of life 2027-10-28")),
		},
		"a provider's suffixes do not matter": {
			set("v1.36.1+k3s1", "v1.37.1-eks-61c0bbb"),
			ft.One(finding(api.Pass, "", "its kubelet 1.36 is supported and fits the API server",
				field, "v1.36.1+k3s1", server, "v1.37.1-eks-61c0bbb", table, "1.36: end of life 2027-06-28")),
		},
		"newer than the API server fails": {
			set("v1.37.0", "v1.36.4"),
			ft.One(finding(api.Fail, "", "its kubelet 1.37 is newer than the API server 1.36", field, "v1.37.0", server, "v1.36.4")),
		},
		"three minor versions older is within the skew": {
			at(set("v1.34.0", "v1.37.0"), "2026-10-27"),
			ft.One(finding(api.Pass, "", "its kubelet 1.34 is supported and fits the API server", field, "v1.34.0", server, "v1.37.0", table, "1.34: end of life 2026-10-27")),
		},
		"past its end of life fails": {
			set("v1.34.0", "v1.37.0"),
			ft.One(finding(api.Fail, "", "its kubelet 1.34 is past its end of life (2026-10-27)", field, "v1.34.0", table, "1.34: end of life 2026-10-27")),
		},
		"past it, as EKS builds it: its extended support is not known from the node": {
			set("v1.34.0-eks-61c0bbb", "v1.37.0"),
			ft.One(finding(api.VerdictUnknown, fact.NotPresent, "its kubelet 1.34 is past its end of life (2026-10-27), and it is the build of a provider, which may add fixes of its own",
				field, "v1.34.0-eks-61c0bbb", table, "1.34: end of life 2026-10-27")),
		},
		"past it on AKS, whose nodes have a label": {
			ft.Edit(set("v1.34.0", "v1.37.0"), func(s *fact.Set) { s.Nodes[0].Labels = map[string]string{"kubernetes.azure.com/cluster": "x"} }),
			ft.One(finding(api.VerdictUnknown, fact.NotPresent, "its kubelet 1.34 is past its end of life (2026-10-27), and it is the build of a provider, which may add fixes of its own",
				field, "v1.34.0", table, "1.34: end of life 2026-10-27")),
		},
		"past every extended support fails, too": {
			at(set("v1.34.0-gke.100", "v1.37.0"), "2027-12-02"),
			ft.One(finding(api.Fail, "", "its kubelet 1.34 is past its end of life (2026-10-27)", field, "v1.34.0-gke.100", table, "1.34: end of life 2026-10-27")),
		},
		"four minor versions older fails twice": {
			set("v1.33.0", "v1.37.0"),
			[]api.Finding{
				finding(api.Fail, "", "its kubelet 1.33 is more than 3 minor versions older than the API server 1.37", field, "v1.33.0", server, "v1.37.0"),
				finding(api.Fail, "", "its kubelet 1.33 is past its end of life (2026-06-28)", field, "v1.33.0", table, "1.33: end of life 2026-06-28"),
			},
		},
		"for a kubelet before 1.25 the skew was two": {
			at(set("v1.24.0", "v1.27.0"), "2023-06-01"),
			ft.One(finding(api.Fail, "", "its kubelet 1.24 is more than 2 minor versions older than the API server 1.27", field, "v1.24.0", server, "v1.27.0")),
		},
		"from 1.25 on it is three": {
			at(set("v1.25.0", "v1.28.0"), "2023-09-01"),
			ft.One(finding(api.Pass, "", "its kubelet 1.25 is supported and fits the API server", field, "v1.25.0", server, "v1.28.0", table, "1.25: end of life 2023-10-28")),
		},
		"four are too many, and before 1.25 three": {
			at(set("v1.24.0", "v1.28.0"), "2023-06-01"),
			ft.One(finding(api.Fail, "", "its kubelet 1.24 is more than 2 minor versions older than the API server 1.28", field, "v1.24.0", server, "v1.28.0")),
		},
		"two are within it": {
			at(set("v1.25.0", "v1.27.0"), "2023-06-01"),
			ft.One(finding(api.Pass, "", "its kubelet 1.25 is supported and fits the API server", field, "v1.25.0", server, "v1.27.0", table, "1.25: end of life 2023-10-28")),
		},
		"older than the table is past its end of life": {
			at(set("v1.12.0", "v1.14.0"), "2026-01-01"),
			ft.One(finding(api.Fail, "", "its kubelet 1.12 is past its end of life", field, "v1.12.0", table, "1.12: long past its end of life")),
		},
		"newer than the table is unknown": {
			set("v1.38.0", "v1.38.0"),
			ft.One(finding(api.VerdictUnknown, fact.Unsupported, "the end of life of Kubernetes 1.38 is unknown", field, "v1.38.0", table, "1.38 is not listed")),
		},
		"a table of more than a year ago is unknown": {
			at(set("v1.37.0", "v1.37.0"), "2027-09-20"),
			ft.One(finding(api.VerdictUnknown, fact.Unsupported, "the table of end-of-life dates is more than a year old", field, "v1.37.0", table, "1.37: end of life 2027-10-28")),
		},
		"what an old table calls past its end stays past": {
			at(set("v1.30.0", "v1.30.0"), "2030-01-01"),
			ft.One(finding(api.Fail, "", "its kubelet 1.30 is past its end of life (2025-07-15)", field, "v1.30.0", table, "1.30: end of life 2025-07-15")),
		},
		"an unknown API server's version is unknown": {
			set("v1.37.0", ""),
			ft.One(finding(api.VerdictUnknown, fact.NotPresent, "the version skew is unknown because the API server's version is unknown", field, "v1.37.0", server, "not set")),
		},
		"facts without a time are unknown": {
			ft.Edit(set("v1.37.0", "v1.37.0"), func(s *fact.Set) { s.CollectedAt = fact.Time{} }),
			ft.One(finding(api.VerdictUnknown, fact.NotPresent, "the end of life cannot be judged because the facts do not say when they were collected",
				field, "v1.37.0", table, "1.37: end of life 2027-10-28")),
		},
		"no version is unknown": {
			set("", "v1.37.0"), ft.One(finding(api.VerdictUnknown, fact.Unsupported, "its kubelet's version cannot be parsed", field, "not set")),
		},
		"a version that is none is unknown": {
			set("one.two", "v1.37.0"), ft.One(finding(api.VerdictUnknown, fact.Unsupported, "its kubelet's version cannot be parsed", field, "one.two")),
		},
		"a version without a minor one is unknown": {
			set("v1", "v1.37.0"), ft.One(finding(api.VerdictUnknown, fact.Unsupported, "its kubelet's version cannot be parsed", field, "v1")),
		},
		"a number that no version has is unknown": {
			set("v1.18446744073709551615.0", "v1.37.0"),
			ft.One(finding(api.VerdictUnknown, fact.Unsupported, "its kubelet's version cannot be parsed", field, "v1.18446744073709551615.0")),
		},
		"a minor version with a plus is read": {
			set("v1.37+", "v1.37.0"),
			ft.One(finding(api.Pass, "", "its kubelet 1.37 is supported and fits the API server", field, "v1.37+", server, "v1.37.0", table, "1.37: end of life 2027-10-28")),
		},
		"a machine that no API lists has no kubelet to judge": {
			&fact.Set{Nodes: []fact.Node{{Name: ft.Node}}}, nil,
		},
	})
}
