package node

import (
	"cmp"
	"context"
	"fmt"
	iofs "io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/overlay"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// container is one container while it is read.
type container struct {
	identity procfs.Identity
	self     bool
	sandbox  bool
	// byName: nothing but names says that it is a sandbox.
	byName    bool
	processes []*process // by start, so that its first one is the first
	index     int        // in Measurement.Containers
	layers    *overlay.Container
}

// selfKey stands for the probe's own container where its cgroup namespace hides
// the id.
const selfKey = "self"

func (ct *container) key() string {
	if ct.identity.ID == "" {
		return selfKey
	}
	return ct.identity.ID
}

// main is the process by whose root the container is looked at: the first one
// that sees a mount at "/".
func (ct *container) main() *process {
	for _, p := range ct.processes {
		if p.table.hasRoot() {
			return p
		}
	}
	return ct.processes[0]
}

// group sorts processes into containers, by cgroup. A process that left its
// cgroup (it takes SYS_ADMIN) and kept the container's root is the container's
// still. What is left is the host's.
func (c *Collector) group(all []*process) []*container {
	byID := map[string]*container{}
	byRoot := map[rootKey]*container{}
	var rest []*process
	for _, p := range all {
		id := p.identity
		self := p.pid == c.opts.SelfPID
		if id.ID == "" && !self {
			rest = append(rest, p)
			continue
		}
		if c.opts.SelfPodUID != "" && (id.SamePod || self && id.PodUID == "") {
			id.PodUID, id.Kubernetes = c.opts.SelfPodUID, true
		}
		key := id.ID
		if key == "" {
			key = selfKey
		}
		ct := byID[key]
		if ct == nil {
			ct = &container{identity: id}
			byID[key] = ct
		}
		ct.self = ct.self || self
		ct.processes = append(ct.processes, p)
		if p.root.read() && !p.root.sameDir(c.hostRoot) {
			byRoot[rootKey{dev: p.root.dev, ino: p.root.ino}] = ct
		}
	}
	hostProcesses := 0
	for _, p := range rest {
		if ct := byRoot[rootKey{dev: p.root.dev, ino: p.root.ino}]; ct != nil && p.root.read() {
			ct.processes = append(ct.processes, p)
			continue
		}
		hostProcesses++
	}
	containers := make([]*container, 0, len(byID))
	for _, ct := range byID {
		slices.SortFunc(ct.processes, func(a, b *process) int {
			return cmp.Or(cmp.Compare(a.stat.StartTime, b.stat.StartTime), cmp.Compare(a.pid, b.pid))
		})
		containers = append(containers, ct)
	}
	slices.SortFunc(containers, func(a, b *container) int { return cmp.Compare(a.identity.ID, b.identity.ID) })
	if c.wants(fact.Processes) {
		c.update(func(m *fact.Measurement) { m.HostProcesses = hostProcesses })
	}
	return containers
}

// findParents tells of every process in a container whether it was started from
// outside. In a pod that shares its processes, orphans become children of
// another of its containers, so the pod is what counts. A parent that was not
// read proves nothing: it may have ended, and have been the container's own.
func findParents(all []*process, containers []*container) {
	pod := func(ct *container) string { return cmp.Or(ct.identity.PodUID, ct.key()) }
	read := make(map[int]bool, len(all))
	for _, p := range all {
		read[p.pid] = true
	}
	in := map[int]string{}
	for _, ct := range containers {
		for _, p := range ct.processes {
			in[p.pid] = pod(ct)
		}
	}
	for _, ct := range containers {
		for _, p := range ct.processes {
			p.parentOutside = read[p.stat.PPID] && in[p.stat.PPID] != pod(ct)
		}
	}
}

// containerKinds are those that say something about containers.
func containerKinds() []fact.Kind { return fact.KindsOf(fact.OfContainer) }

// maxProcesses bounds the processes that are listed of one node.
const maxProcesses = 20_000

// publish makes the containers known, in place of what was known before.
func (c *Collector) publish(containers []*container) {
	if !slices.ContainsFunc(containerKinds(), c.asked) {
		return
	}
	out := make([]fact.MeasuredContainer, 0, len(containers))
	left := maxProcesses
	for i, ct := range containers {
		ct.index = i
		mc := fact.MeasuredContainer{
			ID: ct.identity.ID, PodUID: rootfs.Text(ct.identity.PodUID), Kubernetes: ct.identity.Kubernetes, Runtime: ct.identity.Runtime,
			Cgroup: rootfs.Text(ct.identity.Path), Sandbox: ct.sandbox, Self: ct.self,
		}
		for _, p := range ct.processes {
			if left == 0 {
				// An executable is a process's fact; what else is read of a
				// container has no place where none of its processes is listed.
				lost := []fact.Kind{fact.Processes, fact.Executables}
				if len(mc.Processes) == 0 {
					lost = containerKinds()
				}
				for _, kind := range lost {
					c.containerGap(ct, fact.NodeGap{What: kind, Reason: fact.Truncated, Detail: fmt.Sprintf("more than %d processes in containers", maxProcesses)})
				}
				break
			}
			left--
			mc.Processes = append(mc.Processes, c.facts(p))
		}
		out = append(out, mc)
	}
	c.update(func(m *fact.Measurement) { m.Containers = out })
}

// forget drops a process that has ended since it was listed: there is nothing
// to say of it.
func (c *Collector) forget(ct *container, p *process) {
	c.change(ct, func(mc *fact.MeasuredContainer) {
		mc.Processes = slices.DeleteFunc(mc.Processes, func(f fact.Process) bool { return f.PID == p.pid })
	})
}

// forgetEnded drops containers without a process left.
func (c *Collector) forgetEnded() {
	c.update(func(m *fact.Measurement) {
		m.Containers = slices.DeleteFunc(m.Containers, func(mc fact.MeasuredContainer) bool { return len(mc.Processes) == 0 })
	})
}

// change changes one published container.
func (c *Collector) change(ct *container, do func(*fact.MeasuredContainer)) {
	c.update(func(m *fact.Measurement) {
		if ct.index < len(m.Containers) && m.Containers[ct.index].ID == ct.identity.ID {
			do(&m.Containers[ct.index])
		}
	})
}

// markSandboxes finds the pods' pause containers. A pause process alone proves
// nothing, as any container may call its one process so. containerd mounts
// files of the sandbox into all containers of a pod, from a directory that has
// the sandbox's id for its name: where that shows, it decides. Elsewhere the
// program has to be /pause, where that can be read, and readExecutables asks
// whether it is the image's. At level proc the name is all there is, and checks
// take it only for a container that the API does not know.
func (c *Collector) markSandboxes(containers []*container, full bool) {
	buf := make([]byte, bufferSize)
	for _, ct := range containers {
		if ct.identity.PodUID == "" || len(ct.processes) != 1 {
			continue
		}
		p := ct.processes[0]
		ct.sandbox = p.status.Name == "pause"
		ct.byName = ct.sandbox
		if p.table != nil {
			for i := range p.table.mounts {
				if id := sandboxOf(p.table.mounts[i].Root); id != "" {
					ct.sandbox, ct.byName = ct.sandbox && id == ct.identity.ID, false
				}
			}
		}
		if full && ct.byName {
			text := c.exeText(p, buf)
			ct.sandbox = text == pausePath || text == ""
		}
	}
}

// pausePath is where the pause image has its only program.
const pausePath = "/pause"

// exeText is the text of the link exe, "" if it cannot be read.
func (c *Collector) exeText(p *process, buf []byte) string {
	d, err := c.reopen(p, buf)
	if err != nil {
		return ""
	}
	defer d.close()
	text, err := d.link(procfs.NameExe)
	if err != nil {
		return ""
	}
	return text
}

// isPause tells whether an executable may be the pause image's. Where the root
// is no overlay, nothing tells files of the image from others.
func isPause(exe *fact.Executable) bool {
	return exe.Path == pausePath && (exe.Origin == fact.OriginImage || exe.Origin == fact.OriginUnknown && exe.FSType != "overlay")
}

// sandboxOf takes the sandbox's id out of the path of a file that containerd or
// CRI-O keeps for it: ".../sandboxes/ID/resolv.conf".
func sandboxOf(root string) string {
	_, rest, ok := strings.Cut(root, "/sandboxes/")
	if !ok {
		return ""
	}
	id, _, ok := strings.Cut(rest, "/")
	if !ok || len(id) != 64 {
		return ""
	}
	return id
}

// sandboxed are the processes that a sandboxed runtime (gVisor, Kata) runs on
// the host in a container's place.
func sandboxed(comm string) bool {
	switch comm {
	case "runsc", "runsc-sandbox", "runsc-gofer", "firecracker", "cloud-hyperviso", "cloud-hypervisor", "dragonball", "virtiofsd", "kata-shim", "stratovirt":
		return true
	}
	return strings.HasPrefix(comm, "qemu-system-")
}

// dropSandboxed leaves out containers of which nothing but such a runtime is
// seen: its capabilities are not the container's, so to list them would lie.
// Names are the processes' own choice: without proof that the programs are the
// node's a container stays measured, so that a finding in it still counts, and
// the gaps stand beside.
func (c *Collector) dropSandboxed(containers []*container, full bool) []*container {
	return slices.DeleteFunc(containers, func(ct *container) bool {
		for _, p := range ct.processes {
			if !sandboxed(p.status.Name) {
				return false
			}
		}
		name := rootfs.Text(ct.processes[0].status.Name)
		gap := fact.NodeGap{Reason: fact.Unsupported, Detail: fmt.Sprintf("only %q of a sandboxed runtime runs for it; what is inside cannot be seen from the node", name)}
		buf := make([]byte, bufferSize)
		proven := full && !slices.ContainsFunc(ct.processes, func(p *process) bool { return !c.runsFromNode(p, buf) })
		if !proven {
			gap.Detail = fmt.Sprintf("only %q runs for it, like a sandboxed runtime, but nothing proves that this program is the node's; what a sandbox holds cannot be seen from the node", name)
		}
		for _, kind := range containerKinds() {
			gap.What = kind
			c.containerGap(ct, gap)
		}
		return proven
	})
}

// runsFromNode tells whether the executable is a program of the node's, by its
// mount: one of the node's own mount namespace, where a bind of it into a
// container would have another id; or, for runtimes that have copied that
// namespace and then left it (runsc), one that the process no longer sees, while
// the node has the very same file, of such a runtime's name, at the same path.
func (c *Collector) runsFromNode(p *process, buf []byte) bool {
	d, err := c.reopen(p, buf)
	if err != nil {
		return false
	}
	defer d.close()
	text, err := d.link(procfs.NameExe)
	if err != nil {
		return false
	}
	handle, err := d.file(procfs.NameExe)
	if err != nil {
		return false
	}
	defer func() { _ = handle.Close() }()
	info := handle.Info()
	switch {
	case !c.proc.live:
		info.MountID, info.HasMountID = fixtureMount(p.table, text)
	case !info.HasMountID:
		info.MountID, info.HasMountID = c.mountOfFD(handle.FD())
	}
	if info.HasMountID && procfs.Find(c.nodeMounts(), info.MountID) != nil {
		return true
	}
	if p.table == nil || p.table.err != nil || p.ns.mnt == 0 || c.root == nil || !sandboxed(path.Base(text)) ||
		c.proc.live && (!info.HasMountID || !c.liesOn(text, info.Dev)) ||
		info.HasMountID && procfs.Find(p.table.mounts, info.MountID) != nil {
		return false
	}
	node, err := c.root.Lstat(text)
	return err == nil && node.Dev == info.Dev && node.Ino == info.Ino
}

// liesOn tells whether the node has that device where a path lies, so that
// looking there touches no other file system, which may hang.
func (c *Collector) liesOn(name string, dev uint64) bool {
	mounts := c.nodeMounts()
	id, ok := fixtureMount(&mountTable{mounts: mounts}, name)
	if !ok {
		return false
	}
	m := procfs.Find(mounts, id)
	return unix.Mkdev(m.Major, m.Minor) == dev
}

// nodeMounts is the node's own mount table, nil if unread.
func (c *Collector) nodeMounts() []procfs.MountInfo {
	if c.table == nil {
		return nil
	}
	return c.table.mounts
}

// readContainerMounts publishes root mount and writable mounts.
func (c *Collector) readContainerMounts(containers []*container) {
	if !c.asked(fact.Mounts) {
		return
	}
	for _, ct := range containers {
		p := ct.main()
		switch {
		case p.table == nil || p.table.err != nil && gone(p.table.err):
			c.containerGap(ct, fact.NodeGap{What: fact.Mounts, Reason: fact.Changing, Detail: "its processes ended before their mounts were read"})
			continue
		case p.table.err != nil:
			c.containerGap(ct, fact.NodeGap{What: fact.Mounts, Reason: reasonOf(p.table.err), Detail: errorText(p.table.err)})
			continue
		case !p.table.hasRoot():
			c.containerGap(ct, fact.NodeGap{What: fact.Mounts, Reason: fact.NotPresent, Detail: "no process of it sees a mount at /: each has changed its root"})
		}
		root, others := c.mountsOf(p.table.mounts)
		c.change(ct, func(mc *fact.MeasuredContainer) { mc.Root, mc.Mounts = root, others })
	}
}

// mountsOf picks the mount at "/", and the others that can be written to. Of
// several on one point the last is on top.
func (c *Collector) mountsOf(table []procfs.MountInfo) (root *fact.Mount, others []fact.Mount) {
	top := make(map[string]int, len(table))
	for i := range table {
		top[table[i].Point] = i
	}
	for i := range table {
		m := &table[i]
		if top[m.Point] != i {
			continue
		}
		if m.Point == "/" {
			mount := c.mountFact(m)
			root = &mount
			continue
		}
		if m.ReadOnly() || m.Pseudo() || masked(m) {
			continue
		}
		others = append(others, c.mountFact(m))
	}
	slices.SortFunc(others, func(a, b fact.Mount) int { return cmp.Compare(a.Path, b.Path) })
	return root, others
}

// masked tells the binds of /dev/null with which runtimes hide files of /proc
// and /sys: they show as a writable mount of a device node.
func masked(m *procfs.MountInfo) bool {
	return m.Root == "/null" && (m.FSType == "tmpfs" || m.FSType == "devtmpfs") &&
		(strings.HasPrefix(m.Point, "/proc/") || strings.HasPrefix(m.Point, "/sys/"))
}

func (c *Collector) mountFact(m *procfs.MountInfo) fact.Mount {
	out := fact.Mount{
		Path: rootfs.Text(m.Point), FSType: rootfs.Text(m.FSType), Source: rootfs.Text(m.Source), ReadOnly: m.ReadOnly(),
		NoExec: m.Has("noexec"), NoSuid: m.Has("nosuid"), NoDev: m.Has("nodev"),
	}
	if m.Point != "/" {
		out.Volume = rootfs.Text(overlay.VolumeOf(*m, c.nodeMounts()))
	}
	if m.FSType == "overlay" {
		if options, err := overlay.ParseOptions(m.SuperOptions); err == nil {
			out.Upperdir = rootfs.Text(options.Upperdir)
		}
	}
	return out
}

// maxDevices bounds the devices listed of a container, maxDeviceNames the names
// that are looked at.
const (
	maxDevices     = 256
	maxDeviceNames = 10_000
	maxDeviceDepth = 4
)

// readDevices lists the device nodes in every container's /dev that no runtime
// gives by default. They are looked at, never opened.
func (c *Collector) readDevices(ctx context.Context, containers []*container) {
	if !c.wants(fact.Devices) {
		return
	}
	buf := make([]byte, bufferSize)
	for _, ct := range containers {
		if ctx.Err() != nil {
			return
		}
		c.devicesOf(ct, buf)
	}
	c.done(fact.Devices)
}

func (c *Collector) devicesOf(ct *container, buf []byte) {
	p := ct.main()
	if p.table == nil || p.table.err != nil || !p.table.hasRoot() {
		c.containerGap(ct, fact.NodeGap{What: fact.Devices, Reason: fact.NotPresent, Detail: "its mount table was not read, so its /dev was not looked into"})
		return
	}
	inside := map[string]bool{} // mount points below /dev: other file systems
	fsType := ""
	for i := range p.table.mounts {
		m := &p.table.mounts[i]
		switch {
		case m.Point == "/":
			if fsType == "" {
				fsType = m.FSType
			}
		case m.Point == "/dev":
			fsType = m.FSType
		case strings.HasPrefix(m.Point, "/dev/"):
			inside[m.Point] = true
		}
	}
	c.change(ct, func(mc *fact.MeasuredContainer) { mc.DeviceFS = rootfs.Text(fsType) })
	if fsType != "tmpfs" && fsType != "devtmpfs" {
		// No /dev of the runtime's making: a directory of the image, or a mount
		// that may hang. Without a device cgroup entry its nodes open nothing.
		c.containerGap(ct, fact.NodeGap{What: fact.Devices, Reason: fact.Unsupported, Detail: fmt.Sprintf("its /dev is on %q and no tmpfs or devtmpfs", rootfs.Text(fsType))})
		return
	}
	d, err := c.reopen(p, buf)
	if err != nil {
		c.containerGap(ct, fact.NodeGap{What: fact.Devices, Reason: fact.Changing, Detail: fmt.Sprintf("pid %d, by which its /dev is seen, has ended", p.pid)})
		return
	}
	defer d.close()
	root, err := d.root()
	if err != nil {
		c.containerGap(ct, fact.NodeGap{What: fact.Devices, Reason: reasonOf(err), Detail: errorText(err)})
		return
	}
	defer func() { _ = root.Close() }()
	list := &deviceList{inside: inside, names: maxDeviceNames}
	err = list.read(root, "/dev", 0)
	slices.SortFunc(list.devices, func(a, b fact.Device) int { return cmp.Compare(a.Path, b.Path) })
	if len(list.devices) > maxDevices {
		list.devices, list.truncated = list.devices[:maxDevices], true
	}
	c.change(ct, func(mc *fact.MeasuredContainer) { mc.Devices = list.devices })
	switch {
	case err != nil:
		c.containerGap(ct, fact.NodeGap{What: fact.Devices, Reason: reasonOf(err), Detail: errorText(err)})
	case list.truncated:
		c.containerGap(ct, fact.NodeGap{What: fact.Devices, Reason: fact.Truncated, Detail: fmt.Sprintf("more than %d device nodes or %d names in /dev", maxDevices, maxDeviceNames)})
	}
}

type deviceList struct {
	inside    map[string]bool
	names     int // that may still be looked at
	devices   []fact.Device
	truncated bool
}

func (l *deviceList) read(root *rootfs.Root, dir string, depth int) error {
	if depth > maxDeviceDepth {
		l.truncated = true
		return nil
	}
	var entries []rootfs.DirEntry
	err := root.Each(dir, func(e rootfs.DirEntry) bool {
		if l.names--; l.names < 0 {
			l.truncated = true
			return false
		}
		entries = append(entries, e)
		return true
	})
	if err != nil {
		if depth > 0 && gone(err) {
			return nil
		}
		return err
	}
	for _, e := range entries {
		full := path.Join(dir, e.Name)
		switch {
		case l.inside[full]:
			// A bind of one device (a volumeDevice) is a mount too, so files
			// are looked at; directories are other file systems.
			if e.IsDir() {
				continue
			}
		case e.IsDir():
			if err := l.read(root, full, depth+1); err != nil {
				return err
			}
			continue
		}
		if e.Type&iofs.ModeDevice == 0 {
			continue
		}
		info, err := root.Lstat(full)
		if err != nil {
			if gone(err) {
				continue
			}
			return err
		}
		device := fact.Device{Path: rootfs.Text(full), Type: "b", Major: info.RdevMajor, Minor: info.RdevMinor}
		switch info.Mode.Type() {
		case iofs.ModeDevice:
		case iofs.ModeDevice | iofs.ModeCharDevice:
			device.Type = "c"
		default:
			continue
		}
		if !defaultDevice(device) {
			l.devices = append(l.devices, device)
		}
	}
	return nil
}

// defaultDevice tells the devices that the runtime specification gives to every
// container, by number: null, zero, full, random, urandom, tty, console, ptmx,
// and terminals (pts, which is also what console is).
func defaultDevice(d fact.Device) bool {
	if d.Type != "c" {
		return false
	}
	switch d.Major {
	case 1:
		return d.Minor == 3 || d.Minor == 5 || d.Minor == 7 || d.Minor == 8 || d.Minor == 9
	case 5:
		return d.Minor <= 2
	}
	return d.Major >= 136 && d.Major <= 143
}
