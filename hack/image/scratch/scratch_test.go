package scratch

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// binaryAt writes a file in place of a binary, with the given time.
func binaryAt(t *testing.T, dir string, mtime time.Time) string {
	t.Helper()
	file := filepath.Join(dir, "probe")
	if err := os.WriteFile(file, bytes.Repeat([]byte("probe\x00"), 10000), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, mtime, mtime); err != nil {
		t.Fatal(err)
	}
	return file
}

func mustImage(t *testing.T, o Options) v1.Image {
	t.Helper()
	img, err := Image(o)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// sums maps each file below dir to the SHA-256 of its content.
func sums(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		sum := sha256.Sum256(data)
		found[strings.TrimPrefix(path, dir)] = hex.EncodeToString(sum[:])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestTwoBuildsAreTheSameBytes(t *testing.T) {
	build := func(mtime time.Time) map[string]string {
		out, src := t.TempDir(), binaryAt(t, t.TempDir(), mtime)
		amd64 := mustImage(t, Probe("amd64", src, src))
		arm64 := mustImage(t, Probe("arm64", src, src))
		if _, err := WriteLayout(filepath.Join(out, "layout"), "checklist-probe:dev", []v1.Image{amd64, arm64}); err != nil {
			t.Fatal(err)
		}
		if err := WriteDockerArchive(filepath.Join(out, "amd64.tar"), "checklist-probe:dev", amd64); err != nil {
			t.Fatal(err)
		}
		plugin := mustImage(t, Plugin("amd64", src))
		if _, err := WriteLayout(filepath.Join(out, "plugin"), "kubectl-checklist:dev", []v1.Image{plugin}); err != nil {
			t.Fatal(err)
		}
		busybox := mustImage(t, Options{Architecture: "amd64", Files: Busybox(src, []string{"sh", "busybox", "ls"}), Compression: gzip.BestSpeed})
		if err := WriteDockerArchive(filepath.Join(out, "busybox.tar"), "docker.io/library/busybox:1.35", busybox); err != nil {
			t.Fatal(err)
		}
		return sums(t, out)
	}
	first := build(time.Unix(1, 0))
	second := build(time.Unix(1e9, 0))
	if len(first) < 8 {
		t.Fatalf("expected a layout and two archives, found %v", first)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("the second build differs (-first +second):\n%s", diff)
	}
}

func TestLayerHoldsWhatWasAsked(t *testing.T) {
	src := binaryAt(t, t.TempDir(), time.Unix(1, 0))
	img := mustImage(t, Options{Architecture: "amd64", Files: Busybox(src, []string{"sh", "busybox"})})
	type entry struct {
		Name, Link string
		Type       byte
		Mode, Size int64
		Time       int64
	}
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	r, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var got []entry
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" {
			t.Errorf("%s: expected owner 0:0 without names, found %d:%d %q", h.Name, h.Uid, h.Gid, h.Uname)
		}
		got = append(got, entry{h.Name, h.Linkname, h.Typeflag, h.Mode, h.Size, h.ModTime.Unix()})
	}
	want := []entry{
		{"bin/", "", tar.TypeDir, 0o755, 0, 0},
		{"bin/busybox", "", tar.TypeReg, 0o755, 60000, 0},
		{"bin/sh", "busybox", tar.TypeSymlink, 0o777, 0, 0},
		{"etc/", "", tar.TypeDir, 0o755, 0, 0},
		{"root/", "", tar.TypeDir, 0o700, 0, 0},
		{"tmp/", "", tar.TypeDir, 0o1777, 0, 0},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("layer (-want +got):\n%s", diff)
	}
}

