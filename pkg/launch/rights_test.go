package launch

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-checklist/kubectl-checklist/hack/requests"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/wire"
)

// What an administrator applies, word for word.
func TestGrants(t *testing.T) {
	group := []rbacv1.Subject{{Kind: "Group", APIGroup: rbacv1.GroupName, Name: "auditors"}}
	for name, tc := range map[string]struct {
		opts    Options
		to      []rbacv1.Subject
		creates bool
	}{
		"embedded": {Options{Image: ImageEmbedded}, group, false},
		"image":    {Options{Image: "registry.example/checklist-probe:v1", Namespace: "probes"}, nil, false},
		"creates":  {Options{Image: ImageEmbedded}, nil, true},
		"api":      {Options{Level: fact.LevelAPI}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			docs, err := Grants(tc.opts, tc.to, tc.creates)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, d := range docs {
				text, err := yaml.Marshal(d.Object)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&got, "---\n# %s\n%s", strings.ReplaceAll(d.Comment, "\n", "\n# "), text)
			}
			wantGolden(t, filepath.Join("testdata", "grants", name+".yaml"), got.String())
		})
	}
	if _, err := Grants(Options{Namespace: "a b"}, nil, false); err == nil {
		t.Error("a namespace that cannot exist: no error")
	}
}

func wantGolden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got), -update writes it:\n%s", path, diff)
	}
}

// granted returns the rules of some grants.
func granted(docs []Document) []requests.Grant {
	var objects []any
	for _, d := range docs {
		objects = append(objects, d.Object)
	}
	return requests.Grants(objects...)
}

// Runs with exactly the rights that Grants returns are never refused, and one of them uses
// each of these rights. Rights to read that the probe does not need are used by whole runs,
// which pkg/cli tests.
func TestRunsUseWhatGrantsGiveAndNoMore(t *testing.T) {
	const namespace = "kubectl-checklist"
	big := measurement("b")
	for i := range 4000 {
		big.Host.Installed = append(big.Host.Installed, fact.InstalledKernel{Release: fmt.Sprintf("6.%d.%x", i, i*7919*104729), Path: "/boot"})
	}
	large, err := wire.Encode(big, wire.Options{Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	type scenario struct {
		prepare func(s *apiServer, opts *Options)
		gaps    int // nodes without facts
	}
	scenarios := map[string]scenario{
		"a long run with a large answer": {prepare: func(s *apiServer, opts *Options) {
			opts.MaxInFlight = 1 // longer than one node's time: the Job is to be renewed
			s.kubelet = func(pod *corev1.Pod) { s.succeed(pod.Name, string(large.Trailer)) }
			s.log = func(string) []byte { return slices.Concat(slices.Collect(large.Frames())...) }
		}},
		"a pod that does not start": {gaps: 1, prepare: func(s *apiServer, opts *Options) {
			opts.Timeout = 4 * time.Second // for node b, too
			s.kubelet = func(pod *corev1.Pod) {
				if pod.Spec.NodeName == "a" {
					s.waits(pod.Name, "ContainerCreating", "")
					return
				}
				s.succeed(pod.Name, answer(s.t, pod.Spec.NodeName))
			}
		}},
		"an image that the node does not hold": {prepare: func(s *apiServer, _ *Options) {
			s.nodes["a"].Status.Images = []corev1.ContainerImage{{Names: []string{"example.com/large:1"}}}
			s.kubelet = func(pod *corev1.Pod) {
				if pod.Spec.NodeName == "a" && strings.Contains(pod.Spec.Containers[0].Image, "pause") {
					s.waits(pod.Name, "ErrImageNeverPull", "not there")
					return
				}
				s.succeed(pod.Name, answer(s.t, pod.Spec.NodeName))
			}
		}},
		"an answer that is lost": {prepare: func(s *apiServer, _ *Options) {
			var lost atomic.Bool
			s.intercept = func(w http.ResponseWriter, r *http.Request, what string) bool {
				if what != "POST jobs" || lost.Swap(true) {
					return false
				}
				intercept := s.intercept
				s.serve(discard{http.Header{}}, r)
				s.intercept = intercept
				s.fail(w, apierrors.NewServiceUnavailable("the answer is lost"))
				return true
			}
		}},
		"a namespace that another run made": {prepare: func(s *apiServer, opts *Options) {
			if s.namespaces[namespace] != nil { // whose runs make none
				return
			}
			other := *opts
			other.RunID = "other"
			other, err := other.complete()
			if err != nil {
				s.t.Fatal(err)
			}
			made := other.namespace()
			made.UID, made.ResourceVersion = "made", "1"
			s.namespaces[namespace] = made
		}},
	}
	for name, run := range map[string]struct {
		image   string
		creates bool
	}{
		"embedded, in a namespace that is there": {ImageEmbedded, false},
		"embedded, in a namespace of the runs":   {ImageEmbedded, true},
		"an image, in a namespace that is there": {"example.com/probe:1", false},
		"an image, in a namespace of the runs":   {"example.com/probe:1", true},
	} {
		t.Run(name, faked(func(t *testing.T) {
			docs, err := Grants(Options{Image: run.image}, nil, run.creates)
			if err != nil {
				t.Fatal(err)
			}
			grants := granted(docs)
			var mu sync.Mutex
			var asked []requests.Access
			var wait sync.WaitGroup
			for what, sc := range scenarios {
				wait.Go(func() {
					s := newAPIServer(t, "a", "b")
					opts := s.options()
					opts.Image, opts.Timeout = run.image, time.Minute
					if !run.creates {
						s.namespaces[namespace] = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, UID: "there"}}
					}
					sc.prepare(s, &opts)
					inner := s.intercept
					s.intercept = func(w http.ResponseWriter, r *http.Request, what string) bool {
						if a := requests.Of(r); !requests.Permits(grants, a) {
							t.Errorf("%s: %+v is not granted", what, a)
							s.fail(w, apierrors.NewForbidden(corev1.Resource(a.Resource), a.Name, errors.New("not granted")))
							return true
						}
						return inner != nil && inner(w, r, what)
					}
					measured, gaps, err := Measure(t.Context(), opts, factNodes("a", "b"))
					if err != nil {
						t.Errorf("%s: %v", what, err)
					}
					if len(gaps) != 2*sc.gaps || len(measured) != 2-sc.gaps {
						t.Errorf("%s: measured %d, gaps %+v", what, len(measured), gaps)
					}
					// The process that cleans up after a kill has the same rights.
					if _, _, err := cleanUp(t.Context(), opts.Client, Options{RunID: "run1", timing: opts.timing}); err != nil {
						t.Errorf("%s: cleaning up: %v", what, err)
					}
					s.mu.Lock()
					defer s.mu.Unlock()
					mu.Lock()
					defer mu.Unlock()
					asked = append(asked, s.accesses...)
				})
			}
			wait.Wait()
			if asked == nil {
				t.Fatal("nothing was asked")
			}
			ofProbe := slices.DeleteFunc(docs, func(d Document) bool {
				o, ok := d.Object.(metav1.Object)
				return !ok || o.GetName() != roleProbe
			})
			if len(ofProbe) == 0 {
				t.Fatal("no role of the probe")
			}
			if unused := requests.Unused(granted(ofProbe), asked); len(unused) > 0 {
				t.Errorf("granted, and used by no run: %q", unused)
			}
		}))
	}
}

