package diff

import (
	"fmt"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// counts are the findings of a question as its answer counts them.
type counts struct {
	failing  map[api.Severity]int // by the severity with which they count
	open     int                  // without a verdict, or low fails with a reason
	accepted int
}

// count counts a finding for its question.
func (s *Side) count(f *api.Finding) {
	question := api.Question(s.name(string(f.Question)))
	c := s.counted[question]
	if c == nil {
		c = &counts{failing: map[api.Severity]int{}}
		s.counted[question] = c
		s.kept += entrySize
	}
	if severity := f.Counted(); f.Verdict == api.Fail && severity.Rank() > 0 {
		c.failing[severity]++
	}
	if f.Open() {
		c.open++
	}
	if f.Verdict == api.Accepted {
		c.accepted++
	}
}

// isWhole returns an error if answers count more findings than the report lists, and --severity
// does not explain it: what somebody took out of a list would look as if it were gone. Reports
// whose answers have no counts are taken as they are.
func (s *Side) isWhole(side string) error {
	if s.Facts {
		return nil // it was judged now
	}
	inputs := &s.Head.Spec.Inputs
	hidden := max(0, inputs.Hidden)
	if inputs.Severity.Rank() == 0 {
		hidden = 0
	}
	for i := range s.Head.Answers {
		a := &s.Head.Answers[i]
		question := s.name(string(a.Question))
		found := s.counted[api.Question(question)]
		if found == nil {
			found = &counts{}
		}
		failing, fails, lacks, shown := 0, 0, 0, false
		for _, severity := range api.Severities() {
			want, has := expected(a.Failing[severity]), found.failing[severity]
			failing, fails = failing+want, fails+has
			lacks += max(0, want-has)
			// It hides only what is less severe.
			shown = shown || want > has && severity.Rank() >= inputs.Severity.Rank()
		}
		lacks += max(0, expected(a.Accepted)-found.accepted)
		// One finding that is hidden can have failed and been open.
		lacks = max(lacks, expected(a.Unknowns)-found.open)
		if lacks > 0 && (shown || lacks > hidden) {
			return fmt.Errorf("the %s report is not whole: for question %s, expected %d failing, %d unknown and %d accepted findings, as its answer counts them, found %d, %d and %d in its list (left out by --severity: %d)",
				side, question, failing, expected(a.Unknowns), expected(a.Accepted), fails, found.open, found.accepted, hidden)
		}
		hidden -= max(0, lacks)
	}
	return nil
}

// mostExpected is more than any report has, so that no sum overflows, also with 32 bits.
const mostExpected = 1 << 27

// expected is a count of an answer. A file can hold any number.
func expected(n int) int { return min(max(0, n), mostExpected) }
