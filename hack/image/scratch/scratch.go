// Package scratch builds container images only from files. The result is always the same,
// byte for byte: entries are sorted, owners are root, times are the Unix epoch, and no host
// name, user or clock is used.
package scratch

import (
	"archive/tar"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// File is one entry of an image's only layer.
type File struct {
	Path   string // absolute path in the image, "/bin/sh"
	Source string // path of the content on this machine; empty for a link or a directory
	Link   string // target of a symbolic link; empty otherwise
	Mode   int64  // permission bits; sticky as 0o1000
}

// Options describes an image of one layer.
type Options struct {
	Architecture string // GOARCH; the OS is always linux
	Files        []File
	Config       v1.Config
	Compression  int // level of compress/gzip; gzip.NoCompression for images that never travel
}

// Image builds the image that o describes. Sources are read when the image is
// written, not now.
func Image(o Options) (v1.Image, error) {
	entries, err := withParents(o.Files)
	if err != nil {
		return nil, err
	}
	opener := func() (io.ReadCloser, error) {
		r, w := io.Pipe()
		go func() { w.CloseWithError(writeTar(w, entries)) }()
		return r, nil
	}
	layer, err := tarball.LayerFromOpener(opener,
		tarball.WithCompressionLevel(o.Compression), tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, fmt.Errorf("building the layer: %w", err)
	}
	img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	img = mutate.ConfigMediaType(img, types.OCIConfigJSON)
	img, err = mutate.ConfigFile(img, &v1.ConfigFile{
		Architecture: o.Architecture, OS: "linux",
		Config: o.Config, Created: epoch, RootFS: v1.RootFS{Type: "layers"},
	})
	if err != nil {
		return nil, fmt.Errorf("building the config: %w", err)
	}
	return mutate.Append(img, mutate.Addendum{
		Layer: layer, MediaType: types.OCILayer,
		History: v1.History{Created: epoch, CreatedBy: "kubectl-checklist"},
	})
}

var epoch = v1.Time{Time: time.Unix(0, 0).UTC()}

// withParents adds the directories that files imply, refuses paths that are
// relative or named twice, and sorts, so that a directory comes before what it
// holds.
func withParents(files []File) ([]File, error) {
	byPath := map[string]File{}
	for _, f := range files {
		if !path.IsAbs(f.Path) || path.Clean(f.Path) != f.Path || f.Path == "/" {
			return nil, fmt.Errorf("image path %q: expected a clean absolute path", f.Path)
		}
		if _, twice := byPath[f.Path]; twice {
			return nil, fmt.Errorf("image path %q: named twice", f.Path)
		}
		byPath[f.Path] = f
	}
	for _, f := range files {
		for dir := path.Dir(f.Path); dir != "/"; dir = path.Dir(dir) {
			if _, ok := byPath[dir]; !ok {
				byPath[dir] = File{Path: dir, Mode: 0o755}
			}
		}
	}
	entries := make([]File, 0, len(byPath))
	for _, f := range byPath {
		entries = append(entries, f)
	}
	slices.SortFunc(entries, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	return entries, nil
}

func writeTar(w io.Writer, entries []File) error {
	tw := tar.NewWriter(w)
	for _, f := range entries {
		if err := writeEntry(tw, f); err != nil {
			return fmt.Errorf("image path %q: %w", f.Path, err)
		}
	}
	return tw.Close()
}

func writeEntry(tw *tar.Writer, f File) error {
	h := &tar.Header{
		Name: strings.TrimPrefix(f.Path, "/"), Mode: f.Mode,
		ModTime: epoch.Time, Format: tar.FormatUSTAR,
	}
	switch {
	case f.Link != "":
		h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, f.Link, 0o777
		return tw.WriteHeader(h)
	case f.Source == "":
		h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
		return tw.WriteHeader(h)
	}
	src, err := os.Open(f.Source)
	if err != nil {
		return err
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", f.Source)
	}
	h.Typeflag, h.Size = tar.TypeReg, info.Size()
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.Copy(tw, src)
	return err
}

// Busybox lists the files of an image with a static busybox and a link for each
// of its applets.
func Busybox(binary string, applets []string) []File {
	files := []File{
		{Path: "/bin/busybox", Source: binary, Mode: 0o755},
		{Path: "/tmp", Mode: 0o1777},
		{Path: "/root", Mode: 0o700},
		{Path: "/etc", Mode: 0o755},
	}
	for _, applet := range applets {
		if applet != "busybox" {
			files = append(files, File{Path: "/bin/" + applet, Link: "busybox"})
		}
	}
	return files
}

// Probe describes the image of both probes: the static binaries /checklist-probe, which
// it starts as uid 0, because a runtime clears added capabilities of other users, and
// /checklist-probe-net, whose pod names its command and its user.
func Probe(architecture, binary, netBinary string) Options {
	return Options{
		Architecture: architecture,
		Files: []File{
			{Path: "/checklist-probe", Source: binary, Mode: 0o555},
			{Path: "/checklist-probe-net", Source: netBinary, Mode: 0o555},
		},
		Config:      v1.Config{Entrypoint: []string{"/checklist-probe"}, User: "0:0", WorkingDir: "/"},
		Compression: gzip.BestCompression,
	}
}

// Plugin describes the image of the plugin: the static binary /kubectl-checklist and nothing
// else. It runs as a user without a name, and needs no file of the image but itself.
func Plugin(architecture, binary string) Options {
	return Options{
		Architecture: architecture,
		Files:        []File{{Path: "/kubectl-checklist", Source: binary, Mode: 0o555}},
		Config:       v1.Config{Entrypoint: []string{"/kubectl-checklist"}, User: "65532:65532", WorkingDir: "/"},
		Compression:  gzip.BestCompression,
	}
}

// WriteDockerArchive writes img as file, in the format of docker save, under a
// temporary name first.
func WriteDockerArchive(file, tag string, img v1.Image) (err error) {
	ref, err := name.NewTag(tag)
	if err != nil {
		return fmt.Errorf("image tag %q: %w", tag, err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	err = errors.Join(tarball.Write(ref, img, tmp), tmp.Chmod(0o644), tmp.Close())
	if err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	return os.Rename(tmp.Name(), file)
}

// WriteLayout writes an OCI image layout with one index of the given images,
// annotated with the tag as org.opencontainers.image.ref.name, and returns the
// index. An earlier layout in dir is replaced.
func WriteLayout(dir, tag string, images []v1.Image) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, img := range images {
		config, err := img.ConfigFile()
		if err != nil {
			return nil, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: config.OS, Architecture: config.Architecture},
		}})
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil {
		return nil, err
	}
	p, err := layout.Write(tmp, empty.Index)
	if err == nil {
		err = p.AppendIndex(index, layout.WithAnnotations(map[string]string{
			"org.opencontainers.image.ref.name": tag,
		}))
	}
	if err != nil {
		return nil, fmt.Errorf("writing the layout %s: %w", dir, err)
	}
	if err := removeLayout(dir); err != nil {
		return nil, err
	}
	return index, os.Rename(tmp, dir)
}

// removeLayout removes dir if it is empty or an OCI layout. It is no error if dir does not
// exist. It refuses to remove anything else.
func removeLayout(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(dir, "oci-layout")); err != nil {
			return fmt.Errorf("%s: expected no directory, an empty one or an OCI layout, found other files", dir)
		}
	}
	return os.RemoveAll(dir)
}

// CompressedSize returns the number of bytes that a node pulls for img: its layers, config
// and manifest.
func CompressedSize(img v1.Image) (int64, error) {
	m, err := img.Manifest()
	if err != nil {
		return 0, err
	}
	total, err := img.Size()
	if err != nil {
		return 0, err
	}
	total += m.Config.Size
	for _, l := range m.Layers {
		total += l.Size
	}
	return total, nil
}
