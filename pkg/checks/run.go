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
}

// Run judges facts by a plan. It is pure: the same input gives the same result,
// in the same order. Gaps that affect none of the checks are left out.
func Run(plan Plan, set *fact.Set) Result {
	v := NewView(set)
	switch {
	case plan.Narrowed != "":
	case v.Snapshot != nil:
		plan.Narrowed = "only an etcd file"
	case v.PodScope != fact.PodsAll && (v.PodScope != fact.PodsNotListed || len(v.Workloads) > 0):
		// Some of them, or pods of which facts do not say that they are all.
		plan.Narrowed = "only some pods"
	}
	gaps := v.affecting(&plan, v.gaps(&plan))
	affected := map[string][]*fact.Gap{}
	for i := range gaps {
		for _, id := range gaps[i].Affects {
			affected[id] = append(affected[id], &gaps[i])
		}
	}
	var findings []api.Finding
	for _, check := range plan.Checks {
		raw := slices.Clone(check.Judge(v))
		for _, gap := range affected[check.ID] {
			raw = append(raw, unknownFrom(*gap))
		}
		for i := range raw {
			v.complete(&raw[i], check)
		}
		findings = append(findings, Merge(raw)...)
	}
	SortFindings(findings)
	return Result{
		Answers:     v.answers(&plan, findings),
		Findings:    findings,
		Gaps:        gaps,
		OtherStores: v.Stores().names(),
		Provider:    v.Cluster.Provider,
	}
}

// complete fills in what Judge leaves to the check's metadata and to the run,
// and holds the law that a verdict without evidence is unknown.
func (v *View) complete(f *api.Finding, check Check) {
	f.Check, f.Question = check.ID, check.Question()
	// Nodes and the cluster have no namespace: they are never the platform's.
	f.Subject.Platform = fact.PlatformNamespace(v.Cluster.Provider, f.Subject.Namespace)
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
	if noPass || !slices.Contains([]api.Verdict{api.Pass, api.Fail, api.VerdictUnknown, api.Accepted}, f.Verdict) {
		f.Verdict, f.Reason = api.VerdictUnknown, fact.NotPresent
		f.Message = "the check gave no evidence for its verdict"
	}
	evidence := slices.Clone(f.Evidence)
	for i := range evidence {
		if evidence[i].Basis == "" {
			evidence[i].Basis = f.Basis
		}
	}
	f.Evidence = evidence
	if f.Verdict == api.Fail && f.Remediation == "" {
		f.Remediation = check.Remediation
	}
}

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
		FromGap:     true,
		Evidence:    []api.Evidence{{Source: "gap " + string(gap.What), Value: string(gap.Reason)}},
	}
}

// Merge joins findings of one check that have one subject. The worst verdict
// stays, and of its findings the one of the gravest severity speaks: its reason
// and remediation too. Messages are joined and evidence kept up to MaxEvidence,
// the gravest first; pods are united, so that the pods of a fail are those that
// fail. The result does not depend on the order of the findings, but for the
// order of subjects.
//
// A fail below medium makes no answer a no. Beside an unknown it stays a fail,
// and what is unknown follows in its words and evidence and gives it a reason, so
// that neither hides the other (api.Finding.Open).
//
// A pass that was measured for some pods and only declared for others is
// declared; another verdict has the basis of its gravest finding.
func Merge(findings []api.Finding) []api.Finding {
	bySubject := map[string][]api.Finding{}
	var order []string
	for _, f := range findings {
		key := f.Check + " " + f.Subject.Key()
		if _, seen := bySubject[key]; !seen {
			order = append(order, key)
		}
		bySubject[key] = append(bySubject[key], f)
	}
	out := make([]api.Finding, 0, len(order))
	for _, key := range order {
		out = append(out, mergeOne(bySubject[key]))
	}
	return out
}

