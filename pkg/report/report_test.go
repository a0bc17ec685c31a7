package report

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

var update = flag.Bool("update", false, "write the golden files again")

// sampleParts are the parts of one answer: yes, no, and the kinds of unknown.
var sampleParts = []api.PartAnswer{
	{Part: "flag", Title: "No container is privileged", Answer: api.Yes, Workloads: api.Yes, Coverage: api.Coverage{InScope: 12}},
	{
		Part: "capabilities", Title: "No process has a capability beyond the default", Answer: api.No, Workloads: api.Unknown, Unknown: 1,
		Coverage: api.Coverage{Measured: 11, InScope: 12, NotRunning: 10000}, Reason: "NotReady: node w17",
	},
	{
		Part: "root", Title: "Nothing runs as root without need", Answer: api.Unknown, Workloads: api.Unknown,
		Reason: "Unsupported: this version has no runs-as-root",
	},
}

// sample is a report with every verdict, every severity, a gap, a controller's
// finding, and text that tries to fool a terminal.
func sample() *api.ChecklistReport {
	secrets := 311
	at := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	plaintext := func(name string) api.Finding {
		return api.Finding{
			Check: "secrets/encrypted-at-rest", Question: api.Secrets, Verdict: api.Fail, Severity: api.Critical, Basis: api.Measured,
			Subject: fact.Subject{Kind: "Secret", Namespace: "shop", Name: name},
			Message: "stored in etcd as plaintext",
			Evidence: []api.Evidence{{
				Source: "node/cp1 /var/lib/etcd/member/snap/db key /registry/secrets/shop/" + name + " rev 812",
				Value:  "identity (protobuf)", Basis: api.Measured,
			}},
		}
	}
	return &api.ChecklistReport{
		TypeMeta:   metav1.TypeMeta{APIVersion: api.GroupVersion.String(), Kind: api.ReportKind},
		ObjectMeta: metav1.ObjectMeta{Name: "run-20261124-100000", CreationTimestamp: metav1.NewTime(at)},
		Spec:       api.ReportSpec{Command: "checklist", Version: "v0.1.0", CatalogueVersion: "2026.11", Scope: api.Scope{AllNamespaces: true}},
		Cluster:    api.ReportCluster{Server: "https://prod-eu:6443", Version: "v1.37.2", Provider: "kubeadm", Nodes: 40, MeasuredNodes: 39, Pods: 1204, Secrets: &secrets},
		Answers: []api.Answer{
			{Question: api.Privileged, Number: 3, Text: "Are you avoiding --privileged?", Answer: api.No, Workloads: api.Yes, Coverage: api.Coverage{Measured: 11, InScope: 12}, Failing: map[api.Severity]int{api.Critical: 1, api.Medium: 1}, Unknowns: 1, Parts: sampleParts},
			{Question: api.Hosts, Number: 4, Text: "Are hosts up to date with the latest security releases?", Answer: api.Unknown, Workloads: api.NotApplicable, Unknowns: 1, Reason: "NotReady: node w17"},
			{Question: api.Secrets, Number: 5, Text: "Are secrets encrypted at rest and in transit?", Answer: api.No, Workloads: api.No, Coverage: api.Coverage{Measured: 5, InScope: 5}, Failing: map[api.Severity]int{api.Critical: 5}},
			{Question: api.Drift, Number: 6, Text: "Can you prevent container drift?", Answer: api.Yes, Workloads: api.Yes, Coverage: api.Coverage{Measured: 3, InScope: 3}},
		},
		Findings: []api.Finding{
			{
				Check: "privileged/effective-capabilities", Question: api.Privileged, Verdict: api.Fail, Severity: api.Critical, Basis: api.Measured,
				Subject: fact.Subject{Kind: "DaemonSet", Namespace: "kube-system", Name: "legacy-cni", Container: "agent", Platform: true, PodCount: 39, Pods: []string{"legacy-cni-2x", "legacy-cni-4b"}},
				Message: "holds every capability of the node (declared: NET_ADMIN)",
				Evidence: []api.Evidence{
					{Source: "node/w1 /proc/2143/status CapEff", Value: "000001ffffffffff", Basis: api.Measured},
					{Source: "pod/kube-system/legacy-cni-2x spec.containers[0].securityContext.capabilities.add", Value: "NET_ADMIN", Basis: api.Declared},
				},
				Remediation: api.Remediation{Text: "Drop ALL, add back what the program was seen to use."},
			},
			plaintext("a"), plaintext("b"), plaintext("c"), plaintext("d"), plaintext("e"),
			{
				Check: "privileged/host-path", Question: api.Privileged, Verdict: api.Fail, Severity: api.Medium, Basis: api.Declared,
				Subject:  fact.Subject{Kind: "Deployment", Namespace: "shop", Name: "web", Container: "app"},
				Message:  "mounts /srv/\x1b[31mred\x1b[0m\u202egnp.exe\nsecond line of the host",
				Evidence: []api.Evidence{{Source: "pod/shop/web-1 spec.volumes[0].hostPath.path", Value: "/srv/\x1b]0;owned\x07", Basis: api.Declared}},
			},
			{
				Check: "privileged/effective-capabilities", Question: api.Privileged, Verdict: api.VerdictUnknown, Severity: api.Critical, Basis: api.Measured,
				Subject:  fact.Subject{Kind: "Node", Name: "w17"},
				Message:  "processes not read: its kubelet stopped posting status",
				Reason:   fact.NotReady,
				FromGap:  true,
				Evidence: []api.Evidence{{Source: "gap processes", Value: "NotReady", Basis: api.Measured}},
			},
			{
				Check: "drift/writable-root", Question: api.Drift, Verdict: api.Pass, Severity: api.Medium, Basis: api.Measured,
				Subject:  fact.Subject{Kind: "Deployment", Namespace: "shop", Name: "web", Container: "app"},
				Message:  "its root is mounted read-only",
				Evidence: []api.Evidence{{Source: "node/w1 /proc/77/mountinfo /", Value: "ro", Basis: api.Measured}},
			},
		},
		Gaps: []fact.Gap{{
			What: fact.Processes, Subject: fact.Subject{Kind: "Node", Name: "w17"}, Reason: fact.NotReady,
			Detail: "its kubelet stopped posting status", Hint: "kubectl describe node w17",
			Affects: []string{"privileged/effective-capabilities", "drift/running-drifted-executable"},
		}},
	}
}

