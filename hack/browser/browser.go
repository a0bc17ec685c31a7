// Package browser shows pages in a headless Chromium, and says what it saw: requests, errors of the
// console, sizes, pictures.
package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience bounds how long one page may take on a slow machine. No test measures with it.
const patience = 3 * time.Minute

// Browser is a Chromium that runs.
type Browser struct {
	ctx    context.Context
	cancel []context.CancelFunc
}

// Start starts Chromium. The error says what to install.
func Start() (*Browser, error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, errors.New("expected chromium on PATH: run hack/deps.sh")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	b := &Browser{ctx, []context.CancelFunc{cancel, stop}}
	if err := chromedp.Do(ctx); err != nil {
		b.Stop()
		return nil, fmt.Errorf("starting %s: %w", path, err)
	}
	return b, nil
}

// Stop ends it.
func (b *Browser) Stop() {
	for _, cancel := range b.cancel {
		cancel()
	}
}

// View is how a page is shown.
type View struct {
	Width    int
	Dark     bool
	Print    bool
	NoScript bool
	Before   string // a script that runs before the page's own
}

// Page is a page that is open.
type Page struct {
	ctx    context.Context
	cancel context.CancelFunc

	mu       sync.Mutex
	requests []string
	errors   []string
}

// Open shows a file. It returns when the page is loaded, which with a script can be before it
// shows its findings: see Ready.
func (b *Browser) Open(file string, v View) (*Page, error) {
	file, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	tab, closeTab := chromedp.NewContext(b.ctx)
	ctx, cancel := context.WithTimeout(tab, patience)
	p := &Page{ctx: ctx, cancel: func() { cancel(); closeTab() }}
	media, scheme := "screen", "light"
	if v.Print {
		media = "print"
	}
	if v.Dark {
		scheme = "dark"
	}
	err = errors.Join(chromedp.Listen(ctx, p.listen), chromedp.Do(ctx,
		send(network.Enable, network.EnableParams{}), send(log.Enable, cdp.Empty{}), send(runtime.Enable, cdp.Empty{}),
		send(performance.Enable, performance.EnableParams{TimeDomain: performance.EnableTimeDomainThreadTicks}),
		chromedp.EmulateViewport(int64(v.Width), 900),
		send(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: v.NoScript}),
		send(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: media, Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}),
		send(page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: v.Before}),
		chromedp.Navigate("file://"+file)))
	if err != nil {
		p.Close()
		return nil, fmt.Errorf("opening %s: %w", file, err)
	}
	return p, nil
}

// send is a command of the protocol whose result does not matter.
func send[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, params)
		return err
	})
}

// Close closes the page.
func (p *Page) Close() { p.cancel() }

func (p *Page) listen(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, e.Request.URL)
	case *runtime.EventExceptionThrown:
		p.errors = append(p.errors, (&chromedp.ExceptionError{ExceptionDetails: e.ExceptionDetails}).Error())
	case *runtime.EventConsoleAPICalled:
		p.errors = append(p.errors, "console: "+string(e.Type))
	case *log.EventEntryAdded:
		p.errors = append(p.errors, e.Entry.Text)
	case *page.EventJavascriptDialogOpening:
		p.errors = append(p.errors, "dialog: "+e.Message)
		go chromedp.Do(p.ctx, send(page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{})) //nolint:errcheck // the page only has to go on
	}
}

// Requests are the addresses that the page asked for, the page's own first.
func (p *Page) Requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.requests...)
}

// Errors are what the console shows.
func (p *Page) Errors() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.errors...)
}

// Ready waits until the script shows the findings.
func (p *Page) Ready() error { return chromedp.Do(p.ctx, chromedp.WaitReady("#app:not([hidden])")) }

// Eval runs an expression, and waits for a promise. It works on a page without script too.
func Eval[T any](p *Page, expression string) (T, error) {
	return chromedp.Run(p.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// Picture writes what the window shows, of that size in pixels, into a file: PNG.
func (p *Page) Picture(file string, width, height int) error {
	if err := chromedp.Do(p.ctx, chromedp.EmulateViewport(int64(width), int64(height))); err != nil {
		return err
	}
	png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		return err
	}
	return os.WriteFile(file, png, 0o644) //nolint:gosec // a picture for everybody
}

// PDF writes the page as a browser prints it, without backgrounds, as is usual.
func (p *Page) PDF(file string) error {
	if err := chromedp.Do(p.ctx, send(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{})); err != nil {
		return err
	}
	pdf, err := chromedp.Run(p.ctx, chromedp.PrintToPDF(func(params *page.PrintToPDFParams) { params.PrintBackground = new(bool) }))
	if err != nil {
		return err
	}
	return os.WriteFile(file, pdf, 0o644) //nolint:gosec // as above
}

// CPU returns the processor time that the page's main thread has used: on a machine that does other
// things, it says more than the clock.
func (p *Page) CPU() (time.Duration, error) {
	metrics, err := chromedp.Run(p.ctx, func(ctx context.Context, t *chromedp.Target) (performance.GetMetricsResult, error) {
		return cdp.Call(ctx, t, performance.GetMetrics, cdp.Empty{})
	})
	for _, m := range metrics.Metrics {
		if m.Name == "TaskDuration" {
			return time.Duration(m.Value * float64(time.Second)), err
		}
	}
	return 0, errors.Join(err, errors.New("chromium does not say what the page's thread used"))
}

// Sideways returns what is wider than the window, with the first of the elements that are; "" if
// nothing scrolls sideways.
func (p *Page) Sideways() (string, error) {
	found, err := Eval[[]string](p, `(() => {
		const root = document.documentElement;
		if (root.scrollWidth <= innerWidth) return [];
		return [root.scrollWidth + " > " + innerWidth, ...[...document.querySelectorAll("body *")]
			.filter((e) => e.getBoundingClientRect().right > innerWidth + 1).slice(0, 3)
			.map((e) => e.tagName + "." + e.getAttribute("class") + " " + e.textContent.slice(0, 40))];
	})()`)
	return strings.Join(found, "; "), err
}
