package gather

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta/testrestmapper"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch"
)

// demo is an API server with a control plane of one node, three workers, two
// pods of namespace shop on w1, one of namespace other on w2, and two Secrets.
type demo struct {
	*httptest.Server
	version string
	mu      sync.Mutex
	pods    []map[string]any
	refuse  func(path string) int // a status for a request, 0 to answer it
	asked   []string              // paths, with the selectors of pods and nodes
	created []string              // paths of what was posted
	ready   bool                  // the nodes' kubelets would start a pod, and kube-system has a UID
}

func demoPod(namespace, name, on string) map[string]any {
	return map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"namespace": namespace, "name": name},
		"spec":   map[string]any{"nodeName": on, "containers": []any{map[string]any{"name": "app", "image": "registry.example/app:v1"}}},
		"status": map[string]any{"phase": "Running"},
	}
}

func newDemo(t *testing.T) *demo {
	t.Helper()
	s := &demo{version: "v1.37.2"}
	node := func(name string, labels map[string]string) any {
		return map[string]any{
			"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": name, "labels": labels},
			"status": map[string]any{"nodeInfo": map[string]string{"operatingSystem": "linux", "architecture": "amd64"}},
		}
	}
	becomeReady := func(node any) any {
		if s.ready {
			node.(map[string]any)["status"].(map[string]any)["conditions"] = []any{map[string]string{"type": "Ready", "status": "True"}}
		}
		return node
	}
	nodes := map[string]any{"cp1": node("cp1", map[string]string{"node-role.kubernetes.io/control-plane": ""}), "w1": node("w1", nil), "w2": node("w2", nil), "w3": node("w3", nil)}
	s.pods = []map[string]any{demoPod("other", "db-1", "w2"), demoPod("shop", "web-1", "w1"), demoPod("shop", "web-2", "w1")}
	secret := func(namespace, name, version string) map[string]any {
		return map[string]any{"metadata": map[string]string{"namespace": namespace, "name": name, "resourceVersion": version}}
	}
	secrets := []map[string]any{secret("other", "a", "41"), secret("shop", "b", "42")}
	lease := map[string]any{
		"metadata": map[string]string{"name": "one"},
		"spec":     map[string]any{"renewTime": "2026-11-28T01:00:00.000000Z", "leaseDurationSeconds": 3600},
	}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, namespace := r.URL.Path, ""
		if before, after, ok := strings.Cut(path, "/namespaces/"); ok && !strings.Contains(path, "/leases") {
			rest := ""
			namespace, rest, _ = strings.Cut(after, "/")
			path = before + "/" + rest
		}
		s.mu.Lock()
		asked := r.URL.Path
		for _, selector := range []string{"labelSelector", "fieldSelector"} {
			if text := r.URL.Query().Get(selector); text != "" && (strings.HasSuffix(path, "/pods") || strings.HasSuffix(path, "/nodes")) {
				asked += " " + text
			}
		}
		s.asked = append(s.asked, asked)
		if r.Method == http.MethodPost {
			s.created = append(s.created, asked)
		}
		pods, refuse := s.pods, s.refuse
		s.mu.Unlock()
		if refuse != nil {
			if code := refuse(r.URL.Path); code != 0 {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(code)
				reason := map[int]string{403: "Forbidden", 500: "InternalError"}[code]
				_ = json.NewEncoder(w).Encode(map[string]any{"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": reason, "message": "no", "code": code})
				return
			}
		}
		of := func(all []map[string]any) []any {
			items := []any{}
			for _, o := range all {
				ns := fmt.Sprint(o["metadata"].(map[string]any)["namespace"])
				if namespace == "" || ns == namespace {
					items = append(items, o)
				}
			}
			return items
		}
		list := func(version, kind string, items []any) any {
			return map[string]any{"apiVersion": version, "kind": kind, "metadata": map[string]string{}, "items": items}
		}
		metadata := func(all []map[string]any) []any {
			items := []any{}
			for _, o := range all {
				if m := o["metadata"].(map[string]string); namespace == "" || m["namespace"] == namespace {
					items = append(items, o)
				}
			}
			return items
		}
		var answer any
		name, isPod := strings.CutPrefix(path, "/api/v1/pods/")
		switch {
		case s.ready && r.URL.Path == "/api/v1/namespaces/kube-system":
			answer = map[string]any{"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": map[string]string{"name": "kube-system", "uid": "of-kube-system"}}
		case path == "/version":
			answer = map[string]string{"gitVersion": s.version}
		case path == "/api/v1/nodes":
			answer = list("v1", "NodeList", []any{becomeReady(nodes["w3"]), becomeReady(nodes["w2"]), becomeReady(nodes["w1"]), becomeReady(nodes["cp1"])})
		case strings.HasPrefix(path, "/api/v1/nodes/"):
			answer = becomeReady(nodes[strings.TrimPrefix(path, "/api/v1/nodes/")])
		case path == "/api/v1/pods":
			answer = list("v1", "PodList", of(pods))
		case isPod:
			i := slices.IndexFunc(pods, func(p map[string]any) bool {
				m := p["metadata"].(map[string]any)
				return m["namespace"] == namespace && m["name"] == name
			})
			if i >= 0 {
				answer = pods[i]
			}
		case path == "/api/v1/secrets":
			answer = list("meta.k8s.io/v1", "PartialObjectMetadataList", metadata(secrets))
		case strings.HasSuffix(path, "/leases"):
			answer = list("coordination.k8s.io/v1", "LeaseList", []any{lease})
		case path == "/api/v1/configmaps":
			answer = list("v1", "ConfigMapList", of([]map[string]any{{
				"metadata": map[string]any{"namespace": "shop", "name": "app"}, "data": map[string]any{"env": "URL=redis://:Kk29xVd81@cache"},
			}}))
		case path == "/api/v1/persistentvolumes":
			answer = list("v1", "PersistentVolumeList", []any{})
		case strings.HasSuffix(path, "/runtimeclasses"):
			answer = list("node.k8s.io/v1", "RuntimeClassList", []any{})
		case path == "/apis/apps/v1/deployments":
			answer = list("apps/v1", "DeploymentList", of([]map[string]any{{
				"metadata": map[string]any{"namespace": "shop", "name": "idle"}, "spec": map[string]any{"template": map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": "app", "image": "i"}}}}},
			}}))
		case path == "/apis/apps/v1/daemonsets":
			answer = list("apps/v1", "DaemonSetList", []any{})
		default:
			answer = list("meta.k8s.io/v1", "PartialObjectMetadataList", []any{})
		}
		w.Header().Set("Content-Type", "application/json")
		if answer == nil {
			w.WriteHeader(http.StatusNotFound)
			answer = map[string]any{"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(s.Close)
	return s
}

// asks reports whether a path was asked for.
func (s *demo) asks(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.asked, path)
}

// posts reports whether something was posted to a path.
func (s *demo) posts(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.created, path)
}

