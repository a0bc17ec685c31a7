// Package apk reads what a host of Alpine or a relative has installed, and what its
// cached indexes have newer.
//
// The rules are apk's own, written from its manual pages (apk-repositories(5),
// apk-world(5), apk-cache(5), apk-package(5)): of all repositories without a tag, and
// those whose tag a package has in world, the highest version counts. No repository
// publishes advisories to the host, so no update is known to be about security.
//
// repositories.go, world.go and records.go parse; apk.go, index.go and kernels.go
// read files.
package apk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/apkversion"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/pkgset"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/unpack"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// databases are the places of the list of what is installed; the second one is that of
// systems without a /lib.
var databases = []string{"/lib/apk/db/installed", "/usr/lib/apk/db/installed"}

// Manager is apk. It is packages.Manager.
type Manager struct{}

// Name is "apk".
func (Manager) Name() string { return "apk" }

// Database is where it usually is.
func (Manager) Database() string { return databases[0] }

// Compare is the order of apk-package(5). What is not a version equals everything.
func (Manager) Compare(a, b string) int {
	order, _ := apkversion.Compare(a, b)
	return order
}

// installed is a package on the host, with what the repositories have.
type installed struct {
	name, version, arch string
	listed              bool       // a repository in use has its name
	current             bool       // and one has a version that is not older
	repo                int32      // one that has an older version
	best                *candidate // the highest version that world allows, if it is newer
	held                *candidate // the highest one that world does not allow, if it is newer
}

// candidate is a package of a repository.
type candidate struct {
	repo            int // in repositories.list
	version, origin string
}

// reader collects what apk's files say.
type reader struct {
	ctx      context.Context
	root     *rootfs.Root
	path     string // of the database
	packages []installed
	byName   map[string]int32
	tags     map[string]string // of the repository that a package is from, by name
	arch     string
	repos    repositories
	world    map[string]*wish
	unclear  map[string]bool // packages with versions that have no order
	offers   int             // candidates of all packages
	gaps     []fact.NodeGap
}

func (a *reader) gap(reason fact.Reason, detail string) {
	a.gaps = append(a.gaps, fact.NodeGap{What: fact.Packages, Reason: reason, Detail: rootfs.Text(detail)})
}

func (a *reader) fail(err error) { a.gap(rootfs.ReasonOf(err), err.Error()) }

// Read reads the installed database and the cached indexes of the repositories in
// use.
func (Manager) Read(ctx context.Context, root *rootfs.Root) (*fact.PackageState, []fact.NodeGap, error) {
	a := &reader{ctx: ctx, root: root, byName: map[string]int32{}, tags: map[string]string{}, unclear: map[string]bool{}}
	err := a.readInstalled()
	if err != nil && len(a.packages) == 0 {
		return nil, nil, err
	}
	if err != nil {
		a.fail(err)
	}
	state := &fact.PackageState{Database: a.path, Installed: len(a.packages)}
	if err == nil {
		var set pkgset.Set
		for i := range a.packages {
			set.Add(a.packages[i].name, a.packages[i].arch, a.packages[i].version)
		}
		state.Set = set.Sum()
	}
	if len(a.packages) == 0 {
		a.gap(fact.Truncated, a.path+": no installed package in it")
	}
	a.readConfig()
	a.readIndexes(state)
	if state.Indexes > 0 {
		a.judge(state)
	}
	return state, a.gaps, nil
}

// readInstalled reads the installed database, as far as it goes.
func (a *reader) readInstalled() error {
	return eachInstalled(a.ctx, a.root, &a.path, func(r *record) error {
		if len(a.packages) == maxInstalled {
			return errTooManyRecords
		}
		if _, twice := a.byName[r.name]; twice {
			return fmt.Errorf("two records of %q", rootfs.Excerpt(r.name))
		}
		a.byName[r.name] = int32(len(a.packages))
		a.packages = append(a.packages, installed{name: r.name, version: r.version, arch: r.arch})
		if r.tag != "" {
			a.tags[r.name] = r.tag
		}
		return nil
	})
}

