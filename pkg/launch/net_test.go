package launch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/wire"
)

// netOptions are options for both pods of a node.
func (s *apiServer) netOptions() Options {
	opts := s.options()
	opts.Net = true
	opts.Kinds = []fact.Kind{fact.Processes, fact.NodeTLS, fact.Etcd, fact.ServerTLS}
	opts.NetEmbedded = func(arch string) ([]byte, error) { return []byte("a net probe for " + arch), nil }
	return opts
}

// listener is what a net pod finds in these tests.
func listener(port int) fact.Listener {
	return fact.Listener{Address: "0.0.0.0", Port: port, Purpose: fact.KubeletAPI, Protocol: fact.SpeaksTLS}
}

// netAnswer returns the termination message of a net pod.
func netAnswer(t *testing.T, edit func(*fact.Measurement)) string {
	m := &fact.Measurement{Level: fact.LevelNet, Listeners: []fact.Listener{listener(10250)}, Read: []fact.Kind{fact.NodeTLS, fact.ServerTLS}}
	if edit != nil {
		edit(m)
	}
	return encoded(t, m)
}

func inNetwork(m *fact.Measurement, inode uint64) *fact.Measurement {
	m.HostNetNS = inode
	return m
}

// encoded returns the termination message of a measurement.
func encoded(t *testing.T, m *fact.Measurement) string {
	message, err := wire.Encode(m, wire.Options{Version: "test"})
	if err != nil {
		t.Error(err)
	}
	return string(message.Trailer)
}

func isNet(pod *corev1.Pod) bool { return pod.Spec.HostNetwork }

// gapsAbout returns the gaps of a node for some kinds.
func gapsAbout(node string, f Failure, kinds ...fact.Kind) []fact.Gap {
	return gapsFor(node, kinds, &f)
}

// Every node gets both pods, one after the other, and one slot. Both answers are one
// measurement.
func TestEachNodeGetsBothPods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t, "a", "b", "c")
		var mu sync.Mutex
		order := map[string][]string{}
		s.kubelet = func(pod *corev1.Pod) {
			mu.Lock()
			order[pod.Spec.NodeName] = append(order[pod.Spec.NodeName], pod.Name)
			mu.Unlock()
			time.Sleep(10 * time.Millisecond)
			if isNet(pod) {
				s.succeed(pod.Name, netAnswer(t, nil))
				return
			}
			s.succeed(pod.Name, answer(t, pod.Spec.NodeName))
		}
		opts := s.netOptions()
		opts.MaxInFlight = 2
		var lines, progress []string
		opts.Announce = func(line string) { lines = append(lines, line) }
		opts.Progress = func(done, failed, total int) {
			progress = append(progress, strings.Repeat("#", done)+strings.Repeat("!", failed)+strings.Repeat(".", total-done))
		}
		measured, gaps, err := Measure(t.Context(), opts, factNodes("a", "b", "c"))
		if err != nil || len(gaps) > 0 {
			t.Errorf("gaps %v, error %v", gaps, err)
		}
		want := map[string]*fact.Measurement{}
		for _, node := range []string{"a", "b", "c"} {
			want[node] = measurement(node)
			want[node].Read = []fact.Kind{fact.Processes, fact.NodeTLS, fact.ServerTLS}
			want[node].Listeners = []fact.Listener{listener(10250)}
		}
		if diff := cmp.Diff(want, measured, cmpMask); diff != "" {
			t.Errorf("measured (-want +got):\n%s", diff)
		}
		wantOrder := map[string][]string{
			"a": {"checklist-run1-0000", "checklist-run1-net-0000"},
			"b": {"checklist-run1-0001", "checklist-run1-net-0001"},
			"c": {"checklist-run1-0002", "checklist-run1-net-0002"},
		}
		if diff := cmp.Diff(wantOrder, order); diff != "" {
			t.Errorf("pods (-want +got):\n%s", diff)
		}
		if s.most != 2 {
			t.Errorf("%d pods at once, expected 2: a node's second pod has its slot", s.most)
		}
		wantLines := []string{"creating in namespace kubectl-checklist (new): 1 job, 4 ConfigMaps, 3 pods (one for each node, 2 at once) " +
			"with hostPID, uid 0, SYS_PTRACE, DAC_READ_SEARCH, and then 3 pods (one for each node, 2 at once) with the host's network, uid 65534, " +
			"no capability, for TLS handshakes with what listens on the node itself (at most 8 connections to each listener, one request without " +
			"credentials among them); not privileged, no host mount, no token; the run removes everything at its end; --no-probe creates nothing"}
		if diff := cmp.Diff(wantLines, lines); diff != "" {
			t.Errorf("announced (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"#..", "##.", "###"}, progress); diff != "" {
			t.Errorf("progress (-want +got):\n%s", diff)
		}
		s.wantLeft()
	})
}

