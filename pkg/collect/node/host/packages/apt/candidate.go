package apt

import (
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/debversion"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// index is a package list that was read, or (status) dpkg's own.
type index struct {
	site, component, arch string
	release               release
	priority              int
	security              bool
	own                   bool // of the host's own release
	status                bool
}

// installedPackage is a package of dpkg's database and what the lists offer.
type installedPackage struct {
	name string
	// arch is dpkg's word, the native one for "all": those two are one package.
	arch    string
	version string
	source  string // source package
	// sourceVersion is "" if it is the package's own.
	sourceVersion string
	held          bool
	installed     bool
	next          *installedPackage // of the same name
	versions      []version
}

// version is a version of a package, in dpkg's database or in lists.
type version struct {
	text    string
	arch    string // as the list says: "all" or an architecture
	indexes []*index
	phased  int // Phased-Update-Percentage, 100 if there is none
}

// offer records that a list has a version of the package, and counts in db.kept what
// that takes. At most maxVersions of them are kept: full is then true.
func (p *installedPackage) offer(db *database, in *index, text string, arch []byte, phased int) (full bool) {
	for i := range p.versions {
		if p.versions[i].text == text {
			v := &p.versions[i]
			if v.indexes[len(v.indexes)-1] != in { // a list can say a thing twice
				v.indexes = db.with(v.indexes, in)
			}
			v.phased = min(v.phased, phased)
			if !in.status {
				v.arch = db.archWord(arch)
			}
			return false
		}
	}
	if len(p.versions) == maxVersions {
		return true
	}
	const record = 300 // bytes of a version and its fact.PendingUpdate
	if !in.status {
		db.kept += record + len(text)
	}
	p.versions = append(p.versions, version{text: text, arch: db.archWord(arch), indexes: db.with(nil, in), phased: phased})
	return false
}

// maxSets bounds the lists of indexes that versions share.
const maxSets = 64

// with is a list of indexes and one more. Most versions are in the same few: they
// share a list.
func (db *database) with(list []*index, in *index) []*index {
	n := len(list)
	for _, known := range db.sets {
		if len(known) == n+1 && known[n] == in && slices.Equal(known[:n], list) {
			return known
		}
	}
	added := append(list[:n:n], in)
	if len(db.sets) < maxSets {
		db.sets = append(db.sets, added)
	}
	return added
}

// archWord is an architecture, which is one of few.
func (db *database) archWord(arch []byte) string {
	switch {
	case string(arch) == "all":
		return "all"
	case string(arch) == db.nativeArch:
		return db.nativeArch
	}
	return string(arch)
}

// Bounds of what is kept of lists: the versions of one package (an archive has one to
// ten), the bytes of all versions that are not installed, and those of one text.
const (
	maxVersions = 1000
	maxKept     = 4 << 20
	maxText     = 1 << 10
)

// policy decides as apt does (apt_preferences(5)).
type policy struct {
	pins       []pin
	nativeArch string
}

// setPriority gives an archive its priority: that of the first general pin
// that matches it, else 500, 1 for NotAutomatic, and 100 for the status file
// and for ButAutomaticUpgrades.
func (pol policy) setPriority(in *index) {
	switch {
	case in.status || in.release.notAutomatic && in.release.butAutomaticUpgrades:
		in.priority = 100
	case in.release.notAutomatic:
		in.priority = 1
	default:
		in.priority = 500
	}
	for _, p := range pol.pins {
		if p.packages == nil && p.matchesIndex(in) {
			in.priority = p.priority
			return
		}
	}
}

// priority of one version: that of the first specific pin that matches it,
// else the highest of the archives that have it.
func (pol policy) priority(p *installedPackage, v *version) int {
	best := never
	for _, in := range v.indexes {
		best = max(best, in.priority)
	}
	if best == never {
		return never // an archive that is never used lends nothing to a pin
	}
	for _, rule := range pol.pins {
		if rule.packages != nil && rule.matchesPackage(p.name, p.arch, pol.nativeArch) && rule.matchesVersion(v) {
			return rule.priority
		}
	}
	return best
}

// candidate is the version that apt would install: the highest priority, then
// the highest version. A version older than the installed one wins only from
// priority 1000; priority 0 and below never wins.
func (pol policy) candidate(p *installedPackage) *version {
	sorted.Stable(p.versions, func(a, b version) int { return debversion.Compare(b.text, a.text) })
	var best *version
	bestPriority := 0
	for i := range p.versions {
		v := &p.versions[i]
		priority := pol.priority(p, v)
		if priority <= bestPriority || priority < 1000 && debversion.Less(v.text, p.version) {
			continue
		}
		best, bestPriority = v, priority
	}
	return best
}

// pending returns the updates of a package: the one that apt would install, if
// there is one, and, as held, the newest from a security archive in use that
// preferences hold back, so that preferences do not hide it.
func (pol policy) pending(p *installedPackage) []fact.PendingUpdate {
	var updates []fact.PendingUpdate
	reach := p.version // no security update up to here is held back
	if candidate := pol.candidate(p); candidate != nil && debversion.Less(p.version, candidate.text) {
		reach = candidate.text
		update := p.update(candidate)
		for i := range p.versions { // newest first
			v := &p.versions[i]
			if !debversion.Less(p.version, v.text) || debversion.Less(candidate.text, v.text) {
				continue
			}
			if in := securityIndex(v); in != nil {
				update.Security, update.Archive = v.text, in.release.name()
				break
			}
		}
		if candidate.phased < 100 && update.Security == "" {
			// If a security update lies in between, apt does not wait.
			update.Phased, update.Phasing = candidate.phased, true
		}
		updates = append(updates, update)
	}
	for i := range p.versions {
		v := &p.versions[i]
		if !debversion.Less(reach, v.text) {
			break
		}
		if in := securityIndex(v); in != nil {
			update := p.update(v)
			update.Held, update.Security, update.Archive = true, v.text, in.release.name()
			updates = append(updates, update)
			break
		}
	}
	return updates
}

func (p *installedPackage) update(to *version) fact.PendingUpdate {
	return fact.PendingUpdate{
		Name: p.name, Arch: to.arch, Installed: p.version, Candidate: to.text, Source: p.source, Held: p.held,
	}
}

// securityIndex is a security archive that has the version: one in use, or the
// release's own, which preferences put out of use: what they hide is held back.
func securityIndex(v *version) *index {
	for _, in := range v.indexes {
		if in.security && (in.priority > 0 || in.own) {
			return in
		}
	}
	return nil
}
