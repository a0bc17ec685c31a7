package apk

import (
	"context"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Inventory lists what the installed database has. It is packages.Lister. All packages
// of one origin, the source package, have its version.
func (Manager) Inventory(ctx context.Context, root *rootfs.Root) (list []fact.InstalledPackage, total int, gaps []fact.NodeGap, err error) {
	path := ""
	err = eachInstalled(ctx, root, &path, func(r *record) error {
		if total++; total > maxInstalled {
			return errTooManyRecords
		}
		if len(list) == fact.MaxInventory {
			return nil
		}
		one := fact.InstalledPackage{Name: r.name, Arch: r.arch, Version: r.version}
		if r.origin != r.name {
			one.Source = r.origin
		}
		list = append(list, one)
		return nil
	})
	if err != nil && len(list) == 0 {
		return nil, 0, nil, err
	}
	if err != nil {
		gaps = append(gaps, fact.NodeGap{What: fact.Inventory, Reason: rootfs.ReasonOf(err), Detail: rootfs.Text(err.Error())})
	}
	return list, total, gaps, nil
}
