package overlay

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/sandbox"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Reader reads Executables and Upperdir.
type Reader struct{}

// Kinds are both: they look into the same layers.
func (Reader) Kinds() []fact.Kind { return []fact.Kind{fact.Executables, fact.Upperdir} }

// Read finds the origin of every executable first, then walks the writable
// layers.
func (Reader) Read(ctx context.Context, pass *reader.Pass) {
	v := &survey{pass: pass, layers: make(map[*proctable.Container]*shared, len(pass.Containers))}
	for _, ct := range pass.Containers {
		v.layers[ct] = newShared(nil)
	}
	pass.EachContainer(ctx, fact.Executables, v.executables)
	pass.EachContainer(ctx, fact.Upperdir, v.upper)
	v.close()
}

// survey is one reading of all containers.
type survey struct {
	pass   *reader.Pass
	layers map[*proctable.Container]*shared
	spent  atomic.Int64 // nanoseconds of the walks of upperdirs
}

// shared is a container's layers, which both kinds use, one at a time: where the
// first hangs, the second waits, until the time is over.
type shared struct {
	free chan struct{} // full while they are used
	c    *Container
}

func newShared(c *Container) *shared { return &shared{free: make(chan struct{}, 1), c: c} }

// with calls do with the container's layers, which are made once.
func (v *survey) with(ctx context.Context, ct *proctable.Container, do func(*Container)) {
	s := v.layers[ct]
	select {
	case s.free <- struct{}{}:
		defer func() { <-s.free }()
	case <-ctx.Done():
		return
	}
	if s.c == nil {
		s.c = v.open(ct)
	}
	do(s.c)
}

// close closes the layers that are not in use. What hangs stays open until the
// process ends.
func (v *survey) close() {
	for _, s := range v.layers {
		select {
		case s.free <- struct{}{}:
			if s.c != nil {
				s.c.Close()
				s.c = nil // a reader that was left behind and comes later opens it again
			}
			<-s.free
		default:
		}
	}
}

func (v *survey) open(ct *proctable.Container) *Container {
	main := ct.Main()
	layers := &Container{
		Node:   View{Root: v.pass.Root, Mounts: v.pass.NodeMounts()},
		UserNS: main.NS.User != 0 && main.NS.User != v.pass.HostUserNS,
		Root: func() (*rootfs.Root, error) {
			d, err := v.pass.Reopen(main, make([]byte, 4096))
			if err != nil {
				return nil, err
			}
			defer d.Close()
			return d.Root()
		},
		Parent: func() (View, error) { return v.parentView(ct.Processes[0]) },
	}
	if main.Mounts != nil {
		layers.Mounts = main.Mounts.Mounts
	}
	return layers
}

// parentView is the mount namespace of the container's shim or conmon, which is
// the runtime's: with a containerd that has a namespace of its own, upperdir
// exists only there.
func (v *survey) parentView(first *proctable.Process) (View, error) {
	d, err := v.pass.Open(first.Stat.PPID)
	if err != nil {
		return View{}, err
	}
	defer d.Close()
	table, _ := d.Mounts(make([]byte, reader.BufferSize), proctable.MaxMountInfo)
	if table.Err != nil {
		return View{}, table.Err
	}
	root, err := d.Root()
	if err != nil {
		return View{}, err
	}
	return View{Root: root, Mounts: table.Mounts}, nil
}

func (v *survey) executables(ctx context.Context, ct *proctable.Container, buf []byte) {
	v.with(ctx, ct, func(layers *Container) {
		for _, p := range ct.Processes {
			if ctx.Err() != nil {
				return
			}
			v.executable(ctx, ct, layers, p, buf)
		}
	})
}

