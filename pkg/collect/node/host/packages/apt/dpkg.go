package apt

import (
	"bytes"
	"fmt"
	"io"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/unpack"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// maxInstalled bounds the packages of a host, so that the probe's memory does; all of
// Debian's archive has about 65,000, and a large host 5,000.
const maxInstalled = 50_000

// Bounds of what these packages hold: the bytes of all names and versions, and the
// records of one name, each of another architecture.
const (
	maxTexts = 4 << 20
	maxSame  = 100
)

// database is dpkg's: what is installed, by name, then one for each
// architecture.
type database struct {
	path       string                       // of the file that it was read from
	packages   map[string]*installedPackage // the others of a name follow by next
	count      int
	nativeArch string
	archs      []string // native first, then foreign ones
	status     *index   // dpkg's own database, as a list among the others
	sets       [][]*index
	kept       int // what the versions of lists take, bytes
}

// each calls do with every package, in no order.
func (db *database) each(do func(*installedPackage)) {
	for _, p := range db.packages {
		for ; p != nil; p = p.next {
			do(p)
		}
	}
}

// records are the stanzas of the status file, also those of packages that are not
// installed: the last one of each name and architecture.
type records struct {
	packages map[string]*installedPackage // the others of a name follow by next
	count    int
	texts    int               // bytes
	words    map[string]string // texts that many packages share
	most     int               // packages
}

func newRecords() *records {
	return &records{packages: map[string]*installedPackage{}, words: map[string]string{}, most: maxInstalled}
}

// maxWords bounds the texts that are kept once.
const maxWords = 1000

// word is a text of which few different ones are expected, kept once.
func (r *records) word(text []byte) string {
	if w, ok := r.words[string(text)]; ok {
		return w
	}
	w := string(text)
	if len(r.words) < maxWords {
		r.words[w] = w
	}
	return w
}

// commonArch is the architecture that most packages have, for databases without
// the package dpkg.
func (r *records) commonArch() string {
	counts := map[string]int{}
	best := ""
	for _, p := range r.packages {
		for ; p != nil; p = p.next {
			if p.arch == "all" || p.arch == "" {
				continue
			}
			counts[p.arch]++
			if n := counts[p.arch]; best == "" || n > counts[best] || n == counts[best] && p.arch < best {
				best = p.arch
			}
		}
	}
	return best
}

// put keeps a record in place of an earlier one of its name and architecture. The
// package dpkg itself tells the native architecture, so there is one of it.
func (r *records) put(record installedPackage) error {
	if r.texts += len(record.name) + len(record.version) + len(record.source) + len(record.sourceVersion); r.texts > maxTexts {
		return fmt.Errorf("%w of %d bytes of names and versions", unpack.ErrTooMany, maxTexts)
	}
	head := r.packages[record.name]
	same := 0
	for p := head; p != nil; p = p.next {
		if same++; same > maxSame {
			return fmt.Errorf("%w of %d records of one name", unpack.ErrTooMany, maxSame)
		}
		if p.arch == record.arch || p.name == "dpkg" {
			record.name, record.next = p.name, p.next
			*p = record
			return nil
		}
	}
	if r.count == r.most {
		return fmt.Errorf("%w of %d packages", unpack.ErrTooMany, r.most)
	}
	r.count++
	record.next = head
	r.packages[record.name] = &record
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
		if max(len(st.Package.value), len(st.Version.value), len(st.Architecture.value), len(st.Source.value)) > maxText {
			return fmt.Errorf("%s: %w of %d bytes in a field of the stanza at byte %d", path, rootfs.ErrTooLarge, maxText, st.Offset)
		}
		record := installedPackage{
			name: string(st.Package.value), version: string(st.Version.value), arch: to.word(st.Architecture.value),
			sourceVersion: sourceVersion(st.Source.value),
			installed:     !whole && !st.Status.set || isInstalled(st.Status.value),
			held:          bytes.HasPrefix(st.Status.value, []byte("hold ")),
		}
		if record.source = record.name; len(st.Source.value) > 0 {
			record.source = to.word([]byte(sourceName(st.Source.value, st.Package.value)))
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
