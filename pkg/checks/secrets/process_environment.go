package secrets

import (
	"fmt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/credential"
)

// ProcessEnvironment fails a container in which the environment of a running process
// holds a credential in a known form, whatever put it there. Source: /proc/PID/environ
// (proc_pid_environ(5)), read and dropped on the node, by package credential.
var ProcessEnvironment = checks.Check{
	ID:       "secrets/process-environment",
	Title:    "No running process has a credential in its environment",
	Severity: api.Medium,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Environment},
	Uses:     []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Why: "A process gives its environment to every program that it starts, and it ends in crash reports and debug pages. It shows what no spec says: " +
		"values from an image, from a start script, or from an agent that fetched them. The probe looks for known forms, and for random values under " +
		"names such as password or token. Names of variables leave the node, values never. A process can overwrite what the kernel shows of its " +
		"environment, and variables that it sets later are not there: a pass is about the environment with which it was started.",
	Remediation: "Let the program read the credential from a file: a mounted Secret, or what an agent of an external store writes into memory.",
	References: []string{
		"man:proc_pid_environ(5)",
		"https://kubernetes.io/docs/concepts/security/secrets-good-practices/",
	},
	Judge: judgeProcessEnvironment,
}

func judgeProcessEnvironment(v *checks.View) []api.Finding {
	seen, unseen := checks.RunningContainers(v, fact.Environment)
	findings := checks.Unseen(unseen)
	for _, r := range seen {
		findings = append(findings, judgeEnviron(r))
	}
	return findings
}

func judgeEnviron(r checks.Running) api.Finding {
	f := api.Finding{Verdict: api.Pass, Subject: r.Subject(), Message: "no known form of a credential is in the environment of its processes"}
	var words []string
	for i := range r.Measured.Environment {
		e := &r.Measured.Environment[i]
		what, weight := describeRules([]string{e.Rule})
		severity := api.Medium
		if weight == credential.Guess {
			severity = api.Low
		}
		f.Severity = worse(f.Severity, severity)
		words = append(words, e.Name+" ("+what+")")
		if len(f.Evidence) < mostVariables {
			value := e.Name + ": " + what
			if e.Comm != "" {
				value += ", of " + e.Comm
			}
			if e.Processes > 1 {
				value += fmt.Sprintf(" and %d more", e.Processes-1)
			}
			f.Evidence = append(f.Evidence, api.Evidence{Source: checks.NodeSource(r.Node, "/proc/%d/environ", e.PID), Value: value})
		}
	}
	cut := r.Measured.EnvironmentTotal > len(r.Measured.Environment)
	switch {
	case len(words) > 0:
		f.Verdict, f.Message = api.Fail, "credentials are in the environment of its processes: "+checks.JoinWords(words, 3)
		if cut {
			f.Message += fmt.Sprintf("; %d in all", r.Measured.EnvironmentTotal)
		}
	case cut:
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, fact.Truncated, "credentials are in the environment of its processes, and their names were not kept"
		f.Evidence = []api.Evidence{{Source: r.Source("environ"), Value: fmt.Sprintf("%d found", r.Measured.EnvironmentTotal)}}
	default:
		f.Evidence = []api.Evidence{{Source: r.Source("environ"), Value: "no known form of a credential"}}
	}
	return f
}
