// Package markdowntest reads Markdown as a consumer does, for tests of what writes it.
package markdowntest

import (
	"regexp"
	"strings"
)

var runs = regexp.MustCompile("`+")

// mostFence is the longest run of backticks that GitHub's renderer (cmark-gfm) takes for a fence.
const mostFence = 80

// OutsideCode removes code spans from a line as CommonMark finds them: from a run of backticks to
// the next run of as many. What is left is what a renderer takes as Markdown. The cells of a row of a
// table are split before, as in GitHub Flavored Markdown.
func OutsideCode(line string) string {
	if !strings.HasPrefix(line, "|") {
		return outside(line)
	}
	var out strings.Builder
	for _, cell := range Cells(line) {
		out.WriteString(outside(cell) + "|")
	}
	return out.String()
}

// Cells splits a row of a table at each pipe with an even number of backslashes before it (marked,
// micromark). Other renderers (cmark-gfm, markdown-it) split at a pipe without a backslash directly
// before it; the row of a table must mean the same for both.
func Cells(row string) []string {
	var cells []string
	start, slashes := 0, 0
	for i := range len(row) {
		switch {
		case row[i] == '\\':
			slashes++
			continue
		case row[i] == '|' && slashes%2 == 0:
			cells, start = append(cells, row[start:i]), i+1
		}
		slashes = 0
	}
	return append(cells, row[start:])
}

func outside(line string) string {
	var out strings.Builder
	for {
		at := runs.FindStringIndex(line)
		if at == nil {
			return out.String() + line
		}
		out.WriteString(line[:at[0]])
		rest, end := line[at[1]:], -1
		for _, run := range runs.FindAllStringIndex(rest, -1) {
			if run[1]-run[0] == at[1]-at[0] && at[1]-at[0] <= mostFence {
				end = run[1]
				break
			}
		}
		if end < 0 {
			return out.String() + line[at[0]:]
		}
		line = rest[end:]
	}
}
