package secrets

import (
	"fmt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// SecretVolumeSwap notes a node that can write Secret volumes to its swap. It is a
// note: the swap may be encrypted, and nothing shows what was swapped out. Source:
// /proc/swaps and the options of kubelet's tmpfs mounts.
var SecretVolumeSwap = checks.Check{
	ID:       "secrets/secret-volume-swap",
	Title:    "No node can swap out Secret volumes",
	Severity: api.Low,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Swap},
	Scope:    checks.ScopeNode,
	Why: "The kubelet keeps Secret volumes in memory so that they never reach a disk. With swap they can, unless their tmpfs is mounted with " +
		"noswap, as the kubelet does where the kernel has it (6.3 and later).",
	Remediation: "Turn swap off (swapoff -a, and remove it from /etc/fstab), encrypt it with a random key (crypttab: swap), or run a kernel of " +
		"at least 6.3 and restart the pods.",
	References: []string{
		"https://kubernetes.io/docs/concepts/cluster-administration/swap-memory-management/",
	},
	Judge: judgeSecretVolumeSwap,
}

func judgeSecretVolumeSwap(v *checks.View) []api.Finding {
	var findings []api.Finding
	for i := range v.Nodes {
		node := &v.Nodes[i]
		if !node.Measured.HasRead(fact.Swap) {
			continue
		}
		f := api.Finding{Verdict: api.VerdictUnknown, Subject: fact.Subject{Kind: fact.SubjectNode, Name: node.Name}}
		s := node.Measured.Host.Swap
		if s == nil {
			f.Reason, f.Message = fact.NotPresent, "it was not read whether this node swaps"
			f.Evidence = []api.Evidence{{Source: checks.NodeSource(node, "/proc/swaps"), Value: "not in the facts"}}
			findings = append(findings, f)
			continue
		}
		f.Evidence = []api.Evidence{
			{Source: checks.NodeSource(node, "/proc/swaps"), Value: fmt.Sprintf("%s, %d bytes in use", checks.Count(s.Areas, "swap area"), s.Used)},
			{Source: checks.NodeSource(node, "mounts of kubelet's Secret volumes"), Value: fmt.Sprintf("%d of %d without noswap", s.Swappable, s.SecretVolumes)},
		}
		switch {
		case s.Areas > 0 && s.Swappable > 0:
			f.Verdict, f.Message = api.Fail, "this node swaps, and its Secret volumes can be swapped out"
		case hasGap(node, fact.Swap):
			continue
		case s.Areas > 0:
			f.Verdict, f.Message = api.Pass, "this node swaps, but no Secret volume can be swapped out"
		default:
			f.Verdict, f.Message = api.Pass, "this node has no swap on a disk"
		}
		findings = append(findings, f)
	}
	return findings
}
