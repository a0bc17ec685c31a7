package privileged

import (
	"strings"
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestUndeclaredContainer(t *testing.T) {
	const (
		cgroup = "/system.slice/docker-b.scope"
		uid    = "22222222-2222-2222-2222-222222222222"
	)
	id := strings.Repeat("b", 64)
	known := ft.With().Processes
	// set has the known container, and another of one old process.
	set := func(c fact.MeasuredContainer, edits ...func(*fact.Process)) *fact.Set {
		s := ft.Measured(fact.MeasuredContainer{Processes: known}, fact.Container{})
		s.Relisted = &fact.Relist{At: ft.Time}
		p := ft.Process()
		p.PID, p.Started = 200, fact.NewTime(ft.Time.Add(-time.Hour))
		for _, edit := range edits {
			edit(&p)
		}
		c.ID, c.Processes = id, []fact.Process{p}
		if c.Cgroup == "" {
			c.Cgroup = cgroup
		}
		s.Nodes[0].Measured.Containers = append(s.Nodes[0].Measured.Containers, c)
		return s
	}
	all := func(p *fact.Process) { p.CapEff = fact.NewCapMask(ft.AllCaps) }
	inside := func(root int64) func(*fact.Process) {
		return func(p *fact.Process) { p.UserNS, p.RootUID = 4026532999, &root }
	}
	started := func(ago time.Duration) func(*fact.Process) {
		return func(p *fact.Process) { p.Started = fact.NewTime(ft.Time.Add(-ago)) }
	}
	first := func(p *fact.Process) { p.PID = 1 }
	scope := func(to fact.PodScope) func(*fact.Set) { return func(s *fact.Set) { s.PodScope = to } }

	unnamed := fact.Subject{Kind: fact.SubjectContainer, Name: "bbbbbbbbbbbb", Node: "n1"}
	finding := func(verdict api.Verdict, severity api.Severity, subject fact.Subject, message string, evidence ...string) []api.Finding {
		return ft.One(api.Finding{Verdict: verdict, Severity: severity, Subject: subject, Message: message, Evidence: ft.Evidence(evidence...)})
	}
	unknown := func(reason fact.Reason, subject fact.Subject, message string, evidence ...string) []api.Finding {
		f := finding(api.VerdictUnknown, "", subject, message, evidence...)
		f[0].Reason = reason
		return f
	}
	pass := func(value string) []api.Finding {
		return finding(api.Pass, "", ft.NodeSubject(), "the API knows every container that was found on the node", "node/n1 /proc/*/cgroup", value)
	}
	const (
		file, stat, root, old = "node/n1 /proc/200/cgroup", "node/n1 /proc/200/stat", "node/n1 /proc/200/root", "started 1h0m0s before it was measured"
		docker                = "was started with Docker and not by the kubelet, and the API does not know it"
		nobody                = "was not started by the kubelet, and the API does not know it"
		apart                 = "was started by an engine that is not the kubelet's, and the API does not know it"
	)
	inPod := func(edits ...func(*fact.Process)) *fact.Set {
		return set(fact.MeasuredContainer{Kubernetes: true, PodUID: "11111111-1111-1111-1111-111111111111", Cgroup: "/kubepods/x"}, edits...)
	}

	ft.Judge(t, checks.OfSet(judgeUndeclared), map[string]row{
		"every container known passes": {ft.Measured(fact.MeasuredContainer{Processes: known}, fact.Container{}), pass("1 of 1 container known to the API")},
		"a node without a container passes": {
			ft.Edit(ft.Measured(fact.MeasuredContainer{}, fact.Container{}), ft.NoContainers), pass("0 of 0 containers known to the API"),
		},
		"the probe, the pod's sandbox and the node itself are known": {
			ft.Edit(set(fact.MeasuredContainer{Runtime: "docker"}, first), func(s *fact.Set) {
				m := s.Nodes[0].Measured
				m.Containers = append(m.Containers,
					fact.MeasuredContainer{ID: strings.Repeat("c", 64), PodUID: "11111111-1111-1111-1111-111111111111", Kubernetes: true, Sandbox: true},
					fact.MeasuredContainer{ID: strings.Repeat("d", 64), PodUID: uid, Kubernetes: true, Self: true})
			}), pass("2 of 4 containers known to the API, the others are the node itself or the probe"),
		},
		"a container of a pod with the node's first process is not the node": {
			set(fact.MeasuredContainer{PodUID: uid, Kubernetes: true}, first),
			finding(api.Fail, api.High, unnamed, "belongs to a pod that the API does not know", "node/n1 /proc/1/cgroup", cgroup, "node/n1 /proc/1/stat", old),
		},
		"one of Docker's is high": {set(fact.MeasuredContainer{Runtime: "docker"}), finding(api.Fail, api.High, unnamed, docker, file, cgroup, stat, old)},
		"one of nobody's is high": {set(fact.MeasuredContainer{}), finding(api.Fail, api.High, unnamed, nobody, file, cgroup, stat, old)},
		"with every capability it is critical": {
			set(fact.MeasuredContainer{Runtime: "docker"}, all),
			finding(api.Fail, api.Critical, unnamed, docker+", and holds every capability that the node has",
				file, cgroup, stat, old, "node/n1 /proc/200/status CapEff", "000001ffffffffff"),
		},
		"every capability of its own user namespace is medium": {
			set(fact.MeasuredContainer{Runtime: "podman"}, all, inside(100000)),
			finding(api.Fail, api.Medium, unnamed, "was started with Podman and not by the kubelet, and the API does not know it, but only in its own user namespace",
				file, cgroup, stat, old),
		},
		"a user namespace whose root is the node's is high": {
			set(fact.MeasuredContainer{}, inside(0)), finding(api.Fail, api.High, unnamed, nobody, file, cgroup, stat, old),
		},
		"found by its root directory": {
			set(fact.MeasuredContainer{FoundBy: fact.FoundByRoot}),
			finding(api.Fail, api.High, unnamed, apart, file, cgroup, root, "a root directory, mounts and process ids of its own", stat, old),
		},
		"found by its root directory among the node's processes": {
			set(fact.MeasuredContainer{FoundBy: fact.FoundByHostPIDs}),
			finding(api.Fail, api.High, unnamed, apart, file, cgroup, root, "a root directory and mounts of its own, among the node's processes", stat, old),
		},
		"of a pod that the API does not know": {
			set(fact.MeasuredContainer{PodUID: uid, Kubernetes: true}),
			finding(api.Fail, api.High, unnamed, "belongs to a pod that the API does not know", file, cgroup, stat, old),
		},
		"of a static pod without a mirror": {
			set(fact.MeasuredContainer{PodUID: strings.Repeat("e", 32), Kubernetes: true}),
			finding(api.Fail, api.High, unnamed, "belongs to a static pod that the API does not know: it has no mirror pod",
				file, cgroup, "config hash of mirror pods on node n1", "none is "+strings.Repeat("e", 32), stat, old),
		},
		"of a static pod with a mirror, by the config hash, and its id in the status": {
			ft.Edit(set(fact.MeasuredContainer{PodUID: strings.Repeat("e", 32), Kubernetes: true}), func(s *fact.Set) {
				p := &s.Workloads[0].Pods[0]
				p.ConfigHash = strings.Repeat("e", 32)
				p.Containers = append(p.Containers, fact.ContainerStatus{Name: "second", ID: id, Running: true})
			}), pass("2 of 2 containers known to the API"),
		},
		"the sandbox of an unknown pod alone": {
			set(fact.MeasuredContainer{PodUID: uid, Kubernetes: true, Sandbox: true}),
			finding(api.Fail, api.High, unnamed, "is the sandbox of a pod that the API does not know", file, cgroup, stat, old),
		},
		"the sandbox next to the unknown pod's container is not named again": {
			ft.Edit(set(fact.MeasuredContainer{PodUID: uid, Kubernetes: true}), func(s *fact.Set) {
				m := s.Nodes[0].Measured
				m.Containers = append(m.Containers, fact.MeasuredContainer{ID: strings.Repeat("c", 64), PodUID: uid, Kubernetes: true, Sandbox: true, Processes: known})
			}), finding(api.Fail, api.High, unnamed, "belongs to a pod that the API does not know", file, cgroup, stat, old),
		},
		"a container more in a known pod": {
			inPod(), finding(api.Fail, api.High, ft.PodSubject(), "runs in the cgroup of this pod, but the API knows no such container of it", file, "/kubepods/x", stat, old),
		},
		"one that has just been started is unknown": {
			set(fact.MeasuredContainer{}, started(30*time.Second)),
			unknown(fact.Changing, unnamed, "the API does not know it, but it had been started less than 30 s before", file, cgroup, stat, "started 30s before it was measured"),
		},
		"one second more is old enough": {
			set(fact.MeasuredContainer{}, started(31*time.Second)), finding(api.Fail, api.High, unnamed, nobody, file, cgroup, stat, "started 31s before it was measured"),
		},
		"without a second list of pods it is unknown": {
			ft.Edit(set(fact.MeasuredContainer{}), func(s *fact.Set) { s.Relisted = nil }),
			unknown(fact.Changing, unnamed, "the API did not know it before the measurement, and was not asked again after it", file, cgroup, stat, old),
		},
		"a second list that failed is unknown, with its reason": {
			ft.Edit(set(fact.MeasuredContainer{}), func(s *fact.Set) {
				s.Relisted = &fact.Relist{At: ft.Time, Reason: fact.Forbidden, Detail: "listing pods again: no"}
			}),
			unknown(fact.Forbidden, unnamed, "the API did not know it before the measurement, and did not answer when it was asked again after it",
				file, cgroup, stat, old, "second list of pods", "listing pods again: no"),
		},
		"what no pod's status can name needs no second list": {
			ft.Edit(set(fact.MeasuredContainer{FoundBy: fact.FoundByRoot}), func(s *fact.Set) { s.Relisted = nil }),
			finding(api.Fail, api.High, unnamed, apart, file, cgroup, root, "a root directory, mounts and process ids of its own", stat, old),
		},
		"without a start it is unknown": {
			set(fact.MeasuredContainer{}, func(p *fact.Process) { p.Started = fact.Time{} }),
			unknown(fact.Unreadable, unnamed, "the API does not know it, but since when it runs was not read", file, cgroup),
		},
		"without a process it is unknown": {
			ft.Edit(set(fact.MeasuredContainer{}), func(s *fact.Set) { s.Nodes[0].Measured.Containers[1].Processes = nil }),
			unknown(fact.NotPresent, unnamed, "the API does not know it, and none of its processes was read", "node/n1 container bbbbbbbbbbbb cgroup", cgroup),
		},
		"a process in another container's cgroup": {
			ft.Edit(ft.Measured(ft.With(), fact.Container{}), func(s *fact.Set) {
				s.Nodes[0].Measured.Containers[0].Processes[0].Moved = id
			}), finding(api.Fail, api.High, ft.Subject(), "has a process in the cgroup of another container, where it passes for a process of that",
				"node/n1 /proc/100/cgroup", "container bbbbbbbbbbbb, but its root directory is this container's (1 process)"),
		},
		"some pods listed judge nothing": {ft.Edit(set(fact.MeasuredContainer{}), scope(fact.PodsSome)), nil},
		"pods that nobody listed are unknown": {
			ft.Edit(set(fact.MeasuredContainer{}), scope(fact.PodsNotListed)),
			unknown(fact.NotRequested, ft.NodeSubject(), "the API was not asked for all pods, so it is unknown which of the node's containers it knows",
				"node/n1 /proc/*/cgroup", "2 containers"),
		},
		"a node that was not measured gives nothing here: its gap does": {ft.Declared(fact.Container{}), nil},
	})
}

// A gap of a container that the API knows leaves nothing open; every other one does.
func TestUndeclaredContainerGaps(t *testing.T) {
	for name, tc := range map[string]struct {
		gap  *fact.NodeGap
		want api.Verdict
	}{
		"none":                                 {nil, api.Pass},
		"a process of a known container":       {&fact.NodeGap{What: fact.Processes, Container: ft.ID, Reason: fact.Changing}, api.Pass},
		"a process of the node":                {&fact.NodeGap{What: fact.Processes, Reason: fact.Changing}, api.VerdictUnknown},
		"a container that nobody knows":        {&fact.NodeGap{What: fact.Processes, Container: strings.Repeat("c", 64), Reason: fact.Changing}, api.VerdictUnknown},
		"what this check does not need at all": {&fact.NodeGap{What: fact.Mounts, Reason: fact.Changing}, api.Pass},
	} {
		t.Run(name, func(t *testing.T) {
			set := ft.Measured(ft.With(), fact.Container{})
			if tc.gap != nil {
				set.Nodes[0].Measured.Gaps = []fact.NodeGap{*tc.gap}
			}
			worst := api.Pass
			for _, f := range checks.JudgeSet(checks.Plan{Checks: []checks.Check{UndeclaredContainer}}, set).Findings {
				if f.Verdict.Rank() > worst.Rank() {
					worst = f.Verdict
				}
			}
			if worst != tc.want {
				t.Errorf("want %s, got %s", tc.want, worst)
			}
		})
	}
}