func TestProbeImage(t *testing.T) {
	dir := t.TempDir()
	src := binaryAt(t, t.TempDir(), time.Unix(1, 0))
	index, err := WriteLayout(filepath.Join(dir, "layout"), "checklist-probe:dev",
		[]v1.Image{mustImage(t, Probe("amd64", src, src)), mustImage(t, Probe("arm64", src, src))})
	if err != nil {
		t.Fatal(err)
	}
	// Written over an earlier one, and read back as another tool would.
	if _, err := WriteLayout(filepath.Join(dir, "layout"), "checklist-probe:dev", []v1.Image{mustImage(t, Probe("amd64", src, src)), mustImage(t, Probe("arm64", src, src))}); err != nil {
		t.Fatal(err)
	}
	root, err := layout.ImageIndexFromPath(filepath.Join(dir, "layout"))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := root.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	want, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Manifests) != 1 || manifest.Manifests[0].Digest != want {
		t.Fatalf("index.json: expected one index %s, found %+v", want, manifest.Manifests)
	}
	inner, err := root.ImageIndex(want)
	if err != nil {
		t.Fatal(err)
	}
	images, err := inner.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var platforms []string
	for _, m := range images.Manifests {
		platforms = append(platforms, m.Platform.String())
		img, err := inner.Image(m.Digest)
		if err != nil {
			t.Fatal(err)
		}
		config, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(v1.Config{Entrypoint: []string{"/checklist-probe"}, User: "0:0", WorkingDir: "/"}, config.Config); diff != "" {
			t.Errorf("config (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"-r-xr-xr-x checklist-probe", "-r-xr-xr-x checklist-probe-net"}, programs(t, img)); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
		if config.OS+"/"+config.Architecture != m.Platform.String() {
			t.Errorf("config says %s/%s, the index %s", config.OS, config.Architecture, m.Platform)
		}
	}
	if diff := cmp.Diff([]string{"linux/amd64", "linux/arm64"}, platforms); diff != "" {
		t.Errorf("platforms (-want +got):\n%s", diff)
	}
}

// programs lists the regular files of an image, each with its mode.
// The plugin's image has one file, and starts it as a user that is not root.
func TestPluginImage(t *testing.T) {
	img := mustImage(t, Plugin("arm64", binaryAt(t, t.TempDir(), time.Unix(1, 0))))
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	want := v1.Config{Entrypoint: []string{"/kubectl-checklist"}, User: "65532:65532", WorkingDir: "/"}
	if diff := cmp.Diff(want, config.Config); diff != "" || config.Architecture != "arm64" {
		t.Errorf("architecture %s, config (-want +got):\n%s", config.Architecture, diff)
	}
	if diff := cmp.Diff([]string{"-r-xr-xr-x kubectl-checklist"}, programs(t, img)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func programs(t *testing.T, img v1.Image) []string {
	t.Helper()
	content := mutate.Extract(img)
	defer content.Close()
	var found []string
	for files := tar.NewReader(content); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag == tar.TypeReg {
			found = append(found, fmt.Sprintf("%s %s", header.FileInfo().Mode(), strings.TrimPrefix(header.Name, "/")))
		}
	}
}

func TestRefusals(t *testing.T) {
	src := binaryAt(t, t.TempDir(), time.Unix(1, 0))
	occupied := t.TempDir()
	if err := os.WriteFile(filepath.Join(occupied, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	image := func(files ...File) error {
		_, err := Image(Options{Architecture: "amd64", Files: files})
		return err
	}
	for rule, tc := range map[string]struct {
		err  error
		want string
	}{
		"a relative path":              {image(File{Path: "bin/x", Source: src}), `image path "bin/x": expected a clean absolute path`},
		"a path with dots":             {image(File{Path: "/a/../b", Source: src}), `image path "/a/../b": expected a clean absolute path`},
		"the same path twice":          {image(File{Path: "/a", Source: src}, File{Path: "/a", Source: src}), `image path "/a": named twice`},
		"a source that is absent":      {image(File{Path: "/a", Source: "/nonexistent"}), "open /nonexistent: no such file"},
		"a source that is a directory": {image(File{Path: "/a", Source: occupied}), "is not a regular file"},
		"a layout over other files": {func() error {
			_, err := WriteLayout(occupied, "x:y", []v1.Image{mustImage(t, Probe("amd64", src, src))})
			return err
		}(), "expected no directory, an empty one or an OCI layout"},
		"an invalid tag": {WriteDockerArchive(filepath.Join(t.TempDir(), "x"), "UPPER case", mustImage(t, Probe("amd64", src, src))), `image tag "UPPER case"`},
	} {
		if tc.err == nil || !strings.Contains(tc.err.Error(), tc.want) {
			t.Errorf("%s: expected an error with %q, found %v", rule, tc.want, tc.err)
		}
	}
	if _, err := os.Stat(filepath.Join(occupied, "mine")); err != nil {
		t.Errorf("a refused layout: %v", err)
	}
}

func TestRegistry(t *testing.T) {
	dir := t.TempDir()
	src := binaryAt(t, t.TempDir(), time.Unix(1, 0))
	archive, tree := filepath.Join(dir, "probe.tar"), filepath.Join(dir, "layout")
	img := mustImage(t, Probe("amd64", src, src))
	if err := WriteDockerArchive(archive, "checklist-probe:dev", img); err != nil {
		t.Fatal(err)
	}
	index, err := WriteLayout(tree, "checklist-probe:dev", []v1.Image{img})
	if err != nil {
		t.Fatal(err)
	}
	for rule, credentials := range map[string][2]string{"open": {}, "with a password": {"robot", "open-sesame"}} {
		t.Run(rule, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			reg := NewRegistry(io.Discard, credentials[0], credentials[1])
			server := &http.Server{Handler: reg}
			go func() { _ = server.Serve(listener) }()
			defer server.Close()
			for repository, source := range map[string]string{"from/archive:v1": archive, "from/layout:v1": tree} {
				if err := reg.Push(listener.Addr(), repository, source); err != nil {
					t.Fatalf("pushing %s: %v", repository, err)
				}
			}
			auth := remote.WithAuth(authn.Anonymous)
			ref := func(s string) name.Reference {
				r, err := name.ParseReference(listener.Addr().String()+"/"+s, name.Insecure)
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			if credentials[0] != "" {
				if _, err := remote.Head(ref("from/layout:v1"), auth); err == nil || !strings.Contains(err.Error(), "401") {
					t.Errorf("without credentials: expected 401, found %v", err)
				}
				auth = remote.WithAuth(&authn.Basic{Username: credentials[0], Password: credentials[1]})
			}
			want, err := index.Digest()
			if err != nil {
				t.Fatal(err)
			}
			if got, err := remote.Head(ref("from/layout:v1"), auth); err != nil || got.Digest != want {
				t.Errorf("layout: expected %s, found %v %v", want, got, err)
			}
			pulled, err := remote.Image(ref("from/archive:v1"), auth)
			if err != nil {
				t.Fatal(err)
			}
			local, err := tarball.ImageFromPath(archive, nil)
			if err != nil {
				t.Fatal(err)
			}
			a, errA := pulled.ConfigName()
			b, errB := local.ConfigName()
			if err := errors.Join(errA, errB); err != nil || a != b {
				t.Errorf("archive: expected config %s, found %s %v", b, a, err)
			}
			if err := reg.Push(listener.Addr(), "x:y", src); err == nil || !strings.Contains(err.Error(), "reading the docker archive") {
				t.Errorf("no archive: found %v", err)
			}
		})
	}
}

func TestCompressedSizeIsWhatAPullReads(t *testing.T) {
	src := binaryAt(t, t.TempDir(), time.Unix(1, 0))
	img := mustImage(t, Probe("amd64", src, src))
	got, err := CompressedSize(img)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "layout")
	if _, err := WriteLayout(dir, "x:y", []v1.Image{img}); err != nil {
		t.Fatal(err)
	}
	// The blobs of the layout are the image's three and the index.
	var total int64
	entries, err := os.ReadDir(filepath.Join(dir, "blobs", "sha256"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, "blobs", "sha256", e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(data, []byte("application/vnd.oci.image.index.v1+json")) {
			total += int64(len(data))
		}
	}
	if got != total {
		t.Errorf("expected the blobs' %d bytes, found %d", total, got)
	}
}
