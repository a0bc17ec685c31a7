package modversion

import "strings"

// Gem compares versions as RubyGems does (Gem::Version): pieces of digits and pieces of
// letters, where a word is before any number: 1.0.a < 1.0 < 1.0.1.
func Gem(a, b string) (order int, known bool) {
	x, ok := parseGem(a)
	y, also := parseGem(b)
	if !ok || !also {
		return 0, false
	}
	for i := range max(len(x), len(y)) {
		p, q := "0", "0"
		if i < len(x) {
			p = x[i]
		}
		if i < len(y) {
			q = y[i]
		}
		switch pn, qn := isDigits(p), isDigits(q); {
		case pn && qn:
			order = number(p, q)
		case pn:
			order = 1
		case qn:
			order = -1
		default:
			order = strings.Compare(p, q)
		}
		if order != 0 {
			return order, true
		}
	}
	return 0, true
}

// parseGem splits a version into its pieces, without the zeros at the end of its
// numbers, and of what follows its first word.
func parseGem(text string) (pieces []string, ok bool) {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > maxLength || text[0] < '0' || text[0] > '9' {
		return nil, false
	}
	text = strings.ReplaceAll(text, "-", ".pre.")
	word := -1 // the first one
	for part := range strings.SplitSeq(text, ".") {
		if part == "" {
			return nil, false
		}
		for part != "" {
			piece, rest := digits(part)
			if piece == "" {
				n := 0
				for n < len(part) && ('a' <= part[n] && part[n] <= 'z' || 'A' <= part[n] && part[n] <= 'Z') {
					n++
				}
				if n == 0 {
					return nil, false
				}
				piece, rest = part[:n], part[n:]
				if word < 0 {
					pieces = withoutZeros(pieces)
					word = len(pieces)
				}
			}
			pieces, part = append(pieces, piece), rest
		}
	}
	return withoutZeros(pieces), true
}

func withoutZeros(pieces []string) []string {
	for len(pieces) > 0 && strings.Trim(pieces[len(pieces)-1], "0") == "" {
		pieces = pieces[:len(pieces)-1]
	}
	return pieces
}
