package checks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// answers answers the plan's questions part by part, from the findings. This is
// the only place that does. A part is
//
//   - no, if one of its findings of at least medium severity fails (a finding that other
//     checks of the plan cover counts with what remains: api.Finding.CoveredBy);
//   - else unknown, if one of its checks is missing in this version, did not run,
//     has an unknown finding or a gap, if one that measures has only read what a
//     running container declares, if nothing was in its scope, or if the run
//     looked at a part of the cluster only;
//   - else yes.
//
// A question gets the worst answer of its parts. Optional parts that could not
// be answered do not count, unless their database is there and the user left out one of
// their checks. A yes needs a measured finding: a declaration alone
// is never enough. Workloads is the same rule without platform subjects. Gaps
// are among the findings, as unknown ones (see JudgeSet).
func (v *View) answers(plan *Plan, findings *ledger) []api.Answer {
	return v.answersOf(plan, v.count(plan, findings))
}

// counted is what answers a question: what was counted of its findings.
type counted struct {
	info  QuestionInfo
	whole *sum
	parts []countedPart
}

// countedPart is counted, of a part. Missing names the checks that this version does not
// have, idle those that did not run.
type countedPart struct {
	part          Part
	missing, idle string
	sum           *sum
}

// count counts the findings of a ledger for each question that the plan asks.
func (v *View) count(plan *Plan, findings *ledger) []counted {
	byCheck := findings.byCheck()
	var out []counted
	for _, info := range Questions() {
		if !plan.asks(info.Question) {
			continue
		}
		question := counted{info: info}
		whole := newTally(v, findings)
		for _, part := range PartsOf(plan.Parts, info.Question) {
			t := newTally(v, findings)
			p := countedPart{part: part}
			p.missing, p.idle = t.addPart(plan, part, byCheck)
			whole.addAll(t)
			p.sum = t.sum()
			question.parts = append(question.parts, p)
		}
		question.whole = whole.sum()
		out = append(out, question)
	}
	return out
}

// add counts so many times what others have counted by the same plan, of other subjects.
func (q *counted) add(o *counted, times int) {
	q.whole.add(o.whole, times)
	for i := range q.parts {
		q.parts[i].sum.add(o.parts[i].sum, times)
	}
}

// empty is the same question, of which nothing was counted.
func (q *counted) empty() counted {
	none := counted{info: q.info, whole: q.whole.empty(), parts: slices.Clone(q.parts)}
	for i := range none.parts {
		none.parts[i].sum = none.parts[i].sum.empty()
	}
	return none
}

// of is what was counted of a workload, as that of another owner.
func (q *counted) of(owner *fact.Subject) counted {
	other := counted{info: q.info, whole: q.whole.of(owner), parts: slices.Clone(q.parts)}
	for i := range other.parts {
		other.parts[i].sum = other.parts[i].sum.of(owner)
	}
	return other
}

// answersOf answers questions by what was counted.
func (v *View) answersOf(plan *Plan, questions []counted) []api.Answer {
	var out []api.Answer
	for i := range questions {
		out = append(out, v.answer(plan, &questions[i]))
	}
	return out
}

func (v *View) answer(plan *Plan, question *counted) api.Answer {
	info, whole := question.info, question.whole
	answer := api.Answer{Question: info.Question, Number: info.Number, Text: info.Text}
	var all, workloads worst
	for _, p := range question.parts {
		part, t := p.part, p.sum
		a := api.PartAnswer{
			Part: part.Name, Title: part.Title, Optional: part.Optional,
			Coverage: t.coverage(), Unknown: t.unknowns, Accepted: t.accepted, Workloads: api.NotApplicable,
		}
		given := !part.Optional || t.findings > 0 && p.missing == "" && p.idle == "" || v.leftOut(plan, part)
		var why string
		a.Answer, why = t.all.word(plan, p.missing, p.idle)
		a.Reason = why
		all.add(part, a.Answer, why, given)
		if info.Workloads {
			a.Workloads, why = t.workloads.word(plan, p.missing, p.idle)
			if a.Answer != api.Unknown {
				a.WorkloadsReason = why
			}
			workloads.add(part, a.Workloads, why, given)
		}
		answer.Parts = append(answer.Parts, a)
	}
	answer.Coverage = whole.coverage()
	if whole.findings > 0 {
		all.limited, workloads.limited = plan.limited(), plan.limited()
	}
	answer.Answer, answer.Reason = all.word(whole.all.measured)
	answer.Workloads = api.NotApplicable
	if info.Workloads {
		answer.Workloads, answer.WorkloadsReason = workloads.word(whole.workloads.measured)
		if answer.Answer == api.Unknown {
			answer.WorkloadsReason = ""
		}
	}
	if len(whole.failing) > 0 {
		answer.Failing = whole.failing
	}
	answer.Unknowns, answer.Accepted = whole.unknowns, whole.accepted
	return answer
}

