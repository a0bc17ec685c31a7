package etcd

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"math/bits"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// resourceTable counts the current objects of the resources other than Secrets by how
// they are stored. The last row of a key counts. It keeps no keys, only a hash of each
// with a random seed, and takes 12 bytes for a key.
type resourceTable struct {
	limit  int // keys
	seed   maphash.Seed
	parts  [resourceParts]resourcePart
	keys   int // slots in use
	cut    bool
	kinds  map[resourceKind]uint16
	counts []resourceCount
}

// maxResourceKeys is how many keys of other resources are kept apart.
const maxResourceKeys = 1_000_000

// resourceParts is into how many parts the keys are split, so that little is copied at a
// time as they become more.
const resourceParts = 16

// resourcePart is a hash table with linear probing. A slot is free if its kind is 0,
// and a key that was deleted has kind 1.
type resourcePart struct {
	sums  []uint64
	kinds []uint16
	used  int
}

const (
	slotFree = iota
	slotDeleted
	firstKind
)

type resourceKind struct {
	dir string
	storedKind
}

type resourceCount struct {
	resourceKind
	n int
}

// maxResourceKinds bounds the pairs of a resource and a way of storing.
const maxResourceKinds = 4096

func newResourceTable(limit int) *resourceTable {
	return &resourceTable{
		limit: limit, seed: maphash.MakeSeed(), kinds: map[resourceKind]uint16{},
		counts: make([]resourceCount, firstKind),
	}
}

// put takes a row of a key, which is what follows the prefix; a kind without a class is
// its tombstone.
func (t *resourceTable) put(key []byte, kind storedKind) {
	sum := maphash.Bytes(t.seed, key)
	part := &t.parts[sum%resourceParts]
	slot, known := part.find(sum)
	k := uint16(slotDeleted)
	if kind.class != "" {
		var ok bool
		if k, ok = t.kind(dirOf(key), kind); !ok {
			return
		}
	}
	if known {
		if old := part.kinds[slot]; old >= firstKind {
			t.counts[old].n--
		}
	} else {
		if k == slotDeleted {
			return
		}
		if t.keys >= t.limit {
			t.cut = true
			return
		}
		if part.used*8 >= len(part.sums)*7 {
			t.keys -= part.grow()
			slot, _ = part.find(sum)
		}
		part.used++
		t.keys++
	}
	part.sums[slot], part.kinds[slot] = sum, k
	if k >= firstKind {
		t.counts[k].n++
	}
}

// kind returns the number of a way of storing a resource.
func (t *resourceTable) kind(dir []byte, kind storedKind) (uint16, bool) {
	if len(dir) == 0 {
		return 0, false
	}
	key := resourceKind{string(dir), kind}
	k, ok := t.kinds[key]
	if !ok {
		if len(t.kinds) >= maxResourceKinds {
			t.cut = true
			return 0, false
		}
		k = uint16(len(t.counts))
		t.kinds[key] = k
		t.counts = append(t.counts, resourceCount{resourceKind: key})
	}
	return k, true
}

// find returns the slot of a hash, or the free slot in which it belongs.
func (p *resourcePart) find(sum uint64) (slot int, known bool) {
	n := uint64(len(p.sums))
	if n == 0 {
		return 0, false
	}
	at, _ := bits.Mul64(sum, n)
	for p.kinds[at] != slotFree {
		if p.sums[at] == sum {
			return int(at), true
		}
		if at++; at == n {
			at = 0
		}
	}
	return int(at), false
}

// grow makes the table half as large again, without the deleted keys, and returns how
// many those were.
func (p *resourcePart) grow() (dropped int) {
	old := *p
	n := max(1024, len(p.sums)*3/2)
	*p = resourcePart{sums: make([]uint64, n), kinds: make([]uint16, n)}
	for i, kind := range old.kinds {
		if kind < firstKind {
			continue
		}
		slot, _ := p.find(old.sums[i])
		p.sums[slot], p.kinds[slot] = old.sums[i], kind
		p.used++
	}
	return old.used - p.used
}

// list returns the counts, sorted by resource, at most fact.MaxStoredResources. Cut says
// what is missing, "" if nothing is.
func (t *resourceTable) list() (out []fact.StoredResource, cut string) {
	all := slices.DeleteFunc(t.counts[firstKind:], func(c resourceCount) bool { return c.n == 0 })
	sorted.Func(all, func(a, b resourceCount) int {
		for _, c := range []int{
			strings.Compare(a.dir, b.dir), strings.Compare(string(a.class), string(b.class)), strings.Compare(a.provider, b.provider),
		} {
			if c != 0 {
				return c
			}
		}
		return 0
	})
	switch {
	case len(all) > fact.MaxStoredResources:
		cut = fmt.Sprintf("%d ways in which other resources are stored, of which %d are listed", len(all), fact.MaxStoredResources)
		all = all[:fact.MaxStoredResources]
	case t.cut:
		cut = fmt.Sprintf("more than %d objects of other resources, or %d ways in which they are stored: the rest was not counted", t.limit, maxResourceKinds)
	}
	for _, c := range all {
		out = append(out, fact.StoredResource{Dir: c.dir, Class: c.class, Provider: c.provider, KeyGuessed: c.guessed, Count: c.n})
	}
	return out, cut
}

// dirOf returns the resource of a key without its prefix, as fact.StoredResource.Dir has
// it: "/configmaps/NS/NAME" gives configmaps. A group has a dot and a resource behind it
// ("/cert-manager.io/certificates/NS/NAME"), and so has services
// ("/services/specs/NS/NAME"). It returns nil for a key that the API server would not
// write.
func dirOf(key []byte) []byte {
	if len(key) < 2 || key[0] != '/' {
		return nil
	}
	key = key[1:]
	first, rest, ok := bytes.Cut(key, []byte("/"))
	if !ok || !subdomain(first) {
		return nil
	}
	if bytes.IndexByte(first, '.') < 0 && string(first) != "services" {
		return first
	}
	second, _, ok := bytes.Cut(rest, []byte("/"))
	if !ok || !subdomain(second) {
		return nil
	}
	return key[:len(first)+1+len(second)]
}

// takeOther counts an object of another resource; rest is its key without the prefix.
func (c *revisions) takeOther(rev revision, kv keyValue, rest []byte) *fault {
	if c.others == nil || kv.long() || dirOf(rest) == nil {
		return nil
	}
	var kind storedKind
	if !rev.tombstone {
		form, err := stored.ClassifyAny(kv.value, c.names)
		if err != nil {
			return faultOf(err)
		}
		kind = kindOf(form)
		kind.keyID = "" // not counted apart
	}
	c.events = append(c.events, event{kind: eventOther, row: secretRow{name: c.keep(rest), kind: kind}})
	return nil
}
