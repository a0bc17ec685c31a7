package checks

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// joins writes what RunningContainers joined: "id subject-key pods".
func joins(list []Running) []string {
	var out []string
	for _, r := range list {
		id := "-"
		if r.Measured != nil {
			id = r.Measured.ID[:4]
		}
		s := r.Subject()
		out = append(out, fmt.Sprintf("%s %s %v", id, s.Key(), s.Pods))
	}
	return out
}

func TestRunningContainers(t *testing.T) {
	b, c := strings.Repeat("b", 64), strings.Repeat("c", 64)
	for name, tc := range map[string]struct {
		edit         func(*fact.Set)
		seen, unseen []string
	}{
		"joined by its id": {
			func(*fact.Set) {},
			[]string{"aaaa Deployment/shop/web/app/ [web-1]"},
			nil,
		},
		"joined by its last id, while it still runs down; the new one was not seen": {
			func(s *fact.Set) {
				status := &s.Workloads[0].Pods[0].Containers[0]
				status.LastID, status.ID = facttest.ID, b
			},
			[]string{"aaaa Deployment/shop/web/app/ [web-1]"},
			[]string{"- Deployment/shop/web/app/ [web-1]"},
		},
		"known by its pod alone": {
			func(s *fact.Set) { s.Workloads[0].Pods[0].Containers = nil },
			[]string{"aaaa Deployment/shop/web// [web-1]"},
			nil,
		},
		"a static pod, known by its config hash": {
			func(s *fact.Set) {
				s.Workloads[0].Pods[0].Containers = nil
				s.Workloads[0].Pods[0].ConfigHash = "0123456789abcdef0123456789abcdef"
				s.Nodes[0].Measured.Containers[0].PodUID = "0123456789abcdef0123456789abcdef"
			},
			[]string{"aaaa Deployment/shop/web// [web-1]"},
			nil,
		},
		"two pods claim one config hash": {
			func(s *fact.Set) {
				s.Workloads[0].Pods[0].Containers = nil
				s.Workloads[0].Pods[0].ConfigHash = "0123456789abcdef0123456789abcdef"
				s.Nodes[0].Measured.Containers[0].PodUID = "0123456789abcdef0123456789abcdef"
				w := *s.Workloads[0].DeepCopy()
				w.Owner.Name, w.Pods[0].Name, w.Pods[0].UID = "evil", "evil-1", ""
				s.Workloads = append(s.Workloads, w)
			},
			[]string{"aaaa Container//aaaaaaaaaaaa//n1 []"},
			[]string{"- Deployment/shop/web// [web-1]", "- Deployment/shop/evil// [evil-1]"},
		},
		"another pod calls the UID its config hash": {
			func(s *fact.Set) {
				s.Workloads[0].Pods[0].Containers = nil
				w := *s.Workloads[0].DeepCopy()
				w.Owner.Name, w.Pods[0].Name, w.Pods[0].UID, w.Pods[0].ConfigHash = "evil", "evil-1", "", s.Workloads[0].Pods[0].UID
				s.Workloads = append(s.Workloads, w)
			},
			[]string{"aaaa Deployment/shop/web// [web-1]"},
			[]string{"- Deployment/shop/evil// [evil-1]"},
		},
		"unknown to the API": {
			func(s *fact.Set) {
				s.Nodes[0].Measured.Containers = append(s.Nodes[0].Measured.Containers, fact.MeasuredContainer{ID: b, PodUID: "other", Kubernetes: true})
			},
			[]string{"aaaa Deployment/shop/web/app/ [web-1]", "bbbb Container//bbbbbbbbbbbb//n1 []"},
			nil,
		},
		"not of Kubernetes, while a pod has no UID (a manifest)": {
			func(s *fact.Set) {
				s.Workloads[0].Pods[0].UID = ""
				s.Nodes[0].Measured.Containers = append(s.Nodes[0].Measured.Containers, fact.MeasuredContainer{ID: b})
			},
			[]string{"aaaa Deployment/shop/web/app/ [web-1]", "bbbb Container//bbbbbbbbbbbb//n1 []"},
			nil,
		},
		"what was not asked about is left out": {
			func(s *fact.Set) {
				s.PodScope = fact.PodsSome
				s.Nodes[0].Measured.Containers = append(s.Nodes[0].Measured.Containers,
					fact.MeasuredContainer{ID: b, PodUID: "other", Kubernetes: true}, fact.MeasuredContainer{ID: c})
			},
			[]string{"aaaa Deployment/shop/web/app/ [web-1]"},
			nil,
		},
		"without an API every container is known by its id": {
			func(s *fact.Set) { s.Workloads, s.PodScope = nil, fact.PodsNotListed },
			[]string{"aaaa Container//aaaaaaaaaaaa//n1 []"},
			nil,
		},
		"one that the API knows is no probe's, whatever its node calls it": {
			func(s *fact.Set) { s.Nodes[0].Measured.Containers[0].Self = true },
			[]string{"aaaa Deployment/shop/web/app/ [web-1]"},
			nil,
		},
		"sandboxes and the probe's own are left out": {
			func(s *fact.Set) {
				s.Nodes[0].Measured.Containers = append(s.Nodes[0].Measured.Containers,
					fact.MeasuredContainer{ID: b, Sandbox: true}, fact.MeasuredContainer{ID: c, Self: true})
			},
			[]string{"aaaa Deployment/shop/web/app/ [web-1]"},
			nil,
		},
		"another node claims to have seen it": {
			func(s *fact.Set) {
				liar := *s.Nodes[0].DeepCopy()
				liar.Name = "n2"
				s.Nodes[0].Measured.Containers = nil
				s.Nodes = append(s.Nodes, liar)
			},
			nil,
			[]string{"- Deployment/shop/web/app/ [web-1]"},
		},
		"a sandbox by the look of it whose id the API knows is a container": {
			func(s *fact.Set) { s.Nodes[0].Measured.Containers[0].Sandbox = true },
			[]string{"aaaa Deployment/shop/web/app/ [web-1]"},
			nil,
		},
		"declared running, but not seen on its node": {
			func(s *fact.Set) { s.Nodes[0].Measured.Containers = nil },
			nil,
			[]string{"- Deployment/shop/web/app/ [web-1]"},
		},
		"its pod runs, of which the kubelet names no container, and nothing of it was seen": {
			func(s *fact.Set) {
				s.Nodes[0].Measured.Containers, s.Workloads[0].Pods[0].Containers = nil, nil
			},
			nil,
			[]string{"- Deployment/shop/web// [web-1]"},
		},
		"its pod has not started, and the kubelet names no container": {
			func(s *fact.Set) {
				s.Nodes[0].Measured.Containers, s.Workloads[0].Pods[0].Containers = nil, nil
				s.Workloads[0].Pods[0].Phase = "Pending"
			},
			nil, nil,
		},
		"runs, and the kubelet gives no id by which it could be found": {
			func(s *fact.Set) {
				s.Nodes[0].Measured.Containers, s.Workloads[0].Pods[0].Containers[0].ID = nil, ""
			},
			nil,
			[]string{"- Deployment/shop/web/app/ [web-1]"},
		},
		"not running, so not missed": {
			func(s *fact.Set) {
				s.Nodes[0].Measured.Containers = nil
				s.Workloads[0].Pods[0].Containers[0].Running = false
				s.Workloads[0].Pods[0].Containers[0].Waiting = true
			},
			nil, nil,
		},
		"between two starts": {
			func(s *fact.Set) {
				s.Nodes[0].Measured.Containers = nil
				status := &s.Workloads[0].Pods[0].Containers[0]
				status.Running, status.Waiting, status.Restarted = false, true, true
			},
			nil,
			[]string{"- Deployment/shop/web/app/ [web-1]"},
		},
		"another pod's status claims its id": {
			func(s *fact.Set) {
				w := *s.Workloads[0].DeepCopy()
				w.Owner.Name, w.Pods[0].Name, w.Pods[0].UID, w.Pods[0].Node = "evil", "evil-1", "66666666-6666-6666-6666-666666666666", "n2"
				s.Workloads = append(s.Workloads, w)
			},
			[]string{"aaaa Deployment/shop/web/app/ [web-1]"},
			nil,
		},
		"the node was not measured": {
			func(s *fact.Set) { s.Nodes[0].Measured = nil },
			nil, nil,
		},
		"another kind was read": {
			func(s *fact.Set) { s.Nodes[0].Measured.Read = []fact.Kind{fact.Kernel} },
			nil, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			set := facttest.Measured(facttest.With(), fact.Container{})
			tc.edit(set)
			seen, unseen := RunningContainers(NewView(set), fact.Processes)
			if diff := cmp.Diff(tc.seen, joins(seen)); diff != "" {
				t.Errorf("seen (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.unseen, joins(unseen)); diff != "" {
				t.Errorf("unseen (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUnseenIsUnknown(t *testing.T) {
	set := facttest.Measured(facttest.With(), fact.Container{})
	set.Nodes[0].Measured.Containers = nil
	_, unseen := RunningContainers(NewView(set), fact.Processes)
	want := []api.Finding{{
		Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Basis: api.Measured, Subject: facttest.Subject(),
		Message:  "the API reports it as running, but none of its processes was found on its node (a sandboxed runtime, or it ended meanwhile)",
		Evidence: []api.Evidence{{Source: "node/n1 /proc/*/cgroup", Value: "no process of this container"}},
	}}
	if diff := cmp.Diff(want, Unseen(unseen)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

func TestFields(t *testing.T) {
	template := &fact.Workload{Spec: fact.PodSpec{Origin: "web.yaml deployment/shop/web", Path: "spec.template.spec"}}
	for name, tc := range map[string]struct{ got, want string }{
		"of a container in a template": {
			Declared{template, &fact.Container{Field: "spec.initContainers[1]"}}.Field("image"),
			"web.yaml deployment/shop/web spec.template.spec.initContainers[1].image",
		},
		"of a pod": {PodField(template, "hostPID"), "web.yaml deployment/shop/web spec.template.spec.hostPID"},
		"a container without a field, from a damaged facts file": {
			Declared{template, &fact.Container{}}.Field("image"), "web.yaml deployment/shop/web spec.template.spec..image",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.got != tc.want {
				t.Errorf("want %q, got %q", tc.want, tc.got)
			}
		})
	}
}

// The first container of a name counts, however many there are.
func TestDeclaredByName(t *testing.T) {
	for _, n := range []int{2, 8, 9, 40} {
		spec := &fact.PodSpec{}
		for i := range n {
			spec.Containers = append(spec.Containers, fact.Container{Name: fmt.Sprint(i / 2), Image: fmt.Sprint(i)})
		}
		x := newIndex(&fact.Set{})
		for i := range n {
			if got := x.declared(spec, fmt.Sprint(i/2)); got != &spec.Containers[i/2*2] {
				t.Errorf("of %d: want container %d, got %+v", n, i/2*2, got)
			}
		}
		if got := x.declared(spec, "none"); got != nil {
			t.Errorf("of %d: want none, got %+v", n, got)
		}
	}
}
