// Package backups looks for copies of stores on a node: files in the usual places that
// are a database of etcd or kine by their content, or hold one.
//
//	search.go  the files in the usual places that can be one
//	live.go    which of them a running store has
//	read.go    what is in them
//	stream.go  archives and compressed files
//
// Databases are read as such, so that what is found in them is exact. Archives and
// compressed files are searched while they stream by: nothing is kept of them.
package backups

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/access"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/overlay"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/crash"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

const (
	// maxBytes bounds what is read of all files of a node, with what comes out of those
	// that are compressed.
	maxBytes = 2 << 30
	// maxTime bounds how long it may take.
	maxTime = 60 * time.Second
)

// Reader reads Backups.
type Reader struct{}

// Kinds is Backups.
func (Reader) Kinds() []fact.Kind { return []fact.Kind{fact.Backups} }

// Read searches the node. It is a task of its own, because it is the slowest.
func (Reader) Read(ctx context.Context, pass *reader.Pass) {
	if pass.Ledger.Wants(fact.Backups) {
		pass.Task(ctx, func(ctx context.Context, buf []byte) { read(ctx, pass, buf) })
	}
}

func read(ctx context.Context, pass *reader.Pass, buf []byte) {
	if pass.Root == nil {
		if pass.RootErr != nil {
			pass.Ledger.Refuse([]fact.Kind{fact.Backups}, rootfs.ReasonOf(pass.RootErr), rootfs.ErrorText(pass.RootErr))
		}
		return
	}
	root, err := pass.Root.Sub("/")
	if err != nil {
		pass.Ledger.Refuse([]fact.Kind{fact.Backups}, rootfs.ReasonOf(err), rootfs.ErrorText(err))
		return
	}
	defer func() { _ = root.Close() }()
	root.Guard(overlay.Guard(pass.NodeMounts(), pass.Live))

	short, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	s := &search{ctx: short, root: root, mounts: pass.NodeMounts(), gap: func(reason fact.Reason, format string, args ...any) {
		pass.Ledger.Gap(fact.NodeGap{What: fact.Backups, Reason: reason, Detail: fmt.Sprintf(format, args...)})
	}}
	s.find()
	r := &readings{ctx: short, root: root, live: live{pass: pass, buf: buf}, gap: s.gap, left: maxBytes}
	r.read(s.found, func(b fact.Backup) {
		pass.Ledger.Update(func(m *fact.Measurement) {
			m.Backups = append(m.Backups, b)
			sorted.Func(m.Backups, func(a, b fact.Backup) int { return cmp.Compare(a.Path, b.Path) })
		})
	})
	// Without time the rest is a gap that the ledger knows how to word.
	if ctx.Err() == nil {
		pass.Ledger.Done(fact.Backups)
	}
}

// accessOf says who can get at a file. What could not be read of it counts as closed,
// with a gap.
func (r *readings) accessOf(path string) fact.FileAccess {
	a, err := access.Of(r.root, path)
	if err != nil {
		if !rootfs.Gone(err) {
			r.gap(rootfs.ReasonOf(err), "who can read %s was not read: %s", rootfs.Text(path), rootfs.ErrorText(err))
		}
		return fact.FileAccess{Path: rootfs.Text(path)}
	}
	return a
}

// guarded turns a panic at one file into a gap.
func (r *readings) guarded(path string, do func()) {
	defer func() {
		if v := recover(); v != nil {
			r.gap(fact.Unsupported, "%s: a bug in this program, not in the file: %s", rootfs.Text(path), crash.Describe(v))
		}
	}()
	do()
}
