package secrets

import (
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// LegacyToken fails a Secret that holds a service account's token: one that does not
// expire. Source: the Secrets of type kubernetes.io/service-account-token, and the labels
// in which Kubernetes records their use.
var LegacyToken = checks.Check{
	ID:       "secrets/legacy-token",
	Title:    "No Secret holds a service account's token that does not expire",
	Severity: api.Medium,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.LegacyTokens},
	Scope:    checks.ScopeSecret,
	Why: "A token in a Secret works until the Secret is deleted, from everywhere, for everyone who has ever read it, and backups keep it. The " +
		"tokens that pods get are bound to their pod and end within an hour or so.",
	Remediation: "Find out who uses the token (the label kubernetes.io/legacy-token-last-used, the audit log). Let pods use the token that is mounted " +
		"for them, and others ask for one with kubectl create token. Then delete the Secret.",
	References: []string{
		"https://kubernetes.io/docs/concepts/configuration/secret/#serviceaccount-token-secrets",
		"https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#auto-generated-legacy-serviceaccount-token-clean-up",
	},
	Judge: judgeLegacyToken,
}

// unusedAfter is how long Kubernetes itself waits until it calls a token unused
// (kube-controller-manager --legacy-service-account-token-clean-up-period).
const unusedAfter = 365 * 24 * time.Hour

func judgeLegacyToken(v *checks.View) []api.Finding {
	if !v.TokensListed {
		return nil // a gap says so
	}
	if len(v.LegacyTokens) == 0 {
		return []api.Finding{{
			Verdict: api.Pass, Subject: fact.Subject{Kind: fact.SubjectCluster}, Message: "no listed Secret holds a service account's token",
			Evidence: []api.Evidence{{Source: "list of Secrets of type kubernetes.io/service-account-token", Value: "0 Secrets"}},
		}}
	}
	findings := make([]api.Finding, 0, len(v.LegacyTokens))
	for i := range v.LegacyTokens {
		findings = append(findings, judgeToken(v, &v.LegacyTokens[i]))
	}
	return findings
}

func judgeToken(v *checks.View, t *fact.ServiceAccountToken) api.Finding {
	f := api.Finding{
		Verdict: api.Fail, Severity: api.Medium, Subject: fact.Subject{Kind: fact.SubjectSecret, Namespace: t.Namespace, Name: t.Name},
		Message: "holds a service account's token that does not expire",
	}
	labels := "secret/" + t.Namespace + "/" + t.Name + " metadata.labels"
	add := func(source, value string) {
		f.Evidence = append(f.Evidence, api.Evidence{Source: source, Value: value})
	}
	used, err := time.Parse(time.DateOnly, t.LastUsed)
	switch {
	case t.InvalidSince != "":
		f.Severity, f.Message = api.Low, "holds a service account's token that the API server refuses, until somebody removes the label"
		add(labels+"[kubernetes.io/legacy-token-invalid-since]", t.InvalidSince)
	case t.LastUsed == "" || err != nil:
		// Kubernetes before 1.27 records no use.
		f.Message += ", and no use of it is recorded"
		add(labels+"[kubernetes.io/legacy-token-last-used]", "not set")
	case v.CollectedAt.Sub(used) > unusedAfter:
		f.Message += ", and was not used for more than a year"
		add(labels+"[kubernetes.io/legacy-token-last-used]", t.LastUsed)
	default:
		f.Message += ", and is in use"
		add(labels+"[kubernetes.io/legacy-token-last-used]", t.LastUsed)
	}
	if !t.Created.IsZero() {
		add("secret/"+t.Namespace+"/"+t.Name+" metadata.creationTimestamp", t.Created.UTC().Format(time.DateOnly))
	}
	if t.Owner != "" {
		add("secret/"+t.Namespace+"/"+t.Name+" metadata.ownerReferences", t.Owner)
	}
	return f
}
