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
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/configmap"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/crash"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/weburl"
)

// Files names manifests, as kubectl's flags do.
type Files struct {
	Filenames []string // -f: files, directories, patterns, URLs, "-"
	Kustomize string   // -k
	Recursive bool     // -R

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
		names = append(names, weburl.Clean(name))
	}
	if f.Kustomize != "" {
		names = append(names, weburl.Clean(f.Kustomize))
	}
	return names
}

// ErrNoWorkload means that the manifests hold nothing that runs a pod, and no ConfigMap.
var ErrNoWorkload = errors.New("no pod, no workload and no ConfigMap found")

// Declared is what manifests declare.
type Declared struct {
	// Workloads are sorted by namespace, kind and name.
	Workloads []fact.Workload
	// ConfigMaps is what was found in the data of ConfigMaps.
	ConfigMaps *fact.ConfigMapScan
}

// Read returns what manifests declare. No cluster is contacted. Objects that run no pod
// and are no ConfigMap are skipped.
//
// The error joins a Problem for each source and each document that cannot be
// read, so that one does not hide the next. Read returns as soon as the context
// is done, even if a pipe or a server does not answer. What it had started is
// then abandoned.
func Read(ctx context.Context, files Files, namespace string, stdin io.Reader) (*Declared, error) {
	type result struct {
		declared *Declared
		err      error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			if v := recover(); v != nil {
				r = result{err: errors.New(panicked + crash.Describe(v))}
			}
			done <- r
		}()
		r.declared, r.err = files.read(ctx, namespace, stdin)
	}()
	select {
	case r := <-done:
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return r.declared, r.err
	case <-ctx.Done():
		if files.Kustomize != "" { // it is being stopped, and removes its files
			select {
			case <-done:
			case <-time.After(3 * time.Second):
			}
		}
		return nil, ctx.Err()
	}
}

func (f Files) read(ctx context.Context, namespace string, stdin io.Reader) (*Declared, error) {
	var out declared
	sources, problems := f.sources(stdin)
	for _, s := range sources {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		data, err := s.read(ctx)
		if err != nil {
			if s.built && err.Error() == notBuilt {
				for _, reason := range f.explain() {
					problems = append(problems, inSource(s.name, reason))
				}
				continue
			}
			problems = append(problems, inSource(s.name, err))
			continue
		}
		docs, wrong := split(s.name, data)
		problems = append(problems, wrong...)
		for i := range docs {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			docs[i].built = s.built
			problems = append(problems, docs[i].workloads(namespace, &out)...)
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	if len(out.workloads) == 0 && out.configMaps.Read() == 0 {
		return nil, fmt.Errorf("%w in %s", ErrNoWorkload, strings.Join(f.Names(), ", "))
	}
	out.storage.resolve(out.workloads, out.pending)
	Sort(out.workloads)
	return &Declared{Workloads: out.workloads, ConfigMaps: out.configMaps.Result(false)}, nil
}

// declared is what all manifests together declare.
type declared struct {
	workloads  []fact.Workload
	configMaps configmap.Scan
	storage    storage
	pending    []pendingClaim
}

// inSource names the source of an error that does not name one.
func inSource(name string, err error) error {
	var problem Problem
	if errors.As(err, &problem) {
		return err
	}
	return Problem{Source: name, Text: err.Error()}
}

// workloads adds what a document declares: an object, or those in a List.
func (d *document) workloads(namespace string, out *declared) (problems []error) {
	defer func() {
		if v := recover(); v != nil {
			problems = append(problems, d.problem(0, panicked+crash.Describe(v)))
		}
	}()
	value, err := d.decode()
	if err != nil {
		return []error{err}
	}
	if value == nil {
		return nil
	}
	flatten(value, nil, "", "", func(object *unstructured.Unstructured, path []any, err error) {
		var workload fact.Workload
		var claims map[int]string
		found := false
		if err == nil {
			if object.GetNamespace() == "" && namespace != "" {
				object.SetNamespace(namespace)
			}
			out.storage.add(object, d.source+" ")
			err = named(object, addConfigMap(&out.configMaps, d.source, object))
		}
		if err == nil {
			workload, claims, found, err = fromObject(object, d.source+" ")
			err = named(object, err)
		}
		if err != nil {
			problems = append(problems, d.problem(d.lineOf(path, err), itemText(path)+err.Error()))
		}
		if found {
			for volume, name := range claims {
				out.pending = append(out.pending, pendingClaim{len(out.workloads), volume, workload.Owner.Namespace, name})
			}
			out.workloads = append(out.workloads, workload)
		}
	})
	return problems
}

// lineOf is the line in the text that an error at a path of objects is about.
func (d *document) lineOf(path []any, err error) int {
	var field *fieldError
	if errors.As(err, &field) {
		path = append(slices.Clone(path), field.path...)
	}
	if len(path) == 0 {
		return 0
	}
	return lineOf(d.text, path)
}

// itemText names an object in a List.
func itemText(path []any) string {
	if len(path) == 0 {
		return ""
	}
	return pathText(path) + ": "
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
		workload, _, found, err := fromObject(object, "")
		if err != nil {
			return nil, named(object, err)
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
	}
	return "a number"
}
