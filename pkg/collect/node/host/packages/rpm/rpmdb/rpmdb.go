package rpmdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Dirs are where a database can be, in the order in which they are tried: since
// rpm 4.16 with a read-only /var, before, and on ostree.
var Dirs = []string{"/usr/lib/sysimage/rpm", "/var/lib/rpm", "/usr/share/rpm"}

// The files of the formats, in the order in which rpm looks for them.
const (
	fileSQLite = "rpmdb.sqlite"
	fileNDB    = "Packages.db"
	fileBDB    = "Packages"
)

// Limits on a database.
const (
	maxPackages = 200_000
	// maxFaults is how many damaged records are described, and
	// maxDamaged how many end the reading.
	maxFaults  = 3
	maxDamaged = 1000
	// maxTries is how often a database that changes meanwhile is read.
	maxTries = 3
)

var errUnsupported = rootfs.NewError(fact.Unsupported, "not supported")

// Result is what was read of a database, besides the packages.
type Result struct {
	Path     string // of the file
	Packages int    // read, without gpg-pubkey
	// Damaged counts the records, or pages with an unknown number of them, that
	// could not be read; Faults are the first errors.
	Damaged int
	Faults  []error
	// Others are files of databases that lie beside it and were not read.
	Others []string
	// Changed means that the database was written each time it was read: the
	// packages can be of two states.
	Changed bool
}

// Read calls begin, then each with every installed package, in no order. It does
// so again from begin on if the database was written meanwhile. A Package is
// valid until each returns. Of what packages provide, only the names in provides
// are read. The error is fs.ErrNotExist if the host has no database; with any
// other error, packages can be missing.
func Read(ctx context.Context, root *rootfs.Root, provides []string, begin func(), each func(*Package)) (Result, error) {
	path, others, err := find(root)
	if err != nil {
		return Result{Path: path}, err
	}
	var result Result
	for range maxTries {
		result, err = read(ctx, root, path, provides, begin, each)
		if !result.Changed || ctx.Err() != nil {
			break
		}
	}
	result.Path, result.Others = path, others
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = rootfs.NewError(fact.Changing, path+": it was removed while it was read")
	case err != nil:
		err = fmt.Errorf("%s: %w", path, err)
	}
	return result, err
}

// Files are where a database can be, in the order in which Read looks for it.
func Files() []string {
	var list []string
	for _, dir := range Dirs {
		for _, name := range []string{fileSQLite, fileNDB, fileBDB} {
			list = append(list, dir+"/"+name)
		}
	}
	return list
}

// find returns the first file of a database, and others in its directory.
func find(root *rootfs.Root) (path string, others []string, err error) {
	for _, dir := range Dirs {
		for _, name := range []string{fileSQLite, fileNDB, fileBDB} {
			file := dir + "/" + name
			switch _, err := root.Stat(file); {
			case errors.Is(err, fs.ErrNotExist), errors.Is(err, rootfs.ErrNotDir):
			case err != nil:
				return file, nil, err
			case path == "":
				path = file
			default:
				others = append(others, file)
			}
		}
		if path != "" {
			return path, others, nil
		}
	}
	return "", nil, fs.ErrNotExist
}

// record is a package's blob, or why there is none.
type record struct {
	kind string // "page", "slot at byte", "row"; "" if the error says where
	at   int64
	part int // of a page, from 1; 0 is all of it
	src  io.ReaderAt
	size int64
	err  error
}

// store is an open database of one format.
type store interface {
	// records calls do with every record until it returns false. The error means
	// that the rest was not read.
	records(ctx context.Context, do func(record) bool) error
	// changed reports whether it was written since it was opened.
	changed() bool
}

// read reads a database once.
func read(ctx context.Context, root *rootfs.Root, path string, provides []string, begin func(), each func(*Package)) (Result, error) {
	db, size, closeDB, err := open(root, path)
	if err != nil {
		return Result{}, err
	}
	defer closeDB()
	begin()
	result, err := readStore(ctx, db, size, provides, each)
	result.Changed = db.changed()
	return result, err
}

// open opens a database and returns the size of its files.
func open(root *rootfs.Root, path string) (db store, size int64, closeDB func(), err error) {
	file, err := root.Open(path)
	if err != nil {
		return nil, 0, nil, err
	}
	info, err := file.Stat()
	closeDB = func() { _ = file.Close() }
	if err == nil {
		size = info.Size
		switch {
		case strings.HasSuffix(path, "/"+fileSQLite):
			db, size, closeDB, err = openSQLiteFiles(root, path, file, info)
		case strings.HasSuffix(path, "/"+fileNDB):
			db, err = openNDB(file, size)
		default:
			db, err = openBDB(file, size)
		}
	}
	if err != nil {
		closeDB()
		return nil, 0, nil, err
	}
	return watched{db, file, info}, size, closeDB, nil
}

// watched is a store with its file, whose time of change counts too.
type watched struct {
	store
	file *rootfs.File
	was  rootfs.Info
}

func (w watched) changed() bool {
	now, err := w.file.Stat()
	return w.store.changed() || err != nil || now.Size != w.was.Size || !now.Mtime.Equal(w.was.Mtime)
}

// room is how many bytes records may still have. Together they have no more than
// the file, unless they overlap.
type room int64

func (left *room) limit(r record) record {
	switch {
	case r.err != nil:
	case r.size > int64(*left):
		r.err = fmt.Errorf("expected a record of at most %d bytes, found one of %d: it overlaps another or is cut", int64(*left), r.size)
	default:
		*left -= room(r.size)
	}
	return r
}

// readStore reads all packages of an open database of size bytes.
func readStore(ctx context.Context, db store, size int64, provides []string, each func(*Package)) (Result, error) {
	var result Result
	var stop error
	headers := newHeaderReader(provides, size)
	err := db.records(ctx, func(r record) bool {
		if stop = ctx.Err(); stop != nil {
			return false
		}
		err := r.err
		if err == nil {
			var p *Package
			if p, err = headers.read(r.src, r.size); err == nil {
				if p.Name == "gpg-pubkey" { // a key that the administrator trusts
					return true
				}
				if result.Packages == maxPackages {
					stop = fmt.Errorf("%w of %d packages", rootfs.ErrTooLarge, maxPackages)
					return false
				}
				result.Packages++
				each(p)
				return true
			}
		}
		if errors.Is(err, errBudget) {
			stop = err
			return false
		}
		result.Damaged++
		if len(result.Faults) < maxFaults {
			result.Faults = append(result.Faults, r.fault(err))
		}
		if result.Damaged == maxDamaged {
			stop = fmt.Errorf("%d records are damaged: the rest was not read", maxDamaged)
		}
		return stop == nil
	})
	if stop != nil {
		err = stop
	}
	return result, err
}

// fault says where a record is damaged.
func (r record) fault(err error) error {
	if r.kind == "" {
		return err
	}
	place := fmt.Sprintf("%s %d", r.kind, r.at)
	if r.part > 0 {
		place += fmt.Sprintf(", record %d", r.part)
	}
	return fmt.Errorf("%s: %w", place, err)
}

// readFull fills buf from an offset.
func readFull(r io.ReaderAt, buf []byte, at int64) error {
	n, err := r.ReadAt(buf, at)
	switch {
	case n == len(buf):
		return nil
	case err == nil, errors.Is(err, io.EOF):
		return fmt.Errorf("%w: expected %d bytes at byte %d, found %d", rootfs.ErrCut, len(buf), at, n)
	}
	return err
}
