package installation

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/kubectl-checklist/kubectl-checklist/hack/image/scratch"
)

// A library of others reads the exported image, and builds the same from the same
// programs. It gets to a registry with the digest that was printed.
func TestProbeImage(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("krew's links need rights there")
	}
	i := install(t, t.TempDir())
	release, _ := made(t)
	dir := t.TempDir()
	archive := filepath.Join(dir, "probe.tar")
	cmd := exec.Command(i.program(), "probe-image", "export", archive)
	digest, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", cmd, err)
	}
	want := strings.TrimSpace(string(digest))

	opened := filepath.Join(dir, "layout")
	extract(t, archive, opened)
	top, err := layout.ImageIndexFromPath(opened)
	if err != nil {
		t.Fatal(err)
	}
	index := only(t, top)
	if found, err := index.Digest(); err != nil || found.String() != want {
		t.Errorf("the index has the digest %s, %v: %s was printed", found, err, want)
	}
	// validate reads every layer, and compares sizes, digests and media types.
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var platforms []string
	for _, m := range manifest.Manifests {
		platforms = append(platforms, m.Platform.String())
		image, err := index.Image(m.Digest)
		if err != nil {
			t.Fatal(err)
		}
		programs := extractLayer(t, image, dir+"/"+m.Platform.Architecture)
		image, err = scratch.Image(scratch.Probe(m.Platform.Architecture, programs+"/checklist-probe", programs+"/checklist-probe-net"))
		if err != nil {
			t.Fatal(err)
		}
		if found, err := image.Digest(); err != nil || found != m.Digest {
			t.Errorf("%s: go-containerregistry builds %s from the same programs, %v: want %s", m.Platform, found, err, m.Digest)
		}
		// Its bill of materials is about these very bytes.
		for _, program := range []string{"checklist-probe", "checklist-probe-net"} {
			binary, err := os.ReadFile(filepath.Join(programs, program))
			if err != nil {
				t.Fatal(err)
			}
			bill, err := os.ReadFile(filepath.Join(release, program+"_linux_"+m.Platform.Architecture+".cdx.json"))
			if err != nil {
				t.Fatal(err)
			}
			if sum := fmt.Sprintf("%x", sha256.Sum256(binary)); !bytes.Contains(bill, []byte(sum)) {
				t.Errorf("%s for %s: its bill of materials lacks the SHA-256 %s", program, m.Platform.Architecture, sum)
			}
		}
	}
	if !slices.Equal(platforms, []string{"linux/amd64", "linux/arm64"}) {
		t.Errorf("platforms %v", platforms)
	}
	// As docker load reads it.
	for _, arch := range []string{"amd64", "arm64"} {
		tag, err := name.NewTag("checklist-probe:" + i.version + "-" + arch)
		if err != nil {
			t.Fatal(err)
		}
		image, err := tarball.ImageFromPath(archive, &tag)
		if err != nil {
			t.Fatal(err)
		}
		if config, err := image.ConfigFile(); err != nil || config.Architecture != arch || !slices.Equal(config.Config.Entrypoint, []string{"/checklist-probe"}) {
			t.Errorf("%s: config %v, %v", tag, config, err)
		}
		if err := validate.Image(image); err != nil {
			t.Errorf("%s: %v", tag, err)
		}
	}

	registry := httptest.NewServer(scratch.NewRegistry(io.Discard, "", ""))
	defer registry.Close()
	repository := strings.TrimPrefix(registry.URL, "http://") + "/checklist-probe"
	ref, err := name.ParseReference(repository+":v1", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(ref, index); err != nil {
		t.Fatal(err)
	}
	byDigest, err := name.NewDigest(repository+"@"+want, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	pulled, err := remote.Image(byDigest, remote.WithPlatform(v1.Platform{OS: "linux", Architecture: "arm64"}))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(pulled); err != nil {
		t.Error(err)
	}
}

// only returns the one index that index.json names.
func only(t *testing.T, top v1.ImageIndex) v1.ImageIndex {
	t.Helper()
	manifest, err := top.IndexManifest()
	if err != nil || len(manifest.Manifests) != 1 {
		t.Fatalf("index.json: %v, %v: want one entry", manifest, err)
	}
	index, err := top.ImageIndex(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	return index
}

func extract(t *testing.T, archive, dir string) {
	t.Helper()
	file, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // only read
	extractTar(t, file, dir)
}

func extractLayer(t *testing.T, image v1.Image, dir string) string {
	t.Helper()
	layers, err := image.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, %v: want one", len(layers), err)
	}
	r, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // only read
	extractTar(t, r, dir)
	return dir
}

func extractTar(t *testing.T, r io.Reader, dir string) {
	t.Helper()
	for in := tar.NewReader(r); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, filepath.FromSlash(header.Name))
		if header.Typeflag == tar.TypeDir {
			err = os.MkdirAll(file, 0o755)
		} else if err = os.MkdirAll(filepath.Dir(file), 0o755); err == nil {
			var data []byte
			if data, err = io.ReadAll(in); err == nil {
				err = os.WriteFile(file, data, 0o644)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
