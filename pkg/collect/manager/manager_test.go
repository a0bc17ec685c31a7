package manager

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

func managed(manager, subresource, fields string) metav1.ManagedFieldsEntry {
	return metav1.ManagedFieldsEntry{Manager: manager, Subresource: subresource, FieldsV1: metav1.NewFieldsV1(fields)}
}

func TestOf(t *testing.T) {
	const pods = `{"f:spec":{"f:template":{"f:spec":{"f:hostPID":{}}}}}`
	isController := true
	for name, tc := range map[string]struct {
		meta metav1.ObjectMeta
		want []fact.Manager
	}{
		"nothing says that somebody manages it": {metav1.ObjectMeta{Labels: map[string]string{"app": "web", "app.kubernetes.io/managed-by": "me"}}, nil},
		"a Helm release": {
			metav1.ObjectMeta{
				Labels:      map[string]string{"app.kubernetes.io/managed-by": "Helm"},
				Annotations: map[string]string{"meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": "shop"},
			},
			[]fact.Manager{{By: fact.ByHelm, Name: "shop/web", Field: "metadata.annotations[meta.helm.sh/release-name]"}},
		},
		"a chart that was rendered and applied": {
			metav1.ObjectMeta{Labels: map[string]string{"app.kubernetes.io/managed-by": "Helm"}},
			[]fact.Manager{{By: fact.ByHelm, Field: "metadata.labels[app.kubernetes.io/managed-by]"}},
		},
		"an Argo CD application by its tracking id": {
			metav1.ObjectMeta{Annotations: map[string]string{"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web"}},
			[]fact.Manager{{By: fact.ByArgoCD, Name: "shop", Field: "metadata.annotations[argocd.argoproj.io/tracking-id]"}},
		},
		"a Flux kustomization": {
			metav1.ObjectMeta{Labels: map[string]string{"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}},
			[]fact.Manager{{By: fact.ByFlux, Name: "flux-system/apps", Field: "metadata.labels[kustomize.toolkit.fluxcd.io/name]"}},
		},
		"an operator of OLM": {
			metav1.ObjectMeta{Labels: map[string]string{"operators.coreos.com/prom.monitoring": ""}},
			[]fact.Manager{{By: fact.ByOLM, Name: "prom.monitoring", Field: "metadata.labels[operators.coreos.com/prom.monitoring]"}},
		},
		"a custom owner": {
			metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{{Kind: "Database", Name: "orders", Controller: &isController}}},
			[]fact.Manager{{By: fact.ByOwner, Name: "Database/orders", Field: "metadata.ownerReferences"}},
		},
		"a program that wrote the pod's spec, and those that wrote something else": {
			metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{
				managed("terraform", "", pods), managed("kube-controller-manager", "", `{"f:metadata":{"f:annotations":{}}}`),
				managed("autoscaler", "scale", `{"f:spec":{"f:replicas":{}}}`), managed("other", "", `{"f:spec":{"f:replicas":{}}}`),
				managed("status", "status", pods), managed("kubectl-edit", "", pods), managed("kubectl", "", pods), managed("before-first-apply", "", pods),
			}},
			[]fact.Manager{{By: fact.ByFieldManager, Name: "terraform", Field: "metadata.managedFields"}},
		},
		"a program that owns all of spec": {
			metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{managed("x", "", `{"f:spec":{}}`)}},
			[]fact.Manager{{By: fact.ByFieldManager, Name: "x", Field: "metadata.managedFields"}},
		},
		"a set of fields that cannot be read": {
			metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{managed("x", "", `{"f:spec":`)}},
			[]fact.Manager{{By: fact.ByFieldManager, Name: "x", Field: "metadata.managedFields"}},
		},
		"what is no name is not kept": {
			metav1.ObjectMeta{Annotations: map[string]string{"meta.helm.sh/release-name": "a'; rm -rf /\n"}},
			[]fact.Manager{{By: fact.ByHelm, Name: "name-withheld", Field: "metadata.annotations[meta.helm.sh/release-name]"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Of(&tc.meta, "spec.template.spec")); diff != "" {
				t.Errorf("managers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOfIsBounded(t *testing.T) {
	var meta metav1.ObjectMeta
	for range 1000 {
		meta.OwnerReferences = append(meta.OwnerReferences, metav1.OwnerReference{Kind: "A", Name: "b"})
	}
	if got := len(Of(&meta, "spec")); got != fact.MaxObjectManagers {
		t.Errorf("managers: want %d, got %d", fact.MaxObjectManagers, got)
	}
}
