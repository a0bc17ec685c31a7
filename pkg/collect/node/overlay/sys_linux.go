package overlay

import (
	"errors"
	"io"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	flagsPath = unix.O_PATH | unix.O_CLOEXEC | unix.O_NOFOLLOW
	flagsRead = unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY
	flagsDir  = flagsRead | unix.O_DIRECTORY | unix.O_NOFOLLOW

	// statFlags: no automount, no question to a server.
	statFlags = unix.AT_SYMLINK_NOFOLLOW | unix.AT_NO_AUTOMOUNT | unix.AT_STATX_DONT_SYNC
)

// fileStat is what the kernel tells of a file.
type fileStat = unix.Statx_t

func isRegular(st *fileStat) bool { return st.Mode&unix.S_IFMT == unix.S_IFREG }

// isWhiteout tells a character device 0:0, by which an overlay hides the
// same name of the layers below.
func isWhiteout(st *fileStat) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev_major == 0 && st.Rdev_minor == 0
}

// unchanged tells whether two looks at one file saw the same content.
func unchanged(a, b *fileStat) bool {
	return a.Ino == b.Ino && a.Size == b.Size && a.Mtime == b.Mtime && a.Ctime == b.Ctime
}

func openat(dir int, name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flags, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

func fstat(fd int, st *fileStat) error { return fstatat(fd, "", unix.AT_EMPTY_PATH, st) }

func fstatat(dir int, name string, flags int, st *fileStat) error {
	for {
		err := unix.Statx(dir, name, statFlags|flags, unix.STATX_BASIC_STATS, st)
		if err != unix.EINTR {
			return err
		}
	}
}

// statName is fstatat for a name that lies, NUL and all, in a buffer of
// getdents64: it saves an allocation for each file of a walk.
func statName(dir int, name []byte, st *fileStat) error {
	for {
		_, _, errno := unix.Syscall6(unix.SYS_STATX, uintptr(dir), uintptr(unsafe.Pointer(unsafe.SliceData(name))),
			statFlags, unix.STATX_BASIC_STATS, uintptr(unsafe.Pointer(st)), 0)
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return errno
		}
	}
}

// reopen opens for reading the very file of an O_PATH descriptor, which the
// caller has seen to be a regular one.
func reopen(fd int) (int, error) {
	return openat(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(fd), flagsRead)
}

// readFull fills buf from an offset; io.ErrUnexpectedEOF if the file ends
// before.
func readFull(fd int, buf []byte, off int64) error {
	for n := 0; n < len(buf); {
		m, err := unix.Pread(fd, buf[n:], off+int64(n))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		case m == 0:
			return io.ErrUnexpectedEOF
		default:
			n += m
		}
	}
	return nil
}

func closeFD(fd int) {
	if fd >= 0 {
		_ = unix.Close(fd)
	}
}

func closeAll(fds []int) {
	for _, fd := range fds {
		closeFD(fd)
	}
}
