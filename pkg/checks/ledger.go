package checks

import (
	"cmp"
	"iter"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/waiver"
)

// ledger has an entry for each finding of a run. It keeps whole the findings of checks
// with Judge, of which there are as many as pods and nodes. Of a check with Each it
// keeps whole only what was merged, and makes the others again when they are read.
type ledger struct {
	view     *View
	checks   []Check
	subjects *roster

	entries []entry
	kept    []*api.Finding // the findings that are held whole
	classes []class
	numbers map[class]uint16 // of classes
	room    evidenceRoom
	use     *waiver.Use // nil if there are no waivers
}

// entry is a finding in few bytes.
type entry struct {
	subject int32 // its number
	// at is the place of a finding that is kept, or is the place among all that its
	// check's Each gives.
	at    int32
	check uint16 // its place in the plan
	class uint16
}

// class is what answers and the order need of a finding, besides its check and subject.
// A run has few classes.
type class struct {
	verdict  api.Verdict
	severity api.Severity
	basis    api.Basis
	// counted is the severity with which answers count a fail, "" if they leave it out
	// because other checks of the plan judge the same fields.
	counted api.Severity

	platform, open   bool
	fromGap          bool // and not derived from a node's gap
	idle, unmeasured bool // as of judged
	again            bool // it is not kept
}

func newLedger(v *View, checks []Check, subjects *roster, use *waiver.Use) *ledger {
	return &ledger{view: v, checks: checks, subjects: subjects, numbers: map[class]uint16{}, use: use}
}

// enter makes an entry for a finding of the check with a number.
func (l *ledger) enter(check int, j *judged, again bool, at int) entry {
	c := class{
		verdict: j.Verdict, severity: j.Severity, basis: j.Basis,
		counted:  j.Counted(),
		platform: j.Subject.Platform, open: j.Open(), fromGap: j.FromGap && !j.derived, idle: j.idle, unmeasured: j.unmeasured, again: again,
	}
	number, known := l.numbers[c]
	if !known {
		number = uint16(len(l.classes))
		l.classes, l.numbers[c] = append(l.classes, c), number
	}
	return entry{subject: int32(j.subject), at: int32(at), check: uint16(check), class: number}
}

// uncover removes what a finding says about covering checks of which not all run.
func (l *ledger) uncover(f *api.Finding) {
	for _, id := range f.CoveredBy {
		if !slices.ContainsFunc(l.checks, func(c Check) bool { return c.ID == id }) {
			f.CoveredBy, f.Remaining = nil, ""
			return
		}
	}
}

// keep adds a finding, which stays in memory.
func (l *ledger) keep(check int, j *judged) {
	l.entries = append(l.entries, l.enter(check, j, false, len(l.kept)))
	l.kept = append(l.kept, j.Finding)
}

// most bounds the evidence of a check's findings.
func (l *ledger) most(check int) int { return max(l.checks[check].Evidence, MaxEvidence) }

// add adds what a check found, and what gaps left open for it.
func (l *ledger) add(check int, raw []api.Finding, gaps []*openGap) {
	if silent := l.view.notAnswered(&l.checks[check]); len(silent) > 0 {
		raw = append(slices.Clip(raw), silent...)
	}
	// Findings are large and there are many: a few allocations for all of a
	// check's, and from here on pointers.
	open, evidence := make([]api.Finding, len(gaps)), make([]api.Evidence, len(gaps))
	of := make([]judged, len(raw)+len(gaps))
	pointers := make([]*judged, len(of))
	for j := range of {
		f := &of[j]
		if k := j - len(raw); k >= 0 {
			evidence[k] = api.Evidence{Source: gaps[k].source, Value: string(gaps[k].Reason), Basis: l.checks[check].Basis}
			open[k] = gaps[k].finding(evidence[k : k+1 : k+1])
			f.Finding, f.subject = &open[k], gaps[k].subject
		} else {
			f.Finding, f.subject, f.derived = &raw[j], l.subjects.number(&raw[j].Subject), raw[j].FromGap
		}
		l.complete(check, f)
		pointers[j] = f
	}
	l.entries, l.kept = slices.Grow(l.entries, len(pointers)), slices.Grow(l.kept, len(pointers))
	for _, j := range merge(pointers, l.subjects.size(), l.mostMerged(check)) {
		l.accept(check, j)
		l.keep(check, j)
	}
}

func (l *ledger) complete(check int, j *judged) {
	j.Subject.Platform = l.subjects.platform(j.subject)
	l.uncover(j.Finding)
	l.view.complete(j, &l.checks[check], &l.room)
}

