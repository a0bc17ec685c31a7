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

// measure reads this machine, or the root directory of a host. Where the
// root is that of this machine, seen from elsewhere, what runs is read there. Any other one is files alone, with a host name of their own.
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
		if files = !isLive(s.Root, opts.Proc); files {
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

// isLive reports whether a directory is the root of this program or of this machine's
// first process, seen from elsewhere, with a proc(5) mounted in it. A proc alone is no
// proof: any files can have one.
func isLive(root, proc string) bool {
	var fs unix.Statfs_t
	if unix.Statfs(proc, &fs) != nil || fs.Type != unix.PROC_SUPER_MAGIC {
		return false
	}
	given, err := os.Stat(root)
	if err != nil {
		return false
	}
	for _, process := range []string{"1", "self"} {
		if own, err := os.Stat(filepath.Join(proc, process, "root")); err == nil && os.SameFile(given, own) {
			return true
		}
	}
	return false
}
