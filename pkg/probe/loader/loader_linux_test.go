package loader

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/wire"
)

// lacking skips a test for want of a tool or a right, or fails it where the
// machine is meant to have everything (CHECKLIST_REQUIRE_TOOLS, as CI sets).
func lacking(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CHECKLIST_REQUIRE_TOOLS") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

var arches = []struct {
	arch     string
	compiler string // and the variable by which build.sh takes another
	variable string
	emulator string // where the machine is another
}{
	{"amd64", "x86_64-linux-gnu-gcc", "CC_AMD64", "qemu-x86_64-static"},
	{"arm64", "aarch64-linux-gnu-gcc", "CC_ARM64", "qemu-aarch64-static"},
}

// builtWith made the objects that are checked in.
const builtWith = "gcc 12.2.0, GNU ld (GNU Binutils for Debian) 2.40"

func TestObjectsAreBuiltFromSource(t *testing.T) {
	toolchains := map[string]string{}
	for _, a := range arches {
		compiler := a.compiler
		if other := os.Getenv(a.variable); other != "" {
			compiler = other
		}
		if _, err := exec.LookPath(compiler); err != nil {
			lacking(t, "rebuilding needs %s (Debian: gcc, gcc-aarch64-linux-gnu)", compiler)
		}
		version, err := exec.Command(compiler, "-dumpfullversion").Output()
		if err != nil {
			t.Fatal(err)
		}
		linker, err := exec.Command(compiler, "-Wl,--version", "-nostdlib").Output()
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(linker), "\n")
		toolchains[a.arch] = "gcc " + strings.TrimSpace(string(version)) + ", " + first
	}
	dir := t.TempDir()
	if out, err := exec.Command("./build.sh", dir).CombinedOutput(); err != nil {
		t.Fatalf("build.sh: %v\n%s", err, out)
	}
	for _, a := range arches {
		t.Run(a.arch, func(t *testing.T) {
			rebuilt, err := os.ReadFile(filepath.Join(dir, "loader_linux_"+a.arch))
			if err != nil {
				t.Fatal(err)
			}
			embedded, err := For(a.arch)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Equal(rebuilt, embedded) {
				return
			}
			if toolchains[a.arch] != builtWith {
				lacking(t, "this machine has %s, which gives other bytes than %s", toolchains[a.arch], builtWith)
			}
			t.Errorf("loader_linux_%s is not what build.sh makes of loader.c: run ./build.sh and commit the objects", a.arch)
		})
	}
}

// payload is the program that the tests have joined, for this machine: without
// binfmt the kernel can run nothing else, even when the loader is emulated.
var payload = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "payload")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", filepath.Join(dir, "payload"), "./testdata/payload")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the payload: %w\n%s", err, out)
	}
	return os.ReadFile(filepath.Join(dir, "payload"))
})

// root lays out a container's root with a volume in Dir as a kubelet projects
// it: every file a link through ..data, into a directory with a dated name.
func root(t testing.TB, arch string, files ...Part) string {
	t.Helper()
	object, err := For(arch)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	const dated = "..2026_01_02_03_04_05.123456789"
	volume := filepath.Join(dir, Dir)
	for path, mode := range map[string]os.FileMode{
		filepath.Join(volume, dated):                     0o755,
		filepath.Join(dir, OutputDir):                    0o777, // as an emptyDir
		filepath.Dir(filepath.Join(dir, TerminationLog)): 0o755,
		filepath.Join(dir, "proc"):                       0o755,
	} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(dated, filepath.Join(volume, "..data")); err != nil {
		t.Fatal(err)
	}
	for _, f := range append([]Part{{Name, object}}, files...) {
		write(t, filepath.Join(volume, dated, f.Name), f.Data, 0o555)
		if err := os.Symlink("..data/"+f.Name, filepath.Join(volume, f.Name)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, TerminationLog), nil, 0o666)
	return dir
}

func write(t testing.TB, path string, data []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, data, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
}

// outcome is all that one can see of a run.
type outcome struct {
	Code           int32 // minus the number of a signal that ended it
	Stdout, Stderr string
	TerminationLog string
	Ran            bool // the payload left its file
}

// failure is the outcome of a run that ended with the loader's own line.
func failure(code int32, errno int, path string) outcome {
	line := fmt.Sprintf("checklist loader: errno %03d %s\n", errno, path)
	return outcome{Code: code, Stderr: line, TerminationLog: line}
}

// digestOf is the loader's own argument for a probe.
func digestOf(probe []byte) string { return Command(sha256.Sum256(probe))[1] }