// Only the pods that somebody asked for are created.
func TestPodsOfOneLevelOnly(t *testing.T) {
	for name, tc := range map[string]struct {
		edit func(*Options)
		want []string
	}{
		"no kind of handshakes":       {func(o *Options) { o.Kinds = []fact.Kind{fact.Etcd} }, []string{"checklist-run1-0000"}},
		"only kinds of handshakes":    {func(o *Options) { o.Kinds = []fact.Kind{fact.ServerTLS} }, []string{"checklist-run1-net-0000"}},
		"level net alone":             {func(o *Options) { o.Level = fact.LevelAPI }, []string{"checklist-run1-net-0000"}},
		"no level net":                {func(o *Options) { o.Net = false }, []string{"checklist-run1-0000"}},
		"level net, no kind for it":   {func(o *Options) { o.Level, o.Kinds = fact.LevelAPI, []fact.Kind{fact.Etcd} }, nil},
		"an image with both programs": {func(o *Options) { o.Image = "example.com/probe:1" }, []string{"checklist-run1-0000", "checklist-run1-net-0000"}},
	} {
		t.Run(name, faked(func(t *testing.T) {
			s := newAPIServer(t, "a")
			var mu sync.Mutex
			var pods []string
			s.kubelet = func(pod *corev1.Pod) {
				mu.Lock()
				pods = append(pods, pod.Name)
				mu.Unlock()
				if isNet(pod) {
					s.succeed(pod.Name, netAnswer(t, nil))
					return
				}
				s.succeed(pod.Name, answer(t, "a"))
			}
			opts := s.netOptions()
			tc.edit(&opts)
			_, gaps, err := Measure(t.Context(), opts, factNodes("a"))
			if err != nil || len(gaps) > 0 {
				t.Errorf("gaps %v, error %v", gaps, err)
			}
			if diff := cmp.Diff(tc.want, pods); diff != "" {
				t.Errorf("pods (-want +got):\n%s", diff)
			}
			s.wantLeft()
		}))
	}
}

