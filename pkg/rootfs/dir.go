package rootfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"sync"
)

// Dir is a directory in which single names are looked up: for walks that enter
// every directory themselves, such as those through the layers of an overlay.
// Nothing is resolved: a name is not a path, and no link is followed.
//
// Errors are the kernel's own, without a path: the caller knows where it is.
type Dir struct {
	fd       int
	readable bool // opened for reading its names, not only O_PATH
}

// Dir returns the root itself. The caller must close it.
func (r *Root) Dir() (*Dir, error) {
	fd, err := openat(r.fd, ".", flagsPath)
	if err != nil {
		return nil, err
	}
	return &Dir{fd: fd}, nil
}

// Enter returns the directory of that name; ErrNotDir or ErrLoop if it is
// something else, even a link to a directory.
func (d *Dir) Enter(name string) (*Dir, error) {
	fd, err := openat(d.fd, name, flagsEnter)
	if err != nil {
		return nil, err
	}
	return &Dir{fd: fd}, nil
}

// EnterToRead is Enter for a directory whose names are wanted: Each does not
// have to open it again, but can be called only once.
func (d *Dir) EnterToRead(name string) (*Dir, error) {
	fd, err := openat(d.fd, name, flagsDir)
	if err != nil {
		return nil, err
	}
	return &Dir{fd: fd, readable: true}, nil
}

// Lstat describes the file of that name.
func (d *Dir) Lstat(name string) (Info, error) {
	info, _, err := lstat(d.fd, name)
	return info, err
}

// Readlink returns the text of the link of that name: raw bytes.
func (d *Dir) Readlink(name string) (string, error) { return readlinkat(d.fd, name) }

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
	st  rawStat
}

// Lstat returns the file's mode and size, bytes, without an allocation.
func (e *RawEntry) Lstat() (mode fs.FileMode, size int64, err error) {
	if err := lstatRaw(e.dir, e.nul, &e.st); err != nil {
		return 0, 0, err
	}
	mode, size = e.st.modeSize()
	return mode, size, nil
}

// Names is what Each needs to read directories, so that a walk allocates it
// once. It serves one Each at a time.
type Names struct {
	buf   []byte
	entry RawEntry
}

// NewNames allocates it.
func NewNames() *Names { return &Names{buf: make([]byte, dirBuffer)} }

const dirBuffer = 32 << 10

// namesPool is for Root.Each: /dev and /etc of a node have many directories.
var namesPool = sync.Pool{New: func() any { return NewNames() }}

// Each calls do with every name in the directory except "." and "..", in the
// file system's order, until it returns false.
func (d *Dir) Each(names *Names, do func(*RawEntry) bool) error {
	if d.readable {
		return names.each(d.fd, do)
	}
	// "." of a descriptor is that very directory, whatever its name means now.
	fd, err := openat(d.fd, ".", flagsDir)
	if err != nil {
		return err
	}
	defer func() { _ = closeFD(fd) }()
	return names.each(fd, do)
}

// each reads an open directory to its end.
func (n *Names) each(fd int, do func(*RawEntry) bool) error {
	n.entry.dir = fd
	for {
		size, err := getdents(fd, n.buf)
		if err != nil || size == 0 {
			return err
		}
		if more, err := n.records(n.buf[:size], do); err != nil || !more {
			return err
		}
	}
}

// records goes through what one getdents has filled (see there). more is false
// if do has had enough.
func (n *Names) records(buf []byte, do func(*RawEntry) bool) (more bool, err error) {
	const header = 19
	e := &n.entry
	for len(buf) > 0 {
		if len(buf) < header {
			return false, ErrIO
		}
		length := int(binary.NativeEndian.Uint16(buf[16:]))
		if length <= header || length > len(buf) {
			return false, ErrIO
		}
		end := bytes.IndexByte(buf[header:length], 0)
		if end < 0 {
			return false, ErrIO
		}
		end += header
		e.Name, e.nul, e.Ino = buf[header:end], buf[header:end+1], binary.NativeEndian.Uint64(buf)
		kind, known := entryType(buf[18])
		buf = buf[length:]
		if string(e.Name) == "." || string(e.Name) == ".." {
			continue
		}
		if !known {
			mode, _, err := e.Lstat()
			switch {
			case errors.Is(err, fs.ErrNotExist):
				continue
			case err != nil:
				kind = fs.ModeIrregular
			default:
				kind = mode.Type()
			}
		}
		e.Type = kind
		if !do(e) {
			return false, nil
		}
	}
	return true, nil
}
