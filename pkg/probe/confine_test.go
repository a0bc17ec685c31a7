//go:build linux && (amd64 || arm64)

package probe

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/wire"
)

// started prepares a probe of a scenario in a directory that any user may enter,
// for such a user, with its termination log.
func started(t *testing.T, uid uint32, scenario string, args ...string) (cmd *exec.Cmd, dir, message string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "checklist-probe-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	message = filepath.Join(dir, "termination-log")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(message, nil, 0o600), os.Chown(message, int(uid), int(uid))); err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command("/proc/self/exe", append([]string{"--termination-log", message}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), scenarioEnv+"="+scenario)
	if int(uid) != os.Getuid() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
	return cmd, dir, message
}

// Both core limits are 0, the process is root's in /proc (so: not dumpable), the
// largest file is a termination message, and the name is the probe's.
func TestConfine(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		missing(t, "root, to be another user")
	}
	const nobody = 65534
	cmd, dir, message := started(t, nobody, "waits-for-a-writer", "--timeout", "60s")
	gate := filepath.Join(dir, "gate")
	if err := errors.Join(unix.Mkfifo(gate, 0o600), os.Chown(gate, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	cmd.Args = append(cmd.Args, "--node", gate)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w, err := os.OpenFile(gate, os.O_WRONLY, 0) // waits for the collector
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", cmd.Process.Pid, name))
		if err != nil {
			t.Error(err)
		}
		return string(text)
	}
	limits, comm, status := read("limits"), read("comm"), read("status")
	var info unix.Stat_t
	err = unix.Stat(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid), &info)
	if err := errors.Join(err, w.Close(), cmd.Wait()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`(?m)^Max core file size +0 +0 +bytes`, `(?m)^Max file size +4096 +4096 +bytes`} {
		if !regexp.MustCompile(want).MatchString(limits) {
			t.Errorf("limits: expected %s, found\n%s", want, limits)
		}
	}
	if comm != "checklist-probe\n" {
		t.Errorf("comm: found %q", comm)
	}
	if !strings.Contains(status, "\nUid:\t65534\t65534\t65534\t65534\n") || info.Uid != 0 {
		t.Errorf("expected a process of uid 65534 whose files in /proc are root's, found owner %d and\n%s", info.Uid, status)
	}
	// And locked, with an answer: it read what it needs of itself.
	text, err := os.ReadFile(message)
	if err != nil {
		t.Fatal(err)
	}
	if trailer, err := wire.ParseTrailer(text); err != nil || trailer.Error != "" || !trailer.HasMeasurement() {
		t.Errorf("trailer: found %+v, %v", trailer, err)
	}
}

// A crash that asks for a core dump gets none; the same crash of a process that
// did not confine itself does.
func TestNoCoreDump(t *testing.T) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		t.Fatal(err)
	}
	raised := unix.Rlimit{Cur: limit.Max, Max: limit.Max}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &raised); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Setrlimit(unix.RLIMIT_CORE, &limit) })
	crash := func(scenario string) (status syscall.WaitStatus, files []string, stderr string) {
		cmd, dir, _ := started(t, uint32(os.Getuid()), scenario, "--timeout", "60s")
		cmd.Env = append(cmd.Env, "GOTRACEBACK=crash")
		var text bytes.Buffer
		cmd.Stderr = &text
		err := cmd.Run()
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			t.Fatalf("expected a crash, found %v", err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			files = append(files, e.Name())
		}
		return exit.Sys().(syscall.WaitStatus), files, text.String()
	}
	status, _, stderr := crash("crashes-unconfined")
	if !status.CoreDump() || !strings.Contains(stderr, secretText) {
		missing(t, fmt.Sprintf("a machine on which a crash leaves a core dump: found status %#x, limit %d", int(status), limit.Max))
	}
	status, files, stderr := crash("crashes")
	if !status.Signaled() || status.CoreDump() {
		t.Errorf("expected it killed by a signal without a core dump, found status %#x", int(status))
	}
	if diff := cmp.Diff([]string{"termination-log"}, files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if stderr != "" {
		t.Errorf("stderr: expected nothing, found %q", stderr)
	}
}

// However a collector writes to the termination log, the file never holds more
// than the kubelet reads, and the probe goes on.
func TestTheTerminationLogIsBounded(t *testing.T) {
	t.Parallel()
	got := probe(t, "floods-the-termination-log", nil, "--timeout", "60s")
	if len(got.message) != wire.MaxTrailer {
		t.Errorf("termination log: expected %d bytes, found %d", wire.MaxTrailer, len(got.message))
	}
	want := "4000 bytes: <nil>\n" +
		"96 bytes: <nil>\n" +
		"-1 bytes: file too large\n" +
		"far behind: -1 bytes: file too large\n"
	if diff := cmp.Diff(want, string(got.log)); diff != "" {
		t.Errorf("what the writes gave (-want +got):\n%s", diff)
	}
	// Its own trailer did not fit any more, and it could say so.
	if got.status != wire.ExitOutput {
		t.Errorf("exit status: expected %d, found %d", wire.ExitOutput, got.status)
	}
}

