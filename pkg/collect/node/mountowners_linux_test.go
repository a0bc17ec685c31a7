package node

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// inContainer moves a process into a cgroup that has a container's name: the
// controller devices of version 1 needs nothing else. It returns the container's id
// and the cgroup's directory.
func inContainer(t *testing.T, pid int) (id, dir string) {
	t.Helper()
	pod := filepath.Join("/sys/fs/cgroup/devices", "checklist-test-"+strconv.Itoa(pid))
	id = strings.Repeat("ab", 32)
	dir = filepath.Join(pod, id)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Skip("making a cgroup needs root and the devices controller of version 1: ", err)
	}
	t.Cleanup(func() {
		for _, d := range []string{dir, pod} {
			if err := os.Remove(d); err != nil {
				t.Error(err)
			}
		}
	})
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.WriteFile("/sys/fs/cgroup/devices/cgroup.procs", []byte(strconv.Itoa(pid)), 0) })
	return id, dir
}

// readContainer measures this machine and returns one container.
func readContainer(t *testing.T, id string, kinds ...fact.Kind) (fact.MeasuredContainer, []fact.NodeGap) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), tooLong)
	defer cancel()
	m, err := Local(ctx, Options{Level: fact.LevelFull, Proc: "/proc", Root: "/", Live: true, Kinds: kinds})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(m.Containers, func(c fact.MeasuredContainer) bool { return c.ID == id })
	if i < 0 {
		t.Fatalf("the container is not among %d", len(m.Containers))
	}
	// Other tests of this machine start containers, too.
	return m.Containers[i], slices.DeleteFunc(m.Gaps, func(g fact.NodeGap) bool { return g.Container != id })
}

// A process of this machine in a device cgroup of our own.
func TestLiveDeviceRules(t *testing.T) {
	cmd := exec.Command("sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	id, dir := inContainer(t, cmd.Process.Pid)
	for _, rule := range [][2]string{{"deny", "a"}, {"allow", "c 1:3 rwm"}, {"allow", "b 8:* r"}} {
		if err := os.WriteFile(filepath.Join(dir, "devices."+rule[0]), []byte(rule[1]), 0); err != nil {
			t.Fatal(err)
		}
	}
	ct, gaps := readContainer(t, id, fact.Devices)
	if diff := cmp.Diff([]string{"c 1:3 rwm", "b 8:* r"}, ct.DeviceRules); diff != "" {
		t.Errorf("(-want +got):\n%s\ngaps %+v", diff, gaps)
	}
}

// Mounts of a process of this machine, two of which another one hides.
func TestLiveMountOwners(t *testing.T) {
	unshare := needTool(t, "unshare", "util-linux")
	top := t.TempDir()
	cmd := exec.Command(unshare, "-m", "sh", "-ec", `cd "$0"
mkdir dir hidden hidden/gone hidden/other moved moved/to ro
echo x >file; echo x >on; chmod 4755 file; chown 7:8 file
mount -t tmpfs -o mode=1777,uid=5,gid=6 tmpfs dir
mount --bind file on
mount -t tmpfs tmpfs hidden/gone
mount -t tmpfs tmpfs hidden/other
mount -t tmpfs tmpfs hidden
mkdir hidden/other
mount -t tmpfs tmpfs moved/to
mv moved away
ln -s / moved
mount -t tmpfs -o ro tmpfs ro
echo ready
exec sleep 600`, top)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if line, _ := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		t.Skip("mounting needs root")
	}
	id, _ := inContainer(t, cmd.Process.Pid)
	ct, gaps := readContainer(t, id, fact.Mounts)
	if ct.Root == nil || ct.Root.File == nil || *ct.Root.File || ct.Root.Owner == nil {
		t.Errorf("root %+v", ct.Root)
	}
	type owned struct {
		File  *bool
		Owner *fact.FileOwner
	}
	got := map[string]owned{}
	for _, m := range ct.Mounts {
		if name, ok := strings.CutPrefix(m.Path, top+"/"); ok {
			got[name] = owned{m.File, m.Owner}
		}
	}
	want := map[string]owned{
		"dir":          {ptr(false), &fact.FileOwner{UID: 5, GID: 6, Mode: 0o1777}},
		"on":           {ptr(true), &fact.FileOwner{UID: 7, GID: 8, Mode: 0o755}}, // chown takes the set-user-ID bit away
		"hidden":       {ptr(false), &fact.FileOwner{Mode: 0o1777}},
		"hidden/gone":  {},
		"hidden/other": {},
		"away/to":      {ptr(false), &fact.FileOwner{Mode: 0o1777}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(gaps) > 0 {
		t.Errorf("gaps %+v", gaps)
	}
}

// A container with a dead file system: nothing is looked up in it or through it, and
// neither is anything in a table that says nothing about the way.
func TestMountOwnersBeyondDeadFileSystems(t *testing.T) {
	const mounts = "20 1 0:9 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/u\n" +
		"21 20 0:8 / /ok rw - tmpfs tmpfs rw\n22 20 0:7 / /fuse rw - fuse.x x rw\n23 22 0:6 / /fuse/in rw - tmpfs tmpfs rw\n24 20 0:5 / /nfs rw - nfs4 x rw\n" +
		"25 20 0:4 / /fusefile rw - tmpfs tmpfs rw\n26 20 0:4 /f /a\\040b rw - tmpfs tmpfs rw\n27 20 0:4 / /not/there rw - tmpfs tmpfs rw\n"
	dir := nodeFixture(t, []fakeProcess{initProcess, {pid: 5, comm: "a", cgroup: "0::/docker/" + idA + "\n", root: "/c", mounts: mounts}},
		"-- c/ok/ --\n-- c/fuse/in/ --\n-- c/nfs/ --\n-- c/fusefile/ --\n-- c/a b --\nx\n")
	m := read(t, dir, fact.LevelFull, fact.Mounts)
	got := map[string]string{}
	for _, mount := range m.Containers[0].Mounts {
		switch {
		case mount.File == nil && mount.Owner == nil:
			got[mount.Path] = "unread"
		case *mount.File:
			got[mount.Path] = "file"
		default:
			got[mount.Path] = "directory"
		}
	}
	want := map[string]string{"/ok": "directory", "/fuse": "unread", "/fuse/in": "unread", "/nfs": "unread", "/fusefile": "directory", "/a b": "file", "/not/there": "unread"}
	if diff := cmp.Diff(want, got); diff != "" || len(m.Gaps) > 0 {
		t.Errorf("(-want +got):\n%s\ngaps %+v", diff, m.Gaps)
	}
	if proc := read(t, dir, fact.LevelProc, fact.Mounts); proc.Containers[0].Mounts[0].File != nil {
		t.Error("looked at a mount at level proc")
	}
}
