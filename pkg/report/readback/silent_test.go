package readback

import (
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

// byDeclaration are checks that pass by what is declared. Where a measurement contradicts it they
// fail, and without the measurement they pass again, with basis "declared".
var byDeclaration = []string{
	"builds/runtime-socket", "drift/writable-root", "immutable/writable-root", "privileged/privilege-escalation",
	"privileged/runs-as-root", "privileged/seccomp",
}

// ofWorkers are checks of facts that only nodes of the control plane must give, and their parts: a
// worker that gives none has no gap.
var ofWorkers = []string{"secrets/plaintext-backup", "secrets/secret-volume-swap", "secrets:remains"}

// TestSilentNode prints the report of a cluster twice. In the second one a node has not answered. No
// format shows anything better then, and each item of a format (an alert, a metric, a case, a result,
// a row) that was bad is still there, or is replaced by an unknown one of its check.
func TestSilentNode(t *testing.T) {
	list := all(t)
	compared, known := 0, map[string]bool{}
	seeds := []uint64{28, 33, 59, 87, 129} // with the exceptions
	for seed := range uint64(20) {
		seeds = append(seeds, seed)
	}
	for _, seed := range seeds {
		before, after := random(seed), random(seed)
		name := ""
		for i := range after.Nodes {
			if after.Nodes[i].Measured != nil {
				name = after.Nodes[i].Name
			}
		}
		if name == "" {
			continue
		}
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
				check := strings.TrimSuffix(strings.Fields(strings.TrimPrefix(line, "part of "))[0], ":")
				if slices.Contains(byDeclaration, check) || slices.Contains(ofWorkers, check) {
					known[check] = true
					continue
				}
				t.Errorf("seed %d, %s is silent: %s: %s", seed, name, format.Name, line)
			}
		}
	}
	if compared < 1000 {
		t.Errorf("only %d items were compared", compared)
	}
	for _, check := range slices.Concat(byDeclaration, ofWorkers) {
		if !known[check] {
			t.Errorf("%s does not turn good: it needs no exception", check)
		}
	}
}
