package rpm

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/rpm/repodata"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rpmversion"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// offers are the updates that repositories have for the installed packages.
//
// The rule is dnf's (libdnf, what_upgrades and filterAdvisory): an update has the
// name of an installed package, fits its architecture, and is newer than the newest
// that is installed; or it obsoletes an installed package. It is a security update
// if a security advisory names a version of it that is newer than the installed one
// and not newer than the update. What dnf hides is kept apart, as hidden.
type offers struct {
	db  *database
	all []offer
	// zypper: an advisory alone says what is needed, whichever version a repository
	// would install.
	zypper bool
	// hides reports whether an update is hidden by excludes, locks or modules; ignored
	// that it is of another module stream than the installed package, so no update.
	hides func(r *repository, n nevra, p *installed) (hidden, ignored bool)
	// unwanted reports whether an advisory counts only as held back (zypper's locks).
	unwanted func(id string) bool
	// active reports whether a module stream, NAME:STREAM, is in use.
	active func(stream string) bool

	// priority is the first repository that offers a name that is not installed.
	// It hides those with a worse priority. Repositories are read in the order of
	// their priorities.
	priority map[string]*repository
	// flat is true if no priority differs.
	flat bool
	text []byte
	// obsoleters are the packages that would replace an installed one of another
	// name, by their name.
	obsoleters map[string][]int32
	// vendors have packages in repositories with advisories: VENDOR, and the release
	// of the distribution.
	vendors map[string]bool
	// plain are the repositories without advisories, from 1, with whether one with
	// advisories lists an installed package of theirs too.
	plain []plainRepository
	texts int // bytes of versions and names of updates
	// needed, if set, gets each advisory that is needed, for tests.
	needed func(advisory, name string)
}

// Bounds of the packages with an update, and of the bytes of their texts: a large host
// has 5,000 packages, and 100,000 updates would take more memory than the probe has.
const (
	maxOffers     = 15_000
	maxOfferTexts = 4 << 20
)

type plainRepository struct {
	repo   *repository
	paired bool
}

// maxVendors bounds offers.vendors.
const maxVendors = 1024

// offer is what there is for one installed package.
type offer struct {
	pkg             int32
	visible, hidden version
	// The newest security advisory up to the visible update, above it up to the
	// hidden one, and above both.
	fixVisible, fixHidden, fixMissing fix
}

type version struct {
	evr string // "" for none
	// name is that of the package if it is another one, which obsoletes the installed.
	name string
	arch string
	repo *repository
}

type fix struct {
	evr, advisory string
	held          bool
}

func newOffers(db *database) *offers {
	return &offers{
		db: db, priority: map[string]*repository{}, obsoleters: map[string][]int32{}, vendors: map[string]bool{}, plain: make([]plainRepository, 1),
		hides:    func(*repository, nevra, *installed) (bool, bool) { return false, false },
		unwanted: func(string) bool { return false },
		active:   func(string) bool { return true },
	}
}

// of returns what is kept for an installed package.
func (o *offers) of(p *installed) (*offer, error) {
	if p.offers < 0 {
		if len(o.all) == maxOffers {
			return nil, fmt.Errorf("%w of %d packages with updates", rootfs.ErrTooLarge, maxOffers)
		}
		p.offers = int32(len(o.all))
		o.all = append(o.all, offer{pkg: o.index(p)})
	}
	return &o.all[p.offers], nil
}

// index is the place of an installed package in its database.
func (o *offers) index(p *installed) int32 {
	at, _ := o.db.byName[p.name()]
	for at >= 0 && o.db.at(at) != p {
		at = o.db.at(at).next
	}
	return at
}

