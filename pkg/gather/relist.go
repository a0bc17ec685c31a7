package gather

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/cluster"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
)

// relistTimeout bounds the second list: the facts are there already, and a server
// that hangs must not cost them.
const relistTimeout = 30 * time.Second

// relist lists the pods again if a node has a container that the first list does not
// have, and adds what the second says of such containers to the set. It changes
// nothing else there: what the first list said was true when the nodes were
// measured, or shortly before. A list that fails is a fact too, and warn gets a line.
func relist(ctx context.Context, set *fact.Set, list func(context.Context) ([]fact.Workload, error), warn func(line string)) {
	if list == nil {
		return
	}
	unknown := unlisted(set)
	if len(unknown) == 0 {
		return
	}
	ctx, cancel := context.WithTimeoutCause(ctx, relistTimeout, fmt.Errorf("no answer within %s", relistTimeout))
	defer cancel()
	again, err := list(ctx)
	set.Relisted = &fact.Relist{At: fact.NewTime(time.Now().Truncate(time.Second)), Unknown: len(unknown)}
	if err == nil {
		set.Relisted.Named = addListed(set, unknown, again)
		return
	}
	set.Relisted.Reason = relistReason(ctx, err)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	set.Relisted.Detail = escape.Short(fmt.Sprintf("listing pods again: %v", err), 300)
	if warn != nil {
		warn(fmt.Sprintf("warning: %d containers on the nodes are of no listed pod, and listing the pods again failed: %s", len(unknown), escape.Short(err.Error(), 300)))
	}
}

func relistReason(ctx context.Context, err error) fact.Reason {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fact.Timeout
	case ctx.Err() != nil:
		return fact.Interrupted
	case apierrors.IsForbidden(err):
		return fact.Forbidden
	}
	return fact.Unavailable
}

// onNode is a container's or pod's id on a node.
type onNode struct{ node, id string }

// unlisted returns the measured containers that no listed pod has. If only some pods
// were listed, only those count whose pod was. The pods' sandboxes and the probe are
// never listed, and an id that the kernel does not show cannot be.
func unlisted(set *fact.Set) map[onNode]*fact.MeasuredContainer {
	ids, pods := map[onNode]bool{}, map[onNode]bool{}
	for i := range set.Workloads {
		for j := range set.Workloads[i].Pods {
			p := &set.Workloads[i].Pods[j]
			pods[onNode{p.Node, p.UID}] = true
			if p.ConfigHash != "" {
				pods[onNode{p.Node, p.ConfigHash}] = true
			}
			for _, c := range p.Containers {
				ids[onNode{p.Node, c.ID}], ids[onNode{p.Node, c.LastID}] = true, true
			}
		}
	}
	unknown := map[onNode]*fact.MeasuredContainer{}
	for i := range set.Nodes {
		m := set.Nodes[i].Measured
		if m == nil {
			continue
		}
		for j := range m.Containers {
			c := &m.Containers[j]
			key := onNode{set.Nodes[i].Name, c.ID}
			switch {
			case c.ID == "", c.FoundBy != fact.FoundByCgroup, c.Self, c.Sandbox, ids[key]:
			case set.PodScope == fact.PodsAll, set.PodScope == fact.PodsSome && c.PodUID != "" && pods[onNode{key.node, c.PodUID}]:
				unknown[key] = c
			}
		}
	}
	return unknown
}

// addListed adds the pods of unknown containers to the set, and counts the containers
// that a pod names.
func addListed(set *fact.Set, unknown map[onNode]*fact.MeasuredContainer, again []fact.Workload) (named int) {
	pods := map[onNode]bool{} // of unknown containers
	for key, c := range unknown {
		if c.PodUID != "" {
			pods[onNode{key.node, c.PodUID}] = true
		}
	}
	live := map[string]bool{}
	for i := range again {
		for j := range again[i].Pods {
			live[again[i].Pods[j].UID] = true
		}
	}
	a := newAdding(set, live)
	for i := range again {
		w := &again[i]
		for j := range w.Pods {
			p := &w.Pods[j]
			ids := map[string]bool{}
			for _, c := range p.Containers {
				for _, id := range []string{c.ID, c.LastID} {
					if unknown[onNode{p.Node, id}] != nil {
						ids[id] = true
					}
				}
			}
			if len(ids) > 0 || pods[onNode{p.Node, p.UID}] || p.ConfigHash != "" && pods[onNode{p.Node, p.ConfigHash}] {
				a.add(w, p, ids)
				named += len(ids)
			}
		}
	}
	a.finish()
	return named
}

// adding adds pods to a set. It finds workloads by maps of their places in the set: in
// a large cluster thousands of pods start between two lists.
type adding struct {
	set  *fact.Set
	live map[string]bool // the UIDs in the second list

	byUID   map[string]int
	byName  map[podName]int
	byOwner map[string][]int
	emptied map[int]bool // workloads whose last pod was removed: they go at the end
}

// podName is a pod's namespace and name.
type podName struct{ namespace, name string }

func newAdding(set *fact.Set, live map[string]bool) *adding {
	a := &adding{set: set, live: live, byUID: map[string]int{}, byName: map[podName]int{}, byOwner: map[string][]int{}, emptied: map[int]bool{}}
	for i := range set.Workloads {
		w := &set.Workloads[i]
		a.byOwner[w.Owner.Key()] = append(a.byOwner[w.Owner.Key()], i)
		for j := range w.Pods {
			a.index(i, &w.Pods[j])
		}
	}
	return a
}

// index notes where a pod is. The first of a UID or name stays.
func (a *adding) index(i int, p *fact.Pod) {
	name := podName{a.set.Workloads[i].Owner.Namespace, p.Name}
	if _, taken := a.byUID[p.UID]; !taken {
		a.byUID[p.UID] = i
	}
	if _, taken := a.byName[name]; !taken {
		a.byName[name] = i
	}
}

