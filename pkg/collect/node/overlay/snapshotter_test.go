package overlay

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
)

func TestRootMaker(t *testing.T) {
	const home = "/var/lib/containerd/io.containerd.snapshotter.v1."
	for name, tc := range map[string]struct {
		mount procfs.MountInfo
		want  string
	}{
		"native":                       {procfs.MountInfo{FSType: "ext4", Root: home + "native/snapshots/7", Source: "/dev/sda1"}, "containerd's snapshotter native"},
		"btrfs of containerd":          {procfs.MountInfo{FSType: "btrfs", Root: home + "btrfs/active/9", Source: "/dev/sda1"}, "containerd's snapshotter btrfs"},
		"btrfs of docker":              {procfs.MountInfo{FSType: "btrfs", Root: "/var/lib/docker/btrfs/subvolumes/x"}, "a snapshotter with snapshots of btrfs"},
		"zfs":                          {procfs.MountInfo{FSType: "zfs", Root: "/", Source: "tank/containerd/7"}, "a snapshotter with snapshots of zfs"},
		"devmapper":                    {procfs.MountInfo{FSType: "xfs", Root: "/rootfs", Source: "/dev/mapper/pool-snap-7"}, "a snapshotter with the device mapper"},
		"vfs":                          {procfs.MountInfo{FSType: "xfs", Root: "/var/lib/containers/storage/vfs/dir/x"}, "the storage driver vfs"},
		"fuse-overlayfs":               {procfs.MountInfo{FSType: "fuse.fuse-overlayfs", Root: "/", Source: "fuse-overlayfs"}, "fuse-overlayfs"},
		"Kata":                         {procfs.MountInfo{FSType: "virtiofs", Root: "/", Source: "kataShared"}, "a virtual machine, to which the host shares it"},
		"a directory of the host":      {procfs.MountInfo{FSType: "ext4", Root: "/srv/root", Source: "/dev/sda1"}, ""},
		"a name that is no name":       {procfs.MountInfo{FSType: "ext4", Root: home + "a\nb/x"}, ""},
		"a snapshotter without a name": {procfs.MountInfo{FSType: "ext4", Root: home}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := rootMaker(&tc.mount); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

func TestLazyPuller(t *testing.T) {
	const home = "/var/lib/containerd/io.containerd.snapshotter.v1."
	for name, tc := range map[string]struct{ dir, fsType, want string }{
		"stargz":                     {home + "stargz/snapshotter/snapshots/3/fs", "fuse.rawBridge", "the snapshotter stargz"},
		"stargz beside containerd":   {"/var/lib/containerd-stargz-grpc/snapshotter/snapshots/3/fs", "fuse.rawBridge", "stargz"},
		"nydus":                      {"/var/lib/nydus/snapshots/3/mnt", "fuse", "nydus"},
		"nydus by its type":          {"/run/x", "fuse.rafs", "nydus"},
		"soci":                       {"/var/lib/soci-snapshotter-grpc/snapshotter/snapshots/3/fs", "fuse.rawBridge", "soci"},
		"fuse for another reason":    {"/mnt/sshfs", "fuse.sshfs", ""},
		"an overlay's layer on FUSE": {home + "overlayfs/snapshots/3/fs", "fuse.dead", ""},
		"a network file system":      {"/var/lib/stargz", "nfs4", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := lazyPuller(tc.dir, tc.fsType); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}
