package secrets

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// EncryptedAtRest fails a Secret whose current revision is plaintext in etcd or
// kine. Source: the first bytes of the value in the store's own file, on a storage witness
// (checks.View.StorageWitness) or in a snapshot. The API server's list of names
// and revisions shows whether that file is the right one.
var EncryptedAtRest = checks.Check{
	ID:       "secrets/encrypted-at-rest",
	Title:    "Each Secret is stored encrypted",
	Severity: api.Critical,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Etcd, fact.Secrets},
	Excuse:   excuseSnapshot,
	Scope:    checks.ScopeSecret,
	Why: "Without encryption, etcd's file holds each Secret as it was written. Anyone who has the disk, a backup, or read access to " +
		"etcd has every password of the cluster. Turning on encryption does not change Secrets that were written before.",
	Remediation: "Give the API server an EncryptionConfiguration whose first provider for secrets encrypts (kms v2 or secretbox), " +
		"then rewrite every Secret (kubectl get secrets -A -o json | kubectl replace -f -).",
	References: []string{
		"https://kubernetes.io/docs/tasks/administer-cluster/encrypt-data/",
		"https://kubernetes.io/docs/tasks/administer-cluster/kms-provider/",
	},
	Each: eachEncryptedAtRest,
}

// excuseSnapshot: the names of Secrets are not needed for a snapshot.
func excuseSnapshot(v *checks.View, gap fact.Gap) bool {
	return gap.What == fact.Secrets && v.Snapshot != nil
}

// eachEncryptedAtRest gives what is about the stores, and then each Secret's finding.
func eachEncryptedAtRest(v *checks.View) iter.Seq[api.Finding] {
	return func(yield func(api.Finding) bool) {
		for _, f := range ofStores(v) {
			if !yield(f) {
				return
			}
		}
		for f := range eachSecret(v) {
			if !yield(f) {
				return
			}
		}
		for f := range eachListed(v, "how it is stored") {
			if !yield(f) {
				return
			}
		}
	}
}

// eachListed gives an unknown finding for each listed Secret, if no store of the cluster was read
// because a node of the control plane did not answer. Else what failed before would be in no
// finding, and consumers of alerts take what is missing for fixed.
func eachListed(v *checks.View, unknown string) iter.Seq[api.Finding] {
	return func(yield func(api.Finding) bool) {
		stores := v.Stores()
		if len(stores.Ours) > 0 || v.Snapshot != nil {
			return
		}
		gap := v.SilentWitness(fact.Etcd)
		if gap == nil {
			return
		}
		for i := range stores.Listed {
			key := &stores.Listed[i]
			if !yield(checks.OfSilentWitness(gap, fact.Subject{Kind: fact.SubjectSecret, Namespace: key.Namespace, Name: key.Name}, unknown)) {
				return
			}
		}
	}
}

