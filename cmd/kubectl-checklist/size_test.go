package main

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// No code of the plugin looks up a method by a name that is known only when it runs, as
// text/template does. If one did, the linker would keep every exported method of every
// type that is kept: 11.9 MB in November 2026.
func TestNoMethodByName(t *testing.T) {
	if testing.Short() {
		t.Skip("links the plugin")
	}
	cmd := exec.Command("go", "build", "-buildvcs=false", "-ldflags", "-s -w -dumpdep", "-o", filepath.Join(t.TempDir(), "plugin"), ".")
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	edges, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// A line is "from -> to". What looks up methods has a mark behind its name, and what
	// it reaches is not of interest.
	var last string
	lines, found := 0, []string{}
	scanner := bufio.NewScanner(edges)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		lines, last = lines+1, scanner.Text()
		if _, to, isEdge := strings.Cut(last, " -> "); isEdge && strings.HasSuffix(to, "<ReflectMethod>") {
			found = append(found, last)
		}
	}
	if err := cmd.Wait(); err != nil || scanner.Err() != nil {
		t.Fatalf("linking: %v, %v: %s", err, scanner.Err(), last)
	}
	if lines < 100_000 {
		t.Fatalf("expected what reaches what, more than 100,000 lines, found %d", lines)
	}
	if len(found) > 0 {
		t.Errorf("expected nothing that looks up methods by name, found %d, among them (the first is reached by code, others only because of it):\n%s",
			len(found), strings.Join(slices.Compact(found[:min(len(found), 10)]), "\n"))
	}
}
