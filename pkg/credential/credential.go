// Package credential finds credentials in text: passwords, tokens and keys, by the
// forms that their issuers define, and by random values under telling names.
//
// It says which rule matched, and nothing about the match: not the text, its length,
// or a hash. It finds known forms only. That nothing is found does not show that there
// is nothing.
//
// Time is linear in the text, and nothing of the text is copied. The probe runs it on the
// environment of processes, so it is small: no regexp, no net/url.
package credential

import "bytes"

// Find returns the rules by which the text holds credentials, each once, in the order
// of Rules. Name is what the text is called: the key of a ConfigMap, or a variable. ""
// is no name.
func Find(name string, text []byte) []Rule {
	s := scan{text: text}
	s.named(name)
	s.run()
	if s.found == 0 {
		return nil
	}
	var out []Rule
	for i := range rules {
		if s.has(i) {
			out = append(out, rules[i])
		}
	}
	return out
}

// IDs returns the rules' IDs.
func IDs(found []Rule) []string {
	var ids []string
	for _, r := range found {
		ids = append(ids, r.ID)
	}
	return ids
}

// scan is one search.
type scan struct {
	text  []byte
	found uint64 // a bit for each rule
	// past is the end of the last name that was looked at, so that each is looked at
	// once.
	past int
	// auths says whether the text has the word "auths" of a Docker configuration.
	auths answer
	// sealed says whether it has an object of Sealed Secrets.
	sealed answer
}

// answer is something that is looked up when it is first needed.
type answer uint8

const (
	notAsked answer = iota
	no
	yes
)

func (s *scan) has(rule int) bool { return s.found&(1<<rule) != 0 }

// run looks at every place where an anchor may begin.
func (s *scan) run() {
	text := s.text
	for i := 0; i+1 < len(text); i++ {
		first := starts[uint16(text[i])<<8|uint16(text[i+1])]
		if first == 0 {
			continue
		}
		for at := first &^ stemBit; at != 0; at = anchors[at].next {
			a := &anchors[at]
			if !s.has(a.rule) && s.hasAt(i, a.text) && a.match(s, i, i+len(a.text)) {
				s.found |= 1 << a.rule
			}
		}
		if first&stemBit != 0 {
			s.assignment(i)
		}
	}
}

// named looks at the whole text as the value of a name.
func (s *scan) named(name string) {
	if name == "" || len(name) > maxName {
		return
	}
	value := bytes.TrimSpace(s.text)
	if n := len(value); n > 1 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
		value = value[1 : n-1]
	}
	s.judge([]byte(name), value, true)
}

// judge looks at a value under a name.
func (s *scan) judge(name, value []byte, quoted bool) {
	if len(value) > maxValue {
		value = value[:maxValue]
	}
	kind := tells(name)
	if kind == tellsNothing || !looksRandom(value, kind, quoted) || s.isSealed(value) {
		return
	}
	if kind == tellsAWSSecret && len(value) == 40 && all(value, base64Class) {
		s.found |= 1 << awsSecretRule
		return
	}
	s.found |= 1 << tellingRule
}

// isSealed reports a value that kubeseal has encrypted, in the text of a SealedSecret. It
// begins with the length of an encrypted key, of 512 or 256 bytes.
func (s *scan) isSealed(value []byte) bool {
	value = bytes.TrimRight(value, "=")
	if len(value) < 64 || !bytes.HasPrefix(value, []byte("Ag")) && !bytes.HasPrefix(value, []byte("AQ")) || !all(value, base64Class) {
		return false
	}
	if s.sealed == notAsked {
		s.sealed = no
		if bytes.Contains(s.text, []byte("SealedSecret")) && bytes.Contains(s.text, []byte("encryptedData")) {
			s.sealed = yes
		}
	}
	return s.sealed == yes
}

var (
	tellingRule   = number(TellingName)
	awsSecretRule = number(awsSecretKey)
	httpAuthRule  = number(httpAuth)
)

// Classes of bytes.
const (
	digitClass uint8 = 1 << iota
	lowerClass
	upperClass
	hexClass    // 0-9 a-f
	base64Class // A-Z a-z 0-9 + /
	urlClass    // A-Z a-z 0-9 - _
	wordClass   // A-Z a-z 0-9 _
	nameClass   // A-Z a-z 0-9 _ - . /
)

const alnumClass = digitClass | lowerClass | upperClass

var classes = func() (of [256]uint8) {
	for b := range 256 {
		c := byte(b)
		switch {
		case c >= '0' && c <= '9':
			of[b] = digitClass | hexClass | base64Class | urlClass | wordClass | nameClass
		case c >= 'a' && c <= 'z':
			of[b] = lowerClass | base64Class | urlClass | wordClass | nameClass
			if c <= 'f' {
				of[b] |= hexClass
			}
		case c >= 'A' && c <= 'Z':
			of[b] = upperClass | base64Class | urlClass | wordClass | nameClass
		case c == '+':
			of[b] = base64Class
		case c == '/':
			of[b] = base64Class | nameClass
		case c == '-':
			of[b] = urlClass | nameClass
		case c == '_':
			of[b] = urlClass | wordClass | nameClass
		case c == '.':
			of[b] = nameClass
		}
	}
	return of
}()

// is reports whether a byte has one of the classes.
func is(b byte, class uint8) bool { return classes[b]&class != 0 }

func all(text []byte, class uint8) bool {
	for _, b := range text {
		if !is(b, class) {
			return false
		}
	}
	return true
}

// span counts the bytes of a class from a place on, at most so many.
func (s *scan) span(from int, class uint8, most int) int {
	n := 0
	for n < most && from+n < len(s.text) && is(s.text[from+n], class) {
		n++
	}
	return n
}

// spanBack counts them before a place.
func (s *scan) spanBack(before int, class uint8, most int) int {
	n := 0
	for n < most && before-n > 0 && is(s.text[before-n-1], class) {
		n++
	}
	return n
}

// startsWord reports whether no letter, digit or underscore is before a place. An
// escape such as \n in JSON ends a word, too.
func (s *scan) startsWord(at int) bool {
	if at == 0 || !is(s.text[at-1], wordClass) {
		return true
	}
	if at >= 2 && s.text[at-2] == '\\' {
		switch s.text[at-1] {
		case 'n', 'r', 't':
			return true
		}
	}
	return false
}

// endsWord reports whether no byte of the class is at a place.
func (s *scan) endsWord(at int, class uint8) bool { return at >= len(s.text) || !is(s.text[at], class) }
