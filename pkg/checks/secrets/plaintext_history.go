package secrets

import (
	"fmt"
	"iter"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// PlaintextHistory fails a Secret of which an older revision is still stored in
// plaintext, also if the Secret itself no longer exists. Each member of an etcd has
// its own history until it compacts, so a pass needs every store that was read.
// Source: the rows of etcd and kine that are not current, and old_value of any row of
// kine (techniques: kine copies the former value into the row of the new one).
var PlaintextHistory = checks.Check{
	ID:       "secrets/plaintext-history",
	Title:    "No older revision of a Secret is stored in plaintext",
	Severity: api.High,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Etcd, fact.Secrets},
	Excuse:   excuseSnapshot,
	Scope:    checks.ScopeSecret,
	Why: "A store keeps older revisions until it compacts them. After encryption was turned on and every Secret was rewritten, they still " +
		"hold what was plaintext before. kine also copies the former value of a Secret into the row of its new one, and into the row that " +
		"marks it as deleted.",
	Remediation: historyOfEtcd,
	References: []string{
		"https://etcd.io/docs/v3.6/op-guide/maintenance/",
		"https://kubernetes.io/docs/tasks/administer-cluster/encrypt-data/",
	},
	Each: eachPlaintextHistory,
}

const (
	historyOfEtcd = "Compact etcd up to its newest revision (etcdctl endpoint status -w json shows it; etcdctl compaction REVISION), " +
		"then defragment every member (etcdctl defrag --cluster). " + rotate
	historyOfKine = "Change each Secret twice (kubectl annotate secrets -A --all rewritten=yes, then kubectl annotate secrets -A --all rewritten-), " +
		"so that neither its row nor the old value in it is plaintext. Then wait until older revisions are compacted (kine keeps the newest " +
		"1,000). Then restart k3s, which rewrites the database, and once it runs, stop or restart it once more, which removes the old pages " +
		"from the file. " + rotate
)

// eachPlaintextHistory gives what is about the stores, then a finding for each current
// Secret that has such revisions, then those of Secrets that no longer exist.
func eachPlaintextHistory(v *checks.View) iter.Seq[api.Finding] {
	return func(yield func(api.Finding) bool) {
		stores := v.Stores()
		findings := append(unclearCopies(stores, "its history"), unreadMembers(v, stores)...)
		var files []*checks.Store
		deleted := map[checks.SecretKey]*api.Finding{}
		for i := range stores.Ours {
			s := &stores.Ours[i]
			files = append(files, s)
			findings = append(findings, judgeHistory(s, deleted)...)
		}
		for _, f := range findings {
			if !yield(f) {
				return
			}
		}
		stopped := false
		checks.EachSecretUntil(nil, files, func(key checks.SecretKey, _ *checks.ListedSecret, of []*fact.StoredSecret) bool {
			if f, found := olderOf(files, key, of); found {
				stopped = !yield(f)
			}
			return !stopped
		})
		if stopped {
			return
		}
		keys := make([]checks.SecretKey, 0, len(deleted))
		for key := range deleted {
			keys = append(keys, key)
		}
		sorted.Func(keys, checks.CompareSecretKeys)
		for _, key := range keys {
			if !yield(*deleted[key]) {
				return
			}
		}
		for f := range eachListed(v, "which older revisions of it are stored") {
			if !yield(f) {
				return
			}
		}
	}
}

// olderOf is the finding about a Secret's older revisions in plaintext, if some store has
// any.
func olderOf(files []*checks.Store, key checks.SecretKey, of []*fact.StoredSecret) (f api.Finding, found bool) {
	for i, secret := range of {
		if secret == nil || secret.Older <= 0 && !secret.OldValue {
			continue
		}
		if !found {
			f, found = olderFinding(key, files[i]), true
		}
		value := fmt.Sprintf("%s in plaintext, the newest is %d", checks.Count(max(int(secret.Older), 1), "older revision"), secret.OlderRevision)
		if secret.OldValue {
			f.Message = "the row of its current revision still holds its former value in plaintext (old_value)"
			value += "; old_value of the current row is one"
		}
		f.Evidence = append(f.Evidence, api.Evidence{Source: keyIn(files[i], key), Value: value})
	}
	return f, found
}

func keyIn(s *checks.Store, key checks.SecretKey) string {
	return fmt.Sprintf("%s key %s/secrets/%s/%s", s.Source, s.DB.Prefix, key.Namespace, key.Name)
}

