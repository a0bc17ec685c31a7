package etcd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/crash"
)

// Source is a bbolt file. Size is asked again whenever it matters, because a
// live file grows. ReadAt is called from two goroutines at once.
type Source interface {
	io.ReaderAt
	Size() (int64, error)
}

// Options say what is read and how.
type Options struct {
	// Path names the file in facts and gaps.
	Path string
	// Subject is what the gaps are about: the node, or the file. With Snapshot
	// the zero Subject means the file.
	Subject fact.Subject
	// Snapshot is true for a file that was given, false for a member's.
	Snapshot bool
	// Live is true for the file of a running member. A file that changes while
	// it is read is always read as live.
	Live bool
	// Prefix is the API server's --etcd-prefix (its default is "/registry");
	// PrefixFrom says where it is from ("--etcd-prefix"). If it is "", it is
	// learned from the key PREFIX/namespaces/default.
	Prefix, PrefixFrom string
	// KeyNames are the configured names of encryption keys; nil if unknown.
	KeyNames stored.KeyNames
	// Deadline ends the reading with a gap. Zero means that only the context's
	// deadline counts.
	Deadline time.Time

	// Residue asks for what lies beside the rows: EtcdDB.Remains with free pages, page
	// slack and what is behind the last page. For the files next to the database see
	// ReadMemberRemains, to which Known, if it is not nil, carries what the rows hold.
	Residue bool
	Known   *Known

	// Resources asks for the number of current objects of every other resource by how
	// they are stored.
	Resources bool

	// Verify says what is wrong with the file as a whole, nil if nothing is. It is
	// called after the rest was read, and can wait for a checksum that is computed
	// meanwhile. The gap needs Reason and Detail. Summed says that Verify compares a
	// checksum of the whole file: if nothing is wrong, the file is as it was written.
	Verify func() *fact.Gap
	Summed bool

	limit, resourceLimit int // Secrets, and keys of other resources; 0 means the constants
}

// Read classifies the current revision of every Secret in a bbolt file of etcd, and
// counts the older ones.
//
// It returns an error if nothing of the file could be read: it has no valid
// meta page, or is not etcd's. Everything else that was not read is a gap, and then
// Complete is false. A Secret has class unknown if the unread part may hold a newer
// revision of it, or if its value has a form that is not known; that is no gap.
//
// In a live file rows come at the end and compaction removes old ones. So every row that
// is there when Read returns was either read or came after the last that was: nothing
// of the history is missed. What compaction can hide is a deletion, if the tombstone went
// before it was reached: so the file is read again, up to five times. If a compaction
// went on each time, a Secret that no longer exists can be listed as it was. And an older
// revision can have been compacted after it was counted.
//
// A panic would be a bug in this package. It costs only this file: its place
// becomes a gap, and nothing of the file counts.
func Read(ctx context.Context, src Source, opts Options) (db *fact.EtcdDB, gaps []fact.Gap, err error) {
	r := &reader{ctx: ctx, src: src, opts: opts}
	if r.opts.limit == 0 {
		r.opts.limit = MaxSecrets
	}
	if r.opts.resourceLimit == 0 {
		r.opts.resourceLimit = maxResourceKeys
	}
	if opts.Snapshot && opts.Subject.Kind == "" {
		r.opts.Subject = fact.Subject{Kind: fact.SubjectFile, Name: opts.Path}
	}
	if opts.Path == "" {
		r.opts.Path = "etcd database"
	}
	defer func() {
		if v := recover(); v != nil {
			r.gaps = nil
			r.gap(fact.Unsupported, "%s%s", panicked, crash.Describe(v))
			db, gaps, err = &fact.EtcdDB{Path: r.opts.Path, Snapshot: r.opts.Snapshot}, r.gaps, nil
		}
	}()
	return r.read()
}

// panicked starts the detail of a gap for a bug in this package.
const panicked = "a bug in this program, not in the file: "

type reader struct {
	ctx  context.Context
	src  Source
	opts Options
	gaps []fact.Gap
}

// errChanged ends the reading of a file that was taken for unchanging and
// turned out to be live.
var errChanged = errors.New("the file changes")

func (r *reader) gap(reason fact.Reason, format string, args ...any) {
	r.gaps = append(r.gaps, fact.Gap{
		What: fact.Etcd, Subject: r.opts.Subject, Reason: reason,
		Detail: r.opts.Path + ": " + fmt.Sprintf(format, args...),
	})
}

