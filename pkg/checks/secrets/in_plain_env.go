package secrets

import (
	"fmt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// InPlainEnv fails a container whose spec holds a credential as the value of a variable.
// Source: env[].value of the spec, by package credential.
var InPlainEnv = checks.Check{
	ID:       "secrets/in-plain-env",
	Title:    "No credential is a plain value in a pod's spec",
	Severity: api.High,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Why: "Pods and workloads are stored as plaintext, and everybody who may look at them reads their variables: with kubectl describe, in dashboards, in " +
		"charts and repositories. The check knows the forms of well-known issuers, and random values under names such as password or token. A pass says " +
		"that none of these was found, not that there is no credential.",
	Remediation: "Replace the credential, as it must count as known. Put the new one into a Secret or an external store, and mount it as a file.",
	References: []string{
		"https://kubernetes.io/docs/concepts/configuration/secret/",
		"https://kubernetes.io/docs/concepts/security/secrets-good-practices/",
	},
	Judge: judgeInPlainEnv,
}

func judgeInPlainEnv(v *checks.View) []api.Finding {
	if earlier := earlierFacts(v); earlier != nil {
		return earlier
	}
	var findings []api.Finding
	for _, d := range checks.DeclaredContainers(v) {
		findings = append(findings, judgePlain(d))
	}
	return findings
}

func judgePlain(d checks.Declared) api.Finding {
	f := api.Finding{Verdict: api.Pass, Subject: d.Subject(), Message: "no known form of a credential is a plain value"}
	var words []string
	for i := range d.Container.Variables {
		variable := &d.Container.Variables[i]
		if variable.Rule == "" {
			continue
		}
		what, weight := describeRules([]string{variable.Rule})
		f.Severity = worse(f.Severity, atRest(weight))
		words = append(words, variable.Name+" ("+what+")")
		if len(f.Evidence) < mostVariables {
			f.Evidence = append(f.Evidence, api.Evidence{Source: d.Field(variable.Field + ".value"), Value: variable.Name + ": " + what})
		}
	}
	switch {
	case len(words) > 0:
		f.Verdict, f.Message = api.Fail, "its spec holds credentials: "+checks.JoinWords(words, 3)
	case d.Container.VariableTotal > len(d.Container.Variables):
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, fact.Truncated, "it has more environment variables than were kept"
		f.Evidence = []api.Evidence{{Source: d.Field("env"), Value: fmt.Sprintf("%d of %d were kept", len(d.Container.Variables), d.Container.VariableTotal)}}
	default:
		f.Evidence = []api.Evidence{{Source: d.Field("env"), Value: "no plain value of a known form"}}
	}
	return f
}
