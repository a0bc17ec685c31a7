package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
)

// mostAbout bounds each piece of About, in bytes.
const mostAbout = 200

// About says what a report is about, for a format of text: where the facts are from, how many nodes
// were measured, and whether it is about a part or about changes that were not applied. An answer
// means nothing without it. The words are escaped and cut; a format still escapes its own syntax.
func About(head *api.ChecklistReport) string {
	var words []string
	add := func(text string) { words = append(words, escape.Short(text, mostAbout)) }
	scope, c := &head.Spec.Scope, &head.Cluster
	switch {
	case scope.Local && scope.Root != "":
		add("this machine's directory " + scope.Root)
	case scope.Local:
		add("this machine")
	case scope.Snapshot != "":
		add("snapshot " + scope.Snapshot)
	case len(scope.Files) > 0:
		add("files " + strings.Join(scope.Files, ", "))
	default:
		add("cluster " + cmp.Or(c.Name, c.Server, "without a name"))
	}
	if c.Nodes > 0 {
		add(fmt.Sprintf("%s (%d measured)", count(c.Nodes, "node"), c.MeasuredNodes))
	}
	if scope.Narrowed != "" {
		add(scope.Narrowed)
	}
	if scope.WhatIf != nil {
		add(whatIf(scope.WhatIf))
	}
	if t := head.CreationTimestamp; !t.IsZero() {
		add("collected at " + t.UTC().Format("2006-01-02T15:04:05Z"))
	}
	return strings.Join(words, "; ")
}

// Asked is the scope of a report as far as it says what was asked and compared with: for formats
// whose consumers replace the findings of an earlier report with the same scope, so that a narrower
// report takes nothing away. LeftOutChecks are only those without their database (of vulnerabilities,
// for example): the others depend on the version of the catalogue.
func Asked(head *api.ChecklistReport, catalogue []checks.Check) api.Scope {
	scope := head.Spec.Scope
	scope.LeftOutChecks = nil
	for i := range catalogue {
		if c := &catalogue[i]; c.Database != nil && slices.Contains(head.Spec.Scope.LeftOutChecks, c.ID) {
			scope.LeftOutChecks = append(scope.LeftOutChecks, c.ID)
		}
	}
	return scope
}
