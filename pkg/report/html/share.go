package html

import (
	"io"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// Page writes a page with the style of the report and without script. What is written is markup:
// texts that are not ours come through Text.
type Page struct{ page *page }

// staticPolicy is that of a page without script: it asks for nothing and runs nothing.
func staticPolicy() string {
	return "default-src 'none'; style-src " + hash(style) + "; base-uri 'none'; form-action 'none'"
}

// WritePage writes a page with a title of ours.
func WritePage(out io.Writer, title string, body func(*Page)) error {
	p := &page{out: out}
	p.write("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
		`<meta http-equiv="Content-Security-Policy" content="`, staticPolicy(), "\">\n",
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
		"<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n",
		"<title>", text(title), "</title>\n<style>", style, "</style>\n</head>\n<body>\n<main>\n<h1>", text(title), "</h1>\n")
	body(&Page{p})
	p.write("</main>\n</body>\n</html>\n")
	return p.err
}

// Text returns a text of others as markup, in elements and in quoted attributes.
func Text(s string) string { return text(s) }

// Breakable is Text, with a place for a line to break after each slash.
func Breakable(s string) string { return breakable(s) }

// Write writes markup.
func (p *Page) Write(markup ...string) { p.page.write(markup...) }

// Term writes one entry of a list of terms, with a text of others. Nothing is written for "".
func (p *Page) Term(name, value string) { p.page.term(name, value) }

// Header begins a table, with its body.
func (p *Page) Header(caption string, names ...string) { p.page.header("list", caption, names...) }

// Cell writes markup under the name of its column.
func (p *Page) Cell(name, markup string) { p.page.cell(name, markup) }

// Answer is an answer as a mark and a word. Any other word than ours is unknown.
func Answer(a api.AnswerWord) string { return word(a) }

// Verdict is a verdict as a mark and a word. Any other word than ours is unknown.
func Verdict(v api.Verdict) string { return verdict(known(v)) }
