//go:build linux

package attempt

import (
	"errors"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// int80 makes an i386 system call without arguments that are pointers.
func int80(nr uintptr) (result uintptr)

const x32Bit = 0x40000000

var archTries = []try{
	{"open-legacy", true, func(e *env) error {
		return openLegacy(unix.SYS_OPEN, e.victim, unix.O_RDONLY)
	}},
	{"creat-legacy", true, func(e *env) error { return openLegacy(unix.SYS_CREAT, e.path("created-3"), 0o600) }},
	{"unlink-legacy", false, func(e *env) error { return call(unix.SYS_UNLINK, cstring(e.path("nonexistent"))) }},
	{"stat-legacy", false, func(e *env) error { return call(unix.SYS_STAT, cstring(e.victim), 0) }},
	{"access-legacy", true, func(e *env) error { return call(unix.SYS_ACCESS, cstring(e.victim), unix.R_OK) }},
	{"dup2-legacy", false, func(*env) error { return call(unix.SYS_DUP2, noFD, 1) }},
	{"modify_ldt", false, func(*env) error { return call(unix.SYS_MODIFY_LDT, minusOne, 0, 0) }},
	{"arch_prctl", false, func(*env) error { return call(unix.SYS_ARCH_PRCTL, minusOne, 0) }},
	{"ioperm", false, func(*env) error { return call(unix.SYS_IOPERM, minusOne, 1, 1) }},
	{"iopl", false, func(*env) error { return call(unix.SYS_IOPL, 4) }},
	// The other two ABIs that an amd64 process can use.
	{"x32-getpid", false, func(*env) error { return call(x32Bit | unix.SYS_GETPID) }},
	{"x32-openat", false, func(e *env) error { return call(x32Bit|unix.SYS_OPENAT, noFD, cstring(e.victim), 0, 0) }},
	{"i386-getpid", false, func(*env) (err error) {
		// A kernel without CONFIG_IA32_EMULATION sends SIGSEGV.
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		defer func() {
			if recover() != nil {
				err = unix.EPERM
			}
		}()
		const getpid = 20
		if r := int(int32(int80(getpid))); r < 0 {
			return unix.Errno(-r)
		} else if r != unix.Getpid() {
			return errors.New("other-pid")
		}
		return nil
	}},
}

func openLegacy(nr uintptr, path string, arg uintptr) error {
	fd, _, errno := unix.Syscall(nr, cstring(path), arg, 0o600)
	if errno != 0 {
		return errno
	}
	return unix.Close(int(fd))
}
