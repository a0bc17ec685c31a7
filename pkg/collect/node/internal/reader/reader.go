// Package reader is what all readers of a node have in common: the interface,
// what a reader is given, and how a reader that hangs is left behind.
package reader

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/ledger"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/crash"
)

// Reader reads facts of some kinds.
type Reader interface {
	// Kinds are those that it gives, or that others give from what it finds.
	// Its Read is called if one of them is requested; nil means always.
	Kinds() []fact.Kind
	// Read writes what it finds into the ledger, gaps included, and settles its
	// kinds, unless ctx ends first. It runs what can hang through EachContainer
	// or Task, so that it still returns.
	Read(ctx context.Context, pass *Pass)
}

// BufferSize is enough for all but the largest files of a process.
const BufferSize = 32 << 10

const (
	// Patience is how long one container can take before the next one is
	// started in parallel. It ends nothing: what comes back later counts. The
	// more hang already, the shorter it is (see patience), because they mostly
	// hang for one reason.
	Patience = 2 * time.Second
	// taskPatience is how much longer a Task has. A Task that is only slow, on
	// a node with little processor time, should not share the memory with the
	// next: both packages and etcd's Secrets need some.
	taskPatience = 5
	// maxLeft bounds the pieces that were left behind and hold a thread each.
	// With so many, the next one is waited for.
	maxLeft = 16
)

// Pass is one reading of a node.
type Pass struct {
	*proctable.Table
	Ledger *ledger.Ledger
	// Patience is the constant, except in tests.
	Patience time.Duration

	workers sync.WaitGroup
	left    atomic.Int64
	panics  chan any
}

// NewPass begins one.
func NewPass(table *proctable.Table, l *ledger.Ledger) *Pass {
	return &Pass{Table: table, Ledger: l, Patience: Patience, panics: make(chan any, 1)}
}

// EachContainer reads a kind of every container, one after another, and updates
// the ledger. A container that takes longer than Patience is left behind and
// costs only itself; so does one at which the program panics. If no kind is
// wanted, it does nothing. buf has BufferSize.
//
// Of several steps the first is done for all containers, then the next: what can
// hang more easily comes later. A container that hangs in one step has its next
// ones when it comes back, and its kind is settled after the last.
func (r *Pass) EachContainer(ctx context.Context, kind fact.Kind, steps ...Step) {
	if !r.Ledger.Wants(kind) {
		return
	}
	containers := make([]*steppedContainer, len(r.Containers))
	keys := make([]string, len(containers))
	for i, ct := range r.Containers {
		keys[i] = ct.Key()
		containers[i] = &steppedContainer{pass: r, kind: kind, ct: ct, steps: steps}
	}
	r.Ledger.Divide(kind, keys)
	for range steps {
		r.pieces(ctx, r.Patience, len(containers), func(i int, buf []byte) { containers[i].advance(ctx, buf) })
	}
}

// Step reads something of one container.
type Step func(ctx context.Context, ct *proctable.Container, buf []byte)

// steppedContainer is how far one container is.
type steppedContainer struct {
	pass  *Pass
	kind  fact.Kind
	ct    *proctable.Container
	steps []Step

	mu   sync.Mutex
	due  int // so many steps may be done by now
	done int
	busy bool
}

// advance does the next step. If an earlier one is not back, that one goes on.
func (c *steppedContainer) advance(ctx context.Context, buf []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.due++; c.busy {
		return
	}
	c.busy = true
	defer func() { c.busy = false }()
	for c.done < c.due && c.done < len(c.steps) {
		step := c.steps[c.done]
		c.mu.Unlock()
		bug := c.try(ctx, step, buf)
		c.mu.Lock()
		if c.done++; bug {
			c.done = len(c.steps)
		}
		// Otherwise it is unknown how far it came.
		if c.done == len(c.steps) && (bug || ctx.Err() == nil) {
			c.pass.Ledger.Settle(c.kind, c.ct.Key())
		}
	}
}

