//go:build e2e

// Package e2e runs the plugin against the real cluster of hack/cluster: real
// etcd, API server, kubelets, containerd and runc. Nothing here is a mock.
package e2e

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/hack/faults"
	"github.com/kubectl-checklist/kubectl-checklist/hack/harness"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

var cluster *harness.Cluster

// waiting ends what hangs and nothing else: a cluster has no clock but the
// machine's, and goes as fast as it can.
const waiting = 3 * time.Minute

func TestMain(m *testing.M) {
	var err error
	if cluster, err = harness.New(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	if _, err := cluster.Verb(context.Background(), nil, "status"); err != nil {
		fmt.Fprintln(os.Stderr, "e2e: the cluster is not up (make e2e starts it):", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// testContext bounds one test, so that a hang affects only that test.
func testContext(t *testing.T, timeout time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// reportOf runs the plugin, which must succeed, and returns its report. Tests restart the
// API server, and its clients (kubelets, the controller manager) come back one by one. If
// a node could not be probed yet, reportOf logs that and tries again.
func reportOf(t *testing.T, ctx context.Context, args ...string) *api.ChecklistReport {
	t.Helper()
	for attempt := 1; ; attempt++ {
		if i := slices.Index(args, "--write-patches"); i >= 0 && attempt > 1 {
			must(t, os.RemoveAll(args[i+1])) // it is written only once
		}
		report, result, err := cluster.Report(ctx, args...)
		must(t, err)
		if result.Code != 0 {
			t.Fatalf("kubectl checklist %v: exit status %d: %s", args, result.Code, result.Stderr)
		}
		i := slices.IndexFunc(report.Gaps, func(g fact.Gap) bool {
			return g.Subject.Kind == "Node" && !slices.Contains([]fact.Reason{fact.NotRequested, fact.NotPresent, fact.Unsupported}, g.Reason)
		})
		if i < 0 || attempt == 4 {
			return report
		}
		t.Logf("kubectl checklist %v: %s: %s: %s", args, report.Gaps[i].Subject.Name, report.Gaps[i].Reason, report.Gaps[i].Detail)
		time.Sleep(10 * time.Second)
	}
}

// encrypted switches encryption on for the test and rewrites every Secret.
func encrypted(t *testing.T, ctx context.Context) {
	t.Helper()
	must(t, faults.Encrypt(ctx, cluster, "aescbc"))
	must(t, faults.RewriteSecrets(ctx, cluster))
}

// inNamespace makes the faults' namespace for the test.
func inNamespace(t *testing.T, ctx context.Context) {
	t.Helper()
	must(t, faults.DeleteNamespace(ctx, cluster))
	must(t, faults.CreateNamespace(ctx, cluster))
	t.Cleanup(func() {
		if err := faults.DeleteNamespace(context.WithoutCancel(ctx), cluster); err != nil {
			t.Error(err)
		}
	})
}

// ours lists objects of these kinds that a run of ours created.
func ours(t *testing.T, ctx context.Context, kinds string) string {
	t.Helper()
	out, err := cluster.Kubectl(ctx, "get", kinds, "-A", "-l", "app.kubernetes.io/managed-by=kubectl-checklist", "-o", "name")
	must(t, err)
	return out
}

// noLeftovers fails if anything of ours is on the cluster. The cluster takes a moment to
// delete a namespace.
func noLeftovers(t *testing.T, ctx context.Context) {
	t.Helper()
	if out := ours(t, ctx, "pods,jobs,configmaps"); out != "" {
		t.Errorf("left on the cluster:\n%s", out)
	}
	err := harness.Wait(ctx, "the namespace to be gone", waiting, func() error {
		if out := ours(t, ctx, "namespaces"); out != "" {
			return fmt.Errorf("left on the cluster: %s", out)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// With one fault planted for each question, exactly those are found. After they are
// removed, the same run no longer finds them.
func TestFaults(t *testing.T) {
	ctx := testContext(t, 20*time.Minute)
	encrypted(t, ctx)
	inNamespace(t, ctx)
	baseline := reportOf(t, ctx)
	if baseline.Cluster.MeasuredNodes != 3 {
		t.Fatalf("measured %d nodes of 3; gaps: %+v", baseline.Cluster.MeasuredNodes, baseline.Gaps)
	}

	want := map[string]bool{}
	for _, f := range faults.All() {
		t.Logf("planting for %s: %s", f.Question, f.Title)
		must(t, f.Plant(ctx, cluster))
		if f.Remove != nil {
			t.Cleanup(func() { _ = f.Remove(context.WithoutCancel(ctx), cluster) })
		}
		for _, fingerprint := range f.Expect {
			want[fingerprint] = true
		}
	}
	faulty := reportOf(t, ctx)
	got := map[string]bool{}
	for fingerprint, finding := range harness.Failing(faulty, baseline) {
		// Every image of the tests has a tag and no digest. That is a finding of low
		// severity, also for the clean pod.
		if finding.Severity == api.Low && finding.Check == "immutable/mutable-image" {
			continue
		}
		// Planting restarts the API server. Until the status of its mirror pod is
		// updated, only the pod of the new container is known.
		if finding.Subject.Name == "kube-apiserver-"+harness.ControlPlane && finding.Subject.Container == "" {
			continue
		}
		got[fingerprint] = true
		if len(finding.Evidence) == 0 {
			t.Errorf("%s: no evidence", fingerprint)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings that the faults added (-want +got):\n%s", diff)
	}
	for _, answer := range faulty.Answers {
		if answer.Answer != api.No {
			t.Errorf("question %s with a fault planted: answer %q, want no", answer.Question, answer.Answer)
		}
	}

	for _, f := range faults.All() {
		if f.Remove != nil {
			must(t, f.Remove(ctx, cluster))
		}
	}
	must(t, faults.DeleteNamespace(ctx, cluster))
	must(t, faults.CreateNamespace(ctx, cluster))
	after := reportOf(t, ctx)
	left := harness.Failing(after, baseline)
	for fingerprint := range left {
		if !want[fingerprint] {
			delete(left, fingerprint) // not one of our faults
		}
	}
	if len(left) > 0 {
		t.Errorf("still found after the faults were removed: %+v", left)
	}
	noLeftovers(t, ctx)
}

// The clean pod passes every check that was measured on it. The answer is yes only if
// every part of a question was covered, on the whole cluster. Today only the first
// question can get it.
func TestCleanSubjects(t *testing.T) {
	ctx := testContext(t, 5*time.Minute)
	encrypted(t, ctx)
	inNamespace(t, ctx)

	narrowed := reportOf(t, ctx, "pods", "-n", faults.Namespace, "--measure")
	for _, f := range narrowed.Findings {
		// Its namespace has no label of Pod Security, and what the API server does then is not
		// known.
		if f.Verdict != api.Pass && f.Severity != api.Low && f.Subject.Kind != fact.SubjectNamespace {
			t.Errorf("clean pod: %s is %s: %s", f.Check, f.Verdict, f.Message)
		}
	}
	for _, a := range narrowed.Answers {
		if a.Answer != api.Unknown || a.Measured == 0 {
			t.Errorf("clean pod, one namespace: %s is %q (%s) with %d measured, want unknown and some", a.Question, a.Answer, a.Reason, a.Measured)
		}
		if want := "NotRequested: only namespace " + faults.Namespace + "; nothing found there"; a.Reason != want {
			t.Errorf("clean pod, one namespace: %s: reason %q, want %q", a.Question, a.Reason, want)
		}
	}
	for _, a := range reportOf(t, ctx, "pods", "-n", faults.Namespace).Answers {
		if a.Answer == api.Yes {
			t.Errorf("clean pod, declared only: %s is yes", a.Question)
		}
	}

	whole := reportOf(t, ctx)
	for _, a := range whole.Answers {
		if a.Question == api.Builds && a.Answer != api.Yes {
			t.Errorf("nothing builds here, all of it was measured: %s is %q (%s), want yes; findings %+v", a.Question, a.Answer, a.Reason, harness.Failing(whole, nil))
		}
		if a.Question != api.Builds && a.Answer == api.Yes {
			t.Errorf("%s is yes, although this version does not have all its checks", a.Question)
		}
		for _, p := range a.Parts {
			if p.Answer == api.Unknown && p.Reason == "" {
				t.Errorf("%s, part %s is unknown without a reason", a.Question, p.Part)
			}
		}
	}

	must(t, createSecret(ctx, "clean"))
	secrets := reportOf(t, ctx, "secrets")
	checked := map[string]int{}
	for _, f := range secrets.Findings {
		checked[f.Check]++
		want := api.Pass
		switch f.Check {
		case "secrets/weak-provider": // the cluster encrypts by aescbc
			want = api.Fail
		case "secrets/apiserver-tls", "secrets/kubelet-tls": // low, on every cluster that kubeadm makes: kubelets sign for themselves
			want = api.Fail
		case "secrets/external-store": // low: there is none
			want = api.Fail
		case "secrets/plaintext-history", "secrets/plaintext-residue", "secrets/plaintext-backup":
			continue // other tests have written plaintext before
		}
		if f.Verdict != want || want == api.Fail && f.Check != "secrets/weak-provider" && f.Severity != api.Low {
			t.Errorf("every Secret encrypted: %s %s is %s %s: %s", f.Check, f.Subject.Name, f.Verdict, f.Severity, f.Message)
		}
	}
	for _, check := range []string{
		encryptedAtRest, "secrets/encryption-config", "secrets/weak-provider", "secrets/stale-key", "secrets/etcd-file-permissions",
		"secrets/key-file-permissions", "secrets/plaintext-history", "secrets/plaintext-residue", "secrets/plaintext-backup",
	} {
		if checked[check] < 1 {
			t.Errorf("no finding of %s; findings by check: %v", check, checked)
		}
	}
	for _, p := range secrets.Answers[0].Parts {
		if p.Part == "stored" && p.Answer != api.Yes && p.Answer != api.Unknown {
			t.Errorf("part %s: %q, want no fault", p.Part, p.Answer)
		}
		if (p.Part == "transit" || p.Part == "pods") && p.Answer != api.Yes {
			t.Errorf("part %s: %q (%s), want yes", p.Part, p.Answer, p.Reason)
		}
	}
}

// createSecret makes a Secret as kubectl create does: without the annotation that apply
// writes.
func createSecret(ctx context.Context, name string) error {
	_, err := cluster.Verb(ctx, strings.NewReader(faults.Secret(name, "a value that is encrypted")), "kubectl", "create", "-f", "-")
	return err
}

// If the node that runs etcd has no role label, no node may answer for etcd, not even that
// one. If the user names the node, it may.
func TestAnUnlabelledControlPlane(t *testing.T) {
	ctx := testContext(t, 5*time.Minute)
	encrypted(t, ctx)
	inNamespace(t, ctx)
	must(t, createSecret(ctx, "clean"))
	const label = "node-role.kubernetes.io/control-plane"
	_, err := cluster.Kubectl(ctx, "label", "node", harness.ControlPlane, label+"-")
	must(t, err)
	t.Cleanup(func() {
		if _, err := cluster.Kubectl(context.WithoutCancel(ctx), "label", "node", harness.ControlPlane, label+"="); err != nil {
			t.Error(err)
		}
	})
	report := reportOf(t, ctx, "secrets")
	for _, f := range report.Findings {
		ofStorage := []string{
			encryptedAtRest, "secrets/stale-key", "secrets/etcd-file-permissions", "secrets/plaintext-history", "secrets/plaintext-residue",
			"secrets/audit-log", "secrets/encryption-config", "secrets/weak-provider", "secrets/key-file-permissions",
			"secrets/etcd-client-tls", "secrets/etcd-peer-tls", "secrets/apiserver-tls",
		}
		if !slices.Contains(ofStorage, f.Check) {
			continue // any node says what lies on itself, and the API what it lists
		}
		if f.Verdict == api.Pass || f.Subject.Kind == "Secret" {
			t.Errorf("without a witness: %s %s is %s: %s", f.Check, f.Subject.Name, f.Verdict, f.Message)
		}
	}
	if !slices.ContainsFunc(report.Gaps, func(g fact.Gap) bool {
		return g.What == fact.Etcd && strings.Contains(g.Hint, "--control-plane-node")
	}) {
		t.Errorf("no gap names the flag: %+v", report.Gaps)
	}
	named := reportOf(t, ctx, "secrets", "--control-plane-node", harness.ControlPlane)
	if !slices.ContainsFunc(named.Findings, func(f api.Finding) bool { return f.Check == encryptedAtRest && f.Verdict == api.Pass }) {
		t.Errorf("with --control-plane-node: no Secret passes; findings %+v, gaps %+v", named.Findings, named.Gaps)
	}
	if result, err := cluster.Checklist(ctx, "secrets", "--control-plane-node", "nosuch"); err != nil || result.Code != 2 || len(result.Stdout) > 0 {
		t.Errorf("a node that does not exist: exit status %d, %s, error %v", result.Code, result.Stderr, err)
	}
}