// executable reads one executable, then status again: if the process has
// called exec between the two reads, masks and file would be of different
// programs. Then it is read again, once.
func (v *survey) executable(ctx context.Context, ct *proctable.Container, layers *Container, p *proctable.Process, buf []byte) {
	// A process that has ended since it was listed is dropped: there is nothing
	// to say about it.
	ended := func() {
		v.pass.Ledger.Container(ct.Key(), func(mc *fact.MeasuredContainer) {
			for i := range mc.Processes {
				if mc.Processes[i].PID == p.PID {
					mc.Processes = append(mc.Processes[:i], mc.Processes[i+1:]...)
					return
				}
			}
		})
	}
	d, err := v.pass.Reopen(p, buf)
	if err != nil {
		ended()
		return
	}
	defer d.Close()
	again := *p // other readers have p
	p = &again
	for range 2 {
		exe, scripts, gap, err := v.origin(ctx, ct, layers, p, d)
		switch {
		case err != nil && d.Ended(buf):
			ended()
			return
		case err != nil:
			gap = &fact.NodeGap{What: fact.Executables, Reason: rootfs.ReasonOf(err), Detail: fmt.Sprintf("pid %d: %s", p.PID, rootfs.ErrorText(err))}
		}
		if gap != nil {
			gap.Container = ct.Key()
			v.pass.Ledger.Gap(*gap)
		}
		if err != nil {
			return
		}
		before := p.Status
		// If it has ended, what was read of it is what ran.
		if status, err := d.Status(buf); err == nil && status.State != 'Z' && status.State != 'X' {
			p.Status = status
		}
		v.pass.Ledger.Container(ct.Key(), func(mc *fact.MeasuredContainer) {
			if ct.ByName && exe != nil && !sandbox.IsPause(exe) {
				mc.Sandbox = false
			}
			for i := range mc.Processes {
				if mc.Processes[i].PID == p.PID {
					mc.Processes[i] = v.pass.Facts(p)
					mc.Processes[i].Exe, mc.Processes[i].Scripts = exe, scripts
				}
			}
		})
		if before.Name == p.Status.Name && before.UID == p.Status.UID && before.CapEff == p.Status.CapEff && before.CapPrm == p.Status.CapPrm {
			return
		}
	}
}

// origin asks the layers about one process. Its error is one of reading the
// process.
func (v *survey) origin(ctx context.Context, ct *proctable.Container, layers *Container, p *proctable.Process, d *proctable.PID) (*fact.Executable, []fact.Executable, *fact.NodeGap, error) {
	text, file, info, err := v.pass.Exe(d, p)
	if err != nil {
		return nil, nil, nil, err
	}
	defer func() { _ = file.Close() }()
	process := Process{
		Comm: p.Status.Name, Started: v.pass.Started(p).Time, ParentOutside: p.ParentOutside, Exe: text, Handle: file, Info: info,
		Cmdline: func() ([][]byte, error) { return d.Cmdline(nil) },
		Cwd:     func() (string, error) { return d.Link(procfs.NameCwd) },
		FDLink:  func(n int) (string, error) { return d.Link(proctable.FDName(n)) },
	}
	if p.Mounts != nil && p.Mounts != ct.Main().Mounts {
		process.Mounts = p.Mounts.Mounts
	}
	exe, scripts, gap := layers.Executable(ctx, process)
	return exe, scripts, gap, nil
}

// upperTime is the time that the walks of all upperdirs share.
const upperTime = time.Second

func (v *survey) upper(ctx context.Context, ct *proctable.Container, _ []byte) {
	gap := func(reason fact.Reason, detail string) {
		v.pass.Ledger.Gap(fact.NodeGap{What: fact.Upperdir, Container: ct.Key(), Reason: reason, Detail: detail})
	}
	left := upperTime - time.Duration(v.spent.Load())
	if left <= 0 {
		gap(fact.Timeout, fmt.Sprintf("its writable layer was not reached in the %s that all layers share", upperTime))
		return
	}
	if !ct.Main().Mounts.Read() {
		gap(fact.NotPresent, "its mount table was not read, so its writable layer is unknown")
		return
	}
	v.with(ctx, ct, func(layers *Container) {
		walk, cancel := context.WithTimeout(ctx, left)
		defer cancel()
		begun := time.Now()
		upper, problem := layers.WalkUpper(walk, Limits{})
		// A walk that hung took no time from the others: they went on without
		// it.
		if took := time.Since(begun); took < v.pass.Patience {
			v.spent.Add(int64(took))
		}
		if problem != nil {
			gap(problem.Reason, problem.Detail)
		}
		if upper != nil {
			v.pass.Ledger.Container(ct.Key(), func(mc *fact.MeasuredContainer) { mc.Upper = upper })
		}
	})
}
