package sarif

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/catalogue"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

var update = flag.Bool("update", false, "write the golden file")

const hostPath = "privileged/host-path"

var someChecks = []checks.Check{{
	ID: hostPath, Title: "No container mounts the node's file system", Severity: api.Critical,
	Why: "A path of the node_ is *the node*.", Remediation: "Take a volume.", References: []string{"https://kubernetes.io/docs/", "man:mount(8)"},
}, {
	ID: "hosts/known-vulnerabilities", Title: "No package is vulnerable", Severity: api.Critical, Database: func(*fact.Set) bool { return false },
}}

func pod(namespace, name string) fact.Subject {
	return fact.Subject{Kind: "Pod", Namespace: namespace, Name: name}
}

func finding(verdict api.Verdict, severity api.Severity, subject fact.Subject) api.Finding {
	return api.Finding{Check: hostPath, Question: "privileged", Verdict: verdict, Severity: severity, Basis: api.Measured, Subject: subject, Message: "mounts /"}
}

func sample() *api.ChecklistReport {
	evidence := finding(api.Fail, api.Critical, pod("shop", "a"))
	evidence.Subject.Container = "app"
	evidence.Remediation.Text = "Remove it."
	for range mostEvidence + 2 {
		evidence.Evidence = append(evidence.Evidence, api.Evidence{Source: "pod/shop/a spec.volumes[0](x)", Value: "/", Basis: api.Declared})
	}
	silent := finding(api.VerdictUnknown, api.Critical, pod("shop", "b"))
	silent.Reason, silent.FromGap = fact.NotReady, true
	accepted := finding(api.Accepted, api.High, pod("shop", "c"))
	accepted.Accepted = &api.Acceptance{Reason: "old", AcceptedBy: "jo", Expires: "2027-01-01"}
	return &api.ChecklistReport{
		ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(time.Unix(1_800_000_000, 0))},
		Spec:       api.ReportSpec{Command: "pods", Version: "v0.1.0", CatalogueVersion: "2026.11.12"},
		Cluster:    api.ReportCluster{Name: "prod", UID: "u1"},
		Checks: []api.ReportCheck{{
			Check: hostPath, Title: "No container mounts the node's file system", Severity: api.Critical, Parts: []string{"host", "mounts"},
			Controls: []api.Control{{Mapping: "cis", Version: "1.9", ID: "5.2.12"}, {Mapping: "cis", Version: "1.12", ID: "5.2.11"}, {Mapping: "attack", ID: "T1611"}},
		}},
		Answers: []api.Answer{{Question: "privileged", Answer: api.No, Parts: []api.PartAnswer{{Part: "host", Answer: api.Unknown}, {Part: "mounts", Answer: api.No}}}},
		Findings: []api.Finding{
			evidence,
			finding(api.Fail, api.Low, fact.Subject{Kind: "Node", Name: "n1"}),
			silent,
			accepted,
			finding(api.Pass, api.Low, pod("shop", "d")),
			finding(api.Pass, api.Low, pod("shop", "e")),
		},
		Gaps: []fact.Gap{
			{What: fact.Pods, Subject: pod("shop", "b"), Reason: fact.NotReady, Detail: "told by its finding", Affects: []string{hostPath}},
			{What: fact.Kernel, Subject: fact.Subject{Kind: "Node", Name: "n2"}, Reason: fact.Timeout, Detail: "no answer", Hint: "ask again", Affects: []string{"hosts/kernel-outdated"}},
		},
	}
}

func newPrinter(opts report.Options) *printer {
	opts.Catalogue = someChecks
	p, err := Format().New("", opts)
	if err != nil {
		panic(err)
	}
	return p.(*printer)
}

func printed(t testing.TB, r *report.Report, p *printer) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := report.Print(&out, p, r); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// log is what a consumer decodes.
type log struct {
	Version string
	Runs    []struct {
		Tool struct {
			Driver struct {
				Rules []rule
			}
		}
		AutomationDetails struct{ ID string }
		Results           []result
		Invocations       []invocation
		Properties        Properties
	}
}

// schema is OASIS's, of errata 01.
var schema = sync.OnceValue(func() *jsonschema.Schema {
	compiler := jsonschema.NewCompiler()
	file, err := os.Open("testdata/sarif-schema-2.1.0.json")
	if err != nil {
		panic(err)
	}
	defer file.Close() //nolint:errcheck // only read
	doc, err := jsonschema.UnmarshalJSON(file)
	if err != nil {
		panic(err)
	}
	if err := compiler.AddResource("sarif.json", doc); err != nil {
		panic(err)
	}
	return compiler.MustCompile("sarif.json")
})

