package probeimage

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch/embedded"
)

// fakes read programs that are different for each architecture.
func fakes() []func(string) ([]byte, error) {
	program := func(name string) func(string) ([]byte, error) {
		return func(arch string) ([]byte, error) { return []byte(name + " for " + arch), nil }
	}
	return []func(string) ([]byte, error){program("probe"), program("net probe")}
}

// untar reads an archive: the content of regular files, by name, and the mode of each.
func untar(t *testing.T, r io.Reader) (files map[string]string, modes map[string]fs.FileMode) {
	t.Helper()
	files, modes = map[string]string{}, map[string]fs.FileMode{}
	in := tar.NewReader(r)
	for {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return files, modes
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Uid != 0 || header.Gid != 0 || header.Uname != "" || !header.ModTime.Equal(epoch) {
			t.Errorf("%s: owner %d:%d %q, time %s: want root and the epoch", header.Name, header.Uid, header.Gid, header.Uname, header.ModTime)
		}
		data, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		modes[header.Name] = header.FileInfo().Mode()
		if header.Typeflag == tar.TypeReg {
			files[header.Name] = string(data)
		}
	}
}

func written(t *testing.T, image *Image) []byte {
	t.Helper()
	var b bytes.Buffer
	n, err := image.WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Fatalf("%d bytes of %d, %v", n, b.Len(), err)
	}
	return b.Bytes()
}

// read follows a descriptor as image-spec says, and checks its size and digest.
func read(t *testing.T, files map[string]string, d descriptor, into any) string {
	t.Helper()
	data, ok := files["blobs/"+strings.Replace(d.Digest, ":", "/", 1)]
	if !ok || int64(len(data)) != d.Size || fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(data))) != d.Digest {
		t.Fatalf("%s: expected a blob of %d bytes with this digest, found %d bytes", d.Digest, d.Size, len(data))
	}
	if into != nil {
		decoder := json.NewDecoder(strings.NewReader(data))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(into); err != nil {
			t.Fatal(err)
		}
	}
	return data
}

func TestArchive(t *testing.T) {
	image, err := build([]string{"arm64", "amd64"}, "v1.2.3+build", fakes())
	if err != nil {
		t.Fatal(err)
	}
	archive := written(t, image)
	again, err := build([]string{"amd64", "arm64"}, "v1.2.3+build", fakes())
	if err != nil || !bytes.Equal(archive, written(t, again)) || image.Digest() != again.Digest() {
		t.Errorf("a second archive differs, %v", err)
	}
	files, modes := untar(t, bytes.NewReader(archive))
	if got := files["oci-layout"]; got != `{"imageLayoutVersion":"1.0.0"}` {
		t.Errorf("oci-layout: %s", got)
	}
	if len(files) != 3+1+2*3 || modes["blobs/sha256/"] != fs.ModeDir|0o755 || modes["index.json"] != 0o644 {
		t.Errorf("got %v", modes)
	}
	var top, all index
	if err := json.Unmarshal([]byte(files["index.json"]), &top); err != nil || len(top.Manifests) != 1 {
		t.Fatalf("%v: %s", err, files["index.json"])
	}
	if top.Manifests[0].Digest != image.Digest() {
		t.Errorf("index.json names %s, want %s", top.Manifests[0].Digest, image.Digest())
	}
	if want := map[string]string{
		"org.opencontainers.image.ref.name": "v1.2.3_build",
		"io.containerd.image.name":          "docker.io/library/checklist-probe:v1.2.3_build",
	}; cmp.Diff(want, top.Manifests[0].Annotations) != "" {
		t.Errorf("annotations %v", top.Manifests[0].Annotations)
	}
	read(t, files, top.Manifests[0], &all)
	var docker []saved
	if err := json.Unmarshal([]byte(files["manifest.json"]), &docker); err != nil || len(docker) != 2 || len(all.Manifests) != 2 {
		t.Fatalf("%v: %s, %v", err, files["manifest.json"], all)
	}
	for i, arch := range []string{"amd64", "arm64"} {
		if p := all.Manifests[i].Platform; p == nil || *p != (platform{arch, "linux"}) {
			t.Errorf("platform %v, want linux/%s", p, arch)
		}
		var m manifest
		read(t, files, all.Manifests[i], &m)
		var c config
		read(t, files, m.Config, &c)
		if len(m.Layers) != 1 || c.Architecture != arch || c.OS != "linux" {
			t.Fatalf("%v, %v", m, c)
		}
		want := execution{[]string{"/checklist-probe"}, "0:0", "/"}
		if diff := cmp.Diff(want, c.Config); diff != "" {
			t.Errorf("config (-want +got):\n%s", diff)
		}
		layer, err := gzip.NewReader(strings.NewReader(read(t, files, m.Layers[0], nil)))
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(layer)
		if err != nil {
			t.Fatal(err)
		}
		if sum := fmt.Sprintf("sha256:%x", sha256.Sum256(data)); len(c.RootFS.DiffIDs) != 1 || c.RootFS.DiffIDs[0] != sum {
			t.Errorf("diff ids %v, want %s", c.RootFS.DiffIDs, sum)
		}
		programs, programModes := untar(t, bytes.NewReader(data))
		if diff := cmp.Diff(map[string]string{"checklist-probe": "probe for " + arch, "checklist-probe-net": "net probe for " + arch}, programs); diff != "" {
			t.Errorf("layer (-want +got):\n%s", diff)
		}
		for name, mode := range programModes {
			if mode != 0o555 {
				t.Errorf("%s: mode %s", name, mode)
			}
		}
		wantSaved := saved{blob(m.Config), []string{"checklist-probe:v1.2.3_build-" + arch}, []string{blob(m.Layers[0])}}
		if diff := cmp.Diff(wantSaved, docker[i]); diff != "" {
			t.Errorf("manifest.json (-want +got):\n%s", diff)
		}
	}
}

