package cli

import "github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"

// apiKinds are the facts that only the API can give.
var apiKinds = []fact.Kind{fact.Pods, fact.Nodes, fact.Secrets}

// localGaps says that without a cluster nothing is declared. The names of
// Secrets are no loss: stored bytes carry their own.
func localGaps(kinds []fact.Kind) []fact.Gap {
	return notRequested(subtract(intersect(kinds, apiKinds), []fact.Kind{fact.Secrets}),
		"no cluster was asked", "run without --local to read what is declared")
}