// decoded checks what must hold of every output: OASIS's schema and GitHub's limits.
func decoded(t testing.TB, data []byte, bySchema bool) *log {
	t.Helper()
	if !utf8.Valid(data) {
		t.Fatal("expected UTF-8")
	}
	if bySchema {
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema().Validate(value); err != nil {
			t.Fatalf("%v", err)
		}
	}
	var out log
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	if len(out.Runs) != 1 || out.Version != "2.1.0" {
		t.Fatalf("expected one run of 2.1.0, found %d of %s", len(out.Runs), out.Version)
	}
	var packed bytes.Buffer
	gz := gzip.NewWriter(&packed)
	if _, err := gz.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := gz.Close(); err != nil {
		t.Fatal(err)
	}
	run := &out.Runs[0]
	rules := run.Tool.Driver.Rules
	if packed.Len() > 10_000_000 || len(run.Results) > 25_000 || len(rules) > 25_000 || len(data) > 0 && len(run.Results) > MaxResults && packed.Len() < 5_000_000 {
		t.Errorf("GitHub refuses, or does not keep, %d bytes of gzip, %d results, %d rules", packed.Len(), len(run.Results), len(rules))
	}
	if id := run.AutomationDetails.ID; !strings.HasSuffix(id, "/") {
		t.Errorf("category %q", id)
	}
	ids := map[string]bool{}
	for _, r := range rules {
		if r.ID == "" || ids[r.ID] || len(r.Properties.Tags) > 10 || r.Help.Text == "" {
			t.Errorf("rule %q: seen %t, %d tags, help %q", r.ID, ids[r.ID], len(r.Properties.Tags), r.Help.Text)
		}
		ids[r.ID] = true
		for _, s := range []string{r.ShortDescription.Text, r.FullDescription.Text} {
			if n := utf8.RuneCountInString(s); n == 0 || n > 1024 {
				t.Errorf("rule %s: a description of %d characters", r.ID, n)
			}
		}
	}
	for i := range run.Results {
		r := &run.Results[i]
		if r.RuleIndex < 0 || r.RuleIndex >= len(rules) || rules[r.RuleIndex].ID != r.RuleID {
			t.Fatalf("result of %q has the index %d of another rule", r.RuleID, r.RuleIndex)
		}
		if r.Message.Text == "" || len(r.Locations) != 1 || r.Fingerprints[KeyOwn] == "" {
			t.Fatalf("result %+v", r)
		}
		at := r.Locations[0].Physical
		parsed, err := url.Parse(at.Artifact.URI)
		if err != nil || at.Artifact.URI == "" || parsed.Scheme != "" && parsed.Scheme != "file" || parsed.Host != "" || parsed.RawQuery != "" || parsed.Fragment != "" {
			t.Errorf("URI %q: %v", at.Artifact.URI, err)
		}
		if g := at.Region; g.StartLine < 1 || g.StartColumn < 1 || g.EndLine < g.StartLine || g.EndColumn < 1 || g.EndLine == g.StartLine && g.EndColumn < g.StartColumn {
			t.Errorf("region %+v", g)
		}
		switch r.Kind + " " + r.Level {
		case "fail error", "fail warning", "fail note", "open note":
		default:
			t.Errorf("kind %q, level %q", r.Kind, r.Level)
		}
		if (r.Kind == "open") != strings.HasPrefix(r.Message.Text, "unknown") || (r.Kind == "open") != (r.Properties.Verdict == "unknown") {
			t.Errorf("kind %q of verdict %q: %.60s", r.Kind, r.Properties.Verdict, r.Message.Text)
		}
	}
	return &out
}

func TestGolden(t *testing.T) {
	got := printed(t, report.Of(sample()), newPrinter(report.Options{}))
	decoded(t, got, true)
	const file = "testdata/small.sarif"
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), ","), strings.Split(string(got), ",")); diff != "" {
		t.Errorf("-update writes the file anew (-want +got):\n%s", diff)
	}
}

// outline has a line for each result.
func outline(l *log) []string {
	var lines []string
	for _, r := range l.Runs[0].Results {
		hash := "ours"
		if r.Fingerprints[KeyGitHub] == "" {
			hash = "theirs"
		}
		g := r.Locations[0].Physical.Region
		lines = append(lines, fmt.Sprintf("%s %s %s %s:%d:%d %s", r.RuleID, r.Kind, r.Level, r.Locations[0].Physical.Artifact.URI, g.StartLine, g.StartColumn, hash))
	}
	return lines
}

