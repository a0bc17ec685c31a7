package report

import (
	"fmt"
	"io"
	"strings"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/screen"
)

// mostNotes bounds the waivers that the table names, if it is not wide.
const mostNotes = 10

// waivers says what became of the waivers. It names those that cover nothing.
func (p *tablePrinter) waivers(out io.Writer, report *api.ChecklistReport) error {
	use := report.Spec.Waivers
	if use == nil {
		return nil
	}
	words := fmt.Sprintf("WAIVERS  %s in the file, %s used", thousands(use.Waivers), thousands(use.Used))
	for _, kind := range []struct {
		n    int
		name string
	}{{len(use.Expired), "expired"}, {len(use.Unused), "unused"}} {
		if kind.n > 0 {
			words += fmt.Sprintf(", %s %s", thousands(kind.n), kind.name)
		}
	}
	lines := []string{words}
	left := 0
	for _, kind := range []struct {
		name  string
		notes []api.WaiverNote
	}{{"expired", use.Expired}, {"unused", use.Unused}} {
		for i, n := range kind.notes {
			if i >= mostNotes && !p.wide {
				left += len(kind.notes) - i
				break
			}
			detail := strings.TrimPrefix(n.Detail, kind.name+" ")
			lines = append(lines, fmt.Sprintf("  %s, line %d: %s: %s", kind.name, n.Line, escape.Line(n.Check), escape.Line(detail)))
		}
	}
	if left > 0 {
		lines = append(lines, fmt.Sprintf("  and %s more (see -o wide)", thousands(left)))
	}
	for _, line := range lines {
		wrapped := []string{line}
		if width := p.width(); width > 0 {
			wrapped = screen.Wrap(line, width)
		}
		if _, err := fmt.Fprintln(out, strings.Join(wrapped, "\n")); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(out)
	return err
}
