// Package hosttest makes root file systems of hosts for tests.
package hosttest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

//go:embed testdata/*.txtar
var archives embed.FS

// Files is a node's root as path to content; a path that ends with a slash is
// an empty directory.
type Files map[string]string

// Fixture reads testdata/NAME.txtar.
func Fixture(t testing.TB, name string) Files {
	t.Helper()
	data, err := archives.ReadFile("testdata/" + name + ".txtar")
	if err != nil {
		t.Fatal(err)
	}
	archive := txtar.Parse(data)
	f := Files{"var/lib/apt/lists/partial/": "", "var/cache/apt/archives/partial/": "", "etc/apt/apt.conf.d/": "", "etc/apt/preferences.d/": ""}
	for _, file := range archive.Files {
		f[file.Name] = string(file.Data)
	}
	return f
}

// With returns a copy in which some files have another content.
func (f Files) With(changed Files) Files {
	f = maps.Clone(f)
	maps.Copy(f, changed)
	return f
}

// Without returns a copy that lacks some files.
func (f Files) Without(names ...string) Files {
	f = maps.Clone(f)
	for _, name := range names {
		delete(f, name)
	}
	return f
}

// Edit returns a copy in which one text in a file is another.
func (f Files) Edit(t testing.TB, name, old, replacement string) Files {
	t.Helper()
	if strings.Count(f[name], old) == 0 {
		t.Fatalf("%s does not hold %q", name, old)
	}
	return f.With(Files{name: strings.ReplaceAll(f[name], old, replacement)})
}

// Write makes a directory of the files. "bzImage: TEXT" becomes an image, and
// "tar.gz:", followed by "@@ NAME" and a file's lines for each file, an archive.
func (f Files) Write(t testing.TB) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range slices.Sorted(maps.Keys(f)) {
		path := filepath.Join(dir, name)
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		content := f[name]
		if text, found := strings.CutPrefix(content, "bzImage: "); found {
			content = string(BzImage(strings.TrimSuffix(text, "\n")))
		}
		if files, found := strings.CutPrefix(content, "tar.gz:\n"); found {
			content = string(tarGz(t, files))
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if target, found := strings.CutPrefix(content, "link: "); found {
			if err := os.Symlink(strings.TrimSuffix(target, "\n"), path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// tarGz packs "@@ NAME" and a file's lines, for each file.
func tarGz(t testing.TB, text string) []byte {
	t.Helper()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	w := tar.NewWriter(z)
	for file := range strings.SplitSeq("\n"+text, "\n@@ ") {
		name, content, _ := strings.Cut(file, "\n")
		if name == "" {
			continue
		}
		header := &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content)) + 1, ModTime: time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)}
		if err := w.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// OpenRoot opens a directory until the test ends.
func OpenRoot(t testing.TB, dir string) *rootfs.Root {
	t.Helper()
	root, err := rootfs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root
}

// Seeds adds the files of all fixtures whose names hold a text.
func Seeds(f *testing.F, part string) {
	f.Helper()
	names, err := archives.ReadDir("testdata")
	if err != nil || len(names) == 0 {
		f.Fatalf("no fixtures: %v", err)
	}
	for _, name := range names {
		for path, content := range Fixture(f, strings.TrimSuffix(name.Name(), ".txtar")) {
			if strings.Contains(path, part) && !strings.HasSuffix(path, "/") {
				f.Add([]byte(content))
			}
		}
	}
}

// BzImage is the part of an x86 kernel image that names its version, with the
// text where Debian's 6.1.0-56-cloud-amd64 has it.
func BzImage(version string) []byte {
	const offset = 0x42c0
	image := make([]byte, 0x200+offset, 0x200+offset+len(version)+64)
	copy(image[0x1fe:], "\x55\xaa\xeb\x6a")
	copy(image[0x202:], "HdrS\x0f\x02")
	binary.LittleEndian.PutUint16(image[0x20e:], offset)
	image = append(append(image, version...), 0)
	return append(image, make([]byte, 63)...)
}

// Tool finds a program of apt or dpkg, or ends the test: skipped on a machine
// without it, failed where CHECKLIST_REQUIRE_TOOLS=1 says that it is installed.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	Absent(t, name+" is not installed")
	return ""
}

// Absent ends a test because something is missing.
func Absent(t testing.TB, message string) {
	t.Helper()
	if os.Getenv("CHECKLIST_REQUIRE_TOOLS") == "1" {
		t.Fatal(message)
	}
	t.Skip(message)
}

// AptConfig writes an apt.conf that makes apt work in a fixture's root, and
// returns its path, for APT_CONFIG.
func AptConfig(t testing.TB, dir string, archs ...string) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "Dir %q;\nDir::State::status %q;\nDir::Bin::methods \"/usr/lib/apt/methods\";\n", dir, dir+"/var/lib/dpkg/status")
	fmt.Fprintf(&b, "APT::Architecture %q;\n", archs[0])
	for _, arch := range archs {
		fmt.Fprintf(&b, "APT::Architectures:: %q;\n", arch)
	}
	path := filepath.Join(t.TempDir(), "apt.conf")
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// Placed replaces the directory of a fixture by ROOT.
func Placed(gaps []fact.NodeGap, dir string) []fact.NodeGap {
	for i := range gaps {
		gaps[i].Detail = strings.ReplaceAll(gaps[i].Detail, dir, "ROOT")
	}
	return gaps
}
