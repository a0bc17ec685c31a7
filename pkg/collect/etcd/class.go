package etcd

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// KeyNames are the names of configured encryption keys by provider type as
// EncryptionProvider.Type has it: aescbc, aesgcm, secretbox, kms. A name may
// hold colons, so only a configuration can tell where it ends.
type KeyNames map[string][]string

// NamesIn collects the key names of a configuration.
func NamesIn(entries []fact.EncryptionEntry) KeyNames {
	names := KeyNames{}
	for _, e := range entries {
		for _, p := range e.Providers {
			add := p.Keys
			if p.Type == "kms" {
				add = []string{p.Name}
			}
			for _, name := range add {
				if name != "" && !slices.Contains(names[p.Type], name) {
					names[p.Type] = append(names[p.Type], name)
				}
			}
		}
	}
	return names
}

// stored is what the first bytes of a value say.
type stored struct {
	class    fact.StorageClass
	provider string // the envelope prefix
	guessed  bool   // the key's name ends at the first colon for want of a configuration
	// problem is a contradiction between value and key.
	problem string
}

// envelopes are the words behind "k8s:enc:" that the API server writes
// (k8s.io/apiserver, pkg/server/options/encryptionconfig/config.go).
var envelopes = []struct {
	word, provider string
	class          fact.StorageClass
	fits           func(span) (bool, *fault)
}{
	{"aescbc:v1:", "aescbc", fact.ClassAESCBC, fitsAESCBC},
	{"aesgcm:v1:", "aesgcm", fact.ClassAESGCM, atLeast(28)},          // nonce 12, tag 16
	{"secretbox:v1:", "secretbox", fact.ClassSecretbox, atLeast(40)}, // nonce 24, tag 16
	{"kms:v1:", "kms", fact.ClassKMSv1, fitsKMSv1},
	{"kms:v2:", "kms", fact.ClassKMSv2, fitsKMSv2},
}

const envelopeHead = "k8s:enc:"

// classify tells how a Secret is stored from the start of the value, and holds
// the name inside a plaintext value against the key's. It looks at no byte of
// the Secret's data and returns none of the value's, except the envelope
// prefix that the API server itself puts in front.
func classify(value span, namespace, name string, names KeyNames) (stored, *fault) {
	if value.size == 0 {
		return stored{class: fact.ClassEmpty}, nil
	}
	lead, f := value.lead(leadSize)
	if f != nil {
		return stored{}, f
	}
	switch {
	case bytes.HasPrefix(lead, []byte(envelopeHead)):
		return classifyEnvelope(value, lead, names)
	case bytes.HasPrefix(lead, protobufHead):
		return classifyProtobuf(value, namespace, name)
	case lead[0] == '{':
		return classifyJSON(lead, namespace, name), nil
	case len(lead) > 3 && bytes.HasPrefix(lead, []byte{0xD9, 0xD9, 0xF7}) && lead[3]>>5 == 5:
		return stored{class: fact.ClassIdentityCBOR}, nil // self-described CBOR, then a map (RFC 8949)
	}
	return stored{class: fact.ClassUnknown}, nil
}

func classifyEnvelope(value span, lead []byte, names KeyNames) (stored, *fault) {
	unknown := stored{class: fact.ClassUnknownEncrypted}
	var kept [leadSize]byte // the lead is overwritten when a shape is looked at
	rest := append(kept[:0], lead[len(envelopeHead):]...)
	for _, e := range envelopes {
		if !bytes.HasPrefix(rest, []byte(e.word)) {
			continue
		}
		prefix := envelopeHead + e.word
		after := rest[len(e.word):]

		name := ""
		for _, n := range names[e.provider] {
			if len(n) > len(name) && len(after) > len(n) && after[len(n)] == ':' && string(after[:len(n)]) == n {
				name = n
			}
		}
		if name != "" {
			fits, f := e.fits(value.from(len(prefix) + len(name) + 1))
			if f != nil || !fits {
				return unknown, f
			}
			return stored{class: e.class, provider: prefix + name + ":"}, nil
		}

		// Without a configured name: up to the first colon. Where that does
		// not fit, the name itself may hold colons; then the shape behind one
		// of the next tells the class, but the name stays cut at the first:
		// what follows might be payload.
		first := -1
		for at := 0; at < min(len(after), maxGuessedName); at++ {
			if first >= 0 && (after[at] < 0x20 || after[at] > 0x7e) {
				break
			}
			if after[at] != ':' {
				continue
			}
			if first < 0 {
				first = at
			}
			fits, f := e.fits(value.from(len(prefix) + at + 1))
			if f != nil {
				return unknown, f
			}
			if !fits {
				if e.word == "kms:v2:" { // whose names hold no colon
					break
				}
				continue
			}
			s := stored{class: e.class, provider: prefix, guessed: true}
			if first > 0 && plainName(after[:first]) {
				s.provider += string(after[:first]) + ":"
			}
			return s, nil
		}
		return unknown, nil
	}
	return unknown, nil
}

// maxGuessedName bounds a key name that no configuration has, bytes.
const maxGuessedName = 256

// plainName tells whether a guessed name is made of characters that people
// use in names. Payload bytes hardly ever are.
func plainName(b []byte) bool {
	for _, c := range b {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-' || c == '/') {
			return false
		}
	}
	return true
}

// from is the span behind the first n bytes.
func (s span) from(n int) span {
	n = min(n, s.size)
	return span{s.r, s.off + n, s.size - n}
}

