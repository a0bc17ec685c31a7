package overlay

import (
	"bufio"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// The tests mount real overlays and start real processes in them. The test
// binary runs itself again in a mount namespace of its own, so that nothing is
// left behind however it ends; roleEnv says which part it plays.
const roleEnv = "OVERLAY_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleEnv) {
	case "init":
		if err := containerInit(os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, "container:", err)
			os.Exit(1)
		}
		os.Exit(0)
	case "mapper":
		if err := mapper(); err != nil {
			_, _ = fmt.Fprint(os.NewFile(3, "answer"), err)
			os.Exit(1)
		}
		os.Exit(0)
	case "tests":
		os.Exit(m.Run())
	}
	for _, arg := range os.Args[1:] {
		if strings.HasPrefix(arg, "-test.fuzz") {
			os.Exit(m.Run()) // a fuzzing worker talks over inherited descriptors
		}
	}
	if os.Geteuid() != 0 {
		os.Exit(m.Run())
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), roleEnv+"=tests")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // Pdeathsig goes by the thread
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		os.Exit(0)
	case errors.As(err, &exit):
		os.Exit(exit.ExitCode())
	}
	fmt.Fprintln(os.Stderr, "no mount namespace of its own, tests with mounts are skipped:", err)
	os.Exit(m.Run())
}

func needMounts(t testing.TB) {
	t.Helper()
	if os.Getenv(roleEnv) != "tests" {
		t.Skip("needs root and a mount namespace of its own, to mount overlays; CI runs it")
	}
}

// request asks the first process of a test's container for something.
type request struct {
	Op   string // start, memfd, unshare, mapper, mapper-unshare, fuse, fuse-stop
	Exe  string
	Args []string
	Dir  string
	Data []byte
	// Open are opened as descriptors 0, 3, 4, ... of the process that is started. Then
	// those of Unlink are removed.
	Chroot string
	UID    uint32
	Stdin  string
	Open   []string
	Unlink []string
	Steps  []step
}

// step is what a mapper does: a process of the test binary that prepares what it
// sees, and maps files.
type step struct {
	Op       string // map, bind, tmpfs, overlay, chroot, unlink, rename, write, exec
	Path, To string
	Shared   bool
}

// mapper does the steps of its environment, writes to descriptor 3 that it is ready,
// and waits.
func mapper() error {
	var steps []step
	if err := json.Unmarshal([]byte(os.Getenv("OVERLAY_TEST_STEPS")), &steps); err != nil {
		return err
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			return fmt.Errorf("%s %q: %w", s.Op, s.Path, err)
		}
	}
	if _, err := os.NewFile(3, "answer").WriteString("ready"); err != nil {
		return err
	}
	for {
		_ = unix.Pause()
	}
}

func (s step) do() error {
	switch s.Op {
	case "bind":
		return unix.Mount(s.Path, s.To, "", unix.MS_BIND, "")
	case "overlay":
		for _, dir := range []string{"/vol/u", "/vol/w"} {
			if err := os.Mkdir(dir, 0o755); err != nil {
				return err
			}
		}
		return unix.Mount("overlay", s.Path, "overlay", 0, "lowerdir=/opt,upperdir=/vol/u,workdir=/vol/w")
	case "tmpfs":
		return unix.Mount("tmpfs", s.Path, "tmpfs", 0, "")
	case "chroot":
		if err := unix.Chroot(s.Path); err != nil {
			return err
		}
		return os.Chdir("/")
	case "unlink":
		return os.Remove(s.Path)
	case "rename":
		return os.Rename(s.Path, s.To)
	case "write":
		return os.WriteFile(s.Path, pauseELF(s.To), 0o644)
	case "exec": // the last step
		if _, err := os.NewFile(3, "answer").WriteString("ready"); err != nil {
			return err
		}
		unix.CloseOnExec(3)
		return unix.Exec(s.Path, []string{s.Path}, nil)
	case "map":
		return s.mapFile()
	}
	return fmt.Errorf("no such step")
}

