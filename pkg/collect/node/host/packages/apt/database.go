package apt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/unpack"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

const (
	dpkgStatus  = "/var/lib/dpkg/status"
	dpkgStatusD = "/var/lib/dpkg/status.d" // distroless images: a file a package
	dpkgUpdates = "/var/lib/dpkg/updates"  // dpkg's journal, merged into status later
	dpkgInfo    = "/var/lib/dpkg/info"     // each package's list of files and scripts
	dpkgArchs   = "/var/lib/dpkg/arch"     // native and foreign architectures
)

// maxInfoNames bounds the names in dpkgInfo: each package has about five.
const maxInfoNames = 1 << 20

// maxListed bounds the packages of an inventory, which lists fewer: a container's
// database must not take the memory that a host's may.
const maxListed = 30_000

// maxArchs bounds the list of architectures, bytes.
const maxArchs = 64 << 10

// readDatabase reads dpkg's database. Its error is fs.ErrNotExist if there is
// none; with any other error, db holds the packages up to there. Without offers the
// versions of packages are not prepared for a comparison with lists, which takes memory.
func readDatabase(ctx context.Context, root *rootfs.Root, buf []byte, offers bool) (db *database, err error) {
	db = &database{}
	records := newRecords()
	if !offers {
		records.most = maxListed
	}
	err = readStatus(ctx, root, dpkgStatus, true, buf, records)
	db.path = dpkgStatus
	if errors.Is(err, fs.ErrNotExist) {
		db.path = dpkgStatusD
		var entries []rootfs.DirEntry
		if entries, err = root.ReadDir(dpkgStatusD); err != nil {
			return nil, err
		}
		for _, e := range entries {
			// NAME.md5sums lies next to NAME.
			if e.IsDir() || strings.HasSuffix(e.Name, ".md5sums") {
				continue
			}
			if e := readStatus(ctx, root, dpkgStatusD+"/"+e.Name, false, buf, records); e != nil && err == nil {
				err = e
			}
		}
	} else if err == nil {
		if err = readJournal(ctx, root, buf, records); err == nil {
			err = checkWhole(root, records)
		}
	}

	archs, archErr := readArchs(root)
	if archErr != nil && err == nil {
		err = archErr
	}
	if r := records.packages["dpkg"]; r != nil {
		db.nativeArch = r.arch
	} else if len(archs) > 0 {
		db.nativeArch = archs[0]
	} else if db.nativeArch = records.commonArch(); db.nativeArch == "" {
		db.nativeArch = debianArch(runtime.GOARCH)
	}
	db.archs = append(db.archs, db.nativeArch)
	for _, arch := range archs {
		if arch != db.nativeArch {
			db.archs = append(db.archs, arch)
		}
	}
	db.status = &index{status: true, release: release{suite: "now"}}
	db.packages = records.packages
	for name, p := range db.packages {
		var installed *installedPackage
		for p != nil {
			next := p.next
			if p.installed {
				arch := p.arch
				if arch == "all" {
					p.arch = db.nativeArch
				}
				if offers {
					p.offer(db, db.status, p.version, []byte(arch), 100)
				}
				p.next, installed = installed, p
				db.count++
			}
			p = next
		}
		if installed == nil {
			delete(db.packages, name)
		} else {
			db.packages[name] = installed
		}
	}
	return db, err
}

// checkWhole looks for packages that have files on the host but no stanza: a status
// file that was cut between two stanzas looks whole in itself. dpkg keeps
// info/NAME.list or info/NAME:ARCH.list as long as the package has a stanza, also
// after its removal while configuration files are left.
func checkWhole(root *rootfs.Root, records *records) error {
	var missing []string
	count, seen := 0, 0
	err := root.Each(dpkgInfo, func(e rootfs.DirEntry) bool {
		seen++
		name, found := strings.CutSuffix(e.Name, ".list")
		name, _, _ = strings.Cut(name, ":")
		if found && records.packages[name] == nil {
			if count++; len(missing) < 3 {
				missing = append(missing, name)
			}
		}
		return seen <= maxInfoNames
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case seen > maxInfoNames:
		return fmt.Errorf("%s: %w of %d names", dpkgInfo, rootfs.ErrTooLarge, maxInfoNames)
	case err != nil:
		return err
	case count > 0:
		slices.Sort(missing)
		return fmt.Errorf("%s: %w: %d packages have a list of files in %s but no stanza, such as %s",
			dpkgStatus, rootfs.ErrCut, count, dpkgInfo, strings.Join(missing, ", "))
	}
	return nil
}

// readStatus adds the stanzas of one file (see parseStatus).
func readStatus(ctx context.Context, root *rootfs.Root, path string, whole bool, buf []byte, to *records) error {
	file, err := root.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return parseStatus(unpack.Limit(ctx, file), path, whole, buf, to)
}

// readJournal adds /var/lib/dpkg/updates/NNNN, in order: what dpkg has done
// since it last wrote the status file. It is empty except while dpkg runs or
// after it was interrupted.
func readJournal(ctx context.Context, root *rootfs.Root, buf []byte, to *records) error {
	entries, err := root.ReadDir(dpkgUpdates)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.Trim(e.Name, "0123456789") != "" {
			continue // tmp.i: not finished
		}
		err := readStatus(ctx, root, dpkgUpdates+"/"+e.Name, false, buf, to)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// readArchs reads the architectures of a multi-arch host, one a line; none if
// no foreign one was ever added.
func readArchs(root *rootfs.Root) ([]string, error) {
	data, err := root.ReadFile(dpkgArchs, maxArchs)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return strings.Fields(string(data)), err
}
