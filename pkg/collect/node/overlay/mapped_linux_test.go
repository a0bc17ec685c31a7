package overlay

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// library is what ldd prints of one: "libc.so.6 => /lib/libc.so.6 (0x...)", or the
// path of ld.so alone.
var library = regexp.MustCompile(`(?m)^\s*(?:\S+ => )?(/\S+) \(0x`)

// realImage is a layer of programs of this machine, with what they link.
func realImage(t testing.TB, programs ...string) map[string]string {
	t.Helper()
	layer := map[string]string{"tmp/": "", "etc/": "", "jail/lib/": "", "hidden/": ""}
	for _, name := range programs {
		real, err := filepath.EvalSymlinks(name)
		must(t, err)
		data, err := os.ReadFile(real)
		must(t, err)
		layer[strings.TrimPrefix(name, "/")] = string(data)
		out, err := exec.Command("ldd", real).Output()
		if err != nil {
			continue // static
		}
		for _, m := range library.FindAllSubmatch(out, -1) {
			data, err := os.ReadFile(string(m[1]))
			must(t, err)
			layer[strings.TrimPrefix(string(m[1]), "/")] = string(data)
		}
	}
	return layer
}

// ldso and libc are the paths of a layer's own.
func ldso(t testing.TB, layer map[string]string) (loader, libc string) {
	t.Helper()
	for name := range layer {
		switch base := filepath.Base(name); {
		case strings.HasPrefix(base, "ld-"):
			loader = "/" + name
		case strings.HasPrefix(base, "libc.so"):
			libc = "/" + name
		}
	}
	if loader == "" || libc == "" {
		t.Skip("sleep of this machine is static")
	}
	return loader, libc
}

// clean takes out what is checked elsewhere, or is different each time.
func clean(files []fact.Executable) []fact.Executable {
	out := slices.Clone(files)
	for i := range out {
		out[i].Changed, out[i].Owner = fact.Time{}, nil
	}
	return out
}

