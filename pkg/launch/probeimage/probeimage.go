// Package probeimage writes the image of both probes as an archive, from the bytes that
// the plugin embeds. A registry serves many nodes better than the API server does, and
// the archive reaches it over an air gap.
//
// The archive is an image layout of OCI (image-spec 1.1) in a tar file: oci-layout,
// index.json and blobs. index.json names one index, which names one image for each
// architecture. A file manifest.json names the same images for programs that read only
// what docker save writes. The same probes, version and Go toolchain always give the same
// bytes.
//
// It is small code of our own, because a library for images would be a megabyte of the
// plugin. hack/installation reads the archive with go-containerregistry, and builds the same
// images from the same programs.
package probeimage

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch/embedded"
)

// Name is the image's name in the archive, in the form in which it is asked for. Who loads
// the archive into a node's container runtime can use it with the version as its tag.
const Name = "checklist-probe"

// The media types of image-spec.
const (
	typeIndex    = "application/vnd.oci.image.index.v1+json"
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// epoch is the time of everything in the image, so that it is the same each time.
var epoch = time.Unix(0, 0).UTC()

// The documents of image-spec, with the fields that this image has.
type (
	descriptor struct {
		MediaType   string            `json:"mediaType"`
		Size        int64             `json:"size"`
		Digest      string            `json:"digest"`
		Annotations map[string]string `json:"annotations,omitempty"`
		Platform    *platform         `json:"platform,omitempty"`
	}
	platform struct {
		Architecture string `json:"architecture"`
		OS           string `json:"os"`
	}
	index struct {
		SchemaVersion int          `json:"schemaVersion"`
		MediaType     string       `json:"mediaType"`
		Manifests     []descriptor `json:"manifests"`
	}
	manifest struct {
		SchemaVersion int          `json:"schemaVersion"`
		MediaType     string       `json:"mediaType"`
		Config        descriptor   `json:"config"`
		Layers        []descriptor `json:"layers"`
	}
	config struct {
		Architecture string    `json:"architecture"`
		Created      time.Time `json:"created"`
		History      []history `json:"history"`
		OS           string    `json:"os"`
		RootFS       rootFS    `json:"rootfs"`
		Config       execution `json:"config"`
	}
	history struct {
		Created   time.Time `json:"created"`
		CreatedBy string    `json:"created_by"`
	}
	rootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	}
	execution struct {
		Entrypoint []string `json:"Entrypoint"`
		User       string   `json:"User"`
		WorkingDir string   `json:"WorkingDir"`
	}
	// saved is an image in the manifest.json of docker save.
	saved struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
)

// Image is the image of both probes, in memory: some 10 MB.
type Image struct {
	digest string
	// files are those of the archive, in its order.
	files []file
}

type file struct {
	name string
	data []byte
}

// Build makes the image for architectures, as in GOARCH, each once. version becomes the
// image's tag in the archive, and is not part of the image. The error is
// embedded.ErrNotBuilt if this build carries no probe.
func Build(architectures []string, version string) (*Image, error) {
	return build(architectures, version, []func(string) ([]byte, error){embedded.Probe, embedded.NetProbe})
}

