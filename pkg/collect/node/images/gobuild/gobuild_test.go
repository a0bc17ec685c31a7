package gobuild

import (
	"bytes"
	"debug/buildinfo"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// standard is what the standard library reads of a file.
func standard(t testing.TB, path string) (Info, error) {
	t.Helper()
	b, err := buildinfo.ReadFile(path)
	if err != nil {
		return Info{}, err
	}
	info := Info{Go: b.GoVersion}
	add := func(path, version string) { info.Modules = append(info.Modules, Module{path, version}) }
	if v := b.Main.Version; b.Main.Path != "" && v != "" && v != "(devel)" {
		add(b.Main.Path, v)
	}
	for _, d := range b.Deps {
		switch {
		case d.Replace == nil:
			add(d.Path, d.Version)
		case d.Replace.Version == "":
			add(d.Path, "")
		default:
			add(d.Replace.Path, d.Replace.Version)
		}
	}
	info.Total = len(info.Modules)
	return info, nil
}

// Programs of this machine say the same as the standard library reads: this test, tools
// of Go, the stripped probe and the plugin if they are built, and programs that are not in Go.
func TestAgainstTheStandardLibrary(t *testing.T) {
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	tools := strings.TrimSpace(string(goroot))
	paths := []string{os.Args[0], "/bin/sh", "/bin/ls", "/etc/passwd"}
	for _, pattern := range []string{filepath.Join(tools, "bin", "*"), filepath.Join(tools, "pkg", "tool", "*", "*"), "../../../../../bin/*", "/usr/bin/*"} {
		found, _ := filepath.Glob(pattern)
		paths = append(paths, found[:min(len(found), 60)]...)
	}
	withInfo := 0
	for _, path := range paths {
		stat, err := os.Stat(path)
		if err != nil || !stat.Mode().IsRegular() {
			continue
		}
		want, wantErr := standard(t, path)
		file, err := os.Open(path)
		if err != nil {
			continue
		}
		got, err := Read(file, 10_000)
		_ = file.Close()
		if (err == nil) != (wantErr == nil) {
			t.Errorf("%s: %v, the standard library says %v", path, err, wantErr)
			continue
		}
		if err != nil {
			if !errors.Is(err, ErrNone) {
				t.Errorf("%s: %v", path, err)
			}
			continue
		}
		withInfo++
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	if withInfo == 0 {
		t.Error("no program had build information")
	}
	t.Logf("%d programs in Go", withInfo)
}

// Programs built for other systems' ways of writing: 32 bits, the other byte order,
// without symbols, and position independent.
func TestOtherArchitectures(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}
	dir := t.TempDir()
	for name, content := range map[string]string{"go.mod": "module example.com/app\n\ngo 1.20\n", "main.go": "package main\n\nfunc main() { println() }\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, arch := range []string{"386", "s390x"} {
		out := filepath.Join(dir, arch)
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, ".")
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0", "GOFLAGS=-mod=mod -buildvcs=false")
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		want, err := standard(t, out)
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(out)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Read(file, 10)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", arch, err, diff)
		}
		_ = file.Close()
		// Without its sections it is found by its magic.
		data, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Read(bytes.NewReader(withoutSections(data)), 10); err != nil || got.Go != want.Go {
			t.Errorf("%s without sections: %v, %+v", arch, err, got)
		}
	}
}

// withoutSections takes the table of sections out of an ELF file's header.
func withoutSections(data []byte) []byte {
	data = bytes.Clone(data)
	if data[4] == 2 {
		clear(data[40:48])
		clear(data[58:64])
	} else {
		clear(data[32:36])
		clear(data[46:52])
	}
	return data
}

// mark is what is before and after the list of modules.
var mark = strings.Repeat("m", 16)

// program makes the smallest ELF file with build information: a segment, no sections.
func program(version, modules string, edit func([]byte)) []byte {
	if modules != "" {
		modules = mark + modules + mark
	}
	info := append([]byte(magic), 8, 2)
	info = append(info, make([]byte, headerSize-len(info))...)
	for _, text := range []string{version, modules} {
		info = binary.AppendUvarint(info, uint64(len(text)))
		info = append(info, text...)
	}
	data := make([]byte, 128)
	copy(data, "\x7fELF\x02\x01\x01")
	le := binary.LittleEndian
	le.PutUint64(data[32:], 64)
	le.PutUint16(data[54:], 56)
	le.PutUint16(data[56:], 1)
	le.PutUint32(data[64:], 1)
	le.PutUint32(data[68:], 6)
	le.PutUint64(data[72:], 128)
	le.PutUint64(data[80:], 0x400000)
	le.PutUint64(data[96:], uint64(len(info)))
	data = append(data, info...)
	if edit != nil {
		edit(data)
	}
	return data
}

