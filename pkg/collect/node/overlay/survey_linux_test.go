package overlay

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/ledger"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// passOfPIDs is a pass over one container of these processes, as the readers before
// this one fill it.
func passOfPIDs(t testing.TB, pids ...int) *reader.Pass {
	t.Helper()
	open := func(name string) *rootfs.Root {
		root, err := rootfs.Open(name)
		must(t, err)
		t.Cleanup(func() { _ = root.Close() })
		return root
	}
	host := open("/")
	table := &proctable.Table{FS: proctable.FS{Dir: open("/proc"), Node: host, Live: true}, Root: host, Self: open("/proc/self"), Level: fact.LevelFull, Boot: time.Now().Add(-time.Hour)}
	table.Mounts = &proctable.MountTable{Mounts: mountsOf(t, os.Getpid())}
	ct := &proctable.Container{}
	ct.Identity.ID = "a"
	mc := fact.MeasuredContainer{ID: "a"}
	tables := map[string]*proctable.MountTable{}
	for _, pid := range pids {
		d, err := table.Open(pid)
		must(t, err)
		p := &proctable.Process{PID: pid}
		p.Stat, err = d.Stat(nil)
		must(t, err)
		p.Status, err = d.Status(nil)
		must(t, err)
		p.NS.Mnt, err = d.Namespace(procfs.NameNSMnt)
		must(t, err)
		p.Root, err = d.RootKey()
		must(t, err)
		key := fmt.Sprint(p.NS.Mnt, p.Root)
		if tables[key] == nil {
			tables[key], _ = d.Mounts(nil, 1<<20)
		}
		p.Mounts = tables[key]
		d.Close()
		ct.Processes = append(ct.Processes, p)
		mc.Processes = append(mc.Processes, fact.Process{PID: pid, Label: "kept", Moved: "kept", Threads: &fact.Threads{Count: 7}})
	}
	table.Containers, table.Processes = []*proctable.Container{ct}, ct.Processes
	pass := reader.NewPass(table, ledger.New(fact.LevelFull, []fact.Kind{fact.Executables, fact.Upperdir}))
	pass.Ledger.Publish([]fact.MeasuredContainer{mc})
	return pass
}

