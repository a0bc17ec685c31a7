package modversion

import (
	"cmp"
	"strings"
)

// pep440 is a version of PEP 440: [N!]N(.N)*[{a|b|rc}N][.postN][.devN][+LOCAL].
type pep440 struct {
	epoch    string
	release  []string
	pre      byte // 'a', 'b' or 'r'; 0 without one
	preN     string
	post     bool
	postN    string
	dev      bool
	devN     string
	local    []string
	hasLocal bool
}

// PEP440 compares versions of Python packages
// (https://packaging.python.org/en/latest/specifications/version-specifiers/).
func PEP440(a, b string) (order int, known bool) {
	x, ok := parsePEP440(a)
	y, also := parsePEP440(b)
	if !ok || !also {
		return 0, false
	}
	return cmp.Or(
		number(x.epoch, y.epoch),
		numbers(x.release, y.release),
		cmp.Compare(x.stage(), y.stage()), number(x.preN, y.preN),
		flag(x.post, y.post), number(x.postN, y.postN),
		-flag(x.dev, y.dev), number(x.devN, y.devN),
		flag(x.hasLocal, y.hasLocal), locals(x.local, y.local),
	), true
}

// stage is the place of a version before its release: a development release of it
// comes before its pre-releases, and those of a post-release after it.
func (v *pep440) stage() int {
	switch {
	case v.pre == 'a':
		return 1
	case v.pre == 'b':
		return 2
	case v.pre == 'r':
		return 3
	case v.dev && !v.post:
		return 0
	}
	return 4
}

func flag(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// numbers compares lists as if zeros followed the shorter one.
func numbers(a, b []string) int {
	for i := range max(len(a), len(b)) {
		p, q := "", ""
		if i < len(a) {
			p = a[i]
		}
		if i < len(b) {
			q = b[i]
		}
		if order := number(p, q); order != 0 {
			return order
		}
	}
	return 0
}

// locals compares local versions: a number is above a word, and more words are above
// fewer.
func locals(a, b []string) int {
	for i := range min(len(a), len(b)) {
		p, q := isDigits(a[i]), isDigits(b[i])
		order := flag(p, q)
		switch {
		case p && q:
			order = number(a[i], b[i])
		case !p && !q:
			order = strings.Compare(a[i], b[i])
		}
		if order != 0 {
			return order
		}
	}
	return cmp.Compare(len(a), len(b))
}

// stages are the words for what comes before a release, longest first.
var stages = []struct {
	word  string
	stage byte
}{{"preview", 'r'}, {"alpha", 'a'}, {"beta", 'b'}, {"pre", 'r'}, {"rc", 'r'}, {"a", 'a'}, {"b", 'b'}, {"c", 'r'}}

func parsePEP440(text string) (v pep440, ok bool) {
	if len(text) > maxLength {
		return v, false
	}
	text = strings.ToLower(strings.TrimSpace(text))
	text = strings.TrimPrefix(text, "v")
	text, local, hasLocal := strings.Cut(text, "+")
	if hasLocal {
		v.hasLocal, v.local = true, strings.FieldsFunc(local, isSeparator)
		if strings.Trim(local, "0123456789abcdefghijklmnopqrstuvwxyz-_.") != "" || len(v.local) != strings.Count(local, ".")+strings.Count(local, "-")+strings.Count(local, "_")+1 {
			return v, false
		}
	}
	if epoch, rest, found := strings.Cut(text, "!"); found {
		if !isDigits(epoch) {
			return v, false
		}
		v.epoch, text = epoch, rest
	}
	for {
		n, rest := digits(text)
		if n == "" {
			return v, false
		}
		v.release, text = append(v.release, n), rest
		if len(text) < 2 || text[0] != '.' || text[1] < '0' || text[1] > '9' {
			break
		}
		text = text[1:]
	}
	// Each part can have a separator before it, and one before its number.
	part := func(word string) (n string, found bool) {
		rest := strings.TrimLeftFunc(text, isSeparator)
		if len(text)-len(rest) > 1 {
			return "", false
		}
		rest, found = strings.CutPrefix(rest, word)
		if !found {
			return "", false
		}
		if after := strings.TrimLeftFunc(rest, isSeparator); len(rest)-len(after) <= 1 && after != "" && after[0] >= '0' && after[0] <= '9' {
			n, rest = digits(after)
		}
		text = rest
		return n, true
	}
	for _, s := range stages {
		if n, found := part(s.word); found {
			v.pre, v.preN = s.stage, n
			break
		}
	}
	if n, rest := digits(strings.TrimPrefix(text, "-")); n != "" && strings.HasPrefix(text, "-") {
		v.post, v.postN, text = true, n, rest
	} else {
		for _, word := range []string{"post", "rev", "r"} {
			if n, found := part(word); found {
				v.post, v.postN = true, n
				break
			}
		}
	}
	if n, found := part("dev"); found {
		v.dev, v.devN = true, n
	}
	return v, text == ""
}

func isSeparator(r rune) bool { return r == '.' || r == '-' || r == '_' }
