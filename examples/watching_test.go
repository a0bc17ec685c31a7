package examples

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	batchv1 "k8s.io/api/batch/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/cli"
)

// tool returns the path of a program of hack/deps.sh.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CHECKLIST_REQUIRE_TOOLS") != "" {
			t.Fatalf("%s is not installed: see hack/deps.sh", name)
		}
		t.Skipf("%s is not installed", name)
	}
	return path
}

func promtool(t *testing.T, args ...string) error {
	t.Helper()
	said, err := exec.Command(tool(t, "promtool"), args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("promtool %s: %w\n%s", strings.Join(args, " "), err, said)
	}
	return nil
}

type rules struct {
	Groups []struct {
		Name  string `json:"name"`
		Rules []rule `json:"rules"`
	} `json:"groups"`
}

type rule struct {
	Alert  string            `json:"alert,omitempty"`
	Record string            `json:"record,omitempty"`
	Expr   string            `json:"expr"`
	For    string            `json:"for,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	Texts  map[string]string `json:"annotations,omitempty"`
}

func TestAlerts(t *testing.T) {
	for _, args := range [][]string{
		{"check", "config", "prometheus/scrape.yaml"},
		{"check", "rules", "prometheus/rules.yaml"},
		{"test", "rules", "prometheus/rules_test.yaml"},
	} {
		if err := promtool(t, args...); err != nil {
			t.Error(err)
		}
	}
	// Each alert is tested: if none ever fires, promtool misses every one of them.
	broken := into[rules](t, "prometheus/rules.yaml")
	for i := range broken.Groups[0].Rules {
		broken.Groups[0].Rules[i].Expr = "vector(1) > 2"
	}
	data, err := yaml.Marshal(broken)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"rules.yaml": string(data), "rules_test.yaml": read(t, "prometheus/rules_test.yaml")} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	err = promtool(t, "test", "rules", filepath.Join(dir, "rules_test.yaml"))
	for _, r := range broken.Groups[0].Rules {
		if err == nil || !strings.Contains(err.Error(), "alertname: "+r.Alert+",") {
			t.Errorf("%s never fires, and no test fails: %v", r.Alert, err)
		}
	}
}

// The README names each alert, each directory, and files that exist.
func TestReadme(t *testing.T) {
	text := read(t, "README.md")
	for _, r := range into[rules](t, "prometheus/rules.yaml").Groups[0].Rules {
		if !strings.Contains(text, "`"+r.Alert+"`") {
			t.Errorf("alert %s is not there", r.Alert)
		}
	}
	paths := 0
	for _, m := range regexp.MustCompile("(?:examples/|`)((?:cronjob|prometheus|grafana|ci)[a-z-]*/[a-z./_-]*)").FindAllStringSubmatch(text, -1) {
		paths++
		if _, err := os.Stat(m[1]); err != nil {
			t.Error(err)
		}
	}
	if paths < 10 {
		t.Errorf("%d paths", paths)
	}
}

type dashboard struct {
	UID           string `json:"uid"`
	SchemaVersion int    `json:"schemaVersion"`
	Templating    struct {
		List []struct{ Name, Type string }
	}
	Panels []struct {
		ID         int
		Type       string
		Title      string
		Datasource struct{ UID string }
		GridPos    struct{ X, Y, W, H int }
		Targets    []struct{ Expr string }
	}
}

func loadDashboard(t *testing.T) *dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal([]byte(read(t, "grafana/dashboard.json")), &d); err != nil {
		t.Fatal(err)
	}
	return &d
}

func TestDashboard(t *testing.T) {
	d := loadDashboard(t)
	if d.UID == "" || d.SchemaVersion < 36 || len(d.Panels) < 10 || len(d.Templating.List) != 2 {
		t.Errorf("%+v", d)
	}
	used := map[[2]int]string{}
	ids := map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" || p.Datasource.UID != "${datasource}" || len(p.Targets) == 0 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %d %q", p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if used[at] != "" {
					t.Fatalf("panels %q and %q overlap", p.Title, used[at])
				}
				used[at] = p.Title
			}
		}
	}
}

// If two jobs push about one cluster, a panel shows the worse answer: what one did not measure,
// another's yes does not hide.
func TestAnswersOfTwoJobs(t *testing.T) {
	var exprs []string
	for where, query := range queries(t) {
		if strings.Contains(where, `"Answers`) {
			exprs = append(exprs, query)
		}
	}
	if len(exprs) != 2 {
		t.Fatalf("%d queries of answers", len(exprs))
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	series := ""
	for question, answers := range map[string][2]string{"builds": {"yes", "no"}, "hosts": {"yes", "unknown"}, "drift": {"yes", "yes"}, "secrets": {"no", "unknown"}} {
		for job, given := range answers {
			for _, a := range []string{"yes", "no", "unknown"} {
				value := 0
				if a == given {
					value = 1
				}
				series += fmt.Sprintf("  - {series: 'kubectl_checklist_answer{job=\"%d\", cluster=\"c\", question=\"%s\", answer=\"%s\"}', values: '%d'}\n", job, question, a, value)
			}
		}
	}
	wants := ""
	for _, expr := range exprs {
		wants += fmt.Sprintf("  - expr: '%s'\n    eval_time: 0m\n    exp_samples:\n", expr)
		for question, value := range map[string]int{"builds": 0, "hosts": 1, "drift": 2, "secrets": 0} {
			wants += fmt.Sprintf("    - {labels: '{cluster=\"c\", question=\"%s\"}', value: %d}\n", question, value)
		}
	}
	write("rules.yaml", "groups: []\n")
	file := write("test.yaml", "rule_files: [rules.yaml]\ntests:\n- interval: 1m\n  input_series:\n"+series+"  promql_expr_test:\n"+wants)
	if err := promtool(t, "test", "rules", file); err != nil {
		t.Error(err)
	}
}

// queries are the expressions of dashboard and alerts, by where they are.
func queries(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, p := range loadDashboard(t).Panels {
		for i, target := range p.Targets {
			all[fmt.Sprintf("panel %q %d", p.Title, i)] = strings.ReplaceAll(target.Expr, "$cluster", ".*")
		}
	}
	for _, r := range into[rules](t, "prometheus/rules.yaml").Groups[0].Rules {
		all["alert "+r.Alert] = r.Expr
	}
	return all
}

const facts = "../pkg/cli/testdata/cases/root.json"

var (
	selector = regexp.MustCompile(`(kubectl_checklist_[a-z_]+)(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`([a-z_]+)(=~|=)"([^"]*)"`)
)

