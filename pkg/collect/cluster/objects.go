package cluster

import (
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/manager"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/podspec"
)

// changes says how an object can be changed whose pod spec is in the field template.
func changes(meta metav1.Object, resource, template, strategy string) *fact.Object {
	return &fact.Object{
		Resource: schema.ParseGroupResource(resource).Resource, UID: string(meta.GetUID()), Template: template,
		Managers: manager.Of(meta, template), UpdateStrategy: strategy,
	}
}

// apiVersion is the version in which the kind is listed.
func (k *templateKind) apiVersion() string {
	return schema.GroupVersion{Group: k.Group, Version: "v1"}.String()
}

// outlined adds what the template has. Without that, no patch of it can be written.
func outlined(change *fact.Object, annotations map[string]string, spec *corev1.PodSpec) {
	if !podspec.Outline(change, annotations, spec) {
		change.Template = ""
	}
}

// part is how the pod spec in a custom resource can be changed; nil if nobody asks.
func part(object *fact.Object, declared *fact.PodSpec, annotations map[string]string, spec *corev1.PodSpec) *fact.Object {
	if object == nil {
		return nil
	}
	out := *object // its managers are of all of spec: where a kind has its pods is not the same in all
	out.Template, out.Fields = declared.Path, declared.Fields
	outlined(&out, annotations, spec)
	return &out
}

// changeOf is how the object of a template can be changed. It names the object if that is not
// the top owner.
func (l *templateLister) changeOf(t *template) *fact.Object {
	if t.change == nil {
		return nil
	}
	top, _ := l.topOf(t.object)
	if top == t.object {
		return t.change
	}
	out := *t.change
	out.Kind, out.Name = t.object.kind, t.object.name
	if owner := (fact.Manager{By: fact.ByOwner, Name: top.kind + "/" + top.name, Field: "metadata.ownerReferences"}); !slices.Contains(out.Managers, owner) {
		out.Managers = append(slices.Clone(out.Managers), owner)
	}
	return &out
}

// deploymentStrategy and setStrategy are as fact.Object.UpdateStrategy.
func deploymentStrategy(d *appsv1.Deployment) string {
	if d.Spec.Paused {
		return fact.StrategyPaused
	}
	return string(d.Spec.Strategy.Type)
}

func setStrategy(s *appsv1.StatefulSet) string {
	strategy := string(s.Spec.UpdateStrategy.Type)
	if rolling := s.Spec.UpdateStrategy.RollingUpdate; rolling != nil && rolling.Partition != nil && *rolling.Partition > 0 {
		return fmt.Sprintf("%s from %d", strategy, *rolling.Partition)
	}
	return strategy
}
