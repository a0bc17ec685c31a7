package credential

import (
	"bytes"
	"math"
	"slices"
)

const (
	// minRandom is the least length of a random value, minEntropy its least entropy in
	// bits for each byte. 32 hexadecimal digits have 3.6 on average, and one in ten has
	// less than 3.5.
	minRandom     = 16
	minEntropy    = 3.5
	minHexEntropy = 3.1
	// minPassword is the least length of a password that somebody made up, of three of
	// the classes lower case, upper case, digits and others.
	minPassword = 8
	// minOdd is how many bytes of a value must be in parts that are no words: names of
	// resources end in a few random letters.
	minOdd = 11
	// minOddPassword is minOdd for a password that somebody made up.
	minOddPassword = 6
)

// looksRandom reports whether the value of a telling name can be a credential. It is a
// guess: names of resources, paths, URLs, templates, digests and words are none.
func looksRandom(value []byte, kind telling, quoted bool) bool {
	value = bytes.TrimRight(value, "\r\n")
	if len(value) < minPassword {
		return false
	}
	// What decides most names and values for the least time comes first.
	if len(value) < minRandom && (kind != tellsPassword || kinds(value) < 3) {
		return false
	}
	odd := oddLength(value)
	if odd < minOdd && (kind != tellsPassword || odd < minOddPassword) || placeholder(value) || structured(value) {
		return false
	}
	for _, b := range value {
		if b <= ' ' || b >= 0x7f {
			return false // sentences; binary data
		}
	}
	if !quoted && (bytes.ContainsAny(value, "([{<") || value[0] == '*' || value[0] == '&') {
		return false // an expression, an alias of YAML
	}
	if bytes.Contains(value, []byte("()")) || bytes.Contains(value, []byte("](")) {
		return false
	}
	if kind == tellsPassword && odd >= minOddPassword && kinds(value) >= 3 && entropy(value) >= 2.5 {
		return true
	}
	least := minEntropy
	if len(value) >= 2*minRandom && all(value, hexClass) {
		least = minHexEntropy
	}
	return len(value) >= minRandom && odd >= minOdd && entropy(value) >= least && !counts(value)
}

// entropy is Shannon's, in bits for each byte.
func entropy(text []byte) float64 {
	if len(text) == 0 {
		return 0
	}
	var count [256]int
	for _, b := range text {
		count[b]++
	}
	sum := 0.0
	for _, n := range count[slices.Min(text) : int(slices.Max(text))+1] {
		if n > 0 {
			p := float64(n) / float64(len(text))
			sum -= p * math.Log2(p)
		}
	}
	return sum
}

// kinds counts the classes of bytes: lower case, upper case, digits, others.
func kinds(value []byte) int {
	var seen [4]bool
	for _, b := range value {
		switch {
		case is(b, lowerClass):
			seen[0] = true
		case is(b, upperClass):
			seen[1] = true
		case is(b, digitClass):
			seen[2] = true
		default:
			seen[3] = true
		}
	}
	n := 0
	for _, s := range seen {
		if s {
			n++
		}
	}
	return n
}

// placeholder reports what stands for a value: variables, templates, references to
// stores, stars, and words.
func placeholder(value []byte) bool {
	for _, mark := range []string{"${", "$(", "{{", "}}", "<%", "%>", "%(", "#{", "@@", "***", "...", "xxxx", "XXXX", "----", "____", "????", "####", "0000000000"} {
		if bytes.Contains(value, []byte(mark)) {
			return true
		}
	}
	if len(value) == 0 {
		return true
	}
	switch value[0] {
	case '$': // a variable, or a hash of crypt(5)
		return true
	case '<', '{', '[':
		switch value[len(value)-1] {
		case '>', '}', ']':
			return true
		}
	case '%':
		return len(value) > 2 && value[len(value)-1] == '%' || len(value) == 2
	case '_':
		return len(value) > 2 && value[len(value)-1] == '_'
	case '!':
		return anyOf(value, "!vault", "!secret", "!reference")
	}
	for _, prefix := range []string{
		"vault:", "ref+", "op://", "arn:", "secret:", "secretref:", "keyvault:", "ssm:", "sm://", "awssm:", "gcp:", "azurekeyvault:", "env:", "file:", "enc[", "enc:",
		"{cipher}", "{sha", "{ssha", "{bcrypt}", "{pbkdf2}", "{argon2", "{crypt}", "{noop}", "ageb", "agaa",
		"kms:", "conjur:", "doppler:", "aws:kms:", "projects/", "secret/data/", "akv:", "k8s:", "@microsoft.keyvault",
	} {
		if len(value) >= len(prefix) && bytes.EqualFold(value[:len(prefix)], []byte(prefix)) {
			return true
		}
	}
	return saysExample(value)
}

