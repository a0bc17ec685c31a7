package program

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// must stops the test at the first error.
func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// moment returns a ctime that is later than every one before, and earlier than every one
// after it: the clock of a file system moves by some milliseconds.
func moment(t *testing.T) time.Time {
	t.Helper()
	dir := t.TempDir()
	root, err := rootfs.Open(dir)
	must(t, err)
	defer func() { _ = root.Close() }()
	stamp := func(i int) time.Time {
		name := fmt.Sprint(i)
		must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
		info, err := root.Lstat(name)
		must(t, err)
		return info.Ctime
	}
	first := stamp(0)
	for i := 1; ; i++ {
		if at := stamp(i); at.After(first) {
			for j := i + 1; ; j++ {
				if stamp(j).After(at) {
					return at
				}
			}
		}
	}
}

// A configuration that was swapped after the start shows, however that was done.
func TestChanged(t *testing.T) {
	in := func(dir, name string) string { return filepath.Join(dir, name) }
	write := func(t *testing.T, dir, name, text string) {
		t.Helper()
		must(t, os.MkdirAll(filepath.Dir(in(dir, name)), 0o755), os.WriteFile(in(dir, name), []byte(text), 0o600))
	}
	for name, tc := range map[string]struct {
		path   string
		before func(t *testing.T, dir string) // the start
		after  func(t *testing.T, dir string)
		want   string // the place, "" for none, "file" for the file itself
	}{
		"nothing": {path: "/etc/k/enc.yaml", after: func(*testing.T, string) {}},
		"the file is written": {
			path: "/etc/k/enc.yaml", want: "file",
			after: func(t *testing.T, dir string) { write(t, dir, "etc/k/enc.yaml", "c") },
		},
		"an older file takes its name": {
			path: "/etc/k/enc.yaml", want: "file",
			before: func(t *testing.T, dir string) { write(t, dir, "etc/k/old.yaml", "b") },
			after: func(t *testing.T, dir string) {
				must(t, os.Rename(in(dir, "etc/k/old.yaml"), in(dir, "etc/k/enc.yaml")))
			},
		},
		"an older file gets its name as a second one": {
			path: "/etc/k/enc.yaml", want: "file",
			before: func(t *testing.T, dir string) { write(t, dir, "etc/k/old.yaml", "b") },
			after: func(t *testing.T, dir string) {
				must(t, os.Remove(in(dir, "etc/k/enc.yaml")), os.Link(in(dir, "etc/k/old.yaml"), in(dir, "etc/k/enc.yaml")))
			},
		},
		"a link is repointed": {
			path: "/etc/k/link.yaml", want: "/etc/k/link.yaml",
			before: func(t *testing.T, dir string) {
				write(t, dir, "etc/k/enc-old.yaml", "b")
				must(t, os.Symlink("enc.yaml", in(dir, "etc/k/link.yaml")))
			},
			after: func(t *testing.T, dir string) {
				must(t, os.Remove(in(dir, "etc/k/link.yaml")), os.Symlink("enc-old.yaml", in(dir, "etc/k/link.yaml")))
			},
		},
		"a link of before takes another's name": {
			path: "/etc/k/link.yaml", want: "/etc/k/link.yaml",
			before: func(t *testing.T, dir string) {
				write(t, dir, "etc/k/enc-old.yaml", "b")
				must(t, os.Symlink("enc.yaml", in(dir, "etc/k/link.yaml")), os.Symlink("enc-old.yaml", in(dir, "etc/k/link2")))
			},
			after: func(t *testing.T, dir string) { must(t, os.Rename(in(dir, "etc/k/link2"), in(dir, "etc/k/link.yaml"))) },
		},
		"the directory is swapped": {
			path: "/etc/k/enc.yaml", want: "/etc/k",
			before: func(t *testing.T, dir string) { write(t, dir, "etc/k-old/enc.yaml", "b") },
			after: func(t *testing.T, dir string) {
				must(t, os.Rename(in(dir, "etc/k"), in(dir, "etc/k-new")), os.Rename(in(dir, "etc/k-old"), in(dir, "etc/k")))
			},
		},
		"the directory above is swapped": {
			path: "/etc/k/enc.yaml", want: "/etc",
			before: func(t *testing.T, dir string) { write(t, dir, "etc-old/k/enc.yaml", "b") },
			after: func(t *testing.T, dir string) {
				must(t, os.Rename(in(dir, "etc"), in(dir, "etc-new")), os.Rename(in(dir, "etc-old"), in(dir, "etc")))
			},
		},
		"a directory is brought from elsewhere": {
			path: "/etc/k/enc.yaml", want: "/etc/k",
			before: func(t *testing.T, dir string) { write(t, dir, "srv/k/enc.yaml", "b") },
			after: func(t *testing.T, dir string) {
				must(t, os.RemoveAll(in(dir, "etc/k")), os.Rename(in(dir, "srv/k"), in(dir, "etc/k")))
			},
		},
		"a link to a directory is repointed": {
			path: "/etc/current/enc.yaml", want: "/etc/current",
			before: func(t *testing.T, dir string) {
				write(t, dir, "etc/k-old/enc.yaml", "b")
				must(t, os.Symlink("/etc/k", in(dir, "etc/current")))
			},
			after: func(t *testing.T, dir string) {
				must(t, os.Remove(in(dir, "etc/current")), os.Symlink("/etc/k-old", in(dir, "etc/current")))
			},
		},
		"a volume of the kubelet's is updated": { // to a directory that was there before
			path: "/vol/enc.yaml", want: "/vol/..data",
			before: func(t *testing.T, dir string) {
				write(t, dir, "vol/..1/enc.yaml", "a")
				write(t, dir, "vol/..2/enc.yaml", "b")
				must(t, os.Symlink("..1", in(dir, "vol/..data")), os.Symlink("..data/enc.yaml", in(dir, "vol/enc.yaml")))
			},
			after: func(t *testing.T, dir string) {
				must(t, os.Symlink("..2", in(dir, "vol/..data_tmp")), os.Rename(in(dir, "vol/..data_tmp"), in(dir, "vol/..data")))
			},
		},
		"another file next to it": {
			path: "/etc/k/enc.yaml", after: func(t *testing.T, dir string) { write(t, dir, "etc/k/other", "x") },
		},
		"another file in the directory above": {
			path: "/etc/k/enc.yaml", after: func(t *testing.T, dir string) { write(t, dir, "etc/resolv.conf", "x") },
		},
		"files in directories with one between": {
			path: "/etc/k/enc.yaml", after: func(t *testing.T, dir string) { write(t, dir, "x", "x"); write(t, dir, "etc/k/other", "x") },
		},
		"files in both directories may be a swap": {
			path: "/etc/k/enc.yaml", want: "/etc/k",
			after: func(t *testing.T, dir string) { write(t, dir, "etc/x", "x"); write(t, dir, "etc/k/other", "x") },
		},
		"the owner of a link is changed": {
			path:   "/etc/link.yaml",
			before: func(t *testing.T, dir string) { must(t, os.Symlink("k/enc.yaml", in(dir, "etc/link.yaml"))) },
			after:  func(t *testing.T, dir string) { must(t, os.Lchown(in(dir, "etc/link.yaml"), os.Getuid(), os.Getgid())) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, "etc/k/enc.yaml", "a")
			if tc.before != nil {
				tc.before(t, dir)
			}
			start := moment(t)
			tc.after(t, dir)
			got, place := changedOf(t, dir, tc.path, []procfs.MountInfo{{ID: 1, Point: "/", Root: "/", FSType: "ext4"}}, false)
			after := got.After(start)
			if after != (tc.want != "") || after && tc.want != "file" && place != tc.want || tc.want == "file" && place != "" {
				t.Errorf("changed %v after the start at %q, want %q", got.Sub(start), place, tc.want)
			}
		})
	}
}

