package cluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/podspec"
)

// The built-in controllers between a pod and its top owner, and those above them.
var (
	deploymentKind = schema.GroupKind{Group: "apps", Kind: fact.SubjectDeployment}
	cronJobKind    = schema.GroupKind{Group: "batch", Kind: fact.SubjectCronJob}
	replicaSetKind = schema.GroupKind{Group: "apps", Kind: fact.SubjectReplicaSet}
	jobKind        = schema.GroupKind{Group: "batch", Kind: fact.SubjectJob}
	replicaSets    = served{schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "replicasets"}, true}
	jobs           = served{schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}, true}
)

// maxTemplates bounds the templates that are kept at once, of all kinds.
const maxTemplates = 200_000

func (l *templateLister) mostTemplates() int { return cmp.Or(l.opts.maxTemplates, maxTemplates) }

// template is a pod template of a controller or a custom resource.
type template struct {
	object objectKey
	spec   fact.PodSpec
	chosen bool // the label selector takes its pods
	change *fact.Object
}

// templateLister reads templates before the pods are listed. Afterwards it finds those
// without pods, and what differs between pods and their template.
type templateLister struct {
	*podLister
	selector labels.Selector
	list     []template
	owners   map[objectKey]bool // the objects in list
	// undeclared are objects that do not say what their pods are, and unnamed counts those that
	// were not kept.
	undeclared []undeclared
	unnamed    int
	// dropped counts templates that were not kept, and uncompared names owners of which not all
	// templates and pods were compared.
	dropped    int
	uncompared []string
	large      largeSpecs
	gaps       []fact.Gap
	// builtins are the built-in kinds to read, if their templates are read next to the pods.
	builtins []templateKind
}

// unowned is what the list of ReplicaSets or Jobs by metadata says: how many objects have
// a template that no Deployment or CronJob has, or why the list failed.
type unowned struct {
	count  int
	failed error
}

// holder is an object with a pod template.
type holder struct {
	meta     *metav1.ObjectMeta
	template *corev1.PodTemplateSpec
	claims   []corev1.PersistentVolumeClaim
	strategy string // as fact.Object.UpdateStrategy
}

// holders takes the template of each object of a page.
func holders[T any](items []T, next string, err error, of func(*T) holder) ([]holder, string, error) {
	if err != nil {
		return nil, "", err
	}
	out := make([]holder, len(items))
	for i := range items {
		out[i] = of(&items[i])
	}
	return out, next, nil
}

// templateKind is a built-in kind with a pod template.
type templateKind struct {
	schema.GroupKind
	resource string // as RBAC names it, with its group
	path     string // of the pod's spec
	page     func(context.Context, metav1.ListOptions) ([]holder, string, error)
}

