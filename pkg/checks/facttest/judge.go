package facttest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// Case is a row of a check's test: a set, and the whole findings it gives.
type Case struct {
	Set  *fact.Set
	Want []api.Finding
}

// Judge compares what a check's Judge returns for each case. A package names
// its own type of Case, so that rows need no field names.
func Judge[C ~struct {
	Set  *fact.Set
	Want []api.Finding
}](t *testing.T, judge func(*fact.Set) []api.Finding, cases map[string]C,
) {
	t.Helper()
	for name, row := range cases {
		t.Run(name, func(t *testing.T) {
			t.Helper()
			tc := Case(row)
			got := judge(tc.Set)
			if len(got) == 0 {
				got = nil // a list that was made for findings, without any
			}
			if diff := cmp.Diff(tc.Want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

// One is a list of one finding.
func One(f api.Finding) []api.Finding { return []api.Finding{f} }

// Evidence makes a list from pairs of source and value, of the check's basis.
func Evidence(pairs ...string) []api.Evidence {
	var out []api.Evidence
	for i := 0; i+1 < len(pairs); i += 2 {
		out = append(out, api.Evidence{Source: pairs[i], Value: pairs[i+1]})
	}
	return out
}

// Claimed marks the evidence in a list as declared, from index i on.
func Claimed(i int, evidence []api.Evidence) []api.Evidence {
	for ; i < len(evidence); i++ {
		evidence[i].Basis = api.Declared
	}
	return evidence
}

// NotSeen is the finding for a container that is declared running while its
// node showed no process of it.
func NotSeen() api.Finding {
	return api.Finding{
		Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Basis: api.Measured, Subject: Subject(),
		Message:  "the API reports it as running, but none of its processes was found on its node (a sandboxed runtime, or it ended meanwhile)",
		Evidence: Evidence("node/n1 /proc/*/cgroup", "no process of this container"),
	}
}

// Edit changes a set and returns it.
func Edit(set *fact.Set, edits ...func(*fact.Set)) *fact.Set {
	for _, edit := range edits {
		edit(set)
	}
	return set
}

// NoContainers is an edit after which nothing runs on the node.
func NoContainers(set *fact.Set) { set.Nodes[0].Measured.Containers = nil }