// What fails of one pod costs nothing of the other, and nothing of other nodes.
func TestAPodCostsOnlyItsOwnKinds(t *testing.T) {
	files, net := []fact.Kind{fact.Processes, fact.Etcd}, []fact.Kind{fact.NodeTLS, fact.ServerTLS}
	both := slices.Sorted(slices.Values(slices.Concat(files, net)))
	slices.SortFunc(both, func(a, b fact.Kind) int {
		return slices.Index(fact.Kinds(), a) - slices.Index(fact.Kinds(), b)
	})
	killed := func(s *apiServer, pod *corev1.Pod) {
		s.end(pod.Name, corev1.PodFailed, corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled"})
	}
	for name, tc := range map[string]struct {
		edit      func(s *apiServer, o *Options)
		files     func(s *apiServer, pod *corev1.Pod) // nil: it answers
		net       func(s *apiServer, pod *corev1.Pod)
		want      []fact.Gap
		filesRead bool
		netRead   bool
		network   uint64 // of the node's first process
		pods      int
	}{
		"the second pod is killed": {
			net: killed, filesRead: true, pods: 2,
			want: gapsAbout("b", Failure{Reason: fact.ProbeFailed, Detail: "the probe used more than its 64 MiB of memory and was killed"}, net...),
		},
		"the first pod is killed": {
			files: killed, netRead: true, pods: 2,
			want: gapsAbout("b", Failure{Reason: fact.ProbeFailed, Detail: "the probe used more than its 160 MiB of memory and was killed"}, files...),
		},
		"the first pod takes all the time": {
			edit: func(_ *apiServer, o *Options) { o.Timeout, o.timing.least = 10*time.Second, 5*time.Second },
			files: func(s *apiServer, pod *corev1.Pod) {
				time.Sleep(6 * time.Second)
				s.succeed(pod.Name, answer(s.t, "b"))
			},
			pods: 1, filesRead: true,
			want: gapsAbout("b", Failure{
				Reason: fact.Timeout, Detail: "the node's first pod took the 10s that both have, so no pod was created for the handshakes",
				Hint: "use a longer --probe-timeout",
			}, net...),
		},
		"the second pod does not end": {
			edit: func(_ *apiServer, o *Options) { o.Timeout = 300 * time.Millisecond },
			net:  func(s *apiServer, pod *corev1.Pod) { s.waits(pod.Name, "ContainerCreating", "") }, filesRead: true, pods: 2,
			want: gapsAbout("b", Failure{
				Reason: fact.Timeout, Detail: "no answer within 300ms; the pod was Pending (ContainerCreating)", Hint: "use a longer --probe-timeout",
			}, net...),
		},
		"a second pod that somebody deletes is created again": {
			net: func(s *apiServer, pod *corev1.Pod) {
				if strings.HasSuffix(pod.Name, "-1") {
					s.succeed(pod.Name, netAnswer(s.t, nil))
					return
				}
				s.mu.Lock()
				defer s.mu.Unlock()
				delete(s.pods, pod.Name)
				s.rv++
				s.event("DELETED", pod)
			}, filesRead: true, netRead: true, pods: 3,
		},
		"a node that stops gets no second pod": {
			edit: func(_ *apiServer, o *Options) { o.Timeout = time.Minute },
			files: func(s *apiServer, pod *corev1.Pod) {
				s.mu.Lock()
				defer s.mu.Unlock()
				delete(s.nodes, "b")
			}, pods: 1,
			want: gapsAbout("b", Failure{Reason: fact.NotReady, Detail: "the node was deleted during the run"}, both...),
		},
		"the second pod begins with the image in which the first one ran": {
			edit: func(s *apiServer, _ *Options) {
				s.nodes["b"].Status.Images = append(s.nodes["b"].Status.Images, corev1.ContainerImage{Names: []string{"example.com/small:1"}, SizeBytes: 5})
			},
			files: func(s *apiServer, pod *corev1.Pod) {
				if pod.Spec.Containers[0].Image != "example.com/small:1" {
					s.waits(pod.Name, "ErrImageNeverPull", "not there")
					return
				}
				s.succeed(pod.Name, answer(s.t, "b"))
			},
			net: func(s *apiServer, pod *corev1.Pod) {
				if image := pod.Spec.Containers[0].Image; image != "example.com/small:1" {
					s.t.Errorf("image %s", image)
				}
				s.succeed(pod.Name, netAnswer(s.t, nil))
			}, filesRead: true, netRead: true, pods: 3,
		},
		"an answer of the other program": {
			net: func(s *apiServer, pod *corev1.Pod) { s.succeed(pod.Name, answer(s.t, "b")) }, filesRead: true, pods: 2,
			want: gapsAbout("b", Failure{Reason: fact.ProbeFailed, Detail: `expected an answer of a probe of level net, found one of level "full"`}, net...),
		},
		"an answer of the other program, in the first pod": {
			files: func(s *apiServer, pod *corev1.Pod) { s.succeed(pod.Name, netAnswer(s.t, nil)) }, netRead: true, pods: 2,
			want: gapsAbout("b", Failure{Reason: fact.ProbeFailed, Detail: `expected an answer of a probe of level full, found one of level "net"`}, files...),
		},
		"a second pod in another network than the node": {
			files: func(s *apiServer, pod *corev1.Pod) { s.succeed(pod.Name, encoded(s.t, inNetwork(measurement("b"), 7))) },
			net: func(s *apiServer, pod *corev1.Pod) {
				s.succeed(pod.Name, netAnswer(s.t, func(m *fact.Measurement) { m.HostNetNS = 8 }))
			}, filesRead: true, network: 7, pods: 2,
			want: gapsAbout("b", Failure{
				Reason: fact.Refused,
				Detail: "the pod with the host's network was in network namespace 8, and the node's first process is in 7; the pod's answer was refused",
			}, net...),
		},
		"a second pod that does not say in which network it is": {
			files: func(s *apiServer, pod *corev1.Pod) { s.succeed(pod.Name, encoded(s.t, inNetwork(measurement("b"), 7))) },
			net: func(s *apiServer, pod *corev1.Pod) {
				s.succeed(pod.Name, netAnswer(s.t, nil))
			}, filesRead: true, network: 7, pods: 2,
			want: gapsAbout("b", Failure{
				Reason: fact.Refused,
				Detail: "the pod with the host's network was in an unknown network namespace, and the node's first process is in 7; the pod's answer was refused",
			}, net...),
		},
		"a first pod speaks of no handshakes": {
			files: func(s *apiServer, pod *corev1.Pod) {
				m := measurement("b")
				m.Read = append(m.Read, net...)
				m.Listeners = []fact.Listener{listener(2379)}
				m.Gaps = append(m.Gaps, fact.NodeGap{What: fact.ServerTLS, Reason: fact.NotPresent, Detail: "nothing listens"})
				s.succeed(pod.Name, encoded(s.t, m))
			}, filesRead: true, netRead: true, pods: 2,
		},
		"a first pod speaks of handshakes that were not made": {
			files: func(s *apiServer, pod *corev1.Pod) {
				m := measurement("b")
				m.Read = append(m.Read, net...)
				m.Listeners = []fact.Listener{listener(2379)}
				m.Gaps = append(m.Gaps, fact.NodeGap{What: fact.ServerTLS, Reason: fact.NotPresent, Detail: "nothing listens"})
				s.succeed(pod.Name, encoded(s.t, m))
			},
			net: killed, filesRead: true, pods: 2,
			want: gapsAbout("b", Failure{Reason: fact.ProbeFailed, Detail: "the probe used more than its 64 MiB of memory and was killed"}, net...),
		},
		"a second pod in the node's network": {
			files: func(s *apiServer, pod *corev1.Pod) { s.succeed(pod.Name, encoded(s.t, inNetwork(measurement("b"), 7))) },
			net: func(s *apiServer, pod *corev1.Pod) {
				s.succeed(pod.Name, netAnswer(s.t, func(m *fact.Measurement) { m.HostNetNS = 7 }))
			}, filesRead: true, netRead: true, network: 7, pods: 2,
		},
		"a second pod speaks of no other kinds": {
			net: func(s *apiServer, pod *corev1.Pod) {
				s.succeed(pod.Name, netAnswer(s.t, func(m *fact.Measurement) {
					m.Read = append(m.Read, fact.Etcd, fact.Processes)
					m.Gaps = []fact.NodeGap{{What: fact.Etcd, Reason: fact.NotPresent}}
					m.Host.Hostname = "another"
				}))
			}, filesRead: true, netRead: true, pods: 2,
		},
	} {
		t.Run(name, faked(func(t *testing.T) {
			s := newAPIServer(t, "a", "b")
			var mu sync.Mutex
			pods := 0
			s.kubelet = func(pod *corev1.Pod) {
				b := pod.Spec.NodeName == "b"
				if b {
					mu.Lock()
					pods++
					mu.Unlock()
				}
				switch {
				case b && isNet(pod) && tc.net != nil:
					tc.net(s, pod)
				case b && !isNet(pod) && tc.files != nil:
					tc.files(s, pod)
				case isNet(pod):
					s.succeed(pod.Name, netAnswer(t, nil))
				default:
					s.succeed(pod.Name, answer(t, pod.Spec.NodeName))
				}
			}
			opts := s.netOptions()
			if tc.edit != nil {
				tc.edit(s, &opts)
			}
			measured, gaps, err := Measure(t.Context(), opts, factNodes("a", "b"))
			if err != nil {
				t.Errorf("error: %v", err)
			}
			whole := func(node string, files, net bool) *fact.Measurement {
				m := measurement(node)
				if !files {
					m = &fact.Measurement{Level: fact.LevelNet, Read: []fact.Kind{}}
				}
				if net {
					m.Read = append(m.Read, fact.NodeTLS, fact.ServerTLS)
					m.Listeners = []fact.Listener{listener(10250)}
				}
				return m
			}
			want := map[string]*fact.Measurement{"a": whole("a", true, true)}
			if tc.filesRead || tc.netRead {
				want["b"] = inNetwork(whole("b", tc.filesRead, tc.netRead), tc.network)
			}
			if diff := cmp.Diff(want, measured, cmpMask, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("measured (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.want, gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			if pods != tc.pods {
				t.Errorf("%d pods on node b, expected %d", pods, tc.pods)
			}
			s.wantLeft()
		}))
	}
}

// A policy that refuses the pods of one level costs only these, whether the namespace
// exists or is created.
func TestPreflightOfEachLevel(t *testing.T) {
	const refusal = `admission webhook "net.example.com" denied the request: no host network here`
	for _, exists := range []bool{true, false} {
		for _, refused := range []fact.Level{fact.LevelFull, fact.LevelNet} {
			name := "pods of level " + string(refused) + " in a new namespace"
			if exists {
				name = "pods of level " + string(refused) + " in a namespace that exists"
			}
			t.Run(name, faked(func(t *testing.T) {
				s := newAPIServer(t, "a", "b")
				if exists {
					s.namespaces["kubectl-checklist"] = &corev1.Namespace{}
					s.namespaces["kubectl-checklist"].Name = "kubectl-checklist"
				}
				s.kubelet = func(pod *corev1.Pod) {
					if isNet(pod) {
						s.succeed(pod.Name, netAnswer(t, nil))
						return
					}
					s.succeed(pod.Name, answer(t, pod.Spec.NodeName))
				}
				s.intercept = func(w http.ResponseWriter, r *http.Request, what string) bool {
					if !strings.HasPrefix(what, "POST pods") {
						return false
					}
					body, again := peek(t, r)
					if again(); strings.Contains(body, `"hostNetwork":true`) != (refused == fact.LevelNet) {
						return false
					}
					s.fail(w, apierrors.NewForbidden(corev1.Resource("pods"), "x", errors.New(refusal)))
					return true
				}
				opts := s.netOptions()
				var announced string
				opts.Announce = func(line string) { announced = line }
				measured, gaps, err := Measure(t.Context(), opts, factNodes("a", "b"))
				if err != nil || len(measured) != 2 {
					t.Errorf("measured %v, error %v", measured, err)
				}
				lost := []fact.Kind{fact.NodeTLS, fact.ServerTLS}
				if refused == fact.LevelFull {
					lost = []fact.Kind{fact.Processes, fact.Etcd}
				}
				f := Failure{
					Reason: fact.AdmissionDenied,
					Detail: `trying to create a pod in namespace kubectl-checklist: pods "x" is forbidden: ` + refusal,
					Hint:   "a policy of this cluster refuses the probe: exempt namespace kubectl-checklist from it, or use --probe-namespace with an exempt one, or --no-probe",
				}
				if diff := cmp.Diff(append(gapsAbout("a", f, lost...), gapsAbout("b", f, lost...)...), gaps); diff != "" {
					t.Errorf("gaps (-want +got):\n%s", diff)
				}
				if exists && strings.Contains(announced, "host's network") == (refused == fact.LevelNet) {
					t.Errorf("announced %q", announced)
				}
				left := []string{}
				if exists {
					left = append(left, "namespace/kubectl-checklist")
				}
				s.wantLeft(left...)
			}))
		}
	}
}

// A build without the second program measures the rest.
func TestProgramThatIsNotBuilt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t, "a", "b")
		s.kubelet = func(pod *corev1.Pod) {
			if isNet(pod) {
				s.succeed(pod.Name, netAnswer(t, nil))
				return
			}
			s.succeed(pod.Name, answer(t, pod.Spec.NodeName))
		}
		opts := s.netOptions()
		var announced string
		opts.Announce = func(line string) { announced = line }
		opts.NetEmbedded = func(arch string) ([]byte, error) {
			if arch == "arm64" {
				return nil, errors.New("not built")
			}
			return []byte("a net probe"), nil
		}
		nodes := factNodes("a", "b")
		nodes[0].Arch = "arm64"
		measured, gaps, err := Measure(t.Context(), opts, nodes)
		if err != nil || len(measured) != 2 || measured["a"].HasRead(fact.NodeTLS) || !measured["b"].HasRead(fact.NodeTLS) {
			t.Errorf("measured %v, error %v", measured, err)
		}
		f := Failure{Reason: fact.ProbeFailed, Detail: "not built", Hint: "use --probe-image with an image that can be pulled"}
		if diff := cmp.Diff(gapsAbout("a", f, fact.NodeTLS, fact.ServerTLS), gaps); diff != "" {
			t.Errorf("gaps (-want +got):\n%s", diff)
		}
		if !strings.Contains(announced, ", 6 ConfigMaps, 2 pods (one for each node, 2 at once) with hostPID") || !strings.Contains(announced, ", and then 1 pod with the host's network") {
			t.Errorf("announced %q", announced)
		}
		s.wantLeft()
	})
}