// add takes a package of a repository.
func (o *offers) add(r *repository, q *repodata.Package) error {
	if r.advisories && len(o.vendors) < maxVendors && len(q.Vendor) > 0 {
		o.text = appendBranch(o.text[:0], q.Vendor, q.Release)
		if !o.vendors[string(o.text)] {
			o.vendors[string(o.text)] = true
		}
	}
	_, known := o.db.byName[string(q.Name)]
	if !known && len(q.Obsoletes) == 0 {
		return nil
	}
	o.text = repodata.AppendEVR(o.text[:0], q.Epoch, q.Version, q.Release)
	evr, arch := string(o.text), o.db.words.text(q.Arch)
	var n nevra
	if !known || !o.flat || len(q.Obsoletes) > 0 {
		n = nevraOf(q)
	}
	if known {
		mark := listedPlain
		if r.advisories {
			mark = listedAdvisory
		}
		var latest *installed
		newer := true
		for at := o.db.byName[string(q.Name)]; at >= 0; at = o.db.at(at).next {
			p := o.db.at(at)
			if !fits(o.db.words.list[p.arch], arch) {
				continue
			}
			p.listed |= mark
			if !r.advisories && p.plain == 0 {
				p.plain = o.plainNumber(r)
			}
			order := rpmversion.Compare(p.evr(), evr)
			if order <= 0 {
				p.listed |= listedReached
			}
			newer = newer && order < 0
			if latest == nil || rpmversion.Compare(latest.evr(), p.evr()) < 0 {
				latest = p
			}
		}
		if latest != nil && (newer || !o.flat) {
			if o.flat {
				n = nevraOf(q)
			}
			hidden, ignored := o.hides(r, n, latest)
			// A package that is no update has a priority too.
			if !hidden && !ignored {
				hidden = o.worse(r, n.name)
			}
			if !ignored && newer {
				if err := o.offer(latest, version{evr: evr, arch: arch, repo: r}, hidden); err != nil {
					return err
				}
			}
		}
	}
	for i := range q.Obsoletes {
		if err := o.obsoletes(r, n, evr, &q.Obsoletes[i]); err != nil {
			return err
		}
	}
	return nil
}

// plainNumber is the place of a repository in plain; packages come repository after
// repository.
func (o *offers) plainNumber(r *repository) uint16 {
	if last := len(o.plain) - 1; o.plain[last].repo != r {
		o.plain = append(o.plain, plainRepository{repo: r})
	}
	return uint16(len(o.plain) - 1)
}

func nevraOf(q *repodata.Package) nevra {
	return nevra{string(q.Name), string(q.Epoch), string(q.Version), string(q.Release), string(q.Arch)}
}

// worse reports whether a repository of a better priority has visible packages of a
// name.
func (o *offers) worse(r *repository, name string) bool {
	if o.zypper {
		return false
	}
	if at, installed := o.db.byName[name]; installed {
		p := o.db.at(at)
		if p.repo == nil {
			p.repo = r
		}
		return r.priority > p.repo.priority
	}
	if o.priority[name] == nil {
		o.priority[name] = r
	}
	return r.priority > o.priority[name].priority
}

func (o *offers) offer(p *installed, v version, hidden bool) error {
	have, err := o.of(p)
	if err != nil {
		return err
	}
	to := &have.visible
	if hidden {
		to = &have.hidden
	}
	order := 1
	if to.evr != "" {
		order = rpmversion.Compare(v.evr, to.evr)
		if (v.name != "") != (to.name != "") { // an update before a package of another name
			order = 1
			if v.name != "" {
				order = -1
			}
		}
	}
	if order > 0 || order == 0 && v.repo.advisories && !to.repo.advisories {
		*to = v
		if o.texts += len(v.evr) + len(v.name); o.texts > maxOfferTexts {
			return fmt.Errorf("%w of %d bytes of updates", rootfs.ErrTooLarge, maxOfferTexts)
		}
	}
	return nil
}

// obsoletes takes a package that obsoletes installed ones of another name.
func (o *offers) obsoletes(r *repository, n nevra, evr string, rel *repodata.Relation) error {
	var failed error
	o.db.match(rel.Name, func(p *installed) {
		arch := o.db.words.list[p.arch]
		if p.name() == n.name || !fits(arch, n.arch) || failed != nil || !matchesRelation(p.evr(), rel) {
			return
		}
		if have := o.db.latest([]byte(n.name), n.arch); have != nil && rpmversion.Compare(have.evr(), evr) >= 0 {
			return // it is installed, and left the other one
		}
		hidden, ignored := o.hides(r, n, p)
		if ignored {
			return
		}
		if failed = o.offer(p, version{evr: evr, name: n.name, arch: n.arch, repo: r}, hidden || o.worse(r, n.name)); failed != nil {
			return
		}
		at := o.index(p)
		if list := o.obsoleters[n.name]; !slices.Contains(list, at) && len(list) < maxOffers {
			o.obsoleters[n.name] = append(list, at)
		}
	})
	return failed
}

