package report

import (
	"cmp"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// weights order the questions among findings of one severity, by how far one finding
// reaches. A Secret in plaintext opens whatever it is the key to. A builder gives away
// its node and the images that it makes. An outdated node affects every pod on it. The
// other questions are about one workload each.
var weights = map[api.Question]int{
	api.Secrets: 0, api.Builds: 1, api.Hosts: 2, api.Privileged: 3, api.Immutable: 4, api.Drift: 5,
}

// rank is the place of a row on a screen. It depends only on what a finding says about
// itself, never on a list of checks, so that a new check finds its place:
//
//  1. An attack that is happening now: a measurement found running code that the image
//     does not hold (see attack). It comes before any weakness that an attacker might
//     use, also in the platform's namespaces.
//  2. Fails, then what is unknown, then accepted fails, then passes.
//  3. The severities critical and high before the others.
//  4. The user's own subjects before the platform's: a network plugin has to be
//     privileged, and only its vendor can change that. This rule applies separately
//     to the severe findings and to the others, so that the platform's privileged
//     pods do not come after an image without a digest.
//  5. Severity.
//  6. The question, by weight.
//  7. Measured before declared.
//  8. More subjects before fewer.
//
// Equal rows keep the report's order: by check and subject.
type rank struct {
	attack   bool
	verdict  int
	grave    bool
	platform bool
	severity int
	weight   int
	measured bool
	subjects int
}

func rankOf(f *api.Finding, subjects int) rank {
	r := rank{
		attack: attack(f), verdict: f.Verdict.Rank(), severity: f.Severity.Rank(), grave: grave(f.Severity),
		platform: f.Subject.Platform, measured: f.Basis == api.Measured, subjects: subjects,
	}
	weight, known := weights[f.Question]
	if !known {
		weight = len(weights)
	}
	r.weight = weight
	return r
}

// compare is negative if r comes first.
func (r rank) compare(o rank) int {
	return cmp.Or(
		first(r.attack, o.attack),
		cmp.Compare(o.verdict, r.verdict),
		first(r.grave, o.grave),
		first(!r.platform, !o.platform),
		cmp.Compare(o.severity, r.severity),
		cmp.Compare(r.weight, o.weight),
		first(r.measured, o.measured),
		cmp.Compare(o.subjects, r.subjects),
	)
}

// first is negative if only a is true.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

func grave(s api.Severity) bool { return s.Rank() >= api.High.Rank() }

// attack reports whether a finding shows running code that is not from the image:
// measured drift of at least high severity.
func attack(f *api.Finding) bool {
	return f.Verdict == api.Fail && f.Question == api.Drift && f.Basis == api.Measured && grave(f.Severity)
}
