// Package pacman reads what a host of Arch Linux or a relative has installed, and
// what its copies of the repositories' databases have newer.
//
// The rules are pacman's own, written from its manual pages (pacman.conf(5),
// pacman(8), alpm(3)): the first repository that has a package's name counts, whatever
// later ones have. Tests compare with "pacman -Qu" and "pacman -Sup". No repository
// publishes advisories, so no update is known to be about security.
//
// config.go and desc.go parse; pacman.go, local.go and sync.go read files.
package pacman

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/pkgset"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/pacmanversion"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

const (
	configPath    = "/etc/pacman.conf"
	defaultDBPath = "/var/lib/pacman"
)

// Manager is pacman. It is packages.Manager.
type Manager struct{}

// Name is "pacman".
func (Manager) Name() string { return "pacman" }

// Database is where it usually is.
func (Manager) Database() string { return defaultDBPath + "/local" }

// Compare is the order of vercmp(8).
func (Manager) Compare(a, b string) int { return pacmanversion.Compare(a, b) }

// Read reads the local database and the databases of the enabled repositories.
func (Manager) Read(ctx context.Context, root *rootfs.Root) (*fact.PackageState, []fact.NodeGap, error) {
	c := readConfig(root)
	db, err := readLocal(ctx, root, c.dbPath+"/local")
	if errors.Is(err, fs.ErrNotExist) || err != nil && len(db.packages) == 0 {
		return nil, nil, err
	}
	if err != nil {
		c.fail(err)
	}
	state := &fact.PackageState{Database: db.path, Installed: len(db.packages)}
	if err == nil {
		var set pkgset.Set
		for i := range db.packages {
			set.Add(db.packages[i].name(), "", db.packages[i].version()) // the architecture is in another file
		}
		state.Set = set.Sum()
	}
	if len(db.packages) == 0 {
		c.gap(fact.Truncated, db.path+": no installed package in it")
	}
	if len(c.repositories) == 0 && len(c.gaps) == 0 {
		c.gap(fact.NotPresent, configPath+": no repository is enabled, so updates are unknown")
	}
	if info, err := root.Stat(c.dbPath + "/sync"); err == nil {
		state.Checked = fact.NewTime(info.Mtime) // of the last attempt
	}
	for i := range c.repositories {
		repo := &c.repositories[i]
		path := fmt.Sprintf("%s/sync/%s.db", c.dbPath, repo.name)
		archive, err := db.readSync(ctx, root, path, i, repo)
		if errors.Is(err, fs.ErrNotExist) {
			c.gap(fact.NotPresent, fmt.Sprintf("repository %s of %s is enabled, but %s was not found", repo.name, repo.from, path))
			continue
		}
		if err != nil {
			c.fail(fmt.Errorf("%s: %w", path, err))
			if ctx.Err() != nil {
				break
			}
			continue
		}
		state.Indexes++
		if archive.Date.After(state.Content.Time) {
			state.Content = archive.Date
		}
		if len(state.Archives) < fact.MaxArchives {
			state.Archives = append(state.Archives, archive)
		}
	}
	for _, u := range db.updates(root, c) {
		state.Pending = append(state.Pending, u.fact(c))
	}
	if state.Indexes > 0 {
		state.Uncovered, state.UncoveredCount = db.uncovered(root, c)
	}
	return state, c.gaps, nil
}

// update is one package for which there is something newer.
type update struct {
	installed *installed
	arch      string
	by        *candidate
	held      bool
}

func (u *update) fact(c *config) fact.PendingUpdate {
	source := u.by.base
	if source == "" {
		source = u.by.name
	}
	return fact.PendingUpdate{
		Name: u.installed.name(), Arch: u.arch, Installed: u.installed.version(), Candidate: u.by.version, Archive: c.repositories[u.by.repo].name,
		Source: source, Unclassified: true, Held: u.held,
	}
}

// updates is what "pacman -Su" would install, and what the configuration holds back:
// in the first repository that has one, a package that replaces an installed one,
// else its own newer version.
func (db *local) updates(root *rootfs.Root, c *config) []update {
	var all []update
	for i := range db.packages {
		p := &db.packages[i]
		newer := p.same != nil && p.same.newer
		hidden := p.hidden != nil && p.hidden.newer
		if !newer && !hidden && len(p.others) == 0 {
			continue
		}
		own := db.describe(root, p)
		add := func(by *candidate) (held bool) {
			held = by == p.hidden || c.ignores(p.name(), own.groups) || c.ignores(by.name, by.groups)
			all = append(all, update{p, own.arch, by, held})
			return held
		}
		// One that is held back leaves it to later repositories.
		replaced := -1
		for _, by := range p.others {
			if p.same != nil && by.repo > p.same.repo || replaced >= 0 && by.repo > replaced {
				break
			}
			if !add(by) {
				newer, replaced = false, by.repo
			}
		}
		if newer {
			add(p.same)
		}
		if hidden && (!newer || pacmanversion.Compare(p.hidden.version, p.same.version) > 0) {
			add(p.hidden)
		}
	}
	return all
}

// uncovered lists the packages that no repository has, and those that are newer than
// what the repositories have.
func (db *local) uncovered(root *rootfs.Root, c *config) (list []fact.UncoveredPackage, count int) {
	for i := range db.packages {
		p := &db.packages[i]
		u := fact.UncoveredPackage{Name: p.name(), Version: p.version(), Why: fact.OutsideLists}
		switch {
		case p.same != nil && p.same.older:
			u.Why, u.Archive = fact.OutsideVersions, c.repositories[p.same.repo].name
		case p.same != nil || len(p.others) > 0 || p.hidden != nil:
			continue
		}
		if count++; count <= fact.MaxUncovered {
			u.Arch = db.describe(root, p).arch
			list = append(list, u)
		}
	}
	return slices.Clip(list), count
}