func TestMappedFiles(t *testing.T) {
	needMounts(t)
	layer := realImage(t, "/bin/sleep")
	loader, libc := ldso(t, layer)
	prog, evil, lib := []byte(layer["bin/sleep"]), pauseELF("evil"), []byte(layer[libc[1:]])
	layer["opt/a.so"], layer["opt/b.so"], layer["opt/new\nline.so"] = string(pauseELF("a")), string(pauseELF("b")), string(pauseELF("newline"))
	layer[`opt/four\012.so`], layer["opt/odd (deleted)"] = string(pauseELF("four")), string(pauseELF("odd"))
	added := func(path string, data []byte) fact.Executable {
		return fact.Executable{Path: path, Origin: fact.OriginAdded, FSType: "overlay", Mount: "/", Size: int64(len(data)), SHA256: sha(data), HostPath: path[1:]}
	}
	changed := func(path string, data []byte) fact.Executable {
		e := added(path, data)
		e.Origin = fact.OriginChanged
		return e
	}
	write := func(path string, data []byte) func(*testing.T, *container) {
		return func(t *testing.T, c *container) { must(t, os.WriteFile(c.path(path), data, 0o644)) }
	}
	maps := func(paths ...string) []step {
		var steps []step
		for _, path := range paths {
			steps = append(steps, step{Op: "map", Path: path})
		}
		return steps
	}
	const gone = "deleted after it was mapped, so that its content cannot be read: it is the image's, unless it was written before"
	for name, tc := range map[string]struct {
		options string
		before  func(*testing.T, *container)
		start   []string
		steps   []step
		apart   bool
		after   func(*testing.T, *container)
		old     bool
		count   int
		want    []fact.Executable
		gaps    []fact.NodeGap
	}{
		"a program of the image with its libraries": {start: []string{"/bin/sleep", "99"}, count: 2},
		"a program of mode 0644 that ld.so runs":    {before: write("/tmp/prog", prog), start: []string{loader, "/tmp/prog", "99"}, count: 2, want: []fact.Executable{added("/tmp/prog", prog)}},
		// The library is a copy of libc, so that libc itself is not loaded any more.
		"an added library that ld.so preloads": {before: write("/tmp/x.so", lib), start: []string{loader, "--preload", "/tmp/x.so", "/bin/sleep", "99"}, count: 2, want: []fact.Executable{added("/tmp/x.so", lib)}},
		"an added library on a volume":         {before: write("/vol/x.so", lib), start: []string{loader, "--preload", "/vol/x.so", "/bin/sleep", "99"}, count: 2, want: []fact.Executable{{Path: "/vol/x.so", Origin: fact.OriginVolume, FSType: "tmpfs", Mount: "/vol", Size: int64(len(lib)), SHA256: sha(lib)}}},
		"a read-only volume":                   {steps: maps("/rovol/prog"), count: 1},
		"an added library in ld.so.preload": {
			before: func(t *testing.T, c *container) {
				write("/lib/x.so", lib)(t, c)
				write("/etc/ld.so.preload", []byte("/lib/x.so\n"))(t, c)
			},
			start: []string{"/bin/sleep", "99"}, count: 2, want: []fact.Executable{added("/lib/x.so", lib)},
		},
		"a library of the image, only touched": {
			before: func(t *testing.T, c *container) { must(t, os.Chmod(c.path(libc), 0o700)) },
			start:  []string{"/bin/sleep", "99"}, count: 2,
		},
		"a library of the image, touched while it is mapped": {
			start: []string{"/bin/sleep", "99"}, count: 2, old: true,
			after: func(t *testing.T, c *container) { must(t, os.Chmod(c.path(libc), 0o700)) },
		},
		"a library of the image, changed": {
			before: write(libc, append(slices.Clone(lib), 'x')),
			start:  []string{"/bin/sleep", "99"}, count: 2, want: []fact.Executable{changed(libc, append(slices.Clone(lib), 'x'))},
		},
		"a library of the image, replaced while it is mapped": {
			steps: append(maps("/opt/a.so"), step{Op: "write", Path: "/tmp/new", To: "evil"}, step{Op: "rename", Path: "/tmp/new", To: "/opt/a.so"}), count: 1,
			want: []fact.Executable{{
				Path: "/opt/a.so", Origin: fact.OriginChanged, FSType: "overlay", Mount: "/", Size: int64(len(evil)), SHA256: sha(evil), HostPath: "opt/a.so",
				Stale: true, Detail: "replaced after it was mapped",
			}},
		},
		"a library of the image, deleted while it is mapped": {
			steps: append(maps("/opt/a.so"), step{Op: "unlink", Path: "/opt/a.so"}), count: 1,
			want: []fact.Executable{{Path: "/opt/a.so", Origin: fact.OriginUnknown, FSType: "overlay", Mount: "/", Detail: gone}},
			gaps: []fact.NodeGap{{What: fact.Executables, Reason: fact.Unsupported, Detail: "/opt/a.so: " + gone}},
		},
		"an added library, deleted while it is mapped": {
			before: write("/tmp/x", evil), steps: append(maps("/tmp/x"), step{Op: "unlink", Path: "/tmp/x"}), count: 1,
			want: []fact.Executable{{Path: "/tmp/x", Origin: fact.OriginDeletedAdded, FSType: "overlay", Mount: "/"}},
		},
		"in place of the image's, deleted while it is mapped": {
			steps: []step{{Op: "unlink", Path: "/opt/a.so"}, {Op: "write", Path: "/opt/a.so", To: "evil"}, {Op: "map", Path: "/opt/a.so"}, {Op: "unlink", Path: "/opt/a.so"}},
			count: 1,
			want:  []fact.Executable{{Path: "/opt/a.so", Origin: fact.OriginDeletedAdded, FSType: "overlay", Mount: "/", Detail: "the image has another file of this name"}},
		},
		"a name with a newline":                       {steps: maps("/opt/new\nline.so"), count: 1},
		"a name with the characters of a newline":     {steps: maps(`/opt/four\012.so`), count: 1},
		"a name that ends in (deleted)":               {steps: maps("/opt/odd (deleted)"), count: 1},
		"an added name with a newline":                {before: write("/tmp/new\nline", evil), steps: maps("/tmp/new\nline"), count: 1, want: []fact.Executable{added("/tmp/new\nline", evil)}},
		"an added name that ends in (deleted)":        {before: write("/tmp/x (deleted)", evil), steps: maps("/tmp/x (deleted)"), count: 1, want: []fact.Executable{added("/tmp/x (deleted)", evil)}},
		"code that a loader took from a memfd":        {steps: maps("memfd:x"), count: 1, want: []fact.Executable{{Path: "/memfd:x", Origin: fact.OriginMemfd}}},
		"memory of a compiler in a memfd":             {steps: []step{{Op: "map", Path: "memfd:doublemapper", Shared: true}}},
		"shared memory (PHP)":                         {steps: []step{{Op: "map", Shared: true}}},
		"anonymous memory":                            {steps: []step{{Op: "map"}}},
		"memory of a compiler in a file (libffi)":     {before: write("/tmp/ffi", evil), steps: []step{{Op: "map", Path: "/tmp/ffi", Shared: true}, {Op: "unlink", Path: "/tmp/ffi"}}},
		"memory of a compiler on a volume (asmjit)":   {before: write("/vol/shm", evil), steps: []step{{Op: "map", Path: "/vol/shm", Shared: true}, {Op: "unlink", Path: "/vol/shm"}}},
		"a file that has a name and is mapped shared": {before: write("/tmp/x", evil), steps: []step{{Op: "map", Path: "/tmp/x", Shared: true}}, count: 1, want: []fact.Executable{added("/tmp/x", evil)}},
		"deleted on a volume": {
			before: write("/vol/x", evil), steps: append(maps("/vol/x"), step{Op: "unlink", Path: "/vol/x"}), count: 1,
			want: []fact.Executable{{Path: "/vol/x", Origin: fact.OriginVolume, FSType: "tmpfs", Mount: "/vol", Detail: "deleted after it was mapped"}},
		},
		"a sparse file of a terabyte is not hashed": {
			before: func(t *testing.T, c *container) {
				write("/tmp/x", evil)(t, c)
				must(t, os.Truncate(c.path("/tmp/x"), 1<<40))
				must(t, os.Truncate(c.path("/opt/a.so"), 1<<40))
			},
			steps: maps("/opt/a.so", "/tmp/x"), count: 2,
			want: []fact.Executable{
				{Path: "/tmp/x", Origin: fact.OriginAdded, FSType: "overlay", Mount: "/", Size: 1 << 40, HostPath: "tmp/x"},
				{Path: "/opt/a.so", Origin: fact.OriginChanged, FSType: "overlay", Mount: "/", Size: 1 << 40, HostPath: "opt/a.so"},
			},
		},
		"twice the same file is one": {before: write("/tmp/x", evil), steps: maps("/tmp/x", "/tmp/x", "/opt/a.so"), count: 2, want: []fact.Executable{added("/tmp/x", evil)}},
		"redirect_dir: the image's below a renamed directory": {
			options: ",redirect_dir=on", steps: append([]step{{Op: "rename", Path: "/opt", To: "/opt2"}}, maps("/opt2/a.so")...), count: 1,
		},
		"metacopy: only metadata copied up": {
			options: ",metacopy=on", before: func(t *testing.T, c *container) { must(t, os.Chmod(c.path("/opt/a.so"), 0o700)) },
			steps: maps("/opt/a.so"), count: 1,
		},
		"in the container's mount namespace, below another root": {
			before: write("/jail/lib/x.so", evil), steps: append([]step{{Op: "chroot", Path: "/jail"}}, maps("/lib/x.so")...), count: 1,
			want: []fact.Executable{added("/jail/lib/x.so", evil)},
		},
		"a name of the image, with another file mounted over it for this process only": {
			before: write("/tmp/x", evil), apart: true, steps: append([]step{{Op: "bind", Path: "/tmp/x", To: "/opt/a.so"}}, maps("/opt/a.so")...), count: 1,
			want: []fact.Executable{{Path: "/opt/a.so", Origin: fact.OriginAdded, FSType: "overlay", Mount: "/opt/a.so", Size: int64(len(evil)), SHA256: sha(evil), HostPath: "tmp/x"}},
		},
		"the image's, below its own mount table": {apart: true, steps: maps("/opt/a.so"), count: 1},
		"on a file system that the process mounted itself": {
			apart: true, steps: append([]step{{Op: "tmpfs", Path: "/hidden"}, {Op: "write", Path: "/hidden/x", To: "evil"}}, maps("/hidden/x")...), count: 1,
			want: []fact.Executable{{
				Path: "/hidden/x", Origin: fact.OriginForeign, FSType: "tmpfs", Mount: "/hidden", Size: int64(len(evil)),
				Detail: `on a tmpfs that the process mounted itself, at "/hidden"`,
			}},
		},
		"below its own root and mount table": {
			before: write("/jail/lib/x.so", evil), apart: true, steps: append([]step{{Op: "bind", Path: "/jail", To: "/hidden"}, {Op: "chroot", Path: "/hidden"}}, maps("/lib/x.so")...), count: 1,
			want: []fact.Executable{{Path: "/lib/x.so", Origin: fact.OriginAdded, FSType: "overlay", Mount: "/", Size: int64(len(evil)), SHA256: sha(evil), HostPath: "jail/lib/x.so"}},
		},
		"below its own root that is no mount point": {
			before: write("/jail/lib/x.so", evil), apart: true, steps: append([]step{{Op: "chroot", Path: "/jail"}}, maps("/lib/x.so")...), count: 1,
			want: []fact.Executable{added("/jail/lib/x.so", evil)},
		},
		"mapped both ways, and deleted": {
			before: write("/tmp/x", evil), steps: append(maps("/tmp/x"), step{Op: "map", Path: "/tmp/x", Shared: true}, step{Op: "unlink", Path: "/tmp/x"}), count: 1,
			want: []fact.Executable{{Path: "/tmp/x", Origin: fact.OriginDeletedAdded, FSType: "overlay", Mount: "/"}},
		},
		"mapped the other way first, and deleted": {
			before: write("/tmp/x", evil), steps: append([]step{{Op: "map", Path: "/tmp/x", Shared: true}}, append(maps("/tmp/x"), step{Op: "unlink", Path: "/tmp/x"})...), count: 1,
			want: []fact.Executable{{Path: "/tmp/x", Origin: fact.OriginDeletedAdded, FSType: "overlay", Mount: "/"}},
		},
		"devices are no files of code": {
			before: func(t *testing.T, c *container) {
				for _, path := range []string{"/vol/zero", "/tmp/zero"} {
					must(t, unix.Mknod(c.path(path), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5))))
				}
			},
			steps: maps("/vol/zero", "/tmp/zero"),
		},
		"mapped, then another mount over it for the whole container": {
			before: write("/hidden/x", evil), steps: append(maps("/hidden/x"), step{Op: "tmpfs", Path: "/hidden"}), count: 1,
			want: []fact.Executable{added("/hidden/x", evil)},
		},
		"on another overlay, whose layers are not the image's": {
			steps: append([]step{{Op: "overlay", Path: "/hidden"}, {Op: "write", Path: "/hidden/a.so", To: "evil"}}, maps("/hidden/a.so")...), count: 1,
			want: []fact.Executable{{Path: "/hidden/a.so", Origin: fact.OriginVolume, FSType: "overlay", Mount: "/hidden"}},
		},
		// The kernel shows the path below the layer, and the container's own device.
		"from a layer of another overlay, which is a part of the container's": {
			steps: append([]step{{Op: "overlay", Path: "/hidden"}}, maps("/hidden/b.so")...), count: 1,
			want: []fact.Executable{{Path: "/b.so", Origin: fact.OriginUnknown, FSType: "overlay", Mount: "/", Detail: "/b.so is not the file that is mapped"}},
			gaps: []fact.NodeGap{{What: fact.Executables, Reason: fact.Changing, Detail: "/b.so is not the file that is mapped"}},
		},
		"mapped, then another mount over it": {
			before: write("/hidden/x", evil), apart: true, steps: append(maps("/hidden/x"), step{Op: "tmpfs", Path: "/hidden"}), count: 1,
			want: []fact.Executable{added("/hidden/x", evil)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newContainer(t, layout{image: []map[string]string{layer}, options: tc.options})
			if tc.before != nil {
				tc.before(t, c)
			}
			var pid int
			switch {
			case tc.apart:
				pid = c.run(request{Op: "mapper-unshare", Steps: tc.steps})
			case tc.steps != nil:
				pid = c.run(request{Op: "mapper", Steps: tc.steps})
			default:
				pid = c.run(request{Op: "start", Exe: tc.start[0], Args: tc.start})
				waitForMaps(t, pid)
			}
			if tc.after != nil {
				tc.after(t, c)
			}
			p := process(t, pid)
			if tc.old {
				p.Started = p.Started.Add(-time.Hour)
			}
			if root, err := os.Readlink(procName(pid, "root")); err != nil || tc.apart || root != "/" {
				must(t, err)
				p.Mounts, p.Apart = mountsOf(t, pid), tc.apart
			}
			for i := range tc.want {
				if in := tc.want[i].HostPath; in != "" {
					tc.want[i].HostPath = filepath.Join(c.upper, in)
				}
			}
			got, gaps := c.seen().Mapped(t.Context(), p, mappingsOf(t, pid, &MappedFiles{}))
			want := &fact.Mapped{Count: tc.count, Files: tc.want, FileCount: len(tc.want)}
			got.Files = clean(got.Files)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("mapped (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.gaps, gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
		})
	}
}