// A quota of one pod admits the second pod some time after the first one was deleted.
func TestQuotaOfOnePodAdmitsBothPods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t, "a")
		refused := 0
		s.kubelet = func(pod *corev1.Pod) {
			if isNet(pod) {
				s.succeed(pod.Name, netAnswer(t, nil))
				return
			}
			s.succeed(pod.Name, answer(t, "a"))
		}
		s.intercept = func(w http.ResponseWriter, r *http.Request, what string) bool {
			if what != "POST pods" {
				return false
			}
			body, again := peek(t, r)
			again()
			s.mu.Lock()
			defer s.mu.Unlock()
			if !strings.Contains(body, `"hostNetwork":true`) || refused == 3 {
				return false
			}
			refused++
			s.fail(w, apierrors.NewForbidden(corev1.Resource("pods"), "x", errors.New("exceeded quota: one, requested: pods=1, used: pods=1, limited: pods=1")))
			return true
		}
		measured, gaps, err := Measure(t.Context(), s.netOptions(), factNodes("a"))
		if err != nil || len(gaps) > 0 || !measured["a"].HasRead(fact.ServerTLS) {
			t.Errorf("measured %v, gaps %v, error %v", measured, gaps, err)
		}
		if refused != 3 {
			t.Errorf("refused %d times, expected 3", refused)
		}
		s.wantLeft()
	})
}