func (r *reader) expired() bool { return passed(r.opts.Deadline) || r.ctx.Err() != nil }

func (r *reader) read() (*fact.EtcdDB, []fact.Gap, error) {
	db := &fact.EtcdDB{Path: r.opts.Path, Snapshot: r.opts.Snapshot}
	size, err := r.src.Size()
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", r.opts.Path, err)
	}
	db.Size = size
	m, err := r.metas()
	if none := (noMetaError{}); errors.As(err, &none) {
		if none.bigEndian() {
			r.gap(fact.Unsupported, "a bbolt file in big-endian byte order")
			return db, r.gaps, nil
		}
		return nil, nil, fmt.Errorf("reading %s: expected a bbolt file such as etcd's member/snap/db, found %w", r.opts.Path, err)
	}
	db.TxID = m.newest().txid

	c, w, err := r.walkAll(db)
	switch {
	case errors.Is(err, errChanged):
		return r.readLive()
	case err != nil && !errors.Is(err, errDeadline):
		return nil, nil, err
	}
	db.TxID, db.Revision = w.txid, c.at.main
	damaged := r.damaged()
	sound := r.opts.Summed && !damaged
	r.reportWalk(w, c, sound)
	if c.learn && !r.learned(db, c) {
		r.reportMetas(m)
		if !w.expired && (len(c.at.key) > 0 || w.note == nil) {
			r.reportPrefixes(c, sound)
		}
		r.beside(db, w, nil)
		return db, r.gaps, nil
	}
	uncertain := w.expired || c.holes || w.older || damaged
	before, same := int64(0), false
	if !w.expired && !sound && len(c.faults.list) == 0 {
		before, same = r.lastBefore(w)
	}
	switch {
	case w.expired || sound || len(c.faults.list) > 0 || c.compacted == math.MaxInt64:
	case before > max(c.at.main, c.compacted):
		r.gap(fact.Corrupt, "the tree before the last has rows up to revision %d, the last one only up to %d: %s", before, c.at.main, perhapsTorn)
		uncertain, c.holes = true, true
	case c.at.main < c.compacted && !same && (before == 0 || before > c.at.main):
		// The row at which compaction stops remains, unless it is a tombstone
		// and etcd is older than 3.5.18. So the changes behind the last row were
		// deletions, unless the tree lost its end.
		lost := ""
		if !r.opts.Live {
			lost = "; then the file is damaged, or was copied while etcd was writing: take a consistent copy with etcdctl snapshot save"
		}
		r.gap(fact.Corrupt, "compaction has reached revision %d, but the last row has %d: either the changes in between were deletions, whose rows compaction removes, or their rows are lost%s", c.compacted, c.at.main, lost)
		uncertain, c.holes = true, true
	}
	if r.opts.Live {
		// A writer may have repaired a meta page meanwhile.
		if m, err = r.metas(); err != nil {
			r.gap(fact.Corrupt, "%v", err)
		}
		if size, err := r.src.Size(); err == nil {
			db.Size = size
		}
	}
	if r.reportMetas(m) {
		uncertain = true
	}
	if uncertain {
		c.secrets.lost()
	}
	if r.opts.Live && c.settled {
		c.secrets.forgetAll(c.compacted)
	}
	if c.found != "" {
		db.Prefix = c.found
	} else if !w.expired {
		r.gap(fact.NotPresent, "no key %s%s: the prefix is another, or the member has not caught up", db.Prefix, defaultNamespace)
	}
	if c.strays > 0 {
		r.gap(fact.Unsupported, "%d plaintext rows of Secrets under a prefix other than %s (first: %s) are not judged", c.strays, db.Prefix, c.strayAt)
	}
	rowsLost := uncertain || c.secrets.generation > 0
	var history fact.StoredHistory
	historyCut := c.secrets.historyCut
	db.Secrets, db.Total, history = c.secrets.list()
	if db.Total > len(db.Secrets) {
		r.gap(fact.Truncated, "at least %d Secrets, of which %d are listed", db.Total, len(db.Secrets))
	}
	db.Complete = len(r.gaps) == 0
	history.Complete = db.Complete && !rowsLost && !historyCut
	if c.compacted < math.MaxInt64 {
		history.Compacted = c.compacted
	}
	db.History = &history
	if c.others != nil {
		var cut string
		if db.Resources, cut = c.others.list(); cut != "" {
			// The Secrets are complete without these.
			r.gap(fact.Truncated, "%s", cut)
		}
	}
	r.beside(db, w, c)
	return db, r.gaps, nil
}