// matchesRelation reports whether a version is what a relation asks for.
func matchesRelation(evr string, rel *repodata.Relation) bool {
	if len(rel.Flags) == 0 || len(rel.Version) == 0 {
		return true
	}
	if len(rel.Release) == 0 { // then only the versions count
		epoch, version, _ := rpmversion.Split(evr)
		evr = version
		if epoch != "" {
			evr = epoch + ":" + version
		}
	}
	order := rpmversion.Compare(evr, string(repodata.AppendEVR(nil, rel.Epoch, rel.Version, rel.Release)))
	switch string(rel.Flags) {
	case "LT":
		return order < 0
	case "LE":
		return order <= 0
	case "EQ":
		return order == 0
	case "GE":
		return order >= 0
	case "GT":
		return order > 0
	}
	return true // unknown: rather one update too many
}

// fix takes a package of a security advisory. All packages were taken before.
func (o *offers) fix(a *repodata.Advisory, f *repodata.Fix) error {
	if o.zypper && a.Retracted() {
		return nil
	}
	arch := string(f.Arch)
	for _, at := range o.obsoleters[string(f.Name)] {
		p := o.db.at(at)
		have := &o.all[p.offers]
		evr := string(repodata.AppendEVR(nil, f.Epoch, f.Version, f.Release))
		for _, v := range []struct {
			version
			to *fix
		}{{have.visible, &have.fixVisible}, {have.hidden, &have.fixHidden}} {
			if v.name == string(f.Name) && v.arch == arch && rpmversion.Compare(evr, v.evr) <= 0 {
				v.to.take(evr, a, o.unwanted)
			}
		}
	}
	if _, known := o.db.byName[string(f.Name)]; !known {
		return nil
	}
	p := o.db.latest(f.Name, arch)
	if p == nil {
		return nil
	}
	stream := ""
	if len(f.Module) > 0 {
		stream = string(f.Module) + ":" + string(f.Stream)
	}
	own := o.db.words.list[p.module]
	if stream != "" && stream != own && !o.active(stream) {
		return nil // of a stream that the host does not have
	}
	evr := string(repodata.AppendEVR(nil, f.Epoch, f.Version, f.Release))
	if rpmversion.Compare(p.evr(), evr) >= 0 {
		return nil
	}
	have, err := o.of(p)
	if err != nil {
		return err
	}
	upTo := func(v version) bool { return v.evr != "" && v.name == "" && rpmversion.Compare(evr, v.evr) <= 0 }
	switch {
	case upTo(have.visible):
		have.fixVisible.take(evr, a, o.unwanted)
	case upTo(have.hidden):
		have.fixHidden.take(evr, a, o.unwanted)
	case stream == "" && own != "" && !bytes.Contains(f.Release, []byte(".module")):
		// Not every distribution names the module in its advisories. This may be a
		// package outside of modules, which is no update of one of a module.
		return nil
	default:
		have.fixMissing.take(evr, a, o.unwanted)
	}
	if o.needed != nil {
		o.needed(string(a.ID), string(f.Name))
	}
	return nil
}

// take keeps the newest fix. One that is wanted counts before one that is not.
func (f *fix) take(evr string, a *repodata.Advisory, unwanted func(string) bool) {
	held := unwanted(string(a.ID))
	if f.evr != "" && (held && !f.held || held == f.held && rpmversion.Compare(f.evr, evr) >= 0) {
		return
	}
	*f = fix{evr, string(a.ID), held}
}

