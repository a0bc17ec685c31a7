package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

var (
	idA, idB, idC = strings.Repeat("a1", 32), strings.Repeat("b2", 32), strings.Repeat("c3", 32)
	masks         = cmp.AllowUnexported(fact.CapMask{})
)

const (
	podUID     = "12345678-9abc-def0-1234-56789abcdef0"
	podUnder   = "12345678_9abc_def0_1234_56789abcdef0"
	configHash = "0123456789abcdef0123456789abcdef"
	boot       = 1790000000
)

func ptr[T any](v T) *T { return &v }

func at(ticks int) fact.Time {
	return fact.NewTime(time.Unix(boot, 0).Add(time.Duration(ticks) * 10 * time.Millisecond))
}

// aProcess is what the plain values of fakeProcess give.
func aProcess(pid int, comm string, start int, change func(*fact.Process)) fact.Process {
	mask := fact.NewCapMask(0xa80425fb)
	p := fact.Process{
		PID: pid, InnerPID: 1, Comm: comm, Started: at(start), CapInh: fact.NewCapMask(0), CapPrm: mask, CapEff: mask, CapBnd: mask, CapAmb: fact.NewCapMask(0),
		NoNewPrivs: ptr(false), Seccomp: ptr(2), RootUID: ptr(int64(0)),
	}
	if change != nil {
		change(&p)
	}
	return p
}

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
		"cgroup version 1, cgroupfs, a static pod; and docker beside it": {
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
			if diff := cmp.Diff([]fact.Kind{fact.Processes, fact.Mounts}, m.Read); diff != "" || len(m.Gaps) > 0 {
				t.Errorf("read (-want +got):\n%s gaps %v", diff, m.Gaps)
			}
			if m.CapLastCap == nil || *m.CapLastCap != 40 || m.HostCapBnd != fact.NewCapMask(0x1ffffffffff) {
				t.Errorf("cap_last_cap %v, CapBnd of pid 1 %s", m.CapLastCap, m.HostCapBnd)
			}
		})
	}
}

// What level proc does not read is one gap a kind, which names the way to it.
func TestLevelProc(t *testing.T) {
	m := read(t, nodeFixture(t, []fakeProcess{initProcess}, ""), fact.LevelProc)
	var want []fact.NodeGap
	for _, kind := range []fact.Kind{fact.Executables, fact.Upperdir, fact.Devices, fact.Kernel, fact.Packages, fact.Etcd, fact.EncryptionConfig} {
		want = append(want, fact.NodeGap{What: kind, Reason: fact.NotRequested, Detail: "not read at probe level proc"})
	}
	if diff := cmp.Diff(want, m.Gaps); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]fact.Kind{fact.Processes, fact.Mounts}, m.Read); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	if m.HostUserNS != 0 {
		t.Error("a namespace was read at level proc")
	}
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

