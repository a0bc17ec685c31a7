package images

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"runtime/debug"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/rpm/rpmdb"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/overlay"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// identity is equal for containers that have the same files of os-release and of
// package databases: their lower layers are the same directories, and each of the
// files has the same inode, size and times. A file that was changed in one container
// is a new one, in its writable layer.
type identity struct {
	layers [sha256.Size]byte
	files  [sha256.Size]byte
}

// files are those by which containers are told apart. A directory stands for the
// names in it.
var files = func() []string {
	list := []string{
		"/etc/os-release", "/usr/lib/os-release",
		"/var/lib/dpkg/status", "/var/lib/dpkg/status.d", "/var/lib/dpkg/updates", "/var/lib/dpkg/info", "/var/lib/dpkg/arch",
		"/lib/apk/db/installed", "/usr/lib/apk/db/installed",
		"/etc/pacman.conf", "/var/lib/pacman/local",
	}
	for _, dir := range rpmdb.Dirs {
		for _, name := range []string{"rpmdb.sqlite", "rpmdb.sqlite-wal", "Packages.db", "Packages"} {
			list = append(list, dir+"/"+name)
		}
	}
	return list
}()

// maxDatabase bounds a database that is text, bytes: 50,000 packages have less. A
// sparse file of a terabyte would keep all others waiting.
const maxDatabase = 64 << 20

// largeDatabase is the size from which what the databases before it have left behind is
// given up first, bytes: reading 50,000 packages takes most of the probe's memory.
const largeDatabase = 4 << 20

// tooLarge says which database is too large to be read, "" if none is.
func tooLarge(root *rootfs.Root) string {
	for _, name := range []string{"/var/lib/dpkg/status", "/lib/apk/db/installed", "/usr/lib/apk/db/installed"} {
		info, err := root.Stat(name)
		if err != nil {
			continue
		}
		if info.Size > maxDatabase {
			return fmt.Sprintf("%s has %d bytes, expected at most %d", name, info.Size, maxDatabase)
		}
		if info.Size > largeDatabase {
			debug.FreeOSMemory()
		}
	}
	return ""
}

func identify(root *rootfs.Root, mounts []procfs.MountInfo) identity {
	return identifyAgain(root, identity{layers: layersOf(mounts)})
}

// identifyAgain looks at the files again.
func identifyAgain(root *rootfs.Root, id identity) identity {
	sum := sha256.New()
	for _, name := range files {
		info, err := root.Stat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, rootfs.ErrNotDir):
			fmt.Fprint(sum, "none\n")
		case err != nil:
			fmt.Fprintf(sum, "%s\n", rootfs.ReasonOf(err))
		case info.Mode.IsDir():
			// The inode of a merged directory is another one each time.
			fmt.Fprintf(sum, "dir %d %d\n", info.Mtime.UnixNano(), info.Ctime.UnixNano())
		default:
			fmt.Fprintf(sum, "%d %d %d %d\n", info.Ino, info.Size, info.Mtime.UnixNano(), info.Ctime.UnixNano())
		}
	}
	sum.Sum(id.files[:0])
	return id
}

// layersOf identifies what lies below a container's writable layer. A root that is no
// overlay is its own.
func layersOf(mounts []procfs.MountInfo) (sum [sha256.Size]byte) {
	var root *procfs.MountInfo
	for i := range mounts {
		if mounts[i].Point == "/" {
			root = &mounts[i]
		}
	}
	if root == nil {
		return sum
	}
	h := sha256.New()
	if opts, err := overlay.ParseOptions(root.SuperOptions); root.FSType == "overlay" && err == nil && len(opts.Lowerdirs) > 0 {
		texts(h, opts.Lowerdirs)
		texts(h, opts.Datadirs)
	} else {
		fmt.Fprintf(h, "%d:%d %q", root.Major, root.Minor, root.Root)
	}
	h.Sum(sum[:0])
	return sum
}

func texts(h hash.Hash, list []string) {
	for _, text := range list {
		fmt.Fprintf(h, "%q,", text)
	}
	fmt.Fprint(h, "\n")
}
