package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/catalogue"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/mapping"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/screen"
)

func newExplainCommand(env *Env, config *genericclioptions.ConfigFlags) *cobra.Command {
	var f forFlags
	cmd := &cobra.Command{
		Use:   "explain [CHECK | QUESTION]",
		Short: "Show all checks, the checks of one question, or one check in full",
		Long: describe(`
			Prints the catalogue of checks, the checks of one question, or one check in full:
			why it matters, which facts it needs, and what to do.

			With --for, it prints the findings of a check about one object, and the patch that
			answers them. Of a cluster, only its API is read. With --facts, what was measured
			counts too. Nothing is changed.`),
		Example: env.examples(`
			# The catalogue
			kubectl checklist explain

			# One check
			kubectl checklist explain secrets/encrypted-at-rest

			# What one check finds about a deployment, and the patch that answers it
			kubectl checklist explain privileged/seccomp --for deploy/web`),
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return explainable(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.validate(args); err != nil {
				return err
			}
			e := explanation{env.Streams.Out, env.OutWidth, env.expand}
			switch {
			case len(args) == 0:
				return e.catalogue(catalogue.All())
			case f.object != "":
				return e.aboutObject(cmd.Context(), env, config, &f, args[0])
			}
			return e.one(args[0])
		},
	}
	f.add(cmd.Flags())
	return cmd
}

// explanation prints to a terminal of width columns. 0 means no terminal.
type explanation struct {
	out    io.Writer
	width  int
	expand func(string) string // see Env.expand
}

// proseWidth is the largest width of a paragraph, and its width without a terminal.
const proseWidth = 78

// prose returns the width for paragraphs. It is bounded, because long lines are
// hard to read.
func (e explanation) prose() int {
	if e.width > 0 {
		return min(proseWidth, e.width)
	}
	return proseWidth
}

// paragraph prints a text with an indent before each of its lines.
func (e explanation) paragraph(indent, text string) error {
	if e.width > 0 && screen.Width(indent+text) > e.width {
		_, err := fmt.Fprintln(e.out, screen.Indent(text, indent, e.width))
		return err
	}
	_, err := fmt.Fprintln(e.out, indent+text)
	return err
}

// list prints a line for each entry: ID, severity, basis, title. If they do not
// fit, every title has its own line.
func (e explanation) list(indent string, entries [][4]string) error {
	table := screen.Table{NoHeaders: true, Columns: make([]screen.Column, 4)}
	for _, entry := range entries {
		cells := make([]screen.Cell, 4)
		for i, text := range entry {
			cells[i].Text = text
		}
		cells[0].Text = indent + entry[0]
		table.Add(cells...)
	}
	if e.width == 0 || table.Width() <= e.width {
		return table.Write(e.out, 0)
	}
	for i := range table.Rows {
		table.Rows[i].Cells = table.Rows[i].Cells[:3]
		table.Rows[i].Note, table.Rows[i].NoteFrom = entries[i][3], 0
	}
	table.Columns, table.NoteIndent = table.Columns[:3], len(indent)+2
	return table.Write(e.out, e.width)
}

func explainable() []string {
	var words []string
	for _, info := range checks.Questions() {
		words = append(words, string(info.Question))
	}
	for _, c := range catalogue.All() {
		words = append(words, c.ID)
	}
	return words
}

func entryOf(c checks.Check) [4]string {
	return [4]string{c.ID, string(c.Severity), string(c.Basis), c.Title}
}

func (e explanation) question(info checks.QuestionInfo) error {
	return e.paragraph("", fmt.Sprintf("%d  %s  (%s)", info.Number, info.Text, info.Question))
}

func (e explanation) catalogue(list []checks.Check) error {
	for _, info := range checks.Questions() {
		var of [][4]string
		for _, c := range list {
			if c.Question() == info.Question {
				of = append(of, entryOf(c))
			}
		}
		if len(of) == 0 {
			continue
		}
		if err := errors.Join(e.question(info), e.list("   ", of)); err != nil {
			return err
		}
	}
	return nil
}

func (e explanation) one(word string) error {
	if question, known := questionCalled(word); known {
		return e.parts(question)
	}
	for _, c := range catalogue.All() {
		if c.ID == word {
			return e.check(c)
		}
	}
	return unknownCheck("no check or question", word)
}

