//go:build linux && (amd64 || arm64)

package attempt

import (
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// env is what the attempts work on; opened before the lock.
type env struct {
	dir, root string
	victim    string
	readable  int // victim, for reading
	elsewhere int // victim, for writing: a descriptor that is not an output
	dirFD     int
	page      []byte // anonymous memory, readable and writable
}

func newEnv(dir, root string) (*env, error) {
	e := &env{dir: dir, root: root, victim: filepath.Join(dir, "victim")}
	var err error
	if e.readable, err = unix.Open(e.victim, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return nil, err
	}
	if e.elsewhere, err = unix.Open(e.victim, unix.O_WRONLY|unix.O_APPEND|unix.O_CLOEXEC, 0); err != nil {
		return nil, err
	}
	if e.dirFD, err = unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return nil, err
	}
	e.page, err = unix.Mmap(-1, 0, unix.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	return e, err
}

func (e *env) path(name string) string { return filepath.Join(e.dir, name) }

// try is one attempt. Where works is false, the arguments are such that the
// kernel answers with some other error than EPERM, or the result depends on
// rights that the process may not have.
type try struct {
	name  string
	works bool
	do    func(e *env) error
}

// call makes a system call for its error alone.
func call(nr uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	_, _, errno := unix.Syscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5])
	if errno != 0 {
		return errno
	}
	return nil
}

// cstring returns the address of a NUL-terminated copy. Every copy is kept: the
// garbage collector does not see a uintptr.
func cstring(s string) uintptr {
	b := append([]byte(s), 0)
	kept = append(kept, b)
	return uintptr(unsafe.Pointer(&b[0]))
}

var kept [][]byte

// open opens, and closes what was opened.
func open(dirfd int, path string, flags uintptr) error {
	p := append([]byte(path), 0)
	fd, _, errno := unix.Syscall6(unix.SYS_OPENAT, uintptr(dirfd), uintptr(unsafe.Pointer(&p[0])), flags, 0o600, 0, 0)
	if errno != 0 {
		return errno
	}
	return unix.Close(int(fd))
}