// changedOf is Program.Changed in a directory, with a mount table.
func changedOf(t *testing.T, dir, name string, mounts []procfs.MountInfo, contained bool) (time.Time, string) {
	t.Helper()
	root, err := rootfs.Open(dir)
	must(t, err)
	defer func() { _ = root.Close() }()
	steps, err := root.Trace(name)
	must(t, err)
	p := &proctable.Process{}
	if contained {
		p.Identity.ID = "1"
	}
	s := &Program{Pass: &reader.Pass{Table: &proctable.Table{}}, Of: p, mounts: &proctable.MountTable{Mounts: mounts}}
	at, place := s.Changed(steps)
	return at.Time, place
}

// What mounts on the path mean: a volume of the container counts by itself, and a mount
// that came later makes the time unknown.
func TestChangedMounts(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "etc/k"), 0o755), os.WriteFile(filepath.Join(dir, "etc/k/enc.yaml"), nil, 0o600))
	start := moment(t)
	// Another file in the volume means nothing: what is mounted is not renamed.
	must(t, os.WriteFile(filepath.Join(dir, "etc/k/other"), nil, 0o600))
	moment(t)
	// As a runtime does it: directories to mount on are made at the last moment.
	must(t, os.MkdirAll(filepath.Join(dir, "etc/x"), 0o755), os.MkdirAll(filepath.Join(dir, "proc"), 0o755), os.Chmod(filepath.Join(dir, "etc"), 0o755))

	overlay := procfs.MountInfo{ID: 1, Minor: 30, Point: "/", Root: "/", FSType: "overlay"}
	ext4 := procfs.MountInfo{ID: 1, Major: 8, Minor: 1, Point: "/", Root: "/", FSType: "ext4"}
	volume := procfs.MountInfo{ID: 3, Major: 8, Minor: 1, Point: "/etc/k", Root: "/etc/kubernetes/enc", FSType: "ext4"}
	file := procfs.MountInfo{ID: 3, Major: 8, Minor: 1, Point: "/etc/k/enc.yaml", Root: "/srv/enc.yaml", FSType: "ext4"}
	masked := procfs.MountInfo{ID: 4, Minor: 5, Point: "/proc/kcore", Root: "/null", FSType: "tmpfs"}
	itself := volume
	itself.Root = "/etc/k"
	own := volume
	own.Minor, own.Root = 2, "/"
	for name, tc := range map[string]struct {
		mounts    []procfs.MountInfo
		contained bool
		want      string // "", "unknown", or the place of a later time
	}{
		"a volume of a container":                       {[]procfs.MountInfo{overlay, volume, masked}, true, ""},
		"a file of the node in a container":             {[]procfs.MountInfo{overlay, file, masked}, true, ""},
		"mounted over after the container was set up":   {[]procfs.MountInfo{overlay, masked, volume}, true, "unknown"},
		"mounted over a volume":                         {[]procfs.MountInfo{overlay, {ID: 2, Point: "/etc/k", Root: "/a", FSType: "ext4"}, masked, volume}, true, "unknown"},
		"in a container's own file system":              {[]procfs.MountInfo{overlay, masked}, true, "/etc"},
		"a privileged container has nothing hidden":     {[]procfs.MountInfo{overlay, volume}, true, ""},
		"one directory over another on the node":        {[]procfs.MountInfo{ext4, volume}, false, "unknown"},
		"one file over another on the node":             {[]procfs.MountInfo{ext4, file}, false, "unknown"},
		"a directory over itself on the node":           {[]procfs.MountInfo{ext4, itself}, false, "/etc"},
		"a file system of its own on the node":          {[]procfs.MountInfo{ext4, own}, false, "/etc"},
		"hidden files on the node are no container's":   {[]procfs.MountInfo{ext4, masked, own}, false, "/etc"},
		"a file system of a server":                     {[]procfs.MountInfo{ext4, {ID: 3, Minor: 40, Point: "/etc/k", Root: "/", FSType: "nfs4"}}, false, "unknown"},
		"no mount table":                                {nil, false, "unknown"},
		"a table without the mount that the file is on": {[]procfs.MountInfo{{ID: 9, Point: "/srv", Root: "/"}}, false, "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			at, place := changedOf(t, dir, "/etc/k/enc.yaml", tc.mounts, tc.contained)
			got := ""
			switch {
			case at.IsZero():
				got = "unknown"
			case at.After(start):
				got = place
			}
			if got != tc.want {
				t.Errorf("changed %v after the start at %q, want %q", at.Sub(start), place, tc.want)
			}
		})
	}
}