// pending are the updates. A package has up to two: what the host's tool would install,
// and what is hidden from it, if that is all there is or fixes more.
func (o *offers) pending() []fact.PendingUpdate {
	out := make([]fact.PendingUpdate, 0, len(o.all))
	for i := range o.all {
		have := &o.all[i]
		p := o.db.at(have.pkg)
		update := func(v version, f fix, held bool) {
			u := fact.PendingUpdate{
				Name: p.name(), Arch: o.db.words.list[p.arch], Installed: p.evr(), Candidate: v.evr,
				Security: f.evr, Advisory: f.advisory, Held: held || f.held,
			}
			if v.name != "" {
				u.Candidate = v.name + "-" + v.evr
			}
			if v.repo != nil {
				u.Archive = v.repo.id
				u.Unclassified = f.evr == "" && !v.repo.advisories
			}
			out = append(out, u)
		}
		if have.visible.evr != "" {
			update(have.visible, have.fixVisible, false)
		}
		if have.hidden.evr != "" && (have.visible.evr == "" || have.fixHidden.evr != "") {
			update(have.hidden, have.fixHidden, true)
		}
		// An advisory's package that no repository has: dnf cannot install it, and
		// zypper says that the patch is needed.
		if have.fixMissing.evr != "" && have.fixHidden.evr == "" {
			update(version{evr: have.fixMissing.evr}, have.fixMissing, !o.zypper)
		}
	}
	return slices.Clip(out)
}

// uncovered are the installed packages without security updates: at most
// fact.MaxUncovered, and how many there are. The distribution's own come first, because
// they decide.
func (o *offers) uncovered() ([]fact.UncoveredPackage, int) {
	var out []fact.UncoveredPackage
	count := 0
	others := func(p fact.UncoveredPackage) int {
		if p.Why == fact.OutsideOwn {
			return 0
		}
		return 1
	}
	less := func(a, b fact.UncoveredPackage) int {
		return cmp.Or(others(a)-others(b), strings.Compare(a.Name, b.Name), strings.Compare(a.Arch, b.Arch), rpmversion.Compare(a.Version, b.Version))
	}
	o.db.each(func(p *installed) {
		if p.listed&listedAdvisory != 0 {
			o.plain[p.plain].paired = true
		}
	})
	o.db.each(func(p *installed) {
		why := o.why(p)
		if why == "" {
			return
		}
		count++
		out = append(out, fact.UncoveredPackage{Name: p.name(), Arch: o.db.words.list[p.arch], Version: p.evr(), Why: why})
		if len(out) >= 4*fact.MaxUncovered {
			sorted.Func(out, less)
			out = out[:fact.MaxUncovered]
		}
	})
	sorted.Func(out, less)
	return slices.Clip(out[:min(len(out), fact.MaxUncovered)]), count
}

// why says why no repository with advisories covers a package, "" if one does.
//
// Fedora and SUSE have two repositories for a release: one that stays as it was
// released, without advisories, and one of updates, which lists a package only
// once it has an update. So a package that only the first lists is covered by a
// repository with advisories that has packages of the same vendor for the same
// release, if such a repository has updates for the first one: SUSE has two for each
// module, and a mirror may have left out the advisories of one repository alone.
func (o *offers) why(p *installed) fact.Outside {
	_, _, release := rpmversion.Split(p.evr())
	o.text = appendBranch(o.text[:0], o.db.words.list[p.vendor], release)
	own := p.vendor != 0 && o.vendors[string(o.text)]
	switch {
	case p.listed&(listedPlain|listedAdvisory) == 0 && own && !isDebug(p.name()):
		return fact.OutsideOwn
	case p.listed&(listedPlain|listedAdvisory) == 0:
		return fact.OutsideLists
	case p.listed&listedReached == 0:
		return fact.OutsideVersions
	case p.listed&listedAdvisory == 0 && (!own || !o.plain[p.plain].paired):
		return fact.OutsideAdvisory
	}
	return ""
}

// isDebug reports whether a package has nothing but symbols and sources for debuggers,
// whose repositories are enabled for the one command that installs them.
func isDebug(name string) bool {
	return strings.HasSuffix(name, "-debuginfo") || strings.HasSuffix(name, "-debugsource")
}

// appendBranch appends a vendor with the release of the distribution that a package was
// built for, as far as its own release says: ".fc40", ".el9", ".amzn2023".
func appendBranch[T string | []byte](dst []byte, vendor, release T) []byte {
	dst = append(append(dst, vendor...), 0)
	for i := range len(release) {
		if i > 0 && release[i-1] != '.' {
			continue
		}
		for _, prefix := range []string{"fc", "el", "amzn"} {
			end := i + len(prefix)
			if end >= len(release) || string(release[i:end]) != prefix {
				continue
			}
			start := end
			for end < len(release) && '0' <= release[end] && release[end] <= '9' {
				end++
			}
			if end > start {
				return append(dst, release[i:end]...)
			}
		}
	}
	return dst
}
