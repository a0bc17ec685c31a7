package launch

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// leftovers creates on the server what two interrupted runs left, and objects of others.
func leftovers(t *testing.T) *apiServer {
	s := newAPIServer(t, "a")
	meta := func(name, run string) metav1.ObjectMeta {
		return metav1.ObjectMeta{
			Name: name, Namespace: "kubectl-checklist",
			Labels: map[string]string{LabelName: ManagedBy, LabelManagedBy: ManagedBy, LabelRun: run},
			UID:    types.UID("uid of " + name),
		}
	}
	for _, run := range []string{"one", "two"} {
		s.pods["checklist-"+run+"-0000"] = &corev1.Pod{
			ObjectMeta: meta("checklist-"+run+"-0000", run), Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: containerName}}},
		}
		s.maps["checklist-"+run+"-amd64-loader"] = &corev1.ConfigMap{
			ObjectMeta: meta("checklist-"+run+"-amd64-loader", run), Immutable: new(true), BinaryData: map[string][]byte{"loader": {1}, "size": {2}},
		}
		s.jobs["checklist-"+run] = &batchv1.Job{ObjectMeta: meta("checklist-"+run, run), Spec: batchv1.JobSpec{Completions: new(int32(0))}}
	}
	s.namespaces["kubectl-checklist"] = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: "kubectl-checklist", Labels: map[string]string{LabelManagedBy: ManagedBy},
		Annotations: map[string]string{AnnotationCreatedBy: "one", AnnotationLastRun: "one"},
	}}
	s.namespaces["shop"] = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
	return s
}

