package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/enforcer"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
)

const (
	// maxEngineText bounds texts that policies and workloads say of themselves.
	maxEngineText = 253
	// maxExempted bounds the names of policies from which something is excepted.
	maxExempted = 10_000
)

// engines looks for policy engines and runtime agents: at the DaemonSets of all namespaces, at
// the names of webhook configurations, and at the policies of resources that the server has.
// Read is false if one of the first two, or what the server has, could not be read; then an
// engine may be missing.
func (c *clients) engines(ctx context.Context, opts Options) (found []fact.Engine, read bool, gaps []fact.Gap, err error) {
	r := engineReader{clients: c, opts: opts, engines: map[string]*fact.Engine{}, hooks: map[string]bool{}, exempted: map[string]map[string]bool{}, read: true}
	resources, stale, err := c.resources(ctx)
	if err := r.note(ctx, "API groups", err); err != nil {
		return nil, false, nil, err
	}
	for _, step := range []func(context.Context) error{r.webhooks, r.daemonSets} {
		if err := step(ctx); err != nil {
			return nil, false, nil, err
		}
	}
	for i := range resources {
		if err := r.policies(ctx, &resources[i]); err != nil {
			return nil, false, nil, err
		}
	}
	for _, tool := range enforcer.Tools() {
		for _, resource := range tool.Policies {
			if slices.Contains(stale, resource.Group) {
				gap := staleGap([]string{resource.Group})
				gap.What = fact.Enforcing
				r.engine(&tool).Unread = append(r.engine(&tool).Unread, gap)
				r.gaps, r.read = append(r.gaps, gap), false
				break
			}
		}
	}
	return r.finish(), r.read, r.gaps, nil
}

// engineReader reads what shows engines.
type engineReader struct {
	*clients
	opts    Options
	engines map[string]*fact.Engine // by name
	hooks   map[string]bool         // names of tools with a webhook configuration
	// exempted are the policies from which something is excepted, by tool.
	exempted map[string]map[string]bool
	gaps     []fact.Gap
	read     bool
}

// note keeps the gap of a list without which an engine may be missing.
func (r *engineReader) note(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	gap, err := listGap(ctx, fact.Enforcing, what, err)
	if err != nil {
		return err
	}
	r.gaps, r.read = append(r.gaps, gap), false
	return nil
}

// engine is the entry of a tool.
func (r *engineReader) engine(tool *enforcer.Tool) *fact.Engine {
	e := r.engines[tool.Name]
	if e == nil {
		e = &fact.Engine{Name: tool.Name, Agent: tool.Agent, Mark: tool.Mark}
		r.engines[tool.Name] = e
	}
	return e
}

// saw notes where a tool was seen.
func saw(list []string, text string) []string {
	text = escape.Short(text, maxEngineText)
	if len(list) >= fact.MaxSeen || slices.Contains(list, text) {
		return list
	}
	return append(list, text)
}

// webhooks looks at the names of webhook configurations.
func (r *engineReader) webhooks(ctx context.Context) error {
	for _, resource := range []string{resourceOfHook, "validatingwebhookconfigurations"} {
		of := schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: resource}
		var names []string
		err := eachPage(ctx, r.opts.PageSize, metav1.ListOptions{}, r.listMetadata(of, ""),
			func() { names = nil },
			func(m *metav1.PartialObjectMetadata) { names = append(names, m.Name) })
		if err := r.note(ctx, of.Resource+"."+of.Group, err); err != nil {
			return err
		}
		for _, name := range names {
			for i := range enforcer.Tools() {
				if tool := &enforcer.Tools()[i]; tool.HasWebhook(name) {
					e := r.engine(tool)
					e.Seen = saw(e.Seen, strings.TrimSuffix(resource, "s")+" "+name)
					r.hooks[tool.Name] = true
				}
			}
		}
	}
	return nil
}

// agent is a DaemonSet that is recognised.
type agent struct {
	tool            *enforcer.Tool
	namespace, name string
	selector        *metav1.LabelSelector
	desired         int
	images          []string
}

