package node

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// One container's mount table has at most 512 KiB, and all of them together 6 MiB
// and one table more: what is beyond is that container's gap, and no other's.
func TestMountTablesAreBounded(t *testing.T) {
	const root = "20 1 0:9 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/u\n"
	table := func(size int) string {
		line := "21 20 0:5 / /m/" + strings.Repeat("x", 200) + " rw - tmpfs tmpfs rw\n"
		return root + strings.Repeat(line, (size-len(root))/len(line))
	}
	run := func(t *testing.T, sizes []int) map[string]fact.NodeGap {
		t.Helper()
		processes := []fakeProcess{{pid: 1, comm: "init"}}
		for i, size := range sizes {
			processes = append(processes, fakeProcess{
				pid: 100 + i, comm: "a", ns: fmt.Sprint(5000 + i), mounts: table(size), root: fmt.Sprintf("/r%d", i),
				cgroup: fmt.Sprintf("0::/docker/%064x\n", i+1),
			})
		}
		var roots strings.Builder
		for i := range sizes {
			fmt.Fprintf(&roots, "-- r%d/x --\n", i)
		}
		m := read(t, nodeFixture(t, processes, roots.String()), fact.LevelFull, fact.Mounts)
		gaps := map[string]fact.NodeGap{}
		for _, g := range m.Gaps {
			gaps[g.Container] = g
		}
		if len(m.Containers) != len(sizes) {
			t.Fatalf("want %d containers, got %d", len(sizes), len(m.Containers))
		}
		return gaps
	}
	t.Run("of one container", func(t *testing.T) {
		gaps := run(t, []int{500 << 10, 600 << 10, 1 << 10})
		if g, ok := gaps[fmt.Sprintf("%064x", 2)]; len(gaps) != 1 || !ok || g.Reason != fact.Truncated {
			t.Errorf("want one gap, of the second container, got %+v", gaps)
		}
	})
	t.Run("of all containers", func(t *testing.T) {
		sizes := make([]int, 20)
		for i := range sizes {
			sizes[i] = 500 << 10
		}
		gaps := run(t, sizes)
		// 12 tables have less than 6 MiB, and 13 have more. Two are read at once.
		if lost := len(gaps); lost < 20-14 || lost > 20-13 {
			t.Errorf("want 6 or 7 containers without their mounts, got %d", lost)
		}
		for id, g := range gaps {
			if g.Reason != fact.Truncated || !strings.Contains(g.Detail, "together") {
				t.Errorf("%s: %+v", id, g)
			}
		}
	})
}