func TestReadContainer(t *testing.T) {
	needMounts(t)
	layer := realImage(t, "/bin/sleep", "/bin/bash")
	loader, _ := ldso(t, layer)
	layer["usr/bin/python3"] = string(pauseELF("python"))
	c := newContainer(t, layout{image: []map[string]string{layer}})
	must(t, os.WriteFile(c.path("/tmp/prog"), []byte(layer["bin/sleep"]), 0o644))
	must(t, os.WriteFile(c.path("/tmp/x.py"), []byte("print(1)\n"), 0o644))
	must(t, os.Chmod(c.path("/bin/sleep"), 0o4755|os.ModeSetuid))
	byLoader := c.start(loader, "/tmp/prog", "99")
	script := c.run(request{Op: "unshare", Exe: "/usr/bin/python3", Args: []string{"python3", "/tmp/x.py", "--password=hunter2"}})
	suid := c.start("/bin/sleep", "99")
	gone := c.start("/bin/sleep", "99")
	for _, pid := range []int{byLoader, suid} {
		waitForMaps(t, pid)
	}
	pass := passOfPIDs(t, byLoader, script, suid, gone)
	must(t, syscall.Kill(gone, syscall.SIGKILL))
	waitFor(t, func() bool {
		_, err := os.Readlink(procName(gone, "exe"))
		return err != nil
	})
	Reader{}.Read(t.Context(), pass)
	m := pass.Ledger.Snapshot()
	if len(m.Gaps) > 0 || !m.HasRead(fact.Executables) {
		t.Fatalf("read %v, gaps %+v", m.Read, m.Gaps)
	}
	if text, err := json.Marshal(m); err != nil || strings.Contains(string(text), "hunter2") {
		t.Errorf("an argument is kept: %s, %v", text, err)
	}
	// summary is what of a process matters here.
	type summary struct {
		Exe, Gained, Kept string
		Scripts, Mapped   []string
		Count             int
	}
	got := map[int]summary{}
	for _, p := range m.Containers[0].Processes {
		s := summary{Exe: string(p.Exe.Origin) + " " + p.Exe.Path, Gained: p.Exe.Gained, Kept: p.Label + p.Moved + fmt.Sprint(p.Threads.Count), Count: p.Mapped.Count}
		for _, f := range p.Scripts {
			s.Scripts = append(s.Scripts, string(f.Origin)+" "+f.Path)
		}
		for _, f := range p.Mapped.Files {
			s.Mapped = append(s.Mapped, string(f.Origin)+" "+f.Path)
		}
		got[p.PID] = s
	}
	want := map[int]summary{
		byLoader: {Exe: "image " + loader, Mapped: []string{"added /tmp/prog"}, Count: 2, Kept: "keptkept7"},
		script:   {Exe: "image /usr/bin/python3", Scripts: []string{"added /tmp/x.py"}, Kept: "keptkept7"},
		suid:     {Exe: "metadata /bin/sleep", Gained: "set-user-ID (mode 4755, in the image 0755)", Count: 2, Kept: "keptkept7"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("processes (-want +got):\n%s", diff)
	}
}

// An added line in /etc/ld.so.preload: the file is found in upper, and the library
// where it is mapped.
func TestPreload(t *testing.T) {
	needMounts(t)
	layer := realImage(t, "/bin/sleep")
	_, libc := ldso(t, layer)
	c := newContainer(t, layout{image: []map[string]string{layer}})
	must(t, os.WriteFile(c.path("/etc/x.so"), []byte(layer[libc[1:]]), 0o644))
	must(t, os.WriteFile(c.path("/etc/ld.so.preload"), []byte("/etc/x.so\n"), 0o644))
	pid := c.start("/bin/sleep", "99")
	waitForMaps(t, pid)
	pass := passOfPIDs(t, pid)
	Reader{}.Read(t.Context(), pass)
	m := pass.Ledger.Snapshot()
	mapped := m.Containers[0].Processes[0].Mapped
	if len(m.Gaps) > 0 || mapped.FileCount != 1 || mapped.Files[0].Path != "/etc/x.so" || mapped.Files[0].Origin != fact.OriginAdded {
		t.Errorf("gaps %+v, mapped %+v", m.Gaps, mapped)
	}
	var upper []string
	for _, f := range m.Containers[0].Upper.Files {
		upper = append(upper, fmt.Sprintf("%s %s %s", f.Kind, f.Origin, f.Path))
	}
	if diff := cmp.Diff([]string{"loader added /etc/ld.so.preload", "library added /etc/x.so"}, upper); diff != "" {
		t.Errorf("upper (-want +got):\n%s", diff)
	}
}

// A process that calls exec between the two steps is read again.
func TestExecBetweenSteps(t *testing.T) {
	needMounts(t)
	c := newContainer(t, layout{image: []map[string]string{realImage(t, "/bin/sleep", "/bin/bash")}})
	must(t, unix.Mkfifo(c.path("/tmp/fifo"), 0o600))
	pid := c.start("/bin/bash", "-c", "read x < /tmp/fifo; exec /bin/sleep 99")
	fifo, err := os.OpenFile(c.path("/tmp/fifo"), os.O_WRONLY, 0) // waits for the reader
	must(t, err)
	pass := passOfPIDs(t, pid)
	v := &survey{pass: pass, layers: map[*proctable.Container]*shared{pass.Containers[0]: newShared(nil)}}
	defer v.close()
	exe := func() string {
		exe := pass.Ledger.Snapshot().Containers[0].Processes[0].Exe
		if exe == nil {
			return ""
		}
		return exe.Path
	}
	pass.EachContainer(t.Context(), fact.Executables, v.executables)
	if exe() != "/bin/bash" && exe() != "/usr/bin/bash" {
		t.Fatalf("first it runs %q", exe())
	}
	_, err = fifo.WriteString("go\n")
	must(t, err)
	must(t, fifo.Close())
	waitForMaps(t, pid)
	buf := make([]byte, reader.BufferSize)
	v.code(t.Context(), pass.Containers[0], buf)
	p := pass.Ledger.Snapshot().Containers[0].Processes[0]
	if exe() != "/bin/sleep" && exe() != "/usr/bin/sleep" || p.Mapped == nil || p.Comm != "sleep" {
		t.Errorf("then it runs %q as %q, mapped %v", exe(), p.Comm, p.Mapped)
	}
}

// An executable on a server that shows it to nobody else names the mount.
func TestExecutableRefused(t *testing.T) {
	pass := passOfPIDs(t, os.Getpid())
	ct := pass.Containers[0]
	ct.Processes[0].Mounts = &proctable.MountTable{Mounts: []procfs.MountInfo{
		{ID: 1, Point: "/", FSType: "overlay"}, {ID: 2, Parent: 1, Point: "/data", FSType: "fuse.s3"},
	}}
	v := &survey{pass: pass}
	v.refused(ct, ct.Processes[0], "/data/app", unix.EACCES)
	v.refused(ct, ct.Processes[0], "/bin/app", unix.EACCES)
	pid := os.Getpid()
	want := []fact.NodeGap{
		{What: fact.Executables, Container: "a", Reason: fact.Unsupported, Detail: fmt.Sprintf(`pid %d: its executable is on the fuse.s3 mount at "/data", whose server does not show it: permission denied`, pid)},
		{What: fact.Executables, Container: "a", Reason: fact.Unreadable, Detail: fmt.Sprintf("pid %d: permission denied", pid)},
	}
	got := slices.DeleteFunc(pass.Ledger.Snapshot().Gaps, func(g fact.NodeGap) bool { return g.What != fact.Executables || g.Reason == fact.Timeout })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
}

// BenchmarkCode reads what 500 processes of one container run.
func BenchmarkCode(b *testing.B) {
	needMounts(b)
	c := newContainer(b, layout{image: []map[string]string{realImage(b, "/bin/sleep")}})
	var pids []int
	for range 500 {
		pids = append(pids, c.start("/bin/sleep", "999"))
	}
	waitForMaps(b, pids[len(pids)-1])
	for _, kind := range []string{"executables", "code"} {
		b.Run(kind, func(b *testing.B) {
			pass := passOfPIDs(b, pids...)
			buf := make([]byte, reader.BufferSize)
			b.ReportAllocs()
			for b.Loop() {
				v := &survey{pass: pass, layers: map[*proctable.Container]*shared{pass.Containers[0]: newShared(nil)}}
				if kind == "code" {
					v.code(b.Context(), pass.Containers[0], buf)
				} else {
					v.executables(b.Context(), pass.Containers[0], buf)
				}
				v.close()
			}
		})
	}
	b.Run("maps, read only", func(b *testing.B) {
		buf := make([]byte, reader.BufferSize)
		for b.Loop() {
			for _, pid := range pids {
				f, err := os.Open(procName(pid, "maps"))
				must(b, err)
				for {
					if n, err := f.Read(buf); n == 0 || err != nil {
						break
					}
				}
				_ = f.Close()
			}
		}
	})
}
