package kine

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/sqlite"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored"
)

const (
	// maxPending bounds the values that are found before the rows are known.
	maxPending = 50_000
	// maxScanned bounds the bytes of one place: a sparse file can claim any size.
	maxScanned = 64 << 30
	// maxBehind bounds those behind the last page, of which nothing in the file says how
	// many there are. A file is that much longer only if it is sparse.
	maxBehind = 8 << 30
	// bulk is how much of them is read at once.
	bulk = 1 << 20
	// minSecret is fewer bytes than any plaintext Secret has up to its kind.
	minSecret = 16
)

// residue looks for values of Secrets outside of the rows of one state. The unused bytes of
// pages in use come while the rows are read, so what they hold is judged afterwards.
//
// What counts is a value whose start is there. A revision that the rows hold in plaintext
// too does not count, for it is reported as current or history; where the bytes do not tell
// the revision, no value of a Secret counts of which the rows hold any in plaintext.
type residue struct {
	r *reader
	s *state
	f *follower

	place   [5]*scanned
	finder  *stored.Finder // of unused bytes
	pending []hit
	ready   bool // all rows are known
	page    []byte
	after   int64 // rows that were written later do not count; 0 means no such limit
}

// The places, in the order of the facts.
const (
	placeFree = iota
	placeSlack
	placeShadowed
	placeBehind
	placeLog
)

type hit struct {
	namespace, name string
	revision        int64
}

// scanned is what is known of one place.
type scanned struct {
	bytes  int64
	found  stored.Found
	reason fact.Reason
	detail string
}

func (p *scanned) incomplete(reason fact.Reason, format string, args ...any) {
	if p.reason == "" {
		p.reason, p.detail = reason, fmt.Sprintf(format, args...)
	}
}

func newResidue(r *reader, s *state, f *follower) *residue {
	res := &residue{r: r, s: s, f: f}
	for i := range res.place {
		res.place[i] = &scanned{}
	}
	res.finder = res.newFinder(res.place[placeSlack])
	return res
}

// newFinder makes a finder for a place. It looks for every prefix: another cluster's
// Secrets are values too.
func (res *residue) newFinder(p *scanned) *stored.Finder {
	finder := stored.NewFinder("")
	finder.Skip = func(namespace, name string, revision int64) bool {
		h := hit{strings.Clone(namespace), strings.Clone(name), revision}
		if !res.ready {
			if len(res.pending) < maxPending {
				res.pending = append(res.pending, h)
			} else {
				p.incomplete(fact.Truncated, "more than %d values in plaintext in unused bytes", maxPending)
			}
			return true
		}
		return res.live(h)
	}
	return finder
}

// live reports whether the rows hold a value.
func (res *residue) live(h hit) bool {
	t := res.f.table
	switch {
	case res.after > 0 && h.revision > res.after:
		return true
	case h.name == "":
		return false
	case h.revision > 0 && !t.tooMany:
		return t.holds(h.revision)
	}
	return t.holdsAny(h.namespace, h.name)
}

// slack takes the unused bytes of a page in use.
func (res *residue) slack(page uint32, b []byte) {
	p := res.place[placeSlack]
	p.bytes += int64(len(b))
	if b = trimZero(b); len(b) < minSecret {
		return
	}
	_, _ = res.finder.Write(b)
	res.finder.Break()
}

// trimZero cuts zeros off both ends: most unused bytes were never used.
func trimZero(b []byte) []byte {
	for len(b) >= 64 && isZero(b[:64]) {
		b = b[64:]
	}
	for len(b) >= 64 && isZero(b[len(b)-64:]) {
		b = b[:len(b)-64]
	}
	return b
}

var zeros [64]byte

func isZero(b []byte) bool { return string(b) == string(zeros[:len(b)]) }

