// Package embedded carries the probe's executables for amd64 and arm64 inside the
// plugin, so that a node can be measured even if our image cannot be pulled. They are
// built by
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

// maxSize bounds a decompressed probe; it is about 5 MB.
const maxSize = 32 << 20

// File returns the name, below bin, of the compressed probe for an architecture, as in
// GOARCH.
func File(goarch string) string { return "checklist-probe_linux_" + goarch + ".gz" }

// Architectures returns the architectures of a full build.
func Architectures() []string { return []string{"amd64", "arm64"} }

// Probe returns the probe, an ELF executable for Linux, for an architecture as in
// GOARCH. The error is ErrNotBuilt if this build has none.
func Probe(goarch string) ([]byte, error) { return read(bin, goarch) }

// SHA256 returns the digest of what Probe returns, in hex.
func SHA256(goarch string) (string, error) {
	probe, err := Probe(goarch)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(probe)
	return hex.EncodeToString(sum[:]), nil
}

func read(files fs.FS, goarch string) ([]byte, error) {
	known := false
	for _, arch := range Architectures() {
		known = known || arch == goarch
	}
	if !known {
		return nil, fmt.Errorf("embedded probe: expected an architecture of %v, found %q", Architectures(), goarch)
	}
	data, err := fs.ReadFile(files, "bin/"+File(goarch))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("embedded probe for %s: %w", goarch, ErrNotBuilt)
	}
	if err != nil {
		return nil, fmt.Errorf("embedded probe for %s: %w", goarch, err)
	}
	zip, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("embedded probe for %s: expected gzip: %w", goarch, err)
	}
	probe, err := io.ReadAll(io.LimitReader(zip, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("embedded probe for %s: decompressing: %w", goarch, err)
	}
	if len(probe) > maxSize {
		return nil, fmt.Errorf("embedded probe for %s: expected at most %d bytes, found more", goarch, maxSize)
	}
	if !bytes.HasPrefix(probe, []byte("\x7fELF")) {
		return nil, fmt.Errorf("embedded probe for %s: expected an ELF executable, found something else", goarch)
	}
	return probe, nil
}