// tornCopy is about a file whose pages do not belong together, though each is sound.
// perhapsTorn is about one in which a page is not sound.
const (
	tornCopy    = "its pages are from different moments, so it looks like a copy that was taken while etcd was writing; take a consistent one with etcdctl snapshot save"
	perhapsTorn = "it is damaged, or was copied while etcd was writing; take a consistent copy with etcdctl snapshot save"
)

// firstGuess is the prefix that is tried if it is not known: kube-apiserver's default.
const firstGuess = "registry"

// walkAll walks the rows once. If the prefix is not known and turns out not to be the
// guessed one, it starts again as soon as it sees that.
func (r *reader) walkAll(db *fact.EtcdDB) (*revisions, walked, error) {
	prefix := strings.Trim(path.Clean("/"+r.opts.Prefix), "/")
	db.Prefix, db.PrefixFrom = r.opts.Prefix, r.opts.PrefixFrom
	learn := prefix == ""
	if learn {
		prefix = firstGuess
	}
	const tries = 3
	for try := 1; ; try++ {
		c, w, err := r.walk(prefix, learn, try < tries)
		other := c.elsewhere()
		if other == "" || other == prefix || try == tries || err != nil && !errors.Is(err, errPrefix) || w.expired {
			if errors.Is(err, errPrefix) {
				err = nil
			}
			return c, w, err
		}
		prefix = other
	}
}

// errPrefix ends a walk as soon as the guessed prefix turns out to be wrong.
var errPrefix = errors.New("another prefix")

// learned reports whether the guess of the prefix was right, and sets it.
func (r *reader) learned(db *fact.EtcdDB, c *revisions) bool {
	found := outermost(c.prefixes)
	if len(found) != 1 || strings.Trim(found[0], "/") != c.prefix {
		return false
	}
	db.Prefix, db.PrefixFrom = found[0], "the key of the default namespace"
	return true
}

// reportPrefixes says why the prefix is not known.
func (r *reader) reportPrefixes(c *revisions, sound bool) {
	switch found := outermost(c.prefixes); len(found) {
	case 0:
		copied := ""
		if !r.opts.Live && !sound {
			copied = ", or the file was copied while etcd was writing (take a consistent copy with etcdctl snapshot save)"
		}
		r.gap(fact.NotPresent, "no key PREFIX/namespaces/default, so the prefix of Kubernetes' keys is unknown: another program uses this etcd, or the member has not caught up%s", copied)
	case 1:
		r.gap(fact.Changing, "the prefix of Kubernetes' keys changes")
	default:
		r.gap(fact.Unsupported, "keys of more than one cluster, with the prefixes %s", strings.Join(found, ", "))
	}
}

// lastBefore returns the last revision in the tree of the transaction before the last of
// a still file, 0 if that cannot be read. Both trees have pages of their own where they
// differ, so a wrong link in one is not in the other. Same is true if both have the same
// link to the rows, in pages of their own.
func (r *reader) lastBefore(w walked) (last int64, same bool) {
	if w.still == nil || w.older {
		return 0, false
	}
	m, err := readMetas(r.src)
	if err != nil || m[0].err != nil || m[1].err != nil || m[0].meta.root == m[1].meta.root {
		return 0, false
	}
	t := &tree{src: r.src, meta: m.oldest(), expired: r.expired}
	found, _, err := t.buckets("key")
	keys, ok := found["key"]
	if err != nil || !ok {
		return 0, false
	}
	if keys.inline == nil && slices.Contains(w.done, keys.root) {
		return 0, true
	}
	edge := keys.inline
	if edge == nil {
		// No key is behind this one, so that only the right edge is walked.
		if err := t.walk(keys, []byte{0x7f}, func(*run, int) error { return errStop }); err != nil {
			return 0, false
		}
		edge = t.levels[t.leaves]
	}
	if edge.header.count == 0 {
		return 0, false
	}
	e := edge.element(edge.header.count - 1)
	key, f := edge.bytes(e.key, e.value-e.key)
	if f != nil {
		return 0, false
	}
	rev, problem := parseRevision(key)
	if problem != "" {
		return 0, false
	}
	return rev.main, false
}