// run starts arch's loader in j, which lacks only its command, and waits. args
// are all of the loader's arguments, its own first.
func run(t testing.TB, arch string, j jail, args ...string) outcome {
	t.Helper()
	if os.Geteuid() != 0 {
		lacking(t, "running the loader in a mount namespace needs root")
	}
	j.Argv = append([]string{Path}, args...)
	if arch != runtime.GOARCH {
		j.Argv = append([]string{emulator(t, arch, j.Root)}, j.Argv...)
	}
	spec, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	// A loader that hangs would otherwise be seen as nothing but a slow test. Its
	// clock is the kernel's: the limit is long, for a busy machine and an emulator.
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Env = []string{jailVariable + "=" + string(spec)}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	zero, err := os.Open("/dev/zero") // which a part may be a link to
	if err != nil {
		t.Fatal(err)
	}
	defer zero.Close()
	cmd.Stdin = zero
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.Is(err, syscall.EPERM):
		lacking(t, "running the loader in a mount namespace: %v", err)
	case err != nil && !errors.As(err, &exit):
		t.Fatal(err)
	case strings.HasPrefix(stderr.String(), "jail: "):
		t.Fatal(stderr.String())
	}
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	got := outcome{Code: int32(status.ExitStatus()), Stdout: stdout.String(), Stderr: stderr.String()}
	if status.Signaled() {
		got.Code = -int32(status.Signal())
	}
	logPath := filepath.Join(j.Root, TerminationLog)
	if info, err := os.Lstat(logPath); err == nil && info.Mode().IsRegular() {
		log, err := os.ReadFile(logPath)
		if err != nil {
			t.Fatal(err)
		}
		got.TerminationLog = string(log)
	}
	_, err = os.Stat(filepath.Join(j.Root, OutputDir, "ran"))
	got.Ran = err == nil
	return got
}

// emulator puts arch's emulator into a root and gives its path there.
func emulator(t testing.TB, arch, root string) string {
	t.Helper()
	for _, a := range arches {
		if a.arch != arch {
			continue
		}
		path, err := exec.LookPath(a.emulator)
		if err != nil {
			lacking(t, "running %s needs %s (Debian: qemu-user-static)", arch, a.emulator)
		}
		there := filepath.Join(root, "emulator")
		if os.Link(path, there) == nil { // 5 MB are many where each row has a root
			return "/emulator"
		}
		program, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		write(t, there, program, 0o755)
		return "/emulator"
	}
	t.Fatalf("no emulator for %s", arch)
	return ""
}

// started is what the payload prints.
type started struct {
	Args, Env []string
	Open      []int
	UID       int
	Exe       string
	Dumpable  int // prctl(PR_GET_DUMPABLE)
}

func TestJoinsAndExecutes(t *testing.T) {
	probe, err := payload()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range arches {
		for name, tc := range map[string]struct {
			partSize int
			parts    int
			uid      int
		}{
			"three parts, as a probe has":          {len(probe)/3 + 1, 3, 0},
			"one part":                             {len(probe), 1, 0},
			"parts that fill the buffer exactly":   {65536 * 4, (len(probe) + 65536*4 - 1) / (65536 * 4), 0},
			"the most parts that two digits name":  {1, MaxParts, 0},
			"without root, as at probe level proc": {len(probe)/3 + 1, 3, 65534},
		} {
			t.Run(a.arch+"/"+name, func(t *testing.T) {
				t.Parallel()
				parts := Parts(probe, tc.partSize)
				if len(parts) != tc.parts {
					t.Fatalf("%d parts, want %d", len(parts), tc.parts)
				}
				dir := root(t, a.arch, append(parts, Size(probe))...)
				// What Go would read before main, and what any pod has.
				env := []string{"GODEBUG=inittrace=1", "GOTRACEBACK=crash", "POD_UID=two words", "EMPTY="}
				got := run(t, a.arch, jail{Root: dir, Env: env, UID: tc.uid}, digestOf(probe), "--level", "full", "", "last one")
				if got.Code != 0 || got.Stderr != "" || got.TerminationLog != "" || !got.Ran {
					t.Fatalf("outcome %+v", got)
				}
				var told started
				if err := json.Unmarshal([]byte(got.Stdout), &told); err != nil {
					t.Fatalf("%v in %q", err, got.Stdout)
				}
				want := started{
					Args: []string{Output, "--level", "full", "", "last one"}, Env: []string{},
					UID: tc.uid, Exe: Output, Dumpable: 1,
				}
				if tc.uid != 0 { // who may not read the file may not be traced
					want.Dumpable = 0
				}
				if diff := cmp.Diff(want, told); diff != "" {
					t.Errorf("how the probe was started (-want +got):\n%s", diff)
				}
				joined, err := os.ReadFile(filepath.Join(dir, Output))
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(joined, probe) {
					t.Errorf("the joined probe differs: %d bytes of %d", len(joined), len(probe))
				}
				info, err := os.Stat(filepath.Join(dir, Output))
				if err != nil {
					t.Fatal(err)
				}
				if info.Mode() != 0o100 {
					t.Errorf("mode %v, want %v", info.Mode(), os.FileMode(0o100))
				}
			})
		}
	}
}

