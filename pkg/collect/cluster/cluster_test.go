package cluster

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// everything asks for all lists in pages of two.
func everything(s *server) Options {
	return Options{Config: s.config(), Pods: true, Nodes: true, Secrets: true, PageSize: 2}
}

func collect(t *testing.T, opts Options) *Result {
	t.Helper()
	result, err := Collect(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// names lists what was found, one word each: nodes, pods with owners, Secrets.
func names(r *Result) []string {
	var out []string
	for _, n := range r.Nodes {
		out = append(out, n.Name)
	}
	for _, w := range r.Workloads {
		for _, p := range w.Pods {
			out = append(out, w.Owner.Namespace+"/"+p.Name)
		}
	}
	for _, s := range r.Secrets {
		out = append(out, "secret "+s.Namespace+"/"+s.Name)
	}
	return out
}

// fill gives a server five nodes, pods and Secrets.
func fill(s *server) []string {
	var nodes, pods, secrets []string
	for i := range 5 {
		node, name := fmt.Sprintf("n%d", i), fmt.Sprintf("p%d", i)
		s.nodes = append(s.nodes, corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}})
		s.pods = append(s.pods, pod("shop", name, node))
		s.metadata[secretsPath] = append(s.metadata[secretsPath], partial("shop", name))
		nodes, pods, secrets = append(nodes, node), append(pods, "shop/"+name), append(secrets, "secret shop/"+name)
	}
	return append(append(nodes, pods...), secrets...)
}

func TestPages(t *testing.T) {
	s := newServer(t)
	want := fill(s)
	result := collect(t, everything(s))
	if diff := cmp.Diff(want, names(result)); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if result.PodScope != fact.PodsAll || !result.SecretsListed || len(result.Gaps) != 0 {
		t.Errorf("want all pods and all secrets without gaps, got %q, %v, %v", result.PodScope, result.SecretsListed, result.Gaps)
	}
	for _, path := range []string{nodesPath, podsPath, secretsPath} {
		var asked []string
		for _, r := range s.asked(path) {
			asked = append(asked, r.URL.Query().Get("limit")+" from "+r.URL.Query().Get("continue"))
		}
		if diff := cmp.Diff([]string{"2 from ", "2 from 2", "2 from 4"}, asked); diff != "" {
			t.Errorf("%s: pages (-want +got):\n%s", path, diff)
		}
	}
}

// A page that the server has forgotten is neither an error nor a reason to
// name something twice or not at all.
func TestExpiredPage(t *testing.T) {
	gone := func(next string) *metav1.Status {
		st := status(http.StatusGone, metav1.StatusReasonExpired, "The provided continue parameter is too old")
		st.Continue = next
		return st
	}
	for name, tc := range map[string]struct {
		answer *metav1.Status
		want   []string // tokens asked for
	}{
		"the refusal's token goes on behind the same key": {gone("2"), []string{"", "2", "2", "4"}},
		"without a token everything is listed again":      {gone(""), []string{"", "2", ""}},
	} {
		for _, path := range []string{nodesPath, podsPath, secretsPath} {
			t.Run(name+" "+path, func(t *testing.T) {
				s := newServer(t)
				want := fill(s)
				times := 0
				s.refuse = func(r *http.Request) *metav1.Status {
					if r.URL.Path == path && r.URL.Query().Get("continue") == "2" && times == 0 {
						times++
						return tc.answer
					}
					return nil
				}
				if diff := cmp.Diff(want, names(collect(t, everything(s)))); diff != "" {
					t.Errorf("names (-want +got):\n%s", diff)
				}
				var asked []string
				for _, r := range s.asked(path) {
					asked = append(asked, r.URL.Query().Get("continue"))
				}
				if diff := cmp.Diff(tc.want, asked); diff != "" {
					t.Errorf("tokens (-want +got):\n%s", diff)
				}
			})
		}
	}
	t.Run("a server that forgets forever costs the rest of that list", func(t *testing.T) {
		s := newServer(t)
		fill(s)
		s.refuse = func(r *http.Request) *metav1.Status {
			if r.URL.Path == podsPath && r.URL.Query().Get("continue") != "" {
				return gone("2")
			}
			return nil
		}
		result := collect(t, everything(s))
		want := []fact.Gap{{
			What: fact.Pods, Subject: fact.Subject{Kind: "Cluster"}, Reason: fact.Changing, Hint: "run it again",
			Detail: "a part of the list was read; listing pods: the list changed faster than it could be read",
		}}
		if diff := cmp.Diff(want, result.Gaps); diff != "" || len(result.Workloads) != 2 || result.PodScope != fact.PodsSome {
			t.Errorf("%d workloads of %q, gaps (-want +got):\n%s", len(result.Workloads), result.PodScope, diff)
		}
	})
}

