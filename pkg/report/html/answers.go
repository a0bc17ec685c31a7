package html

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// answered is an answer of ours. Any other word is unknown.
func answered(answer api.AnswerWord) api.AnswerWord { return answer.OrUnknown() }

// class is the class of an answer in the style.
func class(answer api.AnswerWord) string {
	switch answer {
	case api.Yes:
		return "yes"
	case api.No:
		return "no"
	case api.NotApplicable:
		return "na"
	}
	return "unknown"
}

// word is an answer as a mark and a word: colour alone says nothing.
func word(answer api.AnswerWord) string {
	words := map[string]string{"yes": "✓ YES", "no": "✗ NO", "na": "– n/a", "unknown": "? unknown"}
	c := class(answer)
	return `<span class="w ` + c + `">` + words[c] + "</span>"
}

// verdict is a known verdict as a mark and a word.
func verdict(v api.Verdict) string {
	marks := map[api.Verdict]string{api.Fail: "✗", api.VerdictUnknown: "?", api.Accepted: "~", api.Pass: "✓"}
	return `<span class="w ` + string(v) + `">` + marks[v] + " " + string(v) + "</span>"
}

// tiles are the answers at one glance.
func (p *page) tiles(head *api.ChecklistReport) {
	if len(head.Answers) < 2 {
		return
	}
	p.write("<nav aria-label=\"Answers\">\n<ol class=\"tiles\">\n")
	for i, a := range head.Answers {
		if i == mostRows {
			break
		}
		p.write(fmt.Sprintf("<li><a class=\"tile %s\" href=\"#q%d\"><span>%d. ", class(a.Answer), i+1, a.Number), text(string(a.Question)), "</span> ", word(a.Answer), "</a></li>\n")
	}
	p.write("</ol>\n</nav>\n")
}

// sections are links to the page's sections: the findings stand below long lists.
func (p *page) sections(head *api.ChecklistReport, mapped bool) {
	p.write("<nav class=\"sections\" aria-label=\"Sections\">\n")
	for _, s := range []struct {
		id, name string
		there    bool
	}{
		{"answers", "Answers", true},
		{"pictures", "Pictures", true},
		{"nodes", "Nodes", len(head.Nodes) > 0},
		{"controls", "By control", mapped},
		{"findings", "Findings", true},
		{"gaps", "Not read", len(head.Gaps) > 0},
		{"waivers", "Waivers", head.Spec.Waivers != nil},
		{"checks", "Checks", len(head.Checks) > 0},
		{"run", "How it was made", true},
	} {
		if s.there {
			p.write("<a href=\"#", s.id, "\">", s.name, "</a>\n")
		}
	}
	p.write("</nav>\n")
}

// answers writes a card for each question, with its parts. Attributes hold what the words say, for
// whatever reads a page.
func (p *page) answers(head *api.ChecklistReport) {
	p.write("<section aria-labelledby=\"answers\">\n<h2 id=\"answers\">Answers</h2>\n",
		"<p class=\"dim\">Yes is good. Unknown is never counted as good. Measured counts the subjects that were looked at themselves. ",
		"The others are judged by what is declared or reported, or are unknown.</p>\n<div class=\"cards\">\n")
	for i, a := range head.Answers {
		if i == mostRows {
			break
		}
		p.write(fmt.Sprintf("<article class=\"card %s\" id=\"q%d\" aria-labelledby=\"q%dt\" data-question=\"%s\"%s>\n<h3 id=\"q%dt\">%d. ", class(a.Answer), i+1, i+1,
			text(string(a.Question)), data(a.Answer, a.Workloads, a.Coverage, a.Unknowns, a.Accepted), i+1, a.Number),
			orNone(a.Text, text(string(a.Question))), "</h3>\n<p class=\"answer\">", word(a.Answer))
		if answered(a.Workloads) != answered(a.Answer) {
			p.write(" <span class=\"but\">workloads, without the platform: ", word(a.Workloads), "</span>")
		}
		p.write("</p>\n", bar(a.Coverage), "<p class=\"dim\">", coverage(a.Coverage, a.Unknowns, a.Accepted), failing(a.Failing), "</p>\n")
		if why := reason(a.Reason, a.WorkloadsReason); why != "" && len(a.Parts) == 0 {
			p.write("<p>", text(why), "</p>\n")
		}
		if len(a.Parts) > 0 {
			p.write("<ul class=\"parts\">\n")
		}
		for _, part := range a.Parts {
			p.write("<li data-part=\"", text(part.Part), "\"", data(part.Answer, part.Workloads, part.Coverage, part.Unknown, part.Accepted), ">", word(part.Answer), "<div>",
				orNone(part.Title, text(part.Part)), " <code>", text(part.Part), "</code>")
			if part.Optional {
				p.write(" <span class=\"dim\">optional</span>")
			}
			if w := answered(part.Workloads); w != answered(part.Answer) && w != api.NotApplicable {
				p.write(" <span class=\"but\">workloads: ", word(part.Workloads), "</span>")
			}
			p.write("<p class=\"dim\">", coverage(part.Coverage, part.Unknown, part.Accepted))
			if why := reason(part.Reason, part.WorkloadsReason); why != "" {
				p.write(". ", text(why))
			}
			p.write("</p></div></li>\n")
		}
		if len(a.Parts) > 0 {
			p.write("</ul>\n")
		}
		p.write("</article>\n")
	}
	p.write("</div>\n")
	p.more(len(head.Answers), "answers")
	p.write("</section>\n")
}

