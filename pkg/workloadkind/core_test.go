package workloadkind

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/kubernetes/scheme"
)

// TestBuiltinKinds compares the kinds with those that Kubernetes' own client knows.
func TestBuiltinKinds(t *testing.T) {
	got := map[string][]string{}
	for gvk := range scheme.Scheme.AllKnownTypes() {
		switch kind := gvk.Kind; {
		case gvk.Version == "__internal", strings.HasSuffix(kind, "List"), strings.HasSuffix(kind, "Options"):
		case slices.Contains([]string{"WatchEvent", "APIGroup", "APIVersions", "APIResourceList", "Status"}, kind):
		case !slices.Contains(got[gvk.Group], kind):
			got[gvk.Group] = append(got[gvk.Group], kind)
		}
	}
	for group, kinds := range got {
		slices.Sort(kinds)
		if !slices.Equal(kinds, builtinKinds[group]) {
			t.Errorf("group %q: the client has %q, the table %q", group, kinds, builtinKinds[group])
		}
	}
	for group := range builtinKinds {
		if got[group] == nil {
			t.Errorf("group %q: the client has none", group)
		}
	}
}

// TestNoMatch has what kubectl calls "no matches for kind", and its opposite.
func TestNoMatch(t *testing.T) {
	for _, tc := range []struct {
		version, kind, meant string
		none                 bool
	}{
		{"v1", "pod", "v1 Pod", true},
		{"apps/v1", "Pod", "v1 Pod", true},
		{"v1", "Deployment", "apps/v1 Deployment", true},
		{"apps/v1", "deployment", "apps/v1 Deployment", true},
		{"v1", "configmap", "v1 ConfigMap", true},
		{"v1", "Nonsense", "", true},
		{"batch/v1", "Cronjob", "batch/v1 CronJob", true},
		{"v1", "Pod", "", false},
		{"v1", "List", "", false},
		{"v1", "PodList", "", false},
		{"v1", "NonsenseList", "", true},
		{"apps/v1beta1", "Deployment", "", false}, // an old version: the shape is the same
		{"extensions/v1beta1", "Ingress", "", false},
		{"policy/v1beta1", "PodSecurityPolicy", "", false},
		{"example.com/v1", "pod", "", false},
		{"argoproj.io/v1alpha1", "Rollout", "", false},
		{"", "Pod", "", false},
		{"builtin", "PatchTransformer", "", false}, // kustomize's
	} {
		meant, none := NoMatch(tc.version, tc.kind)
		if meant != tc.meant || none != tc.none {
			t.Errorf("NoMatch(%q, %q) = %q, %v, want %q, %v", tc.version, tc.kind, meant, none, tc.meant, tc.none)
		}
	}
}