func olderFinding(key checks.SecretKey, s *checks.Store) api.Finding {
	f := api.Finding{
		Verdict: api.Fail, Subject: fact.Subject{Kind: fact.SubjectSecret, Namespace: key.Namespace, Name: key.Name},
		Message: "older revisions of it are still stored in " + s.In() + " in plaintext",
	}
	if s.Kine() {
		f.Remediation.Text = historyOfKine
	}
	return f
}

// judgeHistory judges the history of one store, and adds the Secrets to deleted that
// no longer exist. What current Secrets have is in their own entries.
func judgeHistory(s *checks.Store, deleted map[checks.SecretKey]*api.Finding) []api.Finding {
	finding := func(verdict api.Verdict, reason fact.Reason, message, value string) api.Finding {
		return api.Finding{
			Verdict: verdict, Reason: reason, Subject: s.Subject(), Message: message,
			Evidence: []api.Evidence{{Source: s.Source, Value: value}},
		}
	}
	h := s.DB.History
	if h == nil {
		return []api.Finding{finding(api.VerdictUnknown, fact.NotPresent, "it is unknown which older revisions "+s.In()+" still holds: they were not read", "no history in the facts")}
	}
	shown := 0
	for i := range s.DB.Secrets {
		if secret := &s.DB.Secrets[i]; secret.OldValue || secret.Older > 0 {
			shown += max(int(secret.Older), 1)
		}
	}
	for _, d := range h.Deleted {
		shown += max(d.Plaintext, 1)
		key := checks.SecretKey{Namespace: d.Namespace, Name: d.Name}
		f := deleted[key]
		if f == nil {
			one := olderFinding(key, s)
			one.Message = "the Secret was deleted, and revisions of it are still stored in " + s.In() + " in plaintext"
			f = &one
			deleted[key] = f
		}
		f.Evidence = append(f.Evidence, api.Evidence{
			Source: keyIn(s, key), Value: fmt.Sprintf("%s in plaintext, the newest is %d", checks.Count(max(d.Plaintext, 1), "revision"), d.Revision),
		})
	}
	var findings []api.Finding
	cut := h.DeletedTotal > len(h.Deleted) || !s.Whole()
	switch hidden := h.Plaintext - shown; {
	case hidden > 0 && cut:
		f := finding(api.Fail, "", "older revisions of Secrets that are not in the facts are still stored in "+s.In()+" in plaintext", checks.Count(hidden, "revision"))
		if s.Kine() {
			f.Remediation.Text = historyOfKine
		}
		findings = append(findings, f)
	case hidden > 0:
		findings = append(findings, finding(api.VerdictUnknown, fact.Corrupt, "the facts count more older revisions in plaintext than they name",
			fmt.Sprintf("%d counted, %d of named Secrets", h.Plaintext, shown)))
	case h.DeletedTotal > len(h.Deleted):
		findings = append(findings, finding(api.Fail, "", "revisions of deleted Secrets that are not in the facts are still stored in "+s.In()+" in plaintext",
			fmt.Sprintf("%d of %d deleted Secrets are named", len(h.Deleted), h.DeletedTotal)))
	}
	switch {
	case !h.Complete || !s.DB.Complete:
		findings = append(findings, finding(api.VerdictUnknown, fact.Truncated, "not every older revision in "+s.In()+" was read",
			fmt.Sprintf("%s read, compacted up to %d", checks.Count(h.Revisions, "older revision"), h.Compacted)))
	case s.DB.Prefix == "":
		findings = append(findings, finding(api.VerdictUnknown, fact.NotPresent, "it is unknown which keys are Secrets because the API server's key prefix is unknown", "no key PREFIX/namespaces/default"))
	}
	if h.Unknown > 0 {
		findings = append(findings, finding(api.VerdictUnknown, fact.Unsupported, "some older revisions in "+s.In()+" are in a form that is not known",
			checks.Count(h.Unknown, "older revision")))
	}
	if len(findings) == 0 && shown == 0 {
		findings = append(findings, finding(api.Pass, "", "no older revision of a Secret in "+s.In()+" is plaintext",
			fmt.Sprintf("%s, compacted up to %d", checks.Count(h.Revisions, "older revision"), h.Compacted)))
	}
	return findings
}
