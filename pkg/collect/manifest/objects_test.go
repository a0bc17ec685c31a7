package manifest

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// described writes what manifests declare: workloads with their containers' fields, and gaps.
func described(d *Declared) []string {
	var out []string
	for i := range d.Workloads {
		w := &d.Workloads[i]
		line := w.Owner.Kind + " " + w.Owner.Namespace + "/" + w.Owner.Name + " " + w.Spec.Origin + " " + w.Spec.Path + ":"
		for j := range w.Spec.Containers {
			c := &w.Spec.Containers[j]
			field := w.Spec.Path + strings.TrimPrefix(c.Field, "spec")
			if at := w.Spec.Fields[strings.TrimPrefix(c.Field, "spec.")]; at != "" {
				field = at
			}
			line += " " + c.Name + " at " + field
		}
		if w.Spec.Partial != "" {
			line += " (" + w.Spec.Partial + ")"
		}
		out = append(out, line)
	}
	for _, g := range d.Gaps {
		out = append(out, "gap "+g.Subject.Kind+" "+g.Subject.Namespace+"/"+g.Subject.Name+" "+string(g.Reason)+": "+g.Detail)
	}
	return out
}

// TestObjects has what objects of other kinds than Kubernetes' own declare.
func TestObjects(t *testing.T) {
	const tekton = "(Tekton makes the pod and adds to what is declared here)"
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"containers in a list of another name": {
			object("tekton.dev/v1", "Task", "t", `spec: {steps: [{name: a, image: b:1}], sidecars: [{name: c, image: d:1}]}`),
			[]string{"Task shop/t a.yaml task/shop/t spec: a at spec.steps[0] c at spec.sidecars[0] " + tekton},
		},
		"several pod specs in one object": {
			object("batch.volcano.sh/v1alpha1", "Job", "j", `spec: {tasks: [{template: {spec: `+spec+`}}, {template: {spec: `+spec+`}}]}`),
			[]string{
				"Job shop/j a.yaml job/shop/j spec.tasks[0].template.spec: app at spec.tasks[0].template.spec.containers[0]",
				"Job shop/j a.yaml job/shop/j spec.tasks[1].template.spec: app at spec.tasks[1].template.spec.containers[0]",
			},
		},
		"pods that another object declares": {
			object("argoproj.io/v1alpha1", "Rollout", "r", `spec: {workloadRef: {apiVersion: apps/v1, kind: Deployment, name: d}}`),
			[]string{"gap Rollout shop/r Unsupported: a.yaml rollout/shop/r: spec.workloadRef: its pods are declared by the workload that it names"},
		},
		"objects in a template, of which one has a text to be rendered": {
			"apiVersion: template.openshift.io/v1\nkind: Template\nmetadata: {name: t, namespace: shop}\nobjects:\n" +
				"- {apiVersion: v1, kind: Pod, metadata: {name: whole}, spec: " + spec + "}\n" +
				"- {apiVersion: v1, kind: Pod, metadata: {name: later}, spec: {containers: [{name: app, image: 'a:${TAG}', securityContext: {privileged: '${{P}}'}}]}}\n" +
				"- {apiVersion: v1, kind: Service, metadata: {name: s}}\n",
			[]string{
				"Pod /later a.yaml template/shop/t objects[1].spec: app at objects[1].spec.containers[0] (objects[1].spec.containers[0].securityContext.privileged is text that is rendered before the pod is made)",
				"Pod /whole a.yaml template/shop/t objects[0].spec: app at objects[0].spec.containers[0]",
			},
		},
		"an object in an object in an object": {
			object("work.open-cluster-management.io/v1", "ManifestWork", "w", `spec: {workload: {manifests: [{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: `+spec+`}]}]}}`),
			[]string{"Pod /p a.yaml manifestwork/shop/w spec.workload.manifests[0].items[0].spec: app at spec.workload.manifests[0].items[0].spec.containers[0]"},
		},
		"an object without a name is its holder's": {
			object("kubeflow.org/v1", "Trial", "x", `spec: {runSpec: {apiVersion: batch/v1, kind: Job, spec: {template: {spec: `+spec+`}}}}`),
			[]string{"Trial shop/x a.yaml trial/shop/x spec.runSpec.spec.template.spec: app at spec.runSpec.spec.template.spec.containers[0]"},
		},
		"an unknown kind by its shape": {
			object("example.com/v1", "Thing", "x", `spec: {a: {spec: `+spec+`}, steps: [{uses: clone}]}`),
			[]string{
				"Thing shop/x a.yaml thing/shop/x spec.a.spec: app at spec.a.spec.containers[0] (this kind is not known (Thing): its controller may add to the pod)",
				"gap Thing shop/x Unsupported: a.yaml thing/shop/x: spec.steps: a kind that is not known, with a list that may hold containers and is not like one",
			},
		},
		"a whole object in an unknown kind": {
			object("example.com/v1", "Thing", "x", `spec: {base: {apiVersion: v1, kind: Pod, metadata: {name: p}, spec: `+spec+`}}`),
			[]string{"Pod /p a.yaml thing/shop/x spec.base.spec: app at spec.base.spec.containers[0] (it is part of another object of a kind that is not known (Thing), whose controller may change it)"},
		},
		"containers of another name in an object in an object": {
			object("template.openshift.io/v1", "Template", "x", `objects: [{apiVersion: tekton.dev/v1, kind: Task, metadata: {name: t}, spec: {steps: [{name: a, image: b:1}]}}]`),
			[]string{"Task /t a.yaml template/shop/x objects[0].spec: a at objects[0].spec.steps[0] " + tekton},
		},
		"objects in objects without end": {
			strings.Repeat("{apiVersion: example.com/v1, kind: Thing, spec: {a: ", 20) + "1" + strings.Repeat("}}", 20),
			[]string{"gap Thing / Truncated: a.yaml thing/ spec.a" + strings.Repeat(".spec.a", 15) + ": objects in objects, more than 16 levels"},
		},
		"what only looks like a pod spec": {
			object("example.com/v1", "Thing", "x", `spec: {containers: [{name: app, image: a, command: [1, 2]}]}`),
			[]string{"gap Thing shop/x Unsupported: a.yaml thing/shop/x: spec.containers[0].command[0]: expected a string, found a number"},
		},
		"only initContainers": {
			object("apps/v1", "Deployment", "d", `spec: {template: {spec: {initContainers: [{name: i, image: b}]}}}`),
			[]string{
				"Deployment shop/d a.yaml deployment/shop/d spec.template.spec: i at spec.template.spec.initContainers[0]",
				"gap Deployment shop/d NotPresent: a.yaml deployment/shop/d: spec.template.spec has initContainers and no containers: the API refuses such a pod, so something adds them",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			write(t, map[string]string{"a.yaml": tc.text})
			got, err := Read(t.Context(), Files{Filenames: []string{"a.yaml"}}, "", nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, described(got)); diff != "" {
				t.Errorf("declared (-want +got):\n%s", diff)
			}
		})
	}
}

