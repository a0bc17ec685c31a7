package loader

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// lacking skips a test for want of a tool or a right, or fails it where the
// machine is meant to have everything (CHECKLIST_REQUIRE_TOOLS, as CI sets).
func lacking(t *testing.T, format string, args ...any) {
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
func root(t *testing.T, arch string, files ...Part) string {
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

func write(t *testing.T, path string, data []byte, mode os.FileMode) {
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
}

// run starts arch's loader in j, which lacks only its command, and waits.
func run(t *testing.T, arch string, j jail, args ...string) outcome {
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
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Env = []string{jailVariable + "=" + string(spec)}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
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
	log, err := os.ReadFile(filepath.Join(j.Root, TerminationLog))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	got.TerminationLog = string(log)
	return got
}

// emulator puts arch's emulator into a root and gives its path there.
func emulator(t *testing.T, arch, root string) string {
	t.Helper()
	for _, a := range arches {
		if a.arch != arch {
			continue
		}
		path, err := exec.LookPath(a.emulator)
		if err != nil {
			lacking(t, "running %s needs %s (Debian: qemu-user-static)", arch, a.emulator)
		}
		program, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(root, "emulator"), program, 0o755)
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
				env := []string{"A=1", "B=two words", "EMPTY="}
				got := run(t, a.arch, jail{Root: dir, Env: env, UID: tc.uid}, "--level", "full", "", "last one")
				if got.Code != 0 || got.Stderr != "" || got.TerminationLog != "" {
					t.Fatalf("outcome %+v", got)
				}
				var told started
				if err := json.Unmarshal([]byte(got.Stdout), &told); err != nil {
					t.Fatalf("%v in %q", err, got.Stdout)
				}
				if a.arch != runtime.GOARCH {
					slices.Sort(told.Env) // the emulator turns the order round
				}
				want := started{Args: []string{Output, "--level", "full", "", "last one"}, Env: env, UID: tc.uid}
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
				if info.Mode() != 0o500 {
					t.Errorf("mode %v, want %v", info.Mode(), os.FileMode(0o500))
				}
			})
		}
	}
}

