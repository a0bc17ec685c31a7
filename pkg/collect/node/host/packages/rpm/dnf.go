package rpm

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/rpm/repodata"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// dnf reads the repositories of dnf 4 and 5, by dnf.conf(5): the configuration, the
// repositories that it enables, and of each the cache directory whose name follows
// from its URL.
func (r *reader) dnf() {
	has := func(path string) bool { _, err := r.root.Stat(path); return err == nil }
	// Both can be installed. dnf is then the link to the one that is used.
	five := has("/usr/bin/dnf5") || !has("/usr/bin/dnf") && has("/var/cache/libdnf5")
	if target, err := r.root.Readlink("/usr/bin/dnf"); err == nil {
		five = strings.HasSuffix(target, "dnf5")
	}

	main := map[string]string{}
	var sections []section
	files := []string{"/etc/dnf/dnf.conf"}
	if five {
		files = append(append(r.names("/usr/share/dnf5/libdnf.conf.d", ".conf"), r.names("/etc/dnf/libdnf5.conf.d", ".conf")...), files...)
	}
	for _, file := range files {
		for _, s := range r.config(file) {
			if s.name != "main" {
				sections = append(sections, s)
				continue
			}
			for key, value := range s.values {
				main[key] = value
			}
		}
	}
	dirs := []string{"/etc/yum.repos.d", "/etc/yum/repos.d", "/etc/distro.repos.d"}
	if five {
		dirs = append(dirs, "/usr/share/dnf5/repos.d")
	}
	if own := list(main["reposdir"]); len(own) > 0 {
		dirs = own
	}
	for _, dir := range dirs {
		for _, file := range r.names(clean(dir), ".repo") {
			sections = append(sections, r.config(file)...)
		}
	}
	if five {
		for _, dir := range []string{"/usr/share/dnf5/repos.override.d", "/etc/dnf/repos.override.d"} {
			for _, file := range r.names(dir, ".repo") {
				override(sections, r.config(file))
			}
		}
	}

	cacheDir := "/var/cache/dnf"
	if five {
		cacheDir = "/var/cache/libdnf5"
	}
	for _, key := range []string{"cachedir", "system_cachedir"} {
		if dir := main[key]; dir != "" && (key == "cachedir") != five {
			cacheDir = clean(dir)
		}
	}
	vars, source := r.variables(list(main["varsdir"]), five)
	repos := r.repositories(sections, vars, func(repo *repository) {
		sum := sha256.Sum256([]byte(repo.url))
		repo.dir = cacheDir + "/" + repo.id + "-" + hex.EncodeToString(sum[:])[:16] + "/repodata"
	})
	r.pin(repos, vars, source)

	locks := r.versionlock(five)
	excludes := append(list(main["excludepkgs"]), list(main["exclude"])...)
	includes := list(main["includepkgs"])
	caches := r.open(repos)
	modules := r.modules(caches)
	r.offers.active = modules.isActive
	r.offers.hides = func(repo *repository, n nevra, p *installed) (hidden, ignored bool) {
		hidden, ignored = modules.hides(repo, n, r.db.words.list[p.module])
		hidden = hidden || n.matchesAny(excludes) || len(includes) > 0 && !n.matchesAny(includes) ||
			n.matchesAny(repo.excludes) || len(repo.includes) > 0 && !n.matchesAny(repo.includes) || locks.hides(n)
		return hidden, ignored
	}
	r.readAll(caches, false)
}

// override changes the options of repositories whose id matches.
func override(sections, by []section) {
	for _, o := range by {
		for _, s := range sections {
			if ok, err := path.Match(o.name, s.name); err != nil || !ok {
				continue
			}
			for key, value := range o.values {
				s.values[key] = value
			}
		}
	}
}

// variables are dnf's own and those of files, and the place where releasever is from.
func (r *reader) variables(dirs []string, five bool) (variables, string) {
	arch := r.db.arch()
	vars := variables{"arch": arch, "basearch": baseArch(arch)}
	source := ""
	if r.db.release != "" {
		vars["releasever"], source = r.db.release, "package "+r.db.from
	}
	if len(dirs) == 0 {
		dirs = []string{"/etc/yum/vars", "/etc/dnf/vars"}
		if five {
			dirs = []string{"/usr/share/dnf5/vars.d", "/etc/yum/vars", "/etc/dnf/vars"}
		}
	}
	for _, dir := range dirs {
		for _, file := range r.names(clean(dir), "") {
			data, err := r.root.ReadFile(file, 64<<10)
			if err != nil {
				r.fail(err)
				continue
			}
			value, _, _ := strings.Cut(string(data), "\n")
			name := path.Base(file)
			vars[name] = strings.TrimSpace(value)
			if name == "releasever" {
				source = file
			}
		}
	}
	if release, ok := vars["releasever"]; ok {
		major, minor, _ := strings.Cut(release, ".")
		for name, value := range map[string]string{"releasever_major": major, "releasever_minor": minor} {
			if _, set := vars[name]; !set {
				vars[name] = value
			}
		}
	}
	return vars, source
}

