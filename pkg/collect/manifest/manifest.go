// Package manifest reads workloads and ConfigMaps from files, directories, URLs,
// kustomizations and standard input: it takes whatever kubectl takes with -f, -R and -k. It
// reads them itself, because kubectl's libraries quote what they cannot read in
// their errors, name no line, and cannot be interrupted. Workloads that are
// named as TYPE/NAME come from the cluster, by cli-runtime's builder.
package manifest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/weburl"
)

// Files names manifests, as kubectl's flags do.
type Files struct {
	Filenames []string // -f: files, directories, patterns, URLs, "-"
	Kustomize string   // -k
	Recursive bool     // -R
	// Include and Exclude are globs of the files to read in directories (see globMatch).
	// Include is *.json, *.yaml and *.yml if it is empty. A directory that Exclude matches is
	// not looked into.
	Include, Exclude []string

	// Objects says whether to take how the objects can be changed (fact.Workload.Object).
	Objects bool

	// Lines takes the places of what is read; nil if nobody asks for them: it takes much longer.
	Lines *Lines

	// Change is called with each object that is not in another one, and with the source that
	// declares it. It returns what to take instead, nil for the object itself, and the source of
	// that, "" for the same one. Added is called after that, for objects that no source declares.
	// An error ends reading. Both may be nil.
	Change func(object *unstructured.Unstructured, source string) (after *unstructured.Unstructured, from string, err error)
	Added  func() ([]Object, error)

	// Builder is a command. With a directory as last argument it writes what
	// kustomize builds to stdout (see BuildKustomization). -k needs it.
	Builder []string
}

// Empty reports whether no manifest was named.
func (f Files) Empty() bool { return len(f.Filenames) == 0 && f.Kustomize == "" }

// Names lists what was named, for the report's scope. What may be secret is
// removed from URLs.
func (f Files) Names() []string {
	var names []string
	for _, name := range f.Filenames {
		names = append(names, shownName(name))
	}
	if f.Kustomize != "" {
		names = append(names, weburl.Clean(f.Kustomize))
	}
	return names
}

// shownName is what was named, as it may be shown: without the secret parts of a URL, and of what
// is no URL and looks as if it was meant to be one, only the beginning.
func shownName(name string) string {
	scheme, _, isURL := strings.Cut(name, "://")
	if isURL {
		if _, err := url.Parse(name); err != nil {
			return scheme + "://..."
		}
		return weburl.Clean(name)
	}
	scheme, rest, found := strings.Cut(name, ":")
	word := strings.ToLower(scheme)
	switch {
	case found && (word == "http" || word == "https"), strings.HasPrefix(rest, "/") && strings.Contains(rest, "@"):
		return scheme + ":..."
	case strings.Contains(name, "//") && strings.Contains(name, "@"):
		before, _, _ := strings.Cut(name, "//")
		return before + "//..."
	}
	return name
}

// ErrNoWorkload means that the manifests hold nothing that runs a pod, and no ConfigMap.
var ErrNoWorkload = errors.New("no pod, no workload and no ConfigMap found")

// Declared is what manifests declare.
type Declared struct {
	Summary
	// Workloads are sorted by namespace, kind and name.
	Workloads []fact.Workload
	// Namespaces are sorted by name.
	Namespaces []fact.Namespace
}

