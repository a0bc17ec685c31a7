package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/debversion"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

const (
	aptLists = "/var/lib/apt/lists"
	aptStamp = "/var/lib/apt/periodic/update-success-stamp"
	aptEtc   = "/etc/apt"
)

// otherSystems are systems whose updates are no packages of their own, by ID of
// os-release: the whole image is replaced.
var otherSystems = map[string]string{
	"bottlerocket": "Bottlerocket", "cos": "Container-Optimized OS", "flatcar": "Flatcar Container Linux",
	"talos": "Talos Linux", "ubuntu-core": "Ubuntu Core", "rhcos": "Red Hat CoreOS", "kairos": "Kairos",
}

// otherDatabases are package databases that are found, and not read yet.
var otherDatabases = []struct{ path, manager string }{
	{"/usr/lib/sysimage/rpm", "rpm"},
	{"/var/lib/rpm", "rpm"},
	{"/lib/apk/db/installed", "apk"},
	{"/var/lib/pacman/local", "pacman"},
}

// readPackages reads the package database and, by the host's own lists, what
// could be upgraded. The state is nil if there is no database that is read;
// then a gap says why. Other gaps leave it incomplete.
func readPackages(ctx context.Context, root *rootfs.Root, os fact.OSRelease) (*fact.PackageState, []fact.NodeGap) {
	if root == nil {
		return nil, []fact.NodeGap{{What: fact.Packages, Reason: fact.Unreadable, Detail: "the node's root was not opened"}}
	}
	if gap := imageBased(root, os); gap != nil {
		return nil, []fact.NodeGap{*gap}
	}
	buf := make([]byte, scanBuffer)
	db, err := readDatabase(ctx, root, buf)
	if db == nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, []fact.NodeGap{foreignDatabase(root, os)}
		}
		return nil, []fact.NodeGap{gapOf(fact.Packages, err, fact.Unreadable)}
	}
	a := &aptReader{ctx: ctx, root: root, db: db, buf: buf}
	if err != nil {
		a.fail(err, fact.Corrupt)
	}
	state := &fact.PackageState{Manager: "apt", Database: db.path, Installed: db.count}
	if db.count == 0 && err == nil {
		a.gap(fact.Truncated, db.path+": no installed package in it")
	}
	a.readConfig()
	a.readLists(state)
	state.Checked = a.checked()

	pol := policy{pins: a.pins, nativeArch: db.nativeArch}
	pol.setPriority(db.status) // it may be pinned too: "release a=now"
	db.each(func(p *installedPackage) {
		for _, update := range pol.pending(p) {
			for _, text := range []*string{
				&update.Name, &update.Arch, &update.Installed, &update.Candidate, &update.Security, &update.Archive, &update.Source,
			} {
				*text = rootfs.Text(*text)
			}
			state.Pending = append(state.Pending, update)
		}
	})
	slices.SortFunc(state.Pending, func(a, b fact.PendingUpdate) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		if c := strings.Compare(a.Arch, b.Arch); c != 0 {
			return c
		}
		return debversion.Compare(a.Candidate, b.Candidate)
	})
	return state, a.gaps
}

// imageBased tells of a system that is updated as a whole.
func imageBased(root *rootfs.Root, os fact.OSRelease) *fact.NodeGap {
	name := otherSystems[os.ID]
	if name == "" && (os.VariantID == "coreos" || os.VariantID == "iot" || os.VariantID == "kinoite" || os.VariantID == "silverblue") {
		name = os.PrettyName
	}
	if name == "" {
		if _, err := root.Stat("/run/ostree-booted"); err == nil {
			name = os.PrettyName + " (booted from ostree)"
		}
	}
	if name == "" {
		return nil
	}
	return &fact.NodeGap{
		What: fact.Packages, Reason: fact.Unsupported,
		Detail: fmt.Sprintf("%s is updated as a whole image, which is not read yet", name),
	}
}

// foreignDatabase says which package manager there is, if not dpkg.
func foreignDatabase(root *rootfs.Root, os fact.OSRelease) fact.NodeGap {
	system := os.PrettyName
	if system == "" {
		system = "a system without os-release"
	}
	for _, d := range otherDatabases {
		if _, err := root.Stat(d.path); err == nil {
			return fact.NodeGap{
				What: fact.Packages, Reason: fact.Unsupported,
				Detail: fmt.Sprintf("%s has its packages in the %s database %s, which is not read yet", system, d.manager, d.path),
			}
		}
	}
	return fact.NodeGap{
		What: fact.Packages, Reason: fact.NotPresent,
		Detail: fmt.Sprintf("%s has no package database in a place that is known: neither %s nor one of rpm, apk or pacman", system, dpkgStatus),
	}
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
	// broken is true once a source could not be understood, so that nothing
	// more is said of there being too few.
	broken bool
}

func (a *aptReader) gap(reason fact.Reason, detail string) {
	a.gaps = append(a.gaps, fact.NodeGap{What: fact.Packages, Reason: reason, Detail: rootfs.Text(detail)})
}

func (a *aptReader) fail(err error, otherwise fact.Reason) {
	a.gaps = append(a.gaps, gapOf(fact.Packages, err, otherwise))
}

