// Package ledger keeps what one measurement of a node has so far: the facts,
// what is settled, and what is a gap. It does so by kind and, if a kind is read
// container by container, also by container. It reads nothing itself.
package ledger

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// Self is the key of a container whose id is unknown: the caller's own, if its
// cgroup namespace hides it.
const Self = "self"

// KeyOf names a container by its id, or Self.
func KeyOf(id string) string {
	if id == "" {
		return Self
	}
	return id
}

// Ledger is one measurement while it is made. It is safe for concurrent use, and
// a Snapshot can be taken at any time: what is not settled then is a gap.
type Ledger struct {
	asked []fact.Kind // nil: all
	begun time.Time

	mu         sync.Mutex
	m          fact.Measurement
	containers map[string]int // places in m.Containers
	kinds      map[fact.Kind]*account
}

// account is the progress of one kind.
type account struct {
	settled bool
	// parts are the containers of a kind that was divided, in their order; open
	// counts those that are not settled.
	divided bool
	order   []string
	parts   map[string]*part
	open    int
}

// part is one container's share of a kind.
type part struct {
	begun   time.Time // zero: not reached yet
	settled bool
}

// New begins a measurement. kinds are those that are requested, nil means all;
// kinds that no node has are ignored.
func New(level fact.Level, kinds []fact.Kind) *Ledger {
	l := &Ledger{asked: kinds, begun: time.Now(), kinds: map[fact.Kind]*account{}}
	for _, kind := range fact.NodeKinds() {
		l.kinds[kind] = &account{}
	}
	l.m.Level, l.m.At = level, fact.NewTime(l.begun.Truncate(time.Second))
	return l
}

// Begun is when New was called.
func (l *Ledger) Begun() time.Time { return l.begun }

// Asks reports whether a kind is requested.
func (l *Ledger) Asks(kind fact.Kind) bool {
	return l.kinds[kind] != nil && (l.asked == nil || slices.Contains(l.asked, kind))
}

// Wants reports whether a kind is requested and not settled.
func (l *Ledger) Wants(kind fact.Kind) bool {
	if !l.Asks(kind) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.kinds[kind].settled
}

// Update changes what is known about the node. It must not change its
// containers, gaps and kinds, which have their own methods.
func (l *Ledger) Update(change func(*fact.Measurement)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.m)
}

// Publish makes the containers known, in place of what was known before. No two
// may have the same id.
func (l *Ledger) Publish(containers []fact.MeasuredContainer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.m.Containers = containers
	l.place()
}

func (l *Ledger) place() {
	l.containers = make(map[string]int, len(l.m.Containers))
	for i := range l.m.Containers {
		l.containers[KeyOf(l.m.Containers[i].ID)] = i
	}
}

// Container changes one published container, given by its key.
func (l *Ledger) Container(key string, change func(*fact.MeasuredContainer)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i, ok := l.containers[key]; ok {
		change(&l.m.Containers[i])
	}
}

// DropEnded drops the containers that have no process left: there is nothing to
// say about them.
func (l *Ledger) DropEnded() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.m.Containers = slices.DeleteFunc(l.m.Containers, func(c fact.MeasuredContainer) bool { return len(c.Processes) == 0 })
	l.place()
}

// Done settles a kind that was read, perhaps with gaps for some containers.
func (l *Ledger) Done(kind fact.Kind) { l.settle(kind, true) }

// Missed settles a kind that was not read, for which there is a gap.
func (l *Ledger) Missed(kind fact.Kind) { l.settle(kind, false) }

func (l *Ledger) settle(kind fact.Kind, read bool) {
	if !l.Asks(kind) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settleLocked(kind, read)
}

func (l *Ledger) settleLocked(kind fact.Kind, read bool) {
	a := l.kinds[kind]
	if a.settled {
		return
	}
	a.settled = true
	if read {
		l.m.Read = append(l.m.Read, kind)
	}
}

// Refuse settles those of the kinds that are wanted with a gap for the whole
// node.
func (l *Ledger) Refuse(kinds []fact.Kind, reason fact.Reason, detail string) {
	for _, kind := range kinds {
		if l.Wants(kind) {
			l.Gap(fact.NodeGap{What: kind, Reason: reason, Detail: detail})
			l.Missed(kind)
		}
	}
}

