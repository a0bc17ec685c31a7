package backups

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/etcd"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/kine"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/storefile"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// readings reads candidates.
type readings struct {
	ctx  context.Context
	root *rootfs.Root
	live live
	gap  func(reason fact.Reason, format string, args ...any)
	left int64 // bytes that may still be read

	count   int
	unread  int // archives that were not read to their end, and the first of them
	first   string
	reason  fact.Reason
	because string
}

// read reads the candidates: first the databases, then what only can hold one, the
// newest first.
func (r *readings) read(found []candidate, add func(fact.Backup)) {
	sorted.Func(found, func(a, b candidate) int {
		if x, y := database(a.kind), database(b.kind); x != y {
			if x {
				return -1
			}
			return 1
		}
		return newestFirst(a, b)
	})
	for _, c := range found {
		r.guarded(c.path, func() {
			b := r.one(c)
			if b == nil {
				return
			}
			if r.count++; r.count <= fact.MaxBackups {
				add(*b)
			}
		})
	}
	if r.count > fact.MaxBackups {
		r.gap(fact.Truncated, "%d files look like copies of a store, of which %d are listed", r.count, fact.MaxBackups)
	}
	if r.unread > 0 {
		r.gap(r.reason, "%d archives and compressed files were not read to their end, so that a copy of a store can be in them (first: %s: %s)", r.unread, r.first, r.because)
	}
}

// database reports whether files of this kind are read as a database.
func database(kind storefile.Kind) bool { return kind == storefile.BBolt || kind == storefile.SQLite }

