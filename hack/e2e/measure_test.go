//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/hack/faults"
	"github.com/kubectl-checklist/kubectl-checklist/hack/harness"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/capability"
)

// savedFacts runs the plugin and returns the facts it saved, and the file's bytes.
func savedFacts(t *testing.T, args ...string) (*api.ChecklistFacts, []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "facts.json")
	reportOf(t, testContext(t, 3*time.Minute), append(args, "--save-facts", file)...)
	data, err := os.ReadFile(file)
	must(t, err)
	var facts api.ChecklistFacts
	must(t, json.Unmarshal(data, &facts))
	return &facts, data
}

// The masks of every container on the nodes equal what getpcaps prints there.
func TestCapabilitiesEqualGetpcaps(t *testing.T) {
	ctx := testContext(t, 5*time.Minute)
	inNamespace(t, ctx)
	for _, f := range faults.All() {
		if f.Question == api.Privileged {
			must(t, f.Plant(ctx, cluster))
		}
	}
	facts, _ := savedFacts(t, "nodes", "--check", "privileged/*")
	compared, gone := 0, 0
	for _, node := range facts.Facts.Nodes {
		if node.Measured == nil {
			t.Errorf("node %s was not measured", node.Name)
			continue
		}
		for _, container := range node.Measured.Containers {
			if container.Self {
				continue
			}
			for _, process := range container.Processes {
				plain, err := cluster.Verb(ctx, nil, "node-exec", node.Name, "--", "getpcaps", fmt.Sprint(process.PID))
				if err != nil {
					gone++
					t.Logf("node %s pid %d (%s): %v", node.Name, process.PID, process.Comm, err)
					continue
				}
				wantEff, wantPrm := parsePcaps(t, plain)
				eff, _ := process.CapEff.Bits()
				prm, _ := process.CapPrm.Bits()
				if eff != wantEff || prm != wantPrm {
					t.Errorf("node %s pid %d (%s): CapEff %s CapPrm %s, getpcaps says %s", node.Name, process.PID, process.Comm, process.CapEff, process.CapPrm, plain)
				}
				compared++
			}
		}
	}
	if compared < 8 || gone > compared/4 {
		t.Errorf("compared %d processes, %d were gone: too few for a result", compared, gone)
	}
	t.Logf("compared %d processes, %d gone meanwhile", compared, gone)
}

// parsePcaps reads getpcaps' cap_to_text(3) form: "123: =ep cap_x-ep cap_a,cap_b=eip".
func parsePcaps(t *testing.T, line string) (eff, prm uint64) {
	t.Helper()
	_, text, ok := strings.Cut(strings.TrimSpace(line), ": ")
	if !ok {
		_, text, ok = strings.Cut(strings.TrimSpace(line), ":")
	}
	if !ok {
		t.Fatalf("getpcaps prints %q", line)
	}
	clause := regexp.MustCompile(`^([a-z0-9_,]*)([=+-])([eip]*)((?:[+-][eip]*)*)$`)
	for _, word := range strings.Fields(text) {
		m := clause.FindStringSubmatch(word)
		if m == nil {
			t.Fatalf("getpcaps prints the clause %q", word)
		}
		var mask uint64
		for _, name := range strings.Split(m[1], ",") {
			switch name {
			case "", "all":
				mask = ^uint64(0)
			default:
				n, ok := capability.Parse(name)
				if !ok {
					t.Fatalf("getpcaps names %q", name)
				}
				mask |= 1 << n
			}
		}
		apply := func(operator, flags string) {
			for _, set := range []struct {
				flag string
				bits *uint64
			}{{"e", &eff}, {"p", &prm}} {
				switch has := strings.Contains(flags, set.flag); {
				case operator == "=" && !has, operator == "-" && has:
					*set.bits &^= mask
				case operator != "-" && has:
					*set.bits |= mask
				}
			}
		}
		apply(m[2], m[3])
		for _, more := range regexp.MustCompile(`[+-][eip]*`).FindAllString(m[4], -1) {
			apply(more[:1], more[1:])
		}
	}
	last := uint64(1)<<41 - 1
	return eff & last, prm & last
}

