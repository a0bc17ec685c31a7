package rootfs

import (
	"strings"
	"unicode/utf8"
)

// Text prepares bytes of a node (a path, a comm, a link's text) for a fact:
// valid UTF-8, with every other byte written as \xNN in lower case. Control
// characters stay: they are valid, and escaped where they are printed. A
// backslash stays too, because names with a literal \x2d are common (systemd).
func Text[T string | []byte](raw T) string {
	text := string(raw)
	if utf8.ValidString(text) {
		return text
	}
	const hex = "0123456789abcdef"
	var b strings.Builder
	b.Grow(len(text) + 16)
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && size == 1 {
			c := text[i]
			b.WriteString(`\x`)
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		} else {
			b.WriteString(text[i : i+size])
		}
		i += size
	}
	return b.String()
}

// Excerpt cuts text of a file to what fits into an error message.
func Excerpt[T string | []byte](text T) string {
	const limit = 60
	if len(text) > limit {
		return string(text[:limit]) + "…"
	}
	return string(text)
}
