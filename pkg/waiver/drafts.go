package waiver

import (
	"cmp"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// MaxDrafts bounds the drafts of one run.
const MaxDrafts = 10_000

// Draft is what a waiver for a failing finding would say.
type Draft struct {
	Check    string
	Subject  Subject
	Severity api.Severity
	Message  string
	Evidence []Item
}

// Drafts collects what fails. The zero value is empty.
type Drafts struct {
	of map[findingKey]*Draft
	// Left counts failing findings beyond MaxDrafts, and those of which a name (of a file's object)
	// would be a glob.
	Left int
	// Skip reports whether a check cannot be waived. Nil skips none.
	Skip func(check string) bool
}

// note keeps the draft of a finding that fails. A finding can come again: the last time counts.
func (d *Drafts) note(f *api.Finding, key findingKey, items []Item) {
	if d == nil {
		return
	}
	delete(d.of, key)
	if f.Verdict != api.Fail || d.Skip != nil && d.Skip(f.Check) {
		return
	}
	s := &f.Subject
	if odd := !Aggregate(s.Kind) && (IsGlob(s.Namespace) || IsGlob(s.Name) || IsGlob(s.Container)); odd || len(d.of) >= MaxDrafts {
		d.Left++
		return
	}
	if items == nil {
		items = Items(f)
	}
	if d.of == nil {
		d.of = map[findingKey]*Draft{}
	}
	d.of[key] = &Draft{
		Check: f.Check, Subject: Subject{s.Kind, s.Namespace, s.Name, s.Container}, Severity: f.Severity, Message: clean(f.Message), Evidence: items,
	}
}

// All are the drafts, sorted by check and subject. Those of one check whose subjects differ only in
// what a waiver does not name (the node, the file) are joined.
func (d *Drafts) All() []Draft {
	type key struct {
		check   string
		subject Subject
	}
	joined := map[key]*Draft{}
	for _, one := range d.of {
		k := key{one.Check, one.Subject}
		known := joined[k]
		if known == nil {
			copied := *one
			copied.Evidence = slices.Clone(one.Evidence)
			joined[k] = &copied
			continue
		}
		known.Message = min(known.Message, one.Message)
		known.Evidence = append(known.Evidence, one.Evidence...)
		if one.Severity.Rank() > known.Severity.Rank() {
			known.Severity = one.Severity
		}
	}
	out := make([]Draft, 0, len(joined))
	for _, one := range joined {
		slices.SortFunc(one.Evidence, compareItems)
		one.Evidence = slices.Compact(one.Evidence)
		out = append(out, *one)
	}
	slices.SortFunc(out, func(a, b Draft) int {
		x := fact.Subject{Kind: a.Subject.Kind, Namespace: a.Subject.Namespace, Name: a.Subject.Name, Container: a.Subject.Container}
		y := fact.Subject{Kind: b.Subject.Kind, Namespace: b.Subject.Namespace, Name: b.Subject.Name, Container: b.Subject.Container}
		return cmp.Or(cmp.Compare(a.Check, b.Check), x.Compare(&y))
	})
	return out
}
