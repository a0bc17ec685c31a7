package browser

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

var chromium *Browser

func TestMain(m *testing.M) {
	var err error
	if chromium, err = Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	chromium.Stop()
	os.Exit(code)
}

func file(t *testing.T, r *report.Report) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "page.html")
	if err := Write(path, r); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, path string, v View) *Page {
	t.Helper()
	p, err := chromium.Open(path, v)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	if !v.NoScript {
		if err := p.Ready(); err != nil {
			t.Fatalf("the findings are not shown: %v; console: %q", err, p.Errors())
		}
	}
	return p
}

func eval[T any](t *testing.T, p *Page, expression string) T {
	t.Helper()
	value, err := Eval[T](p, expression)
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return value
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: want %v, got %v", what, want, got)
	}
}

// quiet fails if the page asked for anything but itself, or if the console shows anything.
func quiet(t *testing.T, p *Page) {
	t.Helper()
	if got := p.Requests(); len(got) != 1 || !strings.HasPrefix(got[0], "file://") {
		t.Errorf("requests: want one for the file, got %d: %.300q", len(got), got)
	}
	if got := p.Errors(); len(got) != 0 {
		t.Errorf("console: %.500q", got)
	}
}

func sideways(t *testing.T, p *Page) {
	t.Helper()
	wide, err := p.Sideways()
	if err != nil {
		t.Fatal(err)
	}
	if wide != "" {
		t.Errorf("scrolls sideways: %s", wide)
	}
}

const (
	openAll  = `document.querySelectorAll("details").forEach((e) => { e.open = true }); new Promise((done) => setTimeout(done, 50))`
	tableRow = `[...document.querySelectorAll("#app tbody tr:not(.group)")]`
	status   = `document.querySelector("[role=status]").textContent`
)

// The page asks for nothing, and its policy forbids what it does not need.
func TestPolicy(t *testing.T) {
	p := open(t, file(t, report.Of(Made(40, ""))), View{Width: 1280})
	quiet(t, p)
	for expression, want := range map[string]string{
		`try { document.body.innerHTML = "<b>x</b>"; "allowed" } catch (e) { e.name }`:  "TypeError",
		`try { trustedTypes.createPolicy("mine", {}); "allowed" } catch (e) { e.name }`: "TypeError",
		`fetch("http://127.0.0.1:9/").then(() => "allowed", (e) => e.name)`:             "TypeError",
		`new Promise((done) => { const s = document.createElement("script"); try { s.textContent = "window.ran = 1"; document.body.append(s) } catch (e) {} setTimeout(() => done(String(window.ran)), 50) })`: "undefined",
		`(() => { const e = document.createElement("p"); e.setAttribute("style", "color: red"); return e.style.color })()`:                                                                                     "",
	} {
		equal(t, expression, eval[string](t, p, expression), want)
	}
	if len(p.Errors()) == 0 {
		t.Error("the console shows nothing of what the policy forbade: it is not listened to")
	}
	for _, url := range p.Requests()[1:] {
		if !strings.HasPrefix(url, "http://127.0.0.1:9/") {
			t.Errorf("the page asked for %.200q", url)
		}
	}
}

// Nothing scrolls sideways on the narrowest screens, and nothing on wide ones.
func TestWidths(t *testing.T) {
	path := file(t, report.Of(Made(120, "")))
	for _, v := range []View{
		{Width: 320},
		{Width: 320, Dark: true},
		{Width: 320, NoScript: true},
		{Width: 640, Print: true},
		{Width: 768},
		{Width: 810}, // the narrowest that shows tables as tables
		{Width: 1280},
		{Width: 1280, NoScript: true},
	} {
		t.Run(fmt.Sprintf("%+v", v), func(t *testing.T) {
			p := open(t, path, v)
			sideways(t, p)
			if !v.NoScript {
				eval[any](t, p, openAll)
			}
			sideways(t, p)
			quiet(t, p)
		})
	}
}

