package rpm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/osrelease"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/rpm/repodata"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// reader reads the repositories of one host.
type reader struct {
	ctx    context.Context
	root   *rootfs.Root
	db     *database
	os     fact.OSRelease
	offers *offers
	state  *fact.PackageState
	gaps   []fact.NodeGap
	buf    []byte
	// yumThree means that lists of packages are kept as yum 3 does.
	yumThree bool
}

func (r *reader) gap(reason fact.Reason, format string, args ...any) {
	if len(r.gaps) < maxGaps {
		r.gaps = append(r.gaps, fact.NodeGap{What: fact.Packages, Reason: reason, Detail: rootfs.Text(fmt.Sprintf(format, args...))})
	}
}

func (r *reader) fail(err error) { r.gap(reasonOf(err), "%s", err.Error()) }

// maxGaps bounds the gaps: one is enough for unknown, some show what is wrong.
const maxGaps = 32

// maxRepositories bounds the enabled repositories.
const maxRepositories = 256

// read finds the tool that owns the host and reads its repositories.
//
// The system's own tool counts, by os-release and by its configuration: SUSE's
// repositories can have dnf too, and Fedora's zypper, which nobody uses there. Its
// cache would be old or absent. dnf replaced yum 3 under its name: /etc/dnf exists
// only where dnf is, and yum.conf is then a link to its configuration.
func (r *reader) read() {
	r.os = osrelease.Read(r.root)
	has := func(path string) bool { _, err := r.root.Stat(path); return err == nil }
	suse := slices.ContainsFunc(strings.Fields(r.os.ID+" "+r.os.IDLike), func(word string) bool {
		return word == "suse" || word == "sles" || strings.HasPrefix(word, "opensuse")
	})
	zypper, dnf, yum := has("/etc/zypp/repos.d"), has("/etc/dnf"), has("/etc/yum.conf")
	switch {
	case zypper && (suse || !dnf && !yum):
		r.zypper()
	case has("/etc/tdnf/tdnf.conf") && !dnf:
		r.gap(fact.Unsupported, "/etc/tdnf/tdnf.conf: the caches of tdnf are not read, so security updates are unknown")
	case dnf:
		r.dnf()
	case yum:
		r.yumThree = true
		r.yum()
	default:
		r.gap(fact.NotPresent, "neither dnf, yum nor zypper is configured on the host, so security updates are unknown")
	}
}

// config reads a file of configuration; it has no sections if it does not exist.
func (r *reader) config(path string) []section {
	data, err := r.root.ReadFile(path, maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		r.fail(err)
		return nil
	}
	sections, err := parseINI(data, path)
	if err != nil {
		r.gap(reasonOf(err), "%s: %v", path, err)
	}
	return sections
}

// names are the files of a directory with a suffix, sorted.
func (r *reader) names(dir, suffix string) []string {
	entries, err := r.root.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, rootfs.ErrNotDir) {
		r.fail(err)
	}
	var out []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name, suffix) && !e.IsDir() {
			out = append(out, dir+"/"+e.Name)
		}
	}
	slices.Sort(out)
	if len(out) > maxRepositories {
		r.gap(fact.Truncated, "%s: more than %d files", dir, maxRepositories)
		out = out[:maxRepositories]
	}
	return out
}

// cache is what is read of one repository.
type cache struct {
	*repository
	index   *repodata.Index
	archive fact.PackageArchive
	broken  bool
}

// open reads repomd.xml of each repository. The caches are in the order in which
// they are to be read.
func (r *reader) open(repos []*repository) []*cache {
	slices.SortStableFunc(repos, func(a, b *repository) int { return cmp.Compare(a.priority, b.priority) })
	var out []*cache
	for _, repo := range repos {
		index, info, err := repodata.Open(r.ctx, r.root, repo.dir)
		if errors.Is(err, fs.ErrNotExist) {
			r.gap(fact.NotPresent, "repository %s of %s is enabled, but it has no cache in %s", rootfs.Excerpt(repo.id), repo.file, rootfs.Excerpt(repo.dir))
			continue
		}
		if err != nil {
			r.fail(err)
			continue
		}
		c := &cache{repository: repo, index: index, archive: fact.PackageArchive{Name: repo.id}}
		c.archive.Checked = fact.NewTime(info.Mtime)
		if date := index.Date(); !date.IsZero() {
			c.archive.Date = fact.NewTime(date)
			if date.After(r.state.Content.Time) {
				r.state.Content = fact.NewTime(date)
			}
		}
		repo.advisories = index.File(repodata.TypeUpdateInfo) != nil
		out = append(out, c)
	}
	return out
}

