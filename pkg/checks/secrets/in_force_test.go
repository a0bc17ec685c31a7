package secrets

import (
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// Which configuration an API server has loaded: "" is known.
func TestInForce(t *testing.T) {
	const (
		file       = "the encryption configuration changed after the API server started, and the API server does not reload it"
		path       = "a link or directory on the path of the encryption configuration changed after the API server started, so it may have loaded another file"
		reload     = "the encryption configuration changed after the API server started; it is unknown whether it was reloaded"
		old        = "it is unknown whether the path of the encryption configuration changed after the API server started: the facts have the time of the file only"
		other      = "the API server has loaded another encryption configuration than the file holds now"
		unread     = "it is unknown whether the API server uses this encryption configuration, because some of its settings are in a place that was not read"
		noSettings = "it is unknown whether the API server has an encryption configuration, because some of its settings are in a place that was not read"
	)
	box := fact.EncryptionProvider{Type: "secretbox", Keys: []string{"k1", "k0"}}
	late := fact.NewTime(ft.Time.Add(time.Hour))
	// set is a cluster of one API server and one etcd with these Secrets. Its
	// configuration has changed after its start.
	set := func(secrets ...fact.StoredSecret) *fact.Set {
		names := list()
		for _, s := range secrets {
			names = append(names, list(s.Name+"@"+itoa(s.Revision))...)
		}
		s := serving(live(names, etcd(secrets...)), apiServer(box))
		s.Cluster.APIServers = ft.Ptr(1)
		e := s.Nodes[0].Measured.APIServers[0].Encryption
		e.Changed, e.Hash = late, "sha256:aa"
		return s
	}
	k1 := under("a", 9, "secretbox:v1:k1")
	k0 := under("b", 7, "secretbox:v1:k0")
	loaded := func(hashes ...string) func(*fact.Set) {
		return func(s *fact.Set) {
			for i := 0; i+1 < len(hashes); i += 2 {
				s.Cluster.LoadedEncryption = append(s.Cluster.LoadedEncryption, fact.LoadedEncryption{Node: hashes[i], Server: "x", Hash: hashes[i+1]})
			}
		}
	}
	encryption := func(change func(*fact.EncryptionConfiguration)) func(*fact.Set) {
		return func(s *fact.Set) { change(s.Nodes[0].Measured.APIServers[0].Encryption) }
	}
	process := func(change func(*fact.APIServer)) func(*fact.Set) {
		return func(s *fact.Set) { change(&s.Nodes[0].Measured.APIServers[0]) }
	}
	unchanged := encryption(func(e *fact.EncryptionConfiguration) { e.Changed = ft.Time })
	second := func(s *fact.Set) {
		m := s.Nodes[0].Measured
		m.APIServers = append(m.APIServers, m.APIServers[0])
	}
	for name, tc := range map[string]struct {
		set    *fact.Set
		want   string
		reason fact.Reason
	}{
		"nothing has changed since the start": {ft.Edit(set(k0), unchanged), "", ""},
		"the file has":                        {set(k0), file, fact.Changing},
		"a directory on its path has":         {ft.Edit(set(k0), encryption(func(e *fact.EncryptionConfiguration) { e.ChangedAt = "/etc" })), path, fact.Changing},
		"and should have been loaded":         {ft.Edit(set(k0), encryption(func(e *fact.EncryptionConfiguration) { e.AutoReload = true })), reload, fact.Changing},

		// What the API server publishes.
		"it has loaded this file":                                     {ft.Edit(set(k0), loaded("cp1", "sha256:aa")), "", ""},
		"by the host name of its node":                                {ft.Edit(set(k0), loaded("host1", "sha256:aa"), func(s *fact.Set) { s.Nodes[0].Labels["kubernetes.io/hostname"] = "host1" }), "", ""},
		"it has loaded another, though nothing seems to have changed": {ft.Edit(set(k1), unchanged, loaded("cp1", "sha256:bb")), other, fact.Changing},
		"one of two entries is another":                               {ft.Edit(set(k1), loaded("cp1", "sha256:aa", "cp1", "sha256:bb")), other, fact.Changing},
		"another node's hash shows nothing":                           {ft.Edit(set(k0), loaded("cp2", "sha256:aa")), file, fact.Changing},
		"a hash of no known node shows nothing":                       {ft.Edit(set(k0), loaded("", "sha256:aa"), func(s *fact.Set) { s.Nodes[0].Name = "" }), file, fact.Changing},
		"an empty one shows nothing":                                  {ft.Edit(set(k0), loaded("cp1", ""), encryption(func(e *fact.EncryptionConfiguration) { e.Hash = "" })), file, fact.Changing},
		"facts of an earlier version, with the file's own time only":  {ft.Edit(set(k0), unchanged, loaded("cp1", "sha256:bb"), encryption(func(e *fact.EncryptionConfiguration) { e.Hash = "" })), old, fact.NotPresent},
		"two processes on the node: it may be the other's":            {ft.Edit(set(k0), loaded("cp1", "sha256:aa"), second), file, fact.Changing},

		// What it has stored is no proof: the newest Secret may have been written before
		// this process started. Sequence: k1, another configuration with a restart and no
		// write, then the file set back.
		"its newest Secret is under the first key": {set(k0, k1), file, fact.Changing},
		"and only a link has changed":              {ft.Edit(set(k1), encryption(func(e *fact.EncryptionConfiguration) { e.ChangedAt = "/etc/enc.yaml" })), path, fact.Changing},
		"the newest is plaintext, as identity writes it": {ft.Edit(set(plaintext("a", 9)), encryption(func(e *fact.EncryptionConfiguration) {
			e.Entries[0].Providers = []fact.EncryptionProvider{{Type: identity}}
		})), file, fact.Changing},

		// Settings in another place.
		"settings that were not read: unchanged is no proof": {
			ft.Edit(set(k0), unchanged, process(func(s *fact.APIServer) { s.Unfollowed = "x" })), unread, fact.Unsupported,
		},
		"the hash is":              {ft.Edit(set(k0), loaded("cp1", "sha256:aa"), process(func(s *fact.APIServer) { s.Unfollowed = "x" })), "", ""},
		"the newest Secret is not": {ft.Edit(set(k1), process(func(s *fact.APIServer) { s.Unfollowed = "x" })), unread, fact.Unsupported},
		"no flag, and settings that were not read": {
			ft.Edit(set(k1), process(func(s *fact.APIServer) { s.Unfollowed, s.Encryption, s.EncryptionFlag = "x", nil, false })), noSettings, fact.Unsupported,
		},
		"no flag": {ft.Edit(set(k1), process(func(s *fact.APIServer) { s.Encryption, s.EncryptionFlag = nil, false })), "", ""},
		"no flag on OpenShift, whose file was read": {
			ft.Edit(set(k1), func(s *fact.Set) { s.Nodes[0].Labels["node.openshift.io/os_id"] = "rhcos" },
				process(func(s *fact.APIServer) { s.ConfigFile, s.Encryption, s.EncryptionFlag = "/c.yaml", nil, false })), "", "",
		},
		"a file that was not read": {
			ft.Edit(set(k1), process(func(s *fact.APIServer) { s.Encryption = nil })), "the API server's encryption configuration was not read", fact.NotPresent,
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := checks.NewView(tc.set)
			node := &v.Nodes[0]
			got := inForceOn(v, node, &node.Measured.APIServers[0])
			if got.message != tc.want || got.reason != tc.reason {
				t.Errorf("want %q (%s), got %q (%s)", tc.want, tc.reason, got.message, got.reason)
			}
			if got.known() == (got.message != "") || len(got.evidence) == 0 {
				t.Errorf("%+v", got)
			}
		})
	}
}

