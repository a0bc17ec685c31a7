package secrets

import (
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestEncryptionConfig(t *testing.T) {
	started := ft.Time
	before, after := fact.NewTime(started.Add(-time.Hour)), fact.NewTime(started.Add(time.Hour))
	const path = "/etc/kubernetes/enc.yaml"
	aes := fact.EncryptionProvider{Type: "aescbc", Keys: []string{"key1", "key0"}}
	identity := fact.EncryptionProvider{Type: "identity"}
	kms := fact.EncryptionProvider{Type: "kms", Name: "vault", APIVersion: "v2", Endpoint: "unix:///run/kms.sock"}
	config := func(changed fact.Time, providers ...fact.EncryptionProvider) fact.APIServer {
		return fact.APIServer{
			PID: 10, Started: started, EncryptionFlag: true,
			Encryption: &fact.EncryptionConfiguration{
				Path: path, Hash: "sha256:00", Changed: changed, Entries: []fact.EncryptionEntry{{Resources: []string{"secrets"}, Providers: providers}},
			},
		}
	}
	none := fact.APIServer{PID: 10, Started: started}
	servers := func(list ...fact.APIServer) *fact.Set {
		set := &fact.Set{}
		for i, s := range list {
			m := ft.Measurement()
			m.APIServers = []fact.APIServer{s}
			set.Nodes = append(set.Nodes, fact.Node{Name: []string{"cp1", "cp2", "cp3"}[i], Listed: true, Labels: role(fact.RoleControlPlane), Measured: m})
		}
		return set
	}
	finding := func(node string, verdict api.Verdict, reason fact.Reason, message string, evidence ...string) api.Finding {
		return api.Finding{
			Verdict: verdict, Reason: reason, Subject: fact.Subject{Kind: "Node", Name: node}, Message: message,
			Evidence: ft.Evidence(append([]string{"node/" + node + " /proc/10/cmdline --encryption-provider-config"}, evidence...)...),
		}
	}
	resources := func(node string) string { return "node/" + node + " " + path + " resources" }
	times := "node/cp1 " + path + " ctime, /proc/10/stat starttime"
	encrypted := func(node string) api.Finding {
		return finding(node, api.Pass, "", "the API server writes Secrets encrypted by aescbc", path, resources(node), "secrets: aescbc (key1, key0), identity")
	}
	plaintext := func(node string) api.Finding {
		return finding(node, api.Fail, "", "the API server has no encryption configuration: it writes Secrets as plaintext", "not set")
	}
	cluster := fact.Subject{Kind: "Cluster"}
	reload := config(after, aes)
	reload.Encryption.AutoReload = true
	others := config(before, aes)
	others.Encryption.Entries[0].Resources = []string{"configmaps"}
	unread := config(before, aes)
	unread.Encryption = nil
	withoutServer := func(s *fact.Set) { s.Nodes[1].Measured.APIServers = nil }
	leases := func(n int) func(*fact.Set) { return func(s *fact.Set) { s.Cluster.APIServers = ft.Ptr(n) } }
	notCounted := api.Finding{
		Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: cluster, Message: "not every API server was read, and each writes in its own way",
		Evidence: ft.Evidence("nodes of the control plane that were measured", "2 nodes, an API server was read on 1; the number of API servers was not read"),
	}
	noStart := config(before, aes)
	noStart.Started = fact.Time{}

	ft.Judge(t, checks.OfSet(judgeEncryptionConfig), map[string]row{
		"a first provider that encrypts passes": {servers(config(before, aes, identity)), ft.One(encrypted("cp1"))},
		"kms is named": {
			servers(config(before, kms)),
			ft.One(finding("cp1", api.Pass, "", "the API server writes Secrets encrypted by kms", path, resources("cp1"), "secrets: kms vault v2")),
		},
		"identity first fails, whatever follows": {
			servers(config(before, identity, aes)),
			ft.One(finding("cp1", api.Fail, "", "identity is the first provider for secrets: the API server writes them as plaintext",
				path, resources("cp1"), "secrets: identity, aescbc (key1, key0)")),
		},
		"no entry for secrets fails": {
			servers(others),
			ft.One(finding("cp1", api.Fail, "", "no entry of the encryption configuration covers secrets: the API server writes them as plaintext",
				path, resources("cp1"), "no entry covers secrets")),
		},
		"no flag fails": {servers(none), ft.One(plaintext("cp1"))},
		"a file that was not read is unknown": {
			servers(unread), ft.One(finding("cp1", api.VerdictUnknown, fact.NotPresent, "the API server's encryption configuration was not read", "set")),
		},
		"a file that changed after the start is unknown": {
			servers(config(after, aes)),
			ft.One(finding("cp1", api.VerdictUnknown, fact.Changing,
				"the encryption configuration changed after the API server started, and the API server does not reload it",
				path, resources("cp1"), "secrets: aescbc (key1, key0)", times, "changed 2026-11-24T13:00:00Z, started 2026-11-24T12:00:00Z")),
		},
		"a file that the API server should reload is unknown: it keeps the old one while the new one is not valid": {
			servers(reload),
			ft.One(finding("cp1", api.VerdictUnknown, fact.Changing,
				"the encryption configuration changed after the API server started; it is unknown whether it was reloaded",
				path, resources("cp1"), "secrets: aescbc (key1, key0)", times, "changed 2026-11-24T13:00:00Z, started 2026-11-24T12:00:00Z")),
		},
		"a start that was not read is unknown": {
			servers(noStart),
			ft.One(finding("cp1", api.VerdictUnknown, fact.NotPresent,
				"it is unknown whether the encryption configuration changed after the API server started",
				path, resources("cp1"), "secrets: aescbc (key1, key0)", times, "changed 2026-11-24T11:00:00Z, started not read")),
		},
		"no provider is unknown": {
			servers(config(before)),
			ft.One(finding("cp1", api.VerdictUnknown, fact.Corrupt, "the encryption configuration names no provider for secrets", path, resources("cp1"), "secrets: ")),
		},
		"a provider that is not known is unknown": {
			servers(config(before, fact.EncryptionProvider{Type: "rot13"})),
			ft.One(finding("cp1", api.VerdictUnknown, fact.Unsupported, `the first provider for secrets is unknown: "rot13"`, path, resources("cp1"), "secrets: rot13")),
		},
		"two that agree pass": {
			servers(config(before, aes, identity), config(before, aes, identity)), []api.Finding{encrypted("cp1"), encrypted("cp2")},
		},
		"two that differ fail": {
			servers(config(before, aes, identity), none),
			[]api.Finding{encrypted("cp1"), plaintext("cp2"), {
				Verdict: api.Fail, Severity: api.Medium, Subject: cluster, Message: "API servers write Secrets in different ways: aescbc key1, identity",
				Evidence: ft.Evidence("node/cp1 /proc/10/cmdline --encryption-provider-config", "aescbc key1",
					"node/cp2 /proc/10/cmdline --encryption-provider-config", "identity"),
			}},
		},
		"no API server anywhere: a gap says why": {&fact.Set{}, nil},
		"an API server on a worker counts for nothing": {
			ft.Edit(servers(none, config(before, aes, identity)), func(s *fact.Set) { s.Nodes[0].Labels = nil }), ft.One(encrypted("cp2")),
		},
		"an API server on a node with only the etcd role counts for nothing": {
			ft.Edit(servers(none, config(before, aes, identity)), func(s *fact.Set) { s.Nodes[0].Labels = role(fact.RoleEtcd) }), ft.One(encrypted("cp2")),
		},
		"one that the user named counts": {
			ft.Edit(servers(none), func(s *fact.Set) { s.Nodes[0].Labels, s.ControlPlaneNodes = nil, []string{"cp1"} }), ft.One(plaintext("cp1")),
		},
		"as many as have a lease": {
			ft.Edit(servers(config(before, aes, identity)), func(s *fact.Set) { s.Cluster.APIServers = ft.Ptr(1) }), ft.One(encrypted("cp1")),
		},
		"fewer than have a lease": {
			ft.Edit(servers(config(before, aes, identity)), func(s *fact.Set) { s.Cluster.APIServers = ft.Ptr(2) }),
			[]api.Finding{encrypted("cp1"), {
				Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: cluster, Message: "not every API server was read, and each writes in its own way",
				Evidence: ft.Evidence("leases in kube-system labelled apiserver.kubernetes.io/identity=kube-apiserver", "2 API servers, 1 of them read"),
			}},
		},
		"no count of leases, and a node that can run an API server has none": {
			ft.Edit(servers(config(before, aes, identity), none), withoutServer), []api.Finding{encrypted("cp1"), notCounted},
		},
		"none that has a lease is no count": {
			ft.Edit(servers(config(before, aes, identity), none), withoutServer, leases(0)), []api.Finding{encrypted("cp1"), notCounted},
		},
		"fewer than none is no count either": {
			ft.Edit(servers(config(before, aes, identity), none), withoutServer, leases(-1)), []api.Finding{encrypted("cp1"), notCounted},
		},
		"the leases show that the other node runs none": {
			ft.Edit(servers(config(before, aes, identity), none), withoutServer, leases(1)), ft.One(encrypted("cp1")),
		},
		"a node that was not measured is a gap's": {
			ft.Edit(servers(config(before, aes, identity), none), func(s *fact.Set) { s.Nodes[1].Measured = nil }), ft.One(encrypted("cp1")),
		},
		"no API server on the nodes that were measured: a gap says why": {
			ft.Edit(servers(none, none), withoutServer, func(s *fact.Set) { s.Nodes[0].Measured.APIServers = nil }), nil,
		},
		"a change that was not read is unknown": {
			servers(config(fact.Time{}, aes)),
			ft.One(finding("cp1", api.VerdictUnknown, fact.NotPresent,
				"it is unknown whether the encryption configuration changed after the API server started",
				path, resources("cp1"), "secrets: aescbc (key1, key0)", times, "changed not read, started 2026-11-24T12:00:00Z")),
		},
		"two of kms that differ fail": {
			servers(config(before, kms), config(before, fact.EncryptionProvider{Type: "kms", Name: "other"})),
			[]api.Finding{
				finding("cp1", api.Pass, "", "the API server writes Secrets encrypted by kms", path, resources("cp1"), "secrets: kms vault v2"),
				finding("cp2", api.Pass, "", "the API server writes Secrets encrypted by kms", path, resources("cp2"), "secrets: kms other"),
				{
					Verdict: api.Fail, Severity: api.Medium, Subject: cluster, Message: "API servers write Secrets in different ways: kms other, kms vault",
					Evidence: ft.Evidence("node/cp2 /proc/10/cmdline --encryption-provider-config", "kms other",
						"node/cp1 /proc/10/cmdline --encryption-provider-config", "kms vault"),
				},
			},
		},
		"no flag says nothing on OpenShift": {
			ft.Edit(servers(none), func(s *fact.Set) { s.Nodes[0].Labels["node.openshift.io/os_id"] = "rhcos" }),
			ft.One(finding("cp1", api.VerdictUnknown, fact.Unsupported, "OpenShift configures its API server's encryption in a file that is not read", "not set")),
		},
		"two processes on one node are one": {
			ft.Edit(servers(config(before, aes, identity)), func(s *fact.Set) {
				s.Cluster.APIServers = ft.Ptr(2)
				s.Nodes[0].Measured.APIServers = append(s.Nodes[0].Measured.APIServers, config(before, aes, identity))
			}),
			[]api.Finding{encrypted("cp1"), encrypted("cp1"), {
				Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: cluster, Message: "not every API server was read, and each writes in its own way",
				Evidence: ft.Evidence("leases in kube-system labelled apiserver.kubernetes.io/identity=kube-apiserver", "2 API servers, 1 of them read"),
			}},
		},
	})
}
