package access

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// makeFile makes directories of mode 0700 as needed, and a file.
func makeFile(t *testing.T, name string, mode os.FileMode) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(name), 0o700)
	if err == nil {
		err = os.WriteFile(name, []byte("x"), mode)
	}
	if err == nil {
		err = os.Chmod(name, mode)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func openRoot(t *testing.T, dir string) *rootfs.Root {
	t.Helper()
	root, err := rootfs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root
}

// posixACL is the value of system.posix_acl_access (linux/posix_acl_xattr.h): user::rw-,
// user:1000:r--, group::---, mask::r--, other::---.
func posixACL() []byte {
	b := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range []struct {
		tag, perm uint16
		id        uint32
	}{{1, 6, ^uint32(0)}, {2, 4, 1000}, {4, 0, ^uint32(0)}, {16, 4, ^uint32(0)}, {32, 0, ^uint32(0)}} {
		b = binary.LittleEndian.AppendUint16(b, e.tag)
		b = binary.LittleEndian.AppendUint16(b, e.perm)
		b = binary.LittleEndian.AppendUint32(b, e.id)
	}
	return b
}

// k3s's state.db has mode 0644: what counts is the directory above it.
func TestBelowADirectory(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the files' owner must be root")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	db := filepath.Join(dir, "db")
	makeFile(t, filepath.Join(db, "state.db"), 0o644)
	makeFile(t, filepath.Join(db, "in", "deep", "wal"), 0o600)
	if err := os.Symlink("/etc/passwd", filepath.Join(db, "link")); err != nil {
		t.Fatal(err)
	}
	root := openRoot(t, dir)
	check := func(what string, want fact.StoreFiles, open ...string) {
		t.Helper()
		got, err := Below(t.Context(), root, "/db")
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, f := range got.Open {
			names = append(names, f.Path)
		}
		if got.Open = nil; !slices.Equal(names, open) {
			t.Errorf("%s: open files %q, want %q", what, names, open)
		}
		want.OpenTotal = len(open)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	at := fact.FileAccess{Path: "/db", Dir: true, Mode: 0o700, GroupReaches: true, OthersReach: true}
	check("a directory of mode 0700", fact.StoreFiles{Dir: at, Files: 2})
	if err := os.Chmod(db, 0o755); err != nil {
		t.Fatal(err)
	}
	at.Mode = 0o755
	check("a directory of mode 0755", fact.StoreFiles{Dir: at, Files: 2}, "/db/state.db")
	for _, name := range []string{"in", "in/deep"} {
		if err := os.Chmod(filepath.Join(db, name), 0o711); err != nil {
			t.Fatal(err)
		}
	}
	err := unix.Setxattr(filepath.Join(db, "in/deep/wal"), "system.posix_acl_access", posixACL(), 0)
	if errors.Is(err, unix.ENOTSUP) {
		t.Skip("no ACLs on this file system")
	}
	if err != nil {
		t.Fatal(err)
	}
	check("a file with an ACL", fact.StoreFiles{Dir: at, Files: 2}, "/db/in/deep/wal", "/db/state.db")
	got, err := Below(t.Context(), root, "/db")
	if err != nil || !got.Open[0].ACL || got.Open[1].ACL {
		t.Errorf("open files %+v, error %v; want an ACL of the first", got.Open, err)
	}
	f, err := Of(root, "/db/in/deep/wal")
	if err != nil || !f.ACL || f.Mode != 0o640 {
		t.Errorf("access %+v, error %v; want an ACL and its mask in the mode", f, err)
	}
	if f, err = Of(root, "/db/state.db"); err != nil || f.ACL {
		t.Errorf("access %+v, error %v; want no ACL", f, err)
	}
}

// A link leads through other directories than its own name does.
func TestThroughALink(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the files' owner must be root")
	}
	dir := t.TempDir()
	makeFile(t, filepath.Join(dir, "private", "key"), 0o644)
	if err := os.Mkdir(filepath.Join(dir, "public"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".", "public"} {
		if err := os.Chmod(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/private/key", filepath.Join(dir, "public", "key")); err != nil {
		t.Fatal(err)
	}
	f, err := Of(openRoot(t, dir), "/public/key")
	if err != nil || f.OthersReach || f.GroupReaches {
		t.Errorf("access %+v, error %v; the link's target is in a directory of mode 0700", f, err)
	}
}

func TestBelowIsBounded(t *testing.T) {
	dir := t.TempDir()
	deep := dir
	for range maxDepth + 3 {
		deep = filepath.Join(deep, "d")
	}
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	root := openRoot(t, dir)
	if _, err := Below(t.Context(), root, "/"); !errors.Is(err, ErrBound) {
		t.Errorf("depth: error %v, want ErrBound", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Below(ctx, root, "/"); !errors.Is(err, context.Canceled) {
		t.Errorf("after the context's end: error %v", err)
	}
	for i := range 30 {
		makeFile(t, filepath.Join(dir, "many", fmt.Sprint(i)), 0o666)
	}
	if _, err := Below(t.Context(), root, "/many/7"); !errors.Is(err, rootfs.ErrNotDir) {
		t.Errorf("a file: error %v, want ErrNotDir", err)
	}
}

// The path of a container's file on the node is that of the mount's source.
func TestOnHost(t *testing.T) {
	dir := t.TempDir()
	makeFile(t, filepath.Join(dir, "var/lib/etcd/member/snap/db"), 0o600)
	makeFile(t, filepath.Join(dir, "other/member/snap/db"), 0o600)
	root := openRoot(t, dir)
	info, err := root.Lstat("/var/lib/etcd/member/snap/db")
	if err != nil {
		t.Fatal(err)
	}
	host := []procfs.MountInfo{
		{ID: 1, Major: 8, Minor: 1, Root: "/", Point: "/", FSType: "ext4"},
		{ID: 2, Major: 8, Minor: 1, Root: "/other", Point: "/bind", FSType: "ext4"},
		{ID: 3, Major: 8, Minor: 2, Root: "/", Point: "/var/lib", FSType: "xfs"},
	}
	for name, tc := range map[string]struct {
		own  procfs.MountInfo
		at   string
		want []string
	}{
		"a volume of a container": {
			procfs.MountInfo{Major: 8, Minor: 1, Root: "/var/lib/etcd", Point: "/data", FSType: "ext4"},
			"/data/member/snap/db",
			[]string{"/var/lib/etcd/member/snap/db"},
		},
		"the node's own root":     {host[0], "/var/lib/etcd/member/snap/db", []string{"/var/lib/etcd/member/snap/db"}},
		"another file by inode":   {procfs.MountInfo{Major: 8, Minor: 1, Root: "/other", Point: "/data", FSType: "ext4"}, "/data/member/snap/db", nil},
		"a file system elsewhere": {procfs.MountInfo{Major: 0, Minor: 9, Root: "/", Point: "/", FSType: "overlay"}, "/var/lib/etcd/member/snap/db", nil},
		"not below its own mount": {procfs.MountInfo{Major: 8, Minor: 1, Root: "/", Point: "/data", FSType: "ext4"}, "/var/lib/etcd/member/snap/db", nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := OnHost(root, host, &tc.own, tc.at, info); !slices.Equal(got, tc.want) {
				t.Errorf("paths %q, want %q", got, tc.want)
			}
		})
	}
}
