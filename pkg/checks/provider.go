package checks

import (
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// nodeRules recognise a provider by what it writes on its nodes. A node can
// write such a label itself, so most nodes must have it.
var nodeRules = []struct {
	provider string
	of       func(*fact.Node) bool
}{
	{"eks", labelled("eks.amazonaws.com/")},
	{"gke", labelled("cloud.google.com/gke-")},
	{"aks", labelled("kubernetes.azure.com/cluster")},
	{"openshift", labelled("node.openshift.io/os_id")},
	{"talos", func(n *fact.Node) bool { return strings.HasPrefix(n.OSImage, "Talos ") }},
}

func labelled(prefix string) func(*fact.Node) bool {
	return func(n *fact.Node) bool {
		for label := range n.Labels {
			if strings.HasPrefix(label, prefix) {
				return true
			}
		}
		return false
	}
}

// Provider says who runs the control plane, by the server's version and by the
// labels of most nodes; "unknown" if neither shows it. A cloud's providerID
// proves nothing: kubeadm on EC2 has one too. A mirror pod comes from its
// node's kubelet, so it counts only on a node with a control-plane role.
func Provider(set *fact.Set) string {
	version := set.Cluster.Version
	switch {
	case strings.Contains(version, "-eks-"):
		return "eks"
	case strings.Contains(version, "-gke."):
		return "gke"
	case strings.Contains(version, "+k3s"):
		return "k3s"
	case strings.Contains(version, "+rke2"):
		return "rke2"
	}
	for _, rule := range nodeRules {
		if most(set.Nodes, rule.of) {
			return rule.provider
		}
	}
	controlPlane := map[string]bool{}
	for i := range set.Nodes {
		controlPlane[set.Nodes[i].Name] = fact.InControlPlane(set.Nodes[i].Labels)
	}
	for i := range set.Workloads {
		// kubeadm's static pods: mirror pods with its labels, named after their node.
		w := &set.Workloads[i]
		if w.Owner.Namespace == "kube-system" && w.Spec.Labels["component"] == "kube-apiserver" && w.Spec.Labels["tier"] == "control-plane" &&
			slices.ContainsFunc(w.Pods, func(p fact.Pod) bool { return controlPlane[p.Node] }) {
			return "kubeadm"
		}
	}
	return "unknown"
}

// Managed reports whether the provider keeps etcd and the API servers to
// itself. A cluster whose nodes have roles of the control plane (EKS Anywhere)
// has its own.
func Managed(set *fact.Set) bool {
	return slices.Contains([]string{"eks", "gke", "aks"}, Provider(set)) &&
		!slices.ContainsFunc(set.Nodes, func(n fact.Node) bool { return fact.InControlPlane(n.Labels) })
}