// set chooses a value of a list by what it shows, or types a text.
func set(t *testing.T, p *Page, id, value string) string {
	t.Helper()
	return eval[string](t, p, fmt.Sprintf(`(async () => {
		const field = document.getElementById(%q), want = %q, said = document.querySelector("[role=status]");
		if (field.tagName === "SELECT") {
			const option = [...field.options].find((o) => o.textContent === want || o.textContent.replace(/ \([0-9]+\)$/, "") === want);
			if (!option) return "no choice " + want;
			field.value = option.value;
			field.dispatchEvent(new Event("change"));
			return said.textContent;
		}
		field.value = want;
		said.textContent = "";
		field.dispatchEvent(new Event("input"));
		while (said.textContent === "") await new Promise((done) => setTimeout(done, 5));
		return said.textContent;
	})()`, id, value))
}

// said is what the status says of the first page of findings. hidden are unknown ones.
func said(found, all, hidden int) string {
	text := fmt.Sprintf("%d of %d findings", found, all)
	if hidden > 0 {
		text += fmt.Sprintf(". Hidden: %d unknown", hidden)
	}
	if found > 100 {
		text += ". Shown: 1 to 100"
	}
	return text
}

// Each filter shows the findings that it names, and all of them.
func TestFilters(t *testing.T) {
	const n = 840 // 210 of each verdict and severity, 168 of each namespace, 120 of each node, 140 of each check
	p := open(t, file(t, report.Of(Made(n, ""))), View{Width: 1280})
	equal(t, "at first", eval[string](t, p, status), said(840, 840, 0))
	for _, tc := range []struct {
		id, value, all string
		found, hidden  int // hidden: unknown findings that are not shown
		// each is true for each row that is shown
		each string
	}{
		{"text", "WEB-000123", "", 1, 210, `r.cells[3].textContent.includes("web-000123")`},
		{"text", "CapEff: 000000000000001f", "", 1, 210, `r.cells[4].textContent.includes("message 31")`},
		{"text", "  message   17", "", 11, 210, `/message 17\d?$|message 17\D/.test(r.cells[4].firstChild.textContent)`},
		{"text", "nothing has this", "", 0, 210, `false`},
		{"verdict", "unknown", "all", 210, 0, `r.cells[0].textContent === "? unknown"`},
		{"verdict", "pass", "all", 210, 210, `r.cells[0].textContent === "✓ pass"`},
		{"severity", "medium", "all", 210, 157, `r.cells[1].textContent === "medium"`},
		{"namespace", "team-3", "all", 168, 168, `r.cells[3].textContent.includes("team-3/")`},
		{"node", "node-6", "all", 120, 180, `(Number(r.cells[4].firstChild.textContent.slice(8)) %% 7) === 6`},
		{"check", "group/check-2", "all", 140, 175, `r.cells[2].textContent === "group/check-2"`},
	} {
		t.Run(tc.id+" "+tc.value, func(t *testing.T) {
			equal(t, "status", set(t, p, tc.id, tc.value), said(tc.found, 840, tc.hidden))
			equal(t, "rows", eval[int](t, p, tableRow+`.length`), min(tc.found, 100))
			equal(t, "rows that fit", eval[int](t, p, tableRow+`.filter((r) => `+strings.ReplaceAll(tc.each, "%%", "%")+`).length`), min(tc.found, 100))
			equal(t, "cleared", set(t, p, tc.id, tc.all), said(840, 840, 0))
		})
	}
	set(t, p, "verdict", "fail")
	set(t, p, "namespace", "team-0")
	equal(t, "two together", set(t, p, "severity", "critical"), said(11, 840, 210))
	equal(t, "cleared", eval[string](t, p, `[...document.querySelectorAll("#app button")].find((b) => b.textContent === "Clear filters").click(); `+status), said(840, 840, 0))
	quiet(t, p)
}

// pressed presses a button above the table, and returns the name of what has the focus then.
func pressed(t *testing.T, p *Page, name string) string {
	t.Helper()
	return eval[string](t, p, fmt.Sprintf(`(() => {
		const b = [...document.querySelectorAll("#app button")].find((b) => b.textContent === %q);
		b.focus();
		b.click();
		return document.activeElement.textContent || document.activeElement.id;
	})()`, name))
}

