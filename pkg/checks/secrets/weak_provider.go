package secrets

import (
	"fmt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// WeakProvider fails an API server whose first provider for Secrets is a weak one. A
// verdict needs to know which configuration is in force, as in
// secrets/encryption-config.
var WeakProvider = checks.Check{
	ID:       "secrets/weak-provider",
	Title:    "Each API server encrypts Secrets by a strong provider",
	Severity: api.High,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.EncryptionConfig},
	Scope:    checks.ScopeNode,
	Why: "The provider aescbc is open to padding oracle attacks. With aesgcm, nonces repeat by chance if one key writes too often, which breaks " +
		"the encryption. Both keep their key in a file next to the data. KMS v1 is slow, deprecated since 1.28, and off by default since 1.29. " +
		"The provider identity does not encrypt at all.",
	Remediation: "Make kms (apiVersion: v2) or secretbox the first provider for secrets, keep the old one behind it, restart every API server, " +
		"and rewrite the Secrets (kubectl get secrets -A -o json | kubectl replace -f -). Then remove the old one.",
	References: []string{
		"https://kubernetes.io/docs/tasks/administer-cluster/encrypt-data/#providers",
		"https://kubernetes.io/docs/tasks/administer-cluster/kms-provider/",
	},
	Judge: judgeWeakProvider,
}

func judgeWeakProvider(v *checks.View) []api.Finding {
	var findings []api.Finding
	eachServer(v, func(node *fact.Node, s *fact.APIServer) {
		config := inForceOn(v, node, s)
		f := api.Finding{
			Verdict: api.VerdictUnknown, Reason: config.reason, Message: config.message,
			Subject: fact.Subject{Kind: fact.SubjectNode, Name: node.Name}, Evidence: config.evidence,
		}
		if config.known() {
			weigh(&f, config.providers)
		}
		findings = append(findings, f)
	})
	return append(findings, unreadServers(v, fact.EncryptionConfig, writesItsOwnWay)...)
}

// weigh gives a finding the verdict on the first provider.
func weigh(f *api.Finding, providers []fact.EncryptionProvider) {
	if len(providers) == 0 {
		f.Reason, f.Message = fact.Corrupt, "the encryption configuration names no provider for secrets"
		return
	}
	weak := func(severity api.Severity, message string) {
		f.Verdict, f.Severity, f.Message = api.Fail, severity, message
	}
	switch first := providers[0]; {
	case first.Type == identity:
		weak(api.High, "Secrets are written as plaintext: no provider encrypts them")
	case first.Type == "aescbc", first.Type == "aesgcm":
		weak(api.Medium, "Secrets are encrypted by "+first.Type+", which is weak, with a key in a file")
	case first.Type == "kms" && (first.APIVersion == "" || first.APIVersion == "v1"): // the API server's default is v1
		weak(api.Medium, "Secrets are encrypted by kms v1, which is deprecated")
	case first.Type == "kms" && first.APIVersion == "v2", first.Type == "secretbox":
		f.Verdict, f.Message = api.Pass, "Secrets are encrypted by "+first.Type
		if first.Type == "kms" {
			f.Message += " v2"
		}
	default:
		f.Reason, f.Message = fact.Unsupported, fmt.Sprintf("the first provider for secrets is unknown: %q", first.Type)
	}
}