// daemonSets looks for agents, and for their pods that are ready.
func (r *engineReader) daemonSets(ctx context.Context) error {
	var agents []agent
	err := eachPage(ctx, r.opts.PageSize, metav1.ListOptions{},
		func(ctx context.Context, o metav1.ListOptions) ([]appsv1.DaemonSet, string, error) {
			list, err := r.apps.DaemonSets("").List(ctx, o)
			if err != nil {
				return nil, "", err
			}
			return list.Items, list.Continue, nil
		},
		func() { agents = nil },
		func(d *appsv1.DaemonSet) {
			for i := range enforcer.Tools() {
				tool := &enforcer.Tools()[i]
				a := agent{tool: tool, namespace: d.Namespace, name: d.Name, selector: d.Spec.Selector, desired: int(d.Status.DesiredNumberScheduled)}
				for _, c := range d.Spec.Template.Spec.Containers {
					if tool.HasImage(c.Image) || tool.HasName(d.Name) {
						a.images = append(a.images, c.Image)
					}
				}
				if len(a.images) > 0 && tool.Agent {
					agents = append(agents, a)
				}
			}
		})
	if err := r.note(ctx, "daemonsets.apps", err); err != nil {
		return err
	}
	for _, a := range agents {
		e := r.engine(a.tool)
		e.Seen = saw(e.Seen, "daemonset/"+a.namespace+"/"+a.name)
		for _, image := range a.images {
			e.Images = saw(e.Images, image)
		}
		e.Desired += max(a.desired, 0)
		pods, err := r.ready(ctx, a)
		if err != nil {
			gap, err := listGap(ctx, fact.Enforcing, "the pods of daemonset/"+a.namespace+"/"+a.name, err)
			if err != nil {
				return err
			}
			e.Unread = append(e.Unread, gap)
			r.gaps = append(r.gaps, gap)
		}
		e.Pods = append(e.Pods, pods...)
	}
	return nil
}

// ready lists the pods of a DaemonSet that are ready.
func (r *engineReader) ready(ctx context.Context, a agent) ([]fact.EnginePod, error) {
	selector, err := metav1.LabelSelectorAsSelector(a.selector)
	if err != nil || selector.Empty() {
		return nil, errMalformed
	}
	var pods []fact.EnginePod
	err = eachPage(ctx, r.opts.PageSize, metav1.ListOptions{LabelSelector: selector.String()},
		func(ctx context.Context, o metav1.ListOptions) ([]corev1.Pod, string, error) {
			list, err := r.core.Pods(a.namespace).List(ctx, o)
			if err != nil {
				return nil, "", err
			}
			return list.Items, list.Continue, nil
		},
		func() { pods = nil },
		func(p *corev1.Pod) {
			owner := metav1.GetControllerOf(p)
			if owner == nil || owner.Kind != fact.SubjectDaemonSet || owner.Name != a.name || p.DeletionTimestamp != nil {
				return // its labels alone do not make it the DaemonSet's
			}
			for _, condition := range p.Status.Conditions {
				if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue && p.Spec.NodeName != "" {
					pods = append(pods, fact.EnginePod{Node: p.Spec.NodeName, UID: string(p.UID), Container: a.container(p)})
				}
			}
		})
	if err != nil {
		return nil, err
	}
	return pods, nil
}

// container is the runtime's id of the pod's container with the agent's image that runs; "" if
// there is none.
func (a *agent) container(p *corev1.Pod) string {
	for _, c := range p.Spec.Containers {
		if !slices.Contains(a.images, c.Image) {
			continue
		}
		for _, status := range p.Status.ContainerStatuses {
			if status.Name == c.Name && status.State.Running != nil {
				_, id, _ := strings.Cut(status.ContainerID, "://")
				return escape.Short(id, maxEngineText)
			}
		}
	}
	return ""
}

