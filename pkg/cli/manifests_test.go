package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubectl-checklist/kubectl-checklist/hack/requests"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/enforcer"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/imagescan"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch/embedded"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/secretstore"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/workloadkind"
)

// smallCluster is an API server for reading. It lists two nodes and nothing else, and
// records the requests.
type smallCluster struct {
	uid types.UID // of its namespaces
	*httptest.Server
	mu     sync.Mutex
	asked  []requests.Access
	refuse func(requests.Access) bool
	// items are the objects of a list by RESOURCE.GROUP, "secrets." for the core group. None
	// is the empty list.
	items map[string][]any
}

// readsSpec are the resources of which whole objects are listed, because they say where a
// secret of an external store ends.
var readsSpec = map[string]bool{
	"externalsecrets.external-secrets.io": true, "kustomizations.kustomize.toolkit.fluxcd.io": true,
	"secretproviderclasses.secrets-store.csi.x-k8s.io": true, "peerauthentications.security.istio.io": true,
}

// templateLists are the lists of built-in kinds with pod templates.
var templateLists = map[string]string{
	"deployments": "DeploymentList", "statefulsets": "StatefulSetList", "daemonsets": "DaemonSetList", "replicasets": "ReplicaSetList",
	"cronjobs": "CronJobList", "jobs": "JobList", "replicationcontrollers": "ReplicationControllerList", "podtemplates": "PodTemplateList",
}

func init() { // custom resources are read whole: their templates, reports and policies
	readsSpec["customresourcedefinitions.apiextensions.k8s.io"] = true
	readsSpec["validatingadmissionpolicies.admissionregistration.k8s.io"] = true
	readsSpec["validatingadmissionpolicybindings.admissionregistration.k8s.io"] = true
	for _, r := range workloadkind.Resources() {
		readsSpec[r.Resource+"."+r.Group] = true
	}
	for _, r := range slices.Concat(imagescan.Reports(), imagescan.Policies()) {
		readsSpec[r.Resource+"."+r.Group] = r.Kind != "VulnerabilityManifest"
	}
	for _, r := range enginePolicies() {
		readsSpec[r.Resource+"."+r.Group] = true
	}
}

// storeGroups are the API groups of all external stores and of Istio, each in version v1.
func storeGroups() *metav1.APIGroupList {
	groups := &metav1.APIGroupList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "APIGroupList"}}
	seen := map[string]bool{}
	for _, r := range storeTable() {
		if !seen[r.Group] {
			seen[r.Group] = true
			v := metav1.GroupVersionForDiscovery{GroupVersion: r.Group + "/v1", Version: "v1"}
			groups.Groups = append(groups.Groups, metav1.APIGroup{Name: r.Group, Versions: []metav1.GroupVersionForDiscovery{v}, PreferredVersion: v})
		}
	}
	return groups
}

// storeResources are those of one group in version v1.
func storeResources(groupVersion string) *metav1.APIResourceList {
	list := &metav1.APIResourceList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "APIResourceList"}, GroupVersion: groupVersion}
	for _, r := range storeTable() {
		if r.Group+"/v1" == groupVersion {
			list.APIResources = append(list.APIResources, metav1.APIResource{Name: r.Resource, Kind: kindOf(r), Namespaced: true, Verbs: metav1.Verbs{"list"}})
		}
	}
	return list
}

// kindOf is the kind of a resource: that of package workloadkind, or one that nobody knows.
func kindOf(r secretstore.Resource) string {
	for _, known := range workloadkind.Resources() {
		if known.Group == r.Group && known.Resource == r.Resource {
			return known.Kind
		}
	}
	return "Kind" + r.Resource
}

// enginePolicies are the resources with policies of engines and agents.
func enginePolicies() []secretstore.Resource {
	var list []secretstore.Resource
	for _, t := range enforcer.Tools() {
		for _, r := range t.Policies {
			if r.Resource == "*" {
				r.Resource = "k8spspreadonlyrootfilesystem"
			}
			list = append(list, secretstore.Resource{Group: r.Group, Resource: r.Resource})
		}
	}
	return list
}

