//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	batchv1 "k8s.io/api/batch/v1"

	"github.com/kubectl-checklist/kubectl-checklist/hack/harness"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// Where the tests' cluster has what the examples name. It has no DNS and no proxy for services.
const (
	gateway    = "10.200.0.1:9091"
	factsDir   = "/var/lib/e2e-examples"
	watchSpace = "kubectl-checklist-watch"
)

// The CronJobs of examples/ run with their own account, from an image of the plugin by digest,
// against a real Pushgateway, and leave facts and metrics and nothing else.
func TestExamples(t *testing.T) {
	ctx := testContext(t, 12*time.Minute)
	digest := pluginImage(t, ctx)
	startGateway(t, ctx)
	noLeftovers(t, ctx)
	before := everything(t, ctx)
	makeVolume(t, ctx)

	applied := ""
	apply := func(example string) {
		t.Helper()
		applied = rendered(t, ctx, example, digest)
		_, err := cluster.Verb(ctx, strings.NewReader(applied), "kubectl", "apply", "--validate=strict", "-f", "-")
		must(t, err)
	}
	remove := func(ctx context.Context) {
		t.Helper()
		_, err := cluster.Verb(ctx, strings.NewReader(applied), "kubectl", "delete", "--ignore-not-found", "--timeout=120s", "-f", "-")
		must(t, err)
	}
	t.Cleanup(func() { remove(context.WithoutCancel(ctx)) })

	apply("cronjob")
	account := "system:serviceaccount:" + watchSpace + ":kubectl-checklist"
	for _, right := range []string{"list secrets", "create pods", "create pods --namespace kube-system", "get configmaps", "delete pods", "create jobs"} {
		args := append([]string{"auth", "can-i", "--as", account}, strings.Fields(right)...)
		if out, err := cluster.Kubectl(ctx, args...); strings.TrimSpace(out) != "no" {
			t.Errorf("may the account %s? %q, %v", right, out, err)
		}
	}
	installed := everything(t, ctx)
	first := watch(t, ctx, "first")
	if first["nodes measured"] != 0 || first["nodes unmeasured"] != 3 || first["answer hosts unknown"] != 1 || first["answer privileged no"] != 1 {
		t.Errorf("without probes: %v", first)
	}
	if diff := cmp.Diff(map[string]string{"facts.json": "65532 600"}, volume(t, ctx)); diff != "" {
		t.Errorf("on the volume (-want +got):\n%s", diff)
	}
	onlyJob(t, installed, everything(t, ctx), "first")

	// A run that cannot reach the API server fails, and the old metrics keep their old time: the
	// alert on their age takes it.
	kubectl := func(args ...string) {
		t.Helper()
		_, err := cluster.Kubectl(ctx, append([]string{"-n", watchSpace}, args...)...)
		must(t, err)
	}
	kubectl("patch", "configmap", "kubeconfig", "--type=merge", "-p", `{"data":{"config":"{apiVersion: v1, kind: Config}"}}`)
	kubectl("create", "job", "broken", "--from=cronjob/kubectl-checklist")
	must(t, harness.Wait(ctx, "the broken run to fail", waiting, func() error {
		if job := jobOf(t, ctx, "broken"); job.Status.Failed == 0 {
			return fmt.Errorf("status %+v", job.Status)
		}
		return nil
	}))
	kubectl("delete", "job", "broken")
	if diff := cmp.Diff(first, metrics(t, ctx)); diff != "" {
		t.Errorf("a failed run changed metrics (-before +after):\n%s", diff)
	}

	apply("cronjob-probes")
	second := watch(t, ctx, "second")
	if second["nodes measured"] != 3 || second["nodes unmeasured"] != 0 || second["collected_timestamp_seconds"] <= first["collected_timestamp_seconds"] {
		t.Errorf("with probes: %v", second)
	}
	if diff := cmp.Diff(map[string]string{"facts.json": "65532 600", "facts.json.1": "65532 600"}, volume(t, ctx)); diff != "" {
		t.Errorf("on the volume (-want +got):\n%s", diff)
	}
	if out := ours(t, ctx, "pods,jobs,configmaps"); out != "" {
		t.Errorf("left by the probes:\n%s", out)
	}
	// The facts of both runs can be judged elsewhere.
	// They say what was refused: only what the examples leave out.
	for name, want := range map[string]struct {
		measured int
		refused  string
	}{"facts.json": {3, "create pods, even in a dry run"}, "facts.json.1": {0, "list secrets"}} {
		data, err := cluster.Verb(ctx, nil, "node-exec", harness.Worker, "--", "cat", factsDir+"/"+name)
		must(t, err)
		file := filepath.Join(t.TempDir(), name)
		must(t, os.WriteFile(file, []byte(data), 0o600))
		report, result, err := cluster.Report(ctx, "--facts", file)
		must(t, err)
		if result.Code != 0 {
			t.Fatalf("exit status %d: %s", result.Code, result.Stderr)
		}
		if report.Cluster.MeasuredNodes != want.measured {
			t.Errorf("%s: %d nodes measured, want %d", name, report.Cluster.MeasuredNodes, want.measured)
		}
		refused := 0
		for _, g := range report.Gaps {
			if g.Reason != fact.Forbidden {
				continue
			}
			if refused++; !strings.Contains(g.Detail, want.refused) {
				t.Errorf("%s: refused: %s: %s", name, g.What, g.Detail)
			}
		}
		if refused == 0 {
			t.Errorf("%s: nothing was refused, want %q", name, want.refused)
		}
		t.Logf("%s: %d bytes", name, len(data))
	}

	remove(ctx)
	removeVolume(t, ctx)
	noLeftovers(t, ctx)
	if left := newIn(before, everything(t, ctx)); len(left) > 0 {
		t.Errorf("left on the cluster: %v", left)
	}
}

