package checks

import (
	"cmp"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/waiver"
)

// MaxEvidence bounds the evidence of one finding; what lies beyond is counted.
const MaxEvidence = 8

// maxMessages bounds the messages that Merge joins.
const maxMessages = 3

// Result is a judged set of facts.
type Result struct {
	Answers  []api.Answer
	Findings []api.Finding
	Gaps     []fact.Gap
	// OtherStores names etcd databases that are not this cluster's.
	OtherStores []string
	// Provider is the one that was computed.
	Provider string
	// Waivers says what became of the plan's waivers; nil if it has none.
	Waivers *api.WaiverUse
}

// Judgement is a judged set of facts whose findings are not all in memory: those of
// a check with Each are made when they are read.
type Judgement struct {
	// Result is without its Findings.
	Result

	ledger *ledger
	each   iter.Seq[api.Finding] // of a Stream; nil for those of the ledger
	err    error
	// few and failing are of a Stream.
	few     func(most int, yield func(api.Finding, *Said) bool)
	failing []*Failing
}

// All gives the findings in the order of a report, each time the same. It makes
// those of a check with Each again. Without Err, it gave all of them.
func (j *Judgement) All() iter.Seq[api.Finding] {
	if j.each != nil {
		return j.each
	}
	return j.ledger.all
}

// Few gives the first findings of All of each that say the same, at most so many, with the
// count of all of these. Failing counts objects by check and kind. Both are only there for a
// Stream: ok is false if there are not so many findings.
func (j *Judgement) Few(most int) (few iter.Seq2[api.Finding, *Said], failing []*Failing, ok bool) {
	if j.few == nil {
		return nil, nil, false
	}
	return func(yield func(api.Finding, *Said) bool) { j.few(most, yield) }, j.failing, true
}

// Err says why the last All did not give all findings: a temporary file that could not be
// read back.
func (j *Judgement) Err() error { return j.err }

// Store is the store that answers for the cluster's Secrets, nil if none was read.
func (j *Judgement) Store() *Store {
	stores := j.ledger.view.Stores()
	if len(stores.Ours) == 0 {
		return nil
	}
	return &stores.Ours[0]
}

// JudgeSet judges facts by a plan. It is pure: the same input gives the same result,
// in the same order. Gaps that affect none of the checks are left out.
func JudgeSet(plan Plan, set *fact.Set) Result {
	judgement := Judge(plan, set)
	result := judgement.Result
	if n := len(judgement.ledger.entries); n > 0 {
		result.Findings = slices.AppendSeq(make([]api.Finding, 0, n), judgement.All())
	}
	return result
}

// Judge is JudgeSet for facts that have very many findings. The facts must not
// change while the findings are read.
func Judge(plan Plan, set *fact.Set) *Judgement {
	v := NewView(set)
	plan.withhold(v.Set)
	plan.narrow(v, len(v.Workloads) > 0)
	use := plan.use(v.Set)
	ledger, gaps := v.judge(&plan, use)
	return &Judgement{
		Result: Result{
			Answers:     v.answers(&plan, ledger),
			Gaps:        gaps,
			OtherStores: v.Stores().names(),
			Provider:    v.Cluster.Provider,
			Waivers:     use.Report(plan.runs),
		},
		ledger: ledger,
	}
}

// narrow notes that a run looked at a part of a cluster, where only the facts say so.
func (p *Plan) narrow(v *View, workloads bool) {
	switch {
	case p.Narrowed != "":
	case v.Snapshot != nil:
		p.Narrowed = "only a store's file"
	case v.PodScope != fact.PodsAll && (v.PodScope != fact.PodsNotListed || workloads):
		// Some pods, or pods that the facts do not call complete.
		p.Narrowed = "only some pods"
	}
}

// judge judges by all checks, and gives the gaps that affect one.
func (v *View) judge(plan *Plan, use *waiver.Use) (*ledger, []fact.Gap) {
	gaps := v.affecting(plan, v.gaps(plan))
	subjects := newRoster(v)
	open := make([]openGap, len(gaps))
	affected := map[string][]*openGap{}
	sources := map[fact.Kind]string{}
	for _, kind := range fact.Kinds() {
		sources[kind] = "gap " + string(kind)
	}
	for i := range gaps {
		open[i] = openGap{
			Gap: &gaps[i], message: gapMessage(&gaps[i]), source: sources[gaps[i].What], subject: subjects.number(&gaps[i].Subject),
		}
		for _, id := range gaps[i].Affects {
			affected[id] = append(affected[id], &open[i])
		}
	}
	ledger := newLedger(v, plan.Checks, subjects, use)
	for i := range plan.Checks {
		if check := &plan.Checks[i]; check.Each != nil {
			ledger.addEach(i, affected[check.ID])
		} else {
			ledger.add(i, check.Judge(v), affected[check.ID])
		}
	}
	ledger.sort()
	return ledger, gaps
}

