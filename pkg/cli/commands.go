package cli

import (
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/catalogue"
)

// checksOf is the part of the catalogue that a command judges by.
func checksOf(command string, spec api.ReportSpec) []checks.Check {
	switch command {
	case "pods":
		return podChecks(spec.Scope.ProbeLevel != "")
	case "nodes":
		return nodeChecks()
	case "secrets":
		return secretChecks()
	}
	return catalogue.All()
}

func filter(keep func(checks.Check) bool) []checks.Check {
	return slices.DeleteFunc(catalogue.All(), func(c checks.Check) bool { return !keep(c) })
}

// podChecks are those of pods and workloads: the declared ones, and with
// measure those that need a node as well.
func podChecks(measure bool) []checks.Check {
	return filter(func(c checks.Check) bool {
		return c.Scope == checks.ScopeWorkload && (measure || len(fact.Intersect(c.Needs, fact.NodeKinds())) == 0)
	})
}

// nodeChecks are those that are about a node or are measured on it, but for
// storage, which the secrets command answers.
func nodeChecks() []checks.Check {
	return filter(func(c checks.Check) bool {
		measured := len(fact.Intersect(c.Needs, fact.NodeKinds()))+len(fact.Intersect(c.Uses, fact.NodeKinds())) > 0
		return c.Scope == checks.ScopeNode || c.Scope == checks.ScopeWorkload && measured
	})
}

func secretChecks() []checks.Check {
	return filter(func(c checks.Check) bool { return c.Question() == api.Secrets })
}
