package launch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/loader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/wire"
)

var cmpMask = cmp.Comparer(func(a, b fact.CapMask) bool { return a == b })

// run runs and compares the results with what is wanted.
func run(t *testing.T, opts Options, nodes []fact.Node, wantMeasured []string, wantGaps []fact.Gap) {
	t.Helper()
	measured, gaps, err := Measure(t.Context(), opts, nodes)
	if err != nil {
		t.Errorf("error: %v", err)
	}
	want := map[string]*fact.Measurement{}
	for _, n := range wantMeasured {
		want[n] = measurement(n)
	}
	if diff := cmp.Diff(want, measured, cmpMask); diff != "" {
		t.Errorf("measured (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantGaps, gaps); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
}

func (s *apiServer) wantLeft(want ...string) {
	s.t.Helper()
	if want == nil {
		want = []string{}
	}
	if diff := cmp.Diff(want, s.left()); diff != "" {
		s.t.Errorf("left behind (-want +got):\n%s", diff)
	}
}

func TestRunMeasuresEveryNodeAndLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t, "a", "b", "c")
		opts := s.options()
		var lines, progress []string
		opts.Announce = func(line string) {
			lines = append(lines, line)
			s.wantLeft() // before anything is created
		}
		opts.Progress = func(done, failed, total int) { progress = append(progress, fmt.Sprint(done, failed, total)) }
		run(t, opts, factNodes("c", "a", "b"), []string{"a", "b", "c"}, nil)
		s.wantLeft()
		if diff := cmp.Diff([]string{"1 0 3", "2 0 3", "3 0 3"}, progress); diff != "" {
			t.Errorf("progress (-want +got):\n%s", diff)
		}
		want := []string{"creating in namespace kubectl-checklist (new): 1 job, 2 ConfigMaps, 3 pods (one for each node, 3 at once) " +
			"with hostPID, uid 0, SYS_PTRACE, DAC_READ_SEARCH; not privileged, no host mount, no token; the run removes everything at its end; " +
			"--no-probe creates nothing"}
		if diff := cmp.Diff(want, lines); diff != "" {
			t.Errorf("announced (-want +got):\n%s", diff)
		}
		if n := s.count("WATCH pods"); n > 2 { // one asks for the initial events and is refused
			t.Errorf("%d watches, expected one", n)
		}
		if n := s.count("GET pods/log"); n != 0 {
			t.Errorf("%d logs read although the answers fit the termination message", n)
		}
	})
}

// Each pod, also that of the dry run, names the probe of this run. The loader on the node
// runs no other.
func TestRunNamesTheProbeItBrought(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t, "a", "b")
		var mu sync.Mutex
		commands := map[string]int{}
		s.intercept = func(_ http.ResponseWriter, r *http.Request, what string) bool {
			if !strings.HasPrefix(what, "POST pods") {
				return false
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			var pod corev1.Pod
			if err := json.Unmarshal(body, &pod); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			commands[what+" "+pod.Spec.NodeName+" "+strings.Join(pod.Spec.Containers[0].Command, " ")]++
			return false
		}
		nodes := factNodes("a", "b")
		nodes[1].Arch = "arm64"
		run(t, s.options(), nodes, []string{"a", "b"}, nil)
		of := func(arch string) string {
			return strings.Join(loader.Command(sha256.Sum256([]byte("a probe for "+arch))), " ")
		}
		want := map[string]int{
			"POST pods dryRun a " + of("amd64"): 1,
			"POST pods a " + of("amd64"):        1,
			"POST pods b " + of("arm64"):        1,
		}
		if diff := cmp.Diff(want, commands); diff != "" {
			t.Errorf("commands of the pods (-want +got):\n%s", diff)
		}
	})
}

func TestRunKeepsToItsWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var names []string
		for i := range 40 {
			names = append(names, fmt.Sprintf("n%02d", i))
		}
		s := newAPIServer(t, names...)
		s.kubelet = func(pod *corev1.Pod) {
			time.Sleep(10 * time.Millisecond)
			s.succeed(pod.Name, answer(t, pod.Spec.NodeName))
		}
		opts := s.options()
		opts.MaxInFlight = 4
		run(t, opts, factNodes(names...), names, nil)
		if s.most != 4 {
			t.Errorf("%d pods at once, expected 4", s.most)
		}
		s.wantLeft()
	})
}

