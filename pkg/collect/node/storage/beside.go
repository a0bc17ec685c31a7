package storage

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/etcd"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/kine"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/program"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

const (
	// migratedName is what k3s leaves of its SQLite file when it moves to etcd.
	migratedName = "state.db.migrated"
	// oldEtcdName begins the name of the data directory that k3s puts aside when a
	// snapshot is restored.
	oldEtcdName = "etcd-old-"

	// maxOldStores bounds the old stores of one directory that are read.
	maxOldStores = 20
)

// member adds what lies in the files next to a member's database, and next to its data
// directory if that is k3s'.
func (r *databases) member(ctx context.Context, proc *program.Program, db database, open rootfs.Info, facts *fact.EtcdDB, known *etcd.Known) error {
	root, err := proc.Root()
	if err != nil {
		return err
	}
	if err := leadsTo(root, db.path, open); err != nil {
		return err
	}
	name := path.Dir(path.Dir(db.path)) // of .../member/snap/db
	dir, err := root.Sub(name)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	opts := etcd.RemainsOptions{Path: rootfs.Text(name), Prefix: facts.Prefix, Known: known}
	facts.Remains = append(facts.Remains, etcd.ReadMemberRemains(ctx, etcd.NodeDir(dir), opts)...)
	if at := logElsewhere(proc, name+"/wal"); at != "" {
		facts.Remains = append(facts.Remains, fact.Remains{
			Place: fact.InLog, Path: rootfs.Text(at), Reason: fact.Unsupported, Detail: "a log outside of the member's directory (--wal-dir) is not read",
		})
	}
	if !strings.HasSuffix(db.dataDir(), "/server/db/etcd") {
		return nil
	}
	// RKE2's etcd is a container that sees its own data directory only. On the node the
	// old ones lie next to it.
	at := db.dataDir()
	if info, err := root.Lstat(at); err == nil {
		if paths, err := proc.HostPaths(at, info); err == nil {
			root, at = proc.Pass.Root, paths[0]
		}
	}
	return r.oldStores(ctx, root, path.Dir(at), facts)
}

// logElsewhere is the directory in which etcd has files of its log open, if it is not the
// usual one; what is left there then is no log in use.
func logElsewhere(proc *program.Program, usual string) (dir string) {
	const ending = "0000000000000000-0000000000000000.wal" // etcd's names, in hex
	_ = proc.EachFD(func(_ int, text string) {
		if at, name := path.Split(text); len(name) == len(ending) && strings.HasSuffix(name, ".wal") && path.Clean(at) != usual {
			dir = path.Clean(at)
		}
	})
	return dir
}

// oldStores adds what k3s has left of former stores in its database directory.
func (r *databases) oldStores(ctx context.Context, root *rootfs.Root, dir string, facts *fact.EtcdDB) error {
	entries, err := root.ReadDir(dir)
	if err != nil {
		return err
	}
	found := 0
	for _, e := range entries {
		migrated, old := e.Name == migratedName && e.Type.IsRegular(), strings.HasPrefix(e.Name, oldEtcdName) && e.IsDir()
		if !migrated && !old {
			continue
		}
		name := path.Join(dir, e.Name)
		if found++; found > maxOldStores || ctx.Err() != nil {
			facts.Remains = append(facts.Remains, incomplete(name, rootfs.NewError(fact.Truncated, "so many old stores are not read")))
			break
		}
		if migrated {
			facts.Remains = append(facts.Remains, r.migrated(ctx, root, name))
			continue
		}
		facts.Remains = append(facts.Remains, r.oldMember(ctx, root, name, facts.Prefix)...)
	}
	return nil
}

// incomplete is an old store of which not everything was read.
func incomplete(name string, err error) fact.Remains {
	return fact.Remains{Place: fact.InOldStore, Path: rootfs.Text(name), Reason: rootfs.ReasonOf(err), Detail: rootfs.ErrorText(err)}
}

// migrated reads an SQLite file that nobody uses any more.
func (r *databases) migrated(ctx context.Context, root *rootfs.Root, name string) fact.Remains {
	file, err := root.OpenNoFollow(name)
	if err != nil {
		return incomplete(name, err)
	}
	defer func() { _ = file.Close() }()
	opts := r.kineOptions(name)
	opts.Live, opts.Resources = false, false
	old, err := kine.ReadOld(ctx, kine.InRoot(root, name, file), opts)
	if err != nil {
		return incomplete(name, err)
	}
	return old
}

// oldMember reads a data directory of etcd's that nobody uses any more.
func (r *databases) oldMember(ctx context.Context, root *rootfs.Root, name, prefix string) []fact.Remains {
	member := path.Join(name, "member")
	dir, err := root.Sub(member)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return []fact.Remains{incomplete(name, err)}
	}
	defer func() { _ = dir.Close() }()
	all := []fact.Remains{rawScan(ctx, dir, "snap/db", path.Join(member, "snap/db"), prefix)}
	all = append(all, etcd.ReadMemberRemains(ctx, etcd.NodeDir(dir), etcd.RemainsOptions{Path: rootfs.Text(member), Prefix: prefix})...)
	for i := range all {
		all[i].Place = fact.InOldStore // nor is its log the one in use, which etcd clears in time
	}
	return all
}

// rawScan looks for Secrets in the bytes of a whole file. Rows of bbolt lie in one piece.
func rawScan(ctx context.Context, dir *rootfs.Root, name, full, prefix string) fact.Remains {
	file, err := dir.OpenNoFollow(name)
	if err != nil {
		return incomplete(full, err)
	}
	defer func() { _ = file.Close() }()
	r := fact.Remains{Place: fact.InOldStore, Path: rootfs.Text(full)}
	finder := stored.NewFinder(prefix)
	buf := make([]byte, 256<<10)
	for err == nil && ctx.Err() == nil {
		var n int
		n, err = file.Read(buf)
		_, _ = finder.Write(buf[:n])
		r.Scanned += int64(n)
	}
	clear(buf)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if r.Complete = errors.Is(err, io.EOF); !r.Complete {
		r.Reason, r.Detail = rootfs.ReasonOf(err), rootfs.ErrorText(err)
	}
	found := finder.Found()
	r.Values, r.Unnamed, r.Secrets, r.SecretsTotal = found.Values, found.Unnamed, found.Secrets, found.SecretsTotal
	return r
}
