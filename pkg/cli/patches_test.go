package cli

import (
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/remedy"
)

const webManifest = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    spec:
      containers:
      - name: web
        image: registry.example/shop/web:1.4
        env: [{name: PASSWORD, value: canary-hunter2}]
        securityContext: {privileged: true}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: chart, namespace: shop, annotations: {meta.helm.sh/release-name: shop}}
spec:
  template:
    spec:
      hostPID: true
      containers: [{name: c, image: "registry.example/shop/c:1"}]
`

func manifestFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "web.yaml")
	if err := os.WriteFile(file, []byte(webManifest), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// allFiles are the names and contents below a directory.
func allFiles(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		out[filepath.ToSlash(name)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestWritePatches(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "patches")
	env, out, errOut := testEnv()
	if code := Main(context.Background(), env, []string{"pods", "-f", manifestFile(t), "--write-patches", dir, "-o", "json"}); code != 0 {
		t.Fatalf("exit status %d: %s", code, errOut)
	}
	files := allFiles(t, dir)
	var names []string
	for name, text := range files {
		names = append(names, name)
		if strings.Contains(text, "canary") || strings.Contains(text, "PASSWORD") {
			t.Errorf("%s holds a variable:\n%s", name, text)
		}
	}
	slices.Sort(names)
	if strings.Contains(out.String(), "canary") {
		t.Error("the report holds a variable's value")
	}
	for _, want := range []string{"README.md", "component/all/kustomization.yaml", "component/all/shop_deployment.apps_web.yaml", "upstream/shop_deployment.apps_chart.yaml"} {
		if files[want] == "" {
			t.Errorf("no file %s in %v", want, names)
		}
	}
	if files["apply.sh"] != "" {
		t.Error("there is a script for objects that were read from a file")
	}
	for name, part := range map[string]string{
		"component/all/shop_deployment.apps_web.yaml": "privileged: false",
		"upstream/shop_deployment.apps_chart.yaml":    "# It is managed by Helm release shop",
		"README.md": "## shop Deployment web",
	} {
		if !strings.Contains(files[name], part) {
			t.Errorf("%s does not have %q:\n%s", name, part, files[name])
		}
	}
	var report api.ChecklistReport
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	patched := map[string]string{}
	for _, f := range report.Findings {
		switch p := f.Remediation.Patch; {
		case p == nil:
		case f.Verdict != api.Fail:
			t.Errorf("%s: a patch of a %s", f.Check, f.Verdict)
		default:
			patched[f.Check+" "+f.Subject.Name] = p.Target + " " + p.Upstream
		}
	}
	if got := patched["privileged/privileged-container web"]; got != "deployment.apps/web " {
		t.Errorf("the patch of the privileged container is %q", got)
	}
	if got := patched["privileged/host-namespaces chart"]; !strings.HasPrefix(got, "deployment.apps/chart Helm release shop") {
		t.Errorf("the patch of the chart is %q", got)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory: %v %v", info.Mode(), err)
	}
}

// Without the flag, no finding has a patch.
func TestNoPatchesUnlessAsked(t *testing.T) {
	env, out, _ := testEnv()
	Main(context.Background(), env, []string{"pods", "-f", manifestFile(t), "-o", "json"})
	if strings.Contains(out.String(), `"patch"`) || strings.Contains(out.String(), `"patches"`) {
		t.Error("there are patches in the report")
	}
}

func TestWritePatchesIsRefused(t *testing.T) {
	manifest, parent := manifestFile(t), t.TempDir()
	full, file, empty := filepath.Join(parent, "full"), filepath.Join(parent, "file"), filepath.Join(parent, "empty")
	for _, dir := range []string{full, empty} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{file, filepath.Join(full, "mine")} {
		if err := os.WriteFile(name, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dangling := filepath.Join(parent, "link")
	if err := os.Symlink(filepath.Join(parent, "none"), dangling); err != nil {
		t.Skip("no links here")
	}
	for dir, want := range map[string]string{
		dangling:                               "found a link to nothing",
		".":                                    "found the working directory",
		full:                                   "found one with files",
		file:                                   "found a file",
		filepath.Join(parent, "none", "below"): "no such file",
	} {
		env, out, errOut := testEnv()
		if code := Main(context.Background(), env, []string{"pods", "-f", manifest, "--write-patches", dir}); code != 2 || out.Len() > 0 {
			t.Errorf("%s: exit status %d, output %q", dir, code, out)
		}
		if text := errOut.String(); !strings.Contains(text, "--write-patches") || !strings.Contains(text, want) {
			t.Errorf("%s: want %q, got %q", dir, want, text)
		}
	}
	env, _, errOut := testEnv()
	if code := Main(context.Background(), env, []string{"pods", "-f", manifest, "--write-patches", empty}); code != 0 {
		t.Errorf("an empty directory: exit status %d: %s", code, errOut)
	}
	if data, err := os.ReadFile(filepath.Join(full, "mine")); err != nil || string(data) != "mine" {
		t.Errorf("a file was changed: %q, %v", data, err)
	}
	var left []string
	entries, _ := os.ReadDir(parent)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if diff := cmp.Diff([]string{"empty", "file", "full", "link"}, left); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// A directory is written whole, or not at all.
func TestWriteDirectoryLeavesNothing(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "patches")
	// The second file needs a directory where the first one is.
	err := writeDirectory(dir, []remedy.File{{Name: "a", Mode: 0o600, Data: []byte("x")}, {Name: "a/b", Mode: 0o600}})
	if err == nil || !strings.Contains(err.Error(), "writing") {
		t.Errorf("error: %v", err)
	}
	if entries, _ := os.ReadDir(parent); len(entries) > 0 {
		t.Errorf("left: %v", entries)
	}
}

func TestExplainFor(t *testing.T) {
	manifest := manifestFile(t)
	facts := filepath.Join(t.TempDir(), "facts.json")
	env, _, errOut := testEnv()
	if code := Main(context.Background(), env, []string{"pods", "-f", manifest, "--save-facts", facts}); code != 0 {
		t.Fatal(errOut)
	}
	for name, tc := range map[string]struct {
		args []string
		want []string
		not  string
	}{
		"of a file": {
			[]string{"privileged/privileged-container", "--for", "deploy/web", "-f", manifest},
			[]string{"FAIL critical: Deployment shop web container web", "securityContext.privileged: true (declared)", "PATCH of shop deployment.apps/web (try it)", "Set securityContext.privileged to false.", `"path":"/spec/template/spec/containers/0/securityContext/privileged","value":false`},
			"canary",
		},
		"of saved facts": {
			[]string{"privileged/host-namespaces", "--for", "deployments.apps/chart", "--facts", facts},
			[]string{"FAIL", "hostPID", "managed by Helm release shop", "Change the chart or its values"},
			"Deployment shop web",
		},
		"no finding fails": {
			[]string{"privileged/host-namespaces", "--for", "deployment/web", "-f", manifest},
			[]string{"PASS: Deployment shop web"},
			"PATCH",
		},
		"what no patch answers": {
			[]string{"immutable/mutable-image", "--for", "deployment/web", "-f", manifest},
			[]string{"FAIL", "WHAT TO DO", "Resolve the tag"},
			"PATCH",
		},
	} {
		t.Run(name, func(t *testing.T) {
			env, out, errOut := testEnv()
			if code := Main(context.Background(), env, append([]string{"explain"}, tc.args...)); code != 0 {
				t.Fatalf("exit status %d: %s", code, errOut)
			}
			text := strings.Join(strings.Fields(out.String()), " ")
			for _, want := range tc.want {
				if !strings.Contains(text, want) {
					t.Errorf("want %q in\n%s", want, out)
				}
			}
			if strings.Contains(text, tc.not) {
				t.Errorf("%q is in\n%s", tc.not, out)
			}
		})
	}
	for want, args := range map[string][]string{
		"--for needs a check":              {"--for", "deploy/web", "-f", manifest},
		"--for: expected TYPE/NAME":        {"privileged/seccomp", "--for", "web", "-f", manifest},
		`no object "deploy/none" was read`: {"privileged/seccomp", "--for", "deploy/none", "-f", manifest},
		"is a question":                    {"privileged", "--for", "deploy/web", "-f", manifest},
		"-f and -k need --for":             {"privileged/seccomp", "-f", manifest},
		"--facts needs --for":              {"privileged/seccomp", "--facts", facts},
		"-f and --facts cannot be used":    {"privileged/seccomp", "--for", "deploy/web", "-f", manifest, "--facts", facts},
		"did you mean privileged/seccomp":  {"privileged/secomp", "--for", "deploy/web", "-f", manifest},
	} {
		env, out, errOut := testEnv()
		if code := Main(context.Background(), env, append([]string{"explain"}, args...)); code != 2 || out.Len() > 0 || !strings.Contains(errOut.String(), want) {
			t.Errorf("%v: exit status %d: want %q, got %q", args, code, want, errOut)
		}
	}
}

// A report with patches follows from its facts, and one with another patch does not.
func TestVerifyPatches(t *testing.T) {
	dir := t.TempDir()
	facts, report := filepath.Join(dir, "facts.json"), filepath.Join(dir, "report.json")
	env, _, errOut := testEnv()
	if code := Main(context.Background(), env, []string{"pods", "-f", manifestFile(t), "--save-facts", facts, "--write-patches", filepath.Join(dir, "p"), "--output-file", "json=" + report}); code != 0 {
		t.Fatal(errOut)
	}
	verify := func() int {
		env, _, _ := testEnv()
		return Main(context.Background(), env, []string{"verify", facts, report})
	}
	if code := verify(); code != 0 {
		t.Errorf("exit status %d", code)
	}
	data, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(data), `"path": "/spec/template/spec/hostPID"`, `"path": "/spec/template/spec/hostIPC"`, 1)
	if changed == string(data) {
		t.Fatal("no patch of hostPID in the report")
	}
	if err := os.WriteFile(report, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	if code := verify(); code != 1 {
		t.Errorf("a changed patch: exit status %d", code)
	}
}

// Only a run that lists all pods of an owner knows what none of them needs.
func TestWholeOwner(t *testing.T) {
	web := fact.Subject{Kind: "Deployment", Namespace: "shop", Name: "web"}
	for name, tc := range map[string]struct {
		scope api.Scope
		owner fact.Subject
		want  bool
	}{
		"a namespace":               {api.Scope{Namespaces: []string{"shop"}}, web, true},
		"the owner":                 {api.Scope{Names: []string{"x", "deploy/web"}}, web, true},
		"the owner, with its group": {api.Scope{Names: []string{"deployments.apps/web"}}, web, true},
		"a custom owner":            {api.Scope{Names: []string{"databases/orders"}}, fact.Subject{Kind: "Database", Name: "orders"}, true},
		"a bare pod":                {api.Scope{Names: []string{"x"}}, fact.Subject{Kind: "Pod", Name: "x"}, true},
		"one pod":                   {api.Scope{Names: []string{"web-5d9c7-abcde"}}, web, false},
		"a pod of the owner's name": {api.Scope{Names: []string{"web"}}, web, false},
		"an object below":           {api.Scope{Names: []string{"rs/web-5d9c7"}}, web, false},
		"another owner":             {api.Scope{Names: []string{"deploy/other"}}, web, false},
		"pods with labels":          {api.Scope{Selector: "a=b"}, web, false},
		"pods with fields":          {api.Scope{FieldSelector: "spec.nodeName=n1"}, web, false},
	} {
		if got := wholeOwner(&tc.scope, &tc.owner); got != tc.want {
			t.Errorf("%s: want %t, got %t", name, tc.want, got)
		}
	}
}
