package secrets

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestProcessEnvironment(t *testing.T) {
	with := func(total int, found ...fact.EnvironmentCredential) *fact.Set {
		m := ft.With()
		m.Environment, m.EnvironmentTotal = found, total
		return ft.Measured(m, fact.Container{})
	}
	one := func(name, rule string, processes int) fact.EnvironmentCredential {
		return fact.EnvironmentCredential{Name: name, Rule: rule, PID: 101, Comm: "web", Processes: processes}
	}
	judge(t, judgeProcessEnvironment, cases{
		"nothing found passes": {with(0), []string{
			"pass shop/web: no known form of a credential is in the environment of its processes [node/n1 /proc/100/environ = no known form of a credential]",
		}},
		"a token is medium": {with(1, one("GH", "github-token", 1)), []string{
			"medium fail shop/web: credentials are in the environment of its processes: GH (a token of GitHub) [node/n1 /proc/101/environ = GH: a token of GitHub, of web]",
		}},
		"a cloud key is medium too": {with(1, one("A", "aws-access-key", 1)), []string{
			"medium fail shop/web: credentials are in the environment of its processes: A (an access key of AWS) [node/n1 /proc/101/environ = A: an access key of AWS, of web]",
		}},
		"a guess is low, and processes are counted": {with(1, one("DB_PASSWORD", "telling-name", 3)), []string{
			"low fail shop/web: credentials are in the environment of its processes: DB_PASSWORD (a random value under a name such as password or token) " +
				"[node/n1 /proc/101/environ = DB_PASSWORD: a random value under a name such as password or token, of web and 2 more]",
		}},
		"more than are kept are counted": {with(60, one("GH", "github-token", 1)), []string{
			"medium fail shop/web: credentials are in the environment of its processes: GH (a token of GitHub); 60 in all " +
				"[node/n1 /proc/101/environ = GH: a token of GitHub, of web]",
		}},
		"none was kept": {with(2), []string{
			"unknown Truncated shop/web: credentials are in the environment of its processes, and their names were not kept [node/n1 /proc/100/environ = 2 found]",
		}},
		"not read: a gap says so": {ft.Edit(with(0), func(s *fact.Set) { s.Nodes[0].Measured.Read = []fact.Kind{fact.Processes} }), nil},
		"runs, and no process of it was found": {ft.Edit(with(0), ft.NoContainers), []string{
			"unknown NotPresent shop/web: the API reports it as running, but none of its processes was found on its node (a sandboxed runtime, or it ended meanwhile) " +
				"[node/n1 /proc/*/cgroup = no process of this container]",
		}},
	})
}
