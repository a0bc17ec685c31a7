package proctable

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// proc is a process for Group: root is the inode of its root directory on device
// dev (1 is the host's on the host's), mnt and pid its namespaces (1 is the host's).
type proc struct {
	pid, ppid    int
	cgroup       string
	dev, root    uint64
	mnt, pidNS   uint64
	levels       int
	fs           string
	ended, links bool // links: they could not be read
}

// disk is the device of the host's root.
var disk = rootfs.Mkdev(8, 1)

func tableOf(procs []proc, mounts ...procfs.MountInfo) *Table {
	t := &Table{
		Level: fact.LevelFull, Linked: true, HostRoot: RootKey{Mount: 1, Dev: disk, Ino: 1}, HostMntNS: 1, HostPIDNS: 1,
		Mounts: &MountTable{Mounts: mounts},
	}
	for _, c := range procs {
		p := &Process{PID: c.pid, Identity: procfs.IdentifyPath(c.cgroup), RootFS: c.fs, Ended: c.ended}
		p.Stat.PPID, p.Stat.StartTime, p.Status.Levels = c.ppid, uint64(c.pid), max(c.levels, 1)
		if c.links {
			p.LinkErr = rootfs.ErrNotDir
		} else if !c.ended {
			p.Root = RootKey{Mount: 100, Dev: disk, Ino: c.root}
			if c.dev > 1 {
				p.Root.Dev = rootfs.Mkdev(0, uint32(c.dev))
			}
		}
		p.NS.Mnt, p.NS.PID = c.mnt, c.pidNS
		t.Processes = append(t.Processes, p)
	}
	return t
}

// placed says for every process where Group has put it: "host", "host chroot", "host
// service", "undecided", "gone", or the container, by its id or as what an unknown one
// was found, with the id of the cgroup that it was moved from.
func placed(t *Table) map[int]string {
	out := map[int]string{}
	for _, p := range t.Processes {
		out[p.PID] = "gone"
	}
	for _, p := range t.Host {
		out[p.PID] = "host"
	}
	for _, a := range t.Apart {
		out[a.PID] += " " + a.Why
	}
	for _, p := range t.Undecided {
		out[p.PID] = "undecided"
	}
	unknown := 0
	for _, ct := range t.Containers {
		name := ct.Key()
		switch name {
		case idA:
			name = "A"
		case idB:
			name = "B"
		case idC:
			name = "C"
		}
		if ct.FoundBy != fact.FoundByCgroup && strings.HasPrefix(name, "root-") {
			first := slices.MinFunc(ct.Processes, earlier).PID
			name, unknown = fmt.Sprintf("%s %d", ct.FoundBy, first), unknown+1
		}
		for _, p := range ct.Processes {
			if out[p.PID] != "gone" {
				out[p.PID] += " and "
			} else {
				out[p.PID] = ""
			}
			out[p.PID] += name
			switch p.Moved {
			case "":
			case idA:
				out[p.PID] += " from A"
			case idB:
				out[p.PID] += " from B"
			default:
				out[p.PID] += " from " + p.Moved
			}
		}
	}
	return out
}

