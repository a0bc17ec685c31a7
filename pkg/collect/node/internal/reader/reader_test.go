package reader

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/ledger"
)

// passOf is a pass over containers of these names.
func passOf(names ...string) *Pass {
	table := &proctable.Table{}
	for _, name := range names {
		ct := &proctable.Container{}
		ct.Identity.ID = name
		table.Containers = append(table.Containers, ct)
	}
	return NewPass(table, ledger.New(fact.LevelFull, []fact.Kind{fact.Devices, fact.Upperdir}))
}

// missing are the containers whose share of a kind is a Timeout, "" for the node.
func missing(m *fact.Measurement, kind fact.Kind) []string {
	var out []string
	for _, g := range m.Gaps {
		if g.What == kind && g.Reason == fact.Timeout {
			out = append(out, g.Container)
		}
	}
	return out
}

// A container that never answers costs its own share of the kind that asks it,
// and no other: the facts of the others are there.
func TestOneHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pass := passOf("a", "b", "c", "d")
		pass.Ledger.Publish([]fact.MeasuredContainer{{ID: "a"}, {ID: "b"}, {ID: "c"}, {ID: "d"}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		answer := make(chan struct{})
		var order []string // one at a time begins
		var returned atomic.Bool
		go func() {
			pass.EachContainer(ctx, fact.Devices, func(_ context.Context, ct *proctable.Container, buf []byte) {
				if order = append(order, ct.Key()); ct.Key() == "b" {
					<-answer
				}
				pass.Ledger.Container(ct.Key(), func(mc *fact.MeasuredContainer) { mc.DeviceFS = "tmpfs" })
				if len(buf) != BufferSize {
					t.Errorf("a buffer of %d", len(buf))
				}
			})
			pass.EachContainer(ctx, fact.Upperdir, func(context.Context, *proctable.Container, []byte) {})
			returned.Store(true)
			pass.Wait()
		}()
		time.Sleep(Patience - time.Millisecond)
		synctest.Wait()
		if diff := cmp.Diff([]string{"b", "c", "d"}, missing(pass.Ledger.Snapshot(), fact.Devices)); diff != "" || returned.Load() {
			t.Errorf("before patience is over (-want +got):\n%s", diff)
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		m := pass.Ledger.Snapshot()
		if diff := cmp.Diff([]string{"b"}, missing(m, fact.Devices)); diff != "" || !m.HasRead(fact.Devices) || !returned.Load() {
			t.Errorf("devices read %t, returned %t, missing (-want +got):\n%s", m.HasRead(fact.Devices), returned.Load(), diff)
		}
		for _, mc := range m.Containers {
			if read := mc.DeviceFS != ""; read != (mc.ID != "b") {
				t.Errorf("devices of %s: facts %t", mc.ID, read)
			}
		}
		if diff := cmp.Diff([]string(nil), missing(m, fact.Upperdir)); diff != "" || !m.HasRead(fact.Upperdir) {
			t.Errorf("upperdir read %t, missing (-want +got):\n%s", m.HasRead(fact.Upperdir), diff)
		}
		if diff := cmp.Diff([]string{"a", "b", "c", "d"}, order); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
		// It answers after all, which counts.
		close(answer)
		synctest.Wait()
		if m := pass.Ledger.Snapshot(); len(m.Gaps) > 0 || m.Containers[1].DeviceFS == "" || pass.left.Load() != 0 {
			t.Errorf("after it has answered: gaps %v, %d left behind", m.Gaps, pass.left.Load())
		}
	})
}

// A container that hangs in its first step costs the others neither step, and has its
// second when it comes back.
func TestSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pass := passOf("a", "b", "c")
		pass.Ledger.Publish([]fact.MeasuredContainer{{ID: "a"}, {ID: "b"}, {ID: "c"}})
		answer := make(chan struct{})
		var mu sync.Mutex
		var order []string
		step := func(name string) Step {
			return func(_ context.Context, ct *proctable.Container, _ []byte) {
				mu.Lock()
				order = append(order, name+ct.Key())
				mu.Unlock()
				if name == "1" && ct.Key() == "b" {
					<-answer
				}
			}
		}
		pass.EachContainer(t.Context(), fact.Devices, step("1"), step("2"))
		synctest.Wait()
		if diff := cmp.Diff([]string{"1a", "1b", "1c", "2a", "2c"}, order); diff != "" {
			t.Errorf("while one hangs (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"b"}, missing(pass.Ledger.Snapshot(), fact.Devices)); diff != "" {
			t.Errorf("missing while one hangs (-want +got):\n%s", diff)
		}
		close(answer)
		pass.Wait()
		if diff := cmp.Diff([]string{"1a", "1b", "1c", "2a", "2c", "2b"}, order); diff != "" {
			t.Errorf("after it is back (-want +got):\n%s", diff)
		}
		if m := pass.Ledger.Snapshot(); len(missing(m, fact.Devices)) > 0 || !m.HasRead(fact.Devices) {
			t.Errorf("after it is back: read %v, gaps %v", m.Read, m.Gaps)
		}
	})
}

