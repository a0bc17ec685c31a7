package overlay

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
)

// brief is a walk in few words: what is listed, with kind, origin, gain and detail.
func brief(list []fact.UpperFile) []string {
	var out []string
	for _, f := range list {
		text := fmt.Sprintf("%s %s %s", f.Path, f.Kind, f.Origin)
		if f.Gained != "" {
			text += " [" + f.Gained + "]"
		}
		if f.Detail != "" {
			text += " (" + f.Detail + ")"
		}
		out = append(out, text)
	}
	return out
}

// bench is a container without a process, for changes by system calls.
type bench struct {
	t             testing.TB
	merged, upper string
}

func newBench(t testing.TB, image ...map[string]string) *bench {
	t.Helper()
	merged, upper := mergedOf(t, image...)
	return &bench{t, merged, upper}
}

func (b *bench) path(p string) string { return b.merged + p }

func (b *bench) write(p, content string, mode uint32) {
	b.t.Helper()
	must(b.t, os.MkdirAll(filepath.Dir(b.path(p)), 0o755))
	must(b.t, os.WriteFile(b.path(p), []byte(content), 0o644))
	must(b.t, unix.Chmod(b.path(p), mode))
}

func (b *bench) setcap(p string, words ...uint32) {
	b.t.Helper()
	must(b.t, unix.Setxattr(b.path(p), "security.capability", vfsCaps(words...), 0))
}

func (b *bench) walk(limits Limits) (*fact.UpperWalk, *fact.NodeGap) {
	return mountedAt(b.t, b.merged).WalkUpper(b.t.Context(), limits)
}

