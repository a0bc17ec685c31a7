package cluster

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// The resources that are read, by path; %s is "namespaces/NS/" or nothing.
const (
	nodesPath    = "/api/v1/nodes"
	podsPath     = "/api/v1/pods"
	secretsPath  = "/api/v1/secrets"
	volumesPath  = "/api/v1/persistentvolumes"
	setsPath     = "/apis/apps/v1/replicasets"
	jobsPath     = "/apis/batch/v1/jobs"
	handlersPath = "/apis/node.k8s.io/v1/runtimeclasses"
	leasesPath   = "/apis/coordination.k8s.io/v1/leases"
	driversPath  = "/apis/storage.k8s.io/v1/csidrivers"
	webhooksPath = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
	versionPath  = "/version"
)

// server is an API server by script: lists by path, cut into pages of the size
// that is asked for, and answers that break the rules where a test says so. It
// answers as protobuf or JSON, as the client asks, and never with more of an
// object than was asked for.
type server struct {
	*httptest.Server
	gitVersion string
	nodes      []corev1.Node
	pods       []corev1.Pod
	volumes    []corev1.PersistentVolume
	handlers   []nodev1.RuntimeClass
	leases     []coordinationv1.Lease
	configMaps []corev1.ConfigMap
	metrics    string
	// typed are lists of built-in controllers by path, as protobuf or JSON.
	typed map[string][]metav1.Object
	// metadata are the lists that are only ever served as metadata.
	metadata map[string][]metav1.PartialObjectMetadata

	// tokens are the Secrets of type service-account-token.
	tokens []metav1.PartialObjectMetadata
	// resources are what groups serve by "GROUP/VERSION"; objects are theirs by path, as
	// JSON. The first version of a group that is in order is its preferred one.
	resources map[string][]metav1.APIResource
	objects   map[string][]string
	// documents are answers by path, as JSON.
	documents map[string]string
	// remaining makes the server say how many objects follow a page.
	remaining bool

	// refuse answers a request by itself: a status, or nil to go on.
	refuse func(*http.Request) *metav1.Status

	mu       sync.Mutex
	requests []*http.Request
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{gitVersion: "v1.37.2", typed: map[string][]metav1.Object{}, metadata: map[string][]metav1.PartialObjectMetadata{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) config() *rest.Config {
	return &rest.Config{Host: s.URL, QPS: -1}
}

// asked lists the requests for one path.
func (s *server) asked(path string) []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.requests), func(r *http.Request) bool { return r.URL.Path != path })
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r)
	s.mu.Unlock()
	if s.refuse != nil {
		if status := s.refuse(r); status != nil {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(int(status.Code))
			_ = json.NewEncoder(w).Encode(status)
			return
		}
	}
	path, namespace := r.URL.Path, ""
	if name, ok := strings.CutPrefix(path, "/api/v1/namespaces/"); ok && !strings.Contains(name, "/") {
		s.writeMetadata(w, r, s.metadata["/api/v1/namespaces"], name)
		return
	}
	if before, after, ok := strings.Cut(path, "/namespaces/"); ok {
		rest := ""
		namespace, rest, _ = strings.Cut(after, "/")
		path = before + "/" + rest
	}
	options := r.URL.Query()
	in := func(o metav1.Object) bool { return namespace == "" || o.GetNamespace() == namespace }
	switch {
	case path == versionPath:
		fmt.Fprintf(w, `{"major":"1","minor":"37","gitVersion":%q}`, s.gitVersion)
	case path == "/metrics" && s.metrics != "":
		_, _ = w.Write([]byte(s.metrics))
	case path == nodesPath:
		items, meta := page(s.nodes, options.Get("limit"), options.Get("continue"))
		s.write(w, r, &corev1.NodeList{TypeMeta: kind("v1", "NodeList"), ListMeta: meta, Items: items})
	case strings.HasPrefix(path, nodesPath+"/"):
		name := strings.TrimPrefix(path, nodesPath+"/")
		i := slices.IndexFunc(s.nodes, func(n corev1.Node) bool { return n.Name == name })
		if i < 0 {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotFound)
			_ = json.NewEncoder(w).Encode(status(http.StatusNotFound, metav1.StatusReasonNotFound, fmt.Sprintf("nodes %q not found", name)))
			return
		}
		node := s.nodes[i]
		node.TypeMeta = kind("v1", "Node")
		s.write(w, r, &node)
	case path == podsPath:
		all := slices.DeleteFunc(slices.Clone(s.pods), func(p corev1.Pod) bool { return !in(&p) })
		items, meta := page(all, options.Get("limit"), options.Get("continue"))
		s.write(w, r, &corev1.PodList{TypeMeta: kind("v1", "PodList"), ListMeta: meta, Items: items})
	case path == configMapsPath:
		all := slices.DeleteFunc(slices.Clone(s.configMaps), func(m corev1.ConfigMap) bool { return !in(&m) })
		items, meta := page(all, options.Get("limit"), options.Get("continue"))
		s.write(w, r, &corev1.ConfigMapList{TypeMeta: kind("v1", "ConfigMapList"), ListMeta: meta, Items: items})
	case path == volumesPath:
		items, meta := page(s.volumes, options.Get("limit"), options.Get("continue"))
		s.write(w, r, &corev1.PersistentVolumeList{TypeMeta: kind("v1", "PersistentVolumeList"), ListMeta: meta, Items: items})
	case slices.Contains(templatePaths, path) && !strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadataList"):
		all := slices.DeleteFunc(slices.Clone(s.typed[path]), func(o metav1.Object) bool { return !in(o) })
		items, meta := page(all, options.Get("limit"), options.Get("continue"))
		s.write(w, r, typedList(path, items, meta))
	case path == leasesPath && namespace == "kube-system" && options.Get("labelSelector") == leaseSelector:
		s.write(w, r, &coordinationv1.LeaseList{TypeMeta: kind("coordination.k8s.io/v1", "LeaseList"), Items: s.leases})
	case path == handlersPath:
		s.write(w, r, &nodev1.RuntimeClassList{TypeMeta: kind("node.k8s.io/v1", "RuntimeClassList"), Items: s.handlers})
	case s.documents[path] != "":
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, s.documents[path])
	case path == "/apis":
		s.writeGroups(w)
	case s.resources[strings.TrimPrefix(path, "/apis/")] != nil:
		s.write(w, r, &metav1.APIResourceList{GroupVersion: strings.TrimPrefix(path, "/apis/"), APIResources: s.resources[strings.TrimPrefix(path, "/apis/")]})
	case s.objects[path] != nil:
		s.writeObjects(w, r, s.objects[path], namespace)
	case path == "/api/v1/namespaces", path == secretsPath, path == setsPath, path == jobsPath, path == driversPath, path == webhooksPath, path == validatingPath:
		if !strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadataList") {
			w.WriteHeader(http.StatusNotAcceptable)
			return
		}
		all := slices.Clone(s.metadata[path])
		if options.Get("fieldSelector") == "type=kubernetes.io/service-account-token" {
			all = slices.Clone(s.tokens)
		}
		all = slices.DeleteFunc(all, func(m metav1.PartialObjectMetadata) bool { return !in(&m) })
		items, meta := page(all, options.Get("limit"), options.Get("continue"))
		s.write(w, r, &metav1.PartialObjectMetadataList{TypeMeta: kind("meta.k8s.io/v1", "PartialObjectMetadataList"), ListMeta: meta, Items: items})
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// writeMetadata answers with one object's metadata.
func (s *server) writeMetadata(w http.ResponseWriter, r *http.Request, all []metav1.PartialObjectMetadata, name string) {
	i := slices.IndexFunc(all, func(m metav1.PartialObjectMetadata) bool { return m.Name == name })
	switch {
	case !strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadata"):
		w.WriteHeader(http.StatusNotAcceptable)
	case i < 0:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		_ = json.NewEncoder(w).Encode(status(http.StatusNotFound, metav1.StatusReasonNotFound, "not found"))
	default:
		one := all[i]
		one.TypeMeta = kind("meta.k8s.io/v1", "PartialObjectMetadata")
		s.write(w, r, &one)
	}
}

