package readback

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"

	formathtml "github.com/kubectl-checklist/kubectl-checklist/pkg/report/html"
)

var (
	cellEnd   = regexp.MustCompile(`[^\\]\|`)
	leftOut   = regexp.MustCompile(`^- Left out: (\d+) (.*)$`)
	backticks = regexp.MustCompile("^(`+) ?(.*?) ?(`+)$")
)

// cellsOf splits a row of a markdown table, and takes code spans and bold away.
func cellsOf(line string) []string {
	line = strings.TrimSuffix(strings.TrimPrefix(line, "|"), "|")
	var out []string
	for {
		at := cellEnd.FindStringIndex(line)
		end, rest := len(line), ""
		if at != nil {
			end, rest = at[1]-1, line[at[1]:]
		}
		cell := strings.Trim(strings.TrimSpace(line[:end]), "*")
		if m := backticks.FindStringSubmatch(cell); m != nil && m[1] == m[3] {
			cell = m[2]
		}
		out = append(out, strings.ReplaceAll(cell, `\|`, "|"))
		if at == nil {
			return out
		}
		line = rest
	}
}

// Markdown reads the tables and the lines on what was left out.
func Markdown(output []byte) (*Content, error) {
	c := newContent()
	var header []string
	for line := range strings.Lines(string(output)) {
		line = strings.TrimSuffix(line, "\n")
		if m := leftOut.FindStringSubmatch(line); m != nil {
			n, err := number(m[1])
			if err != nil {
				return nil, err
			}
			what, _, _ := strings.Cut(m[2], ",")
			if what == "remediations" || strings.HasPrefix(what, "rows of") {
				continue
			}
			if strings.HasPrefix(what, "below the severity") {
				what = Severity
			}
			c.leave(what, n)
			continue
		}
		if !strings.HasPrefix(line, "|") {
			header = nil
			continue
		}
		row := cellsOf(line)
		switch {
		case header == nil:
			header = row
			continue
		case strings.HasPrefix(row[0], "---"):
			continue
		case len(row) != len(header):
			return nil, fmt.Errorf("expected %d cells, found %d: %q", len(header), len(row), line)
		}
		of := func(name string) string {
			if i := slices.Index(header, name); i >= 0 {
				return row[i]
			}
			return ""
		}
		switch {
		case of("Check") != "":
			c.item(of("Check"), of("Subject"), of("Verdict"))
		case of("Part") != "":
			c.Parts[of("Question")+":"+of("Part")] = strings.ToLower(of("Answer"))
		case of("Question") != "":
			c.Answers[of("Question")] = strings.ToLower(of("Answer"))
		}
	}
	return c, nil
}

// attribute returns the value of an element's attribute; "" if it has none.
func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// textOf joins the texts in an element.
func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.TrimSpace(b.String())
}

// first returns the first element in n that is wanted; nil if there is none.
func first(n *html.Node, wanted func(*html.Node) bool) *html.Node {
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && wanted(d) {
			return d
		}
	}
	return nil
}

// wordOf takes the mark away from a word: "✗ NO" is "no".
func wordOf(text string) string {
	words := strings.Fields(text)
	if len(words) == 0 {
		return ""
	}
	return strings.ToLower(words[len(words)-1])
}

// HTML reads a page: answers and parts from its markup, findings from the packed data, which the
// script shows. It fails if the counts without script are others.
func HTML(output []byte) (*Content, error) {
	root, err := html.Parse(bytes.NewReader(output))
	if err != nil {
		return nil, err
	}
	c := newContent()
	if err := page(c, root); err != nil {
		return nil, err
	}
	rows, err := formathtml.Read(output)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		c.item(rows[i].Check, rows[i].Subject, string(rows[i].Verdict))
	}
	without, err := noScript(root)
	if err != nil {
		return nil, err
	}
	all := c.Verdicts()
	for _, verdict := range union(all, without) {
		if all[verdict] != without[verdict] {
			return nil, fmt.Errorf("%s: the data has %d, the page without script says %d", verdict, all[verdict], without[verdict])
		}
	}
	return c, nil
}

func page(c *Content, root *html.Node) error {
	question := ""
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch part := attribute(n, "data-part"); {
		case n.Data == "article" && attribute(n, "data-question") != "", n.Data == "li" && part != "":
			answer := first(n, func(n *html.Node) bool { return strings.HasPrefix(attribute(n, "class"), "w ") })
			if answer == nil {
				return fmt.Errorf("no answer: %q", textOf(n))
			}
			if part != "" {
				c.Parts[question+":"+part] = wordOf(textOf(answer))
				continue
			}
			question = attribute(n, "data-question")
			c.Answers[question] = wordOf(textOf(answer))
		case n.Data == "b" && hiddenFindings.MatchString(textOf(n)):
			hidden, err := number(strings.ReplaceAll(hiddenFindings.FindStringSubmatch(textOf(n))[1], ",", ""))
			if err != nil {
				return err
			}
			c.leave(Severity, hidden)
		}
	}
	return nil
}

var (
	hiddenFindings = regexp.MustCompile(`^([\d,]+) findings? left out$`)
	missing        = regexp.MustCompile(`(\d+) (fail|unknown|accepted|pass)\b`)
)

// noScript returns the counts of the page without script. The rows of the worst findings and those
// that it says are missing must be as many.
func noScript(root *html.Node) (map[string]int, error) {
	counts, rows := map[string]int{}, map[string]int{}
	list := first(root, func(n *html.Node) bool { return attribute(n, "class") == "counts" })
	worst := first(root, func(n *html.Node) bool { return attribute(n, "id") == "worst" })
	if list == nil || worst == nil {
		return nil, errors.New("the page has no counts or no worst findings")
	}
	for item := range list.ChildNodes() {
		words := strings.Fields(textOf(item))
		if item.Type != html.ElementNode || len(words) < 2 {
			continue
		}
		n, err := number(words[len(words)-1])
		if err != nil {
			return nil, err
		}
		if n > 0 {
			counts[words[len(words)-2]] = n
		}
	}
	for n := range worst.Descendants() {
		switch {
		case n.Type != html.ElementNode:
		case n.Data == "td" && attribute(n, "data-of") == "Verdict":
			rows[wordOf(textOf(n))]++
		case n.Data == "p" && attribute(n, "class") == "said":
			_, said, _ := strings.Cut(textOf(n), "Left out here:")
			for _, m := range missing.FindAllStringSubmatch(said, -1) {
				left, err := number(m[1])
				if err != nil {
					return nil, err
				}
				rows[m[2]] += left
			}
		}
	}
	for _, verdict := range union(counts, rows) {
		if counts[verdict] != rows[verdict] {
			return nil, fmt.Errorf("%s: expected %d, the rows and what is missing are %d", verdict, counts[verdict], rows[verdict])
		}
	}
	return counts, nil
}
