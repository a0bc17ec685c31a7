package cluster

import (
	"crypto/sha256"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// alike finds pods that were declared as one before, without taking facts from their specs
// again: that costs several times what it costs to compare what the API says.
type alike struct {
	groups map[[sha256.Size]byte]*fact.Workload
	buffer []byte
	texts  map[string]string // of few values
}

// maxAlike bounds the pods that are remembered.
const maxAlike = 200_000

func newAlike() *alike {
	return &alike{groups: map[[sha256.Size]byte]*fact.Workload{}, texts: map[string]string{}}
}

// tokenPrefix begins the name of the volume of the service account's token; the rest is random.
const tokenPrefix = "kube-api-access-"

// perPod begin annotations that network plugins write with other values for each pod. Of these,
// facts have the key alone.
var perPod = []string{"cni.projectcalico.org/", "k8s.v1.cni.cncf.io/", "k8s.ovn.org/"}

// key is equal for pods of one owner from which package podspec takes the same facts, but for
// their origin and the name of the token's volume. It is a hash of what the API says of them
// without what facts do not have: the node and what keeps a pod there, and its host name.
// Ok is false for pods that cannot be compared in this way: of those with a volume of their
// own, or with several tokens.
func (a *alike) key(top fact.Subject, pod *corev1.Pod) (key [sha256.Size]byte, ok bool) {
	spec := pod.Spec // what is changed below is not shared, or put back
	spec.NodeName, spec.Affinity, spec.Hostname = "", nil, ""
	token := ""
	for i := range spec.Volumes {
		v := &spec.Volumes[i]
		if v.Ephemeral != nil {
			return key, false
		}
		if strings.HasPrefix(v.Name, tokenPrefix) {
			if token != "" {
				return key, false
			}
			token = v.Name
		}
	}
	if token != "" {
		renameToken(&spec, token, tokenPrefix)
		defer renameToken(&spec, tokenPrefix, token)
	}
	annotations := pod.Annotations
	for name := range annotations {
		if slices.ContainsFunc(perPod, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			annotations = withoutValues(annotations)
			break
		}
	}
	meta := metav1.ObjectMeta{Labels: pod.Labels, Annotations: annotations}
	n, m := meta.Size(), spec.Size()
	a.buffer = append(slices.Grow(a.buffer[:0], n+m+256), top.Key()...)
	a.buffer = append(a.buffer, 0)
	for _, part := range []struct {
		size int
		to   func([]byte) (int, error)
	}{{n, meta.MarshalToSizedBuffer}, {m, spec.MarshalToSizedBuffer}} {
		from := len(a.buffer)
		a.buffer = slices.Grow(a.buffer, part.size)[:from+part.size]
		if _, err := part.to(a.buffer[from:]); err != nil {
			return key, false
		}
	}
	return sha256.Sum256(a.buffer), true
}

func withoutValues(annotations map[string]string) map[string]string {
	out := make(map[string]string, len(annotations))
	for name, value := range annotations {
		if slices.ContainsFunc(perPod, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			value = ""
		}
		out[name] = value
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
	mounts := func(list []corev1.VolumeMount) {
		for i := range list {
			if name := &list[i].Name; *name == from {
				*name = to
			}
		}
	}
	for i := range spec.InitContainers {
		mounts(spec.InitContainers[i].VolumeMounts)
	}
	for i := range spec.Containers {
		mounts(spec.Containers[i].VolumeMounts)
	}
	for i := range spec.EphemeralContainers {
		mounts(spec.EphemeralContainers[i].VolumeMounts)
	}
}

// of is the group of a pod whose key is known. Nil if its spec is needed: there is none, or
// the group's spec is to be that of this pod.
func (a *alike) of(key [sha256.Size]byte, pod *corev1.Pod) *fact.Workload {
	if group := a.groups[key]; group != nil && group.Pods[0].Name < pod.Name {
		return group
	}
	return nil
}

func (a *alike) learn(key [sha256.Size]byte, group *fact.Workload) {
	if len(a.groups) < maxAlike {
		a.groups[key] = group
	}
}

// text is one string for all that are equal, of a value that many pods have.
func (a *alike) text(s string) string {
	if known, ok := a.texts[s]; ok {
		return known
	}
	if len(a.texts) < maxAlike {
		a.texts[s] = s
	}
	return s
}

// share makes a pod of a group hold what another of the group holds, where both are equal.
func (a *alike) share(group *fact.Workload, pod *fact.Pod) {
	pod.Node, pod.Phase = a.text(pod.Node), a.text(pod.Phase)
	if len(group.Pods) == 0 {
		return
	}
	like := group.Pods[len(group.Pods)-1].Containers
	if slices.EqualFunc(like, pod.Containers, sameStatus) {
		pod.Containers = like
	}
}

func sameStatus(a, b fact.ContainerStatus) bool {
	if (a.ExitCode == nil) != (b.ExitCode == nil) || a.ExitCode != nil && *a.ExitCode != *b.ExitCode {
		return false
	}
	a.ExitCode, b.ExitCode = nil, nil
	return a == b
}

// withoutIDs removes what joins a pod with the containers of a node, where no node is measured.
// Of a pod that does not run, the ids say whether a container has started: they stay.
func withoutIDs(pod *fact.Pod) {
	pod.UID, pod.ConfigHash = "", ""
	if pod.Phase != string(corev1.PodRunning) {
		return
	}
	for i := range pod.Containers {
		pod.Containers[i].ID, pod.Containers[i].LastID = "", ""
	}
}
