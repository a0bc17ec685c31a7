package secrets

import (
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func place(p fact.RemainsPlace, change ...func(*fact.Remains)) fact.Remains {
	r := fact.Remains{Place: p, Path: dbPath, Scanned: 4096, Complete: true}
	for _, c := range change {
		c(&r)
	}
	return r
}

// values are so many, of the Secret shop/a but for the unnamed.
func values(n, unnamed int) func(*fact.Remains) {
	return func(r *fact.Remains) {
		r.Values, r.Unnamed = n, unnamed
		if n > unnamed {
			r.Secrets, r.SecretsTotal = []fact.RemainingSecret{{Namespace: "shop", Name: "a", Values: n - unnamed}}, 1
		}
	}
}

func partial(reason fact.Reason, detail string) func(*fact.Remains) {
	return func(r *fact.Remains) { r.Complete, r.Reason, r.Detail = false, reason, detail }
}

func TestPlaintextResidue(t *testing.T) {
	in := func(p string) string { return "values of Secrets lie in plaintext in " + p }
	of := func(db fact.EtcdDB, places ...fact.Remains) *fact.Set {
		db.Remains = places
		return live(list("a@7"), db)
	}
	db := etcd(encrypted("a", 7))
	free, wal := place(fact.InFreePages), place(fact.InLog)
	slack, end := place(fact.InPageSlack), place(fact.BehindEnd)
	nothing := func(source string, places ...string) string {
		for i := range places {
			places[i] = source + " " + places[i] + " = no value in plaintext in 4096 bytes searched"
		}
		return " [" + strings.Join(places, "; ") + "]"
	}
	const missing = "unknown NotPresent cp1: values were not searched for in every place of "
	judge(t, judgePlaintextResidue, cases{
		"nothing found passes, with each place": {
			of(db, free, slack, end, wal),
			[]string{"pass cp1: no value of a Secret was found in plaintext beside the rows of etcd" + nothing("node/cp1", "free pages", "page slack", "behind the end", "write-ahead log")},
		},
		"each place fails by itself": {
			of(db, place(fact.InFreePages, values(3, 1)), place(fact.InLog, values(2, 2)), slack, end),
			[]string{
				"fail cp1: " + in("free pages of etcd's file") + " [node/cp1 free pages = 3 values in plaintext, of shop/a; 1 of Secrets that the bytes do not name]",
				"fail cp1: " + in("the write-ahead log of etcd") + " [node/cp1 write-ahead log = 2 values in plaintext; 2 of Secrets that the bytes do not name]",
			},
		},
		"not complete: at least so many": {
			of(db, place(fact.InFreePages, values(1, 0), partial(fact.Changing, "")), slack, end, wal),
			[]string{"fail cp1: " + in("free pages of etcd's file") + " [node/cp1 free pages = at least 1 value in plaintext, of shop/a]"},
		},
		"not complete and nothing found is unknown, with the reason": {
			of(db, place(fact.InFreePages, partial(fact.Changing, "it changed three times")), place(fact.InLog, partial("", "")), slack, end),
			[]string{
				"unknown Changing cp1: the search for values in free pages of etcd's file was not completed [node/cp1 free pages = 4096 bytes searched: it changed three times]",
				"unknown Truncated cp1: the search for values in the write-ahead log of etcd was not completed [node/cp1 write-ahead log = 4096 bytes searched]",
			},
		},
		"facts of an earlier version are unknown": {
			of(db), []string{missing + "etcd's file [node/cp1 = the facts say nothing of free pages, page slack, behind the end, write-ahead log]"},
		},
		"and where the kind was not read, a gap says so": {
			ft.Edit(of(db), func(s *fact.Set) { s.Nodes[0].Measured.Read = []fact.Kind{fact.Etcd, fact.EncryptionConfig} }), nil,
		},
		"a live etcd has a log": {
			of(db, free, slack, end), []string{missing + "etcd's file [node/cp1 = the facts say nothing of write-ahead log]"},
		},
		"kine has pages that its log replaces": {
			of(kine(encrypted("a", 7)), free, slack, end), []string{missing + "kine's database [node/cp1 = the facts say nothing of overwritten pages]"},
		},
		"kine need not have a log": {
			of(kine(encrypted("a", 7)), free, slack, end, place(fact.InShadowed)),
			[]string{"pass cp1: no value of a Secret was found in plaintext beside the rows of SQLite (kine)" + nothing("node/cp1", "free pages", "page slack", "behind the end", "overwritten pages")},
		},
		"kine is named": {
			of(kine(encrypted("a", 7)), free, slack, end, place(fact.InShadowed, values(1, 1))),
			[]string{"fail cp1: " + in("overwritten pages of kine's database") + " [node/cp1 overwritten pages = 1 value in plaintext; 1 of Secrets that the bytes do not name]"},
		},
		"another file is named": {
			of(db, free, slack, end, wal, place(fact.InOldStore, values(1, 0), func(r *fact.Remains) { r.Path = "/var/lib/etcd-old" })),
			[]string{"fail cp1: " + in("an old database next to etcd's file") + " [node/cp1 /var/lib/etcd-old (old database) = 1 value in plaintext, of shop/a]"},
		},
		"a place that is not known fails all the same": {
			of(db, free, slack, end, wal, place("attic", values(1, 1))),
			[]string{"fail cp1: " + in("a place of an unknown kind") + " [node/cp1 attic = 1 value in plaintext; 1 of Secrets that the bytes do not name]"},
		},
		"names without a count are values": {
			of(db, slack, end, wal, place(fact.InFreePages, func(r *fact.Remains) {
				r.Values, r.Secrets = -3, []fact.RemainingSecret{{Namespace: "shop", Name: "a"}}
			})),
			[]string{"fail cp1: " + in("free pages of etcd's file") + " [node/cp1 free pages = 1 value in plaintext, of shop/a]"},
		},
		"of a worker's store it counts for nothing": {onWorker(of(db, place(fact.InFreePages, values(3, 1)))), nil},
		"of a file that may be the API server's it is unknown": {
			live(list("a@1", "b@2", "c@3"), edited(etcd(encrypted("a", 1), encrypted("b", 2)), func(db *fact.EtcdDB) { db.Remains = []fact.Remains{place(fact.InFreePages, values(1, 1))} })),
			[]string{"unknown Changing cp1: it is unknown whether an etcd on this node is the API server's, so what lies in its files counts for nothing " +
				"[node/cp1 = 2 of 3 listed Secrets, compared by revision]"},
		},
		"a snapshot has no log": {
			&fact.Set{Snapshot: ft.Ptr(edited(db, func(db *fact.EtcdDB) { db.Remains = []fact.Remains{free, slack, end} }))},
			[]string{"pass " + dbPath[1:] + ": no value of a Secret was found in plaintext beside the rows of etcd" + nothing(dbPath, "free pages", "page slack", "behind the end")},
		},
	})
}

// Each place has its own remedy.
func TestRemedyOfResidue(t *testing.T) {
	for _, tc := range []struct {
		db    fact.EtcdDB
		place fact.RemainsPlace
		want  string
	}{
		{etcd(), fact.InFreePages, residueOfEtcd},
		{etcd(), fact.BehindEnd, residueOfEtcd},
		{etcd(), fact.InLog, residueOfLog},
		{etcd(), fact.InSnapFile, residueOfFile},
		{kine(), fact.InFreePages, residueOfKine},
		{kine(), fact.InLog, residueOfKine},
		{kine(), fact.InOldStore, residueOfFile},
	} {
		if got := remedyOf(&checks.Store{DB: &tc.db}, tc.place); got != tc.want {
			t.Errorf("%q %s: want %q, got %q", tc.db.Format, tc.place, tc.want, got)
		}
		tc.db.Remains = []fact.Remains{{Place: tc.place, Values: 1}}
		found := judgeResidue(&checks.Store{DB: &tc.db})
		if len(found) == 0 || found[0].Remediation.Text != tc.want {
			t.Errorf("%q %s: want %q, got %+v", tc.db.Format, tc.place, tc.want, found)
		}
	}
}