// eachInstalled calls do for each record of the installed database, and says where it
// is.
func eachInstalled(ctx context.Context, root *rootfs.Root, path *string, do func(*record) error) error {
	for i, name := range databases {
		file, err := root.Open(name)
		if errors.Is(err, fs.ErrNotExist) && i+1 < len(databases) {
			continue
		}
		*path = name
		if err != nil {
			return err
		}
		defer file.Close()
		if err := parseRecords(unpack.Limit(ctx, file), true, do); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
	return fs.ErrNotExist
}

// readConfig reads the architecture, the repositories and world.
func (a *reader) readConfig() {
	if data, err := a.root.ReadFile("/etc/apk/arch", maxConfig); err == nil {
		a.arch, _, _ = strings.Cut(strings.TrimSpace(string(data)), "\n")
	} else if !errors.Is(err, fs.ErrNotExist) {
		a.fail(err)
	}
	if a.arch == "" {
		a.arch = a.commonArch()
	}
	add := func(path string) {
		data, err := a.root.ReadFile(path, maxConfig)
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			a.fail(err)
			return
		}
		a.repos.parse(data, path, a.arch)
	}
	add("/etc/apk/repositories")
	seen := map[string]bool{}
	for _, dir := range []string{"/etc/apk/repositories.d", "/lib/apk/repositories.d"} {
		entries, err := a.root.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			a.fail(err)
		}
		for _, e := range entries {
			if len(seen) < maxRepositories && strings.HasSuffix(e.Name, ".list") && e.Name[0] != '.' && !seen[e.Name] {
				seen[e.Name] = true
				add(dir + "/" + e.Name)
			}
		}
	}
	for i, err := range a.repos.errs {
		if i == 10 {
			a.gap(fact.Corrupt, fmt.Sprintf("%d more lines with repositories are not understood", len(a.repos.errs)-i))
			break
		}
		a.fail(err)
	}
	data, err := a.root.ReadFile("/etc/apk/world", 8*maxConfig)
	if err == nil {
		if a.world, err = parseWorld(data); err != nil {
			err = fmt.Errorf("/etc/apk/world: %w", err)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.fail(err)
	}
}

// commonArch is the architecture of most installed packages.
func (a *reader) commonArch() string {
	counts := map[string]int{}
	for i := range a.packages {
		if arch := a.packages[i].arch; arch != "noarch" && arch != "" && len(counts) < 64 {
			counts[arch]++
		}
	}
	best := ""
	for arch, n := range counts {
		if n > counts[best] || n == counts[best] && arch < best {
			best = arch
		}
	}
	return best
}

// judge makes updates of what the indexes offered.
func (a *reader) judge(state *fact.PackageState) {
	order := make([]int, len(a.packages))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return strings.Compare(a.packages[i].name, a.packages[j].name) })
	count := 0
	for i := range a.packages {
		for _, c := range []*candidate{a.packages[i].best, a.packages[i].held} {
			if c != nil {
				count++
			}
		}
	}
	state.Pending = make([]fact.PendingUpdate, 0, count)
	for _, i := range order {
		p := &a.packages[i]
		for _, c := range []*candidate{p.best, p.held} {
			if c == nil || c == p.held && p.best != nil && !newer(c.version, p.best.version) {
				continue
			}
			state.Pending = append(state.Pending, fact.PendingUpdate{
				Name: p.name, Arch: p.arch, Installed: p.version, Candidate: c.version, Archive: a.repos.list[c.repo].name(),
				Source: cmp.Or(c.origin, p.name), Unclassified: true, Held: c == p.held,
			})
		}
		outside, archive := fact.Outside(""), ""
		switch {
		case !p.listed:
			outside = fact.OutsideLists
		case !p.current && !a.unclear[p.name]:
			outside, archive = fact.OutsideVersions, a.repos.list[p.repo].name()
		}
		if outside != "" {
			if state.UncoveredCount++; state.UncoveredCount <= fact.MaxUncovered {
				state.Uncovered = append(state.Uncovered, fact.UncoveredPackage{Name: p.name, Arch: p.arch, Version: p.version, Why: outside, Archive: archive})
			}
		}
	}
	if len(state.Pending) == 0 {
		state.Pending = nil
	}
	if len(a.unclear) > 0 {
		names := make([]string, 0, len(a.unclear))
		for name := range a.unclear {
			names = append(names, name)
		}
		slices.Sort(names)
		a.gap(fact.Corrupt, fmt.Sprintf("%d packages have versions that apk does not order, such as %s, so their updates are unknown",
			len(names), rootfs.Excerpt(strings.Join(names[:min(len(names), 3)], ", "))))
	}
}

// newer reports whether a is known to be newer than b.
func newer(a, b string) bool {
	order, known := apkversion.Compare(a, b)
	return known && order > 0
}