// leftOut reports whether a check of a part was left out although the facts have the
// database that it compares with.
func (v *View) leftOut(plan *Plan, part Part) bool {
	return v.Vulnerabilities != nil && slices.ContainsFunc(part.Checks, func(id string) bool {
		return plan.knows(id) && !plan.waits(id) && !slices.ContainsFunc(plan.Checks, func(c Check) bool { return c.ID == id })
	})
}

// tally counts the findings of a part, or of a question.
type tally struct {
	view     *View
	findings int
	failing  map[api.Severity]int
	unknowns int
	accepted int
	// measures is true once a check that measures has run. Then only what it
	// could measure is in scope.
	measures       bool
	ledger         *ledger
	seen           []seen // by the number of the subject
	notRunning     bool   // whether pods that do not run matter here
	all, workloads verdicts
}

// seen is what a tally knows about a subject.
type seen uint8

const (
	judgedOnce seen = 1 << iota // some check has a finding about it
	inScope                     // a check that measures has one, and it runs
	measuredOnce
	openOnce // some check has left something about it open
	unmeasuredOnce
)

// verdicts is what decides an answer, of all subjects or of the workloads.
type verdicts struct {
	failed     bool
	open       firstOf // without a verdict
	unmeasured firstOf // passes of checks that measure, of what runs and was not measured
	any        bool    // whether there are any
	measured   bool
	expected   []expected // of each check that measures, in the part's order
}

// expected is a check that measures, and how many findings it has of what runs.
type expected struct {
	check    string
	findings int
}

// firstOf is the most telling of several findings, and how many subjects they
// have.
type firstOf struct {
	entry    *entry // nil without any
	check    int    // its place in the part
	fromGap  bool
	subjects int
	// finding and kind are filled in by resolve.
	finding *api.Finding
	kind    kind
}

// add counts a finding, and its subject if it is a new one. A gap says more
// than its consequences.
func (o *firstOf) add(f *entry, c *class, check int, isNew bool) {
	if o.entry == nil || c.fromGap && !o.fromGap {
		o.entry, o.fromGap, o.check = f, c.fromGap, check
	}
	if isNew {
		o.subjects++
	}
}

// resolve makes a copy of the finding, so that the ledger is no longer needed.
func (o *firstOf) resolve(l *ledger) {
	if o.entry == nil {
		return
	}
	finding, c := *l.finding(o.entry), &l.classes[o.entry.class]
	finding.Evidence = nil
	o.finding, o.kind, o.entry = &finding, kind{c.verdict, c.severity, l.checks[o.entry.check].ID}, nil
}

// join adds, so many times, what is the most telling of other subjects.
func (o *firstOf) join(with *firstOf, times int) {
	if with.finding == nil {
		return
	}
	if o.finding == nil || with.before(o) {
		o.finding, o.kind, o.fromGap, o.check = with.finding, with.kind, with.fromGap, with.check
	}
	o.subjects += with.subjects * times
}

// before reports whether it comes before another in the order in which findings are
// counted.
func (o *firstOf) before(other *firstOf) bool {
	switch {
	case o.fromGap != other.fromGap:
		return o.fromGap
	case o.check != other.check:
		return o.check < other.check
	}
	return cmp.Or(o.kind.compare(other.kind), o.finding.Subject.Compare(&other.finding.Subject)) < 0
}

