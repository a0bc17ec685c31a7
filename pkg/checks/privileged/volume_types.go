package privileged

import (
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/podsecurity"
)

// VolumeTypes notes volumes of types that the restricted Pod Security Standard refuses.
// hostPath is privileged/host-path.
var VolumeTypes = checks.Check{
	ID:       "privileged/volume-types",
	Title:    "No pod has volumes of types that Pod Security refuses",
	Severity: api.Medium,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Evidence: 64, // a patch needs each field
	Why: "Old volume types let a pod's author choose a server, a path and credentials that the node then mounts as root, past any PersistentVolume. gitRepo runs git " +
		"as root on the node: a repository could run its own programs there (CVE-2024-10220).",
	Remediation: "Use a PersistentVolumeClaim with a CSI driver. In place of gitRepo, clone in an init container into an emptyDir.",
	References: []string{
		"https://kubernetes.io/docs/concepts/security/pod-security-standards/",
		"https://kubernetes.io/docs/concepts/storage/volumes/",
		"https://nvd.nist.gov/vuln/detail/CVE-2024-10220",
	},
	Judge: volumeTypesRule.judgeAll,
}

// plainTypes are the types that the restricted standard allows, as of 1.37, and hostPath.
var plainTypes = []string{
	"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret",
	"hostPath",
}

var volumeTypesRule = fieldRule{
	passes: "has only volumes of types that Pod Security allows", always: true, fields: "volumes[*]", value: "none of another type",
	judge: func(w *fact.Workload) []api.Finding {
		var findings []api.Finding
		for i := range w.Spec.Volumes {
			v := &w.Spec.Volumes[i]
			switch {
			case slices.Contains(plainTypes, v.Source):
			case v.Source == fact.VolumeUnlisted:
				findings = append(findings, api.Finding{
					Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: checks.WorkloadSubject(w),
					Message:  "a volume is mounted and not listed: its type is unknown",
					Evidence: []api.Evidence{{Source: checks.PodField(w, strings.TrimPrefix(v.Field, "spec.")), Value: podsecurity.NotSet}},
				})
			case v.Source == "gitRepo":
				findings = append(findings, podFails(w, api.Medium, "a gitRepo volume runs git as root on the node (CVE-2024-10220)", below(v), v.Name))
			default:
				findings = append(findings, podFails(w, api.Low, "a volume is of the type "+v.Source+", which Pod Security refuses", below(v), v.Name))
			}
		}
		return findings
	},
}
