package apk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/apkversion"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/unpack"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// readIndexes reads the index of each repository in use.
func (a *reader) readIndexes(state *fact.PackageState) {
	if len(a.repos.list) == 0 {
		if len(a.gaps) == 0 {
			a.gap(fact.NotPresent, "/etc/apk/repositories: no repository is enabled, so updates are unknown")
		}
		return
	}
	// apk uses this one if it exists, usually as a link to a disk.
	cache := "/etc/apk/cache"
	if _, err := a.root.Stat(cache); err != nil {
		cache = "/var/cache/apk"
	}
	for i := range a.repos.list {
		repo := &a.repos.list[i]
		path, missing := repo.local(a.arch), ""
		if path == "" {
			path, missing = a.cachedIndex(cache, repo)
		}
		archive := fact.PackageArchive{Name: repo.name(), Unclassified: true}
		err := fs.ErrNotExist
		if path != "" {
			err = a.readIndex(path, i, &archive)
			missing = path
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			a.gap(fact.NotPresent, fmt.Sprintf("the repository of %s is in use, but %s was not found", repo.from, missing))
			continue
		case err != nil:
			a.fail(fmt.Errorf("%s: %w", path, err))
			if a.ctx.Err() != nil {
				return
			}
			continue
		}
		state.Indexes++
		if archive.Date.After(state.Content.Time) {
			state.Content = archive.Date
		}
		if archive.Checked.After(state.Checked.Time) {
			state.Checked = archive.Checked
		}
		if len(state.Archives) < fact.MaxArchives {
			state.Archives = append(state.Archives, archive)
		}
	}
}

// cachedIndex finds a repository's index: the newest of the names that apk 2 and apk 3
// give it, because the one of the older apk stays after an upgrade.
func (a *reader) cachedIndex(cache string, repo *repository) (path, missing string) {
	var latest time.Time
	names := repo.cached(a.arch)
	for _, name := range names {
		info, err := a.root.Stat(cache + "/" + name)
		if err == nil && (path == "" || info.Mtime.After(latest)) {
			path, latest = cache+"/"+name, info.Mtime
		}
	}
	return path, cache + "/" + strings.Join(names[:2], " or ")
}

// readIndex reads an index, a gzip file of two members: a signature and a tar archive
// with DESCRIPTION and APKINDEX. apk sets the mtime of a cached one each time that
// the server has answered that it is current.
func (a *reader) readIndex(path string, number int, archive *fact.PackageArchive) error {
	file, err := a.root.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	r, done, err := unpack.Open(a.ctx, file)
	defer done()
	if err != nil {
		return err
	}
	made, err := parseIndex(r, func(r *record) error { return a.offer(number, r) })
	if err != nil {
		return err
	}
	if a.repos.list[number].local(a.arch) == "" {
		archive.Checked = fact.NewTime(info.Mtime)
	}
	if made.Unix() > 0 {
		archive.Date = fact.NewTime(made)
	}
	return nil
}

// parseIndex reads the file APKINDEX of an index and returns the date that it carries.
func parseIndex(r io.Reader, do func(*record) error) (made time.Time, err error) {
	head := make([]byte, 4)
	n, err := io.ReadFull(r, head)
	if n == 4 && string(head[:3]) == "ADB" {
		return made, rootfs.NewError(fact.Unsupported, "an index in the format of apk 3 is not supported")
	}
	if err != nil {
		return made, cut(err)
	}
	archive := unpack.NewTar(io.MultiReader(strings.NewReader(string(head)), r))
	for {
		header, err := archive.Next()
		switch {
		case errors.Is(err, io.EOF):
			return made, fmt.Errorf("%w: expected a file APKINDEX, found none", rootfs.ErrCut)
		case err != nil:
			return made, cut(err)
		case header.Name != "APKINDEX" || !header.Regular:
			continue
		}
		records := 0
		err = parseRecords(archive, false, func(r *record) error {
			if records++; records > maxRecords {
				return fmt.Errorf("%w of %d records", unpack.ErrTooMany, maxRecords)
			}
			return do(r)
		})
		if err != nil {
			return made, cut(err)
		}
		// The end of the compressed data has its checksum.
		if _, err := io.Copy(io.Discard, r); err != nil {
			return made, cut(err)
		}
		return header.ModTime, nil
	}
}

// cut is an error of a file that ends too early, if err says so.
func cut(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: inside its compressed archive", rootfs.ErrCut)
	}
	return err
}

// offer notes a package of repository number, if it is installed and the repository
// may give it. At most maxOffers newer versions are kept; with one more the rest of
// the repository is not read.
func (a *reader) offer(number int, r *record) error {
	i, found := a.byName[r.name]
	if !found {
		return nil
	}
	p := &a.packages[i]
	wish := a.world[r.name]
	if tag := a.repos.list[number].tag; tag != "" && tag != a.tags[p.name] && (wish == nil || tag != wish.tag) {
		return nil
	}
	p.listed = true
	order, known := apkversion.Compare(r.version, p.version)
	switch {
	case !known && r.version != p.version:
		a.unclear[p.name] = true
	case !known || order == 0:
		p.current = true
	case order < 0:
		p.repo = int32(number)
	default:
		p.current = true
		place := &p.best
		if !wish.allows(r.version) {
			place = &p.held
		}
		if *place == nil {
			if a.offers == maxOffers {
				return fmt.Errorf("%w of %d updates", unpack.ErrTooMany, maxOffers)
			}
			a.offers++
		}
		if *place == nil || newer(r.version, (*place).version) {
			*place = &candidate{number, r.version, r.origin}
		}
	}
	return nil
}
