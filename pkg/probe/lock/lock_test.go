//go:build linux && (amd64 || arm64)

package lock_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/lock"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/lock/attempt"
)

// scenarioEnv names what this binary does as a child: a lock is forever, so
// each test needs a process of its own.
const scenarioEnv = "CHECKLIST_LOCK_SCENARIO"

func TestMain(m *testing.M) {
	if attempt.IsChild() {
		os.Exit(attempt.Child())
	}
	if name := os.Getenv(scenarioEnv); name != "" {
		scenarios[name]()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Everything that must be refused is, everything that is needed works, under
// garbage collection, new threads and timers.
func TestLockRefusesAndLeaves(t *testing.T) {
	results, err := attempt.Main(attempt.Options{Dir: t.TempDir(), Root: "/", Stress: 100})
	if err != nil {
		t.Fatal(err)
	}
	check(t, results, false)
}

// So it is with the net probe's lock, whose reads are connections. What the other lock
// lets it read is refused here.
func TestNetLockRefusesAndLeaves(t *testing.T) {
	results, err := attempt.Main(attempt.Options{Dir: t.TempDir(), Root: "/", Stress: 50, Net: true})
	if err != nil {
		t.Fatal(err)
	}
	checkNet(t, results, false)
	unlocked, err := attempt.Main(attempt.Options{Dir: t.TempDir(), Root: "/", Unlocked: true, Net: true})
	if err != nil {
		t.Fatal(err)
	}
	checkNet(t, unlocked, true)
	if diff := cmp.Diff(attempt.Names(results, "try"), attempt.Names(unlocked, "try")); diff != "" {
		t.Errorf("attempts with the lock and without (-with +without):\n%s", diff)
	}
}

func checkNet(t *testing.T, results []attempt.Result, unlocked bool) {
	t.Helper()
	works := 0
	for _, r := range results {
		if wrong := r.Wrong(unlocked); wrong != "" {
			t.Errorf("%s %s: %s, found %s", r.Kind, r.Name, wrong, r.Errno)
		}
		if r.Kind == "try" && r.Works {
			works++
		}
	}
	tries, uses := attempt.Names(results, "try"), attempt.Names(results, "use")
	if len(tries) < 180 || works < 60 || len(uses) < 4 {
		t.Errorf("expected at least 180 attempts, 60 of them working without the lock, and 4 uses, found %d, %d and %d", len(tries), works, len(uses))
	}
}

// Without the lock the same attempts work: so it is the lock that refuses.
func TestWithoutLockTheAttemptsWork(t *testing.T) {
	results, err := attempt.Main(attempt.Options{Dir: t.TempDir(), Root: "/", Unlocked: true})
	if err != nil {
		t.Fatal(err)
	}
	check(t, results, true)
	works := 0
	for _, r := range results {
		if r.Kind == "try" && r.Errno == "ok" {
			works++
		}
	}
	if works < 40 {
		t.Errorf("expected at least 40 attempts to work without the lock, found %d", works)
	}
}

func check(t *testing.T, results []attempt.Result, unlocked bool) {
	t.Helper()
	if tries := attempt.Names(results, "try"); len(tries) < 140 {
		t.Errorf("expected at least 140 attempts, found %d", len(tries))
	}
	if reads := attempt.Names(results, "read"); len(reads) < 22 {
		t.Errorf("expected at least 22 reads, found %d", len(reads))
	}
	for _, r := range results {
		if wrong := r.Wrong(unlocked); wrong != "" {
			t.Errorf("%s %s: %s, found %s", r.Kind, r.Name, wrong, r.Errno)
		}
	}
}

// scenarios run in a child and print one line on stdout.
var scenarios = map[string]func(){
	"thread with a filter of its own": func() {
		ready, end := make(chan error), make(chan struct{})
		go func() {
			runtime.LockOSThread()
			ready <- ownFilter()
			<-end
		}()
		if err := <-ready; err != nil {
			fmt.Println("preparing:", err)
			return
		}
		fmt.Println(lock.Install(unix.Stdout))
	},
	"output that is not open": func() { fmt.Println(lock.Install(unix.Stdout, 77)) },
	"output for reading": func() {
		fd, err := unix.Open("/", unix.O_RDONLY, 0)
		if err != nil {
			panic(err)
		}
		err = lock.Install(unix.Stdout, fd)
		fmt.Println(strings.ReplaceAll(err.Error(), fmt.Sprint("output ", fd), "output N"))
	},
	"net": func() {
		// A crash would print to descriptor 2.
		err := lock.InstallNet(unix.Stdout)
		_, stderr := unix.Write(unix.Stderr, []byte("x"))
		fmt.Println(err, stderr)
	},
	"net with an open file": func() {
		if _, err := unix.Open(os.Args[0], unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			panic(err)
		}
		fd, err := unix.MemfdCreate("x", unix.MFD_CLOEXEC)
		if err != nil {
			panic(err)
		}
		fmt.Println(strings.ReplaceAll(lock.InstallNet(unix.Stdout).Error(), fmt.Sprint(fd), "N"))
	},
	"net with a thread that has a filter of its own": func() {
		ready, end := make(chan error), make(chan struct{})
		go func() {
			runtime.LockOSThread()
			ready <- ownFilter()
			<-end
		}()
		if err := <-ready; err != nil {
			fmt.Println("preparing:", err)
			return
		}
		fmt.Println(lock.InstallNet(unix.Stdout))
	},
	"net twice": func() {
		if err := lock.InstallNet(unix.Stdout); err != nil {
			fmt.Println("first:", err)
			return
		}
		fmt.Println(lock.InstallNet(unix.Stdout))
	},
	"net crash": func() {
		if err := lock.InstallNet(unix.Stdout); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("locked")
		panic("data that was being read")
	},
	"twice": func() {
		if err := lock.Install(unix.Stdout); err != nil {
			fmt.Println("first:", err)
			return
		}
		fmt.Println(lock.Install(unix.Stdout))
	},
	"inherited descriptors": func() {
		before := "3 is " + link(3)
		if err := lock.Install(unix.Stdout); err != nil {
			fmt.Println(err)
			return
		}
		// The number 3 may be the runtime's by now.
		fmt.Println(before, "then", link(3) == "/dev/zero", "and 0 is", link(0), "and 2 is", link(2))
	},
	"crash": func() {
		if err := lock.Install(unix.Stdout); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("locked")
		panic("data that was being read")
	},
}

func link(fd int) string {
	buf := make([]byte, 256)
	n, err := unix.Readlinkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), buf)
	if err != nil {
		return "closed"
	}
	return string(buf[:n])
}

