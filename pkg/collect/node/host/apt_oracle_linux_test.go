package host

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// oracle finds a program of apt or dpkg, or ends the test: skipped on a machine
// without it, failed where CHECKLIST_REQUIRE_TOOLS=1 says that it is installed.
func oracle(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	absent(t, name+" is not installed")
	return ""
}

func absent(t testing.TB, message string) {
	t.Helper()
	if os.Getenv("CHECKLIST_REQUIRE_TOOLS") == "1" {
		t.Fatal(message)
	}
	t.Skip(message)
}

// ownLists makes sure that this machine has package lists, once for all tests.
var ownLists = sync.OnceValue(func() error {
	names, err := filepath.Glob("/var/lib/apt/lists/*_Packages*")
	if err != nil || len(names) > 0 {
		return err
	}
	out, err := exec.Command("apt-get", "update", "-q").CombinedOutput()
	if err != nil {
		return &exec.Error{Name: "apt-get update: " + string(out), Err: err}
	}
	return nil
})

// inst is an upgrade in "apt-get -s": a line
// "Inst NAME [INSTALLED] (CANDIDATE ARCHIVE, ... [ARCH]) [...]".
type inst struct{ Name, Installed, Candidate, Arch string }

var instLine = regexp.MustCompile(`^Inst (\S+) \[([^]]+)\] \((\S+) (.*) \[(\S+)\]\)`)

// simulate returns the upgrades of "apt-get -s dist-upgrade" and, apart, the
// names of those whose candidate itself lies in an archive of apt's label.
// Packages that are newly installed have no [INSTALLED]: they are no updates.
func simulate(t testing.TB, security string, options ...string) (all []inst, fromSecurity []string) {
	t.Helper()
	command := exec.Command(oracle(t, "apt-get"), append(options, "-s", "dist-upgrade")...)
	command.Env = append(os.Environ(), "LC_ALL=C")
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", command.Args, err, &stderr)
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		m := instLine.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		name, _, _ := strings.Cut(m[1], ":")
		all = append(all, inst{name, m[2], m[3], m[5]})
		if strings.Contains(m[4], security) {
			fromSecurity = append(fromSecurity, name)
		}
	}
	slices.SortFunc(all, func(a, b inst) int { return strings.Compare(a.Name+" "+a.Arch, b.Name+" "+b.Arch) })
	slices.Sort(fromSecurity)
	return all, fromSecurity
}

// upgrades are the pending updates that apt would install now.
func upgrades(state *fact.PackageState) []inst {
	var all []inst
	for _, u := range state.Pending {
		if !u.Held {
			all = append(all, inst{u.Name, u.Installed, u.Candidate, u.Arch})
		}
	}
	return all
}

func openRoot(t testing.TB, dir string) *rootfs.Root {
	t.Helper()
	root, err := rootfs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root
}

// TestUpdatesOfThisMachine compares with apt package for package.
func TestUpdatesOfThisMachine(t *testing.T) {
	if testing.Short() {
		t.Skip("apt-get -s dist-upgrade takes seconds")
	}
	oracle(t, "apt-get")
	if err := ownLists(); err != nil {
		absent(t, err.Error())
	}
	root := openRoot(t, "/")
	state, gaps := readPackages(context.Background(), root, osRelease(root))
	if len(gaps) > 0 {
		t.Fatalf("gaps: %+v", gaps)
	}
	want, labelled := simulate(t, "Debian-Security:")
	if diff := cmp.Diff(want, upgrades(state)); diff != "" {
		t.Errorf("updates (-apt +ours):\n%s", diff)
	}

	// apt labels a package by the archives of its candidate alone. We name the
	// security update that leads to it, so ours has every one of apt's, and
	// those besides whose candidate is a later point release on top of a
	// security update that is still missing here.
	var ours, beyond []string
	for _, u := range state.Pending {
		if u.Security == "" || u.Held {
			continue
		}
		ours = append(ours, u.Name)
		if !slices.Contains(labelled, u.Name) {
			beyond = append(beyond, u.Name)
			if u.Security == u.Candidate {
				t.Errorf("%s: the candidate %s is in %s by our reading, by apt's in no security archive", u.Name, u.Candidate, u.Archive)
			}
		}
	}
	for _, name := range labelled {
		if !slices.Contains(ours, name) {
			t.Errorf("%s: apt labels it security, we do not", name)
		}
	}
	t.Logf("%d installed, %d updates, %d of them security (apt's label: %d; beyond it: %v)",
		state.Installed, len(want), len(ours), len(labelled), beyond)
	if state.Checked.IsZero() || state.Content.IsZero() || state.Content.After(time.Now()) {
		t.Errorf("checked %v, content %v", state.Checked, state.Content)
	}
}

// BenchmarkReadPackages reads this machine's own database and lists. cpu-ms/op
// is the time of all threads, the collector's of garbage included.
func BenchmarkReadPackages(b *testing.B) {
	if err := ownLists(); err != nil {
		b.Skip(err)
	}
	root := openRoot(b, "/")
	b.ReportAllocs()
	before := cpuTime(b)
	for b.Loop() {
		state, _ := readPackages(context.Background(), root, fact.OSRelease{})
		if state == nil || state.Indexes == 0 {
			b.Fatal("no package list was read")
		}
	}
	b.ReportMetric(float64((cpuTime(b)-before).Milliseconds())/float64(b.N), "cpu-ms/op")
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
