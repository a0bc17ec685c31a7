//go:build e2e

package e2e

import (
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

// transitChecks are those that judge connections.
var transitChecks = []string{
	"secrets/etcd-client-tls", "secrets/etcd-peer-tls", "secrets/apiserver-tls", "secrets/kubelet-tls", "secrets/component-tls",
	"secrets/certificate-expiry",
}

// transit judges the connections of every node, and waits until each listener could be
// measured: a component that was restarted is not there at once.
func transit(t *testing.T, ctx context.Context) *api.ChecklistReport {
	t.Helper()
	for attempt := 1; ; attempt++ {
		report := reportOf(t, ctx, "secrets", "--check", strings.Join(transitChecks, ","))
		open := ""
		for _, f := range report.Findings {
			if f.Verdict == api.VerdictUnknown {
				open = fmt.Sprintf("%s %s: %s %s", f.Check, f.Subject.Name, f.Reason, f.Message)
			}
		}
		if open == "" || attempt == 5 {
			if open != "" {
				t.Logf("still unknown: %s", open)
			}
			return report
		}
		time.Sleep(5 * time.Second)
	}
}

// failing are the failing findings of the transit checks as flip.want writes them.
func failing(report *api.ChecklistReport) []string {
	var out []string
	for _, f := range report.Findings {
		if f.Verdict == api.Fail {
			out = append(out, fmt.Sprintf("%s %s %s", f.Check, f.Subject.Name, f.Severity))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// added are the entries of now that are not in before.
func added(now, before []string) []string {
	return slices.DeleteFunc(slices.Clone(now), func(s string) bool { return slices.Contains(before, s) })
}

// onNode runs a command on a node.
func onNode(ctx context.Context, node string, args ...string) (string, error) {
	return cluster.Verb(ctx, nil, append([]string{"node-exec", node, "--"}, args...)...)
}

// put writes a file of a node. The old content comes back when the test ends.
func put(t *testing.T, ctx context.Context, node, path, text string, after func(ctx context.Context) error) {
	t.Helper()
	old, err := onNode(ctx, node, "cat", path)
	write := func(ctx context.Context, text string) error {
		if _, err := cluster.Verb(ctx, strings.NewReader(text), "node-put", node, "-", path); err != nil {
			return err
		}
		return after(ctx)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(ctx)
		if err != nil { // there was none
			_, _ = cluster.Verb(ctx, nil, "node-rm", node, path)
		} else if err := write(ctx, old); err != nil {
			t.Error(err)
		}
	})
	must(t, write(ctx, text))
}

// pidOf is the pid, inside the node, of the program whose command line starts with a word.
func pidOf(ctx context.Context, node, program string) string {
	out, _ := onNode(ctx, node, "pgrep", "-o", "-f", "^(/usr/bin/)?"+program+" ")
	return strings.TrimSpace(out)
}

// kubelet changes a kubelet's configuration and waits until it runs again.
func kubelet(t *testing.T, ctx context.Context, node string, edit func(config string) string) {
	t.Helper()
	const path = "/var/lib/kubelet/config.yaml"
	config, err := onNode(ctx, node, "cat", path)
	must(t, err)
	edited := edit(config)
	if edited == config {
		t.Fatalf("the change of %s changed nothing", path)
	}
	put(t, ctx, node, path, edited, func(ctx context.Context) error {
		before := pidOf(ctx, node, "kubelet")
		if _, err := onNode(ctx, node, "kill", before); err != nil {
			return err
		}
		err := harness.Wait(ctx, "the kubelet to run again", waiting, func() error {
			if now := pidOf(ctx, node, "kubelet"); now == "" || now == before {
				return fmt.Errorf("pid %q, before %q", now, before)
			}
			_, err := cluster.Kubectl(ctx, "get", "--raw", "/api/v1/nodes/"+node+"/proxy/healthz")
			return err
		})
		if err == nil {
			_, err = cluster.Verb(ctx, nil, "settle")
		}
		return err
	})
}

// On the cluster as kubeadm makes it, every listener that counts is measured. Then one
// kubelet is made weak, and exactly that is found.
func TestTransit(t *testing.T) {
	ctx := testContext(t, 12*time.Minute)
	before := transit(t, ctx)
	judged := map[string]bool{}
	for _, f := range before.Findings {
		if f.Verdict == api.VerdictUnknown {
			t.Errorf("%s %s: unknown: %s %s", f.Check, f.Subject.Name, f.Reason, f.Message)
		}
		if len(f.Evidence) == 0 {
			t.Errorf("%s %s: no evidence", f.Check, f.Subject.Name)
		}
		judged[f.Check+" "+f.Subject.Name] = true
	}
	for _, want := range []string{
		"secrets/etcd-client-tls cp1", "secrets/etcd-peer-tls cp1", "secrets/apiserver-tls cp1", "secrets/component-tls cp1",
		"secrets/kubelet-tls cp1", "secrets/kubelet-tls w1", "secrets/kubelet-tls w2", "secrets/certificate-expiry cp1",
	} {
		if !judged[want] {
			t.Errorf("no finding %s", want)
		}
	}
	t.Logf("as kubeadm makes it: %q", failing(before))
	for _, f := range before.Findings {
		if f.Verdict == api.Fail && f.Severity != api.Low {
			t.Errorf("%s %s: %s %s", f.Check, f.Subject.Name, f.Severity, f.Message)
		}
	}

	// make transit does the same with every component, one by one.
	kubelet(t, ctx, harness.Worker, func(config string) string { return config + "\ntlsMinVersion: VersionTLS10\n" })
	want := []string{"secrets/kubelet-tls w1 medium"}
	if diff := cmp.Diff(want, added(failing(transit(t, ctx)), failing(before))); diff != "" {
		t.Errorf("findings that the change added (-want +got):\n%s", diff)
	}
}

// A run with only level full says nothing about connections, and creates no pod of level
// net. One with only level net creates no other.
func TestTransitLevels(t *testing.T) {
	ctx := testContext(t, 5*time.Minute)
	report := reportOf(t, ctx, "secrets", "--probe-level", "full", "--check", "secrets/kubelet-tls")
	for _, f := range report.Findings {
		if f.Verdict == api.Pass || f.Verdict == api.Fail && f.Basis == api.Measured && strings.Contains(f.Message, "TLS 1.0 accepted") {
			t.Errorf("without level net: %s %s: %s", f.Subject.Name, f.Verdict, f.Message)
		}
	}
	if !slices.ContainsFunc(report.Gaps, func(g fact.Gap) bool { return g.What == fact.NodeTLS && g.Reason == fact.NotRequested }) {
		t.Errorf("no gap says that level net was not asked for: %+v", report.Gaps)
	}
	noLeftovers(t, ctx)
}
