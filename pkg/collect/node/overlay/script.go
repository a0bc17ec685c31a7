package overlay

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// maxScripts bounds the files that are looked up for one process.
const maxScripts = 8

// pathMax is the kernel's PATH_MAX.
const pathMax = 4096

var (
	errUntouchable = errors.New("on a mount that is not read")
	errNoRoot      = errors.New("the container's root is not open")
)

// containerRoot opens the merged view.
func (c *Container) containerRoot() (*rootfs.Root, error) {
	if c.root == nil && c.rootErr == nil {
		if c.Root == nil {
			c.rootErr = errNoRoot
		} else {
			c.root, c.rootErr = c.Root()
		}
	}
	return c.root, c.rootErr
}

// see looks at a path as the container sees it. No component of it may be a
// link, because then its mount is unknown before looking.
func (c *Container) see(p string) (rootfs.Info, *procfs.MountInfo, error) {
	m := mountAt(c.Mounts, p)
	if m == nil || !c.touchable(m) {
		return rootfs.Info{}, m, errUntouchable
	}
	root, err := c.containerRoot()
	if err != nil {
		return rootfs.Info{}, m, err
	}
	info, err := root.Lstat(p)
	if err == nil && info.HasMountID && info.MountID != m.ID {
		return info, m, errUntouchable
	}
	return info, m, err
}

// touchable reports whether this machine itself answers a lookup in a mount of
// the container. For an overlay this is true if it is true for its layers.
func (c *Container) touchable(m *procfs.MountInfo) bool {
	if m.FSType != "overlay" {
		return localFS[m.FSType]
	}
	l, problem := c.open()
	if problem != nil || !sameDevice(m, l.mount) {
		return false
	}
	problem = l.openLowers(c.UserNS)
	return problem == nil || problem.reason != fact.Unsupported
}

// resolve follows a path as the container's kernel would, and asks before each
// step whether the mount it leads to may be touched.
func (c *Container) resolve(cwd, name string) (string, rootfs.Info, *procfs.MountInfo, error) {
	if !path.IsAbs(name) {
		if !path.IsAbs(cwd) {
			return "", rootfs.Info{}, nil, fs.ErrNotExist
		}
		name = join(cwd, name)
	}
	at, links := "/", 0
	info, m, err := c.see(at)
	if err != nil {
		return "", info, m, err
	}
	for rest := name; rest != ""; {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		switch part {
		case "", ".":
			continue
		case "..":
			at = path.Dir(at)
			continue
		}
		next := join(at, part)
		if info, m, err = c.see(next); err != nil {
			return "", info, m, err
		}
		if info.Mode.Type() != fs.ModeSymlink {
			at = next
			continue
		}
		if links++; links > 40 || len(rest) > pathMax {
			return "", info, m, rootfs.ErrLoop
		}
		text, err := c.root.Readlink(next)
		if err != nil {
			return "", info, m, err
		}
		if path.IsAbs(text) {
			at = "/"
		}
		rest = text + "/" + rest
	}
	info, m, err = c.see(at)
	return at, info, m, err
}

// scripts finds the scripts that an interpreter runs from outside the image:
// files in upper or on a writable mount. A process can forge its cmdline, so
// finding no script proves nothing.
func (c *Container) scripts(ctx context.Context, p *Process, exe string) []fact.Executable {
	lang := interpreterOf(exe)
	if lang == nil || p.Mounts != nil {
		return nil
	}
	var names []string
	if p.Cmdline != nil {
		if argv, err := p.Cmdline(); err == nil {
			names = lang.files(argv)
		}
	}
	if lang.scriptFD > 0 && p.FDLink != nil {
		if text, err := p.FDLink(lang.scriptFD); err == nil && path.IsAbs(text) {
			names = append(names, text)
		}
	}
	if len(names) == 0 {
		return nil
	}
	cwd := ""
	if p.Cwd != nil {
		cwd, _ = p.Cwd()
	}
	var found []fact.Executable
	seen := map[string]bool{}
	for i, name := range names {
		if i == maxScripts || ctx.Err() != nil {
			break
		}
		at, info, m, err := c.resolve(cwd, name)
		if err != nil || !info.Mode.IsRegular() || seen[at] {
			continue
		}
		seen[at] = true
		if s := c.judgeScript(ctx, p, at, info, m); s != nil {
			found = append(found, *s)
		}
	}
	return found
}

// judgeScript answers for one file; nil if it is the image's, or on a mount
// that nobody in the container can write.
func (c *Container) judgeScript(ctx context.Context, p *Process, at string, info rootfs.Info, m *procfs.MountInfo) *fact.Executable {
	s := &fact.Executable{
		Path: rootfs.Text(at), Script: true, FSType: m.FSType, Mount: rootfs.Text(m.Point),
		Size: info.Size, Changed: fact.NewTime(info.Ctime),
	}
	if m.FSType == "overlay" { // the root: see touches no other
		l, problem := c.open()
		if problem != nil {
			return nil
		}
		rel := strings.TrimPrefix(join(m.Root, below(m.Point, at)), "/")
		up, err := l.inUpper(rel)
		if err != nil || up.kind != regular {
			return nil
		}
		defer up.close()
		s.HostPath = rootfs.Text(join(l.upperPath, rel))
		s.Origin, s.Detail, _ = c.classify(ctx, l, &up, rel)
		if s.Origin != fact.OriginMetadata {
			s.SHA256, _ = c.comparer.sum(ctx, up.file, &up.st)
		}
		s.Stale = stale(s.Origin, info.Ctime, p.Started)
		return s
	}
	if m.ReadOnly() || m.Pseudo() {
		return nil
	}
	s.Origin = fact.OriginVolume
	s.Volume = VolumeOf(*m, c.Node.Mounts)
	s.HostPath = rootfs.Text(nodePath(m, at, c.Node.Mounts))
	s.Stale = stale(s.Origin, info.Ctime, p.Started)
	return s
}