// build reads the programs with functions in the order of embedded.Programs.
func build(architectures []string, version string, read []func(goarch string) ([]byte, error)) (*Image, error) {
	if len(architectures) == 0 {
		return nil, errors.New("expected at least one architecture")
	}
	architectures = slices.Clone(architectures)
	slices.Sort(architectures)
	var blobs []file
	add := func(mediaType string, data []byte) descriptor {
		d := descriptor{MediaType: mediaType, Size: int64(len(data)), Digest: digest(data)}
		blobs = append(blobs, file{blob(d), data})
		return d
	}
	tag := tagOf(version)
	all := index{2, typeIndex, nil}
	var docker []saved
	for i, arch := range architectures {
		if i > 0 && architectures[i-1] == arch {
			return nil, fmt.Errorf("architecture %q: named twice", arch)
		}
		var programs [][]byte
		for _, program := range read {
			data, err := program(arch)
			if err != nil {
				return nil, err
			}
			programs = append(programs, data)
		}
		layer, diffID, err := pack(programs)
		if err != nil {
			return nil, err
		}
		made := config{
			Architecture: arch, Created: epoch, History: []history{{epoch, "kubectl-checklist"}}, OS: "linux",
			RootFS: rootFS{"layers", []string{diffID}},
			// Root, because a runtime takes added capabilities from other users. The pod of
			// the net probe names its own command and user.
			Config: execution{[]string{"/" + embedded.Programs()[0]}, "0:0", "/"},
		}
		m := manifest{SchemaVersion: 2, MediaType: typeManifest}
		m.Layers = []descriptor{add(typeLayer, layer)}
		data, err := json.Marshal(made)
		if err != nil {
			return nil, err
		}
		m.Config = add(typeConfig, data)
		if data, err = json.Marshal(m); err != nil {
			return nil, err
		}
		d := add(typeManifest, data)
		d.Platform = &platform{arch, "linux"}
		all.Manifests = append(all.Manifests, d)
		// docker save knows no index: one tag can name only one architecture.
		name := Name + ":" + tag
		if len(architectures) > 1 {
			name += "-" + arch
		}
		docker = append(docker, saved{blob(m.Config), []string{name}, []string{blob(m.Layers[0])}})
	}
	data, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	d := add(typeIndex, data)
	d.Annotations = map[string]string{
		"org.opencontainers.image.ref.name": tag,
		// containerd takes the image's whole name from this one.
		"io.containerd.image.name": "docker.io/library/" + Name + ":" + tag,
	}
	top, err := json.Marshal(index{2, typeIndex, []descriptor{d}})
	if err != nil {
		return nil, err
	}
	names, err := json.Marshal(docker)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(blobs, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return &Image{d.Digest, append([]file{
		{"oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)},
		{"index.json", top},
		{"manifest.json", names},
	}, blobs...)}, nil
}

// Digest is the digest of the index, as sha256:HEX. It is what a registry calls the image
// if the index is copied to it as it is.
func (i *Image) Digest() string { return i.digest }

// WriteTo writes the archive. It implements io.WriterTo.
func (i *Image) WriteTo(w io.Writer) (int64, error) {
	counted := &counter{w: w}
	out := tar.NewWriter(counted)
	for _, dir := range []string{"blobs/", "blobs/sha256/"} {
		if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755, ModTime: epoch, Format: tar.FormatUSTAR}); err != nil {
			return counted.n, err
		}
	}
	for _, f := range i.files {
		if err := writeFile(out, f.name, 0o644, f.data); err != nil {
			return counted.n, err
		}
	}
	err := out.Close()
	return counted.n, err
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// pack returns a compressed layer with the programs, in the order of embedded.Programs,
// and the digest of the layer before it was compressed.
func pack(programs [][]byte) (layer []byte, diffID string, err error) {
	var packed bytes.Buffer
	compressed, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, "", err
	}
	sum := sha256.New()
	out := tar.NewWriter(io.MultiWriter(compressed, sum))
	for i, name := range embedded.Programs() {
		if err := writeFile(out, name, 0o555, programs[i]); err != nil {
			return nil, "", err
		}
	}
	if err := errors.Join(out.Close(), compressed.Close()); err != nil {
		return nil, "", err
	}
	return packed.Bytes(), fmt.Sprintf("sha256:%x", sum.Sum(nil)), nil
}

func writeFile(out *tar.Writer, name string, mode int64, data []byte) error {
	err := out.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(data)), ModTime: epoch, Format: tar.FormatUSTAR,
	})
	if err != nil {
		return err
	}
	_, err = out.Write(data)
	return err
}

func digest(data []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(data)) }

// blob is the name of a blob's file.
func blob(d descriptor) string { return "blobs/" + strings.Replace(d.Digest, ":", "/", 1) }

// tagOf turns a version into a tag: at most 128 of certain characters.
func tagOf(version string) string {
	tag := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("_.-", r):
			return r
		}
		return '_'
	}, version)
	tag = strings.TrimLeft(tag, ".-")
	return cmp.Or(tag[:min(len(tag), 100)], "dev") // shorter than 128: an architecture may follow
}