// one reads a candidate. It returns nil for one that is not a copy of a store.
func (r *readings) one(c candidate) *fact.Backup {
	if database(c.kind) && r.live.of(r.root, c) {
		return nil
	}
	f, err := r.root.OpenNoFollow(c.path)
	if err != nil {
		if !rootfs.Gone(err) && !errors.Is(err, rootfs.ErrNotRegular) {
			r.gap(rootfs.ReasonOf(err), "%s was not read: %s", rootfs.Text(c.path), rootfs.ErrorText(err))
		}
		return nil
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil || idOf(info) != c.id {
		return nil // another file has taken its place
	}
	b := &fact.Backup{Path: rootfs.Text(c.path), Size: info.Size, Modified: fact.NewTime(info.Mtime)}
	switch c.kind {
	case storefile.BBolt:
		b = r.etcd(b, f, c.path)
	case storefile.SQLite:
		b = r.kine(b, f, c.path)
	case storefile.Age:
		b.Format, b.Encrypted = "unknown", "age"
	case storefile.OpenPGP:
		b.Format, b.Encrypted = "unknown", "OpenPGP"
	default:
		b = r.stream(b, f)
	}
	if b != nil {
		b.Access = r.accessOf(c.path)
	}
	return b
}

// take takes bytes from what may still be read. It reports false, and says so in the
// fact, if there are not so many.
func (r *readings) take(b *fact.Backup, size int64) bool {
	switch err := r.ctx.Err(); {
	case err != nil:
		b.Reason, b.Detail = rootfs.ReasonOf(err), "not read: there was no time left"
		return false
	case size > r.left:
		b.Reason, b.Detail = fact.Truncated, fmt.Sprintf("not read: the newer ones have used up the %d MiB that are read on a node", maxBytes>>20)
		return false
	}
	r.left -= size
	return true
}

// file is a file as package etcd reads it.
type file struct{ *rootfs.File }

func (f file) Size() (int64, error) {
	info, err := f.Stat()
	return info.Size, err
}

// part is a snapshot without its checksum.
type part struct{ *io.SectionReader }

func (p part) Size() (int64, error) { return p.SectionReader.Size(), nil }

// etcd reads a bbolt file, with the files beside it if it is that of a member directory.
// It returns nil for one of another program.
func (r *readings) etcd(b *fact.Backup, f *rootfs.File, name string) *fact.Backup {
	b.Format = "etcd database"
	src := etcd.Source(file{f})
	size := b.Size
	if size%512 == sha256.Size {
		b.Format = "etcd snapshot"
		size -= sha256.Size
		src = part{io.NewSectionReader(f, 0, size)}
	}
	// A sparse file can be larger than what is in it.
	beyond := false
	if extent := etcd.Extent(src); extent > 0 && size > extent+maxTail {
		size, beyond = extent+maxTail, true
		src = part{io.NewSectionReader(f, 0, size)}
	}
	if !r.take(b, size) {
		return b
	}
	known := &etcd.Known{}
	db, gaps, err := etcd.Read(r.ctx, src, etcd.Options{Path: b.Path, Snapshot: true, Residue: true, Known: known})
	if err != nil {
		return r.raw(b, f, size)
	}
	if member, ok := strings.CutSuffix(name, "/snap/db"); ok && r.left > 0 {
		if root, err := r.root.Sub(member); err == nil {
			remains := etcd.ReadMemberRemains(r.ctx, etcd.NodeDir(root), etcd.RemainsOptions{Path: rootfs.Text(member), Prefix: db.Prefix, Known: known})
			for _, at := range remains {
				r.left -= at.Scanned
			}
			db.Remains = append(db.Remains, remains...)
			_ = root.Close()
		}
	}
	result(b, db, gaps)
	if beyond {
		incomplete(b, fact.Truncated, fmt.Sprintf("only the first %d bytes were read", size))
	}
	return b
}

// maxTail is how much is read behind the last page of a bbolt file, which grows by 16 MiB.
const maxTail = 64 << 20

// kine reads an SQLite file, with the log and the journal beside it. It returns nil for
// one of another program.
func (r *readings) kine(b *fact.Backup, f *rootfs.File, path string) *fact.Backup {
	b.Format = "kine database"
	lead := make([]byte, peekSize)
	if n, _ := f.ReadAt(lead, 0); !isKine(lead[:n]) {
		return nil
	}
	if !r.take(b, b.Size) {
		return b
	}
	old, err := kine.ReadOld(r.ctx, kine.InRoot(r.root, path, f), kine.Options{Path: b.Path, Snapshot: true})
	if err != nil {
		return r.raw(b, f, b.Size)
	}
	b.Complete, b.Reason, b.Detail = old.Complete, old.Reason, old.Detail
	b.Values, b.Unnamed, b.Secrets, b.SecretsTotal = old.Values, old.Unnamed, old.Secrets, old.SecretsTotal
	return b
}

// raw searches a file that could not be read as a database. It returns nil if nothing is
// in it: most such files are another program's.
func (r *readings) raw(b *fact.Backup, f *rootfs.File, size int64) *fact.Backup {
	found, _, err := etcd.SearchCopy(r.ctx, part{io.NewSectionReader(f, 0, size)}, "")
	if found.Values == 0 {
		return nil
	}
	b.Values, b.Unnamed, b.Secrets, b.SecretsTotal = found.Values, found.Unnamed, found.Secrets, found.SecretsTotal
	if err != nil {
		incomplete(b, rootfs.ReasonOf(err), rootfs.ErrorText(err))
	}
	incomplete(b, fact.Corrupt, "it could not be read as a database, and was only searched")
	return b
}

// stream searches an archive or a compressed file. It returns nil if no store and no
// Secret is in it.
func (r *readings) stream(b *fact.Backup, f *rootfs.File) *fact.Backup {
	s := &stream{ctx: r.ctx, finder: stored.NewFinder(""), left: &r.left}
	err := s.read(counted{s, io.NewSectionReader(f, 0, b.Size)}, 0)
	found := s.finder.Found()
	b.Format, b.Compression = s.format, s.packed
	if b.Format == "" {
		b.Format = "unknown"
	}
	b.Values, b.Unnamed, b.Secrets, b.SecretsTotal = found.Values, found.Unnamed, found.Secrets, found.SecretsTotal
	why := err
	if why == nil {
		why = s.inexact
	}
	if why == nil {
		b.Complete = s.etcd > 0
	} else {
		b.Reason, b.Detail = rootfs.ReasonOf(why), rootfs.ErrorText(why)
	}
	if s.etcd+s.kine+b.Values > 0 {
		return b
	}
	if err != nil || s.hidden != nil {
		if why = err; why == nil {
			why = s.hidden
		}
		b.Reason, b.Detail = rootfs.ReasonOf(why), rootfs.ErrorText(why)
		if r.unread++; r.unread == 1 {
			r.first, r.reason, r.because = b.Path, b.Reason, b.Detail
		}
	}
	return nil
}

// result puts what was read of a database into the fact: the values that are current,
// those of older revisions, and those that lie beside the rows.
func result(b *fact.Backup, db *fact.EtcdDB, gaps []fact.Gap) {
	b.Complete = db.Complete
	for _, g := range gaps {
		incomplete(b, g.Reason, strings.TrimPrefix(g.Detail, b.Path+": "))
	}
	m := merged{}
	for _, s := range db.Secrets {
		n := int(s.Older)
		if s.Class.Plaintext() || s.LastSeen.Plaintext() {
			n++
		}
		m.add(s.Namespace, s.Name, n, max(s.Revision, s.OlderRevision))
		b.Values += n - int(s.Older)
	}
	older := 0
	if h := db.History; h != nil {
		older = h.Plaintext
		for _, s := range h.Deleted {
			m.add(s.Namespace, s.Name, s.Plaintext, s.Revision)
		}
		if !h.Complete {
			incomplete(b, fact.Truncated, "not every older revision was read")
		}
	}
	if db.History == nil || len(db.Remains) == 0 {
		incomplete(b, fact.NotRequested, "only current rows were read")
	}
	b.Values += older
	total := 0
	for _, remains := range db.Remains {
		for _, s := range remains.Secrets {
			m.add(s.Namespace, s.Name, s.Values, s.Revision)
		}
		b.Values += remains.Values
		b.Unnamed += remains.Unnamed
		total = max(total, remains.SecretsTotal)
		if !remains.Complete {
			incomplete(b, remains.Reason, remains.Detail)
		}
	}
	b.Secrets, b.SecretsTotal = m.list()
	b.SecretsTotal = max(b.SecretsTotal, total)
}

// incomplete says that there can be more values. The first reason counts.
func incomplete(b *fact.Backup, reason fact.Reason, detail string) {
	if b.Complete = false; b.Reason == "" {
		b.Reason, b.Detail = reason, detail
	}
}

// merged are Secrets by name.
type merged map[[2]string]fact.RemainingSecret

func (m merged) add(namespace, name string, values int, revision int64) {
	if values <= 0 {
		return
	}
	s := m[[2]string{namespace, name}]
	s.Namespace, s.Name = namespace, name
	s.Values += values
	s.Revision = max(s.Revision, revision)
	m[[2]string{namespace, name}] = s
}

// list returns the first of them, sorted, and how many there are.
func (m merged) list() (list []fact.RemainingSecret, total int) {
	for _, s := range m {
		list = append(list, s)
	}
	sorted.Func(list, func(a, b fact.RemainingSecret) int {
		if c := strings.Compare(a.Namespace, b.Namespace); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	total = len(list)
	return slices.Clone(list[:min(total, fact.MaxRemainingSecrets)]), total
}
