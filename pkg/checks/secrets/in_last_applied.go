package secrets

import (
	"iter"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// InLastApplied fails a Secret whose annotation last-applied-configuration holds values.
// Source: the annotation in the list of metadata, of which only names of keys were kept.
var InLastApplied = checks.Check{
	ID:       "secrets/in-last-applied",
	Title:    "No Secret has its values a second time in an annotation",
	Severity: api.Medium,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.Secrets},
	Scope:    checks.ScopeSecret,
	Why: "The command kubectl apply writes the whole object into the annotation kubectl.kubernetes.io/last-applied-configuration, a Secret's values included. " +
		"Programs that hide the data of Secrets, or ask for metadata only, still get the values, and print or cache them. The annotation also keeps " +
		"a former value when something else than kubectl apply changes the Secret.",
	Remediation: "Remove the annotation (kubectl annotate secret NAME kubectl.kubernetes.io/last-applied-configuration-). Create Secrets with " +
		"kubectl apply --server-side, which writes no such annotation, or with kubectl create. " + rotate,
	References: []string{
		"https://kubernetes.io/docs/reference/labels-annotations-taints/#kubectl-kubernetes-io-last-applied-configuration",
		"https://kubernetes.io/docs/reference/using-api/server-side-apply/",
	},
	Each: eachLastApplied,
}

const lastApplied = "metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]"

func eachLastApplied(v *checks.View) iter.Seq[api.Finding] {
	return func(yield func(api.Finding) bool) {
		if !v.SecretsListed {
			return // a gap says so
		}
		for _, f := range earlierFacts(v) {
			yield(f)
			return
		}
		clean := true
		for i := range v.Secrets {
			if f, found := judgeLastApplied(&v.Secrets[i]); found {
				clean = false
				if !yield(f) {
					return
				}
			}
		}
		if clean {
			yield(api.Finding{
				Verdict: api.Pass, Subject: fact.Subject{Kind: fact.SubjectCluster}, Message: "no listed Secret has values in that annotation",
				Evidence: []api.Evidence{{Source: "list of Secrets " + lastApplied, Value: checks.Count(len(v.Secrets), "Secret") + ", 0 with values there"}},
			})
		}
	}
}

func judgeLastApplied(s *fact.SecretName) (f api.Finding, found bool) {
	f = api.Finding{Subject: fact.Subject{Kind: fact.SubjectSecret, Namespace: s.Namespace, Name: s.Name}}
	source := "secret/" + s.Namespace + "/" + s.Name + " " + lastApplied
	switch {
	case len(s.Applied) > 0:
		const most = 5
		f.Verdict, f.Message = api.Fail, "its values are also in the annotation that kubectl apply writes"
		f.Evidence = []api.Evidence{{Source: source, Value: "holds values of " + checks.JoinWords(s.Applied, most)}}
	case s.AppliedUnread:
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, fact.Corrupt, "its annotation of kubectl apply is not understood, so it is unknown whether it holds values"
		f.Evidence = []api.Evidence{{Source: source, Value: "present, and not the JSON of a Secret"}}
	default:
		return f, false
	}
	return f, true
}
