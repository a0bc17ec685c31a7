package rpm

import (
	"context"
	"errors"
	"io/fs"
	"strconv"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/rpm/rpmdb"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// noVendor is what rpm prints for a package without a vendor: one that somebody
// built.
const noVendor = "(none)"

// source is a source package by the name of its file, without the epoch, which that
// does not have.
type source struct{ name, versionRelease string }

// Inventory lists what rpm's database has. It is packages.Lister.
func (Manager) Inventory(ctx context.Context, root *rootfs.Root) (list []fact.InstalledPackage, total int, gaps []fact.NodeGap, err error) {
	var sources []source            // of list, in its order
	var epochs map[source]uint32    // by those packages that have their source's version
	var vendors map[string]int      // how many packages each has
	var intern map[string]string    // thousands of packages have the same few
	text := func(s string) string { // one copy of equal texts
		if known, ok := intern[s]; ok {
			return known
		}
		intern[s] = s
		return s
	}
	begin := func() {
		list, sources = nil, nil
		epochs, vendors, intern = map[source]uint32{}, map[string]int{}, map[string]string{}
	}
	result, err := rpmdb.Read(ctx, root, nil, begin, func(p *rpmdb.Package) {
		if len(list) == fact.MaxInventory {
			return
		}
		from := sourceOf(p.SourceRPM)
		from.name, from.versionRelease = text(from.name), text(from.versionRelease)
		if from.versionRelease == p.VersionRelease() {
			if _, known := epochs[from]; !known || p.Name == from.name {
				epochs[from] = p.Epoch
			}
		}
		vendor := text(p.Vendor)
		if vendor == "" {
			vendor = noVendor
		}
		vendors[family(vendor)]++
		list = append(list, fact.InstalledPackage{Name: p.Name, Arch: text(p.Arch), Version: text(p.EVR()), Vendor: vendor})
		sources = append(sources, from)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil, err
	}
	if err != nil && len(list) == 0 {
		return nil, 0, nil, rootfs.NewError(reasonOf(err), err.Error())
	}
	for _, err := range incomplete(result, err) {
		gaps = append(gaps, fact.NodeGap{What: fact.Inventory, Reason: reasonOf(err), Detail: rootfs.Text(err.Error())})
	}
	main := ""
	for vendor, n := range vendors {
		if vendor != noVendor && (main == "" || n > vendors[main] || n == vendors[main] && vendor < main) {
			main = vendor
		}
	}
	for i := range list {
		p, from := &list[i], sources[i]
		if main == "" || family(p.Vendor) == main {
			p.Vendor = ""
		}
		if from.name != p.Name {
			p.Source = from.name
		}
		if version := from.version(epochs); version != p.Version {
			p.SourceVersion = version
		}
	}
	return list, result.Packages, gaps, nil
}

// version is the source's with its epoch, fact.UnknownVersion if no package has it:
// one of another version, such as perl-Errno of perl, can have another epoch too.
func (s source) version(epochs map[source]uint32) string {
	epoch, known := epochs[s]
	switch {
	case !known:
		return fact.UnknownVersion
	case epoch == 0:
		return s.versionRelease
	}
	return strconv.FormatUint(uint64(epoch), 10) + ":" + s.versionRelease
}

// sourceOf reads the file name of a source package: NAME-VERSION-RELEASE.src.rpm.
func sourceOf(file string) source {
	name, found := strings.CutSuffix(file, ".src.rpm")
	if !found {
		name, _ = strings.CutSuffix(file, ".nosrc.rpm")
	}
	release := strings.LastIndexByte(name, '-')
	if release <= 0 {
		return source{}
	}
	version := strings.LastIndexByte(name[:release], '-')
	if version <= 0 {
		return source{}
	}
	return source{name[:version], name[version+1:]}
}

// family is a vendor's name without what differs between packages of one
// distribution: openSUSE Leap has packages of "openSUSE" and of "SUSE LLC
// <https://www.suse.com/>".
func family(vendor string) string {
	if strings.Contains(strings.ToLower(vendor), "suse") {
		return "SUSE"
	}
	return vendor
}
