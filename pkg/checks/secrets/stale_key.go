package secrets

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// StaleKey fails a cluster in which objects are stored under another provider or key
// than the one that the API servers write with: Secrets, and what else the
// configuration names. It is medium, also where only a key was rotated: a key is
// rotated because the old one is no longer trusted, and it still opens these values.
// It is low where a KMS plugin uses several versions of its key, as a KMS rotates
// them by itself and keeps them, and where Secrets are encrypted while the API server
// writes plaintext, which secrets/encryption-config judges. Source: the start of
// each value, and the encryption configuration in force.
var StaleKey = checks.Check{
	ID:       "secrets/stale-key",
	Title:    "Everything is stored under the key that the API servers write with",
	Severity: api.Medium,
	Basis:    api.Measured,
	Needs:    []fact.Kind{fact.Etcd, fact.Secrets, fact.EncryptionConfig},
	Excuse:   excuseConfiguration,
	Scope:    checks.ScopeSecret,
	Evidence: 64,
	Why: "A new encryption configuration changes nothing that is stored. What was written before stays in plaintext, or under the old key, " +
		"until it is written again. As long as it does, the old key opens it, and must not be removed.",
	Remediation: rewriteSecrets,
	References: []string{
		"https://kubernetes.io/docs/tasks/administer-cluster/encrypt-data/#rotate-a-decryption-key",
	},
	Judge: judgeStaleKey,
}

const rewriteSecrets = "Rewrite the Secrets: kubectl get secrets -A -o json | kubectl replace -f -. When all of them are under the new key, remove the old one."

// excuseConfiguration: a snapshot has neither names nor a configuration; the check
// says so itself.
func excuseConfiguration(v *checks.View, gap fact.Gap) bool {
	return v.Snapshot != nil && (gap.What == fact.Secrets || gap.What == fact.EncryptionConfig)
}

// way is how a value is stored.
type way struct {
	class   fact.StorageClass
	name    string // of the key, or of the KMS
	guessed bool   // no configuration named it
	cut     bool   // the name goes on, or is not shown
	keyID   string // of kms v2
}

func wayOf(class fact.StorageClass, provider string, guessed bool) way {
	w := way{class: class, guessed: guessed}
	if name, ok := strings.CutPrefix(provider, envelopeOf[class]); ok {
		name, w.cut = strings.CutSuffix(name, nameGoesOn)
		w.name = strings.TrimSuffix(name, ":")
	}
	return w
}

// nameGoesOn ends fact.StoredSecret.Provider where not all of a guessed name is shown.
const nameGoesOn = "…"

// String is the way in words: "aescbc key1", "kms v2 vault", "identity (json)".
func (w way) String() string {
	text := string(w.class)
	switch {
	case w.name != "" && w.cut:
		text += " " + w.name + nameGoesOn + " (a guess)"
	case w.name != "" && w.guessed:
		text += " " + w.name + " (a guess)"
	case w.name != "":
		text += " " + w.name
	case w.guessed:
		text += ", key unknown"
	}
	if w.keyID != "" {
		text += ", KMS key " + w.keyID
	}
	return text
}

// fit is whether a value is stored under the write key.
type fit int

const (
	fits fit = iota
	mayFit
	stale
)

// under compares how a value is stored with the key that the API servers write with;
// configured are the names of all keys. A name that is a guess is what stands up to
// some colon. It is the write key's if the API server would take it for that, which
// compares the start of the value with each NAME: as well. It is another's only if the
// write key's name cannot be the same up to that colon.
func (w way) under(key writeKey, configured []string) fit {
	switch {
	case w.class.Plaintext():
		return stale
	case !w.class.Encrypted():
		return mayFit // secrets/encrypted-at-rest says so of each
	case w.class != key.class:
		return stale
	case !w.guessed && !w.cut && w.name == key.name:
		return fits
	case !w.guessed && !w.cut && w.name != "":
		return stale
	case w.name == key.name && !w.cut && !slices.ContainsFunc(configured, func(name string) bool { return strings.HasPrefix(name, key.name+":") }):
		return fits
	case w.name == "", w.name == key.name, strings.HasPrefix(key.name, w.name+":"), strings.HasPrefix(w.name, key.name+":"):
		return mayFit
	}
	return stale
}