func (s step) mapFile() error {
	flags, prot := unix.MAP_PRIVATE, unix.PROT_READ|unix.PROT_EXEC
	if s.Shared {
		flags = unix.MAP_SHARED
	}
	name, memfd := strings.CutPrefix(s.Path, "memfd:")
	if s.Path == "" {
		flags |= unix.MAP_ANONYMOUS
		_, err := unix.Mmap(-1, 0, 4096, prot|unix.PROT_WRITE, flags)
		return err
	}
	var fd int
	var err error
	if memfd {
		if fd, err = unix.MemfdCreate(name, 0); err == nil {
			_, err = unix.Write(fd, pauseELF("memfd"))
		}
	} else {
		fd, err = unix.Open(s.Path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Mmap(fd, 0, 4096, prot, flags)
	return err
}

// startMapper starts a mapper and waits until it is ready.
func startMapper(steps []step, attr *syscall.ProcAttr) (int, error) {
	text, err := json.Marshal(steps)
	if err != nil {
		return 0, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer r.Close() //nolint:errcheck // of a test
	attr.Env = []string{roleEnv + "=mapper", "OVERLAY_TEST_STEPS=" + string(text)}
	attr.Files = []uintptr{0, 1, 2, w.Fd()}
	pid, err := syscall.ForkExec("/proc/self/exe", []string{"mapper"}, attr)
	w.Close() //nolint:errcheck // of a test
	if err != nil {
		return 0, err
	}
	answer := make([]byte, 512)
	n, _ := r.Read(answer)
	if string(answer[:n]) != "ready" {
		return 0, fmt.Errorf("mapper: %s", answer[:n])
	}
	return pid, nil
}

type response struct {
	PID int
	Err string
}

// containerInit is the container's first process: it makes merged its root,
// as a runtime does, and starts processes on request until stdin ends.
func containerInit(merged string) error {
	const moved = unix.MS_BIND | unix.MS_REC
	if err := unix.Mount(merged, merged, "", moved, ""); err != nil {
		return fmt.Errorf("bind mounting the root: %w", err)
	}
	for _, m := range []struct{ dir, fsType, options string }{{"proc", "proc", ""}, {"vol", "tmpfs", ""}, {"rovol", "tmpfs", ""}} {
		if err := unix.Mount(m.fsType, filepath.Join(merged, m.dir), m.fsType, 0, m.options); err != nil {
			return fmt.Errorf("mounting %s: %w", m.dir, err)
		}
	}
	if _, err := mountDeadFUSE(filepath.Join(merged, "dead")); err != nil {
		return err
	}
	var err error
	if spareFUSE, err = unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
		return fmt.Errorf("opening /dev/fuse: %w", err)
	}
	if err := os.WriteFile(filepath.Join(merged, "rovol/prog"), pauseELF("rovol"), 0o755); err != nil {
		return err
	}
	if err := unix.Mount("", filepath.Join(merged, "rovol"), "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("remounting rovol: %w", err)
	}
	if err := os.Chdir(merged); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmounting the old root: %w", err)
	}
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(response{PID: os.Getpid()}); err != nil {
		return err
	}
	in := json.NewDecoder(bufio.NewReader(os.Stdin))
	for {
		var r request
		if err := in.Decode(&r); err != nil {
			return nil
		}
		var answer response
		pid, err := r.run()
		if err != nil {
			answer.Err = err.Error()
		}
		answer.PID = pid
		if err := out.Encode(answer); err != nil {
			return err
		}
	}
}

// mountDeadFUSE mounts a file system whose server never answers: a lookup in
// it blocks until the returned descriptor is closed.
func mountDeadFUSE(dir string) (int, error) {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("opening /dev/fuse: %w", err)
	}
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fd)
	if err := unix.Mount("dead", dir, "fuse.dead", 0, options); err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("mounting FUSE: %w", err)
	}
	return fd, nil
}

// spareFUSE is opened before the container's root hides /dev.
var (
	spareFUSE int
	served    *fuseServer
)

// keptOpen are the other ends of the pipes that processes have.
var keptOpen []*os.File

