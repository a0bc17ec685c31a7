package rootfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Handle is an O_PATH descriptor: a file that was found, not opened.
type Handle struct {
	fd   int
	name string
	info Info
}

// Info is what the file was when the handle was made.
func (h *Handle) Info() Info { return h.info }

// Name is the path that led here.
func (h *Handle) Name() string { return h.name }

// FD is the descriptor, valid until Close.
func (h *Handle) FD() int { return h.fd }

// Stat looks again.
func (h *Handle) Stat() (Info, error) {
	info, _, err := stat(h.fd)
	if err != nil {
		return Info{}, &fs.PathError{Op: "stat", Path: Text(h.name), Err: err}
	}
	return info, nil
}

// Open opens the very file of the handle for reading, if it is a regular one.
func (h *Handle) Open() (*File, error) {
	fd, err := reopen(h.fd, h.info)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: Text(h.name), Err: err}
	}
	return &File{fd: fd, name: h.name}, nil
}

// Close releases the handle.
func (h *Handle) Close() error { return closeOnce(&h.fd, h.name) }

// File is a regular file, open for reading.
type File struct {
	fd   int
	name string
}

// Name is the path that led here.
func (f *File) Name() string { return f.name }

// FD is the descriptor, valid until Close.
func (f *File) FD() int { return f.fd }

// Stat describes the open file.
func (f *File) Stat() (Info, error) {
	info, _, err := stat(f.fd)
	if err != nil {
		return Info{}, f.wrap("stat", err)
	}
	return info, nil
}

// Read continues where the last Read ended.
func (f *File) Read(buf []byte) (int, error) {
	if len(buf) == 0 {
		return 0, nil
	}
	n, err := read(f.fd, buf)
	if err != nil {
		return 0, f.wrap("read", err)
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// ReadAt reads len(buf) bytes at an offset, without moving Read's. As io.ReaderAt
// demands, fewer bytes come with an error: io.EOF at the end of the file.
func (f *File) ReadAt(buf []byte, off int64) (int, error) {
	if off < 0 {
		return 0, f.wrap("read", errBadName)
	}
	n := 0
	for n < len(buf) {
		m, err := pread(f.fd, buf[n:], off+int64(n))
		switch {
		case err != nil:
			return n, f.wrap("read", err)
		case m == 0:
			return n, io.EOF
		default:
			n += m
		}
	}
	return n, nil
}

// NoData reports whether the file holds no data at all, only a hole of its size.
// A file system that knows no holes says that all of it is data.
func (f *File) NoData() bool { return noData(f.fd) }

// Capabilities returns the raw file capabilities, the attribute
// security.capability (capabilities(7), struct vfs_cap_data and vfs_ns_cap_data of
// linux/capability.h). It is nil if the file has none, and on a file system
// without such attributes. The kernel shows those of a user namespace that the
// reader does not own as EOVERFLOW, and version 1 as EINVAL: errors, as is EPERM.
func (f *File) Capabilities() ([]byte, error) {
	value, err := capabilities(f.fd)
	if err != nil {
		return nil, f.wrap("getxattr", err)
	}
	return value, nil
}

// Close releases the descriptor.
func (f *File) Close() error { return closeOnce(&f.fd, f.name) }

func (f *File) close() { _ = f.Close() }

func (f *File) wrap(op string, err error) error {
	return &fs.PathError{Op: op, Path: Text(f.name), Err: err}
}

func closeOnce(fd *int, name string) error {
	if *fd < 0 {
		return &fs.PathError{Op: "close", Path: Text(name), Err: fs.ErrClosed}
	}
	old := *fd
	*fd = -1
	if err := closeFD(old); err != nil {
		return &fs.PathError{Op: "close", Path: Text(name), Err: err}
	}
	return nil
}

// readAll reads to the end, limit bytes at most.
func (f *File) readAll(limit int64) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	tooLarge := f.wrap("read", fmt.Errorf("%w of %d bytes", ErrTooLarge, limit))
	if info.Size > limit {
		return nil, tooLarge
	}
	// One byte beyond the size shows the end without growing.
	buf := make([]byte, 0, max(min(info.Size+1, limit+1), 512))
	for {
		n, err := f.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if int64(len(buf)) > limit {
			return nil, tooLarge
		}
		if errors.Is(err, io.EOF) {
			return buf, nil
		}
		if err != nil {
			return nil, err
		}
		if len(buf) == cap(buf) {
			grown := make([]byte, len(buf), max(2*cap(buf), 4096))
			copy(grown, buf)
			buf = grown
		}
	}
}