func TestOneNodeNeverCostsTheOthers(t *testing.T) {
	big := measurement("b")
	for i := range 8000 {
		big.Host.Installed = append(big.Host.Installed, fact.InstalledKernel{Release: fmt.Sprintf("6.%d.%x", i, i*7919*104729), Path: "/boot"})
	}
	message, err := wire.Encode(big, wire.Options{Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	frames := slices.Collect(message.Frames())
	if len(frames) < 2 {
		t.Fatalf("%d frames, expected some", len(frames))
	}
	whole := slices.Concat(frames...)
	const embeddedHint = "use --probe-image with an image that the node can pull"

	for name, tc := range map[string]struct {
		kubelet func(s *apiServer, pod *corev1.Pod) // of node b
		log     func(try int) []byte
		edit    func(s *apiServer, o *Options)
		want    []fact.Gap
		pods    int // created for b
		ok      bool
		left    []string
	}{
		"a log in many frames is read": {
			kubelet: func(s *apiServer, pod *corev1.Pod) { s.succeed(pod.Name, string(message.Trailer)) },
			log:     func(int) []byte { return whole }, ok: true, pods: 1,
		},
		"a broken frame is fetched once more": {
			kubelet: func(s *apiServer, pod *corev1.Pod) { s.succeed(pod.Name, string(message.Trailer)) },
			log: func(try int) []byte {
				if try == 1 {
					return whole[:len(whole)/2]
				}
				return whole
			}, ok: true, pods: 1,
		},
		"a frame that stays broken is a gap": {
			kubelet: func(s *apiServer, pod *corev1.Pod) { s.succeed(pod.Name, string(message.Trailer)) },
			log:     func(int) []byte { return slices.Concat(frames[1:]...) }, pods: 1,
			want: gapsOf("b", fact.ProbeFailed, fmt.Sprintf("the probe's answer is broken: log line 1: expected frame 1/%d, found 2/%d: 1 missing",
				len(frames), len(frames)), ""),
		},
		"an answer that is more than the run can hold is a gap": {
			kubelet: func(s *apiServer, pod *corev1.Pod) { s.succeed(pod.Name, string(message.Trailer)) },
			log:     func(int) []byte { return whole }, pods: 1,
			edit: func(_ *apiServer, o *Options) { o.memory = 1 << 20 },
			want: gapsOf("b", fact.Truncated, "the nodes of this run have too many facts: one run holds at most 1 MiB",
				"measure the nodes in several runs, by names or --selector: kubectl checklist nodes"),
		},
		"a kubelet that cannot be asked for logs is a gap": {
			kubelet: func(s *apiServer, pod *corev1.Pod) { s.succeed(pod.Name, string(message.Trailer)) }, pods: 1,
			want: gapsOf("b", fact.Unavailable, "reading the probe's log: Internal error occurred: no log",
				"the API server reads logs from the node's kubelet (port 10250): kubectl logs shows whether that works"),
		},
		"a probe that says why it failed is quoted": {
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				s.end(pod.Name, corev1.PodFailed, corev1.ContainerStateTerminated{
					ExitCode: wire.ExitUnlocked, Message: string(wire.FailureTrailer("test", "seccomp is not available")),
				})
			}, pods: 1,
			want: gapsOf("b", fact.ProbeFailed, "the probe ended with status 5: seccomp is not available", ""),
		},
		"a probe of an older version": {
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				s.succeed(pod.Name, strings.Replace(string(message.Trailer), "CKL2", "CKL1", 1))
			}, pods: 1,
			want: gapsOf("b", fact.ProbeFailed, `termination message: expected format "CKL2", found another: the probe and this plugin are of different versions`,
				"use --probe-image with the probe of this plugin's version, or --probe-image embedded"),
		},
		"a probe without an answer": {
			kubelet: func(s *apiServer, pod *corev1.Pod) { s.succeed(pod.Name, "") }, pods: 1,
			want: gapsOf("b", fact.ProbeFailed, "the probe ended without an answer; is the image a probe of kubectl checklist?", ""),
		},
		"a loader that fails is explained, after a second pod with the probe in memory": {
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				s.end(pod.Name, corev1.PodFailed, corev1.ContainerStateTerminated{
					ExitCode: loader.CodeExec, Message: "checklist loader: errno 013 /work/checklist-probe\n",
				})
			}, pods: 2,
			want: gapsOf("b", fact.ProbeFailed, "loader: "+loader.Diagnose(loader.CodeExec, "checklist loader: errno 013 /work/checklist-probe\n"), embeddedHint),
		},
		"a probe that is not ours is refused by the loader, and nothing is tried again": {
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				s.end(pod.Name, corev1.PodFailed, corev1.ContainerStateTerminated{
					ExitCode: loader.CodeDigest, Message: "checklist loader: errno 074 /work/checklist-probe\n",
				})
			}, pods: 1,
			want: gapsOf("b", fact.ProbeFailed, "loader: "+loader.Diagnose(loader.CodeDigest, "checklist loader: errno 074 /work/checklist-probe\n"),
				"someone changed the run's ConfigMaps or pod: find out who can write in namespace kubectl-checklist, and which webhooks change pods"),
		},
		"a noexec disk is avoided by the second pod": {
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				if pod.Spec.Volumes[1].EmptyDir.Medium != corev1.StorageMediumMemory {
					s.end(pod.Name, corev1.PodFailed, corev1.ContainerStateTerminated{ExitCode: loader.CodeExec})
					return
				}
				s.succeed(pod.Name, string(message.Trailer))
			}, log: func(int) []byte { return whole }, ok: true, pods: 2,
		},
		"a full node is tried twice": {
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				s.update(pod.Name, func(p *corev1.Pod) {
					p.Status.Phase, p.Status.Reason, p.Status.Message = corev1.PodFailed, "OutOfcpu", "Node didn't have enough resource: cpu"
				})
			}, pods: 2,
			want: gapsOf("b", fact.ProbeFailed, "the pod ended: OutOfcpu: Node didn't have enough resource: cpu",
				"the node is full: the probe asks for 10m of CPU and 32 MiB"),
		},
		"an image that is gone gives way to the next": {
			edit: func(s *apiServer, o *Options) {
				s.nodes["b"].Status.Images = append(s.nodes["b"].Status.Images, corev1.ContainerImage{Names: []string{"example.com/small:1"}, SizeBytes: 5})
			},
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				if pod.Spec.Containers[0].Image != "example.com/small:1" {
					s.waits(pod.Name, "ErrImageNeverPull", "not there")
					return
				}
				s.succeed(pod.Name, string(message.Trailer))
			}, log: func(int) []byte { return whole }, ok: true, pods: 2,
		},
		"a node without any image, where others have none that is pause": {
			edit: func(s *apiServer, o *Options) {
				s.nodes["b"].Status.Images = nil
				for _, n := range []string{"a", "c"} {
					s.nodes[n].Status.Images[0].Names[0] = "example.com/app:1"
				}
			},
			kubelet: func(*apiServer, *corev1.Pod) {}, pods: 0,
			want: gapsOf("b", fact.ImagePull, "the node lists no image that an embedded probe could run in (status.images)", embeddedHint),
		},
		"a full node is asked for pause by the names that others have": {
			edit: func(s *apiServer, o *Options) {
				s.nodes["b"].Status.Images = []corev1.ContainerImage{{Names: []string{"example.com/large:1"}}}
			},
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				if pod.Spec.Containers[0].Image != "registry.k8s.io/pause:3.10" {
					t.Errorf("image %s", pod.Spec.Containers[0].Image)
				}
				s.succeed(pod.Name, string(message.Trailer))
			}, log: func(int) []byte { return whole }, ok: true, pods: 1,
		},
		"then for what pods without pull secrets run there": {
			edit: func(s *apiServer, o *Options) {
				s.nodes["b"].Status.Images = []corev1.ContainerImage{{Names: []string{"example.com/large:1"}}}
				for _, p := range []struct{ namespace, name, image, secret string }{
					{"a", "app", "example.com/private:1", "pull"},
					{"b", "other", "example.com/other:1", ""},
					{"kube-system", "kube-proxy", "registry.k8s.io/kube-proxy:v1", ""},
					{"kube-system", "private", "example.com/private:2", "pull"},
				} {
					pod := &corev1.Pod{
						ObjectMeta: metav1.ObjectMeta{Name: p.name, Namespace: p.namespace, UID: types.UID(p.name)},
						Spec:       corev1.PodSpec{NodeName: "b", Containers: []corev1.Container{{Name: "c", Image: p.image}}},
						Status:     corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "c", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}},
					}
					if p.secret != "" {
						pod.Spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: p.secret}}
					}
					s.pods[p.name] = pod
				}
			},
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				tried := map[string]string{
					"checklist-run1-0001": "registry.k8s.io/pause:3.10", "checklist-run1-0001-1": "registry.k8s.io/kube-proxy:v1",
					"checklist-run1-0001-2": "example.com/other:1", "checklist-run1-0001-3": "example.com/large:1",
				}
				if image := pod.Spec.Containers[0].Image; image != tried[pod.Name] {
					t.Errorf("%s: image %s, expected %s", pod.Name, image, tried[pod.Name])
				}
				s.waits(pod.Name, "ErrImageNeverPull", "not there")
			}, pods: 4,
			want: gapsOf("b", fact.ImagePull, `image "example.com/large:1": ErrImageNeverPull: not there; also tried: registry.k8s.io/pause:3.10, `+
				`registry.k8s.io/kube-proxy:v1, example.com/other:1`, embeddedHint),
			left: []string{"namespace/kubectl-checklist", "pod/app", "pod/kube-proxy", "pod/other", "pod/private"}, // one namespace is enough here
		},
		"a pull that fails waits for another try, then names the embedded probe": {
			edit: func(s *apiServer, o *Options) { o.Image = "example.com/probe@sha256:" + strings.Repeat("0", 64) },
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				s.waits(pod.Name, "ErrImagePull", "dial tcp: \x1b[31mno route\nto host")
				s.waits(pod.Name, "ImagePullBackOff", "Back-off pulling")
			}, pods: 1,
			want: gapsOf("b", fact.ImagePull, `image "example.com/probe@sha256:`+strings.Repeat("0", 64)+`": ImagePullBackOff: Back-off pulling`,
				"--probe-image=embedded pulls nothing: ConfigMaps carry the probe; a private registry needs --probe-pull-secret"),
		},
		"a pull that works in the end": {
			edit: func(s *apiServer, o *Options) { o.Image = "example.com/probe:1"; o.timing.imageGrace = 5 * time.Second },
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				s.waits(pod.Name, "ErrImagePull", "later")
				s.succeed(pod.Name, string(message.Trailer))
			}, log: func(int) []byte { return whole }, ok: true, pods: 1,
		},
		"a pod that never starts ends with the time": {
			edit:    func(s *apiServer, o *Options) { o.Timeout = 300 * time.Millisecond },
			kubelet: func(s *apiServer, pod *corev1.Pod) { s.waits(pod.Name, "ContainerCreating", "") }, pods: 1,
			want: gapsOf("b", fact.Timeout, "no answer within 300ms; the pod was Pending (ContainerCreating)", "use a longer --probe-timeout"),
		},
		"a node that stops is known before the time is over": {
			edit: func(s *apiServer, o *Options) { o.Timeout = time.Minute },
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.nodes["b"].Status.Conditions[0] = corev1.NodeCondition{
					Type: corev1.NodeReady, Status: corev1.ConditionUnknown, Reason: "NodeStatusUnknown",
					LastHeartbeatTime: metav1.Unix(1_700_000_000, 0),
				}
			}, pods: 1,
			want: gapsOf("b", fact.NotReady, "the node became not Ready during the run (NodeStatusUnknown, last heard of at 2023-11-14T22:13:20Z)",
				"kubectl describe node b"),
		},
		"a node that is deleted": {
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				s.mu.Lock()
				defer s.mu.Unlock()
				delete(s.nodes, "b")
			}, pods: 1,
			want: gapsOf("b", fact.NotReady, "the node was deleted during the run", ""),
		},
		"a pod that somebody deletes is created again, once": {
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				s.mu.Lock()
				defer s.mu.Unlock()
				delete(s.pods, pod.Name)
				s.rv++
				s.event("DELETED", pod)
			}, pods: 2,
			want: gapsOf("b", fact.ProbeFailed, "someone else deleted the probe's pod before its answer was read", ""),
		},
		"a killed probe": {
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				s.end(pod.Name, corev1.PodFailed, corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled"})
			}, pods: 1,
			want: gapsOf("b", fact.ProbeFailed, "the probe used more than its 160 MiB of memory and was killed", ""),
		},
	} {
		t.Run(name, faked(func(t *testing.T) {
			s := newAPIServer(t, "a", "b", "c")
			var pods, logs atomic.Int32
			s.kubelet = func(pod *corev1.Pod) {
				if pod.Spec.NodeName != "b" {
					s.succeed(pod.Name, answer(t, pod.Spec.NodeName))
					return
				}
				pods.Add(1)
				tc.kubelet(s, pod)
			}
			if tc.log != nil {
				s.log = func(string) []byte { return tc.log(int(logs.Add(1))) }
			}
			opts := s.options()
			if tc.edit != nil {
				tc.edit(s, &opts)
			}
			measured, gaps, err := Measure(t.Context(), opts, factNodes("a", "b", "c"))
			if err != nil {
				t.Errorf("error: %v", err)
			}
			want := map[string]*fact.Measurement{"a": measurement("a"), "c": measurement("c")}
			if tc.ok {
				want["b"] = big
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
			s.wantLeft(tc.left...)
		}))
	}
}

