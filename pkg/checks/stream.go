package checks

import (
	"cmp"
	"crypto/sha256"
	"maps"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/speckey"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/spool"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/waiver"
)

// Stream judges the workloads of files as they come, and drops them. Of passes it keeps
// only what is counted, unless it was asked for them. The result is that of Judge, with
// two exceptions: an object that comes again in the same file, in another batch, is one
// more subject, and so is a gap about a workload.
//
// It is for facts that were not measured, as those of files, and of a cluster's API alone: what
// a check says about a workload must not depend on workloads of other owners.
type Stream struct {
	plan    Plan
	context fact.Set // without workloads
	opts    StreamOptions

	records   *records
	sayings   *sayings
	counted   []counted // nil before the first batch
	pending   []fact.Workload
	weight    int // of what is pending
	templates map[[sha256.Size]byte]*template
	key       []byte
	entries   int // of the last batch
	// needed are the checks and kinds of which the gap is not excused, because a workload
	// of some batch needs it.
	needed map[needs]bool
	across map[string]Across // by check
	// whole is what checks with Whole have found, by check and owner, and is not counted yet.
	whole    map[string]map[fact.SubjectKey][]api.Finding
	added    int
	use      *waiver.Use // nil if there are no waivers
	platform platform
	// odd is true if a namespace of the user's platform globs could be the stand-in.
	odd bool
	// late are workloads that are judged at the end.
	late []fact.Workload
}

// StreamOptions are the settings of a Stream.
type StreamOptions struct {
	// Passes keeps passes as well.
	Passes bool
	// Together judges the workloads of an owner together, of which some pods differ from others,
	// as on a cluster. They come one after another. The context has all workloads that will
	// come: checks that look at the whole set (Check.Whole) are judged before.
	Together bool
	// Arriving says with Together that the context does not have the workloads that will come.
	// Those of which a check with Whole needs others (Check.Alone) are kept to the end.
	Arriving bool
	// Batch is how many workloads are judged at once with Together; 0 means 1,024.
	Batch int
	// Spill opens a place for findings that are too many for memory. Nil if there is none.
	Spill func() (spool.File, error)
}

type needs struct {
	check string
	kind  fact.Kind
}

// template is what was found of a workload, for others whose specs are equal.
type template struct {
	owner    *fact.Subject // of the one that was judged; nil until one was
	findings []*api.Finding
	saying   saying
	counted  []counted
	// again counts the workloads. least is the first of their owners.
	again int
	least *fact.Subject
	// alone is true if its findings name what others have otherwise.
	alone bool
}

// Batches end at a number of workloads, or at what they weigh together (fact.PodSpec.Weight),
// which is three times what 256 usual pods weigh.
const (
	batchSize    = 256
	batchWeight  = 1 << 15
	togetherSize = 1024
	maxTemplates = 4096
)

// NewStream starts to judge. Context is what is known before the workloads come: it has
// no workloads.
func NewStream(plan Plan, context *fact.Set, opts StreamOptions) *Stream {
	s := &Stream{
		plan: plan, context: *context, opts: opts, records: newRecords(opts.Spill), sayings: newSayings(),
		templates: map[[sha256.Size]byte]*template{}, needed: map[needs]bool{}, across: map[string]Across{},
	}
	s.plan.withhold(&s.context)
	s.use, s.platform = s.plan.use(context), platformOf(context)
	s.odd = s.platform.has(anyOwner)
	if opts.Together && !opts.Arriving {
		s.judgeWhole()
	}
	s.context.Workloads = nil
	for i := range s.plan.Checks {
		if c := &s.plan.Checks[i]; c.Across != nil {
			if a := c.Across(NewView(&s.context)); a != nil {
				s.across[c.ID] = a
			}
		}
	}
	return s
}

// judgeWhole judges by the checks that look at the whole set.
func (s *Stream) judgeWhole() {
	s.whole = map[string]map[fact.SubjectKey][]api.Finding{}
	var v *View
	for i := range s.plan.Checks {
		c := &s.plan.Checks[i]
		if !c.Whole || c.Scope != ScopeWorkload {
			continue
		}
		if v == nil {
			v = NewView(&s.context)
			v.Dropped = max(0, s.added-len(s.context.Workloads)) // none before the first has come
		}
		of := map[fact.SubjectKey][]api.Finding{}
		for _, f := range c.Judge(v) {
			key := ownerKey(f.Subject)
			of[key] = append(of[key], f)
		}
		s.whole[c.ID] = of
	}
}

