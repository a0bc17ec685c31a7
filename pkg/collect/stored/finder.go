package stored

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// Finder looks for Secrets in plaintext in bytes without structure: free pages,
// damaged logs, what a compressed file holds. It is an io.Writer; the bytes of
// consecutive calls are adjacent, until Break. It keeps at most 64 KiB of them
// and returns none.
//
// What counts as a Secret's value is what the API server stores for one, known
// by its start:
//   - protobuf: "k8s\0", the TypeMeta {v1, Secret} (see secretHead), and an ObjectMeta
//     with a name;
//   - JSON as encoding/json writes it: {"kind":"Secret","apiVersion":"v1","metadata":{
//   - either of them, cut short, right behind such a key as below;
//   - right behind a key PREFIX/secrets/NAMESPACE/NAME of etcd or kine: JSON in
//     another order, YAML that starts with "apiVersion: v1", and CBOR;
//   - CBOR without a key, if its kind lies at most 8 KiB behind its start.
//
// So a value counts once, even if the annotation of kubectl apply in it repeats
// the Secret as JSON. It counts where its start lies, even if later bytes of it
// have been overwritten, because bytes without structure do not show this. What
// is left of a value whose start is gone does not count: it looks like nothing.
// An encrypted value (k8s:enc:) has none of these starts.
//
// The Secret's name is the one in the value, or in the key right before it.
type Finder struct {
	// Skip, if set, leaves out a value: the caller knows it, for example as a row
	// that is still in use. The revision is 0 where the bytes do not tell it.
	Skip func(namespace, name string, revision int64) bool

	prefix string // with "/secrets/"; or only that
	known  bool   // the prefix was given
	buf    []byte
	keys   int // up to where in buf keys were looked for
	words  int // and the word Secret

	searched, start int // for the start of CBOR, and the last one; see cbor
	found           Found
}

const (
	// finderKept bounds the bytes that a Finder holds.
	finderKept = 64 << 10
	// finderBack is how far back from the word Secret a value's start and its key
	// can lie, and finderAhead how far the name can go on behind it: two names of
	// 253 bytes and a namespace of 63, with their tags.
	finderBack  = 8 << 10
	finderAhead = 1 << 10

	// keyDistance is how many bytes can lie between a key and its value: etcd's
	// row has four numbers there, kine's five.
	keyDistance = 56
	// keyLength bounds "/secrets/NAMESPACE/NAME".
	keyLength = 9 + 63 + 1 + 253
)

var (
	secretWord = []byte("Secret")
	secretDir  = []byte("/secrets/")
	jsonHead   = []byte(`{"kind":"Secret","apiVersion":"v1"`)
	yamlV1Head = []byte("apiVersion: v1\n")
)

// NewFinder makes a Finder for keys below a prefix ("/registry"); "" if it is not
// known.
func NewFinder(prefix string) *Finder {
	f := &Finder{prefix: string(secretDir), start: -1}
	if p := strings.TrimRight(prefix, "/"); p != "" {
		f.prefix, f.known = strings.TrimLeft(p, "/")+f.prefix, true
	}
	return f
}

// Write takes the next bytes. It never fails.
func (f *Finder) Write(p []byte) (int, error) {
	size := len(p)
	if f.buf == nil {
		f.buf = make([]byte, 0, finderKept)
	}
	for len(p) > 0 {
		n := copy(f.buf[len(f.buf):cap(f.buf)], p)
		f.buf = f.buf[:len(f.buf)+n]
		p = p[n:]
		if len(f.buf) < cap(f.buf) {
			break // wait for more
		}
		f.scan(len(f.buf) - finderAhead)
		from := len(f.buf) - finderAhead - finderBack
		f.buf = f.buf[:copy(f.buf, f.buf[from:])]
		f.keys -= from
		f.words -= from
		f.searched, f.start = max(0, f.searched-from), max(-1, f.start-from)
	}
	return size, nil
}

// Break says that the next bytes are from elsewhere.
func (f *Finder) Break() {
	f.scan(len(f.buf))
	f.buf, f.keys, f.words = f.buf[:0], 0, 0
	f.searched, f.start = 0, -1
}

// Add counts a value that the caller has found itself. Skip is not asked.
func (f *Finder) Add(namespace, name string, revision int64) { f.found.Add(namespace, name, revision) }

// Found returns what there was up to now. It implies Break.
func (f *Finder) Found() Found {
	f.Break()
	return f.found
}

