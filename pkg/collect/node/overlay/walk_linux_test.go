package overlay

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

var ignoreTimes = cmpopts.IgnoreFields(fact.UpperFile{}, "Changed")

func TestWalkUpper(t *testing.T) {
	image := image()
	image[1]["lib/libx.so.1"] = "\x7fELFlib"
	c := newContainer(t, layout{image: image})
	evil := pauseELF("evil")
	write := func(path, content string, mode os.FileMode) {
		t.Helper()
		must(t, os.MkdirAll(filepath.Dir(c.path(path)), 0o755))
		must(t, os.WriteFile(c.path(path), []byte(content), mode))
	}
	// Of the image.
	must(t, os.Chmod(c.path("/bin/prog"), 0o711))
	must(t, os.Chtimes(c.path("/lib/libx.so.1"), time.Now(), time.Now()))
	write("/bin/prog2", string(evil), 0o755)
	must(t, os.Remove(c.path("/bin/odd (deleted)")))
	// Added, and a candidate.
	write("/tmp/x", string(evil), 0o755)
	write("/tmp/only owner", string(evil), 0o100)
	write("/tmp/setuid", string(evil), 0o755)
	must(t, unix.Chmod(c.path("/tmp/setuid"), 0o4755))
	must(t, os.Chown(c.path("/tmp/only owner"), 1000, 1000))
	write("/tmp/run.sh", "#!/bin/sh\n", 0o755)
	write("/tmp/new\nline \x1b[31m\xff", string(evil), 0o755)
	write("/tmp/x (deleted)", string(evil), 0o755)
	write("/a:b,c/d e/f", string(evil), 0o755)
	write("/tmp/mod.so", "\x7fELFmod", 0o644)
	write("/tmp/prog.so.2", "\x7fELFmod", 0o755)
	write("/tmp/elf-without-x", string(evil), 0o644)
	// Not one.
	write("/tmp/data", "no code", 0o644)
	write("/tmp/data.so", "no code", 0o644)
	write("/tmp/text", "no magic", 0o755)
	write("/tmp/short", "#!/", 0o755)
	write("/tmp/empty", "", 0o755)
	must(t, os.Symlink("/tmp/x", c.path("/tmp/link")))
	must(t, os.Symlink("/", c.path("/tmp/rootlink")))
	must(t, unix.Mkfifo(c.path("/tmp/fifo"), 0o755))
	must(t, os.Chmod(c.path("/tmp/fifo"), 0o755))
	must(t, unix.Mknod(c.path("/tmp/device"), unix.S_IFCHR|0o755, int(unix.Mkdev(1, 3))))
	must(t, unix.Mknod(c.path("/tmp/socket"), unix.S_IFSOCK|0o755, 0))
	// A terabyte that is not there.
	write("/tmp/sparse", "\x7fELF", 0o755)
	must(t, os.Truncate(c.path("/tmp/sparse"), 1<<40))
	// On a mount of the container: not in upper.
	write("/vol/x", string(evil), 0o755)

	got, gap := c.seen().WalkUpper(t.Context(), Limits{})
	if gap != nil {
		t.Errorf("gap %+v", gap)
	}
	added := func(path, kind, content string) fact.UpperFile {
		return fact.UpperFile{Path: path, Kind: kind, Origin: fact.OriginAdded, Size: int64(len(content)), Mode: 0o755, SHA256: sha([]byte(content))}
	}
	owner := added("/tmp/only owner", "elf", string(evil))
	owner.Mode, owner.UID = 0o100, 1000
	setuid := added("/tmp/setuid", "elf", string(evil))
	setuid.Mode, setuid.Gained = 0o4755, "set-user-ID (mode 4755)"
	without := added("/tmp/elf-without-x", "elf", string(evil))
	without.Mode = 0o644
	module := added("/tmp/mod.so", "library", "\x7fELFmod")
	module.Mode = 0o644
	changed := added("/bin/prog2", "elf", string(evil))
	changed.Origin = fact.OriginChanged
	want := &fact.UpperWalk{
		Path: c.upper, Copies: 2,
		// In /tmp, what holds no code is not listed: data, data.so, text, short, empty, two
		// links. The rest are a FIFO, a device and a socket.
		Data:       []fact.UpperFile{{Path: "/bin/odd (deleted)", Kind: "elf", Origin: fact.OriginRemoved, Size: int64(len(pauseELF("odd"))), Mode: 0o755}},
		DataCounts: &fact.DataCounts{Removed: 1, Volatile: 7, Special: 3},
		Written: &fact.WrittenDirs{Total: 2, Dirs: []fact.WrittenDir{
			{Path: "/", Made: []string{"/a:b,c"}, MadeTotal: 1}, {Path: "/tmp", Files: true},
		}},
		Files: []fact.UpperFile{
			added("/a:b,c/d e/f", "elf", string(evil)),
			{Path: "/bin/prog", Kind: "elf", Origin: fact.OriginMetadata, Size: int64(len(pauseELF("prog"))), Mode: 0o711},
			changed, without,
			{Path: "/lib/libx.so.1", Kind: "library", Origin: fact.OriginMetadata, Size: 7, Mode: 0o755},
			added("/tmp/new\nline \x1b[31m\\xff", "elf", string(evil)),
			module, owner,
			added("/tmp/prog.so.2", "library", "\x7fELFmod"),
			added("/tmp/run.sh", "script", "#!/bin/sh\n"),
			setuid,
			{Path: "/tmp/sparse", Kind: "elf", Origin: fact.OriginAdded, Size: 1 << 40, Mode: 0o755},
			added("/tmp/x", "elf", string(evil)),
			added("/tmp/x (deleted)", "elf", string(evil)),
		},
	}
	sort.Slice(want.Files, func(i, j int) bool { return want.Files[i].Path < want.Files[j].Path })
	want.Total = len(want.Files)
	names, err := exec.Command("find", c.upper, "-mindepth", "1", "-printf", ".").Output()
	must(t, err)
	want.Entries = len(names)
	if diff := cmp.Diff(want, got, ignoreTimes); diff != "" {
		t.Errorf("walk (-want +got):\n%s", diff)
	}
	for _, f := range got.Files {
		checkChanged(t, f.Path, f.Changed)
	}
	for i := range got.Files {
		if want := got.Files[i].Changed; want.IsZero() {
			t.Errorf("%s: no time of change", got.Files[i].Path)
		}
	}

	// find and sha256sum, told nothing of ours, see the same files: every
	// executable regular file with a magic number.
	t.Run("find and sha256sum agree", func(t *testing.T) {
		out, err := exec.Command("find", c.upper, "-perm", "/111", "-type", "f", "-size", "-1000000c", "-print0").Output()
		must(t, err)
		oracle := map[string]string{}
		for path := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
			head, err := os.ReadFile(path)
			must(t, err)
			if len(head) < 4 || !bytes.HasPrefix(head, []byte("\x7fELF")) && !bytes.HasPrefix(head, []byte("#!")) {
				continue
			}
			cmd := exec.Command("sha256sum")
			cmd.Stdin, err = os.Open(path)
			must(t, err)
			sum, err := cmd.Output()
			must(t, err)
			oracle[strings.ReplaceAll(strings.TrimPrefix(path, c.upper), "\xff", `\xff`)] = strings.Fields(string(sum))[0]
		}
		ours := map[string]string{}
		for _, f := range got.Files {
			if f.Mode&0o111 == 0 || f.Path == "/tmp/sparse" {
				continue
			}
			ours[f.Path] = f.SHA256
			if f.Origin == fact.OriginMetadata {
				ours[f.Path] = oracle[f.Path] // equal to the image's, not hashed
			}
		}
		if diff := cmp.Diff(oracle, ours); diff != "" {
			t.Errorf("find (-) and the walk (+):\n%s", diff)
		}
	})
}

