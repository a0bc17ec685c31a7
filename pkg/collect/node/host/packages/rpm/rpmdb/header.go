package rpmdb

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Package is an installed package. Texts are raw bytes of the database.
type Package struct {
	Name    string
	Version string
	Release string
	Epoch   uint32 // 0 where the package has none, as rpm compares it
	Arch    string // "x86_64", "noarch"; "" for gpg-pubkey
	// SourceRPM is the file name of the source package.
	SourceRPM string
	Vendor    string
	// Modularity is NAME:STREAM:VERSION:CONTEXT of a package from a module.
	Modularity string
	// InstallTime is in seconds since 1970.
	InstallTime uint32
	// Provides are those that were asked for, in the package's order.
	Provides []Provide
}

// Provide is what a package provides, with a version or "".
type Provide struct{ Name, Version string }

// VersionRelease is VERSION-RELEASE.
func (p *Package) VersionRelease() string { return p.Version + "-" + p.Release }

// EVR is [EPOCH:]VERSION-RELEASE, as rpmversion.Compare takes it.
func (p *Package) EVR() string {
	if p.Epoch == 0 {
		return p.VersionRelease()
	}
	return strconv.FormatUint(uint64(p.Epoch), 10) + ":" + p.VersionRelease()
}

// Limits on a header. Those on entries and data are rpm's own
// (HEADER_TAGS_MAX, HEADER_DATA_MAX).
const (
	maxEntries = 0xffff
	maxData    = 0x0fffffff // bytes
	// maxText bounds a text that is kept, bytes.
	maxText = 1024
	// windowSize is how much of a header is read at a time, bytes. A header can
	// have megabytes of file names between what is wanted.
	windowSize = 2048
)

// Tags of a header (rpmtag.h), the wanted ones.
const (
	tagName           = 1000
	tagVersion        = 1001
	tagRelease        = 1002
	tagEpoch          = 1003
	tagInstallTime    = 1008
	tagVendor         = 1011
	tagArch           = 1022
	tagSourceRPM      = 1044
	tagProvideName    = 1047
	tagProvideVersion = 1113
	tagModularity     = 5096
)

var tagNames = map[uint32]string{
	tagName: "name", tagVersion: "version", tagRelease: "release", tagEpoch: "epoch", tagInstallTime: "install time",
	tagVendor: "vendor", tagArch: "architecture", tagSourceRPM: "source package", tagProvideName: "provides",
	tagProvideVersion: "versions of provides", tagModularity: "module",
}

// Types of an entry's data.
const (
	typeInt32   = 4
	typeString  = 6
	typeStrings = 8
	typeI18N    = 9 // one string for each language, the first is English
)

// entry is one of the index: COUNT items of TYPE at OFFSET of the data.
type entry struct{ tag, kind, offset, count uint32 }

// headerReader reads headers one after another.
type headerReader struct {
	provides map[string]bool // wanted

	src  io.ReaderAt
	size int64 // of the header
	data int64 // where its data begins
	// budget is how many bytes may still be read, of all headers.
	budget int64

	at      int64 // of the window
	window  []byte
	buf     [windowSize]byte
	text    []byte
	entries []entry
}

// errBudget means that records overlap: more was to be read than the file has.
var errBudget = errors.New("the records have more bytes than the file: they overlap")

func newHeaderReader(provides []string, fileSize int64) *headerReader {
	// Nothing is read twice but what lies in one window with its neighbour, or
	// before what was read.
	h := &headerReader{provides: make(map[string]bool, len(provides)), budget: 2*fileSize + 1<<20, text: make([]byte, 0, maxText)}
	for _, name := range provides {
		h.provides[name] = true
	}
	return h
}

// read reads a header: two big-endian u32, the count of entries and the size of
// the data; entries of four u32: tag, type, offset in the data, count of items;
// the data.
func (h *headerReader) read(src io.ReaderAt, size int64) (*Package, error) {
	h.src, h.size, h.at, h.window, h.entries = src, size, 0, nil, h.entries[:0]
	if size < 8 {
		return nil, fmt.Errorf("%w: expected a header of at least 8 bytes, found %d", rootfs.ErrCut, size)
	}
	intro, err := h.bytes(0, 8)
	if err != nil {
		return nil, err
	}
	count, length := binary.BigEndian.Uint32(intro), binary.BigEndian.Uint32(intro[4:])
	if count == 0 || count > maxEntries || length > maxData {
		return nil, fmt.Errorf("expected a header of 1 to %d entries and at most %d bytes of data, found %d and %d", maxEntries, maxData, count, length)
	}
	h.data = 8 + 16*int64(count)
	if want := h.data + int64(length); want != size {
		return nil, fmt.Errorf("expected %d bytes by the header's own account, found %d", want, size)
	}
	for i := range int64(count) {
		raw, err := h.bytes(8+16*i, 16)
		if err != nil {
			return nil, err
		}
		e := entry{
			binary.BigEndian.Uint32(raw), binary.BigEndian.Uint32(raw[4:]),
			binary.BigEndian.Uint32(raw[8:]), binary.BigEndian.Uint32(raw[12:]),
		}
		if tagNames[e.tag] == "" {
			continue
		}
		if err := e.check(length); err != nil {
			return nil, err
		}
		// What was added at installation comes after the package's own, and counts.
		if j := slices.IndexFunc(h.entries, func(o entry) bool { return o.tag == e.tag }); j >= 0 {
			h.entries[j] = e
		} else {
			h.entries = append(h.entries, e)
		}
	}
	// Forwards through the data, but the names of provides before their versions.
	slices.SortFunc(h.entries, func(a, b entry) int {
		if a.tag == tagProvideName && b.tag == tagProvideVersion {
			return -1
		}
		if a.tag == tagProvideVersion && b.tag == tagProvideName {
			return 1
		}
		return cmp.Compare(a.offset, b.offset)
	})
	p := &Package{}
	var provided []uint32 // the index of each in p.Provides
	for _, e := range h.entries {
		if err := h.take(p, e, &provided); err != nil {
			return nil, e.fail("%w", err)
		}
	}
	if p.Name == "" || p.Version == "" || p.Release == "" {
		return nil, errors.New("expected a name, a version and a release, found a header that lacks one of them")
	}
	return p, nil
}

