package catalogue

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// markdown is docs/checks.md: the catalogue for readers without the binary.
func markdown() string {
	var b strings.Builder
	b.WriteString("# The catalogue\n\n")
	b.WriteString("<!-- Generated: go test ./pkg/checks/catalogue -run TestDocs -update -->\n\n")
	fmt.Fprintf(&b, "Version %s. `kubectl checklist explain CHECK` prints one entry.\n\n", Version)
	b.WriteString("A question is cut into parts. A part is no if one of its findings of at least medium severity fails; else unknown if one of its\n" +
		"checks is missing in this version, did not run, has an unknown finding or a gap, if nothing was in scope, or if the run looked at\n" +
		"some of the cluster only; else yes. A question gets the worst answer of its parts, and a yes needs a finding that was measured.\n\n")
	b.WriteString("| check | severity | basis | what it asserts |\n| --- | --- | --- | --- |\n")
	for _, c := range All() {
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s | %s |\n", c.ID, anchor(c.ID), c.Severity, c.Bases(), c.Title)
	}
	for _, info := range checks.Questions() {
		fmt.Fprintf(&b, "\n## %d. %s\n", info.Number, info.Text)
		writeParts(&b, info.Question)
		for _, c := range All() {
			if c.Question() == info.Question {
				writeCheck(&b, c)
			}
		}
	}
	return b.String()
}

// writeParts lists the parts of a question with every check that they take.
func writeParts(b *strings.Builder, question api.Question) {
	fmt.Fprintf(b, "\n| part | what it asserts | its checks | not in this version |\n| --- | --- | --- | --- |\n")
	for _, p := range checks.PartsOf(Parts(), question) {
		var has, lacks []string
		for _, id := range p.Checks {
			slug := checks.Check{ID: id}.Slug()
			if slices.Contains(known(p), id) {
				has = append(has, slug)
			} else {
				lacks = append(lacks, slug)
			}
		}
		title := p.Title
		if p.Optional {
			title += " (optional: needs a database that you give)"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", p.Name, title, strings.Join(has, ", "), strings.Join(lacks, ", "))
	}
}

func writeCheck(b *strings.Builder, c checks.Check) {
	fmt.Fprintf(b, "\n### %s\n\n%s.\n\n", c.ID, c.Title)
	fmt.Fprintf(b, "Severity at most %s, %s. Needs %s", c.Severity, c.Bases(), kinds(c.Needs))
	if len(c.Uses) > 0 {
		fmt.Fprintf(b, "; uses %s where read", kinds(c.Uses))
	}
	fmt.Fprintf(b, ".\n\n**Why.** %s\n\n**Remediation.** %s\n\n", c.Why, c.Remediation)
	if c.Linux {
		b.WriteString("**Windows.** It gives no finding about a pod for Windows, which has no such thing.\n\n")
	}
	if c.Glossary != nil {
		fmt.Fprintf(b, "**%s.**\n\n| | |\n| --- | --- |\n", c.Glossary.Title)
		for _, term := range c.Glossary.Terms {
			fmt.Fprintf(b, "| %s | %s |\n", term.Name, term.Text)
		}
		b.WriteString("\n")
	}
	b.WriteString("**References.**\n\n")
	for _, reference := range c.References {
		if strings.HasPrefix(reference, "https://") {
			fmt.Fprintf(b, "- <%s>\n", reference)
		} else {
			fmt.Fprintf(b, "- `%s`\n", reference)
		}
	}
}

func kinds(list []fact.Kind) string {
	words := make([]string, len(list))
	for i, kind := range list {
		words[i] = string(kind)
	}
	return strings.Join(words, ", ")
}

// anchor is what GitHub makes of a heading.
func anchor(id string) string { return strings.ReplaceAll(id, "/", "") }