func judgeStaleKey(v *checks.View) []api.Finding {
	findings := staleKeys(v)
	if v.Snapshot != nil {
		return findings
	}
	whole := fact.Subject{Kind: fact.SubjectCluster}
	if gap := v.SilentWitness(fact.EncryptionConfig); gap != nil {
		findings = append(findings, checks.OfSilentWitness(gap, whole, "whether its API server writes with the same key"))
	}
	if gap := v.SilentWitness(fact.Etcd); gap != nil && len(v.Stores().Ours) == 0 {
		findings = append(findings, checks.OfSilentWitness(gap, whole, "under which keys Secrets are stored"))
	}
	return findings
}

func staleKeys(v *checks.View) []api.Finding {
	stores := v.Stores()
	if len(stores.Ours) == 0 {
		return nil // secrets/encrypted-at-rest says why
	}
	whole := fact.Subject{Kind: fact.SubjectCluster}
	if v.Snapshot != nil {
		whole = stores.Ours[0].Subject()
	}
	ways := countWays(stores)
	if v.Snapshot != nil {
		return []api.Finding{compareWithin(whole, stores, ways)}
	}
	config, findings := writtenWith(v, whole)
	if config == nil {
		return findings
	}
	first := config.providers[0]
	key, encrypts := writeKeyOf(first)
	if !encrypts {
		return plaintextWriter(whole, stores, ways, first)
	}
	findings = append(findings, judgeWays(whole, stores, ways, key, keyNames(config.providers))...)
	return append(findings, judgeResources(whole, stores, config.config.Entries)...)
}

// keyNames are the names of all keys of some providers.
func keyNames(providers []fact.EncryptionProvider) []string {
	var out []string
	for _, p := range providers {
		out = append(append(out, p.Keys...), p.Name)
	}
	return out
}

// writtenWith is the configuration that every API server uses, nil if that is not
// known of one of them, if there are more than were read, or if they differ. Without an API server a gap says why.
func writtenWith(v *checks.View, whole fact.Subject) (*inForce, []api.Finding) {
	var common *inForce
	var findings []api.Finding
	unknown := func(reason fact.Reason, message string, evidence []api.Evidence) {
		findings = append(findings, api.Finding{Verdict: api.VerdictUnknown, Reason: reason, Subject: whole, Message: message, Evidence: evidence})
	}
	eachServer(v, func(node *fact.Node, s *fact.APIServer) {
		config := inForceOn(v, node, s)
		switch {
		case !config.known():
			unknown(config.reason, "it is unknown which key is the write key: "+config.message, config.evidence)
		case len(config.providers) == 0:
			unknown(fact.Corrupt, "it is unknown which key is the write key: the encryption configuration names no provider for secrets", config.evidence)
		case common == nil:
			common = &config
		case writerOf(common.providers[0]) != writerOf(config.providers[0]) || !sameEntries(common.config, config.config):
			unknown(fact.Changing, "it is unknown which key is the write key: the configurations of the API servers differ", config.evidence)
		}
	})
	for _, f := range unreadServers(v, fact.EncryptionConfig, writesItsOwnWay) {
		unknown(f.Reason, "it is unknown which key is the write key: "+f.Message, f.Evidence)
	}
	if len(findings) > 0 {
		return nil, findings
	}
	return common, nil
}