// The watch breaks in every way that a server or a proxy knows.
func TestRunSurvivesBrokenWatches(t *testing.T) {
	gone := apierrors.NewResourceExpired("too old resource version")
	for name, watch := range map[string]func(s *apiServer, w http.ResponseWriter, r *http.Request, try int32) bool{
		"closed at once, twice": func(_ *apiServer, w http.ResponseWriter, _ *http.Request, try int32) bool {
			w.WriteHeader(http.StatusOK)
			return try <= 2
		},
		"too old, as a status": func(s *apiServer, w http.ResponseWriter, _ *http.Request, try int32) bool {
			if try <= 2 {
				s.fail(w, gone)
			}
			return try <= 2
		},
		"too old, as an event": func(_ *apiServer, w http.ResponseWriter, _ *http.Request, try int32) bool {
			if try <= 2 {
				_, _ = fmt.Fprintf(w, `{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","code":410,"message":"too old"}}`)
			}
			return try <= 2
		},
		"garbage": func(_ *apiServer, w http.ResponseWriter, _ *http.Request, try int32) bool {
			if try <= 2 {
				_, _ = w.Write([]byte("<html>not a watch</html>\n"))
			}
			return try <= 2
		},
		"always forbidden: pods are asked for by name": func(s *apiServer, w http.ResponseWriter, _ *http.Request, _ int32) bool {
			s.fail(w, apierrors.NewForbidden(corev1.Resource("pods"), "", errors.New("no")))
			return true
		},
		"a connection that says nothing": func(_ *apiServer, w http.ResponseWriter, r *http.Request, _ int32) bool {
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return true
		},
	} {
		t.Run(name, faked(func(t *testing.T) {
			s := newAPIServer(t, "a", "b")
			var tries atomic.Int32
			s.intercept = func(w http.ResponseWriter, r *http.Request, what string) bool {
				if what != "WATCH pods" || r.URL.Query().Get("sendInitialEvents") != "" {
					return false
				}
				return watch(s, w, r, tries.Add(1))
			}
			run(t, s.options(), factNodes("a", "b"), []string{"a", "b"}, nil)
			s.wantLeft()
		}))
	}
}