// The version is a name in the archive, and not part of the image.
func TestDigestWithoutVersion(t *testing.T) {
	one, err := build([]string{"amd64"}, "v1.2.3", fakes())
	if err != nil {
		t.Fatal(err)
	}
	two, err := build([]string{"amd64"}, "v1.2.4", fakes())
	if err != nil || one.Digest() != two.Digest() {
		t.Errorf("%s and %s, %v: want the same digest", one.Digest(), two.Digest(), err)
	}
	files, _ := untar(t, bytes.NewReader(written(t, one)))
	if want := `"RepoTags":["checklist-probe:v1.2.3"]`; !strings.Contains(files["manifest.json"], want) {
		t.Errorf("got %s, want %s", files["manifest.json"], want)
	}
}

func TestBuildRefuses(t *testing.T) {
	for want, architectures := range map[string][]string{
		"expected at least one architecture": nil,
		`architecture "amd64": named twice`:  {"amd64", "arm64", "amd64"},
	} {
		if _, err := build(architectures, "v1", fakes()); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	broken := fakes()
	broken[1] = func(string) ([]byte, error) { return nil, embedded.ErrNotBuilt }
	if _, err := build([]string{"amd64"}, "v1", broken); !errors.Is(err, embedded.ErrNotBuilt) {
		t.Errorf("got %v, want %v", err, embedded.ErrNotBuilt)
	}
	if _, err := Build([]string{"s390x"}, "v1"); err == nil || !strings.Contains(err.Error(), `found "s390x"`) {
		t.Errorf("got %v", err)
	}
}

func TestTagOf(t *testing.T) {
	for version, want := range map[string]string{
		"v0.1.0": "v0.1.0", "v0.0.0-dev": "v0.0.0-dev", "v1.0.0+a/b": "v1.0.0_a_b", "": "dev", "-.x": "x",
		"ü": "_", strings.Repeat("a", 300): strings.Repeat("a", 100),
	} {
		if got := tagOf(version); got != want {
			t.Errorf("%q: got %q, want %q", version, got, want)
		}
	}
}

// full takes some bytes only.
type full struct{ left int }

func (f *full) Write(p []byte) (int, error) {
	if len(p) > f.left {
		return 0, errors.New("no space left on device")
	}
	f.left -= len(p)
	return len(p), nil
}

func TestFullDisk(t *testing.T) {
	image, err := build([]string{"amd64"}, "v1", fakes())
	if err != nil {
		t.Fatal(err)
	}
	size := len(written(t, image))
	for room := range size {
		if _, err := image.WriteTo(&full{room}); err == nil {
			t.Fatalf("room for %d of %d bytes is no error", room, size)
		}
	}
}