// A container is settled only after its last step.
func TestOneStepIsNotAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pass := passOf("a", "b")
		answer := make(chan struct{})
		pass.EachContainer(t.Context(), fact.Devices, func(context.Context, *proctable.Container, []byte) {},
			func(_ context.Context, ct *proctable.Container, _ []byte) {
				if ct.Key() == "a" {
					<-answer
				}
			})
		if diff := cmp.Diff([]string{"a"}, missing(pass.Ledger.Snapshot(), fact.Devices)); diff != "" {
			t.Errorf("missing (-want +got):\n%s", diff)
		}
		close(answer)
		pass.Wait()
	})
}

// A panic in the first step ends a container: what comes after would build on it.
func TestPanicInAStep(t *testing.T) {
	pass := passOf("a", "b")
	var second []string
	pass.EachContainer(t.Context(), fact.Devices, func(_ context.Context, ct *proctable.Container, _ []byte) {
		if ct.Key() == "a" {
			panic("x")
		}
	}, func(_ context.Context, ct *proctable.Container, _ []byte) { second = append(second, ct.Key()) })
	if diff := cmp.Diff([]string{"b"}, second); diff != "" || !pass.Ledger.Snapshot().HasRead(fact.Devices) {
		t.Errorf("second steps (-want +got):\n%s", diff)
	}
}

// What comes back only when the time is over does not count: how far it came is
// unknown.
func TestTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pass := passOf("a", "b")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		pass.EachContainer(ctx, fact.Devices, func(ctx context.Context, _ *proctable.Container, _ []byte) { <-ctx.Done() })
		if diff := cmp.Diff([]string{"a", "b"}, missing(pass.Ledger.Snapshot(), fact.Devices)); diff != "" {
			t.Errorf("missing (-want +got):\n%s", diff)
		}
		pass.Wait()
	})
}

// What is not wanted is not read.
func TestUnwanted(t *testing.T) {
	pass := passOf("a")
	pass.Ledger.Refuse([]fact.Kind{fact.Devices}, fact.Unreadable, "refused")
	pass.EachContainer(t.Context(), fact.Devices, func(context.Context, *proctable.Container, []byte) { t.Error("it was read") })
	if m := pass.Ledger.Snapshot(); m.HasRead(fact.Devices) {
		t.Error("a refused kind is called read")
	}
}

// Containers mostly hang for one reason, so that each next one is waited for less.
func TestPatienceShrinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pass := passOf("a", "b", "c", "d")
		answer, begun := make(chan struct{}), time.Now()
		pass.EachContainer(t.Context(), fact.Devices, func(context.Context, *proctable.Container, []byte) { <-answer })
		if took, want := time.Since(begun), Patience+Patience/2+Patience/3+Patience/4; took != want {
			t.Errorf("four that hang took %s, want %s", took, want)
		}
		close(answer)
		pass.Wait()
	})
}

// Each that hangs keeps a thread and its memory, so that only so many are left
// behind; then the last is waited for.
func TestManyHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names := make([]string, 2*maxLeft)
		for i := range names {
			names[i] = fmt.Sprintf("%02d", i)
		}
		pass := passOf(names...)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		answer := make(chan struct{})
		var begun atomic.Int64
		go pass.EachContainer(ctx, fact.Devices, func(context.Context, *proctable.Container, []byte) { begun.Add(1); <-answer })
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := begun.Load(); n != maxLeft+1 {
			t.Errorf("%d hang at once, want %d", n, maxLeft+1)
		}
		m := pass.Ledger.Snapshot()
		if diff := cmp.Diff(names, missing(m, fact.Devices)); diff != "" {
			t.Errorf("missing (-want +got):\n%s", diff)
		}
		m.Gaps = slices.DeleteFunc(m.Gaps, func(g fact.NodeGap) bool { return g.What != fact.Devices })
		if reached, never := m.Gaps[maxLeft].Detail, m.Gaps[maxLeft+1].Detail; reached == never || never != "not reached within 1h0m0s" {
			t.Errorf("one that hangs: %q; one that was not reached: %q", reached, never)
		}
		close(answer)
		synctest.Wait()
		if m := pass.Ledger.Snapshot(); !m.HasRead(fact.Devices) || len(missing(m, fact.Devices)) > 0 {
			t.Errorf("after all have answered: read %v, gaps %v", m.Read, m.Gaps)
		}
		pass.Wait()
	})
}

