package backups

import (
	"path"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// live knows the files of running stores. They are no copies: what is in them, and in
// the files beside them, is what Etcd and Residue are about.
type live struct {
	pass *reader.Pass
	buf  []byte

	looked bool
	files  map[id]bool
	dirs   map[id]bool // member/snap of etcd, server/db of k3s
}

// maxFDs bounds the descriptors of one process that are looked at.
const maxFDs = 20_000

// oldEtcd begins the name of the data directory that k3s puts aside when it restores a
// snapshot.
const oldEtcd = "/etcd-old-"

// of reports whether a running store has this file, or has its own in the same
// directory, or in the one from which k3s has put this one aside. The processes are
// asked only once there is a file to ask about.
func (l *live) of(root *rootfs.Root, c candidate) bool {
	if !l.looked {
		l.look()
	}
	if l.files[c.id] || l.dirs[c.dir] {
		return true
	}
	i := strings.LastIndex(c.path, oldEtcd)
	if i < 0 {
		return false
	}
	if info, err := root.Stat(c.path[:i] + "/etcd/member/snap"); err == nil && l.dirs[idOf(info)] {
		return true
	}
	info, err := root.Stat(c.path[:i] + "/state.db")
	return err == nil && l.files[idOf(info)]
}

// look goes through the descriptors of all processes.
func (l *live) look() {
	l.looked, l.files, l.dirs = true, map[id]bool{}, map[id]bool{}
	for _, p := range l.pass.Processes {
		d, err := l.pass.Reopen(p, l.buf)
		if err != nil {
			continue
		}
		l.process(d)
		d.Close()
	}
}

func (l *live) process(d *proctable.PID) {
	count := 0
	_ = d.EachFD(func(n int) bool {
		if count++; count > maxFDs {
			return false
		}
		name := proctable.FDName(n)
		text, err := d.Link(name)
		if err != nil || !strings.HasSuffix(text, "/member/snap/db") && !strings.HasSuffix(text, "/db/state.db") {
			return true
		}
		handle, err := d.File(name)
		if err != nil {
			return true
		}
		l.files[idOf(handle.Info())] = true
		_ = handle.Close()
		if root, err := d.Root(); err == nil {
			var info rootfs.Info
			if info, err = root.Stat(path.Dir(text)); err == nil {
				l.dirs[idOf(info)] = true
			}
			_ = root.Close()
		}
		return true
	})
}
