package rootfs

import (
	"io/fs"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

var (
	// ErrTooLarge is wrapped where a file or directory holds more than the
	// caller's limit. Nothing is returned then, because half a file could be
	// misread.
	ErrTooLarge = NewError(fact.Truncated, "larger than the limit")
	// ErrCut is wrapped where a file ends in the middle of something.
	ErrCut = NewError(fact.Truncated, "ends too early")
	// ErrNotRegular is wrapped where a file to be read is a directory, a FIFO,
	// a socket or a device. It was not opened.
	ErrNotRegular = NewError(fact.Unreadable, "not a regular file")
	// ErrAutomount is wrapped where continuing would mount a file system.
	ErrAutomount = NewError(fact.Unreadable, "an automount point that is not mounted")
	// ErrGuarded is wrapped where the Root's guard refuses (Root.Guard).
	ErrGuarded = NewError(fact.Unsupported, "on a mount that is not read, because it may hang")
)

// Info is what statx(2) reports of a file.
type Info struct {
	Mode fs.FileMode // type, permission, setuid, setgid, sticky
	UID  uint32
	GID  uint32
	Size int64 // bytes
	// Blocks counts allocated units of 512 bytes: 0 for a file with a size is
	// a hole, or an overlay's metadata-only copy.
	Blocks int64
	Nlink  uint32
	Dev    uint64 // of the file system, as Mkdev makes it
	Ino    uint64
	// RdevMajor and RdevMinor are the numbers of a device node.
	RdevMajor uint32
	RdevMinor uint32
	Mtime     time.Time
	Ctime     time.Time
	// MountID is the first field of the mount's line in mountinfo. Kernels
	// before 5.8 do not report it. Then HasMountID is false, because 0 is also
	// a mount (that of memfd files).
	MountID    uint64
	HasMountID bool
}

// Owner is what a fact says of it.
func (i *Info) Owner() *fact.FileOwner {
	mode := uint32(i.Mode.Perm())
	for _, bit := range []struct {
		of   fs.FileMode
		unix uint32
	}{{fs.ModeSetuid, 0o4000}, {fs.ModeSetgid, 0o2000}, {fs.ModeSticky, 0o1000}} {
		if i.Mode&bit.of != 0 {
			mode |= bit.unix
		}
	}
	return &fact.FileOwner{UID: i.UID, GID: i.GID, Mode: mode}
}

// DirEntry is a name in a directory. Type holds type bits only.
type DirEntry struct {
	Name string
	Type fs.FileMode
	Ino  uint64
}

// IsDir reports whether the entry is a directory itself, not a link to one.
func (e DirEntry) IsDir() bool { return e.Type.IsDir() }
