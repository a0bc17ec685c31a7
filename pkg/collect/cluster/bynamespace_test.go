package cluster

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/hack/podserver"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// streamed lists once as a whole and once namespace by namespace. It returns both results, of
// which the second has all workloads, and how often workloads were passed on.
func streamed(t *testing.T, opts Options) (whole, got *Result, times int) {
	t.Helper()
	opts.Pods, opts.NoIDs, opts.Templates, opts.Scripts = true, true, true, true
	whole, err := Collect(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	var passed []fact.Workload
	opts.streamAfter = 1
	opts.Stream = func(known *Result) func([]fact.Workload) {
		if known.PodScope != fact.PodsAll || known.Cluster.Version != whole.Cluster.Version || len(known.Workloads) > 0 {
			t.Errorf("what is known at the start is %+v", known)
		}
		return func(workloads []fact.Workload) {
			times++
			passed = append(passed, workloads...)
		}
	}
	if got, err = Collect(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	if got.Streamed {
		if len(got.Workloads) > 0 {
			t.Error("workloads were passed on and kept")
		}
		got.Workloads = passed
		Sort(got.Workloads)
	}
	return whole, got, times
}

func sameResult(t *testing.T, whole, got *Result) {
	t.Helper()
	if !reflect.DeepEqual(whole.Workloads, got.Workloads) {
		t.Errorf("%d workloads as a whole, %d by namespace:\n%+v\n%+v", len(whole.Workloads), len(got.Workloads), ownersIn(whole), ownersIn(got))
	}
	if !reflect.DeepEqual(whole.Gaps, got.Gaps) || whole.Templates != got.Templates || whole.PodScope != got.PodScope || whole.TemplatesRead != got.TemplatesRead {
		t.Errorf("as a whole %v %d %v, by namespace %v %d %v", whole.Gaps, whole.Templates, whole.PodScope, got.Gaps, got.Templates, got.PodScope)
	}
}

func ownersIn(r *Result) (out []string) {
	for i := range r.Workloads {
		w := &r.Workloads[i]
		out = append(out, fmt.Sprintf("%s/%s/%s %d", w.Owner.Namespace, w.Owner.Kind, w.Owner.Name, len(w.Pods)))
	}
	return out
}

func TestByNamespaceGivesTheWhole(t *testing.T) {
	server := httptest.NewServer(podserver.Cluster{Pods: 2*podserver.Pods + 400})
	defer server.Close()
	s := newServer(t)
	s.URL = server.URL
	whole, got, times := streamed(t, Options{Config: s.config(), PageSize: 200})
	sameResult(t, whole, got)
	if !got.Streamed || times != 3 {
		t.Errorf("streamed %t, in %d parts", got.Streamed, times)
	}
	if got.Pods != 2*podserver.Pods+400 || got.Owners != (podserver.Cluster{Pods: 2*podserver.Pods + 400}).Owners() {
		t.Errorf("%d pods of %d owners were counted", got.Pods, got.Owners)
	}
}

// mixed has namespaces whose keys are in another order than their names, namespaces without
// pods, workloads without pods, and pods that differ from their template.
func mixed(t *testing.T) *server {
	s := newServer(t)
	template := corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app:1"}}}}
	for _, namespace := range []string{"empty-first", "shop-x", "shop", "shop.y", "zz"} { // '-' and '.' stand before '/'
		for i, name := range []string{"idle", "web"} {
			d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: appsv1.DeploymentSpec{Template: template}}
			s.typed["/apis/apps/v1/deployments"] = append(s.typed["/apis/apps/v1/deployments"], d)
			set := metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name + "-abc"}}
			controlledBy("Deployment", name)(&corev1.Pod{ObjectMeta: set.ObjectMeta})
			owner := corev1.Pod{}
			controlledBy("Deployment", name)(&owner)
			set.OwnerReferences = owner.OwnerReferences
			s.metadata[setsPath] = append(s.metadata[setsPath], set)
			if i == 1 && !strings.HasPrefix(namespace, "empty") && namespace != "zz" {
				for k := range 3 {
					p := pod(namespace, fmt.Sprintf("web-abc-%d", k), "n1", controlledBy("ReplicaSet", "web-abc"))
					p.Spec = template.Spec
					p.Spec.HostPID = k == 2
					s.pods = append(s.pods, p)
				}
			}
		}
		s.pods = append(s.pods, pod(namespace, "zzz", "n1"))
	}
	s.pods = slices.DeleteFunc(s.pods, func(p corev1.Pod) bool { return p.Namespace == "empty-first" || p.Namespace == "zz" })
	return s
}

