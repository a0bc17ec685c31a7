package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// A container of our own making, of the kernel's own mounts: an overlay as root, with a
// package database below a link, a program in Go, and procfs inside. What is installed is
// read through its root, by absolute links too, and not from other mounts.
func TestImagesOfALiveContainer(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	dir := t.TempDir()
	lower, upper, work, merged := dir+"/lower", dir+"/upper", dir+"/work", dir+"/merged"
	for _, d := range []string{lower + "/etc", lower + "/usr/lib", lower + "/proc", lower + "/data", lower + "/store/dpkg", lower + "/var/lib", upper, work, merged} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range map[string]string{
		// In another mount than the image's, which is not looked into.
		"etc/os-release": "-> /proc/sys/kernel/ostype", "usr/lib/os-release": debianRelease, "var/lib/dpkg": "-> /store/dpkg", "store/dpkg/status": debianStatus,
	} {
		var err error
		if target, link := strings.CutPrefix(content, "-> "); link {
			err = os.Symlink(target, filepath.Join(lower, name))
		} else {
			err = os.WriteFile(filepath.Join(lower, name), []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", lower+"/app", "./testdata/sleeper")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := unix.Mount("overlay", merged, "overlay", 0, fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", lower, upper, work)); err != nil {
		t.Skipf("mounting an overlay: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(merged, unix.MNT_DETACH) })
	if err := unix.Mount("proc", merged+"/proc", "proc", 0, ""); err != nil {
		t.Skipf("mounting proc: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(merged+"/proc", unix.MNT_DETACH) })
	cmd := exec.Command("/app")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: merged, Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Skipf("starting in namespaces of its own: %v", err)
	}
	t.Cleanup(func() { _ = stdin.Close(); _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if _, err := io.ReadFull(stdout, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), tooLong)
	defer cancel()
	m, err := Local(ctx, Options{Level: fact.LevelFull, Node: "n1", Proc: "/proc", Root: "/", Live: true, Kinds: []fact.Kind{fact.Processes, fact.Mounts, fact.Images}})
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(m.Containers, func(c fact.MeasuredContainer) bool {
		return slices.ContainsFunc(c.Processes, func(p fact.Process) bool { return p.PID == cmd.Process.Pid })
	})
	if at < 0 {
		t.Fatalf("pid %d is in none of %d containers", cmd.Process.Pid, len(m.Containers))
	}
	c := &m.Containers[at]
	image := slices.IndexFunc(m.Images, func(one fact.ImageInventory) bool { return one.Key == c.Image })
	if image < 0 {
		t.Fatalf("no inventory; gaps %v", m.Gaps)
	}
	got := &m.Images[image]
	if got.OS.ID != "debian" || got.OS.VersionID != "12" || got.Manager != "dpkg" || len(got.Packages) != 2 || len(got.Modules) == 0 || got.Modules[0].Name != "stdlib" || got.Modules[0].Path != "/app" {
		t.Errorf("%+v", got)
	}
	for _, g := range m.Gaps {
		if g.What == fact.Images && g.Container == c.ID {
			t.Errorf("gap %+v", g)
		}
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Errorf("it took %s", tooLong)
	}
}
