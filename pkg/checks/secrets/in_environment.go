package secrets

import (
	"fmt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// InEnvironment notes a container that gets Secrets as environment variables. It is low:
// the benchmark says "prefer", the Secret itself stays stored as it was, and a cluster
// without any such variable hardly exists. What is found in the environment of a running
// process, and plain values in a spec, are judged by other checks. Source: env[].valueFrom
// and envFrom[] of the spec.
var InEnvironment = checks.Check{
	ID:       "secrets/in-environment",
	Title:    "No container gets Secrets as environment variables",
	Severity: api.Low,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Why: "Every program that the container starts inherits its environment. It ends in crash reports, debug pages and logs, anyone who may run a " +
		"command in the container can print it, and it keeps the old value when the Secret changes. A file is read when it is needed, by what " +
		"needs it. The CIS benchmark (5.4.1) prefers files. The Secret is stored and sent no differently, so this finding is low.",
	Remediation: "Mount the Secret as a volume and read the file, or let an agent of an external store bring the value to the program.",
	References: []string{
		"https://kubernetes.io/docs/concepts/configuration/secret/#using-secrets-as-files-from-a-pod",
		"https://www.cisecurity.org/benchmark/kubernetes",
	},
	Judge: judgeInEnvironment,
}

// mostVariables is how many variables a finding shows.
const mostVariables = 5

func judgeInEnvironment(v *checks.View) []api.Finding {
	if earlier := earlierFacts(v); earlier != nil {
		return earlier
	}
	var findings []api.Finding
	for _, d := range checks.DeclaredContainers(v) {
		findings = append(findings, judgeVariables(d))
	}
	return findings
}

func judgeVariables(d checks.Declared) api.Finding {
	f := api.Finding{Verdict: api.Pass, Subject: d.Subject(), Message: "none of its environment variables comes from a Secret"}
	var names []string
	for i := range d.Container.Variables {
		variable := &d.Container.Variables[i]
		if variable.Secret == "" {
			continue
		}
		source, value, name := ".valueFrom.secretKeyRef", "Secret "+variable.Secret+", key "+variable.Key, variable.Name
		if variable.Name == "" {
			source, value, name = ".secretRef", "Secret "+variable.Secret+", all keys", "all keys of "+variable.Secret
		}
		names = append(names, name)
		if len(f.Evidence) < mostVariables {
			f.Evidence = append(f.Evidence, api.Evidence{Source: d.Field(variable.Field + source), Value: value})
		}
	}
	cut := d.Container.VariableTotal > len(d.Container.Variables)
	switch {
	case len(names) > 0:
		f.Verdict, f.Message = api.Fail, "gets Secrets as environment variables: "+checks.JoinWords(names, mostVariables)
	case cut:
		f.Verdict, f.Reason = api.VerdictUnknown, fact.Truncated
		f.Message = "it has more environment variables than were kept"
		f.Evidence = []api.Evidence{{Source: d.Field("env"), Value: fmt.Sprintf("%d of %d were kept", len(d.Container.Variables), d.Container.VariableTotal)}}
	default:
		f.Evidence = []api.Evidence{{Source: d.Field("env"), Value: "no secretKeyRef, and no secretRef in envFrom"}}
	}
	return f
}