// What RBAC refuses is a gap that names verb, resource and scope, or no loss;
// the rest is answered.
func TestForbidden(t *testing.T) {
	gap := func(what fact.Kind, detail, hint string) []fact.Gap {
		return []fact.Gap{{What: what, Subject: fact.Subject{Kind: "Cluster"}, Reason: fact.Forbidden, Detail: detail, Hint: hint}}
	}
	for name, tc := range map[string]struct {
		path, namespace string
		names           []string // nodes by name
		scope           fact.PodScope
		want            []fact.Gap
		kept            func(string) bool
	}{
		"nodes": {
			path: nodesPath, scope: fact.PodsAll,
			want: gap(fact.Nodes, "no right to list nodes in the cluster", "grant list on nodes"),
			kept: func(n string) bool { return !strings.HasPrefix(n, "n") },
		},
		"nodes by name": {
			path: nodesPath + "/n0", names: []string{"node/n0"}, scope: fact.PodsAll,
			want: gap(fact.Nodes, "no right to get nodes in the cluster", "grant get on nodes"),
			kept: func(n string) bool { return !strings.HasPrefix(n, "n") },
		},
		"pods": {
			path: podsPath, scope: fact.PodsNotListed,
			want: gap(fact.Pods, "no right to list pods in all namespaces", "grant list on pods, or narrow the run with -n"),
			kept: func(n string) bool { return !strings.HasPrefix(n, "shop/") },
		},
		"pods of a namespace": {
			path: "/api/v1/namespaces/shop/pods", namespace: "shop", scope: fact.PodsNotListed,
			want: gap(fact.Pods, `no right to list pods in namespace "shop"`, "grant list on pods"),
			kept: func(n string) bool { return !strings.HasPrefix(n, "shop/") },
		},
		"secrets": {
			path: secretsPath, scope: fact.PodsAll,
			want: gap(fact.Secrets, "no right to list secrets in all namespaces", "grant list on secrets, or narrow the run with -n"),
			kept: func(n string) bool { return !strings.HasPrefix(n, "secret ") },
		},
		"replicasets":       {path: setsPath, scope: fact.PodsAll},
		"jobs":              {path: jobsPath, scope: fact.PodsAll},
		"runtimeclasses":    {path: handlersPath, scope: fact.PodsAll},
		"persistentvolumes": {path: volumesPath, scope: fact.PodsAll},
		"version":           {path: versionPath, scope: fact.PodsAll},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			all := fill(s)
			s.refuse = refuseAll(tc.path, forbidden)
			opts := everything(s)
			opts.Namespace, opts.NodeNames = tc.namespace, tc.names
			result := collect(t, opts)
			var want []string
			for _, n := range all {
				if tc.kept == nil || tc.kept(n) {
					want = append(want, n)
				}
			}
			if diff := cmp.Diff(want, names(result)); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.want, result.Gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			if result.PodScope != tc.scope {
				t.Errorf("want pod scope %q, got %q", tc.scope, result.PodScope)
			}
			if refused := tc.path == secretsPath; result.SecretsListed == refused {
				t.Errorf("secrets listed: %v", result.SecretsListed)
			}
			if len(s.asked(tc.path)) == 0 {
				t.Errorf("%s was never asked for", tc.path)
			}
		})
	}
	t.Run("pods refused between two pages are some pods, never all", func(t *testing.T) {
		s := newServer(t)
		fill(s)
		s.refuse = func(r *http.Request) *metav1.Status {
			if r.URL.Path == podsPath && r.URL.Query().Get("continue") == "2" {
				return forbidden
			}
			return nil
		}
		result := collect(t, Options{Config: s.config(), Pods: true, PageSize: 2})
		if len(result.Workloads) != 2 || result.PodScope != fact.PodsSome || len(result.Gaps) != 1 {
			t.Errorf("want 2 workloads of some and a gap, got %d of %q and %v", len(result.Workloads), result.PodScope, result.Gaps)
		}
	})
}

