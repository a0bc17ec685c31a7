// Package blockyaml turns the YAML that people and tools write for Kubernetes into JSON,
// several times faster than a complete YAML library. It reads a subset: block mappings and
// sequences, scalars and flow collections on one line, literal block scalars, comments. Of
// every other text it says that it does not read it; then a complete library has to.
//
// The subset is chosen so that each text in it means the same to sigs.k8s.io/yaml, which
// kubectl uses (YAML 1.1). FuzzToJSON compares the two.
package blockyaml

import (
	"bytes"
	"math"
	"strconv"
	"unicode/utf8"
)

// maxDepth bounds collections in collections: each takes a frame of the stack.
const maxDepth = 64

// maxKey is below the longest key that YAML allows on one line, 1024 characters.
const maxKey = 1000

// ToJSON appends the JSON of one YAML document to dst and returns the longer slice. It
// returns dst as it was, and false, for a document that is not in the subset, also for one
// that is no YAML at all, and for one without content.
//
// The text is a document without its separators ("---"). It is UTF-8.
func ToJSON(dst, text []byte) ([]byte, bool) {
	p := parser{text: text, out: dst}
	if !p.next() || !p.node(-1) || !p.done {
		return dst, false
	}
	return p.out, true
}

// parser stands at a token: the first of a line, or what follows "- " on one.
type parser struct {
	text []byte
	out  []byte
	// at is the offset of the token, end that of its line's end without white space, column
	// the token's column, and following the offset of the next line.
	at, end, column, following int
	// done is true at the end of the text.
	done  bool
	depth int
	keys  []span // of the mappings that are open, in out
}

type span struct{ from, to int }

// next moves to the first token of the next line that has one. It returns false for a line
// outside the subset. At the end of the text done is true.
func (p *parser) next() bool {
	for {
		if p.following >= len(p.text) {
			p.done, p.column = true, -1
			return true
		}
		start := p.following
		length := bytes.IndexByte(p.text[start:], '\n')
		if length < 0 {
			p.end, p.following = len(p.text), len(p.text)
		} else {
			p.end, p.following = start+length, start+length+1
		}
		p.end = trimEnd(p.text, start, p.end)
		at := start
		for at < p.end && p.text[at] == ' ' {
			at++
		}
		if at == p.end {
			continue
		}
		p.at, p.column = at, at-start
		switch c := p.text[at]; {
		case c == '#':
			if !plainText(p.text[at:p.end]) {
				return false
			}
			continue
		case c == '\t':
			return false
		case p.column == 0 && (c == '%' || isSeparator(p.text[at:p.end])):
			return false
		}
		return true
	}
}

// trimEnd is the end of a line without the white space there. A carriage return is white
// space only before the line feed.
func trimEnd(text []byte, start, end int) int {
	if end > start && text[end-1] == '\r' && end < len(text) {
		end--
	}
	for end > start && text[end-1] == ' ' {
		end--
	}
	return end
}

func isSeparator(line []byte) bool {
	if len(line) < 3 || string(line[:3]) != "---" && string(line[:3]) != "..." {
		return false
	}
	return len(line) == 3 || line[3] == ' ' || line[3] == '\t'
}

// node reads the collection that begins at the token. Its column must be beyond parent.
func (p *parser) node(parent int) bool {
	if p.done || p.column <= parent {
		return false
	}
	if p.isItem() {
		return p.sequence(p.column)
	}
	return p.mapping(p.column)
}

// isItem reports whether the token is "-" before a space or the end of its line.
func (p *parser) isItem() bool {
	return p.text[p.at] == '-' && (p.at+1 == p.end || p.text[p.at+1] == ' ')
}

// sequence reads the items at a column.
func (p *parser) sequence(column int) bool {
	if p.depth++; p.depth > maxDepth {
		return false
	}
	p.out = append(p.out, '[')
	for first := true; !p.done && p.column == column && p.isItem(); first = false {
		if !first {
			p.out = append(p.out, ',')
		}
		at := p.at + 1
		for at < p.end && p.text[at] == ' ' {
			at++
		}
		ok := true
		switch {
		case at == p.end || p.text[at] == '#':
			ok = p.below(column, at)
		default:
			p.column += at - p.at
			p.at = at
			if p.isItem() {
				ok = p.sequence(p.column)
				break
			}
			mapping, valid := p.isKey()
			switch {
			case !valid:
				ok = false
			case mapping:
				ok = p.mapping(p.column)
			default:
				ok = p.scalar(column)
			}
		}
		if !ok || !p.done && p.column > column {
			return false
		}
	}
	p.depth--
	p.out = append(p.out, ']')
	return true
}