// check compares a walk of all with what is expected.
func (b *bench) check(files, data []string, counts fact.DataCounts) {
	b.t.Helper()
	walk, gap := b.walk(Limits{Time: time.Minute})
	if gap != nil {
		b.t.Errorf("gap %+v", gap)
	}
	if diff := cmp.Diff(files, brief(walk.Files)); diff != "" {
		b.t.Errorf("files (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(data, brief(walk.Data)); diff != "" {
		b.t.Errorf("data (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&counts, walk.DataCounts); diff != "" {
		b.t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// rawBit is CAP_NET_RAW in a mask.
const rawBit = 1 << 13

func TestWalkUpperGained(t *testing.T) {
	image := map[string]string{}
	for _, name := range []string{"plain", "touched", "chmod", "chown", "suid", "sgid", "both", "noexec", "caps", "keeps", "wider", "same", "loses", "changed"} {
		image["bin/"+name] = string(pauseELF(name))
	}
	image["etc/data"], image["etc/file"] = "data", "file"
	b := newBench(t, image)
	// The image's own bits: set in its layer, and copied up with them.
	layer := filepath.Join(filepath.Dir(b.merged), "layer0")
	must(t, unix.Unmount(b.merged, 0))
	must(t, unix.Chmod(layer+"/bin/keeps", 0o4755))
	must(t, unix.Chmod(layer+"/bin/loses", 0o6755))
	for _, name := range []string{"wider", "same"} {
		must(t, unix.Setxattr(layer+"/bin/"+name, "security.capability", vfsCaps(0x02000001, rawBit, 0, 0, 0), 0))
	}
	stack(t, []string{layer}, b.upper, filepath.Join(filepath.Dir(b.merged), "work"), b.merged, "")

	must(t, os.Chtimes(b.path("/bin/touched"), time.Now(), time.Now()))
	must(t, unix.Chmod(b.path("/bin/chmod"), 0o1777))
	must(t, os.Chown(b.path("/bin/chown"), 1000, 1000))
	must(t, unix.Chmod(b.path("/bin/suid"), 0o4755))
	must(t, unix.Chmod(b.path("/bin/sgid"), 0o2755))
	must(t, unix.Chmod(b.path("/bin/both"), 0o6755))
	must(t, unix.Chmod(b.path("/bin/noexec"), 0o4644))
	b.setcap("/bin/caps", 0x02000001, rawBit, 0, 0, 0)
	must(t, unix.Chmod(b.path("/bin/keeps"), 0o4711))
	b.setcap("/bin/wider", 0x02000001, rawBit|1<<21, 0, 0, 0)
	must(t, os.Chtimes(b.path("/bin/same"), time.Now(), time.Now()))
	must(t, unix.Chmod(b.path("/bin/loses"), 0o755))
	must(t, os.WriteFile(b.path("/bin/changed"), pauseELF("evil"), 0o755))
	must(t, unix.Chmod(b.path("/bin/changed"), 0o4755))
	must(t, unix.Chmod(b.path("/etc/data"), 0o4644))
	must(t, unix.Chmod(b.path("/etc/file"), 0o600))
	b.write("/bin/new", string(pauseELF("new")), 0o4755)
	b.write("/bin/newcaps", string(pauseELF("newcaps")), 0o755)
	b.setcap("/bin/newcaps", 0x03000001, rawBit, 0, 0, 0, 1000)
	b.write("/tmp/text", "text", 0o2755)

	b.check([]string{
		"/bin/both elf metadata [set-user-ID (mode 6755, in the image 0644), set-group-ID (mode 6755, in the image 0644)]",
		"/bin/caps elf metadata [file capabilities cap_net_raw=ep]",
		"/bin/changed elf changed [set-user-ID (mode 4755, in the image 0644)]",
		"/bin/chmod elf metadata",
		"/bin/chown elf metadata",
		"/bin/keeps elf metadata",
		"/bin/loses elf metadata",
		"/bin/new elf added [set-user-ID (mode 4755)]",
		"/bin/newcaps elf added [file capabilities cap_net_raw=ep [rootid=1000]]",
		"/bin/noexec elf metadata [set-user-ID (mode 4644, in the image 0644)]",
		"/bin/same elf metadata",
		"/bin/sgid elf metadata [set-group-ID (mode 2755, in the image 0644)]",
		"/bin/suid elf metadata [set-user-ID (mode 4755, in the image 0644)]",
		"/bin/touched elf metadata",
		"/bin/wider elf metadata [file capabilities cap_net_raw,cap_sys_admin=ep (in the image cap_net_raw=ep)]",
		"/etc/data data metadata [set-user-ID (mode 4644, in the image 0644)]",
		"/tmp/text data added [set-group-ID (mode 2755)]",
	}, nil, fact.DataCounts{Copies: 1})

	// find and getcap, on upper and on the image.
	t.Run("find and getcap agree", func(t *testing.T) {
		look := func(root string) map[string]string {
			out := map[string]string{}
			text, err := exec.Command("find", root, "-perm", "/6000", "-type", "f", "-printf", "%P %m\n").Output()
			must(t, err)
			for line := range strings.Lines(string(text)) {
				name, mode, _ := strings.Cut(strings.TrimSpace(line), " ")
				out["/"+name] += mode[:1]
			}
			text, err = exec.Command("getcap", "-n", "-r", root).Output()
			must(t, err)
			for line := range strings.Lines(string(text)) {
				name, caps, _ := strings.Cut(strings.TrimSpace(line), " ")
				out[strings.TrimPrefix(name, root)] += caps
			}
			return out
		}
		if _, err := exec.LookPath("getcap"); err != nil {
			t.Skip("needs getcap")
		}
		was, want := look(layer), []string{}
		for name, now := range look(b.upper) {
			if now != was[name] {
				want = append(want, name)
			}
		}
		sort.Strings(want)
		walk, _ := b.walk(Limits{})
		got := []string{}
		for _, f := range walk.Files {
			if f.Gained != "" {
				got = append(got, f.Path)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("find and getcap (-), the walk (+):\n%s", diff)
		}
	})
}

// A copy of metadata only has its attributes in upper and its content in lower.
func TestWalkUpperGainedMetacopy(t *testing.T) {
	c := newContainer(t, layout{image: image(), options: ",metacopy=on"})
	must(t, unix.Chmod(c.path("/bin/prog"), 0o4755))
	must(t, unix.Setxattr(c.path("/bin/prog2"), "security.capability", vfsCaps(0x02000001, rawBit, 0, 0, 0), 0))
	got, gap := c.seen().WalkUpper(t.Context(), Limits{})
	want := []string{
		"/bin/prog elf metadata [set-user-ID (mode 4755, in the image 0755)] (copied up without its content (metacopy))",
		"/bin/prog2 elf metadata [file capabilities cap_net_raw=ep] (copied up without its content (metacopy))",
	}
	if diff := cmp.Diff(want, brief(got.Files)); diff != "" || gap != nil {
		t.Errorf("gap %+v, files (-want +got):\n%s", gap, diff)
	}
}

// Code does not need an x bit, or a place where programs are.
func TestWalkUpperCode(t *testing.T) {
	b := newBench(t, map[string]string{
		"etc/ld.so.conf": "/usr/lib\n", "app/main.py": "print(1)", "usr/bin/python3": string(pauseELF("python")), "usr/bin/python": string(pauseELF("python")),
		"bin/": "", "lib/libx.so": "\x7fELF1", "app/same.js": "1",
	})
	b.write("/app/prog", string(pauseELF("evil")), 0o600)
	b.write("/app/lib/libevil.so", "\x7fELFevil", 0o600)
	b.write("/app/run", "#!/bin/sh\n", 0o600)
	b.write("/app/x.jar", "PK\x03\x04x", 0o600)
	b.write("/app/main.py", "print(2)", 0o644)
	must(t, unix.Chmod(b.path("/app/same.js"), 0o600))
	b.write("/usr/bin/tool", "id", 0o755)
	b.write("/etc/ld.so.preload", "/app/lib/libevil.so\n", 0o644)
	b.write("/etc/ld.so.conf", "/app/lib\n", 0o644)
	b.write("/etc/ld.so.conf.d/x.conf", "/app/lib\n", 0o644)
	b.write("/var/cache/nginx/x.php", "<?php", 0o644)
	must(t, os.Symlink("/app/prog", b.path("/bin/ls")))
	must(t, os.Remove(b.path("/usr/bin/python")))
	must(t, os.Symlink("/app/prog", b.path("/usr/bin/python")))
	must(t, os.Symlink("/app/prog", b.path("/app/link")))
	must(t, os.Rename(b.path("/lib/libx.so"), b.path("/lib/liby.so")))
	b.check([]string{
		"/app/lib/libevil.so library added",
		"/app/main.py code changed",
		"/app/prog elf added",
		"/app/run script added",
		"/app/same.js code metadata",
		"/app/x.jar code added",
		"/bin/ls link added (to \"/app/prog\")",
		"/etc/ld.so.conf loader changed",
		"/etc/ld.so.conf.d/x.conf loader added",
		"/etc/ld.so.preload loader added",
		"/lib/liby.so library added",
		"/usr/bin/python link changed (to \"/app/prog\", in the image an ELF file)",
		"/usr/bin/tool script added",
		"/var/cache/nginx/x.php code added",
	}, []string{
		"/app/link link added (to \"/app/prog\")",
		"/lib/libx.so library removed",
	}, fact.DataCounts{Added: 1, Removed: 1})
}

func TestWalkUpperData(t *testing.T) {
	big := strings.Repeat("x", maxCompare+edge)
	b := newBench(t, map[string]string{
		"etc/conf": "old", "etc/longer": "old", "etc/touched": "same", "etc/gone": "gone", "opt/tree/a": "a", "opt/tree/b/c": "c", "opt/again/a": "a", "opt/again/b": "b",
		"opt/again/sub/c": "c", "opt/again/sub/d": "d", "etc/file": "f", "etc/dir/a": "a", "usr/bin/tool": "\x7fELFtool", "etc/big": big, "etc/moved": "moved", "etc/fifo": "x",
		"var/log/old.log": "log", "var/cache/x/y": "y", "tmp/a": "a", "run/x/y": "y", "tmp/tool": "\x7fELFtool",
	}, map[string]string{"etc/below": "below", "opt/again/deep": "deep"})
	must(t, os.Symlink("a", filepath.Dir(b.merged)+"/layer0/etc/same"))
	must(t, os.Symlink("a", filepath.Dir(b.merged)+"/layer0/etc/other"))
	b.write("/etc/conf", "new", 0o644)
	b.write("/etc/longer", "longer", 0o644)
	must(t, os.Chtimes(b.path("/etc/touched"), time.Now(), time.Now()))
	must(t, os.Chmod(b.path("/etc/below"), 0o600))
	must(t, os.Chmod(b.path("/etc/big"), 0o600))
	must(t, os.Remove(b.path("/etc/gone")))
	must(t, os.RemoveAll(b.path("/opt/tree")))
	must(t, os.RemoveAll(b.path("/opt/again")))
	b.write("/opt/again/b", "new b", 0o644)
	b.write("/opt/again/sub/c", "c", 0o644)
	must(t, os.Remove(b.path("/usr/bin/tool")))
	must(t, os.Remove(b.path("/etc/file")))
	must(t, os.Mkdir(b.path("/etc/file"), 0o755))
	must(t, os.RemoveAll(b.path("/etc/dir")))
	b.write("/etc/dir", "a file now", 0o644)
	must(t, os.Rename(b.path("/etc/moved"), b.path("/etc/moved here")))
	must(t, os.Lchown(b.path("/etc/same"), 1, 1))
	must(t, os.Remove(b.path("/etc/other")))
	must(t, os.Symlink("b", b.path("/etc/other")))
	must(t, os.Remove(b.path("/etc/fifo")))
	must(t, unix.Mkfifo(b.path("/etc/fifo"), 0o4644))
	must(t, os.Mkdir(b.path("/etc/empty directory"), 0o755))
	b.write("/srv/"+strings.Repeat("n\n", 120), "x", 0o644)
	// Volatile, added, changed and removed.
	b.write("/var/log/new.log", "x", 0o644)
	b.write("/run/app.pid", "1", 0o644)
	b.write("/tmp/a", "b", 0o644)
	b.write("/srv/.cache/x", "1", 0o644)
	must(t, os.Remove(b.path("/var/log/old.log")))
	must(t, os.RemoveAll(b.path("/var/cache/x")))
	must(t, os.Remove(b.path("/tmp/tool"))) // code is not
	must(t, os.RemoveAll(b.path("/run/x")))
	must(t, os.Mkdir(b.path("/run/x"), 0o755))

	b.check(nil, []string{
		"/etc/big data unknown (size, first and last MiB equal the image's; 7340032 bytes between were not compared)",
		"/etc/conf data changed",
		"/etc/dir data changed (the image has this name, but not as a regular file)",
		"/etc/fifo data removed (something else is in its place: p---------)",
		"/etc/file data removed (a directory is in its place)",
		"/etc/gone data removed",
		"/etc/longer data changed",
		"/etc/moved data removed",
		"/etc/moved here data added",
		"/etc/other link changed (to \"b\", in the image to \"a\")",
		"/opt/again directory changed (removed and made again: it hides the image's, of which 2 layers have one; the files of the first are listed)",
		"/opt/again/a data removed",
		"/opt/again/b data changed",
		"/opt/again/sub/d data removed",
		"/opt/tree directory removed",
		"/srv/" + strings.Repeat("n\n", 120) + " data added",
		"/tmp/tool elf removed",
		"/usr/bin/tool elf removed",
	}, fact.DataCounts{Added: 2, Changed: 6, Removed: 9, Unknown: 1, Volatile: 8, Copies: 4, Special: 1})
}

// A layer of the image hides a file of a layer below it by a mark that cannot be read. Where
// inode numbers do not show that upper's directory is merged with the image's, and upper
// has all names of the topmost layer, what hides the file is unknown.
func TestWalkUpperHiddenInImage(t *testing.T) {
	b := newBench(t, map[string]string{"d/y": "y"}, map[string]string{"d/x": "x"})
	dir := filepath.Dir(b.merged)
	must(t, unix.Unmount(b.merged, 0))
	must(t, unix.Setxattr(dir+"/layer0/d", "trusted.overlay.opaque", []byte("y"), 0))
	stack(t, []string{dir + "/layer1", dir + "/layer0"}, b.upper, dir+"/work", b.merged, "")
	must(t, os.Chmod(b.path("/d/y"), 0o600))
	b.check(nil, nil, fact.DataCounts{Copies: 1})
	c := mountedAt(t, b.merged)
	l, problem := c.open()
	if problem == nil {
		problem = l.openLowers(false)
	}
	if problem != nil {
		t.Fatal(problem)
	}
	l.sameDev = false
	walk, gap := c.WalkUpper(t.Context(), Limits{})
	if diff := cmp.Diff([]string{"/d directory unknown (whether it hides files of the image is unknown)"}, brief(walk.Data)); diff != "" || gap != nil {
		t.Errorf("gap %+v, data (-want +got):\n%s", gap, diff)
	}
}

// What a runtime makes is no change of the container: mount points, and links beside
// libraries that it mounts.
func TestWalkUpperMountPoints(t *testing.T) {
	b := newBench(t, map[string]string{"etc/passwd": "x", "usr/lib/libold.so.1": "\x7fELF"})
	b.write("/etc/config/app.yaml", "", 0o644) // a volume's subPath
	b.write("/etc/empty", "", 0o644)
	b.write("/etc/covered", "what a mount hides", 0o644)
	b.write("/usr/lib/libcuda.so.550.54", "", 0o644)
	must(t, os.Symlink("libcuda.so.550.54", b.path("/usr/lib/libcuda.so.1")))
	must(t, os.Symlink("/tmp/evil.so", b.path("/usr/lib/libc.so.6")))
	must(t, os.Symlink("/proc/mounts", b.path("/etc/mtab")))
	b.write("/etc/ld.so.cache", "cache", 0o644)
	b.write("/.dockerenv", "", 0o755)
	c := mountedAt(t, b.merged)
	root := c.Mounts[0]
	for i, point := range []string{"/etc/config/app.yaml", "/usr/lib/libcuda.so.550.54", "/etc/covered"} {
		c.Mounts = append(c.Mounts, procfs.MountInfo{ID: uint64(1_000_000 + i), Parent: root.ID, Point: point, Root: "/x", FSType: "tmpfs"})
	}
	walk, gap := c.WalkUpper(t.Context(), Limits{})
	if diff := cmp.Diff([]string{`/usr/lib/libc.so.6 link added (to "/tmp/evil.so")`}, brief(walk.Files)); diff != "" || gap != nil {
		t.Errorf("gap %+v, files (-want +got):\n%s", gap, diff)
	}
	if diff := cmp.Diff([]string{"/etc/covered data added", "/etc/empty data added"}, brief(walk.Data)); diff != "" {
		t.Errorf("data (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&fact.DataCounts{Added: 2, Volatile: 6}, walk.DataCounts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// pyc is byte code with the header that python writes.
func pyc(flags uint32, mtime time.Time, size int, body string) string {
	out := []byte("\xa7\x0d\r\n")
	for _, w := range []uint32{flags, uint32(mtime.Unix()), uint32(size)} {
		out = binary.LittleEndian.AppendUint32(out, w)
	}
	return string(out) + body
}

func TestWalkUpperPythonCache(t *testing.T) {
	b := newBench(t, map[string]string{"app/a.py": "import os\n", "app/b.py": "x\n", "app/c.py": "x\n", "app/d.py": "x\n", "app/e.py": "x\n", "app/f.py": "x\n", "app/old/__pycache__/": ""})
	layer := filepath.Join(filepath.Dir(b.merged), "layer0")
	at := time.Unix(1_700_000_000, 0)
	must(t, unix.Unmount(b.merged, 0))
	must(t, os.Mkdir(layer+"/app/__pycache__", 0o755))
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		must(t, os.Chtimes(fmt.Sprintf("%s/app/%s.py", layer, name), at, at))
	}
	must(t, os.WriteFile(layer+"/app/__pycache__/d.cpython-311.pyc", []byte(pyc(0, at, 2, "the image's")), 0o644))
	must(t, os.WriteFile(layer+"/app/__pycache__/e.cpython-311.pyc", []byte(pyc(0, at.Add(-time.Hour), 2, "stale")), 0o644))
	must(t, os.WriteFile(layer+"/app/__pycache__/f.cpython-311.pyc", []byte(pyc(0, at, 2, "the image's")), 0o644))
	stack(t, []string{layer}, b.upper, filepath.Join(filepath.Dir(b.merged), "work"), b.merged, "")
	cache := "/app/__pycache__/"
	b.write(cache+"a.cpython-311.pyc", pyc(0, at, 10, "python's own"), 0o644)
	b.write(cache+"b.cpython-311.pyc", pyc(1, at, 2, "python does not check it"), 0o644)
	b.write(cache+"c.cpython-311.pyc", pyc(0, at.Add(time.Second), 2, "of another source"), 0o644)
	b.write(cache+"d.cpython-311.pyc", pyc(0, at, 2, "evil"), 0o644)
	b.write(cache+"e.cpython-311.pyc", pyc(0, at, 2, "compiled again"), 0o644)
	must(t, os.Chmod(b.path(cache+"f.cpython-311.pyc"), 0o600))
	b.write(cache+"none.cpython-311.pyc", pyc(0, at, 2, "without a source"), 0o644)
	b.write(cache+"a.pyc", pyc(0, at, 10, "no tag"), 0o644)
	b.write("/app/x.pyc", pyc(0, at, 10, "loaded by its name"), 0o644)
	b.check([]string{
		"/app/__pycache__/a.pyc code added",
		"/app/__pycache__/b.cpython-311.pyc code added",
		"/app/__pycache__/c.cpython-311.pyc code added",
		"/app/__pycache__/d.cpython-311.pyc code changed",
		"/app/__pycache__/f.cpython-311.pyc code metadata",
		"/app/__pycache__/none.cpython-311.pyc code added",
		"/app/x.pyc code added",
	}, nil, fact.DataCounts{Volatile: 2})
	t.Run("python itself", func(t *testing.T) {
		b := newBench(t, map[string]string{"app/mod.py": "x = 1\n", "app/pkg/__init__.py": "", "app/pkg/m.py": "y = 2\n"})
		cmd := exec.Command("python3", "-c", "import mod, pkg.m")
		cmd.Dir = b.path("/app")
		cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Skipf("needs python3: %v: %s", err, out)
		}
		b.check(nil, nil, fact.DataCounts{Volatile: 3})
	})
}

// A walk whose time goes to comparisons says so, and has the code all the same.
func TestWalkUpperDataLate(t *testing.T) {
	image := map[string]string{}
	for i := range 300 {
		image[fmt.Sprintf("etc/%03d", i)] = strings.Repeat("x", 4096)
	}
	b := newBench(t, image)
	for i := range 300 {
		must(t, os.Chmod(b.path(fmt.Sprintf("/etc/%03d", i)), 0o600))
	}
	b.write("/zzz", string(pauseELF("evil")), 0o755)
	c := mountedAt(t, b.merged)
	w := walker{ctx: t.Context(), c: c, limits: Limits{Time: time.Second}.withDefaults()}
	var problem *problem
	if w.l, problem = c.open(); problem != nil {
		t.Fatal(problem)
	}
	must(t, func() error { _, err := os.Stat(b.upper); return err }())
	w.lowerErr = w.l.openLowers(false)
	w.later.spent = time.Second // more than its part
	st, err := w.l.upperInfo("etc/007")
	must(t, err)
	w.later.files = []found{{rel: "etc/007", st: st}}
	w.compareLater(false)
	if w.later.dropped != 1 || w.counts != (fact.DataCounts{Unknown: 1}) || len(w.later.files) != 0 {
		t.Errorf("dropped %d, counts %+v", w.later.dropped, w.counts)
	}
	_, gap := w.finish()
	want := &fact.NodeGap{What: fact.Upperdir, Reason: fact.Timeout, Detail: "1 files without code were not compared with the image in the time for the walk"}
	if diff := cmp.Diff(want, gap); diff != "" {
		t.Errorf("gap (-want +got):\n%s", diff)
	}
	b.check([]string{"/zzz elf added"}, nil, fact.DataCounts{Copies: 300})
}

// The oracle of techniques: diff of image and merged view.
func TestWalkUpperAgreesWithDiff(t *testing.T) {
	b := newBench(t, map[string]string{"a/one": "1", "a/two": "2", "b/three": "3", "b/c/four": "4", "five": "5"})
	layer := filepath.Join(filepath.Dir(b.merged), "layer0")
	b.write("/a/one", "changed", 0o644)
	must(t, os.Remove(b.path("/a/two")))
	must(t, os.RemoveAll(b.path("/b/c")))
	b.write("/new", "new", 0o644)
	must(t, os.Chmod(b.path("/five"), 0o600))
	out, _ := exec.Command("diff", "-rq", layer, b.merged).Output() // its status is 1: they differ
	var want []string
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		switch {
		case words[0] == "Files":
			want = append(want, strings.TrimPrefix(words[1], layer)+" changed")
		case strings.HasPrefix(words[2], layer):
			want = append(want, strings.TrimPrefix(strings.TrimSuffix(words[2], ":"), layer)+"/"+words[3]+" removed")
		default:
			want = append(want, strings.TrimPrefix(strings.TrimSuffix(words[2], ":"), b.merged)+"/"+words[3]+" added")
		}
	}
	walk, gap := b.walk(Limits{})
	var got []string
	for _, f := range walk.Data {
		got = append(got, f.Path+" "+string(f.Origin))
	}
	sort.Strings(want)
	sort.Strings(got)
	if diff := cmp.Diff(want, got); diff != "" || gap != nil || len(want) != 4 {
		t.Errorf("gap %+v, diff -rq (-) and the walk (+):\n%s", gap, diff)
	}
}

// Without the lowers, nothing is called added or the image's.
func TestWalkUpperWithoutLowers(t *testing.T) {
	b := newBench(t, map[string]string{"etc/a": "a"})
	b.write("/etc/a", "b", 0o644)
	b.write("/etc/prog", string(pauseELF("x")), 0o4755)
	must(t, os.Symlink("x", b.path("/etc/link")))
	c := mountedAt(t, b.merged)
	m := rootMount(c.Mounts)
	opts, err := ParseOptions(m.SuperOptions)
	must(t, err)
	m.SuperOptions = "rw,lowerdir=/nowhere,upperdir=" + opts.Upperdir
	walk, gap := c.WalkUpper(t.Context(), Limits{})
	want := []string{"/etc/prog elf unknown (in upperdir; could not be compared: lowerdir: open /nowhere: no such file or directory)"}
	if diff := cmp.Diff(want, brief(walk.Files)); diff != "" || *walk.DataCounts != (fact.DataCounts{Unknown: 2}) {
		t.Errorf("counts %+v, files (-want +got):\n%s", walk.DataCounts, diff)
	}
	if diff := cmp.Diff(&fact.NodeGap{What: fact.Upperdir, Reason: fact.NotPresent}, gap, cmpopts.IgnoreFields(fact.NodeGap{}, "Detail")); diff != "" {
		t.Errorf("gap (-want +got):\n%s", diff)
	}
}

// Names longer than a path may be, loops, and a crowd in one directory: the walk ends, and
// says where.
func TestWalkUpperHostile(t *testing.T) {
	b := newBench(t, map[string]string{"etc/a": "a"})
	must(t, os.Symlink("loop", b.path("/etc/loop")))
	must(t, os.Symlink("/etc/./../etc/ping", b.path("/etc/pong")))
	must(t, os.Symlink(strings.Repeat("/x", 2000), b.path("/etc/far")))
	must(t, unix.Mkfifo(b.path("/etc/fifo"), 0o6777))
	fd, err := unix.Open(b.path("/etc"), unix.O_RDONLY|unix.O_DIRECTORY, 0)
	must(t, err)
	name := strings.Repeat("\n", 250)
	for range 20 {
		must(t, unix.Mkdirat(fd, name, 0o755))
		next, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		must(t, err)
		must(t, unix.Close(fd))
		fd = next
	}
	file, err := unix.Openat(fd, "prog", unix.O_CREAT|unix.O_WRONLY, 0o644)
	must(t, err)
	_, err = unix.Write(file, []byte("\x7fELFdeep"))
	must(t, err)
	must(t, unix.Close(file))
	must(t, unix.Close(fd))
	// Of its path, 4 KiB are kept.
	deep := ("/etc/" + strings.Repeat(name+"/", 20))[:4096] + "…"
	b.check([]string{deep + " elf added (not hashed: its path is too long)"}, []string{
		fmt.Sprintf("/etc/far link added (to %.200q)", strings.Repeat("/x", 2000)),
		`/etc/loop link added (to "loop")`,
		`/etc/pong link added (to "/etc/./../etc/ping")`,
	}, fact.DataCounts{Added: 3, Special: 1})

	t.Run("names of which each byte becomes four", func(t *testing.T) {
		b := newBench(t, map[string]string{"x": ""})
		for i := range 300 {
			b.write(fmt.Sprintf("/srv/%03d%s", i, strings.Repeat("\xff", 250)), "\x7fELF", 0o644)
		}
		walk, gap := b.walk(Limits{Time: time.Minute})
		size := 0
		for _, f := range walk.Files {
			size += len(f.Path)
		}
		if walk.Total != 300 || len(walk.Files) != fact.MaxUpperFiles || size > maxListed || gap != nil {
			t.Errorf("%d of %d files, %d bytes, gap %+v", len(walk.Files), walk.Total, size, gap)
		}
	})
	// 200,000 names that nobody expects.
	crowd := filepath.Join(b.upper, "crowd")
	must(t, os.Mkdir(crowd, 0o755))
	dir, err := unix.Open(crowd, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	must(t, err)
	for i := range 200_000 {
		must(t, unix.Mknodat(dir, fmt.Sprintf("%08d", i), unix.S_IFREG|0o755, 0))
	}
	must(t, unix.Close(dir))
	walk, gap := b.walk(Limits{Time: time.Minute})
	if !walk.Truncated || walk.Entries != 50_000 || len(walk.Data) > fact.MaxUpperData || gap == nil || gap.Reason != fact.Truncated {
		t.Errorf("entries %d, truncated %t, %d listed, gap %+v", walk.Entries, walk.Truncated, len(walk.Data), gap)
	}
}
