package privileged

import (
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// MountPropagation fails a container whose mounts appear on the node. HostToContainer, by
// which the node's later mounts appear in the container, is said by privileged/host-path and
// builds/runtime-socket where it is about the node's files.
var MountPropagation = checks.Check{
	ID:       "privileged/mount-propagation",
	Title:    "No container's mounts appear on its node",
	Severity: api.Medium,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Linux:    true,
	Evidence: 64, // a patch needs each field
	Why: "With mountPropagation Bidirectional a mount that the container makes appears on the node and in every container that has the directory. It can lay " +
		"its own files over those of others, and what it does not unmount stays. The API allows it only to privileged containers.",
	Remediation: "Remove mountPropagation. A CSI driver needs it for the kubelet's directory only.",
	References: []string{
		"https://kubernetes.io/docs/concepts/storage/volumes/#mount-propagation",
		"man:mount_namespaces(7)",
	},
	Judge: mountPropagationRule.judgeAll,
}

var mountPropagationRule = fieldRule{
	passes: "its mounts do not appear on the node", linux: true, fields: "containers[*].volumeMounts[*].mountPropagation", value: "not Bidirectional",
	judge: ofContainers(func(d checks.Declared) []api.Finding {
		var f api.Finding
		eachMount(d, false, func(m *fact.VolumeMount, field string) {
			if m.Propagation == "Bidirectional" {
				f.Evidence = append(f.Evidence, api.Evidence{Source: d.Field(field + "mountPropagation"), Value: "Bidirectional, at " + m.Path})
			}
		})
		if len(f.Evidence) == 0 {
			return nil
		}
		f.Verdict, f.Severity, f.Subject, f.Message = api.Fail, api.Medium, d.Subject(), "what it mounts appears on the node"
		return []api.Finding{f}
	}),
}