// launched is what a source requested from the probe.
type launched struct {
	level fact.Level
	kinds []fact.Kind
	nodes []string
	net   bool

	confirmed bool
}

// gathered completes a source with the demo cluster and a probe that answers
// with two stored Secrets from every node, and gathers.
func gathered(t *testing.T, s *demo, source Cluster) (got *Gathered, probe *launched, warned []string) {
	t.Helper()
	config := clientcmdapi.NewConfig()
	config.Clusters["c"], config.AuthInfos["u"] = &clientcmdapi.Cluster{Server: s.URL}, &clientcmdapi.AuthInfo{}
	config.Contexts["x"], config.CurrentContext = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u"}, "x"
	source.Config = &rest.Config{Host: s.URL, QPS: -1}
	source.Getter = genericclioptions.NewTestConfigFlags().
		WithClientConfig(clientcmd.NewDefaultClientConfig(*config, nil)).
		WithRESTMapper(testrestmapper.TestOnlyStaticRESTMapper(scheme.Scheme))
	source.Warn = func(line string) { warned = append(warned, line) }
	if source.measure == nil {
		source.measure = func(_ context.Context, opts launch.Options, nodes []fact.Node) (map[string]*fact.Measurement, []fact.Gap, error) {
			probe = &launched{level: opts.Level, net: opts.Net, kinds: opts.Kinds, confirmed: opts.Confirmed}
			measured := map[string]*fact.Measurement{}
			for _, n := range nodes {
				probe.nodes = append(probe.nodes, n.Name)
				measured[n.Name] = &fact.Measurement{Level: opts.Level, Read: opts.Kinds, Etcd: []fact.EtcdDB{{
					Total: 2, Secrets: []fact.StoredSecret{{Namespace: "other", Name: "a"}, {Namespace: "shop", Name: "b"}},
				}}}
			}
			return measured, nil, nil
		}
	}
	got, err := source.Gather(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got, probe, warned
}

func nodeNames(set *fact.Set) []string {
	var names []string
	for _, n := range set.Nodes {
		names = append(names, n.Name)
	}
	return names
}

func workloadNames(set *fact.Set) []string {
	var names []string
	for _, w := range set.Workloads {
		for _, p := range w.Pods {
			names = append(names, w.Owner.Namespace+"/"+p.Name)
		}
	}
	slices.Sort(names)
	return names
}

// Only what the checks need, and what the report counts, is requested.
func TestClusterAsksForWhatIsNeeded(t *testing.T) {
	const namespaces, deployments = "/api/v1/namespaces", "/apis/apps/v1/deployments"
	const pods, nodes, secrets, maps, leases = "/api/v1/pods", "/api/v1/nodes", "/api/v1/secrets", "/api/v1/configmaps", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
	for name, tc := range map[string]struct {
		source Cluster
		want   []string
	}{
		"nothing":                               {Cluster{}, nil},
		"pods":                                  {Cluster{Kinds: []fact.Kind{fact.Pods}}, []string{pods}},
		"nodes, to measure them":                {Cluster{Kinds: []fact.Kind{fact.Kernel}, Lists: []fact.Kind{fact.Nodes}}, []string{nodes}},
		"names of Secrets":                      {Cluster{Kinds: []fact.Kind{fact.Secrets}}, []string{secrets}},
		"names of Secrets that a report counts": {Cluster{Lists: []fact.Kind{fact.Secrets}}, []string{secrets}},
		"ConfigMaps":                            {Cluster{Kinds: []fact.Kind{fact.ConfigMaps}}, []string{maps}},
		"no ConfigMaps, as the user asked":      {Cluster{Kinds: []fact.Kind{fact.ConfigMaps}, NoConfigMaps: true}, nil},
		"namespaces":                            {Cluster{Kinds: []fact.Kind{fact.Namespaces}}, []string{namespaces}},
		"templates, besides pods":               {Cluster{Kinds: []fact.Kind{fact.Pods, fact.Templates}}, []string{pods, deployments}},
		"leases of API servers":                 {Cluster{Kinds: []fact.Kind{fact.EncryptionConfig}}, []string{leases}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newDemo(t)
			s.ready = true
			got, _, _ := gathered(t, s, tc.source)
			if got.Set.Cluster.UID != "of-kube-system" { // two reports can be compared
				t.Errorf("UID of the cluster %q", got.Set.Cluster.UID)
			}
			for _, path := range []string{pods, nodes, secrets, maps, leases, namespaces, deployments} {
				if got, want := s.asks(path), slices.Contains(tc.want, path); got != want {
					t.Errorf("%s: asked %v, want %v", path, got, want)
				}
			}
		})
	}
}

