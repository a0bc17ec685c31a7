//go:build linux && (amd64 || arm64)

package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/answer"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/wire"
)

// scenarioEnv makes this test binary a probe with one of the collectors below:
// it locks itself, so each needs a process.
const scenarioEnv = "CHECKLIST_PROBE_SCENARIO"

func TestMain(m *testing.M) {
	name := os.Getenv(scenarioEnv)
	if name == "" {
		os.Exit(m.Run())
	}
	if name == "crashes-unconfined" {
		panic(secretText)
	}
	open := func(c config) (answer.Collector, error) { return fakes[name](c), nil }
	switch name {
	case "real":
		open = newCollector
	case "hangs-when-opened":
		open = func(c config) (answer.Collector, error) {
			_, err := unix.Open(c.node, unix.O_RDONLY, 0)
			return nil, err
		}
	case "open-fails", "lock-fails", "confine-fails":
		open = func(config) (answer.Collector, error) {
			return nil, errors.New("opening the node's /proc: no such directory")
		}
	}
	p := program("dev", open)
	if name == "lock-fails" {
		p.Lock = func(...int) error { return errors.New("lock: expected Seccomp 2, found 0") }
	}
	// A real thread hangs in a real kernel here, so that the time is real. On a busy
	// machine each step may take long: a collector that hangs is given up soon, and
	// what comes afterwards has a minute. That the times are kept is shown with a
	// clock of its own (TestMeasureKeepsTheTime, TestWatchKeepsTheTime).
	switch name {
	case "heeds-its-context", "hangs-in-the-kernel", "spins":
		p.Margin = func(timeout time.Duration) time.Duration { return timeout - answer.MinTimeout }
	default:
		p.Grace = time.Minute
	}
	p.Prepare = answer.Confine // a scenario's name is in the environment
	if name == "confine-fails" {
		p.Prepare = func() error { return errors.New("setrlimit(RLIMIT_CORE): operation not permitted") }
	}
	os.Exit(answer.Main(p, os.Args[1:]))
}

// fake is a collector made of two functions.
type fake struct {
	run      func(ctx context.Context)
	snapshot func() *fact.Measurement
}

func (f fake) Run(ctx context.Context)     { f.run(ctx) }
func (f fake) Snapshot() *fact.Measurement { return f.snapshot() }

const secretText = "hunter2"

// unfinished is what package node returns for a kind that it had not finished.
func unfinished() *fact.Measurement {
	return &fact.Measurement{
		Level: fact.LevelFull, Read: []fact.Kind{fact.Processes},
		Gaps: []fact.NodeGap{{What: fact.Etcd, Reason: fact.Timeout, Detail: "not finished"}},
	}
}

func block() { select {} }

