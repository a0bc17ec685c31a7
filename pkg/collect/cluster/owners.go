package cluster

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// Bounds of the way from a pod up to its top owner.
const (
	maxOwnerDepth   = 10     // Knative needs 5: ReplicaSet, Deployment, Revision, Configuration, Service
	maxOwnerObjects = 50_000 // of one kind that is not built in
)

// builtinKinds are the kinds of Kubernetes that have a pod template, or pods of one.
var builtinKinds = map[schema.GroupKind]bool{
	deploymentKind: true, cronJobKind: true, replicaSetKind: true, jobKind: true,
	{Group: "apps", Kind: fact.SubjectStatefulSet}: true, {Group: "apps", Kind: fact.SubjectDaemonSet}: true,
	{Kind: fact.SubjectReplicationController}: true, {Kind: "PodTemplate"}: true,
}

// objectKey names an object. Namespace is "" for one of the cluster.
type objectKey struct{ group, kind, namespace, name string }

func (k objectKey) groupKind() schema.GroupKind {
	return schema.GroupKind{Group: k.group, Kind: k.kind}
}

// ownerKey is the object that a reference names. An owner is in the namespace of what it
// owns, or in none.
func ownerKey(ref *metav1.OwnerReference, namespace string) objectKey {
	group := ""
	if before, _, found := strings.Cut(ref.APIVersion, "/"); found {
		group = before
	} else if ref.APIVersion == "" {
		group = builtinGroup(ref.Kind)
	}
	return objectKey{group, ref.Kind, namespace, ref.Name}
}

// builtinGroup is the group of a built-in controller, for references that name no version.
// The API server refuses these; saved or made up objects can have them.
func builtinGroup(kind string) string {
	switch kind {
	case fact.SubjectReplicaSet, fact.SubjectDeployment, fact.SubjectDaemonSet, fact.SubjectStatefulSet:
		return "apps"
	case fact.SubjectJob, fact.SubjectCronJob:
		return "batch"
	}
	return ""
}

// ownerTree knows which controller owns which object, by metadata alone.
type ownerTree struct {
	*clients
	opts Options
	// up maps an object to its controller.
	up map[objectKey]objectKey
	// seen are the kinds that own something, read those of them whose objects were read, or
	// cannot be.
	seen, read map[schema.GroupKind]bool
	// resources are the resources of kinds that are not built in; nil if it is not known
	// which are served. Then owners of these kinds are top owners.
	resources map[schema.GroupKind]served
	// live are the objects that own a listed pod, directly or not; nil if nobody asks.
	live map[objectKey]bool
	// named are the listed pods of the objects in Options.Named.
	named map[fact.SubjectKey]map[string]bool
}

func newOwnerTree(c *clients, opts Options) *ownerTree {
	t := &ownerTree{
		clients: c, opts: opts,
		up: map[objectKey]objectKey{}, seen: map[schema.GroupKind]bool{}, read: map[schema.GroupKind]bool{},
		named: map[fact.SubjectKey]map[string]bool{},
	}
	for i := range opts.Named {
		t.named[nameKey(opts.Named[i].Kind, opts.Named[i].Namespace, opts.Named[i].Name)] = map[string]bool{}
	}
	if opts.Templates {
		t.live = map[objectKey]bool{}
	}
	return t
}

func nameKey(kind, namespace, name string) fact.SubjectKey {
	return fact.SubjectKey{Kind: kind, Namespace: namespace, Name: name}
}

// note remembers who owns an object.
func (t *ownerTree) note(kind schema.GroupKind, m metav1.Object) {
	ref := metav1.GetControllerOfNoCopy(m)
	if ref == nil {
		return
	}
	above := ownerKey(ref, m.GetNamespace())
	t.up[objectKey{kind.Group, kind.Kind, m.GetNamespace(), m.GetName()}] = above
	t.seen[above.groupKind()] = true
}

// list reads who owns the objects of a resource. Without the right to, or where the server
// fails, these objects are top owners, or a pod's own labels have to do (see top): no
// verdict needs more. Failed is the reason then. Others counts the objects that no
// Deployment and no CronJob owns.
func (t *ownerTree) list(ctx context.Context, kind schema.GroupKind, resource served, most int) (others int, failed, err error) {
	t.read[kind] = true
	namespace := t.opts.Namespace
	if !resource.namespaced {
		namespace = ""
	}
	count := 0
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	err = eachPage(ctx, t.opts.PageSize, metav1.ListOptions{}, t.listMetadata(resource.GroupVersionResource, namespace),
		func() { others, count = 0, 0 },
		func(m *metav1.PartialObjectMetadata) {
			if count++; count > most {
				cancel(errTooMany)
				return
			}
			if !ownedByTemplate(m) {
				others++
			}
			t.note(kind, m)
		})
	switch {
	case err == nil:
		return others, nil, nil
	case errors.Is(context.Cause(ctx), errTooMany):
		return others, errTooMany, nil
	case apierrors.IsForbidden(err), apierrors.IsNotFound(err), isExpired(err), serverFailed(ctx, err):
		return others, err, nil
	}
	return others, nil, err
}