// The number beside each choice is that of the findings that the choice shows, with all other
// filters. The test counts them in the report.
func TestNumbers(t *testing.T) {
	r := Made(840, "")
	p := open(t, file(t, report.Of(r)), View{Width: 1280})
	of := map[string]func(*api.Finding) string{
		"verdict":   func(f *api.Finding) string { return string(f.Verdict) },
		"severity":  func(f *api.Finding) string { return string(f.Severity) },
		"namespace": func(f *api.Finding) string { return f.Subject.Namespace },
		"node":      func(f *api.Finding) string { return f.Subject.Node },
		"check":     func(f *api.Finding) string { return f.Check },
	}
	for _, filters := range []map[string]string{
		{},
		{"namespace": "team-1"},
		{"verdict": "fail", "severity": "high"},
		{"text": "message 1"},
		{"text": "message 1", "node": "node-3", "verdict": "unknown"},
		{"text": "message 12", "namespace": "team-2", "check": "group/check-1"},
		{"text": "nothing has this"},
		{"namespace": "team-3", "text": "message 127"}, // team-2 has it: the choice stays, with 0
		{"verdict": "pass", "severity": "low", "namespace": "team-2", "node": "node-1", "check": "group/check-5"},
		{},
	} {
		t.Run(fmt.Sprint(filters), func(t *testing.T) {
			eval[any](t, p, `document.querySelector(".found button").click()`)
			for _, id := range slices.Sorted(maps.Keys(filters)) { // by the names of the lists, so verdict after text
				if got := set(t, p, id, filters[id]); strings.HasPrefix(got, "no choice") {
					t.Fatal(got)
				}
			}
			fits := func(f *api.Finding, but string) bool {
				for id, value := range of {
					if want := filters[id]; want != "" && id != but && value(f) != want {
						return false
					}
				}
				return strings.Contains(f.Message, filters["text"])
			}
			for id, value := range of {
				all, want := map[string]int{}, map[string]int{}
				for i := range r.Findings {
					f := &r.Findings[i]
					all[value(f)]++
					if fits(f, id) {
						want[value(f)]++
					}
				}
				missing := 0
				for name := range all {
					switch {
					case want[name] > 0:
					case id == "verdict" || id == "severity" || name == filters[id]:
						want[name] = 0 // it stays in the list
					default:
						missing++
					}
				}
				wanted := []string{"all"}
				for name, n := range want {
					wanted = append(wanted, fmt.Sprintf("%s (%d)", name, n))
				}
				if missing > 0 {
					wanted = append(wanted, fmt.Sprintf("%d more: no finding with these filters", missing))
				}
				got := eval[[]string](t, p, fmt.Sprintf(`[...document.getElementById(%q).options].map((o) => o.textContent)`, id))
				slices.Sort(wanted)
				slices.Sort(got)
				if !slices.Equal(got, wanted) {
					t.Errorf("%s: want %q, got %q", id, wanted, got)
				}
				chosen := eval[string](t, p, fmt.Sprintf(`document.getElementById(%q).selectedOptions[0].textContent`, id))
				if name := filters[id]; name != "" && chosen != fmt.Sprintf("%s (%d)", name, want[name]) || name == "" && chosen != "all" {
					t.Errorf("%s: chosen is %q, wanted %q", id, chosen, name)
				}
			}
		})
	}
	quiet(t, p)
}

// A list with more choices than it shows has those with the most findings, under the other filters.
func TestManyChoices(t *testing.T) {
	r := Made(2300, "")
	for i := range r.Findings {
		r.Findings[i].Subject.Namespace = fmt.Sprintf("ns-%04d", i%1100)
	}
	p := open(t, file(t, report.Of(r)), View{Width: 1280})
	list := `[...document.getElementById("namespace").options].map((o) => o.textContent)`
	got := eval[[]string](t, p, list)
	equal(t, "choices", len(got), 1+1000+1)
	equal(t, "the last", got[1001], "and 100 more: use Text")
	equal(t, "the most", slices.Contains(got, "ns-0099 (3)"), true)
	set(t, p, "text", "ns-1099")
	equal(t, "with a text", strings.Join(eval[[]string](t, p, list), "; "), "all; ns-1099 (2); 1099 more: no finding with these filters")
	set(t, p, "namespace", "ns-1099")
	set(t, p, "text", "")
	got = eval[[]string](t, p, list)
	equal(t, "choices, one chosen", len(got), 1+1000+1)
	equal(t, "the chosen one stays", slices.Contains(got, "ns-1099 (2)"), true)
}