func TestGolden(t *testing.T) {
	for name, tc := range map[string]struct {
		output string
		opts   Options
	}{
		"table":          {"table", Options{Wide: "kubectl checklist -o wide"}},
		"summary":        {"table", Options{Summary: true, Wide: "kubectl checklist -o wide"}},
		"color":          {"table", Options{Summary: true, Color: true, Wide: "kubectl checklist -o wide"}},
		"narrow":         {"table", Options{Summary: true, Width: 80, Wide: "kubectl checklist -o wide"}},
		"narrow-wide":    {"wide", Options{Width: 80, ShowPasses: true, Wide: "kubectl checklist -o wide"}},
		"one-line":       {"table", Options{Width: 200, Wide: "kubectl checklist -o wide"}},
		"passes":         {"wide", Options{ShowPasses: true, Wide: "kubectl checklist -o wide"}},
		"severity":       {"table", Options{Summary: true, MinSeverity: api.High, Wide: "kubectl checklist -o wide"}},
		"wide":           {"wide", Options{Wide: "kubectl checklist -o wide"}},
		"no-headers":     {"wide", Options{NoHeaders: true}},
		"json":           {"json", Options{}},
		"yaml":           {"yaml", Options{}},
		"name":           {"name", Options{}},
		"jsonpath":       {`jsonpath={range .answers[*]}{.question}={.answer}{"\n"}{end}`, Options{}},
		"go-template":    {`go-template={{range .findings}}{{.check}} {{.subject.name}}{{"\n"}}{{end}}`, Options{}},
		"custom-columns": {"custom-columns=CHECK:.check,NAME:.subject.name,WHY:{.message},NONE:.nothing", Options{}},
	} {
		t.Run(name, func(t *testing.T) {
			printer, err := NewPrinter(tc.output, tc.opts)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := printer.Print(&out, Of(sample())); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(golden(t, name, out.String()), out.String()); diff != "" {
				t.Errorf("output (-want +got), go test ./pkg/report -update writes it again:\n%s", diff)
			}
			if tc.opts.Width > 0 {
				narrower(t, out.String(), tc.opts.Width)
			}
		})
	}
}

