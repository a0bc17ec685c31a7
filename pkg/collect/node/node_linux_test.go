package node

import (
	"context"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

var (
	idA, idB, idC, idD = strings.Repeat("a1", 32), strings.Repeat("b2", 32), strings.Repeat("c3", 32), strings.Repeat("d4", 32)
	masks              = cmp.AllowUnexported(fact.CapMask{})
)

const (
	podUID     = "12345678-9abc-def0-1234-56789abcdef0"
	podUnder   = "12345678_9abc_def0_1234_56789abcdef0"
	configHash = "0123456789abcdef0123456789abcdef"
	boot       = 1790000000
)

func TestGaps(t *testing.T) {
	app := fakeProcess{pid: 5, comm: "a", cgroup: "0::/docker/" + idA + "\n"}
	container := idA
	for name, tc := range map[string]struct {
		processes []fakeProcess
		spoil     func(dir string) error
		kinds     []fact.Kind
		read      []fact.Kind
		gaps      []fact.NodeGap
	}{
		"pid 1 is not visible: processes are not read": {
			processes: []fakeProcess{app}, kinds: []fact.Kind{fact.Processes, fact.Mounts},
			gaps: []fact.NodeGap{
				{What: fact.Processes, Reason: fact.NotPresent, Detail: "no processes: open DIR/proc/1: no such file or directory"},
				{What: fact.Mounts, Reason: fact.NotPresent, Detail: "no processes: open DIR/proc/1: no such file or directory"},
			},
		},
		"a root file system alone has no processes": {
			spoil: func(dir string) error { return os.RemoveAll(dir + "/proc") }, kinds: []fact.Kind{fact.Processes},
			gaps: []fact.NodeGap{{What: fact.Processes, Reason: fact.NotPresent, Detail: "no processes: open DIR/proc: no such file or directory"}},
		},
		"a status cut short is one process's gap": {
			processes: []fakeProcess{initProcess, app, {pid: 6, comm: "b", cgroup: "0::/docker/" + idA + "\n"}},
			spoil:     func(dir string) error { return os.Truncate(dir+"/proc/5/status", 40) }, kinds: []fact.Kind{fact.Processes}, read: []fact.Kind{fact.Processes},
			gaps: []fact.NodeGap{{What: fact.Processes, Reason: fact.Corrupt, Detail: `1 of 3 processes could not be read: pid 5: status line 5: cut short: "PPid"`}},
		},
		"mountinfo cut short is the container's gap": {
			processes: []fakeProcess{initProcess, app}, kinds: []fact.Kind{fact.Mounts}, read: []fact.Kind{fact.Mounts},
			spoil: func(dir string) error { return os.Truncate(dir+"/proc/5/mountinfo", 20) },
			gaps:  []fact.NodeGap{{What: fact.Mounts, Container: container, Reason: fact.Corrupt, Detail: `pid 5: mountinfo line 1: expected a single hyphen after the optional fields in "20 1 8:1 / / rw,rela"`}},
		},
		"a process that ended between listing and reading is no gap": {
			processes: []fakeProcess{initProcess, app}, kinds: []fact.Kind{fact.Processes}, read: []fact.Kind{fact.Processes},
			spoil: func(dir string) error { return os.Remove(dir + "/proc/5/status") },
		},
		"a process that changed its root sees no mount at /": {
			processes: []fakeProcess{initProcess, {pid: 5, comm: "a", cgroup: app.cgroup, mounts: "21 20 0:5 / /proc rw - proc proc rw\n"}},
			kinds:     []fact.Kind{fact.Mounts, fact.Devices, fact.Upperdir}, read: []fact.Kind{fact.Mounts, fact.Upperdir, fact.Devices},
			gaps: []fact.NodeGap{
				{What: fact.Mounts, Container: container, Reason: fact.NotPresent, Detail: "none of its processes sees a mount at /: each has changed its root"},
				{What: fact.Upperdir, Container: container, Reason: fact.NotPresent, Detail: "its mount table was not read, so its writable layer is unknown"},
				{What: fact.Devices, Container: container, Reason: fact.NotPresent, Detail: "its mount table was not read, so its /dev was not read"},
			},
		},
		"gVisor: what runs on the host is not the container": {
			processes: []fakeProcess{initProcess, {pid: 5, comm: "runsc-sandbox", cgroup: app.cgroup, exe: "/empty"}}, kinds: []fact.Kind{fact.Processes}, read: []fact.Kind{fact.Processes},
			gaps: []fact.NodeGap{{What: fact.Processes, Container: container, Reason: fact.Unsupported, Detail: `only "runsc-sandbox" of a sandboxed runtime runs for it; what is inside cannot be seen from the node`}},
		},
		"/dev on no tmpfs is not looked into": {
			processes: []fakeProcess{initProcess, {pid: 5, comm: "a", cgroup: app.cgroup, mounts: "20 1 0:9 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/u\n22 20 0:8 / /dev rw - fuse.sshfs sshfs rw\n"}},
			kinds:     []fact.Kind{fact.Devices}, read: []fact.Kind{fact.Devices},
			gaps: []fact.NodeGap{{What: fact.Devices, Container: container, Reason: fact.Unsupported, Detail: `its /dev is on "fuse.sshfs", not on tmpfs or devtmpfs`}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := nodeFixture(t, tc.processes, "-- empty --\n")
			if tc.spoil != nil {
				if err := tc.spoil(dir); err != nil {
					t.Fatal(err)
				}
			}
			m := read(t, dir, fact.LevelFull, tc.kinds...)
			for i := range m.Gaps {
				m.Gaps[i].Detail = strings.ReplaceAll(m.Gaps[i].Detail, dir, "DIR")
			}
			if diff := cmp.Diff(tc.gaps, m.Gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.read, m.Read); diff != "" {
				t.Errorf("read (-want +got):\n%s", diff)
			}
		})
	}
}

// Whenever it is asked, a collector tells what it has, and that the rest is
// missing.
func TestSnapshotBeforeTheEnd(t *testing.T) {
	dir := nodeFixture(t, []fakeProcess{initProcess}, "")
	c, err := New(Options{Level: fact.LevelFull, Root: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	before := c.Snapshot()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c.Run(ctx)
	for name, m := range map[string]*fact.Measurement{"before Run": before, "after a Run without time": c.Snapshot()} {
		missing := map[fact.Kind]fact.Reason{}
		for _, gap := range m.Gaps {
			missing[gap.What] = gap.Reason
		}
		for _, k := range nodeTable() {
			if m.HasRead(k.Kind) == (missing[k.Kind] == fact.Timeout) {
				t.Errorf("%s: %s is read %v and has gap %q", name, k.Kind, m.HasRead(k.Kind), missing[k.Kind])
			}
		}
		if m.HasRead(fact.Processes) {
			t.Errorf("%s: processes are called read", name)
		}
	}
}

// Run and Snapshot at once: the race detector's test.
func TestSnapshotWhileRunning(t *testing.T) {
	processes := []fakeProcess{initProcess}
	for i := range 40 {
		processes = append(processes, fakeProcess{pid: 100 + i, comm: "p", cgroup: fmt.Sprintf("0::/docker/%064x\n", i/2)})
	}
	dir := nodeFixture(t, processes, "-- usr/bin/p --\nx\n")
	c, err := New(Options{Level: fact.LevelFull, Root: dir})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); c.Run(context.Background()) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		m := c.Snapshot()
		for _, k := range nodeTable() {
			gap := slices.ContainsFunc(m.Gaps, func(g fact.NodeGap) bool { return g.What == k.Kind && g.Container == "" })
			if !m.HasRead(k.Kind) && !gap {
				t.Fatalf("%s is neither read nor missing", k.Kind)
			}
		}
	}
	if m := c.Snapshot(); len(m.Containers) != 20 || !m.HasRead(fact.Executables) {
		t.Errorf("%d containers, read %v", len(m.Containers), m.Read)
	}
	c.Close()
}

func TestNewErrors(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/file", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		opts Options
		want string
		is   error
	}{
		"no such root":         {opts: Options{Level: fact.LevelFull, Root: dir + "/none"}, want: "opening the node's root directory: open DIR/none: no such file or directory", is: fs.ErrNotExist},
		"a file as root":       {opts: Options{Level: fact.LevelFull, Root: dir + "/file"}, want: "opening the node's root directory: open DIR/file: not a directory", is: unix.ENOTDIR},
		"no such proc":         {opts: Options{Level: fact.LevelFull, Proc: dir + "/none"}, want: "opening the node's /proc: open DIR/none: no such file or directory", is: fs.ErrNotExist},
		"nothing at all":       {opts: Options{Level: fact.LevelFull}, want: "neither Root nor Proc is given"},
		"level api reads none": {opts: Options{Level: fact.LevelAPI, Root: dir}, want: `level "api": expected "proc" or "full"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Local(context.Background(), tc.opts)
			if err == nil || strings.ReplaceAll(err.Error(), dir, "DIR") != tc.want || tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("error %v\nwant  %s", err, tc.want)
			}
		})
	}
}

// nodeTable is the table of kinds that a node gives to a probe of level full. Those of
// level net have a program of their own.
func nodeTable() []fact.KindInfo {
	return slices.DeleteFunc(slices.Clone(fact.Table), func(k fact.KindInfo) bool { return !slices.Contains(fact.KindsAt(fact.LevelFull), k.Kind) })
}

// What level proc does not read is one gap a kind, which names the way to it.
func TestLevelProc(t *testing.T) {
	const cpu = "-- sys/devices/system/cpu/vulnerabilities/mds --\nNot affected\n"
	m := read(t, nodeFixture(t, []fakeProcess{initProcess}, cpu), fact.LevelProc)
	want := levelProcGaps(fact.Processes, fact.Mounts)
	for _, kind := range fact.Subtract(fact.NodeKinds(), fact.KindsAt(fact.LevelProc)) {
		want = append(want, fact.NodeGap{What: kind, Reason: fact.NotRequested, Detail: "not read at probe level proc"})
	}
	if diff := cmp.Diff(want, m.Gaps); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]fact.Kind{fact.Processes, fact.Mounts, fact.CPU}, m.Read); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	if m.HostUserNS != 0 {
		t.Error("a namespace was read at level proc")
	}
}

// Every kind that a node has is some reader's: without one it would be unread for
// ever, with no test to say so.
func TestEveryKindHasAReader(t *testing.T) {
	m := read(t, nodeFixture(t, []fakeProcess{initProcess, {pid: 5, comm: "a", cgroup: "0::/docker/" + idA + "\n"}}, "-- usr/bin/a --\nx\n"), fact.LevelFull)
	for _, g := range m.Gaps {
		if g.Reason == fact.Timeout {
			t.Errorf("nobody settles %s", g.What)
		}
	}
	named := map[fact.Kind]bool{}
	for _, r := range slices.Concat(safe, slow[0], slow[1]) {
		for _, kind := range r.Kinds() {
			named[kind] = true
		}
	}
	for _, k := range nodeTable() {
		if !named[k.Kind] && k.Holder != fact.OfHost { // the host's reader always runs
			t.Errorf("no reader names %s, so that it is not run where that alone is asked for", k.Kind)
		}
	}
}

// A container that has ended since it was listed is dropped without a gap, and its
// parent outside of it is known while it is there.
func TestEndedMeanwhile(t *testing.T) {
	dir := nodeFixture(t, []fakeProcess{
		initProcess,
		{pid: 5, ppid: 1, comm: "a", cgroup: "0::/docker/" + idA + "\n"},
		{pid: 6, ppid: 5, comm: "a", cgroup: "0::/docker/" + idA + "\n"},
		{pid: 7, ppid: 1, comm: "b", cgroup: "0::/docker/" + idB + "\n"},
	}, "-- usr/bin/a --\nx\n-- usr/bin/b --\nx\n")
	r, err := New(Options{Level: fact.LevelFull, Root: dir, Kinds: []fact.Kind{fact.Processes, fact.Executables}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	r.readSafe(t.Context())
	outside := map[int]bool{}
	for _, p := range r.table.Processes {
		outside[p.PID] = p.ParentOutside
	}
	if diff := cmp.Diff(map[int]bool{1: false, 5: true, 6: false, 7: true}, outside); diff != "" {
		t.Errorf("parent outside, by pid (-want +got):\n%s", diff)
	}
	if n := len(r.Snapshot().Containers); n != 2 {
		t.Fatalf("%d containers, want 2", n)
	}
	if err := os.RemoveAll(dir + "/proc/7"); err != nil {
		t.Fatal(err)
	}
	r.readSlow(t.Context())
	m := r.Snapshot()
	if len(m.Containers) != 1 || m.Containers[0].ID != idA || slices.ContainsFunc(m.Gaps, func(g fact.NodeGap) bool { return g.Container == idB }) {
		t.Errorf("containers %+v, gaps %+v", m.Containers, m.Gaps)
	}
}

// A pid that another process has by now is not read as the first one's: not the
// process itself, and not a container's parent, in whose mounts layers are looked up.
func TestReusedPID(t *testing.T) {
	const mounts = "20 1 0:9 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/u,workdir=/w\n"
	before := []fakeProcess{
		initProcess,
		{pid: 5, ppid: 1, comm: "a", start: 3, cgroup: "0::/docker/" + idA + "\n", mounts: mounts, root: "/c"},
		{pid: 6, ppid: 8, comm: "b", start: 3, cgroup: "0::/docker/" + idB + "\n", mounts: mounts, root: "/c2", ns: "1002"},
		{pid: 8, ppid: 1, comm: "shim", start: 2, root: "/shim", ns: "1003", cgroup: "0::/x.slice/x.service\n"},
	}
	files := "-- c/usr/bin/a --\nx\n-- c2/usr/bin/b --\nx\n-- shim/u/usr/bin/evil --\nx\n-- shim/l/usr/bin/b --\nx\n"
	for name, reused := range map[string]int{"the process": 5, "its parent": 8} {
		t.Run(name, func(t *testing.T) {
			dir := nodeFixture(t, before, files)
			r, err := New(Options{Level: fact.LevelFull, Root: dir, Kinds: []fact.Kind{fact.Processes, fact.Executables, fact.Upperdir}})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			r.readSafe(t.Context())
			stat := fmt.Sprintf("%s/proc/%d/stat", dir, reused)
			data, err := os.ReadFile(stat)
			if err != nil {
				t.Fatal(err)
			}
			changed := strings.Replace(strings.Replace(string(data), " 3 1000 10 ", " 9 1000 10 ", 1), " 2 1000 10 ", " 9 1000 10 ", 1)
			if err := os.WriteFile(stat, []byte(changed), 0o644); err != nil || changed == string(data) {
				t.Fatalf("%v: %q", err, changed)
			}
			r.readSlow(t.Context())
			m := r.Snapshot()
			walked := map[string]bool{}
			for _, ct := range m.Containers {
				if ct.FoundBy == fact.FoundByCgroup {
					walked[ct.ID] = ct.Upper != nil
				}
			}
			want := map[string]map[string]bool{"the process": {idB: true}, "its parent": {idA: false, idB: false}}[name]
			if diff := cmp.Diff(want, walked); diff != "" {
				t.Errorf("containers whose writable layer was walked (-want +got):\n%s", diff)
			}
		})
	}
}

// Where no kind that is asked for can be read from processes, none is looked at.
func TestNoProcessesNeeded(t *testing.T) {
	dir := nodeFixture(t, []fakeProcess{initProcess, {pid: 5, comm: "a", cgroup: "0::/docker/" + idA + "\n"}}, "-- usr/bin/a --\nx\n")
	for name, tc := range map[string]struct {
		level fact.Level
		kind  fact.Kind
	}{
		"a kind of the host": {fact.LevelFull, fact.Kernel}, "a kind beyond the level": {fact.LevelProc, fact.Executables},
	} {
		t.Run(name, func(t *testing.T) {
			m := read(t, dir, tc.level, tc.kind)
			if len(m.Containers) > 0 || m.Cost.Processes > 0 || m.HostProcesses > 0 || m.HostCapBnd != (fact.CapMask{}) {
				t.Errorf("%d containers, %d processes", len(m.Containers), m.Cost.Processes)
			}
			if m.CapLastCap == nil || m.Host.BootTime.IsZero() {
				t.Errorf("what belongs to the node as a whole was not read: %v, %v", m.CapLastCap, m.Host.BootTime)
			}
		})
	}
}

// Package rootfs is the only one that knows an operating system: whatever reads a
// node is built on it.
func TestOneSeam(t *testing.T) {
	packages := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "hosttest") || strings.Contains(path, "testdata") {
			return err
		}
		packages++
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, i := range file.Imports {
			switch name := strings.Trim(i.Path.Value, `"`); {
			case name == "os", name == "syscall", name == "unsafe", strings.HasPrefix(name, "os/"), strings.HasPrefix(name, "golang.org/x/sys"):
				t.Errorf("%s imports %s", path, name)
			}
		}
		if strings.HasSuffix(path, "_linux.go") {
			t.Errorf("%s is for Linux alone", path)
		}
		return nil
	})
	if err != nil || packages < 20 {
		t.Errorf("%d files, %v", packages, err)
	}
}