// A server that fails one list costs what was in it, and nothing else: a gap
// with the server's words, but for Secrets, as it may quote one. Lists that only add to
// others cost nothing.
func TestAListThatFails(t *testing.T) {
	broken := status(http.StatusInternalServerError, metav1.StatusReasonInternalError, "etcdserver: leader\x1b changed")
	gap := func(what fact.Kind) []fact.Gap {
		words := "etcdserver: leader^[ changed"
		if what == fact.Secrets {
			words = "the server answered with status 500"
		}
		return []fact.Gap{{
			What: what, Subject: fact.Subject{Kind: "Cluster"}, Reason: fact.Unavailable,
			Detail: "listing " + string(what) + ": " + words, Hint: "run it again",
		}}
	}
	for name, tc := range map[string]struct {
		path  string
		scope fact.PodScope
		want  []fact.Gap
		lost  string
	}{
		"nodes":             {nodesPath, fact.PodsAll, gap(fact.Nodes), "n"},
		"pods":              {podsPath, fact.PodsNotListed, gap(fact.Pods), "shop/"},
		"secrets":           {secretsPath, fact.PodsAll, gap(fact.Secrets), "secret "},
		"replicasets":       {setsPath, fact.PodsAll, nil, "-"},
		"jobs":              {jobsPath, fact.PodsAll, nil, "-"},
		"persistentvolumes": {volumesPath, fact.PodsAll, nil, "-"},
		"runtimeclasses":    {handlersPath, fact.PodsAll, nil, "-"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			want := slices.DeleteFunc(fill(s), func(n string) bool { return strings.HasPrefix(n, tc.lost) })
			s.refuse = refuseAll(tc.path, broken)
			result := collect(t, everything(s))
			if diff := cmp.Diff(want, names(result)); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.want, result.Gaps); diff != "" || result.PodScope != tc.scope {
				t.Errorf("scope %q, gaps (-want +got):\n%s", result.PodScope, diff)
			}
			if lost := tc.path == secretsPath; result.SecretsListed == lost {
				t.Errorf("secrets listed: %v", result.SecretsListed)
			}
		})
	}
	t.Run("pods up to the page that fails are some pods", func(t *testing.T) {
		s := newServer(t)
		fill(s)
		s.refuse = func(r *http.Request) *metav1.Status {
			if r.URL.Path == podsPath && r.URL.Query().Get("continue") == "2" {
				return broken
			}
			return nil
		}
		result := collect(t, Options{Config: s.config(), Pods: true, PageSize: 2})
		want := gap(fact.Pods)
		want[0].Detail = "a part of the list was read; " + want[0].Detail
		if diff := cmp.Diff(want, result.Gaps); diff != "" || len(result.Workloads) != 2 || result.PodScope != fact.PodsSome {
			t.Errorf("%d workloads of %q, gaps (-want +got):\n%s", len(result.Workloads), result.PodScope, diff)
		}
	})
}

// Who is not known, a request that is wrong, and a server that answers nothing
// end the run: an error, whatever was refused, and the same one each time.
func TestFailures(t *testing.T) {
	broken := status(http.StatusInternalServerError, metav1.StatusReasonInternalError, "etcdserver: leader changed")
	unauthorized := status(http.StatusUnauthorized, metav1.StatusReasonUnauthorized, "Unauthorized")
	for name, tc := range map[string]struct {
		path   string
		status *metav1.Status
		want   string
	}{
		"401 at once":  {versionPath, unauthorized, "the server has asked for the client to provide credentials"},
		"401 for pods": {podsPath, unauthorized, "listing pods: Unauthorized"},
		"400 for pods": {podsPath, status(http.StatusBadRequest, metav1.StatusReasonBadRequest, "unable to parse"), "listing pods: unable to parse"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			fill(s)
			s.refuse = refuseAll(tc.path, tc.status)
			result, err := Collect(t.Context(), everything(s))
			if err == nil || err.Error() != tc.want {
				t.Errorf("want error %q, got %v", tc.want, err)
			}
			if result != nil {
				t.Errorf("want no result with the error, got %+v", result)
			}
		})
	}
	t.Run("several failures come in one order", func(t *testing.T) {
		s := newServer(t)
		var others sync.WaitGroup
		failing := map[string]func(){}
		for _, path := range []string{setsPath, secretsPath} {
			others.Add(1)
			failing[path] = sync.OnceFunc(others.Done)
		}
		s.refuse = func(r *http.Request) *metav1.Status {
			switch failed := failing[r.URL.Path]; {
			case r.URL.Path == versionPath:
				return nil
			case r.URL.Path == nodesPath:
				others.Wait() // the last to fail is the first to be told
			case failed != nil:
				failed()
			}
			return broken
		}
		_, err := Collect(t.Context(), everything(s))
		want := "listing nodes: etcdserver: leader changed\nlisting pods: etcdserver: leader changed\nlisting secrets: the server answered with status 500"
		if err == nil || err.Error() != want {
			t.Errorf("want error %q, got %v", want, err)
		}
	})
	t.Run("an answer that is no API server's is an error that does not quote it", func(t *testing.T) {
		for _, body := range []string{`<html>CANARY</html>`, `["CANARY"]`, `{"kind":"CANARY"`, `"CANARY"`} {
			s := newServer(t)
			s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				if r.URL.Path == versionPath {
					fmt.Fprint(w, `{"gitVersion":"v1.37.2"}`)
					return
				}
				fmt.Fprint(w, body)
			})
			for _, opts := range []Options{{Nodes: true}, {Pods: true}, {Secrets: true}} {
				opts.Config = s.config()
				result, err := Collect(t.Context(), opts)
				if err == nil {
					t.Errorf("%s: want an error, got %+v", body, result)
				} else if strings.Contains(err.Error(), "CANARY") {
					t.Errorf("%s: the error quotes the answer: %v", body, err)
				}
			}
		}
	})
	t.Run("a cancelled context ends it", func(t *testing.T) {
		s := newServer(t)
		ctx, cancel := context.WithCancel(t.Context())
		hold := make(chan struct{})
		defer close(hold)
		s.Config.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			cancel()
			select {
			case <-hold:
			case <-r.Context().Done():
			}
		})
		if _, err := Collect(ctx, everything(s)); err == nil || !strings.Contains(err.Error(), "context canceled") {
			t.Errorf("want context canceled, got %v", err)
		}
	})
}

