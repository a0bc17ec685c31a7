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

// measure reads this machine, or the root directory of a host. Where the root is that
// of this machine, seen from elsewhere, what runs is read there. Any other one is files
// alone, with a host name of their own.
func (s *Machine) measure(ctx context.Context) (name string, m *fact.Measurement, err error) {
	if name, err = os.Hostname(); err != nil {
		name = "localhost"
	}
	kinds, net := fact.Intersect(s.Kinds, fact.NodeKinds()), fact.KindsAt(fact.LevelNet)
	opts := node.Options{
		Level: fact.LevelFull, Node: name, Kinds: fact.Subtract(kinds, net),
		Proc: "/proc", Root: "/", Live: true,
	}
	files := false
	if s.Root != "" {
		var live bool
		if opts.Root, opts.Proc, live = liveRoot(s.Root); !live {
			files = true
			opts.Root, opts.Proc, opts.Live = s.Root, "", false
		}
	}
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	m, err = node.Local(ctx, opts)
	if m != nil {
		s.handshakes(ctx, m, fact.Intersect(kinds, net), opts.Proc)
	}
	if files && m != nil {
		name = cmp.Or(m.Host.Hostname, "localhost")
	}
	return name, m, err
}

// liveRoot reports whether a directory is the root of this program or of this machine's
// first process, seen from elsewhere: another name for it, or a bind of it, with or
// without the proc below. It returns the root and the proc(5) to read: not those below
// the directory, where a bind may lack what is mounted, and mounts have ids that no
// process's table has. A proc alone is no proof: any files can have one.
func liveRoot(dir string) (root, proc string, live bool) {
	given, err := os.Stat(dir)
	if err != nil {
		return "", "", false
	}
	is := func(root string) bool {
		info, err := os.Stat(root)
		return err == nil && os.SameFile(given, info)
	}
	if is("/") && isProc("/proc") {
		return "/", "/proc", true
	}
	for _, proc := range []string{filepath.Join(dir, "proc"), "/proc"} {
		if root := filepath.Join(proc, "1/root"); isProc(proc) && is(root) {
			return root, proc, true
		}
	}
	return "", "", false
}

func isProc(dir string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(dir, &fs) == nil && fs.Type == unix.PROC_SUPER_MAGIC
}
