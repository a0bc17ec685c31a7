package podserver

import (
	"encoding/json"
	"net/http/httptest"
	"reflect"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

func TestPagesHaveEveryPodOnce(t *testing.T) {
	cluster := Cluster{Pods: 2*Pods + 400}
	server := httptest.NewServer(cluster)
	defer server.Close()
	list := func(content string, limit int64) []corev1.Pod {
		client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL, QPS: -1, ContentConfig: rest.ContentConfig{AcceptContentTypes: content}})
		if err != nil {
			t.Fatal(err)
		}
		var all []corev1.Pod
		options := metav1.ListOptions{Limit: limit}
		for {
			page, err := client.CoreV1().Pods("").List(t.Context(), options)
			if err != nil {
				t.Fatal(err)
			}
			if limit > 0 && int64(len(page.Items)) > limit {
				t.Fatalf("a page has %d pods", len(page.Items))
			}
			all = append(all, page.Items...)
			if options.Continue = page.Continue; page.Continue == "" {
				return all
			}
		}
	}
	binary, text := list(runtime.ContentTypeProtobuf, 300), list(runtime.ContentTypeJSON, 0)
	names, owners := map[string]bool{}, map[string]bool{}
	for i := range binary {
		p := &binary[i]
		names[p.Namespace+"/"+p.Name] = true
		w := workloadOf(i)
		owners[w.namespace+"/"+w.kind+"/"+w.name] = true
		a, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(&text[i])
		if err != nil {
			t.Fatal(err)
		}
		if string(a) != string(b) {
			t.Fatalf("pod %d is not the same in protobuf and JSON", i)
		}
		if raw, _ := p.Marshal(); len(raw) < 2500 || len(a) > 9000 {
			t.Fatalf("pod %d has %d bytes as protobuf, %d as JSON", i, len(raw), len(a))
		}
	}
	if len(names) != cluster.Pods || len(text) != cluster.Pods {
		t.Errorf("want %d pods, got %d as protobuf, %d as JSON", cluster.Pods, len(names), len(text))
	}
	if len(owners) != cluster.Owners() {
		t.Errorf("want %d owners, got %d", cluster.Owners(), len(owners))
	}
}

// Each owner's template has a spec of its own, and its pods have the spec of the template.
func TestPodsHaveTheirTemplates(t *testing.T) {
	seen := map[string]bool{}
	for i := range 2 * Pods {
		w := workloadOf(i)
		spec := w.spec()
		pod := Pod(i)
		text, err := json.Marshal(spec)
		if err != nil {
			t.Fatal(err)
		}
		if w.replica == 0 {
			if seen[string(text)] {
				t.Errorf("%s/%s has the spec of another", w.namespace, w.name)
			}
			seen[string(text)] = true
		}
		if !reflect.DeepEqual(spec.Containers[0].SecurityContext, pod.Spec.Containers[0].SecurityContext) || spec.Containers[0].Image != pod.Spec.Containers[0].Image {
			t.Errorf("pod %d does not come from its template", i)
		}
	}
}

func TestOwnersAreListed(t *testing.T) {
	cluster := Cluster{Pods: 2 * Pods}
	server := httptest.NewServer(cluster)
	defer server.Close()
	config := &rest.Config{Host: server.URL, QPS: -1}
	client, err := metadata.NewForConfig(metadata.ConfigFor(config))
	if err != nil {
		t.Fatal(err)
	}
	sets, err := client.Resource(appsv1.SchemeGroupVersion.WithResource("replicasets")).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	typed, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	deployments, err := typed.AppsV1().Deployments("").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for i := range deployments.Items {
		known[deployments.Items[i].Namespace+"/"+deployments.Items[i].Name] = true
	}
	owned := map[string]bool{}
	for i := range sets.Items {
		if !known[sets.Items[i].Namespace+"/"+sets.Items[i].OwnerReferences[0].Name] {
			t.Errorf("no Deployment of ReplicaSet %s", sets.Items[i].Name)
		}
		owned[sets.Items[i].Namespace+"/"+sets.Items[i].Name] = true
	}
	if want := 2 * Deployments; len(known) != want || len(owned) != want {
		t.Errorf("want %d, got %d Deployments and %d ReplicaSets", want, len(known), len(owned))
	}
	for i := range Deployments * Replicas {
		if pod := Pod(i); !owned[pod.Namespace+"/"+pod.OwnerReferences[0].Name] {
			t.Errorf("no ReplicaSet of pod %s", pod.Name)
		}
	}
}
