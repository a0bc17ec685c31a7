package cli

import (
	"fmt"
	"path"
	"slices"
	"strconv"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// selectChecks narrows a catalogue by --question, --check and --skip. It is an error
// if a name or glob matches nothing in the whole catalogue, or if none of this
// command's checks is left.
func selectChecks(all, ofCommand []checks.Check, questions, ids, skip []string) ([]checks.Check, error) {
	wanted := map[api.Question]bool{}
	for _, q := range questions {
		question, err := parseQuestion(q)
		if err != nil {
			return nil, fmt.Errorf("--question: %w", err)
		}
		wanted[question] = true
	}
	var globs [2][]string
	for i, list := range [][]string{ids, skip} {
		for _, word := range list {
			meant := meantChecks(word)
			known := slices.ContainsFunc(all, func(c checks.Check) bool { return matchesAny(meant, c.ID) })
			if _, err := path.Match(word, ""); err != nil {
				return nil, fmt.Errorf("--check, --skip: %q is not a glob: %w", word, err)
			}
			if !known {
				return nil, unknownCheck("--check, --skip: no check", word)
			}
			globs[i] = append(globs[i], meant...)
		}
	}
	var selected []checks.Check
	for _, c := range ofCommand {
		if len(wanted) > 0 && !wanted[c.Question()] {
			continue
		}
		if len(ids) > 0 && !matchesAny(globs[0], c.ID) || matchesAny(globs[1], c.ID) {
			continue
		}
		selected = append(selected, c)
	}
	if len(selected) == 0 {
		return nil, fmt.Errorf("--question, --check and --skip leave no check that this command runs")
	}
	return selected, nil
}

// matchesAny reports whether any of the globs matches an ID.
func matchesAny(globs []string, id string) bool {
	return slices.ContainsFunc(globs, func(glob string) bool {
		ok, err := path.Match(glob, id)
		return err == nil && ok
	})
}

// parseQuestion accepts a question's name or its number.
func parseQuestion(text string) (api.Question, error) {
	question, known := questionCalled(text)
	if !known {
		return "", unknownQuestion(text)
	}
	return question, nil
}

// questionCalled finds a question by its name or number.
func questionCalled(text string) (question api.Question, known bool) {
	for _, info := range checks.Questions() {
		if text == string(info.Question) || text == strconv.Itoa(info.Number) {
			return info.Question, true
		}
	}
	return "", false
}
