package manifest

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	kjson "sigs.k8s.io/json"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

func TestMisspeltFields(t *testing.T) {
	const hint = "write the field as the API has it: kubectl refuses this one, and an API server that does not validate drops it"
	for name, tc := range map[string]struct {
		text string
		// Each is the end of a gap's detail.
		gaps    []string
		partial string
	}{
		"right": {text: `
apiVersion: v1
kind: Pod
metadata: {name: a, uid: x, managedFields: [{manager: m}]}
spec: {securityContext: {runAsNonRoot: true}, containers: [{name: c}]}
status: {phase: Running}
`},
		"case": {text: `
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  HostPID: true
  containers:
  - name: c
    securitycontext:
      privileged: true
`, gaps: []string{
			"stdin pod/a: line 6: spec.HostPID: the API has no such field: is it hostPID?",
			"stdin pod/a: line 9: spec.containers[0].securitycontext: the API has no such field: is it securityContext?",
		}, partial: "spec.HostPID: the API has no such field: is it hostPID?"},
		"letters": {text: `
apiVersion: apps/v1
kind: Deployment
metadata: {name: a}
spec:
  replica: 2
  template:
    spec:
      containers:
      - name: c
        securityContext: {priviledged: true, privileged: false}
`, gaps: []string{
			"stdin deployment/a: line 6: spec.replica: the API has no such field: is it replicas?",
			"stdin deployment/a: line 11: spec.template.spec.containers[0].securityContext.priviledged: the API has no such field: is it privileged?",
		}, partial: "spec.template.spec.containers[0].securityContext.priviledged: the API has no such field: is it privileged?"},
		"no part of the pod": {text: `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: a, lables: {x: y}}
spec: {template: {spec: {containers: [{name: c}]}}}
`, gaps: []string{"stdin statefulset/a: line 4: metadata.lables: the API has no such field: is it labels?"}},
		"another level": {text: `
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  runAsNonRoot: true
  containers:
  - name: c
    privileged: true
    hostNetwork: true
`, gaps: []string{
			"line 10: spec.containers[0].hostNetwork: the API has no such field: is it hostNetwork of the object that holds this one?",
			"line 9: spec.containers[0].privileged: the API has no such field: is it securityContext.privileged?",
			"line 6: spec.runAsNonRoot: the API has no such field: is it securityContext.runAsNonRoot?",
		}, partial: "spec.containers[0].hostNetwork: the API has no such field: is it hostNetwork of the object that holds this one?"},
		"above the template": {text: `
apiVersion: apps/v1
kind: Deployment
metadata: {name: a}
spec:
  hostPID: true
  template: {spec: {containers: [{name: c}]}}
`, gaps: []string{"line 6: spec.hostPID: the API has no such field: is it template.spec.hostPID?"}, partial: "spec.hostPID: the API has no such field: is it template.spec.hostPID?"},
		"newer": {text: `
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  quantumEntanglement: true
  containers:
  - {name: c, quantumEntanglement: 1}
  - {name: d, quantumEntanglement: 1}
`, gaps: []string{
			"line 8: spec.containers.quantumEntanglement: a field that this version does not know (2 times, first here)",
			"line 6: spec.quantumEntanglement: a field that this version does not know",
		}},
		"in a List": {
			text: `{"kind":"List","apiVersion":"v1","items":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"containers":[{"name":"c"}],"hostPid":true}}]}`,
			gaps: []string{"line 1: items[0]: spec.hostPid: the API has no such field: is it hostPID?"}, partial: "spec.hostPid: the API has no such field: is it hostPID?",
		},
		"a custom resource": {
			text: `
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: a}
spec:
  template:
    spec:
      containerConcurrency: 1
      timeoutSeconds: 3
      containers: [{name: c, securitycontext: {}}]
`, gaps: []string{"line 10: spec.template.spec.containers[0].securitycontext: the API has no such field: is it securityContext?"},
			partial: "spec.template.spec.containers[0].securitycontext: the API has no such field: is it securityContext?",
		},
		"what may be a value is not shown": {text: `
apiVersion: v1
kind: Pod
metadata: {name: a}
spec: {containers: [{name: c, env: [{hunter2}, {name: X, swordfish: }]}]}
`, gaps: []string{"line 5: spec.containers.env has a field that this version does not know (2 times, first here)"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Read(t.Context(), Files{Filenames: []string{"-"}}, "", strings.NewReader(tc.text))
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Workloads) != 1 || got.Workloads[0].Spec.Partial != tc.partial {
				t.Errorf("partial %q, want %q", got.Workloads[0].Spec.Partial, tc.partial)
			}
			if len(got.Gaps) != len(tc.gaps) {
				t.Fatalf("gaps %+v, want %d", got.Gaps, len(tc.gaps))
			}
			for i, g := range got.Gaps {
				// What changes nothing of the pod leaves its checks as they are.
				outside := strings.Contains(g.Detail, ": spec.replica:") || strings.Contains(g.Detail, ": metadata.lables:") || strings.Contains(g.Detail, "this version does not know")
				if (g.Subject.Kind == fact.SubjectFile) != outside {
					t.Errorf("%s: about %+v", g.Detail, g.Subject)
				}
				if !strings.HasSuffix(g.Detail, tc.gaps[i]) || g.What != fact.Pods {
					t.Errorf("gap %q, want %q", g.Detail, tc.gaps[i])
				}
				if g.Reason == fact.Corrupt && (g.Hint != hint || !outside && g.Subject.Name != "a") {
					t.Errorf("%+v", g)
				}
			}
		})
	}
}

