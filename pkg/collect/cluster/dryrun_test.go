package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/kubectl-checklist/kubectl-checklist/hack/requests"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/credential"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch"
)

// admitting is an API server that answers dry runs.
type admitting struct {
	*httptest.Server
	// admit answers to a pod: a status, or nil after changes.
	admit func(namespace string, pod *corev1.Pod) *metav1.Status
	may   func(namespace string) bool

	mu     sync.Mutex
	pods   map[string][]*corev1.Pod // as sent, by namespace
	stored int                      // requests that are no dry run
	asked  []requests.Access
}

func newAdmitting(t *testing.T, admit func(string, *corev1.Pod) *metav1.Status) *admitting {
	t.Helper()
	s := &admitting{admit: admit, may: func(string) bool { return true }, pods: map[string][]*corev1.Pod{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *admitting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	s.mu.Lock()
	s.asked = append(s.asked, requests.Of(r))
	s.mu.Unlock()
	answer := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	switch {
	case strings.HasSuffix(r.URL.Path, "/selfsubjectaccessreviews"):
		var review authorizationv1.SelfSubjectAccessReview
		_ = json.NewDecoder(r.Body).Decode(&review)
		a := review.Spec.ResourceAttributes
		review.Status.Allowed = a.Verb == "create" && a.Resource == "pods" && a.Group == "" && s.may(a.Namespace)
		answer(review)
	case strings.HasSuffix(r.URL.Path, "/selfsubjectreviews"):
		answer(authenticationv1.SelfSubjectReview{TypeMeta: kind("authentication.k8s.io/v1", "SelfSubjectReview"), Status: authenticationv1.SelfSubjectReviewStatus{UserInfo: authenticationv1.UserInfo{Username: "jane"}}})
	case strings.HasSuffix(r.URL.Path, "/pods"):
		namespace := strings.Split(r.URL.Path, "/")[4]
		var pod corev1.Pod
		_ = json.NewDecoder(r.Body).Decode(&pod)
		s.mu.Lock()
		s.pods[namespace] = append(s.pods[namespace], pod.DeepCopy())
		if q := r.URL.Query(); r.Method != http.MethodPost || q.Get("dryRun") != "All" || q.Get("fieldValidation") != "Strict" {
			s.stored++
		}
		s.mu.Unlock()
		if status := s.admit(namespace, &pod); status != nil {
			w.WriteHeader(int(status.Code))
			answer(status)
			return
		}
		answer(pod)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// dryRuns asks for the namespaces of some workloads.
func (s *admitting) dryRuns(t *testing.T, workloads ...fact.Workload) (*fact.Enforcement, []fact.Gap) {
	t.Helper()
	c, err := newClients(&rest.Config{Host: s.URL, QPS: -1})
	if err != nil {
		t.Fatal(err)
	}
	got, gaps, err := c.dryRuns(context.Background(), &Result{Cluster: fact.Cluster{Version: "v1.37.2", User: c.user(context.Background())}, Workloads: workloads})
	if err != nil {
		t.Fatal(err)
	}
	return got, gaps
}

func inShop(image, id string) fact.Workload {
	w := fact.Workload{
		Owner: fact.Subject{Kind: "Deployment", Namespace: "shop", Name: "web"},
		Spec: fact.PodSpec{
			Labels: map[string]string{"app": "web", "pod-template-hash": "12345"}, PullSecrets: []string{"registry"},
			Containers: []fact.Container{{Name: "app", Type: fact.RegularContainer, Image: image}},
		},
	}
	if id != "" {
		w.Pods = []fact.Pod{{Name: "web-1", Containers: []fact.ContainerStatus{{Name: "app", ImageID: id}}}}
	}
	return w
}

const digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111"

// denied is a refusal by admission.
func denied(pod *corev1.Pod, text string) *metav1.Status {
	return status(http.StatusForbidden, metav1.StatusReasonForbidden, fmt.Sprintf("pods %q is forbidden: %s", pod.Name, text))
}

func rootOf(c *corev1.Container) string {
	switch value := c.SecurityContext.ReadOnlyRootFilesystem; {
	case value == nil:
		return "unset"
	case *value:
		return "true"
	}
	return "false"
}

const byPolicy = "ValidatingAdmissionPolicy 'ro' with binding 'ro-all' denied request: root must be read-only"

func TestDryRuns(t *testing.T) {
	set := func(c *corev1.Container) { yes := true; c.SecurityContext.ReadOnlyRootFilesystem = &yes }
	everything := func(pod *corev1.Pod, allowed func(*corev1.Container) bool) bool {
		return allowed(&pod.Spec.Containers[1]) && allowed(&pod.Spec.InitContainers[1])
	}
	const policy = "ValidatingAdmissionPolicy ro, binding ro-all"
	for name, tc := range map[string]struct {
		admit func(*corev1.Pod) *metav1.Status
		want  fact.DryRun
		pods  int // requests
	}{
		"what is allowed at once ends it": {
			func(*corev1.Pod) *metav1.Status { return nil },
			fact.DryRun{Unset: fact.DryRunAllowed},
			1,
		},
		"a policy that refuses all writable roots": {
			func(pod *corev1.Pod) *metav1.Status {
				if everything(pod, func(c *corev1.Container) bool { return rootOf(c) == "true" }) {
					return nil
				}
				return denied(pod, byPolicy)
			},
			fact.DryRun{Unset: fact.DryRunRefused, Writable: fact.DryRunRefused, Init: fact.DryRunRefused, Perfect: fact.DryRunAllowed, By: []string{policy}},
			5,
		},
		"a policy that looks only for the field": {
			func(pod *corev1.Pod) *metav1.Status {
				if everything(pod, func(c *corev1.Container) bool { return rootOf(c) != "unset" }) {
					return nil
				}
				return denied(pod, byPolicy)
			},
			fact.DryRun{Unset: fact.DryRunRefused, Writable: fact.DryRunAllowed, By: []string{policy}},
			2,
		},
		"a policy that forgets init containers": {
			func(pod *corev1.Pod) *metav1.Status {
				if rootOf(&pod.Spec.Containers[1]) == "true" {
					return nil
				}
				return denied(pod, byPolicy)
			},
			fact.DryRun{Unset: fact.DryRunRefused, Writable: fact.DryRunRefused, Init: fact.DryRunAllowed, By: []string{policy}},
			3,
		},
		"a policy that refuses everything": {
			func(pod *corev1.Pod) *metav1.Status { return denied(pod, byPolicy) },
			fact.DryRun{
				Unset: fact.DryRunRefused, Writable: fact.DryRunRefused, Init: fact.DryRunRefused, Perfect: fact.DryRunRefused,
				By: []string{policy}, PerfectBy: policy,
			},
			8, // once more with labels
		},
		"labels that a policy demands": {
			func(pod *corev1.Pod) *metav1.Status {
				switch {
				case pod.Labels["app"] == "":
					return status(http.StatusForbidden, metav1.StatusReasonForbidden, `admission webhook "labels.example.com" denied the request: label app is missing`)
				case everything(pod, func(c *corev1.Container) bool { return rootOf(c) == "true" }):
					return nil
				}
				return denied(pod, byPolicy)
			},
			fact.DryRun{
				Unset: fact.DryRunRefused, Writable: fact.DryRunRefused, Init: fact.DryRunRefused, Perfect: fact.DryRunAllowed,
				By: []string{policy}, LabelsOf: "deployment/web",
			},
			9,
		},
		"a server that makes every root read-only": {
			func(pod *corev1.Pod) *metav1.Status {
				set(&pod.Spec.Containers[1])
				set(&pod.Spec.InitContainers[1])
				return nil
			},
			fact.DryRun{Unset: fact.DryRunMadeReadOnly, Writable: fact.DryRunMadeReadOnly, Init: fact.DryRunMadeReadOnly},
			3,
		},
		"a server that only sets a default": {
			func(pod *corev1.Pod) *metav1.Status {
				if rootOf(&pod.Spec.Containers[1]) == "unset" {
					set(&pod.Spec.Containers[1])
				}
				return nil
			},
			fact.DryRun{Unset: fact.DryRunMadeReadOnly, Writable: fact.DryRunAllowed},
			2,
		},
		"a server that changes another container": {
			func(pod *corev1.Pod) *metav1.Status {
				pod.Spec.Containers = slices.Insert(pod.Spec.Containers, 0, pod.Spec.Containers[1])
				pod.Spec.Containers[0].Name = "injected"
				pod.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{}
				set(&pod.Spec.Containers[0])
				return nil
			},
			fact.DryRun{Unset: fact.DryRunAllowed},
			1,
		},
		"a default, and a policy for those who write false": {
			func(pod *corev1.Pod) *metav1.Status {
				for _, c := range []*corev1.Container{&pod.Spec.Containers[1], &pod.Spec.InitContainers[1]} {
					switch rootOf(c) {
					case "unset":
						set(c)
					case "false":
						return denied(pod, byPolicy)
					}
				}
				return nil
			},
			fact.DryRun{Unset: fact.DryRunMadeReadOnly, Writable: fact.DryRunRefused, Init: fact.DryRunMadeReadOnly, Perfect: fact.DryRunAllowed, By: []string{policy}},
			5,
		},
		"a policy that looks at the first container": {
			func(pod *corev1.Pod) *metav1.Status {
				if rootOf(&pod.Spec.Containers[0]) == "true" && rootOf(&pod.Spec.InitContainers[0]) == "true" {
					return nil
				}
				return denied(pod, byPolicy)
			},
			fact.DryRun{Unset: fact.DryRunAllowed},
			1,
		},
		"a policy that is content with one container": {
			func(pod *corev1.Pod) *metav1.Status {
				is := func(c corev1.Container) bool { return rootOf(&c) == "true" }
				if slices.ContainsFunc(pod.Spec.Containers, is) && slices.ContainsFunc(pod.Spec.InitContainers, is) {
					return nil
				}
				return denied(pod, byPolicy)
			},
			fact.DryRun{Unset: fact.DryRunAllowed},
			1,
		},
		"a writable container that something adds": {
			func(pod *corev1.Pod) *metav1.Status {
				if !everything(pod, func(c *corev1.Container) bool { return rootOf(c) == "true" }) {
					return denied(pod, byPolicy)
				}
				pod.Spec.InitContainers = append(pod.Spec.InitContainers, corev1.Container{Name: "proxy"})
				return nil
			},
			fact.DryRun{
				Unset: fact.DryRunRefused, Writable: fact.DryRunRefused, Init: fact.DryRunRefused, Perfect: fact.DryRunOther, By: []string{policy},
				Reason: fact.NotOurs, Detail: "something gives the pod a writable root, in container proxy",
			},
			4,
		},
		"a writable container beside roots that are made read-only": {
			func(pod *corev1.Pod) *metav1.Status {
				set(&pod.Spec.Containers[1])
				pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "proxy", SecurityContext: &corev1.SecurityContext{}})
				return nil
			},
			fact.DryRun{Unset: fact.DryRunOther, Reason: fact.NotOurs, Detail: "something gives the pod a writable root, in container proxy"},
			1,
		},
		"a perfect pod that is made writable": {
			func(pod *corev1.Pod) *metav1.Status {
				if !everything(pod, func(c *corev1.Container) bool { return rootOf(c) == "true" }) {
					return denied(pod, byPolicy)
				}
				pod.Spec.Containers[1].SecurityContext.ReadOnlyRootFilesystem = nil
				return nil
			},
			fact.DryRun{
				Unset: fact.DryRunRefused, Writable: fact.DryRunRefused, Init: fact.DryRunRefused, Perfect: fact.DryRunOther, By: []string{policy},
				Reason: fact.NotOurs, Detail: "something gives the pod a writable root, in container app",
			},
			4,
		},
		"a quota that is used up after two pods": {
			func(pod *corev1.Pod) *metav1.Status {
				if rootOf(&pod.Spec.Containers[1]) == "unset" {
					return denied(pod, byPolicy)
				}
				return denied(pod, "exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2")
			},
			fact.DryRun{
				Unset: fact.DryRunRefused, Writable: fact.DryRunOther, By: []string{policy},
				Reason: fact.AdmissionDenied, Detail: "quota small refuses another pod",
			},
			2,
		},
		"an answer that is no pod": {
			func(pod *corev1.Pod) *metav1.Status { return status(http.StatusOK, "", "fine") },
			fact.DryRun{Unset: fact.DryRunOther, Reason: fact.Corrupt, Detail: "the API server answered with another object than the pod"},
			1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newAdmitting(t, func(_ string, pod *corev1.Pod) *metav1.Status { return tc.admit(pod) })
			got, gaps := s.dryRuns(t, inShop("shop/web:1", "registry.example/shop/web@"+digest))
			tc.want.Namespace, tc.want.Image = "shop", "shop/web@"+digest
			want := &fact.Enforcement{User: "jane", DryRuns: []fact.DryRun{tc.want}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("facts (-want +got):\n%s", diff)
			}
			if len(gaps) > 0 {
				t.Errorf("gaps: %v", gaps)
			}
			if n := len(s.pods["shop"]); n != tc.pods || s.stored > 0 {
				t.Errorf("%d requests, want %d; %d were no dry runs", n, tc.pods, s.stored)
			}
		})
	}
}

// A policy that refused everything, and ended before the perfect pod was tried, proves nothing.
func TestDryRunsAreTriedAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		again func(*corev1.Pod) *metav1.Status
		want  fact.DryRun
	}{
		"it ended": {
			func(*corev1.Pod) *metav1.Status { return nil },
			fact.DryRun{Unset: fact.DryRunAllowed},
		},
		"then the server fails": {
			func(pod *corev1.Pod) *metav1.Status {
				return status(http.StatusInternalServerError, metav1.StatusReasonInternalError, "etcd")
			},
			fact.DryRun{Unset: fact.DryRunOther, Reason: fact.Unavailable, Detail: "the API server answered with status 500"},
		},
		"then it is forbidden": {
			func(pod *corev1.Pod) *metav1.Status {
				return status(http.StatusForbidden, metav1.StatusReasonForbidden, `pods is forbidden: User "jane" cannot`)
			},
			fact.DryRun{Unset: fact.DryRunOther, Reason: fact.Changing, Detail: "the API server refused a pod, and then answered otherwise"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tries := 0
			s := newAdmitting(t, func(_ string, pod *corev1.Pod) *metav1.Status {
				switch tries++; {
				case tries <= 3:
					return denied(pod, byPolicy)
				case tries == 4:
					return nil
				}
				return tc.again(pod)
			})
			got, _ := s.dryRuns(t, inShop("shop/web:1", ""))
			tc.want.Namespace, tc.want.Image, tc.want.By = "shop", "shop/web:1", []string{"ValidatingAdmissionPolicy ro, binding ro-all"}
			tc.want.Writable, tc.want.Init, tc.want.Perfect = fact.DryRunRefused, fact.DryRunRefused, fact.DryRunAllowed
			if diff := cmp.Diff([]fact.DryRun{tc.want}, got.DryRuns); diff != "" {
				t.Errorf("dry runs (-want +got):\n%s", diff)
			}
		})
	}
}

