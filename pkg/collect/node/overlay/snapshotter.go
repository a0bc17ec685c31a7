package overlay

import (
	"fmt"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
)

// containerd keeps the layers of a snapshotter below a directory of this name.
const snapshotterDir = "/io.containerd.snapshotter.v1."

// snapshotterIn is the name of containerd's snapshotter in a path, "" if it has none.
func snapshotterIn(path string) string {
	_, rest, found := strings.Cut(path, snapshotterDir)
	if !found {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	if name == "" || len(name) > 40 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
		return ""
	}
	return name
}

// rootMaker says what made a root file system that is no overlay, where its mount
// shows that; "" if it does not.
func rootMaker(m *procfs.MountInfo) string {
	for _, text := range []string{m.Root, m.Source, m.SuperOptions} {
		if name := snapshotterIn(text); name != "" {
			return "containerd's snapshotter " + name
		}
	}
	switch {
	case m.FSType == "virtiofs" || m.FSType == "9p":
		return "a virtual machine, to which the host shares it"
	case strings.Contains(m.FSType, "fuse-overlayfs"), m.Source == "fuse-overlayfs":
		return "fuse-overlayfs"
	case strings.HasPrefix(m.Source, "/dev/mapper/"):
		return "a snapshotter with the device mapper"
	case strings.Contains(m.Root, "/vfs/dir/"):
		return "the storage driver vfs"
	case m.FSType == "btrfs" || m.FSType == "zfs":
		return "a snapshotter with snapshots of " + m.FSType
	}
	return ""
}

// noUpperdir says why a root file system has no upperdir.
func noUpperdir(m *procfs.MountInfo) string {
	detail := fmt.Sprintf("root file system is %q, which has no upperdir to compare with an image; expected an overlay", m.FSType)
	if maker := rootMaker(m); maker != "" {
		detail += "; it was made by " + maker
	}
	return detail
}

// unsafeLayer says why a layer was not read.
func unsafeLayer(option, dir, fsType string) string {
	detail := fmt.Sprintf("%s %q is on a %s mount, which was not read because it may hang", option, dir, fsType)
	if name := lazyPuller(dir, fsType); name != "" {
		detail += "; the image is pulled lazily, by " + name
	}
	return detail
}

// lazyPuller names what serves files of an image that are not on the node yet, "" if
// neither path nor file system type shows it.
func lazyPuller(dir, fsType string) string {
	if !strings.HasPrefix(fsType, "fuse") {
		return ""
	}
	if name := snapshotterIn(dir); name != "" && name != "overlayfs" && name != "fuse-overlayfs" {
		return "the snapshotter " + name
	}
	for _, known := range []struct{ word, name string }{
		{"stargz", "stargz"}, {"soci", "soci"}, {"nydus", "nydus"}, {"rafs", "nydus"}, {"overlaybd", "overlaybd"}, {"cvmfs", "cvmfs"},
	} {
		if strings.Contains(fsType, known.word) || strings.Contains(dir, "/"+known.word) || strings.Contains(dir, known.word+"-") {
			return known.name
		}
	}
	return ""
}
