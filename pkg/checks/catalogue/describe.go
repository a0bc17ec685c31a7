package catalogue

import (
	"slices"
	"strings"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/mapping"
)

// Describe says of checks what a report says once about each of them, sorted by ID.
func Describe(of []checks.Check) []api.ReportCheck {
	described := make([]api.ReportCheck, 0, len(of))
	for i := range of {
		c := &of[i]
		described = append(described, api.ReportCheck{Check: c.ID, Title: c.Title, Severity: c.Severity, Parts: PartsOf(c.ID), Controls: mapping.Of(c.ID)})
	}
	slices.SortFunc(described, func(a, b api.ReportCheck) int { return strings.Compare(a.Check, b.Check) })
	return described
}

// PartsOf returns the parts that need a check, by name, in the order of Parts.
func PartsOf(id string) []string {
	var names []string
	for _, part := range Parts() {
		if slices.Contains(part.Checks, id) {
			names = append(names, part.Name)
		}
	}
	return names
}
