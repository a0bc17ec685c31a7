// Package rootfs reads files below a directory as a process sees them that has
// it as its root directory.
//
// The standard library has no such handle. os.DirFS follows an absolute link
// out of the directory and opens the caller's own file, os.Root refuses
// absolute links, and openat2(2) with RESOLVE_IN_ROOT is refused by the
// seccomp filter that the probe puts on itself. So a Root resolves paths by
// path_resolution(7), one component at a time, and the kernel never follows a
// link for it:
//   - an absolute link starts again at the Root, ".." of the Root is the Root;
//   - the 41st link of one path is ELOOP;
//   - nothing is opened for reading but regular files and directories, and
//     the type is known before: no FIFO blocks, no device driver is woken;
//   - nothing is opened for writing, ever.
//
// There is one exception: the Magic methods let the kernel follow a link of
// procfs (/proc/PID/root, exe, fd/N), which is not a path at all.
//
// It is also the seam to the operating system. sys_linux.go holds every system
// call, and whatever reads a node is built on it, so that it compiles on every
// platform and works on Linux. ReasonOf sorts the errors into a gap's reason.
//
// What can hang is the file system itself: a lookup on a dead FUSE or NFS
// mount blocks its thread, and no context ends it. Callers stay out of such
// mounts by reading mountinfo first, and keep a watchdog.
package rootfs
