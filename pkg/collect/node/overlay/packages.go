package overlay

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"sort"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/apk"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/apt"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/rpm/rpmdb"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Bounds of two package databases together, so that the probe's memory is bounded: a
// full desktop has 5,000 packages.
const (
	maxPackages     = 30_000
	maxPackageNames = 1 << 20   // bytes
	maxPackageTexts = 2 << 20   // bytes of names, architectures and versions
	maxDatabase     = 128 << 20 // bytes of a text file
	maxPackageName  = 100       // bytes of a name that is listed
)

var errTooManyPackages = rootfs.NewError(fact.Truncated, fmt.Sprintf("more than %d packages, or %d bytes of their names", maxPackages, maxPackageNames))

// manager is a package manager whose database may lie in a layer.
type manager struct {
	name  string
	files []string // absolute, in the order in which it looks for them
	// read adds what is installed by the database at a path of a layer.
	read func(ctx context.Context, root *rootfs.Root, path string, add func(name, arch, version string) error) error
}

var managers = []manager{
	{"dpkg", []string{apt.StatusFile}, readDpkg},
	{"apk", apk.Databases(), apk.EachInstalled},
	{"rpm", rpmdb.Files(), readRPM},
}

func readDpkg(ctx context.Context, root *rootfs.Root, path string, add func(name, arch, version string) error) error {
	return apt.EachInstalled(ctx, root, path, func(name, arch, version []byte) error {
		return add(string(name), string(arch), string(version))
	})
}

// readRPM reads the database that rpm would take of this layer. A write-ahead log is in
// the layer of its database, because SQLite opens both for writing.
func readRPM(ctx context.Context, root *rootfs.Root, path string, add func(name, arch, version string) error) error {
	// A database that is written meanwhile is read again, so it is added at its end.
	type one struct{ name, arch, version string }
	var list []one
	size := 0
	begin := func() { list, size = list[:0], 0 }
	result, err := rpmdb.Read(ctx, root, nil, begin, func(p *rpmdb.Package) {
		evr := p.EVR()
		size += len(p.Name) + len(p.Arch) + len(evr)
		if len(list) <= maxPackages && size <= maxPackageTexts {
			list = append(list, one{p.Name, p.Arch, evr})
		}
	})
	switch {
	case err != nil:
		return err
	case result.Packages > maxPackages || size > maxPackageTexts:
		return errTooManyPackages
	case result.Path != path:
		return rootfs.NewError(fact.Unsupported, fmt.Sprintf("%s: the layer has another database too, %s", path, result.Path))
	case result.Changed:
		return rootfs.NewError(fact.Changing, path+": it was written while it was read")
	case result.Damaged > 0:
		return rootfs.NewError(fact.Corrupt, fmt.Sprintf("%s: %d damaged records", path, result.Damaged))
	}
	for _, p := range list {
		if err := add(p.name, p.arch, p.version); err != nil {
			return err
		}
	}
	return nil
}

// packageSet is what two states of a database have: by name, a sum over the versions
// and architectures of each state; 0 for none.
type packageSet struct {
	sums  map[string]*[2]uint64
	bytes int
	seed  maphash.Seed
}

func newPackageSet() *packageSet {
	return &packageSet{sums: map[string]*[2]uint64{}, seed: maphash.MakeSeed()}
}

// add adds a package to state 0, the image's, or 1.
func (s *packageSet) add(state int, name, arch, version string) error {
	sum := s.sums[name]
	if sum == nil {
		if s.bytes += len(name); len(s.sums) == maxPackages || s.bytes > maxPackageNames {
			return errTooManyPackages
		}
		sum = new([2]uint64)
		s.sums[strings.Clone(name)] = sum
	}
	// Their order means nothing, so they are summed. Odd, so that one is never 0.
	sum[state] += maphash.String(s.seed, arch+"\x00"+version) | 1
	return nil
}

// changes compares the states.
func (s *packageSet) changes() *fact.PackageChange {
	out := new(fact.PackageChange)
	for name, sum := range s.sums {
		list := &out.Changed
		switch {
		case sum[0] == sum[1]:
			continue
		case sum[0] == 0:
			list = &out.Added
		case sum[1] == 0:
			list = &out.Removed
		}
		out.Total++
		*list = append(*list, name)
	}
	left := fact.MaxPackageChanges
	for _, list := range []*[]string{&out.Added, &out.Changed, &out.Removed} {
		sort.Strings(*list)
		if len(*list) > left {
			*list = (*list)[:left:left]
		}
		left -= len(*list)
		for i, name := range *list {
			if len(name) > maxPackageName {
				name = name[:maxPackageName]
			}
			(*list)[i] = rootfs.Text(name)
		}
		if len(*list) == 0 {
			*list = nil
		}
	}
	return out
}

// PackageChange compares the package database in the writable layer with the image's.
// It is nil if the writable layer has none. A gap of kind Upperdir, without a subject,
// says why there is no answer.
func (c *Container) PackageChange(ctx context.Context) (*fact.PackageChange, *fact.NodeGap) {
	l, problem := c.open()
	if problem != nil || l.upper == nil {
		return nil, nil // WalkUpper says why
	}
	defer l.forgetDirs()
	var touched *fact.PackageChange
	var gap *fact.NodeGap
	for i := range managers {
		m := &managers[i]
		change, err := c.packageChange(ctx, l, m)
		switch {
		case err != nil && gap == nil:
			gap = &fact.NodeGap{What: fact.Upperdir, Reason: rootfs.ReasonOf(err), Detail: fmt.Sprintf("changes of the package database of %s: %.400s", m.name, rootfs.ErrorText(err))}
		case change == nil:
		case change.Total > 0:
			return change, gap
		case touched == nil:
			touched = change
		}
	}
	return touched, gap
}

