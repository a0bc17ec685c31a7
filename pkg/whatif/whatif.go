// Package whatif changes objects as patches and manifests in a directory would change them, so
// that they can be judged before anything is applied. Its errors name files, fields and objects,
// and never quote a value: an object may hold passwords.
package whatif

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	kjson "sigs.k8s.io/json"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/manifest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
)

// Changes are the patches and whole objects of one directory. They are not for concurrent use.
type Changes struct {
	// Name is the directory, as the user named it.
	Name string

	patches []*patch
	wholes  []*whole
	// exact are the patches of one object, by its kind and name; loose are the others. filed are
	// the objects of one file that have a patch of their own. wholesOf are the whole objects by
	// their kind and name.
	exact    map[named][]*patch
	loose    []*patch
	filed    map[Identity]bool
	wholesOf map[named][]*whole
}

// named is what identities are looked up by.
type named struct{ kind, name string }

// index makes the maps.
func (c *Changes) index() {
	c.exact, c.filed, c.wholesOf, c.loose = map[named][]*patch{}, map[Identity]bool{}, map[named][]*whole{}, nil
	for i, p := range c.patches {
		p.order = i
		if p.target.one == nil {
			c.loose = append(c.loose, p)
			continue
		}
		of := *p.target.one
		c.exact[named{of.Kind, of.Name}] = append(c.exact[named{of.Kind, of.Name}], p)
		if of.File != "" {
			c.filed[of] = true
		}
	}
	for _, w := range c.wholes {
		c.wholesOf[named{w.id.Kind, w.id.Name}] = append(c.wholesOf[named{w.id.Kind, w.id.Name}], w)
	}
}

// mayBe are the patches that may be for an object, by its names, in order.
func (c *Changes) mayBe(id Identity) []*patch {
	var out []*patch
	for _, p := range slices.Concat(c.exact[named{id.Kind, id.Name}], c.loose) {
		// A patch for the object of another file does not say so if that file was read first.
		if p.target.mayMatch(id) && (p.target.one == nil || p.target.one.File != "" || !c.filed[id]) {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b *patch) int { return a.order - b.order })
	return out
}

// Count says how much of the changes was applied.
type Count struct {
	// Patches counts patches, Objects the objects that they changed.
	Patches, Objects int
	// Replaced counts the objects of the directory that replaced another one, Added those that
	// are new.
	Replaced, Added int
}

// patch is one patch with its target. It has operations or fields.
type patch struct {
	name       string // the file, and the place in it
	target     selector
	operations jsonpatch.Patch // a JSON patch (RFC 6902)
	paths      []string        // of the operations
	fields     []byte          // a strategic merge patch, JSON, without what names the object
	names      Identity        // what it named
	order      int
	hits       int
}

// whole is an object of the directory.
type whole struct {
	source string
	id     Identity
	object map[string]any
	hits   int
}

// Identity says which object is meant.
type Identity struct {
	Group, Version, Kind, Namespace, Name string
	// File is the file that declares it, "" on a cluster.
	File string
}

// IdentityOf is the identity of an object.
func IdentityOf(object *unstructured.Unstructured, file string) Identity {
	gvk := object.GroupVersionKind()
	return Identity{gvk.Group, gvk.Version, gvk.Kind, object.GetNamespace(), object.GetName(), file}
}

// same reports whether both are one object of a cluster, in whatever version. An object without a
// namespace is in the namespace default.
func (i Identity) same(o Identity) bool {
	return i.Group == o.Group && i.Kind == o.Kind && i.Name == o.Name &&
		cmp.Or(i.Namespace, defaultNamespace) == cmp.Or(o.Namespace, defaultNamespace)
}

const defaultNamespace = "default"

// String names the object in a few words. Names from a file may hold anything.
func (i Identity) String() string {
	name := i.Name
	if i.Namespace != "" {
		name = i.Namespace + "/" + name
	}
	return escape.Short(i.Kind+" "+name, maxShown)
}