// golden returns what a file in testdata holds. With -update it writes the file first.
func golden(t *testing.T, name, got string) string {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(got), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(want)
}

func TestNewPrinterErrors(t *testing.T) {
	for name, tc := range map[string]struct{ output, want string }{
		"unknown format lists the known ones": {"sarif", `output format "sarif" is not supported; use one of: table, wide, json, yaml, name, jsonpath=, jsonpath-file=, go-template=, go-template-file=, custom-columns=`},
		"argument where none belongs":         {"json=x", `output format "json" takes no argument, found "x"`},
		"argument missing":                    {"jsonpath", `output format "jsonpath" needs an argument: jsonpath=TEMPLATE`},
		"column without a path":               {"custom-columns=CHECK", `custom-columns: expected HEADER:PATH, found "CHECK"`},
		"column with a broken path":           {"custom-columns=A:{.x}}", `custom-columns: column "A": unexpected brace in path "{.x}}"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewPrinter(tc.output, Options{})
			if err == nil || err.Error() != tc.want {
				t.Errorf("got error %v\nwant      %s", err, tc.want)
			}
		})
	}
}

// A cluster's text must not reach a terminal as control characters, in any
// format that a person reads.
func TestTerminalSafety(t *testing.T) {
	for _, output := range []string{"table", "wide", "name", "custom-columns=M:.message,E:.evidence"} {
		printer, err := NewPrinter(output, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := printer.Print(&out, Of(sample())); err != nil {
			t.Fatal(err)
		}
		if i := strings.IndexFunc(out.String(), func(r rune) bool {
			return r < 0x20 && r != '\n' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x202e
		}); i >= 0 {
			t.Errorf("-o %s prints a control character at byte %d: %q", output, i, out.String()[max(0, i-20):i+5])
		}
		if strings.Contains(out.String(), "\nsecond line") {
			t.Errorf("-o %s: a value begins a line of its own", output)
		}
	}
}

// Templates and jsonpath print strings as they are, so text from a node is made safe when
// the report is built.
func TestBuildEscapes(t *testing.T) {
	raw := sample()
	built := Build(raw.Spec, &fact.Set{CollectedAt: fact.NewTime(raw.CreationTimestamp.Time)}, checks.Result{Findings: raw.Findings, Gaps: raw.Gaps})
	printer, err := NewPrinter(`jsonpath={range .findings[*]}{.message}{range .evidence[*]}{.value}{end}{end}`, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := printer.Print(&out, Of(built)); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "\x1b\x07\n\u202e") {
		t.Errorf("jsonpath prints control characters: %q", out.String())
	}
	if want := "mounts /srv/^[[31mred"; !strings.Contains(out.String(), want) {
		t.Errorf("jsonpath prints %q, want it to contain %q", out.String(), want)
	}
}

// A reason without its word for machines still says what is wrong.
func TestSayReason(t *testing.T) {
	for reason, want := range map[string]string{
		"NotRequested: only namespace shop; nothing found there": "only namespace shop; nothing found there",
		"NotRequested: did not run: b":                           "did not run: b",
		"Unsupported: this version has no c, d":                  "this version has no c, d",
		"NotPresent: nothing was in scope of a":                  "nothing was in scope of a",
		"NotPresent: node w17 and 3 more":                        "NotPresent: node w17 and 3 more",
		"NotRequested: node w17":                                 "NotRequested: node w17",
		"Unsupported: deployment shop/web app":                   "Unsupported: deployment shop/web app",
		"NotReady: node w17":                                     "NotReady: node w17",
		"not run: two":                                           "not run: two",
		"":                                                       "",
	} {
		if got := sayReason(reason); got != want {
			t.Errorf("%q: want %q, got %q", reason, want, got)
		}
	}
}

// --severity hides what is below it, and not what is equal.
func TestVisible(t *testing.T) {
	report := &api.ChecklistReport{}
	severities := []api.Severity{api.Critical, api.High, api.Medium, api.Low}
	for _, severity := range severities {
		report.Findings = append(report.Findings, api.Finding{Verdict: api.Fail, Severity: severity})
	}
	for i, minimum := range severities {
		var got []api.Severity
		for _, f := range Visible(report, minimum).Findings {
			got = append(got, f.Severity)
		}
		if diff := cmp.Diff(severities[:i+1], got); diff != "" {
			t.Errorf("from %s on (-want +got):\n%s", minimum, diff)
		}
	}
	if got := Visible(report, ""); len(got.Findings) != 4 {
		t.Errorf("without a severity: %d findings", len(got.Findings))
	}
	if got := Visible(&api.ChecklistReport{Findings: report.Findings[3:]}, api.High).Findings; got == nil || len(got) != 0 {
		t.Errorf("nothing visible: want an empty list, got %v", got)
	}
}

// Shows how many pods do not run, and why the answer about workloads differs.
func TestTableSaysWhatDoesNotRunAndWhy(t *testing.T) {
	coverage := func(n int) api.Coverage { return api.Coverage{Measured: 1, InScope: 1, NotRunning: n} }
	report := &api.ChecklistReport{
		Cluster: api.ReportCluster{Pods: 3000},
		Answers: []api.Answer{
			{Question: api.Builds, Number: 1, Text: "A?", Answer: api.Yes, Workloads: api.Yes, Coverage: coverage(3)},
			{
				Question: api.Privileged, Number: 3, Text: "B?", Answer: api.Yes, Workloads: api.Unknown, WorkloadsReason: "NotPresent: nothing was in scope",
				Coverage: coverage(1207), Parts: []api.PartAnswer{
					{Part: "one", Answer: api.Yes, Workloads: api.Unknown, WorkloadsReason: "NotPresent: nothing was in scope of one"},
					{Part: "two", Answer: api.Unknown, Workloads: api.Unknown, Reason: "NotRequested: did not run: b", Optional: true},
					{Part: "three", Answer: api.Yes, Workloads: api.Yes, Optional: true},
				},
			},
			{Question: api.Drift, Number: 6, Text: "C?", Answer: api.Unknown, Workloads: api.Unknown, Reason: "Timeout: node n1", Coverage: coverage(2)},
		},
	}
	for name, tc := range map[string]struct {
		output string
		want   []string
		not    string
	}{
		"table": {"table", []string{
			"3,000 pods (1,207 not running)", " workloads: nothing was in scope\n", " Timeout: node n1\n",
		}, "nothing was in scope of one"},
		"wide": {"wide", []string{
			"3,000 pods (1,207 not running)", " workloads: nothing was in scope\n", " workloads: nothing was in scope of one\n", " optional; did not run: b\n", " optional\n",
		}, "NotRequested"},
	} {
		t.Run(name, func(t *testing.T) {
			got := printed(t, tc.output, Options{Wide: "kubectl checklist -o wide"}, report)
			for _, want := range tc.want {
				if !strings.Contains(got, want) {
					t.Errorf("want %q in\n%s", want, got)
				}
			}
			if strings.Contains(got, tc.not) {
				t.Errorf("did not want %q in\n%s", tc.not, got)
			}
		})
	}
	for i := range report.Answers {
		report.Answers[i].NotRunning = 0
	}
	if got := printed(t, "table", Options{}, report); strings.Contains(got, "not running") || !strings.Contains(got, "3,000 pods") {
		t.Errorf("all run:\n%s", got)
	}
}