// ofStores are the findings about stores, and about Secrets in stores that may be the
// cluster's.
func ofStores(v *checks.View) []api.Finding {
	stores := v.Stores()
	whole := fact.Subject{Kind: fact.SubjectCluster}
	if v.Snapshot != nil {
		whole = fact.Subject{Kind: fact.SubjectFile, Name: v.Snapshot.Path}
	}
	findings := append(unclearStores(v, stores), untrustedStores(v, stores)...)
	if len(stores.Ours) == 0 {
		return append(findings, noStore(v, stores)...)
	}
	unknown := func(reason fact.Reason, message, source, value string) api.Finding {
		return api.Finding{
			Verdict: api.VerdictUnknown, Reason: reason, Subject: whole,
			Message: message, Evidence: []api.Evidence{{Source: source, Value: value}},
		}
	}
	for i := range stores.Ours {
		switch s := &stores.Ours[i]; {
		case s.DB.Prefix == "":
			findings = append(findings, unknown(fact.NotPresent,
				"it is unknown which keys are Secrets because the API server's key prefix is unknown", s.Source, "no key PREFIX/namespaces/default"))
		case len(s.DB.Secrets) != s.DB.Total:
			findings = append(findings, unknown(fact.Truncated,
				"not every Secret of "+s.In()+" is in the facts", s.Source, fmt.Sprintf("%d of %d Secrets", len(s.DB.Secrets), s.DB.Total)))
		case !s.DB.Complete:
			findings = append(findings, unknown(fact.Truncated,
				s.File()+" was not read to the end", s.Source, fmt.Sprintf("%d Secrets before the end", len(s.DB.Secrets))))
		}
	}

	holds := false
	for range eachSecret(v) {
		holds = true
		break
	}
	best := &stores.Ours[0]
	if !holds && best.Answers() && (v.Snapshot != nil || !v.SecretsListed) {
		// No list of names contradicts this, but a wrong prefix would look the
		// same.
		findings = append(findings, unknown(fact.NotPresent, "no Secret was found: "+best.In()+" holds none, or the namespace or the key prefix is wrong",
			best.Source, fmt.Sprintf("0 Secrets below %s/secrets/", best.DB.Prefix)))
	}
	if v.Snapshot == nil && v.SecretsListed && stores.Newest == 0 && holds {
		findings = append(findings, unknown(fact.NotPresent,
			"it is unknown whether the "+strings.TrimPrefix(best.A(), "an ")+" that was read is the API server's because the facts hold no resource versions of the listed Secrets",
			best.Source, best.Describe()))
	}
	return findings
}

// eachSecret judges what the API server lists, and what is stored besides, in the
// order of their names. Without a store of this cluster it gives nothing.
func eachSecret(v *checks.View) iter.Seq[api.Finding] {
	return func(yield func(api.Finding) bool) {
		stores := v.Stores()
		if len(stores.Ours) == 0 {
			return
		}
		var files []*checks.Store
		for i := range stores.Ours {
			if s := &stores.Ours[i]; s.DB.Prefix != "" {
				files = append(files, s)
			}
		}
		listed := stores.Listed
		if v.Snapshot != nil {
			listed = nil
		}
		checks.EachSecretUntil(listed, files, func(key checks.SecretKey, listed *checks.ListedSecret, of []*fact.StoredSecret) bool {
			var revision int64
			if listed != nil {
				revision = listed.Revision
			}
			var all []held
			for i, secret := range of {
				if secret != nil {
					all = append(all, held{atListed(secret, revision), files[i]})
				}
			}
			return yield(judgeSecret(v, stores, key, listed, all))
		})
	}
}

// held is a stored Secret with the file that holds it.
type held struct {
	secret *fact.StoredSecret
	store  *checks.Store
}

