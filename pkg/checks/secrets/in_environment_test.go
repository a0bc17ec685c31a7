package secrets

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// earlier turns a set into facts of an earlier version.
func earlier(set *fact.Set) *fact.Set {
	set.InjectionRead = false
	return set
}

const earlierVersion = "unknown NotRequested Cluster: these facts were saved by an earlier version, which did not read it [facts injectionRead = not set]"

func TestInEnvironment(t *testing.T) {
	with := func(total int, variables ...fact.Variable) *fact.Set {
		return ft.Declared(fact.Container{Variables: variables, VariableTotal: total})
	}
	key := func(name, field string) fact.Variable {
		return fact.Variable{Name: name, Field: field, Secret: "db", Key: "password"}
	}
	judge(t, judgeInEnvironment, cases{
		"no variable passes": {with(0), []string{
			"pass shop/web: none of its environment variables comes from a Secret [" + ft.App + "env = no secretKeyRef, and no secretRef in envFrom]",
		}},
		"a variable from a Secret fails": {with(1, key("PASSWORD", "env[2]")), []string{
			"fail shop/web: gets Secrets as environment variables: PASSWORD [" + ft.App + "env[2].valueFrom.secretKeyRef = Secret db, key password]",
		}},
		"all keys of a Secret fail": {with(1, fact.Variable{Field: "envFrom[0]", Secret: "db"}), []string{
			"fail shop/web: gets Secrets as environment variables: all keys of db [" + ft.App + "envFrom[0].secretRef = Secret db, all keys]",
		}},
		"an optional one fails": {with(1, fact.Variable{Name: "A", Field: "env[0]", Secret: "db", Key: "a", Optional: true}), []string{
			"fail shop/web: gets Secrets as environment variables: A [" + ft.App + "env[0].valueFrom.secretKeyRef = Secret db, key a]",
		}},
		"variables that come from no Secret pass": {
			with(2, fact.Variable{Name: "A", Field: "env[0]", Rule: "jwt"}, fact.Variable{Name: "B", Field: "env[1]", Store: "bank-vaults"}),
			[]string{"pass shop/web: none of its environment variables comes from a Secret [" + ft.App + "env = no secretKeyRef, and no secretRef in envFrom]"},
		},
		"more variables than were kept, and none of those kept": {
			with(7, fact.Variable{Name: "A", Field: "env[0]", Rule: "jwt"}),
			[]string{"unknown Truncated shop/web: it has more environment variables than were kept [" + ft.App + "env = 1 of 7 were kept]"},
		},
		"many are counted": {
			with(7, key("A", "env[0]"), key("B", "env[1]"), key("C", "env[2]"), key("D", "env[3]"), key("E", "env[4]"), key("F", "env[5]"), key("G", "env[6]")),
			[]string{"fail shop/web: gets Secrets as environment variables: A, B, C, D, E and 2 more [" +
				ft.App + "env[0].valueFrom.secretKeyRef = Secret db, key password; " + ft.App + "env[1].valueFrom.secretKeyRef = Secret db, key password; " +
				ft.App + "env[2].valueFrom.secretKeyRef = Secret db, key password; " + ft.App + "env[3].valueFrom.secretKeyRef = Secret db, key password; " +
				ft.App + "env[4].valueFrom.secretKeyRef = Secret db, key password]"},
		},
		"facts of an earlier version": {earlier(with(0)), []string{earlierVersion}},
		"nothing was listed":          {earlier(&fact.Set{}), nil},
	})
}
