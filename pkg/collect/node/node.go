package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/ledger"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/processes"
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
	// Proc is a procfs that shows the node's processes; "" means proc below
	// Root.
	Proc string
	// Root is the node's root directory, "" for that of pid 1 in Proc.
	Root string
	// Live says that Proc is the kernel's. Otherwise it is a directory of the
	// same layout, in which exe, root, cwd, fd/N and ns/* are plain links.
	Live bool
	// SelfPID is the pid of the probe, whose own container is marked; 0 if the
	// caller is no container of the node. SelfPodUID is its pod's UID: in a
	// private cgroup namespace the paths of that pod's containers lack it.
	SelfPID    int
	SelfPodUID string
}

// Reading reads one node once. Snapshot may be called at any time.
type Reading struct {
	table    *proctable.Table
	noProc   error // why there is no /proc
	ledger   *ledger.Ledger
	pass     *reader.Pass
	cpuStart int64 // milliseconds
	over     atomic.Bool
}

// New opens the directories that opts name; an error means that one of them
// does not exist. If access to pid 1's root is refused, that is a gap and not
// an error.
func New(opts Options) (*Reading, error) {
	switch opts.Level {
	case fact.LevelProc, fact.LevelFull:
	default:
		return nil, fmt.Errorf("level %q: expected %q or %q", opts.Level, fact.LevelProc, fact.LevelFull)
	}
	t := &proctable.Table{Level: opts.Level, SelfPID: opts.SelfPID, SelfPodUID: opts.SelfPodUID, OwnRoot: opts.Root != ""}
	r := &Reading{table: t, ledger: ledger.New(opts.Level, opts.Kinds)}
	r.pass = reader.NewPass(t, r.ledger)
	var err error
	if opts.Root != "" {
		if t.Root, err = rootfs.Open(opts.Root); err != nil {
			return nil, fmt.Errorf("opening the node's root directory: %w", err)
		}
	}
	switch {
	case opts.Proc != "":
		if t.Dir, err = rootfs.Open(opts.Proc); err != nil {
			r.Close()
			return nil, fmt.Errorf("opening the node's /proc: %w", err)
		}
	case t.Root == nil:
		return nil, errors.New("neither Root nor Proc is given")
	default:
		// A root file system alone, say of an image, has an empty proc or none.
		t.Dir, r.noProc = t.Root.Sub("proc")
	}
	t.Node, t.Live = t.Root, opts.Live
	if t.Root == nil && opts.Level == fact.LevelFull {
		d, err := t.Open(1)
		if err == nil {
			t.Root, err = d.Root()
			d.Close()
		}
		t.RootErr = err
	}
	if opts.Live {
		t.Sys, _ = rootfs.Open("/sys")
	}
	if self, err := rootfs.Open("/proc/self"); err == nil {
		t.Self = self
		r.cpuStart, _ = r.usage()
	}
	return r, nil
}

// Close releases the directories. A reading that hangs cannot be closed, and
// does not need to be: its process ends.
func (r *Reading) Close() {
	for _, dir := range []*rootfs.Root{r.table.Root, r.table.Dir, r.table.Self, r.table.Sys} {
		if dir != nil {
			_ = dir.Close()
		}
	}
}

// Local reads a node. It returns what was read when it is done or ctx ends,
// whichever comes first. After a hang its threads remain, so it is for programs
// that end soon.
func Local(ctx context.Context, opts Options) (*fact.Measurement, error) {
	return local(ctx, opts, reader.Patience)
}

func local(ctx context.Context, opts Options, patience time.Duration) (*fact.Measurement, error) {
	type opened struct {
		r   *Reading
		err error
	}
	// Opening a directory hangs too, if it lies on a dead mount.
	open, done := make(chan opened, 1), make(chan struct{})
	go func() {
		defer close(done)
		r, err := New(opts)
		if err == nil {
			r.pass.Patience = patience
		}
		open <- opened{r, err}
		if err == nil {
			r.Run(ctx)
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
		return o.r.Snapshot(), nil
	}
	m := o.r.Snapshot()
	o.r.Close()
	return m, nil
}

// grace is the time that readers need after the context's end to hand over what
// they have.
const grace = 100 * time.Millisecond

// after is done a while after the context is.
func after(ctx context.Context, wait time.Duration) <-chan struct{} {
	late := make(chan struct{})
	context.AfterFunc(ctx, func() { time.AfterFunc(wait, func() { close(late) }) })
	return late
}

// Run reads everything wanted, once. When ctx ends it returns soon, with the
// rest unread; a dead file system can block it forever.
func (r *Reading) Run(ctx context.Context) {
	r.readSafe(ctx)
	r.readSlow(ctx)
	// Nobody reads or writes any more. What follows needs memory, too.
	r.table.Processes, r.table.Containers, r.table.Host, r.table.Apart, r.table.Undecided = nil, nil, nil, nil, nil
	r.over.Store(true)
}

// readSafe reads what cannot hang.
func (r *Reading) readSafe(ctx context.Context) {
	r.ledger.Refuse(fact.Subtract(fact.NodeKinds(), fact.KindsAt(r.table.Level)), fact.NotRequested, "not read at probe level "+string(r.table.Level))
	if r.noProc != nil {
		r.ledger.Refuse(processes.Dependent(), rootfs.ReasonOf(r.noProc), "no processes: "+rootfs.ErrorText(r.noProc))
		return
	}
	r.read(ctx, safe)
}

// readSlow reads what can hang, and waits for what was left behind.
func (r *Reading) readSlow(ctx context.Context) {
	reader.Each(ctx, len(slow), func(i int, _ []byte) { r.read(ctx, slow[i]) })
	if r.table.Full() {
		r.ledger.DropEnded() // before what may never come back
		defer r.ledger.DropEnded()
	}
	r.pass.Wait()
}

// read calls readers, one after another.
func (r *Reading) read(ctx context.Context, readers []reader.Reader) {
	for _, one := range readers {
		kinds := one.Kinds()
		if ctx.Err() == nil && (kinds == nil || slices.ContainsFunc(kinds, r.ledger.Asks)) {
			one.Read(ctx, r.pass)
		}
	}
}

// Snapshot returns a copy of what is read by now. What is wanted and not finished
// has a gap Timeout (see ledger.Ledger.Snapshot).
func (r *Reading) Snapshot() *fact.Measurement {
	cpu, rss := r.usage()
	take := r.ledger.Snapshot
	if r.over.Load() {
		take = r.ledger.Final
	}
	m := take()
	m.Cost.WallMillis, m.Cost.CPUMillis, m.Cost.MaxRSSKiB = time.Since(r.ledger.Begun()).Milliseconds(), cpu-r.cpuStart, rss
	return m
}

// usage reads the caller's own processor time, in milliseconds, and peak
// resident memory, in KiB: from /proc, as getrusage is not on the filter's list.
func (r *Reading) usage() (cpu, rss int64) {
	if r.table.Self == nil {
		return 0, 0
	}
	if data, err := r.table.Self.ReadFile(string(procfs.NameStat), proctable.MaxStatus); err == nil {
		if stat, err := procfs.ParseStat(data); err == nil {
			cpu = int64(stat.UTime+stat.STime) * 1000 / procfs.TicksPerSecond
		}
	}
	if data, err := r.table.Self.ReadFile(string(procfs.NameStatus), proctable.MaxStatus); err == nil {
		if status, err := procfs.ParseStatus(data); err == nil {
			rss = status.PeakRSS
		}
	}
	return cpu, rss
}
