package node

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/overlay"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// overlayOf makes the container's layers, once.
func (c *Collector) overlayOf(ct *container) *overlay.Container {
	if ct.layers != nil {
		return ct.layers
	}
	main := ct.main()
	ct.layers = &overlay.Container{
		Node:   overlay.View{Root: c.root, Mounts: c.nodeMounts()},
		UserNS: main.ns.user != 0 && main.ns.user != c.hostUserNS(),
		Root: func() (*rootfs.Root, error) {
			d, err := c.reopen(main, make([]byte, 4096))
			if err != nil {
				return nil, err
			}
			defer d.close()
			return d.root()
		},
		Parent: func() (overlay.View, error) { return c.parentView(ct.processes[0]) },
	}
	if main.table != nil {
		ct.layers.Mounts = main.table.mounts
	}
	return ct.layers
}

func (c *Collector) hostUserNS() (inode uint64) {
	c.update(func(m *fact.Measurement) { inode = m.HostUserNS })
	return inode
}

// parentView is the mount namespace of the container's shim or conmon, which is
// the runtime's: with a containerd that has a namespace of its own, upperdir
// exists only there.
func (c *Collector) parentView(first *process) (overlay.View, error) {
	d, err := c.proc.open(first.stat.PPID)
	if err != nil {
		return overlay.View{}, err
	}
	defer d.close()
	table, _ := readMountInfo(d, make([]byte, bufferSize), maxMountInfo)
	if table.err != nil {
		return overlay.View{}, table.err
	}
	root, err := d.root()
	if err != nil {
		return overlay.View{}, err
	}
	return overlay.View{Root: root, Mounts: table.mounts}, nil
}

func (c *Collector) closeOverlays(containers []*container) {
	for _, ct := range containers {
		if ct.layers != nil {
			ct.layers.Close()
		}
	}
}

// readExecutables finds the origin of every process's executable.
func (c *Collector) readExecutables(ctx context.Context, containers []*container) {
	if !c.wants(fact.Executables) {
		return
	}
	buf := make([]byte, bufferSize)
	for _, ct := range containers {
		for _, p := range ct.processes {
			if ctx.Err() != nil {
				return
			}
			c.executableOf(ctx, ct, p, buf)
		}
	}
	c.done(fact.Executables)
}

// executableOf reads one executable, then status again: if the process has
// called exec between the two reads, masks and file would be of different
// programs. It is read anew then, once.
func (c *Collector) executableOf(ctx context.Context, ct *container, p *process, buf []byte) {
	d, err := c.reopen(p, buf)
	if err != nil {
		c.forget(ct, p)
		return
	}
	defer d.close()
	again := *p // the other track reads p
	p = &again
	for range 2 {
		exe, scripts, gap, err := c.readExecutable(ctx, ct, p, d)
		switch {
		case err != nil && d.ended(buf):
			c.forget(ct, p)
			return
		case err != nil:
			c.containerGap(ct, fact.NodeGap{What: fact.Executables, Reason: reasonOf(err), Detail: fmt.Sprintf("pid %d: %s", p.pid, errorText(err))})
			return
		}
		before := p.status
		err = c.readStatus(d, p, buf)
		if err != nil || p.status.State == 'Z' || p.status.State == 'X' {
			// It has ended: what was read of it is what ran.
			p.status = before
		}
		if gap != nil {
			c.containerGap(ct, *gap)
		}
		c.change(ct, func(mc *fact.MeasuredContainer) {
			if ct.byName && exe != nil && !isPause(exe) {
				mc.Sandbox = false
			}
			for i := range mc.Processes {
				if mc.Processes[i].PID == p.pid {
					mc.Processes[i] = c.facts(p)
					mc.Processes[i].Exe, mc.Processes[i].Scripts = exe, scripts
				}
			}
		})
		if before.Name == p.status.Name && before.UID == p.status.UID && before.CapEff == p.status.CapEff && before.CapPrm == p.status.CapPrm {
			return
		}
	}
}

