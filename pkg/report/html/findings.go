package html

import (
	"fmt"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

// gapRow are gaps with the same reason and detail: each of the kinds is missing of each of the
// subjects.
type gapRow struct {
	reason, detail, hint string
	kinds, subjects      []string
}

// gapRows joins gaps: first those of one kind, then kinds that are missing of the same subjects.
func gapRows(gaps []fact.Gap) []*gapRow {
	type key struct{ first, reason, detail, hint string }
	join := func(rows []*gapRow, first func(*gapRow) string, add func(to, from *gapRow)) (out []*gapRow) {
		at := map[key]*gapRow{}
		for _, r := range rows {
			k := key{first(r), r.reason, r.detail, r.hint}
			if at[k] == nil {
				at[k] = r
				out = append(out, r)
				continue
			}
			add(at[k], r)
		}
		return out
	}
	rows := make([]*gapRow, len(gaps))
	for i := range gaps {
		g := &gaps[i]
		rows[i] = &gapRow{string(g.Reason), g.Detail, g.Hint, []string{string(g.What)}, []string{report.SubjectName(g.Subject)}}
	}
	rows = join(rows, func(r *gapRow) string { return r.kinds[0] }, func(to, from *gapRow) { to.subjects = append(to.subjects, from.subjects...) })
	return join(rows, func(r *gapRow) string { return strings.Join(r.subjects, "\n") }, func(to, from *gapRow) { to.kinds = append(to.kinds, from.kinds...) })
}

// gaps lists what could not be read.
func (p *page) gaps(gaps []fact.Gap, expand func(string) string) {
	if len(gaps) == 0 {
		return
	}
	p.write("<section aria-labelledby=\"gaps\">\n<h2 id=\"gaps\">Not read</h2>\n<details>\n",
		fmt.Sprintf("<summary>%s: what could not be read, and why</summary>\n", count(len(gaps), "gap")))
	p.header("gaps", "What was not read", "What", "Of", "Reason", "Why, and what to do")
	rows := gapRows(gaps)
	for _, r := range rows[:min(len(rows), mostRows)] {
		if expand != nil {
			r.hint = expand(r.hint)
		}
		p.write(`<tr role="row"><th role="rowheader" scope="row">`, orNone(list(r.kinds, mostSubjects), "–"), "</th>")
		p.cell("Of", breakable(list(r.subjects, mostSubjects)))
		p.cell("Reason", orNone(r.reason, "–"))
		var why []string
		for _, t := range nonEmpty(r.detail, r.hint) {
			why = append(why, text(t))
		}
		p.cell("Why, and what to do", orDash(strings.Join(why, "<br>")))
		p.write("</tr>\n")
	}
	p.write("</tbody>\n</table>\n")
	p.more(len(rows), "rows")
	p.write("</details>\n</section>\n")
}

var verdicts = []api.Verdict{api.Fail, api.VerdictUnknown, api.Accepted, api.Pass}

// findings writes the counts, the place where the script shows all findings, and the worst ones for
// print and for browsers that run no script.
func (p *page) findings(counts map[api.Verdict]int, worst []api.Finding, parts map[string]string) {
	p.write("<section aria-labelledby=\"findings\">\n<h2 id=\"findings\">Findings</h2>\n<ul class=\"counts\">\n")
	shown := map[api.Verdict]int{}
	for i := range worst {
		shown[worst[i].Verdict]++
	}
	missing := ""
	for _, v := range verdicts {
		p.write(fmt.Sprintf("<li>%s %d</li>\n", verdict(v), counts[v]))
		if n := counts[v] - shown[v]; n > 0 {
			missing += fmt.Sprintf(" %d %s,", n, v)
		}
	}
	p.write("</ul>\n<div id=\"app\" hidden></div>\n<p id=\"error\" role=\"alert\" hidden></p>\n<div id=\"worst\">\n<p class=\"said\">")
	if missing == "" {
		p.write("All findings are below.")
	} else {
		p.write(fmt.Sprintf("Only the %d worst findings are below. Left out here:%s. To see all, open this page where its script runs: %s", len(worst), missing[:len(missing)-1], needs))
	}
	p.write("</p>\n")
	if len(worst) > 0 {
		p.header("findings", "The worst findings", "Verdict", "Severity", "Check", "Subject", "Finding")
		for i := range worst {
			p.finding(&worst[i], parts[worst[i].Check])
		}
		p.write("</tbody>\n</table>\n")
	}
	p.write("</div>\n</section>\n")
}

func (p *page) finding(f *api.Finding, parts string) {
	p.write(`<tr role="row">`)
	p.cell("Verdict", verdict(f.Verdict))
	p.cell("Severity", text(string(f.Severity)))
	p.cell("Check", breakable(f.Check))
	p.cell("Subject", breakable(report.SubjectName(f.Subject)))
	p.write(`<td role="cell" data-of="Finding">`, text(f.Message))
	line := func(name, value string) {
		if value != "" {
			p.write("<br><small>", name, ": ", text(value), "</small>")
		}
	}
	line("Reason", string(f.Reason))
	line("Accepted", accepted(f.Accepted))
	for i, e := range f.Evidence {
		if i == worstEvidence {
			p.write(fmt.Sprintf("<br><small>Left out: %d more evidence</small>", len(f.Evidence)-i))
			break
		}
		line("Evidence", e.Source+" = "+e.Value+" ("+string(e.Basis)+")")
	}
	var about []string
	for _, a := range [][2]string{{"part ", parts}, {"basis ", string(f.Basis)}} {
		if a[1] != "" {
			about = append(about, a[0]+a[1])
		}
	}
	line("Check", strings.Join(about, "; "))
	if patch := f.Remediation.Patch; patch != nil {
		var operations []string
		for i := range patch.Operations[:min(len(patch.Operations), mostOperations)] {
			operations = append(operations, operation(&patch.Operations[i]))
		}
		line("Suggested patch of "+text(patchTarget(patch)), strings.Join(operations, "; "))
		if n := len(patch.Operations) - len(operations); n > 0 {
			p.write(fmt.Sprintf("<br><small>Left out: %d more operations</small>", n))
		}
	}
	p.write("</td></tr>\n")
}

func accepted(a *api.Acceptance) string {
	if a == nil {
		return ""
	}
	return "by " + plain(a.AcceptedBy) + " until " + plain(a.Expires) + ": " + plain(a.Reason)
}
