package launch

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// What runtimes say, as kubelets report it, from the bug reports of systems whose
// policy does not know the type (Flatcar 891, Bottlerocket 1221, CoreOS, CRI-O).
const (
	sandboxRefused = "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to create containerd task: failed to create shim task: " +
		"OCI runtime create failed: runc create failed: unable to start container process: error during container init: " +
		"write /proc/self/attr/keycreate: invalid argument: unknown"
	containerRefused = "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: " +
		"unable to start container process: error during container init: write /proc/self/attr/keycreate: invalid argument: unknown"
)

func TestRefusesLabel(t *testing.T) {
	for message, want := range map[string]bool{
		sandboxRefused: true, containerRefused: true,
		`container_linux.go:370: starting container process caused: process_linux.go:459: container init caused: failed to set /proc/self/attr/keycreate on procfs: write /proc/self/attr/keycreate: invalid argument: unknown`: true,
		`container init caused \"write /proc/self/task/1/attr/exec: invalid argument\"": unknown`:                                                                                                                               true,
		"crun: write file `/proc/thread-self/attr/exec`: Invalid argument: OCI runtime error":                                                                                                                                   true,
		"container init caused \"write /proc/self/attr/keycreate: permission denied\": unknown":                                                                                                                                 true,
		`failed to generate sandbox container spec: failed to init selinux options type:"spc_t": unknown type`:                                                                                                                  true,
		"selinux label is specified in config, but selinux is disabled or not supported":                                                                                                                                        true,
		"apparmor failed to apply profile: write /proc/self/attr/exec: invalid argument":                                                                                                                                        false,
		"apparmor failed to apply profile: write /proc/self/attr/apparmor/exec: no such file or directory":                                                                                                                      false,
		"write /proc/self/attr/exec: no such file or directory":                                                                                                                                                                 false,
		"error mounting \"/x/resolv.conf\" to rootfs: invalid argument":                                                                                                                                                         false,
		`plugin type="bridge" failed (add): failed to set bridge addr: "cni0" already has an IP address different from 10.244.1.1`:                                                                                              false,
		"write /sys/fs/cgroup/memory.max: invalid argument":                                                                                                                                                                     false,
		"": false,
	} {
		if got := refusesLabel(message); got != want {
			t.Errorf("%q: %v, want %v", message, got, want)
		}
	}
}

