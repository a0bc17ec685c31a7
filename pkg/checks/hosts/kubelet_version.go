package hosts

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/version"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// KubeletVersion fails a node whose kubelet is past its end of life, newer than
// the API server, or too many minor versions older. Source: the Node object,
// which the kubelet itself writes, and the API server's version.
var KubeletVersion = checks.Check{
	ID:       "hosts/kubelet-version",
	Title:    "The kubelet's version is supported and fits the API server's",
	Severity: api.High,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.Nodes},
	Scope:    checks.ScopeNode,
	Why: "A kubelet past its end of life gets no security fixes, and it is root on the node. A kubelet outside the supported version skew can ignore " +
		"security fields of a pod that it does not know.",
	Remediation: "Upgrade the node's kubelet to a supported version that is not newer than the API server's, one minor version at a time.",
	References: []string{
		"https://kubernetes.io/releases/version-skew-policy/",
		"https://kubernetes.io/releases/patch-releases/",
	},
	Judge: judgeKubeletVersion,
}

// endOfLife holds the date on which Kubernetes 1.N gets its last patches.
// Source: https://kubernetes.io/releases/ and its data/releases/eol.yaml. Dates
// in the future are the announced ones.
var endOfLife = map[int]string{
	19: "2021-10-28",
	20: "2022-02-28",
	21: "2022-06-28",
	22: "2022-12-08",
	23: "2023-02-28",
	24: "2023-07-28",
	25: "2023-10-28",
	26: "2024-02-28",
	27: "2024-07-16",
	28: "2024-10-22",
	29: "2025-02-28",
	30: "2025-07-15",
	31: "2025-11-11",
	32: "2026-02-28",
	33: "2026-06-28",
	34: "2026-10-27",
	35: "2027-02-28",
	36: "2027-06-28",
	37: "2027-10-28",
}

const (
	// endOfLifeRead is the date of the source that the table was compared with.
	endOfLifeRead = "2026-09-15"
	// endOfLifeFirst is the first minor version of the table. All older
	// versions are past their end of life.
	endOfLifeFirst = 19
	// tableTooOld is the age at which the table no longer shows what is
	// supported.
	tableTooOld = 366 * 24 * time.Hour
	// maxSkew is how many minor versions a kubelet may be older than the API
	// server; before Kubernetes 1.28 it was two.
	maxSkew, maxSkewBefore28 = 3, 2
)

func judgeKubeletVersion(v *checks.View) []api.Finding {
	var findings []api.Finding
	for i := range v.Nodes {
		if v.Nodes[i].Listed {
			findings = append(findings, judgeKubelet(v, &v.Nodes[i])...)
		}
	}
	return findings
}

func judgeKubelet(v *checks.View, node *fact.Node) []api.Finding {
	subject := fact.Subject{Kind: fact.SubjectNode, Name: node.Name}
	kubeletEvidence := api.Evidence{Source: "node/" + node.Name + " status.nodeInfo.kubeletVersion", Value: orNotSet(node.KubeletVersion)}
	serverEvidence := api.Evidence{Source: "/version gitVersion", Value: orNotSet(v.Cluster.Version)}
	major, kubelet, ok := minorOf(node.KubeletVersion)
	if !ok || major != 1 {
		return []api.Finding{{
			Verdict: api.VerdictUnknown, Reason: fact.Unsupported, Subject: subject,
			Message: "its kubelet's version cannot be parsed", Evidence: []api.Evidence{kubeletEvidence},
		}}
	}
	var findings []api.Finding
	add := func(verdict api.Verdict, reason fact.Reason, message string, evidence ...api.Evidence) {
		findings = append(findings, api.Finding{
			Verdict: verdict, Reason: reason, Subject: subject, Message: message,
			Evidence: append([]api.Evidence{kubeletEvidence}, evidence...),
		})
	}

	skew := maxSkew
	_, server, serverKnown := minorOf(v.Cluster.Version)
	if serverKnown && server < 28 {
		skew = maxSkewBefore28
	}
	switch {
	case !serverKnown:
		add(api.VerdictUnknown, fact.NotPresent, "the version skew is unknown because the API server's version is unknown", serverEvidence)
	case kubelet > server:
		add(api.Fail, "", fmt.Sprintf("its kubelet 1.%d is newer than the API server 1.%d", kubelet, server), serverEvidence)
	case server-kubelet > skew:
		add(api.Fail, "", fmt.Sprintf("its kubelet 1.%d is more than %d minor versions older than the API server 1.%d", kubelet, skew, server), serverEvidence)
	}

	date, listed := endOfLife[kubelet]
	table := api.Evidence{Source: "https://kubernetes.io/releases/ as of " + endOfLifeRead, Value: fmt.Sprintf("1.%d: end of life %s", kubelet, date)}
	end, err := time.Parse(time.DateOnly, date)
	read, readErr := time.Parse(time.DateOnly, endOfLifeRead)
	now := v.CollectedAt
	switch {
	case kubelet < endOfLifeFirst:
		table.Value = fmt.Sprintf("1.%d: long past its end of life", kubelet)
		add(api.Fail, "", fmt.Sprintf("its kubelet 1.%d is past its end of life", kubelet), table)
	case !listed || err != nil || readErr != nil:
		table.Value = fmt.Sprintf("1.%d is not listed", kubelet)
		add(api.VerdictUnknown, fact.Unsupported, fmt.Sprintf("the end of life of Kubernetes 1.%d is unknown", kubelet), table)
	case now.IsZero():
		add(api.VerdictUnknown, fact.NotPresent, "the end of life cannot be judged because the facts do not say when they were collected", table)
	case now.After(end.Add(24 * time.Hour)):
		add(api.Fail, "", fmt.Sprintf("its kubelet 1.%d is past its end of life (%s)", kubelet, date), table)
	case now.Sub(read) > tableTooOld:
		add(api.VerdictUnknown, fact.Unsupported, "the table of end-of-life dates is more than a year old", table)
	case len(findings) == 0:
		add(api.Pass, "", fmt.Sprintf("its kubelet 1.%d is supported and fits the API server", kubelet), serverEvidence, table)
	}
	return findings
}

func orNotSet(version string) string {
	if version == "" {
		return "not set"
	}
	return version
}

// minorOf reads "v1.37.2", "v1.29.1-eks-61c0bbb", "v1.28.3+k3s1" and, since a
// provider may write it so, "v1.29+".
func minorOf(text string) (major, minor int, ok bool) {
	const most = 1000 // anything larger is not a version
	v, err := version.ParseGeneric(text)
	if err != nil || v.Major() > most || v.Minor() > most {
		return 0, 0, false
	}
	return int(v.Major()), int(v.Minor()), true
}
