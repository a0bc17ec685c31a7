//go:build linux && (amd64 || arm64)

package lock

import (
	"fmt"
	"sort"
	"strings"

	"golang.org/x/sys/unix"
)

// allow is one system call of the list.
type allow struct {
	name string
	nr   uint32
	// any holds alternatives, each a list of conditions that must all be met;
	// none at all allows every call.
	any [][]cond
	// says describes the conditions for people.
	says string
}

// cond is met where argument arg (0 to 5), seen as the 64-bit register it is,
// equals want in the bits of mask.
type cond struct {
	arg  uint32
	mask uint64
	want uint64
}

const (
	all64 = ^uint64(0)
	// low32 is for arguments that the kernel takes as int or unsigned int: the
	// upper half of the register never reaches it, and differs between sign-
	// and zero-extending callers.
	low32 = uint64(0xffffffff)
)

// openFlags are the flags of openat(2) that only read. All other of the 64 bits
// are refused: access modes 1, 2 and 3, O_CREAT, O_TRUNC, O_APPEND, O_TMPFILE,
// and future flags.
const openFlags = unix.O_CLOEXEC | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_NONBLOCK |
	unix.O_NOCTTY | unix.O_PATH | largeFile

// attributeSize bounds the buffer of fgetxattr(2), a power of two: struct
// vfs_ns_cap_data, the largest security.capability, has 24 bytes.
const attributeSize = 64

// threadFlags is what Go's runtime passes to clone(2) (runtime/os_linux.go,
// cloneFlags): CLONE_VM, FS, FILES, SIGHAND, SYSVSEM and THREAD. Without
// CLONE_THREAD it could only make a new process.
const threadFlags = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND |
	unix.CLONE_SYSVSEM | unix.CLONE_THREAD

// rules returns the allow list of Install for a process with this pid that writes to
// outputs and whose runtime owns wake, the eventfd of its network poller (-1 if
// there is none). The most frequent calls come first, because the kernel goes
// through the list for each call.
func rules(pid int, outputs []int, wake int) []allow {
	writable := make([][]cond, 0, len(outputs)+1)
	names := make([]string, 0, len(outputs)+1)
	for _, fd := range outputs {
		writable = append(writable, []cond{{0, low32, uint64(fd)}})
		names = append(names, fmt.Sprint(fd))
	}
	if wake >= 0 {
		writable = append(writable, []cond{{0, low32, uint64(wake)}})
		names = append(names, fmt.Sprintf("%d (the runtime's own eventfd)", wake))
	}
	list := append([]allow{
		{name: "read", nr: unix.SYS_READ},
		{name: "pread64", nr: unix.SYS_PREAD64},
		{
			name: "openat", nr: unix.SYS_OPENAT,
			any:  [][]cond{{{2, ^uint64(openFlags), 0}}},
			says: "for reading: no flags but O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY, O_PATH, O_LARGEFILE",
		},
		{name: "close", nr: unix.SYS_CLOSE},
		{name: "statx", nr: unix.SYS_STATX},
		{name: "newfstatat", nr: unix.SYS_NEWFSTATAT},
		{name: "fstat", nr: unix.SYS_FSTAT},
		{name: "readlinkat", nr: unix.SYS_READLINKAT},
		{name: "getdents64", nr: unix.SYS_GETDENTS64},
		{name: "lseek", nr: unix.SYS_LSEEK},
		// File capabilities, which nothing else shows: a file of the writable layer can
		// have gained some without a change of content or mode. Only on a file that
		// openat has opened for reading, so it adds no file to those in reach. getxattr
		// and lgetxattr stay refused, since they take paths, and so do all calls that
		// list or change attributes. The filter cannot see the attribute's name; the
		// bound on the size keeps larger ones (an ACL's, an LSM's) out. With size 0 only
		// the length comes back: that is how the probe knows that there is an ACL.
		{
			name: "fgetxattr", nr: unix.SYS_FGETXATTR,
			any:  [][]cond{{{3, ^uint64(attributeSize - 1), 0}}},
			says: "one attribute of an open file, of less than 64 bytes",
		},
	}, runtimeRules(pid)...)
	if len(writable) > 0 {
		list = append(list, allow{
			name: "write", nr: unix.SYS_WRITE,
			any:  writable,
			says: "to descriptors " + strings.Join(names, ", ") + " only",
		})
	}
	return list
}

