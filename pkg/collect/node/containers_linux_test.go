package node

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// containers are those of level proc: what the runtimes' paths and mount
// tables alone give.
func TestContainers(t *testing.T) {
	const kubelet = "/var/lib/kubelet/pods/" + podUID
	overlayRoot := "100 1 0:50 / / rw,relatime - overlay overlay rw,lowerdir=/l/2:/l/1,upperdir=/u/3/fs,workdir=/u/3/work\n"
	for name, tc := range map[string]struct {
		processes []fakeProcess
		want      []fact.MeasuredContainer
		host      int
	}{
		"containerd and systemd: an app and its sandbox": {
			processes: []fakeProcess{
				{pid: 20, ppid: 10, comm: "pause", start: 5, cgroup: "0::/kubepods.slice/kubepods-pod" + podUnder + ".slice/cri-containerd-" + idB + ".scope\n", mounts: overlayRoot + "101 100 0:60 /run/containerd/io.containerd.grpc.v1.cri/sandboxes/" + idB + "/resolv.conf /etc/resolv.conf rw - ext4 /dev/sda1 rw\n"},
				{pid: 21, ppid: 10, comm: "app", start: 9, cgroup: "0::/kubepods.slice/kubepods-pod" + podUnder + ".slice/cri-containerd-" + idA + ".scope\n", mounts: overlayRoot +
					"102 100 0:61 / /proc rw,nosuid,nodev,noexec - proc proc rw\n" +
					"103 100 8:1 " + kubelet + "/volumes/kubernetes.io~empty-dir/data /data rw,relatime - ext4 /dev/sda1 rw\n" +
					"104 100 8:1 " + kubelet + "/volumes/kubernetes.io~configmap/conf /conf ro,relatime - ext4 /dev/sda1 rw\n" +
					"105 102 0:62 /null /proc/kcore rw,nosuid - tmpfs tmpfs rw\n" +
					"106 100 0:62 / /dev rw,nosuid - tmpfs tmpfs rw\n" +
					"107 100 8:1 " + kubelet + "/etc-hosts /etc/hosts rw,relatime - ext4 /dev/sda1 rw\n" +
					"108 100 0:70 / /mem rw,noexec,nosuid,nodev - tmpfs tmpfs rw\n"},
				{pid: 22, ppid: 21, comm: "child", start: 12, cgroup: "0::/kubepods.slice/kubepods-pod" + podUnder + ".slice/cri-containerd-" + idA + ".scope\n", mounts: "garbage that is never read: one table a container\n"},
				{pid: 23, ppid: 21, comm: "dead", start: 13, state: "Z", cgroup: "0::/kubepods.slice/kubepods-pod" + podUnder + ".slice/cri-containerd-" + idA + ".scope\n"},
				{pid: 2, comm: "kthreadd", flags: 0x208040},
				{pid: 30, ppid: 1, comm: "sshd"},
			},
			host: 2,
			want: []fact.MeasuredContainer{
				{
					ID: idA, PodUID: podUID, Kubernetes: true, Runtime: "containerd", Cgroup: "/kubepods.slice/kubepods-pod" + podUnder + ".slice/cri-containerd-" + idA + ".scope",
					Processes: []fact.Process{aProcess(21, "app", 9, nil), aProcess(22, "child", 12, nil)},
					Root:      &fact.Mount{Path: "/", FSType: "overlay", Source: "overlay", Upperdir: "/u/3/fs"},
					Mounts: []fact.Mount{
						{Path: "/data", FSType: "ext4", Source: "/dev/sda1", Volume: "emptyDir/data"},
						{Path: "/dev", FSType: "tmpfs", Source: "tmpfs", NoSuid: true},
						{Path: "/etc/hosts", FSType: "ext4", Source: "/dev/sda1", Volume: "kubelet/etc-hosts"},
						{Path: "/mem", FSType: "tmpfs", Source: "tmpfs", NoExec: true, NoSuid: true, NoDev: true},
					},
				},
				{
					ID: idB, PodUID: podUID, Kubernetes: true, Runtime: "containerd", Cgroup: "/kubepods.slice/kubepods-pod" + podUnder + ".slice/cri-containerd-" + idB + ".scope", Sandbox: true,
					Processes: []fact.Process{aProcess(20, "pause", 5, nil)},
					Root:      &fact.Mount{Path: "/", FSType: "overlay", Source: "overlay", Upperdir: "/u/3/fs"},
					Mounts:    []fact.Mount{{Path: "/etc/resolv.conf", FSType: "ext4", Source: "/dev/sda1"}},
				},
			},
		},
		"a container that calls itself pause is no sandbox where the mounts tell": {
			processes: []fakeProcess{{pid: 20, comm: "pause", cgroup: "0::/kubepods/pod" + podUID + "/" + idA + "\n", mounts: overlayRoot + "101 100 0:60 /run/sandboxes/" + idB + "/resolv.conf /etc/resolv.conf ro - ext4 /dev/sda1 rw\n"}},
			host:      1,
			want: []fact.MeasuredContainer{{
				ID: idA, PodUID: podUID, Kubernetes: true, Cgroup: "/kubepods/pod" + podUID + "/" + idA, Processes: []fact.Process{aProcess(20, "pause", 0, nil)},
				Root: &fact.Mount{Path: "/", FSType: "overlay", Source: "overlay", Upperdir: "/u/3/fs"},
			}},
		},
		"CRI-O: a read-only root, and conmon is the host's": {
			processes: []fakeProcess{
				{pid: 40, comm: "conmon", cgroup: "0::/kubepods.slice/kubepods-pod" + podUnder + ".slice/crio-conmon-" + idA + ".scope\n"},
				{pid: 41, comm: "app", cgroup: "0::/kubepods.slice/kubepods-pod" + podUnder + ".slice/crio-" + idA + ".scope/container\n", mounts: "100 1 0:50 / / ro,relatime - overlay overlay rw,lowerdir=/var/lib/containers/storage/overlay/l/X,upperdir=/var/lib/containers/storage/overlay/d/diff,workdir=/w\n"},
			},
			host: 2,
			want: []fact.MeasuredContainer{{
				ID: idA, PodUID: podUID, Kubernetes: true, Runtime: "crio", Cgroup: "/kubepods.slice/kubepods-pod" + podUnder + ".slice/crio-" + idA + ".scope/container",
				Processes: []fact.Process{aProcess(41, "app", 0, nil)},
				Root:      &fact.Mount{Path: "/", FSType: "overlay", Source: "overlay", ReadOnly: true, Upperdir: "/var/lib/containers/storage/overlay/d/diff"},
			}},
		},
		"cgroup version 1, cgroupfs, a static pod; and docker next to it": {
			processes: []fakeProcess{
				{pid: 50, comm: "etcd", cgroup: "3:memory:/kubepods/burstable/pod" + configHash + "/" + idA + "\n1:name=systemd:/kubepods/burstable/pod" + configHash + "/" + idA + "\n0::/\n", mounts: overlayRoot, uid: "1\t2\t3\t4", extra: "NoNewPrivs:\t1\nSeccomp:\t0\n"},
				{pid: 51, comm: "web", cgroup: "3:memory:/docker/" + idC + "\n0::/\n", mounts: overlayRoot, uidMap: "0 100000 65536\n"},
			},
			host: 1,
			want: []fact.MeasuredContainer{
				{
					ID: idA, PodUID: configHash, Kubernetes: true, Cgroup: "/kubepods/burstable/pod" + configHash + "/" + idA,
					Processes: []fact.Process{aProcess(50, "etcd", 0, func(p *fact.Process) {
						p.UID, p.NoNewPrivs, p.Seccomp = [4]int64{1, 2, 3, 4}, ptr(true), ptr(0)
					})},
					Root: &fact.Mount{Path: "/", FSType: "overlay", Source: "overlay", Upperdir: "/u/3/fs"},
				},
				{
					ID: idC, Runtime: "docker", Cgroup: "/docker/" + idC,
					Processes: []fact.Process{aProcess(51, "web", 0, func(p *fact.Process) { p.RootUID = ptr(int64(100000)) })},
					Root:      &fact.Mount{Path: "/", FSType: "overlay", Source: "overlay", Upperdir: "/u/3/fs"},
				},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := read(t, nodeFixture(t, append(tc.processes, initProcess), ""), fact.LevelProc, fact.Processes, fact.Mounts)
			if diff := cmp.Diff(tc.want, m.Containers, masks); diff != "" {
				t.Errorf("containers (-want +got):\n%s", diff)
			}
			if m.HostProcesses != tc.host {
				t.Errorf("%d processes of the host, want %d", m.HostProcesses, tc.host)
			}
			if diff := cmp.Diff([]fact.Kind{fact.Processes, fact.Mounts}, m.Read); diff != "" {
				t.Errorf("read (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(levelProcGaps(fact.Processes, fact.Mounts), m.Gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			if m.CapLastCap == nil || *m.CapLastCap != 40 || m.HostCapBnd != fact.NewCapMask(0x1ffffffffff) {
				t.Errorf("cap_last_cap %v, CapBnd of pid 1 %s", m.CapLastCap, m.HostCapBnd)
			}
		})
	}
}

// levelProcGaps say what level proc cannot see, for each kind that it reads.
func levelProcGaps(kinds ...fact.Kind) []fact.NodeGap {
	var gaps []fact.NodeGap
	for _, kind := range kinds {
		gaps = append(gaps, fact.NodeGap{
			What: kind, Reason: fact.NotRequested,
			Detail: "probe level proc sees a container only by the id in its cgroup path: one of an unknown engine looks like the host, and a process that was moved like another container",
		})
	}
	return gaps
}

// ownGaps are a measurement's without levelProcGaps.
func ownGaps(m *fact.Measurement) []fact.NodeGap {
	return slices.DeleteFunc(slices.Clone(m.Gaps), func(g fact.NodeGap) bool { return g == levelProcGaps(g.What)[0] })
}

// A mask that status does not show is unread, and stays so all the way.
func TestUnreadIsNotZero(t *testing.T) {
	dir := nodeFixture(t, []fakeProcess{initProcess, {pid: 5, comm: "a", cgroup: "0::/docker/" + idA + "\n", extra: "X:\t1\n"}}, "")
	status, err := os.ReadFile(dir + "/proc/5/status")
	if err != nil {
		t.Fatal(err)
	}
	cut := strings.Replace(string(status), "CapEff:\t00000000a80425fb\n", "", 1)
	if err := os.WriteFile(dir+"/proc/5/status", []byte(cut), 0o644); err != nil {
		t.Fatal(err)
	}
	got := read(t, dir, fact.LevelProc, fact.Processes).Containers[0].Processes[0]
	want := aProcess(5, "a", 0, func(p *fact.Process) { p.CapEff, p.NoNewPrivs, p.Seccomp = fact.CapMask{}, nil, nil })
	if diff := cmp.Diff(want, got, masks); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Without a mount that tells, a sandbox runs /pause of its image.
func TestSandboxByName(t *testing.T) {
	const mounts = "100 1 0:50 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/u,workdir=/w\n"
	proven := mounts + "101 100 0:60 /run/sandboxes/" + idA + "/resolv.conf /etc/resolv.conf ro - ext4 /dev/sda1 rw\n"
	for name, tc := range map[string]struct {
		level  fact.Level
		kinds  []fact.Kind
		mounts string
		exe    string
		files  string
		want   bool
	}{
		"/pause of the image":                         {level: fact.LevelFull, mounts: mounts, exe: "/pause", files: "-- u/ --\n-- l/pause --\nx\n-- c/pause --\nx\n", want: true},
		"/pause that was added":                       {level: fact.LevelFull, mounts: mounts, exe: "/pause", files: "-- l/ --\n-- u/pause --\nx\n-- c/pause --\nx\n"},
		"another file":                                {level: fact.LevelFull, kinds: []fact.Kind{fact.Processes}, mounts: mounts, exe: "/bin/pause", files: "-- c/bin/pause --\nx\n"},
		"another file, where the mount tells":         {level: fact.LevelFull, mounts: proven, exe: "/bin/pause", files: "-- u/ --\n-- l/bin/pause --\nx\n-- c/bin/pause --\nx\n", want: true},
		"/pause, of which the origin cannot be known": {level: fact.LevelFull, exe: "/pause", files: "-- c/pause --\nx\n", want: true},
		"level proc has only the name":                {level: fact.LevelProc, mounts: mounts, exe: "/bin/pause", want: true},
	} {
		t.Run(name, func(t *testing.T) {
			kinds := tc.kinds
			if kinds == nil {
				kinds = []fact.Kind{fact.Processes, fact.Executables}
			}
			dir := nodeFixture(t, []fakeProcess{initProcess, {pid: 5, comm: "pause", cgroup: "0::/kubepods/pod" + podUID + "/" + idA + "\n", mounts: tc.mounts, root: "/c", exe: tc.exe}}, tc.files)
			m := read(t, dir, tc.level, kinds...)
			if len(m.Containers) != 1 || m.Containers[0].Sandbox != tc.want {
				t.Errorf("sandbox is not %t: %+v, gaps %v", tc.want, m.Containers, m.Gaps)
			}
		})
	}
}

// A name proves no sandboxed runtime: what is not shown to be the node's program
// stays measured, with the gaps next to it.
func TestSandboxedRuntime(t *testing.T) {
	const detached = "31 30 0:5 / /proc rw - proc proc rw\n"
	const files = "-- c/usr/bin/runsc --\nx\n-- usr/bin/runsc --\nx\n-- usr/bin/runsc-sandbox --\nx\n-- usr/bin/runsc-gofer --\nx\n-- usr/bin/virtiofsd --\nx\n-- usr/bin/sleep --\nx\n"
	const cgroup, overlay = "0::/docker/", "100 1 0:50 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/u\n"
	for name, tc := range map[string]struct {
		level     fact.Level
		processes []fakeProcess
		comms     []string // of what is measured
		detail    string
	}{
		"all programs are the node's": {
			level:     fact.LevelFull,
			processes: []fakeProcess{{pid: 5, comm: "runsc-sandbox", cgroup: cgroup + idA + "\n"}, {pid: 6, comm: "runsc-gofer", cgroup: cgroup + idA + "\n"}},
			detail:    `only "runsc-sandbox" of a sandboxed runtime runs for it; what is inside cannot be seen from the node`,
		},
		"a program of the container that is named so": {
			level:     fact.LevelFull,
			processes: []fakeProcess{{pid: 5, comm: "virtiofsd", cgroup: cgroup + idA + "\n"}, {pid: 6, comm: "runsc", cgroup: cgroup + idA + "\n", mounts: overlay, root: "/c", ns: "9999"}},
			comms:     []string{"virtiofsd", "runsc"},
			detail:    `only "virtiofsd" runs for it, like a sandboxed runtime, but nothing proves that this program is the node's; what a sandbox holds cannot be seen from the node`,
		},
		"a program of the node's that has left its mounts": {
			level:     fact.LevelFull,
			processes: []fakeProcess{{pid: 5, comm: "exe", cgroup: cgroup + idA + "\n", mounts: detached, exe: "/usr/bin/runsc"}},
			comms:     []string{"exe"},
		},
		"runsc that has left its mounts": {
			level:     fact.LevelFull,
			processes: []fakeProcess{{pid: 5, comm: "runsc-sandbox", cgroup: cgroup + idA + "\n", mounts: detached, exe: "/usr/bin/runsc"}},
			detail:    `only "runsc-sandbox" of a sandboxed runtime runs for it; what is inside cannot be seen from the node`,
		},
		"another file of the same path that has left its mounts": {
			level:     fact.LevelFull,
			processes: []fakeProcess{{pid: 5, comm: "runsc", cgroup: cgroup + idA + "\n", mounts: detached, root: "/c"}},
			comms:     []string{"runsc"},
			detail:    `only "runsc" runs for it, like a sandboxed runtime, but nothing proves that this program is the node's; what a sandbox holds cannot be seen from the node`,
		},
		"a program of the node's with another name that has left its mounts": {
			level:     fact.LevelFull,
			processes: []fakeProcess{{pid: 5, comm: "runsc", cgroup: cgroup + idA + "\n", mounts: detached, exe: "/usr/bin/sleep"}},
			comms:     []string{"runsc"},
			detail:    `only "runsc" runs for it, like a sandboxed runtime, but nothing proves that this program is the node's; what a sandbox holds cannot be seen from the node`,
		},
		"level proc proves nothing": {
			level:     fact.LevelProc,
			processes: []fakeProcess{{pid: 5, comm: "qemu-system-x86", cgroup: cgroup + idA + "\n"}},
			comms:     []string{"qemu-system-x86"},
			detail:    `only "qemu-system-x86" runs for it, like a sandboxed runtime, but nothing proves that this program is the node's; what a sandbox holds cannot be seen from the node`,
		},
		"one process with another name": {
			level:     fact.LevelFull,
			processes: []fakeProcess{{pid: 5, comm: "runsc", cgroup: cgroup + idA + "\n"}, {pid: 6, comm: "app", cgroup: cgroup + idA + "\n"}},
			comms:     []string{"runsc", "app"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := read(t, nodeFixture(t, append(tc.processes, initProcess), files), tc.level, fact.Processes)
			var comms []string
			for _, ct := range m.Containers {
				for _, p := range ct.Processes {
					comms = append(comms, p.Comm)
				}
			}
			if diff := cmp.Diff(tc.comms, comms); diff != "" {
				t.Errorf("measured processes (-want +got):\n%s", diff)
			}
			var want []fact.NodeGap
			if tc.level == fact.LevelProc {
				want = levelProcGaps(fact.Processes)
			}
			if tc.detail != "" {
				want = append(want, fact.NodeGap{What: fact.Processes, Container: idA, Reason: fact.Unsupported, Detail: tc.detail})
			}
			if diff := cmp.Diff(want, m.Gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
		})
	}
}

// A process that moved itself into a cgroup of the host keeps the container's
// root, and by that it is found.
func TestEscapedCgroup(t *testing.T) {
	dir := nodeFixture(t, []fakeProcess{
		initProcess,
		{pid: 5, comm: "a", cgroup: "0::/docker/" + idA + "\n", root: "/c", ns: "9999"},
		{pid: 6, comm: "moved", start: 7, root: "/c", ns: "9999"},
		{pid: 7, comm: "hostd", start: 8},
	}, "-- c/usr/bin/a --\nx\n-- c/usr/bin/moved --\nx\n-- usr/bin/hostd --\nx\n")
	m := read(t, dir, fact.LevelFull, fact.Processes)
	if len(m.Containers) != 1 {
		t.Fatalf("%d containers, want 1", len(m.Containers))
	}
	var comms []string
	for _, p := range m.Containers[0].Processes {
		comms = append(comms, p.Comm)
		if p.UserNS != 4026539999 || p.PIDNS != 4026539999 || p.NetNS != 4026539999 || p.IPCNS != 4026539999 {
			t.Errorf("namespaces of %s: %d %d %d %d", p.Comm, p.UserNS, p.PIDNS, p.NetNS, p.IPCNS)
		}
	}
	if diff := cmp.Diff([]string{"a", "moved"}, comms); diff != "" || m.HostProcesses != 2 {
		t.Errorf("processes (-want +got):\n%s; %d of the host, want 2", diff, m.HostProcesses)
	}
	if m.HostUserNS != 4026531837 {
		t.Errorf("host's user namespace %d", m.HostUserNS)
	}
}

// The probe's own container, and those of its pod, in a private cgroup
// namespace.
func TestSelf(t *testing.T) {
	dir := nodeFixture(t, []fakeProcess{
		initProcess,
		{pid: 5, comm: "checklist-probe", cgroup: "0::/\n"},
		{pid: 6, comm: "pause", cgroup: "0::/../cri-containerd-" + idA + ".scope\n"},
	}, "")
	c, err := New(Options{Level: fact.LevelProc, Root: dir, SelfPID: 5, SelfPodUID: podUID})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Run(context.Background())
	type row struct {
		ID, PodUID                string
		Self, Sandbox, Kubernetes bool
	}
	var got []row
	for _, ct := range c.Snapshot().Containers {
		got = append(got, row{ct.ID, ct.PodUID, ct.Self, ct.Sandbox, ct.Kubernetes})
	}
	want := []row{{"", podUID, true, false, true}, {idA, podUID, false, true, true}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A container that may mount chooses how long its table is. It loses its own
// mounts by that, with a gap, and costs the others nothing.
func TestMountTableTooLong(t *testing.T) {
	const root = "100 1 0:50 / / ro - overlay overlay ro,lowerdir=/l,upperdir=/u,workdir=/w\n"
	long := root + strings.Repeat("101 100 0:51 / /m rw - tmpfs tmpfs rw\n", (512<<10)/38+1)
	m := read(t, nodeFixture(t, []fakeProcess{
		initProcess,
		{pid: 5, comm: "a", cgroup: "0::/docker/" + idA + "\n", mounts: long, ns: "1001"},
		{pid: 6, comm: "b", cgroup: "0::/docker/" + idB + "\n", mounts: root, ns: "1002"},
	}, ""), fact.LevelProc, fact.Processes, fact.Mounts)
	roots := map[string]bool{}
	for _, c := range m.Containers {
		roots[c.ID] = c.Root != nil
	}
	if diff := cmp.Diff(map[string]bool{idA: false, idB: true}, roots); diff != "" {
		t.Errorf("containers whose root mount is known (-want +got):\n%s", diff)
	}
	if !slices.ContainsFunc(m.Gaps, func(g fact.NodeGap) bool {
		return g.What == fact.Mounts && g.Reason == fact.Truncated && g.Container == idA
	}) {
		t.Errorf("no gap says that the mounts of %s were cut: %+v", idA[:12], m.Gaps)
	}
}

func TestDevices(t *testing.T) {
	const mounts = "20 1 0:9 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/u\n22 20 0:8 / /dev rw - tmpfs tmpfs rw\n23 22 0:7 / /dev/pts rw - devpts devpts rw\n" +
		"24 20 0:6 /kmsg /vol/kmsg ro - devtmpfs devtmpfs rw\n25 20 0:6 / /host/dev rw - devtmpfs devtmpfs rw\n26 20 8:1 /d/disk /vol/disk rw - ext4 /dev/sda1 rw\n" +
		"27 20 8:1 /d/off /vol/off rw,nodev - ext4 /dev/sda1 rw\n28 20 0:40 / /nfs rw - nfs s:/ rw\n29 28 0:6 /x /nfs/x rw - devtmpfs devtmpfs rw\n" +
		"30 20 8:1 /etc-hosts /etc/hosts rw - ext4 /dev/sda1 rw\n31 20 0:41 / /run/data rw - tmpfs tmpfs rw\n"
	dir := nodeFixture(t, []fakeProcess{initProcess, {pid: 5, comm: "a", cgroup: "0::/docker/" + idA + "\n", root: "/c", mounts: mounts}},
		"-- c/dev/dir/sub/x --\n-- c/dev/pts/0 --\n-- c/dev/link --\n-> /dev/mem\n-- c/vol/x --\n-- c/host/dev/x --\n-- c/nfs/y --\n-- c/etc/hosts --\n-- c/run/data/x --\n")
	for _, d := range []struct {
		path         string
		mode         uint32
		major, minor uint32
	}{
		{"null", unix.S_IFCHR, 1, 3},
		{"tty", unix.S_IFCHR, 5, 0},
		{"console", unix.S_IFCHR, 136, 0},
		{"mem", unix.S_IFCHR, 1, 1},
		{"dir/sub/kvm", unix.S_IFCHR, 10, 232},
		{"sda", unix.S_IFBLK, 8, 0},
		{"pts/9", unix.S_IFBLK, 8, 9},
		{"zero", unix.S_IFBLK, 1, 5},
		// Mounted elsewhere: one device, even read-only, and the node's whole /dev. Not
		// one that nodev closes, one below a file system that may hang, or what is in a
		// directory that is no devtmpfs.
		{"../vol/kmsg", unix.S_IFCHR, 1, 11},
		{"../vol/disk", unix.S_IFBLK, 8, 16},
		{"../vol/off", unix.S_IFBLK, 8, 32},
		{"../host/dev/sdb", unix.S_IFBLK, 8, 48},
		{"../host/dev/null", unix.S_IFCHR, 1, 3},
		{"../nfs/x", unix.S_IFBLK, 8, 64},
		{"../run/data/sdc", unix.S_IFBLK, 8, 80},
	} {
		err := unix.Mknod(dir+"/c/dev/"+d.path, d.mode|0o600, int(unix.Mkdev(d.major, d.minor)))
		if errors.Is(err, unix.EPERM) {
			t.Skip("making device nodes needs root and CAP_MKNOD")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	m := read(t, dir, fact.LevelFull, fact.Devices)
	want := []fact.Device{
		{Path: "/dev/dir/sub/kvm", Type: "c", Major: 10, Minor: 232},
		{Path: "/dev/mem", Type: "c", Major: 1, Minor: 1},
		{Path: "/dev/sda", Type: "b", Major: 8},
		{Path: "/dev/zero", Type: "b", Major: 1, Minor: 5}, // a block device of that number is no zero
		{Path: "/host/dev/sdb", Type: "b", Major: 8, Minor: 48},
		{Path: "/vol/disk", Type: "b", Major: 8, Minor: 16},
		{Path: "/vol/kmsg", Type: "c", Major: 1, Minor: 11},
	}
	if diff := cmp.Diff(want, m.Containers[0].Devices); diff != "" || m.Containers[0].DeviceFS != "tmpfs" || len(m.Gaps) > 0 {
		t.Errorf("devices (-want +got):\n%s on %q, gaps %v", diff, m.Containers[0].DeviceFS, m.Gaps)
	}
}
