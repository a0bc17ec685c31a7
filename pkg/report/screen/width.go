// Package screen lays out text for a terminal. It measures the width that a terminal
// shows, cuts texts, wraps them between words and aligns columns. It knows nothing
// about reports. The caller escapes texts: a control character in them would be
// printed.
package screen

import (
	"strings"

	"github.com/rivo/uniseg"
)

// dots mark a cut. They are ASCII, so that a console without UTF-8 shows them too.
const dots = "..."

// Width returns the number of cells that a terminal uses for a text: two for an
// ideograph, one for a letter with all of its accents. Source: Unicode UAX #11 and
// #29, implemented by uniseg.
func Width(text string) int {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return uniseg.StringWidth(text)
		}
	}
	return len(text)
}

// Cut shortens a text to a width and marks the cut with dots. It cuts between words. It
// cuts inside a word only if less than half of the text would be left: then the word
// is a path or another long name.
func Cut(text string, width int) string {
	if Width(text) <= width {
		return text
	}
	if width <= len(dots) {
		return dots[:max(width, 0)]
	}
	head := prefix(text, width-len(dots))
	rest := text[len(head):]
	if space := strings.LastIndexByte(head, ' '); space > len(head)/2 && strings.IndexAny(rest, " ,;:)") != 0 {
		head = head[:space]
	}
	return strings.TrimRight(head, " ,;:(") + dots
}

// CutMiddle shortens a word to a width. Its beginning and its end stay, because
// identifiers differ there.
func CutMiddle(text string, width int) string {
	if Width(text) <= width {
		return text
	}
	room := width - len(dots)
	if room < 2 {
		return Cut(text, width)
	}
	tail := room / 3
	return prefix(text, room-tail) + dots + suffix(text, tail)
}

// prefix returns the longest beginning of whole characters that fits the width.
func prefix(text string, width int) string {
	state, used, end := -1, 0, 0
	for rest := text; rest != ""; {
		cluster, next, w, s := uniseg.FirstGraphemeClusterInString(rest, state)
		if used+w > width {
			break
		}
		used, end, rest, state = used+w, end+len(cluster), next, s
	}
	return text[:end]
}

// suffix returns the longest end of whole characters that fits the width.
func suffix(text string, width int) string {
	state, left, begin := -1, Width(text), 0
	for rest := text; rest != "" && left > width; {
		cluster, next, w, s := uniseg.FirstGraphemeClusterInString(rest, state)
		left, begin, rest, state = left-w, begin+len(cluster), next, s
	}
	return text[begin:]
}

// Wrap breaks a text between words into lines that fit the width. A word that is wider
// than a line is cut in its middle. Wrap returns at least one line.
func Wrap(text string, width int) []string {
	return wrap(text, width, func(word string) string { return CutMiddle(word, width) })
}

// WrapWhole is Wrap for texts that users copy: it never cuts a word, even if the word
// is wider than a line.
func WrapWhole(text string, width int) []string {
	return wrap(text, width, func(word string) string { return word })
}

func wrap(text string, width int, fit func(string) string) []string {
	lines, used := []string{""}, 0
	for _, word := range strings.Fields(text) {
		word = fit(word)
		w := Width(word)
		switch {
		case lines[len(lines)-1] == "":
			lines[len(lines)-1], used = word, w
		case used+1+w > width:
			lines, used = append(lines, word), w
		default:
			lines[len(lines)-1] += " " + word
			used += 1 + w
		}
	}
	return lines
}

// Indent wraps paragraphs, one for each line of the text, and puts an indent before
// every line. A line that is already indented stays as it is.
func Indent(text, indent string, width int) string {
	var b strings.Builder
	for i, paragraph := range strings.Split(text, "\n") {
		if i > 0 {
			b.WriteByte('\n')
		}
		if strings.HasPrefix(paragraph, " ") {
			b.WriteString(indent + paragraph)
			continue
		}
		for j, line := range WrapWhole(paragraph, width-Width(indent)) {
			if j > 0 {
				b.WriteByte('\n')
			}
			if line != "" {
				b.WriteString(indent + line)
			}
		}
	}
	return b.String()
}