func procName(pid int, name string) string { return "/proc/" + strconv.Itoa(pid) + "/" + name }

// waitForMaps waits until ld.so is done: a program that runs waits in the kernel.
func waitForMaps(t testing.TB, pid int) {
	t.Helper()
	waitFor(t, func() bool {
		data, err := os.ReadFile(procName(pid, "syscall"))
		must(t, err)
		// clock_nanosleep, by its number on amd64 and on arm64.
		return strings.HasPrefix(string(data), "230 ") || strings.HasPrefix(string(data), "115 ")
	})
}

// waitFor waits for another process, which knows no fake clock; long, for a busy machine.
func waitFor(t testing.TB, ready func() bool) {
	t.Helper()
	for begun := time.Now(); time.Since(begun) < 2*time.Minute; time.Sleep(time.Millisecond) {
		if ready() {
			return
		}
	}
	t.Fatal("the process did not come so far")
}

// Before Linux 6.8 maps shows device and inode of the layer's own file.
func TestMappedOnOldKernels(t *testing.T) {
	needMounts(t)
	evil := pauseELF("evil")
	c := newContainer(t, layout{image: []map[string]string{{"opt/a.so": string(pauseELF("a")), "opt/b.so": string(pauseELF("b"))}, {"tmp/": ""}}})
	must(t, os.WriteFile(c.path("/tmp/x"), evil, 0o644))
	layerFile := func(name, path string) *MappedFile {
		root, err := rootfs.Open("/")
		must(t, err)
		defer root.Close() //nolint:errcheck // of a test
		st, err := root.Lstat(path)
		must(t, err)
		return &MappedFile{Path: name, Major: uint32(st.Dev >> 8 & 0xfff), Minor: uint32(st.Dev&0xff | st.Dev>>12&0xffffff00), Inode: st.Ino}
	}
	p := process(t, c.pid)
	deleted := layerFile("/opt/b.so (deleted)", c.lowers[0]+"/opt/b.so")
	must(t, os.Remove(c.path("/opt/b.so")))
	got, gaps := c.seen().Mapped(t.Context(), p, []Mapping{
		{File: layerFile("/opt/a.so", c.lowers[0]+"/opt/a.so"), Private: true},
		{File: deleted, Private: true},
		{File: layerFile("/tmp/x", c.upper+"/tmp/x"), Private: true},
		{File: &MappedFile{Path: "/opt/a.so", Major: 250, Minor: 250, Inode: 1}, Private: true},
		{File: &MappedFile{Path: "/anon_hugepage (deleted)", Minor: 15, Inode: 1}, Private: true},
	})
	want := &fact.Mapped{Count: 4, FileCount: 2, Files: []fact.Executable{
		{Path: "/tmp/x", Origin: fact.OriginAdded, FSType: "overlay", Mount: "/", Size: int64(len(evil)), SHA256: sha(evil), HostPath: c.upper + "/tmp/x"},
		{Path: "/opt/a.so", Origin: fact.OriginForeign, Detail: "mapped from a file system that the container's mount table does not have there"},
	}}
	got.Files = clean(got.Files)
	if diff := cmp.Diff(want, got); diff != "" || gaps != nil {
		t.Errorf("gaps %v, mapped (-want +got):\n%s", gaps, diff)
	}
}

