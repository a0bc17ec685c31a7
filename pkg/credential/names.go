package credential

import "bytes"

const (
	maxName  = 128 // bytes of a name that is looked at
	maxValue = 512 // of a value: more decides nothing
	maxWords = 16
)

// stems are how the words begin by which a name tells. In text, a name is looked for
// where one of them is.
var stems = []string{"pass", "pwd", "passwd", "secret", "token", "key", "cred", "auth"}

// telling is what a name says of its value.
type telling uint8

const (
	tellsNothing telling = iota
	tellsSecret
	// tellsPassword: people make passwords up, so they are shorter.
	tellsPassword
	tellsAWSSecret
	tellsAuthorization
)

// tells reads a name: password, DB_PASSWORD, clientSecret, "api-key". What counts is
// the last word, as in English: passwordFile is a file and tokenReviewURL a URL.
func tells(name []byte) telling {
	var lower [maxName]byte
	if len(name) > maxName {
		name = name[len(name)-maxName:]
	}
	var words [maxWords][]byte
	list := split(name, lower[:], words[:0])
	for _, w := range list {
		if anyOf(w, "public", "pub", "checksum", "hash", "hashed", "digest", "sha", "sha1", "sha256", "sha512", "md5", "fingerprint", "encrypted", "sealed", "ciphertext", "example", "kid") {
			return tellsNothing
		}
	}
	// Words at the end that say which of several, or in which form.
	for len(list) > 1 && (all(list[len(list)-1], digitClass) || anyOf(list[len(list)-1],
		"value", "val", "string", "str", "text", "plain", "plaintext", "raw", "b64", "base64", "base", "encoded", "literal", "data",
		"prod", "production", "dev", "staging", "stage", "test", "qa", "default", "current", "old", "new", "primary", "secondary", "main", "live",
		"v1", "v2")) {
		list = list[:len(list)-1]
	}
	if len(list) == 0 {
		return tellsNothing
	}
	last := bytes.TrimRight(list[len(list)-1], "0123456789")
	var before []byte
	if len(list) > 1 {
		before = list[len(list)-2]
	}
	has := func(word string) bool {
		for _, w := range list {
			if string(w) == word {
				return true
			}
		}
		return false
	}
	switch {
	case anyOf(last, "password", "passwords", "passwd", "passphrase", "pwd", "pass", "passcode", "passwort"),
		endsIn(last, "password", "passwd", "passphrase", "pwd"):
		return tellsPassword
	case anyOf(last, "secret", "secrets", "credential", "credentials", "cred", "creds"), endsIn(last, "secret", "credentials"):
		return tellsSecret
	case anyOf(last, "token", "tokens"), endsIn(last, "token"):
		if anyOf(before, "continue", "page", "next", "csrf", "xsrf", "cancel", "cancellation", "start", "end", "bos", "eos", "pad", "unk", "mask", "sync", "fencing", "special") {
			return tellsNothing
		}
		return tellsSecret
	case anyOf(last, "key", "keys"):
		if has("aws") && has("secret") || has("secret") && anyOf(before, "access") {
			return tellsAWSSecret
		}
		if anyOf(before, "api", "access", "secret", "private", "priv", "auth", "encryption", "encrypt", "signing", "sign", "account", "master", "shared", "ssh",
			"hmac", "jwt", "session", "cookie", "aes", "cipher", "crypto", "admin", "webhook", "app", "application", "consumer", "license", "storage", "integration", "deploy", "root", "data") {
			return tellsSecret
		}
	case endsIn(last, "apikey", "apikeys", "secretkey", "accesskey", "privatekey", "encryptionkey", "signingkey", "masterkey", "authkey", "sharedkey", "accountkey", "licensekey"):
		if endsIn(last, "secretaccesskey") || has("aws") && endsIn(last, "secretkey") {
			return tellsAWSSecret
		}
		return tellsSecret
	case string(last) == "auth" && len(name) >= 5 && name[0] == '_':
		return tellsSecret // of .npmrc
	case string(last) == "authorization":
		return tellsAuthorization
	}
	return tellsNothing
}

// split returns the words of a name, in lower case.
func split(name, lower []byte, words [][]byte) [][]byte {
	start := 0
	end := func(i int) {
		if i > start && len(words) < cap(words) {
			words = append(words, lower[start:i])
		}
		start = i
	}
	for i, b := range name {
		lower[i] = b
		switch {
		case is(b, upperClass):
			lower[i] = b - 'A' + 'a'
			small := i > 0 && is(name[i-1], lowerClass|digitClass)
			acronym := i > 0 && is(name[i-1], upperClass) && i+1 < len(name) && is(name[i+1], lowerClass) &&
				!(i+2 == len(name) && name[i+1] == 's') // APIKEYs
			if small || acronym {
				end(i)
			}
		case !is(b, lowerClass|digitClass):
			end(i)
			start = i + 1
		}
	}
	end(len(name))
	return words
}

func anyOf(word []byte, list ...string) bool {
	for _, w := range list {
		if string(word) == w {
			return true
		}
	}
	return false
}

// endsIn reports whether a word is a compound: dbpassword.
func endsIn(word []byte, list ...string) bool {
	for _, w := range list {
		if bytes.HasSuffix(word, []byte(w)) {
			return true
		}
	}
	return false
}

