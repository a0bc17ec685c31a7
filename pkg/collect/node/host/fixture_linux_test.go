package host

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// files is a node's root as path to content; a path that ends with a slash is
// an empty directory.
type files map[string]string

// fixture reads testdata/NAME.txtar.
func fixture(t testing.TB, name string) files {
	t.Helper()
	archive, err := txtar.ParseFile(filepath.Join("testdata", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	f := files{"var/lib/apt/lists/partial/": "", "var/cache/apt/archives/partial/": "", "etc/apt/apt.conf.d/": "", "etc/apt/preferences.d/": ""}
	for _, file := range archive.Files {
		f[file.Name] = string(file.Data)
	}
	return f
}

// with returns a copy in which some files have another content.
func (f files) with(changed files) files {
	f = maps.Clone(f)
	maps.Copy(f, changed)
	return f
}

// without returns a copy that lacks some files.
func (f files) without(names ...string) files {
	f = maps.Clone(f)
	for _, name := range names {
		delete(f, name)
	}
	return f
}

// edit returns a copy in which one text in a file is another.
func (f files) edit(t testing.TB, name, old, new string) files {
	t.Helper()
	if strings.Count(f[name], old) == 0 {
		t.Fatalf("%s does not hold %q", name, old)
	}
	return f.with(files{name: strings.ReplaceAll(f[name], old, new)})
}

// write makes a directory of the files. "bzImage: TEXT" becomes an image.
func (f files) write(t testing.TB) (dir string) {
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
			content = string(bzImage(strings.TrimSuffix(text, "\n")))
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

// read is Read of a fixture's root and its proc.
func (f files) read(t testing.TB) (fact.Host, []fact.Kind, []fact.NodeGap) {
	t.Helper()
	dir := f.write(t)
	root := openRoot(t, dir)
	var proc *rootfs.Root
	if _, err := os.Stat(dir + "/proc"); err == nil {
		proc = openRoot(t, dir+"/proc")
	}
	return Read(context.Background(), root, proc, func(fact.Kind) bool { return true })
}

func openRoot(t testing.TB, dir string) *rootfs.Root {
	t.Helper()
	root, err := rootfs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root
}