// scan handles everything that starts before end.
func (f *Finder) scan(end int) {
	for f.words < end {
		i := bytes.Index(f.buf[f.words:min(end+len(secretWord)-1, len(f.buf))], secretWord)
		if i < 0 {
			f.words = end
			break
		}
		f.word(f.words + i)
		f.words += i + len(secretWord)
	}
	for f.keys < end {
		i := bytes.Index(f.buf[f.keys:min(end+len(secretDir)-1, len(f.buf))], secretDir)
		if i < 0 {
			f.keys = end
			break
		}
		f.key(f.keys + i)
		f.keys += i + len(secretDir)
	}
}

// word looks at the word Secret at a position.
func (f *Finder) word(at int) {
	before, after := f.buf[:at], f.buf[at:]
	switch {
	case bytes.HasSuffix(before, secretHead[:len(secretHead)-len(secretWord)]):
		ns, name, ok := protobufName(after[len(secretWord):])
		f.value(at+len(secretWord)-len(secretHead), ns, name, ok)
	case bytes.HasSuffix(before, []byte(`{"kind":"`)):
		if start := at - len(`{"kind":"`); bytes.HasPrefix(f.buf[start:], jsonHead) {
			rest := f.buf[start+len(jsonHead):]
			ns, name := jsonName(rest)
			f.value(start, ns, name, bytes.HasPrefix(rest, []byte(`,"metadata":{`)))
		}
	case bytes.HasSuffix(before, []byte("\x44kind\x46")), bytes.HasSuffix(before, []byte("\x64kind\x66")):
		f.cbor(at)
	}
}

// cbor looks for the start of the CBOR that has the word at a position. Each byte is
// searched once, and each start counts once.
func (f *Finder) cbor(at int) {
	if i := bytes.LastIndex(f.buf[f.searched:at], cborHead); i >= 0 {
		f.start = f.searched + i
	}
	f.searched = max(f.searched, at-len(cborHead)+1)
	start := f.start
	f.start = -1
	// There must be room for a key before it, which would have counted it.
	if start < 0 || at-start > finderBack-keyLength-keyDistance || !isCBOR(f.buf[start:]) {
		return
	}
	if _, _, _, ok := f.keyBefore(start); !ok {
		f.count("", "", 0)
	}
}

// value counts one that starts at a position. A start that goes on like no Secret, and
// has no key before it, is none: programs that handle Secrets have such words among their
// constants, this one's probe too, and ConfigMaps carry programs.
func (f *Finder) value(start int, ns, name string, goesOn bool) {
	keyNS, keyName, revision, ok := f.keyBefore(start)
	switch {
	case !goesOn && !ok:
		return
	case name == "":
		ns, name = keyNS, keyName
	case ns != keyNS || name != keyName:
		revision = 0
	}
	f.count(ns, name, revision)
}

func (f *Finder) count(ns, name string, revision int64) {
	if f.Skip != nil && f.Skip(ns, name, revision) {
		return
	}
	f.found.Add(ns, name, revision)
}

// keyBefore reads the key whose value starts at a position, and the row's
// revision if it is one of etcd's.
func (f *Finder) keyBefore(start int) (ns, name string, revision int64, ok bool) {
	from := max(0, start-keyLength-keyDistance)
	i := bytes.LastIndex(f.buf[from:start], secretDir)
	if i < 0 {
		return "", "", 0, false
	}
	ns, name, end, ok := f.parseKey(from+i, start)
	if !ok || start-end > keyDistance {
		return "", "", 0, false
	}
	return ns, name, modRevision(f.buf[end:start]), true
}

// parseKey reads the key that has "/secrets/" at a position. Its end is before
// limit.
func (f *Finder) parseKey(at, limit int) (ns, name string, end int, ok bool) {
	if p := len(f.prefix) - len(secretDir); f.known && (at < p || string(f.buf[at-p:at]) != f.prefix[:p]) {
		return "", "", 0, false
	}
	rest := f.buf[at+len(secretDir) : limit]
	n := nameBytes(rest, 63)
	if n >= len(rest) || rest[n] != '/' {
		return "", "", 0, false
	}
	m := nameBytes(rest[n+1:], 253)
	ns, name = string(rest[:n]), string(rest[n+1:n+1+m])
	return ns, name, at + len(secretDir) + n + 1 + m, validName(ns, 63) && !strings.Contains(ns, ".") && validName(name, 253)
}

