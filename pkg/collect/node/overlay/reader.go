package overlay

import (
	"context"
	"errors"
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

// Read finds the origin of every executable first; then what else each process runs,
// for which it waits for the process's memory lock; then it walks the writable layers.
func (Reader) Read(ctx context.Context, pass *reader.Pass) {
	v := &survey{pass: pass, layers: make(map[*proctable.Container]*shared, len(pass.Containers)), databases: make(chan struct{}, 1)}
	for _, ct := range pass.Containers {
		v.layers[ct] = newShared(nil)
	}
	pass.EachContainer(ctx, fact.Executables, v.executables, v.code)
	pass.EachContainer(ctx, fact.Upperdir, v.upper)
	v.close()
}

// survey is one reading of all containers.
type survey struct {
	pass   *reader.Pass
	layers map[*proctable.Container]*shared
	spent  atomic.Int64 // nanoseconds of the walks of upperdirs
	// databases is full while package databases are compared, one container's at a
	// time, which bounds their memory.
	databases chan struct{}
}

// shared is a container's layers, which both kinds use, one at a time: where the
// first hangs, the second waits, until the time is over.
type shared struct {
	free chan struct{} // full while they are used
	c    *Container
	exes map[int]program // what the ledger says of each process
}

// program is the executable of a process, so that another one is noticed. Its name
// may change.
type program struct {
	mount, ino uint64
}

func newShared(c *Container) *shared {
	return &shared{free: make(chan struct{}, 1), c: c, exes: map[int]program{}}
}

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
	if first.Parent == nil {
		return View{}, rootfs.ErrNoProcess
	}
	d, err := v.pass.Reopen(first.Parent, make([]byte, 4096))
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

// ended drops a process that has ended since it was listed: there is nothing to say
// about it.
func (v *survey) ended(ct *proctable.Container, pid int) {
	v.pass.Ledger.Container(ct.Key(), func(mc *fact.MeasuredContainer) {
		for i := range mc.Processes {
			if mc.Processes[i].PID == pid {
				mc.Processes = append(mc.Processes[:i], mc.Processes[i+1:]...)
				return
			}
		}
	})
}

// gap records what was not read of a container.
func (v *survey) gap(ct *proctable.Container, gap fact.NodeGap) {
	gap.Container = ct.Key()
	v.pass.Ledger.Gap(gap)
}

// unread is the gap of a process of which something could not be read.
func unread(pid int, err error) fact.NodeGap {
	return fact.NodeGap{What: fact.Executables, Reason: rootfs.ReasonOf(err), Detail: fmt.Sprintf("pid %d: %s", pid, rootfs.ErrorText(err))}
}

// executable reads one executable, then status again: if the process has
// called exec between the two reads, masks and file would be of different
// programs. Then it is read again, once.
func (v *survey) executable(ctx context.Context, ct *proctable.Container, layers *Container, p *proctable.Process, buf []byte) {
	d, err := v.pass.Reopen(p, buf)
	if err != nil {
		v.ended(ct, p.PID)
		return
	}
	defer d.Close()
	again := *p // other readers have p
	p = &again
	for range 2 {
		text, file, info, err := v.pass.Exe(d, p)
		if err != nil {
			if d.Ended(buf) {
				v.ended(ct, p.PID)
				return
			}
			v.refused(ct, p, text, err)
			return
		}
		exe, gap := layers.Executable(ctx, v.process(ct, p, d, text, file, info))
		_ = file.Close()
		v.layers[ct].exes[p.PID] = program{info.MountID, info.Ino}
		if gap != nil {
			v.gap(ct, *gap)
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
				if old := &mc.Processes[i]; old.PID == p.PID {
					facts := v.pass.Facts(p)
					facts.Exe, facts.Threads, facts.Moved = exe, old.Threads, old.Moved
					if facts.Label == "" {
						facts.Label = old.Label
					}
					*old = facts
				}
			}
		})
		if before.Name == p.Status.Name && before.UID == p.Status.UID && before.CapEff == p.Status.CapEff && before.CapPrm == p.Status.CapPrm {
			return
		}
	}
}

// refused records an executable that could not be looked at. A server in user space
// (FUSE) refuses everybody but its owner.
func (v *survey) refused(ct *proctable.Container, p *proctable.Process, text string, err error) {
	gap := unread(p.PID, err)
	mounts := ct.Main().Mounts
	if p.Mounts != nil {
		mounts = p.Mounts
	}
	if mounts != nil && text != "" {
		if m := mountAt(mounts.Mounts, text); m != nil && m.Hazardous() {
			gap.Reason = fact.Unsupported
			gap.Detail = fmt.Sprintf("pid %d: its executable is on the %s mount at %.200q, whose server does not show it: %s", p.PID, m.FSType, rootfs.Text(m.Point), plain(err))
		}
	}
	v.gap(ct, gap)
}

// process is what the layers are asked about.
func (v *survey) process(ct *proctable.Container, p *proctable.Process, d *proctable.PID, text string, file *rootfs.Handle, info rootfs.Info) Process {
	process := Process{
		Comm: p.Status.Name, Started: v.pass.Started(p).Time, ParentOutside: p.ParentOutside, Exe: text, Handle: file, Info: info,
		Root: d.Root, RootText: func() (string, error) { return d.Link(procfs.NameRoot) },
	}
	if main := ct.Main(); p.Mounts != nil && p.Mounts != main.Mounts {
		process.Mounts = p.Mounts.Mounts
		process.Apart = p.NS.Mnt != main.NS.Mnt
	}
	return process
}

