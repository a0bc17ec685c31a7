package rootfs

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// grow makes a tree: "dir/", "file=content", "link -> text", "fifo|". Parents
// are made as needed.
func grow(t testing.TB, dir string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		var err error
		switch {
		case strings.Contains(line, " -> "):
			name, text, _ := strings.Cut(line, " -> ")
			_ = os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755)
			err = os.Symlink(text, filepath.Join(dir, name))
		case strings.HasSuffix(line, "/"):
			err = os.MkdirAll(filepath.Join(dir, line), 0o755)
		case strings.HasSuffix(line, "|"):
			err = unix.Mkfifo(filepath.Join(dir, strings.TrimSuffix(line, "|")), 0o644)
		default:
			name, content, _ := strings.Cut(line, "=")
			_ = os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755)
			err = os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func openRoot(t testing.TB, dir string) *Root {
	t.Helper()
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("closing the root: %v", err)
		}
	})
	return r
}

func TestReadFile(t *testing.T) {
	outside := t.TempDir()
	grow(t, outside, "secret=outside", "root/secret=inside", "root/etc/secret=etc", "root/a/b/c/", "root/fifo|",
		"root/abs -> /secret", "root/a/up -> ../secret", "root/a/b/c/above -> ../../../../../../secret", "root/plainabove -> ../secret",
		"root/run/x=run", "root/var/run -> /run", "root/loop -> loop", "root/ping -> pong", "root/pong -> ping", "root/dangling -> nothing",
		"root/dirlink -> /etc", "root/outsidelink -> "+outside+"/secret", "root/slash -> secret/", "root/empty=")
	for i := range 41 {
		to := fmt.Sprintf("link%d", i-1)
		if i == 0 {
			to = "secret"
		}
		grow(t, outside, fmt.Sprintf("root/link%d -> %s", i, to))
	}
	r := openRoot(t, outside+"/root")
	for name, tc := range map[string]struct {
		path string
		want string
		err  error
	}{
		"a plain file":                                     {path: "secret", want: "inside"},
		"a slash in front means the root":                  {path: "/secret", want: "inside"},
		"an absolute link means the root":                  {path: "abs", want: "inside"},
		"a relative link means its directory":              {path: "a/up", want: "inside"},
		"a link above the root ends at the root":           {path: "a/b/c/above", want: "inside"},
		"a link to the parent of the root":                 {path: "plainabove", want: "inside"},
		"a path above the root ends at the root":           {path: "../../secret", want: "inside"},
		"an absolute link on the way (Debian's /var/run)":  {path: "var/run/x", want: "run"},
		"a link to a directory on the way":                 {path: "dirlink/secret", want: "etc"},
		".. after a link is the parent of where it led":    {path: "var/run/../secret", want: "inside"},
		"dots and slashes in between":                      {path: "//a/./b/..//up", want: "inside"},
		"40 links are followed":                            {path: "link39", want: "inside"},
		"an empty file":                                    {path: "empty", want: ""},
		"the 41st link is ELOOP":                           {path: "link40", err: unix.ELOOP},
		"a link to itself is ELOOP":                        {path: "loop", err: unix.ELOOP},
		"links to each other are ELOOP":                    {path: "ping", err: unix.ELOOP},
		"a dangling link is ENOENT":                        {path: "dangling", err: fs.ErrNotExist},
		"a path of the host behind a link does not exist":  {path: "outsidelink", err: fs.ErrNotExist},
		"a file as directory is ENOTDIR":                   {path: "secret/x", err: unix.ENOTDIR},
		".. of a file is ENOTDIR":                          {path: "secret/..", err: unix.ENOTDIR},
		"a slash behind a file is ENOTDIR":                 {path: "secret/", err: unix.ENOTDIR},
		"a slash behind a file in a link's text too":       {path: "slash", err: unix.ENOTDIR},
		"no path is ENOENT":                                {path: "", err: fs.ErrNotExist},
		"a path of 4096 bytes is too long":                 {path: strings.Repeat("./", 2048), err: unix.ENAMETOOLONG},
		"a name of 256 bytes is too long":                  {path: strings.Repeat("n", 256), err: unix.ENAMETOOLONG},
		"a NUL is no name":                                 {path: "sec\x00ret", err: unix.EINVAL},
		"a directory is not read":                          {path: "a", err: ErrNotRegular},
		"a FIFO is not opened":                             {path: "fifo", err: ErrNotRegular},
		"more than the limit is refused, half is not read": {path: "etc/../secret", err: ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			limit := int64(6)
			if tc.err == ErrTooLarge {
				limit = 5
			}
			got, err := r.ReadFile(tc.path, limit)
			if !errors.Is(err, tc.err) || string(got) != tc.want {
				t.Fatalf("ReadFile(%q) = %q, %v; want %q, %v", tc.path, got, err, tc.want, tc.err)
			}
			var path *fs.PathError
			if err != nil && !errors.As(err, &path) {
				t.Errorf("%T is not a *fs.PathError", err)
			}
			if tc.err == nil && got == nil {
				t.Error("a file that was read gave nil")
			}
		})
	}
}