// runtimeRules returns what Go's runtime needs in a process with this pid, to schedule,
// collect garbage, sleep and end.
func runtimeRules(pid int) []allow {
	return []allow{
		{name: "futex", nr: unix.SYS_FUTEX},
		{name: "nanosleep", nr: unix.SYS_NANOSLEEP},
		{name: "sched_yield", nr: unix.SYS_SCHED_YIELD},
		{name: "epoll_pwait", nr: unix.SYS_EPOLL_PWAIT},
		{name: "madvise", nr: unix.SYS_MADVISE},
		{
			name: "mmap", nr: unix.SYS_MMAP,
			any: [][]cond{{
				{2, unix.PROT_EXEC, 0},
				{3, unix.MAP_SHARED, 0}, // MAP_SHARED_VALIDATE holds the same bit
				{4, low32, low32},
			}},
			says: "private and anonymous memory, never executable",
		},
		{
			name: "mprotect", nr: unix.SYS_MPROTECT,
			any:  [][]cond{{{2, unix.PROT_EXEC, 0}}},
			says: "never executable",
		},
		{name: "munmap", nr: unix.SYS_MUNMAP},
		{
			name: "clone", nr: unix.SYS_CLONE,
			any:  [][]cond{{{0, all64, threadFlags | settls}}},
			says: "a thread of this process, with exactly the runtime's flags",
		},
		{
			name: "tgkill", nr: unix.SYS_TGKILL,
			any:  [][]cond{{{0, low32, uint64(pid)}}},
			says: "threads of this process",
		},
		{name: "rt_sigreturn", nr: unix.SYS_RT_SIGRETURN},
		{name: "rt_sigprocmask", nr: unix.SYS_RT_SIGPROCMASK},
		{name: "rt_sigaction", nr: unix.SYS_RT_SIGACTION},
		{name: "sigaltstack", nr: unix.SYS_SIGALTSTACK},
		{name: "gettid", nr: unix.SYS_GETTID},
		{name: "getpid", nr: unix.SYS_GETPID},
		{name: "clock_gettime", nr: unix.SYS_CLOCK_GETTIME}, // where the vDSO has no clock
		{name: "sched_getaffinity", nr: unix.SYS_SCHED_GETAFFINITY},
		{name: "getrandom", nr: unix.SYS_GETRANDOM},
		{name: "restart_syscall", nr: unix.SYS_RESTART_SYSCALL},
		{
			name: "prctl", nr: unix.SYS_PRCTL,
			any:  [][]cond{{{0, low32, unix.PR_SET_VMA}, {1, all64, unix.PR_SET_VMA_ANON_NAME}}},
			says: "PR_SET_VMA_ANON_NAME: the runtime names its memory",
		},

		{name: "exit", nr: unix.SYS_EXIT},
		{name: "exit_group", nr: unix.SYS_EXIT_GROUP},
	}
}

// Allowed describes the allow list of Install, sorted: the name of each system call and,
// where its arguments are restricted, how.
func Allowed() []string {
	return describe(append(rules(0, nil, -1), allow{name: "write", says: "to the outputs and the runtime's own eventfd only"}))
}

func describe(list []allow) []string {
	out := make([]string, 0, len(list))
	for _, r := range list {
		if r.says != "" {
			out = append(out, r.name+": "+r.says)
			continue
		}
		out = append(out, r.name)
	}
	sort.Strings(out)
	return out
}
