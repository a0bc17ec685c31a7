package show

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/diff"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/html"
)

const mostPageRows = 500 // of a class on the page

// web prints one self-contained page without script.
func web(out io.Writer, d *api.ChecklistDiff) error {
	return html.WritePage(out, "kubectl checklist diff", func(p *html.Page) {
		p.Write("<section aria-labelledby=\"about\">\n<h2 id=\"about\">Compared</h2>\n<dl class=\"about\">\n")
		p.Term("Old", side(&d.Old))
		p.Term("New", side(&d.New))
		for _, line := range catalogue(d.Catalogue) {
			p.Term("Note", line)
		}
		for _, line := range d.Warnings {
			p.Term("Warning", line)
		}
		p.Write("</dl>\n</section>\n<section aria-labelledby=\"counts\">\n<h2 id=\"counts\">Counts</h2>\n")
		p.Header("Findings by what became of them", "Change", "Findings", "Failing now")
		for _, t := range tallies(&d.Summary) {
			failing := "–"
			if t.failing >= 0 {
				failing = fmt.Sprint(t.failing)
			}
			p.Write(`<tr role="row"><th role="rowheader" scope="row">`, html.Text(string(t.class)), "</th>")
			p.Cell("Findings", fmt.Sprint(t.n))
			p.Cell("Failing now", failing)
			p.Write("</tr>\n")
		}
		p.Write("</tbody>\n</table>\n")
		if d.Summary.ByCatalogue > 0 {
			p.Write("<p>", html.Text(byCatalogue(&d.Summary)), "</p>\n")
		}
		p.Write("</section>\n")
		answers(p, d.Answers)
		for _, g := range groups(d, mostPageRows) {
			section(p, &g)
		}
	})
}

func answers(p *html.Page, list []api.AnswerChange) {
	if len(list) == 0 {
		return
	}
	word := func(a api.AnswerWord) string {
		if a == "" {
			return "not asked"
		}
		return html.Answer(a)
	}
	p.Write("<section aria-labelledby=\"answers\">\n<h2 id=\"answers\">Answers that changed</h2>\n")
	p.Header("Questions and parts", "Question", "Old", "New", "Reason")
	for _, a := range list {
		name := html.Text(string(a.Question))
		if a.Part != "" {
			name += " <small>" + html.Text(a.Part) + "</small>"
		}
		reason := "–"
		if a.New == api.Unknown && a.Reason != "" {
			reason = html.Text(a.Reason)
		}
		p.Write(`<tr role="row"><th role="rowheader" scope="row">`, name, "</th>")
		p.Cell("Old", word(a.Old))
		p.Cell("New", word(a.New))
		p.Cell("Reason", reason)
		p.Write("</tr>\n")
	}
	p.Write("</tbody>\n</table>\n</section>\n")
}

func section(p *html.Page, g *group) {
	id := strings.ReplaceAll(string(g.class), " ", "-")
	p.Write("<section aria-labelledby=\"", id, "\">\n<h2 id=\"", id, "\">", html.Text(title(g.class)), "</h2>\n")
	if len(g.shown) > 0 {
		p.Header(fmt.Sprintf("%d of %d, the worst first", len(g.shown), g.n), "Check", "Severity", "Old", "New", "Subject", "Finding", "Reason")
	}
	for i := range g.shown {
		c := &g.shown[i]
		state := diff.State(c)
		p.Write(`<tr role="row"><th role="rowheader" scope="row">`, html.Breakable(c.Check), "</th>")
		p.Cell("Severity", severity(state))
		for _, s := range []struct {
			name  string
			state *api.ChangeState
		}{{"Old", c.Old}, {"New", c.New}} {
			if s.state == nil {
				p.Cell(s.name, "nothing")
				continue
			}
			text := html.Verdict(s.state.Verdict)
			if moved(c) {
				text += " <small>" + severity(s.state) + "</small>"
			}
			p.Cell(s.name, text)
		}
		p.Cell("Subject", html.Breakable(subject(c)))
		p.Cell("Finding", html.Text(state.Message))
		p.Cell("Reason", cmp.Or(html.Text(why(c)), "–"))
		p.Write("</tr>\n")
	}
	if len(g.shown) > 0 {
		p.Write("</tbody>\n</table>\n")
	}
	if text := g.leftOut(); text != "" {
		p.Write("<p>", html.Text(text), "</p>\n")
	}
	p.Write("</section>\n")
}
