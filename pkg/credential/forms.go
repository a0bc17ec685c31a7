package credential

import (
	"bytes"
	"encoding/base64"
)

// anchor is the fixed text of a form, and what looks at the text around it.
type anchor struct {
	text string
	rule int
	// match reports whether a credential is around the anchor, which is from at to end.
	// It looks at a bounded number of bytes.
	match func(s *scan, at, end int) bool
	next  uint8 // the next anchor with the same first two bytes, 0 if there is none
}

// anchors has nothing at 0.
var anchors = func() []anchor {
	list := []anchor{{}}
	add := func(rule string, match func(s *scan, at, end int) bool, texts ...string) {
		for _, text := range texts {
			list = append(list, anchor{text: text, rule: number(rule), match: match})
		}
	}
	add(PrivateKey, matchPEM, "-----BEGIN ")
	add(PrivateKey, matchEncodedPEM, "LS0tLS1CRUdJTi")
	add("aws-access-key", matchAWS, "AKIA", "ASIA")
	add("gcp-service-account", matchServiceAccount, "service_account")
	add("gcp-service-account", matchEncodedAccount, "c2VydmljZV9hY2NvdW50", "NlcnZpY2VfYWNjb3Vud", "zZXJ2aWNlX2FjY291bn")
	add("azure-storage-key", after(base64Class, 86, 86, "=="), "AccountKey=")
	add("azure-shared-key", after(base64Class, 43, 43, "="), "SharedAccessKey=")
	add(azureSAS, matchSAS, "sig=")
	add("azure-client-secret", matchEntra, "Q~")
	add("age-secret-key", word(digitClass|upperClass, 58, 58), "AGE-SECRET-KEY-1")
	add("google-api-key", word(urlClass, 35, 35), "AIza")
	add("google-oauth-secret", word(urlClass, 28, 28), "GOCSPX-")
	add("github-token", word(alnumClass, 36, 255), "ghp_", "gho_", "ghu_", "ghs_", "ghr_")
	add("github-token", word(wordClass, 82, 82), "github_pat_")
	add("gitlab-token", word(urlClass, 20, 255), "glpat-", "glrt-", "gldt-", "glcbt-", "glptt-", "glft-", "glsoat-", "glagent-", "gloas-", "glimt-")
	add("slack-token", word(urlClass, 20, 255), "xoxa-", "xoxb-", "xoxe-", "xoxp-", "xoxr-", "xoxs-", "xapp-")
	add("slack-token", word(alnumClass|urlClass, 20, 255), "xoxe.xoxp-", "xoxe.xoxb-")
	add("slack-webhook", matchSlackHook, "hooks.slack.com/")
	add("discord-webhook", matchDiscordHook, "discord.com/api/", "discordapp.com/api/")
	add("stripe-key", word(alnumClass, 16, 255), "sk_live_", "sk_test_", "rk_live_", "rk_test_")
	add("stripe-key", word(base64Class, 24, 255), "whsec_")
	add(JSONWebToken, matchJWT, "eyJ", "ewog", "ewoJ")
	add("npm-token", word(alnumClass, 36, 36), "npm_")
	add("pypi-token", word(urlClass, 40, 512), "pypi-AgEIcHlwaS5vcmc", "pypi-AgENdGVzdC5weXBpLm9yZw")
	add(DockerAuth, matchDockerAuth, `"auth"`, `\"auth\"`)
	add("docker-token", word(urlClass, 20, 64), "dckr_pat_", "dckr_oat_")
	add("sendgrid-key", matchSendGrid, "SG.")
	add("vault-token", word(urlClass, 24, 512), "hvs.", "hvb.", "hvr.")
	add("huggingface-token", word(alnumClass, 34, 40), "hf_")
	add("openai-key", matchOpenAI, "T3BlbkFJ")
	add("anthropic-key", word(urlClass, 40, 255), "sk-ant-")
	add("digitalocean-token", word(hexClass, 64, 64), "dop_v1_", "doo_v1_", "dor_v1_")
	add("shopify-token", word(hexClass|upperClass, 32, 32), "shpat_", "shpca_", "shppa_", "shpss_")
	add("grafana-token", matchGrafana, "glsa_")
	add("grafana-token", word(base64Class, 32, 512), "glc_")
	add("databricks-token", matchDatabricks, "dapi")
	add("terraform-token", matchTerraform, ".atlasv1.")
	add("tailscale-key", word(urlClass, 16, 128), "tskey-")
	add("doppler-token", word(alnumClass, 40, 64), "dp.pt.", "dp.ct.", "dp.sa.", "dp.scim.", "dp.audit.")
	add("doppler-token", matchDopplerService, "dp.st.")
	add("rubygems-key", word(hexClass, 48, 48), "rubygems_")
	add(DatabaseURL, func(s *scan, at, end int) bool { return s.urlPassword(at, end) == DatabaseURL }, "://")
	add(URLPassword, func(s *scan, at, end int) bool { return s.urlPassword(at, end) == URLPassword }, "://")
	add(TellingName, matchIdentified, "IDENTIFIED ", "identified ", "Identified ")
	if len(list) > stemBit {
		panic("credential: more anchors than a byte can number")
	}
	return list
}()

