package report

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

func TestRank(t *testing.T) {
	type f struct {
		name     string
		question api.Question
		severity api.Severity
		basis    api.Basis
		verdict  api.Verdict
		platform bool
		subjects int
	}
	const measured, declared = api.Measured, api.Declared
	// Each comes before all below it.
	order := []f{
		{"an attack that is under way", api.Drift, api.High, measured, api.Fail, false, 1},
		{"an attack on the platform", api.Drift, api.Critical, measured, api.Fail, true, 1},
		{"critical: Secrets in plaintext", api.Secrets, api.Critical, measured, api.Fail, false, 40},
		{"critical: builders", api.Builds, api.Critical, declared, api.Fail, false, 1},
		{"critical: privileged, measured", api.Privileged, api.Critical, measured, api.Fail, false, 1},
		{"critical: privileged, declared", api.Privileged, api.Critical, declared, api.Fail, false, 9},
		{"high: builders", api.Builds, api.High, declared, api.Fail, false, 1},
		{"high: hosts", api.Hosts, api.High, measured, api.Fail, false, 3},
		{"high: fewer hosts", api.Hosts, api.High, measured, api.Fail, false, 1},
		{"high: added code", api.Immutable, api.High, measured, api.Fail, false, 1},
		{"high: drift that is declared only", api.Drift, api.High, declared, api.Fail, false, 1},
		{"the platform's grave ones", api.Privileged, api.Critical, measured, api.Fail, true, 2},
		{"medium: builders", api.Builds, api.Medium, declared, api.Fail, false, 1},
		{"medium: drift, measured", api.Drift, api.Medium, measured, api.Fail, false, 28},
		{"low", api.Immutable, api.Low, declared, api.Fail, false, 80},
		{"the platform's medium ones", api.Immutable, api.Medium, measured, api.Fail, true, 1},
		{"unknown, however grave", api.Secrets, api.Critical, measured, api.VerdictUnknown, false, 1},
		{"accepted", api.Secrets, api.Critical, measured, api.Accepted, false, 1},
		{"passes", api.Secrets, api.Critical, measured, api.Pass, false, 1},
		{"a question that this version does not know", "novelty", api.Critical, measured, api.Pass, false, 1},
	}
	rankOfRow := func(x f) rank {
		return rankOf(&api.Finding{
			Question: x.question, Severity: x.severity, Basis: x.basis, Verdict: x.verdict, Subject: fact.Subject{Platform: x.platform},
		}, x.subjects)
	}
	for i := range order {
		for j := range order {
			if got, want := rankOfRow(order[i]).compare(rankOfRow(order[j])), cmp.Compare(i, j); got != want {
				t.Errorf("%q against %q: want %d, got %d", order[i].name, order[j].name, want, got)
			}
		}
	}
	shuffled := slices.Clone(order)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	slices.SortFunc(shuffled, func(a, b f) int { return rankOfRow(a).compare(rankOfRow(b)) })
	if !slices.Equal(order, shuffled) {
		t.Errorf("sorted: %v", shuffled)
	}
}
