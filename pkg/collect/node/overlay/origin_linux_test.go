package overlay

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
)

func sha(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// image is two layers: the base, and one that changes prog2 of it.
func image() []map[string]string {
	return []map[string]string{
		{"bin/prog2": string(pauseELF("prog2 of the upper image layer"))},
		{
			"bin/prog": string(pauseELF("prog")), "bin/prog2": string(pauseELF("prog2 of the base")), "tmp/": "",
			"bin/odd (deleted)": string(pauseELF("odd")), "bin/with space\nline": string(pauseELF("space")),
			"bin/big": string(pauseELF("big")) + strings.Repeat("x", 9<<20),
		},
	}
}

func TestExecutableOrigin(t *testing.T) {
	image := image()
	prog := pauseELF("prog")
	evil := pauseELF("evil")
	add := func(path string) func(*testing.T, *container) {
		return func(t *testing.T, c *container) { must(t, os.WriteFile(c.path(path), evil, 0o755)) }
	}
	remove := func(path string) func(*testing.T, *container) {
		return func(t *testing.T, c *container) { must(t, os.Remove(c.path(path))) }
	}
	// replace gives a path new content by a rename, which a running program
	// cannot prevent.
	replace := func(path string, content []byte) func(*testing.T, *container) {
		return func(t *testing.T, c *container) {
			must(t, os.WriteFile(c.path(path+".new"), content, 0o755))
			must(t, os.Rename(c.path(path+".new"), c.path(path)))
		}
	}
	chmod := func(path string) func(*testing.T, *container) {
		return func(t *testing.T, c *container) { must(t, os.Chmod(c.path(path), 0o700)) }
	}
	edgesBigger := int64(len(pauseELF("big")) + 9<<20)
	for name, tc := range map[string]struct {
		options string
		onDisk  bool
		before  func(*testing.T, *container)
		start   string
		after   func(*testing.T, *container)
		old     bool // the process is said to have started an hour ago
		want    fact.Executable
		upper   string // the file in upper that is to be named
		gap     *fact.NodeGap
	}{
		"a file of the image": {
			start: "/bin/prog", want: fact.Executable{Path: "/bin/prog", Origin: fact.OriginImage, Size: int64(len(prog))},
		},
		"a file of the image's topmost layer": {
			start: "/bin/prog2",
			want:  fact.Executable{Path: "/bin/prog2", Origin: fact.OriginImage, Size: int64(len(image[0]["bin/prog2"]))},
		},
		"a name with a space and a newline": {
			start: "/bin/with space\nline",
			want:  fact.Executable{Path: "/bin/with space\nline", Origin: fact.OriginImage, Size: int64(len(pauseELF("space")))},
		},
		"copied up by chmod before the start": {
			before: chmod("/bin/prog"), start: "/bin/prog", upper: "bin/prog",
			want: fact.Executable{Path: "/bin/prog", Origin: fact.OriginMetadata, Size: int64(len(prog))},
		},
		"touched while it runs": {
			start: "/bin/prog", old: true, upper: "bin/prog",
			after: func(t *testing.T, c *container) { must(t, os.Chtimes(c.path("/bin/prog"), time.Now(), time.Now())) },
			want:  fact.Executable{Path: "/bin/prog", Origin: fact.OriginMetadata, Size: int64(len(prog))},
		},
		"metacopy: only metadata copied up": {
			options: ",metacopy=on", before: chmod("/bin/prog"), start: "/bin/prog", upper: "bin/prog",
			want: fact.Executable{Path: "/bin/prog", Origin: fact.OriginMetadata, Size: int64(len(prog)), Detail: "copied up without its content (metacopy)"},
		},
		"metacopy on a disk, whose attributes may take a block": {
			options: ",metacopy=on", onDisk: true, before: chmod("/bin/prog"), start: "/bin/prog", upper: "bin/prog",
			want: fact.Executable{Path: "/bin/prog", Origin: fact.OriginMetadata, Size: int64(len(prog)), Detail: "copied up without its content (metacopy)"},
		},
		"metacopy: a changed file is changed": {
			options: ",metacopy=on", before: add("/bin/prog"), start: "/bin/prog", upper: "bin/prog",
			want: fact.Executable{Path: "/bin/prog", Origin: fact.OriginChanged, Size: int64(len(evil)), SHA256: sha(evil)},
		},
		"changed in place": {
			before: add("/bin/prog"), start: "/bin/prog", upper: "bin/prog",
			want: fact.Executable{Path: "/bin/prog", Origin: fact.OriginChanged, Size: int64(len(evil)), SHA256: sha(evil)},
		},
		"changed, of the same size": {
			before: func(t *testing.T, c *container) {
				must(t, os.WriteFile(c.path("/bin/prog"), pauseELF("PROG"), 0o755))
			},
			start: "/bin/prog", upper: "bin/prog",
			want: fact.Executable{Path: "/bin/prog", Origin: fact.OriginChanged, Size: int64(len(prog)), SHA256: sha(pauseELF("PROG"))},
		},
		"changed after the process started: memory may hold older code": {
			before: add("/bin/prog"), start: "/bin/prog", upper: "bin/prog", old: true,
			want: fact.Executable{Path: "/bin/prog", Origin: fact.OriginChanged, Size: int64(len(evil)), SHA256: sha(evil), Stale: true},
		},
		"replaced while it runs": {
			start: "/bin/prog", after: replace("/bin/prog", evil), upper: "bin/prog",
			want: fact.Executable{
				Path: "/bin/prog", Origin: fact.OriginChanged, Size: int64(len(evil)), SHA256: sha(evil), Stale: true,
				Detail: "replaced after it was started: the process runs the image's file",
			},
		},
		"replaced by the same content": {
			start: "/bin/prog", after: replace("/bin/prog", prog), upper: "bin/prog",
			want: fact.Executable{
				Path: "/bin/prog", Origin: fact.OriginMetadata, Size: int64(len(prog)),
				Detail: "replaced after it was started: the process runs the image's file",
			},
		},
		"added": {
			before: add("/tmp/x"), start: "/tmp/x", upper: "tmp/x",
			want: fact.Executable{Path: "/tmp/x", Origin: fact.OriginAdded, Size: int64(len(evil)), SHA256: sha(evil)},
		},
		"metacopy: added is told by its inode number": {
			options: ",metacopy=on", before: add("/tmp/x"), start: "/tmp/x", upper: "tmp/x",
			want: fact.Executable{Path: "/tmp/x", Origin: fact.OriginAdded, Size: int64(len(evil)), SHA256: sha(evil)},
		},
		"added in a directory of its own": {
			options: ",redirect_dir=on", start: "/new/dir/x", upper: "new/dir/x",
			before: func(t *testing.T, c *container) {
				must(t, os.MkdirAll(c.path("/new/dir"), 0o755))
				add("/new/dir/x")(t, c)
			},
			want: fact.Executable{Path: "/new/dir/x", Origin: fact.OriginAdded, Size: int64(len(evil)), SHA256: sha(evil)},
		},
		"redirect_dir: copied up below a renamed directory": {
			options: ",redirect_dir=on", start: "/bin2/prog", upper: "bin2/prog",
			before: func(t *testing.T, c *container) {
				must(t, os.Rename(c.path("/bin"), c.path("/bin2")))
				chmod("/bin2/prog")(t, c)
			},
			want: fact.Executable{
				Path: "/bin2/prog", Origin: fact.OriginUnknown, Size: int64(len(prog)), SHA256: sha(prog),
				Detail: "copied up from an image file of another name (redirect_dir)",
			},
			gap: &fact.NodeGap{
				What: fact.Executables, Reason: fact.Unsupported,
				Detail: "/bin2/prog: copied up from an image file of another name (redirect_dir)",
			},
		},
		"redirect_dir: the image's below a renamed directory": {
			options: ",redirect_dir=on", start: "/bin2/prog",
			before: func(t *testing.T, c *container) { must(t, os.Rename(c.path("/bin"), c.path("/bin2"))) },
			want: fact.Executable{
				Path: "/bin2/prog", Origin: fact.OriginImage, Size: int64(len(prog)), Detail: "not in upperdir; its directory was renamed",
			},
		},
		"renamed while it runs: the link follows": {
			before: add("/tmp/x"), start: "/tmp/x", upper: "tmp/y",
			after: func(t *testing.T, c *container) { must(t, os.Rename(c.path("/tmp/x"), c.path("/tmp/y"))) },
			want:  fact.Executable{Path: "/tmp/y", Origin: fact.OriginAdded, Size: int64(len(evil)), SHA256: sha(evil)},
		},
		"deleted, of the image": {
			start: "/bin/prog", after: remove("/bin/prog"),
			want: fact.Executable{Path: "/bin/prog", Origin: fact.OriginDeletedImage, Size: int64(len(prog))},
		},
		"deleted, of the image, copied up before": {
			before: chmod("/bin/prog"), start: "/bin/prog", after: remove("/bin/prog"),
			want: fact.Executable{Path: "/bin/prog", Origin: fact.OriginDeletedImage, Size: int64(len(prog))},
		},
		"deleted with its directory": {
			start: "/bin/prog", after: func(t *testing.T, c *container) { must(t, os.RemoveAll(c.path("/bin"))) },
			want: fact.Executable{Path: "/bin/prog", Origin: fact.OriginDeletedImage, Size: int64(len(prog))},
		},
		"changed, then deleted: the image's name does not make it the image's": {
			before: add("/bin/prog"), start: "/bin/prog", after: remove("/bin/prog"),
			want: fact.Executable{
				Path: "/bin/prog", Origin: fact.OriginDeletedAdded, Size: int64(len(evil)), SHA256: sha(evil),
				Detail: "the image has another file of this name",
			},
		},
		"deleted, added": {
			before: add("/tmp/x"), start: "/tmp/x", after: remove("/tmp/x"),
			want: fact.Executable{Path: "/tmp/x", Origin: fact.OriginDeletedAdded, Size: int64(len(evil)), SHA256: sha(evil)},
		},
		"deleted, added, with another link that keeps its count": {
			before: func(t *testing.T, c *container) {
				add("/tmp/x")(t, c)
				must(t, os.Link(c.path("/tmp/x"), c.path("/tmp/y")))
			},
			start: "/tmp/x", after: remove("/tmp/x"),
			want: fact.Executable{Path: "/tmp/x", Origin: fact.OriginDeletedAdded, Size: int64(len(evil)), SHA256: sha(evil)},
		},
		"added, then replaced by another": {
			before: add("/tmp/x"), start: "/tmp/x", after: replace("/tmp/x", prog),
			want: fact.Executable{Path: "/tmp/x", Origin: fact.OriginDeletedAdded, Size: int64(len(evil)), SHA256: sha(evil)},
		},
		"a name that ends in (deleted) is no deletion": {
			start: "/bin/odd (deleted)",
			want:  fact.Executable{Path: "/bin/odd (deleted)", Origin: fact.OriginImage, Size: int64(len(pauseELF("odd")))},
		},
		"an added name that ends in (deleted) is no deletion": {
			before: add("/tmp/x (deleted)"), start: "/tmp/x (deleted)", upper: "tmp/x (deleted)",
			want: fact.Executable{Path: "/tmp/x (deleted)", Origin: fact.OriginAdded, Size: int64(len(evil)), SHA256: sha(evil)},
		},
		"a name that ends in (deleted), deleted": {
			before: add("/tmp/x (deleted)"), start: "/tmp/x (deleted)", after: remove("/tmp/x (deleted)"),
			want: fact.Executable{Path: "/tmp/x (deleted)", Origin: fact.OriginDeletedAdded, Size: int64(len(evil)), SHA256: sha(evil)},
		},
		"deleted, with a decoy of the name that the link shows": {
			start: "/bin/prog", after: func(t *testing.T, c *container) {
				remove("/bin/prog")(t, c)
				add("/bin/prog (deleted)")(t, c)
			},
			want: fact.Executable{Path: "/bin/prog", Origin: fact.OriginDeletedImage, Size: int64(len(prog))},
		},
		"a larger file is compared at its edges only": {
			before: chmod("/bin/big"), start: "/bin/big", upper: "bin/big",
			want: fact.Executable{
				Path: "/bin/big", Origin: fact.OriginUnknown, Size: edgesBigger, Detail: edgesDetail(edgesBigger),
			},
			gap: &fact.NodeGap{What: fact.Executables, Reason: fact.Truncated, Detail: "/bin/big: " + edgesDetail(edgesBigger)},
		},
		"a larger file that grew is changed": {
			before: func(t *testing.T, c *container) {
				f, err := os.OpenFile(c.path("/bin/big"), os.O_APPEND|os.O_WRONLY, 0)
				must(t, err)
				_, err = f.WriteString("x")
				must(t, err)
				must(t, f.Close())
			},
			start: "/bin/big", upper: "bin/big",
			want: fact.Executable{Path: "/bin/big", Origin: fact.OriginChanged, Size: edgesBigger + 1},
		},
		"on a writable mount": {
			before: add("/vol/x"), start: "/vol/x",
			want: fact.Executable{Path: "/vol/x", Origin: fact.OriginVolume, FSType: "tmpfs", Mount: "/vol", Size: int64(len(evil)), SHA256: sha(evil)},
		},
		"on a writable mount, deleted": {
			before: add("/vol/x"), start: "/vol/x", after: remove("/vol/x"),
			want: fact.Executable{
				Path: "/vol/x", Origin: fact.OriginVolume, FSType: "tmpfs", Mount: "/vol", Size: int64(len(evil)), SHA256: sha(evil),
				Detail: "deleted after it was started",
			},
		},
		"on a read-only mount": {
			start: "/rovol/prog",
			want:  fact.Executable{Path: "/rovol/prog", Origin: fact.OriginReadOnly, FSType: "tmpfs", Mount: "/rovol", Size: int64(len(pauseELF("rovol")))},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newContainer(t, layout{image: image, options: tc.options, onDisk: tc.onDisk})
			if tc.before != nil {
				tc.before(t, c)
			}
			pid := c.start(tc.start)
			if tc.after != nil {
				tc.after(t, c)
			}
			p := process(t, pid)
			if tc.old {
				p.Started = p.Started.Add(-time.Hour)
			}
			got, gap := c.seen().Executable(t.Context(), p)
			if tc.want.FSType == "" {
				tc.want.FSType, tc.want.Mount = "overlay", "/"
			}
			if tc.upper != "" {
				tc.want.HostPath = filepath.Join(c.upper, tc.upper)
			}
			check(t, &tc.want, got)
			if diff := cmp.Diff(tc.gap, gap); diff != "" {
				t.Errorf("gap (-want +got):\n%s", diff)
			}
		})
	}
}

