package cluster

import (
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// nodeRules tell a provider by what it writes on its nodes; the first that holds
// for any node decides.
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

// provider tells who runs the control plane, by labels of nodes and the
// server's version. A cloud's providerID alone proves nothing: kubeadm on EC2
// has one too.
func provider(version string, nodes []fact.Node, workloads []fact.Workload) string {
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
		for i := range nodes {
			if rule.of(&nodes[i]) {
				return rule.provider
			}
		}
	}
	for i := range workloads {
		// kubeadm's static pods: mirror pods with its labels, named after their node.
		w := &workloads[i]
		if w.Owner.Namespace == "kube-system" && w.Spec.Labels["component"] == "kube-apiserver" && w.Spec.Labels["tier"] == "control-plane" {
			return "kubeadm"
		}
	}
	return "unknown"
}