// sameEntries reports whether two configurations say the same; nil is none.
func sameEntries(a, b *fact.EncryptionConfiguration) bool {
	if a == nil || b == nil {
		return a == b
	}
	return slices.EqualFunc(a.Entries, b.Entries, func(a, b fact.EncryptionEntry) bool {
		return slices.Equal(a.Resources, b.Resources) && slices.EqualFunc(a.Providers, b.Providers, func(a, b fact.EncryptionProvider) bool {
			return a.Type == b.Type && a.Name == b.Name && a.APIVersion == b.APIVersion && slices.Equal(a.Keys, b.Keys)
		})
	})
}

// count is how many Secrets are stored in one way, and one of them.
type count struct {
	way
	secrets int
	first   *held
}

// countWays counts the ways in which Secrets are stored, each Secret once: as in the
// store that has its newest revision.
func countWays(stores *checks.Stores) []count {
	var files []*checks.Store
	for i := range stores.Ours {
		files = append(files, &stores.Ours[i])
	}
	ways := map[way]*count{}
	checks.EachSecret(nil, files, func(_ checks.SecretKey, _ *checks.ListedSecret, of []*fact.StoredSecret) {
		var newest held
		for i, secret := range of {
			if secret != nil && (newest.secret == nil || secret.Revision > newest.secret.Revision) {
				newest = held{secret, files[i]}
			}
		}
		w := wayOf(newest.secret.Class, newest.secret.Provider, newest.secret.KeyGuessed)
		w.keyID = newest.secret.KeyID
		c := ways[w]
		if c == nil {
			c = &count{way: w, first: &newest}
			ways[w] = c
		}
		c.secrets++
	})
	out := make([]count, 0, len(ways))
	for _, c := range ways {
		out = append(out, *c)
	}
	sorted.Func(out, func(a, b count) int {
		return cmp.Or(cmp.Compare(b.secrets, a.secrets), cmp.Compare(a.way.String(), b.way.String()))
	})
	return out
}

// evidence of a way: how many Secrets, and one of them.
func (c *count) evidence() api.Evidence {
	e := evidenceOf(*c.first)
	e.Value = fmt.Sprintf("%s: %s", c.way, checks.Count(c.secrets, "Secret"))
	return e
}

func evidenceOfWays(ways []count) []api.Evidence {
	var out []api.Evidence
	for i := range ways {
		out = append(out, ways[i].evidence())
	}
	return out
}

// compareWithin compares what a file holds with itself: which key is the write key is
// not in it.
func compareWithin(whole fact.Subject, stores *checks.Stores, ways []count) api.Finding {
	f := api.Finding{
		Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: whole,
		Message:  "the file does not say which key is the write key; all Secrets in it are stored in one way",
		Evidence: evidenceOfWays(ways),
	}
	switch {
	case len(ways) == 0:
		f.Message = "the file does not say which key is the write key"
		f.Evidence = []api.Evidence{{Source: stores.Ours[0].Source, Value: "no Secret"}}
	case len(ways) > 1:
		f.Message = fmt.Sprintf("the file does not say which key is the write key; the Secrets in it are stored in %d ways", len(ways))
	}
	return f
}

// plaintextWriter judges encrypted Secrets of API servers that write plaintext. Where
// those are plaintext too, other checks say all there is to say.
func plaintextWriter(whole fact.Subject, stores *checks.Stores, ways []count, first fact.EncryptionProvider) []api.Finding {
	if first.Type != identity {
		return []api.Finding{{
			Verdict: api.VerdictUnknown, Reason: fact.Unsupported, Subject: whole,
			Message:  fmt.Sprintf("it is unknown which key is the write key: the first provider for secrets is %q", first.Type),
			Evidence: []api.Evidence{{Source: stores.Ours[0].Source, Value: stores.Ours[0].Describe()}},
		}}
	}
	encrypted := slices.DeleteFunc(slices.Clone(ways), func(c count) bool { return !c.class.Encrypted() })
	if len(encrypted) == 0 {
		return nil
	}
	return []api.Finding{{
		Verdict: api.Fail, Severity: api.Low, Subject: whole, Evidence: evidenceOfWays(encrypted),
		Message:     "Secrets are stored encrypted while the API servers write plaintext: the next change of each stores it as plaintext",
		Remediation: api.Remediation{Text: EncryptionConfig.Remediation},
	}}
}

