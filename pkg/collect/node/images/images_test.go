package images

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
)

// A layer that a snapshotter pulls when it is read is found by the node's own mounts.
func TestLazyLayer(t *testing.T) {
	node := []procfs.MountInfo{
		{ID: 1, Point: "/", FSType: "ext4"}, {ID: 2, Point: "/snapshots/7/fs", FSType: "fuse.rawBridge"}, {ID: 3, Point: "/snapshots/8/fs", FSType: "erofs"},
	}
	root := func(fsType, options string) []procfs.MountInfo {
		return []procfs.MountInfo{{ID: 9, Point: "/proc", FSType: "proc", SuperOptions: "lowerdir=/snapshots/7/fs"}, {ID: 10, Point: "/", FSType: fsType, SuperOptions: options}}
	}
	for name, tc := range map[string]struct {
		root, node []procfs.MountInfo
		want       string
	}{
		"plain":          {root("overlay", "rw,lowerdir=/snapshots/6/fs:/snapshots/8/fs,upperdir=/u,workdir=/w"), node, ""},
		"lazy":           {root("overlay", "rw,lowerdir=/snapshots/6/fs:/snapshots/7/fs,upperdir=/u,workdir=/w"), node, "/snapshots/7/fs"},
		"relative":       {root("overlay", "rw,lowerdir=l/A:l/B,upperdir=u,workdir=w"), node, ""},
		"no overlay":     {root("ext4", "rw"), node, ""},
		"unknown mounts": {root("overlay", "rw,lowerdir=/snapshots/7/fs,upperdir=/u,workdir=/w"), nil, ""},
	} {
		if got, _ := lazyLayer(tc.root, tc.node); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// Containers share a database only if their lower layers are the same.
func TestLayersOf(t *testing.T) {
	root := func(options string) []procfs.MountInfo {
		return []procfs.MountInfo{{ID: 10, Point: "/", FSType: "overlay", Major: 0, Minor: 50, Root: "/", SuperOptions: options}}
	}
	first := layersOf(root("rw,lowerdir=/l/2:/l/1,upperdir=/u/1,workdir=/w/1"))
	for name, tc := range map[string]struct {
		mounts []procfs.MountInfo
		same   bool
	}{
		"another writable layer":    {root("rw,lowerdir=/l/2:/l/1,upperdir=/u/2,workdir=/w/2"), true},
		"the layers in other order": {root("rw,lowerdir=/l/1:/l/2,upperdir=/u/1,workdir=/w/1"), false},
		"one layer less":            {root("rw,lowerdir=/l/2,upperdir=/u/1,workdir=/w/1"), false},
		"no overlay":                {[]procfs.MountInfo{{Point: "/", FSType: "ext4", Major: 8, Minor: 1, Root: "/"}}, false},
		"no root":                   {nil, false},
	} {
		if got := layersOf(tc.mounts) == first; got != tc.same {
			t.Errorf("%s: same %t, want %t", name, got, tc.same)
		}
	}
	disk := func(dir string) []procfs.MountInfo {
		return []procfs.MountInfo{{Point: "/", FSType: "btrfs", Major: 0, Minor: 40, Root: dir}}
	}
	one, other, again := layersOf(disk("/a")), layersOf(disk("/b")), layersOf(disk("/a"))
	if one == other || one != again {
		t.Error("directories of one file system are not told apart")
	}
}

// The key is the content's: whatever differs gives another one, and the key itself
// does not count.
func TestKeyOf(t *testing.T) {
	one := fact.ImageInventory{OS: fact.OSRelease{ID: "debian"}, Manager: "dpkg", Packages: []fact.InstalledPackage{{Name: "a", Version: "1"}}}
	key := keyOf(&one)
	again := *one.DeepCopy()
	again.Key = key
	if keyOf(&again) != key || len(key) != 32 {
		t.Errorf("%q and %q of the same content", key, keyOf(&again))
	}
	for name, edit := range map[string]func(*fact.ImageInventory){
		"os":      func(i *fact.ImageInventory) { i.OS.VersionID = "12" },
		"manager": func(i *fact.ImageInventory) { i.Manager = "" },
		"version": func(i *fact.ImageInventory) { i.Packages[0].Version = "2" },
		"modules": func(i *fact.ImageInventory) { i.Modules = []fact.Module{{Ecosystem: "Go"}} },
		"opaque":  func(i *fact.ImageInventory) { i.OpaqueCount = 1 },
	} {
		other := one.DeepCopy()
		edit(other)
		if keyOf(other) == key {
			t.Errorf("%s: the key is the same", name)
		}
	}
}
