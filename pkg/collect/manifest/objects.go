package manifest

import (
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/podspec"
)

// template is where a kind keeps its pod template: the fields above metadata
// and spec; none for a Pod itself.
var (
	inTemplate    = []string{"spec", "template"}
	inJobTemplate = []string{"spec", "jobTemplate", "spec", "template"}
	inPodTemplate = []string{"template"}
)

// builtin has the templates of Kubernetes' own kinds ("GROUP Kind"). One of
// these without a pod spec is an error.
var builtin = map[string][]string{
	" Pod":                   {},
	" ReplicationController": inTemplate,
	" PodTemplate":           inPodTemplate,
	"apps Deployment":        inTemplate,
	"apps DaemonSet":         inTemplate,
	"apps StatefulSet":       inTemplate,
	"apps ReplicaSet":        inTemplate,
	"batch Job":              inTemplate,
	"batch CronJob":          inJobTemplate,
}

// fromObject finds the pod spec in an object, whatever its kind: a Pod's own,
// or a template's that has containers. Other kinds without these fields run no
// pod that we know of. Claims are the names of its claims by volume: the object
// does not say what is behind them.
func fromObject(object *unstructured.Unstructured, prefix string) (w fact.Workload, claims map[int]string, found bool, err error) {
	gvk := object.GroupVersionKind()
	fields, own := builtin[gvk.Group+" "+gvk.Kind]
	if !own {
		for _, try := range [][]string{inJobTemplate, inTemplate} {
			if value, found := lookup(object.Object, append(slices.Clone(try), "spec", "containers")); found {
				if _, isList := value.([]any); isList {
					fields = try
					break
				}
			}
		}
		if fields == nil {
			return fact.Workload{}, nil, false, nil
		}
	}
	for _, metadata := range []struct {
		path []string
		of   reflect.Type
	}{{[]string{"metadata"}, metadataType}, {append(slices.Clone(fields), "metadata"), metadataType}} {
		if value, found := lookup(object.Object, metadata.path); found {
			if wrong := misfit(value, metadata.of, anyPath(metadata.path)); wrong != nil {
				return fact.Workload{}, nil, false, wrong
			}
		}
	}
	path := strings.Join(append(slices.Clone(fields), "spec"), ".")
	spec, err := podSpec(object.Object, fields)
	if err != nil {
		return fact.Workload{}, nil, false, err
	}
	labels := texts(object.Object, append(slices.Clone(fields), "metadata", "labels"))
	annotations := texts(object.Object, append(slices.Clone(fields), "metadata", "annotations"))
	namespace, name := object.GetNamespace(), object.GetName()
	if name == "" {
		name = object.GetGenerateName()
	}
	w = fact.Workload{
		Owner: fact.Subject{
			Kind: object.GetKind(), Namespace: namespace, Name: name,
			Platform: fact.PlatformNamespace("", namespace),
		},
		Spec: podspec.From(origin(prefix, object.GetKind(), namespace, name), path, labels, annotations, spec),
	}
	openVolumes(&w.Spec)
	return w, claimsOf(spec), true, nil
}

// origin names an object as the place where something was read.
func origin(prefix, kind, namespace, name string) string {
	text := prefix + strings.ToLower(kind) + "/"
	if namespace != "" {
		text += namespace + "/"
	}
	return text + name
}

// objectMeta are the fields of metadata that are read.
type objectMeta struct {
	Name         string            `json:"name"`
	GenerateName string            `json:"generateName"`
	Namespace    string            `json:"namespace"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
}

var (
	metadataType = reflect.TypeFor[objectMeta]()
	podSpecType  = reflect.TypeFor[corev1.PodSpec]()
)

func anyPath(fields []string) []any {
	path := make([]any, len(fields))
	for i, field := range fields {
		path[i] = field
	}
	return path
}

// podSpec converts the spec below fields. It is strict about types and lenient
// about unknown fields, for which the API server only warns. Its errors name
// the field, never a value.
func podSpec(object map[string]any, fields []string) (*corev1.PodSpec, error) {
	at := append(anyPath(fields), "spec")
	value, _ := lookup(object, append(slices.Clone(fields), "spec"))
	raw, ok := value.(map[string]any)
	if !ok {
		return nil, &fieldError{at, "expected a pod spec, found " + typeName(value)}
	}
	if list, ok := raw["containers"].([]any); !ok || len(list) == 0 {
		return nil, &fieldError{append(at, "containers"), "expected a list of at least one container, found " + typeName(raw["containers"])}
	}
	if wrong := misfit(raw, podSpecType, at); wrong != nil {
		return nil, wrong
	}
	var spec corev1.PodSpec
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(raw, &spec); err != nil {
		// This is what misfit does not find. The error may quote a value.
		return nil, &fieldError{at, "expected a pod spec, found a value of another type in it"}
	}
	return &spec, nil
}

// lookup finds a value by its fields; false if one of them is missing.
func lookup(object map[string]any, fields []string) (any, bool) {
	var value any = object
	for _, field := range fields {
		inner, ok := value.(map[string]any)
		if !ok {
			return nil, false
		}
		if value, ok = inner[field]; !ok {
			return nil, false
		}
	}
	return value, true
}

// texts finds a map of strings, whose type misfit has checked; nil if there is
// none.
func texts(object map[string]any, fields []string) map[string]string {
	value, _ := lookup(object, fields)
	raw, ok := value.(map[string]any)
	if !ok {
		return nil
	}
	out := make(map[string]string, len(raw))
	for key, v := range raw {
		out[key], _ = v.(string)
	}
	return out
}