func TestReadKernelPath(t *testing.T) {
	r := openRoot(t, "/proc/self")
	want, err := os.ReadFile("/proc/self/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, len(want))
	n, err := r.ReadKernelPath([]byte("cmdline"), buf)
	if err != nil || !bytes.Equal(buf[:n], want) {
		t.Errorf("a buffer that fits: %q, %v; want %q", buf[:n], err, want)
	}
	if n, err := r.ReadKernelPath([]byte("cmdline"), buf[:4]); n != 4 || !errors.Is(err, ErrTooLarge) {
		t.Errorf("a buffer too small: %d, %v; want 4 and ErrTooLarge", n, err)
	}
	if got, err := r.ReadFile("cmdline", 1<<20); err != nil || !bytes.Equal(got, want) {
		t.Errorf("ReadFile of a file of size 0: %q, %v", got, err)
	}
	if _, err := r.ReadKernelPath([]byte("exe"), buf); !errors.Is(err, unix.ELOOP) {
		t.Errorf("a link: %v; want ELOOP", err)
	}
}

// One read of a record is what reading it to its end is, in a buffer that is larger; one
// that it fills is read on.
func TestReadKernelRecord(t *testing.T) {
	cmd := exec.Command("sleep", "60") // it waits, so that its files do not change
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	r := openRoot(t, fmt.Sprintf("/proc/%d", cmd.Process.Pid))
	for _, name := range []string{"cgroup", "limits"} { // both single_open, and neither has counters
		want, err := os.ReadFile(r.join(name))
		if err != nil || len(want) < 2 {
			t.Fatalf("%s: %q, %v", name, want, err)
		}
		for _, more := range []int{0, 1, 4096} {
			buf := make([]byte, len(want)+more)
			if n, err := r.ReadKernelRecord([]byte(name), buf); err != nil || !bytes.Equal(buf[:n], want) {
				t.Errorf("%s, a buffer of %d bytes more: %q, %v; want %q", name, more, buf[:n], err, want)
			}
		}
		line := bytes.IndexByte(want, '\n') + 1
		for _, size := range []int{line, len(want) - 1} {
			if n, err := r.ReadKernelRecord([]byte(name), make([]byte, size)); size < len(want) && (n != size || !errors.Is(err, ErrTooLarge)) {
				t.Errorf("%s, a buffer too small: %d, %v; want %d and ErrTooLarge", name, n, err, size)
			}
		}
	}
	// What does not end in a newline is read on.
	want, _ := os.ReadFile(r.join("cmdline"))
	buf := make([]byte, 4096)
	if n, err := r.ReadKernelRecord([]byte("cmdline"), buf); err != nil || !bytes.Equal(buf[:n], want) {
		t.Errorf("no newline at its end: %q, %v; want %q", buf[:n], err, want)
	}
}

// Opening a FIFO for reading waits for a writer, which may never come.
func TestFIFOReturnsAtOnce(t *testing.T) {
	dir := t.TempDir()
	grow(t, dir, "fifo|", "link -> fifo")
	r := openRoot(t, dir)
	for _, open := range []func(string) (*File, error){r.Open, r.OpenNoFollow} {
		for _, name := range []string{"fifo", "link"} {
			done := make(chan error, 1)
			go func() { _, err := open(name); done <- err }()
			select {
			case err := <-done:
				if !errors.Is(err, ErrNotRegular) {
					t.Errorf("%s: %v; want ErrNotRegular", name, err)
				}
			case <-time.After(time.Minute): // the kernel's wait has no other clock; long, for a busy machine
				t.Fatalf("%s: opening waits for a writer", name)
			}
		}
	}
}

func TestReadDir(t *testing.T) {
	dir := t.TempDir()
	grow(t, dir, "d/file=x", "d/dir/", "d/link -> /nowhere", "d/fifo|", "there -> /d")
	r := openRoot(t, dir)
	got, err := r.ReadDir("there")
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		if got[i].Ino == 0 {
			t.Errorf("%s: no inode", got[i].Name)
		}
		got[i].Ino = 0
	}
	want := []DirEntry{{Name: "dir", Type: fs.ModeDir}, {Name: "fifo", Type: fs.ModeNamedPipe}, {Name: "file"}, {Name: "link", Type: fs.ModeSymlink}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if _, err := r.ReadDir("d/file"); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("a file: %v; want ENOTDIR", err)
	}
	// More names than one buffer of getdents holds.
	for i := range 3000 {
		grow(t, dir, fmt.Sprintf("many/%032d=", i))
	}
	if many, err := r.ReadDir("many"); err != nil || len(many) != 3000 {
		t.Errorf("3,000 files: %d entries, %v", len(many), err)
	}
	n := 0
	if err := r.Each("many", func(DirEntry) bool { n++; return n < 5 }); err != nil || n != 5 {
		t.Errorf("Each went on after false: %d, %v", n, err)
	}
	// Long names are bounded by their bytes, not only by their number.
	long := filepath.Join(dir, "long")
	if err := os.Mkdir(long, 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range maxDirNames/250 + 1 {
		if err := unix.Mknod(fmt.Sprintf("%s/%0250d", long, i), unix.S_IFREG|0o644, 0); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := r.ReadDir("long"); !errors.Is(err, ErrTooLarge) || got != nil {
		t.Errorf("%d bytes of names: %d entries, %v; want ErrTooLarge", maxDirNames+250, len(got), err)
	}
}

func TestStat(t *testing.T) {
	dir := t.TempDir()
	grow(t, dir, "file=12345", "link -> /file")
	if err := os.Chmod(dir+"/file", 0o755|fs.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	r := openRoot(t, dir)
	got, err := r.Stat("link")
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(dir+"/file", &st); err != nil {
		t.Fatal(err)
	}
	want := Info{
		Mode: 0o755 | fs.ModeSetuid, UID: st.Uid, GID: st.Gid, Size: 5, Blocks: st.Blocks, Nlink: 1, Dev: st.Dev, Ino: st.Ino,
		Mtime: time.Unix(st.Mtim.Unix()).UTC(), Ctime: time.Unix(st.Ctim.Unix()).UTC(), MountID: got.MountID, HasMountID: true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Stat (-want +got):\n%s", diff)
	}
	if got, err := r.Lstat("link"); err != nil || got.Mode.Type() != fs.ModeSymlink {
		t.Errorf("Lstat of a link: %v, %v", got.Mode, err)
	}
	if got, err := r.Readlink("link"); err != nil || got != "/file" {
		t.Errorf("Readlink: %q, %v", got, err)
	}
	if got, err := r.Resolve("./link"); err != nil || got != "/file" {
		t.Errorf("Resolve: %q, %v", got, err)
	}
	if got, err := r.Resolve("/"); err != nil || got != "/" {
		t.Errorf("Resolve of the root: %q, %v", got, err)
	}
	device := openRoot(t, "/dev")
	if got, err := device.Lstat("null"); err != nil || got.RdevMajor != 1 || got.RdevMinor != 3 || got.Mode.Type() != fs.ModeDevice|fs.ModeCharDevice {
		t.Errorf("/dev/null: %+v, %v", got, err)
	}
	if _, err := device.Open("null"); !errors.Is(err, ErrNotRegular) {
		t.Errorf("opening /dev/null: %v; want ErrNotRegular", err)
	}
}

func TestSub(t *testing.T) {
	dir := t.TempDir()
	grow(t, dir, "who=outer", "node/who=inner", "node/abs -> /who", "node/up -> ../who", "there -> /node")
	r := openRoot(t, dir)
	sub, err := r.Sub("there")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Close() }()
	for _, name := range []string{"who", "abs", "up", "../who"} {
		if got, err := sub.ReadFile(name, 10); err != nil || string(got) != "inner" {
			t.Errorf("%s below the sub root: %q, %v; want inner", name, got, err)
		}
	}
	if _, err := r.SubNoFollow("there"); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("SubNoFollow of a link: %v; want ENOTDIR", err)
	}
	same, err := r.Sub("/")
	if err != nil {
		t.Fatal(err)
	}
	if err := same.Close(); err != nil {
		t.Error(err)
	}
	if _, err := r.Stat("who"); err != nil {
		t.Errorf("closing a sub root of the same directory closed the root: %v", err)
	}
	if err := same.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("closing twice: %v; want fs.ErrClosed", err)
	}
}

