package pacman

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/unpack"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// readSync reads a repository's database, number index of the configuration.
//
// Its mtime is what the server said. It gets a new ctime when pacman writes it, and
// only then: the repository answered at that time. An answer "not modified" leaves no
// trace in the file, and the directory's mtime also moves when a download fails.
func (db *local) readSync(ctx context.Context, root *rootfs.Root, path string, index int, repo *repository) (fact.PackageArchive, error) {
	archive := fact.PackageArchive{Name: repo.name, Unclassified: true}
	file, err := root.Open(path)
	if err != nil {
		return archive, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return archive, err
	}
	archive.Date, archive.Checked = fact.NewTime(info.Mtime), fact.NewTime(info.Ctime)
	r, done, err := unpack.Open(ctx, file)
	defer done()
	if err != nil {
		return archive, err
	}
	return archive, parseSync(r, index, func(c candidate, replaces []dependency) error { return db.offer(c, replaces, repo.ignored) })
}

// parseSync reads a tar archive of records: NAME-VERSION-RELEASE/desc, in older
// archives with a second file, depends. The files of one record may lie apart.
func parseSync(r io.Reader, index int, offer func(candidate, []dependency) error) error {
	archive := unpack.NewTar(r)
	var d desc
	current, records := "", 0
	var parser descParser
	flush := func() (err error) {
		if name, version, ok := splitName(current); ok {
			err = offer(candidate{repo: index, name: name, version: version, base: d.base, groups: d.groups}, d.replaces)
		}
		current, d = "", desc{}
		return err
	}
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return cut(err, records)
		}
		entry, file, found := strings.Cut(strings.TrimPrefix(header.Name, "./"), "/")
		if !found || !header.Regular || file != "desc" && file != "depends" {
			continue
		}
		if entry != current {
			if err := flush(); err != nil {
				return cut(err, records)
			}
			if len(entry) > maxText {
				return fmt.Errorf("after %d records: %w of %d bytes in a name", records, rootfs.ErrTooLarge, maxText)
			}
			if _, _, ok := splitName(entry); !ok {
				return errRecord(fmt.Sprintf("after %d records", records), entry)
			}
			if records++; records > maxRecords {
				return fmt.Errorf("%w of %d records", unpack.ErrTooMany, maxRecords)
			}
			current = entry
		}
		if err := parser.parse(archive, &d); err != nil {
			return cut(err, records)
		}
	}
	if err := flush(); err != nil {
		return cut(err, records)
	}
	if !archive.Ended() {
		return fmt.Errorf("%w: expected the end of an archive after %d records", rootfs.ErrCut, records)
	}
	if records == 0 {
		return errors.New("expected an archive of records, found none")
	}
	return nil
}

// maxRecords bounds a repository; Arch's largest has 15,000.
const maxRecords = 500_000

// cut is an error of the archive, after some records.
func cut(err error, records int) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: after %d records", rootfs.ErrCut, records)
	}
	return fmt.Errorf("after %d records: %w", records, err)
}
