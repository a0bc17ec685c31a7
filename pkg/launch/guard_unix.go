//go:build unix

package launch

import (
	"os/exec"
	"os/signal"
	"syscall"
)

// detach puts the guard into a session of its own: a signal to the run's
// process group does not reach it.
func detach(command *exec.Cmd) { command.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// ignoreSignals keeps the guard alive, SIGPIPE included: the other end of its
// standard output is the run's.
func ignoreSignals() {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
}
