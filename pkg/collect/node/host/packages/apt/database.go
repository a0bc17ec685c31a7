package apt

import (
	"context"
	"errors"
	"io/fs"
	"runtime"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/unpack"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

const (
	dpkgStatus  = "/var/lib/dpkg/status"
	dpkgStatusD = "/var/lib/dpkg/status.d" // distroless images: a file a package
	dpkgUpdates = "/var/lib/dpkg/updates"  // dpkg's journal, merged into status later
	dpkgArchs   = "/var/lib/dpkg/arch"     // native and foreign architectures
)

// maxArchs bounds the list of architectures, bytes.
const maxArchs = 64 << 10

// readDatabase reads dpkg's database. Its error is fs.ErrNotExist if there is
// none; with any other error, db holds the packages up to there.
func readDatabase(ctx context.Context, root *rootfs.Root, buf []byte) (db *database, err error) {
	db = &database{packages: map[string][]*installedPackage{}}
	records := newRecords()
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
		err = readJournal(ctx, root, buf, records)
	}

	archs, archErr := readArchs(root)
	if archErr != nil && err == nil {
		err = archErr
	}
	if r := records.packages[recordKey{"dpkg", ""}]; r != nil {
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
	for _, r := range records.packages {
		if !r.installed {
			continue
		}
		p := &installedPackage{name: r.name, arch: r.arch, version: r.version, source: r.source, held: r.held}
		if p.arch == "all" {
			p.arch = db.nativeArch
		}
		p.offer(db.status, []byte(r.version), []byte(r.arch), 100)
		db.packages[p.name] = append(db.packages[p.name], p)
		db.count++
	}
	return db, err
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
