package kine

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/sqlite"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// otherRow is a row of another resource: how its value and its old_value are stored.
type otherRow struct {
	prev       int64
	value, old *stored.Form // nil for NULL, and for the value of a tombstone
}

// resourceTable counts the current objects of other resources. It keeps no names: a row's
// old_value is the value of the row before, which is no longer current. That row was
// counted only if it was there, and it was there if compaction had not reached the row
// that replaces it.
type resourceTable struct {
	counts map[resourceKind]int
	more   bool
	chunks []chunkEnd
}

// chunkEnd says where compaction was when the rows up to last were read.
type chunkEnd struct{ last, compacted int64 }

type resourceKind struct {
	dir, provider string
	class         fact.StorageClass
	guessed       bool
}

func newResourceTable() *resourceTable { return &resourceTable{counts: map[resourceKind]int{}} }

// seen notes that a chunk of rows counts.
func (t *resourceTable) seen(last, compacted int64) {
	if n := len(t.chunks); n > 0 && t.chunks[n-1].compacted == compacted {
		t.chunks[n-1].last = last
		return
	}
	t.chunks = append(t.chunks, chunkEnd{last, compacted})
}

// compactedAt is where compaction was when a row was read.
func (t *resourceTable) compactedAt(id, now int64) int64 {
	i, _ := slices.BinarySearchFunc(t.chunks, id, func(c chunkEnd, id int64) int { return cmp.Compare(c.last, id) })
	if i == len(t.chunks) {
		return now
	}
	return t.chunks[i].compacted
}

func (t *resourceTable) row(dir string, id int64, row otherRow, compacted int64) {
	if row.value != nil {
		t.add(dir, row.value, 1)
	}
	if row.old != nil && row.prev > 0 && id > t.compactedAt(row.prev, compacted) {
		t.add(dir, row.old, -1)
	}
}

// maxResourceKinds bounds how many ways of storing resources are kept apart.
const maxResourceKinds = 4 * fact.MaxStoredResources

func (t *resourceTable) add(dir string, f *stored.Form, n int) {
	k := resourceKind{dir, f.Provider, f.Class, f.Guessed}
	if _, ok := t.counts[k]; !ok && len(t.counts) >= maxResourceKinds {
		t.more = true
		return
	}
	t.counts[k] += n
}

func (t *resourceTable) list() (out []fact.StoredResource, more bool) {
	for k, n := range t.counts {
		if n > 0 {
			out = append(out, fact.StoredResource{Dir: k.dir, Class: k.class, Provider: k.provider, KeyGuessed: k.guessed, Count: n})
		}
	}
	sorted.Func(out, func(a, b fact.StoredResource) int {
		return cmp.Or(cmp.Compare(a.Dir, b.Dir), cmp.Compare(a.Class, b.Class), cmp.Compare(a.Provider, b.Provider), map[bool]int{true: 1}[a.KeyGuessed]-map[bool]int{true: 1}[b.KeyGuessed])
	})
	if len(out) > fact.MaxStoredResources {
		return out[:fact.MaxStoredResources], true
	}
	return out, t.more
}

// resource takes a row of another resource; key is what follows the prefix.
func (f *follower) resource(rec *record, key []byte, e *event) error {
	if f.resources == nil || rec.long || len(key) < 2 || key[0] != '/' {
		return nil
	}
	dir := directory(key[1:])
	if dir == nil {
		return nil
	}
	classify := func(v sqlite.Value) (*stored.Form, error) {
		if v.Type == sqlite.Null {
			return nil, nil
		}
		form, err := stored.ClassifyAny(f.column.span(v), f.opts.KeyNames)
		return &form, err
	}
	var err error
	if !rec.deleted {
		if e.other.value, err = classify(rec.value); err != nil {
			return err
		}
	}
	if e.other.old, err = classify(rec.old); err != nil {
		return err
	}
	e.dir, e.other.prev = string(dir), rec.prev
	return nil
}

// directory is the part of a key that stands for the resource: one segment, or two with a
// group ("cert-manager.io/certificates") and for services ("services/specs"). It is nil if
// no name follows.
func directory(key []byte) []byte {
	first := bytes.IndexByte(key, '/')
	if first <= 0 {
		return nil
	}
	end := first
	if bytes.IndexByte(key[:first], '.') >= 0 || string(key[:first]) == "services" {
		second := bytes.IndexByte(key[first+1:], '/')
		if second <= 0 {
			return nil
		}
		end = first + 1 + second
	}
	if len(key) <= end+1 || end > 512 || !plainPrefix(key[:min(end, 256)]) {
		return nil
	}
	return key[:end]
}