// What is only counted is named by the nearest directory that the image has: there, a read-only
// root needs another place to write.
func TestWrittenDirs(t *testing.T) {
	image := image()
	for _, dir := range []string{"var/cache/nginx", "run", "var/log", "var/lib", "etc"} {
		image[1][dir+"/keep"] = "x"
	}
	c := newContainer(t, layout{image: image})
	write := func(path string) {
		t.Helper()
		must(t, os.MkdirAll(filepath.Dir(c.path(path)), 0o755))
		must(t, os.WriteFile(c.path(path), []byte("no code"), 0o644))
	}
	write("/var/cache/nginx/client_temp/00/1")
	must(t, os.Mkdir(c.path("/var/cache/nginx/proxy_temp"), 0o755))
	write("/run/nginx.pid")
	must(t, os.Mkdir(c.path("/run/app"), 0o755))
	must(t, unix.Mknod(c.path("/run/app/socket"), unix.S_IFSOCK|0o755, 0))
	for i := range 9 {
		must(t, os.Mkdir(c.path(fmt.Sprintf("/var/lib/state%d", i)), 0o755))
	}
	must(t, os.Symlink("/dev/stdout", c.path("/var/log/access.log")))
	write("/etc/hosts")                // the runtime's
	write("/tmp/listed/elsewhere/x.a") // below a directory that was made
	got, gap := c.seen().WalkUpper(t.Context(), Limits{})
	want := &fact.WrittenDirs{Total: 5, Dirs: []fact.WrittenDir{
		{Path: "/run", Made: []string{"/run/app"}, MadeTotal: 1, Files: true},
		{Path: "/tmp", Made: []string{"/tmp/listed"}, MadeTotal: 1},
		{Path: "/var/cache/nginx", Made: []string{"/var/cache/nginx/client_temp", "/var/cache/nginx/proxy_temp"}, MadeTotal: 2},
		{Path: "/var/lib", Made: []string{
			"/var/lib/state0", "/var/lib/state1", "/var/lib/state2", "/var/lib/state3", "/var/lib/state4", "/var/lib/state5", "/var/lib/state6", "/var/lib/state7",
		}, MadeTotal: 9},
		{Path: "/var/log", Files: true},
	}}
	if diff := cmp.Diff(want, got.Written); diff != "" || gap != nil {
		t.Errorf("gap %+v, written (-want +got):\n%s", gap, diff)
	}
}

