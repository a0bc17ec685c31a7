package storefile

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/etcd"
)

// Kind is what a file is, by its first bytes.
type Kind int

// The kinds. Unknown is binary data of no kind below: it can be a bbolt file whose
// first page is damaged (see etcd.IsDatabase).
const (
	Unknown Kind = iota
	BBolt        // a valid first meta page
	SQLite
	Gzip
	Zstd
	Zip
	Tar
	XZ
	Bzip2
	LZ4
	Age     // a file encrypted with age
	OpenPGP // an encrypted message
	PEM     // another file that begins with -----BEGIN
	Text
	Zeros // nothing but zeros, fewer than a page of bbolt has
	Empty
)

var kindNames = [...]string{
	Unknown: "a file of an unknown kind",
	BBolt:   "a bbolt file",
	SQLite:  "an SQLite database",
	Gzip:    "a gzip file",
	Zstd:    "a zstd file",
	Zip:     "a zip file",
	Tar:     "a tar archive",
	XZ:      "an xz file",
	Bzip2:   "a bzip2 file",
	LZ4:     "an lz4 file",
	Age:     "a file encrypted with age",
	OpenPGP: "a file encrypted with OpenPGP",
	PEM:     "a PEM or PGP file",
	Text:    "a text file",
	Zeros:   "a file of zero bytes",
	Empty:   "an empty file",
}

// String names the kind with its article: "a gzip file".
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return "kind " + strconv.Itoa(int(k))
	}
	return kindNames[k]
}

// Archive reports whether files of this kind hold other files, or are compressed in a
// way that Unpack does not know.
func (k Kind) Archive() bool {
	switch k {
	case Zip, Tar, XZ, Bzip2, LZ4:
		return true
	}
	return false
}

// Compressed reports whether Unpack unpacks files of this kind.
func (k Kind) Compressed() bool { return k == Gzip || k == Zstd }

// LeadSize is how many bytes of a file Recognise needs, or all if there are fewer: an
// OpenPGP packet with an encrypted key is longer than the head of all other kinds.
const LeadSize = 2048

// textSize is how much must be text, or zeros, to be called so.
const textSize = 512

var magics = []struct {
	kind  Kind
	magic string
}{
	{SQLite, "SQLite format 3\x00"},
	{Gzip, "\x1f\x8b"},
	{Zstd, "\x28\xb5\x2f\xfd"},
	{Zip, "PK\x03\x04"},
	{Zip, "PK\x05\x06"}, // an empty archive
	{XZ, "\xfd7zXZ\x00"},
	{Bzip2, "BZh"},
	{LZ4, "\x04\x22\x4d\x18"},
	{Age, "age-encryption.org/"},
	{Age, "-----BEGIN AGE ENCRYPTED FILE-----"},
	{OpenPGP, "-----BEGIN PGP MESSAGE-----"},
	{PEM, "-----BEGIN "},
}

// Recognise returns the kind of a file that begins with these bytes.
func Recognise(lead []byte) Kind {
	if len(lead) == 0 {
		return Empty
	}
	for _, m := range magics {
		if bytes.HasPrefix(lead, []byte(m.magic)) {
			return m.kind
		}
	}
	switch {
	case skippable(lead):
		return Zstd
	case etcd.ValidMeta(lead):
		return BBolt
	case isTar(lead):
		return Tar
	case isOpenPGP(lead):
		return OpenPGP
	}
	lead = lead[:min(len(lead), textSize)]
	text, zeros := true, true
	for rest := lead; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		if r == utf8.RuneError && n == 1 && len(rest) >= utf8.UTFMax || r < 0x20 && r != '\n' && r != '\r' && r != '\t' {
			text = false
		}
		zeros = zeros && r == 0
		rest = rest[n:]
	}
	switch {
	case text:
		return Text
	case zeros && len(lead) < textSize:
		return Zeros
	}
	return Unknown
}

// skippable reports whether a skippable frame of zstd begins here, as pzstd writes one
// in front of each of its frames (RFC 8878, 3.1.2).
func skippable(lead []byte) bool {
	return len(lead) >= 4 && lead[0]&0xf0 == 0x50 && string(lead[1:4]) == "\x2a\x4d\x18"
}

