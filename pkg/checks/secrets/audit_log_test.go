package secrets

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestAuditLog(t *testing.T) {
	policy := func(level string, change func(*fact.AuditPolicy)) *fact.Set {
		a := &fact.AuditPolicy{Path: "/etc/audit.yaml", Level: level, Rule: 3}
		change(a)
		return server(fact.APIServer{PID: 10, Audit: a})
	}
	nowhere := func(*fact.AuditPolicy) {}
	file := func(a *fact.AuditPolicy) { a.Log, a.LogPath = ft.RootFile("/var/log/a.log"), "/var/log/a.log" }
	at := func(level string) string {
		return " [node/cp1 /etc/audit.yaml = rule 3: at most " + level + " for Secrets"
	}
	const unread = "it is unknown whether the API server logs the values of Secrets, because some of its settings are in a place that was not read"
	judge(t, judgeAuditLog, cases{
		"no policy passes":      {server(fact.APIServer{PID: 10}), []string{"high pass cp1: the API server has no audit policy, so it logs no request [node/cp1 /proc/10/cmdline --audit-policy-file = not set]"}},
		"None passes":           {policy("None", file), []string{"high pass cp1: the audit policy logs no value of a Secret" + at("None") + "]"}},
		"Metadata passes":       {policy("Metadata", file), []string{"high pass cp1: the audit policy logs no value of a Secret" + at("Metadata") + "]"}},
		"no log and no webhook": {policy("Request", nowhere), []string{"high pass cp1: the audit policy logs the values of Secrets, but the API server has nowhere to log them" + at("Request") + "]"}},
		"Request to a log fails": {
			policy("Request", file),
			[]string{"high fail cp1: rule 3 of the audit policy logs the values of Secrets (Request), to a log file" + at("Request") + "; node/cp1 /var/log/a.log = mode 0600, owner 0, group 0]"},
		},
		"a log that everyone can read is critical": {
			policy("RequestResponse", func(a *fact.AuditPolicy) { file(a); a.Log.Mode, a.Log.OthersReach = 0o644, true }),
			[]string{"critical fail cp1: rule 3 of the audit policy logs the values of Secrets (RequestResponse), to a log file, which everyone can read" +
				at("RequestResponse") + "; node/cp1 /var/log/a.log = mode 0644, owner 0, group 0, everyone reaches it]"},
		},
		"a log whose mode was not read": {
			policy("Request", func(a *fact.AuditPolicy) { a.LogPath = "/var/log/a.log" }),
			[]string{"high fail cp1: rule 3 of the audit policy logs the values of Secrets (Request), to a log file" + at("Request") + "]"},
		},
		"a webhook and standard output": {
			policy("Request", func(a *fact.AuditPolicy) { a.Webhook, a.Stdout, a.LogPath = true, true, "-" }),
			[]string{"high fail cp1: rule 3 of the audit policy logs the values of Secrets (Request), to a webhook and standard output" + at("Request") + "]"},
		},
		"a level that is not known": {policy("Everything", file), []string{`high unknown Unsupported cp1: the audit policy has an unknown level: "Everything"` + at("Everything") + "]"}},
		"no level":                  {policy("", file), []string{`high unknown Unsupported cp1: the audit policy has an unknown level: ""` + at("") + "]"}},
		"a rule that there cannot be": {
			policy("Request", func(a *fact.AuditPolicy) { a.Rule, a.Stdout = -1, true }),
			[]string{"high fail cp1: the audit policy logs the values of Secrets (Request), to standard output [node/cp1 /etc/audit.yaml = no rule: at most Request for Secrets]"},
		},
		"flags that were not followed": {
			server(fact.APIServer{PID: 10, Unfollowed: "--config=FILE was not read"}),
			[]string{"high unknown Unsupported cp1: it is unknown whether the API server has an audit policy, because some of its settings are in a place that was not read " +
				"[node/cp1 /proc/10/cmdline --audit-policy-file = not set; node/cp1 /proc/10/cmdline = --config=FILE was not read]"},
		},
		"flags that were not followed may lead to another policy": {
			ft.Edit(policy("None", file), func(s *fact.Set) { s.Nodes[0].Measured.APIServers[0].Unfollowed = "x" }),
			[]string{"high unknown Unsupported cp1: " + unread + at("None") + "; node/cp1 /proc/10/cmdline = x]"},
		},
		"or to a place to log to": {
			ft.Edit(policy("Request", nowhere), func(s *fact.Set) { s.Nodes[0].Measured.APIServers[0].Unfollowed = "x" }),
			[]string{"high unknown Unsupported cp1: " + unread + at("Request") + "; node/cp1 /proc/10/cmdline = x]"},
		},
		"a policy that was not read": {
			server(fact.APIServer{PID: 10, Flags: map[string]string{"audit-policy-file": "/etc/audit.yaml"}}),
			[]string{"high unknown NotPresent cp1: the API server's audit policy was not read [node/cp1 /proc/10/cmdline --audit-policy-file = /etc/audit.yaml]"},
		},
		"another API server that was not read": {
			ft.Edit(policy("None", file), func(s *fact.Set) { s.Cluster.APIServers = ft.Ptr(2) }),
			[]string{
				"high pass cp1: the audit policy logs no value of a Secret" + at("None") + "]",
				"unknown NotPresent Cluster: not every API server was read, and each has an audit policy of its own " +
					"[leases in kube-system labelled apiserver.kubernetes.io/identity=kube-apiserver = 2 API servers, 1 of them read]",
			},
		},
		"facts of an earlier version: a gap says so": {
			nodeWith(func(m *fact.Measurement) {
				m.Read, m.APIServers = []fact.Kind{fact.EncryptionConfig}, []fact.APIServer{{PID: 10}}
			}), nil,
		},
		"of a worker it counts for nothing": {onWorker(policy("Request", file)), nil},
	})
}
