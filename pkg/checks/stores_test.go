package checks

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// A worker's database is not compared with the list of Secrets: each costs the
// whole list, and nothing follows from it.
func TestOnlyWitnessesAreCompared(t *testing.T) {
	for name, tc := range map[string]struct {
		role                      string
		compared, ours, untrusted int
	}{
		"a worker":                    {"worker", 0, 0, 1},
		"a node of the control plane": {fact.RoleControlPlane, 1, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			set := facttest.Measured(facttest.With(), fact.Container{})
			set.Nodes[0].Labels = map[string]string{"node-role.kubernetes.io/" + tc.role: ""}
			set.Nodes[0].Measured.Etcd = []fact.EtcdDB{{
				Prefix: "/registry", Complete: true, Revision: 9, Total: 1,
				Secrets: []fact.StoredSecret{{Namespace: "shop", Name: "db", Revision: 5, Class: fact.ClassAESCBC}},
			}}
			set.Secrets, set.SecretsListed = []fact.SecretName{{Namespace: "shop", Name: "db", ResourceVersion: "5"}}, true
			got := NewView(set).Stores()
			if len(got.Ours) != tc.ours || len(got.Untrusted) != tc.untrusted || len(got.Others) != 0 {
				t.Fatalf("%d of this cluster, %d untrusted, %d others", len(got.Ours), len(got.Untrusted), len(got.Others))
			}
			for _, s := range append(got.Ours, got.Untrusted...) {
				if s.compared != tc.compared {
					t.Errorf("want %d compared, got %d", tc.compared, s.compared)
				}
			}
		})
	}
}

// stored makes Secrets of a file, listed what the API server lists, both of
// "name@revision".
func stored(words ...string) (out []fact.StoredSecret) {
	for _, word := range words {
		name, revision, _ := strings.Cut(word, "@")
		n, _ := strconv.ParseInt(revision, 10, 64)
		out = append(out, fact.StoredSecret{Namespace: "shop", Name: name, Revision: n, Class: fact.ClassAESCBC})
	}
	return out
}

func listed(words ...string) (out []fact.SecretName) {
	for _, word := range words {
		name, revision, _ := strings.Cut(word, "@")
		out = append(out, fact.SecretName{Namespace: "shop", Name: name, ResourceVersion: revision})
	}
	return out
}

// whole is a file at revision 100 that was read whole, partial one that was not
// read to its end, and cut one of whose Secrets one is not in the facts.
func whole(path string, words ...string) fact.EtcdDB {
	secrets := stored(words...)
	return fact.EtcdDB{Path: path, Prefix: "/registry", Complete: true, Revision: 100, Secrets: secrets, Total: len(secrets)}
}

func partial(path string, words ...string) fact.EtcdDB {
	db := whole(path, words...)
	db.Complete = false
	return db
}

func cut(path string, words ...string) fact.EtcdDB {
	db := whole(path, words...)
	db.Total++
	return db
}

func at(revision int64, db fact.EtcdDB) fact.EtcdDB {
	db.Revision = revision
	return db
}

// storesOf sorts the files of one node of the control plane.
func storesOf(list []fact.SecretName, dbs ...fact.EtcdDB) *Stores {
	set := facttest.Measured(facttest.With(), fact.Container{})
	set.Nodes[0].Labels = map[string]string{"node-role.kubernetes.io/" + fact.RoleControlPlane: ""}
	set.Nodes[0].Measured.Etcd = dbs
	set.Secrets, set.SecretsListed = list, list != nil
	return NewView(set).Stores()
}

