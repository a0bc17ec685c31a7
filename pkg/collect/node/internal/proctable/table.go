// Package proctable is the process table of a node: handles of /proc, what was
// read of every process, and the containers that they make up. Readers find it
// filled; nothing in it changes once files are read.
package proctable

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/ledger"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Table is one node.
type Table struct {
	FS // its /proc; Dir is nil where there is none
	// Root is its root directory, nil if it could not be opened.
	Root    *rootfs.Root
	RootErr error
	// Sys is the caller's own /sys, nil where Dir is not the kernel's: sysfs shows
	// every process the same processor.
	Sys *rootfs.Root
	// OwnRoot says that Root was named by the caller, not found at pid 1.
	OwnRoot bool
	// Self is the caller's /proc/self, nil if not mounted.
	Self *rootfs.Root
	// Level is the probe's.
	Level fact.Level
	// SelfPID is the pid of the probe, 0 if the caller is no container of the
	// node; SelfPodUID is its pod's UID.
	SelfPID    int
	SelfPodUID string

	// NoLabels: there is no security module that labels processes.
	NoLabels bool

	// Boot is btime of /proc/stat: whole seconds, cut off. BootExact is the same to 20 ms,
	// zero if unknown.
	Boot       time.Time
	BootExact  time.Time
	HostRoot   RootKey
	HostUserNS uint64
	HostPIDNS  uint64
	HostNetNS  uint64
	HostMntNS  uint64
	// Mounts is the node's own mount table: of pid 1, or the caller's with
	// --local.
	Mounts *MountTable

	Processes []*Process
	// Linked says that roots and namespaces of processes were read. What follows is
	// what Group made of the processes.
	Linked bool
	// NodeID is the id in pid 1's cgroup path, where the node is itself a container
	// (kind, minikube): all of its processes have it.
	NodeID     string
	Containers []*Container // by id
	// Host are the processes of the host, by pid. Apart are those of them with a root
	// directory of their own.
	Host  []*Process
	Apart []Apart
	// Undecided are those of which not enough could be read.
	Undecided []*Process
}

// Full reports whether files of the node can be read.
func (t *Table) Full() bool { return t.Level == fact.LevelFull && t.RootErr == nil }

// Local reports whether the caller is a process of the node itself that named
// its own root: --local.
func (t *Table) Local() bool { return t.Live && t.OwnRoot && t.SelfPID == 0 && t.Self != nil }

// NodeMounts is the node's own mount table, nil if unread.
func (t *Table) NodeMounts() []procfs.MountInfo {
	if t.Mounts == nil {
		return nil
	}
	return t.Mounts.Mounts
}

// Process is what was read of one process.
type Process struct {
	PID int
	// Thread is the thread that all of this was read of, because the process's first
	// one has ended and shows nothing but its end; 0 for the process itself.
	Thread   int
	Ino      uint64 // see PID
	Stat     procfs.Stat
	Status   procfs.Status
	Identity procfs.Identity
	RootUID  *int64
	// Of processes in containers: the security label, and the threads. ThreadsErr is
	// why some threads were not read.
	Detailed   bool // read, or tried
	Label      string
	Threads    *fact.Threads
	ThreadsErr error
	// Below here only level full reads.
	NS   struct{ User, PID, Net, IPC, Mnt uint64 }
	Root RootKey // zero: unread
	// RootFS is the type of the file system of its root, read only where it decides;
	// "chroot" where no mount is there.
	RootFS string
	// Ended: it has ended before its links were read. LinkErr is why they could not
	// be read.
	Ended   bool
	LinkErr error
	// Builder is the text of the link exe of a process in no container that makes
	// images.
	Builder string
	// Moved is the id in its cgroup path where Group found that it is of another
	// container.
	Moved string
	// Mounts is its mount table; shared with other processes, nil if unread.
	Mounts *MountTable
	// Parent is its parent, if it is in a container and the parent was read.
	Parent *Process
	// ParentOutside: its parent was read, is not a process of its own pod, and has not
	// adopted it as an orphan.
	ParentOutside bool
}

// RootKey identifies its root directory.
type RootKey struct{ Mount, Dev, Ino uint64 }

// Known reports whether it was read.
func (k RootKey) Known() bool { return k != RootKey{} }

// SameDir compares the directories, not the mounts through which they are
// reached.
func (k RootKey) SameDir(o RootKey) bool { return k.Known() && k.Dev == o.Dev && k.Ino == o.Ino }

// MountTable is a mountinfo, or why there is none.
type MountTable struct {
	Mounts []procfs.MountInfo
	Err    error
}

// HasRoot reports whether there is a mount at "/". After a chroot into a
// directory that is not a mount point there is none.
func (t *MountTable) HasRoot() bool {
	return t != nil && slices.ContainsFunc(t.Mounts, func(m procfs.MountInfo) bool { return m.Point == "/" })
}

// Read reports whether it was read and has a mount at "/".
func (t *MountTable) Read() bool { return t != nil && t.Err == nil && t.HasRoot() }

// Container is the processes of one.
type Container struct {
	Identity procfs.Identity
	FoundBy  fact.FoundBy
	// Self is the caller's own.
	Self bool
	// Sandbox is a pod's pause container. ByName: only names show this.
	Sandbox, ByName bool
	Processes       []*Process // by start, so that its first one is the first
}

// Key is its id in the ledger.
func (ct *Container) Key() string { return ledger.KeyOf(ct.Identity.ID) }

