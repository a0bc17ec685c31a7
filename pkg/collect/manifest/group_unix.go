//go:build unix

package manifest

import (
	"os/exec"
	"syscall"
)

// ownGroup makes a command stop with everything that it has started, for
// example git.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
