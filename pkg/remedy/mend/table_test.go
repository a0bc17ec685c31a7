package mend

import (
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/catalogue"
)

// soon are checks that are answered here and come into the catalogue with their own change.
var soon = []string{"drift/enforcement"}

// Each check of the catalogue has exactly one answer, and no answer is for another check.
func TestTable(t *testing.T) {
	seen := map[string]int{}
	for i := range Table {
		e := &Table[i]
		seen[e.Check]++
		switch e.Kind {
		case Patch:
			if e.pod == nil || e.steps != nil {
				t.Errorf("%s: a patch without a mender, or with commands", e.Check)
			}
		case Manual:
			if e.pod != nil || e.steps != nil {
				t.Errorf("%s: a text, and something else", e.Check)
			}
		case Commands:
			if e.steps == nil || e.pod != nil {
				t.Errorf("%s: commands without steps, or with a mender", e.Check)
			}
		default:
			t.Errorf("%s: kind %q", e.Check, e.Kind)
		}
		if e.Kind != Commands && !strings.HasSuffix(e.Text, ".") {
			t.Errorf("%s: the text is no sentence: %q", e.Check, e.Text)
		}
	}
	for _, c := range catalogue.All() {
		if seen[c.ID] != 1 {
			t.Errorf("%s has %d answers, want 1", c.ID, seen[c.ID])
		}
		delete(seen, c.ID)
	}
	for check := range seen {
		if !slices.Contains(soon, check) {
			t.Errorf("%s is no check", check)
		}
	}
}