func (c *Collector) readExecutable(ctx context.Context, ct *container, p *process, d *pidDir) (*fact.Executable, []fact.Executable, *fact.NodeGap, error) {
	text, err := d.link(procfs.NameExe)
	if err != nil {
		return nil, nil, nil, err
	}
	handle, err := d.file(procfs.NameExe)
	if err != nil {
		return nil, nil, nil, err
	}
	defer func() { _ = handle.Close() }()
	info := handle.Info()
	switch {
	case !c.proc.live:
		info.MountID, info.HasMountID = fixtureMount(p.table, text)
	case !info.HasMountID:
		info.MountID, info.HasMountID = c.mountOfFD(handle.FD())
	}
	process := overlay.Process{
		Comm: p.status.Name, Started: started(p, c.boot).Time, ParentOutside: p.parentOutside, Exe: text, Handle: handle, Info: info,
		Cmdline: func() ([][]byte, error) {
			data, err := d.read(procfs.NameCmdline, nil, maxCmdline)
			if err != nil {
				return nil, err
			}
			return procfs.SplitCmdline(data), nil
		},
		Cwd:    func() (string, error) { return d.link(procfs.NameCwd) },
		FDLink: func(n int) (string, error) { return d.link(fdName(n)) },
	}
	if main := ct.main(); p.table != nil && p.table != main.table {
		process.Mounts = p.table.mounts
	}
	exe, scripts, gap := c.overlayOf(ct).Executable(ctx, process)
	return exe, scripts, gap, nil
}

// mountOfFD reads the mount of an own descriptor where statx does not tell it,
// before Linux 5.8.
func (c *Collector) mountOfFD(fd int) (uint64, bool) {
	if c.self == nil {
		return 0, false
	}
	data, err := c.self.ReadFile(string(procfs.NameFDInfo)+"/"+strconv.Itoa(fd), 4096)
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

// fixtureMount finds the mount of a path by its name: in a directory that only
// looks like /proc, the kernel's mount ids mean nothing.
func fixtureMount(table *mountTable, name string) (id uint64, ok bool) {
	if table == nil {
		return 0, false
	}
	longest := -1
	for i := range table.mounts {
		m := &table.mounts[i]
		under := m.Point == "/" || name == m.Point || strings.HasPrefix(name, m.Point+"/")
		if under && len(m.Point) >= longest {
			longest, id, ok = len(m.Point), m.ID, true
		}
	}
	return id, ok
}

// upperTime is what the walks of all upperdirs may take together.
const upperTime = time.Second

// walkUppers looks through the writable layer of every container.
func (c *Collector) walkUppers(ctx context.Context, containers []*container) {
	if !c.wants(fact.Upperdir) {
		return
	}
	walk, cancel := context.WithTimeout(ctx, upperTime)
	defer cancel()
	for _, ct := range containers {
		if ctx.Err() != nil {
			return
		}
		if walk.Err() != nil {
			c.containerGap(ct, fact.NodeGap{What: fact.Upperdir, Reason: fact.Timeout, Detail: fmt.Sprintf("its writable layer was not reached in the %s that all layers have together", upperTime)})
			continue
		}
		main := ct.main()
		if main.table == nil || main.table.err != nil || !main.table.hasRoot() {
			c.containerGap(ct, fact.NodeGap{What: fact.Upperdir, Reason: fact.NotPresent, Detail: "its mount table was not read, so its writable layer is not known"})
			continue
		}
		upper, gap := c.overlayOf(ct).WalkUpper(walk, overlay.Limits{})
		if gap != nil {
			gap.What = fact.Upperdir
			c.containerGap(ct, *gap)
		}
		if upper != nil {
			c.change(ct, func(mc *fact.MeasuredContainer) { mc.Upper = upper })
		}
	}
	c.done(fact.Upperdir)
}
