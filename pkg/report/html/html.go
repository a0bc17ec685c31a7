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

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/picture"
)

var (
	//go:embed page.js
	script string
	//go:embed page.css
	ownStyle string
	// style is that of the page and of its pictures.
	style = ownStyle + picture.Style
)

// needs are the oldest browsers that show all findings, by MDN's compatibility data: see
// support_test.go. page.js says it too.
const needs = "Chrome or Edge 86, Firefox 113, Safari 16.4, or newer."

const (
	mostText       = 4000 // bytes of one text
	mostEvidence   = 50   // of one finding
	worstEvidence  = 5    // of one finding without script
	mostOperations = 50   // of one patch
	mostWorst      = 500  // findings without script
	mostRows       = 500  // nodes, gaps and other lists of the report
	openNodes      = 25   // nodes: a longer list is folded
	mostSubjects   = 12   // subjects, and kinds, of one row of gaps
)

// Format is the entry of the list of formats.
func Format() report.Format {
	return report.Format{Name: "html", New: func(_ string, opts report.Options) (report.Printer, error) {
		return printer{opts}, nil
	}}
}

type printer struct{ opts report.Options }

// Print reads the findings once. It keeps all of them in memory, packed.
func (p printer) Print(out io.Writer, r *report.Report) error {
	parts := report.PartsOf(r.Head, ", ")
	relates, notes := controls(r.Head)
	packed := newPacked(r.Head, relates)
	counts, byCheck, hidden := map[api.Verdict]int{}, map[string]map[api.Verdict]int{}, 0
	for c := range parts {
		byCheck[c] = map[api.Verdict]int{}
	}
	var worst []api.Finding
	for f := range r.Each {
		f.Verdict = known(f.Verdict)
		if report.Hides(&f, p.opts.MinSeverity) {
			hidden++
			continue
		}
		if p.opts.Expand != nil {
			f.Remediation.Text = p.opts.Expand(f.Remediation.Text)
		}
		counts[f.Verdict]++
		if of := byCheck[f.Check]; of != nil {
			of[f.Verdict]++
		}
		packed.add(&f, parts[f.Check])
		if len(worst) < mostWorst && f.Verdict != api.Pass {
			worst = append(worst, f)
		}
	}
	var byControl *report.Controls
	if p.opts.Mapping != "" {
		byControl, _ = report.ControlsOf(p.opts.Mapping, r.Head, r.Each)
	}
	to := &page{out: out}
	to.begin(r.Head)
	to.leftOut(r.Head, p.opts.MinSeverity, hidden)
	to.tiles(r.Head)
	to.sections(r.Head, byControl != nil)
	to.answers(r.Head)
	to.pictures(picture.All(r))
	to.nodes(r.Head.Nodes)
	if byControl != nil {
		to.byControl(byControl)
	}
	to.findings(counts, worst, parts)
	to.gaps(r.Head.Gaps, p.opts.Expand)
	to.waivers(r.Head.Spec.Waivers)
	to.checks(r.Head, byCheck, relates, notes)
	to.run(r.Head)
	to.data(packed)
	to.write("</main>\n</body>\n</html>\n")
	return to.err
}

// known is a verdict of ours. Any other word is unknown.
func known(v api.Verdict) api.Verdict { return v.OrUnknown() }

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

func (p *page) begin(head *api.ChecklistReport) {
	p.write("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
		`<meta http-equiv="Content-Security-Policy" content="`, policy(), "\">\n",
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
		"<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n",
		"<title>", title(head), "</title>\n<style>", style, "</style>\n<script>", script, "</script>\n</head>\n<body>\n",
		"<header>\n<p class=\"brand\">kubectl checklist</p>\n<h1>", onWhat(head), "</h1>\n<dl class=\"facts\">\n")
	c := &head.Cluster
	who := c.User
	if who == "" && !withoutServer(&head.Spec.Scope) {
		who = "unknown: the report does not name the user"
	}
	p.term("Who ran it", who)
	when := "unknown"
	if !head.CreationTimestamp.IsZero() {
		when = head.CreationTimestamp.UTC().Format("2006-01-02 15:04:05 UTC")
	}
	p.term("Facts collected", when)
	server := c.Server
	if c.Name == "" {
		server = "" // the heading has it
	}
	p.term("Cluster", strings.Join(nonEmpty(server, c.Version, provider(c.Provider)), ", "))
	if c.Nodes > 0 {
		p.term("Nodes measured", fmt.Sprintf("%d of %d", c.MeasuredNodes, c.Nodes))
	}
	p.term("Scope", scope(&head.Spec.Scope))
	p.write("</dl>\n</header>\n<main>\n")
}

