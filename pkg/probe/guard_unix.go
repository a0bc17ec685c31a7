//go:build unix

package probe

import (
	"os/exec"
	"os/signal"
	"syscall"
)

// detach puts the guard into a session of its own: a signal to the run's
// process group does not reach it.
func detach(command *exec.Cmd) { command.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

func ignoreSignals() { signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP) }
