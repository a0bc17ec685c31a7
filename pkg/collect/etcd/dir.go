package etcd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/crash"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Dir is etcd's member directory, which holds the directories wal and snap.
type Dir interface {
	// Names calls do with the name of each file in a directory below ("wal",
	// "snap"; "." is the member directory itself), in any order, until it returns
	// false. Regular is false for directories, links, FIFOs and the like.
	Names(dir string, do func(name string, regular bool) bool) error
	// Open opens a regular file ("wal/NAME") for reading, and nothing else.
	Open(name string) (DirFile, error)
}

// DirFile is a file of a Dir.
type DirFile interface {
	Source
	io.Closer
}

// NodeDir is a Dir on a node: root is etcd's member directory, opened by Sub below
// the root of its process. The caller closes it.
func NodeDir(root *rootfs.Root) Dir { return nodeDir{root} }

type nodeDir struct{ root *rootfs.Root }

func (d nodeDir) Names(dir string, do func(string, bool) bool) error {
	return d.root.Each(dir, func(e rootfs.DirEntry) bool { return do(e.Name, e.Type.IsRegular()) })
}

func (d nodeDir) Open(name string) (DirFile, error) {
	f, err := d.root.OpenNoFollow(name)
	if err != nil {
		return nil, err
	}
	return nodeFile{f}, nil
}

type nodeFile struct{ *rootfs.File }

func (f nodeFile) Size() (int64, error) {
	info, err := f.Stat()
	return info.Size, err
}

// UserDir is a Dir where the command itself runs: root is the member directory. The
// caller closes it.
func UserDir(root *os.Root) Dir { return userDir{root} }

type userDir struct{ root *os.Root }

