package workloadkind

import "strings"

// builtinKinds are the kinds of Kubernetes' own API groups, all versions together: those in
// k8s.io/api 0.37.2 (TestBuiltinKinds compares), and what earlier versions had.
var builtinKinds = map[string][]string{
	"": {
		"Binding", "ComponentStatus", "ConfigMap", "Endpoints", "Event", "LimitRange", "Namespace", "Node", "PersistentVolume", "PersistentVolumeClaim", "Pod", "PodTemplate", "RangeAllocation", "ReplicationController", "ResourceQuota", "Secret", "SerializedReference", "Service", "ServiceAccount",
	},
	"admissionregistration.k8s.io": {
		"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "MutatingWebhookConfiguration", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration",
	},
	"apps": {
		"ControllerRevision", "DaemonSet", "Deployment", "DeploymentRollback", "ReplicaSet", "Scale", "StatefulSet",
	},
	"authentication.k8s.io": {
		"SelfSubjectReview", "TokenRequest", "TokenReview",
	},
	"authorization.k8s.io": {
		"LocalSubjectAccessReview", "SelfSubjectAccessReview", "SelfSubjectRulesReview", "SubjectAccessReview",
	},
	"autoscaling": {
		"HorizontalPodAutoscaler", "Scale",
	},
	"batch": {
		"CronJob", "Job",
	},
	"certificates.k8s.io": {
		"CertificateSigningRequest", "ClusterTrustBundle", "PodCertificateRequest",
	},
	"coordination.k8s.io": {
		"Lease", "LeaseCandidate",
	},
	"discovery.k8s.io": {
		"EndpointSlice",
	},
	"events.k8s.io": {
		"Event",
	},
	"extensions": {
		"DaemonSet", "Deployment", "DeploymentRollback", "Ingress", "NetworkPolicy", "ReplicaSet", "Scale",
	},
	"flowcontrol.apiserver.k8s.io": {
		"FlowSchema", "PriorityLevelConfiguration",
	},
	"internal.apiserver.k8s.io": {
		"StorageVersion",
	},
	"lifecycle.k8s.io": {
		"Eviction", "EvictionRequest",
	},
	"networking.k8s.io": {
		"IPAddress", "Ingress", "IngressClass", "NetworkPolicy", "ServiceCIDR",
	},
	"node.k8s.io": {
		"RuntimeClass",
	},
	"policy": {
		"Eviction", "PodDisruptionBudget",
	},
	"rbac.authorization.k8s.io": {
		"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding",
	},
	"resource.k8s.io": {
		"DeviceClass", "DeviceTaintRule", "ResourceClaim", "ResourceClaimTemplate", "ResourcePoolStatusRequest", "ResourceSlice",
	},
	"scheduling.k8s.io": {
		"CompositePodGroup", "PodGroup", "PriorityClass", "Workload",
	},
	"storage.k8s.io": {
		"CSIDriver", "CSINode", "CSIStorageCapacity", "StorageClass", "VolumeAttachment", "VolumeAttributesClass",
	},
	"storagemigration.k8s.io": {
		"StorageVersionMigration",
	},
}

// removedKinds are kinds that earlier versions had in these groups, and what files hold that has
// the form of an object: a kubeconfig is "v1 Config".
var removedKinds = map[string][]string{
	"":                             {"Config", "List", "Status"},
	"admissionregistration.k8s.io": {"ExternalAdmissionHookConfiguration", "InitializerConfiguration"},
	"batch":                        {"JobTemplate", "ScheduledJob"},
	"extensions":                   {"HorizontalPodAutoscaler", "Job", "JobTemplate", "PodSecurityPolicy", "ThirdPartyResource"},
	"networking.k8s.io":            {"ClusterCIDR"},
	"policy":                       {"PodSecurityPolicy"},
	"resource.k8s.io":              {"PodSchedulingContext", "ResourceClaimParameters", "ResourceClass", "ResourceClassParameters"},
}

var builtinIndex = func() map[string]map[string]bool {
	index := make(map[string]map[string]bool, len(builtinKinds))
	for _, kinds := range []map[string][]string{builtinKinds, removedKinds} {
		for group, names := range kinds {
			if index[group] == nil {
				index[group] = make(map[string]bool, len(names))
			}
			for _, kind := range names {
				index[group][kind] = true
			}
		}
	}
	return index
}()

// builtinGroup reports whether Kubernetes itself serves a group.
func builtinGroup(group string) bool { return builtinIndex[group] != nil }

func knownBuiltin(group, kind string) bool { return builtinIndex[group][kind] }

// NoMatch reports whether a kind is in no version of one of Kubernetes' own groups, so that no API
// server takes such an object. Meant is the kind that was probably meant, as "apps/v1 Deployment";
// "" if none is like it. An apiVersion that is empty, or of another group, has no such kinds.
func NoMatch(apiVersion, kind string) (meant string, none bool) {
	if apiVersion == "" || kind == "" {
		return "", false
	}
	group := groupOf(apiVersion)
	kinds := builtinIndex[group]
	if kinds == nil || kinds[kind] || group == "" && apiVersion != "v1" { // kustomize has "builtin"
		return "", false
	}
	if one, found := strings.CutSuffix(kind, "List"); found && (one == "" || kinds[one]) {
		return "", false
	}
	if version, found := preferred[kind]; found {
		return version + " " + kind, true
	}
	for other := range kinds {
		if strings.EqualFold(other, kind) {
			return apiVersionOf(group, other) + " " + other, true
		}
	}
	for other, version := range preferred {
		if strings.EqualFold(other, kind) {
			return version + " " + other, true
		}
	}
	return "", true
}

// Meant is the apiVersion of a kind that runs pods, by its name alone; "" for other kinds.
func Meant(kind string) string { return preferred[kind] }

// preferred are the apiVersions of the kinds that run pods.
var preferred = map[string]string{
	"Pod": "v1", "ReplicationController": "v1", "PodTemplate": "v1", "Deployment": "apps/v1", "DaemonSet": "apps/v1", "StatefulSet": "apps/v1",
	"ReplicaSet": "apps/v1", "Job": "batch/v1", "CronJob": "batch/v1",
}

func apiVersionOf(group, kind string) string {
	if version := preferred[kind]; version != "" && groupOf(version) == group {
		return version
	}
	if group == "" {
		return "v1"
	}
	return group
}