// Main is the process through whose root the container is read: the first one
// that sees a mount at "/".
func (ct *Container) Main() *Process {
	for _, p := range ct.Processes {
		if p.Mounts.HasRoot() {
			return p
		}
	}
	return ct.Processes[0]
}

// FindParents finds the parent of each process in a container, and whether it was
// started from outside. In a pod that shares its processes, orphans become children of
// another of its containers, so the pod is what counts. A parent that was not read
// proves nothing: it may have ended, and have been the container's own. What has its
// pid and is younger is another process.
func (t *Table) FindParents() {
	pod := func(ct *Container) string { return cmp.Or(ct.Identity.PodUID, ct.Key()) }
	read := make(map[int]*Process, len(t.Processes))
	for _, p := range t.Processes {
		read[p.PID] = p
	}
	in := map[int]string{}
	for _, ct := range t.Containers {
		for _, p := range ct.Processes {
			in[p.PID] = pod(ct)
		}
	}
	for _, ct := range t.Containers {
		if len(ct.Processes) == 0 {
			continue
		}
		main := slices.MinFunc(ct.Processes, earlier)
		for _, p := range ct.Processes {
			if p.Parent = read[p.Stat.PPID]; p.Parent != nil && p.Parent.Stat.StartTime > p.Stat.StartTime {
				p.Parent = nil
			}
			// In a container with the host's process ids the orphans go to the shim or
			// to pid 1, as the first process does. A runtime that enters later is the
			// parent of what it starts.
			adopted := p != main && (p.Stat.PPID == 1 || p.Stat.PPID == main.Stat.PPID)
			p.ParentOutside = p.Parent != nil && in[p.Stat.PPID] != pod(ct) && !adopted
		}
	}
}

// Comm prepares a process's or thread's name for a fact. The kernel's have 15 bytes,
// those of its own threads 63; a directory that looks like /proc can hold any.
func Comm(name string) string { return rootfs.Text(name[:min(len(name), 64)]) }

// Facts turns a process into what is saved.
func (t *Table) Facts(p *Process) fact.Process {
	s := &p.Status
	return fact.Process{
		PID: p.PID, InnerPID: s.InnerPID, Comm: Comm(s.Name), Started: t.Started(p), UID: s.UID, GID: s.GID,
		CapInh: s.CapInh, CapPrm: s.CapPrm, CapEff: s.CapEff, CapBnd: s.CapBnd, CapAmb: s.CapAmb,
		NoNewPrivs: s.NoNewPrivs, Seccomp: s.Seccomp, RootUID: p.RootUID, Moved: p.Moved,
		Label: rootfs.Text(p.Label), Groups: s.Groups, Threads: p.Threads,
		UserNS: p.NS.User, PIDNS: p.NS.PID, NetNS: p.NS.Net, IPCNS: p.NS.IPC,
	}
}

// Started is when a process was started, zero if the boot time is unread.
func (t *Table) Started(p *Process) fact.Time {
	at := p.Stat.Started(t.Boot)
	if at.IsZero() {
		return fact.Time{}
	}
	return fact.NewTime(at)
}

// Exe opens what a process runs: it returns the text of the link, and the file
// with the id of its mount. The caller closes the file.
func (t *Table) Exe(d *PID, p *Process) (text string, file *rootfs.Handle, info rootfs.Info, err error) {
	return t.LinkedFile(d, p, procfs.NameExe)
}

// LinkedFile is Exe for any link to a file: exe, fd/N.
func (t *Table) LinkedFile(d *PID, p *Process, name procfs.Name) (text string, file *rootfs.Handle, info rootfs.Info, err error) {
	if text, err = d.Link(name); err != nil {
		return "", nil, rootfs.Info{}, err
	}
	if file, err = d.File(name); err != nil {
		return text, nil, rootfs.Info{}, err
	}
	info = file.Info()
	switch {
	case !t.Live:
		// In a directory that only looks like /proc, the kernel's mount ids mean
		// nothing.
		info.MountID, info.HasMountID = 0, false
		if p.Mounts != nil {
			info.MountID, info.HasMountID = MountByName(p.Mounts.Mounts, text)
		}
	case !info.HasMountID:
		info.MountID, info.HasMountID = t.mountOfFD(file.FD())
	}
	return text, file, info, nil
}

// mountOfFD reads the mount of an own descriptor where statx does not report
// it, before Linux 5.8.
func (t *Table) mountOfFD(fd int) (uint64, bool) {
	if t.Self == nil {
		return 0, false
	}
	data, err := t.Self.ReadFile(string(procfs.NameFDInfo)+"/"+strconv.Itoa(fd), 4096)
	if err != nil {
		return 0, false
	}
	for line := range strings.SplitSeq(string(data), "\n") {
		if value, ok := strings.CutPrefix(line, "mnt_id:"); ok {
			id, err := strconv.ParseUint(strings.TrimSpace(value), 10, 64)
			return id, err == nil
		}
	}
	return 0, false
}

// MountByName finds the mount of a path only by its name.
func MountByName(table []procfs.MountInfo, name string) (id uint64, ok bool) {
	longest := -1
	for i := range table {
		m := &table[i]
		under := m.Point == "/" || name == m.Point || strings.HasPrefix(name, m.Point+"/")
		if under && len(m.Point) >= longest {
			longest, id, ok = len(m.Point), m.ID, true
		}
	}
	return id, ok
}