// judged is a finding with what else a run knows about it.
type judged struct {
	*api.Finding
	subject int // the number of its subject
	// idle is true if it is only about containers that do not run: there is
	// nothing but their declaration.
	idle bool
	// unmeasured is true if a check that measures has read only the declaration
	// of a running container.
	unmeasured bool
	// derived is true if it follows from a node's gap, which has a finding of its own.
	derived bool
	// unknown is what a fail hides of its subject: what is unknown. Nil if nothing is. A waiver
	// that covers the fail does not cover it.
	unknown *api.Finding
}

// complete fills in what Judge leaves to the check's metadata and to the run,
// and enforces the rule that a verdict without evidence is unknown.
func (v *View) complete(j *judged, check *Check, room *evidenceRoom) {
	f := j.Finding
	f.Check, f.Question = check.ID, check.Question()
	if f.Severity == "" {
		f.Severity = check.Severity
	}
	if f.Basis == "" {
		f.Basis = check.Basis
	}
	if f.Verdict == api.VerdictUnknown && f.Reason == "" {
		f.Reason = fact.NotPresent
	}
	noPass := f.Verdict == api.Pass && len(f.Evidence) == 0
	if noPass || !slices.Contains([]api.Verdict{api.Pass, api.Fail, api.VerdictUnknown}, f.Verdict) {
		f.Verdict, f.Reason = api.VerdictUnknown, fact.NotPresent
		f.Message = "the check gave no evidence for its verdict"
	}
	if f.Basis == api.Declared {
		v.withholdPartial(f)
	}
	// A check may give several findings the same evidence: what changes is copied.
	if slices.ContainsFunc(f.Evidence, func(e api.Evidence) bool { return e.Basis == "" }) {
		f.Evidence = room.clone(f.Evidence)
		for i := range f.Evidence {
			f.Evidence[i].Basis = cmp.Or(f.Evidence[i].Basis, f.Basis)
		}
	}
	if f.Basis == api.Declared {
		v.withholdUnanswered(f, check)
	}
	if f.Verdict == api.Fail && f.Remediation.Text == "" {
		f.Remediation.Text = check.Remediation
	}
	j.setMeasured(v, check)
}

// evidenceRoom is where evidence is copied to: many entries at once.
type evidenceRoom struct{ free []api.Evidence }

func (r *evidenceRoom) clone(list []api.Evidence) []api.Evidence {
	n := len(list)
	if len(r.free) < n {
		r.free = make([]api.Evidence, max(n, 128))
	}
	out := r.free[:n:n]
	r.free = r.free[n:]
	copy(out, list)
	return out
}

// setMeasured sets how much of the finding's subject was measured.
func (j *judged) setMeasured(v *View, check *Check) {
	f := j.Finding
	// A namespace does not run: what is declared of it was not measured.
	j.idle = f.Basis == api.Declared && check.Measures() && check.Scope == ScopeWorkload && f.Subject.Kind != fact.SubjectNamespace && !v.anyRuns(f.Subject)
	j.unmeasured = f.Basis == api.Declared && check.Measures() && f.Verdict != api.VerdictUnknown && !j.idle &&
		!slices.ContainsFunc(f.Evidence, func(e api.Evidence) bool { return e.Basis == api.Measured })
}

// openGap is a gap with what its findings have in common.
type openGap struct {
	*fact.Gap
	message string
	source  string // of its evidence
	subject int    // the number of its subject
}

func gapMessage(gap *fact.Gap) string {
	return string(gap.What) + " not read: " + cmp.Or(gap.Detail, string(gap.Reason))
}

// finding is the finding of a check that needs the missing facts.
func (gap *openGap) finding(evidence []api.Evidence) api.Finding {
	return api.Finding{
		Verdict:     api.VerdictUnknown,
		Subject:     gap.Subject,
		Message:     gap.message,
		Reason:      gap.Reason,
		Remediation: api.Remediation{Text: gap.Hint},
		FromGap:     true,
		Evidence:    evidence,
	}
}