// key looks at what follows the key that has "/secrets/" at a position, for
// forms that only the key shows to be a Secret's.
func (f *Finder) key(at int) {
	ns, name, end, ok := f.parseKey(at, len(f.buf))
	if !ok {
		return
	}
	for start := end; start < min(end+keyDistance, len(f.buf)); start++ {
		rest := f.buf[start:]
		switch rest[0] {
		case '/':
			if bytes.HasPrefix(rest, secretDir) {
				return // that key is nearer
			}
			continue
		case '{':
			if bytes.HasPrefix(rest, jsonHead) {
				return // word counts it
			}
			if !bytes.HasPrefix(rest, []byte(`{"apiVersion":"v1",`)) && !(f.known && knownField(rest)) {
				continue
			}
		case yamlHead[0]:
			if !bytes.HasPrefix(rest, yamlV1Head) {
				continue
			}
		case cborHead[0]:
			if !isCBOR(rest) || !f.known && bytes.ContainsRune(lastSegment(f.buf[:at]), '.') {
				continue // a custom resource has its group there
			}
		default:
			continue
		}
		f.count(ns, name, modRevision(f.buf[end:start]))
		return
	}
}

func isCBOR(b []byte) bool {
	return len(b) > len(cborHead) && bytes.HasPrefix(b, cborHead) && b[len(cborHead)]>>5 == 5
}

// knownField reports whether JSON starts with a field of a Secret.
func knownField(b []byte) bool {
	for _, field := range []string{"kind", "data", "metadata", "type", "immutable", "stringData"} {
		if bytes.HasPrefix(b, []byte(`{"`+field+`":`)) {
			return true
		}
	}
	return false
}

// lastSegment is what follows the last slash, at most 256 bytes of it.
func lastSegment(b []byte) []byte {
	b = b[max(0, len(b)-256):]
	return b[bytes.LastIndexByte(b, '/')+1:]
}

// modRevision reads what lies between key and value in a row of etcd:
// create_revision 2, mod_revision 3, version 4 and the value's length. It is 0
// if this is something else.
func modRevision(b []byte) (revision int64) {
	for _, tag := range []byte{2 << 3, 3 << 3, 4 << 3, 5<<3 | WireBytes} {
		if len(b) == 0 || b[0] != tag {
			return 0
		}
		v, n := binary.Uvarint(b[1:])
		if n <= 0 {
			return 0
		}
		b = b[1+n:]
		if tag == 3<<3 {
			revision = int64(v)
		}
	}
	if len(b) != 0 || revision < 0 {
		return 0
	}
	return revision
}

// protobufName reads what follows a Secret's TypeMeta: the length of raw, and of
// ObjectMeta in it, and there name 1, generateName 2 and namespace 3. They are
// empty where these are no names. ok reports whether the bytes go on like this up to
// the end of the name.
func protobufName(b []byte) (ns, name string, ok bool) {
	enter := func(number byte) (size uint64, ok bool) {
		if len(b) == 0 || b[0] != number<<3|WireBytes {
			return 0, false
		}
		size, n := binary.Uvarint(b[1:])
		if n <= 0 {
			return 0, false
		}
		b = b[1+n:]
		return size, true
	}
	text := func(number byte) (string, bool) {
		n, ok := enter(number)
		if !ok || n > uint64(min(len(b), 253)) {
			return "", false
		}
		s := string(b[:n])
		b = b[n:]
		return s, true
	}
	if _, ok := enter(2); !ok {
		return "", "", false
	}
	if _, ok := enter(1); !ok {
		return "", "", false
	}
	if name, ok = text(1); !ok {
		return "", "", false
	}
	text(2)
	if ns, ok = text(3); !ok || !validName(name, 253) || !validName(ns, 63) {
		return "", "", true
	}
	return ns, name, true
}

// jsonName reads the same from JSON as encoding/json writes it.
func jsonName(b []byte) (ns, name string) {
	text := func(head string) (string, bool) {
		rest, ok := bytes.CutPrefix(b, []byte(head))
		if !ok {
			return "", false
		}
		n := nameBytes(rest, 253)
		if n >= len(rest) || rest[n] != '"' {
			return "", false
		}
		b = rest[n+1:]
		return string(rest[:n]), true
	}
	name, ok := text(`,"metadata":{"name":"`)
	if !ok || !validName(name, 253) {
		return "", ""
	}
	text(`,"generateName":"`)
	if ns, ok = text(`,"namespace":"`); !ok || !validName(ns, 63) {
		return "", ""
	}
	return ns, name
}