// below reads what an item or a key without a value on its line has on the lines below it:
// a collection further in, or nothing. The rest of the line is a comment.
func (p *parser) below(column, comment int) bool {
	if !plainText(p.text[comment:p.end]) || !p.next() {
		return false
	}
	if p.done || p.column <= column {
		p.out = append(p.out, "null"...)
		return true
	}
	if !p.isItem() {
		if mapping, valid := p.isKey(); !valid || !mapping {
			return false // a scalar that begins on its own line
		}
	}
	return p.node(column)
}

// isKey reports whether the token begins a key of a mapping. It is not valid if it is
// outside the subset.
func (p *parser) isKey() (key, valid bool) {
	switch p.text[p.at] {
	case '"', '\'':
		end := p.closing(p.at)
		if end < 0 {
			return false, false
		}
		return end < p.end && p.text[end] == ':', true
	case '{', '[', '|', '>':
		return false, true
	}
	return p.colon(p.at) >= 0, true
}

// colon is the offset of the colon that ends a plain key, -1 if there is none.
func (p *parser) colon(from int) int {
	for i := from; i < p.end; i++ {
		switch p.text[i] {
		case ':':
			if i+1 == p.end || p.text[i+1] == ' ' {
				return i
			}
		case '#':
			if i > from && p.text[i-1] == ' ' {
				return -1
			}
		}
	}
	return -1
}

// closing is the offset behind the quoted scalar that begins at from, -1 if it does not end
// on its line.
func (p *parser) closing(from int) int {
	quote := p.text[from]
	for i := from + 1; i < p.end; i++ {
		switch {
		case p.text[i] == '\\' && quote == '"':
			i++
		case p.text[i] != quote:
		case quote == '\'' && i+1 < p.end && p.text[i+1] == '\'':
			i++
		default:
			return i + 1
		}
	}
	return -1
}

// mapping reads the keys at a column.
func (p *parser) mapping(column int) bool {
	if p.depth++; p.depth > maxDepth {
		return false
	}
	opened := len(p.keys)
	p.out = append(p.out, '{')
	var seen map[string]bool
	for first := true; !p.done && p.column == column; first = false {
		if p.isItem() {
			break // the caller refuses it, or it belongs to a sequence above
		}
		if !first {
			p.out = append(p.out, ',')
		}
		colon, ok := p.key(&seen, opened)
		if !ok {
			return false
		}
		at := colon + 1
		for at < p.end && p.text[at] == ' ' {
			at++
		}
		p.out = append(p.out, ':')
		switch {
		case at == p.end || p.text[at] == '#':
			if !plainText(p.text[at:p.end]) || !p.next() {
				return false
			}
			switch {
			case !p.done && p.column == column && p.isItem():
				ok = p.sequence(column)
			case p.done || p.column <= column:
				p.out = append(p.out, "null"...)
			default:
				ok = p.inner(column)
			}
		default:
			p.at = at
			ok = p.scalar(column)
		}
		if !ok || !p.done && p.column > column {
			return false
		}
	}
	p.depth--
	p.keys = p.keys[:opened]
	p.out = append(p.out, '}')
	return true
}

// inner reads the collection on the lines below a key.
func (p *parser) inner(column int) bool {
	if !p.isItem() {
		if mapping, valid := p.isKey(); !valid || !mapping {
			return false
		}
	}
	return p.node(column)
}

// few is how many keys of a mapping are compared one by one.
const few = 24