var fakes = map[string]func(c config) answer.Collector{
	"done": func(config) answer.Collector {
		return fake{func(context.Context) {}, func() *fact.Measurement { return &fact.Measurement{HostProcesses: 3} }}
	},
	"heeds-its-context": func(config) answer.Collector {
		return fake{func(ctx context.Context) { <-ctx.Done() }, unfinished}
	},
	// A thread in a system call that does not return: nobody writes to the FIFO.
	"hangs-in-the-kernel": func(c config) answer.Collector {
		return fake{func(context.Context) { _, _ = unix.Open(c.node, unix.O_RDONLY, 0) }, unfinished}
	},
	"spins": func(config) answer.Collector {
		return fake{func(context.Context) {
			for i := 0; ; i++ {
				_ = i
			}
		}, unfinished}
	},
	"hangs-in-snapshot": func(c config) answer.Collector {
		return fake{
			func(context.Context) { block() },
			func() *fact.Measurement { _, _ = unix.Open(c.node, unix.O_RDONLY, 0); return nil },
		}
	},
	"panics": func(config) answer.Collector {
		return fake{func(context.Context) { panic(secretText) }, unfinished}
	},
	"panics-out-of-range": func(config) answer.Collector {
		return fake{func(context.Context) { _ = []int{}[len(os.Args)] }, unfinished}
	},
	"panics-in-snapshot": func(config) answer.Collector {
		return fake{func(context.Context) {}, func() *fact.Measurement { panic(errors.New(secretText)) }}
	},
	// Not the collector's own goroutine: nobody recovers.
	"crashes": func(config) answer.Collector {
		return fake{func(context.Context) { go func() { panic(secretText) }(); block() }, unfinished}
	},
	"waits-for-a-writer": func(c config) answer.Collector {
		return fake{func(context.Context) {
			if fd, err := unix.Open(c.node, unix.O_RDONLY, 0); err == nil {
				_, _ = unix.Read(fd, make([]byte, 1))
			}
		}, func() *fact.Measurement { return &fact.Measurement{HostProcesses: 3} }}
	},
	// What a collector could do that was taken over by what it reads: write to
	// the descriptors that the lock leaves.
	"floods-the-termination-log": func(c config) answer.Collector {
		return fake{func(context.Context) {
			fd, link := -1, make([]byte, 256)
			for i := range 64 {
				n, err := unix.Readlinkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", i), link)
				if err == nil && string(link[:n]) == c.TerminationLog {
					fd = i
				}
			}
			say := func(n int, err error) {
				_, _ = unix.Write(unix.Stdout, fmt.Appendf(nil, "%d bytes: %v\n", n, err))
			}
			for range 3 {
				say(unix.Write(fd, make([]byte, 4000)))
			}
			_, _ = unix.Seek(fd, 1<<20, io.SeekStart)
			_, _ = unix.Write(unix.Stdout, []byte("far behind: "))
			say(unix.Write(fd, make([]byte, 4000)))
		}, func() *fact.Measurement { return &fact.Measurement{HostProcesses: 3} }}
	},
	"large": func(config) answer.Collector {
		return fake{func(context.Context) {}, large}
	},
	// More than one answer can hold: an etcd of 60,000 Secrets.
	"huge": func(config) answer.Collector {
		var m *fact.Measurement
		return fake{func(context.Context) { m = huge() }, func() *fact.Measurement { return m.DeepCopy() }}
	},
	// What the collector can do: it looks for itself.
	"looks-at-the-lock": func(c config) answer.Collector {
		m := &fact.Measurement{}
		return fake{func(context.Context) {
			_, err := unix.Open(c.node, unix.O_WRONLY, 0)
			m.Gaps = append(m.Gaps, fact.NodeGap{What: fact.Kernel, Detail: fmt.Sprint("open for writing: ", err)})
			_, err = unix.Write(unix.Stderr, []byte("x"))
			m.Gaps = append(m.Gaps, fact.NodeGap{What: fact.Kernel, Detail: fmt.Sprint("stderr: ", err)})
		}, func() *fact.Measurement { return m }}
	},
}

// handedOver is the answer of a watchdog after 1 s.
func handedOver(level fact.Level, kinds ...fact.Kind) *fact.Measurement {
	m := &fact.Measurement{Level: level}
	for _, kind := range kinds {
		m.Gaps = append(m.Gaps, fact.NodeGap{What: kind, Reason: fact.Timeout, Detail: "nothing was handed over within 1s: a file system does not answer"})
	}
	return m
}

func large() *fact.Measurement {
	m := &fact.Measurement{}
	for i := range 6000 {
		m.Containers = append(m.Containers, fact.MeasuredContainer{ID: fmt.Sprintf("%x", i*i*7919*7919)})
	}
	return m
}

func huge() *fact.Measurement {
	random := rand.New(rand.NewPCG(1, 1))
	db := fact.EtcdDB{Path: "/var/lib/etcd/member/snap/db", Complete: true, Total: 60_000}
	for i := range db.Total {
		db.Secrets = append(db.Secrets, fact.StoredSecret{
			Namespace: fmt.Sprintf("team-%03d", i/200), Name: fmt.Sprintf("%06d-%016x", i, random.Uint64()),
			Revision: int64(i), Class: fact.ClassAESCBC, Provider: "k8s:enc:aescbc:v1:key1:", Size: 2000,
		})
	}
	return &fact.Measurement{Etcd: []fact.EtcdDB{db}}
}

