package node

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// A stage starts processes in containers and sandboxes of all kinds on this machine.
// Each runs sleep for a time of its own, by which it is found again.
type stage struct {
	t      *testing.T
	dir    string // for files
	root   string // a root file system with busybox
	next   int
	naps   map[string]int // what runs, by name: how long it sleeps
	groups []string       // cgroups to remove
}

// napTime is longer than a test, and in no other program's arguments.
const napTime = 7_340_000

func newStage(t *testing.T) *stage {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("containers need root")
	}
	busybox := needTool(t, "busybox", "busybox-static")
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // for users in namespaces
		t.Fatal(err)
	}
	s := &stage{t: t, dir: dir, naps: map[string]int{}, next: napTime + os.Getpid()%10_000*100}
	s.root = s.rootfs("rootfs", busybox)
	t.Cleanup(func() {
		for pid := range s.sleeping() {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		if !eventually(func() bool { // a cgroup is busy until its last process is gone
			s.groups = slices.DeleteFunc(s.groups, func(dir string) bool {
				err := unix.Rmdir(dir)
				return err == nil || err == unix.ENOENT
			})
			return len(s.groups) == 0
		}) {
			t.Errorf("cgroups that could not be removed: %v", s.groups)
		}
	})
	return s
}

// rootfs makes a directory with busybox.
func (s *stage) rootfs(name, busybox string) string {
	s.t.Helper()
	dir := filepath.Join(s.dir, name)
	for _, sub := range []string{"bin", "proc", "dev", "sys", "tmp", "etc", "usr", "run", "old"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			s.t.Fatal(err)
		}
	}
	data, err := os.ReadFile(busybox)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bin/busybox"), data, 0o755); err != nil {
		s.t.Fatal(err)
	}
	for _, applet := range []string{"sh", "sleep", "chroot"} {
		if err := os.Symlink("busybox", filepath.Join(dir, "bin", applet)); err != nil {
			s.t.Fatal(err)
		}
	}
	return dir
}

// nap is the argument for the sleep of a new process.
func (s *stage) nap(name string) string {
	s.next++
	s.naps[name] = s.next
	return strconv.Itoa(s.next)
}

// start runs a program that becomes, or starts, the process that sleeps.
func (s *stage) start(program string, args ...string) {
	s.t.Helper()
	cmd := exec.Command(program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
		_ = cmd.Wait()
		if s.t.Failed() && out.Len() > 0 {
			s.t.Logf("%s %v: %s", program, args, &out)
		}
	})
}

// sleeping finds the processes that sleep, by pid.
func (s *stage) sleeping() map[int]string {
	names := map[string]string{}
	for name, nap := range s.naps {
		names[strconv.Itoa(nap)] = name
	}
	found := map[int]string{}
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		data, _ := os.ReadFile(file)
		words := strings.Split(strings.TrimSuffix(string(data), "\x00"), "\x00")
		if len(words) != 2 || filepath.Base(words[0]) != "sleep" || names[words[1]] == "" {
			continue
		}
		pid, err := strconv.Atoi(strings.Split(file, "/")[2])
		if err == nil {
			found[pid] = names[words[1]]
		}
	}
	return found
}

// wait returns the pids of all that was started, by name.
func (s *stage) wait() map[string]int {
	s.t.Helper()
	pids := map[string]int{}
	if eventually(func() bool {
		for pid, name := range s.sleeping() {
			pids[name] = pid
		}
		return len(pids) == len(s.naps)
	}) {
		return pids
	}
	for name := range s.naps {
		if pids[name] == 0 {
			s.t.Errorf("%q does not run", name)
		}
	}
	s.t.FailNow()
	return nil
}

// measure reads this machine.
func (s *stage) measure() *fact.Measurement {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), tooLong)
	defer cancel()
	m, err := Local(ctx, Options{Level: fact.LevelFull, Proc: "/proc", Root: "/", Live: true, Kinds: []fact.Kind{fact.Processes}})
	if err != nil {
		s.t.Fatal(err)
	}
	return m
}

// runc starts a container. change edits its configuration.
func (s *stage) runc(name string, change func(config map[string]any)) {
	s.t.Helper()
	s.oci(needTool(s.t, "runc", "runc"), name, change)
}

