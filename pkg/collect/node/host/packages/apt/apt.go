// Package apt reads dpkg's database and the package lists that apt has fetched.
//
// The rules for updates are apt's own, written from its manual pages
// (sources.list(5), apt_preferences(5), apt.conf(5), deb822(5), deb-control(5),
// deb-version(7)) and tests compare them with apt: the names of lists against
// "apt-get indextargets", candidates against "apt-get -s dist-upgrade".
//
// apt.go, database.go and kernels.go read files; the others only parse bytes.
package apt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/osrelease"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/pkgset"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/unpack"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/debversion"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// listSuffixes are the compressions that apt keeps lists in, in the order in
// which it prefers them. The last one is not unpacked.
var listSuffixes = []string{"", ".lz4", ".zst", ".gz", ".xz", ".bz2", ".lzma"}

// maxConfig bounds one file of sources, preferences or apt.conf, bytes. Lists
// and dpkg's status are streamed.
const maxConfig = 1 << 20

const (
	aptLists = "/var/lib/apt/lists"
	aptStamp = "/var/lib/apt/periodic/update-success-stamp"
	aptEtc   = "/etc/apt"
)

// Manager is apt with dpkg's database. It is packages.Manager.
type Manager struct{}

// Name is "apt".
func (Manager) Name() string { return "apt" }

// Database is dpkg's status file.
func (Manager) Database() string { return dpkgStatus }

// Compare is the order of deb-version(7).
func (Manager) Compare(a, b string) int { return debversion.Compare(a, b) }

// Read reads dpkg's database and the lists of the enabled sources.
func (Manager) Read(ctx context.Context, root *rootfs.Root) (*fact.PackageState, []fact.NodeGap, error) {
	buf := make([]byte, scanBuffer)
	db, err := readDatabase(ctx, root, buf, true)
	if db == nil {
		return nil, nil, err
	}
	a := &aptReader{ctx: ctx, root: root, db: db, buf: buf}
	a.coverage.secured, a.coverage.lost = map[branch]bool{}, map[branch]bool{}
	if os := osrelease.Read(root); os.ID == "debian" || os.ID == "ubuntu" { // a derivative has codenames of its own
		a.coverage.codename = os.Codename
	}
	if err != nil {
		a.fail(err)
	}
	state := &fact.PackageState{Database: db.path, Installed: db.count}
	if err == nil {
		state.Set = setOf(db)
	}
	if db.count == 0 && err == nil {
		a.gap(fact.Truncated, db.path+": no installed package in it")
	}
	a.readConfig()
	a.readLists(state)
	state.Checked = a.checked()

	codename := a.coverage.release(db)
	for _, in := range a.used {
		b, ok := branchOf(in)
		in.own = ok && b.codename == codename
	}
	pol := policy{pins: a.pins, nativeArch: db.nativeArch}
	pol.setPriority(db.status) // it may be pinned too: "release a=now"
	db.each(func(p *installedPackage) { state.Pending = append(state.Pending, pol.pending(p)...) })
	if len(a.used) > 0 {
		state.Archives = a.coverage.archivesOf(db, a.used)
		state.Uncovered = a.coverage.uncovered(db)
		state.UncoveredCount = len(state.Uncovered)
		state.Uncovered = slices.Clip(state.Uncovered[:min(state.UncoveredCount, fact.MaxUncovered)])
	}
	return state, a.gaps, nil
}

// aptReader collects what apt's files say.
type aptReader struct {
	ctx  context.Context
	root *rootfs.Root
	db   *database
	buf  []byte

	options aptOptions
	sources []source
	pins    []pin
	gaps    []fact.NodeGap
	// used are the lists that were read, and those that are empty.
	used     []*index
	coverage coverage
	// broken is true once a source could not be parsed. Then no gap says that
	// there are too few.
	broken bool
}

func (a *aptReader) gap(reason fact.Reason, detail string) {
	a.gaps = append(a.gaps, fact.NodeGap{What: fact.Packages, Reason: reason, Detail: rootfs.Text(detail)})
}

func (a *aptReader) fail(err error) { a.gap(rootfs.ReasonOf(err), err.Error()) }