func TestRunRepeatsWhatTheServerPutsOff(t *testing.T) {
	for name, refuse := range map[string]*apierrors.StatusError{
		"too many requests":  apierrors.NewTooManyRequests("slow down", 0),
		"internal error":     apierrors.NewInternalError(errors.New("etcd leader changed")),
		"service missing":    apierrors.NewServiceUnavailable("starting"),
		"no service account": apierrors.NewForbidden(corev1.Resource("pods"), "x", errors.New(`error looking up service account x/default: serviceaccount "default" not found`)),
	} {
		t.Run(name, faked(func(t *testing.T) {
			s := newAPIServer(t, "a")
			var mu sync.Mutex
			seen := map[string]int{}
			s.intercept = func(w http.ResponseWriter, _ *http.Request, what string) bool {
				mu.Lock()
				defer mu.Unlock()
				seen[what]++
				account := accountMissing(refuse)
				switch {
				case account && (what != "POST pods dryRun" || seen[what] > 3):
					return false
				case !account && (!strings.HasPrefix(what, "POST ") && !strings.HasPrefix(what, "DELETE ") || strings.Contains(what, "dryRun") ||
					strings.Contains(what, "review") || seen[what] > 2):
					return false
				}
				s.fail(w, refuse)
				return true
			}
			run(t, s.options(), factNodes("a"), []string{"a"}, nil)
			s.wantLeft()
		}))
	}
}

