package pacman

import (
	"context"
	"errors"
	"io/fs"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Inventory lists what the local database has, by the names of its directories. It is
// packages.Lister. Architectures and source packages, which are in the records, are
// not read: no database of vulnerabilities has packages of Arch.
func (Manager) Inventory(ctx context.Context, root *rootfs.Root) (list []fact.InstalledPackage, total int, gaps []fact.NodeGap, err error) {
	db, err := readLocal(ctx, root, readConfig(root).dbPath+"/local")
	if errors.Is(err, fs.ErrNotExist) || err != nil && len(db.packages) == 0 {
		return nil, 0, nil, err
	}
	if err != nil {
		gaps = append(gaps, fact.NodeGap{What: fact.Inventory, Reason: rootfs.ReasonOf(err), Detail: rootfs.Text(err.Error())})
	}
	for i := range db.packages[:min(len(db.packages), fact.MaxInventory)] {
		list = append(list, fact.InstalledPackage{Name: db.packages[i].name(), Version: db.packages[i].version()})
	}
	return list, len(db.packages), gaps, nil
}