// check reports an error unless a wanted entry has a type that fits and lies in
// the data.
func (e entry) check(length uint32) error {
	itemSize := int64(1) // a string has at least its NUL
	switch {
	case e.tag == tagEpoch || e.tag == tagInstallTime:
		itemSize = 4
		if e.kind != typeInt32 {
			return e.fail("expected type %d, found %d", typeInt32, e.kind)
		}
	case e.kind != typeString && e.kind != typeStrings && e.kind != typeI18N:
		return e.fail("expected type %d, %d or %d, found %d", typeString, typeStrings, typeI18N, e.kind)
	}
	if e.count == 0 || int64(e.offset)+int64(e.count)*itemSize > int64(length) {
		return e.fail("expected 1 item or more within %d bytes of data, found %d at byte %d", length, e.count, e.offset)
	}
	return nil
}

// fail makes an error about the entry.
func (e entry) fail(format string, args ...any) error {
	return fmt.Errorf("%s (tag %d): "+format, append([]any{tagNames[e.tag], e.tag}, args...)...)
}

// take reads an entry's data into p.
func (h *headerReader) take(p *Package, e entry, provided *[]uint32) error {
	number := func(to *uint32) error {
		raw, err := h.bytes(h.data+int64(e.offset), 4)
		if err == nil {
			*to = binary.BigEndian.Uint32(raw)
		}
		return err
	}
	text := func(to *string) error {
		return h.strings(e, func(_ uint32, s []byte, cut bool) (more bool, err error) {
			if cut {
				return false, fmt.Errorf("expected a text of at most %d bytes, found a longer one", maxText)
			}
			*to = string(s)
			return false, nil
		})
	}
	switch e.tag {
	case tagName:
		return text(&p.Name)
	case tagVersion:
		return text(&p.Version)
	case tagRelease:
		return text(&p.Release)
	case tagEpoch:
		return number(&p.Epoch)
	case tagInstallTime:
		return number(&p.InstallTime)
	case tagVendor:
		return text(&p.Vendor)
	case tagArch:
		return text(&p.Arch)
	case tagSourceRPM:
		return text(&p.SourceRPM)
	case tagModularity:
		return text(&p.Modularity)
	case tagProvideName:
		if len(h.provides) == 0 {
			return nil
		}
		return h.strings(e, func(i uint32, s []byte, cut bool) (bool, error) {
			if !cut && h.provides[string(s)] {
				if len(p.Provides) == maxProvides {
					return false, fmt.Errorf("expected at most %d of those that matter, found more", maxProvides)
				}
				p.Provides = append(p.Provides, Provide{Name: string(s)})
				*provided = append(*provided, i)
			}
			return true, nil
		})
	case tagProvideVersion:
		next := 0
		if len(*provided) == 0 {
			return nil
		}
		return h.strings(e, func(i uint32, s []byte, cut bool) (bool, error) {
			if i == (*provided)[next] {
				if cut {
					return false, fmt.Errorf("expected a text of at most %d bytes, found a longer one", maxText)
				}
				p.Provides[next].Version = string(s)
				next++
			}
			return next < len(*provided), nil
		})
	}
	return nil
}

// maxProvides bounds Package.Provides.
const maxProvides = 64

// strings calls do with each string of an entry, without its NUL, until it
// returns false. Of a string beyond maxText, only the first bytes are given.
func (h *headerReader) strings(e entry, do func(i uint32, s []byte, cut bool) (more bool, err error)) error {
	count := e.count
	if e.kind == typeString {
		count = 1
	}
	at := h.data + int64(e.offset)
	for i := range count {
		text, cut := h.text[:0], false
		for {
			if at >= h.size {
				return fmt.Errorf("%w: string %d has no end", rootfs.ErrCut, i)
			}
			part, err := h.from(at, 1)
			if err != nil {
				return err
			}
			end := bytes.IndexByte(part, 0)
			if end >= 0 {
				part = part[:end]
				at++
			}
			at += int64(len(part))
			if room := maxText - len(text); len(part) > room {
				part, cut = part[:room], true
			}
			text = append(text, part...)
			if end >= 0 {
				break
			}
		}
		if more, err := do(i, text, cut); err != nil || !more {
			return err
		}
	}
	return nil
}

// bytes returns n bytes, valid until the next read. n is at most windowSize.
func (h *headerReader) bytes(at int64, n int) ([]byte, error) {
	b, err := h.from(at, n)
	if err != nil {
		return nil, err
	}
	return b[:n], nil
}

// from returns at least n bytes, and those after them that were read as well.
func (h *headerReader) from(at int64, n int) ([]byte, error) {
	if at+int64(n) > h.size {
		return nil, fmt.Errorf("%w: expected %d bytes at byte %d of a header of %d", rootfs.ErrCut, n, at, h.size)
	}
	if at < h.at || at+int64(n) > h.at+int64(len(h.window)) {
		length := min(int64(len(h.buf)), h.size-at)
		if h.budget -= length; h.budget < 0 {
			return nil, errBudget
		}
		h.at, h.window = at, h.buf[:0]
		if err := readFull(h.src, h.buf[:length], at); err != nil {
			return nil, err
		}
		h.window = h.buf[:length]
	}
	return h.window[at-h.at:], nil
}
