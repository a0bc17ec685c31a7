package etcd

import (
	"bytes"
	"fmt"
	"math"
	"slices"
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
)

// secretRow is one revision of a Secret.
type secretRow struct {
	namespace, name string
	main            int64
	create, version int64
	size            int
	class           fact.StorageClass
	provider        string
	guessed         bool
	sub             int64
	compacted       int64 // where compaction was in the tree that it was read from
	settled         bool  // and no compaction was under way
	still           bool  // all rows are of one tree
}

// revisions follows the rows of a walk. Rows of a chunk are pending until
// commit; drop forgets them.
type revisions struct {
	prefix string // without slashes at its ends; "" means that it is learned
	names  stored.KeyNames
	still  bool
	limit  int // Secrets

	// committed
	at       position
	secrets  *secretTable
	prefixes map[string]bool // learned: PREFIX as it is in the keys
	found    string          // PREFIX/namespaces/default: PREFIX as it is in the keys
	faults   faultList
	plain    plainRows
	strays   int // plaintext Secrets outside of PREFIX/secrets/
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
}

func newRevisions(prefix string, names stored.KeyNames, still bool, limit int) *revisions {
	return &revisions{
		prefix: prefix, names: names, still: still, limit: limit,
		at:      position{main: 1, synced: true}, // the first write of a cluster has revision 2
		secrets: newSecretTable(limit), prefixes: map[string]bool{},
	}
}

// begin starts a chunk.
func (c *revisions) begin() {
	c.events = c.events[:0]
	c.newFaults = c.newFaults[:0]
	c.now.key = append(c.now.key[:0], c.at.key...)
	c.now.main, c.now.sub, c.now.synced = c.at.main, c.at.sub, c.at.synced
	c.compacted, c.settled = 0, false
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
	if len(c.events) > 8192 {
		c.events = nil
	}
	c.events = c.events[:0]
	c.newFaults = c.newFaults[:0]
}