func TestResults(t *testing.T) {
	out := decoded(t, printed(t, report.Of(sample()), newPrinter(report.Options{})), true)
	if diff := cmp.Diff([]string{
		"privileged/host-path fail error kubernetes/prod/shop/pod/a:1:1 ours",
		"privileged/host-path fail note kubernetes/prod/_/node/n1:1:1 ours",
		"privileged/host-path open note kubernetes/prod/shop/pod/b:1:1 ours",
		"not-measured open note kubernetes/prod/_/node/n2:1:1 ours",
	}, outline(out)); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	run := &out.Runs[0]
	if diff := cmp.Diff(Properties{
		Version: "v0.1.0", Catalogue: "2026.11.12", Command: "pods", Cluster: "prod", Collected: "2027-01-15T08:00:00Z",
		Answers: map[string]string{"privileged": "no"}, Parts: map[string]string{"privileged:host": "unknown", "privileged:mounts": "no"},
		Counts: map[string]int{"fail": 2, "unknown": 1, "accepted": 1, "pass": 2}, LeftOut: map[string]int{"accepted": 1, "pass": 2}, Gaps: 1,
	}, run.Properties); diff != "" {
		t.Errorf("properties of the run (-want +got):\n%s", diff)
	}
	first := run.Results[0]
	if want := "pod/shop/a:app: mounts /\n" + strings.Repeat("declared: pod/shop/a spec.volumes[0] (x): /\n", mostShown) + "more evidence: 4\nwhat to do: Remove it."; first.Message.Text != want {
		t.Errorf("message (-want +got):\n%s", cmp.Diff(want, first.Message.Text))
	}
	if p := first.Properties; len(p.Evidence) != mostEvidence || p.EvidenceMore != 2 || !slices.Equal(p.Parts, []string{"host", "mounts"}) || p.Basis != "measured" {
		t.Errorf("properties %+v", p)
	}
	f := sample().Findings[0]
	if first.Fingerprints[KeyGitHub] != f.Fingerprint() || first.Fingerprints[KeyOwn] != f.Fingerprint() {
		t.Errorf("fingerprints %v, expected %s", first.Fingerprints, f.Fingerprint())
	}
	rules := run.Tool.Driver.Rules
	if len(rules) != 2 || rules[0].Properties.Severity != "9.5" || rules[0].Default.Level != "error" || rules[1].Properties.Severity != "" {
		t.Errorf("severities of %+v", rules)
	}
	if want := "node/n1: mounts /\nseverity: low (its rule has the worst that the check gives: critical)"; run.Results[1].Message.Text != want || run.Results[1].Properties.Severity != "low" {
		t.Errorf("message %q, expected %q", run.Results[1].Message.Text, want)
	}
	if want := []string{"security", "kubernetes", "privileged", "cis-1.12:5.2.11", "attack:T1611"}; !slices.Equal(rules[0].Properties.Tags, want) {
		t.Errorf("tags %q, expected %q", rules[0].Properties.Tags, want)
	}
	if want := docs + "#privilegedhost-path"; rules[0].HelpURI != want || !strings.Contains(rules[0].Help.Markdown, `node\_ is \*the node\*`) || !strings.Contains(rules[0].Help.Markdown, "<https://kubernetes.io/docs/>") {
		t.Errorf("help %+v, %s", rules[0].Help, rules[0].HelpURI)
	}
	if run.AutomationDetails.ID[:len("kubectl-checklist/prod/pods-")] != "kubectl-checklist/prod/pods-" {
		t.Errorf("category %q", run.AutomationDetails.ID)
	}
}

// alerts are what GitHub knows results by.
func alerts(l *log) (keys []string) {
	for _, one := range l.Runs[0].Results {
		keys = append(keys, one.RuleID+" "+one.Locations[0].Physical.Artifact.URI+" "+one.Fingerprints[KeyGitHub])
	}
	slices.Sort(keys)
	return keys
}

// A node that goes silent closes no alert: its unknown finding has the rule, the path and the
// fingerprint of the failing one, whatever the severities are.
func TestSilenceClosesNothing(t *testing.T) {
	of := func(r *api.ChecklistReport) []string {
		return alerts(decoded(t, printed(t, report.Of(r), newPrinter(report.Options{})), true))
	}
	for _, was := range append(api.Severities(), "", "strange") {
		for _, is := range api.Severities() {
			before, after := sample(), sample()
			before.Findings[0].Severity = was
			after.Findings[0].Severity, after.Findings[0].Verdict, after.Findings[0].Message, after.Findings[0].Evidence = is, api.VerdictUnknown, "not read", nil
			if diff := cmp.Diff(of(before), of(after)); diff != "" {
				t.Errorf("%q became unknown of %s: alerts (-before +after):\n%s", was, is, diff)
			}
		}
	}
}

