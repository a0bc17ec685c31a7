package cli

import (
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/catalogue"
)

// checksOf returns the checks of the catalogue that a command runs.
func checksOf(command string, spec api.ReportSpec) []checks.Check {
	switch command {
	case "pods":
		scope := &spec.Scope
		return podChecks(scope.ProbeLevel != "", len(scope.Names) > 0 || scope.Selector != "" || scope.FieldSelector != "")
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

// podChecks returns the checks of pods and workloads: the declared ones, and with
// measure also those that need a node, or that the API server is asked to create something
// for in a dry run. A run that is narrowed to some pods reads no
// ConfigMaps: neither names nor selectors of pods say which belong to them.
func podChecks(measure, narrowed bool) []checks.Check {
	return filter(func(c checks.Check) bool {
		if narrowed && c.NeedsKind(fact.ConfigMaps) {
			return false
		}
		return c.Scope == checks.ScopeWorkload && (measure || len(fact.Intersect(c.Needs, fact.NodeKinds())) == 0 && !c.NeedsKind(fact.Enforcing))
	})
}

// nodeChecks returns the checks that are about a node or are measured on it,
// except those of storage. The secrets command runs those.
func nodeChecks() []checks.Check {
	return filter(func(c checks.Check) bool {
		measured := len(fact.Intersect(c.Needs, fact.NodeKinds()))+len(fact.Intersect(c.Uses, fact.NodeKinds())) > 0
		return c.Scope == checks.ScopeNode || c.Scope == checks.ScopeWorkload && measured
	})
}

func secretChecks() []checks.Check {
	return filter(func(c checks.Check) bool { return c.Question() == api.Secrets })
}