// Read is Stream for what fits into memory.
func Read(ctx context.Context, files Files, namespace string, stdin io.Reader) (*Declared, error) {
	var out Declared
	summary, err := Stream(ctx, files, namespace, stdin, func(item Item) error {
		switch {
		case item.Workload != nil:
			out.Workloads = append(out.Workloads, *item.Workload)
		case item.Namespace != nil:
			out.Namespaces = append(out.Namespaces, *item.Namespace)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out.Summary = *summary
	Sort(out.Workloads)
	slices.SortStableFunc(out.Namespaces, func(a, b fact.Namespace) int { return strings.Compare(a.Name, b.Name) })
	return &out, nil
}

// objectError says what is wrong with an object that has a name.
type objectError struct {
	kind, name string
	err        error
}

func (e *objectError) Error() string { return fmt.Sprintf("%s %q: %v", e.kind, e.name, e.err) }

func (e *objectError) Unwrap() error { return e.err }

// named puts kind and name before an error, if they look like a kind and a
// name.
func named(object *unstructured.Unstructured, err error) error {
	if err == nil || !isKind(object.GetKind()) {
		return err
	}
	if problems := validation.IsDNS1123Subdomain(object.GetName()); len(problems) > 0 {
		return fmt.Errorf("%s: %w", object.GetKind(), err)
	}
	return &objectError{object.GetKind(), object.GetName(), err}
}

// isKind reports whether text has the letters of an object's kind.
func isKind(text string) bool {
	if text == "" || len(text) > 63 || text[0] < 'A' || text[0] > 'Z' {
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9')
	})
}

// flatten returns an object, or those in a List (also nested), with their path
// in the document. Items of a list of one kind need not name their kind.
func flatten(value any, path []any, itemKind, itemVersion string, give func(*unstructured.Unstructured, []any, error)) {
	fields, isMap := value.(map[string]any)
	if !isMap {
		give(nil, path, &fieldError{text: "expected an object, found " + typeName(value)})
		return
	}
	object := &unstructured.Unstructured{Object: fields}
	for _, field := range []string{"kind", "apiVersion"} {
		if _, isText := fields[field].(string); !isText && fields[field] != nil {
			give(nil, path, &fieldError{[]any{field}, "expected a string, found " + typeName(fields[field])})
			return
		}
	}
	if object.GetKind() == "" && itemKind != "" {
		object.SetKind(itemKind)
		object.SetAPIVersion(itemVersion)
	}
	kind := object.GetKind()
	if kind == "" {
		give(nil, path, &fieldError{text: "expected an object, found one without kind"})
		return
	}
	items, isList := fields["items"].([]any)
	if !isList && (!strings.HasSuffix(kind, "List") || fields["items"] == nil) {
		give(object, path, nil)
		return
	}
	if !isList {
		give(nil, path, &fieldError{[]any{"items"}, "expected a list of objects, found " + typeName(fields["items"])})
		return
	}
	itemKind = ""
	if one, found := strings.CutSuffix(kind, "List"); found {
		itemKind = one
	}
	for i, item := range items {
		flatten(item, append(slices.Clone(path), "items", i), itemKind, object.GetAPIVersion(), give)
	}
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

// stdinName replaces a file's name in evidence and errors.
const stdinName = "stdin"

// Named resolves TYPE/NAME arguments on the cluster. It returns one workload
// for each: with the object's own template, and without pods.
// Objects is as in Files.
func Named(_ context.Context, getter resource.RESTClientGetter, namespace string, args []string, objects bool) ([]fact.Workload, error) {
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
		found := take(object, "", within{served: true, objects: objects})
		switch {
		case len(found.errs) > 0:
			return nil, named(object, found.errs[0])
		case len(found.workloads) == 0 && len(found.gaps) > 0:
			return nil, fmt.Errorf("%s", found.gaps[0].Detail)
		case len(found.workloads) == 0:
			return nil, fmt.Errorf("%s %q runs no pod: %s", object.GetKind(), object.GetName(), expected)
		}
		for i := range found.workloads {
			workload := found.workloads[i].workload
			if workload.Object != nil {
				workload.Object.UID = string(object.GetUID())
				if info.Mapping != nil {
					workload.Object.Resource = info.Mapping.Resource.Resource
				}
			}
			if isPod(object) {
				workload.Pods = []fact.Pod{{Name: object.GetName(), UID: string(object.GetUID()), Node: nodeOf(object)}}
			}
			workloads = append(workloads, workload)
		}
	}
	Sort(workloads)
	return workloads, nil
}

const expected = "expected a pod or a workload (deployment, daemonset, statefulset, job, cronjob, ...)"

// refuseData refuses kinds whose objects hold values rather than pods, before
// an object is fetched.
func refuseData(kind, word string) error {
	plain, _, _ := strings.Cut(strings.ToLower(kind), ".")
	switch plain {
	case "secret", "secrets", "configmap", "configmaps", "cm":
		return fmt.Errorf("%q runs no pod: %s", word, expected)
	}
	return nil
}

func isPod(object *unstructured.Unstructured) bool {
	return object.GetKind() == fact.SubjectPod && object.GetAPIVersion() == "v1"
}

func nodeOf(pod *unstructured.Unstructured) string {
	node, _, _ := unstructured.NestedString(pod.Object, "spec", "nodeName")
	return node
}

// typeName names the type of a decoded value for errors, which must not quote
// it.
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
	case float64:
		switch {
		case math.Abs(v) >= 1<<63:
			return "a number of more than 64 bits"
		case v != math.Trunc(v):
			return "a number with a fraction"
		}
	}
	return "a number"
}
