package secrets

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// EncryptedAtRest fails a Secret whose current revision lies in etcd as
// plaintext. Source: the first bytes of the value in etcd's own file, on a
// control-plane node or in a snapshot; the API server's list of names tells
// whether that file is the right one.
var EncryptedAtRest = checks.Check{
	ID:       "secrets/encrypted-at-rest",
	Title:    "Each Secret is stored encrypted",
	Severity: api.Critical,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Etcd, fact.Secrets},
	Excuse:   excuseOtherMembers,
	Scope:    checks.ScopeSecret,
	Why: "Without encryption a Secret lies in etcd's file as it was written: whoever has the disk, a backup, or read access to " +
		"etcd has every password of the cluster. A configuration that encrypts changes nothing about Secrets written before.",
	Remediation: "Give the API server an EncryptionConfiguration whose first provider for secrets encrypts (kms v2 or secretbox), " +
		"then rewrite every Secret (kubectl get secrets -A -o json | kubectl replace -f -).",
	References: []string{
		"https://kubernetes.io/docs/tasks/administer-cluster/encrypt-data/",
		"https://kubernetes.io/docs/tasks/administer-cluster/kms-provider/",
	},
	Judge: judgeEncryptedAtRest,
}

// store is one etcd file with what has to stand before its path in evidence.
type store struct {
	db           *fact.EtcdDB
	node         string // "" for a snapshot
	controlPlane bool
	source       string
	// matched counts the Secrets of the API's list that it holds.
	matched int
}

// stores lists the etcd files of a set, the one that answers best first: a
// snapshot that was given answers alone; else a complete one, which holds most
// of the Secrets that the API lists, and is newest. Where a control-plane node
// has one, those of other nodes do not count: any container can run an etcd.
func stores(set *fact.Set) []store {
	if set.Snapshot != nil {
		return []store{{db: set.Snapshot, source: set.Snapshot.Path}}
	}
	listed := map[fact.SecretName]bool{}
	for _, name := range set.Secrets {
		listed[name] = true
	}
	var out []store
	for i := range set.Nodes {
		if set.Nodes[i].Measured == nil {
			continue
		}
		for j := range set.Nodes[i].Measured.Etcd {
			db := &set.Nodes[i].Measured.Etcd[j]
			s := store{
				db: db, node: set.Nodes[i].Name, controlPlane: set.Nodes[i].ControlPlane,
				source: checks.NodeSource(&set.Nodes[i], "%s", db.Path),
			}
			for _, secret := range db.Secrets {
				if listed[fact.SecretName{Namespace: secret.Namespace, Name: secret.Name}] {
					s.matched++
				}
			}
			out = append(out, s)
		}
	}
	if slices.ContainsFunc(out, func(s store) bool { return s.controlPlane }) {
		out = slices.DeleteFunc(out, func(s store) bool { return !s.controlPlane })
	}
	slices.SortStableFunc(out, func(a, b store) int {
		return cmp.Or(
			compareBool(answers(b.db), answers(a.db)),
			cmp.Compare(b.matched, a.matched),
			compareBool(b.db.Total > 0, a.db.Total > 0), // etcd for events alone holds none
			cmp.Compare(b.db.Revision, a.db.Revision),
		)
	})
	return out
}

