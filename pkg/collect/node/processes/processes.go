// Package processes reads what the kernel answers about every process without
// waiting: status, stat, cgroup and uid_map first, then the links of its root
// and namespaces, then mount tables; and sorts the processes into containers.
package processes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/builder"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

const (
	// A container with the right to mount chooses how long its table is. This
	// must not cost the others, so each container has a limit, and all
	// containers of a node have one together (250 of 5 KiB are usual), because
	// tables are kept while they are read.
	maxContainerMountInfo = 512 << 10
	maxAllMountInfo       = 6 << 20
)

// Table fills the process table.
type Table struct{}

// Dependent are the kinds that need processes: of containers, of those that serve
// the cluster's storage, and of the host.
func Dependent() []fact.Kind {
	return append(fact.KindsOf(fact.OfContainer, fact.OfStorage), fact.Libraries, fact.NodeSettings)
}

// Kinds is nil: what belongs to the node as a whole is always read.
func (Table) Kinds() []fact.Kind { return nil }

// Read reads processes where a kind needs them, and settles all such kinds with a
// gap if there is no table to fill.
func (Table) Read(ctx context.Context, pass *reader.Pass) {
	readHeader(pass)
	if !slices.ContainsFunc(Dependent(), pass.Ledger.Wants) {
		return
	}
	if err := readInit(pass); err != nil {
		detail := "pid 1 is not visible, so /proc shows only some of the node's processes (mounted with hidepid?): " + rootfs.ErrorText(err)
		if !pass.Live {
			detail = "no processes: " + rootfs.ErrorText(err)
		}
		pass.Ledger.Refuse(Dependent(), rootfs.ReasonOf(err), detail)
		return
	}
	details := newDetails()
	if err := readAll(ctx, pass, details); err != nil {
		if ctx.Err() == nil {
			pass.Ledger.Refuse(Dependent(), rootfs.ReasonOf(err), rootfs.ErrorText(err))
		}
		return
	}
	pass.Ledger.Update(func(m *fact.Measurement) { m.Cost.Processes = len(pass.Processes) })
	group(pass)
	publish(pass, false) // whatever comes next may hang
	if pass.Full() {
		if readLinks(ctx, pass); ctx.Err() != nil {
			return
		}
		pass.Linked = true
		group(pass)
	}
	details.readRest(ctx, pass)
	unplaced(pass)
	pass.FindParents()
	readMounts(ctx, pass)
}

// readHeader reads what belongs to all processes.
func readHeader(pass *reader.Pass) {
	if data, err := pass.Dir.ReadFile("stat", 16<<20); err == nil {
		if boot, err := procfs.ParseBootTime(data); err == nil {
			pass.Boot = boot
			pass.Ledger.Update(func(m *fact.Measurement) { m.Host.BootTime = fact.NewTime(boot) })
			readExactBoot(pass)
		}
	}
	if data, err := pass.Dir.ReadFile("sys/kernel/cap_last_cap", 64); err == nil {
		if n, ok := parseSmall(data); ok && n < 64 {
			pass.Ledger.Update(func(m *fact.Measurement) { m.CapLastCap = &n })
		}
	}
}

