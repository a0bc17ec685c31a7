package secrets

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestInPlainEnv(t *testing.T) {
	with := func(total int, variables ...fact.Variable) *fact.Set {
		return ft.Declared(fact.Container{Variables: variables, VariableTotal: total})
	}
	plain := func(name, field, rule string) fact.Variable {
		return fact.Variable{Name: name, Field: field, Rule: rule}
	}
	const fine = "pass shop/web: no known form of a credential is a plain value [" + ft.App + "env = no plain value of a known form]"
	judge(t, judgeInPlainEnv, cases{
		"no variable passes": {with(0), []string{fine}},
		"variables from a Secret and of a store pass": {
			with(2, fact.Variable{Name: "A", Field: "env[0]", Secret: "db", Key: "k"}, fact.Variable{Name: "B", Field: "env[1]", Store: "bank-vaults"}),
			[]string{fine},
		},
		"a token is medium": {with(1, plain("GH", "env[2]", "github-token")), []string{
			"medium fail shop/web: its spec holds credentials: GH (a token of GitHub) [" + ft.App + "env[2].value = GH: a token of GitHub]",
		}},
		"a cloud key is high, next to a guess": {with(2, plain("A", "env[0]", "telling-name"), plain("B", "env[1]", "aws-access-key")), []string{
			"high fail shop/web: its spec holds credentials: A (a random value under a name such as password or token), B (an access key of AWS) [" +
				ft.App + "env[0].value = A: a random value under a name such as password or token; " + ft.App + "env[1].value = B: an access key of AWS]",
		}},
		"a guess is low": {with(1, plain("A", "env[0]", "telling-name")), []string{
			"low fail shop/web: its spec holds credentials: A (a random value under a name such as password or token) [" +
				ft.App + "env[0].value = A: a random value under a name such as password or token]",
		}},
		"more variables than were kept, and none of those kept": {
			with(7, fact.Variable{Name: "A", Field: "env[0]", Secret: "db"}),
			[]string{"unknown Truncated shop/web: it has more environment variables than were kept [" + ft.App + "env = 1 of 7 were kept]"},
		},
		"facts of an earlier version": {earlier(with(0)), []string{earlierVersion}},
	})
}