// What only a node can name has the alert of its check and node, which stays when the node is silent.
func TestOnlyTheNodeKnows(t *testing.T) {
	const backup = "secrets/plaintext-backup"
	of := func(verdict api.Verdict, severity api.Severity, kind, name, node string) api.Finding {
		f := finding(verdict, severity, fact.Subject{Kind: kind, Name: name, Node: node})
		f.Check = backup
		return f
	}
	r := sample()
	r.Gaps, r.Findings = nil, []api.Finding{
		of(api.Fail, api.Critical, fact.SubjectFile, "/root/a.db", "n1"),
		of(api.Fail, api.High, fact.SubjectFile, "/root/b.db", "n1"),
		of(api.Fail, api.High, fact.SubjectFile, "/root/a.db", "n2"),
		of(api.Fail, api.Low, fact.SubjectNode, "n3", ""),
		of(api.Fail, api.Low, fact.SubjectFile, "/root/a.db", "n3"),
		of(api.VerdictUnknown, api.High, fact.SubjectFile, "/root/c.gz", "n1"),
		of(api.VerdictUnknown, api.High, fact.SubjectNode, "n1", ""),
		of(api.Pass, api.High, fact.SubjectNode, "n4", ""),
	}
	first := decoded(t, printed(t, report.Of(r), newPrinter(report.Options{MinSeverity: api.Low})), true)
	results := first.Runs[0].Results
	if len(results) != 3 {
		t.Fatalf("expected a result for each of 3 nodes, found %q", outline(first))
	}
	if p, text := results[0].Properties, results[0].Message.Text; p.AlsoFails != 1 || p.AlsoUnknown != 2 || p.Severity != "critical" ||
		!strings.HasSuffix(text, "\nfurther findings of this check and node: 1 fail, 2 unknown: "+report.SubjectName(r.Findings[1].Subject)+", "+report.SubjectName(r.Findings[5].Subject)+" and 1 more") {
		t.Errorf("%+v, message %q", p, text)
	}
	if p := results[1].Properties; p.AlsoFails+p.AlsoUnknown != 0 {
		t.Errorf("%+v", p)
	}
	if p := results[2].Properties; p.AlsoFails != 1 || p.AlsoUnknown != 0 {
		t.Errorf("%+v", p)
	}
	if left := first.Runs[0].Properties.LeftOut; left["limitFail"] != 0 || left["limitUnknown"] != 0 {
		t.Errorf("left out: %v", left)
	}
	silent := sample()
	silent.Gaps, silent.Findings = nil, nil
	for _, node := range []string{"n1", "n2", "n3"} {
		silent.Findings = append(silent.Findings, of(api.VerdictUnknown, api.Critical, fact.SubjectNode, node, ""))
	}
	second := decoded(t, printed(t, report.Of(silent), newPrinter(report.Options{})), true)
	if diff := cmp.Diff(alerts(first), alerts(second)); diff != "" {
		t.Errorf("alerts (-before +after):\n%s", diff)
	}

	// Beyond the limits they are counted.
	p := newPrinter(report.Options{})
	p.most = 2
	cut := decoded(t, printed(t, report.Of(r), p), true).Runs[0]
	if last := cut.Results[len(cut.Results)-1].Properties; len(cut.Results) != 2 || cut.Results[0].Properties.AlsoFails != 1 || last.FailsLeftOut != 3 || last.UnknownLeftOut != 0 {
		t.Errorf("%d results, the last is %+v", len(cut.Results), last)
	}
}

// A gap's alert does not depend on the reason, which can be another one in each run.
func TestGapAlerts(t *testing.T) {
	of := func(reasons ...fact.Reason) []string {
		r := sample()
		r.Findings, r.Gaps = nil, nil
		for _, reason := range reasons {
			r.Gaps = append(r.Gaps, fact.Gap{What: fact.Kernel, Subject: fact.Subject{Kind: "Node", Name: "n2"}, Reason: reason, Affects: []string{"hosts/kernel-outdated"}})
		}
		return alerts(decoded(t, printed(t, report.Of(r), newPrinter(report.Options{})), true))
	}
	if diff := cmp.Diff(of(fact.Timeout), of(fact.NotReady)); diff != "" {
		t.Errorf("alerts (-before +after):\n%s", diff)
	}
	if two := of(fact.Timeout, fact.NotReady); len(two) != 2 || two[0] == two[1] || !slices.Contains(two, of(fact.Timeout)[0]) {
		t.Errorf("two gaps: %q", two)
	}
}

func TestCategory(t *testing.T) {
	of := func(change func(*api.ChecklistReport)) string {
		r := sample()
		change(r)
		return Category(r, "", someChecks)
	}
	all := of(func(*api.ChecklistReport) {})
	for name, change := range map[string]func(*api.ChecklistReport){
		"a namespace only": func(r *api.ChecklistReport) { r.Spec.Scope.Namespaces = []string{"shop"} },
		"another cluster":  func(r *api.ChecklistReport) { r.Cluster.UID = "u2" },
		"another command":  func(r *api.ChecklistReport) { r.Spec.Command = "nodes" },
		"some checks":      func(r *api.ChecklistReport) { r.Spec.Scope.Checks = []string{"privileged/*"} },
		"files":            func(r *api.ChecklistReport) { r.Spec.Scope.Files = []string{"a"} },
		"a level":          func(r *api.ChecklistReport) { r.Spec.Scope.ProbeLevel = "api" },
		"no database": func(r *api.ChecklistReport) {
			r.Spec.Scope.LeftOutChecks = []string{"a/b", "hosts/known-vulnerabilities"}
		},
	} {
		if got := of(change); got == all {
			t.Errorf("%s: the category %s is that of everything, whose alerts it would close", name, got)
		}
	}
	if got := of(func(r *api.ChecklistReport) {
		r.Spec.Version, r.Spec.CatalogueVersion, r.Spec.Scope.LeftOutChecks = "v2", "2027", []string{"a/b"}
	}); got != all {
		t.Errorf("another version: expected %s, found %s", all, got)
	}
}

