package secrets

import (
	"fmt"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// AuditLog fails an API server whose audit policy puts the values of Secrets into an
// audit log. The policy and the mode of the log are judged; the log is not read.
// Source: the policy's first rule of the highest level that can match a request for
// Secrets.
var AuditLog = checks.Check{
	ID:       "secrets/audit-log",
	Title:    "No audit policy logs the values of Secrets",
	Severity: api.Critical,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.AuditPolicies},
	Scope:    checks.ScopeNode,
	Why: "At the level Request or RequestResponse, the audit log holds the bodies of requests: each Secret that is created, changed or read, " +
		"in plaintext. Logs are kept long, sent to other systems, and read by more people than Secrets are.",
	Remediation: "Put a rule for secrets with level Metadata before all others in the audit policy (level: Metadata, resources: [{group: \"\", " +
		"resources: [secrets, serviceaccounts/token]}]), and restart every API server. Delete the old logs, there and where they were sent. " + rotate,
	References: []string{
		"https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/",
	},
	Judge: judgeAuditLog,
}

func judgeAuditLog(v *checks.View) []api.Finding {
	var findings []api.Finding
	for _, node := range v.Witnesses(fact.AuditPolicies) {
		if !node.Measured.HasRead(fact.AuditPolicies) {
			continue // a gap says so
		}
		for i := range node.Measured.APIServers {
			findings = append(findings, judgeAudit(node, &node.Measured.APIServers[i]))
		}
	}
	return append(findings, unreadServers(v, fact.AuditPolicies, "not every API server was read, and each has an audit policy of its own")...)
}

func judgeAudit(node *fact.Node, s *fact.APIServer) api.Finding {
	f := api.Finding{
		Verdict: api.Pass, Severity: api.High, Subject: fact.Subject{Kind: fact.SubjectNode, Name: node.Name},
		Evidence: []api.Evidence{{Source: checks.NodeSource(node, "/proc/%d/cmdline --audit-policy-file", s.PID), Value: "not set"}},
	}
	unknown := func(reason fact.Reason, message string) api.Finding {
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, reason, message
		return f
	}
	a := s.Audit
	if file := s.Flags["audit-policy-file"]; a == nil && file != "" {
		f.Evidence[0].Value = file
		return unknown(fact.NotPresent, "the API server's audit policy was not read")
	}
	switch {
	case a == nil && s.Unfollowed != "":
		f.Evidence = append(f.Evidence, unfollowed(node, s))
		return unknown(fact.Unsupported, "it is unknown whether the API server has an audit policy, because some of its settings are in a place that was not read")
	case a == nil:
		f.Message = "the API server has no audit policy, so it logs no request"
		return f
	}
	rule := "no rule"
	if a.Rule > 0 {
		rule = fmt.Sprintf("rule %d", a.Rule)
	}
	f.Evidence = []api.Evidence{{Source: checks.NodeSource(node, "%s", a.Path), Value: rule + ": at most " + a.Level + " for Secrets"}}
	sinks := sinksOf(a)
	values := a.Level == "Request" || a.Level == "RequestResponse"
	switch {
	case s.Unfollowed != "" && (!values || len(sinks) == 0):
		// There may be another policy, or a place to log to.
		f.Evidence = append(f.Evidence, unfollowed(node, s))
		return unknown(fact.Unsupported, "it is unknown whether the API server logs the values of Secrets, because some of its settings are in a place that was not read")
	case a.Level == "None", a.Level == "Metadata":
		f.Message = "the audit policy logs no value of a Secret"
		return f
	case !values:
		return unknown(fact.Unsupported, fmt.Sprintf("the audit policy has an unknown level: %q", a.Level))
	}
	if len(sinks) == 0 {
		f.Message = "the audit policy logs the values of Secrets, but the API server has nowhere to log them"
		return f
	}
	f.Verdict = api.Fail
	f.Message = fmt.Sprintf("%s of the audit policy logs the values of Secrets (%s), to %s", rule, a.Level, strings.Join(sinks, " and "))
	if a.Rule <= 0 {
		f.Message = fmt.Sprintf("the audit policy logs the values of Secrets (%s), to %s", a.Level, strings.Join(sinks, " and "))
	}
	if a.Log != nil {
		f.Evidence = append(f.Evidence, api.Evidence{Source: checks.NodeSource(node, "%s", a.LogPath), Value: describeAccess(a.Log)})
		if who := readers(a.Log); who != "" {
			f.Severity = api.Critical
			f.Message += ", which " + who + " can read"
		}
	}
	return f
}

// sinksOf names where events go.
func sinksOf(a *fact.AuditPolicy) []string {
	var out []string
	if a.Webhook {
		out = append(out, "a webhook")
	}
	if a.Stdout {
		out = append(out, "standard output")
	}
	if a.Log != nil || a.LogPath != "" && !a.Stdout {
		out = append(out, "a log file") // the last, because what follows is about it
	}
	return out
}
