package node

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// startNode starts containers on this machine, as a runtime would: each with a mount
// namespace, an overlay with a writable layer with six files, 20 more mounts, a cgroup with its id,
// and ten processes.
//
// It returns a /proc that shows these containers and nothing else that runs here, and
// their directories, by the ends of their cgroups' paths. Other containers of this
// machine would be looked into as well, and what plainReads reads would not be the same.
func startNode(b *testing.B, containers, each int) (proc string, dirs map[string]string) {
	b.Helper()
	if os.Geteuid() != 0 {
		b.Skip("starting containers needs root")
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		b.Skip("busybox is not installed (Debian package busybox-static)")
	}
	top := b.TempDir()
	controller := "/sys/fs/cgroup/devices"
	pod := fmt.Sprintf("%s/checklist-bench-%d", controller, os.Getpid())
	if err := os.MkdirAll(filepath.Join(top, "image", "bin"), 0o755); err != nil {
		b.Fatal(err)
	}
	for i := range 18 {
		_ = os.MkdirAll(filepath.Join(top, "image", "mnt", fmt.Sprint(i+1)), 0o755)
	}
	for _, dir := range []string{"proc", "dev", "sys", "mnt/d"} {
		_ = os.MkdirAll(filepath.Join(top, "image", dir), 0o755)
	}
	for _, dir := range []string{"etc", "tmp", "var/log", "var/lib/app"} {
		_ = os.MkdirAll(filepath.Join(top, "image", dir), 0o755)
		for i := range 20 {
			_ = os.WriteFile(filepath.Join(top, "image", dir, fmt.Sprintf("f%d", i)), []byte("x\n"), 0o644)
		}
	}
	program, err := os.ReadFile(busybox)
	if err == nil {
		err = os.WriteFile(filepath.Join(top, "image", "bin", "busybox"), program, 0o755)
	}
	if err != nil {
		b.Fatal(err)
	}
	var started []*exec.Cmd
	var groups []string
	proc, dirs = filepath.Join(top, "proc"), map[string]string{}
	if err := os.Mkdir(proc, 0o755); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = unix.Unmount(proc, unix.MNT_DETACH)
		for _, cmd := range started {
			_ = cmd.Process.Kill() // the first is pid 1 of its namespace: the others end with it
			_ = cmd.Wait()
		}
		for _, dir := range append(groups, pod) {
			for range 100 {
				if err := os.Remove(dir); err == nil || errors.Is(err, fs.ErrNotExist) {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
		}
	})
	start := func(cmd *exec.Cmd) {
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			b.Fatal(err)
		}
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			b.Skip("making a pid namespace needs root: ", err)
		}
		started = append(started, cmd)
		if line, _ := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
			b.Skip("mounting an overlay needs root")
		}
	}
	first := exec.Command("sh", "-ec", `mount -t proc proc "$0"; echo ready; exec sleep 3600`, proc)
	first.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID}
	start(first)
	for i := range containers {
		dir := filepath.Join(top, fmt.Sprint(i))
		group := fmt.Sprintf("%s/%064x", pod, i+1)
		for _, d := range []string{dir + "/upper", dir + "/work", dir + "/root", group} {
			if err := os.MkdirAll(d, 0o755); err != nil {
				b.Skip("making a cgroup needs the devices controller of version 1: ", err)
			}
		}
		groups = append(groups, group)
		dirs[strings.TrimPrefix(group, controller)] = dir
		script := `cd "$0"
echo 0 >"$1/cgroup.procs"
mount -t overlay overlay -o "lowerdir=$3,upperdir=$0/upper,workdir=$0/work" root
mount -t proc proc root/proc
mount -t tmpfs tmpfs root/dev
echo >root/dev/null
mount --bind /dev/null root/dev/null
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18; do mount --bind root/mnt/d "root/mnt/$i"; done
mkdir root/old
cd root
pivot_root . old
cd /
/bin/busybox umount -l /old
/bin/busybox rmdir /old
/bin/busybox mkdir -p /run/app
for f in etc/app.conf etc/f1 tmp/x var/log/app.log var/lib/app/state run/app/pid; do echo y >/$f; done
i=1
while [ $i -lt "$2" ]; do /bin/busybox sleep 3600 >/dev/null & i=$((i+1)); done
echo ready
exec /bin/busybox sleep 3600`
		start(exec.Command("nsenter", "-t", fmt.Sprint(first.Process.Pid), "-p", "unshare", "-m", "-p", "-f", "sh", "-ec", script, dir, group, fmt.Sprint(each), filepath.Join(top, "image")))
	}
	return proc, dirs
}

