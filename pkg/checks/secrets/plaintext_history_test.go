package secrets

import (
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// older is a Secret with so many older revisions in plaintext, the newest at 3.
func older(s fact.StoredSecret, n int) fact.StoredSecret {
	s.Older, s.OlderRevision = int32(n), 3
	return s
}

// remembering gives a database a history that was read whole.
func remembering(db fact.EtcdDB, change func(*fact.StoredHistory)) fact.EtcdDB {
	h := &fact.StoredHistory{Complete: true, Compacted: 5}
	for _, s := range db.Secrets {
		h.Plaintext += int(s.Older)
	}
	h.Revisions = h.Plaintext
	if change != nil {
		change(h)
	}
	db.History = h
	return db
}

func TestPlaintextHistory(t *testing.T) {
	const (
		none   = "no older revision of a Secret in etcd is plaintext"
		still  = "older revisions of it are still stored in etcd in plaintext"
		unread = "unknown NotPresent cp1: it is unknown which older revisions etcd still holds: they were not read [node/cp1 = no history in the facts]"
		gone   = "the Secret was deleted, and revisions of it are still stored in "
	)
	deleted := func(total int, names ...string) func(*fact.StoredHistory) {
		return func(h *fact.StoredHistory) {
			for _, name := range names {
				h.Deleted = append(h.Deleted, fact.DeletedSecret{Namespace: "shop", Name: name, Plaintext: 1, Revision: 4})
			}
			h.Plaintext, h.Revisions, h.DeletedTotal = h.Plaintext+total, h.Revisions+total, total
		}
	}
	a := encrypted("a", 7)
	judge(t, func(v *checks.View) []api.Finding { return slices.Collect(eachPlaintextHistory(v)) }, cases{
		"none passes, once for a store": {
			live(list("a@7", "b@8"), remembering(etcd(a, encrypted("b", 8)), func(h *fact.StoredHistory) { h.Revisions = 4 })),
			[]string{"pass cp1: " + none + " [node/cp1 = 4 older revisions, compacted up to 5]"},
		},
		"older plaintext fails for each Secret": {
			live(list("a@7", "b@8"), remembering(etcd(older(a, 2), encrypted("b", 8)), nil)),
			[]string{"fail shop/a: " + still + " [node/cp1 a = 2 older revisions in plaintext, the newest is 3]"},
		},
		"one that is plaintext now fails for its older revisions, too": {
			live(list("a@7"), remembering(etcd(older(plaintext("a", 7), 1)), nil)),
			[]string{"fail shop/a: " + still + " [node/cp1 a = 1 older revision in plaintext, the newest is 3]"},
		},
		"the old value in a row of kine fails": {
			live(list("a@7"), remembering(edited(kine(older(a, 1)), func(db *fact.EtcdDB) { db.Secrets[0].OldValue = true }), nil)),
			[]string{"fail shop/a: the row of its current revision still holds its former value in plaintext (old_value) " +
				"[node/cp1 a = 1 older revision in plaintext, the newest is 3; old_value of the current row is one]"},
		},
		"an old value without a count is one": {
			live(list("a@7"), remembering(edited(kine(a), func(db *fact.EtcdDB) { db.Secrets[0].OldValue = true }), func(h *fact.StoredHistory) { h.Plaintext = 1 })),
			[]string{"fail shop/a: the row of its current revision still holds its former value in plaintext (old_value) " +
				"[node/cp1 a = 1 older revision in plaintext, the newest is 0; old_value of the current row is one]"},
		},
		"a deleted Secret fails": {
			live(list("a@7"), remembering(etcd(a), deleted(1, "x"))),
			[]string{"fail shop/x: " + gone + "etcd in plaintext [node/cp1 x = 1 revision in plaintext, the newest is 4]"},
		},
		"in kine, too": {
			live(list("a@7"), remembering(kine(a), deleted(1, "x"))),
			[]string{"fail shop/x: " + gone + "SQLite (kine) in plaintext [node/cp1 x = 1 revision in plaintext, the newest is 4]"},
		},
		"deleted Secrets that are not named fail as the store's": {
			live(list("a@7"), remembering(etcd(a), deleted(3, "x"))),
			[]string{
				"fail cp1: older revisions of Secrets that are not in the facts are still stored in etcd in plaintext [node/cp1 = 2 revisions]",
				"fail shop/x: " + gone + "etcd in plaintext [node/cp1 x = 1 revision in plaintext, the newest is 4]",
			},
		},
		"a total of deleted Secrets alone fails, too": {
			live(list("a@7"), remembering(etcd(a), func(h *fact.StoredHistory) { h.DeletedTotal = 1 })),
			[]string{"fail cp1: revisions of deleted Secrets that are not in the facts are still stored in etcd in plaintext [node/cp1 = 0 of 1 deleted Secrets are named]"},
		},
		"more counted than named is unknown": {
			live(list("a@7"), remembering(etcd(a), func(h *fact.StoredHistory) { h.Plaintext = 1 })),
			[]string{"unknown Corrupt cp1: the facts count more older revisions in plaintext than they name [node/cp1 = 1 counted, 0 of named Secrets]"},
		},
		"more counted than named fails where Secrets were cut": {
			live(list("a@7"), remembering(edited(etcd(a), func(db *fact.EtcdDB) { db.Total = 9 }), func(h *fact.StoredHistory) { h.Plaintext = 1 })),
			[]string{"fail cp1: older revisions of Secrets that are not in the facts are still stored in etcd in plaintext [node/cp1 = 1 revision]"},
		},
		"not read to its end is unknown, and what was found fails": {
			live(list("a@7"), remembering(etcd(older(a, 1)), func(h *fact.StoredHistory) { h.Complete = false })),
			[]string{
				"unknown Truncated cp1: not every older revision in etcd was read [node/cp1 = 1 older revision read, compacted up to 5]",
				"fail shop/a: " + still + " [node/cp1 a = 1 older revision in plaintext, the newest is 3]",
			},
		},
		"a file that was not read to its end is unknown": {
			live(list("a@7"), remembering(partly(a), nil)),
			[]string{"unknown Truncated cp1: not every older revision in etcd was read [node/cp1 = 0 older revisions read, compacted up to 5]"},
		},
		"a form that is not known is unknown": {
			live(list("a@7"), remembering(etcd(a), func(h *fact.StoredHistory) { h.Unknown = 2 })),
			[]string{"unknown Unsupported cp1: some older revisions in etcd are in a form that is not known [node/cp1 = 2 older revisions]"},
		},
		"facts of an earlier version are unknown": {live(list("a@7"), etcd(a)), []string{unread}},
		"each member has its own history": {
			live(list("a@7"), remembering(etcd(a), nil), remembering(etcd(older(a, 1)), nil), etcd(a)),
			[]string{
				"pass cp1: " + none + " [node/cp1 = 0 older revisions, compacted up to 5]",
				strings.ReplaceAll(unread, "cp1", "cp3"),
				"fail shop/a: " + still + " [node/cp2 a = 1 older revision in plaintext, the newest is 3]",
			},
		},
		"of a file that may be the API server's it is unknown": {
			live(list("a@1", "b@2", "c@3"), remembering(etcd(older(encrypted("a", 1), 1), encrypted("b", 2)), nil)),
			[]string{"unknown Changing cp1: it is unknown whether an etcd on this node is the API server's, so its history counts for nothing " +
				"[node/cp1 = 2 of 3 listed Secrets, compared by revision]"},
		},
		"of another's file it counts for nothing": {live(list("a@7"), remembering(etcd(older(encrypted("x", 900), 1)), nil)), nil},
		"of a worker's it counts for nothing":     {onWorker(live(list("a@7"), remembering(etcd(older(a, 1)), nil))), nil},
		"in a snapshot": {
			&fact.Set{Snapshot: ft.Ptr(remembering(etcd(older(a, 1)), nil))},
			[]string{"fail shop/a: " + still + " [" + dbPath + " a = 1 older revision in plaintext, the newest is 3]"},
		},
		"none in a snapshot": {
			&fact.Set{Snapshot: ft.Ptr(remembering(etcd(a), nil))},
			[]string{"pass " + dbPath[1:] + ": " + none + " [" + dbPath + " = 0 older revisions, compacted up to 5]"},
		},
		"an unknown prefix is unknown": {
			&fact.Set{Snapshot: ft.Ptr(remembering(fact.EtcdDB{Path: dbPath, Complete: true}, nil))},
			[]string{"unknown NotPresent " + dbPath[1:] + ": it is unknown which keys are Secrets because the API server's key prefix is unknown [" +
				dbPath + " = no key PREFIX/namespaces/default]"},
		},
		"negative counts are none": {
			live(list("a@7"), remembering(etcd(older(a, -5)), func(h *fact.StoredHistory) { h.Plaintext, h.Revisions, h.Unknown, h.DeletedTotal = -5, -5, -1, -1 })),
			[]string{"pass cp1: " + none + " [node/cp1 = 0 older revisions, compacted up to 5]"}, // and a gap: see TestAdmitStorage
		},
	})
}

// What kine's history needs is not what etcd's needs.
func TestRemedyOfHistory(t *testing.T) {
	for name, tc := range map[string]struct {
		db   fact.EtcdDB
		want string
	}{
		"etcd": {etcd(older(encrypted("a", 7), 1)), ""}, // the check's own
		"kine": {kine(older(encrypted("a", 7), 1)), historyOfKine},
	} {
		t.Run(name, func(t *testing.T) {
			got := checks.OfSetEach(eachPlaintextHistory)(live(list("a@7"), remembering(tc.db, nil)))
			if len(got) != 1 || got[0].Remediation.Text != tc.want {
				t.Errorf("want remediation %q, got %+v", tc.want, got)
			}
		})
	}
}
