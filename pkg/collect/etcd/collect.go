package etcd

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored"
)

// MaxSecrets is how many Secrets are kept apart; more are only counted.
const MaxSecrets = 200_000

// position is where a walk is: after the row with this revision.
type position struct {
	key    []byte // of the last row; nil at the start
	main   int64
	sub    int64
	synced bool // false after rows that were lost
}

// event is what a row means for the Secrets. It is kept until the rows that
// were read with it are known to be exact.
type event struct {
	kind eventKind
	page uint64
	elem int
	row  secretRow
	text string // a prefix, for eventPrefix and eventPrefixGone
}

type eventKind uint8

const (
	eventPut        eventKind = iota // a Secret's new revision
	eventDelete                      // its tombstone
	eventLost                        // rows that could not be read
	eventPrefix                      // PREFIX/namespaces/default
	eventPrefixGone                  // its tombstone
	eventElsewhere                   // a plaintext Secret outside of PREFIX/secrets/
	eventOther                       // an object of another resource
)

// secretRow is one revision of a Secret. Its names are valid until the event is
// applied.
type secretRow struct {
	namespace, name []byte
	main, sub       int64
	create, version int64
	size            int
	kind            storedKind
	compacted       int64 // where compaction was in the tree that it was read from
	settled         bool  // and no compaction was under way
	still           bool  // all rows are of one tree
}

// storedKind is how a value is stored.
type storedKind struct {
	class    fact.StorageClass
	provider string
	guessed  bool
	keyID    string
}

func kindOf(f stored.Form) storedKind {
	return storedKind{class: f.Class, provider: f.Provider, guessed: f.Guessed, keyID: f.KeyID}
}

// revisions follows the rows of a walk. Rows of a chunk are pending until
// commit; drop forgets them.
type revisions struct {
	prefix string // without slashes at its ends
	learn  bool   // prefix is a guess, and the prefixes in the file are collected
	names  stored.KeyNames
	still  bool

	// committed
	at       position
	secrets  *secretTable
	prefixes map[string]bool // learned: PREFIX as it is in the keys
	found    string          // PREFIX/namespaces/default: PREFIX as it is in the keys
	faults   faultList
	plain    plainRows
	slack    *slackScan     // nil: page slack is not looked at
	others   *resourceTable // nil if other resources are not counted
	strays   int            // plaintext Secrets outside of PREFIX/secrets/
	strayAt  string
	// holes is true if rows are missing, but no page is. Then the tree itself
	// may lead to the wrong pages, and the end may be missing too.
	holes bool

	// pending
	events    []event
	newFaults []*fault
	now       position
	compacted int64 // see compaction
	settled   bool

	keyBuf []byte
	text   []byte // the names of the pending rows
}

func newRevisions(prefix string, names stored.KeyNames, still bool, limit int) *revisions {
	return &revisions{
		prefix: prefix, names: names, still: still,
		at:      position{main: 1, synced: true}, // the first write of a cluster has revision 2
		secrets: newSecretTable(limit), prefixes: map[string]bool{},
	}
}

// begin starts a chunk.
func (c *revisions) begin() {
	c.events, c.text = c.events[:0], c.text[:0]
	c.newFaults = c.newFaults[:0]
	c.now.key = append(c.now.key[:0], c.at.key...)
	c.now.main, c.now.sub, c.now.synced = c.at.main, c.at.sub, c.at.synced
	c.compacted, c.settled = 0, false
	if c.slack != nil {
		c.slack.begin()
	}
}

// cursor is the key after which the chunk starts.
func (c *revisions) cursor() []byte {
	if len(c.at.key) == 0 {
		return nil
	}
	return c.at.key
}

// lost notes a fault: the rows of that page, or that one row, are unknown.
func (c *revisions) lost(f *fault) {
	c.newFaults = append(c.newFaults, f)
	c.events = append(c.events, event{kind: eventLost})
	c.now.synced = false
}

