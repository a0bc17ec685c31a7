package repodata

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Package is a package of a repository.
type Package struct {
	Name, Arch              []byte
	Epoch, Version, Release []byte // Epoch "" is 0
	Vendor                  []byte
	// Obsoletes are the packages that it replaces, if they are of a version.
	Obsoletes []Relation
}

// Relation is a package by name, and by version: that of the package FLAGS VERSION.
type Relation struct {
	Name []byte
	// Flags is LT, LE, EQ, GE, GT, or "" for any version.
	Flags                   []byte
	Epoch, Version, Release []byte
}

const (
	maxPackages  = 500_000 // of a repository; Fedora 40 has 76,000
	maxObsoletes = 4096    // of a package; texlive has 3,000
)

// AppendEVR appends [EPOCH:]VERSION-RELEASE as rpmversion.Compare takes it.
func AppendEVR(dst, epoch, version, release []byte) []byte {
	if len(epoch) > 0 && string(epoch) != "0" {
		dst = append(append(dst, epoch...), ':')
	}
	dst = append(dst, version...)
	if len(release) > 0 {
		dst = append(append(dst, '-'), release...)
	}
	return dst
}

// ReadPrimary calls each with every package of primary.xml, in its order, and
// returns their number. An error of each ends it. buf may be nil.
func ReadPrimary(r io.Reader, buf []byte, each func(*Package) error) (count int, err error) {
	s := newScanner(r, buf)
	var p Package
	var text []byte
	want, root, obsoletes := -1, false, false
	version := []attr{{"epoch", &p.Epoch}, {"ver", &p.Version}, {"rel", &p.Release}}
	for {
		t, err := s.next()
		if errors.Is(err, io.EOF) {
			switch {
			case !root:
				return count, errors.New("expected an element metadata, found another")
			case want >= 0 && count < want:
				return count, fmt.Errorf("%w: expected %d packages, found %d", rootfs.ErrCut, want, count)
			}
			return count, nil
		}
		if err != nil {
			return count, err
		}
		at := s.depth
		if t.end {
			switch {
			case at == 1 && t.is("package"):
				if len(p.Name) == 0 || len(p.Arch) == 0 || len(p.Version) == 0 {
					return count, fmt.Errorf("expected a name, an architecture and a version of the package before byte %d, found %q, %q and %q",
						s.at(), rootfs.Excerpt(p.Name), rootfs.Excerpt(p.Arch), rootfs.Excerpt(p.Version))
				}
				if count++; count > maxPackages {
					return count, fmt.Errorf("%w of %d packages", rootfs.ErrTooLarge, maxPackages)
				}
				if err := each(&p); err != nil {
					return count, err
				}
			case at == 3:
				obsoletes = false
			}
			continue
		}
		if t.empty {
			at++
		}
		switch at {
		case 1:
			if root = root || t.is("metadata"); root {
				if err = t.take([]attr{{"packages", &text}}); err == nil && len(text) > 0 {
					if want, err = strconv.Atoi(string(text)); err != nil || want < 0 {
						return count, fmt.Errorf("expected a number of packages, found %q", rootfs.Excerpt(text))
					}
				}
			}
		case 2:
			p.Name, p.Arch, p.Vendor = p.Name[:0], p.Arch[:0], p.Vendor[:0]
			p.Epoch, p.Version, p.Release, p.Obsoletes = p.Epoch[:0], p.Version[:0], p.Release[:0], p.Obsoletes[:0]
			obsoletes = false
		case 3:
			switch {
			case t.empty && !t.is("version"):
			case t.is("name"):
				p.Name, err = s.text(p.Name)
			case t.is("arch"):
				p.Arch, err = s.text(p.Arch)
			case t.is("version"):
				err = t.take(version)
			case t.is("format"):
			case t.is("summary"), t.is("description"), t.is("checksum"), t.is("packager"), t.is("url"):
			}
		case 4:
			switch {
			case t.empty:
			case t.is("vendor"):
				p.Vendor, err = s.text(p.Vendor)
			case t.is("obsoletes"):
				obsoletes = true
			case t.is("provides"):
				err = s.skip("provides")
			case t.is("requires"):
				err = s.skip("requires")
			}
		case 5:
			if !obsoletes || !t.is("entry") {
				break
			}
			n := len(p.Obsoletes)
			if n == maxObsoletes {
				return count, fmt.Errorf("expected at most %d packages that one obsoletes before byte %d, found more", maxObsoletes, s.at())
			}
			if n < cap(p.Obsoletes) {
				p.Obsoletes = p.Obsoletes[:n+1]
			} else {
				p.Obsoletes = append(p.Obsoletes, Relation{})
			}
			o := &p.Obsoletes[n]
			err = t.take([]attr{{"name", &o.Name}, {"flags", &o.Flags}, {"epoch", &o.Epoch}, {"ver", &o.Version}, {"rel", &o.Release}})
		}
		if err != nil {
			return count, fmt.Errorf("before byte %d: %w", s.at(), err)
		}
	}
}
