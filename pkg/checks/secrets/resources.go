package secrets

import "strings"

// resourceOf is the group and resource of the objects in a directory of the store:
// what follows the API server's prefix in their keys. Known is false for a directory
// of no resource that this version knows.
//
// Directories of the API server itself have no group. Those of custom resources, and
// of the API servers for them and for API services, are GROUP/RESOURCE.
func resourceOf(dir string) (r groupResource, known bool) {
	if group, ok := builtIn[dir]; ok {
		return groupResource{group, dir}, true
	}
	if r, ok := renamed[dir]; ok {
		return r, true
	}
	// A group of custom resources has a dot in its name.
	group, resource, ok := strings.Cut(dir, "/")
	if ok && strings.Contains(group, ".") && resource != "" && !strings.Contains(resource, "/") {
		return groupResource{group, resource}, true
	}
	return groupResource{}, false
}

// String is the name as in an encryption configuration and for kubectl.
func (r groupResource) String() string {
	if r.group == "" {
		return r.resource
	}
	return r.resource + "." + r.group
}

// renamed are the directories whose name is not that of the resource. Source:
// Kubernetes, pkg/kubeapiserver/default_storage_factory_builder.go,
// SpecialDefaultResourcePrefixes, and pkg/registry (podsecuritypolicy, up to 1.24).
var renamed = map[string]groupResource{
	"controllers":        {"", "replicationcontrollers"},
	"services/endpoints": {"", "endpoints"},
	"services/specs":     {"", "services"},
	"minions":            {"", "nodes"},
	"ingress":            {"networking.k8s.io", "ingresses"},
	"podsecuritypolicy":  {"policy", "podsecuritypolicies"},
}

// builtIn has the group of each resource whose directory is its name. Source:
// Kubernetes, test/integration/etcd/data.go, which lists the key of every built-in
// resource. Events of both groups are stored as core events.
var builtIn = groupsOf(map[string]string{
	"":                             "configmaps events limitranges namespaces persistentvolumeclaims persistentvolumes pods podtemplates resourcequotas secrets serviceaccounts",
	"admissionregistration.k8s.io": "mutatingadmissionpolicies mutatingadmissionpolicybindings mutatingwebhookconfigurations validatingadmissionpolicies validatingadmissionpolicybindings validatingwebhookconfigurations",
	"apps":                         "controllerrevisions daemonsets deployments replicasets statefulsets",
	"autoscaling":                  "horizontalpodautoscalers",
	"batch":                        "cronjobs jobs",
	"certificates.k8s.io":          "certificatesigningrequests clustertrustbundles podcertificaterequests",
	"coordination.k8s.io":          "leasecandidates leases",
	"discovery.k8s.io":             "endpointslices",
	"flowcontrol.apiserver.k8s.io": "flowschemas prioritylevelconfigurations",
	"internal.apiserver.k8s.io":    "storageversions",
	"networking.k8s.io":            "ingressclasses ipaddresses networkpolicies servicecidrs",
	"node.k8s.io":                  "runtimeclasses",
	"policy":                       "poddisruptionbudgets",
	"rbac.authorization.k8s.io":    "clusterrolebindings clusterroles rolebindings roles",
	"resource.k8s.io":              "deviceclasses devicetaintrules resourceclaims resourceclaimtemplates resourcepoolstatusrequests resourceslices",
	"scheduling.k8s.io":            "podgroups priorityclasses workloads",
	"storage.k8s.io":               "csidrivers csinodes csistoragecapacities storageclasses volumeattachments volumeattributesclasses",
	"storagemigration.k8s.io":      "storageversionmigrations",
})

func groupsOf(resources map[string]string) map[string]string {
	out := map[string]string{}
	for group, list := range resources {
		for _, resource := range strings.Fields(list) {
			out[resource] = group
		}
	}
	return out
}

// bookkeeping are directories in which the API server keeps its own records, which no
// configuration names.
func bookkeeping(dir string) bool {
	return dir == "masterleases" || dir == "peerserverleases" || dir == "ranges" || strings.HasPrefix(dir, "ranges/")
}
