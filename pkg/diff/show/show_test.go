package show

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/diff"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/markdown"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/markdown/markdowntest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/screen"
)

const hostile = "a|b\n| x |``c`@team #1 <img src=x onerror=a()>&\"'\x00\x1b[31m\xff\u202e\u200b\ue000 [l](http://x) </style></main><script>"

// compared is a diff that has each class n times, with a text in each place that is not ours.
func compared(t testing.TB, text string, n int) *api.ChecklistDiff {
	t.Helper()
	var old, now api.ChecklistReport
	for _, r := range []*api.ChecklistReport{&old, &now} {
		r.Kind, r.APIVersion = api.ReportKind, api.GroupVersion.String()
		r.Cluster = api.ReportCluster{Name: text, Nodes: 3, MeasuredNodes: 2}
		r.Spec = api.ReportSpec{Command: text, CatalogueVersion: text}
		r.Checks = []api.ReportCheck{{Check: "secrets/stored" + text, Severity: api.High}}
		r.Answers = []api.Answer{{Question: api.Secrets, Answer: api.No, Parts: []api.PartAnswer{{Part: text, Answer: api.Yes}}}}
	}
	now.Answers[0].Answer, now.Answers[0].Reason, now.Answers[0].Parts[0].Answer = api.Unknown, text, api.No
	add := func(r *api.ChecklistReport, name string, v api.Verdict, s api.Severity) {
		r.Findings = append(r.Findings, api.Finding{
			Check: "secrets/stored" + text, Question: api.Secrets, Verdict: v, Severity: s, Basis: api.Measured, Message: "says " + text,
			Subject: fact.Subject{Kind: "Secret", Namespace: "shop", Name: name + text},
		})
		if v == api.VerdictUnknown {
			r.Findings[len(r.Findings)-1].Reason = fact.Reason(text)
		}
	}
	for i := range n {
		name := func(what string) string { return fmt.Sprintf("%s%06d", what, i) }
		add(&now, name("new"), api.Fail, api.Critical)
		add(&old, name("worse"), api.Fail, api.Low)
		add(&now, name("worse"), api.Fail, api.Critical)
		add(&old, name("better"), api.Fail, api.High)
		add(&now, name("better"), api.Fail, api.Low)
		add(&old, name("fixed"), api.Fail, api.High)
		add(&now, name("fixed"), api.Pass, api.High)
		add(&old, name("gone"), api.Fail, api.High)
		add(&old, name("gone-pass"), api.Pass, api.High)
		add(&old, name("lost"), api.Pass, api.High)
		add(&now, name("lost"), api.VerdictUnknown, api.High)
		add(&old, name("seen"), api.VerdictUnknown, api.High)
		add(&now, name("seen"), api.Fail, api.High)
		add(&old, name("same"), api.Fail, api.High)
		add(&now, name("same"), api.Fail, api.High)
	}
	compare := func() *api.ChecklistDiff {
		a, errA := diff.Of(&old, false)
		b, errB := diff.Of(&now, true)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		d, err := diff.Compare(a, b, diff.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := compare()
	// Between two catalogues nothing is fixed or better. What is said of them is added to the rest.
	now.Spec.CatalogueVersion = text + "2"
	now.Checks = append(now.Checks, api.ReportCheck{Check: "secrets/added" + text})
	two := compare()
	d.New, d.Warnings, d.Catalogue = two.New, two.Warnings, two.Catalogue
	return d
}

func printed(t testing.TB, format string, d *api.ChecklistDiff, opts Options) string {
	t.Helper()
	var out bytes.Buffer
	if err := Print(&out, format, d, opts); err != nil {
		t.Fatal(err)
	}
	if !utf8.ValidString(out.String()) {
		t.Errorf("%s is not UTF-8", format)
	}
	return out.String()
}

func TestTable(t *testing.T) {
	want := strings.TrimLeft(`
OLD      report, command c, cluster c, 2 of 3 nodes measured, catalogue c, 8
         findings
NEW      facts, command c, cluster c, 2 of 3 nodes measured, catalogue c2, 7
         findings
NOTE     The catalogue changed from c to c2.
NOTE     Checks added: secrets/addedc
WARNING  Whether both are of one cluster is unknown: the UID of the namespace
         kube-system is missing. Names are compared.
WARNING  Different catalogues judged: a change of a verdict can come from that.
         Facts are judged again by one catalogue.

     1  new (1 failing)
     1  worse
     1  newly measured (1 failing)
     1  no longer measured
     1  better
     1  fixed
     2  gone
     1  unchanged (1 failing)

ANSWERS
  secrets: no -> unknown (c)
  secrets:c: yes -> no

NEW
  critical  secret/shop/new000000c: says c
            secrets/storedc, nothing -> fail; it was not there before

WORSE
  critical  secret/shop/worse000000c: says c
            secrets/storedc, fail -> fail, low -> critical

NEWLY MEASURED
  high      secret/shop/seen000000c: says c
            secrets/storedc, unknown -> fail

NO LONGER MEASURED
  high      secret/shop/lost000000c: says c
            secrets/storedc, pass -> unknown; c

BETTER
  low       secret/shop/better000000c: says c
            secrets/storedc, fail -> fail, high -> low

FIXED
  high      secret/shop/fixed000000c: says c
            secrets/storedc, fail -> pass

GONE
  high      secret/shop/gone000000c: says c
            secrets/storedc, fail -> nothing; it was deleted, or the check finds
            nothing in it any more
  Left out: 1 that pass (-o json has all)
`, "\n")
	if diff := cmp.Diff(want, printed(t, "table", compared(t, "c", 1), Options{Width: 80})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// No line is wider than the terminal, no text reaches it as a control sequence, and what is not
// listed is counted.
func TestTableOfHostileTexts(t *testing.T) {
	for _, width := range []int{40, 80, 200} {
		got := printed(t, "", compared(t, hostile, mostRows+5), Options{Width: width})
		for _, line := range strings.Split(got, "\n") {
			if screen.Width(line) > width || strings.ContainsAny(line, "\x1b\x00\u202e\u200b") {
				t.Errorf("width %d: %q", width, line)
			}
		}
		got = strings.Join(strings.Fields(got), " ")
		if n := strings.Count(got, "Left out: 5 more"); n != 7 {
			t.Errorf("width %d: %d classes say what is left out", width, n)
		}
		if n := strings.Count(got, "Left out: 5 more, 105 that pass (-o json has all)"); n != 1 {
			t.Errorf("width %d: passes are not counted", width)
		}
	}
	if got := printed(t, "", compared(t, "c", 1), Options{Color: true}); !strings.Contains(got, "\x1b[31mNEW\x1b[0m") {
		t.Errorf("no colour:\n%s", got)
	}
}

func TestDocuments(t *testing.T) {
	for _, text := range []string{"c", hostile} {
		d := compared(t, text, 3)
		var fromJSON, fromYAML api.ChecklistDiff
		if err := json.Unmarshal([]byte(printed(t, "json", d, Options{})), &fromJSON); err != nil {
			t.Fatal(err)
		}
		if err := yaml.UnmarshalStrict([]byte(printed(t, "yaml", d, Options{})), &fromYAML); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(d, &fromJSON); diff != "" || d.Kind != "ChecklistDiff" || len(d.Changes) != 24 {
			t.Errorf("json, %d changes (-want +got):\n%s", len(d.Changes), diff)
		}
		if diff := cmp.Diff(d, &fromYAML); diff != "" {
			t.Errorf("yaml (-want +got):\n%s", diff)
		}
	}
}

var (
	cells = regexp.MustCompile(`(?:^|[^\\])\|`)
	left  = regexp.MustCompile(`Left out: (\d+) ([a-z ]+?)(, because| that pass)`)
)

func TestMarkdown(t *testing.T) {
	for _, n := range []int{1, 400} {
		for _, text := range []string{"c", hostile} {
			d := compared(t, text, n)
			got := printed(t, "markdown", d, Options{})
			if length := utf8.RuneCountInString(got); length > markdown.MostCharacters {
				t.Errorf("%d characters", length)
			}
			columns := 0
			for i, line := range strings.Split(got, "\n") {
				outside := markdowntest.OutsideCode(line)
				if !strings.HasPrefix(line, "#") && i > 0 && strings.ContainsAny(outside, "@#<[`\x00\x1b\\") {
					t.Errorf("outside of a code span: %q", outside)
				}
				count := 0
				if strings.HasPrefix(line, "|") { // elsewhere a pipe is only a pipe
					count = len(cells.FindAllString(line, -1))
				}
				if count > 0 && columns > 0 && count != columns {
					t.Errorf("%d cells, not %d: %q", count, columns, line)
				}
				columns = count
			}
			// What is shown and what is left out is all there is.
			rows := strings.Count(got, "says a") + strings.Count(got, "says c")
			for _, m := range left.FindAllStringSubmatch(got, -1) {
				k := 0
				fmt.Sscan(m[1], &k) //nolint:errcheck // digits
				rows += k
			}
			if rows != len(d.Changes) {
				t.Errorf("n %d: %d of %d changes are shown or counted", n, rows, len(d.Changes))
			}
			if n == 400 && !strings.Contains(got, "400 no longer measured, because of the limit") {
				t.Error("what is no longer measured is not counted")
			}
		}
	}
}

// What follows from another catalogue is counted wherever people look.
func TestByCatalogue(t *testing.T) {
	d := compared(t, "c", 1)
	for _, n := range []int{0, 7} {
		d.Summary.ByCatalogue = n
		for _, format := range []string{"table", "markdown", "html"} {
			if got := strings.Contains(printed(t, format, d, Options{Width: 100}), "7 of these follow from the change of the catalogue"); got != (n > 0) {
				t.Errorf("%s: %d by the catalogue, said: %t", format, n, got)
			}
		}
	}
}

func TestHTML(t *testing.T) {
	got := printed(t, "html", compared(t, hostile, mostPageRows+1), Options{})
	for _, bad := range []string{"<script", "<img", "onerror=a()>&\"", "\x1b", "\u202e", "\u200b", "</style></main>"} {
		if strings.Contains(got, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	for _, want := range []string{
		"<!doctype html>", `content="default-src 'none'; style-src 'sha256-`, "base-uri 'none'; form-action 'none'", "✗ fail", "? unknown",
		"500 of 501, the worst first", `<h2 id="new">New</h2>`, "✗ fail</span> <small>low</small>", "Left out: 1 more (-o json has all)", "Left out: 1 more, 501 that pass (-o json has all)", "<h2 id=\"no-longer-measured\">",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q", want)
		}
	}
	// Each element is closed: the page has no other way to be well formed.
	for _, element := range []string{"table", "tr", "td", "th", "section", "h2", "small", "span", "dl", "dt", "dd", "thead", "tbody", "caption", "main", "body", "style"} {
		opened := len(regexp.MustCompile(`<`+element+`[ >]`).FindAllString(got, -1))
		if closed := strings.Count(got, "</"+element+">"); opened != closed || opened == 0 {
			t.Errorf("%s: %d opened, %d closed", element, opened, closed)
		}
	}
}

type full struct{ room int }

func (f *full) Write(b []byte) (int, error) {
	if f.room -= len(b); f.room < 0 {
		return 0, errors.New("no space left on device")
	}
	return len(b), nil
}

func TestFullDisk(t *testing.T) {
	d := compared(t, "c", 300) // more than any buffer holds
	for _, format := range Names() {
		if err := Print(&full{10}, format, d, Options{}); err == nil {
			t.Errorf("%s: no error", format)
		}
	}
	if err := Print(&full{10}, "sarif", d, Options{}); err == nil || err.Error() != `output format "sarif" is not supported; use one of: table, json, yaml, markdown, html` {
		t.Error(err)
	}
}

// A pass that is newly measured is only counted, unless it failed before.
func TestPassesThatFailedBefore(t *testing.T) {
	pass, fail := &api.ChangeState{Verdict: api.Pass}, &api.ChangeState{Verdict: api.Fail}
	d := &api.ChecklistDiff{Summary: api.DiffSummary{NewlyMeasured: 3}, Changes: []api.Change{
		{Class: api.ChangeNewlyMeasured, Check: "a", Old: fail, New: pass},
		{Class: api.ChangeNewlyMeasured, Check: "b", New: pass},
		{Class: api.ChangeNewlyMeasured, Check: "c", Old: &api.ChangeState{Verdict: api.VerdictUnknown}, New: pass},
	}}
	list := groups(d, 10)
	if len(list) != 1 || len(list[0].shown) != 1 || list[0].shown[0].Check != "a" || list[0].passes != 2 {
		t.Errorf("%+v", list)
	}
}

// No text of a report is markup, a mention or a control sequence in any format.
func FuzzPrint(f *testing.F) {
	plain := map[string]bool{}
	for _, tag := range anyTag.FindAllString(printed(f, "html", compared(f, "c", 1), Options{}), -1) {
		plain[tag] = true
	}
	for _, text := range []string{"", "c", hostile, "a\\|b", "- \n---\n...", "`` ` ```", "&lt;script&gt;", "\u2028\u061c\ufffe\U0010ffff", "=1+1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d := compared(t, text[:min(len(text), 10_000)], 1)
		for _, width := range []int{0, 40} {
			for line := range strings.Lines(printed(t, "table", d, Options{Width: width})) {
				line = strings.TrimSuffix(line, "\n")
				if width > 0 && screen.Width(line) > width || strings.ContainsFunc(line, hidden) {
					t.Errorf("table: %q", line)
				}
			}
		}
		columns := 0
		for i, line := range strings.Split(printed(t, "markdown", d, Options{}), "\n") {
			outside := markdowntest.OutsideCode(line)
			if !strings.HasPrefix(line, "#") && i > 0 && strings.ContainsAny(outside, "@#<>[]!`\\&~") || strings.ContainsFunc(line, hidden) {
				t.Errorf("markdown: %q", line)
			}
			count := 0
			if strings.HasPrefix(line, "|") { // a row of a table
				count = len(markdowntest.Cells(line))
			}
			if count > 0 && columns > 0 && count != columns {
				t.Errorf("%d cells, not %d: %q", count, columns, line)
			}
			columns = count
		}
		page := printed(t, "html", d, Options{})
		if strings.ContainsFunc(strings.ReplaceAll(page, "\n", ""), hidden) {
			t.Error("html: a character that nobody sees")
		}
		for _, tag := range anyTag.FindAllString(page, -1) {
			if !plain[tag] {
				t.Errorf("html: %q", tag)
			}
		}
		var fromJSON, fromYAML api.ChecklistDiff
		if err := json.Unmarshal([]byte(printed(t, "json", d, Options{})), &fromJSON); err != nil {
			t.Error(err)
		}
		if err := yaml.UnmarshalStrict([]byte(printed(t, "yaml", d, Options{})), &fromYAML); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(d, &fromJSON); diff != "" {
			t.Errorf("json (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(d, &fromYAML); diff != "" {
			t.Errorf("yaml (-want +got):\n%s", diff)
		}
	})
}

var anyTag = regexp.MustCompile(`<[^>]*>`)

// hidden reports whether nobody sees a character, or a terminal obeys it.
func hidden(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp, unicode.Noncharacter_Code_Point)
}
