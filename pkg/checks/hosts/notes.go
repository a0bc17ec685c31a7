package hosts

import (
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// Notes are evidence that decides nothing: what explains a verdict, or is good to know
// with it.

// automaticUpdates says whether the node installs updates by itself. Nothing is said
// where that was not read.
func automaticUpdates(node *fact.Node) []api.Evidence {
	automatic := node.Measured.Host.AutomaticUpdates
	if automatic == nil {
		return nil
	}
	e := api.Evidence{Source: checks.NodeSource(node, "automatic updates"), Value: "not found (unattended-upgrades, dnf-automatic, transactional-update, update-engine)", Basis: api.Measured}
	if automatic.Tool != "" {
		e.Source, e.Value = checks.NodeSource(node, "%s", automatic.Source), "automatic updates: "+automatic.Tool+", not enabled"
		if automatic.Enabled {
			e.Value = "automatic updates: " + automatic.Tool
		}
	}
	return []api.Evidence{e}
}

// cgroupNote says that a node has cgroups of version 1, which get no new features
// since Kubernetes 1.31; from 1.35 on, the kubelet does not start there unless it is
// configured to (KEP-5573).
func cgroupNote(node *fact.Node) []api.Evidence {
	if node.Measured == nil || node.Measured.Host.CgroupVersion != 1 {
		return nil
	}
	return []api.Evidence{{
		Source: checks.NodeSource(node, "/sys/fs/cgroup"), Basis: api.Measured,
		Value: "cgroups of version 1: in maintenance since Kubernetes 1.31, refused by default from 1.35 on",
	}}
}