func TestGroup(t *testing.T) {
	a, b, c := "/docker/"+idA, "/docker/"+idB, "/docker/"+idC
	pod := "/kubepods/pod" + podUID
	overlayAt := func(minor uint32, point string) procfs.MountInfo {
		return procfs.MountInfo{FSType: "overlay", Root: "/", Point: point, Major: 0, Minor: minor}
	}
	const task = "/run/containerd/io.containerd.runtime.v2.task/k8s.io/"
	for name, tc := range map[string]struct {
		procs  []proc
		mounts []procfs.MountInfo
		want   map[int]string
	}{
		// The ordered rule.
		"the root of pid 1, whatever the namespaces": {
			procs: []proc{
				{pid: 2, cgroup: "/system.slice/a.service", root: 1, mnt: 2, pidNS: 1},             // PrivateTmp=, DynamicUser=
				{pid: 3, cgroup: "/user.slice/session-1.scope", root: 1, mnt: 3, pidNS: 3},         // bwrap --ro-bind / / --unshare-pid
				{pid: 4, cgroup: "/user.slice/session-1.scope", root: 1, mnt: 1, pidNS: 4},         // unshare --pid
				{pid: 5, cgroup: "/user.slice/session-1.scope", dev: 1, root: 1, mnt: 0, pidNS: 0}, // its namespaces unread
			},
			want: map[int]string{2: "host", 3: "host", 4: "host", 5: "host"},
		},
		"another root among pid 1's mounts is a chroot": {
			procs: []proc{
				{pid: 2, cgroup: "/system.slice/haproxy.service", root: 9, mnt: 1, pidNS: 1},
				{pid: 3, cgroup: "/user.slice/browser.scope", root: 10, mnt: 1, pidNS: 7, levels: 2}, // a browser's sandbox
			},
			want: map[int]string{2: "host chroot", 3: "host chroot"},
		},
		"root, mounts and process ids of their own": {
			procs: []proc{
				{pid: 10, ppid: 1, cgroup: "/mine", dev: 5, root: 1, mnt: 5, pidNS: 5, levels: 2},
				{pid: 11, ppid: 10, cgroup: "/mine", dev: 5, root: 1, mnt: 5, pidNS: 5, levels: 2},
				{pid: 12, ppid: 1, cgroup: "/system.slice/x.service", dev: 6, root: 1, mnt: 6, pidNS: 6, levels: 2, fs: "ext4"},
			},
			want: map[int]string{10: "root 10", 11: "root 10", 12: "root 12"},
		},
		"a confined service is the host's": {
			procs: []proc{
				{pid: 2, cgroup: "/system.slice/rootdir.service", root: 9, mnt: 2, pidNS: 1, fs: "ext4"},
				{pid: 3, cgroup: "/system.slice/portable.service", dev: 7, root: 2, mnt: 3, pidNS: 1, fs: "squashfs"},
				{pid: 4, cgroup: "/user.slice/user-0.slice/snap.firefox.x-1.scope", dev: 8, root: 2, mnt: 4, pidNS: 1, fs: "squashfs"},
				{pid: 5, cgroup: "/system.slice/overlay.service", dev: 9, root: 2, mnt: 5, pidNS: 1, fs: "overlay"},
				{pid: 6, cgroup: "/system.slice/delegated.service/payload", dev: 10, root: 2, mnt: 6, pidNS: 1, fs: "ext4"},
				{pid: 7, cgroup: "/system.slice/unread.service", dev: 11, root: 2, mnt: 7, pidNS: 1},
			},
			want: map[int]string{2: "host service", 3: "host service", 4: "host service", 5: "host-pids 5", 6: "host-pids 6", 7: "undecided"},
		},
		"and what sandboxes itself among its mounts": {
			procs: []proc{
				{pid: 2, cgroup: "/x/snap.firefox.x-1.scope", dev: 8, root: 2, mnt: 4, pidNS: 1, fs: "squashfs"},
				{pid: 3, ppid: 2, cgroup: "/x/snap.firefox.x-1.scope", dev: 9, root: 7, mnt: 4, pidNS: 9, levels: 2},
				{pid: 4, ppid: 2, cgroup: "/x/snap.firefox.x-1.scope", dev: 9, root: 7, mnt: 5, pidNS: 9, levels: 2},
			},
			want: map[int]string{2: "host service", 3: "host service", 4: "root 4"},
		},
		"what could not be read is undecided": {
			procs: []proc{
				{pid: 1, links: true},
				{pid: 2, cgroup: "/x", links: true},
				{pid: 3, cgroup: "/x", dev: 5, root: 2, mnt: 0, pidNS: 5},
				{pid: 4, cgroup: "/x", dev: 5, root: 3, mnt: 5, pidNS: 0},
				{pid: 5, cgroup: a, links: true},
				{pid: 6, cgroup: "/x", ended: true},
			},
			want: map[int]string{1: "host", 2: "undecided", 3: "undecided", 4: "undecided", 5: "A", 6: "gone"},
		},
		"a plain name in a cgroup is none if the root is the host's": {
			procs: []proc{
				{pid: 2, cgroup: "/default/redis", root: 1, mnt: 1, pidNS: 1},
				{pid: 3, cgroup: "/default/redis", dev: 5, root: 1, mnt: 5, pidNS: 5},
				{pid: 4, cgroup: "/lxc/redis", dev: 6, root: 1, mnt: 6, pidNS: 6},
			},
			want: map[int]string{2: "host", 3: "redis", 4: "redis-2"},
		},

		// Processes of one container.
		"what was started inside is in the container": {
			procs: []proc{
				{pid: 10, ppid: 1, cgroup: "/mine", dev: 5, root: 1, mnt: 5, pidNS: 5, levels: 2},
				{pid: 11, ppid: 10, cgroup: "/mine", dev: 5, root: 1, mnt: 6, pidNS: 5, levels: 2},  // unshare --mount
				{pid: 12, ppid: 11, cgroup: "/other", dev: 5, root: 1, mnt: 7, pidNS: 7, levels: 3}, // unshare --mount --pid
				{pid: 13, ppid: 10, cgroup: "/mine", dev: 5, root: 8, mnt: 5, pidNS: 5, levels: 2},  // chroot
				{pid: 14, ppid: 1, cgroup: "/x", dev: 5, root: 1, mnt: 5, pidNS: 1},                 // nsenter --mount --root
				{pid: 15, ppid: 10, cgroup: "/x", dev: 9, root: 1, mnt: 9, pidNS: 9, levels: 3},     // a container in it
			},
			want: map[int]string{10: "root 10", 11: "root 10", 12: "root 10", 13: "root 10", 14: "root 10", 15: "root 15"},
		},
		"two containers with one root directory": {
			procs: []proc{
				{pid: 10, ppid: 1, cgroup: "/a", root: 9, mnt: 5, pidNS: 5, levels: 2},
				{pid: 11, ppid: 1, cgroup: "/b", root: 9, mnt: 6, pidNS: 6, levels: 2},
				{pid: 12, ppid: 1, cgroup: "/c", root: 9, mnt: 7, pidNS: 1},
				{pid: 13, ppid: 1, cgroup: "/d", root: 9, mnt: 8, pidNS: 1},
			},
			want: map[int]string{10: "root 10", 11: "root 11", 12: "host-pids 12", 13: "host-pids 13"},
		},

		// Known containers.
		"a process that left its cgroup": {
			procs: []proc{
				{pid: 10, cgroup: a, dev: 5, root: 1, mnt: 5, pidNS: 5},
				{pid: 11, cgroup: "/x", dev: 5, root: 1, mnt: 6, pidNS: 1},
				{pid: 12, cgroup: "/x", dev: 5, root: 2, mnt: 5, pidNS: 1},
				{pid: 13, cgroup: "/x", dev: 5, root: 2, mnt: 7, pidNS: 5},
			},
			want: map[int]string{10: "A", 11: "A", 12: "A", 13: "A"},
		},
		"and its root is a directory on a disk": {
			procs: []proc{
				{pid: 10, cgroup: a, root: 9, mnt: 5, pidNS: 5},
				{pid: 11, cgroup: "/x", root: 9, mnt: 5, pidNS: 1},
				{pid: 12, cgroup: "/x", root: 9, mnt: 7, pidNS: 5},
				{pid: 13, ppid: 10, cgroup: "/x", root: 9, mnt: 8, pidNS: 8},
				{pid: 14, cgroup: "/x", root: 9, mnt: 9, pidNS: 9}, // nothing but the directory is the same
				{pid: 15, cgroup: "/x", root: 9, mnt: 1, pidNS: 1},
			},
			want: map[int]string{10: "A", 11: "A", 12: "A", 13: "A", 14: "root 14", 15: "host chroot"},
		},
		"the host's root in a container's cgroup stays there": {
			procs: []proc{{pid: 10, cgroup: a, dev: 5, root: 1, mnt: 5, pidNS: 5}, {pid: 11, cgroup: a, root: 1, mnt: 1, pidNS: 1}},
			want:  map[int]string{10: "A", 11: "A"},
		},
		"what a container starts inside is its own": {
			procs: []proc{
				{pid: 10, ppid: 1, cgroup: a, dev: 5, root: 1, mnt: 5, pidNS: 5},
				{pid: 11, ppid: 10, cgroup: a, dev: 5, root: 7, mnt: 5, pidNS: 5},                    // chroot
				{pid: 12, ppid: 10, cgroup: a + "/docker/" + idB, dev: 6, root: 1, mnt: 6, pidNS: 6}, // a nested container
				{pid: 13, ppid: 12, cgroup: a + "/docker/" + idB, dev: 6, root: 1, mnt: 6, pidNS: 6}, // and its child
				{pid: 14, ppid: 99, cgroup: a, dev: 7, root: 1, mnt: 7, pidNS: 5},                    // an orphan with its process ids
				{pid: 15, ppid: 1, cgroup: pod + "/plain", dev: 8, root: 1, mnt: 8, pidNS: 8},        // not in a container's cgroup
			},
			want: map[int]string{10: "A", 11: "A", 12: "A", 13: "A", 14: "A", 15: "root 15"},
		},
		"moved into the cgroup of another container": {
			procs: []proc{
				{pid: 10, cgroup: a, dev: 5, root: 1, mnt: 5, pidNS: 5},
				{pid: 11, cgroup: b, dev: 6, root: 1, mnt: 6, pidNS: 6},
				{pid: 12, ppid: 10, cgroup: b, dev: 5, root: 1, mnt: 5, pidNS: 5},
			},
			want: map[int]string{10: "A", 11: "B", 12: "A from B"},
		},
		"and the container itself has several roots": {
			procs: []proc{
				{pid: 10, cgroup: a, dev: 5, root: 1, mnt: 5, pidNS: 5},
				{pid: 11, ppid: 10, cgroup: a, dev: 5, root: 2, mnt: 5, pidNS: 5},
				{pid: 12, cgroup: b, dev: 6, root: 1, mnt: 6, pidNS: 6},
				{pid: 13, ppid: 10, cgroup: b, dev: 5, root: 1, mnt: 5, pidNS: 5},
			},
			want: map[int]string{10: "A", 11: "A", 12: "B", 13: "A from B"},
		},
		"its first process moved, and a child stayed": {
			procs: []proc{
				{pid: 10, cgroup: b, dev: 5, root: 1, mnt: 5, pidNS: 5},
				{pid: 11, ppid: 10, cgroup: a, dev: 5, root: 1, mnt: 5, pidNS: 5},
				{pid: 12, cgroup: b, dev: 6, root: 1, mnt: 6, pidNS: 6},
			},
			want: map[int]string{10: "A from B", 11: "A", 12: "B"},
		},
		"the whole container moved": {
			procs: []proc{
				{pid: 10, cgroup: b, dev: 6, root: 1, mnt: 6, pidNS: 6},
				{pid: 20, ppid: 5, cgroup: b, dev: 5, root: 1, mnt: 5, pidNS: 5},
				{pid: 21, ppid: 20, cgroup: b, dev: 5, root: 1, mnt: 5, pidNS: 5},
			},
			want: map[int]string{10: "B", 20: "root 20 from B", 21: "root 20 from B"},
		},
		"the whole container moved, and the node's mounts name it, although it is older": {
			procs: []proc{
				{pid: 10, ppid: 5, cgroup: b, dev: 50, root: 1, mnt: 5, pidNS: 5},
				{pid: 20, ppid: 5, cgroup: b, dev: 60, root: 1, mnt: 6, pidNS: 6},
			},
			mounts: []procfs.MountInfo{overlayAt(50, task+idA+"/rootfs"), overlayAt(60, task+idB+"/rootfs")},
			want:   map[int]string{10: "A from B", 20: "B"},
		},
		"a cgroup that a container made for its process, named like another's": {
			procs: []proc{
				{pid: 10, cgroup: a, dev: 5, root: 1, mnt: 5, pidNS: 5},
				{pid: 11, ppid: 10, cgroup: c, dev: 5, root: 1, mnt: 5, pidNS: 5},
			},
			want: map[int]string{10: "A", 11: "A from " + idC},
		},
		"two ids with one root directory": {
			procs: []proc{
				{pid: 10, cgroup: a, root: 9, mnt: 5, pidNS: 5},
				{pid: 11, cgroup: b, root: 9, mnt: 6, pidNS: 6},
				{pid: 12, cgroup: "/x", root: 9, mnt: 6, pidNS: 1},                   // entered the second
				{pid: 13, cgroup: "/x", root: 9, mnt: 7, pidNS: 1},                   // a third container, or one that entered either
				{pid: 14, cgroup: c, dev: 8, root: 1, mnt: 8, pidNS: 8},              // a fourth
				{pid: 15, ppid: 11, cgroup: c, root: 9, mnt: 6, pidNS: 6, levels: 2}, // the second's, moved there
			},
			want: map[int]string{10: "A", 11: "B", 12: "B", 13: "host-pids 13", 14: "C", 15: "B from " + idC},
		},
		"an older process of it in another's cgroup, where the node's mounts say whose the root is": {
			procs: []proc{
				{pid: 9, cgroup: b, dev: 50, root: 1, mnt: 5, pidNS: 5},
				{pid: 10, cgroup: a, dev: 50, root: 1, mnt: 5, pidNS: 5},
				{pid: 11, cgroup: a, dev: 50, root: 2, mnt: 5, pidNS: 5},
				{pid: 12, cgroup: b, dev: 60, root: 1, mnt: 6, pidNS: 6},
			},
			mounts: []procfs.MountInfo{overlayAt(50, task+idA+"/rootfs")},
			want:   map[int]string{9: "A from B", 10: "A", 11: "A", 12: "B"},
		},
		"where they do not, the older one counts": {
			procs: []proc{
				{pid: 9, cgroup: b, dev: 50, root: 1, mnt: 5, pidNS: 5},
				{pid: 10, cgroup: a, dev: 50, root: 1, mnt: 5, pidNS: 5},
				{pid: 11, cgroup: a, dev: 50, root: 2, mnt: 5, pidNS: 5},
				{pid: 12, cgroup: b, dev: 60, root: 1, mnt: 6, pidNS: 6},
			},
			mounts: []procfs.MountInfo{overlayAt(50, "/mine/io.containerd.runtime.v2.task/k8s.io/"+idB+"/rootfs"), overlayAt(50, task+idA+"/rootfs")},
			want:   map[int]string{9: "B", 10: "B from A", 11: "A", 12: "root 12 from B"},
		},
		"process ids that two containers share are neither's": {
			procs: []proc{
				{pid: 10, cgroup: a, dev: 5, root: 1, mnt: 5, pidNS: 5},
				{pid: 11, cgroup: b, dev: 6, root: 1, mnt: 6, pidNS: 5},
				{pid: 12, cgroup: "/x", dev: 7, root: 1, mnt: 7, pidNS: 5},
			},
			want: map[int]string{10: "A", 11: "B", 12: "root 12"},
		},
		"a parent's pid that is another process's by now": {
			procs: []proc{
				{pid: 10, ppid: 30, cgroup: "/x", dev: 5, root: 1, mnt: 5, pidNS: 5},
				{pid: 30, ppid: 1, cgroup: "/x", dev: 5, root: 1, mnt: 6, pidNS: 6},
			},
			want: map[int]string{10: "root 10", 30: "root 30"},
		},
		"a node that is itself a container": {
			procs: []proc{
				{pid: 1, cgroup: "/docker/" + idB + "/init.scope", root: 1, mnt: 1, pidNS: 1},
				{pid: 2, cgroup: "/docker/" + idB + "/system.slice/kubelet.service", root: 1, mnt: 1, pidNS: 1},
				{pid: 3, cgroup: "/docker/" + idB + "/kubelet" + pod + "/" + idA, dev: 5, root: 1, mnt: 5, pidNS: 5},
				{pid: 4, cgroup: "/docker/" + idB + "/docker/" + idC, dev: 6, root: 1, mnt: 6, pidNS: 6},
				{pid: 5, cgroup: "/docker/" + idB + "/mine", dev: 7, root: 1, mnt: 7, pidNS: 7},
			},
			want: map[int]string{1: "host", 2: "host", 3: "A", 4: "C", 5: "root 5"},
		},
		"mounts that contradict each other prove nothing": {
			procs: []proc{
				{pid: 10, cgroup: a, dev: 50, root: 1, mnt: 5, pidNS: 5},
				{pid: 11, ppid: 10, cgroup: b, dev: 50, root: 1, mnt: 5, pidNS: 5},
				{pid: 12, cgroup: b, dev: 60, root: 1, mnt: 6, pidNS: 6},
			},
			mounts: []procfs.MountInfo{overlayAt(50, "/mine/io.containerd.runtime.v2.task/k8s.io/"+idB+"/rootfs"), overlayAt(50, task+idA+"/rootfs")},
			want:   map[int]string{10: "A", 11: "A from B", 12: "B"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			table := tableOf(tc.procs, tc.mounts...)
			table.Group()
			got := placed(table)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			first := idsOf(table)
			slices.Reverse(table.Processes)
			table.Group()
			if diff := cmp.Diff(first, idsOf(table)); diff != "" {
				t.Errorf("in another order (-want +got):\n%s", diff)
			}
		})
	}
}

