package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// workers is how many threads read at once: two halve the time and leave the
// node its other processors.
const workers = 2

// bufferSize holds all but the largest files of a process.
const bufferSize = 32 << 10

// process is what was read of one process.
type process struct {
	pid      int
	stat     procfs.Stat
	status   procfs.Status
	identity procfs.Identity
	rootUID  *int64
	// Below here only level full reads.
	ns   struct{ user, pid, net, ipc, mnt uint64 }
	root rootKey // zero: unread
	err  error   // why root or a namespace is unread
	// table is the parsed mountinfo; shared with other processes.
	table *mountTable
	// parentOutside: its parent was read, and is no process of its own pod.
	parentOutside bool
}

// rootKey tells root directories apart.
type rootKey struct{ mount, dev, ino uint64 }

func (k rootKey) read() bool { return k != rootKey{} }

// sameDir compares the directories, not the mounts they are reached by.
func (k rootKey) sameDir(o rootKey) bool { return k.read() && k.dev == o.dev && k.ino == o.ino }

type mountTable struct {
	mounts []procfs.MountInfo
	err    error
}

// hasRoot tells whether the mount at "/" is there: after a chroot into a
// directory that is no mount point it is not.
func (t *mountTable) hasRoot() bool {
	return t != nil && slices.ContainsFunc(t.mounts, func(m procfs.MountInfo) bool { return m.Point == "/" })
}

// tally counts processes that could not be read, and keeps the first reason.
type tally struct {
	mu     sync.Mutex
	count  int
	first  string
	reason fact.Reason
}

func (t *tally) add(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count++
	if t.count == 1 {
		t.first, t.reason = errorText(err), reasonOf(err)
	}
}

// errorText makes an error fit for a gap: one line of valid UTF-8.
func errorText(err error) string {
	return strings.ReplaceAll(rootfs.Text(err.Error()), "\n", " ")
}

// reasonOf sorts an error of reading into a gap's reason.
func reasonOf(err error) fact.Reason {
	switch {
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fact.Unreadable
	case errors.Is(err, rootfs.ErrTooLarge):
		return fact.Truncated
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return fact.NotPresent
	}
	var errno unix.Errno
	if errors.As(err, &errno) || errors.Is(err, rootfs.ErrNotRegular) || errors.Is(err, rootfs.ErrAutomount) {
		return fact.Unreadable
	}
	return fact.Corrupt // a parser's words
}

// each runs do for the indices below n on two threads, each with a buffer of
// its own, until ctx ends.
func each(ctx context.Context, n int, do func(i int, buf []byte)) {
	var next atomic.Int64
	work := func() {
		buf := make([]byte, bufferSize)
		for ctx.Err() == nil {
			i := int(next.Add(1)) - 1
			if i >= n {
				return
			}
			do(i, buf)
		}
	}
	together(slices.Repeat([]func(){work}, min(workers, n))...)
}

// together runs functions at once and returns when all have. A panic in one of
// them is the caller's, who may know what to do with it; in a goroutine of its
// own it would end the program without a word.
func together(work ...func()) {
	var wait sync.WaitGroup
	panics := make(chan any, len(work))
	for _, do := range work {
		wait.Add(1)
		go func() {
			defer wait.Done()
			defer func() {
				if v := recover(); v != nil {
					panics <- v
				}
			}()
			do()
		}()
	}
	wait.Wait()
	select {
	case v := <-panics:
		panic(v)
	default:
	}
}

// readSafe reads of every process what takes no lock of the process: stat,
// status, cgroup and uid_map. Zombies, kernel threads and what ended meanwhile
// are left out.
func (c *Collector) readSafe(ctx context.Context) ([]*process, error) {
	pids, err := c.proc.pids()
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	slices.Sort(pids)
	found := make([]*process, len(pids))
	var failed tally
	each(ctx, len(pids), func(i int, buf []byte) {
		p, err := c.readProcess(pids[i], buf)
		switch {
		case err == nil:
			found[i] = p
		case !gone(err):
			failed.add(err)
		}
	})
	if failed.count > 0 {
		c.gap(fact.NodeGap{
			What: fact.Processes, Reason: failed.reason,
			Detail: fmt.Sprintf("%d of %d processes could not be read: %s", failed.count, len(pids), failed.first),
		})
	}
	return slices.DeleteFunc(found, func(p *process) bool { return p == nil }), ctx.Err()
}

// readProcess returns nil without an error for a zombie or kernel thread.
func (c *Collector) readProcess(pid int, buf []byte) (*process, error) {
	d, err := c.proc.open(pid)
	if err != nil {
		return nil, err
	}
	defer d.close()
	p := &process{pid: pid}
	data, err := d.read(procfs.NameStat, buf, maxStatus)
	if err != nil {
		return nil, err
	}
	if p.stat, err = procfs.ParseStat(data); err != nil {
		return nil, fmt.Errorf("pid %d: %w", pid, err)
	}
	if p.stat.KernelThread() || p.stat.State == 'Z' || p.stat.State == 'X' {
		return nil, nil
	}
	if err := c.readStatus(d, p, buf); err != nil {
		return nil, err
	}
	if p.status.State == 'Z' || p.status.State == 'X' {
		return nil, nil
	}
	if data, err = d.read(procfs.NameCgroup, buf, maxCgroup); err != nil {
		return nil, err
	}
	lines, err := procfs.ParseCgroup(data)
	if err != nil {
		return nil, fmt.Errorf("pid %d: %w", pid, err)
	}
	p.identity = procfs.Identify(lines)
	// A kernel without user namespaces has no uid_map.
	if data, err = d.read(procfs.NameUIDMap, buf, maxUIDMap); err == nil {
		ranges, err := procfs.ParseIDMap(data)
		if err != nil {
			return nil, fmt.Errorf("pid %d: %w", pid, err)
		}
		if uid, ok := procfs.RootOf(ranges); ok {
			p.rootUID = &uid
		}
	}
	return p, nil
}