func TestSeverityHides(t *testing.T) {
	r := sample()
	r.Findings[2].Severity = api.Low // unknown is never hidden
	out := decoded(t, printed(t, report.Of(r), newPrinter(report.Options{MinSeverity: api.High})), true)
	if diff := cmp.Diff([]string{
		"privileged/host-path fail error kubernetes/prod/shop/pod/a:1:1 ours",
		"privileged/host-path open note kubernetes/prod/shop/pod/b:1:1 ours",
		"not-measured open note kubernetes/prod/_/node/n2:1:1 ours",
	}, outline(out)); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	if got := out.Runs[0].Properties.LeftOut["severity"]; got != 1 {
		t.Errorf("expected 1 left out by severity, found %d", got)
	}
}

// Words of a report from a file that are no verdict or severity are unknown, and a warning.
func TestUnknownWords(t *testing.T) {
	r := sample()
	r.Findings = []api.Finding{finding("strange", api.High, pod("shop", "a")), finding(api.Fail, "horrible", pod("shop", "b")), finding("", "", pod("", ""))}
	r.Findings[2].Check = ""
	out := decoded(t, printed(t, report.Of(r), newPrinter(report.Options{})), true)
	if diff := cmp.Diff([]string{
		"privileged/host-path open note kubernetes/prod/shop/pod/a:1:1 ours",
		"privileged/host-path fail warning kubernetes/prod/shop/pod/b:1:1 ours",
		"no-check open note kubernetes/prod/_/pod/_:1:1 ours",
		"not-measured open note kubernetes/prod/shop/pod/b:1:1 ours",
		"not-measured open note kubernetes/prod/_/node/n2:1:1 ours",
	}, outline(out)); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"fail": 1, "unknown": 2}, out.Runs[0].Properties.Counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// Every check of this version fits GitHub's limits, at each severity.
func TestCatalogue(t *testing.T) {
	r := sample()
	all := catalogue.All()
	r.Checks, r.Findings, r.Gaps = catalogue.Describe(all), nil, nil
	for i := range all {
		for _, severity := range api.Severities() {
			if severity.Rank() > all[i].Severity.Rank() {
				continue
			}
			f := finding(api.Fail, severity, pod("shop", "a"))
			f.Check = all[i].ID
			r.Findings = append(r.Findings, f)
		}
	}
	p, err := Format().New("", report.Options{Catalogue: all})
	if err != nil {
		t.Fatal(err)
	}
	rules := decoded(t, printed(t, report.Of(r), p.(*printer)), true).Runs[0].Tool.Driver.Rules
	if len(rules) != len(all) {
		t.Errorf("expected a rule for each of %d checks, found %d", len(all), len(rules))
	}
	for _, one := range rules {
		i := slices.IndexFunc(all, func(c checks.Check) bool { return c.ID == one.ID })
		if i < 0 || scores[all[i].Severity] != one.Properties.Severity || levels[all[i].Severity] != one.Default.Level {
			t.Errorf("rule %s has the severity %s, level %s", one.ID, one.Properties.Severity, one.Default.Level)
			continue
		}
		if !strings.Contains(one.Help.Text, all[i].Remediation) || one.HelpURI == "" || one.Help.Markdown == "" {
			t.Errorf("rule %s: help %q", one.ID, one.Help.Text)
		}
	}
}

// A report without findings is valid, too.
func TestNothing(t *testing.T) {
	out := decoded(t, printed(t, report.Of(&api.ChecklistReport{}), newPrinter(report.Options{})), true)
	if len(out.Runs[0].Results) != 0 || len(out.Runs[0].Tool.Driver.Rules) != 0 {
		t.Errorf("found %+v", out)
	}
}

// Hints have the user's own flags.
func TestExpand(t *testing.T) {
	out := decoded(t, printed(t, report.Of(sample()), newPrinter(report.Options{Expand: func(s string) string { return s + " --context x" }})), true)
	for _, i := range []int{0, 3} {
		if text := out.Runs[0].Results[i].Message.Text; !strings.HasSuffix(text, " --context x") {
			t.Errorf("message %q", text)
		}
	}
}

// Names of checks that a report from a file makes up cannot take the place of others.
func TestRuleNames(t *testing.T) {
	r := sample()
	r.Checks = append(r.Checks, api.ReportCheck{Check: RuleNotMeasured, Severity: api.High})
	r.Findings = nil
	for _, check := range []string{"a\x1b", "a^[", hostPath + "@low", hostPath, RuleNotMeasured, RuleOther, "a\x00b", "a\ufffdb", strings.Repeat("n", 300), strings.Repeat("n", 301)} {
		for _, severity := range []api.Severity{api.High, api.Low, "strange"} {
			f := finding(api.Fail, severity, pod("shop", "a"))
			f.Check = check
			r.Findings = append(r.Findings, f)
		}
	}
	out := decoded(t, printed(t, report.Of(r), newPrinter(report.Options{})), true)
	if n := len(out.Runs[0].Tool.Driver.Rules); n != 11 {
		t.Errorf("expected a rule for each of 10, and one for gaps, found %d", n)
	}
	// What nobody knows the severity of has that of its worst finding.
	for _, one := range out.Runs[0].Tool.Driver.Rules {
		if want := map[string]string{hostPath: scores[api.Critical], RuleNotMeasured: ""}; one.ID != hostPath && one.ID != RuleNotMeasured && one.Properties.Severity != scores[api.High] || want[one.ID] != "" && want[one.ID] != one.Properties.Severity {
			t.Errorf("rule %s has the severity %s", one.ID, one.Properties.Severity)
		}
	}
}

