package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Options say which node is read, and how much of it.
type Options struct {
	// Level is fact.LevelProc or fact.LevelFull.
	Level fact.Level
	// Node is its name.
	Node string
	// Kinds are the facts wanted; nil means all that a node has. Kinds that no
	// node has are ignored.
	Kinds []fact.Kind
	// Proc is a procfs that shows the node's processes, "" for proc below Root.
	Proc string
	// Root is the node's root directory, "" for that of pid 1 in Proc.
	Root string
	// Live says that Proc is the kernel's. Otherwise it is a directory that
	// looks like it, in which exe, root, cwd, fd/N and ns/* are plain links.
	Live bool
	// SelfPID is the pid of the probe, whose own container is marked; 0 if the
	// caller is no container of the node. SelfPodUID is its pod's UID: in a
	// private cgroup namespace the paths of that pod's containers lack it.
	SelfPID    int
	SelfPodUID string
}

// Collector reads one node once. Snapshot may be called at any time.
type Collector struct {
	opts     Options
	proc     procFS
	procErr  error        // why there is no /proc
	root     *rootfs.Root // nil where it could not be opened
	rootErr  error
	begun    time.Time
	self     *rootfs.Root // the caller's /proc/self, nil if not mounted
	cpuStart int64        // milliseconds
	boot     time.Time
	hostRoot rootKey
	hostRead bool
	table    *mountTable // the node's: of pid 1, or the caller's with --local
	// mountBytes is the size of the containers' mount tables read so far.
	mountBytes atomic.Int64

	mu       sync.Mutex
	m        fact.Measurement
	finished map[fact.Kind]bool
}

// New opens the directories that opts name; an error means that one of them is
// not there. That pid 1's root is refused is a gap and no error.
func New(opts Options) (*Collector, error) {
	switch opts.Level {
	case fact.LevelProc, fact.LevelFull:
	default:
		return nil, fmt.Errorf("level %q: expected %q or %q", opts.Level, fact.LevelProc, fact.LevelFull)
	}
	c := &Collector{opts: opts, begun: time.Now(), finished: map[fact.Kind]bool{}}
	c.m.Level, c.m.At = opts.Level, fact.NewTime(c.begun.Truncate(time.Second))
	var err error
	if opts.Root != "" {
		if c.root, err = rootfs.Open(opts.Root); err != nil {
			return nil, fmt.Errorf("opening the node's root directory: %w", err)
		}
	}
	switch {
	case opts.Proc != "":
		if c.proc.dir, err = rootfs.Open(opts.Proc); err != nil {
			c.Close()
			return nil, fmt.Errorf("opening the node's /proc: %w", err)
		}
	case c.root == nil:
		return nil, errors.New("neither Root nor Proc is given")
	default:
		// A root file system alone, say of an image, has an empty proc or none.
		c.proc.dir, c.procErr = c.root.Sub("proc")
	}
	c.proc.node, c.proc.live = c.root, opts.Live
	if c.root == nil && opts.Level == fact.LevelFull {
		d, err := c.proc.open(1)
		if err == nil {
			c.root, err = d.root()
			d.close()
		}
		c.rootErr = err
	}
	if self, err := rootfs.Open("/proc/self"); err == nil {
		c.self = self
		c.cpuStart, _ = c.usage()
	}
	return c, nil
}

// Close releases the directories. A collector that hangs cannot be closed, and
// need not be: its process ends.
func (c *Collector) Close() {
	for _, r := range []*rootfs.Root{c.root, c.proc.dir, c.self} {
		if r != nil {
			_ = r.Close()
		}
	}
}

// Local reads a node and returns what there is when it is done or ctx ends,
// whichever comes first. After a hang its threads stay behind, so that it is
// for programs that end soon.
func Local(ctx context.Context, opts Options) (*fact.Measurement, error) {
	type opened struct {
		c   *Collector
		err error
	}
	// Opening a directory hangs too, if it lies on a dead mount.
	open, done := make(chan opened, 1), make(chan struct{})
	go func() {
		defer close(done)
		c, err := New(opts)
		open <- opened{c, err}
		if err == nil {
			c.Run(ctx)
		}
	}()
	var o opened
	select {
	case o = <-open:
	case <-after(ctx, grace):
		return nil, fmt.Errorf("opening %q and %q: %w", opts.Root, opts.Proc, context.Cause(ctx))
	}
	if o.err != nil {
		return nil, o.err
	}
	select {
	case <-done:
	case <-after(ctx, grace):
		return o.c.Snapshot(), nil
	}
	m := o.c.Snapshot()
	o.c.Close()
	return m, nil
}

