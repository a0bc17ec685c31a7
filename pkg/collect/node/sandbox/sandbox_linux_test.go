package sandbox

import (
	"errors"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// By the kernel's own mount ids: a program of the node's mount namespace, here
// the test's, is the node's; the same file in a copy of that namespace is not,
// by its mount alone.
func TestRunsFromNode(t *testing.T) {
	open := func(dir string) *rootfs.Root {
		r, err := rootfs.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Close() })
		return r
	}
	table := &proctable.Table{FS: proctable.FS{Dir: open("/proc"), Live: true}, Root: open("/"), Self: open("/proc/self"), OwnRoot: true, Level: fact.LevelFull}
	buf := make([]byte, reader.BufferSize)
	table.Mounts, _ = table.SelfPIDDir().Mounts(buf, proctable.MaxMountInfo)
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		flags uintptr
		want  bool
	}{
		"the node's mount namespace":                              {0, true},
		"a copy of it, and a name that is no sandboxed runtime's": {unix.CLONE_NEWNS, false},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(sleep, "1000")
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: tc.flags}
			if err := cmd.Start(); errors.Is(err, unix.EPERM) {
				t.Skip("a mount namespace takes CAP_SYS_ADMIN")
			} else if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
			d, err := table.Open(cmd.Process.Pid)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			p := &proctable.Process{PID: cmd.Process.Pid}
			if p.Stat, err = d.Stat(buf); err != nil {
				t.Fatal(err)
			}
			if p.NS.Mnt, err = d.Namespace(procfs.NameNSMnt); err != nil {
				t.Fatal(err)
			}
			p.Mounts, _ = d.Mounts(buf, proctable.MaxMountInfo)
			if p.Mounts.Err != nil {
				t.Fatal(p.Mounts.Err)
			}
			if got := runsFromNode(table, p, buf); got != tc.want {
				t.Errorf("runs from the node: %t, want %t", got, tc.want)
			}
		})
	}
}
