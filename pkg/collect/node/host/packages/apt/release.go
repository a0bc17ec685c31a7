package apt

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// release is the head of a Release or InRelease file and, of its long lists
// of hashes, the sizes of the package lists.
type release struct {
	origin, label, suite, codename, version string

	date, validUntil                   time.Time
	notAutomatic, butAutomaticUpgrades bool
	architectures                      []string
	noSupportForArchAll                bool // "No-Support-for-Architecture-all: Packages"
	// sizes has the bytes of each Packages file, by its key, or -1 if only a
	// compressed one is listed.
	sizes map[string]int64
}

// maxReleaseLine bounds one line of a Release file; those of Debian have 200.
const maxReleaseLine = 64 << 10

// parseRelease reads a Release file, or an InRelease one, which is the same
// text between OpenPGP armour (RFC 9580, cleartext signature framework). apt
// has already checked the signature itself.
func parseRelease(r io.Reader) (release, error) {
	rel := release{sizes: map[string]int64{}}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 4096), maxReleaseLine)
	lines.Split(wholeLines)

	signed, signature, first := false, false, true
	section := ""
	for number := 1; lines.Scan(); number++ {
		line := bytes.TrimRight(lines.Bytes(), " \t\r")
		if first && string(line) == "-----BEGIN PGP SIGNED MESSAGE-----" {
			// The armour's own headers follow, up to an empty line.
			signed, first = true, false
			for lines.Scan() {
				number++
				if len(bytes.TrimRight(lines.Bytes(), " \t\r")) == 0 {
					break
				}
			}
			continue
		}
		first = false
		if signed {
			if string(line) == "-----BEGIN PGP SIGNATURE-----" {
				signature = true
				break
			}
			line = bytes.TrimPrefix(line, []byte("- ")) // dash-escaped
		}
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		if line[0] == ' ' || line[0] == '\t' {
			if section == "hash" {
				rel.addSize(line)
			}
			continue
		}
		name, value, found := strings.Cut(string(line), ":")
		if !found {
			return rel, fmt.Errorf("line %d: expected \"Field: value\", found %q", number, rootfs.Excerpt(line))
		}
		section = ""
		value = strings.TrimSpace(value)
		var err error
		switch strings.ToLower(name) {
		case "origin":
			rel.origin = value
		case "label":
			rel.label = value
		case "suite":
			rel.suite = value
		case "codename":
			rel.codename = value
		case "version":
			rel.version = value
		case "date":
			rel.date, err = parseReleaseDate(value)
		case "valid-until":
			rel.validUntil, err = parseReleaseDate(value)
		case "notautomatic":
			rel.notAutomatic = !isFalse(value)
		case "butautomaticupgrades":
			rel.butAutomaticUpgrades = !isFalse(value)
		case "architectures":
			rel.architectures = strings.Fields(value)
		case "no-support-for-architecture-all":
			rel.noSupportForArchAll = strings.Contains(value, "Packages")
		case "md5sum", "sha1", "sha256", "sha512":
			section = "hash"
		}
		if err != nil {
			return rel, fmt.Errorf("line %d: %s: %w", number, name, err)
		}
	}
	if err := lines.Err(); err != nil {
		return rel, err
	}
	if signed && !signature {
		return rel, fmt.Errorf("%w: expected a signature at its end, found none", rootfs.ErrCut)
	}
	return rel, nil
}

// addSize keeps a line " HASH SIZE NAME" if the name is a package list's.
func (rel *release) addSize(line []byte) {
	fields := bytes.Fields(line)
	if len(fields) != 3 {
		return
	}
	name := strings.TrimPrefix(string(fields[2]), "./")
	at := strings.LastIndexByte(name, '/') + 1
	base, extension, _ := strings.Cut(name[at:], ".")
	if base != "Packages" {
		return
	}
	key := name[:at] + base
	size := int64(-1)
	if extension == "" {
		if n, err := strconv.ParseInt(string(fields[1]), 10, 64); err == nil && n >= 0 {
			size = n
		}
	}
	if old, known := rel.sizes[key]; !known && len(rel.sizes) < maxTargets || known && old < 0 {
		rel.sizes[key] = size
	}
}

// supportsAll reports whether the archive has lists of binary-all.
func (rel release) supportsAll() bool {
	if rel.noSupportForArchAll {
		return false
	}
	for _, arch := range rel.architectures {
		if arch == "all" {
			return true
		}
	}
	return false
}

// name is the archive's name in reports: "Debian-Security/oldstable-security".
func (rel release) name() string {
	label := rel.label
	if label == "" {
		label = rel.origin
	}
	suite := rel.suite
	if suite == "" {
		suite = rel.codename
	}
	if label == "" || suite == "" {
		return label + suite
	}
	return label + "/" + suite
}

// security reports whether the archive holds security updates. For Debian the
// label decides: the suite is renamed with every release (stable-security,
// oldstable-security). Ubuntu's pockets end in -security, and both ESM archives
// are nothing else.
func (rel release) security() bool {
	switch {
	case rel.label == "Debian-Security":
		return true
	case rel.origin == "UbuntuESM" || rel.origin == "UbuntuESMApps":
		return true
	case rel.origin == "Ubuntu":
		return strings.HasSuffix(rel.suite, "-security")
	}
	return false
}

// parseReleaseDate reads RFC 1123 with a one- or two-digit day, in UTC.
func parseReleaseDate(value string) (time.Time, error) {
	for _, layout := range []string{"Mon, _2 Jan 2006 15:04:05 MST", "Mon, _2 Jan 2006 15:04:05 -0700"} {
		// In UTC, because time.Parse would read /etc/localtime.
		if t, err := time.ParseInLocation(layout, value, time.UTC); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("expected a date like \"Sat, 11 Jul 2026 10:16:37 UTC\", found %q", rootfs.Excerpt(value))
}

// wholeLines splits like bufio.ScanLines, but a last line without its newline
// is an error: the file was cut.
func wholeLines(data []byte, atEOF bool) (int, []byte, error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return 0, nil, fmt.Errorf("%w: inside a line", rootfs.ErrCut)
	}
	return 0, nil, nil
}
