package cli

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// selectChecks narrows a catalogue by --question, --check and --skip. A name
// or glob that matches nothing in the whole catalogue is an error; one that
// leaves nothing of this command's checks is one too.
func selectChecks(all, ofCommand []checks.Check, questions, ids, skip []string) ([]checks.Check, error) {
	wanted := map[api.Question]bool{}
	for _, q := range questions {
		question, err := parseQuestion(q)
		if err != nil {
			return nil, fmt.Errorf("--question: %w", err)
		}
		wanted[question] = true
	}
	for _, glob := range slices.Concat(ids, skip) {
		known := slices.ContainsFunc(all, func(c checks.Check) bool { return matches(glob, c.ID) })
		if _, err := path.Match(glob, ""); err != nil {
			return nil, fmt.Errorf("--check, --skip: %q is not a glob: %w", glob, err)
		}
		if !known {
			return nil, fmt.Errorf("--check, --skip: no check is called %q; see: kubectl checklist explain", glob)
		}
	}
	var selected []checks.Check
	for _, c := range ofCommand {
		if len(wanted) > 0 && !wanted[c.Question()] {
			continue
		}
		if len(ids) > 0 && !slices.ContainsFunc(ids, func(glob string) bool { return matches(glob, c.ID) }) {
			continue
		}
		if slices.ContainsFunc(skip, func(glob string) bool { return matches(glob, c.ID) }) {
			continue
		}
		selected = append(selected, c)
	}
	if len(selected) == 0 {
		return nil, fmt.Errorf("--question, --check and --skip leave no check of this command")
	}
	return selected, nil
}

func matches(glob, id string) bool {
	ok, err := path.Match(glob, id)
	return err == nil && ok
}

// parseQuestion accepts a question's name or its number.
func parseQuestion(text string) (api.Question, error) {
	var names []string
	for _, info := range checks.Questions() {
		if text == string(info.Question) || text == strconv.Itoa(info.Number) {
			return info.Question, nil
		}
		names = append(names, string(info.Question))
	}
	return "", fmt.Errorf("expected one of %s, or 1 to 6, found %q", strings.Join(names, ", "), text)
}
