package fact

import (
	"os"
	"strings"
	"testing"
)

// The documentation has the table, row by row.
func TestPlatformDocs(t *testing.T) {
	text, err := os.ReadFile("../../../docs/waivers.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(strings.TrimSpace(line), " | "); len(cells) == 3 {
			rows[strings.TrimPrefix(cells[0], "| ")+": "+strings.TrimSuffix(cells[2], " |")] = true
		}
	}
	for _, row := range PlatformRows() {
		if want := row.Platform + ": " + strings.Join(row.Namespaces, ", "); !rows[want] {
			t.Errorf("docs/waivers.md has no row %q", want)
		}
		if row.Source == "" || row.Read == "" {
			t.Errorf("%s has no source or no date", row.Platform)
		}
	}
	for _, name := range KubernetesNamespaces() {
		if !PlatformNamespace("", name) {
			t.Errorf("%s is not the platform's", name)
		}
	}
}

func TestPlatformNamespace(t *testing.T) {
	for name, tc := range map[string]struct {
		provider, namespace string
		want                bool
	}{
		"Kubernetes' own, whoever provides":                   {"kubeadm", "kube-system", true},
		"OpenShift's own":                                     {"openshift", "openshift-etcd", true},
		"somebody's with a provider's name":                   {"kubeadm", "openshift-etcd", false},
		"GKE's own":                                           {"gke", "gke-managed-cim", true},
		"somebody's on GKE":                                   {"gke", "gke-apps", false},
		"somebody's with a name that begins like GKE's":       {"gke", "gke-managedapps", false},
		"somebody's with a name that begins like OpenShift's": {"openshift", "openshiftapps", false},
		"OpenShift's own without a dash":                      {"openshift", "openshift", true},
		"a whole name of GKE's":                               {"gke", "gmp-system", true},
		"a name without a final dash is not a prefix":         {"gke", "gmp-system-2", false},
		"public, whoever provides":                            {"", "kube-public", true},
		"leases, whoever provides":                            {"", "kube-node-lease", true},
		"no namespace, as nodes have":                         {"openshift", "", false},
		"a user's":                                            {"eks", "shop", false},
		"one that only begins like kube-system":               {"eks", "kube-system-2", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := PlatformNamespace(tc.provider, tc.namespace); got != tc.want {
				t.Errorf("PlatformNamespace(%q, %q) = %t, want %t", tc.provider, tc.namespace, got, tc.want)
			}
		})
	}
}
