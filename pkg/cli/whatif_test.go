package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// failingBy are the severities of the failing findings of a report, by check and subject.
func failingBy(t *testing.T, text string) (api.ChecklistReport, map[string]api.Finding) {
	t.Helper()
	var report api.ChecklistReport
	if err := json.Unmarshal([]byte(text), &report); err != nil {
		t.Fatal(err)
	}
	out := map[string]api.Finding{}
	for _, f := range report.Findings {
		if f.Verdict == api.Fail {
			out[f.Check+" "+f.Subject.Key()] = f
		}
	}
	return report, out
}

// What --write-patches wrote for the corpus answers its findings: with --what-if they are gone, but
// for those that get a lower severity, and nothing else fails. No answer is YES.
func TestWhatIfOfTheCorpus(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "patches")
	text, _ := runsTo(t, ExitOK, "pods", "-f", "testdata/corpus", "-o", "json", "--write-patches", dir)
	_, before := failingBy(t, text)
	text, _ = runsTo(t, ExitOK, "pods", "-f", "testdata/corpus", "-o", "json", "--what-if", dir)
	report, after := failingBy(t, text)
	patched, gone := 0, 0
	for key, f := range before {
		if f.Remediation.Patch == nil {
			continue
		}
		patched++
		switch left, fails := after[key]; {
		case !fails:
			gone++
		case left.Severity.Rank() > f.Severity.Rank():
			t.Errorf("worse: %s", key)
		}
	}
	for key := range after {
		if _, failed := before[key]; !failed {
			t.Errorf("new: %s", key)
		}
	}
	t.Logf("%d findings with a patch, %d gone", patched, gone)
	// What stays is of objects that several documents of the corpus declare: no file can say which
	// one is meant, and the directory's README says so. The rest gets a lower severity.
	if patched < 5000 || patched-gone > 150 {
		t.Errorf("%d findings with a patch, only %d gone", patched, gone)
	}
	w := report.Spec.Scope.WhatIf
	if w == nil || w.Patches < 800 || w.Patched != w.Patches || w.Added+w.Replaced != 0 || w.Directory != dir {
		t.Errorf("the report says %+v", w)
	}
	for _, a := range report.Answers {
		if a.Answer == api.Yes || a.Workloads == api.Yes {
			t.Errorf("question %d is %s, %s", a.Number, a.Answer, a.Workloads)
		}
	}
}

const (
	whatIfPod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {app: web}}\n" +
		"spec:\n  containers:\n  - {name: app, image: registry.example/app:v1, env: [{name: A, value: " + whatIfSecret + "}], securityContext: {privileged: true}}\n" +
		"  - {name: side, image: registry.example/side:v1, securityContext: {privileged: true}}\n"
	whatIfSecret = "hunter2-of-this-test"
	// saferApp and saferSide change one of the containers.
	saferApp  = "spec: {containers: [{name: app, securityContext: {privileged: false}}]}\n"
	saferSide = `[{"op": "test", "path": "/spec/containers/1/name", "value": "side"}, {"op": "replace", "path": "/spec/containers/1/securityContext/privileged", "value": false}]`
)

