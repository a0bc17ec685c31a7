// Package debversion compares Debian version numbers, [epoch:]upstream[-revision],
// as deb-version(7) and dpkg do: it is the order of package manager apt (see
// packages.Manager). It does no I/O and allocates nothing, so checks, which
// import nothing that reads, can share it with the collector. It also orders
// kernel releases of one flavour correctly ("6.1.0-9", "6.1.0-10"), because
// they have the same shape.
package debversion

import (
	"cmp"
	"strings"
)

// Compare returns -1, 0 or +1 as a is older than, equal to or newer than b.
// Every text has a place in the order, even one that dpkg would refuse: an
// epoch that is not a number is part of the upstream version.
func Compare(a, b string) int {
	epochA, upstreamA, revisionA := split(a)
	epochB, upstreamB, revisionB := split(b)
	if c := compareNumbers(epochA, epochB); c != 0 {
		return c
	}
	if c := compareParts(upstreamA, upstreamB); c != 0 {
		return c
	}
	return compareParts(revisionA, revisionB)
}

// Less reports whether a is older than b.
func Less(a, b string) bool { return Compare(a, b) < 0 }

// Upstream returns the version without its epoch and revision.
func Upstream(version string) string {
	_, upstream, _ := split(version)
	return upstream
}

// split cuts at the first colon and the last hyphen. A missing epoch or
// revision is "", which compares equal to "0".
func split(version string) (epoch, upstream, revision string) {
	if head, tail, found := strings.Cut(version, ":"); found && isNumber(head) {
		epoch, version = head, tail
	}
	if i := strings.LastIndexByte(version, '-'); i >= 0 {
		return epoch, version[:i], version[i+1:]
	}
	return epoch, version, ""
}

func isNumber(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// weight orders the characters of a run of non-digits: the tilde sorts before
// the end of the run, letters before everything else.
func weight(c byte) int {
	switch {
	case c == '~':
		return -1
	case isLetter(c):
		return int(c)
	default:
		return int(c) + 256
	}
}

// compareParts compares two upstream versions or revisions: alternately a run
// of non-digits by weight and a run of digits as a number of any length.
func compareParts(a, b string) int {
	for a != "" || b != "" {
		var textA, textB, numberA, numberB string
		textA, numberA, a = cutRuns(a)
		textB, numberB, b = cutRuns(b)
		for i := 0; i < len(textA) || i < len(textB); i++ {
			var weightA, weightB int // 0 is the end of the run
			if i < len(textA) {
				weightA = weight(textA[i])
			}
			if i < len(textB) {
				weightB = weight(textB[i])
			}
			if weightA != weightB {
				return cmp.Compare(weightA, weightB)
			}
		}
		if c := compareNumbers(numberA, numberB); c != 0 {
			return c
		}
	}
	return 0
}

// cutRuns cuts a leading run of non-digits and the digits after it.
func cutRuns(s string) (text, number, rest string) {
	i := 0
	for i < len(s) && !isDigit(s[i]) {
		i++
	}
	j := i
	for j < len(s) && isDigit(s[j]) {
		j++
	}
	return s[:i], s[i:j], s[j:]
}

// compareNumbers compares decimal numbers of any length; "" is 0.
func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return cmp.Compare(len(a), len(b))
	}
	return strings.Compare(a, b)
}
