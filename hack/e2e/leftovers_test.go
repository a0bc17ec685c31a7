//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/hack/faults"
	"github.com/kubectl-checklist/kubectl-checklist/hack/harness"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// runUntilPods starts the plugin and returns when its first pod exists. It returns the
// plugin's own process (the harness execs it).
func runUntilPods(t *testing.T, ctx context.Context, args ...string) (*exec.Cmd, *os.Process) {
	t.Helper()
	cmd, output, err := cluster.Start(ctx, args...)
	must(t, err)
	t.Cleanup(func() { _ = cmd.Wait() })
	must(t, harness.Wait(ctx, "a probe pod", waiting, func() error {
		out, err := cluster.Kubectl(ctx, "get", "pods", "-A", "-l", "app.kubernetes.io/managed-by=kubectl-checklist", "-o", "name")
		if err == nil && out == "" {
			err = os.ErrNotExist
		}
		return err
	}))
	process, err := pluginProcess(cmd.Process.Pid)
	if err != nil {
		t.Fatalf("%v; output so far: %s", err, output)
	}
	return cmd, process
}

// pluginProcess finds the plugin among the harness's descendants.
func pluginProcess(root int) (*os.Process, error) {
	children := map[int][]int{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	names := map[int]string{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		if err != nil {
			continue
		}
		text := string(stat)
		end := strings.LastIndexByte(text, ')')
		fields := strings.Fields(text[end+1:])
		parent, _ := strconv.Atoi(fields[1])
		children[parent] = append(children[parent], pid)
		cmdline, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		names[pid] = string(cmdline)
	}
	queue := []int{root}
	for len(queue) > 0 {
		pid := queue[0]
		queue = append(queue[1:], children[pid]...)
		argv := strings.Split(names[pid], "\x00")
		if argv[0] == cluster.Plugin && !slices.Contains(argv, "guard") {
			return os.FindProcess(pid)
		}
	}
	return nil, os.ErrNotExist
}

// Ctrl-C in the middle leaves no pod, no namespace, no job.
func TestInterrupt(t *testing.T) {
	ctx := testContext(t, 10*time.Minute)
	file := filepath.Join(t.TempDir(), "report.json")
	cmd, process := runUntilPods(t, ctx, "nodes", "--output-file", "json="+file)
	must(t, process.Signal(syscall.SIGINT))
	_ = cmd.Wait()
	noLeftovers(t, ctx)
	// The report has what was known by then, and Interrupted for the rest.
	data, err := os.ReadFile(file)
	must(t, err)
	var report api.ChecklistReport
	must(t, json.Unmarshal(data, &report))
	if !slices.ContainsFunc(report.Gaps, func(g fact.Gap) bool { return g.Reason == fact.Interrupted }) {
		t.Errorf("no gap says that the run was interrupted: %+v", report.Gaps)
	}
}

// SIGKILL leaves nothing, not even the namespace: the second process of the plugin cleans
// up. TestE2EKilled in pkg/launch shows that the cluster also cleans up without it.
func TestKill(t *testing.T) {
	ctx := testContext(t, 10*time.Minute)
	cmd, process := runUntilPods(t, ctx, "nodes", "--probe-timeout", "15s")
	must(t, process.Kill())
	_ = cmd.Wait()
	must(t, harness.Wait(ctx, "everything to be gone", waiting, func() error {
		out, err := cluster.Kubectl(ctx, "get", "pods,jobs,configmaps,namespaces", "-A", "-l", "app.kubernetes.io/managed-by=kubectl-checklist", "-o", "name")
		if err == nil && out != "" {
			return os.ErrExist
		}
		return err
	}))
}

// A namespace that existed before stays, and so does what is in it.
func TestExistingNamespaceStays(t *testing.T) {
	ctx := testContext(t, 10*time.Minute)
	inNamespace(t, ctx)
	_, err := cluster.Kubectl(ctx, "label", "namespace", faults.Namespace, "pod-security.kubernetes.io/enforce=privileged")
	must(t, err)
	reportOf(t, ctx, "nodes", "--probe-namespace", faults.Namespace)
	out, err := cluster.Kubectl(ctx, "-n", faults.Namespace, "get", "pods", "-o", "name")
	must(t, err)
	if strings.TrimSpace(out) != "pod/clean" {
		t.Errorf("pods in the namespace afterwards: %q, want the clean one alone", out)
	}
	noLeftovers(t, ctx)
}

// One node is killed during a run. The findings of the other nodes are complete, and its gap
// says why.
func TestNodeLost(t *testing.T) {
	ctx := testContext(t, 8*time.Minute)
	t.Cleanup(func() {
		if _, err := cluster.Verb(context.WithoutCancel(ctx), nil, "start-node", harness.OtherWorker); err != nil {
			t.Error(err)
		}
	})
	file := filepath.Join(t.TempDir(), "report.json")
	cmd, _, err := cluster.Start(ctx, "nodes", "--probe-timeout", "60s", "--output-file", "json="+file)
	must(t, err)
	_, err = cluster.Verb(ctx, nil, "stop-node", harness.OtherWorker)
	must(t, err)
	// That it ends is shown by the test's own deadline; that it keeps to its timeout,
	// with a clock of its own, in pkg/launch.
	_ = cmd.Wait()
	data, err := os.ReadFile(file)
	must(t, err)
	var report api.ChecklistReport
	must(t, json.Unmarshal(data, &report))
	if report.Cluster.MeasuredNodes != 2 {
		t.Errorf("measured %d nodes, want the two that are left", report.Cluster.MeasuredNodes)
	}
	gaps := 0
	for _, gap := range report.Gaps {
		if gap.Subject.Kind == "Node" && gap.Subject.Name == harness.OtherWorker {
			gaps++
			if !slices.Contains([]fact.Reason{fact.Timeout, fact.NotReady, fact.ProbeFailed}, gap.Reason) || gap.Detail == "" {
				t.Errorf("gap of the lost node: %+v, want a reason and a detail", gap)
			}
		}
	}
	if gaps == 0 {
		t.Error("no gap for the lost node")
	}
	for _, node := range []string{harness.ControlPlane, harness.Worker} {
		if !slices.ContainsFunc(report.Findings, func(f api.Finding) bool {
			return f.Subject.Name == node && f.Check == "hosts/pending-security-updates" && f.Verdict != api.VerdictUnknown
		}) {
			t.Errorf("no verdict on the updates of %s", node)
		}
	}
}