// withoutServer reports whether no API server was asked, so that none names a user.
func withoutServer(s *api.Scope) bool {
	return len(s.Files) > 0 || s.Local || s.Root != "" || s.Snapshot != ""
}

func provider(name string) string {
	if name == "unknown" {
		return ""
	}
	return name
}

// title is the page's title: the first words of a tab.
func title(head *api.ChecklistReport) string {
	return text(strings.Join(nonEmpty(head.Cluster.Name, "kubectl checklist"), " – "))
}

// onWhat names what was looked at.
func onWhat(head *api.ChecklistReport) string {
	s := &head.Spec.Scope
	switch {
	case head.Cluster.Name != "":
		return "Cluster " + breakable(head.Cluster.Name)
	case len(s.Files) > 0:
		return fmt.Sprintf("Manifests: %s", breakable(list(s.Files, 3)))
	case s.Local:
		return "This machine"
	case s.Root != "":
		return "File system " + breakable(s.Root)
	case s.Snapshot != "":
		return "Snapshot " + breakable(s.Snapshot)
	case head.Cluster.Server != "":
		return "Cluster " + breakable(head.Cluster.Server)
	}
	return "Report"
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

// leftOut says, before any answer, what the page is not about.
func (p *page) leftOut(head *api.ChecklistReport, least api.Severity, hidden int) {
	var notes []string
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	s := &head.Spec.Scope
	if s.WhatIf != nil {
		note("<b>What if.</b> This is not about what there is. It is about what would be if the changes in <code>%s</code> were applied.", text(s.WhatIf.Directory))
	}
	if s.Narrowed != "" {
		note("<b>Only part of the cluster:</b> %s.", text(s.Narrowed))
	}
	if c := &head.Cluster; c.MeasuredNodes < c.Nodes {
		n := c.Nodes - c.MeasuredNodes
		note("<b>%d of %s %s not measured.</b> What only %s can tell is unknown.", n, count(c.Nodes, "node"), verb(n, "was", "were"), verb(n, "it", "they"))
	}
	if n := len(s.LeftOutChecks); n > 0 {
		note("<b>%s left out:</b> %s.", count(n, "check"), text(list(s.LeftOutChecks, 12)))
	}
	if hidden > 0 {
		note("<b>%s left out</b> below the severity %s.", count(hidden, "finding"), text(string(least)))
	}
	if of := head.Spec.Inputs.Severity; of != "" {
		note("<b>The report was made with the severity %s and above.</b> The findings below it were left out before.", text(string(of)))
	}
	if w := head.Spec.Waivers; w != nil && len(w.Expired) > 0 {
		note("<b>%s expired</b> and %s no finding any more.", count(len(w.Expired), "waiver"), verb(len(w.Expired), "covers", "cover"))
	}
	if len(notes) == 0 {
		return
	}
	p.write("<ul class=\"notes\" aria-label=\"What was left out\">\n")
	for _, n := range notes {
		p.write("<li>", n, "</li>\n")
	}
	p.write("</ul>\n")
}

// count is a number with its noun: "1 check", "12 checks".
func count(n int, noun string) string { return fmt.Sprintf("%d %s", n, verb(n, noun, noun+"s")) }

func verb(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}

// waivers names those that cover nothing.
func (p *page) waivers(w *api.WaiverUse) {
	if w == nil {
		return
	}
	p.write("<section aria-labelledby=\"waivers\">\n<h2 id=\"waivers\">Waivers</h2>\n",
		fmt.Sprintf("<p>%s in the file: %d used, %d expired, %d unused.</p>\n", count(w.Waivers, "waiver"), w.Used, len(w.Expired), len(w.Unused)))
	for _, kind := range []struct {
		name  string
		notes []api.WaiverNote
	}{{"expired", w.Expired}, {"unused", w.Unused}} {
		if len(kind.notes) == 0 {
			continue
		}
		p.write("<ul>\n")
		for _, n := range kind.notes[:min(len(kind.notes), mostRows)] {
			p.write(fmt.Sprintf("<li><b>%s</b>, line %d: <code>", kind.name, n.Line), breakable(n.Check), "</code>: ",
				text(strings.TrimPrefix(n.Detail, kind.name+" ")), "</li>\n")
		}
		p.write("</ul>\n")
		p.more(len(kind.notes), kind.name+" waivers")
	}
	p.write("</section>\n")
}

// run says how the report was made, for who wants to make it again.
func (p *page) run(head *api.ChecklistReport) {
	const few = 40
	c, in := &head.Cluster, &head.Spec.Inputs
	p.write("<section aria-labelledby=\"run\">\n<h2 id=\"run\">How it was made</h2>\n<dl class=\"about\">\n")
	p.term("Command", head.Spec.Command)
	p.term("Version", strings.Join(nonEmpty(head.Spec.Version, prefixed("checks ", head.Spec.CatalogueVersion)), ", "))
	p.term("Judged", in.JudgedAt)
	p.term("Provider", c.Provider)
	p.term("Cluster's UID", c.UID)
	if c.Pods > 0 {
		p.term("Pods", fmt.Sprint(c.Pods))
	}
	if c.Secrets != nil {
		p.term("Secrets listed", fmt.Sprint(*c.Secrets))
	}
	p.term("Read", read(head.Read))
	p.term("Other stores, about which no finding is", list(c.OtherStores, few))
	p.term("Control plane nodes, as given", list(head.Spec.Scope.ControlPlaneNodes, few))
	p.term("Platform namespaces, as given", list(head.Spec.Scope.PlatformNamespaces, few))
	p.term("Checks left out", list(head.Spec.Scope.LeftOutChecks, 200))
	p.term("Facts", in.Facts)
	p.term("Waivers", in.Waivers)
	p.term("Vulnerabilities", in.Vulnerabilities)
	p.write("</dl>\n</section>\n")
}

func prefixed(prefix, value string) string {
	if value == "" {
		return ""
	}
	return prefix + value
}

// read counts what the report's workloads were read from.
func read(of *fact.ReadCount) string {
	if of == nil {
		return ""
	}
	var out []string
	for _, c := range []struct {
		n     int
		words string
	}{
		{of.Files, "files"},
		{of.Documents, "documents"},
		{of.Objects, "objects"},
		{of.Workloads, "workloads"},
		{of.Pods, "pods"},
		{of.Foreign, "files without a Kubernetes object"},
		{of.Repeated, "files named again"},
		{of.Skipped, "skipped, each a gap"},
	} {
		if c.n > 0 {
			out = append(out, fmt.Sprintf("%d %s", c.n, c.words))
		}
	}
	return strings.Join(out, ", ")
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

// header begins a table. Roles keep it a table where the style shows rows as cards.
func (p *page) header(class, caption string, names ...string) {
	p.write("<table role=\"table\" class=\"", class, "\">\n<caption>", caption, "</caption>\n<thead role=\"rowgroup\"><tr role=\"row\">")
	for _, n := range names {
		p.write(`<th role="columnheader" scope="col">`, n, "</th>")
	}
	p.write("</tr></thead>\n<tbody role=\"rowgroup\">\n")
}

// cell writes markup under the name of its column.
func (p *page) cell(name, markup string) {
	p.write(`<td role="cell" data-of="`, name, `">`, markup, "</td>")
}

// more says how many rows a list lacks.
func (p *page) more(all int, name string) {
	if all > mostRows {
		p.write(fmt.Sprintf("<p>Left out: %d more %s.</p>\n", all-mostRows, name))
	}
}

// breakable is text for names: a browser may break a line after each slash.
func breakable(s string) string { return strings.ReplaceAll(text(s), "/", "/<wbr>") }
