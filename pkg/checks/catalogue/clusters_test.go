package catalogue

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// clusterKind is one row of docs/clusters.md: a kind of cluster, all of whose
// nodes were measured and all of whose Secrets are encrypted, and what the parts
// stored and written of question 5 say of it, judged by the checks that this
// version has.
type clusterKind struct {
	name    string
	set     func() *fact.Set
	trusted string // the nodes whose word on etcd counts
	stored  string
	written string
}

// node makes a node of these roles, on which everything was read.
func storageNode(name string, roles ...string) fact.Node {
	n := fact.Node{Name: name, Listed: true, Ready: true, OS: "linux", Labels: map[string]string{}, Measured: ft.Measurement()}
	for _, role := range roles {
		n.Labels["node-role.kubernetes.io/"+role] = ""
	}
	return n
}

// holds gives a node the cluster's etcd, serves an API server that encrypts.
func holds(n fact.Node) fact.Node {
	n.Measured.Etcd = clean().Nodes[0].Measured.Etcd
	return n
}

func serves(n fact.Node) fact.Node {
	n.Measured.APIServers = clean().Nodes[0].Measured.APIServers
	return n
}

// k3s gives a node an API server inside k3s that encrypts.
func k3s(n fact.Node) fact.Node {
	n.Measured.APIServers = clean().DeepCopy().Nodes[0].Measured.APIServers
	n.Measured.APIServers[0].Program = "k3s"
	return n
}

func storageSet(version string, nodes ...fact.Node) *fact.Set {
	c := clean()
	return &fact.Set{
		CollectedAt: c.CollectedAt, Cluster: fact.Cluster{Version: version}, PodScope: fact.PodsAll,
		Nodes: nodes, Secrets: c.Secrets, SecretsListed: true,
	}
}

func provided(key string, n fact.Node) fact.Node {
	n.Labels[key] = "x"
	return n
}

