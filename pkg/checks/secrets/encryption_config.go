package secrets

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// EncryptionConfig fails an API server that writes Secrets as plaintext,
// according to the configuration of its process. A pass is about what is
// written from now on; secrets/encrypted-at-rest judges what is stored.
var EncryptionConfig = checks.Check{
	ID:       "secrets/encryption-config",
	Title:    "Each API server writes Secrets encrypted",
	Severity: api.High,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.EncryptionConfig},
	Scope:    checks.ScopeNode,
	Why: "The first provider that covers secrets decides how they are written. If identity is first, they are plaintext, whatever " +
		"follows. If several API servers differ, each writes in its own way.",
	Remediation: "Start every API server with the same --encryption-provider-config, whose first provider for secrets is kms (v2) or " +
		"secretbox. If identity is used, put it last.",
	References: []string{
		"https://kubernetes.io/docs/tasks/administer-cluster/encrypt-data/",
		"https://kubernetes.io/docs/reference/config-api/apiserver-config.v1/",
	},
	Judge: judgeEncryptionConfig,
}

func judgeEncryptionConfig(v *checks.View) []api.Finding {
	var findings []api.Finding
	writers := map[string][]api.Evidence{} // what writes, and its evidence
	eachServer(v, func(node *fact.Node, s *fact.APIServer) {
		f, writer := judgeServer(v, node, s)
		findings = append(findings, f)
		if writer != "" {
			writers[writer] = append(writers[writer], f.Evidence[0])
		}
	})
	findings = append(findings, unreadServers(v, fact.EncryptionConfig, writesItsOwnWay)...)
	if gap := v.SilentWitness(fact.EncryptionConfig); gap != nil {
		findings = append(findings, checks.OfSilentWitness(gap, fact.Subject{Kind: fact.SubjectCluster}, "whether all API servers write Secrets in one way"))
	}
	if len(writers) > 1 {
		names := make([]string, 0, len(writers))
		for name := range writers {
			names = append(names, name)
		}
		slices.Sort(names)
		f := api.Finding{
			Verdict: api.Fail, Severity: api.Medium, Subject: fact.Subject{Kind: fact.SubjectCluster},
			Message: "API servers write Secrets in different ways: " + strings.Join(names, ", "),
		}
		for _, name := range names {
			for _, e := range writers[name] {
				f.Evidence = append(f.Evidence, api.Evidence{Source: e.Source, Value: name})
			}
		}
		findings = append(findings, f)
	}
	return findings
}

// eachServer calls do for each API server whose node is trusted for it.
func eachServer(v *checks.View, do func(*fact.Node, *fact.APIServer)) {
	for _, node := range v.Witnesses(fact.EncryptionConfig) {
		if node.Measured == nil {
			continue // a gap says so
		}
		for i := range node.Measured.APIServers {
			do(node, &node.Measured.APIServers[i])
		}
	}
}

const writesItsOwnWay = "not every API server was read, and each writes in its own way"

// unreadServers is a finding if this kind was read of some API server, and there must be
// more.
// Their leases count them. If the leases could not be read, each node that can
// run an API server is assumed to run one. Zero leases count as unread, because
// an API server that answers holds one.
func unreadServers(v *checks.View, kind fact.Kind, message string) []api.Finding {
	servers, measured := 0, 0
	for _, node := range v.Witnesses(kind) {
		if !node.Measured.HasRead(kind) {
			continue
		}
		measured++
		if len(node.Measured.APIServers) > 0 {
			servers++ // a node has one; a second process is its successor
		}
	}
	if servers == 0 {
		return nil // a gap says so
	}
	var evidence api.Evidence
	switch leases := v.Cluster.APIServers; {
	case leases != nil && servers < *leases:
		evidence.Source = "leases in kube-system labelled apiserver.kubernetes.io/identity=kube-apiserver"
		evidence.Value = fmt.Sprintf("%d API servers, %d of them read", *leases, servers)
	case (leases == nil || *leases <= 0) && servers < measured:
		evidence.Source = "nodes of the control plane that were measured"
		evidence.Value = fmt.Sprintf("%d nodes, an API server was read on %d; the number of API servers was not read", measured, servers)
	default:
		return nil
	}
	return []api.Finding{{
		Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: fact.Subject{Kind: fact.SubjectCluster},
		Message: message, Evidence: []api.Evidence{evidence},
	}}
}

// judgeServer judges one API server. Writer names how it writes Secrets, "" if
// this is uncertain.
func judgeServer(v *checks.View, node *fact.Node, s *fact.APIServer) (f api.Finding, writer string) {
	config := inForceOn(v, node, s)
	f = api.Finding{
		Verdict: api.VerdictUnknown, Subject: fact.Subject{Kind: fact.SubjectNode, Name: node.Name},
		Reason: config.reason, Message: config.message, Evidence: config.evidence,
	}
	if !config.known() {
		return f, ""
	}
	if config.config == nil {
		f.Verdict = api.Fail
		f.Message = "the API server has no encryption configuration: it writes Secrets as plaintext"
		return f, identity
	}
	if len(config.providers) == 0 {
		f.Reason, f.Message = fact.Corrupt, "the encryption configuration names no provider for secrets"
		return f, ""
	}
	first := config.providers[0]
	switch first.Type {
	case identity:
		f.Verdict, f.Message = api.Fail, "identity is the first provider for secrets: the API server writes them as plaintext"
		if config.entry == "" {
			f.Message = "no entry of the encryption configuration covers secrets: the API server writes them as plaintext"
		}
		return f, identity
	case "aescbc", "aesgcm", "secretbox", "kms":
		f.Verdict, f.Message = api.Pass, "the API server writes Secrets encrypted by "+first.Type
		return f, writerOf(first)
	}
	f.Reason, f.Message = fact.Unsupported, fmt.Sprintf("the first provider for secrets is unknown: %q", first.Type)
	return f, ""
}

// writerOf names a provider with the key that writes, so that two API servers
// can be compared.
func writerOf(p fact.EncryptionProvider) string {
	switch {
	case p.Type == "kms":
		return "kms " + p.Name
	case len(p.Keys) > 0:
		return p.Type + " " + p.Keys[0]
	}
	return p.Type
}

func describeProviders(providers []fact.EncryptionProvider, entry string) string {
	names := make([]string, len(providers))
	for i, p := range providers {
		names[i] = p.Type
		if p.Name != "" {
			names[i] += " " + p.Name
		}
		if p.APIVersion != "" {
			names[i] += " " + p.APIVersion
		}
		if len(p.Keys) > 0 {
			names[i] += " (" + strings.Join(p.Keys, ", ") + ")"
		}
	}
	if entry == "" {
		return "no entry covers secrets"
	}
	return entry + ": " + strings.Join(names, ", ")
}

func stamp(t fact.Time) string {
	if t.IsZero() {
		return "not read"
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}