// try does one step. A panic is a gap.
func (c *steppedContainer) try(ctx context.Context, step Step, buf []byte) (bug bool) {
	c.pass.Ledger.Begin(c.kind, c.ct.Key())
	defer func() {
		if v := recover(); v != nil {
			bug = true
			c.pass.Ledger.Gap(fact.NodeGap{
				What: c.kind, Container: c.ct.Key(), Reason: fact.Unsupported,
				Detail: "a bug in this program, not in the container: " + crash.Describe(v),
			})
		}
	}()
	step(ctx, c.ct, buf)
	return false
}

// Task reads what belongs to no container. It returns when that is done or has
// been left behind.
func (r *Pass) Task(ctx context.Context, read func(ctx context.Context, buf []byte)) {
	r.pieces(ctx, taskPatience*r.Patience, 1, func(_ int, buf []byte) { read(ctx, buf) })
}

// Pieces reads n things that have nothing to do with each other, one after another.
// One that takes longer than Patience is left behind: read may then still run when
// Pieces returns.
func (r *Pass) Pieces(ctx context.Context, n int, read func(i int, buf []byte)) {
	r.pieces(ctx, r.Patience, n, read)
}

// Wait returns when everything that was left behind has come back. A dead file
// system can block it forever.
func (r *Pass) Wait() {
	r.workers.Wait()
	r.rethrow()
}

// pieces does the pieces below n in order, one at a time, except for those that
// are left behind. It returns when nothing remains to start or to wait for.
func (r *Pass) pieces(ctx context.Context, patience time.Duration, n int, do func(i int, buf []byte)) {
	s := &sequence{pass: r, ctx: ctx, patience: patience, n: n, do: do, over: make(chan struct{})}
	s.start()
	<-s.over
	r.rethrow()
}

// rethrow passes a panic of a piece to the caller, who may be able to handle
// it. In its own goroutine it would end the program without a message.
func (r *Pass) rethrow() {
	select {
	case v := <-r.panics:
		panic(v)
	default:
	}
}

// sequence is one call of pieces.
type sequence struct {
	pass     *Pass
	ctx      context.Context
	patience time.Duration
	n        int
	do       func(i int, buf []byte)
	next     int // only the worker at the front uses it
	over     chan struct{}
}

func (s *sequence) start() {
	s.pass.workers.Add(1)
	go s.work()
}

// work does one piece after another until it is left behind itself.
func (s *sequence) work() {
	defer s.pass.workers.Done()
	buf := make([]byte, BufferSize)
	for s.next < s.n && s.ctx.Err() == nil {
		i := s.next
		s.next++
		front, panicked := s.piece(i, buf)
		if !front {
			return
		}
		if panicked {
			break
		}
	}
	close(s.over)
}

// piece does one. front is false if another worker has gone on without it.
func (s *sequence) piece(i int, buf []byte) (front, panicked bool) {
	var mu sync.Mutex
	back, behind := false, false
	timer := time.AfterFunc(s.patience/time.Duration(1+s.pass.left.Load()), func() {
		mu.Lock()
		defer mu.Unlock()
		if back || s.pass.left.Load() >= maxLeft {
			return
		}
		behind = true
		s.pass.left.Add(1)
		s.start()
	})
	panicked = s.try(i, buf)
	timer.Stop()
	mu.Lock()
	defer mu.Unlock()
	back = true
	if behind {
		s.pass.left.Add(-1)
	}
	return !behind, panicked
}

// try keeps the first panic for rethrow.
func (s *sequence) try(i int, buf []byte) (panicked bool) {
	defer func() {
		if v := recover(); v != nil {
			panicked = true
			select {
			case s.pass.panics <- v:
			default:
			}
		}
	}()
	s.do(i, buf)
	return false
}

// workers is how many threads read processes at once: two halve the time and
// leave the node's other processors free.
const workers = 2

// Each runs do for the indices below n on two threads, each with its own
// buffer, until ctx ends. It is for what does not hang.
func Each(ctx context.Context, n int, do func(i int, buf []byte)) {
	var next atomic.Int64
	var wait sync.WaitGroup
	panics := make(chan any, workers)
	for range min(workers, n) {
		wait.Add(1)
		go func() {
			defer wait.Done()
			defer func() {
				if v := recover(); v != nil {
					panics <- v
				}
			}()
			buf := make([]byte, BufferSize)
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				do(i, buf)
			}
		}()
	}
	wait.Wait()
	select {
	case v := <-panics:
		panic(v)
	default:
	}
}
