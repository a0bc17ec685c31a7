package processes

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

const (
	// maxThreads bounds the threads that are read of one container, maxAllThreads
	// those of one node: 10 us each.
	maxThreads    = 20_000
	maxAllThreads = 100_000
	// maxListed bounds those of a container that are listed because they differ,
	// maxAllListed those of a node.
	maxListed    = 1_000
	maxAllListed = 5_000
)

// details are what is read only of processes in containers: security labels and
// threads.
type details struct {
	mu              sync.Mutex
	threads, listed count
}

// count counts threads, by containers and in all.
type count struct {
	of  map[string]int
	all int
}

func newDetails() *details {
	return &details{threads: count{of: map[string]int{}}, listed: count{of: map[string]int{}}}
}

// take adds n threads of a container, unless there are too many then.
func (s *details) take(c *count, id string, n, most, mostOfAll int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case c.of[id]+n > most:
		return fmt.Errorf("more than %d of one container: %w", most, rootfs.ErrTooLarge)
	case c.all+n > mostOfAll:
		return fmt.Errorf("more than %d in containers: %w", mostOfAll, rootfs.ErrTooLarge)
	}
	c.of[id] += n
	c.all += n
	return nil
}

// readRest reads them of the processes of containers that no cgroup showed.
func (s *details) readRest(ctx context.Context, pass *reader.Pass) {
	var rest []*proctable.Process
	for _, ct := range pass.Containers {
		for _, p := range ct.Processes {
			if !p.Detailed {
				rest = append(rest, p)
			}
		}
	}
	reader.Each(ctx, len(rest), func(i int, buf []byte) {
		d, err := pass.Reopen(rest[i], buf)
		if err != nil {
			return // it has ended
		}
		defer d.Close()
		s.read(pass, d, rest[i], buf)
	})
}

func (s *details) read(pass *reader.Pass, d *proctable.PID, p *proctable.Process, buf []byte) {
	p.Detailed = true
	if !pass.NoLabels {
		p.Label, _ = d.Label(buf)
	}
	if p.Status.Threads < 2 {
		return
	}
	if err := s.take(&s.threads, p.Identity.ID, p.Status.Threads, maxThreads, maxAllThreads); err != nil {
		p.ThreadsErr = fmt.Errorf("pid %d: %d threads, %w", p.PID, p.Status.Threads, err)
		return
	}
	p.Threads, p.ThreadsErr = s.readThreads(pass, d, p, buf)
}

// readThreads compares every thread with its process. Both the first status of the
// process counts and one that is read at the first difference: a process that
// drops its rights meanwhile has no threads that differ.
func (s *details) readThreads(pass *reader.Pass, d *proctable.PID, p *proctable.Process, buf []byte) (*fact.Threads, error) {
	leader := rightsOf(&p.Status)
	later := leader
	refreshed := false
	var found differing
	var failed error
	count := 0
	most := 2*p.Status.Threads + 64 // some may be new
	err := d.EachThread(func(tid int) bool {
		if tid == p.Status.PID {
			count++
			return true
		}
		if count == most {
			failed = fmt.Errorf("pid %d: more than %d threads, where status counted %d: %w", p.PID, most, p.Status.Threads, rootfs.ErrTooLarge)
			return false
		}
		t, err := d.Thread(tid, buf)
		switch {
		case err != nil && rootfs.Gone(err):
			return true
		case err != nil:
			failed = err
			return true
		case t.State == 'Z' || t.State == 'X':
			return true
		}
		count++
		if t.Rights == leader || t.Rights == later {
			return true
		}
		one := threadOf(tid, &t)
		if !refreshed {
			refreshed = true
			if now, err := d.Thread(p.Status.PID, buf); err == nil {
				later = now.Rights
			}
			if one.Rights == later {
				return true
			}
		}
		found.add(one, one.Beyond(&leader))
		return true
	})
	switch {
	case err == nil:
	case pass.Live && rootfs.Gone(err):
		return nil, nil // the process has ended
	case failed == nil:
		failed = err
	}
	threads := &fact.Threads{Count: count, DifferingCount: found.count}
	var lost bool
	threads.Differing, lost = found.list()
	tooMany := s.take(&s.listed, p.Identity.ID, len(threads.Differing), maxListed, maxAllListed)
	switch {
	case tooMany != nil:
		threads.Differing = nil
		failed = cmp.Or(failed, fmt.Errorf("pid %d: threads that differ from their processes: %w", p.PID, tooMany))
	case lost:
		failed = cmp.Or(failed, fmt.Errorf("pid %d: threads with more than %d different rights: %w", p.PID, fact.MaxThreads, rootfs.ErrTooLarge))
	}
	return threads, failed
}

