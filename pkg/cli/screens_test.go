package cli

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/screen"
)

// clusterFacts is a file with the facts of a cluster of 6 nodes and 86 pods, made by the
// first version. In it a miner runs that was added to a container, 40 Secrets are
// plaintext, and builders run in the same cluster as the workloads.
func clusterFacts(t *testing.T) string {
	t.Helper()
	return unpackedFacts(t, t.TempDir(), "cluster-86-pods", "facts.json")
}

// unpackedFacts writes one of the facts files of testdata/cases into a directory.
func unpackedFacts(t *testing.T, dir, name, as string) string {
	t.Helper()
	packed, err := os.Open("testdata/cases/" + name + ".json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close() //nolint:errcheck // read only
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, as)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// oneNodeFacts writes the facts of "nodes cp0": those of clusterFacts about that node,
// with a container that the API does not know, one of a hostile name and one in its own
// user namespace.
func oneNodeFacts(t *testing.T, dir string) string {
	t.Helper()
	path := unpackedFacts(t, dir, "cluster-86-pods", "node.json")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var facts api.ChecklistFacts
	if err := json.Unmarshal(data, &facts); err != nil {
		t.Fatal(err)
	}
	facts.Spec.Command, facts.Spec.Scope = "nodes", api.Scope{Names: []string{"cp0"}, ProbeLevel: "full"}
	set := &facts.Facts
	set.Nodes = slices.DeleteFunc(set.Nodes, func(n fact.Node) bool { return n.Name != "cp0" })
	for i := range set.Workloads {
		w := &set.Workloads[i]
		w.Pods = slices.DeleteFunc(w.Pods, func(p fact.Pod) bool { return p.Node != "cp0" })
	}
	set.Workloads = slices.DeleteFunc(set.Workloads, func(w fact.Workload) bool { return len(w.Pods) == 0 })
	set.Gaps, set.Relisted = nil, &fact.Relist{At: set.CollectedAt, Unknown: 3}
	m := set.Nodes[0].Measured
	add := func(id string, edit func(*fact.MeasuredContainer, *fact.Process)) {
		c := *m.Containers[0].DeepCopy()
		c.ID, c.PodUID, c.Kubernetes, c.Cgroup = strings.Repeat(id, 64), "", false, "/system.slice/x.scope"
		c.Processes[0].Started = fact.NewTime(m.At.Add(-time.Hour))
		edit(&c, &c.Processes[0])
		m.Containers = append(m.Containers, c)
	}
	all := m.HostCapBnd
	add("d", func(c *fact.MeasuredContainer, p *fact.Process) {
		c.Runtime, p.CapEff, p.CapPrm, p.CapBnd, p.Seccomp = "docker", all, all, all, new(int)
		c.DeviceRules = []string{"a *:* rwm"}
	})
	add("e", func(c *fact.MeasuredContainer, p *fact.Process) {
		root := int64(100000)
		c.Runtime, p.CapEff, p.CapPrm, p.CapBnd, p.UserNS, p.RootUID = "podman", all, all, all, 4026539999, &root
		p.UID = [4]int64{root, root, root, root}
	})
	add("\x1b[2J\n日本", func(c *fact.MeasuredContainer, p *fact.Process) {
		c.FoundBy, p.CapEff, p.Seccomp, p.NoNewPrivs = fact.FoundByRoot, fact.CapMask{}, nil, nil
	})
	if data, err = json.Marshal(facts); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// shownOn returns what a command prints to a terminal of this width. 0 means no terminal.
func shownOn(t *testing.T, width int, args ...string) string {
	t.Helper()
	env, out, errOut := testEnv()
	env.OutWidth = width
	if code := Main(t.Context(), env, args); code == ExitFailure && out.Len() == 0 {
		return errOut.String()
	} else if code != ExitOK || errOut.Len() > 0 {
		t.Fatalf("%v: exit status %d, stderr %q", args, code, errOut)
	}
	return out.String()
}

// Screens, word for word, at the widths that people use. No line is wider than the
// terminal, so the terminal wraps nothing.
func TestScreens(t *testing.T) {
	screens, err := filepath.Abs(filepath.Join("testdata", "screens"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	facts := filepath.Base(unpackedFacts(t, dir, "cluster-86-pods", "facts.json"))
	// Facts that runs on the real cluster of hack/cluster saved: as a user without
	// any right, and with the probe in a namespace that enforces Pod Security.
	noRights := filepath.Base(unpackedFacts(t, dir, "no-rights", "no-rights.json"))
	refused := filepath.Base(unpackedFacts(t, dir, "pod-security-refused", "refused.json"))
	node := filepath.Base(oneNodeFacts(t, dir))
	t.Chdir(dir) // commands on the screen name the file
	for name, args := range map[string][]string{
		"root":          {"--facts", facts},
		"pods":          {"pods", "--facts", facts},
		"pods-wide":     {"pods", "--facts", facts, "-o", "wide"},
		"nodes":         {"nodes", "--facts", facts},
		"node":          {"nodes", "--facts", node, "--question", "privileged"},
		"secrets":       {"secrets", "--facts", facts},
		"no-rights":     {"--facts", noRights},
		"refused":       {"--facts", refused},
		"no-server":     {"--server", "http://127.0.0.1:1"},
		"explain":       {"explain"},
		"explain-check": {"explain", "privileged/effective-capabilities"},
		"explain-part":  {"explain", "secrets"},
	} {
		for _, width := range []int{80, 120, 200} {
			t.Run(fmt.Sprintf("%s-%d", name, width), func(t *testing.T) {
				got := shownOn(t, width, args...)
				golden := filepath.Join(screens, fmt.Sprintf("%s-%d.golden", name, width))
				if *update {
					if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), got); diff != "" {
					t.Errorf("screen (-want +got), go test ./pkg/cli -update writes it again:\n%s", diff)
				}
				for _, line := range strings.Split(got, "\n") {
					url := strings.HasPrefix(line, "  https://") || strings.HasPrefix(line, "error: ") // copied, so never cut
					if w := screen.Width(line); w > width && !url {
						t.Errorf("a line of %d columns: %q", w, line)
					}
				}
			})
		}
	}
}

// What matters most is in the first ten lines of findings, at any width and in a pipe: a
// running miner that was added to a container, Secrets in plaintext, the builders, the
// outdated hosts. The platform comes after the user's workloads, and counts are of
// workloads, not of containers.
func TestFirstTenLines(t *testing.T) {
	facts := clusterFacts(t)
	for _, width := range []int{80, 120, 200, 0} {
		got := shownOn(t, width, "--facts", facts)
		_, below, ok := strings.Cut(got, "\nSEVERITY ")
		lines := strings.Split(below, "\n")
		if !ok || len(lines) < 11 {
			t.Fatalf("%d columns: no findings:\n%s", width, got)
		}
		ten := strings.Join(lines[1:11], "\n")
		at := -1
		for _, words := range [][]string{
			{"rs/team-3/svc3", "runs /tmp/.x/xmrig, which was added", "drift/running-drifted-executable"},
			{"40 Secrets (team-0/s0, s10", "stored in etcd as plaintext"},
			{"pod/gitlab/runner-", "runs Docker-in-Docker, privileged"},
			{"pod/ci/jenkins-age", "mounts /run/docker.sock of the node"},
			{"3 nodes (cp0, cp2, worker-4)", "runs kernel 6.8.0-45-generic, but", "pending-security-updates"},
		} {
			from := strings.Index(ten, words[0])
			if from <= at {
				t.Errorf("%d columns: %q is not below what comes before it", width, words[0])
			}
			at = max(at, from)
			for _, word := range words {
				if !strings.Contains(ten, word) {
					t.Errorf("%d columns: the first ten lines lack %q:\n%s", width, word, ten)
				}
			}
		}
		platform := strings.Index(below, "2 DaemonSets (")
		if platform < strings.Index(below, "node/worker-3") || strings.Contains(below, "5 DaemonSets") || !strings.Contains(below[max(0, platform):], "kube-proxy") {
			t.Errorf("%d columns: want 2 DaemonSets, calico-node and kube-proxy, below what is the user's:\n%s", width, below)
		}
		for question := range 6 {
			if !strings.Contains(got, fmt.Sprintf("\n%d  ", question+1)) {
				t.Errorf("%d columns: no answer to question %d", width, question+1)
			}
		}
	}
}

// The volume of what is printed for 86 pods. The first version had 280 lines for
// pods, and 821 for pods -o wide, 527 of them passes. Up to 22 lines are about kinds that
// these facts are too old for.
func TestVolume(t *testing.T) {
	facts := clusterFacts(t)
	for name, tc := range map[string]struct {
		width, most int
		args        []string
	}{
		"root, 80 columns": {80, 91, []string{"--facts", facts}},
		"pods, 80 columns": {80, 147, []string{"pods", "--facts", facts}},
		"pods, a pipe":     {0, 78, []string{"pods", "--facts", facts}},
		"pods -o wide":     {0, 110, []string{"pods", "--facts", facts, "-o", "wide"}},
		"nodes":            {80, 150, []string{"nodes", "--facts", facts}},
		"secrets":          {80, 86, []string{"secrets", "--facts", facts}},
	} {
		got := shownOn(t, tc.width, tc.args...)
		if lines := strings.Count(got, "\n"); lines > tc.most {
			t.Errorf("%s: %d lines, want at most %d", name, lines, tc.most)
		}
		if strings.Contains(got, "\npass ") {
			t.Errorf("%s prints passes", name)
		}
		if !strings.Contains(got, "\nNext: kubectl checklist explain ") {
			t.Errorf("%s: no word on what to do first", name)
		}
	}
	if with := shownOn(t, 0, "pods", "--facts", facts, "-o", "wide", "--show-passes"); !strings.Contains(with, "\npass ") {
		t.Error("--show-passes prints none")
	}
}

// Help fits 80 columns.
func TestHelpFits(t *testing.T) {
	files, err := filepath.Glob("testdata/help/*.golden")
	if err != nil || len(files) < 9 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(string(data), "\n") {
			if w := screen.Width(line); w > helpWidth {
				t.Errorf("%s: a line of %d columns: %q", file, w, line)
			}
		}
	}
}
