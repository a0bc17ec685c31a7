//go:build linux && (amd64 || arm64)

package lock

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Install locks the process: it closes every descriptor that was inherited,
// installs the filter in all threads, verifies that each of them has it, and
// tries two things that must fail. From then on writes reach only outputs,
// descriptors that are open for writing.
//
// It cannot be undone, and a second call fails. After an error the process may
// be locked in part: the caller should say so and exit.
func Install(outputs ...int) error {
	for _, fd := range outputs {
		if err := writable(fd); err != nil {
			return fmt.Errorf("lock: %w", err)
		}
	}
	if err := closeInherited(outputs); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	wake, err := wakeDescriptor()
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	filter, err := assemble(rules(unix.Getpid(), outputs, wake))
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	before, err := readTask("self")
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	if err := load(filter); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	if err := verify(before); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	if err := try(); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	return nil
}

// writable checks an output before the lock makes it the only one.
func writable(fd int) error {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return fmt.Errorf("output %d: expected an open descriptor: %w", fd, err)
	}
	if flags&unix.O_ACCMODE == unix.O_RDONLY || flags&unix.O_PATH != 0 {
		return fmt.Errorf("output %d: expected a descriptor open for writing, found flags %#x", fd, flags)
	}
	return nil
}

// closeInherited closes what came through execve(2), outputs excepted. Exactly
// the descriptors without FD_CLOEXEC did: execve closes the others, and Go
// opens its own (the netpoller's, two cgroup files) with O_CLOEXEC.
//
// The numbers 0 to 2 are not freed but replaced by an O_PATH descriptor of the
// own root, which can be neither read nor written. The runtime prints a crash,
// perhaps with what it was reading, to descriptor 2, whatever that is.
func closeInherited(outputs []int) error {
	fds, err := descriptors()
	if err != nil {
		return err
	}
	if err := park(outputs); err != nil {
		return err
	}
	for _, fd := range fds {
		if slices.Contains(outputs, fd) {
			continue
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if errors.Is(err, unix.EBADF) { // that of the listing itself
			continue
		}
		if err != nil {
			return fmt.Errorf("descriptor %d: reading its flags: %w", fd, err)
		}
		if flags&unix.FD_CLOEXEC == 0 {
			if err := unix.Close(fd); err != nil {
				return fmt.Errorf("closing inherited descriptor %d: %w", fd, err)
			}
		}
	}
	return nil
}

// park puts an O_PATH descriptor in the place of each standard stream that is
// not an output.
func park(outputs []int) error {
	inert, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening / with O_PATH: %w", err)
	}
	keep := false
	for _, fd := range []int{unix.Stdin, unix.Stdout, unix.Stderr} {
		if slices.Contains(outputs, fd) {
			continue
		}
		if fd == inert { // it was closed, and open took its number
			keep = true
			continue
		}
		if err := unix.Dup3(inert, fd, unix.O_CLOEXEC); err != nil {
			return fmt.Errorf("replacing descriptor %d: %w", fd, err)
		}
	}
	if keep {
		return nil
	}
	return unix.Close(inert)
}

// wakeDescriptor returns the eventfd by which the runtime wakes its network
// poller. A process whose runtime cannot write there dies with "netpollBreak
// write failed". Adding a timer makes the runtime create it.
func wakeDescriptor() (int, error) {
	time.AfterFunc(time.Hour, func() {}).Stop()
	fds, err := descriptors()
	if err != nil {
		return -1, err
	}
	wake := -1
	buf := make([]byte, 64)
	for _, fd := range fds {
		path := "/proc/self/fd/" + strconv.Itoa(fd)
		n, err := unix.Readlinkat(unix.AT_FDCWD, path, buf)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return -1, fmt.Errorf("reading %s: %w", path, err)
		}
		if string(buf[:n]) != "anon_inode:[eventfd]" {
			continue
		}
		if wake >= 0 {
			return -1, fmt.Errorf("/proc/self/fd: expected one eventfd, the runtime's, found %d and %d", wake, fd)
		}
		wake = fd
	}
	if wake < 0 {
		return -1, fmt.Errorf("/proc/self/fd: expected the runtime's eventfd, found none among %d descriptors", len(fds))
	}
	return wake, nil
}

func descriptors() ([]int, error) {
	names, err := list("/proc/self/fd")
	if err != nil {
		return nil, err
	}
	fds := make([]int, 0, len(names))
	for _, name := range names {
		fd, err := strconv.Atoi(name)
		if err != nil {
			return nil, fmt.Errorf("/proc/self/fd: expected numbers, found %q", name)
		}
		fds = append(fds, fd)
	}
	return fds, nil
}

// load gives the filter to every thread.
func load(filter []unix.SockFilter) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// Without it only CAP_SYS_ADMIN could install a filter; TSYNC passes it on
	// to the other threads.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("prctl(PR_SET_NO_NEW_PRIVS): %w", err)
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	thread, errno := seccomp(unix.SECCOMP_FILTER_FLAG_TSYNC|unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH, &program)
	if errno == unix.EINVAL { // kernels before 5.7 do not know TSYNC_ESRCH
		thread, errno = seccomp(unix.SECCOMP_FILTER_FLAG_TSYNC, &program)
	}
	switch {
	case errno == unix.ESRCH:
		return errors.New("seccomp(SECCOMP_SET_MODE_FILTER): a thread has a filter of its own and cannot be synchronised; nothing was installed")
	case errno == unix.ENOSYS || errno == unix.EINVAL:
		return fmt.Errorf("seccomp(SECCOMP_SET_MODE_FILTER): expected a kernel with seccomp filters: %w", errno)
	case errno != 0:
		return fmt.Errorf("seccomp(SECCOMP_SET_MODE_FILTER): %w", errno)
	case thread != 0:
		// With TSYNC the kernel returns the id of the thread that prevents it.
		return fmt.Errorf("seccomp(SECCOMP_SET_MODE_FILTER): expected 0, found %d: that thread has a filter of its own; nothing was installed", thread)
	}
	return nil
}

