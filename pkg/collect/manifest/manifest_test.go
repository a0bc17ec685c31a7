package manifest

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
		"standard input beside a file": {
			in:    map[string]string{"a.yaml": object("v1", "Pod", "a", "spec: "+spec)},
			files: Files{Filenames: []string{"-", "a.yaml"}}, stdin: object("v1", "Pod", "b", "spec: "+spec),
			want: []string{"Pod shop/a from a.yaml pod/shop/a spec", "Pod shop/b from stdin pod/shop/b spec"},
		},
		"a kustomization": {
			in: map[string]string{
				"k/kustomization.yaml": "namePrefix: pre-\nnamespace: prod\nresources: [pod.yaml]\n",
				"k/pod.yaml":           object("v1", "Pod", "a", "spec: "+spec),
			},
			files: Files{Kustomize: "k"},
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
			got, err := Read(t.Context(), tc.files, tc.namespace, strings.NewReader(tc.stdin))
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
	got, err := Read(t.Context(), Files{Filenames: []string{"d.yaml"}}, "", nil)
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

// What is wrong is said with the file's name, and never in the file's own
// words: they may be a Secret's.
func TestReadErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		file, want string
	}{
		"no YAML":                                {"apiVersion: v1\nkind: Secret\nstringData: {a: \"CANARY, b: x\n", "error parsing x.yaml: error converting YAML to JSON: yaml: line 4: found unexpected end of stream"},
		"a Secret's body without a kind":         {"data: {password: CANARY}\n", `unable to decode "x.yaml": expected an object, found one without Kind`},
		"one of several without a kind":          {object("v1", "Pod", "a", "spec: "+spec) + "---\ndata: {password: CANARY}\n", `unable to decode "x.yaml": expected an object, found one without Kind`},
		"in a List":                              {"apiVersion: v1\nkind: List\nitems: [{data: {password: CANARY}}]\n", `x.yaml: List: items[0]: expected an object, found one without kind`},
		"a word":                                 {"CANARY\n", `unable to decode "x.yaml": json: cannot unmarshal string into Go value of type unstructured.detector`},
		"a time that is none":                    {"apiVersion: v1\nkind: Secret\nmetadata: {name: x, creationTimestamp: CANARY}\n", `unable to decode "x.yaml": expected a time (RFC 3339)`},
		"a Pod without a spec":                   {object("v1", "Pod", "a", ""), `x.yaml: Pod "a": spec: expected a pod spec, found nothing`},
		"a Pod whose containers are text":        {object("v1", "Pod", "a", "spec: {containers: CANARY}"), `x.yaml: Pod "a": spec.containers: expected a list of at least one container, found a string`},
		"a Pod without containers":               {object("v1", "Pod", "a", "spec: {containers: []}"), `x.yaml: Pod "a": spec.containers: expected a list of at least one container, found a list of 0`},
		"a Deployment whose template is text":    {object("apps/v1", "Deployment", "a", "spec: {template: CANARY}"), `x.yaml: Deployment "a": spec.template.spec: expected a pod spec, found nothing`},
		"a Deployment without containers":        {object("apps/v1", "Deployment", "a", "spec: {template: {spec: {restartPolicy: Always}}}"), `x.yaml: Deployment "a": spec.template.spec.containers: expected a list of at least one container, found nothing`},
		"a container that is text":               {object("v1", "Pod", "a", "spec: {containers: [CANARY]}"), `x.yaml: Pod "a": reading its pod spec (spec): `},
		"a number where text belongs":            {object("v1", "Pod", "a", "spec: {containers: [{name: app, env: [{name: A, value: 12345678}]}]}"), `x.yaml: Pod "a": reading its pod spec (spec): `},
		"a quantity that is none":                {object("v1", "Pod", "a", "spec: {containers: [{name: app, resources: {limits: {cpu: CANARY}}}]}"), `x.yaml: Pod "a": reading its pod spec (spec): `},
		"a template's label that is no text":     {object("apps/v1", "Deployment", "a", "spec: {template: {metadata: {labels: {a: [CANARY]}}, spec: "+spec+"}}"), `x.yaml: Deployment "a": spec.template.metadata.labels: expected strings, found a list of 1`},
		"a template's annotations that are text": {object("apps/v1", "Deployment", "a", "spec: {template: {metadata: {annotations: CANARY}, spec: "+spec+"}}"), `x.yaml: Deployment "a": spec.template.metadata.annotations: expected a map, found a string`},
		"nothing that runs a pod":                {object("v1", "Secret", "a", "stringData: {a: CANARY}"), `no pod and no workload found in x.yaml`},
		"an empty file":                          {"", `no pod and no workload found in x.yaml`},
	} {
		t.Run(name, func(t *testing.T) {
			write(t, map[string]string{"x.yaml": tc.file})
			got, err := Read(t.Context(), Files{Filenames: []string{"x.yaml"}}, "", nil)
			if err == nil {
				t.Fatalf("want an error, got %v", found(got))
			}
			if !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("got error %q\nwant       %q", err, tc.want)
			}
			for _, value := range []string{"CANARY", "12345678"} {
				if strings.Contains(err.Error(), value) {
					t.Errorf("the error quotes a value: %q", err)
				}
			}
		})
	}
	t.Run("every broken file is named", func(t *testing.T) {
		write(t, map[string]string{"a.yaml": "data: CANARY", "b.yaml": "data: CANARY", "c.yaml": object("v1", "Pod", "a", "spec: "+spec)})
		_, err := Read(t.Context(), Files{Filenames: []string{"."}}, "", nil)
		want := "unable to decode \"a.yaml\": expected an object, found one without Kind\nunable to decode \"b.yaml\": expected an object, found one without Kind"
		if err == nil || err.Error() != want {
			t.Errorf("got error %q\nwant       %q", err, want)
		}
	})
	t.Run("no such file", func(t *testing.T) {
		write(t, nil)
		_, err := Read(t.Context(), Files{Filenames: []string{"none.yaml"}}, "", nil)
		if want := `the path "none.yaml" does not exist`; err == nil || err.Error() != want {
			t.Errorf("got error %v, want %q", err, want)
		}
	})
	t.Run("a kustomization's generators", func(t *testing.T) {
		for _, generator := range []string{
			"literals: [CANARY]", "literals: [\"a='CANARY\"]", "envs: [env]", "files: [\"=CANARY\"]",
		} {
			write(t, map[string]string{"k/kustomization.yaml": "secretGenerator:\n- name: s\n  " + generator + "\n", "k/env": "CAN ARY = CANARY\xff\n"})
			_, err := Read(t.Context(), Files{Kustomize: "k"}, "", nil)
			if errors.Is(err, ErrNoWorkload) {
				continue // it was fine, and no pod
			}
			if err == nil || strings.Contains(err.Error(), "CANARY") {
				t.Errorf("%s: want an error without the value, got %v", generator, err)
			}
		}
	})
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
			_, _, err := fromObject(&unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "a"}, "spec": spec,
			}}, "x.yaml ")
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