// kinds lists the built-in kinds. ReplicaSets and Jobs are in it if there are some that no
// Deployment and no CronJob owns.
func (l *templateLister) kinds(sets, runs unowned) []templateKind {
	namespace := l.opts.Namespace
	const inTemplate = "spec.template.spec"
	out := []templateKind{
		{deploymentKind, "deployments.apps", inTemplate, func(ctx context.Context, o metav1.ListOptions) ([]holder, string, error) {
			page, err := l.apps.Deployments(namespace).List(ctx, o)
			if err != nil {
				return nil, "", err
			}
			return holders(page.Items, page.Continue, nil, func(d *appsv1.Deployment) holder {
				return holder{&d.ObjectMeta, &d.Spec.Template, nil, deploymentStrategy(d)}
			})
		}},
		{schema.GroupKind{Group: "apps", Kind: fact.SubjectStatefulSet}, "statefulsets.apps", inTemplate, func(ctx context.Context, o metav1.ListOptions) ([]holder, string, error) {
			page, err := l.apps.StatefulSets(namespace).List(ctx, o)
			if err != nil {
				return nil, "", err
			}
			return holders(page.Items, page.Continue, nil, func(s *appsv1.StatefulSet) holder {
				return holder{&s.ObjectMeta, &s.Spec.Template, s.Spec.VolumeClaimTemplates, setStrategy(s)}
			})
		}},
		{schema.GroupKind{Group: "apps", Kind: fact.SubjectDaemonSet}, "daemonsets.apps", inTemplate, func(ctx context.Context, o metav1.ListOptions) ([]holder, string, error) {
			page, err := l.apps.DaemonSets(namespace).List(ctx, o)
			if err != nil {
				return nil, "", err
			}
			return holders(page.Items, page.Continue, nil, func(d *appsv1.DaemonSet) holder {
				return holder{&d.ObjectMeta, &d.Spec.Template, nil, string(d.Spec.UpdateStrategy.Type)}
			})
		}},
		{cronJobKind, "cronjobs.batch", "spec.jobTemplate.spec.template.spec", func(ctx context.Context, o metav1.ListOptions) ([]holder, string, error) {
			page, err := l.batch.CronJobs(namespace).List(ctx, o)
			if err != nil {
				return nil, "", err
			}
			return holders(page.Items, page.Continue, nil, func(c *batchv1.CronJob) holder {
				return holder{&c.ObjectMeta, &c.Spec.JobTemplate.Spec.Template, nil, ""}
			})
		}},
		{schema.GroupKind{Kind: fact.SubjectReplicationController}, "replicationcontrollers", inTemplate, func(ctx context.Context, o metav1.ListOptions) ([]holder, string, error) {
			page, err := l.core.ReplicationControllers(namespace).List(ctx, o)
			if err != nil {
				return nil, "", err
			}
			return holders(page.Items, page.Continue, nil, func(r *corev1.ReplicationController) holder { return holder{&r.ObjectMeta, r.Spec.Template, nil, ""} })
		}},
		{schema.GroupKind{Kind: "PodTemplate"}, "podtemplates", "template.spec", func(ctx context.Context, o metav1.ListOptions) ([]holder, string, error) {
			page, err := l.core.PodTemplates(namespace).List(ctx, o)
			if err != nil {
				return nil, "", err
			}
			return holders(page.Items, page.Continue, nil, func(p *corev1.PodTemplate) holder { return holder{&p.ObjectMeta, &p.Template, nil, ""} })
		}},
	}
	if sets.count > 0 {
		out = append(out, templateKind{replicaSetKind, "replicasets.apps", inTemplate, func(ctx context.Context, o metav1.ListOptions) ([]holder, string, error) {
			page, err := l.apps.ReplicaSets(namespace).List(ctx, o)
			if err != nil {
				return nil, "", err
			}
			return holders(page.Items, page.Continue, nil, func(r *appsv1.ReplicaSet) holder { return holder{&r.ObjectMeta, &r.Spec.Template, nil, ""} })
		}})
	}
	if runs.count > 0 {
		out = append(out, templateKind{jobKind, "jobs.batch", inTemplate, func(ctx context.Context, o metav1.ListOptions) ([]holder, string, error) {
			page, err := l.batch.Jobs(namespace).List(ctx, o)
			if err != nil {
				return nil, "", err
			}
			return holders(page.Items, page.Continue, nil, func(j *batchv1.Job) holder { return holder{&j.ObjectMeta, &j.Spec.Template, nil, ""} })
		}})
	}
	return out
}

