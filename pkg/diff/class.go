// Package diff compares two reports.
package diff

import api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"

// Class says what became of one finding.
type Class string

// The classes.
const (
	New              Class = "new"
	Worse            Class = "worse"
	Better           Class = "better"
	Unchanged        Class = "unchanged"
	Fixed            Class = "fixed"
	NoLongerMeasured Class = "no longer measured"
	NewlyMeasured    Class = "newly measured"
)

// Classify compares the same check of the same subject, which both reports hold. A waiver
// neither fixes nor improves anything: an accepted fail is compared as a fail, except that a
// waiver that no longer covers it makes it worse.
func Classify(before, after *api.Finding) Class {
	was, is := known(before.Verdict), known(after.Verdict)
	switch {
	case !was && !is:
		return Unchanged
	case !is:
		return NoLongerMeasured
	case !was:
		return NewlyMeasured
	}
	switch failed, fails := before.Verdict != api.Pass, after.Verdict != api.Pass; {
	case failed && !fails:
		return Fixed
	case !failed && fails:
		return New
	case !fails:
		return Unchanged
	}
	switch was, is := before.Severity.Rank(), after.Severity.Rank(); {
	case is > was, before.Verdict == api.Accepted && after.Verdict == api.Fail:
		return Worse
	case is < was:
		return Better
	}
	return Unchanged
}

// known reports whether the verdict is one of those that were reached. A word that this version
// does not know is not.
func known(v api.Verdict) bool { return v == api.Pass || v == api.Fail || v == api.Accepted }
