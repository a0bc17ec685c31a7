package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

const (
	dpkgStatus  = "/var/lib/dpkg/status"
	dpkgStatusD = "/var/lib/dpkg/status.d" // distroless images: a file a package
	dpkgUpdates = "/var/lib/dpkg/updates"  // dpkg's journal, merged into status later
	dpkgArchs   = "/var/lib/dpkg/arch"     // native and foreign architectures

	maxInstalled = 100_000 // packages
)

var (
	errTooMany     = errors.New("more than the limit")
	errUnsupported = errors.New("not supported")
)

// database is dpkg's: what is installed, by name, then one for each
// architecture.
type database struct {
	path       string // of the file that it was read from
	packages   map[string][]*installedPackage
	count      int
	nativeArch string
	archs      []string // native first, then foreign ones
	status     *index   // dpkg's own database, as a list among the others
}

// each calls do with every package, in no order.
func (db *database) each(do func(*installedPackage)) {
	for _, packages := range db.packages {
		for _, p := range packages {
			do(p)
		}
	}
}

// readDatabase reads dpkg's database. Its error is fs.ErrNotExist if there is
// none; with any other error, db holds the packages up to there.
func readDatabase(ctx context.Context, root *rootfs.Root, buf []byte) (db *database, err error) {
	db = &database{packages: map[string][]*installedPackage{}}
	records := newRecords()
	err = readStatus(ctx, root, dpkgStatus, true, buf, records)
	db.path = dpkgStatus
	if errors.Is(err, fs.ErrNotExist) {
		db.path = dpkgStatusD
		var entries []rootfs.DirEntry
		if entries, err = root.ReadDir(dpkgStatusD); err != nil {
			return nil, err
		}
		for _, e := range entries {
			// NAME.md5sums lies beside NAME.
			if e.IsDir() || strings.HasSuffix(e.Name, ".md5sums") {
				continue
			}
			if e := readStatus(ctx, root, dpkgStatusD+"/"+e.Name, false, buf, records); e != nil && err == nil {
				err = e
			}
		}
	} else if err == nil {
		err = readJournal(ctx, root, buf, records)
	}

	archs, archErr := readArchs(root)
	if archErr != nil && err == nil {
		err = archErr
	}
	if r := records.packages[recordKey{"dpkg", ""}]; r != nil {
		db.nativeArch = r.arch
	} else if len(archs) > 0 {
		db.nativeArch = archs[0]
	} else if db.nativeArch = records.commonArch(); db.nativeArch == "" {
		db.nativeArch = debianArch(runtime.GOARCH)
	}
	db.archs = append(db.archs, db.nativeArch)
	for _, arch := range archs {
		if arch != db.nativeArch {
			db.archs = append(db.archs, arch)
		}
	}
	db.status = &index{status: true, release: release{suite: "now"}}
	for _, r := range records.packages {
		if !r.installed {
			continue
		}
		p := &installedPackage{name: r.name, arch: r.arch, version: r.version, source: r.source, held: r.held}
		if p.arch == "all" {
			p.arch = db.nativeArch
		}
		p.offer(db.status, []byte(r.version), []byte(r.arch), 100)
		db.packages[p.name] = append(db.packages[p.name], p)
		db.count++
	}
	return db, err
}

// debianArch translates a GOARCH, for a database that names no architecture.
func debianArch(goarch string) string {
	switch goarch {
	case "386":
		return "i386"
	case "arm":
		return "armhf"
	case "ppc64le":
		return "ppc64el"
	}
	return goarch
}

// statusRecord is a stanza of the status file.
type statusRecord struct {
	name, version, arch, source string
	installed, held             bool
}

// recordKey tells records apart. arch is "" for the package dpkg itself, whose
// architecture is looked up.
type recordKey struct{ name, arch string }

type records struct {
	packages map[recordKey]*statusRecord
}

func newRecords() *records { return &records{packages: map[recordKey]*statusRecord{}} }