func storeTable() []secretstore.Resource {
	// A kind that nobody knows is looked up in the definitions.
	list := []secretstore.Resource{{Group: "security.istio.io", Resource: "peerauthentications"}, {Group: "example.org", Resource: "gadgets"}}
	for _, r := range workloadkind.Resources() {
		list = append(list, secretstore.Resource{Group: r.Group, Resource: r.Resource})
	}
	for _, r := range slices.Concat(imagescan.Reports(), imagescan.Policies()) {
		list = append(list, secretstore.Resource{Group: r.Group, Resource: r.Resource})
	}
	for _, s := range secretstore.All() {
		list = append(list, s.Resources...)
	}
	for _, r := range enginePolicies() {
		if !slices.Contains(list, r) {
			list = append(list, r)
		}
	}
	return list
}

func newSmallCluster(t *testing.T) *smallCluster {
	t.Helper()
	s := new(smallCluster)
	node := func(name, arch string) *corev1.Node {
		return &corev1.Node{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Node"}, ObjectMeta: metav1.ObjectMeta{Name: name},
			Status: corev1.NodeStatus{
				Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
				NodeInfo:   corev1.NodeSystemInfo{OperatingSystem: "linux", Architecture: arch},
				Images:     []corev1.ContainerImage{{Names: []string{"registry.example/pause:3.10"}, SizeBytes: 1}},
			},
		}
	}
	nodes := map[string]*corev1.Node{"worker-1": node("worker-1", "amd64"), "worker-2": node("worker-2", "arm64")}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := requests.Of(r)
		s.mu.Lock()
		s.asked = append(s.asked, a)
		s.mu.Unlock()
		var answer any
		list := map[string]any{"apiVersion": "v1", "kind": "List", "items": []any{}}
		switch {
		case s.refuse != nil && s.refuse(a):
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusForbidden)
			answer = metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: "Failure", Reason: metav1.StatusReasonForbidden, Code: 403}
		case a.Path == "/version":
			answer = map[string]string{"gitVersion": "v1.37.2"}
		case a.Path == "/metrics":
			w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
			_, _ = fmt.Fprintf(w, "apiserver_encryption_config_controller_last_config_info{apiserver_id_hash=\"sha256:%[1]s\",hash=\"sha256:%[1]s\"} 1\n", strings.Repeat("ab", 32))
			return
		case a.Path == "/apis":
			answer = storeGroups()
		case strings.HasPrefix(a.Path, "/apis/"):
			answer = storeResources(strings.TrimPrefix(a.Path, "/apis/"))
		case strings.HasPrefix(a.Path, "/openapi/v3/"):
			answer = map[string]any{}
		case a.Verb == "get" && a.Resource == "namespaces":
			answer = metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "PartialObjectMetadata"}, ObjectMeta: metav1.ObjectMeta{Name: a.Name, UID: s.uid}}
		case a.Verb == "get" && a.Resource == "nodes" && nodes[a.Name] != nil:
			answer = nodes[a.Name]
		case a.Verb == "create" && a.Resource == "selfsubjectreviews": // it stores nothing
			answer = map[string]any{"apiVersion": a.Group + "/v1", "kind": "SelfSubjectReview", "status": map[string]any{"userInfo": map[string]any{
				"username": "jane", "uid": "CANARY", "groups": []string{"CANARY"},
			}}}
		case a.Verb != "list":
			t.Errorf("asked for %+v", a)
			w.WriteHeader(http.StatusNotFound)
			return
		case a.Resource == "nodes":
			list["kind"], list["items"] = "NodeList", []any{nodes["worker-2"], nodes["worker-1"]}
			answer = list
		case a.Resource == "pods":
			list["kind"] = "PodList"
			answer = list
		case a.Resource == "persistentvolumes":
			list["kind"] = "PersistentVolumeList"
			answer = list
		case a.Resource == "runtimeclasses":
			list["apiVersion"], list["kind"] = "node.k8s.io/v1", "RuntimeClassList"
			answer = list
		case a.Resource == "leases":
			list["apiVersion"], list["kind"] = "coordination.k8s.io/v1", "LeaseList"
			answer = list
		case a.Resource == "configmaps":
			list["kind"] = "ConfigMapList"
			answer = list
		case templateLists[a.Resource] != "" && !strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadataList"):
			list["apiVersion"], list["kind"] = strings.TrimPrefix(a.Group+"/v1", "/"), templateLists[a.Resource]
			answer = list
		default:
			if !strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadataList") && !readsSpec[a.Resource+"."+a.Group] {
				t.Errorf("asked for %+v, not for metadata", a)
			}
			list["apiVersion"], list["kind"] = "meta.k8s.io/v1", "PartialObjectMetadataList"
			answer = list
		}
		if items := s.items[a.Resource+"."+a.Group]; a.Verb == "list" && items != nil {
			list["items"] = items
		}
		if w.Header().Get("Content-Type") == "" {
			w.Header().Set("Content-Type", "application/json")
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(s.Close)
	return s
}

