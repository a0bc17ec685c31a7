package cluster

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/podspec"
)

// grouped writes workloads as "Kind/NS/NAME: pods".
func grouped(workloads []fact.Workload) []string {
	var out []string
	for _, w := range workloads {
		line := w.Owner.Kind + "/" + w.Owner.Namespace + "/" + w.Owner.Name + ":"
		for _, p := range w.Pods {
			line += " " + p.Name
		}
		out = append(out, line)
	}
	return out
}

func image(ref string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Spec.Containers[0].Image = ref }
}

func TestGrouping(t *testing.T) {
	replica := func(name, hash string, edits ...func(*corev1.Pod)) corev1.Pod {
		return pod("shop", name, "n1", append([]func(*corev1.Pod){controlledBy("ReplicaSet", "web-"+hash), label("pod-template-hash", hash)}, edits...)...)
	}
	sets := []metav1.PartialObjectMetadata{
		partial("shop", "web-abc", ownedBy("Deployment", "web")), partial("shop", "web-def", ownedBy("Deployment", "web")),
		partial("shop", "alone"),
	}
	for name, tc := range map[string]struct {
		pods       []corev1.Pod
		sets, jobs []metav1.PartialObjectMetadata
		refuse     string
		want       []string
	}{
		"a bare pod is its own owner": {
			pods: []corev1.Pod{pod("shop", "a", "n1"), pod("shop", "b", "n1")},
			want: []string{"Pod/shop/a: a", "Pod/shop/b: b"},
		},
		"pods of a Deployment are one workload": {
			pods: []corev1.Pod{replica("web-abc-1", "abc"), replica("web-abc-2", "abc")}, sets: sets,
			want: []string{"Deployment/shop/web: web-abc-1 web-abc-2"},
		},
		"two revisions of equal spec are one": {
			pods: []corev1.Pod{replica("web-abc-1", "abc"), replica("web-def-1", "def")}, sets: sets,
			want: []string{"Deployment/shop/web: web-abc-1 web-def-1"},
		},
		"two revisions that differ are two workloads of one owner": {
			pods: []corev1.Pod{replica("web-def-1", "def", image("registry.example/app:v2")), replica("web-abc-1", "abc")}, sets: sets,
			want: []string{"Deployment/shop/web: web-abc-1", "Deployment/shop/web: web-def-1"},
		},
		"without rights on ReplicaSets the template's hash tells the Deployment": {
			pods: []corev1.Pod{replica("web-abc-1", "abc")}, sets: sets, refuse: setsPath,
			want: []string{"Deployment/shop/web: web-abc-1"},
		},
		"a ReplicaSet of nobody, without rights, stays itself": {
			pods:   []corev1.Pod{pod("shop", "alone-1", "n1", controlledBy("ReplicaSet", "alone"))},
			refuse: setsPath,
			want:   []string{"ReplicaSet/shop/alone: alone-1"},
		},
		"a ReplicaSet of another name than its hash says stays itself": {
			pods:   []corev1.Pod{pod("shop", "odd-1", "n1", controlledBy("ReplicaSet", "odd"), label("pod-template-hash", "abc"))},
			refuse: setsPath,
			want:   []string{"ReplicaSet/shop/odd: odd-1"},
		},
		"a Job's CronJob": {
			pods: []corev1.Pod{
				pod("shop", "nightly-1-x", "n1", controlledBy("Job", "nightly-1"), label("batch.kubernetes.io/job-name", "nightly-1"), label("controller-uid", "1")),
				pod("shop", "nightly-2-x", "n1", controlledBy("Job", "nightly-2"), label("batch.kubernetes.io/job-name", "nightly-2"), label("controller-uid", "2")),
			},
			jobs: []metav1.PartialObjectMetadata{
				partial("shop", "nightly-1", ownedBy("CronJob", "nightly")), partial("shop", "nightly-2", ownedBy("CronJob", "nightly")),
			},
			want: []string{"CronJob/shop/nightly: nightly-1-x nightly-2-x"},
		},
		"a Job of nobody": {
			pods: []corev1.Pod{pod("shop", "once-x", "n1", controlledBy("Job", "once"))},
			jobs: []metav1.PartialObjectMetadata{partial("shop", "once")},
			want: []string{"Job/shop/once: once-x"},
		},
		"the same name in another namespace is another": {
			pods: []corev1.Pod{
				pod("a", "x", "n1", controlledBy("StatefulSet", "db")), pod("b", "x", "n1", controlledBy("StatefulSet", "db")),
			},
			want: []string{"StatefulSet/a/db: x", "StatefulSet/b/db: x"},
		},
		"a StatefulSet's pods differ in labels alone": {
			pods: []corev1.Pod{
				pod("shop", "db-0", "n1", controlledBy("StatefulSet", "db"), label("statefulset.kubernetes.io/pod-name", "db-0"), label("apps.kubernetes.io/pod-index", "0")),
				pod("shop", "db-1", "n2", controlledBy("StatefulSet", "db"), label("statefulset.kubernetes.io/pod-name", "db-1"), label("apps.kubernetes.io/pod-index", "1")),
			},
			want: []string{"StatefulSet/shop/db: db-0 db-1"},
		},
		"a token's volume has a name of its own in each pod": {
			pods: []corev1.Pod{
				pod("shop", "ds-1", "n1", controlledBy("DaemonSet", "ds"), tokenVolume("kube-api-access-aaaaa")),
				pod("shop", "ds-2", "n2", controlledBy("DaemonSet", "ds"), tokenVolume("kube-api-access-bbbbb")),
			},
			want: []string{"DaemonSet/shop/ds: ds-1 ds-2"},
		},
		"a mirror pod, which its Node owns, is its own": {
			pods: []corev1.Pod{pod("kube-system", "etcd-cp1", "cp1", controlledBy("Node", "cp1"))},
			want: []string{"Pod/kube-system/etcd-cp1: etcd-cp1"},
		},
		"an owner that is no controller does not count": {
			pods: []corev1.Pod{pod("shop", "a", "n1", func(p *corev1.Pod) {
				p.OwnerReferences = []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "web-abc"}}
			})},
			sets: sets,
			want: []string{"Pod/shop/a: a"},
		},
		"an operator's kind is taken as it is": {
			pods: []corev1.Pod{pod("shop", "k-0", "n1", controlledBy("StrimziPodSet", "k"))},
			want: []string{"StrimziPodSet/shop/k: k-0"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.pods, s.metadata[setsPath], s.metadata[jobsPath] = tc.pods, tc.sets, tc.jobs
			s.refuse = refuseAll(tc.refuse, forbidden)
			forward := collect(t, Options{Config: s.config(), Pods: true})
			if diff := cmp.Diff(tc.want, grouped(forward.Workloads)); diff != "" {
				t.Errorf("workloads (-want +got):\n%s", diff)
			}
			// The order in which a server lists is no part of the result.
			slices.Reverse(s.pods)
			backward := collect(t, Options{Config: s.config(), Pods: true})
			if diff := cmp.Diff(forward.Workloads, backward.Workloads); diff != "" {
				t.Errorf("listed backwards (-forward +backward):\n%s", diff)
			}
		})
	}
}

