package secrets

import (
	"fmt"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// KeyFilePermissions fails an encryption configuration that somebody besides root can
// read or replace. Source: owner, mode and the directories on the path, on the node.
var KeyFilePermissions = checks.Check{
	ID:       "secrets/key-file-permissions",
	Title:    "Only root can read or replace the encryption keys",
	Severity: api.High,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.EncryptionConfig, fact.StorageFiles},
	Scope:    checks.ScopeNode,
	Why: "The encryption configuration holds the keys. Who can read it can decrypt every copy of the data, and who can write it can turn " +
		"encryption off.",
	Remediation: "Run chown root:root FILE and chmod 0600 FILE, and take write permission for others from the directories above it (chmod go-w DIR).",
	References: []string{
		"https://kubernetes.io/docs/tasks/administer-cluster/encrypt-data/",
		"https://www.cisecurity.org/benchmark/kubernetes",
	},
	Judge: judgeKeyFilePermissions,
}

func judgeKeyFilePermissions(v *checks.View) []api.Finding {
	var findings []api.Finding
	eachServer(v, func(node *fact.Node, s *fact.APIServer) {
		if s.Encryption == nil && !s.EncryptionFlag && s.Unfollowed == "" {
			return // there is no such file; secrets/encryption-config judges that
		}
		if (s.Encryption == nil || s.Encryption.File == nil) && !node.Measured.HasRead(fact.StorageFiles) {
			return // a gap says so
		}
		findings = append(findings, judgeKeyFile(node, s))
	})
	if len(findings) == 0 {
		return nil
	}
	return append(findings, unreadServers(v, fact.EncryptionConfig, "not every API server was read, and each has a configuration file of its own")...)
}

func judgeKeyFile(node *fact.Node, s *fact.APIServer) api.Finding {
	f := api.Finding{Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: fact.Subject{Kind: fact.SubjectNode, Name: node.Name}}
	if s.Encryption == nil && !s.EncryptionFlag {
		f.Reason, f.Message = fact.Unsupported, "it is unknown whether the API server has an encryption configuration, because some of its settings are in a place that was not read"
		f.Evidence = []api.Evidence{unfollowed(node, s)}
		return f
	}
	if s.Encryption == nil || s.Encryption.File == nil {
		f.Message = "it was not read who can get at the file of the encryption configuration"
		f.Evidence = []api.Evidence{{Source: flagSource(node, s), Value: "set"}}
		return f
	}
	a := s.Encryption.File
	f.Evidence = []api.Evidence{{Source: checks.NodeSource(node, "%s", s.Encryption.Path), Value: describeAccess(a)}}
	fail := func(severity api.Severity, message string) api.Finding {
		f.Verdict, f.Reason, f.Severity, f.Message = api.Fail, "", severity, message
		return f
	}
	// A configuration of KMS plugins alone holds no key.
	keys := slices.ContainsFunc(s.Encryption.Entries, func(e fact.EncryptionEntry) bool {
		return slices.ContainsFunc(e.Providers, func(p fact.EncryptionProvider) bool { return p.Type != identity && p.Type != "kms" })
	})
	switch {
	case writers(a) != "":
		return fail(api.High, writers(a)+" can write the encryption configuration")
	case a.WritableParent != "":
		return fail(api.High, "a user other than root can replace the encryption configuration, through a directory on its path")
	case keys && readers(a) != "":
		return fail(api.High, readers(a)+" can read the encryption keys")
	case a.Owner != 0:
		return fail(api.Medium, fmt.Sprintf("the encryption configuration belongs to user %d and not to root", a.Owner))
	case hiddenEntries(a):
		f.Reason, f.Message = fact.Unsupported, "the file of the encryption configuration has an ACL, whose entries were not read"
		return f
	}
	f.Verdict, f.Reason, f.Message = api.Pass, "", "only root can read or replace the encryption configuration"
	if !keys {
		f.Message = "only root can replace the encryption configuration, which holds no key"
	}
	return f
}
