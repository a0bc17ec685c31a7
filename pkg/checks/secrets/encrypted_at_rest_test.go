package secrets

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

const (
	dbPath = "/var/lib/etcd/member/snap/db"
	aescbc = "k8s:enc:aescbc:v1:key1:"
)

func stored(name string, revision int64, class fact.StorageClass) fact.StoredSecret {
	s := fact.StoredSecret{Namespace: "shop", Name: name, Revision: revision, Class: class, Size: 100}
	if class == fact.ClassAESCBC {
		s.Provider = aescbc
	}
	return s
}

func etcd(secrets ...fact.StoredSecret) fact.EtcdDB {
	return fact.EtcdDB{
		Path: dbPath, Prefix: "/registry", PrefixFrom: "--etcd-prefix", Revision: 1000, Complete: true,
		Secrets: secrets, Total: len(secrets),
	}
}

// live is a set of one control-plane node for each database, and the names
// that the API server lists; nil names were not listed.
func live(names []string, dbs ...fact.EtcdDB) *fact.Set {
	set := &fact.Set{CollectedAt: ft.Time, SecretsListed: names != nil}
	for _, name := range names {
		set.Secrets = append(set.Secrets, fact.SecretName{Namespace: "shop", Name: name})
	}
	for i, db := range dbs {
		m := ft.Measurement()
		m.Etcd = []fact.EtcdDB{db}
		set.Nodes = append(set.Nodes, fact.Node{Name: fmt.Sprintf("cp%d", i+1), Listed: true, ControlPlane: true, Measured: m})
	}
	return set
}

func secretSubject(name string) fact.Subject {
	return fact.Subject{Kind: "Secret", Namespace: "shop", Name: name}
}

