//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
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

// Facts that were saved on the cluster and judged again without it give the same report,
// byte for byte, for every command.
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
		// The commands of a remediation have the flags of the run that prints them.
		remediation := regexp.MustCompile(`"remediation": ".*"`)
		said := func(report []byte) string { return string(remediation.ReplaceAll(report, nil)) }
		if diff := cmp.Diff(said(live.Stdout), said(offline(t, "--facts", facts, "-o", "json"))); diff != "" {
			t.Errorf("%v: report and replay differ (-live +replay):\n%s", command, diff)
		}
	}
}

// --local agrees package for package with what apt itself would upgrade on this
// machine.
func TestLocalUpdatesEqualApt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "facts.json")
	offline(t, "nodes", "--local", "--question", "hosts", "--save-facts", file)
	data, err := os.ReadFile(file)
	must(t, err)
	var facts api.ChecklistFacts
	must(t, json.Unmarshal(data, &facts))
	packages := facts.Facts.Nodes[0].Measured.Host.Packages
	if packages == nil {
		t.Fatalf("no packages were read: %+v", facts.Facts.Nodes[0].Measured.Gaps)
	}
	got := map[string]string{}
	for _, p := range packages.Pending {
		if !p.Held {
			got[p.Name] = p.Installed + " to " + p.Candidate
		}
	}
	out, err := exec.Command("apt-get", "-s", "-o", "Debug::NoLocking=1", "dist-upgrade").Output()
	must(t, err)
	want := map[string]string{}
	for _, line := range strings.Split(string(out), "\n") {
		// "Inst libc6 [2.36-9] (2.36-10 Debian:12/oldstable [amd64]) ..."; a new
		// package has no version in brackets before the parenthesis.
		words := strings.Fields(line)
		if len(words) > 3 && words[0] == "Inst" && strings.HasPrefix(words[2], "[") {
			want[words[1]] = strings.Trim(words[2], "[]") + " to " + strings.TrimPrefix(words[3], "(")
		}
	}
	if len(want) == 0 {
		t.Log("apt has nothing to upgrade here, so this test shows little")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("updates (-apt +ours):\n%s", diff)
	}
	t.Logf("%d updates", len(want))
}
