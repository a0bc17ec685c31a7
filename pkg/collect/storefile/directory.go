package storefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// found is what a path leads to.
type found struct {
	file string // the database
	// member is etcd's member directory, in which file is snap/db. It is "" for a file
	// that was named itself: then nothing beside it is read.
	member string
	// old is state.db.migrated of the same k3s server, "" if there is none.
	old string
}

// Where the databases are, below a directory that a user may name: etcd's data
// directory, its member and snap directories; k3s's and RKE2's data directory, server
// and server/db.
var (
	etcdPlaces = []string{"member/snap/db", "snap/db", "db", "etcd/member/snap/db", "db/etcd/member/snap/db", "server/db/etcd/member/snap/db"}
	kinePlaces = []string{"state.db", "db/state.db", "server/db/state.db"}
)

// migrated is what k3s renames state.db to when it moves to etcd.
const migrated = "state.db.migrated"

// find follows a path to a database.
func find(path string) (found, error) {
	info, err := os.Stat(path)
	if err != nil {
		return found{}, fmt.Errorf("reading %s: %w", path, cause(err))
	}
	if info.Mode().IsRegular() {
		return found{file: path}, nil
	}
	if !info.IsDir() {
		return found{}, fmt.Errorf("reading %s: expected a file or a directory, found %s", path, typeName(info.Mode()))
	}
	etcd, err := firstOf(path, etcdPlaces)
	if err != nil {
		return found{}, err
	}
	kine, err := firstOf(path, kinePlaces)
	if err != nil {
		return found{}, err
	}
	switch {
	case etcd != "" && kine != "":
		return found{}, fmt.Errorf("reading %s: expected one database, found two, %s and %s: name one of them", path, filepath.ToSlash(etcd), filepath.ToSlash(kine))
	case kine != "":
		return found{file: filepath.Join(path, kine)}, nil
	case etcd == "":
		return found{}, fmt.Errorf("reading %s: expected etcd's data directory with member/snap/db, or k3s's with server/db, found no such file", path)
	}
	f := found{file: filepath.Join(path, etcd)}
	if snap, err := filepath.Abs(filepath.Dir(f.file)); err == nil && filepath.Base(snap) == "snap" {
		f.member = filepath.Join(filepath.Dir(f.file), "..")
	}
	if below, ok := strings.CutSuffix(filepath.ToSlash(etcd), "etcd/member/snap/db"); ok {
		old := filepath.Join(path, filepath.FromSlash(below), migrated)
		if info, err := os.Lstat(old); err == nil && info.Mode().IsRegular() {
			f.old = old
		}
	}
	return f, nil
}

// firstOf returns the first of these files that exists below a directory, "" if none.
func firstOf(dir string, places []string) (string, error) {
	for _, below := range places {
		below = filepath.FromSlash(below)
		file := filepath.Join(dir, below)
		info, err := os.Stat(file)
		switch {
		case err == nil && info.Mode().IsRegular():
			return below, nil
		case err == nil && below == "db" && info.IsDir(): // k3s has a directory of this name
		case err == nil:
			return "", fmt.Errorf("reading %s: expected a file, found %s", file, typeName(info.Mode()))
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR):
			return "", fmt.Errorf("reading %s: %w", file, cause(err))
		}
	}
	return "", nil
}

// open opens a regular file. What is not one is not opened, or not waited for.
func open(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("reading %s: expected a file, found %s", path, typeName(info.Mode()))
	}
	var f *os.File
	if err == nil {
		f, err = os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, cause(err))
	}
	if info, err = f.Stat(); err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("expected a file, found %s", typeName(info.Mode()))
	}
	if err != nil {
		f.Close() //nolint:errcheck // only read
		return nil, fmt.Errorf("reading %s: %w", path, cause(err))
	}
	return f, nil
}

// typeName says what is not a regular file.
func typeName(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe (--snapshot - reads standard input)"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "a special file"
}

// cause removes the path from an error, because the caller names it.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