// grace is what whoever heeds a context needs to hand over what it has.
const grace = 100 * time.Millisecond

// after is done a while after the context is.
func after(ctx context.Context, wait time.Duration) <-chan struct{} {
	late := make(chan struct{})
	context.AfterFunc(ctx, func() { time.AfterFunc(wait, func() { close(late) }) })
	return late
}

// Run reads everything wanted, once. When ctx ends it returns soon, with the
// rest unread; a dead file system can hold it for ever.
func (c *Collector) Run(ctx context.Context) {
	c.refuseByLevel()
	c.readHeader()
	if c.procErr != nil {
		c.refuse(processKinds(), fact.NotPresent, "no processes: "+errorText(c.procErr))
	} else {
		c.readProcesses(ctx)
	}
	if ctx.Err() == nil {
		c.readHost(ctx)
	}
}

// processKinds are those that need /proc: of containers, and of the processes
// that serve the cluster's storage.
func processKinds() []fact.Kind { return fact.KindsOf(fact.OfContainer, fact.OfStorage) }

// beyondProc are those that need /proc/1/root.
func beyondProc() []fact.Kind { return fact.Subtract(fact.NodeKinds(), fact.KindsAt(fact.LevelProc)) }

// readProcesses reads what hangs on processes, the host's files beside it.
func (c *Collector) readProcesses(ctx context.Context) {
	if !slices.ContainsFunc(processKinds(), c.wants) {
		return
	}
	if err := c.readInit(); err != nil {
		detail := "pid 1 is not visible, so /proc shows only some of the node's processes (mounted with hidepid?): " + errorText(err)
		if !c.opts.Live {
			detail = "no processes: " + errorText(err)
		}
		c.refuse(processKinds(), reasonOf(err), detail)
		return
	}
	all, err := c.readSafe(ctx)
	if err != nil {
		if ctx.Err() == nil {
			c.refuse(processKinds(), reasonOf(err), errorText(err))
		}
		return
	}
	c.update(func(m *fact.Measurement) { m.Cost.Processes = len(all) })
	containers := c.group(all)
	c.publish(containers)
	full := c.opts.Level == fact.LevelFull && c.rootErr == nil
	if full {
		c.readLinks(ctx, all)
		containers = c.group(all)
	}
	findParents(all, containers)
	c.readMounts(ctx, containers)
	c.markSandboxes(containers, full)
	containers = c.dropSandboxed(containers, full)
	c.publish(containers)
	if ctx.Err() != nil {
		return
	}
	c.done(fact.Processes)
	c.readContainerMounts(containers)
	c.done(fact.Mounts)
	if !full {
		return
	}
	// Two tracks, so that a file system that hangs one leaves the other.
	together(func() {
		c.readExecutables(ctx, containers)
		c.readDevices(ctx, containers)
		c.walkUppers(ctx, containers)
		c.closeOverlays(containers)
	}, func() {
		c.readHost(ctx)
		c.readStorage(ctx, all)
	})
	c.forgetEnded()
}

// readHost reads kernel and packages once.
func (c *Collector) readHost(ctx context.Context) {
	if c.hostRead {
		return
	}
	c.hostRead = true
	facts, read, gaps := host.Read(ctx, c.root, c.proc.dir, c.wants)
	c.update(func(m *fact.Measurement) {
		boot := m.Host.BootTime
		m.Host = facts
		if m.Host.BootTime.IsZero() {
			m.Host.BootTime = boot
		}
	})
	for _, gap := range gaps {
		c.gap(gap)
	}
	for _, kind := range fact.KindsOf(fact.OfHost) {
		switch {
		case slices.Contains(read, kind):
			c.done(kind)
		case slices.ContainsFunc(gaps, func(g fact.NodeGap) bool { return g.What == kind }):
			c.finish(kind)
		}
	}
}

// readHeader reads what belongs to the node as a whole.
func (c *Collector) readHeader() {
	if c.proc.dir == nil {
		return
	}
	if data, err := c.proc.dir.ReadFile("stat", 16<<20); err == nil {
		if boot, err := procfs.ParseBootTime(data); err == nil {
			c.boot = boot
			c.update(func(m *fact.Measurement) { m.Host.BootTime = fact.NewTime(boot) })
		}
	}
	if data, err := c.proc.dir.ReadFile("sys/kernel/cap_last_cap", 64); err == nil {
		if n, ok := parseSmall(data); ok && n < 64 {
			c.update(func(m *fact.Measurement) { m.CapLastCap = &n })
		}
	}
}