// Templates without pods are in the facts, counted, also if they are asked for by name. A
// namespace narrows the labels of namespaces.
func TestClusterTemplates(t *testing.T) {
	kinds := []fact.Kind{fact.Pods, fact.Templates, fact.Namespaces}
	got, _, _ := gathered(t, newDemo(t), Cluster{Kinds: kinds})
	set := got.Set
	i := slices.IndexFunc(set.Workloads, func(w fact.Workload) bool { return w.Owner.Name == "idle" })
	if i < 0 || !set.TemplatesRead || !set.NamespacesRead || set.Workloads[i].Spec.Origin != "deployment/shop/idle" {
		t.Errorf("templates read: %t, namespaces read: %t, workloads %+v", set.TemplatesRead, set.NamespacesRead, set.Workloads)
	}
	if diff := cmp.Diff(&fact.ReadCount{Objects: 4, Workloads: 4, Pods: 3}, set.Count); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	got, _, _ = gathered(t, newDemo(t), Cluster{Kinds: kinds, Namespace: "shop", Names: []string{"web-1"}})
	if diff := cmp.Diff(&fact.ReadCount{Objects: 1, Workloads: 1, Pods: 1}, got.Set.Count); diff != "" {
		t.Errorf("counts of a named pod (-want +got):\n%s", diff)
	}
	if got, _, _ = gathered(t, newDemo(t), Cluster{Kinds: []fact.Kind{fact.Pods}}); got.Set.TemplatesRead || got.Set.NamespacesRead {
		t.Error("what nobody needs is read")
	}
}

// With --no-configmaps it is unknown whether they hold credentials.
func TestClusterWithoutConfigMaps(t *testing.T) {
	for _, no := range []bool{false, true} {
		got, _, _ := gathered(t, newDemo(t), Cluster{Kinds: []fact.Kind{fact.ConfigMaps}, NoConfigMaps: no})
		gap := slices.IndexFunc(got.Set.Gaps, func(g fact.Gap) bool { return g.What == fact.ConfigMaps })
		switch {
		case no && (got.Set.ConfigMaps != nil || gap < 0):
			t.Errorf("read %+v, gaps %+v", got.Set.ConfigMaps, got.Set.Gaps)
		case no && (got.Set.Gaps[gap].Reason != fact.NotRequested || got.Set.Gaps[gap].Hint != "run it without --no-configmaps"):
			t.Errorf("gap %+v", got.Set.Gaps[gap])
		case !no && (got.Set.ConfigMaps == nil || got.Set.ConfigMaps.Read != 1 || got.Set.ConfigMaps.Total != 1 || gap >= 0):
			t.Errorf("read %+v, gaps %+v", got.Set.ConfigMaps, got.Set.Gaps)
		}
	}
}