func TestRead(t *testing.T) {
	const modules = "path\texample.com/app\nmod\texample.com/app\tv1.0.0\th1:x\ndep\texample.com/a\tv1.2.3\th1:y\n" +
		"dep\texample.com/b\tv1.0.0\n=>\texample.com/fork\tv1.1.0\th1:z\ndep\texample.com/c\tv1.0.0\n=>\t./local\t\nbuild\t-compiler=gc\n"
	whole := []Module{{"example.com/app", "v1.0.0"}, {"example.com/a", "v1.2.3"}, {"example.com/fork", "v1.1.0"}, {"example.com/c", ""}}
	le := binary.LittleEndian
	for name, tc := range map[string]struct {
		data []byte
		want Info
		err  error // wrapped
	}{
		"modules":                {program("go1.21.3", modules, nil), Info{"go1.21.3", whole, 4}, nil},
		"no modules":             {program("go1.21.3", "", nil), Info{Go: "go1.21.3"}, nil},
		"a main program":         {program("go1.21.3", "mod\texample.com/app\t(devel)\t\n=>\tx\tv1\n", nil), Info{Go: "go1.21.3"}, nil},
		"no version":             {program("", modules, nil), Info{}, ErrNone},
		"an empty file":          {nil, Info{}, ErrNone},
		"a script":               {[]byte("#!/bin/sh\n" + strings.Repeat("x", 100)), Info{}, ErrNone},
		"another class":          {program("go1.2", "", func(b []byte) { b[4] = 9 }), Info{}, ErrNone},
		"another order":          {program("go1.2", "", func(b []byte) { b[5] = 9 }), Info{}, ErrNone},
		"no magic":               {program("go1.2", "", func(b []byte) { b[128] = 0 }), Info{}, ErrNone},
		"cut":                    {program("go1.21.3", modules, nil)[:200], Info{}, rootfs.ErrCut},
		"a long version":         {program(strings.Repeat("v", maxVersion+1), "", nil), Info{}, rootfs.ErrTooLarge},
		"too many":               {program("go1.2", strings.Repeat("dep\ta\tv1\n", maxText/8), nil), Info{}, rootfs.ErrTooLarge},
		"many segments":          {program("go1.2", "", func(b []byte) { le.PutUint16(b[56:], 60_000) }), Info{}, rootfs.ErrTooLarge},
		"many sections":          {program("go1.2", "", func(b []byte) { le.PutUint64(b[40:], 64); le.PutUint16(b[58:], 64); le.PutUint16(b[60:], 60_000) }), Info{}, rootfs.ErrTooLarge},
		"not at an even address": {program("go1.2", "", func(b []byte) { le.PutUint64(b[80:], 0x400008) }), Info{}, ErrNone},
		"a place nowhere":        {program("go1.2", "", func(b []byte) { le.PutUint64(b[32:], math.MaxUint64-3) }), Info{}, errAny},
		"a segment of all":       {program("go1.2", "", func(b []byte) { le.PutUint64(b[96:], math.MaxUint64) }), Info{}, errAny},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Read(bytes.NewReader(tc.data), 10)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if tc.err == errAny && (err == nil || errors.Is(err, ErrNone)) || tc.err != errAny && !errors.Is(err, tc.err) {
				t.Errorf("error %v, want %v", err, tc.err)
			}
		})
	}
	got, err := Read(bytes.NewReader(program("go1.21.3", modules, nil)), 2)
	if err != nil || len(got.Modules) != 2 || got.Total != 4 {
		t.Errorf("with a limit: %+v, %v", got, err)
	}
}

var errAny = errors.New("any error of the format")

// Build information of a Go before 1.18: pointers to strings.
func TestPointers(t *testing.T) {
	const base = 0x400000
	le := binary.LittleEndian
	data := program("go1.17.1", "", nil)
	info := data[128:]
	info[15] = 0
	text := mark + "dep\texample.com/a\tv1.2.3\th1:y\n" + mark
	strs := func(at int, address, size int) {
		le.PutUint64(data[at:], uint64(address))
		le.PutUint64(data[at+8:], uint64(size))
	}
	data = append(data[:160], make([]byte, 32)...)
	data = append(data, "go1.17.1"+text...)
	le.PutUint64(data[96:], uint64(len(data)-128))
	le.PutUint64(data[128+16:], base+32)
	le.PutUint64(data[128+24:], base+48)
	strs(160, base+64, 8)
	strs(176, base+72, len(text))
	want := Info{"go1.17.1", []Module{{"example.com/a", "v1.2.3"}}, 1}
	got, err := Read(bytes.NewReader(data), 10)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Fatalf("%v (-want +got):\n%s", err, diff)
	}
	for name, edit := range map[string]func([]byte){
		"an address nowhere":   func(b []byte) { le.PutUint64(b[128+16:], 5) },
		"bytes nowhere":        func(b []byte) { le.PutUint64(b[160:], 5) },
		"a string of no end":   func(b []byte) { le.PutUint64(b[168:], math.MaxUint64) },
		"pointers of 3 bytes":  func(b []byte) { b[128+14] = 3 },
		"bytes beyond the end": func(b []byte) { le.PutUint64(b[160:], base+uint64(len(data)-128)-1) },
	} {
		broken := bytes.Clone(data)
		edit(broken)
		if info, err := Read(bytes.NewReader(broken), 10); err == nil || errors.Is(err, ErrNone) {
			t.Errorf("%s: %+v, %v", name, info, err)
		}
	}
}

// counting counts the bytes that are read.
type counting struct {
	io.ReaderAt
	n int
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, off)
	c.n += n
	return n, err
}

// Whatever a file says, no more is read and kept of it than the limits: no panic, and
// what comes out is what went in.
func FuzzRead(f *testing.F) {
	f.Add(program("go1.21.3", "dep\ta\tv1\n=>\tb\tv2\n", nil))
	f.Add(program("go1.21.3", "", func(b []byte) { b[128+15] = 0 }))
	if data, err := os.ReadFile("/bin/true"); err == nil {
		f.Add(data[:min(len(data), 4096)])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &counting{ReaderAt: bytes.NewReader(data)}
		info, err := Read(r, 3)
		if len(info.Modules) > 3 || info.Total < len(info.Modules) || err != nil && info.Go != "" || len(info.Go) > maxVersion {
			t.Errorf("%+v, %v", info, err)
		}
		if most := 2 * maxScan; r.n > most {
			t.Errorf("%d bytes were read", r.n)
		}
	})
}
