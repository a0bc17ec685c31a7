package examples

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/catalogue"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/formats"
)

// seriesOf judges facts, prints metrics, and reads them: values by series.
func seriesOf(t *testing.T, set *fact.Set, cluster string) map[string]float64 {
	t.Helper()
	r := report.Build(api.ReportSpec{Command: "checklist", Version: "v0.1.0", CatalogueVersion: "1"}, set, checks.JudgeSet(catalogue.Plan(catalogue.All(), ""), set))
	r.Checks = catalogue.Describe(catalogue.All())
	printer, err := formats.NewPrinter("prometheus", report.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := report.Print(&out, printer, report.Of(r)); err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(out.String()))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for name, f := range families {
		for _, m := range f.Metric {
			series := name + `{job="kubectl_checklist", cluster="` + cluster + `"`
			for _, l := range m.Label {
				series += fmt.Sprintf(", %s=%q", l.GetName(), l.GetValue())
			}
			values[series+"}"] = m.Gauge.GetValue()
		}
	}
	return values
}

// Clusters are judged, then one of their nodes says nothing and they are judged again. No alert
// about a check ends, and an alert about what is unknown begins.
func TestSilentNodeEndsNoAlert(t *testing.T) {
	var input []string
	clusters, fails := 0, 0
	for _, seed := range []uint64{0, 1, 2, 3, 4, 5, 6, 7, 28, 33, 59, 87, 129} {
		random := func() *fact.Set { return facttest.Random(rand.New(rand.NewPCG(seed, 16))) }
		before, after := random(), random()
		node := slices.IndexFunc(after.Nodes, func(n fact.Node) bool { return n.Measured != nil })
		if node < 0 {
			continue
		}
		clusters++
		after.Nodes[node].Measured, after.Nodes[node].Ready = nil, false
		for _, kind := range fact.NodeKinds() {
			after.Gaps = append(after.Gaps, fact.Gap{What: kind, Subject: fact.Subject{Kind: fact.SubjectNode, Name: after.Nodes[node].Name}, Reason: fact.NotReady, Detail: "it is silent"})
		}
		cluster := fmt.Sprintf("c%d", seed)
		was, is := seriesOf(t, before, cluster), seriesOf(t, after, cluster)
		both := maps.Clone(was)
		maps.Copy(both, is)
		failing := map[string]bool{}
		for _, series := range slices.Sorted(maps.Keys(both)) {
			word := func(values map[string]float64) string {
				if v, found := values[series]; found {
					return fmt.Sprint(v)
				}
				return "_"
			}
			input = append(input, fmt.Sprintf("      - {series: '%s', values: '%[2]s %[2]s %[3]s %[3]s'}\n", series, word(was), word(is)))
			critical := strings.Contains(series, `severity="critical"`) || strings.Contains(series, `severity="high"`)
			if critical && strings.Contains(series, `verdict="fail"`) && was[series] > 0 {
				_, check, _ := strings.Cut(series, `check="`)
				check, _, _ = strings.Cut(check, `"`)
				failing[check] = true
			}
		}
		fails += len(failing)
	}
	if clusters < 8 || fails < 20 {
		t.Fatalf("%d clusters, %d checks fail", clusters, fails)
	}
	dir := t.TempDir()
	text := "rule_files: [rules.yaml]\nevaluation_interval: 1h\ntests:\n  - interval: 1h\n    input_series:\n" + strings.Join(input, "") + fmt.Sprintf(`    promql_expr_test:
      - expr: count(ALERTS{alertname="ChecklistFails"} offset 2h)
        eval_time: 3h
        exp_samples: [{value: %d}]
      - expr: ALERTS{alertname="ChecklistFails"} offset 2h unless on (cluster, check) ALERTS{alertname="ChecklistFails"}
        eval_time: 3h
        exp_samples: []
      - expr: count(count by (cluster) (ALERTS{alertname="ChecklistNodesNotMeasured"}))
        eval_time: 3h
        exp_samples: [{value: %d}]
`, fails, clusters)
	for name, data := range map[string]string{"rules.yaml": read(t, "prometheus/rules.yaml"), "rules_test.yaml": text} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := promtool(t, "test", "rules", filepath.Join(dir, "rules_test.yaml")); err != nil {
		t.Error(err)
	}
	t.Logf("%d clusters, %d checks that fail, %d series", clusters, fails, len(input))
}