// Dry runs are requests to create something: they are sent only by runs that may create pods.
func TestClusterDryRuns(t *testing.T) {
	const path = "/api/v1/namespaces/shop/pods"
	kinds := []fact.Kind{fact.Pods, fact.Enforcing}
	for name, tc := range map[string]struct {
		source Cluster
		want   int // namespaces
		detail string
	}{
		"a run with a probe":            {Cluster{Kinds: kinds, Level: fact.LevelFull}, 2, ""},
		"a run with a probe of sockets": {Cluster{Kinds: kinds, Level: fact.LevelAPI, Net: true}, 2, ""},
		"one namespace":                 {Cluster{Kinds: kinds, Level: fact.LevelFull, Namespace: "shop"}, 1, ""},
		"--no-probe":                    {Cluster{Kinds: kinds, Level: fact.LevelAPI, NoProbe: true}, 0, "--no-probe was given, which also leaves out dry runs"},
		"--probe-level api":             {Cluster{Kinds: kinds, Level: fact.LevelAPI}, 0, "the run creates nothing, not even in a dry run"},
		"a command without a probe":     {Cluster{Kinds: kinds}, 0, "the run creates nothing, not even in a dry run"},
		"nobody wants them":             {Cluster{Kinds: []fact.Kind{fact.Pods}, Level: fact.LevelFull}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newDemo(t)
			got, _, _ := gathered(t, s, tc.source)
			tried := 0
			if e := got.Set.Enforcement; e != nil {
				tried = len(e.DryRuns)
			}
			// Engines are only listed, so that a run which creates nothing looks for them too.
			if wanted := slices.Contains(tc.source.Kinds, fact.Enforcing); wanted != (got.Set.Enforcement != nil && got.Set.Enforcement.EnginesRead) || wanted != s.asks("/apis/apps/v1/daemonsets") {
				t.Errorf("engines wanted %t, facts %+v", wanted, got.Set.Enforcement)
			}
			if sent := s.asks(path) && tc.source.Namespace == ""; tried != tc.want || tc.source.Namespace == "" && sent != (tc.want > 0) {
				t.Errorf("%d namespaces tried, want %d; sent %t", tried, tc.want, sent)
			}
			detail := ""
			for _, g := range got.Set.Gaps {
				if g.What == fact.Enforcing {
					detail = g.Detail
				}
			}
			if detail != tc.detail {
				t.Errorf("gap %q, want %q", detail, tc.detail)
			}
		})
	}
}

