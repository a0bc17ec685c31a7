// Package gobuild reads the build information of a Go program: the version of Go, and
// the modules that the program was built from.
//
// Source: the ELF section .go.buildinfo, as cmd/link writes it (internal/buildinfo of
// the Go distribution). The standard library reads it too, but links five formats of
// executables, and debug information of each, into the probe. What is read here is
// bounded whatever the file says.
package gobuild

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// ErrNone is the error for a file that has no build information: it is no ELF file, or
// no program in Go, or one of a Go before 1.13.
var ErrNone = errors.New("no Go build information")

// Limits on what is read.
const (
	maxHeaders  = 512      // program headers, and section headers
	maxSections = 4096     // section headers
	maxNames    = 1 << 20  // bytes of the sections' names
	maxScan     = 16 << 20 // bytes of a file without sections
	maxVersion  = 256      // bytes
	maxText     = 1 << 20  // bytes of the list of modules: 5,000 have half of that
)

// Info is what a program says.
type Info struct {
	Go string // "go1.21.3"
	// Modules are the main module, if it has a version, and its dependencies, at most
	// the limit that Read was given. Total counts all of them.
	Modules []Module
	Total   int
}

// Module is a module that is in the program.
type Module struct {
	Path string
	// Version is that of what was built, "" if it is unknown: a directory that replaces
	// the module.
	Version string
}

// Read reads the build information of a program, with at most limit modules. An error
// other than ErrNone means that the file contradicts its format, or that more is in it
// than is read.
func Read(r io.ReaderAt, limit int) (Info, error) {
	f, err := openELF(r)
	if err != nil {
		return Info{}, err
	}
	at, err := f.buildInfo()
	if err != nil {
		return Info{}, err
	}
	version, text, err := f.strings(at)
	if err != nil {
		return Info{}, err
	}
	if version == "" {
		return Info{}, ErrNone
	}
	info := Info{Go: strings.Clone(version)}
	info.parse(text, limit)
	return info, nil
}

// parse reads the list of modules: lines with fields that tabs separate, "mod" and "dep"
// with path, version and sum, and "=>" for what replaces the dependency before it.
func (info *Info) parse(text string, limit int) {
	last := -1 // the module that a replacement is of
	for line := range strings.SplitSeq(text, "\n") {
		kind, rest, _ := strings.Cut(line, "\t")
		path, rest, _ := strings.Cut(rest, "\t")
		version, _, _ := strings.Cut(rest, "\t")
		switch kind {
		case "mod", "dep":
			last = -1
			if path == "" || kind == "mod" && (version == "" || version == "(devel)") {
				continue
			}
			info.Total++
			if len(info.Modules) < limit {
				last = len(info.Modules)
				info.Modules = append(info.Modules, Module{strings.Clone(path), strings.Clone(version)})
			}
		case "=>":
			if last < 0 {
				continue
			}
			// A directory has no version, and its path is no module's.
			m := &info.Modules[last]
			if m.Version = strings.Clone(version); version != "" {
				m.Path = strings.Clone(path)
			}
		}
	}
}

// elf is an open ELF file (elf(5)).
type elf struct {
	r     io.ReaderAt
	order binary.ByteOrder
	wide  bool // 64 bits
	loads []load
	// names is the index of the section with the names of sections.
	sections, sectionSize, count, names uint64
}

// load is a segment that is loaded into memory.
type load struct {
	address, offset, size uint64 // size in the file
	writable              bool
}