// A file system may give less than was asked for: a pipe does so here.
func TestShortReads(t *testing.T) {
	probe, err := payload()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range arches {
		t.Run(a.arch, func(t *testing.T) {
			t.Parallel()
			dir := root(t, a.arch, Size(probe))
			pipe := filepath.Join(dir, Dir, PartName(0))
			if err := unix.Mkfifo(pipe, 0o644); err != nil {
				t.Fatal(err)
			}
			// Read and write, so that opening waits for nobody, even if the
			// loader never comes.
			w, err := os.OpenFile(pipe, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			fed := make(chan error, 1)
			go func() {
				rest := probe
				for n := 1; len(rest) > 0; n = n%5000 + 7 {
					n = min(n, len(rest))
					if _, err := w.Write(rest[:n]); err != nil {
						fed <- err
						return
					}
					rest = rest[n:]
				}
				// The loader sees the end only once nobody holds the pipe
				// for writing; closed early, what is in it would be lost if
				// nobody had opened it.
				for {
					queued, err := unix.IoctlGetInt(int(w.Fd()), unix.TIOCINQ)
					if err != nil || queued == 0 {
						fed <- errors.Join(err, w.Close())
						return
					}
					time.Sleep(time.Millisecond)
				}
			}()
			got := run(t, a.arch, jail{Root: dir})
			w.Close() // frees a writer that nobody reads
			if err := <-fed; err != nil {
				t.Error(err)
			}
			if got.Code != 0 || got.Stderr != "" {
				t.Errorf("outcome %+v", got)
			}
			joined, err := os.ReadFile(filepath.Join(dir, Output))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(joined, probe) {
				t.Errorf("the joined probe differs: %d bytes of %d", len(joined), len(probe))
			}
		})
	}
}

// The loader makes only the six system calls that it says. It joins itself
// here, so that what it becomes makes no others either: the second run finds
// the output of the first, which proves that execve was reached.
func TestMakesOnlySixSystemCalls(t *testing.T) {
	object, err := For(runtime.GOARCH)
	if err != nil {
		t.Skip("no loader for this machine")
	}
	dir := root(t, runtime.GOARCH, append(Parts(object, 400), Size(object))...)
	line := "checklist loader: errno 017 " + Output + "\n"
	want := outcome{Code: CodeCreate, Stderr: line, TerminationLog: line}
	if diff := cmp.Diff(want, run(t, runtime.GOARCH, jail{Root: dir, Strict: true})); diff != "" {
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
	if got := run(t, runtime.GOARCH, jail{Root: dir, Strict: true}); got.Code != -int32(syscall.SIGSYS) {
		t.Errorf("a program that makes other calls: outcome %+v, want it killed", got)
	}
}

func TestFailures(t *testing.T) {
	three := []Part{part("part.00", strings.Repeat("a", 3000)), part("part.01", strings.Repeat("b", 3000)), part("part.02", "c")}
	size := part("size", "6001")
	files := append([]Part{size}, three...)
	change := func(f func(t *testing.T, path string), name string) func(*testing.T, string) {
		return func(t *testing.T, root string) { f(t, filepath.Join(root, name)) }
	}
	remove := func(t *testing.T, path string) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		files   []Part
		prepare func(t *testing.T, root string)
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
		// Cut after 16 digits it would be right.
		"a size with too many digits": {files: append([]Part{part("size", "00000000000060010")}, three...), code: CodeSize, errno: 22, path: "/checklist/size"},

		"the output exists": {
			files: files, prepare: change(func(t *testing.T, path string) { write(t, path, []byte("other"), 0o755) }, Output),
			code: CodeCreate, errno: 17, path: Output,
		},
		"the output is a link to elsewhere": {files: files, prepare: change(func(t *testing.T, path string) {
			if err := os.Symlink("elsewhere", path); err != nil {
				t.Fatal(err)
			}
		}, Output), code: CodeCreate, errno: 17, path: Output},
		"a volume that is read-only": {files: files, jail: jail{WorkFlags: unix.MS_RDONLY}, code: CodeCreate, errno: 30, path: Output},
		"no volume":                  {files: files, prepare: change(remove, OutputDir), code: CodeCreate, errno: 2, path: Output},
		"a volume without permission": {files: files, prepare: change(func(t *testing.T, path string) {
			if err := os.Chmod(path, 0o755); err != nil {
				t.Fatal(err)
			}
		}, OutputDir), jail: jail{UID: 65534}, code: CodeCreate, errno: 13, path: Output},
		// 4096 of the last part's 6001 bytes fit: a short write, then an error.
		"a full volume": {files: []Part{size, part("part.00", strings.Repeat("a", 6001))}, jail: jail{WorkSize: "4096"}, code: CodeWrite, errno: 28, path: Output},

		"the first part is missing":          {files: []Part{size, three[1], three[2]}, code: CodeSum, errno: 2, path: "/checklist/part.00"},
		"a part in the middle is missing":    {files: []Part{size, three[0], three[2]}, code: CodeSum, errno: 2, path: "/checklist/part.01"},
		"the last part is missing":           {files: []Part{size, three[0], three[1]}, code: CodeSum, errno: 2, path: "/checklist/part.02"},
		"a part is cut short":                {files: []Part{size, three[0], part("part.01", "b"), three[2]}, code: CodeSum, errno: 2, path: "/checklist/part.03"},
		"there is one part more":             {files: append([]Part{part("part.03", "d")}, files...), code: CodeSum, errno: 27, path: "/checklist/part.04"},
		"a part is a directory":              {files: files[:3], prepare: change(mkdir, "checklist/part.02"), code: CodeRead, errno: 21, path: "/checklist/part.02"},
		"a part is not readable":             {files: files, prepare: change(func(t *testing.T, path string) { chmod0(t, path) }, "checklist/part.01"), jail: jail{UID: 65534}, code: CodeOpen, errno: 13, path: "/checklist/part.01"},
		"the volume does not allow programs": {files: files, jail: jail{WorkFlags: unix.MS_NOEXEC}, code: CodeExec, errno: 13, path: Output},
		"the parts are no program":           {files: files, code: CodeExec, errno: 8, path: Output},
		"an empty probe":                     {files: []Part{part("size", "0")}, code: CodeExec, errno: 8, path: Output},
	} {
		for _, a := range arches {
			t.Run(a.arch+"/"+name, func(t *testing.T) {
				t.Parallel()
				j := tc.jail
				j.Root = root(t, a.arch, tc.files...)
				if tc.prepare != nil {
					tc.prepare(t, j.Root)
				}
				line := fmt.Sprintf("checklist loader: errno %03d %s\n", tc.errno, tc.path)
				want := outcome{Code: tc.code, Stderr: line, TerminationLog: line}
				got := run(t, a.arch, j)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("outcome (-want +got):\n%s", diff)
				}
				// The plugin understands each line that there is.
				if Diagnose(got.Code, got.TerminationLog) == Explain(got.Code) {
					t.Errorf("Diagnose adds nothing to %q", got.TerminationLog)
				}
			})
		}
	}
}

func mkdir(t *testing.T, path string) {
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

func chmod0(t *testing.T, path string) {
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
}

// A pod may have another terminationMessagePath: the status and stderr still
// tell, and no such file is made.
func TestFailureWithoutTerminationLog(t *testing.T) {
	for _, a := range arches {
		t.Run(a.arch, func(t *testing.T) {
			dir := root(t, a.arch)
			if err := os.Remove(filepath.Join(dir, TerminationLog)); err != nil {
				t.Fatal(err)
			}
			want := outcome{Code: CodeSize, Stderr: "checklist loader: errno 002 /checklist/size\n"}
			if diff := cmp.Diff(want, run(t, a.arch, jail{Root: dir})); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
		})
	}
}
