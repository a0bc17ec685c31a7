package overlay

import (
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Guard returns what rootfs.Root.Guard needs to stay out of mounts that are not this
// machine's own memory and disks, wherever a link leads. mounts is the table of the
// root. live is false for a directory that only looks like a node: its mounts are not
// mounted, and everything may be read.
func Guard(mounts []procfs.MountInfo, live bool) (may func(rootfs.Info) bool) {
	// local are the mounts that answer at once. A mount that is not in the table is
	// newer than it, and nothing is known of it.
	local := map[uint64]bool{}
	// slow are the file systems of the others, for kernels that do not say which mount
	// a file is on (before 5.8). FUSE and network file systems have the same number in
	// stat and in mountinfo.
	slow := map[uint64]bool{}
	for i := range mounts {
		m := &mounts[i]
		if Local(m.FSType) {
			local[m.ID] = true
		} else {
			slow[rootfs.Mkdev(m.Major, m.Minor)] = true
		}
	}
	return func(info rootfs.Info) bool {
		switch {
		case !live:
			return true
		case info.HasMountID:
			return local[info.MountID]
		}
		return !slow[info.Dev]
	}
}