func openELF(r io.ReaderAt) (*elf, error) {
	var head [64]byte
	if n, err := r.ReadAt(head[:], 0); n < 52 {
		if err == nil || errors.Is(err, io.EOF) {
			return nil, ErrNone
		}
		return nil, err
	}
	if string(head[:4]) != "\x7fELF" {
		return nil, ErrNone
	}
	f := &elf{r: r}
	switch head[5] {
	case 1:
		f.order = binary.LittleEndian
	case 2:
		f.order = binary.BigEndian
	default:
		return nil, ErrNone
	}
	var segments, segmentSize, segmentCount uint64
	switch head[4] {
	case 2:
		f.wide = true
		segments, f.sections = f.order.Uint64(head[32:]), f.order.Uint64(head[40:])
		segmentSize, segmentCount = uint64(f.order.Uint16(head[54:])), uint64(f.order.Uint16(head[56:]))
		f.sectionSize, f.count, f.names = uint64(f.order.Uint16(head[58:])), uint64(f.order.Uint16(head[60:])), uint64(f.order.Uint16(head[62:]))
	case 1:
		segments, f.sections = uint64(f.order.Uint32(head[28:])), uint64(f.order.Uint32(head[32:]))
		segmentSize, segmentCount = uint64(f.order.Uint16(head[42:])), uint64(f.order.Uint16(head[44:]))
		f.sectionSize, f.count, f.names = uint64(f.order.Uint16(head[46:])), uint64(f.order.Uint16(head[48:])), uint64(f.order.Uint16(head[50:]))
	default:
		return nil, ErrNone
	}
	if segmentCount > maxHeaders {
		return nil, fmt.Errorf("%w of %d program headers", rootfs.ErrTooLarge, maxHeaders)
	}
	header := make([]byte, f.pick(32, 56))
	if segmentCount > 0 && segmentSize < uint64(len(header)) {
		return nil, fmt.Errorf("expected program headers of at least %d bytes, found %d", len(header), segmentSize)
	}
	for i := range segmentCount {
		if err := f.read(header, segments+i*segmentSize); err != nil {
			return nil, err
		}
		if f.order.Uint32(header) != 1 { // PT_LOAD
			continue
		}
		var l load
		var flags uint32
		if f.wide {
			flags = f.order.Uint32(header[4:])
			l.offset, l.address, l.size = f.order.Uint64(header[8:]), f.order.Uint64(header[16:]), f.order.Uint64(header[32:])
		} else {
			flags = f.order.Uint32(header[24:])
			l.offset, l.address, l.size = uint64(f.order.Uint32(header[4:])), uint64(f.order.Uint32(header[8:])), uint64(f.order.Uint32(header[16:]))
		}
		l.writable = flags&3 == 2 // W and not X
		f.loads = append(f.loads, l)
	}
	return f, nil
}

func (f *elf) pick(narrow, wide int) int {
	if f.wide {
		return wide
	}
	return narrow
}

// maxOffset bounds offsets, so that sums of them do not overflow.
const maxOffset = 1 << 62

// read fills buf from an offset.
func (f *elf) read(buf []byte, at uint64) error {
	if at > maxOffset {
		return fmt.Errorf("expected an offset in the file, found %d", at)
	}
	n, err := f.r.ReadAt(buf, int64(at))
	switch {
	case n == len(buf):
		return nil
	case err == nil, errors.Is(err, io.EOF):
		return fmt.Errorf("%w: expected %d bytes at byte %d, found %d", rootfs.ErrCut, len(buf), at, n)
	}
	return err
}

// headerSize is that of the build information, magic its first bytes. It begins at a
// multiple of align.
const (
	headerSize = 32
	magic      = "\xff Go buildinf:"
	align      = 16
)

// buildInfo returns where the build information is, by the section's name or, in a file
// without sections, by its magic in a segment that is written to.
func (f *elf) buildInfo() (uint64, error) {
	if f.count > 0 && f.sections > 0 {
		return f.section(".go.buildinfo")
	}
	const step = 64 << 10
	buf := make([]byte, step+len(magic)) // the magic can lie across two steps
	scanned := uint64(0)
	for _, l := range f.loads {
		if !l.writable {
			continue
		}
		if l.size > maxOffset || l.offset > maxOffset {
			return 0, fmt.Errorf("expected a segment in the file, found one of %d bytes at byte %d", l.size, l.offset)
		}
		for done := uint64(0); done < l.size && scanned < maxScan; done += step {
			n, err := f.r.ReadAt(buf[:min(uint64(len(buf)), l.size-done)], int64(l.offset+done))
			if n == 0 {
				if err != nil && !errors.Is(err, io.EOF) {
					return 0, err
				}
				break
			}
			scanned += uint64(n)
			for from := 0; ; from++ {
				i := bytes.Index(buf[from:n], []byte(magic))
				if i < 0 {
					break
				}
				if from += i; (l.address+done+uint64(from))%align == 0 {
					return l.offset + done + uint64(from), nil
				}
			}
		}
	}
	return 0, ErrNone
}

