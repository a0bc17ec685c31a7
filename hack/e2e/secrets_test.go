//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/hack/faults"
	"github.com/kubectl-checklist/kubectl-checklist/hack/harness"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

const encryptedAtRest = "secrets/encrypted-at-rest"

// 40 Secrets are written in plaintext, encryption is switched on, and 40 more are written.
// Exactly the first 40 are reported. After all are rewritten, none is. etcdctl agrees on
// every Secret, and a snapshot gives the same findings without a cluster.
func TestSecretsAtRest(t *testing.T) {
	ctx := testContext(t, 10*time.Minute)
	encrypted(t, ctx)
	inNamespace(t, ctx)
	must(t, faults.Encrypt(ctx, cluster, "identity"))
	var first, second []string
	write := func(prefix string) (names []string) {
		var manifests strings.Builder
		for i := range 40 {
			name := fmt.Sprintf("%s-%02d", prefix, i)
			names = append(names, name)
			manifests.WriteString(faults.Secret(name, "value of "+name))
		}
		must(t, cluster.Apply(ctx, manifests.String()))
		return names
	}
	first = write("plain")
	must(t, faults.Encrypt(ctx, cluster, "aescbc"))
	second = write("encrypted")

	check := func(wantPlain []string) {
		t.Helper()
		var report *api.ChecklistReport
		verdicts := map[string]api.Verdict{}
		// The API server was killed a moment ago. Until its caches and clients are
		// back, a report may be about no Secret.
		for attempt := 1; attempt <= 4 && len(verdicts) == 0; attempt++ {
			if attempt > 1 {
				t.Logf("no Secret of the namespace in the report: listed %v, gaps %+v, findings %+v", report.Cluster.Secrets, report.Gaps, report.Findings)
				time.Sleep(10 * time.Second)
			}
			report = reportOf(t, ctx, "secrets", "-n", faults.Namespace, "--check", encryptedAtRest)
			for _, f := range report.Findings {
				if f.Subject.Namespace == faults.Namespace {
					verdicts[f.Subject.Name] = f.Verdict
				}
			}
		}
		for _, name := range slices.Concat(first, second) {
			want := api.Pass
			if slices.Contains(wantPlain, name) {
				want = api.Fail
			}
			if verdicts[name] != want {
				t.Errorf("secret %s: verdict %q, want %q", name, verdicts[name], want)
			}
			if plain := plaintextByEtcdctl(t, name); plain != (verdicts[name] == api.Fail) {
				t.Errorf("secret %s: etcdctl says plaintext %t, verdict %q", name, plain, verdicts[name])
			}
		}
		if len(verdicts) != len(first)+len(second) {
			t.Errorf("findings for %d Secrets of the namespace, want %d; gaps %+v; findings %+v", len(verdicts), len(first)+len(second), report.Gaps, report.Findings[:min(3, len(report.Findings))])
		}
	}
	check(first)

	// A snapshot, judged without a cluster, gives the same findings, byte for byte, except
	// for the place where the bytes were read.
	snapshot := filepath.Join(t.TempDir(), "snapshot.db")
	_, err := cluster.Verb(ctx, nil, "etcd-snapshot", snapshot)
	must(t, err)
	before, err := os.ReadFile(snapshot)
	must(t, err)
	live := atRest(reportOf(t, ctx, "secrets", "--check", encryptedAtRest), "node/"+harness.ControlPlane+" /var/lib/etcd/member/snap/db ")
	offline := atRest(offlineReport(t, "secrets", "--snapshot", snapshot, "--check", encryptedAtRest), snapshot+" ")
	if diff := cmp.Diff(live, offline); diff != "" {
		t.Errorf("findings of the live database and of its snapshot differ (-live +snapshot):\n%s", diff)
	}
	if !strings.Contains(live, "plain-00") {
		t.Error("the findings compared do not name plain-00")
	}
	after, err := os.ReadFile(snapshot)
	must(t, err)
	if string(before) != string(after) {
		t.Error("reading the snapshot changed it")
	}

	must(t, faults.RewriteSecrets(ctx, cluster))
	check(nil)
}

// plaintextByEtcdctl asks the second implementation.
func plaintextByEtcdctl(t *testing.T, name string) bool {
	t.Helper()
	out, err := cluster.Verb(testContext(t, time.Minute), nil, "etcdctl", "get", "/registry/secrets/"+faults.Namespace+"/"+name, "--print-value-only")
	must(t, err)
	switch {
	case strings.HasPrefix(out, "k8s:enc:aescbc:v1:key1:"):
		return false
	case strings.HasPrefix(out, "k8s\x00"):
		return true
	}
	t.Fatalf("etcdctl: the value of %s begins with neither envelope", name)
	return false
}

// atRest returns the findings as JSON, without remediations, and with the place of the
// database removed from each evidence. Every evidence must begin with that place.
func atRest(report *api.ChecklistReport, place string) string {
	for i := range report.Findings {
		report.Findings[i].Remediation.Text = "" // its commands have the caller's own flags
		for j := range report.Findings[i].Evidence {
			e := &report.Findings[i].Evidence[j]
			if rest, ok := strings.CutPrefix(e.Source, place); ok {
				e.Source = rest
			} else {
				e.Source = "NOT IN " + place + ": " + e.Source
			}
		}
	}
	data, err := json.MarshalIndent(report.Findings, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(data)
}