// key writes the key at the token and returns the offset of its colon.
func (p *parser) key(seen *map[string]bool, opened int) (colon int, ok bool) {
	from := len(p.out)
	switch p.text[p.at] {
	case '"', '\'':
		if colon = p.closing(p.at); colon < 0 || colon >= p.end || p.text[colon] != ':' ||
			colon+1 < p.end && p.text[colon+1] != ' ' || !p.quoted(p.at, colon) {
			return 0, false
		}
	default:
		if colon = p.colon(p.at); colon < 0 {
			return 0, false
		}
		name := p.text[p.at:colon]
		if len(name) == 0 || name[len(name)-1] == ' ' || bytes.IndexByte(name, '\t') >= 0 || !startsPlain(name[0]) || name[0] == '-' || !isString(name) || !p.text8(name) {
			return 0, false
		}
	}
	if colon-p.at > maxKey {
		return 0, false
	}
	own := span{from, len(p.out)}
	text := p.out[own.from:own.to]
	if string(text) == `"<<"` {
		return 0, false
	}
	if len(p.keys)-opened < few {
		for _, k := range p.keys[opened:] {
			if k.to-k.from == len(text) && bytes.Equal(p.out[k.from:k.to], text) {
				return 0, false
			}
		}
	} else {
		if *seen == nil {
			*seen = map[string]bool{}
			for _, k := range p.keys[opened:] {
				(*seen)[string(p.out[k.from:k.to])] = true
			}
		}
		if (*seen)[string(text)] {
			return 0, false
		}
		(*seen)[string(text)] = true
	}
	p.keys = append(p.keys, own)
	return colon, true
}

// scalar reads the value at the token, which ends on its line or is a literal block, and
// moves to the next line. Column is that of the collection that the value is in.
func (p *parser) scalar(column int) bool {
	switch p.text[p.at] {
	case '|':
		return p.literal(column)
	case '{', '[':
		end, ok := p.flow(p.at)
		return ok && p.nothingBehind(end) && p.next()
	case '"', '\'':
		end := p.closing(p.at)
		return end >= 0 && p.quoted(p.at, end) && p.nothingBehind(end) && p.next()
	}
	end := p.end
	for i := p.at; i < p.end; i++ {
		switch p.text[i] {
		case ':':
			if i+1 == p.end || p.text[i+1] == ' ' {
				return false
			}
		case '#':
			if p.text[i-1] == ' ' {
				if !plainText(p.text[i:p.end]) {
					return false
				}
				end = i
			}
		}
		if end < p.end {
			break
		}
	}
	return p.plain(p.text[p.at:trimEnd(p.text, p.at, end)]) && p.next()
}

// nothingBehind reports whether only a comment follows on the line.
func (p *parser) nothingBehind(end int) bool {
	if end == p.end {
		return true
	}
	at := end
	for at < p.end && p.text[at] == ' ' {
		at++
	}
	return at > end && p.text[at] == '#' && plainText(p.text[at:p.end])
}

// startsPlain reports whether a plain scalar can begin with the character, where no
// character after it matters.
func startsPlain(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c >= utf8.RuneSelf:
		return true
	}
	switch c {
	case '/', '_', '.', '$', '(', '+', '<', '=', '^', ';', '~', '\\':
		return true
	}
	return false
}

// plain writes a plain scalar: null, true, false, a number or a string.
func (p *parser) plain(s []byte) bool {
	switch {
	case len(s) == 0, bytes.IndexByte(s, '\t') >= 0:
		return false
	case s[0] == '-':
		if len(s) == 1 || s[1] == ' ' {
			return false
		}
	case !startsPlain(s[0]):
		return false
	}
	switch string(s) {
	case "true":
		p.out = append(p.out, "true"...)
		return true
	case "false":
		p.out = append(p.out, "false"...)
		return true
	case "null", "~":
		p.out = append(p.out, "null"...)
		return true
	}
	if isString(s) {
		return p.text8(s)
	}
	return p.number(s)
}

// isString reports whether a plain scalar surely is a string. YAML 1.1 has many words for
// true and false and many ways to write numbers.
func isString(s []byte) bool {
	switch c := s[0]; {
	case c >= '0' && c <= '9':
		if isUID(s) {
			return true
		}
		// A letter that no number has, or a second dot, colon or dash between digits.
		dots, minus := 0, false
		hash, only := false, s[0] != '0' // digits and letters of a hash, which no decimal number has
		for _, c := range s[1:] {
			letter := c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
			hash = hash || letter && c != 'e' && c != 'E'
			only = only && (letter || c >= '0' && c <= '9')
			switch {
			case c >= '0' && c <= '9':
			case c == '.':
				dots++
			case c == '-', c == ':':
				minus = true
			case c == '_':
				return false
			case letter, c == 'x', c == 'o', c == 'X', c == 'O', c == 'p', c == 'P', c == '+':
			default:
				return true
			}
		}
		return dots > 1 && !minus || hash && only
	case c == '-' || c == '+' || c == '.':
		if len(s) > 1 && (s[1] >= 'a' && s[1] <= 'z' && s[1] != 'i' && s[1] != 'n' || s[1] == '/' || s[1] == '-') {
			return true
		}
		return false
	case c == '~' || c == '=' || c == '<':
		return len(s) > 2
	}
	if len(s) > 5 {
		return true
	}
	switch string(bytes.ToLower(s)) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		return false
	}
	return true
}