// collect reads the templates. A list that fails is a gap and does not cost the others, nor
// the pods.
func (l *templateLister) collect(ctx context.Context, sets, runs unowned) error {
	l.owners = map[objectKey]bool{}
	var err error
	if l.selector, err = labels.Parse(l.opts.Selector); err != nil {
		return nil // the server refuses it too, and says why
	}
	for _, failed := range []struct {
		what string
		unowned
	}{{"replicasets.apps", sets}, {"jobs.batch", runs}} {
		if failed.failed != nil {
			if err := l.note(ctx, failed.what, failed.failed); err != nil {
				return err
			}
		}
	}
	// Custom resources come first: a ReplicaSet of one of them has its template.
	if err := l.custom(ctx); err != nil {
		return err
	}
	kinds := l.kinds(sets, runs)
	for _, kind := range kinds {
		l.tree.read[kind.GroupKind] = true
	}
	if l.by != nil {
		l.builtins = kinds
		return nil
	}
	for _, kind := range kinds {
		from := len(l.list)
		err := eachPage(ctx, l.opts.PageSize, metav1.ListOptions{}, kind.page,
			func() { l.list = l.list[:from] },
			func(h *holder) {
				if h.template != nil && !ownedByTemplate(h.meta) {
					l.holder(kind, h)
				}
			})
		if err != nil {
			if err := l.note(ctx, kind.resource, err); err != nil {
				return err
			}
		}
	}
	return l.tree.learn(ctx)
}

// holder adds an object of a built-in kind with its template.
func (l *templateLister) holder(kind templateKind, h *holder) {
	l.tree.note(kind.GroupKind, h.meta)
	object := objectKey{kind.Group, kind.Kind, h.meta.Namespace, h.meta.Name}
	if top := l.tree.top(object, nil); top != object && l.owners[top] {
		return // the top owner's own template says it
	}
	l.builtin(kind, object, h)
}

// note keeps the gap of an error about a list.
func (l *templateLister) note(ctx context.Context, what string, err error) error {
	gap, err := listGap(ctx, fact.Templates, what, err)
	if err != nil {
		return err
	}
	l.gaps = append(l.gaps, gap)
	return nil
}

// builtin adds the template of a built-in kind.
func (l *templateLister) builtin(kind templateKind, object objectKey, h *holder) {
	origin := strings.ToLower(kind.Kind) + "/" + h.meta.Namespace + "/" + h.meta.Name
	spec := podspec.From(origin, kind.path, h.template.Labels, h.template.Annotations, &h.template.Spec)
	for i := range h.claims {
		name := h.claims[i].Name
		v := fact.Volume{Name: name, Field: "spec.volumes[" + name + "]", Source: "persistentVolumeClaim"}
		l.claims.fillSet(&v, h.meta.Namespace, name+"-"+h.meta.Name+"-")
		if i := slices.IndexFunc(spec.Volumes, func(w fact.Volume) bool { return w.Name == name }); i >= 0 {
			spec.Volumes[i] = v // as the StatefulSet controller does
			continue
		}
		spec.Volumes = append(spec.Volumes, v)
	}
	var change *fact.Object
	if l.opts.Objects {
		change = changes(h.meta, kind.resource, kind.path, h.strategy)
		change.APIVersion = kind.apiVersion()
		outlined(change, h.template.Annotations, &h.template.Spec)
	}
	l.add(object, spec, &h.template.Spec, change)
}

// add adds a template of an object. Declared is the spec that the facts were taken from, change
// how the object can be changed, if that was asked for.
func (l *templateLister) add(object objectKey, spec fact.PodSpec, declared *corev1.PodSpec, change *fact.Object) {
	if len(l.list) >= l.mostTemplates() {
		l.dropped++
		return
	}
	if l.large.note(spec.Origin, spec.Path, declared) {
		return
	}
	spec.RuntimeHandler = l.handlers[spec.RuntimeClass]
	for i := range declared.Volumes {
		v := &declared.Volumes[i]
		switch {
		case i >= len(spec.Volumes) || spec.Volumes[i].Name != v.Name:
		case v.PersistentVolumeClaim != nil:
			l.claims.fill(&spec.Volumes[i], object.namespace+"/"+v.PersistentVolumeClaim.ClaimName, false)
		case v.Ephemeral != nil:
			spec.Volumes[i].Unread = fact.NotPresent // each pod has a claim of its own
		}
	}
	l.owners[object] = true
	l.list = append(l.list, template{object: object, spec: spec, chosen: l.selector.Matches(labels.Set(spec.Labels)), change: change})
}