func (c *Collector) readStatus(d *pidDir, p *process, buf []byte) error {
	data, err := d.read(procfs.NameStatus, buf, maxStatus)
	if err != nil {
		return err
	}
	if p.status, err = procfs.ParseStatus(data); err != nil {
		return fmt.Errorf("pid %d: %w", p.pid, err)
	}
	return nil
}

// reopen opens a process that was read before, if it is still the same.
func (c *Collector) reopen(p *process, buf []byte) (*pidDir, error) {
	d, err := c.proc.open(p.pid)
	if err != nil {
		return nil, err
	}
	data, err := d.read(procfs.NameStat, buf, maxStatus)
	var stat procfs.Stat
	if err == nil {
		stat, err = procfs.ParseStat(data)
	}
	if err == nil && stat.StartTime != p.stat.StartTime {
		err = unix.ESRCH // another process with its pid
	}
	if err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// readLinks reads what needs SYS_PTRACE: namespaces and the identity of the
// root directory. Of the host's own processes only the latter matters.
func (c *Collector) readLinks(ctx context.Context, all []*process) {
	each(ctx, len(all), func(i int, buf []byte) {
		p := all[i]
		d, err := c.reopen(p, buf)
		if err != nil {
			p.err = err
			return
		}
		defer d.close()
		if p.root, err = c.rootIdentity(d); err != nil {
			p.err = err
			return
		}
		for _, ns := range []struct {
			name procfs.Name
			to   *uint64
		}{
			{procfs.NameNSMnt, &p.ns.mnt},
			{procfs.NameNSUser, &p.ns.user},
			{procfs.NameNSPID, &p.ns.pid},
			{procfs.NameNSNet, &p.ns.net},
			{procfs.NameNSIPC, &p.ns.ipc},
		} {
			inode, err := d.namespace(ns.name)
			if err != nil {
				if p.err == nil {
					p.err = err
				}
				continue
			}
			*ns.to = inode
		}
	})
}

// rootIdentity looks at the root directory, not into it.
func (c *Collector) rootIdentity(d *pidDir) (rootKey, error) {
	root, err := d.root()
	if err != nil {
		return rootKey{}, err
	}
	defer func() { _ = root.Close() }()
	return c.identityOf(root)
}

func (c *Collector) identityOf(root *rootfs.Root) (rootKey, error) {
	info, err := root.Stat("/")
	if err != nil {
		return rootKey{}, err
	}
	return rootKey{mount: info.MountID, dev: info.Dev, ino: info.Ino}, nil
}

// readMounts gives every process of a container its mount table. Reading it is
// the dearest of all, so processes with the same mount namespace and the same
// root share one: a process sees only what lies below its root.
func (c *Collector) readMounts(ctx context.Context, containers []*container) {
	type key struct {
		mnt  uint64
		root rootKey
		id   string // where links were not read: the container
	}
	var mu sync.Mutex
	tables := map[key]*mountTable{}
	each(ctx, len(containers), func(i int, buf []byte) {
		for _, p := range containers[i].processes {
			k := key{mnt: p.ns.mnt, root: p.root}
			if p.ns.mnt == 0 || !p.root.read() {
				k = key{id: containers[i].key()}
			}
			mu.Lock()
			table := tables[k]
			mu.Unlock()
			if table == nil {
				table = c.readTable(p, buf)
				if table.err != nil && gone(table.err) {
					continue // the next process of the container may live
				}
				mu.Lock()
				tables[k] = table
				mu.Unlock()
			}
			p.table = table
		}
	})
}

func (c *Collector) readTable(p *process, buf []byte) *mountTable {
	d, err := c.reopen(p, buf)
	if err != nil {
		return &mountTable{err: err}
	}
	defer d.close()
	if c.mountBytes.Load() >= maxAllMountInfo {
		return &mountTable{err: fmt.Errorf("pid %d: the containers' mount tables together: %w", p.pid, rootfs.ErrTooLarge)}
	}
	table, size := readMountInfo(d, buf, maxContainerMountInfo)
	c.mountBytes.Add(int64(size))
	return table
}

// readMountInfo also returns the size of the table's text in bytes.
func readMountInfo(d *pidDir, buf []byte, limit int64) (*mountTable, int) {
	data, err := d.read(procfs.NameMountInfo, buf, limit)
	if err != nil {
		return &mountTable{err: err}, 0
	}
	mounts, err := procfs.ParseMountInfo(data)
	if err != nil {
		return &mountTable{err: fmt.Errorf("pid %d: %w", d.pid, err)}, len(data)
	}
	return &mountTable{mounts: mounts}, len(data)
}

// facts turns a process into what is saved.
func (c *Collector) facts(p *process) fact.Process {
	s := &p.status
	out := fact.Process{
		PID: p.pid, InnerPID: s.InnerPID, Comm: rootfs.Text(s.Name), Started: started(p, c.boot), UID: s.UID, GID: s.GID,
		CapInh: s.CapInh, CapPrm: s.CapPrm, CapEff: s.CapEff, CapBnd: s.CapBnd, CapAmb: s.CapAmb,
		NoNewPrivs: s.NoNewPrivs, Seccomp: s.Seccomp, RootUID: p.rootUID,
		UserNS: p.ns.user, PIDNS: p.ns.pid, NetNS: p.ns.net, IPCNS: p.ns.ipc,
	}
	return out
}

func started(p *process, boot time.Time) fact.Time {
	at := p.stat.Started(boot)
	if at.IsZero() {
		return fact.Time{}
	}
	return fact.NewTime(at)
}