// Each metric, label and value that a query names is one that the printer writes.
func TestQueriesNameWhatIsPrinted(t *testing.T) {
	code, out, said := run(t, "--facts", facts, "-o", "prometheus")
	if code != cli.ExitOK {
		t.Fatalf("exit status %d: %s", code, said)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]map[string]bool{} // of "METRIC LABEL"
	for name, f := range families {
		for _, m := range f.Metric {
			for _, l := range m.Label {
				key := name + " " + l.GetName()
				if values[key] == nil {
					values[key] = map[string]bool{}
				}
				values[key][l.GetValue()] = true
			}
		}
	}
	seen := map[string]bool{}
	for where, query := range queries(t) {
		for _, s := range selector.FindAllStringSubmatch(query, -1) {
			if families[s[1]] == nil {
				t.Errorf("%s: no metric %s", where, s[1])
			}
			seen[s[1]] = true
			for _, m := range matcher.FindAllStringSubmatch(s[2], -1) {
				if m[1] == "cluster" { // of the group
					continue
				}
				for word := range strings.SplitSeq(m[3], "|") {
					if !values[s[1]+" "+m[1]][word] {
						t.Errorf(`%s: %s{%s="%s"} is never printed`, where, s[1], m[1], word)
					}
				}
			}
		}
	}
	for name := range families {
		if !seen[name] {
			t.Errorf("no panel and no alert uses %s", name)
		}
	}
}

// listening returns an address of loopback that is free now.
func listening(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // it was only asked for its address
	return listener.Addr().String()
}

// start runs a server until the test ends.
func start(t *testing.T, ready string, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(tool(t, name), args...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		<-ended
	})
	for begun := time.Now(); time.Since(begun) < long; time.Sleep(100 * time.Millisecond) {
		if answer, err := http.Get(ready); err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-ended:
			t.Fatalf("%s ended: %s", name, said.Bytes())
		default:
		}
	}
	t.Fatalf("%s does not answer", name)
}

// long is how long another process may take, on a busy machine too.
const long = 3 * time.Minute

// The way of the metrics, for real: the plugin pushes to a Pushgateway, Prometheus scrapes it
// with the example's configuration, and each panel shows something.
func TestPanelsShowSomething(t *testing.T) {
	gateway, prometheus := listening(t), listening(t)
	start(t, "http://"+gateway+"/-/ready", "prometheus-pushgateway", "--web.listen-address="+gateway, "--persistence.file=")
	args := []string{"--facts", facts}
	for _, arg := range into[batchv1.CronJob](t, "cronjob/cronjob.yaml").Spec.JobTemplate.Spec.Template.Spec.Containers[0].Args {
		if strings.HasPrefix(arg, "--pushgateway=") {
			args = append(args, strings.Replace(arg, "pushgateway.monitoring.svc:9091", gateway, 1))
		}
	}
	if code, _, said := run(t, args...); code != cli.ExitOK || len(args) != 3 {
		t.Fatalf("%v: exit status %d: %s", args, code, said)
	}
	dir := t.TempDir()
	config := strings.NewReplacer("pushgateway.monitoring.svc:9091", gateway, "scrape_interval: 1m", "scrape_interval: 1s").Replace(read(t, "prometheus/scrape.yaml"))
	for name, text := range map[string]string{"prometheus.yml": config, "rules.yaml": read(t, "prometheus/rules.yaml")} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start(t, "http://"+prometheus+"/-/ready", "prometheus", "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+prometheus)
	ask := func(query string) (series []struct{ Metric map[string]string }) {
		t.Helper()
		answer, err := http.Get("http://" + prometheus + "/api/v1/query?query=" + url.QueryEscape(query))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close() //nolint:errcheck // only read
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Data struct {
				Result []struct{ Metric map[string]string }
			}
		}
		if err := json.Unmarshal(body, &got); err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("%s: status %d, %v: %s", query, answer.StatusCode, err, body)
		}
		return got.Data.Result
	}
	for begun := time.Now(); len(ask("kubectl_checklist_build_info")) == 0; time.Sleep(100 * time.Millisecond) {
		if time.Since(begun) > long {
			t.Fatal("Prometheus has scraped nothing")
		}
	}
	for where, query := range queries(t) {
		series := ask(query)
		// They need a past, or depend on when this runs: promtool tests them.
		if slices.Contains([]string{"alert ChecklistAbsent", "alert ChecklistGone", "alert ChecklistOld", "alert ChecklistLostSight", "alert ChecklistNodesNotMeasured", "alert ChecklistPartial"}, where) {
			continue
		}
		if len(series) == 0 {
			t.Errorf("%s shows nothing: %s", where, query)
			continue
		}
		if cluster := series[0].Metric["cluster"]; cluster != "my-cluster" && strings.Contains(query, "cluster, ") {
			t.Errorf("%s: cluster %q", where, cluster)
		}
	}
}