// left is what a probe left.
type left struct {
	status  int
	log     []byte
	message []byte
}

// probe runs one and checks what holds for all: nothing on standard error.
func probe(t *testing.T, scenario string, stdout io.Writer, args ...string) left {
	t.Helper()
	dir := t.TempDir()
	message := filepath.Join(dir, "termination-log")
	if err := os.WriteFile(message, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe", append([]string{"--termination-log", message}, args...)...)
	cmd.Env = append(os.Environ(), scenarioEnv+"="+scenario)
	var log, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &stderr
	if stdout != nil {
		cmd.Stdout = stdout
	}
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if stderr.Len() > 0 {
		t.Errorf("stderr: expected nothing, found %q", stderr.String())
	}
	text, err := os.ReadFile(message)
	if err != nil {
		t.Fatal(err)
	}
	return left{cmd.ProcessState.ExitCode(), log.Bytes(), text}
}

func fifo(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestProbe(t *testing.T) {
	failed := []fact.NodeGap{{What: fact.Etcd, Reason: fact.ProbeFailed}}
	timedOut := []fact.NodeGap{{What: fact.Etcd, Reason: fact.Timeout, Detail: "not finished"}}
	full := func(gaps []fact.NodeGap) *fact.Measurement {
		return &fact.Measurement{Level: fact.LevelFull, Read: []fact.Kind{fact.Processes}, Gaps: gaps}
	}
	soon := []string{"--timeout", "1s"} // where nothing but the watchdog ends it
	tests := []struct {
		scenario, rule string
		args           []string
		status         int
		wantError      string // a regular expression
		want           *fact.Measurement
	}{
		{scenario: "done", rule: "a small answer is in the trailer", status: wire.ExitComplete, want: &fact.Measurement{HostProcesses: 3}},
		{scenario: "large", rule: "a large one in frames", status: wire.ExitComplete, want: large()},
		{scenario: "heeds-its-context", rule: "at the deadline what there is is sent", status: wire.ExitPartial, want: full(timedOut)},
		{scenario: "hangs-in-the-kernel", rule: "a thread that hangs in the kernel does not stop it", status: wire.ExitPartial, want: full(timedOut)},
		{scenario: "spins", rule: "nor one that never yields", status: wire.ExitPartial, want: full(timedOut)},
		{scenario: "hangs-in-snapshot", rule: "the watchdog needs nobody", args: soon, status: wire.ExitPartial, want: handedOver(fact.LevelFull, fact.KindsAt(fact.LevelFull)...)},
		{scenario: "hangs-in-snapshot", rule: "it speaks of the kinds that were asked for", args: []string{"--kinds", "kernel,etcd,processes", "--level", "proc", "--timeout", "1s"}, status: wire.ExitPartial, want: handedOver(fact.LevelProc, fact.Processes)},
		{scenario: "hangs-when-opened", rule: "and looks after a collector that never begins", args: soon, status: wire.ExitPartial, want: handedOver(fact.LevelFull, fact.KindsAt(fact.LevelFull)...)},
		{scenario: "panics", rule: "a panic's text stays inside", status: wire.ExitFailed, want: full(failed), wantError: `^the probe panicked: string in probe\.\S+ \(probe_test\.go:\d+\)$`},
		{scenario: "panics-out-of-range", rule: "a runtime error is named without its numbers", status: wire.ExitFailed, want: full(failed), wantError: `^the probe panicked: index out of range in probe\.\S+ \(probe_test\.go:\d+\)$`},
		{scenario: "panics-in-snapshot", rule: "even where nothing is left to send", status: wire.ExitFailed, wantError: `^the probe panicked: \*errors\.errorString in probe\.\S+ \(probe_test\.go:\d+\)$`},
		{scenario: "lock-fails", rule: "without the lock nothing is read", status: wire.ExitUnlocked, wantError: "^lock: expected Seccomp 2, found 0$"},
		{scenario: "confine-fails", rule: "nor while core dumps are possible", status: wire.ExitUnlocked, wantError: `^setrlimit\(RLIMIT_CORE\): operation not permitted$`},
		{scenario: "open-fails", rule: "an error is the answer", status: wire.ExitFailed, wantError: "^opening the node's /proc: no such directory$"},
		{scenario: "looks-at-the-lock", rule: "the collector is locked in", args: []string{"--node", "/proc/self/comm"}, status: wire.ExitComplete, want: &fact.Measurement{Gaps: []fact.NodeGap{
			{What: fact.Kernel, Detail: "open for writing: operation not permitted"},
			{What: fact.Kernel, Detail: "stderr: operation not permitted"},
		}}},
		{scenario: "done", rule: "an unknown level is refused", args: []string{"--level", "api"}, status: wire.ExitUsage, wantError: `^invalid value "api" for flag -level: expected "proc" or "full"$`},
		{scenario: "done", rule: "an unknown kind is refused", args: []string{"--kinds", "etcd,cats"}, status: wire.ExitUsage, wantError: `^--kinds: expected some of \[pods nodes .*\], found "cats"$`},
		{scenario: "done", rule: "a time that is too short is refused", args: []string{"--timeout", "1ms"}, status: wire.ExitUsage, wantError: "^--timeout: expected 1s to 1h0m0s, found 1ms$"},
		{scenario: "done", rule: "arguments are refused", args: []string{"now"}, status: wire.ExitUsage, wantError: `^expected flags only, found "now"$`},
		{scenario: "done", rule: "there is no way to be unlocked", args: []string{"--no-lock"}, status: wire.ExitUsage, wantError: "^flag provided but not defined: -no-lock$"},
		{scenario: "done", rule: "help is the usage", args: []string{"--help"}, status: wire.ExitUsage, wantError: "^usage: checklist-probe "},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			t.Parallel()
			got := probe(t, tt.scenario, nil, append([]string{"--timeout", "60s", "--node", fifo(t)}, tt.args...)...)
			if got.status != tt.status {
				t.Errorf("exit status: expected %d, found %d", tt.status, got.status)
			}
			trailer, err := wire.ParseTrailer(got.message)
			if err != nil {
				t.Fatal(err)
			}
			if tt.wantError == "" {
				tt.wantError = "^$"
			}
			if !regexp.MustCompile(tt.wantError).MatchString(trailer.Error) {
				t.Errorf("error: expected %q, found %q", tt.wantError, trailer.Error)
			}
			if trailer.Partial != (tt.status == wire.ExitPartial) {
				t.Errorf("partial: found %v with status %d", trailer.Partial, tt.status)
			}
			if bytes.Contains(got.message, []byte(secretText)) || bytes.Contains(got.log, []byte(secretText)) {
				t.Error("the text of a panic got out")
			}
			if trailer.HasMeasurement() != (tt.want != nil) {
				t.Fatalf("measurement: expected %v, found %d bytes", tt.want != nil, trailer.Size)
			}
			if tt.want == nil {
				return
			}
			m, err := wire.Decode(bytes.NewReader(got.log), trailer)
			if err != nil {
				t.Fatal(err)
			}
			if tt.status == wire.ExitFailed { // the gap has the same text as the trailer
				for i := range m.Gaps {
					if m.Gaps[i].Detail != trailer.Error {
						t.Errorf("gap: expected detail %q, found %q", trailer.Error, m.Gaps[i].Detail)
					}
					m.Gaps[i].Detail = ""
				}
			}
			if diff := cmp.Diff(tt.want, m, cmp.AllowUnexported(fact.CapMask{})); diff != "" {
				t.Errorf("measurement (-want +got):\n%s", diff)
			}
		})
	}
}