// parseSmall parses a number and a newline.
func parseSmall(data []byte) (int, bool) {
	n := 0
	for i, b := range data {
		if b == '\n' && i == len(data)-1 && i > 0 {
			return n, true
		}
		if b < '0' || b > '9' || n > 1<<20 {
			return 0, false
		}
		n = 10*n + int(b-'0')
	}
	return n, len(data) > 0
}

// readInit reads pid 1: what all capabilities means here, the host's
// namespaces, its root and its mounts.
func (c *Collector) readInit() error {
	d, err := c.proc.open(1)
	if err != nil {
		return err
	}
	defer d.close()
	buf := make([]byte, bufferSize)
	init := &process{pid: 1}
	if err := c.readStatus(d, init, buf); err != nil {
		return err
	}
	c.table, _ = readMountInfo(d, buf, maxMountInfo)
	c.update(func(m *fact.Measurement) { m.HostCapBnd = init.status.CapBnd })
	if c.opts.Level != fact.LevelFull {
		return nil
	}
	host := d
	if c.rootErr == nil {
		if c.hostRoot, c.rootErr = c.rootIdentity(d); c.rootErr != nil && c.local() {
			// Some machines let nobody look at pid 1. A caller that is on the
			// node itself has the node's root and namespaces too.
			host = &pidDir{fs: &c.proc, pid: 1, dir: c.self}
			c.hostRoot, c.rootErr = c.identityOf(c.root)
		}
	}
	if c.rootErr != nil {
		detail := c.explainRefusal()
		c.refuse(beyondProc(), reasonOf(c.rootErr), detail)
		return nil
	}
	for _, ns := range []struct {
		name procfs.Name
		to   func(*fact.Measurement) *uint64
	}{
		{procfs.NameNSUser, func(m *fact.Measurement) *uint64 { return &m.HostUserNS }},
		{procfs.NameNSPID, func(m *fact.Measurement) *uint64 { return &m.HostPIDNS }},
		{procfs.NameNSNet, func(m *fact.Measurement) *uint64 { return &m.HostNetNS }},
		{procfs.NameNSIPC, func(m *fact.Measurement) *uint64 { return &m.HostIPCNS }},
	} {
		if inode, err := host.namespace(ns.name); err == nil {
			c.update(func(m *fact.Measurement) { *ns.to(m) = inode })
		}
	}
	// With --local the caller's mount namespace need not be pid 1's; the mount
	// table has to be the one that belongs to the root that is read.
	if c.local() {
		if info, err := c.root.Stat("/"); err == nil && info.HasMountID && procfs.Find(c.table.mounts, info.MountID) == nil {
			self, _ := readMountInfo(&pidDir{fs: &c.proc, dir: c.self}, buf, maxMountInfo)
			if self.err == nil && procfs.Find(self.mounts, info.MountID) != nil {
				c.table = self
			}
		}
	}
	return nil
}

// local tells whether the caller is a process of the node itself, which named
// the root that it has: --local.
func (c *Collector) local() bool {
	return c.opts.Live && c.opts.Root != "" && c.opts.SelfPID == 0 && c.self != nil
}

// sysPtrace is the number of CAP_SYS_PTRACE (capabilities(7)).
const sysPtrace = 19

// explainRefusal says why /proc/1/root cannot be opened: with SYS_PTRACE in
// hand only a security module can refuse it.
func (c *Collector) explainRefusal() string {
	detail := "/proc/1/root: " + errorText(c.rootErr)
	if !errors.Is(c.rootErr, unix.EACCES) && !errors.Is(c.rootErr, unix.EPERM) || c.self == nil {
		return detail
	}
	data, err := c.self.ReadFile(string(procfs.NameStatus), maxStatus)
	if err != nil {
		return detail
	}
	status, err := procfs.ParseStatus(data)
	switch {
	case err != nil:
		return detail
	case !status.CapEff.Has(sysPtrace):
		return detail + ", CAP_SYS_PTRACE is not held (CapEff " + status.CapEff.String() + "): it has to run as root"
	}
	return detail + " although CAP_SYS_PTRACE is held: a security module (AppArmor, SELinux) refuses it; " +
		"it needs AppArmor profile Unconfined and SELinux type spc_t"
}