// docs/rights.md says what each right is for.
func TestRightsDoc(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Rights that a run uses\n\n" +
		"<!-- Generated: go test ./pkg/launch -run TestRightsDoc -update -->\n\n" +
		"`kubectl checklist manifests --only grants` prints these rights as roles. It takes the flags of the run\n" +
		"(`--probe-image`, `--probe-namespace`, `--no-probe`), and `--bind` adds bindings. `kubectl checklist`, `nodes` and\n" +
		"`secrets` need no other rights. (`pods TYPE/NAME` also reads the named object, as kubectl does. `cleanup` also looks\n" +
		"into other namespaces, if its user may list pods, jobs, ConfigMaps and namespaces there.)\n\n" +
		"Three of these rights are strong:\n\n" +
		"- `create pods` in the probe's namespace. The namespace admits pods with hostPID and hostNetwork, so anyone who may\n" +
		"  create pods there can become root on every node.\n" +
		"- `list secrets`. RBAC cannot grant names alone. The plugin asks for metadata only, but anyone with this right can\n" +
		"  read values. The right has its own role, so that you can leave it out.\n" +
		"- `create pods` in all namespaces. Only dry runs use it, which store nothing: they show whether the API server refuses\n" +
		"  pods with a writable root (`drift/enforcement`). RBAC cannot grant dry runs alone, so anyone with this right can run\n" +
		"  pods in every namespace, with its service accounts and its Secrets. The right has its own role. You can leave it out,\n" +
		"  or bind it in some namespaces only: the check is unknown in the others. `--no-probe` sends no dry run.\n\n" +
		"An administrator who applies the grants owns the probe's namespace. Runs use it and do not remove it. With\n" +
		"`--create-namespace`, runs create and remove the namespace. Rights in a namespace that does not exist yet have to\n" +
		"apply to all namespaces. That is much more power.\n\n" +
		"On OpenShift the user also needs the verb `use` on the SecurityContextConstraints `privileged`.\n\n" +
		"| right | where | used by | without it |\n| --- | --- | --- | --- |\n")
	for _, r := range rights() {
		place := map[where]string{everywhere: "cluster", inNamespace: "the probe's namespace", inKubeSystem: "namespace kube-system"}[r.where]
		if r.named {
			place = "cluster, the probe's namespace by name"
		}
		var users []string
		for _, u := range []struct {
			when when
			text string
		}{
			{reads, "every run"},
			{probes, "runs with a probe"},
			{embeds, "runs with the embedded probe"},
			{makes, "runs that create the namespace"},
		} {
			if r.when&u.when != 0 {
				users = append(users, u.text)
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.String(), place, strings.Join(users, ", "), r.without)
	}
	wantGolden(t, filepath.Join("..", "..", "docs", "rights.md"), b.String())
}

// The table is consistent: what Preflight requires is used, and every row differs.
func TestRightsTable(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range rights() {
		key := fmt.Sprint(r.where, " ", r.String(), " ", r.named)
		if seen[key] {
			t.Errorf("%s: twice", key)
		}
		seen[key] = true
		uses := r.when
		if uses&reads != 0 { // every run does
			uses |= probes | embeds | makes
		}
		if uses&probes != 0 {
			uses |= embeds | makes
		}
		if r.when == 0 || r.must&^uses != 0 || r.without == "" || r.named != (r.resource == "namespaces" && r.verb != "create" && r.when&reads == 0) {
			t.Errorf("%s: %+v", key, r)
		}
	}
}
