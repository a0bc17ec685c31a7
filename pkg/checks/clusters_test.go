package checks

import (
	"slices"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// Subjects that differ by their cluster alone stay apart: no finding and no gap
// of one is merged with the other's.
func TestClustersStayApart(t *testing.T) {
	in := func(cluster string) fact.Subject {
		return fact.Subject{Kind: "Deployment", Namespace: "shop", Name: "web", Container: "app", Cluster: cluster}
	}
	set := fact.Set{PodScope: fact.PodsAll}
	for _, cluster := range []string{"staging", "prod", "prod"} {
		set.Gaps = append(set.Gaps, fact.Gap{What: fact.Pods, Subject: in(cluster), Reason: fact.Forbidden})
	}
	check := Check{
		ID: "privileged/one", Severity: api.High, Basis: api.Declared, Needs: []fact.Kind{fact.Pods},
		Judge: func(*View) []api.Finding {
			var out []api.Finding
			for _, cluster := range []string{"staging", "prod"} {
				out = append(out, api.Finding{Verdict: api.Fail, Subject: in(cluster), Message: cluster, Evidence: []api.Evidence{{Source: "s", Value: cluster}}})
			}
			return out
		},
	}
	result := JudgeSet(Plan{Checks: []Check{check}, Known: []string{check.ID}}, &set)
	var findings, gaps []string
	for _, f := range result.Findings {
		if f.Message != f.Subject.Cluster {
			t.Errorf("a finding of %q says %q", f.Subject.Cluster, f.Message)
		}
		findings = append(findings, f.Subject.Cluster)
	}
	for _, g := range result.Gaps {
		gaps = append(gaps, g.Subject.Cluster)
	}
	if want := []string{"prod", "staging"}; !slices.Equal(findings, want) || !slices.Equal(gaps, want) {
		t.Errorf("findings of %v, gaps of %v; want each of %v", findings, gaps, want)
	}
}