// A run that is stopped during a second pod keeps the answer of the first one.
func TestInterruptedDuringTheSecondPod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t, "a")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s.kubelet = func(pod *corev1.Pod) {
			if isNet(pod) {
				cancel()
				return
			}
			s.succeed(pod.Name, answer(t, "a"))
		}
		measured, gaps, err := Measure(ctx, s.netOptions(), factNodes("a"))
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(map[string]*fact.Measurement{"a": measurement("a")}, measured, cmpMask); diff != "" {
			t.Errorf("measured (-want +got):\n%s", diff)
		}
		f := Failure{Reason: fact.Interrupted, Detail: "the run was stopped before this node was measured"}
		if diff := cmp.Diff(gapsAbout("a", f, fact.NodeTLS, fact.ServerTLS), gaps); diff != "" {
			t.Errorf("gaps (-want +got):\n%s", diff)
		}
		s.wantLeft()
	})
}

// However early a run with both pods is stopped, nothing stays, and every kind has facts
// or a gap.
func TestInterruptedAtEachRequestOfBothPods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for n := 1; n < 60; n++ {
			s := newAPIServer(t, "a")
			s.kubelet = func(pod *corev1.Pod) {
				if isNet(pod) {
					s.succeed(pod.Name, netAnswer(t, nil))
					return
				}
				s.succeed(pod.Name, answer(t, "a"))
			}
			ctx, cancel := context.WithCancel(t.Context())
			var mu sync.Mutex
			seen := 0
			s.intercept = func(http.ResponseWriter, *http.Request, string) bool {
				mu.Lock()
				defer mu.Unlock()
				if seen++; seen == n {
					cancel()
				}
				return false
			}
			measured, gaps, err := Measure(ctx, s.netOptions(), factNodes("a"))
			if err != nil {
				t.Errorf("stopped at request %d: %v", n, err)
			}
			m := measured["a"]
			for _, half := range []struct{ read, other fact.Kind }{{fact.Processes, fact.Etcd}, {fact.NodeTLS, fact.ServerTLS}} {
				missing := 0
				for _, g := range gaps {
					if g.What == half.read || g.What == half.other {
						missing++
					}
				}
				if m.HasRead(half.read) != (missing == 0) || missing == 1 {
					t.Errorf("stopped at request %d: %s read: %v, %d gaps", n, half.read, m.HasRead(half.read), missing)
				}
			}
			s.wantLeft()
			cancel()
		}
	})
}

