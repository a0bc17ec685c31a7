package readback

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/catalogue"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/formats"
)

// notRead are the formats without a reader, with the reason.
var notRead = map[string]string{
	"table":            "for people; pkg/report tests that every finding is in a row or counted",
	"wide":             "for people, as table",
	"name":             "names what fails or is unknown, and nothing else",
	"jsonpath":         "the user says what is printed",
	"jsonpath-file":    "the user says what is printed",
	"go-template":      "the user says what is printed",
	"go-template-file": "the user says what is printed",
	"custom-columns":   "the user says what is printed",
}

// keepsHidden are the formats that show what --severity hides: they only count.
var keepsHidden = map[string]bool{"prometheus": true}

// all are the formats with a reader.
func all(t testing.TB) []report.Format {
	t.Helper()
	var found []report.Format
	readers := Readers()
	for _, f := range formats.All() {
		switch {
		case readers[f.Name] != nil && notRead[f.Name] == "":
			found = append(found, f)
			delete(readers, f.Name)
		case notRead[f.Name] == "":
			t.Errorf("format %q has no reader: add one to Readers", f.Name)
		}
	}
	for name := range readers {
		t.Errorf("a reader of %q: no such format", name)
	}
	return found
}

func printed(t testing.TB, format *report.Format, r *api.ChecklistReport, opts report.Options) []byte {
	t.Helper()
	printer, err := format.New("", opts)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := report.Print(&out, printer, report.Of(r)); err != nil {
		t.Fatalf("%s: %v", format.Name, err)
	}
	return out.Bytes()
}

// withoutFails is Of for a format that shows no passes and no accepted findings anyway: a severity
// hides only fails.
func withoutFails(r *api.ChecklistReport, least api.Severity) *Content {
	shown, hidden := *r, 0
	shown.Findings = nil
	for _, f := range r.Findings {
		if f.Verdict == api.Fail && f.Severity.Rank() < least.Rank() {
			hidden++
			continue
		}
		shown.Findings = append(shown.Findings, f)
	}
	c := Of(&shown, "")
	c.leave(Severity, hidden)
	return c
}

// build judges facts as a run does.
func build(set *fact.Set) *api.ChecklistReport {
	r := report.Build(api.ReportSpec{Command: "checklist", Version: "v0.1.0", CatalogueVersion: "2026.11"}, set, checks.JudgeSet(catalogue.Plan(catalogue.All(), ""), set))
	r.Checks = catalogue.Describe(catalogue.All())
	return r
}

func random(seed uint64) *fact.Set { return facttest.Random(rand.New(rand.NewPCG(seed, 16))) }

// silence makes a node say nothing, as a run sees it.
func silence(set *fact.Set, name string) {
	for i := range set.Nodes {
		if n := &set.Nodes[i]; n.Name == name {
			n.Measured, n.Ready = nil, false
		}
	}
	for _, kind := range fact.NodeKinds() {
		set.Gaps = append(set.Gaps, fact.Gap{
			What: kind, Subject: fact.Subject{Kind: fact.SubjectNode, Name: name}, Reason: fact.NotReady, Detail: "its kubelet stopped posting status",
		})
	}
}

// accepted has a waiver for every second fail, and says that others have expired.
func accepted(r *api.ChecklistReport) *api.ChecklistReport {
	for i := range r.Findings {
		if f := &r.Findings[i]; f.Verdict == api.Fail && i%2 == 0 {
			f.Verdict = api.Accepted
			f.Accepted = &api.Acceptance{Reason: "moved in spring", AcceptedBy: "jo", Accepted: "2026-01-01", Expires: "2027-01-01", Line: i}
		}
	}
	checks.SortFindings(r.Findings)
	r.Spec.Waivers = &api.WaiverUse{Waivers: 3, Used: 1, Expired: []api.WaiverNote{{Line: 3, Check: "hosts/kernel", Detail: "expired on 2026-01-01"}}, Unused: []api.WaiverNote{{Line: 9, Check: "hosts/kernel"}}}
	return r
}

// faulty is a random cluster with many fails.
func faulty() *fact.Set {
	most, best := 0, uint64(0)
	for seed := range uint64(20) {
		r := build(random(seed))
		if n := Of(r, "").Verdicts()[string(api.Fail)]; n > most {
			most, best = n, seed
		}
	}
	return random(best)
}

// repeated has n findings and few passes, as a large cluster has.
func repeated(r *api.ChecklistReport, n int) *api.ChecklistReport {
	few := slices.Clone(r.Findings)
	passes := 0
	few = slices.DeleteFunc(few, func(f api.Finding) bool {
		if f.Verdict == api.Pass {
			passes++
		}
		return f.Verdict == api.Pass && passes > 3
	})
	r.Findings = r.Findings[:0:0]
	for i := range n {
		f := few[i%len(few)]
		f.Subject.Name = fmt.Sprint(f.Subject.Name, "-", i/len(few))
		r.Findings = append(r.Findings, f)
	}
	checks.SortFindings(r.Findings)
	return r
}

