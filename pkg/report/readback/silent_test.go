package readback

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

// measured are the nodes of a random cluster that have answered, at most so many.
func measured(seed uint64, most int) []string {
	var names []string
	set := random(seed)
	for i := range set.Nodes {
		if n := &set.Nodes[len(set.Nodes)-1-i]; n.Measured != nil && len(names) < most {
			names = append(names, n.Name)
		}
	}
	return names
}

// TestSilentNode prints the report of a cluster twice. In the second one a node has not answered. No
// format shows anything better then, and each item of a format (an alert, a metric, a case, a result,
// a row) that was bad is still there, or is replaced by an unknown one of its check.
func TestSilentNode(t *testing.T) {
	list := all(t)
	compared := 0
	seeds := []uint64{28, 33, 59, 87, 129} // in which declarations and workers once made something good
	for seed := range uint64(20) {
		seeds = append(seeds, seed)
	}
	for _, seed := range seeds {
		for _, name := range measured(seed, 1) {
			before, after := random(seed), random(seed)
			silence(after, name)
			was, is := build(before), build(after)
			for i := range list {
				format := &list[i]
				contents := [2]*Content{}
				for j, r := range []*report.Report{report.Of(was), report.Of(is)} {
					got, err := Readers()[format.Name](printed(t, format, r.Whole(), report.Options{}))
					if err != nil {
						t.Fatalf("%s: %v", format.Name, err)
					}
					contents[j] = got
				}
				compared += len(contents[0].Items)
				for _, line := range TurnsGood(contents[0], contents[1]) {
					t.Errorf("seed %d, %s is silent: %s: %s", seed, name, format.Name, line)
				}
			}
		}
	}
	if compared < 1000 {
		t.Errorf("only %d items were compared", compared)
	}
}

// TestSilentNodes is the same for many clusters and up to three nodes of each, one after another, by the
// report alone, which each format shows.
func TestSilentNodes(t *testing.T) {
	compared := 0
	for seed := range uint64(200) {
		was := Of(build(random(seed)), "")
		for _, name := range measured(seed, 3) {
			after := random(seed)
			silence(after, name)
			is := Of(build(after), "")
			compared += len(was.Items)
			for _, line := range TurnsGood(was, is) {
				t.Errorf("seed %d, %s is silent: %s", seed, name, line)
			}
		}
	}
	if compared < 20_000 {
		t.Errorf("only %d items were compared", compared)
	}
}
