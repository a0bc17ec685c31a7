package junit

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

const hostile = "a<b>&\"']]><!-- \n\x00\x1b[31m\xff\u202e\u200b\ue000\ufffe\uffff `@team` #1"

type result struct {
	Message string `xml:"message,attr"`
	Body    string `xml:",chardata"`
}

type suites struct {
	Tests int `xml:"tests,attr"`
	Suite struct {
		Tests      int `xml:"tests,attr"`
		Failures   int `xml:"failures,attr"`
		Errors     int `xml:"errors,attr"`
		Skipped    int `xml:"skipped,attr"`
		Properties []struct {
			Name  string `xml:"name,attr"`
			Value string `xml:"value,attr"`
		} `xml:"properties>property"`
		Cases []struct {
			Class   string  `xml:"classname,attr"`
			Name    string  `xml:"name,attr"`
			Failure *result `xml:"failure"`
			Error   *result `xml:"error"`
			Skipped *result `xml:"skipped"`
			Out     string  `xml:"system-out"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

func sample(text string) *api.ChecklistReport {
	finding := func(v api.Verdict, s api.Severity, name string) api.Finding {
		return api.Finding{
			Check: "secrets/a.b", Question: api.Secrets, Verdict: v, Severity: s, Basis: api.Measured, Message: "says " + text,
			Subject: fact.Subject{Kind: "Secret", Namespace: "shop", Name: name}, Evidence: []api.Evidence{{Source: text, Value: text}, {}, {}, {}, {}, {}, {}},
		}
	}
	r := &api.ChecklistReport{
		Checks:  []api.ReportCheck{{Check: "secrets/a.b", Parts: []string{"rest"}}},
		Answers: []api.Answer{{Question: api.Secrets, Answer: api.No, Parts: []api.PartAnswer{{Part: "rest", Answer: api.Unknown}}}},
		Findings: []api.Finding{
			finding(api.Fail, api.High, "same"), finding(api.Fail, api.High, "same"), finding(api.Fail, api.High, "same"), finding(api.Fail, api.Low, "low"+text),
			finding(api.VerdictUnknown, api.Low, "unk"), finding(api.Accepted, api.High, "acc"), finding(api.Pass, api.High, "p1"), finding(api.Pass, api.High, "p2"),
		},
	}
	r.Findings[4].Reason = "NotReady"
	r.Findings[5].Accepted = &api.Acceptance{Reason: "why " + text, AcceptedBy: text}
	return r
}

func read(t *testing.T, r *api.ChecklistReport, opts report.Options) *suites {
	t.Helper()
	var out bytes.Buffer
	if err := report.Print(&out, newPrinter(opts), report.Of(r)); err != nil {
		t.Fatal(err)
	}
	var got suites
	if err := xml.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v\n%.2000s", err, out.String())
	}
	if out.Len() > 50_000 {
		t.Errorf("%d bytes", out.Len())
	}
	return &got
}

func TestReadBack(t *testing.T) {
	for name, tc := range map[string]struct {
		text                              string
		opts                              report.Options
		failures, errors, skipped, hidden int
	}{
		"plain":         {"plain", report.Options{}, 4, 1, 1, 0},
		"hostile":       {hostile, report.Options{}, 4, 1, 1, 0},
		"long":          {strings.Repeat("<&long", 1<<17), report.Options{}, 4, 1, 1, 0},
		"allow unknown": {hostile, report.Options{AllowUnknown: true}, 4, 0, 2, 0},
		"severity":      {"x", report.Options{MinSeverity: api.High}, 3, 1, 1, 1},
	} {
		got := read(t, sample(tc.text), tc.opts)
		s := got.Suite
		failures, errs, skipped, passes := 0, 0, 0, 0
		names := map[string]bool{}
		for _, c := range s.Cases {
			if c.Class != "checklist.secrets.a_b" || names[c.Name] {
				t.Errorf("%s: class %q, name %q", name, c.Class, c.Name)
			}
			names[c.Name] = true
			switch {
			case c.Failure != nil:
				failures++
				if !strings.HasPrefix(c.Failure.Message, "says ") || !strings.Contains(c.Failure.Body, "parts: rest\n") || !strings.Contains(c.Failure.Body, "evidence: 2 more left out\n") {
					t.Errorf("%s: %+v", name, c.Failure)
				}
			case c.Error != nil:
				errs++
				if !strings.HasPrefix(c.Error.Message, "unknown: says ") || !strings.Contains(c.Error.Body, "reason: NotReady\n") {
					t.Errorf("%s: %+v", name, c.Error)
				}
			case c.Skipped != nil:
				skipped++
				accepted := strings.HasPrefix(c.Skipped.Message, "accepted: why ")
				if !accepted && !strings.HasPrefix(c.Skipped.Message, "unknown: says ") || accepted != strings.Contains(c.Skipped.Body, "accepted by: ") {
					t.Errorf("%s: %+v", name, c.Skipped)
				}
			default:
				passes++
				if c.Name != "passes" || c.Out != "2 pass" {
					t.Errorf("%s: %+v", name, c)
				}
			}
		}
		counted := []int{failures, errs, skipped, passes}
		if diff := cmp.Diff([]int{tc.failures, tc.errors, tc.skipped, 1}, counted); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if diff := cmp.Diff([]int{len(s.Cases), len(s.Cases), failures, errs, skipped}, []int{got.Tests, s.Tests, s.Failures, s.Errors, s.Skipped}); diff != "" {
			t.Errorf("%s: what the head counts: %s", name, diff)
		}
		properties := map[string]string{}
		for _, p := range s.Properties {
			properties[p.Name] = p.Value
		}
		want := map[string]string{"about": "cluster without a name", "version": "", "catalogueVersion": "", "cluster": "", "answer.secrets": "no", "part.secrets:rest": "unknown", "leftOut.severity": string(rune('0' + tc.hidden)), "joined.pass": "2"}
		if diff := cmp.Diff(want, properties); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// What does not fit in the file is counted by check and verdict. Each count is a case, so that no
// failure and no error of a check vanishes.
func TestBounds(t *testing.T) {
	r := sample("x")
	few := r.Findings
	r.Findings = nil
	for _, f := range few { // fails first
		for i := range 1000 {
			f.Subject.Name = fmt.Sprint(f.Verdict, i)
			r.Findings = append(r.Findings, f)
		}
	}
	for name, p := range map[string]printer{
		"bytes":   {report.Options{}, 200_000, mostCases},
		"cases":   {report.Options{}, mostBytes, 100},
		"nothing": {report.Options{}, 0, mostCases},
		"hidden":  {report.Options{MinSeverity: api.High}, mostBytes, 100},
		"skipped": {report.Options{AllowUnknown: true}, mostBytes, 4500},
	} {
		var out bytes.Buffer
		if err := report.Print(&out, p, report.Of(r)); err != nil {
			t.Fatal(err)
		}
		if most := p.mostBytes + 10_000; out.Len() > most {
			t.Errorf("%s: expected at most %d bytes, found %d", name, most, out.Len())
		}
		var got suites
		if err := xml.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		s, left, stand, sums := got.Suite, map[string]string{}, map[string]string{}, [4]int{}
		for _, one := range s.Properties {
			if verdict, ok := strings.CutPrefix(one.Name, "leftOut."); ok {
				left[verdict] = one.Value
			}
		}
		for _, c := range s.Cases {
			n := ""
			sums[0]++
			switch {
			case c.Failure != nil:
				sums[1]++
				n = c.Failure.Message
			case c.Error != nil:
				sums[2]++
				n = strings.TrimPrefix(c.Error.Message, "unknown: ")
			case c.Skipped != nil:
				sums[3]++
				n = strings.TrimPrefix(strings.TrimPrefix(c.Skipped.Message, "accepted: "), "unknown: ")
			}
			if verdict, ok := strings.CutPrefix(c.Name, LeftOut); ok {
				stand[verdict], _, _ = strings.Cut(n, " ")
			}
		}
		if found := [4]int{s.Tests, s.Failures, s.Errors, s.Skipped}; found != sums {
			t.Errorf("%s: the head says %d, the cases are %d", name, found, sums)
		}
		want := map[string]map[string]string{
			"cases":   {"fail": "3900", "unknown": "1000", "accepted": "1000"},
			"nothing": {"fail": "4000", "unknown": "1000", "accepted": "1000"},
			"hidden":  {"fail": "2900", "unknown": "1000", "accepted": "1000"},
			"skipped": {"unknown": "500", "accepted": "1000"},
		}[name]
		hidden := left["severity"]
		delete(left, "severity")
		if diff := cmp.Diff(stand, left); diff != "" || name == "hidden" && hidden != "1000" {
			t.Errorf("%s: %s hidden; cases and properties: %s", name, hidden, diff)
		}
		if diff := cmp.Diff(want, left); want != nil && diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"a<b>&\"'":       "a&lt;b&gt;&amp;&quot;&apos;",
		"\x00\ufffe\x01": "\ufffd\ufffd\ufffd",
		"\xff\u202e":     "\ufffd\ufffd",
		"\ue000":         "\ufffd",
		"a\nb":           "a b",
		"0123456789abc":  "0123456789 ...",
	} {
		if got := text(in, 10); got != want {
			t.Errorf("%q: want %q, got %q", in, want, got)
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestFullDisk(t *testing.T) {
	if err := report.Print(full{}, newPrinter(report.Options{}), report.Of(sample("a"))); err == nil {
		t.Error("no error")
	}
}

// Of two findings whose subjects look the same, the second one's name has its fingerprint, which is
// the same in each run.
func TestSameNames(t *testing.T) {
	finding := func(namespace, name string) api.Finding {
		return api.Finding{Check: "secrets/a", Question: api.Secrets, Verdict: api.Fail, Subject: fact.Subject{Kind: "Secret", Namespace: namespace, Name: name}}
	}
	first, second := finding("shop", "a/b"), finding("shop/a", "b")
	got := read(t, &api.ChecklistReport{Findings: []api.Finding{first, second}}, report.Options{}).Suite.Cases
	if len(got) != 2 {
		t.Fatalf("expected two cases, found %+v", got)
	}
	if want := got[0].Name + " #" + second.Fingerprint()[:12]; got[1].Name != want {
		t.Errorf("expected %q, found %q", want, got[1].Name)
	}
}

// A subject that a file repeats costs no more than others.
func TestManyOfOneName(t *testing.T) {
	const n = 30_000 // numbers that are tried anew each time would be 450 million
	names, all := seen{}, map[string]bool{}
	f := &api.Finding{Check: "a/b"}
	for range n {
		all[names.unique("c", "name", f)] = true
	}
	if len(all) != n || !all["name"] || !all[fmt.Sprintf("name #%s (%d)", f.Fingerprint()[:12], n-1)] {
		t.Errorf("%d names", len(all))
	}
}
