package hosts

import (
	"fmt"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/endoflife"
)

// RuntimeVersion fails a node whose container runtime is of a minor version that
// gets no fixes from its project any more. Source: the Node object, which the kubelet
// writes, against dated data in this program (package endoflife).
var RuntimeVersion = checks.Check{
	ID:       "hosts/runtime-version",
	Title:    "The container runtime's version is supported",
	Severity: api.High,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.Nodes},
	Scope:    checks.ScopeNode,
	Why: "The container runtime is root on the node and reads images of strangers. Past its end of life it gets no security fixes from its project. " +
		"A distribution may add fixes of its own: where the version says that it is a distribution's build, it is unknown and not a fail.",
	Remediation: "Upgrade the container runtime to a supported minor version, or replace the node by one of a newer image.",
	References: []string{
		"https://containerd.io/releases/",
		"https://github.com/cri-o/cri-o#compatibility-matrix-cri-o--kubernetes",
		"https://kubernetes.io/docs/setup/production-environment/container-runtimes/",
	},
	Judge: judgeRuntimeVersion,
}

func judgeRuntimeVersion(v *checks.View) []api.Finding {
	var findings []api.Finding
	for i := range v.Nodes {
		if v.Nodes[i].Listed {
			findings = append(findings, judgeRuntime(v, &v.Nodes[i]))
		}
	}
	return findings
}

func judgeRuntime(v *checks.View, node *fact.Node) api.Finding {
	f := api.Finding{Verdict: api.VerdictUnknown, Reason: fact.Unsupported, Subject: fact.Subject{Kind: fact.SubjectNode, Name: node.Name}}
	f.Evidence = []api.Evidence{{
		Source: "node/" + node.Name + " status.nodeInfo.containerRuntimeVersion", Value: orNotSet(node.ContainerRuntime),
	}}
	scheme, version, _ := strings.Cut(node.ContainerRuntime, "://")
	var table *endoflife.Minors
	var name string
	switch scheme {
	case "containerd":
		table, name = &endoflife.Containerd, "containerd"
	case "cri-o":
		table, name = &endoflife.Kubernetes, "CRI-O"
	case "docker":
		f.Message = "Docker Engine publishes no end-of-life dates, so it is unknown whether this version still gets fixes"
		return f
	case "":
		f.Reason, f.Message = fact.NotPresent, "its container runtime is not reported"
		return f
	default:
		f.Message = "the end of life of its container runtime is unknown"
		return f
	}
	major, minor, ok := minorOf(version)
	if !ok {
		f.Message = "its container runtime's version cannot be parsed"
		return f
	}
	name = fmt.Sprintf("%s %d.%d", name, major, minor)
	s := supportOf(table, major, minor, v.CollectedAt)
	f.Evidence = append(f.Evidence, s.evidence)
	if s.phase == endoflife.ExtendedOnly && strings.Contains(node.KubeletVersion, "-gke.") {
		s.phase = endoflife.Supported // the extension is for such nodes
	}
	switch {
	case s.phase == endoflife.Supported:
		f.Verdict, f.Reason, f.Message = api.Pass, "", "its "+name+" gets fixes from its project"
	case s.phase == endoflife.Unknown:
		f.Reason, f.Message = s.reason, s.why(name)
	case scheme == "containerd" && !strings.Contains(version, "-k3s") && maintainsContainerd(node.OSImage):
		f.Message = fmt.Sprintf("its %s gets no more fixes from its project%s, and %s may have built it and add its own", name, s.when, systemOf(node.OSImage))
	case ofDistribution(version):
		f.Message = fmt.Sprintf("its %s gets no more fixes from its project%s, and its version is a distribution's, which may add its own", name, s.when)
	case s.phase == endoflife.ExtendedOnly:
		f.Verdict, f.Reason, f.Severity = api.Fail, "", api.Medium
		f.Message = fmt.Sprintf("its %s gets only fixes that Google Kubernetes Engine needs, since %s", name, s.minor.Standard.Format(time.DateOnly))
	default:
		f.Verdict, f.Reason = api.Fail, ""
		f.Message = fmt.Sprintf("its %s gets no more fixes from its project%s", name, s.when)
	}
	return f
}

// maintainsContainerd reports whether an operating system has a package of containerd
// that says only the project's version of itself.
func maintainsContainerd(osImage string) bool {
	for _, name := range []string{"Ubuntu", "Amazon Linux", "SUSE", "SLES", "openSUSE", "Azure Linux", "CBL-Mariner"} {
		if strings.HasPrefix(osImage, name) {
			return true
		}
	}
	return false
}

// ofDistribution reports whether a version says that a distribution has built it:
// "1.6.20~ds1", "1.28.4-3.rhaos4.15.git1.el9". Pre-releases are the project's own,
// and builds of k3s and RKE2 follow it.
func ofDistribution(version string) bool {
	suffix := strings.TrimLeft(version, "v0123456789.")
	if suffix == "" {
		return false
	}
	for _, own := range []string{"k3s", "rke2", "rc", "beta", "alpha"} {
		if strings.HasPrefix(suffix[1:], own) {
			return false
		}
	}
	return true
}
