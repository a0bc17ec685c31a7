// Package manifest reads workloads from files, directories, kustomizations and
// standard input, and names of workloads on a cluster, by cli-runtime's builder:
// whatever kubectl takes behind -f, -R, -k and as TYPE/NAME, this takes too.
package manifest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/podspec"
)

// Files names manifests, as kubectl's flags do.
type Files struct {
	Filenames []string // -f: files, directories, URLs, "-"
	Kustomize string   // -k
	Recursive bool     // -R
}

// Empty tells whether no manifest was named.
func (f Files) Empty() bool { return len(f.Filenames) == 0 && f.Kustomize == "" }

// Names lists what was named, for the report's scope.
func (f Files) Names() []string {
	if f.Kustomize != "" {
		return []string{f.Kustomize}
	}
	return f.Filenames
}

// ErrNoWorkload says that manifests hold nothing that runs a pod.
var ErrNoWorkload = errors.New("no pod and no workload found")

// Read returns the workloads that manifests declare, sorted by namespace, kind
// and name. No cluster is contacted. Objects that run no pod are passed over;
// a manifest that cannot be parsed is an error that names it.
func Read(_ context.Context, files Files, namespace string, stdin io.Reader) ([]fact.Workload, error) {
	builder := resource.NewLocalBuilder().
		Unstructured().
		ContinueOnError()
	named := slices.DeleteFunc(slices.Clone(files.Filenames), func(name string) bool { return name == "-" })
	if len(named) < len(files.Filenames) {
		builder = builder.Stream(stdin, stdinName)
	}
	if len(named) > 0 || files.Kustomize != "" {
		builder = builder.FilenameParam(false, &resource.FilenameOptions{
			Filenames: named, Kustomize: files.Kustomize, Recursive: files.Recursive,
		})
	}
	var workloads []fact.Workload
	err := builder.Do().Visit(func(info *resource.Info, err error) error {
		if err != nil {
			return err
		}
		objects, err := flatten(info.Object)
		if err != nil {
			return fmt.Errorf("%s: %w", info.Source, err)
		}
		for _, object := range objects {
			// The builder does this for kinds that it knows from a cluster.
			if object.GetNamespace() == "" && namespace != "" {
				object.SetNamespace(namespace)
			}
			workload, found, err := fromObject(object, sourcePrefix(info.Source))
			if err != nil {
				return fmt.Errorf("%s: %s %q: %w", info.Source, object.GetKind(), object.GetName(), err)
			}
			if found {
				workloads = append(workloads, workload)
			}
		}
		return nil
	})
	if err != nil {
		return nil, withoutValues(err)
	}
	if len(workloads) == 0 {
		return nil, fmt.Errorf("%w in %s", ErrNoWorkload, strings.Join(files.Names(), ", "))
	}
	Sort(workloads)
	return workloads, nil
}

// flatten returns an object, or those in a List, lists in lists too. The
// builder's own way forgets which file a broken item is in.
func flatten(object runtime.Object) ([]*unstructured.Unstructured, error) {
	switch o := object.(type) {
	case *unstructured.Unstructured:
		if o.GetKind() == "" {
			return nil, errors.New("expected an object, found one without kind")
		}
		if !o.IsList() {
			return []*unstructured.Unstructured{o}, nil
		}
		list, err := o.ToList()
		if err != nil {
			return nil, fmt.Errorf("%s: expected a list of objects in items", o.GetKind())
		}
		return flatten(list)
	case *unstructured.UnstructuredList:
		var out []*unstructured.Unstructured
		for i := range o.Items {
			inner, err := flatten(&o.Items[i])
			if err != nil {
				return nil, fmt.Errorf("%s: items[%d]: %w", o.GetKind(), i, err)
			}
			out = append(out, inner...)
		}
		return out, nil
	}
	return nil, fmt.Errorf("expected an object, found %T", object)
}

