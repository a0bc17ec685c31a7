package cluster

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/podspec"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/speckey"
)

// podLister lists pods and groups them by top owner and equal spec. It keeps
// one spec for each group, so that memory depends on workloads, not on pods.
type podLister struct {
	*clients
	opts   Options
	groups map[[sha256.Size]byte]*fact.Workload
	// tree knows the owners of the pods' owners, and templates are those of controllers; nil
	// if nobody asked for them.
	tree      *ownerTree
	templates *templateLister
	// handlers maps RuntimeClasses to handlers.
	handlers map[string]string
	claims   claims
	// scripts has what the scripts of ConfigMaps do that containers run.
	scripts *podspec.Scripts
	// again: the pods are listed again, with what was read besides them the first
	// time.
	again bool
	alike *alike
	large largeSpecs
	// by passes on the workloads of one namespace after the other; nil if all are kept.
	by *byNamespace
}

func (l *podLister) scope() fact.PodScope {
	if l.opts.Namespace != "" || l.opts.Selector != "" || l.opts.FieldSelector != "" {
		return fact.PodsSome
	}
	return fact.PodsAll
}

// collect reads the pods. It returns gaps for what it has no right to list.
func (l *podLister) collect(ctx context.Context) ([]fact.Gap, error) {
	l.tree = newOwnerTree(l.clients, l.opts)
	sets, setsFailed, err := l.tree.list(ctx, replicaSetKind, replicaSets, math.MaxInt)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", replicaSets.Resource, err)
	}
	runs, runsFailed, err := l.tree.list(ctx, jobKind, jobs, math.MaxInt)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", jobs.Resource, err)
	}
	if l.handlers, err = l.runtimeHandlers(ctx); err != nil {
		return nil, fmt.Errorf("runtimeclasses: %w", err)
	}
	if l.claims, err = l.claimPaths(ctx); err != nil {
		return nil, fmt.Errorf("persistentvolumes: %w", err)
	}
	if l.opts.Templates {
		l.templates = &templateLister{podLister: l}
		if err := l.templates.collect(ctx, unowned{sets, setsFailed}, unowned{runs, runsFailed}); err != nil {
			return nil, err
		}
	}
	if l.by != nil {
		defer l.by.close()
		if err := l.by.open(ctx); err != nil {
			return nil, err
		}
	}
	err = l.list(ctx)
	if l.by != nil {
		err = l.by.finish(ctx, err)
	}
	if err != nil {
		gap, err := refused(err, fact.Pods, "list", "pods", l.opts.Namespace)
		if err != nil {
			return nil, err
		}
		return append([]fact.Gap{gap}, l.large.gaps(fact.Pods)...), nil
	}
	return l.large.gaps(fact.Pods), nil
}

// largeSpecs are pod specs that are too large to judge.
type largeSpecs struct {
	first string // the name of the first, and what is too much
	count int
}

// note reports whether a spec is too large. Object is its kind and name, path where it is.
func (l *largeSpecs) note(object, path string, spec *corev1.PodSpec) bool {
	text := podspec.TooLarge(spec)
	if text == "" {
		return false
	}
	if l.count == 0 {
		l.first = object + " " + path + ": " + text
	}
	l.count++
	return true
}

func (l *largeSpecs) gaps(what fact.Kind) []fact.Gap {
	if l.count == 0 {
		return nil
	}
	detail := l.first
	if l.count > 1 {
		detail += fmt.Sprintf("; the same holds for %d more", l.count-1)
	}
	return []fact.Gap{{What: what, Subject: fact.Subject{Kind: fact.SubjectCluster}, Reason: fact.Truncated, Detail: escape.Short(detail, maxDetail)}}
}

// list lists the pods themselves.
func (l *podLister) list(ctx context.Context) error {
	var failed error
	var pod wirePod
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := eachPage(ctx, l.opts.PageSize,
		metav1.ListOptions{LabelSelector: l.opts.Selector, FieldSelector: l.opts.FieldSelector},
		l.podPage,
		func() {
			if l.by != nil {
				l.by.lists++
			}
			l.large = largeSpecs{}
			l.groups, l.alike = map[[sha256.Size]byte]*fact.Workload{}, newAlike()
		},
		func(data *[]byte) {
			if failed == nil {
				if failed = l.pod(ctx, &pod, *data); failed != nil {
					cancel() // no further page is needed
				}
			}
		})
	return cmp.Or(failed, err)
}

