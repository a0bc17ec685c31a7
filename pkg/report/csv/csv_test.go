package csv

import (
	"bytes"
	"encoding/csv"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

func sample() *api.ChecklistReport {
	pod := func(name string) fact.Subject { return fact.Subject{Kind: "Pod", Namespace: "shop", Name: name} }
	return &api.ChecklistReport{
		Checks: []api.ReportCheck{{Check: "privilege/host-path", Parts: []string{"host", "mounts"}}},
		Answers: []api.Answer{{
			Question: "privilege", Answer: "NO",
			Parts: []api.PartAnswer{{Part: "host", Answer: "UNKNOWN", Reason: "NodeSilent"}},
		}},
		Findings: []api.Finding{
			{
				Check: "privilege/host-path", Question: "privilege", Verdict: api.Fail, Severity: api.High, Basis: api.Measured,
				Subject: pod("=cmd|' /C calc'!A0"), Message: "@all, \"see\"\nthis",
				Evidence: []api.Evidence{{Source: "pod/shop/a spec", Value: "/", Basis: api.Declared}, {Source: "node/n mounts", Value: "/host", Basis: api.Measured}},
			},
			{Check: "privilege/host-path", Question: "privilege", Verdict: api.VerdictUnknown, Severity: api.High, Subject: pod("b"), Reason: "NodeSilent"},
			{
				Check: "privilege/host-path", Question: "privilege", Verdict: api.Accepted, Severity: api.High, Subject: pod("c"),
				Accepted: &api.Acceptance{Reason: "-1", AcceptedBy: "jo", Expires: "2027-01-01"},
			},
			{Check: "privilege/host-path", Question: "privilege", Verdict: api.Pass, Severity: api.Low, Subject: pod("d")},
		},
	}
}

func rows(t *testing.T, r *api.ChecklistReport, opts report.Options) []map[string]string {
	t.Helper()
	var out bytes.Buffer
	if err := (printer{opts}).Print(&out, report.Of(r)); err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(&out).ReadAll() // every record must have as many fields as the first
	if err != nil {
		t.Fatal(err)
	}
	var got []map[string]string
	for _, record := range records[1:] {
		row := map[string]string{}
		for i, column := range records[0] {
			if record[i] != "" {
				row[column] = record[i]
			}
		}
		got = append(got, row)
	}
	return got
}

func TestRecords(t *testing.T) {
	report1 := sample()
	got := rows(t, report1, report.Options{MinSeverity: api.Medium})
	base := func(i int, more map[string]string) map[string]string {
		f := report1.Findings[i]
		row := map[string]string{
			"question": "privilege", "part": "host mounts", "check": "privilege/host-path", "verdict": string(f.Verdict),
			"severity": "high", "kind": "Pod", "namespace": "shop", "name": f.Subject.Name, "fingerprint": f.Fingerprint(),
		}
		for k, v := range more {
			row[k] = v
		}
		return row
	}
	want := []map[string]string{
		base(0, map[string]string{
			"basis": "measured", "name": "'=cmd|' /C calc'!A0", "message": "'@all, \"see\" this",
			"evidence": "pod/shop/a spec: / (declared); node/n mounts: /host (measured)",
		}),
		base(1, map[string]string{"gap": "NodeSilent"}),
		base(2, map[string]string{"accepted": "'-1 (by jo, until 2027-01-01)"}),
		{"question": "privilege", "kind": "Answer", "verdict": "NO"},
		{"question": "privilege", "part": "host", "kind": "Answer", "verdict": "UNKNOWN", "message": "NodeSilent"},
		{"kind": "About", "message": "about: cluster without a name"},
		{"kind": "LeftOut", "message": "left out: 1 (below severity medium)"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	all := rows(t, report1, report.Options{})
	if len(all) != 7 || all[3]["verdict"] != "pass" || slices.ContainsFunc(all, func(r map[string]string) bool { return r["kind"] == KindLeftOut }) {
		t.Errorf("expected four findings, two answers and what they are about, found %v", all)
	}
}

// Each field of a subject is in the column of its name.
func TestSubject(t *testing.T) {
	r := &api.ChecklistReport{Findings: []api.Finding{{
		Check: "a/b", Subject: fact.Subject{Kind: "Pod", Namespace: "ns", Name: "web", Container: "app", Node: "n1", Cluster: "blue", File: "a.yaml"},
	}}}
	got := rows(t, r, report.Options{})[0]
	for column, want := range map[string]string{
		"kind": "Pod", "namespace": "ns", "name": "web", "container": "app", "node": "n1", "cluster": "blue", "file": "a.yaml",
	} {
		if got[column] != want {
			t.Errorf("%s: expected %q, found %q", column, want, got[column])
		}
	}
}

func TestCell(t *testing.T) {
	for text, want := range map[string]string{
		"":           "",
		"web":        "web",
		"a=b":        "a=b",
		"=1":         "'=1",
		"+1":         "'+1",
		"-1":         "'-1",
		"@x":         "'@x",
		"\tx":        "' x",
		"\rx":        "' x",
		"\n=1":       "' =1",
		"  =1":       "'  =1",
		"\xff\x00":   "\ufffd\ufffd",
		"a\u202eb":   "a\ufffdb",
		"\x1b[31mx":  "^[[31mx",
		"<b>&amp;|`": "<b>&amp;|`",
		"\u3000＝1":   "'\u3000＝1",
		"－1":         "'－1",
		"\u00a0@x":   "'\u00a0@x",
		"\u2003=1":   "'\u2003=1",
		"\u202f\"@x": "'\u202f\"@x",
		"a;=1; +2;b": "a;'=1;' +2;b",
		"\t;\"=1":    "' ;'\"=1",
		"a; b":       "a; b",
		"\u2028=1":   "\ufffd=1",
	} {
		if got := cell(text); got != want {
			t.Errorf("cell(%q): expected %q, found %q", text, want, got)
		}
	}
	long := cell("=" + strings.Repeat("é", 1<<19))
	if len(long) > maxCell+5 || !strings.HasPrefix(long, "'=") || !strings.HasSuffix(long, " ...") || !utf8.ValidString(long) {
		t.Errorf("expected a cut cell with a mark, found %d bytes", len(long))
	}
}

// What a gap makes unknown and no finding tells has a record.
func TestGaps(t *testing.T) {
	r := sample()
	node := fact.Subject{Kind: "Node", Name: "n1"}
	r.Gaps = []fact.Gap{
		{What: fact.Pods, Subject: r.Findings[1].Subject, Reason: "NodeSilent", Affects: []string{"privilege/host-path"}}, // told
		{What: fact.Kernel, Subject: node, Reason: fact.Timeout, Detail: "=no answer", Hint: "ask again", Affects: []string{"privilege/host-path", "hosts/kernel"}},
		{What: fact.Secrets, Subject: fact.Subject{Kind: "Cluster"}, Reason: fact.Forbidden},
	}
	got := rows(t, r, report.Options{MinSeverity: api.Critical})
	print := func(check string) string {
		f := api.Finding{Check: check, Subject: node}
		return f.Fingerprint()
	}
	want := []map[string]string{
		{"question": "privilege", "part": "host mounts", "check": "privilege/host-path", "verdict": "unknown", "kind": "Node", "name": "n1", "message": "kernel not read: =no answer (ask again)", "gap": "Timeout", "fingerprint": print("privilege/host-path")},
		{"question": "hosts", "check": "hosts/kernel", "verdict": "unknown", "kind": "Node", "name": "n1", "message": "kernel not read: =no answer (ask again)", "gap": "Timeout", "fingerprint": print("hosts/kernel")},
		{"kind": KindGap, "verdict": "unknown", "message": "cluster: secrets not read: Forbidden", "gap": "Forbidden"},
	}
	if diff := cmp.Diff(want, got[1:4]); diff != "" {
		t.Errorf("records of gaps (-want +got):\n%s", diff)
	}
	if got[0]["verdict"] != "unknown" || got[4]["kind"] != KindAnswer {
		t.Errorf("found %v", got)
	}
	r.Checks[0].Severity = api.High
	if got := rows(t, r, report.Options{})[4]; got["severity"] != "high" {
		t.Errorf("expected the check's severity, found %v", got)
	}
}

// With a mapping, findings name their controls, and each control has a record.
func TestControls(t *testing.T) {
	r := sample()
	r.Checks = []api.ReportCheck{{Check: "privileged/host-path"}}
	for i := range r.Findings {
		r.Findings[i].Check = "privileged/host-path"
	}
	got := rows(t, r, report.Options{Mapping: "pss"})
	if got[0]["controls"] != "hostPathVolumes" {
		t.Errorf("%v", got[0])
	}
	find := func(kind, name string) string {
		for _, row := range got {
			if row["kind"] == kind && row["name"] == name {
				return row["message"]
			}
		}
		return "(no record)"
	}
	if text := find(KindControl, "hostPathVolumes"); text != "1 fail, 1 unknown, 1 accepted, 1 pass" {
		t.Error(text)
	}
	if text := find(KindControl, "sysctls"); text != "its checks did not run" {
		t.Error(text)
	}
	if got = rows(t, r, report.Options{Mapping: "attack"}); find(KindUncovered, "T1613") == "(no record)" {
		t.Error("T1613 has no record")
	}
	says := func(kind, part string) bool {
		return slices.ContainsFunc(got, func(row map[string]string) bool { return row["kind"] == kind && strings.Contains(row["message"], part) })
	}
	if got = rows(t, r, report.Options{Mapping: "nsa"}); !says(KindMapping, "Findings are evidence") || !says(KindMapping, "can lack some") {
		t.Errorf("no record says that the list of controls can lack some: %v", got)
	}
	if got = rows(t, r, report.Options{Mapping: "cis"}); !says(KindMapping, "Who runs the control plane is not known") || says(KindMapping, "can lack some") {
		t.Errorf("expected the note on the provider, and no other, found %v", got)
	}
	r.Cluster.Provider = "aks"
	if got = rows(t, r, report.Options{Mapping: "cis"}); !strings.Contains(find(KindMapping, "CIS Kubernetes Benchmark 2.0"), "AKS has a benchmark of its own") {
		t.Errorf("%v", got)
	}
	if got = rows(t, r, report.Options{}); got[0]["controls"] != "" {
		t.Error("a column that was not asked for")
	}
}

// A word that is no verdict is unknown, which --severity does not hide.
func TestStrangeVerdict(t *testing.T) {
	r := sample()
	r.Findings[3].Verdict = "strange"
	got := rows(t, r, report.Options{MinSeverity: api.High})
	if got[3]["verdict"] != "strange" || got[3]["name"] != "d" {
		t.Errorf("found %v", got[3])
	}
}

// full takes so many bytes.
type full int

func (f *full) Write(data []byte) (int, error) {
	if *f -= full(len(data)); *f < 0 {
		return 0, errors.New("no space left")
	}
	return len(data), nil
}

func TestFullDisk(t *testing.T) {
	var whole bytes.Buffer
	if err := (printer{}).Print(&whole, report.Of(sample())); err != nil {
		t.Fatal(err)
	}
	for size := range whole.Len() {
		disk := full(size)
		if err := (printer{}).Print(&disk, report.Of(sample())); err == nil {
			t.Fatalf("%d bytes of %d: expected an error of a full disk, found none", size, whole.Len())
		}
	}
}

// Whatever a text holds, a reader finds as many cells, and none that begins like a formula.
func FuzzCell(f *testing.F) {
	for _, s := range []string{"=1", "a;=1", "\"=1", "\xff\u202e\n", ";;@"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := sample()
		r.Findings[0].Message, r.Findings[0].Subject.Name = text, text
		r.Findings[0].Evidence[0].Value = text
		for _, row := range rows(t, r, report.Options{}) {
			for column, value := range row {
				for _, piece := range strings.Split(value, ";") {
					if piece = strings.TrimLeft(piece, " \""); piece != "" && strings.Contains("=+-@", piece[:1]) {
						t.Errorf("%s: %q", column, value)
					}
				}
				if !utf8.ValidString(value) || strings.ContainsAny(value, "\x00\r\n\t\x1b") {
					t.Errorf("%s: %q", column, value)
				}
			}
		}
	})
}
