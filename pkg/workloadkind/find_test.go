package workloadkind

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// objects decodes the documents of a YAML text.
func objects(t testing.TB, text []byte) []map[string]any {
	t.Helper()
	var out []map[string]any
	for _, document := range bytes.Split(text, []byte("\n---\n")) {
		var object map[string]any
		if err := yaml.Unmarshal(document, &object); err != nil {
			t.Fatal(err)
		}
		out = append(out, object)
	}
	return out
}

// describe writes a result as lines.
func describe(r Result) []string {
	var out []string
	for i := range r.Pods {
		pod := &r.Pods[i]
		partial := ""
		if pod.Partial != "" {
			partial = " partial"
		}
		for _, list := range []string{"initContainers", "containers", "ephemeralContainers"} {
			all, _ := pod.Spec[list].([]any)
			for n := range all {
				out = append(out, "container "+pod.At(Path{list, n}).String()+partial)
			}
		}
		for _, field := range []string{"hostNetwork", "hostPID"} {
			if pod.Spec[field] != nil {
				out = append(out, "field "+pod.At(Path{field}).String())
			}
		}
		volumes, _ := pod.Spec["volumes"].([]any)
		for n := range volumes {
			out = append(out, "volume "+pod.At(Path{"volumes", n}).String())
		}
	}
	for i := range r.Objects {
		out = append(out, "object "+r.Objects[i].Path.String())
	}
	for i := range r.Gaps {
		out = append(out, fmt.Sprintf("gap %s %s", r.Gaps[i].Reason, cmpOr(r.Gaps[i].Path.String(), r.Gaps[i].Detail)))
	}
	return out
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// TestCases has objects that earlier versions passed over in silence.
func TestCases(t *testing.T) {
	want := map[string][][]string{
		"argo-workflow.yaml": {{"container spec.templates[0].container partial"}},
		"buildconfig.yaml":   {{"gap Unsupported spec.strategy.dockerStrategy"}},
		"initonly.yaml":      {{"container spec.template.spec.initContainers[0] partial"}},
		"jobset.yaml":        {{"container spec.replicatedJobs[0].template.spec.template.spec.containers[0]", "field spec.replicatedJobs[0].template.spec.template.spec.hostPID"}},
		"kpackimage.yaml":    {{"gap Unsupported kpack makes a build pod for it, from its builder"}},
		"kubevirt.yaml":      {{"container spec.template.spec.volumes[0].containerDisk partial"}},
		"rollout-ref.yaml":   {{"gap Unsupported spec.workloadRef"}},
		"tekton-task.yaml":   {{"container spec.steps[0] partial", "container spec.sidecars[0] partial", "volume spec.volumes[0]"}},
		"tekton-taskrun.yaml": {{
			"container spec.taskSpec.steps[0] partial", "field spec.podTemplate.hostNetwork",
		}},
		"skipmix.yaml": {
			{"container spec.template.spec.containers[0]"},
			{"container spec.steps[0] partial", "container spec.sidecars[0] partial", "volume spec.volumes[0]"},
			{"container spec.replicatedJobs[0].template.spec.template.spec.containers[0]", "field spec.replicatedJobs[0].template.spec.template.spec.hostPID"},
		},
		"runners.yaml": {
			{"container spec.template.spec.containers[0]"}, {"container spec.template.spec.containers[0]"}, {"container spec.template.spec.containers[0]"}, {"container spec.containers[0]"},
		},
	}
	files, err := filepath.Glob("testdata/cases/*.yaml")
	if err != nil || len(files) != len(want) {
		t.Fatalf("%d files, %d wanted: %v", len(files), len(want), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var got [][]string
		for _, object := range objects(t, text) {
			got = append(got, describe(Find(object)))
		}
		if name := filepath.Base(file); !reflect.DeepEqual(got, want[name]) {
			t.Errorf("%s: found %q, want %q", name, got, want[name])
		}
	}
}

// TestFind has one rule in each row.
func TestFind(t *testing.T) {
	for name, tc := range map[string]struct {
		object string
		want   []string
	}{
		"a kind that runs no pod": {"{apiVersion: v1, kind: Service, spec: {ports: [{name: x, image: y}]}}", nil},
		"a ConfigMap is data":     {"{apiVersion: v1, kind: ConfigMap, data: {containers: x}}", nil},
		"a core Job is not Volcano's": {
			"{apiVersion: batch/v1, kind: Job, spec: {tasks: [], template: {spec: {containers: [{name: a, image: b}]}}}}",
			[]string{"container spec.template.spec.containers[0]"},
		},
		"Volcano's Job is not the core one": {
			"{apiVersion: batch.volcano.sh/v1alpha1, kind: Job, spec: {tasks: [{template: {spec: {containers: [{name: a, image: b}]}}}, {template: {spec: {containers: [{name: c, image: d}]}}}]}}",
			[]string{"container spec.tasks[0].template.spec.containers[0]", "container spec.tasks[1].template.spec.containers[0]"},
		},
		"a group by its end": {
			"{apiVersion: elasticsearch.k8s.elastic.co/v1, kind: Elasticsearch, spec: {nodeSets: [{podTemplate: {spec: {containers: [{name: a, image: b}]}}}]}}",
			[]string{"container spec.nodeSets[0].podTemplate.spec.containers[0] partial"},
		},
		"an override without containers": {
			"{apiVersion: elasticsearch.k8s.elastic.co/v1, kind: Elasticsearch, spec: {nodeSets: [{podTemplate: {spec: {hostNetwork: true}}}]}}",
			[]string{"field spec.nodeSets[0].podTemplate.spec.hostNetwork"},
		},
		"an operator's pod that is not declared at all": {
			"{apiVersion: monitoring.coreos.com/v1, kind: Prometheus, spec: {replicas: 2}}",
			[]string{"gap NotPresent the Prometheus operator makes pods for it, and the object does not say which containers they have"},
		},
		"an unknown kind with a pod template": {
			"{apiVersion: example.com/v1, kind: Thing, spec: {a: [{b: {spec: {hostPID: true, containers: [{name: a, image: b}]}}}]}}",
			[]string{"container spec.a[0].b.spec.containers[0] partial", "field spec.a[0].b.spec.hostPID"},
		},
		"an unknown kind with containers under another name": {
			"{apiVersion: example.com/v1, kind: Thing, spec: {extras: [{name: a, image: b, command: [x]}]}}",
			[]string{"container spec.extras[0] partial"},
		},
		"names and images alone are no containers": {
			"{apiVersion: example.com/v1, kind: Thing, spec: {gallery: [{name: a, image: cat.png}]}}", nil,
		},
		"steps that are not containers": {
			"{apiVersion: example.com/v1, kind: Thing, spec: {steps: [{uses: git-clone}]}}", []string{"gap Unsupported spec.steps"},
		},
		"containers without images": {"{apiVersion: example.com/v1, kind: Thing, spec: {containers: [{name: a}]}}", []string{"gap Unsupported spec.containers"}},
		"steps that are numbers":    {"{apiVersion: example.com/v1, kind: Thing, spec: {steps: [1, 2]}}", nil},
		"a pod template without containers in an unknown kind": {
			"{apiVersion: example.com/v1, kind: Thing, spec: {podTemplate: {metadata: {labels: {a: b}}}}}", []string{"gap Unsupported spec.podTemplate"},
		},
		"a privileged field in an unknown kind": {
			"{apiVersion: example.com/v1, kind: Thing, spec: {agent: {securityContext: {privileged: true}}}}", []string{"gap Unsupported spec.agent.securityContext.privileged"},
		},
		"a whole object in an unknown kind": {
			"{apiVersion: example.com/v1, kind: Thing, spec: {base: {apiVersion: apps/v1, kind: Deployment, spec: {template: {spec: {containers: [{name: a, image: b}]}}}}}}",
			[]string{"object spec.base"},
		},
		"a reference is no object": {"{apiVersion: example.com/v1, kind: Thing, spec: {ref: {apiVersion: apps/v1, kind: Deployment, name: x}}}", nil},
		"status is not declared":   {"{apiVersion: example.com/v1, kind: Thing, status: {template: {spec: {containers: [{name: a, image: b}]}}}}", nil},
		"a schema is no object":    {"{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, spec: {containers: [{name: a, image: b}]}}", nil},
		"a policy's pattern is no pod": {
			"{apiVersion: kyverno.io/v1, kind: ClusterPolicy, spec: {rules: [{validate: {pattern: {spec: {containers: [{name: '*', image: '!*:latest'}]}}}}]}}", nil,
		},
		"what a test of Chainsaw creates is an object, what it expects is none": {
			"{apiVersion: chainsaw.kyverno.io/v1alpha1, kind: Test, spec: {steps: [{try: [{apply: {resource: {apiVersion: v1, kind: Pod, spec: {containers: [{name: a, image: b}]}}}}, {assert: {resource: {apiVersion: v1, kind: Pod, spec: {containers: [{name: a, image: b}]}}}}], finally: [{create: {resource: {apiVersion: v1, kind: Pod, spec: {containers: [{name: a, image: b}]}}}}]}]}}",
			[]string{"object spec.steps[0].try[0].apply.resource", "object spec.steps[0].finally[0].create.resource"},
		},
		"a template of which the table says that it is another's is one gap": {
			"{apiVersion: cert-manager.io/v1, kind: ClusterIssuer, spec: {acme: {solvers: [{http01: {ingress: {podTemplate: {metadata: {labels: {a: b}}}}}}]}}}",
			[]string{"gap Unsupported spec.acme.solvers[0].http01.ingress.podTemplate"},
		},
		"only initContainers where the kind is known": {
			"{apiVersion: argoproj.io/v1alpha1, kind: Rollout, spec: {template: {spec: {initContainers: [{name: a, image: b}]}}}}",
			[]string{"container spec.template.spec.initContainers[0] partial", "gap NotPresent spec.template.spec"},
		},
		"no container where the kind is known": {
			"{apiVersion: argoproj.io/v1alpha1, kind: Rollout, spec: {template: {spec: {hostPID: true}}}}",
			[]string{"field spec.template.spec.hostPID", "gap NotPresent spec.template.spec"},
		},
		"a place that the table does not have, in a kind that it has": {
			"{apiVersion: argoproj.io/v1alpha1, kind: Rollout, spec: {template: {spec: {containers: [{name: a, image: b}]}}, preview: {spec: {containers: [{name: c, image: d}]}}}}",
			[]string{"container spec.template.spec.containers[0]", "container spec.preview.spec.containers[0] partial"},
		},
		"pod fields from around a workflow's template": {
			"{apiVersion: argoproj.io/v1alpha1, kind: Workflow, spec: {hostNetwork: true, volumes: [{name: v}], templates: [{name: m, volumes: [{name: w}], script: {image: b, source: echo}, initContainers: [{name: i, image: b}]}]}}",
			[]string{
				"container spec.templates[0].initContainers[0] partial", "container spec.templates[0].script partial", "field spec.hostNetwork",
				"volume spec.templates[0].volumes[0]", "volume spec.volumes[0]",
			},
		},
		"a switch that is off": {
			"{apiVersion: actions.summerwind.dev/v1alpha1, kind: Runner, spec: {image: a, dockerdWithinRunnerContainer: false}}",
			[]string{"container spec partial"},
		},
		"a switch that is on": {
			"{apiVersion: actions.summerwind.dev/v1alpha1, kind: Runner, spec: {image: a, dockerdWithinRunnerContainer: true}}",
			[]string{"container spec partial", "gap Unsupported spec.dockerdWithinRunnerContainer"},
		},
		"a field of a template wins over that of its workflow": {
			"{apiVersion: argoproj.io/v1alpha1, kind: Workflow, spec: {hostNetwork: true, templates: [{hostNetwork: false, container: {image: a}}]}}",
			[]string{"container spec.templates[0].container partial", "field spec.templates[0].hostNetwork", "gap Unsupported spec.hostNetwork"},
		},
		"a step of a StepAction": {
			"{apiVersion: tekton.dev/v1, kind: Task, spec: {steps: [{name: a, image: b}, {name: c, ref: {name: d}}]}}",
			[]string{"container spec.steps[0] partial", "gap Unsupported spec.steps[1].ref"},
		},
		"pod fields of another type": {
			"{apiVersion: tekton.dev/v1, kind: Task, spec: {steps: [{name: a, image: b, securityContext: {privileged: 'yes'}}], volumes: {a: b}}}",
			[]string{"container spec.steps[0] partial", "gap Unsupported spec.volumes", "gap Unsupported spec.steps[0].securityContext.privileged"},
		},
		"a List in an object": {
			"{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Pod}, {apiVersion: v1, kind: Pod}]}", []string{"object items[0]", "object items[1]"},
		},
		"a build with the Docker socket": {
			"{apiVersion: build.openshift.io/v1, kind: BuildConfig, spec: {strategy: {customStrategy: {exposeDockerSocket: true, from: {kind: DockerImage, name: x}}}}}",
			[]string{"gap Unsupported spec.strategy.customStrategy.exposeDockerSocket", "gap Unsupported spec.strategy.customStrategy.from"},
		},
		"a virtual machine's host disk": {
			"{apiVersion: kubevirt.io/v1, kind: VirtualMachineInstance, metadata: {annotations: {hooks.kubevirt.io/hookSidecars: '[{\"image\": \"a:1\"}]'}}, spec: {domain: {devices: {}}, volumes: [{name: d, hostDisk: {path: /a}}]}}",
			[]string{"container metadata.annotations[hooks.kubevirt.io/hookSidecars][0] partial", "gap Unsupported spec.volumes[0].hostDisk"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var object map[string]any
			if err := yaml.Unmarshal([]byte(tc.object), &object); err != nil {
				t.Fatal(err)
			}
			before, _ := json.Marshal(object)
			got := describe(Find(object))
			if !slices.Equal(got, tc.want) {
				t.Errorf("found\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(tc.want, "\n  "))
			}
			if after, _ := json.Marshal(object); !bytes.Equal(before, after) {
				t.Errorf("it changed the object:\n%s\n%s", before, after)
			}
		})
	}
}

// TestScripts has scripts in a field of their own: their text becomes a command line.
func TestScripts(t *testing.T) {
	for script, want := range map[string]string{
		"{image: a, script: 'apt-get install x'}":                 `["sh","-c","apt-get install x"]`,
		"{image: a, script: \"#!/usr/bin/env bash\\napt-get\"}":   `["bash","-c","#!/usr/bin/env bash\napt-get"]`,
		"{image: a, script: \"#!/usr/bin/python3\\nimport os\"}":  `["/usr/bin/python3"]`,
		"{image: a, command: [bash], source: 'curl x | sh'}":      `["bash","-c","curl x | sh"]`,
		"{image: a, command: [python], source: 'print(1)'}":       `["python"]`,
		"{image: a, command: [make], args: [all]}":                `["make"]`,
		"{image: a, script: \"#!\\nx\", command: [y], args: [z]}": `["sh","-c","#!\nx"]`,
	} {
		var step map[string]any
		if err := yaml.Unmarshal([]byte(script), &step); err != nil {
			t.Fatal(err)
		}
		r := Find(map[string]any{"apiVersion": "tekton.dev/v1", "kind": "Task", "spec": map[string]any{"steps": []any{step}}})
		if len(r.Pods) != 1 {
			t.Fatalf("%s: found %+v", script, r)
		}
		got, _ := json.Marshal(lookup(r.Pods[0].Spec, Path{"containers", 0, "command"}))
		if string(got) != want {
			t.Errorf("%s: command %s, want %s", script, got, want)
		}
	}
	r := Find(map[string]any{"apiVersion": "tekton.dev/v1", "kind": "Task", "spec": map[string]any{"steps": []any{map[string]any{"image": "a", "script": "make"}}}})
	if got, want := r.Pods[0].At(Path{"containers", 0, "command", 2}).String(), "spec.steps[0].script"; got != want {
		t.Errorf("the script is at %s, want %s", got, want)
	}
}

// TestText has objects as text: what a workflow creates.
func TestText(t *testing.T) {
	pod := "apiVersion: v1\nkind: Pod\nspec:\n  hostPID: true\n  containers: [{name: c, image: 'i:{{x}}'}]\n"
	const at = "spec.templates[0].resource.manifest"
	for name, tc := range map[string]struct {
		action, text string
		want         []string
		partial      bool
	}{
		"an object":                 {"create", strings.ReplaceAll(pod, "{{x}}", "1"), []string{"object " + at}, false},
		"one with a text in quotes": {"create", pod, []string{"object " + at}, true},
		"one that is no YAML before it is rendered": {"apply", pod + "  priority: {{inputs.parameters.p}}\n", []string{"object " + at}, true},
		"two":            {"create", pod + "---\n" + pod + "---\n", []string{"object " + at, "object " + at}, true},
		"one to read":    {"get", pod, nil, false},
		"one to delete":  {"delete", pod, nil, false},
		"a patch":        {"patch", "spec: {}", []string{"gap Unsupported " + at}, false},
		"no YAML":        {"create", "a: [", []string{"gap Unsupported " + at}, false},
		"a list":         {"create", "[1]", []string{"gap Unsupported " + at}, false},
		"a long text":    {"create", pod + strings.Repeat("#", maxText), []string{"gap Truncated " + at}, false},
		"many aliases":   {"create", "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f]", []string{"gap Unsupported " + at}, false},
		"without a kind": {"create", "a: 1", []string{"gap Unsupported " + at}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := Find(map[string]any{"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "spec": map[string]any{
				"templates": []any{map[string]any{"name": "t", "resource": map[string]any{"action": tc.action, "manifest": tc.text}}},
			}})
			r.Gaps = slices.DeleteFunc(r.Gaps, func(g Gap) bool { return g.Path == nil })
			if got := describe(r); !slices.Equal(got, tc.want) {
				t.Errorf("found %q, want %q", got, tc.want)
			}
			for _, o := range r.Objects {
				if !o.Text || (o.Partial != "") != tc.partial {
					t.Errorf("object %+v", o)
				}
				inner := Find(o.Object)
				if len(inner.Pods) != 1 || inner.Pods[0].Spec["hostPID"] != true {
					t.Errorf("in it: %+v", inner)
				}
			}
		})
	}
}

// TestSettle has texts that are rendered before the object is created.
func TestSettle(t *testing.T) {
	for name, tc := range map[string]struct {
		spec, want, partial string
	}{
		"no such text":                  {"{containers: [{name: a, image: b, args: ['$(HOME)']}]}", "", ""},
		"an image":                      {"{containers: [{name: a, image: 'x:${TAG}'}]}", "", ""}, // it cannot be parsed
		"a profile":                     {"{containers: [{name: a, image: b, securityContext: {procMount: '${P}'}}]}", "", "containers[0].securityContext.procMount"},
		"a boolean":                     {"{containers: [{name: a, image: b, securityContext: {privileged: '${{P}}'}}]}", "{containers: [{name: a, image: b, securityContext: {}}]}", "containers[0].securityContext.privileged"},
		"all containers":                {"{hostPID: true, containers: '${schema.spec.containers}'}", "{hostPID: true}", "containers"},
		"arguments are not kept anyway": {"{containers: [{name: a, image: b, args: ['{{inputs.parameters.x}}']}]}", "", ""},
		"a host path":                   {"{containers: [], volumes: [{name: v, hostPath: {path: '$(params.dir)'}}]}", "", "volumes[0].hostPath.path"},
	} {
		t.Run(name, func(t *testing.T) {
			var spec, want map[string]any
			if err := yaml.Unmarshal([]byte(tc.spec), &spec); err != nil {
				t.Fatal(err)
			}
			if err := yaml.Unmarshal([]byte(cmpOr(tc.want, tc.spec)), &want); err != nil {
				t.Fatal(err)
			}
			pod := Pod{Spec: spec}
			pod.Settle()
			if !reflect.DeepEqual(pod.Spec, want) {
				t.Errorf("spec %v, want %v", pod.Spec, want)
			}
			if tc.partial == "" && pod.Partial != "" || !strings.HasPrefix(pod.Partial, tc.partial) {
				t.Errorf("partial %q, want %q", pod.Partial, tc.partial)
			}
			var again map[string]any
			_ = yaml.Unmarshal([]byte(tc.spec), &again)
			if !reflect.DeepEqual(spec, again) {
				t.Errorf("it changed the object: %v", spec)
			}
		})
	}
}

// TestBounds has objects that are too large or too deep.
func TestBounds(t *testing.T) {
	deep := any(map[string]any{"containers": []any{map[string]any{"name": "a", "image": "b"}}})
	for range MaxDepth + 10 {
		deep = map[string]any{"x": deep}
	}
	r := Find(map[string]any{"apiVersion": "example.com/v1", "kind": "Thing", "spec": deep})
	if len(r.Pods) != 0 || len(r.Gaps) != 1 || r.Gaps[0].Reason != "Truncated" {
		t.Errorf("a deep object: %d pods, gaps %+v", len(r.Pods), r.Gaps)
	}
	var tasks []any
	for range MaxPods + 1 {
		tasks = append(tasks, map[string]any{"template": map[string]any{"spec": podSpecOf("x")}})
	}
	r = Find(map[string]any{"apiVersion": "batch.volcano.sh/v1alpha1", "kind": "Job", "spec": map[string]any{"tasks": tasks}})
	if len(r.Pods) != MaxPods || len(r.Gaps) != 1 || r.Gaps[0].Reason != "Truncated" {
		t.Errorf("a large object: %d pods, gaps %+v", len(r.Pods), r.Gaps)
	}
}

func TestInSchema(t *testing.T) {
	for name, tc := range map[string]struct{ schema, want string }{
		"a pod spec": {
			"{properties: {spec: {properties: {template: {properties: {spec: {properties: {containers: {type: array, items: {properties: {name: {}, image: {}}}}}}}}}}}}",
			"spec.template.spec pod spec",
		},
		"in a list and a map": {
			"{properties: {spec: {properties: {tasks: {items: {additionalProperties: {properties: {containers: {items: {properties: {name: {}, image: {}}}}}}}}}}}}",
			"spec.tasks[].* pod spec",
		},
		"containers alone": {
			"{properties: {spec: {properties: {steps: {items: {properties: {name: {}, image: {}, script: {}}}}}}}}", "spec.steps[] containers",
		},
		"an opaque template": {
			"{properties: {spec: {properties: {template: {x-kubernetes-preserve-unknown-fields: true}}}}}", "spec.template opaque",
		},
		"an opaque spec": {"{properties: {spec: {type: object, x-kubernetes-preserve-unknown-fields: true}}}", "spec opaque"},
		"a spec that is partly described": {
			"{properties: {spec: {x-kubernetes-preserve-unknown-fields: true, properties: {replicas: {type: integer}}}}}", "spec opaque",
		},
		"containers in a spec that is partly described": {
			"{properties: {spec: {x-kubernetes-preserve-unknown-fields: true, properties: {containers: {items: {properties: {name: {}, image: {}}}}}}}}", "spec pod spec",
		},
		"no schema, as the API server publishes it": {
			"{x-kubernetes-preserve-unknown-fields: true, properties: {apiVersion: {}, kind: {}, metadata: {}}}", "spec opaque",
		},
		"names and images":     {"{properties: {spec: {properties: {gallery: {items: {properties: {name: {}, image: {}}}}}}}}", ""},
		"status is left out":   {"{properties: {status: {properties: {containers: {items: {properties: {name: {}, image: {}}}}}}}}", ""},
		"an embedded resource": {"{properties: {spec: {properties: {x: {x-kubernetes-embedded-resource: true, x-kubernetes-preserve-unknown-fields: true}}}}}", "spec.x opaque"},
		"nothing of the kind":  {"{properties: {spec: {properties: {replicas: {type: integer}}}}}", ""},
		"an opaque field of any name": {
			"{properties: {spec: {properties: {run: {properties: {what: {type: object, x-kubernetes-preserve-unknown-fields: true}}}}}}}", "spec.run.what opaque",
		},
		"opaque values of a map": {
			"{properties: {spec: {properties: {overrides: {additionalProperties: {x-kubernetes-preserve-unknown-fields: true}}}}}}", "spec.overrides.* opaque",
		},
		"containers by their arguments": {
			"{properties: {spec: {properties: {workers: {items: {properties: {name: {}, image: {}, args: {}}}}}}}}", "spec.workers[] containers",
		},
		"deeper than is looked": {
			"{properties: {spec: " + strings.Repeat("{properties: {a: ", MaxDepth+1) + "{type: object}" + strings.Repeat("}}", MaxDepth+1) + "}}",
			"spec" + strings.Repeat(".a", MaxDepth+1) + " opaque",
		},
		"no schema": {"{x-kubernetes-preserve-unknown-fields: true}", "spec opaque"},
	} {
		t.Run(name, func(t *testing.T) {
			var schema map[string]any
			if err := yaml.Unmarshal([]byte(tc.schema), &schema); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, place := range InSchema(schema) {
				got = append(got, place.At+" "+string(place.What))
			}
			if text := strings.Join(got, ", "); text != tc.want {
				t.Errorf("found %q, want %q", text, tc.want)
			}
		})
	}
}

// Schemas of a document refer to each other, and some to themselves.
func TestInOpenAPI(t *testing.T) {
	const document = `
Job: {properties: {spec: {allOf: [{$ref: "#/components/schemas/JobSpec"}], default: {}}}}
JobSpec: {properties: {template: {$ref: "#/components/schemas/Template"}, again: {$ref: "#/components/schemas/JobSpec"}}}
Template: {properties: {spec: {$ref: "#/components/schemas/PodSpec"}}}
PodSpec: {properties: {containers: {type: array, items: {allOf: [{$ref: "#/components/schemas/Container"}]}}}}
Container: {properties: {name: {}, image: {}}}
Tree: {properties: {spec: {$ref: "#/components/schemas/Node"}}}
Node: {properties: {children: {items: {$ref: "#/components/schemas/Node"}}, color: {}}}
Loop: {properties: {spec: {$ref: "#/components/schemas/Loop2"}}}
Loop2: {$ref: "#/components/schemas/Loop2"}
Lost: {properties: {spec: {$ref: "#/components/schemas/Nowhere"}}}`
	var schemas map[string]map[string]any
	if err := yaml.Unmarshal([]byte(document), &schemas); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]Place{
		"Job": {{"spec.template.spec", PodSpecSchema}}, "Tree": nil, "Loop": nil, "Lost": nil,
	} {
		if got := InOpenAPI(schemas[name], schemas); !slices.Equal(got, want) {
			t.Errorf("%s: found %v, want %v", name, got, want)
		}
	}
}

