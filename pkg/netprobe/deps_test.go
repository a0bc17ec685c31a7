//go:build linux && (amd64 || arm64)

package netprobe

import (
	"bytes"
	"compress/gzip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// command is the program that this package is the body of.
const command = "../../cmd/checklist-probe-net"

// It links package net and crypto/tls, as it must, and no further way out.
func TestNetProbeLinks(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", command).Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if !slices.Contains(deps, "crypto/tls") {
		t.Fatalf("expected the whole import graph, found %d packages without crypto/tls", len(deps))
	}
	for _, dep := range deps {
		for _, forbidden := range []string{"k8s.io/", "sigs.k8s.io/", "net/http", "net/rpc", "net/smtp", "os/exec", "os/signal", "os/user", "plugin", "text/template", "html/template", "database/sql"} {
			if dep == forbidden || strings.HasPrefix(dep, strings.TrimSuffix(forbidden, "/")+"/") {
				t.Errorf("links %s", dep)
			}
		}
	}
}

// 7 ConfigMaps of 1,000,000 bytes hold the embedded one. An image is compressed.
func TestNetProbeSize(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the probe")
	}
	const limit, compressedLimit = 7_000_000, 3_000_000
	data, err := os.ReadFile(built(t))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	zip, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := zip.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	if len(data) > limit || out.Len() > compressedLimit {
		t.Errorf("expected at most %d bytes, %d compressed, found %d and %d", limit, compressedLimit, len(data), out.Len())
	}
	t.Logf("%d bytes, %d compressed", len(data), out.Len())
}