// repositories are those that are enabled. place sets the directory of each.
func (r *reader) repositories(sections []section, vars variables, place func(*repository)) []*repository {
	var out []*repository
	enabled := 0
	seen := map[string]bool{}
	for _, s := range sections {
		if s.name == "main" {
			continue
		}
		id, missing := vars.expand(s.name)
		if missing == "" && seen[id] {
			continue // the first one counts, also if it is disabled
		}
		seen[id] = true
		if !isTrue(s.values["enabled"], true) {
			continue
		}
		if enabled++; enabled > maxRepositories {
			r.gap(fact.Truncated, "more than %d repositories are enabled", maxRepositories)
			break
		}
		url := id
		for _, key := range []string{"metalink", "mirrorlist", "baseurl"} {
			if urls := list(s.values[key]); len(urls) > 0 && missing == "" {
				url = urls[0]
				break
			}
		}
		usesRelease := strings.Contains(url, "releasever")
		if missing == "" {
			url, missing = vars.expand(url)
		}
		if missing != "" {
			r.gap(fact.NotPresent, "%s: repository %s: variable %s of its URL is unknown, so its cache is too", s.file, rootfs.Excerpt(s.name), rootfs.Excerpt(missing))
			continue
		}
		if id == "" || strings.ContainsAny(id, "/\x00") || id == "." || id == ".." {
			r.gap(fact.Corrupt, "%s: expected the id of a repository, found %q", s.file, rootfs.Excerpt(id))
			continue
		}
		repo := &repository{id: id, file: s.file, url: url, release: usesRelease, hotfixes: isTrue(s.values["module_hotfixes"], false)}
		var err error
		if repo.priority, err = parsePriority(s.values["priority"]); err != nil {
			r.gap(fact.Corrupt, "%s: repository %s: %v", s.file, rootfs.Excerpt(id), err)
		}
		repo.excludes = append(list(s.values["excludepkgs"]), list(s.values["exclude"])...)
		repo.includes = list(s.values["includepkgs"])
		place(repo)
		out = append(out, repo)
	}
	if enabled == 0 {
		r.gap(fact.NotPresent, "no repository is enabled on the host, so updates are unknown")
	}
	return out
}

// pin notes a release that the host does not leave: on Amazon Linux 2023 any but
// "latest", in RHEL's family a minor release, and archives of old releases.
func (r *reader) pin(repos []*repository, vars variables, source string) {
	release := vars["releasever"]
	major, _, _ := strings.Cut(r.os.VersionID, ".")
	for _, repo := range repos {
		switch {
		case r.os.ID == "amzn" && r.os.VersionID == "2023":
			if repo.release && release != "latest" {
				r.state.Pin = &fact.ReleasePin{Release: release, Source: source}
				return
			}
			if dated := datedIn(repo.url); !repo.release && dated != "" {
				r.state.Pin = &fact.ReleasePin{Release: dated, Source: repo.file}
				return
			}
			continue
		case strings.Contains(repo.url, "//vault."):
			r.state.Pin = &fact.ReleasePin{Release: r.os.VersionID, Source: repo.file}
			return
		case r.os.ID == "fedora" || major == "":
			continue
		}
		if minor := minorIn(repo.url, major); minor != "" {
			from := repo.file
			if repo.release && minor == release {
				from = source
			}
			r.state.Pin = &fact.ReleasePin{Release: minor, Source: from}
			return
		}
	}
}

// datedIn finds a release of Amazon Linux 2023, such as 2023.4.20240401, in a URL.
func datedIn(url string) string {
	for part := range strings.SplitSeq(url, "/") {
		if strings.HasPrefix(part, "2023.") && strings.Count(part, ".") == 2 && strings.Trim(part, "0123456789.") == "" {
			return part
		}
	}
	return ""
}

// minorIn finds MAJOR.N between other characters than those of a version in a URL.
func minorIn(url, major string) string {
	for _, part := range strings.FieldsFunc(url, func(c rune) bool { return strings.ContainsRune("/=&?-", c) }) {
		rest, found := strings.CutPrefix(part, major+".")
		if found && rest != "" && strings.Trim(rest, "0123456789") == "" && len(rest) <= 2 {
			return part
		}
	}
	return ""
}

