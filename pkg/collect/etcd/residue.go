package etcd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored"
)

// maxBehindEnd bounds how much is searched behind the last page of a file, bytes.
// etcd itself lets a file grow in steps of 64 MiB at most.
const maxBehindEnd = 1 << 30

// slackScan looks at the bytes behind the last element of pages in use. bbolt
// leaves zeros there. What a chunk of a live file shows is pending until the chunk
// counts.
type slackScan struct {
	prefix string
	seen   inUse // pages that have been counted

	// pending
	pages  []uint64
	bytes  int64
	unread int            // pages whose slack could not be read
	finder *stored.Finder // nil while there are only zeros
	hits   []slackHit

	scanned int64 // bytes
	lost    int   // pages
	found   []slackHit
}

// slackHit is a value, which may be a copy of a row that the walk has not reached yet.
type slackHit struct {
	namespace, name string
	revision        int64
}

// maxSlackHits bounds what is kept; bbolt leaves nothing.
const maxSlackHits = 10_000

// begin forgets what is pending.
func (s *slackScan) begin() {
	s.pages, s.bytes, s.unread, s.hits = s.pages[:0], 0, 0, s.hits[:0]
}

// commit makes what is pending count.
func (s *slackScan) commit() {
	for _, p := range s.pages {
		s.seen.add(p, p)
	}
	s.scanned += s.bytes
	s.lost += s.unread
	s.found = append(s.found, s.hits[:min(len(s.hits), maxSlackHits-len(s.found))]...)
	s.begin()
}

// run looks at a run that has been checked.
func (s *slackScan) run(r *run) {
	if r.inline || s.seen.has(r.page) {
		return
	}
	s.pages = append(s.pages, r.page)
	for end := r.used; end < r.size; {
		n := min(r.size-end, 64<<10)
		if end < len(r.buf) {
			n = min(r.size, len(r.buf)) - end
		}
		b, f := r.bytes(end, n)
		if f != nil {
			s.unread++
			break
		}
		if !zero(b) {
			if s.finder == nil {
				s.finder = stored.NewFinder(s.prefix)
				s.finder.Skip = func(ns, name string, revision int64) bool {
					s.hits = append(s.hits, slackHit{ns, name, revision})
					return true
				}
			}
			_, _ = s.finder.Write(b)
		}
		s.bytes += int64(n)
		end += n
	}
	if s.finder != nil {
		s.finder.Break()
	}
}

var zeros [4096]byte

// zero reports whether all bytes are zero.
func zero(b []byte) bool {
	for len(b) > len(zeros) {
		if !bytes.Equal(b[:len(zeros)], zeros[:]) {
			return false
		}
		b = b[len(zeros):]
	}
	return bytes.Equal(b, zeros[:len(b)])
}

// slack makes the search of page slack, if it is asked for.
func (r *reader) slack(prefix string) *slackScan {
	if !r.opts.Residue {
		return nil
	}
	s := &slackScan{prefix: prefix}
	if m, err := readMetas(r.src); err == nil && m.newest().highWater < maxSeen {
		s.seen = make(inUse, m.newest().highWater/64+1)
	}
	return s
}

// beside searches what is beside the rows, if it is asked for. The rows are nil if the
// prefix of their keys is not known.
func (r *reader) beside(db *fact.EtcdDB, w walked, c *revisions) {
	if r.opts.Residue {
		db.Remains = r.residue(db, w, c)
	}
	if r.opts.Known != nil && c != nil {
		*r.opts.Known = *r.known(c)
		r.opts.Known.count(db)
	}
}