// commit makes the pending rows count.
func (c *revisions) commit() {
	for _, f := range c.newFaults {
		c.faults.add(f)
		c.holes = c.holes || f.before
	}
	for i := range c.events {
		c.apply(&c.events[i])
	}
	c.at.key = append(c.at.key[:0], c.now.key...)
	c.at.main, c.at.sub, c.at.synced = c.now.main, c.now.sub, c.now.synced
	if c.slack != nil {
		c.slack.commit()
	}
	if len(c.events) > 8192 {
		c.events, c.text = nil, nil
	}
	c.events, c.text = c.events[:0], c.text[:0]
	c.newFaults = c.newFaults[:0]
}

// keep copies a name of a pending row.
func (c *revisions) keep(b []byte) []byte {
	from := len(c.text)
	c.text = append(c.text, b...)
	return c.text[from:len(c.text):len(c.text)]
}

// row takes element i of a leaf. If the fault is in that row, at most the
// existence of its Secret is taken. If rows are missing before it (see
// fault.before), the row can be taken again after lost.
func (c *revisions) row(r *run, i int) *fault {
	e := r.element(i)
	wrong := func(problem string) *fault {
		f := corrupt(r.page, "element %d: %s", i, problem)
		f.link = r.header.overflow > 0 // the pages of a run can be from different moments
		return f
	}
	if e.flags != 0 {
		return wrong("a bucket among the rows")
	}
	key, f := r.bytes(e.key, e.value-e.key)
	if f != nil {
		return f
	}
	rev, problem := parseRevision(key)
	if problem == "" && rev.main == 0 {
		problem = "not a revision"
	}
	if problem != "" {
		return wrong(problem)
	}
	var keyCopy [revisionSize + 1]byte // the window moves on
	key = append(keyCopy[:0], key...)

	if e.end == e.value && !rev.tombstone && rev.main <= c.compacted {
		// etcdutl snapshot restore --bump-revision leaves such a row.
		c.advance(key, rev)
		return nil
	}
	kv, problem, f := parseKeyValue(stored.Span{From: r, Off: e.value, Size: e.end - e.value}, c.keyBuf[:0])
	c.keyBuf = kv.key[:0]
	switch {
	case f != nil:
		return f
	case problem != "":
		return wrong(problem)
	case rev.tombstone && !kv.bare:
		return wrong("a tombstone with more than a key")
	case !rev.tombstone:
		if problem := kv.consistent(rev); problem != "" {
			return wrong(problem)
		}
	}
	if missing := c.missing(rev); missing != 0 {
		f := corrupt(r.page, "element %d: revision %d is missing before it, and compaction reached only %d", i, missing, c.compacted)
		f.before = true
		return f
	}
	f = c.take(r, i, rev, kv)
	c.advance(key, rev)
	return f
}

// advance moves the position to a row.
func (c *revisions) advance(key []byte, rev revision) {
	c.now.key = append(c.now.key[:0], key...)
	c.now.main, c.now.sub, c.now.synced = rev.main, rev.sub, true
}

// missing returns a revision that must lie between the last row and this one, 0
// if there is none. etcd numbers its transactions without holes, and the
// changes in one from 0. Only compaction removes rows, up to its current
// revision.
func (c *revisions) missing(rev revision) int64 {
	if !c.now.synced {
		return 0
	}
	before := rev.main - 1
	switch {
	case rev.sub > 0 && rev.main == c.now.main && rev.sub == c.now.sub+1,
		rev.sub == 0 && rev.main == c.now.main+1:
		return 0
	case rev.sub > 0:
		before = rev.main
	}
	if before <= max(c.compacted, 1) {
		return 0
	}
	return before
}