// finish removes what has no pods any more, and sorts.
func (a *adding) finish() {
	if len(a.emptied) > 0 {
		kept := make([]fact.Workload, 0, len(a.set.Workloads)-len(a.emptied))
		for i := range a.set.Workloads {
			if !a.emptied[i] {
				kept = append(kept, a.set.Workloads[i])
			}
		}
		a.set.Workloads = kept
	}
	cluster.Sort(a.set.Workloads)
}

// add adds a pod of the second list, or to the pod that the first list has of it: the
// containers with these ids, which a node has.
func (a *adding) add(w *fact.Workload, p *fact.Pod, ids map[string]bool) {
	at, some := a.byUID[p.UID]
	workload, pod := a.find(at, some, func(q *fact.Pod) bool { return q.UID == p.UID })
	if pod == nil {
		if a.set.PodScope != fact.PodsAll {
			return
		}
		a.replace(w, p)
		a.insert(w, *p.DeepCopy())
		return
	}
	merged := *pod.DeepCopy()
	merged.Node, merged.ConfigHash = p.Node, p.ConfigHash
	if merged.Phase == "Pending" || merged.Phase == "" {
		merged.Phase = p.Phase
	}
	for _, now := range p.Containers {
		id := ""
		switch {
		case ids[now.ID]:
			id = now.ID
		case ids[now.LastID]:
			id = now.LastID
			// It has ended since, and ran when it was measured.
			now.Running, now.Waiting, now.Terminated, now.ExitCode, now.Restarted = true, false, false, nil, false
		default:
			continue
		}
		now.ID, now.LastID = id, ""
		i := slices.IndexFunc(merged.Containers, func(c fact.ContainerStatus) bool { return c.Name == now.Name })
		if i < 0 {
			merged.Containers = append(merged.Containers, now)
			continue
		}
		now.LastID = cmp.Or(merged.Containers[i].ID, merged.Containers[i].LastID)
		now.Restarted = now.LastID != ""
		merged.Containers[i] = now
	}
	if cluster.SameGroup(workload, w) {
		*pod = merged
		return
	}
	// Its spec has changed, say by an ephemeral container.
	a.remove(at, pod)
	a.insert(w, merged)
}

// find finds a pod of a workload of the set.
func (a *adding) find(at int, some bool, is func(*fact.Pod) bool) (*fact.Workload, *fact.Pod) {
	if !some {
		return nil, nil
	}
	w := &a.set.Workloads[at]
	for j := range w.Pods {
		if is(&w.Pods[j]) {
			return w, &w.Pods[j]
		}
	}
	return nil, nil
}

// replace removes the pod of the same name that this one has followed, unless a node
// still had a container of it.
func (a *adding) replace(w *fact.Workload, p *fact.Pod) {
	at, some := a.byName[podName{w.Owner.Namespace, p.Name}]
	_, old := a.find(at, some, func(q *fact.Pod) bool { return q.Name == p.Name })
	if old != nil && !a.live[old.UID] && !a.measured(old) {
		a.remove(at, old)
	}
}

// measured reports whether a node has a container of a pod.
func (a *adding) measured(p *fact.Pod) bool {
	for i := range a.set.Nodes {
		n := &a.set.Nodes[i]
		if n.Name != p.Node || n.Measured == nil {
			continue
		}
		for j := range n.Measured.Containers {
			c := &n.Measured.Containers[j]
			if c.PodUID == p.UID || slices.ContainsFunc(p.Containers, func(s fact.ContainerStatus) bool { return c.ID != "" && (c.ID == s.ID || c.ID == s.LastID) }) {
				return true
			}
		}
	}
	return false
}

func (a *adding) remove(at int, p *fact.Pod) {
	w := &a.set.Workloads[at]
	uid := p.UID // p is one of them
	delete(a.byUID, uid)
	delete(a.byName, podName{w.Owner.Namespace, p.Name})
	w.Pods = slices.DeleteFunc(slices.Clone(w.Pods), func(q fact.Pod) bool { return q.UID == uid })
	if len(w.Pods) > 0 {
		w.Spec.Origin = "pod/" + w.Owner.Namespace + "/" + w.Pods[0].Name // of those that are left
	} else {
		a.emptied[at] = true
	}
}

// insert adds a pod to the workload in the set that its own belongs to, or that one.
func (a *adding) insert(w *fact.Workload, p fact.Pod) {
	origin := "pod/" + w.Owner.Namespace + "/" + p.Name
	i := -1
	for _, other := range a.byOwner[w.Owner.Key()] {
		if of := &a.set.Workloads[other]; len(of.Pods) > 0 && cluster.SameGroup(of, w) {
			i = other
			break
		}
	}
	if i < 0 {
		added := fact.Workload{Owner: w.Owner, Spec: *w.Spec.DeepCopy(), Pods: []fact.Pod{p}}
		added.Spec.Origin = origin
		i = len(a.set.Workloads)
		a.set.Workloads = append(a.set.Workloads, added)
		a.byOwner[w.Owner.Key()] = append(a.byOwner[w.Owner.Key()], i)
		a.index(i, &p)
		return
	}
	a.index(i, &p)
	to := &a.set.Workloads[i]
	at, _ := slices.BinarySearchFunc(to.Pods, p.Name, func(q fact.Pod, name string) int { return strings.Compare(q.Name, name) })
	to.Pods = slices.Insert(slices.Clone(to.Pods), at, p) // its pods may be part of a longer list
	if at == 0 {                                          // the spec is that of the first pod
		to.Spec = *w.Spec.DeepCopy()
		to.Spec.Origin = origin
	}
}