// residue searches what is beside the rows of the file itself: free pages, page
// slack and what lies behind the last page.
func (r *reader) residue(db *fact.EtcdDB, w walked, c *revisions) []fact.Remains {
	places := []fact.Remains{{Place: fact.InFreePages}, {Place: fact.InPageSlack}, {Place: fact.BehindEnd}}
	free, slack, behind := &places[0], &places[1], &places[2]
	for i := range places {
		places[i].Path = db.Path
	}
	all := func(reason fact.Reason, detail string) []fact.Remains {
		for i := range places {
			places[i].Reason, places[i].Detail = reason, detail
		}
		return places
	}
	if w.expired {
		return all(r.expiry(), "not searched")
	}
	if c == nil {
		return all(fact.NotPresent, "not searched: the prefix of Kubernetes' keys is unknown, so what is found cannot be compared with the rows")
	}
	known := r.known(c)
	m, err := readMetas(r.src)
	tree := w.meta
	if r.opts.Live {
		tree = m.newest()
	}
	free.Complete = true
	var used inUse
	if r.opts.Live {
		used = r.reachableLive(&tree)
	} else if pages, whole := w.pagesInUse(c); pages != nil {
		if used = pages; !whole || w.older {
			incomplete(free, fact.Corrupt, "parts of the tree could not be read, so pages in use may count as free")
		}
	}
	size, sizeErr := r.src.Size() // asked last: a live file grows
	if err = errors.Join(err, sizeErr); err != nil || tree.pageSize == 0 {
		free.Complete = false
		return all(fact.Changing, "not searched: the file has changed")
	}
	pages := uint64(size) / uint64(tree.pageSize)
	last := min(pages, tree.highWater)
	scan := newPageScan(r.src, tree.pageSize, db.Prefix, known, r.expired)
	scan.used = used
	sampled := scan.used == nil
	if sampled {
		scan.used = make(inUse, 1)
		scan.used.add(0, 1)
	}
	err = scan.pages(2, last)
	found := scan.finder.Found()
	fill(free, found, scan.scanned)
	switch {
	case err != nil:
		r.ended(free, err, scan.scanned)
	case last < tree.highWater:
		incomplete(free, fact.Truncated, fmt.Sprintf("the file ends in page %d of %d", last, tree.highWater))
	case sampled && found.Values > 0:
		// Without a value there is no doubt: all pages were searched.
		incomplete(free, fact.Changing, "the file changes faster than its free pages can be found: all pages were searched, and a value without a revision may be in a page in use")
	}
	if known.rows.cut && found.Values > 0 {
		incomplete(free, fact.Truncated, fmt.Sprintf("more than %d rows in plaintext: copies of the others count too", maxPlainRows))
	}

	slack.Complete = true
	if c.slack != nil {
		c.slack.commit()
		slack.Scanned = c.slack.scanned
		s := known.finder(db.Prefix)
		for p := range uint64(2) { // the meta pages
			page := make([]byte, min(tree.pageSize, 64<<10))
			if _, err := r.src.ReadAt(page, int64(p)*int64(tree.pageSize)); err == nil {
				_, _ = s.Write(page[pageHeaderSize+metaSize:])
				s.Break()
				slack.Scanned += int64(len(page) - pageHeaderSize - metaSize)
			}
		}
		for _, hit := range c.slack.found {
			if !known.revision(hit.revision) {
				s.Add(hit.namespace, hit.name, hit.revision)
			}
		}
		found := s.Found()
		fill(slack, found, slack.Scanned)
	}
	if len(c.faults.list) > 0 || w.older || c.slack != nil && c.slack.lost > 0 {
		incomplete(slack, fact.Corrupt, "parts of the tree could not be read")
	}

	behind.Complete = true
	from := int64(min(tree.highWater, pages)) * int64(tree.pageSize)
	end := min(size, from+maxBehindEnd)
	scan = newPageScan(r.src, tree.pageSize, db.Prefix, known, r.expired)
	err = scan.pages(uint64(from)/uint64(tree.pageSize), uint64(end)/uint64(tree.pageSize))
	if rest := end / int64(tree.pageSize) * int64(tree.pageSize); err == nil && rest < end {
		var n int64
		n, err = scanRaw(r.ctx, r.src, rest, end, scan.finder, r.expired)
		scan.scanned += n
	}
	fill(behind, scan.finder.Found(), scan.scanned)
	switch {
	case err != nil && !(r.opts.Live && errors.Is(err, errEnd)):
		r.ended(behind, err, scan.scanned)
	case end < size:
		incomplete(behind, fact.Truncated, fmt.Sprintf("of %d bytes behind the last page, %d were searched", size-from, end-from))
	}
	return places
}

// known is what a walk found.
func (r *reader) known(c *revisions) *Known {
	k := &Known{rows: c.plain}
	if r.opts.Live {
		k.last = c.at.main
	}
	return k
}

// reachableLive finds the pages in use of one tree, and returns that tree's meta in
// m. It is nil if the file changes too fast.
func (r *reader) reachableLive(tree *meta) inUse {
	for try := range 3 {
		m, err := r.metas()
		if err != nil || r.expired() {
			return nil
		}
		if try > 0 {
			// etcd commits every 100 ms. Right after a commit there is most time.
			for wait := 0; wait < 200 && m.unchanged(r.src) && !r.expired(); wait++ {
				time.Sleep(time.Millisecond)
			}
			if m, err = r.metas(); err != nil {
				return nil
			}
		}
		used, err := reachableQuickly(r.src, m, r.expired)
		if m.unchanged(r.src) {
			if err != nil {
				return nil
			}
			*tree = m.newest()
			return used
		}
	}
	return nil
}