// judgeWays judges the Secrets by the write key.
func judgeWays(whole fact.Subject, stores *checks.Stores, ways []count, key writeKey, configured []string) []api.Finding {
	var before, other, unclear, current []count // in plaintext; under another key
	for _, c := range ways {
		switch c.under(key, configured) {
		case fits:
			current = append(current, c)
		case mayFit:
			unclear = append(unclear, c)
		case stale:
			if c.class.Plaintext() {
				before = append(before, c)
			} else {
				other = append(other, c)
			}
		}
	}
	var findings []api.Finding
	add := func(f api.Finding, ways []count) {
		if len(ways) > 0 {
			f.Subject, f.Evidence = whole, evidenceOfWays(ways)
			findings = append(findings, f)
		}
	}
	add(api.Finding{Verdict: api.Fail, Message: fmt.Sprintf("Secrets were written before encryption was turned on: a rewrite would encrypt %d", sum(before))}, before)
	add(api.Finding{Verdict: api.Fail, Message: fmt.Sprintf("Secrets are stored under another key than the write key: a rewrite would touch %d", sum(other))}, other)
	add(api.Finding{
		Verdict: api.VerdictUnknown, Reason: fact.Unsupported, Message: fmt.Sprintf("it is unknown whether %s under the write key", are(sum(unclear), "Secret")),
	}, unclear)
	var versions []string
	for _, c := range current {
		if !slices.Contains(versions, c.keyID) && c.keyID != "" {
			versions = append(versions, c.keyID)
		}
	}
	if len(versions) > 1 {
		add(api.Finding{
			Verdict: api.Fail, Severity: api.Low, Message: fmt.Sprintf("Secrets are stored under %d versions of the KMS key", len(versions)),
		}, current)
	}
	for i := range stores.Ours {
		if s := &stores.Ours[i]; !s.Answers() {
			findings = append(findings, api.Finding{
				Verdict: api.VerdictUnknown, Reason: fact.Truncated, Subject: whole, Message: "not every Secret of " + s.In() + " was read",
				Evidence: []api.Evidence{{Source: s.Source, Value: fmt.Sprintf("%d of %d Secrets", len(s.DB.Secrets), s.DB.Total)}},
			})
		}
	}
	if n, e := notStored(stores); n > 0 {
		findings = append(findings, api.Finding{
			Verdict: api.VerdictUnknown, Reason: fact.Changing, Subject: whole, Evidence: []api.Evidence{e},
			Message: fmt.Sprintf("it is unknown under which key %s stored: no store that was read holds what the API server lists", are(n, "Secret")),
		})
	}
	if len(findings) == 0 {
		f := api.Finding{Verdict: api.Pass, Subject: whole, Message: "every Secret is stored under the write key, " + key.String(), Evidence: evidenceOfWays(current)}
		if len(current) == 0 {
			f.Message, f.Evidence = "there is no Secret that could be under another key than the write key", []api.Evidence{{Source: stores.Ours[0].Source, Value: "no Secret"}}
		}
		findings = append(findings, f)
	}
	return findings
}

// notStored counts the listed Secrets that no store holds at their revision or a later
// one, and names the first.
func notStored(stores *checks.Stores) (n int, first api.Evidence) {
	var files []*checks.Store
	for i := range stores.Ours {
		files = append(files, &stores.Ours[i])
	}
	checks.EachSecret(stores.Listed, files, func(key checks.SecretKey, listed *checks.ListedSecret, of []*fact.StoredSecret) {
		if listed == nil || slices.ContainsFunc(of, func(s *fact.StoredSecret) bool { return s != nil && s.Revision >= listed.Revision }) {
			return
		}
		if n++; n == 1 {
			first = api.Evidence{Source: keyIn(files[0], key), Value: fmt.Sprintf("not at revision %d or later", listed.Revision)}
		}
	})
	return n, first
}

