// Package markdowntest reads Markdown as a consumer does, for tests of what writes it.
package markdowntest

import (
	"regexp"
	"strings"
)

var runs = regexp.MustCompile("`+")

// OutsideCode removes code spans from a line as CommonMark finds them: from a run of backticks to
// the next run of as many. What is left is what a renderer takes as Markdown.
func OutsideCode(line string) string {
	var out strings.Builder
	for {
		at := runs.FindStringIndex(line)
		if at == nil {
			return out.String() + line
		}
		out.WriteString(line[:at[0]])
		rest, end := line[at[1]:], -1
		for _, run := range runs.FindAllStringIndex(rest, -1) {
			if run[1]-run[0] == at[1]-at[0] {
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