// reachableQuickly is reachable for a file in which only the root tree holds buckets. Of a
// leaf it reads the header alone, so that a tree of 300,000 pages takes 0.1 s.
func reachableQuickly(src Source, m metas, expired func() bool) (inUse, error) {
	of := m.newest()
	if of.highWater >= maxSeen {
		return nil, errors.New("too many pages")
	}
	t := &tree{src: src, meta: of, expired: expired, seen: make([]uint64, of.highWater/64+1)}
	found, _, err := t.buckets("key")
	if err != nil {
		return nil, err
	}
	var done []uint64
	if keys, ok := found["key"]; ok && keys.inline == nil {
		done = []uint64{keys.root}
		if _, err := t.markBelow(keys.root, 0, 0); err != nil {
			return nil, err
		}
	}
	return t.seen, t.markAll(done...)
}

// markBelow marks the pages of a tree from one on, at a depth. It returns the depth of the
// leaves, which is 0 as long as it is not known.
func (t *tree) markBelow(id uint64, depth, leaves int) (int, error) {
	if t.expired() {
		return 0, errDeadline
	}
	if depth >= maxDepth {
		return 0, corrupt(id, "a tree deeper than %d pages", maxDepth)
	}
	if leaves == depth && leaves > 0 {
		var head [pageHeaderSize]byte
		if id < 2 || id >= t.meta.highWater {
			return 0, corrupt(id, "a link to a page that is not in use")
		}
		if f := readAt(t.src, head[:], int64(id)*int64(t.meta.pageSize), id); f != nil {
			return 0, f
		}
		h := parsePageHeader(head[:])
		if h.id != id || h.flags != flagLeaf || uint64(h.overflow) >= t.meta.highWater-id || inUse(t.seen).has(id) {
			return 0, corrupt(id, "expected a leaf, found flags %#x", h.flags)
		}
		inUse(t.seen).add(id, id+uint64(h.overflow))
		return leaves, nil
	}
	for len(t.levels) <= depth {
		t.levels = append(t.levels, &run{})
	}
	r := t.levels[depth]
	if f := t.load(r, id); f != nil {
		return 0, f
	}
	if r.leaf() {
		return depth, nil
	}
	for i := range r.header.count {
		var err error
		if leaves, err = t.markBelow(r.element(i).child, depth+1, leaves); err != nil {
			return 0, err
		}
	}
	return leaves, nil
}

// expiry is why the reading has ended before its time.
func (r *reader) expiry() fact.Reason {
	if errors.Is(r.ctx.Err(), context.Canceled) {
		return fact.Interrupted
	}
	return fact.Timeout
}

// ended says why a search has ended early.
func (r *reader) ended(into *fact.Remains, err error, at int64) {
	reason, text := fact.Unreadable, "cannot be read"
	f := (*fault)(nil)
	switch {
	case errors.Is(err, errDeadline):
		reason, text = r.expiry(), "stopped"
	case errors.Is(err, errEnd):
		reason, text = fact.Truncated, "the file ended"
	case errors.As(err, &f):
		reason, text = f.reason, f.text
	}
	incomplete(into, reason, fmt.Sprintf("%s, after %d bytes", text, at))
}

func incomplete(into *fact.Remains, reason fact.Reason, detail string) {
	if into.Complete || into.Reason == "" {
		into.Complete, into.Reason, into.Detail = false, reason, detail
	}
}

// fill puts what was found into a fact.
func fill(into *fact.Remains, found stored.Found, scanned int64) {
	into.Scanned = scanned
	into.Values, into.Unnamed = found.Values, found.Unnamed
	into.Secrets, into.SecretsTotal = found.Secrets, found.SecretsTotal
}

// scanRaw gives bytes from up to to to a Finder, which it leaves between two Breaks. It
// returns how many there were.
func scanRaw(ctx context.Context, src io.ReaderAt, from, to int64, into io.Writer, expired func() bool) (int64, error) {
	if f, ok := into.(*stored.Finder); ok {
		f.Break()
		defer f.Break()
	}
	buf := make([]byte, min(to-from, scanBuffer))
	for at := from; at < to; {
		if expired() || ctx.Err() != nil {
			return at - from, errDeadline
		}
		n, err := src.ReadAt(buf[:min(int64(len(buf)), to-at)], at)
		if n > 0 {
			_, _ = into.Write(buf[:n])
			at += int64(n)
		}
		switch {
		case at >= to:
		case errors.Is(err, io.EOF), err == nil && n <= 0:
			return at - from, errEnd
		case err != nil:
			return at - from, err
		}
	}
	return to - from, nil
}
