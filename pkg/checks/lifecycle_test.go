package checks

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
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

// A container of a running pod that the kubelet leaves out of the status is not
// taken for one that does not run.
func TestContainersWithoutAStatus(t *testing.T) {
	check := Check{
		ID: "privileged/a", Basis: api.Measured, Scope: ScopeWorkload, Needs: []fact.Kind{fact.Processes},
		Judge: func(v *View) []api.Finding {
			_, unseen := RunningContainers(v, fact.Processes)
			return Unseen(unseen)
		},
	}
	for name, tc := range map[string]struct {
		other  fact.Container
		phase  string
		want   []string
		counts int
	}{
		"of a running pod":        {fact.Container{Name: "other"}, "Running", []string{"other"}, 0},
		"of a lost node":          {fact.Container{Name: "other"}, "Unknown", []string{"other"}, 0},
		"of a pod that waits":     {fact.Container{Name: "other"}, "Pending", nil, 1},
		"an init container":       {fact.Container{Name: "other", Type: fact.InitContainer}, "Running", nil, 1},
		"an ephemeral container":  {fact.Container{Name: "other", Type: fact.EphemeralContainer}, "Running", nil, 1},
		"the one that has it all": {fact.Container{Name: "app"}, "Running", nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			set := facttest.Measured(facttest.With(), fact.Container{Name: "app"}, func(s *fact.PodSpec) { s.Containers = append(s.Containers, tc.other) })
			set.Nodes[0].Measured.Containers = nil
			pod := &set.Workloads[0].Pods[0]
			pod.Phase, pod.Containers = tc.phase, []fact.ContainerStatus{{Name: "app", Waiting: true}}
			var got []string
			for _, f := range JudgeSet(planOf(check), set).Findings {
				got = append(got, f.Subject.Container)
			}
			v := NewView(set)
			if diff := cmp.Diff(tc.want, got); diff != "" || v.notRunning != tc.counts {
				t.Errorf("%d pods do not run, unknown containers (-want +got):\n%s", v.notRunning, diff)
			}
		})
	}
}
