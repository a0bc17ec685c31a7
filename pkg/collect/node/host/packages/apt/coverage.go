package apt

import (
	"cmp"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/debversion"
)

// branch is what a distribution gives security updates for as a whole: one
// component of one release, for one architecture.
type branch struct{ origin, codename, component, arch string }

// branchOf is the branch that a list belongs to. ok is false for a list of
// another origin than Debian and Ubuntu, and for backports, which get no security
// updates of their own (https://backports.debian.org/FAQ/,
// https://wiki.ubuntu.com/UbuntuBackports).
func branchOf(in *index) (b branch, ok bool) {
	rel := &in.release
	if in.status || rel.origin != "Debian" && rel.origin != "Ubuntu" || strings.Contains(rel.suite+rel.codename, "-backports") {
		return branch{}, false
	}
	codename := rel.codename
	if codename == "" {
		codename = rel.suite
	}
	// Debian's pockets have codenames of their own (trixie-security); Ubuntu's do not.
	for _, pocket := range []string{"-security", "-updates", "-proposed-updates", "-proposed"} {
		codename = strings.TrimSuffix(codename, pocket)
	}
	// Debian's security archive once named its components "updates/main".
	return branch{rel.origin, codename, strings.TrimPrefix(in.component, "updates/"), in.arch}, codename != ""
}

// coverage decides which installed packages get security updates from the lists
// that were read: a package of this release, in a component and for an
// architecture of which a security archive is in use.
type coverage struct {
	codename string // of the host's release, "" if os-release has none
	secured  map[branch]bool
}

// secure notes that a security archive's list is in use. Archives of ESM alone do
// not count: they come on top of the release's own security archive.
func (c *coverage) secure(in *index) {
	if b, ok := branchOf(in); ok && in.security && in.priority > 0 {
		c.secured[b] = true
	}
}

// release is the codename by which packages are matched: the host's own. Without
// one in os-release, it is the one of which most installed versions are listed.
func (c *coverage) release(db *database) string {
	if c.codename != "" {
		return c.codename
	}
	counts := map[string]int{}
	db.each(func(p *installedPackage) {
		of := map[string]bool{}
		for _, v := range p.versions {
			if v.text != p.version {
				continue
			}
			for _, in := range v.indexes {
				if b, ok := branchOf(in); ok {
					of[b.codename] = true
				}
			}
		}
		for codename := range of {
			counts[codename]++
		}
	})
	best := ""
	for codename, n := range counts {
		if n > counts[best] || n == counts[best] && codename < best {
			best = codename
		}
	}
	return best
}

// uncovered lists the installed packages that get no security updates, sorted.
func (c *coverage) uncovered(db *database) []fact.UncoveredPackage {
	codename := c.release(db)
	led := ledFlavours(db)
	var out []fact.UncoveredPackage
	db.each(func(p *installedPackage) {
		if why, archive := c.outside(p, codename, db.nativeArch); why != "" {
			out = append(out, fact.UncoveredPackage{Name: p.name, Arch: p.arch, Version: p.version, Why: why, Archive: archive})
		} else if flavour := kernelFlavour(p.name); flavour != "" && !led[flavour] {
			out = append(out, fact.UncoveredPackage{Name: p.name, Arch: p.arch, Version: p.version, Why: fact.OutsideUpgrade})
		}
	})
	slices.SortFunc(out, func(a, b fact.UncoveredPackage) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Arch, b.Arch), debversion.Compare(a.Version, b.Version))
	})
	return out
}

// outside says why no security archive covers a package, "" if one does.
func (c *coverage) outside(p *installedPackage, codename, nativeArch string) (why fact.Outside, archive string) {
	listed, ours, secured, newest := "", false, false, ""
	for _, v := range p.versions {
		for _, in := range v.indexes {
			if in.status {
				continue
			}
			if listed == "" || v.text == p.version {
				listed = in.release.name()
			}
			b, ok := branchOf(in)
			if !ok || b.codename != codename {
				continue
			}
			ours = true
			if newest == "" || debversion.Less(newest, v.text) {
				newest = v.text
			}
			secured = secured || c.secured[b]
			// A package of every architecture is in the native list too.
			if b.arch = nativeArch; in.arch == "all" {
				secured = secured || c.secured[b]
			}
		}
	}
	switch {
	case listed == "":
		return fact.OutsideLists, ""
	case !ours:
		return fact.OutsideRelease, listed
	case debversion.Less(newest, p.version):
		return fact.OutsideVersions, listed
	case !secured:
		return fact.OutsideComponent, listed
	}
	return "", ""
}

// kernelFlavour is the flavour of a kernel package whose name holds its release:
// "cloud-amd64" of linux-image-6.1.0-56-cloud-amd64. A newer kernel has another
// name, so that apt offers it only through a metapackage.
func kernelFlavour(name string) string {
	release := kernelRelease(name)
	if release == "" {
		return ""
	}
	// VERSION-ABI-FLAVOUR; a kernel that somebody built has no ABI number.
	_, rest, _ := strings.Cut(release, "-")
	abi, flavour, _ := strings.Cut(rest, "-")
	if strings.Trim(abi, "0123456789") != "" {
		return rest
	}
	return flavour
}

// ledFlavours are the kernel flavours for which a metapackage is installed:
// linux-image-FLAVOUR, on Ubuntu also with -hwe-RELEASE and the like behind it,
// and linux-image-virtual for generic.
func ledFlavours(db *database) map[string]bool {
	led := map[string]bool{}
	db.each(func(p *installedPackage) {
		rest, found := strings.CutPrefix(p.name, "linux-image-")
		if !found || kernelRelease(p.name) != "" {
			return
		}
		if base, _, isHWE := strings.Cut(rest, "-hwe-"); isHWE {
			rest = base
		}
		if rest == "virtual" {
			rest = "generic"
		}
		led[rest] = true
		// Ubuntu's clouds pin a release behind the flavour: aws-lts-22.04.
		if base, _, isLTS := strings.Cut(rest, "-lts-"); isLTS {
			led[base] = true
		}
	})
	return led
}

// archivesOf are the archives of the lists that were read, each once, those with
// security updates first.
func archivesOf(used []*index) []fact.PackageArchive {
	var out []fact.PackageArchive
	for _, in := range used {
		a := fact.PackageArchive{Name: in.release.name(), Security: in.security && in.priority > 0}
		if !in.release.date.IsZero() {
			a.Date = fact.NewTime(in.release.date)
		}
		if !in.release.validUntil.IsZero() {
			a.ValidUntil = fact.NewTime(in.release.validUntil)
		}
		if !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	slices.SortStableFunc(out, func(a, b fact.PackageArchive) int {
		if a.Security != b.Security {
			if a.Security {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out[:min(len(out), fact.MaxArchives)]
}
