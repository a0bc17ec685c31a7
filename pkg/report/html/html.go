// Package html prints a report as one page for browsers. The page asks for nothing: no file, no
// server. Its policy names its script and its style by their hashes, and forbids everything else.
//
// The findings are packed by columns (see pack.go), and the script shows them in pages of a table.
// Without the script, and in print, the page has the answers, the counts and the worst findings,
// and says how many it does not show.
package html

import (
	"crypto/sha256"
	_ "embed" // the script and the style
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

var (
	//go:embed page.js
	script string
	//go:embed page.css
	style string
)

const (
	mostText     = 4000 // bytes of one text
	mostEvidence = 50   // of one finding
	mostWorst    = 500  // findings without script
	mostRows     = 500  // nodes, gaps and other lists of the report
)

// Format is the entry of the list of formats.
func Format() report.Format {
	return report.Format{Name: "html", New: func(_ string, opts report.Options) (report.Printer, error) {
		return printer{opts}, nil
	}}
}

type printer struct{ opts report.Options }

// Print prints a report that is in memory.
func (p printer) Print(out io.Writer, whole *api.ChecklistReport) error {
	return p.Stream(out, report.Of(whole))
}

// Stream reads the findings once. It keeps all of them in memory, packed.
func (p printer) Stream(out io.Writer, r *report.Report) error {
	parts := map[string]string{}
	for _, c := range r.Head.Checks {
		parts[c.Check] = strings.Join(c.Parts, ", ")
	}
	packed := newPacked(r.Head)
	counts, hidden := map[api.Verdict]int{}, 0
	var worst []api.Finding
	for f := range r.Each {
		f.Verdict = known(f.Verdict)
		if f.Verdict != api.VerdictUnknown && f.Severity.Rank() < p.opts.MinSeverity.Rank() {
			hidden++
			continue
		}
		if p.opts.Expand != nil {
			f.Remediation.Text = p.opts.Expand(f.Remediation.Text)
		}
		counts[f.Verdict]++
		packed.add(&f, parts[f.Check])
		if len(worst) < mostWorst && f.Verdict != api.Pass {
			worst = append(worst, f)
		}
	}
	to := &page{out: out}
	to.begin()
	to.about(r.Head, p.opts.MinSeverity, hidden)
	to.answers(r.Head)
	to.nodes(r.Head.Nodes)
	to.gaps(r.Head.Gaps, p.opts.Expand)
	to.findings(counts, worst, parts)
	to.data(packed)
	to.write("</main>\n<script>", script, "</script>\n</body>\n</html>\n")
	return to.err
}

// known is a verdict of ours. Any other word is unknown.
func known(v api.Verdict) api.Verdict {
	switch v {
	case api.Pass, api.Fail, api.Accepted:
		return v
	}
	return api.VerdictUnknown
}

// page writes markup until the first error.
type page struct {
	out io.Writer
	err error
}

// write writes markup. Texts that are not ours come through text.
func (p *page) write(markup ...string) {
	for _, m := range markup {
		if p.err == nil {
			_, p.err = io.WriteString(p.out, m)
		}
	}
}

// plain makes a text of others fit to be seen: one line, no invisible characters, cut with a mark.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Co, r) {
			return utf8.RuneError
		}
		return r
	}, escape.Short(text, mostText))
}

var entities = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;")

// text returns a text of others as markup, in elements and in quoted attributes. A browser gives it
// its own direction, whatever stands around it.
func text(s string) string { return entities.Replace(plain(s)) }

// orNone is text, with a word in place of nothing.
func orNone(s, none string) string {
	if s = plain(s); s == "" {
		return none
	}
	return entities.Replace(s)
}