// begun is before everything that the tests make. The kernel's clock for files
// is coarse, and a fact has whole seconds.
var begun = time.Now().Add(-time.Second).Truncate(time.Second)

// checkChanged compares a file's time with when the tests ran: it is the
// kernel's, which nobody sets.
func checkChanged(t *testing.T, path string, changed fact.Time) {
	t.Helper()
	if changed.Before(begun) || changed.After(time.Now()) {
		t.Errorf("%s: changed %s, made by this test", path, changed)
	}
}

// check compares an answer, all of it but the exact time of the change.
func check(t *testing.T, want, got *fact.Executable) {
	t.Helper()
	if got == nil {
		t.Fatalf("no executable, want %+v", want)
	}
	checkChanged(t, got.Path, got.Changed)
	clean := *got
	clean.Changed, clean.Owner, clean.Dir = fact.Time{}, nil, nil
	if diff := cmp.Diff(want, &clean); diff != "" {
		t.Errorf("executable (-want +got):\n%s", diff)
	}
}

func TestExecutableMemfd(t *testing.T) {
	c := newContainer(t, layout{image: image()})
	evil := pauseELF("evil")
	for name, tc := range map[string]struct {
		memfd   string
		started time.Duration
		outside bool
		want    *fact.Executable
	}{
		"a memfd":                            {"x", 0, false, &fact.Executable{Path: "/memfd:x", Origin: fact.OriginMemfd, Size: int64(len(evil)), SHA256: sha(evil)}},
		"a memfd that a runtime has started": {"x", 0, true, &fact.Executable{Path: "/memfd:x", Origin: fact.OriginMemfd, Size: int64(len(evil)), SHA256: sha(evil)}},
		"runc's copy of itself on its way into the container":      {"runc_cloned:/proc/self/exe", -4 * time.Second, true, nil},
		"something that calls itself runc's copy and stays is not": {"runc_cloned:/proc/self/exe", -6 * time.Second, true, &fact.Executable{Path: "/memfd:runc_cloned:/proc/self/exe", Origin: fact.OriginMemfd, Size: int64(len(evil)), SHA256: sha(evil)}},
		"a young runc's copy that no runtime has started is not":   {"runc_cloned:/proc/self/exe", 0, false, &fact.Executable{Path: "/memfd:runc_cloned:/proc/self/exe", Origin: fact.OriginMemfd, Size: int64(len(evil)), SHA256: sha(evil)}},
	} {
		t.Run(name, func(t *testing.T) {
			p := process(t, c.run(request{Op: "memfd", Exe: tc.memfd, Args: []string{"x"}, Data: evil}))
			p.Started, p.ParentOutside = p.Started.Add(tc.started), tc.outside
			got, gap := c.seen().Executable(t.Context(), p)
			if gap != nil {
				t.Errorf("gap %+v", gap)
			}
			if tc.want == nil {
				if got != nil {
					t.Errorf("reported %+v", got)
				}
				return
			}
			check(t, tc.want, got)
		})
	}
	t.Run("a file of the image that is named like a memfd", func(t *testing.T) {
		must(t, os.WriteFile(c.path("/memfd:x"), evil, 0o755))
		got, _ := c.seen().Executable(t.Context(), process(t, c.start("/memfd:x")))
		check(t, &fact.Executable{
			Path: "/memfd:x", Origin: fact.OriginAdded, FSType: "overlay", Mount: "/", HostPath: filepath.Join(c.upper, "memfd:x"),
			Size: int64(len(evil)), SHA256: sha(evil),
		}, got)
	})
}

