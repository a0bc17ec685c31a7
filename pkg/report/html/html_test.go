package html

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

const hostile = "</script><img src=x onerror=alert(1)>\" onclick=\"x'&amp;\x00\x1b[31m\xff\u202e\u200b\ue000\n"

func sample(text string, fails int) *api.ChecklistReport {
	r := &api.ChecklistReport{
		Spec:    api.ReportSpec{Command: text, Version: text, Scope: api.Scope{Namespaces: []string{text}, Narrowed: text, LeftOutChecks: []string{text}}},
		Cluster: api.ReportCluster{Name: text, User: text, Nodes: 3, MeasuredNodes: 2},
		Checks:  []api.ReportCheck{{Check: "secrets/a", Title: text, Parts: []string{"rest"}}},
		Answers: []api.Answer{
			{Question: api.Secrets, Number: 5, Text: text, Answer: api.No, Coverage: api.Coverage{Measured: 3, InScope: 5}, Unknowns: 1, Parts: []api.PartAnswer{{Part: "rest", Answer: api.Yes}, {Part: text, Title: text, Answer: "maybe", Reason: text}}},
		},
		Nodes: []api.ReportNode{{Name: text, Answers: []api.NodeAnswer{{Question: api.Question(text), Answer: api.Yes}}}},
		Gaps:  []fact.Gap{{What: fact.Kind(text), Reason: fact.Reason(text), Detail: text, Hint: text}},
	}
	add := func(v api.Verdict, s api.Severity, name string) {
		r.Findings = append(r.Findings, api.Finding{
			Check: "secrets/a", Question: api.Secrets, Verdict: v, Severity: s, Basis: api.Measured, Message: text,
			Subject: fact.Subject{Kind: "Secret", Namespace: "shop", Name: name + text}, Evidence: []api.Evidence{{Source: text, Value: text}, {Source: "s", Value: "v", Basis: api.Measured}},
			Remediation: api.Remediation{Text: text},
		})
	}
	for i := range fails {
		add(api.Fail, api.High, fmt.Sprint("f", i, "-"))
	}
	add(api.Fail, api.Low, "low-")
	add(api.VerdictUnknown, api.Low, "unk-")
	add("good", api.Low, "word-")
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

func unpack(t *testing.T, page string) []Row {
	t.Helper()
	rows, err := Read([]byte(page))
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// The data of the page hold what the report says, in its order.
func TestData(t *testing.T) {
	r := sample("plain", 3)
	long := &r.Findings[0]
	r.Findings[1].Subject = fact.Subject{Kind: "Node", Name: "w1"}
	r.Findings[2].Subject.Node = "w2"
	nodes := map[int]string{1: "w1", 2: "w2"}
	long.Evidence = make([]api.Evidence, mostEvidence+7)
	patched := &r.Findings[3].Remediation
	patched.Patch = &api.Patch{
		Target: "deployments.apps/web", Namespace: "shop", Because: "why", Upstream: "helm", Safe: true,
		Operations: append([]api.PatchOperation{{Op: "replace", Path: "/spec/a", Value: []byte("2")}}, make([]api.PatchOperation, mostOperations)...),
	}
	rows := unpack(t, printed(t, r, report.Options{}))
	if len(rows) != len(r.Findings) {
		t.Fatalf("want %d findings, got %d", len(r.Findings), len(rows))
	}
	for i, f := range r.Findings {
		want := Row{
			Check: f.Check, Subject: report.SubjectName(f.Subject), Namespace: f.Subject.Namespace, Node: nodes[i], Parts: "rest", Message: "plain",
			Accepted: accepted(f.Accepted), Remedy: "plain", Question: f.Question, Verdict: known(f.Verdict), Severity: f.Severity, Basis: f.Basis,
			Evidence: f.Evidence,
		}
		switch i {
		case 0:
			want.Evidence, want.Lost = f.Evidence[:mostEvidence], 7
		case 3:
			want.Patch = rows[i].Patch
			const start = `{"target":"deployments.apps/web in namespace shop","safe":true,"because":"why","upstream":"helm","operations":["replace /spec/a = 2"," "`
			if !strings.HasPrefix(want.Patch, start) || !strings.HasSuffix(want.Patch, `],"lost":1}`) {
				t.Errorf("patch %s", want.Patch)
			}
		}
		if diff := cmp.Diff(want, rows[i]); diff != "" {
			t.Errorf("finding %d (-want +got):\n%s", i, diff)
		}
	}
}

// The script reads the same columns in the same order.
func TestScriptKnowsTheColumns(t *testing.T) {
	for name, column := range map[string]int{
		"VERDICT": colVerdict, "SEVERITY": colSeverity, "CHECK": colCheck, "QUESTION": colQuestion, "PARTS": colParts,
		"SUBJECT": colSubject, "NAMESPACE": colNamespace, "NODE": colNode, "BASIS": colBasis, "MESSAGE": colMessage,
		"REASON": colReason, "ACCEPTED": colAccepted, "REMEDY": colRemedy, "PATCH": colPatch, "COUNTS": colCounts, "LOST": colLost, "COLUMNS": columns,
	} {
		if !strings.Contains(script, fmt.Sprintf("%s = %d", name, column)) {
			t.Errorf("page.js: %s is not %d", name, column)
		}
	}
}

var (
	policyOf  = regexp.MustCompile(`<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="([^"]*)">`)
	inline    = regexp.MustCompile(`(?s)<(script|style)>(.*?)</(?:script|style)>`)
	quoted    = regexp.MustCompile(`"[^"]*"`)
	tag       = regexp.MustCompile(`<[a-zA-Z!/][^>]*>`)
	addresses = regexp.MustCompile(`href="[^"]*"`)
	forbidden = regexp.MustCompile(`(?i)\s(?:on[a-z]+|style|src|action)\s*=|<(?:img|iframe|object|embed|link|base|form)\b`)
)

// Script and style are those that the policy names, and no text of others becomes a tag.
func TestPolicyAndHostileTexts(t *testing.T) {
	tags := func(page string) []string {
		return tag.FindAllString(inline.ReplaceAllString(strings.ReplaceAll(page, "<wbr>", ""), ""), -1)
	}
	want := len(tags(printed(t, sample("plain", 2), report.Options{})))
	for _, text := range []string{"plain", hostile, strings.Repeat("<b>\"'&", 1<<17)} {
		page := printed(t, sample(text, 2), report.Options{})
		if !utf8.ValidString(page) || strings.ContainsAny(page, "\x00\x1b\u202e\u200b\ue000") {
			t.Error("the page holds what no page may")
		}
		if len(page) > 2<<20 {
			t.Errorf("%d bytes: a text was not cut", len(page))
		}
		m := policyOf.FindStringSubmatch(page)
		if m == nil || !strings.HasPrefix(m[1], "default-src 'none'; ") || !strings.HasSuffix(m[1], "trusted-types 'none'") {
			t.Fatalf("policy %q", m)
		}
		found := inline.FindAllStringSubmatch(page, -1)
		if len(found) != 2 {
			t.Fatalf("%d scripts and styles", len(found))
		}
		for _, f := range found {
			if !strings.Contains(m[1], f[1]+"-src "+hash(f[2])+";") {
				t.Errorf("the policy does not allow the page's %s", f[1])
			}
		}
		if strings.Contains(script, "innerHTML") || strings.Contains(script+style, "http") || strings.Contains(style, "url(") {
			t.Error("page.js parses markup or asks for something")
		}
		for _, href := range addresses.FindAllString(page, -1) {
			if !strings.HasPrefix(href, `href="#`) {
				t.Errorf("the page points to %s", href)
			}
		}
		got := tags(page)
		if len(got) != want {
			t.Errorf("%.20q: %d tags, not %d", text, len(got), want)
		}
		for _, one := range got {
			if forbidden.MatchString(quoted.ReplaceAllString(one, `""`)) {
				t.Errorf("tag %s", one)
			}
		}
		unpack(t, page)
	}
}

var said = regexp.MustCompile(`<p class="said">([^<]*)</p>`)

// Without script the page has the worst findings, and says how many of each verdict it lacks.
func TestWithoutScript(t *testing.T) {
	for fails, want := range map[int]string{
		2:   "Only the 6 worst findings are below. Left out here: 1 pass.",
		600: "Only the 500 worst findings are below. Left out here: 101 fail, 2 unknown, 1 accepted, 1 pass.",
	} {
		page := printed(t, sample("plain", fails), report.Options{})
		if m := said.FindStringSubmatch(page); m == nil || !strings.HasPrefix(m[1], want) {
			t.Errorf("%d fails: want %q, got %q", fails, want, m)
		}
		if n := strings.Count(page, `<td role="cell" data-of="Finding">`); n != min(fails+4, mostWorst) {
			t.Errorf("%d fails: %d rows", fails, n)
		}
		for _, want := range []string{
			fmt.Sprintf("✗ fail</span> %d</li>", fails+1), "? unknown</span> 2</li>", "~ accepted</span> 1</li>", "✓ pass</span> 1</li>",
			"<dt>Who ran it</dt><dd>plain</dd>", "<dd>2 of 3</dd>", "<b>1 check left out:</b> plain.", "<b>1 of 3 nodes was not measured.</b> What only it can tell is unknown.", "<b>Only part of the cluster:</b> plain.", "✗ NO</span>", "✓ YES</span>", "? unknown</span>", "? not measured</span>", "3 of 5",
		} {
			if !strings.Contains(page, want) {
				t.Errorf("no %q", want)
			}
		}
	}
	r := sample("plain", 1)
	r.Findings = r.Findings[:1]
	if m := said.FindStringSubmatch(printed(t, r, report.Options{})); m == nil || m[1] != "All findings are below." {
		t.Errorf("got %q", m)
	}
}

// A long list of nodes is folded, says how many were not measured, and has those first: what it
// leaves out at its end was measured.
func TestNodes(t *testing.T) {
	r := sample("plain", 1)
	r.Nodes = nil
	for i := range mostRows + 20 {
		r.Nodes = append(r.Nodes, api.ReportNode{Name: fmt.Sprintf("w%d", i), OS: "Debian", Kernel: "6.1", Measured: i != mostRows+7})
	}
	page := printed(t, r, report.Options{})
	for _, want := range []string{
		"<details>\n<summary>520 nodes: 519 answered the probe, 1 not measured</summary>\n<table role=\"table\" class=\"nodes\">",
		`<tbody role="rowgroup">` + "\n" + `<tr role="row"><th role="rowheader" scope="row">w507<br><small>Debian, kernel 6.1</small></th><td role="cell" data-of="Probe"><span class="w unknown">? not measured</span></td>`,
		"<p>Left out: 20 more nodes.</p>\n</details>\n</section>",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	if r.Nodes[0].Name != "w0" {
		t.Error("the printer sorted the report's own nodes")
	}
	r.Nodes = r.Nodes[:openNodes]
	if page := printed(t, r, report.Options{}); !strings.Contains(page, "<h2 id=\"nodes\">Nodes</h2>\n<table") {
		t.Error("a short list of nodes is folded")
	}
}

// Gaps that say the same share a row, which names their kinds and subjects.
func TestGaps(t *testing.T) {
	r := sample("plain", 1)
	r.Gaps = nil
	gap := func(what fact.Kind, node int, detail string) {
		r.Gaps = append(r.Gaps, fact.Gap{What: what, Reason: "NotReady", Detail: detail, Hint: "look <b>", Subject: fact.Subject{Kind: fact.SubjectNode, Name: fmt.Sprint("w", node)}})
	}
	for i := range mostSubjects + 3 {
		gap("cpu", i, "stopped")
		gap("kernel", i, "stopped")
	}
	gap("cpu", 3, "other")
	gap("mounts", 3, "stopped")
	page := printed(t, r, report.Options{Expand: strings.ToUpper})
	const names = "node/<wbr>w0, node/<wbr>w1, node/<wbr>w2, node/<wbr>w3, node/<wbr>w4, node/<wbr>w5, node/<wbr>w6, node/<wbr>w7, node/<wbr>w8, node/<wbr>w9, node/<wbr>w10, node/<wbr>w11 and 3 more"
	var want strings.Builder
	for _, row := range [][3]string{{"cpu, kernel", names, "stopped"}, {"cpu", "node/<wbr>w3", "other"}, {"mounts", "node/<wbr>w3", "stopped"}} {
		fmt.Fprintf(&want, "<tr role=\"row\"><th role=\"rowheader\" scope=\"row\">%s</th><td role=\"cell\" data-of=\"Of\">%s</td><td role=\"cell\" data-of=\"Reason\">NotReady</td><td role=\"cell\" data-of=\"Why, and what to do\">%s<br>LOOK &lt;B&gt;</td></tr>\n", row[0], row[1], row[2])
	}
	if !strings.Contains(page, "<tbody role=\"rowgroup\">\n"+want.String()+"</tbody>") {
		t.Errorf("want %s in %s", want.String(), page[strings.Index(page, "id=\"gaps\""):])
	}
	if !strings.Contains(page, "<summary>32 gaps: what could not be read, and why</summary>") {
		t.Error("the gaps are not counted")
	}
}

// Manifests have no user that an API server names. Any other report without one says so.
func TestWhoRanIt(t *testing.T) {
	r := sample("plain", 1)
	r.Cluster.User = ""
	const missing = "<dt>Who ran it</dt><dd>unknown: the report does not name the user</dd>"
	if !strings.Contains(printed(t, r, report.Options{}), missing) {
		t.Error("the page does not say that the user is unknown")
	}
	r.Spec.Scope.Files = []string{"deploy.yaml"}
	if strings.Contains(printed(t, r, report.Options{}), "Who ran it") {
		t.Error("a page about manifests asks who ran it")
	}
}

// Each link of the page leads to a place that is there, once.
func TestLinks(t *testing.T) {
	for _, opts := range []report.Options{{}, {Mapping: "cis"}} {
		for _, r := range []*api.ChecklistReport{sample("plain", 1), {}} {
			page := printed(t, r, opts)
			links := addresses.FindAllString(page, -1)
			if len(links) < 4 {
				t.Errorf("%d links", len(links))
			}
			for _, href := range links {
				if id := `id="` + strings.TrimPrefix(href, `href="#`); strings.Count(page, " "+id) != 1 {
					t.Errorf("%s: %d places", href, strings.Count(page, " "+id))
				}
			}
		}
	}
}

// --severity hides no unknown, and the page says what it hides.
func TestSeverity(t *testing.T) {
	page := printed(t, sample("plain", 2), report.Options{MinSeverity: api.High})
	got := map[api.Verdict]int{}
	for _, row := range unpack(t, page) {
		got[row.Verdict]++
	}
	if got["fail"] != 2 || got["unknown"] != 2 || got["accepted"] != 1 || got["pass"] != 1 {
		t.Errorf("verdicts %v", got)
	}
	if !strings.Contains(page, "<b>1 finding left out</b> below the severity high.") {
		t.Error("the page does not say what it hides")
	}
}

// --mapping groups findings by control, and lists controls without a check. Pictures follow the
// answers; what was not measured has only words.
func TestMappingAndPictures(t *testing.T) {
	r := sample("plain", 2)
	r.Cluster.Version = "v1.33.1"
	r.Checks = append(r.Checks, api.ReportCheck{Check: "privileged/privileged-container", Title: "t"})
	r.Findings[0].Check = "privileged/privileged-container"
	r.Findings[0].Evidence = nil
	r.Nodes = []api.ReportNode{{Name: "w1", Measured: true, Answers: []api.NodeAnswer{{Question: api.Builds, Answer: api.Yes}}}}
	page := printed(t, r, report.Options{Mapping: "cis"})
	for _, want := range []string{
		`<h2 id="controls">By control</h2>`, "<caption>CIS Kubernetes Benchmark 1.12</caption>", `scope="row">5.2.2`, `<td role="cell" data-of="Fail"><span class="w fail">1</span></td>`,
		"Not judged in this run, because their checks did not run: ", "(no control)",
		`<h2 id="pictures">Pictures</h2>`, `<svg xmlns="http://www.w3.org/2000/svg" class="pic" role="img"`, "Nodes by questions", ".pic-bad {",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Contains(printed(t, r, report.Options{}), "By control") {
		t.Error("findings are grouped by control without --mapping")
	}
	r.Cluster.Provider = "eks"
	if page := printed(t, r, report.Options{Mapping: "cis"}); !strings.Contains(page, "<p>Nothing is mapped: ") {
		t.Error("a managed cluster is mapped")
	}
}

// A word that is not ours is unknown, never good.
func TestWords(t *testing.T) {
	for answer, want := range map[api.AnswerWord]string{api.Yes: "yes", api.No: "no", api.NotApplicable: "na", api.Unknown: "unknown", "YES": "unknown", "": "unknown"} {
		if got := word(answer); !strings.HasPrefix(got, `<span class="w `+want+`">`) {
			t.Errorf("%q: %s", answer, got)
		}
	}
}

// full fails once. What comes later succeeds: it must not hide the error.
type full struct{ left int }

var errFull = errors.New("no space")

func (f *full) Write(data []byte) (int, error) {
	if len(data) > f.left {
		f.left = 1 << 30
		return 0, errFull
	}
	f.left -= len(data)
	return len(data), nil
}

// A disk that is full at any byte is an error.
func TestFullDisk(t *testing.T) {
	printer, err := Format().New("", report.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := report.Of(sample("plain", 2))
	size := len(printed(t, sample("plain", 2), report.Options{}))
	for left := 0; left < size; left += 97 {
		if err := printer.Print(&full{left}, r); !errors.Is(err, errFull) {
			t.Fatalf("room for %d bytes: %v", left, err)
		}
	}
	if err := printer.Print(&full{size}, r); err != nil {
		t.Fatal(err)
	}
}