// fitsAESCBC: an IV of 16 bytes and at least one block.
func fitsAESCBC(s span) (bool, *fault) { return s.size >= 32 && s.size%16 == 0, nil }

func atLeast(n int) func(span) (bool, *fault) {
	return func(s span) (bool, *fault) { return s.size >= n, nil }
}

// fitsKMSv1: the wrapped key with its length as big-endian u16, then AES-GCM or,
// written before 1.25, AES-CBC.
func fitsKMSv1(s span) (bool, *fault) {
	b, f := s.lead(2)
	if f != nil || len(b) < 2 {
		return false, f
	}
	wrapped := int(binary.BigEndian.Uint16(b))
	return wrapped > 0 && s.size-2-wrapped >= 28, nil
}

// fitsKMSv2: EncryptedObject {encryptedData 1, keyID 2, encryptedDEKSource 3,
// annotations 4 (repeated), encryptedDEKSourceType 5}. The key id stands behind
// the ciphertext.
func fitsKMSv2(s span) (bool, *fault) {
	c := scanner{s: s}
	var size [5]int
	source := uint64(0)
	for c.left() > 0 {
		number, wire, ok := c.tag()
		if !ok || number > 5 {
			return false, c.f
		}
		if number == 5 {
			if source, ok = c.varint(); !ok || wire != wireVarint || source != 1 {
				return false, c.f // 0 is not written, others are not known
			}
			continue
		}
		if wire != wireBytes || number < 4 && size[number] > 0 {
			return false, nil
		}
		n, ok := c.length()
		if !ok || n == 0 || !c.skip(n) {
			return false, c.f
		}
		size[number] += n
	}
	data := 28 // nonce 12, tag 16
	if source == 1 {
		data += 32 // the info of the extended nonce
	}
	return size[1] >= data && size[2] > 0 && size[2] <= 1024 && size[3] > 0 && size[3] <= 1024, nil
}

var (
	protobufHead = []byte("k8s\x00")
	// secretHead is runtime.Unknown's TypeMeta of a Secret.
	secretHead = []byte("k8s\x00\x0a\x0c\x0a\x02v1\x12\x06Secret")
)

// classifyProtobuf reads runtime.Unknown {typeMeta 1, raw 2, contentEncoding 3,
// contentType 4} and in raw, a Secret, only ObjectMeta's name 1 and namespace 3.
func classifyProtobuf(value span, namespace, name string) (stored, *fault) {
	wrong := func(problem string) stored { return stored{class: fact.ClassUnknown, problem: problem} }
	const broken = "its value starts like protobuf and does not go on so"
	c := scanner{s: value}
	if head := c.take(len(secretHead)); c.f != nil || !bytes.Equal(head, secretHead) {
		return wrong("its value is protobuf and not a Secret of v1"), c.f
	}
	if number, wire, ok := c.tag(); !ok || number != 2 || wire != wireBytes {
		return wrong(broken), c.f
	}
	rawLen, ok := c.length()
	if !ok {
		return wrong(broken), c.f
	}
	rawEnd := c.off + rawLen
	if number, wire, ok := c.tag(); !ok || number != 1 || wire != wireBytes {
		return wrong(broken), c.f
	}
	metaLen, ok := c.length()
	if !ok || c.off+metaLen > rawEnd {
		return wrong(broken), c.f
	}
	metaEnd := c.off + metaLen
	var got [4]string
	for last := 0; c.off < metaEnd && last < 3; {
		number, wire, ok := c.tag()
		if !ok || wire != wireBytes || number <= last {
			return wrong(broken), c.f
		}
		last = number
		n, ok := c.length()
		if !ok || c.off+n > metaEnd {
			return wrong(broken), c.f
		}
		if number > 3 {
			break
		}
		if number == 2 || n > 253 { // generateName
			c.skip(n)
			continue
		}
		b := c.take(n)
		if c.f != nil {
			return wrong(broken), c.f
		}
		got[number] = string(b)
	}
	if got[1] != name || got[3] != namespace {
		return wrong("the name in its value is not the one in its key"), nil
	}
	c.off = rawEnd
	for last := 2; c.left() > 0; {
		number, wire, ok := c.tag()
		if !ok || wire != wireBytes || number <= last || number > 4 {
			return wrong(broken), c.f
		}
		last = number
		n, ok := c.length()
		if !ok || !c.skip(n) {
			return wrong(broken), c.f
		}
	}
	return stored{class: fact.ClassIdentityProtobuf}, nil
}

// classifyJSON wants the kind in the first bytes, where encoding/json puts it,
// for a single brace is one flipped bit away from the k of "k8s:enc:".
func classifyJSON(lead []byte, namespace, name string) stored {
	text := string(lead)
	if !strings.HasPrefix(text, `{"`) || !strings.Contains(text, `"kind":"Secret"`) {
		return stored{class: fact.ClassUnknown}
	}
	// encoding/json writes metadata in this order, so where it starts like
	// this the names can be compared.
	const metadata = `"metadata":{"name":"`
	if _, after, found := strings.Cut(text, metadata); found {
		full := `"namespace":"` + namespace + `"`
		rest, same := strings.CutPrefix(after, name+`"`)
		if !same || strings.HasPrefix(rest, `,"namespace":"`) && len(rest) > len(full) && !strings.HasPrefix(rest[1:], full) {
			return stored{class: fact.ClassUnknown, problem: "the name in its value is not the one in its key"}
		}
	}
	return stored{class: fact.ClassIdentityJSON}
}