// Kinds whose objects hold values are not even fetched: the getter is nil.
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

func TestNamedRefusesData(t *testing.T) {
	for _, word := range []string{"secret/a", "Secrets/a", "secrets.v1./a", "configmap/a", "cm/a"} {
		_, err := Named(t.Context(), nil, "shop", []string{"pod/b", word})
		if want := `"` + word + `" runs no pod: ` + expected; err == nil || err.Error() != want {
			t.Errorf("got error %v\nwant      %s", err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		object("v1", "Pod", "a", "spec: "+spec),
		object("apps/v1", "Deployment", "a", "spec: {template: {spec: "+spec+"}}"),
		object("batch/v1", "CronJob", "c", "spec: {jobTemplate: {spec: {template: {spec: "+spec+"}}}}"),
		"apiVersion: v1\nkind: List\nitems: [{data: {a: b}}]", "kind: List\nitems: {}", "a: &a [*a]", "- - -", "\x00", `{"kind":1}`, "---\n---\n",
		`{"apiVersion":"v1","kind":"Pod","spec":{"containers":[null]}}`, `{"apiVersion":"v1","kind":"Pod","metadata":null,"spec":{"containers":[{"command":[""]}]}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := Read(t.Context(), Files{Filenames: []string{"-"}}, "", strings.NewReader(string(data)))
		if (err == nil) != (len(got) > 0) {
			t.Errorf("want workloads or an error, got %d and %v", len(got), err)
		}
		for _, w := range got {
			if !strings.HasPrefix(w.Spec.Origin, "stdin ") || w.Owner.Kind == "" || len(w.Spec.Containers) == 0 {
				t.Errorf("a workload without origin, kind or containers: %+v", w)
			}
		}
	})
}
