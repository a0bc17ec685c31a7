// Package report turns judged facts into a ChecklistReport and prints it.
// Printers only print: what they show was decided by package checks.
package report

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// Build joins facts and the result of judging them. It is pure: saved facts
// give the same report.
func Build(spec api.ReportSpec, set *fact.Set, result checks.Result) *api.ChecklistReport {
	report := &api.ChecklistReport{
		TypeMeta: metav1.TypeMeta{APIVersion: api.GroupVersion.String(), Kind: api.ReportKind},
		ObjectMeta: metav1.ObjectMeta{
			Name:              RunName(set),
			CreationTimestamp: metav1.NewTime(set.CollectedAt.Time),
		},
		Spec:     spec,
		Answers:  result.Answers,
		Findings: result.Findings,
		Gaps:     result.Gaps,
		Cluster: api.ReportCluster{
			Server:   set.Cluster.Server,
			Version:  set.Cluster.Version,
			Provider: set.Cluster.Provider,
			Nodes:    len(set.Nodes),
		},
	}
	if report.Answers == nil {
		report.Answers = []api.Answer{}
	}
	if report.Findings == nil {
		report.Findings = []api.Finding{}
	}
	for i := range set.Nodes {
		if set.Nodes[i].Measured != nil {
			report.Cluster.MeasuredNodes++
		}
	}
	for i := range set.Workloads {
		report.Cluster.Pods += len(set.Workloads[i].Pods)
	}
	if set.SecretsListed {
		n := len(set.Secrets)
		report.Cluster.Secrets = &n
	}
	return report
}

// RunName names the objects of one run by the time at which it started.
func RunName(set *fact.Set) string {
	return "run-" + set.CollectedAt.UTC().Format("20060102-150405")
}
