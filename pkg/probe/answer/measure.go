//go:build linux && (amd64 || arm64)

package answer

import (
	"context"
	"fmt"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/crash"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/wire"
)

// Margin is the time left for writing the answer once collecting must end.
func Margin(timeout time.Duration) time.Duration { return min(timeout/4, 5*time.Second) }

// Grace is the time that a collector needs after the context's end to hand over.
const Grace = 200 * time.Millisecond

// measure collects until it is done or the time is over, and returns what there
// is. A collector that panics has failed: its facts so far count, what it had
// not finished becomes a gap, and the panic's text is dropped, because it may
// hold what was being read.
func measure(c Collector, limit, grace time.Duration) (m *fact.Measurement, status int, text string) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	done := make(chan string, 1)
	go func() {
		defer func() {
			if v := recover(); v != nil {
				done <- describe(v)
				return
			}
			done <- ""
		}()
		c.Run(ctx)
	}()
	status = wire.ExitComplete
	select {
	case text = <-done:
	case <-ctx.Done():
		status = wire.ExitPartial
		select {
		case text = <-done:
		case <-time.After(grace):
		}
	}
	if text != "" {
		status = wire.ExitFailed
	}
	m, snapshotErr := snapshot(c)
	if snapshotErr != "" {
		return nil, wire.ExitFailed, snapshotErr
	}
	if text != "" {
		for i := range m.Gaps {
			if m.Gaps[i].Reason == fact.Timeout {
				m.Gaps[i].Reason, m.Gaps[i].Detail = fact.ProbeFailed, text
			}
		}
	}
	return m, status, text
}

func snapshot(c Collector) (m *fact.Measurement, text string) {
	defer func() {
		if v := recover(); v != nil {
			text = describe(v)
		}
	}()
	return c.Snapshot(), ""
}

// describe says where the code panicked and with what type of value, but never
// the value. Call it from the deferred function itself.
func describe(v any) string { return "the probe panicked: " + crash.Describe(v) }

// watch ends the process when the time is over, whatever its threads are doing.
// If no answer is on its way yet, it answers itself: each kind gets a gap that
// says that nothing was handed over. The timer is started before the lock: it
// makes the runtime open what the lock must allow. exit is unix.Exit, except in
// tests.
func watch(out *output, c Request, silent string, grace time.Duration, exit func(status int)) (stop func() bool) {
	timer := time.AfterFunc(c.Timeout, func() {
		status := make(chan int, 1)
		go func() {
			if out.writing.Load() {
				text := fmt.Sprintf("nothing could be written within %s: a file system or the log does not answer", c.Timeout)
				status <- out.fail(wire.ExitFailed, text)
			} else {
				status <- out.send(nothing(c, silent), wire.ExitPartial, "")
			}
		}()
		select {
		case s := <-status:
			if s != wire.ExitOutput {
				exit(s)
			} // else the trailer is on its way: leave it the grace
			time.Sleep(grace)
		case <-time.After(grace):
		}
		exit(wire.ExitFailed)
	})
	return timer.Stop
}

// nothing is the measurement of a collector that does not even hand over what
// it has, because it hangs where it should not.
func nothing(c Request, silent string) *fact.Measurement {
	kinds := fact.KindsAt(c.Level)
	if c.Kinds != nil {
		kinds = fact.Intersect(kinds, c.Kinds)
	}
	m := &fact.Measurement{Level: c.Level}
	for _, kind := range kinds {
		m.Gaps = append(m.Gaps, fact.NodeGap{
			What: kind, Reason: fact.Timeout,
			Detail: fmt.Sprintf("nothing was handed over within %s: %s", c.Timeout, silent),
		})
	}
	return m
}