func (d userDir) Names(dir string, do func(string, bool) bool) error {
	f, err := d.root.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		entries, err := f.ReadDir(256)
		for _, e := range entries {
			if !do(e.Name(), e.Type().IsRegular()) {
				return nil
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (d userDir) Open(name string) (DirFile, error) {
	info, err := d.root.Lstat(name) // opening a FIFO would wait
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, rootfs.ErrNotRegular
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	return userFile{f}, nil
}

type userFile struct{ *os.File }

func (f userFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// RemainsOptions say how ReadMemberRemains reads.
type RemainsOptions struct {
	// Path is the member directory's name in facts: "/var/lib/etcd/member".
	Path string
	// Prefix is that of Kubernetes' keys (EtcdDB.Prefix); "" if it is not known.
	Prefix string
	// Known is what Read has put into Options.Known; nil if there is none. Without it
	// every value in plaintext counts.
	Known *Known
	// Deadline ends the reading. Zero means that only the context's deadline counts.
	Deadline time.Time
}

const (
	// maxMemberFiles bounds the files of wal and snap that are read. etcd keeps 5 of
	// each.
	maxMemberFiles = 1000
	// maxMemberNames bounds the names that are looked at.
	maxMemberNames = 20_000
	// maxSnapEntries bounds the files of snap that get an entry of their own.
	maxSnapEntries = 50
	// maxMemberFile bounds one file, bytes. etcd's quota for a database is 8 GiB at
	// most, as it recommends.
	maxMemberFile = 16 << 30
	// maxMemberBytes bounds all files of a member together, bytes.
	maxMemberBytes = 64 << 30
)

// ReadMemberRemains searches the files next to a member's database for Secrets in
// plaintext: the write-ahead log in wal, and in snap everything but db itself. These
// hold what the database no longer has: etcd removes files of the log only after
// snapshots (every 10,000 entries; 100,000 before 3.6), and keeps the last five.
//
// The result is an entry for wal (InLog), one for snap as a whole (InSnapFile), and one
// for each file of snap with a value or a fault, which the entry for snap then leaves
// out. Files called *.broken are InOldStore. A file that goes away meanwhile is no
// fault. Nothing is returned for a directory that does not exist.
//
// A panic would be a bug in this package. It costs only that file.
func ReadMemberRemains(ctx context.Context, dir Dir, opts RemainsOptions) []fact.Remains {
	m := &member{ctx: ctx, dir: dir, opts: opts, left: maxMemberBytes}
	return slices.Concat(m.wal(), m.snap(), m.renamed())
}

// renamed reads directories called wal.broken.TIME and the like.
func (m *member) renamed() []fact.Remains {
	var dirs []string
	_ = m.dir.Names(".", func(name string, regular bool) bool {
		if !regular && (strings.HasPrefix(name, "wal.") || strings.HasPrefix(name, "snap.")) {
			dirs = append(dirs, name)
		}
		return len(dirs) < maxMemberFiles && !m.expired()
	})
	slices.Sort(dirs)
	var out []fact.Remains
	for _, dir := range dirs[:min(len(dirs), maxRenamed)] {
		all := fact.Remains{Place: fact.InOldStore, Path: m.opts.Path + "/" + rootfs.Text(dir), Complete: true}
		names, exists := m.names(dir, func(string) bool { return false }, &all)
		if !exists {
			continue
		}
		var found stored.Found
		for _, name := range names {
			entry, exists := m.copied(dir+"/"+name, &found)
			if !exists {
				continue
			}
			all.Scanned += entry.Scanned
			if !entry.Complete {
				incomplete(&all, entry.Reason, oneLine(name)+": "+entry.Detail)
			}
		}
		fill(&all, found, all.Scanned)
		out = append(out, all)
	}
	if n := len(dirs) - maxRenamed; n > 0 {
		out = append(out, fact.Remains{Place: fact.InOldStore, Path: m.opts.Path, Reason: fact.Truncated, Detail: fmt.Sprintf("%d more directories wal.* and snap.*", n)})
	}
	return out
}

// maxRenamed bounds the directories that are read beside wal and snap.
const maxRenamed = 20

// member reads the files of a member directory.
type member struct {
	ctx  context.Context
	dir  Dir
	opts RemainsOptions
	left int64 // bytes
}

func (m *member) expired() bool { return passed(m.opts.Deadline) || m.ctx.Err() != nil }

// names lists the regular files of a directory, sorted. There is no entry for a
// directory that does not exist; of one that cannot be read entry says so.
func (m *member) names(dir string, skip func(string) bool, entry *fact.Remains) (names []string, exists bool) {
	odd, all := "", 0
	err := m.dir.Names(dir, func(name string, regular bool) bool {
		all++
		switch {
		case all > maxMemberNames, len(names) >= maxMemberFiles:
			incomplete(entry, fact.Truncated, fmt.Sprintf("more than %d files", len(names)))
			return false
		case skip(name):
		case !regular:
			if odd == "" || name < odd {
				odd = name
			}
		default:
			names = append(names, name)
		}
		return !m.expired()
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false
	}
	if err != nil {
		incomplete(entry, reasonOf(err), "the directory cannot be read")
	}
	if m.expired() {
		incomplete(entry, m.expiry(), "not all files were found")
	}
	if odd != "" {
		incomplete(entry, fact.Unsupported, oneLine(odd)+": not a regular file")
	}
	slices.Sort(names)
	return names, true
}

// oneLine makes a file's name part of a line.
func oneLine(name string) string { return strings.ReplaceAll(rootfs.Text(name), "\n", " ") }

// reasonOf is the reason of an error of a Dir.
func reasonOf(err error) fact.Reason {
	if errors.Is(err, fs.ErrPermission) {
		return fact.Unreadable
	}
	return rootfs.ReasonOf(err)
}

// file reads one file. Its entry is not complete if any of it was not read. Exists is
// false if it has gone away.
func (m *member) file(name string, read func(src DirFile, size int64, entry *fact.Remains)) (entry fact.Remains, exists bool) {
	entry = fact.Remains{Path: m.opts.Path + "/" + rootfs.Text(name), Complete: true}
	if m.expired() {
		incomplete(&entry, m.expiry(), "not searched")
		return entry, true
	}
	defer func() {
		if v := recover(); v != nil {
			entry = fact.Remains{Path: entry.Path, Reason: fact.Unsupported, Detail: panicked + crash.Describe(v)}
		}
	}()
	f, err := m.dir.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return entry, false
	}
	size := int64(0)
	if err == nil {
		defer func() { _ = f.Close() }()
		size, err = f.Size()
	}
	if err != nil {
		incomplete(&entry, reasonOf(err), "the file cannot be opened")
		return entry, true
	}
	if most := min(maxMemberFile, m.left); size > most {
		size = most
		defer func() {
			incomplete(&entry, fact.Truncated, fmt.Sprintf("only the first %d bytes were searched", size))
		}()
	}
	m.left -= size
	read(f, size, &entry)
	return entry, true
}

func (m *member) expiry() fact.Reason {
	if errors.Is(m.ctx.Err(), context.Canceled) {
		return fact.Interrupted
	}
	return fact.Timeout
}

// ended says why reading a file has ended early.
func (m *member) ended(into *fact.Remains, err error, at int64) {
	(&reader{ctx: m.ctx}).ended(into, err, at)
}

// snap reads the directory snap.
func (m *member) snap() []fact.Remains {
	all := fact.Remains{Place: fact.InSnapFile, Path: m.opts.Path + "/snap", Complete: true}
	names, exists := m.names("snap", func(name string) bool { return name == "db" }, &all)
	if !exists {
		return nil
	}
	var own []fact.Remains
	var rest stored.Found
	for _, name := range names {
		var found stored.Found
		entry, exists := m.copied("snap/"+name, &found)
		if !exists {
			continue
		}
		entry.Place = fact.InSnapFile
		if strings.HasSuffix(name, ".broken") {
			entry.Place = fact.InOldStore
		}
		if (entry.Values > 0 || !entry.Complete) && len(own) < maxSnapEntries {
			own = append(own, entry)
			continue
		}
		rest.Merge(found)
		all.Scanned += entry.Scanned
		if !entry.Complete {
			incomplete(&all, entry.Reason, oneLine(name)+": "+entry.Detail)
		}
	}
	fill(&all, rest, all.Scanned)
	return append([]fact.Remains{all}, own...)
}

// copied searches a file wherever a value may lie in it, and adds to into.
func (m *member) copied(name string, into *stored.Found) (entry fact.Remains, exists bool) {
	return m.file(name, func(src DirFile, size int64, entry *fact.Remains) {
		found, scanned, err := searchCopy(m.ctx, src, size, m.opts.Prefix, m.opts.Known, m.expired)
		fill(entry, found, scanned)
		if err != nil {
			m.ended(entry, err, scanned)
		}
		into.Merge(found)
	})
}

// SearchCopy searches a whole file for Secrets in plaintext, wherever in it they lie:
// in rows, free pages or behind the end. A bbolt file is read page by page, so that a
// value is named by its row; any other goes through a Finder. It returns how many bytes
// were searched. Its errors do not quote the file.
func SearchCopy(ctx context.Context, src Source, prefix string) (found stored.Found, scanned int64, err error) {
	size, err := src.Size()
	if err != nil {
		return found, 0, errors.New("its size cannot be read")
	}
	found, scanned, err = searchCopy(ctx, src, size, prefix, nil, func() bool { return ctx.Err() != nil })
	if errors.Is(err, errDeadline) {
		err = ctx.Err()
	}
	return found, scanned, err
}

func searchCopy(ctx context.Context, src io.ReaderAt, size int64, prefix string, known *Known, expired func() bool) (stored.Found, int64, error) {
	m, err := readMetas(src)
	if err != nil {
		f := known.finder(prefix)
		n, err := scanRaw(ctx, src, 0, size, f, expired)
		return f.Found(), n, err
	}
	pageSize := m.newest().pageSize
	scan := newPageScan(src, pageSize, prefix, known, expired)
	pages := size / int64(pageSize)
	err = scan.pages(0, uint64(pages))
	if rest := pages * int64(pageSize); err == nil && rest < size {
		var n int64
		n, err = scanRaw(ctx, src, rest, size, scan.finder, expired)
		scan.scanned += n
	}
	return scan.finder.Found(), scan.scanned, err
}
