package fact

import (
	"slices"
	"strings"
)

// providerNamespaces are the namespaces in which a provider runs its own parts. On
// another provider anybody may create a namespace with such a name, so a name counts
// only with its provider. A name that ends in "-" is a prefix.
var providerNamespaces = map[string][]string{
	"gke":       {"gke-managed-", "gmp-system", "gmp-public"},
	"eks":       {"amazon-guardduty", "amazon-cloudwatch"},
	"aks":       {"gatekeeper-system", "calico-system", "tigera-operator", "azure-arc"},
	"openshift": {"openshift", "openshift-"},
}

// PlatformNamespace reports whether a namespace belongs to Kubernetes itself or to
// the provider of this cluster, and not to its users. Some pods there have to be
// privileged. Reports show them separately, but never hide them.
func PlatformNamespace(provider, namespace string) bool {
	switch namespace {
	case "kube-system", "kube-public", "kube-node-lease":
		return true
	}
	return slices.ContainsFunc(providerNamespaces[provider], func(name string) bool {
		return name == namespace || strings.HasSuffix(name, "-") && strings.HasPrefix(namespace, name)
	})
}