// made closes a descriptor that should not exist.
func made(fd int, err error) error {
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// capability is the attribute that holds a file's capabilities.
const capability = "security.capability"

const (
	minusOne = ^uintptr(0)
	noFD     = ^uintptr(0)
)

var tries = []try{
	// Opening.
	{"open-write", true, func(e *env) error { return open(unix.AT_FDCWD, e.victim, unix.O_WRONLY) }},
	{"open-read-write", true, func(e *env) error { return open(unix.AT_FDCWD, e.victim, unix.O_RDWR) }},
	{"open-mode-3", true, func(e *env) error { return open(unix.AT_FDCWD, e.victim, unix.O_ACCMODE) }},
	{"open-append", true, func(e *env) error { return open(unix.AT_FDCWD, e.victim, unix.O_WRONLY|unix.O_APPEND) }},
	{"open-truncate", true, func(e *env) error { return open(unix.AT_FDCWD, e.victim, unix.O_TRUNC) }},
	{"open-create", true, func(e *env) error { return open(unix.AT_FDCWD, e.path("created"), unix.O_CREAT) }},
	{"open-create-exclusive", true, func(e *env) error {
		return open(unix.AT_FDCWD, e.path("created-2"), unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY)
	}},
	{"open-tmpfile", false, func(e *env) error { return open(unix.AT_FDCWD, e.dir, unix.O_TMPFILE|unix.O_WRONLY) }},
	{"open-write-below-directory", true, func(e *env) error { return open(e.dirFD, "victim", unix.O_WRONLY) }},
	// An absolute path ignores the directory, here an output: the hole that
	// go-seccomp-bpf 1.6.0 leaves.
	{"open-write-below-output", true, func(e *env) error { return open(unix.Stdout, e.victim, unix.O_WRONLY) }},
	{"open-unknown-flag", true, func(e *env) error { return open(unix.AT_FDCWD, e.victim, 1<<31) }},
	{"open-upper-half", true, func(e *env) error { return open(unix.AT_FDCWD, e.victim, 1<<40) }},
	{"open-path-then-proc-fd-write", true, func(e *env) error {
		fd, err := unix.Open(e.victim, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return open(unix.AT_FDCWD, "/proc/self/fd/"+itoa(fd), unix.O_WRONLY)
	}},
	{"openat2", false, func(e *env) error {
		return made(unix.Openat2(unix.AT_FDCWD, e.victim, &unix.OpenHow{Flags: unix.O_RDONLY}))
	}},
	{"open_by_handle_at", false, func(e *env) error {
		return made(unix.OpenByHandleAt(e.dirFD, unix.NewFileHandle(1, []byte("12345678")), unix.O_RDONLY))
	}},
	{"name_to_handle_at", false, func(e *env) error {
		_, _, err := unix.NameToHandleAt(unix.AT_FDCWD, e.victim, 0)
		return err
	}},
	{"own-memory-write", true, func(e *env) error { return open(unix.AT_FDCWD, "/proc/self/mem", unix.O_RDWR) }},

	// Changing files.
	{"rename", true, func(e *env) error { return unix.Rename(e.path("rename-me"), e.path("renamed")) }},
	{"renameat2", true, func(e *env) error {
		return unix.Renameat2(unix.AT_FDCWD, e.path("renamed"), unix.AT_FDCWD, e.path("rename-me"), unix.RENAME_NOREPLACE)
	}},
	{"unlink", true, func(e *env) error { return unix.Unlinkat(unix.AT_FDCWD, e.path("remove-me"), 0) }},
	{"link", true, func(e *env) error {
		return unix.Linkat(unix.AT_FDCWD, e.victim, unix.AT_FDCWD, e.path("linked"), 0)
	}},
	{"symlink", true, func(e *env) error { return unix.Symlinkat("victim", unix.AT_FDCWD, e.path("symlinked")) }},
	{"mkdir", true, func(e *env) error { return unix.Mkdirat(unix.AT_FDCWD, e.path("made"), 0o700) }},
	{"mknod", true, func(e *env) error { return unix.Mknodat(unix.AT_FDCWD, e.path("fifo-2"), unix.S_IFIFO|0o600, 0) }},
	{"chmod", true, func(e *env) error { return unix.Fchmodat(unix.AT_FDCWD, e.victim, 0o640, 0) }},
	{"fchmod", true, func(e *env) error { return unix.Fchmod(e.readable, 0o600) }},
	{"chown", false, func(e *env) error { return unix.Fchownat(unix.AT_FDCWD, e.victim, 0, 0, 0) }},
	{"utimens", true, func(e *env) error {
		return unix.UtimesNanoAt(unix.AT_FDCWD, e.victim, make([]unix.Timespec, 2), 0)
	}},
	{"truncate", true, func(e *env) error { return unix.Truncate(e.victim, 4) }},
	{"ftruncate", true, func(e *env) error { return unix.Ftruncate(e.elsewhere, 2) }},
	{"fallocate", false, func(e *env) error { return unix.Fallocate(e.elsewhere, 0, 0, 16) }},
	{"setxattr", false, func(e *env) error { return unix.Setxattr(e.victim, "user.checklist", []byte("x"), 0) }},
	{"removexattr", false, func(e *env) error { return unix.Removexattr(e.victim, "user.checklist") }},
	{"fsetxattr", false, func(e *env) error { return unix.Fsetxattr(e.readable, "user.checklist", []byte("x"), 0) }},
	{"fremovexattr", false, func(e *env) error { return unix.Fremovexattr(e.readable, "user.checklist") }},
	// Only fgetxattr is allowed, and only for a small attribute.
	{"getxattr", false, func(e *env) error { _, err := unix.Getxattr(e.victim, capability, make([]byte, 24)); return err }},
	{"lgetxattr", false, func(e *env) error { _, err := unix.Lgetxattr(e.victim, capability, make([]byte, 24)); return err }},
	{"fgetxattr-large", false, func(e *env) error { _, err := unix.Fgetxattr(e.readable, capability, make([]byte, 4096)); return err }},
	{"listxattr", false, func(e *env) error { _, err := unix.Listxattr(e.victim, make([]byte, 64)); return err }},
	{"flistxattr", false, func(e *env) error { _, err := unix.Flistxattr(e.readable, make([]byte, 64)); return err }},
	{"flock", true, func(e *env) error { return unix.Flock(e.readable, unix.LOCK_SH|unix.LOCK_NB) }},
	{"fsync", true, func(e *env) error { return unix.Fsync(e.readable) }},

	// Writing to descriptors.
	{"write-elsewhere", true, func(e *env) error { _, err := unix.Write(e.elsewhere, []byte("x")); return err }},
	{"write-stderr", false, func(*env) error { _, err := unix.Write(unix.Stderr, nil); return err }},
	{"write-upper-half", false, func(e *env) error {
		return call(unix.SYS_WRITE, uintptr(e.elsewhere), cstring("x"), 1<<32|1)
	}},
	{"writev-elsewhere", true, func(e *env) error { _, err := unix.Writev(e.elsewhere, [][]byte{[]byte("x")}); return err }},
	{"writev-output", true, func(*env) error { _, err := unix.Writev(unix.Stdout, [][]byte{}); return err }},
	{"pwrite64", false, func(e *env) error { _, err := unix.Pwrite(e.elsewhere, []byte("x"), 0); return err }},
	{"sendfile", false, func(e *env) error { _, err := unix.Sendfile(e.elsewhere, e.readable, nil, 1); return err }},
	{"splice", false, func(e *env) error { _, err := unix.Splice(e.readable, nil, e.elsewhere, nil, 1, 0); return err }},
	{"copy_file_range", false, func(e *env) error {
		_, err := unix.CopyFileRange(e.readable, nil, e.elsewhere, nil, 1, 0)
		return err
	}},
	{"dup", true, func(e *env) error { return made(unix.Dup(e.elsewhere)) }},
	{"dup3-over-output", false, func(e *env) error { return unix.Dup3(e.elsewhere, unix.Stdout, 1<<30) }},
	{"fcntl-dupfd", true, func(e *env) error {
		return made(unix.FcntlInt(uintptr(e.elsewhere), unix.F_DUPFD_CLOEXEC, 0))
	}},
	{"fcntl-setfl", true, func(e *env) error {
		_, err := unix.FcntlInt(uintptr(e.readable), unix.F_SETFL, 0)
		return err
	}},
	{"ioctl-tiocsti", false, func(*env) error { return call(unix.SYS_IOCTL, 0, unix.TIOCSTI, cstring("x")) }},
	{"ioctl-fionread", false, func(e *env) error { _, err := unix.IoctlGetInt(e.readable, 0x541b); return err }},

	// Executing.
	{"execve", false, func(*env) error { return call(unix.SYS_EXECVE, cstring("/nonexistent"), 0, 0) }},
	{"execveat", false, func(*env) error { return call(unix.SYS_EXECVEAT, noFD, cstring("/nonexistent"), 0, 0, 0) }},
	{"mmap-executable", true, func(*env) error {
		return call(unix.SYS_MMAP, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON, noFD, 0)
	}},
	{"mmap-file", true, func(e *env) error {
		return call(unix.SYS_MMAP, 0, 4096, unix.PROT_READ, unix.MAP_PRIVATE, uintptr(e.readable), 0)
	}},
	{"mmap-shared", true, func(*env) error {
		return call(unix.SYS_MMAP, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANON, noFD, 0)
	}},
	{"mprotect-executable", true, func(e *env) error { return unix.Mprotect(e.page, unix.PROT_READ|unix.PROT_EXEC) }},
	{"pkey_mprotect", false, func(e *env) error {
		return call(unix.SYS_PKEY_MPROTECT, uintptr(unsafe.Pointer(&e.page[0])), uintptr(len(e.page)), unix.PROT_READ|unix.PROT_EXEC, minusOne)
	}},
	{"memfd_create", false, func(*env) error { return made(unix.MemfdCreate("x", unix.MFD_CLOEXEC)) }},
	{"memfd_secret", false, func(*env) error { return made(unix.MemfdSecret(0)) }},
	// Flags that no kernel accepts: a fork would give the test two processes.
	{"clone-process", false, func(*env) error { return call(unix.SYS_CLONE, unix.CLONE_SIGHAND) }},
	{"clone-new-user-namespace", false, func(*env) error {
		return call(unix.SYS_CLONE, unix.CLONE_NEWUSER|unix.CLONE_THREAD|unix.CLONE_VM|unix.CLONE_SIGHAND)
	}},
	{"clone-upper-half", false, func(*env) error { return call(unix.SYS_CLONE, 1<<40|unix.CLONE_SIGHAND) }},
	{"clone3", false, func(*env) error { return call(unix.SYS_CLONE3, 0, 0) }},

	// Talking.
	{"socket-inet", false, func(*env) error { return made(unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)) }},
	{"socket-unix", true, func(*env) error { return made(unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)) }},
	{"socket-packet", false, func(*env) error { return made(unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)) }},
	{"socket-netlink", false, func(*env) error { return made(unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, 0)) }},
	{"socketpair", true, func(*env) error {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		unix.Close(pair[0])
		return unix.Close(pair[1])
	}},
	{"connect", false, func(*env) error { return unix.Connect(-1, &unix.SockaddrUnix{Name: "/run/containerd/containerd.sock"}) }},
	{"bind", false, func(*env) error { return unix.Bind(-1, &unix.SockaddrInet4{}) }},
	{"sendto", false, func(*env) error { return call(unix.SYS_SENDTO, noFD, cstring("x"), 1, 0, 0, 0) }},
	{"recvfrom", false, func(*env) error { return call(unix.SYS_RECVFROM, noFD, 0, 0, 0, 0, 0) }},
	{"pipe2", true, func(*env) error {
		var p [2]int
		if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
			return err
		}
		unix.Close(p[0])
		return unix.Close(p[1])
	}},
	{"io_uring_setup", false, func(*env) error { return call(unix.SYS_IO_URING_SETUP, 1, 0) }},
	{"io_uring_enter", false, func(*env) error { return call(unix.SYS_IO_URING_ENTER, noFD, 0, 0, 0, 0, 0) }},
	{"mq_open", false, func(*env) error { return call(unix.SYS_MQ_OPEN, 0, 0, 0, 0) }},
	{"shmget", false, func(*env) error { return call(unix.SYS_SHMGET, minusOne, 0, 0) }},
	{"shmat", false, func(*env) error { return call(unix.SYS_SHMAT, minusOne, 0, 0) }},
	{"eventfd2", true, func(*env) error { return made(unix.Eventfd(0, unix.EFD_CLOEXEC)) }},
	{"epoll_create1", true, func(*env) error { return made(unix.EpollCreate1(unix.EPOLL_CLOEXEC)) }},
	{"inotify_init1", true, func(*env) error { return made(unix.InotifyInit1(unix.IN_CLOEXEC)) }},
	{"fanotify_init", false, func(*env) error { return made(unix.FanotifyInit(0, 0)) }},
	{"timerfd_create", true, func(*env) error { return made(unix.TimerfdCreate(unix.CLOCK_MONOTONIC, 0)) }},
	{"signalfd4", false, func(*env) error { return call(unix.SYS_SIGNALFD4, noFD, 0, 0, 0) }},

	// Other processes.
	{"kill-signal-0", true, func(*env) error { return unix.Kill(unix.Getpid(), 0) }},
	{"kill-parent-signal-0", false, func(e *env) error { return unix.Kill(parent(), 0) }},
	{"tkill", true, func(*env) error { return call(unix.SYS_TKILL, uintptr(unix.Gettid()), 0) }},
	{"tgkill-parent", false, func(*env) error { return unix.Tgkill(parent(), parent(), 0) }},
	{"rt_sigqueueinfo", false, func(*env) error { return call(unix.SYS_RT_SIGQUEUEINFO, uintptr(unix.Getpid()), 0, 0) }},
	{"pidfd_open", false, func(*env) error { return made(unix.PidfdOpen(unix.Getpid(), 0)) }},
	{"pidfd_send_signal", false, func(*env) error { return unix.PidfdSendSignal(-1, 0, nil, 0) }},
	{"pidfd_getfd", false, func(*env) error { return made(unix.PidfdGetfd(-1, 0, 0)) }},
	{"ptrace", false, func(*env) error { return call(unix.SYS_PTRACE, unix.PTRACE_PEEKTEXT, minusOne, 0, 0) }},
	{"ptrace-seize-parent", false, func(*env) error { return call(unix.SYS_PTRACE, unix.PTRACE_SEIZE, minusOne, 0, 0) }},
	{"process_vm_readv", false, func(e *env) error {
		into := make([]byte, 8)
		local := []unix.Iovec{{Base: &into[0], Len: 8}}
		remote := []unix.RemoteIovec{{Base: uintptr(unsafe.Pointer(&e.page[0])), Len: 8}}
		_, err := unix.ProcessVMReadv(unix.Getpid(), local, remote, 0)
		return err
	}},
	{"process_vm_writev", false, func(e *env) error {
		local := []unix.Iovec{{Base: &e.page[0], Len: 8}}
		remote := []unix.RemoteIovec{{Base: uintptr(unsafe.Pointer(&e.page[0])), Len: 8}}
		_, err := unix.ProcessVMWritev(unix.Getpid(), local, remote, 0)
		return err
	}},
	{"process_madvise", false, func(*env) error { return call(unix.SYS_PROCESS_MADVISE, noFD, 0, 0, 0, 0) }},
	{"kcmp", false, func(*env) error { return call(unix.SYS_KCMP, minusOne, minusOne, 0, 0, 0) }},
	{"prlimit64", true, func(*env) error {
		var limit unix.Rlimit
		return unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &limit)
	}},
	{"setpriority", false, func(*env) error { return unix.Setpriority(unix.PRIO_PROCESS, 0, 0) }},
	{"sched_setaffinity", false, func(*env) error { return call(unix.SYS_SCHED_SETAFFINITY, 0, 0, 0) }},
	{"wait4", false, func(*env) error { _, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); return err }},

	// The system.
	{"mount", false, func(e *env) error { return unix.Mount("none", e.dir, "nonexistent-type", 0, "") }},
	{"umount2", false, func(e *env) error { return unix.Unmount(e.dir, unix.MNT_DETACH) }},
	{"move_mount", false, func(*env) error { return call(unix.SYS_MOVE_MOUNT, noFD, 0, noFD, 0, 0) }},
	{"fsopen", false, func(*env) error { return call(unix.SYS_FSOPEN, cstring("nonexistent-type"), 0) }},
	{"open_tree", false, func(*env) error { return call(unix.SYS_OPEN_TREE, noFD, 0, 0) }},
	{"pivot_root", false, func(*env) error { return unix.PivotRoot("/nonexistent", "/nonexistent") }},
	{"chroot", false, func(*env) error { return unix.Chroot("/nonexistent") }},
	{"chdir", true, func(*env) error { return unix.Chdir("/") }},
	{"unshare", false, func(*env) error { return unix.Unshare(unix.CLONE_THREAD) }},
	{"setns", false, func(*env) error { return unix.Setns(-1, 0) }},
	{"setuid", false, func(*env) error { return call(unix.SYS_SETRESUID, minusOne, minusOne, minusOne) }},
	{"setgroups", false, func(*env) error { return call(unix.SYS_SETGROUPS, minusOne, 0) }},
	{"capset", false, func(*env) error { return call(unix.SYS_CAPSET, 0, 0) }},
	{"prctl-dumpable", false, func(*env) error { return unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) }},
	{"prctl-name-other-vma", false, func(*env) error { return unix.Prctl(unix.PR_SET_VMA, 1, 0, 0, 0) }},
	{"seccomp", false, func(*env) error { return call(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_STRICT, 1, 0) }},
	{"personality", true, func(*env) error { return call(unix.SYS_PERSONALITY, 0xffffffff) }},
	{"bpf", false, func(*env) error { return call(unix.SYS_BPF, 0, 0, 0) }},
	{"perf_event_open", false, func(*env) error { return call(unix.SYS_PERF_EVENT_OPEN, 0, 0, 0, noFD, 0) }},
	{"userfaultfd", false, func(*env) error { return call(unix.SYS_USERFAULTFD, minusOne) }},
	{"keyctl", false, func(*env) error { return call(unix.SYS_KEYCTL, minusOne) }},
	{"add_key", false, func(*env) error { return call(unix.SYS_ADD_KEY, 0, 0, 0, 0, 0) }},
	{"finit_module", false, func(*env) error { return call(unix.SYS_FINIT_MODULE, noFD, 0, 0) }},
	{"init_module", false, func(*env) error { return call(unix.SYS_INIT_MODULE, 0, 0, 0) }},
	{"delete_module", false, func(*env) error { return call(unix.SYS_DELETE_MODULE, 0, 0) }},
	{"kexec_load", false, func(*env) error { return call(unix.SYS_KEXEC_LOAD, 0, 0, 0, minusOne) }},
	{"reboot", false, func(*env) error { return call(unix.SYS_REBOOT, 0, 0, 0, 0) }},
	{"swapon", false, func(*env) error { return call(unix.SYS_SWAPON, cstring("/nonexistent"), minusOne) }},
	{"sethostname", false, func(*env) error { return call(unix.SYS_SETHOSTNAME, 0, minusOne) }},
	{"clock_settime", false, func(*env) error { return call(unix.SYS_CLOCK_SETTIME, minusOne, 0) }},
	{"syslog", false, func(*env) error { return call(unix.SYS_SYSLOG, minusOne, 0, 0) }},
	{"acct", false, func(*env) error { return call(unix.SYS_ACCT, cstring("/nonexistent/x")) }},
	{"quotactl", false, func(*env) error { return call(unix.SYS_QUOTACTL, minusOne, 0, 0, 0) }},
	{"statfs", true, func(*env) error { return unix.Statfs("/", new(unix.Statfs_t)) }},
	{"landlock_create_ruleset", false, func(*env) error { return call(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, minusOne) }},
	{"unassigned-number", false, func(*env) error { return call(4000) }},
}

func parent() int { return parentPID }

var parentPID = unix.Getppid()