// Sort orders workloads as fact.Set wants them.
func Sort(workloads []fact.Workload) {
	slices.SortStableFunc(workloads, func(a, b fact.Workload) int {
		return cmp.Or(
			strings.Compare(a.Owner.Namespace, b.Owner.Namespace),
			strings.Compare(a.Owner.Kind, b.Owner.Kind),
			strings.Compare(a.Owner.Name, b.Owner.Name),
		)
	})
}

// stdinName stands where a file's name would, in evidence and errors.
const stdinName = "stdin"

func sourcePrefix(source string) string {
	if source == "" {
		source = stdinName
	}
	return source + " "
}

// quotes are the places where the libraries that read manifests quote what they
// read, a Secret's data among it: a whole object without a kind, a time that is
// none, and what a kustomization's generators are given.
var quotes = []struct {
	from *regexp.Regexp
	to   string
}{
	{regexp.MustCompile(`(?s)Object '(\w+)' is missing in '.*`), "expected an object, found one without $1"},
	{regexp.MustCompile(`cannot unmarshal number \S+`), "cannot unmarshal a number"},
	{regexp.MustCompile(`(?s)unknown anchor '.*' referenced`), "reference to an unknown anchor"},
	{regexp.MustCompile(`(?s)anchor '.*' value contains itself`), "an anchor's value contains itself"},
	{regexp.MustCompile("(?s)cannot (?:decode|unmarshal) \\S+ `.*`(?: as an? .*| into .*)"), "a value of another type than its tag or field says"},
	{regexp.MustCompile(`(?s)invalid map key: .*`), "a map key that is no text"},
	{regexp.MustCompile(`(?s)parsing time .*`), "expected a time (RFC 3339)"},
	{regexp.MustCompile(`(?s)(literal sources|env source files|file sources):? .*`), "$1: expected KEY=VALUE or a file that can be read"},
}

// withoutValues words an error anew where it would quote a manifest's values.
func withoutValues(err error) error {
	var aggregate utilerrors.Aggregate
	if errors.As(err, &aggregate) {
		var plain []error
		for _, e := range utilerrors.Flatten(aggregate).Errors() {
			plain = append(plain, withoutValues(e))
		}
		return errors.Join(plain...)
	}
	text := err.Error()
	for _, q := range quotes {
		if q.from.MatchString(text) {
			return errors.New(q.from.ReplaceAllString(text, q.to))
		}
	}
	return err
}

// Named resolves TYPE/NAME arguments on the cluster. It returns one workload
// for each: with the object's own template, and without pods.
func Named(_ context.Context, getter resource.RESTClientGetter, namespace string, args []string) ([]fact.Workload, error) {
	words := slices.Clone(args)
	for i, word := range words {
		kind, _, ok := strings.Cut(word, "/")
		if !ok {
			words[i] = "pods/" + word
		}
		if err := refuseData(kind, word); ok && err != nil {
			return nil, err
		}
	}
	infos, err := resource.NewBuilder(getter).
		Unstructured().
		NamespaceParam(namespace).DefaultNamespace().
		ResourceNames("pods", words...).
		Flatten().
		Do().
		Infos()
	if err != nil {
		return nil, err
	}
	var workloads []fact.Workload
	for _, info := range infos {
		object, ok := info.Object.(*unstructured.Unstructured)
		if !ok {
			return nil, fmt.Errorf("expected an object, found %T", info.Object)
		}
		workload, found, err := fromObject(object, "")
		if err != nil {
			return nil, fmt.Errorf("%s %q: %w", object.GetKind(), object.GetName(), err)
		}
		if !found {
			return nil, fmt.Errorf("%s %q runs no pod: %s", object.GetKind(), object.GetName(), expected)
		}
		if isPod(object) {
			workload.Pods = []fact.Pod{{Name: object.GetName(), UID: string(object.GetUID()), Node: nodeOf(object)}}
		}
		workloads = append(workloads, workload)
	}
	Sort(workloads)
	return workloads, nil
}

const expected = "expected a pod or a workload (deployment, daemonset, statefulset, job, cronjob, ...)"