func TestMagic(t *testing.T) {
	r := openRoot(t, "/proc")
	name := fmt.Sprintf("%d", os.Getpid())
	root, err := r.Magic(name + "/root")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	got, err := root.Stat("/")
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat("/", &st); err != nil || st.Ino != got.Ino || st.Dev != got.Dev {
		t.Errorf("root: inode %d, want %d (%v)", got.Ino, st.Ino, err)
	}
	// A deleted file is reached by its descriptor only.
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.WriteString("gone"); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(f.Name()); err != nil {
		t.Fatal(err)
	}
	h, err := r.MagicHandle(fmt.Sprintf("%s/fd/%d", name, f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = h.Close() }()
	if h.Info().Nlink != 0 {
		t.Errorf("a deleted file has %d names", h.Info().Nlink)
	}
	open, err := h.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = open.Close() }()
	content, err := io.ReadAll(open)
	if err != nil || string(content) != "gone" {
		t.Errorf("a deleted file: %q, %v", content, err)
	}
	if _, err := r.Magic(name + "/exe"); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("Magic of a file: %v; want ENOTDIR", err)
	}
}

func TestReadAt(t *testing.T) {
	dir := t.TempDir()
	grow(t, dir, "file=0123456789")
	f, err := openRoot(t, dir).Open("file")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	buf := make([]byte, 4)
	if n, err := f.ReadAt(buf, 3); n != 4 || err != nil || string(buf) != "3456" {
		t.Errorf("inside: %d, %v, %q", n, err, buf)
	}
	if n, err := f.ReadAt(buf, 8); n != 2 || err != io.EOF {
		t.Errorf("across the end: %d, %v; want 2, EOF", n, err)
	}
	if n, err := f.ReadAt(buf, -1); n != 0 || !errors.Is(err, unix.EINVAL) {
		t.Errorf("before the start: %d, %v", n, err)
	}
	if _, err := unix.Write(f.FD(), []byte("x")); !errors.Is(err, unix.EBADF) {
		t.Errorf("writing to the descriptor: %v; want EBADF", err)
	}
}