// hostile has a text that no format may take as its own in each place that names something.
func hostile(r *api.ChecklistReport) *api.ChecklistReport {
	const text = "=a|b\n| `x` |``c`@team #1 <img src=x>]]>--></script>\"\\\x00\x1b[31m\xff\u202e\u200b\ue000\ufffe [l](http://x) - Left out: 7 fail"
	for i := range r.Findings {
		f := &r.Findings[i]
		f.Subject.Namespace, f.Subject.Name, f.Subject.Container, f.Message = text, fmt.Sprint(text, i), text, text
		f.Evidence = []api.Evidence{{Source: text, Value: text}}
		f.Remediation.Text = text
	}
	for i := range r.Answers {
		r.Answers[i].Reason, r.Answers[i].WorkloadsReason = text, text
		for j := range r.Answers[i].Parts {
			r.Answers[i].Parts[j].Reason, r.Answers[i].Parts[j].Title = text, text
		}
	}
	r.Cluster.Name, r.Cluster.User, r.Spec.Version, r.Spec.Scope.Narrowed = text, text, text, text
	r.Gaps = append(r.Gaps, fact.Gap{What: text, Reason: text, Detail: text, Hint: text, Subject: fact.Subject{Kind: text, Name: text}})
	return r
}

// manyFindings is above the bounds of markdown, html without script and sarif.
const manyFindings = 26_000

func cases() map[string]struct {
	report *api.ChecklistReport
	opts   report.Options
} {
	type one = struct {
		report *api.ChecklistReport
		opts   report.Options
	}
	silent := random(1)
	silence(silent, silent.Nodes[0].Name)
	gaps := random(3)
	for i := range gaps.Nodes {
		silence(gaps, gaps.Nodes[i].Name)
	}
	gaps.Workloads, gaps.Secrets, gaps.SecretsListed, gaps.PodScope = nil, nil, false, fact.PodsNotListed
	declared := facttest.Measured(facttest.With(), fact.Container{Name: "app"})
	all := map[string]one{
		"nothing":       {&api.ChecklistReport{}, report.Options{}},
		"small":         {build(declared), report.Options{}},
		"gaps":          {build(gaps), report.Options{}},
		"waivers":       {accepted(build(random(5))), report.Options{}},
		"silent node":   {build(silent), report.Options{}},
		"severity":      {accepted(build(random(5))), report.Options{MinSeverity: api.High}},
		"allow unknown": {build(silent), report.Options{AllowUnknown: true}},
		"hostile":       {hostile(build(random(5))), report.Options{}},
		"many":          {repeated(accepted(build(faulty())), manyFindings), report.Options{}},
		"severe":        {repeated(accepted(build(faulty())), 2000), report.Options{MinSeverity: api.Critical}},
	}
	for seed := range uint64(10) {
		all[fmt.Sprint("random ", seed)] = one{build(random(seed + 100)), report.Options{}}
	}
	return all
}

// bounded are the formats that leave out what is too much.
var bounded = map[string]bool{"markdown": true, "junit": true, "sarif": true}

// TestEachFormat reads each format back. Answers, parts and counts are those of json, with what the
// output says that it leaves out.
func TestEachFormat(t *testing.T) {
	list := all(t)
	verdicts, hidden, cut := map[string]int{}, 0, map[string]bool{}
	for name, tc := range cases() {
		json, err := JSON(printed(t, report.Named(list, "json"), tc.report, report.Options{}))
		if err != nil {
			t.Fatal(err)
		}
		if diff := Different(Of(tc.report, ""), json, false); diff != nil {
			t.Fatalf("%s: json: %s", name, strings.Join(diff, "\n"))
		}
		for i := range list {
			format := &list[i]
			t.Run(name+"/"+format.Name, func(t *testing.T) {
				least := tc.opts.MinSeverity
				if keepsHidden[format.Name] {
					least = ""
				}
				want := Of(tc.report, least)
				if format.Name == "sarif" {
					want = withoutFails(tc.report, least)
				}
				output := printed(t, format, tc.report, tc.opts)
				got, err := Readers()[format.Name](output)
				if err != nil {
					t.Fatal(err)
				}
				if diff := Different(want, got, bounded[format.Name]); diff != nil {
					t.Error(strings.Join(diff, "\n"))
				}
				for verdict, n := range got.LeftOut {
					cut[format.Name+" "+verdict] = true
					if !bounded[format.Name] && verdict != Severity {
						t.Errorf("%d %s are left out", n, verdict)
					}
				}
				for verdict, n := range want.Verdicts() {
					verdicts[verdict] += n
				}
				hidden += want.LeftOut[Severity]
			})
		}
	}
	// The reports above have what the test is about.
	for _, v := range []api.Verdict{api.Fail, api.VerdictUnknown, api.Accepted, api.Pass} {
		if verdicts[string(v)] == 0 {
			t.Errorf("no report has verdict %s", v)
		}
	}
	if hidden == 0 || !cut["markdown fail"] || !cut["markdown pass"] {
		t.Errorf("nothing was left out: %d hidden, %v", hidden, cut)
	}
}
