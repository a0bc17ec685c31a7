// Package escape makes text of others (a node's, a server's, a file's) safe to
// print. It imports nothing but the standard library, so that the probe can use it
// too.
package escape

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line makes untrusted text safe for a terminal and for one line: valid UTF-8, ESC
// as "^[", white space as one space each. Characters that are not seen, or that
// make a line read as another (bidirectional and zero-width ones, line separators),
// are shown as U+FFFD.
func Line(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\x1b':
			b.WriteString("^[")
		case r == '\n' || r == '\r' || r == '\t':
			b.WriteByte(' ')
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp):
			b.WriteRune(utf8.RuneError)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Bounded is a Line of at most limit bytes, without white space around it.
func Bounded(text string, limit int) string {
	text = strings.TrimSpace(Line(text))
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}

// Short is a Line of at most limit bytes, with single spaces between words and dots
// where it was cut.
func Short(text string, limit int) string {
	text = Line(strings.Join(strings.Fields(text), " "))
	if cut := Bounded(text, limit); cut != text {
		return cut + " ..."
	}
	return text
}
