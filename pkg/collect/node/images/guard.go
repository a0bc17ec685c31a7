package images

import (
	"path"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/overlay"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
)

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