// pluginImage serves the plugin's image and returns the digest of its index.
func pluginImage(t *testing.T, ctx context.Context) string {
	t.Helper()
	layout := filepath.Join(t.TempDir(), "layout")
	must(t, cluster.Image(ctx, "plugin", "-binary", "amd64="+cluster.Plugin, "-layout", layout))
	data, err := os.ReadFile(filepath.Join(layout, "index.json"))
	must(t, err)
	var index struct{ Manifests []struct{ Digest string } }
	must(t, json.Unmarshal(data, &index))
	stop, err := cluster.Serve(ctx, "kubectl-checklist:e2e="+layout)
	must(t, err)
	t.Cleanup(stop)
	return index.Manifests[0].Digest
}

// startGateway starts a real Pushgateway where pods reach it.
func startGateway(t *testing.T, ctx context.Context) {
	t.Helper()
	cmd := exec.CommandContext(ctx, filepath.Join(cluster.Repository, "hack", "cluster", "run"),
		"exec", "--", "prometheus-pushgateway", "--web.listen-address="+gateway, "--persistence.file=")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	if err := harness.Wait(ctx, "the Pushgateway", time.Minute, func() error {
		_, err := scrape(ctx)
		return err
	}); err != nil {
		t.Fatalf("%v: %s", err, said.Bytes())
	}
}

func scrape(ctx context.Context) (string, error) {
	result, err := cluster.Exec(ctx, nil, "bash", "-c", "exec 3<>/dev/tcp/"+strings.Replace(gateway, ":", "/", 1)+
		` && printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3 && cat <&3`)
	if err == nil && result.Code != 0 {
		err = fmt.Errorf("exit status %d: %s", result.Code, result.Stderr)
	}
	_, body, found := strings.Cut(string(result.Stdout), "\r\n\r\n")
	if err == nil && !found {
		err = fmt.Errorf("no answer: %q", result.Stdout)
	}
	return body, err
}

// metrics returns ours, with the values of their labels after the name. The group's labels are
// checked and left out.
func metrics(t *testing.T, ctx context.Context) map[string]float64 {
	t.Helper()
	body, err := scrape(ctx)
	must(t, err)
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	must(t, err)
	values := map[string]float64{}
	for name, family := range families {
		short, ok := strings.CutPrefix(name, "kubectl_checklist_")
		if !ok {
			continue
		}
		for _, m := range family.Metric {
			labels := map[string]string{}
			for _, l := range m.Label {
				labels[l.GetName()] = l.GetValue()
			}
			if labels["job"] != "kubectl_checklist" || labels["cluster"] != "my-cluster" {
				t.Fatalf("%s: labels %v", name, labels)
			}
			key := short
			for _, l := range []string{"question", "part", "check", "severity", "verdict", "answer", "state", "reason"} {
				if labels[l] != "" {
					key += " " + labels[l]
				}
			}
			values[key] += m.Gauge.GetValue()
		}
	}
	return values
}

// rendered is what kubectl apply -k applies, with the addresses of this cluster.
func rendered(t *testing.T, ctx context.Context, example, digest string) string {
	t.Helper()
	text, err := cluster.Kubectl(ctx, "kustomize", filepath.Join(cluster.Repository, "examples", example))
	must(t, err)
	for old, now := range map[string]string{
		"registry.example.com/kubectl-checklist@sha256:" + strings.Repeat("0", 64): harness.Registry + "/kubectl-checklist@" + digest,
		"https://kubernetes.default.svc":                                           "https://10.200.0.11:6443",
		"pushgateway.monitoring.svc:9091":                                          gateway,
	} {
		if strings.Count(text, old) != 1 {
			t.Fatalf("%s: %d times %s, want once", example, strings.Count(text, old), old)
		}
		text = strings.Replace(text, old, now, 1)
	}
	return text
}