func TestStoresAreSorted(t *testing.T) {
	none := []fact.SecretName{}
	ten := []string{"a@1", "b@2", "c@3", "d@4", "e@5", "f@6", "g@7", "h@8", "i@9", "j@10"}
	for name, tc := range map[string]struct {
		list []fact.SecretName
		dbs  []fact.EtcdDB
		want []string // "list path matched/compared"
	}{
		"nothing listed, and nothing stored": {none, []fact.EtcdDB{whole("/a")}, []string{"ours /a 0/0"}},
		"nothing listed, and nothing stored in what was read of the file": {
			none, []fact.EtcdDB{partial("/a")}, []string{"unclear /a 0/0"},
		},
		"a list of which some is missing shows nothing by what it does not hold": {
			listed("a@7", "b@8"), []fact.EtcdDB{cut("/a", "a@3")}, []string{"unclear /a 0/0"},
		},
		"no resource version: it is not compared":                 {listed("a@", "b@8"), []fact.EtcdDB{whole("/a", "b@8")}, []string{"ours /a 1/1"}},
		"a negative one, too":                                     {listed("a@-7", "b@8"), []fact.EtcdDB{whole("/a", "b@8")}, []string{"ours /a 1/1"}},
		"listed at the newest revision of the file":               {listed("a@100"), []fact.EtcdDB{whole("/a", "a@100")}, []string{"ours /a 1/1"}},
		"by names, what was not read shows nothing":               {listed("a", "b"), []fact.EtcdDB{partial("/a", "a@7")}, []string{"ours /a 1/1"}},
		"one newer than the list next to one that does not match": {listed("a@7", "b@8"), []fact.EtcdDB{whole("/a", "a@3", "b@90")}, []string{"others /a 0/1"}},

		// A member of the cluster shows that another file is something else's.
		"passed by another without writing it": {
			listed("a@7"), []fact.EtcdDB{whole("/a", "a@7"), whole("/b", "a@90")}, []string{"ours /a 1/1", "others /b 0/0"},
		},
		"just passed": {listed("a@7"), []fact.EtcdDB{whole("/a", "a@7"), whole("/b", "a@100")}, []string{"ours /a 1/1", "others /b 0/0"}},
		"not passed":  {listed("a@7"), []fact.EtcdDB{whole("/a", "a@7"), whole("/b", "a@101")}, []string{"ours /a 1/1", "unclear /b 0/0"}},
		"passed, but not read whole": {
			listed("a@7"), []fact.EtcdDB{whole("/a", "a@7"), partial("/b", "a@90")}, []string{"ours /a 1/1", "unclear /b 0/0"},
		},
		"passed, but one of its Secrets matches": {
			listed("a@7", "b@8", "c@9"),
			[]fact.EtcdDB{whole("/a", "a@7", "b@8", "c@9"), whole("/b", "a@7", "b@90", "c@2")},
			[]string{"ours /a 3/3", "unclear /b 1/2"},
		},
		"passed by one that was not read whole itself": {
			listed("a@7"), []fact.EtcdDB{partial("/a", "a@7"), whole("/b", "a@90")}, []string{"ours /a 1/1", "unclear /b 0/0"},
		},
		"the other has written it since": {
			listed("a@7"), []fact.EtcdDB{at(50, whole("/a", "a@7", "x@30")), whole("/b", "a@70", "x@20")}, []string{"ours /a 1/1", "unclear /b 0/0"},
		},
		"both hold it at one revision": {
			listed("a@7"), []fact.EtcdDB{at(50, whole("/a", "a@7", "x@20")), whole("/b", "a@70", "x@20")}, []string{"ours /a 1/1", "unclear /b 0/0"},
		},

		// The best first.
		"one that answers, first":                  {listed("a@7"), []fact.EtcdDB{partial("/a", "a@7"), whole("/b", "a@7")}, []string{"ours /b 1/1", "ours /a 1/1"}},
		"then one of which more match":             {listed(ten...), []fact.EtcdDB{whole("/a", ten[1:]...), whole("/b", ten...)}, []string{"ours /b 10/10", "ours /a 9/10"}},
		"then one that holds Secrets":              {nil, []fact.EtcdDB{at(101, whole("/a")), whole("/b", "a@7")}, []string{"ours /b 0/0", "ours /a 0/0"}},
		"then one at a newer revision":             {listed("a@7"), []fact.EtcdDB{whole("/a", "a@7"), at(101, whole("/b", "a@7"))}, []string{"ours /b 1/1", "ours /a 1/1"}},
		"then by name, in each list alike":         {listed("a@7"), []fact.EtcdDB{whole("/b", "a@3"), whole("/a", "a@3")}, []string{"others /a 0/1", "others /b 0/1"}},
		"unclear ones by name, whatever was found": {listed("a@7"), []fact.EtcdDB{partial("/b"), partial("/a")}, []string{"unclear /a 0/0", "unclear /b 0/0"}},
	} {
		t.Run(name, func(t *testing.T) {
			stores := storesOf(tc.list, tc.dbs...)
			var got []string
			for _, list := range []struct {
				name   string
				stores []Store
			}{{"ours", stores.Ours}, {"unclear", stores.Unclear}, {"others", stores.Others}, {"untrusted", stores.Untrusted}} {
				for _, s := range list.stores {
					got = append(got, fmt.Sprintf("%s %s %d/%d", list.name, s.DB.Path, s.matched, s.Compared()))
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

// A resource version that is no revision counts as none, and is not the newest.
func TestListedRevisions(t *testing.T) {
	got := storesOf(listed("a@7", "b@", "c@x", "d@-3", "e@99999999999999999999"))
	var want []ListedSecret
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		want = append(want, ListedSecret{SecretKey: SecretKey{"shop", name}})
	}
	want[0].Revision = 7
	if diff := cmp.Diff(want, got.Listed); diff != "" || got.Newest != 7 {
		t.Errorf("newest %d, listed (-want +got):\n%s", got.Newest, diff)
	}
}

// Lists from a file can be in any order, and say a thing twice.
func TestSecretsAreJoinedByName(t *testing.T) {
	stores := storesOf(listed("d@4", "a@1", "b@2", "b@3", "c@3", "c@3"))
	first := newStore(&fact.EtcdDB{Secrets: []fact.StoredSecret{
		{Namespace: "shop", Name: "d", Revision: 4}, {Namespace: "shop", Name: "a", Revision: 1}, {Namespace: "a", Name: "z", Revision: 9},
	}}, nil)
	second := newStore(&fact.EtcdDB{Secrets: []fact.StoredSecret{
		{Namespace: "shop", Name: "a", Revision: 2, Class: fact.ClassIdentityJSON},
		{Namespace: "shop", Name: "a", Revision: 3, Class: fact.ClassKMSv2},
		{Namespace: "shop", Name: "e", Revision: 5, Class: fact.ClassKMSv2},
		{Namespace: "shop", Name: "e", Revision: 6, Class: fact.ClassIdentityJSON},
	}}, nil)
	var got []string
	EachSecret(stores.Listed, []*Store{&first, &second}, func(key SecretKey, l *ListedSecret, held []*fact.StoredSecret) {
		line := key.Namespace + "/" + key.Name
		if l != nil {
			line += fmt.Sprintf(" listed %d", l.Revision)
		}
		for i, h := range held {
			if h != nil {
				line += fmt.Sprintf(" file%d %d", i, h.Revision)
			}
		}
		got = append(got, line)
	})
	want := []string{"a/z file0 9", "shop/a listed 1 file0 1 file1 2", "shop/b listed 0", "shop/c listed 3", "shop/d listed 4 file0 4", "shop/e file1 6"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("joined (-want +got):\n%s", diff)
	}
	if first.doubled || !second.doubled {
		t.Errorf("doubled: want false and true, got %v and %v", first.doubled, second.doubled)
	}
	if revision, isListed := stores.Revision(SecretKey{"shop", "c"}); revision != 3 || !isListed {
		t.Errorf("a listed one: got %d, %v", revision, isListed)
	}
	if revision, isListed := stores.Revision(SecretKey{"shop", "ca"}); revision != 0 || isListed {
		t.Errorf("one that is not listed: got %d, %v", revision, isListed)
	}
}

func TestStoreAnswers(t *testing.T) {
	unprefixed := whole("/a")
	unprefixed.Prefix = ""
	for name, tc := range map[string]struct {
		db   fact.EtcdDB
		want bool
	}{
		"whole":                     {whole("/a", "a@7"), true},
		"not read to its end":       {partial("/a", "a@7"), false},
		"one Secret is not in it":   {cut("/a", "a@7"), false},
		"its prefix is not known":   {unprefixed, false},
		"no Secret, and read whole": {whole("/a"), true},
	} {
		t.Run(name, func(t *testing.T) {
			if s := newStore(&tc.db, nil); s.Answers() != tc.want {
				t.Errorf("want %v", tc.want)
			}
		})
	}
}
