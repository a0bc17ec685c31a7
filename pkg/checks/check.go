// Package checks holds the verdict model: what a check is, how the catalogue is
// judged against facts, and how findings become answers. Checks themselves are
// in a package for each question; package catalogue lists them all. Nothing
// below this package does I/O.
package checks

import (
	"iter"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// Check is one entry of the catalogue: metadata next to the code that decides.
type Check struct {
	// ID is "question/slug"; the slug, with underscores, names the check's file.
	ID    string
	Title string
	// Severity is the worst that Judge can give.
	Severity api.Severity
	// Basis is the better of the bases that Judge can give.
	Basis api.Basis
	// Needs are the facts without which a subject is unknown. Judge itself
	// never reports a gap: JudgeSet turns each gap of these kinds into one unknown
	// finding for the gap's subject.
	Needs []fact.Kind
	// Uses are facts that Judge uses if they were read and does not need
	// otherwise: measured evidence next to a declaration.
	Uses []fact.Kind
	// Linux says that the check is about what Windows does not have: it gives no finding about a
	// pod that is declared to run there.
	Linux bool
	// Database reports whether facts have the database that the check compares with,
	// which only the user can give. Without it the check does not run. Nil if it needs
	// none.
	Database func(*fact.Set) bool
	// Excuse reports whether a gap of a needed kind leaves nothing open for
	// this check, because other facts answer instead. Nil excuses no gap.
	Excuse func(*View, fact.Gap) bool
	// Scope says what the findings are about, for the commands that select by it.
	Scope Scope
	// Evidence is how much evidence a finding keeps, where that is more than
	// MaxEvidence: a list that a report must not cut.
	Evidence int
	// Why, Remediation and References are the text of explain. Why and
	// Remediation are full sentences.
	Why         string
	Remediation string
	References  []string
	// NoWaiver says why no waiver can cover the check's findings; "" if one can.
	NoWaiver string
	// Glossary explains words that findings use; nil if there is nothing to explain.
	Glossary *Glossary
	// Judge is a pure function of facts, in time linear in them. It returns findings with Verdict,
	// Subject, Message and Evidence, and with Severity or Basis where they
	// differ from the check's; JudgeSet fills in the rest. Several findings for one
	// subject (its pods, its processes) are merged by JudgeSet, the worst
	// first. A pass without evidence is not a pass: JudgeSet makes it unknown.
	// JudgeSet then owns the list and changes its findings in place.
	Judge func(*View) []api.Finding
	// Each takes the place of Judge in a check that has a finding for each Secret, of
	// which there can be hundreds of thousands. It gives the same findings, one by one,
	// and the same ones each time that it is called: only what answers and the order
	// need is kept of them, and the others are made again when they are printed. That
	// costs least memory if the findings are in the order of their subjects.
	Each func(*View) iter.Seq[api.Finding]
	// Whole says that what Judge finds of a workload can depend on workloads of other owners.
	Whole bool
	// Alone reports of a check with Whole that what Judge finds of a workload does not depend on
	// others, nor what it finds of others on this one. The view has no workloads. Nil means that
	// it always may.
	Alone func(*View, *fact.Workload) bool
	// Across counts over workloads that come one by one, for those findings of a check of
	// workloads that are not about one of them. The view has no workloads. Nil if the check
	// has no such findings, or if they are not made from workloads.
	Across func(*View) Across
}

// Across counts over workloads. It keeps none of them.
type Across interface {
	Add(*fact.Workload)
	// Findings are those that are not about a workload that was added. Judge gives the same. The
	// view has no workloads, and all that was read since: of a cluster, some of it is read after
	// the workloads.
	Findings(*View) []api.Finding
}

// Glossary is a list of words under a title.
type Glossary struct {
	Title string
	Terms []Term
}

// Term is a word and what it means.
type Term struct{ Name, Text string }

// Scope is the kind of subject that a check is about.
type Scope string

// The scopes.
const (
	ScopeWorkload Scope = "workload" // pods, their owners and containers
	ScopeNode     Scope = "node"
	ScopeSecret   Scope = "secret" // Secrets and their storage
)

// Question is the part of the ID before the slash.
func (c Check) Question() api.Question {
	for i := range c.ID {
		if c.ID[i] == '/' {
			return api.Question(c.ID[:i])
		}
	}
	return ""
}

// Slug is the part of the ID after the slash.
func (c Check) Slug() string {
	for i := range c.ID {
		if c.ID[i] == '/' {
			return c.ID[i+1:]
		}
	}
	return c.ID
}

// UsesKind reports whether facts of this kind improve the check's findings.
func (c Check) UsesKind(kind fact.Kind) bool {
	for _, k := range c.Uses {
		if k == kind {
			return true
		}
	}
	return false
}

// Measures reports whether the check's verdicts come from what runs or is
// stored, at least in part.
func (c Check) Measures() bool { return c.Basis == api.Measured }

// Bases says for people what verdicts of the check rest on: "declared", "measured", or
// "declared, measured" for one that is declared by pods and, where it was read, measured.
func (c Check) Bases() string {
	if c.NeedsKind(fact.Pods) && len(c.Uses) > 0 {
		return string(api.Declared) + ", " + string(api.Measured)
	}
	return string(c.Basis)
}

// NeedsKind reports whether the check needs facts of this kind.
func (c Check) NeedsKind(kind fact.Kind) bool {
	for _, k := range c.Needs {
		if k == kind {
			return true
		}
	}
	return false
}

// Ready reports whether the check can run: whether it needs no database, or the facts
// have it.
func (c Check) Ready(set *fact.Set) bool { return c.Database == nil || c.Database(set) }

// QuestionInfo is a question as it is printed.
type QuestionInfo struct {
	Question api.Question
	Number   int
	Text     string
	// Workloads is true where the question is (also) about workloads, so that
	// an answer without platform subjects makes sense.
	Workloads bool
}

// Questions lists the six questions in the checklist's order.
func Questions() []QuestionInfo {
	return []QuestionInfo{
		{api.Builds, 1, "Are builds running separately from the production cluster?", true},
		{api.Immutable, 2, "Is all executable code added at image build time?", true},
		{api.Privileged, 3, "Are you avoiding --privileged?", true},
		{api.Hosts, 4, "Are hosts up to date with the latest security releases?", false},
		{api.Secrets, 5, "Are secrets encrypted at rest and in transit?", true},
		{api.Drift, 6, "Can you prevent container drift?", true},
	}
}
