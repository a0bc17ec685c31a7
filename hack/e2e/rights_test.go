//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/hack/faults"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// kubeconfigOf returns a kubeconfig of a service account with these rules.
func kubeconfigOf(t *testing.T, ctx context.Context, name, rules string) string {
	t.Helper()
	must(t, cluster.Apply(ctx, fmt.Sprintf(`apiVersion: v1
kind: ServiceAccount
metadata: {name: %[1]s, namespace: %[2]s}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: e2e-%[1]s}
rules: %[3]s
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: e2e-%[1]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: e2e-%[1]s}
subjects: [{kind: ServiceAccount, name: %[1]s, namespace: %[2]s}]
`, name, faults.Namespace, rules)))
	t.Cleanup(func() {
		_, _ = cluster.Kubectl(context.WithoutCancel(ctx), "delete", "clusterrole,clusterrolebinding", "e2e-"+name)
	})
	token, err := cluster.Kubectl(ctx, "-n", faults.Namespace, "create", "token", name)
	must(t, err)
	admin, err := cluster.Verb(ctx, nil, "kubeconfig")
	must(t, err)
	data, err := cluster.Kubectl(ctx, "config", "view", "--raw", "--minify", "-o", "json")
	must(t, err)
	var config map[string]any
	must(t, json.Unmarshal([]byte(data), &config))
	config["users"] = []any{map[string]any{"name": "user", "user": map[string]any{"token": strings.TrimSpace(token)}}}
	config["contexts"] = []any{map[string]any{"name": "context", "context": map[string]any{
		"cluster": config["clusters"].([]any)[0].(map[string]any)["name"], "user": "user",
	}}}
	config["current-context"] = "context"
	// Relative paths in it are relative to its own directory.
	raw, err := json.Marshal(config)
	must(t, err)
	path := filepath.Join(filepath.Dir(strings.TrimSpace(admin)), "e2e-"+name+".kubeconfig")
	must(t, os.WriteFile(path, raw, 0o600))
	t.Cleanup(func() { _ = os.Remove(path) })
	return path
}

// Without the rights for some reads, those checks are unknown with Forbidden and the
// missing verb and resource. The rest is answered.
func TestForbidden(t *testing.T) {
	ctx := testContext(t, 3*time.Minute)
	inNamespace(t, ctx)
	kubeconfig := kubeconfigOf(t, ctx, "podreader", `[{apiGroups: [""], resources: [pods], verbs: [list]}]`)
	report, result, err := cluster.Report(ctx, "--kubeconfig", kubeconfig)
	must(t, err)
	if result.Code != 0 {
		t.Fatalf("exit status %d: %s", result.Code, result.Stderr)
	}
	for kind, detail := range map[fact.Kind]string{fact.Nodes: "list nodes", fact.Secrets: "list secrets"} {
		if !slices.ContainsFunc(report.Gaps, func(g fact.Gap) bool {
			return g.What == kind && g.Reason == fact.Forbidden && strings.Contains(g.Detail, detail)
		}) {
			t.Errorf("no gap for %s says Forbidden and %q: %+v", kind, detail, report.Gaps)
		}
	}
	if !slices.ContainsFunc(report.Findings, func(f api.Finding) bool {
		return f.Check == "privileged/privileged-container" && f.Subject.Name == "clean" && f.Verdict == api.Pass
	}) {
		t.Error("what could be read was not judged")
	}
	result, err = cluster.Checklist(ctx, "--kubeconfig", kubeconfig, "--fail-on", "critical", "--check", "hosts/*", "-o", "name")
	must(t, err)
	if result.Code != 3 {
		t.Errorf("--fail-on with gaps: exit status %d, want 3", result.Code)
	}
}

// A user may read but not create pods. The run finds this before it creates anything,
// explains it, and suggests --no-probe.
func TestProbeRefused(t *testing.T) {
	ctx := testContext(t, 5*time.Minute)
	inNamespace(t, ctx)
	reader := kubeconfigOf(t, ctx, "reader", `[{apiGroups: ["", apps, batch, node.k8s.io], resources: ["*"], verbs: [get, list]}]`)
	_, err := cluster.Kubectl(ctx, "label", "namespace", faults.Namespace, "pod-security.kubernetes.io/enforce=restricted")
	must(t, err)
	for name, args := range map[string][]string{
		"rights":       {"nodes", "--kubeconfig", reader},
		"Pod Security": {"nodes", "--probe-namespace", faults.Namespace},
	} {
		report, result, err := cluster.Report(ctx, args...)
		must(t, err)
		if result.Code != 0 || report.Cluster.MeasuredNodes != 0 {
			t.Errorf("%s: exit status %d, %d nodes measured", name, result.Code, report.Cluster.MeasuredNodes)
		}
		want := fact.AdmissionDenied
		if name == "rights" {
			want = fact.Forbidden
		}
		explained := 0
		for _, g := range report.Gaps {
			if g.What != fact.Processes {
				continue
			}
			explained++
			if g.Reason != want || !strings.Contains(g.Hint, "--no-probe") {
				t.Errorf("%s: gap %+v, want reason %s and a hint that names --no-probe", name, g, want)
			}
		}
		if explained != 3 {
			t.Errorf("%s: %d gaps for processes, want one for each of the three nodes", name, explained)
		}
		noLeftovers(t, ctx)
	}
}