func TestNewestWarning(t *testing.T) {
	at := func(seconds int64) metav1.Time { return metav1.Unix(seconds, 0) }
	event := func(reason string, edits ...func(*corev1.Event)) corev1.Event {
		e := corev1.Event{Type: corev1.EventTypeWarning, Reason: reason, Message: "why"}
		for _, edit := range edits {
			edit(&e)
		}
		return e
	}
	last := func(s int64) func(*corev1.Event) { return func(e *corev1.Event) { e.LastTimestamp = at(s) } }
	for name, tc := range map[string]struct {
		events []corev1.Event
		want   string
	}{
		"no event":                       {nil, ""},
		"an event that is not a warning": {[]corev1.Event{event("Pulled", func(e *corev1.Event) { e.Type = corev1.EventTypeNormal })}, ""},
		"an event without any text":      {[]corev1.Event{event("", func(e *corev1.Event) { e.Message = "" })}, ""},
		"the last by core/v1":            {[]corev1.Event{event("A", last(2)), event("B", last(3)), event("C", last(1))}, "B: why"},
		"the last by events.k8s.io/v1":   {[]corev1.Event{event("A", func(e *corev1.Event) { e.EventTime = metav1.MicroTime(at(9)) }), event("B", last(3))}, "A: why"},
		"the last of a series":           {[]corev1.Event{event("A", last(5)), event("B", last(1), func(e *corev1.Event) { e.Series = &corev1.EventSeries{LastObservedTime: metav1.MicroTime(at(6))} })}, "B: why"},
		"the last by its creation":       {[]corev1.Event{event("A", last(5)), event("B", func(e *corev1.Event) { e.CreationTimestamp = at(7) })}, "B: why"},
		"a text that is not fit to be shown": {
			[]corev1.Event{event("\x1b[31mA\n", func(e *corev1.Event) { e.Message = "b\u202ec\n" + strings.Repeat("x", 5000) })},
			"^[[31mA : b\ufffdc " + strings.Repeat("x", maxText-16) + " ...",
		},
	} {
		if got := newestWarning(tc.events); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

func FuzzNewestWarning(f *testing.F) {
	f.Add([]byte(`[{"type":"Warning","reason":"FailedMount","message":"x","lastTimestamp":"2026-11-24T10:00:00Z"},{"type":"Warning","series":{}}]`))
	f.Add([]byte(`[{"type":"Warning","reason":"\u001b[31m","message":"write /proc/self/attr/exec: invalid argument\u202e"}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var events []corev1.Event
		if json.Unmarshal(data, &events) != nil {
			return
		}
		text := newestWarning(events)
		refusesLabel(text)
		if len(text) > maxText+4 || strings.ContainsAny(text, "\n\r\x1b\u202e") || strings.ToValidUTF8(text, "") != text {
			t.Errorf("%q became %q", data, text)
		}
	})
}

// Events explain why a pod's container does not start. If the SELinux type is the reason, a
// second pod runs without it.
func TestPodsThatDoNotStart(t *testing.T) {
	const timeout = "2s"
	const more = "kubectl describe node b; use a longer --probe-timeout"
	refusedFirst := "; this was a second pod, without the SELinux type spc_t; the first pod, with it, did not start: "
	creating := func(s *apiServer, pod *corev1.Pod) { s.waits(pod.Name, "ContainerCreating", "") }
	plain := func(pod *corev1.Pod) bool { return pod.Spec.SecurityContext.SELinuxOptions == nil }
	forbidden := func(s *apiServer) {
		s.intercept = func(w http.ResponseWriter, _ *http.Request, what string) bool {
			if what == "GET events" {
				s.fail(w, apierrors.NewForbidden(corev1.Resource("events"), "", errors.New("no")))
			}
			return what == "GET events"
		}
	}
	for name, tc := range map[string]struct {
		edit    func(s *apiServer)
		kubelet func(s *apiServer, pod *corev1.Pod)
		pods    int
		want    []fact.Gap // nil if node b is measured
	}{
		"a runtime that refuses the type gets a pod without it": {
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				if plain(pod) {
					s.succeed(pod.Name, answer(s.t, "b"))
					return
				}
				creating(s, pod)
				s.warns(pod, "FailedCreatePodSandBox", sandboxRefused)
			}, pods: 2,
		},
		"a runtime that refuses the type of the container alone": {
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				if plain(pod) {
					s.succeed(pod.Name, answer(s.t, "b"))
					return
				}
				s.waits(pod.Name, "RunContainerError", containerRefused)
			}, pods: 2,
		},
		"a container that ended for that": {
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				if plain(pod) {
					s.succeed(pod.Name, answer(s.t, "b"))
					return
				}
				s.end(pod.Name, corev1.PodFailed, corev1.ContainerStateTerminated{ExitCode: 128, Reason: "StartError", Message: containerRefused})
			}, pods: 2,
		},
		"a second pod that does not start either": {
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				creating(s, pod)
				if plain(pod) {
					s.warns(pod, "FailedMount", "no such device")
					return
				}
				s.warns(pod, "FailedCreatePodSandBox", "write /proc/self/attr/exec: invalid argument")
			}, pods: 2,
			want: gapsOf("b", fact.ProbeFailed, "the pod did not start within "+timeout+": FailedMount: no such device"+refusedFirst+
				"FailedCreatePodSandBox: write /proc/self/attr/exec: invalid argument", more),
		},
		"a label that is refused without a type of ours is no reason for a third pod": {
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				creating(s, pod)
				s.warns(pod, "FailedCreatePodSandBox", "write /proc/self/attr/exec: invalid argument")
			}, pods: 2,
			want: gapsOf("b", fact.ProbeFailed, "the pod did not start within "+timeout+": FailedCreatePodSandBox: write /proc/self/attr/exec: invalid argument"+
				refusedFirst+"FailedCreatePodSandBox: write /proc/self/attr/exec: invalid argument", more),
		},
		"a network that does not work": {
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				creating(s, pod)
				s.warns(pod, "FailedMount", "not yet")
				s.warns(pod, "FailedCreatePodSandBox", "plugin type=\"bridge\" failed\x1b[2J (add):\n no addresses")
			}, pods: 1,
			want: gapsOf("b", fact.ProbeFailed, "the pod did not start within "+timeout+`: FailedCreatePodSandBox: plugin type="bridge" failed^[[2J (add): no addresses`, more),
		},
		"an event about another pod explains nothing": {
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				creating(s, pod)
				other := pod.DeepCopy()
				other.UID = "another"
				s.warns(other, "FailedCreatePodSandBox", sandboxRefused)
			}, pods: 1,
			want: gapsOf("b", fact.Timeout, "no answer within "+timeout+"; the pod was Pending (ContainerCreating)", "use a longer --probe-timeout"),
		},
		"events that are larger than any kubelet's": {
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				creating(s, pod)
				s.warns(pod, "FailedCreatePodSandBox", sandboxRefused+strings.Repeat("x", maxEventBytes))
			}, pods: 1,
			want: gapsOf("b", fact.Timeout, "no answer within "+timeout+"; the pod was Pending (ContainerCreating)", "use a longer --probe-timeout"),
		},
		"a pod that started is not asked about": {
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				s.update(pod.Name, func(p *corev1.Pod) {
					p.Status.Phase = corev1.PodRunning
					p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: containerName, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
				})
				s.warns(pod, "FailedCreatePodSandBox", sandboxRefused)
			}, pods: 1,
			want: gapsOf("b", fact.Timeout, "no answer within "+timeout+"; the pod was Running", "use a longer --probe-timeout"),
		},
		"without the right to list events, a pod without the type is tried": {
			edit: forbidden,
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				if plain(pod) {
					s.succeed(pod.Name, answer(s.t, "b"))
					return
				}
				creating(s, pod)
			}, pods: 2,
		},
		"without the right to list events, and no pod starts": {
			edit: forbidden, kubelet: creating, pods: 2,
			want: gapsOf("b", fact.Timeout, "no answer within "+timeout+"; the pod was Pending (ContainerCreating)"+refusedFirst+
				"no reason was seen within 0s, because this user may not list events in namespace kubectl-checklist",
				"use a longer --probe-timeout; with the right to list events in namespace kubectl-checklist, a run reports the reason"),
		},
	} {
		t.Run(name, faked(func(t *testing.T) {
			s := newAPIServer(t, "a", "b")
			var pods atomic.Int32
			s.kubelet = func(pod *corev1.Pod) {
				if pod.Spec.NodeName == "a" {
					s.succeed(pod.Name, answer(t, "a"))
					return
				}
				pods.Add(1)
				tc.kubelet(s, pod)
			}
			if tc.edit != nil {
				tc.edit(s)
			}
			opts := s.options()
			if opts.Timeout = 2 * time.Second; tc.want == nil {
				opts.Timeout = 20 * time.Second // never reached
			}
			measured, gaps, err := Measure(t.Context(), opts, factNodes("a", "b"))
			if err != nil {
				t.Errorf("error: %v", err)
			}
			want := map[string]*fact.Measurement{"a": measurement("a")}
			if tc.want == nil {
				want["b"] = measurement("b")
			}
			if diff := cmp.Diff(want, measured, cmpMask); diff != "" {
				t.Errorf("measured (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.want, gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			if int(pods.Load()) != tc.pods {
				t.Errorf("%d pods on node b, expected %d", pods.Load(), tc.pods)
			}
			s.wantLeft()
		}))
	}
}
