//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// openReportsKinds are what -o openreports writes.
const openReportsKinds = "reports.openreports.io,clusterreports.openreports.io"

// What -o openreports prints is applied by the real kubectl, against the CRDs of OpenReports itself.
// The API server keeps every result, the next run replaces them, and the documented
// label removes them.
func TestReportsAreApplied(t *testing.T) {
	ctx := testContext(t, 5*time.Minute)
	module, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/openreports/reports-api").Output()
	must(t, err)
	crds := filepath.Join(strings.TrimSpace(string(module)), "config", "crd")
	_, err = cluster.Kubectl(ctx, "apply", "-f", crds)
	must(t, err)
	t.Cleanup(func() {
		if _, err := cluster.Kubectl(context.WithoutCancel(ctx), "delete", "--timeout=60s", "-f", crds); err != nil {
			t.Error(err)
		}
	})
	_, err = cluster.Kubectl(ctx, "wait", "--for=condition=Established", "--timeout=60s", "-f", crds)
	must(t, err)

	facts := filepath.Join(t.TempDir(), "facts.json")
	report := reportOf(t, ctx, "--no-probe", "--save-facts", facts)
	want := map[string]int{}
	for i := range report.Findings {
		switch report.Findings[i].Verdict {
		case api.Fail:
			want["fail"]++
		case api.VerdictUnknown:
			want["error"]++
		}
	}
	if want["fail"] == 0 || want["error"] == 0 {
		t.Fatalf("a run without probes found %v, want some of each", want)
	}
	for _, verb := range []string{"created", "configured"} {
		printed, err := cluster.Checklist(ctx, "--facts", facts, "-o", "openreports")
		must(t, err)
		if printed.Code != 0 {
			t.Fatalf("exit status %d: %s", printed.Code, printed.Stderr)
		}
		said, err := cluster.Verb(ctx, bytes.NewReader(printed.Stdout), "kubectl", "apply", "--validate=strict", "-f", "-")
		must(t, err)
		if !strings.Contains(said, verb) && !strings.Contains(said, "unchanged") {
			t.Errorf("kubectl apply said %q, want %s", said, verb)
		}
		got := resultsOnCluster(t, ctx)
		for _, result := range []string{"fail", "error"} {
			if got[result] != want[result] {
				t.Errorf("after %q, the API server has %d results %s, the report has %d", verb, got[result], result, want[result])
			}
		}
	}
	_, err = cluster.Kubectl(ctx, "delete", openReportsKinds, "-A", "-l", "app.kubernetes.io/managed-by=kubectl-checklist")
	must(t, err)
	if left := resultsOnCluster(t, ctx); len(left) > 0 {
		t.Errorf("the label of docs/formats.md leaves %v", left)
	}
}

// resultsOnCluster counts the results that the API server has.
func resultsOnCluster(t *testing.T, ctx context.Context) map[string]int {
	t.Helper()
	out, err := cluster.Kubectl(ctx, "get", openReportsKinds, "-A", "-o", "json")
	must(t, err)
	var list struct {
		Items []struct {
			Results []struct {
				Result string `json:"result"`
			} `json:"results"`
		} `json:"items"`
	}
	must(t, json.Unmarshal([]byte(out), &list))
	counts := map[string]int{}
	for i := range list.Items {
		for _, r := range list.Items[i].Results {
			counts[r.Result]++
		}
	}
	return counts
}