// code reads what takes the memory lock of a process: its command line, if it is an
// interpreter, and what it has mapped. The layers are not held meanwhile, so that a
// process that hangs does not keep the walk of its container's upperdir waiting.
func (v *survey) code(ctx context.Context, ct *proctable.Container, buf []byte) {
	var files MappedFiles
	for _, p := range ct.Processes {
		if ctx.Err() != nil {
			return
		}
		v.codeOf(ctx, ct, p, &files, buf)
	}
}

// codeOf reads one process. If it calls exec meanwhile, it is read again, once.
func (v *survey) codeOf(ctx context.Context, ct *proctable.Container, p *proctable.Process, files *MappedFiles, buf []byte) {
	d, err := v.pass.Reopen(p, buf)
	if err != nil {
		v.ended(ct, p.PID)
		return
	}
	defer d.Close()
	for again := range 2 {
		same, err := v.readCode(ctx, ct, p, d, files, buf)
		switch {
		case again == 0 && (errors.Is(err, errNoCommand) || errors.Is(err, errNoMemory)):
			continue // in the middle of exec
		case err != nil && d.Ended(buf):
			v.ended(ct, p.PID)
			return
		case err != nil:
			v.gap(ct, unread(p.PID, err))
			return
		case same:
			return
		}
		v.with(ctx, ct, func(layers *Container) { v.executable(ctx, ct, layers, p, buf) })
	}
	v.gap(ct, fact.NodeGap{What: fact.Executables, Reason: fact.Changing, Detail: fmt.Sprintf("pid %d: it ran another program each time it was read", p.PID)})
}

// errNoMemory says that maps is empty, as it is of a process that is ending.
var errNoMemory = rootfs.NewError(fact.Changing, "maps is empty")

// readCode reads command line and mappings, and asks the layers about them. same is
// false if the process runs another executable afterwards, or not the one of which
// the ledger knows.
func (v *survey) readCode(ctx context.Context, ct *proctable.Container, p *proctable.Process, d *proctable.PID, files *MappedFiles, buf []byte) (same bool, err error) {
	text, file, info, err := v.pass.Exe(d, p)
	if err != nil {
		if d.Ended(buf) {
			return false, err
		}
		// The executable has its gap already. Mappings have their own.
		file, info = nil, rootfs.Info{}
	}
	if file != nil {
		defer func() { _ = file.Close() }()
	}
	scripts, err := FindScripts(text, v.links(p, d))
	if err != nil {
		return false, err
	}
	mappings, lines, truncated, mapsErr := files.Read(func(do func(procfs.Mapping)) (int, error) { return d.EachMapping(buf, do) })
	if mapsErr == nil && lines == 0 && !truncated {
		mapsErr = errNoMemory
	}
	if file != nil {
		if now, e := d.Link(procfs.NameExe); e != nil || now != text && now != text+deletedSuffix {
			return false, e
		}
	}
	process := v.process(ct, p, d, text, file, info)
	same = true
	v.with(ctx, ct, func(layers *Container) {
		if before, known := v.layers[ct].exes[p.PID]; known && file != nil && before != (program{info.MountID, info.Ino}) {
			same = false
			return
		}
		var mapped *fact.Mapped
		var gaps []fact.NodeGap
		if mapsErr == nil {
			mapped, gaps = layers.Mapped(ctx, process, mappings)
		}
		found, gap := layers.Scripts(ctx, process, scripts)
		if gap != nil {
			gaps = append(gaps, *gap)
		}
		if truncated {
			gaps = append(gaps, fact.NodeGap{What: fact.Executables, Reason: fact.Truncated, Detail: "the container has more executable mappings than are looked at"})
		}
		for _, gap := range gaps {
			v.gap(ct, gap)
		}
		v.pass.Ledger.Container(ct.Key(), func(mc *fact.MeasuredContainer) {
			for i := range mc.Processes {
				if q := &mc.Processes[i]; q.PID == p.PID {
					q.Scripts, q.Mapped = found, mapped
				}
			}
		})
	})
	return same, mapsErr
}

// links reads what an interpreter is asked for.
func (v *survey) links(p *proctable.Process, d *proctable.PID) Links {
	return Links{
		Cmdline: func() ([][]byte, error) { return d.Cmdline(nil) },
		Cwd:     func() (string, error) { return d.Link(procfs.NameCwd) },
		Open: func(n int) (OpenFile, error) {
			text, file, info, err := v.pass.LinkedFile(d, p, proctable.FDName(n))
			return OpenFile{text, file, info}, err
		},
		EachFD: func(do func(n int, text string) bool) error {
			return d.EachFD(func(n int) bool {
				text, err := d.Link(proctable.FDName(n))
				return err != nil || do(n, text)
			})
		},
	}
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
		packages, packagesProblem := v.packages(walk, layers)
		// A walk that hung took no time from the others: they went on without
		// it.
		if took := time.Since(begun); took < v.pass.Patience {
			v.spent.Add(int64(took))
		}
		if problem != nil {
			gap(problem.Reason, problem.Detail)
		}
		if packagesProblem != nil {
			// It leaves open what was installed, and nothing else of the layer.
			if packages == nil {
				packages = new(fact.PackageChange)
			}
			packages.Reason, packages.Detail = packagesProblem.Reason, packagesProblem.Detail
		}
		if upper != nil {
			v.pass.Ledger.Container(ct.Key(), func(mc *fact.MeasuredContainer) { mc.Upper, mc.Packages = upper, packages })
		}
	})
}

func (v *survey) packages(ctx context.Context, layers *Container) (*fact.PackageChange, *fact.NodeGap) {
	select {
	case v.databases <- struct{}{}:
		defer func() { <-v.databases }()
	case <-ctx.Done():
	}
	return layers.PackageChange(ctx)
}
