package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/printers"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/catalogue"
)

func newExplainCommand(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:   "explain [CHECK | QUESTION]",
		Short: "Show the catalogue, a question or one check in full",
		Long: describe(`
			Prints the catalogue of checks, the checks of one question, or one check in full:
			why it matters, what it needs to be read, and what to do.`),
		Example: env.examples(`
			# The catalogue
			kubectl checklist explain

			# One check
			kubectl checklist explain secrets/encrypted-at-rest`),
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return explainable(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return explainCatalogue(env.Streams.Out, catalogue.All())
			}
			return explainOne(env.Streams.Out, args[0])
		},
	}
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

func explainCatalogue(out io.Writer, list []checks.Check) error {
	for _, info := range checks.Questions() {
		var of []checks.Check
		for _, c := range list {
			if c.Question() == info.Question {
				of = append(of, c)
			}
		}
		if len(of) == 0 {
			continue
		}
		if _, err := fmt.Fprintf(out, "%d  %s  (%s)\n", info.Number, info.Text, info.Question); err != nil {
			return err
		}
		w := printers.GetNewTabWriter(out)
		for _, c := range of {
			if _, err := fmt.Fprintf(w, "   %s\t%s\t%s\t%s\n", c.ID, c.Severity, c.Basis, c.Title); err != nil {
				return err
			}
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func explainOne(out io.Writer, word string) error {
	if question, err := parseQuestion(word); err == nil {
		return explainQuestion(out, question)
	}
	for _, c := range catalogue.All() {
		if c.ID == word {
			return explainCheck(out, c)
		}
	}
	var near []string
	for _, known := range explainable() {
		if _, slug, ok := strings.Cut(known, "/"); ok && (slug == word || strings.Contains(known, word)) {
			near = append(near, known)
		}
	}
	if len(near) > 0 {
		return fmt.Errorf("no check or question is called %q; did you mean %s?", word, strings.Join(near, ", "))
	}
	return fmt.Errorf("no check or question is called %q; the catalogue: kubectl checklist explain", word)
}

// explainQuestion lists a question's parts, each with every check that it
// takes: those that this version has, and those that keep it unknown.
func explainQuestion(out io.Writer, question api.Question) error {
	for _, info := range checks.Questions() {
		if info.Question != question {
			continue
		}
		if _, err := fmt.Fprintf(out, "%d  %s  (%s)\n", info.Number, info.Text, info.Question); err != nil {
			return err
		}
	}
	known := map[string]checks.Check{}
	for _, c := range catalogue.All() {
		known[c.ID] = c
	}
	w := printers.GetNewTabWriter(out)
	for _, part := range checks.PartsOf(catalogue.Parts(), question) {
		title := part.Title
		if part.Optional {
			title += "  (optional: needs a database that you give)"
		}
		if _, err := fmt.Fprintf(w, "\n   %s: %s\n", part.Name, title); err != nil {
			return err
		}
		for _, id := range part.Checks {
			line := id + "\t\t\tnot in this version: the part stays unknown"
			if c, ok := known[id]; ok {
				line = fmt.Sprintf("%s\t%s\t%s\t%s", c.ID, c.Severity, c.Basis, c.Title)
			}
			if _, err := fmt.Fprintf(w, "      %s\n", line); err != nil {
				return err
			}
		}
	}
	return w.Flush()
}

func explainCheck(out io.Writer, c checks.Check) error {
	var b strings.Builder
	fmt.Fprintf(&b, "CHECK:        %s\n", c.ID)
	for _, info := range checks.Questions() {
		if info.Question == c.Question() {
			fmt.Fprintf(&b, "QUESTION:     %d  %s\n", info.Number, info.Text)
		}
	}
	for _, part := range catalogue.Parts() {
		if slices.Contains(part.Checks, c.ID) {
			fmt.Fprintf(&b, "PART:         %s: %s\n", part.Name, part.Title)
		}
	}
	fmt.Fprintf(&b, "TITLE:        %s\n", c.Title)
	fmt.Fprintf(&b, "SEVERITY:     %s at most\n", c.Severity)
	fmt.Fprintf(&b, "BASIS:        %s\n", c.Basis)
	fmt.Fprintf(&b, "NEEDS:        %s\n", words(c.Needs))
	if len(c.Uses) > 0 {
		fmt.Fprintf(&b, "USES:         %s, where they were read\n", words(c.Uses))
	}
	fmt.Fprintf(&b, "PROBE LEVEL:  %s\n", levelOf(c))
	fmt.Fprintf(&b, "\nWHY\n%s\n\nWHAT TO DO\n%s\n", indent(c.Why), indent(c.Remediation))
	if len(c.References) > 0 {
		fmt.Fprintf(&b, "\nREFERENCES\n%s\n", indent(strings.Join(c.References, "\n")))
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func words(kinds []fact.Kind) string {
	list := make([]string, len(kinds))
	for i, k := range kinds {
		list[i] = string(k)
	}
	return strings.Join(list, ", ")
}

// levelOf is the least probe level that answers the check.
func levelOf(c checks.Check) fact.Level {
	return fact.LevelOf(c.Needs)
}

// indent wraps at 78 columns and indents by two.
func indent(text string) string {
	var b strings.Builder
	for _, paragraph := range strings.Split(text, "\n") {
		line := ""
		for _, word := range strings.Fields(paragraph) {
			if line != "" && len(line)+1+len(word) > 76 {
				b.WriteString("  " + line + "\n")
				line = ""
			}
			if line != "" {
				line += " "
			}
			line += word
		}
		b.WriteString("  " + line + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}