// addEach is add for a check with Each.
func (l *ledger) addEach(check int, gaps []*openGap) {
	const (
		none    = iota // no finding yet
		one            // a single one
		several        // they are merged
	)
	seen := make([]uint8, l.subjects.size())
	mergesAny := false
	see := func(subject int) {
		for subject >= len(seen) {
			seen = append(seen, none)
		}
		mergesAny = mergesAny || seen[subject] != none
		seen[subject] = min(seen[subject]+one, several)
	}
	for _, gap := range gaps {
		see(gap.subject)
	}
	first := len(l.entries)
	var last fact.Subject
	at := -1
	current := judged{Finding: new(api.Finding)}
	for f := range l.checks[check].Each(l.view) {
		at++
		j := l.again(check, f, &current)
		see(j.subject)
		if seen[j.subject] != one {
			continue
		}
		if last.Compare(&j.Subject) > 0 {
			// To make it again would take a pass of its own.
			whole := *j
			finding := *j.Finding
			whole.Finding = &finding
			l.keep(check, &whole)
			continue
		}
		last = j.Subject
		l.entries = append(l.entries, l.enter(check, j, true, at))
	}
	if !mergesAny {
		l.add(check, nil, gaps)
		return
	}
	merges := func(subject int32) bool { return seen[subject] == several }
	l.entries = append(l.entries[:first], slices.DeleteFunc(l.entries[first:], func(e entry) bool { return merges(e.subject) })...)
	var raw []api.Finding
	for f := range l.checks[check].Each(l.view) {
		if number, _ := l.subjects.find(&f.Subject); merges(int32(number)) {
			raw = append(raw, f)
		}
	}
	l.add(check, raw, gaps)
}

// again completes a finding that a check's Each gave, in place of the one before.
func (l *ledger) again(check int, f api.Finding, in *judged) *judged {
	finding := in.Finding
	*finding = f
	number, known := l.subjects.find(&finding.Subject)
	if !known {
		own := finding.Subject
		number = l.subjects.add(&own)
	}
	*in = judged{Finding: finding, subject: number, derived: finding.FromGap}
	l.complete(check, in)
	one := mergeOne([]*judged{in}, l.mostMerged(check))
	l.accept(check, one)
	return one
}

// mostMerged bounds the evidence with which findings are merged: waivers see it all.
func (l *ledger) mostMerged(check int) int {
	if l.use != nil {
		return allEvidence
	}
	return l.most(check)
}

// accept applies the waivers to a finding that is merged, and then bounds its evidence. What is
// unknown next to a fail shows once the fail is accepted.
func (l *ledger) accept(check int, j *judged) {
	if l.use == nil {
		return
	}
	f := j.Finding
	l.use.Apply(f)
	var evidence byNode[api.Evidence]
	for _, e := range f.Evidence {
		evidence.add(nodeOf(e.Source), e)
	}
	if f.Verdict == api.Accepted && j.unknown != nil {
		f.Reason, f.Message = j.unknown.Reason, f.Message+"; "+j.unknown.Message
		for _, e := range j.unknown.Evidence {
			evidence.add(nodeOf(e.Source), e)
		}
	}
	if len(evidence.list) > len(f.Evidence) || len(f.Evidence) > l.most(check) {
		f.Evidence = cutEvidence(&evidence, l.most(check), f.Basis)
	}
}

// finding is the finding of an entry.
func (l *ledger) finding(e *entry) *api.Finding {
	r := rerun{ledger: l}
	defer r.stop()
	return r.finding(e)
}

// all gives the findings in their order.
func (l *ledger) all(yield func(api.Finding) bool) {
	r := rerun{ledger: l}
	defer r.stop()
	for i := range l.entries {
		e := &l.entries[i]
		f := r.finding(e)
		if !yield(*f) {
			return
		}
	}
}

// rerun gives the findings of entries. It makes those of checks with Each again, and
// goes through what a check gives once for all entries that are in its order.
type rerun struct {
	ledger *ledger
	check  uint16
	next   func() (api.Finding, bool) // nil before the first
	end    func()
	at     int32 // of the next
	judged judged
}

func (r *rerun) stop() {
	if r.next != nil {
		r.end()
		r.next = nil
	}
}