// outside scans everything but the rows and the unused bytes of pages in use, once the rows
// are known.
func (res *residue) outside(audit *sqlite.Audit) {
	slack := res.place[placeSlack]
	res.finder.Break()
	res.ready = true
	for _, h := range res.pending {
		if !res.live(h) {
			slack.found.Add(h.namespace, h.name, h.revision)
		}
	}
	res.pending = nil
	pages, proven := audit.Unused()
	free := res.place[placeFree]
	if res.f.expired {
		slack.incomplete(res.r.expiredReason(), "not all pages were read")
		free.incomplete(res.r.expiredReason(), "not all pages were read")
	} else {
		if !proven {
			// Pages of rows may be among them: those rows are lost, and so not known.
			free.incomplete(fact.Corrupt, "damage in the file: which pages are free is uncertain")
			slack.incomplete(fact.Corrupt, "damage in the file: not all pages in use were found")
		}
		res.page = make([]byte, res.s.PageSize())
		finder := res.newFinder(free)
		for page := range pages {
			if res.stop(free) {
				break
			}
			if err := res.s.Page(res.page, page); err != nil {
				free.incomplete(reasonOf(err), "a page could not be read")
				continue
			}
			res.scan(free, finder, res.page)
		}
		free.found.Merge(finder.Found())
	}
	res.files()
}

// files scans what the current state does not use of the two files.
func (res *residue) files() {
	s := res.s
	pageSize := int64(s.PageSize())
	if res.page == nil {
		res.page = make([]byte, pageSize)
	}
	end := int64(s.Pages()) * pageSize

	shadowed := res.place[placeShadowed]
	finder := res.newFinder(shadowed)
	for _, at := range s.Shadowed() {
		if res.stop(shadowed) {
			break
		}
		if at >= min(end, s.size) {
			continue // it is behind the end, or only in the log
		}
		res.readAt(shadowed, finder, res.r.files.Main, at, min(pageSize, s.size-at))
	}
	shadowed.found.Merge(finder.Found())

	behind := res.place[placeBehind]
	finder = res.newFinder(behind)
	res.behind(behind, finder, end)
	behind.found.Merge(finder.Found())

	log := res.place[placeLog]
	if s.log == nil {
		return
	}
	finder = res.newFinder(log)
	for at, n := range s.OldFrames(s.logSize) {
		if at == 0 {
			log.incomplete(fact.Unreadable, "reading FILE-wal")
			break
		}
		if res.stop(log) {
			break
		}
		res.readAt(log, finder, s.log, at, int64(n))
	}
	log.found.Merge(finder.Found())
}

// behind scans what lies behind the last page. Zeros, of which a sparse file has many, are
// passed over at once.
func (res *residue) behind(p *scanned, finder *stored.Finder, end int64) {
	pageSize := int64(res.s.PageSize())
	var buf []byte
	for at := end; at < res.s.size; at += bulk {
		if p.bytes >= maxBehind {
			p.incomplete(fact.Truncated, "of %d bytes behind the last page, only the first %d were looked at", res.s.size-end, p.bytes)
			return
		}
		if res.r.expired() {
			p.incomplete(res.r.expiredReason(), "%d bytes were looked at", p.bytes)
			return
		}
		n := min(bulk, res.s.size-at)
		if int64(len(buf)) < n {
			buf = make([]byte, n)
		}
		b := buf[:n]
		if got, err := res.r.files.Main.ReadAt(b, at); got < len(b) {
			reason := fact.Unreadable
			if err == nil || err == io.EOF {
				reason = fact.Truncated
			}
			p.incomplete(reason, "reading at byte %d", at+int64(got))
			b = b[:got]
		}
		if len(trimZero(b)) < minSecret {
			p.bytes += int64(len(b))
			continue
		}
		for len(b) > 0 {
			page := b[:min(pageSize, int64(len(b)))]
			res.scan(p, finder, page)
			b = b[len(page):]
		}
	}
}

// stop reports whether the scan of a place ends here.
func (res *residue) stop(p *scanned) bool {
	switch {
	case p.bytes >= maxScanned:
		p.incomplete(fact.Truncated, "only the first %d bytes were looked at", p.bytes)
	case p.bytes%(1<<20) < int64(len(res.page)) && res.r.expired():
		p.incomplete(res.r.expiredReason(), "%d bytes were looked at", p.bytes)
	default:
		return false
	}
	return true
}

func (res *residue) readAt(p *scanned, finder *stored.Finder, src io.ReaderAt, at, n int64) {
	b := res.page[:n]
	if got, err := src.ReadAt(b, at); got < len(b) {
		reason := fact.Unreadable
		if err == nil || err == io.EOF {
			reason = fact.Truncated
		}
		p.incomplete(reason, "reading at byte %d", at)
		b = b[:got]
	}
	res.scan(p, finder, b)
}

func reasonOf(err error) fact.Reason {
	if f, ok := err.(*sqlite.Fault); ok {
		return f.Reason
	}
	return fact.Unreadable
}