// TestUnknownKinds has what kubectl refuses with "no matches for kind", and says where it is.
func TestUnknownKinds(t *testing.T) {
	good := object("v1", "Pod", "good", "spec: "+spec)
	for name, tc := range map[string]struct{ text, want string }{
		"a kind in small letters":      {"apiVersion: v1\nkind: pod\nmetadata: {name: x}\n", "a.yaml: document 2, line 7: kind: no such kind in this apiVersion: expected v1 Pod"},
		"a kind of another group":      {"apiVersion: apps/v1\nkind: Pod\nmetadata: {name: x}\n", `a.yaml: document 2, line 7: Pod "x": kind: no such kind in this apiVersion: expected v1 Pod`},
		"a List without items":         {"apiVersion: v1\nkind: List\nlist: [{kind: Pod}]\n", "a.yaml: document 2, line 6: List: items: expected a list of objects, found nothing"},
		"an error in an inner object":  {"apiVersion: template.openshift.io/v1\nkind: Template\nobjects:\n- apiVersion: v1\n  kind: Pod\n  spec:\n    containers:\n    - name: 5\n", "a.yaml: document 2, line 13: objects[0]: Pod: spec.containers[0].name: expected a string, found a number"},
		"an unknown inner object":      {"apiVersion: template.openshift.io/v1\nkind: Template\nobjects:\n- apiVersion: v1\n  kind: deployment\n", "a.yaml: document 2, line 10: objects[0]: kind: no such kind in this apiVersion: expected apps/v1 Deployment"},
		"a nonsense kind of the core":  {"apiVersion: v1\nkind: Nonsense\n", "a.yaml: document 2, line 7: Nonsense: kind: no such kind in this apiVersion"},
		"a known kind in its own form": {"apiVersion: example.com/v1\nkind: pod\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			write(t, map[string]string{"a.yaml": good + "---\n" + tc.text})
			got, err := Read(t.Context(), Files{Filenames: []string{"a.yaml"}}, "", nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Workloads) != 1 || got.Workloads[0].Owner.Name != "good" {
				t.Errorf("workloads %v, want the good one", found(got.Workloads))
			}
			text := ""
			for _, g := range got.Gaps {
				text += g.Detail
			}
			if text != tc.want && !(tc.want != "" && strings.HasSuffix(tc.want, text)) {
				t.Errorf("said %q, want %q", text, tc.want)
			}
		})
	}
}

