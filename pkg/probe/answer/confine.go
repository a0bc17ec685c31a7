//go:build linux && (amd64 || arm64)

package answer

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/wire"
)

// prepare comes before anything is read, and before the lock.
func prepare() error {
	if err := dropEnvironment(); err != nil {
		return err
	}
	return Confine()
}

// dropEnvironment starts the probe again if it has an environment, because Go
// reads some of it before main, and a program cannot overrule that: a
// //go:debug directive changes only defaults, and debug.SetTraceback never says
// less than GOTRACEBACK. The loader starts an embedded probe without one; a
// pulled image gets what the image, the pod and its runtime set. What Go 1.26
// does with it, tried on this probe:
//
//   - GODEBUG=asyncpreemptoff=1: a goroutine that never yields stops the watchdog
//     too, and the probe does not end.
//   - GODEBUG=gctrace=1, inittrace=1, schedtrace=1: lines on standard error, and
//     so among the frames in the container's log, until the lock closes it.
//   - GOTRACEBACK=crash: a longer traceback, which the lock gives no way out, and
//     SIGABRT for a core dump, which Confine takes away.
//   - GOMAXPROCS=512: 14 MiB for processors that run then gives up.
//   - GOGC, GOMEMLIMIT: nothing; run sets both itself.
//
// The probe itself reads none of it. The first of the two processes does only
// this. The plugin still compares env and envFrom of the pod with what it sent.
func dropEnvironment() error {
	if len(os.Environ()) == 0 {
		return nil
	}
	err := unix.Exec("/proc/self/exe", os.Args, nil)
	return fmt.Errorf("starting again without an environment: %w", err)
}

// Confine gives up two things that a filter of system calls cannot take away: a
// core dump, which would write what was read to the node's disk, and a
// termination log longer than what the kubelet reads.
//
// Core dumps (core(5)): RLIMIT_CORE 0 forbids the file, but a core_pattern that
// begins with a pipe ignores it; PR_SET_DUMPABLE 0 forbids both. As long as it is
// set, only root may trace this process or look at its memory. The process's
// own files in /proc then belong to root: it can still read its own (status,
// task, fd) as any user, because the kernel demands more only for another
// process's files (fs/proc: proc_fd_permission, ptrace_may_access).
//
// Termination log: its file is on the node, and nobody else bounds its size.
// RLIMIT_FSIZE makes the kernel cut a write at wire.MaxTrailer bytes and refuse
// the next with EFBIG, wherever the descriptor stands; standard output is a
// pipe in a container, and not counted. (So by hand, not into a file:
// checklist-probe | cat > log.) Go ignores SIGXFSZ, which comes with EFBIG
// (os/signal). Neither limit can be raised again: the hard ones are set, the
// probe lacks the capability to raise them (CAP_SYS_RESOURCE), and the lock
// refuses prlimit64 and prctl.
func Confine() error {
	for _, limit := range []struct {
		name     string
		resource int
		value    uint64
	}{
		{"RLIMIT_CORE", unix.RLIMIT_CORE, 0},
		{"RLIMIT_FSIZE", unix.RLIMIT_FSIZE, wire.MaxTrailer},
	} {
		if err := unix.Setrlimit(limit.resource, &unix.Rlimit{Cur: limit.value, Max: limit.value}); err != nil {
			return fmt.Errorf("setrlimit(%s): %w", limit.name, err)
		}
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("prctl(PR_SET_DUMPABLE): %w", err)
	}
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		return fmt.Errorf("prctl(PR_GET_DUMPABLE): %w", err)
	}
	if dumpable != 0 {
		return errors.New("prctl(PR_SET_DUMPABLE): it had no effect")
	}
	return nil
}

// Name sets what ps and the kernel's log call the process: 15 bytes are the most
// (prctl(2), PR_SET_NAME).
//
// The loader executes a probe through a descriptor, and the kernel would name it
// after that, "3" (or "exe": dropEnvironment). Call it from an init function: those
// run on the process's first thread (runtime.LockOSThread), whose name is the
// process's.
func Name(name string) {
	text := append([]byte(name), 0)
	_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&text[0])), 0, 0, 0)
}