// A binary copied into a running container and started is reported with its
// path; nothing is reported before.
func TestDriftByPath(t *testing.T) {
	ctx := testContext(t, 5*time.Minute)
	inNamespace(t, ctx)
	drift := func(args ...string) []api.Finding {
		report := reportOf(t, ctx, "pods", "-n", faults.Namespace, "--measure", "--check", "drift/running-drifted-executable")
		return slices.DeleteFunc(report.Findings, func(f api.Finding) bool { return f.Verdict != api.Fail })
	}
	if found := drift(); len(found) > 0 {
		t.Fatalf("found before anything drifted: %+v", found)
	}
	for _, f := range faults.All() {
		if f.Question == api.Drift {
			must(t, f.Plant(ctx, cluster))
		}
	}
	found := drift()
	if len(found) != 1 || found[0].Subject.Name != "drifted" || !strings.Contains(found[0].Message, "/busybox-miner") {
		t.Errorf("found %+v, want one finding on the pod drifted that names /busybox-miner", found)
	}
}

// The embedded probe measures all three nodes from the pause image. They can pull nothing,
// because the cluster has no way out. No ConfigMap stays, and the findings equal those of
// a pulled image.
func TestEmbeddedEqualsPulled(t *testing.T) {
	ctx := testContext(t, 8*time.Minute)
	inNamespace(t, ctx)
	image := probeImage(t, ctx)
	embedded := reportOf(t, ctx, "nodes", "--probe-image", "embedded")
	noLeftovers(t, ctx)
	pulled := reportOf(t, ctx, "nodes", "--probe-image", image)
	noLeftovers(t, ctx)
	for name, report := range map[string]*api.ChecklistReport{"embedded": embedded, "pulled": pulled} {
		if report.Cluster.MeasuredNodes != 3 {
			t.Errorf("%s: measured %d nodes, want 3: %+v", name, report.Cluster.MeasuredNodes, report.Gaps)
		}
	}
	if diff := cmp.Diff(verdicts(embedded), verdicts(pulled)); diff != "" {
		t.Errorf("verdicts (-embedded +pulled):\n%s", diff)
	}
}

// verdicts returns the stable part of findings. Containers that only one run saw (its own
// sandbox) are not declared, so they are left out.
func verdicts(report *api.ChecklistReport) map[string]string {
	out := map[string]string{}
	for _, f := range report.Findings {
		if f.Subject.Kind == "Container" {
			continue
		}
		out[harness.Fingerprint(f)] = string(f.Verdict) + " " + string(f.Severity) + " " + f.Message
	}
	return out
}

// probeImage serves the probe's image from a registry that the nodes can reach
// and returns its reference.
func probeImage(t *testing.T, ctx context.Context) string {
	t.Helper()
	dir := t.TempDir()
	layout := filepath.Join(dir, "layout")
	must(t, cluster.BuildProbeImage(ctx, layout))
	stop, err := cluster.Serve(ctx, "checklist-probe:e2e="+layout)
	must(t, err)
	t.Cleanup(stop)
	return "10.200.0.1:5000/checklist-probe:e2e"
}

// At level proc the pod has uid 65534 and no capability. Masks and mounts are measured, and
// the rest is unknown with a reason.
func TestLevelProc(t *testing.T) {
	report := reportOf(t, testContext(t, 3*time.Minute), "nodes", "--probe-level", "proc")
	if report.Cluster.MeasuredNodes != 3 {
		t.Errorf("measured %d nodes, want 3", report.Cluster.MeasuredNodes)
	}
	masks := 0
	for _, f := range report.Findings {
		if f.Check == "privileged/effective-capabilities" && f.Verdict != api.VerdictUnknown {
			masks++
		}
		if f.Question == api.Hosts && f.Basis == api.Measured && f.Verdict == api.Pass {
			t.Errorf("level proc passes %s: %s", f.Check, f.Message)
		}
	}
	if masks == 0 {
		t.Error("level proc judged no capability mask")
	}
	if !slices.ContainsFunc(report.Gaps, func(g fact.Gap) bool { return g.What == fact.Executables && g.Reason == fact.NotRequested }) {
		t.Errorf("no gap says that executables were not asked for: %+v", report.Gaps)
	}
}

// --no-probe creates nothing. An API server's audit log would show that. The test shows it
// by the absence of our events.
func TestNoProbe(t *testing.T) {
	ctx := testContext(t, 2*time.Minute)
	report := reportOf(t, ctx, "--no-probe")
	noLeftovers(t, ctx)
	if report.Cluster.MeasuredNodes != 0 {
		t.Errorf("measured %d nodes with --no-probe", report.Cluster.MeasuredNodes)
	}
	for _, a := range report.Answers {
		if a.Answer == api.Yes {
			t.Errorf("--no-probe answers %s with yes", a.Question)
		}
	}
}
