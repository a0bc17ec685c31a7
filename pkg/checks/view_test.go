package checks

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// An owner is idle if it has pods and none of them, in any of its workloads,
// has started and not ended.
func TestIdle(t *testing.T) {
	owner := fact.Subject{Kind: "Deployment", Namespace: "shop", Name: "web"}
	workload := func(phases ...string) fact.Workload {
		w := fact.Workload{Owner: owner}
		for _, phase := range phases {
			w.Pods = append(w.Pods, fact.Pod{Name: "p", Node: "n1", Phase: phase})
		}
		return w
	}
	for name, tc := range map[string]struct {
		workloads []fact.Workload
		want      bool
		stopped   int
	}{
		"no pods":                             {[]fact.Workload{workload()}, false, 0},
		"all ended":                           {[]fact.Workload{workload("Succeeded", "Failed")}, true, 2},
		"none has started":                    {[]fact.Workload{workload("Pending")}, true, 1},
		"one of two runs":                     {[]fact.Workload{workload("Pending", "Running")}, false, 1},
		"a second template of it runs":        {[]fact.Workload{workload("Pending"), workload("Running")}, false, 1},
		"the first template of it runs":       {[]fact.Workload{workload("Running"), workload("Pending")}, false, 1},
		"one template has no pods, one ended": {[]fact.Workload{workload(), workload("Failed")}, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			v := NewView(&fact.Set{Workloads: tc.workloads})
			container := owner
			container.Container = "app"
			if v.Idle(owner) != tc.want || v.Idle(container) != tc.want || v.notRunning != tc.stopped {
				t.Errorf("want %v and %d, got %v, of a container %v, and %d", tc.want, tc.stopped, v.Idle(owner), v.Idle(container), v.notRunning)
			}
		})
	}
}

func TestAnyRuns(t *testing.T) {
	type statuses = []fact.ContainerStatus
	zero := int32(0)
	done := fact.ContainerStatus{Name: "init", Terminated: true, ExitCode: &zero}
	for name, tc := range map[string]struct {
		pod            fact.Pod
		init, app, any bool
	}{
		"an init container that ended in a running pod": {
			fact.Pod{Phase: "Running", Containers: statuses{done, {Name: "app", Running: true}}}, false, true, true,
		},
		"between two starts": {
			fact.Pod{Phase: "Running", Containers: statuses{done, {Name: "app", Waiting: true, Restarted: true}}}, false, true, true,
		},
		"only one of two has started": {
			fact.Pod{Phase: "Pending", Containers: statuses{{Name: "init", Running: true}, {Name: "app", Waiting: true}}}, true, false, true,
		},
		"a running pod of which the kubelet has said nothing": {fact.Pod{Phase: "Running"}, true, true, true},
		"an ended one, too": {fact.Pod{Phase: "Succeeded"}, false, false, false},
		"nothing has started": {
			fact.Pod{Phase: "Pending", Containers: statuses{{Name: "init", Waiting: true}, {Name: "app", Waiting: true}}}, false, false, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.pod.Name, tc.pod.Node = "web-1", "n1"
			owner := fact.Subject{Kind: "Deployment", Namespace: "shop", Name: "web", Pods: []string{"web-0", "web-1"}}
			v := NewView(&fact.Set{Workloads: []fact.Workload{{
				Owner: fact.Subject{Kind: "Deployment", Namespace: "shop", Name: "web"}, Pods: []fact.Pod{tc.pod},
				Spec: fact.PodSpec{Containers: []fact.Container{{Name: "init", Type: fact.InitContainer}, {Name: "app", Type: fact.RegularContainer}}},
			}}})
			for container, want := range map[string]bool{"init": tc.init, "app": tc.app, "": tc.any, "other": false} {
				s := owner
				s.Container = container
				if got := v.anyRuns(s); got != want {
					t.Errorf("container %q: want %v, got %v", container, want, got)
				}
			}
			owner.Namespace = "else"
			if v.anyRuns(owner) {
				t.Error("a pod of that name runs in another namespace")
			}
		})
	}
}