// Of a file that changed after the start, and one whose directory may have been swapped,
// only the first is certainly another one.
func TestSince(t *testing.T) {
	in := func(dir, name string) string { return filepath.Join(dir, name) }
	for name, tc := range map[string]struct {
		after func(t *testing.T, dir string)
		want  Since
		place string
	}{
		"nothing":             {func(*testing.T, string) {}, Same, ""},
		"the file is written": {func(t *testing.T, dir string) { must(t, os.WriteFile(in(dir, "etc/k/a"), []byte("b"), 0o600)) }, Later, ""},
		"a link is repointed": {func(t *testing.T, dir string) {
			must(t, os.Remove(in(dir, "etc/k/link")), os.Symlink("b", in(dir, "etc/k/link")))
		}, Later, "/etc/k/link"},
		"files in both directories": {func(t *testing.T, dir string) {
			must(t, os.WriteFile(in(dir, "etc/x"), nil, 0o600), os.WriteFile(in(dir, "etc/k/x"), nil, 0o600))
		}, Uncertain, "/etc/k"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			must(t, os.MkdirAll(in(dir, "etc/k"), 0o755), os.WriteFile(in(dir, "etc/k/a"), nil, 0o600), os.WriteFile(in(dir, "etc/k/b"), nil, 0o600), os.Symlink("a", in(dir, "etc/k/link")))
			file := "/etc/k/a"
			if tc.place == "/etc/k/link" {
				file = tc.place
			}
			start := moment(t)
			tc.after(t, dir)
			root, err := rootfs.Open(dir)
			must(t, err)
			defer func() { _ = root.Close() }()
			of := &proctable.Process{}
			pass := &reader.Pass{Table: &proctable.Table{Boot: start.Truncate(time.Second).Add(-time.Hour), BootExact: start}}
			s := &Program{Pass: pass, Of: of, PID: &proctable.PID{}, root: root, mounts: &proctable.MountTable{Mounts: []procfs.MountInfo{{ID: 1, Point: "/", Root: "/", FSType: "ext4"}}}}
			since, place, err := s.Since(file)
			must(t, err)
			if since != tc.want || place != tc.place {
				t.Errorf("since %v at %q, want %v at %q", since, place, tc.want, tc.place)
			}
			// A boot time in whole seconds is too early for a file written just before.
			pass.BootExact, pass.Boot = time.Time{}, start.Add(-time.Second)
			if since, _, err := s.Since(file); err != nil || since == Same {
				t.Errorf("without the exact time: since %v, error %v; nothing was written a second before the start", since, err)
			}
			must(t, err)
		})
	}
}