// What the second pod dials besides comes from the first one's answer, checked again.
func TestListenersOf(t *testing.T) {
	socket := func(address string, port int) fact.Socket { return fact.Socket{Address: address, Port: port} }
	with := func(program fact.ComponentProgram, sockets []fact.Socket, settings ...fact.Setting) fact.Component {
		return fact.Component{Program: program, Sockets: sockets, SocketsRead: true, Settings: settings}
	}
	for name, tc := range map[string]struct {
		components []fact.Component
		want       []string
	}{
		"etcd at other ports, without its metrics": {
			[]fact.Component{with(fact.ProgramEtcd,
				[]fact.Socket{socket("10.0.0.1", 12379), socket("127.0.0.1", 12379), socket("10.0.0.1", 12380), socket("127.0.0.1", 2381)},
				fact.Setting{Name: "listen-client-urls", Value: "https://127.0.0.1:12379,https://10.0.0.1:12379"},
				fact.Setting{Name: "listen-peer-urls", Value: "https://10.0.0.1:12380"})},
			[]string{"10.0.0.1:12379=etcd-client", "10.0.0.1:12380=etcd-peer", "127.0.0.1:12379=etcd-client"},
		},
		"etcd's HTTP gateway at a port of its own": {
			[]fact.Component{with(fact.ProgramEtcd,
				[]fact.Socket{socket("10.0.0.1", 2379), socket("10.0.0.1", 2382), socket("127.0.0.1", 2381)},
				fact.Setting{Name: "listen-client-urls", Value: "https://10.0.0.1:2379"},
				fact.Setting{Name: "listen-client-http-urls", Value: "http://10.0.0.1:2382"})},
			[]string{"10.0.0.1:2379=etcd-client", "10.0.0.1:2382=etcd-client"},
		},
		"etcd inside k3s, without its metrics": {
			[]fact.Component{with(fact.ProgramK3s, []fact.Socket{socket("127.0.0.1", 2379), socket("127.0.0.1", 2381), socket("127.0.0.1", 2382), socket("::", 6444)},
				fact.Setting{Name: "https-listen-port", Value: "6443"})},
			[]string{"127.0.0.1:2379=etcd-client", "127.0.0.1:2382=etcd-client"},
		},
		"usual ports without settings": {
			[]fact.Component{with(fact.ProgramEtcd, []fact.Socket{socket("::", 2379), socket("::", 2380), socket("::", 2381)})},
			[]string{"[::]:2379=etcd-client", "[::]:2380=etcd-peer"},
		},
		"a setting moves the usual port": {
			[]fact.Component{with(fact.ProgramAPIServer, []fact.Socket{socket("0.0.0.0", 6443), socket("0.0.0.0", 443)}, fact.Setting{Name: "secure-port", Value: "443"})},
			[]string{"0.0.0.0:443=apiserver"},
		},
		"an API server's insecure port": {
			[]fact.Component{with(fact.ProgramAPIServer, []fact.Socket{socket("127.0.0.1", 8080), socket("::", 6443)}, fact.Setting{Name: "secure-port", Value: "6443"})},
			[]string{"127.0.0.1:8080=apiserver", "[::]:6443=apiserver"},
		},
		"an API server's insecure port, moved": {
			[]fact.Component{with(fact.ProgramAPIServer, []fact.Socket{socket("0.0.0.0", 8081), socket("::", 6443)}, fact.Setting{Name: "insecure-port", Value: "8081"})},
			[]string{"0.0.0.0:8081=apiserver", "[::]:6443=apiserver"},
		},
		"kine": {
			[]fact.Component{with(fact.ProgramKine, []fact.Socket{socket("0.0.0.0", 2379), socket("0.0.0.0", 8080)})},
			[]string{"0.0.0.0:2379=kine"},
		},
		"a proxy by the kubelet's kubeconfig": {
			[]fact.Component{
				with(fact.ProgramProxy, []fact.Socket{socket("127.0.0.1", 8443), socket("127.0.0.1", 8081)}),
				with(fact.ProgramKubelet, nil, fact.Setting{Name: "kubeconfig-server", Value: "https://localhost:8443"}),
			},
			[]string{"127.0.0.1:8443=apiserver-proxy"},
		},
		"a proxy of https alone": {
			[]fact.Component{
				with(fact.ProgramProxy, []fact.Socket{socket("127.0.0.1", 443)}),
				with(fact.ProgramKubelet, nil, fact.Setting{Name: "kubeconfig-server", Value: "https://[::1]"}),
			},
			[]string{"127.0.0.1:443=apiserver-proxy"},
		},
		"a runtime's one socket": {
			[]fact.Component{with(fact.ProgramContainerd, []fact.Socket{socket("127.0.0.1", 40123)})},
			[]string{"127.0.0.1:40123=runtime-streaming"},
		},
		"a runtime's two sockets": {
			[]fact.Component{with(fact.ProgramContainerd, []fact.Socket{socket("127.0.0.1", 40123), socket("127.0.0.1", 1338)})}, nil,
		},
		"addresses that are none": {
			[]fact.Component{with(fact.ProgramEtcd, []fact.Socket{
				socket("$(HOME)", 2379), socket("example.com", 2379), socket("10.0.0.1,--kinds=x", 2379), socket("fe80::1%eth0", 2379), socket("", 2379),
			})}, nil,
		},
		"ports that are none": {
			[]fact.Component{with(fact.ProgramKubelet, []fact.Socket{socket("0.0.0.0", 0), socket("0.0.0.0", -1), socket("0.0.0.0", 65536)},
				fact.Setting{Name: "port", Value: "0,-1,65536"})}, nil,
		},
		"another network namespace": {
			[]fact.Component{with(fact.ProgramEtcd, []fact.Socket{{Address: "0.0.0.0", Port: 2379, Netns: 7}})}, nil,
		},
		"a program that is not ours": {
			[]fact.Component{with("sshd", []fact.Socket{socket("0.0.0.0", 22)})}, nil,
		},
		"the same twice": {
			[]fact.Component{with(fact.ProgramKubelet, []fact.Socket{socket("::", 10250), socket("::", 10250)})},
			[]string{"[::]:10250=kubelet"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(strings.Join(tc.want, ","), argument(ListenersOf(&fact.Measurement{Components: tc.components}))); diff != "" {
				t.Errorf("listeners (-want +got):\n%s", diff)
			}
		})
	}
	var many []fact.Socket
	for i := range 1000 {
		many = append(many, socket("10.0.0.1", 20000+i))
	}
	var ports []string
	for i := range 1000 {
		ports = append(ports, "https://10.0.0.1:"+strconv.Itoa(20000+i))
	}
	got := ListenersOf(&fact.Measurement{Components: []fact.Component{with(fact.ProgramEtcd, many, fact.Setting{Name: "listen-client-urls", Value: strings.Join(ports, ",")})}})
	if len(got) != fact.MaxListeners {
		t.Errorf("%d listeners, expected %d", len(got), fact.MaxListeners)
	}
	// A cloud controller runs in an ordinary pod, so its sockets can be anybody's.
	got = ListenersOf(&fact.Measurement{Components: []fact.Component{
		with(fact.ProgramCloudController, many, fact.Setting{Name: "secure-port", Value: strings.Join(ports, ",")}),
		with(fact.ProgramEtcd, []fact.Socket{socket("10.0.0.1", 12379)}, fact.Setting{Name: "listen-client-urls", Value: "https://10.0.0.1:12379"}),
	}})
	if len(got) != fact.MaxListeners || got[netip.MustParseAddrPort("10.0.0.1:12379")] != fact.EtcdClient {
		t.Errorf("expected %d listeners and etcd among them, found %v", fact.MaxListeners, got)
	}
	// A node can send any number of programs, sockets and ports.
	server := fact.Setting{Name: "kubeconfig-server", Value: strings.Repeat("https://a:1,", 1000)}
	hostile := slices.Concat(slices.Repeat([]fact.Component{with(fact.ProgramKubelet, nil, server)}, 5000),
		slices.Repeat([]fact.Component{with(fact.ProgramProxy, many)}, 5000))
	slices.Reverse(hostile[100:])
	began := time.Now()
	if got := ListenersOf(&fact.Measurement{Components: hostile}); len(got) > 0 {
		t.Errorf("found %v", got)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
	if len(ListenersOf(nil)) > 0 {
		t.Error("listeners without a measurement")
	}
}

// peek reads a request's body; again puts it back.
func peek(t *testing.T, r *http.Request) (body string, again func()) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	return string(data), func() { r.Body = io.NopCloser(bytes.NewReader(data)) }
}

