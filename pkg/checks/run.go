package checks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// MaxEvidence bounds the evidence of one finding; what lies beyond is counted.
const MaxEvidence = 8

// Result is a judged set of facts.
type Result struct {
	Answers  []api.Answer
	Findings []api.Finding
	Gaps     []fact.Gap
}

// Run judges facts by the checks of a catalogue. It is pure: the same input
// gives the same result, in the same order. Gaps that affect none of the
// checks are left out.
func Run(catalogue []Check, set *fact.Set) Result {
	gaps := affecting(catalogue, allGaps(set))
	var findings []api.Finding
	for _, check := range catalogue {
		raw := check.Judge(set)
		for _, gap := range gaps {
			if check.NeedsKind(gap.What) {
				raw = append(raw, unknownFrom(gap))
			}
		}
		for i := range raw {
			complete(&raw[i], check)
		}
		findings = append(findings, Merge(raw)...)
	}
	SortFindings(findings)
	return Result{
		Answers:  Answers(catalogue, findings),
		Findings: findings,
		Gaps:     gaps,
	}
}

// complete fills in what Judge leaves to the check's metadata.
func complete(f *api.Finding, check Check) {
	f.Check, f.Question = check.ID, check.Question()
	if f.Severity == "" {
		f.Severity = check.Severity
	}
	if f.Basis == "" {
		f.Basis = check.Basis
	}
	for i := range f.Evidence {
		if f.Evidence[i].Basis == "" {
			f.Evidence[i].Basis = f.Basis
		}
	}
	if f.Verdict == api.Fail && f.Remediation == "" {
		f.Remediation = check.Remediation
	}
}

// allGaps gathers the gaps of a set: its own and those of every measurement,
// which get their node as subject where they name none.
func allGaps(set *fact.Set) []fact.Gap {
	gaps := slices.Clone(set.Gaps)
	for i := range set.Nodes {
		node := &set.Nodes[i]
		if node.Measured == nil {
			continue
		}
		for _, gap := range node.Measured.Gaps {
			if gap.Subject.Kind == "" {
				gap.Subject = fact.Subject{Kind: "Node", Name: node.Name}
			}
			gaps = append(gaps, gap)
		}
	}
	return gaps
}

// affecting keeps the gaps that some check needs, with Affects filled in,
// sorted, each once.
func affecting(catalogue []Check, gaps []fact.Gap) []fact.Gap {
	var kept []fact.Gap
	for _, gap := range gaps {
		gap.Affects = nil
		for _, check := range catalogue {
			if check.NeedsKind(gap.What) {
				gap.Affects = append(gap.Affects, check.ID)
			}
		}
		if len(gap.Affects) > 0 {
			kept = append(kept, gap)
		}
	}
	slices.SortFunc(kept, func(a, b fact.Gap) int {
		return cmp.Or(
			cmp.Compare(kindRank(a.What), kindRank(b.What)),
			cmp.Compare(a.Subject.Key(), b.Subject.Key()),
			cmp.Compare(a.Reason, b.Reason),
			cmp.Compare(a.Detail, b.Detail),
		)
	})
	return slices.CompactFunc(kept, func(a, b fact.Gap) bool {
		return a.What == b.What && a.Subject.Key() == b.Subject.Key() && a.Reason == b.Reason && a.Detail == b.Detail
	})
}

func kindRank(kind fact.Kind) int { return slices.Index(fact.Kinds(), kind) }

func unknownFrom(gap fact.Gap) api.Finding {
	message := fmt.Sprintf("%s not read: %s", gap.What, gap.Reason)
	if gap.Detail != "" {
		message = fmt.Sprintf("%s not read: %s", gap.What, gap.Detail)
	}
	return api.Finding{
		Verdict:     api.VerdictUnknown,
		Subject:     gap.Subject,
		Message:     message,
		Reason:      gap.Reason,
		Remediation: gap.Hint,
		Evidence:    []api.Evidence{{Source: "gap " + string(gap.What), Value: string(gap.Reason)}},
	}
}