// isUID reports whether a scalar is a UID, as every object of a cluster has one. A date or a
// number has no dash where a UID has its first.
func isUID(s []byte) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range s {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (c == '-') || !dash && !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return false
		}
	}
	return true
}

// number writes a decimal number in its usual form.
func (p *parser) number(s []byte) bool {
	digits := s
	if digits[0] == '-' {
		digits = digits[1:]
	}
	if len(digits) == 0 || digits[0] == '0' && len(digits) > 1 && digits[1] != '.' {
		return false
	}
	dot := -1
	for i, c := range digits {
		switch {
		case c >= '0' && c <= '9':
		case c == '.' && dot < 0 && i > 0 && i+1 < len(digits):
			dot = i
		default:
			return false
		}
	}
	if len(digits) > 15 {
		return false
	}
	if dot < 0 {
		if string(s) == "-0" {
			return false
		}
		p.out = append(p.out, s...)
		return true
	}
	f, err := strconv.ParseFloat(string(s), 64)
	if err != nil || f != 0 && math.Abs(f) < 1e-6 || math.Signbit(f) && f == 0 {
		return false
	}
	p.out = strconv.AppendFloat(p.out, f, 'f', -1, 64)
	return true
}

// flow reads a collection in braces or brackets on one line and returns the offset behind it.
func (p *parser) flow(at int) (end int, ok bool) {
	if p.depth++; p.depth > maxDepth {
		return 0, false
	}
	open := p.text[at]
	shut, isMap := byte(']'), open == '{'
	if isMap {
		shut = '}'
	}
	p.out = append(p.out, open)
	opened := len(p.keys)
	var seen map[string]bool
	at = p.skip(at + 1)
	for first := true; ; first = false {
		switch {
		case at >= p.end:
			return 0, false
		case p.text[at] == shut && first:
			p.out = append(p.out, shut)
			p.depth--
			return at + 1, true
		}
		if isMap {
			p.at = at
			colon, ok := p.flowKey(&seen, opened)
			if !ok {
				return 0, false
			}
			p.out = append(p.out, ':')
			at = p.skip(colon + 1)
		}
		if at, ok = p.flowValue(at); !ok {
			return 0, false
		}
		at = p.skip(at)
		switch {
		case at >= p.end:
			return 0, false
		case p.text[at] == shut:
			p.keys = p.keys[:opened]
			p.out = append(p.out, shut)
			p.depth--
			return at + 1, true
		case p.text[at] != ',':
			return 0, false
		}
		p.out = append(p.out, ',')
		at = p.skip(at + 1)
	}
}

// flowKey writes the key at the token, which must be before a colon and a space.
func (p *parser) flowKey(seen *map[string]bool, opened int) (colon int, ok bool) {
	if c := p.text[p.at]; c != '"' && c != '\'' {
		for i := p.at; i < p.end; i++ {
			switch p.text[i] {
			case ',', '{', '}', '[', ']', '?', '#', '"', '\'':
				return 0, false
			case ':':
				colon, ok = p.key(seen, opened)
				return colon, ok && colon == i && colon+1 < p.end
			}
		}
		return 0, false
	}
	colon, ok = p.key(seen, opened)
	return colon, ok && colon+1 < p.end
}

func (p *parser) flowValue(at int) (end int, ok bool) {
	if at >= p.end {
		return 0, false
	}
	switch p.text[at] {
	case '{', '[':
		return p.flow(at)
	case '"', '\'':
		end = p.closing(at)
		return end, end >= 0 && p.quoted(at, end)
	}
	for end = at; end < p.end; end++ {
		switch p.text[end] {
		case ',', ']', '}':
			return end, end > at && p.plain(p.text[at:trimEnd(p.text, at, end)])
		case '{', '[', ':', '?', '#', '"', '\'', '&', '*', '!':
			return 0, false
		}
	}
	return 0, false
}

func (p *parser) skip(at int) int {
	for at < p.end && p.text[at] == ' ' {
		at++
	}
	return at
}