// Each case changes one field of the pod of level net. What would give it more than it
// asked for, or take the host's network from it, counts.
func TestComparePodOfLevelNet(t *testing.T) {
	type pod = corev1.Pod
	for name, tc := range map[string]struct {
		edit func(*pod)
		want []string
	}{
		"nothing but defaults": {func(*pod) {}, nil},
		"an SELinux level": {func(p *pod) {
			p.Spec.SecurityContext.SELinuxOptions = &corev1.SELinuxOptions{Level: "s0:c1,c2"}
		}, nil},
		"DNS":                  {func(p *pod) { p.Spec.DNSPolicy = corev1.DNSClusterFirstWithHostNet }, nil},
		"no host network":      {func(p *pod) { p.Spec.HostNetwork = false }, []string{"spec.hostNetwork: sent true, returned nothing"}},
		"the host's processes": {func(p *pod) { p.Spec.HostPID = true }, []string{"spec.hostPID: sent nothing, returned true"}},
		"another uid": {
			func(p *pod) { p.Spec.Containers[0].SecurityContext.RunAsUser = new(int64(0)) },
			[]string{"spec.containers[probe].securityContext.runAsUser: sent 65534, returned 0"},
		},
		"a capability": {
			func(p *pod) { p.Spec.Containers[0].SecurityContext.Capabilities.Add = []corev1.Capability{"NET_RAW"} },
			[]string{`spec.containers[probe].securityContext.capabilities.add[0]: sent nothing, returned "NET_RAW"`},
		},
		"another SELinux type": {func(p *pod) {
			p.Spec.SecurityContext.SELinuxOptions = &corev1.SELinuxOptions{Type: "spc_t"}
		}, []string{`spec.securityContext.seLinuxOptions.type: sent nothing, returned "spc_t"`}},
		"no seccomp": {
			func(p *pod) { p.Spec.SecurityContext.SeccompProfile = nil },
			[]string{`spec.securityContext.seccompProfile: sent {"type":"RuntimeDefault"}, returned nothing`},
		},
		"other addresses": {
			func(p *pod) { p.Spec.Containers[0].Env[0] = corev1.EnvVar{Name: "HOST_IPS", Value: "10.0.0.1"} },
			[]string{
				"spec.containers[probe].env[0].value: sent nothing, returned a value (not shown)",
				"spec.containers[probe].env[0].valueFrom.fieldRef.fieldPath: sent a value (not shown), returned nothing",
			},
		},
		"another program": {
			func(p *pod) { p.Spec.Containers[0].Command = []string{"/bin/sh"} },
			[]string{`spec.containers[probe].command[0]: sent "/checklist-probe-net", returned "/bin/sh"`},
		},
		"less memory": {
			func(p *pod) {
				p.Spec.Containers[0].Resources.Limits[corev1.ResourceMemory] = resource.MustParse("32Mi")
			},
			[]string{`spec.containers[probe].resources.limits[memory]: sent "64Mi", returned "32Mi"`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			sent := podOfLevel(t, "example.com/probe:1", fact.LevelNet)
			returned := asReturned(sent)
			tc.edit(returned)
			if diff := cmp.Diff(tc.want, differences(t, podShape(false), sent, returned)); diff != "" {
				t.Errorf("differences (-want +got):\n%s", diff)
			}
		})
	}
}

