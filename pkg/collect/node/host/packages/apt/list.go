package apt

import (
	"bytes"
	"fmt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/unpack"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// packageList is what readPackageList needs to know of a list, and what it found.
type packageList struct {
	in   *index
	size int64 // bytes that it should have, -1 if unknown
}

// offerList adds the versions of installed packages that a list has.
// Its stanzas of other packages are skipped unread.
func offerList(r *unpack.Limited, list packageList, db *database, buf []byte) error {
	scanner := newStanzaScanner(r, buf)
	var st stanza
	wanted := func(name []byte) bool { return db.packages[string(name)] != nil }
	for {
		ok, err := scanner.next(&st, wanted)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if len(st.Package.value) == 0 || len(st.Version.value) == 0 || len(st.Architecture.value) == 0 {
			return fmt.Errorf("expected Package, Version and Architecture in the stanza at byte %d, found %q, %q and %q",
				st.Offset, rootfs.Excerpt(st.Package.value), rootfs.Excerpt(st.Version.value), rootfs.Excerpt(st.Architecture.value))
		}
		if max(len(st.Version.value), len(st.Architecture.value)) > maxText {
			return fmt.Errorf("%w of %d bytes in a field of the stanza at byte %d", rootfs.ErrTooLarge, maxText, st.Offset)
		}
		phased := 100
		if st.Phased.set {
			if phased, err = percentage(st.Phased.value); err != nil {
				return fmt.Errorf("stanza at byte %d: %w", st.Offset, err)
			}
		}
		for p := db.packages[string(st.Package.value)]; p != nil; p = p.next {
			arch := st.Architecture.value
			if string(arch) == p.arch || bytes.Equal(arch, []byte("all")) && p.arch == db.nativeArch {
				if p.offer(db, list.in, textOf(st.Version.value, p), arch, phased) {
					return fmt.Errorf("%w of %d versions of one package, in the stanza at byte %d", unpack.ErrTooMany, maxVersions, st.Offset)
				}
				if db.kept > maxKept {
					return fmt.Errorf("%w of %d bytes of updates, in the stanza at byte %d", unpack.ErrTooMany, maxKept, st.Offset)
				}
			}
		}
	}
	if list.size >= 0 && r.Count() < list.size {
		return fmt.Errorf("%w: it has %d bytes, its Release file says %d", rootfs.ErrCut, r.Count(), list.size)
	}
	if list.size >= 0 && r.Count() > list.size {
		return fmt.Errorf("it has %d bytes, its Release file says %d", r.Count(), list.size)
	}
	return nil
}

func percentage(text []byte) (int, error) {
	n := 0
	for _, c := range text {
		if c < '0' || c > '9' || n > 100 {
			n = 101
			break
		}
		n = n*10 + int(c-'0')
	}
	if len(text) == 0 || n > 100 {
		return 0, fmt.Errorf("expected a Phased-Update-Percentage of 0 to 100, found %q", rootfs.Excerpt(text))
	}
	return n, nil
}

// textOf is a version, as the text of the installed one where they are equal: most are.
func textOf(version []byte, p *installedPackage) string {
	if string(version) == p.version {
		return p.version
	}
	return string(version)
}