func rightsOf(s *procfs.Status) procfs.Rights {
	r := procfs.Rights{UID: s.UID, CapPrm: s.CapPrm, CapEff: s.CapEff, CapBnd: s.CapBnd, NoNewPrivs: -1, Seccomp: -1}
	if s.NoNewPrivs != nil {
		r.NoNewPrivs = 0
		if *s.NoNewPrivs {
			r.NoNewPrivs = 1
		}
	}
	if s.Seccomp != nil {
		r.Seccomp = int8(*s.Seccomp)
	}
	return r
}

// oneThread is a thread that differs from its process.
type oneThread struct {
	procfs.Rights
	tid  int
	name string
}

func threadOf(tid int, t *procfs.Thread) oneThread {
	return oneThread{Rights: t.Rights, tid: tid, name: t.Name()}
}

// differing are the threads of one process that differ. Of those with rights that
// the process has not, every different set of rights is kept first, so that a crowd
// of equal ones hides none.
type differing struct {
	count       int
	more, fewer []oneThread
	lost        bool // a set of rights beyond the process's was not kept
}

func (f *differing) add(t oneThread, beyond bool) {
	f.count++
	if !beyond {
		if len(f.fewer) < fact.MaxThreads {
			f.fewer = append(f.fewer, t)
		}
		return
	}
	known := func(list []oneThread, r *procfs.Rights) bool {
		return slices.ContainsFunc(list, func(o oneThread) bool { return o.Rights == *r })
	}
	switch {
	case len(f.more) < fact.MaxThreads:
		f.more = append(f.more, t)
		return
	case known(f.more, &t.Rights):
		return
	}
	for i := range f.more {
		if known(f.more[:i], &f.more[i].Rights) {
			f.more[i] = t
			return
		}
	}
	f.lost = true
}

// list returns what is kept of them, by id.
func (f *differing) list() (list []fact.Thread, lost bool) {
	all := append(f.more, f.fewer...)
	for _, t := range all[:min(len(all), fact.MaxThreads)] {
		one := fact.Thread{TID: t.tid, Comm: proctable.Comm(t.name), UID: t.UID, CapPrm: t.CapPrm, CapEff: t.CapEff, CapBnd: t.CapBnd}
		if t.NoNewPrivs >= 0 {
			on := t.NoNewPrivs != 0
			one.NoNewPrivs = &on
		}
		if t.Seccomp >= 0 {
			mode := int(t.Seccomp)
			one.Seccomp = &mode
		}
		list = append(list, one)
	}
	sorted.Func(list, func(a, b fact.Thread) int { return cmp.Compare(a.TID, b.TID) })
	return list, f.lost
}

// missedThreads says of which containers not all threads were read.
func missedThreads(pass *reader.Pass) {
	for _, ct := range pass.Containers {
		i := slices.IndexFunc(ct.Processes, func(p *proctable.Process) bool { return p.ThreadsErr != nil })
		if i < 0 {
			continue
		}
		err := ct.Processes[i].ThreadsErr
		pass.Ledger.Gap(fact.NodeGap{
			What: fact.Processes, Container: ct.Key(), Reason: rootfs.ReasonOf(err),
			Detail: "threads not read: " + rootfs.ErrorText(err),
		})
	}
}
