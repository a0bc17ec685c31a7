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
		"another's do not count": {cluster(node("cp", role, idle), node("w", nil, serving)), []string{
			"secrets//Cluster etcd NotPresent", "secrets//Cluster encryption-config NotPresent",
		}},
		"nor do another's gaps": {cluster(node("cp", role, serving), node("w", nil, broken)), nil},
		"a witness's gaps are its node's, whatever container they name": {cluster(node("cp", role, broken)), []string{
			"secrets//Node cp etcd Corrupt", "secrets//Node cp encryption-config Unreadable",
		}},
		"a witness that was not measured": {cluster(node("cp", role, serving), node("cp2", role, nil)), []string{
			"secrets//Node cp2 etcd NotRequested", "secrets//Node cp2 encryption-config NotRequested",
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
