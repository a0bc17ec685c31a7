package proctable

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

var idA, idB, idC = strings.Repeat("a1", 32), strings.Repeat("b2", 32), strings.Repeat("c3", 32)

const podUID = "12345678-9abc-def0-1234-56789abcdef0"

// A runtime on its way into a container is told by its parent.
func TestFindParents(t *testing.T) {
	a, b := &Container{}, &Container{}
	a.Identity.ID, a.Identity.PodUID = idA, podUID
	b.Identity.ID, b.Identity.PodUID = idB, podUID
	one := &Container{}
	one.Identity.ID = idC
	add := func(ct *Container, pid, ppid int) *Process {
		p := &Process{PID: pid}
		p.Stat.PPID = ppid
		if ct != nil {
			ct.Processes = append(ct.Processes, p)
		}
		return p
	}
	all := []*Process{
		add(nil, 1, 0), add(nil, 10, 1), // init, and a shim
		add(a, 20, 10), add(a, 21, 20), add(a, 22, 99), add(a, 23, 0), // the shim's child, a child's, an unread process's, none
		add(b, 30, 20),                     // an orphan in a pod that shares its processes
		add(one, 40, 10), add(one, 41, 40), // a container without a pod
		add(a, 24, 10), add(a, 25, 1), add(nil, 11, 10), add(a, 26, 11), // orphans of the shim and of init, a runtime and what it starts
		add(one, 50, 60), add(nil, 60, 1), // its parent has ended, and another process has that pid now
	}
	all[len(all)-1].Stat.StartTime = 5
	(&Table{Processes: all, Containers: []*Container{a, b, one}}).FindParents()
	got := map[int]bool{}
	for _, p := range all {
		got[p.PID] = p.ParentOutside
	}
	want := map[int]bool{1: false, 10: false, 20: true, 21: false, 22: false, 23: false, 24: false, 25: false, 11: false, 26: true, 30: false, 40: true, 41: false, 50: false, 60: false}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("parent outside, by pid (-want +got):\n%s", diff)
	}
	if a.Processes[0].Parent != all[1] || one.Processes[2].Parent != nil {
		t.Errorf("parents %v and %v", a.Processes[0].Parent, one.Processes[2].Parent)
	}
}

// Of a directory that only looks like /proc the mount is found by the longest
// name, the last of several.
func TestMountByName(t *testing.T) {
	table := []procfs.MountInfo{{ID: 1, Point: "/"}, {ID: 2, Point: "/usr"}, {ID: 3, Point: "/usr"}, {ID: 4, Point: "/usr/lib"}}
	for name, want := range map[string]uint64{"/bin/a": 1, "/usr": 3, "/usr/bin": 3, "/usr/lib/x": 4, "/usr/libx": 3} {
		if id, ok := MountByName(table, name); !ok || id != want {
			t.Errorf("%s is on mount %d (%t), want %d", name, id, ok, want)
		}
	}
	if _, ok := MountByName(nil, "/"); ok {
		t.Error("a mount in no table")
	}
}

// The container is looked at by the first process that sees a mount at its root.
func TestMainProcess(t *testing.T) {
	root := &MountTable{Mounts: []procfs.MountInfo{{Point: "/proc"}, {Point: "/"}}}
	changed := &MountTable{Mounts: []procfs.MountInfo{{Point: "/proc"}}}
	ct := &Container{Processes: []*Process{{PID: 1}, {PID: 2, Mounts: changed}, {PID: 3, Mounts: root}, {PID: 4, Mounts: root}}}
	if got := ct.Main().PID; got != 3 {
		t.Errorf("main process %d, want 3", got)
	}
	ct.Processes = ct.Processes[:2]
	if got := ct.Main().PID; got != 1 {
		t.Errorf("main process %d where none sees a root, want 1", got)
	}
}

// Processes with the same cgroup share what it says, without a limit on how many
// different ones there are, and one that is broken stays broken.
func TestSharedIdentities(t *testing.T) {
	dir := t.TempDir()
	root, err := rootfs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close() //nolint:errcheck // a directory of the test
	fs := &FS{Dir: root}
	read := func(pid int, content string) (procfs.Identity, error) {
		t.Helper()
		name := filepath.Join(dir, strconv.Itoa(pid), "cgroup")
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		d, err := fs.Open(pid)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		return d.Identity(nil)
	}
	for range 2 {
		if id, err := read(7, "0::/docker/"+idA+"\n"); err != nil || id.ID != idA {
			t.Errorf("%+v, %v", id, err)
		}
		if id, err := read(8, "nonsense\n"); err == nil || !strings.HasPrefix(err.Error(), "pid 8: ") {
			t.Errorf("%+v, %v", id, err)
		}
	}
	const length = len("0::/docker/") + 64 + 1
	for i := range maxIdentities/length + 10 {
		want := fmt.Sprintf("%064x", i)
		if id, err := read(9, "0::/docker/"+want+"\n"); err != nil || id.ID != want {
			t.Fatalf("%+v, %v", id, err)
		}
	}
	if n, want := len(fs.identities.known), maxIdentities/length; n > want || n < want-10 {
		t.Errorf("%d are kept, want at most %d", n, want)
	}
}
