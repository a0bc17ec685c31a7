package rpm

import (
	"errors"
	"io"
	"io/fs"
	"path"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/rpm/repodata"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// yum reads the repositories of yum 3, by yum.conf(5) and its source (RHEL 7, Amazon
// Linux 2). Its cache has no hash in its names, so a cache of another URL cannot be
// told from the present one. The list of packages is an SQLite file that yum has
// unpacked, and cachecookie is touched by each check of repomd.xml. updateinfo is only
// fetched by commands that ask for advisories.
func (r *reader) yum() {
	main := map[string]string{}
	var sections []section
	for _, s := range r.config("/etc/yum.conf") {
		if s.name == "main" {
			main = s.values
		} else {
			sections = append(sections, s)
		}
	}
	dirs := list(main["reposdir"])
	if len(dirs) == 0 {
		dirs = []string{"/etc/yum/repos.d", "/etc/yum.repos.d"}
	}
	for _, dir := range dirs {
		for _, file := range r.names(clean(dir), ".repo") {
			sections = append(sections, r.config(file)...)
		}
	}
	vars, source := r.variables([]string{"/etc/yum/vars"}, false)
	cacheDir := "/var/cache/yum"
	if dir := main["cachedir"]; dir != "" {
		expanded, missing := vars.expand(dir)
		if missing != "" {
			r.gap(fact.NotPresent, "/etc/yum.conf: variable %s of cachedir is unknown, so the caches are too", rootfs.Excerpt(missing))
			return
		}
		cacheDir = clean(expanded)
	}
	_, err := r.root.Stat("/etc/yum/pluginconf.d/priorities.conf")
	priorities := err == nil
	repos := r.repositories(sections, vars, func(repo *repository) {
		repo.dir = cacheDir + "/" + repo.id
		if !priorities { // they are a plugin's
			repo.priority = defaultPriority
		}
	})
	r.pin(repos, vars, source)

	locks := r.locksOf("/etc/yum/pluginconf.d/versionlock.conf", "/etc/yum/pluginconf.d/versionlock.list")
	excludes := list(main["exclude"])
	r.offers.hides = func(repo *repository, n nevra, _ *installed) (hidden, ignored bool) {
		return n.matchesAny(excludes) || n.matchesAny(repo.excludes) || len(repo.includes) > 0 && !n.matchesAny(repo.includes) || locks.hides(n), false
	}
	caches := r.open(repos)
	for _, c := range caches {
		if info, err := r.root.Stat(c.dir + "/cachecookie"); err == nil {
			c.archive.Checked = fact.NewTime(info.Mtime)
		} else if !errors.Is(err, fs.ErrNotExist) {
			r.fail(err)
		}
	}
	r.readAll(caches, true)
}

// primaryDB reads the packages from the file that yum has unpacked.
func (r *reader) primaryDB(c *cache, file *repodata.File) bool {
	name := path.Join(c.dir, "gen", "primary_db.sqlite")
	err := file.ReadOpen(r.ctx, r.root, name, func(in io.ReaderAt, size int64) error {
		wanted := func(name []byte) bool { _, ok := r.db.byName[string(name)]; return ok }
		_, err := repodata.ReadPrimaryDB(r.ctx, in, size, wanted, func(p *repodata.Package) error { return r.offers.add(c.repository, p) })
		return err
	})
	if err != nil {
		r.gap(reasonOf(err), "repository %s: %v", rootfs.Excerpt(c.id), err)
		c.broken = true
	}
	return err == nil
}
