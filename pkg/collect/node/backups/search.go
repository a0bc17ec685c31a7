package backups

import (
	"context"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/etcd"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/overlay"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/storefile"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// places are where copies of a store usually are, as patterns of package path: those of
// etcd, kubeadm, k3s, RKE2 and OpenShift first, then where people put files.
var places = []string{
	"/var/lib/etcd*", "/var/lib/rancher/*/server/db/snapshots", "/var/lib/rancher/*/server/db/etcd-old*",
	"/etc/kubernetes/tmp", "/home/core/assets/backup", "/var/backups", "/backup*",
	"/srv", "/mnt", "/root", "/opt", "/home",
}

// The bounds of the search.
const (
	// minSize is what a file must have, bytes: a database of etcd is larger when it is new.
	minSize = 32 << 10
	// maxLevels is how many directories deep a place is searched, itself included.
	maxLevels = 6
	// maxNames is how many names are looked at in one place.
	maxNames = 20_000
	// maxFound bounds the files that can be a copy.
	maxFound = 2_000
	// maxMatches bounds the directories that a pattern stands for.
	maxMatches = 100
)

// id identifies a file or a directory, whatever path leads to it.
type id struct{ dev, ino uint64 }

func idOf(info rootfs.Info) id { return id{info.Dev, info.Ino} }

// candidate is a file that can be a copy of a store.
type candidate struct {
	path string
	kind storefile.Kind
	id   id
	dir  id
	size int64
	at   time.Time // of its last change
}

// search looks for candidates.
type search struct {
	ctx    context.Context
	root   *rootfs.Root
	mounts []procfs.MountInfo
	gap    func(reason fact.Reason, format string, args ...any)

	found   []candidate
	dirs    map[id]bool     // those that were searched
	files   map[id]bool     // those that were found
	refused map[string]bool // mounts that are a gap
	dropped int
	lead    [storefile.LeadSize]byte
}

// find searches every place. What is not searched is a gap.
func (s *search) find() {
	s.dirs, s.files, s.refused = map[id]bool{}, map[id]bool{}, map[string]bool{}
	for _, place := range places {
		for _, at := range s.expand(place) {
			if s.ctx.Err() != nil {
				return
			}
			s.place(at)
		}
	}
	if len(s.found) > maxFound {
		s.trim()
	}
	if s.dropped > 0 {
		s.gap(fact.Truncated, "%d more files can be copies of a store than the %d that are looked at, which are the newest", s.dropped, maxFound)
	}
}

// expand returns what a pattern stands for: paths of directories or files that exist.
func (s *search) expand(pattern string) []string {
	found := []string{"/"}
	for _, part := range strings.Split(strings.Trim(pattern, "/"), "/") {
		var next []string
		for _, dir := range found {
			if !strings.ContainsAny(part, "*?[") {
				next = append(next, path.Join(dir, part))
				continue
			}
			var names []string
			n := 0
			err := s.root.Each(dir, func(e rootfs.DirEntry) bool {
				n++
				if ok, _ := path.Match(part, e.Name); ok {
					names = append(names, e.Name)
				}
				return n < maxNames && len(names) < maxMatches
			})
			if err != nil {
				s.failed(dir, err)
			}
			if n == maxNames || len(names) == maxMatches {
				s.gap(fact.Truncated, "%s was not searched to its end for names like %s", rootfs.Text(dir), part)
			}
			slices.Sort(names)
			for _, name := range names {
				next = append(next, path.Join(dir, name))
			}
		}
		found = next
	}
	return found
}

// failed reports a directory or file that could not be read. What is not there is not a
// gap; nor is a mount that holds no files.
func (s *search) failed(name string, err error) {
	switch {
	case rootfs.Gone(err), errors.Is(err, rootfs.ErrNotDir), s.ctx.Err() != nil:
		return
	case errors.Is(err, rootfs.ErrGuarded):
		if m, _ := overlay.InFileSystem(s.mounts, name); m != nil {
			if !m.Pseudo() && !s.refused[m.Point] {
				s.refused[m.Point] = true
				s.gap(fact.Unsupported, "%s was not searched: it is a %q mount, which may hang", rootfs.Text(m.Point), rootfs.Text(m.FSType))
			}
			return
		}
	}
	s.gap(rootfs.ReasonOf(err), "%s was not searched: %s", rootfs.Text(name), rootfs.ErrorText(err))
}

// level is a directory to be searched.
type level struct {
	path  string
	depth int
}

// place searches one place, the directories that are less deep first. Links in the place
// itself are followed, those below it are not: what they lead to is somewhere else.
func (s *search) place(at string) {
	info, err := s.root.Stat(at)
	if err != nil {
		s.failed(at, err)
		return
	}
	if real, err := s.root.Resolve(at); err == nil {
		at = real
	}
	if info.Mode.IsRegular() {
		s.file(at, info, id{})
		return
	}
	if !info.Mode.IsDir() {
		return
	}
	names := 0
	for queue := []level{{at, 1}}; len(queue) > 0; queue = queue[1:] {
		dir := queue[0]
		info, err := s.root.Lstat(dir.path)
		if err != nil {
			s.failed(dir.path, err)
			continue
		}
		if !info.Mode.IsDir() || s.dirs[idOf(info)] {
			continue
		}
		s.dirs[idOf(info)] = true
		err = s.root.Each(dir.path, func(e rootfs.DirEntry) bool {
			if names++; names > maxNames || s.ctx.Err() != nil {
				return false
			}
			below := path.Join(dir.path, e.Name)
			switch {
			case e.IsDir() && dir.depth < maxLevels:
				queue = append(queue, level{below, dir.depth + 1})
			case e.Type.IsRegular():
				if file, err := s.root.Lstat(below); err != nil {
					s.failed(below, err)
				} else {
					s.file(below, file, idOf(info))
				}
			}
			return true
		})
		if err != nil {
			s.failed(dir.path, err)
		}
		if names > maxNames {
			s.gap(fact.Truncated, "%s was not searched to its end: more than %d names", rootfs.Text(at), maxNames)
			return
		}
		if s.ctx.Err() != nil {
			return
		}
	}
}

// file looks at the first bytes of a file.
func (s *search) file(name string, info rootfs.Info, dir id) {
	if !info.Mode.IsRegular() || info.Size < minSize || s.files[idOf(info)] {
		return
	}
	f, err := s.root.OpenNoFollow(name)
	if err != nil {
		if !errors.Is(err, rootfs.ErrNotRegular) {
			s.failed(name, err)
		}
		return
	}
	defer func() { _ = f.Close() }()
	n, err := f.ReadAt(s.lead[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		s.failed(name, err)
		return
	}
	if info, err = f.Stat(); err != nil {
		s.failed(name, err)
		return
	}
	kind := storefile.Recognise(s.lead[:n])
	switch kind {
	case storefile.BBolt, storefile.SQLite, storefile.Age, storefile.OpenPGP, storefile.Tar, storefile.Zip:
	case storefile.Unknown:
		// Its first page may be damaged. Only whole pages are worth a look.
		if rest := info.Size % 512; rest != 0 && rest != 32 || !etcd.IsDatabase(f) {
			return
		}
		kind = storefile.BBolt
	default:
		if name, _ := compression(kind); name == "" {
			return
		}
	}
	s.files[idOf(info)] = true
	s.found = append(s.found, candidate{path: name, kind: kind, id: idOf(info), dir: dir, size: info.Size, at: info.Mtime})
	if len(s.found) > 2*maxFound {
		s.trim()
	}
}

// trim keeps the newest.
func (s *search) trim() {
	sorted.Func(s.found, newestFirst)
	s.dropped += len(s.found) - maxFound
	clear(s.found[maxFound:])
	s.found = s.found[:maxFound]
}

func newestFirst(a, b candidate) int {
	if c := b.at.Compare(a.at); c != 0 {
		return c
	}
	return strings.Compare(a.path, b.path)
}