// One change of a filter or a page makes one announcement: one text of one live region.
func TestAnnouncements(t *testing.T) {
	p := open(t, file(t, report.Of(Made(840, ""))), View{Width: 1280})
	equal(t, "live regions", eval[int](t, p, `document.querySelectorAll("#app [aria-live], #app [role=status], #app [role=alert], #app [role=log]").length`), 1)
	eval[any](t, p, `window.heard = []; new MutationObserver((records) => heard.push(...records.filter((r) => r.addedNodes.length > 0).map(() => document.querySelector("[role=status]").textContent)))
		.observe(document.querySelector("[role=status]"), {childList: true, characterData: true, subtree: true}); null`)
	set(t, p, "verdict", "fail")
	pressed(t, p, "Next")
	set(t, p, "namespace", "team-0")
	pressed(t, p, "Clear filters")
	want := []string{said(210, 840, 210), "210 of 840 findings. Hidden: 210 unknown. Shown: 101 to 200", said(42, 840, 210), said(840, 840, 0)}
	if got := eval[[]string](t, p, `heard`); !slices.Equal(got, want) {
		t.Errorf("want %q, got %q", want, got)
	}
}

// The focus stays where the next key is useful: a button that is disabled gives it away, and the
// buttons below the table lead to those above it.
func TestFocus(t *testing.T) {
	p := open(t, file(t, report.Of(Made(250, ""))), View{Width: 1280})
	equal(t, "a page on", pressed(t, p, "Next"), "Next")
	equal(t, "on the last page", pressed(t, p, "Next"), "Previous")
	equal(t, "a page back", pressed(t, p, "Previous"), "Previous")
	equal(t, "on the first page", pressed(t, p, "Previous"), "Next")
	below := func(name string) string {
		return eval[string](t, p, fmt.Sprintf(`(() => {
			const b = [...document.querySelectorAll("#app > .pages button")].find((b) => b.textContent === %q);
			b.focus();
			b.click();
			const at = document.activeElement, top = at.getBoundingClientRect().top;
			return at.textContent + (at.closest("nav") === b.closest("nav") ? " below" : " above") + (top >= 0 && top < innerHeight ? ", seen" : ", not seen");
		})()`, name))
	}
	equal(t, "below, a page on", below("Next"), "Next above, seen")
	equal(t, "below, to the last page", below("Next"), "Previous above, seen")
	equal(t, "below, a page back", below("Previous"), "Previous above, seen")
	equal(t, "below, to the first page", below("Previous"), "Next above, seen")
	equal(t, "cleared", func() string { set(t, p, "verdict", "pass"); return pressed(t, p, "Clear filters") }(), "text")
	set(t, p, "verdict", "pass")
	equal(t, "one page has no buttons", eval[int](t, p, `[...document.querySelectorAll("#app .pages")].filter((e) => e.checkVisibility()).length`), 0)
}

// A report without findings, and filters that no finding fits, say so.
func TestNoFindings(t *testing.T) {
	row := `document.querySelector("#app tbody").textContent`
	p := open(t, file(t, report.Of(Made(0, ""))), View{Width: 320})
	equal(t, "no findings", eval[string](t, p, row+`+ "; " + `+status), "The report has no finding.; 0 of 0 findings")
	sideways(t, p)
	p = open(t, file(t, report.Of(Made(20, ""))), View{Width: 320})
	set(t, p, "text", "nothing has this")
	equal(t, "nothing fits", eval[string](t, p, row), "No finding fits all filters.")
	quiet(t, p)
}