// judgeSecret judges one Secret by every file of this cluster that holds it.
// Plaintext at the listed revision in any of them fails, whatever another file
// says: the bytes are there. (Plaintext at an older revision belongs to the
// part about what remains, not about what is stored now.)
func judgeSecret(v *checks.View, stores *checks.Stores, key checks.SecretKey, listed *checks.ListedSecret, all []held) api.Finding {
	revision, isListed := int64(0), listed != nil
	if isListed {
		revision = listed.Revision
	}
	var current []held
	newest, newestStore := int64(0), int64(0)
	for i := range stores.Ours {
		newestStore = max(newestStore, stores.Ours[i].DB.Revision)
	}
	for _, h := range all {
		newest = max(newest, h.secret.Revision)
	}
	for _, h := range all {
		// Without a listed revision nothing shows which member is behind. Then
		// plaintext counts wherever it is.
		if revision > 0 && h.secret.Revision >= revision ||
			revision == 0 && (h.secret.Revision == newest || h.secret.Class.Plaintext()) {
			current = append(current, h)
		}
	}
	f := api.Finding{
		Verdict: api.VerdictUnknown, Basis: api.Measured,
		Subject: fact.Subject{Kind: fact.SubjectSecret, Namespace: key.Namespace, Name: key.Name},
	}
	if len(current) == 0 {
		best := &stores.Ours[0]
		at := fmt.Sprintf("%s key %s/secrets/%s/%s", best.Source, best.DB.Prefix, key.Namespace, key.Name)
		switch {
		case revision > newestStore:
			f.Reason, f.Message = fact.Changing, "its listed revision is newer than what was read from "+best.In()+": it was written later, or the file lags behind"
			f.Evidence = []api.Evidence{{Source: at, Value: fmt.Sprintf("listed at revision %d, the newest in the file is %d", revision, newestStore)}}
		case len(all) > 0:
			f.Reason, f.Message = fact.Changing, best.In()+" holds only an older revision than the one that the API server lists"
			f.Evidence = []api.Evidence{{Source: at, Value: fmt.Sprintf("listed at revision %d, found %d", revision, newest)}}
		default:
			f.Reason, f.Message = fact.NotPresent, "listed by the API server, but not found in "+best.In()
			f.Evidence = []api.Evidence{{Source: at, Value: "no such key"}}
		}
		return f
	}
	// The worst decides: plaintext, then what is unknown.
	slices.SortStableFunc(current, func(a, b held) int { return rank(a) - rank(b) })
	for _, h := range current {
		f.Evidence = append(f.Evidence, evidenceOf(h))
	}
	if !current[0].secret.Class.Plaintext() && contradictory(current) {
		f.Reason, f.Message = fact.Corrupt, "one of its revisions is stored in two ways"
		return f
	}
	verdictOf(&f, current[0], revision)
	if isListed && revision == 0 && stores.Newest > 0 && f.Verdict == api.Pass {
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, fact.NotPresent, "the API server's list does not give its revision"
	}
	unlisted := !isListed && v.Snapshot == nil && v.SecretsListed
	if unlisted {
		f.Message += "; the API server does not list it"
		// It was stored before the list was made, but is not in it: the list or
		// the file belongs to something else. Later ones were created
		// meanwhile.
		if f.Verdict == api.Pass && stores.Newest > 0 && current[0].secret.Revision <= stores.Newest {
			f.Verdict, f.Reason = api.VerdictUnknown, fact.Changing
		}
	}
	// Only the files that decided the verdict are evidence.
	same := f.Evidence[:0]
	for i, h := range current {
		if h.secret.Class == current[0].secret.Class {
			same = append(same, f.Evidence[i])
		}
	}
	f.Evidence = same[:min(len(same), 3)]
	return f
}

// contradictory reports whether two files hold one revision in different classes
// or by different keys: members of one etcd hold the same bytes.
func contradictory(list []held) bool {
	if len(list) < 2 {
		return false
	}
	type stored struct {
		class fact.StorageClass
		key   string
	}
	ways := map[int64]stored{}
	for _, h := range list {
		way := stored{h.secret.Class, h.secret.Provider}
		if other, seen := ways[h.secret.Revision]; seen && other != way {
			return true
		}
		ways[h.secret.Revision] = way
	}
	return false
}

// rank orders what decides about a Secret: plaintext first, then what is not
// known to be encrypted, then files that were not read whole.
func rank(h held) int {
	switch class := h.secret.Class; {
	case class.Plaintext():
		return 0
	case !class.Encrypted():
		return 1
	case h.store.Answers():
		return 2 // a file that was fully read decides before one that was not
	}
	return 3
}

func evidenceOf(h held) api.Evidence {
	value := string(h.secret.Class)
	if h.secret.Provider != "" {
		value += " " + h.secret.Provider
	}
	return api.Evidence{
		Source: fmt.Sprintf("%s key %s/secrets/%s/%s rev %d", h.store.Source, h.store.DB.Prefix, h.secret.Namespace, h.secret.Name, h.secret.Revision),
		Value:  value,
	}
}

