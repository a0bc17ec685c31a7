package checks

import (
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// Answers answers the questions that the catalogue's checks belong to, from
// their findings. This is the one place that does. The rule:
//
//   - no, if a finding of at least medium severity fails;
//   - else unknown, if any subject of any check is unknown, or if nothing was
//     in scope to measure: a declaration alone never makes a yes;
//   - else yes.
//
// Workloads is the same rule without platform subjects. Gaps stand in the
// findings already, as unknown ones (see Run).
func Answers(catalogue []Check, findings []api.Finding) []api.Answer {
	var answers []api.Answer
	for _, info := range Questions() {
		asked := false
		for _, check := range catalogue {
			asked = asked || check.Question() == info.Question
		}
		if !asked {
			continue
		}
		answer := api.Answer{Question: info.Question, Number: info.Number, Text: info.Text}
		all, workloads := newTally(), newTally()
		for i := range findings {
			if findings[i].Question != info.Question {
				continue
			}
			all.add(&findings[i])
			if !findings[i].Subject.Platform {
				workloads.add(&findings[i])
			}
		}
		answer.Answer, answer.Reason = all.word()
		answer.Workloads = api.NotApplicable
		if info.Workloads {
			answer.Workloads, _ = workloads.word()
		}
		answer.InScope, answer.Measured = len(all.subjects), all.measured()
		if len(all.failing) > 0 {
			answer.Failing = all.failing
		}
		answer.Unknowns = all.unknowns
		answers = append(answers, answer)
	}
	return answers
}

// tally counts the findings of one question.
type tally struct {
	failing  map[api.Severity]int
	unknowns int
	subjects map[string]bool // true where something was measured
}

func newTally() *tally {
	return &tally{failing: map[api.Severity]int{}, subjects: map[string]bool{}}
}

func (t *tally) add(f *api.Finding) {
	key := f.Subject.Key()
	measured := f.Basis == api.Measured && f.Verdict != api.VerdictUnknown
	t.subjects[key] = t.subjects[key] || measured
	switch f.Verdict {
	case api.Fail:
		t.failing[f.Severity]++
	case api.VerdictUnknown:
		t.unknowns++
	}
}

func (t *tally) measured() int {
	n := 0
	for _, measured := range t.subjects {
		if measured {
			n++
		}
	}
	return n
}

func (t *tally) word() (api.AnswerWord, string) {
	for severity, n := range t.failing {
		if n > 0 && severity.Rank() >= api.Medium.Rank() {
			return api.No, ""
		}
	}
	switch {
	case t.unknowns > 0:
		return api.Unknown, "not everything could be read"
	case len(t.subjects) == 0:
		return api.Unknown, "nothing was in scope"
	case t.measured() == 0:
		return api.Unknown, "nothing was measured"
	}
	return api.Yes, ""
}