// scan takes a page that is not in use: rows where it was a leaf of kine's table, and bytes
// where not.
func (res *residue) scan(p *scanned, finder *stored.Finder, b []byte) {
	p.bytes += int64(len(b))
	columns := 0
	if res.s.exact && res.s.inOrder {
		columns = len(columnNames)
	}
	res.s.Leftovers(b, columns, func(id int64, v []sqlite.Local) {
		name := v[colName]
		key, found := bytes.CutPrefix(name.Bytes, []byte(res.f.prefix+secretsDir))
		ns, secret, ok := strings.Cut(string(key), "/")
		if name.Type != sqlite.Text || int64(len(name.Bytes)) < name.Len || !found || !ok || !label(ns) || !subdomain(secret) {
			// Values may be there all the same, at another key.
			for _, c := range [...]int{colValue, colOldValue} {
				if len(v[c].Bytes) >= minSecret {
					_, _ = finder.Write(v[c].Bytes)
					finder.Break()
				}
			}
			return
		}
		add := func(v sqlite.Local, revision int64) {
			if v.Len == 0 || len(v.Bytes) == 0 {
				return
			}
			if plainLead(v.Bytes) && !res.live(hit{ns, secret, revision}) {
				finder.Add(ns, secret, revision)
			}
		}
		revision := id
		if v[colDeleted].Int == 1 {
			revision = v[colPrevRevision].Int
		}
		add(v[colValue], revision)
		add(v[colOldValue], v[colPrevRevision].Int)
	}, func(b []byte) {
		if b = trimZero(b); len(b) >= minSecret {
			_, _ = finder.Write(b)
			finder.Break()
		}
	})
}

// plainLead reports whether the first bytes of a Secret's value are plaintext. As many as
// one page has are enough for every form but one: CBOR has its kind after its data.
func plainLead(b []byte) bool {
	f, err := stored.ClassifyAny(stored.Of(b), nil)
	return err == nil && f.Class.Plaintext()
}

// remains makes facts.
func (res *residue) remains() []fact.Remains {
	log := res.r.opts.Path + "-wal"
	var out []fact.Remains
	for i, place := range [...]fact.RemainsPlace{fact.InFreePages, fact.InPageSlack, fact.InShadowed, fact.BehindEnd, fact.InLog} {
		p := res.place[i]
		path := res.r.opts.Path
		if i == placeLog {
			if path = log; res.s.log == nil {
				continue
			}
		}
		out = append(out, p.remains(place, path))
	}
	return out
}

func (p *scanned) remains(place fact.RemainsPlace, path string) fact.Remains {
	return fact.Remains{
		Place: place, Path: path, Scanned: p.bytes, Complete: p.reason == "", Reason: p.reason, Detail: p.detail,
		Values: p.found.Values, Unnamed: p.found.Unnamed, Secrets: p.found.Secrets, SecretsTotal: p.found.SecretsTotal,
	}
}

// changing is the residue of a file that changed too fast for one pass. All bytes of both
// files are looked at, whatever they are used for, after the rows were read. So only values
// of Secrets count that the rows held in no revision in plaintext, and there may be others.
func (r *reader) changing(f *follower) *residue {
	if !r.opts.Residue || f.expired {
		return nil
	}
	s, err := r.open()
	if err != nil {
		return nil
	}
	defer s.close()
	res := newResidue(r, s, f)
	res.ready, res.after = true, f.last
	res.page = make([]byte, s.PageSize())
	const why = "the database changed while it was read: values of Secrets that have another revision in plaintext in the rows are not counted, and places are not told apart"
	for _, i := range [...]int{placeFree, placeLog} {
		p := res.place[i]
		var src io.ReaderAt = r.files.Main
		size, at := s.size, int64(0)
		step := int64(s.PageSize())
		if i == placeLog {
			if s.log == nil {
				continue
			}
			// 32 bytes, then frames of 24 bytes and a page.
			src, size, at, step = s.log, s.logSize, 32+24, step+24
		}
		finder := res.newFinder(p)
		for ; at < size; at += step {
			if res.stop(p) {
				break
			}
			res.readAt(p, finder, src, at, min(int64(s.PageSize()), size-at))
		}
		p.found.Merge(finder.Found())
		p.incomplete(fact.Changing, why)
	}
	for _, i := range [...]int{placeSlack, placeShadowed, placeBehind} {
		res.place[i].incomplete(fact.Changing, why)
	}
	return res
}
