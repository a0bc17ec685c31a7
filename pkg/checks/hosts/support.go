package hosts

import (
	"fmt"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/endoflife"
)

// support is what a table of minor versions says about one of them.
type support struct {
	phase    endoflife.Phase
	minor    endoflife.Minor
	when     string // " (2026-10-27)", or "" for a version older than the table
	evidence api.Evidence
	// If the phase is unknown: the reason, and whether the version is in the table.
	reason fact.Reason
	listed bool
	timed  bool
}

// supportOf looks up a minor version on the day of a run.
func supportOf(table *endoflife.Minors, major, minor int, now fact.Time) support {
	m, listed := table.Of(major, minor)
	s := support{
		phase: table.At(m, now.Time), minor: m, listed: listed, timed: !now.IsZero(),
		evidence: api.Evidence{Source: table.Source + " as of " + table.Made.Format(time.DateOnly)},
	}
	name := fmt.Sprintf("%d.%d", major, minor)
	switch {
	case !listed:
		s.phase, s.reason = endoflife.Unknown, fact.Unsupported
		s.evidence.Value = name + " is not listed"
	case m.Standard.IsZero():
		s.phase = endoflife.Ended // whatever the day
		s.evidence.Value = name + ": long past its end of life"
	default:
		day := m.Standard.Format(time.DateOnly)
		s.when = " (" + day + ")"
		s.evidence.Value = name + ": end of life " + day
		if !m.Extended.IsZero() {
			s.evidence.Value += ", extended support in part until " + m.Extended.Format(time.DateOnly)
		}
		s.reason = fact.Unsupported
		if !s.timed {
			s.reason = fact.NotPresent
		}
	}
	return s
}

// why says why the phase of a version is unknown.
func (s *support) why(name string) string {
	switch {
	case !s.listed:
		return "the end of life of " + name + " is unknown"
	case !s.timed:
		return "the end of life cannot be judged because the facts do not say when they were collected"
	}
	return "the table of end-of-life dates is more than a year old"
}
