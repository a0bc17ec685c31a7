package cluster

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// A script of a ConfigMap that a container runs is evaluated; what cannot be read says why.
func TestScriptsOfConfigMaps(t *testing.T) {
	pod := corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Spec: corev1.PodSpec{
			Volumes: []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "web-scripts"}}}}},
			Containers: []corev1.Container{{
				Name: "app", Image: "x", Command: []string{"sh", "/scripts/start.sh"}, VolumeMounts: []corev1.VolumeMount{{Name: "v", MountPath: "/scripts"}},
			}},
		},
	}
	script := configMap("shop", "web-scripts", map[string]string{"start.sh": "apk add curl # " + madeUpToken, "other": "x"})
	code := func(unread fact.Reason) fact.MountedCode {
		return fact.MountedCode{Volume: "v", Mount: "/scripts", Field: "command[1]", Interpreter: "sh", ConfigMap: "web-scripts", Key: "start.sh", Unread: unread}
	}
	for name, tc := range map[string]struct {
		maps   []corev1.ConfigMap
		skip   bool
		refuse func(*http.Request) *metav1.Status
		want   fact.MountedCode
		found  bool
	}{
		"it is evaluated":          {maps: []corev1.ConfigMap{script}, want: code(""), found: true},
		"it is not there":          {want: code(fact.NotPresent)},
		"another namespace's":      {maps: []corev1.ConfigMap{configMap("other", "web-scripts", script.Data)}, want: code(fact.NotPresent)},
		"nobody may list them":     {maps: []corev1.ConfigMap{script}, refuse: refuseAll("/api/v1/namespaces/shop/configmaps", forbidden), want: code(fact.Forbidden)},
		"the server fails":         {maps: []corev1.ConfigMap{script}, refuse: refuseAll("/api/v1/namespaces/shop/configmaps", status(500, "", madeUpToken)), want: code(fact.Unavailable)},
		"nobody asked for scripts": {maps: []corev1.ConfigMap{script}, skip: true, want: code(fact.NotRequested)},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.pods, s.configMaps, s.refuse = []corev1.Pod{pod}, tc.maps, tc.refuse
			result, err := Collect(t.Context(), Options{Config: s.config(), Pods: true, Scripts: !tc.skip})
			if err != nil {
				t.Fatal(err)
			}
			got := result.Workloads[0].Spec.Containers[0]
			if diff := cmp.Diff([]fact.MountedCode{tc.want}, got.Code); diff != "" {
				t.Errorf("code (-want +got):\n%s", diff)
			}
			var want []fact.Install
			if tc.found {
				want = []fact.Install{{Class: fact.PackageManager, What: "apk add", Field: "command[1]", Script: "web-scripts[start.sh]"}}
			}
			if diff := cmp.Diff(want, got.Installs); diff != "" {
				t.Errorf("installs (-want +got):\n%s", diff)
			}
			again, err := result.Relist(t.Context())
			if err != nil || len(again) != 1 || !SameGroup(&result.Workloads[0], &again[0]) {
				t.Errorf("the second list has another workload: %+v, %v", again, err)
			}
			if asked := len(s.asked("/api/v1/namespaces/shop/configmaps")); asked != map[bool]int{true: 0, false: 1}[tc.skip] {
				t.Errorf("asked %d times", asked)
			}
		})
	}
}