// section returns the offset of a section.
func (f *elf) section(name string) (uint64, error) {
	header := make([]byte, f.pick(40, 64))
	switch {
	case f.count > maxSections:
		return 0, fmt.Errorf("%w of %d sections", rootfs.ErrTooLarge, maxSections)
	case f.sectionSize < uint64(len(header)):
		return 0, fmt.Errorf("expected section headers of at least %d bytes, found %d", len(header), f.sectionSize)
	case f.names >= f.count || f.sections > maxOffset:
		return 0, ErrNone
	}
	place := func(i uint64) (nameAt uint32, offset, size uint64, err error) {
		if err := f.read(header, f.sections+i*f.sectionSize); err != nil {
			return 0, 0, 0, err
		}
		nameAt = f.order.Uint32(header)
		if f.wide {
			return nameAt, f.order.Uint64(header[24:]), f.order.Uint64(header[32:]), nil
		}
		return nameAt, uint64(f.order.Uint32(header[16:])), uint64(f.order.Uint32(header[20:])), nil
	}
	_, offset, size, err := place(f.names)
	if err != nil {
		return 0, err
	}
	if size > maxNames {
		return 0, fmt.Errorf("%w of %d bytes of section names", rootfs.ErrTooLarge, maxNames)
	}
	names := make([]byte, size)
	if err := f.read(names, offset); err != nil {
		return 0, err
	}
	wanted := append([]byte(name), 0)
	for i := range f.count {
		nameAt, offset, size, err := place(i)
		if err != nil {
			return 0, err
		}
		if uint64(nameAt) < uint64(len(names)) && bytes.HasPrefix(names[nameAt:], wanted) && size >= align {
			return offset, nil
		}
	}
	return 0, ErrNone
}

// strings reads the two strings of the build information at an offset.
func (f *elf) strings(at uint64) (version, modules string, err error) {
	var head [headerSize]byte
	if err := f.read(head[:], at); err != nil {
		return "", "", err
	}
	if string(head[:len(magic)]) != magic {
		return "", "", ErrNone
	}
	const pointerSize, flags = 14, 15
	if head[flags]&2 != 0 { // since Go 1.18 the strings follow, each with its length
		at += headerSize
		if version, at, err = f.inline(at, maxVersion); err != nil {
			return "", "", err
		}
		modules, _, err = f.inline(at, maxText)
	} else {
		order := binary.ByteOrder(binary.LittleEndian)
		if head[flags]&1 != 0 {
			order = binary.BigEndian
		}
		size := int(head[pointerSize])
		if size != 4 && size != 8 {
			return "", "", fmt.Errorf("expected pointers of 4 or 8 bytes, found %d", size)
		}
		pointer := func(data []byte) uint64 {
			if size == 4 {
				return uint64(order.Uint32(data))
			}
			return order.Uint64(data)
		}
		if version, err = f.pointed(pointer(head[16:]), size, pointer, maxVersion); err == nil {
			modules, err = f.pointed(pointer(head[16+size:]), size, pointer, maxText)
		}
	}
	if err != nil {
		return "", "", err
	}
	// The list lies between two marks of 16 bytes.
	const mark = 16
	if len(modules) >= 2*mark+1 && modules[len(modules)-mark-1] == '\n' {
		return version, modules[mark : len(modules)-mark], nil
	}
	return version, "", nil
}

// inline reads a string behind its length, and returns where the next one is.
func (f *elf) inline(at uint64, limit int) (string, uint64, error) {
	var head [binary.MaxVarintLen64]byte
	n, err := 0, error(nil)
	if at <= maxOffset {
		n, err = f.r.ReadAt(head[:], int64(at))
	}
	size, used := binary.Uvarint(head[:n])
	switch {
	case used <= 0 && err != nil && !errors.Is(err, io.EOF):
		return "", 0, err
	case used <= 0:
		return "", 0, fmt.Errorf("%w: expected the length of a string at byte %d", rootfs.ErrCut, at)
	case size > uint64(limit):
		return "", 0, fmt.Errorf("%w of %d bytes in a string at byte %d", rootfs.ErrTooLarge, limit, at)
	}
	text := make([]byte, size)
	at += uint64(used)
	if err := f.read(text, at); err != nil {
		return "", 0, err
	}
	return string(text), at + size, nil
}

// pointed reads a string of Go at an address: a pointer to its bytes, and their number.
func (f *elf) pointed(address uint64, size int, pointer func([]byte) uint64, limit int) (string, error) {
	if address == 0 {
		return "", nil
	}
	head := make([]byte, 2*size)
	at, ok := f.offset(address)
	if !ok {
		return "", fmt.Errorf("expected the address of a string, found %#x", address)
	}
	if err := f.read(head, at); err != nil {
		return "", err
	}
	length := pointer(head[size:])
	at, ok = f.offset(pointer(head))
	switch {
	case length > uint64(limit):
		return "", fmt.Errorf("%w of %d bytes in a string at byte %d", rootfs.ErrTooLarge, limit, at)
	case !ok && length > 0:
		return "", fmt.Errorf("expected the address of a string's bytes, found %#x", pointer(head))
	}
	text := make([]byte, length)
	if err := f.read(text, at); err != nil {
		return "", err
	}
	return string(text), nil
}

// offset is the place in the file of an address in memory.
func (f *elf) offset(address uint64) (uint64, bool) {
	for _, l := range f.loads {
		if l.address <= address && address-l.address < l.size {
			return l.offset + (address - l.address), true
		}
	}
	return 0, false
}