// TestInnerObjectsAreTaken has data in objects that are in another object.
func TestInnerObjectsAreTaken(t *testing.T) {
	write(t, map[string]string{"a.yaml": object("work.open-cluster-management.io/v1", "ManifestWork", "w",
		`spec: {workload: {manifests: [{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: b}}, {apiVersion: v1, kind: Pod, metadata: {name: p}, spec: `+spec+`}]}}`)})
	got, err := Read(t.Context(), Files{Filenames: []string{"a.yaml"}}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.ConfigMaps == nil || got.ConfigMaps.Read != 1 {
		t.Errorf("ConfigMaps %+v, want one that was read", got.ConfigMaps)
	}
	if len(got.Workloads) != 1 || got.Workloads[0].Owner.Identity() != (fact.SubjectKey{Kind: "Pod", Name: "p"}) {
		t.Errorf("workloads %v", found(got.Workloads))
	}
}

// TestObjectsKeepNoText has a value in every place of objects that are no built-in kinds. Facts and
// gaps have none of them.
func TestObjectsKeepNoText(t *testing.T) {
	const canary, token = "CANARYVALUE", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
	write(t, map[string]string{"a.yaml": strings.Join([]string{
		object("tekton.dev/v1", "Task", "t", `spec: {params: [{name: p, default: CANARYVALUE}], steps: [{name: a, image: b:1, script: "echo CANARYVALUE", env: [{name: X, value: CANARYVALUE}], args: [CANARYVALUE]}], volumes: CANARYVALUE}`),
		object("argoproj.io/v1alpha1", "Workflow", "w", `spec: {podSpecPatch: CANARYVALUE, templates: [{name: m, script: {image: a:1, command: [sh], source: CANARYVALUE}}, {name: n, resource: {manifest: CANARYVALUE}}]}`),
		object("example.com/v1", "Thing", "x", `spec: {`+token+`: {privileged: true}, "a/`+token+`": {hostPID: true}, containers: [{name: c, image: i, command: [CANARYVALUE, 1], env: CANARYVALUE}], steps: [{run: CANARYVALUE}]}`),
		object("template.openshift.io/v1", "Template", "o", `objects: [{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {hostPID: "${CANARYVALUE}", containers: [{name: c, image: i, args: [CANARYVALUE]}]}}]`),
		"apiVersion: kubevirt.io/v1\nkind: VirtualMachineInstance\nmetadata: {name: v, annotations: {hooks.kubevirt.io/hookSidecars: '[{\"image\": \"a:1\", \"args\": [\"CANARYVALUE\"]}]'}}\nspec: {domain: CANARYVALUE}\n",
		"apiVersion: kubevirt.io/v1\nkind: VirtualMachineInstance\nmetadata: {name: u, annotations: {hooks.kubevirt.io/hookSidecars: 'CANARYVALUE'}}\nspec: {}\n",
	}, "---\n")})
	got, err := Read(t.Context(), Files{Filenames: []string{"a.yaml"}}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Workloads) < 4 || len(got.Gaps) < 6 {
		t.Errorf("%d workloads and %d gaps: the objects were not read", len(got.Workloads), len(got.Gaps))
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{canary, token} {
		if i := strings.Index(string(text), value); i >= 0 {
			t.Errorf("%s is kept: %s", value, text[max(0, i-200):min(len(text), i+50)])
		}
	}
}
