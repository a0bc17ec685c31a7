package fact

import "testing"

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