// The pods differ in one field and nothing else, their name included.
func TestDryRunPodsDifferInOneField(t *testing.T) {
	s := newAdmitting(t, func(_ string, pod *corev1.Pod) *metav1.Status {
		if rootOf(&pod.Spec.Containers[1]) == "true" && rootOf(&pod.Spec.InitContainers[1]) == "true" {
			return nil
		}
		return denied(pod, byPolicy)
	})
	s.dryRuns(t, inShop("shop/web:1", ""))
	pods := s.pods["shop"]
	if len(pods) != 5 {
		t.Fatalf("%d pods", len(pods))
	}
	names := map[string]bool{}
	perfect := pods[3]
	for i, want := range []string{"app unset", "app false", "sidecar unset", "", "app unset"} {
		pod := pods[i].DeepCopy()
		names[pod.Name] = true
		var differs []string
		for _, c := range []*corev1.Container{&pod.Spec.Containers[0], &pod.Spec.Containers[1], &pod.Spec.InitContainers[0], &pod.Spec.InitContainers[1]} {
			if root := rootOf(c); root != "true" {
				differs = append(differs, c.Name+" "+root)
			}
			yes := true
			c.SecurityContext.ReadOnlyRootFilesystem = &yes
		}
		if got := strings.Join(differs, ", "); got != want {
			t.Errorf("pod %d differs in %q, want %q", i, got, want)
		}
		if diff := cmp.Diff(perfect, pod); diff != "" {
			t.Errorf("pod %d differs further:\n%s", i, diff)
		}
	}
	if len(names) != 1 {
		t.Errorf("names: %v", names)
	}
	if got := perfect.Spec.Containers[0].Image; got != "shop/web:1" {
		t.Errorf("image %s", got)
	}
	if diff := cmp.Diff([]corev1.LocalObjectReference{{Name: "registry"}}, perfect.Spec.ImagePullSecrets); diff != "" {
		t.Error(diff)
	}
}

