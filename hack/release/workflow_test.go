package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// The workflow that makes a release may write, so that it runs no code that can change
// behind a tag, keeps no cache, and builds from a tag only.
func TestReleaseWorkflow(t *testing.T) {
	data, err := os.ReadFile("../../.github/workflows/release.yml")
	if err != nil {
		t.Fatal(err)
	}
	var w struct {
		On          map[string]map[string][]string
		Permissions map[string]string
		Jobs        map[string]struct {
			Permissions map[string]string
			Steps       []struct {
				Uses, Run string
				With      map[string]any
			}
		}
	}
	// "on" is true in YAML 1.1, and a string for GitHub.
	if err := yaml.Unmarshal([]byte(strings.Replace(string(data), "\non:\n", "\n\"on\":\n", 1)), &w); err != nil {
		t.Fatal(err)
	}
	if len(w.On) != 1 || len(w.On["push"]) != 1 || len(w.On["push"]["tags"]) != 1 {
		t.Errorf("on: %v, want tags only", w.On)
	}
	if len(w.Permissions) != 1 || w.Permissions["contents"] != "read" || len(w.Jobs) != 1 {
		t.Errorf("permissions %v of %d jobs, want one job and contents: read", w.Permissions, len(w.Jobs))
	}
	job := w.Jobs["release"]
	if len(job.Permissions) != 1 || job.Permissions["contents"] != "write" {
		t.Errorf("the job's permissions: %v, want contents: write alone", job.Permissions)
	}
	var ran strings.Builder
	for _, step := range job.Steps {
		if step.Uses != "" && !regexp.MustCompile(`^actions/[a-z-]+@[0-9a-f]{40}$`).MatchString(step.Uses) {
			t.Errorf("uses %s: want an action of GitHub, pinned by commit", step.Uses)
		}
		if strings.HasPrefix(step.Uses, "actions/setup-go@") && step.With["cache"] != false {
			t.Errorf("setup-go keeps a cache: %v", step.With)
		}
		// An expression in a script is how a tag's name becomes a command.
		if strings.Contains(step.Run, "${{") {
			t.Errorf("an expression in a script: %s", step.Run)
		}
		ran.WriteString(step.Run + "\n")
	}
	for _, want := range []string{"make release VERSION=\"$TAG\"", "diff dist/release/checksums.txt", "hack/installation test", "gh release create"} {
		if !strings.Contains(ran.String(), want) {
			t.Errorf("no step runs %q", want)
		}
	}
}
