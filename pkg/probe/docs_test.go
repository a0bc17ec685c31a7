//go:build linux && (amd64 || arm64)

package probe

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/lock"
)

// Whoever decides whether the probe may run reads the page and not the code. So its lists are
// those of the code.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/probe-security.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	between := func(from, to string) []string {
		_, rest, ok := strings.Cut(page, from)
		list, _, end := strings.Cut(rest, to)
		if !ok || !end {
			t.Fatalf("docs/probe-security.md: expected a list between %q and %q", from, to)
		}
		var words []string
		for _, span := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(list, -1) {
			words = append(words, span[1])
		}
		slices.Sort(words)
		return words
	}
	var names []string
	for _, name := range procfs.Names() {
		names = append(names, string(name))
	}
	slices.Sort(names)
	node := slices.Sorted(slices.Values(procfs.NodeNames()))
	var calls []string
	for _, call := range lock.Allowed() {
		name, _, _ := strings.Cut(call, ":")
		calls = append(calls, name)
	}
	for what, diff := range map[string]string{
		"names of a process": cmp.Diff(names, between("- of each process: ", "Not `mem`")),
		"names of the node":  cmp.Diff(node, between("- of the node: ", "\n\n")),
		"system calls":       cmp.Diff(calls, between(fmt.Sprintf("The filter allows %d system calls", len(calls)), "\n\n##")),
	} {
		if diff != "" {
			t.Errorf("docs/probe-security.md: %s (-want +got):\n%s", what, diff)
		}
	}
}