// Code on a volume that is read-only here is listed if another container may write it.
func TestReadOnlyVolumes(t *testing.T) {
	layer := map[string]string{"usr/bin/python3": string(pauseELF("python"))}
	c := newContainer(t, layout{image: []map[string]string{layer}})
	mapper := c.run(request{Op: "mapper", Steps: []step{{Op: "map", Path: "/rovol/prog"}}})
	script := c.start("/usr/bin/python3", "/rovol/prog")
	const uid = "12345678-9abc-def0-1234-56789abcdef0"
	for plugin, want := range map[string]string{
		"": "", "empty-dir": "emptyDir/v", "csi": "csi/v", "configmap": "", "secret": "", "projected": "", "downward-api": "",
	} {
		s := c.seen()
		for i := range s.Mounts {
			if s.Mounts[i].Point == "/rovol" && plugin != "" {
				s.Mounts[i].Root = "/pods/" + uid + "/volumes/kubernetes.io~" + plugin + "/v"
			}
		}
		mapped, _ := s.mapped(t, mapper)
		scripts, _ := s.scriptsOf(t, script, process(t, script))
		for role, files := range map[string][]fact.Executable{"mapped": mapped.Files, "scripts": scripts} {
			switch {
			case want == "" && len(files) > 0, want != "" && len(files) != 1:
				t.Errorf("%q, %s: %+v", plugin, role, files)
			case want != "" && (files[0].Origin != fact.OriginReadOnly || files[0].Volume != want):
				t.Errorf("%q, %s: %s on %q", plugin, role, files[0].Origin, files[0].Volume)
			}
		}
	}
}