// saysExample reports words by which authors mark what is no value.
func saysExample(value []byte) bool {
	var space [maxValue]byte
	lower := space[:0]
	for _, b := range value[:min(len(value), maxValue)] {
		if is(b, upperClass) {
			b += 'a' - 'A'
		}
		lower = append(lower, b)
	}
	for _, w := range []string{
		"example", "changeme", "change-me", "change_me", "changeit", "placeholder", "redacted", "dummy", "sample", "your-", "your_", "yourpass", "yoursecret", "yourtoken", "yourapi", "replace", "insert",
		"todo", "fixme", "not-set", "notset", "not-a-", "not_a_", "notareal", "undefined", "fake", "abcdef", "123456789", "qwerty", "lorem", "goes-here", "goes_here", "mysecret", "my-secret", "my_secret", "mypassword", "my-password", "masked", "removed", "s3cr3t-from", "deadbeef", "foobar", "testtest",
	} {
		if bytes.Contains(lower, []byte(w)) {
			return true
		}
	}
	return false
}

// structured reports values of forms that are no secret: paths, URLs, UUIDs, digests,
// dates, versions, addresses, public keys, media types.
func structured(value []byte) bool {
	for _, prefix := range []string{"/", "./", "../", "~/", "http:", "https:", "sha256:", "sha512:", "sha1:", "sha256-", "sha512-", "md5:", "AAAAB3Nza", "AAAAC3Nza", "AAAAE2Vj", "ssh-", "ecdsa-", "LS0tLS1CRUdJTiBDRVJU", "LS0tLS1CRUdJTiBQVUJM", "age1", "urn:", "data:", "base64:iVBOR", "iVBOR", "application/", "system:", "unix:"} {
		if bytes.HasPrefix(value, []byte(prefix)) {
			return true
		}
	}
	if len(value) > 16 && bytes.HasPrefix(value, []byte("MII")) &&
		(string(value[6:8]) == "CC" || string(value[4:10]) == "IjANBg") {
		return true // DER of a certificate, or of a public key (RFC 5280)
	}
	if bytes.Contains(value, []byte("://")) || len(value) > 2 && value[1] == ':' && (value[2] == '\\' || value[2] == '/') {
		return true
	}
	for _, suffix := range []string{".pem", ".key", ".crt", ".json", ".yaml", ".yml", ".txt", ".jks", ".p12", ".pfx", ".conf", ".env", ".local", ".svc", ".com", ".io", ".net", ".org", ".internal", ".py", ".js", ".go", ".ts"} {
		if bytes.HasSuffix(value, []byte(suffix)) {
			return true
		}
	}
	return isUUID(value) || isNumbers(value)
}

// isUUID reports 8-4-4-4-12 hexadecimal digits (RFC 9562).
func isUUID(value []byte) bool {
	if len(value) != 36 {
		return false
	}
	for i, b := range value {
		switch i {
		case 8, 13, 18, 23:
			if b != '-' {
				return false
			}
		default:
			if !is(b, hexClass) && (b < 'A' || b > 'F') {
				return false
			}
		}
	}
	return true
}

// isNumbers reports dates, times, IP addresses, versions: digits and separators with
// few letters.
func isNumbers(value []byte) bool {
	digits, letters := 0, 0
	for _, b := range value {
		switch {
		case is(b, digitClass):
			digits++
		case is(b, alnumClass):
			letters++
		case bytes.IndexByte([]byte(".:-+/_, "), b) < 0:
			return false
		}
	}
	return letters <= 2 && digits > letters
}

// oddLength counts the bytes in those parts of a value that are no words. Separators
// and humps of camel case divide parts.
func oddLength(value []byte) int {
	odd := 0
	for len(value) > 0 {
		n := 0
		for n < len(value) && bytes.IndexByte([]byte("-_./:@=,"), value[n]) < 0 {
			n++
		}
		if !isWords(value[:n]) {
			odd += n
		}
		value = value[min(len(value), n+1):]
	}
	return odd
}

// isWords reports a part of letters alone that can be words in camel case, perhaps with
// a few digits around them: they have vowels, and no long row of consonants.
func isWords(part []byte) bool {
	text := bytes.Trim(part, "0123456789")
	if len(part)-len(text) > 4 {
		return len(text) == 0 && len(part) <= 8 // a number, a date
	}
	if !all(text, lowerClass|upperClass) {
		return false
	}
	if len(text) <= 4 { // an abbreviation
		return all(text, lowerClass) || all(text, upperClass) || all(text[1:], lowerClass)
	}
	mixed := !all(text, lowerClass) && !all(text, upperClass)
	vowels, row, longest, humps := 0, 0, 0, 0
	for i, b := range text {
		if i > 0 && is(b, upperClass) && is(text[i-1], lowerClass) {
			humps++
		}
		switch b | 0x20 {
		case 'a', 'e', 'i', 'o', 'u', 'y':
			vowels++
			row = 0
		default:
			if row++; mixed && is(b, upperClass) {
				row = 0 // an acronym: PerRPCCredentials
			}
			longest = max(longest, row)
		}
	}
	few := len(text) <= 8 && vowels > 0 // string, slash
	return (few || 4*vowels >= len(text)) && longest <= 4 && 4*humps <= len(text)
}