// maxShown bounds names in errors, bytes.
const maxShown = 300

// Wants reports whether some change may be for an object, by what its identity says. Labels are
// looked at by Apply.
func (c *Changes) Wants(id Identity) bool {
	return len(c.mayBe(id)) > 0 ||
		slices.ContainsFunc(c.wholesOf[named{id.Kind, id.Name}], func(w *whole) bool { return w.id.same(id) })
}

// Apply returns what becomes of an object: a new one, or nil if nothing is for it. From is the
// file of the directory that has it, "" if the object itself was patched, which does not change.
// An error names the file and what is wrong.
func (c *Changes) Apply(object *unstructured.Unstructured, file string) (after *unstructured.Unstructured, from string, err error) {
	id := IdentityOf(object, file)
	current := object
	for _, w := range c.wholesOf[named{id.Kind, id.Name}] {
		if w.id.same(id) {
			w.hits++
			from = w.source
			current = &unstructured.Unstructured{Object: w.object}
			if object.GetNamespace() != "" && current.GetNamespace() == "" {
				current = current.DeepCopy()
				current.SetNamespace(object.GetNamespace())
			}
		}
	}
	for _, p := range c.mayBe(id) {
		if !p.target.matches(id, object) {
			continue
		}
		changed, err := p.apply(current)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %s: %w", p.name, id, err)
		}
		if after := IdentityOf(changed, file); after != id {
			return nil, "", fmt.Errorf("%s: %s: it changes the kind, the name or the namespace of the object", p.name, id)
		}
		p.hits++
		current = changed
	}
	if current == object {
		return nil, "", nil
	}
	return current, from, nil
}

// Rest returns the whole objects of the directory that no object was replaced by: they are new.
// Each comes with its source.
func (c *Changes) Rest() []manifest.Object {
	var out []manifest.Object
	for _, w := range c.wholes {
		if w.hits == 0 {
			out = append(out, manifest.Object{Source: w.source, Object: &unstructured.Unstructured{Object: w.object}})
		}
	}
	return out
}

// maxNamed bounds how many patches an error names.
const maxNamed = 20

// Missed is an error that names each patch that changed nothing, nil if there is none.
func (c *Changes) Missed() error {
	var errs []error
	more := 0
	for _, p := range c.patches {
		switch {
		case p.hits > 0:
		case len(errs) == maxNamed:
			more++
		default:
			errs = append(errs, fmt.Errorf("%s: it hits nothing: no %s in what was read", p.name, p.target.String()))
		}
	}
	if more > 0 {
		errs = append(errs, fmt.Errorf("%d more patches hit nothing", more))
	}
	return errors.Join(errs...)
}

// Counted says what was applied so far. What Rest returns counts as added.
func (c *Changes) Counted() Count {
	var n Count
	for _, p := range c.patches {
		if p.hits > 0 {
			n.Patches++
			n.Objects += p.hits
		}
	}
	for _, w := range c.wholes {
		if w.hits > 0 {
			n.Replaced += w.hits
		} else {
			n.Added++
		}
	}
	return n
}

// apply applies the patch to a copy of an object.
func (p *patch) apply(object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	before, err := json.Marshal(object.Object)
	if err != nil {
		return nil, errors.New("the object cannot be written as JSON")
	}
	var after []byte
	switch kind := strategic[object.GetAPIVersion()+" "+object.GetKind()]; {
	case p.operations != nil:
		after, err = p.operate(before)
	case kind != nil:
		after, err = merge(before, p.fields, kind)
	default: // as the API server does for custom resources, and kustomize
		after, err = mergeJSON(before, p.fields)
	}
	if err != nil {
		return nil, err
	}
	if len(after) > maxObject {
		return nil, fmt.Errorf("it makes the object larger than %d MiB", maxObject>>20)
	}
	out := &unstructured.Unstructured{}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(after, &out.Object); err != nil || out.Object == nil {
		return nil, errors.New("what it makes is not an object")
	}
	if _, isMap := out.Object["metadata"].(map[string]any); !isMap {
		return nil, errors.New("what it makes has no metadata")
	}
	return out, nil
}