func TestEncryptedAtRest(t *testing.T) {
	cluster := fact.Subject{Kind: "Cluster"}
	of := func(node, name string, revision int64) string {
		return fmt.Sprintf("node/%s %s key /registry/secrets/shop/%s rev %d", node, dbPath, name, revision)
	}
	plain := func(node, name string, revision int64) api.Finding {
		return api.Finding{
			Verdict: api.Fail, Basis: api.Measured, Subject: secretSubject(name), Message: "stored in etcd as plaintext",
			Evidence: ft.Evidence(of(node, name, revision), "identity (protobuf)"),
		}
	}
	encrypted := func(node, name string, revision int64) api.Finding {
		return api.Finding{
			Verdict: api.Pass, Basis: api.Measured, Subject: secretSubject(name), Message: "stored in etcd encrypted (aescbc)",
			Evidence: ft.Evidence(of(node, name, revision), "aescbc "+aescbc),
		}
	}
	unknown := func(s fact.Subject, basis api.Basis, reason fact.Reason, message string, evidence ...string) api.Finding {
		return api.Finding{Verdict: api.VerdictUnknown, Basis: basis, Reason: reason, Subject: s, Message: message, Evidence: ft.Evidence(evidence...)}
	}
	partial := func(db fact.EtcdDB) fact.EtcdDB { db.Complete = false; return db }
	names := func(list ...string) []string { return list }

	cases := map[string]row{
		"plaintext fails, encrypted passes": {
			live(names("a", "b"), etcd(stored("a", 7, fact.ClassIdentityProtobuf), stored("b", 8, fact.ClassAESCBC))),
			[]api.Finding{plain("cp1", "a", 7), encrypted("cp1", "b", 8)},
		},
		"listed but not stored is unknown": {
			live(names("a", "b", "c"), etcd(stored("a", 7, fact.ClassAESCBC), stored("b", 8, fact.ClassAESCBC))),
			[]api.Finding{
				encrypted("cp1", "a", 7), encrypted("cp1", "b", 8),
				unknown(secretSubject("c"), "", fact.NotPresent, "listed by the API server, but not found in etcd",
					"node/cp1 "+dbPath+" key /registry/secrets/shop/c", "no such key"),
			},
		},
		"stored but no more listed is left out": {
			live(names("b"), etcd(stored("a", 7, fact.ClassIdentityProtobuf), stored("b", 8, fact.ClassAESCBC))),
			[]api.Finding{encrypted("cp1", "b", 8)},
		},
		"most of what is stored not listed: the list is stale": {
			live(names("b"), etcd(stored("a", 7, fact.ClassIdentityProtobuf), stored("b", 8, fact.ClassAESCBC), stored("c", 9, fact.ClassIdentityProtobuf))),
			[]api.Finding{
				encrypted("cp1", "b", 8),
				unknown(cluster, "", fact.Changing,
					"most Secrets in this etcd are not in the API server's list: run again; if it stays so, the list is another cluster's or stale",
					"node/cp1 "+dbPath, "2 of 3 stored Secrets are not listed"),
			},
		},
		"names that were not listed: what is stored counts": {
			live(nil, etcd(stored("a", 7, fact.ClassIdentityProtobuf))), []api.Finding{plain("cp1", "a", 7)},
		},
		"most of the listed not stored: it is another etcd": {
			live(names("a", "b", "c"), etcd(stored("a", 7, fact.ClassIdentityProtobuf))),
			ft.One(unknown(cluster, "", fact.NotPresent,
				"most Secrets that the API server lists are not in this etcd: it is not the API server's, or the key prefix is wrong",
				"node/cp1 "+dbPath, "1 of 3 listed Secrets below /registry/secrets/")),
		},
		"an unknown prefix is unknown": {
			live(names("a"), fact.EtcdDB{Path: dbPath, Complete: true}),
			ft.One(unknown(cluster, "", fact.NotPresent, "the API server's key prefix is not known, so that no Secret can be told from other keys",
				"node/cp1 "+dbPath, "no key PREFIX/namespaces/default")),
		},
		"a complete member answers for one that is not": {
			live(names("a"), partial(etcd(stored("a", 5, fact.ClassIdentityProtobuf))), etcd(stored("a", 7, fact.ClassAESCBC))),
			[]api.Finding{encrypted("cp2", "a", 7)},
		},
		"of two complete members the newest answers": {
			live(names("a"), etcd(stored("a", 5, fact.ClassIdentityProtobuf)),
				func() fact.EtcdDB { db := etcd(stored("a", 7, fact.ClassAESCBC)); db.Revision = 2000; return db }()),
			[]api.Finding{encrypted("cp2", "a", 7)},
		},
		"a member that holds what the API server lists answers, not a newer one of another cluster": {
			live(names("a"), func() fact.EtcdDB { db := etcd(stored("x", 7, fact.ClassAESCBC)); db.Revision = 9000; return db }(),
				etcd(stored("a", 7, fact.ClassIdentityProtobuf))),
			[]api.Finding{plain("cp2", "a", 7)},
		},
		"an etcd for events alone, without Secrets, does not answer": {
			live(nil, func() fact.EtcdDB { db := etcd(); db.Revision = 9000; return db }(), etcd(stored("a", 7, fact.ClassAESCBC))),
			[]api.Finding{encrypted("cp2", "a", 7)},
		},
		"an etcd on another node does not stand above a control-plane node's, however new": {
			ft.Edit(live(names("a"), func() fact.EtcdDB { db := etcd(stored("a", 9, fact.ClassAESCBC)); db.Revision = 9000; return db }(),
				partial(etcd(stored("a", 7, fact.ClassIdentityProtobuf)))), func(s *fact.Set) { s.Nodes[0].ControlPlane = false }),
			[]api.Finding{
				plain("cp2", "a", 7),
				unknown(cluster, "", fact.Truncated, "etcd's file was not read to its end", "node/cp2 "+dbPath, "1 Secrets before the end"),
			},
		},
		"etcd on nodes of its own answers where no control-plane node has one": {
			ft.Edit(live(names("a"), etcd(stored("a", 9, fact.ClassAESCBC))), func(s *fact.Set) {
				s.Nodes[0].ControlPlane = false
				s.Nodes = append(s.Nodes, fact.Node{Name: "cp2", Listed: true, ControlPlane: true, Measured: ft.Measurement()})
			}),
			[]api.Finding{encrypted("cp1", "a", 9)},
		},
		"not read to the end: never a pass": {
			live(names("a", "b"), partial(etcd(stored("a", 7, fact.ClassAESCBC), stored("b", 8, fact.ClassIdentityProtobuf)))),
			[]api.Finding{
				unknown(secretSubject("a"), api.Measured, fact.Truncated, "a revision of it is encrypted, but etcd's file was not read to its end",
					of("cp1", "a", 7), "aescbc "+aescbc),
				plain("cp1", "b", 8),
				unknown(cluster, "", fact.Truncated, "etcd's file was not read to its end", "node/cp1 "+dbPath, "2 Secrets before the end"),
			},
		},
		"two members in part: the newest revision counts": {
			live(names("a"), partial(etcd(stored("a", 5, fact.ClassIdentityProtobuf))), partial(etcd(stored("a", 7, fact.ClassAESCBC)))),
			[]api.Finding{
				unknown(secretSubject("a"), api.Measured, fact.Truncated, "a revision of it is encrypted, but etcd's file was not read to its end",
					of("cp2", "a", 7), "aescbc "+aescbc),
				unknown(cluster, "", fact.Truncated, "etcd's file was not read to its end", "node/cp1 "+dbPath, "1 Secrets before the end"),
			},
		},
		"a list that was cut is unknown": {
			live(nil, func() fact.EtcdDB { db := etcd(stored("a", 7, fact.ClassIdentityProtobuf)); db.Total = 9; return db }()),
			[]api.Finding{
				plain("cp1", "a", 7),
				unknown(cluster, "", fact.Truncated, "not every Secret of this etcd is in the facts", "node/cp1 "+dbPath, "1 of 9 Secrets"),
			},
		},
		"a prefix that is not known to encrypt is unknown": {
			live(nil, etcd(stored("a", 7, fact.ClassUnknownEncrypted))),
			ft.One(unknown(secretSubject("a"), api.Measured, fact.Unsupported, "stored in etcd behind a prefix that is not known to encrypt",
				of("cp1", "a", 7), "encrypted-unknown")),
		},
		"an empty value is unknown": {
			live(nil, etcd(stored("a", 7, fact.ClassEmpty))),
			ft.One(unknown(secretSubject("a"), api.Measured, fact.Unsupported, "stored in etcd as an empty value", of("cp1", "a", 7), "empty")),
		},
		"a form that is not known is unknown": {
			live(nil, etcd(stored("a", 7, fact.ClassUnknown))),
			ft.One(unknown(secretSubject("a"), api.Measured, fact.Unsupported, "stored in etcd in a form that is not known", of("cp1", "a", 7), "unknown")),
		},
		"no etcd anywhere is unknown": {
			live(names("a")),
			ft.One(unknown(cluster, "", fact.NotPresent, "no etcd of this cluster was read", "/proc/*/fd", "no etcd on the nodes that were measured")),
		},
		"no etcd anywhere, and a gap says why": {
			ft.Edit(live(names("a")), func(s *fact.Set) {
				s.Gaps = []fact.Gap{{What: fact.Etcd, Subject: cluster, Reason: fact.ProviderManaged}}
			}), nil,
		},
		"no Secrets, and no list that agrees, is unknown": {
			live(nil, etcd()),
			ft.One(unknown(cluster, "", fact.NotPresent, "no Secret is in this etcd, or the key prefix is wrong",
				"node/cp1 "+dbPath, "0 Secrets below /registry/secrets/")),
		},
		"no Secrets in a snapshot is unknown": {
			&fact.Set{Snapshot: func() *fact.EtcdDB { db := etcd(); return &db }()},
			ft.One(unknown(fact.Subject{Kind: "File", Name: dbPath}, "", fact.NotPresent, "no Secret is in this etcd, or the key prefix is wrong",
				dbPath, "0 Secrets below /registry/secrets/")),
		},
		"no Secrets, and none is listed: no findings": {live([]string{}, etcd()), []api.Finding{}},
	}
	for class, verdict := range map[fact.StorageClass]api.Verdict{
		fact.ClassIdentityJSON: api.Fail, fact.ClassIdentityCBOR: api.Fail,
		fact.ClassAESGCM: api.Pass, fact.ClassSecretbox: api.Pass, fact.ClassKMSv1: api.Pass, fact.ClassKMSv2: api.Pass,
	} {
		f := api.Finding{
			Verdict: verdict, Basis: api.Measured, Subject: secretSubject("a"), Message: "stored in etcd as plaintext",
			Evidence: ft.Evidence(of("cp1", "a", 7), string(class)),
		}
		if verdict == api.Pass {
			f.Message = "stored in etcd encrypted (" + string(class) + ")"
		}
		cases["class "+string(class)] = row{Set: live(nil, etcd(stored("a", 7, class))), Want: ft.One(f)}
	}
	ft.Judge(t, judgeEncryptedAtRest, cases)
}

