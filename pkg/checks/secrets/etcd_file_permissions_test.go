package secrets

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestEtcdFilePermissions(t *testing.T) {
	with := func(change func(*fact.StoreFiles)) *fact.Set {
		db := etcd(encrypted("a", 7))
		db.Files = ft.StoreFiles()
		change(db.Files)
		return live(list("a@7"), db)
	}
	open := func(files ...fact.FileAccess) func(*fact.StoreFiles) {
		return func(f *fact.StoreFiles) { f.Open, f.OpenTotal = files, len(files) }
	}
	db := fact.FileAccess{Path: dbPath, Mode: 0o644}
	const (
		dir  = "[node/cp1 /var/lib/etcd = mode 0700, owner 0, group 0; 7 files below it, "
		pass = "pass cp1: only root and the store's own user can get at the files of etcd " + dir
	)
	judge(t, judgeEtcdFilePermissions, cases{
		"0700 passes": {with(func(*fact.StoreFiles) {}), []string{pass + "0 with a mode that lets others in]"}},
		"an open mode behind a closed directory passes, as of kine": {with(open(db)), []string{pass + "1 with a mode that lets others in]"}},
		"etcd's own user": {
			with(func(f *fact.StoreFiles) { f.Dir.Owner, f.UID = 52034, 52034 }),
			[]string{"pass cp1: only root and the store's own user can get at the files of etcd [node/cp1 /var/lib/etcd = mode 0700, owner 52034, group 0; 7 files below it, 0 with a mode that lets others in]"},
		},
		"another user": {
			with(func(f *fact.StoreFiles) { f.Dir.Owner, f.UID = 1000, 52034 }),
			[]string{"medium fail cp1: the data directory of etcd belongs to user 1000, and etcd runs as 52034 [node/cp1 /var/lib/etcd = mode 0700, owner 1000, group 0]"},
		},
		"a directory that everyone can enter": {
			with(func(f *fact.StoreFiles) { f.Dir.Mode, f.Dir.OthersReach = 0o755, true }),
			[]string{"medium fail cp1: everyone can enter or list the data directory of etcd [node/cp1 /var/lib/etcd = mode 0755, owner 0, group 0, everyone reaches it]"},
		},
		"a directory that nobody else reaches": {
			with(func(f *fact.StoreFiles) { f.Dir.Mode = 0o755 }),
			[]string{"pass cp1: only root and the store's own user can get at the files of etcd " +
				"[node/cp1 /var/lib/etcd = mode 0755, owner 0, group 0, the directories above it let nobody else through; 7 files below it, 0 with a mode that lets others in]"},
		},
		"a directory that everyone can write to": {
			with(func(f *fact.StoreFiles) { f.Dir.Mode, f.Dir.OthersReach = 0o777, true }),
			[]string{"high fail cp1: everyone can write to the data directory of etcd [node/cp1 /var/lib/etcd = mode 0777, owner 0, group 0, everyone reaches it]"},
		},
		"a directory above it that others can write to": {
			with(func(f *fact.StoreFiles) { f.Dir.WritableParent = "/var/lib" }),
			[]string{"high fail cp1: a user other than root and the store's own can replace the data directory of etcd [node/cp1 /var/lib/etcd = mode 0700, owner 0, group 0, others can write to /var/lib]"},
		},
		"a file that everyone can read, one that a group can write": {
			with(open(fact.FileAccess{Path: "/a", Mode: 0o644, OthersReach: true}, fact.FileAccess{Path: "/b", Mode: 0o660, Group: 5, GroupReaches: true})),
			[]string{
				"high fail cp1: everyone can read files of etcd [node/cp1 /a = mode 0644, owner 0, group 0, everyone reaches it]",
				"high fail cp1: group 5 can write files of etcd [node/cp1 /b = mode 0660, owner 0, group 5, its group reaches it]",
			},
		},
		"files that are not in the facts": {
			with(func(f *fact.StoreFiles) { f.OpenTotal = 1 }),
			[]string{"unknown Truncated cp1: not every file of etcd that has an open mode is in the facts " + dir + "1 with a mode that lets others in]"},
		},
		"an ACL is unknown": {
			with(func(f *fact.StoreFiles) { f.Dir.ACL, f.Dir.Mode, f.Dir.GroupReaches = true, 0o750, true }),
			[]string{"unknown Unsupported cp1: files of etcd have an ACL, whose entries were not read " +
				"[node/cp1 /var/lib/etcd = mode 0750, owner 0, group 0, with an ACL, its group reaches it; 7 files below it, 0 with a mode that lets others in]"},
		},
		"an ACL of a file, too": {
			with(open(fact.FileAccess{Path: "/a", Mode: 0o660, ACL: true, GroupReaches: true})),
			[]string{"unknown Unsupported cp1: files of etcd have an ACL, whose entries were not read " + dir + "1 with a mode that lets others in]"},
		},
		"a file that others can replace": {
			with(open(fact.FileAccess{Path: "/a", Mode: 0o600, WritableParent: "/x"})),
			[]string{"high fail cp1: a user other than root and the store's own can replace files of etcd [node/cp1 /a = mode 0600, owner 0, group 0, others can write to /x]"},
		},
		"no file is no proof": {
			with(func(f *fact.StoreFiles) { f.Files = -2 }),
			[]string{"unknown NotPresent cp1: no file was found in the data directory of etcd [node/cp1 /var/lib/etcd = mode 0700, owner 0, group 0; 0 files below it, 0 with a mode that lets others in]"},
		},
		"facts of an earlier version are unknown": {
			live(list("a@7"), etcd(encrypted("a", 7))),
			[]string{"unknown NotPresent cp1: it was not read who can get at the files of etcd [node/cp1 = no owners and modes in the facts]"},
		},
		"and where the kind was not read, a gap says so": {
			ft.Edit(live(list("a@7"), etcd(encrypted("a", 7))), func(s *fact.Set) { s.Nodes[0].Measured.Read = []fact.Kind{fact.Etcd, fact.EncryptionConfig} }), nil,
		},
		"of kine": {
			live(list("a@7"), edited(kine(encrypted("a", 7)), func(db *fact.EtcdDB) {
				db.Files = &fact.StoreFiles{Dir: fact.FileAccess{Path: "/db", Mode: 0o755, OthersReach: true}, Files: 2}
			})),
			[]string{"medium fail cp1: everyone can enter or list the data directory of SQLite (kine) [node/cp1 /db = mode 0755, owner 0, group 0, everyone reaches it]"},
		},
		"of another's store it counts for nothing": {
			live(list("a@7"), edited(etcd(encrypted("x", 900)), func(db *fact.EtcdDB) { db.Files = &fact.StoreFiles{} })), nil,
		},
		"of a worker's it counts for nothing": {onWorker(with(open(fact.FileAccess{Path: "/a", Mode: 0o666, OthersReach: true}))), nil},
		"of a snapshot it says nothing": {
			&fact.Set{Snapshot: ft.Ptr(edited(etcd(), func(db *fact.EtcdDB) { db.Files = ft.StoreFiles() }))}, nil,
		},
	})
}
