package apt

import (
	"cmp"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/debversion"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
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
	// lost are branches whose security archive is enabled, and could not be read: a gap
	// says so, and nothing is known of their packages.
	lost    map[branch]bool
	esmApps bool // the archive of Ubuntu's ESM for universe and multiverse is in use
}

// bestEffort are the components whose packages the distribution's own security team
// does not promise to update: Debian's contrib and non-free (Debian security FAQ),
// Ubuntu's universe and multiverse, for which only ESM does (ubuntu.com/security/esm).
func (c *coverage) bestEffort(b branch) bool {
	switch b.component {
	case "universe", "multiverse":
		return b.origin == "Ubuntu" && !c.esmApps
	case "contrib", "non-free", "non-free-firmware":
		return b.origin == "Debian"
	}
	return false
}

// secure notes that a security archive's list is in use. Archives of ESM alone do
// not count: they come on top of the release's own security archive.
func (c *coverage) secure(in *index) {
	if b, ok := branchOf(in); ok && in.security && in.priority > 0 {
		c.secured[b] = true
	}
	if in.release.origin == "UbuntuESMApps" && in.priority > 0 {
		c.esmApps = true
	}
}

// lose notes that a list of an enabled security archive could not be read.
func (c *coverage) lose(in *index) {
	if b, ok := branchOf(in); ok && in.security && in.priority > 0 {
		c.lost[b] = true
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
	kernels := kernelsOf(db)
	var out []fact.UncoveredPackage
	db.each(func(p *installedPackage) {
		if kernels.superseded(p.name) {
			return // hosts/kernel-outdated judges what runs
		}
		if why, archive := c.outside(p, codename, db.nativeArch); why != "" {
			out = append(out, fact.UncoveredPackage{Name: p.name, Arch: p.arch, Version: p.version, Why: why, Archive: archive})
		} else if kernels.stuck(p.name) {
			out = append(out, fact.UncoveredPackage{Name: p.name, Arch: p.arch, Version: p.version, Why: fact.OutsideUpgrade})
		}
	})
	// Those that decide come first: the list is cut.
	worst := func(p fact.UncoveredPackage) int {
		if p.Why == fact.OutsideComponent {
			return 0
		}
		return 1
	}
	sorted.Func(out, func(a, b fact.UncoveredPackage) int {
		return cmp.Or(cmp.Compare(worst(a), worst(b)), strings.Compare(a.Name, b.Name), strings.Compare(a.Arch, b.Arch), debversion.Compare(a.Version, b.Version))
	})
	return out
}

// outside says why no security archive covers a package, "" if one does.
func (c *coverage) outside(p *installedPackage, codename, nativeArch string) (why fact.Outside, archive string) {
	listed, ours, secured, lost, promised, newest := "", false, false, false, false, ""
	for _, v := range p.versions {
		for _, in := range v.indexes {
			if in.status {
				continue
			}
			if listed == "" || v.text == p.version {
				listed = in.release.name()
			}
			b, ok := branchOf(in)
			if isESM(in) && in.priority > 0 && in.release.codename == codename {
				// ESM lists only what it has updated, so that it covers this package.
				secured, promised, ok = true, true, true
				b.codename = codename
			}
			if !ok || b.codename != codename {
				continue
			}
			ours, promised = true, promised || !c.bestEffort(b)
			if newest == "" || debversion.Less(newest, v.text) {
				newest = v.text
			}
			secured, lost = secured || c.secured[b], lost || c.lost[b]
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
	case !secured && lost:
		return "", ""
	case !secured:
		return fact.OutsideComponent, listed
	case !promised:
		return fact.OutsideBestEffort, listed
	}
	return "", ""
}

// kernelFlavour is the flavour of a kernel package whose name holds its release:
// "cloud-amd64" of linux-image-6.1.0-56-cloud-amd64. A newer kernel has another
// name, so that apt offers it only through a metapackage.
func kernelFlavour(name string) string {
	return flavourOf(kernelRelease(name))
}

// flavourOf is the flavour in a kernel's release, "" if it has none.
func flavourOf(release string) string {
	// VERSION-ABI-FLAVOUR; a kernel that somebody built has no ABI number.
	_, rest, _ := strings.Cut(release, "-")
	abi, flavour, _ := strings.Cut(rest, "-")
	if strings.Trim(abi, "0123456789") != "" {
		return rest
	}
	return flavour
}

// abiOf is a release without its flavour: "6.1.0-56", which the names of headers
// and modules hold too.
func abiOf(release string) string {
	if flavour := flavourOf(release); flavour != "" {
		return strings.TrimSuffix(release, "-"+flavour)
	}
	return release
}

// kernels are the installed kernel packages, and what leads to newer ones.
type kernels struct {
	newest map[string]string // by flavour: the newest release
	led    map[string]string // by flavour: the newest version of a metapackage
	old    map[string]bool   // releases without their flavour that a newer one has replaced
}

func kernelsOf(db *database) kernels {
	k := kernels{newest: map[string]string{}, led: map[string]string{}, old: map[string]bool{}}
	newer := func(in map[string]string, flavour, version string) {
		if old, known := in[flavour]; !known || debversion.Less(old, version) {
			in[flavour] = version
		}
	}
	var releases []string
	db.each(func(p *installedPackage) {
		rest, found := strings.CutPrefix(p.name, "linux-image-")
		if !found {
			return
		}
		if release := kernelRelease(p.name); release != "" {
			releases = append(releases, release)
			newer(k.newest, kernelFlavour(p.name), release)
		} else {
			newer(k.led, metaFlavour(rest), debversion.Upstream(p.version))
		}
	})
	for _, release := range releases {
		if flavour := flavourOf(release); k.newest[flavour] != release {
			k.old[abiOf(release)] = true
		}
	}
	for _, release := range k.newest {
		delete(k.old, abiOf(release)) // one that another flavour still has is not old
	}
	return k
}

// superseded reports whether a package belongs to a kernel of which a newer one of
// the same flavour is installed: its image, modules, headers and tools stay until
// somebody removes them, when no list has them any more.
func (k kernels) superseded(name string) bool {
	if release := kernelRelease(name); release != "" {
		return k.newest[flavourOf(release)] != release
	}
	if !strings.HasPrefix(name, "linux-") {
		return false
	}
	for abi := range k.old {
		if _, rest, found := strings.Cut(name, "-"+abi); found && (rest == "" || rest[0] == '-') {
			return true
		}
	}
	return false
}

// stuck reports whether a package is the newest kernel of its flavour and no
// metapackage leads to newer ones of its series: another series of the same flavour
// (generic and generic-hwe) has updates of its own.
func (k kernels) stuck(name string) bool {
	release := kernelRelease(name)
	if release == "" {
		return false
	}
	led, known := k.led[flavourOf(release)]
	return !known || debversion.Less(seriesOf(led), seriesOf(release))
}

// seriesOf are the first two numbers of a kernel's version: "6.8".
func seriesOf(version string) string {
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(len(parts), 2)], ".")
}

