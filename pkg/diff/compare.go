package diff

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
)

// Options say how two sides are compared.
type Options struct {
	// OtherCluster compares reports of two clusters.
	OtherCluster bool
	// Unchanged keeps findings that did not change.
	Unchanged bool
}

// The errors of reports that prove nothing about each other.
var (
	ErrOtherCluster = errors.New("the reports are of different clusters: the UIDs of the namespace kube-system differ")
	ErrOtherServer  = errors.New("the reports name different API servers, and no UID of the namespace kube-system says that these are of one cluster")
	ErrWhatIf       = errors.New("a report with --what-if is about changes that were not applied: it says nothing about the cluster as it is")
)

// comparison is one run of Compare.
type comparison struct {
	old, new *Side
	// catalogue is nil if the catalogue did not change.
	catalogue  *api.CatalogueChange
	severities map[string][2]api.Severity // of checks whose severity changed, old and new
	// declared are the findings that only one side has and that rest on lists, by subject.
	declared map[*Side]map[uint64][]*entry
}

// Compare says what became of each finding.
func Compare(old, now *Side, opts Options) (*api.ChecklistDiff, error) {
	a, b := old.Head, now.Head
	switch {
	case a.Spec.Scope.WhatIf != nil || b.Spec.Scope.WhatIf != nil:
		return nil, ErrWhatIf
	case a.Cluster.UID != "" && b.Cluster.UID != "" && a.Cluster.UID != b.Cluster.UID && !opts.OtherCluster:
		return nil, ErrOtherCluster
	case (a.Cluster.UID == "" || b.Cluster.UID == "") && a.Cluster.Server != "" && b.Cluster.Server != "" && a.Cluster.Server != b.Cluster.Server && !opts.OtherCluster:
		return nil, ErrOtherServer
	}
	if err := old.isWhole("old"); err != nil {
		return nil, err
	}
	if err := now.isWhole("new"); err != nil {
		return nil, err
	}
	c := &comparison{old: old, new: now, severities: map[string][2]api.Severity{}}
	c.compareCatalogues()
	c.declared = map[*Side]map[uint64][]*entry{old: onlyDeclaredIn(old, now), now: onlyDeclaredIn(now, old)}
	out := &api.ChecklistDiff{
		TypeMeta: metav1.TypeMeta{APIVersion: api.GroupVersion.String(), Kind: api.DiffKind},
		Old:      sideOf(old), New: sideOf(now),
		Warnings: c.warnings(), Catalogue: c.catalogue,
		Answers: c.answers(), Changes: []api.Change{},
	}
	waived := 0
	add := func(was, is *entry) {
		change := c.change(was, is)
		if was != nil && is != nil && was.state.Verdict == api.Fail && is.state.Verdict == api.Accepted {
			waived++
		}
		count(&out.Summary, &change)
		if change.Class != api.ChangeUnchanged || opts.Unchanged {
			out.Changes = append(out.Changes, change)
		}
	}
	for key, was := range old.entries {
		add(was, now.entries[key])
	}
	for key, is := range now.entries {
		if old.entries[key] == nil {
			add(nil, is)
		}
	}
	if waived > 0 {
		out.Warnings = append(out.Warnings, fmt.Sprintf("Findings that failed before and that a waiver accepts now: %d. A waiver fixes nothing.", waived))
	}
	slices.SortFunc(out.Changes, compareChanges)
	return out, nil
}

// onlyDeclaredIn are the declared findings of a side that the other does not have.
func onlyDeclaredIn(s, other *Side) map[uint64][]*entry {
	out := map[uint64][]*entry{}
	for key, e := range s.entries {
		if e.state.Basis == api.Declared && e.state.Verdict != api.VerdictUnknown && other.entries[key] == nil && !other.subjects[e.subject] {
			out[e.subject] = append(out[e.subject], e)
		}
	}
	for _, list := range out { // the order of a map is random
		slices.SortFunc(list, func(a, b *entry) int { return bytes.Compare(a.key[:], b.key[:]) })
	}
	return out
}

