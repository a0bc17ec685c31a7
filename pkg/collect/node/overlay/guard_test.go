package overlay

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

func TestGuard(t *testing.T) {
	mounts := []procfs.MountInfo{
		{ID: 10, Major: 0, Minor: 50, Point: "/", FSType: "overlay"},
		{ID: 11, Major: 0, Minor: 60, Point: "/data", FSType: "nfs4"},
		{ID: 12, Major: 0, Minor: 61, Point: "/proc", FSType: "proc"},
		{ID: 13, Major: 8, Minor: 1, Point: "/etc/hosts", FSType: "ext4"},
	}
	on := func(id uint64, minor uint32) rootfs.Info {
		return rootfs.Info{MountID: id, HasMountID: id != 0, Dev: rootfs.Mkdev(0, minor)}
	}
	for name, tc := range map[string]struct {
		live bool
		info rootfs.Info
		want bool
	}{
		"the image":                     {true, on(10, 50), true},
		"a file of the kubelet":         {true, on(13, 1), true},
		"a network file system":         {true, on(11, 60), false},
		"procfs":                        {true, on(12, 61), false},
		"a mount that is newer":         {true, on(14, 70), false},
		"an old kernel, the image":      {true, on(0, 50), true},
		"an old kernel, a network's":    {true, on(0, 60), false},
		"a directory that is no kernel": {false, on(11, 60), true},
	} {
		if got := Guard(mounts, tc.live)(tc.info); got != tc.want {
			t.Errorf("%s: %t, want %t", name, got, tc.want)
		}
	}
}
