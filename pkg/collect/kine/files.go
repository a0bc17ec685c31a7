package kine

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Source is a file. Size is asked again whenever it matters, because a live file changes.
type Source interface {
	io.ReaderAt
	Size() (int64, error)
}

// Log is a database's write-ahead log.
type Log interface {
	Source
	io.Closer
	// ID differs for a log that was removed and made again; "" if that cannot happen.
	ID() string
}

// Files are a database's file and those next to it. Log and Journal are called again
// whenever the reading starts over, and afterwards.
type Files struct {
	Main Source
	// Log opens FILE-wal. It is nil, or returns nil, if that does not exist.
	Log func() (Log, error)
	// Journal reports whether FILE-journal exists and has content. Nil means that it does
	// not.
	Journal func() (bool, error)
}

// Given are files that do not change. Log is nil if it does not exist.
func Given(main, log Source) Files {
	if log == nil {
		return Files{Main: main}
	}
	return Files{Main: main, Log: func() (Log, error) { return givenLog{log}, nil }}
}

type givenLog struct{ Source }

func (givenLog) Close() error { return nil }
func (givenLog) ID() string   { return "" }

// InRoot are the files next to path below a root. Main is open, because a process's
// descriptor may lead to it.
func InRoot(root *rootfs.Root, path string, main *rootfs.File) Files {
	return Files{
		Main: rootFile{main},
		Log: func() (Log, error) {
			f, err := root.Open(path + "-wal")
			if errors.Is(err, fs.ErrNotExist) {
				return nil, nil
			}
			if err != nil {
				return nil, err
			}
			return rootFile{f}, nil
		},
		Journal: func() (bool, error) {
			f, err := root.Open(path + "-journal")
			if errors.Is(err, fs.ErrNotExist) {
				return false, nil
			}
			if err != nil {
				return true, err
			}
			defer func() { _ = f.Close() }()
			return Journal(f)
		},
	}
}

// Journal reports whether a rollback journal has content: SQLite may leave one that is
// empty, or whose header is zero.
func Journal(r io.ReaderAt) (bool, error) {
	var magic [8]byte
	n, err := r.ReadAt(magic[:], 0)
	if n == len(magic) || errors.Is(err, io.EOF) {
		err = nil
	}
	return err != nil || magic != [8]byte{}, err
}

type rootFile struct{ *rootfs.File }

func (f rootFile) Size() (int64, error) {
	info, err := f.Stat()
	return info.Size, err
}

func (f rootFile) ID() string {
	info, err := f.Stat()
	if err != nil {
		return "gone"
	}
	return fmt.Sprintf("%d:%d", info.Dev, info.Ino)
}