// ownFilter gives the calling thread, alone, a filter that allows everything.
func ownFilter() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	filter := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}
	program := unix.SockFprog{Len: 1, Filter: &filter}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program))); errno != 0 {
		return errno
	}
	return nil
}

func TestInstall(t *testing.T) {
	tests := map[string]struct{ want, wantStderr string }{
		"thread with a filter of its own": {"lock: seccomp(SECCOMP_SET_MODE_FILTER): a thread has a filter of its own and cannot be synchronised; nothing was installed", ""},
		"output that is not open":         {"lock: output 77: expected an open descriptor: bad file descriptor", ""},
		"output for reading":              {"lock: output N: expected a descriptor open for writing, found flags 0x8000", ""},
		"twice":                           {"lock: output 1: expected an open descriptor: operation not permitted", ""},
		"inherited descriptors":           {"3 is /dev/zero then false and 0 is / and 2 is /", ""},
		"net":                             {"<nil> bad file descriptor", ""},
		"net with an open file":           {"lock: descriptor N: expected only the outputs open for writing, found another", ""},
		"net twice":                       {"lock: output 1: expected an open descriptor: operation not permitted", ""},
		"net with a thread that has a filter of its own": {"lock: seccomp(SECCOMP_SET_MODE_FILTER): a thread has a filter of its own and cannot be synchronised; nothing was installed", ""},
		// What a crash prints may hold data: nothing of it gets out.
		"crash":     {"locked", ""},
		"net crash": {"locked", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			zero, err := os.Open("/dev/zero")
			if err != nil {
				t.Fatal(err)
			}
			defer zero.Close()
			cmd := exec.Command("/proc/self/exe")
			cmd.Env = append(os.Environ(), scenarioEnv+"="+name)
			cmd.ExtraFiles = []*os.File{zero} // descriptor 3
			var stdout, stderr strings.Builder
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			err = cmd.Run()
			if got := strings.TrimSpace(stdout.String()); got != tt.want {
				t.Errorf("stdout: expected %q, found %q", tt.want, got)
			}
			if got := stderr.String(); got != tt.wantStderr {
				t.Errorf("stderr: expected %q, found %q", tt.wantStderr, got)
			}
			if crashed := err != nil; crashed != strings.HasSuffix(name, "crash") {
				t.Errorf("expected a crash: %v, found %v", strings.HasSuffix(name, "crash"), err)
			}
		})
	}
}
