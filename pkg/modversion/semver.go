package modversion

import "strings"

// semver is a version of Semantic Versioning: three numbers, and what comes before the
// release. Build metadata has no place in the order.
type semver struct {
	numbers    [3]string
	prerelease []string
}

// Semver compares by Semantic Versioning (https://semver.org). Fewer than three numbers
// are taken as if zeros followed, and a leading v is left out, as Go and npm write it.
func Semver(a, b string) (order int, known bool) {
	x, ok := parseSemver(a)
	y, also := parseSemver(b)
	if !ok || !also {
		return 0, false
	}
	for i := range x.numbers {
		if order := number(x.numbers[i], y.numbers[i]); order != 0 {
			return order, true
		}
	}
	switch {
	case len(x.prerelease) == 0 && len(y.prerelease) == 0:
		return 0, true
	case len(x.prerelease) == 0:
		return 1, true
	case len(y.prerelease) == 0:
		return -1, true
	}
	for i := range min(len(x.prerelease), len(y.prerelease)) {
		p, q := x.prerelease[i], y.prerelease[i]
		switch pn, qn := isDigits(p), isDigits(q); {
		case pn && qn:
			order = number(p, q)
		case pn:
			order = -1
		case qn:
			order = 1
		default:
			order = strings.Compare(p, q)
		}
		if order != 0 {
			return order, true
		}
	}
	switch {
	case len(x.prerelease) < len(y.prerelease):
		return -1, true
	case len(x.prerelease) > len(y.prerelease):
		return 1, true
	}
	return 0, true
}

func parseSemver(text string) (v semver, ok bool) {
	if len(text) > maxLength {
		return v, false
	}
	text = strings.TrimPrefix(text, "v")
	text, build, hasBuild := strings.Cut(text, "+")
	if hasBuild && !identifiers(build) {
		return v, false
	}
	text, prerelease, hasPrerelease := strings.Cut(text, "-")
	if hasPrerelease {
		if !identifiers(prerelease) {
			return v, false
		}
		v.prerelease = strings.Split(prerelease, ".")
	}
	words := strings.Split(text, ".")
	if len(words) > len(v.numbers) {
		return v, false
	}
	for i, word := range words {
		if !isDigits(word) {
			return v, false
		}
		v.numbers[i] = word
	}
	return v, true
}

// identifiers reports whether a text is identifiers with points between them.
func identifiers(text string) bool {
	for word := range strings.SplitSeq(text, ".") {
		if word == "" {
			return false
		}
		for i := range len(word) {
			switch c := word[i]; {
			case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '-':
			default:
				return false
			}
		}
	}
	return true
}

// Go turns a version of Go itself, as a program has it (go1.21rc1), into the one that
// the Go vulnerability database writes (1.21.0-rc.1); "" if it is no release.
func Go(toolchain string) string {
	text, found := strings.CutPrefix(toolchain, "go")
	text, _, _ = strings.Cut(text, " ") // experiments: "go1.21.3 X:boringcrypto"
	text, _, _ = strings.Cut(text, "-") // a distributor's: "go1.21.3-bigcorp"
	if !found {
		return ""
	}
	words := []string{"0", "0", "0"}
	for i := range words {
		number, rest := digits(text)
		if number == "" {
			return ""
		}
		words[i] = number
		if rest == "" {
			return strings.Join(words, ".")
		}
		if rest[0] != '.' {
			for _, kind := range []string{"beta", "rc"} {
				if n, found := strings.CutPrefix(rest, kind); found && isDigits(n) {
					return strings.Join(words, ".") + "-" + kind + "." + n
				}
			}
			return ""
		}
		text = rest[1:]
	}
	return ""
}