// files names the files that apt reads: FILE, then those of DIR in order.
func (a *aptReader) files(file, dir string, extensions ...string) []string {
	var paths []string
	if _, err := a.root.Stat(file); err == nil {
		paths = append(paths, file)
	} else if !errors.Is(err, fs.ErrNotExist) {
		a.fail(err, fact.Unreadable)
	}
	entries, err := a.root.ReadDir(dir)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			a.fail(err, fact.Unreadable)
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

// readConfig reads apt.conf, sources and preferences.
func (a *aptReader) readConfig() {
	confs := a.files(aptEtc+"/apt.conf", aptEtc+"/apt.conf.d", "", ".conf")
	if len(confs) > 0 && confs[0] == aptEtc+"/apt.conf" { // read last, so that it wins
		confs = append(confs[1:], confs[0])
	}
	for _, path := range confs {
		data, err := a.root.ReadFile(path, maxConfig)
		if err != nil {
			a.fail(err, fact.Unreadable)
			continue
		}
		settings, err := parseAptConf(data)
		if err != nil {
			a.fail(fmt.Errorf("%s: %w", path, err), fact.Corrupt)
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
			a.fail(err, fact.Unreadable)
			a.broken = true
			continue
		}
		parse := parseSourcesList
		if strings.HasSuffix(path, ".sources") {
			parse = parseDeb822Sources
		}
		sources, err := parse(data, path, a.db.nativeArch)
		if err != nil {
			a.fail(err, fact.Corrupt)
			a.broken = true
		}
		a.sources = append(a.sources, sources...)
	}

	if release := a.options.defaultRelease; release != "" {
		rule := pin{kind: "release", value: release, priority: 990, from: "APT::Default-Release"}
		if strings.HasPrefix(release, "/") {
			a.gap(fact.Unsupported, fmt.Sprintf("APT::Default-Release: regular expression %q is not evaluated", excerpt(release)))
		} else {
			a.pins = append(a.pins, rule)
		}
	}
	for _, path := range a.files(aptEtc+"/preferences", aptEtc+"/preferences.d", "", ".pref") {
		data, err := a.root.ReadFile(path, maxConfig)
		if err != nil {
			a.fail(err, fact.Unreadable)
			continue
		}
		pins, unclear := parsePreferences(data, path)
		a.pins = append(a.pins, pins...)
		for _, text := range unclear {
			a.gap(fact.Unsupported, text)
		}
	}
}

// releaseFile is an archive's Release file, or why there is none.
type releaseFile struct {
	release release
	exists  bool
	err     error
}

// readLists reads the lists of all enabled sources.
func (a *aptReader) readLists(state *fact.PackageState) {
	entries, err := a.root.ReadDir(aptLists)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.fail(err, fact.Unreadable)
		return
	}
	names := make(map[string]bool, len(entries))
	for _, e := range entries {
		names[e.Name] = true
	}
	if len(a.sources) == 0 {
		if !a.broken {
			a.gap(fact.NotPresent, aptEtc+": no source is enabled, so nothing is known of updates")
		}
		return
	}

	releases := map[string]*releaseFile{}
	done := map[string]bool{}
	missing, security, gapsBefore := 0, false, len(a.gaps)
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
					a.fail(rel.err, fact.Corrupt)
				}
				if rel.release.date.After(state.Content.Time) {
					state.Content = fact.NewTime(rel.release.date)
				}
			}
			name := t.list
			suffix := slices.IndexFunc(listSuffixes, func(suffix string) bool { return names[name+suffix] })
			if suffix < 0 {
				size, listed := rel.release.sizes[t.metaKey]
				switch {
				case listed && size == 0:
					security = security || rel.release.security()
				case len(rel.release.sizes) > 0 && rel.err == nil && !listed:
					// The archive has no such list: apt passes over it.
				case t.arch == "all" && (!rel.exists || !rel.release.supportsAll()):
				default:
					missing++
					if missing <= 10 {
						a.gap(fact.NotPresent, fmt.Sprintf("%s is enabled, but there is no %s/%s", t.from, aptLists, t.list))
					}
				}
				continue
			}
			size := int64(-1)
			if n, listed := rel.release.sizes[t.metaKey]; listed {
				size = n
			}
			in := &index{site: t.site, component: t.component, arch: t.arch, release: rel.release, security: rel.release.security()}
			in.release.sizes = nil
			pol.setPriority(in)
			if err := a.readList(aptLists+"/"+name, listSuffixes[suffix], packageList{in: in, size: size}); err != nil {
				a.fail(err, fact.Corrupt)
				if a.ctx.Err() != nil {
					return
				}
				continue
			}
			state.Indexes++
			security = security || in.security && in.priority > 0
		}
	}
	if !security && state.Indexes > 0 && len(a.gaps) == gapsBefore {
		a.gap(fact.NotPresent, fmt.Sprintf("none of the %d package lists is of a security archive in use (Debian-Security, Ubuntu's -security or ESM), "+
			"so security updates cannot be told from others", state.Indexes))
	}
	if missing > 10 {
		a.gap(fact.NotPresent, fmt.Sprintf("%d more lists of enabled sources are not there", missing-10))
	}
}

func (a *aptReader) readList(path, suffix string, list packageList) error {
	path += suffix
	file, err := a.root.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	unpacked, closeUnpacked, err := decompress(file, suffix)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer closeUnpacked()
	r := &limitedReader{ctx: a.ctx, r: unpacked, left: maxListBytes}
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
		rel, err := parseRelease(&limitedReader{ctx: a.ctx, r: file, left: maxListBytes})
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
