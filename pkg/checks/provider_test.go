package checks

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

func TestProvider(t *testing.T) {
	node := func(image string, labels ...string) []fact.Node {
		n := fact.Node{OSImage: image, Labels: map[string]string{}}
		for _, l := range labels {
			n.Labels[l] = "x"
		}
		return []fact.Node{{}, n, n}
	}
	apiServer := fact.Workload{
		Owner: fact.Subject{Kind: "Pod", Namespace: "kube-system", Name: "kube-apiserver-cp1"},
		Spec:  fact.PodSpec{Labels: map[string]string{"component": "kube-apiserver", "tier": "control-plane"}},
		Pods:  []fact.Pod{{Name: "kube-apiserver-cp1", Node: "cp1"}},
	}
	cp1 := fact.Node{Name: "cp1", Labels: map[string]string{"node-role.kubernetes.io/control-plane": ""}}
	elsewhere := apiServer
	elsewhere.Owner.Namespace = "shop"
	for name, tc := range map[string]struct {
		version   string
		nodes     []fact.Node
		workloads []fact.Workload
		want      string
	}{
		"EKS by its version":                  {version: "v1.36.1-eks-1234567", want: "eks"},
		"EKS by its nodes":                    {version: "v1.36.1", nodes: node("", "eks.amazonaws.com/nodegroup"), want: "eks"},
		"GKE by its version":                  {version: "v1.36.1-gke.100", want: "gke"},
		"GKE by its nodes":                    {version: "v1.36.1", nodes: node("", "cloud.google.com/gke-nodepool"), want: "gke"},
		"AKS":                                 {version: "v1.36.1", nodes: node("", "kubernetes.azure.com/cluster"), want: "aks"},
		"OpenShift":                           {version: "v1.36.1", nodes: node("", "node.openshift.io/os_id"), want: "openshift"},
		"k3s":                                 {version: "v1.36.1+k3s1", want: "k3s"},
		"RKE2":                                {version: "v1.36.1+rke2r1", want: "rke2"},
		"Talos":                               {version: "v1.36.1", nodes: node("Talos (v1.12.0)"), want: "talos"},
		"kubeadm by its static pods":          {version: "v1.37.2", nodes: append(node("Debian GNU/Linux 12"), cp1), workloads: []fact.Workload{apiServer}, want: "kubeadm"},
		"such labels elsewhere prove nothing": {version: "v1.37.2", nodes: []fact.Node{cp1}, workloads: []fact.Workload{elsewhere}, want: "unknown"},
		"kubeadm on a cloud's machines is kubeadm":    {version: "v1.37.2", nodes: append(node("", "topology.kubernetes.io/zone"), cp1), workloads: []fact.Workload{apiServer}, want: "kubeadm"},
		"the version counts more than a node's label": {version: "v1.36.1+k3s1", nodes: node("", "eks.amazonaws.com/x"), want: "k3s"},
		"two providers' labels: the first rule":       {nodes: node("Talos (v1)", "kubernetes.azure.com/cluster", "eks.amazonaws.com/x"), want: "eks"},
		"a mirror pod is its kubelet's word":          {version: "v1.37.2", nodes: []fact.Node{{Name: "cp1"}}, workloads: []fact.Workload{apiServer}, want: "unknown"},
		"one node of three names nobody":              {version: "v1.37.2", nodes: append(node("", "eks.amazonaws.com/x")[:2], fact.Node{}), want: "unknown"},
		"nothing known":                               {want: "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Provider(&fact.Set{Cluster: fact.Cluster{Version: tc.version, Provider: "gke"}, Nodes: tc.nodes, Workloads: tc.workloads}); got != tc.want {
				t.Errorf("want %q, got %q", tc.want, got)
			}
		})
	}
}

// Where the provider runs etcd, no node's word on it counts. Its own word does
// not come from one node, and a role label says that the cluster runs its own.
func TestManaged(t *testing.T) {
	eks := map[string]string{"eks.amazonaws.com/nodegroup": "x"}
	both := map[string]string{"eks.amazonaws.com/nodegroup": "x", "node-role.kubernetes.io/control-plane": ""}
	for name, tc := range map[string]struct {
		version string
		nodes   []fact.Node
		want    bool
	}{
		"by the server's version":       {"v1.36.1-eks-1234567", []fact.Node{{Name: "a"}}, true},
		"by most nodes":                 {"v1.36.1", []fact.Node{{Labels: eks}, {Labels: eks}, {}}, true},
		"not by half of them":           {"v1.36.1", []fact.Node{{Labels: eks}, {}}, false},
		"EKS Anywhere has its own":      {"v1.36.1-eks-1234567", []fact.Node{{Labels: both}, {Labels: eks}}, false},
		"OpenShift has its own":         {"v1.36.1", []fact.Node{{Labels: map[string]string{"node.openshift.io/os_id": "rhcos"}}}, false},
		"a cluster that nobody manages": {"v1.37.2", []fact.Node{{Name: "a"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			v := NewView(&fact.Set{Cluster: fact.Cluster{Version: tc.version}, Nodes: tc.nodes, ControlPlaneNodes: []string{"a"}})
			if v.Managed != tc.want {
				t.Errorf("managed: want %v, got %v", tc.want, v.Managed)
			}
			if witnesses := v.Witnesses(fact.Etcd); tc.want && len(witnesses) > 0 {
				t.Errorf("a managed provider has witnesses: %v", witnesses)
			}
		})
	}
}
