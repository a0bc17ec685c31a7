// shot takes pictures of a page: page-light.png, page-dark.png and page-320.png for the
// documentation, and with -all what is only to be looked at: page-evidence.png, page-noscript.png
// and page-print.pdf.
//
//	go run ./shot -page FILE -out DIRECTORY [-all]
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/kubectl-checklist/kubectl-checklist/hack/browser"
)

func main() {
	page := flag.String("page", "", "the page, as -o html writes it")
	out := flag.String("out", "", "the directory for the pictures")
	all := flag.Bool("all", false, "also take the pictures that are only to be looked at")
	flag.Parse()
	if err := run(*page, *out, *all); err != nil {
		fmt.Fprintln(os.Stderr, "shot:", err)
		os.Exit(1)
	}
}

func run(file, out string, all bool) error {
	b, err := browser.Start()
	if err != nil {
		return err
	}
	defer b.Stop()
	for _, shot := range []struct {
		name          string
		view          browser.View
		height        int
		before        string // an expression
		documentation bool
	}{
		{"page-light.png", browser.View{Width: 1200}, 900, "", true},
		{"page-dark.png", browser.View{Width: 1200, Dark: true}, 900, evidence, true},
		{"page-320.png", browser.View{Width: 320}, 900, "", true},
		{"page-320-findings.png", browser.View{Width: 320, Dark: true}, 900, evidence, false},
		{"page-evidence.png", browser.View{Width: 1200}, 900, evidence, false},
		{"page-whole.png", browser.View{Width: 1200}, 4200, "0", false},
		{"page-noscript.png", browser.View{Width: 1200, NoScript: true}, 3600, "", false},
		{"page-print.pdf", browser.View{Width: 800}, 0, "", false},
	} {
		if !shot.documentation && !all {
			continue
		}
		if err := take(b, file, filepath.Join(out, shot.name), shot.view, shot.height, shot.before); err != nil {
			return fmt.Errorf("%s: %w", shot.name, err)
		}
	}
	return nil
}

// evidence opens the first finding's evidence, and shows the findings.
const evidence = `(async () => {
	document.querySelector("#app details summary").click();
	document.getElementById("findings").scrollIntoView();
	await new Promise((done) => setTimeout(done, 200));
})()`

func take(b *browser.Browser, file, to string, view browser.View, height int, before string) error {
	p, err := b.Open(file, view)
	if err != nil {
		return err
	}
	defer p.Close()
	if !view.NoScript {
		if err := p.Ready(); err != nil {
			return errors.Join(err, fmt.Errorf("console: %q", p.Errors()))
		}
	}
	if before != "" {
		if _, err := browser.Eval[any](p, before); err != nil {
			return err
		}
	}
	if height == 0 {
		return p.PDF(to)
	}
	return p.Picture(to, view.Width, height)
}
