package launch

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/wire"
)

const (
	exemptHint = "exempt namespace kubectl-checklist from that webhook or policy, use --probe-namespace with an exempt one, or --no-probe"
	ranForeign = `code that is not the probe's may have run on node "a"`
)

// A webhook changes what is sent: in dry runs, only outside them, or in both.
func TestChangedByAWebhook(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("a", 64)
	pod := func(edit func(*corev1.Pod)) func(metav1.Object) {
		return func(o metav1.Object) { edit(o.(*corev1.Pod)) }
	}
	for name, tc := range map[string]struct {
		what   string
		image  string
		edit   func(metav1.Object)
		change string
		hint   string
		then   string // after a real create of a pod
	}{
		"the node": {
			what: "Pod", edit: pod(func(p *corev1.Pod) { p.Spec.NodeName = "c" }),
			change: `spec.nodeName: sent "a", returned "c"`, hint: exemptHint, then: `the probe may have run with that change on node "c"`,
		},
		"the command": {
			what: "Pod", edit: pod(func(p *corev1.Pod) { p.Spec.Containers[0].Command[0] = "/bin/sh" }),
			change: `spec.containers[probe].command[0]: sent "/checklist/loader", returned "/bin/sh"`, hint: exemptHint, then: ranForeign,
		},
		"a sidecar": {
			what: "Pod", edit: pod(func(p *corev1.Pod) {
				p.Spec.Containers = append([]corev1.Container{{Name: "istio-proxy"}}, p.Spec.Containers...)
			}),
			change: `spec.containers[istio-proxy]: sent nothing, returned one named "istio-proxy"`,
			hint:   "istio adds its sidecar to pods in namespace kubectl-checklist: label it istio-injection=disabled; or use --probe-namespace with a namespace without it",
			then:   ranForeign,
		},
		"the digest": {
			what: "Pod", image: "example.com/probe" + digest, edit: pod(func(p *corev1.Pod) { p.Spec.Containers[0].Image = "mirror.example/probe:1" }),
			change: `spec.containers[probe].image: sent "example.com/probe` + digest + `", returned "mirror.example/probe:1"`,
			hint:   "use --probe-image with a digest (REPOSITORY@sha256:...), which is the same image in every registry; or " + exemptHint,
			then:   ranForeign,
		},
		"two things": {
			what: "Pod", edit: pod(func(p *corev1.Pod) { p.Spec.HostNetwork, p.Spec.HostIPC = true, true }),
			change: `spec.hostIPC: sent nothing, returned true; spec.hostNetwork: sent nothing, returned true`, hint: exemptHint,
			then: `the probe may have run with that change on node "a"`,
		},
		"the job": {
			what: "Job", edit: func(o metav1.Object) { o.(*batchv1.Job).Spec.Suspend = new(true) },
			change: `spec.suspend: sent nothing, returned true`, hint: exemptHint,
		},
		"the loader": {
			what: "ConfigMap", edit: func(o metav1.Object) {
				if m := o.(*corev1.ConfigMap); m.BinaryData["loader"] != nil {
					m.BinaryData["loader"] = []byte("#!/bin/sh\n")
				}
			},
			change: `binaryData[loader]: sent a value (not shown), returned a value (not shown)`, hint: exemptHint,
		},
	} {
		t.Run(name, faked(func(t *testing.T) {
			for when, affects := range map[string]func(what string) bool{
				"always":               func(what string) bool { return what == "POST "+tc.what || what == "POST "+tc.what+" dryRun" },
				"not in dry runs":      func(what string) bool { return what == "POST "+tc.what },
				"in dry runs":          func(what string) bool { return what == "POST "+tc.what+" dryRun" },
				"and knows no dry run": func(what string) bool { return what == "POST "+tc.what },
			} {
				s := newAPIServer(t, "a")
				s.namespaces["kubectl-checklist"] = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kubectl-checklist"}}
				var changed atomic.Int32
				s.mutate = func(what string, o metav1.Object) {
					if affects(what) {
						changed.Add(1)
						tc.edit(o)
					}
				}
				resource := map[string]string{"Pod": "pods", "Job": "jobs", "ConfigMap": "configmaps"}[tc.what]
				if when == "and knows no dry run" {
					s.intercept = func(w http.ResponseWriter, _ *http.Request, what string) bool {
						if what == "POST "+resource+" dryRun" {
							s.fail(w, apierrors.NewBadRequest(`admission webhook "old.example" does not support dry run`))
							return true
						}
						return false
					}
				}
				opts := s.options()
				if tc.image != "" {
					opts.Image = tc.image
				}
				var want fact.Gap
				created := map[string]int{}
				if when == "always" || when == "in dry runs" {
					want.Detail = "trying to create a " + strings.NewReplacer("Pod", "pod", "Job", "job").Replace(tc.what) + " in namespace kubectl-checklist: a webhook or policy of this cluster changes it: " + tc.change
				} else {
					doing := map[string]string{
						"Pod": "creating the probe's pod", "Job": "creating the job that removes everything if this run is killed",
						"ConfigMap": "creating a ConfigMap with a part of the probe",
					}[tc.what]
					want.Detail = doing + ": a webhook or policy of this cluster changes it: " + tc.change
					if tc.what == "Pod" {
						want.Detail += "; the pod was deleted at once; " + tc.then
						created["POST pods"] = 1
					}
				}
				t.Logf("%s: %s", when, want.Detail)
				run(t, opts, factNodes("a"), nil, gapsOf("a", fact.AdmissionDenied, want.Detail, tc.hint))
				for _, what := range []string{"POST pods", "GET pods/log"} {
					if n := s.count(what); n != created[what] {
						t.Errorf("%s: %d × %s, expected %d", when, n, what, created[what])
					}
				}
				if changed.Load() == 0 {
					t.Errorf("%s: the webhook changed nothing", when)
				}
				s.wantLeft("namespace/kubectl-checklist")
			}
		}))
	}
}