// Merge joins findings of one check that have one subject: the worst verdict
// and, among those, the worst severity stand; the evidence of all findings
// with that verdict is kept up to MaxEvidence; pods are united.
func Merge(findings []api.Finding) []api.Finding {
	bySubject := map[string]*merged{}
	var order []string
	for _, f := range findings {
		key := f.Check + " " + f.Subject.Key()
		m, seen := bySubject[key]
		if !seen {
			m = &merged{pods: map[string]bool{}}
			bySubject[key] = m
			order = append(order, key)
		}
		m.add(f)
	}
	out := make([]api.Finding, 0, len(order))
	for _, key := range order {
		out = append(out, bySubject[key].finding())
	}
	return out
}

type merged struct {
	best     api.Finding
	filled   bool
	messages []string
	evidence []api.Evidence
	pods     map[string]bool
	podCount int
}

func (m *merged) add(f api.Finding) {
	for _, pod := range f.Subject.Pods {
		m.pods[pod] = true
	}
	m.podCount = max(m.podCount, f.Subject.PodCount)
	switch {
	case !m.filled || f.Verdict.Rank() > m.best.Verdict.Rank():
		m.best, m.filled = f, true
		m.messages, m.evidence = nil, nil
	case f.Verdict.Rank() < m.best.Verdict.Rank():
		return
	case f.Severity.Rank() > m.best.Severity.Rank():
		m.best.Severity, m.best.Remediation = f.Severity, f.Remediation
		m.messages = append([]string{f.Message}, without(m.messages, f.Message)...)
	}
	if f.Basis == api.Measured {
		m.best.Basis = api.Measured
	}
	m.best.Subject.Platform = m.best.Subject.Platform || f.Subject.Platform
	if !slices.Contains(m.messages, f.Message) {
		m.messages = append(m.messages, f.Message)
	}
	for _, e := range f.Evidence {
		if !slices.Contains(m.evidence, e) {
			m.evidence = append(m.evidence, e)
		}
	}
}

func without(list []string, word string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == word })
}

func (m *merged) finding() api.Finding {
	f := m.best
	const maxMessages = 3
	messages := m.messages
	if extra := len(messages) - maxMessages; extra > 0 {
		messages = append(slices.Clone(messages[:maxMessages]), fmt.Sprintf("and %d more", extra))
	}
	f.Message = strings.Join(messages, "; ")
	f.Evidence = m.evidence
	if extra := len(f.Evidence) - MaxEvidence; extra > 0 {
		f.Evidence = append(slices.Clone(f.Evidence[:MaxEvidence]),
			api.Evidence{Source: "further evidence", Value: fmt.Sprintf("%d more", extra), Basis: f.Basis})
	}
	names := make([]string, 0, len(m.pods))
	for name := range m.pods {
		names = append(names, name)
	}
	slices.Sort(names)
	f.Subject.PodCount = max(m.podCount, len(names))
	f.Subject.Pods = names[:min(len(names), fact.MaxPodNames)]
	if len(names) == 0 {
		f.Subject.Pods = nil
	}
	return f
}

// SortFindings orders findings as a report prints them.
func SortFindings(findings []api.Finding) {
	slices.SortStableFunc(findings, func(a, b api.Finding) int {
		return cmp.Or(
			cmp.Compare(b.Verdict.Rank(), a.Verdict.Rank()),
			cmp.Compare(b.Severity.Rank(), a.Severity.Rank()),
			cmp.Compare(questionRank(a.Question), questionRank(b.Question)),
			cmp.Compare(a.Check, b.Check),
			cmp.Compare(a.Subject.Key(), b.Subject.Key()),
		)
	})
}

func questionRank(q api.Question) int {
	return slices.IndexFunc(Questions(), func(info QuestionInfo) bool { return info.Question == q })
}
