//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/hack/harness"
	"github.com/kubectl-checklist/kubectl-checklist/hack/loop"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// The commands for a node install its pending updates, in the node's own root. The second round is
// for what the first one's new index names. That the node runs its newest kernel stays unknown: no
// kernel package is installed here.
func TestLoopHosts(t *testing.T) {
	if os.Getenv("KUBECTL_CHECKLIST_ARCHIVE") == "" {
		t.Skip("set KUBECTL_CHECKLIST_ARCHIVE=1: it installs updates from the distribution's archive (network)")
	}
	ctx := testContext(t, 20*time.Minute)
	pid, err := cluster.Verb(ctx, nil, "node-pid", harness.Worker)
	must(t, err)
	pending := func(report *api.ChecklistReport) (verdict api.Verdict, message string) {
		for _, f := range report.Findings {
			if f.Check == "hosts/pending-security-updates" && f.Subject.Name == harness.Worker {
				return f.Verdict, f.Message
			}
		}
		return "", "no finding"
	}
	for round := 1; ; round++ {
		dir := filepath.Join(t.TempDir(), fmt.Sprint(round))
		report := reportOf(t, ctx, "--question", "hosts", "--write-patches", dir)
		verdict, message := pending(report)
		t.Logf("round %d: %s: %s", round, verdict, message)
		if verdict == api.Pass {
			for _, a := range report.Answers {
				for _, p := range a.Parts {
					if a.Question == api.Hosts && p.Part == "running" && (p.Answer != api.Unknown || !strings.HasPrefix(p.Reason, string(fact.NotPresent))) {
						t.Errorf("part running: %s (%s), want unknown: no kernel is installed here", p.Answer, p.Reason)
					}
				}
			}
			return
		}
		if round == 4 {
			t.Fatal("updates are still pending")
		}
		steps, err := loop.Steps(filepath.Join(dir, "commands", "nodes", harness.Worker+".sh"))
		must(t, err)
		installed := false
		for _, s := range steps {
			if !strings.Contains(s.Script, "apt-get install") {
				continue
			}
			installed = true
			// The node's root and processes, and the machine's network: the cluster's has no way out.
			cmd := exec.CommandContext(ctx, "nsenter", "--target", strings.TrimSpace(pid), "--mount", "--pid", "--uts", "--",
				"env", "DEBIAN_FRONTEND=noninteractive", "sh", "-euc", s.Script)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out[max(0, len(out)-3000):])
			}
		}
		if !installed {
			t.Fatal("no step installs updates")
		}
	}
}
