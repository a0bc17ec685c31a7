package secrets

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// under is a Secret that is stored by the provider of this start, "kms:v2:vault".
func under(name string, revision int64, start string) fact.StoredSecret {
	s := fact.StoredSecret{Namespace: "shop", Name: name, Revision: revision, Provider: "k8s:enc:" + start + ":"}
	for class, envelope := range envelopeOf {
		if strings.HasPrefix(s.Provider, envelope) {
			s.Class = class
		}
	}
	return s
}

func guessed(s fact.StoredSecret) fact.StoredSecret {
	s.KeyGuessed = true
	return s
}

func withID(s fact.StoredSecret, id string) fact.StoredSecret {
	s.KeyID = id
	return s
}

func TestStaleKey(t *testing.T) {
	box := func(names ...string) fact.EncryptionProvider {
		return fact.EncryptionProvider{Type: "secretbox", Keys: names}
	}
	kms := fact.EncryptionProvider{Type: "kms", Name: "vault", APIVersion: "v2"}
	set := func(p fact.EncryptionProvider, db fact.EtcdDB) *fact.Set {
		var names []string
		for _, s := range db.Secrets {
			names = append(names, fmt.Sprintf("%s@%d", s.Name, s.Revision))
		}
		return serving(live(list(names...), db), apiServer(p, fact.EncryptionProvider{Type: identity}))
	}
	// wider makes the configuration name other resources too.
	wider := func(s *fact.Set, names ...string) *fact.Set {
		e := &s.Nodes[0].Measured.APIServers[0].Encryption.Entries[0]
		e.Resources = append(e.Resources, names...)
		return s
	}
	holding := func(resources ...fact.StoredResource) fact.EtcdDB {
		return edited(etcd(under("a", 7, "secretbox:v1:k1")), func(db *fact.EtcdDB) { db.Resources = resources })
	}
	resource := func(dir, start string, n int) fact.StoredResource {
		s := under("", 0, start)
		r := fact.StoredResource{Dir: dir, Class: s.Class, Provider: s.Provider, Count: n}
		if start == "" {
			r.Class, r.Provider = fact.ClassIdentityProtobuf, ""
		}
		return r
	}
	const (
		pass   = "pass Cluster: every Secret is stored under the write key, secretbox k1 [node/cp1 a rev 7 = secretbox k1: "
		one    = pass + "1 Secret]"
		before = "fail Cluster: Secrets were written before encryption was turned on: a rewrite would encrypt "
		other  = "fail Cluster: Secrets are stored under another key than the write key: a rewrite would touch "
		maybe  = "unknown Unsupported Cluster: it is unknown whether "
		others = "fail Cluster: objects of %d other resources are in plaintext or under another key, though the encryption configuration names them: a rewrite would touch %d ["
		which  = "it is unknown which key is the write key: "
	)
	k1 := under("a", 7, "secretbox:v1:k1")
	judge(t, judgeStaleKey, cases{
		"all under the write key pass": {
			set(box("k1"), etcd(k1, under("b", 8, "secretbox:v1:k1"))), []string{pass + "2 Secrets]"},
		},
		"another key fails": {
			set(box("k1", "k0"), etcd(k1, under("b", 8, "secretbox:v1:k0"), under("c", 9, "secretbox:v1:k0"))),
			[]string{other + "2 [node/cp1 b rev 8 = secretbox k0: 2 Secrets]"},
		},
		"another class fails, with the same name": {
			set(box("k1"), etcd(k1, under("b", 8, "aescbc:v1:k1"))), []string{other + "1 [node/cp1 b rev 8 = aescbc k1: 1 Secret]"},
		},
		"kms v1 is another class than kms v2": {
			set(kms, etcd(under("a", 7, "kms:v1:vault"))), []string{other + "1 [node/cp1 a rev 7 = kms v1 vault: 1 Secret]"},
		},
		"plaintext was written before": {
			set(box("k1"), etcd(k1, plaintext("b", 8))), []string{before + "1 [node/cp1 b rev 8 = identity (protobuf): 1 Secret]"},
		},
		"none stored passes": {
			serving(live(list(), etcd()), apiServer(box("k1"))), []string{"pass Cluster: there is no Secret that could be under another key than the write key [node/cp1 = no Secret]"},
		},

		// Guesses.
		"a guess of another name fails": {
			set(box("k1"), etcd(guessed(under("a", 7, "secretbox:v1:k0")))), []string{other + "1 [node/cp1 a rev 7 = secretbox k0 (a guess): 1 Secret]"},
		},
		"a guess of the same name passes: the API server compares no more": {
			set(box("k1"), etcd(guessed(k1))), []string{"pass Cluster: every Secret is stored under the write key, secretbox k1 [node/cp1 a rev 7 = secretbox k1 (a guess): 1 Secret]"},
		},
		"unless another configured name starts so": {
			set(box("k1", "k1:old"), etcd(guessed(k1))), []string{maybe + "1 Secret is under the write key [node/cp1 a rev 7 = secretbox k1 (a guess): 1 Secret]"},
		},
		"a guess that is the start of the write key's name is unknown": {
			set(box("key-2026-03-09T09:46:54"), etcd(guessed(under("a", 7, "secretbox:v1:key-2026-03-09T09")))),
			[]string{maybe + "1 Secret is under the write key [node/cp1 a rev 7 = secretbox key-2026-03-09T09 (a guess): 1 Secret]"},
		},
		"one that is not, fails": {
			set(box("key-2026-03-09T09:46:54"), etcd(guessed(under("a", 7, "secretbox:v1:key-2025-03-09T09")))),
			[]string{other + "1 [node/cp1 a rev 7 = secretbox key-2025-03-09T09 (a guess): 1 Secret]"},
		},
		"a longer guess than the write key's name is unknown": {
			set(box("k1"), etcd(guessed(under("a", 7, "secretbox:v1:k1:x")))),
			[]string{maybe + "1 Secret is under the write key [node/cp1 a rev 7 = secretbox k1:x (a guess): 1 Secret]"},
		},
		"a guess that goes on may be a write key that goes on": {
			set(box("k1:x"), etcd(guessed(with(under("a", 7, "secretbox:v1:k1"), func(s *fact.StoredSecret) { s.Provider += "…" })))),
			[]string{maybe + "1 Secret is under the write key [node/cp1 a rev 7 = secretbox k1… (a guess): 1 Secret]"},
		},
		"and may end, whatever it looks like": {
			set(box("k1"), etcd(guessed(with(k1, func(s *fact.StoredSecret) { s.Provider += "…" })))),
			[]string{maybe + "1 Secret is under the write key [node/cp1 a rev 7 = secretbox k1… (a guess): 1 Secret]"},
		},
		"another one that goes on fails": {
			set(box("k1"), etcd(guessed(with(under("a", 7, "secretbox:v1:k0"), func(s *fact.StoredSecret) { s.Provider += "…" })))),
			[]string{other + "1 [node/cp1 a rev 7 = secretbox k0… (a guess): 1 Secret]"},
		},
		"nothing shown of it is unknown": {
			set(box("k1"), etcd(guessed(with(k1, func(s *fact.StoredSecret) { s.Provider = "k8s:enc:secretbox:v1:…" })))),
			[]string{maybe + "1 Secret is under the write key [node/cp1 a rev 7 = secretbox, key unknown: 1 Secret]"},
		},
		"no guess at all is unknown": {
			set(box("k1"), etcd(with(guessed(k1), func(s *fact.StoredSecret) { s.Provider = "" }))),
			[]string{maybe + "1 Secret is under the write key [node/cp1 a rev 7 = secretbox, key unknown: 1 Secret]"},
		},
		"a guess of another class fails": {
			set(box("k1"), etcd(guessed(under("a", 7, "aescbc:v1:k1")))), []string{other + "1 [node/cp1 a rev 7 = aescbc k1 (a guess): 1 Secret]"},
		},
		"a form that is not known is unknown": {
			set(box("k1"), etcd(k1, stored("b", 8, fact.ClassUnknown), stored("c", 9, fact.ClassUnknown))),
			[]string{maybe + "2 Secrets are under the write key [node/cp1 b rev 8 = unknown: 2 Secrets]"},
		},

		// KMS.
		"one version of the KMS key passes": {
			set(kms, etcd(withID(under("a", 7, "kms:v2:vault"), "aa"), withID(under("b", 8, "kms:v2:vault"), "aa"))),
			[]string{"pass Cluster: every Secret is stored under the write key, kms v2 vault [node/cp1 a rev 7 = kms v2 vault, KMS key aa: 2 Secrets]"},
		},
		"two are a note": {
			set(kms, etcd(withID(under("a", 7, "kms:v2:vault"), "aa"), withID(under("b", 8, "kms:v2:vault"), "bb"))),
			[]string{"low fail Cluster: Secrets are stored under 2 versions of the KMS key [node/cp1 a rev 7 = kms v2 vault, KMS key aa: 1 Secret; node/cp1 b rev 8 = kms v2 vault, KMS key bb: 1 Secret]"},
		},

		// What is not known.
		"not read to its end is unknown": {
			set(box("k1"), partly(k1)), []string{"unknown Truncated Cluster: not every Secret of etcd was read [node/cp1 = 1 of 1 Secrets]"},
		},
		"a configuration that is not in force is unknown": {
			ft.Edit(set(box("k1"), etcd(k1)), func(s *fact.Set) { s.Nodes[0].Measured.APIServers[0].Started = fact.Time{} }),
			[]string{"unknown NotPresent Cluster: " + which + "it is unknown whether the encryption configuration changed after the API server started " +
				"[node/cp1 /proc/10/cmdline --encryption-provider-config = " + encPath + "; node/cp1 " + encPath + " resources = secrets: secretbox (k1), identity; " +
				"node/cp1 " + encPath + " ctime, /proc/10/stat starttime = changed 2026-11-24T11:00:00Z, started not read]"},
		},
		"a second API server that was not read": {
			ft.Edit(set(box("k1"), etcd(k1)), func(s *fact.Set) { s.Cluster.APIServers = ft.Ptr(2) }),
			[]string{"unknown NotPresent Cluster: " + which + "not every API server was read, and each writes in its own way " +
				"[leases in kube-system labelled apiserver.kubernetes.io/identity=kube-apiserver = 2 API servers, 1 of them read]"},
		},
		"API servers that differ": {
			serving(live(list("a@7"), etcd(k1), etcd(k1)), apiServer(box("k1")), apiServer(box("k2"))),
			[]string{"unknown Changing Cluster: " + which + "the configurations of the API servers differ " +
				"[node/cp2 /proc/10/cmdline --encryption-provider-config = " + encPath + "; node/cp2 " + encPath + " resources = secrets: secretbox (k2)]"},
		},
		"no API server: a gap says so":    {live(list("a@7"), etcd(k1)), nil},
		"no store: another check says so": {serving(live(list("a@7"), etcd(under("x", 900, "secretbox:v1:k1"))), apiServer(box("k1"))), nil},
		"a provider that is not known": {
			set(fact.EncryptionProvider{Type: "rot13"}, etcd(k1)),
			[]string{"unknown Unsupported Cluster: " + which[:len(which)-2] + `: the first provider for secrets is "rot13" [node/cp1 = 1 of 1 listed Secrets, compared by revision]`},
		},

		// An API server that writes plaintext.
		"encrypted Secrets of one that writes plaintext": {
			set(fact.EncryptionProvider{Type: identity}, etcd(k1, plaintext("b", 8))),
			[]string{"low fail Cluster: Secrets are stored encrypted while the API servers write plaintext: the next change of each stores it as plaintext " +
				"[node/cp1 a rev 7 = secretbox k1: 1 Secret]"},
		},
		"plaintext of one: other checks say so": {set(fact.EncryptionProvider{Type: identity}, etcd(plaintext("b", 8))), nil},
		"no configuration at all":               {serving(live(list("b@8"), etcd(plaintext("b", 8))), fact.APIServer{PID: 10}), nil},

		// Several members: a Secret is as in the one that has its newest revision.
		"the newest revision counts": {
			serving(live(list("a@9", "b@10"), etcd(under("a", 9, "secretbox:v1:k1"), under("b", 10, "secretbox:v1:k1")), edited(etcd(under("a", 7, "secretbox:v1:k0"), under("b", 8, "secretbox:v1:k0")), func(db *fact.EtcdDB) { db.Revision = 8 })),
				apiServer(box("k1")), apiServer(box("k1"))),
			[]string{"pass Cluster: every Secret is stored under the write key, secretbox k1 [node/cp1 a rev 9 = secretbox k1: 2 Secrets]"},
		},
		"also in a member that matches less": {
			serving(live(list("a@9", "b@10"), etcd(under("a", 9, "secretbox:v1:k1"), under("b", 10, "secretbox:v1:k1")), etcd(under("a", 12, "secretbox:v1:k0"), under("b", 10, "secretbox:v1:k1"))),
				apiServer(box("k1")), apiServer(box("k1"))),
			[]string{other + "1 [node/cp2 a rev 12 = secretbox k0: 1 Secret]"},
		},
		"API servers that differ in what else they encrypt": {
			wider(serving(live(list("a@7"), etcd(k1), etcd(k1)), apiServer(box("k1")), apiServer(box("k1"))), "configmaps"),
			[]string{"unknown Changing Cluster: " + which + "the configurations of the API servers differ " +
				"[node/cp2 /proc/10/cmdline --encryption-provider-config = " + encPath + "; node/cp2 " + encPath + " resources = secrets: secretbox (k1)]"},
		},

		// Other resources.
		"under the write key": {
			wider(set(box("k1"), holding(resource("configmaps", "secretbox:v1:k1", 3))), "configmaps"),
			[]string{one, "pass Cluster: what else the encryption configuration names is stored under its write key [node/cp1 keys /registry/configmaps/ = secretbox k1: 3 objects]"},
		},
		"in plaintext, and under another key": {
			wider(set(box("k1"), holding(resource("configmaps", "", 3), resource("configmaps", "secretbox:v1:k0", 2), resource("services/specs", "aescbc:v1:k1", 1))), "configmaps", "services"),
			[]string{one, fmt.Sprintf(others, 2, 6) + "node/cp1 keys /registry/configmaps/ = identity (protobuf): 3 objects; node/cp1 keys /registry/configmaps/ = secretbox k0: 2 objects; " +
				"node/cp1 keys /registry/services/specs/ = aescbc k1: 1 object]"},
		},
		"by a wildcard, with the group of each directory": {
			wider(set(box("k1"), holding(resource("deployments", "", 1), resource("cert-manager.io/certificates", "", 1), resource("ingress", "", 1), resource("minions", "", 1))), "*.apps", "*.cert-manager.io"),
			[]string{one, fmt.Sprintf(others, 2, 2) + "node/cp1 keys /registry/deployments/ = identity (protobuf): 1 object; node/cp1 keys /registry/cert-manager.io/certificates/ = identity (protobuf): 1 object]"},
		},
		"what the configuration does not name may be plaintext": {
			wider(set(box("k1"), holding(resource("pods", "", 9))), "configmaps"), []string{one},
		},
		"a directory that is not known is unknown, the API server's own are not": {
			wider(set(box("k1"), holding(resource("novelties", "", 1), resource("ranges/serviceips", "", 1), resource("masterleases", "", 1))), "*.*"),
			[]string{one, "unknown Unsupported Cluster: it is unknown whether some objects of other resources are under the write key [node/cp1 keys /registry/novelties/ = identity (protobuf): 1 object]"},
		},
		"a guess may be the write key": {
			wider(set(box("k:1"), edited(etcd(under("a", 7, "secretbox:v1:k:1")), func(db *fact.EtcdDB) {
				db.Resources = []fact.StoredResource{{Dir: "configmaps", Class: fact.ClassSecretbox, Provider: "k8s:enc:secretbox:v1:k:", KeyGuessed: true, Count: 2}}
			})), "configmaps"),
			[]string{
				"pass Cluster: every Secret is stored under the write key, secretbox k:1 [node/cp1 a rev 7 = secretbox k:1: 1 Secret]",
				"unknown Unsupported Cluster: it is unknown whether some objects of other resources are under the write key [node/cp1 keys /registry/configmaps/ = secretbox k (a guess): 2 objects]",
			},
		},
		"not read, as in facts of an earlier version": {
			wider(set(box("k1"), etcd(k1)), "configmaps"),
			[]string{one, "unknown NotPresent Cluster: it is unknown how the other resources are stored that the encryption configuration names [node/cp1 = only Secrets were read]"},
		},
		"negative counts are none, and a gap": {wider(set(box("k1"), holding(resource("configmaps", "", -1))), "configmaps"), []string{one}},

		// A file alone.
		"one way in a snapshot": {
			&fact.Set{Snapshot: ft.Ptr(etcd(k1))},
			[]string{"unknown NotPresent " + dbPath[1:] + ": the file does not say which key is the write key; all Secrets in it are stored in one way [" + dbPath + " a rev 7 = secretbox k1: 1 Secret]"},
		},
		"two ways in a snapshot are only information": {
			&fact.Set{Snapshot: ft.Ptr(etcd(k1, plaintext("b", 8)))},
			[]string{"unknown NotPresent " + dbPath[1:] + ": the file does not say which key is the write key; the Secrets in it are stored in 2 ways [" +
				dbPath + " b rev 8 = identity (protobuf): 1 Secret; " + dbPath + " a rev 7 = secretbox k1: 1 Secret]"},
		},
		"none in a snapshot": {
			&fact.Set{Snapshot: ft.Ptr(etcd())}, []string{"unknown NotPresent " + dbPath[1:] + ": the file does not say which key is the write key [" + dbPath + " = no Secret]"},
		},
	})
}

