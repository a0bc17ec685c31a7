package launch

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// detach puts the guard into its own process group, so that Ctrl-C in the run's console
// does not reach it.
func detach(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

func ignoreSignals() { signal.Ignore(os.Interrupt) }