func clusterKinds() []clusterKind {
	const cp, etcd = fact.RoleControlPlane, fact.RoleEtcd
	stacked := func(name string, roles ...string) fact.Node { return holds(serves(storageNode(name, roles...))) }
	worker := func(name string) fact.Node { return storageNode(name) }
	noWitness := "unknown: NotPresent: %s not read; hint --control-plane-node NAME"
	managed := "unknown: ProviderManaged: %s not read"
	return []clusterKind{
		{"kubeadm, one control-plane node", func() *fact.Set { return storageSet("v1.37.2", stacked("cp1", cp), worker("w1")) }, "cp1", "yes", "yes"},
		{"kubeadm, three stacked control-plane nodes", func() *fact.Set {
			return storageSet("v1.37.2", stacked("cp1", cp), stacked("cp2", cp), stacked("cp3", cp), worker("w1"))
		}, "cp1, cp2, cp3", "yes", "yes"},
		{"the same, one of them not measured", func() *fact.Set {
			s := storageSet("v1.37.2", stacked("cp1", cp), stacked("cp2", cp), stacked("cp3", cp), worker("w1"))
			s.Nodes[2].Measured = nil
			return s
		}, "cp1, cp2, cp3", "unknown: NotRequested: node cp3", "unknown: NotRequested: node cp3"},
		{"the same, one more API server than nodes", func() *fact.Set {
			s := storageSet("v1.37.2", stacked("cp1", cp), worker("w1"))
			s.Cluster.APIServers = ft.Ptr(2)
			return s
		}, "cp1", "unknown: NotPresent: it is unknown which key is the write key", "unknown: NotPresent: not every API server was read"},
		{"kind, one node", func() *fact.Set { return storageSet("v1.37.2", stacked("kind-control-plane", cp)) }, "kind-control-plane", "yes", "yes"},
		{"Talos", func() *fact.Set {
			s := storageSet("v1.37.2", stacked("cp1", cp), worker("w1"))
			for i := range s.Nodes {
				s.Nodes[i].OSImage = "Talos (v1.12.0)"
			}
			return s
		}, "cp1", "yes", "yes"},
		{"OpenShift", func() *fact.Set {
			s := storageSet("v1.36.1", provided("node.openshift.io/os_id", stacked("m1", fact.RoleMaster, cp)), provided("node.openshift.io/os_id", worker("w1")))
			s.Nodes[0].Measured.APIServers = []fact.APIServer{{PID: 9, Unfollowed: "--openshift-config=FILE was not read"}}
			return s
		}, "m1", "unknown: Unsupported: it is unknown which key is the write key", "unknown: Unsupported: node m1"},
		{"OpenShift, its configuration read", func() *fact.Set {
			s := storageSet("v1.36.1", provided("node.openshift.io/os_id", stacked("m1", fact.RoleMaster, cp)), provided("node.openshift.io/os_id", worker("w1")))
			s.Nodes[0].Measured.APIServers = clean().DeepCopy().Nodes[0].Measured.APIServers
			s.Nodes[0].Measured.APIServers[0].ConfigFile = "/etc/kubernetes/static-pod-resources/configmaps/config/config.yaml"
			return s
		}, "m1", "yes", "yes"},
		{"etcd on its own nodes (role etcd)", func() *fact.Set {
			return storageSet("v1.37.2", serves(storageNode("cp1", cp)), holds(storageNode("e1", etcd)), worker("w1"))
		}, "cp1, e1", "yes", "yes"},
		{"etcd outside of the cluster", func() *fact.Set {
			return storageSet("v1.37.2", serves(storageNode("cp1", cp)), worker("w1"))
		}, "cp1", "unknown: NotPresent: etcd not read; hint secrets --snapshot FILE", "yes"},
		{"k3s or RKE2 with etcd", func() *fact.Set {
			return storageSet("v1.37.2+k3s1", k3s(holds(storageNode("s1", cp, etcd))), worker("w1"))
		}, "s1", "yes", "yes"},
		{"k3s with SQLite", func() *fact.Set {
			s := storageSet("v1.37.2+k3s1", k3s(holds(storageNode("s1", cp))), worker("w1"))
			s.Nodes[0].Measured.Etcd = clean().DeepCopy().Nodes[0].Measured.Etcd
			s.Nodes[0].Measured.Etcd[0].Format, s.Nodes[0].Measured.Etcd[0].Path = fact.FormatKine, "/var/lib/rancher/k3s/server/db/state.db"
			return s
		}, "s1", "yes", "yes"},
		{"k3s without --secrets-encryption", func() *fact.Set {
			s := storageSet("v1.37.2+k3s1", holds(storageNode("s1", cp, etcd)), worker("w1"))
			s.Nodes[0].Measured.APIServers = []fact.APIServer{{PID: 9, Program: "k3s"}}
			return s
		}, "s1", "yes", "no"},
		{"k3s with MySQL, PostgreSQL or NATS", func() *fact.Set {
			s := storageSet("v1.37.2+k3s1", k3s(storageNode("s1", cp)), worker("w1"))
			s.Nodes[0].Measured.Gaps = []fact.NodeGap{{What: fact.Etcd, Reason: fact.Unsupported, Detail: "a database of another kind"}}
			return s
		}, "s1", "unknown: Unsupported: node s1; hint secrets --snapshot FILE", "yes"},
		{"MicroK8s (no role label)", func() *fact.Set {
			return storageSet("v1.37.2", provided("node.kubernetes.io/microk8s-controlplane", serves(storageNode("m1"))))
		}, "none", fmt.Sprintf(noWitness, "etcd"), fmt.Sprintf(noWitness, "encryption-config")},
		{
			"role labels removed", func() *fact.Set { return storageSet("v1.37.2", stacked("cp1"), worker("w1")) }, "none",
			fmt.Sprintf(noWitness, "etcd"), fmt.Sprintf(noWitness, "encryption-config"),
		},
		{
			"one node without a role label", func() *fact.Set { return storageSet("v1.37.2", stacked("only")) }, "none",
			fmt.Sprintf(noWitness, "etcd"), fmt.Sprintf(noWitness, "encryption-config"),
		},
		{"role labels removed, with --control-plane-node cp1", func() *fact.Set {
			s := storageSet("v1.37.2", stacked("cp1"), worker("w1"))
			s.ControlPlaneNodes = []string{"cp1"}
			return s
		}, "cp1", "yes", "yes"},
		{"cp1 holds one Secret in plaintext, and a worker claims an etcd with all of them encrypted", func() *fact.Set {
			s := storageSet("v1.37.2", stacked("cp1", cp), holds(serves(storageNode("evil"))))
			s.Nodes[0].Measured.Etcd = clean().DeepCopy().Nodes[0].Measured.Etcd
			s.Nodes[0].Measured.Etcd[0].Secrets[0].Class = fact.ClassIdentityProtobuf
			return s
		}, "cp1", "no", "yes"},
		{"EKS", func() *fact.Set { return storageSet("v1.36.4-eks-1a2b3c4", worker("w1")) }, "none", fmt.Sprintf(managed, "etcd"), fmt.Sprintf(managed, "encryption-config")},
		{"GKE", func() *fact.Set { return storageSet("v1.36.4-gke.1001", worker("w1")) }, "none", fmt.Sprintf(managed, "etcd"), fmt.Sprintf(managed, "encryption-config")},
		{"AKS", func() *fact.Set {
			return storageSet("v1.36.4", provided("kubernetes.azure.com/cluster", worker("w1")), provided("kubernetes.azure.com/cluster", worker("w2")))
		}, "none", fmt.Sprintf(managed, "etcd"), fmt.Sprintf(managed, "encryption-config")},
		{
			"EKS, a worker that claims to hold etcd", func() *fact.Set { return storageSet("v1.36.4-eks-1a2b3c4", worker("w1"), stacked("evil")) }, "none",
			fmt.Sprintf(managed, "etcd"), fmt.Sprintf(managed, "encryption-config"),
		},
		{"EKS Anywhere (its own control plane)", func() *fact.Set {
			return storageSet("v1.36.4-eks-1a2b3c4", stacked("cp1", cp), worker("w1"))
		}, "cp1", "yes", "yes"},
	}
}

