package secrets

import (
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

const encPath = "/etc/kubernetes/enc.yaml"

// apiServer is one whose configuration is in force, with these providers for Secrets.
func apiServer(providers ...fact.EncryptionProvider) fact.APIServer {
	return fact.APIServer{
		PID: 10, Started: ft.Time, EncryptionFlag: true,
		Encryption: &fact.EncryptionConfiguration{
			Path: encPath, Hash: "sha256:00", Changed: fact.NewTime(ft.Time.Add(-time.Hour)), File: ft.RootFile(encPath),
			Entries: []fact.EncryptionEntry{{Resources: []string{"secrets"}, Providers: providers}},
		},
	}
}

// serving gives the nodes of a set an API server each.
func serving(set *fact.Set, servers ...fact.APIServer) *fact.Set {
	for i, s := range servers {
		set.Nodes[i].Measured.APIServers = []fact.APIServer{s}
	}
	return set
}

func server(s fact.APIServer) *fact.Set {
	return nodeWith(func(m *fact.Measurement) { m.APIServers = []fact.APIServer{s} })
}

func changed(s fact.APIServer, change func(*fact.APIServer)) fact.APIServer {
	change(&s)
	return s
}

func TestWeakProvider(t *testing.T) {
	key := func(kind string) fact.EncryptionProvider {
		return fact.EncryptionProvider{Type: kind, Keys: []string{"k"}}
	}
	kms := func(version string) fact.EncryptionProvider {
		return fact.EncryptionProvider{Type: "kms", Name: "vault", APIVersion: version}
	}
	const at = " [node/cp1 /proc/10/cmdline --encryption-provider-config = " + encPath + "; node/cp1 " + encPath + " resources = secrets: "
	judge(t, judgeWeakProvider, cases{
		"secretbox passes":         {server(apiServer(key("secretbox"))), []string{"pass cp1: Secrets are encrypted by secretbox" + at + "secretbox (k)]"}},
		"kms v2 passes":            {server(apiServer(kms("v2"))), []string{"pass cp1: Secrets are encrypted by kms v2" + at + "kms vault v2]"}},
		"aescbc fails":             {server(apiServer(key("aescbc"))), []string{"medium fail cp1: Secrets are encrypted by aescbc, which is weak, with a key in a file" + at + "aescbc (k)]"}},
		"aesgcm fails":             {server(apiServer(key("aesgcm"))), []string{"medium fail cp1: Secrets are encrypted by aesgcm, which is weak, with a key in a file" + at + "aesgcm (k)]"}},
		"kms v1 fails":             {server(apiServer(kms("v1"))), []string{"medium fail cp1: Secrets are encrypted by kms v1, which is deprecated" + at + "kms vault v1]"}},
		"kms without a version is": {server(apiServer(kms(""))), []string{"medium fail cp1: Secrets are encrypted by kms v1, which is deprecated" + at + "kms vault]"}},
		"kms v3 is unknown":        {server(apiServer(kms("v3"))), []string{`unknown Unsupported cp1: the first provider for secrets is unknown: "kms"` + at + "kms vault v3]"}},
		"identity fails":           {server(apiServer(key(identity))), []string{"high fail cp1: Secrets are written as plaintext: no provider encrypts them" + at + "identity (k)]"}},
		"the first one counts": {
			server(apiServer(key("secretbox"), key("aescbc"))), []string{"pass cp1: Secrets are encrypted by secretbox" + at + "secretbox (k), aescbc (k)]"},
		},
		"no configuration fails": {
			server(fact.APIServer{PID: 10}),
			[]string{"high fail cp1: Secrets are written as plaintext: no provider encrypts them [node/cp1 /proc/10/cmdline --encryption-provider-config = not set]"},
		},
		"no provider is unknown":  {server(apiServer()), []string{"unknown Corrupt cp1: the encryption configuration names no provider for secrets" + at + "]"}},
		"another word is unknown": {server(apiServer(key("rot13"))), []string{`unknown Unsupported cp1: the first provider for secrets is unknown: "rot13"` + at + "rot13 (k)]"}},
		"not in force is unknown": {
			server(changed(apiServer(key("secretbox")), func(s *fact.APIServer) { s.Encryption.Changed = fact.NewTime(ft.Time.Add(time.Hour)) })),
			[]string{"unknown Changing cp1: the encryption configuration changed after the API server started, and the API server does not reload it" + at +
				"secretbox (k); node/cp1 " + encPath + " ctime, /proc/10/stat starttime = changed 2026-11-24T13:00:00Z, started 2026-11-24T12:00:00Z]"},
		},
		"another API server that was not read": {
			ft.Edit(server(apiServer(key("secretbox"))), func(s *fact.Set) { s.Cluster.APIServers = ft.Ptr(2) }),
			[]string{"pass cp1: Secrets are encrypted by secretbox" + at + "secretbox (k)]", "unknown NotPresent Cluster: not every API server was read, and each writes in its own way " +
				"[leases in kube-system labelled apiserver.kubernetes.io/identity=kube-apiserver = 2 API servers, 1 of them read]"},
		},
		"of a worker it counts for nothing": {onWorker(server(apiServer(key("aescbc")))), nil},
	})
}
