package html

import (
	"fmt"
	"strings"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/mapping"
)

// controls says, for each check, what it gives evidence for: one text a benchmark or guide, in the
// order of the report. Of CIS it names only the version that is for the cluster. notes say what is
// not exact about that.
func controls(head *api.ChecklistReport) (of map[string][]string, notes []string) {
	titles := map[string]string{}
	for _, info := range mapping.All() {
		titles[info.Name] = info.Title
	}
	cis, note := mapping.NewestCIS(head.Cluster.Version)
	managed := mapping.Managed(head.Cluster.Provider)
	of = map[string][]string{}
	named := false
	for _, c := range head.Checks {
		var texts []string
		last := ""
		for _, control := range c.Controls {
			if control.Mapping == mapping.CIS {
				if managed != "" || control.Version != cis {
					continue
				}
				named = true
			}
			title := plain(control.Mapping)
			if known := titles[control.Mapping]; known != "" {
				title = known
			}
			if control.Version != "" {
				title += " " + plain(control.Version)
			}
			if title == last && len(texts) > 0 {
				texts[len(texts)-1] += ", " + plain(control.ID)
			} else {
				texts = append(texts, title+": "+plain(control.ID))
			}
			last = title
		}
		if len(texts) > 0 {
			of[plain(c.Check)] = texts
		}
	}
	if managed != "" {
		notes = append(notes, managed)
	}
	if named && note != "" {
		notes = append(notes, "CIS Kubernetes Benchmark "+cis+": "+note+".")
	}
	return of, notes
}

// checks lists the checks that ran: what they found, and what they give evidence for.
func (p *page) checks(head *api.ChecklistReport, counts map[string]map[api.Verdict]int, controls map[string][]string, notes []string) {
	if len(head.Checks) == 0 {
		return
	}
	p.write("<section aria-labelledby=\"checks\">\n<h2 id=\"checks\">Checks</h2>\n<details>\n",
		fmt.Sprintf("<summary>%s ran: what each found, and the controls that it gives evidence for</summary>\n", count(len(head.Checks), "check")),
		"<p class=\"dim\">A check gives evidence for a control. No number of passes shows that a control is met.</p>\n")
	for _, note := range notes {
		p.write("<p class=\"dim\">", text(note), "</p>\n")
	}
	p.header("checks", "Each check that ran", "Check", "Worst severity", "Findings", "Parts", "Evidence for")
	for i, c := range head.Checks {
		if i == mostRows {
			break
		}
		p.write(`<tr role="row"><th role="rowheader" scope="row">`, text(c.Title), "<br><code>", breakable(c.Check), "</code></th>")
		p.cell("Worst severity", text(string(c.Severity)))
		var found []string
		for _, v := range verdicts {
			if n := counts[c.Check][v]; n > 0 {
				found = append(found, fmt.Sprintf(`<span class="w %s">%d %s</span>`, v, n, v))
			}
		}
		p.cell("Findings", orDash(strings.Join(found, "<br>")))
		p.cell("Parts", orNone(strings.Join(c.Parts, ", "), "–"))
		var relates []string
		for _, t := range controls[plain(c.Check)] {
			relates = append(relates, text(t))
		}
		p.cell("Evidence for", orDash(strings.Join(relates, "<br>")))
		p.write("</tr>\n")
	}
	p.write("</tbody>\n</table>\n")
	p.more(len(head.Checks), "checks")
	p.write("</details>\n</section>\n")
}

func orDash(markup string) string {
	if markup == "" {
		return "–"
	}
	return markup
}
