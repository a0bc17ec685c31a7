package proctable

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// The environment of a live process is what it was started with, in the buffer that was
// given, up to its end.
func TestEnviron(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	cmd.Env = []string{"A=1", "LONG=" + strings.Repeat("x", 20_000), "Z=2"}
	if err := cmd.Start(); err != nil {
		t.Skip(err)
	}
	ended := false
	end := func() {
		if !ended {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			ended = true
		}
	}
	defer end()
	dir, err := rootfs.Open("/proc")
	if err != nil {
		t.Skip(err)
	}
	defer func() { _ = dir.Close() }()
	f := FS{Dir: dir, Live: true}
	d, err := f.Open(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	want := strings.Join(cmd.Env, "\x00") + "\x00"
	buf := make([]byte, len(want)+1)
	n, err := d.Environ(buf)
	if err != nil {
		if errors.Is(err, os.ErrPermission) {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	if !bytes.Equal(buf[:n], []byte(want)) {
		t.Errorf("%d bytes, want %d", n, len(want))
	}
	short := make([]byte, 100)
	if n, err := d.Environ(short); n != len(short) || err != nil || string(short[:4]) != "A=1\x00" {
		t.Errorf("cut short: %d, %v", n, err)
	}
	end()
	if n, err := d.Environ(buf); n != 0 || err != nil && !rootfs.Gone(err) {
		t.Errorf("of a process that has ended: %d, %v", n, err)
	}
}
