package prometheus

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

const hostile = "a\"b\\c\n# HELP x\x00\x1b[31m\xff\u202e`@team` #1 {}"

func sample(text string) *api.ChecklistReport {
	finding := func(v api.Verdict, check string) api.Finding {
		return api.Finding{Check: check, Question: api.Secrets, Verdict: v, Severity: api.High, Subject: fact.Subject{Kind: "Secret", Namespace: "secret-ns", Name: text, Node: "secret-node"}}
	}
	return &api.ChecklistReport{
		ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(time.Unix(1_800_000_000, 0))},
		Spec:       api.ReportSpec{Version: "v0.1.0", CatalogueVersion: text},
		Cluster:    api.ReportCluster{Nodes: 3, MeasuredNodes: 2},
		Checks:     []api.ReportCheck{{Check: "secrets/a", Severity: api.High}, {Check: "secrets/quiet", Severity: api.Low}},
		Answers: []api.Answer{
			{Question: api.Secrets, Answer: api.No, Parts: []api.PartAnswer{
				{Part: "rest", Answer: api.No, Coverage: api.Coverage{Measured: 2, InScope: 5, NotRunning: 1}},
				{Part: text, Answer: "strange"},
			}},
			{Question: api.Hosts, Answer: api.Unknown},
		},
		Findings: []api.Finding{finding(api.Fail, "secrets/a"), finding(api.Fail, "secrets/a"), finding(api.VerdictUnknown, "secrets/a"), finding(api.Pass, "secrets/"+text)},
		Gaps:     []fact.Gap{{Reason: "NotReady"}, {Reason: "NotReady"}, {Reason: fact.Reason(text)}},
	}
}

func printed(t *testing.T, r *api.ChecklistReport) string {
	t.Helper()
	var out bytes.Buffer
	if err := report.Print(&out, printer{}, report.Of(r)); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// Prometheus's own parser reads what was counted.
func TestReadBack(t *testing.T) {
	for _, text := range []string{"plain", hostile, strings.Repeat("long", 1<<18)} {
		got := printed(t, sample(text))
		parser := expfmt.NewTextParser(model.LegacyValidation)
		families, err := parser.TextToMetricFamilies(strings.NewReader(got))
		if err != nil {
			t.Fatalf("%v\n%s", err, got)
		}
		if len(families) != 9 || len(got) > 20_000 {
			t.Errorf("%d families, %d bytes", len(families), len(got))
		}
		if strings.Contains(got, "secret-n") {
			t.Errorf("a node or namespace is named:\n%s", got)
		}
		values := map[string]float64{}
		for name, f := range families {
			if f.GetHelp() == "" || f.GetType().String() != "GAUGE" {
				t.Errorf("%s: help %q, type %s", name, f.GetHelp(), f.GetType())
			}
			for _, m := range f.Metric {
				key := strings.TrimPrefix(name, "kubectl_checklist_")
				for _, l := range m.Label {
					key += " " + l.GetValue()
				}
				if m.TimestampMs != nil {
					t.Errorf("%s has a timestamp", key)
				}
				values[key] = m.Gauge.GetValue()
			}
		}
		shown := strings.ReplaceAll(strings.ReplaceAll(value(text), `\"`, `"`), `\\`, `\`)
		for key, want := range map[string]float64{
			"answer secrets no": 1, "answer secrets yes": 0, "answer secrets unknown": 0, "answer hosts unknown": 1, "answer hosts yes": 0,
			"part_answer secrets rest no": 1, "part_answer secrets " + shown + " unknown": 1, "part_answer secrets " + shown + " yes": 0,
			"findings secrets secrets/a high fail": 2, "findings secrets secrets/a high unknown": 1, "findings secrets secrets/a high pass": 0,
			"findings secrets secrets/quiet low unknown": 0,
			"subjects secrets rest measured":             2, "subjects secrets rest unmeasured": 3, "subjects secrets rest not_running": 1,
			"nodes measured": 2, "nodes unmeasured": 1, "scope_partial": 1, "gaps NotReady": 2, "gaps " + shown: 1,
			"collected_timestamp_seconds": 1_800_000_000, "build_info v0.1.0 " + shown: 1,
		} {
			if n, ok := values[key]; !ok || n != want {
				t.Errorf("%.100s: want %v, got %v (there: %v)", key, want, n, ok)
			}
		}
	}
}

func TestScope(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*api.ReportSpec)
		want   string
	}{
		"everything":                          {func(*api.ReportSpec) {}, "0"},
		"a check without its database":        {func(s *api.ReportSpec) { s.Scope.LeftOutChecks = []string{"immutable/vulnerable-packages"} }, "0"},
		"without probes":                      {func(s *api.ReportSpec) { s.Scope.ProbeLevel = "" }, "0"},
		"another command":                     {func(s *api.ReportSpec) { s.Command = "secrets" }, "1"},
		"no command":                          {func(s *api.ReportSpec) { s.Command = "" }, "1"},
		"namespaces, selectors, nodes, files": {func(s *api.ReportSpec) { s.Scope.Narrowed = "only namespace shop" }, "1"},
		"--check and --skip":                  {func(s *api.ReportSpec) { s.Scope.Checks = []string{"secrets/a"} }, "1"},
	} {
		r := sample("a")
		r.Spec.Command, r.Spec.Scope.ProbeLevel = "checklist", "full"
		tc.change(&r.Spec)
		if want := "\nkubectl_checklist_scope_partial " + tc.want + "\n"; !strings.Contains(printed(t, r), want) {
			t.Errorf("%s: not there: %s", name, want)
		}
	}
}

// A file can answer a question twice. Both answers are shown, whatever their order: none hides the
// other.
func TestTwoAnswers(t *testing.T) {
	for _, answers := range [][]api.AnswerWord{{api.Yes, api.No}, {api.No, api.Yes}} {
		r := sample("a")
		r.Answers = nil
		for _, answer := range answers {
			r.Answers = append(r.Answers, api.Answer{Question: api.Secrets, Answer: answer})
		}
		got := printed(t, r)
		for _, line := range []string{`"no"} 1`, `"yes"} 1`, `"unknown"} 0`} {
			if want := `kubectl_checklist_answer{question="secrets",answer=` + line + "\n"; !strings.Contains(got, want) {
				t.Errorf("%q: %s is not there", answers, want)
			}
		}
	}
}

func TestPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CHECKLIST_REQUIRE_TOOLS") != "" {
			t.Fatal("promtool is not installed: see hack/deps.sh")
		}
		t.Skip("promtool is not installed")
	}
	for _, text := range []string{"plain", hostile} {
		cmd := exec.Command(promtool, "check", "metrics")
		cmd.Stdin = strings.NewReader(printed(t, sample(text)))
		if said, err := cmd.CombinedOutput(); err != nil || len(said) > 0 {
			t.Errorf("%v\n%s", err, said)
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestFullDisk(t *testing.T) {
	if err := report.Print(full{}, printer{}, report.Of(sample("a"))); err == nil {
		t.Error("no error")
	}
}
