package fact

import "strings"

// PlatformNamespace tells whether a namespace belongs to Kubernetes itself or
// to the provider of the cluster rather than to its users. Some pods there are
// rightly privileged; reports show them apart, never hidden.
func PlatformNamespace(namespace string) bool {
	switch namespace {
	case "kube-system", "kube-public", "kube-node-lease", // Kubernetes
		"gke-managed-system", "gke-managed-cim", "gmp-system", "gmp-public", // GKE
		"amazon-guardduty", "amazon-cloudwatch", // EKS add-ons
		"gatekeeper-system", "calico-system", "tigera-operator", "azure-arc", // AKS
		"local-path-storage", // kind
		"cattle-system", "cattle-fleet-system":
		return true
	}
	return strings.HasPrefix(namespace, "openshift-") || namespace == "openshift" ||
		strings.HasPrefix(namespace, "gke-managed-")
}