// mergeOne joins findings of one check and subject.
func mergeOne(findings []api.Finding) api.Finding {
	slices.SortStableFunc(findings, func(a, b api.Finding) int {
		return cmp.Or(
			cmp.Compare(b.Verdict.Rank(), a.Verdict.Rank()),
			cmp.Compare(b.Severity.Rank(), a.Severity.Rank()),
			cmp.Compare(b.Basis, a.Basis), // measured before declared
			cmp.Compare(a.Message, b.Message),
			cmp.Compare(a.Reason, b.Reason),
			cmp.Compare(a.Remediation, b.Remediation),
			slices.CompareFunc(a.Evidence, b.Evidence, compareEvidence),
			slices.Compare(a.Subject.Pods, b.Subject.Pods),
		)
	})
	merged := findings[0]
	low := merged.Verdict == api.Fail && merged.Severity.Rank() < api.Medium.Rank()
	stays := func(v api.Verdict) bool { return v == merged.Verdict || low && v == api.VerdictUnknown }
	merged.FromGap = true
	var (
		messages []string
		evidence []api.Evidence
		pods     []string
		count    int
	)
	said, shown := map[string]bool{}, map[api.Evidence]bool{}
	for _, f := range findings {
		if !stays(f.Verdict) {
			break // they are sorted
		}
		merged.FromGap = merged.FromGap && f.FromGap
		if low && f.Verdict == api.VerdictUnknown && merged.Reason == "" {
			merged.Reason = f.Reason
		}
		if !said[f.Message] {
			said[f.Message] = true
			messages = append(messages, f.Message)
		}
		for _, e := range f.Evidence {
			if !shown[e] {
				shown[e] = true
				evidence = append(evidence, e)
			}
		}
		if f.Basis == api.Declared && f.Verdict == api.Pass {
			merged.Basis = api.Declared
		}
		merged.Subject.Platform = merged.Subject.Platform || f.Subject.Platform
		pods = append(pods, f.Subject.Pods...)
		count = max(count, f.Subject.PodCount)
	}
	if extra := len(messages) - maxMessages; extra > 0 {
		messages = append(messages[:maxMessages], fmt.Sprintf("and %d more", extra))
	}
	merged.Message = strings.Join(messages, "; ")
	if extra := len(evidence) - MaxEvidence; extra > 0 {
		evidence = append(evidence[:MaxEvidence],
			api.Evidence{Source: "further evidence", Value: fmt.Sprintf("%d more", extra), Basis: merged.Basis})
	}
	merged.Evidence = evidence
	slices.Sort(pods)
	pods = slices.Compact(pods)
	merged.Subject.PodCount = max(count, len(pods))
	merged.Subject.Pods = slices.Clip(pods[:min(len(pods), fact.MaxPodNames)])
	if len(pods) == 0 {
		merged.Subject.Pods = nil
	}
	return merged
}

func compareEvidence(a, b api.Evidence) int {
	return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Value, b.Value), cmp.Compare(a.Basis, b.Basis))
}

// SortFindings orders findings as a report prints them.
func SortFindings(findings []api.Finding) {
	rank := map[api.Question]int{}
	for i, info := range Questions() {
		rank[info.Question] = i
	}
	// Findings are large: pointers are sorted, by keys that are made once.
	type keyed struct {
		finding  *api.Finding
		question int
		subject  string
	}
	order := make([]keyed, len(findings))
	for i := range findings {
		order[i] = keyed{&findings[i], rank[findings[i].Question], findings[i].Subject.Key()}
	}
	slices.SortStableFunc(order, func(a, b keyed) int {
		return cmp.Or(
			cmp.Compare(b.finding.Verdict.Rank(), a.finding.Verdict.Rank()),
			cmp.Compare(b.finding.Severity.Rank(), a.finding.Severity.Rank()),
			cmp.Compare(a.question, b.question),
			cmp.Compare(a.finding.Check, b.finding.Check),
			cmp.Compare(a.subject, b.subject),
		)
	})
	sorted := make([]api.Finding, len(findings))
	for i := range order {
		sorted[i] = *order[i].finding
	}
	copy(findings, sorted)
}
