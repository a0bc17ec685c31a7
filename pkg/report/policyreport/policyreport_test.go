package policyreport

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	openreports "github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

// database has a check that needs a database.
var database = []checks.Check{{ID: "hosts/known-vulnerabilities", Database: func(*fact.Set) bool { return false }}}

func pod(namespace, name string) fact.Subject {
	return fact.Subject{Kind: "Pod", Namespace: namespace, Name: name}
}

func finding(verdict api.Verdict, severity api.Severity, subject fact.Subject) api.Finding {
	return api.Finding{
		Check: "privileged/host-path", Question: "privileged", Verdict: verdict, Severity: severity, Basis: api.Measured,
		Subject: subject, Message: "m",
	}
}

func sample() *api.ChecklistReport {
	accepted := finding(api.Accepted, api.High, pod("shop", "c"))
	accepted.Accepted = &api.Acceptance{Reason: "old", AcceptedBy: "jo", Expires: "2027-01-01"}
	silent := finding(api.VerdictUnknown, api.Low, pod("shop", "b"))
	silent.Reason = fact.NotReady
	evidence := finding(api.Fail, api.Critical, pod("shop", "a"))
	evidence.Subject.Container = "app"
	for range mostEvidence + 2 {
		evidence.Evidence = append(evidence.Evidence, api.Evidence{Source: "pod/shop/a spec", Value: "/", Basis: api.Declared})
	}
	return &api.ChecklistReport{
		ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(time.Unix(1_800_000_000, 0))},
		Spec:       api.ReportSpec{Command: "pods"},
		Cluster:    api.ReportCluster{UID: "u1"},
		Checks:     []api.ReportCheck{{Check: "privileged/host-path", Parts: []string{"host", "mounts"}}},
		Answers: []api.Answer{{
			Question: "privileged", Answer: api.No,
			Parts: []api.PartAnswer{{Part: "host", Answer: api.Unknown}, {Part: "mounts", Answer: api.No}},
		}},
		Findings: []api.Finding{
			evidence,
			finding(api.Fail, api.Medium, fact.Subject{Kind: "Node", Name: "n1"}),
			silent,
			accepted,
			finding(api.Pass, api.Low, pod("shop", "d")),
			finding(api.Pass, api.Low, fact.Subject{Kind: "Cluster"}),
			finding(api.Pass, api.Low, pod("web", "e")),
		},
	}
}

func printed(t *testing.T, r *api.ChecklistReport, p *printer) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := p.Print(&out, report.Of(r)); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// objects decodes a List as the community's type, strictly, and checks what holds of every object.
// Both kinds have the same fields.
func objects(t *testing.T, v version, list []byte) []openreports.Report {
	t.Helper()
	var raw struct {
		APIVersion, Kind string
		Items            []json.RawMessage
	}
	if err := json.Unmarshal(list, &raw); err != nil || raw.APIVersion != "v1" || raw.Kind != "List" {
		t.Fatalf("expected a v1 List, found %s %s: %v", raw.APIVersion, raw.Kind, err)
	}
	names := map[string]bool{}
	var found []openreports.Report
	for _, item := range raw.Items {
		var one openreports.Report
		decoder := json.NewDecoder(bytes.NewReader(item))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&one); err != nil {
			t.Fatalf("%v in %.300s", err, item)
		}
		found = append(found, one)
		if len(item) > MaxObject {
			t.Errorf("%s: expected at most %d bytes, found %d", one.Name, MaxObject, len(item))
		}
		kind := v.namespaced
		if one.Namespace == "" {
			kind = v.cluster
		} else if wrong := validation.IsDNS1123Label(one.Namespace); wrong != nil {
			t.Errorf("namespace %q: %v", one.Namespace, wrong)
		}
		if one.APIVersion != v.apiVersion || one.Kind != kind || one.Source != v.source || bytes.Contains(item, []byte(`],"source"`)) {
			t.Errorf("%s: expected %s %s of %q, found %s %s of %q", one.Name, v.apiVersion, kind, v.source, one.APIVersion, one.Kind, one.Source)
		}
		if wrong := validation.IsDNS1123Subdomain(one.Name); wrong != nil {
			t.Errorf("name %q: %v", one.Name, wrong)
		}
		key := one.Namespace + "/" + one.Name
		if names[key] {
			t.Errorf("two objects are named %s", key)
		}
		names[key] = true
		if diff := cmp.Diff(map[string]string{Label: Tool}, one.Labels); diff != "" {
			t.Errorf("labels (-want +got):\n%s", diff)
		}
		var counted openreports.ReportSummary
		for i := range one.Results {
			r := &one.Results[i]
			switch r.Result {
			case "pass":
				counted.Pass++
			case "fail":
				counted.Fail++
			case "warn":
				counted.Warn++
			case "error":
				counted.Error++
			default:
				t.Errorf("result %q is no word of the API", r.Result)
			}
			switch r.Severity {
			case "critical", "high", "medium", "low", "":
			default:
				t.Errorf("severity %q is no word of the API", r.Severity)
			}
			if r.Scored == (r.Result == "warn") || r.Policy == "" {
				t.Errorf("result %s of %q: scored is %t", r.Result, r.Policy, r.Scored)
			}
		}
		if one.Summary != counted {
			t.Errorf("%s: expected summary %+v, found %+v", key, counted, one.Summary)
		}
	}
	return found
}

