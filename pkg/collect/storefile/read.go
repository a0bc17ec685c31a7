package storefile

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/etcd"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/kine"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/crash"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

const (
	// Stdin is the path that means standard input.
	Stdin = "-"
	// stdinName is what it is called in facts and errors.
	stdinName = "standard input"

	expected = "expected an etcd snapshot, a database of etcd or k3s, or a data directory"
)

// Options say what Read reads besides the path.
type Options struct {
	// Stdin is what the path "-" means.
	Stdin io.Reader

	limit int64 // of memory; 0 means memoryLimit
}

// Read reads a store that a user names:
//   - what etcdctl snapshot save wrote: a bbolt file followed by its SHA-256;
//   - a bare bbolt file, such as member/snap/db;
//   - an SQLite file of kine, with the write-ahead log beside it;
//   - each of them compressed with gzip or zstd;
//   - "-", standard input, with any of them;
//   - a directory: etcd's data directory, its member or snap directory, or the data
//     directory of k3s or RKE2, its server or server/db directory.
//
// A file is opened for reading only, and one that changes meanwhile is read as that of
// a running store. What is compressed or piped is kept in memory (see MaxMemory).
//
// Errors name the path, what was expected and what was found, and never quote a file.
// Damage is a gap, and then nothing that may be changed by it counts. When ctx ends,
// Read returns its error at once, even if a file or pipe does not answer.
func Read(ctx context.Context, path string, opts Options) (*fact.EtcdDB, []fact.Gap, error) {
	type result struct {
		db   *fact.EtcdDB
		gaps []fact.Gap
		err  error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			if v := recover(); v != nil {
				r = result{err: fmt.Errorf("reading %s: a bug in this program: %s", path, crash.Describe(v))}
			}
			done <- r
		}()
		r.db, r.gaps, r.err = read(ctx, path, opts)
	}()
	select {
	case r := <-done:
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		return r.db, r.gaps, r.err
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// store is one file while it is read.
type store struct {
	ctx   context.Context
	path  string // in facts and errors
	limit int64
	// packed says what it was unpacked from.
	packed Kind
	damage *fact.Gap
	// file is the file on disk, nil for what lies in memory.
	file *os.File
	at   found
}

func read(ctx context.Context, path string, opts Options) (*fact.EtcdDB, []fact.Gap, error) {
	s := &store{ctx: ctx, path: path, limit: opts.limit}
	if s.limit == 0 {
		s.limit = memoryLimit()
	}
	if path == Stdin {
		s.path = stdinName
		return s.stream(opts.Stdin)
	}
	var err error
	if s.at, err = find(path); err != nil {
		return nil, nil, err
	}
	s.path = s.at.file
	if s.file, err = open(s.path); err != nil {
		return nil, nil, err
	}
	defer s.file.Close() //nolint:errcheck // only read
	return s.judge(openFile{s.file})
}

// stream reads what comes through a pipe.
func (s *store) stream(r io.Reader) (*fact.EtcdDB, []fact.Gap, error) {
	switch f := r.(type) {
	case nil:
		r = bytes.NewReader(nil)
	case *os.File:
		if info, err := f.Stat(); err == nil && info.Mode()&fs.ModeCharDevice != 0 {
			return nil, nil, s.fail("%s, found a terminal or another device: use a pipe or < FILE", expected)
		}
	}
	in := bufio.NewReaderSize(withContext{s.ctx, r}, max(64<<10, LeadSize))
	lead, err := in.Peek(LeadSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, s.fail("%w", cause(err))
	}
	if kind := Recognise(lead); kind.Compressed() {
		return s.unpack(kind, in)
	} else if err := s.refuse(kind); err != nil {
		return nil, nil, err
	}
	m, err := load(in, s.limit)
	if err != nil {
		return nil, nil, s.fail("%w", cause(err))
	}
	return s.judge(m)
}

// unpack reads a compressed stream into memory and judges what was in it. What ends
// early or is damaged is read as far as it goes.
func (s *store) unpack(kind Kind, r io.Reader) (*fact.EtcdDB, []fact.Gap, error) {
	if s.packed != Unknown {
		return nil, nil, s.fail("%s, found %s inside %s: unpack it first", expected, kind, s.packed)
	}
	s.packed = kind
	unpacked, done, err := Unpack(kind, withContext{s.ctx, r}, MaxWindow)
	defer done()
	var m *memory
	if err == nil {
		m, err = load(unpacked, s.limit)
	}
	switch {
	case s.ctx.Err() != nil:
		return nil, nil, s.ctx.Err()
	case err == nil:
	case m == nil || m.size == 0 || !errors.Is(err, errCut) && !errors.Is(err, errDamaged):
		return nil, nil, s.fail("unpacking %s: %w", kind, cause(err))
	default:
		s.damage = &fact.Gap{Reason: rootfs.ReasonOf(err), Detail: fmt.Sprintf("%s: %v after %d unpacked bytes", kind, err, m.size)}
	}
	return s.judge(m)
}

// judge reads a file of any kind.
func (s *store) judge(src etcd.Source) (*fact.EtcdDB, []fact.Gap, error) {
	lead := make([]byte, LeadSize)
	n, err := src.ReadAt(lead, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, s.fail("%w", cause(err))
	}
	kind := Recognise(lead[:n])
	if err := s.refuse(kind); err != nil {
		return nil, nil, err
	}
	switch {
	case kind.Compressed():
		return s.unpack(kind, io.NewSectionReader(src, 0, 1<<62))
	case kind == SQLite:
		return s.kine(src)
	}
	return s.etcd(src)
}

// refuse is the error for a file of another kind, nil for one that can be a store's.
func (s *store) refuse(kind Kind) error {
	switch kind {
	case Unknown, BBolt, SQLite, Gzip, Zstd:
		return nil
	}
	text := kind.String()
	if s.packed != Unknown {
		text += " inside " + s.packed.String()
	}
	if kind.Archive() {
		text += ": unpack it first"
	}
	if kind == Empty && s.path == stdinName && s.packed == Unknown {
		text = "nothing"
	}
	return s.fail("%s, found %s", expected, text)
}

func (s *store) fail(format string, args ...any) error {
	return fmt.Errorf("reading %s: %w", s.path, fmt.Errorf(format, args...))
}

// harm notes what is wrong with the file as a whole. The first that was noticed counts.
func (s *store) harm(reason fact.Reason, format string, args ...any) {
	if s.damage == nil {
		s.damage = &fact.Gap{Reason: reason, Detail: fmt.Sprintf(format, args...)}
	}
}

// etcd reads a bbolt file.
func (s *store) etcd(src etcd.Source) (*fact.EtcdDB, []fact.Gap, error) {
	whole, err := src.Size()
	if err != nil {
		return nil, nil, s.fail("%w", cause(err))
	}
	known := &etcd.Known{}
	opts := etcd.Options{Path: s.path, Snapshot: true, Residue: true, Known: known}
	var verified func() *fact.Gap // nil where no checksum is there: then no damage is no proof
	switch whole % 512 {
	case 0: // whole pages: a bare file
	case sha256.Size:
		size := whole - sha256.Size
		sum := io.NewSectionReader(src, size, sha256.Size)
		src = part{io.NewSectionReader(src, 0, size)}
		if extent := etcd.Extent(src); extent > 0 && extent != size {
			// etcdctl writes exactly the pages in use. So a sparse file of a terabyte
			// need not be read.
			s.harm(fact.Corrupt, "expected a snapshot of %d bytes, as its meta page says, and its SHA-256, found %d bytes: it was changed or cut short", extent, whole)
			break
		}
		// Hashing takes as long as reading, so both are done at once.
		verify, stop := verifying(s.ctx, src, size, sum)
		defer stop()
		opts.Summed = true
		verified = func() *fact.Gap {
			switch err := verify(); {
			case errors.Is(err, errSum):
				s.harm(fact.Corrupt, "%v", err)
			case err != nil:
				s.harm(rootfs.ReasonOf(err), "its SHA-256 was not checked: %s", rootfs.ErrorText(cause(err)))
			}
			return s.damage
		}
	default:
		s.harm(fact.Truncated, "expected whole pages, or a snapshot with 32 bytes of SHA-256 after them, found %d bytes: cut short", whole)
	}
	if opts.Verify = verified; verified == nil && s.damage != nil {
		opts.Verify = func() *fact.Gap { return s.damage }
	}
	db, gaps, err := etcd.Read(s.ctx, src, opts)
	if err != nil && s.packed != Unknown {
		err = fmt.Errorf("%w, inside %s", err, s.packed)
	}
	if db != nil && whole%512 == sha256.Size {
		db.Size = whole
	}
	if db != nil {
		db.Remains = append(db.Remains, s.beside(db.Prefix, known)...)
	}
	return db, gaps, err
}

// beside searches what lies beside the database of a directory that was named: etcd's log
// and its files of snapshots, and the database that k3s had before it moved to etcd.
func (s *store) beside(prefix string, known *etcd.Known) []fact.Remains {
	var all []fact.Remains
	if s.at.member != "" {
		if root, err := os.OpenRoot(s.at.member); err != nil {
			all = append(all, fact.Remains{Place: fact.InLog, Path: s.at.member, Reason: rootfs.ReasonOf(err), Detail: rootfs.ErrorText(cause(err))})
		} else {
			all = etcd.ReadMemberRemains(s.ctx, etcd.UserDir(root), etcd.RemainsOptions{Path: s.at.member, Prefix: prefix, Known: known})
			root.Close() //nolint:errcheck // only read
			if !slices.ContainsFunc(all, func(r fact.Remains) bool { return r.Place == fact.InLog }) {
				all = append(all, fact.Remains{Place: fact.InLog, Path: s.at.member, Reason: fact.NotPresent, Detail: "the directory holds no log (wal)"})
			}
		}
	}
	if s.at.old != "" {
		old := fact.Remains{Place: fact.InOldStore, Path: s.at.old}
		f, err := open(s.at.old)
		if err == nil {
			old, err = kine.ReadOld(s.ctx, kineFiles(openFile{f}, s.at.old), kine.Options{Path: s.at.old, Snapshot: true, Prefix: prefix})
			f.Close() //nolint:errcheck // only read
		}
		if err != nil {
			old.Complete, old.Reason, old.Detail = false, rootfs.ReasonOf(err), rootfs.ErrorText(cause(err))
		}
		all = append(all, old)
	}
	return all
}

// errSum is what a changed snapshot is.
var errSum = errors.New("the SHA-256 at its end does not match: the snapshot was changed or cut short")

// verifying begins to compare the SHA-256 of the first bytes of a file with the one that
// follows them. verify waits for the result; stop ends it.
func verifying(ctx context.Context, src io.ReaderAt, size int64, sum io.Reader) (verify func() error, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	var result error
	go func() {
		defer close(done)
		var stored [sha256.Size]byte
		if _, result = io.ReadFull(sum, stored[:]); result != nil {
			return
		}
		h := sha256.New()
		buf := make([]byte, 1<<20)
		if _, result = io.CopyBuffer(onlyWriter{h}, withContext{ctx, onlyReader{io.NewSectionReader(src, 0, size)}}, buf); result == nil && !bytes.Equal(h.Sum(nil), stored[:]) {
			result = errSum
		}
	}()
	return func() error { <-done; return result }, func() { cancel(); <-done }
}

// onlyReader and onlyWriter hide what would make io.CopyBuffer ignore its buffer.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)

// kine reads an SQLite file, with the log beside it if it is a file on disk.
func (s *store) kine(src etcd.Source) (*fact.EtcdDB, []fact.Gap, error) {
	files := kine.Given(src, nil)
	if s.file != nil && s.packed == Unknown {
		files = kineFiles(src, s.path)
	}
	db, gaps, err := kine.Read(s.ctx, files, kine.Options{Path: s.path, Snapshot: true, Residue: true})
	if err != nil && s.packed != Unknown {
		err = fmt.Errorf("%w, inside %s", err, s.packed)
	}
	if db != nil && s.damage != nil {
		// SQLite has no checksum that would show what the damage has changed.
		db.Complete = false
		for i := range db.Secrets {
			lost(&db.Secrets[i])
		}
		gaps = append(gaps, fact.Gap{
			What: fact.Etcd, Subject: fact.Subject{Kind: fact.SubjectFile, Name: s.path},
			Reason: s.damage.Reason, Detail: s.path + ": " + s.damage.Detail,
		})
	}
	return db, gaps, err
}

// lost says that a newer revision of a Secret may not have been read.
func lost(s *fact.StoredSecret) {
	if s.LastSeen == "" {
		s.LastSeen = s.Class
	}
	s.Class, s.Provider, s.KeyGuessed = fact.ClassUnknown, "", false
}

// kineFiles are a database's file and those beside it.
func kineFiles(main kine.Source, path string) kine.Files {
	var seen []os.FileInfo
	id := func(info os.FileInfo) string {
		for i, s := range seen {
			if os.SameFile(s, info) {
				return strconv.Itoa(i)
			}
		}
		seen = append(seen, info)
		return strconv.Itoa(len(seen) - 1)
	}
	return kine.Files{
		Main: main,
		Log: func() (kine.Log, error) {
			f, err := open(path + "-wal")
			if errors.Is(err, fs.ErrNotExist) {
				return nil, nil
			}
			if err != nil {
				return nil, err
			}
			info, err := f.Stat()
			if err != nil {
				f.Close() //nolint:errcheck // only read
				return nil, cause(err)
			}
			return logFile{openFile{f}, id(info)}, nil
		},
		Journal: func() (bool, error) {
			f, err := open(path + "-journal")
			if errors.Is(err, fs.ErrNotExist) {
				return false, nil
			}
			if err != nil {
				return true, err
			}
			defer f.Close() //nolint:errcheck // only read
			return kine.Journal(f)
		},
	}
}

// logFile is the log beside a database.
type logFile struct {
	openFile
	id string
}

func (l logFile) ID() string { return l.id }

// openFile is a file that can grow.
type openFile struct{ *os.File }

func (f openFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, cause(err)
	}
	return info.Size(), nil
}

// part is a snapshot without its checksum.
type part struct{ *io.SectionReader }

func (p part) Size() (int64, error) { return p.SectionReader.Size(), nil }