func (r request) run() (int, error) {
	attr := &syscall.ProcAttr{Dir: r.Dir, Sys: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Chroot: r.Chroot}}
	runtime.LockOSThread()
	// Standard input stays open and empty, as that of a program that waits for it.
	read, write, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer read.Close() //nolint:errcheck // of a test
	// What it writes is read by nobody: it may live longer than the test's output.
	output, into, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer into.Close() //nolint:errcheck // of a test
	keptOpen = append(keptOpen, write, output)
	attr.Files = []uintptr{read.Fd(), into.Fd(), into.Fd()}
	for i, name := range append([]string{r.Stdin}, r.Open...) {
		if name == "" {
			continue
		}
		fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return 0, err
		}
		defer unix.Close(fd)
		if i == 0 {
			attr.Files[0] = uintptr(fd)
		} else {
			attr.Files = append(attr.Files, uintptr(fd))
		}
	}
	for _, name := range r.Unlink {
		if err := os.Remove(name); err != nil {
			return 0, err
		}
	}
	if r.UID != 0 {
		attr.Sys.Credential = &syscall.Credential{Uid: r.UID}
	}
	switch r.Op {
	case "fuse":
		served, err = mountFUSE(r.Dir, r.UID, r.Data)
		return os.Getpid(), err
	case "fuse-stop":
		close(served.stopped)
		return os.Getpid(), nil
	case "mapper":
		return startMapper(r.Steps, attr)
	case "mapper-unshare":
		attr.Sys.Unshareflags = syscall.CLONE_NEWNS
		return startMapper(r.Steps, attr)
	case "unshare":
		attr.Sys.Unshareflags = syscall.CLONE_NEWNS
	case "memfd":
		fd, err := unix.MemfdCreate(r.Exe, unix.MFD_CLOEXEC)
		if err != nil {
			return 0, err
		}
		defer unix.Close(fd)
		if _, err := unix.Write(fd, r.Data); err != nil {
			return 0, err
		}
		// A descriptor that is open for writing cannot be executed.
		ro, err := unix.Open("/proc/self/fd/"+strconv.Itoa(fd), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return 0, err
		}
		defer unix.Close(ro)
		unix.Close(fd)
		r.Exe = "/proc/self/fd/" + strconv.Itoa(ro)
	}
	return syscall.ForkExec(r.Exe, r.Args, attr)
}

// layout says how a test's overlay is made.
type layout struct {
	image   []map[string]string // path to content, the topmost layer first; "dir/" is a directory
	names   []string            // of the layers' directories, if they matter
	upper   string              // name of the directory that holds upper and work
	options string              // more mount options
	// chdir mounts with relative paths, from the directory of all layers.
	chdir bool
	// prepare changes the layers before they are mounted.
	prepare func(*container)
	// onDisk puts the layers where TMPDIR is, not on a tmpfs.
	onDisk bool
	// host adds this machine's root as the lowest layer.
	host bool
}

type container struct {
	t      testing.TB
	dir    string // of the layers
	lowers []string
	upper  string // on the node
	merged string
	pid    int
	in     *json.Encoder
	out    *json.Decoder
}