// ofWhole takes what a check that looks at the whole set has found of a batch's workloads.
func (s *Stream) ofWhole(check string, batch []fact.Workload) []api.Finding {
	var out []api.Finding
	of := s.whole[check]
	for i := range batch {
		key := ownerKey(batch[i].Owner)
		out = append(out, of[key]...)
		delete(of, key)
	}
	return out
}

// Add judges workloads, at once or with the next ones. It keeps no reference to them after
// the next 256.
func (s *Stream) Add(workloads []fact.Workload) {
	for i := range workloads {
		s.add(&workloads[i])
	}
}

func (s *Stream) add(w *fact.Workload) {
	s.added++
	for _, a := range s.across {
		a.Add(w)
	}
	if s.opts.Together {
		if n := len(s.pending); (n >= cmp.Or(s.opts.Batch, togetherSize) || s.weight >= togetherSize/batchSize*batchWeight) && s.pending[n-1].Owner.Identity() != w.Owner.Identity() {
			s.flush()
		}
		s.pending, s.weight = append(s.pending, *w), s.weight+w.Spec.Weight()
		return
	}
	if len(w.Pods) > 0 || len(w.Differs) > 0 || s.use.Touches(&w.Owner) || s.odd {
		s.wait(w)
		return
	}
	key := s.keyOf(w)
	t := s.templates[key]
	switch {
	case t == nil:
		if len(s.templates) >= maxTemplates {
			s.forget()
		}
		s.templates[key] = &template{}
		s.wait(w)
		return
	case t.alone:
		s.wait(w)
		return
	case t.owner == nil:
		s.learn(t, w)
		return
	}
	s.repeat(t, w)
}

// keyOf is equal for workloads of which checks say the same, but for their names.
func (s *Stream) keyOf(w *fact.Workload) [sha256.Size]byte {
	s.key = append(append(s.key[:0], w.Owner.Kind...), 0)
	switch {
	case len(s.context.Namespaces) > 0:
		s.key = append(append(s.key, w.Owner.Namespace...), 0)
	case w.Owner.Namespace == "":
		s.key = append(s.key, 1)
	case s.platform.has(w.Owner.Namespace):
		s.key = append(s.key, 2)
	default:
		s.key = append(s.key, 3)
	}
	s.key = speckey.Append(s.key, &w.Spec)
	return sha256.Sum256(s.key)
}

func (s *Stream) wait(w *fact.Workload) {
	s.pending, s.weight = append(s.pending, *w), s.weight+w.Spec.Weight()
	if len(s.pending) >= batchSize || s.weight >= batchWeight {
		s.flush()
	}
}

// flush judges the workloads that wait.
func (s *Stream) flush() {
	batch := s.pending
	if s.opts.Arriving {
		s.leaveForLate()
	}
	defer func() {
		clear(batch)
		s.pending, s.weight = batch[:0], 0
	}()
	if len(s.pending) == 0 {
		return
	}
	ledger, counted := s.judge(s.pending, s.use)
	s.keep(s.kept(ledger))
	s.count(counted, 1)
}

// leaveForLate takes the owners out of a batch that are judged at the end.
func (s *Stream) leaveForLate() {
	var v *View
	kept := s.pending[:0]
	for from := 0; from < len(s.pending); {
		owner := s.pending[from].Owner.Identity()
		to := from + 1
		for to < len(s.pending) && s.pending[to].Owner.Identity() == owner {
			to++
		}
		if v == nil {
			v = NewView(&s.context)
		}
		if s.alone(v, s.pending[from:to]) {
			kept = append(kept, s.pending[from:to]...)
		} else {
			s.late = append(s.late, s.pending[from:to]...)
		}
		from = to
	}
	s.pending = kept
}

// alone reports whether no check needs other workloads for these, nor these for others.
func (s *Stream) alone(v *View, of []fact.Workload) bool {
	for i := range s.plan.Checks {
		c := &s.plan.Checks[i]
		if !c.Whole || c.Scope != ScopeWorkload {
			continue
		}
		for k := range of {
			if c.Alone == nil || !c.Alone(v, &of[k]) {
				return false
			}
		}
	}
	return true
}

// judgeLate judges what was kept to the end. Set is what Finish was given.
func (s *Stream) judgeLate(set *fact.Set) {
	late := s.late
	s.opts.Arriving, s.late = false, nil
	if len(late) == 0 {
		return
	}
	s.context = *set
	s.plan.withhold(&s.context)
	s.context.Workloads = late
	s.judgeWhole()
	s.context.Workloads = nil
	for i := range late {
		if n := len(s.pending); n >= cmp.Or(s.opts.Batch, togetherSize) && s.pending[n-1].Owner.Identity() != late[i].Owner.Identity() {
			s.flush()
		}
		s.pending = append(s.pending, late[i])
	}
	s.flush()
}

