package checks

import (
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// state is where a container is in its life, as the API says.
type state int

const (
	notStarted state = iota // has never run
	isRunning
	ended   // has run, and will not again
	between // has ended or was not seen, and will run: it is between two starts
)

// stateOf derives the state from a container's status. Restart policies are those
// of the pod and, for a sidecar, of the container (KEP-753).
//
// Facts of the first version say only whether it runs: there an init container
// that does not run has ended, and any other of a running pod is between.
func (x *index) stateOf(w *fact.Workload, pod *fact.Pod, status *fact.ContainerStatus) state {
	over := pod.Phase == "Succeeded" || pod.Phase == "Failed"
	declared := x.declared(&w.Spec, status.Name)
	sidecar := declared != nil && declared.RestartPolicy == "Always"
	init := declared != nil && declared.Type == fact.InitContainer && !sidecar
	switch {
	case status.Running:
		return isRunning
	case over:
		return ended
	case status.Terminated:
		policy := w.Spec.RestartPolicy
		if declared != nil && declared.RestartPolicy != "" {
			policy = declared.RestartPolicy
		}
		success := status.ExitCode != nil && *status.ExitCode == 0
		switch {
		case declared != nil && declared.Type == fact.EphemeralContainer: // never restarted
			return ended
		case init && success, policy == "Never", policy == "OnFailure" && success:
			return ended
		}
		return between
	case status.Restarted:
		return between
	case status.Waiting, pod.Phase == "Pending", status.ID == "" && status.LastID == "" && pod.Phase != "Running":
		return notStarted
	case init, declared != nil && declared.Type == fact.EphemeralContainer:
		return ended
	}
	return between
}

// runs reports whether any container of a pod has started and has not ended for
// good. If the node's kubelet says nothing about some containers, the pod runs
// unless its phase says that it does not.
func (x *index) runs(w *fact.Workload, pod *fact.Pod) bool {
	if len(x.unsaid(w, pod)) > 0 || len(pod.Containers) == 0 && pod.Node != "" && claimsToRun(pod) {
		return true
	}
	for i := range pod.Containers {
		if s := x.stateOf(w, pod, &pod.Containers[i]); s == isRunning || s == between {
			return true
		}
	}
	return false
}

// eachRunning names the pod ("") and its containers that run or are between two starts, if any does.
func (x *index) eachRunning(w *fact.Workload, pod *fact.Pod, yield func(container string)) {
	if !x.runs(w, pod) {
		return
	}
	yield("")
	for i := range pod.Containers {
		if state := x.stateOf(w, pod, &pod.Containers[i]); state == isRunning || state == between {
			yield(pod.Containers[i].Name)
		}
	}
	if len(pod.Containers) == 0 { // of which the kubelet has said nothing
		for i := range w.Spec.Containers {
			yield(w.Spec.Containers[i].Name)
		}
	}
}

func claimsToRun(pod *fact.Pod) bool { return pod.Phase == "Running" || pod.Phase == "Unknown" }

// unsaid are the containers that the status of a running pod leaves out while
// it has others. Ephemeral containers and those that run before the others can
// be missing there: they need not have started.
func (x *index) unsaid(w *fact.Workload, pod *fact.Pod) []*fact.Container {
	if len(pod.Containers) == 0 || len(pod.Containers) >= len(w.Spec.Containers) || pod.Node == "" || !claimsToRun(pod) {
		return nil
	}
	said := make(map[string]bool, len(pod.Containers))
	for i := range pod.Containers {
		said[pod.Containers[i].Name] = true
	}
	var out []*fact.Container
	for i := range w.Spec.Containers {
		if c := &w.Spec.Containers[i]; c.Type != fact.InitContainer && c.Type != fact.EphemeralContainer && !said[c.Name] {
			out = append(out, c)
		}
	}
	return out
}