// A request whose answer was lost has created the object. The second request must not fail
// because of that.
func TestLostAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t, "a")
		var mu sync.Mutex
		lost := map[string]bool{}
		s.intercept = func(w http.ResponseWriter, r *http.Request, what string) bool {
			mu.Lock()
			defer mu.Unlock()
			if r.Method != http.MethodPost || strings.Contains(what, "dryRun") || strings.Contains(what, "review") || lost[what] {
				return false
			}
			lost[what] = true
			recorder := discard{http.Header{}}
			mu.Unlock()
			s.serve(recorder, r)
			mu.Lock()
			s.fail(w, apierrors.NewServiceUnavailable("the answer is lost"))
			return true
		}
		run(t, s.options(), factNodes("a"), []string{"a"}, nil)
		if len(lost) != 4 {
			t.Errorf("lost %v, expected namespaces, jobs, configmaps, pods", lost)
		}
		s.wantLeft()
	})
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

func TestInterruptedRunGivesWhatItHasAndLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t, "a", "b", "c", "d")
		ctx, cancel := context.WithCancel(t.Context())
		s.kubelet = func(pod *corev1.Pod) {
			switch pod.Spec.NodeName {
			case "a":
				s.succeed(pod.Name, answer(t, "a"))
			case "b":
				time.Sleep(50 * time.Millisecond)
				cancel()
			}
		}
		opts := s.options()
		opts.MaxInFlight = 2
		measured, gaps, err := Measure(ctx, opts, factNodes("a", "b", "c", "d"))
		if err != nil {
			t.Errorf("error: %v", err)
		}
		if diff := cmp.Diff(map[string]*fact.Measurement{"a": measurement("a")}, measured, cmpMask); diff != "" {
			t.Errorf("measured (-want +got):\n%s", diff)
		}
		var want []fact.Gap
		for _, n := range []string{"b", "c", "d"} {
			want = append(want, gapsOf(n, fact.Interrupted, "the run was stopped before this node was measured", "")...)
		}
		if diff := cmp.Diff(want, gaps); diff != "" {
			t.Errorf("gaps (-want +got):\n%s", diff)
		}
		s.wantLeft()
	})
}

func TestInterruptedAtEachRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// However early the run is stopped, nothing stays.
		for n := 1; n < 40; n++ {
			s := newAPIServer(t, "a", "b")
			ctx, cancel := context.WithCancel(t.Context())
			var seen atomic.Int32
			s.intercept = func(w http.ResponseWriter, r *http.Request, what string) bool {
				if int(seen.Add(1)) == n {
					cancel()
				}
				return false
			}
			measured, gaps, err := Measure(ctx, s.options(), factNodes("a", "b"))
			if err != nil {
				t.Errorf("stopped at request %d: %v", n, err)
			}
			if len(measured)*2+len(gaps) != 4 {
				t.Errorf("stopped at request %d: %d measured, %d gaps", n, len(measured), len(gaps))
			}
			s.wantLeft()
			cancel()
		}
	})
}

func TestWhatCannotBeRemovedIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t, "a")
		s.namespaces["kubectl-checklist"] = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kubectl-checklist"}}
		s.intercept = func(w http.ResponseWriter, r *http.Request, what string) bool {
			if what == "DELETE jobs" {
				s.fail(w, apierrors.NewForbidden(schema.GroupResource{Resource: "jobs"}, "x", errors.New("no")))
				return true
			}
			return false
		}
		measured, _, err := Measure(t.Context(), s.options(), factNodes("a"))
		want := `removing job checklist-run1: jobs "x" is forbidden: no; the cluster removes pods and ConfigMaps within 1m5s; to remove the rest: kubectl checklist cleanup`
		if err == nil || err.Error() != want {
			t.Errorf("error %q, expected %q", err, want)
		}
		if len(measured) != 1 {
			t.Errorf("%d measured, expected the facts as well as the error", len(measured))
		}
		s.wantLeft("job/checklist-run1", "namespace/kubectl-checklist")
	})
}

