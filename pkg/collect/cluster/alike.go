package cluster

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// alike finds pods that were declared as one before, without taking facts from their specs
// again: that costs several times what it costs to compare what the API says.
type alike struct {
	groups map[[sha256.Size]byte]*fact.Workload
	buffer []byte
	// last is the buffer of the pod before, and sum its hash.
	last  []byte
	sum   [sha256.Size]byte
	texts map[string]string // of few values
	// owners are the references of the pod before, and references their bytes.
	owners     []metav1.OwnerReference
	references []byte
	hash       map[string]string // the label pod-template-hash of the pod before
}

// meta is what of a pod's metadata says who its top owner is. Nobody changes it.
func (a *alike) meta(pod *wirePod) (*metav1.ObjectMeta, error) {
	buffer := a.buffer[:0]
	for _, raw := range pod.owners {
		buffer = append(buffer, raw...)
	}
	a.buffer = buffer
	if !bytes.Equal(buffer, a.references) {
		var meta metav1.ObjectMeta
		if err := meta.Unmarshal(buffer); err != nil {
			return nil, fmt.Errorf("the owners of a pod in the server's answer are malformed: %w", err)
		}
		a.owners, a.references = meta.OwnerReferences, append(a.references[:0], buffer...)
	}
	if hash := valueOf(pod.labels, templateHash); string(hash) != a.hash[templateHash] {
		a.hash = map[string]string{templateHash: string(hash)}
	}
	return &metav1.ObjectMeta{Name: string(pod.name), Namespace: a.textOf(pod.namespace), OwnerReferences: a.owners, Labels: a.hash}, nil
}

// templateHash is the label with which a Deployment names its ReplicaSets.
const templateHash = "pod-template-hash"

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

// key is equal for pods of one owner that appendKey finds to be equal. Ok is false for pods that
// cannot be compared.
func (a *alike) key(top fact.Subject, pod *wirePod) (key [sha256.Size]byte, ok bool) {
	buffer := append(a.buffer[:0], top.Key()...)
	buffer, ok = pod.appendKey(append(buffer, 0))
	a.buffer = buffer
	if !ok {
		return key, false
	}
	if !bytes.Equal(buffer, a.last) { // nearly always, pods of one owner come one after another
		a.sum = sha256.Sum256(buffer)
		a.last = append(a.last[:0], buffer...)
	}
	return a.sum, true
}

// of is the group of a pod whose key is known. Nil if its spec is needed: there is none, or
// the group's spec is to be that of this pod.
func (a *alike) of(key [sha256.Size]byte, pod string) *fact.Workload {
	if group := a.groups[key]; group != nil && group.Pods[0].Name < pod {
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

// textOf is text of bytes, without a copy of those that are known.
func (a *alike) textOf(b []byte) string {
	if known, ok := a.texts[string(b)]; ok {
		return known
	}
	return a.text(string(b))
}

// share makes a pod of a group hold what another of the group holds, where both are equal.
func (a *alike) share(group *fact.Workload, pod *fact.Pod) {
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