// literal reads a block scalar that keeps its lines. Its header is "|", "|-" or "|+".
func (p *parser) literal(column int) bool {
	at, chomp := p.at+1, byte(0)
	if at < p.end && (p.text[at] == '-' || p.text[at] == '+') {
		chomp = p.text[at]
		at++
	}
	if !p.nothingBehind(at) {
		return false
	}
	p.out = append(p.out, '"')
	indent, pending, some := -1, 0, false
	at = p.following
	for at < len(p.text) {
		end, following := len(p.text), len(p.text)
		broken := false
		if n := bytes.IndexByte(p.text[at:], '\n'); n >= 0 {
			end, following, broken = at+n, at+n+1, true
		}
		if end > at && broken && p.text[end-1] == '\r' {
			end--
		}
		text := at
		for text < end && p.text[text] == ' ' {
			text++
		}
		if text == end && (indent < 0 || text-at <= indent) {
			if indent < 0 && text-at > 0 {
				return false // white space before the first line can set the indentation
			}
			if !broken {
				if text > at {
					return false
				}
				at = following
				break
			}
			pending++
			at = following
			continue
		}
		if indent < 0 {
			if text-at <= column || text < end && p.text[text] == '\t' {
				break
			}
			indent = text - at
		}
		if text-at < indent {
			if text-at > column || text < end && p.text[text] == '\t' {
				return false // between the two: not valid, or a comment
			}
			break
		}
		for ; pending > 0; pending-- {
			p.out = append(p.out, `\n`...)
		}
		if !p.escape(p.text[at+indent : end]) {
			return false
		}
		some = true
		if broken {
			pending = 1
		}
		at = following
	}
	switch {
	case chomp == '-' || !some && chomp == 0:
		pending = 0
	case chomp == 0:
		pending = min(pending, 1)
	}
	for ; pending > 0; pending-- {
		p.out = append(p.out, `\n`...)
	}
	p.out = append(p.out, '"')
	p.following = at
	return p.next()
}

// quoted writes a quoted scalar that lies between two offsets.
func (p *parser) quoted(from, to int) bool {
	s := p.text[from+1 : to-1]
	if p.text[from] == '\'' {
		if bytes.IndexByte(s, '\'') < 0 {
			return p.text8(s)
		}
		return p.text8(bytes.ReplaceAll(s, []byte("''"), []byte("'")))
	}
	p.out = append(p.out, '"')
	for {
		i := bytes.IndexByte(s, '\\')
		if i < 0 {
			break
		}
		if !p.escape(s[:i]) || i+1 >= len(s) {
			return false
		}
		switch s[i+1] {
		case '"':
			p.out = append(p.out, `\"`...)
		case '\\':
			p.out = append(p.out, `\\`...)
		case 'n':
			p.out = append(p.out, `\n`...)
		case 't':
			p.out = append(p.out, `\t`...)
		case 'r':
			p.out = append(p.out, `\r`...)
		default:
			return false
		}
		s = s[i+2:]
	}
	if !p.escape(s) {
		return false
	}
	p.out = append(p.out, '"')
	return true
}

// text8 writes a JSON string.
func (p *parser) text8(s []byte) bool {
	p.out = append(p.out, '"')
	if !p.escape(s) {
		return false
	}
	p.out = append(p.out, '"')
	return true
}

// escape writes text inside of a JSON string. It returns false for characters that YAML
// does not print or takes for a line's end.
func (p *parser) escape(s []byte) bool {
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRune(s[i:])
			if !printable(r, n) {
				return false
			}
			i += n
			continue
		case c == '"' || c == '\\':
			p.out = append(append(p.out, s[from:i]...), '\\', c)
			from = i + 1
		case c == '\t':
			p.out = append(append(p.out, s[from:i]...), '\\', 't')
			from = i + 1
		case c < ' ' || c == 0x7f:
			return false
		}
		i++
	}
	p.out = append(p.out, s[from:]...)
	return true
}

// plainText reports whether text that is passed over has only characters that YAML allows.
func plainText(s []byte) bool {
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRune(s[i:])
			if !printable(r, n) {
				return false
			}
			i += n
			continue
		case c < ' ' && c != '\t' || c == 0x7f:
			return false
		}
		i++
	}
	return true
}

// printable reports whether a character outside ASCII is part of a line.
func printable(r rune, size int) bool {
	switch {
	case r == utf8.RuneError && size == 1:
		return false
	case r < 0xA0, r == 0x2028, r == 0x2029, r == 0xFEFF, r >= 0xE000 && r < 0xF900, r >= 0xFFFE:
		return false
	}
	return true
}