// Divide says that a kind is read container by container from now on. Each is
// settled separately, and the kind is done with the last one. A read that never
// returns costs only its own container.
func (l *Ledger) Divide(kind fact.Kind, containers []string) {
	if !l.Asks(kind) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.kinds[kind]
	a.divided, a.order, a.parts = true, containers, make(map[string]*part, len(containers))
	for _, key := range containers {
		a.parts[key] = &part{}
	}
	a.open = len(a.parts)
	if a.open == 0 {
		l.settleLocked(kind, true)
	}
}

// Begin says that a container's share of a kind is being read.
func (l *Ledger) Begin(kind fact.Kind, container string) {
	l.part(kind, container, func(_ *account, p *part) { p.begun = time.Now() })
}

// Settle says that it was read, perhaps with gaps.
func (l *Ledger) Settle(kind fact.Kind, container string) {
	l.part(kind, container, func(a *account, p *part) {
		p.settled = true
		if a.open--; a.open == 0 {
			l.settleLocked(kind, true)
		}
	})
}

func (l *Ledger) part(kind fact.Kind, container string, change func(*account, *part)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.kinds[kind]
	if a == nil {
		return
	}
	if p := a.parts[container]; p != nil && !p.settled {
		change(a, p)
	}
}

// maxGaps bounds the gaps of one kind: thousands of containers can be
// unreadable for the same reason.
const maxGaps = 500

// Gap records what was not read, if it was requested. The same gap counts once.
func (l *Ledger) Gap(gap fact.NodeGap) {
	if !l.Asks(gap.What) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	same := 0
	for i := range l.m.Gaps {
		g := &l.m.Gaps[i]
		if g.What != gap.What {
			continue
		}
		same++
		if g.Container == gap.Container && g.Reason == gap.Reason && g.Detail == gap.Detail {
			return
		}
	}
	switch {
	case same == maxGaps:
		l.m.Gaps = append(l.m.Gaps, fact.NodeGap{What: gap.What, Reason: fact.Truncated, Detail: fmt.Sprintf("more than %d gaps", maxGaps)})
	case same < maxGaps:
		l.m.Gaps = append(l.m.Gaps, gap)
	}
}

// Snapshot returns a copy of what is known by now. What is requested and not
// settled has a gap Timeout: for the whole node or, if the kind was divided,
// for each container that is not settled. In that case the kind itself counts
// as read.
func (l *Ledger) Snapshot() *fact.Measurement {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.complete(l.m.DeepCopy())
}

// Final is Snapshot for when nothing writes any more: the facts are not copied, which
// saves half of the memory that a large node takes.
func (l *Ledger) Final() *fact.Measurement {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.m
	m.Read, m.Gaps = slices.Clone(m.Read), slices.Clone(m.Gaps)
	return l.complete(&m)
}

// complete adds the gaps for what is not settled.
func (l *Ledger) complete(m *fact.Measurement) *fact.Measurement {
	after := func(since time.Time) time.Duration { return time.Since(since).Round(time.Millisecond) }
	for _, kind := range fact.NodeKinds() {
		a := l.kinds[kind]
		if !l.Asks(kind) || a.settled {
			continue
		}
		if !a.divided || a.open > maxGaps-l.gapsOf(kind) {
			m.Gaps = append(m.Gaps, fact.NodeGap{What: kind, Reason: fact.Timeout, Detail: fmt.Sprintf("not finished after %s", after(l.begun))})
			continue
		}
		m.Read = append(m.Read, kind)
		for _, key := range a.order {
			p := a.parts[key]
			if p.settled {
				continue
			}
			detail := fmt.Sprintf("not reached within %s", after(l.begun))
			if !p.begun.IsZero() {
				detail = fmt.Sprintf("not finished after %s: a file system or a process of this container may hang", after(p.begun))
			}
			m.Gaps = append(m.Gaps, fact.NodeGap{What: kind, Container: key, Reason: fact.Timeout, Detail: detail})
		}
	}
	order := fact.Kinds() // readers that run in parallel write in any order
	slices.SortFunc(m.Read, func(a, b fact.Kind) int { return slices.Index(order, a) - slices.Index(order, b) })
	sorted.Stable(m.Gaps, func(a, b fact.NodeGap) int { return slices.Index(order, a.What) - slices.Index(order, b.What) })
	return m
}

func (l *Ledger) gapsOf(kind fact.Kind) int {
	n := 0
	for i := range l.m.Gaps {
		if l.m.Gaps[i].What == kind {
			n++
		}
	}
	return n
}