// What the API says is in the facts. That includes revisions of Secrets, which show that a
// stored file is this cluster's.
func TestClusterFacts(t *testing.T) {
	s := newDemo(t)
	got, probe, warned := gathered(t, s, Cluster{
		Kinds: []fact.Kind{fact.Pods, fact.Secrets, fact.Etcd, fact.EncryptionConfig, fact.Kernel}, Lists: []fact.Kind{fact.Nodes},
		Level: fact.LevelFull, ControlPlaneNodes: []string{"node/w1"}, Name: "https://me:CANARY@api.example",
	})
	set := got.Set
	if diff := cmp.Diff([]fact.SecretName{{Namespace: "other", Name: "a", ResourceVersion: "41"}, {Namespace: "shop", Name: "b", ResourceVersion: "42"}}, set.Secrets); diff != "" || !set.SecretsListed {
		t.Errorf("secrets, listed %v (-want +got):\n%s", set.SecretsListed, diff)
	}
	if diff := cmp.Diff([]string{"cp1", "w1", "w2", "w3"}, nodeNames(set)); diff != "" {
		t.Errorf("nodes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"other/db-1", "shop/web-1", "shop/web-2"}, workloadNames(set)); diff != "" || set.PodScope != fact.PodsAll {
		t.Errorf("pods, scope %q (-want +got):\n%s", set.PodScope, diff)
	}
	if n := set.Cluster.APIServers; n == nil || *n != 1 {
		t.Errorf("want one API server, got %v", n)
	}
	if set.Cluster.Name != "https://api.example" {
		t.Errorf("the cluster is called %q", set.Cluster.Name)
	}
	if set.Cluster.Version != "v1.37.2" || set.Cluster.Server != s.URL || set.Cluster.Provider != "unknown" || set.CollectedAt.IsZero() {
		t.Errorf("cluster %+v, collected at %v", set.Cluster, set.CollectedAt)
	}
	if !set.Nodes[0].ControlPlane || set.Nodes[1].ControlPlane {
		t.Errorf("the control plane is %+v", set.Nodes)
	}
	if !slices.Equal(set.ControlPlaneNodes, []string{"w1"}) {
		t.Errorf("named control plane: %v", set.ControlPlaneNodes)
	}
	if want := (&launched{level: fact.LevelFull, kinds: []fact.Kind{fact.Etcd, fact.EncryptionConfig, fact.Kernel}, nodes: []string{"cp1", "w1", "w2", "w3"}}); !cmp.Equal(want, probe, cmp.AllowUnexported(launched{})) {
		t.Errorf("probe: want %+v, got %+v", want, probe)
	}
	for _, n := range set.Nodes {
		if n.Measured == nil || len(n.Measured.Etcd[0].Secrets) != 2 {
			t.Errorf("%s: measured %+v", n.Name, n.Measured)
		}
	}
	if diff := cmp.Diff(api.Scope{AllNamespaces: true, ProbeLevel: "full"}, got.Scope); diff != "" {
		t.Errorf("scope (-want +got):\n%s", diff)
	}
	if len(set.Gaps) > 0 || len(warned) > 0 || got.Leftover != nil || got.Saved != nil {
		t.Errorf("gaps %v, warnings %v, leftover %v, saved %v", set.Gaps, warned, got.Leftover, got.Saved)
	}
}

// If pods are chosen by name, the scope is "some pods". Nodes on which none of them runs
// are not measured.
func TestClusterNamed(t *testing.T) {
	got, probe, _ := gathered(t, newDemo(t), Cluster{
		Kinds: []fact.Kind{fact.Pods, fact.Processes}, Lists: []fact.Kind{fact.Nodes},
		Namespace: "shop", Names: []string{"web-2"}, Level: fact.LevelFull, OnlyTheirNodes: true,
	})
	if got.Set.PodScope != fact.PodsSome {
		t.Errorf("scope of pods %q, want some", got.Set.PodScope)
	}
	if diff := cmp.Diff([]string{"shop/web-2"}, workloadNames(got.Set)); diff != "" {
		t.Errorf("pods (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"w1"}, nodeNames(got.Set)); diff != "" || !slices.Equal(probe.nodes, []string{"w1"}) {
		t.Errorf("nodes, measured %v (-want +got):\n%s", probe.nodes, diff)
	}
	if diff := cmp.Diff(api.Scope{Namespaces: []string{"shop"}, Names: []string{"web-2"}, ProbeLevel: "full"}, got.Scope); diff != "" {
		t.Errorf("scope (-want +got):\n%s", diff)
	}
	// All namespaces were listed here, and still only some of the pods are kept.
	got, _, _ = gathered(t, newDemo(t), Cluster{Kinds: []fact.Kind{fact.Pods}, Names: []string{"pod/web-1"}, Namespace: "shop"})
	if got.Set.PodScope != fact.PodsSome {
		t.Errorf("without nodes: scope of pods %q, want some", got.Set.PodScope)
	}
}

// A namespace narrows pods and Secrets, listed and stored.
func TestClusterNamespace(t *testing.T) {
	for name, tc := range map[string]struct {
		only  bool
		nodes []string
	}{
		"nodes of its pods": {true, []string{"w1"}},
		"all nodes":         {false, []string{"cp1", "w1", "w2", "w3"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, probe, _ := gathered(t, newDemo(t), Cluster{
				Kinds: []fact.Kind{fact.Pods, fact.Secrets, fact.Etcd, fact.Processes}, Lists: []fact.Kind{fact.Nodes},
				Namespace: "shop", Level: fact.LevelFull, OnlyTheirNodes: tc.only,
			})
			set := got.Set
			if set.PodScope != fact.PodsSome || !slices.Equal(workloadNames(set), []string{"shop/web-1", "shop/web-2"}) {
				t.Errorf("pods %v, scope %q", workloadNames(set), set.PodScope)
			}
			if len(set.Secrets) != 1 || set.Secrets[0].Name != "b" {
				t.Errorf("secrets %+v", set.Secrets)
			}
			if !slices.Equal(probe.nodes, tc.nodes) {
				t.Errorf("measured %v, want %v", probe.nodes, tc.nodes)
			}
			for _, n := range set.Nodes {
				if db := n.Measured.Etcd[0]; len(db.Secrets) != 1 || db.Total != 1 || db.Secrets[0].Namespace != "shop" {
					t.Errorf("%s: stored %+v", n.Name, db)
				}
			}
		})
	}
}

// Names and labels of nodes reach the API. The report has them as the user wrote them,
// without their type.
func TestClusterNodes(t *testing.T) {
	s := newDemo(t)
	got, probe, _ := gathered(t, s, Cluster{
		Kinds: []fact.Kind{fact.Kernel}, Lists: []fact.Kind{fact.Pods, fact.Nodes}, NodeNames: []string{"node/w2", "w1"}, Level: fact.LevelFull,
	})
	if !slices.Equal(nodeNames(got.Set), []string{"w1", "w2"}) || !slices.Equal(probe.nodes, []string{"w1", "w2"}) {
		t.Errorf("nodes %v, measured %v", nodeNames(got.Set), probe.nodes)
	}
	if diff := cmp.Diff(api.Scope{AllNamespaces: true, Names: []string{"w2", "w1"}, ProbeLevel: "full"}, got.Scope); diff != "" {
		t.Errorf("scope (-want +got):\n%s", diff)
	}
	got, _, _ = gathered(t, s, Cluster{Kinds: []fact.Kind{fact.Nodes}, NodeSelector: "pool=edge"})
	if !s.asks("/api/v1/nodes pool=edge") || got.Scope.Selector != "pool=edge" {
		t.Errorf("asked for %v, scope %+v", s.asked, got.Scope)
	}
	got, _, _ = gathered(t, s, Cluster{Kinds: []fact.Kind{fact.Pods}, Selector: "app=web", FieldSelector: "spec.x=y"})
	if got.Scope.Selector != "app=web" || got.Scope.FieldSelector != "spec.x=y" {
		t.Errorf("scope %+v", got.Scope)
	}
}

// Each kind that a level does not read is a gap, and no pod is created if none is needed.
func TestClusterLevels(t *testing.T) {
	gap := func(kind fact.Kind, detail, hint string) fact.Gap {
		return fact.Gap{What: kind, Subject: fact.Subject{Kind: "Cluster"}, Reason: fact.NotRequested, Detail: detail, Hint: hint}
	}
	const proc, procHint = "the probe's level is proc", "--probe-level full reads them"
	const none = "no probe was run"
	all := []string{"cp1", "w1", "w2", "w3"}
	for name, tc := range map[string]struct {
		source Cluster
		want   *launched
		gaps   []fact.Gap
	}{
		"full reads all": {
			Cluster{Kinds: []fact.Kind{fact.Processes, fact.Kernel}, Level: fact.LevelFull},
			&launched{level: fact.LevelFull, kinds: []fact.Kind{fact.Processes, fact.Kernel}, nodes: all}, nil,
		},
		"proc leaves out what needs rights": {
			Cluster{Kinds: []fact.Kind{fact.Pods, fact.Processes, fact.Kernel, fact.Etcd}, Level: fact.LevelProc},
			&launched{level: fact.LevelProc, kinds: []fact.Kind{fact.Processes}, nodes: all},
			[]fact.Gap{gap(fact.Kernel, proc, procHint), gap(fact.Etcd, proc, procHint)},
		},
		"proc without anything that it reads": {
			Cluster{Kinds: []fact.Kind{fact.Etcd}, Level: fact.LevelProc}, nil, []fact.Gap{gap(fact.Etcd, proc, procHint)},
		},
		"level api": {
			Cluster{Kinds: []fact.Kind{fact.Pods, fact.Processes}, Level: fact.LevelAPI},
			nil,
			[]fact.Gap{gap(fact.Processes, none, "--probe-level full,net measures the nodes")},
		},
		"no probe": {
			Cluster{Kinds: []fact.Kind{fact.Pods, fact.Processes}, Level: fact.LevelAPI, NoProbe: true},
			nil,
			[]fact.Gap{gap(fact.Processes, none, "run without --no-probe to measure the nodes")},
		},
		"nobody asked about nodes": {Cluster{Kinds: []fact.Kind{fact.Pods, fact.Processes}}, nil, nil},
		"nothing of a node":        {Cluster{Kinds: []fact.Kind{fact.Pods}, Level: fact.LevelFull}, nil, nil},
		"storage alone": {
			Cluster{Kinds: []fact.Kind{fact.Etcd}, Level: fact.LevelFull}, &launched{level: fact.LevelFull, kinds: []fact.Kind{fact.Etcd}, nodes: []string{"cp1"}}, nil,
		},
		"storage alone, and a node that the user named": {
			Cluster{Kinds: []fact.Kind{fact.Etcd}, Level: fact.LevelFull, ControlPlaneNodes: []string{"w3"}},
			&launched{level: fact.LevelFull, kinds: []fact.Kind{fact.Etcd}, nodes: []string{"cp1", "w3"}}, nil,
		},
		"full and net read all": {
			Cluster{Kinds: []fact.Kind{fact.Etcd, fact.NodeTLS}, Level: fact.LevelFull, Net: true},
			&launched{level: fact.LevelFull, net: true, kinds: []fact.Kind{fact.Etcd, fact.NodeTLS}, nodes: all}, nil,
		},
		"handshakes with the storage's servers alone": {
			Cluster{Kinds: []fact.Kind{fact.Etcd, fact.ServerTLS}, Level: fact.LevelFull, Net: true},
			&launched{level: fact.LevelFull, net: true, kinds: []fact.Kind{fact.Etcd, fact.ServerTLS}, nodes: []string{"cp1"}}, nil,
		},
		"full without net makes no handshake": {
			Cluster{Kinds: []fact.Kind{fact.Etcd, fact.ServerTLS}, Level: fact.LevelFull},
			&launched{level: fact.LevelFull, kinds: []fact.Kind{fact.Etcd}, nodes: []string{"cp1"}},
			[]fact.Gap{gap(fact.ServerTLS, "the probe's level is full", "--probe-level full,net reads them")},
		},
		"net alone reads nothing else": {
			Cluster{Kinds: []fact.Kind{fact.Processes, fact.ServerTLS}, Level: fact.LevelAPI, Net: true},
			&launched{level: fact.LevelAPI, net: true, kinds: []fact.Kind{fact.ServerTLS}, nodes: []string{"cp1"}},
			[]fact.Gap{gap(fact.Processes, "the probe's level is net", "--probe-level full,net reads them")},
		},
		"proc and net": {
			Cluster{Kinds: []fact.Kind{fact.Processes, fact.Etcd, fact.NodeTLS}, Level: fact.LevelProc, Net: true},
			&launched{level: fact.LevelProc, net: true, kinds: []fact.Kind{fact.Processes, fact.NodeTLS}, nodes: all},
			[]fact.Gap{gap(fact.Etcd, "the probe's level is proc,net", "--probe-level full,net reads them")},
		},
		"proc without net": {
			Cluster{Kinds: []fact.Kind{fact.NodeTLS}, Level: fact.LevelProc},
			nil,
			[]fact.Gap{gap(fact.NodeTLS, proc, "--probe-level proc,net reads them")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.source.Lists = []fact.Kind{fact.Nodes}
			got, probe, _ := gathered(t, newDemo(t), tc.source)
			if diff := cmp.Diff(tc.want, probe, cmp.AllowUnexported(launched{})); diff != "" {
				t.Errorf("probe (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.gaps, got.Set.Gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
		})
	}
}

// The report says at which levels the nodes were measured, as the flag takes them.
func TestScopeNamesTheLevels(t *testing.T) {
	for want, source := range map[string]Cluster{
		"":         {},
		"api":      {Level: fact.LevelAPI},
		"net":      {Level: fact.LevelAPI, Net: true},
		"proc":     {Level: fact.LevelProc},
		"proc,net": {Level: fact.LevelProc, Net: true},
		"full,net": {Level: fact.LevelFull, Net: true},
	} {
		if got := source.scope().ProbeLevel; got != want {
			t.Errorf("%+v: %q, want %q", source, got, want)
		}
	}
}

// If not everything could be removed, the facts are still used. If there are no facts, that
// is an error.
func TestClusterLeftover(t *testing.T) {
	broken := errors.New("pods \"probe-1\" could not be deleted")
	gap := fact.Gap{What: fact.Kernel, Subject: fact.Subject{Kind: "Node", Name: "w1"}, Reason: fact.Timeout}
	of := func(measured map[string]*fact.Measurement, gaps []fact.Gap) Cluster {
		return Cluster{
			Kinds: []fact.Kind{fact.Kernel}, Lists: []fact.Kind{fact.Nodes}, Level: fact.LevelFull,
			measure: func(context.Context, launch.Options, []fact.Node) (map[string]*fact.Measurement, []fact.Gap, error) {
				return measured, gaps, broken
			},
		}
	}
	for name, source := range map[string]Cluster{
		"facts": of(map[string]*fact.Measurement{"w1": {Level: fact.LevelFull}}, nil),
		"gaps":  of(nil, []fact.Gap{gap}),
	} {
		got, _, _ := gathered(t, newDemo(t), source)
		if !errors.Is(got.Leftover, broken) {
			t.Errorf("%s: leftover %v", name, got.Leftover)
		}
		if name == "facts" && (got.Set.Nodes[1].Measured == nil || got.Set.Nodes[0].Measured != nil) {
			t.Errorf("measurements are at other nodes: %+v", got.Set.Nodes)
		}
		if name == "gaps" && (len(got.Set.Gaps) != 1 || got.Set.Gaps[0].Reason != fact.Timeout) {
			t.Errorf("gaps %+v", got.Set.Gaps)
		}
	}
	nothing := of(nil, nil)
	nothing.Config = &rest.Config{Host: newDemo(t).URL, QPS: -1}
	if _, err := nothing.Gather(t.Context()); !errors.Is(err, broken) {
		t.Errorf("neither facts nor gaps: error %v", err)
	}
}

// A named node that does not exist is an error. If the provider runs the control plane
// itself, a name changes nothing, and that is said once.
func TestControlPlaneNodes(t *testing.T) {
	s := newDemo(t)
	missing := Cluster{Config: &rest.Config{Host: s.URL, QPS: -1}, Lists: []fact.Kind{fact.Nodes}, ControlPlaneNodes: []string{"nosuch"}}
	if _, err := missing.Gather(t.Context()); err == nil || err.Error() != `--control-plane-node: no node is named "nosuch"` {
		t.Errorf("error %v", err)
	}
	managed := &fact.Set{Cluster: fact.Cluster{Version: "v1.36.4-gke.1001"}, Nodes: []fact.Node{{Name: "w1"}, {Name: "w2"}}}
	for name, tc := range map[string]struct {
		set   *fact.Set
		names []string
		want  []string
		warns int
	}{
		"two nodes of a provider":        {managed, []string{"w2", "w1"}, []string{"w1", "w2"}, 1},
		"none named":                     {managed, nil, nil, 0},
		"a cluster with its own":         {&fact.Set{Nodes: []fact.Node{{Name: "w1"}}}, []string{"nodes/w1"}, []string{"w1"}, 0},
		"next to those that facts name":  {&fact.Set{ControlPlaneNodes: []string{"z"}, Nodes: []fact.Node{{Name: "w1"}, {Name: "z"}}}, []string{"w1", "z"}, []string{"w1", "z"}, 0},
		"nodes that could not be listed": {&fact.Set{}, []string{"w1"}, []string{"w1"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			set := tc.set.DeepCopy()
			var warned []string
			if err := nameControlPlane(set, tc.names, func(line string) { warned = append(warned, line) }); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(set.ControlPlaneNodes, tc.want) || len(warned) != tc.warns {
				t.Errorf("named %v, warned %v", set.ControlPlaneNodes, warned)
			}
			if tc.warns == 1 && warned[0] != "warning: --control-plane-node has no effect: the provider (gke) runs etcd and the API servers itself" {
				t.Errorf("warned %q", warned[0])
			}
		})
	}
}

func TestProbeNodes(t *testing.T) {
	nodes := []fact.Node{{Name: "cp", Listed: true, Labels: map[string]string{"node-role.kubernetes.io/control-plane": ""}}, {Name: "w", Listed: true}}
	storage := fact.Subtract(fact.KindsOf(fact.OfStorage), []fact.Kind{fact.Backups, fact.Swap})
	for name, tc := range map[string]struct {
		wanted  []fact.Kind
		version string
		nodes   []fact.Node
		want    string
	}{
		"storage alone is the control plane's":          {storage, "v1.37.2", nodes, "cp"},
		"without a known control plane any may be it":   {storage, "v1.37.2", nodes[1:], "w"},
		"a provider's is nowhere":                       {storage, "v1.36.4-gke.1001", nodes[1:], ""},
		"a provider's nodes with a role have their own": {storage, "v1.36.4-eks-1a2b3c4", nodes, "cp"},
		"copies of a store can be on all":               {[]fact.Kind{fact.Etcd, fact.Backups}, "v1.37.2", nodes, "cp w"},
		"each node can swap, a provider's too":          {[]fact.Kind{fact.Swap}, "v1.36.4-gke.1001", nodes[1:], "w"},
		"handshakes with the storage's servers too":     {[]fact.Kind{fact.Etcd, fact.ServerTLS}, "v1.37.2", nodes, "cp"},
		"handshakes with kubelets are on all":           {[]fact.Kind{fact.Etcd, fact.NodeTLS}, "v1.37.2", nodes, "cp w"},
		"anything else is on all":                       {[]fact.Kind{fact.Etcd, fact.Kernel}, "v1.36.4-gke.1001", nodes, "cp w"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, n := range probeNodes(tc.wanted, &fact.Set{Cluster: fact.Cluster{Version: tc.version}, Nodes: tc.nodes}) {
				got = append(got, n.Name)
			}
			if strings.Join(got, " ") != tc.want {
				t.Errorf("want %q, got %v", tc.want, got)
			}
		})
	}
}
