// Package access says who can get at a file: not by its mode alone, but by every
// directory that leads to it. A file of mode 0644 in a directory of mode 0700 is readable
// by the directory's owner only; one of mode 0600 in a directory that somebody else can
// write can be replaced.
//
// It looks at modes and owners, and at whether there is an ACL. Capabilities, LSMs and
// read-only mounts are left out: they come and go without a trace in the file system.
package access

import (
	"context"
	"errors"
	"io/fs"
	"path"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Of says who can get at the file or directory that name leads to, links followed. The
// path is judged from root on, which must be the one that the node's users have.
func Of(root *rootfs.Root, name string) (fact.FileAccess, error) {
	chain, err := chainOf(root, name)
	if err != nil {
		return fact.FileAccess{}, err
	}
	acl, err := root.HasACL(name)
	if err != nil {
		return fact.FileAccess{}, err
	}
	return chain.judge(name, acl), nil
}

// chain is a path to a file.
type chain struct {
	links []link
	file  rootfs.Info
}

// link is one lookup: a name in a directory.
type link struct {
	path  string // the directory's
	dir   rootfs.Info
	acl   bool        // of the directory
	entry rootfs.Info // what the name was
}

// chainOf resolves a path. It lists the directories in the order of the lookups, those of
// symbolic links too.
func chainOf(root *rootfs.Root, name string) (chain, error) {
	steps, err := root.Trace(name)
	if err != nil {
		return chain{}, err
	}
	dirs, acls := map[string]rootfs.Info{}, map[string]bool{}
	c := chain{file: steps[len(steps)-1].Info}
	for i, s := range steps {
		if s.Info.Mode.IsDir() {
			dirs[s.Path] = s.Info
		}
		if i == 0 || s.Path == "/" {
			continue
		}
		parent := path.Dir(s.Path)
		if _, seen := acls[parent]; !seen {
			if acls[parent], err = root.HasACL(parent); err != nil {
				return chain{}, err
			}
		}
		c.links = append(c.links, link{path: parent, dir: dirs[parent], acl: acls[parent], entry: s.Info})
	}
	return c, nil
}

// judge says what the chain means for the file at its end.
//
// Members of the file's group pass a directory by the bits that the kernel would take for
// them: the group's if it is the directory's group too, else the others'. They may be in
// the directory's group besides, or own it, so those bits count too unless they are
// root's. "Others" are all that are neither the file's owner nor in its group, so where a
// directory has the file's group, its group bits are not theirs. Nobody but root counts
// as able to do everything.
func (c *chain) judge(name string, acl bool) fact.FileAccess {
	owner := c.file.Owner()
	f := fact.FileAccess{
		Path: rootfs.Text(name), Dir: c.file.Mode.IsDir(), Mode: owner.Mode, Owner: owner.UID, Group: owner.GID, ACL: acl,
		GroupReaches: true, OthersReach: true,
	}
	foreign := func(uid uint32) bool { return uid != 0 && uid != c.file.UID }
	for _, l := range c.links {
		mode, owned := l.dir.Mode.Perm(), foreign(l.dir.UID)
		if f.WritableParent == "" && (f.GroupReaches || f.OthersReach) {
			sticky := l.dir.Mode&fs.ModeSticky != 0 && !foreign(l.entry.UID)
			byBits := mode&0o030 == 0o030 || mode&0o003 == 0o003
			if owned || byBits && !sticky {
				f.WritableParent = rootfs.Text(l.path)
			}
		}
		group, others, user := mode&0o010 != 0, mode&0o001 != 0, owned && mode&0o100 != 0
		same := l.dir.GID == c.file.GID
		// Under an ACL the group bits are the mask: the most that any user or group
		// which it names can have.
		f.GroupReaches = f.GroupReaches && (group || user || others && !same)
		f.OthersReach = f.OthersReach && (others || user || group && (!same || l.acl))
	}
	if acl { // its group bits are the mask, and anybody may be named in it
		f.GroupReaches = f.GroupReaches || f.OthersReach
	}
	return f
}

// Open reports whether group or others can read or write the file, as far as its mode and
// its path say.
func Open(f *fact.FileAccess) bool {
	return f.GroupReaches && f.Mode&0o060 != 0 || f.OthersReach && f.Mode&0o006 != 0
}

// Bounds of Below.
const (
	maxEntries = 20_000
	maxDepth   = 12
)

// ErrBound is wrapped where a directory holds more than is looked at.
var ErrBound = rootfs.NewError(fact.Truncated, "more than 20,000 files, or more than 12 levels of directories")

// Below says who can get at a directory and at the regular files below it. With an error,
// what it returns is incomplete. Links are not followed; what they lead to is somewhere
// else. UID is left to the caller.
func Below(ctx context.Context, root *rootfs.Root, name string) (fact.StoreFiles, error) {
	c, err := chainOf(root, name)
	if err != nil {
		return fact.StoreFiles{}, err
	}
	acl, err := root.HasACL(name)
	if err != nil {
		return fact.StoreFiles{}, err
	}
	w := walk{ctx: ctx, files: fact.StoreFiles{Dir: c.judge(name, acl)}}
	if !c.file.Mode.IsDir() {
		return w.files, &fs.PathError{Op: "readdir", Path: rootfs.Text(name), Err: rootfs.ErrNotDir}
	}
	sub, err := root.Sub(name)
	if err != nil {
		return w.files, err
	}
	defer func() { _ = sub.Close() }()
	w.top, w.name = sub, name
	err = w.dir("", c.links, c.file, acl, 0)
	return w.files, err
}

// walk goes through a tree.
type walk struct {
	ctx   context.Context
	top   *rootfs.Root
	name  string // of top
	files fact.StoreFiles
	count int
}

// dir reads one directory, given by its path below top.
func (w *walk) dir(at string, links []link, info rootfs.Info, acl bool, depth int) error {
	if depth > maxDepth {
		return ErrBound
	}
	entries, err := w.top.ReadDir("/" + at)
	if err != nil {
		return err
	}
	var first error
	keep := func(err error) {
		// What has gone meanwhile is no longer there for anybody.
		if err != nil && first == nil && !errors.Is(err, fs.ErrNotExist) {
			first = err
		}
	}
	for _, e := range entries {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if w.count++; w.count > maxEntries {
			return ErrBound
		}
		if !e.Type.IsDir() && !e.Type.IsRegular() {
			continue
		}
		below := path.Join(at, e.Name)
		entry, err := w.top.Lstat(below)
		if err != nil {
			keep(err)
			continue
		}
		if !entry.Mode.IsDir() && !entry.Mode.IsRegular() {
			continue
		}
		hasACL, err := w.top.HasACL(below)
		if err != nil {
			keep(err)
			continue
		}
		c := chain{file: entry, links: append(links[:len(links):len(links)], link{path: path.Join(w.name, at), dir: info, acl: acl, entry: entry})}
		if entry.Mode.IsDir() {
			err := w.dir(below, c.links, entry, hasACL, depth+1)
			if errors.Is(err, ErrBound) || w.ctx.Err() != nil {
				return err
			}
			keep(err)
			continue
		}
		w.files.Files++
		f := c.judge(path.Join(w.name, below), hasACL)
		if !Open(&f) {
			continue
		}
		if w.files.OpenTotal++; len(w.files.Open) < fact.MaxOpenFiles {
			w.files.Open = append(w.files.Open, f)
		}
	}
	return first
}