func TestWalkUpperClean(t *testing.T) {
	c := newContainer(t, layout{image: image()})
	got, gap := c.seen().WalkUpper(t.Context(), Limits{})
	names, err := exec.Command("find", c.upper, "-mindepth", "1", "-printf", ".").Output()
	must(t, err)
	if diff := cmp.Diff(&fact.UpperWalk{Path: c.upper, Entries: len(names), DataCounts: &fact.DataCounts{}, Written: &fact.WrittenDirs{}}, got); diff != "" || gap != nil {
		t.Errorf("gap %+v, walk (-want +got):\n%s", gap, diff)
	}
	t.Run("an overlay without an upperdir has nothing to walk", func(t *testing.T) {
		s := c.seen()
		rootMount(s.Mounts).SuperOptions = "ro,lowerdir=/a:/b"
		got, gap := s.WalkUpper(t.Context(), Limits{})
		if diff := cmp.Diff(&fact.UpperWalk{DataCounts: &fact.DataCounts{}, Written: &fact.WrittenDirs{}}, got); diff != "" || gap != nil {
			t.Errorf("gap %+v, walk (-want +got):\n%s", gap, diff)
		}
	})
	t.Run("an upperdir that is gone", func(t *testing.T) {
		s := c.seen()
		rootMount(s.Mounts).SuperOptions = "rw,lowerdir=/a,upperdir=/run/gone"
		got, gap := s.WalkUpper(t.Context(), Limits{})
		want := &fact.NodeGap{What: fact.Upperdir, Reason: fact.NotPresent, Detail: "upperdir: open /run/gone: no such file or directory"}
		if diff := cmp.Diff(want, gap); diff != "" || got != nil {
			t.Errorf("walk %+v, gap (-want +got):\n%s", got, diff)
		}
	})
	t.Run("options that are none", func(t *testing.T) {
		s := c.seen()
		rootMount(s.Mounts).SuperOptions = "rw"
		got, gap := s.WalkUpper(t.Context(), Limits{})
		want := &fact.NodeGap{What: fact.Upperdir, Reason: fact.Corrupt, Detail: `overlay options: expected a lowerdir, found "rw"`}
		if diff := cmp.Diff(want, gap); diff != "" || got != nil {
			t.Errorf("walk %+v, gap (-want +got):\n%s", got, diff)
		}
	})
}

