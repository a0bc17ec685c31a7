package html

import (
	"fmt"
	"strings"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/picture"
)

// pictures shows each picture, with what it shows in words. A picture of what was not measured has
// only the words.
func (p *page) pictures(pictures []picture.Picture) {
	if len(pictures) == 0 {
		return
	}
	p.write("<section aria-labelledby=\"pictures\">\n<h2 id=\"pictures\">Pictures</h2>\n")
	var drawn, words []string
	for _, one := range pictures {
		if one.SVG == "" {
			words = append(words, "<li><b>"+text(one.Title)+":</b> "+text(one.Summary)+"</li>\n")
			continue
		}
		drawn = append(drawn, "<figure class=\"card\">\n<figcaption><h3>", text(one.Title), "</h3>\n<p class=\"dim\">", text(one.Summary), "</p></figcaption>\n", one.SVG, "</figure>\n")
	}
	if len(drawn) > 0 {
		p.write("<div class=\"cards\">\n", strings.Join(drawn, ""), "</div>\n")
	}
	if len(words) > 0 {
		p.write("<ul class=\"undrawn dim\">\n", strings.Join(words, ""), "</ul>\n")
	}
	p.write("</section>\n")
}

// byControl lists the controls of the benchmark that --mapping names, and those without a check.
func (p *page) byControl(c *report.Controls) {
	p.write("<section aria-labelledby=\"controls\">\n<h2 id=\"controls\">By control</h2>\n")
	defer p.write("</section>\n")
	if c.Refused != "" {
		p.write("<p>Nothing is mapped: ", text(c.Refused), "</p>\n")
		return
	}
	p.write("<p class=\"dim\">", text(strings.Join(append([]string{c.Meaning()}, c.Notes...), " ")), "</p>\n")
	p.header("list", text(c.Title()), "Control", "Asks", "Fail", "Unknown", "Accepted", "Pass", "Checks")
	row := func(name string, same bool, counts map[api.Verdict]int, checks []string) {
		p.write(`<tr role="row"><th role="rowheader" scope="row">`, text(name), "</th>")
		asks := "a part"
		switch {
		case same:
			asks = "= the same"
		case len(checks) == 0:
			asks = "–"
		}
		p.cell("Asks", asks)
		for _, v := range verdicts {
			number := `<span class="dim">0</span>`
			if n := counts[v]; n > 0 {
				number = fmt.Sprintf(`<span class="w %s">%d</span>`, v, n)
			}
			p.cell(strings.ToUpper(string(v[:1]))+string(v[1:]), number)
		}
		var names []string
		for _, check := range checks {
			names = append(names, breakable(check))
		}
		p.cell("Checks", orDash(strings.Join(names, "<br>")))
		p.write("</tr>\n")
	}
	for i := range c.List {
		row(c.List[i].Name(), c.List[i].Same, c.List[i].Counts, c.List[i].Checks)
	}
	row("(no control)", false, c.Other, nil)
	p.write("</tbody>\n</table>\n")
	for _, missing := range c.Missing() {
		p.write("<p>", text(missing), "</p>\n")
	}
}
