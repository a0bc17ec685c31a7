// Package program reads what a running program of the cluster shows of itself: its command
// line, its descriptors, and its files by the paths below its own root directory.
//
//	program.go   the process, and who can get at its files
//	changed.go   whether a file is still the one of the process's start
package program

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/access"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Program is a process whose files are read: by paths below its own root.
type Program struct {
	Pass *reader.Pass
	Of   *proctable.Process
	PID  *proctable.PID
	Buf  []byte // is used again with each read

	root   *rootfs.Root          // nil until opened
	mounts *proctable.MountTable // nil until read
}

// Open returns nil if the process has ended.
func Open(pass *reader.Pass, p *proctable.Process, buf []byte) *Program {
	d, err := pass.Reopen(p, buf)
	if err != nil {
		return nil
	}
	return &Program{Pass: pass, Of: p, PID: d, Buf: buf}
}

// Close releases the process and its root directory.
func (s *Program) Close() {
	if s.root != nil {
		_ = s.root.Close()
	}
	s.PID.Close()
}

// Root opens the process's root directory; Close closes it.
func (s *Program) Root() (*rootfs.Root, error) {
	if s.root == nil {
		root, err := s.PID.Root()
		if err != nil {
			return nil, err
		}
		s.root = root
	}
	return s.root, nil
}

// Gap notes what was not read of this process.
func (s *Program) Gap(kind fact.Kind, err error) {
	s.Pass.Ledger.Gap(fact.NodeGap{What: kind, Reason: rootfs.ReasonOf(err), Detail: s.Detail(err)})
}

// Detail is an error's text with the program's name before it.
func (s *Program) Detail(err error) string {
	return fmt.Sprintf("%s, pid %d: %s", proctable.Comm(s.Of.Status.Name), s.Of.PID, rootfs.ErrorText(err))
}

// table returns the process's mount table.
func (s *Program) table() *proctable.MountTable {
	if s.mounts == nil {
		s.mounts, _ = s.PID.Mounts(s.Buf, proctable.MaxMountInfo)
	}
	return s.mounts
}

// mountOf finds the mount through which the process sees a file, nil if that is unknown.
// at is the file's path below the process's root, without links.
func (s *Program) mountOf(at string, info rootfs.Info) *procfs.MountInfo {
	id, ok := s.mountID(at, info)
	if !ok {
		return nil
	}
	return procfs.Find(s.table().Mounts, id)
}

// mountID is the id of that mount. It may be none of the process's table: after a chroot
// that has only what is below the new root.
func (s *Program) mountID(at string, info rootfs.Info) (uint64, bool) {
	if s.Pass.Live && info.HasMountID {
		return info.MountID, true
	}
	// In a directory that only looks like /proc, the kernel's mount ids mean nothing.
	return proctable.MountByName(s.table().Mounts, at)
}

// HostPaths returns the paths by which users of the node reach a file, given by its path
// below the process's root, without links.
func (s *Program) HostPaths(at string, info rootfs.Info) ([]string, error) {
	if s.Pass.Root == nil || s.Pass.Mounts == nil {
		return nil, access.ErrNoHostPath
	}
	own := s.mountOf(at, info)
	if own == nil {
		return nil, access.ErrNoHostPath
	}
	paths := access.OnHost(s.Pass.Root, s.Pass.NodeMounts(), own, at, info)
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s: %w", rootfs.Text(at), access.ErrNoHostPath)
	}
	return paths, nil
}

// Access says who on the node can get at a file that the process knows by a name.
func (s *Program) Access(name string) (*fact.FileAccess, error) {
	root, err := s.Root()
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
	paths, err := s.HostPaths(at, info)
	if err != nil {
		return nil, err
	}
	var all []fact.FileAccess
	for _, p := range paths {
		f, err := access.Of(s.Pass.Root, p)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	merged := access.Merge(all)
	return &merged, nil
}

// ReadFile reads a file of the process, which may be named by a relative path.
func (s *Program) ReadFile(name string, limit int64) ([]byte, error) {
	root, err := s.Root()
	if err != nil {
		return nil, err
	}
	if name, err = s.PID.Inside(name); err != nil {
		return nil, err
	}
	return root.ReadFile(name, limit)
}

// Cmdline returns the words of the command line, which stay valid. It can wait for a lock
// of the process.
func (s *Program) Cmdline() ([][]byte, error) {
	words, err := s.PID.Cmdline(s.Buf)
	if err != nil {
		return nil, err
	}
	words = slices.Clone(words)
	for i := range words { // the buffer is used again
		words[i] = bytes.Clone(words[i])
	}
	return words, nil
}

// DeletedSuffix ends the text of a link to a file that has no name any more.
const DeletedSuffix = " (deleted)"

// Exe is the name of the program's file, without directories.
func (s *Program) Exe() (string, error) {
	text, err := s.PID.Link(procfs.NameExe)
	if err != nil {
		return "", err
	}
	return path.Base(strings.TrimSuffix(text, DeletedSuffix)), nil
}

// maxFDs bounds the descriptors of one process that are looked at.
const maxFDs = 20_000

// ErrNoFDs wraps an error of listing descriptors.
var ErrNoFDs = errors.New("listing its descriptors")

// EachFD calls do with the text of every descriptor's link.
func (s *Program) EachFD(do func(n int, text string)) error {
	count := 0
	err := s.PID.EachFD(func(n int) bool {
		if count++; count > maxFDs {
			return false
		}
		if text, err := s.PID.Link(proctable.FDName(n)); err == nil {
			do(n, text)
		}
		return true
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoFDs, err)
	}
	if count > maxFDs {
		return fmt.Errorf("%w: %w of %d", ErrNoFDs, rootfs.ErrTooLarge, maxFDs)
	}
	return nil
}