func (c *Container) packageChange(ctx context.Context, l *layers, m *manager) (*fact.PackageChange, error) {
	// The database in upper: a file, or a whiteout, which removes the image's.
	path, found := "", entry{}
	for _, file := range m.files {
		up, err := l.inUpper(file[1:])
		up.close()
		if err != nil {
			return nil, err
		}
		if up.kind == other && !l.below(file[1:]) {
			return nil, rootfs.NewError(fact.Unreadable, file+": expected a regular file in upperdir, found a directory, a link or another kind of file")
		}
		if up.kind == regular || up.kind == whiteout && found.kind == absent {
			path, found = file, up
		}
		if up.kind == regular {
			break
		}
	}
	if found.kind == absent {
		if m.name == "dpkg" {
			return c.dpkgParts(ctx, l)
		}
		return nil, nil
	}
	if p := l.openLowers(c.UserNS); p != nil {
		return nil, p.error()
	}
	set := newPackageSet()
	had := false
	for _, file := range m.files {
		low, err := l.inLower(file[1:])
		low.close()
		if err != nil {
			return nil, err
		}
		if low.kind != regular {
			continue
		}
		n, _, err := l.topmost(file[1:])
		if err == nil {
			err = readPackages(ctx, m, l.lowers[n], file, set, 0)
		}
		if err != nil {
			return nil, fmt.Errorf("in the image: %w", err)
		}
		had = true
		break
	}
	if found.kind == regular {
		if err := readPackages(ctx, m, l.upper, path, set, 1); err != nil {
			return nil, err
		}
	} else if !had {
		return nil, nil
	}
	out := set.changes()
	out.Manager, out.Path = m.name, path
	if found.kind == regular {
		out.At = fact.NewTime(found.st.Ctime)
	}
	return out, nil
}

// readPackages adds one database to a state.
func readPackages(ctx context.Context, m *manager, root *rootfs.Root, path string, set *packageSet, state int) error {
	info, err := root.Stat(path)
	if err != nil {
		return err
	}
	if m.name != "rpm" && info.Size > maxDatabase {
		return fmt.Errorf("%s: %w of %d bytes", path, rootfs.ErrTooLarge, maxDatabase)
	}
	return m.read(ctx, root, path, func(name, arch, version string) error { return set.add(state, name, arch, version) })
}

// dpkgParts answers where upper has no status file: it may have dpkg's journal, or
// files of single packages.
func (c *Container) dpkgParts(ctx context.Context, l *layers) (*fact.PackageChange, error) {
	journal, err := l.upperNames(apt.JournalDir[1:])
	if err != nil {
		return nil, err
	}
	for _, name := range journal {
		if strings.Trim(name, "0123456789") == "" {
			return nil, rootfs.NewError(fact.Changing, apt.JournalDir+": dpkg is at work, or was interrupted")
		}
	}
	names, err := l.upperNames(apt.StatusDir[1:])
	if err != nil || len(names) == 0 {
		return nil, err
	}
	if p := l.openLowers(c.UserNS); p != nil {
		return nil, p.error()
	}
	m := &managers[0]
	set := newPackageSet()
	out := new(fact.PackageChange)
	var at fact.Time
	for _, name := range names {
		if strings.HasSuffix(name, ".md5sums") {
			continue
		}
		file := apt.StatusDir + "/" + name
		up, err := l.inUpper(file[1:])
		up.close()
		if err != nil {
			return nil, err
		}
		low, err := l.inLower(file[1:])
		low.close()
		if err != nil {
			return nil, err
		}
		if low.kind == regular {
			n, _, err := l.topmost(file[1:])
			if err == nil {
				err = readPackages(ctx, m, l.lowers[n], file, set, 0)
			}
			if err != nil {
				return nil, fmt.Errorf("in the image: %w", err)
			}
		}
		if up.kind == regular {
			if err := readPackages(ctx, m, l.upper, file, set, 1); err != nil {
				return nil, err
			}
			if t := fact.NewTime(up.st.Ctime); at.IsZero() || t.After(at.Time) {
				at = t
			}
		}
	}
	*out = *set.changes()
	out.Manager, out.Path, out.At = "dpkg", apt.StatusDir, at
	return out, nil
}

// below reports that upper has no directory for a name, but something else on the way: in
// an image whose /lib is a link, lib/apk is no place for a database.
func (l *layers) below(rel string) bool {
	parent, _ := splitRel(rel)
	dir, _, err := descend(l.upper, parent)
	if dir != nil {
		dir.Close()
	}
	return err == nil && dir == nil
}

// upperNames lists the names in a directory of upper, none if it has no such directory.
func (l *layers) upperNames(rel string) ([]string, error) {
	dir, _, err := descend(l.upper, rel)
	if err != nil || dir == nil {
		return nil, err
	}
	defer dir.Close()
	var names []string
	size := 0
	err = dir.Each(rootfs.NewNames(), func(e *rootfs.RawEntry) bool {
		size += len(e.Name)
		names = append(names, string(e.Name))
		return len(names) <= maxPackages && size <= maxPackageNames
	})
	if err == nil && (len(names) > maxPackages || size > maxPackageNames) {
		err = fmt.Errorf("/%s: %w", rel, errTooManyPackages)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return names, err
}

// error is the problem as an error with its reason.
func (p *problem) error() error { return rootfs.NewError(p.reason, p.detail) }