// The same bytes from a live member and from its snapshot differ in where they
// were read, and in nothing else.
func TestSnapshotGivesTheFindingsOfTheLiveMember(t *testing.T) {
	db := etcd(stored("a", 7, fact.ClassIdentityProtobuf), stored("b", 8, fact.ClassAESCBC), stored("c", 9, fact.ClassUnknown))
	want := judgeEncryptedAtRest(live([]string{"a", "b", "c"}, db))
	snapshot := db
	snapshot.Path, snapshot.Snapshot = "backup.db", true
	got := judgeEncryptedAtRest(&fact.Set{Snapshot: &snapshot})
	for i := range want {
		if !strings.Contains(want[i].Evidence[0].Source, "node/cp1") || strings.Contains(want[i].Message, "cp1") {
			t.Errorf("where it was read stands in the evidence alone: %+v", want[i])
		}
		want[i].Evidence[0].Source = strings.Replace(want[i].Evidence[0].Source, "node/cp1 "+dbPath, "backup.db", 1)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-live +snapshot):\n%s", diff)
	}
}

func TestPlatformSecretsAreMarked(t *testing.T) {
	s := stored("a", 7, fact.ClassIdentityProtobuf)
	s.Namespace = "kube-system"
	got := judgeEncryptedAtRest(live(nil, etcd(s)))
	if len(got) != 1 || !got[0].Subject.Platform {
		t.Errorf("want one finding with a platform subject, got %+v", got)
	}
}

