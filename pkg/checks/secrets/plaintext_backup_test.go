package secrets

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

func TestPlaintextBackup(t *testing.T) {
	backup := func(path string, change func(*fact.Backup)) fact.Backup {
		b := fact.Backup{Path: path, Format: "etcd snapshot", Size: 50_000, Complete: true, Access: fact.FileAccess{Path: path, Mode: 0o600}}
		if change != nil {
			change(&b)
		}
		return b
	}
	with := func(list ...fact.Backup) *fact.Set {
		return nodeWith(func(m *fact.Measurement) { m.Backups = list })
	}
	const (
		holds = "a copy of a store holds values of Secrets in plaintext"
		pass  = "high pass cp1: no copy of a store with a Secret in plaintext was found in the usual places of this node [node/cp1 files in the usual places of backups = "
		size  = " = etcd snapshot, 50000 bytes"
		shut  = "node/cp1 /root/a.db access = mode 0600, owner 0, group 0]"
	)
	plain := func(b *fact.Backup) { b.Values, b.Unnamed = 3, 3 }
	judge(t, judgePlaintextBackup, cases{
		"none passes for the node": {with(), []string{pass + "0 copies of a store]"}},
		"copies without plaintext are evidence, encrypted files too": {
			with(backup("/a", nil), backup("/b.age", func(b *fact.Backup) { b.Format, b.Encrypted, b.Complete = "unknown", "age", false })),
			[]string{pass + "2 copies of a store; node/cp1 /a" + size + ": no value in plaintext; node/cp1 /b.age = unknown, 50000 bytes, encrypted (age)]"},
		},
		"plaintext fails for the file": {
			with(backup("/root/a.db", plain), backup("/b", nil)),
			[]string{"high fail root/a.db: " + holds + " [node/cp1 /root/a.db" + size + ": 3 values in plaintext; 3 of Secrets that the bytes do not name; " + shut},
		},
		"at least so many where it was not read whole": {
			with(backup("/root/a.db", func(b *fact.Backup) {
				plain(b)
				b.Complete, b.Compression, b.Reason = false, "gzip", fact.Truncated
			})),
			[]string{"high fail root/a.db: " + holds + " [node/cp1 /root/a.db = etcd snapshot, gzip, 50000 bytes: at least 3 values in plaintext; 3 of Secrets that the bytes do not name; " + shut},
		},
		"what others can read is critical": {
			with(backup("/a", func(b *fact.Backup) {
				b.Values, b.Secrets, b.SecretsTotal = 9, []fact.RemainingSecret{{Namespace: "shop", Name: "db", Values: 9}}, 4
				b.Access.Mode, b.Access.OthersReach = 0o644, true
			})),
			[]string{"critical fail a: " + holds + ", and everyone can read it [node/cp1 /a" + size + ": 9 values in plaintext, of shop/db and 3 more; " +
				"node/cp1 /a access = mode 0644, owner 0, group 0, everyone reaches it]"},
		},
		"a mode that lets others in below a directory that does not": {
			with(backup("/root/a.db", func(b *fact.Backup) { plain(b); b.Access.Mode = 0o644 })),
			[]string{"high fail root/a.db: " + holds + " [node/cp1 /root/a.db" + size + ": 3 values in plaintext; 3 of Secrets that the bytes do not name; " +
				"node/cp1 /root/a.db access = mode 0644, owner 0, group 0, the directories above it let nobody else through]"},
		},
		"not read whole and nothing found is unknown": {
			with(backup("/a", func(b *fact.Backup) { b.Complete, b.Reason, b.Detail = false, fact.Timeout, "10 s" }), backup("/b", func(b *fact.Backup) { b.Complete, b.Format = false, "" })),
			[]string{
				"high unknown Timeout a: a file that looks like a copy of a store was not read completely [node/cp1 /a" + size + ": 10 s]",
				"high unknown Truncated b: a file that looks like a copy of a store was not read completely [node/cp1 /b = unknown, 50000 bytes]",
			},
		},
		"encrypted with plaintext in it fails": {
			with(backup("/root/a.db", func(b *fact.Backup) { plain(b); b.Encrypted = "age" })),
			[]string{"high fail root/a.db: " + holds + " [node/cp1 /root/a.db" + size + ": 3 values in plaintext; 3 of Secrets that the bytes do not name; " + shut},
		},
		"a worker speaks for itself": {
			onWorker(with(backup("/root/a.db", plain))),
			[]string{"high fail root/a.db: " + holds + " [node/cp1 /root/a.db" + size + ": 3 values in plaintext; 3 of Secrets that the bytes do not name; " + shut},
		},
		"negative counts are none, and a gap": {with(backup("/a", func(b *fact.Backup) { b.Values = -1 })), nil},
		"a gap is no pass, also of a worker": {
			onWorker(nodeWith(func(m *fact.Measurement) { m.Gaps = []fact.NodeGap{{What: fact.Backups, Reason: fact.Truncated}} })), nil,
		},
		"facts of an earlier version: a gap says so": {
			nodeWith(func(m *fact.Measurement) { m.Read = []fact.Kind{fact.Etcd} }), nil,
		},
		"a node that was not measured": {&fact.Set{Nodes: []fact.Node{{Name: "w"}}}, nil},
	})
	if got := checks.OfSet(judgePlaintextBackup)(with(backup("/a", plain)))[0].Subject; got.Kind != fact.SubjectFile || got.Node != "cp1" || got.Name != "/a" {
		t.Errorf("subject %+v", got)
	}
}
