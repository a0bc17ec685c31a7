package psaoracle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// fixtures is where the evaluator's own module has its test data:
// LEVEL/vMINOR/{pass,fail}/NAME.yaml, one pod each.
func fixtures(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/pod-security-admission").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "test", "testdata")
}

// plugin builds the plugin.
func plugin(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubectl-checklist")
	build := exec.Command("go", "build", "-o", path, "./cmd/kubectl-checklist")
	build.Dir = filepath.Join("..", "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// levels runs the plugin on files and returns the level that each pod reaches, by its name.
func levels(t *testing.T, plugin string, files ...string) map[string]string {
	t.Helper()
	args := []string{"pods", "-n", "fixtures", "--check", "privileged/pod-security-level", "-o", "json"}
	for _, file := range files {
		args = append(args, "-f", file)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(plugin, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, stderr.String())
	}
	var report api.ChecklistReport
	if err := json.Unmarshal(stdout.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Gaps) > 0 {
		t.Errorf("%v: gaps %v", args, report.Gaps)
	}
	out := map[string]string{}
	for _, f := range report.Findings {
		if f.Subject.Kind == fact.SubjectNamespace {
			continue
		}
		level := ""
		for words, name := range map[string]string{"reaches restricted (": "restricted", "reaches baseline, not restricted (": "baseline", "reaches only privileged (": "privileged"} {
			if strings.HasPrefix(f.Message, words) {
				level = name
			}
		}
		if level == "" || (level == "restricted") != (f.Verdict == api.Pass) || len(f.Evidence) == 0 {
			t.Errorf("%s: %s %s with %d pieces of evidence", f.Subject.Key(), f.Verdict, f.Message, len(f.Evidence))
		}
		if _, twice := out[f.Subject.Name]; twice {
			t.Errorf("two findings about %s", f.Subject.Name)
		}
		out[f.Subject.Name] = level
	}
	return out
}

// Every official fixture gets the official verdict at its version, through the command line:
// the version is that of the label of a Namespace in another file.
func TestOfficialFixtures(t *testing.T) {
	root, plugin, dir := fixtures(t), plugin(t), t.TempDir()
	order := []string{"privileged", "baseline", "restricted"}
	right, hostProcess := 0, 0
	// One of them is judged, too, where no namespace says a version: then by the newest.
	newest := 0
	for minor := 0; ; minor++ {
		if _, err := os.Stat(filepath.Join(root, "baseline", fmt.Sprintf("v1.%d", minor))); errors.Is(err, os.ErrNotExist) {
			break
		}
		newest = minor
	}
	check := func(level, version, want string, files ...string) {
		paths, err := filepath.Glob(filepath.Join(root, level, version, want, "*.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if len(paths) == 0 {
			t.Fatalf("%s %s has no fixture that should %s", level, version, want)
		}
		got := levels(t, plugin, append(files, filepath.Join(root, level, version, want))...)
		var names, reached []string
		for _, path := range paths {
			names = append(names, strings.TrimSuffix(filepath.Base(path), ".yaml"))
		}
		for name, reaches := range got {
			reached = append(reached, name)
			if allowed := slices.Index(order, reaches) >= slices.Index(order, level); allowed != (want == "pass") {
				t.Errorf("%s %s %s/%s reaches %s", level, version, want, name, reaches)
				continue
			}
			right++
			if strings.HasPrefix(name, "windowshostprocess") && want == "fail" {
				hostProcess++
			}
		}
		slices.Sort(names)
		slices.Sort(reached)
		if diff := cmp.Diff(names, reached); diff != "" {
			t.Errorf("%s %s %s: pods that were judged (-want +got):\n%s", level, version, want, diff)
		}
	}
	for _, level := range order[1:] {
		for minor := range newest + 1 {
			version := fmt.Sprintf("v1.%d", minor)
			namespace := filepath.Join(dir, version+".yaml")
			text := "apiVersion: v1\nkind: Namespace\nmetadata: {name: fixtures, labels: {pod-security.kubernetes.io/enforce: " + level +
				", pod-security.kubernetes.io/enforce-version: " + version + "}}\n"
			if err := os.WriteFile(namespace, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			check(level, version, "pass", namespace)
			check(level, version, "fail", namespace)
		}
	}
	all, err := filepath.Glob(filepath.Join(root, "*", "*", "*", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if right != len(all) || right < 4537 {
		t.Errorf("%d of %d fixtures are right", right, len(all))
	}
	if hostProcess < 2*newest {
		t.Errorf("only %d of them have HostProcess", hostProcess)
	}
	t.Logf("%d of %d fixtures are right, %d of them with HostProcess", right, len(all), hostProcess)
	for _, level := range order[1:] {
		for _, want := range []string{"pass", "fail"} {
			check(level, fmt.Sprintf("v1.%d", newest), want)
		}
	}
}