// outline has a line for each object and result.
func outline(found []openreports.Report) []string {
	var lines []string
	for i := range found {
		o := &found[i]
		lines = append(lines, fmt.Sprintf("%s %s/%s", o.Kind, o.Namespace, strings.Replace(o.Name, prefix(sample(), database), "P", 1)))
		for j := range o.Results {
			r := &o.Results[j]
			lines = append(lines, fmt.Sprintf("  %s %s %t %s", r.Result, r.Severity, r.Scored, r.Properties["subject"]))
		}
	}
	return lines
}

func TestObjects(t *testing.T) {
	for name, v := range map[string]version{"openreports": openReports, "policyreport": policyReports} {
		t.Run(name, func(t *testing.T) {
			found := objects(t, v, printed(t, sample(), &printer{version: v, most: mostHeld}))
			want := []string{
				v.cluster + " /P-cluster-1",
				"  pass low true cluster",
				v.cluster + " /P-nodes-1",
				"  fail medium true node/n1",
				v.namespaced + " shop/P-1",
				"  fail critical true pod/shop/a:app",
				"  error low true pod/shop/b",
				"  warn high false pod/shop/c",
				"  pass low true pod/shop/d",
				v.namespaced + " web/P-1",
				"  pass low true pod/web/e",
				v.cluster + " /P",
			}
			if diff := cmp.Diff(want, outline(found)); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
			last := found[len(found)-1]
			if diff := cmp.Diff(map[string]string{
				AnnotationCollected: "2027-01-15T08:00:00Z",
				AnnotationAbout:     "cluster without a name; collected at 2027-01-15T08:00:00Z",
				AnnotationAnswers:   `{"privileged":"no"}`,
				AnnotationParts:     `{"privileged:host":"unknown","privileged:mounts":"no"}`,
				AnnotationVerdicts:  `{"accepted":1,"fail":2,"pass":3,"unknown":1}`,
				AnnotationReports:   "4",
				AnnotationLeftOut:   "{}",
			}, last.Annotations); diff != "" {
				t.Errorf("annotations (-want +got):\n%s", diff)
			}
		})
	}
}

func TestResult(t *testing.T) {
	r := sample()
	found := objects(t, openReports, printed(t, r, &printer{version: openReports, most: mostHeld}))
	shop := found[2]
	got := shop.Results[0]
	if got.Timestamp.Seconds != 1_800_000_000 || len(got.Subjects) != 1 || got.Subjects[0].APIVersion != "v1" || got.Subjects[0].Name != "a" {
		t.Errorf("expected the time and the pod, found %+v", got)
	}
	want := map[string]string{
		"verdict": "fail", "basis": "measured", "parts": "host, mounts", "subject": "pod/shop/a:app", "container": "app",
		"fingerprint": r.Findings[0].Fingerprint(), "evidenceLeftOut": "2",
	}
	for i := range mostEvidence {
		want[fmt.Sprintf("evidence%d", i+1)] = "pod/shop/a spec: / (declared)"
	}
	if diff := cmp.Diff(want, got.Properties); diff != "" {
		t.Errorf("properties (-want +got):\n%s", diff)
	}
	if gap := shop.Results[1].Properties["gap"]; gap != "NotReady" {
		t.Errorf("expected the gap, found %q", gap)
	}
	p := shop.Results[2].Properties
	if p["accepted"] != "old" || p["acceptedBy"] != "jo" || p["acceptedUntil"] != "2027-01-01" || p["verdict"] != "accepted" {
		t.Errorf("expected the waiver, found %v", p)
	}
}

func TestSeverityHidesNoUnknown(t *testing.T) {
	p := &printer{version: openReports, most: mostHeld, opts: report.Options{MinSeverity: api.High}}
	found := objects(t, openReports, printed(t, sample(), p))
	want := []string{
		"Report shop/P-1",
		"  fail critical true pod/shop/a:app",
		"  error low true pod/shop/b",
		"  warn high false pod/shop/c",
		"ClusterReport /P",
	}
	if diff := cmp.Diff(want, outline(found)); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	if got := found[1].Annotations[AnnotationLeftOut]; got != `{"severity":4}` {
		t.Errorf("expected how many are left out, found %q", got)
	}
	want1 := "findings below severity high; ClusterReport " + prefix(sample(), database) + " counts them"
	if got := found[0].Annotations[AnnotationLeftOut]; got != want1 {
		t.Errorf("expected %q, found %q", want1, got)
	}
}