// If a changed pod cannot be deleted, the gap does not say that it was deleted.
func TestChangedAndNotDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t, "a")
		s.namespaces["kubectl-checklist"] = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kubectl-checklist"}}
		s.mutate = func(what string, o metav1.Object) {
			if p, ok := o.(*corev1.Pod); ok && what == "POST Pod" {
				p.Spec.HostNetwork = true
			}
		}
		s.intercept = func(w http.ResponseWriter, _ *http.Request, what string) bool {
			if what == "DELETE pods" {
				s.fail(w, apierrors.NewForbidden(corev1.Resource("pods"), "checklist-run1-0000", fmt.Errorf("no")))
				return true
			}
			return false
		}
		_, gaps, err := Measure(t.Context(), s.options(), factNodes("a"))
		want := `creating the probe's pod: a webhook or policy of this cluster changes it: spec.hostNetwork: sent nothing, returned true; ` +
			`the pod could not be deleted; the probe may have run with that change on node "a"`
		if len(gaps) != 2 || gaps[0].Detail != want {
			t.Errorf("gaps %v, expected %s", gaps, want)
		}
		if err == nil || !strings.HasPrefix(err.Error(), "removing pod checklist-run1-0000: ") {
			t.Errorf("error %v, expected that the pod stays", err)
		}
		s.wantLeft("namespace/kubectl-checklist", "pod/checklist-run1-0000")
	})
}

// A webhook that changes one node's pod affects only that node.
func TestChangedOnOneNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t, "a", "b", "c")
		s.mutate = func(what string, o metav1.Object) {
			if p, ok := o.(*corev1.Pod); ok && p.Spec.NodeName == "b" {
				p.Spec.Containers[0].Env = append(p.Spec.Containers[0].Env, corev1.EnvVar{Name: "GODEBUG", Value: "x"})
			}
		}
		run(t, s.options(), factNodes("a", "b", "c"), []string{"a", "c"}, gapsOf("b", fact.AdmissionDenied,
			"creating the probe's pod: a webhook or policy of this cluster changes it: spec.containers[probe].env[1]: sent nothing, returned one named "+
				`"GODEBUG"; the pod was deleted at once; code that is not the probe's may have run on node "b"`, exemptHint))
		s.wantLeft()
	})
}