// finding is valid until the next call.
func (r *rerun) finding(e *entry) *api.Finding {
	if !r.ledger.classes[e.class].again {
		return r.ledger.kept[e.at]
	}
	if r.next == nil || r.check != e.check || r.at > e.at {
		r.stop()
		r.next, r.end = iter.Pull(r.ledger.checks[e.check].Each(r.ledger.view))
		r.check, r.at, r.judged = e.check, 0, judged{Finding: new(api.Finding)}
	}
	for {
		f, ok := r.next()
		if !ok {
			panic("checks: " + r.ledger.checks[e.check].ID + " gives fewer findings than before")
		}
		r.at++
		if r.at > e.at {
			return r.ledger.again(int(e.check), f, &r.judged).Finding
		}
	}
}

// kind is what findings are sorted by before their subject.
type kind struct {
	verdict  api.Verdict
	severity api.Severity
	check    string
}

// compare orders by verdict and severity, the worst first, then by question and check.
func (k kind) compare(o kind) int {
	question := func(check string) int {
		q := Check{ID: check}.Question()
		return slices.IndexFunc(Questions(), func(info QuestionInfo) bool { return info.Question == q })
	}
	return cmp.Or(
		cmp.Compare(o.verdict.Rank(), k.verdict.Rank()),
		cmp.Compare(o.severity.Rank(), k.severity.Rank()),
		cmp.Compare(question(k.check), question(o.check)),
		cmp.Compare(k.check, o.check),
		cmp.Compare(k.verdict, o.verdict), // of those that have no rank
		cmp.Compare(k.severity, o.severity),
	)
}

// SortFindings orders findings as a report prints them: by verdict and severity, the
// worst first, then by question, check and subject.
func SortFindings(findings []api.Finding) {
	kindOf := func(f *api.Finding) kind { return kind{f.Verdict, f.Severity, f.Check} }
	slices.SortStableFunc(findings, func(a, b api.Finding) int {
		return cmp.Or(kindOf(&a).compare(kindOf(&b)), a.Subject.Compare(&b.Subject))
	})
}

// sort orders the entries as SortFindings orders findings. No check has two findings of
// one subject.
func (l *ledger) sort() {
	type pair struct{ check, class uint16 }
	kindOf := func(p pair) kind {
		c := &l.classes[p.class]
		return kind{c.verdict, c.severity, l.checks[p.check].ID}
	}
	places := make([][]int32, len(l.checks)) // of each pair's kind, by check and class
	var pairs []pair
	for i := range l.entries {
		e := &l.entries[i]
		if places[e.check] == nil {
			places[e.check] = make([]int32, len(l.classes))
		}
		if places[e.check][e.class] == 0 {
			places[e.check][e.class] = 1
			pairs = append(pairs, pair{e.check, e.class})
		}
	}
	slices.SortFunc(pairs, func(a, b pair) int { return kindOf(a).compare(kindOf(b)) })
	for i, p := range pairs {
		switch {
		case i == 0:
			places[p.check][p.class] = 1
		case kindOf(p) == kindOf(pairs[i-1]):
			places[p.check][p.class] = places[pairs[i-1].check][pairs[i-1].class]
		default:
			places[p.check][p.class] = int32(i) + 1
		}
	}
	ranks := l.subjects.ranks()
	compare := func(a, b entry) int {
		return cmp.Or(
			cmp.Compare(places[a.check][a.class], places[b.check][b.class]),
			cmp.Compare(ranks[a.subject], ranks[b.subject]),
		)
	}
	if len(l.entries) > maxCounted {
		slices.SortFunc(l.entries, compare)
		return
	}
	other := make([]entry, len(l.entries))
	countingSort(other, l.entries, len(ranks), func(e *entry) int32 { return ranks[e.subject] })
	countingSort(l.entries, other, len(pairs)+1, func(e *entry) int32 { return places[e.check][e.class] })
}

// maxCounted bounds how many entries are sorted by counting, which takes as much memory again.
const maxCounted = 1 << 16

// countingSort writes entries in the order of a number below most, and leaves those with the
// same number in their order.
func countingSort(to, from []entry, most int, number func(*entry) int32) {
	next := make([]int32, most+1)
	for i := range from {
		next[number(&from[i])+1]++
	}
	for i := 1; i < len(next); i++ {
		next[i] += next[i-1]
	}
	for i := range from {
		n := number(&from[i])
		to[next[n]] = from[i]
		next[n]++
	}
}

// span is a part of the entries, of one check.
type span struct{ from, to int }

// byCheck is where each check's entries are, in their order, once they are sorted.
func (l *ledger) byCheck() [][]span {
	of := make([][]span, len(l.checks))
	for i := 0; i < len(l.entries); {
		s := span{i, i + 1}
		check := l.entries[i].check
		for s.to < len(l.entries) && l.entries[s.to].check == check {
			s.to++
		}
		of[check] = append(of[check], s)
		i = s.to
	}
	return of
}
