// Package rpmversion compares RPM versions, [epoch:]version[-release], as
// rpm-version(7) and rpm's rpmvercmp.c do: it is the order of package manager rpm
// (see packages.Manager). It does no I/O and allocates nothing, so that checks,
// which import nothing that reads, share it with the collector.
package rpmversion

import (
	"cmp"
	"strings"
)

// Compare returns -1, 0 or +1 as a is older than, equal to or newer than b.
// Every text has a place in the order. A missing epoch is 0.
func Compare(a, b string) int {
	epochA, versionA, releaseA := Split(a)
	epochB, versionB, releaseB := Split(b)
	if c := Part(zero(epochA), zero(epochB)); c != 0 {
		return c
	}
	if c := Part(versionA, versionB); c != 0 {
		return c
	}
	return Part(releaseA, releaseB)
}

// Split cuts at the first colon, if only digits come before it, and at the last
// hyphen.
func Split(evr string) (epoch, version, release string) {
	if head, tail, found := strings.Cut(evr, ":"); found && strings.Trim(head, "0123456789") == "" {
		epoch, evr = head, tail
	}
	if i := strings.LastIndexByte(evr, '-'); i >= 0 {
		return epoch, evr[:i], evr[i+1:]
	}
	return epoch, evr, ""
}

func zero(epoch string) string {
	if epoch == "" {
		return "0"
	}
	return epoch
}

// Part compares one version or one release (rpmvercmp). It goes by runs of digits
// and runs of letters; other characters only separate them. A run of digits is
// newer than one of letters. A tilde is older than the end, a caret newer than the
// end and older than anything else.
func Part(a, b string) int {
	for {
		a, b = skipSeparators(a), skipSeparators(b)
		if starts(a, '~') || starts(b, '~') {
			switch {
			case !starts(a, '~'):
				return 1
			case !starts(b, '~'):
				return -1
			}
			a, b = a[1:], b[1:]
			continue
		}
		if starts(a, '^') || starts(b, '^') {
			switch {
			case a == "":
				return -1
			case b == "":
				return 1
			case !starts(a, '^'):
				return 1
			case !starts(b, '^'):
				return -1
			}
			a, b = a[1:], b[1:]
			continue
		}
		switch {
		case a == "" && b == "":
			return 0
		case a == "":
			return -1
		case b == "":
			return 1
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
}

func starts(s string, c byte) bool { return s != "" && s[0] == c }

func skipSeparators(s string) string {
	for s != "" && !isDigit(s[0]) && !isLetter(s[0]) && s[0] != '~' && s[0] != '^' {
		s = s[1:]
	}
	return s
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
