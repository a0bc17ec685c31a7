package ledger

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

func timeout(kind fact.Kind, container, detail string) fact.NodeGap {
	return fact.NodeGap{What: kind, Container: container, Reason: fact.Timeout, Detail: detail}
}

// What comes of one kind by what is said of it.
func TestSettling(t *testing.T) {
	const begun = "not finished after 3s: a file system or a process of this container may hang"
	refused := fact.NodeGap{What: fact.Devices, Reason: fact.Unreadable, Detail: "refused"}
	for name, tc := range map[string]struct {
		do   func(*Ledger)
		read []fact.Kind
		gaps []fact.NodeGap
	}{
		"nothing": {
			do:   func(*Ledger) {},
			gaps: []fact.NodeGap{timeout(fact.Devices, "", "not finished after 5s")},
		},
		"done": {
			do:   func(l *Ledger) { l.Done(fact.Devices); l.Done(fact.Devices) },
			read: []fact.Kind{fact.Devices},
		},
		"missed, with its gap": {
			do:   func(l *Ledger) { l.Gap(refused); l.Missed(fact.Devices); l.Done(fact.Devices) },
			gaps: []fact.NodeGap{refused},
		},
		"refused": {
			do: func(l *Ledger) {
				l.Refuse([]fact.Kind{fact.Kernel, fact.Devices}, fact.Unreadable, "refused")
				l.Refuse([]fact.Kind{fact.Devices}, fact.NotPresent, "again")
			},
			gaps: []fact.NodeGap{refused},
		},
		"of no container": {
			do:   func(l *Ledger) { l.Divide(fact.Devices, nil) },
			read: []fact.Kind{fact.Devices},
		},
		"one container hangs, one was not reached": {
			do: func(l *Ledger) {
				l.Divide(fact.Devices, []string{"b", "a", "c"})
				l.Begin(fact.Devices, "b")
				l.Settle(fact.Devices, "b")
				time.Sleep(2 * time.Second)
				l.Begin(fact.Devices, "a")
			},
			read: []fact.Kind{fact.Devices},
			gaps: []fact.NodeGap{timeout(fact.Devices, "a", begun), timeout(fact.Devices, "c", "not reached within 5s")},
		},
		"every container, in any order": {
			do: func(l *Ledger) {
				l.Divide(fact.Devices, []string{"a", "b"})
				l.Begin(fact.Devices, "a")
				l.Begin(fact.Devices, "b")
				l.Settle(fact.Devices, "b")
				l.Settle(fact.Devices, "a")
			},
			read: []fact.Kind{fact.Devices},
		},
		"the same container twice is not two": {
			do: func(l *Ledger) {
				l.Divide(fact.Devices, []string{"a", "b"})
				l.Settle(fact.Devices, "a")
				l.Settle(fact.Devices, "a")
				l.Settle(fact.Devices, "none")
			},
			read: []fact.Kind{fact.Devices},
			gaps: []fact.NodeGap{timeout(fact.Devices, "b", "not reached within 5s")},
		},
		"containers of a kind that nobody asked for": {
			do: func(l *Ledger) {
				l.Divide(fact.Executables, []string{"a"})
				l.Begin(fact.Executables, "a")
				l.Done(fact.Devices)
			},
			read: []fact.Kind{fact.Devices},
		},
		"refused while it was divided": {
			do: func(l *Ledger) {
				l.Divide(fact.Devices, []string{"a"})
				l.Refuse([]fact.Kind{fact.Devices}, fact.Unreadable, "refused")
			},
			gaps: []fact.NodeGap{refused},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := New(fact.LevelFull, []fact.Kind{fact.Devices, fact.Pods})
				tc.do(l)
				time.Sleep(5*time.Second - time.Since(l.Begun()))
				m := l.Snapshot()
				if diff := cmp.Diff(tc.read, m.Read); diff != "" {
					t.Errorf("read (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(tc.gaps, m.Gaps); diff != "" {
					t.Errorf("gaps (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A kind of the cluster, or one that was not asked for, is nothing to wait for.
func TestAsks(t *testing.T) {
	some, all := New(fact.LevelFull, []fact.Kind{fact.Devices, fact.Pods}), New(fact.LevelProc, nil)
	for kind, want := range map[fact.Kind][2]bool{
		fact.Devices: {true, true}, fact.Kernel: {false, true}, fact.Pods: {false, false}, "none": {false, false},
	} {
		if got := [2]bool{some.Asks(kind), all.Asks(kind)}; got != want {
			t.Errorf("asked for some, for all: %s %v, want %v", kind, got, want)
		}
		if got := [2]bool{some.Wants(kind), all.Wants(kind)}; got != want {
			t.Errorf("wanted of some, of all: %s %v, want %v", kind, got, want)
		}
	}
	some.Gap(fact.NodeGap{What: fact.Kernel, Reason: fact.Corrupt})
	some.Done(fact.Kernel)
	some.Done(fact.Devices)
	if m := some.Snapshot(); len(m.Gaps) > 0 || len(m.Read) != 1 || some.Wants(fact.Devices) {
		t.Errorf("read %v, gaps %v, devices wanted %t", m.Read, m.Gaps, some.Wants(fact.Devices))
	}
	if m := all.Snapshot(); len(m.Gaps) != len(fact.NodeKinds()) || m.Level != fact.LevelProc || m.At.IsZero() {
		t.Errorf("a new ledger of all kinds has %d gaps, level %s, made at %v", len(m.Gaps), m.Level, m.At)
	}
}

// Gaps are kept once each and up to a number, of one kind at the cost of no
// other.
func TestGapsAreBounded(t *testing.T) {
	l := New(fact.LevelFull, nil)
	for i := range 2 * maxGaps {
		for range 2 {
			l.Gap(fact.NodeGap{What: fact.Devices, Container: fmt.Sprint(i), Reason: fact.Unreadable})
		}
	}
	l.Gap(fact.NodeGap{What: fact.Mounts, Reason: fact.Corrupt})
	l.Divide(fact.Devices, []string{"a"}) // there is no room left for it
	counts := map[fact.NodeGap]int{}
	for _, g := range l.Snapshot().Gaps {
		if g.Container == "" && g.Reason != fact.Timeout {
			counts[g]++
		}
		if g.What == fact.Devices && g.Reason == fact.Timeout && g.Container != "" {
			t.Errorf("one gap more than there may be: %+v", g)
		}
	}
	want := map[fact.NodeGap]int{
		{What: fact.Devices, Reason: fact.Truncated, Detail: "more than 500 gaps"}: 1,
		{What: fact.Mounts, Reason: fact.Corrupt}:                                  1,
	}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Errorf("gaps of the node (-want +got):\n%s", diff)
	}
	if n := l.gapsOf(fact.Devices); n != maxGaps+1 {
		t.Errorf("%d gaps of devices, want %d", n, maxGaps+1)
	}
}

// With more containers unsettled than there may be gaps, the kind is the node's
// gap and not read.
func TestTooManyUnsettled(t *testing.T) {
	for n, read := range map[int]bool{maxGaps: true, maxGaps + 1: false} {
		l := New(fact.LevelFull, []fact.Kind{fact.Devices})
		keys := make([]string, n)
		for i := range keys {
			keys[i] = fmt.Sprint(i)
		}
		l.Divide(fact.Devices, keys)
		m := l.Snapshot()
		if m.HasRead(fact.Devices) != read || read && len(m.Gaps) != n || !read && (len(m.Gaps) != 1 || m.Gaps[0].Container != "") {
			t.Errorf("%d unsettled: read %t with %d gaps", n, m.HasRead(fact.Devices), len(m.Gaps))
		}
	}
}

// What is published is changed by its key, and dropped when its processes are.
func TestContainers(t *testing.T) {
	l := New(fact.LevelFull, nil)
	one := []fact.Process{{PID: 1}}
	l.Publish([]fact.MeasuredContainer{{Processes: one}, {ID: "a", Processes: one}, {ID: "b", Processes: one}})
	before := l.Snapshot()
	change := func(key, runtime string) {
		l.Container(key, func(c *fact.MeasuredContainer) { c.Runtime = runtime })
	}
	change("none", "x")
	change("a", "x")
	change(Self, "me")
	l.Container("a", func(c *fact.MeasuredContainer) { c.Processes = nil })
	l.DropEnded()
	change("a", "dropped")
	change("b", "y")
	want := []fact.MeasuredContainer{{Runtime: "me", Processes: one}, {ID: "b", Runtime: "y", Processes: one}}
	ignore := cmp.AllowUnexported(fact.CapMask{})
	if diff := cmp.Diff(want, l.Snapshot().Containers, ignore); diff != "" {
		t.Errorf("containers (-want +got):\n%s", diff)
	}
	if len(before.Containers) != 3 || before.Containers[1].Runtime != "" {
		t.Errorf("a snapshot changed after it was taken: %+v", before.Containers)
	}
}

// Everything at once: the race detector's test.
func TestConcurrent(t *testing.T) {
	l := New(fact.LevelFull, nil)
	const n = 50
	keys := make([]string, n)
	containers := make([]fact.MeasuredContainer, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("%02d", i)
		containers[i] = fact.MeasuredContainer{ID: keys[i], Processes: []fact.Process{{PID: i}}}
	}
	l.Publish(containers)
	var wait sync.WaitGroup
	for _, kind := range fact.KindsOf(fact.OfContainer) {
		l.Divide(kind, keys)
		wait.Go(func() {
			for _, key := range keys {
				l.Begin(kind, key)
				l.Container(key, func(c *fact.MeasuredContainer) { c.Runtime += "x" })
				l.Gap(fact.NodeGap{What: kind, Container: key, Reason: fact.Corrupt})
				l.Settle(kind, key)
			}
		})
	}
	wait.Go(func() {
		for _, kind := range fact.KindsOf(fact.OfHost, fact.OfStorage) {
			l.Update(func(m *fact.Measurement) { m.HostProcesses++ })
			l.Done(kind)
		}
	})
	wait.Go(func() {
		for range n {
			m := l.Snapshot()
			for _, kind := range fact.NodeKinds() {
				open := 0
				for _, g := range m.Gaps {
					if g.What == kind && g.Reason == fact.Timeout {
						open++
					}
				}
				if !m.HasRead(kind) && open == 0 {
					t.Errorf("%s is neither read nor missing", kind)
				}
			}
			l.DropEnded()
		}
	})
	wait.Wait()
	m := l.Snapshot()
	if len(m.Read) != len(fact.NodeKinds()) || len(m.Gaps) != n*len(fact.KindsOf(fact.OfContainer)) || m.Containers[7].Runtime != strings.Repeat("x", len(fact.KindsOf(fact.OfContainer))) || m.HostProcesses != len(fact.KindsOf(fact.OfHost, fact.OfStorage)) {
		t.Errorf("read %v, %d gaps, %q, %d", m.Read, len(m.Gaps), m.Containers[7].Runtime, m.HostProcesses)
	}
}
