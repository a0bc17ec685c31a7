package whatif

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

const (
	secretValue = "hunter2-of-these-tests"
	deployment  = `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"shop","labels":{"app":"web"}},
"spec":{"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"hostPID":true,
"containers":[{"name":"app","image":"a:v1","env":[{"name":"PASSWORD","value":"` + secretValue + `"},{"name":"B","value":"b"}],"securityContext":{"privileged":true,"capabilities":{"add":["SYS_ADMIN"]}}},
{"name":"side","image":"s:v1"}],"volumes":[{"name":"host","hostPath":{"path":"/"}}]}}}}`
	widget = `{"apiVersion":"example.org/v1","kind":"Widget","metadata":{"name":"web","namespace":"shop"},
"spec":{"hostPID":true,"containers":[{"name":"app","image":"a:v1"},{"name":"side","image":"s:v1"}]}}`
)

func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	var o unstructured.Unstructured
	if err := o.UnmarshalJSON([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return &o
}

func directoryOf(t *testing.T, files map[string]string) string {
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

// Patches give what kustomize makes of them.
func TestPatchesGiveWhatKustomizeGives(t *testing.T) {
	for name, test := range map[string]struct{ base, patch, target string }{
		"a field of a container":   {deployment, "spec: {template: {spec: {containers: [{name: app, securityContext: {privileged: false}}]}}}", "kind: Deployment"},
		"a second container":       {deployment, "spec: {template: {spec: {containers: [{name: side, securityContext: {runAsNonRoot: true}}]}}}", "name: w.*"},
		"null removes":             {deployment, "spec: {template: {spec: {hostPID: null, containers: [{name: app, securityContext: null}]}}}", "kind: Deployment"},
		"$patch: delete":           {deployment, "spec: {template: {spec: {containers: [{name: side, $patch: delete}], volumes: [{name: host, $patch: delete}]}}}", "kind: Deployment"},
		"$patch: replace":          {deployment, "spec: {template: {spec: {containers: [{name: app, image: b}, {$patch: replace}]}}}", "kind: Deployment"},
		"a list of words":          {deployment, "spec: {template: {spec: {containers: [{name: app, securityContext: {capabilities: {add: [], drop: [ALL]}}}]}}}", "kind: Deployment"},
		"an entry of env":          {deployment, "spec: {template: {spec: {containers: [{name: app, env: [{name: B, value: c}]}]}}}", "kind: Deployment"},
		"a volume and its mount":   {deployment, "spec: {template: {spec: {containers: [{name: app, volumeMounts: [{name: tmp, mountPath: /tmp}]}], volumes: [{name: tmp, emptyDir: {}}]}}}", "kind: Deployment"},
		"another name in it":       {deployment, "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: other, namespace: elsewhere}\nspec: {replicas: 3}", "kind: Deployment, labelSelector: app=web"},
		"operations":               {deployment, `[{"op":"test","path":"/spec/template/spec/containers/0/name","value":"app"},{"op":"add","path":"/spec/template/spec/containers/0/securityContext/capabilities/drop","value":["ALL"]},{"op":"remove","path":"/spec/template/spec/hostPID"}]`, "kind: Deployment"},
		"move and copy":            {deployment, `[{"op":"copy","from":"/spec/template/spec/containers/0/securityContext","path":"/spec/template/spec/containers/1/securityContext"},{"op":"move","from":"/spec/template/spec/hostPID","path":"/spec/template/spec/hostIPC"}]`, "version: v1"},
		"a custom resource":        {widget, "spec: {hostPID: null, replicas: 2}", "group: example.org, kind: Widget"},
		"a custom resource's list": {widget, "spec: {containers: [{name: app}]}", "kind: Widget"},
	} {
		head := "apiVersion: v1\nkind: Any\nmetadata: {name: any}\n" // kustomize wants names, and does not use them
		patch := test.patch
		if !strings.HasPrefix(patch, "[") && !strings.HasPrefix(patch, "apiVersion") {
			patch = head + patch
		}
		kustomization := "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\npatches: [{path: p.yaml, target: {" + test.target + "}}]\n"
		memory := filesys.MakeFsInMemory()
		for file, text := range map[string]string{
			"/c/kustomization.yaml": kustomization, "/c/p.yaml": patch, "/b/o.yaml": test.base,
			"/b/kustomization.yaml": "resources: [o.yaml]\ncomponents: [../c]\n",
		} {
			if err := memory.WriteFile(file, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(memory, "/b")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text, err := built.AsYaml()
		if err != nil {
			t.Fatal(err)
		}
		var want map[string]any
		if err := yaml.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		changes, err := Load(t.Context(), directoryOf(t, map[string]string{"kustomization.yaml": kustomization, "p.yaml": patch}), Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		base := object(t, test.base)
		before := base.DeepCopy()
		got, from, err := changes.Apply(base, "")
		if err != nil || got == nil || from != "" {
			t.Fatalf("%s: %v, from %q", name, err, from)
		}
		if diff := cmp.Diff(plain(t, want), plain(t, got.Object)); diff != "" {
			t.Errorf("%s (-kustomize +here):\n%s", name, diff)
		}
		if diff := cmp.Diff(before, base); diff != "" {
			t.Errorf("%s: the object itself changed:\n%s", name, diff)
		}
		if err := changes.Missed(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// plain is a value as JSON has it. Entries with names are in the order of these: kustomize puts
// those of the patch first, the API server does not.
func plain(t *testing.T, value any) any {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	sortNamed(out)
	return out
}

func sortNamed(value any) {
	switch v := value.(type) {
	case map[string]any:
		for _, inner := range v {
			sortNamed(inner)
		}
	case []any:
		name := func(item any) string {
			fields, _ := item.(map[string]any)
			text, _ := fields["name"].(string)
			return text
		}
		slices.SortStableFunc(v, func(a, b any) int { return strings.Compare(name(a), name(b)) })
		for _, inner := range v {
			sortNamed(inner)
		}
	}
}

// The objects that a target selects.
func TestTargets(t *testing.T) {
	web := object(t, deployment)
	for target, want := range map[string]bool{
		`{"kind":"Deployment"}`:                           true,
		`{"kind":"Deploy"}`:                               false,
		`{"name":"we"}`:                                   false, // the whole name
		`{"name":"web|db"}`:                               true,
		`{"name":"w.b","namespace":"sh.p"}`:               true,
		`{"name":"web","namespace":"default"}`:            false,
		`{"group":"apps","version":"v1"}`:                 true,
		`{"group":"batch","name":"web"}`:                  false,
		`{"version":"v2","name":"web"}`:                   false,
		`{"labelSelector":"app in (web,db)"}`:             true,
		`{"labelSelector":"app!=web"}`:                    false,
		`{"name":"web","annotationSelector":"owner"}`:     false,
		`{"kind":"Deployment","annotationSelector":"!x"}`: true,
	} {
		var of Target
		if err := json.Unmarshal([]byte(target), &of); err != nil {
			t.Fatal(err)
		}
		s, err := newSelector(&of)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.matches(IdentityOf(web, ""), web); got != want {
			t.Errorf("%s: %v", target, got)
		}
	}
	// A patch of one object of the core API is for no other group's. One of another file's object
	// has a patch of its own.
	one := exactly(Identity{Version: "v1", Kind: "Deployment", Name: "web", Namespace: "shop"})
	if one.mayMatch(IdentityOf(web, "")) {
		t.Error("the core API has no Deployment")
	}
	id := Identity{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "shop", Name: "web"}
	inB := id
	inB.File = "b.yaml"
	c := Changes{patches: []*patch{{name: "first", target: exactly(id)}, {name: "second", target: exactly(inB)}}}
	c.index()
	for file, want := range map[string]string{"a.yaml": "first", "b.yaml": "second"} {
		if got := c.mayBe(IdentityOf(web, file)); len(got) != 1 || got[0].name != want {
			t.Errorf("%s: %d patches", file, len(got))
		}
	}
}

// A link to a file outside and a pipe are not read. What is too large is not read either.
func TestHostileFiles(t *testing.T) {
	kustomization := "kind: Component\npatches: [{path: p.yaml, target: {kind: Pod}}]\n"
	outside := filepath.Join(directoryOf(t, map[string]string{"secret": secretValue}), "secret")
	for name, test := range map[string]struct {
		files   map[string]string
		prepare func(dir string) error
		want    string
	}{
		"a link out":           {map[string]string{"kustomization.yaml": kustomization}, func(dir string) error { return os.Symlink(outside, filepath.Join(dir, "p.yaml")) }, "path: "},
		"a link out, manifest": {nil, func(dir string) error { return os.Symlink(outside, filepath.Join(dir, "p.yaml")) }, "p.yaml: "},
		"a directory":          {map[string]string{"kustomization.yaml": kustomization}, func(dir string) error { return os.Mkdir(filepath.Join(dir, "p.yaml"), 0o700) }, "expected a file, found something else"},
		"a loop":               {map[string]string{"kustomization.yaml": kustomization}, func(dir string) error { return os.Symlink("p.yaml", filepath.Join(dir, "p.yaml")) }, "path: "},
		"two kustomizations":   {map[string]string{"kustomization.yaml": kustomization, "kustomization.yml": kustomization}, nil, "expected one kustomization, found kustomization.yaml and kustomization.yml"},
		"too large":            {map[string]string{"kustomization.yaml": kustomization, "p.yaml": strings.Repeat("# a line\n", 200)}, nil, "expected at most 0 MiB"},
		"too many operations":  {map[string]string{"kustomization.yaml": kustomization, "p.yaml": "[]"}, nil, "expected 1 to 10000 operations, found 0"},
		"aliases":              {map[string]string{"kustomization.yaml": kustomization, "p.yaml": "a: &a [1,1,1,1]\nb: &b [*a,*a]\n"}, nil, ""},
	} {
		dir := directoryOf(t, test.files)
		if test.prepare != nil {
			if err := test.prepare(dir); err != nil {
				t.Skip(err)
			}
		}
		before := maxFile
		if name == "too large" {
			maxFile = 1000
		}
		_, err := Load(t.Context(), dir, Options{})
		maxFile = before
		if test.want == "" && err == nil {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), secretValue) {
			t.Errorf("%s: error %v, want %q", name, err, test.want)
		}
	}
}

// A patch that copies an object into itself again and again ends at a limit.
func TestPatchThatGrows(t *testing.T) {
	var doubles []string
	for i := range 60 {
		doubles = append(doubles, fmt.Sprintf(`{"op":"copy","from":"/spec","path":"/spec/x%d"}`, i))
	}
	parts, err := parse([]byte("[" + strings.Join(doubles, ",") + "]"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parts[0].apply(object(t, deployment)); err == nil || !strings.Contains(err.Error(), "it makes the object larger than 16 MiB") {
		t.Errorf("error %v", err)
	}
	// Many operations on a large object end, too.
	defer func(before int64) { maxWork = before }(maxWork)
	maxWork = 10_000
	if parts, err = parse([]byte("[" + strings.Repeat(`{"op":"test","path":"/kind","value":"Deployment"},`, 99) + `{"op":"test","path":"/kind","value":"Deployment"}]`)); err != nil {
		t.Fatal(err)
	}
	if _, err := parts[0].apply(object(t, deployment)); err == nil || !strings.Contains(err.Error(), "it takes too long") {
		t.Errorf("error %v", err)
	}
}

// No patch makes the program fail, and no error quotes a value of the patch or of the object.
func FuzzPatch(f *testing.F) {
	for _, seed := range []string{
		`[{"op":"test","path":"/metadata/name","value":"` + secretValue + `"}]`, `[{"op":"add","path":"/spec/-","value":1}]`, "spec: {template: " + secretValue + "}",
		`[{"op":"move","from":"/a","path":"/a/b"}]`, `[{"op":"remove","path":"/spec/template/spec/containers/-1"}]`, "spec: {template: {spec: {containers: [{$patch: merge}]}}}",
		"$patch: delete\n", "metadata: null\n", `[{"op":"replace","path":"/metadata","value":null}]`, `[{}]`, `[null]`, `{"spec":{"$setElementOrder/containers":[1]}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		parts, err := parse(data)
		if err != nil && strings.Contains(err.Error(), secretValue) {
			t.Fatalf("the error quotes a value: %v", err)
		}
		for i := range parts {
			for _, text := range []string{deployment, widget} {
				after, err := parts[i].apply(object(t, text))
				switch {
				case err == nil && after.Object == nil:
					t.Fatal("neither an object nor an error")
				case err != nil && strings.Contains(err.Error(), secretValue) && !strings.Contains(strings.Join(parts[i].paths, " "), secretValue):
					t.Fatalf("the error quotes a value: %v", err)
				}
			}
		}
	})
}