func TestCleanup(t *testing.T) {
	all := []string{
		"pod/checklist-one-0000 in namespace kubectl-checklist", "pod/checklist-two-0000 in namespace kubectl-checklist",
		"configmap/checklist-one-amd64-loader in namespace kubectl-checklist", "configmap/checklist-two-amd64-loader in namespace kubectl-checklist",
		"job.batch/checklist-one in namespace kubectl-checklist", "job.batch/checklist-two in namespace kubectl-checklist",
	}
	forbid := func(w http.ResponseWriter, s *apiServer) bool {
		s.fail(w, apierrors.NewForbidden(corev1.Resource("x"), "", errors.New("no")))
		return true
	}
	other := func(resource string, meta metav1.ObjectMeta) func(*apiServer) {
		return func(s *apiServer) {
			s.others = map[string][]metav1.PartialObjectMetadata{resource: {{ObjectMeta: meta}}}
		}
	}
	for name, tc := range map[string]struct {
		opts      Options
		edit      func(*apiServer)
		intercept func(s *apiServer, w http.ResponseWriter, r *http.Request, what string) bool
		removed   []string
		left      []string
		err       string
	}{
		"everything of ours, and nothing else": {
			removed: append(all[:len(all):len(all)], "namespace/kubectl-checklist"), left: []string{"namespace/shop"},
		},
		"one run": {
			opts: Options{RunID: "one"}, removed: []string{all[0], all[2], all[4]},
			left: []string{
				"configmap/checklist-two-amd64-loader", "job/checklist-two", "namespace/kubectl-checklist", "namespace/shop", "pod/checklist-two-0000",
			},
		},
		"a namespace of ours with a pod of somebody": {
			edit:    func(s *apiServer) { s.pods["web"] = &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web"}} },
			removed: all, left: []string{"namespace/kubectl-checklist", "namespace/shop", "pod/web"},
		},
		"a namespace of ours with a secret of somebody": {
			edit:    other("secrets", metav1.ObjectMeta{Name: "pull"}),
			removed: all, left: []string{"namespace/kubectl-checklist", "namespace/shop"},
		},
		"a namespace of ours with a claim of somebody": {
			edit:    other("persistentvolumeclaims", metav1.ObjectMeta{Name: "data"}),
			removed: all, left: []string{"namespace/kubectl-checklist", "namespace/shop"},
		},
		"a namespace of ours with a service of somebody": {
			edit:    other("services", metav1.ObjectMeta{Name: "web"}),
			removed: all, left: []string{"namespace/kubectl-checklist", "namespace/shop"},
		},
		"a service account's token is nobody's": {
			edit: other("secrets", metav1.ObjectMeta{
				Name: "default-token-x", Annotations: map[string]string{corev1.ServiceAccountNameKey: "default"},
			}),
			removed: append(all[:len(all):len(all)], "namespace/kubectl-checklist"), left: []string{"namespace/shop"},
		},
		"a user who may not list services, claims and secrets": {
			edit: other("secrets", metav1.ObjectMeta{Name: "unseen"}),
			intercept: func(s *apiServer, w http.ResponseWriter, r *http.Request, what string) bool {
				return slices.Contains([]string{"GET services", "GET persistentvolumeclaims", "GET secrets"}, what) && forbid(w, s)
			},
			removed: append(all[:len(all):len(all)], "namespace/kubectl-checklist"), left: []string{"namespace/shop"},
		},
		"the namespace of a pull secret, secrets unseen": {
			opts: Options{RunID: "one", PullSecret: "pull"}, removed: []string{all[0], all[2], all[4]},
			edit: func(s *apiServer) {
				delete(s.pods, "checklist-two-0000")
				delete(s.maps, "checklist-two-amd64-loader")
				delete(s.jobs, "checklist-two")
			},
			left: []string{"namespace/kubectl-checklist", "namespace/shop"},
		},
		"what only carries our labels is named, and left": {
			edit: func(s *apiServer) {
				labels := map[string]string{LabelName: ManagedBy, LabelManagedBy: ManagedBy, LabelRun: "one"}
				s.pods["web"] = &corev1.Pod{
					ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop", UID: "1", Labels: labels},
					Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: containerName}}},
				}
				s.maps["checklist-one-arm64-loader"] = &corev1.ConfigMap{
					ObjectMeta: metav1.ObjectMeta{Name: "checklist-one-arm64-loader", Namespace: "shop", UID: "2", Labels: labels}, Data: map[string]string{"a": "b"},
				}
				s.jobs["checklist-one-backup"] = &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "checklist-one-backup", Namespace: "shop", UID: "3", Labels: labels}}
			},
			removed: all,
			left:    []string{"configmap/checklist-one-arm64-loader", "job/checklist-one-backup", "namespace/kubectl-checklist", "namespace/shop", "pod/web"},
			err: `not deleted: pod/web in namespace shop has the labels of a run, but is not what a run creates
not deleted: configmap/checklist-one-arm64-loader in namespace shop has the labels of a run, but is not what a run creates
not deleted: job.batch/checklist-one-backup in namespace shop has the labels of a run, but is not what a run creates`,
		},
		"what was put in the place of ours meanwhile is left": {
			opts: Options{RunID: "one"},
			intercept: func(s *apiServer, w http.ResponseWriter, r *http.Request, what string) bool {
				if what == "DELETE pods" {
					s.mu.Lock()
					s.pods["checklist-one-0000"].UID = "another"
					s.mu.Unlock()
				}
				return false
			},
			removed: []string{all[2], all[4]},
			left: []string{
				"configmap/checklist-two-amd64-loader", "job/checklist-two", "namespace/kubectl-checklist", "namespace/shop",
				"pod/checklist-one-0000", "pod/checklist-two-0000",
			},
		},
		"a namespace that somebody labelled": {
			edit: func(s *apiServer) {
				s.namespaces["kubectl-checklist"].Annotations = nil
			},
			removed: all, left: []string{"namespace/kubectl-checklist", "namespace/shop"},
		},
		"a user who may not list everywhere": {
			intercept: func(s *apiServer, w http.ResponseWriter, r *http.Request, what string) bool {
				everywhere := r.Method == http.MethodGet && !strings.Contains(r.URL.Path, "/namespaces/")
				return everywhere && forbid(w, s)
			},
			removed: append(all[:len(all):len(all)], "namespace/kubectl-checklist"), left: []string{"namespace/shop"},
		},
		"a user who may list jobs and pods everywhere, ConfigMaps only there": {
			intercept: func(s *apiServer, w http.ResponseWriter, r *http.Request, what string) bool {
				return what == "GET configmaps" && !strings.Contains(r.URL.Path, "/namespaces/") && forbid(w, s)
			},
			removed: append(all[:len(all):len(all)], "namespace/kubectl-checklist"), left: []string{"namespace/shop"},
		},
		"one run is looked for in its namespace only": {
			opts: Options{RunID: "one"}, removed: []string{all[0], all[2], all[4]},
			intercept: func(s *apiServer, w http.ResponseWriter, r *http.Request, what string) bool {
				if r.Method != http.MethodGet || strings.Contains(r.URL.Path, "/namespaces/") {
					return false
				}
				s.fail(w, apierrors.NewInternalError(errors.New("asked everywhere")))
				return true
			},
			left: []string{
				"configmap/checklist-two-amd64-loader", "job/checklist-two", "namespace/kubectl-checklist", "namespace/shop", "pod/checklist-two-0000",
			},
		},
		"what cannot be listed is named, the rest goes": {
			opts: Options{RunID: "one"}, removed: []string{all[0], all[4]},
			intercept: func(s *apiServer, w http.ResponseWriter, r *http.Request, what string) bool {
				return what == "GET configmaps" && forbid(w, s)
			},
			left: []string{
				"configmap/checklist-one-amd64-loader", "configmap/checklist-two-amd64-loader", "job/checklist-two",
				"namespace/kubectl-checklist", "namespace/shop", "pod/checklist-two-0000",
			},
			err: "listing ConfigMaps: x is forbidden: no\nlisting ConfigMaps in namespace kubectl-checklist: x is forbidden: no",
		},
		"what cannot be removed is named, the rest goes": {
			intercept: func(s *apiServer, w http.ResponseWriter, r *http.Request, what string) bool {
				return what == "DELETE configmaps" && forbid(w, s)
			},
			removed: append(append([]string{}, append(all[:2:2], all[4:]...)...), "namespace/kubectl-checklist"),
			left:    []string{"configmap/checklist-one-amd64-loader", "configmap/checklist-two-amd64-loader", "namespace/shop"},
			err: `removing configmap/checklist-one-amd64-loader in namespace kubectl-checklist: x is forbidden: no
removing configmap/checklist-two-amd64-loader in namespace kubectl-checklist: x is forbidden: no`,
		},
	} {
		t.Run(name, faked(func(t *testing.T) {
			s := leftovers(t)
			if tc.edit != nil {
				tc.edit(s)
			}
			if tc.intercept != nil {
				s.intercept = func(w http.ResponseWriter, r *http.Request, what string) bool { return tc.intercept(s, w, r, what) }
			}
			removed, err := Cleanup(t.Context(), s.client(), tc.opts)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if text != tc.err {
				t.Errorf("error %q, expected %q", text, tc.err)
			}
			if diff := cmp.Diff(tc.removed, removed); diff != "" {
				t.Errorf("removed (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.left, s.left()); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
		}))
	}
}

func TestGuardCleansUpOnlyAfterADeath(t *testing.T) {
	for name, tc := range map[string]struct {
		says string
		left []string
	}{
		"a run that ends by itself": {says: released, left: []string{
			"configmap/checklist-one-amd64-loader", "configmap/checklist-two-amd64-loader", "job/checklist-one", "job/checklist-two",
			"namespace/kubectl-checklist", "namespace/shop", "pod/checklist-one-0000", "pod/checklist-two-0000",
		}},
		"a run that dies": {left: []string{
			"configmap/checklist-two-amd64-loader", "job/checklist-two", "namespace/kubectl-checklist", "namespace/shop", "pod/checklist-two-0000",
		}},
		"a run that says something else": {says: "reset me\n", left: []string{
			"configmap/checklist-two-amd64-loader", "job/checklist-two", "namespace/kubectl-checklist", "namespace/shop", "pod/checklist-two-0000",
		}},
		"a run that dies in the middle of its last word": {says: released[:3], left: []string{
			"configmap/checklist-two-amd64-loader", "job/checklist-two", "namespace/kubectl-checklist", "namespace/shop", "pod/checklist-two-0000",
		}},
	} {
		t.Run(name, faked(func(t *testing.T) {
			s := leftovers(t)
			pipe, run := io.Pipe()
			heard, out := io.Pipe()
			done := make(chan error)
			go func() {
				done <- Watch(context.Background(), pipe, out, s.client(), Options{RunID: "one", timing: timing{guard: time.Millisecond}})
			}()
			if said, err := bufio.NewReader(heard).ReadString('\n'); err != nil || said != ready {
				t.Fatalf("the guard says %q (%v), expected %q", said, err, ready)
			}
			time.Sleep(10 * time.Millisecond)
			if n := s.count("DELETE pods"); n != 0 {
				t.Errorf("%d pods deleted while the run lives", n)
			}
			_, _ = io.WriteString(run, tc.says)
			_ = run.Close()
			if err := <-done; err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(tc.left, s.left()); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
		}))
	}
	if err := Watch(t.Context(), strings.NewReader(""), io.Discard, Client{}, Options{}); err == nil {
		t.Error("a guard without a run would clean up after everybody")
	}
}