// A log that nobody reads blocks write(2) forever. The time is real, for the
// kernel's is: a machine too busy to come as far as writing is given more of it.
func TestProbeEndsWhenTheLogHangs(t *testing.T) {
	t.Parallel()
	for timeout := time.Second; ; timeout *= 2 {
		got := probeWithHangingLog(t, timeout)
		if got.status == wire.ExitPartial && timeout < time.Minute {
			t.Logf("within %s nothing was written yet", timeout)
			continue
		}
		if got.status != wire.ExitFailed {
			t.Errorf("exit status: expected %d, found %d", wire.ExitFailed, got.status)
		}
		trailer, err := wire.ParseTrailer(got.message)
		if err != nil || trailer.HasMeasurement() || !strings.HasPrefix(trailer.Error, fmt.Sprintf("nothing could be written within %s: ", timeout)) {
			t.Errorf("trailer: found %+v, %v", trailer, err)
		}
		return
	}
}

func probeWithHangingLog(t *testing.T, timeout time.Duration) left {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	// Less than the answer, so that it does not fit.
	if _, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
		t.Fatal(err)
	}
	return probe(t, "large", w, "--timeout", timeout.String())
}

func TestProbeSaysWhenTheLogIsGone(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	got := probe(t, "large", w, "--timeout", "60s")
	if got.status != wire.ExitOutput {
		t.Errorf("exit status: expected %d, found %d", wire.ExitOutput, got.status)
	}
	trailer, err := wire.ParseTrailer(got.message)
	if err != nil || trailer.Error != "writing the log: broken pipe" {
		t.Errorf("trailer: found %+v, %v", trailer, err)
	}
}

