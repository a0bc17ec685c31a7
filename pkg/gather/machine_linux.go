package gather

import (
	"cmp"
	"context"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node"
)

// measure reads this machine, or the root directory of a host. A root whose proc
// is the kernel's is that of this machine, seen from elsewhere: what runs is read
// there. Any other one is files alone, with a host name of their own.
func (s *Machine) measure(ctx context.Context) (name string, m *fact.Measurement, err error) {
	if name, err = os.Hostname(); err != nil {
		name = "localhost"
	}
	opts := node.Options{
		Level: fact.LevelFull, Node: name, Kinds: fact.Intersect(s.Kinds, fact.NodeKinds()),
		Proc: "/proc", Root: "/", Live: true,
	}
	files := false
	if s.Root != "" {
		opts.Root, opts.Proc = s.Root, filepath.Join(s.Root, "proc")
		if files = !isProc(opts.Proc); files {
			opts.Proc, opts.Live = "", false
		}
	}
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	m, err = node.Local(ctx, opts)
	if files && m != nil {
		name = cmp.Or(m.Host.Hostname, "localhost")
	}
	return name, m, err
}

// isProc reports whether a directory is a mounted proc(5).
func isProc(path string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(path, &fs) == nil && fs.Type == unix.PROC_SUPER_MAGIC
}