// answers tells whether a file answers for all Secrets that it holds.
func answers(db *fact.EtcdDB) bool {
	return db.Complete && db.Prefix != "" && len(db.Secrets) == db.Total
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// excuseOtherMembers: every member of an etcd cluster holds every Secret, so
// that one complete file answers for those that were not read on other nodes;
// but none on another node answers for a control-plane node's.
// The names of Secrets are not needed for a snapshot.
func excuseOtherMembers(set *fact.Set, gap fact.Gap) bool {
	if gap.What == fact.Secrets {
		return set.Snapshot != nil
	}
	all := stores(set)
	if set.Snapshot != nil || len(all) == 0 || !answers(all[0].db) || all[0].db.Total == 0 && !set.SecretsListed {
		return false
	}
	if !all[0].controlPlane && slices.ContainsFunc(set.Nodes, func(n fact.Node) bool {
		return n.ControlPlane && n.Name == gap.Subject.Name
	}) {
		return false
	}
	return gap.Subject.Kind == "Node" && gap.Subject.Name != all[0].node && !foreign(set, all[0].matched)
}

// foreign tells whether an etcd that holds so many of the Secrets that the API
// server lists is another one than the API server's.
func foreign(set *fact.Set, matched int) bool {
	return set.SecretsListed && matched*2 < len(set.Secrets)
}

func judgeEncryptedAtRest(set *fact.Set) []api.Finding {
	all := stores(set)
	if len(all) == 0 {
		return noStore(set)
	}
	best := all[0]
	db := best.db
	whole := fact.Subject{Kind: "Cluster"}
	if set.Snapshot != nil {
		whole = fact.Subject{Kind: "File", Name: db.Path}
	}
	if db.Prefix == "" {
		return []api.Finding{{
			Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: whole,
			Message:  "the API server's key prefix is not known, so that no Secret can be told from other keys",
			Evidence: []api.Evidence{{Source: best.source, Value: "no key PREFIX/namespaces/default"}},
		}}
	}

	// Every file that does not answer for all adds what it has: the newest
	// revision of each Secret counts.
	found := map[fact.SecretName]held{}
	for _, s := range all {
		if s.db.Prefix == "" {
			continue
		}
		for i := range s.db.Secrets {
			secret := &s.db.Secrets[i]
			name := fact.SecretName{Namespace: secret.Namespace, Name: secret.Name}
			if old, ok := found[name]; !ok || secret.Revision > old.secret.Revision {
				found[name] = held{secret, s}
			}
		}
		if answers(db) {
			break // a complete one comes first
		}
	}

	// What the API server does not list was deleted while etcd was read, or is
	// of another namespace than was asked about. A snapshot speaks for itself.
	names := set.Secrets
	if set.Snapshot != nil || !set.SecretsListed {
		names = nil
		for name := range found {
			names = append(names, name)
		}
		slices.SortFunc(names, func(a, b fact.SecretName) int {
			return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
		})
	}

	if len(found) == 0 && answers(db) && (set.Snapshot != nil || !set.SecretsListed) {
		// No list of names contradicts, but a wrong prefix would look the same.
		return []api.Finding{{
			Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: whole,
			Message:  "no Secret is in this etcd, or the key prefix is wrong",
			Evidence: []api.Evidence{{Source: best.source, Value: fmt.Sprintf("0 Secrets below %s/secrets/", db.Prefix)}},
		}}
	}

	missing := 0
	for _, name := range names {
		if _, ok := found[name]; !ok {
			missing++
		}
	}
	if answers(db) && foreign(set, len(names)-missing) {
		return []api.Finding{{
			Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: whole,
			Message: "most Secrets that the API server lists are not in this etcd: it is not the API server's, or the key prefix is wrong",
			Evidence: []api.Evidence{{
				Source: best.source, Value: fmt.Sprintf("%d of %d listed Secrets below %s/secrets/", len(names)-missing, len(names), db.Prefix),
			}},
		}}
	}

	findings := make([]api.Finding, 0, len(names))
	for _, name := range names {
		subject := fact.Subject{
			Kind: "Secret", Namespace: name.Namespace, Name: name.Name, Platform: fact.PlatformNamespace(set.Cluster.Provider, name.Namespace),
		}
		if h, ok := found[name]; ok {
			findings = append(findings, judgeStored(subject, h, answers(db)))
			continue
		}
		findings = append(findings, api.Finding{
			Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: subject,
			Message: "listed by the API server, but not found in etcd",
			Evidence: []api.Evidence{{
				Source: fmt.Sprintf("%s key %s/secrets/%s/%s", best.source, db.Prefix, name.Namespace, name.Name), Value: "no such key",
			}},
		})
	}
	// A few that are stored and not listed were deleted meanwhile; most of them
	// cannot have been: then the list is stale or of something else, and says
	// nothing about what is stored.
	if unlisted := len(found) - (len(names) - missing); set.Snapshot == nil && set.SecretsListed && 2*unlisted > len(found) {
		findings = append(findings, api.Finding{
			Verdict: api.VerdictUnknown, Reason: fact.Changing, Subject: whole,
			Message:  "most Secrets in this etcd are not in the API server's list: run again; if it stays so, the list is another cluster's or stale",
			Evidence: []api.Evidence{{Source: best.source, Value: fmt.Sprintf("%d of %d stored Secrets are not listed", unlisted, len(found))}},
		})
	}
	if len(db.Secrets) < db.Total {
		findings = append(findings, api.Finding{
			Verdict: api.VerdictUnknown, Reason: fact.Truncated, Subject: whole,
			Message:  "not every Secret of this etcd is in the facts",
			Evidence: []api.Evidence{{Source: best.source, Value: fmt.Sprintf("%d of %d Secrets", len(db.Secrets), db.Total)}},
		})
	} else if !db.Complete {
		findings = append(findings, api.Finding{
			Verdict: api.VerdictUnknown, Reason: fact.Truncated, Subject: whole,
			Message:  "etcd's file was not read to its end",
			Evidence: []api.Evidence{{Source: best.source, Value: fmt.Sprintf("%d Secrets before the end", len(db.Secrets))}},
		})
	}
	return findings
}

// held is a stored Secret with the file that holds it.
type held struct {
	secret *fact.StoredSecret
	store  store
}

// judgeStored judges one Secret's class. In a file that was not read to its end
// a newer revision may follow, so that only plaintext is certain: its bytes
// are in the file.
func judgeStored(subject fact.Subject, h held, complete bool) api.Finding {
	secret := h.secret
	value := string(secret.Class)
	if secret.Provider != "" {
		value += " " + secret.Provider
	}
	f := api.Finding{
		Subject: subject,
		Basis:   api.Measured,
		Evidence: []api.Evidence{{
			Source: fmt.Sprintf("%s key %s/secrets/%s/%s rev %d", h.store.source, h.store.db.Prefix, secret.Namespace, secret.Name, secret.Revision),
			Value:  value,
		}},
	}
	switch {
	case secret.Class.Plaintext():
		f.Verdict, f.Message = api.Fail, "stored in etcd as plaintext"
	case secret.Class.Encrypted() && complete:
		f.Verdict, f.Message = api.Pass, "stored in etcd encrypted ("+string(secret.Class)+")"
	case secret.Class.Encrypted():
		f.Verdict, f.Reason = api.VerdictUnknown, fact.Truncated
		f.Message = "a revision of it is encrypted, but etcd's file was not read to its end"
	case secret.Class == fact.ClassUnknownEncrypted:
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, fact.Unsupported, "stored in etcd behind a prefix that is not known to encrypt"
	case secret.Class == fact.ClassEmpty:
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, fact.Unsupported, "stored in etcd as an empty value"
	default:
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, fact.Unsupported, "stored in etcd in a form that is not known"
	}
	return f
}

// noStore is the finding where no etcd was read and no gap says why.
func noStore(set *fact.Set) []api.Finding {
	if explained(set, fact.Etcd) {
		return nil
	}
	return []api.Finding{{
		Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: fact.Subject{Kind: "Cluster"},
		Message:  "no etcd of this cluster was read",
		Evidence: []api.Evidence{{Source: "/proc/*/fd", Value: "no etcd on the nodes that were measured"}},
	}}
}

// explained tells whether a gap says why facts of this kind are missing.
func explained(set *fact.Set, kind fact.Kind) bool {
	is := func(g fact.Gap) bool { return g.What == kind }
	return slices.ContainsFunc(set.Gaps, is) || slices.ContainsFunc(set.Nodes, func(n fact.Node) bool {
		return n.Measured != nil && slices.ContainsFunc(n.Measured.Gaps, is)
	})
}
