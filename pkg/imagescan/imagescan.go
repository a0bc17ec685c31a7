// Package imagescan lists the resources that say something about scans and signatures of
// images: reports of scanners, and policies that look at images at admission. It is pure.
package imagescan

// Resource is a resource of an API group and its kind.
type Resource struct{ Group, Resource, Kind string }

// Reports are the resources with reports about images.
// Sources: aquasecurity/trivy-operator and kubescape/storage, 2026-08.
func Reports() []Resource {
	return []Resource{
		{"aquasecurity.github.io", "vulnerabilityreports", "VulnerabilityReport"},
		{"spdx.softwarecomposition.kubescape.io", "vulnerabilitymanifestsummaries", "VulnerabilityManifestSummary"},
		{"spdx.softwarecomposition.kubescape.io", "vulnerabilitymanifests", "VulnerabilityManifest"},
	}
}

// Policies are the resources of policies about images.
// Sources: sigstore/policy-controller, kyverno/kyverno, ratify-project/ratify and IBM/portieris,
// 2026-08.
func Policies() []Resource {
	return []Resource{
		{"policy.sigstore.dev", "clusterimagepolicies", "ClusterImagePolicy"},
		{"kyverno.io", "clusterpolicies", "ClusterPolicy"},
		{"kyverno.io", "policies", "Policy"},
		{"policies.kyverno.io", "imagevalidatingpolicies", "ImageValidatingPolicy"},
		{"policies.kyverno.io", "namespacedimagevalidatingpolicies", "NamespacedImageValidatingPolicy"},
		{"config.ratify.deislabs.io", "verifiers", "Verifier"},
		{"config.ratify.deislabs.io", "namespacedverifiers", "NamespacedVerifier"},
		{"config.ratify.sh", "executors", "Executor"},
		{"portieris.cloud.ibm.com", "clusterimagepolicies", "ClusterImagePolicy"},
		{"portieris.cloud.ibm.com", "imagepolicies", "ImagePolicy"},
	}
}
