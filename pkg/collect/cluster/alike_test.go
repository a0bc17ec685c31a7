package cluster

import (
	"maps"
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-checklist/kubectl-checklist/hack/podserver"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/podspec"
)

// onWire is a pod as an API server sends it.
func onWire(t testing.TB, pod *corev1.Pod) *wirePod {
	t.Helper()
	data, err := pod.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	out := new(wirePod)
	if !out.read(data) {
		t.Fatal("a pod as an API server sends it was not read")
	}
	return out
}

// renameToken changes the name of a volume where it is declared and mounted.
func renameToken(spec *corev1.PodSpec, from, to string) {
	for i := range spec.Volumes {
		if name := &spec.Volumes[i].Name; *name == from {
			*name = to
		}
	}
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			for j := range list[i].VolumeMounts {
				if name := &list[i].VolumeMounts[j].Name; *name == from {
					*name = to
				}
			}
		}
	}
}

// Pods with one key give facts that are declared as one, and what facts have of a pod is in
// the key.
func TestAlike(t *testing.T) {
	top := fact.Subject{Kind: "Deployment", Namespace: "shop", Name: "web"}
	change := func(what func(*corev1.Pod)) *corev1.Pod {
		pod := podserver.Pod(0)
		pod.Annotations["cni.projectcalico.org/podIP"] = "10.0.0.1/32"
		what(&pod)
		return &pod
	}
	none := func(*corev1.Pod) {}
	facts := func(pod *corev1.Pod) fact.PodSpec {
		return podspec.From("", "spec", pod.Labels, pod.Annotations, &pod.Spec)
	}
	first, a := change(none), newAlike()
	key, ok := a.key(top, onWire(t, first))
	if !ok {
		t.Fatal("an ordinary pod cannot be compared")
	}
	if !reflect.DeepEqual(first, change(none)) {
		t.Error("the pod was changed")
	}
	for name, what := range map[string]func(*corev1.Pod){
		"another node":            func(p *corev1.Pod) { p.Spec.NodeName = "other" },
		"another name and status": func(p *corev1.Pod) { p.Name, p.Status.PodIP = "other", "10.0.0.2" },
		"another host name":       func(p *corev1.Pod) { p.Spec.Hostname = "other" },
		"what keeps a DaemonSet's pod on its node": func(p *corev1.Pod) {
			p.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
				NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchFields: []corev1.NodeSelectorRequirement{{Key: "metadata.name", Operator: "In", Values: []string{"other"}}}}},
			}}}
		},
		"another token":         func(p *corev1.Pod) { renameToken(&p.Spec, p.Spec.Volumes[2].Name, tokenPrefix+"other0"[:5]) },
		"another address":       func(p *corev1.Pod) { p.Annotations["cni.projectcalico.org/podIP"] = "10.0.0.2/32" },
		"the network's address": func(p *corev1.Pod) { p.Annotations["cni.projectcalico.org/podIP"] = "" },
	} {
		pod := change(what)
		if other, ok := a.key(top, onWire(t, pod)); !ok || other != key {
			t.Errorf("%s: the key is another", name)
		}
		if x, y := facts(first), facts(pod); groupKey(top, &x) != groupKey(top, &y) {
			t.Errorf("%s: the facts are not declared as one", name)
		}
	}
	yes := true
	for name, what := range map[string]func(*corev1.Pod){
		"an image":             func(p *corev1.Pod) { p.Spec.Containers[1].Image += "x" },
		"a label":              func(p *corev1.Pod) { p.Labels["x"] = "y" },
		"an annotation":        func(p *corev1.Pod) { p.Annotations["x"] = "y" },
		"a network annotation": func(p *corev1.Pod) { p.Annotations["cni.projectcalico.org/podIPs"] = "10.0.0.1/32" },
		"an annotation's value": func(p *corev1.Pod) {
			p.Annotations = maps.Clone(p.Annotations)
			p.Annotations["prometheus.io/port"] = "1"
		},
		"privileged": func(p *corev1.Pod) {
			p.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{Privileged: &yes}
		},
		"a container added": func(p *corev1.Pod) { p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "x"}) },
		"an ephemeral container": func(p *corev1.Pod) {
			p.Spec.EphemeralContainers = append(p.Spec.EphemeralContainers, corev1.EphemeralContainer{})
		},
	} {
		if other, ok := a.key(top, onWire(t, change(what))); ok && other == key {
			t.Errorf("%s: the key is the same", name)
		}
	}
	if other, _ := a.key(fact.Subject{Kind: "Deployment", Namespace: "shop", Name: "api"}, onWire(t, first)); other == key {
		t.Error("another owner: the key is the same")
	}
	for name, what := range map[string]func(*corev1.Pod){
		"a claim of its own": func(p *corev1.Pod) {
			p.Spec.Volumes[1].VolumeSource = corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{}}
		},
		"two tokens": func(p *corev1.Pod) { p.Spec.Volumes[1].Name = tokenPrefix + "second" },
	} {
		if _, ok := a.key(top, onWire(t, change(what))); ok {
			t.Errorf("%s: the pod is compared", name)
		}
	}
}

// What is listed is the same if no pod is found to be like another.
func TestAlikeGroupsAreThoseOfAllSpecs(t *testing.T) {
	list := func(spoil bool) *Result {
		s := newServer(t)
		for i := range 2 * podserver.Pods {
			pod := podserver.Pod((i * 7) % (2 * podserver.Pods)) // in another order than that of names
			if spoil {                                           // a volume that cannot be compared; it is no claim of another kind
				pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "own", VolumeSource: corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{}}})
			}
			s.pods = append(s.pods, pod)
		}
		result, err := Collect(t.Context(), Options{Config: s.config(), Pods: true, NoIDs: true, PageSize: 100})
		if err != nil {
			t.Fatal(err)
		}
		for i := range result.Workloads {
			w := &result.Workloads[i]
			if spoil {
				w.Spec.Volumes = w.Spec.Volumes[:len(w.Spec.Volumes)-1]
			}
			for _, p := range w.Pods {
				if p.UID != "" || p.Containers[0].ID != "" || p.Containers[0].ImageID == "" || p.Node == "" || !p.Containers[1].Running {
					t.Fatalf("want a running pod without ids, got %+v", p)
				}
			}
		}
		return result
	}
	want, got := list(true), list(false)
	if !reflect.DeepEqual(want.Workloads, got.Workloads) || len(got.Workloads) != 2*podserver.Owners {
		t.Errorf("%d workloads, and %d if pods are compared", len(want.Workloads), len(got.Workloads))
	}
}

func TestPodsThatDoNotRunKeepTheirIDs(t *testing.T) {
	pod := fact.Pod{UID: "u", Phase: "Unknown", Containers: []fact.ContainerStatus{{Name: "app", ID: "x"}}}
	if withoutIDs(&pod); pod.UID != "" || pod.Containers[0].ID != "x" {
		t.Errorf("got %+v", pod)
	}
	one, other, zero := int32(1), int32(1), int32(0)
	a, b, c := fact.ContainerStatus{Name: "app", ExitCode: &one}, fact.ContainerStatus{Name: "app", ExitCode: &other}, fact.ContainerStatus{Name: "app", ExitCode: &zero}
	if !sameStatus(a, b) || sameStatus(a, c) || sameStatus(a, fact.ContainerStatus{Name: "app"}) {
		t.Error("statuses are compared by their pointers")
	}
}
