package stored

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// KeyNames are the names of configured encryption keys by provider type as
// EncryptionProvider.Type has it: aescbc, aesgcm, secretbox, kms. A name may
// hold colons, so only a configuration shows where it ends.
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

// Form is what a stored value says about itself.
type Form struct {
	Class    fact.StorageClass
	Provider string // the envelope prefix
	Guessed  bool   // without a configuration, the key's name ends at the first colon
	// Problem is a contradiction between value and key.
	Problem string
}

// envelopes are the words behind "k8s:enc:" that the API server writes
// (k8s.io/apiserver, pkg/server/options/encryptionconfig/config.go).
var envelopes = []struct {
	word, provider string
	class          fact.StorageClass
	fits           func(Span) (bool, error)
}{
	{"aescbc:v1:", "aescbc", fact.ClassAESCBC, fitsAESCBC},
	{"aesgcm:v1:", "aesgcm", fact.ClassAESGCM, atLeast(28)},          // nonce 12, tag 16
	{"secretbox:v1:", "secretbox", fact.ClassSecretbox, atLeast(40)}, // nonce 24, tag 16
	{"kms:v1:", "kms", fact.ClassKMSv1, fitsKMSv1},
	{"kms:v2:", "kms", fact.ClassKMSv2, fitsKMSv2},
}

const envelopeHead = "k8s:enc:"

// Classify says how a Secret is stored from the start of its value, and
// compares the name inside a plaintext value with the key's. It looks at no
// byte of the Secret's data and returns none of the value's, except the
// envelope prefix that the API server itself adds. Its errors are the Source's.
func Classify(value Span, namespace, name string, names KeyNames) (Form, error) {
	if value.Size == 0 {
		return Form{Class: fact.ClassEmpty}, nil
	}
	lead, err := value.Lead(leadSize)
	if err != nil {
		return Form{}, err
	}
	switch {
	case bytes.HasPrefix(lead, []byte(envelopeHead)):
		return classifyEnvelope(value, lead, names)
	case bytes.HasPrefix(lead, protobufHead):
		return classifyProtobuf(value, namespace, name)
	case lead[0] == '{':
		return classifyJSON(lead, namespace, name), nil
	case len(lead) > 3 && bytes.HasPrefix(lead, []byte{0xD9, 0xD9, 0xF7}) && lead[3]>>5 == 5:
		return Form{Class: fact.ClassIdentityCBOR}, nil // self-described CBOR, then a map (RFC 8949)
	}
	return Form{Class: fact.ClassUnknown}, nil
}

func classifyEnvelope(value Span, lead []byte, names KeyNames) (Form, error) {
	unknown := Form{Class: fact.ClassUnknownEncrypted}
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
			fits, err := e.fits(value.after(len(prefix) + len(name) + 1))
			if err != nil || !fits {
				return unknown, err
			}
			return Form{Class: e.class, Provider: prefix + name + ":"}, nil
		}

		// Without a configured name: up to the first colon. If that does not
		// fit, the name itself may hold colons. Then the shape after one of the
		// next colons shows the class, but the name stays cut at the first
		// colon, because what follows might be payload.
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
			fits, err := e.fits(value.after(len(prefix) + at + 1))
			if err != nil {
				return unknown, err
			}
			if !fits {
				if e.word == "kms:v2:" { // whose names hold no colon
					break
				}
				continue
			}
			s := Form{Class: e.class, Provider: prefix, Guessed: true}
			if first > 0 && plainName(after[:first]) {
				s.Provider += string(after[:first]) + ":"
			}
			return s, nil
		}
		return unknown, nil
	}
	return unknown, nil
}

// maxGuessedName bounds a key name that is in no configuration, bytes.
const maxGuessedName = 256

// plainName reports whether a guessed name is made of characters that people
// use in names. Payload bytes hardly ever are.
func plainName(b []byte) bool {
	for _, c := range b {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-' || c == '/') {
			return false
		}
	}
	return true
}

// fitsAESCBC: an IV of 16 bytes and at least one block.
func fitsAESCBC(s Span) (bool, error) { return s.Size >= 32 && s.Size%16 == 0, nil }

func atLeast(n int) func(Span) (bool, error) {
	return func(s Span) (bool, error) { return s.Size >= n, nil }
}

// fitsKMSv1: the wrapped key with its length as big-endian u16, then AES-GCM or,
// written before 1.25, AES-CBC.
func fitsKMSv1(s Span) (bool, error) {
	b, err := s.Lead(2)
	if err != nil || len(b) < 2 {
		return false, err
	}
	wrapped := int(binary.BigEndian.Uint16(b))
	return wrapped > 0 && s.Size-2-wrapped >= 28, nil
}