// No descriptor is left behind, whatever a path did.
// File capabilities come as setcap(8) writes them; a file without any, a file
// system without attributes (proc) and a value that is none differ.
func TestCapabilities(t *testing.T) {
	dir := t.TempDir()
	grow(t, dir, "plain=x", "raw=x", "own=x")
	// struct vfs_cap_data: CAP_NET_RAW permitted, effective; version 2, and 3 with a
	// root of its own.
	v2 := []byte{1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	v3 := append(append([]byte{}, v2...), 0xe8, 3, 0, 0)
	v3[3] = 3
	for name, value := range map[string][]byte{"raw": v2, "own": v3} {
		if err := unix.Setxattr(filepath.Join(dir, name), "security.capability", value, 0); err != nil {
			t.Skipf("setting security.capability: %v; CI does it as root", err)
		}
	}
	for name, want := range map[string][]byte{"plain": nil, "raw": v2, "own": v3} {
		f, err := openRoot(t, dir).Open(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.Capabilities()
		if !bytes.Equal(got, want) || (got == nil) != (want == nil) || err != nil {
			t.Errorf("%s: %x, %v, want %x", name, got, err, want)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if _, err := f.Capabilities(); !errors.Is(err, unix.EBADF) {
			t.Errorf("%s: closed: %v, want EBADF", name, err)
		}
	}
	proc, err := openRoot(t, "/proc").Open("version")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = proc.Close() }()
	if got, err := proc.Capabilities(); got != nil || err != nil {
		t.Errorf("/proc/version: %x, %v, want none", got, err)
	}
}

func TestNoDescriptorLeaks(t *testing.T) {
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	dir := t.TempDir()
	grow(t, dir, "d/e/f=x", "loop -> loop", "abs -> /d/e", "fifo|")
	r := openRoot(t, dir)
	before := count()
	for _, name := range []string{"d/e/f", "loop", "abs/f", "abs/../e/f", "d/e/f/x", "none/x", "fifo", "d", "", "/", "d/e/../../.."} {
		_, _ = r.ReadFile(name, 10)
		_, _ = r.ReadFile(name, 0)
		_, _ = r.ReadDir(name)
		_, _ = r.Stat(name)
		_, _ = r.Readlink(name)
		_, _ = r.Resolve(name)
		if sub, err := r.Sub(name); err == nil {
			_ = sub.Close()
		}
		if f, err := r.Open(name); err == nil {
			_ = f.Close()
		}
		if h, err := r.Handle(name, true); err == nil {
			_ = h.Close()
		}
	}
	if after := count(); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// The kernel's own resolver inside a root (openat2 with RESOLVE_IN_ROOT, which
// the probe's filter refuses and a test may use) is the oracle: same file or
// same error for random trees of links and random paths.
func FuzzResolve(f *testing.F) {
	f.Add([]byte{0, 0, 1, 1, 2, 9, 3, 4, 7, 7, 0}, []byte{1, 2, 3})
	f.Add([]byte("\x03\x00\x01/\x03\x00\x00..\x00\x01\x02"), []byte("ab../."))
	f.Add([]byte{2, 0, 0, 0, 2, 2, 0, 1, 0, 2, 2, 0, 2, 0, 2}, []byte{0, 5, 1, 5, 2})
	f.Fuzz(func(t *testing.T, tree, path []byte) {
		if len(tree) > 200 || len(path) > 40 {
			return
		}
		base := t.TempDir()
		dir := filepath.Join(base, "root")
		grow(t, base, "root/", "a=outside", "b/", "c -> /etc")
		plant(dir, tree)
		name := spell(path)
		r, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Close() }()
		for _, follow := range []bool{true, false} {
			flags := uint64(unix.O_PATH | unix.O_CLOEXEC)
			if !follow {
				flags |= unix.O_NOFOLLOW
			}
			fd, wantErr := unix.Openat2(r.FD(), name, &unix.OpenHow{Flags: flags, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS})
			if errors.Is(wantErr, unix.ENOSYS) || errors.Is(wantErr, unix.EPERM) {
				t.Skip("no openat2 here: ", wantErr)
			}
			var want unix.Stat_t
			if wantErr == nil {
				if err := unix.Fstat(fd, &want); err != nil {
					t.Fatal(err)
				}
				_ = unix.Close(fd)
			}
			got, gotErr := r.stat(name, follow)
			if wantErr != nil || gotErr != nil {
				if !errors.Is(gotErr, wantErr) {
					t.Errorf("%q, follow %v: %v; the kernel says %v", name, follow, gotErr, wantErr)
				}
				continue
			}
			if got.Ino != want.Ino || got.Dev != want.Dev {
				t.Errorf("%q, follow %v: inode %d; the kernel says %d", name, follow, got.Ino, want.Ino)
			}
			if !follow {
				continue
			}
			resolved, err := r.Resolve(name)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := r.Lstat(resolved); err != nil || again.Ino != got.Ino {
				t.Errorf("%q resolves to %q, which is another file (%v)", name, resolved, err)
			}
		}
	})
}

// plant makes files, directories and links below dir from bytes; what cannot
// be made is left out.
func plant(dir string, tree []byte) {
	dirs := []string{dir}
	for len(tree) >= 4 {
		kind, parent, name, n := tree[0]%3, dirs[int(tree[1])%len(dirs)], string('a'+rune(tree[2]%4)), int(tree[3]%8)
		tree = tree[4:]
		full := filepath.Join(parent, name)
		switch kind {
		case 0:
			if os.Mkdir(full, 0o755) == nil {
				dirs = append(dirs, full)
			}
		case 1:
			_ = os.WriteFile(full, nil, 0o644)
		case 2:
			n = min(n, len(tree))
			_ = os.Symlink(spell(tree[:n]), full)
			tree = tree[n:]
		}
	}
}

// spell writes a path of few names, so that random ones often hit.
func spell(b []byte) string {
	words := [...]string{"a", "b", "c", "d", "..", "/", ".", "//", "/../", "a/", "/b"}
	var s strings.Builder
	for i, c := range b {
		if i > 0 && c&0x80 != 0 {
			s.WriteByte('/')
		}
		s.WriteString(words[int(c&0x7f)%len(words)])
	}
	return s.String()
}

// Two thousand random trees and paths, the same each time, against the kernel.
func TestResolveLikeTheKernel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	base := t.TempDir()
	grow(t, base, "a=outside", "b/", "c -> /etc")
	found, refused, viaLink := 0, map[error]int{}, 0
	for i := range 200 {
		dir := filepath.Join(base, fmt.Sprint(i))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		tree := make([]byte, 120)
		for j := range tree {
			tree[j] = byte(rnd.UintN(256))
		}
		plant(dir, tree)
		r, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			raw := make([]byte, 1+rnd.IntN(8))
			for j := range raw {
				raw[j] = byte(rnd.UintN(256))
			}
			name := spell(raw)
			fd, want := unix.Openat2(r.FD(), name, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT})
			if errors.Is(want, unix.ENOSYS) || errors.Is(want, unix.EPERM) {
				t.Skip("no openat2 here: ", want)
			}
			got, err := r.Stat(name)
			if want != nil {
				refused[want]++
				if !errors.Is(err, want) {
					t.Errorf("tree %d, %q: %v; the kernel says %v", i, name, err, want)
				}
				continue
			}
			var st unix.Stat_t
			if err := unix.Fstat(fd, &st); err != nil {
				t.Fatal(err)
			}
			_ = unix.Close(fd)
			if err != nil || got.Ino != st.Ino || got.Dev != st.Dev {
				t.Errorf("tree %d, %q: inode %d, %v; the kernel says %d", i, name, got.Ino, err, st.Ino)
			}
			found++
			if resolved, err := r.Resolve(name); err == nil && resolved != filepath.Clean("/"+name) {
				viaLink++
			}
		}
		_ = r.Close()
	}
	t.Logf("%d found, %d of them through links; %v", found, viaLink, refused)
	for _, err := range []error{unix.ENOENT, unix.ENOTDIR, unix.ELOOP} {
		if refused[err] < 10 {
			t.Errorf("%v came up %d times: the trees do not try it", err, refused[err])
		}
	}
	if found < 200 || viaLink < 20 {
		t.Errorf("%d paths found, %d through links: the trees try too little", found, viaLink)
	}
}

