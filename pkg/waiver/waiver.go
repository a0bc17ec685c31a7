// Package waiver decides which failing findings a team has accepted. It is pure: package
// waiverfile reads and writes the file.
//
// A waiver names one check, subjects, and what was accepted of them: a severity, and the values of
// the evidence. A finding is covered if nothing about it is worse than that. A finding that grows
// fails again.
package waiver

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// MaxDays is how many days after its acceptance a waiver can end.
const MaxDays = 366

// Waiver is one entry of a file. All its fields are valid: see package waiverfile.
type Waiver struct {
	Line    int // where it begins in the file, from 1
	Check   string
	Subject Subject
	// Cluster is the UID of the namespace kube-system, "" for any cluster.
	Cluster string
	// AcceptedBy is a claim of the file.
	Reason, AcceptedBy string
	// Accepted is a day. Expires is the last day. Both begin at midnight, UTC.
	Accepted, Expires time.Time
	// Severity is the worst that was accepted.
	Severity api.Severity
	Evidence []Item
}

// Subject says whom a waiver is about. Namespace, Name and Container can be globs. An empty field
// matches only an empty field.
type Subject struct {
	Kind, Namespace, Name, Container string
}

// aggregates are kinds of subjects that stand for many objects, or that are no objects: a glob
// matches none of them.
var aggregates = []string{fact.SubjectCluster, fact.SubjectNamespace, fact.SubjectFile, fact.SubjectContainer}

// Aggregate reports whether a kind of subject can only be named exactly.
func Aggregate(kind string) bool { return slices.Contains(aggregates, kind) }

// matches reports whether the waiver is about a subject.
func (s *Subject) matches(of *fact.Subject) bool {
	return s.matchesOwner(of) && s.match(s.Container, of.Container)
}

// matchesOwner is matches without the container.
func (s *Subject) matchesOwner(of *fact.Subject) bool {
	return s.Kind == of.Kind && s.match(s.Namespace, of.Namespace) && s.match(s.Name, of.Name)
}

func (s *Subject) match(pattern, text string) bool {
	if Aggregate(s.Kind) {
		return pattern == text
	}
	return Glob(pattern, text)
}

// IsGlob reports whether a pattern can match several texts.
func IsGlob(pattern string) bool { return strings.ContainsAny(pattern, "*?") }