func TestGaps(t *testing.T) {
	app := fakeProcess{pid: 5, comm: "a", cgroup: "0::/docker/" + idA + "\n"}
	container := idA
	for name, tc := range map[string]struct {
		processes []fakeProcess
		spoil     func(dir string) error
		kinds     []fact.Kind
		read      []fact.Kind
		gaps      []fact.NodeGap
	}{
		"pid 1 is not visible: processes are not read": {
			processes: []fakeProcess{app}, kinds: []fact.Kind{fact.Processes, fact.Mounts},
			gaps: []fact.NodeGap{
				{What: fact.Processes, Reason: fact.NotPresent, Detail: "no processes: open DIR/proc/1: no such file or directory"},
				{What: fact.Mounts, Reason: fact.NotPresent, Detail: "no processes: open DIR/proc/1: no such file or directory"},
			},
		},
		"a root file system alone has no processes": {
			spoil: func(dir string) error { return os.RemoveAll(dir + "/proc") }, kinds: []fact.Kind{fact.Processes},
			gaps: []fact.NodeGap{{What: fact.Processes, Reason: fact.NotPresent, Detail: "no processes: open DIR/proc: no such file or directory"}},
		},
		"a status cut short is one process's gap": {
			processes: []fakeProcess{initProcess, app, {pid: 6, comm: "b", cgroup: "0::/docker/" + idA + "\n"}},
			spoil:     func(dir string) error { return os.Truncate(dir+"/proc/5/status", 40) }, kinds: []fact.Kind{fact.Processes}, read: []fact.Kind{fact.Processes},
			gaps: []fact.NodeGap{{What: fact.Processes, Reason: fact.Corrupt, Detail: `1 of 3 processes could not be read: pid 5: status line 5: cut short: "PPid"`}},
		},
		"mountinfo cut short is the container's gap": {
			processes: []fakeProcess{initProcess, app}, kinds: []fact.Kind{fact.Mounts}, read: []fact.Kind{fact.Mounts},
			spoil: func(dir string) error { return os.Truncate(dir+"/proc/5/mountinfo", 20) },
			gaps:  []fact.NodeGap{{What: fact.Mounts, Container: container, Reason: fact.Corrupt, Detail: `pid 5: mountinfo line 1: expected a lone hyphen behind the optional fields in "20 1 8:1 / / rw,rela"`}},
		},
		"a process that ended between listing and reading is no gap": {
			processes: []fakeProcess{initProcess, app}, kinds: []fact.Kind{fact.Processes}, read: []fact.Kind{fact.Processes},
			spoil: func(dir string) error { return os.Remove(dir + "/proc/5/status") },
		},
		"a process that changed its root sees no mount at /": {
			processes: []fakeProcess{initProcess, {pid: 5, comm: "a", cgroup: app.cgroup, mounts: "21 20 0:5 / /proc rw - proc proc rw\n"}},
			kinds:     []fact.Kind{fact.Mounts, fact.Devices, fact.Upperdir}, read: []fact.Kind{fact.Mounts, fact.Upperdir, fact.Devices},
			gaps: []fact.NodeGap{
				{What: fact.Mounts, Container: container, Reason: fact.NotPresent, Detail: "no process of it sees a mount at /: each has changed its root"},
				{What: fact.Devices, Container: container, Reason: fact.NotPresent, Detail: "its mount table was not read, so its /dev was not looked into"},
				{What: fact.Upperdir, Container: container, Reason: fact.NotPresent, Detail: "its mount table was not read, so its writable layer is not known"},
			},
		},
		"gVisor: what runs on the host is not the container": {
			processes: []fakeProcess{initProcess, {pid: 5, comm: "runsc-sandbox", cgroup: app.cgroup, exe: "/empty"}}, kinds: []fact.Kind{fact.Processes}, read: []fact.Kind{fact.Processes},
			gaps: []fact.NodeGap{{What: fact.Processes, Container: container, Reason: fact.Unsupported, Detail: `only "runsc-sandbox" of a sandboxed runtime runs for it; what is inside cannot be seen from the node`}},
		},
		"/dev on no tmpfs is not looked into": {
			processes: []fakeProcess{initProcess, {pid: 5, comm: "a", cgroup: app.cgroup, mounts: "20 1 0:9 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/u\n22 20 0:8 / /dev rw - fuse.sshfs sshfs rw\n"}},
			kinds:     []fact.Kind{fact.Devices}, read: []fact.Kind{fact.Devices},
			gaps: []fact.NodeGap{{What: fact.Devices, Container: container, Reason: fact.Unsupported, Detail: `its /dev is on "fuse.sshfs" and no tmpfs or devtmpfs`}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := nodeFixture(t, tc.processes, "-- empty --\n")
			if tc.spoil != nil {
				if err := tc.spoil(dir); err != nil {
					t.Fatal(err)
				}
			}
			m := read(t, dir, fact.LevelFull, tc.kinds...)
			for i := range m.Gaps {
				m.Gaps[i].Detail = strings.ReplaceAll(m.Gaps[i].Detail, dir, "DIR")
			}
			if diff := cmp.Diff(tc.gaps, m.Gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.read, m.Read); diff != "" {
				t.Errorf("read (-want +got):\n%s", diff)
			}
		})
	}
}