// escapeLayer writes a path for lowerdir, escapePath for upperdir and workdir.
var (
	escapeLayer = strings.NewReplacer(`\`, `\\`, ":", `\:`, ",", `\,`)
	escapePath  = strings.NewReplacer(`\`, `\\`, ",", `\,`)
)

// newContainer mounts an overlay and starts a process whose root it is.
func newContainer(t testing.TB, l layout) *container {
	t.Helper()
	needMounts(t)
	c := &container{t: t, dir: t.TempDir()}
	if !l.onDisk {
		must(t, unix.Mount("tmpfs", c.dir, "tmpfs", 0, "nr_inodes=0"))
		t.Cleanup(func() { must(t, unix.Unmount(c.dir, unix.MNT_DETACH)) })
	}
	if l.upper == "" {
		l.upper = "9"
	}
	var lowerOptions []string
	for i, files := range l.image {
		name := fmt.Sprintf("%d/fs", len(l.image)-i)
		if i < len(l.names) {
			name = l.names[i]
		}
		dir := filepath.Join(c.dir, name)
		c.lowers = append(c.lowers, dir)
		must(t, os.MkdirAll(dir, 0o755))
		for path, content := range files {
			writeFile(t, filepath.Join(dir, path), content)
			if strings.HasSuffix(path, "/") {
				must(t, os.MkdirAll(filepath.Join(dir, path), 0o755))
			}
		}
		if !l.chdir {
			name = dir
		}
		lowerOptions = append(lowerOptions, escapeLayer.Replace(name))
	}
	if l.host {
		lowerOptions = append(lowerOptions, "/")
	}
	for _, mountPoint := range []string{"proc", "vol", "rovol", "dead"} {
		must(t, os.MkdirAll(filepath.Join(c.lowers[len(c.lowers)-1], mountPoint), 0o755))
	}
	c.upper, c.merged = filepath.Join(c.dir, l.upper, "fs"), filepath.Join(c.dir, l.upper, "merged")
	work := filepath.Join(c.dir, l.upper, "work")
	for _, dir := range []string{c.upper, c.merged, work} {
		must(t, os.MkdirAll(dir, 0o755))
	}
	upperOption, workOption := c.upper, work
	if l.chdir {
		upperOption, workOption = filepath.Join(l.upper, "fs"), filepath.Join(l.upper, "work")
		wd, err := os.Getwd()
		must(t, err)
		must(t, os.Chdir(c.dir))
		defer func() { must(t, os.Chdir(wd)) }()
	}
	if l.prepare != nil {
		l.prepare(c)
	}
	options := "lowerdir=" + strings.Join(lowerOptions, ":") + ",upperdir=" + escapePath.Replace(upperOption) + ",workdir=" + escapePath.Replace(workOption) + l.options
	if err := unix.Mount("overlay", c.merged, "overlay", 0, options); err != nil {
		t.Fatalf("mounting an overlay with %q: %v", options, err)
	}
	t.Cleanup(func() { _ = unix.Unmount(c.merged, unix.MNT_DETACH) })
	c.startInit()
	return c
}

func (c *container) startInit() {
	t := c.t
	cmd := exec.Command("/proc/self/exe", c.merged)
	cmd.Env = append(os.Environ(), roleEnv+"=init")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Setpgid: true}
	stdin, err := cmd.StdinPipe()
	must(t, err)
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	c.in, c.out = json.NewEncoder(stdin), json.NewDecoder(stdout)
	var ready response
	if err := c.out.Decode(&ready); err != nil {
		t.Fatalf("the container's first process: %v", err)
	}
	c.pid = ready.PID
}

// static reports whether the test binary needs no ld.so, which a test's container does
// not have, and which would be mapped too. With the race detector it is not.
var static = sync.OnceValue(func() bool {
	file, err := elf.Open("/proc/self/exe")
	if err != nil {
		return false
	}
	defer file.Close() //nolint:errcheck // only read
	return !slices.ContainsFunc(file.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
})

func needStatic(t testing.TB) {
	t.Helper()
	if !static() {
		t.Skip("the test binary is linked dynamically; CGO_ENABLED=0 links it statically")
	}
}

func (c *container) run(r request) int {
	c.t.Helper()
	if strings.HasPrefix(r.Op, "mapper") {
		needStatic(c.t)
	}
	must(c.t, c.in.Encode(r))
	var answer response
	must(c.t, c.out.Decode(&answer))
	if answer.Err != "" {
		c.t.Fatalf("%s %q in the container: %s", r.Op, r.Exe, answer.Err)
	}
	// exec is seen before it has laid out the arguments.
	waitFor(c.t, func() bool {
		data, err := os.ReadFile(procName(answer.PID, "cmdline"))
		return len(data) > 0 || err != nil
	})
	return answer.PID
}

// start runs a program of the container.
func (c *container) start(exe string, args ...string) int {
	c.t.Helper()
	return c.run(request{Op: "start", Exe: exe, Args: append([]string{exe}, args...)})
}

// in is a path of the container, through its merged view.
func (c *container) path(p string) string { return fmt.Sprintf("/proc/%d/root%s", c.pid, p) }

func mountsOf(t testing.TB, pid int) []procfs.MountInfo {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	must(t, err)
	mounts, err := procfs.ParseMountInfo(data)
	must(t, err)
	return mounts
}

func nodeView(t testing.TB) View {
	t.Helper()
	root, err := rootfs.Open("/")
	must(t, err)
	t.Cleanup(func() { _ = root.Close() })
	return View{Root: root, Mounts: mountsOf(t, os.Getpid())}
}

// seen is the container as the package is given it.
func (c *container) seen() *Container {
	c.t.Helper()
	s := &Container{Mounts: mountsOf(c.t, c.pid), Node: nodeView(c.t), Root: func() (*rootfs.Root, error) {
		proc, err := rootfs.Open(fmt.Sprintf("/proc/%d", c.pid))
		if err != nil {
			return nil, err
		}
		defer proc.Close()
		return proc.Magic("root")
	}}
	c.t.Cleanup(s.Close)
	return s
}

// process reads /proc/PID as the orchestrator does.
func process(t testing.TB, pid int) Process {
	t.Helper()
	proc, err := rootfs.Open(fmt.Sprintf("/proc/%d", pid))
	must(t, err)
	t.Cleanup(func() { _ = proc.Close() })
	h, err := proc.MagicHandle("exe")
	must(t, err)
	t.Cleanup(func() { _ = h.Close() })
	link, err := proc.ReadlinkAt("exe")
	must(t, err)
	comm, err := proc.ReadFile("comm", 64)
	must(t, err)
	return Process{
		Comm: strings.TrimSuffix(string(comm), "\n"), Started: time.Now(), Exe: link, Handle: h, Info: h.Info(),
		Root:     func() (*rootfs.Root, error) { return proc.Magic("root") },
		RootText: func() (string, error) { return proc.ReadlinkAt("root") },
	}
}

// links reads the command line and descriptors of a process as the orchestrator does.
func links(t testing.TB, pid int) Links {
	t.Helper()
	proc, err := rootfs.Open(fmt.Sprintf("/proc/%d", pid))
	must(t, err)
	t.Cleanup(func() { _ = proc.Close() })
	return Links{
		Cmdline: func() ([][]byte, error) {
			raw, err := proc.ReadFile("cmdline", 1<<20)
			return bytes.Split(bytes.TrimSuffix(raw, []byte{0}), []byte{0}), err
		},
		Cwd: func() (string, error) { return proc.ReadlinkAt("cwd") },
		Open: func(n int) (OpenFile, error) {
			name := "fd/" + strconv.Itoa(n)
			text, err := proc.Readlink(name)
			if err != nil {
				return OpenFile{}, err
			}
			h, err := proc.MagicHandle(name)
			if err != nil {
				return OpenFile{}, err
			}
			return OpenFile{text, h, h.Info()}, nil
		},
		EachFD: func(do func(n int, text string) bool) error {
			return proc.Each("fd", func(e rootfs.DirEntry) bool {
				n, err := strconv.Atoi(e.Name)
				must(t, err)
				text, err := proc.Readlink("fd/" + e.Name)
				return err != nil || do(n, text)
			})
		},
	}
}

// scripts are those of a process that the package finds.
func (s *Container) scriptsOf(t testing.TB, pid int, p Process) ([]fact.Executable, *fact.NodeGap) {
	t.Helper()
	found, err := FindScripts(p.Exe, links(t, pid))
	must(t, err)
	return s.Scripts(t.Context(), p, found)
}

// mappingsOf reads /proc/PID/maps.
func mappingsOf(t testing.TB, pid int, files *MappedFiles) []Mapping {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	must(t, err)
	list, _, _, err := files.Read(func(do func(procfs.Mapping)) (int, error) {
		lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
		for _, line := range lines {
			m, err := procfs.ParseMapping([]byte(line))
			if err != nil {
				return 0, err
			}
			if m.Exec {
				do(m)
			}
		}
		return len(lines), nil
	})
	must(t, err)
	return list
}

// mapped is what the package says of a process's mappings.
func (s *Container) mapped(t testing.TB, pid int) (*fact.Mapped, []fact.NodeGap) {
	t.Helper()
	return s.Mapped(t.Context(), process(t, pid), mappingsOf(t, pid, &MappedFiles{}))
}

// pauseELF is a program that does nothing but wait for a signal, with a tag
// at its end that makes the content its own.
func pauseELF(tag string) []byte {
	var code []byte
	machine := uint16(62) // EM_X86_64
	switch runtime.GOARCH {
	case "amd64":
		code = []byte{0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7} // mov eax, pause; syscall; jmp
	case "arm64":
		machine = 183                                                                 // EM_AARCH64
		code = binary.LittleEndian.AppendUint32(code, 0xd2800000)                     // mov x0, 0 (nfds)
		for _, op := range []uint32{0xd2800001, 0xd2800002, 0xd2800003, 0xd2800928} { // x1..x3 = 0, x8 = ppoll
			code = binary.LittleEndian.AppendUint32(code, op)
		}
		code = binary.LittleEndian.AppendUint32(code, 0xd4000001) // svc 0
		code = binary.LittleEndian.AppendUint32(code, 0x17fffffa) // b to the start
	default:
		panic("no program for " + runtime.GOARCH)
	}
	const base, header = 0x400000, 64 + 56
	var b bytes.Buffer
	b.Write([]byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	w := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) }
	w([]uint16{2, machine})
	w(uint32(1))
	w([]uint64{base + header, 64, 0})
	w(uint32(0))
	w([]uint16{64, 56, 1, 0, 0, 0})
	w([]uint32{1, 5}) // PT_LOAD, r-x
	size := uint64(header + len(code))
	w([]uint64{0, base, base, size, size, 0x1000})
	b.Write(code)
	b.WriteString(tag)
	return b.Bytes()
}

func writeFile(t testing.TB, path, content string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	if strings.HasSuffix(path, "/") || content == "" {
		return
	}
	must(t, os.WriteFile(path, []byte(content), 0o755))
}
