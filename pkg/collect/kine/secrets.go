package kine

import (
	"math"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored"
)

// MaxSecrets is how many Secrets are kept apart; more are only counted.
const MaxSecrets = 200_000

const (
	// maxDeletedKept is how many deleted Secrets there is room for besides.
	maxDeletedKept = 50_000
	// maxKinds bounds how many key names are kept apart.
	maxKinds = 60_000
	// maxPlain bounds the revisions in plaintext that are kept, to recognise copies of
	// them outside of the rows: 8 MiB.
	maxPlain = 1 << 20
)

// secretRow is a row of a Secret.
type secretRow struct {
	namespace, name  string
	id, prev         int64
	created, deleted bool
	size             int
	value, old       *stored.Form // nil for NULL, and in a row whose value could not be read
	// compacted is where compaction was in the state that the row was read from; still is
	// true if all rows are of one state.
	compacted int64
	still     bool
}

// secretEntry is what is known of a Secret, in about 90 bytes.
type secretEntry struct {
	ns        uint32
	kind      uint16
	deleted   bool
	oldValue  bool // the current row's old_value is plaintext
	size      uint32
	older     uint32 // revisions in plaintext that are not current
	name      string
	id        int64 // of the last row
	olderID   int64
	compacted int64
}

type secretKind struct {
	class    fact.StorageClass
	provider string
	guessed  bool
	keyID    string
}

type secretID struct {
	ns   uint32
	name string
}

// secretTable follows the rows of Secrets in the order of their ids.
type secretTable struct {
	limit      int
	index      map[secretID]uint32
	entries    [][]secretEntry // of entryChunk each: nothing is copied as it grows
	count      int
	namespaces map[string]uint32
	nsNames    []string
	kinds      map[secretKind]uint16
	kindList   []secretKind
	// doubt is an id: a Secret whose last row has a lower one may have a newer row that was
	// lost.
	doubt   int64
	history fact.StoredHistory
	beyond  int // rows of Secrets over the limit

	plain       []int64 // revisions in plaintext in the rows
	plainSorted int
	tooMany     bool // plain has reached its limit
}

const entryChunk = 4096

func newSecretTable(limit int) *secretTable {
	return &secretTable{
		limit: limit, index: map[secretID]uint32{}, namespaces: map[string]uint32{}, kinds: map[secretKind]uint16{},
	}
}

func (t *secretTable) entry(at uint32) *secretEntry {
	return &t.entries[at/entryChunk][at%entryChunk]
}

func (t *secretTable) find(namespace, name string) *secretEntry {
	ns, ok := t.namespaces[namespace]
	if !ok {
		return nil
	}
	at, ok := t.index[secretID{ns, name}]
	if !ok {
		return nil
	}
	return t.entry(at)
}

// place makes an entry, or returns nil if the table is full.
func (t *secretTable) place(namespace, name string) *secretEntry {
	if t.count >= t.limit {
		return nil
	}
	ns, ok := t.namespaces[namespace]
	if !ok {
		ns = uint32(len(t.nsNames))
		namespace = strings.Clone(namespace)
		t.namespaces[namespace] = ns
		t.nsNames = append(t.nsNames, namespace)
	}
	if t.count%entryChunk == 0 {
		t.entries = append(t.entries, make([]secretEntry, entryChunk))
	}
	at := uint32(t.count)
	t.count++
	name = strings.Clone(name)
	t.index[secretID{ns, name}] = at
	e := t.entry(at)
	e.ns, e.name = ns, name
	return e
}

func (t *secretTable) kindOf(f *stored.Form) uint16 {
	kind := secretKind{class: fact.ClassUnknown}
	if f != nil {
		kind = secretKind{f.Class, f.Provider, f.Guessed, f.KeyID}
	}
	if _, ok := t.kinds[kind]; !ok && len(t.kinds) >= maxKinds {
		kind.provider, kind.guessed, kind.keyID = "", true, "" // with so many, none is worth keeping
	}
	k, ok := t.kinds[kind]
	if !ok {
		k = uint16(len(t.kindList))
		t.kinds[kind] = k
		t.kindList = append(t.kindList, kind)
	}
	return k
}

// older notes a revision that is not current.
func (t *secretTable) older(e *secretEntry, class fact.StorageClass, id int64) {
	t.history.Revisions++
	switch {
	case class.Plaintext():
		t.history.Plaintext++
		if e != nil {
			e.older++
			e.olderID = max(e.olderID, id)
		}
	case !class.Encrypted() && class != fact.ClassEmpty:
		t.history.Unknown++
	}
}

func (t *secretTable) notePlain(id int64) {
	if len(t.plain) == maxPlain {
		t.tooMany = true
		return
	}
	t.plain = append(t.plain, id)
}

// holds reports whether a revision in plaintext is in the rows. It is for after the last
// row.
func (t *secretTable) holds(id int64) bool {
	if t.plainSorted != len(t.plain) {
		slices.Sort(t.plain)
		t.plainSorted = len(t.plain)
	}
	_, found := slices.BinarySearch(t.plain, id)
	return found
}

// holdsAny reports whether any revision of a Secret is in the rows in plaintext.
func (t *secretTable) holdsAny(namespace, name string) bool {
	e := t.find(namespace, name)
	return e != nil && (e.older > 0 || e.oldValue || !e.deleted && t.kindList[e.kind].class.Plaintext())
}