// None of 1,000 canary values in Secrets (and, as kubectl apply wrote them, in their
// annotations), and none of those in ConfigMaps, in variables and in the environment of a
// process, is in any output, log, facts file, termination message or error, in any format.
func TestCanaries(t *testing.T) {
	ctx := testContext(t, 8*time.Minute)
	inNamespace(t, ctx)
	must(t, faults.Encrypt(ctx, cluster, "identity"))
	canary := func(i int) string { return fmt.Sprintf("canary-%04d-6f1d9c", i) }
	var manifests strings.Builder
	for i := range 1000 {
		manifests.WriteString(faults.Secret(fmt.Sprintf("holder-%04d", i), canary(i)))
	}
	// Credentials in other places, each in a form that is looked for.
	fmt.Fprintf(&manifests, `apiVersion: v1
kind: ConfigMap
metadata: {name: holder-config, namespace: %[1]s}
data:
  app.properties: |
    db.password=%[2]s
    url=postgres://app:%[3]s@db/shop
  token: %[4]s
---
apiVersion: v1
kind: Pod
metadata: {name: holder-pod, namespace: %[1]s}
spec:
  containers:
  - name: app
    image: %[5]s
    imagePullPolicy: Never
    command: [sleep, "86400"]
    env:
    - {name: DB_PASSWORD, value: %[6]s}
    - {name: DATABASE_URL, value: "postgres://app:%[7]s@db/shop"}
    - {name: FROM_SECRET_TOKEN, valueFrom: {secretKeyRef: {name: holder-0001, key: password}}}
---
`, faults.Namespace, canary(1000), canary(1001), canary(1002), "docker.io/library/busybox:1.35", canary(1003), canary(1004))
	must(t, cluster.Apply(ctx, manifests.String()))
	_, err := cluster.Kubectl(ctx, "-n", faults.Namespace, "wait", "--for=condition=Ready", "pod/holder-pod", "--timeout=120s")
	must(t, err)
	// This collects what the probe itself says. Its pods are deleted at once, so a watch
	// collects messages and logs meanwhile.
	collected := filepath.Join(t.TempDir(), "pods.json")
	script := `kubectl get pods -A -l app.kubernetes.io/managed-by=kubectl-checklist -o json --watch --output-watch-events > ` + collected + ` & watcher=$!
	for i in $(seq 400); do for p in $(kubectl get pods -n kubectl-checklist -o name 2>/dev/null); do kubectl logs -n kubectl-checklist $p >> ` + collected + `.log 2>/dev/null; done; [ -e ` + collected + `.stop ] && break; sleep 0.3; done; kill $watcher`
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = cluster.Exec(ctx, nil, "bash", "-c", script)
	}()

	dir := t.TempDir()
	var outputs []byte
	for i, format := range []string{"table", "wide", "json", "yaml", "name", "jsonpath={}", "go-template={{.}}", "custom-columns=A:.message,B:.evidence,C:.subject"} {
		facts := filepath.Join(dir, fmt.Sprintf("facts-%d.json", i))
		result, err := cluster.Checklist(ctx, "secrets", "-o", format, "--save-facts", facts)
		must(t, err)
		if result.Code != 0 || len(result.Stdout) == 0 {
			t.Fatalf("-o %s: exit status %d, %d bytes: %s", format, result.Code, len(result.Stdout), result.Stderr)
		}
		saved, err := os.ReadFile(facts)
		must(t, err)
		outputs = slices.Concat(outputs, result.Stdout, result.Stderr, saved)
	}
	snapshot := filepath.Join(dir, "snapshot.db")
	_, err = cluster.Verb(ctx, nil, "etcd-snapshot", snapshot)
	must(t, err)
	data, err := os.ReadFile(snapshot)
	must(t, err)
	if !bytes.Contains(data, []byte(canary(500))) {
		t.Fatal("the snapshot does not hold the canaries, so this test would prove nothing")
	}
	// Broken in ways that make errors.
	for i, cut := range []int{len(data) / 2, len(data) - 512, 100, 4096*7 + 13} {
		broken := filepath.Join(dir, fmt.Sprintf("broken-%d.db", i))
		must(t, os.WriteFile(broken, data[:cut], 0o600))
		result, err := cluster.Checklist(ctx, "secrets", "--snapshot", broken, "-o", "json")
		must(t, err)
		outputs = slices.Concat(outputs, result.Stdout, result.Stderr)
	}
	must(t, os.WriteFile(collected+".stop", nil, 0o600))
	<-done
	for _, file := range []string{collected, collected + ".log"} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Logf("nothing collected in %s: %v", filepath.Base(file), err)
		}
		outputs = append(outputs, data...)
	}
	if !bytes.Contains(outputs, []byte("terminated")) {
		t.Error("no termination message of a probe was collected")
	}
	if n := bytes.Count(outputs, []byte("holder-0500")); n == 0 {
		t.Error("the outputs do not name the Secrets, so they prove nothing")
	}
	for _, want := range []string{"holder-config", "DB_PASSWORD", "DATABASE_URL", "FROM_SECRET_TOKEN", "secrets/in-last-applied"} {
		if !bytes.Contains(outputs, []byte(want)) {
			t.Errorf("the outputs do not name %s, so they prove nothing about it", want)
		}
	}
	leaked := 0
	for i := range 1005 {
		for _, form := range forms(canary(i)) {
			if bytes.Contains(outputs, form) {
				leaked++
				t.Errorf("the value of holder-%04d is in an output", i)
				break
			}
		}
		if leaked > 5 {
			t.Fatal("and more")
		}
	}
}

// forms returns a value as it is, and the part of its base64 that does not depend on its
// position.
func forms(value string) [][]byte {
	out := [][]byte{[]byte(value)}
	for shift := range 3 {
		encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + value))
		out = append(out, []byte(encoded[4:len(encoded)-4]))
	}
	return out
}