// files names the files that apt reads: FILE, then those of DIR in order.
func (a *aptReader) files(file, dir string, extensions ...string) []string {
	var paths []string
	if _, err := a.root.Stat(file); err == nil {
		paths = append(paths, file)
	} else if !errors.Is(err, fs.ErrNotExist) {
		a.fail(err)
	}
	entries, err := a.root.ReadDir(dir)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			a.fail(err)
		}
		return paths
	}
	for _, e := range entries {
		if !e.IsDir() && partName(e.Name, extensions...) {
			paths = append(paths, dir+"/"+e.Name)
		}
	}
	return paths
}

// confFiles names the files of apt.conf, the last of which wins.
func (a *aptReader) confFiles() []string {
	confs := a.files(aptEtc+"/apt.conf", aptEtc+"/apt.conf.d", "", ".conf")
	if len(confs) > 0 && confs[0] == aptEtc+"/apt.conf" {
		confs = append(confs[1:], confs[0])
	}
	return confs
}

// readConfig reads apt.conf, sources and preferences.
func (a *aptReader) readConfig() {
	for _, path := range a.confFiles() {
		data, err := a.root.ReadFile(path, maxConfig)
		if err != nil {
			a.fail(err)
			continue
		}
		settings, err := parseAptConf(data)
		if err != nil {
			a.fail(fmt.Errorf("%s: %w", path, err))
		}
		a.options.apply(settings)
	}
	for _, moved := range a.options.moved {
		a.gap(fact.Unsupported, "apt.conf moves apt's files: "+moved)
	}
	if archs := a.options.archs; len(archs) > 0 {
		a.db.archs = archs
	}

	for _, path := range a.files(aptEtc+"/sources.list", aptEtc+"/sources.list.d", ".list", ".sources") {
		data, err := a.root.ReadFile(path, maxConfig)
		if err != nil {
			a.fail(err)
			a.broken = true
			continue
		}
		parse := parseSourcesList
		if strings.HasSuffix(path, ".sources") {
			parse = parseDeb822Sources
		}
		sources, err := parse(data, path, a.db.nativeArch)
		if err != nil {
			a.fail(err)
			a.broken = true
		}
		if room := maxTargets - len(a.sources); len(sources) > room {
			a.gap(fact.Truncated, fmt.Sprintf("%s: more than %d sources", aptEtc, maxTargets))
			sources = sources[:room]
		}
		a.sources = append(a.sources, sources...)
	}

	if release := a.options.defaultRelease; release != "" {
		rule := pin{kind: "release", value: release, priority: 990, from: "APT::Default-Release"}
		if strings.HasPrefix(release, "/") {
			a.gap(fact.Unsupported, fmt.Sprintf("APT::Default-Release: regular expression %q is not evaluated", rootfs.Excerpt(release)))
		} else {
			a.pins = append(a.pins, rule)
		}
	}
	for _, path := range a.files(aptEtc+"/preferences", aptEtc+"/preferences.d", "", ".pref") {
		data, err := a.root.ReadFile(path, maxConfig)
		if err != nil {
			a.fail(err)
			continue
		}
		pins, unclear := parsePreferences(data, path)
		a.pins = append(a.pins, pins...)
		for _, text := range unclear {
			a.gap(fact.Unsupported, text)
		}
	}
}

// releaseFile is an archive's Release file, or the reason why it was not read.
type releaseFile struct {
	release release
	exists  bool
	err     error
}