func TestDryRunRights(t *testing.T) {
	in := func(namespace string) fact.Workload {
		w := inShop("web:1", "")
		w.Owner.Namespace = namespace
		return w
	}
	s := newAdmitting(t, func(string, *corev1.Pod) *metav1.Status { return nil })
	s.may = func(namespace string) bool { return namespace == "b" }
	got, gaps := s.dryRuns(t, in("a"), in("b"), in("c"), in("d"), in("e"))
	if diff := cmp.Diff([]fact.DryRun{{Namespace: "b", Unset: fact.DryRunAllowed, Image: "web:1"}}, got.DryRuns); diff != "" {
		t.Errorf("dry runs (-want +got):\n%s", diff)
	}
	want := []fact.Gap{{
		What: fact.Enforcing, Subject: fact.Subject{Kind: fact.SubjectCluster}, Reason: fact.Forbidden,
		Detail: "no right to create pods, even in a dry run, in 4 namespaces: a, c, d and 1 more", Hint: "grant create on pods; a dry run stores nothing",
	}}
	if diff := cmp.Diff(want, gaps); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
	for namespace := range s.pods {
		if namespace != "b" {
			t.Errorf("a pod was tried in %s", namespace)
		}
	}
	// The review can say what is not so.
	s = newAdmitting(t, func(namespace string, _ *corev1.Pod) *metav1.Status {
		return status(http.StatusForbidden, metav1.StatusReasonForbidden, `pods is forbidden: User "jane" cannot create resource "pods" in API group "" in the namespace "a"`)
	})
	got, gaps = s.dryRuns(t, in("a"))
	if len(got.DryRuns) > 0 || len(gaps) != 1 || gaps[0].Reason != fact.Forbidden {
		t.Errorf("RBAC refused it: %v, %v", got.DryRuns, gaps)
	}
}