// kubeconfigFor writes a kubeconfig for a server and makes it everybody's default.
func kubeconfigFor(t *testing.T, server string) string {
	t.Helper()
	config := clientcmdapi.NewConfig()
	config.Clusters["c"], config.AuthInfos["u"] = &clientcmdapi.Cluster{Server: server}, &clientcmdapi.AuthInfo{}
	config.Contexts["x"], config.CurrentContext = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u"}, "x"
	path := filepath.Join(t.TempDir(), "config")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", path)
	return path
}

// decoded reads a YAML stream as the API server does, strictly: no field that the
// types do not know, none twice.
func decoded(t *testing.T, stream []byte) []runtime.Object {
	t.Helper()
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(stream)))
	var objects []runtime.Object
	for {
		doc, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatal(err)
		}
		if onlyComments(doc) {
			continue
		}
		object, _, err := decoder.Decode(doc, nil, nil)
		if err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		objects = append(objects, object)
	}
}

func onlyComments(doc []byte) bool {
	for line := range bytes.Lines(doc) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' && string(line) != "---" {
			return false
		}
	}
	return true
}

// names returns kind, namespace and name of objects.
func kindsAndNames(t *testing.T, objects []runtime.Object) []string {
	t.Helper()
	var names []string
	for _, o := range objects {
		m, ok := o.(metav1.Object)
		if !ok {
			t.Fatalf("%T has no metadata", o)
		}
		name := o.GetObjectKind().GroupVersionKind().Kind + " "
		if m.GetNamespace() != "" {
			name += m.GetNamespace() + "/"
		}
		names = append(names, name+m.GetName())
	}
	return names
}

