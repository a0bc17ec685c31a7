//go:build linux && (amd64 || arm64)

package answer

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/wire"
)

// Collecting ends when it is done, and otherwise at its limit: with one Grace
// for what heeds its context and none for what never comes.
func TestMeasureKeepsTheTime(t *testing.T) {
	const limit = 45 * time.Second
	for name, tc := range map[string]struct {
		run    func(ctx context.Context, released <-chan struct{})
		took   time.Duration
		status int
	}{
		"done at once": {
			run:    func(context.Context, <-chan struct{}) {},
			status: wire.ExitComplete,
		},
		"done in time": {
			run:  func(context.Context, <-chan struct{}) { time.Sleep(limit - 1) },
			took: limit - 1, status: wire.ExitComplete,
		},
		"heeds its context": {
			run:  func(ctx context.Context, _ <-chan struct{}) { <-ctx.Done(); time.Sleep(Grace / 2) },
			took: limit + Grace/2, status: wire.ExitPartial,
		},
		"never comes": {
			run:  func(_ context.Context, released <-chan struct{}) { <-released },
			took: limit + Grace, status: wire.ExitPartial,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				released := make(chan struct{})
				defer close(released)
				begun := time.Now()
				m, status, text := measure(fake{func(ctx context.Context) { tc.run(ctx, released) }, unfinished}, limit, Grace)
				if took := time.Since(begun); took != tc.took || status != tc.status || text != "" {
					t.Errorf("expected status %d after %s, found %d after %s, %q", tc.status, tc.took, status, took, text)
				}
				if diff := cmp.Diff(unfinished(), m, cmp.AllowUnexported(fact.CapMask{})); diff != "" {
					t.Errorf("measurement (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestMargin(t *testing.T) {
	for timeout, want := range map[time.Duration]time.Duration{time.Second: time.Second / 4, 20 * time.Second: 5 * time.Second, time.Hour: 5 * time.Second} {
		if got := Margin(timeout); got != want {
			t.Errorf("of %s: expected %s, found %s", timeout, want, got)
		}
	}
}

// The watchdog ends the process once, at the time that the flags give, or one
// Grace later where somebody else is writing the trailer.
func TestWatchKeepsTheTime(t *testing.T) {
	c := Request{Level: fact.LevelProc, Timeout: time.Second}
	for name, tc := range map[string]struct {
		begin     func(out *output, stop func() bool)
		after     time.Duration // 0: it never ends the process
		status    int
		wantError string
		want      *fact.Measurement
	}{
		"nothing was handed over": {
			begin: func(*output, func() bool) {},
			after: c.Timeout, status: wire.ExitPartial, want: handedOver(fact.LevelProc, fact.KindsAt(fact.LevelProc)...),
		},
		"an answer is on its way": {
			begin: func(out *output, _ func() bool) { out.writing.Store(true) },
			after: c.Timeout, status: wire.ExitFailed,
			wantError: "nothing could be written within 1s: a file system or the log does not answer",
		},
		"its trailer is on its way": {
			begin: func(out *output, _ func() bool) { out.writing.Store(true); out.claimed.Store(true) },
			after: c.Timeout + Grace, status: wire.ExitFailed,
		},
		"done before": {
			begin: func(_ *output, stop func() bool) { time.Sleep(c.Timeout - 1); stop() },
		},
	} {
		t.Run(name, func(t *testing.T) {
			var log, message bytes.Buffer
			synctest.Test(t, func(t *testing.T) {
				type end struct {
					After  time.Duration
					Status int
				}
				var ends []end
				out, read := outputOfFiles(t)
				begun := time.Now()
				stop := watch(out, c, "a file system does not answer", Grace, func(status int) {
					ends = append(ends, end{time.Since(begun), status})
					runtime.Goexit() // as far as this goroutine can see, the process is over
				})
				tc.begin(out, stop)
				time.Sleep(time.Hour)
				synctest.Wait()
				var want []end
				if tc.after > 0 {
					want = []end{{tc.after, tc.status}}
				}
				if diff := cmp.Diff(want, ends); diff != "" {
					t.Errorf("ends of the process (-want +got):\n%s", diff)
				}
				read(&log, &message)
			})
			if tc.want == nil && tc.wantError == "" {
				if message.Len() > 0 || log.Len() > 0 {
					t.Errorf("expected no output, found %q, %q", &message, &log)
				}
				return
			}
			trailer, err := wire.ParseTrailer(message.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			if trailer.Error != tc.wantError || trailer.HasMeasurement() != (tc.want != nil) {
				t.Errorf("trailer: found %+v", trailer)
			}
			if tc.want != nil {
				m, err := wire.Decode(&log, trailer)
				if diff := cmp.Diff(tc.want, m, cmp.AllowUnexported(fact.CapMask{})); diff != "" || err != nil {
					t.Errorf("measurement (-want +got):\n%s%v", diff, err)
				}
			}
		})
	}
}

// outputOfFiles is an output to two files, and what reads them.
func outputOfFiles(t *testing.T) (*output, func(log, message *bytes.Buffer)) {
	t.Helper()
	dir := t.TempDir()
	open := func(name string) *os.File {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	log, trailer := open("log"), open("termination-log")
	return &output{log: int(log.Fd()), trailer: int(trailer.Fd())}, func(toLog, toMessage *bytes.Buffer) {
		for from, to := range map[*os.File]*bytes.Buffer{log: toLog, trailer: toMessage} {
			text, err := os.ReadFile(from.Name())
			if err != nil {
				t.Fatal(err)
			}
			to.Write(text)
		}
	}
}

// fake is a collector made of two functions.
type fake struct {
	run      func(ctx context.Context)
	snapshot func() *fact.Measurement
}

func (f fake) Run(ctx context.Context)     { f.run(ctx) }
func (f fake) Snapshot() *fact.Measurement { return f.snapshot() }

// unfinished is what a collector returns for a kind that it had not finished.
func unfinished() *fact.Measurement {
	return &fact.Measurement{
		Level: fact.LevelFull, Read: []fact.Kind{fact.Processes},
		Gaps: []fact.NodeGap{{What: fact.Etcd, Reason: fact.Timeout, Detail: "not finished"}},
	}
}

// handedOver is the answer of a watchdog after 1 s.
func handedOver(level fact.Level, kinds ...fact.Kind) *fact.Measurement {
	m := &fact.Measurement{Level: level}
	for _, kind := range kinds {
		m.Gaps = append(m.Gaps, fact.NodeGap{What: kind, Reason: fact.Timeout, Detail: "nothing was handed over within 1s: a file system does not answer"})
	}
	return m
}
