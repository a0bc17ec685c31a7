// Package show prints what changed between two reports. Printers only print.
package show

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"k8s.io/cli-runtime/pkg/printers"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/diff"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

// Options are the settings of a printer besides its format.
type Options struct {
	Color bool
	// Width is the terminal's width in columns, 0 if stdout is not a terminal.
	Width int
}

// Names lists the formats.
func Names() []string { return []string{"table", "json", "yaml", "markdown", "html"} }

// Known returns an error that lists the formats if a format is not one of Names, or "" for table.
func Known(format string) error {
	if format == "" || slices.Contains(Names(), format) {
		return nil
	}
	return fmt.Errorf("output format %q is not supported; use one of: %s", format, strings.Join(Names(), ", "))
}

// Print prints in a format, one of Names, "" for table.
func Print(out io.Writer, format string, d *api.ChecklistDiff, opts Options) error {
	buffered := bufio.NewWriterSize(out, 1<<16)
	var err error
	switch format {
	case "", "table":
		err = table(buffered, d, opts)
	case "json":
		err = (&printers.JSONPrinter{}).PrintObj(d, buffered)
	case "yaml":
		err = (&printers.YAMLPrinter{}).PrintObj(d, buffered)
	case "markdown":
		err = page(buffered, d)
	case "html":
		err = web(buffered, d)
	default:
		return Known(format)
	}
	if err != nil {
		return err
	}
	return buffered.Flush()
}

// tally is one class with its count.
type tally struct {
	class   api.ChangeClass
	n       int
	failing int // -1 if that is not counted
}

// tallies are all classes, in their order.
func tallies(s *api.DiffSummary) []tally {
	return []tally{
		{api.ChangeNew, s.New, s.NewFailing},
		{api.ChangeWorse, s.Worse, -1},
		{api.ChangeNewlyMeasured, s.NewlyMeasured, s.NewlyMeasuredFailing},
		{api.ChangeNoLongerMeasured, s.NoLongerMeasured, -1},
		{api.ChangeBetter, s.Better, -1},
		{api.ChangeFixed, s.Fixed, -1},
		{api.ChangeGone, s.Gone, -1},
		{api.ChangeUnchanged, s.Unchanged, s.UnchangedFailing},
	}
}

// group is the changes of one class: those that are listed, and how many are not.
type group struct {
	tally
	shown []api.Change
	// passes and more count those that are not listed: passes that are only there or only gone, unless
	// they failed before, and those beyond the limit.
	passes, more int
}

// groups lists at most so many changes of each class. Changes are sorted, so that the worst come
// first. An unchanged finding is listed only if the diff has it.
func groups(d *api.ChecklistDiff, most int) []group {
	var out []group
	for _, t := range tallies(&d.Summary) {
		g := group{tally: t}
		for i := range d.Changes {
			c := &d.Changes[i]
			quiet := c.Class == api.ChangeGone || c.Class == api.ChangeNewlyMeasured || c.Class == api.ChangeUnchanged
			switch {
			case c.Class != t.class:
			case quiet && diff.State(c).Verdict == api.Pass && (c.Old == nil || c.Old.Verdict != api.Fail):
				g.passes++
			case len(g.shown) == most:
				g.more++
			default:
				g.shown = append(g.shown, *c)
			}
		}
		if len(g.shown)+g.passes > 0 {
			out = append(out, g)
		}
	}
	return out
}

// leftOut says what a list lacks: "" if it lacks nothing.
func (g *group) leftOut() string {
	var words []string
	if g.more > 0 {
		words = append(words, fmt.Sprintf("%d more", g.more))
	}
	if g.passes > 0 {
		words = append(words, fmt.Sprintf("%d that pass", g.passes))
	}
	if len(words) == 0 {
		return ""
	}
	return "Left out: " + strings.Join(words, ", ") + " (-o json has all)"
}

// side describes one of the two in a line.
func side(s *api.DiffSide) string {
	from := s.From
	if s.CollectedAt != "" {
		from += " of " + s.CollectedAt
	}
	words := []string{from}
	add := func(format string, value string) {
		if value != "" {
			words = append(words, fmt.Sprintf(format, value))
		}
	}
	add("command %s", s.Command)
	add("cluster %s", s.Cluster)
	if s.Nodes > 0 {
		words = append(words, fmt.Sprintf("%d of %d nodes measured", s.MeasuredNodes, s.Nodes))
	}
	add("catalogue %s", s.CatalogueVersion)
	words = append(words, fmt.Sprintf("%d findings", s.Findings))
	return strings.Join(words, ", ")
}

// states are the verdicts before and after: "pass -> fail".
func states(c *api.Change) string {
	word := func(s *api.ChangeState) string {
		if s == nil {
			return "nothing"
		}
		return string(s.Verdict)
	}
	text := word(c.Old) + " -> " + word(c.New)
	if moved(c) {
		text += fmt.Sprintf(", %s -> %s", severity(c.Old), severity(c.New))
	}
	return text
}

// moved reports whether both have the finding, with another severity.
func moved(c *api.Change) bool {
	return c.Old != nil && c.New != nil && c.Old.Severity != c.New.Severity
}

// title is a class as a heading.
func title(class api.ChangeClass) string {
	return strings.ToUpper(string(class[:1])) + string(class[1:])
}

// byCatalogue says how many changes are no news of the cluster.
func byCatalogue(s *api.DiffSummary) string {
	return fmt.Sprintf("%d of these follow from the change of the catalogue", s.ByCatalogue)
}

// severity is a word of ours, or "unknown".
func severity(s *api.ChangeState) string {
	if slices.Contains(api.Severities(), s.Severity) {
		return string(s.Severity)
	}
	return "unknown"
}

// why is the reason of a class, and of an unknown.
func why(c *api.Change) string {
	var words []string
	if c.Reason != "" {
		words = append(words, c.Reason)
	}
	if c.New != nil && c.New.Verdict == api.VerdictUnknown && c.New.Reason != "" {
		words = append(words, string(c.New.Reason))
	}
	if c.Catalogue {
		words = append(words, "by the catalogue")
	}
	return strings.Join(words, "; ")
}

func subject(c *api.Change) string { return report.SubjectName(c.Subject) }

// catalogue says in lines what changed in the catalogue.
func catalogue(c *api.CatalogueChange) []string {
	if c == nil {
		return nil
	}
	const most = 20
	orNone := func(text string) string {
		if text == "" {
			return "unknown"
		}
		return text
	}
	names := func(list []string) string {
		if len(list) > most {
			return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
		}
		return strings.Join(list, ", ")
	}
	lines := []string{fmt.Sprintf("The catalogue changed from %s to %s.", orNone(c.Old), orNone(c.New))}
	if len(c.Added) > 0 {
		lines = append(lines, "Checks added: "+names(c.Added))
	}
	if len(c.Removed) > 0 {
		lines = append(lines, "Checks removed: "+names(c.Removed))
	}
	var changed []string
	for _, s := range c.Severities {
		changed = append(changed, fmt.Sprintf("%s (%s -> %s)", s.Check, s.Old, s.New))
	}
	if len(changed) > 0 {
		lines = append(lines, "Severities changed: "+names(changed))
	}
	return lines
}
