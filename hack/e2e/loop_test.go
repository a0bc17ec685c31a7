//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/hack/loop"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// The loop: answers that are no become yes by the patches and commands that the tool wrote, and
// by what its texts say is to be done by hand. Only the workloads are judged: static pods of the
// control plane stay as they are.
func TestLoop(t *testing.T) {
	ctx := testContext(t, 20*time.Minute)
	dir := t.TempDir()
	stop, err := loop.Serve(ctx, cluster, dir)
	must(t, err)
	t.Cleanup(stop)
	config := ""
	t.Cleanup(func() {
		if err := loop.Remove(context.WithoutCancel(ctx), cluster, config); err != nil {
			t.Error(err)
		}
	})
	must(t, loop.Plant(ctx, cluster))

	run := func(name string) (*api.ChecklistReport, string) {
		t.Helper()
		patches := filepath.Join(dir, name)
		begin := time.Now()
		report := reportOf(t, ctx, "--write-patches", patches)
		t.Logf("%s (%s): %s", name, time.Since(begin).Round(time.Second), words(report))
		return report, patches
	}
	expect := func(report *api.ChecklistReport, want map[api.Question]api.AnswerWord) {
		t.Helper()
		for _, a := range report.Answers {
			w, asked := want[a.Question]
			if asked && a.Workloads != w {
				t.Errorf("%s: workloads %q, want %q; parts %s", a.Question, a.Workloads, w, parts(&a))
				for _, f := range report.Findings {
					if f.Question == a.Question && !f.Subject.Platform && f.Verdict != api.Pass {
						t.Logf("  %s %s %s %s: %s", f.Verdict, f.Severity, f.Check, f.Subject.Key(), f.Message)
					}
				}
			}
		}
	}

	// 1. Everything is wrong.
	first, patches := run("first")
	expect(first, map[api.Question]api.AnswerWord{
		api.Builds: api.No, api.Immutable: api.No, api.Privileged: api.No, api.Secrets: api.No, api.Drift: api.No,
	})
	noValues(t, patches)

	// 2. What a measurement shows to be safe starts, and no more than that is changed.
	_, err = loop.Patched(ctx, cluster, patches, "safe")
	must(t, err)

	// 3. What no patch does; then all patches.
	must(t, loop.ByHand(ctx, cluster))
	second, patches := run("second")
	expect(second, map[api.Question]api.AnswerWord{
		api.Builds: api.Yes, api.Immutable: api.No, api.Privileged: api.No, api.Secrets: api.No, api.Drift: api.No,
	})
	_, err = loop.Patched(ctx, cluster, patches, "all")
	must(t, err)

	// 4. The commands for the cluster: encryption at rest, what remains of plaintext, the policy.
	config, err = loop.Run(ctx, cluster, filepath.Join(patches, "commands", "cluster.sh"), func(s loop.Step) {
		t.Logf("%s cluster.sh %s. %.70s", time.Now().UTC().Format(time.TimeOnly), s.Number, s.Text)
	})
	must(t, err)

	// 5. Now every workload reaches restricted, so namespaces can ask for it.
	third, patches := run("third")
	expect(third, map[api.Question]api.AnswerWord{
		api.Builds: api.Yes, api.Immutable: api.Yes, api.Secrets: api.Yes, api.Drift: api.Yes,
	})
	result, err := cluster.Exec(ctx, nil, "sh", filepath.Join(patches, "commands", "namespaces.sh"))
	must(t, err)
	if result.Code != 0 {
		t.Fatalf("namespaces.sh: %s", result.Stderr)
	}

	// 6. All that the workloads can answer is yes.
	last, _ := run("last")
	expect(last, map[api.Question]api.AnswerWord{
		api.Builds: api.Yes, api.Immutable: api.Yes, api.Privileged: api.Yes, api.Secrets: api.Yes, api.Drift: api.Yes,
		api.Hosts: api.NotApplicable,
	})
	// Of the hosts, no kernel package is installed here, so that no newer kernel can be known.
	for _, f := range last.Findings {
		if f.Check == "hosts/kernel-outdated" && f.Verdict != api.VerdictUnknown {
			t.Errorf("%s: %s %s", f.Subject.Key(), f.Verdict, f.Message)
		}
	}
	for _, a := range last.Answers {
		for _, p := range a.Parts {
			if p.Part == "running" && (p.Answer != api.Unknown || !strings.HasPrefix(p.Reason, string(fact.NotPresent))) {
				t.Errorf("hosts, part running: %s (%s)", p.Answer, p.Reason)
			}
		}
	}

	// 7. A second run: a workload that has to write files gets an emptyDir, which cannot be mounted
	// noexec. So drift stays at no, and only for that.
	must(t, loop.PlantScratch(ctx, cluster))
	_, patches = run("scratch")
	_, err = loop.PatchedScratch(ctx, cluster, patches)
	must(t, err)
	must(t, loop.Policy(ctx, cluster, "Deny"))
	open, _ := run("open")
	expect(open, map[api.Question]api.AnswerWord{api.Builds: api.Yes, api.Immutable: api.Yes, api.Secrets: api.Yes, api.Drift: api.No})
	var why []string
	for _, f := range open.Findings {
		if f.Question == api.Drift && f.Verdict == api.Fail && !f.Subject.Platform && f.Severity != api.Low {
			why = append(why, f.Check+" "+f.Subject.Key()+": "+f.Message)
		}
	}
	want := []string{"drift/writable-executable-mounts Deployment/" + loop.WithScratch + "/cache/app/: can execute what it writes to /cache (emptyDir)"}
	if !slices.Equal(why, want) {
		t.Errorf("why drift stays no:\n%s\nwant\n%s", strings.Join(why, "\n"), strings.Join(want, "\n"))
	}
}

// words is one line of the answers for the workloads.
func words(report *api.ChecklistReport) string {
	var b strings.Builder
	for _, a := range report.Answers {
		b.WriteString(string(a.Question) + " " + string(a.Workloads) + "  ")
	}
	return b.String()
}

func parts(a *api.Answer) string {
	data, err := json.Marshal(a.Parts)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// noValues fails if the Secret's value is in a file that was written.
func noValues(t *testing.T, dir string) {
	t.Helper()
	files := 0
	must(t, filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte("the loop's first password")) {
			t.Errorf("%s has the Secret's value", path)
		}
		files++
		return err
	}))
	if files == 0 {
		t.Errorf("nothing was written to %s", dir)
	}
}
