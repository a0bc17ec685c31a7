package report

import (
	"encoding/hex"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// Told says which gaps findings tell, for formats that print findings one by one: what is unknown
// and in no finding must not be left out. It holds a hash for each check that a gap affects.
type Told struct{ told map[toldKey]bool }

// toldKey is the fingerprint of a finding.
type toldKey [32]byte

func toldKeyOf(f *api.Finding) (key toldKey) {
	_, _ = hex.Decode(key[:], []byte(f.Fingerprint())) // it is hexadecimal
	return key
}

// NewTold returns a Told for the gaps of a report.
func NewTold(gaps []fact.Gap) *Told {
	t := &Told{map[toldKey]bool{}}
	for i := range gaps {
		g := &gaps[i]
		for _, check := range g.Affects {
			t.told[toldKeyOf(&api.Finding{Check: check, Subject: g.Subject})] = false
		}
	}
	return t
}

// See takes a finding that is printed. One with a verdict and no open reason tells no gap.
func (t *Told) See(f *api.Finding) {
	if len(t.told) == 0 || f.Verdict.OrUnknown() != api.VerdictUnknown && f.Reason == "" {
		return
	}
	key := toldKeyOf(f)
	if _, asked := t.told[key]; asked {
		t.told[key] = true
	}
}

// Left returns the checks that a gap makes unknown and that no finding tells. all is true if no
// check of the gap is told by a finding, also if it affects none.
func (t *Told) Left(g *fact.Gap) (checks []string, all bool) {
	for _, check := range g.Affects {
		if !t.told[toldKeyOf(&api.Finding{Check: check, Subject: g.Subject})] {
			checks = append(checks, check)
		}
	}
	return checks, len(checks) == len(g.Affects)
}
