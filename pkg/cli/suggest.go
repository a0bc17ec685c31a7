package cli

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/catalogue"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/formats"
)

// nearest returns the words that the user probably meant: those that begin like the
// typed word, or differ in few letters. The distance is the one that cobra uses for
// commands.
func nearest(typed string, words []string) []string {
	list := &cobra.Command{SuggestionsMinimumDistance: 1 + min(2, len(typed)/4)} // in letters
	for _, word := range words {
		list.AddCommand(&cobra.Command{Use: word, Run: func(*cobra.Command, []string) {}})
	}
	if typed == "" {
		return nil
	}
	return list.SuggestionsFor(typed)
}

// didYouMean returns the end of an error about a word, or "" if no word is near.
func didYouMean(near []string) string {
	switch len(near) {
	case 0:
		return ""
	case 1:
		return "; did you mean " + near[0] + "?"
	}
	const most = 4
	near = near[:min(most, len(near))]
	return "; did you mean " + strings.Join(near[:len(near)-1], ", ") + " or " + near[len(near)-1] + "?"
}

// unknownCommand returns the error for a word that is not a command. Since secrets is both a
// question and a command, people try the other questions too.
func unknownCommand(cmd *cobra.Command, word string) error {
	if slices.Contains(questionNames(), word) {
		return fmt.Errorf("unknown command %q; for this question alone: %s --question %s", word, cmd.CommandPath(), word)
	}
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	var near []string
	for _, name := range nearest(word, names) {
		near = append(near, cmd.CommandPath()+" "+name)
	}
	return fmt.Errorf("unknown command %q%s", word, cmp.Or(didYouMean(near), "; see: "+cmd.CommandPath()+" --help"))
}

// unknownFlag returns the error for a flag that a command does not have.
func unknownFlag(cmd *cobra.Command, err error) error {
	see := fmt.Errorf("%w; see: %s --help", err, cmd.CommandPath())
	var missing *pflag.NotExistError
	if !errors.As(err, &missing) || missing.GetSpecifiedShortnames() != "" {
		return see
	}
	var names []string
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if !flag.Hidden {
			names = append(names, flag.Name)
		}
	})
	var near []string
	for _, name := range nearest(missing.GetSpecifiedName(), names) {
		near = append(near, "--"+name)
	}
	if len(near) == 0 {
		return see
	}
	return fmt.Errorf("%w%s", err, didYouMean(near))
}

// badFormat adds a suggestion to the error about an output format.
func badFormat(err error, format string) error {
	name, _, _ := strings.Cut(format, "=")
	if err == nil || report.Named(formats.All(), name) != nil {
		return err
	}
	return fmt.Errorf("%w%s", err, didYouMean(nearest(name, formats.Names())))
}

// questionNames returns the questions, in their order.
func questionNames() []string {
	var names []string
	for _, info := range checks.Questions() {
		names = append(names, string(info.Question))
	}
	return names
}

// partNames returns the parts as a user types them: "secrets:stored".
func partNames() []string {
	var names []string
	for _, p := range catalogue.Parts() {
		names = append(names, string(p.Question)+":"+p.Name)
	}
	return names
}

// unknownQuestion returns the error for a word that is not a question.
func unknownQuestion(word string) error {
	names := questionNames()
	return fmt.Errorf("expected one of %s, or 1 to %d, found %q%s", strings.Join(names, ", "), len(names), word, didYouMean(nearest(word, names)))
}

// nearChecks returns the checks and questions that a word may mean. A slug without
// its question is near its check.
func nearChecks(word string) []string {
	if strings.Contains(word, ":") {
		return nearest(word, partNames())
	}
	var near, slugs []string
	bySlug := map[string][]string{}
	for _, known := range explainable() {
		if _, slug, ok := strings.Cut(known, "/"); ok {
			slugs = append(slugs, slug)
			bySlug[slug] = append(bySlug[slug], known)
		}
	}
	add := func(ids ...string) {
		for _, id := range ids {
			if !slices.Contains(near, id) {
				near = append(near, id)
			}
		}
	}
	add(bySlug[word]...)
	add(nearest(word, explainable())...)
	_, slug, ok := strings.Cut(word, "/")
	if !ok {
		slug = word
	}
	for _, s := range nearest(slug, slices.Compact(slices.Sorted(slices.Values(slugs)))) {
		add(bySlug[s]...)
	}
	for _, known := range explainable() {
		if _, slug, ok := strings.Cut(known, "/"); ok && len(word) > 2 && strings.Contains(slug, word) {
			add(known)
		}
	}
	return near
}

// unknownCheck returns the error for a word that is neither a check nor a question.
func unknownCheck(what, word string) error {
	end := didYouMean(nearChecks(word))
	if end == "" {
		end = "; see: kubectl checklist explain"
	}
	return fmt.Errorf("%s is named %q%s", what, word, end)
}

// meantChecks turns a word of --check or --skip into globs of IDs. A question
// ("privileged", "3") means all of its checks. A part ("secrets:stored") means the
// checks that it lists. Any other word means itself.
func meantChecks(word string) []string {
	name, part, hasPart := strings.Cut(word, ":")
	question, known := questionCalled(name)
	switch {
	case !known:
		return []string{word}
	case !hasPart:
		return []string{string(question) + "/*"}
	}
	for _, p := range checks.PartsOf(catalogue.Parts(), question) {
		if p.Name == part {
			return p.Checks
		}
	}
	return []string{word}
}