// The pod of level net has no right but the host's network, whatever runs it.
func TestPodOfLevelNet(t *testing.T) {
	for _, image := range []string{ImageEmbedded, "example.com/probe:1"} {
		pod := podOfLevel(t, image, fact.LevelNet)
		spec, c := pod.Spec, pod.Spec.Containers[0]
		sc := c.SecurityContext
		if !spec.HostNetwork || spec.HostPID || spec.HostIPC || spec.DNSPolicy != corev1.DNSDefault || *spec.AutomountServiceAccountToken || *spec.EnableServiceLinks {
			t.Errorf("%s: spec %+v", image, spec)
		}
		if *sc.Privileged || *sc.AllowPrivilegeEscalation || !*sc.ReadOnlyRootFilesystem || !*sc.RunAsNonRoot || *sc.RunAsUser != 65534 || *sc.RunAsGroup != 65534 ||
			!slices.Equal(sc.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(sc.Capabilities.Add) > 0 || sc.AppArmorProfile != nil || sc.SeccompProfile != nil {
			t.Errorf("%s: security context %+v", image, sc)
		}
		if psc := spec.SecurityContext; psc.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault || psc.SELinuxOptions != nil {
			t.Errorf("%s: the pod's security context %+v", image, psc)
		}
		for _, v := range spec.Volumes {
			if v.HostPath != nil || v.Secret != nil {
				t.Errorf("%s: volume %+v", image, v)
			}
		}
	}
}

// A second pod is told where the programs listen that the first one found, and how much
// time is left.
func TestArgumentsOfTheSecondPod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t, "a")
		var args []string
		s.kubelet = func(pod *corev1.Pod) {
			if isNet(pod) {
				args = pod.Spec.Containers[0].Args
				s.succeed(pod.Name, netAnswer(t, nil))
				return
			}
			time.Sleep(4 * time.Second)
			m := measurement("a")
			m.Components = []fact.Component{{
				Program: fact.ProgramKine, SocketsRead: true,
				Sockets: []fact.Socket{{Address: "::", Port: 2379, Inode: 1}, {Address: "evil=1 --kinds=x", Port: 1, Inode: 2}},
			}}
			s.succeed(pod.Name, encoded(t, m))
		}
		opts := s.netOptions()
		opts.Timeout = 12 * time.Second
		if _, gaps, err := Measure(t.Context(), opts, factNodes("a")); err != nil || len(gaps) > 0 {
			t.Errorf("gaps %v, error %v", gaps, err)
		}
		want := []string{"--node=a", "--host-ips=$(HOST_IPS)", "--kinds=node-tls,server-tls", "--timeout=6s", "--listeners=[::]:2379=kine"}
		if diff := cmp.Diff(want, args); diff != "" {
			t.Errorf("arguments (-want +got):\n%s", diff)
		}
	})
}