// A newer server may add a field to every pod. If pod templates get it too, it is the
// server's default, and is announced. Otherwise somebody else added it.
func TestFieldsOfALaterServer(t *testing.T) {
	add := func(spec any) { spec.(tree)["wasm"] = "auto" }
	template := func(t tree) any { return t["spec"].(tree)["template"].(tree)["spec"] }
	const change = `a webhook or policy of this cluster changes it: spec.wasm: sent nothing, returned "auto"`
	const hint = "a newer version of this plugin may know the field; or " + exemptHint
	for name, tc := range map[string]struct {
		newer    func(what string, t tree)
		noDryRun bool
		want     []fact.Gap
		said     []string
	}{
		"a default of the server": {
			newer: func(what string, t tree) {
				if strings.Contains(what, "Pod") {
					add(t["spec"])
				} else if strings.Contains(what, "Job") {
					add(template(t))
				}
			},
			said: []string{"this server sets spec.wasm in every pod; this version does not know the field, but accepts it because pod templates get it too"},
		},
		"a default, beside a webhook that knows no dry run": {
			noDryRun: true,
			newer: func(what string, t tree) {
				if strings.Contains(what, "Pod") {
					add(t["spec"])
				} else if strings.Contains(what, "Job") {
					add(template(t))
				}
			},
			said: []string{"this server sets spec.wasm in every pod; this version does not know the field, but accepts it because pod templates get it too"},
		},
		"pods alone": {
			newer: func(what string, t tree) {
				if strings.Contains(what, "Pod") {
					add(t["spec"])
				}
			},
			want: gapsOf("a", fact.AdmissionDenied, "trying to create a pod in namespace kubectl-checklist: "+change, hint),
		},
		"not in dry runs": {
			newer: func(what string, t tree) {
				if what == "POST Pod" {
					add(t["spec"])
				}
			},
			want: gapsOf("a", fact.AdmissionDenied, "creating the probe's pod: "+change+"; the pod was deleted at once; "+ranForeign, hint),
		},
		"after the pod was created": {
			newer: func(what string, t tree) {
				if what == "GET Pod" {
					add(t["spec"])
				}
			},
			want: gapsOf("a", fact.NotOurs, `someone changed the probe's pod checklist-run1-0000 while it ran: spec.wasm: sent nothing, returned "auto"; its answer was refused; `+ranForeign,
				"find out who can patch pods in namespace kubectl-checklist (the audit log shows who did); use --probe-namespace with a namespace that nobody else can write to"),
		},
		"another value than templates get": {
			newer: func(what string, t tree) {
				if strings.Contains(what, "Pod") {
					add(t["spec"])
				} else if strings.Contains(what, "Job") {
					template(t).(tree)["wasm"] = "never"
				}
			},
			want: gapsOf("a", fact.AdmissionDenied, "trying to create a pod in namespace kubectl-checklist: "+change, hint),
		},
		"of a job or ConfigMap's metadata": {
			newer: func(what string, t tree) {
				t["metadata"].(tree)["shard"] = "x"
				if strings.Contains(what, "Job") {
					t["spec"].(tree)["quorum"] = true
				}
			},
		},
	} {
		t.Run(name, faked(func(t *testing.T) {
			s := newAPIServer(t, "a")
			s.namespaces["kubectl-checklist"] = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kubectl-checklist"}}
			s.newer = tc.newer
			if tc.noDryRun {
				s.intercept = func(w http.ResponseWriter, _ *http.Request, what string) bool {
					if what == "POST pods dryRun" {
						s.fail(w, apierrors.NewBadRequest(`admission webhook "old.example" does not support dry run`))
						return true
					}
					return false
				}
			}
			opts := s.options()
			var said []string
			opts.Announce = func(line string) { said = append(said, line) }
			measured := []string{"a"}
			if tc.want != nil {
				measured = nil
			}
			run(t, opts, factNodes("a"), measured, tc.want)
			if len(said) > 0 && strings.HasPrefix(said[0], "creating in namespace") {
				said = said[1:]
			}
			if diff := cmp.Diff(tc.said, slices.Clip(append([]string(nil), said...))); diff != "" {
				t.Errorf("said (-want +got):\n%s", diff)
			}
			s.wantLeft("namespace/kubectl-checklist")
		}))
	}
}

// Somebody has created an object with a name that the run is about to use. It is refused,
// even if it looks like ours, and is not changed.
func TestPlanted(t *testing.T) {
	opts, err := Options{RunID: "run1", Kinds: []fact.Kind{fact.Processes, fact.Etcd}, Timeout: 5 * time.Second}.complete()
	if err != nil {
		t.Fatal(err)
	}
	configs, err := opts.configMaps(program{arch: "amd64"}, []byte("a probe for amd64"), nil)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what, resource, name, why string) []fact.Gap {
		return gapsOf("a", fact.NotOurs, what+" "+name+" exists in namespace kubectl-checklist, and this run did not create it: "+why,
			"kubectl get "+resource+" "+name+" -n kubectl-checklist -o yaml shows it; it was not changed; use --probe-namespace with a namespace that nobody else can write to")
	}
	const noWord = "it does not have the random word of this run's request"
	loader := configs[0].Name
	part := configs[1].Name
	for name, tc := range map[string]struct {
		plant func(s *apiServer)
		late  bool // only after the dry runs
		want  []fact.Gap
		left  string
	}{
		"a job": {
			plant: func(s *apiServer) { s.jobs["checklist-run1"] = opts.job("x", time.Minute) },
			want:  refused("job", "jobs", "checklist-run1", "it existed before"), left: "job/checklist-run1",
		},
		"a job, after the dry run": {
			plant: func(s *apiServer) { s.jobs["checklist-run1"] = opts.job("x", time.Minute) }, late: true,
			want: refused("job", "jobs", "checklist-run1", noWord), left: "job/checklist-run1",
		},
		"a loader": {
			plant: func(s *apiServer) { s.maps[loader] = configs[0].DeepCopy() },
			want:  refused("ConfigMap", "configmaps", loader, "it existed before"), left: "configmap/" + loader,
		},
		"a part, with our very bytes": {
			plant: func(s *apiServer) { s.maps[part] = configs[1].DeepCopy() },
			want:  refused("ConfigMap", "configmaps", part, noWord), left: "configmap/" + part,
		},
		"a pod": {
			plant: func(s *apiServer) {
				s.pods["checklist-run1-0000"] = opts.pod(podOf{node: "a", image: "evil"}, nil)
			},
			want: refused("pod", "pods", "checklist-run1-0000", "it existed before"), left: "pod/checklist-run1-0000",
		},
		"a pod that has ended with an answer, after the dry run": {
			plant: func(s *apiServer) {
				pod := opts.pod(podOf{node: "a", image: "evil"}, nil)
				pod.UID = "planted"
				pod.Status.Phase = corev1.PodSucceeded
				pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: containerName, State: corev1.ContainerState{
					Terminated: &corev1.ContainerStateTerminated{Message: answer(t, "a")},
				}}}
				s.pods[pod.Name] = pod
			},
			late: true, want: refused("pod", "pods", "checklist-run1-0000", noWord), left: "pod/checklist-run1-0000",
		},
	} {
		t.Run(name, faked(func(t *testing.T) {
			s := newAPIServer(t, "a")
			s.namespaces["kubectl-checklist"] = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kubectl-checklist"}}
			plant := func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				tc.plant(s)
			}
			options := s.options()
			if tc.late {
				options.Announce = sayOnce(plant)
			} else {
				plant()
			}
			run(t, options, factNodes("a"), nil, tc.want)
			s.wantLeft(slices.Sorted(slices.Values([]string{tc.left, "namespace/kubectl-checklist"}))...)
		}))
	}
}

