package hosts

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/version"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/endoflife"
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

// How many minor versions a kubelet may be older than the API server; before 1.25 it
// was two (version skew policy).
const maxSkew, maxSkewBefore25 = 3, 2

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
	notes := cgroupNote(node)
	kubeletEvidence := api.Evidence{Source: "node/" + node.Name + " status.nodeInfo.kubeletVersion", Value: orNotSet(node.KubeletVersion)}
	// With several API servers it is the one that answered. Others may differ during an
	// upgrade.
	serverEvidence := api.Evidence{Source: "/version gitVersion of the API server that answered", Value: orNotSet(v.Cluster.Version)}
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
			Evidence: slices.Concat([]api.Evidence{kubeletEvidence}, evidence, notes),
		})
	}

	skew := maxSkew
	if kubelet < 25 {
		skew = maxSkewBefore25
	}
	serverMajor, server, serverKnown := minorOf(v.Cluster.Version)
	serverKnown = serverKnown && serverMajor == 1
	switch {
	case !serverKnown:
		add(api.VerdictUnknown, fact.NotPresent, "the version skew is unknown because the API server's version is unknown", serverEvidence)
	case kubelet > server:
		add(api.Fail, "", fmt.Sprintf("its kubelet 1.%d is newer than the API server 1.%d", kubelet, server), serverEvidence)
	case server-kubelet > skew:
		add(api.Fail, "", fmt.Sprintf("its kubelet 1.%d is more than %d minor versions older than the API server 1.%d", kubelet, skew, server), serverEvidence)
	}

	support := supportOf(&endoflife.Kubernetes, major, kubelet, v.CollectedAt)
	switch name := fmt.Sprintf("1.%d", kubelet); {
	case support.phase == endoflife.Ended && ofProvider(node) && v.CollectedAt.Before(support.minor.Standard.Add(providerSupport)):
		add(api.VerdictUnknown, fact.NotPresent,
			fmt.Sprintf("its kubelet %s is past its end of life%s, and it is the build of a provider, which may add fixes of its own", name, support.when), support.evidence)
	case support.phase == endoflife.Ended:
		add(api.Fail, "", fmt.Sprintf("its kubelet %s is past its end of life%s", name, support.when), support.evidence)
	case support.phase == endoflife.Unknown:
		add(api.VerdictUnknown, support.reason, support.why("Kubernetes "+name), support.evidence)
	default:
		if len(findings) == 0 {
			add(api.Pass, "", fmt.Sprintf("its kubelet %s is supported and fits the API server", name), serverEvidence, support.evidence)
		}
	}
	return findings
}

// providerSupport is the longest time after Kubernetes' own end of life for which a
// provider gives extended support: a year (EKS extended support; GKE's extended channel
// and AKS's LTS are shorter counted from there), and a month for its later start.
const providerSupport = 400 * 24 * time.Hour

// ofProvider reports whether a node's kubelet is a provider's build: EKS and GKE say so in
// its version, AKS by a label that each of its nodes has.
func ofProvider(node *fact.Node) bool {
	_, aks := node.Labels["kubernetes.azure.com/cluster"]
	return aks || strings.Contains(node.KubeletVersion, "-eks-") || strings.Contains(node.KubeletVersion, "-gke.")
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