func TestNamespaceIsDeletedOnlyByWhoMadeItAndWhenNobodyElseUsesIt(t *testing.T) {
	ns := func(labels, annotations map[string]string) *corev1.Namespace {
		return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kubectl-checklist", Labels: labels, Annotations: annotations, ResourceVersion: "7", UID: "1"}}
	}
	made := map[string]string{LabelManagedBy: ManagedBy}
	by := func() map[string]string {
		return map[string]string{AnnotationCreatedBy: "old", AnnotationLastRun: "old"}
	}
	for name, tc := range map[string]struct {
		ns     *corev1.Namespace
		change func(s *apiServer) // while the run is at work
		want   []string
	}{
		"one that existed stays":                {ns: ns(nil, nil), want: []string{"namespace/kubectl-checklist"}},
		"one with our label alone stays":        {ns: ns(made, nil), want: []string{"namespace/kubectl-checklist"}},
		"one with our annotation alone stays":   {ns: ns(nil, by()), want: []string{"namespace/kubectl-checklist"}},
		"one that an interrupted run left goes": {ns: ns(made, by())},
		"the run's own goes":                    {},
		"another run's pod keeps it": {
			change: func(s *apiServer) {
				s.pods["checklist-other-0000"] = &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "checklist-other-0000", Labels: map[string]string{LabelManagedBy: ManagedBy, LabelRun: "other"}}}
			},
			want: []string{"namespace/kubectl-checklist", "pod/checklist-other-0000"},
		},
		"one that another run has claimed, but has nothing in yet, is left to it": {
			change: func(s *apiServer) {
				s.namespaces["kubectl-checklist"].Annotations[AnnotationLastRun] = "other"
			},
			want: []string{"namespace/kubectl-checklist"},
		},
		"a pod of somebody keeps it": {
			change: func(s *apiServer) { s.pods["web"] = &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web"}} },
			want:   []string{"namespace/kubectl-checklist", "pod/web"},
		},
		"a ConfigMap of somebody keeps it": {
			change: func(s *apiServer) {
				s.maps["notes"] = &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "notes"}}
			},
			want: []string{"configmap/notes", "namespace/kubectl-checklist"},
		},
		"the cluster's own ConfigMap does not": {
			change: func(s *apiServer) {
				s.maps["kube-root-ca.crt"] = &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kube-root-ca.crt"}}
			},
			want: []string{"configmap/kube-root-ca.crt"}, // the namespace controller would sweep it
		},
	} {
		t.Run(name, faked(func(t *testing.T) {
			s := newAPIServer(t, "a")
			if tc.ns != nil {
				s.namespaces[tc.ns.Name] = tc.ns
			}
			s.kubelet = func(pod *corev1.Pod) {
				if tc.change != nil {
					s.mu.Lock()
					tc.change(s)
					s.mu.Unlock()
				}
				s.succeed(pod.Name, answer(t, "a"))
			}
			run(t, s.options(), factNodes("a"), []string{"a"}, nil)
			s.wantLeft(tc.want...)
		}))
	}
}

// Two runs share a namespace. The last one to leave removes it, whichever created it.
func TestLastRunRemovesTheNamespace(t *testing.T) {
	for name, order := range map[string][]string{
		"its maker leaves first": {"run1", "run2"},
		"its maker leaves last":  {"run2", "run1"},
	} {
		t.Run(name, faked(func(t *testing.T) {
			s := newAPIServer(t, "a")
			finish := map[string]chan bool{"run1": make(chan bool), "run2": make(chan bool)}
			started := make(chan string)
			s.kubelet = func(pod *corev1.Pod) {
				id := pod.Labels[LabelRun]
				started <- id
				<-finish[id]
				s.succeed(pod.Name, answer(t, "a"))
			}
			ended := make(chan string)
			for _, id := range []string{"run1", "run2"} {
				opts := s.options()
				opts.RunID = id
				go func() {
					if _, gaps, err := Measure(context.Background(), opts, factNodes("a")); err != nil || len(gaps) > 0 {
						t.Errorf("%s: %v, error %v", id, gaps, err)
					}
					ended <- id
				}()
				<-started
			}
			close(finish[order[0]])
			<-ended
			if left := s.left(); !slices.Contains(left, "namespace/kubectl-checklist") || !slices.Contains(left, "pod/checklist-"+order[1]+"-0000") {
				t.Errorf("after the first: %v", left)
			}
			close(finish[order[1]])
			<-ended
			s.wantLeft()
		}))
	}
}