func with[T any](v T, change func(*T)) T {
	change(&v)
	return v
}

func TestExcuseConfiguration(t *testing.T) {
	db := etcd()
	for _, kind := range []fact.Kind{fact.Secrets, fact.EncryptionConfig, fact.Etcd} {
		gap := fact.Gap{What: kind}
		if got, want := excuseConfiguration(checks.NewView(&fact.Set{Snapshot: &db}), gap), kind != fact.Etcd; got != want {
			t.Errorf("%s with a snapshot: want %v, got %v", kind, want, got)
		}
		if excuseConfiguration(checks.NewView(live(list(), db)), gap) {
			t.Errorf("%s is excused on a cluster", kind)
		}
	}
}

func TestResourceOf(t *testing.T) {
	for dir, want := range map[string]string{
		"configmaps":                         "configmaps",
		"services/specs":                     "services",
		"services/endpoints":                 "endpoints",
		"minions":                            "nodes",
		"controllers":                        "replicationcontrollers",
		"ingress":                            "ingresses.networking.k8s.io",
		"deployments":                        "deployments.apps",
		"roles":                              "roles.rbac.authorization.k8s.io",
		"podsecuritypolicy":                  "podsecuritypolicies.policy",
		"cert-manager.io/certificates":       "certificates.cert-manager.io",
		"apiregistration.k8s.io/apiservices": "apiservices.apiregistration.k8s.io",
		"apiextensions.k8s.io/customresourcedefinitions": "customresourcedefinitions.apiextensions.k8s.io",
		// Not known.
		"novelties": "", "": "", "a/b": "", "a.b/": "", "a.b/c/d": "", "ranges/serviceips": "",
	} {
		got, known := resourceOf(dir)
		if known != (want != "") || known && got.String() != want {
			t.Errorf("%s: want %q, got %q, known %v", dir, want, got, known)
		}
		if known && bookkeeping(dir) {
			t.Errorf("%s is the API server's own", dir)
		}
	}
}