// plainReads reads what the collector reads, with the standard library, and looks at
// none of it: what to compare with. It returns the number of processes.
func plainReads(b *testing.B, proc string, level fact.Level, layers bool, dirs map[string]string) (processes int) {
	entries, err := os.ReadDir(proc)
	if err != nil {
		b.Fatal(err)
	}
	done := map[string]bool{}
	full := level == fact.LevelFull
	for _, e := range entries {
		if e.Name()[0] < '0' || e.Name()[0] > '9' {
			continue
		}
		dir := proc + "/" + e.Name() + "/"
		var group []byte
		for _, name := range []string{"stat", "status", "cgroup", "uid_map"} {
			data, _ := os.ReadFile(dir + name)
			if name == "cgroup" {
				group = data
			}
		}
		processes++
		if full {
			for _, name := range []string{"ns/mnt", "ns/user", "ns/pid", "ns/net", "ns/ipc", "exe"} {
				_, _ = os.Readlink(dir + name)
			}
			_, _ = os.Stat(dir + "root")
		}
		_, path, ok := strings.Cut(string(group), ":devices:")
		path, _, _ = strings.Cut(path, "\n")
		on := dirs[path]
		if !ok || on == "" {
			continue
		}
		if full {
			_, _ = os.Stat(dir + "exe")
			_, _ = os.Lstat(on + "/upper/bin/busybox")
			_, _ = os.Lstat(on + "/../image/bin/busybox")
			_, _ = os.ReadFile(dir + "cmdline") // busybox can run scripts
			_, _ = os.ReadFile(dir + "maps")
			_, _ = os.ReadFile(dir + "status") // again, against exec
		}
		if done[path] {
			continue
		}
		done[path] = true
		_, _ = os.ReadFile(dir + "mountinfo")
		if full {
			_ = filepath.WalkDir(dir+"root/dev", func(string, fs.DirEntry, error) error { return nil })
			_, _ = os.ReadFile("/sys/fs/cgroup/devices" + path + "/devices.list")
			if layers {
				_ = filepath.WalkDir(on+"/upper", func(name string, e fs.DirEntry, err error) error {
					below := strings.TrimPrefix(name, on+"/upper")
					_, _ = os.Lstat(on + "/../image" + below)
					if err == nil && e.IsDir() {
						_, _ = os.Lstat(dir + "root" + below)
					} else {
						_, _ = os.ReadFile(name)
					}
					return nil
				})
			}
			for i := range 18 {
				_, _ = os.Lstat(dir + "root/mnt/" + fmt.Sprint(i+1))
			}
		}
	}
	return processes
}