// take looks at what a consistent row is about.
func (c *revisions) take(r *run, i int, rev revision, kv keyValue) *fault {
	key := kv.key
	if key[0] == '/' {
		key = key[1:]
	}
	rest, ok := cutPrefix(key, c.prefix)
	if (ok || c.learn) && len(kv.key) > len(defaultNamespace) && !kv.long() && string(kv.key[len(kv.key)-len(defaultNamespace):]) == defaultNamespace {
		prefix := kv.key[:len(kv.key)-len(defaultNamespace)]
		mine := ok && len(rest) == len(defaultNamespace)
		if mine || c.learn && plainPrefix(prefix) {
			kind := eventPrefix
			if rev.tombstone {
				kind = eventPrefixGone
			}
			c.events = append(c.events, event{kind: kind, text: string(prefix)})
		}
		if mine {
			return c.takeOther(rev, kv, rest)
		}
	}
	if ok {
		if rest, found := cutPrefix(rest, secretsDir); found {
			return c.takeSecret(r, i, rev, kv, rest)
		}
	}
	if !kv.long() && c.near(kv.key) {
		return corrupt(r.page, "element %d: a key that differs in one byte from those of Secrets", i)
	}
	if !rev.tombstone {
		plain, err := stored.IsPlainSecret(kv.value)
		if err != nil {
			return faultOf(err)
		}
		if plain && (ok || !plausible(kv.key)) {
			return corrupt(r.page, "element %d: a plaintext Secret under a key that is not a Secret's", i)
		}
		// The names of some resources (RBAC) may have any characters.
		if !plain && !plausible(kv.key) && !(ok && dirOf(rest) != nil) {
			lead, err := kv.value.Lead(len(envelopeHead))
			if err != nil {
				return faultOf(err)
			}
			if string(lead) == envelopeHead {
				return corrupt(r.page, "element %d: an encrypted object under a key that the API server would not write", i)
			}
		}
		if plain {
			c.events = append(c.events, event{kind: eventElsewhere, page: r.page, elem: i, row: secretRow{main: rev.main, sub: rev.sub}})
			return nil
		}
	}
	if ok {
		return c.takeOther(rev, kv, rest)
	}
	return nil
}

const (
	secretsDir       = "/secrets/"
	defaultNamespace = "/namespaces/default"
)

func cutPrefix(b []byte, prefix string) ([]byte, bool) {
	if len(b) < len(prefix) || string(b[:len(prefix)]) != prefix {
		return b, false
	}
	return b[len(prefix):], true
}

// envelopeHead begins an encrypted value of the API server.
const envelopeHead = "k8s:enc:"

// plausible reports whether a key has only characters that keys of the API server have.
// After damage of more than a byte or two it has others.
func plausible(key []byte) bool {
	for _, ch := range key {
		switch {
		case ch >= 'a' && ch <= 'z', ch >= '-' && ch <= ':', ch >= 'A' && ch <= 'Z', ch == '_', ch == '%', ch == '@', ch == '~', ch == '=':
		default:
			return false
		}
	}
	return true
}

// near reports whether key is a Secret's except for one byte before the
// namespace, as after a flipped bit. The names after it must fit: there are
// groups like secrets-store.csi.x-k8s.io, but their keys have one more segment.
func (c *revisions) near(key []byte) bool {
	return nearSecret(key, "", c.prefix) || nearSecret(key, "/", c.prefix)
}

func nearSecret(key []byte, slash, prefix string) bool {
	at, off := 0, 0
	for _, part := range [...]string{slash, prefix, secretsDir} {
		if len(key)-at <= len(part) {
			return false
		}
		for i := range len(part) {
			if key[at+i] != part[i] {
				if off++; off > 1 {
					return false
				}
			}
		}
		at += len(part)
	}
	if off == 0 {
		return false
	}
	ns, name, ok := bytes.Cut(key[at:], []byte("/"))
	return ok && label(ns) && subdomain(name)
}

func (c *revisions) takeSecret(r *run, i int, rev revision, kv keyValue, rest []byte) *fault {
	ns, name, ok := bytes.Cut(rest, []byte("/"))
	if !ok || !label(ns) || !subdomain(name) || kv.long() {
		return corrupt(r.page, "element %d: a Secret's key without the names of a namespace and a Secret", i)
	}
	ev := event{kind: eventDelete, page: r.page, elem: i, row: secretRow{
		namespace: c.keep(ns), name: c.keep(name), main: rev.main, sub: rev.sub, compacted: c.compacted, settled: c.settled, still: c.still,
	}}
	if rev.tombstone {
		c.events = append(c.events, ev)
		return nil
	}
	if kv.more && kv.value.Size == 0 {
		// One flipped bit turns the value into an unknown field.
		return corrupt(r.page, "element %d: an unknown field where the Secret's value should be", i)
	}
	form, err := stored.Classify(kv.value, string(ns), string(name), c.names)
	if err != nil {
		return faultOf(err)
	}
	ev.kind = eventPut
	ev.row.create, ev.row.version, ev.row.size = kv.create, kv.version, kv.value.Size
	ev.row.kind = kindOf(form)
	c.events = append(c.events, ev)
	if form.Problem != "" {
		return corrupt(r.page, "element %d: %s", i, form.Problem)
	}
	return nil
}

