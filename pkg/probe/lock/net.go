//go:build linux && (amd64 || arm64)

package lock

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// InstallNet locks a process that needs nothing but TCP connections: from then on it
// opens no file, not even for reading, and makes no socket but one of TCP, which it can
// connect and not listen on. In all else it is Install.
//
// A socket gets a new number, so the filter cannot tell writing to one from writing to
// something else. Instead InstallNet refuses to lock as long as any descriptor but
// outputs is open for writing. None can be opened later. So whatever is written goes to
// outputs or to a connection.
//
// Nor can the filter see to which address a socket connects: it sees a pointer. The
// program itself has to compare it.
func InstallNet(outputs ...int) error {
	if err := installNet(outputs); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	return nil
}

func installNet(outputs []int) error {
	for _, fd := range outputs {
		if err := writable(fd); err != nil {
			return err
		}
	}
	if err := closeInherited(outputs); err != nil {
		return err
	}
	wake, err := wakeDescriptor()
	if err != nil {
		return err
	}
	if err := noneWritable(append([]int{wake}, outputs...)); err != nil {
		return err
	}
	filter, err := assemble(netRules(unix.Getpid()))
	if err != nil {
		return err
	}
	before, err := readTask("self")
	if err != nil {
		return err
	}
	threads, err := openThreads()
	if err != nil {
		return err
	}
	defer func() {
		for _, thread := range threads {
			unix.Close(thread.fd)
		}
	}()
	if err := load(filter); err != nil {
		return err
	}
	if err := verifyOpened(threads, before); err != nil {
		return err
	}
	return tryNet()
}

// noneWritable refuses descriptors that are open for writing, but for those named and the
// runtime's epoll.
func noneWritable(but []int) error {
	fds, err := descriptors()
	if err != nil {
		return err
	}
	buf := make([]byte, 64)
	for _, fd := range fds {
		if slices.Contains(but, fd) {
			continue
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if errors.Is(err, unix.EBADF) { // that of the listing itself
			continue
		}
		if err != nil {
			return fmt.Errorf("descriptor %d: reading its flags: %w", fd, err)
		}
		if flags&unix.O_ACCMODE == unix.O_RDONLY || flags&unix.O_PATH != 0 {
			continue
		}
		n, err := unix.Readlinkat(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(fd), buf)
		if err != nil {
			return fmt.Errorf("descriptor %d: reading what it is: %w", fd, err)
		}
		if string(buf[:n]) != "anon_inode:[eventpoll]" {
			return fmt.Errorf("descriptor %d: expected only the outputs open for writing, found another", fd)
		}
	}
	return nil
}

// opened is the status file of a thread, not yet read: what is read later is written by
// the kernel later.
type opened struct {
	tid string
	fd  int
}

// openThreads opens the status of every thread, because after the lock nothing can be
// opened. A thread that comes later has the filter of the one that made it.
func openThreads() ([]opened, error) {
	tids, err := list("/proc/self/task")
	if err != nil {
		return nil, err
	}
	var out []opened
	for _, tid := range tids {
		path := "/proc/self/task/" + tid + "/status"
		fd, err := unix.Openat(unix.AT_FDCWD, path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) {
			continue // the thread is gone
		}
		if err != nil {
			return nil, fmt.Errorf("opening %s: %w", path, err)
		}
		out = append(out, opened{tid, fd})
	}
	return out, nil
}

// verifyOpened is verify with what was opened before.
func verifyOpened(threads []opened, before task) error {
	checked := 0
	for _, thread := range threads {
		path := "/proc/self/task/" + thread.tid + "/status"
		text, err := readAll(thread.fd, path)
		if errors.Is(err, unix.ESRCH) {
			continue // the thread is gone
		}
		if err != nil {
			return err
		}
		after, err := parseTask(text)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := after.lockedSince(before); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		checked++
	}
	if checked == 0 {
		return errors.New("/proc/self/task: expected at least one thread, found none")
	}
	return nil
}

// tryNet attempts what would succeed without the lock, and would change nothing.
func tryNet() error {
	for _, attempt := range []struct {
		what string
		make func() (int, error)
	}{
		{"opening /proc/self/comm for reading", func() (int, error) {
			return unix.Openat(unix.AT_FDCWD, "/proc/self/comm", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		}},
		{"making a UNIX socket", func() (int, error) {
			return unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		}},
	} {
		fd, err := attempt.make()
		if err == nil {
			unix.Close(fd)
			return fmt.Errorf("self-test: %s: expected EPERM, but it worked", attempt.what)
		}
		if !errors.Is(err, unix.EPERM) {
			return fmt.Errorf("self-test: %s: expected EPERM, found %w", attempt.what, err)
		}
	}
	return nil
}

// Sizes of struct sockaddr_in and sockaddr_in6 (ip(7), ipv6(7)): connect and bind with
// another size are for another family.
const (
	sizeInet4 = 16
	sizeInet6 = 28
)

// option is a socket option: its level and its name.
type option struct {
	level, name uint64
	says        string
}

// options are those that package net sets on a connection. Among those left out are
// SO_BINDTODEVICE, SO_MARK, SO_ATTACH_FILTER, TCP_REPAIR and TCP_ULP.
var options = []option{
	{unix.IPPROTO_TCP, unix.TCP_NODELAY, "TCP_NODELAY"},
	{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, "IPV6_V6ONLY"},
}

// netRules returns the allow list of InstallNet for a process with this pid.
func netRules(pid int) []allow {
	const typeFlags = unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK
	var sockets, settings [][]cond
	for _, family := range []uint64{unix.AF_INET, unix.AF_INET6} {
		for _, protocol := range []uint64{0, unix.IPPROTO_TCP} { // 0 is the type's own: TCP
			sockets = append(sockets, []cond{{0, low32, family}, {1, low32 &^ typeFlags, unix.SOCK_STREAM}, {2, low32, protocol}})
		}
	}
	names := ""
	for _, o := range options {
		settings = append(settings, []cond{{1, low32, o.level}, {2, low32, o.name}})
		names += ", " + o.says
	}
	address := [][]cond{{{2, low32, sizeInet4}}, {{2, low32, sizeInet6}}}
	return append([]allow{
		{name: "read", nr: unix.SYS_READ},
		{
			name: "write", nr: unix.SYS_WRITE,
			says: "nothing but the outputs, connections and the runtime's own eventfd is open for it",
		},
		{name: "close", nr: unix.SYS_CLOSE},
		{name: "socket", nr: unix.SYS_SOCKET, any: sockets, says: "TCP over IPv4 or IPv6"},
		{name: "connect", nr: unix.SYS_CONNECT, any: address, says: "an address of IPv4 or IPv6: which one, a filter cannot see"},
		{name: "bind", nr: unix.SYS_BIND, any: address, says: "the source of a connection"},
		{name: "setsockopt", nr: unix.SYS_SETSOCKOPT, any: settings, says: names[2:]},
		{
			name: "getsockopt", nr: unix.SYS_GETSOCKOPT,
			any:  [][]cond{{{1, low32, unix.SOL_SOCKET}, {2, low32, unix.SO_ERROR}}},
			says: "SO_ERROR",
		},
		{name: "getsockname", nr: unix.SYS_GETSOCKNAME},
		{name: "getpeername", nr: unix.SYS_GETPEERNAME},
		{name: "shutdown", nr: unix.SYS_SHUTDOWN},
		{name: "epoll_ctl", nr: unix.SYS_EPOLL_CTL},
	}, runtimeRules(pid)...)
}

// AllowedNet describes the allow list of InstallNet as Allowed does that of Install.
func AllowedNet() []string { return describe(netRules(0)) }