// A name of the image proves nothing: the file that is mapped must have its inode. A
// process can rename its file while it is looked up.
func TestMappedNameOnly(t *testing.T) {
	c := newContainer(t, layout{image: image()})
	must(t, os.WriteFile(c.path("/tmp/x"), pauseELF("evil"), 0o644))
	p := process(t, c.start("/bin/prog"))
	s := c.seen()
	root := rootMount(s.Mounts)
	for _, path := range []string{"/bin/prog2", "/tmp/x", "/nothing", p.Exe} {
		got, gaps := s.Mapped(t.Context(), p, []Mapping{{File: &MappedFile{Path: path, Major: root.Major, Minor: root.Minor, Inode: 1 << 40}, Private: true}})
		want := &fact.Mapped{Count: 1, FileCount: 1, Files: []fact.Executable{{
			Path: path, Origin: fact.OriginUnknown, FSType: "overlay", Mount: "/", Detail: path + " is not the file that is mapped",
		}}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("mapped (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]fact.NodeGap{{What: fact.Executables, Reason: fact.Changing, Detail: want.Files[0].Detail}}, gaps); diff != "" {
			t.Errorf("gaps (-want +got):\n%s", diff)
		}
	}
}

// What is listed is bounded, and what is certain comes first.
func TestMappedBounds(t *testing.T) {
	c := newContainer(t, layout{image: image()})
	p := process(t, c.start("/bin/prog"))
	s := c.seen()
	root := rootMount(s.Mounts)
	var list []Mapping
	for i := range fact.MaxMapped + 5 {
		list = append(list, Mapping{File: &MappedFile{Path: "/x" + strconv.Itoa(i), Major: root.Major, Minor: root.Minor, Inode: 1 << 40}, Private: true})
	}
	list = append(list, Mapping{File: &MappedFile{Path: "/memfd:x (deleted)", Minor: 1, Inode: 5}, Private: true})
	got, gaps := s.Mapped(t.Context(), p, list)
	if got.Count != len(list) || got.FileCount != len(list) || len(got.Files) != fact.MaxMapped || got.Files[0].Origin != fact.OriginMemfd || len(gaps) != len(list)-1 {
		t.Errorf("%d of %d files, listed %d, first %+v, %d gaps", got.FileCount, got.Count, len(got.Files), got.Files[0], len(gaps))
	}
	var files MappedFiles
	each := func(n int, name string) func(func(procfs.Mapping)) (int, error) {
		return func(do func(procfs.Mapping)) (int, error) {
			for i := range n {
				file := []byte(strconv.Itoa(i) + name)
				do(procfs.Mapping{Exec: true, Inode: 1, Path: []byte("/x"), File: file})
			}
			return n, nil
		}
	}
	if list, lines, truncated, err := files.Read(each(maxMappedFiles, "a")); len(list) != maxMappedFiles || lines != maxMappedFiles || truncated || err != nil {
		t.Errorf("%d files of %d lines, truncated %t, %v", len(list), lines, truncated, err)
	}
	if list, _, truncated, _ := files.Read(each(maxMappedFiles, "b")); len(list) != 0 || !truncated {
		t.Errorf("beyond: %d files, truncated %t", len(list), truncated)
	}
	if list, _, truncated, _ := files.Read(each(9, "a")); len(list) != 9 || truncated {
		t.Errorf("known ones: %d files, truncated %t", len(list), truncated)
	}
	files = MappedFiles{}
	if list, _, truncated, _ := files.Read(each(2000, strings.Repeat("n", 1000))); len(list) == 0 || len(list)*1000 > maxMappedNames || !truncated {
		t.Errorf("long names: %d files, truncated %t", len(list), truncated)
	}
	files = MappedFiles{}
	_, _, _, _ = files.Read(func(func(procfs.Mapping)) (int, error) { return maxMappedLines + 1, nil })
	if _, _, truncated, _ := files.Read(each(1, "a")); !truncated {
		t.Error("lines are not bounded")
	}
}

// Where the root is no overlay, one gap says so; what is mapped from elsewhere is
// still found.
func TestMappedNotComparable(t *testing.T) {
	needMounts(t)
	evil := pauseELF("evil")
	c := newContainer(t, layout{image: []map[string]string{{"opt/a.so": string(pauseELF("a")), "opt/b.so": string(pauseELF("b"))}}})
	must(t, os.WriteFile(c.path("/vol/x"), evil, 0o644))
	pid := c.run(request{Op: "mapper", Steps: []step{{Op: "map", Path: "/opt/a.so"}, {Op: "map", Path: "/opt/b.so"}, {Op: "map", Path: "/vol/x"}}})
	s := c.seen()
	rootMount(s.Mounts).FSType = "btrfs"
	got, gaps := s.mapped(t, pid)
	want := &fact.Mapped{Count: 3, FileCount: 1, Files: []fact.Executable{{
		Path: "/vol/x", Origin: fact.OriginVolume, FSType: "tmpfs", Mount: "/vol", Size: int64(len(evil)), SHA256: sha(evil),
	}}}
	got.Files = clean(got.Files)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mapped (-want +got):\n%s", diff)
	}
	why := `root file system is "btrfs", which has no upperdir to compare with an image; expected an overlay; it was made by a snapshotter with snapshots of btrfs`
	if diff := cmp.Diff([]fact.NodeGap{{What: fact.Executables, Reason: fact.Unsupported, Detail: why}}, gaps); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
}
