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

// ukiDirs are where unified kernel images are, on the EFI system partition or the
// extended boot loader partition (Boot Loader Specification, type 2).
var ukiDirs = []string{"/boot/efi/EFI/Linux", "/boot/EFI/Linux", "/efi/EFI/Linux"}

// Limits on a PE image.
const (
	maxPEHeader   = 64 << 10 // where the header may start, bytes
	maxPESections = 96       // the loader of Windows allows no more
)

// parseUKI reads the release of a unified kernel image: its section .uname holds it as
// text (systemd's UKI specification). Layout: "MZ"; at 0x3c a u32, the position of
// "PE\0\0"; then the COFF header of 20 bytes with the number of sections at 2 and the
// size of the optional header at 16; then, behind that, sections of 40 bytes: name[8],
// virtual size, address, size of the data, position of the data.
func parseUKI(r io.ReaderAt) (release string, err error) {
	read := func(buf []byte, at int64, what string) error {
		n, err := r.ReadAt(buf, at)
		if n == len(buf) {
			return nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		return fmt.Errorf("%w: expected %s of %d bytes at byte %d, found %d", rootfs.ErrCut, what, len(buf), at, n)
	}
	var dos [0x40]byte
	if err := read(dos[:], 0, "a header"); err != nil {
		return "", err
	}
	at := int64(binary.LittleEndian.Uint32(dos[0x3c:]))
	if string(dos[:2]) != "MZ" || at > maxPEHeader {
		return "", errors.New("expected a PE image, found something else")
	}
	var coff [24]byte
	if err := read(coff[:], at, "a PE header"); err != nil {
		return "", err
	}
	if string(coff[:4]) != "PE\x00\x00" {
		return "", fmt.Errorf("expected a PE header at byte %d, found something else", at)
	}
	sections := int64(binary.LittleEndian.Uint16(coff[4+2:]))
	if sections > maxPESections {
		return "", fmt.Errorf("expected at most %d sections, found %d", maxPESections, sections)
	}
	at += int64(len(coff)) + int64(binary.LittleEndian.Uint16(coff[4+16:]))
	table := make([]byte, 40*sections)
	if err := read(table, at, "a table of sections"); err != nil {
		return "", err
	}
	for ; len(table) > 0; table = table[40:] {
		if string(bytes.TrimRight(table[:8], "\x00")) != ".uname" {
			continue
		}
		size, position := binary.LittleEndian.Uint32(table[8:]), binary.LittleEndian.Uint32(table[20:])
		if size == 0 || size > maxKernelVersion {
			return "", fmt.Errorf("expected a section .uname of 1 to %d bytes, found %d", maxKernelVersion, size)
		}
		text := make([]byte, size)
		if err := read(text, int64(position), "a section .uname"); err != nil {
			return "", err
		}
		release, _, err := splitKernelVersion(strings.TrimRight(string(text), "\x00"))
		return release, err
	}
	return "", errors.New("expected a section .uname, found none")
}