// whatIfDir writes files to a new directory.
func whatIfDir(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Patches with a target, patches that name their object, and whole objects are applied.
func TestWhatIf(t *testing.T) {
	base := filepath.Join(whatIfDir(t, map[string]string{"web.yaml": whatIfPod}), "web.yaml")
	kustomization := func(patches string) map[string]string {
		return map[string]string{"kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\npatches:\n" + patches, "app.yaml": saferApp, "side.json": saferSide}
	}
	whole := strings.ReplaceAll(whatIfPod, "privileged: true", "privileged: false")
	for name, test := range map[string]struct {
		files map[string]string
		want  []string // the containers that are privileged
		what  api.WhatIf
	}{
		"strategic":       {kustomization("- {path: app.yaml, target: {kind: Pod, name: web}}\n"), []string{"side"}, api.WhatIf{Patches: 1, Patched: 1}},
		"JSON patch":      {kustomization("- {path: ./side.json, target: {version: v1, kind: Pod, name: w.b, namespace: sh.*}}\n"), []string{"app"}, api.WhatIf{Patches: 1, Patched: 1}},
		"both, by labels": {kustomization("- {path: app.yaml, target: {labelSelector: app=web}}\n- {path: side.json, target: {labelSelector: app}}\n"), nil, api.WhatIf{Patches: 2, Patched: 2}},
		"in place":        {kustomization("- patch: |-\n    apiVersion: v1\n    kind: Pod\n    metadata: {name: web}\n    spec: {containers: [{name: app, $patch: delete}]}\n"), []string{"side"}, api.WhatIf{Patches: 1, Patched: 1}},
		"whole":           {map[string]string{"a.yaml": whole, "README.md": "no manifest"}, nil, api.WhatIf{Replaced: 1}},
		"an overlay":      {map[string]string{"kustomization.yaml": "resources: [base.yaml]\npatches: [{path: side.json, target: {kind: Pod}}]\n", "base.yaml": whatIfPod, "side.json": saferSide}, []string{"app"}, api.WhatIf{Replaced: 1}},
		"a new one":       {map[string]string{"a.json": `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"new","namespace":"shop"},"spec":{"containers":[{"name":"new","image":"b","securityContext":{"privileged":true}}]}}`}, []string{"app", "new", "side"}, api.WhatIf{Added: 1}},
	} {
		dir := whatIfDir(t, test.files)
		text, errOut := runsTo(t, ExitOK, "pods", "-f", base, "-o", "json", "--check", "privileged/privileged-container", "--what-if", dir)
		report, fails := failingBy(t, text)
		got := map[string]bool{}
		for _, f := range fails {
			got[f.Subject.Container] = true
		}
		if len(got) != len(test.want) {
			t.Errorf("%s: privileged are %v, want %v", name, got, test.want)
		}
		for _, container := range test.want {
			if !got[container] {
				t.Errorf("%s: %s is not privileged: %v", name, container, got)
			}
		}
		test.what.Directory = dir
		if w := report.Spec.Scope.WhatIf; w == nil || *w != test.what {
			t.Errorf("%s: the report says %+v, want %+v", name, w, test.what)
		}
		if a := report.Answers[0]; len(fails) == 0 && (a.Answer != api.Unknown || a.Reason != "NotMeasured: nothing left that fails; measure after") {
			t.Errorf("%s: answer %s: %s", name, a.Answer, a.Reason)
		}
		if strings.Contains(text+errOut, whatIfSecret) {
			t.Errorf("%s: a value of the environment is in the output", name)
		}
		if text, _ = runsTo(t, ExitOK, "pods", "-f", base, "--what-if", dir); !strings.Contains(text, "WHAT IF "+dir+" were applied (nothing was): ") {
			t.Errorf("%s: the table does not say that it is a what-if:\n%s", name, text)
		}
	}
}

// What cannot be applied is an error with the place, and nothing is judged. No error quotes a value.
func TestWhatIfFails(t *testing.T) {
	base := filepath.Join(whatIfDir(t, map[string]string{"web.yaml": whatIfPod}), "web.yaml")
	patches := func(text string, more ...string) map[string]string {
		files := map[string]string{"kustomization.yaml": "kind: Component\npatches:\n" + text}
		for i := 0; i+1 < len(more); i += 2 {
			files[more[i]] = more[i+1]
		}
		return files
	}
	target := ", target: {kind: Pod, name: web}}\n"
	s := whatIfSecret
	for name, test := range map[string]struct {
		files map[string]string
		want  string
	}{
		"empty":                  {map[string]string{"README.md": ""}, "expected what --write-patches wrote, a kustomization or manifests, found none of them"},
		"hits nothing":           {patches("- {path: p.json, target: {kind: Pod, name: other}}\n", "p.json", saferSide), "p.json: it hits nothing: no Pod other in what was read"},
		"one of two fails":       {patches("- {path: p.json"+target+"- {path: p.json, target: {kind: Pod, name: other}}\n", "p.json", saferSide), "it hits nothing: no Pod other"},
		"a test fails":           {patches("- {path: p.json"+target, "p.json", `[{"op":"test","path":"/spec/containers/0/name","value":"`+s+`"}]`), "operation 1 of 1 (test /spec/containers/0/name): the object has something else there"},
		"no such field":          {patches("- {path: p.json"+target, "p.json", `[{"op":"remove","path":"/spec/hostPID"}]`), "operation 1 of 1 (remove /spec/hostPID)"},
		"no such entry":          {patches("- {path: p.json"+target, "p.json", `[{"op":"replace","path":"/spec/containers/9/image","value":"`+s+`"}]`), "operation 1 of 1 (replace /spec/containers/9/image)"},
		"unknown operation":      {patches("- {path: p.json"+target, "p.json", `[{"op":"`+s+`","path":"/spec"}]`), "p.json: operation 1: expected op (add, remove, replace, move, copy or test) and path"},
		"no value":               {patches("- {path: p.json"+target, "p.json", `[{"op":"add","path":"/spec/hostPID"}]`), "operation 1: expected a value"},
		"the whole object":       {patches("- {path: p.json"+target, "p.json", `[{"op":"replace","path":"","value":{}}]`), "operation 1: path: expected a field of the object"},
		"no target":              {patches("- {path: p.json}\n", "p.json", saferSide), "expected a target: a JSON patch does not say which object it is for"},
		"an empty target":        {patches("- {path: p.json, target: {}}\n", "p.json", saferSide), "it would hit every object"},
		"a bad pattern":          {patches("- {path: p.json, target: {kind: Pod, name: '("+s+"'}}\n", "p.json", saferSide), "target.name: expected a regular expression"},
		"a bad selector":         {patches("- {path: p.json, target: {labelSelector: '=="+s+"'}}\n", "p.json", saferSide), "target.labelSelector: expected a selector such as app=web"},
		"no such file":           {patches("- {path: p.json" + target), "patches[0].path: no such file or directory"},
		"outside":                {patches("- {path: ../p.json" + target), "patches[0].path: expected a path in this directory"},
		"unknown field":          {patches("- {path: p.json, " + s + ": 1" + target), "patches: expected a list of patches"},
		"not YAML":               {patches("- {path: p.yaml"+target, "p.yaml", "a: ["+s), "p.yaml: document 1, line 1: not valid YAML"},
		"a text":                 {patches("- {path: p.yaml"+target, "p.yaml", s), "expected a list of operations or a map, found something else"},
		"another type":           {patches("- {path: p.yaml"+target, "p.yaml", "spec: {containers: "+s+"}\n"), "after the change: Pod \"web\": spec.containers: expected a list of at least one container, found a string"},
		"no pod any more":        {patches("- {path: p.yaml"+target, "p.yaml", "spec: {containers: [{name: app, ports: "+s+"}]}\n"), "web"},
		"another name":           {patches("- {path: p.json"+target, "p.json", `[{"op":"replace","path":"/metadata/name","value":"x"}]`), "it changes the kind, the name or the namespace of the object"},
		"a component":            {map[string]string{"kustomization.yaml": "kind: Component\nimages: [{name: a, newTag: b}]\n"}, "a component with images needs its base"},
		"a part of an object":    {map[string]string{"a.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n" + "spec: {template: {spec: {containers: [{name: a, image: " + s + "}]}}}\n"}, "expected a whole object, found none of the required field spec.selector"},
		"a part of a pod":        {map[string]string{"a.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: app, command: [" + s + "]}]}\n"}, "found none of the required field image of containers[0]"},
		"twice":                  {map[string]string{"a.yaml": whatIfPod, "b.yaml": whatIfPod}, "b.yaml: Pod shop/web: "},
		"no object":              {map[string]string{"a.yaml": "a: " + s + "\n"}, "a.yaml"},
		"a list of something":    {map[string]string{"a.json": saferSide}, "a.json"},
		"targets of another":     {map[string]string{"targets.json": `{"kind":"` + s + `"}`}, "targets.json: expected the list that --write-patches wrote"},
		"targets to the outside": {map[string]string{"targets.json": `{"apiVersion":"kubectl-checklist.github.io/v1alpha1","kind":"PatchTargets","patches":[{"path":"/etc/passwd","apiVersion":"v1","kind":"Pod","name":"web"}]}`}, "patches[0].path: expected a path in this directory"},
	} {
		dir := whatIfDir(t, test.files)
		out, errOut := runsTo(t, ExitFailure, "pods", "-f", base, "--what-if", dir)
		if !strings.Contains(errOut, test.want) || strings.Contains(errOut, s) || out != "" {
			t.Errorf("%s: %q (and %d bytes of output), want %q", name, errOut, len(out), test.want)
		}
	}
}

// Flags that would make something of what is not there are refused.
func TestWhatIfRefuses(t *testing.T) {
	dir := whatIfDir(t, map[string]string{"web.yaml": whatIfPod})
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--facts", "facts.json"}, "--what-if and --facts cannot be used together: facts hold no whole objects"},
		{[]string{"pods", "--facts", "facts.json"}, "--what-if and --facts cannot be used together: facts hold no whole objects"},
		{[]string{"--local"}, "--what-if and --local cannot be used together"},
		{[]string{"pods", "-f", dir, "--save-facts", filepath.Join(dir, "facts.json")}, "--what-if and --save-facts cannot be used together"},
		{[]string{"pods", "-f", dir, "--write-patches", filepath.Join(dir, "new")}, "--what-if and --write-patches cannot be used together"},
		{[]string{"pods", "-f", dir, "--write-waivers", filepath.Join(dir, "w.yaml")}, "--what-if and --write-waivers cannot be used together"},
	} {
		if _, errOut := runsTo(t, ExitFailure, append(test.args, "--what-if", dir)...); !strings.Contains(errOut, test.want) {
			t.Errorf("%q: %q", test.args, errOut)
		}
	}
	for _, missing := range []string{filepath.Join(dir, "none"), filepath.Join(dir, "web.yaml")} {
		if _, errOut := runsTo(t, ExitFailure, "pods", "-f", dir, "--what-if", missing); !strings.Contains(errOut, "--what-if: ") {
			t.Errorf("%s: %q", missing, errOut)
		}
	}
}