func (s *stage) oci(runtime, name string, change func(config map[string]any)) {
	s.t.Helper()
	id := fmt.Sprintf("checklist-%d", s.next+1)
	bundle := filepath.Join(s.dir, id)
	if err := os.MkdirAll(bundle, 0o755); err != nil {
		s.t.Fatal(err)
	}
	namespace := func(kind string) any { return map[string]any{"type": kind} }
	config := map[string]any{
		"ociVersion": "1.0.2",
		"process": map[string]any{
			"user": map[string]any{"uid": 0, "gid": 0}, "args": []any{"/bin/sleep", s.nap(name)}, "cwd": "/",
			"env": []any{"PATH=/bin"}, "noNewPrivileges": true,
		},
		"root": map[string]any{"path": s.root},
		"mounts": []any{
			map[string]any{"destination": "/proc", "type": "proc", "source": "proc"},
			map[string]any{"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": []any{"mode=755"}},
		},
		"linux": map[string]any{
			"namespaces":  []any{namespace("pid"), namespace("mount"), namespace("ipc"), namespace("uts"), namespace("network")},
			"cgroupsPath": "/" + id,
		},
	}
	if change != nil {
		change(config)
	}
	linux := config["linux"].(map[string]any)
	if path, ok := linux["cgroupsPath"].(string); ok {
		s.removeGroups(path)
	}
	data, err := json.Marshal(config)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bundle, "config.json"), data, 0o600); err != nil {
		s.t.Fatal(err)
	}
	state := filepath.Join(s.dir, "state")
	cmd := exec.Command(runtime, "--root", state, "run", "--detach", "--bundle", bundle, id)
	// A file: the container keeps it, so a pipe would never end.
	log, err := os.Create(filepath.Join(bundle, "log"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	cmd.Stdout, cmd.Stderr = log, log
	err = cmd.Run()
	s.t.Cleanup(func() { _ = exec.Command(runtime, "--root", state, "delete", "--force", id).Run() })
	if err != nil {
		text, _ := os.ReadFile(log.Name())
		s.t.Fatalf("%s %q: %v: %s", runtime, name, err, text)
	}
}

// removeGroups removes a cgroup at the end, and those above it that are empty then.
func (s *stage) removeGroups(path string) {
	hierarchies, _ := filepath.Glob("/sys/fs/cgroup/*")
	for _, h := range hierarchies {
		for dir := path; dir != "/" && dir != "."; dir = filepath.Dir(dir) {
			if _, err := os.Stat(filepath.Join(h, dir)); err != nil {
				s.groups = append(s.groups, filepath.Join(h, dir))
			}
		}
	}
}

func namespacesOf(kinds ...string) func(map[string]any) {
	return func(config map[string]any) {
		var all []any
		for _, kind := range kinds {
			all = append(all, map[string]any{"type": kind})
		}
		config["linux"].(map[string]any)["namespaces"] = all
	}
}

func cgroupAt(path string) func(map[string]any) {
	return func(config map[string]any) { config["linux"].(map[string]any)["cgroupsPath"] = path }
}

func both(changes ...func(map[string]any)) func(map[string]any) {
	return func(config map[string]any) {
		for _, change := range changes {
			change(config)
		}
	}
}

// inGroup moves processes into a cgroup of the hierarchy name=systemd, by which this
// machine sorts services.
func (s *stage) inGroup(path string, pids ...int) {
	s.t.Helper()
	dir := filepath.Join("/sys/fs/cgroup/systemd", path)
	s.removeGroups(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		s.t.Skipf("cgroups cannot be made: %v", err)
	}
	for _, pid := range pids {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
}

// seen is what a measurement says about a process: of which container it is, or what
// it is of the host.
func seen(m *fact.Measurement, pid int) (where string, id string) {
	for i := range m.Containers {
		ct := &m.Containers[i]
		for j := range ct.Processes {
			if p := &ct.Processes[j]; p.PID == pid {
				where = "container " + string(ct.FoundBy)
				if ct.FoundBy == fact.FoundByCgroup {
					where = "container"
				}
				if p.Moved != "" {
					where += " from " + p.Moved
				}
				return where, ct.ID
			}
		}
	}
	for _, p := range m.Host.Apart {
		if p.PID == pid {
			return "host " + p.Why, ""
		}
	}
	return "host", ""
}

// Containers that no Kubernetes has started: each is seen.
func TestContainersWithoutKubernetes(t *testing.T) {
	s := newStage(t)
	want := map[string]string{}
	expect := func(name, where string) string {
		want[name] = where
		return name
	}
	id := func(digits string) string { return strings.Repeat(digits, 32) }
	full := []string{"pid", "mount", "ipc", "uts", "network"}
	const own, hostPIDs = "container root", "container host-pids"

	for _, one := range []struct {
		name, where string
		change      func(map[string]any)
	}{
		{"runc, a plain cgroup name", own, nil},
		{"runc with the host's process ids", hostPIDs, namespacesOf("mount", "ipc", "uts", "network")},
		{"runc with the host's network", own, namespacesOf("pid", "mount", "ipc", "uts")},
		{"runc with mounts and nothing else of its own", hostPIDs, namespacesOf("mount")},
		{"runc in a user namespace", own, both(namespacesOf(append(full, "user")...), func(config map[string]any) {
			ids := []any{map[string]any{"containerID": 0, "hostID": 100000, "size": 65536}}
			linux := config["linux"].(map[string]any)
			linux["uidMappings"], linux["gidMappings"] = ids, ids
		})},
		{"runc in a cgroup namespace", own, namespacesOf(append(full, "cgroup")...)},
		{"runc with every capability", own, func(config map[string]any) {
			caps := []any{"CAP_SYS_ADMIN", "CAP_SYS_MODULE", "CAP_SYS_PTRACE", "CAP_NET_ADMIN", "CAP_DAC_READ_SEARCH"}
			config["process"].(map[string]any)["capabilities"] = map[string]any{"bounding": caps, "effective": caps, "permitted": caps}
		}},
		{"runc with a read-only root", own, func(config map[string]any) { config["root"].(map[string]any)["readonly"] = true }},
		{"runc as garden names it", own, cgroupAt("/garden/checklist-0a1b2c3d-4e5f")},
		{"runc as nomad names it", own, cgroupAt("/nomad/checklist-0a1b2c3d.web")},
		{"runc as BuildKit names it", own, cgroupAt("/buildkit/checklistx0k2w9v")},
		{"runc in the cgroup of a service", own, cgroupAt("/checklist.slice/checklist-a.service")},
		{"runc in the cgroup of a snap", own, cgroupAt("/checklist.slice/snap.checklist.a.scope")},
		{"runc below a service, with the host's process ids", hostPIDs, both(namespacesOf("mount"), cgroupAt("/checklist.slice/checklist-b.service/payload"))},
		{"runc as Docker names it", "container", cgroupAt("/docker/" + id("d1"))},
		{"runc as Docker names it, with the host's process ids", "container", both(namespacesOf("mount"), cgroupAt("/docker/"+id("d2")))},
		{"runc as containerd names it", "container", cgroupAt("/default/checklist-redis")},
		{"runc as LXC names it", "container", cgroupAt("/lxc.payload.checklist-web")},
	} {
		s.runc(expect(one.name, one.where), one.change)
	}

	unshare := needTool(t, "unshare", "util-linux")
	s.start(unshare, "--mount", "--pid", "--fork", "--root="+s.root, "/bin/sleep", s.nap(expect("unshare with chroot", own)))
	s.start(unshare, "--mount", "--root="+s.root, "/bin/sleep", s.nap(expect("unshare with chroot and the host's process ids", hostPIDs)))
	s.start(unshare, "--user", "--map-root-user", "--mount", "--pid", "--fork", "--root="+s.root, "/bin/sleep", s.nap(expect("unshare with a user namespace and chroot", own)))
	// pivot_root changes the root of unshare too, which has the host's process ids.
	s.start(unshare, "--mount", "--pid", "--fork", "/bin/sh", "-c",
		`mount --bind "$1" "$1" && cd "$1" && pivot_root . old && exec /bin/sleep "$2"`, "sh", s.root, s.nap(expect("unshare with pivot_root", hostPIDs)))
	overlay := `mount -t tmpfs tmpfs "$1/old" && mkdir "$1/old/u" "$1/old/w" "$1/old/m" && ` +
		`mount -t overlay -o "lowerdir=$1/bin,upperdir=$1/old/u,workdir=$1/old/w" overlay "$1/old/m" && exec chroot "$1/old/m" /sleep "$2"`
	s.start(unshare, "--mount", "/bin/sh", "-c", overlay, "sh", s.root, s.nap(expect("an overlay as root, with the host's process ids", hostPIDs)))

	if podman, ok := optionalTool(t, "podman"); ok {
		run, err := os.MkdirTemp("/tmp", "podman") // at most 50 characters
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(run) })
		args := []string{
			"--root", filepath.Join(s.dir, "storage"), "--runroot", run, "--storage-driver", "vfs", "--events-backend", "none",
			"--cgroup-manager", "cgroupfs", "--runtime", needTool(t, "runc", "runc"),
		}
		t.Cleanup(func() {
			if out, err := exec.Command(podman, append(args, "rm", "--all", "--force", "--time", "0")...).CombinedOutput(); err != nil {
				t.Errorf("podman rm: %v: %s", err, out)
			}
		})
		s.removeGroups("/libpod_parent")
		start := append(slices.Clone(args), "run", "--detach", "--network", "none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
		for name, more := range map[string][]string{
			"podman": nil, "podman with the host's process ids": {"--pid", "host"}, "podman, privileged": {"--privileged"},
		} {
			all := append(append(slices.Clone(start), more...), "--rootfs", s.root, "/bin/sleep", s.nap(expect(name, "container")))
			if out, err := exec.Command(podman, all...).CombinedOutput(); err != nil {
				t.Fatalf("podman: %v: %s", err, out)
			}
		}
	}
	if nspawn, ok := optionalTool(t, "systemd-nspawn"); ok {
		s.removeGroups("/payload")
		s.removeGroups("/supervisor")
		s.start(nspawn, "--quiet", "--register=no", "--keep-unit", "--directory="+s.root, "--as-pid2", "/bin/sleep", s.nap(expect("systemd-nspawn", own)))
	}
	if bwrap, ok := optionalTool(t, "bwrap"); ok {
		s.start(bwrap, "--bind", s.root, "/", "--proc", "/proc", "--unshare-all", "/bin/sleep", s.nap(expect("bwrap with a root of its own", own)))
		s.start(bwrap, "--bind", s.root, "/", "/bin/sleep", s.nap(expect("bwrap with a root of its own and the host's process ids", hostPIDs)))
	}

	pids := s.wait()
	m := s.measure()
	got, ids := map[string]string{}, map[string]string{}
	for name, pid := range pids {
		where, id := seen(m, pid)
		got[name] = where
		if other := ids[id]; id != "" && other != "" {
			t.Errorf("%q and %q are one container, %s", name, other, id)
		}
		ids[id] = name
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s\ngaps %+v", diff, m.Gaps)
	}
	if len(got) < 20 {
		t.Errorf("only %d containers", len(got))
	}
	t.Logf("%d containers", len(got))
	again := map[string]string{}
	m = s.measure()
	for name, pid := range pids {
		_, id := seen(m, pid)
		again[id] = name
	}
	if diff := cmp.Diff(ids, again); diff != "" {
		t.Errorf("ids read a second time (-first +second):\n%s", diff)
	}
}

// optionalTool finds a program that the tests can do without, unless it is of a package
// that hack/deps.sh installs and CHECKLIST_REQUIRE_TOOLS is 1. podman is not there: it
// is large, and its containers are like runc's.
func optionalTool(t *testing.T, program string) (string, bool) {
	t.Helper()
	name, err := exec.LookPath(program)
	switch {
	case err == nil:
		return name, true
	case program != "podman" && os.Getenv("CHECKLIST_REQUIRE_TOOLS") == "1":
		t.Errorf("%s is not installed: run hack/deps.sh", program)
	default:
		t.Logf("%s is not installed, so its containers are not tried", program)
	}
	return "", false
}

// What looks like a container and is the host's.
func TestHostProcessesThatLookLikeContainers(t *testing.T) {
	s := newStage(t)
	unshare := needTool(t, "unshare", "util-linux")
	want := map[string]string{}
	expect := func(name, where string) string {
		want[name] = where
		return s.nap(name)
	}
	shell := func(flags []string, script, nap string) {
		s.start(unshare, append(flags, "/bin/sh", "-c", script, "sh", s.root, nap)...)
	}
	mount, all := []string{"--mount"}, []string{"--mount", "--pid", "--fork", "--uts", "--ipc", "--net"}
	sleep := `exec sleep "$2"`
	shell(mount, "mount -t tmpfs tmpfs /tmp && mount -t tmpfs tmpfs /var/tmp && "+sleep, expect("PrivateTmp=", "host"))
	shell(mount, "mount --bind / /mnt && mount -o remount,bind,ro / && setpriv --reuid=61234 --clear-groups sleep \"$2\"", expect("DynamicUser= and ProtectSystem=", "host"))
	shell(all, sleep, expect("namespaces of its own, and the host's root", "host"))
	shell(mount, "mount --rbind / /mnt && exec chroot /mnt sleep \"$2\"", expect("a bind of / as root", "host"))
	s.start("/usr/sbin/chroot", s.root, "/bin/sleep", expect("a daemon in a chroot", "host chroot"))
	shell([]string{"--user", "--map-root-user", "--pid", "--fork", "--net"}, `exec chroot "$1" /bin/sleep "$2"`, expect("a browser's sandbox: an empty root and process ids of its own", "host chroot"))
	if bwrap, ok := optionalTool(t, "bwrap"); ok {
		s.start(bwrap, "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-all", "sleep", expect("bwrap --ro-bind / /", "host"))
	}
	rootDir := `exec chroot "$1" /bin/sleep "$2"`
	shell(mount, rootDir, expect("RootDirectory=", "host service"))
	shell(mount, "mount --bind \"$1\" \"$1\" && cd \"$1\" && pivot_root . old && exec /bin/sleep \"$2\"", expect("RootDirectory= by pivot_root", "host service"))
	image := `mount -t tmpfs tmpfs "$1/run" && cp -a "$1/bin" "$1/run/" && exec chroot "$1/run" /bin/sleep "$2"`
	shell(mount, image, expect("a portable service, with an image as root", "host service"))
	shell(mount, image, expect("a snap", "host service"))

	pids := s.wait()
	for name, cgroup := range map[string]string{
		"PrivateTmp=": "private", "RootDirectory=": "rootdir", "RootDirectory= by pivot_root": "pivot", "a portable service, with an image as root": "portable",
	} {
		s.inGroup("checklist.slice/checklist-"+cgroup+".service", pids[name])
	}
	s.inGroup("checklist.slice/snap.checklist.app-1234.scope", pids["a snap"])
	m := s.measure()
	got := map[string]string{}
	for name, pid := range pids {
		got[name], _ = seen(m, pid)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s\ngaps %+v", diff, m.Gaps)
	}
	for _, p := range m.Host.Apart {
		if p.PID != pids["a daemon in a chroot"] {
			continue
		}
		if p.Root != s.root || p.Exe != s.root+"/bin/busybox" || p.Comm != "sleep" || p.Started.IsZero() {
			t.Errorf("the daemon in a chroot: %+v", p)
		}
	}
}

// A process that moves into another container's cgroup is its own container's still.
func TestMovedProcesses(t *testing.T) {
	s := newStage(t)
	a, b := strings.Repeat("ca", 32), strings.Repeat("cb", 32)
	busybox := filepath.Join(s.root, "bin/busybox")
	s.runc("a", cgroupAt("/docker/"+a))
	first := s.root
	s.root = s.rootfs("second", busybox)
	s.runc("b", cgroupAt("/docker/"+b))
	s.root = s.rootfs("third", busybox)
	c := strings.Repeat("cc", 32)
	s.runc("c", cgroupAt("/docker/"+c))
	pids := s.wait()
	nsenter := needTool(t, "nsenter", "util-linux")
	enter := func(into, name string) {
		s.start(nsenter, "--target", strconv.Itoa(pids[into]), "--all", "/bin/sleep", s.nap(name))
	}
	enter("a", "entered a from the host")
	enter("a", "entered a, moved to b")
	s.start("/usr/sbin/chroot", first, "/bin/sleep", s.nap("a's root alone"))
	s.start("/bin/sleep", s.nap("the host's root in b"))
	pids = s.wait()
	move := func(name, id string) {
		groups, _ := filepath.Glob("/sys/fs/cgroup/*/docker/" + id + "/cgroup.procs")
		more, _ := filepath.Glob("/sys/fs/cgroup/*/*/*/docker/" + id + "/cgroup.procs")
		for _, file := range append(groups, more...) {
			if err := os.WriteFile(file, []byte(strconv.Itoa(pids[name])), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if len(groups) == 0 {
			t.Fatalf("container %s has no cgroup", id)
		}
	}
	move("entered a, moved to b", b)
	move("the host's root in b", b)
	move("c", b) // its only process
	m := s.measure()
	got := map[string]string{}
	for name, pid := range pids {
		where, id := seen(m, pid)
		got[name] = strings.NewReplacer(a, "A", b, "B").Replace(where + " " + id)
		if strings.HasPrefix(id, "root-") {
			got[name] = strings.Replace(got[name], id, "root-", 1)
		}
	}
	want := map[string]string{
		"a": "container A", "b": "container B", "c": "container root from B root-", "entered a from the host": "container A",
		"entered a, moved to b": "container from B A", "a's root alone": "host chroot ", "the host's root in b": "container B",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
