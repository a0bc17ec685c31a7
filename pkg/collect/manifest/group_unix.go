//go:build unix

package manifest

import (
	"os/exec"
	"syscall"
)

// ownGroup makes a command stop with all that it has started: git, for one.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