func sum(ways []count) int {
	n := 0
	for _, c := range ways {
		n += c.secrets
	}
	return n
}

// are is "1 Secret is" or "3 Secrets are".
func are(n int, noun string) string {
	if n == 1 {
		return "1 " + noun + " is"
	}
	return checks.Count(n, noun) + " are"
}

// judgeResources judges the other resources that the configuration encrypts.
func judgeResources(whole fact.Subject, stores *checks.Stores, entries []fact.EncryptionEntry) []api.Finding {
	if !namesOthers(entries) {
		return nil
	}
	s := &stores.Ours[0]
	for i := range stores.Ours { // a node without an API server does not know what to look for
		if own := &stores.Ours[i]; s.DB.Resources == nil && own.DB.Resources != nil && own.Answers() {
			s = own
		}
	}
	if s.DB.Resources == nil {
		return []api.Finding{{
			Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: whole,
			Message:  "it is unknown how the other resources are stored that the encryption configuration names",
			Evidence: []api.Evidence{{Source: s.Source, Value: "only Secrets were read"}},
		}}
	}
	var other, unclear, current []api.Evidence
	names, objects := map[string]bool{}, 0
	for _, r := range s.DB.Resources {
		if bookkeeping(r.Dir) || r.Count <= 0 {
			continue
		}
		w := wayOf(r.Class, r.Provider, r.KeyGuessed)
		e := api.Evidence{
			Source: fmt.Sprintf("%s keys %s/%s/", s.Source, s.DB.Prefix, r.Dir),
			Value:  fmt.Sprintf("%s: %s", w, checks.Count(r.Count, "object")),
		}
		resource, known := resourceOf(r.Dir)
		if !known {
			unclear = append(unclear, e)
			continue
		}
		providers, entry := ProvidersFor(entries, resource.group, resource.resource)
		if entry == "" || len(providers) == 0 || providers[0].Type == identity {
			continue // it is not to be encrypted
		}
		key, ok := writeKeyOf(providers[0])
		switch under := w.under(key, keyNames(providers)); {
		case !ok, under == mayFit:
			unclear = append(unclear, e)
		case under == stale:
			other, objects = append(other, e), objects+r.Count
			names[resource.String()] = true
		default:
			current = append(current, e)
		}
	}
	var findings []api.Finding
	if len(other) > 0 {
		list := make([]string, 0, len(names))
		for name := range names {
			list = append(list, name)
		}
		slices.Sort(list)
		findings = append(findings, api.Finding{
			Verdict: api.Fail, Subject: whole, Evidence: other,
			Message: fmt.Sprintf("objects of %d other resources are in plaintext or under another key, though the encryption configuration names them: "+
				"a rewrite would touch %d", len(list), objects),
			Remediation: api.Remediation{Text: "Rewrite them: kubectl get " + strings.Join(list[:min(len(list), 8)], ",") + " -A -o json | kubectl replace -f -."},
		})
	}
	if len(unclear) > 0 {
		findings = append(findings, api.Finding{
			Verdict: api.VerdictUnknown, Reason: fact.Unsupported, Subject: whole, Evidence: unclear,
			Message: "it is unknown whether some objects of other resources are under the write key",
		})
	}
	if len(findings) == 0 && len(current) > 0 {
		findings = append(findings, api.Finding{
			Verdict: api.Pass, Subject: whole, Evidence: current, Message: "what else the encryption configuration names is stored under its write key",
		})
	}
	return findings
}

// namesOthers reports whether a configuration may encrypt anything besides Secrets.
func namesOthers(entries []fact.EncryptionEntry) bool {
	for _, e := range entries {
		for _, name := range e.Resources {
			if parseGroupResource(name) != (groupResource{"", "secrets"}) && len(e.Providers) > 0 && e.Providers[0].Type != identity {
				return true
			}
		}
	}
	return false
}