// The walk finds the same fields as the API server's own strict decoder, and none in a whole object.
func TestUnknownFieldsAsTheServer(t *testing.T) {
	for _, kind := range []reflect.Type{reflect.TypeFor[corev1.Pod](), reflect.TypeFor[appsv1.Deployment](), reflect.TypeFor[batchv1.CronJob]()} {
		whole := fill(kind, 14).(map[string]any)
		if found := unknownFields(whole, kind, nil); len(found) > 0 {
			t.Errorf("%v: %+v in a whole object", kind, found)
		}
		var maps []map[string]any
		var walk func(value any)
		walk = func(value any) {
			switch value := value.(type) {
			case map[string]any:
				maps = append(maps, value)
				for _, inner := range value {
					walk(inner)
				}
			case []any:
				for _, inner := range value {
					walk(inner)
				}
			}
		}
		walk(whole)
		if len(maps) < 100 {
			t.Fatalf("%d maps", len(maps))
		}
		for _, m := range maps {
			m["zzUnknown"] = "x"
			data, err := json.Marshal(whole)
			if err != nil {
				t.Fatal(err)
			}
			strict, err := kjson.UnmarshalStrict(data, reflect.New(kind).Interface(), kjson.DisallowUnknownFields)
			if err != nil {
				delete(m, "zzUnknown") // a map of lists, say
				continue
			}
			found := unknownFields(whole, kind, nil)
			if len(found) != len(strict) {
				t.Errorf("%v: the decoder says %v, the walk %+v", kind, strict, found)
			} else if len(found) == 1 && !strings.Contains(strict[0].Error(), `"`+found[0].place()+`"`) {
				t.Errorf("%v: the decoder says %v, the walk %s", kind, strict, found[0].place())
			}
			delete(m, "zzUnknown")
		}
	}
}

// What the quick decoder knows are the fields of the API's types: a whole object goes through it.
func TestQuickDecoderKnowsAllFields(t *testing.T) {
	for kind, into := range map[reflect.Type]any{
		reflect.TypeFor[corev1.Pod]():        &podObject{},
		reflect.TypeFor[appsv1.Deployment](): &templateObject{},
		reflect.TypeFor[appsv1.DaemonSet]():  &templateObject{},
		reflect.TypeFor[appsv1.ReplicaSet](): &templateObject{},
		reflect.TypeFor[batchv1.Job]():       &templateObject{},
		reflect.TypeFor[batchv1.CronJob]():   &cronObject{},
	} {
		data, err := json.Marshal(fill(kind, 14))
		if err != nil {
			t.Fatal(err)
		}
		if wrong, err := kjson.UnmarshalStrict(data, into, kjson.DisallowDuplicateFields, kjson.DisallowUnknownFields); err != nil || len(wrong) > 0 {
			t.Errorf("%v: %v %v", kind, wrong, err)
		}
	}
}

func TestNearest(t *testing.T) {
	fields := fieldsOf(reflect.TypeFor[corev1.PodSpec]())
	for name, want := range map[string]string{
		"hostpid": "hostPID", "host_pid": "hostPID", "hotsPID": "hostPID", "hostPIC": "hostIPC", "hostNetwrok": "hostNetwork",
		"container": "containers", "initContainer": "initContainers", "automountServiceAccountTokens": "automountServiceAccountToken",
		"quantum": "", "replicas": "", "hostNetworking": "", "oss": "os",
	} {
		if got := fields.nearest(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
