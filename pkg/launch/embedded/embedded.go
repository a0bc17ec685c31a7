// Package embedded carries the executables of both probes, checklist-probe and
// checklist-probe-net, for amd64 and arm64 inside the plugin, so that a node can be
// measured even if our image cannot be pulled. They are built by
//
//	go run ./hack/buildprobe
//
// into the directory bin and compressed. A clean clone compiles without them and says
// how to build them.
//
// Both programs for an architecture are in one file, because they have much in common:
// together they take 8.3 MB, and 9.8 MB one by one. The file is one zstd frame (RFC 8878).
// In it, for each program of Programs, are 8 bytes, the program's length in bytes (big
// endian), and the program.
package embedded

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/klauspost/compress/zstd"
)

//go:embed bin
var bin embed.FS

// ErrNotBuilt says that this build of the plugin carries no probe.
var ErrNotBuilt = errors.New("this build carries no probe (go install builds none): install a release, or run make build in a clone")

const (
	// maxSize bounds a decompressed probe; the larger one is about 8 MB.
	maxSize = 32 << 20
	// window is how far back the compression looks, in bytes: both programs.
	window = 16 << 20
)

// The programs that run on a node.
const (
	probe    = "checklist-probe"
	netProbe = "checklist-probe-net"
)

// Programs returns the names of both programs, those of their directories below cmd, in
// the order in which a file has them.
func Programs() []string { return []string{probe, netProbe} }

// File returns the name, below bin, of the file with both programs for an architecture,
// as in GOARCH.
func File(goarch string) string { return "probes_linux_" + goarch + ".zst" }

// Pack returns the content of a file. executables has one for each program, in the order
// of Programs. The same executables and the same version of the compressing library
// (go.mod) always give the same bytes.
func Pack(executables [][]byte) ([]byte, error) {
	if len(executables) != len(Programs()) {
		return nil, fmt.Errorf("expected %d executables, found %d", len(Programs()), len(executables))
	}
	var all []byte
	for _, executable := range executables {
		all = binary.BigEndian.AppendUint64(all, uint64(len(executable)))
		all = append(all, executable...)
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(window), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	return encoder.EncodeAll(all, nil), nil
}

// Architectures returns the architectures of a full build.
func Architectures() []string { return []string{"amd64", "arm64"} }

// Probe returns the probe, an ELF executable for Linux, for an architecture as in
// GOARCH. The error is ErrNotBuilt if this build has none.
func Probe(goarch string) ([]byte, error) { return read(bin, probe, goarch) }

// NetProbe is Probe for the net probe.
func NetProbe(goarch string) ([]byte, error) { return read(bin, netProbe, goarch) }

// SHA256 returns the digest of what Probe returns, in hex.
func SHA256(goarch string) (string, error) { return digest(Probe(goarch)) }

// NetSHA256 returns the digest of what NetProbe returns, in hex.
func NetSHA256(goarch string) (string, error) { return digest(NetProbe(goarch)) }

func digest(executable []byte, err error) (string, error) {
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(executable)
	return hex.EncodeToString(sum[:]), nil
}

func read(files fs.FS, program, goarch string) ([]byte, error) {
	known := false
	for _, arch := range Architectures() {
		known = known || arch == goarch
	}
	if !known {
		return nil, fmt.Errorf("embedded %s: expected an architecture of %v, found %q", program, Architectures(), goarch)
	}
	data, err := fs.ReadFile(files, "bin/"+File(goarch))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("embedded %s for %s: %w", program, goarch, ErrNotBuilt)
	}
	if err != nil {
		return nil, fmt.Errorf("embedded %s for %s: %w", program, goarch, err)
	}
	executable, err := Unpack(data, program)
	if err != nil {
		return nil, fmt.Errorf("embedded %s for %s: %w", program, goarch, err)
	}
	if !bytes.HasPrefix(executable, []byte("\x7fELF")) {
		return nil, fmt.Errorf("embedded %s for %s: expected an ELF executable, found something else", program, goarch)
	}
	return executable, nil
}

// Unpack returns one program of a file that Pack wrote, and decompresses no more than it
// has to.
func Unpack(data []byte, program string) ([]byte, error) {
	decoder, err := zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(window))
	if err != nil {
		return nil, err
	}
	defer decoder.Close()
	for _, name := range Programs() {
		var length [8]byte
		if _, err := io.ReadFull(decoder, length[:]); err != nil {
			return nil, fmt.Errorf("decompressing: %w", err)
		}
		size := binary.BigEndian.Uint64(length[:])
		if size > maxSize {
			return nil, fmt.Errorf("expected at most %d bytes, found %d", maxSize, size)
		}
		if name != program {
			if _, err := io.CopyN(io.Discard, decoder, int64(size)); err != nil {
				return nil, fmt.Errorf("decompressing: %w", err)
			}
			continue
		}
		executable := make([]byte, size)
		if _, err := io.ReadFull(decoder, executable); err != nil {
			return nil, fmt.Errorf("decompressing: %w", err)
		}
		return executable, nil
	}
	return nil, errors.New("there is no such program")
}