// Pages follow one another, and the order groups findings under headings.
func TestPagesAndOrder(t *testing.T) {
	p := open(t, file(t, report.Of(Made(250, ""))), View{Width: 1280})
	place := `(() => {
		const seen = [...document.querySelectorAll(".pages span")].filter((e) => e.checkVisibility()).map((e) => e.textContent);
		return [...new Set(seen)].join() + "; " + ` + status + `;
	})()`
	first := tableRow + `[0].cells[3].textContent.split(" ")[0]`
	press := func(name string) {
		eval[any](t, p, fmt.Sprintf(`[...document.querySelectorAll("#app button")].find((b) => b.textContent === %q).click()`, name))
	}
	disabled := func(name string) bool {
		return eval[bool](t, p, fmt.Sprintf(`[...document.querySelectorAll("#app button")].find((b) => b.textContent === %q).disabled`, name))
	}
	equal(t, "first page", eval[string](t, p, place), "Page 1 of 3; 250 of 250 findings. Shown: 1 to 100")
	equal(t, "worst first", eval[string](t, p, first), "pod/team-0/web-000000")
	equal(t, "back on the first page", disabled("Previous"), true)
	press("Next")
	press("Next")
	equal(t, "last page", eval[string](t, p, place), "Page 3 of 3; 250 of 250 findings. Shown: 201 to 250")
	equal(t, "its first row", eval[string](t, p, first), "pod/team-0/web-000200")
	equal(t, "next on the last page", disabled("Next"), true)
	press("Previous")
	equal(t, "second page", eval[string](t, p, place), "Page 2 of 3; 250 of 250 findings. Shown: 101 to 200")
	for order, want := range map[string]string{
		"by check":     "group/check-0: Title of check 0 (42)",
		"by namespace": "team-0 (50)",
		"by node":      "node-0 (36)",
		"worst first":  "",
	} {
		set(t, p, "order", order)
		equal(t, order, eval[string](t, p, `(document.querySelector("#app tr.group") || {textContent: ""}).textContent`), want)
		equal(t, order+" begins", eval[string](t, p, place), "Page 1 of 3; 250 of 250 findings. Shown: 1 to 100")
		equal(t, order+" has the worst first", eval[string](t, p, first), "pod/team-0/web-000000")
	}
	quiet(t, p)
}

