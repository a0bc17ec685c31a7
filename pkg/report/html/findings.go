package html

import (
	"fmt"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

// gaps lists what could not be read. Gaps that say the same of several subjects share a row.
func (p *page) gaps(gaps []fact.Gap, expand func(string) string) {
	if len(gaps) == 0 {
		return
	}
	type row struct{ what, reason, detail, hint string }
	var rows []row
	subjects := map[row][]string{}
	for i := range gaps {
		g := &gaps[i]
		key := row{string(g.What), string(g.Reason), g.Detail, g.Hint}
		if subjects[key] == nil {
			rows = append(rows, key)
		}
		subjects[key] = append(subjects[key], report.SubjectName(g.Subject))
	}
	p.write("<section aria-labelledby=\"gaps\">\n<h2 id=\"gaps\">Not read</h2>\n<details>\n",
		fmt.Sprintf("<summary>%s: what could not be read, and why</summary>\n", count(len(gaps), "gap")))
	p.header("list", "What was not read", "What", "Of", "Reason", "Why, and what to do")
	for _, r := range rows[:min(len(rows), mostRows)] {
		of := list(subjects[r], mostSubjects)
		if expand != nil {
			r.hint = expand(r.hint)
		}
		p.write(`<tr role="row"><th role="rowheader" scope="row">`, orNone(r.what, "–"), "</th>")
		p.cell("Of", breakable(of))
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
