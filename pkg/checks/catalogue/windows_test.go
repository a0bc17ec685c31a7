package catalogue

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// A check says nothing about a pod for Windows exactly if it is marked so. Others say something
// about both systems, or about neither.
func TestChecksOfLinux(t *testing.T) {
	findings := func(c *checks.Check, set *fact.Set) int {
		return len(checks.JudgeSet(checks.Plan{Checks: []checks.Check{*c}}, set).Findings)
	}
	linux := 0
	for _, c := range All() {
		onLinux := findings(&c, ft.Declared(fact.Container{}))
		onWindows := findings(&c, ft.Declared(fact.Container{}, func(s *fact.PodSpec) { s.OS = "windows" }))
		want := onLinux
		if c.Linux {
			want = 0
			linux++
		}
		if onWindows != want {
			t.Errorf("%s: %d findings about a pod for Windows, want %d", c.ID, onWindows, want)
		}
		if c.Linux && onLinux == 0 {
			t.Errorf("%s: no finding about a pod for Linux", c.ID)
		}
	}
	if linux == 0 {
		t.Error("no check is of Linux alone")
	}
}
