package rootfs

import (
	"bytes"
	"errors"
	"io/fs"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// All system calls of this package are in this file; other platforms have
// sys_other.go instead.

const (
	// flagsPath opens a handle that can neither read nor write; with
	// O_NOFOLLOW a link is opened itself.
	flagsPath = unix.O_PATH | unix.O_CLOEXEC | unix.O_NOFOLLOW
	// flagsMagic is flagsPath for a link of procfs, which the kernel follows.
	flagsMagic = unix.O_PATH | unix.O_CLOEXEC
	flagsRead  = unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY
	flagsFile  = flagsRead | unix.O_NOFOLLOW // one name, no link
	flagsDir   = flagsRead | unix.O_DIRECTORY | unix.O_NOFOLLOW
	flagsEnter = flagsPath | unix.O_DIRECTORY
	flagsStart = unix.O_PATH | unix.O_CLOEXEC | unix.O_DIRECTORY

	// statFlags: neither mounts anything nor asks a server.
	statFlags = unix.AT_NO_AUTOMOUNT | unix.AT_STATX_DONT_SYNC | unix.AT_SYMLINK_NOFOLLOW

	// cwd means the caller's own working directory.
	cwd = unix.AT_FDCWD
)

// What the kernel answers, for callers on every platform.
var (
	ErrNoProcess error = unix.ESRCH   // the process of a /proc/PID has ended
	ErrNotDir    error = unix.ENOTDIR // a directory was expected
	ErrLoop      error = unix.ELOOP   // a link where none may be, or too many
	ErrNotLink   error = unix.EINVAL  // Readlink of something else
	ErrIO        error = unix.EIO     // the file system contradicts itself
	ErrInvalid   error = unix.EINVAL  // of a file of procfs: the kernel has no such thing
	errNotExist  error = unix.ENOENT
	errTooLong   error = unix.ENAMETOOLONG
	errBadName   error = unix.EINVAL
)

// isErrno reports whether an error is the kernel's own word.
func isErrno(err error) bool {
	var errno unix.Errno
	return errors.As(err, &errno)
}

// Mkdev makes the number of a file system, as in Info.Dev, from the two numbers
// that mountinfo shows.
func Mkdev(major, minor uint32) uint64 { return unix.Mkdev(major, minor) }

// Anonymous reports whether a device number is that of a file system without a device,
// as overlay is.
func Anonymous(dev uint64) bool { return unix.Major(dev) == 0 }

// Each system call is repeated after a signal, because the Go runtime sends
// signals to itself.

func openat(dir int, name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flags, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// openKernel is openat of a file to read, by a path of procfs: without the
// allocations that unix.Openat makes for a path.
func openKernel(dir int, path []byte) (int, error) {
	var nul [128]byte
	if len(path) >= len(nul) || bytes.IndexByte(path, 0) >= 0 {
		return -1, unix.EINVAL
	}
	copy(nul[:], path)
	for {
		fd, _, errno := unix.Syscall6(unix.SYS_OPENAT, uintptr(dir), uintptr(unsafe.Pointer(&nul[0])), flagsFile, 0, 0, 0)
		switch errno {
		case 0:
			return int(fd), nil
		case unix.EINTR:
		default:
			return -1, errno
		}
	}
}

func read(fd int, buf []byte) (int, error) {
	for {
		n, err := unix.Read(fd, buf)
		if err != unix.EINTR {
			return n, err
		}
	}
}

func pread(fd int, buf []byte, off int64) (int, error) {
	for {
		n, err := unix.Pread(fd, buf, off)
		if err != unix.EINTR {
			return n, err
		}
	}
}

func readlinkat(dir int, name string) (string, error) {
	var small [256]byte
	buf := small[:]
	for {
		n, err := unix.Readlinkat(dir, name, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return "", err
		}
		if n < len(buf) {
			return string(buf[:n]), nil
		}
		if len(buf) > 1<<20 {
			return "", unix.ENAMETOOLONG
		}
		buf = make([]byte, 8*len(buf))
	}
}

func closeFD(fd int) error { return unix.Close(fd) }

// noData reports whether a file holds no data at all, only a hole. A file system
// that knows no holes says that all of it is data.
func noData(fd int) bool {
	_, err := unix.Seek(fd, 0, unix.SEEK_DATA)
	return err == unix.ENXIO
}

// maxCapabilities is more than the 24 bytes of struct vfs_ns_cap_data
// (linux/capability.h), and less than what the probe's lock refuses.
const maxCapabilities = 32

// capabilities returns security.capability of an open file, nil if it has none or
// its file system knows no such attribute.
func capabilities(fd int) ([]byte, error) {
	var buf [maxCapabilities]byte
	for {
		n, err := unix.Fgetxattr(fd, "security.capability", buf[:])
		switch err {
		case nil:
			return append(make([]byte, 0, n), buf[:n]...), nil
		case unix.ENODATA, unix.ENOTSUP:
			return nil, nil
		case unix.ERANGE:
			return nil, ErrTooLarge
		case unix.EINTR:
		default:
			return nil, err
		}
	}
}

// hasACL reports whether an open file has the attribute of a POSIX ACL. The size 0 asks
// only for its length, so nothing of it is read.
func hasACL(fd int) (bool, error) {
	for {
		n, err := unix.Fgetxattr(fd, "system.posix_acl_access", nil)
		switch err {
		case nil:
			return n > 0, nil
		case unix.ENODATA, unix.ENOTSUP:
			return false, nil
		case unix.EINTR:
		default:
			return false, err
		}
	}
}

// getdents fills buf with records: u64 inode, i64 offset, u16 record length, u8
// type, name, NUL; in the byte order of the machine.
func getdents(fd int, buf []byte) (int, error) {
	for {
		n, err := unix.Getdents(fd, buf)
		if err != unix.EINTR {
			return n, err
		}
	}
}

// entryType turns the type of a record into type bits; known is false if the
// file system does not report it.
func entryType(kind byte) (mode fs.FileMode, known bool) {
	// DT_* are the type bits of st_mode, shifted.
	return fileType(uint32(kind) << 12), kind != unix.DT_UNKNOWN
}

const statMask = unix.STATX_BASIC_STATS | unix.STATX_MNT_ID

// stat looks at an open file.
func stat(fd int) (info Info, automount bool, err error) { return statAt(fd, "", unix.AT_EMPTY_PATH) }

// lstat looks at a name in a directory.
func lstat(dir int, name string) (info Info, automount bool, err error) { return statAt(dir, name, 0) }

func statAt(dir int, name string, flags int) (info Info, automount bool, err error) {
	var st unix.Statx_t
	for {
		err = unix.Statx(dir, name, statFlags|flags, statMask, &st)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return Info{}, false, err
	}
	return infoOf(&st), st.Attributes&unix.STATX_ATTR_AUTOMOUNT != 0, nil
}

// lstatRaw is lstat for a name that lies, NUL and all, in a buffer of getdents:
// it saves an allocation for each file of a walk.
func lstatRaw(dir int, name []byte, st *rawStat) error {
	for {
		_, _, errno := unix.Syscall6(unix.SYS_STATX, uintptr(dir), uintptr(unsafe.Pointer(unsafe.SliceData(name))),
			statFlags, unix.STATX_MODE|unix.STATX_SIZE|unix.STATX_TYPE, uintptr(unsafe.Pointer(&st.Statx_t)), 0)
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return errno
		}
	}
}

// rawStat is what lstatRaw fills.
type rawStat struct{ unix.Statx_t }

func (st *rawStat) modeSize() (fs.FileMode, int64) { return fileMode(uint32(st.Mode)), int64(st.Size) }

func infoOf(st *unix.Statx_t) Info {
	info := Info{
		Mode: fileMode(uint32(st.Mode)), UID: st.Uid, GID: st.Gid, Size: int64(st.Size), Blocks: int64(st.Blocks),
		Nlink: st.Nlink, Dev: unix.Mkdev(st.Dev_major, st.Dev_minor), Ino: st.Ino, RdevMajor: st.Rdev_major, RdevMinor: st.Rdev_minor,
		Mtime: time.Unix(st.Mtime.Sec, int64(st.Mtime.Nsec)).UTC(), Ctime: time.Unix(st.Ctime.Sec, int64(st.Ctime.Nsec)).UTC(),
	}
	if st.Mask&unix.STATX_MNT_ID != 0 {
		info.MountID, info.HasMountID = st.Mnt_id, true
	}
	return info
}

func fileMode(st uint32) fs.FileMode {
	mode := fs.FileMode(st&0o777) | fileType(st)
	if st&unix.S_ISUID != 0 {
		mode |= fs.ModeSetuid
	}
	if st&unix.S_ISGID != 0 {
		mode |= fs.ModeSetgid
	}
	if st&unix.S_ISVTX != 0 {
		mode |= fs.ModeSticky
	}
	return mode
}

func fileType(st uint32) fs.FileMode {
	switch st & unix.S_IFMT {
	case unix.S_IFREG:
		return 0
	case unix.S_IFDIR:
		return fs.ModeDir
	case unix.S_IFLNK:
		return fs.ModeSymlink
	case unix.S_IFIFO:
		return fs.ModeNamedPipe
	case unix.S_IFSOCK:
		return fs.ModeSocket
	case unix.S_IFBLK:
		return fs.ModeDevice
	case unix.S_IFCHR:
		return fs.ModeDevice | fs.ModeCharDevice
	}
	return fs.ModeIrregular
}
