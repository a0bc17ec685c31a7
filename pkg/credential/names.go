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
	if len(name) > maxName {
		name = name[len(name)-maxName:]
	}
	var w words
	w.split(name)
	last := w.n - 1
	for last > 0 && saysWhich(w.word(last)) {
		last--
	}
	kind := w.tells(last)
	if kind == tellsSecret && string(w.word(last)) == "auth" && name[0] != '_' {
		return tellsNothing // _auth is of .npmrc
	}
	if kind == tellsNothing {
		return kind
	}
	for i := range w.n {
		switch string(w.word(i)) {
		case "public", "pub", "checksum", "hash", "hashed", "digest", "sha", "sha1", "sha256", "sha512", "md5", "fingerprint",
			"encrypted", "sealed", "ciphertext", "example", "kid":
			return tellsNothing
		}
	}
	return kind
}

// saysWhich reports words at the end of a name that say which of several it is, or in
// which form.
func saysWhich(word []byte) bool {
	switch string(word) {
	case "value", "val", "string", "str", "text", "plain", "plaintext", "raw", "b64", "base64", "base", "encoded", "literal", "data",
		"prod", "production", "dev", "staging", "stage", "test", "qa", "default", "current", "old", "new", "primary", "secondary", "main", "live",
		"v1", "v2":
		return true
	}
	return all(word, digitClass)
}

// words are those of a name, in lower case.
type words struct {
	lower [maxName]byte
	at    [maxWords]struct{ from, to uint8 }
	n     int
}

func (w *words) word(i int) []byte {
	if i < 0 || i >= w.n {
		return nil
	}
	return w.lower[w.at[i].from:w.at[i].to]
}

func (w *words) has(word string) bool {
	for i := range w.n {
		if string(w.word(i)) == word {
			return true
		}
	}
	return false
}

// tells reads the name up to a word.
func (w *words) tells(last int) telling {
	word := trimDigits(w.word(last))
	before := w.word(last - 1)
	switch string(word) {
	case "password", "passwords", "passwd", "passphrase", "pwd", "pass", "passcode", "passwort":
		return tellsPassword
	case "secret", "secrets", "credential", "credentials", "cred", "creds", "auth":
		return tellsSecret
	case "token", "tokens":
		switch string(before) {
		case "continue", "page", "next", "csrf", "xsrf", "cancel", "cancellation", "start", "end", "bos", "eos", "pad", "unk", "mask", "sync", "fencing", "special":
			return tellsNothing
		}
		return tellsSecret
	case "key", "keys":
		switch string(before) {
		case "access", "secret":
			if w.has("secret") && (w.has("aws") || w.has("access")) {
				return tellsAWSSecret
			}
			return tellsSecret
		case "api", "private", "priv", "auth", "encryption", "encrypt", "signing", "sign", "account", "master", "shared", "ssh", "hmac", "jwt", "session",
			"cookie", "aes", "cipher", "crypto", "admin", "webhook", "fernet", "preshared", "app", "application", "consumer", "license", "storage", "integration", "deploy":
			return tellsSecret
		}
		return tellsNothing
	case "cookie":
		if string(before) == "erlang" { // who has it runs programs on all nodes
			return tellsSecret
		}
	case "requirepass", "masterauth", "dbpass", "userpass", "rootpass": // the first two are of Redis
		return tellsPassword
	case "authorization":
		return tellsAuthorization
	}
	switch {
	case endsIn(word, "password", "passwd", "passphrase", "pwd"):
		return tellsPassword
	case endsIn(word, "secretaccesskey"), w.has("aws") && endsIn(word, "secretkey"):
		return tellsAWSSecret
	case endsIn(word, "secret", "credentials", "token", "apikey", "apikeys", "secretkey", "accesskey", "privatekey", "encryptionkey", "signingkey",
		"masterkey", "authkey", "sharedkey", "accountkey", "licensekey"):
		return tellsSecret
	}
	return tellsNothing
}

func trimDigits(word []byte) []byte {
	for len(word) > 0 && is(word[len(word)-1], digitClass) {
		word = word[:len(word)-1]
	}
	return word
}

// split finds the words of a name of at most maxName bytes. If there are too many, the
// last ones are kept.
func (w *words) split(name []byte) {
	start := 0
	end := func(i int) {
		if i == start {
			return
		}
		if w.n == maxWords {
			copy(w.at[:], w.at[1:])
			w.n--
		}
		w.at[w.n].from, w.at[w.n].to = uint8(start), uint8(i)
		w.n++
		start = i
	}
	for i, b := range name {
		w.lower[i] = b
		switch {
		case is(b, upperClass):
			w.lower[i] = b - 'A' + 'a'
			small := i > 0 && is(name[i-1], lowerClass|digitClass)
			acronym := i > 0 && is(name[i-1], upperClass) && i+1 < len(name) && is(name[i+1], lowerClass)
			if small || acronym {
				end(i)
			}
		case !is(b, lowerClass|digitClass):
			end(i)
			start = i + 1
		}
	}
	end(len(name))
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
	if from > 0 && s.text[from-1] == ':' && s.hasAt(end, ":") {
		return // a part of a name: arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME
	}
	at = s.valueAfter(from, end)
	if at < 0 {
		return
	}
	value, quoted := s.word(at)
	if !quoted {
		s.past = max(s.past, at+len(value)) // names in a value are part of it
	}
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
	case b == ',' && closed && s.quoted(i+1, "value") < 0 && s.quoted(i+1, "") >= 0: // define('DB_PASSWORD', 'x')
		i++
	case spaced && !closed && (b == '"' || b == '\'' || b == '\\' && i+1 < len(s.text) && s.text[i+1] == '"'):
		// PASSWORD 'value' of SQL, Authorization "Basic value" of nginx
	case spaced && !closed && s.directive(from, i):
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

// directive reports whether a name that begins its line, and one word after it that ends
// it, are a setting: "requirepass value" of Redis. A word of prose is no value.
func (s *scan) directive(from, value int) bool {
	for n := 0; from > 0 && s.text[from-1] != '\n'; n++ {
		if b := s.text[from-1]; n == 64 || b != ' ' && b != '\t' {
			return false
		}
		from--
	}
	n := 0
	for n < 256 && value+n < len(s.text) && s.text[value+n] > ' ' {
		n++
	}
	end := value + n
	for end < len(s.text) && (s.text[end] == ' ' || s.text[end] == '\t' || s.text[end] == '\r') && end < value+n+64 {
		end++
	}
	text := s.text[value : value+n]
	return (end == len(s.text) || s.text[end] == '\n') && n >= minRandom && kinds(text) >= 2 && !bytes.ContainsAny(text, "()|&;`")
}

// quoted returns where a text begins that is in quotes after spaces, -1 if another one is
// there. "" is any.
func (s *scan) quoted(i int, text string) int {
	for n := 0; n < 8 && i < len(s.text) && bytes.IndexByte([]byte(" \t\r\n\\"), s.text[i]) >= 0; n++ {
		i++
	}
	if i < len(s.text) && (s.text[i] == '\'' || s.text[i] == '"') && s.hasAt(i+1, text) {
		return i + 1
	}
	return -1
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