// A quota that admits one pod at a time makes a run slower, but loses no facts.
func TestQuotaIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t, "a", "b", "c")
		var refused atomic.Int32
		s.intercept = func(w http.ResponseWriter, _ *http.Request, what string) bool {
			s.mu.Lock()
			full := what == "POST pods" && len(s.pods) > 0
			s.mu.Unlock()
			if full {
				refused.Add(1)
				s.fail(w, apierrors.NewForbidden(corev1.Resource("pods"), "x", errors.New("exceeded quota: one, requested: pods=1, used: pods=1, limited: pods=1")))
			}
			return full
		}
		s.kubelet = func(pod *corev1.Pod) {
			time.Sleep(20 * time.Millisecond)
			s.succeed(pod.Name, answer(t, pod.Spec.NodeName))
		}
		run(t, s.options(), factNodes("a", "b", "c"), []string{"a", "b", "c"}, nil)
		if refused.Load() == 0 {
			t.Error("the quota refused nothing")
		}
		s.wantLeft()
	})
}

// Another run claims the namespace after this run has checked it and before this run deletes
// it. The precondition refuses the deletion.
func TestNamespaceClaimedAtTheLastMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t, "a")
		s.intercept = func(w http.ResponseWriter, r *http.Request, what string) bool {
			if what == "DELETE namespaces" {
				other := s.options()
				if err := other.markLastRun(t.Context(), "kubectl-checklist", "other", ""); err != nil {
					t.Error(err)
				}
			}
			return false
		}
		run(t, s.options(), factNodes("a"), []string{"a"}, nil)
		s.wantLeft("namespace/kubectl-checklist")
	})
}

func TestNamespaceThatIsBeingDeleted(t *testing.T) {
	now := metav1.Unix(1_700_000_000, 0)
	ending := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kubectl-checklist", DeletionTimestamp: &now}}
	t.Run("is waited for", faked(func(t *testing.T) {
		s := newAPIServer(t, "a")
		s.namespaces["kubectl-checklist"] = ending
		opts := s.options()
		opts.Announce = func(line string) {
			if !strings.Contains(line, "kubectl-checklist (new, after the old one is deleted):") {
				t.Errorf("announced %q", line)
			}
			time.AfterFunc(80*time.Millisecond, func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				delete(s.namespaces, "kubectl-checklist")
			})
		}
		run(t, opts, factNodes("a"), []string{"a"}, nil)
		s.wantLeft()
	}))
	t.Run("but not forever", faked(func(t *testing.T) {
		s := newAPIServer(t, "a")
		s.namespaces["kubectl-checklist"] = ending
		run(t, s.options(), factNodes("a"), nil, gapsOf("a", fact.AdmissionDenied,
			`creating namespace kubectl-checklist: namespaces "kubectl-checklist" is forbidden: it cannot be used because it is being terminated (since 2023-11-14 22:13:20 +0000 UTC)`,
			"try again after the namespace is deleted"))
		s.wantLeft("namespace/kubectl-checklist")
	}))
}

func TestLongRunsRenewTheTimeToLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t, "a")
		var mu sync.Mutex
		var patches int
		s.intercept = func(w http.ResponseWriter, r *http.Request, what string) bool {
			if what == "PATCH jobs" {
				body, err := io.ReadAll(r.Body)
				if err != nil || !strings.Contains(string(body), `"uid":"the job's"`) {
					t.Errorf("patch %s, error %v, expected one of that very job", body, err)
				}
				r.Body = io.NopCloser(bytes.NewReader(body))
				mu.Lock()
				patches++
				mu.Unlock()
			}
			return false
		}
		opts, err := s.options().complete()
		if err != nil {
			t.Fatal(err)
		}
		s.jobs["checklist-run1"] = opts.job("x", opts.ttl())
		s.jobs["checklist-run1"].UID = "the job's"
		s.jobs["checklist-run1"].Annotations = map[string]string{}
		session := &session{Options: opts, owner: ownerOf(s.jobs["checklist-run1"])}
		session.Timeout = -time.Minute + 30*time.Millisecond // a time to live of 30 ms
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		session.renew(ctx)
		mu.Lock()
		defer mu.Unlock()
		if patches < 3 {
			t.Errorf("renewed %d times in 100 ms, expected every 10 ms", patches)
		}
	})
}
