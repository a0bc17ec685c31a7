package access

import (
	"path"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// ErrNoHostPath is wrapped where a file of a container has no path on the node.
var ErrNoHostPath = rootfs.NewError(fact.NotPresent, "its path on the node was not found, so it is unknown who can reach it")

// maxHostPaths bounds the mounts that are tried. With more, nothing is known.
const maxHostPaths = 16

// OnHost returns the paths by which the node's own users reach a file that a process
// sees at a path, shortest first. A container sees a volume in directories of its own,
// whose modes mean nothing for others: what counts are the directories above the place
// that was mounted.
//
// own is the mount of the process that holds the file, and at the file's path below the
// process's root, without links. host are the node's mounts. Mounts of one file system
// lead to one file by the path inside it (mountinfo's field root), and each path that
// comes of it is verified: it must lead to the same inode of the same device.
func OnHost(root *rootfs.Root, host []procfs.MountInfo, own *procfs.MountInfo, at string, info rootfs.Info) []string {
	inside, ok := below(at, own.Point)
	if !ok {
		return nil
	}
	inside = path.Join(own.Root, inside)
	var found []string
	tried := 0
	for i := range host {
		m := &host[i]
		rest, ok := below(inside, m.Root)
		if !ok || m.Major != own.Major || m.Minor != own.Minor || m.FSType != own.FSType {
			continue
		}
		name := path.Join(m.Point, rest)
		if hazardous(host, name) || slices.Contains(found, name) {
			continue
		}
		if tried++; tried > maxHostPaths {
			return nil // one of the others may be open to more users
		}
		if seen, err := root.Lstat(name); err == nil && seen.Dev == info.Dev && seen.Ino == info.Ino {
			found = append(found, name)
		}
	}
	slices.SortStableFunc(found, func(a, b string) int { return len(a) - len(b) })
	return found
}

// below returns what follows a directory in a path, "" if the path is the directory.
func below(name, dir string) (rest string, ok bool) {
	if dir == "/" {
		return strings.TrimPrefix(name, "/"), strings.HasPrefix(name, "/")
	}
	rest, ok = strings.CutPrefix(name, dir)
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	return strings.TrimPrefix(rest, "/"), true
}

// hazardous reports whether a lookup of the path could wait for a server.
func hazardous(host []procfs.MountInfo, name string) bool {
	return slices.ContainsFunc(host, func(m procfs.MountInfo) bool {
		_, in := below(name, m.Point)
		return in && m.Hazardous()
	})
}

// Merge joins what several paths to one file say: it can be reached if one of them leads
// there.
func Merge(all []fact.FileAccess) fact.FileAccess {
	f := all[0]
	for _, o := range all[1:] {
		f.GroupReaches = f.GroupReaches || o.GroupReaches
		f.OthersReach = f.OthersReach || o.OthersReach
		if f.WritableParent == "" {
			f.WritableParent = o.WritableParent
		}
	}
	return f
}
