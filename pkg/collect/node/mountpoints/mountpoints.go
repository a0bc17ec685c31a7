// Package mountpoints looks at what is mounted at the writable mounts of every
// container: a file or a directory, who owns it, its mode. It opens nothing for
// reading.
package mountpoints

import (
	"context"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/overlay"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/crash"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// maxMounts bounds the mounts of a container that are looked at.
const maxMounts = 512

// Reader adds File and Owner to the mounts that are published already. What it does
// not reach stays nil, so it settles no kind.
type Reader struct{}

// Kinds is Mounts.
func (Reader) Kinds() []fact.Kind { return []fact.Kind{fact.Mounts} }

// Read looks at one container after another.
func (Reader) Read(ctx context.Context, pass *reader.Pass) {
	if !pass.Full() {
		return
	}
	containers := pass.Containers
	pass.Pieces(ctx, len(containers), func(i int, buf []byte) {
		defer func() {
			if v := recover(); v != nil {
				pass.Ledger.Gap(fact.NodeGap{
					What: fact.Mounts, Container: containers[i].Key(), Reason: fact.Unsupported,
					Detail: "a bug in this program, not in the container: " + crash.Describe(v),
				})
			}
		}()
		readContainer(ctx, pass, containers[i], buf)
	})
}

// found is what is mounted somewhere.
type found struct {
	file  bool
	owner *fact.FileOwner
}

func readContainer(ctx context.Context, pass *reader.Pass, ct *proctable.Container, buf []byte) {
	p := ct.Main()
	if !p.Mounts.Read() {
		return // there is a gap
	}
	d, err := pass.Reopen(p, buf)
	if err != nil {
		return // it has ended
	}
	defer d.Close()
	root, err := d.Root()
	if err != nil {
		if !rootfs.Gone(err) {
			gap(pass, ct, "/", err)
		}
		return
	}
	defer func() { _ = root.Close() }()
	at := map[string]found{}
	for _, m := range lookable(p.Mounts.Mounts) {
		if ctx.Err() != nil {
			break
		}
		info, err := look(root, m.Point)
		switch {
		case err != nil && rootfs.Gone(err), err == rootfs.ErrNotDir, err == rootfs.ErrLoop:
			// Another mount hides it, or somebody has moved a directory.
		case err != nil:
			gap(pass, ct, m.Point, err)
		case isAt(pass.Live, m, info):
			at[rootfs.Text(m.Point)] = found{!info.Mode.IsDir(), info.Owner()}
		}
	}
	pass.Ledger.Container(ct.Key(), func(mc *fact.MeasuredContainer) {
		set := func(m *fact.Mount) {
			if f, ok := at[m.Path]; ok {
				m.File, m.Owner = &f.file, f.owner
			}
		}
		if mc.Root != nil {
			set(mc.Root)
		}
		for i := range mc.Mounts {
			set(&mc.Mounts[i])
		}
	})
}

func gap(pass *reader.Pass, ct *proctable.Container, point string, err error) {
	pass.Ledger.Gap(fact.NodeGap{
		What: fact.Mounts, Container: ct.Key(), Reason: rootfs.ReasonOf(err),
		Detail: "the owner of what is mounted at " + rootfs.Excerpt(rootfs.Text(point)) + " was not read: " + rootfs.ErrorText(err),
	})
}

// lookable returns the mounts that can be looked at without waiting for a server or
// a program: neither they nor any mount on the way to them may be of such a type.
// Of several on one point, the last is on top.
func lookable(table []procfs.MountInfo) []*procfs.MountInfo {
	top := make(map[string]*procfs.MountInfo, len(table))
	hazard := map[string]bool{}
	for i := range table {
		m := &table[i]
		top[m.Point] = m
		if !overlay.Local(m.FSType) && !m.Pseudo() {
			hazard[m.Point] = true
		}
	}
	var out []*procfs.MountInfo
	for i := range table {
		m := &table[i]
		if top[m.Point] != m || m.Point != "/" && (m.ReadOnly() || m.Pseudo() || m.Masks()) || hazard["/"] || hazard[m.Point] {
			continue
		}
		if below(hazard, m.Point) {
			continue
		}
		if out = append(out, m); len(out) == maxMounts {
			break
		}
	}
	return out
}

// below reports whether a path lies below one of the directories.
func below(dirs map[string]bool, path string) bool {
	for i := 1; i < len(path); i++ {
		if path[i] == '/' && dirs[path[:i]] {
			return true
		}
	}
	return false
}

// look looks at a mount point, name by name. It follows no link: the kernel's table
// has none in a mount point, so one is somebody's who wants to lead elsewhere.
func look(root *rootfs.Root, point string) (rootfs.Info, error) {
	if point == "/" {
		return root.Lstat("/")
	}
	dir, err := root.Dir()
	if err != nil {
		return rootfs.Info{}, err
	}
	defer func() { dir.Close() }()
	rest := strings.TrimPrefix(point, "/")
	for {
		name, after, more := strings.Cut(rest, "/")
		if !more {
			return lookAt(dir, name)
		}
		next, err := dir.Enter(name)
		if err != nil {
			return rootfs.Info{}, err
		}
		dir.Close()
		dir, rest = next, after
	}
}

// lookAt opens what is at a name, and describes it: of a mount point, that is what is
// mounted.
func lookAt(dir *rootfs.Dir, name string) (rootfs.Info, error) {
	h, err := dir.Handle(name)
	if err != nil {
		return rootfs.Info{}, err
	}
	defer func() { _ = h.Close() }()
	return h.Info(), nil
}

// isAt reports whether a file is the root of a mount, and not of another one that
// hides it. Before Linux 5.8 the file system has to do.
func isAt(live bool, m *procfs.MountInfo, info rootfs.Info) bool {
	switch {
	case !live:
		return true // of a directory that only looks like /proc the kernel knows no mounts
	case info.HasMountID:
		return info.MountID == m.ID
	}
	return info.Dev == rootfs.Mkdev(m.Major, m.Minor)
}
