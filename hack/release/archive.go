package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch/embedded"
)

// written is the time of every file in every archive, so that two builds are the same to
// the byte. zip knows no time before 1980.
var written = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// platform is what Go calls GOOS and GOARCH, and krew os and arch.
type platform struct{ os, arch string }

// platforms are those that a release has an archive for. Krew knows each of them.
var platforms = []platform{
	{"linux", "amd64"},
	{"linux", "arm64"},
	{"linux", "arm"},
	{"linux", "ppc64le"},
	{"darwin", "amd64"},
	{"darwin", "arm64"},
	{"windows", "amd64"},
	{"windows", "arm64"},
}

func (p platform) String() string { return p.os + "/" + p.arch }

// program is the name of the executable in the archive.
func (p platform) program() string {
	if p.os == "windows" {
		return program + ".exe"
	}
	return program
}

// archive is the name of the archive. It holds no version, because its URL does.
func (p platform) archive() string {
	name := program + "_" + p.os + "_" + p.arch
	if p.os == "windows" {
		return name + ".zip"
	}
	return name + ".tar.gz"
}

// member is one file of an archive.
type member struct {
	name string
	mode fs.FileMode
	data []byte
}

// pack returns the archive of a platform: zip for Windows, tar.gz for the others. The
// same members always give the same bytes, with one version of Go.
func pack(p platform, members []member) ([]byte, error) {
	if p.os == "windows" {
		return packZip(members)
	}
	return packTar(members)
}

// packTar writes regular files only: krew refuses links and names with "..".
func packTar(members []member) ([]byte, error) {
	var b bytes.Buffer
	compressed, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	out := tar.NewWriter(compressed)
	for _, m := range members {
		err := out.WriteHeader(&tar.Header{
			Typeflag: tar.TypeReg, Name: m.name, Mode: int64(m.mode), Size: int64(len(m.data)),
			ModTime: written, Format: tar.FormatUSTAR,
		})
		if err != nil {
			return nil, err
		}
		if _, err := out.Write(m.data); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(out.Close(), compressed.Close()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func packZip(members []member) ([]byte, error) {
	var b bytes.Buffer
	out := zip.NewWriter(&b)
	for _, m := range members {
		header := &zip.FileHeader{Name: m.name, Method: zip.Deflate, Modified: written}
		header.SetMode(m.mode)
		w, err := out.CreateHeader(header)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(m.data); err != nil {
			return nil, err
		}
	}
	if err := out.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// unpack reads an archive of pack back.
func unpack(p platform, archive []byte) ([]member, error) {
	if p.os == "windows" {
		return unpackZip(archive)
	}
	compressed, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, err
	}
	var members []member
	in := tar.NewReader(compressed)
	for {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return members, nil
		}
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(in)
		if err != nil {
			return nil, err
		}
		members = append(members, member{header.Name, header.FileInfo().Mode(), data})
	}
}

func unpackZip(archive []byte) ([]member, error) {
	in, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return nil, err
	}
	var members []member
	for _, file := range in.File {
		r, err := file.Open()
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			return nil, err
		}
		members = append(members, member{file.Name, file.Mode(), data})
	}
	return members, nil
}

// sums reads the release's files in a directory, and returns their SHA-256 as lower-case
// hex, by name. An archive that krew could not install is an error, and so is one without
// its bill of materials.
func sums(dir string, of []platform) (map[string]string, error) {
	found := map[string]string{}
	read := func(name string) ([]byte, error) {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			found[name] = sum(data)
		}
		return data, err
	}
	readBOM := func(name string) (bom, error) {
		data, err := read(name)
		if err != nil {
			return bom{}, err
		}
		parsed, err := parseBOM(data)
		if err != nil {
			return bom{}, fmt.Errorf("%s: %w", filepath.Join(dir, name), err)
		}
		return parsed, nil
	}
	probes := map[string]bool{} // by SHA-256: what the plugins carry
	for _, p := range of {
		archive, err := read(p.archive())
		if err != nil {
			return nil, err
		}
		plugin, err := pluginOf(p, archive)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(dir, p.archive()), err)
		}
		bill, err := readBOM(sbomName(program, p))
		if err != nil {
			return nil, err
		}
		if want, found := sum(plugin), bill.Metadata.Component.sum(); found != want {
			return nil, fmt.Errorf("%s: expected the bill of materials of %s with the SHA-256 %s, found that of %s",
				filepath.Join(dir, sbomName(program, p)), p.program(), want, found)
		}
		for _, c := range bill.Components {
			if c.Type == "application" {
				probes[c.sum()] = true
			}
		}
	}
	for _, arch := range embedded.Architectures() {
		for _, name := range embedded.Programs() {
			name = sbomName(name, platform{"linux", arch})
			bill, err := readBOM(name)
			if err != nil {
				return nil, err
			}
			found := bill.Metadata.Component.sum()
			if !probes[found] {
				return nil, fmt.Errorf("%s: expected the bill of materials of a probe that the plugin carries, found that of %s", filepath.Join(dir, name), found)
			}
			delete(probes, found)
		}
	}
	if len(probes) > 0 {
		return nil, fmt.Errorf("%s: expected the same probes in every plugin, found %d more", dir, len(probes))
	}
	return found, nil
}

// pluginOf returns the plugin's executable in an archive that has what krew installs, and nothing
// else.
func pluginOf(p platform, archive []byte) ([]byte, error) {
	members, err := unpack(p, archive)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range members {
		names = append(names, fmt.Sprintf("%s %s", m.mode, m.name))
	}
	want := []string{"-rwxr-xr-x " + p.program(), "-rw-r--r-- LICENSE"}
	if !slices.Equal(names, want) {
		return nil, fmt.Errorf("expected %q, found %q", want, names)
	}
	return members[0].data, nil
}

// sum is the SHA-256 of a file, as lower-case hex.
func sum(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }

// checksums is a file for sha256sum --check, sorted by name.
func checksums(of map[string]string) []byte {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(of)) {
		b.WriteString(of[name] + "  " + name + "\n")
	}
	return []byte(b.String())
}

// replace writes a file whole or not at all.
func replace(file string, data []byte) error {
	temporary := file + ".new"
	err := os.WriteFile(temporary, data, 0o644)
	if err == nil {
		err = os.Rename(temporary, file)
	}
	if err != nil {
		_ = os.Remove(temporary)
	}
	return err
}
