package secrets

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// row is a case of a check's test.
type row ft.Case

// cases are sets with the findings that they give, as brief writes them, each after
// its severity if it has one of its own: "high fail cp1: message [evidence]".
type cases map[string]struct {
	set  *fact.Set
	want []string
}

func judge(t *testing.T, judge func(*checks.View) []api.Finding, list cases) {
	t.Helper()
	for name, tc := range list {
		t.Run(name, func(t *testing.T) {
			t.Helper()
			findings := checks.OfSet(judge)(tc.set)
			got := brief(findings)
			for i := range got {
				got[i] = strings.TrimSpace(string(findings[i].Severity) + " " + got[i])
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			for _, f := range findings {
				if f.Verdict != api.VerdictUnknown && f.Reason != "" || f.Verdict == api.VerdictUnknown && f.Reason == "" || len(f.Evidence) == 0 {
					t.Errorf("incomplete: %+v", f)
				}
			}
		})
	}
}

// nodeWith is a set of one node of the control plane, changed.
func nodeWith(change func(*fact.Measurement)) *fact.Set {
	set := live(list())
	m := ft.Measurement()
	change(m)
	set.Nodes = []fact.Node{{Name: "cp1", Listed: true, Labels: role(fact.RoleControlPlane), Measured: m}}
	return set
}

// onWorker takes the role from the first node.
func onWorker(set *fact.Set) *fact.Set { return unlabelled(set, 0) }

// kine is a database of kine with these Secrets.
func kine(secrets ...fact.StoredSecret) fact.EtcdDB {
	db := etcd(secrets...)
	db.Format = fact.FormatKine
	return db
}
