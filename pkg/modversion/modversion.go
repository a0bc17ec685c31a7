// Package modversion compares versions of language ecosystems: Semantic Versioning 2.0
// (npm, Go), PEP 440 (Python) and RubyGems. It does no I/O.
//
// Each function returns -1, 0 or +1 as a is older than, equal to or newer than b; known
// is false, and order 0, if one of them is no version of the ecosystem.
package modversion

import (
	"cmp"
	"strings"
)

// maxLength bounds a version, bytes. Nobody writes longer ones.
const maxLength = 256

// number compares two numbers of any length: decimal digits, "" for 0.
func number(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// digits splits off leading digits.
func digits(s string) (number, rest string) {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return s[:n], s[n:]
}