// TestHostile has texts and names that no API server takes, and every one as long as it can be.
func TestHostile(t *testing.T) {
	long := strings.Repeat("<", 1<<18)
	texts := []string{
		"", long, "x\x00\x1b[31m\r\ny", "\xff\xfe", "a\u202eb\u200b\u2028\ue000", `"},{"kind":"Secret"}`, "{{.}}", "../../etc", "A_B.",
		strings.Repeat("n", 63), strings.Repeat("n", 64), strings.Repeat("é", 1<<16), "kube-system",
	}
	r := sample()
	r.Findings, r.Answers, r.Checks = nil, nil, nil
	for _, s := range texts {
		for _, verdict := range []api.Verdict{api.Fail, api.VerdictUnknown, api.Accepted, api.Pass, api.Verdict(s)} {
			f := api.Finding{
				Check: "c" + s, Question: api.Question(s), Verdict: verdict, Severity: api.Severity(s), Basis: api.Basis(s), Message: s,
				Reason: fact.Reason(s), Accepted: &api.Acceptance{Reason: s, AcceptedBy: s, Expires: s},
				Subject: fact.Subject{Kind: s, Namespace: s, Name: s, Container: s, Node: s, Cluster: s, File: s},
			}
			for range 9 {
				f.Evidence = append(f.Evidence, api.Evidence{Source: s, Value: s, Basis: api.Basis(s)})
			}
			r.Findings = append(r.Findings, f)
		}
		r.Answers = append(r.Answers, api.Answer{Question: api.Question(s), Answer: api.AnswerWord(s)})
		for i := range 50 {
			r.Answers[0].Parts = append(r.Answers[0].Parts, api.PartAnswer{Part: fmt.Sprint(i, s), Answer: api.AnswerWord(s)})
		}
	}
	r.Spec.Command = "-Päds" + long
	list := printed(t, r, &printer{version: openReports, most: mostHeld})
	found := objects(t, openReports, list)
	results := 0
	namespaces := map[string]bool{}
	for i := range found {
		results += len(found[i].Results)
		namespaces[found[i].Namespace] = true
	}
	if results != len(r.Findings) {
		t.Errorf("expected %d results, found %d", len(r.Findings), results)
	}
	if diff := cmp.Diff(map[string]bool{"": true, strings.Repeat("n", 63): true, "kube-system": true}, namespaces); diff != "" {
		t.Errorf("namespaces (-want +got):\n%s", diff)
	}
	if strings.ContainsAny(string(list), "\x00\x1b\u202e\u200b\u2028\ue000") || strings.Contains(string(list), `\u0000`) {
		t.Error("a character that nobody can see is in the output")
	}
	var leftOut map[string]int
	if err := json.Unmarshal([]byte(found[len(found)-1].Annotations[AnnotationLeftOut]), &leftOut); err != nil || leftOut["parts"] == 0 {
		t.Errorf("expected a count of parts that are left out, found %v (%v)", leftOut, err)
	}
}

// many has findings of several namespaces in turns, as they come.
func many(namespaces, each int) *api.ChecklistReport {
	r := sample()
	r.Findings = nil
	for i := range each {
		for n := range namespaces {
			f := finding(api.Fail, api.High, pod(fmt.Sprintf("ns%d", n), fmt.Sprintf("pod-%d", i)))
			f.Message = strings.Repeat("<&>", 60)
			r.Findings = append(r.Findings, f)
		}
	}
	return r
}

func TestChunks(t *testing.T) {
	r := many(2, 800)
	for _, test := range []struct {
		name string
		most int
		size func(n int) bool // results of any object but the last of a namespace
	}{
		{"full objects", mostHeld, func(n int) bool { return n > 100 }},
		{"held no longer than the bound", 20_000, func(n int) bool { return n > 2 && n < 20 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			list := printed(t, r, &printer{version: openReports, most: test.most})
			found := objects(t, openReports, list)
			seen, next := map[string]bool{}, map[string]int{}
			for i := range found[:len(found)-1] {
				o := &found[i]
				next[o.Namespace]++
				if want := fmt.Sprintf("%s-%d", prefix(r, database), next[o.Namespace]); o.Name != want {
					t.Errorf("expected name %s, found %s", want, o.Name)
				}
				if i < len(found)-3 && !test.size(len(o.Results)) {
					t.Errorf("%s/%s has %d results", o.Namespace, o.Name, len(o.Results))
				}
				for j := range o.Results {
					seen[o.Results[j].Properties["fingerprint"]] = true
				}
			}
			if len(seen) != len(r.Findings) {
				t.Errorf("expected every finding once, %d, found %d", len(r.Findings), len(seen))
			}
			if again := printed(t, r, &printer{version: openReports, most: test.most}); !bytes.Equal(list, again) {
				t.Error("the same report gives other bytes")
			}
		})
	}
}

