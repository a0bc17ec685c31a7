package pacman

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/unpack"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/pacmanversion"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Bounds of one record.
const (
	maxDesc  = 1 << 20 // bytes
	maxWords = 1024    // groups, or replaced packages
	maxText  = 1 << 10 // one text that is kept, bytes
)

// desc is what is wanted of a package's record.
type desc struct {
	base, arch string
	groups     []string
	replaces   []dependency
}

// dependency is "name", or "name" with a comparison and a version.
type dependency struct{ name, op, version string }

// values counts the lines of values after a key of desc: one, or all up to an empty
// line for a list. Other keys are skipped with whatever follows them.
var values = map[string]bool{ // true for a list
	"%FILENAME%": false, "%NAME%": false, "%VERSION%": false, "%BASE%": false, "%DESC%": false, "%URL%": false, "%ARCH%": false,
	"%BUILDDATE%": false, "%INSTALLDATE%": false, "%PACKAGER%": false, "%REASON%": false, "%SIZE%": false, "%CSIZE%": false, "%ISIZE%": false,
	"%MD5SUM%": false, "%SHA256SUM%": false, "%PGPSIG%": false,
	"%GROUPS%": true, "%LICENSE%": true, "%VALIDATION%": true, "%REPLACES%": true, "%DEPENDS%": true, "%OPTDEPENDS%": true, "%MAKEDEPENDS%": true,
	"%CHECKDEPENDS%": true, "%CONFLICTS%": true, "%PROVIDES%": true, "%FILES%": true, "%XDATA%": true,
}

// descParser reads records with one buffer.
type descParser struct{ buf []byte }

// parse adds what one file of a record says: "%KEY%", then a line for each value,
// then an empty line.
func (p *descParser) parse(r io.Reader, d *desc) error {
	if p.buf == nil {
		p.buf = make([]byte, 4<<10)
	}
	lines := bufio.NewScanner(io.LimitReader(r, maxDesc+1))
	lines.Buffer(p.buf, maxDesc+2)
	read := 0
	next := func() ([]byte, bool) {
		more := lines.Scan()
		read += len(lines.Bytes()) + 1
		return lines.Bytes(), more
	}
	for {
		key, ok := next()
		if !ok {
			break
		}
		list, known := values[string(key)]
		if !known {
			continue
		}
		wanted := wantedKeys[string(key)]
		for {
			value, ok := next()
			if !ok || len(value) == 0 {
				break
			}
			if wanted != 0 {
				if err := d.set(wanted, string(value)); err != nil {
					return err
				}
			}
			if !list {
				break
			}
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if read > maxDesc {
		return fmt.Errorf("%w of %d bytes in a record", unpack.ErrTooMany, maxDesc)
	}
	return nil
}

// wantedKeys are those whose values are kept.
var wantedKeys = map[string]byte{"%BASE%": 'b', "%ARCH%": 'a', "%GROUPS%": 'g', "%REPLACES%": 'r'}

func (d *desc) set(key byte, value string) error {
	if len(value) > maxText {
		return fmt.Errorf("%w of %d bytes in a value", rootfs.ErrTooLarge, maxText)
	}
	switch key {
	case 'b':
		d.base = value
	case 'a':
		d.arch = value
	case 'g':
		if len(d.groups) == maxWords {
			return fmt.Errorf("%w of %d groups", unpack.ErrTooMany, maxWords)
		}
		d.groups = append(d.groups, value)
	case 'r':
		if len(d.replaces) == maxWords {
			return fmt.Errorf("%w of %d replaced packages", unpack.ErrTooMany, maxWords)
		}
		d.replaces = append(d.replaces, parseDependency(value))
	}
	return nil
}

// parseDependency cuts "name>=1:2-3".
func parseDependency(text string) dependency {
	text, _, _ = strings.Cut(text, ": ") // a reason, as optional ones have it
	at := strings.IndexAny(text, "<>=")
	if at < 0 {
		return dependency{name: text}
	}
	d := dependency{name: text[:at], op: text[at : at+1], version: text[at+1:]}
	if strings.HasPrefix(d.version, "=") && d.op != "=" {
		d.op, d.version = d.op+"=", d.version[1:]
	}
	return d
}

// meets reports whether a version is one that the dependency names.
func (d dependency) meets(version string) bool {
	c := pacmanversion.Compare(version, d.version)
	switch d.op {
	case "":
		return true
	case "=":
		return c == 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	}
	return c >= 0
}

// splitName cuts the name of a record, NAME-VERSION-RELEASE: neither version nor
// release has a hyphen.
func splitName(entry string) (name, version string, ok bool) {
	at := strings.LastIndexByte(entry, '-')
	if at < 0 {
		return "", "", false
	}
	at = strings.LastIndexByte(entry[:at], '-')
	if at <= 0 {
		return "", "", false
	}
	return entry[:at], entry[at+1:], true
}

// errRecord is what a database holds where a record was expected.
func errRecord(path, found string) error {
	return fmt.Errorf("%s: expected a record NAME-VERSION-RELEASE, found %q", path, rootfs.Excerpt(found))
}