// refuseByLevel makes the gaps of what the level does not reach.
func (c *Collector) refuseByLevel() {
	if c.opts.Level == fact.LevelFull {
		return
	}
	c.refuse(fact.Subtract(fact.NodeKinds(), fact.KindsAt(c.opts.Level)), fact.NotRequested, "not read at probe level "+string(c.opts.Level))
}

// wants tells whether a kind is asked for and not yet settled.
func (c *Collector) wants(kind fact.Kind) bool {
	if !c.asked(kind) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.finished[kind]
}

// asked tells whether a kind is asked for.
func (c *Collector) asked(kind fact.Kind) bool {
	return c.opts.Kinds == nil || slices.Contains(c.opts.Kinds, kind)
}

// update changes the measurement.
func (c *Collector) update(change func(*fact.Measurement)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.m)
}

// done settles a kind that was read, perhaps with gaps for some subjects.
func (c *Collector) done(kind fact.Kind) {
	if !c.wants(kind) {
		return
	}
	c.update(func(m *fact.Measurement) {
		c.finished[kind] = true
		m.Read = append(m.Read, kind)
	})
}

// finish settles a kind that was not read, for which there is a gap.
func (c *Collector) finish(kind fact.Kind) {
	c.update(func(*fact.Measurement) { c.finished[kind] = true })
}

// refuse settles those kinds that are wanted with a gap for the whole node.
func (c *Collector) refuse(list []fact.Kind, reason fact.Reason, detail string) {
	for _, kind := range list {
		if c.wants(kind) {
			c.gap(fact.NodeGap{What: kind, Reason: reason, Detail: detail})
			c.finish(kind)
		}
	}
}

// maxGaps bounds the gaps of one kind: thousands of containers can be
// unreadable for the same reason.
const maxGaps = 500

// gap records what was not read, if it was asked for.
func (c *Collector) gap(gap fact.NodeGap) {
	if !c.asked(gap.What) {
		return
	}
	c.update(func(m *fact.Measurement) {
		same := 0
		for i := range m.Gaps {
			if m.Gaps[i].What == gap.What {
				same++
				if m.Gaps[i].Container == gap.Container && m.Gaps[i].Reason == gap.Reason && m.Gaps[i].Detail == gap.Detail {
					return
				}
			}
		}
		switch {
		case same == maxGaps:
			m.Gaps = append(m.Gaps, fact.NodeGap{What: gap.What, Reason: fact.Truncated, Detail: fmt.Sprintf("more than %d gaps", maxGaps)})
		case same < maxGaps:
			m.Gaps = append(m.Gaps, gap)
		}
	})
}

// containerGap is gap for one container.
func (c *Collector) containerGap(ct *container, gap fact.NodeGap) {
	gap.Container = ct.key()
	c.gap(gap)
}

// Snapshot returns a copy of what is read by now. A kind that is wanted and not
// finished has a gap Timeout.
func (c *Collector) Snapshot() *fact.Measurement {
	cpu, rss := c.usage()
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.m.DeepCopy()
	for _, kind := range fact.NodeKinds() {
		if c.asked(kind) && !c.finished[kind] {
			m.Gaps = append(m.Gaps, fact.NodeGap{
				What: kind, Reason: fact.Timeout,
				Detail: fmt.Sprintf("not finished after %s", time.Since(c.begun).Round(time.Millisecond)),
			})
		}
	}
	order := fact.Kinds()
	slices.SortFunc(m.Read, func(a, b fact.Kind) int { return slices.Index(order, a) - slices.Index(order, b) })
	m.Cost.WallMillis, m.Cost.CPUMillis, m.Cost.MaxRSSKiB = time.Since(c.begun).Milliseconds(), cpu-c.cpuStart, rss
	return m
}

// usage reads the caller's own processor time, in milliseconds, and peak
// resident memory, in KiB: from /proc, as getrusage is not on the filter's list.
func (c *Collector) usage() (cpu, rss int64) {
	if c.self == nil {
		return 0, 0
	}
	if data, err := c.self.ReadFile(string(procfs.NameStat), maxStatus); err == nil {
		if stat, err := procfs.ParseStat(data); err == nil {
			cpu = int64(stat.UTime+stat.STime) * 1000 / procfs.TicksPerSecond
		}
	}
	if data, err := c.self.ReadFile(string(procfs.NameStatus), maxStatus); err == nil {
		if status, err := procfs.ParseStatus(data); err == nil {
			rss = status.PeakRSS
		}
	}
	return cpu, rss
}
