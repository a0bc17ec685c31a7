package markdown

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/markdown/markdowntest"
)

const hostile = "a|b\n| x |``c`@team #1 <img src=x>\x00\x1b[31m\xff\u202e\u200b\ue000 [l](http://x)"

func TestCode(t *testing.T) {
	for text, want := range map[string]string{
		"":              "-",
		"web":           "`web`",
		"a|b":           "`a\\|b`",
		"`":             "`` ` ``",
		"a``b`":         "``` a``b` ```",
		"@team #1":      "`@team #1`",
		"a\nb\x00":      "`a b\ufffd`",
		"\xff\u202e":    "`\ufffd\ufffd`",
		"\ue000<b>":     "`\ufffd<b>`",
		"0123456789abc": "`0123456789 ...`",
		`a\|@b`:         "`a\\ \\|@b`",
		`\\\|`:          "`\\\\\\ \\|`",
		`a\`:            "`a\\`",
	} {
		if got := code(text, 10); got != want {
			t.Errorf("%q: want %q, got %q", text, want, got)
		}
	}
	// No fence is longer than what GitHub takes for one, and the cut has a mark.
	fence := strings.Repeat("`", mostBackticks+1)
	if got, want := code(strings.Repeat("`", 200)+"@b", 300), fence+" "+fence[1:]+" ... @b "+fence; got != want {
		t.Errorf("200 backticks: want %q, got %q", want, got)
	}
	if got := span("a | b", 10); got != "`a | b`" {
		t.Errorf("outside of a table: %q", got)
	}
}

func sample(text string, fails int) *api.ChecklistReport {
	r := &api.ChecklistReport{
		Checks: []api.ReportCheck{{Check: "secrets/a", Parts: []string{"rest"}}},
		Answers: []api.Answer{
			{Question: api.Secrets, Answer: api.No, Coverage: api.Coverage{Measured: 3, InScope: 5}, Unknowns: 1, Parts: []api.PartAnswer{{Part: "rest", Answer: api.Yes}, {Part: text, Answer: "n", Reason: text}}},
			{Question: api.Hosts, Answer: api.Unknown, Reason: text},
		},
	}
	add := func(v api.Verdict, s api.Severity, name string) {
		r.Findings = append(r.Findings, api.Finding{
			Check: "secrets/a", Question: api.Secrets, Verdict: v, Severity: s, Basis: api.Measured, Message: text,
			Subject: fact.Subject{Kind: "Secret", Namespace: "shop", Name: name + text}, Evidence: []api.Evidence{{Source: text, Value: text}, {}},
		})
	}
	for i := range fails {
		add(api.Fail, api.High, fmt.Sprint("f", i, "-"))
	}
	add(api.Fail, api.Low, "low-")
	add(api.VerdictUnknown, api.Low, "unk-")
	r.Findings[len(r.Findings)-1].Reason = fact.Reason("NotReady")
	add(api.Accepted, api.High, "acc-")
	r.Findings[len(r.Findings)-1].Accepted = &api.Acceptance{Reason: text, AcceptedBy: text, Expires: "2027-01-01"}
	add(api.Pass, api.High, "pass-")
	return r
}

func printed(t *testing.T, r *api.ChecklistReport, opts report.Options) string {
	t.Helper()
	printer, err := Format().New("", opts)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := report.Print(&out, printer, report.Of(r)); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

var cells = regexp.MustCompile(`(?:^|[^\\])\|`)

// No text of others leaves its code span or its cell.
func TestHostileTexts(t *testing.T) {
	for _, text := range []string{"plain", hostile, strings.Repeat("`|@x", 1<<18), strings.Repeat("`", 90) + " @x <b>", `a\|@x`, `a\\|@x`, "a\\"} {
		got := printed(t, sample(text, 2), report.Options{})
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > mostCharacters {
			t.Errorf("%d bytes", len(got))
		}
		columns := 0
		for i, line := range strings.Split(got, "\n") {
			outside := markdowntest.OutsideCode(line)
			if i > 0 && strings.ContainsAny(outside, "@#<[`\x00\x1b\\") {
				t.Errorf("outside of a code span: %q", outside)
			}
			n := len(cells.FindAllString(line, -1))
			if n > 0 && n != len(markdowntest.Cells(line))-1 {
				t.Errorf("%d cells for some renderers, %d for others: %q", n, len(markdowntest.Cells(line))-1, line)
			}
			if n > 0 && columns > 0 && n != columns {
				t.Errorf("%d cells, not %d: %q", n, columns, line)
			}
			columns = n
		}
		for _, want := range []string{"| `secrets` | **NO** | 3 of 5 | 1 | 0 |", "| `rest` | **YES** |", "| `fail` | `high` | `secrets/a` | `rest` | ", "reason `NotReady`", "and 1 more", "until `2027-01-01`", "Left out: 1 pass\n"} {
			if !strings.Contains(got, want) {
				t.Errorf("no %q in\n%.3000s", want, got)
			}
		}
	}
}

var count = regexp.MustCompile(`Left out: (\d+) (fail|unknown|accepted),`)

// What is cut is counted, the page obeys its limit, and no better finding comes in place of a worse.
func TestLimit(t *testing.T) {
	for _, limit := range []int{0, leastCharacters, 5000, 32_768} {
		r := sample(hostile, 1000)
		got := printed(t, r, report.Options{Limit: limit})
		if limit == 0 {
			limit = mostCharacters
		}
		if n := utf8.RuneCountInString(got); n > limit {
			t.Errorf("limit %d: %d characters", limit, n)
		}
		all := map[string]int{"fail": strings.Count(got, "\n| `fail`"), "unknown": strings.Count(got, "\n| `unknown`"), "accepted": strings.Count(got, "\n| `accepted`")}
		shown := all["fail"]
		for _, m := range count.FindAllStringSubmatch(got, -1) {
			n := 0
			fmt.Sscan(m[1], &n) //nolint:errcheck // digits
			all[m[2]] += n
		}
		if all["fail"] != 1001 || all["unknown"] != 1 || all["accepted"] != 1 {
			t.Errorf("limit %d: %v", limit, all)
		}
		if limit > 5000 && (shown < 10 || !strings.Contains(got, "f0-") || !strings.Contains(got, "f9-")) {
			t.Errorf("limit %d: only %d are shown", limit, shown)
		}
	}
	if _, err := Format().New("", report.Options{Limit: 10}); err == nil {
		t.Error("a limit of 10 is no error")
	}
}

// What to do is said once for each check that fails, within the limit.
func TestRemediation(t *testing.T) {
	r := sample("x", 3)
	for i := range r.Findings {
		r.Findings[i].Remediation.Text = "Run kubectl checklist | x, @you."
	}
	expand := func(text string) string { return strings.ReplaceAll(text, "checklist", "checklist --context c") }
	got := printed(t, r, report.Options{Expand: expand})
	if want := "\n### What to do\n\n- `secrets/a`: `Run kubectl checklist --context c | x, @you.`\n\n- Left out: 1 pass\n"; strings.Count(got, "Run kubectl") != 1 || !strings.HasSuffix(got, want) {
		t.Errorf("expected the end %q, found %s", want, got)
	}
	for i := range r.Findings {
		r.Findings[i].Check, r.Findings[i].Remediation.Text = fmt.Sprint("secrets/", i), strings.Repeat("long ", 100)
	}
	got = printed(t, r, report.Options{Limit: 2500})
	told := strings.Count(got, ": `long")
	if want := fmt.Sprintf("- Left out: %d remediations, because of the limit\n", strings.Count(got, "\n| `fail`")-told); told == 0 || utf8.RuneCountInString(got) > 2500 || !strings.Contains(got, want) {
		t.Errorf("%d are told, expected %q in\n%s", told, want, got)
	}
}

// A severity hides no unknown, and says how many it hides.
func TestSeverity(t *testing.T) {
	got := printed(t, sample("x", 1), report.Options{MinSeverity: api.High})
	if strings.Contains(got, "low-x") || !strings.Contains(got, "unk-x") || !strings.Contains(got, "Left out: 1 below the severity") {
		t.Error(got)
	}
}

// With a mapping there is a table of controls, and findings name theirs. What does not fit is counted.
func TestControls(t *testing.T) {
	r := sample("x", 3)
	r.Checks = []api.ReportCheck{{Check: "privileged/seccomp"}}
	for i := range r.Findings {
		r.Findings[i].Check = "privileged/seccomp"
	}
	text := printed(t, r, report.Options{Mapping: "pss"})
	for _, want := range []string{"### Pod Security Standards", "No number of passes shows that a control is met.", "| `seccompProfile_baseline` |  | 4 |", "`privileged/seccomp` for `seccompProfile_baseline, seccompProfile_restricted`"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if text := printed(t, r, report.Options{Mapping: "nsa", Limit: 1000}); !strings.Contains(text, "rows of controls, because of the limit") {
		t.Error(text)
	}
	r.Cluster.Provider = "eks"
	if text := printed(t, r, report.Options{Mapping: "cis"}); !strings.Contains(text, "Nothing is mapped: EKS has a benchmark of its own") || strings.Contains(text, " for `5.") {
		t.Error(text)
	}
}

// However many findings there are, a page says what to do about those that it shows.
func TestRoomForWhatToDo(t *testing.T) {
	r, advice := sample("plain", 500), strings.Repeat("mend,", 90) // longer than a row
	for i := range r.Findings {
		r.Findings[i].Remediation.Text = advice
	}
	if got := printed(t, r, report.Options{Limit: 5000}); !strings.Contains(got, "\n### What to do\n\n- `secrets/a`: `"+advice+"`\n") {
		t.Errorf("no remediation in\n%s", got)
	}
}

// Answers that do not fit are counted.
func TestManyAnswers(t *testing.T) {
	r := sample("plain", 0)
	for len(r.Answers) < 100 {
		r.Answers = append(r.Answers, r.Answers[0])
	}
	got := printed(t, r, report.Options{Limit: 5000})
	all, shown := 0, strings.Count(got, "\n| `secrets` |")+strings.Count(got, "\n| `hosts` |")
	for i := range r.Answers {
		all += 1 + len(r.Answers[i].Parts)
	}
	if want := fmt.Sprintf("Left out: %d rows of answers, because of the limit\n", all-shown); !strings.Contains(got, want) || shown == all {
		t.Errorf("%d of %d rows: no %q in\n%s", shown, all, want, got)
	}
}