// FuzzFind: no panic, bounded results, and every place that is named is in the object.
func FuzzFind(f *testing.F) {
	files, _ := filepath.Glob("testdata/cases/*.yaml")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, object := range objects(f, text) {
			seed, _ := json.Marshal(object)
			f.Add(seed)
		}
	}
	for i := range table {
		for j := range table[i].Parts {
			part := &table[i].Parts[j]
			object := objectOf(groupsOf(&table[i]), table[i].Kinds[0])
			if part.At != "" {
				put(object, part.At, func() any {
					return map[string]any{"spec": podSpecOf("x"), "containers": []any{container("a")}, "kind": "Pod"}
				})
			}
			seed, _ := json.Marshal(object)
			f.Add(seed)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var object map[string]any
		if json.Unmarshal(text, &object) != nil {
			return
		}
		r := Find(object)
		if len(r.Pods) > MaxPods || len(r.Objects) > MaxNested || len(r.Gaps) > maxGaps+1 {
			t.Fatalf("%d pods, %d objects, %d gaps", len(r.Pods), len(r.Objects), len(r.Gaps))
		}
		present := func(path Path) {
			t.Helper()
			for n := range path { // what is in an annotation's text is not in the object
				if text, isText := lookup(object, path[:n]).(string); isText && text != "" {
					return
				}
			}
			if len(path) > 0 && lookup(object, path) == nil {
				t.Errorf("nothing at %v", path)
			}
		}
		for i := range r.Pods {
			pod := &r.Pods[i]
			if pod.Fields == nil {
				present(pod.Path)
			}
			for _, at := range pod.Fields {
				present(at)
			}
			if pod.Metadata != nil {
				present(pod.Metadata)
			}
			pod.Settle()
		}
		for i := range r.Objects {
			present(r.Objects[i].Path)
		}
		for i := range r.Gaps {
			present(r.Gaps[i].Path)
			if r.Gaps[i].Detail == "" || r.Gaps[i].Reason == "" || strings.ContainsAny(r.Gaps[i].Detail, "\n\x00") {
				t.Errorf("gap %+v", r.Gaps[i])
			}
		}
	})
}