// absent says why it is unknown whether a side's cluster has what a finding of the other side is
// about: "" if it does not.
func (c *comparison) absent(s, other *Side, e *entry) string {
	switch {
	case !workload(&e.about):
		why := s.covers(e, other)
		if why == "" && e.state.Basis != api.Declared && !listed(&e.about) {
			why = noList
		}
		if why == "" && (e.about.Kind == fact.SubjectCluster || s.subjects[e.subject]) {
			why = stillThere
		}
		return why
	case s.subjects[e.subject]:
		return cmp.Or(s.covers(e, other), stillThere)
	case e.state.Basis == api.Declared && e.state.Verdict != api.VerdictUnknown:
		return s.covers(e, other)
	}
	why := noList
	for _, d := range c.declared[other][e.subject] {
		if why = s.covers(d, other); why == "" {
			return ""
		}
	}
	return cmp.Or(s.covers(e, other), why)
}

// listedNoMore reports whether a list of the new run, by which the old run declared something of the
// subject, does not have it any more.
func (c *comparison) listedNoMore(was *entry) bool {
	return slices.ContainsFunc(c.declared[c.old][was.subject], func(d *entry) bool { return c.new.covers(d, c.old) == "" })
}

func stateOf(e *entry) *api.ChangeState {
	if e == nil {
		return nil
	}
	state := e.state
	return &state
}

// change classifies a finding of either side, or both.
func (c *comparison) change(was, is *entry) api.Change {
	e := cmp.Or(is, was)
	out := api.Change{
		Fingerprint: hex.EncodeToString(e.key[:]), Check: e.check, Question: e.question, Subject: e.about,
		Old: stateOf(was), New: stateOf(is),
	}
	switch {
	case was == nil:
		out.Class, out.Reason, out.Catalogue = c.appeared(is)
	case is == nil:
		out.Class, out.Reason, out.Catalogue = c.vanished(was)
	default:
		out.Class, out.Reason, out.Catalogue = c.both(was, is)
	}
	return out
}

// appeared classifies a finding that only the new side has.
func (c *comparison) appeared(is *entry) (class api.ChangeClass, reason string, catalogue bool) {
	unknown := is.state.Verdict == api.VerdictUnknown
	switch {
	case c.catalogue != nil && c.old.lacks(is.check) && unknown:
		return api.ChangeUnchanged, inCatalogue, true
	case c.catalogue != nil && c.old.lacks(is.check):
		return api.ChangeNewlyMeasured, inCatalogue, true
	case unknown && is.fromGap:
		if c.old.covers(is, c.new) != "" {
			return api.ChangeUnchanged, "neither run could read it", false
		}
		return api.ChangeNoLongerMeasured, "it could not be read, and the old run has no such gap", false
	}
	why := c.absent(c.old, c.new, is)
	switch {
	case !unknown && why == "" && is.about.Kind == fact.SubjectContainer && !workload(&is.about) && c.new.lostTo(c.old).lost():
		// A list that is not complete makes unknown to the API what it knew before.
		return api.ChangeNewlyMeasured, "new: " + notListed + ": it may be part of a workload", false
	case unknown && why == "":
		return api.ChangeNew, "it was not there before", false
	case unknown:
		return api.ChangeUnchanged, "neither run has a verdict", false
	case is.state.Verdict == api.Pass && why == "":
		return api.ChangeNewlyMeasured, "it was not there before", false
	case is.state.Verdict == api.Pass:
		return api.ChangeNewlyMeasured, "old: " + why, false
	case why == "":
		return api.ChangeNew, "it was not there before", false
	}
	return api.ChangeNewlyMeasured, "old: " + why, false
}

// vanished classifies a finding that only the old side has.
func (c *comparison) vanished(was *entry) (class api.ChangeClass, reason string, catalogue bool) {
	unknown := was.state.Verdict == api.VerdictUnknown
	switch {
	case c.catalogue != nil && c.new.lacks(was.check) && unknown:
		return api.ChangeUnchanged, notCatalogued, true
	case c.catalogue != nil && c.new.lacks(was.check):
		return api.ChangeNoLongerMeasured, notCatalogued, true
	case unknown && was.fromGap:
		if why := c.new.covers(was, c.old); why != "" {
			return api.ChangeUnchanged, "new: " + why, false
		}
		if c.listedNoMore(was) {
			return api.ChangeGone, "", false
		}
		return api.ChangeNewlyMeasured, "the gap is closed", false
	}
	switch why := c.absent(c.new, c.old, was); {
	case why == "" && holds(&was.about) && was.state.Verdict != api.Pass:
		return api.ChangeGone, orMended, false
	case why == "":
		return api.ChangeGone, "", false
	case unknown:
		return api.ChangeUnchanged, "new: " + why, false
	default:
		return api.ChangeNoLongerMeasured, "new: " + why, false
	}
}

