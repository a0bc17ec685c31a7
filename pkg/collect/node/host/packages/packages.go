// Package packages reads what a host has installed and what could be upgraded,
// from its package manager's own database and lists. It uses no network and
// starts no program.
package packages

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/image"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/osrelease"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/apk"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/apt"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/pacman"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/rpm"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// Manager is a package manager: where it keeps its data, and how it orders
// versions.
type Manager interface {
	// Name is its value in fact.PackageState.Manager: "apt".
	Name() string
	// Database says, for people, where it keeps the list of what is installed.
	Database() string
	// Read reads the database and, by the host's own lists, what could be
	// upgraded. The error is fs.ErrNotExist if the host has no such database,
	// and another error if nothing of the database was read. Gaps, of kind
	// fact.Packages, leave the state incomplete. The caller sorts the updates
	// and makes their texts valid UTF-8.
	Read(ctx context.Context, root *rootfs.Root) (*fact.PackageState, []fact.NodeGap, error)
	// Kernels lists the installed packages that bring a kernel of a known
	// release. With an error other than fs.ErrNotExist, it lists those that
	// were read before.
	Kernels(ctx context.Context, root *rootfs.Root) ([]fact.InstalledKernel, error)
	// Compare returns -1, 0 or +1 as version a is older than, equal to or newer
	// than b. Only the manager's own order is right for its versions.
	Compare(a, b string) int
}

// Lister is a Manager that lists what is installed, for fact.Host.Inventory.
type Lister interface {
	// Inventory lists the installed packages in any order, at most fact.MaxInventory
	// of total. The errors are as those of Read; gaps are of kind fact.Inventory. The
	// caller sorts the list and makes its texts valid UTF-8.
	Inventory(ctx context.Context, root *rootfs.Root) (list []fact.InstalledPackage, total int, gaps []fact.NodeGap, err error)
}

// Managers is the list of all. They are tried in this order.
func Managers() []Manager {
	return []Manager{
		apt.Manager{},
		rpm.Manager{},
		apk.Manager{},
		pacman.Manager{},
	}
}

// systems are the managers of systems, by words of ID and ID_LIKE (os-release(5)).
// Where no word is here, it is the one whose database exists, if there is no second one.
var systems = map[string]string{
	"fedora": "rpm", "rhel": "rpm", "centos": "rpm", "rocky": "rpm", "almalinux": "rpm", "ol": "rpm", "amzn": "rpm", "suse": "rpm",
	"opensuse": "rpm", "sles": "rpm", "mariner": "rpm", "azurelinux": "rpm", "photon": "rpm", "openEuler": "rpm",
	"debian": "apt", "ubuntu": "apt",
	"alpine": "apk", "postmarketos": "apk", "wolfi": "apk", "chainguard": "apk",
	"arch": "pacman", "archarm": "pacman", "manjaro": "pacman",
}

// managersOf is the system's own manager, or Managers if it is unknown. The database
// of another one may be there too, from a package that is named dpkg, rpm or pacman,
// and says nothing of the system.
func managersOf(os fact.OSRelease) []Manager {
	all := Managers()
	for _, word := range append([]string{os.ID}, strings.Fields(os.IDLike)...) {
		if own := systems[word]; own != "" {
			return slices.DeleteFunc(all, func(m Manager) bool { return m.Name() != own })
		}
	}
	return all
}

// Read reads the package database of a host's manager. The state is nil if no
// supported database was found; then a gap says why, except on a system that is
// updated as a whole (package image). Other gaps leave it incomplete.
func Read(ctx context.Context, root *rootfs.Root, os fact.OSRelease) (*fact.PackageState, []fact.NodeGap) {
	gap := func(reason fact.Reason, detail string) []fact.NodeGap {
		return []fact.NodeGap{{What: fact.Packages, Reason: reason, Detail: rootfs.Text(detail)}}
	}
	if root == nil {
		return nil, gap(fact.Unreadable, "the node's root was not opened")
	}
	if image.System(root, os) != "" {
		return nil, nil // its packages are not what is updated: see package image
	}
	system := cmp.Or(os.PrettyName, "a system without os-release")
	for _, m := range managersOf(os) {
		state, gaps, err := m.Read(ctx, root)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, gap(rootfs.ReasonOf(err), err.Error())
		}
		if other := second(ctx, root, os, m); other != "" {
			return nil, gap(fact.Unsupported, fmt.Sprintf("%s has the databases of both %s and %s, and os-release does not say which one is the system's", system, m.Name(), other))
		}
		finish(m, state)
		return state, gaps
	}
	return nil, gap(fact.NotPresent, fmt.Sprintf("%s has no package database in a known place: %s", system, places(os)))
}

// second is another manager whose database exists, "" if there is none: dpkg on a
// Fedora. Its order of versions would be wrong for the system's.
func second(ctx context.Context, root *rootfs.Root, os fact.OSRelease, first Manager) string {
	for _, m := range managersOf(os) {
		if m.Name() == first.Name() {
			continue
		}
		if _, err := m.Kernels(ctx, root); !errors.Is(err, fs.ErrNotExist) {
			return m.Name()
		}
	}
	return ""
}

