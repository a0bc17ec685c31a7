package rpm

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// zypper reads the repositories of zypper, by zypper(8) and zypp.conf: those in
// /etc/zypp/repos.d, cached by their alias. A patch is needed if a package that it
// lists is installed in an older version. Vendors are ignored: zypper keeps the
// vendor of a package, and calls a patch "not needed" that would change it.
func (r *reader) zypper() {
	r.offers.zypper = true
	cacheDir := "/var/cache/zypp/raw"
	for _, s := range r.config("/etc/zypp/zypp.conf") {
		if s.name != "main" {
			continue
		}
		if dir := s.values["cachedir"]; dir != "" {
			cacheDir = clean(dir) + "/raw"
		}
		if dir := s.values["metadatadir"]; dir != "" {
			cacheDir = clean(dir)
		}
	}
	var repos []*repository
	enabled := 0
	for _, file := range r.names("/etc/zypp/repos.d", ".repo") {
		for _, s := range r.config(file) {
			if !isTrue(s.values["enabled"], true) {
				continue
			}
			if enabled++; enabled > maxRepositories {
				r.gap(fact.Truncated, "more than %d repositories are enabled", maxRepositories)
				break
			}
			if s.name == "" || s.name == "." || s.name == ".." {
				r.gap(fact.Corrupt, "%s: expected the alias of a repository, found %q", file, rootfs.Excerpt(s.name))
				continue
			}
			if kind := strings.ToLower(s.values["type"]); kind == "yast2" || kind == "plaindir" {
				r.gap(fact.Unsupported, "%s: repository %s: type %s is not supported", file, rootfs.Excerpt(s.name), kind)
				continue
			}
			// A slash in an alias is an underscore in the name of its directory.
			dir := cacheDir + "/" + strings.ReplaceAll(s.name, "/", "_") + "/repodata"
			repos = append(repos, &repository{id: s.name, file: file, dir: dir, priority: defaultPriority})
		}
	}
	if enabled == 0 {
		r.gap(fact.NotPresent, "no repository is enabled on the host, so updates are unknown")
	}
	r.readLocks()
	r.readAll(r.open(repos), true)
}

// readLocks reads /etc/zypp/locks. What they lock is pending, and held back.
func (r *reader) readLocks() {
	const file = "/etc/zypp/locks"
	data, err := r.root.ReadFile(file, maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		r.fail(err)
		return
	}
	packages, patches := parseZyppLocks(data)
	matches := func(patterns []string, name string) bool {
		return slices.ContainsFunc(patterns, func(pattern string) bool {
			ok, err := path.Match(pattern, name)
			return ok && err == nil
		})
	}
	r.offers.hides = func(_ *repository, n nevra, _ *installed) (hidden, ignored bool) {
		return matches(packages, n.name), false
	}
	r.offers.unwanted = func(id string) bool { return matches(patches, id) }
}

// parseZyppLocks returns the patterns of locked packages and patches. A stanza is
//
//	type: package
//	match_type: glob
//	case_sensitive: on
//	solvable_name: kernel*
func parseZyppLocks(data []byte) (packages, patches []string) {
	kind, names := "", []string(nil)
	flush := func() {
		switch kind {
		case "patch":
			patches = append(patches, names...)
		case "package", "":
			packages = append(packages, names...)
		}
		kind, names = "", nil
	}
	total := 0
	for _, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		if line == "" {
			flush()
			continue
		}
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "type":
			kind = value
		case "solvable_name":
			if total++; total <= maxPatterns && value != "" {
				names = append(names, value)
			}
		}
	}
	flush()
	return packages, patches
}