// HoldsData reports whether the start of a value whose end is gone can hold any data of
// its Secret: in its own place, or repeated in the annotation of kubectl apply. Of a value
// that does not start like protobuf it assumes so.
func HoldsData(value []byte) bool {
	rest, ok := bytes.CutPrefix(value, secretHead)
	if !ok {
		return len(value) > 0 && !bytes.HasPrefix(secretHead, value)
	}
	for _, number := range []byte{2, 1} { // raw, and ObjectMeta in it
		if len(rest) < 2 {
			return false
		}
		size, n := binary.Uvarint(rest[1:])
		if rest[0] != number<<3|WireBytes || n < 0 {
			return true
		}
		if n == 0 {
			return false
		}
		if rest = rest[1+n:]; number == 1 && size < uint64(len(rest)) {
			return true
		}
	}
	return bytes.Contains(rest, []byte("last-applied-configuration"))
}

// nameBytes counts the bytes at the start that a name can have.
func nameBytes(b []byte, limit int) int {
	n := 0
	for n < min(len(b), limit) && (b[n] >= 'a' && b[n] <= 'z' || b[n] >= '0' && b[n] <= '9' || b[n] == '-' || b[n] == '.') {
		n++
	}
	return n
}

// validName reports whether s can be the name of an object: letters, digits,
// '-' and '.', and a letter or digit at both ends.
func validName(s string, limit int) bool {
	return s != "" && len(s) <= limit && nameBytes([]byte(s), limit) == len(s) &&
		!strings.ContainsAny(s[:1]+s[len(s)-1:], "-.")
}

// Found counts Secrets' values in plaintext. Its fields are as in fact.Remains.
// The zero Found is empty.
type Found struct {
	Values, Unnamed int
	// Secrets are those with the first names, sorted, at most
	// fact.MaxRemainingSecrets. SecretsTotal counts all names, up to a bound of
	// MaxFoundNames.
	Secrets      []fact.RemainingSecret
	SecretsTotal int

	seen map[uint64]struct{} // hashes of all names
}

// MaxFoundNames bounds how many names are told apart.
const MaxFoundNames = 200_000

var foundSeed = maphash.MakeSeed()

// Add counts a value; the name is "" if the bytes do not tell it. A revision of 0
// is unknown.
func (f *Found) Add(namespace, name string, revision int64) {
	f.Values++
	if name == "" {
		f.Unnamed++
		return
	}
	if f.seen == nil {
		f.seen = map[uint64]struct{}{}
	}
	if len(f.seen) < MaxFoundNames {
		f.seen[maphash.String(foundSeed, namespace+"/"+name)] = struct{}{}
	}
	f.SecretsTotal = len(f.seen)
	f.insert(fact.RemainingSecret{Namespace: namespace, Name: name, Values: 1, Revision: revision})
}

// insert keeps the first names. Their counts are exact: a name that is dropped
// is behind a full list, and stays behind it.
func (f *Found) insert(s fact.RemainingSecret) {
	at, known := slices.BinarySearchFunc(f.Secrets, s, func(a, b fact.RemainingSecret) int {
		if c := strings.Compare(a.Namespace, b.Namespace); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	if known {
		f.Secrets[at].Values += s.Values
		f.Secrets[at].Revision = max(f.Secrets[at].Revision, s.Revision)
		return
	}
	if at == fact.MaxRemainingSecrets {
		return
	}
	if len(f.Secrets) == fact.MaxRemainingSecrets {
		f.Secrets = f.Secrets[:len(f.Secrets)-1]
	}
	// Names from a large buffer would keep it.
	s.Namespace, s.Name = strings.Clone(s.Namespace), strings.Clone(s.Name)
	f.Secrets = slices.Insert(f.Secrets, at, s)
}

// Merge adds what another has found.
func (f *Found) Merge(g Found) {
	f.Values += g.Values
	f.Unnamed += g.Unnamed
	if f.seen == nil && len(g.seen) > 0 {
		f.seen = map[uint64]struct{}{}
	}
	for h := range g.seen {
		if len(f.seen) >= MaxFoundNames {
			break
		}
		f.seen[h] = struct{}{}
	}
	f.SecretsTotal = len(f.seen)
	for _, s := range g.Secrets {
		f.insert(s)
	}
}