// sayOnce calls do at the first announcement: after the dry runs, before the
// first object.
func sayOnce(do func()) func(string) {
	var once sync.Once
	return func(string) { once.Do(do) }
}

// If the answer to a create was lost, the object is found by its word. An object that
// somebody put in its place meanwhile is not accepted.
func TestLostAnswerAndSomethingElseThere(t *testing.T) {
	for name, tc := range map[string]struct {
		edit func(*corev1.ConfigMap)
		why  string // "" for ours, changed
		left bool
	}{
		"a copy without the word": {
			edit: func(m *corev1.ConfigMap) { delete(m.Annotations, AnnotationRequest) }, left: true,
			why: "it does not have the random word of this run's request",
		},
		"a copy with a word of its own": {
			edit: func(m *corev1.ConfigMap) { m.Annotations[AnnotationRequest] = "guessed" }, left: true,
			why: "it does not have the random word of this run's request",
		},
		"a copy with other labels": {
			edit: func(m *corev1.ConfigMap) { m.Labels["x"] = "y" }, left: true,
			why: "its labels differ from those that this run sets",
		},
		"other bytes":       {edit: func(m *corev1.ConfigMap) { m.BinaryData["loader"] = []byte("x") }},
		"one to be changed": {edit: func(m *corev1.ConfigMap) { m.Immutable = nil }},
		"another owner":     {edit: func(m *corev1.ConfigMap) { m.OwnerReferences[0].UID = "x" }},
	} {
		t.Run(name, faked(func(t *testing.T) {
			s := newAPIServer(t, "a")
			s.namespaces["kubectl-checklist"] = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kubectl-checklist"}}
			var lost atomic.Bool
			s.intercept = func(w http.ResponseWriter, r *http.Request, what string) bool {
				if what != "POST configmaps" || lost.Swap(true) {
					return false
				}
				s.serve(discard{http.Header{}}, r)
				s.mu.Lock()
				defer s.mu.Unlock()
				for _, m := range s.maps {
					tc.edit(m)
				}
				s.fail(w, apierrors.NewServiceUnavailable("the answer is lost"))
				return true
			}
			_, gaps, err := Measure(t.Context(), s.options(), factNodes("a"))
			if err != nil || len(gaps) != 2 {
				t.Fatalf("gaps %v, error %v", gaps, err)
			}
			reason, detail := fact.AdmissionDenied, "creating a ConfigMap with a part of the probe: a webhook or policy of this cluster changes it: "
			if tc.why != "" {
				reason, detail = fact.NotOurs, "ConfigMap checklist-run1-amd64-loader exists in namespace kubectl-checklist, and this run did not create it: "+tc.why
			}
			if gaps[0].Reason != reason || !strings.HasPrefix(gaps[0].Detail, detail) {
				t.Errorf("%s: %s, expected %s: %s", gaps[0].Reason, gaps[0].Detail, reason, detail)
			}
			if tc.left {
				s.wantLeft("configmap/checklist-run1-amd64-loader", "namespace/kubectl-checklist")
			} else {
				s.wantLeft("namespace/kubectl-checklist")
			}
			if n := s.count("POST pods"); n != 0 {
				t.Errorf("%d pods were created", n)
			}
		}))
	}
}