// The real probe, from the loader to its answer, at both levels: it needs nothing
// of an environment, nor to read its own file, and is not in its own way.
func TestStartsTheProbe(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the probe")
	}
	if _, err := For(runtime.GOARCH); err != nil {
		t.Skip("no loader for this machine")
	}
	file := filepath.Join(t.TempDir(), "checklist-probe")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=", "-o", file, "../../../cmd/checklist-probe")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	probe, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for level, uid := range map[fact.Level]int{fact.LevelFull: 0, fact.LevelProc: 65534} {
		t.Run(string(level), func(t *testing.T) {
			dir := root(t, runtime.GOARCH, append(Parts(probe, 0), Size(probe))...)
			got := run(t, runtime.GOARCH, jail{Root: dir, UID: uid}, digestOf(probe),
				"--level", string(level), "--node=n", "--kinds=processes,mounts", "--timeout=20s")
			if got.Code != wire.ExitComplete || got.Stderr != "" {
				t.Fatalf("status %d, stderr %q, termination log %q", got.Code, got.Stderr, got.TerminationLog)
			}
			trailer, err := wire.ParseTrailer([]byte(got.TerminationLog))
			if err != nil {
				t.Fatal(err)
			}
			m, err := wire.Decode(strings.NewReader(got.Stdout), trailer)
			if err != nil {
				t.Fatal(err)
			}
			if trailer.Error != "" || m.Level != level || !m.HasRead(fact.Processes) || !m.HasRead(fact.Mounts) {
				t.Errorf("error %q, level %s, read %v, gaps %v", trailer.Error, m.Level, m.Read, m.Gaps)
			}
		})
	}
}

// A file system may give less than was asked for: procfs does so here, page by
// page. What is joined is no program, so that reaching execve shows that sum and
// digest were right.
func TestShortReads(t *testing.T) {
	const file = "/proc/crypto" // 11 KB on a common kernel
	for _, a := range arches {
		t.Run(a.arch, func(t *testing.T) {
			// A counter in it may move: then once more.
			for range 5 {
				data, err := os.ReadFile(file)
				if err != nil || len(data) <= 4096 {
					lacking(t, "needs a %s of more than a page: %d bytes, %v", file, len(data), err)
				}
				dir := root(t, a.arch, Size(data))
				if err := os.Symlink(file, filepath.Join(dir, Dir, PartName(0))); err != nil {
					t.Fatal(err)
				}
				got := run(t, a.arch, jail{Root: dir}, digestOf(data))
				if after, err := os.ReadFile(file); err != nil || !bytes.Equal(data, after) {
					continue
				}
				if diff := cmp.Diff(failure(CodeExec, 8, Output), got); diff != "" {
					t.Errorf("outcome (-want +got):\n%s", diff)
				}
				return
			}
			lacking(t, "%s does not stay the same", file)
		})
	}
}

// The loader makes only the seven system calls that it says. It joins itself
// here, so that what it becomes makes no others either: the second run finds
// the output of the first, which proves that execve was reached.
func TestMakesOnlySevenSystemCalls(t *testing.T) {
	object, err := For(runtime.GOARCH)
	if err != nil {
		t.Skip("no loader for this machine")
	}
	dir := root(t, runtime.GOARCH, append(Parts(object, 400), Size(object))...)
	digest := digestOf(object)
	if diff := cmp.Diff(failure(CodeCreate, 17, Output), run(t, runtime.GOARCH, jail{Root: dir, Strict: true}, digest, digest)); diff != "" {
		t.Errorf("outcome (-want +got):\n%s", diff)
	}
	joined, err := os.ReadFile(filepath.Join(dir, Output))
	if err != nil || !bytes.Equal(joined, object) {
		t.Errorf("the joined loader differs: %v", err)
	}

	// And the filter does kill: the Go payload makes other calls.
	probe, err := payload()
	if err != nil {
		t.Fatal(err)
	}
	dir = root(t, runtime.GOARCH, append(Parts(probe, 0), Size(probe))...)
	if got := run(t, runtime.GOARCH, jail{Root: dir, Strict: true}, digestOf(probe)); got.Code != -int32(syscall.SIGSYS) {
		t.Errorf("a program that makes other calls: outcome %+v, want it killed", got)
	}
}

