// Package embedded carries the executables of both probes, checklist-probe and
// checklist-probe-net, for amd64 and arm64 inside the plugin, so that a node can be
// measured even if our image cannot be pulled. They are built by
//
//	go run ./hack/buildprobe
//
// into the directory bin and compressed. A clean clone compiles without them and says
// how to build them.
package embedded

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

//go:embed bin
var bin embed.FS

// ErrNotBuilt says that this build of the plugin carries no probe.
var ErrNotBuilt = errors.New("this build carries no probe: run go run ./hack/buildprobe, then build the plugin again")

// maxSize bounds a decompressed probe; each is about 5 MB.
const maxSize = 32 << 20

// The programs that run on a node.
const (
	probe    = "checklist-probe"
	netProbe = "checklist-probe-net"
)

// Programs returns the names of both programs: those of their directories below cmd.
func Programs() []string { return []string{probe, netProbe} }

// File returns the name, below bin, of a compressed program for an architecture, as in
// GOARCH.
func File(program, goarch string) string { return program + "_linux_" + goarch + ".gz" }

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
	data, err := fs.ReadFile(files, "bin/"+File(program, goarch))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("embedded %s for %s: %w", program, goarch, ErrNotBuilt)
	}
	if err != nil {
		return nil, fmt.Errorf("embedded %s for %s: %w", program, goarch, err)
	}
	zip, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("embedded %s for %s: expected gzip: %w", program, goarch, err)
	}
	executable, err := io.ReadAll(io.LimitReader(zip, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("embedded %s for %s: decompressing: %w", program, goarch, err)
	}
	if len(executable) > maxSize {
		return nil, fmt.Errorf("embedded %s for %s: expected at most %d bytes, found more", program, goarch, maxSize)
	}
	if !bytes.HasPrefix(executable, []byte("\x7fELF")) {
		return nil, fmt.Errorf("embedded %s for %s: expected an ELF executable, found something else", program, goarch)
	}
	return executable, nil
}
