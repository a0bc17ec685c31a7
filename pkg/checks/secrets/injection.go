package secrets

import (
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// earlierFacts is the finding about facts of an earlier version, which did not read how
// Secrets reach programs: their absence there shows nothing. It is empty for other facts.
func earlierFacts(v *checks.View) []api.Finding {
	if v.InjectionRead || v.Snapshot != nil || v.PodScope == fact.PodsNotListed && len(v.Workloads) == 0 && !v.SecretsListed {
		return nil
	}
	return []api.Finding{{
		Verdict: api.VerdictUnknown, Reason: fact.NotRequested, Subject: fact.Subject{Kind: fact.SubjectCluster},
		Message:  "these facts were saved by an earlier version, which did not read it",
		Evidence: []api.Evidence{{Source: "facts injectionRead", Value: "not set"}},
	}}
}

// annotationSource names an annotation of a pod or of its template for evidence.
func annotationSource(w *fact.Workload, key string) string {
	return metadataSource(w, "annotations["+key+"]")
}

func metadataSource(w *fact.Workload, field string) string {
	path := "metadata."
	if n := len(w.Spec.Path) - len("spec"); n > 0 {
		path = w.Spec.Path[:n] + path // "spec.template.metadata."
	}
	return w.Spec.Origin + " " + path + field
}