func tokenVolume(name string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Volumes = []corev1.Volume{{Name: name, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{}}}}
		p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: name, MountPath: "/var/run/secrets/kubernetes.io/serviceaccount"}}
	}
}

func TestPodStatus(t *testing.T) {
	s := newServer(t)
	s.pods = []corev1.Pod{pod("kube-system", "etcd-cp1", "cp1", controlledBy("Node", "cp1"), func(p *corev1.Pod) {
		p.UID = "u1"
		p.Annotations = map[string]string{
			"kubernetes.io/config.hash": "0123abcd", "kubernetes.io/config.mirror": "0123abcd", "note": "CANARY",
		}
		p.Status.Phase = corev1.PodRunning
		p.Status.InitContainerStatuses = []corev1.ContainerStatus{{
			Name: "init", ContainerID: "containerd://i1", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 3}},
		}}
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Name: "etcd", ContainerID: "containerd://c1", ImageID: "registry.example/etcd@sha256:1",
			State:                corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
			LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ContainerID: "containerd://c0"}},
		}}
		p.Status.EphemeralContainerStatuses = []corev1.ContainerStatus{{
			Name: "debug", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{}}, RestartCount: 1,
		}}
	})}
	got := collect(t, Options{Config: s.config(), Pods: true}).Workloads
	three := int32(3)
	want := []fact.Workload{{
		Owner: fact.Subject{Kind: "Pod", Namespace: "kube-system", Name: "etcd-cp1"},
		Spec: fact.PodSpec{
			Origin: "pod/kube-system/etcd-cp1", Path: "spec", Annotations: []string{"kubernetes.io/config.hash", "kubernetes.io/config.mirror", "note"},
			Containers: []fact.Container{{Name: "app", Type: fact.RegularContainer, Field: "spec.containers[0]", Image: "registry.example/app:v1"}},
		},
		Pods: []fact.Pod{{
			Name: "etcd-cp1", UID: "u1", Node: "cp1", Phase: "Running", ConfigHash: "0123abcd",
			Containers: []fact.ContainerStatus{
				{Name: "init", ID: "i1", Terminated: true, ExitCode: &three},
				{Name: "etcd", ID: "c1", LastID: "c0", ImageID: "registry.example/etcd@sha256:1", Running: true, Restarted: true},
				{Name: "debug", Waiting: true, Restarted: true},
			},
		}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("workloads (-want +got):\n%s", diff)
	}
}

// Of a pod that is no mirror a config hash is a claim on a static pod's containers.
func TestOnlyAMirrorHasAConfigHash(t *testing.T) {
	for name, annotations := range map[string]map[string]string{
		"no mirror":                {"kubernetes.io/config.hash": "0123abcd"},
		"a mirror of another hash": {"kubernetes.io/config.hash": "0123abcd", "kubernetes.io/config.mirror": "4567"},
	} {
		if got := factsOnWire(t, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: annotations}}).ConfigHash; got != "" {
			t.Errorf("%s: found %q", name, got)
		}
	}
}