func hash(source string) string {
	sum := sha256.Sum256([]byte(source))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// policy is first in the head: it holds for all that follows.
func policy() string {
	return "default-src 'none'; script-src " + hash(script) + "; style-src " + hash(style) +
		"; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
}

func (p *page) begin() {
	p.write("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
		`<meta http-equiv="Content-Security-Policy" content="`, policy(), "\">\n",
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
		"<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n",
		"<title>kubectl checklist</title>\n<style>", style, "</style>\n</head>\n<body>\n<main>\n<h1>kubectl checklist</h1>\n")
}

// term writes one entry of a list of terms. Nothing is written for an empty text.
func (p *page) term(name, value string) {
	if value != "" {
		p.write("<div><dt>", name, "</dt><dd>", text(value), "</dd></div>\n")
	}
}

// list joins names, and counts those beyond the first ones.
func list(names []string, most int) string {
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// about says who ran it, when, on what, with which scope, and what was left out.
func (p *page) about(head *api.ChecklistReport, least api.Severity, hidden int) {
	const few = 40
	s, c := &head.Spec.Scope, &head.Cluster
	p.write("<section aria-labelledby=\"about\">\n<h2 id=\"about\">Run</h2>\n<dl class=\"about\">\n")
	who := c.User
	if who == "" {
		who = "unknown: the API server was not asked"
	}
	p.term("Who", who)
	when := ""
	if !head.CreationTimestamp.IsZero() {
		when = head.CreationTimestamp.UTC().Format("2006-01-02 15:04:05 UTC")
	}
	p.term("Facts collected", when)
	p.term("Judged", head.Spec.Inputs.JudgedAt)
	p.term("Cluster", strings.Join(nonEmpty(c.Name, c.Server, c.Version, c.Provider), ", "))
	if c.Nodes > 0 {
		p.term("Nodes measured", fmt.Sprintf("%d of %d", c.MeasuredNodes, c.Nodes))
	}
	if c.Pods > 0 {
		p.term("Pods", fmt.Sprint(c.Pods))
	}
	p.term("Command", head.Spec.Command)
	p.term("Version", strings.Join(nonEmpty(head.Spec.Version, catalogue(head.Spec.CatalogueVersion)), ", "))
	p.term("Scope", scope(s))
	if s.WhatIf != nil {
		p.term("What if", "This is not about what there is. It is about what would be if the changes in "+plain(s.WhatIf.Directory)+" were applied.")
	}
	p.term("Only part of the cluster", s.Narrowed)
	p.term("Checks left out", list(s.LeftOutChecks, few))
	if hidden > 0 {
		p.term("Findings left out", fmt.Sprintf("%d below the severity %s", hidden, least))
	}
	if of := head.Spec.Inputs.Severity; of != "" {
		p.term("Findings in the report", "severity "+string(of)+" and above; those below it were left out before")
	}
	if w := head.Spec.Waivers; w != nil {
		p.term("Waivers", fmt.Sprintf("%d, of which %d used, %d expired, %d unused", w.Waivers, w.Used, len(w.Expired), len(w.Unused)))
	}
	p.write("</dl>\n</section>\n")
}

func nonEmpty(texts ...string) []string {
	var out []string
	for _, t := range texts {
		if t != "" {
			out = append(out, t)
		}
	}
	return out
}

func catalogue(version string) string {
	if version == "" {
		return ""
	}
	return "checks " + version
}

func scope(s *api.Scope) string {
	const few = 20
	var out []string
	add := func(name, value string) {
		if value != "" {
			out = append(out, name+" "+value)
		}
	}
	if s.AllNamespaces {
		out = append(out, "all namespaces")
	}
	add("namespaces", list(s.Namespaces, few))
	add("names", list(s.Names, few))
	add("selector", s.Selector)
	add("field selector", s.FieldSelector)
	add("files", list(s.Files, few))
	if s.Local {
		out = append(out, "this machine")
	}
	add("root", s.Root)
	add("snapshot", s.Snapshot)
	add("probe level", s.ProbeLevel)
	add("checks", list(s.Checks, few))
	return strings.Join(out, "; ")
}

// word is an answer. Any other word than ours is unknown.
func word(answer api.AnswerWord) string {
	switch answer {
	case api.Yes:
		return `<span class="w yes">✓ YES</span>`
	case api.No:
		return `<span class="w no">✗ NO</span>`
	case api.NotApplicable:
		return `<span class="w na">– n/a</span>`
	}
	return `<span class="w unknown">? unknown</span>`
}

// verdict is a known verdict as a mark and a word: colour alone says nothing.
func verdict(v api.Verdict) string {
	marks := map[api.Verdict]string{api.Fail: "✗", api.VerdictUnknown: "?", api.Accepted: "~", api.Pass: "✓"}
	return `<span class="w ` + string(v) + `">` + marks[v] + " " + string(v) + "</span>"
}

// header begins a table. Roles keep it a table where the style shows rows as cards.
func (p *page) header(caption string, names ...string) {
	p.write("<table role=\"table\">\n<caption>", caption, "</caption>\n<thead role=\"rowgroup\"><tr role=\"row\">")
	for _, n := range names {
		p.write(`<th role="columnheader" scope="col">`, n, "</th>")
	}
	p.write("</tr></thead>\n<tbody role=\"rowgroup\">\n")
}

// cell writes markup under the name of its column.
func (p *page) cell(name, markup string) {
	p.write(`<td role="cell" data-of="`, name, `">`, markup, "</td>")
}

func (p *page) answers(head *api.ChecklistReport) {
	p.write("<section aria-labelledby=\"answers\">\n<h2 id=\"answers\">Answers</h2>\n")
	p.header("The questions and their parts. Yes is good.", "Question", "Answer", "Workloads", "Measured", "Unknown", "Accepted", "Reason")
	row := func(class, name string, answer, workloads api.AnswerWord, c api.Coverage, unknown, accepted int, reason string) {
		p.write(`<tr role="row" class="`, class, `"><th role="rowheader" scope="row">`, name, "</th>")
		p.cell("Answer", word(answer))
		p.cell("Workloads", word(workloads))
		measured := fmt.Sprintf("%d of %d", c.Measured, c.InScope)
		if c.NotRunning > 0 {
			measured += fmt.Sprintf(", %d not running", c.NotRunning)
		}
		p.cell("Measured", measured)
		p.cell("Unknown", fmt.Sprint(unknown))
		p.cell("Accepted", fmt.Sprint(accepted))
		p.cell("Reason", orNone(reason, "–"))
		p.write("</tr>\n")
	}
	for _, a := range head.Answers {
		row("question", fmt.Sprintf("%d. %s <small>%s</small>", a.Number, orNone(a.Text, text(string(a.Question))), text(string(a.Question))),
			a.Answer, a.Workloads, a.Coverage, a.Unknowns, a.Accepted, reason(a.Reason, a.WorkloadsReason))
		for _, part := range a.Parts {
			name := orNone(part.Title, text(part.Part)) + " <small>" + text(part.Part) + "</small>"
			if part.Optional {
				name += " <small>(optional)</small>"
			}
			row("part", name, part.Answer, part.Workloads, part.Coverage, part.Unknown, part.Accepted, reason(part.Reason, part.WorkloadsReason))
		}
	}
	p.write("</tbody>\n</table>\n</section>\n")
}

// reason joins the reasons of both answers.
func reason(all, workloads string) string {
	if workloads != "" && workloads != all {
		return strings.Join(nonEmpty(all, "workloads: "+workloads), "; ")
	}
	return all
}

// more says how many rows a list lacks.
func (p *page) more(all int, name string) {
	if all > mostRows {
		p.write(fmt.Sprintf("<p>Left out: %d more %s.</p>\n", all-mostRows, name))
	}
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
	names := []string{"Node", "Probe"}
	for _, q := range questions {
		names = append(names, text(string(q)))
	}
	p.write("<section aria-labelledby=\"nodes\">\n<h2 id=\"nodes\">Nodes</h2>\n")
	p.header("Each node and its own answers", names...)
	for _, n := range nodes[:min(len(nodes), mostRows)] {
		p.write(`<tr role="row"><th role="rowheader" scope="row">`, orNone(n.Name, "(no name)"), "</th>")
		measured := `<span class="w unknown">? silent</span>`
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
	p.write("</section>\n")
}