func seccomp(flags uintptr, program *unix.SockFprog) (uintptr, unix.Errno) {
	r, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(program)))
	return r, errno
}

// verify reads what the kernel says about every thread: filter mode, one filter
// more than before, no new privileges.
func verify(before task) error {
	tids, err := list("/proc/self/task")
	if err != nil {
		return err
	}
	checked := 0
	for _, tid := range tids {
		after, err := readTask("self/task/" + tid)
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) {
			continue // the thread is gone
		}
		if err != nil {
			return err
		}
		if err := after.lockedSince(before); err != nil {
			return fmt.Errorf("/proc/self/task/%s/status: %w", tid, err)
		}
		checked++
	}
	if checked == 0 {
		return errors.New("/proc/self/task: expected at least one thread, found none")
	}
	return nil
}

// task is what /proc/PID/task/TID/status says about its lock
// (proc_pid_status(5)).
type task struct {
	mode       int // Seccomp: 0 off, 1 strict, 2 filter
	filters    int // Seccomp_filters: since 5.9, -1 before
	noNewPrivs int // NoNewPrivs: since 4.10
}

func (t task) lockedSince(before task) error {
	if t.mode != 2 {
		return fmt.Errorf("expected Seccomp 2, found %d", t.mode)
	}
	if t.noNewPrivs != 1 {
		return fmt.Errorf("expected NoNewPrivs 1, found %d", t.noNewPrivs)
	}
	if before.filters >= 0 && t.filters != before.filters+1 {
		return fmt.Errorf("expected Seccomp_filters %d, found %d", before.filters+1, t.filters)
	}
	return nil
}

// readTask reads the status of self or self/task/TID.
func readTask(name string) (task, error) {
	path := "/proc/" + name + "/status"
	text, err := readFile(path)
	if err != nil {
		return task{}, err
	}
	t, err := parseTask(text)
	if err != nil {
		return task{}, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

func parseTask(status string) (task, error) {
	t := task{mode: -1, filters: -1, noNewPrivs: -1}
	for line := range strings.Lines(status) {
		key, value, _ := strings.Cut(line, ":")
		var field *int
		switch key {
		case "Seccomp":
			field = &t.mode
		case "Seccomp_filters":
			field = &t.filters
		case "NoNewPrivs":
			field = &t.noNewPrivs
		default:
			continue
		}
		n, err := strconv.Atoi(strings.TrimSpace(value))
		if err != nil || n < 0 {
			return task{}, fmt.Errorf("%s: expected a number, found %q", key, strings.TrimSpace(value))
		}
		*field = n
	}
	if t.mode < 0 {
		return task{}, errors.New("expected a line Seccomp, found none: a kernel built with CONFIG_SECCOMP_FILTER is needed")
	}
	if t.noNewPrivs < 0 {
		return task{}, errors.New("expected a line NoNewPrivs, found none: a kernel from 4.10 on is needed")
	}
	return t, nil
}

// try attempts what would succeed without the lock, and would change nothing.
func try() error {
	// Opening the name of the own thread for writing; nothing is written.
	fd, err := unix.Openat(unix.AT_FDCWD, "/proc/self/comm", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
		return errors.New("self-test: opening /proc/self/comm for writing: expected EPERM, but it was opened")
	}
	if !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("self-test: opening /proc/self/comm for writing: expected EPERM, found %w", err)
	}
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
		return errors.New("self-test: making a socket: expected EPERM, but it was made")
	}
	if !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("self-test: making a socket: expected EPERM, found %w", err)
	}
	return nil
}

// list names the entries of a directory, by calls that the lock allows.
func list(dir string) ([]string, error) {
	fd, err := unix.Openat(unix.AT_FDCWD, dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", dir, err)
	}
	defer unix.Close(fd)
	var names []string
	buf := make([]byte, 4096)
	for {
		n, err := unix.Getdents(fd, buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", dir, err)
		}
		if n == 0 {
			return names, nil
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
}

// maxStatus bounds what is read of a status file, about 1.5 KiB.
const maxStatus = 64 << 10

func readFile(path string) (string, error) {
	fd, err := unix.Openat(unix.AT_FDCWD, path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("opening %s: %w", path, err)
	}
	defer unix.Close(fd)
	return readAll(fd, path)
}

// readAll reads an open file from where it stands.
func readAll(fd int, path string) (string, error) {
	buf := make([]byte, 0, 4096)
	for {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, cap(buf))
		}
		n, err := unix.Read(fd, buf[len(buf):cap(buf)])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("reading %s: %w", path, err)
		}
		if n == 0 {
			return string(buf), nil
		}
		buf = buf[:len(buf)+n]
		if len(buf) > maxStatus {
			return "", fmt.Errorf("reading %s: expected at most %d bytes, found more", path, maxStatus)
		}
	}
}