// metaFlavour is the flavour that a metapackage leads to, of what follows
// linux-image-: Ubuntu's have a release or a series behind it (generic-hwe-24.04,
// oem-24.04b, aws-6.14, aws-lts-22.04), and virtual means generic.
func metaFlavour(rest string) string {
	if base, _, found := strings.Cut(rest, "-hwe-"); found {
		rest = base
	}
	for i := 1; i+1 < len(rest); i++ {
		if rest[i] == '-' && '0' <= rest[i+1] && rest[i+1] <= '9' && strings.Contains(rest[i:], ".") {
			rest = rest[:i]
			break
		}
	}
	rest = strings.TrimSuffix(rest, "-lts")
	if rest == "virtual" {
		return "generic"
	}
	return rest
}

// archivesOf are the archives in use of the lists that were read, each once. The
// security archives of the host's own release come first, and of these what shows
// least: those without a date, then the oldest. ESM is no security archive here: it
// comes on top of one, and is made anew only when it has an update.
func (c *coverage) archivesOf(db *database, used []*index) []fact.PackageArchive {
	codename := c.release(db)
	var out []fact.PackageArchive
	for _, in := range used {
		if in.priority <= 0 {
			continue
		}
		b, ok := branchOf(in)
		a := fact.PackageArchive{Name: in.release.name(), Security: ok && in.security && b.codename == codename}
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
	sorted.Stable(out, func(a, b fact.PackageArchive) int {
		if a.Security != b.Security {
			if a.Security {
				return -1
			}
			return 1
		}
		if a.Security {
			return cmp.Or(a.Date.Compare(b.Date.Time), a.ValidUntil.Compare(b.ValidUntil.Time), strings.Compare(a.Name, b.Name))
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out[:min(len(out), fact.MaxArchives)]
}

// isESM reports whether a list is of Ubuntu's Expanded Security Maintenance.
func isESM(in *index) bool {
	return in.release.origin == "UbuntuESM" || in.release.origin == "UbuntuESMApps"
}