// readLists reads the lists of all enabled sources.
func (a *aptReader) readLists(state *fact.PackageState) {
	entries, err := a.root.ReadDir(aptLists)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.fail(err)
		return
	}
	names := make(map[string]bool, len(entries))
	for _, e := range entries {
		names[e.Name] = true
	}
	if len(a.sources) == 0 {
		if !a.broken {
			a.gap(fact.NotPresent, aptEtc+": no source is enabled, so updates are unknown")
		}
		return
	}

	releases := map[string]*releaseFile{}
	done := map[string]bool{}
	missing, gapsBefore := 0, len(a.gaps)
	pol := policy{pins: a.pins, nativeArch: a.db.nativeArch}
	for _, src := range a.sources {
		for _, t := range src.targets(a.db.archs) {
			if done[t.list] {
				continue
			}
			if len(done) == maxTargets {
				a.gap(fact.Truncated, fmt.Sprintf("%s: more than %d package lists", aptEtc, maxTargets))
				return
			}
			done[t.list] = true
			rel := releases[t.release]
			if rel == nil {
				rel = a.readRelease(t.release, names)
				releases[t.release] = rel
				if rel.err != nil {
					a.fail(rel.err)
				}
				if rel.release.date.After(state.Content.Time) {
					state.Content = fact.NewTime(rel.release.date)
				}
			}
			in := &index{site: t.site, component: t.component, arch: t.arch, release: rel.release, security: rel.release.security()}
			in.release.sizes = nil
			pol.setPriority(in)
			name := t.list
			suffix := slices.IndexFunc(listSuffixes, func(suffix string) bool { return names[name+suffix] })
			if suffix < 0 {
				size, listed := rel.release.sizes[t.metaKey]
				switch {
				case listed && size == 0:
					a.use(in)
				case len(rel.release.sizes) > 0 && rel.err == nil && !listed:
					// The archive has no such list: apt skips it.
				case t.arch == "all" && (!rel.exists || !rel.release.supportsAll()):
				default:
					a.coverage.lose(in)
					missing++
					if missing <= 10 {
						a.gap(fact.NotPresent, fmt.Sprintf("%s is enabled, but %s/%s was not found", t.from, aptLists, t.list))
					}
				}
				continue
			}
			size := int64(-1)
			if n, listed := rel.release.sizes[t.metaKey]; listed {
				size = n
			}
			if err := a.readList(aptLists+"/"+name, listSuffixes[suffix], packageList{in: in, size: size}); err != nil {
				a.fail(err)
				a.coverage.lose(in)
				if a.ctx.Err() != nil {
					return
				}
				continue
			}
			state.Indexes++
			a.use(in)
		}
	}
	codename := a.coverage.release(a.db)
	security := false
	for b := range a.coverage.secured {
		security = security || b.codename == codename
	}
	if !security && state.Indexes > 0 && len(a.gaps) == gapsBefore {
		a.gap(fact.NotPresent, fmt.Sprintf("none of the %d package lists is from a security archive in use of this release (Debian-Security, Ubuntu's -security), "+
			"so security updates cannot be recognised", state.Indexes))
	}
	if missing > 10 {
		a.gap(fact.NotPresent, fmt.Sprintf("%d more lists of enabled sources were not found", missing-10))
	}
}

// use notes a list that was read, or that its archive says is empty.
func (a *aptReader) use(in *index) {
	a.used = append(a.used, in)
	a.coverage.secure(in)
}

func (a *aptReader) readList(path, suffix string, list packageList) error {
	path += suffix
	file, err := a.root.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	unpacked, closeUnpacked, err := unpack.Reader(file, suffix)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer closeUnpacked()
	r := unpack.Limit(a.ctx, unpacked)
	if err := offerList(r, list, a.db, a.buf); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// readRelease reads InRelease, else Release, of one archive.
func (a *aptReader) readRelease(prefix string, names map[string]bool) *releaseFile {
	for _, name := range []string{prefix + "InRelease", prefix + "Release"} {
		if !names[name] {
			continue
		}
		path := aptLists + "/" + name
		file, err := a.root.Open(path)
		if err != nil {
			return &releaseFile{exists: true, err: err}
		}
		defer file.Close()
		rel, err := parseRelease(unpack.Limit(a.ctx, file))
		if err != nil {
			err = fmt.Errorf("%s: %w", path, err)
		}
		return &releaseFile{release: rel, exists: true, err: err}
	}
	return &releaseFile{}
}

// checked is when the lists were last asked for. The lists' own mtime is the
// server's, and an update that changes nothing touches only lists/partial.
func (a *aptReader) checked() fact.Time {
	var latest time.Time
	if info, err := a.root.Stat(aptLists + "/partial"); err == nil {
		latest = info.Ctime
	}
	if info, err := a.root.Stat(aptStamp); err == nil && info.Mtime.After(latest) {
		latest = info.Mtime
	}
	if latest.IsZero() {
		return fact.Time{}
	}
	return fact.NewTime(latest)
}

// setOf is the sum of all installed packages.
func setOf(db *database) string {
	var set pkgset.Set
	set.Grow(db.count)
	db.each(func(p *installedPackage) { set.Add(p.name, p.arch, p.version) })
	return set.Sum()
}
