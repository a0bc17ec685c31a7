package etcd

import (
	"hash/maphash"
	"math"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// secretTable holds the current revision of each Secret, and counts the older ones,
// in about 120 bytes for each Secret.
type secretTable struct {
	limit      int // Secrets
	seed       maphash.Seed
	index      []uint32        // entry number + 1 by hash, 0 where free; a power of two
	chunks     [][]secretEntry // of entryChunk each: nothing is copied as it grows
	free       []uint32
	current    int // entries that are Secrets
	deleted    int // entries that are deleted ones
	namespaces map[string]uint32
	nsNames    []string
	kinds      map[storedKind]uint16
	kindList   []storedKind
	generation uint32 // counts losses

	// beyond are hashes of the Secrets over the limit, to count them.
	beyond map[uint64]struct{}

	history fact.StoredHistory
	// historyCut is true if older rows were not counted for their Secret.
	historyCut bool
}

// maxKinds bounds how many key names are kept apart.
const maxKinds = 60_000

type secretEntry struct {
	name       string
	main       int64
	create     int64
	version    int64
	compacted  int64 // -1 where compaction was under way
	olderMain  int64 // the newest of the older revisions in plaintext
	older      uint32
	ns         uint32
	size       uint32
	generation uint32
	sum        uint32 // of the hash of its names
	kind       uint16
	state      entryState
}

type entryState uint8

const (
	entryFree entryState = iota
	entryCurrent
	// entryDeleted is a Secret whose last row is a tombstone, and of which older rows in
	// plaintext are there.
	entryDeleted
)

func newSecretTable(limit int) *secretTable {
	return &secretTable{
		limit: limit, seed: maphash.MakeSeed(), index: make([]uint32, 256),
		namespaces: map[string]uint32{}, kinds: map[storedKind]uint16{}, beyond: map[uint64]struct{}{},
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

// hash is that of a Secret's names. The seed is random, so no one can choose names that
// collide.
func (t *secretTable) hash(namespace, name []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(t.seed)
	_, _ = h.Write(namespace)
	_ = h.WriteByte('/')
	_, _ = h.Write(name)
	return h.Sum64()
}

// find returns the slot of the index that leads to a Secret's entry, or the free slot
// in which it belongs.
func (t *secretTable) find(sum uint64, namespace, name []byte) (slot uint32, e *secretEntry) {
	mask := uint32(len(t.index) - 1)
	for s := uint32(sum) & mask; ; s = (s + 1) & mask {
		at := t.index[s]
		if at == 0 {
			return s, nil
		}
		if e := t.entry(at - 1); e.sum == uint32(sum) && e.name == string(name) && t.nsNames[e.ns] == string(namespace) {
			return s, e
		}
	}
}

// grow doubles the index when it is three quarters full.
func (t *secretTable) grow() {
	if (t.current+t.deleted)*4 < len(t.index)*3 {
		return
	}
	old := t.index
	t.index = make([]uint32, 2*len(old))
	mask := uint32(len(t.index) - 1)
	for _, at := range old {
		if at == 0 {
			continue
		}
		slot := t.entry(at-1).sum & mask
		for t.index[slot] != 0 {
			slot = (slot + 1) & mask
		}
		t.index[slot] = at
	}
}

// drop frees the entry to which a slot of the index leads. The entries behind it move
// up, so that a search never ends too early.
func (t *secretTable) drop(slot uint32) {
	at := t.index[slot] - 1
	*t.entry(at) = secretEntry{}
	t.free = append(t.free, at)
	mask := uint32(len(t.index) - 1)
	hole := slot
	for s := (hole + 1) & mask; t.index[s] != 0; s = (s + 1) & mask {
		home := t.entry(t.index[s]-1).sum & mask
		if (s-home)&mask >= (s-hole)&mask {
			t.index[hole], hole = t.index[s], s
		}
	}
	t.index[hole] = 0
}

func (t *secretTable) namespace(name []byte) uint32 {
	ns, ok := t.namespaces[string(name)]
	if !ok {
		ns = uint32(len(t.nsNames))
		text := string(name)
		t.namespaces[text] = ns
		t.nsNames = append(t.nsNames, text)
	}
	return ns
}

func (t *secretTable) kind(kind storedKind) uint16 {
	k, ok := t.kinds[kind]
	if !ok && len(t.kinds) >= maxKinds {
		kind = storedKind{class: kind.class, guessed: true} // with so many key names, none is worth keeping
		k, ok = t.kinds[kind]
	}
	if !ok {
		k = uint16(len(t.kindList))
		t.kinds[kind] = k
		t.kindList = append(t.kindList, kind)
	}
	return k
}

// put takes a newer revision. problem says what contradicts the revisions
// before.
func (t *secretTable) put(row *secretRow) (problem string) {
	sum := t.hash(row.namespace, row.name)
	slot, e := t.find(sum, row.namespace, row.name)
	kind := t.kind(row.kind)
	switch {
	case e != nil && e.state == entryCurrent:
		problem = e.contradicts(row, t.generation)
		if problem == "" && !row.still && row.create > e.main {
			// It was deleted in between. A tombstone that was not seen has been
			// compacted, and with it what was before.
			t.forget(e)
		} else {
			t.older(e, row)
		}
	case t.current >= t.limit:
		if len(t.beyond) < t.limit {
			t.beyond[sum] = struct{}{}
		}
		t.historyCut = true
		return ""
	default:
		if row.version > 1 && row.main > row.compacted && t.generation == 0 {
			problem = "earlier versions of the Secret are missing, and compaction has not reached them"
		}
		if e == nil {
			at := t.place()
			t.index[slot] = at + 1
			e = t.entry(at)
			e.ns, e.name, e.sum = t.namespace(row.namespace), string(row.name), uint32(sum)
		} else {
			t.deleted--
			if row.gone(e.main) {
				t.forget(e)
			}
		}
		t.current++
		e.state = entryCurrent
	}
	e.compacted = -1
	if row.settled {
		e.compacted = row.compacted
	}
	e.main, e.create, e.version = row.main, row.create, row.version
	e.size, e.generation, e.kind = uint32(min(uint64(row.size), math.MaxUint32)), t.generation, kind
	t.grow()
	return problem
}

// older counts the current revision of a Secret as one that is no longer current,
// because row follows it. An empty value shows nothing, in whatever form it was.
func (t *secretTable) older(e *secretEntry, row *secretRow) {
	if row.gone(e.main) {
		t.forget(e)
	}
	if row.gone(row.main) {
		return
	}
	t.history.Revisions++
	switch class := t.kindList[e.kind].class; {
	case class.Plaintext():
		t.history.Plaintext++
		e.older++
		e.olderMain = e.main
	case !class.Encrypted() && class != fact.ClassEmpty:
		t.history.Unknown++
	}
}

// gone reports whether the rows of this Secret before a revision have been compacted
// since they were read. Only a live file changes under a walk.
func (row *secretRow) gone(main int64) bool {
	return !row.still && row.settled && main <= row.compacted
}

// forget takes back the older revisions of a Secret.
func (t *secretTable) forget(e *secretEntry) {
	t.history.Revisions -= int(e.older)
	t.history.Plaintext -= int(e.older)
	e.older, e.olderMain = 0, 0
}

// forgetAll takes back what was compacted during the walk of a live file.
func (t *secretTable) forgetAll(compacted int64) {
	for _, chunk := range t.chunks {
		for i := range chunk {
			if e := &chunk[i]; e.state != entryFree && e.main <= compacted {
				t.forget(e)
			}
		}
	}
}

// contradicts says why row cannot be the next remaining revision of a Secret.
// If no compaction took place between the two rows, all rows after the first
// are there: compaction keeps a row only if it has not passed the next one.
// Otherwise the first row may have been compacted after it was read, and with
// it all rows up to the compaction of the new row.
func (e *secretEntry) contradicts(row *secretRow, generation uint32) string {
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
func (t *secretTable) remove(row *secretRow) {
	sum := t.hash(row.namespace, row.name)
	slot, e := t.find(sum, row.namespace, row.name)
	switch {
	case e == nil:
		delete(t.beyond, sum)
		return
	case e.state == entryDeleted:
		return
	}
	t.older(e, row)
	t.current--
	if e.older > 0 {
		e.main = row.main
		if t.deleted < t.limit/4+1 {
			t.deleted++
			e.state = entryDeleted
			return
		}
		// So many are only counted; one that is created again loses its count.
		t.history.DeletedTotal++
		t.historyCut = true
	}
	t.drop(slot)
}

// list returns the Secrets, sorted, and how many there are, and what the older revisions
// say. The table cannot be used afterwards.
func (t *secretTable) list() (secrets []fact.StoredSecret, total int, history fact.StoredHistory) {
	t.index, t.free, t.namespaces = nil, nil, nil
	used, gone := make([]uint32, 0, t.current), make([]uint32, 0, t.deleted)
	for c, chunk := range t.chunks {
		for i := range chunk {
			switch at := uint32(c*entryChunk + i); chunk[i].state {
			case entryCurrent:
				used = append(used, at)
			case entryDeleted:
				if chunk[i].older == 0 {
					continue
				}
				gone = append(gone, at)
			}
		}
	}
	byName := func(a, b uint32) int {
		x, y := t.entry(a), t.entry(b)
		if c := strings.Compare(t.nsNames[x.ns], t.nsNames[y.ns]); c != 0 {
			return c
		}
		return strings.Compare(x.name, y.name)
	}
	slices.SortFunc(used, byName)
	slices.SortFunc(gone, byName)
	if len(used) > 0 {
		secrets = make([]fact.StoredSecret, len(used))
	}
	for i, at := range used {
		e := t.entry(at)
		kind := t.kindList[e.kind]
		s := fact.StoredSecret{
			Namespace: t.nsNames[e.ns], Name: e.name, Revision: e.main, Size: int(e.size),
			Older: int32(min(e.older, math.MaxInt32)), OlderRevision: e.olderMain,
		}
		if e.generation == t.generation {
			kind.into(&s)
		} else {
			s.Class, s.LastSeen = fact.ClassUnknown, kind.class
		}
		secrets[i] = s
	}
	history = t.history
	history.DeletedTotal += len(gone)
	for _, at := range gone[:min(len(gone), fact.MaxDeletedSecrets)] {
		e := t.entry(at)
		history.Deleted = append(history.Deleted, fact.DeletedSecret{
			Namespace: t.nsNames[e.ns], Name: e.name, Plaintext: int(e.older), Revision: e.olderMain,
		})
	}
	total = len(used) + len(t.beyond)
	t.chunks, t.beyond = nil, nil
	return secrets, total, history
}

// into sets what a fact says about how a Secret is stored.
func (k storedKind) into(s *fact.StoredSecret) {
	s.Class, s.Provider, s.KeyGuessed, s.KeyID = k.class, k.provider, k.guessed, k.keyID
}
