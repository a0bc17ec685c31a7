package cli

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/diff/show"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/formats"
)

// closed is a pipe that nobody reads.
type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, syscall.EPIPE }

// In each format a full disk and a closed pipe are errors, and the file of an earlier run stays as it
// was.
func TestFullDiskInEachFormat(t *testing.T) {
	// The limit holds for the whole process, and go test writes a log of its own in it, which fails
	// then. So this runs in another process.
	const child = "TEST_FULL_DISK"
	if os.Getenv(child) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFullDiskInEachFormat$", "-test.v")
		cmd.Env = append(os.Environ(), child+"=1")
		if text, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(text), "--- PASS: TestFullDiskInEachFormat") {
			t.Fatalf("%v\n%s", err, text)
		}
		return
	}
	for _, format := range formats.All() {
		if format.Argument != "" {
			continue // the user's template, which pkg/report tests
		}
		isAtomic(t, format.Name, "writing the report: ", "--facts", verifyFacts)
	}
	old, now := written(t, api.Pass, api.High, nil), written(t, api.Fail, api.High, nil)
	for _, format := range show.Names() {
		isAtomic(t, format, "writing the comparison: ", "diff", old, now)
	}
}

// isAtomic tests that a command writes a format whole or not at all, to stdout and to files.
func isAtomic(t *testing.T, format, prefix string, args ...string) {
	t.Helper()
	name := args[0] + ", " + format
	args = append(args, "-o", format)
	env, _, errOut := testEnv()
	env.Streams.Out = closed{}
	if code := Main(context.Background(), env, args); code != ExitFailure || !strings.Contains(errOut.String(), prefix) {
		t.Errorf("%s, closed pipe: exit status %d, stderr %q", name, code, errOut)
	}
	folder := t.TempDir()
	path := filepath.Join(folder, "out")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	env, out, errOut := testEnv()
	code := Main(context.Background(), env, append(args, "--output-file", format+"=/dev/full", "--output-file", format+"="+path))
	if code != ExitFailure || out.Len() > 0 || !strings.Contains(errOut.String(), `writing "/dev/full": no space left on device`) {
		t.Errorf("%s, full disk: exit status %d, stdout of %d bytes, stderr %q", name, code, out.Len(), errOut)
	}
	// The disk is full for this file too: no process may write more than so many bytes.
	if err := limited(1, func() error {
		env, _, errOut = testEnv()
		if code := Main(context.Background(), env, append(args, "--output-file", format+"="+path)); code != ExitFailure {
			return errors.New(errOut.String())
		}
		return nil
	}); err != nil {
		t.Errorf("%s: a file of one byte: no error: %v", name, err)
	}
	files, err := os.ReadDir(folder)
	text, _ := os.ReadFile(path)
	if err != nil || len(files) != 1 || string(text) != "old" {
		t.Errorf("%s: expected the old file alone, found %v with %q", name, files, text)
	}
}

// limited calls a function while no file can be longer than so many bytes.
func limited(most uint64, call func() error) error {
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: most, Max: old.Max}); err != nil {
		return err
	}
	defer func() { _ = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old) }()
	return call()
}
