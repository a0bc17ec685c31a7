package checks

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// A name is only a claim: a namespace is the platform's if the cluster has its provider's mark.
func TestPlatform(t *testing.T) {
	nodes := func(labels ...string) (out []fact.Node) {
		for _, l := range labels {
			out = append(out, fact.Node{Labels: map[string]string{l: "x"}})
		}
		return out
	}
	const rancher, os = "rke.cattle.io/machine", "node.openshift.io/os_id"
	for name, tc := range map[string]struct {
		set       fact.Set
		namespace string
		want      bool
	}{
		"GKE's namespace on GKE":                            {fact.Set{Cluster: fact.Cluster{Version: "v1.36.1-gke.100"}}, "gke-managed-system", true},
		"GKE's namespace on kubeadm":                        {fact.Set{Cluster: fact.Cluster{Version: "v1.36.1"}}, "gke-managed-system", false},
		"GKE's namespace if the facts only claim GKE":       {fact.Set{Cluster: fact.Cluster{Version: "v1.36.1", Provider: "gke"}}, "gke-managed-system", false},
		"OpenShift's namespace on OpenShift":                {fact.Set{Nodes: nodes(os, os, "a")}, "openshift-etcd", true},
		"kube- on OpenShift":                                {fact.Set{Nodes: nodes(os)}, "kube-descheduler-operator", true},
		"kube- elsewhere":                                   {fact.Set{Nodes: nodes("a")}, "kube-descheduler-operator", false},
		"OpenShift's namespace if half of the nodes say it": {fact.Set{Nodes: nodes(os, "a")}, "openshift-etcd", false},
		"Rancher's namespace on machines of Rancher":        {fact.Set{Cluster: fact.Cluster{Version: "v1.36.1+rke2r1"}, Nodes: nodes(rancher, rancher)}, "cattle-system", true},
		"Rancher's namespace on RKE2 without Rancher":       {fact.Set{Cluster: fact.Cluster{Version: "v1.36.1+rke2r1"}, Nodes: nodes("a")}, "cattle-system", false},
		"Rancher's namespace that anybody created": {fact.Set{
			Namespaces: []fact.Namespace{{Name: "cattle-system"}}, NamespacesRead: true,
			Workloads: []fact.Workload{{Owner: fact.Subject{Kind: "Deployment", Namespace: "cattle-system", Name: "rancher"}}},
		}, "cattle-system", false},
		"EKS' namespace next to Rancher's":     {fact.Set{Cluster: fact.Cluster{Version: "v1.36.1-eks-1"}, Nodes: nodes(rancher)}, "amazon-guardduty", true},
		"IBM's namespace on IBM's service":     {fact.Set{Cluster: fact.Cluster{Version: "v1.36.1+IKS"}}, "ibm-system", true},
		"IBM's namespace elsewhere":            {fact.Set{Cluster: fact.Cluster{Version: "v1.36.1"}}, "ibm-system", false},
		"Kubernetes' own, of nothing known":    {fact.Set{}, "kube-system", true},
		"no namespace":                         {fact.Set{PlatformNamespaces: []string{"*a"}}, "", false},
		"a namespace that the user names":      {fact.Set{PlatformNamespaces: []string{"a", "infra"}}, "infra", true},
		"a namespace that a glob names":        {fact.Set{PlatformNamespaces: []string{"infra-*"}}, "infra-dns", true},
		"a namespace that a glob almost names": {fact.Set{PlatformNamespaces: []string{"infra-*"}}, "infra", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := NewView(&tc.set).Platform(tc.namespace); got != tc.want {
				t.Errorf("%s: %t, want %t", tc.namespace, got, tc.want)
			}
		})
	}
}