// inOrder puts what the server lists into the order of an API server.
func (s *server) inOrder() {
	less := func(a, b string) int { return strings.Compare(a, b) }
	slices.SortStableFunc(s.pods, func(a, b corev1.Pod) int { return less(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name) })
	for _, list := range s.typed {
		slices.SortStableFunc(list, func(a, b metav1.Object) int {
			return less(a.GetNamespace()+"/"+a.GetName(), b.GetNamespace()+"/"+b.GetName())
		})
	}
}

func TestByNamespace(t *testing.T) {
	s := mixed(t)
	s.inOrder()
	for size := range int64(4) {
		whole, got, times := streamed(t, Options{Config: s.config(), PageSize: size + 1})
		sameResult(t, whole, got)
		if !got.Streamed || times < 4 {
			t.Errorf("streamed %t, in %d parts", got.Streamed, times)
		}
	}
}

// Lists in another order are read again as a whole.
func TestByNamespaceWithoutOrder(t *testing.T) {
	for name, spoil := range map[string]func(*server){
		"pods":        func(s *server) { slices.Reverse(s.pods) },
		"deployments": func(s *server) { slices.Reverse(s.typed["/apis/apps/v1/deployments"]) },
	} {
		s := mixed(t)
		s.inOrder()
		spoil(s)
		whole, got, _ := streamed(t, Options{Config: s.config(), PageSize: 2})
		sameResult(t, whole, got)
		if got.Streamed {
			t.Errorf("%s: what is in no order was passed on", name)
		}
	}
}

// A list that fails costs what comes after it, and says so.
func TestByNamespaceWithFailures(t *testing.T) {
	for name, refuse := range map[string]func(*http.Request) bool{
		"pods":               func(r *http.Request) bool { return r.URL.Path == podsPath },
		"the pods' 2nd page": func(r *http.Request) bool { return r.URL.Path == podsPath && r.URL.Query().Get("continue") != "" },
		"deployments":        func(r *http.Request) bool { return r.URL.Path == "/apis/apps/v1/deployments" },
	} {
		for _, code := range []int32{http.StatusForbidden, http.StatusInternalServerError} {
			s := mixed(t)
			s.inOrder()
			s.refuse = func(r *http.Request) *metav1.Status {
				if !refuse(r) {
					return nil
				}
				reason := metav1.StatusReasonForbidden
				if code != http.StatusForbidden {
					reason = metav1.StatusReasonInternalError
				}
				return &metav1.Status{Status: "Failure", Code: code, Reason: reason, Message: "no"}
			}
			opts := Options{Config: s.config(), Pods: true, NoIDs: true, Templates: true, PageSize: 5}
			_, errWhole := Collect(t.Context(), opts)
			opts.Stream = func(*Result) func([]fact.Workload) { return func([]fact.Workload) {} }
			opts.streamAfter = 1
			_, errStream := Collect(t.Context(), opts)
			if (errWhole == nil) != (errStream == nil) {
				t.Errorf("%s, %d: as a whole %v, by namespace %v", name, code, errWhole, errStream)
			}
			if errWhole == nil {
				whole, got, _ := streamed(t, Options{Config: s.config(), PageSize: 5})
				sameResult(t, whole, got)
			}
		}
	}
}