// A listed Secret that no store holds at its revision may be under any key.
func TestStaleKeyOfWhatWasNotRead(t *testing.T) {
	const want = "it is unknown under which key 1 Secret is stored: no store that was read holds what the API server lists"
	p := fact.EncryptionProvider{Type: "secretbox", Keys: []string{"k1"}}
	var stored []fact.StoredSecret
	var names []string
	for i := range 20 {
		name := fmt.Sprintf("s%02d", i)
		stored = append(stored, under(name, 7, "secretbox:v1:k1"))
		names = append(names, name+"@7")
	}
	for name, tc := range map[string]struct {
		names []string
		want  bool
	}{
		"all are held":                    {names, false},
		"one is held at a later one":      {append(slices.Clone(names[:19]), "s19@6"), false},
		"one is held at an earlier one":   {append(slices.Clone(names[:19]), "s19@8"), true},
		"one is not held":                 {append(slices.Clone(names), "z@5"), true},
		"its revision is not in the list": {append(slices.Clone(names), "z@0"), true},
	} {
		v := checks.NewView(serving(live(list(tc.names...), etcd(stored...)), apiServer(p)))
		got := slices.ContainsFunc(judgeStaleKey(v), func(f api.Finding) bool { return f.Message == want && f.Verdict == api.VerdictUnknown })
		pass := slices.ContainsFunc(judgeStaleKey(v), func(f api.Finding) bool { return f.Verdict == api.Pass })
		if got != tc.want || pass == tc.want {
			t.Errorf("%s: %v", name, messages(judgeStaleKey(v)))
		}
	}
}