// TestHeld counts what waits, while findings of more namespaces come than memory has room for.
func TestHeld(t *testing.T) {
	const most = 50_000
	w := &writer{out: io.Discard, version: openReports, most: most, prefix: "p", groups: map[group]*chunk{}, verdicts: map[api.Verdict]int{}}
	for _, f := range many(50, 100).Findings {
		if err := w.add(groupOf(&f.Subject), f.Verdict, resultOf(&f, "")); err != nil {
			t.Fatal(err)
		}
		held := 0
		for _, c := range w.groups {
			held += len(c.results)
		}
		if held != w.held || held > most {
			t.Fatalf("expected at most %d bytes, counted %d, found %d", most, w.held, held)
		}
	}
}

func TestPrefix(t *testing.T) {
	base := prefix(sample(), database)
	if !strings.HasPrefix(base, "checklist-pods-") {
		t.Errorf("found %q", base)
	}
	all := sample()
	all.Spec.Command = "checklist"
	if got := prefix(all, database); !strings.HasPrefix(got, "checklist-all-") {
		t.Errorf("found %q", got)
	}
	for name, test := range map[string]struct {
		change func(*api.ChecklistReport)
		same   bool
	}{
		"another day":              {func(r *api.ChecklistReport) { r.CreationTimestamp = metav1.Time{} }, true},
		"another version":          {func(r *api.ChecklistReport) { r.Spec.Version, r.Spec.Scope.LeftOutChecks = "v9", []string{"a/b"} }, true},
		"other findings":           {func(r *api.ChecklistReport) { r.Findings = nil }, true},
		"another kubeconfig":       {func(r *api.ChecklistReport) { r.Cluster.Name = "other" }, true},
		"another cluster":          {func(r *api.ChecklistReport) { r.Cluster.UID = "u2" }, false},
		"another command":          {func(r *api.ChecklistReport) { r.Spec.Command = "secrets" }, false},
		"no database":              {func(r *api.ChecklistReport) { r.Spec.Scope.LeftOutChecks = []string{"hosts/known-vulnerabilities"} }, false},
		"one namespace":            {func(r *api.ChecklistReport) { r.Spec.Scope.Namespaces = []string{"shop"} }, false},
		"what would be":            {func(r *api.ChecklistReport) { r.Spec.Scope.WhatIf = &api.WhatIf{Directory: "d"} }, false},
		"only the severe findings": {func(r *api.ChecklistReport) { r.Spec.Inputs.Severity = api.High }, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := sample()
			test.change(r)
			if got := prefix(r, database); (got == base) != test.same {
				t.Errorf("expected the same name: %t, found %s and %s", test.same, base, got)
			}
		})
	}
}

// TestSilentNode: a report of a node that no longer answers replaces the one before, and its passes
// become errors.
func TestSilentNode(t *testing.T) {
	before, after := sample(), sample()
	for i := range after.Findings {
		after.Findings[i].Verdict, after.Findings[i].Reason = api.VerdictUnknown, fact.NotReady
	}
	p := &printer{version: openReports, most: mostHeld}
	old, now := objects(t, openReports, printed(t, before, p)), objects(t, openReports, printed(t, after, p))
	if len(old) != len(now) {
		t.Fatalf("expected %d objects, found %d", len(old), len(now))
	}
	for i := range now {
		if old[i].Name != now[i].Name || old[i].Namespace != now[i].Namespace {
			t.Errorf("%s/%s is not replaced", old[i].Namespace, old[i].Name)
		}
		if now[i].Summary.Error != len(old[i].Results) || now[i].Summary.Pass != 0 {
			t.Errorf("%s: expected only errors, found %+v", now[i].Name, now[i].Summary)
		}
	}
}

// full is a disk with room for so many bytes.
type full struct{ room int }

func (f *full) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, errors.New("no space left")
	}
	return len(p), nil
}

func TestFullDisk(t *testing.T) {
	p := &printer{version: openReports, most: mostHeld}
	size := len(printed(t, sample(), p))
	for room := range size {
		if err := p.Print(&full{room: room}, report.Of(sample())); err == nil {
			t.Fatalf("room for %d of %d bytes: expected an error, found none", room, size)
		}
	}
}
