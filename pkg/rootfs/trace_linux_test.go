package rootfs

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
)

func TestTrace(t *testing.T) {
	dir := t.TempDir()
	grow(t, dir, "a/b/file=x", "link -> /a/b", "a/up -> ../a/b/file", "loop -> loop", "a/dot -> .")
	r := openRoot(t, dir)
	for name, tc := range map[string]struct {
		path string
		want []string
	}{
		"a plain path":           {"/a/b/file", []string{"/", "/a", "/a/b", "/a/b/file"}},
		"a link to a directory":  {"/link/file", []string{"/", "/link", "/a", "/a/b", "/a/b/file"}},
		"a link to a file":       {"/a/up", []string{"/", "/a", "/a/up", "/a", "/a/b", "/a/b/file"}},
		"the root":               {"/", []string{"/"}},
		"above the root":         {"/../..", []string{"/"}},
		"a directory":            {"a/b/", []string{"/", "/a", "/a/b"}},
		"back to a directory":    {"a/b/..", []string{"/", "/a", "/a/b", "/a"}},
		"a link to where it is":  {"a/dot", []string{"/", "/a", "/a/dot", "/a"}},
		"a link, then a file":    {"a/dot/b/file", []string{"/", "/a", "/a/dot", "/a/b", "/a/b/file"}},
		"dots before the target": {"./a/./b/file", []string{"/", "/a", "/a/b", "/a/b/file"}},
	} {
		t.Run(name, func(t *testing.T) {
			steps, err := r.Trace(tc.path)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range steps {
				got = append(got, s.Path)
				if info, err := r.Lstat(s.Path); err != nil || info.Ino != s.Info.Ino {
					t.Errorf("%s: inode %d, want that of %d (%v)", s.Path, s.Info.Ino, info.Ino, err)
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("steps %q, want %q", got, tc.want)
			}
		})
	}
	if _, err := r.Trace("/loop"); !errors.Is(err, ErrLoop) {
		t.Errorf("a loop: %v", err)
	}
	if _, err := r.Trace("/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no such file: %v", err)
	}
	// 40 links of 30 lookups each are within the kernel's limits and beyond ours.
	if _, err := r.Trace(strings.Repeat("a/dot/b/../../", 250) + "a/b/file"); err == nil {
		t.Error("a path of a thousand steps has no end in sight, and no error")
	}
}