// sum is what a tally has counted, without its ledger.
type sum struct {
	findings, unknowns         int
	accepted                   int
	failing                    map[api.Severity]int
	judged, inScope, measured  int // subjects: see seen
	measures, countsNotRunning bool
	notRunning                 int
	all, workloads             verdicts
}

// sum ends the counting.
func (t *tally) sum() *sum {
	s := &sum{
		findings: t.findings, unknowns: t.unknowns, accepted: t.accepted, failing: t.failing,
		measures: t.measures, countsNotRunning: t.notRunning, notRunning: t.view.notRunning,
		all: t.all, workloads: t.workloads,
	}
	for _, of := range t.seen {
		if of&judgedOnce != 0 {
			s.judged++
		}
		if of&inScope != 0 {
			s.inScope++
		}
		if of&measuredOnce != 0 {
			s.measured++
		}
	}
	for _, v := range []*verdicts{&s.all, &s.workloads} {
		v.open.resolve(t.ledger)
		v.unmeasured.resolve(t.ledger)
	}
	return s
}

// empty is a sum for the same checks, in which nothing was counted.
func (s *sum) empty() *sum {
	expects := func(v *verdicts) verdicts {
		none := verdicts{expected: slices.Clone(v.expected)}
		for i := range none.expected {
			none.expected[i].findings = 0
		}
		return none
	}
	return &sum{failing: map[api.Severity]int{}, all: expects(&s.all), workloads: expects(&s.workloads)}
}

// of is the sum of a workload's findings, as that of another owner.
func (s *sum) of(owner *fact.Subject) *sum {
	other := *s
	for _, o := range []*firstOf{&other.all.open, &other.all.unmeasured, &other.workloads.open, &other.workloads.unmeasured} {
		if o.finding != nil {
			finding := *o.finding
			finding.Subject.Namespace, finding.Subject.Name, finding.Subject.File = owner.Namespace, owner.Name, owner.File
			o.finding = &finding
		}
	}
	return &other
}

// add counts so many times what was counted of other subjects.
func (s *sum) add(o *sum, times int) {
	s.findings += o.findings * times
	s.unknowns += o.unknowns * times
	s.accepted += o.accepted * times
	for severity, n := range o.failing {
		s.failing[severity] += n * times
	}
	s.judged += o.judged * times
	s.inScope += o.inScope * times
	s.measured += o.measured * times
	s.measures, s.countsNotRunning = s.measures || o.measures, s.countsNotRunning || o.countsNotRunning
	s.notRunning += o.notRunning * times
	s.all.join(&o.all, times)
	s.workloads.join(&o.workloads, times)
}

func (v *verdicts) join(o *verdicts, times int) {
	v.failed, v.any, v.measured = v.failed || o.failed, v.any || o.any, v.measured || o.measured
	v.open.join(&o.open, times)
	v.unmeasured.join(&o.unmeasured, times)
	for i := range v.expected {
		v.expected[i].findings += o.expected[i].findings * times
	}
}

func (s *sum) coverage() api.Coverage {
	c := api.Coverage{InScope: s.judged, Measured: s.measured}
	if s.measures {
		c.InScope = s.inScope
	}
	if s.countsNotRunning {
		c.NotRunning = s.notRunning
	}
	return c
}

func newTally(v *View, findings *ledger) *tally {
	return &tally{view: v, failing: map[api.Severity]int{}, ledger: findings, seen: make([]seen, findings.subjects.size())}
}

// addPart adds the findings of a part's checks. Missing names those that this
// version does not have, idle those that did not run.
func (t *tally) addPart(plan *Plan, part Part, byCheck [][]span) (missing, idle string) {
	var lacks, left, waits []string
	for at, id := range part.Checks {
		i := slices.IndexFunc(plan.Checks, func(c Check) bool { return c.ID == id })
		switch {
		case i >= 0:
			t.addCheck(&plan.Checks[i], at, byCheck[i])
		case plan.waits(id):
			waits = append(waits, slug(id))
		case plan.knows(id):
			left = append(left, slug(id))
		default:
			lacks = append(lacks, slug(id))
		}
	}
	if len(lacks) > 0 {
		missing = "Unsupported: this version has no " + strings.Join(lacks, ", ")
	}
	if len(waits) > 0 {
		idle = "NotRequested: no database was given for " + strings.Join(waits, ", ") + ": see --vulnerabilities"
	}
	if len(left) > 0 {
		idle = "NotRequested: did not run: " + strings.Join(left, ", ")
	}
	return missing, idle
}

