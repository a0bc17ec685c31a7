package rootfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
)

// Dir is a directory in which single names are looked up: for walks that enter
// every directory themselves, such as those through the layers of an overlay.
// Nothing is resolved: a name is no path, and no link is followed.
//
// Errors are the kernel's own, without a path: the caller knows where it is.
type Dir struct{ fd int }

// Dir returns the root itself. It has to be closed.
func (r *Root) Dir() (*Dir, error) {
	fd, err := openat(r.fd, ".", flagsPath)
	if err != nil {
		return nil, err
	}
	return &Dir{fd}, nil
}

// Enter returns the directory of that name; ErrNotDir or ErrLoop if it is
// something else, a link to one included.
func (d *Dir) Enter(name string) (*Dir, error) {
	fd, err := openat(d.fd, name, flagsEnter)
	if err != nil {
		return nil, err
	}
	return &Dir{fd}, nil
}

// Lstat tells about the file of that name.
func (d *Dir) Lstat(name string) (Info, error) {
	info, _, err := lstat(d.fd, name)
	return info, err
}

// Handle returns the file of that name, whatever it is, found and not opened.
func (d *Dir) Handle(name string) (*Handle, error) {
	fd, err := openat(d.fd, name, flagsPath)
	if err != nil {
		return nil, err
	}
	info, _, err := stat(fd)
	if err != nil {
		_ = closeFD(fd)
		return nil, err
	}
	return &Handle{fd: fd, name: name, info: info}, nil
}

// Close releases the directory.
func (d *Dir) Close() {
	if d.fd >= 0 {
		_ = closeFD(d.fd)
	}
	d.fd = -1
}

// RawEntry is a name in a directory while Each is at it.
type RawEntry struct {
	// Name is valid until the function that it was given to returns.
	Name []byte
	Type fs.FileMode // type bits only
	Ino  uint64

	dir int
	nul []byte // Name with its NUL
}

// Lstat tells about the file, without an allocation.
func (e *RawEntry) Lstat() (Info, error) { return lstatRaw(e.dir, e.nul) }

// DirBuffer is a good size for the buffer of Dir.Each, bytes.
const DirBuffer = 32 << 10

// Each calls do with every name in the directory but "." and "..", in the file
// system's order, until it returns false. buf holds what the kernel answers, and
// is free again when Each returns.
func (d *Dir) Each(buf []byte, do func(*RawEntry) bool) error {
	// "." of a descriptor is that very directory, whatever its name means now.
	fd, err := openat(d.fd, ".", flagsDir)
	if err != nil {
		return err
	}
	defer func() { _ = closeFD(fd) }()
	return each(fd, buf, do)
}

// each reads an open directory to its end.
func each(fd int, buf []byte, do func(*RawEntry) bool) error {
	more := true
	for more {
		n, err := getdents(fd, buf)
		if err != nil || n == 0 {
			return err
		}
		err = records(buf[:n], fd, func(e *RawEntry) bool { more = do(e); return more })
		if err != nil {
			return err
		}
	}
	return nil
}

// records goes through what one getdents has filled (see there).
func records(buf []byte, fd int, do func(*RawEntry) bool) error {
	const header = 19
	entry := RawEntry{dir: fd}
	for len(buf) > 0 {
		if len(buf) < header {
			return ErrIO
		}
		length := int(binary.NativeEndian.Uint16(buf[16:]))
		if length <= header || length > len(buf) {
			return ErrIO
		}
		end := bytes.IndexByte(buf[header:length], 0)
		if end < 0 {
			return ErrIO
		}
		end += header
		entry.Name, entry.nul, entry.Ino = buf[header:end], buf[header:end+1], binary.NativeEndian.Uint64(buf)
		kind, known := entryType(buf[18])
		buf = buf[length:]
		if string(entry.Name) == "." || string(entry.Name) == ".." {
			continue
		}
		if !known {
			info, err := entry.Lstat()
			switch {
			case errors.Is(err, fs.ErrNotExist):
				continue
			case err != nil:
				kind = fs.ModeIrregular
			default:
				kind = info.Mode.Type()
			}
		}
		entry.Type = kind
		if !do(&entry) {
			return nil
		}
	}
	return nil
}
