package apk

import (
	"context"
	"fmt"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/unpack"
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

// Databases are the places of the list of what is installed.
func Databases() []string { return slices.Clone(databases) }

// EachInstalled calls do with every package of the list at a path. It keeps nothing, so
// it serves a part of a file system too, such as one layer. Its error is fs.ErrNotExist
// if there is no such file.
func EachInstalled(ctx context.Context, root *rootfs.Root, path string, do func(name, arch, version string) error) error {
	file, err := root.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	err = parseRecords(unpack.Limit(ctx, file), true, func(r *record) error { return do(r.name, r.arch, r.version) })
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
