package etcd

import (
	"encoding/binary"
	"fmt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored"
)

// revision is the key of a row in etcd's bucket "key": main and sub as big
// endian i64 with '_' between, and a final 't' for a tombstone (etcd,
// server/storage/mvcc/revision.go).
type revision struct {
	main, sub int64
	tombstone bool
}

const revisionSize = 17

// parseRevision reads a row's key; problem says what is wrong with it. The
// revision can be 0: no row has it, but a compaction can be requested for it.
func parseRevision(key []byte) (r revision, problem string) {
	switch len(key) {
	case revisionSize:
	case revisionSize + 1:
		if key[revisionSize] != 't' {
			return r, "a revision with an unknown mark"
		}
		r.tombstone = true
	default:
		return r, fmt.Sprintf("a revision of %d bytes, expected 17 or 18", len(key))
	}
	r.main = int64(binary.BigEndian.Uint64(key))
	r.sub = int64(binary.BigEndian.Uint64(key[9:]))
	if key[8] != '_' || r.main < 0 || r.sub < 0 {
		return r, "not a revision"
	}
	return r, ""
}

// keyValue is a row's mvccpb.KeyValue. Any field can be absent, and is then
// zero: the value (a lock leaves it empty), the lease, and everything except
// the key in a tombstone.
type keyValue struct {
	key                  []byte // its first maxHeldKey bytes, appended to the given buffer
	keySize              int
	create, mod, version int64
	value                stored.Span // empty where there is none
	bare                 bool        // only a key, as in a tombstone
	more                 bool        // unknown fields, which a later version of etcd may add
}

// maxHeldKey is how many bytes of a key are kept. etcd limits only the size of
// a request (1.5 MiB by default); a Secret's key has a prefix, two names of at
// most 63 and 253 bytes and "/secrets/".
const maxHeldKey = 4096

// long reports whether the key is longer than what is kept: then it is not a
// Secret's.
func (kv *keyValue) long() bool { return kv.keySize > len(kv.key) }

// parseKeyValue reads key=1, create_revision=2, mod_revision=3, version=4,
// value=5, lease=6, in any order. Fields that a later version adds are skipped.
// Only the position of the value is read.
//
// It reads what protobuf defines, but refuses two things that protobuf accepts:
// a field that appears twice, and a number in more bytes than it needs. etcd's
// marshaller never writes these, but a flipped bit can turn one field into
// another, and the last one would count.
func parseKeyValue(s stored.Span, keyBuf []byte) (kv keyValue, problem string, f *fault) {
	if lead, err := s.Lead(commonLead); err != nil {
		return kv, "", faultOf(err)
	} else if kv, ok := commonKeyValue(s, lead, keyBuf); ok {
		return kv, "", nil
	}
	const broken = "the row is not a KeyValue"
	c := stored.Scanner{Span: s}
	seen := 0
	kv.bare = true
	for c.Left() > 0 {
		number, wire, ok := c.Tag()
		if !ok {
			return kv, broken, faultOf(c.Err)
		}
		if number > 6 {
			if !c.SkipField(wire) {
				return kv, broken, faultOf(c.Err)
			}
			kv.more = true
			continue
		}
		if seen&(1<<number) != 0 {
			return kv, "a field of the row appears twice", nil
		}
		seen |= 1 << number
		switch {
		case wire == stored.WireBytes && (number == 1 || number == 5):
			n, ok := c.Length()
			if !ok {
				return kv, broken, faultOf(c.Err)
			}
			if number == 5 {
				kv.value = s.Part(c.Off, n)
				kv.bare = kv.bare && n == 0
				c.Skip(n)
				continue
			}
			held := min(n, maxHeldKey)
			key := c.Take(held)
			if c.Err != nil {
				return kv, broken, faultOf(c.Err)
			}
			c.Skip(n - held)
			kv.key, kv.keySize = append(keyBuf, key...), n
		case wire == stored.WireVarint && number != 1 && number != 5:
			v, ok := c.Varint()
			if !ok {
				return kv, broken, faultOf(c.Err)
			}
			kv.bare = kv.bare && v == 0
			switch number {
			case 2:
				kv.create = int64(v)
			case 3:
				kv.mod = int64(v)
			case 4:
				kv.version = int64(v)
			}
		default:
			return kv, broken, nil
		}
	}
	if len(kv.key) == 0 {
		return kv, "the row has no key", nil
	}
	return kv, "", nil
}

// commonLead holds the fields before the value of most rows, bytes.
const commonLead = 256

// commonKeyValue reads a row as etcd's marshaller writes most: key, create_revision,
// mod_revision, version, value, each once and in this order, and nothing after them. It
// is several times as fast as the general way, which takes every other row.
func commonKeyValue(s stored.Span, lead, keyBuf []byte) (kv keyValue, ok bool) {
	if len(lead) < 2 || lead[0] != 1<<3|stored.WireBytes || lead[1] == 0 || lead[1] > 0x7f {
		return kv, false
	}
	at := 2 + int(lead[1])
	if at >= len(lead) {
		return kv, false
	}
	key := lead[2:at]
	for field, into := range [...]*int64{&kv.create, &kv.mod, &kv.version} {
		if at >= len(lead) || lead[at] != byte(field+2)<<3|stored.WireVarint {
			return kv, false
		}
		v, n := binary.Uvarint(lead[at+1:])
		if n <= 0 || n > 1 && lead[at+n] == 0 {
			return kv, false
		}
		*into = int64(v)
		at += 1 + n
	}
	if at >= len(lead) || lead[at] != 5<<3|stored.WireBytes {
		return kv, false
	}
	size, n := binary.Uvarint(lead[at+1:])
	if at += 1 + n; n <= 0 || n > 1 && lead[at-1] == 0 || size == 0 || size != uint64(s.Size-at) {
		return kv, false
	}
	kv.key, kv.keySize = append(keyBuf, key...), len(key)
	kv.value = s.Part(at, s.Size-at)
	return kv, true
}

// consistent compares a row that is not a tombstone with its revision.
func (kv *keyValue) consistent(r revision) string {
	switch {
	case kv.mod != r.main:
		return "its mod_revision is not the row's revision"
	case kv.create <= 0 || kv.create > kv.mod || kv.version <= 0:
		return "its create_revision or version is impossible"
	case (kv.version == 1) != (kv.create == kv.mod):
		return "its version does not fit its create_revision"
	}
	return ""
}