// The data of Secrets cannot arrive: every request for them accepts metadata
// and nothing else, and nothing below their list is asked for. Of what a
// metadata object can carry, its annotations among it, the name alone stays.
func TestSecretsByMetadataAlone(t *testing.T) {
	s := newServer(t)
	fill(s)
	for i := range s.metadata[secretsPath] {
		s.metadata[secretsPath][i].Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: `{"data":{"password":"CANARY"}}`}
		s.metadata[secretsPath][i].Labels = map[string]string{"x": "CANARY"}
	}
	opts := everything(s)
	all := collect(t, opts)
	opts.Namespace = "shop"
	narrow := collect(t, opts)

	const want = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1," +
		"application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
	asked := 0
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		if !strings.Contains(r.URL.Path, "secrets") {
			continue
		}
		asked++
		if r.Method != http.MethodGet || r.URL.Path != secretsPath && r.URL.Path != "/api/v1/namespaces/shop/secrets" {
			t.Errorf("asked for %s %s", r.Method, r.URL)
		}
		if got := r.Header.Get("Accept"); got != want {
			t.Errorf("%s accepts %q, want %q", r.URL, got, want)
		}
		if r.URL.Query().Get("watch") != "" {
			t.Errorf("watches Secrets: %s", r.URL)
		}
	}
	if asked != 6 {
		t.Errorf("want 6 requests for Secrets, got %d", asked)
	}
	for _, result := range []*Result{all, narrow} {
		if text := fmt.Sprintf("%+v", *result); strings.Contains(text, "CANARY") {
			t.Errorf("a Secret's annotation or label stays: %s", text)
		}
	}
}

// A server that knows no PartialObjectMetadata must not answer with Secrets.
func TestSecretsNotAcceptable(t *testing.T) {
	s := newServer(t)
	s.refuse = refuseAll(secretsPath, status(http.StatusNotAcceptable, metav1.StatusReasonNotAcceptable, "only application/json"))
	if _, err := Collect(t.Context(), everything(s)); err == nil || !strings.Contains(err.Error(), "listing secrets: the server answered with status 406") {
		t.Errorf("want the refusal, got %v", err)
	}
}