// What each kind of cluster says, and docs/clusters.md, which is this table.
func TestKindsOfClusters(t *testing.T) {
	var doc strings.Builder
	doc.WriteString(clustersIntro)
	for _, k := range clusterKinds() {
		t.Run(k.name, func(t *testing.T) {
			set := k.set()
			var trusted []string
			for _, n := range checks.NewView(set).Witnesses(fact.Etcd) {
				trusted = append(trusted, n.Name)
			}
			result := checks.JudgeSet(built(), set)
			parts := map[string]api.PartAnswer{}
			for _, a := range result.Answers {
				for _, p := range a.Parts {
					parts[p.Part] = p
				}
			}
			said := func(part string, kind fact.Kind) string {
				p := parts[part]
				text := string(p.Answer)
				if p.Reason != "" {
					text += ": " + p.Reason
				}
				for _, g := range result.Gaps {
					if g.What != kind {
						continue
					}
					for _, hint := range []string{"--control-plane-node NAME", "secrets --snapshot FILE"} {
						if strings.Contains(g.Hint, hint) {
							text += "; hint " + hint
						}
					}
				}
				return text
			}
			got := clusterKind{name: k.name, trusted: strings.Join(trusted, ", "), stored: said("stored", fact.Etcd), written: said("written", fact.EncryptionConfig)}
			if got.trusted == "" {
				got.trusted = "none"
			}
			want := k
			want.set = nil
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(clusterKind{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
		fmt.Fprintf(&doc, "| %s | %s | %s | %s |\n", k.name, k.trusted, k.stored, k.written)
	}
	path := filepath.Join("..", "..", "..", "docs", "clusters.md")
	if *update {
		if err := os.WriteFile(path, []byte(doc.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(doc.String(), string(got)); diff != "" {
		t.Errorf("docs/clusters.md is stale; run: go test ./pkg/checks/catalogue -run TestKindsOfClusters -update\n%s", diff)
	}
}

const clustersIntro = `# Which nodes are trusted for storage

<!-- Generated: go test ./pkg/checks/catalogue -run TestKindsOfClusters -update -->

A node answers for itself and for its own containers. What it says about the
cluster's storage (etcd, API servers) counts only if one of these is true:

- you named it: ` + "`--control-plane-node NAME`" + `, or ` + "`--local`" + ` on the node itself;
- the API lists it with the label ` + "`node-role.kubernetes.io/control-plane`, `master` or `etcd`" + `
  (for API servers, with one of the first two).

The second rule relies on the admission plugin NodeRestriction, which refuses
these labels to kubelets. kubeadm and managed providers turn it on
(` + "`--enable-admission-plugins=NodeRestriction`" + `). If it is off, a node can give
itself the label.

On a managed provider no node is trusted: the provider runs etcd. A cluster is
managed if the server's version or most of its nodes say EKS, GKE or AKS, and no
node has a role label.

An etcd file counts only if it is the API server's. This means: of the listed
Secrets that are not newer than the file, at least 9 of 10 are in it, at the
revision that the API server lists. The report names another etcd on such a node
(of Calico, an application or a virtual cluster) in ` + "`cluster.otherStores`" + `, and
judges nothing by it. If Secrets cannot be listed, it is unknown which file is
right: plaintext still fails, and the answer is never yes.

A yes needs a measurement of every trusted node. For ` + "`written`" + `, a yes needs a
measurement of as many API servers as hold an unexpired lease in kube-system, if
you have the right to list the leases.

The table shows the answer for each kind of cluster. Unless it says otherwise,
every Secret is encrypted and everything else is measured. It covers the checks
that this version has. (A part stays unknown as long as one of its checks is not
built: see docs/checks.md.)

| cluster | trusted for etcd | part stored | part written |
| --- | --- | --- | --- |
`
