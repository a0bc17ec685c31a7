package secrets

import (
	"slices"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func messages(findings []api.Finding) []string {
	var out []string
	for _, f := range findings {
		out = append(out, f.Message)
	}
	return out
}

// A member of etcd on a machine that is no node has files that nobody read.
func TestUnreadMembers(t *testing.T) {
	for servers, want := range map[string]string{
		"": "",
		"https://127.0.0.1:2379,https://localhost:2379,https://[::1]:2379": "",
		"https://10.0.0.1:2379,https://localhost:2379":                     "",
		"unix:///run/kine.sock,x":                                          "",
		"https://10.0.0.1:2379,https://10.0.0.1:2381":                      "",
		"https://10.0.0.1:2379, https://10.0.0.2:2379":                     "2 machines, 1 of them read",
		"https://10.0.0.1:2379,https://[fd00::2]:2379,https://etcd3:2379":  "3 machines, 1 of them read",
	} {
		set := ft.Edit(live(list("a@7"), etcd(encrypted("a", 7))), func(s *fact.Set) {
			s.Nodes[0].Measured.APIServers = []fact.APIServer{{PID: 10, Flags: map[string]string{"etcd-servers": servers}}}
		})
		v := checks.NewView(set)
		got := ""
		for _, f := range unreadMembers(v, v.Stores()) {
			got += f.Evidence[0].Value
		}
		if got != want {
			t.Errorf("%s: %q, want %q", servers, got, want)
		}
		if want == "" {
			continue
		}
		for name, judge := range map[string]func(*checks.View) []string{
			"residue": func(v *checks.View) []string { return messages(judgePlaintextResidue(v)) },
			"files":   func(v *checks.View) []string { return messages(judgeEtcdFilePermissions(v)) },
			"history": func(v *checks.View) []string {
				var out []string
				for f := range eachPlaintextHistory(v) {
					out = append(out, f.Message)
				}
				return out
			},
		} {
			if !slices.Contains(judge(v), "not every member of etcd was read, and each has files of its own") {
				t.Errorf("%s: %s is a yes", servers, name)
			}
		}
		if got := unreadMembers(checks.NewView(onWorker(set)), v.Stores()); len(got) > 0 {
			t.Errorf("a worker's flags count: %v", got)
		}
	}
}

func TestHostOf(t *testing.T) {
	for address, want := range map[string]string{
		"https://10.0.0.1:2379":      "10.0.0.1",
		"http://etcd-0.example:2379": "etcd-0.example",
		"https://etcd.example":       "etcd.example",
		"https://[fd00::1]:2379":     "fd00::1",
		"https://[::1]:2379/":        "::1",
		"unix:///run/etcd.sock":      "",
		"10.0.0.1:2379":              "",
		"":                           "",
	} {
		if got := hostOf(address); got != want {
			t.Errorf("%q: expected %q, found %q", address, want, got)
		}
	}
}