// If the answer to a create never arrives, the object's UID is unknown. At the end the
// object is found by its word.
func TestAnswersThatNeverArrive(t *testing.T) {
	for _, resource := range []string{"jobs", "configmaps", "pods"} {
		t.Run(resource, faked(func(t *testing.T) {
			s := newAPIServer(t, "a")
			s.intercept = func(w http.ResponseWriter, r *http.Request, what string) bool {
				if what != "POST "+resource || r.Header.Get("Lost") != "" {
					return false
				}
				r.Header.Set("Lost", "yes")
				s.serve(discard{http.Header{}}, r)
				s.fail(w, apierrors.NewServiceUnavailable("the answer is lost"))
				return true
			}
			_, gaps, err := Measure(t.Context(), s.options(), factNodes("a"))
			if err != nil || len(gaps) != 2 || gaps[0].Reason != fact.Unavailable {
				t.Errorf("gaps %v, error %v", gaps, err)
			}
			s.wantLeft()
		}))
	}
}

// ConfigMaps are swapped, and pods are replaced or changed, during the run. Then even a
// complete and valid answer is refused.
func TestSwappedWhileTheRunLasts(t *testing.T) {
	const (
		mapHint = "find out who can write ConfigMaps there (the audit log shows who did); use --probe-namespace with a namespace that nobody else can write to"
		podHint = "find out who can create pods there (the audit log shows who did); use --probe-namespace with a namespace that nobody else can write to"
		patched = "find out who can patch pods in namespace kubectl-checklist (the audit log shows who did); use --probe-namespace with a namespace that nobody else can write to"
		changed = "someone changed the probe's pod checklist-run1-0000 while it ran: "
		another = "someone deleted the probe's pod checklist-run1-0000 in namespace kubectl-checklist and created another pod with its name; the answer of that pod was refused; " + ranForeign
		ended   = "; its answer was refused; " + ranForeign
	)
	big := measurement("a")
	for i := range 4000 {
		big.Host.Installed = append(big.Host.Installed, fact.InstalledKernel{Release: fmt.Sprintf("6.%d.%x", i, i*7919*104729), Path: "/boot"})
	}
	long, err := wire.Encode(big, wire.Options{Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	// replace puts a pod under the name of ours.
	replace := func(s *apiServer, pod *corev1.Pod) {
		s.mu.Lock()
		defer s.mu.Unlock()
		old := s.pods[pod.Name]
		s.rv++
		s.event("DELETED", old)
		theirs := old.DeepCopy()
		theirs.UID = "theirs"
		s.rv++
		s.pods[pod.Name] = theirs
		s.event("ADDED", theirs)
	}
	locked := func(s *apiServer, do func()) {
		s.mu.Lock()
		defer s.mu.Unlock()
		do()
	}
	for name, tc := range map[string]struct {
		kubelet func(s *apiServer, pod *corev1.Pod)
		log     func(s *apiServer, pod string) // before the log is sent
		edit    func(s *apiServer)
		timing  func(*timing)
		want    []fact.Gap
		left    []string
	}{
		"the loader, before it is mounted": {
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				locked(s, func() { s.maps["checklist-run1-amd64-loader"].UID = "theirs" })
				s.succeed(pod.Name, answer(t, "a"))
			},
			want: gapsOf("a", fact.NotOurs, "ConfigMap checklist-run1-amd64-loader in namespace kubectl-checklist was replaced during the run; "+
				"the probe's answer was refused; "+ranForeign, mapHint),
			left: []string{"configmap/checklist-run1-amd64-loader"},
		},
		"a part is deleted": {
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				locked(s, func() { delete(s.maps, "checklist-run1-amd64-part-00") })
				s.succeed(pod.Name, answer(t, "a"))
			},
			want: gapsOf("a", fact.NotOurs, "ConfigMap checklist-run1-amd64-part-00 in namespace kubectl-checklist was deleted during the run; "+
				"the probe's answer was refused; "+ranForeign, mapHint),
		},
		"the loader, and the probe fails": {
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				locked(s, func() { s.maps["checklist-run1-amd64-loader"].UID = "theirs" })
				s.end(pod.Name, corev1.PodFailed, corev1.ContainerStateTerminated{ExitCode: 1})
			},
			want: gapsOf("a", fact.NotOurs, "ConfigMap checklist-run1-amd64-loader in namespace kubectl-checklist was replaced during the run; "+
				"the probe's answer was refused; "+ranForeign, mapHint),
			left: []string{"configmap/checklist-run1-amd64-loader"},
		},
		"ConfigMaps that cannot be looked at again": {
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				s.succeed(pod.Name, answer(t, "a"))
			},
			edit: func(s *apiServer) {
				var asked atomic.Bool
				s.intercept = func(w http.ResponseWriter, r *http.Request, what string) bool {
					if what != "GET configmaps" || asked.Swap(true) {
						return false
					}
					s.fail(w, apierrors.NewForbidden(corev1.Resource("configmaps"), "", fmt.Errorf("no")))
					return true
				}
			},
			want: gapsOf("a", fact.AdmissionDenied, `checking that the probe's ConfigMaps are those that were created: configmaps is forbidden: no`,
				"without that proof the probe's answer does not count"),
		},
		"the pod, by one that has an answer": {
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				replace(s, pod)
				s.succeed(pod.Name, answer(t, "a"))
			},
			want: gapsOf("a", fact.NotOurs, another, podHint), left: []string{"pod/checklist-run1-0000"},
		},
		"the pod, unseen by the watch": {
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				replace(s, pod)
				s.succeed(pod.Name, answer(t, "a"))
			},
			edit: func(s *apiServer) {
				s.intercept = func(w http.ResponseWriter, r *http.Request, what string) bool {
					if what != "WATCH pods" {
						return false
					}
					s.fail(w, apierrors.NewForbidden(corev1.Resource("pods"), "", fmt.Errorf("no")))
					return true
				}
			},
			want: gapsOf("a", fact.NotOurs, another, podHint), left: []string{"pod/checklist-run1-0000"},
		},
		"the pod, by one that never ends": {
			timing:  func(t *timing) { t.poll = time.Hour },
			kubelet: func(s *apiServer, pod *corev1.Pod) { replace(s, pod) },
			want:    gapsOf("a", fact.NotOurs, another, podHint), left: []string{"pod/checklist-run1-0000"},
		},
		"the pod, by one that never ends, unseen by the watch": {
			kubelet: func(s *apiServer, pod *corev1.Pod) { replace(s, pod) },
			edit: func(s *apiServer) {
				s.intercept = func(w http.ResponseWriter, r *http.Request, what string) bool {
					list := what == "GET pods" && strings.HasSuffix(r.URL.Path, "/pods") && !onlyMetadata(r)
					if what != "WATCH pods" && !list {
						return false
					}
					s.fail(w, apierrors.NewForbidden(corev1.Resource("pods"), "", fmt.Errorf("no")))
					return true
				}
			},
			want: gapsOf("a", fact.NotOurs, another, podHint), left: []string{"pod/checklist-run1-0000"},
		},
		"the pod, some time after it was deleted": {
			timing: func(t *timing) { t.poll, t.retry = time.Hour, 500*time.Millisecond },
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				time.Sleep(50 * time.Millisecond) // until the watch has seen it
				locked(s, func() {
					s.rv++
					delete(s.pods, pod.Name)
					s.event("DELETED", pod)
				})
				locked(s, func() {
					theirs := pod.DeepCopy()
					theirs.UID = "theirs"
					s.pods[pod.Name] = theirs
				})
			},
			want: gapsOf("a", fact.NotOurs, another, podHint), left: []string{"pod/checklist-run1-0000"},
		},
		"the pod, while its log is read": {
			kubelet: func(s *apiServer, pod *corev1.Pod) { s.succeed(pod.Name, string(long.Trailer)) },
			log:     func(s *apiServer, pod string) { replace(s, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: pod}}) },
			want:    gapsOf("a", fact.NotOurs, another, podHint), left: []string{"pod/checklist-run1-0000"},
		},
		"the pod is deleted before its answer is read, twice": {
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				locked(s, func() {
					s.pods[pod.Name].Status.ContainerStatuses = []corev1.ContainerStatus{{Name: containerName, State: corev1.ContainerState{
						Terminated: &corev1.ContainerStateTerminated{Message: answer(t, "a")},
					}}}
					s.rv++
					s.event("MODIFIED", s.pods[pod.Name])
					delete(s.pods, pod.Name)
				})
			},
			want: gapsOf("a", fact.ProbeFailed, "someone else deleted the probe's pod before its answer was read", ""),
		},
		"the pod's image": {
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				s.update(pod.Name, func(p *corev1.Pod) {
					p.Spec.Containers[0].VolumeMounts[0].MountPath = "/elsewhere" // of an embedded probe any image will do
				})
				s.succeed(pod.Name, answer(t, "a"))
			},
			want: gapsOf("a", fact.NotOurs, changed+`spec.containers[probe].volumeMounts[0].mountPath: sent "/checklist", returned "/elsewhere"`+ended, patched),
		},
		"a debugging container": {
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				s.update(pod.Name, func(p *corev1.Pod) {
					p.Spec.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debugger"}}}
				})
				s.succeed(pod.Name, answer(t, "a"))
			},
			want: gapsOf("a", fact.NotOurs, changed+`spec.ephemeralContainers[debugger]: sent nothing, returned one named "debugger"`+ended, patched),
		},
		"a container that was started again": {
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				s.update(pod.Name, func(p *corev1.Pod) {
					p.Status.Phase = corev1.PodSucceeded
					p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: containerName, RestartCount: 1, State: corev1.ContainerState{
						Terminated: &corev1.ContainerStateTerminated{Message: answer(t, "a")},
					}}}
				})
			},
			want: gapsOf("a", fact.NotOurs, changed+"its container was restarted, which never happens to a probe's pod"+ended, patched),
		},
		"only labels": {
			kubelet: func(s *apiServer, pod *corev1.Pod) {
				s.update(pod.Name, func(p *corev1.Pod) { p.Labels = nil })
				s.succeed(pod.Name, answer(t, "a"))
			},
		},
	} {
		t.Run(name, faked(func(t *testing.T) {
			s := newAPIServer(t, "a")
			s.namespaces["kubectl-checklist"] = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kubectl-checklist"}}
			s.kubelet = func(pod *corev1.Pod) { tc.kubelet(s, pod) }
			if tc.edit != nil {
				tc.edit(s)
			}
			s.log = func(pod string) []byte {
				if tc.log != nil { // the server holds its lock
					s.mu.Unlock()
					tc.log(s, pod)
					s.mu.Lock()
				}
				return slices.Concat(slices.Collect(long.Frames())...)
			}
			measured := []string{"a"}
			if tc.want != nil {
				measured = nil
			}
			opts := s.options()
			if tc.timing != nil {
				tc.timing(&opts.timing)
			}
			run(t, opts, factNodes("a"), measured, tc.want)
			s.wantLeft(slices.Sorted(slices.Values(append(tc.left, "namespace/kubectl-checklist")))...)
		}))
	}
}