// starts says by two bytes what may begin with them: the first anchor, and whether a
// telling name may (stemBit).
var starts = func() (of [1 << 16]uint8) {
	for i := len(anchors) - 1; i > 0; i-- {
		pair := uint16(anchors[i].text[0])<<8 | uint16(anchors[i].text[1])
		anchors[i].next = of[pair]
		of[pair] = uint8(i)
	}
	for _, stem := range stems {
		for _, a := range []byte{stem[0], stem[0] - 'a' + 'A'} {
			for _, b := range []byte{stem[1], stem[1] - 'a' + 'A'} {
				of[uint16(a)<<8|uint16(b)] |= stemBit
			}
		}
	}
	return of
}()

const stemBit = 0x80

// word matches a number of bytes of a class after an anchor that begins a word, if they
// look random and no more such bytes follow.
func word(class uint8, least, most int) func(*scan, int, int) bool {
	return func(s *scan, at, end int) bool {
		return s.startsWord(at) && s.token(end, class, least, most) > 0
	}
}

// after matches a number of bytes of a class after an anchor, and a fixed end.
func after(class uint8, least, most int, suffix string) func(*scan, int, int) bool {
	return func(s *scan, _, end int) bool {
		n := s.span(end, class, most+1)
		return n >= least && n <= most && s.hasAt(end+n, suffix) && varied(s.text[end:end+n])
	}
}

// token is the length of a random text of a class at a place, 0 if there is none of a
// fitting length.
func (s *scan) token(from int, class uint8, least, most int) int {
	n := s.span(from, class, most+1)
	if n < least || n > most || !varied(s.text[from:from+n]) {
		return 0
	}
	return n
}

func (s *scan) hasAt(at int, text string) bool {
	return at >= 0 && len(s.text)-at >= len(text) && string(s.text[at:at+len(text)]) == text
}

// varied reports whether a text can be random: placeholders repeat few letters, or
// count, or say that they are examples.
func varied(text []byte) bool {
	return entropy(text) >= 2.9 && !counts(text) && !saysExample(text)
}

// counts reports a text that is mostly the alphabet or the digits in their order.
func counts(text []byte) bool {
	steps := 0
	for i := 1; i < len(text); i++ {
		if text[i] == text[i-1]+1 || text[i] == text[i-1] || text[i] == '0' && text[i-1] == '9' {
			steps++
		}
	}
	return 2*steps > len(text)
}

// matchPEM finds "-----BEGIN ... PRIVATE KEY-----" with text of a key after it (RFC
// 7468, and PGP's form of RFC 9580).
func matchPEM(s *scan, _, end int) bool {
	label := s.text[end:min(len(s.text), end+64)]
	i := bytes.Index(label, []byte("-----"))
	if i < 0 {
		return false
	}
	label = label[:i]
	if !bytes.HasSuffix(label, []byte("PRIVATE KEY")) && !bytes.HasSuffix(label, []byte("PRIVATE KEY BLOCK")) {
		return false
	}
	const most = 512 // of headers before the text
	body := s.text[end+i : min(len(s.text), end+i+most)]
	run := 0
	for k, b := range body {
		if !is(b, base64Class) {
			run = 0
			continue
		}
		if run++; run%40 == 0 && varied(body[k+1-run:k+1]) {
			return true
		}
	}
	return false
}

// matchEncodedPEM finds the base64 form of "-----BEGIN ... PRIVATE KEY", as kubeconfig
// files have it.
func matchEncodedPEM(s *scan, at, _ int) bool {
	n := s.span(at, base64Class, 64) &^ 3
	var plain [48]byte
	k, err := base64.StdEncoding.Decode(plain[:], s.text[at:at+n])
	return err == nil && bytes.Contains(plain[:k], []byte("PRIVATE KEY"))
}