// Glob matches a text against a pattern, in which * is any text and ? is one byte. A pattern
// other than "" never matches "", so that "*" is no subject without a name.
func Glob(pattern, text string) bool {
	if pattern == "" || text == "" {
		return pattern == text
	}
	p, t := 0, 0
	star, from := -1, 0 // the last *, and where its text ends
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p, t = p+1, t+1
		case star >= 0:
			from++
			p, t = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// List is the waivers of a file.
type List struct {
	waivers []Waiver
	places  map[place][]int
	allowed []map[Item]bool // the evidence of each, as it is compared
}

// place is where waivers are looked for: by the check ("" for any), and by the part of the subject
// that is no glob. There can be as many waivers as findings.
type place struct{ check, kind, namespace, name string }

func placeOf(w *Waiver) place {
	s := &w.Subject
	switch {
	case !IsGlob(s.Name) || Aggregate(s.Kind):
		return place{w.Check, s.Kind, "", s.Name}
	case !IsGlob(s.Namespace):
		return place{w.Check, s.Kind, s.Namespace, ""}
	}
	return place{w.Check, s.Kind, "*", "*"} // a file cannot say this
}

// near are the waivers that can be about a subject, in the order of the file.
func (l *List) near(check string, s *fact.Subject) []int {
	byName, byNamespace := l.places[place{check, s.Kind, "", s.Name}], l.places[place{check, s.Kind, s.Namespace, ""}]
	anywhere := l.places[place{check, s.Kind, "*", "*"}]
	if len(byNamespace)+len(anywhere) == 0 {
		return byName
	}
	all := slices.Concat(byName, byNamespace, anywhere)
	slices.Sort(all)
	return slices.Compact(all)
}

// New makes a list. The order is that of the file.
func New(waivers []Waiver) *List {
	l := &List{waivers: waivers, places: map[place][]int{}, allowed: make([]map[Item]bool, len(waivers))}
	for i := range waivers {
		w := &waivers[i]
		at := placeOf(w)
		l.places[at] = append(l.places[at], i)
		at.check = ""
		l.places[at] = append(l.places[at], i)
		l.allowed[i] = make(map[Item]bool, len(w.Evidence))
		for _, e := range w.Evidence {
			for _, item := range itemsOf(w.Subject.Kind, w.Subject.Container != "", e.Field, e.Value) {
				l.allowed[i][item] = true
			}
		}
	}
	return l
}

// Len is how many waivers there are. A nil list has none.
func (l *List) Len() int {
	if l == nil {
		return 0
	}
	return len(l.waivers)
}

// Use applies waivers to the findings of one run, and notes what became of each.
type Use struct {
	list    *List
	cluster string // the UID of kube-system, "" if it was not read
	at      time.Time
	drafts  *Drafts
	// touched is what waivers said of a finding, by the finding. The last word counts: a finding
	// can come first in part and then whole.
	touched map[findingKey][]touch
}

type findingKey struct {
	check   string
	subject fact.SubjectKey
}

// touch is what became of a waiver that is about a finding.
type touch struct {
	waiver  int
	outcome outcome
	detail  string
}

type outcome int

// The outcomes, the most telling last.
const (
	stillUnknown outcome = iota + 1
	expired
	grown
	covers
)

// Begin starts to apply waivers to facts of the cluster with this UID ("" if it was not read), as
// of a time. Drafts, if not nil, gets what still fails. Begin returns nil if there is nothing to
// do.
func (l *List) Begin(cluster string, at time.Time, drafts *Drafts) *Use {
	if l.Len() == 0 && drafts == nil {
		return nil
	}
	if l == nil {
		l = New(nil)
	}
	return &Use{list: l, cluster: cluster, at: at.UTC(), drafts: drafts, touched: map[findingKey][]touch{}}
}

// Touches reports whether what is found of a workload can depend on its name: whether a waiver is
// about it, or drafts are made.
func (u *Use) Touches(owner *fact.Subject) bool {
	if u == nil {
		return false
	}
	return u.drafts != nil || slices.ContainsFunc(u.list.near("", owner), func(i int) bool { return u.list.waivers[i].Subject.matchesOwner(owner) })
}

func (u *Use) expired(w *Waiver) bool { return !u.at.Before(w.Expires.AddDate(0, 0, 1)) }

// elsewhere reports whether a waiver is for another cluster, or for one that is not known to be
// this one.
func (u *Use) elsewhere(w *Waiver) bool { return w.Cluster != "" && w.Cluster != u.cluster }

// Apply makes a failing finding an accepted one if a waiver covers it. If one is about it and does
// not cover it, the message says why. The finding has all of its evidence.
func (u *Use) Apply(f *api.Finding) {
	if u == nil {
		return
	}
	var (
		touches []touch
		items   []Item
		by      *Waiver
	)
	for _, i := range u.list.near(f.Check, &f.Subject) {
		w := &u.list.waivers[i]
		if u.elsewhere(w) || !w.Subject.matches(&f.Subject) {
			continue
		}
		if f.Verdict != api.Fail {
			if f.Verdict == api.VerdictUnknown {
				touches = append(touches, touch{i, stillUnknown, "unknown is never covered"})
			}
			continue
		}
		if u.expired(w) {
			touches = append(touches, touch{i, expired, ""})
			continue
		}
		if items == nil {
			items = Items(f)
		}
		if more := u.list.more(i, f.Severity, items); more != "" {
			touches = append(touches, touch{i, grown, "more than was accepted: " + more})
			continue
		}
		touches = append(touches, touch{i, covers, ""})
		if by == nil {
			by = w
		}
	}
	key := findingKey{f.Check, f.Subject.Identity()}
	if len(touches) > 0 {
		u.touched[key] = touches
	} else {
		delete(u.touched, key)
	}
	switch {
	case by != nil:
		f.Verdict = api.Accepted
		f.Accepted = &api.Acceptance{
			Reason: by.Reason, AcceptedBy: by.AcceptedBy,
			Accepted: by.Accepted.Format(time.DateOnly), Expires: by.Expires.Format(time.DateOnly), Line: by.Line,
		}
	case f.Verdict == api.Fail:
		if t := gravest(touches); t != nil {
			f.Message += "; " + cmp.Or(t.detail, "its waiver expired on "+u.list.waivers[t.waiver].Expires.Format(time.DateOnly))
		}
	}
	u.drafts.note(f, key, items)
}

// gravest is the most telling of what waivers said, the first of the file.
func gravest(touches []touch) *touch {
	var out *touch
	for i := range touches {
		if out == nil || touches[i].outcome > out.outcome {
			out = &touches[i]
		}
	}
	return out
}

// maxMore bounds how many values the reason names that were not accepted.
const maxMore = 3

// more says what of a finding is worse than what a waiver accepts, "" if nothing is.
func (l *List) more(waiver int, severity api.Severity, items []Item) string {
	var words []string
	left := 0
	for _, item := range items {
		switch {
		case l.allowed[waiver][item]:
		case len(words) == maxMore:
			left++
		default:
			words = append(words, item.words())
		}
	}
	text := strings.Join(words, ", ")
	if left > 0 {
		text += " and others"
	}
	if accepted := l.waivers[waiver].Severity; severity.Rank() > accepted.Rank() {
		if text != "" {
			text += ", "
		}
		text += "severity " + string(severity) + " instead of " + string(accepted)
	}
	return text
}

// Report says what became of the waivers; nil if there are none. Ran reports whether a check ran.
func (u *Use) Report(ran func(check string) bool) *api.WaiverUse {
	if u == nil || u.list.Len() == 0 {
		return nil
	}
	best := make([]*touch, u.list.Len())
	for _, touches := range u.touched {
		for i := range touches {
			t := &touches[i]
			b := best[t.waiver]
			if b == nil || t.outcome > b.outcome || t.outcome == b.outcome && t.detail < b.detail {
				best[t.waiver] = t
			}
		}
	}
	use := &api.WaiverUse{Waivers: u.list.Len()}
	for i := range u.list.waivers {
		w, t := &u.list.waivers[i], best[i]
		note := api.WaiverNote{Line: w.Line, Check: w.Check}
		switch {
		case t != nil && t.outcome == covers:
			use.Used++
			continue
		case u.expired(w):
			note.Detail = "expired on " + w.Expires.Format(time.DateOnly)
			if t != nil && t.outcome == expired {
				note.Detail += "; what it covered fails again"
			}
			use.Expired = append(use.Expired, note)
			continue
		case t != nil:
			note.Detail = t.detail
		case w.Cluster != "" && u.cluster == "":
			note.Detail = "for a named cluster, and the UID of namespace kube-system was not read"
		case u.elsewhere(w):
			note.Detail = "for another cluster"
		case !ran(w.Check):
			note.Detail = "its check did not run"
		default:
			note.Detail = "no finding fails there"
		}
		use.Unused = append(use.Unused, note)
	}
	return use
}
