package images

import (
	"path"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/overlay"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// guard says where in a container's root nothing is looked up: in mounts that are not
// this machine's own memory and disks, wherever a link of the image leads.
type guard struct {
	live bool
	// local are the mounts that answer at once. A mount that is not in the table is
	// newer than it, and nothing is known of it.
	local map[uint64]bool
	// slow are the file systems of the others, for kernels that do not say which mount
	// a file is on (before 5.8). FUSE and network file systems have the same number in
	// stat and in mountinfo.
	slow map[uint64]bool
}

func newGuard(mounts []procfs.MountInfo, live bool) *guard {
	g := &guard{live: live, local: map[uint64]bool{}, slow: map[uint64]bool{}}
	for i := range mounts {
		m := &mounts[i]
		if overlay.Local(m.FSType) {
			g.local[m.ID] = true
		} else {
			g.slow[rootfs.Mkdev(m.Major, m.Minor)] = true
		}
	}
	return g
}

// may reports whether a file or directory may be read.
func (g *guard) may(info rootfs.Info) bool {
	switch {
	case !g.live: // a directory that only looks like a node: its mounts are not mounted
		return true
	case info.HasMountID:
		return g.local[info.MountID]
	}
	return !g.slow[info.Dev]
}

// lazyLayer finds a lower layer of the root that the node itself has from a file system
// that may hang: a snapshotter that pulls files of an image when they are first read.
// Layers with relative paths are not looked for.
func lazyLayer(root, node []procfs.MountInfo) (dir, fsType string) {
	opts, err := overlay.ParseOptions(superOptions(root))
	if err != nil || len(node) == 0 {
		return "", ""
	}
	for _, layer := range slices.Concat(opts.Lowerdirs, opts.Datadirs) {
		if !path.IsAbs(layer) {
			continue
		}
		if id, ok := proctable.MountByName(node, path.Clean(layer)); ok {
			if m := procfs.Find(node, id); m != nil && !overlay.Local(m.FSType) {
				return layer, m.FSType
			}
		}
	}
	return "", ""
}

// superOptions are those of the overlay at "/", "" if there is none.
func superOptions(mounts []procfs.MountInfo) (text string) {
	for i := range mounts {
		if m := &mounts[i]; m.Point == "/" {
			text = ""
			if m.FSType == "overlay" {
				text = m.SuperOptions
			}
		}
	}
	return text
}

// safeRoot reports whether the mount at "/" may be looked into. If there are several,
// the last one is on top.
func safeRoot(mounts []procfs.MountInfo) (fsType string, ok bool) {
	for i := range mounts {
		if mounts[i].Point == "/" {
			fsType = mounts[i].FSType
		}
	}
	return fsType, overlay.Local(fsType)
}