// After a swap was seen, no more pods are created, because they would run the same code.
func TestNoMorePodsAfterASwap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t, "a", "b", "c")
		s.kubelet = func(pod *corev1.Pod) {
			s.mu.Lock()
			s.maps["checklist-run1-amd64-loader"].UID = "theirs"
			s.mu.Unlock()
			s.succeed(pod.Name, answer(t, pod.Spec.NodeName))
		}
		opts := s.options()
		opts.MaxInFlight = 1
		measured, gaps, err := Measure(t.Context(), opts, factNodes("a", "b", "c"))
		if err != nil || len(measured) != 0 || len(gaps) != 6 {
			t.Fatalf("measured %v, gaps %v, error %v", measured, gaps, err)
		}
		for i, g := range gaps {
			foreign := strings.HasSuffix(g.Detail, "may have run on node \"a\"")
			if g.Reason != fact.NotOurs || foreign != (i < 2) || !foreign && g.Detail != "no pod was created, because a ConfigMap of the probe was replaced during the run" {
				t.Errorf("gap %+v", g)
			}
		}
		if n := s.count("POST pods"); n != 1 {
			t.Errorf("%d pods, expected one", n)
		}
		// Somebody else's ConfigMap is in it, so that the namespace stays too.
		s.wantLeft("configmap/checklist-run1-amd64-loader", "namespace/kubectl-checklist")
	})
}