func slug(id string) string { return Check{ID: id}.Slug() }

func (t *tally) addCheck(c *Check, at int, findings []span) {
	t.measures = t.measures || c.Measures()
	t.notRunning = t.notRunning || c.Measures() && c.Scope == ScopeWorkload
	inAll, inWorkloads := 0, 0
	for _, of := range findings {
		for i := of.from; i < of.to; i++ {
			f := &t.ledger.entries[i]
			is := &t.ledger.classes[f.class]
			t.findings++
			measured := is.basis == api.Measured && is.verdict != api.VerdictUnknown
			s := &t.seen[f.subject]
			before := *s
			*s |= judgedOnce
			if c.Measures() && !(c.Scope == ScopeWorkload && t.ledger.subjects.idle(int(f.subject))) {
				*s |= inScope
				if measured {
					*s |= measuredOnce
				}
			}
			if is.verdict == api.Fail && is.counted != "" {
				t.failing[is.counted]++
			}
			if is.verdict == api.Accepted {
				t.accepted++
			}
			if is.open {
				t.unknowns++
				*s |= openOnce
			}
			if is.unmeasured {
				*s |= unmeasuredOnce
			}
			if !is.idle {
				inAll++
			}
			t.all.add(f, is, at, measured, before)
			if !is.platform {
				if !is.idle {
					inWorkloads++
				}
				t.workloads.add(f, is, at, measured, before)
			}
		}
	}
	if c.Measures() {
		t.all.expect(inAll, c.ID)
		t.workloads.expect(inWorkloads, c.ID)
	}
}

// addAll adds what another tally has counted.
func (t *tally) addAll(o *tally) {
	t.findings += o.findings
	t.unknowns += o.unknowns
	t.accepted += o.accepted
	t.measures, t.notRunning = t.measures || o.measures, t.notRunning || o.notRunning
	for severity, n := range o.failing {
		t.failing[severity] += n
	}
	for i, s := range o.seen {
		t.seen[i] |= s
	}
	t.all.measured = t.all.measured || o.all.measured
	t.workloads.measured = t.workloads.measured || o.workloads.measured
}

// add counts a finding. Before is what was seen of its subject so far.
func (v *verdicts) add(f *entry, is *class, check int, measured bool, before seen) {
	v.any = true
	v.failed = v.failed || is.verdict == api.Fail && is.counted.Rank() >= api.Medium.Rank()
	v.measured = v.measured || measured
	if is.open {
		v.open.add(f, is, check, before&openOnce == 0)
	}
	if is.unmeasured {
		v.unmeasured.add(f, is, check, before&unmeasuredOnce == 0)
	}
}

// expect notes a check that measures, and how many findings it has.
func (v *verdicts) expect(findings int, check string) {
	v.expected = append(v.expected, expected{check, findings})
}

// word answers a part, and says why it is unknown.
func (v *verdicts) word(plan *Plan, missing, idle string) (api.AnswerWord, string) {
	silent := slices.IndexFunc(v.expected, func(e expected) bool { return e.findings == 0 })
	switch {
	case v.failed:
		return api.No, ""
	case v.open.finding != nil && plan.WhatIf && v.open.finding.Reason == fact.NotMeasured:
		return api.Unknown, nothingLeft
	case v.open.finding != nil:
		return api.Unknown, v.open.because()
	case v.unmeasured.finding != nil:
		return api.Unknown, string(fact.NotPresent) + ": declared but not measured: " + subjectWords(v.unmeasured.finding.Subject) + v.unmeasured.more()
	case missing != "":
		return api.Unknown, missing
	case idle != "":
		return api.Unknown, idle
	case plan.limited() != "":
		// This comes after what did not run: where nobody looked, nothing was
		// found either.
		return api.Unknown, plan.limited()
	case !v.any:
		return api.Unknown, string(fact.NotPresent) + ": nothing was in scope"
	case silent >= 0:
		return api.Unknown, string(fact.NotPresent) + ": nothing was in scope of " + slug(v.expected[silent].check)
	}
	return api.Yes, ""
}