// A Task that hangs is left behind; Wait waits for it.
func TestTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pass := passOf()
		answer := make(chan struct{})
		begun := time.Now()
		pass.Task(t.Context(), func(context.Context, []byte) { time.Sleep(2 * Patience) })
		pass.Task(t.Context(), func(context.Context, []byte) { <-answer })
		if took, want := time.Since(begun), (2+taskPatience)*Patience; took != want {
			t.Errorf("it took %s, want %s", took, want)
		}
		var waited atomic.Bool
		go func() { pass.Wait(); waited.Store(true) }()
		synctest.Wait()
		if waited.Load() {
			t.Error("Wait did not wait for what was left behind")
		}
		close(answer)
		synctest.Wait()
		if !waited.Load() {
			t.Error("Wait waits for nothing")
		}
	})
}

// A panic costs the container at which it happens, and says nothing of what was
// read there.
func TestPanicAtAContainer(t *testing.T) {
	pass := passOf("a", "b", "c")
	var order []string
	pass.EachContainer(t.Context(), fact.Devices, func(_ context.Context, ct *proctable.Container, _ []byte) {
		if order = append(order, ct.Key()); ct.Key() == "b" {
			panic("CANARY")
		}
	})
	if diff := cmp.Diff([]string{"a", "b", "c"}, order); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	m := pass.Ledger.Snapshot()
	m.Gaps = slices.DeleteFunc(m.Gaps, func(g fact.NodeGap) bool { return g.What != fact.Devices })
	if len(m.Gaps) != 1 || !m.HasRead(fact.Devices) {
		t.Fatalf("read %v, gaps %+v, want one gap", m.Read, m.Gaps)
	}
	g := m.Gaps[0]
	if g.Container != "b" || g.Reason != fact.Unsupported || !regexp.MustCompile(`^a bug in this program, not in the container: string in reader\.\S+ \(reader_test\.go:\d+\)$`).MatchString(g.Detail) {
		t.Errorf("gap %+v", g)
	}
}

// Another panic reaches whoever called, now or by Wait.
func TestPanics(t *testing.T) {
	recovered := func(do func()) (v any) {
		defer func() { v = recover() }()
		do()
		return nil
	}
	synctest.Test(t, func(t *testing.T) {
		pass := passOf()
		if v := recovered(func() {
			pass.Task(t.Context(), func(context.Context, []byte) { panic("here") })
		}); v != "here" {
			t.Errorf("recovered %v", v)
		}
		if v := recovered(func() {
			pass.Task(t.Context(), func(context.Context, []byte) { time.Sleep(time.Minute); panic("late") })
		}); v != nil {
			t.Errorf("a panic that has not happened: %v", v)
		}
		if v := recovered(pass.Wait); v != "late" {
			t.Errorf("recovered %v by Wait", v)
		}
	})
}

// A panic in a worker reaches whoever called Each.
func TestPanicReachesTheCaller(t *testing.T) {
	defer func() {
		if v := recover(); v != "here" {
			t.Errorf("recovered %v", v)
		}
	}()
	Each(context.Background(), 5, func(i int, _ []byte) {
		if i == 3 {
			panic("here")
		}
	})
	t.Error("each returned")
}

// Each takes every index once, two at a time, until the time is over.
func TestEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
		defer cancel()
		var now, most atomic.Int64
		seen := make([]bool, 10)
		Each(ctx, len(seen), func(i int, _ []byte) {
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			time.Sleep(time.Second)
			now.Add(-1)
			if seen[i] {
				t.Errorf("%d twice", i)
			}
			seen[i] = true
		})
		if most.Load() != workers {
			t.Errorf("%d at a time, want %d", most.Load(), workers)
		}
		if want := slices.Repeat([]bool{true}, 8); !slices.Equal(append(want, false, false), seen) {
			t.Errorf("done until the time was over: %v", seen)
		}
	})
}