// Which objects are printed, and what is said on stderr, with and without a
// cluster. Each object is one that the API server would decode.
func TestManifests(t *testing.T) {
	grants := []string{
		"Namespace kubectl-checklist", "ClusterRole kubectl-checklist-read", "ClusterRole kubectl-checklist-secret-names",
		"Role kube-system/kubectl-checklist-read", "ClusterRole kubectl-checklist-dry-runs", "ClusterRole kubectl-checklist-probe", "Role kubectl-checklist/kubectl-checklist-probe",
	}
	run := func(pods int) []string {
		names := []string{"Namespace kubectl-checklist", "Job kubectl-checklist/checklist-run"}
		for i := range pods {
			names = append(names, fmt.Sprintf("Pod kubectl-checklist/checklist-run-%04d", i))
		}
		for i := range pods {
			names = append(names, fmt.Sprintf("Pod kubectl-checklist/checklist-run-net-%04d", i))
		}
		return names
	}
	const image = "--probe-image=registry.example/probe:v1"
	const noKubeconfig = "no cluster was asked, because no kubeconfig was found: each-node is a placeholder for the nodes\n"
	for name, tc := range map[string]struct {
		cluster string // "", "up", "forbidden", "down", or "untouched": a request is a failure
		args    []string
		want    []string // objects
		nodes   []string
		stderr  string // SERVER is the server's address
		code    int
	}{
		"no kubeconfig": {
			args: []string{image}, want: slices.Concat(grants, run(1)), nodes: []string{"each-node"}, stderr: noKubeconfig,
		},
		"no kubeconfig, a run's objects": {
			args: []string{image, "--only=run"}, want: run(1), nodes: []string{"each-node"}, stderr: noKubeconfig,
		},
		"no kubeconfig, and a node by name": {
			args: []string{image, "worker-1"}, code: ExitFailure,
			stderr: "error: no kubeconfig found, so no cluster can be asked for its nodes; --for-node and --offline need no cluster\n",
		},
		"a cluster": {
			cluster: "up", args: []string{image}, want: slices.Concat(grants, run(2)), nodes: []string{"worker-1", "worker-2"},
		},
		"a node of a cluster": {
			cluster: "up", args: []string{image, "--only=run", "worker-2"}, want: run(1), nodes: []string{"worker-2"},
		},
		"a cluster that may not be read": {
			cluster: "forbidden", args: []string{image}, code: ExitFailure,
			stderr: "error: no right to list nodes in the cluster: grant list on nodes; --for-node and --offline need no cluster\n",
		},
		"a cluster that cannot be reached": {
			cluster: "down", args: []string{image}, want: slices.Concat(grants, run(1)), nodes: []string{"each-node"},
			stderr: "no cluster answered: the API server at SERVER cannot be reached: connect: connection refused; " +
				"is the cluster running, and is this the right --context?; each-node is a placeholder for the nodes\n",
		},
		"a cluster that is named and cannot be reached": {
			cluster: "down", args: []string{image, "--context=x"}, code: ExitFailure,
			stderr: "error: the API server at SERVER cannot be reached: connect: connection refused; is the cluster running, and is this the right --context?\n",
		},
		"nodes of a cluster that cannot be reached": {
			cluster: "down", args: []string{image, "-l", "pool=edge"}, code: ExitFailure,
			stderr: "error: the API server at SERVER cannot be reached: connect: connection refused; is the cluster running, and is this the right --context?\n",
		},
		"--for-node": {
			cluster: "untouched", args: []string{image, "--for-node=b=arm64,a"}, want: slices.Concat(grants, run(2)), nodes: []string{"a", "b"},
			stderr: "no cluster was asked\n",
		},
		"--for-node in a cluster that is named": {
			cluster: "untouched", args: []string{image, "--only=run", "--context=x", "--for-node=a"}, want: run(1), nodes: []string{"a"},
			stderr: "no cluster was asked\n",
		},
		"--offline": {
			cluster: "untouched", args: []string{image, "--offline", "--only=run"}, want: run(1), nodes: []string{"each-node"},
			stderr: "no cluster was asked: each-node is a placeholder for the nodes\n",
		},
		"--only grants": {cluster: "untouched", args: []string{"--only=grants"}, want: grants},
		"without the pods that make handshakes": {
			cluster: "untouched", args: []string{image, "--offline", "--only=run", "--probe-level=proc"}, want: run(1)[:3], nodes: []string{"each-node"},
			stderr: "no cluster was asked: each-node is a placeholder for the nodes\n",
		},
		"only the pods that make handshakes": {
			cluster: "untouched", args: []string{image, "--offline", "--only=run", "--probe-level=net"},
			want: slices.Delete(run(1), 2, 3), nodes: []string{"each-node"},
			stderr: "no cluster was asked: each-node is a placeholder for the nodes\n",
		},
		"--no-probe": {
			cluster: "untouched", args: []string{"--no-probe"},
			want: []string{"ClusterRole kubectl-checklist-read", "ClusterRole kubectl-checklist-secret-names", "Role kube-system/kubectl-checklist-read"},
		},
		"--create-namespace": {
			cluster: "untouched", args: []string{"--only=grants", "--create-namespace", "--probe-namespace=probes"},
			want: []string{
				"ClusterRole kubectl-checklist-read", "ClusterRole kubectl-checklist-secret-names",
				"Role kube-system/kubectl-checklist-read", "ClusterRole kubectl-checklist-dry-runs", "ClusterRole kubectl-checklist-probe",
			},
		},
		"--bind": {
			cluster: "untouched", args: []string{"--no-probe", "--bind=group:a,b"},
			want: []string{
				"ClusterRole kubectl-checklist-read", "ClusterRoleBinding kubectl-checklist-read",
				"ClusterRole kubectl-checklist-secret-names", "ClusterRoleBinding kubectl-checklist-secret-names",
				"Role kube-system/kubectl-checklist-read", "RoleBinding kube-system/kubectl-checklist-read",
			},
		},
		"a node that a run would skip": {
			cluster: "untouched", args: []string{"--probe-image=embedded", "--only=run", "--for-node=a=riscv64"},
			stderr: "no cluster was asked\nnode a would be skipped: Unsupported: embedded probe: architecture \"riscv64\": expected amd64 or arm64\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("HOME", t.TempDir())
			t.Setenv("KUBECONFIG", "")
			server := ""
			if tc.cluster != "" {
				s := newSmallCluster(t)
				server = s.URL
				switch tc.cluster {
				case "forbidden":
					s.refuse = func(a requests.Access) bool { return a.Resource == "nodes" }
				case "down":
					s.Close()
				case "untouched":
					defer func() {
						if len(s.asked) > 0 {
							t.Errorf("asked the cluster for %+v", s.asked)
						}
					}()
				}
				kubeconfigFor(t, server)
			}
			env, out, errOut := testEnv()
			if code := Main(t.Context(), env, append([]string{"manifests"}, tc.args...)); code != tc.code {
				t.Errorf("exit status %d, want %d", code, tc.code)
			}
			if want := strings.ReplaceAll(tc.stderr, "SERVER", server); errOut.String() != want {
				t.Errorf("stderr %q\nwant   %q", errOut, want)
			}
			objects := decoded(t, out.Bytes())
			if diff := cmp.Diff(tc.want, kindsAndNames(t, objects)); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
			var nodes []string
			for _, o := range objects {
				if pod, ok := o.(*corev1.Pod); ok && !slices.Contains(nodes, pod.Spec.NodeName) {
					nodes = append(nodes, pod.Spec.NodeName)
				}
			}
			if diff := cmp.Diff(tc.nodes, nodes); diff != "" {
				t.Errorf("nodes (-want +got):\n%s", diff)
			}
			if strings.Contains(tc.stderr, "error:") && out.Len() > 0 {
				t.Errorf("an error, and on stdout: %s", out)
			}
		})
	}
}