func TestWalkUpperMetacopy(t *testing.T) {
	c := newContainer(t, layout{image: image(), options: ",metacopy=on"})
	must(t, os.Chmod(c.path("/bin/prog"), 0o700))
	must(t, os.Rename(c.path("/bin/prog2"), c.path("/bin/prog3")))
	// A hole of the image's size, made here, is no copy of metadata.
	must(t, os.Remove(c.path("/bin/odd (deleted)")))
	hole, err := os.OpenFile(c.path("/bin/odd (deleted)"), os.O_CREATE|os.O_WRONLY, 0o755)
	must(t, err)
	must(t, hole.Truncate(int64(len(pauseELF("odd")))))
	must(t, hole.Close())
	must(t, os.WriteFile(c.path("/tmp/x"), pauseELF("evil"), 0o755))
	got, gap := c.seen().WalkUpper(t.Context(), Limits{})
	const why = "copied up from an image file of another name (redirect_dir)"
	removed := fact.UpperFile{Path: "/bin/prog2", Kind: "elf", Origin: fact.OriginRemoved, Size: int64(len(pauseELF("prog2 of the upper image layer"))), Mode: 0o755}
	want := &fact.UpperWalk{Path: c.upper, Total: 4, Copies: 1, Data: []fact.UpperFile{removed}, DataCounts: &fact.DataCounts{Removed: 1}, Written: &fact.WrittenDirs{}, Files: []fact.UpperFile{
		{Path: "/bin/odd (deleted)", Kind: "elf", Origin: fact.OriginChanged, Size: int64(len(pauseELF("odd"))), Mode: 0o755},
		{Path: "/bin/prog", Kind: "elf", Origin: fact.OriginMetadata, Size: int64(len(pauseELF("prog"))), Mode: 0o700, Detail: "copied up without its content (metacopy)"},
		{Path: "/bin/prog3", Kind: "elf", Origin: fact.OriginUnknown, Size: int64(len(pauseELF("prog2 of the upper image layer"))), Mode: 0o755, Detail: why},
		{Path: "/tmp/x", Kind: "elf", Origin: fact.OriginAdded, Size: int64(len(pauseELF("evil"))), Mode: 0o755, SHA256: sha(pauseELF("evil"))},
	}}
	if diff := cmp.Diff(want, got, ignoreTimes, cmpopts.IgnoreFields(fact.UpperWalk{}, "Entries")); diff != "" {
		t.Errorf("walk (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&fact.NodeGap{What: fact.Upperdir, Reason: fact.Unsupported, Detail: "/bin/prog3: " + why}, gap); diff != "" {
		t.Errorf("gap (-want +got):\n%s", diff)
	}
}

func TestWalkUpperLimits(t *testing.T) {
	c := newContainer(t, layout{image: image()})
	evil := pauseELF("evil")
	deep := strings.Repeat("/d", 5)
	must(t, os.MkdirAll(c.path("/tmp/a"+deep), 0o755))
	must(t, os.WriteFile(c.path("/tmp/a"+deep+"/x"), evil, 0o755))
	for i := range 20 {
		must(t, os.WriteFile(c.path(fmt.Sprintf("/tmp/x%02d", i)), evil, 0o755))
	}
	ended := func(why string) *fact.NodeGap {
		return &fact.NodeGap{What: fact.Upperdir, Reason: fact.Truncated, Detail: fmt.Sprintf("the walk of upperdir %q ended at its limit, %s", c.upper, why)}
	}
	for name, tc := range map[string]struct {
		limits                Limits
		total, files, entries int
		truncated             bool
		gap                   *fact.NodeGap
	}{
		"enough of everything":                           {Limits{Entries: 28, Depth: 8}, 21, 21, 28, false, nil},
		"one entry too many":                             {Limits{Entries: 27}, 20, 20, 27, true, ended("27 entries, after 27 entries")},
		"a directory too deep":                           {Limits{Depth: 6}, 20, 20, 27, true, ended("a depth of 6 directories, after 27 entries")},
		"more files than are listed: the total has them": {Limits{Files: 5}, 21, 5, 28, false, nil},
		"no time": {Limits{Time: 1}, 0, 0, -1, true, ended("its time, after")},
	} {
		t.Run(name, func(t *testing.T) {
			got, gap := c.seen().WalkUpper(t.Context(), tc.limits)
			if got.Total != tc.total || len(got.Files) != tc.files || got.Truncated != tc.truncated || tc.entries >= 0 && got.Entries != tc.entries {
				t.Errorf("total %d, files %d, truncated %t, entries %d", got.Total, len(got.Files), got.Truncated, got.Entries)
			}
			if tc.entries < 0 && gap != nil && strings.HasPrefix(gap.Detail, tc.gap.Detail) {
				gap.Detail = tc.gap.Detail
			}
			if diff := cmp.Diff(tc.gap, gap); diff != "" {
				t.Errorf("gap (-want +got):\n%s", diff)
			}
		})
	}
}

// A chmod of a whole tree makes more copies than are listed. The planted file
// sorts behind them all, and is listed.
func TestWalkUpperDriftBeforeCopies(t *testing.T) {
	image := image()
	for i := range 50 {
		image[1][fmt.Sprintf("bin/many%02d", i)] = string(pauseELF(fmt.Sprint(i)))
	}
	c := newContainer(t, layout{image: image})
	for i := range 50 {
		must(t, os.Chmod(c.path(fmt.Sprintf("/bin/many%02d", i)), 0o700))
	}
	must(t, os.WriteFile(c.path("/bin/zzz"), pauseELF("evil"), 0o755))
	got, gap := c.seen().WalkUpper(t.Context(), Limits{Files: 3})
	var paths []string
	for _, f := range got.Files {
		paths = append(paths, f.Path)
	}
	if diff := cmp.Diff([]string{"/bin/many00", "/bin/many01", "/bin/zzz"}, paths); diff != "" || got.Total != 51 || got.Copies != 50 || gap != nil {
		t.Errorf("total %d, copies %d, gap %+v, paths (-want +got):\n%s", got.Total, got.Copies, gap, diff)
	}
}

// A file that is written all the time is not called the image's.
func TestCompareChanging(t *testing.T) {
	needMounts(t)
	dir := t.TempDir()
	paths := []string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}
	content := bytes.Repeat([]byte("x"), 1<<20)
	root, err := rootfs.Open(dir)
	must(t, err)
	defer func() { _ = root.Close() }()
	files := make([]*rootfs.Handle, 2)
	stats := make([]rootfs.Info, 2)
	for i, path := range paths {
		must(t, os.WriteFile(path, content, 0o755))
		file, err := root.Handle(filepath.Base(path), false)
		must(t, err)
		defer func() { _ = file.Close() }()
		files[i], stats[i] = file, file.Info()
	}
	var r comparer
	if like, err := r.compare(t.Context(), files[0], files[1], &stats[0], &stats[1]); like != alike || err != nil {
		t.Fatalf("equal files: %v, %v", like, err)
	}
	must(t, os.Chtimes(paths[0], time.Now(), time.Now().Add(time.Second)))
	if _, err := r.compare(t.Context(), files[0], files[1], &stats[0], &stats[1]); err != errChanging {
		t.Errorf("changed meanwhile: %v, want %v", err, errChanging)
	}
	if _, err := r.sum(t.Context(), files[0], &stats[0]); err != errChanging {
		t.Errorf("hash of a file that changed meanwhile: %v, want %v", err, errChanging)
	}
	must(t, os.Truncate(paths[0], 10))
	if _, err := r.compare(t.Context(), files[0], files[1], &stats[0], &stats[1]); err != errChanging {
		t.Errorf("cut short meanwhile: %v, want %v", err, errChanging)
	}
}