func TestOneCompleteMemberExcusesTheOthers(t *testing.T) {
	node := func(name string) fact.Gap {
		return fact.Gap{What: fact.Etcd, Subject: fact.Subject{Kind: "Node", Name: name}}
	}
	names := []string{"a", "b", "c", "d"}
	whole := etcd(stored("a", 7, fact.ClassAESCBC), stored("b", 7, fact.ClassAESCBC), stored("c", 7, fact.ClassAESCBC), stored("d", 7, fact.ClassAESCBC))
	cut := whole
	cut.Complete = false
	for name, tc := range map[string]struct {
		set  *fact.Set
		gap  fact.Gap
		want bool
	}{
		"another node's":                       {live(names, whole), node("w17"), true},
		"a control-plane node's, by another's": {live(names, whole, whole), node("cp2"), true},
		"a control-plane node's, by one that is none, is not": {
			ft.Edit(live(names, whole, whole), func(s *fact.Set) { s.Nodes[0].ControlPlane, s.Nodes[1].Measured = false, nil }), node("cp2"), false,
		},
		"that of the member's own node is not":      {live(names, whole), node("cp1"), false},
		"the whole cluster's is not":                {live(names, whole), fact.Gap{What: fact.Etcd, Subject: fact.Subject{Kind: "Cluster"}}, false},
		"an empty one, and the list agrees":         {live([]string{}, etcd()), node("w17"), true},
		"an empty one, and no list agrees":          {live(nil, etcd()), node("w17"), false},
		"no complete member":                        {live(names, cut), node("w17"), false},
		"no member at all":                          {live(names), node("w17"), false},
		"a member that is not the API server's":     {live(names, etcd(stored("x", 7, fact.ClassAESCBC))), node("w17"), false},
		"the list of names is needed":               {live(nil, whole), fact.Gap{What: fact.Secrets, Subject: fact.Subject{Kind: "Cluster"}}, false},
		"the list of names, but not for a snapshot": {&fact.Set{Snapshot: &whole}, fact.Gap{What: fact.Secrets, Subject: fact.Subject{Kind: "Cluster"}}, true},
		"a snapshot's own gap is not excused":       {&fact.Set{Snapshot: &whole}, fact.Gap{What: fact.Etcd, Subject: fact.Subject{Kind: "File"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := excuseOtherMembers(tc.set, tc.gap); got != tc.want {
				t.Errorf("want %v, got %v", tc.want, got)
			}
		})
	}
}