// The comments name the two groups, and each comment is before its objects.
func TestManifestsGroups(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("KUBECONFIG", "")
	env, out, _ := testEnv()
	if code := Main(t.Context(), env, []string{"manifests", "--offline", "--probe-image=registry.example/probe:v1"}); code != ExitOK {
		t.Fatalf("exit status %d", code)
	}
	text := out.String()
	order := []string{
		"---\n# GRANTS: ", "--bind user:NAME", "kind: Namespace", "kind: ClusterRole", "kind: Role\n", "---\n# RUN: ", "kind: Namespace", "kind: Job", "kind: Pod\n",
		"---\n# Level net. ", "kind: Pod\n",
	}
	at := 0
	for _, word := range order {
		i := strings.Index(text[at:], word)
		if i < 0 {
			t.Fatalf("%q does not follow what comes before it in\n%s", word, text)
		}
		at += i + len(word)
	}
	if strings.Count(text, "# GRANTS: ") != 1 || strings.Count(text, "# RUN: ") != 1 {
		t.Errorf("each group has one header:\n%s", text)
	}
	if strings.LastIndex(text, "kind: Role\n") > strings.Index(text, "# RUN: ") {
		t.Error("a role among what a run creates")
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") && len(line) > 101 {
			t.Errorf("a comment of %d columns: %s", len(line)-1, line)
		}
	}
}

// With the embedded probe, two pods and their ConfigMaps for each architecture.
func TestManifestsEmbedded(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("KUBECONFIG", "")
	env, out, errOut := testEnv()
	code := Main(t.Context(), env, []string{"manifests", "--only=run", "--probe-image=embedded"})
	if notBuilt() {
		if code != ExitFailure || out.Len() > 0 || !strings.Contains(errOut.String(), "this build carries no probe") {
			t.Errorf("a build without probes: exit status %d, stderr %q", code, errOut)
		}
		return
	}
	if want := "no cluster was asked, because no kubeconfig was found: each-amd64-node and each-arm64-node are placeholders for the nodes\n"; code != ExitOK || errOut.String() != want {
		t.Errorf("exit status %d, stderr %q, want %q", code, errOut, want)
	}
	pods, maps := map[string]string{}, map[string]int{}
	for _, o := range decoded(t, out.Bytes()) {
		switch o := o.(type) {
		case *corev1.Pod:
			pods[o.Spec.NodeName] += o.Spec.Containers[0].Image + " "
		case *corev1.ConfigMap:
			program := regexp.MustCompile(`-(loader|part-[0-9]+)$`).ReplaceAllString(o.Name, "")
			maps[strings.TrimPrefix(program, "checklist-run-")]++
			if len(o.Data)+len(o.BinaryData) > 0 {
				t.Errorf("ConfigMap %s with its bytes", o.Name)
			}
		}
	}
	const twice = "an-image-the-node-holds an-image-the-node-holds "
	want := map[string]string{"each-amd64-node": twice, "each-arm64-node": twice}
	if diff := cmp.Diff(want, pods); diff != "" {
		t.Errorf("nodes and images (-want +got):\n%s", diff)
	}
	for _, program := range []string{"amd64", "arm64", "net-amd64", "net-arm64"} {
		if maps[program] < 2 {
			t.Errorf("%d ConfigMaps of %s, want its loader and a part at least: %v", maps[program], program, maps)
		}
	}
}

