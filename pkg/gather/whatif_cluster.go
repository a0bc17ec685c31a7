package gather

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/manifest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/whatif"
)

// maxChanged bounds how many objects of a cluster are read for --what-if, one request for each.
const maxChanged = 5000

// objectTimeout is the time limit for one of these requests.
const objectTimeout = 30 * time.Second

// changed are the objects of a cluster as changes make them.
type changed struct {
	objects []changedObject
	// enforces says that the changes may change what the API server refuses.
	enforces bool
}

// changedObject is one object before and after. Before is nil for a new one.
type changedObject struct {
	id            whatif.Identity
	before, after *unstructured.Unstructured
	taken         manifest.Taken
}

// change reads the objects in scope that the changes are for, and applies these. Nothing in the
// set is changed yet. An error means that some change cannot be applied.
func (c *Cluster) change(ctx context.Context, set *fact.Set) (*changed, error) {
	if c.Changes == nil {
		return nil, nil
	}
	config := rest.CopyConfig(c.Config)
	if config.QPS >= 0 {
		config.QPS, config.Burst = 50, 100
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	out := &changed{enforces: c.Changes.Enforces()}
	var wanted []candidate
	for _, o := range candidates(set) {
		if c.Changes.Wants(o.id) {
			wanted = append(wanted, o)
		}
	}
	if len(wanted) > maxChanged {
		return nil, fmt.Errorf("expected changes of at most %d objects, found %d: narrow the run to a namespace, or the targets of the patches", maxChanged, len(wanted))
	}
	for _, o := range wanted {
		before, err := read(ctx, client, o)
		if err != nil {
			return nil, err
		}
		after, from, err := c.Changes.Apply(before, "")
		switch {
		case err != nil:
			return nil, err
		case after == nil: // its labels do not match
			continue
		}
		if err := out.add(o.id, before, after, from); err != nil {
			return nil, err
		}
	}
	if err := c.Changes.Missed(); err != nil {
		return nil, err
	}
	for _, o := range c.Changes.Rest() {
		id := whatif.IdentityOf(o.Object, "")
		if err := out.add(id, nil, o.Object, o.Source); err != nil {
			return nil, err
		}
		t := &out.objects[len(out.objects)-1].taken
		if len(t.Workloads) > 0 && c.Namespace != "" && id.Namespace != c.Namespace {
			return nil, fmt.Errorf("%s: %s: its namespace is not looked at: add -n or --all-namespaces", o.Source, id)
		}
	}
	return out, nil
}

func (c *changed) add(id whatif.Identity, before, after *unstructured.Unstructured, source string) error {
	taken, err := manifest.Take(after, source)
	if err != nil {
		return fmt.Errorf("%s: after the change: %w", id, err)
	}
	c.objects = append(c.objects, changedObject{id, before, after, taken})
	return nil
}

// candidate is an object in scope.
type candidate struct {
	id       whatif.Identity
	resource string
}

// builtinVersions are the API versions of kinds whose templates could not be listed.
var builtinVersions = map[string]string{
	"Pod": "v1", "ReplicationController": "v1", "Deployment": "apps/v1", "DaemonSet": "apps/v1",
	"StatefulSet": "apps/v1", "ReplicaSet": "apps/v1", "Job": "batch/v1", "CronJob": "batch/v1",
}

// candidates are the objects that have the pod templates in scope, and the namespaces.
func candidates(set *fact.Set) []candidate {
	var out []candidate
	seen := map[whatif.Identity]bool{}
	add := func(apiVersion, kind, namespace, name, resource string) {
		version, err := schema.ParseGroupVersion(apiVersion)
		id := whatif.Identity{Group: version.Group, Version: version.Version, Kind: kind, Namespace: namespace, Name: name}
		if err == nil && version.Version != "" && !seen[id] {
			seen[id] = true
			out = append(out, candidate{id, cmp.Or(resource, strings.ToLower(kind)+"s")})
		}
	}
	for i := range set.Workloads {
		w := &set.Workloads[i]
		if o := w.Object; o != nil && o.APIVersion != "" {
			add(o.APIVersion, cmp.Or(o.Kind, w.Owner.Kind), w.Owner.Namespace, cmp.Or(o.Name, w.Owner.Name), o.Resource)
		} else {
			add(builtinVersions[w.Owner.Kind], w.Owner.Kind, w.Owner.Namespace, w.Owner.Name, "")
		}
	}
	for i := range set.Namespaces {
		add("v1", fact.SubjectNamespace, "", set.Namespaces[i].Name, "namespaces")
	}
	return out
}

// read reads one object.
func read(ctx context.Context, client dynamic.Interface, o candidate) (*unstructured.Unstructured, error) {
	limited, cancel := context.WithTimeout(ctx, objectTimeout)
	defer cancel()
	var resource dynamic.ResourceInterface = client.Resource(schema.GroupVersionResource{Group: o.id.Group, Version: o.id.Version, Resource: o.resource})
	if o.id.Namespace != "" {
		resource = client.Resource(schema.GroupVersionResource{Group: o.id.Group, Version: o.id.Version, Resource: o.resource}).Namespace(o.id.Namespace)
	}
	object, err := resource.Get(limited, o.id.Name, metav1.GetOptions{})
	switch {
	case err == nil && object.GetUID() == "" && object.GetName() != o.id.Name:
		return nil, fmt.Errorf("reading %s: the server answered with another object", o.id)
	case err == nil:
		return object, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	// The server's own words could quote the object.
	why := string(apierrors.ReasonForError(err))
	switch {
	case apierrors.IsNotFound(err):
		why = "it does not exist any more"
	case apierrors.IsForbidden(err):
		why = "this user may not get it (" + o.resource + ")"
	case errors.Is(limited.Err(), context.DeadlineExceeded):
		why = fmt.Sprintf("no answer within %s", objectTimeout)
	case why == "":
		why = "the server did not answer"
	}
	return nil, fmt.Errorf("reading %s: %s", o.id, why)
}

// key identifies an object with a pod template, as candidates does.
type objectKey struct{ kind, namespace, name string }

func objectOf(w *fact.Workload) objectKey {
	key := objectKey{w.Owner.Kind, w.Owner.Namespace, w.Owner.Name}
	if o := w.Object; o != nil {
		key.kind, key.name = cmp.Or(o.Kind, key.kind), cmp.Or(o.Name, key.name)
	}
	return key
}

// put puts what the changed objects declare in the place of what they declared, of their pods,
// and of what was measured of these. Kinds are the kinds of facts that nodes were asked for.
func (c *changed) put(set *fact.Set, kinds []fact.Kind) {
	if c == nil {
		return
	}
	of := map[objectKey][]*fact.Workload{} // as they were
	var kept []fact.Workload
	mine := map[objectKey]bool{}
	for i := range c.objects {
		mine[objectKey{c.objects[i].id.Kind, c.objects[i].id.Namespace, c.objects[i].id.Name}] = true
	}
	gone := map[string]bool{} // uids and hashes of pods
	pods := 0
	for i := range set.Workloads {
		w := &set.Workloads[i]
		key := objectOf(w)
		if !mine[key] {
			kept = append(kept, *w)
			continue
		}
		of[key] = append(of[key], w)
		pods += len(w.Pods)
		for j := range w.Pods {
			gone[w.Pods[j].UID], gone[w.Pods[j].ConfigHash] = true, true
		}
	}
	delete(gone, "")
	added := 0
	for i := range c.objects {
		o := &c.objects[i]
		before := of[objectKey{o.id.Kind, o.id.Namespace, o.id.Name}]
		for _, w := range o.taken.Workloads {
			o.keep(&w, before)
			kept = append(kept, w)
			added++
			for _, kind := range kinds {
				set.Gaps = append(set.Gaps, notMeasured(kind, w.Owner))
			}
		}
		set.Gaps = append(set.Gaps, o.taken.Gaps...)
		if o.taken.Namespace != nil {
			putNamespace(set, o.taken.Namespace)
			if set.Enforcement != nil {
				// Policies select namespaces by their labels.
				own := *set.Enforcement
				own.DryRuns = slices.DeleteFunc(slices.Clone(own.DryRuns), func(d fact.DryRun) bool { return d.Namespace == o.id.Name })
				set.Enforcement = &own
			}
		}
	}
	set.Workloads = kept
	manifest.Sort(set.Workloads)
	if c.enforces && set.Enforcement != nil {
		set.Enforcement = nil
		gap := notMeasured(fact.Enforcing, fact.Subject{Kind: fact.SubjectCluster})
		gap.Detail = "--what-if has a policy: what the API server refuses with it was not asked"
		set.Gaps = append(set.Gaps, gap)
	}
	forget(set, gone)
	if set.Count != nil {
		count := *set.Count
		count.Pods -= min(pods, count.Pods)
		count.Objects += added - min(pods, count.Objects)
		owners := map[fact.SubjectKey]bool{}
		for i := range set.Workloads {
			owners[set.Workloads[i].Owner.Identity()] = true
		}
		count.Workloads = len(owners)
		set.Count = &count
	}
}

func notMeasured(kind fact.Kind, subject fact.Subject) fact.Gap {
	return fact.Gap{
		What: kind, Subject: subject, Reason: fact.NotMeasured,
		Detail: "the workload was changed by --what-if: what was measured is of its pods as they are", Hint: "apply the change, and measure after",
	}
}

func putNamespace(set *fact.Set, n *fact.Namespace) {
	i := slices.IndexFunc(set.Namespaces, func(o fact.Namespace) bool { return o.Name == n.Name })
	if i < 0 {
		set.Namespaces = append(set.Namespaces, *n)
		sortNamespaces(set.Namespaces)
		return
	}
	set.Namespaces[i] = *n
}

// forget removes what was measured of pods.
func forget(set *fact.Set, pods map[string]bool) {
	if len(pods) == 0 {
		return
	}
	for i := range set.Nodes {
		m := set.Nodes[i].Measured
		if m == nil {
			continue
		}
		own, ids := *m, map[string]bool{}
		own.Containers = nil
		for j := range m.Containers {
			if pods[m.Containers[j].PodUID] {
				ids[m.Containers[j].ID] = true
			} else {
				own.Containers = append(own.Containers, m.Containers[j])
			}
		}
		own.Gaps = slices.DeleteFunc(slices.Clone(m.Gaps), func(g fact.NodeGap) bool { return g.Container != "" && ids[g.Container] })
		set.Nodes[i].Measured = &own
	}
}

// keep completes a workload of a changed object with what the object itself does not say, and
// what the change leaves as it was: its owner, what is behind its volumes, and what the scripts of
// ConfigMaps run.
func (o *changedObject) keep(w *fact.Workload, before []*fact.Workload) {
	if len(before) == 0 {
		return
	}
	old := slices.MinFunc(before, func(a, b *fact.Workload) int { return cmp.Compare(len(a.Differs), len(b.Differs)) })
	w.Owner = old.Owner
	if w.Object != nil && old.Object != nil {
		w.Object.Kind, w.Object.Name, w.Object.Resource = old.Object.Kind, old.Object.Name, old.Object.Resource
	}
	if o.before == nil {
		return
	}
	was, is := podFields(o.before, w.Spec.Path), podFields(o.after, w.Spec.Path)
	if was == nil || is == nil {
		return
	}
	if reflect.DeepEqual(was["runtimeClassName"], is["runtimeClassName"]) {
		w.Spec.RuntimeHandler = old.Spec.RuntimeHandler
	}
	volumesSame := reflect.DeepEqual(was["volumes"], is["volumes"])
	for i := range w.Spec.Volumes {
		v := &w.Spec.Volumes[i]
		j := slices.IndexFunc(old.Spec.Volumes, func(b fact.Volume) bool { return b.Name == v.Name && b.Source == v.Source })
		if j >= 0 && reflect.DeepEqual(entry(was, "volumes", v.Name), entry(is, "volumes", v.Name)) {
			field := v.Field
			*v = old.Spec.Volumes[j]
			v.Field = field
		}
	}
	for i := range w.Spec.Containers {
		n := &w.Spec.Containers[i]
		j := slices.IndexFunc(old.Spec.Containers, func(b fact.Container) bool { return b.Name == n.Name && b.Type == n.Type })
		if j < 0 || !volumesSame {
			continue
		}
		list := "containers"
		if n.Type == fact.InitContainer {
			list = "initContainers"
		}
		if runsSame(entry(was, list, n.Name), entry(is, list, n.Name)) {
			b := &old.Spec.Containers[j]
			n.Builder, n.CommandUnread, n.Installs, n.Code = b.Builder, b.CommandUnread, b.Installs, b.Code
		}
	}
}

// runsSame reports whether two containers run the same command lines.
func runsSame(a, b map[string]any) bool {
	if a == nil || b == nil {
		return false
	}
	for _, field := range []string{"command", "args", "env", "envFrom", "lifecycle", "livenessProbe", "readinessProbe", "startupProbe", "volumeMounts", "workingDir", "image"} {
		if !reflect.DeepEqual(a[field], b[field]) {
			return false
		}
	}
	return true
}

// podFields is the pod spec at a path of an object; nil if it is not in one piece there.
func podFields(object *unstructured.Unstructured, path string) map[string]any {
	fields, found, err := unstructured.NestedMap(object.Object, strings.Split(path, ".")...)
	if !found || err != nil {
		return nil
	}
	return fields
}

// entry is the entry of a list that has a name.
func entry(fields map[string]any, list, name string) map[string]any {
	items, _ := fields[list].([]any)
	for _, item := range items {
		if of, isMap := item.(map[string]any); isMap && of["name"] == name {
			return of
		}
	}
	return nil
}
