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
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
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
		ContinueOnError().
		NamespaceParam(namespace).DefaultNamespace()
	named := slices.DeleteFunc(slices.Clone(files.Filenames), func(name string) bool { return name == "-" })
	if len(named) < len(files.Filenames) {
		builder = builder.Stream(stdin, stdinName)
	}
	if len(named) > 0 || files.Kustomize != "" {
		builder = builder.FilenameParam(false, &resource.FilenameOptions{
			Filenames: named, Kustomize: files.Kustomize, Recursive: files.Recursive,
		})
	}
	result := builder.Flatten().Do()
	var workloads []fact.Workload
	err := result.Visit(func(info *resource.Info, err error) error {
		if err != nil {
			return err
		}
		object, ok := info.Object.(*unstructured.Unstructured)
		if !ok {
			return fmt.Errorf("%s: expected an object, found %T", info.Source, info.Object)
		}
		workload, found, err := fromObject(object, sourcePrefix(info.Source))
		if err != nil {
			return fmt.Errorf("%s: %s %q: %w", info.Source, object.GetKind(), object.GetName(), err)
		}
		if found {
			workloads = append(workloads, workload)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(workloads) == 0 {
		return nil, fmt.Errorf("%w in %s", ErrNoWorkload, strings.Join(files.Names(), ", "))
	}
	Sort(workloads)
	return workloads, nil
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

// Named resolves TYPE/NAME arguments on the cluster. It returns one workload
// for each: with the object's own template, and without pods.
func Named(_ context.Context, getter resource.RESTClientGetter, namespace string, args []string) ([]fact.Workload, error) {
	words := slices.Clone(args)
	for i, word := range words {
		if !strings.Contains(word, "/") {
			words[i] = "pods/" + word
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
			return nil, fmt.Errorf("%s %q runs no pod: expected a pod or a workload (deployment, daemonset, statefulset, job, cronjob, ...)", object.GetKind(), object.GetName())
		}
		workloads = append(workloads, workload)
	}
	Sort(workloads)
	return workloads, nil
}

// templatePaths says where each kind keeps its pod spec. A kind with none of
// these fields runs no pod that we know of.
var templatePaths = [][]string{
	{"spec", "jobTemplate", "spec", "template"}, // CronJob
	{"spec", "template"},                        // Deployment, DaemonSet, StatefulSet, ReplicaSet, Job, Rollout, ...
	{"template"},                                // PodTemplate
}

// fromObject finds the pod spec in an object, whatever its kind: a Pod's own,
// or a template's that has containers.
func fromObject(object *unstructured.Unstructured, prefix string) (fact.Workload, bool, error) {
	var template corev1.PodTemplateSpec
	path := ""
	if object.GetKind() == "Pod" && object.GetAPIVersion() == "v1" {
		path = "spec"
		if err := convert(object.Object, &template); err != nil {
			return fact.Workload{}, false, err
		}
	} else {
		for _, fields := range templatePaths {
			value, found, err := unstructured.NestedMap(object.Object, fields...)
			if err != nil || !found {
				continue
			}
			if _, found, err := unstructured.NestedSlice(value, "spec", "containers"); err != nil || !found {
				continue
			}
			path = strings.Join(fields, ".") + ".spec"
			if err := convert(value, &template); err != nil {
				return fact.Workload{}, false, err
			}
			break
		}
	}
	if path == "" {
		return fact.Workload{}, false, nil
	}
	namespace := object.GetNamespace()
	name := object.GetName()
	if name == "" {
		name = object.GetGenerateName()
	}
	origin := prefix + strings.ToLower(object.GetKind()) + "/" + namespace + "/" + name
	workload := fact.Workload{
		Owner: fact.Subject{
			Kind: object.GetKind(), Namespace: namespace, Name: name,
			Platform: fact.PlatformNamespace(namespace),
		},
		Spec: podspec.From(origin, path, template.Labels, template.Annotations, &template.Spec),
	}
	if controller := metav1.GetControllerOfNoCopy(object); object.GetKind() == "Pod" && controller != nil {
		workload.Pods = []fact.Pod{{Name: name, UID: string(object.GetUID()), Node: template.Spec.NodeName}}
	}
	return workload, true, nil
}

// convert is strict about types and lenient about unknown fields, as the API
// server is with warnings only. Its errors name the field, never a value.
func convert(from map[string]any, to *corev1.PodTemplateSpec) error {
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(from, to); err != nil {
		return fmt.Errorf("reading its pod spec: %w", err)
	}
	return nil
}
