// Package escape makes untrusted text (from a node, a server or a file) safe to print.
// It imports only the standard library, so that the probe can use it too.
package escape

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line makes untrusted text safe for a terminal and for one line. The result is valid
// UTF-8, with ESC as "^[" and each white space character as a space. Characters that are
// invisible, or that make a line look like another one (bidirectional and zero-width
// characters, line separators), become U+FFFD. So do characters of private use, which each font
// shows in another way, and noncharacters, which neither XML nor YAML can hold. A command that a
// pipeline would take from its log becomes text (see commands).
func Line(text string) string { return commands(visible(text)) }

// commands makes text of what pipelines obey in the log of a job: "##vso[task.setvariable ...]"
// (Azure Pipelines), "##[error]" (GitHub, Azure) and "##teamcity[...]" anywhere in a line, and
// "::set-output name=x::" (GitHub) at its start. One character becomes U+FFFD. A start like that of
// an IPv6 address ("::1", "::ffff:192.0.2.1") is no command: that has another "::" after a word.
func commands(text string) string {
	const mark, letters = string(utf8.RuneError), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	if start := strings.TrimLeftFunc(text, unicode.IsSpace); strings.HasPrefix(start, "::") {
		word := strings.TrimLeft(start[2:], letters+"-_")
		if len(word) < len(start)-2 && strings.Contains(word, "::") {
			text = text[:len(text)-len(start)] + mark + start[1:]
		}
	}
	at := strings.Index(text, "##")
	if at < 0 {
		return text
	}
	var b strings.Builder
	for ; at >= 0; at = strings.Index(text, "##") {
		b.WriteString(text[:at+1])
		text = text[at+1:]
		if strings.HasPrefix(strings.TrimLeft(text[1:], letters), "[") {
			b.WriteString(mark)
			text = text[1:]
		}
	}
	return b.String() + text
}

// visible is Line, but for commands.
func visible(text string) string {
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
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Noncharacter_Code_Point,
			unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector): // fillers and selectors: not seen either
			b.WriteRune(utf8.RuneError)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// enough returns a start of the text that is longer than limit, however it is escaped and whatever
// white space is taken away: a text of a file can be very long.
func enough(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	seen := 0
	for i, r := range text {
		switch {
		case seen > limit:
			return text[:i] // its last character is not white space
		case !unicode.IsSpace(r):
			seen++
		}
	}
	return text
}

// Bounded returns a Line of at most limit bytes, without white space around it.
func Bounded(text string, limit int) string {
	text = strings.TrimSpace(Line(enough(text, limit)))
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}

// Short returns a Line of at most limit bytes, with single spaces between words. Dots
// mark where it was cut.
func Short(text string, limit int) string {
	text = Line(strings.Join(strings.Fields(enough(text, limit)), " "))
	if cut := Bounded(text, limit); cut != text {
		return cut + " ..."
	}
	return text
}
