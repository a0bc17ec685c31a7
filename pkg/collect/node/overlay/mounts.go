package overlay

import (
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// View is a root directory with the mount table that belongs to it. Without
// a table (nil) every path below the root is taken for safe to look up.
type View struct {
	Root   *rootfs.Root
	Mounts []procfs.MountInfo
}

// localFS are the file systems that answer from this machine's memory and
// disks. A lookup on any other (fuse, nfs, cifs, 9p, ceph, autofs, virtiofs, or
// one that we do not know) can block forever, and no context ends it.
var localFS = map[string]bool{
	"ext2": true, "ext3": true, "ext4": true, "xfs": true, "btrfs": true, "zfs": true, "f2fs": true, "bcachefs": true,
	"jfs": true, "reiserfs": true, "nilfs2": true, "vfat": true, "exfat": true, "ntfs3": true, "iso9660": true, "udf": true,
	"squashfs": true, "erofs": true, "cramfs": true, "tmpfs": true, "ramfs": true, "rootfs": true, "devtmpfs": true,
	"overlay": true,
}

// mountAt returns the mount that holds path, as the kernel's walk meets it:
// from the root mount over the mounts that lie on it, so that what is hidden
// under another mount is passed by. Nil if the table has no root.
func mountAt(table []procfs.MountInfo, path string) *procfs.MountInfo {
	var current *procfs.MountInfo
	for i := range table {
		if table[i].Point == "/" {
			current = &table[i]
			break
		}
	}
	if current == nil {
		return nil
	}
	for range table {
		var next *procfs.MountInfo
		for i := range table {
			m := &table[i]
			if m == current || m.Parent != current.ID || !within(m.Point, path) || !within(current.Point, m.Point) {
				continue
			}
			// The walk comes by the shortest first.
			if next == nil || len(m.Point) < len(next.Point) {
				next = m
			}
		}
		if next == nil {
			return current
		}
		current = next
	}
	return current
}

// InFileSystem is where a path lies by a mount table: the mount, and the path in its
// file system, as the fourth field of mountinfo has it. The mount is nil if the table
// has no root.
func InFileSystem(table []procfs.MountInfo, path string) (m *procfs.MountInfo, inFS string) {
	if m = mountAt(table, path); m == nil {
		return nil, ""
	}
	return m, join(m.Root, below(m.Point, path))
}

// Shows reports whether a mount shows a path of a file system that another mount is
// of, too.
func Shows(m, other *procfs.MountInfo, inFS string) bool {
	return sameDevice(m, other) && within(m.Root, inFS)
}

// NodePath is where the root of a mount lies on the node, "" if nowhere.
func NodePath(m *procfs.MountInfo, nodeMounts []procfs.MountInfo) string {
	return nodePath(m, m.Point, nodeMounts)
}

// Local reports whether the type of a file system is one that answers from this
// machine's memory and disks.
func Local(fsType string) bool { return localFS[fsType] }

// rootMount is the mount at "/".
func rootMount(table []procfs.MountInfo) *procfs.MountInfo { return mountAt(table, "/") }

// safe reports whether path may be looked up in the view.
func (v View) safe(path string) (fsType string, ok bool) {
	if v.Mounts == nil {
		return "", true
	}
	m := mountAt(v.Mounts, path)
	if m == nil {
		return "", true
	}
	return m.FSType, localFS[m.FSType]
}

// within reports whether path is dir or lies below it. Both are absolute and
// clean.
func within(dir, path string) bool {
	return dir == "/" || path == dir || strings.HasPrefix(path, dir) && path[len(dir)] == '/'
}

// below returns the rest of path under dir, without a slash at its front.
func below(dir, path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, dir), "/")
}

func join(dir, rest string) string {
	switch {
	case rest == "":
		return dir
	case dir == "/":
		return "/" + rest
	}
	return dir + "/" + rest
}

// VolumeOf names the Kubernetes volume behind a mount of a container, as
// kind/name: "emptyDir/work". Kubelet keeps volumes below
// .../pods/UID/volumes/kubernetes.io~PLUGIN/NAME, which is the mount's root
// where the volume is a directory of a larger file system. A volume with a
// file system of its own (a secret's or memory emptyDir's tmpfs, a CSI disk)
// has the root "/", and only nodeMounts, the host's table, shows where kubelet
// mounted it. "" if it is not a volume, or if this is unknown.
func VolumeOf(m procfs.MountInfo, nodeMounts []procfs.MountInfo) string {
	if name := volumeName(m.Root); name != "" {
		return name
	}
	var best *procfs.MountInfo
	name := ""
	for i := range nodeMounts {
		n := &nodeMounts[i]
		if !sameDevice(n, &m) || !within(n.Root, m.Root) || best != nil && len(n.Root) <= len(best.Root) {
			continue
		}
		if found := volumeName(n.Point); found != "" {
			best, name = n, found
		}
	}
	return name
}

func volumeName(path string) string {
	v, _ := procfs.ParseVolumePath(path)
	return rootfs.Text(v.String())
}

func sameDevice(a, b *procfs.MountInfo) bool { return a.Major == b.Major && a.Minor == b.Minor }

// nodePath is where a file of a mount lies on the node: the host mounts the
// same file system somewhere. "" if it does not.
func nodePath(m *procfs.MountInfo, path string, nodeMounts []procfs.MountInfo) string {
	inFS := join(m.Root, below(m.Point, path))
	var best *procfs.MountInfo
	for i := range nodeMounts {
		n := &nodeMounts[i]
		if sameDevice(n, m) && within(n.Root, inFS) && (best == nil || len(n.Root) > len(best.Root)) {
			best = n
		}
	}
	if best == nil {
		return ""
	}
	return join(best.Point, below(best.Root, inFS))
}
