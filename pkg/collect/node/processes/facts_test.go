package processes

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/ledger"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
)

// A process beyond the limit is missing in all kinds that are read by process, and
// only in the container that has too many.
func TestTooManyProcesses(t *testing.T) {
	idA, idB, idC := strings.Repeat("a1", 32), strings.Repeat("b2", 32), strings.Repeat("c3", 32)
	running := func(id string, n int) *proctable.Container {
		ct := &proctable.Container{}
		ct.Identity.ID = id
		for range n {
			ct.Processes = append(ct.Processes, &proctable.Process{})
		}
		return ct
	}
	l := ledger.New(fact.LevelFull, nil)
	pass := reader.NewPass(&proctable.Table{Containers: []*proctable.Container{running(idA, maxProcesses), running(idB, 2), running(idC, 1)}}, l)
	publish(pass, false)
	if gaps := l.Snapshot().Gaps; slices.ContainsFunc(gaps, func(g fact.NodeGap) bool { return g.Container != "" }) {
		t.Errorf("a gap before the end: %+v", gaps)
	}
	publish(pass, true)
	var listed []int
	m := l.Snapshot()
	for _, ct := range m.Containers {
		listed = append(listed, len(ct.Processes))
	}
	if diff := cmp.Diff([]int{maxProcesses - 3, 2, 1}, listed); diff != "" {
		t.Errorf("processes listed (-want +got):\n%s", diff)
	}
	missing := map[string][]fact.Kind{}
	for _, gap := range m.Gaps {
		if gap.Container == "" { // nothing is settled yet
			continue
		}
		if gap.Reason != fact.Truncated || gap.Detail != "more than 20000 processes in containers: of the 20000 of this one, 19997 are listed" {
			t.Errorf("gap %+v", gap)
		}
		missing[gap.Container] = append(missing[gap.Container], gap.What)
	}
	if diff := cmp.Diff(map[string][]fact.Kind{idA: {fact.Processes, fact.Executables}}, missing); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
}

func TestShareOf(t *testing.T) {
	for name, tc := range map[string]struct {
		total int
		sizes []int
		want  int
	}{
		"enough":            {10, []int{3, 3, 4}, math.MaxInt},
		"one too many":      {10, []int{3, 3, 5}, 4},
		"all have too many": {10, []int{100, 200, 300}, 3},
		"none":              {10, nil, math.MaxInt},
	} {
		t.Run(name, func(t *testing.T) {
			var all []*proctable.Container
			for _, n := range tc.sizes {
				all = append(all, &proctable.Container{Processes: make([]*proctable.Process, n)})
			}
			if got := shareOf(tc.total, all); got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
			}
		})
	}
}

func TestParseSmall(t *testing.T) {
	for text, want := range map[string]int{"40\n": 40, "0": 0, "": -1, "\n": -1, "4x": -1, "-1": -1, "4\n\n": -1, "99999999999": -1} {
		got, ok := parseSmall([]byte(text))
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("parseSmall(%q) = %d, want %d", text, got, want)
		}
	}
}

// Of too many containers those stay that an engine knows, and the rest is a gap for each
// kind.
func TestTooManyContainers(t *testing.T) {
	table := &proctable.Table{}
	for i := range maxContainers + 100 {
		table.Processes = append(table.Processes, &proctable.Process{PID: i + 2, Identity: procfs.IdentifyPath(fmt.Sprintf("/docker/%064x", i))})
	}
	pod := strings.Repeat("ff", 32)
	table.Processes = append(table.Processes, &proctable.Process{PID: 9999, Identity: procfs.IdentifyPath("/kubepods/pod12345678-9abc-def0-1234-56789abcdef0/" + pod)})
	l := ledger.New(fact.LevelProc, []fact.Kind{fact.Processes, fact.Mounts})
	pass := reader.NewPass(table, l)
	group(pass)
	if n := len(pass.Containers); n != maxContainers || pass.Containers[n-1].Identity.ID != pod {
		t.Errorf("%d containers, the last is %s", n, pass.Containers[n-1].Identity.ID)
	}
	var want []fact.NodeGap
	for _, kind := range []fact.Kind{fact.Processes, fact.Mounts} {
		want = append(want, fact.NodeGap{What: kind, Reason: fact.Truncated, Detail: "101 containers beyond 5000"})
	}
	got := slices.DeleteFunc(l.Snapshot().Gaps, func(g fact.NodeGap) bool { return g.Reason == fact.Timeout })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
}

// One container with very many threads does not cost the others theirs.
func TestThreadBudget(t *testing.T) {
	d := newDetails()
	var errs []string
	for _, id := range []string{"a", "a", "b", "c", "d", "e", "f", "g"} {
		text := ""
		if err := d.take(&d.threads, id, maxThreads-1, maxThreads, maxAllThreads); err != nil {
			text = err.Error()
		}
		errs = append(errs, text)
	}
	want := []string{
		"", "more than 20000 of one container: larger than the limit", "", "", "", "",
		"more than 100000 in containers: larger than the limit", "more than 100000 in containers: larger than the limit",
	}
	if diff := cmp.Diff(want, errs); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
