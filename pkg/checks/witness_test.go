package checks

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// Why the cluster's storage was not read: by what witnesses say, and by nothing
// that another node says.
func TestStorageGaps(t *testing.T) {
	role := map[string]string{"node-role.kubernetes.io/control-plane": ""}
	full := func(m fact.Measurement) *fact.Measurement {
		m.Level, m.Read = fact.LevelFull, fact.NodeKinds()
		return &m
	}
	serving := full(fact.Measurement{Etcd: []fact.EtcdDB{{Path: "/db"}}, APIServers: []fact.APIServer{{}}})
	idle := full(fact.Measurement{})
	broken := full(fact.Measurement{Gaps: []fact.NodeGap{
		{What: fact.Etcd, Container: strings.Repeat("a", 64), Reason: fact.Corrupt}, {What: fact.EncryptionConfig, Reason: fact.Unreadable},
	}})
	node := func(name string, labels map[string]string, m *fact.Measurement) fact.Node {
		return fact.Node{Name: name, Listed: true, Labels: labels, Measured: m}
	}
	cluster := func(nodes ...fact.Node) fact.Set { return fact.Set{SecretsListed: true, Nodes: nodes} }
	plan := planOf(Check{
		ID: "secrets/a", Needs: []fact.Kind{fact.Etcd, fact.EncryptionConfig, fact.Secrets}, Judge: func(*View) []api.Finding { return nil },
	})
	for name, tc := range map[string]struct {
		set  fact.Set
		want []string
	}{
		"a witness has both": {cluster(node("cp", role, serving), node("w", nil, idle)), nil},
		"a witness has etcd alone": {
			cluster(node("cp", role, full(fact.Measurement{Etcd: []fact.EtcdDB{{Path: "/db"}}}))), []string{"secrets//Cluster encryption-config NotPresent"},
		},
		"a witness has an API server alone": {
			cluster(node("cp", role, full(fact.Measurement{APIServers: []fact.APIServer{{}}}))), []string{"secrets//Cluster etcd NotPresent"},
		},
		"another's do not count": {cluster(node("cp", role, idle), node("w", nil, serving)), []string{
			"secrets//Cluster etcd NotPresent", "secrets//Cluster encryption-config NotPresent",
		}},
		"gaps of a node that is no witness do not count": {cluster(node("cp", role, serving), node("w", nil, broken)), nil},
		"a witness's gaps are its node's, whatever container they name": {cluster(node("cp", role, broken)), []string{
			"secrets//Node cp etcd Corrupt", "secrets//Node cp encryption-config Unreadable",
		}},
		"a witness that was not measured": {cluster(node("cp", role, serving), node("cp2", role, nil)), []string{
			"secrets//Node cp2 etcd NotRequested", "secrets//Node cp2 encryption-config NotRequested",
		}},
		"the only witness was not measured": {cluster(node("cp", role, nil)), []string{
			"secrets//Node cp etcd NotRequested", "secrets//Node cp encryption-config NotRequested",
		}},
		"no witness":         {cluster(node("w", nil, serving)), []string{"secrets//Cluster etcd NotPresent", "secrets//Cluster encryption-config NotPresent"}},
		"no node":            {cluster(), []string{"secrets//Cluster etcd NotPresent", "secrets//Cluster encryption-config NotPresent"}},
		"Secrets not listed": {fact.Set{Nodes: []fact.Node{node("cp", role, serving)}}, []string{"secrets//Cluster secrets NotRequested"}},
		"an etcd file says nothing of API servers": {fact.Set{Snapshot: &fact.EtcdDB{}}, []string{"secrets//Cluster encryption-config NotPresent"}},
		"a provider's": {fact.Set{SecretsListed: true, Cluster: fact.Cluster{Version: "v1.36-gke.1"}, Nodes: []fact.Node{node("w", nil, serving)}}, []string{
			"secrets//Cluster etcd ProviderManaged", "secrets//Cluster encryption-config ProviderManaged",
		}},
		"the cluster's gap is said already": {
			fact.Set{SecretsListed: true, Gaps: []fact.Gap{{What: fact.Etcd, Subject: fact.Subject{Kind: "Cluster"}, Reason: fact.Forbidden}}},
			[]string{"secrets//Cluster etcd Forbidden", "secrets//Cluster encryption-config NotPresent"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, g := range JudgeSet(plan, &tc.set).Gaps {
				got = append(got, strings.Join(strings.Fields("secrets//"+g.Subject.Kind+" "+g.Subject.Name+" "+string(g.What)+" "+string(g.Reason)), " "))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
		})
	}
}

// What belongs to a store or an API server has no gap of its own; the rest has one if
// no witness was read, and swap if no node at all was.
func TestStorageGapsOfOtherKinds(t *testing.T) {
	role := map[string]string{"node-role.kubernetes.io/control-plane": ""}
	node := func(name string, labels map[string]string, m *fact.Measurement) fact.Node {
		return fact.Node{Name: name, Listed: true, Labels: labels, Measured: m}
	}
	full := &fact.Measurement{Level: fact.LevelFull, Read: fact.NodeKinds(), APIServers: []fact.APIServer{{}}, Etcd: []fact.EtcdDB{{Path: "/db"}}}
	idle := &fact.Measurement{Level: fact.LevelFull, Read: fact.NodeKinds()}
	kinds := []fact.Kind{fact.Residue, fact.Backups, fact.StorageFiles, fact.AuditPolicies, fact.Swap}
	plan := planOf(Check{ID: "secrets/a", Needs: kinds, Judge: func(*View) []api.Finding { return nil }})
	for name, tc := range map[string]struct {
		set  fact.Set
		want []string
	}{
		"a witness":                   {fact.Set{Nodes: []fact.Node{node("cp", role, full)}}, nil},
		"a witness that runs nothing": {fact.Set{Nodes: []fact.Node{node("cp", role, idle)}}, []string{"Cluster audit-policies NotPresent"}},
		"a worker answers for its swap": {
			fact.Set{Nodes: []fact.Node{node("w", nil, full)}}, []string{"Cluster backups NotPresent", "Cluster audit-policies NotPresent"},
		},
		"an etcd node's API server counts for nothing": {
			fact.Set{Nodes: []fact.Node{node("e", map[string]string{"node-role.kubernetes.io/etcd": ""}, full)}}, []string{"Cluster audit-policies NotPresent"},
		},
		"a provider's": {
			fact.Set{Cluster: fact.Cluster{Version: "v1.36-gke.1"}, Nodes: []fact.Node{node("w", nil, full)}},
			[]string{"Cluster backups ProviderManaged", "Cluster audit-policies ProviderManaged"},
		},
		"no node": {fact.Set{}, []string{"Cluster backups NotPresent", "Cluster audit-policies NotPresent", "Cluster swap NotPresent"}},
		"an etcd file holds residue alone": {
			fact.Set{Snapshot: &fact.EtcdDB{}}, []string{"Cluster backups NotPresent", "Cluster audit-policies NotPresent", "Cluster swap NotPresent"},
		},
		"a witness that did not read them": {
			fact.Set{Nodes: []fact.Node{node("cp", role, &fact.Measurement{Level: fact.LevelFull})}},
			[]string{"Node cp residue NotRequested", "Node cp backups NotRequested", "Node cp storage-files NotRequested", "Node cp audit-policies NotRequested", "Node cp swap NotRequested"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, g := range JudgeSet(plan, &tc.set).Gaps {
				got = append(got, strings.Join(strings.Fields(g.Subject.Kind+" "+g.Subject.Name+" "+string(g.What)+" "+string(g.Reason)), " "))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
		})
	}
}

// Where the API server's etcd is not on its own machine, the gap names it, and the
// command to run there.
func TestEtcdElsewhere(t *testing.T) {
	role := map[string]string{"node-role.kubernetes.io/control-plane": ""}
	none := "no process of etcd was found on the nodes of the control plane that were measured"
	for servers, want := range map[string]string{
		"":                       none,
		"https://127.0.0.1:2379": none,
		"https://[::1]:2379":     none,
		"http://localhost:2379":  none,
		"unix://kine.sock":       none,
		"nonsense":               none,
		"https://10.0.0.9:2379,https://127.0.0.1:2379": none,
		"https://10.0.0.9:2379,https://10.0.0.8:2379":  "the API server's etcd runs on no node that was measured: --etcd-servers=https://10.0.0.9:2379,https://10.0.0.8:2379",
	} {
		set := &fact.Set{Nodes: []fact.Node{{Name: "cp", Listed: true, Labels: role, Measured: &fact.Measurement{
			Level: fact.LevelFull, Read: fact.NodeKinds(), APIServers: []fact.APIServer{{Flags: map[string]string{"etcd-servers": servers}}},
		}}}}
		check := Check{ID: "secrets/a", Needs: []fact.Kind{fact.Etcd}, Judge: func(*View) []api.Finding { return nil }}
		got := JudgeSet(planOf(check), set).Gaps
		if len(got) != 1 || got[0].Detail != want || (got[0].Hint == SnapshotElsewhere) != (want != none) {
			t.Errorf("%q: want %q, got %+v", servers, want, got)
		}
	}
}

// A node is a witness by its role, if the API lists it, or by the user's word;
// on a managed provider none is.
func TestWitnesses(t *testing.T) {
	for name, tc := range map[string]struct {
		role            string
		edit            func(*fact.Set)
		storage, server bool
	}{
		"control-plane":      {fact.RoleControlPlane, nil, true, true},
		"master":             {fact.RoleMaster, nil, true, true},
		"etcd alone":         {fact.RoleEtcd, nil, true, false},
		"worker":             {"worker", nil, false, false},
		"not listed":         {fact.RoleControlPlane, func(s *fact.Set) { s.Nodes[0].Listed = false }, false, false},
		"named by the user":  {"worker", func(s *fact.Set) { s.ControlPlaneNodes = []string{"n1"} }, true, true},
		"another was named":  {"worker", func(s *fact.Set) { s.ControlPlaneNodes = []string{"n2"} }, false, false},
		"named on a managed": {"worker", func(s *fact.Set) { s.ControlPlaneNodes, s.Cluster.Version = []string{"n1"}, "v1.36.1-gke.1" }, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			set := &fact.Set{Nodes: []fact.Node{{Name: "n1", Listed: true, Labels: map[string]string{"node-role.kubernetes.io/" + tc.role: ""}}}}
			if tc.edit != nil {
				tc.edit(set)
			}
			v := NewView(set)
			for kind, want := range map[fact.Kind]bool{
				fact.Etcd: tc.storage, fact.EncryptionConfig: tc.server, fact.AuditPolicies: tc.server,
				fact.Residue: tc.storage, fact.Backups: tc.storage, fact.StorageFiles: tc.storage, fact.Swap: tc.storage,
			} {
				if got := len(v.Witnesses(kind)) == 1; got != want {
					t.Errorf("%s: want %v, got %v", kind, want, got)
				}
			}
		})
	}
}

func TestWhyStorageWasNotRead(t *testing.T) {
	cp := map[string]string{"node-role.kubernetes.io/control-plane": ""}
	full := &fact.Measurement{Level: fact.LevelFull, Read: fact.NodeKinds()}
	const snapshot = "give an etcd snapshot: kubectl checklist secrets --snapshot FILE"
	for name, tc := range map[string]struct {
		set                      fact.Set
		etcd, etcdHint           string
		encryption, encryptHints string
	}{
		"no node": {
			fact.Set{},
			"no node that runs etcd was measured", snapshot,
			"no node that runs kube-apiserver was measured", "",
		},
		"no witness": {
			fact.Set{Nodes: []fact.Node{{Name: "w", Listed: true, Measured: full}}},
			"no node has a role label of the control plane, and none was named, so no node is trusted for etcd", "name the nodes that run it: --control-plane-node NAME; if a provider runs it, ask the provider",
			"no node has a role label of the control plane, and none was named, so no node is trusted for kube-apiserver", "name the nodes that run it: --control-plane-node NAME; if a provider runs it, ask the provider",
		},
		"a witness that has neither": {
			fact.Set{Nodes: []fact.Node{{Name: "cp", Listed: true, Labels: cp, Measured: full}}},
			"no process of etcd was found on the nodes of the control plane that were measured", "if it runs elsewhere, " + snapshot,
			"no process of kube-apiserver was found on the nodes of the control plane that were measured", "if it runs elsewhere, check its configuration there",
		},
		"a provider's": {
			fact.Set{Cluster: fact.Cluster{Version: "v1.36.1-gke.1"}, Nodes: []fact.Node{{Name: "w", Listed: true, Measured: full}}},
			providerStatements["gke"], "ask the provider's own API or console; it cannot be measured from the cluster",
			providerStatements["gke"], "ask the provider's own API or console; it cannot be measured from the cluster",
		},
	} {
		t.Run(name, func(t *testing.T) {
			check := Check{ID: "secrets/a", Needs: []fact.Kind{fact.Etcd, fact.EncryptionConfig}, Judge: func(*View) []api.Finding { return nil }}
			got := JudgeSet(planOf(check), &tc.set).Gaps
			if len(got) != 2 {
				t.Fatalf("want 2 gaps, got %+v", got)
			}
			if got[0].Detail != tc.etcd || got[0].Hint != tc.etcdHint {
				t.Errorf("etcd: got %q, hint %q", got[0].Detail, got[0].Hint)
			}
			if got[1].Detail != tc.encryption || got[1].Hint != tc.encryptHints {
				t.Errorf("encryption: got %q, hint %q", got[1].Detail, got[1].Hint)
			}
		})
	}
}