// BenchmarkNode compares, turn by turn, the collector with the same reads and nothing
// else, on a node with 500 processes in 50 containers. Turn by turn, because other
// programs share this machine's caches and processors.
func BenchmarkNode(b *testing.B) {
	proc, dirs := startNode(b, 50, 10)
	for _, tc := range []struct {
		name  string
		level fact.Level
		kinds []fact.Kind
	}{
		{"proc", fact.LevelProc, []fact.Kind{fact.Processes, fact.Mounts}},
		{"without layers", fact.LevelFull, []fact.Kind{fact.Processes, fact.Mounts, fact.Executables, fact.Devices}},
		{"full", fact.LevelFull, fact.Subtract(fact.KindsOf(fact.OfContainer), []fact.Kind{fact.Images})},
	} {
		b.Run(tc.name, func(b *testing.B) {
			var plain, ours time.Duration
			processes := 0
			var m *fact.Measurement
			for b.Loop() {
				at := cpuTime(b)
				processes = plainReads(b, proc, tc.level, slices.Contains(tc.kinds, fact.Upperdir), dirs)
				between := cpuTime(b)
				var err error
				if m, err = Local(context.Background(), Options{Level: tc.level, Proc: proc, Root: "/", Live: true, Kinds: tc.kinds}); err != nil {
					b.Fatal(err)
				}
				plain, ours = plain+between-at, ours+cpuTime(b)-between
			}
			if n := len(m.Containers); n != 50 || processes < 500 {
				b.Fatalf("%d processes in %d containers", processes, n)
			}
			if tc.level == fact.LevelFull {
				inImage := 0
				for _, ct := range m.Containers {
					if slices.Contains(tc.kinds, fact.Upperdir) && (ct.Upper == nil || ct.Upper.Entries < 6) {
						b.Errorf("the writable layer of %s: found %+v, want at least six files", ct.ID, ct.Upper)
					}
					for _, p := range ct.Processes {
						if p.Exe != nil && p.Exe.Path == "/bin/busybox" && p.Exe.Origin == fact.OriginImage {
							inImage++
						}
					}
				}
				if inImage != 500 {
					b.Errorf("%d processes run a program of their image, want 500", inImage)
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(processes), "processes")
			b.ReportMetric(float64(plain.Microseconds())/float64(b.N)/1000, "plain-cpu-ms")
			b.ReportMetric(float64(ours.Microseconds())/float64(b.N)/1000, "cpu-ms")
			b.ReportMetric(float64(ours)/float64(plain), "times")
		})
	}
	b.Run("pscap", func(b *testing.B) { benchmarkPscap(b) })
}

// benchmarkPscap compares level proc with libcap-ng's program, which lists the
// capabilities of all processes. Ours has no start of a program in its time, theirs
// no mounts and no containers.
func benchmarkPscap(b *testing.B) {
	pscap, err := exec.LookPath("pscap")
	if err != nil {
		b.Skip("pscap is not installed (Debian package libcap-ng-utils)")
	}
	var wall, cpu [2]time.Duration
	for b.Loop() {
		begun := time.Now()
		cmd := exec.Command(pscap, "-a")
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
		wall[0] += time.Since(begun)
		cpu[0] += cmd.ProcessState.SystemTime() + cmd.ProcessState.UserTime()
		begun = time.Now()
		at := cpuTime(b)
		if _, err := Local(context.Background(), Options{Level: fact.LevelProc, Proc: "/proc", Root: "/", Live: true, Kinds: []fact.Kind{fact.Processes, fact.Mounts}}); err != nil {
			b.Fatal(err)
		}
		wall[1] += time.Since(begun)
		cpu[1] += cpuTime(b) - at
	}
	b.ReportMetric(0, "ns/op")
	for i, name := range []string{"pscap-", ""} {
		b.ReportMetric(float64(wall[i].Microseconds())/float64(b.N)/1000, name+"wall-ms")
		b.ReportMetric(float64(cpu[i].Microseconds())/float64(b.N)/1000, name+"cpu-ms")
	}
	b.ReportMetric(float64(wall[1])/float64(wall[0]), "wall-times")
	b.ReportMetric(float64(cpu[1])/float64(cpu[0]), "cpu-times")
}

// BenchmarkLinear reads directories that look like /proc: the time for a process must
// not grow with their number.
func BenchmarkLinear(b *testing.B) {
	for _, n := range []int{500, 2000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			processes := []fakeProcess{initProcess}
			for i := range n {
				processes = append(processes, fakeProcess{
					pid: 100 + i, ppid: 1, comm: "p", start: i, mounts: benchmarkMounts(),
					cgroup: fmt.Sprintf("0::/kubepods/burstable/pod%s/%064x\n", podUID, i/10),
				})
			}
			dir := nodeFixture(b, processes, "")
			var spent time.Duration
			for b.Loop() {
				at := cpuTime(b)
				if m := read(b, dir, fact.LevelProc, fact.Processes, fact.Mounts); m.Cost.Processes != n+1 || len(m.Containers) != n/10 {
					b.Fatalf("%d processes in %d containers", m.Cost.Processes, len(m.Containers))
				}
				spent += cpuTime(b) - at
			}
			b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N)/float64(n)/1000, "cpu-us/process")
		})
	}
}
