package cli

import "github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"

// apiKinds are the facts that only the API can give.
var apiKinds = []fact.Kind{fact.Pods, fact.Nodes, fact.Secrets}

// localGaps says that without a cluster nothing is declared, and that no list
// of Secrets shows whether what is stored here is all of it.
func localGaps(kinds []fact.Kind) []fact.Gap {
	return notRequested(intersect(kinds, apiKinds),
		"no cluster was asked", "run without --local to read what is declared")
}
