package manifest

import (
	"reflect"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/configmap"
)

var configMapType = reflect.TypeFor[corev1.ConfigMap]()

// addConfigMap looks for credentials in the object if it is a ConfigMap. Its errors name
// the field, never a value.
func addConfigMap(scan *configmap.Scan, source string, object *unstructured.Unstructured) error {
	if object.GetAPIVersion() != "v1" || object.GetKind() != "ConfigMap" {
		return nil
	}
	if wrong := misfit(object.Object, configMapType, nil); wrong != nil {
		return wrong
	}
	var m corev1.ConfigMap
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &m); err != nil {
		// This is what misfit does not find. The error may quote a value.
		return &fieldError{text: "expected a ConfigMap, found a value of another type in it"}
	}
	if m.Name == "" {
		m.Name = m.GenerateName
	}
	scan.Add(source, &m)
	return nil
}