func TestNodes(t *testing.T) {
	s := newServer(t)
	s.gitVersion = "v1.37.2+k3s1"
	s.nodes = []corev1.Node{
		{
			ObjectMeta: metav1.ObjectMeta{
				Name: "w1", UID: "u1", Labels: map[string]string{"node-role.kubernetes.io/control-plane": ""},
				ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubelet"}},
			},
			Spec: corev1.NodeSpec{Unschedulable: true},
			Status: corev1.NodeStatus{
				Conditions: []corev1.NodeCondition{
					{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionFalse}, {Type: corev1.NodeReady, Status: corev1.ConditionTrue},
				},
				NodeInfo: corev1.NodeSystemInfo{
					OperatingSystem: "linux", Architecture: "arm64", OSImage: "Debian GNU/Linux 12", KernelVersion: "6.1.0-41-arm64",
					KubeletVersion: "v1.37.2", ContainerRuntimeVersion: "containerd://2.3.7",
				},
			},
		},
		{
			ObjectMeta: metav1.ObjectMeta{Name: "w2"},
			Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionUnknown}}},
		},
		{ObjectMeta: metav1.ObjectMeta{Name: "w3"}},
	}
	s.pods = []corev1.Pod{pod("shop", "a", "w1"), pod("shop", "b", "w2"), pod("shop", "pending", "")}

	t.Run("fields", func(t *testing.T) {
		result := collect(t, Options{Config: s.config(), Nodes: true})
		want := []fact.Node{
			{
				Name: "w1", UID: "u1", Listed: true, Ready: true, Unschedulable: true, OS: "linux", Arch: "arm64",
				OSImage: "Debian GNU/Linux 12", KernelVersion: "6.1.0-41-arm64", KubeletVersion: "v1.37.2", ContainerRuntime: "containerd://2.3.7",
				Labels: map[string]string{"node-role.kubernetes.io/control-plane": ""},
			},
			{Name: "w2", Listed: true},
			{Name: "w3", Listed: true},
		}
		if diff := cmp.Diff(want, result.Nodes); diff != "" {
			t.Errorf("nodes (-want +got):\n%s", diff)
		}
		all := 3
		if diff := cmp.Diff(fact.Cluster{Server: s.URL, Version: "v1.37.2+k3s1", Nodes: &all}, result.Cluster); diff != "" {
			t.Errorf("cluster (-want +got):\n%s", diff)
		}
	})
	t.Run("by name, sorted, each once, with their pods", func(t *testing.T) {
		opts := everything(s)
		opts.Secrets, opts.NodeNames = false, []string{"node/w2", "w1", "nodes/w2"}
		if diff := cmp.Diff([]string{"w1", "w2", "shop/a", "shop/b"}, names(collect(t, opts))); diff != "" {
			t.Errorf("names (-want +got):\n%s", diff)
		}
	})
	t.Run("one by name brings its own pods alone", func(t *testing.T) {
		opts := everything(s)
		opts.Secrets, opts.NodeNames = false, []string{"w2"}
		result := collect(t, opts)
		if diff := cmp.Diff([]string{"w2", "shop/b"}, names(result)); diff != "" {
			t.Errorf("names (-want +got):\n%s", diff)
		}
		if result.PodScope != fact.PodsAll {
			t.Errorf("want all pods of the nodes found, got %q", result.PodScope)
		}
		if result.Cluster.Nodes != nil {
			t.Errorf("%d nodes, though one was asked for", *result.Cluster.Nodes)
		}
	})
	t.Run("a name that does not exist is an error", func(t *testing.T) {
		opts := everything(s)
		opts.NodeNames = []string{"w1", "w9"}
		_, err := Collect(t.Context(), opts)
		if want := `listing nodes: nodes "w9" not found`; err == nil || err.Error() != want {
			t.Errorf("want error %q, got %v", want, err)
		}
	})
	t.Run("selectors go to the server", func(t *testing.T) {
		opts := everything(s)
		opts.NodeSelector, opts.Selector, opts.FieldSelector = "pool=edge", "app=web", "status.phase=Running"
		result := collect(t, opts)
		for path, want := range map[string]string{nodesPath: "pool=edge ", podsPath: "app=web status.phase=Running"} {
			asked := s.asked(path)
			q := asked[len(asked)-1].URL.Query()
			if got := q.Get("labelSelector") + " " + q.Get("fieldSelector"); got != want {
				t.Errorf("%s: want %q, got %q", path, want, got)
			}
		}
		if result.PodScope != fact.PodsSome {
			t.Errorf("want some pods, got %q", result.PodScope)
		}
		if result.Cluster.Nodes != nil {
			t.Errorf("%d nodes, though those of one pool were asked for", *result.Cluster.Nodes)
		}
	})
}

// A password in the server's address does not reach a report.
func TestServerWithoutUser(t *testing.T) {
	s := newServer(t)
	opts := everything(s)
	address := opts.Config.Host
	opts.Config.Host = strings.Replace(address, "://", "://me:CANARY@", 1)
	if got := collect(t, opts).Cluster.Server; got != address {
		t.Errorf("want %q, got %q", address, got)
	}
}
