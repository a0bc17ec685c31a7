package cli

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A pipe or /dev/stdout is written to, and never replaced by a file.
func TestWriteToPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	read := make(chan string)
	go func() {
		data, _ := os.ReadFile(path)
		read <- string(data)
	}()
	if err := writeFile(path, func(out io.Writer) error { _, err := io.WriteString(out, "text"); return err }); err != nil {
		t.Fatal(err)
	}
	if got := <-read; got != "text" {
		t.Errorf("the reader got %q", got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Type() != os.ModeNamedPipe {
		t.Errorf("the pipe became %v, %v", info.Mode(), err)
	}
}

// interrupting cancels the run when something is written.
type interrupting struct {
	cancel func()
	writes int
}

func (w *interrupting) Write(data []byte) (int, error) {
	w.writes++
	w.cancel()
	return len(data), nil
}

// Ctrl-C ends a run that writes its report, in each output, and leaves no file.
func TestInterruptedWhileWriting(t *testing.T) {
	const facts = "testdata/cases/narrowed.json" // more than one write
	ctx, cancel := context.WithCancel(context.Background())
	env, _, errOut := testEnv()
	out := &interrupting{cancel: cancel}
	env.Streams.Out = out
	if code := Main(ctx, env, []string{"--facts", facts, "-o", "json"}); code != ExitFailure || errOut.String() != "error: interrupted\n" || out.writes != 1 {
		t.Errorf("stdout: exit status %d, stderr %q, %d writes", code, errOut, out.writes)
	}
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithCancel(context.Background())
	go func() {
		defer cancel()
		reader, err := os.Open(pipe) // the run has opened it too, for its first output
		if err != nil {
			t.Error(err)
			return
		}
		defer reader.Close() //nolint:errcheck // it was only read
		_, _ = reader.Read(make([]byte, 1))
		cancel()
		_, _ = io.Copy(io.Discard, reader)
	}()
	env, stdout, errOut := testEnv()
	code := Main(ctx, env, []string{"--facts", facts, "-o", "name", "--output-file", "json=" + pipe, "--output-file", "json=" + filepath.Join(dir, "file")})
	files, err := os.ReadDir(dir)
	if code != ExitFailure || errOut.String() != "error: interrupted\n" || stdout.Len() > 0 || err != nil || len(files) != 1 {
		t.Errorf("files: exit status %d, stderr %q, stdout of %d bytes, files %v, %v", code, errOut, stdout.Len(), files, err)
	}
}
