package manifest

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// spec is a pod spec of one container, in JSON, which is YAML.
const spec = `{"containers":[{"name":"app","image":"registry.example/app:v1"}]}`

// write puts files into a directory and changes to it, so that sources are
// short.
func write(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// found writes workloads as "Kind NAMESPACE/NAME from ORIGIN PATH".
func found(workloads []fact.Workload) []string {
	var out []string
	for _, w := range workloads {
		out = append(out, w.Owner.Kind+" "+w.Owner.Namespace+"/"+w.Owner.Name+" from "+w.Spec.Origin+" "+w.Spec.Path)
	}
	return out
}

func object(apiVersion, kind, name, rest string) string {
	return "apiVersion: " + apiVersion + "\nkind: " + kind + "\nmetadata: {name: " + name + ", namespace: shop}\n" + rest + "\n"
}

func TestRead(t *testing.T) {
	template := "spec: {template: {metadata: {labels: {app: web}}, spec: " + spec + "}}"
	for name, tc := range map[string]struct {
		in        map[string]string
		files     Files
		namespace string
		stdin     string
		want      []string
	}{
		"a pod": {
			in:    map[string]string{"a.yaml": object("v1", "Pod", "web", "spec: "+spec)},
			files: Files{Filenames: []string{"a.yaml"}},
			want:  []string{"Pod shop/web from a.yaml pod/shop/web spec"},
		},
		"Kubernetes' own kinds": {
			in: map[string]string{"all.yaml": strings.Join([]string{
				object("apps/v1", "Deployment", "d", template), object("apps/v1", "DaemonSet", "ds", template),
				object("apps/v1", "StatefulSet", "s", template), object("apps/v1", "ReplicaSet", "r", template),
				object("batch/v1", "Job", "j", template), object("v1", "ReplicationController", "rc", template),
				object("batch/v1", "CronJob", "c", "spec: {jobTemplate: {spec: {template: {spec: "+spec+"}}}}"),
				object("v1", "PodTemplate", "p", "template: {spec: "+spec+"}"),
				object("v1", "Service", "svc", "spec: {ports: []}"), object("v1", "Secret", "x", "stringData: {a: b}"),
			}, "---\n")},
			files: Files{Filenames: []string{"all.yaml"}},
			want: []string{
				"CronJob shop/c from all.yaml cronjob/shop/c spec.jobTemplate.spec.template.spec",
				"DaemonSet shop/ds from all.yaml daemonset/shop/ds spec.template.spec",
				"Deployment shop/d from all.yaml deployment/shop/d spec.template.spec",
				"Job shop/j from all.yaml job/shop/j spec.template.spec",
				"PodTemplate shop/p from all.yaml podtemplate/shop/p template.spec",
				"ReplicaSet shop/r from all.yaml replicaset/shop/r spec.template.spec",
				"ReplicationController shop/rc from all.yaml replicationcontroller/shop/rc spec.template.spec",
				"StatefulSet shop/s from all.yaml statefulset/shop/s spec.template.spec",
			},
		},
		"an operator's kind with a pod template": {
			in:    map[string]string{"r.yaml": object("argoproj.io/v1alpha1", "Rollout", "web", template)},
			files: Files{Filenames: []string{"r.yaml"}},
			want:  []string{"Rollout shop/web from r.yaml rollout/shop/web spec.template.spec"},
		},
		"another kind's template is none of a pod": {
			in: map[string]string{"x.yaml": object("argoproj.io/v1alpha1", "ApplicationSet", "a", "spec: {template: {spec: {containers: many}}}") +
				"---\n" + object("v1", "Pod", "web", "spec: "+spec)},
			files: Files{Filenames: []string{"x.yaml"}},
			want:  []string{"Pod shop/web from x.yaml pod/shop/web spec"},
		},
		"several documents, empty ones and comments among them": {
			in: map[string]string{"m.yaml": "---\n# nothing\n---\n" + object("v1", "Pod", "b", "spec: "+spec) + "---\n---\n" +
				object("v1", "Pod", "a", "spec: "+spec) + "---\n"},
			files: Files{Filenames: []string{"m.yaml"}},
			want:  []string{"Pod shop/a from m.yaml pod/shop/a spec", "Pod shop/b from m.yaml pod/shop/b spec"},
		},
		"JSON, and a List": {
			in: map[string]string{"l.json": `{"apiVersion":"v1","kind":"List","items":[
				{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"shop"},"spec":` + spec + `},
				{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d","namespace":"shop"},"spec":{"template":{"spec":` + spec + `}}}]}`},
			files: Files{Filenames: []string{"l.json"}},
			want: []string{
				"Deployment shop/d from l.json deployment/shop/d spec.template.spec", "Pod shop/a from l.json pod/shop/a spec",
			},
		},
		"a PodList, as kubectl get -o yaml does not write it": {
			in:    map[string]string{"l.yaml": "apiVersion: v1\nkind: PodList\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: a, namespace: shop}\n  spec: " + spec},
			files: Files{Filenames: []string{"l.yaml"}},
			want:  []string{"Pod shop/a from l.yaml pod/shop/a spec"},
		},
		"a directory, its own files alone": {
			in: map[string]string{
				"dir/a.yaml": object("v1", "Pod", "a", "spec: "+spec), "dir/sub/b.yaml": object("v1", "Pod", "b", "spec: "+spec), "dir/notes.txt": "no manifest",
			},
			files: Files{Filenames: []string{"dir"}},
			want:  []string{"Pod shop/a from dir/a.yaml pod/shop/a spec"},
		},
		"a directory, recursively": {
			in: map[string]string{
				"dir/a.yaml": object("v1", "Pod", "a", "spec: "+spec), "dir/sub/b.yml": object("v1", "Pod", "b", "spec: "+spec),
			},
			files: Files{Filenames: []string{"dir"}, Recursive: true},
			want:  []string{"Pod shop/a from dir/a.yaml pod/shop/a spec", "Pod shop/b from dir/sub/b.yml pod/shop/b spec"},
		},
		"a pattern": {
			in: map[string]string{
				"a1.yaml": object("v1", "Pod", "a", "spec: "+spec), "a2.yaml": object("v1", "Pod", "b", "spec: "+spec), "b.yaml": "CANARY",
			},
			files: Files{Filenames: []string{"a?.yaml"}},
			want:  []string{"Pod shop/a from a1.yaml pod/shop/a spec", "Pod shop/b from a2.yaml pod/shop/b spec"},
		},
		"a file that is called like a pattern": {
			in:    map[string]string{"[a].yaml": object("v1", "Pod", "a", "spec: "+spec), "a.yaml": "CANARY"},
			files: Files{Filenames: []string{"[a].yaml"}},
			want:  []string{"Pod shop/a from [a].yaml pod/shop/a spec"},
		},
		"JSON values behind each other, and YAML behind them": {
			in: map[string]string{"l.json": `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"shop"},"spec":` + spec + `}
				{"apiVersion":"v1","kind":"Pod","metadata":{"name":"b","namespace":"shop"},"spec":` + spec + "}\n---\n" + object("v1", "Pod", "c", "spec: "+spec)},
			files: Files{Filenames: []string{"l.json"}},
			want: []string{
				"Pod shop/a from l.json pod/shop/a spec", "Pod shop/b from l.json pod/shop/b spec", "Pod shop/c from l.json pod/shop/c spec",
			},
		},
		"YAML in braces": {
			in:    map[string]string{"a.yaml": "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: shop}, spec: " + spec + "}"},
			files: Files{Filenames: []string{"a.yaml"}},
			want:  []string{"Pod shop/a from a.yaml pod/shop/a spec"},
		},
		"a document behind an end mark": {
			in:    map[string]string{"a.yaml": "%YAML 1.1\n---\n" + object("v1", "Pod", "a", "spec: "+spec) + "...\n# more\n" + object("v1", "Pod", "b", "spec: "+spec) + "..."},
			files: Files{Filenames: []string{"a.yaml"}},
			want:  []string{"Pod shop/a from a.yaml pod/shop/a spec", "Pod shop/b from a.yaml pod/shop/b spec"},
		},
		"lines as Windows ends them, and a byte order mark": {
			in:    map[string]string{"a.yaml": "\xef\xbb\xbf" + strings.ReplaceAll(object("v1", "Pod", "a", "spec: "+spec)+"---\n"+object("v1", "Pod", "b", "spec: "+spec), "\n", "\r\n")},
			files: Files{Filenames: []string{"a.yaml"}},
			want:  []string{"Pod shop/a from a.yaml pod/shop/a spec", "Pod shop/b from a.yaml pod/shop/b spec"},
		},
		"UTF-16": {
			in: map[string]string{
				"a.yaml": wide(object("v1", "Pod", "a", "# ä \U0001F600\nspec: "+spec), binary.LittleEndian), "b.yaml": wide(object("v1", "Pod", "b", "spec: "+spec), binary.BigEndian),
			},
			files: Files{Filenames: []string{"a.yaml", "b.yaml"}},
			want:  []string{"Pod shop/a from a.yaml pod/shop/a spec", "Pod shop/b from b.yaml pod/shop/b spec"},
		},
		"pods in a PodList without a kind of their own": {
			in:    map[string]string{"l.yaml": "apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: a, namespace: shop}\n  spec: " + spec},
			files: Files{Filenames: []string{"l.yaml"}},
			want:  []string{"Pod shop/a from l.yaml pod/shop/a spec"},
		},
		"standard input next to a file": {
			in:    map[string]string{"a.yaml": object("v1", "Pod", "a", "spec: "+spec)},
			files: Files{Filenames: []string{"-", "a.yaml"}}, stdin: object("v1", "Pod", "b", "spec: "+spec),
			want: []string{"Pod shop/a from a.yaml pod/shop/a spec", "Pod shop/b from stdin pod/shop/b spec"},
		},
		"a kustomization": {
			in: map[string]string{
				"k/kustomization.yaml": "namePrefix: pre-\nnamespace: prod\nresources: [pod.yaml]\n",
				"k/pod.yaml":           object("v1", "Pod", "a", "spec: "+spec),
			},
			files: Files{Kustomize: "k", Builder: builder(t)},
			want:  []string{"Pod prod/pre-a from k pod/prod/pre-a spec"},
		},
		"-n is the namespace of what has none": {
			in: map[string]string{"a.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: " + spec + "\n---\n" +
				object("v1", "Pod", "b", "spec: "+spec)},
			files: Files{Filenames: []string{"a.yaml"}}, namespace: "prod",
			want: []string{"Pod prod/a from a.yaml pod/prod/a spec", "Pod shop/b from a.yaml pod/shop/b spec"},
		},
		"no namespace at all": {
			in:    map[string]string{"a.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: " + spec},
			files: Files{Filenames: []string{"a.yaml"}},
			want:  []string{"Pod /a from a.yaml pod/a spec"},
		},
		"a name that the server would generate": {
			in:    map[string]string{"j.yaml": "apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: once-}\n" + template},
			files: Files{Filenames: []string{"j.yaml"}},
			want:  []string{"Job /once- from j.yaml job/once- spec.template.spec"},
		},
		"fields that nobody knows are passed over": {
			in:    map[string]string{"a.yaml": object("v1", "Pod", "a", `spec: {novelty: {deep: [1]}, containers: [{name: app, novelty: 1}]}`)},
			files: Files{Filenames: []string{"a.yaml"}},
			want:  []string{"Pod shop/a from a.yaml pod/shop/a spec"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			write(t, tc.in)
			got, err := workloadsOf(Read(t.Context(), tc.files, tc.namespace, strings.NewReader(tc.stdin)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, found(got)); diff != "" {
				t.Errorf("workloads (-want +got):\n%s", diff)
			}
			for _, w := range got {
				if len(w.Spec.Containers) != 1 || w.Spec.Containers[0].Name != "app" || len(w.Pods) != 0 {
					t.Errorf("%s: want one container app and no pods, got %+v", w.Spec.Origin, w)
				}
			}
		})
	}
}

// Labels and annotations are those of the pod that will be.
func TestTemplateMetadata(t *testing.T) {
	write(t, map[string]string{"d.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: kube-system, labels: {of: deployment}, annotations: {d: x}}\n" +
		"spec: {template: {metadata: {labels: {of: pod}, annotations: {p: CANARY}}, spec: " + spec + "}}"})
	got, err := workloadsOf(Read(t.Context(), Files{Filenames: []string{"d.yaml"}}, "", nil))
	if err != nil {
		t.Fatal(err)
	}
	want := []fact.Workload{{
		Owner: fact.Subject{Kind: "Deployment", Namespace: "kube-system", Name: "web", Platform: true},
		Spec: fact.PodSpec{
			Origin: "d.yaml deployment/kube-system/web", Path: "spec.template.spec",
			Labels: map[string]string{"of": "pod"}, Annotations: []string{"p"},
			Containers: []fact.Container{{Name: "app", Type: fact.RegularContainer, Field: "spec.containers[0]", Image: "registry.example/app:v1"}},
		},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("workloads (-want +got):\n%s", diff)
	}
}

// What is wrong is said with the file's name and the line, and never in the
// file's own words: they may be a Secret's.
func TestReadErrors(t *testing.T) {
	pod := object("v1", "Pod", "a", "spec: "+spec)
	for name, tc := range map[string]struct {
		file, want string
	}{
		"a quote that is not closed":             {"apiVersion: v1\nkind: Secret\nstringData: {a: \"CANARY, b: x\n", `x.yaml: line 3: not valid YAML: a quoted value is not closed`},
		"a Secret's body without a kind":         {"data: {password: CANARY}\n", `x.yaml: line 1: expected an object, found one without kind`},
		"one of several without a kind":          {pod + "---\n\ndata: {password: CANARY}\n", `x.yaml: document 2, line 7: expected an object, found one without kind`},
		"a kind that is no text":                 {"apiVersion: v1\nkind: [CANARY]\n", `x.yaml: line 2: kind: expected a string, found a list of 1`},
		"a version that is no text":              {"apiVersion: 12345678\nkind: Pod\n", `x.yaml: line 1: apiVersion: expected a string, found a number`},
		"in a List":                              {"apiVersion: v1\nkind: List\nitems:\n- kind: Secret\n- data: {password: CANARY}\n", `x.yaml: line 5: items[1]: expected an object, found one without kind`},
		"in a List in a List":                    {"kind: List\nitems:\n- kind: List\n  items:\n  - CANARY\n", `x.yaml: line 5: items[0].items[0]: expected an object, found a string`},
		"a Pod in a List":                        {"kind: List\nitems:\n- kind: Pod\n  apiVersion: v1\n  metadata: {name: a}\n  spec:\n    containers: CANARY\n", `x.yaml: line 7: items[0]: Pod "a": spec.containers: expected a list of at least one container, found a string`},
		"items that are no list":                 {"kind: PodList\nitems: CANARY\n", `x.yaml: line 2: items: expected a list of objects, found a string`},
		"a word":                                 {"CANARY\n", `x.yaml: line 1: expected an object, found a string`},
		"a list at the top":                      {"- CANARY\n", `x.yaml: line 1: expected an object, found a list of 1`},
		"a Pod without a spec":                   {object("v1", "Pod", "a", ""), `x.yaml: line 1: Pod "a": spec: expected a pod spec, found nothing`},
		"a Pod whose containers are text":        {object("v1", "Pod", "a", "spec: {containers: CANARY}"), `x.yaml: line 4: Pod "a": spec.containers: expected a list of at least one container, found a string`},
		"a Pod without containers":               {object("v1", "Pod", "a", "spec: {containers: []}"), `x.yaml: line 4: Pod "a": spec.containers: expected a list of at least one container, found a list of 0`},
		"a Pod whose metadata are text":          {"apiVersion: v1\nkind: Pod\nmetadata: CANARY\nspec: " + spec, `x.yaml: line 3: Pod: metadata: expected a map, found a string`},
		"a Pod whose name is a number":           {"apiVersion: v1\nkind: Pod\nmetadata:\n  name: 12345678\nspec: " + spec, `x.yaml: line 4: Pod: metadata.name: expected a string, found a number`},
		"a Pod whose name is none":               {"apiVersion: v1\nkind: Pod\nmetadata:\n  name: CANARY\nspec: {}", `x.yaml: line 5: Pod: spec.containers: expected a list of at least one container, found nothing`},
		"a Deployment whose template is text":    {object("apps/v1", "Deployment", "a", "spec: {template: CANARY}"), `x.yaml: line 4: Deployment "a": spec.template.spec: expected a pod spec, found nothing`},
		"a Deployment without containers":        {object("apps/v1", "Deployment", "a", "spec: {template: {spec: {restartPolicy: Always}}}"), `x.yaml: line 4: Deployment "a": spec.template.spec.containers: expected a list of at least one container, found nothing`},
		"a container that is text":               {object("v1", "Pod", "a", "spec:\n  containers:\n  - name: b\n  - CANARY"), `x.yaml: line 7: Pod "a": spec.containers[1]: expected a map, found a string`},
		"a number where text belongs":            {object("v1", "Pod", "a", "spec: {containers: [{name: app, env: [{name: A, value: 12345678}]}]}"), `x.yaml: line 4: Pod "a": spec.containers[0].env[0].value: expected a string, found a number`},
		"a quantity that is none":                {object("v1", "Pod", "a", "spec: {containers: [{name: app, resources: {limits: {cpu: CANARY}}}]}"), `x.yaml: line 4: Pod "a": spec.containers[0].resources.limits: one of its values: expected a quantity like 500m or 1Gi, found other text`},
		"a template's label that is no text":     {object("apps/v1", "Deployment", "a", "spec: {template: {metadata: {labels: {CANARY: [CANARY]}}, spec: "+spec+"}}"), `x.yaml: line 4: Deployment "a": spec.template.metadata.labels: one of its values: expected a string, found a list of 1`},
		"a template's annotations that are text": {object("apps/v1", "Deployment", "a", "spec: {template: {metadata: {annotations: CANARY}, spec: "+spec+"}}"), `x.yaml: line 4: Deployment "a": spec.template.metadata.annotations: expected a map, found a string`},
		"a field through an alias":               {"x: &c [{name: [CANARY]}]\napiVersion: v1\nkind: Pod\nspec:\n  containers: *c\n", `x.yaml: line 1: Pod: spec.containers[0].name: expected a string, found a list of 1`},
		"text on the separator's line":           {pod + "--- {data: CANARY}\n" + pod, `x.yaml: line 5: text on the line of the separator: expected it on the next line`},
		"JSON cut short":                         {`{"kind": "Secret", "data": {"a": "CANARY"`, `x.yaml: line 1: not valid YAML: a map in braces is not closed`},
		"the second of JSON's values":            {"{\"kind\": \"Secret\"}\n\n{\"kind\": \"CANARY,\n\n}", `x.yaml: document 2, line 5: not valid YAML: a quoted value is not closed`},
		"nothing that runs a pod":                {object("v1", "Secret", "a", "stringData: {a: CANARY}"), `no pod, no workload and no ConfigMap found in x.yaml`},
		"a Secret's time that is none":           {"apiVersion: v1\nkind: Secret\nmetadata: {name: x, creationTimestamp: CANARY}\n", `no pod, no workload and no ConfigMap found in x.yaml`},
		"three dashes in a quote":                {"kind: Secret\nstringData:\n  key: \"first\n---CANARY second\"\n", `no pod, no workload and no ConfigMap found in x.yaml`},
		"an empty file":                          {"", `no pod, no workload and no ConfigMap found in x.yaml`},
		"comments alone":                         {"# CANARY\n---\n# CANARY\n", `no pod, no workload and no ConfigMap found in x.yaml`},
	} {
		t.Run(name, func(t *testing.T) {
			write(t, map[string]string{"x.yaml": tc.file})
			got, err := Read(t.Context(), Files{Filenames: []string{"x.yaml"}}, "", nil)
			said := strings.Join(wrong(got, err), "\n")
			if said != tc.want {
				t.Errorf("got  %q\nwant %q", said, tc.want)
			}
			for _, value := range []string{"CANARY", "12345678"} {
				if strings.Contains(said, value) {
					t.Errorf("the error quotes a value: %q", said)
				}
			}
			if got != nil && !strings.Contains(tc.file, pod) {
				t.Errorf("want an error, because nothing was read; got %v", found(got.Workloads))
			}
		})
	}
}

// Everything that is wrong is said at once, file by file and document by
// document.
func TestReadSaysEverything(t *testing.T) {
	pod := object("v1", "Pod", "a", "spec: "+spec)
	write(t, map[string]string{
		"dir/a.yaml": "data: CANARY", "dir/b.yaml": "a: [CANARY\n---\n" + pod + "---\n# nothing\n---\na: b: CANARY\n--- CANARY\n" + pod, "dir/c.yaml": pod,
		"dir/d.json": `[1`,
	})
	got, err := Read(t.Context(), Files{Filenames: []string{"none.yaml", "dir", "-", "x[.yaml"}}, "", strings.NewReader("CANARY"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`none.yaml: no such file or directory`,
		`dir/b.yaml: document 1, line 1: not valid YAML: a list in brackets is not closed`,
		`dir/b.yaml: document 4, line 10: not valid YAML: a colon where no key can be`,
		`dir/b.yaml: line 11: text on the line of the separator: expected it on the next line`,
		`stdin: line 1: expected an object, found a string`,
		`x[.yaml: no such file, and not a valid pattern`,
	}
	if diff := cmp.Diff(want, wrong(got, nil)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	workloads := []string{
		"Pod shop/a from dir/b.yaml pod/shop/a spec", "Pod shop/a from dir/b.yaml pod/shop/a spec", "Pod shop/a from dir/c.yaml pod/shop/a spec",
	}
	if diff := cmp.Diff(workloads, found(got.Workloads)); diff != "" {
		t.Errorf("workloads (-want +got):\n%s", diff)
	}
}

// wrong lists what could not be read.
func wrong(d *Declared, err error) (out []string) {
	if err != nil {
		return strings.Split(err.Error(), "\n")
	}
	for _, g := range d.Gaps {
		out = append(out, g.Subject.Name+": "+g.Detail)
	}
	return out
}

// The case of a file whose third document is wrong on line 13. The others are read.
func TestThirdDocument(t *testing.T) {
	got, err := Read(t.Context(), Files{Filenames: []string{"testdata/third.yaml"}}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []fact.Gap{{
		What: fact.Pods, Subject: fact.Subject{Kind: fact.SubjectFile, Name: "testdata/third.yaml"}, Reason: fact.Corrupt,
		Detail: "document 3, line 13: not valid YAML: a key is expected: check the indentation",
	}}
	if diff := cmp.Diff(want, got.Gaps); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
	workloads := []string{"Pod /p1 from testdata/third.yaml pod/p1 spec", "Pod /p3 from testdata/third.yaml pod/p3 spec"}
	if diff := cmp.Diff(workloads, found(got.Workloads)); diff != "" {
		t.Errorf("workloads (-want +got):\n%s", diff)
	}
	if want := (fact.ReadCount{Files: 1, Documents: 4, Objects: 2, Workloads: 2, Skipped: 1}); got.Count != want {
		t.Errorf("got %+v, want %+v", got.Count, want)
	}
}

// Whatever stands at any place of a pod's spec, an error about it does not
// quote it.
func TestErrorsQuoteNothing(t *testing.T) {
	const full = `{"containers":[{"name":"app","image":"i","command":["c"],"args":["a"],"env":[{"name":"n","value":"v","valueFrom":{"secretKeyRef":{"name":"s","key":"k","optional":true}}}],
		"ports":[{"containerPort":1,"hostPort":2}],"resources":{"limits":{"cpu":"1"}},"securityContext":{"privileged":true,"runAsUser":1,"capabilities":{"add":["A"]},"seccompProfile":{"type":"t"}},
		"volumeMounts":[{"name":"v","mountPath":"/v","readOnly":true}],"volumeDevices":[{"name":"d","devicePath":"/d"}],
		"livenessProbe":{"httpGet":{"port":"http","path":"/"},"periodSeconds":1}}],
		"initContainers":[{"name":"i"}],"ephemeralContainers":[{"name":"e"}],"hostPID":true,"hostUsers":false,"terminationGracePeriodSeconds":1,
		"securityContext":{"runAsUser":1,"sysctls":[{"name":"n","value":"v"}]},"tolerations":[{"tolerationSeconds":1}],"nodeSelector":{"a":"b"},"os":{"name":"linux"},
		"volumes":[{"name":"h","hostPath":{"path":"/","type":"Directory"}},{"name":"e","emptyDir":{"sizeLimit":"1Gi"}},{"name":"p","projected":{"sources":[{"serviceAccountToken":{"expirationSeconds":1}}]}}]}`
	var paths [][]any
	var base any
	if err := json.Unmarshal([]byte(full), &base); err != nil {
		t.Fatal(err)
	}
	var walk func(value any, path []any)
	walk = func(value any, path []any) {
		if len(path) > 0 {
			paths = append(paths, append([]any{}, path...))
		}
		switch v := value.(type) {
		case map[string]any:
			for key, inner := range v {
				walk(inner, append(path, key))
			}
		case []any:
			for i, inner := range v {
				walk(inner, append(path, i))
			}
		}
	}
	walk(base, nil)
	failed := 0
	for _, path := range paths {
		for _, value := range []any{"CANARY", 7654321.5, int64(7654321), []any{"CANARY"}, map[string]any{"CANARY": "CANARY"}, true} {
			var spec map[string]any
			if err := json.Unmarshal([]byte(full), &spec); err != nil {
				t.Fatal(err)
			}
			put(spec, path, value)
			err := errors.Join(take(&unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "a"}, "spec": spec,
			}}, "x.yaml ", within{}).errs...)
			if err == nil {
				continue
			}
			failed++
			if strings.Contains(err.Error(), "CANARY") || strings.Contains(err.Error(), "7654321") {
				t.Errorf("%v = %v: the error quotes it: %v", path, value, err)
			}
		}
	}
	if failed < 200 {
		t.Errorf("only %d of the changes failed", failed)
	}
}

func put(at any, path []any, value any) {
	for i, step := range path {
		last := i == len(path)-1
		switch key := step.(type) {
		case string:
			object := at.(map[string]any)
			if last {
				object[key] = value
			}
			at = object[key]
		case int:
			list := at.([]any)
			if last {
				list[key] = value
			}
			at = list[key]
		}
	}
}

// What YAML itself says of a value that it cannot read.
func TestYAMLQuotesNothing(t *testing.T) {
	const head = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n"
	for name, text := range map[string]string{
		"an unknown anchor":           head + "stringData: {password: *CANARY}\n",
		"a value of another type":     head + "stringData: {pin: !!int CANARY}\n",
		"a float that is none":        head + "stringData: {pin: !!float CANARY}\n",
		"an anchor that holds itself": head + "stringData: &CANARY {password: *CANARY}\n",
		"a key that is no text":       head + "stringData: {? {CANARY: CANARY} : x}\n",
		"text where a map belongs":    head + "stringData: CANARY: CANARY\n",
		"a quote that does not end":   head + "stringData: {password: \"CANARY}\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.yaml")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Read(t.Context(), Files{Filenames: []string{path}}, "", nil)
			if err == nil {
				t.Fatal("no error")
			}
			if strings.Contains(err.Error(), "CANARY") {
				t.Errorf("the error quotes the manifest: %v", err)
			}
			t.Log(err)
		})
	}
}

