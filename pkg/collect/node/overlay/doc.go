// Package overlay finds out where the executables of a container come from: its
// image, its writable layer, a volume, or a file that no longer exists. It
// compares an overlay's upperdir with its lowerdirs (overlayfs,
// Documentation/filesystems/overlayfs.rst) as the node sees them. It never
// reads a mount that could hang or that belongs to something else.
//
// It cannot see the following, because trusted.overlay.* attributes need
// CAP_SYS_ADMIN:
//   - opaque directories of the image's layers. A file of a layer below one counts as
//     hidden by nothing, so "added" may read "changed"; both are drift.
//   - opaque directories of upper. The container's own view shows whether files of the
//     image are hidden there (see walker.replaced). The files that one layer of the image
//     has there are listed as removed. Those of layers below it are not: whether they
//     were the image's is unknown, so the directory is listed as changed.
//   - redirected directories, where the answer is unknown instead of added (see
//     provenance).
//
// Of files without code it lists what was added, changed or removed, except for what
// programs write in an untouched container (package volatile). Python's byte code of
// __pycache__ counts as that if it names the time and size of its source.
//
// A process runs more than its executable. Files that it has mapped executable are
// judged whatever their mode: libraries, those of /etc/ld.so.preload too, and a
// program that ld.so runs. Of an interpreter, the files that its command line and its
// descriptors name are judged. It cannot see the following:
//   - what an interpreter reads and closes, such as the modules of a script; the walk
//     of upperdir finds those that were added or changed there.
//   - LD_PRELOAD and the like: of /proc/PID/environ no value is kept. What they load is
//     mapped, and so it is judged.
//   - executable memory that is no file's (see mapped.go), and the content of a mapped
//     file without a name.
//
// It runs inside the locked probe: only the system calls that its filter
// allows, O_PATH before every open, nothing of package os.
package overlay