// parts lists a question's parts, each with every check that it needs: those that
// this version has, and those that are missing and keep the part unknown.
func (e explanation) parts(question api.Question) error {
	for _, info := range checks.Questions() {
		if info.Question != question {
			continue
		}
		if err := e.question(info); err != nil {
			return err
		}
	}
	known := map[string]checks.Check{}
	for _, c := range catalogue.All() {
		known[c.ID] = c
	}
	for _, part := range checks.PartsOf(catalogue.Parts(), question) {
		title := part.Name + ": " + part.Title
		if part.Optional {
			title += "  (optional: needs a database that you give)"
		}
		var entries [][4]string
		for _, id := range part.Checks {
			entry := [4]string{id, "", "", "not in this version: the part stays unknown"}
			if c, ok := known[id]; ok {
				entry = entryOf(c)
			}
			entries = append(entries, entry)
		}
		if err := errors.Join(e.paragraph("", ""), e.paragraph("   ", title), e.list("      ", entries)); err != nil {
			return err
		}
	}
	return nil
}

func (e explanation) check(c checks.Check) error {
	var b strings.Builder
	field := func(name, text string) {
		const margin = "              "
		lines := []string{text}
		if e.width > 0 && len(margin)+screen.Width(text) > e.width {
			lines = screen.WrapWhole(text, e.width-len(margin))
		}
		for i, line := range lines {
			head := margin
			if i == 0 {
				head = name + ":" + margin[len(name)+1:]
			}
			b.WriteString(head + line + "\n")
		}
	}
	field("CHECK", c.ID)
	for _, info := range checks.Questions() {
		if info.Question == c.Question() {
			field("QUESTION", fmt.Sprintf("%d  %s", info.Number, info.Text))
		}
	}
	for _, part := range catalogue.Parts() {
		if slices.Contains(part.Checks, c.ID) {
			field("PART", part.Name+": "+part.Title)
		}
	}
	field("TITLE", c.Title)
	field("SEVERITY", "at most "+string(c.Severity))
	field("BASIS", c.Bases())
	field("NEEDS", words(c.Needs))
	if len(c.Uses) > 0 {
		field("USES", words(c.Uses)+" (if they were read)")
	}
	field("PROBE LEVEL", levelsOf(c))
	if c.Linux {
		field("WINDOWS", "it gives no finding about a pod for Windows, which has no such thing")
	}
	fmt.Fprintf(&b, "\nWHY\n%s\n\nWHAT TO DO\n%s\n", screen.Indent(c.Why, "  ", e.prose()), screen.Indent(e.expand(c.Remediation), "  ", e.prose()))
	if c.Glossary != nil {
		fmt.Fprintf(&b, "\n%s\n", strings.ToUpper(c.Glossary.Title))
		for _, term := range c.Glossary.Terms {
			// Only the first line of a term is at the margin.
			head, rest, _ := strings.Cut(screen.Indent(term.Name+": "+term.Text, "    ", e.prose()), "\n")
			b.WriteString(head[2:] + "\n")
			if rest != "" {
				b.WriteString(rest + "\n")
			}
		}
	}
	if lines := controlsOf(c.ID); len(lines) > 0 {
		fmt.Fprintf(&b, "\nEVIDENCE FOR\n%s\n", screen.Indent(strings.Join(lines, "\n"), "  ", e.prose()))
	}
	if len(c.References) > 0 {
		fmt.Fprintf(&b, "\nREFERENCES\n%s\n", screen.Indent(strings.Join(c.References, "\n"), "  ", e.prose()))
	}
	_, err := io.WriteString(e.out, b.String())
	return err
}

// controlsOf names the controls that a check gives evidence for: a line for each mapping and
// version, and one for each note about them.
func controlsOf(id string) []string {
	var lines []string
	controls := mapping.Of(id)
	for _, info := range mapping.All() {
		var ids []string
		for _, c := range controls {
			if c.Mapping == info.Name && c.Version == info.Version {
				ids = append(ids, c.ID)
			}
		}
		if len(ids) > 0 {
			lines = append(lines, strings.TrimSpace(info.Title+" "+info.Version)+": "+strings.Join(ids, ", "))
		}
	}
	return append(lines, mapping.Notes(id)...)
}

func words(kinds []fact.Kind) string {
	list := make([]string, len(kinds))
	for i, k := range kinds {
		list[i] = string(k)
	}
	return strings.Join(list, ", ")
}

// levelsOf names the least probe levels that answer the check: "full", "full,net".
func levelsOf(c checks.Check) string {
	var names []string
	for _, level := range fact.LevelsOf(c.Needs) {
		names = append(names, string(level))
	}
	return strings.Join(names, ",")
}
