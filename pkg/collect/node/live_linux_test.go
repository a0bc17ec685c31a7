package node

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/capability"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/processes"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
)

// needTool skips the test where a Debian package is missing, which
// CHECKLIST_REQUIRE_TOOLS=1 makes a failure.
func needTool(t *testing.T, program, pkg string) string {
	t.Helper()
	name, err := exec.LookPath(program)
	if err == nil {
		return name
	}
	text := fmt.Sprintf("%s is not installed (Debian package %s)", program, pkg)
	if os.Getenv("CHECKLIST_REQUIRE_TOOLS") == "1" {
		t.Fatal(text)
	}
	t.Skip(text)
	return ""
}

// liveProcesses reads every process of this machine as a collector does.
func liveProcesses(t *testing.T) map[int]*proctable.Process {
	t.Helper()
	r, err := New(Options{Level: fact.LevelProc, Proc: "/proc", Root: "/", Live: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	processes.Table{}.Read(t.Context(), r.pass)
	all := r.table.Processes
	byPID := map[int]*proctable.Process{}
	for _, p := range all {
		byPID[p.PID] = p
	}
	if byPID[os.Getpid()] == nil {
		t.Fatalf("this very process, %d, is not among the %d that were found", os.Getpid(), len(all))
	}
	return byPID
}

// A process of our own making, of which we know everything.
func TestReadsWhatIsKnown(t *testing.T) {
	setpriv := needTool(t, "setpriv", "util-linux")
	cat, err := exec.LookPath("cat")
	if err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		t.Skip("setpriv needs root")
	}
	cmd := exec.Command(setpriv, "--reuid=4711", "--regid=4712", "--clear-groups", "--no-new-privs", "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all,+chown,+kill", cat)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	// What cat gives back shows that setpriv is done and cat runs.
	if _, err := io.WriteString(stdin, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(stdout, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	p := liveProcesses(t)[cmd.Process.Pid]
	if p == nil {
		t.Fatalf("the process that was started, %d, was not found", cmd.Process.Pid)
	}
	got := (&proctable.Table{}).Facts(p)
	none, few := fact.NewCapMask(0), fact.NewCapMask(1<<0|1<<5)
	if got.Comm != "cat" || got.UID != [4]int64{4711, 4711, 4711, 4711} || got.GID != [4]int64{4712, 4712, 4712, 4712} ||
		got.CapEff != none || got.CapPrm != none || got.CapInh != none || got.CapAmb != none || got.CapBnd != few ||
		got.NoNewPrivs == nil || !*got.NoNewPrivs || got.Seccomp == nil {
		t.Errorf("not what was started: %+v", got)
	}
}

// getpcaps and pscap ask the kernel by capget(2) and libraries of their own.
func TestMasksAgreeWithGetpcaps(t *testing.T) {
	getpcaps := needTool(t, "getpcaps", "libcap2-bin")
	processes := liveProcesses(t)
	last := lastCap(t)
	compared := 0
	for pid, p := range processes {
		out, err := exec.Command(getpcaps, strconv.Itoa(pid)).CombinedOutput()
		if err != nil {
			continue // it ended
		}
		_, text, ok := strings.Cut(strings.TrimSpace(string(out)), ": ")
		if !ok {
			_, text, ok = strings.Cut(strings.TrimSpace(string(out)), ":")
		}
		if !ok {
			t.Fatalf("getpcaps printed %q", out)
		}
		effective, permitted, inheritable, err := parseCapText(text, last)
		if err != nil {
			t.Fatalf("getpcaps %d: %v", pid, err)
		}
		for _, set := range []struct {
			name      string
			got       fact.CapMask
			want, all uint64
		}{
			{"CapEff", p.Status.CapEff, effective, 0},
			{"CapPrm", p.Status.CapPrm, permitted, 0},
			{"CapInh", p.Status.CapInh, inheritable, 0},
		} {
			if bits, read := set.got.Bits(); !read || bits != set.want {
				if !sameMasks(p, liveProcesses(t)[pid]) {
					continue // it changed meanwhile
				}
				t.Errorf("pid %d %s: %s, getpcaps says %016x (%s)", pid, set.name, set.got, set.want, text)
			}
		}
		compared++
	}
	if compared == 0 {
		t.Error("not one process was compared")
	}
	t.Logf("%d processes compared", compared)
}

// sameMasks reports whether two readings of a process agree, so that a difference
// to what was read in between is none of its own doing.
func sameMasks(a, b *proctable.Process) bool {
	return a != nil && b != nil && a.Stat.StartTime == b.Stat.StartTime &&
		a.Status.CapEff == b.Status.CapEff && a.Status.CapPrm == b.Status.CapPrm && a.Status.CapInh == b.Status.CapInh
}

func lastCap(t *testing.T) int {
	t.Helper()
	data, err := os.ReadFile("/proc/sys/kernel/cap_last_cap")
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// parseCapText reads cap_from_text(3): clauses of names, an operator and flags.
func parseCapText(text string, last int) (effective, permitted, inheritable uint64, err error) {
	all := uint64(1)<<(last+1) - 1
	for clause := range strings.FieldsSeq(text) {
		i := strings.IndexAny(clause, "=+-")
		if i < 0 {
			return 0, 0, 0, fmt.Errorf("no operator in %q", clause)
		}
		mask := uint64(0)
		if clause[:i] == "" || clause[:i] == "all" {
			mask = all
		} else {
			for name := range strings.SplitSeq(clause[:i], ",") {
				found := false
				for n := range last + 1 {
					if strings.EqualFold("cap_"+strings.TrimPrefix(capability.Number(n).String(), "CAP_"), name) {
						mask, found = mask|1<<n, true
					}
				}
				if !found {
					return 0, 0, 0, fmt.Errorf("an unknown name in %q", clause)
				}
			}
		}
		rest := clause[i:]
		for rest != "" {
			op := rest[0]
			end := strings.IndexAny(rest[1:], "=+-") + 1
			if end == 0 {
				end = len(rest)
			}
			flags := rest[1:end]
			rest = rest[end:]
			for flag, set := range map[string]*uint64{"e": &effective, "p": &permitted, "i": &inheritable} {
				switch has := strings.Contains(flags, flag); {
				case op == '=':
					*set &^= mask
					if has {
						*set |= mask
					}
				case op == '+' && has:
					*set |= mask
				case op == '-' && has:
					*set &^= mask
				}
			}
		}
	}
	return effective, permitted, inheritable, nil
}

func TestProcessesAgreeWithPscap(t *testing.T) {
	pscap := needTool(t, "pscap", "libcap-ng-utils")
	before := liveProcesses(t)
	out, err := exec.Command(pscap, "-a").Output()
	if err != nil {
		t.Fatalf("pscap -a: %v", err)
	}
	after := liveProcesses(t)
	compared := 0
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 5 || fields[0] == "ppid" {
			continue
		}
		pid, err := strconv.Atoi(fields[1])
		if err != nil {
			continue // the rest of a name with a newline in it
		}
		p := before[pid]
		if !sameMasks(p, after[pid]) {
			continue // a kernel thread, or it came or went
		}
		// pscap omits processes without a capability, so all of its have some.
		if bits, read := p.Status.CapEff.Bits(); !read || bits == 0 {
			t.Errorf("pid %d has capabilities for pscap (%s), and %s here", pid, lines.Text(), p.Status.CapEff)
		}
		compared++
	}
	if compared == 0 {
		t.Error("not one process was compared")
	}
}

// namesEnv makes the test binary read this machine and end, under strace.
const namesEnv = "CHECKLIST_READ_NODE"

func TestMain(m *testing.M) {
	if os.Getenv(namesEnv) != "" {
		ctx, cancel := context.WithTimeout(context.Background(), tooLong)
		defer cancel()
		if _, err := Local(ctx, Options{Level: fact.LevelFull, Proc: "/proc", Root: "/", Live: true}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if where := os.Getenv(hangEnv); where != "" {
		os.Exit(readHanging(where))
	}
	if os.Getenv(serverEnv) != "" {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// hangEnv makes the test binary mount file systems that never answer in a
// fixture, and read that: the time for it, DIR, then the directories below it
// that they cover, with a colon between.
const hangEnv = "CHECKLIST_READ_HANGING"

// tooLong ends what hangs. It is for nothing else: a busy machine needs less.
const tooLong = 5 * time.Minute

// eventually waits for other processes, which have the kernel's clock, and reports
// whether they came so far.
func eventually(ready func() bool) bool {
	for begun := time.Now(); !ready(); time.Sleep(10 * time.Millisecond) {
		if time.Since(begun) > tooLong {
			return false
		}
	}
	return true
}

func readHanging(where string) int {
	fail := func(err error) int { fmt.Fprintln(os.Stderr, err); return 1 }
	limit, where, _ := strings.Cut(where, ":")
	deadline, err := time.ParseDuration(limit)
	if err != nil {
		return fail(err)
	}
	dirs := strings.Split(where, ":")
	for _, dir := range dirs[1:] {
		fuse, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return fail(err)
		}
		if err := unix.Mount("dead", dirs[0]+"/"+dir, "fuse", unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fuse)); err != nil {
			return fail(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	m, err := local(ctx, Options{Level: fact.LevelFull, Root: dirs[0]}, 50*time.Millisecond)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fail(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(m); err != nil {
		return fail(err)
	}
	return 0
}

// measureHanging reads a fixture some directories of which never answer. The
// hanging is the kernel's, so the time is real: a machine too busy to read the
// rest before the deadline, whole says, is given a later one.
func measureHanging(t *testing.T, whole func(*fact.Measurement) bool, dir string, dead ...string) *fact.Measurement {
	t.Helper()
	unshare := needTool(t, "unshare", "util-linux")
	if _, err := os.Stat("/dev/fuse"); err != nil || os.Geteuid() != 0 {
		t.Skip("needs root and /dev/fuse")
	}
	for deadline := time.Second; ; deadline *= 2 {
		ctx, cancel := context.WithTimeout(t.Context(), tooLong)
		defer cancel()
		cmd := exec.CommandContext(ctx, unshare, "--mount", "--propagation=private", os.Args[0])
		cmd.Env = append(os.Environ(), hangEnv+"="+strings.Join(append([]string{deadline.String(), dir}, dead...), ":"))
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			if strings.Contains(stderr.String(), "operation not permitted") {
				t.Skip("mounting is not permitted here")
			}
			t.Fatalf("%v: %s", err, &stderr)
		}
		var m *fact.Measurement
		if err := json.Unmarshal(out, &m); err != nil {
			t.Fatal(err)
		}
		if m != nil && whole(m) || deadline > 30*time.Second {
			return m
		}
		t.Logf("within %s not all was read that answers", deadline)
	}
}

// timeouts are the gaps of what was not finished.
func timeouts(m *fact.Measurement) (gaps []fact.NodeGap) {
	for _, g := range m.Gaps {
		if g.Reason == fact.Timeout {
			gaps = append(gaps, g)
		}
	}
	return gaps
}

// A file system that never answers costs what lies on it and no more: the
// facts so far come at the deadline, and the process ends.
func TestDeadFileSystem(t *testing.T) {
	dir := nodeFixture(t, []fakeProcess{initProcess, {pid: 5, comm: "a", cgroup: "0::/docker/" + idA + "\n", root: "/c"}}, "-- c/usr/bin/a --\nx\n-- etc/ --\n")
	answering := []fact.Kind{fact.Processes, fact.Mounts, fact.Executables, fact.Devices, fact.Etcd, fact.EncryptionConfig}
	m := measureHanging(t, func(m *fact.Measurement) bool {
		return !slices.ContainsFunc(answering, func(k fact.Kind) bool { return !m.HasRead(k) })
	}, dir, "etc")
	for _, kind := range answering {
		if !m.HasRead(kind) {
			t.Errorf("%s does not lie on the dead file system, and was not read", kind)
		}
	}
	for _, kind := range []fact.Kind{fact.Kernel, fact.Packages} {
		if m.HasRead(kind) || !slices.ContainsFunc(m.Gaps, func(g fact.NodeGap) bool { return g.What == kind && g.Reason == fact.Timeout }) {
			t.Errorf("%s was read %v, gaps %v; want a timeout", kind, m.HasRead(kind), m.Gaps)
		}
	}
}

// One that hangs a container costs that container what lies on it: not its other
// kinds, and not the other containers.
func TestDeadFileSystemOfAContainer(t *testing.T) {
	mounts := func(upper string) string {
		return "20 1 0:9 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/" + upper + ",workdir=/w\n22 20 0:8 / /dev rw - tmpfs tmpfs rw\n"
	}
	processes := []fakeProcess{initProcess}
	files := "-- l/usr/bin/p --\nx\n-- proc/swaps --\nFilename\tType\tSize\tUsed\tPriority\n"
	for i, id := range []string{idA, idB, idC} { // the first hangs, so that the others come behind it
		root := fmt.Sprintf("c%d", i)
		processes = append(processes, fakeProcess{pid: 5 + i, comm: "p", cgroup: "0::/docker/" + id + "\n", root: "/" + root, mounts: mounts(root + "/u"), ns: fmt.Sprint(1000 + i)})
		files += fmt.Sprintf("-- %s/usr/bin/p --\nx\n-- %s/dev/ --\n-- %s/u/tmp/ --\n", root, root, root)
	}
	m := measureHanging(t, func(m *fact.Measurement) bool { return len(timeouts(m)) <= 2 }, nodeFixture(t, processes, files), "c0/dev", "c0/u/tmp")
	for _, k := range nodeTable() {
		if !m.HasRead(k.Kind) && k.Holder != fact.OfHost { // a fixture has no packages
			t.Errorf("%s was not read", k.Kind)
		}
	}
	type lost struct {
		Container string
		What      fact.Kind
	}
	var got []lost
	for _, g := range timeouts(m) {
		got = append(got, lost{g.Container, g.What})
		if !strings.HasPrefix(g.Detail, "not finished after ") {
			t.Errorf("the gap says %q", g.Detail)
		}
	}
	if diff := cmp.Diff([]lost{{idA, fact.Upperdir}, {idA, fact.Devices}}, got); diff != "" {
		t.Errorf("what was not finished (-want +got):\n%s", diff)
	}
	for _, c := range m.Containers {
		if walked := c.Upper != nil && c.Upper.Entries > 0; walked != (c.ID != idA) {
			t.Errorf("upperdir of %s: walked %t", c.ID[:4], walked)
		}
		if exe := c.Processes[0].Exe; exe == nil || exe.Origin != fact.OriginImage {
			t.Errorf("executable of %s: %+v", c.ID[:4], exe)
		}
	}
}

// The probe could read other processes' memory and environment; no filter can
// see a name. So what is opened below /proc is held to a list, by the kernel's
// own account of a whole run.
func TestOpensNothingBelowProcButTheNames(t *testing.T) {
	strace := needTool(t, "strace", "strace")
	log := filepath.Join(t.TempDir(), "log")
	cmd := exec.Command(strace, "-f", "-y", "-qq", "-e", "trace=file", "-o", log, os.Args[0])
	cmd.Env = append(os.Environ(), namesEnv+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("strace: %v\n%s", err, out)
	}
	data, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	// openat(5</proc/12>, "status", ...) and openat(AT_FDCWD, "/proc/self/stat", ...)
	call := regexp.MustCompile(`^\d+ +(\w+)\((?:(?:AT_FDCWD|\d+)(?:<([^>]*)>)?, )?"([^"]*)"`)
	perProcess := regexp.MustCompile(`^/proc/(?:self|thread-self|\d+)(?:/task/\d+)?(?:/(.*))?$`)
	allowed := map[string]bool{"": true, ".": true, "ns": true, "net": true, "attr": true}
	for _, name := range procfs.Names() {
		allowed[string(name)] = true
	}
	node := procfs.NodeNames()
	calls := map[string]int{}
	used := map[string]bool{}
	started := false
	for line := range strings.SplitSeq(string(data), "\n") {
		m := call.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		syscall, dir, name := m[1], m[2], m[3]
		full := name
		if !strings.HasPrefix(name, "/") {
			full = filepath.Join(dir, name)
		}
		if full == "/proc" {
			started = true // what comes before is the Go runtime's own
		}
		if !started || !strings.HasPrefix(full, "/proc/") {
			continue
		}
		calls[syscall]++
		if sub := perProcess.FindStringSubmatch(full); sub != nil {
			below := sub[1]
			for _, dir := range []string{"fd", "fdinfo"} {
				if n, ok := strings.CutPrefix(below, dir+"/"); ok {
					if _, err := strconv.Atoi(n); err == nil {
						below = dir
					}
				}
			}
			if !allowed[below] {
				t.Errorf("%s below a process, which is not on the list: %s", below, line)
			}
			used[below] = true
			continue
		}
		name = strings.TrimPrefix(full, "/proc/")
		if !slices.ContainsFunc(node, func(n string) bool { return n == name || strings.HasPrefix(n, name+"/") }) {
			t.Errorf("%s, which is not on the list: %s", full, line)
		}
		used[name] = true
	}
	for _, must := range []procfs.Name{procfs.NameStatus, procfs.NameStat, procfs.NameCgroup, procfs.NameUIDMap, procfs.NameMountInfo} {
		if !used[string(must)] {
			t.Errorf("%s was not seen: the test looks at something else than a run", must)
		}
	}
	for syscall := range calls {
		if !slices.Contains([]string{"openat", "readlinkat", "statx", "newfstatat"}, syscall) {
			t.Errorf("%s is not on the filter's list", syscall)
		}
	}
	for _, flag := range []string{"O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND", "O_TMPFILE"} {
		if started && strings.Contains(string(data), flag) {
			for line := range strings.SplitSeq(string(data), "\n") {
				if strings.Contains(line, flag) && !strings.Contains(line, "/dev/null") {
					t.Errorf("opened for writing: %s", line)
				}
			}
		}
	}
}

// TestDump prints what a node gives, for people: CHECKLIST_DUMP is the level,
// CHECKLIST_DUMP_ROOT the node's root ("" is pid 1's).
func TestDump(t *testing.T) {
	level := os.Getenv("CHECKLIST_DUMP")
	if level == "" {
		t.Skip("CHECKLIST_DUMP is not set")
	}
	ctx, cancel := context.WithTimeout(context.Background(), tooLong)
	defer cancel()
	m, err := Local(ctx, Options{Level: fact.Level(level), Proc: "/proc", Root: os.Getenv("CHECKLIST_DUMP_ROOT"), Live: true})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stdout.Write(append(text, '\n')); err != nil {
		t.Fatal(err)
	}
}