func TestClaimsAndRuntimeClasses(t *testing.T) {
	volume := func(name, claim string, source corev1.PersistentVolumeSource) corev1.PersistentVolume {
		pv := corev1.PersistentVolume{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec:       corev1.PersistentVolumeSpec{PersistentVolumeSource: source},
		}
		if claim != "" {
			pv.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "shop", Name: claim}
		}
		return pv
	}
	claim := func(name, of string) corev1.Volume {
		return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: of}}}
	}
	kata := "kata"
	s := newServer(t)
	s.handlers = []nodev1.RuntimeClass{{ObjectMeta: metav1.ObjectMeta{Name: "kata"}, Handler: "kata-qemu"}}
	s.volumes = []corev1.PersistentVolume{
		volume("pv-host", "data", corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/etc"}}),
		volume("pv-local", "disk", corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: "/mnt/disk"}}),
		volume("pv-scratch", "db-0-scratch", corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: "/mnt/scratch"}}),
		volume("pv-csi", "cloud", corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: "x"}}),
		volume("pv-flex", "flex", corev1.PersistentVolumeSource{FlexVolume: &corev1.FlexPersistentVolumeSource{Driver: "x"}}),
		volume("pv-free", "", corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}),
	}
	s.pods = []corev1.Pod{pod("shop", "db-0", "n1", func(p *corev1.Pod) {
		p.Spec.RuntimeClassName = &kata
		p.Spec.Volumes = []corev1.Volume{
			claim("a", "data"), claim("b", "disk"),
			{Name: "scratch", VolumeSource: corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{}}},
			claim("c", "cloud"), claim("d", "unbound"),
			{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			claim("f", "flex"),
		}
	}), pod("other", "x", "n1", func(p *corev1.Pod) { p.Spec.Volumes = []corev1.Volume{claim("a", "data")} })}

	t.Run("what is behind a claim, in its own namespace", func(t *testing.T) {
		got := collect(t, Options{Config: s.config(), Pods: true, PageSize: 2}).Workloads
		other := []fact.Volume{{Name: "a", Field: "spec.volumes[0]", Source: "persistentVolumeClaim"}}
		if diff := cmp.Diff(other, got[0].Spec.Volumes); diff != "" {
			t.Errorf("volumes of other/x (-want +got):\n%s", diff)
		}
		want := []fact.Volume{
			{Name: "a", Field: "spec.volumes[0]", Source: "persistentVolumeClaim", HostPath: "/etc", HostPathFrom: "persistentvolume/pv-host spec.hostPath.path"},
			{Name: "b", Field: "spec.volumes[1]", Source: "persistentVolumeClaim", HostPath: "/mnt/disk", HostPathFrom: "persistentvolume/pv-local spec.local.path"},
			{Name: "scratch", Field: "spec.volumes[2]", Source: "ephemeral", HostPath: "/mnt/scratch", HostPathFrom: "persistentvolume/pv-scratch spec.local.path"},
			{Name: "c", Field: "spec.volumes[3]", Source: "persistentVolumeClaim"},
			{Name: "d", Field: "spec.volumes[4]", Source: "persistentVolumeClaim"},
			{Name: "tmp", Field: "spec.volumes[5]", Source: "emptyDir"},
			{Name: "f", Field: "spec.volumes[6]", Source: "persistentVolumeClaim", Unread: fact.Unsupported},
		}
		if diff := cmp.Diff(want, got[1].Spec.Volumes); diff != "" {
			t.Errorf("volumes of shop/db-0 (-want +got):\n%s", diff)
		}
		if spec := got[1].Spec; spec.RuntimeClass != "kata" || spec.RuntimeHandler != "kata-qemu" {
			t.Errorf("runtime class %q, handler %q", spec.RuntimeClass, spec.RuntimeHandler)
		}
	})
	for reason, answer := range map[fact.Reason]*metav1.Status{
		fact.Forbidden:   forbidden,
		fact.Unavailable: status(http.StatusInternalServerError, metav1.StatusReasonInternalError, "leader changed"),
	} {
		t.Run(string(reason)+": it is not known, and not nothing", func(t *testing.T) {
			s.refuse = func(r *http.Request) *metav1.Status {
				if r.URL.Path == volumesPath || r.URL.Path == handlersPath {
					return answer
				}
				return nil
			}
			got := collect(t, Options{Config: s.config(), Pods: true}).Workloads[1].Spec
			var unread []string
			for _, v := range got.Volumes {
				if v.Unread == reason {
					unread = append(unread, v.Name)
				}
			}
			if diff := cmp.Diff([]string{"a", "b", "scratch", "c", "d", "f"}, unread); diff != "" {
				t.Errorf("unread volumes (-want +got):\n%s", diff)
			}
			if got.RuntimeClass != "kata" || got.RuntimeHandler != "" {
				t.Errorf("runtime class %q, handler %q", got.RuntimeClass, got.RuntimeHandler)
			}
		})
	}
}