// matchAWS finds the id of an access key; those of the documentation end in EXAMPLE.
func matchAWS(s *scan, at, end int) bool {
	n := s.span(end, digitClass|upperClass, 17)
	if n != 16 || !s.startsWord(at) || !s.endsWord(end+16, wordClass) {
		return false
	}
	id := s.text[end : end+16]
	return !bytes.HasSuffix(id, []byte("EXAMPLE")) && varied(id)
}

// matchServiceAccount finds "type": "service_account", escaped or not.
func matchServiceAccount(s *scan, at, end int) bool {
	if end >= len(s.text) || s.text[end] != '"' && !s.hasAt(end, `\"`) {
		return false
	}
	before := s.text[max(0, at-48):at]
	before, quoted := bytes.CutSuffix(before, []byte(`"`))
	if !quoted {
		return false
	}
	before = bytes.TrimRight(before, " \t\r\n\\")
	before, colon := bytes.CutSuffix(before, []byte(":"))
	before = bytes.TrimRight(before, " \t\r\n")
	return colon && (bytes.HasSuffix(before, []byte(`"type"`)) || bytes.HasSuffix(before, []byte(`"type\"`)))
}

// matchEncodedAccount finds the base64 form of a service account's file, in which the type
// stands first.
func matchEncodedAccount(s *scan, at, end int) bool {
	const before, least = 96, 400 // the private key comes after it
	at -= s.spanBack(at, base64Class, before)
	if s.span(end, base64Class, least) < least {
		return false
	}
	n := (end + 8 - at) &^ 3
	var plain [before]byte
	k, err := base64.StdEncoding.Decode(plain[:], s.text[at:at+n])
	return err == nil && bytes.Contains(plain[:k], []byte(`"type"`)) && bytes.Contains(plain[:k], []byte(`"service_account"`))
}

// matchSAS finds the signature of a shared access signature, in a query that has a
// version or an expiry.
func matchSAS(s *scan, at, end int) bool {
	if at > 0 && is(s.text[at-1], wordClass) {
		return false
	}
	n := 0
	for n < 80 && end+n < len(s.text) && (is(s.text[end+n], base64Class) || s.text[end+n] == '%') {
		n++
	}
	if n < 43 || !varied(s.text[end:end+n]) {
		return false
	}
	if !bytes.HasSuffix(s.text[end:end+n], []byte("%3D")) && !bytes.HasSuffix(s.text[end:end+n], []byte("%3d")) && !s.hasAt(end+n, "=") {
		return false
	}
	around := s.text[max(0, at-300):min(len(s.text), end+n+300)]
	return bytes.Contains(around, []byte("se=")) || bytes.Contains(around, []byte("sv="))
}

// matchEntra finds a client secret: three letters, a digit, "Q~", and 31 to 34 more.
func matchEntra(s *scan, at, end int) bool {
	if at < 4 || !is(s.text[at-1], digitClass) {
		return false
	}
	inside := func(b byte) bool { return is(b, urlClass) || b == '~' || b == '.' }
	for _, b := range s.text[at-4 : at-1] {
		if !inside(b) {
			return false
		}
	}
	if at > 4 && inside(s.text[at-5]) {
		return false
	}
	n := 0
	for n < 36 && end+n < len(s.text) && inside(s.text[end+n]) {
		n++
	}
	return n >= 31 && n <= 34 && varied(s.text[end:end+n])
}

// matchSlackHook finds the path of a webhook: /services/T.../B.../random.
func matchSlackHook(s *scan, _, end int) bool {
	rest := s.text[end:min(len(s.text), end+128)]
	for _, prefix := range []string{"services/", "workflows/", "triggers/"} {
		path, ok := bytes.CutPrefix(rest, []byte(prefix))
		if !ok {
			continue
		}
		n := 0
		for n < len(path) && (is(path[n], alnumClass) || path[n] == '/') {
			n++
		}
		parts := bytes.Split(path[:n], []byte("/"))
		return len(parts) >= 3 && len(parts[2]) >= 16 && varied(parts[2])
	}
	return false
}