// At its end a run deletes only what it created, even if other objects have its label.
func TestRunLeavesWhatOnlyCarriesItsLabel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t, "a")
		labels := map[string]string{LabelName: ManagedBy, LabelManagedBy: ManagedBy, LabelRun: "run1"}
		s.kubelet = func(pod *corev1.Pod) {
			s.mu.Lock()
			// A word of ours that somebody read, on another object.
			word := map[string]string{AnnotationRequest: pod.Annotations[AnnotationRequest]}
			s.pods["victim"] = &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "victim", UID: "v", Labels: labels, Annotations: word}}
			s.maps["victim"] = &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "victim", UID: "w", Labels: labels, Annotations: word}}
			s.jobs["victim"] = &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "victim", UID: "x", Labels: labels, Annotations: word}}
			s.mu.Unlock()
			s.succeed(pod.Name, answer(t, "a"))
		}
		run(t, s.options(), factNodes("a"), []string{"a"}, nil)
		s.wantLeft("configmap/victim", "job/victim", "namespace/kubectl-checklist", "pod/victim")
	})
}

// After a kill, cleanup accepts as a probe's object only what an existing object cannot be
// changed into.
func TestLooksLikeOurs(t *testing.T) {
	meta := func(name string, edits ...func(*metav1.ObjectMeta)) metav1.ObjectMeta {
		m := metav1.ObjectMeta{Name: name, Labels: map[string]string{LabelManagedBy: ManagedBy, LabelRun: "one"}}
		for _, edit := range edits {
			edit(&m)
		}
		return m
	}
	run := func(id string) func(*metav1.ObjectMeta) {
		return func(m *metav1.ObjectMeta) { m.Labels[LabelRun] = id }
	}
	pod := func(m metav1.ObjectMeta, containers ...string) bool {
		p := &corev1.Pod{ObjectMeta: m}
		for _, c := range containers {
			p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: c})
		}
		return looksLikeOurPod(p)
	}
	job := func(m metav1.ObjectMeta, completions int32) bool {
		return looksLikeOurJob(&batchv1.Job{ObjectMeta: m, Spec: batchv1.JobSpec{Completions: &completions}})
	}
	config := func(m metav1.ObjectMeta, immutable bool, keys ...string) bool {
		c := &corev1.ConfigMap{ObjectMeta: m, Immutable: &immutable, BinaryData: map[string][]byte{}}
		for _, key := range keys {
			c.BinaryData[key] = nil
		}
		return looksLikeOurConfigMap(c)
	}
	for name, tc := range map[string]struct{ got, want bool }{
		"a pod":                             {pod(meta("checklist-one-0000"), "probe"), true},
		"a second pod":                      {pod(meta("checklist-one-0012-1"), "probe"), true},
		"a pod of level net":                {pod(meta("checklist-one-net-0000"), "probe"), true},
		"its second try":                    {pod(meta("checklist-one-net-0000-1"), "probe"), true},
		"a pod of another level":            {pod(meta("checklist-one-web-0000"), "probe"), false},
		"a loader of level net":             {config(meta("checklist-one-net-amd64-loader"), true, "loader", "size"), true},
		"a part of level net":               {config(meta("checklist-one-net-arm64-part-00"), true, "part.00"), true},
		"a part of another level":           {config(meta("checklist-one-web-arm64-part-00"), true, "part.00"), false},
		"a pod with a sidecar":              {pod(meta("checklist-one-0000"), "istio-proxy", "probe"), true},
		"the 10,001st pod":                  {pod(meta("checklist-one-10000"), "probe"), true},
		"a pod of a run with a hyphen":      {pod(meta("checklist-a-b-0000", run("a-b")), "probe"), true},
		"a pod with another name":           {pod(meta("web"), "probe"), false},
		"a pod with a name of another run":  {pod(meta("checklist-two-0000"), "probe"), false},
		"a pod with a longer name":          {pod(meta("checklist-one-0000-x"), "probe"), false},
		"a pod without a run":               {pod(meta("checklist--0000", run("")), "probe"), false},
		"a pod managed by another":          {pod(meta("checklist-one-0000", func(m *metav1.ObjectMeta) { m.Labels[LabelManagedBy] = "helm" }), "probe"), false},
		"a pod with another container":      {pod(meta("checklist-one-0000"), "web"), false},
		"a job":                             {job(meta("checklist-one"), 0), true},
		"a job that runs something":         {job(meta("checklist-one"), 1), false},
		"a job with another name":           {job(meta("backup"), 0), false},
		"a loader":                          {config(meta("checklist-one-amd64-loader"), true, "loader", "size"), true},
		"a part":                            {config(meta("checklist-one-arm64-part-07"), true, "part.07"), true},
		"a ConfigMap that can be changed":   {config(meta("checklist-one-arm64-part-07"), false, "part.07"), false},
		"a ConfigMap with something else":   {config(meta("checklist-one-arm64-part-07"), true, "password"), false},
		"a ConfigMap with another name":     {config(meta("settings"), true, "part.07"), false},
		"a ConfigMap of an unknown machine": {config(meta("checklist-one-vax-loader"), true, "loader"), false},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.got != tc.want {
				t.Errorf("%t, expected %t", tc.got, tc.want)
			}
		})
	}
}

