package secrets

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// A node of the control plane that was asked and did not answer leaves each subject that it could
// have made fail in an unknown finding: a listed Secret if no store was read, and the cluster.
func TestSilentControlPlane(t *testing.T) {
	role := map[string]string{"node-role.kubernetes.io/control-plane": ""}
	answered := func(name string) fact.Node {
		return fact.Node{Name: name, Listed: true, Labels: role, Measured: &fact.Measurement{
			Level: fact.LevelFull, Read: fact.NodeKinds(), Etcd: []fact.EtcdDB{edited(etcd(encrypted("a", 10), encrypted("b", 11)), func(db *fact.EtcdDB) {
				db.History = &fact.StoredHistory{Complete: true}
			})},
			APIServers: []fact.APIServer{{PID: 1, Encryption: &fact.EncryptionConfiguration{Path: "/enc.yaml", Hash: "sha256:00", Entries: []fact.EncryptionEntry{
				{Resources: []string{"secrets"}, Providers: []fact.EncryptionProvider{{Type: "aescbc", Keys: []string{"key1"}}}},
			}}}},
		}}
	}
	silent := fact.Node{Name: "cp1", Listed: true, Labels: role}
	gaps := func(reason fact.Reason) (out []fact.Gap) {
		for _, kind := range fact.NodeKinds() {
			out = append(out, fact.Gap{What: kind, Subject: fact.Subject{Kind: fact.SubjectNode, Name: "cp1"}, Reason: reason})
		}
		return out
	}
	for name, tc := range map[string]struct {
		check checks.Check
		nodes []fact.Node
		gaps  []fact.Gap
		want  []string
	}{
		"no store was read":                 {EncryptedAtRest, []fact.Node{silent}, gaps(fact.NotReady), []string{"Cluster unknown", "Secret a unknown", "Secret b unknown"}},
		"another store was read":            {EncryptedAtRest, []fact.Node{silent, answered("cp2")}, gaps(fact.NotReady), []string{"Secret a pass", "Secret b pass"}},
		"it was not asked":                  {EncryptedAtRest, []fact.Node{silent}, gaps(fact.NotRequested), nil},
		"no history was read":               {PlaintextHistory, []fact.Node{silent}, gaps(fact.NotReady), []string{"Secret a unknown", "Secret b unknown"}},
		"another history was read":          {PlaintextHistory, []fact.Node{silent, answered("cp2")}, gaps(fact.NotReady), nil},
		"no server was read":                {EncryptionConfig, []fact.Node{silent}, gaps(fact.NotReady), []string{"Cluster unknown"}},
		"another server was read":           {EncryptionConfig, []fact.Node{silent, answered("cp2")}, gaps(fact.NotReady), []string{"Cluster unknown"}},
		"a server that was not asked":       {EncryptionConfig, []fact.Node{silent, answered("cp2")}, gaps(fact.NotRequested), nil},
		"no key was read":                   {StaleKey, []fact.Node{silent}, gaps(fact.NotReady), []string{"Cluster unknown"}},
		"no pass without all configuration": {StaleKey, []fact.Node{silent, answered("cp2")}, gaps(fact.NotReady), []string{"Cluster unknown"}},
		"keys of one that was not asked":    {StaleKey, []fact.Node{silent}, gaps(fact.NotRequested), nil},
	} {
		t.Run(name, func(t *testing.T) {
			set := &fact.Set{SecretsListed: true, Secrets: list("a@10", "b@11"), Nodes: tc.nodes, Gaps: tc.gaps}
			var got []string
			for _, f := range checks.JudgeSet(checks.Plan{Checks: []checks.Check{tc.check}}, set).Findings {
				if f.Subject.Kind == fact.SubjectNode {
					continue
				}
				got = append(got, strings.Join(strings.Fields(f.Subject.Kind+" "+f.Subject.Name+" "+string(f.Verdict)), " "))
				if f.Verdict == api.VerdictUnknown && (!strings.Contains(f.Message, "node cp1 did not answer, so it is unknown ") || f.Reason == "" || len(f.Evidence) == 0) {
					t.Errorf("%+v", f)
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}
