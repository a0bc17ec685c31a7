package checks

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// A worker's database is not compared with the list of Secrets: each costs the
// whole list, and nothing follows from it.
func TestOnlyWitnessesAreCompared(t *testing.T) {
	for name, tc := range map[string]struct {
		role                      string
		compared, ours, untrusted int
	}{
		"a worker":                    {"worker", 0, 0, 1},
		"a node of the control plane": {fact.RoleControlPlane, 1, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			set := facttest.Measured(facttest.With(), fact.Container{})
			set.Nodes[0].Labels = map[string]string{"node-role.kubernetes.io/" + tc.role: ""}
			set.Nodes[0].Measured.Etcd = []fact.EtcdDB{{
				Prefix: "/registry", Complete: true, Revision: 9, Total: 1,
				Secrets: []fact.StoredSecret{{Namespace: "shop", Name: "db", Revision: 5, Class: fact.ClassAESCBC}},
			}}
			set.Secrets, set.SecretsListed = []fact.SecretName{{Namespace: "shop", Name: "db", ResourceVersion: "5"}}, true
			got := NewView(set).Stores()
			if len(got.Ours) != tc.ours || len(got.Untrusted) != tc.untrusted || len(got.Others) != 0 {
				t.Fatalf("%d of this cluster, %d untrusted, %d others", len(got.Ours), len(got.Untrusted), len(got.Others))
			}
			for _, s := range append(got.Ours, got.Untrusted...) {
				if s.compared != tc.compared {
					t.Errorf("want %d compared, got %d", tc.compared, s.compared)
				}
			}
		})
	}
}