// pod puts a listed pod into its group.
func (l *podLister) pod(ctx context.Context, pod *wirePod, data []byte) error {
	if err := pod.readAny(data); err != nil {
		return err
	}
	if l.by != nil {
		if err := l.by.enter(ctx, string(pod.namespace)); err != nil {
			return err
		}
	}
	facts, ok := pod.facts(!l.opts.NoIDs, l.alike.textOf)
	if !ok { // of the usual form it is ok
		again, err := encodedAgain(data)
		if err != nil || !pod.read(again) {
			return cmp.Or(err, errWire)
		}
		facts, _ = pod.facts(!l.opts.NoIDs, l.alike.textOf)
	}
	meta, err := l.alike.meta(pod)
	if err != nil {
		return err
	}
	if !l.again { // requests for owners are made here: the next page is on its way meanwhile
		if err := l.tree.learnFrom(ctx, meta); err != nil {
			return err
		}
	}
	top := l.tree.topOf(meta)
	key, comparable := l.alike.key(top, pod)
	if comparable {
		if group := l.alike.of(key, facts.Name); group != nil {
			l.join(group, facts)
			return nil
		}
	}
	whole, err := pod.decode()
	if err != nil {
		return err
	}
	if l.large.note("pod/"+whole.Namespace+"/"+whole.Name, "spec", &whole.Spec) {
		return nil
	}
	spec := podspec.From("pod/"+whole.Namespace+"/"+whole.Name, "spec", whole.Labels, whole.Annotations, &whole.Spec)
	spec.RuntimeHandler = l.handlers[spec.RuntimeClass]
	for i := range whole.Spec.Volumes {
		if claim := claimName(whole, &whole.Spec.Volumes[i]); claim != "" {
			l.claims.fill(&spec.Volumes[i], whole.Namespace+"/"+claim, l.again)
		}
	}
	if group := l.add(top, spec, facts); comparable {
		l.alike.learn(key, group)
	}
	return nil
}

// relist lists the pods once more, and nothing else: what is new since then about
// controllers is taken from the pods' labels, and a new claim is unknown.
func (l *podLister) relist(ctx context.Context) ([]fact.Workload, error) {
	again := *l
	again.again = true
	if err := again.list(ctx); err != nil {
		return nil, err
	}
	workloads := again.workloads()
	if l.scripts != nil {
		for i := range workloads {
			l.scripts.Fill(&workloads[i])
		}
	}
	return workloads, nil
}

// claimName is the claim that a volume uses, "" if it uses none. A generic
// ephemeral volume's claim is named after its pod.
func claimName(pod *corev1.Pod, v *corev1.Volume) string {
	switch {
	case v.PersistentVolumeClaim != nil:
		return v.PersistentVolumeClaim.ClaimName
	case v.Ephemeral != nil:
		return pod.Name + "-" + v.Name
	}
	return ""
}

// runtimeHandlers maps RuntimeClass names to handlers. It is empty without the
// right to list them; then a handler is "" (not read).
func (l *podLister) runtimeHandlers(ctx context.Context) (map[string]string, error) {
	handlers := map[string]string{}
	list, err := l.node.RuntimeClasses().List(ctx, metav1.ListOptions{})
	if apierrors.IsForbidden(err) || apierrors.IsNotFound(err) || serverFailed(ctx, err) {
		return handlers, nil
	}
	if err != nil {
		return nil, err
	}
	for i := range list.Items {
		handlers[list.Items[i].Name] = list.Items[i].Handler
	}
	return handlers, nil
}

// claims maps claims ("NS/NAME") to the paths of the hostPath and local volumes
// behind them.
type claims struct {
	paths map[string]backing
	// unread is why PersistentVolumes were not listed, "" if they were.
	unread fact.Reason
}

// backing is a path of the node behind a claim, or the reason why it is
// unknown.
type backing struct {
	path, from string
	unread     fact.Reason
}

// fill writes what is behind a claim into its volume, or that it is unknown. Later
// says that the pod was listed after the volumes were.
func (c claims) fill(v *fact.Volume, claim string, later bool) {
	found, listed := c.paths[claim]
	if later && !listed {
		found.unread = fact.Changing
	}
	v.HostPath, v.HostPathFrom, v.Unread = found.path, found.from, cmp.Or(c.unread, found.unread)
}