// fillSet writes what is behind the claims of a StatefulSet into the volume of their
// template: of a claim that is on the node, if there is one. Claims that do not exist yet
// can become anything.
func (c claims) fillSet(v *fact.Volume, namespace, prefix string) {
	v.Unread = fact.NotPresent
	if c.unread != "" {
		v.Unread = c.unread
		return
	}
	for ordinal := range maxOrdinals {
		found, ok := c.paths[fmt.Sprintf("%s/%s%d", namespace, prefix, ordinal)]
		if !ok {
			return
		}
		v.HostPath, v.HostPathFrom, v.Unread = found.path, found.from, found.unread
		if found.path != "" {
			return
		}
	}
}

// maxOrdinals bounds the claims of one StatefulSet that are looked at.
const maxOrdinals = 1000

// maxCompared bounds how often a template of a top owner is compared with pods of it that differ
// from each other. Only an operator that creates very many workloads for one object needs more.
const maxCompared = 100_000

// topOf is the subject of a template: the top owner of its object.
func (l *templateLister) topOf(object objectKey) (top objectKey, subject fact.Subject) {
	top = l.tree.top(object, nil)
	return top, fact.Subject{Kind: top.kind, Namespace: object.namespace, Name: top.name}
}

// join adds the templates without pods to the pods' workloads, and says of the others what
// differs. A template from which a pod was made is not added: its pods are judged. It is
// added if it has changed since, and no pod has all that it sets. An object with several
// templates can have pods of one alone.
func (l *templateLister) join(workloads []fact.Workload) []fact.Workload {
	byTop := map[fact.SubjectKey][]*template{}
	kept := make([]*template, 0, len(l.list))
	for i := range l.list {
		t := &l.list[i]
		top, subject := l.topOf(t.object)
		if top != t.object && l.owners[top] {
			continue // the top owner's own template says it
		}
		key := subject.Identity()
		byTop[key] = append(byTop[key], t)
		kept = append(kept, t)
	}
	used := map[*template]bool{}
	compared := map[fact.SubjectKey]int{}
	for i := range workloads {
		w := &workloads[i]
		var least []string
		var nearest *template
		some := false
		key := w.Owner.Identity()
		candidates := byTop[key]
		if len(candidates) == 0 { // an object of the cluster has pods in namespaces
			key.Namespace = ""
			candidates = byTop[key]
		}
		if compared[key] += len(candidates); compared[key] > cmp.Or(l.opts.maxCompared, maxCompared) {
			for _, t := range candidates {
				used[t] = used[t] || l.tree.live[t.object] // its pods are judged
			}
			if compared[key]-len(candidates) <= cmp.Or(l.opts.maxCompared, maxCompared) { // else it was said
				l.uncompared = append(l.uncompared, key.Kind+" "+strings.TrimPrefix(key.Namespace+"/"+key.Name, "/"))
			}
			continue
		}
		for _, t := range candidates {
			if t.spec.Partial != "" {
				used[t] = used[t] || told(&t.spec, &w.Spec)
				if nearest == nil {
					nearest = t
				}
				continue
			}
			fields, covered := differs(&t.spec, &w.Spec)
			if covered {
				used[t] = true
			}
			if !some || len(fields) < len(least) {
				least, some, nearest = fields, true, t
			}
		}
		if nearest != nil {
			w.Object = l.changeOf(nearest)
		}
		if len(least) > 0 {
			w.Differs = least
		}
	}
	if l.opts.FieldSelector != "" {
		return workloads // it selects pods, and templates have no such fields
	}
	for _, t := range kept {
		switch {
		case !t.chosen, used[t]:
		default:
			_, subject := l.topOf(t.object)
			workloads = append(workloads, fact.Workload{Owner: subject, Spec: t.spec, Object: l.changeOf(t)})
		}
	}
	Sort(workloads)
	return workloads
}