// Writing is impossible by construction: the package calls nothing that writes,
// opens with flags that are constants without a bit for it, and talks to the
// kernel in one file.
func TestOnlyReadingSystemCalls(t *testing.T) {
	allowed := map[string]bool{
		"Openat": true, "Read": true, "Pread": true, "Close": true, "Readlinkat": true, "Statx": true, "Fstatat": true, "Getdents": true,
		"Fgetxattr": true, "Seek": true, "SEEK_DATA": true, "Syscall6": true, "SYS_STATX": true, "SYS_OPENAT": true,
		"Mkdev": true, "Major": true, "Statx_t": true, "Errno": true, // arithmetic and types
	}
	flags := map[string]bool{"O_PATH": true, "O_CLOEXEC": true, "O_NOFOLLOW": true, "O_RDONLY": true, "O_NONBLOCK": true, "O_NOCTTY": true, "O_DIRECTORY": true}
	fset := token.NewFileSet()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	opens, raw := 0, 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		seam := name == "sys_linux.go"
		file, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range file.Imports {
			if path := strings.Trim(i.Path.Value, `"`); path == "os" || path == "syscall" || !seam && (path == "unsafe" || strings.HasPrefix(path, "golang.org/")) {
				t.Errorf("%s imports %s", name, path)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Syscall6" {
					raw++
					number, _ := call.Args[0].(*ast.SelectorExpr)
					flags, _ := call.Args[3].(*ast.Ident)
					if number == nil || number.Sel.Name != "SYS_STATX" && (number.Sel.Name != "SYS_OPENAT" || flags == nil || flags.Name != "flagsFile") {
						t.Errorf("%s: a raw call of something else than statx, or openat to read", fset.Position(n.Pos()))
					}
				}
			}
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if pkg, ok := sel.X.(*ast.Ident); !ok || pkg.Name != "unix" {
				return true
			}
			what := sel.Sel.Name
			if what == "Openat" {
				opens++
			}
			constant := strings.HasPrefix(what, "AT_") || strings.HasPrefix(what, "STATX_") || strings.HasPrefix(what, "S_I") || strings.HasPrefix(what, "DT_") || strings.HasPrefix(what, "E") && strings.ToUpper(what) == what
			if !allowed[what] && !flags[what] && !constant {
				t.Errorf("%s: unix.%s is not among the calls that only read", fset.Position(n.Pos()), what)
			}
			return true
		})
	}
	if opens != 1 {
		t.Errorf("%d calls of unix.Openat; all go through one function", opens)
	}
	if raw != 2 {
		t.Errorf("%d raw system calls, want those of lstatRaw and openKernel", raw)
	}
	for _, f := range []int{flagsPath, flagsMagic, flagsRead, flagsFile, flagsDir, flagsEnter, flagsStart} {
		if f&(unix.O_ACCMODE|unix.O_CREAT|unix.O_TRUNC|unix.O_APPEND) != unix.O_RDONLY || f&unix.O_TMPFILE == unix.O_TMPFILE {
			t.Errorf("flags %#x can write", f)
		}
	}
}