// assignment looks at a telling name around a place and at the value that follows: in
// YAML, JSON, TOML, XML, properties, shell, URLs, arguments and connection strings.
func (s *scan) assignment(at int) {
	if at < s.past || s.has(tellingRule) && s.has(awsSecretRule) && s.has(httpAuthRule) || !s.stemAt(at) {
		return
	}
	from := at - s.spanBack(at, nameClass, maxName/2)
	end := at + s.span(at, nameClass, maxName/2)
	s.past = end
	if from >= 1 && s.text[from-1] == '\\' && (s.text[from] == 'n' || s.text[from] == 't' || s.text[from] == 'r') {
		from++ // an escape of JSON
	}
	name := s.text[from:end]
	if i := bytes.LastIndexByte(name, '/'); i >= 0 && !bytes.HasPrefix(name, []byte("checksum")) {
		name = name[i+1:]
	}
	kind := tells(name)
	if kind == tellsNothing {
		return
	}
	at = s.valueAfter(from, end)
	if at < 0 {
		return
	}
	value, quoted := s.word(at)
	if kind == tellsAuthorization {
		s.authorization(value, at)
		return
	}
	s.judge(name, value, quoted)
}

// stemAt reports whether a telling word begins at a place.
func (s *scan) stemAt(at int) bool {
	for _, stem := range stems {
		if len(s.text)-at >= len(stem) && bytes.EqualFold(s.text[at:at+len(stem)], []byte(stem)) {
			return true
		}
	}
	return false
}

// valueAfter finds where the value of a name begins, with its quote; -1 if there is
// none.
func (s *scan) valueAfter(from, end int) int {
	const far = 64 // spaces that are skipped
	i := end
	skip := func(set string) {
		for n := 0; n < far && i < len(s.text) && bytes.IndexByte([]byte(set), s.text[i]) >= 0; n++ {
			i++
		}
	}
	i0 := i
	skip("\\\"'`]")
	closed := i > i0
	gap := i
	skip(" \t")
	spaced := i > gap
	if i >= len(s.text) {
		return -1
	}
	switch b := s.text[i]; {
	case b == ':' || b == '=':
		i++
		skip(":=>") // := => ==
	case b == '>' && from > 0 && s.text[from-1] == '<': // <password>value</password>
		return i + 1
	case b == ',' && closed && s.quoteAt(i+1): // define('DB_PASSWORD', 'value')
		i++
	case spaced && !closed && from >= 2 && s.text[from-1] == '-' || spaced && s.text[from] == '-': // --password value
	default:
		// The name is a value itself: "name: DB_PASSWORD" and "value: ..." after it.
		skip(" \t\r\n,\"'-\\")
		if s.hasAt(i, `n`) && s.hasAt(i-1, `\n`) {
			i++
			skip(" ")
		}
		if !s.hasAt(i, "value") && !s.hasAt(i, "Value") {
			return -1
		}
		i += len("value")
		skip("\\\"' \t")
		if i >= len(s.text) || s.text[i] != ':' && s.text[i] != '=' {
			return -1
		}
		i++
	}
	skip(" \t")
	if i < len(s.text) && (s.text[i] == '|' || s.text[i] == '>') { // a block of YAML
		i++
		skip("+-0123456789")
		if s.hasAt(i, "\n") || s.hasAt(i, "\r\n") {
			skip(" \t\r\n")
		}
	}
	return i
}

// quoteAt reports whether a quote follows spaces.
func (s *scan) quoteAt(i int) bool {
	for n := 0; n < 8 && i < len(s.text) && s.text[i] == ' '; n++ {
		i++
	}
	return i < len(s.text) && (s.text[i] == '\'' || s.text[i] == '"')
}

// word returns the value at a place: what is in quotes, or what ends at a space or a
// separator.
func (s *scan) word(i int) (value []byte, quoted bool) {
	for n := 0; n < 3 && i < len(s.text) && s.text[i] == '\\'; n++ {
		i++
	}
	if i >= len(s.text) {
		return nil, false
	}
	if q := s.text[i]; q == '"' || q == '\'' || q == '`' {
		i++
		for k := i; k < len(s.text) && k-i < maxValue; k++ {
			switch s.text[k] {
			case q:
				return bytes.TrimRight(s.text[i:k], "\\"), true
			case '\n':
				return nil, false
			}
		}
		return s.text[i:min(len(s.text), i+maxValue)], true
	}
	k, xml := i, i > 0 && s.text[i-1] == '>'
scan:
	for k < len(s.text) && k-i < maxValue {
		switch b := s.text[k]; b {
		case ' ', '\t', '\r', '\n', '"', '\'', '`', ';', '\\', 0:
			break scan
		case '<':
			if xml {
				return s.text[i:k], true
			}
		case '&', ',':
			if s.startsPair(k + 1) {
				break scan
			}
		}
		k++
	}
	return bytes.TrimRight(s.text[i:k], ",)]}"), false
}

// startsPair reports whether name= or name: follows, or the end of a word.
func (s *scan) startsPair(at int) bool {
	if at >= len(s.text) || s.text[at] <= ' ' || s.text[at] == '"' || s.text[at] == '\'' {
		return true
	}
	n := s.span(at, nameClass, 40)
	return n > 0 && at+n < len(s.text) && (s.text[at+n] == '=' || s.text[at+n] == ':')
}

// authorization looks at the value of an HTTP Authorization header, which begins at a
// place.
func (s *scan) authorization(value []byte, at int) {
	scheme, rest, quoted := bytes.Cut(value, []byte(" "))
	if !quoted { // the value ended at the space after the scheme
		if at += len(value); at >= len(s.text) || s.text[at] != ' ' {
			return
		}
		rest, _ = s.word(at + 1)
	}
	switch {
	case bytes.EqualFold(scheme, []byte("basic")):
		if isLogin(bytes.TrimRight(rest, "=")) {
			s.found |= 1 << httpAuthRule
		}
	case bytes.EqualFold(scheme, []byte("bearer")), bytes.EqualFold(scheme, []byte("token")):
		if looksRandom(rest, tellsSecret, true) {
			s.found |= 1 << httpAuthRule
		}
	}
}