// versionlock reads the locks of dnf's plugin, or of dnf 5.
func (r *reader) versionlock(five bool) locks {
	if five {
		return r.lockFile("/etc/dnf/versionlock.toml", parseVersionlockTOML)
	}
	return r.locksOf("/etc/dnf/plugins/versionlock.conf", "/etc/dnf/plugins/versionlock.list")
}

// locksOf reads the list of the plugin versionlock, if it is installed and enabled.
func (r *reader) locksOf(conf, file string) locks {
	sections := r.config(conf)
	if len(sections) == 0 { // the plugin is not installed
		return nil
	}
	for _, s := range sections {
		if s.name == "main" && !isTrue(s.values["enabled"], true) {
			return nil
		}
		if own := s.values["locklist"]; s.name == "main" && own != "" {
			file = clean(own)
		}
	}
	return r.lockFile(file, parseVersionlock)
}

func (r *reader) lockFile(file string, parse func([]byte) (locks, error)) locks {
	data, err := r.root.ReadFile(file, maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		r.fail(err)
		return nil
	}
	locks, err := parse(data)
	if err != nil {
		r.gap(reasonOf(err), "%s: %v", file, err)
	}
	return locks
}

// modules is which packages belong to module streams, and which streams are active.
type modules struct {
	stream map[string]string // of a module; "" if it is disabled
	// of are the streams, NAME:STREAM, of packages with installed names.
	of    map[string][]string // by NEVRA
	names map[string]bool     // of packages of active streams
}

// maxModules bounds the modules, maxArtifacts their packages with installed names.
const (
	maxModules   = 4096
	maxArtifacts = 50_000
)

func (m *modules) isActive(stream string) bool {
	module, name, _ := strings.Cut(stream, ":")
	active, known := m.stream[module]
	return known && active != "" && active == name
}

// hides reports whether modules hide a package of a repository (libdnf,
// setModuleExcludes): those of streams that are not active, and those outside of
// modules whose name an active stream has. own is the stream of the installed
// package. A package of another stream is no update for it.
func (m *modules) hides(repo *repository, n nevra, own string) (hidden, ignored bool) {
	streams := m.of[n.String()]
	if len(streams) == 0 {
		hidden := m.names[n.name] && !repo.hotfixes
		return hidden, hidden && own != ""
	}
	for _, stream := range streams {
		if m.isActive(stream) {
			return false, false
		}
	}
	return true, !slices.Contains(streams, own)
}

// modules reads the states of modules and modules.yaml of all repositories: first
// the defaults, because they decide which streams are active.
func (r *reader) modules(caches []*cache) *modules {
	m := &modules{stream: map[string]string{}, of: map[string][]string{}, names: map[string]bool{}}
	any := false
	for _, c := range caches {
		any = any || c.index.File(repodata.TypeModules) != nil
	}
	if !any {
		return m
	}
	if _, err := r.root.Stat("/usr/lib/sysimage/libdnf5/modules.toml"); err == nil {
		r.gap(fact.Unsupported, "/usr/lib/sysimage/libdnf5/modules.toml: dnf5's states of modules are not read")
	}
	configured := map[string]bool{}
	for _, file := range r.names("/etc/dnf/modules.d", ".module") {
		for _, s := range r.config(file) {
			name, stream := s.values["name"], s.values["stream"]
			if name == "" {
				name = s.name
			}
			switch s.values["state"] {
			case "enabled", "installed":
				m.stream[name], configured[name] = stream, true
			case "disabled":
				m.stream[name], configured[name] = "", true
			}
		}
	}
	each := func(do repodata.Modules) {
		for _, c := range caches {
			if file := c.index.File(repodata.TypeModules); file != nil {
				r.part(c, file, func(in io.Reader) error { return repodata.ReadModules(in, do) })
			}
		}
	}
	each(repodata.Modules{
		Artifact: func(_, _, _ []byte) error { return nil },
		Default: func(module, stream string) error {
			if len(m.stream) < maxModules && !configured[module] {
				m.stream[module] = stream
			}
			return nil
		},
	})
	artifacts := 0
	each(repodata.Modules{
		Default: func(string, string) error { return nil },
		Artifact: func(module, stream, nevra []byte) error {
			i := cutEVR(string(nevra))
			if i <= 0 {
				return nil
			}
			name := string(nevra[:i])
			if _, installed := r.db.byName[name]; !installed {
				return nil
			}
			if artifacts++; artifacts > maxArtifacts {
				return rootfs.NewError(fact.Truncated, "more packages of modules than the limit")
			}
			key := string(module) + ":" + string(stream)
			if m.isActive(key) {
				m.names[name] = true
			}
			m.of[string(nevra)] = append(m.of[string(nevra)], key)
			return nil
		},
	})
	return m
}