// both classifies a finding that both sides have. A waiver neither fixes nor improves anything: an
// accepted fail is compared as a fail, except that a waiver that no longer covers it makes it worse.
func (c *comparison) both(was, is *entry) (class api.ChangeClass, reason string, catalogue bool) {
	before, after := was.state.Verdict, is.state.Verdict
	switch wasKnown, isKnown := before != api.VerdictUnknown, after != api.VerdictUnknown; {
	case !wasKnown && !isKnown:
		return api.ChangeUnchanged, "", false
	case !isKnown:
		return api.ChangeNoLongerMeasured, "", false
	case !wasKnown:
		return api.ChangeNewlyMeasured, "", false
	}
	lost := was.state.Basis == api.Measured && is.state.Basis != api.Measured
	switch failed, fails := before != api.Pass, after != api.Pass; {
	case failed && !fails:
		if why := c.unproven(was, is, lost); why != "" {
			return api.ChangeNoLongerMeasured, "it passes, but " + why, false
		}
		switch {
		case was.state.Reason != "" && was.state.Basis != api.Measured && is.state.Basis == api.Measured:
			// It failed only because nothing measured was known of it.
			return api.ChangeNewlyMeasured, wasDeclared, false
		case c.catalogue != nil:
			return api.ChangeNewlyMeasured, "it failed, but " + otherCatalogue, true
		}
		return api.ChangeFixed, "", false
	case !failed && fails && lost && is.state.Reason != "":
		// It fails only because nothing measured is known of it: no news of the cluster.
		return api.ChangeNoLongerMeasured, "it fails, but " + onlyDeclared, false
	case !failed && fails:
		return api.ChangeNew, "", false
	case !fails && lost:
		return api.ChangeNoLongerMeasured, onlyDeclared, false
	case !fails && was.state.Basis != api.Measured && is.state.Basis == api.Measured:
		return api.ChangeNewlyMeasured, wasDeclared, false
	case !fails:
		return api.ChangeUnchanged, "", false
	}
	ended, waived := before == api.Accepted && after == api.Fail, before == api.Fail && after == api.Accepted
	switch a, b := was.state.Severity.Rank(), is.state.Severity.Rank(); {
	case ended:
		return api.ChangeWorse, "no waiver covers it any more", false
	case a != b && c.severities[is.check] == [2]api.Severity{was.state.Severity, is.state.Severity}:
		return api.ChangeUnchanged, "the catalogue gives the check another severity", true
	case b > a:
		return api.ChangeWorse, "", false
	case waived:
		return api.ChangeUnchanged, "a waiver covers it now", false
	case b < a:
		if why := c.unproven(was, is, lost); why != "" {
			return api.ChangeNoLongerMeasured, "its severity is less, but " + why, false
		}
		if c.catalogue != nil {
			return api.ChangeUnchanged, "its severity is less, but " + otherCatalogue, true
		}
		return api.ChangeBetter, "", false
	}
	return api.ChangeUnchanged, "", false
}

// unproven says why an improvement is not proven: "" if it is.
func (c *comparison) unproven(was, is *entry, lost bool) string {
	switch {
	case lost:
		return onlyDeclared
	case is.state.Reason != "" && (is.state.Verdict == api.Pass || c.old.Head.Cluster.MeasuredNodes > 0):
		return partly // where nothing was measured before either, the declaration alone is compared
	case !told(&c.new.Head.Spec.Scope, &c.old.Head.Spec.Scope):
		return toldOther
	}
	if why := looksAt(&c.new.Head.Spec, &c.old.Head.Spec, &was.about); why != "" {
		return why
	}
	return c.new.blindTo(was, c.old, false)
}

