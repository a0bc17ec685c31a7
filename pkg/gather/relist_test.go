package gather

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/cluster"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch"
)

// with gives a pod of the demo a UID and container statuses: name, id, id before.
func with(pod map[string]any, uid string, statuses ...[3]string) map[string]any {
	pod["metadata"].(map[string]any)["uid"] = uid
	var list []any
	for _, s := range statuses {
		status := map[string]any{"name": s[0], "containerID": "containerd://" + s[1], "state": map[string]any{"running": map[string]any{}}}
		if s[2] != "" {
			status["restartCount"] = 1
			status["lastState"] = map[string]any{"terminated": map[string]any{"containerID": "containerd://" + s[2]}}
		}
		list = append(list, status)
	}
	pod["status"].(map[string]any)["containerStatuses"] = list
	return pod
}

func owned(pod map[string]any, set string) map[string]any {
	pod["metadata"].(map[string]any)["ownerReferences"] = []any{map[string]any{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": set, "uid": "s", "controller": true}}
	return pod
}

func TestRelist(t *testing.T) {
	seen := func(id, uid string) fact.MeasuredContainer {
		return fact.MeasuredContainer{ID: id, PodUID: uid, Kubernetes: uid != ""}
	}
	first := func() []map[string]any {
		return []map[string]any{
			with(demoPod("other", "db-1", "w2"), "u-db", [3]string{"app", "d1", ""}),
			owned(with(demoPod("shop", "web-1", "w1"), "u-web1", [3]string{"app", "a1", ""}), "web"),
			owned(with(demoPod("shop", "web-2", "w1"), "u-web2", [3]string{"app", "b1", ""}), "web"),
		}
	}
	base := []string{"other/db-1 u-db w2 app=d1", "shop/web-1 u-web1 w1 app=a1", "shop/web-2 u-web2 w1 app=b1"}
	changed := func(i int, line string) []string { c := slices.Clone(base); c[i] = line; return c }
	for name, tc := range map[string]struct {
		measured []fact.MeasuredContainer // on w1
		second   func(pods []map[string]any) []map[string]any
		source   Cluster
		refuse   int
		lists    int // of pods
		want     *fact.Relist
		pods     []string
		warned   string
		groups   int
	}{
		"nothing unknown":                  {measured: []fact.MeasuredContainer{seen("a1", "u-web1"), {ID: "p", PodUID: "u-web1", Sandbox: true}, {Self: true}, {ID: "x", Self: true}}, lists: 1, pods: base, groups: 2},
		"a container of an unknown engine": {measured: []fact.MeasuredContainer{{ID: "r1", FoundBy: fact.FoundByRoot}}, lists: 1, pods: base, groups: 2},
		"it is not the API's":              {measured: []fact.MeasuredContainer{seen("x1", "")}, lists: 2, want: &fact.Relist{Unknown: 1}, pods: base, groups: 2},
		"the id is another node's":         {measured: []fact.MeasuredContainer{seen("d1", "u-db")}, lists: 2, want: &fact.Relist{Unknown: 1}, pods: base, groups: 2},
		"restarted": {measured: []fact.MeasuredContainer{seen("a2", "u-web1")}, second: func(p []map[string]any) []map[string]any {
			with(p[1], "u-web1", [3]string{"app", "a2", "a1"})
			return p
		}, lists: 2, want: &fact.Relist{Unknown: 1, Named: 1}, pods: changed(1, "shop/web-1 u-web1 w1 app=a2<a1"), groups: 2},
		"restarted twice, the first one seen": {measured: []fact.MeasuredContainer{seen("a2", "u-web1")}, second: func(p []map[string]any) []map[string]any {
			with(p[1], "u-web1", [3]string{"app", "a3", "a2"})
			return p
		}, lists: 2, want: &fact.Relist{Unknown: 1, Named: 1}, pods: changed(1, "shop/web-1 u-web1 w1 app=a2<a1"), groups: 2},
		"another restarted, which was not seen": {measured: []fact.MeasuredContainer{seen("a2", "u-web1")}, second: func(p []map[string]any) []map[string]any {
			with(p[1], "u-web1", [3]string{"app", "a2", "a1"})
			with(p[2], "u-web2", [3]string{"app", "b2", "b1"})
			return p
		}, lists: 2, want: &fact.Relist{Unknown: 1, Named: 1}, pods: changed(1, "shop/web-1 u-web1 w1 app=a2<a1"), groups: 2},
		"a new pod of a known workload": {
			measured: []fact.MeasuredContainer{seen("c1", "u-new")},
			second: func(p []map[string]any) []map[string]any {
				return append(p, owned(with(demoPod("shop", "web-0", "w1"), "u-new", [3]string{"app", "c1", ""}), "web"), with(demoPod("shop", "unseen", "w1"), "u-unseen", [3]string{"app", "z", ""}))
			},
			lists: 2, want: &fact.Relist{Unknown: 1, Named: 1}, pods: []string{base[0], "shop/web-0 u-new w1 app=c1", base[1], base[2]}, groups: 2,
		},
		"a new pod of its own": {
			measured: []fact.MeasuredContainer{seen("c1", "u-new")},
			second: func(p []map[string]any) []map[string]any {
				return append(p, with(demoPod("shop", "new", "w1"), "u-new", [3]string{"app", "c1", ""}))
			},
			lists: 2, want: &fact.Relist{Unknown: 1, Named: 1}, pods: []string{base[0], "shop/new u-new w1 app=c1", base[1], base[2]}, groups: 3,
		},
		"the kubelet has not named the container yet": {
			measured: []fact.MeasuredContainer{seen("c1", "u-new")},
			second: func(p []map[string]any) []map[string]any {
				return append(p, with(demoPod("shop", "new", "w1"), "u-new"))
			},
			lists: 2, want: &fact.Relist{Unknown: 1}, pods: []string{base[0], "shop/new u-new w1", base[1], base[2]}, groups: 3,
		},
		"a pod that was deleted and made again": {
			measured: []fact.MeasuredContainer{seen("c1", "u-again")},
			second: func(p []map[string]any) []map[string]any {
				p[1] = owned(with(demoPod("shop", "web-1", "w1"), "u-again", [3]string{"app", "c1", ""}), "web")
				return p
			},
			lists: 2, want: &fact.Relist{Unknown: 1, Named: 1}, pods: changed(1, "shop/web-1 u-again w1 app=c1"), groups: 2,
		},
		"one that was still ending": {
			measured: []fact.MeasuredContainer{seen("a1", "u-web1"), seen("c1", "u-again")},
			second: func(p []map[string]any) []map[string]any {
				p[1] = owned(with(demoPod("shop", "web-1", "w1"), "u-again", [3]string{"app", "c1", ""}), "web")
				return p
			},
			lists: 2, want: &fact.Relist{Unknown: 1, Named: 1}, pods: []string{base[0], "shop/web-1 u-again w1 app=c1", base[1], base[2]}, groups: 2,
		},
		"an ephemeral container": {
			measured: []fact.MeasuredContainer{seen("e1", "u-web1")},
			second: func(p []map[string]any) []map[string]any {
				p[1]["spec"].(map[string]any)["ephemeralContainers"] = []any{map[string]any{"name": "debug", "image": "registry.example/debug:v1"}}
				p[1]["status"].(map[string]any)["ephemeralContainerStatuses"] = []any{map[string]any{"name": "debug", "containerID": "containerd://e1", "state": map[string]any{"running": map[string]any{}}}}
				return p
			},
			lists: 2, want: &fact.Relist{Unknown: 1, Named: 1}, pods: changed(1, "shop/web-1 u-web1 w1 app=a1 debug=e1"), groups: 3,
		},
		"one that no selector excludes": {
			measured: []fact.MeasuredContainer{seen("a2", "u-web1"), seen("n1", "u-new")},
			second: func(p []map[string]any) []map[string]any {
				with(p[1], "u-web1", [3]string{"app", "a2", "a1"})
				return append(p, with(demoPod("shop", "new", "w1"), "u-new", [3]string{"app", "n1", ""}))
			},
			source: Cluster{Namespace: "shop"}, lists: 2, want: &fact.Relist{Unknown: 1, Named: 1},
			pods: []string{"shop/web-1 u-web1 w1 app=a2<a1", base[2]}, groups: 1,
		},
		"only others' containers, in a namespace": {measured: []fact.MeasuredContainer{seen("n1", "u-new"), seen("x1", "")}, source: Cluster{Namespace: "shop"}, lists: 1, pods: base[1:], groups: 1},
		"a named pod": {
			measured: []fact.MeasuredContainer{seen("a2", "u-web1")},
			second: func(p []map[string]any) []map[string]any {
				with(p[1], "u-web1", [3]string{"app", "a2", "a1"})
				return p
			},
			source: Cluster{Namespace: "shop", Names: []string{"web-1", "web-2"}}, lists: 2, want: &fact.Relist{Unknown: 1, Named: 1},
			pods: []string{"shop/web-1 u-web1 w1 app=a2<a1", base[2]}, groups: 2,
		},
		"a refusal": {
			measured: []fact.MeasuredContainer{seen("c1", "u-new")}, refuse: 403, lists: 2,
			want: &fact.Relist{Unknown: 1, Reason: fact.Forbidden, Detail: "listing pods again: no"}, pods: base, groups: 2, warned: "1 containers on the nodes are of no listed pod",
		},
		"a server that fails": {
			measured: []fact.MeasuredContainer{seen("c1", "u-new")}, refuse: 500, lists: 2,
			want: &fact.Relist{Unknown: 1, Reason: fact.Unavailable, Detail: "listing pods again: no"}, pods: base, groups: 2, warned: "1 containers on the nodes are of no listed pod",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newDemo(t)
			s.pods = first()
			source := tc.source
			source.Level, source.Kinds = fact.LevelFull, []fact.Kind{fact.Processes, fact.Pods}
			source.Lists = []fact.Kind{fact.Nodes}
			source.measure = func(_ context.Context, opts launch.Options, nodes []fact.Node) (map[string]*fact.Measurement, []fact.Gap, error) {
				s.mu.Lock()
				defer s.mu.Unlock()
				if tc.second != nil {
					s.pods = tc.second(first())
				}
				if tc.refuse != 0 {
					s.refuse = func(path string) int {
						if strings.HasSuffix(path, "/pods") {
							return tc.refuse
						}
						return 0
					}
				}
				return map[string]*fact.Measurement{"w1": {Level: opts.Level, Read: opts.Kinds, Containers: tc.measured}}, nil, nil
			}
			got, _, warned := gathered(t, s, source)
			lists := 0
			for _, path := range s.asked {
				if strings.HasSuffix(path, "/pods") {
					lists++
				}
			}
			if lists != tc.lists {
				t.Errorf("%d lists of pods, want %d", lists, tc.lists)
			}
			relisted := got.Set.Relisted
			if relisted != nil {
				if relisted.At.IsZero() {
					t.Error("no time")
				}
				relisted.At = fact.Time{}
			}
			if diff := cmp.Diff(tc.want, relisted); diff != "" {
				t.Errorf("second list (-want +got):\n%s", diff)
			}
			var pods []string
			for _, w := range got.Set.Workloads {
				for _, p := range w.Pods {
					line := w.Owner.Namespace + "/" + p.Name + " " + p.UID + " " + p.Node
					for _, c := range p.Containers {
						line += " " + c.Name + "=" + c.ID
						if c.LastID != "" {
							line += "<" + c.LastID
						}
						if !c.Running {
							t.Errorf("%s does not run", line)
						}
					}
					pods = append(pods, line)
				}
				if !slices.ContainsFunc(w.Pods, func(p fact.Pod) bool { return w.Spec.Origin == "pod/"+w.Owner.Namespace+"/"+p.Name }) {
					t.Errorf("the spec of %s is of %s, none of its pods", w.Owner.Name, w.Spec.Origin)
				}
			}
			slices.Sort(pods)
			want := slices.Clone(tc.pods)
			slices.Sort(want)
			if diff := cmp.Diff(want, pods); diff != "" {
				t.Errorf("pods (-want +got):\n%s", diff)
			}
			if len(got.Set.Workloads) != tc.groups {
				t.Errorf("%d workloads, want %d", len(got.Set.Workloads), tc.groups)
			}
			if text := strings.Join(warned, "\n"); tc.warned == "" && text != "" || !strings.Contains(text, tc.warned) {
				t.Errorf("warned %q, want %q", text, tc.warned)
			}
		})
	}
}

// Where many pods start between the lists, each is added, to its own workload.
func TestRelistManyPods(t *testing.T) {
	const nodes, pods = 1000, 10
	set := &fact.Set{PodScope: fact.PodsAll}
	var again []fact.Workload
	for n := range nodes {
		m := &fact.Measurement{}
		node := fmt.Sprintf("n%d", n)
		for p := range pods {
			id, uid := fmt.Sprintf("%064d", n*pods+p), fmt.Sprintf("uid-%d-%d", n, p)
			w := fact.Workload{
				Owner: fact.Subject{Kind: fact.SubjectDeployment, Namespace: "shop", Name: fmt.Sprintf("web-%d-%d", n, p)},
				Spec:  fact.PodSpec{Origin: fmt.Sprintf("pod/shop/web-%d-%d-x", n, p), Containers: []fact.Container{{Name: "app"}}},
				Pods: []fact.Pod{{
					Name: fmt.Sprintf("web-%d-%d-x", n, p), UID: uid, Node: node, Phase: "Running",
					Containers: []fact.ContainerStatus{{Name: "app", ID: id, Running: true}},
				}},
			}
			m.Containers = append(m.Containers, fact.MeasuredContainer{ID: id, PodUID: uid, Kubernetes: true})
			again = append(again, *w.DeepCopy())
			switch p {
			case 0: // it starts after the first list
				continue
			case 1: // its container was not there yet
				w.Pods[0].Phase, w.Pods[0].Containers = "Pending", nil
			case 2: // a pod of its name was there before, and is gone
				w.Pods[0].UID, w.Pods[0].Containers = "old-"+uid, nil
			case 3: // its spec has changed
				w.Spec.Containers = append(w.Spec.Containers, fact.Container{Name: "gone"})
				w.Pods[0].Containers = nil
			}
			set.Workloads = append(set.Workloads, w)
		}
		set.Nodes = append(set.Nodes, fact.Node{Name: node, Measured: m})
	}
	relist(t.Context(), set, func(context.Context) ([]fact.Workload, error) { return again, nil }, nil)
	cluster.Sort(again)
	if diff := cmp.Diff(again, set.Workloads); diff != "" {
		t.Errorf("workloads (-want +got):\n%.2000s", diff)
	}
	if got := set.Relisted; got.Unknown != 4*nodes || got.Named != 4*nodes {
		t.Errorf("%+v", got)
	}
}
