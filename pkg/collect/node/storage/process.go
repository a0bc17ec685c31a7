package storage

import (
	"fmt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/access"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// process is a server whose files are read: by paths below its own root.
type process struct {
	pass *reader.Pass
	of   *proctable.Process
	d    *proctable.PID
	buf  []byte

	root   *rootfs.Root          // nil until opened
	mounts *proctable.MountTable // nil until read
}

// openProcess returns nil if the process has ended.
func openProcess(pass *reader.Pass, p *proctable.Process, buf []byte) *process {
	d, err := pass.Reopen(p, buf)
	if err != nil {
		return nil
	}
	return &process{pass: pass, of: p, d: d, buf: buf}
}

func (s *process) close() {
	if s.root != nil {
		_ = s.root.Close()
	}
	s.d.Close()
}

// open opens the process's root directory; close closes it.
func (s *process) open() (*rootfs.Root, error) {
	if s.root == nil {
		root, err := s.d.Root()
		if err != nil {
			return nil, err
		}
		s.root = root
	}
	return s.root, nil
}

// gap notes what was not read of this process.
func (s *process) gap(kind fact.Kind, err error) {
	s.pass.Ledger.Gap(fact.NodeGap{What: kind, Reason: rootfs.ReasonOf(err), Detail: s.detail(err)})
}

func (s *process) detail(err error) string {
	return fmt.Sprintf("%s, pid %d: %s", proctable.Comm(s.of.Status.Name), s.of.PID, rootfs.ErrorText(err))
}

// table returns the process's mount table.
func (s *process) table() *proctable.MountTable {
	if s.mounts == nil {
		s.mounts, _ = s.d.Mounts(s.buf, proctable.MaxMountInfo)
	}
	return s.mounts
}

// mountOf finds the mount through which the process sees a file, nil if that is unknown.
// at is the file's path below the process's root, without links.
func (s *process) mountOf(at string, info rootfs.Info) *procfs.MountInfo {
	id, ok := s.mountID(at, info)
	if !ok {
		return nil
	}
	return procfs.Find(s.table().Mounts, id)
}

// mountID is the id of that mount. It may be none of the process's table: after a chroot
// that has only what is below the new root.
func (s *process) mountID(at string, info rootfs.Info) (uint64, bool) {
	if s.pass.Live && info.HasMountID {
		return info.MountID, true
	}
	// In a directory that only looks like /proc, the kernel's mount ids mean nothing.
	return proctable.MountByName(s.table().Mounts, at)
}

// hostPaths returns the paths by which users of the node reach a file, given by its path
// below the process's root, without links.
func (s *process) hostPaths(at string, info rootfs.Info) ([]string, error) {
	if s.pass.Root == nil || s.pass.Mounts == nil {
		return nil, access.ErrNoHostPath
	}
	own := s.mountOf(at, info)
	if own == nil {
		return nil, access.ErrNoHostPath
	}
	paths := access.OnHost(s.pass.Root, s.pass.NodeMounts(), own, at, info)
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s: %w", rootfs.Text(at), access.ErrNoHostPath)
	}
	return paths, nil
}

// access says who on the node can get at a file that the process knows by a name.
func (s *process) access(name string) (*fact.FileAccess, error) {
	root, err := s.open()
	if err != nil {
		return nil, err
	}
	at, err := root.Resolve(name)
	if err != nil {
		return nil, err
	}
	info, err := root.Lstat(at)
	if err != nil {
		return nil, err
	}
	paths, err := s.hostPaths(at, info)
	if err != nil {
		return nil, err
	}
	var all []fact.FileAccess
	for _, p := range paths {
		f, err := access.Of(s.pass.Root, p)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	merged := access.Merge(all)
	return &merged, nil
}