// many is a report of n findings of each of the checks, failing ones and then unknown ones.
func many(checks, fails, unknown int, message func(i int) string) *report.Report {
	r := sample()
	r.Gaps = nil
	whole := report.Of(r)
	whole.Each = func(yield func(api.Finding) bool) {
		for i := range checks * (fails + unknown) {
			f := finding(api.Fail, api.High, pod("shop", fmt.Sprint("pod-", i)))
			if i >= checks*fails {
				f.Verdict = api.VerdictUnknown
			}
			f.Check = fmt.Sprint("privileged/check-", i%checks)
			f.Message = message(i)
			if !yield(f) {
				return
			}
		}
	}
	return whole
}

// random is a text that gzip cannot make shorter.
func random(i int) string {
	source := rand.New(rand.NewPCG(1, uint64(i)))
	text := make([]byte, 900)
	for j := range text {
		text[j] = byte('0' + source.IntN(75))
	}
	return string(text)
}

// What does not fit is counted, and no check that is unknown is silent.
func TestLimits(t *testing.T) {
	short := func(int) string { return "m" }
	for name, tc := range map[string]struct {
		checks, fails, unknown int
		message                func(int) string
		most, least            int // results
	}{
		"everything fits":              {4, 90, 30, short, 0, 480},
		"too many fails":               {4, 30_000 / 4, 10, short, MaxResults, MaxResults - 4},
		"too many unknown":             {4, 0, 200, short, 400, 400},
		"both":                         {3, 300, 300, short, 500, 500},
		"too many bytes":               {3, 6_000, 20, random, 25_000, 5_000},
		"too many bytes, unknown ones": {3, 20, 5_000, random, 25_000, 8_000},
		"too many checks":              {1_100, 3, 1, short, 2_000, 2_000},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPrinter(report.Options{})
			p.most = tc.most
			if p.most == 0 {
				p.most = MaxResults
			}
			out := decoded(t, printed(t, many(tc.checks, tc.fails, tc.unknown, tc.message), p), false)
			run := &out.Runs[0]
			if n := len(run.Results); n < tc.least || n > p.most {
				t.Errorf("expected %d to %d results, found %d", tc.least, p.most, n)
			}
			fails, unknown, leftFails, leftUnknown := 0, 0, 0, 0
			open := map[string]bool{}
			for i := range run.Results {
				r := &run.Results[i]
				leftFails, leftUnknown = leftFails+r.Properties.FailsLeftOut, leftUnknown+r.Properties.UnknownLeftOut
				open[r.RuleID] = open[r.RuleID] || r.Kind == "open"
				switch {
				case r.Properties.FailsLeftOut+r.Properties.UnknownLeftOut > 0:
				case r.Kind == "fail":
					fails++
				default:
					unknown++
				}
			}
			if fails+leftFails != tc.checks*tc.fails || unknown+leftUnknown != tc.checks*tc.unknown {
				t.Errorf("expected %d fails and %d unknown, found %d and %d, and %d and %d left out", tc.checks*tc.fails, tc.checks*tc.unknown, fails, unknown, leftFails, leftUnknown)
			}
			if p := run.Properties; p.LeftOut["limitFail"] != leftFails || p.LeftOut["limitUnknown"] != leftUnknown || p.Counts["unknown"] != tc.checks*tc.unknown {
				t.Errorf("expected %d and %d in %v", leftFails, leftUnknown, p.LeftOut)
			}
			// The first notification says what the run is about.
			if (len(run.Invocations[0].Notifications) == 1) != (tc.most == 0) {
				t.Errorf("notifications of what was left out: %v", run.Invocations[0].Notifications)
			}
			if fails > 0 && unknown < min(tc.checks*tc.unknown, (p.most-len(run.Tool.Driver.Rules))/unknownShare) && !strings.Contains(name, "bytes") {
				t.Errorf("%d fails leave room for %d unknown", fails, unknown)
			}
			for _, r := range run.Tool.Driver.Rules {
				if !open[r.ID] {
					t.Errorf("nothing is unknown of %s", r.ID)
				}
			}
			if len(run.Tool.Driver.Rules) != min(tc.checks, mostRules+1) {
				t.Errorf("found %d rules", len(run.Tool.Driver.Rules))
			}
		})
	}
}

