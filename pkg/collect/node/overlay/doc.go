// Package overlay finds out where the executables of a container come from: its
// image, its writable layer, a volume, or a file that no longer exists. It
// compares an overlay's upperdir with its lowerdirs (overlayfs,
// Documentation/filesystems/overlayfs.rst) as the node sees them. It never
// reads a mount that could hang or that belongs to something else.
//
// It cannot see the following, because trusted.overlay.* attributes need
// CAP_SYS_ADMIN: opaque directories (a lower file below one counts as hidden by
// nothing, so "added" may read "changed"; both are drift), and redirected
// directories, where the answer is unknown instead of added (see bornInUpper).
//
// It runs inside the locked probe: only the system calls that its filter
// allows, O_PATH before every open, nothing of package os.
package overlay
