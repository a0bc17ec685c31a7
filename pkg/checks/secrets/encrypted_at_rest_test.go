package secrets

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
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

// plaintext and encrypted are stored Secrets of the two kinds that matter most.
func plaintext(name string, revision int64) fact.StoredSecret {
	return stored(name, revision, fact.ClassIdentityProtobuf)
}

func encrypted(name string, revision int64) fact.StoredSecret {
	return stored(name, revision, fact.ClassAESCBC)
}

// etcd is a file that was read whole at revision 1000.
func etcd(secrets ...fact.StoredSecret) fact.EtcdDB {
	return fact.EtcdDB{
		Path: dbPath, Prefix: "/registry", PrefixFrom: "--etcd-prefix", Revision: 1000, Complete: true,
		Secrets: secrets, Total: len(secrets),
	}
}

// partly is such a file that was not read to its end.
func partly(secrets ...fact.StoredSecret) fact.EtcdDB {
	db := etcd(secrets...)
	db.Complete = false
	return db
}

// edited is a database that was changed.
func edited(db fact.EtcdDB, change func(*fact.EtcdDB)) fact.EtcdDB {
	change(&db)
	return db
}

// lastSeen is a stored Secret as the reader gives it where a newer revision may
// lie in a part of the file that was not read.
func lastSeen(s fact.StoredSecret) fact.StoredSecret {
	s.LastSeen, s.Class, s.Provider = s.Class, fact.ClassUnknown, ""
	return s
}

// list is what the API server lists: "name@revision", or "name" as facts of the
// first version have it.
func list(words ...string) []fact.SecretName {
	out := []fact.SecretName{}
	for _, word := range words {
		name, revision, _ := strings.Cut(word, "@")
		out = append(out, fact.SecretName{Namespace: "shop", Name: name, ResourceVersion: revision})
	}
	return out
}

// live is a set of one control-plane node for each database, and what the API
// server lists; nil was not listed.
func live(listed []fact.SecretName, dbs ...fact.EtcdDB) *fact.Set {
	set := &fact.Set{CollectedAt: ft.Time, SecretsListed: listed != nil, Secrets: listed}
	for i, db := range dbs {
		m := ft.Measurement()
		m.Etcd = []fact.EtcdDB{db}
		set.Nodes = append(set.Nodes, fact.Node{Name: fmt.Sprintf("cp%d", i+1), Listed: true, Labels: role(fact.RoleControlPlane), Measured: m})
	}
	return set
}

// overriding gives the first node an API server with --etcd-servers-overrides.
func overriding(set *fact.Set, value string) *fact.Set {
	return serving(set, fact.APIServer{PID: 10, Flags: map[string]string{"etcd-servers-overrides": value}})
}

func role(name string) map[string]string {
	return map[string]string{"node-role.kubernetes.io/" + name: ""}
}

// unlabelled takes the role from a node, by its index.
func unlabelled(set *fact.Set, i int) *fact.Set {
	set.Nodes[i].Labels = nil
	return set
}

// brief writes findings as "verdict reason subject: message [sources]", so that
// a table of whole results can be read.
func brief(findings []api.Finding) []string {
	var out []string
	for _, f := range findings {
		subject := strings.Trim(f.Subject.Namespace+"/"+f.Subject.Name, "/")
		if subject == "" {
			subject = f.Subject.Kind
		}
		var sources []string
		for _, e := range f.Evidence {
			source := strings.ReplaceAll(e.Source, " "+dbPath, "")
			source = strings.ReplaceAll(source, " key /registry/secrets/shop/", " ")
			sources = append(sources, source+" = "+e.Value)
		}
		out = append(out, strings.Join(strings.Fields(fmt.Sprintf("%s %s %s: %s", f.Verdict, f.Reason, subject, f.Message)), " ")+
			" ["+strings.Join(sources, "; ")+"]")
	}
	return out
}

