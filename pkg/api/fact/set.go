package fact

// Set is everything that one run read.
type Set struct {
	// CollectedAt is when the run started, UTC. Checks that compare with "now"
	// compare with this, so that a replay judges alike.
	CollectedAt Time    `json:"collectedAt,omitzero"`
	Cluster     Cluster `json:"cluster"`

	// Workloads are the declared pods, grouped by top owner and equal spec,
	// sorted by namespace, kind, name and first pod.
	Workloads []Workload `json:"workloads,omitempty"`
	// PodScope says how much of the cluster Workloads covers.
	PodScope PodScope `json:"podScope,omitempty"`
	// Nodes are the nodes in scope, sorted by name.
	Nodes []Node `json:"nodes,omitempty"`
	// Secrets are the names that the API server lists, sorted; nil if it was
	// not asked or refused (then a Gap says so).
	Secrets []SecretName `json:"secrets,omitempty"`
	// SecretsListed tells an empty list from one that was not read.
	SecretsListed bool `json:"secretsListed,omitempty"`
	// Snapshot is an etcd database that was given as a file.
	Snapshot *EtcdDB `json:"snapshot,omitempty"`
	// Gaps are what was not read anywhere, sorted.
	Gaps []Gap `json:"gaps,omitempty"`
}

// PodScope says which pods were listed. A container that is measured on a node
// and not listed is unknown to the API only where all pods were.
type PodScope string

// The scopes.
const (
	PodsNotListed PodScope = ""     // no API, or refused
	PodsSome      PodScope = "some" // of some namespaces, names or labels
	PodsAll       PodScope = "all"  // all that run on the nodes in Nodes
)

// Cluster says which cluster was read, as far as it answered.
type Cluster struct {
	Server   string `json:"server,omitempty"`
	Version  string `json:"version,omitempty"`
	Provider string `json:"provider,omitempty"` // kubeadm, k3s, eks, gke, aks, openshift, talos, unknown
}

// SecretName names a Secret. Nothing else of it is ever fetched.
type SecretName struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// Node is one node: what the API says of it, and what was measured there.
type Node struct {
	Name string `json:"name"`
	// Listed tells that the API knows it: false with --local.
	Listed           bool              `json:"listed,omitempty"`
	UID              string            `json:"uid,omitempty"`
	Ready            bool              `json:"ready,omitempty"`
	Unschedulable    bool              `json:"unschedulable,omitempty"`
	OS               string            `json:"os,omitempty"`   // status.nodeInfo.operatingSystem
	Arch             string            `json:"arch,omitempty"` // GOARCH words
	OSImage          string            `json:"osImage,omitempty"`
	KernelVersion    string            `json:"kernelVersion,omitempty"`
	KubeletVersion   string            `json:"kubeletVersion,omitempty"`
	ContainerRuntime string            `json:"containerRuntime,omitempty"` // containerd://2.3.7
	Labels           map[string]string `json:"labels,omitempty"`
	ControlPlane     bool              `json:"controlPlane,omitempty"`
	// Measured is nil where no probe answered; a Gap says why.
	Measured *Measurement `json:"measured,omitempty"`
}