// notBuilt reports whether this build lacks one of the embedded programs.
func notBuilt() bool {
	_, err := embedded.Probe("amd64")
	_, net := embedded.NetProbe("amd64")
	return errors.Is(err, embedded.ErrNotBuilt) || errors.Is(net, embedded.ErrNotBuilt)
}

// What the cluster says of its nodes' images is printed.
func TestManifestsImages(t *testing.T) {
	if notBuilt() {
		t.Skip(embedded.ErrNotBuilt)
	}
	t.Setenv("HOME", t.TempDir())
	kubeconfigFor(t, newSmallCluster(t).URL)
	env, out, errOut := testEnv()
	if code := Main(t.Context(), env, []string{"manifests", "--only=run", "--probe-image=embedded"}); code != ExitOK || errOut.Len() > 0 {
		t.Errorf("exit status %d, stderr %q", code, errOut)
	}
	images := map[string]string{}
	for _, o := range decoded(t, out.Bytes()) {
		if pod, ok := o.(*corev1.Pod); ok {
			images[pod.Spec.NodeName] = pod.Spec.Containers[0].Image
		}
	}
	want := map[string]string{"worker-1": "registry.example/pause:3.10", "worker-2": "registry.example/pause:3.10"}
	if diff := cmp.Diff(want, images); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
}

func TestParseSubjects(t *testing.T) {
	user := func(name string) rbacv1.Subject {
		return rbacv1.Subject{Kind: "User", APIGroup: "rbac.authorization.k8s.io", Name: name}
	}
	account := rbacv1.Subject{Kind: "ServiceAccount", Namespace: "ci", Name: "audit.er"}
	got, err := parseSubjects([]string{"user:oidc:jane", "group:cn=ops,ou=it", "serviceaccount:ci:audit.er", "user:oidc:jane"})
	want := []rbacv1.Subject{user("oidc:jane"), {Kind: "Group", APIGroup: "rbac.authorization.k8s.io", Name: "cn=ops,ou=it"}, account}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	for _, word := range []string{"", "jane", "user:", "group:", "serviceaccount:jane", "serviceaccount:ci:", "serviceaccount::x", "serviceaccount:ci:a:b", "serviceaccount:C I:x", "User:jane"} {
		_, err := parseSubjects([]string{"user:ok", word})
		if want := fmt.Sprintf("--bind: expected user:NAME, group:NAME or serviceaccount:NAMESPACE:NAME, found %q", word); err == nil || err.Error() != want {
			t.Errorf("%q: error %v, want %s", word, err, want)
		}
	}
}

// With exactly the rights to read that Grants returns, no request is refused, and each of
// these rights is used. pkg/launch tests the rights of the probe.
func TestReadingUsesWhatGrantsGiveAndNoMore(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	docs, err := launch.Grants(launch.Options{Level: fact.LevelAPI}, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	var roles []any
	for _, d := range docs {
		roles = append(roles, d.Object)
	}
	grants := requests.Grants(roles...)
	var asked []requests.Access
	for _, args := range [][]string{
		{"--no-probe"},
		{"secrets", "--no-probe"},
		{"nodes", "--no-probe"},
		{"nodes", "--no-probe", "worker-1"},
		{"pods", "-A"},
		{"pods", "-n", "shop"},
		{"manifests", "--probe-image=registry.example/probe:v1"},
	} {
		s := newSmallCluster(t)
		s.refuse = func(a requests.Access) bool {
			if requests.Permits(grants, a) {
				return false
			}
			t.Errorf("%v: %+v is not granted", args, a)
			return true
		}
		kubeconfigFor(t, s.URL)
		env, _, errOut := testEnv()
		if code := Main(t.Context(), env, args); code != ExitOK {
			t.Errorf("%v: exit status %d: %s", args, code, errOut)
		}
		asked = append(asked, s.asked...)
	}
	if unused := requests.Unused(grants, asked); len(unused) > 0 {
		t.Errorf("granted, and used by no run: %q", unused)
	}
}