func TestProbeWithoutTerminationLog(t *testing.T) {
	t.Parallel()
	got := probe(t, "done", nil, "--termination-log", filepath.Join(t.TempDir(), "none"))
	if got.status != wire.ExitOutput || len(got.log) > 0 || len(got.message) > 0 {
		t.Errorf("expected exit status %d and no output, found %d, %q, %q", wire.ExitOutput, got.status, got.log, got.message)
	}
}

func TestProbeVersion(t *testing.T) {
	t.Parallel()
	got := probe(t, "done", nil, "--version")
	if !regexp.MustCompile(`^checklist-probe dev linux/\w+ go1\.\S+\n$`).Match(got.log) || got.status != 0 {
		t.Errorf("found %q, exit status %d", got.log, got.status)
	}
}

// However much there is, the probe stays below its memory: what it cannot send
// it cuts, and does not hold twice.
func TestProbeMemory(t *testing.T) {
	t.Parallel()
	message := filepath.Join(t.TempDir(), "termination-log")
	if err := os.WriteFile(message, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe", "--termination-log", message, "--timeout", "60s")
	cmd.Env = append(os.Environ(), scenarioEnv+"=huge")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// The answer is longer than a pipe: after its first byte the probe waits, with
	// all its work done.
	first := make([]byte, 1)
	if _, err := io.ReadFull(stdout, first); err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(stdout)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	var peak int
	_, found, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscan(found, &peak); err != nil {
		t.Fatal(err)
	}
	// It is 31 MiB on a machine that has nothing else to do; on a busy one the
	// collector of garbage comes later.
	const limit = 48 << 10
	if peak > limit {
		t.Errorf("expected at most %d KiB resident, found %d", limit, peak)
	}
	text, err := os.ReadFile(message)
	if err != nil {
		t.Fatal(err)
	}
	trailer, err := wire.ParseTrailer(text)
	if err != nil {
		t.Fatal(err)
	}
	m, err := wire.Decode(io.MultiReader(bytes.NewReader(first), bytes.NewReader(rest)), trailer)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Gaps) != 1 || m.Gaps[0].Reason != fact.Truncated || m.Etcd[0].Total != 60_000 || m.Etcd[0].Complete {
		t.Errorf("expected a cut list with its gap, found %d Secrets of %d, gaps %+v", len(m.Etcd[0].Secrets), m.Etcd[0].Total, m.Gaps)
	}
	t.Logf("%d KiB resident, %d of %d Secrets sent, %d bytes of log", peak, len(m.Etcd[0].Secrets), m.Etcd[0].Total, trailer.LogSize)
}

