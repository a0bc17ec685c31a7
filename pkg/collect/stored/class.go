package stored

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
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
	Provider string // the envelope prefix, see fact.StoredSecret.Provider
	// Guessed is true if no configuration names the key. Then a name without
	// colons, or of the form that k3s and RKE2 give rotated keys, is taken to be
	// the key's, and Cut stands for what is not shown of any other.
	Guessed bool
	KeyID   string // see fact.StoredSecret.KeyID
	// Problem is a contradiction between value and key.
	Problem string
}

// Cut ends a Provider whose key's name goes on, or cannot be shown.
const Cut = "…"

// envelopes are the words behind "k8s:enc:" that the API server writes
// (k8s.io/apiserver, pkg/server/options/encryptionconfig/config.go).
var envelopes = []struct {
	word, provider string
	class          fact.StorageClass
	fits           func(Span, *Form) (bool, error)
}{
	{"aescbc:v1:", "aescbc", fact.ClassAESCBC, fitsAESCBC},
	{"aesgcm:v1:", "aesgcm", fact.ClassAESGCM, atLeast(28)},          // nonce 12, tag 16
	{"secretbox:v1:", "secretbox", fact.ClassSecretbox, atLeast(40)}, // nonce 24, tag 16
	{"kms:v1:", "kms", fact.ClassKMSv1, fitsKMSv1},
	{"kms:v2:", "kms", fact.ClassKMSv2, fitsKMSv2},
}

const envelopeHead = "k8s:enc:"

// Classify says how a Secret is stored from the start of its value, and
// compares the name inside a plaintext value with the key's. It returns no byte
// of the value's, except the envelope prefix that the API server itself adds.
// Its errors are the Source's.
func Classify(value Span, namespace, name string, names KeyNames) (Form, error) {
	form, lead, err := classifyEnvelope(value, names)
	if err != nil || form.Class != "" {
		return form, err
	}
	o, err := readObject(value, lead)
	switch {
	case err != nil:
		return Form{}, err
	case o.class == "":
		return Form{Class: fact.ClassUnknown}, nil
	case o.problem != "":
		return Form{Class: fact.ClassUnknown, Problem: o.problem}, nil
	case o.apiVersion != "v1" || o.kind != "Secret":
		return Form{Class: fact.ClassUnknown, Problem: "its value is " + o.format() + ", but not a Secret of v1"}, nil
	case o.named && (o.name != name || o.namespace != namespace):
		return Form{Class: fact.ClassUnknown, Problem: "the name in its value differs from the one in its key"}, nil
	}
	return Form{Class: o.class}, nil
}

// ClassifyAny says how an object of any kind is stored. It does not compare a
// plaintext object with its key, and reads only its start.
func ClassifyAny(value Span, names KeyNames) (Form, error) {
	form, lead, err := classifyEnvelope(value, names)
	if err != nil || form.Class != "" {
		return form, err
	}
	return Form{Class: plaintextOf(lead)}, nil
}

// IsPlainSecret reports whether a value is a Secret in plaintext, whatever its
// key says. For most values that are none, it looks only at the first bytes.
func IsPlainSecret(value Span) (bool, error) {
	lead, err := value.Lead(len(secretHead))
	if err != nil || len(lead) == 0 {
		return false, err
	}
	switch lead[0] {
	case protobufHead[0]:
		return bytes.Equal(lead, secretHead), nil
	case '{', cborHead[0], yamlHead[0]:
	default:
		return false, nil
	}
	switch plaintextOf(lead) {
	case fact.ClassIdentityJSON:
		lead, err = value.Lead(len(jsonSecretHeads[0]))
		for _, head := range jsonSecretHeads {
			if string(lead) == head {
				return true, err
			}
		}
	case fact.ClassIdentityCBOR:
		o, err := readCBOR(value, true)
		return o.problem == "" && o.apiVersion == "v1" && o.kind == "Secret", err
	case fact.ClassIdentityYAML:
		if !bytes.HasPrefix(lead, []byte("apiVersion: v1\n")) {
			return false, nil
		}
		o, err := readYAML(value, true)
		return o.problem == "" && o.kind == "Secret", err
	}
	return false, err
}

// classifyEnvelope returns the form of an empty or encrypted value, or else no
// class and the first bytes of the value.
func classifyEnvelope(value Span, names KeyNames) (Form, []byte, error) {
	if value.Size == 0 {
		return Form{Class: fact.ClassEmpty}, nil, nil
	}
	lead, err := value.Lead(leadSize)
	if err != nil {
		return Form{}, nil, err
	}
	if !bytes.HasPrefix(lead, []byte(envelopeHead)) {
		return Form{}, lead, nil
	}
	unknown := Form{Class: fact.ClassUnknownEncrypted}
	var kept [leadSize]byte // the lead is overwritten when a shape is looked at
	rest := append(kept[:0], lead[len(envelopeHead):]...)
	for _, e := range envelopes {
		if !bytes.HasPrefix(rest, []byte(e.word)) {
			continue
		}
		prefix := envelopeHead + e.word
		after := rest[len(e.word):]
		form := Form{Class: e.class}

		name := ""
		for _, n := range names[e.provider] {
			if len(n) > len(name) && len(after) > len(n) && after[len(n)] == ':' && string(after[:len(n)]) == n {
				name = n
			}
		}
		if name != "" {
			fits, err := e.fits(value.after(len(prefix)+len(name)+1), &form)
			if err != nil || !fits {
				return unknown, nil, err
			}
			form.Provider = prefix + name + ":"
			return form, nil, nil
		}

		form.Guessed = true
		first := bytes.IndexByte(after[:min(len(after), maxGuessedName)], ':')
		if first < 0 {
			return unknown, nil, nil
		}
		plain := first > 0 && plainName(after[:first])
		if n := rotatedName(after, first); n > 0 && e.word != "kms:v2:" {
			first, plain = n, true
		}
		form.Provider = prefix + Cut
		if plain {
			form.Provider = prefix + string(after[:first]) + ":"
		}
		fits, err := e.fits(value.after(len(prefix)+first+1), &form)
		if err != nil {
			return unknown, nil, err
		}
		if fits {
			if e.word != "kms:v2:" && goesOn(after[first+1:]) {
				form.cut()
			}
			return form, nil, nil
		}
		if e.word == "kms:v2:" { // whose names hold no colon
			return unknown, nil, nil
		}
		// The name itself holds colons. The shape after one of the next shows
		// the class, but the name is cut at the first, because in a damaged
		// value what follows might be payload.
		for at := first + 1; at < min(len(after), maxGuessedName) && after[at] >= 0x20 && after[at] <= 0x7e; at++ {
			if after[at] != ':' {
				continue
			}
			fits, err := e.fits(value.after(len(prefix)+at+1), &form)
			if err != nil {
				return unknown, nil, err
			}
			if fits {
				form.cut()
				return form, nil, nil
			}
		}
		return unknown, nil, nil
	}
	return unknown, nil, nil
}