func idsOf(t *Table) []string {
	var ids []string
	for _, ct := range t.Containers {
		line := ct.Identity.ID
		for _, p := range ct.Processes {
			line += fmt.Sprint(" ", p.PID)
		}
		ids = append(ids, line)
	}
	return ids
}

// A process cannot hide in the caller's own container, which is not judged.
func TestGroupSelf(t *testing.T) {
	a := "/kubepods/pod" + podUID + "/" + idA
	table := tableOf([]proc{
		{pid: 10, cgroup: a, dev: 5, root: 1, mnt: 5, pidNS: 1},
		{pid: 11, cgroup: a, dev: 6, root: 1, mnt: 6, pidNS: 1}, // with the host's process ids
		{pid: 12, cgroup: a, dev: 7, root: 1, mnt: 7, pidNS: 7},
		{pid: 20, cgroup: "/docker/" + idB, dev: 8, root: 1, mnt: 8, pidNS: 8},
		{pid: 21, cgroup: a, dev: 8, root: 1, mnt: 8, pidNS: 8},
	})
	table.SelfPID = 10
	table.Group()
	want := map[int]string{10: "A", 11: "host-pids 11 from A", 12: "root 12 from A", 20: "B", 21: "B from A"}
	if diff := cmp.Diff(want, placed(table)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Where the host's own namespaces were not read, another root decides nothing.
func TestGroupWithoutHostNamespaces(t *testing.T) {
	for _, unread := range []func(*Table){func(t *Table) { t.HostMntNS = 0 }, func(t *Table) { t.HostPIDNS = 0 }} {
		table := tableOf([]proc{{pid: 10, cgroup: "/x", dev: 5, root: 1, mnt: 5, pidNS: 5}, {pid: 11, cgroup: "/x", root: 1, mnt: 5, pidNS: 5}})
		unread(table)
		table.Group()
		if diff := cmp.Diff(map[int]string{10: "undecided", 11: "host"}, placed(table)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// Without links nothing but the cgroup decides.
func TestGroupWithoutLinks(t *testing.T) {
	table := tableOf([]proc{{pid: 10, cgroup: "/docker/" + idA, root: 9}, {pid: 11, cgroup: "/mine", dev: 5, root: 9, mnt: 5, pidNS: 5}, {pid: 12, cgroup: "/lxc/web", root: 1}})
	table.Linked = false
	table.Group()
	if diff := cmp.Diff(map[int]string{10: "A", 11: "host", 12: "web"}, placed(table)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The id of a container that no engine names does not change while it lives, is shown
// whole, and differs from those of others.
func TestRootID(t *testing.T) {
	one := []proc{{pid: 10, ppid: 1, cgroup: "/a", dev: 5, root: 2, mnt: 5, pidNS: 5, levels: 2}, {pid: 11, ppid: 10, cgroup: "/a", dev: 5, root: 2, mnt: 5, pidNS: 5, levels: 2}}
	before, after := tableOf(one), tableOf(append(one, proc{pid: 12, ppid: 11, cgroup: "/b", dev: 5, root: 2, mnt: 6, pidNS: 6, levels: 3},
		proc{pid: 20, ppid: 1, cgroup: "/a", dev: 5, root: 2, mnt: 7, pidNS: 7, levels: 2})) // a second one with its root
	before.Group()
	after.Group()
	id := before.Containers[0].Identity.ID
	if len(before.Containers) != 1 || len(id) != 12 || !strings.HasPrefix(id, "root-") {
		t.Errorf("containers %v", idsOf(before))
	}
	if len(after.Containers) != 2 || !slices.Contains(idsOf(after), id+" 10 11 12") {
		t.Errorf("containers %v, want one %s", idsOf(after), id)
	}
	// With the host's process ids too, and in the cgroup of a pod that it is not of.
	two := tableOf([]proc{
		{pid: 10, cgroup: "/a", root: 9, mnt: 5, pidNS: 1},
		{pid: 11, cgroup: "/a", root: 9, mnt: 6, pidNS: 1},
		{pid: 20, cgroup: "/kubepods/pod" + podUID + "/" + idA, dev: 5, root: 1, mnt: 7, pidNS: 7},
		{pid: 21, cgroup: "/kubepods/pod" + podUID + "/" + idA, dev: 6, root: 1, mnt: 8, pidNS: 8},
	})
	two.Group()
	for _, ct := range two.Containers {
		if id := ct.Identity; ct.FoundBy != fact.FoundByCgroup && (len(id.ID) != 12 || id.PodUID != "" || id.Kubernetes || id.Path == "") {
			t.Errorf("identity %+v", id)
		}
	}
	if len(two.Containers) != 4 {
		t.Errorf("containers %v", idsOf(two))
	}
}

// Grouping takes time that is linear in processes, whatever they look like.
func TestGroupManyProcesses(t *testing.T) {
	const n = 30_000
	for name, make := range map[string]func(i int) proc{
		"each a container of its own": func(i int) proc { return proc{cgroup: "/x", dev: uint64(i), root: 2, mnt: uint64(i), pidNS: uint64(i)} },
		"one id each, and one root": func(i int) proc {
			return proc{cgroup: fmt.Sprintf("/docker/%064x", i), dev: 5, root: 2, mnt: 5, pidNS: 5}
		},
		"one root each in one cgroup": func(i int) proc {
			return proc{cgroup: "/docker/" + idA, dev: 5, root: uint64(i), mnt: uint64(i), pidNS: uint64(i)}
		},
		"each the child of the one before": func(i int) proc {
			return proc{ppid: i + 99, cgroup: "/docker/" + idA, dev: 5, root: uint64(i), mnt: uint64(i), pidNS: uint64(i)}
		},
		"all of one container in another's cgroup": func(i int) proc {
			p := proc{cgroup: "/docker/" + idB, dev: 5, root: 2, mnt: 5, pidNS: 5}
			if i == 2 {
				p.cgroup = "/docker/" + idA
			}
			return p
		},
	} {
		t.Run(name, func(t *testing.T) {
			var procs []proc
			for i := 2; i < n; i++ {
				p := make(i)
				p.pid = i + 100
				procs = append(procs, p)
			}
			table := tableOf(procs)
			table.Group()
			seen := len(table.Host) + len(table.Undecided)
			for _, ct := range table.Containers {
				seen += len(ct.Processes)
			}
			if seen != len(procs) {
				t.Errorf("%d of %d processes are somewhere", seen, len(procs))
			}
		})
	}
}

// Whatever processes look like, each is in one place, no two containers have one id,
// and the order in which they were read changes nothing.
func FuzzGroup(f *testing.F) {
	f.Add([]byte{1, 0, 5, 1, 5, 5, 0, 2, 6, 5, 1, 6, 6, 1, 1, 1, 0, 9, 1, 1, 2})
	f.Add([]byte("\x07\x01\x05\x02\x05\x05\x02\x03\x02\x05\x02\x05\x06\x00\x09\x00\x00\x00\x00\x00\x00"))
	cgroups := []string{
		"/mine", "/docker/" + idA, "/docker/" + idB, "/kubepods/pod" + podUID + "/" + idC, "/x.service", "/default/redis", "/lxc/redis",
		"/kubepods/pod" + podUID, "/docker/" + idA + "/docker/" + idB, "/../" + idA, "/",
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var procs []proc
		for i := 2; len(data) >= 7 && i < 60; i++ {
			procs = append(procs, proc{
				pid: i, ppid: int(data[0] % 64), cgroup: cgroups[int(data[1])%len(cgroups)], dev: uint64(data[2] % 4), root: uint64(data[3] % 4),
				mnt: uint64(data[4] % 8), pidNS: uint64(data[5] % 8), fs: []string{"", "ext4", "overlay"}[data[6]%3], links: data[6]&0x40 != 0, ended: data[6]&0x80 != 0,
			})
			data = data[7:]
		}
		mounts := []procfs.MountInfo{{FSType: "overlay", Root: "/", Minor: 2, Point: "/run/containerd/io.containerd.runtime.v2.task/k8s.io/" + idB + "/rootfs"}}
		table := tableOf(procs, mounts...)
		table.SelfPID = 7
		table.Group()
		first, where := idsOf(table), placed(table)
		for _, p := range table.Processes {
			if strings.Contains(where[p.PID], " and ") || strings.HasPrefix(where[p.PID], " ") || where[p.PID] == "gone" && !p.Ended {
				t.Errorf("process %d is in %q", p.PID, where[p.PID])
			}
		}
		seen := map[string]bool{}
		for _, ct := range table.Containers {
			if seen[ct.Key()] || len(ct.Processes) == 0 {
				t.Errorf("container %s: a second one, or without a process", ct.Key())
			}
			seen[ct.Key()] = true
		}
		slices.Reverse(table.Processes)
		table.Group()
		if diff := cmp.Diff(first, idsOf(table)); diff != "" {
			t.Errorf("in another order (-want +got):\n%s", diff)
		}
	})
}
