package cluster

import (
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/hack/podserver"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

func factsOnWire(t testing.TB, pod *corev1.Pod) fact.Pod {
	t.Helper()
	facts, ok := onWire(t, pod).facts(true, func(b []byte) string { return string(b) })
	if !ok {
		t.Fatal("a status as an API server sends it was not read")
	}
	return facts
}

// podFacts is what wirePod.facts reads, by the generated code.
func podFacts(pod *corev1.Pod) fact.Pod {
	out := fact.Pod{Name: pod.Name, UID: string(pod.UID), Node: pod.Spec.NodeName, Phase: string(pod.Status.Phase)}
	if hash := pod.Annotations["kubernetes.io/config.hash"]; pod.Annotations[corev1.MirrorPodAnnotationKey] == hash {
		out.ConfigHash = hash
	}
	for _, list := range [][]corev1.ContainerStatus{
		pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses, pod.Status.EphemeralContainerStatuses,
	} {
		for _, s := range list {
			status := fact.ContainerStatus{
				Name: s.Name, ID: withoutScheme(s.ContainerID), ImageID: s.ImageID,
				Running: s.State.Running != nil, Waiting: s.State.Waiting != nil,
			}
			if ended := s.State.Terminated; ended != nil {
				status.Terminated, status.ExitCode = true, &ended.ExitCode
			}
			status.Restarted = s.RestartCount > 0 || s.LastTerminationState.Terminated != nil
			if s.LastTerminationState.Terminated != nil {
				status.LastID = withoutScheme(s.LastTerminationState.Terminated.ContainerID)
			}
			out.Containers = append(out.Containers, status)
		}
	}
	return out
}

// full is a pod with all that is read of it.
func full() *corev1.Pod {
	pod := podserver.Pod(0)
	pod.Annotations["kubernetes.io/config.hash"], pod.Annotations[corev1.MirrorPodAnnotationKey] = "0123", "0123"
	pod.Labels[templateHash] = "abc"
	pod.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "init", ContainerID: "containerd://1", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: -3, ContainerID: "containerd://1"}}}}
	pod.Status.EphemeralContainerStatuses = []corev1.ContainerStatus{{Name: "debug", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "x"}}}}
	pod.Status.ContainerStatuses[0].RestartCount = 2
	pod.Status.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ContainerID: "containerd://0"}
	pod.Spec.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debug", VolumeMounts: []corev1.VolumeMount{{Name: pod.Spec.Volumes[2].Name}}}}}
	return &pod
}

func TestWirePodIsThatOfTheGeneratedCode(t *testing.T) {
	pods := []*corev1.Pod{full(), {}, {Spec: corev1.PodSpec{NodeName: "n"}}, {ObjectMeta: metav1.ObjectMeta{Name: "only"}}}
	for i := range podserver.Pods {
		pod := podserver.Pod(i)
		pods = append(pods, &pod)
	}
	for _, pod := range pods {
		data, err := pod.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if !sameOnWire(t, data) {
			t.Fatalf("pod %s was not read", pod.Name)
		}
	}
	if got := factsOnWire(t, full()); len(got.Containers) != 2+len(full().Spec.Containers) || got.Containers[0].ExitCode == nil || *got.Containers[0].ExitCode != -3 || got.Containers[1].LastID != "0" || got.ConfigHash != "0123" {
		t.Errorf("got %+v", got)
	}
}

// sameOnWire compares what is read of a pod's bytes with what the generated code reads. It
// reports whether both could read them.
func sameOnWire(t *testing.T, data []byte) bool {
	t.Helper()
	var want corev1.Pod
	var got wirePod
	if want.Unmarshal(data) != nil || !got.read(data) {
		return false
	}
	facts, ok := got.facts(true, func(b []byte) string { return string(b) })
	if !ok {
		return false
	}
	if whole := podFacts(&want); !reflect.DeepEqual(facts, whole) {
		t.Errorf("want %+v, got %+v", whole, facts)
	}
	pod, err := got.decode()
	if err != nil {
		t.Errorf("what the generated code reads was not decoded: %v", err)
		return true
	}
	same := func(what string, want, got any) {
		if !reflect.DeepEqual(want, got) {
			t.Errorf("%s: want %+v, got %+v", what, want, got)
		}
	}
	same("name", want.Name, pod.Name)
	same("namespace", want.Namespace, pod.Namespace)
	same("labels", want.Labels, pod.Labels)
	same("annotations", want.Annotations, pod.Annotations)
	same("owners", want.OwnerReferences, pod.OwnerReferences)
	if !reflect.DeepEqual(want.Spec, pod.Spec) {
		a, _ := want.Spec.Marshal()
		b, _ := pod.Spec.Marshal()
		same("spec", a, b)
	}
	meta, err := newAlike().meta(&got)
	if err != nil {
		t.Errorf("the owners were not decoded: %v", err)
		return true
	}
	same("owners alone", want.OwnerReferences, meta.OwnerReferences)
	same("template hash", want.Labels[templateHash], meta.Labels[templateHash])
	return true
}

// What is read of bytes that nobody knows is what the generated code reads, and two keys are
// equal only if what facts have is.
func FuzzWirePod(f *testing.F) {
	for _, pod := range []*corev1.Pod{full(), {}} {
		data, err := pod.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(append(data, data...)) // each message twice
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		sameOnWire(t, data)
		var pod wirePod
		before := string(data)
		if pod.readAny(data) == nil {
			_, _ = newAlike().key(fact.Subject{}, &pod)
		}
		if string(data) != before {
			t.Error("the bytes were changed")
		}
	})
}

// A page in another form than usual gives the same pods.
func TestPagesOfPods(t *testing.T) {
	pod := full()
	data, err := pod.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, ok := splitPods([]byte("{}")); ok {
		t.Error("JSON was read as protobuf")
	}
	if _, _, ok := splitPods([]byte(magic)); ok {
		t.Error("an answer without a kind was read as pods")
	}
	// Metadata in two parts, which protobuf joins.
	name, _ := (&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "second"}}).Marshal()
	twice := append(append([]byte{}, data...), name...)
	var got wirePod
	if got.read(twice) {
		t.Error("a message that comes twice was taken for whole")
	}
	if err := got.readAny(twice); err != nil || string(got.name) != "second" || len(got.owners) != 1 {
		t.Errorf("got %s, %d owners, %v", got.name, len(got.owners), err)
	}
	for _, bad := range [][]byte{data[:len(data)-1], {0x0b}, {0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, {0x10, 0x80}, {0x08, 0x01}} {
		if err := got.readAny(bad); err == nil {
			t.Errorf("%x is no pod", bad[:min(len(bad), 16)])
		}
	}
}