// Dry runs use the rights of their role, and no others.
func TestDryRunsUseWhatGrantsGiveAndNoMore(t *testing.T) {
	docs, err := launch.Grants(launch.Options{}, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	var all, own []any
	for _, d := range docs {
		all = append(all, d.Object)
		if role, ok := d.Object.(*rbacv1.ClusterRole); ok && role.Name == "kubectl-checklist-dry-runs" {
			own = append(own, role)
		}
	}
	s := newAdmitting(t, func(string, *corev1.Pod) *metav1.Status { return nil })
	s.dryRuns(t, inShop("web:1", ""))
	for _, a := range s.asked {
		if !requests.Permits(requests.Grants(all...), a) {
			t.Errorf("%+v is not granted", a)
		}
	}
	if unused := requests.Unused(requests.Grants(own...), s.asked); len(own) != 1 || len(unused) > 0 {
		t.Errorf("%d roles; granted and not used: %q", len(own), unused)
	}
}

func TestTooManyNamespacesForDryRuns(t *testing.T) {
	s := newAdmitting(t, func(string, *corev1.Pod) *metav1.Status { return nil })
	var workloads []fact.Workload
	for i := range maxDryRunNamespaces + 2 {
		w := inShop("web:1", "")
		w.Owner.Namespace = fmt.Sprintf("n%05d", i)
		workloads = append(workloads, w)
	}
	got, gaps := s.dryRuns(t, workloads...)
	if len(got.DryRuns) != maxDryRunNamespaces || len(s.pods) != maxDryRunNamespaces {
		t.Errorf("%d dry runs, pods in %d namespaces", len(got.DryRuns), len(s.pods))
	}
	if len(gaps) != 1 || gaps[0].Reason != fact.Truncated ||
		gaps[0].Detail != "of 1002 namespaces the first 1000 were tried with a dry run, and 2 namespaces: n01000, n01001 not" {
		t.Errorf("gaps: %v", gaps)
	}
}

// What the API server of Kubernetes 1.37 writes (recorded), and what it means.
func TestMeaningOfRefusals(t *testing.T) {
	const name = "kubectl-checklist-dry-run-0123456789"
	ofPod := func(text string) string { return `pods "` + name + `" is forbidden: ` + text }
	terminating := status(http.StatusForbidden, metav1.StatusReasonForbidden, ofPod("unable to create new content in namespace ending because it is being terminated"))
	terminating.Details = &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}}
	refused := func(by string) dryRunAnswer { return dryRunAnswer{answer: fact.DryRunRefused, by: by} }
	other := func(reason fact.Reason, detail string) dryRunAnswer {
		return dryRunAnswer{answer: fact.DryRunOther, reason: reason, detail: detail}
	}
	for title, tc := range map[string]struct {
		status *metav1.Status
		want   dryRunAnswer
	}{
		"policy":           {status(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, ofPod(byPolicy)), refused("ValidatingAdmissionPolicy ro, binding ro-all")},
		"webhook":          {status(http.StatusBadRequest, "", `admission webhook "validate.kyverno.svc-fail" denied the request: no`), refused("webhook validate.kyverno.svc-fail")},
		"silent webhook":   {status(http.StatusForbidden, "", `admission webhook "a.example" denied the request without explanation`), refused("webhook a.example")},
		"no dry run":       {status(http.StatusBadRequest, metav1.StatusReasonBadRequest, `admission webhook "a.example" does not support dry run`), other(fact.Unsupported, "webhook a.example does not support dry runs")},
		"dead webhook":     {status(http.StatusInternalServerError, metav1.StatusReasonInternalError, `Internal error occurred: failed calling webhook "a.example": failed to call webhook: Post "https://token@10.0.0.1": EOF`), other(fact.Unavailable, "webhook a.example did not answer")},
		"pod security":     {status(http.StatusForbidden, metav1.StatusReasonForbidden, ofPod(`violates PodSecurity "restricted:latest": privileged`)), refused("PodSecurity")},
		"quota":            {status(http.StatusForbidden, metav1.StatusReasonForbidden, ofPod("failed quota: gpu: must specify limits.cpu for: x")), other(fact.AdmissionDenied, "quota gpu refuses another pod")},
		"limit range":      {status(http.StatusForbidden, metav1.StatusReasonForbidden, ofPod("[minimum cpu usage per Container is 1, but request is 10m, minimum memory usage per Container is 1Gi, but request is 16Mi]")), other(fact.AdmissionDenied, "a LimitRange refuses the small requests and limits of the pod")},
		"not ready":        {status(http.StatusForbidden, metav1.StatusReasonForbidden, ofPod("not yet ready to handle request")), other(fact.Unavailable, "an admission plugin of the API server is not ready")},
		"ending":           {terminating, other(fact.Changing, "the namespace is being deleted")},
		"no account":       {status(http.StatusForbidden, metav1.StatusReasonForbidden, ofPod(`error looking up service account shop/default: serviceaccount "default" not found`)), other(fact.NotPresent, "the namespace has no service account named default")},
		"another plugin":   {status(http.StatusForbidden, metav1.StatusReasonForbidden, ofPod("no PriorityClass with name nosuch was found")), refused("an admission plugin")},
		"RBAC":             {status(http.StatusForbidden, metav1.StatusReasonForbidden, `pods is forbidden: User "bob" cannot create resource "pods" in API group "" in the namespace "shop"`), dryRunAnswer{answer: fact.DryRunOther, forbidden: true}},
		"gone":             {status(http.StatusNotFound, metav1.StatusReasonNotFound, `namespaces "shop" not found`), other(fact.NotPresent, "the namespace was not found")},
		"busy":             {status(http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests, "too many"), other(fact.Unavailable, "the API server answered with status 429")},
		"slow":             {status(http.StatusGatewayTimeout, metav1.StatusReasonTimeout, "request did not complete"), other(fact.Timeout, "the API server did not answer a dry run in time")},
		"strict":           {status(http.StatusBadRequest, metav1.StatusReasonBadRequest, `strict decoding error: unknown field "spec.x"`), other(fact.Unsupported, "the API server does not take the pod: status 400")},
		"not at the start": {status(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, `Pod is invalid: admission webhook "x" denied the request`), other(fact.Unsupported, "the API server does not take the pod: status 422")},
		"no name":          {status(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, byPolicy), other(fact.Unsupported, "the API server does not take the pod: status 422")},
		"another's name":   {status(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, `pods "other" is forbidden: `+byPolicy), other(fact.Unsupported, "the API server does not take the pod: status 422")},
		"a long name":      {status(http.StatusForbidden, "", `admission webhook "`+strings.Repeat("x", 250)+`" denied the request`), refused("webhook " + strings.Repeat("x", 66) + " ...")},
		"a secret name":    {status(http.StatusForbidden, "", `admission webhook "AKIAQ3EGRLNTZWXY2B7C" denied the request`), refused("webhook " + credential.Withheld)},
	} {
		t.Run(title, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, meaning(name, &apierrors.StatusError{ErrStatus: *tc.status}), cmp.AllowUnexported(dryRunAnswer{})); diff != "" {
				t.Errorf("meaning (-want +got):\n%s", diff)
			}
		})
	}
	if got := meaning(name, context.DeadlineExceeded); got.answer != fact.DryRunOther || got.reason != fact.Timeout {
		t.Errorf("a deadline: %v", got)
	}
	if got := meaning(name, http.ErrServerClosed); got.answer != fact.DryRunOther || got.reason != fact.Unavailable {
		t.Errorf("no answer: %v", got)
	}
}