// row takes the next row. problem says what contradicts the rows before.
func (t *secretTable) row(row secretRow) (problem string) {
	isPlain := func(f *stored.Form) bool { return f != nil && f.Class.Plaintext() }
	if isPlain(row.value) && !row.deleted {
		t.notePlain(row.id)
	}
	if isPlain(row.old) || isPlain(row.value) && row.deleted {
		t.notePlain(row.prev)
	}
	e := t.find(row.namespace, row.name)
	known := e != nil
	if !known {
		if e = t.place(row.namespace, row.name); e == nil {
			t.beyond++
			if row.old != nil {
				t.older(nil, row.old.Class, row.prev)
			}
			return ""
		}
	}
	problem = contradicts(e, known, row)

	// The value of the row before is history now.
	followed := known && e.id == row.prev
	wasPlain := false
	if known && !e.deleted {
		class := t.kindList[e.kind].class
		t.older(e, class, e.id)
		wasPlain = class.Plaintext()
	}
	// Up to kine 0.13, a tombstone has the last value in both columns.
	old := row.old
	if row.deleted && row.value != nil && (old == nil || row.value.Class.Plaintext()) {
		old = row.value
	}
	switch {
	case old == nil:
	case !followed:
		t.older(e, old.Class, row.prev) // a revision that was compacted
	case e.deleted:
		// What a tombstone has already is copied once more.
		if old.Class.Plaintext() && e.older == 0 {
			t.older(e, old.Class, row.prev)
		}
	case old.Class.Plaintext() && !wasPlain:
		t.older(e, old.Class, row.prev)
		if problem == "" {
			problem = "its old_value is not the value of the row before"
		}
	}
	e.id, e.deleted, e.compacted = row.id, row.deleted, row.compacted
	e.oldValue = isPlain(old)
	e.size, e.kind = uint32(min(uint64(row.size), math.MaxUint32)), 0
	if !row.deleted {
		e.kind = t.kindOf(row.value)
	}
	return problem
}

// contradicts says why a row cannot be the next one of a Secret. A row is only missing if
// a compaction removed it, and then one up to its revision follows it, or it is a
// tombstone up to it.
func contradicts(e *secretEntry, known bool, row secretRow) string {
	switch {
	case known && e.id == row.prev:
		switch {
		case row.created && !e.deleted:
			return "the Secret was created again without having been deleted"
		case !row.created && e.deleted:
			return "the Secret was changed after it had been deleted"
		}
	case row.prev == 0 && !row.created:
		return "it is neither a creation nor does it follow another row"
	case known && row.prev < e.id && row.id > row.compacted:
		return "it does not follow the row before"
	case known && row.still && e.id <= row.compacted && row.id <= row.compacted:
		return "the row before should have been compacted"
	case row.prev == 0, row.id <= row.compacted, row.created && row.prev <= row.compacted:
	default:
		return "the row that it follows is missing, and compaction has not reached it"
	}
	return ""
}

// list returns the current Secrets, sorted, and how many there are.
func (t *secretTable) list() (secrets []fact.StoredSecret, total int, doubtful int) {
	var current []*secretEntry
	for at := range uint32(t.count) {
		if e := t.entry(at); !e.deleted {
			current = append(current, e)
		}
	}
	t.sort(current)
	if len(current) > 0 {
		secrets = make([]fact.StoredSecret, 0, min(len(current), MaxSecrets))
	}
	for _, e := range current[:min(len(current), MaxSecrets)] {
		kind := t.kindList[e.kind]
		s := fact.StoredSecret{
			Namespace: t.nsNames[e.ns], Name: e.name, Revision: e.id, Size: int(e.size),
			Class: kind.class, Provider: kind.provider, KeyGuessed: kind.guessed, KeyID: kind.keyID,
			Older: int32(min(int64(e.older), 1<<31-1)), OlderRevision: e.olderID, OldValue: e.oldValue,
		}
		if e.id < t.doubt {
			s.LastSeen, s.Class, s.Provider, s.KeyGuessed, s.KeyID = s.Class, fact.ClassUnknown, "", false, ""
			doubtful++
		}
		secrets = append(secrets, s)
	}
	return secrets, len(current), doubtful
}

// deleted returns the Secrets that no longer exist, of which a value in plaintext is still
// in the rows, and how many there are.
func (t *secretTable) deleted() (list []fact.DeletedSecret, total int) {
	var gone []*secretEntry
	for at := range uint32(t.count) {
		if e := t.entry(at); e.deleted && e.older > 0 {
			gone = append(gone, e)
		}
	}
	t.sort(gone)
	for _, e := range gone[:min(len(gone), fact.MaxDeletedSecrets)] {
		list = append(list, fact.DeletedSecret{Namespace: t.nsNames[e.ns], Name: e.name, Plaintext: int(e.older), Revision: e.olderID})
	}
	return list, len(gone)
}

func (t *secretTable) sort(entries []*secretEntry) {
	slices.SortFunc(entries, func(a, b *secretEntry) int {
		if c := strings.Compare(t.nsNames[a.ns], t.nsNames[b.ns]); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
}