// metas reads both meta pages; of a live file it reads again if one is just
// being written.
func (r *reader) metas() (metas, error) {
	m, err := readMetas(r.src)
	for try := 0; r.opts.Live && try < 20 && (m[0].err != nil || m[1].err != nil) && !r.expired(); try++ {
		time.Sleep(5 * time.Millisecond)
		m, err = readMetas(r.src)
	}
	return m, err
}

// readLive starts again for a file that changes.
func (r *reader) readLive() (*fact.EtcdDB, []fact.Gap, error) {
	r.opts.Live = true
	r.gaps = nil
	return r.read()
}

// damaged reports what is wrong with the file as a whole.
func (r *reader) damaged() bool {
	if r.opts.Verify == nil {
		return false
	}
	damage := r.opts.Verify()
	if damage == nil {
		return false
	}
	g := *damage
	g.What, g.Subject = fact.Etcd, r.opts.Subject
	g.Detail = r.opts.Path + ": " + g.Detail
	r.gaps = append(r.gaps, g)
	return true
}

// reportMetas reports a meta page that is not valid: the tree may then be that
// of the transaction before the last.
func (r *reader) reportMetas(m metas) (older bool) {
	for i, s := range m {
		if s.err != nil {
			r.gap(fact.Corrupt, "meta page %d: %v; the other meta page was read; its transaction %d may not be the last", i, s.err, m.newest().txid)
			older = true
		}
	}
	return older
}

func (r *reader) reportWalk(w walked, c *revisions, sound bool) {
	truncated := false
	if !r.opts.Live {
		if size, err := r.src.Size(); err == nil {
			if want := w.meta.highWater; uint64(size)/uint64(w.meta.pageSize) < want {
				truncated = true
				r.gap(fact.Truncated, "expected %d pages of %d bytes, found %d bytes: the file ends in page %d", want, w.meta.pageSize, size, uint64(size)/uint64(w.meta.pageSize))
			}
		}
	}
	for _, f := range c.faults.list {
		r.gap(f.reason, "%v", f)
	}
	if c.faults.more > 0 {
		r.gap(fact.Corrupt, "%d more faults", c.faults.more)
	}
	switch {
	case truncated:
	case w.note != nil:
		r.gap(w.note.Reason, "%s", w.note.Detail)
	case sound || r.opts.Live:
	case c.faults.torn || c.faults.link:
		reason, hint := c.faults.hint()
		r.gap(reason, "%s", hint)
	}
	if w.expired {
		reason := fact.Timeout
		if errors.Is(r.ctx.Err(), context.Canceled) {
			reason = fact.Interrupted
		}
		r.gap(reason, "read up to revision %d", c.at.main)
	}
}