// fitsKMSv2: EncryptedObject {encryptedData 1, keyID 2, encryptedDEKSource 3,
// annotations 4 (repeated), encryptedDEKSourceType 5}. The key id comes after
// the ciphertext.
func fitsKMSv2(s Span) (bool, error) {
	c := Scanner{Span: s}
	var size [5]int
	source := uint64(0)
	for c.Left() > 0 {
		number, wire, ok := c.Tag()
		if !ok || number > 5 {
			return false, c.Err
		}
		if number == 5 {
			if source, ok = c.Varint(); !ok || wire != WireVarint || source != 1 {
				return false, c.Err // 0 is not written, others are not known
			}
			continue
		}
		if wire != WireBytes || number < 4 && size[number] > 0 {
			return false, nil
		}
		n, ok := c.Length()
		if !ok || n == 0 || !c.Skip(n) {
			return false, c.Err
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

// IsPlainSecret reports whether a value starts like a Secret in plaintext
// protobuf, whatever its key says.
func IsPlainSecret(value Span) (bool, error) {
	lead, err := value.Lead(len(secretHead))
	return bytes.Equal(lead, secretHead), err
}

// classifyProtobuf reads runtime.Unknown {typeMeta 1, raw 2, contentEncoding 3,
// contentType 4} and in raw, a Secret, only ObjectMeta's name 1 and namespace 3.
func classifyProtobuf(value Span, namespace, name string) (Form, error) {
	wrong := func(problem string) Form { return Form{Class: fact.ClassUnknown, Problem: problem} }
	const broken = "its value starts like protobuf, but does not continue like it"
	c := Scanner{Span: value}
	if head := c.Take(len(secretHead)); c.Err != nil || !bytes.Equal(head, secretHead) {
		return wrong("its value is protobuf, but not a Secret of v1"), c.Err
	}
	if number, wire, ok := c.Tag(); !ok || number != 2 || wire != WireBytes {
		return wrong(broken), c.Err
	}
	rawLen, ok := c.Length()
	if !ok {
		return wrong(broken), c.Err
	}
	rawEnd := c.Off + rawLen
	if number, wire, ok := c.Tag(); !ok || number != 1 || wire != WireBytes {
		return wrong(broken), c.Err
	}
	metaLen, ok := c.Length()
	if !ok || c.Off+metaLen > rawEnd {
		return wrong(broken), c.Err
	}
	metaEnd := c.Off + metaLen
	var got [4]string
	for last := 0; c.Off < metaEnd && last < 3; {
		number, wire, ok := c.Tag()
		if !ok || wire != WireBytes || number <= last {
			return wrong(broken), c.Err
		}
		last = number
		n, ok := c.Length()
		if !ok || c.Off+n > metaEnd {
			return wrong(broken), c.Err
		}
		if number > 3 {
			break
		}
		if number == 2 || n > 253 { // generateName
			c.Skip(n)
			continue
		}
		b := c.Take(n)
		if c.Err != nil {
			return wrong(broken), c.Err
		}
		got[number] = string(b)
	}
	if got[1] != name || got[3] != namespace {
		return wrong("the name in its value differs from the one in its key"), nil
	}
	c.Off = rawEnd
	for last := 2; c.Left() > 0; {
		number, wire, ok := c.Tag()
		if !ok || wire != WireBytes || number <= last || number > 4 {
			return wrong(broken), c.Err
		}
		last = number
		n, ok := c.Length()
		if !ok || !c.Skip(n) {
			return wrong(broken), c.Err
		}
	}
	return Form{Class: fact.ClassIdentityProtobuf}, nil
}

// classifyJSON requires the kind in the first bytes, where encoding/json puts
// it, because a single brace is one flipped bit away from the k of "k8s:enc:".
func classifyJSON(lead []byte, namespace, name string) Form {
	text := string(lead)
	if !strings.HasPrefix(text, `{"`) || !strings.Contains(text, `"kind":"Secret"`) {
		return Form{Class: fact.ClassUnknown}
	}
	// encoding/json writes metadata in this order, so where it starts like
	// this the names can be compared.
	const metadata = `"metadata":{"name":"`
	if _, after, found := strings.Cut(text, metadata); found {
		full := `"namespace":"` + namespace + `"`
		rest, same := strings.CutPrefix(after, name+`"`)
		if !same || strings.HasPrefix(rest, `,"namespace":"`) && len(rest) > len(full) && !strings.HasPrefix(rest[1:], full) {
			return Form{Class: fact.ClassUnknown, Problem: "the name in its value differs from the one in its key"}
		}
	}
	return Form{Class: fact.ClassIdentityJSON}
}