// Somebody swaps directories for links into the host and files for FIFOs
// while we walk: nothing outside upper is ever reported, and nothing blocks.
func TestWalkUpperRace(t *testing.T) {
	c := newContainer(t, layout{image: image()})
	outside := t.TempDir()
	must(t, os.WriteFile(filepath.Join(outside, "outside"), pauseELF("outside"), 0o755))
	must(t, os.MkdirAll(c.path("/tmp/real"), 0o755))
	must(t, os.WriteFile(c.path("/tmp/real/inside"), pauseELF("inside"), 0o755))
	must(t, os.Symlink(outside, c.path("/tmp/link")))
	must(t, os.WriteFile(c.path("/tmp/file"), pauseELF("file"), 0o755))
	must(t, unix.Mkfifo(c.path("/tmp/fifo"), 0o755))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	up := filepath.Join(c.upper, "tmp")
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			_ = unix.Renameat2(unix.AT_FDCWD, up+"/real", unix.AT_FDCWD, up+"/link", unix.RENAME_EXCHANGE)
			_ = unix.Renameat2(unix.AT_FDCWD, up+"/file", unix.AT_FDCWD, up+"/fifo", unix.RENAME_EXCHANGE)
		}
	}()
	for range 200 {
		got, _ := c.seen().WalkUpper(t.Context(), Limits{})
		for _, f := range append(got.Files, got.Data...) {
			if strings.Contains(f.Path, "outside") {
				t.Fatalf("left upperdir: %+v", f)
			}
		}
	}
	cancel()
	<-done
}