func (s *server) write(w http.ResponseWriter, r *http.Request, object runtime.Object) {
	if accept := r.Header.Get("Accept"); strings.HasPrefix(accept, runtime.ContentTypeProtobuf) {
		w.Header().Set("Content-Type", runtime.ContentTypeProtobuf)
		if err := protobuf.NewSerializer(scheme.Scheme, scheme.Scheme).Encode(object, w); err != nil {
			panic(err)
		}
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(object)
}

// writeGroups lists the groups of s.resources.
func (s *server) writeGroups(w http.ResponseWriter) {
	var list metav1.APIGroupList
	for _, gv := range slices.Sorted(maps.Keys(s.resources)) {
		group, version, _ := strings.Cut(gv, "/")
		v := metav1.GroupVersionForDiscovery{GroupVersion: gv, Version: version}
		if last := len(list.Groups) - 1; last >= 0 && list.Groups[last].Name == group {
			list.Groups[last].Versions = append(list.Groups[last].Versions, v)
			continue
		}
		list.Groups = append(list.Groups, metav1.APIGroup{Name: group, Versions: []metav1.GroupVersionForDiscovery{v}, PreferredVersion: v})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(list)
}

// writeObjects lists custom resources, as whole objects or as metadata.
func (s *server) writeObjects(w http.ResponseWriter, r *http.Request, objects []string, namespace string) {
	options := r.URL.Query()
	objects = slices.DeleteFunc(slices.Clone(objects), func(o string) bool {
		return namespace != "" && !strings.Contains(o, fmt.Sprintf(`"namespace":%q`, namespace))
	})
	items, meta := page(objects, options.Get("limit"), options.Get("continue"))
	if left := int64(len(objects) - len(items)); s.remaining && meta.Continue != "" {
		from, _ := strconv.Atoi(options.Get("continue"))
		left -= int64(from)
		meta.RemainingItemCount = &left
	}
	if !strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadataList") {
		head, _ := json.Marshal(meta)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"metadata":%s,"items":[%s]}`, head, strings.Join(items, ","))
		return
	}
	list := &metav1.PartialObjectMetadataList{TypeMeta: kind("meta.k8s.io/v1", "PartialObjectMetadataList"), ListMeta: meta}
	for _, item := range items {
		var m metav1.PartialObjectMetadata
		_ = json.Unmarshal([]byte(item), &m)
		list.Items = append(list.Items, m)
	}
	s.write(w, r, list)
}

// The lists of built-in controllers.
const (
	deploymentsPath  = "/apis/apps/v1/deployments"
	statefulSetsPath = "/apis/apps/v1/statefulsets"
	daemonSetsPath   = "/apis/apps/v1/daemonsets"
	cronJobsPath     = "/apis/batch/v1/cronjobs"
	rcsPath          = "/api/v1/replicationcontrollers"
	podTemplatesPath = "/api/v1/podtemplates"
)

var templatePaths = []string{deploymentsPath, statefulSetsPath, daemonSetsPath, cronJobsPath, rcsPath, podTemplatesPath, setsPath, jobsPath}

// typedList is the list of a built-in kind.
func typedList(path string, items []metav1.Object, meta metav1.ListMeta) runtime.Object {
	switch path {
	case deploymentsPath:
		return &appsv1.DeploymentList{TypeMeta: kind("apps/v1", "DeploymentList"), ListMeta: meta, Items: each[appsv1.Deployment](items)}
	case statefulSetsPath:
		return &appsv1.StatefulSetList{TypeMeta: kind("apps/v1", "StatefulSetList"), ListMeta: meta, Items: each[appsv1.StatefulSet](items)}
	case daemonSetsPath:
		return &appsv1.DaemonSetList{TypeMeta: kind("apps/v1", "DaemonSetList"), ListMeta: meta, Items: each[appsv1.DaemonSet](items)}
	case setsPath:
		return &appsv1.ReplicaSetList{TypeMeta: kind("apps/v1", "ReplicaSetList"), ListMeta: meta, Items: each[appsv1.ReplicaSet](items)}
	case cronJobsPath:
		return &batchv1.CronJobList{TypeMeta: kind("batch/v1", "CronJobList"), ListMeta: meta, Items: each[batchv1.CronJob](items)}
	case jobsPath:
		return &batchv1.JobList{TypeMeta: kind("batch/v1", "JobList"), ListMeta: meta, Items: each[batchv1.Job](items)}
	case rcsPath:
		return &corev1.ReplicationControllerList{TypeMeta: kind("v1", "ReplicationControllerList"), ListMeta: meta, Items: each[corev1.ReplicationController](items)}
	}
	return &corev1.PodTemplateList{TypeMeta: kind("v1", "PodTemplateList"), ListMeta: meta, Items: each[corev1.PodTemplate](items)}
}

func each[T any](items []metav1.Object) []T {
	out := make([]T, len(items))
	for i := range items {
		out[i] = *any(items[i]).(*T)
	}
	return out
}

// page cuts a list. The continue token is the index of the next object.
func page[T any](all []T, limit, next string) ([]T, metav1.ListMeta) {
	from, _ := strconv.Atoi(next)
	size, _ := strconv.Atoi(limit)
	if size == 0 || from+size >= len(all) {
		return all[from:], metav1.ListMeta{}
	}
	return all[from : from+size], metav1.ListMeta{Continue: strconv.Itoa(from + size)}
}

func kind(apiVersion, name string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: apiVersion, Kind: name}
}

func status(code int32, reason metav1.StatusReason, message string) *metav1.Status {
	return &metav1.Status{
		TypeMeta: kind("v1", "Status"), Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message,
	}
}

// refuseAll answers requests below a path with a status.
func refuseAll(path string, with *metav1.Status) func(*http.Request) *metav1.Status {
	return func(r *http.Request) *metav1.Status {
		if r.URL.Path == path {
			return with
		}
		return nil
	}
}

var forbidden = status(http.StatusForbidden, metav1.StatusReasonForbidden, `user "me" cannot list it`)

func partial(namespace, name string, owners ...metav1.OwnerReference) metav1.PartialObjectMetadata {
	return metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, OwnerReferences: owners}}
}

// ownedBy is a controller's reference.
func ownedBy(kind, name string) metav1.OwnerReference {
	yes := true
	return metav1.OwnerReference{Kind: kind, Name: name, Controller: &yes}
}

func pod(namespace, name, node string, edits ...func(*corev1.Pod)) corev1.Pod {
	p := corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "app", Image: "registry.example/app:v1"}}},
	}
	for _, edit := range edits {
		edit(&p)
	}
	return p
}

func controlledBy(kind, name string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.OwnerReferences = []metav1.OwnerReference{ownedBy(kind, name)} }
}

func label(key, value string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		if p.Labels == nil {
			p.Labels = map[string]string{}
		}
		p.Labels[key] = value
	}
}