// merge joins findings of one check that have one subject. The worst verdict
// remains, and among its findings the one with the highest severity gives
// severity, reason and remediation. Messages are joined. Evidence is kept up to
// MaxEvidence, in turn by node, so that no node's findings push out another's.
// Pods are united, so that the pods of a fail are those that fail. The result
// does not depend on the order of the findings, except for the order of
// subjects.
//
// A fail below medium makes no answer a no. Next to an unknown it stays a fail.
// What is unknown is added to its message and evidence and gives it a reason,
// so that neither hides the other (api.Finding.Open).
//
// A pass that was measured for some running containers and only declared for
// others is declared. Any other verdict has the basis of its gravest finding.
//
// Subjects is how many there are: their numbers are below it. Most bounds the
// evidence of a finding.
func merge(findings []*judged, subjects, most int) []*judged {
	// Groups keep the order in which their subjects come first.
	groupOf := make([]int32, subjects) // one more than the group's index; 0 means none
	sizes := make([]int, 0, len(findings))
	for _, f := range findings {
		if groupOf[f.subject] == 0 {
			sizes = append(sizes, 0)
			groupOf[f.subject] = int32(len(sizes))
		}
		sizes[groupOf[f.subject]-1]++
	}
	if len(sizes) == len(findings) { // each subject once, as nearly always
		for i := range findings {
			findings[i] = mergeOne(findings[i:i+1], most)
		}
		return findings
	}
	groups := make([][]*judged, len(sizes))
	rest := make([]*judged, len(findings))
	for i, size := range sizes {
		groups[i], rest = rest[:0:size], rest[size:]
	}
	for _, f := range findings {
		i := groupOf[f.subject] - 1
		groups[i] = append(groups[i], f)
	}
	out := findings[:0]
	for _, group := range groups {
		out = append(out, mergeOne(group, most))
	}
	return out
}

// mergeOne joins findings of one check and subject.
func mergeOne(findings []*judged, most int) *judged {
	if len(findings) == 1 && findings[0].alone() {
		return findings[0]
	}
	slices.SortStableFunc(findings, func(a, b *judged) int {
		return cmp.Or(
			cmp.Compare(b.Verdict.Rank(), a.Verdict.Rank()),
			cmp.Compare(b.Severity.Rank(), a.Severity.Rank()),
			cmp.Compare(b.Basis, a.Basis), // measured before declared
			cmp.Compare(a.Message, b.Message),
			cmp.Compare(a.Reason, b.Reason),
			cmp.Compare(a.Remediation.Text, b.Remediation.Text),
			slices.CompareFunc(a.Evidence, b.Evidence, compareEvidence),
			slices.Compare(a.Subject.Pods, b.Subject.Pods),
		)
	})
	merged := findings[0]
	low := merged.Verdict == api.Fail && merged.Severity.Rank() < api.Medium.Rank()
	stays := func(v api.Verdict) bool { return v == merged.Verdict || low && v == api.VerdictUnknown }
	var (
		messages byNode[string]
		evidence byNode[api.Evidence]
		pods     []string
		count    int
	)
	merged.CoveredBy, merged.Remaining = mergeCovered(findings, stays)
	if merged.Verdict == api.Fail && !low {
		if i := slices.IndexFunc(findings, func(f *judged) bool { return f.Verdict == api.VerdictUnknown }); i > 0 {
			merged.unknown = findings[i].Finding
		}
	}
	fromGap, idle, basis := true, true, merged.Basis
	merged.unmeasured = slices.ContainsFunc(findings, func(f *judged) bool { return f.unmeasured })
	for _, f := range findings {
		if !stays(f.Verdict) {
			break // they are sorted
		}
		fromGap, idle = fromGap && f.FromGap, idle && f.idle
		if low && f.Verdict == api.VerdictUnknown && merged.Reason == "" {
			merged.Reason = f.Reason
		}
		node := ""
		for _, e := range f.Evidence {
			own := nodeOf(e.Source)
			node = cmp.Or(node, own)
			evidence.add(own, e)
		}
		messages.add(node, f.Message)
		if f.Basis == api.Declared && f.Verdict == api.Pass && !f.idle {
			basis = api.Declared
		}
		merged.Subject.Platform = merged.Subject.Platform || f.Subject.Platform
		pods = append(pods, f.Subject.Pods...)
		count = max(count, f.Subject.PodCount)
	}
	merged.FromGap, merged.idle, merged.Basis = fromGap, idle, basis
	said, extra := messages.take(maxMessages)
	if extra > 0 {
		said = append(said, fmt.Sprintf("and %d more", extra))
	}
	merged.Message = strings.Join(said, "; ")
	merged.Evidence = cutEvidence(&evidence, most, merged.Basis)
	slices.Sort(pods)
	pods = slices.Compact(pods)
	merged.Subject.PodCount = max(count, len(pods))
	merged.Subject.Pods = slices.Clip(pods[:min(len(pods), fact.MaxPodNames)])
	if len(pods) == 0 {
		merged.Subject.Pods = nil
	}
	return merged
}