func FuzzMeaningOfRefusals(f *testing.F) {
	const name = "kubectl-checklist-dry-run-0123456789"
	f.Add(int32(403), `pods "`+name+`" is forbidden: `+byPolicy)
	f.Add(int32(400), "admission webhook \"a\x00b\x1b[31m\" denied the request")
	f.Add(int32(500), `failed calling webhook "x": http://user:password@host`)
	f.Fuzz(func(t *testing.T, code int32, message string) {
		got := meaning(name, &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: code, Message: message}})
		if got.answer != fact.DryRunRefused && got.answer != fact.DryRunOther {
			t.Errorf("an error is answer %q", got.answer)
		}
		if got.answer == fact.DryRunRefused && got.by == "" || got.answer == fact.DryRunOther && !got.forbidden && got.reason == "" {
			t.Errorf("no reason: %+v", got)
		}
		for _, text := range []string{got.by, got.detail} {
			if len(text) > fact.MaxDryRunName || !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Errorf("text %q", text)
			}
		}
	})
}

func TestImagesOfDryRuns(t *testing.T) {
	for name, tc := range map[string]struct{ image, id, want string }{
		"the digest that runs":          {"shop/web:1", "registry.example/shop/web@" + digest, "shop/web@" + digest},
		"the digest that is declared":   {"r.example/web:1@" + digest, "x", "r.example/web@" + digest},
		"a configuration's digest":      {"shop/web:1", digest, "shop/web:1"},
		"no pods":                       {"shop/web:1", "", "shop/web:1"},
		"a placeholder is no reference": {"{{ image }}", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := modelsOf([]fact.Workload{inShop(tc.image, tc.id)})["shop"].image; got != tc.want {
				t.Errorf("image %q, want %q", got, tc.want)
			}
		})
	}
	first, second := inShop("first:1", ""), inShop("second:1", "second@"+digest)
	second.Owner.Name = "second"
	got := modelsOf([]fact.Workload{first, second})["shop"]
	if got.image != "second@"+digest || got.as != "deployment/second" {
		t.Errorf("the one with a digest was not taken: %+v", got)
	}
	if diff := cmp.Diff(map[string]string{"app": "web"}, got.labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
}