// compareCatalogues finds what changed in the catalogue.
func (c *comparison) compareCatalogues() {
	a, b := c.old.Head, c.new.Head
	if a.Spec.CatalogueVersion == b.Spec.CatalogueVersion {
		return
	}
	const most = 200 // checks that are named
	out := &api.CatalogueChange{Old: escape.Short(a.Spec.CatalogueVersion, mostName), New: escape.Short(b.Spec.CatalogueVersion, mostName)}
	named := func(s, other *Side) (ids []string) {
		if len(s.Head.Checks) == 0 {
			return nil
		}
		for _, id := range slices.Sorted(maps.Keys(other.checks)) {
			if s.lacks(id) && len(ids) < most {
				ids = append(ids, escape.Short(id, mostName))
			}
		}
		return ids
	}
	out.Added, out.Removed = named(c.old, c.new), named(c.new, c.old)
	severities := map[string]api.Severity{}
	for _, check := range a.Checks {
		severities[c.old.name(check.Check)] = check.Severity
	}
	for _, check := range b.Checks {
		if was := severities[c.new.name(check.Check)]; was.Rank() > 0 && check.Severity.Rank() > 0 && was != check.Severity {
			c.severities[c.new.name(check.Check)] = [2]api.Severity{was, check.Severity}
			if len(out.Severities) < most {
				out.Severities = append(out.Severities, api.SeverityChange{Check: escape.Short(check.Check, mostName), Old: was, New: check.Severity})
			}
		}
	}
	c.catalogue = out
}

func timeOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func sideOf(s *Side) api.DiffSide {
	h := s.Head
	from := "report"
	if s.Facts {
		from = "facts"
	}
	return api.DiffSide{
		From: from, Command: escape.Short(h.Spec.Command, mostName), CollectedAt: timeOf(h.CreationTimestamp.Time),
		Version: escape.Short(h.Spec.Version, mostName), CatalogueVersion: escape.Short(h.Spec.CatalogueVersion, mostName),
		Cluster: escape.Short(cmp.Or(h.Cluster.Name, h.Cluster.Server), mostName), UID: escape.Short(h.Cluster.UID, mostName),
		Nodes: h.Cluster.Nodes, MeasuredNodes: h.Cluster.MeasuredNodes, Findings: s.findings, Repeated: s.repeated,
	}
}

// warnings say what makes the comparison weaker.
func (c *comparison) warnings() []string {
	a, b := c.old.Head, c.new.Head
	var out []string
	sourceA, sourceB := sourceOf(&a.Spec.Scope), sourceOf(&b.Spec.Scope)
	switch uids := a.Cluster.UID != "" && b.Cluster.UID != ""; {
	case sourceA != sourceB:
		out = append(out, fmt.Sprintf("The old one is about %s, the new one about %s.", sourceA, sourceB))
	case sourceA == "files":
	case uids && a.Cluster.UID != b.Cluster.UID:
		out = append(out, "These are two clusters: fixed and gone say only that the other cluster passes, or does not have it.")
	case !uids:
		out = append(out, "Whether both are of one cluster is unknown: the UID of the namespace kube-system is missing. Names are compared.")
	}
	if !a.CreationTimestamp.IsZero() && b.CreationTimestamp.Before(&a.CreationTimestamp) && !b.CreationTimestamp.IsZero() {
		out = append(out, "The new one was collected before the old one.")
	}
	if c.catalogue != nil {
		out = append(out, "Different catalogues judged: a change of a verdict can come from that. Facts are judged again by one catalogue.")
	}
	if x, y := a.Spec.Inputs.Vulnerabilities, b.Spec.Inputs.Vulnerabilities; x != "" && y != "" && x != y {
		out = append(out, "They were compared with different vulnerability databases: a change of a verdict can come from that.")
	}
	for _, s := range []struct {
		name string
		side *Side
	}{{"old", c.old}, {"new", c.new}} {
		head := s.side.Head
		if len(head.Checks) == 0 {
			out = append(out, "The "+s.name+" report is of an earlier version: it does not say which checks ran.")
		}
		if head.Spec.Inputs.Severity != "" {
			out = append(out, "The "+s.name+" report was made with --severity: what it does not have proves nothing.")
		}
		if s.side.repeated > 0 {
			out = append(out, fmt.Sprintf("The %s report has %d findings with the check and subject of another one: the worst counts.", s.name, s.side.repeated))
		}
	}
	return out
}