// Inventory lists the packages of a host's manager. The list is nil if there is none;
// then a gap says why. Other gaps leave it incomplete.
func Inventory(ctx context.Context, root *rootfs.Root, os fact.OSRelease) ([]fact.InstalledPackage, []fact.NodeGap) {
	gap := func(reason fact.Reason, detail string) fact.NodeGap {
		return fact.NodeGap{What: fact.Inventory, Reason: reason, Detail: rootfs.Text(detail)}
	}
	if root == nil {
		return nil, []fact.NodeGap{gap(fact.Unreadable, "the node's root was not opened")}
	}
	if name := image.System(root, os); name != "" {
		return nil, []fact.NodeGap{gap(fact.Unsupported, name+" is updated as a whole image, whose packages are not listed yet")}
	}
	found := Installed(ctx, root, os, fact.Inventory)
	switch {
	case found.Manager != "":
	case len(found.Gaps) == 0:
		found.Gaps = []fact.NodeGap{gap(fact.Unsupported, cmp.Or(os.PrettyName, "a system without os-release")+" has no package database that can be listed yet")}
	}
	return found.Packages, found.Gaps
}

// List is what Installed found.
type List struct {
	// Manager is the one whose database was found and read, "" if there is none.
	Manager  string
	Packages []fact.InstalledPackage
	// Gaps say why there is no list, or leave it incomplete.
	Gaps []fact.NodeGap
}

// Installed lists the packages of a root directory, of a host or a container, by the
// database of its system's manager. Its gaps are of the given kind.
func Installed(ctx context.Context, root *rootfs.Root, os fact.OSRelease, kind fact.Kind) List {
	gap := func(reason fact.Reason, detail string) fact.NodeGap {
		return fact.NodeGap{What: kind, Reason: reason, Detail: rootfs.Text(detail)}
	}
	for _, m := range managersOf(os) {
		lister, ok := m.(Lister)
		if !ok {
			continue
		}
		list, total, gaps, err := lister.Inventory(ctx, root)
		for i := range gaps {
			gaps[i].What = kind
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return List{Gaps: []fact.NodeGap{gap(rootfs.ReasonOf(err), err.Error())}}
		case len(list) == 0 && len(gaps) > 0:
			return List{Gaps: gaps}
		case len(list) == 0:
			return List{Gaps: []fact.NodeGap{gap(fact.NotPresent, m.Database()+": no installed package in it")}}
		}
		for i := range list {
			p := &list[i]
			for _, text := range []*string{&p.Name, &p.Arch, &p.Version, &p.Source, &p.SourceVersion, &p.Vendor} {
				*text = shortText(*text)
			}
		}
		sorted.Func(list, func(a, b fact.InstalledPackage) int {
			return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Arch, b.Arch), m.Compare(a.Version, b.Version), strings.Compare(a.Version, b.Version))
		})
		if len(list) < total {
			gaps = append(gaps, gap(fact.Truncated, fmt.Sprintf("%s: %d of %d installed packages are listed", m.Database(), len(list), total)))
		}
		return List{m.Name(), list, gaps}
	}
	return List{}
}

// finish makes a manager's state fit for facts.
func finish(m Manager, state *fact.PackageState) {
	state.Manager = m.Name()
	for i := range state.Pending {
		u := &state.Pending[i]
		for _, text := range []*string{&u.Name, &u.Arch, &u.Installed, &u.Candidate, &u.Security, &u.Advisory, &u.Archive, &u.Source} {
			*text = rootfs.Text(*text)
		}
	}
	if pin := state.Pin; pin != nil {
		pin.Release, pin.Source = shortText(pin.Release), shortText(pin.Source)
	}
	for i := range state.Archives {
		state.Archives[i].Name = shortText(state.Archives[i].Name)
	}
	for i := range state.Uncovered {
		u := &state.Uncovered[i]
		for _, text := range []*string{&u.Name, &u.Arch, &u.Version, &u.Archive} {
			*text = shortText(*text)
		}
	}
	sorted.Func(state.Pending, func(a, b fact.PendingUpdate) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Arch, b.Arch), m.Compare(a.Candidate, b.Candidate))
	})
}

// maxText is far above any name, version or architecture; the host's record holds
// many of them.
const maxText = 256

func shortText(text string) string {
	if len(text) > maxText {
		text = rootfs.Excerpt(text)
	}
	return rootfs.Text(text)
}

// places says where a database was searched for: the first manager's place, and
// the others' names.
func places(os fact.OSRelease) string {
	all := managersOf(os)
	if len(all) == 1 {
		return "expected " + all[0].Name() + "'s " + all[0].Database()
	}
	names := make([]string, 0, len(all)-1)
	for _, m := range all[1:] {
		names = append(names, m.Name())
	}
	last := len(names) - 1
	return fmt.Sprintf("neither %s nor one of %s or %s", all[0].Database(), strings.Join(names[:last], ", "), names[last])
}

// Kernels lists the packages of the host's manager that bring a kernel. A host
// without a supported database has none.
func Kernels(ctx context.Context, root *rootfs.Root) ([]fact.InstalledKernel, error) {
	for _, m := range managersOf(osrelease.Read(root)) {
		if kernels, err := m.Kernels(ctx, root); !errors.Is(err, fs.ErrNotExist) {
			return kernels, err
		}
	}
	return nil, nil
}

// CorePackages lists the installed packages of which an update needs a reboot, with
// the path of the database. The error is fs.ErrNotExist if the host's distribution
// has no rule for that; with another one the list is not whole.
func CorePackages(ctx context.Context, root *rootfs.Root, os fact.OSRelease) ([]rpm.CorePackage, string, error) {
	// SUSE has another rule: a file (host.readReboot).
	suse := slices.ContainsFunc(append(strings.Fields(os.IDLike), os.ID), func(word string) bool { return strings.Contains(word, "suse") || word == "sles" })
	if suse || managersOf(os)[0].Name() != "rpm" || image.System(root, os) != "" {
		return nil, "", fs.ErrNotExist
	}
	return rpm.CorePackages(ctx, root)
}