// isTar reports whether the first block is a header of a tar archive: the sum of its
// bytes, with spaces in the place of the sum itself, is written in it in octal.
func isTar(lead []byte) bool {
	if len(lead) < 512 || lead[0] == 0 {
		return false
	}
	sum := int64(8 * ' ')
	for i, c := range lead[:512] {
		if i < 148 || i >= 156 {
			sum += int64(c)
		}
	}
	want, err := strconv.ParseInt(string(bytes.Trim(lead[148:156], " \x00")), 8, 64)
	return err == nil && want == sum
}

// isOpenPGP reports whether a binary OpenPGP message that is encrypted begins here: a
// packet with an encrypted session key (RFC 9580, 4.2 and 5), followed by the tag of
// another packet that such a message can have.
func isOpenPGP(lead []byte) bool {
	tag, body, rest, ok := packet(lead)
	if !ok || len(body) < 2 {
		return false
	}
	switch version := body[0]; {
	case tag == 1 && version == 3: // a public key: 8 bytes of its id, then the algorithm
		if len(body) < 12 {
			return false
		}
		// The first number of the encrypted key, with its length in bits before it.
		number := 2 + (int(body[10])<<8|int(body[11])+7)/8
		switch body[9] {
		case 1, 2: // RSA has nothing else
			ok = len(body) == 10+number
		case 16, 18: // Elgamal, ECDH
			ok = len(body) > 10+number
		case 25, 26: // X25519, X448
			ok = len(body) > 10+32
		default:
			ok = false
		}
	case tag == 1 && version == 6: // the length of the fingerprint, the key's version
		ok = body[1] == 0 || len(body) > 33 && (body[1] == 21 && body[2] == 4 || body[1] == 33 && body[2] == 6)
	case tag == 3 && version == 4: // a passphrase: the cipher, how the key is made, the hash
		ok = len(body) >= 4 && cipher(body[1]) && (body[2] == 0 || body[2] == 1 && len(body) >= 12 || body[2] == 3 && len(body) >= 13) && hash(body[3]) ||
			len(body) >= 22 && cipher(body[1]) && body[2] == 4
	case tag == 3 && version == 5:
		ok = len(body) >= 13 && cipher(body[1]) && body[2] >= 1 && body[2] <= 3
	case tag == 3 && version == 6:
		ok = len(body) >= 13 && cipher(body[2]) && body[3] >= 1 && body[3] <= 3
	default:
		ok = false
	}
	if !ok {
		return false
	}
	if len(rest) == 0 {
		return false
	}
	next := rest[0]
	if next&0x80 == 0 {
		return false
	}
	number := next >> 2 & 0x0f
	if next&0x40 != 0 {
		number = next & 0x3f
	}
	switch number {
	case 1, 3, 9, 18, 20:
		return true
	}
	return false
}

// cipher and hash report whether a number is that of a cipher or a hash (RFC 9580, 9.3
// and 9.5).
func cipher(n byte) bool { return n >= 1 && n <= 13 }

func hash(n byte) bool { return n >= 1 && n <= 3 || n >= 8 && n <= 14 }

// packet splits an OpenPGP packet of a known length, which must lie in what there is.
func packet(b []byte) (tag byte, body, rest []byte, ok bool) {
	if len(b) < 3 || b[0]&0x80 == 0 {
		return 0, nil, nil, false
	}
	head, size := 2, 0
	if b[0]&0x40 != 0 {
		tag = b[0] & 0x3f
		switch n := int(b[1]); {
		case n < 192:
			size = n
		case n < 224:
			head, size = 3, (n-192)<<8+int(b[2])+192
		default:
			return 0, nil, nil, false
		}
	} else {
		tag = b[0] >> 2 & 0x0f
		switch b[0] & 3 {
		case 0:
			size = int(b[1])
		case 1:
			head, size = 3, int(b[1])<<8|int(b[2])
		default:
			return 0, nil, nil, false
		}
	}
	if size > len(b)-head {
		return 0, nil, nil, false
	}
	return tag, b[head : head+size], b[head+size:], true
}
