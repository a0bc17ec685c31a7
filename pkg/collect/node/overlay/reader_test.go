package overlay

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/ledger"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
)

// scripted makes a survey of containers whose upperdir is only found in the
// runtime's mount namespace, which answers as scripted.
func scripted(parents ...func()) *survey {
	table := &proctable.Table{}
	c := &survey{layers: map[*proctable.Container]*shared{}, databases: make(chan struct{}, 1)}
	for i, answer := range parents {
		ct := &proctable.Container{Processes: []*proctable.Process{{}}}
		ct.Identity.ID = fmt.Sprint(i)
		mounts := []procfs.MountInfo{{ID: 1, Point: "/", Root: "/", FSType: "overlay", SuperOptions: "rw,lowerdir=/l,upperdir=/u,workdir=/w"}}
		ct.Processes[0].Mounts = &proctable.MountTable{Mounts: mounts}
		table.Containers = append(table.Containers, ct)
		c.layers[ct] = newShared(&Container{Mounts: mounts, Parent: func() (View, error) { answer(); return View{}, errors.New("asked") }})
	}
	c.pass = reader.NewPass(table, ledger.New(fact.LevelFull, []fact.Kind{fact.Upperdir}))
	return c
}

// reasons are those of the containers' gaps, in order.
func reasons(m *fact.Measurement) map[string]fact.Reason {
	out := map[string]fact.Reason{}
	for _, g := range m.Gaps {
		out[g.Container] = g.Reason
	}
	return out
}

// All walks share a time; one that hangs takes none of it away from the others.
func TestTimeOfWalks(t *testing.T) {
	sleep := func(d time.Duration) func() { return func() { time.Sleep(d) } }
	for name, tc := range map[string]struct {
		parents []func()
		want    map[string]fact.Reason
	}{
		"the time is over": {
			[]func(){sleep(600 * time.Millisecond), sleep(600 * time.Millisecond), sleep(0)},
			map[string]fact.Reason{"0": fact.NotPresent, "1": fact.NotPresent, "2": fact.Timeout},
		},
		"one hangs": {
			[]func(){sleep(600 * time.Millisecond), sleep(time.Hour), sleep(0), sleep(0)},
			map[string]fact.Reason{"0": fact.NotPresent, "1": fact.Timeout, "2": fact.NotPresent, "3": fact.NotPresent},
		},
		"one hangs, and comes back while others are walked": {
			[]func(){sleep(2500 * time.Millisecond), sleep(time.Hour), sleep(time.Hour), sleep(0)},
			map[string]fact.Reason{"0": fact.NotPresent, "1": fact.Timeout, "2": fact.Timeout, "3": fact.NotPresent},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := scripted(tc.parents...)
				c.pass.EachContainer(t.Context(), fact.Upperdir, c.upper)
				m := c.pass.Ledger.Snapshot()
				if diff := cmp.Diff(tc.want, reasons(m)); diff != "" || !m.HasRead(fact.Upperdir) {
					t.Errorf("upperdir read %t; gaps (-want +got):\n%s", m.HasRead(fact.Upperdir), diff)
				}
				c.pass.Wait()
			})
		})
	}
}

// What is closed is not used again: a reader that comes later opens it again.
// What is in use is not closed.
func TestCloseOfLayers(t *testing.T) {
	v := scripted(func() {}, func() {})
	used := func(i int) (c *Container) {
		v.with(t.Context(), v.pass.Containers[i], func(layers *Container) { c = layers })
		return c
	}
	first, second := used(0), used(1)
	v.with(t.Context(), v.pass.Containers[1], func(*Container) { v.close() })
	if used(0) == first {
		t.Error("layers are used after they were closed")
	}
	if used(1) != second {
		t.Error("layers were closed while they were used")
	}
}

// Where the executables of a container hang, its upperdir waits for its layers,
// and the other containers do not.
func TestLayersAreUsedOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := scripted(func() {}, func() {})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		hangs, answer := c.pass.Containers[0], make(chan struct{})
		go c.with(ctx, hangs, func(*Container) { <-answer })
		synctest.Wait()
		c.pass.EachContainer(ctx, fact.Upperdir, c.upper)
		if diff := cmp.Diff(map[string]fact.Reason{"0": fact.Timeout, "1": fact.NotPresent}, reasons(c.pass.Ledger.Snapshot())); diff != "" {
			t.Errorf("gaps (-want +got):\n%s", diff)
		}
		close(answer)
		c.pass.Wait()
		if diff := cmp.Diff(map[string]fact.Reason{"0": fact.NotPresent, "1": fact.NotPresent}, reasons(c.pass.Ledger.Snapshot())); diff != "" {
			t.Errorf("gaps after it has answered (-want +got):\n%s", diff)
		}
	})
}
