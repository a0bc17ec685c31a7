package cluster

import (
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

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
	for i := range nodes {
		for label := range nodes[i].Labels {
			switch {
			case strings.HasPrefix(label, "eks.amazonaws.com/"):
				return "eks"
			case strings.HasPrefix(label, "cloud.google.com/gke-"):
				return "gke"
			case label == "kubernetes.azure.com/cluster":
				return "aks"
			case label == "node.openshift.io/os_id":
				return "openshift"
			}
		}
		if strings.HasPrefix(nodes[i].OSImage, "Talos ") {
			return "talos"
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
