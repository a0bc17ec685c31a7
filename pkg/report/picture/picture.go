// Package picture draws what a report says as SVG, for pages. Its functions are pure, and the
// same report gives the same bytes.
//
// A picture says nothing by colour alone, has a sentence as its text alternative, and runs
// nothing: no script, no link, no style attribute. What was not measured has no picture, only the
// sentence that says so.
package picture

import (
	_ "embed" // the style sheet
	"fmt"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

// Style is the style sheet of all pictures. It takes the colours of the page from its variables
// --fg, --bg, --dim, --bad, --open and --good. Without it a picture is drawn in one colour.
//
//go:embed picture.css
var Style string

// Picture is one picture.
type Picture struct {
	ID    string // a word: nodes, capabilities, secrets, drift
	Title string
	// Summary says in full sentences what the picture shows, and what it leaves out. It is plain
	// text, not markup, and also in the picture as its text alternative.
	Summary string
	// SVG is the markup; "" if nothing was measured, which Summary then says.
	SVG string
	// Width in pixels at which the letters have their usual size.
	Width int
}

// All draws every picture, in a fixed order.
func All(r *report.Report) []Picture {
	var view *checks.View
	if r.Set != nil {
		view = checks.NewView(r.Set)
	}
	pictures := []Picture{nodes(nodesOf(r)), capabilities(view), secrets(storeOf(r, view)), drifts(view)}
	for i := range pictures {
		pictures[i].Width = width
	}
	return pictures
}

func nodesOf(r *report.Report) []api.ReportNode {
	if len(r.Head.Nodes) > 0 || r.OfNodes == nil {
		return r.Head.Nodes
	}
	return r.OfNodes()
}

func storeOf(r *report.Report, view *checks.View) *checks.Store {
	switch {
	case r.Stored != nil:
		return r.Stored
	case view == nil:
		return nil
	}
	if stores := view.Stores(); len(stores.Ours) > 0 {
		return &stores.Ours[0]
	}
	return nil
}

// counted is a number with its noun: "1 node", "3 nodes".
func counted(n int, noun string) string { return checks.Count(n, noun) }

func verb(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}

// are is "1 is" or "3 are".
func are(n int) string {
	if n == 1 {
		return "1 is"
	}
	return fmt.Sprint(n) + " are"
}
