package host

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// errNotBzImage means that a file is not an x86 kernel image: it is from
// another architecture, or not a kernel at all.
var errNotBzImage = errors.New("no x86 boot header")

// The x86 boot protocol (Documentation/arch/x86/boot.rst): the setup header
// lies at 0x1f1, its magic at 0x202, and at 0x20e a u16 that, plus 0x200, is
// the position of a NUL-terminated text, within the setup code.
const (
	bzMagicAt   = 0x202
	bzVersionAt = 0x20e
	bzBase      = 0x200
	// maxKernelVersion bounds the text; the kernel's own buffer has 256 bytes.
	maxKernelVersion = 512
)

// parseBzImage reads release and build of a kernel from its image:
// "6.1.0-56-cloud-amd64 (debian-kernel@lists.debian.org) #1 SMP PREEMPT_DYNAMIC
// Debian 6.1.192-2 (2026-11-16)" gives the first word, and the text from '#' on.
func parseBzImage(r io.ReaderAt) (release, build string, err error) {
	var header [bzVersionAt + 2]byte
	if n, err := r.ReadAt(header[:], 0); err != nil {
		if errors.Is(err, io.EOF) {
			if n >= bzMagicAt+4 && string(header[bzMagicAt:bzMagicAt+4]) != "HdrS" {
				return "", "", errNotBzImage
			}
			return "", "", fmt.Errorf("%w: expected a boot header of %d bytes, found %d", rootfs.ErrCut, len(header), n)
		}
		return "", "", err
	}
	if string(header[bzMagicAt:bzMagicAt+4]) != "HdrS" {
		return "", "", errNotBzImage
	}
	offset := binary.LittleEndian.Uint16(header[bzVersionAt:])
	if offset == 0 {
		return "", "", errors.New("the boot header names no kernel version")
	}
	at := int64(bzBase) + int64(offset)
	text := make([]byte, maxKernelVersion)
	n, err := r.ReadAt(text, at)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", "", err
	}
	length := bytes.IndexByte(text[:n], 0)
	if length < 0 {
		if n < len(text) {
			return "", "", fmt.Errorf("%w: inside the kernel version at byte %d", rootfs.ErrCut, at)
		}
		return "", "", fmt.Errorf("the kernel version at byte %d has no end within %d bytes", at, len(text))
	}
	return splitKernelVersion(string(text[:length]))
}

// splitKernelVersion cuts "RELEASE (who@where) #1 SMP ..." of a boot header,
// or of /proc/version without its "Linux version ".
func splitKernelVersion(text string) (release, build string, err error) {
	release, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	if release == "" || release[0] < '0' || release[0] > '9' {
		return "", "", fmt.Errorf("expected a kernel release, found %q", rootfs.Excerpt(text))
	}
	// A compiler's name before it may hold a '#', so look for " #".
	if i := strings.LastIndex(rest, " #"); i >= 0 {
		build = rest[i+1:]
	} else if strings.HasPrefix(rest, "#") {
		build = rest
	}
	return release, strings.TrimSpace(build), nil
}
