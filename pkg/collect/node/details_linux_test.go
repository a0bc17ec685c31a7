package node

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/processes"
)

// task is a thread of a fixture: its status.
func task(pid, tid int, comm, caps, rest string) string {
	return fmt.Sprintf("-- proc/%d/task/%d/status --\nName:\t%s\nState:\tS (x)\nTgid:\t%d\nPid:\t%d\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nCapPrm:\t%s\nCapEff:\t%s\nCapBnd:\t00000000a80425fb\n%s",
		pid, tid, comm, pid, tid, caps, caps, rest)
}

func TestThreads(t *testing.T) {
	const plain, rest = "00000000a80425fb", "NoNewPrivs:\t0\nSeccomp:\t2\n"
	var equal, many strings.Builder
	for i := range 40 {
		equal.WriteString(task(20, 100+i, "same", "00000000a80425ff", rest))
		many.WriteString(task(20, 100+i, "new", fmt.Sprintf("000000ffffffff%02x", i), rest))
	}
	mask := fact.NewCapMask(0xa80425fb)
	differs := func(tid int, comm string, caps uint64, change func(*fact.Thread)) fact.Thread {
		th := fact.Thread{TID: tid, Comm: comm, CapPrm: fact.NewCapMask(caps), CapEff: fact.NewCapMask(caps), CapBnd: mask, NoNewPrivs: ptr(false), Seccomp: ptr(2)}
		if change != nil {
			change(&th)
		}
		return th
	}
	for name, tc := range map[string]struct {
		threads int
		tasks   string
		want    *fact.Threads
		gap     string
	}{
		"one thread": {threads: 1, want: nil},
		"equal ones": {threads: 3, tasks: task(20, 20, "app", plain, rest) + task(20, 21, "w", plain, rest) + task(20, 22, "w", plain, rest), want: &fact.Threads{Count: 3}},
		"each difference": {
			threads: 6,
			tasks: task(20, 20, "app", plain, rest) + task(20, 21, "more", "000001ffffffffff", rest) + task(20, 22, "less", "0000000000000000", rest) +
				task(20, 23, `a\nb`, plain, "NoNewPrivs:\t1\nSeccomp:\t2\n") + task(20, 24, "free", plain, "NoNewPrivs:\t0\nSeccomp:\t0\n") +
				strings.Replace(task(20, 25, "user", plain, rest), "Uid:\t0\t0", "Uid:\t0\t7", 1) +
				strings.Replace(task(20, 26, "bound", plain, rest), "CapBnd:\t00000000a", "CapBnd:\t00000000f", 1),
			want: &fact.Threads{Count: 7, DifferingCount: 6, Differing: []fact.Thread{
				differs(21, "more", 0x1ffffffffff, nil), differs(22, "less", 0, nil),
				differs(23, "a\nb", 0xa80425fb, func(th *fact.Thread) { th.NoNewPrivs = ptr(true) }),
				differs(24, "free", 0xa80425fb, func(th *fact.Thread) { th.Seccomp = ptr(0) }),
				differs(25, "user", 0xa80425fb, func(th *fact.Thread) { th.UID[1] = 7 }),
				differs(26, "bound", 0xa80425fb, func(th *fact.Thread) { th.CapBnd = fact.NewCapMask(0xf80425fb) }),
			}},
		},
		"a crowd of equal ones hides none": {
			threads: 42, tasks: equal.String() + task(20, 20, "app", plain, rest) + task(20, 900, "last", "000001ffffffffff", rest) + task(20, 901, "none", "0000000000000000", rest),
			want: &fact.Threads{Count: 43, DifferingCount: 42, Differing: func() (all []fact.Thread) {
				for i := range 15 {
					all = append(all, differs(100+i, "same", 0xa80425ff, nil))
				}
				return append(all, differs(900, "last", 0x1ffffffffff, nil))
			}()},
		},
		"more kinds than are listed": {threads: 41, tasks: many.String(), gap: "threads not read: pid 20: threads with more than 16 different rights: larger than the limit"},
		"a status that is broken":    {threads: 2, tasks: task(20, 21, "x", "00", rest), gap: `threads not read: pid 20, thread 21: status line 7: expected 16 hex digits, found "CapPrm:\t00"`},
		"no list":                    {threads: 2, gap: "threads not read: open"},
		"the process has dropped its rights meanwhile": {
			threads: 3, tasks: task(20, 20, "app", "0000000000000000", rest) + task(20, 21, "w", "0000000000000000", rest) + task(20, 22, "w", plain, rest) + task(20, 23, "w", "0000000000000000", rest),
			want: &fact.Threads{Count: 4},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := nodeFixture(t, []fakeProcess{initProcess, {
				pid: 20, ppid: 1, comm: "app", cgroup: "0::/kubepods/pod" + podUID + "/" + idA + "\n", extra: fmt.Sprintf("Threads:\t%d\n", tc.threads) + rest,
			}}, tc.tasks)
			m := read(t, dir, fact.LevelProc, fact.Processes)
			gap := ""
			for _, g := range ownGaps(m) {
				gap += g.Detail
				if g.Container != idA || g.What != fact.Processes {
					t.Errorf("gap %+v", g)
				}
			}
			if tc.gap == "" && gap != "" || tc.gap != "" && !strings.HasPrefix(gap, tc.gap) {
				t.Errorf("gap  %s\nwant %s", gap, tc.gap)
			}
			if len(m.Containers) != 1 || len(m.Containers[0].Processes) != 1 {
				t.Fatalf("containers %+v", m.Containers)
			}
			if tc.gap != "" {
				return
			}
			got := m.Containers[0].Processes[0].Threads
			if strings.HasPrefix(name, "a crowd") { // which of the equal ones is the file system's choice
				for i := range 15 {
					got.Differing[i].TID = 100 + i
				}
			}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(fact.CapMask{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The labels are as the kernel's attr/current has them: of AppArmor from the
// documentation of containerd, of SELinux from that of container-selinux.
func TestLabelAndGroups(t *testing.T) {
	for name, tc := range map[string]struct {
		init, label string // files; "" = none
		groups      string
		want        string
		wantGroups  []int64
	}{
		"AppArmor":            {init: "unconfined\n", label: "cri-containerd.apparmor.d (enforce)\n", groups: "1 20", want: "cri-containerd.apparmor.d (enforce)", wantGroups: []int64{1, 20}},
		"AppArmor unconfined": {init: "unconfined\n", label: "unconfined\n", want: "unconfined"},
		"SELinux":             {init: "system_u:system_r:init_t:s0\n", label: "system_u:system_r:container_t:s0:c1,c2\n", want: "system_u:system_r:container_t:s0:c1,c2"},
		"neither":             {want: ""},
		"no label of pid 1":   {label: "of a kernel that has no module\n", want: ""},
		"bytes":               {init: "unconfined\n", label: "a\xff\n", want: `a\xff`},
		"many groups":         {groups: strings.Repeat("4294967294 ", 100), wantGroups: slices.Repeat([]int64{4294967294}, fact.MaxGroups)},
	} {
		t.Run(name, func(t *testing.T) {
			files := ""
			if tc.init != "" {
				files += "-- proc/1/attr/current --\n" + tc.init
			}
			if tc.label != "" {
				files += "-- proc/20/attr/current --\n" + tc.label + "-- proc/21/attr/current --\n" + tc.label
			}
			extra := "Groups:\t" + tc.groups + "\nNoNewPrivs:\t0\nSeccomp:\t2\n"
			dir := nodeFixture(t, []fakeProcess{
				initProcess,
				{pid: 20, ppid: 1, comm: "app", cgroup: "0::/kubepods/pod" + podUID + "/" + idA + "\n", extra: extra},
				{pid: 21, ppid: 1, comm: "host", extra: extra},
			}, files)
			m := read(t, dir, fact.LevelProc, fact.Processes)
			p := m.Containers[0].Processes[0]
			if p.Label != tc.want {
				t.Errorf("label %q, want %q", p.Label, tc.want)
			}
			// In a tree that is not the live /proc a missing file shows nothing.
			if has := m.Labels != nil; has != (tc.init != "") || has && !*m.Labels {
				t.Errorf("labels %v", m.Labels)
			}
			if diff := cmp.Diff(tc.wantGroups, p.Groups); diff != "" {
				t.Errorf("groups (-want +got):\n%s", diff)
			}
		})
	}
}

// threadsEnv makes this program one whose threads differ: see TestLiveThreads.
const threadsEnv = "CHECKLIST_TEST_THREADS"

// init runs on the main thread, which is the process's first.
func init() {
	what := os.Getenv(threadsEnv)
	if what == "" {
		return
	}
	runtime.LockOSThread()
	ready := make(chan int)
	go func() {
		runtime.LockOSThread()
		if what == "drop" {
			must(unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_SYS_TIME, 0, 0, 0))
			must(unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		}
		ready <- unix.Gettid()
		_, _ = os.Stdin.Read(make([]byte, 1)) // until the test ends
		os.Exit(0)
	}()
	fmt.Println(<-ready)
	if what == "leave" {
		_, _, _ = unix.Syscall(unix.SYS_EXIT, 0, 0, 0) // of this thread alone
	}
	select {}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// startThreads starts it and returns its pid and that of the thread.
func startThreads(t *testing.T, what string) (pid, tid int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), threadsEnv+"="+what)
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
	t.Cleanup(func() { _ = stdin.Close(); _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if _, scan := fmt.Sscan(line, &tid); err != nil || scan != nil {
		t.Fatalf("the process says %q: %v", line, err)
	}
	return cmd.Process.Pid, tid
}

// liveTable reads this machine's processes, of which one is said to be the caller's
// container: so it is in a container without a cgroup of its own.
func liveTable(t *testing.T, pid int) *proctable.Table {
	t.Helper()
	r, err := New(Options{Level: fact.LevelFull, Proc: "/proc", Root: "/", Live: true, SelfPID: pid})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	processes.Table{}.Read(t.Context(), r.pass)
	i := slices.IndexFunc(r.table.Containers, func(ct *proctable.Container) bool { return ct.Self })
	if i < 0 {
		t.Fatalf("pid %d is in none of %d containers", pid, len(r.table.Containers))
	}
	r.table.Containers = r.table.Containers[i : i+1]
	return r.table
}

func TestLiveThreads(t *testing.T) {
	pid, tid := startThreads(t, "drop")
	table := liveTable(t, pid)
	p := table.Containers[0].Processes[0]
	if p.ThreadsErr != nil || p.Threads == nil || p.Threads.Count != p.Status.Threads {
		t.Fatalf("threads %+v, error %v; status counts %d", p.Threads, p.ThreadsErr, p.Status.Threads)
	}
	if n := p.Threads.DifferingCount; n != 1 || p.Threads.Differing[0].TID != tid {
		t.Fatalf("%d differ: %+v, want thread %d", n, p.Threads.Differing, tid)
	}
	th := p.Threads.Differing[0]
	if *th.NoNewPrivs != true || *p.Status.NoNewPrivs != false || th.CapBnd.Has(unix.CAP_SYS_TIME) || os.Geteuid() == 0 && !p.Status.CapBnd.Has(unix.CAP_SYS_TIME) {
		t.Errorf("thread %+v of %+v", th, p.Status)
	}
}

// A process whose first thread has ended looks like a zombie, and runs.
func TestLiveWithoutLeader(t *testing.T) {
	pid, _ := startThreads(t, "leave")
	for begun := time.Now(); ; time.Sleep(time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || time.Since(begun) > tooLong {
			t.Fatalf("its first thread has not ended: %s: %v", stat, err)
		}
		if strings.Contains(string(stat), ") Z ") {
			break
		}
	}
	table := liveTable(t, pid)
	p := table.Containers[0].Processes[0]
	if p.PID != pid || p.Thread == 0 || p.Thread == pid || p.Status.State == 'Z' {
		t.Errorf("read as thread %d, state %c", p.Thread, p.Status.State)
	}
	if p.Threads == nil || p.ThreadsErr != nil || p.Threads.Count < 2 {
		t.Errorf("threads %+v, error %v", p.Threads, p.ThreadsErr)
	}
	d, err := table.Reopen(p, make([]byte, 32<<10))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if root, err := d.RootKey(); err != nil || !root.Known() {
		t.Errorf("root %+v: %v", root, err)
	}
	self, err := filepath.EvalSymlinks(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if text, _, _, err := table.Exe(d, p); err != nil || text != self {
		t.Errorf("it runs %q: %v, want %q", text, err, self)
	}
}
