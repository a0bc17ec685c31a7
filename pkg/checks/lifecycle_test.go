package checks

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

func TestStateOf(t *testing.T) {
	type status = fact.ContainerStatus
	zero, one := int32(0), int32(1)
	for name, tc := range map[string]struct {
		phase, policy string
		container     fact.Container
		status        status
		want          state
	}{
		"running": {"Running", "Always", fact.Container{}, status{Running: true}, isRunning},
		"running in a pod that failed by its node": {"Failed", "Always", fact.Container{}, status{Running: true}, isRunning},
		"never started":                                        {"Pending", "Always", fact.Container{}, status{Waiting: true}, notStarted},
		"waits for its image in a running pod":                 {"Running", "Always", fact.Container{}, status{Waiting: true}, notStarted},
		"between two restarts":                                 {"Running", "Always", fact.Container{}, status{Waiting: true, Restarted: true}, between},
		"ended, will be started again":                         {"Running", "Always", fact.Container{}, status{Terminated: true, ExitCode: &zero}, between},
		"a job's, failed":                                      {"Running", "OnFailure", fact.Container{}, status{Terminated: true, ExitCode: &one}, between},
		"a job's, done":                                        {"Running", "OnFailure", fact.Container{}, status{Terminated: true, ExitCode: &zero}, ended},
		"a job's of which no exit code is known":               {"Running", "OnFailure", fact.Container{}, status{Terminated: true}, between},
		"never restarted, failed":                              {"Running", "Never", fact.Container{}, status{Terminated: true, ExitCode: &one}, ended},
		"the pod has succeeded":                                {"Succeeded", "Always", fact.Container{}, status{Terminated: true}, ended},
		"the pod has failed while it was waiting":              {"Failed", "Always", fact.Container{}, status{Waiting: true, Restarted: true}, ended},
		"an init container that is done":                       {"Running", "Always", fact.Container{Type: fact.InitContainer}, status{Terminated: true, ExitCode: &zero}, ended},
		"an init container that failed":                        {"Pending", "Always", fact.Container{Type: fact.InitContainer}, status{Terminated: true, ExitCode: &one}, between},
		"an init container that failed, never again":           {"Pending", "Never", fact.Container{Type: fact.InitContainer}, status{Terminated: true, ExitCode: &one}, ended},
		"a sidecar that ended is started again":                {"Running", "Never", fact.Container{Type: fact.InitContainer, RestartPolicy: "Always"}, status{Terminated: true, ExitCode: &zero}, between},
		"an ephemeral container is never restarted":            {"Running", "Always", fact.Container{Type: fact.EphemeralContainer}, status{Terminated: true, ExitCode: &one}, ended},
		"an older file's init container":                       {"Running", "", fact.Container{Type: fact.InitContainer}, status{ID: "x"}, ended},
		"an older file's container that does not run":          {"Running", "", fact.Container{}, status{ID: "x"}, between},
		"an older file's ephemeral container":                  {"Running", "", fact.Container{Type: fact.EphemeralContainer}, status{ID: "x"}, ended},
		"an older file's container of a lost node":             {"Unknown", "", fact.Container{}, status{ID: "x"}, between},
		"one that had an id before":                            {"Unknown", "", fact.Container{}, status{LastID: "x"}, between},
		"one of a lost node that never had an id":              {"Unknown", "", fact.Container{}, status{}, notStarted},
		"one of a running pod that never had an id":            {"Running", "", fact.Container{}, status{}, between},
		"a container that is never restarted in a pod that is": {"Running", "Always", fact.Container{RestartPolicy: "Never"}, status{Terminated: true, ExitCode: &one}, ended},
		"an older file's pending pod":                          {"Pending", "", fact.Container{}, status{}, notStarted},
		"nothing is said of it, nor of its pod":                {"", "", fact.Container{}, status{}, notStarted},
	} {
		t.Run(name, func(t *testing.T) {
			tc.container.Name, tc.status.Name = "app", "app"
			w := &fact.Workload{Spec: fact.PodSpec{RestartPolicy: tc.policy, Containers: []fact.Container{tc.container}}}
			if got := newIndex(&fact.Set{}).stateOf(w, &fact.Pod{Phase: tc.phase}, &tc.status); got != tc.want {
				t.Errorf("want %d, got %d", tc.want, got)
			}
		})
	}
}

// A pod of whose containers its kubelet has said nothing runs if its phase says so.
func TestRuns(t *testing.T) {
	w := &fact.Workload{}
	for name, tc := range map[string]struct {
		pod  fact.Pod
		want bool
	}{
		"running, without statuses":  {fact.Pod{Node: "n1", Phase: "Running"}, true},
		"its node is lost":           {fact.Pod{Node: "n1", Phase: "Unknown"}, true},
		"on a node, not started":     {fact.Pod{Node: "n1", Phase: "Pending"}, false},
		"nowhere":                    {fact.Pod{Phase: "Running"}, false},
		"one of two containers runs": {fact.Pod{Node: "n1", Phase: "Running", Containers: []fact.ContainerStatus{{Waiting: true}, {Running: true}}}, true},
		"both wait":                  {fact.Pod{Node: "n1", Phase: "Pending", Containers: []fact.ContainerStatus{{Waiting: true}, {Waiting: true}}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := newIndex(&fact.Set{}).runs(w, &tc.pod); got != tc.want {
				t.Errorf("want %v, got %v", tc.want, got)
			}
		})
	}
}