func itoa(n int64) string { return string([]byte{byte('0' + n%10)}) }

// What the evidence names: where settings were looked for, and what proves them.
func TestEvidenceOfWhatIsInForce(t *testing.T) {
	box := fact.EncryptionProvider{Type: "secretbox", Keys: []string{"k1"}}
	s := serving(live(list("a@9"), etcd(under("a", 9, "secretbox:v1:k1"))), apiServer(box))
	s.Cluster.APIServers = ft.Ptr(1)
	e := s.Nodes[0].Measured.APIServers[0].Encryption
	e.Changed, e.ChangedAt, e.Hash = fact.NewTime(ft.Time.Add(time.Hour)), "/etc/kubernetes", "sha256:aa"
	const at = "pass cp1: the API server writes Secrets encrypted by secretbox [node/cp1 /proc/10/cmdline --encryption-provider-config = " + encPath +
		"; node/cp1 " + encPath + " resources = secrets: secretbox (k1); "
	judge(t, judgeEncryptionConfig, cases{
		"by the hash": {
			ft.Edit(s.DeepCopy(), func(s *fact.Set) {
				s.Cluster.LoadedEncryption = []fact.LoadedEncryption{{Node: "cp1", Hash: "sha256:aa"}}
			}),
			[]string{at + "metric apiserver_encryption_config_controller_last_config_info of cp1 = sha256:aa]"},
		},
		"by another hash": {
			ft.Edit(s.DeepCopy(), func(s *fact.Set) {
				s.Cluster.LoadedEncryption = []fact.LoadedEncryption{{Node: "cp1", Hash: "sha256:bb"}}
			}),
			[]string{"unknown Changing cp1: the API server has loaded another encryption configuration than the file holds now" +
				at[len("pass cp1: the API server writes Secrets encrypted by secretbox"):] +
				"metric apiserver_encryption_config_controller_last_config_info of cp1 = loaded sha256:bb, the file has sha256:aa]"},
		},
		"by nothing: the place that changed": {
			s, []string{"unknown Changing cp1: a link or directory on the path of the encryption configuration changed after the API server started, so it may have loaded another file" +
				at[len("pass cp1: the API server writes Secrets encrypted by secretbox"):] +
				"node/cp1 /etc/kubernetes ctime, /proc/10/stat starttime = changed 2026-11-24T13:00:00Z, started 2026-11-24T12:00:00Z]"},
		},
		"k3s": {
			server(fact.APIServer{PID: 10, Program: "k3s", ConfigFile: "/etc/rancher/k3s/config.yaml"}),
			[]string{"fail cp1: the API server has no encryption configuration: it writes Secrets as plaintext " +
				"[node/cp1 /proc/10/cmdline and /etc/rancher/k3s/config.yaml --secrets-encryption = not set]"},
		},
	})
}
