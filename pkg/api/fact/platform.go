package fact

import (
	"slices"
	"strings"
)

// providerNamespaces are those that a provider runs its own parts in. Anybody
// may create a namespace of such a name elsewhere, so they count with their
// provider only. A name that ends in "-" stands for all that begin with it.
var providerNamespaces = map[string][]string{
	"gke":       {"gke-managed-", "gmp-system", "gmp-public"},
	"eks":       {"amazon-guardduty", "amazon-cloudwatch"},
	"aks":       {"gatekeeper-system", "calico-system", "tigera-operator", "azure-arc"},
	"openshift": {"openshift", "openshift-"},
}

// PlatformNamespace tells whether a namespace belongs to Kubernetes itself, or
// to the provider of this cluster, rather than to its users. Some pods there
// are rightly privileged; reports show them apart, never hidden.
func PlatformNamespace(provider, namespace string) bool {
	switch namespace {
	case "kube-system", "kube-public", "kube-node-lease":
		return true
	}
	return slices.ContainsFunc(providerNamespaces[provider], func(name string) bool {
		return name == namespace || strings.HasSuffix(name, "-") && strings.HasPrefix(namespace, name)
	})
}