// The kernel's own errors have the reasons that those of io/fs have.
func TestReasonOfKernelErrors(t *testing.T) {
	for want, errs := range map[fact.Reason][]error{
		fact.Unreadable: {unix.EACCES, unix.EPERM, unix.EIO, ErrNotRegular, ErrAutomount, &fs.PathError{Op: "open", Path: "/x", Err: unix.EACCES}},
		fact.Truncated:  {ErrTooLarge},
		fact.NotPresent: {unix.ENOENT, unix.ENOTDIR},
		fact.Changing:   {unix.ESRCH},
		fact.Corrupt:    {errors.New("status: no line Uid")},
	} {
		for _, err := range errs {
			if got := ReasonOf(err); got != want {
				t.Errorf("%v: %s, want %s", err, got, want)
			}
		}
	}
}

// A directory that is moved away while a path is resolved must not turn ".."
// into a way out of the root.
func TestNoEscapeByRename(t *testing.T) {
	base := t.TempDir()
	grow(t, base, "secret=outside", "root/a/b/c/d/", "root/secret=inside", "out/")
	r := openRoot(t, filepath.Join(base, "root"))
	var moves atomic.Int64
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				_ = os.Rename(base+"/root/a/b", base+"/out/b")
				_ = os.Rename(base+"/out/b", base+"/root/a/b")
				moves.Add(1)
			}
		}
	}()
	defer func() { close(stop); <-done }()
	// So often that some moves fall into the middle of a resolution, however the
	// two share the processors.
	const enough = 5000
	for read := 0; read < enough || moves.Load() < enough; {
		got, err := r.ReadFile("a/b/c/d/../../../../../secret", 100)
		if err == nil {
			read++
			if string(got) != "inside" {
				t.Fatalf("read %q from outside the root", got)
			}
		}
	}
}

