//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/hack/harness"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// The grants that manifests prints are all that a user needs for a whole run. Such a run
// reads and measures the same as the administrator's own.
func TestGrants(t *testing.T) {
	ctx := testContext(t, 15*time.Minute)
	gaps := func(report *api.ChecklistReport) []string {
		var found []string
		for _, g := range report.Gaps {
			found = append(found, fmt.Sprint(g.What, " ", g.Subject.Name, " ", g.Reason))
		}
		slices.Sort(found)
		return slices.Compact(found)
	}
	admin := reportOf(t, ctx)
	const user = "oidc:auditor"
	for name, tc := range map[string]struct {
		flags []string
		stays bool
	}{
		"in a namespace that is granted": {nil, true},
		"in a namespace of the run":      {[]string{"--create-namespace"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			before, result, err := cluster.Report(ctx, "--as", user)
			must(t, err)
			read := slices.ContainsFunc(before.Findings, func(f api.Finding) bool { return f.Verdict != api.VerdictUnknown })
			if result.Code != 0 || before.Cluster.MeasuredNodes != 0 || read {
				t.Fatalf("without grants: exit status %d, %d nodes measured, findings %+v", result.Code, before.Cluster.MeasuredNodes, before.Findings)
			}
			// Printing them needs no cluster: here the plugin runs outside its network.
			printed, err := cluster.Exec(ctx, []string{"KUBECONFIG="}, append([]string{
				"env", "-u", "KUBECONFIG", "HOME=/nonexistent", cluster.Plugin, "manifests", "--only", "grants", "--bind", "user:" + user,
			}, tc.flags...)...)
			must(t, err)
			if printed.Code != 0 || len(printed.Stderr) > 0 {
				t.Fatalf("exit status %d: %s", printed.Code, printed.Stderr)
			}
			kubectl := func(ctx context.Context, args ...string) string {
				t.Helper()
				out, err := cluster.Verb(ctx, bytes.NewReader(printed.Stdout), append([]string{"kubectl"}, args...)...)
				must(t, err)
				return out
			}
			noLeftovers(t, ctx) // the namespace of the run before is being deleted
			kubectl(ctx, "apply", "--dry-run=client", "--validate=strict", "-f", "-")
			t.Cleanup(func() {
				_, _ = cluster.Verb(context.WithoutCancel(ctx), bytes.NewReader(printed.Stdout), "kubectl", "delete", "--ignore-not-found", "-f", "-")
			})
			t.Log(kubectl(ctx, "apply", "--validate=strict", "-f", "-"))

			report := reportOf(t, ctx, "--as", user)
			if report.Cluster.MeasuredNodes != 3 {
				t.Errorf("measured %d nodes of 3", report.Cluster.MeasuredNodes)
			}
			if diff := cmp.Diff(gaps(admin), gaps(report)); diff != "" {
				t.Errorf("gaps of the administrator's run and of the user's (-admin +user):\n%s", diff)
			}
			if i := slices.IndexFunc(report.Gaps, func(g fact.Gap) bool { return g.Reason == fact.Forbidden }); i >= 0 {
				t.Errorf("refused: %+v", report.Gaps[i])
			}
			if diff := cmp.Diff(answersOf(admin), answersOf(report)); diff != "" {
				t.Errorf("answers (-admin +user):\n%s", diff)
			}
			for _, kind := range []string{"pods", "jobs", "configmaps"} {
				if out := ours(t, ctx, kind); out != "" {
					t.Errorf("left on the cluster: %s", out)
				}
			}
			if tc.stays {
				if out := ours(t, ctx, "namespaces"); strings.TrimSpace(out) != "namespace/kubectl-checklist" {
					t.Errorf("namespaces %q, expected the one that was granted", out)
				}
				kubectl(ctx, "delete", "-f", "-")
			}
			noLeftovers(t, ctx)
		})
	}
}

// answersOf returns the answers of a report, part by part.
func answersOf(report *api.ChecklistReport) map[string]api.AnswerWord {
	answers := map[string]api.AnswerWord{}
	for _, a := range report.Answers {
		for _, p := range a.Parts {
			answers[string(a.Question)+" "+p.Part] = p.Answer
		}
	}
	return answers
}

// If manifests can reach the cluster, it names the nodes and the images that they hold.
func TestManifestsOfTheCluster(t *testing.T) {
	ctx := testContext(t, time.Minute)
	result, err := cluster.Checklist(ctx, "manifests", "--only", "run")
	must(t, err)
	if result.Code != 0 || len(result.Stderr) > 0 {
		t.Fatalf("exit status %d: %s", result.Code, result.Stderr)
	}
	for _, node := range []string{harness.ControlPlane, harness.Worker, harness.OtherWorker} {
		if !bytes.Contains(result.Stdout, []byte("nodeName: "+node+"\n")) {
			t.Errorf("no pod for node %s", node)
		}
	}
	if n := bytes.Count(result.Stdout, []byte("image: registry.k8s.io/pause:3.10\n")); n != 7 { // two pods on each node, and the job's
		t.Errorf("%d images are the pause that the nodes hold, want 7", n)
	}
}
