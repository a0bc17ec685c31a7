// Package report turns judged facts into a ChecklistReport and prints it.
// Printers only print. Package checks decides what they show.
package report

import (
	"iter"
	"runtime"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/weburl"
)

// Report is a ChecklistReport whose findings are read one by one, because a cluster can
// have hundreds of thousands of Secrets with several findings each.
type Report struct {
	// Head is the report without its findings: Head.Findings is empty.
	Head *api.ChecklistReport
	// Set are the facts, for pictures; nil if the report was read from a file. A printer does not
	// change it. Its workloads can be missing: those of very many are dropped as they are judged.
	Set *fact.Set
	// Each gives the findings in their order, each time the same.
	Each iter.Seq[api.Finding]
	// Place says where in a file a finding is; nil if no lines are known. It is false if this one's
	// is not known.
	Place func(*api.Finding) (Place, bool)
	// Stored is the store of the cluster's Secrets, for people who asked about Secrets.
	// It is nil if none was read.
	Stored *checks.Store
	// OfNodes gives each node's own answers where Head.Nodes has none, for pictures: it judges
	// each node by itself when it is called. nil if no node was measured.
	OfNodes func() []api.ReportNode
	// few and failing are of facts with very many workloads: the first findings that say the
	// same, with the count of all, and the objects that fail by check. Else few is nil.
	few     iter.Seq2[api.Finding, *checks.Said]
	failing []*checks.Failing
}

// Place is a part of a file. Lines and columns count from 1, columns in characters (code points).
type Place struct {
	File               string // as its findings name it
	Line, Column       int
	EndLine, EndColumn int // the first column behind it
}

// Windows reports whether names of files are those of Windows.
const Windows = runtime.GOOS == "windows"

// fewFindings is how many findings of a check that say the same a table has, of very many
// workloads. It names ten, and shows the evidence of five.
const fewFindings = 64

// Whole returns the report with all findings in memory.
func (r *Report) Whole() *api.ChecklistReport {
	whole := *r.Head
	whole.Findings = slices.AppendSeq([]api.Finding{}, r.Each)
	return &whole
}

// Patch sets the patch of each failing finding that has one. Of is asked each time that a finding
// is given.
func (r *Report) Patch(of func(*api.Finding) *api.Patch) {
	each := r.Each
	r.Each = func(yield func(api.Finding) bool) {
		for f := range each {
			if f.Verdict == api.Fail {
				f.Remediation.Patch = of(&f)
			}
			if !yield(f) {
				return
			}
		}
	}
}

// Of returns a report that is in memory as one whose findings are read one by one.
func Of(report *api.ChecklistReport) *Report {
	head := *report
	head.Findings = []api.Finding{}
	return &Report{Head: &head, Each: slices.Values(report.Findings)}
}

// Build joins facts and the result of judging them. It is pure: saved facts
// give the same report.
func Build(spec api.ReportSpec, set *fact.Set, result checks.Result) *api.ChecklistReport {
	return (&Report{Head: head(spec, set, &result), Each: sanitized(slices.Values(result.Findings))}).Whole()
}

// Stream is Build for facts that can have very many findings.
func Stream(spec api.ReportSpec, set *fact.Set, judgement *checks.Judgement) *Report {
	report := &Report{Head: head(spec, set, &judgement.Result), Set: set, Each: sanitized(judgement.All())}
	if few, failing, ok := judgement.Few(fewFindings); ok {
		report.failing = failing
		report.few = func(yield func(api.Finding, *checks.Said) bool) {
			for f, said := range few {
				sanitizeFinding(&f)
				if !yield(f, said) {
					return
				}
			}
		}
	}
	if spec.Command == "secrets" {
		report.Stored = judgement.Store()
	}
	return report
}

// head is a report without its findings.
func head(spec api.ReportSpec, set *fact.Set, result *checks.Result) *api.ChecklistReport {
	report := &api.ChecklistReport{
		TypeMeta: metav1.TypeMeta{APIVersion: api.GroupVersion.String(), Kind: api.ReportKind},
		ObjectMeta: metav1.ObjectMeta{
			Name:              RunName(set),
			CreationTimestamp: metav1.NewTime(set.CollectedAt.Time),
		},
		Spec:     spec,
		Answers:  result.Answers,
		Findings: []api.Finding{},
		Gaps:     result.Gaps,
		Cluster: api.ReportCluster{
			Name:     set.Cluster.Name,
			Server:   set.Cluster.Server,
			User:     set.Cluster.User,
			UID:      set.Cluster.UID,
			Version:  set.Cluster.Version,
			Provider: result.Provider,

			OtherStores: result.OtherStores,
			Nodes:       len(set.Nodes),
		},
	}
	sanitize(report) // also makes Answers a list if it is nil
	for i := range set.Nodes {
		if set.Nodes[i].Measured != nil {
			report.Cluster.MeasuredNodes++
		}
	}
	for i := range set.Workloads {
		report.Cluster.Pods += len(set.Workloads[i].Pods)
	}
	switch {
	case set.Count != nil:
		read := *set.Count
		report.Read = &read
		report.Cluster.Pods = max(report.Cluster.Pods, read.Pods)
	case set.PodScope != fact.PodsNotListed:
		report.Read = &fact.ReadCount{Workloads: len(set.Workloads), Pods: report.Cluster.Pods}
	}
	if set.SecretsListed {
		n := len(set.Secrets)
		report.Cluster.Secrets = &n
	}
	return report
}