// outermost leaves out prefixes below another: a namespace called "namespaces"
// has keys like PREFIX/serviceaccounts/namespaces/default.
func outermost(prefixes map[string]bool) []string {
	var out []string
	for p := range prefixes {
		below := false
		for q := range prefixes {
			below = below || strings.HasPrefix(p, q+"/")
		}
		if !below {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out
}

// walked says how a walk ended.
type walked struct {
	meta    meta
	txid    uint64
	expired bool
	settled bool      // no compaction went on during a live walk
	older   bool      // the tree is that of the transaction before the last
	note    *fact.Gap // why, or why there is none

	// still is the tree of a file that did not change, nil for a live one. See
	// pagesInUse.
	still *tree
	done  []uint64 // the roots of the buckets that were walked
}

// pagesInUse returns the pages that the tree of a still file uses; all others below the
// high-water mark are free. It reads the buckets that the walk did not. Whole is false
// if a part of the tree could not be read: then a page that looks free may be in use.
// For a live file see reachable.
func (w *walked) pagesInUse(c *revisions) (pages inUse, whole bool) {
	if w.still == nil || w.still.seen == nil {
		return nil, false
	}
	err := w.still.markAll(w.done...)
	return w.still.seen, err == nil && !w.expired && len(c.faults.list) == 0
}

// walk reads the rows below a prefix. Stop makes it end with errPrefix as soon as the
// prefix turns out to be another.
func (r *reader) walk(prefix string, learn, stop bool) (*revisions, walked, error) {
	if r.opts.Live {
		return r.walkSettled(prefix, learn, stop)
	}
	c := r.revisions(prefix, learn)
	m, err := readMetas(r.src)
	if err != nil {
		return c, walked{}, errChanged
	}
	w, err := r.walkStill(c, m, m.newest(), stop)
	if err != nil || w.expired || len(c.at.key) > 0 || len(c.faults.list) == 0 {
		return c, w, err
	}
	// The newest tree cannot be entered. That of the transaction before has a root of
	// its own, whose pages are not free yet.
	reason, hint := c.faults.hint()
	w.note = &fact.Gap{Reason: reason, Detail: hint}
	if m[0].err == nil && m[1].err == nil && m[0].meta.root != m[1].meta.root {
		older := r.revisions(prefix, learn)
		wo, err := r.walkStill(older, m, m.oldest(), stop)
		switch {
		case errors.Is(err, errChanged):
			return c, w, err
		case len(older.at.key) > 0:
			wo.older = true
			wo.note = &fact.Gap{Reason: reason, Detail: fmt.Sprintf("the newest tree, of transaction %d, cannot be read (%v), and that of transaction %d was read instead: %s", m.newest().txid, c.faults.list[0], m.oldest().txid, hint)}
			return older, wo, err
		}
	}
	return c, w, nil
}

func (r *reader) revisions(prefix string, learn bool) *revisions {
	c := newRevisions(prefix, r.opts.KeyNames, !r.opts.Live, r.opts.limit)
	c.learn = learn
	c.slack = r.slack(prefix)
	if r.opts.Resources {
		c.others = newResourceTable(r.opts.resourceLimit)
	}
	return c
}

// maxSeen bounds, in pages, the files in which a page that is used twice is
// noticed by its number and not only by its keys: 16 MiB of bits.
const maxSeen = 1 << 27

// walkStill takes the whole tree of a meta page at once and continues after every fault.
func (r *reader) walkStill(c *revisions, m metas, of meta, stop bool) (walked, error) {
	size, err := r.src.Size()
	if err != nil {
		return walked{}, fmt.Errorf("reading %s: %w", r.opts.Path, err)
	}
	t := &tree{
		src: r.src, meta: of, expired: r.expired, salvage: true, lost: c.lost,
		ahead: batchLeaves, twice: true, slack: c.slack,
	}
	if pages := min(uint64(size)/uint64(t.meta.pageSize), t.meta.highWater); pages < maxSeen {
		t.seen = make([]uint64, pages/64+1)
	}
	w := walked{meta: t.meta, txid: t.meta.txid}
	c.begin()
	_, err = r.chunk(t, c, math.MaxInt, stop)
	w.still, w.done = t, t.done
	switch {
	case !m.unchanged(r.src):
		return w, errChanged
	case errors.Is(err, errDeadline):
		w.expired = true
		return w, nil
	case err != nil:
		return w, err
	}
	c.commit()
	return w, nil
}

// maxLeaves is how many leaves a chunk of a live file takes at most. They take
// about 0.5 ms. firstLeaves is how many the first takes.
const (
	maxLeaves   = 256
	firstLeaves = 16
)

// maxCompactions is how often a live file is read again because of a compaction. The API
// server compacts every five minutes, and a walk takes about a second.
const maxCompactions = 5

// walkSettled is walkLive, again if a compaction went on meanwhile. It removes the rows of
// a deleted Secret together with the tombstone: a walk that has read the rows before, and
// comes to the tombstone's place after it, would show a Secret that is no longer there.
func (r *reader) walkSettled(prefix string, learn, stop bool) (*revisions, walked, error) {
	for try := 1; ; try++ {
		c := r.revisions(prefix, learn)
		w, err := r.walkLive(c, stop)
		if err != nil || w.expired || w.settled || try == maxCompactions {
			return c, w, err
		}
	}
}

// walkLive takes a changing file in chunks: from the newest tree as many leaves
// as it can read before the next commit. What was read under a meta page that
// was replaced meanwhile is dropped. A contradiction that comes twice under
// unchanged meta pages is in the file and not a torn read.
func (r *reader) walkLive(c *revisions, stop bool) (walked, error) {
	var w walked
	leaves := firstLeaves
	failures, compacted := 0, int64(0)
	levels, ahead := []*run(nil), batch{}
	for {
		if r.expired() {
			w.expired = true
			return w, nil
		}
		m, err := readMetas(r.src)
		if err != nil {
			if failures++; failures > 100 {
				return w, fmt.Errorf("reading %s: expected a bbolt file such as etcd's member/snap/db, found %w", r.opts.Path, err)
			}
			continue
		}
		t := &tree{
			src: r.src, meta: m.newest(), expired: r.expired, lost: c.lost, levels: levels, batch: ahead,
			salvage: failures >= 2, ahead: leaves + 1, slack: c.slack,
		}
		c.begin()
		done, err := r.chunk(t, c, leaves, false)
		levels, ahead = t.levels, batch{buf: t.batch.buf}
		switch {
		case errors.Is(err, errDeadline):
			w.expired = true
			return w, nil
		case !m.unchanged(r.src):
			leaves = max(1, leaves/2)
			failures = 0
			continue
		case err != nil && !t.salvage:
			failures++
			continue
		case err != nil:
			return w, err
		}
		c.commit()
		if w.txid == 0 {
			compacted, w.settled = c.compacted, true
		}
		w.settled = w.settled && c.settled && c.compacted == compacted
		w.meta, w.txid = t.meta, t.meta.txid
		if done {
			return w, nil
		}
		if stop && c.elsewhere() != "" {
			return w, errPrefix
		}
		failures = 0
		leaves = min(maxLeaves, 2*leaves)
	}
}

// maxChunkRows ends a chunk of a live file, because pages of 64 KiB hold many
// rows.
const maxChunkRows = 20_000

// chunk takes up to so many leaves after the position that was reached. Done
// reports that there are no more. A fault is an error only without salvage.
func (r *reader) chunk(t *tree, c *revisions, leaves int, stop bool) (done bool, err error) {
	found, others, err := t.buckets("key", "meta")
	if err != nil {
		return false, err
	}
	keys, ok := found["key"]
	if !ok {
		if len(c.newFaults) > 0 {
			return true, nil
		}
		err := fmt.Errorf("reading %s: expected etcd's bucket %q, found a bbolt file of another program, with %d other buckets", r.opts.Path, "key", others)
		if !t.salvage {
			// Try once more, because the read may be torn.
			return false, corrupt(t.meta.root, "no bucket %q", "key")
		}
		return false, err
	}
	t.done = []uint64{keys.root, found["meta"].root}
	if c.compacted, c.settled, err = compaction(t, c, found["meta"]); err != nil {
		return false, err
	}
	taken, rows := 0, 0
	err = t.walk(keys, c.cursor(), func(run *run, first int) error {
		if taken >= leaves || rows > maxChunkRows && leaves < math.MaxInt {
			return errStop
		}
		// Only leaves that give a row count. Otherwise the leaf of the cursor
		// itself would always use up a budget of one.
		taken++
		for i := first; i < run.header.count; i++ {
			rows++
			f := c.row(run, i)
			if f == nil {
				continue
			}
			if !t.salvage {
				return f
			}
			c.lost(f)
			if f.before {
				if f = c.row(run, i); f != nil {
					c.lost(f)
				}
			}
		}
		if leaves == math.MaxInt {
			c.commit() // a still file's rows need not wait
			if stop && c.elsewhere() != "" {
				return errPrefix
			}
		}
		return nil
	})
	if errors.Is(err, errStop) {
		return false, nil
	}
	return err == nil, err
}

// compaction reads up to which revision etcd may have removed rows, from the
// bucket "meta". A compaction that was interrupted counts up to its target.
// What cannot be read counts as the highest revision, so that no missing row is
// taken for damage.
//
// Settled reports that no compaction was running.
func compaction(t *tree, c *revisions, b bucket) (reached int64, settled bool, err error) {
	if b.root == 0 && b.inline == nil {
		return 0, true, nil
	}
	faults := len(c.newFaults)
	var scheduled, finished int64
	err = t.walk(b, nil, func(r *run, first int) error {
		for i := first; i < r.header.count; i++ {
			e := r.element(i)
			row, f := r.bytes(e.key, min(e.end-e.key, 64))
			if f != nil {
				return t.fault(f)
			}
			into := &scheduled
			switch string(row[:min(len(row), e.value-e.key)]) {
			case "scheduledCompactRev":
			case "finishedCompactRev":
				into = &finished
			default:
				continue
			}
			rev, problem := parseRevision(row[e.value-e.key:])
			if e.flags != 0 || problem != "" || rev.tombstone {
				if err := t.fault(corrupt(r.page, "element %d: expected the revision of a compaction", i)); err != nil {
					return err
				}
				continue
			}
			*into = rev.main
		}
		return nil
	})
	if len(c.newFaults) > faults {
		return math.MaxInt64, false, err
	}
	return max(scheduled, finished), scheduled <= finished, err
}