// commonArch is the architecture that most packages have, where there is no
// package dpkg to say it.
func (r *records) commonArch() string {
	counts := map[string]int{}
	best := ""
	for _, p := range r.packages {
		if p.arch == "all" || p.arch == "" {
			continue
		}
		counts[p.arch]++
		if n := counts[p.arch]; best == "" || n > counts[best] || n == counts[best] && p.arch < best {
			best = p.arch
		}
	}
	return best
}

func (r *records) put(record statusRecord) error {
	key := recordKey{record.name, record.arch}
	if record.name == "dpkg" {
		key.arch = ""
	}
	if r.packages[key] == nil && len(r.packages) == maxInstalled {
		return fmt.Errorf("%w of %d packages", errTooMany, maxInstalled)
	}
	r.packages[key] = &record
	return nil
}

// readStatus adds the stanzas of one file. dpkg ends every stanza of its
// status file with an empty line, so one without was cut (whole).
func readStatus(ctx context.Context, root *rootfs.Root, path string, whole bool, buf []byte, to *records) error {
	file, err := root.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return parseStatus(&limitedReader{ctx: ctx, r: file, left: maxListBytes}, path, whole, buf, to)
}

func parseStatus(r io.Reader, path string, whole bool, buf []byte, to *records) error {
	scanner := newStanzaScanner(r, buf)
	var st stanza
	for {
		ok, err := scanner.next(&st, nil)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if !ok {
			break
		}
		if whole && !scanner.closed {
			return fmt.Errorf("%s: %w: no empty line after the stanza at byte %d", path, errCut, st.Offset)
		}
		if len(st.Package.value) == 0 {
			return fmt.Errorf("%s: expected a field Package in the stanza at byte %d, found none", path, st.Offset)
		}
		if (whole || st.Status.set) && len(bytes.Fields(st.Status.value)) != 3 {
			return fmt.Errorf("%s: expected a Status of three words in the stanza of %q at byte %d, found %q",
				path, excerpt(st.Package.value), st.Offset, excerpt(st.Status.value))
		}
		record := statusRecord{
			name: string(st.Package.value), version: string(st.Version.value), arch: string(st.Architecture.value),
			source: sourceName(st.Source.value, st.Package.value),
			// A file of status.d says no status: it is there, so it is installed.
			installed: !whole && !st.Status.set || isInstalled(st.Status.value),
			held:      bytes.HasPrefix(st.Status.value, []byte("hold ")),
		}
		if record.installed && record.version == "" {
			return fmt.Errorf("%s: expected a field Version in the stanza of %q at byte %d, found none", path, excerpt(record.name), st.Offset)
		}
		if err := to.put(record); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// readJournal adds /var/lib/dpkg/updates/NNNN, in order: what dpkg has done
// since it last wrote the status file. It is empty but while dpkg runs, or
// after it was interrupted.
func readJournal(ctx context.Context, root *rootfs.Root, buf []byte, to *records) error {
	entries, err := root.ReadDir(dpkgUpdates)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.Trim(e.Name, "0123456789") != "" {
			continue // tmp.i: not finished
		}
		err := readStatus(ctx, root, dpkgUpdates+"/"+e.Name, false, buf, to)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// readArchs reads the architectures of a multi-arch host, one a line; none
// where no foreign one was ever added.
func readArchs(root *rootfs.Root) ([]string, error) {
	data, err := root.ReadFile(dpkgArchs, maxSmallFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return strings.Fields(string(data)), err
}

// isInstalled judges "want error state" (dpkg-query(1)). As for apt, a package
// counts from the moment that its files are unpacked.
func isInstalled(status []byte) bool {
	words := bytes.Fields(status)
	if len(words) != 3 {
		return false
	}
	switch string(words[2]) {
	case "installed", "unpacked", "half-configured", "half-installed", "triggers-awaited", "triggers-pending":
		return true
	}
	return false
}

// sourceName is the source package: "Source: name (version)", or without that
// field the package's own name.
func sourceName(source, name []byte) string {
	if word, _, _ := bytes.Cut(source, []byte(" ")); len(word) > 0 {
		return string(word)
	}
	return string(name)
}
