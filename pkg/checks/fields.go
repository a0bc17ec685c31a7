package checks

import (
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// InjectionUnread is the finding about facts of an earlier version that have none of the
// fields which Set.InjectionRead names: their absence there shows nothing. It is empty for
// other facts.
func (v *View) InjectionUnread() []api.Finding {
	if v.InjectionRead || v.PodScope == fact.PodsNotListed && len(v.Workloads) == 0 && !v.SecretsListed {
		return nil
	}
	return v.earlier("facts injectionRead")
}

// FieldsUnread is InjectionUnread for the fields which Set.FieldsRead names.
func (v *View) FieldsUnread() []api.Finding {
	if v.FieldsRead || v.PodScope == fact.PodsNotListed && len(v.Workloads) == 0 {
		return nil
	}
	return v.earlier("facts fieldsRead")
}

func (v *View) earlier(source string) []api.Finding {
	if v.Snapshot != nil {
		return nil
	}
	return []api.Finding{{
		Verdict: api.VerdictUnknown, Reason: fact.NotRequested, Subject: fact.Subject{Kind: fact.SubjectCluster},
		Message:  "these facts were saved by an earlier version, which did not read it",
		Evidence: []api.Evidence{{Source: source, Value: "not set"}},
	}}
}

// MetadataField names a field of the metadata that belongs to a pod's spec, for evidence: of
// the pod, or of the template ("deployment/NS/NAME spec.template.metadata.labels").
func MetadataField(w *fact.Workload, field string) string {
	path := w.Spec.Fields["metadata"]
	if path == "" {
		path = strings.TrimSuffix(w.Spec.Path, "spec") + "metadata" // "spec.template.metadata"
	}
	return w.Spec.Origin + " " + path + "." + field
}