// hundredThousand fills an upperdir: 1,000 directories of 100 files, one of
// which is a script.
func hundredThousand(t testing.TB, c *container) {
	for d := range 1000 {
		dir := filepath.Join(c.upper, "srv", fmt.Sprintf("%03d", d))
		must(t, os.MkdirAll(dir, 0o755))
		fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		must(t, err)
		for i := range 100 {
			mode := uint32(0o644)
			if i == 50 {
				mode = 0o755
			}
			f, err := unix.Openat(fd, fmt.Sprintf("file%02d", i), unix.O_CREAT|unix.O_WRONLY, mode)
			must(t, err)
			content := "not a script\n"
			if i == 50 {
				content = "#!/bin/sh\n"
			}
			_, err = unix.Write(f, []byte(content))
			must(t, err)
			must(t, unix.Close(f))
		}
		must(t, unix.Close(fd))
	}
}

func TestWalkUpperHundredThousandFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 100,000 files")
	}
	c := newContainer(t, layout{image: image()})
	hundredThousand(t, c)
	got, gap := c.seen().WalkUpper(t.Context(), Limits{Time: time.Hour})
	if got.Entries != 50_000 || !got.Truncated || gap == nil || gap.Reason != fact.Truncated || len(got.Files) != fact.MaxUpperFiles {
		t.Errorf("default limits: entries %d, truncated %t, files %d, gap %+v", got.Entries, got.Truncated, len(got.Files), gap)
	}
	got, gap = c.seen().WalkUpper(t.Context(), Limits{Entries: 200_000, Time: time.Hour})
	names, err := exec.Command("find", c.upper, "-mindepth", "1", "-printf", ".").Output()
	must(t, err)
	if got.Total != 1000 || got.Entries != len(names) || got.Truncated || gap != nil || len(got.Files) != fact.MaxUpperFiles ||
		*got.DataCounts != (fact.DataCounts{Added: 99_000}) || len(got.Data) != fact.MaxUpperData || got.Data[49].Path != "/srv/000/file49" ||
		got.Files[199].Path != "/srv/199/file50" {
		t.Errorf("no limit: total %d, entries %d of %d, truncated %t, files %d, gap %+v", got.Total, got.Entries, len(names), got.Truncated, len(got.Files), gap)
	}
}

// BenchmarkWalkUpper prints the cost of a name, next to that of find(1) on the
// same tree in the same run: user and system time, both warm.
func BenchmarkWalkUpper(b *testing.B) {
	c := newContainer(b, layout{image: image()})
	hundredThousand(b, c)
	s := c.seen()
	limits := Limits{Entries: 200_000, Time: time.Hour}
	entries := 0
	cpu := func(who int) time.Duration {
		var u syscall.Rusage
		must(b, syscall.Getrusage(who, &u))
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	_, _ = s.WalkUpper(b.Context(), limits)
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu(syscall.RUSAGE_SELF)
	for range b.N {
		walk, gap := s.WalkUpper(b.Context(), limits)
		if gap != nil {
			b.Fatal(gap)
		}
		entries = walk.Entries
	}
	ours := (cpu(syscall.RUSAGE_SELF) - before) / time.Duration(b.N)
	b.StopTimer()
	before = cpu(syscall.RUSAGE_CHILDREN)
	for range b.N {
		must(b, exec.Command("find", c.upper, "-perm", "/111", "-type", "f").Run())
	}
	find := (cpu(syscall.RUSAGE_CHILDREN) - before) / time.Duration(b.N)
	b.ReportMetric(float64(ours.Nanoseconds())/float64(entries), "ns-cpu/name")
	b.ReportMetric(float64(find.Nanoseconds())/float64(entries), "find-ns-cpu/name")
}