// safe makes a text from a node or cluster safe to print. A URL in a client's or a
// server's text may hold a password.
func safe(text string) string { return escape.Line(weburl.Clean(text)) }

func sanitizeSubject(s *fact.Subject) {
	// The author of an owner chooses its kind too.
	s.Kind, s.Namespace, s.Name = escape.Line(s.Kind), escape.Line(s.Namespace), escape.Line(s.Name)
	s.File = safe(s.File)
	s.Container, s.Node, s.Cluster = escape.Line(s.Container), escape.Line(s.Node), safe(s.Cluster)
	s.Pods = slices.Clone(s.Pods)
	for i := range s.Pods {
		s.Pods[i] = escape.Line(s.Pods[i])
	}
}

// sanitized makes every text of findings safe to print, as sanitize does.
func sanitized(findings iter.Seq[api.Finding]) iter.Seq[api.Finding] {
	return func(yield func(api.Finding) bool) {
		for f := range findings {
			sanitizeFinding(&f)
			if !yield(f) {
				return
			}
		}
	}
}

// sanitizeFinding changes what a finding has, and nothing that others share.
func sanitizeFinding(f *api.Finding) {
	sanitizeSubject(&f.Subject)
	f.Message, f.Remediation.Text, f.Reason = safe(f.Message), escape.Line(f.Remediation.Text), fact.Reason(escape.Line(string(f.Reason)))
	if f.Accepted != nil {
		a := *f.Accepted
		a.Reason, a.AcceptedBy, a.Accepted, a.Expires = safe(a.Reason), safe(a.AcceptedBy), safe(a.Accepted), safe(a.Expires)
		f.Accepted = &a
	}
	f.Evidence = slices.Clone(f.Evidence)
	for j := range f.Evidence {
		f.Evidence[j].Source, f.Evidence[j].Value = safe(f.Evidence[j].Source), safe(f.Evidence[j].Value)
	}
}

// sanitize makes every text from a node or cluster safe to print. It does so once, for
// every format, because templates and jsonpath print strings as they are.
func sanitize(report *api.ChecklistReport) {
	var gaps []fact.Gap
	for i := range report.Gaps {
		g := report.Gaps[i].DeepCopy()
		sanitizeSubject(&g.Subject)
		g.What, g.Reason = fact.Kind(escape.Line(string(g.What))), fact.Reason(escape.Line(string(g.Reason)))
		g.Detail, g.Hint = safe(g.Detail), escape.Line(g.Hint)
		gaps = append(gaps, *g)
	}
	report.Gaps = gaps
	c := &report.Cluster
	c.User, c.UID = safe(c.User), safe(c.UID)
	c.Name, c.Server, c.Version, c.Provider = safe(c.Name), safe(c.Server), escape.Line(c.Version), escape.Line(c.Provider)
	c.OtherStores = slices.Clone(c.OtherStores)
	for i := range c.OtherStores {
		c.OtherStores[i] = safe(c.OtherStores[i])
	}
	answers := make([]api.Answer, len(report.Answers))
	for i := range report.Answers {
		a := report.Answers[i].DeepCopy()
		a.Reason, a.WorkloadsReason = safe(a.Reason), safe(a.WorkloadsReason)
		for j := range a.Parts {
			a.Parts[j].Reason, a.Parts[j].WorkloadsReason = safe(a.Parts[j].Reason), safe(a.Parts[j].WorkloadsReason)
		}
		answers[i] = *a
	}
	report.Answers = answers
	scope := &report.Spec.Scope
	scope.Root, scope.Snapshot, scope.Narrowed = safe(scope.Root), safe(scope.Snapshot), safe(scope.Narrowed)
	scope.Selector, scope.FieldSelector, scope.ProbeLevel = safe(scope.Selector), safe(scope.FieldSelector), safe(scope.ProbeLevel)
	for _, list := range []*[]string{
		&scope.Namespaces, &scope.Names, &scope.Files, &scope.Checks, &scope.LeftOutChecks, &scope.ControlPlaneNodes, &scope.PlatformNamespaces,
	} {
		*list = slices.Clone(*list)
		for i := range *list {
			(*list)[i] = safe((*list)[i])
		}
	}
	if w := scope.WhatIf; w != nil {
		own := *w
		own.Directory = safe(own.Directory)
		scope.WhatIf = &own
	}
	if use := report.Spec.Waivers; use != nil {
		own := *use
		for _, list := range []*[]api.WaiverNote{&own.Expired, &own.Unused} {
			*list = slices.Clone(*list)
			for i := range *list {
				n := &(*list)[i]
				n.Check, n.Detail = safe(n.Check), safe(n.Detail)
			}
		}
		report.Spec.Waivers = &own
	}
	report.Spec.Command = safe(report.Spec.Command) // of saved facts
}

// RunName returns a name for the objects of one run, from the time when it started.
func RunName(set *fact.Set) string {
	return "run-" + set.CollectedAt.UTC().Format("20060102-150405")
}