func TestExecutableOtherNamespace(t *testing.T) {
	c := newContainer(t, layout{image: image()})
	evil := pauseELF("evil")
	must(t, os.WriteFile(c.path("/tmp/x"), evil, 0o755))
	must(t, os.WriteFile(c.path("/vol/x"), evil, 0o755))
	added := &fact.Executable{
		Path: "/tmp/x", Origin: fact.OriginAdded, FSType: "overlay", Mount: "/", HostPath: filepath.Join(c.upper, "tmp/x"),
		Size: int64(len(evil)), SHA256: sha(evil),
	}
	t.Run("a program of the host is foreign", func(t *testing.T) {
		got, gap := c.seen().Executable(t.Context(), process(t, os.Getpid()))
		if got.Origin != fact.OriginForeign || !strings.Contains(got.Detail, "is not in the container's mount table") || gap != nil {
			t.Errorf("got %+v, gap %+v", got, gap)
		}
	})
	t.Run("unshared mounts are foreign without their own table", func(t *testing.T) {
		got, _ := c.seen().Executable(t.Context(), process(t, c.run(request{Op: "unshare", Exe: "/tmp/x", Args: []string{"x"}})))
		if got.Origin != fact.OriginForeign {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("unshared mounts with their own table", func(t *testing.T) {
		pid := c.run(request{Op: "unshare", Exe: "/tmp/x", Args: []string{"x"}})
		p := process(t, pid)
		p.Mounts = mountsOf(t, pid)
		got, gap := c.seen().Executable(t.Context(), p)
		check(t, added, got)
		if gap != nil {
			t.Errorf("gap %+v", gap)
		}
	})
	t.Run("a copied volume mount is the volume", func(t *testing.T) {
		pid := c.run(request{Op: "unshare", Exe: "/vol/x", Args: []string{"x"}})
		p := process(t, pid)
		p.Mounts = mountsOf(t, pid)
		got, _ := c.seen().Executable(t.Context(), p)
		check(t, &fact.Executable{Path: "/vol/x", Origin: fact.OriginVolume, FSType: "tmpfs", Mount: "/vol", Size: int64(len(evil)), SHA256: sha(evil)}, got)
	})
	t.Run("a mount table that was not read is not the container's", func(t *testing.T) {
		p := process(t, c.run(request{Op: "unshare", Exe: "/tmp/x", Args: []string{"x"}}))
		p.Apart = true
		got, gap := c.seen().Executable(t.Context(), p)
		if got.Origin != fact.OriginUnknown || gap == nil || gap.Reason != fact.Unreadable {
			t.Errorf("got %+v, gap %+v", got, gap)
		}
		mapped, gaps := c.seen().Mapped(t.Context(), p, []Mapping{{File: &MappedFile{Path: "/bin/prog", Inode: 1}, Private: true}})
		if len(mapped.Files) != 0 || len(gaps) != 1 || gaps[0] != *gap {
			t.Errorf("mapped %+v, gaps %+v", mapped, gaps)
		}
	})
	t.Run("below its own root", func(t *testing.T) {
		must(t, os.MkdirAll(c.path("/vol/bin"), 0o755))
		must(t, os.WriteFile(c.path("/vol/bin/y"), evil, 0o755))
		pid := c.run(request{Op: "unshare", Exe: "/bin/y", Args: []string{"y"}, Chroot: "/vol"})
		p := process(t, pid)
		p.Apart, p.Mounts = true, mountsOf(t, pid)
		got, gap := c.seen().Executable(t.Context(), p)
		if got.Dir == nil || gap != nil {
			t.Errorf("directory %+v, gap %+v", got.Dir, gap)
		}
		check(t, &fact.Executable{Path: "/vol/bin/y", Origin: fact.OriginVolume, FSType: "tmpfs", Mount: "/", Size: int64(len(evil)), SHA256: sha(evil)}, got)
	})
	t.Run("below its own root that is a part of the container's", func(t *testing.T) {
		needStatic(t)
		for _, dir := range []string{"/jail/bin", "/there"} {
			must(t, os.MkdirAll(c.path(dir), 0o755))
		}
		must(t, os.WriteFile(c.path("/jail/bin/y"), evil, 0o755))
		pid := c.run(request{Op: "mapper-unshare", Steps: []step{{Op: "bind", Path: "/jail", To: "/there"}, {Op: "chroot", Path: "/there"}, {Op: "exec", Path: "/bin/y"}}})
		waitFor(t, func() bool {
			text, err := os.Readlink(procName(pid, "exe"))
			return err == nil && text == "/there/bin/y"
		})
		p := process(t, pid)
		p.Apart, p.Mounts = true, mountsOf(t, pid)
		got, gap := c.seen().Executable(t.Context(), p)
		if got.Dir == nil || gap != nil {
			t.Errorf("directory %+v, gap %+v", got.Dir, gap)
		}
		check(t, &fact.Executable{
			Path: "/there/bin/y", Origin: fact.OriginAdded, FSType: "overlay", Mount: "/", HostPath: filepath.Join(c.upper, "jail/bin/y"),
			Size: int64(len(evil)), SHA256: sha(evil),
		}, got)
	})
	t.Run("below its own root that is no mount point", func(t *testing.T) {
		pid := c.run(request{Op: "unshare", Exe: "/bin/y", Args: []string{"y"}, Chroot: "/vol"})
		p := process(t, pid)
		p.Apart, p.Mounts = true, slices.DeleteFunc(mountsOf(t, pid), func(m procfs.MountInfo) bool { return m.Point == "/" })
		got, gap := c.seen().Executable(t.Context(), p)
		if got.Origin != fact.OriginUnknown || gap == nil || gap.Reason != fact.Unsupported {
			t.Errorf("got %+v, gap %+v", got, gap)
		}
	})
	t.Run("what a process mounted read-only for itself is no image", func(t *testing.T) {
		pid := c.run(request{Op: "unshare", Exe: "/vol/x", Args: []string{"x"}})
		p := process(t, pid)
		p.Mounts = mountsOf(t, pid)
		for i := range p.Mounts {
			if p.Mounts[i].Point == "/vol" {
				p.Mounts[i].Minor += 1000 // a tmpfs that the container does not have
				p.Mounts[i].Options = "ro"
			}
		}
		got, _ := c.seen().Executable(t.Context(), p)
		if got.Origin != fact.OriginForeign || got.Detail != `on a tmpfs that the process mounted itself, at "/vol"` {
			t.Errorf("got %+v", got)
		}
	})
}

// Where the layers lie, and how they were named when they were mounted.
func TestLayersFound(t *testing.T) {
	evil := pauseELF("evil")
	for name, l := range map[string]layout{
		"absolute paths":                      {},
		"all relative, as docker mounts":      {chdir: true},
		"colon, space, newline in lowerdir":   {names: []string{"low:er 1/fs", "low\n2/fs"}},
		"comma, space, backslash in upperdir": {upper: `up,per \x`},
		"backslash in lowerdir":               {names: []string{`low\er/fs`}},
	} {
		t.Run(name, func(t *testing.T) {
			l.image = image()
			c := newContainer(t, l)
			must(t, os.WriteFile(c.path("/bin/prog2"), evil, 0o755))
			got, gap := c.seen().Executable(t.Context(), process(t, c.start("/bin/prog2")))
			check(t, &fact.Executable{
				Path: "/bin/prog2", Origin: fact.OriginChanged, FSType: "overlay", Mount: "/", HostPath: filepath.Join(c.upper, "bin/prog2"),
				Size: int64(len(evil)), SHA256: sha(evil),
			}, got)
			if gap != nil {
				t.Errorf("gap %+v", gap)
			}
		})
	}
	t.Run("lowers relative and upper absolute as containerd mounts many layers", func(t *testing.T) {
		c := newContainer(t, layout{image: image()})
		must(t, os.WriteFile(c.path("/bin/prog2"), evil, 0o755))
		s := c.seen()
		m := rootMount(s.Mounts)
		m.SuperOptions = strings.ReplaceAll(m.SuperOptions, c.dir+"/2/fs:"+c.dir+"/1/fs", "2/fs:1/fs")
		if strings.Contains(m.SuperOptions, "lowerdir=/") {
			t.Fatalf("options %q", m.SuperOptions)
		}
		got, gap := s.Executable(t.Context(), process(t, c.start("/bin/prog2")))
		if got.Origin != fact.OriginChanged || gap != nil {
			t.Errorf("got %+v, gap %+v", got, gap)
		}
	})
	t.Run("in the runtime's mount namespace only", func(t *testing.T) {
		c := newContainer(t, layout{image: image()})
		must(t, os.WriteFile(c.path("/tmp/x"), evil, 0o755))
		s := c.seen()
		parent := s.Node
		empty := t.TempDir()
		root, err := parent.Root.Sub(empty)
		must(t, err)
		defer root.Close()
		s.Node.Root = root
		p := process(t, c.start("/tmp/x"))
		got, gap := s.Executable(t.Context(), p)
		wantGap := &fact.NodeGap{What: fact.Executables, Reason: fact.NotPresent, Detail: "upperdir: open " + empty + c.upper + ": no such file or directory"}
		if diff := cmp.Diff(wantGap, gap); diff != "" || got.Origin != fact.OriginUnknown {
			t.Errorf("got %+v, gap (-want +got):\n%s", got, diff)
		}
		s.Close()
		s.Parent = func() (View, error) { return parent, nil }
		got, gap = s.Executable(t.Context(), p)
		if got.Origin != fact.OriginAdded || gap != nil {
			t.Errorf("through the parent: got %+v, gap %+v", got, gap)
		}
	})
}

func TestExecutableNotComparable(t *testing.T) {
	evil := pauseELF("evil")
	setup := func(t *testing.T) (*container, *Container) {
		c := newContainer(t, layout{image: image()})
		must(t, os.WriteFile(c.path("/tmp/x"), evil, 0o755))
		return c, c.seen()
	}
	t.Run("in a user namespace whose id-mapped lowers are gone", func(t *testing.T) {
		c, s := setup(t)
		s.UserNS = true
		m := rootMount(s.Mounts)
		m.SuperOptions = strings.ReplaceAll(m.SuperOptions, c.dir+"/1/fs", "/run/gone")
		got, gap := s.Executable(t.Context(), process(t, c.start("/tmp/x")))
		const why = "in a user namespace the runtime mounts the image's layers id-mapped, only for a moment: lowerdir: open /run/gone: no such file or directory"
		if diff := cmp.Diff(&fact.NodeGap{What: fact.Executables, Reason: fact.NotPresent, Detail: why}, gap); diff != "" {
			t.Errorf("gap (-want +got):\n%s", diff)
		}
		check(t, &fact.Executable{
			Path: "/tmp/x", Origin: fact.OriginUnknown, FSType: "overlay", Mount: "/", HostPath: filepath.Join(c.upper, "tmp/x"),
			Size: int64(len(evil)), SHA256: sha(evil), Detail: "in upperdir; could not be compared: " + why,
		}, got)
		got, gap = s.Executable(t.Context(), process(t, c.start("/bin/prog")))
		check(t, &fact.Executable{
			Path: "/bin/prog", Origin: fact.OriginImage, FSType: "overlay", Mount: "/", Size: int64(len(pauseELF("prog"))),
			Detail: "not in upperdir; the lower layers were not looked at",
		}, got)
		if gap != nil {
			t.Errorf("gap %+v", gap)
		}
		pid := c.start("/tmp/x")
		must(t, os.Remove(c.path("/tmp/x")))
		got, gap = s.Executable(t.Context(), process(t, pid))
		if got.Origin != fact.OriginDeletedAdded || gap != nil {
			t.Errorf("deleted: got %+v, gap %+v", got, gap)
		}
	})
	t.Run("in a user namespace whose lowers are empty mount points", func(t *testing.T) {
		c, s := setup(t)
		s.UserNS = true
		m := rootMount(s.Mounts)
		m.SuperOptions = strings.ReplaceAll(m.SuperOptions, c.dir+"/2/fs:"+c.dir+"/1/fs", t.TempDir())
		got, gap := s.Executable(t.Context(), process(t, c.start("/tmp/x")))
		if got.Origin != fact.OriginUnknown || gap == nil || gap.Reason != fact.NotPresent {
			t.Errorf("got %+v, gap %+v", got, gap)
		}
	})
	t.Run("a lower on FUSE is not touched", func(t *testing.T) {
		c, s := setup(t)
		p := process(t, c.start("/tmp/x"))
		fd, err := mountDeadFUSE(c.lowers[1])
		must(t, err)
		t.Cleanup(func() {
			_ = unix.Close(fd)
			must(t, unix.Unmount(c.lowers[1], unix.MNT_DETACH))
		})
		s.Node.Mounts = mountsOf(t, os.Getpid())
		var got *fact.Executable
		var gap *fact.NodeGap
		inTime(t, func() { got, gap = s.Executable(t.Context(), p) })
		why := fmt.Sprintf("lowerdir %q is on a fuse.dead mount, which was not read because it may hang", c.lowers[1])
		want := &fact.NodeGap{What: fact.Executables, Reason: fact.Unsupported, Detail: why}
		if diff := cmp.Diff(want, gap); diff != "" || got.Origin != fact.OriginUnknown {
			t.Errorf("got %+v, gap (-want +got):\n%s", got, diff)
		}
		var walk *fact.UpperWalk
		inTime(t, func() { walk, gap = s.WalkUpper(t.Context(), Limits{}) })
		want.What, want.Detail = fact.Upperdir, why
		if diff := cmp.Diff(want, gap); diff != "" || walk.Total != 1 || walk.Files[0].Origin != fact.OriginUnknown {
			t.Errorf("walk %+v, gap (-want +got):\n%s", walk, diff)
		}
	})
	for fsType, maker := range map[string]string{
		"btrfs": "; it was made by a snapshotter with snapshots of btrfs", "zfs": "; it was made by a snapshotter with snapshots of zfs", "ext4": "",
		"fuse.fuse-overlayfs": "; it was made by fuse-overlayfs", "virtiofs": "; it was made by a virtual machine, to which the host shares it",
		"9p": "; it was made by a virtual machine, to which the host shares it",
	} {
		t.Run("a root of "+fsType, func(t *testing.T) {
			c, s := setup(t)
			rootMount(s.Mounts).FSType = fsType
			why := fmt.Sprintf("root file system is %q, which has no upperdir to compare with an image; expected an overlay", fsType) + maker
			got, gap := s.Executable(t.Context(), process(t, c.start("/tmp/x")))
			check(t, &fact.Executable{
				Path: "/tmp/x", Origin: fact.OriginUnknown, FSType: fsType, Mount: "/", Size: int64(len(evil)), Detail: why,
			}, got)
			if diff := cmp.Diff(&fact.NodeGap{What: fact.Executables, Reason: fact.Unsupported, Detail: why}, gap); diff != "" {
				t.Errorf("gap (-want +got):\n%s", diff)
			}
			walk, gap := s.WalkUpper(t.Context(), Limits{})
			if diff := cmp.Diff(&fact.NodeGap{What: fact.Upperdir, Reason: fact.Unsupported, Detail: why}, gap); diff != "" || walk != nil {
				t.Errorf("walk %+v, gap (-want +got):\n%s", walk, diff)
			}
		})
	}
	t.Run("after the deadline", func(t *testing.T) {
		c, s := setup(t)
		must(t, os.Chmod(c.path("/bin/prog"), 0o700))
		ctx, cancel := context.WithDeadline(t.Context(), time.Now())
		cancel()
		got, gap := s.Executable(ctx, process(t, c.start("/bin/prog")))
		if got.Origin != fact.OriginUnknown || gap == nil || gap.Reason != fact.Timeout {
			t.Errorf("got %+v, gap %+v", got, gap)
		}
		got, gap = s.Executable(t.Context(), process(t, c.start("/bin/prog")))
		if got.Origin != fact.OriginMetadata || gap != nil {
			t.Errorf("asked again with time: got %+v, gap %+v", got, gap)
		}
	})
}

// inTime fails, instead of hanging, where do waits for a dead mount. That waiting
// is the kernel's, which knows no fake clock; the limit is for nothing else.
func inTime(t *testing.T, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	select {
	case <-done:
	case <-time.After(2 * time.Minute):
		t.Fatal("no answer: it looked into a mount that never answers")
	}
}

// Layers of the image hide what lies below them.
func TestLowerWhiteouts(t *testing.T) {
	evil := pauseELF("evil")
	c := newContainer(t, layout{image: image(), prepare: func(c *container) {
		must(t, os.MkdirAll(c.lowers[1]+"/opt/dir", 0o755))
		must(t, os.WriteFile(c.lowers[1]+"/opt/dir/prog", evil, 0o755))
		must(t, os.MkdirAll(c.lowers[1]+"/srv", 0o755))
		must(t, os.WriteFile(c.lowers[1]+"/srv/prog", evil, 0o755))
		// The upper image layer deletes a file, a directory, and makes a file of another one.
		must(t, unix.Mknod(c.lowers[0]+"/bin/prog", unix.S_IFCHR, 0))
		must(t, os.MkdirAll(c.lowers[0]+"/opt", 0o755))
		must(t, unix.Mknod(c.lowers[0]+"/opt/dir", unix.S_IFCHR, 0))
		must(t, os.WriteFile(c.lowers[0]+"/srv", []byte("a file"), 0o644))
		// A device node hides nothing unless its numbers are 0:0.
		must(t, unix.Mknod(c.lowers[0]+"/bin/null", unix.S_IFCHR, int(unix.Mkdev(1, 3))))
	}})
	must(t, os.Remove(c.path("/bin/null")))
	must(t, os.WriteFile(c.path("/bin/null"), evil, 0o755))
	got, gap := c.seen().Executable(t.Context(), process(t, c.start("/bin/null")))
	if got.Origin != fact.OriginChanged || got.Detail != "the image has this name, but not as a regular file" || gap != nil {
		t.Errorf("in place of a device: got %+v, gap %+v", got, gap)
	}
	must(t, os.Remove(c.path("/srv")))
	for _, dir := range []string{"/opt/dir", "/srv"} {
		must(t, os.MkdirAll(c.path(dir), 0o755))
	}
	for _, path := range []string{"/bin/prog", "/opt/dir/prog", "/srv/prog"} {
		// Equal to, or of the name of, a file that the image does not show.
		must(t, os.WriteFile(c.path(path), evil, 0o755))
		got, gap := c.seen().Executable(t.Context(), process(t, c.start(path)))
		if got.Origin != fact.OriginAdded || gap != nil {
			t.Errorf("%s: got %+v, gap %+v", path, got, gap)
		}
	}
	walk, gap := c.seen().WalkUpper(t.Context(), Limits{})
	if walk.Total != 4 || walk.Copies != 0 || gap != nil {
		t.Errorf("walk %+v, gap %+v", walk, gap)
	}
}

func TestScripts(t *testing.T) {
	image := image()
	image[1]["usr/bin/python3"] = string(pauseELF("python"))
	image[1]["usr/bin/bash"] = string(pauseELF("bash"))
	image[1]["app/main.py"] = "print(1)\n"
	image[1]["app/lib/"] = ""
	c := newContainer(t, layout{image: image})
	const body = "print('a script')\n"
	for _, path := range []string{"/tmp/x.py", "/vol/y.py", "/app/lib/z.py"} {
		must(t, os.WriteFile(c.path(path), []byte(body), 0o644))
	}
	must(t, os.Symlink("/tmp/../tmp/x.py", c.path("/app/link.py")))
	must(t, os.Symlink("loop.py", c.path("/app/loop.py")))
	must(t, unix.Mkfifo(c.path("/tmp/fifo.py"), 0o644))
	must(t, os.Symlink("/dead/x.py", c.path("/tmp/dead.py")))
	upper := func(path, in string) fact.Executable {
		return fact.Executable{
			Path: path, Script: true, Origin: fact.OriginAdded, FSType: "overlay", Mount: "/", HostPath: filepath.Join(c.upper, in),
			Size: int64(len(body)), SHA256: sha([]byte(body)),
		}
	}
	for name, tc := range map[string]struct {
		exe  string
		args []string
		dir  string
		want []fact.Executable
	}{
		"added":                                        {"/usr/bin/python3", []string{"/tmp/x.py", "--password=hunter2"}, "", []fact.Executable{upper("/tmp/x.py", "tmp/x.py")}},
		"relative to the working directory":            {"/usr/bin/python3", []string{"lib/z.py"}, "/app", []fact.Executable{upper("/app/lib/z.py", "app/lib/z.py")}},
		"through an absolute link":                     {"/usr/bin/python3", []string{"link.py"}, "/app", []fact.Executable{upper("/tmp/x.py", "tmp/x.py")}},
		"dots do not leave the container":              {"/usr/bin/python3", []string{"../../../../tmp/x.py"}, "/app", []fact.Executable{upper("/tmp/x.py", "tmp/x.py")}},
		"of the image":                                 {"/usr/bin/python3", []string{"/app/main.py", "/tmp/x.py"}, "", nil},
		"inline code":                                  {"/usr/bin/python3", []string{"-c", "/tmp/x.py"}, "", nil},
		"a loop of links":                              {"/usr/bin/python3", []string{"/app/loop.py"}, "", nil},
		"a FIFO":                                       {"/usr/bin/python3", []string{"/tmp/fifo.py"}, "", nil},
		"on a mount that never answers":                {"/usr/bin/python3", []string{"/dead/x.py"}, "", nil},
		"a link to a mount that never answers":         {"/usr/bin/python3", []string{"/tmp/dead.py"}, "", nil},
		"a kernel file that is no code":                {"/usr/bin/python3", []string{"/proc/self/environ"}, "", nil},
		"a name that does not exist":                   {"/usr/bin/python3", []string{"/nope"}, "", nil},
		"argument of a program that is no interpreter": {"/bin/prog", []string{"/tmp/x.py"}, "", nil},
		"on a writable mount": {"/usr/bin/python3", []string{"/vol/y.py"}, "", []fact.Executable{{
			Path: "/vol/y.py", Script: true, Origin: fact.OriginVolume, FSType: "tmpfs", Mount: "/vol", Size: int64(len(body)), SHA256: sha([]byte(body)),
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			pid := c.run(request{Op: "start", Exe: tc.exe, Args: append([]string{tc.exe}, tc.args...), Dir: tc.dir})
			s, p := c.seen(), process(t, pid)
			var got []fact.Executable
			var gap *fact.NodeGap
			inTime(t, func() { got, gap = s.scriptsOf(t, pid, p) })
			for i := range got {
				if got[i].Changed.IsZero() {
					t.Errorf("%s: no time of change", got[i].Path)
				}
				if got[i].Owner == nil || got[i].Dir == nil {
					t.Errorf("%s: owner %v, of its directory %v", got[i].Path, got[i].Owner, got[i].Dir)
				}
				got[i].Changed, got[i].Owner, got[i].Dir = fact.Time{}, nil, nil
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("scripts (-want +got):\n%s", diff)
			}
			if strings.Contains(name, "never answers") {
				const detail = `an interpreter may run a script from the fuse.dead mount at "/dead", which is not read`
				if gap == nil || gap.Reason != fact.Unsupported || gap.Detail != detail {
					t.Errorf("gap %+v", gap)
				}
			} else if gap != nil {
				t.Errorf("gap %+v", gap)
			}
		})
	}
	t.Run("a mount that is newer than the table", func(t *testing.T) {
		s := c.seen()
		s.Mounts = slices.DeleteFunc(s.Mounts, func(m procfs.MountInfo) bool { return m.Point == "/vol" })
		pid := c.start("/usr/bin/python3", "/vol/y.py")
		got, _ := s.scriptsOf(t, pid, process(t, pid))
		if got != nil {
			t.Errorf("judged by the mount below: %+v", got)
		}
	})
}