// Level proc as its pod runs it: no root, no capability, not dumpable. What it
// reads of itself and of others it still reads.
func TestRealProbeWithoutRoot(t *testing.T) {
	for _, tool := range []string{"unshare", "setpriv"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, tool+" (Debian: util-linux)")
		}
	}
	dir, err := os.MkdirTemp("", "checklist-probe-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	copied, message := filepath.Join(dir, "probe"), filepath.Join(dir, "termination-log")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(copied, program, 0o755), os.WriteFile(message, nil, 0o600), os.Chmod(message, 0o666)); err != nil {
		t.Fatal(err)
	}
	got := realBy(t, nil, message, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--no-new-privs", "--",
		copied, "--level", "proc")
	trailer, err := wire.ParseTrailer(got.message)
	if err != nil {
		t.Fatal(err)
	}
	if trailer.Error != "" {
		t.Fatalf("error: %s", trailer.Error)
	}
	m, err := wire.Decode(bytes.NewReader(got.log), trailer)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []fact.Kind{fact.Processes, fact.Mounts} {
		if !m.HasRead(kind) {
			t.Errorf("expected %s read, found gaps %v", kind, m.Gaps)
		}
	}
	if m.Cost.Processes < 4 || m.Cost.MaxRSSKiB == 0 { // the latter from its own status
		t.Errorf("expected at least 4 processes and its own memory, found %+v", m.Cost)
	}
}

// The probe runs without environment, whatever it was started with: it executes
// itself once more, and only then.
func TestDropEnvironment(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the probe")
	}
	if _, err := exec.LookPath("strace"); err != nil {
		missing(t, "strace")
	}
	dir := t.TempDir()
	binary, trace := filepath.Join(dir, "probe"), filepath.Join(dir, "trace")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", binary, command)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for name, tt := range map[string]struct {
		env  []string
		want []string // what was executed, with how many variables
	}{
		"none":               {[]string{}, []string{"probe 0"}},
		"a pod's":            {[]string{"PATH=/bin", "POD_UID=x"}, []string{"probe 2", "/proc/self/exe 0"}},
		"Go's":               {[]string{"GODEBUG=asyncpreemptoff=1"}, []string{"probe 1", "/proc/self/exe 0"}},
		"a word without '='": {[]string{"odd"}, []string{"probe 1", "/proc/self/exe 0"}},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("strace", "-f", "-qq", "-e", "trace=execve", "-o", trace, binary, "--version")
			cmd.Env = tt.env // which strace hands on
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.HasPrefix(string(out), "checklist-probe dev linux/") {
				t.Fatalf("%v: %s", err, out)
			}
			text, err := os.ReadFile(trace)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			// While a program with threads executes another, its other threads end, and
			// strace may put that between the call and its result.
			for _, m := range regexp.MustCompile(`(?m)execve\("([^"]+)", .*/\* (\d+) vars? \*/(?:\) += 0$| <unfinished \.\.\.>$)`).FindAllStringSubmatch(string(text), -1) {
				got = append(got, strings.TrimPrefix(m[1], dir+"/")+" "+m[2])
			}
			if done := regexp.MustCompile(`(?m)\) += 0$`).FindAllString(string(text), -1); len(done) != len(got) {
				t.Errorf("%d calls were begun, %d succeeded:\n%s", len(got), len(done), text)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("executed (-want +got):\n%s\n%s", diff, text)
			}
		})
	}
}

// And with one (a scenario keeps it) it would still say the same, to the same: at
// worst there are lines on stderr from before the lock, when nothing has been
// read.
func TestHostileEnvironment(t *testing.T) {
	for name, tt := range map[string]struct {
		scenario string
		env      []string
		stderr   string // a regular expression
	}{
		"nothing but collection":     {"large", []string{"GOGC=1", "GOMEMLIMIT=1"}, `^$`},
		"traces of the runtime":      {"large", []string{"GODEBUG=gctrace=1,inittrace=1,schedtrace=1,scavtrace=1"}, `^(init |gc |SCHED |scav |\t|  )`},
		"a traceback of everything":  {"panics", []string{"GOTRACEBACK=crash"}, `^$`},
		"only approved cryptography": {"large", []string{"GODEBUG=fips140=only"}, `^$`},
	} {
		t.Run(name, func(t *testing.T) {
			cmd, _, message := started(t, uint32(os.Getuid()), tt.scenario, "--timeout", "3s")
			cmd.Env = append(cmd.Env, tt.env...)
			var log, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &log, &stderr
			var exit *exec.ExitError
			if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			text, err := os.ReadFile(message)
			if err != nil {
				t.Fatal(err)
			}
			trailer, err := wire.ParseTrailer(text)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := wire.Decode(&log, trailer); err != nil {
				t.Error(err)
			}
			if !regexp.MustCompile(tt.stderr).MatchString(stderr.String()) {
				t.Errorf("stderr: expected %q, found %q", tt.stderr, stderr.String())
			}
		})
	}
}