// cut marks a key's name as one that goes on.
func (f *Form) cut() {
	if !strings.HasSuffix(f.Provider, Cut) {
		f.Provider += Cut
	}
}

// maxGuessedName bounds a key name that is in no configuration, bytes.
const maxGuessedName = 256

// plainName reports whether a guessed name is made of characters that people
// use in names. Payload bytes hardly ever are.
func plainName(b []byte) bool {
	for _, c := range b {
		if !plainNameByte(c) {
			return false
		}
	}
	return true
}

func plainNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-' || c == '/'
}

// rotatedName returns the length of a name such as k3s and RKE2 give a key when
// they rotate: "aescbckey-" or "secretboxkey-" and the time (RFC 3339), which
// has colons: aescbckey-2026-03-09T09:46:54+01:00. first is its first colon. It
// returns 0 if b does not start with such a name and a colon after it. No
// payload looks like this.
func rotatedName(b []byte, first int) int {
	const date = "-0000-00-00T00"
	if first <= len(date) || !plainName(b[:first]) || !shaped(b[first-len(date):], date) {
		return 0
	}
	n := first
	if !shaped(b[n:], ":00:00") {
		return 0
	}
	n += len(":00:00")
	if shaped(b[n:], ".0") { // a fraction of a second
		for n++; n < len(b) && b[n] >= '0' && b[n] <= '9'; n++ {
		}
	}
	switch {
	case shaped(b[n:], "Z:"):
		return n + 1
	case shaped(b[n:], "+00:00:"), shaped(b[n:], "-00:00:"):
		return n + 6
	}
	return 0
}

// shaped reports whether b starts like a pattern in which 0 is any digit.
func shaped(b []byte, pattern string) bool {
	if len(b) < len(pattern) {
		return false
	}
	for i := range len(pattern) {
		if c := pattern[i]; c == '0' && (b[i] < '0' || b[i] > '9') || c != '0' && b[i] != c {
			return false
		}
	}
	return true
}

// goesOn reports whether a name may go on behind its first colon: at least 8
// characters of names and another colon follow. One payload in ten million
// looks like this.
func goesOn(after []byte) bool {
	n := 0
	for n < len(after) && plainNameByte(after[n]) {
		n++
	}
	return n >= 8 && n < len(after) && after[n] == ':'
}

// fitsAESCBC: an IV of 16 bytes and at least one block.
func fitsAESCBC(s Span, _ *Form) (bool, error) { return s.Size >= 32 && s.Size%16 == 0, nil }

func atLeast(n int) func(Span, *Form) (bool, error) {
	return func(s Span, _ *Form) (bool, error) { return s.Size >= n, nil }
}

// fitsKMSv1: the wrapped key with its length as big-endian u16, then AES-GCM or,
// written before 1.25, AES-CBC.
func fitsKMSv1(s Span, _ *Form) (bool, error) {
	b, err := s.Lead(2)
	if err != nil || len(b) < 2 {
		return false, err
	}
	wrapped := int(binary.BigEndian.Uint16(b))
	return wrapped > 0 && s.Size-2-wrapped >= 28, nil
}

// fitsKMSv2: EncryptedObject {encryptedData 1, keyID 2, encryptedDEKSource 3,
// annotations 4 (repeated), encryptedDEKSourceType 5}. The key id comes after
// the ciphertext. The API server's metrics have the same hash of it
// (apiserver_envelope_encryption_key_id_hash_total), whole.
func fitsKMSv2(s Span, form *Form) (bool, error) {
	c := Scanner{Span: s}
	var size [5]int
	source := uint64(0)
	keyID := ""
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
		if !ok || n == 0 || n > maxKeyID && (number == 2 || number == 3) {
			return false, c.Err
		}
		if number == 2 {
			id := c.Take(n)
			if c.Err != nil {
				return false, c.Err
			}
			sum := sha256.Sum256(id)
			keyID = hex.EncodeToString(sum[:keyIDHash])
		} else if !c.Skip(n) {
			return false, c.Err
		}
		size[number] += n
	}
	data := 28 // nonce 12, tag 16
	if source == 1 {
		data += 32 // the info of the extended nonce
	}
	form.KeyID = keyID
	return size[1] >= data && size[2] > 0 && size[3] > 0, nil
}

const (
	maxKeyID  = 1024 // the API server's limit for a key id and for a wrapped key, bytes
	keyIDHash = 8    // bytes of a key id's hash that are kept
)