// apply takes a row that counts.
func (c *revisions) apply(ev *event) {
	switch ev.kind {
	case eventLost:
		c.secrets.lost()
	case eventPrefix:
		if c.learn {
			c.prefixes[ev.text] = true
		}
		if strings.Trim(ev.text, "/") == c.prefix {
			c.found = ev.text
		}
	case eventPrefixGone:
		delete(c.prefixes, ev.text)
		if ev.text == c.found {
			c.found = ""
		}
	case eventElsewhere:
		c.plain.add(ev.row.main, ev.row.sub)
		if c.strays++; c.strays == 1 {
			c.strayAt = fmt.Sprintf("page %d, element %d", ev.page, ev.elem)
		}
	case eventDelete:
		c.secrets.remove(&ev.row)
	case eventPut:
		if ev.row.kind.class.Plaintext() {
			c.plain.add(ev.row.main, ev.row.sub)
		}
		if problem := c.secrets.put(&ev.row); problem != "" {
			c.faults.add(corrupt(ev.page, "element %d: %s", ev.elem, problem))
			c.secrets.lost()
		}
	case eventOther:
		c.others.put(ev.row.name, ev.row.kind)
	}
}

// elsewhere returns the prefix of Kubernetes' keys if the rows so far show that it is
// not the guessed one, "" otherwise.
func (c *revisions) elsewhere() string {
	if !c.learn || c.found != "" || len(c.prefixes) == 0 {
		return ""
	}
	if all := outermost(c.prefixes); len(all) == 1 {
		return strings.Trim(all[0], "/")
	}
	return ""
}

// plainPrefix reports whether an etcd prefix is text that can be shown.
func plainPrefix(b []byte) bool {
	if len(b) == 0 || len(b) > 256 {
		return false
	}
	for _, ch := range b {
		if ch <= 0x20 || ch > 0x7e {
			return false
		}
	}
	return true
}

// label reports whether s is a DNS label (RFC 1123), as a namespace must be.
func label[T ~string | ~[]byte](s T) bool {
	if len(s) > 63 {
		return false
	}
	for i := range len(s) {
		if s[i] == '.' {
			return false
		}
	}
	return subdomain(s)
}

// subdomain reports whether s is a DNS subdomain (RFC 1123), as a Secret's name
// must be.
func subdomain[T ~string | ~[]byte](s T) bool {
	if len(s) == 0 || len(s) > 253 {
		return false
	}
	alnum := func(b byte) bool { return b >= 'a' && b <= 'z' || b >= '0' && b <= '9' }
	for i := range len(s) {
		switch b := s[i]; {
		case alnum(b):
		case b == '-' || b == '.':
			// Not at the ends, and not next to a dot, except for dashes in a
			// row.
			if i == 0 || i == len(s)-1 || !alnum(s[i-1]) && !(b == '-' && s[i-1] == '-') || b == '-' && s[i+1] == '.' {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// faultList keeps the first faults and counts the rest.
type faultList struct {
	list []*fault
	more int
	torn bool // one of them is
	link bool
}

// hint says what faults in the root of a tree mean.
func (l *faultList) hint() (fact.Reason, string) {
	if l.torn {
		return fact.Changing, tornCopy
	}
	return fact.Corrupt, perhapsTorn
}

// maxFaults is how many faults become gaps of their own.
const maxFaults = 16

func (l *faultList) add(f *fault) {
	l.torn, l.link = l.torn || f.torn, l.link || f.link || f.before
	for _, g := range l.list {
		if *g == *f {
			return
		}
	}
	if len(l.list) >= maxFaults {
		l.more++
		return
	}
	l.list = append(l.list, f)
}
