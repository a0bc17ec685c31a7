//go:build unix

package launch

import (
	"os/exec"
	"os/signal"
	"syscall"
)

// detach puts the guard into its own session, so that a signal to the run's process
// group does not reach it.
func detach(command *exec.Cmd) { command.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// ignoreSignals keeps the guard alive. It also ignores SIGPIPE, because the run holds
// the other end of its standard output.
func ignoreSignals() {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
}