// 10,000 pods of 500 Deployments, two containers each.
func BenchmarkGrouping(b *testing.B) {
	pods := make([]corev1.Pod, 10_000)
	for i := range pods {
		deployment := fmt.Sprintf("web-%03d", i%500)
		pods[i] = pod("shop", fmt.Sprintf("%s-abc-%05d", deployment, i), "n1",
			controlledBy("ReplicaSet", deployment+"-abc"), label("pod-template-hash", "abc"), label("app", deployment),
			tokenVolume(fmt.Sprintf("kube-api-access-%05d", i)),
			func(p *corev1.Pod) { p.Spec.Containers = append(p.Spec.Containers, p.Spec.Containers[0]) })
	}
	b.ReportAllocs()
	for b.Loop() {
		l := podLister{groups: map[[sha256.Size]byte]*fact.Workload{}, tree: newOwnerTree(nil, Options{})}
		for i := range pods {
			p := &pods[i]
			l.add(l.tree.topOf(&p.ObjectMeta), podspec.From("pod/"+p.Namespace+"/"+p.Name, "spec", p.Labels, p.Annotations, &p.Spec), podFacts(p))
		}
		if got := len(l.workloads()); got != 500 {
			b.Fatalf("want 500 workloads, got %d", got)
		}
	}
}

// Pods and templates that are too large to judge are a gap, and the others are judged.
func TestTooLarge(t *testing.T) {
	many := func(spec *corev1.PodSpec) {
		spec.Containers = nil
		for i := range podspec.MaxContainers + 1 {
			spec.Containers = append(spec.Containers, corev1.Container{Name: fmt.Sprintf("c%d", i), Image: "i"})
		}
	}
	s := newServer(t)
	for i := range 2 {
		s.pods = append(s.pods, pod("shop", fmt.Sprintf("large-%d", i), "n1", func(p *corev1.Pod) { many(&p.Spec) }))
	}
	s.pods = append(s.pods, pod("shop", "small", "n1"))
	d := deployment("shop", "web")
	many(&d.Spec.Template.Spec)
	s.typed[deploymentsPath] = []metav1.Object{d}
	whole, got, _ := streamed(t, Options{Config: s.config()})
	sameResult(t, whole, got)
	if len(whole.Workloads) != 1 || whole.Workloads[0].Owner.Name != "small" || whole.PodScope != fact.PodsSome {
		t.Errorf("%d workloads, scope %s", len(whole.Workloads), whole.PodScope)
	}
	var details []string
	for _, gap := range whole.Gaps {
		details = append(details, string(gap.What)+" "+gap.Detail)
	}
	const what = ": expected a pod of at most 1000 containers, found 1001: none of them is judged"
	if diff := cmp.Diff([]string{
		string(fact.Templates) + " deployment/shop/web spec.template.spec" + what,
		string(fact.Pods) + " pod/shop/large-0 spec" + what + "; the same holds for 1 more",
	}, details); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
}