// verdictOf judges by one file. In a file that was not read to the end a newer
// revision may follow. Then only two things are certain: plaintext (its bytes
// are in the file), and what is stored at the very revision that the API server
// lists.
func verdictOf(f *api.Finding, h held, revision int64) {
	secret, in := h.secret, "stored in "+h.store.In()
	sure := h.store.Answers() || certain(secret, revision)
	switch {
	case secret.Class.Plaintext():
		f.Verdict, f.Message = api.Fail, in+" as plaintext"
	case secret.Class.Encrypted() && sure:
		f.Verdict, f.Message = api.Pass, in+" encrypted ("+string(secret.Class)+")"
	case secret.Class.Encrypted():
		f.Reason, f.Message = fact.Truncated, "one of its revisions is encrypted, but "+h.store.File()+" was not read to the end"
	case secret.Class == fact.ClassUnknownEncrypted:
		f.Reason, f.Message = fact.Unsupported, in+" with a prefix that is not known to encrypt"
	case secret.Class == fact.ClassEmpty:
		f.Reason, f.Message = fact.Unsupported, in+" as an empty value"
	default:
		f.Reason, f.Message = fact.Unsupported, in+" in an unknown form"
	}
}

// noStore is for facts without a store of this cluster. It names files of
// witnesses that are not the API server's, and settings that lead elsewhere.
func noStore(v *checks.View, stores *checks.Stores) []api.Finding {
	if gap := v.SilentWitness(fact.Etcd); gap != nil {
		return []api.Finding{checks.OfSilentWitness(gap, fact.Subject{Kind: fact.SubjectCluster}, "how Secrets are stored")}
	}
	f := api.Finding{
		Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: fact.Subject{Kind: fact.SubjectCluster},
		Message:     "no etcd that was read holds the listed Secrets at their revisions: it is not the API server's, or the key prefix is wrong",
		Remediation: api.Remediation{Text: "If the API server's etcd runs elsewhere: " + checks.SnapshotElsewhere + "."},
	}
	if own := ownEtcdOfSecrets(v); len(own) > 0 {
		f.Message = "the API server keeps Secrets in an etcd of their own (--etcd-servers-overrides), and no etcd that was read holds them"
		f.Evidence = own
	}
	for i := range stores.Others {
		f.Evidence = append(f.Evidence, api.Evidence{Source: stores.Others[i].Source, Value: stores.Others[i].Describe()})
	}
	if len(f.Evidence) == 0 {
		return nil
	}
	return []api.Finding{f}
}

// ownEtcdOfSecrets are the flags by which API servers keep Secrets apart from
// everything else: GROUP/RESOURCE#SERVER;SERVER,... A store that holds the listed
// Secrets at their revisions is the right one, whatever its address, so this matters
// only where none does.
func ownEtcdOfSecrets(v *checks.View) []api.Evidence {
	const flag = "etcd-servers-overrides"
	var out []api.Evidence
	for _, node := range v.Witnesses(fact.EncryptionConfig) {
		if node.Measured == nil {
			continue
		}
		for i := range node.Measured.APIServers {
			s := &node.Measured.APIServers[i]
			for _, override := range strings.Split(s.Flags[flag], ",") {
				if what, _, _ := strings.Cut(override, "#"); strings.TrimSpace(what) == "/secrets" {
					out = append(out, api.Evidence{Source: checks.NodeSource(node, "/proc/%d/cmdline --%s", s.PID, flag), Value: override})
				}
			}
		}
	}
	return out
}

