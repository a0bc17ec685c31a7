package secrets

import (
	"cmp"
	"fmt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// PlaintextBackup fails a file on a node that holds values of Secrets in plaintext: a
// copy of a store, found by its content in the usual places. A node speaks for itself
// alone, whatever its role, so a pass is about one node and those places. A yes needs
// every node, and those of the control plane among them, where stores and their backups
// are. Source: the
// file's own bytes, those of an archive or of compressed files too.
var PlaintextBackup = checks.Check{
	ID:       "secrets/plaintext-backup",
	Title:    "No copy of the store in the usual places of a node holds a Secret in plaintext",
	Severity: api.Critical,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Backups},
	Scope:    checks.ScopeSecret,
	Evidence: 24,
	Why: "A backup of etcd from before encryption was turned on holds every Secret of that day, and so does the copy that kubeadm makes " +
		"before an upgrade. Encryption in the API server does not reach it, and few people watch who can read it.",
	Remediation: "Delete the file (shred -u FILE) if nobody needs it. Otherwise encrypt it (age -r RECIPIENT -o FILE.age FILE) and delete the " +
		"original, and make new backups from an encrypted store. " + rotate,
	References: []string{
		"https://etcd.io/docs/v3.6/op-guide/recovery/",
		"https://kubernetes.io/docs/tasks/administer-cluster/encrypt-data/",
	},
	Judge: judgePlaintextBackup,
}

func judgePlaintextBackup(v *checks.View) []api.Finding {
	var findings []api.Finding
	for i := range v.Nodes {
		if node := &v.Nodes[i]; node.Measured.HasRead(fact.Backups) {
			findings = append(findings, judgeBackups(node)...)
		}
	}
	return findings
}

func judgeBackups(node *fact.Node) []api.Finding {
	var findings []api.Finding
	clean := []api.Evidence{{Source: checks.NodeSource(node, "files in the usual places of backups"), Value: checks.Count(len(node.Measured.Backups), "copy of a store")}}
	if n := len(node.Measured.Backups); n != 1 {
		clean[0].Value = fmt.Sprintf("%d copies of a store", n)
	}
	for i := range node.Measured.Backups {
		b := &node.Measured.Backups[i]
		e := api.Evidence{Source: checks.NodeSource(node, "%s", b.Path), Value: describeBackup(b)}
		f := api.Finding{
			Verdict: api.Fail, Severity: api.High, Subject: fact.Subject{Kind: fact.SubjectFile, Name: b.Path, Node: node.Name},
			Message: "a copy of a store holds values of Secrets in plaintext", Evidence: []api.Evidence{e},
		}
		switch {
		case b.Values > 0:
			f.Evidence[0].Value += ": " + describeValues(b.Values, b.Unnamed, b.Secrets, b.SecretsTotal, b.Complete)
			f.Evidence = append(f.Evidence, api.Evidence{Source: e.Source + " access", Value: describeAccess(&b.Access)})
			if who := readers(&b.Access); who != "" {
				f.Severity = api.Critical
				f.Message += ", and " + who + " can read it"
			}
			findings = append(findings, f)
		case b.Encrypted != "":
			e.Value += ", encrypted (" + b.Encrypted + ")"
			clean = append(clean, e)
		case !b.Complete:
			f.Verdict, f.Severity, f.Reason = api.VerdictUnknown, api.High, cmp.Or(b.Reason, fact.Truncated)
			f.Message = "a file that looks like a copy of a store was not read completely"
			if b.Detail != "" {
				f.Evidence[0].Value += ": " + b.Detail
			}
			findings = append(findings, f)
		default:
			e.Value += ": no value in plaintext"
			clean = append(clean, e)
		}
	}
	if len(findings) == 0 && !hasGap(node, fact.Backups) {
		findings = append(findings, api.Finding{
			Verdict: api.Pass, Severity: api.High, Subject: fact.Subject{Kind: fact.SubjectNode, Name: node.Name},
			Message: "no copy of a store with a Secret in plaintext was found in the usual places of this node", Evidence: clean,
		})
	}
	return findings
}

// describeBackup is evidence: "etcd snapshot, gzip, 12345 bytes".
func describeBackup(b *fact.Backup) string {
	text := cmp.Or(b.Format, "unknown")
	if b.Compression != "" {
		text += ", " + b.Compression
	}
	return text + fmt.Sprintf(", %d bytes", b.Size)
}