// answers are those that changed.
func (c *comparison) answers() []api.AnswerChange {
	const most = 500
	type key struct{ question, part string }
	var order []key
	olds, news := map[key]api.AnswerWord{}, map[key]api.AnswerWord{}
	reasons := map[key]string{}
	read := func(answers []api.Answer, into map[key]api.AnswerWord, reason bool) {
		set := func(k key, word api.AnswerWord, why string) {
			if _, seen := olds[k]; !seen {
				if _, seen = news[k]; !seen {
					order = append(order, k)
				}
			}
			into[k] = answer(word)
			if reason {
				reasons[k] = why
			}
		}
		for i := range answers {
			a := &answers[i]
			set(key{string(a.Question), ""}, a.Answer, a.Reason)
			for j := range a.Parts {
				set(key{string(a.Question), a.Parts[j].Part}, a.Parts[j].Answer, a.Parts[j].Reason)
			}
		}
	}
	read(c.old.Head.Answers, olds, false)
	read(c.new.Head.Answers, news, true)
	slices.SortStableFunc(order, func(x, y key) int {
		return cmp.Or(cmp.Compare(number(api.Question(x.question)), number(api.Question(y.question))), cmp.Compare(x.question, y.question))
	})
	out := []api.AnswerChange{}
	for _, k := range order {
		if olds[k] != news[k] && len(out) < most {
			out = append(out, api.AnswerChange{
				Question: api.Question(escape.Short(k.question, mostName)), Part: escape.Short(k.part, mostName),
				Old: olds[k], New: news[k], Reason: escape.Short(reasons[k], mostMessage),
			})
		}
	}
	return out
}

// answer is a word of ours. Any other word is unknown.
func answer(word api.AnswerWord) api.AnswerWord { return word.OrUnknown() }

// number is a question's; others come last.
func number(q api.Question) int {
	for _, info := range checks.Questions() {
		if info.Question == q {
			return info.Number
		}
	}
	return 1 << 10
}

// count adds a change to the summary.
func count(s *api.DiffSummary, c *api.Change) {
	fails := 0
	if c.New != nil && c.New.Verdict == api.Fail {
		fails = 1
	}
	switch c.Class {
	case api.ChangeNew:
		s.New, s.NewFailing = s.New+1, s.NewFailing+fails
	case api.ChangeWorse:
		s.Worse++
	case api.ChangeBetter:
		s.Better++
	case api.ChangeUnchanged:
		s.Unchanged, s.UnchangedFailing = s.Unchanged+1, s.UnchangedFailing+fails
	case api.ChangeFixed:
		s.Fixed++
	case api.ChangeGone:
		s.Gone++
	case api.ChangeNoLongerMeasured:
		s.NoLongerMeasured++
	case api.ChangeNewlyMeasured:
		s.NewlyMeasured, s.NewlyMeasuredFailing = s.NewlyMeasured+1, s.NewlyMeasuredFailing+fails
	}
	if c.Catalogue {
		s.ByCatalogue++
	}
}

// State is the state that is shown: the new one, or the old one if there is no new one.
func State(c *api.Change) *api.ChangeState { return cmp.Or(c.New, c.Old, &api.ChangeState{}) }

// compareChanges orders by class, verdict, severity, question, check and subject.
func compareChanges(a, b api.Change) int {
	order := api.ChangeClasses()
	x, y := State(&a), State(&b)
	return cmp.Or(
		cmp.Compare(slices.Index(order, a.Class), slices.Index(order, b.Class)),
		cmp.Compare(y.Verdict.Rank(), x.Verdict.Rank()),
		cmp.Compare(y.Severity.Rank(), x.Severity.Rank()),
		cmp.Compare(number(a.Question), number(b.Question)),
		cmp.Compare(a.Check, b.Check),
		a.Subject.Compare(&b.Subject),
		cmp.Compare(a.Fingerprint, b.Fingerprint),
	)
}

// Worse reports whether there is a failure of at least a severity that the old run did not have:
// new, worse or newly measured. What follows from another catalogue does not count.
func Worse(d *api.ChecklistDiff, least api.Severity) bool {
	return slices.ContainsFunc(d.Changes, func(c api.Change) bool {
		switch c.Class {
		case api.ChangeNew, api.ChangeWorse, api.ChangeNewlyMeasured:
			return !c.Catalogue && c.New != nil && c.New.Verdict == api.Fail && c.New.Severity.Rank() >= least.Rank()
		}
		return false
	})
}

// Unmeasured reports whether something is measured no more, or is new and was not measured.
func Unmeasured(d *api.ChecklistDiff) bool {
	return slices.ContainsFunc(d.Changes, func(c api.Change) bool {
		return c.Class == api.ChangeNoLongerMeasured || c.Class == api.ChangeNew && c.New != nil && c.New.Verdict == api.VerdictUnknown
	})
}