// claimPaths reads the PersistentVolumes. They belong to the cluster: a user
// with rights only in a namespace cannot read them.
func (l *podLister) claimPaths(ctx context.Context) (claims, error) {
	out := claims{paths: map[string]backing{}}
	err := eachPage(ctx, l.opts.PageSize, metav1.ListOptions{},
		func(ctx context.Context, o metav1.ListOptions) ([]corev1.PersistentVolume, string, error) {
			list, err := l.core.PersistentVolumes().List(ctx, o)
			if err != nil {
				return nil, "", err
			}
			return list.Items, list.Continue, nil
		},
		func() {},
		func(pv *corev1.PersistentVolume) {
			claim := pv.Spec.ClaimRef
			if claim == nil {
				return
			}
			key := claim.Namespace + "/" + claim.Name
			switch {
			case pv.Spec.HostPath != nil:
				out.paths[key] = backing{path: pv.Spec.HostPath.Path, from: "persistentvolume/" + pv.Name + " spec.hostPath.path"}
			case pv.Spec.Local != nil:
				out.paths[key] = backing{path: pv.Spec.Local.Path, from: "persistentvolume/" + pv.Name + " spec.local.path"}
			case pv.Spec.FlexVolume != nil:
				out.paths[key] = backing{unread: fact.Unsupported} // only its driver knows what it mounts
			default:
				out.paths[key] = backing{} // nothing of the node
			}
		})
	switch {
	case apierrors.IsForbidden(err):
		return claims{unread: fact.Forbidden}, nil
	case serverFailed(ctx, err):
		return claims{unread: fact.Unavailable}, nil
	}
	return out, err
}

// configHashKey is the annotation with what a static pod's cgroup has in place of a UID. The
// kubelet puts it into both annotations of the mirror pod (kubernetes/pkg/kubelet/types). Any
// pod can have this one; it means nothing if the pod is not a mirror.
const configHashKey = "kubernetes.io/config.hash"

// withoutScheme removes "containerd://" and similar prefixes.
func withoutScheme(id string) string {
	if _, rest, ok := strings.Cut(id, "://"); ok {
		return rest
	}
	return id
}

// groupKey is equal for pods with the same owner and an equal spec. The comparison
// leaves out the origin and what differs between pods of one template: the service
// account's volume and the labels that a controller adds (package speckey). It is a hash of
// the fields, of which no two that differ are known to be equal.
func groupKey(top fact.Subject, spec *fact.PodSpec) [sha256.Size]byte {
	buffer := keyBuffers.Get().(*[]byte) //nolint:errcheck // nothing else is in the pool
	key := append((*buffer)[:0], top.Key()...)
	key = speckey.Append(append(key, 0), spec)
	sum := sha256.Sum256(key)
	*buffer = key
	keyBuffers.Put(buffer)
	return sum
}

var keyBuffers = sync.Pool{New: func() any { return new([]byte) }}

// SameGroup reports whether pods of both workloads belong to one.
func SameGroup(a, b *fact.Workload) bool {
	return a.Owner.Key() == b.Owner.Key() && groupKey(a.Owner, &a.Spec) == groupKey(b.Owner, &b.Spec)
}

// add puts a pod into the group with its owner and an equal spec.
func (l *podLister) add(top fact.Subject, spec fact.PodSpec, pod fact.Pod) *fact.Workload {
	key := groupKey(top, &spec)
	group, ok := l.groups[key]
	if !ok {
		group = &fact.Workload{Owner: top, Spec: spec}
		l.groups[key] = group
	}
	l.join(group, pod)
	// The spec shown is that of the first pod by name, so that reports are
	// stable.
	if last := len(group.Pods) - 1; group.Pods[last].Name < group.Pods[0].Name {
		group.Spec = spec
		group.Pods[0], group.Pods[last] = group.Pods[last], group.Pods[0]
	}
	return group
}

// join adds a pod to a group.
func (l *podLister) join(group *fact.Workload, pod fact.Pod) {
	if l.opts.NoIDs {
		withoutIDs(&pod)
	}
	if l.alike != nil {
		l.alike.share(group, &pod)
	}
	group.Pods = append(group.Pods, pod)
}

// workloads returns the groups, sorted.
func (l *podLister) workloads() []fact.Workload {
	out := make([]fact.Workload, 0, len(l.groups))
	for _, group := range l.groups {
		slices.SortFunc(group.Pods, func(a, b fact.Pod) int { return strings.Compare(a.Name, b.Name) })
		out = append(out, *group)
	}
	Sort(out)
	return out
}

// Sort sorts workloads as fact.Set has them.
func Sort(workloads []fact.Workload) {
	first := func(w *fact.Workload) string {
		if len(w.Pods) == 0 {
			return ""
		}
		return w.Pods[0].Name
	}
	slices.SortFunc(workloads, func(a, b fact.Workload) int {
		return cmp.Or(
			strings.Compare(a.Owner.Namespace, b.Owner.Namespace),
			strings.Compare(a.Owner.Kind, b.Owner.Kind),
			strings.Compare(a.Owner.Name, b.Owner.Name),
			strings.Compare(first(&a), first(&b)),
		)
	})
}
