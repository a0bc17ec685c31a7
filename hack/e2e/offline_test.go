//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/hack/faults"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// offline runs the plugin outside the cluster's network and without a kubeconfig.
func offline(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(cluster.Plugin, args...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + t.TempDir()}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("kubectl checklist %v: %v: %s", args, err, stderr.Bytes())
	}
	return out
}

func offlineReport(t *testing.T, args ...string) *api.ChecklistReport {
	t.Helper()
	var report api.ChecklistReport
	must(t, json.Unmarshal(offline(t, append(args, "-o", "json")...), &report))
	return &report
}

// Facts saved on the cluster and judged again without it give the same report,
// for every command and byte for byte.
func TestFactsReplay(t *testing.T) {
	ctx := testContext(t, 5*time.Minute)
	inNamespace(t, ctx)
	for _, command := range [][]string{
		{}, {"nodes"}, {"secrets"}, {"pods", "-n", faults.Namespace, "--measure"}, {"nodes", "--question", "hosts"},
	} {
		facts := filepath.Join(t.TempDir(), "facts.json")
		live, err := cluster.Checklist(ctx, append(command, "--save-facts", facts, "-o", "json")...)
		must(t, err)
		if live.Code != 0 {
			t.Fatalf("%v: exit status %d: %s", command, live.Code, live.Stderr)
		}
		if diff := cmp.Diff(string(live.Stdout), string(offline(t, "--facts", facts, "-o", "json"))); diff != "" {
			t.Errorf("%v: report and replay differ (-live +replay):\n%s", command, diff)
		}
	}
}
