// Package lock takes away from the running process everything that the probe
// does not need: after Install it can open files for reading, read them, and
// write to the descriptors it named, and nothing else. It cannot open for
// writing, create, rename or remove, execute, connect, trace, signal, mount or
// map executable memory. What stays possible is reading: a filter sees numbers,
// never paths, so the names below /proc that the probe opens are limited
// elsewhere (package procfs and its tests).
//
// The lock is one seccomp filter (seccomp(2), Documentation/userspace-api/
// seccomp_filter.rst) for all threads: an allow list of system calls, with
// masks on their arguments. Everything else fails with EPERM rather than
// killing the process, so that a forgotten call is one gap with its name and
// not a node without an answer.
//
// Why not github.com/elastic/go-seccomp-bpf: in its programs (1.6.0) a system
// call whose arguments do not match is compared with the following entries
// while the accumulator holds an argument instead of the call's number. Run on
// a 6.18 kernel, a policy of openat (read-only flags) followed by write (to
// descriptor 3) let openat(3, "/absolute/path", O_WRONLY) through: the flags, 1,
// were taken for the number of write. TestProgramDecidesByTheCalledNumber shows
// that ours does not. Its LoadFilter also returns nil, and installs nothing,
// when the kernel names a thread that it could not synchronise.
package lock
