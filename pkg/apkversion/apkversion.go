// Package apkversion compares versions of Alpine's packages by the rules of
// apk-package(5): it is the order of package manager apk (see packages.Manager). It
// does no I/O, so that checks, which import nothing that reads, share it with the
// collector.
//
//	number{.number}...{letter}{_suffix{number}}...{~hash}{-r#}
//
// The suffixes, in their order, are alpha, beta, pre, rc, (none), cvs, svn, git, hg
// and p. Two numbers after a point are compared as text if one of them starts with a
// zero: 1.010 is older than 1.09.
package apkversion

import (
	"cmp"
	"strings"
)

// kind is the kind of one piece of a version. Where two versions differ in the kind
// of their pieces, the lower kind is newer.
type kind int

const (
	start kind = iota // the first number
	number
	letter
	suffix
	suffixNumber
	hash
	revision
	end
	invalid
)

// suffixes are the known ones in their order, with their rank; below 0 are those
// before the version without a suffix.
var suffixes = map[string]int{
	"alpha": -4, "beta": -3, "pre": -2, "rc": -1, "cvs": 1, "svn": 2, "git": 3, "hg": 4, "p": 5,
}

// piece is one piece of a version: the text without what introduces it.
type piece struct {
	kind kind
	text string
}

// Valid reports whether a text is a version. What is not has no place in the order.
func Valid(version string) bool {
	p, rest := first(version)
	for p.kind < end {
		p, rest = next(p, rest)
	}
	return p.kind == end
}

// Compare returns -1, 0 or +1 as a is older than, equal to or newer than b; known is
// false, and order 0, if one of them is not a version.
func Compare(a, b string) (order int, known bool) {
	if !Valid(a) || !Valid(b) {
		return 0, false
	}
	pa, a := first(a)
	pb, b := first(b)
	for pa.kind == pb.kind && pa.kind < end {
		if c := compare(pa, pb); c != 0 {
			return c, true
		}
		pa, a = next(pa, a)
		pb, b = next(pb, b)
	}
	switch {
	case pa.kind == pb.kind:
		return 0, true
	case pa.kind == suffix && suffixes[pa.text] < 0:
		return -1, true
	case pb.kind == suffix && suffixes[pb.text] < 0:
		return 1, true
	case pa.kind > pb.kind:
		return -1, true
	}
	return 1, true
}

// Matches reports whether version starts with the pieces of prefix: 1.6.3-r0 does
// with 1.6, and not with 1.60 (operator ~ of apk-world(5)).
func Matches(version, prefix string) bool {
	if !Valid(version) || !Valid(prefix) {
		return false
	}
	pv, version := first(version)
	pp, prefix := first(prefix)
	for pv.kind == pp.kind && pp.kind < end {
		if compare(pv, pp) != 0 {
			return false
		}
		pv, version = next(pv, version)
		pp, prefix = next(pp, prefix)
	}
	return pp.kind == end
}

// compare orders two pieces of the same kind.
func compare(a, b piece) int {
	switch a.kind {
	case suffix:
		return cmp.Compare(suffixes[a.text], suffixes[b.text])
	case letter, hash:
		return strings.Compare(a.text, b.text)
	case number:
		if a.text[0] == '0' || b.text[0] == '0' {
			return strings.Compare(a.text, b.text)
		}
	}
	na, nb := strings.TrimLeft(a.text, "0"), strings.TrimLeft(b.text, "0")
	if len(na) != len(nb) {
		return cmp.Compare(len(na), len(nb))
	}
	return strings.Compare(na, nb)
}

// first cuts the first number off.
func first(version string) (piece, string) {
	text, rest := run(version, isDigit)
	if text == "" {
		return piece{kind: invalid}, ""
	}
	return piece{start, text}, rest
}

// next cuts the piece after p off.
func next(p piece, s string) (piece, string) {
	if s == "" {
		return piece{kind: end}, ""
	}
	out := piece{kind: invalid}
	rest := s[1:]
	switch c := s[0]; {
	case 'a' <= c && c <= 'z' && p.kind <= number:
		return piece{letter, s[:1]}, rest
	case c == '.' && p.kind <= number:
		out.kind = number
		out.text, rest = run(rest, isDigit)
	case c == '_' && p.kind <= suffixNumber:
		out.kind = suffix
		out.text, rest = run(rest, isLower)
		if _, known := suffixes[out.text]; !known {
			out.text = ""
		}
	case isDigit(c) && p.kind == suffix:
		out.kind = suffixNumber
		out.text, rest = run(s, isDigit)
	case c == '~' && p.kind < hash:
		out.kind = hash
		out.text, rest = run(rest, isHex)
	case strings.HasPrefix(s, "-r") && p.kind < revision:
		out.kind = revision
		out.text, rest = run(s[2:], isDigit)
	}
	if out.text == "" {
		return piece{kind: invalid}, ""
	}
	return out, rest
}

func run(s string, is func(byte) bool) (text, rest string) {
	i := 0
	for i < len(s) && is(s[i]) {
		i++
	}
	return s[:i], s[i:]
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isHex(c byte) bool   { return isDigit(c) || 'a' <= c && c <= 'f' }
