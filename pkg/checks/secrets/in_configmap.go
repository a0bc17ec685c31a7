package secrets

import (
	"fmt"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/credential"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// InConfigMap fails a ConfigMap whose data holds a credential in a known form. Source:
// data and binaryData of ConfigMaps, by package credential.
var InConfigMap = checks.Check{
	ID:       "secrets/in-configmap",
	Title:    "No ConfigMap holds a credential",
	Severity: api.High,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.ConfigMaps},
	Scope:    checks.ScopeWorkload,
	Why: "The API server stores ConfigMaps as plaintext, and many more users and programs may read them than may read Secrets. They are copied into " +
		"charts, repositories and tickets. The check knows the forms of well-known issuers, and random values under names such as password or token. " +
		"A pass says that none of these was found, not that there is no credential. Of the data it keeps the names of keys and forms only.",
	Remediation: "Replace the credential, as it must count as known. Move the new one to a Secret or an external store, and let the configuration refer to it.",
	References: []string{
		"https://kubernetes.io/docs/concepts/configuration/configmap/",
		"https://cheatsheetseries.owasp.org/cheatsheets/Secrets_Management_Cheat_Sheet.html",
	},
	Judge: judgeInConfigMap,
}

func judgeInConfigMap(v *checks.View) []api.Finding {
	scan := v.ConfigMaps
	if scan == nil {
		return nil // a gap says so
	}
	var findings []api.Finding
	for from := 0; from < len(scan.Found); {
		to := from + 1
		for to < len(scan.Found) && scan.Found[to].Namespace == scan.Found[from].Namespace && scan.Found[to].Name == scan.Found[from].Name {
			to++
		}
		findings = append(findings, judgeConfigMap(scan.Found[from:to]))
		from = to
	}
	whole := fact.Subject{Kind: fact.SubjectCluster}
	read := api.Evidence{Source: "configmaps data", Value: fmt.Sprintf("%s, %d KiB, no known form of a credential", checks.Count(scan.Read, "ConfigMap"), (scan.Bytes+1023)>>10)}
	switch {
	case scan.Total > len(scan.Found):
		findings = append(findings, api.Finding{
			Verdict: api.VerdictUnknown, Reason: fact.Truncated, Subject: whole, Message: "more keys of ConfigMaps hold credentials than were kept",
			Evidence: []api.Evidence{{Source: "configmaps data", Value: fmt.Sprintf("%d of %d were kept", len(scan.Found), scan.Total)}},
		})
	case scan.Read == 0 && !scan.Truncated && v.PodScope == fact.PodsAll:
		// Every namespace has one, kube-root-ca.crt.
		findings = append(findings, api.Finding{
			Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: whole, Message: "the API lists no ConfigMap, and every namespace has one",
			Evidence: []api.Evidence{{Source: "configmaps data", Value: "0 ConfigMaps"}},
		})
	case len(scan.Found) == 0 && scan.Read > 0 && !scan.Truncated:
		findings = append(findings, api.Finding{
			Verdict: api.Pass, Subject: whole, Message: "no known form of a credential was found in ConfigMaps", Evidence: []api.Evidence{read},
		})
	}
	return findings
}

// mostKeys is how many keys of a ConfigMap a finding shows.
const mostKeys = 5

// judgeConfigMap judges the entries of one ConfigMap.
func judgeConfigMap(entries []fact.ConfigMapEntry) api.Finding {
	first := &entries[0]
	f := api.Finding{Verdict: api.Fail, Severity: api.Low, Subject: fact.Subject{Kind: fact.SubjectConfigMap, Namespace: first.Namespace, Name: first.Name}}
	var words []string
	for i := range entries {
		e := &entries[i]
		what, weight := describeRules(e.Rules)
		f.Severity = worse(f.Severity, atRest(weight))
		words = append(words, what+" in "+e.Key)
		if len(f.Evidence) < mostKeys {
			f.Evidence = append(f.Evidence, api.Evidence{Source: configMapSource(e), Value: what})
		}
	}
	f.Message = "holds " + checks.JoinWords(words, 3)
	return f
}

// configMapSource names a key for evidence: "configmap/shop/app data[db.yaml]".
func configMapSource(e *fact.ConfigMapEntry) string {
	source := "configmap/"
	if e.Origin != "" {
		source = e.Origin + " " + source
	}
	if e.Namespace != "" {
		source += e.Namespace + "/"
	}
	return source + e.Name + " data[" + e.Key + "]"
}

// atRest is the severity of a credential that everybody who may read configuration has.
func atRest(weight credential.Weight) api.Severity {
	switch weight {
	case credential.Key:
		return api.High
	case credential.Token:
		return api.Medium
	}
	return api.Low
}

func worse(a, b api.Severity) api.Severity {
	if b.Rank() > a.Rank() {
		return b
	}
	return a
}

// describeRules says what rules found, the gravest first, and how grave it is. Facts can
// name a rule that this version does not know.
func describeRules(ids []string) (what string, weight credential.Weight) {
	type found struct {
		title  string
		weight credential.Weight
	}
	var list []found
	for _, id := range ids {
		r, known := credential.Lookup(id)
		if !known {
			r.Title = "a credential of a form that this version does not know"
		}
		if f := (found{r.Title, r.Weight}); !slices.Contains(list, f) {
			list = append(list, f)
		}
	}
	sorted.Stable(list, func(a, b found) int { return int(b.weight) - int(a.weight) })
	if len(list) == 0 {
		return "a credential", credential.Guess
	}
	words := make([]string, len(list))
	for i := range list {
		words[i] = list[i].title
	}
	// A random value under a telling name is what the other rule found, or one more.
	if len(words) > 1 && list[len(list)-1].title == tellingTitle() {
		words = words[:len(words)-1]
	}
	return checks.JoinWords(words, 3), list[0].weight
}

func tellingTitle() string {
	r, _ := credential.Lookup(credential.TellingName)
	return r.Title
}