// unclearStores are findings about files that may or may not be the API
// server's. Such a file might hold what no other holds, so each of them
// prevents a yes. What a listed revision looks like is certain in any file: two
// stores do not write one Secret at one revision by chance.
func unclearStores(v *checks.View, stores *checks.Stores) []api.Finding {
	var findings []api.Finding
	for i := range stores.Unclear {
		s := &stores.Unclear[i]
		f := api.Finding{
			Verdict: api.VerdictUnknown, Reason: fact.Changing, Subject: fact.Subject{Kind: fact.SubjectCluster},
			Message:  s.A() + " of the control plane holds only some of the listed Secrets at their revisions: it may be the API server's",
			Evidence: []api.Evidence{{Source: s.Source, Value: s.Describe()}},
		}
		switch {
		case !s.Whole():
			f.Reason = fact.Truncated
			f.Message = s.A() + " of the control plane was not fully read, and what was read does not show whether it is the API server's"
		case s.Compared() == 0:
			f.Message = "it is unknown whether " + s.A() + " of the control plane is the API server's: what it holds is newer than the list of Secrets"
		}
		findings = append(findings, f)
		for j := range s.DB.Secrets {
			secret := &s.DB.Secrets[j]
			revision, _ := stores.Revision(checks.KeyOf(secret))
			if !certain(secret, revision) {
				continue
			}
			h := held{atListed(secret, revision), s}
			if !h.secret.Class.Plaintext() {
				continue
			}
			f := api.Finding{
				Basis: api.Measured, Subject: fact.Subject{Kind: fact.SubjectSecret, Namespace: secret.Namespace, Name: secret.Name},
				Evidence: []api.Evidence{evidenceOf(h)},
			}
			verdictOf(&f, h, revision)
			findings = append(findings, f)
		}
	}
	return findings
}

// certain reports whether a file holds a Secret at the very revision that the
// API server lists; 0 means not listed.
func certain(secret *fact.StoredSecret, listed int64) bool {
	return listed > 0 && secret.Revision == listed
}

// atListed is a Secret as it is stored at the revision that the API server
// lists. If the file was not read to the end, a newer revision may follow what
// was seen last. But the API server lists this one.
func atListed(secret *fact.StoredSecret, listed int64) *fact.StoredSecret {
	if secret.LastSeen == "" || !certain(secret, listed) {
		return secret
	}
	known := *secret
	known.Class = secret.LastSeen
	return &known
}

// untrustedStores are findings about plaintext on nodes that are not witnesses.
func untrustedStores(v *checks.View, stores *checks.Stores) []api.Finding {
	var findings []api.Finding
	for i := range stores.Untrusted {
		if f, ok := untrustedPlaintext(v, stores, &stores.Untrusted[i]); ok {
			findings = append(findings, f)
		}
	}
	return findings
}

// untrustedPlaintext is a finding about a node, not about a Secret: nothing
// shows that its etcd is the cluster's. But if it is, it holds Secrets in
// plaintext. Names alone can be a virtual cluster's. So where the cluster's own
// etcd was read, only what is at a listed revision is shown.
func untrustedPlaintext(v *checks.View, stores *checks.Stores, s *checks.Store) (api.Finding, bool) {
	f := api.Finding{
		Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: fact.Subject{Kind: fact.SubjectNode, Name: s.Node.Name},
	}
	plain := 0
	for i := range s.DB.Secrets {
		secret := &s.DB.Secrets[i]
		revision, isListed := stores.Revision(checks.KeyOf(secret))
		h := held{atListed(secret, revision), s}
		switch {
		case !h.secret.Class.Plaintext(), v.SecretsListed && !isListed,
			len(stores.Ours) > 0 && !certain(secret, revision):
			continue
		}
		if plain++; plain <= checks.MaxEvidence {
			f.Evidence = append(f.Evidence, evidenceOf(h))
		}
	}
	f.Message = fmt.Sprintf("%s on this node holds %s of the cluster's names in plaintext, but nothing shows that the node belongs to the control plane", s.A(), checks.Count(plain, "Secret"))
	if !v.Managed {
		f.Remediation.Text = "If this node holds the cluster's storage, add --control-plane-node " + s.Node.Name + "."
	}
	return f, plain > 0
}
