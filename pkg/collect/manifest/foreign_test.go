package manifest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// A repository has files of many tools. What is no object is counted, what may become one is
// a gap, and the objects are read.
func TestRepository(t *testing.T) {
	pod := object("v1", "Pod", "a", "spec: "+spec)
	write(t, map[string]string{
		"deploy/pod.yaml":                  pod,
		"deploy/mixed.yaml":                pod + "---\nreplicas: 2\n",
		"deploy/kustomization.yaml":        "resources: [pod.yaml]\n",
		"base/kustomization.yml":           "resources: [pod.yaml]\n",
		"deploy/broken.yaml":               "kind: Pod\n  spec: x\n",
		"deploy/noversion.yaml":            "kind: Pod\nspec: " + spec + "\n",
		"deploy/nokind.yaml":               "apiVersion: v1\nmetadata: {name: a}\nspec: {}\n",
		"flux/kustomization.yaml":          object("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "a", "spec: {path: ./deploy}"),
		"values.yaml":                      "image: {tag: v1}\n",
		".github/workflows/ci.yml":         "on: push\njobs: {a: {steps: [{run: \"${{ github.sha }}\"}]}}\n",
		".drone.yml":                       "kind: pipeline\ntype: docker\n",
		"playbook.yaml":                    "- hosts: all\n",
		"package.json":                     `{"name": "x", "items": [{"a": 1}, {"b": 2}]}`,
		"tsconfig.json":                    "{\n// a comment\n\"a\": 1,\n}\n",
		"numbers.json":                     "[1, 2]",
		"empty.yaml":                       "# nothing\n",
		"chart/Chart.yaml":                 "apiVersion: v2\nname: web\nversion: 1.0.0\n",
		"chart/values.yaml":                "a: 1\n",
		"chart/templates/a.yaml":           "{{- if .Values.a }}\n" + pod + "{{- end }}\n",
		"chart/templates/b/c.yaml":         strings.Replace(pod, "name: a", `name: "{{ .Release.Name }}"`, 1),
		"chart/templates/static.yaml":      pod,
		".krew.yaml":                       "kind: Plugin\nspec:\n  version: {{ .TagName }}\n",
		"templates/x.yaml":                 "metadata:\n  name: {{ .Values.name }}\n",
		"rules.yaml":                       object("monitoring.coreos.com/v1", "PrometheusRule", "r", `spec: {groups: [{rules: [{annotations: {summary: "{{ $labels.pod }}"}}]}]}`),
		"bin.yaml":                         "\x00GITCRYPT\x00CANARY",
		"vendor/skipped.yaml":              "kind: [",
		"deploy/test/also-skipped.yaml":    "kind: [",
		"deploy/values-skipped-again.yaml": "kind: [",
	})
	got, err := Read(t.Context(), Files{Filenames: []string{"."}, Recursive: true, Exclude: []string{"vendor", "deploy/test/**", "values-*"}}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		".krew.yaml: line 3: a template that was not rendered",
		"bin.yaml: expected YAML or JSON, found binary data (a zero byte near its beginning): nothing of it is read",
		"deploy/broken.yaml: line 2: not valid YAML: a colon where no key can be",
		"deploy/mixed.yaml: document 2, line 6: expected an object, found a document without apiVersion and kind",
		"deploy/nokind.yaml: line 1: expected an object, found one without kind",
		"deploy/noversion.yaml: line 1: Pod: apiVersion: expected v1, found nothing",
		"templates/x.yaml: line 2: a Helm template that was not rendered",
		".: kustomizations that were not built: 2 (base, deploy): their files are read as they are, without patches, generators and remote bases",
		"chart: a Helm chart whose templates were not rendered: 2",
	}
	if diff := cmp.Diff(want, wrong(got, nil)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if got.Count.Foreign != 9 || got.Count.Skipped != len(want) || got.Count.Files != 25 {
		t.Errorf("got %+v", got.Count)
	}
	workloads := []string{
		"Pod shop/a from chart/templates/static.yaml pod/shop/a spec",
		"Pod shop/a from deploy/mixed.yaml pod/shop/a spec",
		"Pod shop/a from deploy/pod.yaml pod/shop/a spec",
	}
	if diff := cmp.Diff(workloads, found(got.Workloads)); diff != "" {
		t.Errorf("workloads (-want +got):\n%s", diff)
	}
	// The same object in other files is another subject.
	var files []string
	for _, w := range got.Workloads {
		files = append(files, w.Owner.File)
	}
	if diff := cmp.Diff([]string{"", "deploy/mixed.yaml", "deploy/pod.yaml"}, files); diff != "" {
		t.Errorf("files of the subjects (-want +got):\n%s", diff)
	}
	for _, g := range got.Gaps {
		if g.Reason == "" || g.What != fact.Pods || g.Subject.Kind != fact.SubjectFile {
			t.Errorf("gap %+v", g)
		}
	}
}

// A file that is named is meant as a manifest.
func TestNamedFileIsNoManifest(t *testing.T) {
	pod := object("v1", "Pod", "a", "spec: "+spec)
	write(t, map[string]string{
		"a.yaml": pod, "values.yaml": "image: {tag: v1}\n", "helm2.yaml": "kind: Pod\nspec:\n  hostNetwork: {{ .Values.hn }}\n",
		"twice.yaml": "apiVersion: v1\nkind: Pod\nspec: " + spec + "\nkind: Secret\n",
		"twice.json": `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":` + spec + `,"spec":` + spec + `}`,
		"merge.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: b}\nspec:\n  <<: &x {hostPID: true, containers: [{name: app}]}\n  hostPID: false\n",
	})
	got, err := Read(t.Context(), Files{Filenames: []string{"a.yaml", "values.yaml", "helm2.yaml", "twice.yaml", "twice.json", "merge.yaml"}}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"values.yaml: line 1: expected an object, found one without kind",
		"helm2.yaml: line 3: a Helm template that was not rendered",
		"twice.yaml: line 4: not valid YAML: a key that is there twice",
		"twice.json: line 1: a field that is there twice",
	}
	if diff := cmp.Diff(want, wrong(got, nil)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Pod /b from merge.yaml pod/b spec", "Pod shop/a from a.yaml pod/shop/a spec"}, found(got.Workloads)); diff != "" {
		t.Errorf("workloads (-want +got):\n%s", diff)
	}
}

func TestGlobs(t *testing.T) {
	for _, tc := range []struct {
		glob, name string
		want       bool
	}{
		{"*.yaml", "a.yaml", true},
		{"*.yaml", "dir/a.yaml", true},
		{"*.yaml", "a.yml", false},
		{"vendor", "a/vendor", true},
		{"vendor/", "a/vendor", true},
		{"./prod/*", "prod/a.yaml", true},
		{"prod/*", "prod/a/b.yaml", false},
		{"prod/**", "prod/a/b.yaml", true},
		{"prod/**", "prod", true},
		{"**/a.yaml", "a.yaml", true},
		{"**/x/**/a.yaml", "1/x/2/3/a.yaml", true},
		{"**/x/**/a.yaml", "1/2/3/a.yaml", false},
		{"**/**", "a", true},
		{"a?c/[xy].yaml", "abc/y.yaml", true},
	} {
		if got := globMatch(tc.glob, tc.name); got != tc.want {
			t.Errorf("%q matches %q: %v, want %v", tc.glob, tc.name, got, tc.want)
		}
	}
	err := Files{Include: []string{"[", "*"}, Exclude: []string{""}}.Validate()
	const want = "--include: expected a pattern like *.yaml or prod/**, found \"[\"\n--exclude: expected a pattern like *.yaml or prod/**, found \"\""
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	write(t, map[string]string{"a/b/c.yaml": object("v1", "Pod", "a", "spec: "+spec), "a/d.yaml": object("v1", "Pod", "b", "spec: "+spec), "a/x.txt": object("v1", "Pod", "c", "spec: "+spec)})
	for name, tc := range map[string]struct {
		files Files
		want  []string
	}{
		"a pattern with any directories": {Files{Filenames: []string{"a/**/*.yaml"}}, []string{"Pod shop/a from a/b/c.yaml pod/shop/a spec", "Pod shop/b from a/d.yaml pod/shop/b spec"}},
		"an include of another ending":   {Files{Filenames: []string{"a"}, Include: []string{"*.txt"}}, []string{"Pod shop/c from a/x.txt pod/shop/c spec"}},
	} {
		got, err := workloadsOf(Read(t.Context(), tc.files, "", nil))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, found(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