// One click shows the evidence, the patch, and the controls of the check.
func TestEvidence(t *testing.T) {
	p := open(t, file(t, report.Of(Made(8, ""))), View{Width: 1280})
	text := eval[string](t, p, `(async () => {
		const d = `+tableRow+`[1].querySelector("details");
		d.querySelector("summary").click();
		while (!d.querySelector("dl")) await new Promise((done) => setTimeout(done, 5));
		return [...d.querySelectorAll("dt, dd")].map((e) => e.textContent).join("\n");
	})()`)
	for _, want := range []string{
		"/proc/1/status (measured)\nCapEff: 0000000000000001", "What to do\nDo this",
		"Suggested patch of deployments.apps/web in namespace shop: may break something\nmeasured\nChange it in helm, which would undo the patch\nremove /spec/template = {\"a\":\"x\"}",
		"Evidence for\nCIS Kubernetes Benchmark 1.12: 5.2.2\nNIST SP 800-190, section 4: 4.4.3\nown: x", "Check\nTitle of check 1\nquestion immutable; part part; basis measured",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
}

const visible = `(() => {
	const seen = (s) => [...document.querySelectorAll(s)].filter((e) => e.checkVisibility({contentVisibilityAuto: true, visibilityProperty: true}));
	return {cards: seen("article.card").length, pictures: seen("figure").length, parts: seen("[data-part]").length, counts: seen(".counts li").length, worst: seen("#worst tbody tr").length,
		said: seen(".said").map((e) => e.textContent).join(), app: seen("#app").length, gaps: seen("#gaps ~ details tbody tr").length, checks: seen(".checks tbody tr").length};
})()`

type seen struct {
	Cards, Pictures, Parts, Counts, Worst, App, Gaps, Checks int
	Said                                                     string
}

// Print and browsers without script show answers, parts, counts, the 500 worst, and say what they
// lack. Lists that a screen folds are open in print.
func TestPrintAndNoScript(t *testing.T) {
	path := file(t, report.Of(Made(840, "")))
	const said = "Only the 500 worst findings are below. Left out here: 130 accepted, 210 pass. To see all, open this page where its script runs: Chrome or Edge 86, Firefox 113, Safari 16.4, or newer."
	for _, tc := range []struct {
		view View
		want seen
	}{
		{View{Width: 1000, NoScript: true}, seen{6, 1, 6, 4, 500, 0, 0, 0, said}},
		{View{Width: 800, Print: true}, seen{6, 1, 6, 4, 500, 0, 1, 6, said}},
		{View{Width: 800, Print: true, NoScript: true}, seen{6, 1, 6, 4, 500, 0, 1, 6, said}},
		{View{Width: 1000}, seen{6, 1, 6, 4, 0, 1, 0, 0, ""}},
	} {
		t.Run(fmt.Sprintf("%+v", tc.view), func(t *testing.T) {
			p := open(t, path, tc.view)
			equal(t, "what is seen", eval[seen](t, p, visible), tc.want)
			quiet(t, p)
		})
	}
}

// damaged makes the findings of a page something that nothing unpacks.
func damaged(t *testing.T, path string) string {
	t.Helper()
	const before = `id="data">`
	return changed(t, path, before, before+"AAAA")
}

// A browser that cannot unpack the findings keeps the worst ones, and says why.
func TestNotUnpacked(t *testing.T) {
	path := file(t, report.Of(Made(40, "")))
	p, err := chromium.Open(damaged(t, path), View{Width: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	got := eval[string](t, p, `(async () => {
		const e = document.getElementById("error");
		while (e.hidden) await new Promise((done) => setTimeout(done, 5));
		return e.textContent;
	})()`)
	if !strings.HasPrefix(got, "The findings of this page cannot be unpacked, so only the worst are below. The file may be damaged.") {
		t.Errorf("said %q", got)
	}
	equal(t, "worst", eval[seen](t, p, visible).Worst, 30)
}

// Texts of others run nothing, ask for nothing, and change no layout.
func TestHostileTexts(t *testing.T) {
	shape := `[...document.querySelectorAll("*")].map((e) => e.tagName + [...e.attributes].map((a) => a.name).sort()).filter((e) => e !== "WBR").join()`
	for name, text := range Hostile {
		n := 12
		if len(text) >= 1<<20 {
			n = 4
		}
		plain := open(t, file(t, report.Of(Made(n, "x"))), View{Width: 320})
		eval[any](t, plain, openAll)
		want := eval[string](t, plain, shape)
		plain.Close()
		t.Run(name, func(t *testing.T) {
			path := file(t, report.Of(Made(n, text)))
			if info, err := os.Stat(path); err != nil || info.Size() > 2<<20 {
				t.Errorf("%d bytes: %v", info.Size(), err)
			}
			p := open(t, path, View{Width: 320})
			eval[any](t, p, openAll)
			quiet(t, p)
			sideways(t, p)
			got, at := eval[string](t, p, shape), 0
			for at < min(len(got), len(want)) && got[at] == want[at] {
				at++
			}
			if got != want {
				t.Errorf("elements or attributes differ from those of a plain text: want %.80q, got %.80q", want[at:], got[at:])
			}
			p.Close()
			p = open(t, path, View{Width: 1280, NoScript: true})
			quiet(t, p)
			sideways(t, p)
		})
	}
}

// changed writes a page with one text in place of another.
func changed(t *testing.T, path, before, after string) string {
	t.Helper()
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(page), before); n != 1 {
		t.Fatalf("the page has %q %d times", before, n)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(page), before, after, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// An old browser, and a server whose own policy blocks the script, leave no page without findings.
func TestScriptCannotRun(t *testing.T) {
	const needs = "Chrome or Edge 86, Firefox 113, Safari 16.4, or newer."
	path := func() string { return file(t, report.Of(Made(40, ""))) }
	for name, path := range map[string]string{
		// A policy of a server comes with its answer. A second one in the page does the same.
		"policy of a server":       changed(t, path(), `<meta name="viewport"`, `<meta http-equiv="Content-Security-Policy" content="script-src 'self'"><meta name="viewport"`),
		"script is not understood": changed(t, changed(t, path(), `"use strict";`, `"use strict"; let let;`), `http-equiv="Content-Security-Policy"`, `name="none"`),
	} {
		t.Run(name, func(t *testing.T) {
			p, err := chromium.Open(path, View{Width: 1000})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			got := eval[seen](t, p, visible)
			equal(t, "worst", got.Worst, 30)
			equal(t, "the list of all findings", got.App, 0)
			equal(t, "said", got.Said, "Only the 30 worst findings are below. Left out here: 10 pass. To see all, open this page where its script runs: "+needs)
			equal(t, "errors", len(p.Errors()) > 0, true)
		})
	}
	for _, missing := range []string{"window.DecompressionStream", "Element.prototype.replaceChildren"} {
		t.Run("without "+missing, func(t *testing.T) {
			p, err := chromium.Open(path(), View{Width: 1000, Before: "delete " + missing})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			equal(t, "error", eval[string](t, p, `[...document.querySelectorAll("[role=alert]")].filter((e) => e.checkVisibility()).map((e) => e.textContent).join()`),
				"This browser is too old to unpack the findings, so only the worst are below. To see all: "+needs)
			equal(t, "worst", eval[seen](t, p, visible).Worst, 30)
			quiet(t, p)
		})
	}
}