// readExactBoot computes when the machine was booted from how long it has been up. Only
// a time within the second that /proc/stat names counts: /proc/uptime can be another
// program's (LXCFS).
func readExactBoot(pass *reader.Pass) {
	if !pass.Live {
		return
	}
	now := time.Now()
	data, err := pass.Dir.ReadFile("uptime", 128)
	if err != nil {
		return
	}
	up, err := procfs.ParseUptime(data)
	if err != nil {
		return
	}
	if exact := now.Add(-up); !exact.Before(pass.Boot) && exact.Sub(pass.Boot) <= time.Second {
		pass.BootExact = exact
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

// readInit reads pid 1: what all capabilities means here, the host's namespaces,
// its root and its mounts.
func readInit(pass *reader.Pass) error {
	d, err := pass.Open(1)
	if err != nil {
		return err
	}
	defer d.Close()
	buf := make([]byte, reader.BufferSize)
	status, err := d.Status(buf)
	if err != nil {
		return err
	}
	pass.Mounts, _ = d.Mounts(buf, proctable.MaxMountInfo)
	_, err = d.Label(buf)
	pass.NoLabels = errors.Is(err, rootfs.ErrInvalid) || errors.Is(err, fs.ErrNotExist)
	pass.Ledger.Update(func(m *fact.Measurement) {
		m.HostCapBnd = status.CapBnd
		// A copy of a tree may lack the file though its node had such a module.
		if has := err == nil; has || pass.NoLabels && pass.Live {
			m.Labels = &has
		}
	})
	if pass.Level != fact.LevelFull {
		return nil
	}
	host := d
	if pass.RootErr == nil {
		if pass.HostRoot, pass.RootErr = d.RootKey(); pass.RootErr != nil && pass.Local() {
			// On some machines nobody can look at pid 1. A caller on the node
			// itself also has the node's root and namespaces.
			host = pass.SelfPIDDir()
			pass.HostRoot, pass.RootErr = proctable.KeyOf(pass.Root)
		}
	}
	if pass.RootErr != nil {
		beyond := fact.Subtract(fact.NodeKinds(), fact.KindsAt(fact.LevelProc)) // these need /proc/1/root
		pass.Ledger.Refuse(beyond, rootfs.ReasonOf(pass.RootErr), explainRefusal(pass))
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
		if inode, err := host.Namespace(ns.name); err == nil {
			pass.Ledger.Update(func(m *fact.Measurement) { *ns.to(m) = inode })
			switch ns.name {
			case procfs.NameNSUser:
				pass.HostUserNS = inode
			case procfs.NameNSPID:
				pass.HostPIDNS = inode
			case procfs.NameNSNet:
				pass.HostNetNS = inode
			}
		}
	}
	pass.HostMntNS, _ = host.Namespace(procfs.NameNSMnt) // zero is unread
	// With --local the caller's mount namespace can differ from pid 1's. The
	// mount table must belong to the root that is read.
	if pass.Local() {
		if info, err := pass.Root.Stat("/"); err == nil && info.HasMountID && procfs.Find(pass.NodeMounts(), info.MountID) == nil {
			self, _ := pass.SelfPIDDir().Mounts(buf, proctable.MaxMountInfo)
			if self.Err == nil && procfs.Find(self.Mounts, info.MountID) != nil {
				pass.Mounts = self
			}
		}
	}
	return nil
}

// sysPtrace is the number of CAP_SYS_PTRACE (capabilities(7)).
const sysPtrace = 19

// explainRefusal says why /proc/1/root cannot be opened: with SYS_PTRACE in
// hand only a security module can refuse it.
func explainRefusal(pass *reader.Pass) string {
	detail := "/proc/1/root: " + rootfs.ErrorText(pass.RootErr)
	if !errors.Is(pass.RootErr, fs.ErrPermission) || pass.Self == nil {
		return detail
	}
	status, err := pass.SelfPIDDir().Status(nil)
	switch {
	case err != nil:
		return detail
	case !status.CapEff.Has(sysPtrace):
		return detail + ", CAP_SYS_PTRACE is not held (CapEff " + status.CapEff.String() + "): it must run as root"
	}
	return detail + " although CAP_SYS_PTRACE is held: a security module (AppArmor, SELinux) refuses it; " +
		"it needs AppArmor profile Unconfined and SELinux type spc_t"
}

// tally counts processes that could not be read, and keeps the first error.
type tally struct {
	mu    sync.Mutex
	count int
	first error
}

func (t *tally) add(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count++; t.count == 1 {
		t.first = err
	}
}

// readAll reads what takes no lock of the process, for every process: stat,
// status, cgroup and uid_map. It leaves out zombies, kernel threads and
// processes that ended meanwhile.
func readAll(ctx context.Context, pass *reader.Pass, details *details) error {
	pids, err := pass.PIDs()
	if err != nil {
		return fmt.Errorf("listing processes: %w", err)
	}
	slices.Sort(pids)
	found := make([]*proctable.Process, len(pids))
	var failed tally
	reader.Each(ctx, len(pids), func(i int, buf []byte) {
		p, err := readProcess(pass, details, pids[i], buf)
		switch {
		case err == nil:
			found[i] = p
		case !rootfs.Gone(err):
			failed.add(err)
		}
	})
	// Whether such a process is a container's or the host's is unknown.
	for _, kind := range []fact.Kind{fact.Processes, fact.Libraries} {
		if failed.count > 0 && pass.Ledger.Wants(kind) {
			pass.Ledger.Gap(fact.NodeGap{
				What: kind, Reason: rootfs.ReasonOf(failed.first),
				Detail: fmt.Sprintf("%d of %d processes could not be read: %s", failed.count, len(pids), rootfs.ErrorText(failed.first)),
			})
		}
	}
	pass.Processes = slices.DeleteFunc(found, func(p *proctable.Process) bool { return p == nil })
	return ctx.Err()
}

// readProcess returns nil without an error for a zombie or kernel thread.
func readProcess(pass *reader.Pass, details *details, pid int, buf []byte) (*proctable.Process, error) {
	d, err := pass.Open(pid)
	if err != nil {
		return nil, err
	}
	defer func() { d.Close() }()
	p := &proctable.Process{PID: pid, Ino: d.Ino}
	if p.Stat, err = d.Stat(buf); err != nil {
		return nil, err
	}
	if p.Stat.State == 'Z' && p.Stat.Threads > 1 {
		if tid := liveThread(d, pid, buf); tid != 0 {
			thread, err := d.OpenThread(tid)
			if err != nil {
				return nil, err
			}
			d, p.Thread = thread, tid
			if p.Stat, err = d.Stat(buf); err != nil {
				return nil, err
			}
		}
	}
	if p.Stat.KernelThread() || p.Stat.State == 'Z' || p.Stat.State == 'X' {
		return nil, nil
	}
	if p.Status, err = d.Status(buf); err != nil {
		return nil, err
	}
	if p.Status.State == 'Z' || p.Status.State == 'X' {
		return nil, nil
	}
	if p.Identity, err = d.Identity(buf); err != nil {
		return nil, err
	}
	if p.RootUID, err = d.RootUID(buf); err != nil {
		return nil, err
	}
	if p.Identity.ID != "" {
		details.read(pass, d, p, buf) // while the directory is open
	}
	return p, nil
}

// liveThread finds a thread that runs while the first one has ended, 0 if there is
// none.
func liveThread(d *proctable.PID, pid int, buf []byte) (live int) {
	_ = d.EachThread(func(tid int) bool {
		if tid == pid {
			return true
		}
		if t, err := d.Thread(tid, buf); err == nil && t.State != 'Z' && t.State != 'X' {
			live = tid
		}
		return live == 0
	})
	return live
}

// maxContainers bounds the containers of one node: every process can have a root of
// its own.
const maxContainers = 5000

// group sorts the processes into containers.
func group(pass *reader.Pass) {
	pass.Group()
	if beyond := len(pass.Containers) - maxContainers; beyond > 0 {
		// Those that an engine knows come first.
		slices.SortStableFunc(pass.Containers, func(a, b *proctable.Container) int { return cmp.Compare(rank(a), rank(b)) })
		pass.Containers = pass.Containers[:maxContainers]
		slices.SortFunc(pass.Containers, func(a, b *proctable.Container) int { return cmp.Compare(a.Identity.ID, b.Identity.ID) })
		for _, kind := range fact.KindsOf(fact.OfContainer) {
			pass.Ledger.Gap(fact.NodeGap{What: kind, Reason: fact.Truncated, Detail: fmt.Sprintf("%d containers beyond %d", beyond, maxContainers)})
		}
	}
	if pass.Ledger.Wants(fact.Processes) {
		builders, apart := hostProcesses(pass)
		pass.Ledger.Update(func(m *fact.Measurement) {
			m.HostProcesses, m.Host.Builders, m.Host.Apart = len(pass.Host), builders, apart
		})
	}
}

// rank orders containers where there are too many.
func rank(ct *proctable.Container) int {
	switch {
	case ct.Self:
		return 0
	case ct.Identity.Kubernetes:
		return 1
	case ct.FoundBy == fact.FoundByCgroup:
		return 2
	}
	return 3
}

// unplaced adds gaps for what cannot be assigned to a container or the host: it may
// be a container that is not seen.
func unplaced(pass *reader.Pass) {
	gap := func(kinds []fact.Kind, reason fact.Reason, detail string) {
		for _, kind := range kinds {
			if pass.Ledger.Wants(kind) {
				pass.Ledger.Gap(fact.NodeGap{What: kind, Reason: reason, Detail: detail})
			}
		}
	}
	of := fact.KindsOf(fact.OfContainer)
	switch {
	case pass.Level != fact.LevelFull:
		gap(of, fact.NotRequested, "probe level "+string(pass.Level)+" sees a container only by the id in its cgroup path: one of an unknown engine looks like the host, and a process that was moved like another container")
	case !pass.Linked:
		gap(of, rootfs.ReasonOf(pass.RootErr), "containers of unknown engines cannot be told from processes of the host: /proc/1/root: "+rootfs.ErrorText(pass.RootErr))
	case len(pass.Undecided) > 0:
		detail := fmt.Sprintf("%d of %d processes could not be assigned to a container or to the host", len(pass.Undecided), len(pass.Processes))
		reason := fact.Unreadable
		for _, p := range pass.Undecided {
			if p.LinkErr != nil {
				reason = rootfs.ReasonOf(p.LinkErr)
				detail += ": " + rootfs.ErrorText(p.LinkErr)
				break
			}
		}
		gap(append(of, fact.Libraries), reason, detail)
	}
}

// readLinks reads what needs SYS_PTRACE: namespaces and the identity of the root
// directory, by which processes are sorted, and what processes of the host run.
func readLinks(ctx context.Context, pass *reader.Pass) {
	var waits atomic.Int64
	waits.Store(100) // all together
	reader.Each(ctx, len(pass.Processes), func(i int, buf []byte) {
		p := pass.Processes[i]
		err := readLink(pass, p, buf)
		for err != nil {
			tid := running(pass, p, buf)
			if tid == 0 {
				err = rootfs.ErrNoProcess
				break
			}
			if tid != cmp.Or(p.Thread, p.PID) && follow(pass, p, tid, buf) {
				err = readLink(pass, p, buf)
			}
			// While a thread exits it has no root any more, and does not look ended
			// yet.
			if err == nil || !rootfs.Gone(err) || waits.Add(-1) < 0 {
				break
			}
			time.Sleep(time.Millisecond)
		}
		p.Ended, p.LinkErr = errors.Is(err, rootfs.ErrNoProcess), err
	})
}

func readLink(pass *reader.Pass, p *proctable.Process, buf []byte) error {
	d, err := pass.Reopen(p, buf)
	if err != nil {
		return err
	}
	defer d.Close()
	if p.Root, err = d.RootKey(); err != nil {
		return err
	}
	namespaces := []struct {
		name procfs.Name
		to   *uint64
	}{
		{procfs.NameNSMnt, &p.NS.Mnt},
		{procfs.NameNSPID, &p.NS.PID},
		{procfs.NameNSUser, &p.NS.User},
		{procfs.NameNSNet, &p.NS.Net},
		{procfs.NameNSIPC, &p.NS.IPC},
	}
	named := pass.Named(p)
	if !named && p.Root.SameDir(pass.HostRoot) {
		namespaces = namespaces[:1] // the host's, whatever the others are
	}
	for _, ns := range namespaces {
		if inode, err := d.Namespace(ns.name); err == nil {
			*ns.to = inode
		}
	}
	if named {
		return nil
	}
	if exe, err := d.Link(procfs.NameExe); err == nil {
		if _, builds := builder.Running(exe); builds {
			p.Builder = exe
		}
	}
	// Only for what looks like a confined service does the type of its root matter.
	if !p.Root.SameDir(pass.HostRoot) && p.NS.Mnt != pass.HostMntNS && p.NS.PID == pass.HostPIDNS && proctable.ServiceUnit(p.Identity.Path) {
		if table, _ := d.Mounts(buf, maxContainerMountInfo); table.Err == nil {
			p.RootFS = rootFS(pass, p, table)
		}
	}
	return nil
}

// running returns a thread of a process that has not ended, 0 if there is none or
// another process has its pid.
func running(pass *reader.Pass, p *proctable.Process, buf []byte) (tid int) {
	d, err := pass.Open(p.PID)
	if err != nil {
		return 0
	}
	defer d.Close()
	stat, err := d.Stat(buf)
	switch {
	case err != nil, p.Thread == 0 && stat.StartTime != p.Stat.StartTime, stat.StartTime > p.Stat.StartTime:
		return 0
	case stat.State != 'Z' && stat.State != 'X':
		return p.PID
	}
	return liveThread(d, p.PID, buf)
}

// follow reads the process by another of its threads from now on, because the one by
// which it was read has ended.
func follow(pass *reader.Pass, p *proctable.Process, tid int, buf []byte) bool {
	d, err := pass.Open(p.PID)
	if err != nil {
		return false
	}
	defer func() { d.Close() }()
	thread, err := d.OpenThread(tid)
	if err != nil {
		return false
	}
	d = thread
	stat, err := d.Stat(buf)
	if err != nil {
		return false
	}
	p.Stat, p.Thread = stat, tid
	return true
}

// rootFS is the type of the file system that a process has at its root, "" if its
// mount table does not show it. After a chroot into a directory that is no mount point
// there is no mount at "/".
func rootFS(pass *reader.Pass, p *proctable.Process, table *proctable.MountTable) string {
	if m := procfs.Find(table.Mounts, p.Root.Mount); m != nil && pass.Live && p.Root.Mount != 0 {
		return m.FSType
	}
	if !table.HasRoot() {
		return "chroot"
	}
	if pass.Live && p.Root.Mount != 0 {
		return "" // something else is mounted over it
	}
	fsType := ""
	for i := range table.Mounts {
		if table.Mounts[i].Point == "/" {
			fsType = table.Mounts[i].FSType // the last one is on top
		}
	}
	return fsType
}

// readMounts gives every process of a container its mount table. Reading it is
// the most expensive step, so processes with the same mount namespace and the
// same root share one: a process sees only what lies below its root.
func readMounts(ctx context.Context, pass *reader.Pass) {
	type key struct {
		mnt  uint64
		root proctable.RootKey
		id   string // where links were not read: the container
	}
	var mu sync.Mutex
	var all atomic.Int64 // bytes of all tables
	tables := map[key]*proctable.MountTable{}
	reader.Each(ctx, len(pass.Containers), func(i int, buf []byte) {
		ct := pass.Containers[i]
		for _, p := range ct.Processes {
			k := key{mnt: p.NS.Mnt, root: p.Root}
			if p.NS.Mnt == 0 || !p.Root.Known() {
				k = key{id: ct.Key()}
			}
			mu.Lock()
			table := tables[k]
			mu.Unlock()
			if table == nil {
				table = readTable(pass, p, buf, &all)
				if table.Err != nil && rootfs.Gone(table.Err) {
					continue // the next process of the container may live
				}
				mu.Lock()
				tables[k] = table
				mu.Unlock()
			}
			p.Mounts = table
		}
	})
}

func readTable(pass *reader.Pass, p *proctable.Process, buf []byte, all *atomic.Int64) *proctable.MountTable {
	d, err := pass.Reopen(p, buf)
	if err != nil {
		return &proctable.MountTable{Err: err}
	}
	defer d.Close()
	if all.Load() >= maxAllMountInfo {
		return &proctable.MountTable{Err: fmt.Errorf("pid %d: the containers' mount tables together: %w", p.PID, rootfs.ErrTooLarge)}
	}
	table, size := d.Mounts(buf, maxContainerMountInfo)
	all.Add(int64(size))
	return table
}