// Kinds whose objects hold values are not even fetched: the getter is nil.
func TestNamedRefusesData(t *testing.T) {
	for _, word := range []string{"secret/a", "Secrets/a", "secrets.v1./a", "configmap/a", "cm/a"} {
		_, err := Named(t.Context(), nil, "shop", []string{"pod/b", word}, false)
		if want := `"` + word + `" runs no pod: ` + expected; err == nil || err.Error() != want {
			t.Errorf("got error %v\nwant      %s", err, want)
		}
	}
}

// wide writes text in UTF-16.
func wide(text string, order binary.AppendByteOrder) string {
	b := order.AppendUint16(nil, 0xFEFF)
	for _, unit := range utf16.Encode([]rune(text)) {
		b = order.AppendUint16(b, unit)
	}
	return string(b)
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		object("v1", "Pod", "a", "spec: "+spec),
		object("apps/v1", "Deployment", "a", "spec: {template: {spec: "+spec+"}}"),
		object("batch/v1", "CronJob", "c", "spec: {jobTemplate: {spec: {template: {spec: "+spec+"}}}}"),
		"apiVersion: v1\nkind: List\nitems: [{data: {a: b}}]", "kind: List\nitems: {}", "a: &a [*a]", "- - -", "\x00", `{"kind":1}`, "---\n---\n",
		"%YAML 1.1\n---\na: b\n...\n--- x\n", "{}{}\n{", "\xff\xfea\x00", "a: {{ .Values }}", "kind: Pod\nmetadata: {labels: [1]}",
		`{"apiVersion":"v1","kind":"Pod","spec":{"containers":[null]}}`, `{"apiVersion":"v1","kind":"Pod","metadata":null,"spec":{"containers":[{"command":[""]}]}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		declared, err := Read(t.Context(), Files{Filenames: []string{"-"}}, "", strings.NewReader(string(data)))
		if err != nil {
			return
		}
		// Nothing is passed over in silence: there are objects that were read, or gaps.
		if len(declared.Workloads)+len(declared.Namespaces)+len(declared.Gaps)+declared.Count.Objects == 0 {
			t.Errorf("nothing was read, and no error says so: %+v", declared)
		}
		for _, w := range declared.Workloads {
			if !strings.HasPrefix(w.Spec.Origin, "stdin ") || w.Owner.Kind == "" || len(w.Spec.Containers) == 0 {
				t.Errorf("a workload without origin, kind or containers: %+v", w)
			}
		}
	})
}

// workloadsOf takes the workloads from what Read returns.
func workloadsOf(declared *Declared, err error) ([]fact.Workload, error) {
	if declared == nil {
		return nil, err
	}
	return declared.Workloads, err
}