// A delete names the UID. If the name now has another UID, our object is gone.
func TestRemoveIsByUID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t, "a")
		s.pods["x"] = &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "x", UID: "theirs"}}
		opts, err := s.options().complete()
		if err != nil {
			t.Fatal(err)
		}
		for uid, gone := range map[types.UID]bool{"ours": true, "theirs": false} {
			if err := opts.remove(t.Context(), opts.pods(), "ns", "x", uid); apierrors.IsNotFound(err) != gone || !gone && err != nil {
				t.Errorf("%s: %v", uid, err)
			}
		}
		s.wantLeft()
	})
}

// The word of a request is on what is created and nowhere else: not on what
// manifests prints, nor on a dry run, which others may see.
func TestTheWordIsKnownToNobodyBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t, "a")
		words := map[string]string{}
		s.mutate = func(what string, o metav1.Object) {
			word := o.GetAnnotations()[AnnotationRequest]
			switch {
			case strings.HasSuffix(what, "dryRun") || strings.Contains(what, "Namespace"):
				if word != "" {
					t.Errorf("%s carries %q", what, word)
				}
			case len(word) < 20 || words[word] != "":
				t.Errorf("%s carries %q, also on %s", what, word, words[word])
			default:
				words[word] = what
			}
		}
		run(t, s.options(), factNodes("a"), []string{"a"}, nil)
		if len(words) != 4 { // job, loader, part, pod
			t.Errorf("%d words: %v", len(words), words)
		}
		plan, _, err := NewPlan(s.options(), factNodes("a"))
		if err != nil {
			t.Fatal(err)
		}
		objects, err := Objects(s.options(), plan)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := json.Marshal(objects); err != nil || strings.Contains(string(text), AnnotationRequest) {
			t.Errorf("manifests print a word: %v", err)
		}
	})
}