// matchDiscordHook finds the path of a webhook: webhooks/NUMBER/random, perhaps after a
// version.
func matchDiscordHook(s *scan, _, end int) bool {
	if s.hasAt(end, "v") {
		end += 1 + s.span(end+1, digitClass, 2)
		if s.hasAt(end, "/") {
			end++
		}
	}
	if !s.hasAt(end, "webhooks/") {
		return false
	}
	end += len("webhooks/")
	n := s.span(end, digitClass, 21)
	return n >= 16 && n <= 20 && s.hasAt(end+n, "/") && s.token(end+n+1, urlClass, 50, 100) > 0
}

// matchIdentified finds a password in SQL: IDENTIFIED BY '...', IDENTIFIED WITH plugin BY
// '...'.
func matchIdentified(s *scan, at, end int) bool {
	if !s.startsWord(at) {
		return false
	}
	i := end
	if rest := s.text[i:min(len(s.text), i+5)]; bytes.EqualFold(rest, []byte("with ")) {
		i += len(rest)
		for n := 0; n < 40 && i < len(s.text) && s.text[i] != ' '; n++ {
			i++
		}
		i++
	}
	if rest := s.text[min(len(s.text), i):min(len(s.text), i+3)]; !bytes.EqualFold(rest, []byte("by ")) {
		return false
	}
	i += len("by ")
	if i >= len(s.text) || s.text[i] != '\'' && s.text[i] != '"' && s.text[i] != '\\' {
		return false
	}
	value, quoted := s.word(i)
	return quoted && looksRandom(value, tellsPassword, true)
}

// matchJWT finds header.payload.signature of which the header is JSON with "alg" (RFC
// 7519). Without a signature it proves nothing.
func matchJWT(s *scan, at, _ int) bool {
	if at > 0 && is(s.text[at-1], urlClass) && !s.startsWord(at) {
		return false
	}
	const mostHeader, mostPayload = 1024, 16 << 10
	n := s.span(at, urlClass, mostHeader)
	if n < 16 || !s.hasAt(at+n, ".") {
		return false
	}
	payload := at + n + 1
	m := s.span(payload, urlClass, mostPayload)
	if m < 8 || !s.hasAt(payload+m, ".") || s.span(payload+m+1, urlClass, 22) < 22 {
		return false
	}
	var plain [mostHeader]byte
	k, err := base64.RawURLEncoding.Decode(plain[:], s.text[at:at+n])
	if err != nil {
		return false
	}
	return hasAlg(plain[:k])
}

// hasAlg reports whether a header of a JSON Web Signature names its algorithm (RFC 7515,
// 4.1.1).
func hasAlg(header []byte) bool {
	header = bytes.TrimLeft(header, " \t\r\n")
	_, after, ok := bytes.Cut(header, []byte(`"alg"`))
	after = bytes.TrimLeft(after, " \t\r\n:")
	return ok && len(header) > 0 && header[0] == '{' && len(after) > 1 && after[0] == '"' && after[1] != '"'
}

// matchDockerAuth finds "auth": "base64 of user:password" in a file with "auths".
func matchDockerAuth(s *scan, _, end int) bool {
	if s.auths == notAsked {
		s.auths = no
		if bytes.Contains(s.text, []byte(`"auths"`)) || bytes.Contains(s.text, []byte(`"auths\"`)) {
			s.auths = yes
		}
	}
	if s.auths == no {
		return false
	}
	for n := 0; n < 32 && end < len(s.text) && bytes.IndexByte([]byte(` \t\r\n:"`), s.text[end]) >= 0; n++ {
		end++
	}
	for n := 0; n < 3 && end < len(s.text) && (s.text[end] == '\\' || s.text[end] == '"'); n++ {
		end++
	}
	n := s.span(end, base64Class, 4096)
	return n >= 8 && isLogin(s.text[end:end+n])
}

// isLogin reports whether a text is the base64 of user:password, both of letters that
// can be printed.
func isLogin(text []byte) bool {
	var space [96]byte
	text = text[:min(len(text), 128)]
	if len(text)%4 == 1 {
		text = text[:len(text)-1]
	}
	k, err := base64.RawStdEncoding.Decode(space[:], text)
	if err != nil {
		return false
	}
	plain := space[:k]
	for _, b := range plain {
		if b < ' ' || b == 0x7f {
			return false
		}
	}
	user, password, ok := bytes.Cut(plain, []byte(":"))
	return ok && len(user) > 0 && len(password) >= 3 && !placeholder(password)
}

// matchSendGrid finds SG., 22 and 43 letters.
func matchSendGrid(s *scan, at, end int) bool {
	return s.startsWord(at) && s.token(end, urlClass, 22, 22) > 0 && s.hasAt(end+22, ".") && s.token(end+23, urlClass, 43, 43) > 0
}