// A process beyond the limit is missing in all kinds that are read by process,
// and a container without a listed process in all kinds.
func TestTooManyProcesses(t *testing.T) {
	c := &Collector{opts: Options{Level: fact.LevelFull, Node: "n1"}, finished: map[fact.Kind]bool{}}
	running := func(id string, n int) *container {
		ct := &container{}
		ct.identity.ID = id
		for range n {
			ct.processes = append(ct.processes, &process{})
		}
		return ct
	}
	c.publish([]*container{running(idA, maxProcesses-1), running(idB, 2), running(idC, 1)})
	var listed []int
	for _, ct := range c.m.Containers {
		listed = append(listed, len(ct.Processes))
	}
	if diff := cmp.Diff([]int{maxProcesses - 1, 1, 0}, listed); diff != "" {
		t.Errorf("processes listed (-want +got):\n%s", diff)
	}
	missing := map[string][]fact.Kind{}
	for _, gap := range c.m.Gaps {
		if gap.Reason != fact.Truncated || gap.Detail != "more than 20000 processes in containers" {
			t.Errorf("gap %+v", gap)
		}
		missing[gap.Container] = append(missing[gap.Container], gap.What)
	}
	want := map[string][]fact.Kind{
		idB: {fact.Processes, fact.Executables},
		idC: {fact.Processes, fact.Mounts, fact.Executables, fact.Upperdir, fact.Devices},
	}
	if diff := cmp.Diff(want, missing); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
}