// part reads one file of a repository.
func (r *reader) part(c *cache, file *repodata.File, parse func(io.Reader) error) (rootfs.Info, bool) {
	at := c.dir + "/" + file.Name()
	info, err := file.Read(r.ctx, r.root, at, parse)
	if errors.Is(err, fs.ErrNotExist) && c.index.File(file.Type+"_zck") != nil {
		err = rootfs.NewError(fact.Unsupported, fmt.Sprintf("%s: the repository may be kept as zchunk, which is not supported", at))
	}
	if err != nil {
		if !c.broken {
			r.gap(reasonOf(err), "repository %s: %v", rootfs.Excerpt(c.id), err)
		}
		c.broken = true
	}
	return info, err == nil
}

// readAll reads the packages of all repositories, then their advisories. With touched,
// it is known already when each was last checked.
func (r *reader) readAll(caches []*cache, touched bool) {
	r.offers.flat = !slices.ContainsFunc(caches, func(c *cache) bool { return c.priority != caches[0].priority })
	// An updateinfo without advisories classifies nothing. So they are counted first.
	for _, c := range caches {
		if file := c.index.File(repodata.TypeUpdateInfo); file != nil {
			count := 0
			if _, ok := r.part(c, file, func(in io.Reader) (err error) {
				count, err = repodata.ReadUpdateInfo(in, r.buf, func(*repodata.Advisory, *repodata.Fix) error { return nil })
				return err
			}); ok {
				c.advisories = count > 0
			}
		}
	}
	for _, c := range caches {
		if r.ctx.Err() != nil {
			break
		}
		file, db := c.index.File(repodata.TypePrimary), c.index.File(repodata.TypePrimaryDB)
		switch {
		case r.yumThree && db != nil:
			if !r.primaryDB(c, db) {
				continue
			}
		case file != nil:
			info, ok := r.part(c, file, func(in io.Reader) error {
				_, err := repodata.ReadPrimary(in, r.buf, func(p *repodata.Package) error { return r.offers.add(c.repository, p) })
				return err
			})
			if !ok {
				continue
			}
			if !touched { // an unchanged refresh of dnf touches this file only
				c.archive.Checked = fact.NewTime(info.Mtime)
			}
		default:
			r.gap(fact.Unsupported, "repository %s: %s/repomd.xml names no list of packages of type primary", rootfs.Excerpt(c.id), c.dir)
			continue
		}
		r.state.Indexes++
		c.archive.Security, c.archive.Unclassified = c.advisories, !c.advisories
		r.state.Archives = append(r.state.Archives, c.archive)
	}
	for _, c := range caches {
		if file := c.index.File(repodata.TypeUpdateInfo); file != nil && c.advisories && r.ctx.Err() == nil {
			r.part(c, file, func(in io.Reader) error {
				_, err := repodata.ReadUpdateInfo(in, r.buf, r.offers.fix)
				return err
			})
		}
	}
	if err := r.ctx.Err(); err != nil {
		r.fail(err)
	}
	r.state.Pending = r.offers.pending()
	if r.state.Indexes == 0 {
		return
	}
	r.state.Uncovered, r.state.UncoveredCount = r.offers.uncovered()
	// What shows least comes first.
	sorted.Stable(r.state.Archives, func(a, b fact.PackageArchive) int {
		if a.Security != b.Security {
			if a.Security {
				return -1
			}
			return 1
		}
		return cmp.Or(a.Checked.Compare(b.Checked.Time), strings.Compare(a.Name, b.Name))
	})
	for _, a := range r.state.Archives {
		if a.Checked.After(r.state.Checked.Time) {
			r.state.Checked = a.Checked
		}
	}
	r.state.Archives = slices.Clip(r.state.Archives[:min(len(r.state.Archives), fact.MaxArchives)])
}

func newReader(ctx context.Context, root *rootfs.Root, db *database, state *fact.PackageState) *reader {
	return &reader{ctx: ctx, root: root, db: db, offers: newOffers(db), state: state, buf: make([]byte, 128<<10)}
}

// readUpdates fills a state with what the host's repositories have.
func readUpdates(ctx context.Context, root *rootfs.Root, db *database, state *fact.PackageState) []fact.NodeGap {
	r := newReader(ctx, root, db, state)
	r.read()
	return r.gaps
}

// clean is a path of configuration, absolute.
func clean(dir string) string { return path.Clean("/" + dir) }