// maxObject bounds what patches make of one object, bytes: a "copy" can double it with each
// operation.
const maxObject = 16 << 20

// maxWork bounds the bytes that the operations of one patch go through: each one reads the object.
var maxWork int64 = 2 << 30

// operate applies the operations one by one, to say which one fails. The library's errors quote
// values.
func (p *patch) operate(object []byte) (_ []byte, err error) {
	defer func() {
		if recover() != nil { // the library's, of an operation that it does not expect
			err = errors.New("it cannot be applied")
		}
	}()
	var work int64
	for i := range p.operations {
		if work += int64(len(object)); work > maxWork {
			return nil, fmt.Errorf("it takes too long: %d operations on an object of this size", len(p.operations))
		}
		object, err = p.operations[i : i+1].Apply(object)
		why := ""
		switch {
		case err == nil && len(object) > maxObject:
			why = fmt.Sprintf("it makes the object larger than %d MiB", maxObject>>20)
		case err == nil:
			continue
		case errors.Is(err, jsonpatch.ErrTestFailed):
			why = "the object has something else there"
		case errors.Is(err, jsonpatch.ErrMissing):
			why = "the object has no such field"
		default:
			why = "it cannot be applied to the object"
		}
		return nil, fmt.Errorf("operation %d of %d (%s %s): %s", i+1, len(p.operations), escape.Short(p.operations[i].Kind(), 20), escape.Short(p.paths[i], maxShown), why)
	}
	return object, nil
}

// strategic are the kinds that have a strategic merge patch ("VERSION Kind"), with their types.
var strategic = map[string]any{
	"v1 Pod":                   corev1.Pod{},
	"v1 ReplicationController": corev1.ReplicationController{},
	"v1 PodTemplate":           corev1.PodTemplate{},
	"v1 Namespace":             corev1.Namespace{},
	"v1 ConfigMap":             corev1.ConfigMap{},
	"apps/v1 Deployment":       appsv1.Deployment{},
	"apps/v1 DaemonSet":        appsv1.DaemonSet{},
	"apps/v1 StatefulSet":      appsv1.StatefulSet{},
	"apps/v1 ReplicaSet":       appsv1.ReplicaSet{},
	"batch/v1 Job":             batchv1.Job{},
	"batch/v1 CronJob":         batchv1.CronJob{},
}

func merge(object, fields []byte, kind any) (_ []byte, err error) {
	defer func() {
		if recover() != nil { // the library's, of a patch whose types are not the kind's
			err = errors.New(notMerged)
		}
	}()
	out, err := strategicpatch.StrategicMergePatch(object, fields, reflect.New(reflect.TypeOf(kind)).Interface())
	if err != nil {
		return nil, errors.New(notMerged)
	}
	return out, nil
}

const notMerged = "it is no strategic merge patch of this kind: a field has another type, or an entry of a list has no name"

// mergeJSON is a JSON merge patch (RFC 7386).
func mergeJSON(object, fields []byte) ([]byte, error) {
	out, err := jsonpatch.MergePatch(object, fields)
	if err != nil {
		return nil, errors.New("it is no merge patch")
	}
	return out, nil
}

// Empty reports whether there is no change.
func (c *Changes) Empty() bool { return len(c.patches)+len(c.wholes) == 0 }

// Enforces reports whether the directory has an object that may change what the API server
// refuses.
func (c *Changes) Enforces() bool {
	return slices.ContainsFunc(c.wholes, func(w *whole) bool {
		return strings.HasSuffix(w.id.Group, "admissionregistration.k8s.io") || strings.Contains(w.id.Kind, "Policy")
	})
}