// makeVolume makes what a storage class would: a directory of a node for the claim.
func makeVolume(t *testing.T, ctx context.Context) {
	t.Helper()
	_, err := cluster.Verb(ctx, nil, "node-exec", harness.Worker, "--", "mkdir", "-p", factsDir)
	must(t, err)
	must(t, cluster.Apply(ctx, fmt.Sprintf(`apiVersion: v1
kind: PersistentVolume
metadata: {name: e2e-examples}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  claimRef: {namespace: %s, name: facts}
  local: {path: %s}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [%s]}]}]}}
`, watchSpace, factsDir, harness.Worker)))
	t.Cleanup(func() { removeVolume(t, context.WithoutCancel(ctx)) })
}

func removeVolume(t *testing.T, ctx context.Context) {
	t.Helper()
	_, err := cluster.Kubectl(ctx, "delete", "persistentvolume", "e2e-examples", "--ignore-not-found")
	must(t, err)
	// The kubelet unmounts it a moment after the pod is gone.
	must(t, harness.Wait(ctx, "the volume to be unmounted", waiting, func() error {
		_, err := cluster.Verb(ctx, nil, "node-exec", harness.Worker, "--", "rm", "-rf", factsDir)
		return err
	}))
}

// volume lists the volume's files with their owner and mode.
func volume(t *testing.T, ctx context.Context) map[string]string {
	t.Helper()
	out, err := cluster.Verb(ctx, nil, "node-exec", harness.Worker, "--", "find", factsDir, "-mindepth", "1", "-printf", "%P %U %m\n")
	must(t, err)
	files := map[string]string{}
	for line := range strings.Lines(out) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		files[name] = rest
	}
	return files
}

func jobOf(t *testing.T, ctx context.Context, name string) *batchv1.Job {
	t.Helper()
	out, err := cluster.Kubectl(ctx, "-n", watchSpace, "get", "job", name, "-o", "json")
	must(t, err)
	var job batchv1.Job
	must(t, json.Unmarshal([]byte(out), &job))
	return &job
}

// watch runs the CronJob now, and returns the metrics that it pushed.
func watch(t *testing.T, ctx context.Context, name string) map[string]float64 {
	t.Helper()
	begin := time.Now()
	_, err := cluster.Kubectl(ctx, "-n", watchSpace, "create", "job", name, "--from=cronjob/kubectl-checklist")
	must(t, err)
	err = harness.Wait(ctx, "job "+name, 2*waiting, func() error {
		job := jobOf(t, ctx, name)
		if job.Status.Succeeded == 1 || job.Status.Failed > 0 {
			return nil
		}
		return fmt.Errorf("status %+v", job.Status)
	})
	logs, _ := cluster.Kubectl(ctx, "-n", watchSpace, "logs", "job/"+name)
	pods, _ := cluster.Kubectl(ctx, "-n", watchSpace, "get", "events")
	if err != nil || jobOf(t, ctx, name).Status.Succeeded != 1 {
		t.Fatalf("%v\n%s\n%s", err, logs, pods)
	}
	got := metrics(t, ctx)
	if since := got["collected_timestamp_seconds"] - float64(begin.Unix()); since < 0 {
		t.Errorf("job %s: metrics are %v s older than the job", name, -since)
	}
	t.Logf("job %s: %s, %d metrics; its log:\n%s", name, time.Since(begin).Round(time.Second), len(got), logs)
	return got
}

// everything lists each object of the cluster but what it makes itself.
func everything(t *testing.T, ctx context.Context) map[string]bool {
	t.Helper()
	kinds, err := cluster.Kubectl(ctx, "api-resources", "--verbs=list", "-o", "name")
	must(t, err)
	list := slices.DeleteFunc(strings.Fields(kinds), func(kind string) bool {
		return strings.HasPrefix(kind, "events") || strings.HasPrefix(kind, "leases") || strings.HasPrefix(kind, "endpoint")
	})
	out, err := cluster.Kubectl(ctx, "get", strings.Join(list, ","), "-A", "-o", `jsonpath={range .items[*]}{.kind}/{.metadata.namespace}/{.metadata.name}{"\n"}{end}`)
	must(t, err)
	found := map[string]bool{}
	for line := range strings.Lines(out) {
		found[strings.TrimSpace(line)] = true
	}
	if len(found) < 50 {
		t.Fatalf("only %d objects", len(found))
	}
	return found
}

func newIn(before, after map[string]bool) []string {
	more := maps.Clone(after)
	maps.DeleteFunc(more, func(name string, _ bool) bool { return before[name] })
	return slices.Sorted(maps.Keys(more))
}

// onlyJob fails if more than a job and its pod were added.
func onlyJob(t *testing.T, before, after map[string]bool, job string) {
	t.Helper()
	for _, name := range newIn(before, after) {
		if name != "Job/"+watchSpace+"/"+job && !strings.HasPrefix(name, "Pod/"+watchSpace+"/"+job+"-") {
			t.Errorf("job %s added %s", job, name)
		}
	}
}
