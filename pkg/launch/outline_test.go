package launch

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// An outline counts the pods that Measure creates, by the same plan.
func TestOutline(t *testing.T) {
	carries := func(archs ...string) func(string) ([]byte, error) {
		return func(arch string) ([]byte, error) {
			if slices.Contains(archs, arch) {
				return []byte("probe"), nil
			}
			return nil, fmt.Errorf("no probe for %s", arch)
		}
	}
	nodes := factNodes("a", "b", "c")
	nodes[1].Arch = "arm64"
	nodes[2].Ready = false
	full, net := OutlinePods{fact.LevelFull, 2}, OutlinePods{fact.LevelNet, 2}
	const rights = "hostPID, uid 0, SYS_PTRACE, DAC_READ_SEARCH"
	const end = ". Not privileged, no host mount, no token; removed at the end."
	for name, tc := range map[string]struct {
		opts Options
		want Outline
		text string
	}{
		"both pods": {
			Options{Net: true, Embedded: carries("amd64", "arm64"), NetEmbedded: carries("amd64", "arm64")},
			Outline{"kubectl-checklist", 2, []OutlinePods{full, net}},
			"To measure 2 nodes, this run creates 4 short-lived pods in namespace kubectl-checklist: 2 with " + rights +
				", and 2 with the host's network, uid 65534, no capability" + end,
		},
		"an image, in a namespace": {
			Options{Image: "registry.example/probe:v1", Namespace: "probes"},
			Outline{"probes", 2, []OutlinePods{full}},
			"To measure 2 nodes, this run creates 2 short-lived pods in namespace probes: 2 with " + rights + end,
		},
		"one architecture": {
			Options{Net: true, Embedded: carries("amd64"), NetEmbedded: carries("amd64")},
			Outline{"kubectl-checklist", 1, []OutlinePods{{fact.LevelFull, 1}, {fact.LevelNet, 1}}},
			"",
		},
		"one program": {
			Options{Level: fact.LevelProc, Net: true, Embedded: carries("amd64", "arm64"), NetEmbedded: carries()},
			Outline{"kubectl-checklist", 2, []OutlinePods{{fact.LevelProc, 2}}},
			"To measure 2 nodes, this run creates 2 short-lived pods in namespace kubectl-checklist: 2 with hostPID, uid 65534, no capability" + end,
		},
		"a build without probes": {Options{Net: true}, Outline{Namespace: "kubectl-checklist"}, ""},
		"no pod is asked for":    {Options{Level: fact.LevelAPI}, Outline{Namespace: "kubectl-checklist"}, ""},
		"only handshakes": {
			Options{Level: fact.LevelAPI, Net: true, NetEmbedded: carries("amd64", "arm64")},
			Outline{"kubectl-checklist", 2, []OutlinePods{net}},
			"",
		},
		"a kind that the second pod does not read": {
			Options{Net: true, Kinds: []fact.Kind{fact.Processes}, Embedded: carries("amd64", "arm64"), NetEmbedded: carries("amd64", "arm64")},
			Outline{"kubectl-checklist", 2, []OutlinePods{full}},
			"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := NewOutline(tc.opts, nodes)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("outline (-want +got):\n%s", diff)
			}
			if text := got.String(); tc.text != "" && text != tc.text {
				t.Errorf("got  %s\nwant %s", text, tc.text)
			}
		})
	}
	if _, err := NewOutline(Options{Namespace: "a b"}, nodes); err == nil {
		t.Error("a namespace that cannot exist: no error")
	}
}

// A run that was confirmed creates as many pods as its outline says, and says only what the
// outline did not.
func TestConfirmedRun(t *testing.T) {
	for _, confirmed := range []bool{true, false} {
		t.Run(fmt.Sprint("confirmed ", confirmed), faked(func(t *testing.T) {
			s := newAPIServer(t, "a", "b")
			var mu sync.Mutex // each pod has a goroutine
			pods := map[string]bool{}
			s.kubelet = func(pod *corev1.Pod) {
				mu.Lock()
				pods[pod.Spec.NodeName] = true
				mu.Unlock()
				s.succeed(pod.Name, answer(s.t, pod.Spec.NodeName))
			}
			opts := s.options()
			opts.Confirmed = confirmed
			line := ""
			opts.Announce = func(text string) { line = text }
			outline, err := NewOutline(opts, factNodes("a", "b"))
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := Measure(t.Context(), opts, factNodes("a", "b")); err != nil {
				t.Fatal(err)
			}
			if outline.Nodes != len(pods) || len(outline.Pods) != 1 || outline.Pods[0].Pods != len(pods) {
				t.Errorf("outline %+v, pods on %v", outline, pods)
			}
			repeated := rightsOf(opts.Level)
			if !strings.Contains(line, "2 pods") || !strings.Contains(line, "1 job") || strings.Contains(line, repeated) == confirmed || strings.Contains(line, "--no-probe") == confirmed {
				t.Errorf("said %q", line)
			}
		}))
	}
}
