package fact

import (
	"slices"
	"strings"
)

// PlatformRow says which namespaces a provider uses for its own parts.
type PlatformRow struct {
	// Platform is a name of Cluster.Provider, or rancher or iks. It counts only with the mark that
	// package checks looks for (checks.Platforms): on another cluster anybody may create a
	// namespace with such a name.
	Platform string
	// Namespaces are names. One that ends in "-" is a prefix.
	Namespaces []string
	// Source is where the names are from, Read when that was read.
	Source, Read string
}

var platformRows = []PlatformRow{
	{"eks", []string{"amazon-cloudwatch", "amazon-guardduty", "aws-observability"}, "robusta-dev, public list of EKS add-ons", "2026-08"},
	{"gke", []string{"gke-managed-", "gke-gmp-system", "gmp-system", "gmp-public"}, "cloud.google.com, public listings", "2026-08"},
	{"aks", []string{"gatekeeper-system", "aks-istio-", "azure-arc", "app-routing-system", "calico-system", "tigera-operator"}, "public list; app-routing-system, calico-system and tigera-operator by judgement", "2026-08"},
	{"openshift", []string{"openshift", "openshift-", "kube-"}, "openshift-docs pull request 21865", "2026-08"},
	{"rancher", []string{"cattle-", "fleet-default", "fleet-local", "cis-operator-system", "security-scan", "longhorn-system", "tigera-operator"}, "ranchermanager.docs 2.14", "2026-08"},
	{"iks", []string{"ibm-system"}, "by judgement", "2026-08"},
}

// PlatformRows is the table of providers' namespaces.
func PlatformRows() []PlatformRow { return slices.Clone(platformRows) }

// KubernetesNamespaces are the platform's on every cluster.
func KubernetesNamespaces() []string {
	return []string{"kube-system", "kube-public", "kube-node-lease"}
}

// PlatformNamespace reports whether a namespace belongs to Kubernetes itself or to
// the provider of this cluster, and not to its users. Some pods there have to be
// privileged. Reports show them separately, but never hide them.
func PlatformNamespace(provider, namespace string) bool {
	switch namespace {
	case "kube-system", "kube-public", "kube-node-lease":
		return true
	case "":
		return false
	}
	for i := range platformRows {
		row := &platformRows[i]
		if row.Platform == provider && slices.ContainsFunc(row.Namespaces, func(name string) bool {
			return name == namespace || strings.HasSuffix(name, "-") && strings.HasPrefix(namespace, name)
		}) {
			return true
		}
	}
	return false
}
