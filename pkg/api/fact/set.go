package fact

// Set is everything that one run read.
type Set struct {
	// CollectedAt is when the run started, UTC. Checks use it instead of the current
	// time, so that a replay gives the same verdicts.
	CollectedAt Time    `json:"collectedAt,omitzero"`
	Cluster     Cluster `json:"cluster"`

	// Workloads are the declared pods, grouped by top owner and equal spec,
	// sorted by namespace, kind, name and first pod.
	Workloads []Workload `json:"workloads,omitempty"`
	// PodScope says how much of the cluster Workloads covers.
	PodScope PodScope `json:"podScope,omitempty"`
	// Relisted is the second list of the pods, after the nodes were measured. It is
	// nil if no node has a container that the first list did not have.
	Relisted *Relist `json:"relisted,omitempty"`
	// Nodes are the nodes in scope, sorted by name.
	Nodes []Node `json:"nodes,omitempty"`
	// ControlPlaneNodes are the nodes that, according to the user, hold the cluster's
	// etcd and API servers (--control-plane-node, or --local for this machine).
	ControlPlaneNodes []string `json:"controlPlaneNodes,omitempty"`
	// PlatformNamespaces are the namespaces that, according to the user, are the platform's
	// (--platform-namespaces): names or globs, sorted.
	PlatformNamespaces []string `json:"platformNamespaces,omitempty"`
	// Secrets are what the API server lists, sorted by namespace and name. It is nil
	// if the server was not asked, or if it refused (then a Gap says so).
	Secrets []SecretName `json:"secrets,omitempty"`
	// SecretsListed distinguishes an empty list from a list that was not read.
	SecretsListed bool `json:"secretsListed,omitempty"`
	// LegacyTokens are the Secrets of type service-account-token, sorted by namespace and
	// name (kind LegacyTokens). TokensListed distinguishes an empty list from a list that
	// was not read.
	LegacyTokens []ServiceAccountToken `json:"legacyTokens,omitempty"`
	TokensListed bool                  `json:"tokensListed,omitempty"`
	// ConfigMaps is what was found in ConfigMaps; nil if they were not read (kind
	// ConfigMaps).
	ConfigMaps *ConfigMapScan `json:"configMaps,omitempty"`
	// SecretStores are the external stores and injectors of which the cluster shows
	// something, sorted by name (kind SecretStores). StoresRead distinguishes "none" from
	// "not looked". Meshes are service meshes seen beside.
	SecretStores []SecretStore `json:"secretStores,omitempty"`
	StoresRead   bool          `json:"storesRead,omitempty"`
	Meshes       []MeshState   `json:"meshes,omitempty"`
	// InjectionRead reports whether Workloads and Secrets have the fields that say how
	// Secrets reach programs: Variables, PullSecrets, Injectors, Driver, Applied. Facts of
	// earlier versions have none of them.
	InjectionRead bool `json:"injectionRead,omitempty"`
	// FieldsRead reports whether Workloads have the fields of version 2 of this list:
	// AppArmor, SELinux, Sysctls, ProcMount, ProbeHosts, Installs, Code, Propagation and
	// those beside them. Facts of earlier versions have none of them.
	FieldsRead bool `json:"fieldsRead,omitempty"`
	// Namespaces are the namespaces in scope, sorted by name (kind Namespaces).
	// NamespacesRead distinguishes "none" from "not read". A namespace of which only pods are
	// known is not in it.
	Namespaces     []Namespace `json:"namespaces,omitempty"`
	NamespacesRead bool        `json:"namespacesRead,omitempty"`
	// TemplatesRead reports whether the templates of controllers and custom resources were
	// listed (kind Templates), so that Workloads has those without pods too.
	TemplatesRead bool `json:"templatesRead,omitempty"`
	// ImageScan is what scanners and image policies say; nil if nobody looked (kind
	// ImageReports).
	ImageScan *ImageScan `json:"imageScan,omitempty"`
	// Enforcement is what refuses pods, and what stops new programs; nil if nobody looked
	// (kind Enforcing).
	Enforcement *Enforcement `json:"enforcement,omitempty"`
	// Count counts what was read; nil in facts of earlier versions.
	Count *ReadCount `json:"count,omitempty"`
	// Snapshot is an etcd database that was given as a file.
	Snapshot *EtcdDB `json:"snapshot,omitempty"`
	// Vulnerabilities says which database the nodes' packages were compared with
	// (--vulnerabilities). It is nil if there was none.
	Vulnerabilities *VulnerabilityData `json:"vulnerabilities,omitempty"`
	// VulnerableImages is what the database says of the different inventories of images,
	// whatever node they are on.
	VulnerableImages []ImageVulnerabilities `json:"vulnerableImages,omitempty"`
	// Gaps are what was not read anywhere, sorted.
	Gaps []Gap `json:"gaps,omitempty"`
}

