package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// No output replaces what the run reads: a manifest, a template, facts. What this program wrote beside
// the manifests can be replaced.
func TestOutputsKeepInputs(t *testing.T) {
	const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: b}]}\n"
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	for name, text := range map[string]string{
		"m/a.yaml": pod, "m/sub/b.yml": pod, "m/report.json": `{"apiVersion":"kubectl-checklist.github.io/v1alpha1","kind":"ChecklistReport"}`,
		"m/results.json": `{"version":"2.1.0"}`, "m/notes.txt": "apiVersion: v1", "k/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1beta1\nresources: [a.yaml]\n",
		"k/a.yaml": pod, "template": "{.kind}",
	} {
		if err := os.MkdirAll(filepath.Dir(in(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(in(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	facts, err := os.ReadFile(verifyFacts)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"facts.json"} {
		if err := os.WriteFile(in(name), facts, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"link.yaml": "m/a.yaml", "mlink": "m"} {
		if err := os.Symlink(to, in(link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		out, want string // "" if it may be written
		args      []string
	}{
		{"m/a.yaml", "--output-file would replace the file of -f", []string{"pods", "-f", in("m/a.yaml")}},
		{"link.yaml", "--output-file would replace the file of -f", []string{"pods", "-f", in("m/a.yaml")}},
		{"m/a.yaml", "--output-file would replace the file of -f", []string{"pods", "-f", in("m/*.yaml")}},
		{"m/a.yaml", "--output-file would replace a manifest in the directory of -f", []string{"pods", "-f", in("m")}},
		{"mlink/a.yaml", "--output-file would replace a manifest in the directory of -f", []string{"pods", "-f", in("m")}},
		{"m/a.yaml", "--output-file would replace a manifest in the directory of -f", []string{"pods", "-f", in("mlink")}},
		{"m/sub/b.yml", "--output-file would replace a manifest in the directory of -f", []string{"pods", "-f", in("m"), "-R"}},
		{"k/a.yaml", "--output-file would replace a manifest in the directory of -k", []string{"pods", "-k", in("k")}},
		{"facts.json", "--output-file would replace the file of --facts", []string{"pods", "--facts", in("facts.json")}},
		{"template", "--output-file would replace the file of -o jsonpath-file", []string{"--facts", in("facts.json"), "-o", "jsonpath-file=" + in("template")}},
		{"m/report.json", "", []string{"pods", "-f", in("m")}},
		{"m/results.json", "", []string{"pods", "-f", in("m")}},
		{"m/notes.txt", "", []string{"pods", "-f", in("m")}},
		{"m/new.yaml", "", []string{"pods", "-f", in("m")}},
		{"m/sub/b.yml", "", []string{"pods", "-f", in("m")}}, // not read without -R
	} {
		t.Run(fmt.Sprint(tc.out, tc.args), func(t *testing.T) {
			before, _ := os.ReadFile(in(tc.out))
			env, _, errOut := testEnv()
			code := Main(context.Background(), env, append(tc.args, "--output-file", "csv="+in(tc.out)))
			after, _ := os.ReadFile(in(tc.out))
			if tc.want == "" {
				if code != ExitOK || !strings.HasPrefix(string(after), "question,part,") {
					t.Errorf("exit status %d, stderr %q, file %.50q", code, errOut, after)
				}
				return
			}
			if want := fmt.Sprintf("error: %s: %q\n", tc.want, in(tc.out)); code != ExitFailure || errOut.String() != want || string(after) != string(before) {
				t.Errorf("exit status %d, stderr %q, expected %q; the file is the same: %t", code, errOut, want, string(after) == string(before))
			}
		})
	}
}