// A guard keeps every way out of a directory that it refuses, links too, and lets
// everything else through. What is only found is not asked about.
func TestGuard(t *testing.T) {
	dir := t.TempDir()
	grow(t, dir, "good/file=x", "bad/file=x", "bad/sub/file=x", "good/link -> /bad/file", "dir -> bad", "bad/back -> /good/file")
	r := openRoot(t, dir)
	bad, err := r.Stat("bad")
	if err != nil {
		t.Fatal(err)
	}
	r.Guard(func(info Info) bool { return info.Ino != bad.Ino })
	if _, err := r.ReadFile("good/file", 10); err != nil {
		t.Error(err)
	}
	if _, err := r.Stat("bad"); err != nil {
		t.Errorf("finding it: %v", err)
	}
	if root, err := r.Sub("good"); err != nil {
		t.Error(err)
	} else if _, err := root.ReadFile("file", 10); err != nil {
		t.Error(err)
	}
	each := func(name string) error { return r.Each(name, func(DirEntry) bool { return true }) }
	open := func(name string) error { _, err := r.Open(name); return err }
	sub := func(name string) error {
		root, err := r.Sub(name)
		if err != nil {
			return err
		}
		_, err = root.ReadFile("file", 10)
		return err
	}
	for name, err := range map[string]error{
		"a file in it": open("bad/file"), "a link to it": open("good/link"), "a link to the directory": open("dir/file"), "below it": open("bad/sub/file"),
		"a link in it": open("bad/back"), "its names": each("bad"), "its names by a link": each("dir"), "as a root": sub("bad"),
	} {
		if !errors.Is(err, ErrGuarded) || ReasonOf(err) != fact.Unsupported {
			t.Errorf("%s: %v, want %v", name, err, ErrGuarded)
		}
	}
	file, err := r.Stat("good/file")
	if err != nil {
		t.Fatal(err)
	}
	r.Guard(func(info Info) bool { return info.Ino != file.Ino })
	if err := open("good/file"); !errors.Is(err, ErrGuarded) {
		t.Errorf("a file that is refused itself: %v", err)
	}
}