// Relist is a second list of the pods. A container that started after the first one is
// in it, so that one that is in neither is unknown to the API, unless it started
// moments before. What the second list names is in Workloads.
type Relist struct {
	At Time `json:"at,omitzero"`
	// Unknown counts the measured containers that the first list did not have, Named
	// those of them that the second has.
	Unknown int `json:"unknown"`
	Named   int `json:"named"`
	// Reason is why the list failed, "" if it did not. Then nothing is known about
	// containers that the first list did not have.
	Reason Reason `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// PodScope says which pods were listed. A container that is measured on a node and not
// listed is unknown to the API only if all pods were listed.
type PodScope string

// The scopes.
const (
	PodsNotListed PodScope = ""     // no API, or refused
	PodsSome      PodScope = "some" // of some namespaces, names or labels
	PodsAll       PodScope = "all"  // all that run on the nodes in Nodes
)

// Cluster says which cluster was read, as far as the cluster answered.
type Cluster struct {
	// Name is the kubeconfig's name for it, or "" if it has none (in a pod, --local,
	// -f). It is not secret: a URL in it has no password.
	Name    string `json:"name,omitempty"`
	Server  string `json:"server,omitempty"`
	Version string `json:"version,omitempty"`
	// User is the API server's name for who asked it (SelfSubjectReview); "" if it was not asked.
	User string `json:"user,omitempty"`
	// UID is that of the namespace kube-system, which people use as the cluster's; "" if it was
	// not read.
	UID string `json:"uid,omitempty"`
	// Provider is kubeadm, k3s, rke2, eks, gke, aks, openshift, talos or unknown.
	// It is computed when facts are judged, and ignored in facts.
	Provider string `json:"provider,omitempty"`
	// Nodes counts all nodes that the API lists; nil if only some were asked for, or
	// the list was not read.
	Nodes *int `json:"nodes,omitempty"`
	// APIServers counts the API servers whose lease in kube-system has not
	// expired (KEP-1965); nil if the leases were not read.
	APIServers *int `json:"apiServers,omitempty"`
	// LoadedEncryption is what API servers say about the encryption configuration that
	// they have loaded, one entry for each that answered. Empty if none did, or if all
	// are older than 1.34.
	LoadedEncryption []LoadedEncryption `json:"loadedEncryption,omitempty"`
}

// LoadedEncryption is from an API server's metric
// apiserver_encryption_config_controller_last_config_info.
type LoadedEncryption struct {
	// Node is the host name in the API server's lease, "" if that is not known.
	Node string `json:"node,omitempty"`
	// Server is the metric's label apiserver_id_hash.
	Server string `json:"server"`
	Hash   string `json:"hash"` // "sha256:" and the SHA-256 of the file as loaded
}

// SecretName names a Secret as the API server lists it. Its content is never fetched.
type SecretName struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// ResourceVersion is from the list: etcd's mod revision of the key, in decimal. It
	// is "" in facts of the first version.
	ResourceVersion string `json:"resourceVersion,omitempty"`
	// Applied are the keys of data and stringData that the annotation
	// kubectl.kubernetes.io/last-applied-configuration holds, sorted, at most
	// MaxAppliedKeys, "…" for more. The annotation itself is dropped as it is read. Nil if
	// there is none with values.
	Applied []string `json:"applied,omitempty"`
	// AppliedUnread is true if there is such an annotation and it is not understood.
	AppliedUnread bool `json:"appliedUnread,omitempty"`
}

// MaxAppliedKeys bounds SecretName.Applied.
const MaxAppliedKeys = 20

// Node is one node: what the API says about it, and what was measured there.
type Node struct {
	Name string `json:"name"`
	// Listed reports whether the API knows it; false with --local.
	Listed           bool              `json:"listed,omitempty"`
	UID              string            `json:"uid,omitempty"`
	Ready            bool              `json:"ready,omitempty"`
	Unschedulable    bool              `json:"unschedulable,omitempty"`
	OS               string            `json:"os,omitempty"`   // status.nodeInfo.operatingSystem
	Arch             string            `json:"arch,omitempty"` // as in GOARCH
	OSImage          string            `json:"osImage,omitempty"`
	KernelVersion    string            `json:"kernelVersion,omitempty"`
	KubeletVersion   string            `json:"kubeletVersion,omitempty"`
	ContainerRuntime string            `json:"containerRuntime,omitempty"` // containerd://2.3.7
	Labels           map[string]string `json:"labels,omitempty"`
	// Addresses are those of status.addresses with the types InternalIP, ExternalIP,
	// Hostname, InternalDNS and ExternalDNS, sorted.
	Addresses []string `json:"addresses,omitempty"`
	// Taints are written "key=value:effect", or "key:effect" without a value, sorted.
	Taints []string `json:"taints,omitempty"`
	// ControlPlane reports whether it has a control-plane role. It is computed from
	// the labels when facts are judged, and ignored in facts.
	ControlPlane bool `json:"controlPlane,omitempty"`
	// Measured is nil if no probe answered. Then a Gap says why.
	Measured *Measurement `json:"measured,omitempty"`
	// Vulnerable is what Set.Vulnerabilities says of the measured Inventory. It is
	// not part of Measured, because no node says it: the plugin compares. It is nil
	// without a database or an inventory.
	Vulnerable *HostVulnerabilities `json:"vulnerable,omitempty"`
	// VulnerableImages is the place in Set.VulnerableImages of each of Measured.Images,
	// by its key. An inventory that was not compared is not in it.
	VulnerableImages map[string]int `json:"vulnerableImages,omitempty"`
}
