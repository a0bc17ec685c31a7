package podserver

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"
)

// ServeHTTP answers the requests of kubectl and of the plugin. Lists of what the cluster does
// not have are empty. It does not know namespaces and selectors in requests.
func (c Cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	metadata := strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadataList")
	deployments, namespaces := c.Namespaces()*Deployments, c.Namespaces()
	group, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/apis/"), "/")
	switch r.URL.Path {
	case "/version":
		document(w, `{"major":"1","minor":"37","gitVersion":"v1.37.2"}`)
	case "/api":
		document(w, `{"kind":"APIVersions","versions":["v1"]}`)
	case "/api/v1":
		document(w, `{"kind":"APIResourceList","groupVersion":"v1","resources":[{"name":"pods","singularName":"pod","namespaced":true,"kind":"Pod","verbs":["get","list"],"shortNames":["po"]}]}`)
	case "/apis":
		document(w, `{"kind":"APIGroupList","apiVersion":"v1","groups":[]}`)
	case "/api/v1/pods":
		answer(w, r, c.Pods, Pod, func(items []corev1.Pod, meta metav1.ListMeta) runtime.Object {
			return &corev1.PodList{TypeMeta: kind("v1", "PodList"), ListMeta: meta, Items: items}
		})
	case "/apis/apps/v1/deployments":
		answer(w, r, deployments, deployment, func(items []appsv1.Deployment, meta metav1.ListMeta) runtime.Object {
			return &appsv1.DeploymentList{TypeMeta: kind("apps/v1", "DeploymentList"), ListMeta: meta, Items: items}
		})
	case "/apis/apps/v1/daemonsets":
		answer(w, r, namespaces, daemonSet, func(items []appsv1.DaemonSet, meta metav1.ListMeta) runtime.Object {
			return &appsv1.DaemonSetList{TypeMeta: kind("apps/v1", "DaemonSetList"), ListMeta: meta, Items: items}
		})
	case "/apis/apps/v1/replicasets", "/api/v1/namespaces":
		if !metadata {
			w.WriteHeader(http.StatusNotAcceptable)
			return
		}
		total, of := deployments, replicaSet
		if group == "" {
			total, of = namespaces, namespace
		}
		answer(w, r, total, of, func(items []metav1.PartialObjectMetadata, meta metav1.ListMeta) runtime.Object {
			return &metav1.PartialObjectMetadataList{TypeMeta: kind("meta.k8s.io/v1", "PartialObjectMetadataList"), ListMeta: meta, Items: items}
		})
	default:
		empty(w, r.URL.Path, metadata)
	}
}

// kinds are the kinds of lists that the cluster has nothing of, by resource.
var kinds = map[string]string{
	"nodes": "NodeList", "persistentvolumes": "PersistentVolumeList", "configmaps": "ConfigMapList", "secrets": "SecretList",
	"replicationcontrollers": "ReplicationControllerList", "podtemplates": "PodTemplateList", "statefulsets": "StatefulSetList",
	"jobs": "JobList", "cronjobs": "CronJobList", "runtimeclasses": "RuntimeClassList", "leases": "LeaseList", "csidrivers": "CSIDriverList",
	"mutatingwebhookconfigurations": "MutatingWebhookConfigurationList", "validatingwebhookconfigurations": "ValidatingWebhookConfigurationList",
	"validatingadmissionpolicies": "ValidatingAdmissionPolicyList", "validatingadmissionpolicybindings": "ValidatingAdmissionPolicyBindingList",
}

func empty(w http.ResponseWriter, path string, metadata bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	list := kinds[parts[len(parts)-1]]
	if list == "" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	version := "v1"
	if parts[0] == "apis" && len(parts) > 3 {
		version = parts[1] + "/" + parts[2]
	}
	if metadata {
		version, list = "meta.k8s.io/v1", "PartialObjectMetadataList"
	}
	document(w, fmt.Sprintf(`{"kind":%q,"apiVersion":%q,"metadata":{},"items":[]}`, list, version))
}

func document(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", runtime.ContentTypeJSON)
	_, _ = io.WriteString(w, text)
}

func kind(version, kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: version, Kind: kind}
}

// answer makes the objects of a page. The token of the next page is the number of its first.
func answer[T any](w http.ResponseWriter, r *http.Request, total int, one func(int) T, list func([]T, metav1.ListMeta) runtime.Object) {
	from, end := 0, total
	if text := r.URL.Query().Get("continue"); text != "" {
		var err error
		if from, err = strconv.Atoi(text); err != nil || from < 0 || from > total {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
	}
	meta := metav1.ListMeta{ResourceVersion: "2000000"}
	if limit, _ := strconv.Atoi(r.URL.Query().Get("limit")); limit > 0 && limit < total-from {
		end = from + limit
		left := int64(total - end)
		meta.Continue, meta.RemainingItemCount = strconv.Itoa(end), &left
	}
	items := make([]T, 0, end-from)
	for i := from; i < end; i++ {
		items = append(items, one(i))
	}
	if strings.HasPrefix(r.Header.Get("Accept"), runtime.ContentTypeProtobuf) {
		w.Header().Set("Content-Type", runtime.ContentTypeProtobuf)
		_ = protobuf.NewSerializer(scheme.Scheme, scheme.Scheme).Encode(list(items, meta), w)
		return
	}
	w.Header().Set("Content-Type", runtime.ContentTypeJSON)
	_ = json.NewEncoder(w).Encode(list(items, meta))
}
