package pacman

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/unpack"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/pacmanversion"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// maxReplacers bounds the packages that replace a single one.
const maxReplacers = 8

// Bounds of what is kept: packages of the local database, the bytes of their names, and
// what repositories have that is not current, counted as kept says, bytes.
const (
	maxPackages = 100_000
	maxNames    = 6 << 20
	maxKept     = 4 << 20
)

// installed is one record of the local database. pacman takes name and version from
// the name of its directory, and so do we.
type installed struct {
	entry string     // NAME-VERSION-RELEASE
	cut   int        // where the version begins
	same  *candidate // of the same name, in the first repository that has one
	// others replace it, in the order of their repositories: at most maxReplacers.
	others []*candidate
	// hidden is of the same name, in the first repository that gives no updates.
	hidden *candidate
}

func (p *installed) name() string    { return p.entry[:p.cut-1] }
func (p *installed) version() string { return p.entry[p.cut:] }

// candidate is a package of a repository.
type candidate struct {
	repo                int // in config.repositories
	name, version, base string
	groups              []string
	newer, older        bool // than the installed package of this name
}

// local is the local database, sorted by name.
type local struct {
	path     string
	packages []installed
	equals   map[int]*candidate // one for all packages of a repository that are current
	kept     int                // what the other candidates take, bytes
}

// keep copies a candidate. It returns nil once there is no room for more.
func (db *local) keep(c candidate) *candidate {
	const size, text = 256, 16 // of a candidate and its fact.PendingUpdate; of a string
	db.kept += size + len(c.name) + len(c.version) + len(c.base)
	for _, group := range c.groups {
		db.kept += text + len(group)
	}
	if db.kept > maxKept {
		return nil
	}
	return &c
}

// errFull is the error of a repository that has more than is kept.
var errFull = fmt.Errorf("%w of %d bytes of updates", unpack.ErrTooMany, maxKept)

// current is a candidate that is neither newer nor older.
func (db *local) current(repo int) *candidate {
	if db.equals[repo] == nil {
		if db.equals == nil {
			db.equals = map[int]*candidate{}
		}
		db.equals[repo] = &candidate{repo: repo}
	}
	return db.equals[repo]
}

// readLocal lists the local database. With an error it holds what was read before.
func readLocal(ctx context.Context, root *rootfs.Root, path string) (*local, error) {
	db := &local{path: path}
	var broken, first error
	count, size := 0, 0
	err := root.Each(path, func(e rootfs.DirEntry) bool {
		if e.Name == "ALPM_DB_VERSION" {
			return true
		}
		_, version, ok := splitName(e.Name)
		if !ok || !e.IsDir() {
			if broken == nil && !strings.HasPrefix(e.Name, ".") {
				broken = errRecord(path, e.Name)
			}
			return true
		}
		count++
		if size += len(e.Name); count > maxPackages || size > maxNames || ctx.Err() != nil {
			return false
		}
		db.packages = append(db.packages, installed{entry: e.Name, cut: len(e.Name) - len(version)})
		return true
	})
	switch {
	case err != nil:
		first = err
	case ctx.Err() != nil:
		first = ctx.Err()
	case count > maxPackages:
		first = fmt.Errorf("%s: %w of %d packages", path, rootfs.ErrTooLarge, maxPackages)
	case size > maxNames:
		first = fmt.Errorf("%s: %w of %d bytes of names", path, rootfs.ErrTooLarge, maxNames)
	default:
		first = broken
	}
	sorted.Func(db.packages, func(a, b installed) int {
		if c := strings.Compare(a.name(), b.name()); c != 0 {
			return c
		}
		return strings.Compare(a.version(), b.version())
	})
	// pacman uses one of two records of a name, whichever it finds first. Which one
	// is left after an interrupted upgrade is unknown: the older one counts.
	whole := len(db.packages)
	db.packages = slices.CompactFunc(db.packages, func(a, b installed) bool { return a.name() == b.name() })
	if len(db.packages) < whole && first == nil {
		first = rootfs.NewError(fact.Corrupt, fmt.Sprintf("%s: %d packages have more than one record", path, whole-len(db.packages)))
	}
	return db, first
}

// find returns the installed package of a name, or nil.
func (db *local) find(name string) *installed {
	i, found := slices.BinarySearchFunc(db.packages, name, func(p installed, name string) int { return strings.Compare(p.name(), name) })
	if !found {
		return nil
	}
	return &db.packages[i]
}

// describe reads a package's own record. What cannot be read is missing in it: only
// the architecture and the groups are wanted.
func (db *local) describe(root *rootfs.Root, p *installed) (d desc) {
	file, err := root.Open(db.path + "/" + p.entry + "/desc")
	if err != nil {
		return d
	}
	defer file.Close()
	var parser descParser
	_ = parser.parse(file, &d)
	return d
}

// offer notes what a repository has, if it is about an installed package and no
// earlier repository has the same. Its error is errFull.
func (db *local) offer(c candidate, replaces []dependency, ignored bool) error {
	if p := db.find(c.name); p != nil {
		place := &p.same
		if ignored {
			place = &p.hidden
		}
		if *place == nil {
			switch order := pacmanversion.Compare(c.version, p.version()); {
			case order == 0:
				*place = db.current(c.repo) // most are, and nothing but the repository counts
			default:
				kept := db.keep(c)
				if kept == nil {
					return errFull
				}
				kept.newer, kept.older = order > 0, order < 0
				*place = kept
			}
		}
	}
	if ignored {
		return nil
	}
	for _, d := range replaces {
		if p := db.find(d.name); p != nil && d.meets(p.version()) && len(p.others) < maxReplacers {
			kept := db.keep(c)
			if kept == nil {
				return errFull
			}
			p.others = append(p.others, kept)
		}
	}
	return nil
}

// maxKernels bounds what Kernels returns.
const maxKernels = 256

// Kernels finds the packages that bring a kernel, by /usr/lib/modules/RELEASE/pkgbase,
// which names the package. An upgrade removes the directory of the kernel before it,
// also while that one runs.
func (Manager) Kernels(ctx context.Context, root *rootfs.Root) ([]fact.InstalledKernel, error) {
	const modules = "/usr/lib/modules"
	db, err := readLocal(ctx, root, readConfig(root).dbPath+"/local")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	entries, dirErr := root.ReadDir(modules)
	if dirErr != nil && !errors.Is(dirErr, fs.ErrNotExist) {
		err = errors.Join(err, dirErr)
	}
	var kernels []fact.InstalledKernel
	for _, e := range entries {
		data, readErr := root.ReadFile(modules+"/"+e.Name+"/pkgbase", 4<<10)
		if errors.Is(readErr, fs.ErrNotExist) || errors.Is(readErr, rootfs.ErrNotDir) {
			continue // modules of somebody else, such as dkms
		}
		if readErr != nil {
			err = errors.Join(err, readErr)
			continue
		}
		p := db.find(strings.TrimSpace(string(data)))
		if p == nil {
			continue // left over
		}
		if len(kernels) == maxKernels {
			return kernels, fmt.Errorf("%s: %w of %d kernels", modules, rootfs.ErrTooLarge, maxKernels)
		}
		kernels = append(kernels, fact.InstalledKernel{
			Release: e.Name, Path: db.path + "/" + p.entry, Package: p.name(), PackageVersion: p.version(),
		})
	}
	return kernels, err
}