// refuseData refuses kinds whose objects hold values rather than pods, before
// one is fetched.
func refuseData(kind, word string) error {
	plain, _, _ := strings.Cut(strings.ToLower(kind), ".")
	switch plain {
	case "secret", "secrets", "configmap", "configmaps", "cm":
		return fmt.Errorf("%q runs no pod: %s", word, expected)
	}
	return nil
}

func isPod(object *unstructured.Unstructured) bool {
	return object.GetKind() == "Pod" && object.GetAPIVersion() == "v1"
}

func nodeOf(pod *unstructured.Unstructured) string {
	node, _, _ := unstructured.NestedString(pod.Object, "spec", "nodeName")
	return node
}

// template is where a kind keeps what becomes of a pod, as the fields above its
// metadata and spec; none for a Pod itself.
var (
	inTemplate    = []string{"spec", "template"}
	inJobTemplate = []string{"spec", "jobTemplate", "spec", "template"}
	inPodTemplate = []string{"template"}
)

// builtin says it for Kubernetes' own kinds ("GROUP Kind"): one of these
// without a pod spec is an error.
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
// or a template's that has containers. Other kinds with none of these fields
// run no pod that we know of.
func fromObject(object *unstructured.Unstructured, prefix string) (fact.Workload, bool, error) {
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
			return fact.Workload{}, false, nil
		}
	}
	path := strings.Join(append(slices.Clone(fields), "spec"), ".")
	spec, err := podSpec(object.Object, fields, path)
	if err != nil {
		return fact.Workload{}, false, err
	}
	labels, err := texts(object.Object, append(slices.Clone(fields), "metadata", "labels"))
	if err != nil {
		return fact.Workload{}, false, err
	}
	annotations, err := texts(object.Object, append(slices.Clone(fields), "metadata", "annotations"))
	if err != nil {
		return fact.Workload{}, false, err
	}
	namespace, name := object.GetNamespace(), object.GetName()
	if name == "" {
		name = object.GetGenerateName()
	}
	origin := prefix + strings.ToLower(object.GetKind()) + "/"
	if namespace != "" {
		origin += namespace + "/"
	}
	return fact.Workload{
		Owner: fact.Subject{
			Kind: object.GetKind(), Namespace: namespace, Name: name,
			Platform: fact.PlatformNamespace("", namespace),
		},
		Spec: podspec.From(origin+name, path, labels, annotations, spec),
	}, true, nil
}

// podSpec converts the spec below fields. It is strict about types and lenient
// about unknown fields, as the API server is with warnings only. Its errors name
// the field, never a value.
func podSpec(object map[string]any, fields []string, path string) (*corev1.PodSpec, error) {
	value, _ := lookup(object, append(slices.Clone(fields), "spec"))
	raw, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s: expected a pod spec, found %s", path, typeName(value))
	}
	if list, ok := raw["containers"].([]any); !ok || len(list) == 0 {
		return nil, fmt.Errorf("%s.containers: expected a list of at least one container, found %s", path, typeName(raw["containers"]))
	}
	var spec corev1.PodSpec
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(raw, &spec); err != nil {
		return nil, fmt.Errorf("reading its pod spec (%s): %w", path, withoutValues(err))
	}
	return &spec, nil
}

// lookup finds a value by its fields; false where one of them is not there.
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

// texts finds a map of strings; nil where there is none.
func texts(object map[string]any, fields []string) (map[string]string, error) {
	value, found := lookup(object, fields)
	if !found || value == nil {
		return nil, nil
	}
	raw, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s: expected a map, found %s", strings.Join(fields, "."), typeName(value))
	}
	out := make(map[string]string, len(raw))
	for key, v := range raw {
		if out[key], ok = v.(string); !ok {
			return nil, fmt.Errorf("%s: expected strings, found %s", strings.Join(fields, "."), typeName(v))
		}
	}
	return out, nil
}

// typeName names the type of a decoded value, for errors that must not quote it.
func typeName(value any) string {
	switch v := value.(type) {
	case nil:
		return "nothing"
	case map[string]any:
		return "a map"
	case []any:
		return fmt.Sprintf("a list of %d", len(v))
	case string:
		return "a string"
	case bool:
		return "a boolean"
	}
	return "a number"
}
