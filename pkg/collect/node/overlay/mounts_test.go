package overlay

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
)

const uid = "8e8b6a3c-4d5f-4d0c-9a53-0f7f0c1d2e3f"

func table(t *testing.T, text string) []procfs.MountInfo {
	t.Helper()
	mounts, err := procfs.ParseMountInfo([]byte(text))
	must(t, err)
	return mounts
}

func TestMountAt(t *testing.T) {
	mounts := table(t, `10 1 0:40 / / rw - overlay overlay rw,lowerdir=/a
11 10 0:41 / /data rw - tmpfs tmpfs rw
12 11 0:42 / /data/sub rw - fuse.x x rw
13 10 0:43 / /hidden/below rw - fuse.x x rw
14 10 0:44 / /hidden rw - tmpfs tmpfs rw
15 14 0:45 / /hidden rw - ext4 /dev/x rw
`)
	for path, want := range map[string]uint64{
		"/": 10, "/etc": 10, "/database": 10, "/data": 11, "/data/x": 11, "/data/sub": 12, "/data/sub/y": 12,
		// A mount on the same point, or on a directory above, hides what was there.
		"/hidden": 15, "/hidden/below": 15, "/hidden/below/x": 15,
	} {
		if m := mountAt(mounts, path); m == nil || m.ID != want {
			t.Errorf("%s is on %+v, want mount %d", path, m, want)
		}
	}
	if m := mountAt(table(t, "11 10 0:41 / /data rw - tmpfs tmpfs rw\n"), "/data"); m != nil {
		t.Errorf("a table without a root gave %+v", m)
	}
	if m := mountAt(table(t, "1 1 0:41 / / rw - tmpfs tmpfs rw\n"), "/x"); m == nil || m.ID != 1 {
		t.Errorf("a mount that is its own parent gave %+v", m)
	}
}

func TestVolumeOf(t *testing.T) {
	const pods = "/var/lib/kubelet/pods/" + uid
	node := table(t, `1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 0:50 / `+pods+`/volumes/kubernetes.io~secret/token rw - tmpfs tmpfs rw
3 1 0:51 / `+pods+`/volumes/kubernetes.io~empty-dir/cache rw - tmpfs tmpfs rw
4 1 8:16 / `+pods+`/volumes/kubernetes.io~csi/pvc-1/mount rw - ext4 /dev/sdb rw
5 1 8:1 /mnt/disk1 `+pods+`/volumes/kubernetes.io~local-volume/pv-local rw - ext4 /dev/sda1 rw
6 1 0:52 / /run rw - tmpfs tmpfs rw
`)
	for name, tc := range map[string]struct{ line, want, path string }{
		"a directory of the node's disk": {
			"20 10 8:1 " + pods + "/volumes/kubernetes.io~empty-dir/work /work rw - ext4 /dev/sda1 rw",
			"emptyDir/work", pods + "/volumes/kubernetes.io~empty-dir/work/x",
		},
		"a subPath of it": {
			"20 10 8:1 " + pods + "/volumes/kubernetes.io~empty-dir/work/sub /work rw - ext4 /dev/sda1 rw",
			"emptyDir/work", pods + "/volumes/kubernetes.io~empty-dir/work/sub/x",
		},
		"a secret's tmpfs, by the node's table": {
			"20 10 0:50 / /work ro - tmpfs tmpfs rw", "secret/token", pods + "/volumes/kubernetes.io~secret/token/x",
		},
		"a memory emptyDir, part of it": {
			"20 10 0:51 /sub /work rw - tmpfs tmpfs rw", "emptyDir/cache", pods + "/volumes/kubernetes.io~empty-dir/cache/sub/x",
		},
		"a CSI disk": {
			"20 10 8:16 / /work rw - ext4 /dev/sdb rw", "csi/pvc-1", pods + "/volumes/kubernetes.io~csi/pvc-1/mount/x",
		},
		"a local volume": {
			"20 10 8:1 /mnt/disk1 /work rw - ext4 /dev/sda1 rw", "local/pv-local", pods + "/volumes/kubernetes.io~local-volume/pv-local/x",
		},
		"a hostPath has no name here": {
			"20 10 8:1 /opt/app /work rw - ext4 /dev/sda1 rw", "", "/opt/app/x",
		},
		"a hostPath on a tmpfs of the host": {
			"20 10 0:52 /app /work rw - tmpfs tmpfs rw", "", "/run/app/x",
		},
		"a tmpfs of the container itself": {
			"20 10 0:99 / /work rw - tmpfs tmpfs rw", "", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := table(t, tc.line+"\n")[0]
			if got := VolumeOf(m, node); got != tc.want {
				t.Errorf("volume %q, want %q", got, tc.want)
			}
			if got := nodePath(&m, "/work/x", node); got != tc.path {
				t.Errorf("on the node %q, want %q", got, tc.path)
			}
		})
	}
}