// missing skips a test, or fails it where everything is said to be installed.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CHECKLIST_REQUIRE_TOOLS") == "1" {
		t.Fatal("needs " + what)
	}
	t.Skip("needs " + what)
}

// real runs the whole probe in a pid namespace of its own, so that pid 1's root
// may be read wherever the tests run; prefix is put before it.
func real(t *testing.T, prefix ...string) left {
	t.Helper()
	message := filepath.Join(t.TempDir(), "termination-log")
	if err := os.WriteFile(message, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	return realBy(t, prefix, message, exe)
}

// realBy is real with a command that starts the probe.
func realBy(t *testing.T, prefix []string, message string, command ...string) left {
	t.Helper()
	if os.Getuid() != 0 {
		missing(t, "root, to make a pid namespace")
	}
	// A shell stays as pid 1 with children to measure, which it takes with it.
	script := `sleep 1d & sleep 1d & "$@"; status=$?; exit $status`
	args := append(prefix, "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script, "sh")
	args = append(append(args, command...), "--termination-log", message, "--node", "here", "--timeout", "10m")
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), scenarioEnv+"=real")
	var log, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	text, err := os.ReadFile(message)
	if err != nil {
		t.Fatal(err)
	}
	return left{cmd.ProcessState.ExitCode(), log.Bytes(), text}
}

// The whole probe on this machine: it reads what level full reads and stays far
// below its memory.
func TestRealProbe(t *testing.T) {
	got := real(t)
	trailer, err := wire.ParseTrailer(got.message)
	if err != nil {
		t.Fatal(err)
	}
	m, err := wire.Decode(bytes.NewReader(got.log), trailer)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []fact.Kind{fact.Processes, fact.Mounts, fact.Packages} {
		if !m.HasRead(kind) {
			t.Errorf("expected %s read, found gaps %v", kind, m.Gaps)
		}
	}
	// The shell, two sleeps and the probe: 4 or more.
	if m.Cost.Processes < 4 {
		t.Errorf("expected at least 4 processes, found %d", m.Cost.Processes)
	}
	// It is 31 MiB on a machine that has nothing else to do; on a busy one the
	// collector of garbage comes later.
	const limit = 48 << 10
	if m.Cost.MaxRSSKiB == 0 || m.Cost.MaxRSSKiB > limit {
		t.Errorf("expected at most %d KiB resident, found %d", limit, m.Cost.MaxRSSKiB)
	}
	t.Logf("%d KiB resident, %d ms CPU, %d processes, %d bytes compressed", m.Cost.MaxRSSKiB, m.Cost.CPUMillis, m.Cost.Processes, trailer.Size)
}

// A system call that the lock forgot would show here: the only EPERM of a whole
// run are the lock's own two attempts.
func TestRealProbeIsRefusedNothing(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		missing(t, "strace")
	}
	trace := filepath.Join(t.TempDir(), "trace")
	real(t, "strace", "-f", "-qq", "-o", trace)
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	_, locked, found := strings.Cut(string(text), "SECCOMP_SET_MODE_FILTER")
	if !found {
		t.Fatal("expected a call of seccomp in the trace, found none")
	}
	var refused []string
	for line := range strings.Lines(locked) {
		// rt_sigreturn "returns" what the interrupted code had in that register:
		// the result of the self-test's call, where a signal came just then.
		// strace may print that in two lines: "<... rt_sigreturn resumed>".
		if strings.Contains(line, "EPERM") && !strings.Contains(line, "rt_sigreturn") {
			refused = append(refused, line)
		}
	}
	if len(refused) != 2 {
		t.Errorf("expected two calls refused, the self-test's, found %d:\n%s", len(refused), strings.Join(refused, ""))
	}
	if n := strings.Count(locked, "\n"); n < 1000 {
		t.Errorf("expected a whole run in the trace, found %d lines", n)
	}
}
