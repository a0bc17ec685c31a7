package apt

import (
	"bytes"
	"fmt"
	"io"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/unpack"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

const maxInstalled = 100_000 // packages

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

// statusRecord is a stanza of the status file.
type statusRecord struct {
	name, version, arch, source string
	// sourceVersion is "" if it is the package's own.
	sourceVersion   string
	installed, held bool
}

// recordKey tells records apart. arch is "" for the package dpkg itself, whose
// architecture is looked up.
type recordKey struct{ name, arch string }

type records struct {
	packages map[recordKey]*statusRecord
}

func newRecords() *records { return &records{packages: map[recordKey]*statusRecord{}} }

// commonArch is the architecture that most packages have, for databases without
// the package dpkg.
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
		return fmt.Errorf("%w of %d packages", unpack.ErrTooMany, maxInstalled)
	}
	r.packages[key] = &record
	return nil
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

// parseStatus adds the stanzas of one file. dpkg ends every stanza of its status
// file with an empty line, so one without was cut (whole). The file of a
// distroless package has no status: it exists, so the package is installed.
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
			return fmt.Errorf("%s: %w: no empty line after the stanza at byte %d", path, rootfs.ErrCut, st.Offset)
		}
		if len(st.Package.value) == 0 {
			return fmt.Errorf("%s: expected a field Package in the stanza at byte %d, found none", path, st.Offset)
		}
		if (whole || st.Status.set) && len(bytes.Fields(st.Status.value)) != 3 {
			return fmt.Errorf("%s: expected a Status of three words in the stanza of %q at byte %d, found %q",
				path, rootfs.Excerpt(st.Package.value), st.Offset, rootfs.Excerpt(st.Status.value))
		}
		record := statusRecord{
			name: string(st.Package.value), version: string(st.Version.value), arch: string(st.Architecture.value),
			source: sourceName(st.Source.value, st.Package.value), sourceVersion: sourceVersion(st.Source.value),
			installed: !whole && !st.Status.set || isInstalled(st.Status.value),
			held:      bytes.HasPrefix(st.Status.value, []byte("hold ")),
		}
		if record.installed && record.version == "" {
			return fmt.Errorf("%s: expected a field Version in the stanza of %q at byte %d, found none", path, rootfs.Excerpt(record.name), st.Offset)
		}
		if err := to.put(record); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// isInstalled judges "want error state" (dpkg-query(1)). As in apt, a package
// counts as soon as its files are unpacked.
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

// sourceVersion is the version in "Source: name (version)", "" without one.
func sourceVersion(source []byte) string {
	_, version, found := bytes.Cut(source, []byte("("))
	if !found {
		return ""
	}
	version, _, _ = bytes.Cut(version, []byte(")"))
	return string(bytes.TrimSpace(version))
}