// policies reads the policies of one resource, if a tool has it.
func (r *engineReader) policies(ctx context.Context, of *discovered) error {
	for i := range enforcer.Tools() {
		tool := &enforcer.Tools()[i]
		resource := tool.Policy(of.Group, of.Resource)
		if resource == nil {
			continue
		}
		e := r.engine(tool)
		e.Seen = saw(e.Seen, "resource "+of.name())
		if !resource.Reads() {
			continue
		}
		path := "/apis/" + of.Group + "/" + of.Version + "/"
		if of.namespaced && r.opts.Namespace != "" && !resource.Exempts() {
			path += "namespaces/" + r.opts.Namespace + "/"
		}
		count := 0
		err := r.pages(ctx, path+of.Resource, customPage, func(item json.RawMessage) error {
			if count++; count > maxPolicyRead {
				return errTooMany
			}
			var object map[string]any
			if utiljson.Unmarshal(item, &object) != nil || object == nil {
				return errMalformed
			}
			object["kind"] = of.kind // items of a list need not say it
			for _, p := range resource.Read(of.kind, object) {
				if p.Effect == enforcer.Exempt {
					if err := r.exempt(tool, p.Except...); err != nil {
						return err
					}
					continue
				}
				if len(e.WritableRoot)+len(e.Programs) >= fact.MaxEnginePolicies {
					return errTooMany
				}
				policy := bounded(p.EnginePolicy)
				if p.Effect == enforcer.Root {
					e.WritableRoot = append(e.WritableRoot, policy)
				} else {
					e.Programs = append(e.Programs, policy)
				}
			}
			return nil
		})
		if err != nil {
			gap, err := listGap(ctx, fact.Enforcing, of.name(), err)
			if err != nil {
				return err
			}
			e.Unread = append(e.Unread, gap)
			r.gaps = append(r.gaps, gap)
			if resource.Exempts() {
				_ = r.exempt(tool, "*")
			}
		}
	}
	return nil
}

// exempt notes policies from which something is excepted.
func (r *engineReader) exempt(tool *enforcer.Tool, names ...string) error {
	of := r.exempted[tool.Name]
	if of == nil {
		of = map[string]bool{}
		r.exempted[tool.Name] = of
	}
	for _, name := range names {
		if len(of) >= maxExempted {
			of["*"] = true
			return errTooMany
		}
		of[escape.Short(name, maxEngineText)] = true
	}
	return nil
}

// bounded cuts the texts of a policy.
func bounded(p fact.EnginePolicy) fact.EnginePolicy {
	p.Name, p.Namespace = escape.Short(p.Name, maxEngineText), escape.Short(p.Namespace, maxEngineText)
	if len(p.Except) > fact.MaxExcept {
		p.Except, p.Doubt = nil, "it has more exceptions than are kept"
	}
	for i := range p.Except {
		p.Except[i] = escape.Short(p.Except[i], maxEngineText)
	}
	if len(p.Labels) > fact.MaxExcept {
		p.Labels, p.Doubt = nil, "its selector has more labels than are kept"
	}
	labels := make(map[string]string, len(p.Labels))
	for key, value := range p.Labels {
		labels[escape.Short(key, maxEngineText)] = escape.Short(value, maxEngineText)
	}
	if p.Labels = labels; len(labels) == 0 {
		p.Labels = nil
	}
	return p
}

// finish sorts what was found and says what each engine does.
func (r *engineReader) finish() []fact.Engine {
	var out []fact.Engine
	for i := range enforcer.Tools() {
		tool := &enforcer.Tools()[i]
		e := r.engines[tool.Name]
		if e == nil {
			continue
		}
		slices.SortFunc(e.Pods, func(a, b fact.EnginePod) int {
			return cmp.Or(strings.Compare(a.Node, b.Node), strings.Compare(a.UID, b.UID))
		})
		byName := func(a, b fact.EnginePolicy) int {
			return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
		}
		slices.SortStableFunc(e.WritableRoot, byName)
		slices.SortStableFunc(e.Programs, byName)
		enforcer.Except(e.WritableRoot, r.exempted[tool.Name])
		mode, why := tool.ModeOf(e.WritableRoot, e.Programs, r.hooks[tool.Name])
		if len(e.Unread) > 0 && mode != fact.EngineBlocks {
			mode, why = fact.EngineUnknown, "a part of it was not read: "+e.Unread[0].Detail
		}
		if !r.read && mode == fact.EngineOff {
			mode, why = fact.EngineUnknown, "its webhook configurations or API groups were not read"
		}
		e.Mode, e.Why = mode, escape.Short(why, 2*maxEngineText)
		out = append(out, *e)
	}
	return out
}
