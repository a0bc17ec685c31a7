package apk

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/unpack"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Bounds of the installed database and of an index.
const (
	maxLine      = 256 << 10 // dependencies of one package, bytes
	maxText      = 1 << 10   // a name, a version or what else is kept, bytes
	maxInstalled = 100_000
	maxOffers    = 10_000 // versions that are newer than those of installed packages
	maxRecords   = 1_000_000
)

// record is what is wanted of a package: P, V, A and o of apk-package(5), and of an
// installed one the tag of its repository and its directories of modules.
type record struct {
	name, version, arch, origin, tag string
	modules                          []string // RELEASE of lib/modules/RELEASE
	kernel                           bool     // it has a file boot/vmlinuz-*
}

// maxModules bounds the directories of modules of one package.
const maxModules = 16

// parseRecords reads records of lines "X:value", each followed by an empty line. It
// calls do with each. Installed ones also list their directories (F:) and, after
// each, its files (R:).
func parseRecords(r io.Reader, installed bool, do func(*record) error) error {
	lines := bufio.NewReaderSize(r, maxLine)
	var now record
	dir, at, ended := "", int64(0), true
	for {
		line, err := lines.ReadSlice('\n')
		switch {
		case err == io.EOF && len(line) > 0:
			return fmt.Errorf("%w: inside a line, at byte %d", rootfs.ErrCut, at+int64(len(line)))
		case errors.Is(err, bufio.ErrBufferFull):
			return fmt.Errorf("%w of %d bytes in the line at byte %d", rootfs.ErrTooLarge, maxLine, at)
		case err == io.EOF:
			if !ended && installed { // apk ends each record with an empty line
				return fmt.Errorf("%w: no empty line after the record of %q", rootfs.ErrCut, rootfs.Excerpt(now.name))
			}
			return finish(&now, ended, at, do)
		case err != nil:
			return err
		}
		start := at
		at += int64(len(line))
		line = line[:len(line)-1]
		if len(line) == 0 {
			if err := finish(&now, ended, start, do); err != nil {
				return err
			}
			now, dir, ended = record{}, "", true
			continue
		}
		if len(line) < 2 || line[1] != ':' {
			return fmt.Errorf("expected a line X:VALUE at byte %d, found %q", start, rootfs.Excerpt(line))
		}
		ended = false
		value := line[2:]
		if kept := strings.IndexByte("PVAos", line[0]) >= 0; kept && len(value) > maxText {
			return fmt.Errorf("%w of %d bytes in the field %c at byte %d", rootfs.ErrTooLarge, maxText, line[0], start)
		}
		switch line[0] {
		case 'P':
			now.name = string(value)
		case 'V':
			now.version = string(value)
		case 'A':
			now.arch = intern(value)
		case 'o':
			now.origin = string(value)
		case 's':
			now.tag = string(value)
		case 'F':
			if installed && strings.HasPrefix(now.name, "linux-") {
				dir = string(value)
				rest, found := strings.CutPrefix(strings.TrimPrefix(dir, "usr/"), "lib/modules/")
				if found && rest != "" && !strings.Contains(rest, "/") && len(now.modules) < maxModules {
					now.modules = append(now.modules, rest)
				}
			}
		case 'R':
			now.kernel = now.kernel || dir == "boot" && strings.HasPrefix(string(value), "vmlinuz-")
		}
	}
}

func finish(now *record, empty bool, at int64, do func(*record) error) error {
	switch {
	case empty:
		return nil
	case now.name == "" || now.version == "":
		return fmt.Errorf("expected a name and a version in the record before byte %d, found none", at)
	}
	return do(now)
}

// intern returns one string for each usual architecture.
func intern(arch []byte) string {
	switch string(arch) {
	case "x86_64":
		return "x86_64"
	case "aarch64":
		return "aarch64"
	case "noarch":
		return "noarch"
	}
	return string(arch)
}

var errTooManyRecords = fmt.Errorf("%w of %d packages", unpack.ErrTooMany, maxInstalled)
