package checks

import (
	"slices"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/waiver"
)

// Part is a piece of a question that is answered separately. It names all
// checks that it needs, also those that are not built yet: a part with a
// missing check is unknown, never yes.
type Part struct {
	Question api.Question
	Name     string
	Title    string
	// Checks are IDs. Every check is in exactly one part.
	Checks []string
	// Optional parts need a database that only the user can give. They can make
	// a question no. Without the database they do not prevent a yes.
	Optional bool
}

// Plan is what facts are judged by in one run.
type Plan struct {
	// Checks are those that run.
	Checks []Check
	// Parts are those of every question.
	Parts []Part
	// Known are the IDs of all checks of this version, also of those that do
	// not run.
	Known []string
	// Narrowed says in a few words which part of the cluster the run looked at:
	// "only namespace shop". "" means all of it. A narrowed run never says yes.
	Narrowed string
	// WhatIf says that the facts are of what would be if changes were applied: what was changed
	// was not measured. Such a run never says yes either.
	WhatIf bool
	// Waivers are those of the user, as of JudgedAt (zero: as of the facts); nil if there are none.
	Waivers  *waiver.List
	JudgedAt time.Time
	// Drafts, if not nil, gets a draft of a waiver for each finding that fails.
	Drafts *waiver.Drafts

	// waiting are checks that would run if the facts had their database.
	waiting []Check
}

// use starts to apply the waivers to facts; nil if there is nothing to do.
func (p *Plan) use(set *fact.Set) *waiver.Use {
	at := p.JudgedAt
	if at.IsZero() {
		at = set.CollectedAt.Time
	}
	return p.Waivers.Begin(set.Cluster.UID, at, p.Drafts)
}

// runs reports whether the plan has a check.
func (p *Plan) runs(id string) bool {
	return slices.ContainsFunc(p.Checks, func(c Check) bool { return c.ID == id })
}

// withhold takes out of the plan the checks whose database the facts do not have.
func (p *Plan) withhold(set *fact.Set) {
	ready := make([]Check, 0, len(p.Checks))
	for _, c := range p.Checks {
		if c.Ready(set) {
			ready = append(ready, c)
		} else {
			p.waiting = append(p.waiting, c)
		}
	}
	p.Checks = ready
}

func (p *Plan) waits(id string) bool {
	return slices.ContainsFunc(p.waiting, func(c Check) bool { return c.ID == id })
}

// asks reports whether the plan has a check of a question.
func (p *Plan) asks(q api.Question) bool {
	of := func(c Check) bool { return c.Question() == q }
	return slices.ContainsFunc(p.Checks, of) || slices.ContainsFunc(p.waiting, of)
}

func (p *Plan) knows(id string) bool { return slices.Contains(p.Known, id) }

// PartsOf are the parts of one question, in order.
func PartsOf(parts []Part, question api.Question) []Part {
	var out []Part
	for _, p := range parts {
		if p.Question == question {
			out = append(out, p)
		}
	}
	return out
}
