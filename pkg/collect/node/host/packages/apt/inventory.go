package apt

import (
	"context"
	"maps"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Inventory lists what dpkg's database has. It is packages.Lister.
func (Manager) Inventory(ctx context.Context, root *rootfs.Root) (list []fact.InstalledPackage, total int, gaps []fact.NodeGap, err error) {
	db, err := readDatabase(ctx, root, make([]byte, scanBuffer), false)
	if db == nil {
		return nil, 0, nil, err
	}
	if err != nil {
		gaps = append(gaps, fact.NodeGap{What: fact.Inventory, Reason: rootfs.ReasonOf(err), Detail: rootfs.Text(err.Error())})
	}
	list = make([]fact.InstalledPackage, 0, min(db.count, fact.MaxInventory))
	for _, name := range slices.Sorted(maps.Keys(db.packages)) {
		for p := db.packages[name]; p != nil; p = p.next {
			if len(list) == fact.MaxInventory {
				return list, db.count, gaps, nil
			}
			one := fact.InstalledPackage{Name: p.name, Arch: p.arch, Version: p.version, SourceVersion: p.sourceVersion}
			if p.source != p.name {
				one.Source = p.source
			}
			list = append(list, one)
		}
	}
	return list, db.count, gaps, nil
}
