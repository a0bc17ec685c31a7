package privileged

import (
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/hostpath"
)

// BlockDevices fails a container that gets a volume as a raw block device (volumeDevices).
var BlockDevices = checks.Check{
	ID:       "privileged/block-devices",
	Title:    "No container gets a raw block device",
	Severity: api.High,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Evidence: 64, // a patch needs each field
	Why: "A raw block device is written past any file system: its permissions, quotas and read-only mounts do not count. A local volume can be a disk of " +
		"the node, and a file system that was written by hand attacks the kernel that mounts it next.",
	Remediation: "Use a volume with a file system (volumeMode Filesystem, volumeMounts), unless a database or a storage system needs the device.",
	References: []string{
		"https://kubernetes.io/docs/concepts/storage/persistent-volumes/#raw-block-volume-support",
	},
	Judge: blockDevicesRule.judgeAll,
}

var blockDevicesRule = fieldRule{
	passes: "gets no raw block device", always: true, fields: "containers[*].volumeDevices", value: "none",
	judge: ofContainers(func(d checks.Declared) []api.Finding {
		var findings []api.Finding
		eachMount(d, true, func(m *fact.VolumeMount, field string) {
			f := fieldFails(d, api.High, "gets a raw block device", field+"devicePath", m.Path)
			only := fact.Container{Mounts: []fact.VolumeMount{*m}}
			for _, of := range hostpath.Of(d.Workload, &only) {
				f.Message = "gets a raw block device of the node, " + of.Path
				f.Evidence = append(f.Evidence, api.Evidence{Source: of.Field(d.Workload), Value: of.Value()})
			}
			findings = append(findings, f)
		})
		return findings
	}),
}