// Gaps find room, and are counted if they do not.
func TestGapLimit(t *testing.T) {
	r := many(1, 30, 0, func(int) string { return "m" })
	for i := range 30 {
		r.Head.Gaps = append(r.Head.Gaps, fact.Gap{What: fact.Pods, Reason: fact.Timeout, Subject: pod("shop", fmt.Sprint(i)), Affects: []string{hostPath}})
	}
	p := newPrinter(report.Options{})
	p.most = 40
	run := &decoded(t, printed(t, r, p), true).Runs[0]
	if n := len(run.Results); n > 40 || n < 38 {
		t.Errorf("expected 40 results, found %d", n)
	}
	if last := run.Results[len(run.Results)-1].Properties; last.UnknownLeftOut != 30-run.Properties.Gaps {
		t.Errorf("expected a result that counts %d gaps, found %+v", 30-run.Properties.Gaps, last)
	}
	if n := run.Properties.Gaps; n < 7 || n == 30 || run.Properties.LeftOut["limitGap"] != 30-n {
		t.Errorf("expected 30 gaps in all, found %d and %v", n, run.Properties.LeftOut)
	}
}

// hostile are texts that break formats.
var hostile = []string{
	"<script>alert(1)</script>", "[click](https://evil.example)", "](x)", "@team #1 ![x](y) **b** `c` {0} {{1}}", "a\x00b\x1b[31m\r\n\tc",
	"\u202eabc\u2066\u200b\ufeff\u00ad", "\ue000\U000f0000\ufffe\U0001ffff\ufdd0\ufe0f", "\xff\xfe\xc3", strings.Repeat("x", 1<<20), strings.Repeat("é", 1<<19),
	`"quoted\`, "..", ".", "", "/", "//host/x", "%2e%2e/%", "http://user:pass@host/x?y#z", "a:b", `C:\x y\z`, "  ", "\u2028\u2029\u0085",
}

// hostileReport has the text in every field.
func hostileReport(s string) *api.ChecklistReport {
	subject := fact.Subject{Kind: s, Namespace: s, Name: s, Container: s, Node: s, Cluster: s, File: s, Pods: []string{s}}
	one := func(v api.Verdict, severity api.Severity) api.Finding {
		return api.Finding{
			Check: s, Question: api.Question(s), Verdict: v, Severity: severity, Basis: api.Basis(s), Subject: subject, Message: s, Reason: fact.Reason(s),
			Evidence: []api.Evidence{{Source: s, Value: s, Basis: api.Basis(s)}}, Remediation: api.Remediation{Text: s},
		}
	}
	r := sample()
	r.Spec = api.ReportSpec{Command: s, Version: s, CatalogueVersion: s, Scope: api.Scope{Namespaces: []string{s}}}
	r.Cluster = api.ReportCluster{Name: s, Server: s, User: s, UID: s}
	r.Checks = append(r.Checks, api.ReportCheck{Check: s, Title: s, Severity: api.Severity(s), Parts: []string{s}, Controls: []api.Control{{Mapping: s, Version: s, ID: s}}})
	r.Answers = append(r.Answers, api.Answer{Question: api.Question(s), Answer: api.AnswerWord(s), Parts: []api.PartAnswer{{Part: s, Answer: api.AnswerWord(s)}}})
	r.Findings = append(r.Findings, one(api.Fail, api.High), one(api.Verdict(s), api.Severity(s)), one(api.Accepted, api.Low))
	r.Gaps = append(r.Gaps, fact.Gap{What: fact.Kind(s), Subject: subject, Reason: fact.Reason(s), Detail: s, Hint: s, Affects: []string{s, s + "x"}})
	return r
}

func TestHostileTexts(t *testing.T) {
	for _, s := range hostile {
		for _, files := range [][]string{nil, {s}} {
			r := hostileReport(s)
			r.Spec.Scope.Files = files
			data := printed(t, report.Of(r), newPrinter(report.Options{}))
			decoded(t, data, true)
			if len(data) > 60_000 {
				t.Errorf("%.20q: %d bytes", s, len(data))
			}
			var all any
			if err := json.Unmarshal(data, &all); err != nil {
				t.Fatal(err)
			}
			eachText(all, func(text string) {
				for _, r := range text {
					if r < ' ' && r != '\n' || strings.ContainsRune("\u202e\u2066\u200b\ufeff\u00ad\ufffe\U0001ffff\ufdd0\ufe0f\u2028\u2029\u0085", r) || r >= 0xe000 && r < 0xf900 || r >= 0xf0000 {
						t.Errorf("%.20q: found %q in %.80q", s, r, text)
					}
				}
			})
			for _, one := range decoded(t, data, false).Runs[0].Results {
				if strings.Contains(one.Message.Text, "](") {
					t.Errorf("a link in %.80q", one.Message.Text)
				}
			}
		}
	}
}

func eachText(value any, give func(string)) {
	switch v := value.(type) {
	case string:
		give(v)
	case []any:
		for _, one := range v {
			eachText(one, give)
		}
	case map[string]any:
		for key, one := range v {
			give(key)
			eachText(one, give)
		}
	}
}

func FuzzTexts(f *testing.F) {
	for _, s := range hostile {
		s = s[:min(len(s), 2000)] // a fuzz worker gives up on what takes some seconds
		f.Add(s, s, false)
	}
	f.Fuzz(func(t *testing.T, a, b string, files bool) {
		r := hostileReport(a)
		r.Findings = append(r.Findings, hostileReport(b).Findings...)
		if files {
			r.Spec.Scope.Files = []string{b}
		}
		decoded(t, printed(t, report.Of(r), newPrinter(report.Options{MinSeverity: api.Severity(b)})), true)
	})
}

func TestFileURI(t *testing.T) {
	for name, want := range map[string]string{
		"":                   "",
		"a/b.yaml":           "a/b.yaml",
		"./a//b.yaml":        "a/b.yaml",
		"../a b/c#.yaml":     "../a%20b/c%23.yaml",
		"/abs/x.yaml":        "file:///abs/x.yaml",
		`C:\x y\z.yaml`:      "file:///C:/x%20y/z.yaml",
		`\\host\share\z`:     "file:///host/share/z",
		"a:b/c":              "a%3Ab/c",
		"https://h/x/y.yaml": "https/h/x/y.yaml",
		"stdin":              "stdin",
		"%41":                "%2541",
	} {
		if got := fileURI(name); got != want {
			t.Errorf("%q: expected %q, found %q", name, want, got)
		}
	}
}

// A report about files without lines (saved facts) has the files.
func TestFilesWithoutLines(t *testing.T) {
	r := sample()
	r.Spec.Scope.Files = []string{"deploy"}
	r.Findings = r.Findings[:3]
	r.Gaps = nil
	r.Findings[0].Evidence = []api.Evidence{{Source: "deploy/my file.yaml pod/shop/a spec.volumes[0]", Value: "/"}}
	r.Findings[1].Subject = fact.Subject{Kind: fact.SubjectFile, Name: "deploy/broken.yaml"}
	r.Findings[2].Subject.File = "other.yaml"
	if diff := cmp.Diff([]string{
		"privileged/host-path fail error deploy/my%20file.yaml:1:1 ours",
		"privileged/host-path fail note deploy/broken.yaml:1:1 ours",
		"privileged/host-path open note other.yaml:1:1 ours",
	}, outline(decoded(t, printed(t, report.Of(r), newPrinter(report.Options{})), true))); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

func TestLines(t *testing.T) {
	whole := report.Of(sample())
	whole.Place = func(f *api.Finding) (report.Place, bool) {
		if f.Subject.Name == "a" {
			return report.Place{File: "a.yaml", Line: 7, Column: 3, EndLine: 7, EndColumn: 9}, true
		}
		return report.Place{File: "b.yaml", Line: 9}, f.Subject.Name == "b"
	}
	got := outline(decoded(t, printed(t, whole, newPrinter(report.Options{})), true))
	if want := "privileged/host-path fail error a.yaml:7:3 theirs"; got[0] != want {
		t.Errorf("expected %q, found %q", want, got[0])
	}
	if want := "privileged/host-path open note b.yaml:9:1 theirs"; got[2] != want {
		t.Errorf("expected %q, found %q", want, got[2])
	}
}

// fullDisk takes so many bytes.
type fullDisk int

func (d *fullDisk) Write(data []byte) (int, error) {
	if *d -= fullDisk(len(data)); *d < 0 {
		return 0, errFull
	}
	return len(data), nil
}

var errFull = errors.New("no space left")

func TestFullDisk(t *testing.T) {
	whole := len(printed(t, report.Of(sample()), newPrinter(report.Options{})))
	for size := range whole {
		disk := fullDisk(size)
		if err := newPrinter(report.Options{}).Print(&disk, report.Of(sample())); !errors.Is(err, errFull) {
			t.Fatalf("%d bytes of %d: expected an error, found %v", size, whole, err)
		}
	}
}

// 100,000 findings are printed one by one.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("it prints 100,000 findings")
	}
	r := many(40, 2_500, 0, func(i int) string { return fmt.Sprint("message ", i) })
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	peak := uint64(0)
	each := r.Each
	n := 0
	r.Each = func(yield func(api.Finding) bool) {
		for f := range each {
			if n++; n%20_000 == 0 {
				runtime.GC()
				runtime.ReadMemStats(&after)
				peak = max(peak, after.HeapAlloc)
			}
			if !yield(f) {
				return
			}
		}
	}
	if err := report.Print(io.Discard, newPrinter(report.Options{}), r); err != nil {
		t.Fatal(err)
	}
	const most = 8 << 20
	if grown := int64(peak) - int64(before.HeapAlloc); n != 200_000 || grown > most {
		t.Errorf("%d findings: the heap grew by %d bytes, expected at most %d", n, grown, most)
	} else {
		t.Logf("the heap grew by %d bytes", grown)
	}
}