// kept are the findings of a ledger that stay.
func (s *Stream) kept(l *ledger) []*api.Finding {
	var findings []*api.Finding
	for i := range l.entries {
		if e := &l.entries[i]; s.opts.Passes || l.classes[e.class].verdict != api.Pass {
			f := *l.finding(e)
			findings = append(findings, &f)
		}
	}
	return findings
}

// keep keeps findings of several objects.
func (s *Stream) keep(findings []*api.Finding) {
	for _, of := range byObject(findings) {
		saying := s.sayings.of(of)
		saying.count()
		for i, f := range of {
			s.records.add(f, saying.of[i], nil)
		}
	}
}

// Stand-ins for what another workload of the same key has otherwise. No check looks for
// them, so that where they are found is what a check took from there.
const (
	anyOwner  = "owner-8d41c7"
	anyOrigin = "origin-8d41c7"
	anyText   = "text-8d41c7"
)

// learn judges a workload under stand-ins for its names, for it and those that follow.
func (s *Stream) learn(t *template, w *fact.Workload) {
	ofPlatform := s.platform.has(w.Owner.Namespace)
	one := *w
	one.Spec = speckey.Anonymous(&w.Spec, anyOrigin, anyText)
	one.Owner.Name = anyOwner
	if w.Owner.Namespace != "" && !ofPlatform && len(s.context.Namespaces) == 0 {
		one.Owner.Namespace = anyOwner
	}
	if w.Owner.File != "" {
		one.Owner.File = anyOwner
	}
	ledger, counted := s.judge([]fact.Workload{one}, nil) // no waiver is about what follows
	findings := s.kept(ledger)
	if t.alone = takes(&one, findings, ofPlatform); t.alone {
		s.wait(w)
		return
	}
	t.owner, t.findings, t.counted, t.saying = &one.Owner, findings, counted, s.sayings.of(findings)
	s.repeat(t, w)
}

// takes reports whether findings take something from a workload that another of the same
// key can have otherwise. Subjects and origins are replaced, so they do not count.
func takes(w *fact.Workload, findings []*api.Finding, platform bool) bool {
	has := func(text string) bool {
		return strings.Contains(text, anyOwner) || strings.Contains(text, anyOrigin) || strings.Contains(text, anyText) ||
			platform && strings.Contains(text, w.Owner.Namespace)
	}
	for _, f := range findings {
		s := f.Subject
		s.Container = ""
		if s.Identity() != w.Owner.Identity() || len(s.Pods) > 0 || has(f.Message) || has(string(f.Reason)) || has(f.Remediation.Text) {
			return true
		}
		for i := range f.Evidence {
			source := f.Evidence[i].Source
			if rest, ok := strings.CutPrefix(source, anyOrigin+" "); ok {
				source = rest
			}
			if has(source) || has(f.Evidence[i].Value) {
				return true
			}
		}
	}
	return false
}

// repeat counts and keeps what was found of a template, of another workload.
func (s *Stream) repeat(t *template, w *fact.Workload) {
	t.again++
	if t.least == nil || w.Owner.Compare(t.least) < 0 {
		owner := w.Owner
		t.least = &owner
	}
	as := &renamed{&w.Owner, anyOrigin, w.Spec.Origin}
	t.saying.count()
	for i, f := range t.findings {
		s.records.add(f, t.saying.of[i], as)
	}
}

// forget counts what templates have, and drops them.
func (s *Stream) forget() {
	for _, t := range s.templates {
		if t.again == 0 {
			continue
		}
		of := slices.Clone(t.counted)
		for i := range of {
			of[i] = of[i].of(t.least)
		}
		s.count(of, t.again)
	}
	clear(s.templates)
}

func (s *Stream) count(of []counted, times int) {
	if s.counted == nil {
		s.counted = make([]counted, len(of))
		for i := range of {
			s.counted[i] = of[i].empty()
		}
	}
	for i := range of {
		s.counted[i].add(&of[i], times)
	}
}

