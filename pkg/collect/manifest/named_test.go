package manifest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is named twice is read once, and counted.
func TestNamedTwice(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.yaml")
	if err := os.WriteFile(file, []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: c}]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	for _, names := range [][]string{{file, file}, {"a.yaml", "./a.yaml"}, {dir, file}, {file, filepath.Join(dir, "*.yaml")}} {
		got, err := Read(t.Context(), Files{Filenames: names}, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if c := got.Count; len(got.Workloads) != 1 || len(got.Gaps) != 0 || c.Files != 1 || c.Workloads != 1 || c.Repeated != 1 {
			t.Errorf("%v: %d workloads, %+v", names, len(got.Workloads), c)
		}
	}
	got, err := Read(t.Context(), Files{Filenames: []string{"-", "-"}}, "", strings.NewReader("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: c}]}\n"))
	if err != nil || len(got.Workloads) != 1 || got.Count.Repeated != 1 {
		t.Errorf("standard input twice: %+v, %v", got, err)
	}
}

// No part of what may be a password is shown, however a URL is mistyped.
func TestShownName(t *testing.T) {
	for name, want := range map[string]string{
		"https://user:hunter2@host.example/x?token=hunter2": "https://host.example/x",
		"https://user:hunter2 x@host.example/x":             "https://...",
		"https://user:hunter2%zz@host.example/x":            "https://...",
		"https://[::1:hunter2@x/":                           "https://...",
		"https://host.example:hunter2/x":                    "https://...",
		"https:/user:hunter2@host.example/x":                "https:...",
		"https:user:hunter2@host.example":                   "https:...",
		"HTTP:/host.example/x?token=hunter2":                "HTTP:...",
		"htps:/user:hunter2@host.example":                   "htps:...",
		"htps//user:hunter2@host.example/x":                 "htps//...",
		"a.yaml":                                            "a.yaml",
		"deploy/app@v2.yaml":                                "deploy/app@v2.yaml",
		"C:/x/a.yaml":                                       "C:/x/a.yaml",
	} {
		if got := shownName(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		if strings.Contains(shownName(name), "hunter2") {
			t.Errorf("%s is shown", name)
		}
	}
}

func TestNumbers(t *testing.T) {
	for value, want := range map[string]string{
		".nan":                    "line 5: a number that JSON does not have: .nan or .inf",
		"-.Inf":                   "line 5: a number that JSON does not have: .nan or .inf",
		"99999999999999999999999": `line 5: Pod "a": spec.activeDeadlineSeconds: expected a whole number, found a number of more than 64 bits`,
		"9223372036854775808":     `line 5: Pod "a": spec.activeDeadlineSeconds: expected a whole number, found a number of more than 64 bits`,
		"1.5":                     `line 5: Pod "a": spec.activeDeadlineSeconds: expected a whole number, found a number with a fraction`,
	} {
		_, err := Read(t.Context(), Files{Filenames: []string{"-"}}, "", strings.NewReader("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  activeDeadlineSeconds: "+value+"\n  containers: [{name: c}]\n"))
		if err == nil || err.Error() != "stdin: "+want {
			t.Errorf("%s: %v, want %s", value, err, want)
		}
	}
}
