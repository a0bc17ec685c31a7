package catalogue

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// Every check is in exactly one part, of its own question; every ID, built or
// not, is in one part only.
func TestEveryCheckIsInExactlyOnePart(t *testing.T) {
	id := regexp.MustCompile(`^[a-z]+/[a-z0-9]+(-[a-z0-9]+)*$`)
	partOf, names := map[string]string{}, map[string]bool{}
	for _, p := range Parts() {
		name := string(p.Question) + "/" + p.Name
		if names[name] {
			t.Errorf("part %s is listed twice", name)
		}
		names[name] = true
		if p.Title == "" || strings.HasSuffix(p.Title, ".") || len(p.Checks) == 0 {
			t.Errorf("part %s: title %q, checks %v", name, p.Title, p.Checks)
		}
		for _, check := range p.Checks {
			if !id.MatchString(check) || !strings.HasPrefix(check, string(p.Question)+"/") {
				t.Errorf("part %s has %q, which is no check of its question", name, check)
			}
			if partOf[check] != "" {
				t.Errorf("%s is in two parts: %s and %s", check, partOf[check], name)
			}
			partOf[check] = name
		}
	}
	for _, c := range All() {
		if partOf[c.ID] == "" {
			t.Errorf("%s is in no part, so that it would answer nothing", c.ID)
		}
	}
	for _, info := range checks.Questions() {
		if len(checks.PartsOf(Parts(), info.Question)) == 0 {
			t.Errorf("question %s has no part", info.Question)
		}
	}
}

// Parts are in the order of the questions.
func TestPartsAreInTheOrderOfTheQuestions(t *testing.T) {
	last := 0
	for _, p := range Parts() {
		i := slices.IndexFunc(checks.Questions(), func(info checks.QuestionInfo) bool { return info.Question == p.Question })
		if i < last {
			t.Errorf("part %s/%s follows a later question's", p.Question, p.Name)
		}
		last = i
	}
}
