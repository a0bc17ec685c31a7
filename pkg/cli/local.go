package cli

import "github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"

// localGaps says that without a cluster nothing is declared, and that no list
// of Secrets shows whether what is stored here is all of it.
func localGaps(kinds []fact.Kind) []fact.Gap {
	return notRequested(fact.Intersect(kinds, fact.KindsOf(fact.OfCluster)),
		"no cluster was asked", "run without --local to read what is declared")
}