// A runtime on its way into a container is told by its parent.
func TestFindParents(t *testing.T) {
	a, b := &container{}, &container{}
	a.identity.ID, a.identity.PodUID = idA, podUID
	b.identity.ID, b.identity.PodUID = idB, podUID
	one := &container{}
	one.identity.ID = idC
	add := func(ct *container, pid, ppid int) *process {
		p := &process{pid: pid}
		p.stat.PPID = ppid
		if ct != nil {
			ct.processes = append(ct.processes, p)
		}
		return p
	}
	all := []*process{
		add(nil, 1, 0), add(nil, 10, 1), // init, and a shim
		add(a, 20, 10), add(a, 21, 20), add(a, 22, 99), add(a, 23, 0), // the shim's child, a child's, an unread process's, none
		add(b, 30, 20),                     // an orphan in a pod that shares its processes
		add(one, 40, 10), add(one, 41, 40), // a container without a pod
	}
	findParents(all, []*container{a, b, one})
	got := map[int]bool{}
	for _, p := range all {
		got[p.pid] = p.parentOutside
	}
	want := map[int]bool{1: false, 10: false, 20: true, 21: false, 22: false, 23: false, 30: false, 40: true, 41: false}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("parent outside, by pid (-want +got):\n%s", diff)
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
// stays measured, with the gaps beside it.
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
			if tc.detail != "" {
				want = []fact.NodeGap{{What: fact.Processes, Container: idA, Reason: fact.Unsupported, Detail: tc.detail}}
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

func TestDevices(t *testing.T) {
	const mounts = "20 1 0:9 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/u\n22 20 0:8 / /dev rw - tmpfs tmpfs rw\n23 22 0:7 / /dev/pts rw - devpts devpts rw\n"
	dir := nodeFixture(t, []fakeProcess{initProcess, {pid: 5, comm: "a", cgroup: "0::/docker/" + idA + "\n", root: "/c", mounts: mounts}},
		"-- c/dev/dir/sub/x --\n-- c/dev/pts/0 --\n-- c/dev/link --\n-> /dev/mem\n")
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
	}
	if diff := cmp.Diff(want, m.Containers[0].Devices); diff != "" || m.Containers[0].DeviceFS != "tmpfs" || len(m.Gaps) > 0 {
		t.Errorf("devices (-want +got):\n%s on %q, gaps %v", diff, m.Containers[0].DeviceFS, m.Gaps)
	}
}

func TestAPIServer(t *testing.T) {
	const secret = "c2VjcmV0LWtleS1vZi1hZXNjYmM0NTY3ODkwMTIzNDU="
	server := func(pid int, cgroup, cmdline string) fakeProcess {
		return fakeProcess{pid: pid, comm: "kube-apiserver", start: 100, cgroup: "0::" + cgroup + "\n", cmdline: cmdline, root: "/api"}
	}
	static := "/kubepods/burstable/pod" + configHash + "/" + idA
	files := `-- api/usr/bin/kube-apiserver --
x
-- etc/enc.yaml --
the node's own file, which is not the server's
-- api/etc/enc.yaml --
-> /real/enc.yaml
-- api/real/enc.yaml --
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - aescbc: {keys: [{name: key1, secret: MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=}]}
  - identity: {}
-- api/real/broken.yaml --
apiVersion: v1
kind: Pod
secret: ` + secret + `
`
	flags := "kube-apiserver --encryption-provider-config=/etc/enc.yaml --encryption_provider_config_automatic_reload --etcd-servers=https://user:hunter2@127.0.0.1:2379,https://10.0.0.1:2379 --token-auth-file=/hunter2 --service-account-signing-key hunter2"
	for name, tc := range map[string]struct {
		process fakeProcess
		want    []fact.APIServer
		gaps    []fact.NodeGap
	}{
		"flags, and the configuration below its own root": {
			process: server(9, static, flags),
			want: []fact.APIServer{{
				PID: 9, Started: at(100), EncryptionFlag: true,
				Flags: map[string]string{"encryption-provider-config": "/etc/enc.yaml", "encryption-provider-config-automatic-reload": "true", "etcd-servers": "https://127.0.0.1:2379,https://10.0.0.1:2379"},
				Encryption: &fact.EncryptionConfiguration{Path: "/etc/enc.yaml", AutoReload: true, Entries: []fact.EncryptionEntry{{
					Resources: []string{"secrets"}, Providers: []fact.EncryptionProvider{{Type: "aescbc", Keys: []string{"key1"}}, {Type: "identity"}},
				}}},
			}},
		},
		"no flag is no configuration": {
			process: server(9, static, "kube-apiserver --etcd-prefix /x"),
			want:    []fact.APIServer{{PID: 9, Started: at(100), Flags: map[string]string{"etcd-prefix": "/x"}}},
		},
		"a file that is missing is a gap": {
			process: server(9, static, "kube-apiserver --encryption-provider-config=none.yaml"),
			want:    []fact.APIServer{{PID: 9, Started: at(100), EncryptionFlag: true, Flags: map[string]string{"encryption-provider-config": "none.yaml"}}},
			gaps:    []fact.NodeGap{{What: fact.EncryptionConfig, Reason: fact.NotPresent, Detail: "kube-apiserver, pid 9: --encryption-provider-config: stat DIR/api/none.yaml: no such file or directory"}},
		},
		"another kind of file is a gap without a word of it": {
			process: server(9, static, "kube-apiserver --encryption-provider-config=/real/broken.yaml"),
			want:    []fact.APIServer{{PID: 9, Started: at(100), EncryptionFlag: true, Flags: map[string]string{"encryption-provider-config": "/real/broken.yaml"}}},
			gaps:    []fact.NodeGap{{What: fact.EncryptionConfig, Reason: fact.Corrupt}},
		},
		"an API server in an ordinary pod is another cluster's": {
			process: server(9, "/kubepods/burstable/pod"+podUID+"/"+idA, flags),
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := nodeFixture(t, []fakeProcess{initProcess, tc.process}, files)
			m := read(t, dir, fact.LevelFull, fact.EncryptionConfig)
			if diff := cmp.Diff(tc.want, m.APIServers, cmpopts.IgnoreFields(fact.EncryptionConfiguration{}, "Changed")); diff != "" {
				t.Errorf("API servers (-want +got):\n%s", diff)
			}
			for i := range m.Gaps {
				m.Gaps[i].Detail = strings.ReplaceAll(m.Gaps[i].Detail, dir, "DIR")
				if m.Gaps[i].Reason == fact.Corrupt {
					if text := fmt.Sprint(m.Gaps[i]); strings.Contains(text, secret) || strings.Contains(text, "Pod") {
						t.Errorf("the gap quotes the file: %s", text)
					}
					m.Gaps[i].Detail = ""
				}
			}
			if diff := cmp.Diff(tc.gaps, m.Gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			if !m.HasRead(fact.EncryptionConfig) {
				t.Error("the kind was looked for, and is not among those read")
			}
			if text := fmt.Sprintf("%+v", m); strings.Contains(text, "hunter2") || strings.Contains(text, secret) {
				t.Error("a secret got out")
			}
		})
	}
}

// k3s keeps its objects in SQLite: that is known, and not read.
func TestKine(t *testing.T) {
	dir := nodeFixture(t, []fakeProcess{initProcess, {pid: 9, comm: "k3s-server", fds: []string{"/etc/x", "/var/lib/rancher/k3s/server/db/state.db"}}},
		"-- etc/x --\n-- var/lib/rancher/k3s/server/db/state.db --\nSQLite format 3\n-- usr/bin/k3s-server --\n")
	m := read(t, dir, fact.LevelFull, fact.Etcd)
	want := []fact.NodeGap{{What: fact.Etcd, Reason: fact.Unsupported, Detail: "/var/lib/rancher/k3s/server/db/state.db: the cluster's objects are in SQLite (kine), which is not read"}}
	if diff := cmp.Diff(want, m.Gaps); diff != "" || m.HasRead(fact.Etcd) {
		t.Errorf("gaps (-want +got):\n%s, read %v", diff, m.Read)
	}
}

// A descriptor that ends like etcd's database and is none is a gap, not "no
// plaintext here".
func TestNotADatabase(t *testing.T) {
	dir := nodeFixture(t, []fakeProcess{initProcess, {pid: 9, comm: "etcd", fds: []string{"/var/lib/etcd/member/snap/db"}}},
		"-- var/lib/etcd/member/snap/db --\nnot bbolt\n-- usr/bin/etcd --\n")
	m := read(t, dir, fact.LevelFull, fact.Etcd)
	if len(m.Gaps) != 1 || m.Gaps[0].What != fact.Etcd || m.HasRead(fact.Etcd) || len(m.Etcd) != 0 {
		t.Errorf("gaps %v, read %v, databases %v; want one gap and nothing read", m.Gaps, m.Read, m.Etcd)
	}
}

// Whenever it is asked, a collector tells what it has, and that the rest is
// missing.
func TestSnapshotBeforeTheEnd(t *testing.T) {
	dir := nodeFixture(t, []fakeProcess{initProcess}, "")
	c, err := New(Options{Level: fact.LevelFull, Root: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	before := c.Snapshot()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c.Run(ctx)
	for name, m := range map[string]*fact.Measurement{"before Run": before, "after a Run without time": c.Snapshot()} {
		missing := map[fact.Kind]fact.Reason{}
		for _, gap := range m.Gaps {
			missing[gap.What] = gap.Reason
		}
		for _, k := range nodeTable() {
			if m.HasRead(k.Kind) == (missing[k.Kind] == fact.Timeout) {
				t.Errorf("%s: %s is read %v and has gap %q", name, k.Kind, m.HasRead(k.Kind), missing[k.Kind])
			}
		}
		if m.HasRead(fact.Processes) {
			t.Errorf("%s: processes are called read", name)
		}
	}
}

// Run and Snapshot at once: the race detector's test.
func TestSnapshotWhileRunning(t *testing.T) {
	processes := []fakeProcess{initProcess}
	for i := range 40 {
		processes = append(processes, fakeProcess{pid: 100 + i, comm: "p", cgroup: fmt.Sprintf("0::/docker/%064x\n", i/2)})
	}
	dir := nodeFixture(t, processes, "-- usr/bin/p --\nx\n")
	c, err := New(Options{Level: fact.LevelFull, Root: dir})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); c.Run(context.Background()) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		m := c.Snapshot()
		for _, k := range nodeTable() {
			gap := slices.ContainsFunc(m.Gaps, func(g fact.NodeGap) bool { return g.What == k.Kind && g.Container == "" })
			if !m.HasRead(k.Kind) && !gap {
				t.Fatalf("%s is neither read nor missing", k.Kind)
			}
		}
	}
	if m := c.Snapshot(); len(m.Containers) != 20 || !m.HasRead(fact.Executables) {
		t.Errorf("%d containers, read %v", len(m.Containers), m.Read)
	}
	c.Close()
}

// A panic in a worker reaches whoever called Run.
func TestPanicReachesTheCaller(t *testing.T) {
	defer func() {
		if v := recover(); v != "here" {
			t.Errorf("recovered %v", v)
		}
	}()
	each(context.Background(), 5, func(i int, _ []byte) {
		if i == 3 {
			panic("here")
		}
	})
	t.Error("each returned")
}

func TestNewErrors(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/file", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		opts Options
		want string
		is   error
	}{
		"no such root":         {opts: Options{Level: fact.LevelFull, Root: dir + "/none"}, want: "opening the node's root directory: open DIR/none: no such file or directory", is: fs.ErrNotExist},
		"a file as root":       {opts: Options{Level: fact.LevelFull, Root: dir + "/file"}, want: "opening the node's root directory: open DIR/file: not a directory", is: unix.ENOTDIR},
		"no such proc":         {opts: Options{Level: fact.LevelFull, Proc: dir + "/none"}, want: "opening the node's /proc: open DIR/none: no such file or directory", is: fs.ErrNotExist},
		"nothing at all":       {opts: Options{Level: fact.LevelFull}, want: "neither Root nor Proc is given"},
		"level api reads none": {opts: Options{Level: fact.LevelAPI, Root: dir}, want: `level "api": expected "proc" or "full"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Local(context.Background(), tc.opts)
			if err == nil || strings.ReplaceAll(err.Error(), dir, "DIR") != tc.want || tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("error %v\nwant  %s", err, tc.want)
			}
		})
	}
}

func TestReasons(t *testing.T) {
	for want, errs := range map[fact.Reason][]error{
		fact.Unreadable: {unix.EACCES, unix.EPERM, unix.EIO, rootfs.ErrNotRegular, rootfs.ErrAutomount, &fs.PathError{Op: "open", Path: "/x", Err: unix.EACCES}},
		fact.Truncated:  {rootfs.ErrTooLarge},
		fact.NotPresent: {unix.ENOENT, unix.ENOTDIR},
		fact.Corrupt:    {errors.New("status: no line Uid")},
	} {
		for _, err := range errs {
			if got := reasonOf(err); got != want {
				t.Errorf("%v: %s, want %s", err, got, want)
			}
		}
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"https://127.0.0.1:2379":                 "https://127.0.0.1:2379",
		"https://u:p@h:1,http://q@g/path@x":      "https://h:1,http://g/path@x",
		"/events#https://u:p@a:1;https://u:p@b":  "/events#https://a:1;https://b",
		"/registry":                              "/registry",
		"a\xff":                                  `a\xff`,
		"https://u:p@evil@host:1":                "https://host:1",
		"/a#https://u:p@a;https://x,/b#http://c": "/a#https://a;https://x,/b#http://c",
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
}

// benchmarkNode is a node with 500 processes in 100 containers.
func benchmarkNode(b *testing.B) string {
	processes := []fakeProcess{initProcess}
	mounts := strings.Builder{}
	mounts.WriteString("100 1 0:50 / / rw,relatime - overlay overlay rw,lowerdir=/l/2:/l/1,upperdir=/u/3/fs,workdir=/u/3/work\n")
	for i := range 41 {
		fmt.Fprintf(&mounts, "%d 100 8:1 /var/lib/x%d /mnt/%d rw,relatime - ext4 /dev/sda1 rw,errors=remount-ro\n", 101+i, i, i)
	}
	for i := range 500 {
		p := fakeProcess{pid: 100 + i, ppid: 1, comm: "p", start: i}
		if i >= 100 {
			p.cgroup = fmt.Sprintf("0::/kubepods/burstable/pod%s/%064x\n", podUID, i/4)
			p.mounts = mounts.String()
		}
		processes = append(processes, p)
	}
	return nodeFixture(b, processes, "-- usr/bin/p --\nx\n")
}

// BenchmarkProcesses is level proc on a directory that looks like 500 processes:
// each file costs more system calls there than in the kernel's /proc.
func BenchmarkProcesses(b *testing.B) {
	dir := benchmarkNode(b)
	b.ReportAllocs()
	for b.Loop() {
		if m := read(b, dir, fact.LevelProc, fact.Processes, fact.Mounts); m.Cost.Processes != 501 {
			b.Fatalf("%d processes", m.Cost.Processes)
		}
	}
}

// BenchmarkLive reads the processes of this machine and 500 more of our own.
func BenchmarkLive(b *testing.B) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		b.Fatal(err)
	}
	for range 500 {
		cmd := exec.Command(sleep, "600")
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	}
	b.Run("os.ReadFile", func(b *testing.B) { // the same files, not parsed: what to compare with
		b.ReportAllocs()
		before := cpuTime(b)
		defer func() { b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N)/1000, "cpu-ms/op") }()
		for b.Loop() {
			entries, err := os.ReadDir("/proc")
			if err != nil {
				b.Fatal(err)
			}
			for _, e := range entries {
				if e.Name()[0] < '0' || e.Name()[0] > '9' {
					continue
				}
				for _, name := range []string{"stat", "status", "cgroup", "uid_map"} {
					_, _ = os.ReadFile("/proc/" + e.Name() + "/" + name)
				}
			}
		}
	})
	for _, level := range []fact.Level{fact.LevelProc, fact.LevelFull} {
		b.Run(string(level), func(b *testing.B) {
			b.ReportAllocs()
			before := cpuTime(b)
			defer func() { b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N)/1000, "cpu-ms/op") }()
			for b.Loop() {
				m, err := Local(context.Background(), Options{Level: level, Proc: "/proc", Root: "/", Live: true, Kinds: []fact.Kind{fact.Processes, fact.Mounts}})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(m.Cost.Processes), "processes")
			}
		})
	}
}

// cpuTime is what this process has used so far: on a busy machine the time that
// passes says little.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// A container that may mount chooses how long its table is. It loses its own
// mounts by that, with a gap, and costs the others nothing.
func TestMountTableTooLong(t *testing.T) {
	const root = "100 1 0:50 / / ro - overlay overlay ro,lowerdir=/l,upperdir=/u,workdir=/w\n"
	long := root + strings.Repeat("101 100 0:51 / /m rw - tmpfs tmpfs rw\n", maxContainerMountInfo/38+1)
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

// nodeTable is the table of kinds that a node gives.
func nodeTable() []fact.KindInfo {
	return slices.DeleteFunc(slices.Clone(fact.Table), func(k fact.KindInfo) bool { return k.Holder == fact.OfCluster })
}
