package etcd

import (
	"errors"
	"math"
	"slices"
)

// plainRows are the rows of Secrets in plaintext that a walk found in the tree,
// current or older. Rows come in the order of their revisions, so the list is
// sorted. It takes 12 bytes for each row.
//
// A copy of one of these rows in a free page or a log is not residue: the same
// bytes are in the store itself.
type plainRows struct {
	mains []int64
	subs  []int32
	// cut is true if there were more than maxPlainRows. Then has is right only
	// if it returns true.
	cut bool
}

// maxPlainRows bounds plainRows: 6 MB.
const maxPlainRows = 500_000

// add takes the next row.
func (p *plainRows) add(main, sub int64) {
	if len(p.mains) >= maxPlainRows || sub > math.MaxInt32 {
		p.cut = true
		return
	}
	p.mains, p.subs = append(p.mains, main), append(p.subs, int32(sub))
}

// has reports whether the row of a revision is one of them.
func (p *plainRows) has(main, sub int64) bool {
	at, ok := slices.BinarySearch(p.mains, main)
	for ; ok && at < len(p.mains) && p.mains[at] == main; at++ {
		if int64(p.subs[at]) == sub {
			return true
		}
	}
	return false
}

// hasMain reports whether any row of a revision is one of them.
func (p *plainRows) hasMain(main int64) bool {
	_, ok := slices.BinarySearch(p.mains, main)
	return ok
}

// inUse is a set of pages: bit p%64 of word p/64.
type inUse []uint64

// has reports whether a page is in the set.
func (u inUse) has(page uint64) bool {
	return page/64 < uint64(len(u)) && u[page/64]&(1<<(page%64)) != 0
}

// add puts pages first to last into the set; those beyond its end are left out.
func (u inUse) add(first, last uint64) {
	for p := first; p <= last && p/64 < uint64(len(u)); p++ {
		u[p/64] |= 1 << (p % 64)
	}
}

// maxNested bounds the buckets that markAll follows. Etcd has about a dozen, of which
// none holds another.
const maxNested = 10_000

// markAll marks every page of the tree in t.seen: the meta pages, the freelist, and
// each bucket whose root is not in done (those were walked before, and are marked). What
// it does not mark is free. An error says that some pages of the tree could not be read.
// Then a page that looks free may be in use.
//
// The list of free pages in the file is not trusted, and etcd writes none.
func (t *tree) markAll(done ...uint64) error {
	rest := &tree{src: t.src, meta: t.meta, seen: t.seen, expired: t.expired, slack: t.slack}
	inUse(t.seen).add(0, 1)
	if t.meta.freelist != noFreelist {
		if err := rest.markFreelist(); err != nil {
			return err
		}
	}
	var todo []uint64
	collect := func(r *run, first int) error {
		for i := first; i < r.header.count; i++ {
			e := r.element(i)
			if e.flags != leafIsBucket {
				continue
			}
			b, f := parseBucket(r, e)
			if f != nil {
				return f
			}
			if b.inline != nil || slices.Contains(done, b.root) {
				continue // an inline bucket holds no other
			}
			if len(todo) >= maxNested {
				return errors.New("too many buckets")
			}
			todo = append(todo, b.root)
		}
		return nil
	}
	// The root's own pages are marked already, so they are read without marking.
	again := &tree{src: t.src, meta: t.meta, expired: t.expired}
	if err := again.walkPage(t.meta.root, 0, nil, nil, nil, collect); err != nil {
		return err
	}
	for i := 0; i < len(todo); i++ {
		if err := rest.walk(bucket{root: todo[i]}, nil, collect); err != nil {
			return err
		}
	}
	return nil
}

// markFreelist marks the run of the freelist.
func (t *tree) markFreelist() error {
	id := t.meta.freelist
	if id < 2 || id >= t.meta.highWater {
		return corrupt(id, "the freelist has a page that is not in use")
	}
	head := make([]byte, pageHeaderSize)
	if f := readAt(t.src, head, int64(id)*int64(t.meta.pageSize), id); f != nil {
		return f
	}
	h := parsePageHeader(head)
	if h.id != id || h.flags != flagFreelist || uint64(h.overflow) >= t.meta.highWater-id {
		return corrupt(id, "expected the freelist (0x10), found flags %#x", h.flags)
	}
	inUse(t.seen).add(id, id+uint64(h.overflow))
	return nil
}

// reachable returns the pages in use of the newest tree of a file that is being
// written: one bit for each page below the high-water mark. The caller has to check
// m.unchanged afterwards.
func reachable(src Source, m metas, expired func() bool) (inUse, error) {
	meta := m.newest()
	if meta.highWater >= maxSeen {
		return nil, errors.New("too many pages")
	}
	t := &tree{src: src, meta: meta, expired: expired, seen: make([]uint64, meta.highWater/64+1)}
	if _, _, err := t.buckets(); err != nil {
		return nil, err
	}
	return t.seen, t.markAll()
}
