package storage

import (
	"context"
	"fmt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/access"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/program"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// errMoved says that the path of a descriptor leads to another file.
var errMoved = rootfs.NewError(fact.Changing, "its path no longer leads to the file that is open")

// leadsTo is an error if a path does not lead to the file that is open.
func leadsTo(root *rootfs.Root, name string, open rootfs.Info) error {
	file, err := root.Lstat(name)
	if err != nil {
		return err
	}
	if file.Dev != open.Dev || file.Ino != open.Ino {
		return fmt.Errorf("%s: %w", rootfs.Text(name), errMoved)
	}
	return nil
}

// storeFiles says who on the node can get at the files of a store. With an error what it
// returns is incomplete, or nil.
func storeFiles(ctx context.Context, proc *program.Program, db database, open rootfs.Info) (*fact.StoreFiles, error) {
	root, err := proc.Root()
	if err != nil {
		return nil, err
	}
	if err := leadsTo(root, db.path, open); err != nil {
		return nil, err
	}
	dir, err := root.Lstat(db.dataDir())
	if err != nil {
		return nil, err
	}
	paths, err := proc.HostPaths(db.dataDir(), dir)
	if err != nil {
		return nil, err
	}
	// A directory can be reached by several paths. The one by which most can be read
	// counts.
	var files *fact.StoreFiles
	var dirs []fact.FileAccess
	for _, p := range paths {
		found, belowErr := access.Below(ctx, proc.Pass.Root, p)
		if belowErr != nil {
			err = belowErr
		}
		dirs = append(dirs, found.Dir)
		if files == nil || found.OpenTotal > files.OpenTotal {
			files = &found
		}
	}
	files.Dir = access.Merge(dirs)
	if uid := proc.Of.Status.UID[1]; uid >= 0 {
		files.UID = uint32(uid)
	}
	return files, err
}