// nothingLeft is the best answer of a run whose facts are of what would be.
const nothingLeft = string(fact.NotMeasured) + ": nothing left that fails; measure after"

// limited says why a run never says yes, whatever it finds; "" if it may.
func (p *Plan) limited() string {
	switch {
	case p.WhatIf:
		return nothingLeft
	case p.Narrowed != "":
		return string(fact.NotRequested) + ": " + p.Narrowed + "; nothing found there"
	}
	return ""
}

// because says in a few words what is unknown: the first, and how many more.
func (o *firstOf) because() string {
	first := o.finding
	text := fmt.Sprintf("%s: %s", first.Reason, subjectWords(first.Subject))
	if k := first.Subject.Kind; first.Subject.Namespace == "" && (k == fact.SubjectCluster || k == fact.SubjectFile) {
		// A finding about everything is named by its message, up to the first
		// punctuation.
		words := first.Message
		if i := strings.IndexAny(words, ",:;"); i > 0 {
			words = words[:i]
		}
		text = fmt.Sprintf("%s: %s", first.Reason, words)
	} else if nodes := silentNodes(first.Message); nodes != "" {
		// The reason is the node's, not the workload's.
		text = fmt.Sprintf("%s: %s did not answer: %s", first.Reason, nodes, subjectWords(first.Subject))
	}
	return text + o.more()
}

// more says how many subjects there are besides the first: " and 3 more".
func (o *firstOf) more() string {
	if o.subjects < 2 {
		return ""
	}
	return fmt.Sprintf(" and %d more", o.subjects-1)
}

// subjectWords names a subject in a few words: "node w17", "deployment shop/web app".
func subjectWords(s fact.Subject) string {
	name := s.Name
	if s.Namespace != "" {
		name = s.Namespace + "/" + s.Name
	}
	words := strings.ToLower(s.Kind) + " " + name
	if s.Container != "" {
		words += " " + s.Container
	}
	return words
}

// worst is a question's answer while its parts are added.
type worst struct {
	limited string // why the run never says yes, if it read anything for the question
	no      bool
	unknown []reasoned
	parts   int
}

type reasoned struct{ part, reason string }

func (w *worst) add(part Part, answer api.AnswerWord, reason string, given bool) {
	w.parts++
	switch {
	case answer == api.No:
		w.no = true
	case answer == api.Unknown && given:
		w.unknown = append(w.unknown, reasoned{part.Name, reason})
	}
}

// word returns the answer and, if it is unknown, the most important reason:
// what could not be read, then what the run left out, then what is not built.
func (w *worst) word(measured bool) (api.AnswerWord, string) {
	switch {
	case w.no:
		return api.No, ""
	case len(w.unknown) > 0:
		reason, read := summary(w.unknown)
		if w.limited != "" && !read {
			// Where something was read, what was left out matters more than
			// what this version cannot read.
			reason = w.limited
		}
		return api.Unknown, reason
	case w.parts == 0:
		return api.Unknown, "no part of it is listed"
	case w.limited == nothingLeft:
		return api.Unknown, w.limited
	case !measured:
		return api.Unknown, "nothing was measured"
	}
	return api.Yes, ""
}

// Read reports that the reason is about something that was not read.
func summary(unknown []reasoned) (reason string, read bool) {
	var names []string
	for _, u := range unknown {
		if !strings.HasPrefix(u.reason, "Unsupported: ") && !strings.HasPrefix(u.reason, "NotRequested: did not run") {
			return u.reason, true
		}
	}
	for _, prefix := range []string{"NotRequested: ", "Unsupported: "} {
		for _, u := range unknown {
			if strings.HasPrefix(u.reason, prefix) {
				names = append(names, u.part)
			}
		}
		if len(names) > 0 {
			word := "not in this version: "
			if prefix == "NotRequested: " {
				word = "not run: "
			}
			return word + strings.Join(names, ", "), false
		}
	}
	return unknown[0].reason, true
}
