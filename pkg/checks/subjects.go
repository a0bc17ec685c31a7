package checks

import (
	"fmt"

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
	return d.Workload.Spec.Origin + " " + d.Workload.Spec.Path + d.Container.Field[len("spec"):] + "." + field
}

// PodField names a field of the pod's spec for evidence.
func PodField(w *fact.Workload, field string) string {
	return w.Spec.Origin + " " + w.Spec.Path + "." + field
}

// WorkloadSubject is the subject of a finding about a whole pod spec.
func WorkloadSubject(w *fact.Workload) fact.Subject {
	s := w.Owner
	s.PodCount = len(w.Pods)
	s.Pods = nil
	for i := range w.Pods {
		if len(s.Pods) == fact.MaxPodNames {
			break
		}
		s.Pods = append(s.Pods, w.Pods[i].Name)
	}
	return s
}

// DeclaredContainers lists every declared container, init and ephemeral ones
// too, in the order of the facts.
func DeclaredContainers(set *fact.Set) []Declared {
	var out []Declared
	for i := range set.Workloads {
		w := &set.Workloads[i]
		for j := range w.Spec.Containers {
			out = append(out, Declared{Workload: w, Container: &w.Spec.Containers[j]})
		}
	}
	return out
}

// Running is a container that runs on a measured node, joined by its id with
// what is declared of it. Sandboxes and the probe's own container are left out.
type Running struct {
	Node     *fact.Node
	Measured *fact.MeasuredContainer // nil for a declared one that was not seen
	// Workload, Pod and Declared are nil for a container that the API does not
	// know; Declared alone is nil for one whose pod is known but not its name.
	Workload *fact.Workload
	Pod      *fact.Pod
	Declared *fact.Container
}

// Subject is the top owner and container name, or the container's own id
// where the API does not know it.
func (r Running) Subject() fact.Subject {
	if r.Workload == nil {
		id := r.Measured.ID
		if len(id) > 12 {
			id = id[:12]
		}
		return fact.Subject{Kind: "Container", Name: id, Node: r.Node.Name}
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

// NodeSource names a file of the node for evidence: "node/NAME /proc/1/status CapEff".
func NodeSource(node *fact.Node, format string, args ...any) string {
	return "node/" + node.Name + " " + fmt.Sprintf(format, args...)
}

// RunningContainers joins measured containers with declared ones, for nodes on
// which facts of this kind were read. Unseen holds the containers that the API
// calls running on such a node while no process of theirs was found there (a
// sandboxed runtime, or one that ended meanwhile): these are unknown.
func RunningContainers(set *fact.Set, kind fact.Kind) (seen, unseen []Running) {
	type declared struct {
		w *fact.Workload
		p *fact.Pod
		c *fact.Container
	}
	byID, byPod := map[string]declared{}, map[string]declared{}
	measuredOn := map[string]*fact.Node{}
	for i := range set.Nodes {
		if set.Nodes[i].Measured.HasRead(kind) {
			measuredOn[set.Nodes[i].Name] = &set.Nodes[i]
		}
	}
	for i := range set.Workloads {
		w := &set.Workloads[i]
		for j := range w.Pods {
			p := &w.Pods[j]
			byPod[p.UID] = declared{w, p, nil}
			if p.ConfigHash != "" {
				byPod[p.ConfigHash] = declared{w, p, nil}
			}
			for _, status := range p.Containers {
				d := declared{w, p, findContainer(&w.Spec, status.Name)}
				if status.LastID != "" {
					byID[status.LastID] = d
				}
				if status.ID != "" {
					byID[status.ID] = d
				}
			}
		}
	}
	found := map[string]bool{}
	for i := range set.Nodes {
		node := &set.Nodes[i]
		if measuredOn[node.Name] == nil {
			continue
		}
		for j := range node.Measured.Containers {
			m := &node.Measured.Containers[j]
			found[m.ID] = true
			if m.Sandbox || m.Self {
				continue
			}
			d, known := byID[m.ID]
			if !known {
				d = byPod[m.PodUID]
			}
			if d.w == nil && m.Kubernetes && set.PodScope == fact.PodsSome {
				continue // a pod that was not asked about
			}
			seen = append(seen, Running{Node: node, Measured: m, Workload: d.w, Pod: d.p, Declared: d.c})
		}
	}
	for i := range set.Workloads {
		w := &set.Workloads[i]
		for j := range w.Pods {
			p := &w.Pods[j]
			node := measuredOn[p.Node]
			if node == nil {
				continue
			}
			for _, status := range p.Containers {
				if status.Running && status.ID != "" && !found[status.ID] {
					unseen = append(unseen, Running{Node: node, Workload: w, Pod: p, Declared: findContainer(&w.Spec, status.Name)})
				}
			}
		}
	}
	return seen, unseen
}

func findContainer(spec *fact.PodSpec, name string) *fact.Container {
	for i := range spec.Containers {
		if spec.Containers[i].Name == name {
			return &spec.Containers[i]
		}
	}
	return nil
}

// Unseen turns containers that were declared running but not seen on their
// node into unknown findings.
func Unseen(unseen []Running) []api.Finding {
	findings := make([]api.Finding, 0, len(unseen))
	for _, r := range unseen {
		findings = append(findings, api.Finding{
			Verdict:  api.VerdictUnknown,
			Reason:   fact.NotPresent,
			Subject:  r.Subject(),
			Basis:    api.Measured,
			Message:  "the API calls it running, but no process of it was found on its node (a sandboxed runtime, or it ended meanwhile)",
			Evidence: []api.Evidence{{Source: NodeSource(r.Node, "/proc/*/cgroup"), Value: "no process of this container"}},
		})
	}
	return findings
}