// The digest agrees with crypto/sha256 at every length around the ends of a
// block, and however the parts are cut. What is joined is no program: with the
// right digest the loader reaches execve, with another it does not.
func TestDigest(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	sizes := []int{0, 1, 3, 54, 55, 56, 57, 63, 64, 65, 118, 119, 120, 121, 127, 128, 129, 65535, 65536, 65537, 5_199_999}
	for range 12 {
		sizes = append(sizes, random.IntN(300), random.IntN(300_000))
	}
	for _, a := range arches {
		for row, size := range sizes {
			data := make([]byte, size)
			for i := range data {
				data[i] = byte(random.Uint32())
			}
			partSize := 1 + random.IntN(size+1)
			other := sha256.Sum256(data)
			other[random.IntN(len(other))] ^= 1 << random.IntN(8)
			t.Run(fmt.Sprintf("%s/%d bytes in parts of %d", a.arch, size, partSize), func(t *testing.T) {
				t.Parallel()
				files := append(Parts(data, partSize), Size(data))
				right := run(t, a.arch, jail{Root: root(t, a.arch, files...)}, digestOf(data))
				if diff := cmp.Diff(failure(CodeExec, 8, Output), right); diff != "" {
					t.Errorf("the right digest: outcome (-want +got):\n%s", diff)
				}
				if row%4 != 0 { // the sizes differ enough
					return
				}
				wrong := run(t, a.arch, jail{Root: root(t, a.arch, files...)}, Command(other)[1])
				if diff := cmp.Diff(failure(CodeDigest, 74, Output), wrong); diff != "" {
					t.Errorf("one bit of the digest changed: outcome (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// Whatever is done to the parts, and to the argument, nothing else than the
// probe that the argument names is run. The payload would leave a trace, as the
// first row shows.
func TestRunsWhatTheArgumentNamesOrNothing(t *testing.T) {
	probe, err := payload()
	if err != nil {
		t.Fatal(err)
	}
	digest := digestOf(probe)
	// with gives the probe's files, one of its three parts edited, with a size
	// that is right for what they are now.
	with := func(edit func(parts [][]byte) [][]byte) []Part {
		var parts [][]byte
		for _, p := range Parts(probe, len(probe)/3+1) {
			parts = append(parts, bytes.Clone(p.Data))
		}
		var files []Part
		for i, data := range edit(parts) {
			files = append(files, Part{PartName(i), data})
		}
		return append(files, Size(bytes.Join(parts, nil)))
	}
	same := func(parts [][]byte) [][]byte { return parts }
	inPlace := func(f func(parts [][]byte)) func([][]byte) [][]byte {
		return func(parts [][]byte) [][]byte { f(parts); return parts }
	}
	foreign := failure(CodeDigest, 74, Output)
	noDigest := failure(CodeArgument, 22, Path)
	for name, tc := range map[string]struct {
		edit func(parts [][]byte) [][]byte
		args []string // the digest, if nil
		want outcome
	}{
		"the probe itself":         {same, nil, outcome{Ran: true}},
		"a byte in its text":       {inPlace(func(p [][]byte) { p[1][len(p[1])/2] ^= 1 }), nil, foreign},
		"its last byte":            {inPlace(func(p [][]byte) { p[2][len(p[2])-1]++ }), nil, foreign},
		"two bytes are swapped":    {inPlace(func(p [][]byte) { p[0][0], p[0][1] = p[0][1], p[0][0] }), nil, foreign},
		"two parts are swapped":    {inPlace(func(p [][]byte) { p[0], p[1] = p[1], p[0] }), nil, foreign},
		"a part is cut short":      {inPlace(func(p [][]byte) { p[1] = p[1][:len(p[1])-1] }), nil, foreign},
		"the last part is missing": {inPlace(func(p [][]byte) { p[2] = nil }), nil, foreign},
		"nothing is left":          {inPlace(func(p [][]byte) { clear(p) }), nil, foreign},
		// It would run as well: what follows an ELF file does not matter to it.
		"a byte follows": {inPlace(func(p [][]byte) { p[2] = append(p[2], 0) }), nil, foreign},
		"another program": {inPlace(func(p [][]byte) {
			clear(p)
			p[0] = append(bytes.Clone(probe), "more"...)
		}), nil, foreign},

		"the digest of another probe":  {same, []string{digestOf([]byte("other"))}, foreign},
		"no argument":                  {same, []string{}, noDigest},
		"an empty argument":            {same, []string{""}, noDigest},
		"a flag of the probe":          {same, []string{"--level=full"}, noDigest},
		"a digest with a digit less":   {same, []string{digest[:63]}, noDigest},
		"a digest with a digit more":   {same, []string{digest + "0"}, noDigest},
		"a digest after a blank":       {same, []string{" " + digest[1:]}, noDigest},
		"a digest in upper case":       {same, []string{strings.Repeat("A", 64)}, noDigest},
		"a digit that is none":         {same, []string{digest[:40] + "g" + digest[41:]}, noDigest},
		"a digit that is none, below":  {same, []string{digest[:40] + "/" + digest[41:]}, noDigest},
		"a digit that is none, above":  {same, []string{digest[:40] + ":" + digest[41:]}, noDigest},
		"a digit that is none, before": {same, []string{digest[:40] + "`" + digest[41:]}, noDigest},
		"a byte above ASCII":           {same, []string{digest[:62] + "é"}, noDigest},
		"the digest as second":         {same, []string{"x", digest}, noDigest},
		"a wrong one, then the right":  {same, []string{strings.Repeat("0", 64), digest}, foreign},
	} {
		for _, a := range arches {
			t.Run(a.arch+"/"+name, func(t *testing.T) {
				t.Parallel()
				args := tc.args
				if args == nil {
					args = []string{digest}
				}
				dir := root(t, a.arch, with(tc.edit)...)
				got := run(t, a.arch, jail{Root: dir}, args...)
				if tc.want.Ran {
					got.Stdout = ""
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("outcome (-want +got):\n%s", diff)
				}
				// Without a digest nothing is written either.
				if _, err := os.Stat(filepath.Join(dir, Output)); (err == nil) == (tc.want.Code == CodeArgument) {
					t.Errorf("the output: %v", err)
				}
			})
		}
	}
}

// atOpen calls f when somebody (pid) opens a file, who waits meanwhile, whatever
// the flags: fanotify(7), FAN_OPEN_PERM.
func atOpen(t *testing.T, path string, f func(pid int)) {
	t.Helper()
	fd, err := unix.FanotifyInit(unix.FAN_CLASS_CONTENT|unix.FAN_CLOEXEC|unix.FAN_NONBLOCK, unix.O_RDONLY)
	if err == nil {
		err = unix.FanotifyMark(fd, unix.FAN_MARK_ADD, unix.FAN_OPEN_PERM, unix.AT_FDCWD, path)
	}
	if err != nil {
		lacking(t, "needs a kernel with fanotify's permission events: %v", err)
	}
	events := os.NewFile(uintptr(fd), "fanotify")
	done := make(chan struct{})
	go func() {
		defer close(done)
		var event unix.FanotifyEventMetadata
		if err := binary.Read(events, binary.NativeEndian, &event); err != nil {
			t.Errorf("waiting for %s to be opened: %v", path, err)
			return
		}
		defer unix.Close(int(event.Fd))
		f(int(event.Pid))
		answer := unix.FanotifyResponse{Fd: event.Fd, Response: unix.FAN_ALLOW}
		if err := binary.Write(events, binary.NativeEndian, &answer); err != nil {
			t.Errorf("answering for %s: %v", path, err)
		}
	}()
	t.Cleanup(func() {
		events.Close() // ends the wait for what did not come
		<-done
	})
}

// What is executed is the file that was written, not whatever has its name by
// then, and not while somebody else may write to it.
func TestTheNameOfTheOutputDoesNotMatter(t *testing.T) {
	probe, err := payload()
	if err != nil {
		t.Fatal(err)
	}
	remove := func(t testing.TB, output string) {
		if err := os.Remove(output); err != nil {
			t.Error(err)
		}
	}
	for name, tc := range map[string]struct {
		// tamper is done while the loader opens the last part.
		tamper func(t testing.TB, output string)
		want   outcome
	}{
		"nobody interferes": {func(t testing.TB, output string) {
			if info, err := os.Stat(output); err != nil || info.Size() == 0 {
				t.Errorf("the output is not being written: %v", err)
			}
		}, outcome{Ran: true}},
		"it is replaced by another program": {func(t testing.TB, output string) {
			remove(t, output)
			if err := os.WriteFile(output, []byte("#!/nonexistent\n"), 0o755); err != nil {
				t.Error(err)
			}
		}, outcome{Ran: true}},
		"it is replaced by a link": {func(t testing.TB, output string) {
			remove(t, output)
			if err := os.Symlink("/proc/self/exe", output); err != nil {
				t.Error(err)
			}
		}, outcome{Ran: true}},
		"it is removed": {remove, outcome{Ran: true}},
		"somebody has it open for writing": {func(t testing.TB, output string) {
			f, err := os.OpenFile(output, os.O_WRONLY, 0)
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { f.Close() })
		}, failure(CodeExec, 26, Output)},
	} {
		for _, a := range arches {
			t.Run(a.arch+"/"+name, func(t *testing.T) {
				parts := Parts(probe, len(probe)/2+1)
				dir := root(t, a.arch, append(parts, Size(probe))...)
				atOpen(t, filepath.Join(dir, Dir, PartName(1)), func(int) { tc.tamper(t, filepath.Join(dir, Output)) })
				got := run(t, a.arch, jail{Root: dir}, digestOf(probe))
				got.Stdout = ""
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("outcome (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestFailures(t *testing.T) {
	three := []Part{part("part.00", strings.Repeat("a", 3000)), part("part.01", strings.Repeat("b", 3000)), part("part.02", "c")}
	size := part("size", "6001")
	files := append([]Part{size}, three...)
	var hundred []Part // of 6000 bytes
	for i := range MaxParts {
		hundred = append(hundred, part(PartName(i), strings.Repeat("a", 60)))
	}
	change := func(f func(t testing.TB, path string), name string) func(testing.TB, string) {
		return func(t testing.TB, root string) { f(t, filepath.Join(root, name)) }
	}
	remove := func(t testing.TB, path string) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	// The right one, so that nothing but what a row names is wrong.
	digest := digestOf([]byte(strings.Repeat("a", 3000) + strings.Repeat("b", 3000) + "c"))
	for name, tc := range map[string]struct {
		files   []Part
		prepare func(t testing.TB, root string)
		jail    jail
		code    int32
		errno   int
		path    string
	}{
		"no size":                    {files: three, code: CodeSize, errno: 2, path: "/checklist/size"},
		"an empty size":              {files: append([]Part{part("size", "")}, three...), code: CodeSize, errno: 22, path: "/checklist/size"},
		"a size that is no number":   {files: append([]Part{part("size", "60x1")}, three...), code: CodeSize, errno: 22, path: "/checklist/size"},
		"a size with a newline":      {files: append([]Part{part("size", "6001\n")}, three...), code: CodeSize, errno: 22, path: "/checklist/size"},
		"a negative size":            {files: append([]Part{part("size", "-6001")}, three...), code: CodeSize, errno: 22, path: "/checklist/size"},
		"a size that is a directory": {files: three, prepare: change(mkdir, "checklist/size"), code: CodeSize, errno: 21, path: "/checklist/size"},
		// Cut after 9 digits it would be right.
		"a size with too many digits":        {files: append([]Part{part("size", "0000060010")}, three...), code: CodeSize, errno: 22, path: "/checklist/size"},
		"a size above the most":              {files: append([]Part{part("size", strconv.Itoa(MaxProbe+1))}, three...), code: CodeSize, errno: 27, path: "/checklist/size"},
		"the largest size":                   {files: append([]Part{part("size", strconv.Itoa(MaxProbe))}, three...), code: CodeSum, errno: 2, path: "/checklist/part.03"},
		"a size that nobody writes":          {files: three, prepare: change(fifo, "checklist/size"), code: CodeSize, errno: 22, path: "/checklist/size"},
		"a size that somebody may yet write": {files: three, prepare: change(heldFifo, "checklist/size"), code: CodeSize, errno: 11, path: "/checklist/size"},

		"the output exists": {
			files: files, prepare: change(func(t testing.TB, path string) { write(t, path, []byte("other"), 0o755) }, Output),
			code: CodeCreate, errno: 17, path: Output,
		},
		"the output is a link to elsewhere": {files: files, prepare: change(linkTo("elsewhere"), Output), code: CodeCreate, errno: 17, path: Output},
		"the output is a FIFO":              {files: files, prepare: change(fifo, Output), code: CodeCreate, errno: 17, path: Output},
		"a volume that is read-only":        {files: files, jail: jail{WorkFlags: unix.MS_RDONLY}, code: CodeCreate, errno: 30, path: Output},
		"no volume":                         {files: files, prepare: change(remove, OutputDir), code: CodeCreate, errno: 2, path: Output},
		"a volume without permission": {files: files, prepare: change(func(t testing.TB, path string) {
			if err := os.Chmod(path, 0o755); err != nil {
				t.Fatal(err)
			}
		}, OutputDir), jail: jail{UID: 65534}, code: CodeCreate, errno: 13, path: Output},
		// 4096 of the last part's 6001 bytes fit: a short write, then an error.
		"a full volume": {files: []Part{size, part("part.00", strings.Repeat("a", 6001))}, jail: jail{WorkSize: "4096"}, code: CodeWrite, errno: 28, path: Output},

		"the first part is missing":                    {files: []Part{size, three[1], three[2]}, code: CodeSum, errno: 2, path: "/checklist/part.00"},
		"a part in the middle is missing":              {files: []Part{size, three[0], three[2]}, code: CodeSum, errno: 2, path: "/checklist/part.01"},
		"the last part is missing":                     {files: []Part{size, three[0], three[1]}, code: CodeSum, errno: 2, path: "/checklist/part.02"},
		"a part is cut short":                          {files: []Part{size, three[0], part("part.01", "b"), three[2]}, code: CodeSum, errno: 2, path: "/checklist/part.03"},
		"there is one part more":                       {files: append([]Part{part("part.03", "d")}, files...), code: CodeSum, errno: 27, path: "/checklist/part.03"},
		"a part is a directory":                        {files: files[:3], prepare: change(mkdir, "checklist/part.02"), code: CodeRead, errno: 21, path: "/checklist/part.02"},
		"a part is not readable":                       {files: files, prepare: change(func(t testing.TB, path string) { chmod0(t, path) }, "checklist/part.01"), jail: jail{UID: 65534}, code: CodeOpen, errno: 13, path: "/checklist/part.01"},
		"a part is a FIFO that nobody writes":          {files: files[:3], prepare: change(fifo, "checklist/part.02"), code: CodeSum, errno: 2, path: "/checklist/part.03"},
		"a part is a FIFO that somebody may yet write": {files: files[:3], prepare: change(heldFifo, "checklist/part.02"), code: CodeRead, errno: 11, path: "/checklist/part.02"},
		"a part is a socket":                           {files: files[:3], prepare: change(socket, "checklist/part.02"), code: CodeOpen, errno: 6, path: "/checklist/part.02"},
		"a part is a link to nowhere":                  {files: files[:3], prepare: change(linkTo("nowhere"), "checklist/part.02"), code: CodeSum, errno: 2, path: "/checklist/part.02"},
		"a part is a link to itself":                   {files: files[:3], prepare: change(linkTo("part.02"), "checklist/part.02"), code: CodeOpen, errno: 40, path: "/checklist/part.02"},
		"a part is a link to a directory":              {files: files[:3], prepare: change(linkTo("/proc"), "checklist/part.02"), code: CodeRead, errno: 21, path: "/checklist/part.02"},
		"a part is a link to below a file":             {files: files[:3], prepare: change(linkTo("part.00/x"), "checklist/part.02"), code: CodeOpen, errno: 20, path: "/checklist/part.02"},
		// Memory of its own, of which address 0 is none.
		"a part is a link to what cannot be read": {files: files[:3], prepare: change(linkTo("/proc/self/mem"), "checklist/part.02"), code: CodeRead, errno: 5, path: "/checklist/part.02"},
		// The jail's standard input: /dev/zero.
		"a part has no end":           {files: files[:3], prepare: change(linkTo("/proc/self/fd/0"), "checklist/part.02"), code: CodeSum, errno: 27, path: "/checklist/part.02"},
		"the largest without end":     {files: []Part{part("size", strconv.Itoa(MaxProbe))}, jail: jail{WorkSize: "1048576"}, prepare: change(linkTo("/proc/self/fd/0"), "checklist/part.00"), code: CodeWrite, errno: 28, path: Output},
		"no part at all":              {files: []Part{size}, code: CodeSum, errno: 2, path: "/checklist/part.00"},
		"a part beyond the last name": {files: append([]Part{size, part("part.:0", "c")}, hundred...), code: CodeSum, errno: 2, path: "/checklist/part.:0"},

		"the volume does not allow programs": {files: files, jail: jail{WorkFlags: unix.MS_NOEXEC}, code: CodeExec, errno: 13, path: Output},
		"the parts are no program":           {files: files, code: CodeExec, errno: 8, path: Output},
		"no procfs":                          {files: files, jail: jail{NoProc: true}, code: CodeExec, errno: 2, path: "/proc/self/fd/3"},
	} {
		for _, a := range arches {
			t.Run(a.arch+"/"+name, func(t *testing.T) {
				t.Parallel()
				j := tc.jail
				j.Root = root(t, a.arch, tc.files...)
				if tc.prepare != nil {
					tc.prepare(t, j.Root)
				}
				got := run(t, a.arch, j, digest)
				if diff := cmp.Diff(failure(tc.code, tc.errno, tc.path), got); diff != "" {
					t.Errorf("outcome (-want +got):\n%s", diff)
				}
				if len(got.TerminationLog) > MaxLine {
					t.Errorf("%d bytes in the termination log, at most %d", len(got.TerminationLog), MaxLine)
				}
				// The plugin understands each line that there is.
				if Diagnose(got.Code, got.TerminationLog) == Explain(got.Code) {
					t.Errorf("Diagnose adds nothing to %q", got.TerminationLog)
				}
			})
		}
	}
}

func linkTo(target string) func(t testing.TB, path string) {
	return func(t testing.TB, path string) {
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
	}
}

func mkdir(t testing.TB, path string) {
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

func fifo(t testing.TB, path string) {
	if err := unix.Mkfifo(path, 0o644); err != nil {
		t.Fatal(err)
	}
}

// heldFifo has a writer that never writes.
func heldFifo(t testing.TB, path string) {
	fifo(t, path)
	f, err := os.OpenFile(path, os.O_RDWR, 0) // waits for nobody
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
}

func socket(t testing.TB, path string) {
	if err := unix.Mknod(path, unix.S_IFSOCK|0o644, 0); err != nil {
		t.Fatal(err)
	}
}

func chmod0(t testing.TB, path string) {
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
}

// Another process of the same user cannot reach the volume through the loader's
// /proc/PID/root: that of a process which is not dumpable belongs to root.
func TestIsNotDumpable(t *testing.T) {
	for _, a := range arches {
		t.Run(a.arch, func(t *testing.T) {
			const uid = 65534
			dir := root(t, a.arch, part(PartName(0), "a"), part(SizeName, "1"))
			var owners []uint32
			atOpen(t, filepath.Join(dir, Dir, PartName(0)), func(pid int) {
				for _, name := range []string{"status", "fd"} {
					var info unix.Stat_t
					if err := unix.Stat(fmt.Sprintf("/proc/%d/%s", pid, name), &info); err != nil {
						t.Error(err)
					}
					owners = append(owners, info.Uid)
				}
				if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)); err != nil || !strings.Contains(string(status), "Uid:\t65534\t") {
					t.Errorf("expected it to run with uid %d: %v\n%s", uid, err, status)
				}
			})
			if got := run(t, a.arch, jail{Root: dir, UID: uid}, digestOf([]byte("a"))); got.Code != CodeExec {
				t.Errorf("outcome %+v", got)
			}
			if diff := cmp.Diff([]uint32{0, 0}, owners); diff != "" {
				t.Errorf("owners in /proc/PID (-want +got):\n%s", diff)
			}
		})
	}
}

// partSet is a volume with odd things in it, and what a reader of it gets.
type partSet struct {
	files map[string]func(t testing.TB, path string)
	// reads gives the bytes behind a name, false where reading fails.
	reads map[string]func() ([]byte, bool)
}

func (s *partSet) set(name string, make func(t testing.TB, path string), data []byte, ok bool) {
	s.files[name] = make
	s.reads[name] = func() ([]byte, bool) { return data, ok }
}

func (s *partSet) regular(name string, data []byte) {
	s.set(name, func(t testing.TB, path string) { write(t, path, data, 0o444) }, data, true)
}

// oddParts makes a part set from a probe in three parts and edits of two bytes
// each: what to do, and to which part.
func oddParts(probe []byte, edits []byte) *partSet {
	s := &partSet{map[string]func(testing.TB, string){}, map[string]func() ([]byte, bool){}}
	parts := Parts(probe, len(probe)/3+1)
	for _, p := range append(parts, Size(probe)) {
		s.regular(p.Name, p.Data)
	}
	for ; len(edits) >= 2; edits = edits[2:] {
		name := SizeName
		if i := int(edits[1]) % (MaxParts + 2); i <= MaxParts {
			name = fmt.Sprintf("part.%c%d", '0'+i/10, i%10) // MaxParts: part.:0
		}
		if edits[1] < 200 { // most often one that is there
			name = PartName(int(edits[1]) % 4)
		}
		var data []byte
		if read := s.reads[name]; read != nil {
			data, _ = read()
		}
		switch edits[0] % 14 {
		case 0:
			delete(s.files, name)
			delete(s.reads, name)
		case 1:
			s.regular(name, append(bytes.Clone(data), edits[0]))
		case 2:
			s.regular(name, data[:len(data)*int(edits[0])/256])
		case 3:
			s.regular(name, nil)
		case 4:
			if len(data) > 0 {
				data = bytes.Clone(data)
				data[int(edits[0])*len(data)/256] ^= 1
			}
			s.regular(name, data)
		case 5: // that of another part
			if read := s.reads[PartName(int(edits[0])%3)]; read != nil {
				other, _ := read()
				s.regular(name, other)
			}
		case 6: // a name in between: the part moves into another file
			s.set(name, func(t testing.TB, path string) {
				write(t, path+".data", data, 0o444)
				linkTo(filepath.Base(path)+".data")(t, path)
			}, data, true)
		case 7:
			s.set(name, mkdir, nil, false)
		case 8:
			s.set(name, fifo, nil, true) // nobody writes: as an empty file
		case 9:
			s.set(name, heldFifo, nil, false)
		case 10:
			s.set(name, socket, nil, false)
		case 11:
			delete(s.reads, name)
			s.files[name] = linkTo("nowhere")
		case 12:
			s.set(name, linkTo(name), nil, false)
		case 13:
			s.set(name, linkTo("/proc/self/fd/0"), nil, false) // /dev/zero
		}
	}
	return s
}

// probe is what the parts make, false where no loader may run it.
func (s *partSet) probe() ([]byte, bool) {
	read := s.reads[SizeName]
	if read == nil {
		return nil, false
	}
	text, ok := read()
	size, err := strconv.ParseUint(string(text), 10, 32)
	if !ok || err != nil {
		return nil, false
	}
	var joined []byte
	for i := range MaxParts {
		read := s.reads[PartName(i)]
		if read == nil {
			break
		}
		data, ok := read()
		if !ok {
			return nil, false
		}
		joined = append(joined, data...)
	}
	return joined, uint64(len(joined)) == size
}

// Whatever is in the volume, the loader ends, with a line that the plugin
// understands, and it runs the probe or nothing.
func checkOddParts(t testing.TB, arch string, edits []byte) (ran bool) {
	probe, err := payload()
	if err != nil {
		t.Fatal(err)
	}
	s := oddParts(probe, edits)
	dir := root(t, arch)
	for name, make := range s.files {
		make(t, filepath.Join(dir, Dir, name))
	}
	got := run(t, arch, jail{Root: dir}, digestOf(probe))
	joined, ok := s.probe()
	if ok = ok && bytes.Equal(joined, probe); ok != got.Ran {
		t.Errorf("edits %v: the parts are the probe: %v, but it ran: %v, %+v", edits, ok, got.Ran, got)
	}
	if got.Ran {
		return true
	}
	switch {
	case Explain(got.Code) == "" || got.Code == CodeExec:
		t.Errorf("edits %v: ended with status %d: %+v", edits, got.Code, got)
	case got.Stdout != "" || got.Stderr != got.TerminationLog || len(got.Stderr) > MaxLine:
		t.Errorf("edits %v: said %+v", edits, got)
	case Diagnose(got.Code, got.TerminationLog) == Explain(got.Code):
		t.Errorf("edits %v: Diagnose adds nothing to %q", edits, got.TerminationLog)
	}
	return false
}

func TestOddParts(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, a := range arches {
		sets := 40
		if a.arch != runtime.GOARCH {
			sets = 10 // an emulator takes its time
		}
		t.Run(a.arch, func(t *testing.T) {
			ran := 0
			for range sets {
				edits := make([]byte, 2*(1+random.IntN(3)))
				for i := range edits {
					edits[i] = byte(random.Uint32())
				}
				if checkOddParts(t, a.arch, edits) {
					ran++
				}
			}
			// Some edits leave the probe as it is.
			if ran == 0 || ran > sets/2 {
				t.Errorf("%d of %d sets were the probe", ran, sets)
			}
		})
	}
}

func FuzzOddParts(f *testing.F) {
	for op := range byte(14) {
		f.Add([]byte{op, 1, op, 255}) // a part and the size
	}
	f.Fuzz(func(t *testing.T, edits []byte) {
		checkOddParts(t, runtime.GOARCH, edits[:min(len(edits), 64)])
	})
}

// A pod may have another terminationMessagePath, or something odd there: the
// status and stderr still tell, nothing is made, and nobody is waited for.
func TestFailureWithoutTerminationLog(t *testing.T) {
	for name, prepare := range map[string]func(t testing.TB, path string){
		"none":                     func(testing.TB, string) {},
		"a directory":              mkdir,
		"a FIFO that nobody reads": fifo,
	} {
		for _, a := range arches {
			t.Run(a.arch+"/"+name, func(t *testing.T) {
				dir := root(t, a.arch)
				log := filepath.Join(dir, TerminationLog)
				if err := os.Remove(log); err != nil {
					t.Fatal(err)
				}
				prepare(t, log)
				want := failure(CodeSize, 2, "/checklist/size")
				want.TerminationLog = ""
				if diff := cmp.Diff(want, run(t, a.arch, jail{Root: dir}, digestOf(nil))); diff != "" {
					t.Errorf("outcome (-want +got):\n%s", diff)
				}
			})
		}
	}
}
