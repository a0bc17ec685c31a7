//go:build axe

package browser

import (
	"fmt"
	"os"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

// TestAxe runs axe-core, whose file the variable AXE names, on the page in each of its forms.
func TestAxe(t *testing.T) {
	axe, err := os.ReadFile(os.Getenv("AXE"))
	if err != nil {
		t.Fatal("expected AXE, the path of axe.min.js: run make page-axe")
	}
	path := file(t, report.Of(Made(300, "")))
	check := func(p *Page) string {
		return eval[string](t, p, string(axe)+`; axe.run().then((r) => r.violations.map((v) => v.id + ": " + v.nodes.length + " such as " + v.nodes[0].html.slice(0, 200)).join("\n"))`)
	}
	for _, v := range []View{
		{Width: 1280},
		{Width: 1280, Dark: true},
		{Width: 320},
		{Width: 320, Dark: true},
		{Width: 800, Print: true},
	} {
		t.Run(fmt.Sprintf("%+v", v), func(t *testing.T) {
			p := open(t, path, v)
			eval[any](t, p, openAll)
			if got := check(p); got != "" {
				t.Errorf("axe-core:\n%s", got)
			}
			if v.Print {
				return
			}
			set(t, p, "order", "by check")
			if got := check(p); got != "" {
				t.Errorf("axe-core, ordered by check:\n%s", got)
			}
			// It finds what is wrong: a button without a name.
			eval[any](t, p, `document.body.append(document.createElement("button"))`)
			if check(p) == "" {
				t.Error("axe-core finds nothing in a page with a button without a name")
			}
		})
	} // axe-core needs a script that runs. What the page shows without one is what it shows if it cannot
	// unpack its findings.
	t.Run("not unpacked", func(t *testing.T) {
		p, err := chromium.Open(damaged(t, path), View{Width: 1000})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		eval[any](t, p, openAll)
		equal(t, "worst", eval[seen](t, p, visible).Worst, 225)
		if got := check(p); got != "" {
			t.Errorf("axe-core:\n%s", got)
		}
	})
}