// data are the attributes of an answer.
func data(answer, workloads api.AnswerWord, c api.Coverage, unknown, accepted int) string {
	return fmt.Sprintf(` data-answer="%s" data-workloads="%s" data-measured="%d" data-in-scope="%d" data-unknown="%d" data-accepted="%d"`,
		answered(answer), answered(workloads), c.Measured, c.InScope, unknown, accepted)
}

// bar shows how much was measured. The words after it say the same.
func bar(c api.Coverage) string {
	if c.InScope <= 0 {
		return ""
	}
	done := max(0, min(1000, 1000*c.Measured/c.InScope))
	return fmt.Sprintf(`<svg class="bar" viewBox="0 0 1000 1" preserveAspectRatio="none" aria-hidden="true"><rect width="%d" height="1"/></svg>`+"\n", done)
}

// coverage is in words what was measured.
func coverage(c api.Coverage, unknown, accepted int) string {
	out := []string{fmt.Sprintf("%d of %d measured", c.Measured, c.InScope)}
	if c.NotRunning > 0 {
		out = append(out, fmt.Sprintf("%d not running", c.NotRunning))
	}
	if unknown > 0 {
		out = append(out, fmt.Sprintf("%d unknown", unknown))
	}
	if accepted > 0 {
		out = append(out, fmt.Sprintf("%d accepted", accepted))
	}
	return strings.Join(out, ", ")
}

func failing(by map[api.Severity]int) string {
	var out []string
	for _, s := range []api.Severity{api.Critical, api.High, api.Medium, api.Low} {
		if n := by[s]; n > 0 {
			out = append(out, fmt.Sprintf("%d %s", n, s))
		}
	}
	if len(out) == 0 {
		return ""
	}
	return ". Failing: " + strings.Join(out, ", ")
}

// reason joins the reasons of both answers.
func reason(all, workloads string) string {
	if workloads != "" && workloads != all {
		return strings.Join(nonEmpty(all, "workloads: "+workloads), "; ")
	}
	return all
}

func (p *page) nodes(nodes []api.ReportNode) {
	if len(nodes) == 0 {
		return
	}
	var questions []api.Question
	seen := map[api.Question]bool{}
	for i := range nodes {
		for _, a := range nodes[i].Answers {
			if !seen[a.Question] && len(questions) < 6 {
				seen[a.Question] = true
				questions = append(questions, a.Question)
			}
		}
	}
	// The nodes that nothing measured come first, so that a long list does not leave them out.
	nodes = slices.Clone(nodes)
	slices.SortStableFunc(nodes, func(a, b api.ReportNode) int { return cmp.Compare(measuredLast(a), measuredLast(b)) })
	silent := 0
	for i := range nodes {
		silent += 1 - measuredLast(nodes[i])
	}
	names := []string{"Node", "Probe"}
	for _, q := range questions {
		names = append(names, text(string(q)))
	}
	p.write("<section aria-labelledby=\"nodes\">\n<h2 id=\"nodes\">Nodes</h2>\n")
	if len(nodes) > openNodes {
		p.write(fmt.Sprintf("<details>\n<summary>%s: %d answered the probe, %d not measured</summary>\n", count(len(nodes), "node"), len(nodes)-silent, silent))
		defer p.write("</details>\n</section>\n")
	} else {
		defer p.write("</section>\n")
	}
	p.header("nodes", "Each node and its own answers", names...)
	for _, n := range nodes[:min(len(nodes), mostRows)] {
		p.write(`<tr role="row"><th role="rowheader" scope="row">`, orNone(n.Name, "(no name)"))
		if about := strings.Join(nonEmpty(n.OS, prefixed("kernel ", n.Kernel)), ", "); about != "" {
			p.write("<br><small>", text(about), "</small>")
		}
		p.write("</th>")
		measured := `<span class="w unknown">? not measured</span>`
		if n.Measured {
			measured = "answered"
		}
		p.cell("Probe", measured)
		for i, q := range questions {
			answer := api.Unknown
			for _, a := range n.Answers {
				if a.Question == q {
					answer = a.Answer
				}
			}
			p.cell(names[i+2], word(answer))
		}
		p.write("</tr>\n")
	}
	p.write("</tbody>\n</table>\n")
	p.more(len(nodes), "nodes")
}

// measuredLast is 1 for a node that was measured.
func measuredLast(n api.ReportNode) int {
	if n.Measured {
		return 1
	}
	return 0
}