// matchOpenAI finds the text that is inside all keys of OpenAI.
func matchOpenAI(s *scan, at, end int) bool {
	before := s.spanBack(at, urlClass, 200)
	return before >= 19 && s.hasAt(at-before, "sk-") && s.span(end, urlClass, 200) >= 16
}

// matchGrafana finds glsa_, 32 letters, and a checksum.
func matchGrafana(s *scan, at, end int) bool {
	return s.startsWord(at) && s.token(end, alnumClass, 32, 32) > 0 && s.hasAt(end+32, "_") && s.span(end+33, hexClass|upperClass, 9) == 8
}

// matchDatabricks finds dapi and 32 hexadecimal digits, with or without "-2".
func matchDatabricks(s *scan, at, end int) bool {
	return s.startsWord(at) && s.token(end, hexClass, 32, 32) > 0 && s.endsWord(end+32, wordClass)
}

// matchTerraform finds 14 letters, .atlasv1., and 60 or more.
func matchTerraform(s *scan, at, end int) bool {
	return s.spanBack(at, alnumClass, 15) == 14 && s.token(end, urlClass, 60, 255) > 0
}

// matchDopplerService finds dp.st., perhaps a configuration's name, and 40 letters.
func matchDopplerService(s *scan, at, end int) bool {
	if n := s.span(end, urlClass|lowerClass, 36); s.hasAt(end+n, ".") {
		end += n + 1
	}
	return s.startsWord(at) && s.token(end, alnumClass, 40, 64) > 0
}

// urlPassword finds scheme://user:password@ (RFC 3986, 3.2.1) and returns its rule, ""
// if there is none.
func (s *scan) urlPassword(at, end int) string {
	n := s.spanBack(at, alnumClass|urlClass, 24)
	scheme := s.text[at-n : at]
	if len(scheme) > 2 && s.hasAt(at-n-2, `\n`) || s.hasAt(at-n-2, `\t`) {
		scheme = scheme[1:] // an escape of JSON
	}
	if n < 2 || !is(scheme[len(scheme)-1], alnumClass) {
		return ""
	}
	const most = 512
	rest := s.text[end:min(len(s.text), end+most)]
	colon, stop := -1, -1
	for i, b := range rest {
		if b == '@' {
			stop = i
			break
		}
		if b == ':' && colon < 0 {
			colon = i
		}
		// "/", "?" and "#" end the authority. In a password they are escaped.
		if b <= ' ' || b == 0x7f || bytes.IndexByte([]byte("/?#\"'`\\<>{}|^,;()[]"), b) >= 0 {
			return ""
		}
	}
	if colon < 0 || stop < colon {
		return ""
	}
	user, password := rest[:colon], rest[colon+1:stop]
	if len(password) == 0 || bytes.IndexByte([]byte("$*%"), password[0]) >= 0 && !escaped(password) || bytes.ContainsAny(password, "$*") ||
		bytes.Contains(user, []byte("$")) || generic(password, user) || saysExample(password) {
		return ""
	}
	if isDatabase(scheme) {
		return DatabaseURL
	}
	return URLPassword
}

// escaped reports whether a text begins with a percent-encoded byte.
func escaped(text []byte) bool {
	return len(text) >= 3 && text[0] == '%' && is(text[1], hexClass|upperClass) && is(text[2], hexClass|upperClass)
}

// generic reports user:password and the like, with which documents show the form of a
// URL.
func generic(password, user []byte) bool {
	if placeholder(password) {
		return true
	}
	one := func(text []byte, words ...string) bool {
		for _, w := range words {
			if bytes.EqualFold(text, []byte(w)) {
				return true
			}
		}
		return false
	}
	return one(password, "password", "pass", "passwd", "pwd", "pw", "secret", "token") &&
		one(user, "user", "username", "usr", "login", "name", "u", "")
}

// isDatabase reports the schemes of databases and message queues.
func isDatabase(scheme []byte) bool {
	for _, known := range []string{
		"postgres", "postgresql", "mysql", "mariadb", "mongodb", "mongodb+srv", "srv", "redis", "rediss", "amqp", "amqps",
		"sqlserver", "mssql", "clickhouse", "cockroachdb", "cassandra", "neo4j", "couchbase", "oracle", "nats", "kafka",
	} {
		if bytes.EqualFold(scheme, []byte(known)) {
			return true
		}
	}
	return false
}
