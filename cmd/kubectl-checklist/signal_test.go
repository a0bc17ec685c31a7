//go:build unix

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/cli"
)

// asPlugin makes the test binary the plugin.
const asPlugin = "KUBECTL_CHECKLIST_TEST_PLUGIN"

func TestMain(m *testing.M) {
	if os.Getenv(asPlugin) != "" {
		os.Exit(run(append([]string{"kubectl-checklist"}, os.Args[1:]...)))
	}
	os.Exit(m.Run())
}

// Ctrl-C and SIGTERM end the reading of standard input and of files, even if no
// input arrives.
func TestSignalsEndReading(t *testing.T) {
	for name, args := range map[string][]string{
		"standard input": {"pods", "-f", "-"},
		"a manifest":     {"pods", "-f", "PIPE"},
		"facts":          {"--facts", "PIPE"},
		"standard facts": {"--facts", "/dev/stdin"},
	} {
		for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
			t.Run(name+" and "+signal.String(), func(t *testing.T) {
				t.Parallel()
				pipe := filepath.Join(t.TempDir(), "pipe")
				if err := syscall.Mkfifo(pipe, 0o600); err != nil {
					t.Fatal(err)
				}
				args := slices.Clone(args)
				named := slices.Index(args, "PIPE")
				if named >= 0 {
					args[named] = pipe
				}
				cmd := exec.Command(os.Args[0], args...)
				cmd.Env = append(os.Environ(), asPlugin+"=1", "KUBECONFIG=/dev/null")
				stdin, err := cmd.StdinPipe()
				if err != nil {
					t.Fatal(err)
				}
				defer stdin.Close() //nolint:errcheck // the reader is gone
				var out, errOut bytes.Buffer
				cmd.Stdout, cmd.Stderr = &out, &errOut
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				// Wait until it reads. A named pipe opens for writing only when
				// somebody reads, and other pipes block when they are full.
				writer := stdin
				if named >= 0 {
					if writer, err = os.OpenFile(pipe, os.O_WRONLY, 0); err != nil {
						t.Fatal(err)
					}
					defer writer.Close() //nolint:errcheck // the reader is gone
				}
				if _, err := writer.Write(bytes.Repeat([]byte("# \n"), 1<<20)); err != nil {
					t.Fatal(err)
				}
				if err := cmd.Process.Signal(signal); err != nil {
					t.Fatal(err)
				}
				done := make(chan error, 1)
				go func() { done <- cmd.Wait() }()
				select {
				case <-done:
				case <-time.After(2 * time.Minute): // a process has the kernel's clock; long, for a busy machine
					_ = cmd.Process.Kill()
					t.Fatal("it did not end")
				}
				if code := cmd.ProcessState.ExitCode(); code != 2 || out.Len() > 0 || errOut.String() != "error: interrupted\n" {
					t.Errorf("status %d, stdout %q, stderr %q", code, &out, &errOut)
				}
			})
		}
	}
}

// A closed pipe is an error with exit status 2, and not the end of the process: a run still
// has to remove what it created.
func TestClosedPipe(t *testing.T) {
	for name, args := range map[string][]string{
		"a list of checks": {"explain"},
		"a report":         {"pods", "-f", "-", "-o", "json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reader, writer, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := reader.Close(); err != nil {
				t.Fatal(err)
			}
			defer writer.Close() //nolint:errcheck // nobody reads it
			cmd := exec.Command(os.Args[0], args...)
			cmd.Env = append(os.Environ(), asPlugin+"=1", "KUBECONFIG=/dev/null")
			var errOut bytes.Buffer
			cmd.Stdin = strings.NewReader("{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: c, image: web}]}}")
			cmd.Stdout, cmd.Stderr = writer, &errOut
			err = cmd.Run()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != cli.ExitFailure || !strings.Contains(errOut.String(), "broken pipe") {
				t.Errorf("%v, stderr %q: expected exit status 2 and a broken pipe", err, errOut.String())
			}
		})
	}
}
