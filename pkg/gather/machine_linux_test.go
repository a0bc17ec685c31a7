package gather

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// A machine counts as a control-plane node, because the user chose to run this there. What
// only a cluster knows is a gap.
func TestMachine(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "etc"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "etc/os-release"), []byte("ID=debian\nVERSION_ID=\"12\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	source := Machine{Root: root, Kinds: []fact.Kind{fact.Pods, fact.Secrets, fact.Kernel}, Timeout: 10 * time.Minute, Namespace: "shop"}
	got, err := source.Gather(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	set := got.Set
	if len(set.Nodes) != 1 || set.Nodes[0].Listed || set.Nodes[0].Measured == nil || set.Nodes[0].Measured.Host.OS.ID != "debian" {
		t.Fatalf("nodes %+v", set.Nodes)
	}
	if !slices.Equal(set.ControlPlaneNodes, []string{set.Nodes[0].Name}) {
		t.Errorf("named control plane %v, node %q", set.ControlPlaneNodes, set.Nodes[0].Name)
	}
	if diff := cmp.Diff(notRequested([]fact.Kind{fact.Pods, fact.Secrets}, "no cluster was asked", "run without --local to read what is declared"), set.Gaps); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(api.Scope{Local: true, Root: root, Namespaces: []string{"shop"}}, got.Scope); diff != "" {
		t.Errorf("scope (-want +got):\n%s", diff)
	}
	if set.PodScope != fact.PodsNotListed || set.CollectedAt.IsZero() {
		t.Errorf("scope of pods %q, collected at %v", set.PodScope, set.CollectedAt)
	}
}

// A root is named by its own files, unless its proc is this kernel's.
func TestMachineOfAnotherRoot(t *testing.T) {
	self, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	files, unnamed := t.TempDir(), t.TempDir()
	for name, content := range map[string]string{"etc/hostname": "worker-7\n", "proc/sys/kernel/osrelease": "1.2.3\n", "proc/version": "Linux version 1.2.3 (x) #1 SMP\n"} {
		path := filepath.Join(files, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ root, name, release string }{
		"files":                     {files, "worker-7", "1.2.3"},
		"files without a host name": {unnamed, "localhost", ""},
		"this machine, seen from another directory": {"/proc/self/root", self, strings.TrimSpace(string(release))},
	} {
		t.Run(name, func(t *testing.T) {
			source := Machine{Root: tc.root, Kinds: []fact.Kind{fact.Kernel}, Timeout: 10 * time.Minute}
			got, err := source.Gather(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			node := got.Set.Nodes[0]
			running := ""
			if r := node.Measured.Host.Running; r != nil {
				running = r.Release
			}
			if node.Name != tc.name || running != tc.release {
				t.Errorf("node %q runs %q, want %q and %q", node.Name, running, tc.name, tc.release)
			}
		})
	}
}

// Files with a proc in them are still files: only the root of the first process, or of
// this program, is this machine's.
func TestLiveRoot(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/proc", filepath.Join(dir, "proc")); err != nil {
		t.Fatal(err)
	}
	for given, want := range map[string]bool{"/": true, "/proc/self/root": true, dir: false, t.TempDir(): false, dir + "/none": false} {
		root, proc, live := liveRoot(given)
		if live != want || live && (root != "/" || proc != "/proc") {
			t.Errorf("%s: want %t, got %q, %q, %t", given, want, root, proc, live)
		}
	}
}

// boundEnv makes the test binary measure a directory to which it binds the root first.
const boundEnv = "CHECKLIST_BOUND_ROOT"

// A bind of the root, with or without what is mounted below, is this machine: what runs
// is read, this very program included.
func TestMachineOfABoundRoot(t *testing.T) {
	if root := os.Getenv(boundEnv); root != "" {
		source := Machine{Root: root, Kinds: []fact.Kind{fact.Processes}, Timeout: 10 * time.Minute}
		got, err := source.Gather(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		m := got.Set.Nodes[0].Measured
		if !m.HasRead(fact.Processes) || m.HostProcesses == 0 {
			t.Errorf("read %v, %d processes of the host, gaps %+v", m.Read, m.HostProcesses, m.Gaps)
		}
		if self, err := os.Hostname(); err != nil || got.Set.Nodes[0].Name != self {
			t.Errorf("node %q, want %q", got.Set.Nodes[0].Name, self)
		}
		return
	}
	unshare, err := exec.LookPath("unshare")
	if err != nil || os.Geteuid() != 0 {
		t.Skip("needs root and unshare (Debian package util-linux)")
	}
	for _, how := range []string{"--bind", "--rbind"} {
		t.Run(how, func(t *testing.T) {
			// The mount is in a namespace that ends with the command.
			cmd := exec.CommandContext(t.Context(), unshare, "--mount", "--propagation=private", "/bin/sh", "-c",
				`mount "$1" / "$2" && exec "$3" -test.run '^TestMachineOfABoundRoot$'`, "sh", how, t.TempDir(), os.Args[0])
			cmd.Env = append(os.Environ(), boundEnv+"="+cmd.Args[len(cmd.Args)-2])
			if out, err := cmd.CombinedOutput(); strings.Contains(string(out), "permission denied") {
				t.Skip("mounting is not permitted here")
			} else if err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