// allEvidence as a bound of evidence keeps it all.
const allEvidence = math.MaxInt

// cutEvidence keeps so much evidence, and counts the rest.
func cutEvidence(evidence *byNode[api.Evidence], most int, basis api.Basis) []api.Evidence {
	shown, extra := evidence.take(most)
	if extra > 0 {
		shown = append(shown, api.Evidence{Source: "further evidence", Value: fmt.Sprintf("%d more", extra), Basis: basis})
	}
	return shown
}

// mergeCovered joins what other checks cover. A finding that none covers remains as it is.
func mergeCovered(findings []*judged, stays func(api.Verdict) bool) (by []string, remaining api.Severity) {
	for _, f := range findings {
		if !stays(f.Verdict) || f.Verdict != findings[0].Verdict {
			break // they are sorted
		}
		by = append(by, f.CoveredBy...)
		own := f.Remaining
		if len(f.CoveredBy) == 0 {
			own = f.Severity
		}
		if own.Rank() > remaining.Rank() {
			remaining = own
		}
	}
	if len(by) == 0 {
		return nil, ""
	}
	slices.Sort(by)
	return slices.Compact(by), remaining
}

// alone reports whether a finding that is merged with no other already has the
// form that merging gives: bounded, sorted, and without repetitions.
func (j *judged) alone() bool {
	if len(j.Evidence) > MaxEvidence || len(j.Subject.Pods) > 1 || j.Subject.PodCount < len(j.Subject.Pods) {
		return false
	}
	for i, e := range j.Evidence {
		if slices.Contains(j.Evidence[:i], e) {
			return false
		}
	}
	return true
}

// byNode is a list without repetitions. Each entry is from a node or from none.
type byNode[T comparable] struct {
	list []T
	node []string // of each entry
	seen map[T]bool
}

func (l *byNode[T]) add(node string, entry T) {
	const few = 16 // up to here a search is faster than a map
	if len(l.list) < few {
		if slices.Contains(l.list, entry) {
			return
		}
	} else {
		if l.seen == nil {
			l.seen = make(map[T]bool, 2*few)
			for _, e := range l.list {
				l.seen[e] = true
			}
		}
		if l.seen[entry] {
			return
		}
		l.seen[entry] = true
	}
	l.list, l.node = append(l.list, entry), append(l.node, node)
}

// take keeps so many entries in their order, and counts the others. Those that
// are kept are chosen in turn by node: the first of each node, then the second
// of each.
func (l *byNode[T]) take(n int) (kept []T, extra int) {
	if len(l.list) <= n {
		return l.list, 0
	}
	turn, order := map[string]int{}, make([]int, len(l.list))
	turns := make([]int, len(l.list))
	for i, node := range l.node {
		order[i], turns[i] = i, turn[node]
		turn[node]++
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(turns[a], turns[b]) })
	order = order[:n]
	slices.Sort(order)
	for _, i := range order {
		kept = append(kept, l.list[i])
	}
	return kept, len(l.list) - n
}

// nodeOf is the node that a source of evidence names first (NodeSource), "" if
// it names none.
func nodeOf(source string) string {
	rest, ok := strings.CutPrefix(source, "node/")
	if !ok {
		return ""
	}
	node, _, _ := strings.Cut(rest, " ")
	return node
}

func compareEvidence(a, b api.Evidence) int {
	return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Value, b.Value), cmp.Compare(a.Basis, b.Basis))
}
