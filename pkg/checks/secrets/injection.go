package secrets

import (
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// earlierFacts is the finding about facts of an earlier version, which did not read how
// Secrets reach programs. It is empty for other facts.
func earlierFacts(v *checks.View) []api.Finding { return v.InjectionUnread() }

// annotationSource names an annotation of a pod or of its template for evidence.
func annotationSource(w *fact.Workload, key string) string {
	return checks.MetadataField(w, "annotations["+key+"]")
}
