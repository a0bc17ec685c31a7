package checks

import (
	"fmt"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// Declared is one declared container with what it belongs to.
type Declared struct {
	Workload  *fact.Workload
	Container *fact.Container
}

// Subject is the finding's subject: the top owner, the container, its pods.
func (d Declared) Subject() fact.Subject {
	s := WorkloadSubject(d.Workload)
	s.Container = d.Container.Name
	return s
}

// Field names a field of the container for evidence:
// "pod/NS/NAME spec.containers[0].securityContext.privileged".
func (d Declared) Field(field string) string {
	container := strings.TrimPrefix(d.Container.Field, "spec.")
	if spec := &d.Workload.Spec; spec.Fields == nil {
		return spec.Origin + " " + spec.Path + "." + container + "." + field
	}
	return PodField(d.Workload, container+"."+field)
}

// PodField names a field of the pod's spec for evidence.
func PodField(w *fact.Workload, field string) string {
	if w.Spec.Fields != nil {
		if at, found := elsewhere(&w.Spec, field); found {
			return w.Spec.Origin + " " + at
		}
	}
	return w.Spec.Origin + " " + w.Spec.Path + "." + field
}

// elsewhere finds a field of a pod spec that was put together, by the longest name that is known
// of it.
func elsewhere(spec *fact.PodSpec, field string) (string, bool) {
	for name := field; name != ""; {
		if at, found := spec.Fields[name]; found {
			return at + field[len(name):], true
		}
		cut := strings.LastIndexAny(name, ".[")
		if cut < 0 {
			break
		}
		name = name[:cut]
	}
	return "", false
}

// WorkloadSubject is the subject of a finding about a whole pod spec. It names
// every pod; Merge cuts the list.
func WorkloadSubject(w *fact.Workload) fact.Subject {
	pods := make([]*fact.Pod, len(w.Pods))
	for i := range w.Pods {
		pods[i] = &w.Pods[i]
	}
	return PodsSubject(w, pods)
}

// PodsSubject is the subject of a finding about some of a workload's pods.
func PodsSubject(w *fact.Workload, pods []*fact.Pod) fact.Subject {
	s := w.Owner
	s.PodCount, s.Pods = len(pods), nil
	for _, p := range pods {
		s.Pods = append(s.Pods, p.Name)
	}
	return s
}

// DeclaredContainers lists every declared container, init and ephemeral ones
// too, in the order of the facts.
func DeclaredContainers(v *View) []Declared {
	count := 0
	for i := range v.Workloads {
		count += len(v.Workloads[i].Spec.Containers)
	}
	out := make([]Declared, 0, count)
	for i := range v.Workloads {
		w := &v.Workloads[i]
		for j := range w.Spec.Containers {
			out = append(out, Declared{Workload: w, Container: &w.Spec.Containers[j]})
		}
	}
	return out
}

// Running is a container that runs on a measured node, joined by its id with
// its declaration. Sandboxes and the probe's own container are left out.
type Running struct {
	Node     *fact.Node
	Measured *fact.MeasuredContainer // nil for a declared one that was not seen
	// Workload, Pod and Declared are nil for a container that the API does not
	// know; Declared alone is nil for one whose pod is known but not its name.
	Workload *fact.Workload
	Pod      *fact.Pod
	Declared *fact.Container
	// Between is true for a container that has run and will be started again.
	Between bool
}

// Subject is the top owner and container name, or the container's own id
// where the API does not know it.
func (r Running) Subject() fact.Subject {
	if r.Workload == nil {
		return fact.Subject{Kind: fact.SubjectContainer, Name: short(r.Measured.ID), Node: r.Node.Name}
	}
	s := r.Workload.Owner
	if r.Declared != nil {
		s.Container = r.Declared.Name
	}
	if r.Pod != nil {
		s.PodCount, s.Pods = 1, []string{r.Pod.Name}
	}
	return s
}

// PodSubject is the subject of a finding about the pod that the container
// belongs to, or about the container where the API does not know it.
func (r Running) PodSubject() fact.Subject {
	s := r.Subject()
	if r.Workload != nil {
		s.Container = ""
	}
	return s
}

// Field names a declared field of the container for evidence; "" if no
// declaration is known.
func (r Running) Field(field string) string {
	if r.Workload == nil || r.Declared == nil {
		return ""
	}
	return Declared{r.Workload, r.Declared}.Field(field)
}

// Source names a file of the container's first process for evidence, or the
// container where none of its processes was read: "node/NAME /proc/1/mountinfo".
func (r Running) Source(file string) string {
	if len(r.Measured.Processes) == 0 {
		return NodeSource(r.Node, "container %s %s", short(r.Measured.ID), file)
	}
	return NodeSource(r.Node, "/proc/%d/%s", r.Measured.Processes[0].PID, file)
}

// entryAge is how old a runtime's own process may be that is on its way into a
// container; it takes milliseconds, on a busy node a second.
const entryAge = 5 * time.Second

// Entering reports whether a process whose executable is not the container's may
// be its runtime's, on its way in: it is young, by the kernel's own clock. What
// a process calls itself proves nothing.
func (r Running) Entering(p *fact.Process) bool {
	at := r.Node.Measured.At
	return !p.Started.IsZero() && !at.IsZero() && at.Sub(p.Started.Time) <= entryAge
}

// MayBeRuntime reports whether a process may be the container runtime's own, on its
// way into the container (runc init): it is young, and what it runs is not a file of
// the container, or was not read. Such a process still holds the node's rights.
func (r Running) MayBeRuntime(p *fact.Process) bool {
	own := p.Exe != nil && p.Exe.Origin != fact.OriginForeign && p.Exe.Origin != fact.OriginMemfd
	return !own && r.Entering(p)
}

// shortID is how many digits of a container's id are shown, as crictl does.
const shortID = 12

func short(id string) string { return id[:min(len(id), shortID)] }

// ShortID is the beginning of a container's id, as it is shown: twelve digits.
func ShortID(id string) string { return short(id) }

// NodeSource names a file of the node for evidence: "node/NAME /proc/1/status CapEff".
func NodeSource(node *fact.Node, format string, args ...any) string {
	return "node/" + node.Name + " " + fmt.Sprintf(format, args...)
}

// index finds the declaration of a measured container by its node. A node
// answers only for its own pods, whatever ids it claims to have seen, and
// whatever ids another node's kubelet writes into the status of its own pods.
type index struct {
	scope fact.PodScope
	byID  map[placed]joined
	byPod map[placed]joined // by UID, and by a static pod's config hash
	// byPrefix finds the id of a container by its node and the first digits.
	byPrefix map[placed]string
	// containers finds a measured one by node and id; filled when first asked for.
	containers map[string]map[string]*fact.MeasuredContainer
	// nodeOf finds a pod's node by its UID, which the API server gave it.
	nodeOf map[string]string
	// named finds a declared container by its name, in specs that have many.
	named map[*fact.PodSpec]map[string]*fact.Container
}

// placed is an id on a node.
type placed struct{ node, id string }

type joined struct {
	workload  *fact.Workload
	pod       *fact.Pod
	container *fact.Container
}

func newIndex(set *fact.Set) *index {
	x := &index{
		scope: set.PodScope, byID: map[placed]joined{}, byPod: map[placed]joined{},
		byPrefix: map[placed]string{}, nodeOf: map[string]string{}, containers: map[string]map[string]*fact.MeasuredContainer{},
		named: map[*fact.PodSpec]map[string]*fact.Container{},
	}
	var disputed []placed
	for i := range set.Workloads {
		w := &set.Workloads[i]
		for j := range w.Pods {
			p := &w.Pods[j]
			// One that was on no node yet may have started on any since.
			if p.UID != "" && p.Node != "" {
				x.nodeOf[p.UID] = p.Node
			}
			// A static pod's cgroup carries its config hash in place of the UID.
			// A kubelet or a user writes the annotation, so UIDs, which come
			// below, replace it. What two pods claim belongs to neither.
			if p.ConfigHash != "" {
				key := placed{p.Node, p.ConfigHash}
				if _, taken := x.byPod[key]; taken {
					disputed = append(disputed, key)
				}
				x.byPod[key] = joined{w, p, nil}
			}
			for _, status := range p.Containers {
				for _, id := range []string{status.LastID, status.ID} {
					if id != "" {
						x.byID[placed{p.Node, id}] = joined{w, p, x.declared(&w.Spec, status.Name)}
						x.byPrefix[placed{p.Node, short(id)}] = id
					}
				}
			}
		}
	}
	for _, key := range disputed {
		delete(x.byPod, key)
	}
	for i := range set.Workloads {
		w := &set.Workloads[i]
		for j := range w.Pods {
			if p := &w.Pods[j]; p.UID != "" {
				x.byPod[placed{p.Node, p.UID}] = joined{w, p, nil}
			}
		}
	}
	return x
}

// elsewhere reports whether a pod is known to be on another node than this.
func (x *index) elsewhere(node, uid string) bool {
	on, known := x.nodeOf[uid]
	return known && on != node
}

// join finds the declaration of a measured container. Asked is false for a
// container that this run does not judge: a sandbox, the probe's own and, if
// only some pods were listed, one that does not belong to them.
func (x *index) join(node *fact.Node, m *fact.MeasuredContainer) (r Running, asked bool) {
	found, known := x.byID[placed{node.Name, m.ID}]
	// Without the runtime's word, one process named pause looks like a sandbox.
	// But the API never has a sandbox's id as a container's.
	sandbox := m.Sandbox && !known
	if !known && m.PodUID != "" {
		found, known = x.byPod[placed{node.Name, m.PodUID}]
	}
	r = Running{Node: node, Measured: m, Workload: found.workload, Pod: found.pod, Declared: found.container}
	return r, !sandbox && !(m.Self && !known) && (known || x.scope != fact.PodsSome)
}

// KnownBy is by what the API knows a measured container.
type KnownBy int

// The ways, the best last.
const (
	Unknown   KnownBy = iota
	KnownPod          // only its pod: by UID, or by a static pod's config hash
	KnownByID         // a container status has its id
)

// Known joins a measured container with what the API knows of it, whether or not this
// run judges it (RunningContainers).
func (v *View) Known(node *fact.Node, m *fact.MeasuredContainer) (Running, KnownBy) {
	r, _ := v.index.join(node, m)
	if _, byID := v.index.byID[placed{node.Name, m.ID}]; byID {
		return r, KnownByID
	}
	if r.Pod != nil {
		return r, KnownPod
	}
	return r, Unknown
}

// declared finds a container by its name; nil if the spec does not have it.
func (x *index) declared(spec *fact.PodSpec, name string) *fact.Container {
	const few = 8 // up to here a search is faster than a map
	if len(spec.Containers) > few {
		byName := x.named[spec]
		if byName == nil {
			byName = make(map[string]*fact.Container, len(spec.Containers))
			for i := len(spec.Containers) - 1; i >= 0; i-- { // the first of a name stays
				byName[spec.Containers[i].Name] = &spec.Containers[i]
			}
			x.named[spec] = byName
		}
		return byName[name]
	}
	for i := range spec.Containers {
		if spec.Containers[i].Name == name {
			return &spec.Containers[i]
		}
	}
	return nil
}

// running is what RunningContainers returns for one kind.
type running struct{ seen, unseen []Running }

// RunningContainers joins measured containers with declared ones, for nodes on
// which facts of this kind were read. Unseen holds the containers that the API
// calls running on such a node while no process of theirs was found there (a
// sandboxed runtime, or one that ended meanwhile), and those between two
// starts: these are unknown. So is a running pod of which the kubelet has named
// no container and the node has none, and any container of a running pod of which
// the kubelet says nothing.
func RunningContainers(v *View, kind fact.Kind) (seen, unseen []Running) {
	if r := v.running[kind]; r != nil {
		return r.seen, r.unseen
	}
	measuredOn := map[string]*fact.Node{}
	most := 0
	for i := range v.Nodes {
		if v.Nodes[i].Measured.HasRead(kind) {
			most += len(v.Nodes[i].Measured.Containers)
		}
	}
	found, foundPods := make(map[placed]bool, most), map[*fact.Pod]bool{}
	seen = make([]Running, 0, most)
	for i := range v.Nodes {
		node := &v.Nodes[i]
		if !node.Measured.HasRead(kind) {
			continue
		}
		measuredOn[node.Name] = node
		for j := range node.Measured.Containers {
			m := &node.Measured.Containers[j]
			found[placed{node.Name, m.ID}] = true
			if r, asked := v.index.join(node, m); asked {
				seen = append(seen, r)
				foundPods[r.Pod] = true
			}
		}
	}
	for i := range v.Workloads {
		w := &v.Workloads[i]
		for j := range w.Pods {
			p := &w.Pods[j]
			node := measuredOn[p.Node]
			if node == nil {
				continue
			}
			if len(p.Containers) == 0 && v.index.runs(w, p) && !foundPods[p] {
				unseen = append(unseen, Running{Node: node, Workload: w, Pod: p})
			}
			for _, c := range v.index.unsaid(w, p) {
				unseen = append(unseen, Running{Node: node, Workload: w, Pod: p, Declared: c})
			}
			for k := range p.Containers {
				status := &p.Containers[k]
				r := Running{Node: node, Workload: w, Pod: p, Declared: v.index.declared(&w.Spec, status.Name)}
				switch v.index.stateOf(w, p, status) {
				case isRunning:
					if status.ID == "" || !found[placed{node.Name, status.ID}] {
						unseen = append(unseen, r)
					}
				case between:
					r.Between = true
					unseen = append(unseen, r)
				}
			}
		}
	}
	v.running[kind] = &running{seen, unseen}
	return seen, unseen
}

// Unseen turns the containers that were not seen into unknown findings.
func Unseen(unseen []Running) []api.Finding {
	findings := make([]api.Finding, 0, len(unseen))
	for _, r := range unseen {
		f := api.Finding{
			Verdict:  api.VerdictUnknown,
			Reason:   fact.NotPresent,
			Subject:  r.Subject(),
			Basis:    api.Measured,
			Message:  "the API reports it as running, but none of its processes was found on its node (a sandboxed runtime, or it ended meanwhile)",
			Evidence: []api.Evidence{{Source: NodeSource(r.Node, "/proc/*/cgroup"), Value: "no process of this container"}},
		}
		if r.Between {
			f.Reason, f.Message = fact.Changing, "it is between two starts, so it could not be measured"
			f.Evidence = []api.Evidence{{Source: "pod/" + r.Workload.Owner.Namespace + "/" + r.Pod.Name + " status", Value: "not running, and will be started again"}}
		}
		findings = append(findings, f)
	}
	return findings
}
