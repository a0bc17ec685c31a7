package checks

import (
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// Said is what several findings say in the same words, of many objects: what is a row of a
// table. It counts them, so that a table need not have them all.
type Said struct {
	Kind     string // of the objects
	Objects  int    // without their containers
	Findings int    // of one check
	Pods     int    // of the objects
}

// Failing counts the objects of a kind that fail a check.
type Failing struct {
	Check, Kind string
	Objects     int
	Own         bool // whether one of them is not the platform's
}

// maxSaid bounds how many different things are told apart. Findings beyond it are counted
// together.
const maxSaid = 20_000

// sayings counts what findings say.
type sayings struct {
	rows    map[said]*Said
	other   *Said // what is beyond maxSaid
	failing map[failing]*Failing
	order   []*Failing
}

type said struct {
	checks, message, kind string
	verdict               api.Verdict
	severity              api.Severity
	basis                 api.Basis
	platform              bool
}

type failing struct{ check, kind string }

func newSayings() *sayings {
	return &sayings{rows: map[said]*Said{}, other: &Said{}, failing: map[failing]*Failing{}}
}

// saying is what the findings of one object say: each finding has its row, and rows and
// failing are without repetitions.
type saying struct {
	of       []*Said // by finding
	rows     []*Said
	findings []int // of each row, of one check
	pods     []int // of each row
	failing  []*Failing
	own      bool
}

// of finds the rows of an object's findings, which are in the order of a report. Findings
// of one subject that say the same belong together, whatever their checks.
func (s *sayings) of(findings []*api.Finding) saying {
	out := saying{of: make([]*Said, len(findings))}
	same := func(a, b *api.Finding) bool {
		return a.Subject.Container == b.Subject.Container && a.Message == b.Message && a.Verdict == b.Verdict && a.Severity == b.Severity && a.Basis == b.Basis
	}
	for i, f := range findings {
		out.own = out.own || !f.Subject.Platform
		if f.Verdict == api.Fail && f.Counted() != "" {
			out.addFailing(s.failingOf(f))
		}
		if out.of[i] != nil {
			continue
		}
		var ids []string
		for _, g := range findings[i:] {
			if same(f, g) {
				ids = append(ids, g.Check)
			}
		}
		row := s.row(said{strings.Join(ids, " "), f.Message, f.Subject.Kind, f.Verdict, f.Severity, f.Basis, f.Subject.Platform})
		for j := i; j < len(findings); j++ {
			if same(f, findings[j]) {
				out.of[j] = row
			}
		}
		out.addRow(row, f.Subject.PodCount)
	}
	return out
}

func (s *saying) addRow(row *Said, pods int) {
	for i, known := range s.rows {
		if known == row {
			s.findings[i]++
			return
		}
	}
	s.rows, s.findings, s.pods = append(s.rows, row), append(s.findings, 1), append(s.pods, pods)
}

func (s *saying) addFailing(f *Failing) {
	for _, known := range s.failing {
		if known == f {
			return
		}
	}
	s.failing = append(s.failing, f)
}

func (s *sayings) row(key said) *Said {
	row := s.rows[key]
	switch {
	case row != nil:
	case len(s.rows) >= maxSaid:
		row = s.other
	default:
		key.message = strings.Clone(key.message)
		row = &Said{Kind: key.kind}
		s.rows[key] = row
	}
	return row
}

func (s *sayings) failingOf(f *api.Finding) *Failing {
	key := failing{f.Check, f.Subject.Kind}
	of := s.failing[key]
	if of == nil {
		of = &Failing{Check: f.Check, Kind: f.Subject.Kind}
		s.failing[key] = of
		s.order = append(s.order, of)
	}
	return of
}

// count counts one more object that says this.
func (s *saying) count() {
	for i, row := range s.rows {
		row.Objects++
		row.Findings += s.findings[i]
		row.Pods += s.pods[i]
	}
	for _, f := range s.failing {
		f.Objects++
		f.Own = f.Own || s.own
	}
}

// object is a subject without its container.
func object(s *fact.Subject) fact.SubjectKey {
	key := s.Identity()
	key.Container = ""
	return key
}

// byObject groups findings by their objects, in the order of the objects' first.
func byObject(findings []*api.Finding) [][]*api.Finding {
	var groups [][]*api.Finding
	places := map[fact.SubjectKey]int{}
	for _, f := range findings {
		key := object(&f.Subject)
		i, known := places[key]
		if !known {
			i = len(groups)
			places[key], groups = i, append(groups, nil)
		}
		groups[i] = append(groups[i], f)
	}
	return groups
}
