// Package pacmanversion compares versions of Arch's packages,
// [epoch:]version[-release], by the rules of vercmp(8): it is the order of package
// manager pacman (see packages.Manager). It does no I/O and allocates nothing, so
// that checks, which import nothing that reads, share it with the collector.
package pacmanversion

import (
	"cmp"
	"strings"
)

// Compare returns -1, 0 or +1 as a is older than, equal to or newer than b. A
// missing epoch is 0, and a missing release equals every release.
func Compare(a, b string) int {
	if a == b {
		return 0
	}
	epochA, versionA, releaseA, hasA := Split(a)
	epochB, versionB, releaseB, hasB := Split(b)
	if c := part(epochA, epochB); c != 0 {
		return c
	}
	if c := part(versionA, versionB); c != 0 {
		return c
	}
	if !hasA || !hasB {
		return 0
	}
	return part(releaseA, releaseB)
}

// Split cuts at the first colon, if only digits come before it, and at the last
// hyphen after it.
func Split(evr string) (epoch, version, release string, hasRelease bool) {
	epoch = "0"
	if head, tail, found := strings.Cut(evr, ":"); found && strings.Trim(head, "0123456789") == "" {
		evr = tail
		if head != "" {
			epoch = head
		}
	}
	if i := strings.LastIndexByte(evr, '-'); i >= 0 {
		return epoch, evr[:i], evr[i+1:], true
	}
	return epoch, evr, "", false
}

// part compares one epoch, version or release. It goes by runs of digits and runs of
// letters, with other characters between them: the longer such gap is newer. A
// number is newer than a word, and leading zeros do not count. If one side ends
// first, the other one is newer, unless it goes on with a word: 1.0rc < 1.0 < 1.0.1.
//
// Unlike rpm's order, "~" and "^" are separators like any other.
func part(a, b string) int {
	if a == b {
		return 0
	}
	for a != "" && b != "" {
		gapA, gapB := separators(a), separators(b)
		a, b = a[gapA:], b[gapB:]
		if a == "" || b == "" {
			break
		}
		if gapA != gapB {
			return cmp.Compare(gapA, gapB)
		}
		kind := isLetter
		if isDigit(a[0]) {
			kind = isDigit
		}
		var runA, runB string
		runA, a = cutRun(a, kind)
		runB, b = cutRun(b, kind)
		if runB == "" { // runs of different kinds
			if isDigit(runA[0]) {
				return 1
			}
			return -1
		}
		if isDigit(runA[0]) {
			runA, runB = strings.TrimLeft(runA, "0"), strings.TrimLeft(runB, "0")
			if len(runA) != len(runB) {
				return cmp.Compare(len(runA), len(runB))
			}
		}
		if c := strings.Compare(runA, runB); c != 0 {
			return c
		}
	}
	switch {
	case a == "" && b == "":
		return 0
	case a == "" && !isLetter(b[0]), a != "" && isLetter(a[0]):
		return -1
	}
	return 1
}

// separators counts the characters before the first digit or letter.
func separators(s string) int {
	n := 0
	for n < len(s) && !isDigit(s[n]) && !isLetter(s[n]) {
		n++
	}
	return n
}

func cutRun(s string, kind func(byte) bool) (run, rest string) {
	i := 0
	for i < len(s) && kind(s[i]) {
		i++
	}
	return s[:i], s[i:]
}

func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
