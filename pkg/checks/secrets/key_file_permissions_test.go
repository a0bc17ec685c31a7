package secrets

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestKeyFilePermissions(t *testing.T) {
	box := fact.EncryptionProvider{Type: "secretbox", Keys: []string{"k"}}
	kms := fact.EncryptionProvider{Type: "kms", Name: "vault", APIVersion: "v2"}
	file := func(change func(*fact.FileAccess), providers ...fact.EncryptionProvider) *fact.Set {
		if len(providers) == 0 {
			providers = []fact.EncryptionProvider{box}
		}
		return server(changed(apiServer(providers...), func(s *fact.APIServer) { change(s.Encryption.File) }))
	}
	mode := func(m uint32, group, others bool) func(*fact.FileAccess) {
		return func(a *fact.FileAccess) { a.Mode, a.GroupReaches, a.OthersReach = m, group, others }
	}
	const (
		at   = " [node/cp1 " + encPath + " = mode "
		root = ", owner 0, group 0"
		pass = "pass cp1: only root can read or replace the encryption configuration"
	)
	judge(t, judgeKeyFilePermissions, cases{
		"0600 passes":                           {file(mode(0o600, true, true)), []string{pass + at + "0600" + root + "]"}},
		"0644 fails where everyone reaches it":  {file(mode(0o644, false, true)), []string{"high fail cp1: everyone can read the encryption keys" + at + "0644" + root + ", everyone reaches it]"}},
		"0640 fails where its group reaches it": {file(mode(0o640, true, false)), []string{"high fail cp1: group 0 can read the encryption keys" + at + "0640" + root + ", its group reaches it]"}},
		"0644 passes where nobody does":         {file(mode(0o644, false, false)), []string{pass + at + "0644" + root + ", the directories above it let nobody else through]"}},
		"0640 passes where only others do":      {file(mode(0o640, false, true)), []string{pass + at + "0640" + root + ", everyone reaches it]"}},
		"0711 gives nothing":                    {file(mode(0o711, true, true)), []string{pass + at + "0711" + root + ", everyone reaches it]"}},
		"0602 fails":                            {file(mode(0o602, true, true)), []string{"high fail cp1: everyone can write the encryption configuration" + at + "0602" + root + ", everyone reaches it]"}},
		"a directory that others can write to": {
			file(func(a *fact.FileAccess) { a.WritableParent = "/etc/kubernetes" }),
			[]string{"high fail cp1: a user other than root can replace the encryption configuration, through a directory on its path" + at + "0600" + root + ", others can write to /etc/kubernetes]"},
		},
		"another owner": {
			file(func(a *fact.FileAccess) { a.Owner = 1000 }),
			[]string{"medium fail cp1: the encryption configuration belongs to user 1000 and not to root" + at + "0600, owner 1000, group 0]"},
		},
		"an ACL is unknown": {
			file(func(a *fact.FileAccess) { a.ACL, a.Mode, a.GroupReaches = true, 0o640, true }),
			[]string{"unknown Unsupported cp1: the file of the encryption configuration has an ACL, whose entries were not read" + at + "0640" + root + ", with an ACL, its group reaches it]"},
		},
		"an ACL whose mask is empty gives nothing": {file(func(a *fact.FileAccess) { a.ACL = true }), []string{pass + at + "0600" + root + ", with an ACL]"}},
		"an ACL of a file that nobody else reaches gives nothing": {
			file(func(a *fact.FileAccess) { a.ACL, a.Mode = true, 0o640 }),
			[]string{pass + at + "0640" + root + ", with an ACL, the directories above it let nobody else through]"},
		},
		"an ACL does not hide what everyone has": {
			file(func(a *fact.FileAccess) { a.ACL, a.Mode, a.OthersReach = true, 0o644, true }),
			[]string{"high fail cp1: everyone can read the encryption keys" + at + "0644" + root + ", with an ACL, everyone reaches it]"},
		},
		"of a KMS alone there is no key to read": {
			file(mode(0o644, true, true), kms),
			[]string{"pass cp1: only root can replace the encryption configuration, which holds no key" + at + "0644" + root + ", everyone reaches it]"},
		},
		"of a KMS with an old key there is": {
			file(mode(0o644, false, true), kms, box), []string{"high fail cp1: everyone can read the encryption keys" + at + "0644" + root + ", everyone reaches it]"},
		},
		"bits that no mode has": {file(func(a *fact.FileAccess) { a.Mode = 0xffff0000 | 0o600 }), []string{pass + at + "0600" + root + "]"}},
		"facts of an earlier version are unknown": {
			server(changed(apiServer(box), func(s *fact.APIServer) { s.Encryption.File = nil })),
			[]string{"unknown NotPresent cp1: it was not read who can get at the file of the encryption configuration [node/cp1 /proc/10/cmdline --encryption-provider-config = set]"},
		},
		"and where the kind was not read, a gap says so": {
			ft.Edit(server(changed(apiServer(box), func(s *fact.APIServer) { s.Encryption.File = nil })), func(s *fact.Set) { s.Nodes[0].Measured.Read = []fact.Kind{fact.Etcd, fact.EncryptionConfig} }), nil,
		},
		"a configuration that was not read is unknown": {
			server(fact.APIServer{PID: 10, EncryptionFlag: true}),
			[]string{"unknown NotPresent cp1: it was not read who can get at the file of the encryption configuration [node/cp1 /proc/10/cmdline --encryption-provider-config = set]"},
		},
		"settings that were not read may name a file": {
			server(fact.APIServer{PID: 10, Unfollowed: "x"}),
			[]string{"unknown Unsupported cp1: it is unknown whether the API server has an encryption configuration, because some of its settings are in a place that was not read [node/cp1 /proc/10/cmdline = x]"},
		},
		"another API server that was not read": {
			ft.Edit(file(mode(0o600, true, true)), func(s *fact.Set) { s.Cluster.APIServers = ft.Ptr(2) }),
			[]string{pass + at + "0600" + root + "]", "unknown NotPresent Cluster: not every API server was read, and each has a configuration file of its own " +
				"[leases in kube-system labelled apiserver.kubernetes.io/identity=kube-apiserver = 2 API servers, 1 of them read]"},
		},
		"without a configuration there is no file": {server(fact.APIServer{PID: 10}), nil},
		"of a worker it counts for nothing":        {onWorker(file(mode(0o644, true, true))), nil},
	})
}