// ownedByTemplate reports whether an object comes from the template of a Deployment or a
// CronJob.
func ownedByTemplate(m metav1.Object) bool {
	ref := metav1.GetControllerOfNoCopy(m)
	if ref == nil {
		return false
	}
	switch ownerKey(ref, "").groupKind() {
	case deploymentKind, cronJobKind:
		return true
	}
	return false
}

// learn reads the owners of the kinds that own something and that were not read yet, and
// of the kinds above them. Each kind is listed once.
func (t *ownerTree) learn(ctx context.Context) error {
	for range maxOwnerDepth {
		var todo []schema.GroupKind
		for kind := range t.seen {
			if _, isServed := t.resources[kind]; isServed && !t.read[kind] {
				todo = append(todo, kind)
			}
		}
		if len(todo) == 0 {
			return nil
		}
		slices.SortFunc(todo, func(a, b schema.GroupKind) int { return strings.Compare(a.String(), b.String()) })
		for _, kind := range todo {
			if _, _, err := t.list(ctx, kind, t.resources[kind], maxOwnerObjects); err != nil {
				return err
			}
		}
	}
	return nil
}

// learnFrom does so if a pod is the first whose controller is of its kind.
func (t *ownerTree) learnFrom(ctx context.Context, pod *metav1.ObjectMeta) error {
	ref := metav1.GetControllerOfNoCopy(pod)
	if ref == nil || t.resources == nil {
		return nil
	}
	kind := ownerKey(ref, "").groupKind()
	if t.seen[kind] {
		return nil
	}
	t.seen[kind] = true
	return t.learn(ctx)
}

// above returns the controller of an object.
func (t *ownerTree) above(object objectKey) (objectKey, bool) {
	if above, ok := t.up[object]; ok {
		return above, true
	}
	object.namespace = ""
	above, ok := t.up[object]
	return above, ok
}

// top follows the controllers of an object upwards and gives each of them to visit. A
// cycle ends where it begins again.
func (t *ownerTree) top(object objectKey, visit func(objectKey)) objectKey {
	passed := []objectKey{object}
	for range maxOwnerDepth {
		if visit != nil {
			visit(object)
		}
		above, ok := t.above(object)
		if !ok || slices.Contains(passed, above) {
			break
		}
		object = above
		passed = append(passed, object)
	}
	return object
}

// topOf is the top owner of a pod: Pod, ReplicaSet, Deployment; Pod, Job, CronJob; or
// whatever controllers custom resources have.
func (t *ownerTree) topOf(pod *metav1.ObjectMeta) fact.Subject {
	subject := fact.Subject{Kind: fact.SubjectPod, Namespace: pod.Namespace, Name: pod.Name}
	ref := metav1.GetControllerOfNoCopy(pod)
	if ref == nil || ref.Kind == fact.SubjectNode {
		return subject
	}
	first := ownerKey(ref, pod.Namespace)
	if _, known := t.above(first); !known && first.kind == fact.SubjectReplicaSet && first.group == "apps" {
		// The Deployment controller names its ReplicaSets NAME-HASH.
		if hash := pod.Labels[templateHash]; hash != "" {
			if name, ok := strings.CutSuffix(first.name, "-"+hash); ok {
				t.pass(first, pod)
				first = objectKey{"apps", fact.SubjectDeployment, pod.Namespace, name}
			}
		}
	}
	top := t.top(first, func(object objectKey) { t.pass(object, pod) })
	subject.Kind, subject.Name = top.kind, top.name
	return subject
}

// pass notes that an object is above a pod.
func (t *ownerTree) pass(object objectKey, pod *metav1.ObjectMeta) {
	if t.live != nil {
		t.live[object] = true
		cluster := object // of the cluster, if its kind is: no kind is both
		cluster.namespace = ""
		t.live[cluster] = true
	}
	if len(t.named) > 0 {
		if pods, ok := t.named[nameKey(object.kind, object.namespace, object.name)]; ok {
			pods[pod.Name] = true
		}
	}
}

// namedPods are the pods of each object in Options.Named that has some.
func (t *ownerTree) namedPods() map[fact.SubjectKey]map[string]bool {
	out := maps.Clone(t.named)
	maps.DeleteFunc(out, func(_ fact.SubjectKey, pods map[string]bool) bool { return len(pods) == 0 })
	return out
}