func TestEncryptedAtRest(t *testing.T) {
	const (
		pass  = "stored in etcd encrypted (aescbc)"
		fail  = "stored in etcd as plaintext"
		clear = " = identity (protobuf)]"
		some  = "unknown Changing Cluster: an etcd of the control plane holds only some of the listed Secrets at their revisions: " +
			"it may be the API server's"
		notWhole = "unknown Truncated Cluster: an etcd of the control plane was not fully read, and what was read does not show " +
			"whether it is the API server's"
		aes    = " = aescbc " + aescbc + "]"
		worker = "unknown NotPresent cp1: an etcd on this node holds 1 Secret of the cluster's names in plaintext, " +
			"but nothing shows that the node belongs to the control plane "
	)
	inThree := func(name string, revision int) string {
		from := func(node string) string {
			return fmt.Sprintf("node/%s %s rev %d", node, name, revision) + strings.TrimSuffix(aes, "]")
		}
		return "pass shop/" + name + ": " + pass + " [" + from("cp2") + "; " + from("cp3") + "; " + from("cp1") + "]"
	}
	foreign := func(db fact.EtcdDB) fact.EtcdDB { db.Path = "/calico"; return db }
	for name, tc := range map[string]struct {
		set  *fact.Set
		want []string
	}{
		"plaintext fails, encrypted passes": {
			live(list("a@7", "b@8"), etcd(plaintext("a", 7), encrypted("b", 8))),
			[]string{"fail shop/a: " + fail + " [node/cp1 a rev 7" + clear, "pass shop/b: " + pass + " [node/cp1 b rev 8" + aes},
		},

		// Which file is the cluster's.
		"names alone are not enough: the revisions are another cluster's": {
			live(list("a@7", "b@8"), etcd(plaintext("a", 3), plaintext("b", 4))),
			[]string{"unknown NotPresent Cluster: no etcd that was read holds the listed Secrets at their revisions: " +
				"it is not the API server's, or the key prefix is wrong [node/cp1 = 0 of 2 listed Secrets, compared by revision]"},
		},
		"another etcd on the same node makes no finding": {
			ft.Edit(live(list("a@7"), etcd(encrypted("a", 7))), func(s *fact.Set) {
				s.Nodes[0].Measured.Etcd = append(s.Nodes[0].Measured.Etcd, foreign(etcd(plaintext("a", 900), plaintext("x", 901))))
			}),
			[]string{"pass shop/a: " + pass + " [node/cp1 a rev 7" + aes},
		},
		"nine of ten are enough: one was deleted meanwhile": {
			live(list("a@1", "b@2", "c@3", "d@4", "e@5", "f@6", "g@7", "h@8", "i@9", "j@10"), etcd(
				encrypted("a", 1), encrypted("b", 2), encrypted("c", 3), encrypted("d", 4), encrypted("e", 5),
				encrypted("f", 6), encrypted("g", 7), encrypted("h", 8), encrypted("i", 9))),
			[]string{
				"pass shop/a: " + pass + " [node/cp1 a rev 1" + aes, "pass shop/b: " + pass + " [node/cp1 b rev 2" + aes,
				"pass shop/c: " + pass + " [node/cp1 c rev 3" + aes, "pass shop/d: " + pass + " [node/cp1 d rev 4" + aes,
				"pass shop/e: " + pass + " [node/cp1 e rev 5" + aes, "pass shop/f: " + pass + " [node/cp1 f rev 6" + aes,
				"pass shop/g: " + pass + " [node/cp1 g rev 7" + aes, "pass shop/h: " + pass + " [node/cp1 h rev 8" + aes,
				"pass shop/i: " + pass + " [node/cp1 i rev 9" + aes,
				"unknown NotPresent shop/j: listed by the API server, but not found in etcd [node/cp1 j = no such key]",
			},
		},
		"eight of nine are not, and it may be the API server's": {
			live(list("a@1", "b@2", "c@3", "d@4", "e@5", "f@6", "g@7", "h@8", "i@9"), etcd(
				encrypted("a", 1), encrypted("b", 2), encrypted("c", 3), encrypted("d", 4), encrypted("e", 5),
				encrypted("f", 6), encrypted("g", 7), encrypted("h", 8))),
			[]string{some + " [node/cp1 = 8 of 9 listed Secrets, compared by revision]"},
		},
		"plaintext at a listed revision fails in it all the same": {
			live(list("a@1", "b@2", "c@3"), etcd(plaintext("a", 1), encrypted("b", 2), plaintext("d", 4))),
			[]string{
				some + " [node/cp1 = 2 of 3 listed Secrets, compared by revision]",
				"fail shop/a: " + fail + " [node/cp1 a rev 1" + clear,
			},
		},
		"what an unclear file saw last at a listed revision fails as plaintext": {
			live(list("a@1", "b@2", "c@3"), etcd(lastSeen(plaintext("a", 1)), encrypted("b", 2))),
			[]string{
				some + " [node/cp1 = 2 of 3 listed Secrets, compared by revision]",
				"fail shop/a: " + fail + " [node/cp1 a rev 1" + clear,
			},
		},
		"plaintext in an unclear file fails next to a member that has it encrypted": {
			live(list("a@1", "b@2", "c@3"), etcd(encrypted("a", 1), encrypted("b", 2), encrypted("c", 3)), etcd(plaintext("a", 1), encrypted("b", 2))),
			[]string{
				some + " [node/cp2 = 2 of 3 listed Secrets, compared by revision]",
				"fail shop/a: " + fail + " [node/cp2 a rev 1" + clear,
				"pass shop/a: " + pass + " [node/cp1 a rev 1" + aes,
				"pass shop/b: " + pass + " [node/cp1 b rev 2" + aes, "pass shop/c: " + pass + " [node/cp1 c rev 3" + aes,
			},
		},
		"what a file that was not read to its end saw last at the listed revision is plaintext": {
			live(list("a@1", "b@2"), partly(lastSeen(plaintext("a", 1)))),
			[]string{
				"unknown Truncated Cluster: etcd's file was not read to the end [node/cp1 = 1 Secrets before the end]",
				"fail shop/a: " + fail + " [node/cp1 a rev 1" + clear,
				"unknown NotPresent shop/b: listed by the API server, but not found in etcd [node/cp1 b = no such key]",
			},
		},
		"a file that was not read to its end and shows nothing may be the API server's": {
			live(list("a@7"), etcd(encrypted("a", 7)), partly(encrypted("a", 3))),
			[]string{notWhole + " [node/cp2 = no listed Secret to compare it with]", "pass shop/a: " + pass + " [node/cp1 a rev 7" + aes},
		},
		"a file without a prefix that was not read to its end may be the API server's": {
			live(list("a@7"), etcd(encrypted("a", 7)), fact.EtcdDB{Path: dbPath}),
			[]string{
				notWhole + " [node/cp2 = no key PREFIX/namespaces/default, so it is unknown which keys are Secrets]",
				"pass shop/a: " + pass + " [node/cp1 a rev 7" + aes,
			},
		},
		"one that holds Secrets where none is listed may be, too": {
			live(list(), etcd(encrypted("a", 7))),
			[]string{"unknown Changing Cluster: it is unknown whether an etcd of the control plane is the API server's: " +
				"what it holds is newer than the list of Secrets [node/cp1 = no listed Secret to compare it with]"},
		},
		"one whose Secrets another member has passed is something else's": {
			live(list("a@7"), etcd(encrypted("a", 7)), etcd(plaintext("a", 900))),
			[]string{"pass shop/a: " + pass + " [node/cp1 a rev 7" + aes},
		},
		"one whose Secrets no other member has reached may be the API server's": {
			live(list("a@7"), etcd(encrypted("a", 7)), etcd(plaintext("a", 1001))),
			[]string{
				"unknown Changing Cluster: it is unknown whether an etcd of the control plane is the API server's: " +
					"what it holds is newer than the list of Secrets [node/cp2 = no listed Secret to compare it with]",
				"pass shop/a: " + pass + " [node/cp1 a rev 7" + aes,
			},
		},
		"a Secret that is there twice is plaintext if one of the two is": {
			live(list("a@7", "b@8"), etcd(plaintext("a", 7), encrypted("a", 7), encrypted("b", 8))),
			[]string{"fail shop/a: " + fail + " [node/cp1 a rev 7" + clear, "pass shop/b: " + pass + " [node/cp1 b rev 8" + aes},
		},
		"a file whose own revision is too small is compared all the same": {
			live(list("a@7", "b@8"), etcd(encrypted("a", 7), encrypted("b", 8)), edited(etcd(plaintext("a", 7), encrypted("b", 8)), func(db *fact.EtcdDB) { db.Revision = 0 })),
			[]string{"fail shop/a: " + fail + " [node/cp2 a rev 7" + clear, "pass shop/b: " + pass + " [node/cp1 b rev 8" + strings.TrimSuffix(aes, "]") + "; node/cp2 b rev 8" + aes},
		},
		"a file without a prefix that holds Secrets is unclear": {
			live(list("a@7"), etcd(encrypted("a", 7)), edited(etcd(plaintext("a", 7)), func(db *fact.EtcdDB) { db.Prefix = "" })),
			[]string{
				some + " [node/cp2 = no key PREFIX/namespaces/default, so it is unknown which keys are Secrets]",
				"fail shop/a: " + fail + " [node/cp2 key /secrets/shop/a rev 7" + clear,
				"pass shop/a: " + pass + " [node/cp1 a rev 7" + aes,
			},
		},
		"one revision in two ways behind a newer one": {
			live(
				list("a@7", "b@8", "c@9", "z@10"),
				etcd(encrypted("a", 7), encrypted("b", 8), encrypted("c", 9), encrypted("z", 11)),
				etcd(encrypted("a", 7), encrypted("b", 8), encrypted("c", 9), encrypted("z", 10)),
				etcd(encrypted("a", 7), encrypted("b", 8), encrypted("c", 9), stored("z", 10, fact.ClassSecretbox)),
			),
			[]string{
				inThree("a", 7), inThree("b", 8), inThree("c", 9),
				"unknown Corrupt shop/z: one of its revisions is stored in two ways [node/cp2 z rev 10" + strings.TrimSuffix(aes, "]") +
					"; node/cp3 z rev 10 = secretbox; node/cp1 z rev 11" + aes,
			},
		},
		"a listed Secret without a revision passes by none": {
			live(list("a@7", "b"), etcd(encrypted("a", 7), encrypted("b", 8))),
			[]string{
				"pass shop/a: " + pass + " [node/cp1 a rev 7" + aes,
				"unknown NotPresent shop/b: the API server's list does not give its revision [node/cp1 b rev 8" + aes,
			},
		},
		"by names alone most have to be there": {
			live(list("a", "b", "c", "d"), etcd(plaintext("a", 1), encrypted("b", 2))),
			[]string{some + " [node/cp1 = 2 of 4 listed Secrets, compared by name]"},
		},
		"revision 0 is no listed revision": {
			live(list("a", "b", "c", "d"), etcd(plaintext("a", 0), encrypted("b", 2))),
			[]string{some + " [node/cp1 = 2 of 4 listed Secrets, compared by name]"},
		},
		"fewer are something else's": {
			live(list("a", "b", "c"), etcd(plaintext("a", 1))),
			[]string{"unknown NotPresent Cluster: no etcd that was read holds the listed Secrets at their revisions: " +
				"it is not the API server's, or the key prefix is wrong [node/cp1 = 1 of 3 listed Secrets, compared by name]"},
		},
		"a Secret that was written between the list and the file shows nothing": {
			live(list("a@7", "b@8"), etcd(encrypted("a", 7), encrypted("b", 12))),
			[]string{"pass shop/a: " + pass + " [node/cp1 a rev 7" + aes, "pass shop/b: " + pass + " [node/cp1 b rev 12" + aes},
		},
		"a Secret that is newer than the file shows nothing and is unknown": {
			live(list("a@7", "b@1001"), etcd(encrypted("a", 7))),
			[]string{
				"pass shop/a: " + pass + " [node/cp1 a rev 7" + aes,
				"unknown Changing shop/b: its listed revision is newer than what was read from etcd: it was written later, or the file lags behind [node/cp1 b = listed at revision 1001, the newest in the file is 1000]",
			},
		},
		"nothing shows whose a file is all of whose revisions are newer than the list": {
			live(list("a@7", "b@8"), etcd(encrypted("a", 70), encrypted("b", 80))),
			[]string{"unknown Changing Cluster: it is unknown whether an etcd of the control plane is the API server's: " +
				"what it holds is newer than the list of Secrets [node/cp1 = no listed Secret to compare it with]"},
		},
		"an unknown prefix is unknown": {
			live(list("a@7"), fact.EtcdDB{Path: dbPath, Complete: true}),
			[]string{"unknown NotPresent Cluster: no etcd that was read holds the listed Secrets at their revisions: " +
				"it is not the API server's, or the key prefix is wrong " +
				"[node/cp1 = no key PREFIX/namespaces/default, so it is unknown which keys are Secrets]"},
		},
		"an unknown prefix is unknown where nothing was listed": {
			live(nil, fact.EtcdDB{Path: dbPath, Complete: true}),
			[]string{"unknown NotPresent Cluster: no etcd that was read holds the listed Secrets at their revisions: " +
				"it is not the API server's, or the key prefix is wrong " +
				"[node/cp1 = no key PREFIX/namespaces/default, so it is unknown which keys are Secrets]"},
		},
		"an etcd for events alone does not answer": {
			live(list("a@7"), etcd(), etcd(encrypted("a", 7))),
			[]string{"pass shop/a: " + pass + " [node/cp2 a rev 7" + aes},
		},

		// What the list does not have.
		"stored before the list and not in it: plaintext fails": {
			live(list("b@8"), etcd(plaintext("a", 7), encrypted("b", 8))),
			[]string{
				"fail shop/a: " + fail + "; the API server does not list it [node/cp1 a rev 7" + clear,
				"pass shop/b: " + pass + " [node/cp1 b rev 8" + aes,
			},
		},
		"stored before the list and not in it: encrypted is unknown": {
			live(list("b@8"), etcd(encrypted("a", 7), encrypted("b", 8))),
			[]string{
				"unknown Changing shop/a: " + pass + "; the API server does not list it [node/cp1 a rev 7" + aes,
				"pass shop/b: " + pass + " [node/cp1 b rev 8" + aes,
			},
		},
		"at the newest listed revision, too": {
			live(list("b@8"), etcd(encrypted("a", 8), encrypted("b", 8))),
			[]string{
				"unknown Changing shop/a: " + pass + "; the API server does not list it [node/cp1 a rev 8" + aes,
				"pass shop/b: " + pass + " [node/cp1 b rev 8" + aes,
			},
		},
		"created after the list: judged by its bytes": {
			live(list("b@8"), etcd(encrypted("a", 9), encrypted("b", 8))),
			[]string{
				"pass shop/a: " + pass + "; the API server does not list it [node/cp1 a rev 9" + aes,
				"pass shop/b: " + pass + " [node/cp1 b rev 8" + aes,
			},
		},
		"names that were not listed: what is stored counts": {
			live(nil, etcd(plaintext("a", 7))), []string{"fail shop/a: " + fail + " [node/cp1 a rev 7" + clear},
		},

		// Several members.
		"plaintext at the listed revision in one member fails, whatever the others say": {
			live(list("a@7"), etcd(encrypted("a", 7)), etcd(plaintext("a", 7))),
			[]string{"fail shop/a: " + fail + " [node/cp2 a rev 7" + clear},
		},
		"plaintext newer than the list fails too": {
			live(list("a@7", "b@8"), etcd(encrypted("a", 7), encrypted("b", 8)), etcd(plaintext("a", 12), encrypted("b", 8))),
			[]string{"fail shop/a: " + fail + " [node/cp2 a rev 12" + clear, "pass shop/b: " + pass + " [node/cp1 b rev 8 = aescbc " + aescbc + "; node/cp2 b rev 8" + aes},
		},
		"plaintext at an older revision is not what is stored now": {
			live(list("a@7", "b@8"),
				func() fact.EtcdDB { db := etcd(plaintext("a", 5), encrypted("b", 6)); db.Revision = 6; return db }(),
				etcd(encrypted("a", 7), encrypted("b", 8))),
			[]string{"pass shop/a: " + pass + " [node/cp2 a rev 7" + aes, "pass shop/b: " + pass + " [node/cp2 b rev 8" + aes},
		},
		"one revision with two classes is unknown": {
			live(list("a@7"), etcd(encrypted("a", 7)), etcd(stored("a", 7, fact.ClassKMSv2))),
			[]string{"unknown Corrupt shop/a: one of its revisions is stored in two ways [node/cp1 a rev 7 = aescbc " + aescbc + "; node/cp2 a rev 7 = kms v2]"},
		},
		"one revision by two keys is unknown": {
			live(list("a@7"), etcd(encrypted("a", 7)), etcd(func() fact.StoredSecret { s := encrypted("a", 7); s.Provider = "other"; return s }())),
			[]string{"unknown Corrupt shop/a: one of its revisions is stored in two ways [node/cp1 a rev 7 = aescbc " + aescbc + "; node/cp2 a rev 7 = aescbc other]"},
		},
		"a member that lags behind the whole list shows nothing": {
			live(list("a@7", "b@8"), func() fact.EtcdDB { db := etcd(encrypted("a", 5), encrypted("b", 6)); db.Revision = 6; return db }()),
			[]string{"unknown NotPresent Cluster: no etcd that was read holds the listed Secrets at their revisions: " +
				"it is not the API server's, or the key prefix is wrong [node/cp1 = no listed Secret to compare it with]"},
		},

		"plaintext at an older revision fails where no revision is listed: nothing shows which member is behind": {
			live(nil, etcd(plaintext("a", 5)), etcd(encrypted("a", 7))),
			[]string{"fail shop/a: " + fail + " [node/cp1 a rev 5" + clear},
		},
		"what else is older there does not count": {
			live(nil, etcd(stored("a", 5, fact.ClassUnknown)), etcd(encrypted("a", 7))),
			[]string{"pass shop/a: " + pass + " [node/cp2 a rev 7" + aes},
		},
		"two revisions may differ, and the file that decided is the evidence": {
			live(list("a@7", "b@8"), etcd(encrypted("a", 7), encrypted("b", 8)), etcd(stored("a", 12, fact.ClassKMSv2), encrypted("b", 8))),
			[]string{"pass shop/a: " + pass + " [node/cp1 a rev 7" + aes, "pass shop/b: " + pass + " [node/cp1 b rev 8 = aescbc " + aescbc + "; node/cp2 b rev 8" + aes},
		},
		"of two revisions the one in a form that is not known decides": {
			live(list("a@7", "b@8"), etcd(encrypted("a", 7), encrypted("b", 8)), etcd(stored("a", 12, fact.ClassUnknown), encrypted("b", 8))),
			[]string{
				"unknown Unsupported shop/a: stored in etcd in an unknown form [node/cp2 a rev 12 = unknown]",
				"pass shop/b: " + pass + " [node/cp1 b rev 8 = aescbc " + aescbc + "; node/cp2 b rev 8" + aes,
			},
		},
		"of four members three are evidence": {
			live(list("a@7"), etcd(plaintext("a", 7)), etcd(plaintext("a", 7)), etcd(plaintext("a", 7)), etcd(plaintext("a", 7))),
			[]string{"fail shop/a: " + fail + " [node/cp1 a rev 7 = identity (protobuf); node/cp2 a rev 7 = identity (protobuf); node/cp3 a rev 7" + clear},
		},

		// Whose word counts.
		"a worker's plaintext at a listed revision is shown where a witness has none, and is the node's": {
			unlabelled(live(list("a@7"), etcd(plaintext("a", 7)), etcd(encrypted("a", 7))), 0),
			[]string{
				"unknown NotPresent cp1: an etcd on this node holds 1 Secret of the cluster's names in plaintext, " +
					"but nothing shows that the node belongs to the control plane [node/cp1 a rev 7" + clear,
				"pass shop/a: " + pass + " [node/cp2 a rev 7" + aes,
			},
		},
		"at another revision it can be a virtual cluster's, and counts for nothing": {
			unlabelled(live(list("a@7"), etcd(plaintext("a", 8)), etcd(encrypted("a", 7))), 0),
			[]string{"pass shop/a: " + pass + " [node/cp2 a rev 7" + aes},
		},
		"a worker's plaintext is shown as the node's where no witness has an etcd": {
			unlabelled(live(list("a@7"), etcd(plaintext("a", 7))), 0),
			[]string{"unknown NotPresent cp1: an etcd on this node holds 1 Secret of the cluster's names in plaintext, " +
				"but nothing shows that the node belongs to the control plane [node/cp1 a rev 7" + clear},
		},
		"a worker's plaintext at another revision is shown where no witness has an etcd": {
			unlabelled(live(list("a@7"), etcd(plaintext("a", 8))), 0),
			[]string{worker + "[node/cp1 a rev 8" + clear},
		},
		"a worker's plaintext is shown where no Secret was listed": {
			unlabelled(live(nil, etcd(plaintext("a", 7))), 0),
			[]string{worker + "[node/cp1 a rev 7" + clear},
		},
		"a worker's file that was not read to its end: what it saw last at the listed revision is shown": {
			unlabelled(live(list("a@7"), partly(lastSeen(plaintext("a", 7)))), 0),
			[]string{worker + "[node/cp1 a rev 7" + clear},
		},
		"what a worker claims to be encrypted makes no finding": {
			unlabelled(live(list("a@7"), etcd(encrypted("a", 7))), 0), nil,
		},
		"a worker's Secrets of other names count for nothing": {
			unlabelled(live(list("a@7"), etcd(plaintext("x", 7))), 0), nil,
		},
		"a node that the user named": {
			ft.Edit(unlabelled(live(list("a@7"), etcd(plaintext("a", 7))), 0), func(s *fact.Set) { s.ControlPlaneNodes = []string{"cp1"} }),
			[]string{"fail shop/a: " + fail + " [node/cp1 a rev 7" + clear},
		},
		"etcd on nodes of its own": {
			ft.Edit(live(list("a@7"), etcd(encrypted("a", 7))), func(s *fact.Set) { s.Nodes[0].Labels = role(fact.RoleEtcd) }),
			[]string{"pass shop/a: " + pass + " [node/cp1 a rev 7" + aes},
		},
		"controlPlane in facts is ignored": {
			ft.Edit(unlabelled(live(list("a@7"), etcd(encrypted("a", 7))), 0), func(s *fact.Set) { s.Nodes[0].ControlPlane = true }),
			nil,
		},
		"no etcd anywhere: a gap says why": {live(list("a@7")), nil},

		// What was not read whole.
		"a newer revision may lie in what was not read: the class of the listed one counts, of another it does not": {
			live(list("a@7", "b@8", "c@3"), partly(lastSeen(encrypted("a", 7)), lastSeen(plaintext("b", 8)), lastSeen(plaintext("c", 9)))),
			[]string{
				"unknown Truncated Cluster: etcd's file was not read to the end [node/cp1 = 3 Secrets before the end]",
				"pass shop/a: " + pass + " [node/cp1 a rev 7 = aescbc]",
				"fail shop/b: " + fail + " [node/cp1 b rev 8" + clear,
				"unknown Unsupported shop/c: stored in etcd in an unknown form [node/cp1 c rev 9 = unknown]",
			},
		},
		"not read to the end: the listed revision is certain, a newer one may follow any other": {
			live(list("a@7", "b@8", "c@3"), partly(encrypted("a", 7), plaintext("b", 8), encrypted("c", 9))),
			[]string{
				"unknown Truncated Cluster: etcd's file was not read to the end [node/cp1 = 3 Secrets before the end]",
				"pass shop/a: " + pass + " [node/cp1 a rev 7" + aes,
				"fail shop/b: " + fail + " [node/cp1 b rev 8" + clear,
				"unknown Truncated shop/c: one of its revisions is encrypted, but etcd's file was not read to the end [node/cp1 c rev 9" + aes,
			},
		},
		"an older revision than the listed one, in two files that were not read to their ends": {
			live(list("a@7", "b@8"), partly(encrypted("a", 7), encrypted("b", 3)), partly(encrypted("a", 7), encrypted("b", 2))),
			[]string{
				"unknown Truncated Cluster: etcd's file was not read to the end [node/cp1 = 2 Secrets before the end]",
				"unknown Truncated Cluster: etcd's file was not read to the end [node/cp2 = 2 Secrets before the end]",
				"pass shop/a: " + pass + " [node/cp1 a rev 7 = aescbc " + aescbc + "; node/cp2 a rev 7" + aes,
				"unknown Changing shop/b: etcd holds only an older revision than the one that the API server lists [node/cp1 b = listed at revision 8, found 3]",
			},
		},
		"not found, though the newest file is at the listed revision": {
			live(list("a@7", "b@1000"), partly(encrypted("a", 7)), func() fact.EtcdDB { db := partly(encrypted("a", 7)); db.Revision = 999; return db }()),
			[]string{
				"unknown Truncated Cluster: etcd's file was not read to the end [node/cp1 = 1 Secrets before the end]",
				"unknown Truncated Cluster: etcd's file was not read to the end [node/cp2 = 1 Secrets before the end]",
				"pass shop/a: " + pass + " [node/cp1 a rev 7 = aescbc " + aescbc + "; node/cp2 a rev 7" + aes,
				"unknown NotPresent shop/b: listed by the API server, but not found in etcd [node/cp1 b = no such key]",
			},
		},
		"a list that was cut is unknown": {
			live(nil, func() fact.EtcdDB { db := etcd(plaintext("a", 7)); db.Total = 9; return db }()),
			[]string{
				"unknown Truncated Cluster: not every Secret of etcd is in the facts [node/cp1 = 1 of 9 Secrets]",
				"fail shop/a: " + fail + " [node/cp1 a rev 7" + clear,
			},
		},

		// Facts of the first version hold no resource versions.
		"names match: that can fail a Secret and never gives a yes": {
			live(list("a", "b"), etcd(plaintext("a", 7), encrypted("b", 8))),
			[]string{
				"unknown NotPresent Cluster: it is unknown whether the etcd that was read is the API server's because the facts hold no resource versions of the listed Secrets " +
					"[node/cp1 = 2 of 2 listed Secrets, compared by name]",
				"fail shop/a: " + fail + " [node/cp1 a rev 7" + clear, "pass shop/b: " + pass + " [node/cp1 b rev 8" + aes,
			},
		},

		// Forms.
		"a prefix that is not known to encrypt is unknown": {
			live(nil, etcd(stored("a", 7, fact.ClassUnknownEncrypted))),
			[]string{"unknown Unsupported shop/a: stored in etcd with a prefix that is not known to encrypt [node/cp1 a rev 7 = encrypted-unknown]"},
		},
		"an empty value is unknown": {
			live(nil, etcd(stored("a", 7, fact.ClassEmpty))),
			[]string{"unknown Unsupported shop/a: stored in etcd as an empty value [node/cp1 a rev 7 = empty]"},
		},
		"a form that is not known is unknown": {
			live(nil, etcd(stored("a", 7, fact.ClassUnknown))),
			[]string{"unknown Unsupported shop/a: stored in etcd in an unknown form [node/cp1 a rev 7 = unknown]"},
		},
		"one odd Secret costs no other": {
			live(list("a@7", "b@8", "c@9"), etcd(encrypted("a", 7), stored("b", 8, fact.ClassUnknown), plaintext("c", 9))),
			[]string{
				"pass shop/a: " + pass + " [node/cp1 a rev 7" + aes,
				"unknown Unsupported shop/b: stored in etcd in an unknown form [node/cp1 b rev 8 = unknown]",
				"fail shop/c: " + fail + " [node/cp1 c rev 9" + clear,
			},
		},

		// kine.
		"kine is named": {
			live(list("a@7", "b@8", "c@9"), kine(plaintext("a", 7), encrypted("b", 8), stored("d", 3, fact.ClassEmpty), encrypted("c", 9))),
			[]string{
				"fail shop/a: stored in SQLite (kine) as plaintext [node/cp1 a rev 7" + clear,
				"pass shop/b: stored in SQLite (kine) encrypted (aescbc) [node/cp1 b rev 8" + aes,
				"pass shop/c: stored in SQLite (kine) encrypted (aescbc) [node/cp1 c rev 9" + aes,
				"unknown Unsupported shop/d: stored in SQLite (kine) as an empty value; the API server does not list it [node/cp1 d rev 3 = empty]",
			},
		},
		"a kine that may be the API server's": {
			live(list("a@1", "b@2", "c@3"), kine(encrypted("a", 1), encrypted("b", 2))),
			[]string{"unknown Changing Cluster: an SQLite database (kine) of the control plane holds only some of the listed Secrets at their revisions: " +
				"it may be the API server's [node/cp1 = 2 of 3 listed Secrets, compared by revision]"},
		},
		"a kine that was not read to its end": {
			live(list("a@7"), edited(kine(encrypted("a", 7)), func(db *fact.EtcdDB) { db.Complete = false })),
			[]string{
				"unknown Truncated Cluster: kine's database was not read to the end [node/cp1 = 1 Secrets before the end]",
				"pass shop/a: stored in SQLite (kine) encrypted (aescbc) [node/cp1 a rev 7" + aes,
			},
		},

		// Secrets in an etcd of their own.
		"an etcd for Secrets alone that was not read": {
			overriding(live(list("a@7"), etcd(plaintext("a", 3))), "/events#https://e:2379,/secrets#https://s:2379;https://t:2379"),
			[]string{"unknown NotPresent Cluster: the API server keeps Secrets in an etcd of their own (--etcd-servers-overrides), and no etcd that was read holds them " +
				"[node/cp1 /proc/10/cmdline --etcd-servers-overrides = /secrets#https://s:2379;https://t:2379; node/cp1 = 0 of 1 listed Secrets, compared by revision]"},
		},
		"no etcd was read at all": {
			overriding(nodeWith(func(*fact.Measurement) {}), "/secrets#https://s:2379"),
			[]string{"unknown NotPresent Cluster: the API server keeps Secrets in an etcd of their own (--etcd-servers-overrides), and no etcd that was read holds them " +
				"[node/cp1 /proc/10/cmdline --etcd-servers-overrides = /secrets#https://s:2379]"},
		},
		"a store that holds them is the right one, whatever its address": {
			overriding(live(list("a@7"), etcd(encrypted("a", 7))), "/secrets#https://s:2379"), []string{"pass shop/a: " + pass + " [node/cp1 a rev 7" + aes},
		},
		"an etcd for something else": {
			overriding(live(list("a@7"), etcd(plaintext("a", 3))), "/events#https://e:2379,apps/secrets#https://x"),
			[]string{"unknown NotPresent Cluster: no etcd that was read holds the listed Secrets at their revisions: " +
				"it is not the API server's, or the key prefix is wrong [node/cp1 = 0 of 1 listed Secrets, compared by revision]"},
		},
		"yaml fails":                  {live(nil, etcd(stored("a", 7, fact.ClassIdentityYAML))), []string{"fail shop/a: " + fail + " [node/cp1 a rev 7 = identity (yaml)]"}},
		"json fails":                  {live(nil, etcd(stored("a", 7, fact.ClassIdentityJSON))), []string{"fail shop/a: " + fail + " [node/cp1 a rev 7 = identity (json)]"}},
		"cbor fails":                  {live(nil, etcd(stored("a", 7, fact.ClassIdentityCBOR))), []string{"fail shop/a: " + fail + " [node/cp1 a rev 7 = identity (cbor)]"}},
		"aesgcm is encrypted":         {live(nil, etcd(stored("a", 7, fact.ClassAESGCM))), []string{"pass shop/a: stored in etcd encrypted (aesgcm) [node/cp1 a rev 7 = aesgcm]"}},
		"secretbox is encrypted":      {live(nil, etcd(stored("a", 7, fact.ClassSecretbox))), []string{"pass shop/a: stored in etcd encrypted (secretbox) [node/cp1 a rev 7 = secretbox]"}},
		"the first kms is encrypted":  {live(nil, etcd(stored("a", 7, fact.ClassKMSv1))), []string{"pass shop/a: stored in etcd encrypted (kms v1) [node/cp1 a rev 7 = kms v1]"}},
		"the second kms is encrypted": {live(nil, etcd(stored("a", 7, fact.ClassKMSv2))), []string{"pass shop/a: stored in etcd encrypted (kms v2) [node/cp1 a rev 7 = kms v2]"}},
		"no Secrets, no list":         {live(nil, etcd()), []string{"unknown NotPresent Cluster: no Secret was found: etcd holds none, or the namespace or the key prefix is wrong [node/cp1 = 0 Secrets below /registry/secrets/]"}},
		"none, and none listed":       {live(list(), etcd()), nil},
		"a snapshot that was not read to its end does not say that there is none": {
			&fact.Set{Snapshot: ft.Ptr(partly())},
			[]string{"unknown Truncated " + dbPath[1:] + ": etcd's file was not read to the end [" + dbPath + " = 0 Secrets before the end]"},
		},
		"a snapshot of unknown prefix does not say that there is none": {
			&fact.Set{Snapshot: &fact.EtcdDB{Path: dbPath, Complete: true}},
			[]string{"unknown NotPresent " + dbPath[1:] + ": it is unknown which keys are Secrets because the API server's key prefix is unknown [" +
				dbPath + " = no key PREFIX/namespaces/default]"},
		},
		"what the API server lists says nothing of a snapshot": {
			&fact.Set{Snapshot: ft.Ptr(etcd(encrypted("a", 7))), SecretsListed: true, Secrets: list("b@8")},
			[]string{"pass shop/a: " + pass + " [" + dbPath + " a rev 7" + aes},
		},
		"none in a snapshot": {
			&fact.Set{Snapshot: func() *fact.EtcdDB { db := etcd(); return &db }()},
			[]string{"unknown NotPresent " + dbPath[1:] + ": no Secret was found: etcd holds none, or the namespace or the key prefix is wrong [" + dbPath + " = 0 Secrets below /registry/secrets/]"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, brief(checks.OfSetEach(eachEncryptedAtRest)(tc.set))); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

// What a user can do about plaintext on a node whose word does not count, and
// how much of it is shown.
func TestUntrustedPlaintext(t *testing.T) {
	var secrets []fact.StoredSecret
	for i := range checks.MaxEvidence + 1 {
		secrets = append(secrets, plaintext(fmt.Sprint(i), 7))
	}
	for name, tc := range map[string]struct{ version, want string }{
		"its own control plane": {"v1.36.2", "If this node holds the cluster's storage, add --control-plane-node cp1."},
		"a provider's":          {"v1.36.2-gke.1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			set := unlabelled(live(nil, etcd(secrets...)), 0)
			set.Cluster.Version = tc.version
			got := checks.OfSetEach(eachEncryptedAtRest)(set)
			if len(got) != 1 || got[0].Remediation.Text != tc.want {
				t.Fatalf("want one finding with remediation %q, got %+v", tc.want, got)
			}
			if n := len(got[0].Evidence); n != checks.MaxEvidence || !strings.Contains(got[0].Message, "holds 9 Secrets") {
				t.Errorf("want %d pieces of evidence of 9 Secrets, got %d: %s", checks.MaxEvidence, n, got[0].Message)
			}
		})
	}
}

// The same bytes from a live member and from its snapshot differ in where they
// were read, and in nothing else.
func TestSnapshotGivesTheFindingsOfTheLiveMember(t *testing.T) {
	db := etcd(plaintext("a", 7), encrypted("b", 8), stored("c", 9, fact.ClassUnknown))
	want := checks.OfSetEach(eachEncryptedAtRest)(live(list("a@7", "b@8", "c@9"), db))
	snapshot := db
	snapshot.Path, snapshot.Snapshot = "backup.db", true
	got := checks.OfSetEach(eachEncryptedAtRest)(&fact.Set{Snapshot: &snapshot})
	for i := range want {
		if !strings.Contains(want[i].Evidence[0].Source, "node/cp1") || strings.Contains(want[i].Message, "cp1") {
			t.Errorf("where it was read is in the evidence alone: %+v", want[i])
		}
		want[i].Evidence[0].Source = strings.Replace(want[i].Evidence[0].Source, "node/cp1 "+dbPath, "backup.db", 1)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-live +snapshot):\n%s", diff)
	}
}

func TestExcuseSnapshot(t *testing.T) {
	names := fact.Gap{What: fact.Secrets, Subject: fact.Subject{Kind: "Cluster"}}
	db := etcd()
	for name, tc := range map[string]struct {
		set  *fact.Set
		gap  fact.Gap
		want bool
	}{
		"the list of names is needed":                    {live(nil, db), names, false},
		"the list of names is not needed for a snapshot": {&fact.Set{Snapshot: &db}, names, true},
		"a snapshot's own gap is not excused":            {&fact.Set{Snapshot: &db}, fact.Gap{What: fact.Etcd, Subject: fact.Subject{Kind: "File"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := excuseSnapshot(checks.NewView(tc.set), tc.gap); got != tc.want {
				t.Errorf("want %v, got %v", tc.want, got)
			}
		})
	}
}
