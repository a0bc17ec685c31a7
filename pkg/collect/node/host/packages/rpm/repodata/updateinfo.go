package repodata

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Advisory is an advisory of updateinfo.xml.
type Advisory struct {
	ID       []byte // "RHSA-2024:1234"; "" if it comes after the packages
	Type     []byte // "security", "bugfix", "enhancement", "newpackage", ...
	Severity []byte // "Important"
	Status   []byte // "final", "stable", "retracted"
}

// Security reports whether it is about security.
func (a *Advisory) Security() bool { return string(a.Type) == "security" }

// Retracted reports whether the vendor has withdrawn it.
func (a *Advisory) Retracted() bool { return string(a.Status) == "retracted" }

// Fix is a package of an advisory, of the version that fixes what it is about.
type Fix struct {
	Name, Arch              []byte
	Epoch, Version, Release []byte
	// Module and Stream are those of the collection, "" outside of modules.
	Module, Stream []byte
	// Reboot means that a reboot is due after the update. It is set if the element
	// comes within the package, as createrepo_c writes it.
	Reboot bool
}

// maxAdvisories bounds the advisories of a repository, maxFixes their packages:
// openSUSE Leap has 5,000 and 90,000, RHEL 8 AppStream 3,000 and 200,000.
const (
	maxAdvisories = 200_000
	maxFixes      = 5_000_000
)

// ReadUpdateInfo calls each with every package of every security advisory that is
// in updateinfo.xml, and returns the number of all advisories. An error of each
// ends it. buf may be nil.
func ReadUpdateInfo(r io.Reader, buf []byte, each func(*Advisory, *Fix) error) (advisories int, err error) {
	s := newScanner(r, buf)
	var a Advisory
	var fix Fix
	var text []byte
	root, fixes := false, 0
	update := []attr{{"type", &a.Type}, {"status", &a.Status}}
	module := []attr{{"name", &fix.Module}, {"stream", &fix.Stream}}
	pkg := []attr{{"name", &fix.Name}, {"arch", &fix.Arch}, {"epoch", &fix.Epoch}, {"version", &fix.Version}, {"release", &fix.Release}}
	deliver := func() error {
		if len(fix.Name) == 0 || len(fix.Version) == 0 {
			return fmt.Errorf("expected a name and a version of the package before byte %d, found %q and %q",
				s.at(), rootfs.Excerpt(fix.Name), rootfs.Excerpt(fix.Version))
		}
		if fixes++; fixes > maxFixes {
			return fmt.Errorf("%w of %d packages in advisories", rootfs.ErrTooLarge, maxFixes)
		}
		return each(&a, &fix)
	}
	for {
		t, err := s.next()
		if errors.Is(err, io.EOF) {
			if !root {
				return advisories, errors.New("expected an element updates, found another")
			}
			return advisories, nil
		}
		if err != nil {
			return advisories, err
		}
		// Depths: updates 1, update 2, pkglist 3, collection 4, package 5.
		at := s.depth
		if t.end {
			if at == 4 && t.is("package") {
				if err := deliver(); err != nil {
					return advisories, err
				}
			}
			continue
		}
		if t.empty {
			at++
		}
		switch at {
		case 1:
			root = root || t.is("updates")
		case 2:
			if !t.is("update") {
				break
			}
			if advisories++; advisories > maxAdvisories {
				return advisories, fmt.Errorf("%w of %d advisories", rootfs.ErrTooLarge, maxAdvisories)
			}
			a.ID, a.Severity = a.ID[:0], a.Severity[:0]
			if err = t.take(update); err == nil && !t.empty && !a.Security() {
				err = s.skip("update")
			}
		case 3:
			switch {
			case t.empty:
			case t.is("id"):
				a.ID, err = s.text(a.ID)
			case t.is("severity"):
				a.Severity, err = s.text(a.Severity)
			case t.is("references"):
				err = s.skip("references")
			}
		case 4:
			fix.Module, fix.Stream = fix.Module[:0], fix.Stream[:0]
		case 5:
			switch {
			case t.is("module"):
				err = t.take(module)
			case t.is("package"):
				fix.Reboot = false
				if err = t.take(pkg); err == nil && t.empty {
					err = deliver()
				}
			}
		case 6:
			if t.is("reboot_suggested") {
				// Its text is True or 1, or it has none.
				if !t.empty {
					text, err = s.text(text)
				}
				fix.Reboot = t.empty || !bytes.EqualFold(text, []byte("false")) && string(text) != "0"
			}
		}
		if err != nil {
			return advisories, fmt.Errorf("before byte %d: %w", s.at(), err)
		}
	}
}