// judge judges a batch by the checks of workloads. What they say about anything but the
// batch's workloads is left out: Finish judges that.
func (s *Stream) judge(batch []fact.Workload, use *waiver.Use) (*ledger, []counted) {
	set := s.context
	set.Workloads = batch
	v := NewView(&set)
	for i := range s.plan.Checks {
		c := &s.plan.Checks[i]
		if c.Excuse == nil {
			continue
		}
		for _, kind := range c.Needs {
			at := needs{c.ID, kind}
			if !s.needed[at] && !c.Excuse(v, fact.Gap{What: kind, Subject: fact.Subject{Kind: fact.SubjectCluster}}) {
				s.needed[at] = true
			}
		}
	}
	l := newLedger(v, s.plan.Checks, newRoster(v), use)
	l.entries, l.kept = make([]entry, 0, s.entries), make([]*api.Finding, 0, s.entries)
	owners := make(map[fact.SubjectKey]bool, len(batch))
	for i := range batch {
		owners[ownerKey(batch[i].Owner)] = true
	}
	for i := range s.plan.Checks {
		c := &s.plan.Checks[i]
		if c.Scope != ScopeWorkload {
			continue
		}
		var raw []api.Finding
		switch {
		case s.whole[c.ID] != nil:
			raw = s.ofWhole(c.ID, batch)
		case c.Each != nil:
			raw = slices.Collect(c.Each(v))
		default:
			raw = c.Judge(v)
		}
		l.add(i, onlyOwn(raw, batch, owners), nil)
	}
	s.entries = len(l.entries)
	l.sort()
	return l, v.count(&s.plan, l)
}

// onlyOwn leaves out the findings that are not about the workloads of a batch, in place: a
// finding is large, and nearly always none is left out.
func onlyOwn(raw []api.Finding, batch []fact.Workload, owners map[fact.SubjectKey]bool) []api.Finding {
	kept, at := 0, 0
	for i := range raw {
		// Checks go through the workloads in their order: most are the last one, or the next.
		subject := &raw[i].Subject
		switch {
		case sameOwner(&batch[at].Owner, subject):
		case at+1 < len(batch) && sameOwner(&batch[at+1].Owner, subject):
			at++
		case !owners[ownerKey(*subject)]:
			continue
		}
		if kept != i {
			raw[kept] = raw[i]
		}
		kept++
	}
	clear(raw[kept:])
	return raw[:kept]
}

// sameOwner compares what identifies subjects, but for their containers.
func sameOwner(a, b *fact.Subject) bool {
	return a.Name == b.Name && a.Namespace == b.Namespace && a.Kind == b.Kind && a.Node == b.Node && a.Cluster == b.Cluster && a.File == b.File
}

// Finish judges what is not about workloads, and answers. Set is the context with what was
// read since: ConfigMaps, gaps. Its workloads are not judged.
func (s *Stream) Finish(set *fact.Set) *Judgement {
	s.flush()
	if s.opts.Arriving {
		s.judgeLate(set)
	}
	s.forget()
	end := *set
	end.Workloads = nil
	if text := s.records.lost(); text != "" {
		end.Gaps = append(slices.Clip(end.Gaps), fact.Gap{What: fact.Pods, Subject: fact.Subject{Kind: fact.SubjectCluster}, Reason: fact.Truncated, Detail: text})
	}
	plan := s.plan
	plan.Checks = slices.Clone(plan.Checks)
	for i := range plan.Checks {
		c := &plan.Checks[i]
		if excuse := c.Excuse; excuse != nil {
			id := c.ID
			c.Excuse = func(v *View, gap fact.Gap) bool { return !s.needed[needs{id, gap.What}] && excuse(v, gap) }
		}
	}
	for i := range plan.Checks {
		if a := s.across[plan.Checks[i].ID]; a != nil {
			plan.Checks[i].Judge = a.Findings
		}
		if of := s.whole[plan.Checks[i].ID]; of != nil { // what is left is about no workload
			plan.Checks[i].Judge = func(*View) []api.Finding { return slices.Concat(slices.Collect(maps.Values(of))...) }
		}
	}
	v := NewView(&end)
	v.Dropped = s.added
	plan.narrow(v, s.added > 0)
	l, gaps := v.judge(&plan, s.use)
	s.keep(s.kept(l))
	s.count(v.count(&plan, l), 1)
	j := &Judgement{
		Result: Result{
			Answers:     v.answersOf(&plan, s.counted),
			Gaps:        gaps,
			OtherStores: v.Stores().names(),
			Provider:    v.Cluster.Provider,
			Waivers:     s.use.Report(plan.runs),
		},
		ledger: l,
	}
	j.each = func(yield func(api.Finding) bool) { j.err = s.records.each(yield) }
	j.few = func(most int, yield func(api.Finding, *Said) bool) { j.err = s.records.few(most, yield) }
	j.failing = s.sayings.order
	return j
}