// row takes element i of a leaf. If the fault is in that row, at most the
// existence of its Secret is taken. If rows are missing before it (see
// fault.before), the row can be taken again after lost.
func (c *revisions) row(r *run, i int) *fault {
	e := r.element(i)
	wrong := func(problem string) *fault { return corrupt(r.page, "element %d: %s", i, problem) }
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
	if c.prefix == "" {
		if kv.long() {
			return nil
		}
		if prefix, ok := bytes.CutSuffix(kv.key, []byte(defaultNamespace)); ok && plainPrefix(prefix) {
			kind := eventPrefix
			if rev.tombstone {
				kind = eventPrefixGone
			}
			c.events = append(c.events, event{kind: kind, text: string(prefix)})
		}
		return nil
	}
	key := kv.key
	if key[0] == '/' {
		key = key[1:]
	}
	rest, ok := cutPrefix(key, c.prefix)
	if ok && !kv.long() && string(rest) == defaultNamespace {
		kind := eventPrefix
		if rev.tombstone {
			kind = eventPrefixGone
		}
		c.events = append(c.events, event{kind: kind, text: string(kv.key[:len(kv.key)-len(defaultNamespace)])})
		return nil
	}
	if ok {
		if rest, ok = cutPrefix(rest, secretsDir); ok {
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
		if plain {
			c.events = append(c.events, event{kind: eventElsewhere, page: r.page, elem: i})
		}
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
	ns, name, ok := strings.Cut(string(key[at:]), "/")
	return ok && label(ns) && subdomain(name)
}

func (c *revisions) takeSecret(r *run, i int, rev revision, kv keyValue, rest []byte) *fault {
	ns, name, ok := strings.Cut(string(rest), "/")
	if !ok || !label(ns) || !subdomain(name) || kv.long() {
		return corrupt(r.page, "element %d: a Secret's key without the names of a namespace and a Secret", i)
	}
	ev := event{kind: eventDelete, page: r.page, elem: i, row: secretRow{
		namespace: ns, name: name, main: rev.main, sub: rev.sub, compacted: c.compacted, settled: c.settled, still: c.still,
	}}
	if rev.tombstone {
		c.events = append(c.events, ev)
		return nil
	}
	if kv.more && kv.value.Size == 0 {
		// One flipped bit turns the value into an unknown field.
		return corrupt(r.page, "element %d: an unknown field where the Secret's value should be", i)
	}
	form, err := stored.Classify(kv.value, ns, name, c.names)
	if err != nil {
		return faultOf(err)
	}
	ev.kind = eventPut
	ev.row.create, ev.row.version, ev.row.size = kv.create, kv.version, kv.value.Size
	ev.row.class, ev.row.provider, ev.row.guessed = form.Class, form.Provider, form.Guessed
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
		if c.prefix == "" {
			c.prefixes[ev.text] = true
		} else {
			c.found = ev.text
		}
	case eventPrefixGone:
		delete(c.prefixes, ev.text)
		c.found = ""
	case eventElsewhere:
		if c.strays++; c.strays == 1 {
			c.strayAt = fmt.Sprintf("page %d, element %d", ev.page, ev.elem)
		}
	case eventDelete:
		c.secrets.remove(ev.row)
	case eventPut:
		if ev.row.class.Plaintext() {
			c.plain.add(ev.row.main, ev.row.sub)
		}
		if problem := c.secrets.put(ev.row); problem != "" {
			c.faults.add(corrupt(ev.page, "element %d: %s", ev.elem, problem))
			c.secrets.lost()
		}
	}
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
func label(s string) bool { return len(s) <= 63 && !strings.Contains(s, ".") && subdomain(s) }

// subdomain reports whether s is a DNS subdomain (RFC 1123), as a Secret's name
// must be.
func subdomain(s string) bool {
	if s == "" || len(s) > 253 {
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

// secretTable holds the current revision of each Secret in about 150 bytes.
type secretTable struct {
	limit      int
	index      map[secretID]uint32
	chunks     [][]secretEntry // of entryChunk each: nothing is copied as it grows
	free       []uint32
	namespaces map[string]uint32
	nsNames    []string
	kinds      map[secretKind]uint16 // class and provider
	kindList   []secretKind
	generation uint32 // counts losses

	// beyond are hashes of the Secrets over the limit, to count them.
	beyond map[uint64]struct{}
}

// maxKinds bounds how many key names are kept apart.
const maxKinds = 60_000

type secretID struct {
	ns   uint32
	name string
}

type secretKind struct {
	class    fact.StorageClass
	provider string
	guessed  bool
}

type secretEntry struct {
	id         secretID
	main       int64
	create     int64
	version    int64
	compacted  int64 // -1 where compaction was under way
	size       uint32
	generation uint32
	kind       uint16
}

func newSecretTable(limit int) *secretTable {
	return &secretTable{
		limit: limit, index: map[secretID]uint32{}, namespaces: map[string]uint32{},
		kinds: map[secretKind]uint16{}, beyond: map[uint64]struct{}{},
	}
}

const entryChunk = 1024

// entry is the place at in the chunks.
func (t *secretTable) entry(at uint32) *secretEntry {
	return &t.chunks[at/entryChunk][at%entryChunk]
}

// place makes room for one more entry.
func (t *secretTable) place() uint32 {
	if n := len(t.free); n > 0 {
		at := t.free[n-1]
		t.free = t.free[:n-1]
		return at
	}
	last := len(t.chunks) - 1
	if last < 0 || len(t.chunks[last]) == entryChunk {
		t.chunks = append(t.chunks, make([]secretEntry, 0, entryChunk))
		last++
	}
	t.chunks[last] = append(t.chunks[last], secretEntry{})
	return uint32(last*entryChunk + len(t.chunks[last]) - 1)
}

// lost makes every Secret so far uncertain: a lost row may be a newer revision
// of it.
func (t *secretTable) lost() { t.generation++ }

func (t *secretTable) id(row secretRow) secretID {
	ns, ok := t.namespaces[row.namespace]
	if !ok {
		ns = uint32(len(t.nsNames))
		t.namespaces[row.namespace] = ns
		t.nsNames = append(t.nsNames, row.namespace)
	}
	return secretID{ns, row.name}
}

func hash(row secretRow) uint64 {
	sum := uint64(14695981039346656037)
	for _, part := range []string{row.namespace, "/", row.name} {
		for i := range len(part) {
			sum = (sum ^ uint64(part[i])) * 1099511628211
		}
	}
	return sum
}

// put takes a newer revision. problem says what contradicts the revisions
// before.
func (t *secretTable) put(row secretRow) (problem string) {
	id := t.id(row)
	at, known := t.index[id]
	kind := secretKind{row.class, row.provider, row.guessed}
	if _, ok := t.kinds[kind]; !ok && len(t.kinds) >= maxKinds {
		kind.provider, kind.guessed = "", true // with so many key names, none is worth keeping
	}
	k, ok := t.kinds[kind]
	if !ok {
		k = uint16(len(t.kindList))
		t.kinds[kind] = k
		t.kindList = append(t.kindList, kind)
	}
	if !known {
		if len(t.index) >= t.limit {
			if len(t.beyond) < t.limit {
				t.beyond[hash(row)] = struct{}{}
			}
			return ""
		}
		if row.version > 1 && row.main > row.compacted && t.generation == 0 {
			problem = "earlier versions of the Secret are missing, and compaction has not reached them"
		}
		at = t.place()
		t.index[id] = at
	} else {
		problem = t.entry(at).contradicts(row, t.generation)
		id.name = t.entry(at).id.name // share the string
	}
	compacted := int64(-1)
	if row.settled {
		compacted = row.compacted
	}
	*t.entry(at) = secretEntry{
		id: id, main: row.main, create: row.create, version: row.version, compacted: compacted,
		size: uint32(min(row.size, math.MaxUint32)), generation: t.generation, kind: k,
	}
	return problem
}

// contradicts says why row cannot be the next remaining revision of a Secret.
// If no compaction took place between the two rows, all rows after the first
// are there: compaction keeps a row only if it has not passed the next one.
// Otherwise the first row may have been compacted after it was read, and with
// it all rows up to the compaction of the new row.
func (e *secretEntry) contradicts(row secretRow, generation uint32) string {
	const missing = "versions of the Secret are missing, and compaction has not reached them"
	all := row.still || e.compacted == row.compacted
	switch {
	case row.main <= e.main:
		return "a Secret's later row has an earlier revision"
	case e.generation != generation: // what is missing was lost
	case row.create == e.create && row.version == e.version+1:
	case row.create == row.main && (all || e.main >= row.compacted):
		return "the Secret was created again without having been deleted"
	case row.create == row.main:
	case all || row.main > row.compacted:
		return missing
	case row.create == e.create && row.version <= e.version, row.create != e.create && row.create <= e.main:
		return "its create_revision or version does not follow from the row before"
	}
	return ""
}

// remove takes a tombstone.
func (t *secretTable) remove(row secretRow) {
	id := t.id(row)
	at, known := t.index[id]
	if !known {
		delete(t.beyond, hash(row))
		return
	}
	delete(t.index, id)
	*t.entry(at) = secretEntry{}
	t.free = append(t.free, at)
}

// list returns the Secrets, sorted, and how many there are. The table cannot be
// used afterwards.
func (t *secretTable) list() ([]fact.StoredSecret, int) {
	used := make([]uint32, 0, len(t.index))
	for _, at := range t.index {
		used = append(used, at)
	}
	t.index = nil
	slices.SortFunc(used, func(a, b uint32) int {
		x, y := &t.entry(a).id, &t.entry(b).id
		if c := strings.Compare(t.nsNames[x.ns], t.nsNames[y.ns]); c != 0 {
			return c
		}
		return strings.Compare(x.name, y.name)
	})
	var out []fact.StoredSecret
	if len(used) > 0 {
		out = make([]fact.StoredSecret, len(used))
	}
	for i, at := range used {
		e := t.entry(at)
		kind := t.kindList[e.kind]
		s := fact.StoredSecret{
			Namespace: t.nsNames[e.id.ns], Name: e.id.name, Revision: e.main, Size: int(e.size),
			Class: kind.class, Provider: kind.provider, KeyGuessed: kind.guessed,
		}
		if e.generation != t.generation {
			s = fact.StoredSecret{
				Namespace: s.Namespace, Name: s.Name, Revision: s.Revision, Size: s.Size,
				Class: fact.ClassUnknown, LastSeen: kind.class,
			}
		}
		out[i] = s
	}
	total := len(used) + len(t.beyond)
	t.chunks, t.beyond = nil, nil
	return out, total
}

// faultList keeps the first faults and counts the rest.
type faultList struct {
	list []*fault
	more int
}

// maxFaults is how many faults become gaps of their own.
const maxFaults = 16

func (l *faultList) add(f *fault) {
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
