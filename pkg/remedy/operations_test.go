package remedy

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/podspec"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/remedy/mend"
)

const deployment = `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"shop","uid":"u1"},
"spec":{"template":{"metadata":{"annotations":{"container.apparmor.security.beta.kubernetes.io/web":"unconfined","other":"x"}},"spec":{
"hostPID":true,"volumes":[{"name":"a","hostPath":{"path":"/"}},{"name":"b","emptyDir":{}},{"name":"c","emptyDir":{}}],
"initContainers":[{"name":"init","image":"i"}],
"containers":[
 {"name":"web","image":"w","env":[{"name":"PASSWORD","value":"hunter2"}],"securityContext":{"privileged":true,"capabilities":{"add":["SYS_ADMIN","NET_RAW"]}},
  "volumeMounts":[{"name":"a","mountPath":"/host"},{"name":"b","mountPath":"/tmp"}],"ports":[{"containerPort":80},{"containerPort":81,"hostPort":81}]},
 {"name":"side","image":"s"}]}}}}`

// objectOf is what the collectors make of a Deployment.
func objectOf(t *testing.T, text string) *fact.Object {
	t.Helper()
	var d appsv1.Deployment
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	out := &fact.Object{APIVersion: "apps/v1", Resource: "deployments", UID: string(d.UID), Template: "spec.template.spec"}
	if !podspec.Outline(out, d.Spec.Template.Annotations, &d.Spec.Template.Spec) {
		t.Fatal("no outline")
	}
	return out
}

func fieldPath(names ...string) mend.Path {
	var p mend.Path
	for _, name := range names {
		p = append(p, mend.Step{Name: name})
	}
	return p
}

func itemStep(list, key, value string, index int) mend.Step {
	return mend.Step{Name: list, Item: &mend.Item{Key: key, Value: value, Index: index}}
}

// apply applies a patch as the API server does.
func apply(t *testing.T, document string, operations []api.PatchOperation) (string, error) {
	t.Helper()
	data, err := json.Marshal(operations)
	if err != nil {
		t.Fatal(err)
	}
	patch, err := jsonpatch.DecodePatch(data)
	if err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	out, err := patch.Apply([]byte(document))
	return string(out), err
}

func TestOperations(t *testing.T) {
	type change struct{ at, value string } // a JSON pointer, and the JSON there; "" is nothing
	for name, tc := range map[string]struct {
		mends []mend.Mend
		want  []change
	}{
		"a field that is there is replaced": {
			[]mend.Mend{{Container: "web", Path: fieldPath("securityContext", "privileged"), Op: mend.Set, Value: false}},
			[]change{{"/spec/template/spec/containers/0/securityContext/privileged", "false"}},
		},
		"objects that are not there are made once": {
			[]mend.Mend{
				{Container: "side", Path: fieldPath("securityContext", "seccompProfile", "type"), Op: mend.Set, Value: "RuntimeDefault"},
				{Container: "side", Path: fieldPath("securityContext", "capabilities", "drop"), Op: mend.Set, Value: []any{"ALL"}},
				{Container: "side", Path: fieldPath("securityContext", "runAsUser"), Op: mend.Set, Value: int64(1000)},
			},
			[]change{{"/spec/template/spec/containers/1/securityContext", `{"capabilities":{"drop":["ALL"]},"runAsUser":1000,"seccompProfile":{"type":"RuntimeDefault"}}`}},
		},
		"an init container has its own list": {
			[]mend.Mend{{Container: "init", Path: fieldPath("securityContext", "privileged"), Op: mend.Set, Value: false}},
			[]change{{"/spec/template/spec/initContainers/0/securityContext", `{"privileged":false}`}, {"/spec/template/spec/containers/0/securityContext/privileged", "true"}},
		},
		"the pod's own context": {
			[]mend.Mend{{Path: fieldPath("securityContext", "runAsNonRoot"), Op: mend.Set, Value: true}},
			[]change{{"/spec/template/spec/securityContext", `{"runAsNonRoot":true}`}},
		},
		"a field is removed": {
			[]mend.Mend{{Path: fieldPath("hostPID"), Op: mend.Remove}},
			[]change{{"/spec/template/spec/hostPID", ""}},
		},
		"entries are removed from the last to the first": {
			[]mend.Mend{
				{Path: mend.Path{itemStep("volumes", "name", "a", 0)}, Op: mend.Remove},
				{Container: "web", Path: mend.Path{itemStep("volumeMounts", "mountPath", "/host", 0)}, Op: mend.Remove},
				{Path: mend.Path{itemStep("volumes", "name", "b", 0)}, Op: mend.Remove},
			},
			[]change{
				{"/spec/template/spec/volumes", `[{"emptyDir":{},"name":"c"}]`},
				{"/spec/template/spec/containers/0/volumeMounts", `[{"mountPath":"/tmp","name":"b"}]`},
			},
		},
		"an entry is removed, and others are appended": {
			[]mend.Mend{
				{Path: mend.Path{itemStep("volumes", "name", "a", 0)}, Op: mend.Remove},
				{Path: fieldPath("volumes"), Op: mend.Append, Value: map[string]any{"name": "d", "emptyDir": map[string]any{}}},
				{Container: "side", Path: fieldPath("volumeMounts"), Op: mend.Append, Value: map[string]any{"name": "d", "mountPath": "/var/cache"}},
				{Container: "side", Path: fieldPath("volumeMounts"), Op: mend.Append, Value: map[string]any{"name": "c", "mountPath": "/c"}},
			},
			[]change{
				{"/spec/template/spec/volumes", `[{"emptyDir":{},"name":"b"},{"emptyDir":{},"name":"c"},{"emptyDir":{},"name":"d"}]`},
				{"/spec/template/spec/containers/1/volumeMounts", `[{"mountPath":"/var/cache","name":"d"},{"mountPath":"/c","name":"c"}]`},
			},
		},
		"a field of an entry": {
			[]mend.Mend{
				{Container: "web", Path: mend.Path{itemStep("ports", "", "", 1), {Name: "hostPort"}}, Op: mend.Remove},
				{Container: "web", Path: mend.Path{itemStep("volumeMounts", "mountPath", "/host", 0), {Name: "readOnly"}}, Op: mend.Set, Value: true},
			},
			[]change{
				{"/spec/template/spec/containers/0/ports", `[{"containerPort":80},{"containerPort":81}]`},
				{"/spec/template/spec/containers/0/volumeMounts/0", `{"mountPath":"/host","name":"a","readOnly":true}`},
			},
		},
		"an annotation of the template": {
			[]mend.Mend{{Path: fieldPath("metadata", "annotations", "container.apparmor.security.beta.kubernetes.io/web"), Op: mend.Remove}},
			[]change{{"/spec/template/metadata/annotations", `{"other":"x"}`}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			operations, left := operations(objectOf(t, deployment), tc.mends)
			if len(left) > 0 {
				t.Fatalf("left: %+v", left)
			}
			out, err := apply(t, deployment, operations)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range tc.want {
				if diff := cmp.Diff(c.value, lookup(t, out, c.at)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", c.at, diff)
				}
			}
			for _, secret := range []string{"hunter2", "PASSWORD"} {
				if data, _ := json.Marshal(operations); strings.Contains(string(data), secret) {
					t.Errorf("%s is in the patch", secret)
				}
			}
		})
	}
}

// lookup returns the JSON at a pointer, with keys in order.
func lookup(t *testing.T, document, at string) string {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(document), &value); err != nil {
		t.Fatal(err)
	}
	for _, step := range strings.Split(at, "/")[1:] {
		switch v := value.(type) {
		case map[string]any:
			inner, found := v[step]
			if !found {
				return ""
			}
			value = inner
		case []any:
			value = v[int(step[0]-'0')]
		}
	}
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A patch is refused if the object is another one, or has changed where the patch builds on it.
func TestOperationsTestWhatTheyBuildOn(t *testing.T) {
	mends := []mend.Mend{
		{Container: "side", Path: fieldPath("securityContext", "privileged"), Op: mend.Set, Value: false},
		{Path: mend.Path{itemStep("volumes", "name", "b", 0)}, Op: mend.Remove},
		{Container: "web", Path: mend.Path{itemStep("volumeMounts", "mountPath", "/tmp", 0)}, Op: mend.Remove},
	}
	operations, _ := operations(objectOf(t, deployment), mends)
	if _, err := apply(t, deployment, operations); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"another object":          {`"uid":"u1"`, `"uid":"u2"`},
		"another container there": {`"name":"side"`, `"name":"other"`},
		"the object that it adds": {`"image":"s"`, `"image":"s","securityContext":{"runAsUser":5}`},
		"another volume there":    {`{"name":"b","emptyDir":{}}`, `{"name":"x","emptyDir":{}}`},
		"another mount there":     {`"mountPath":"/tmp"`, `"mountPath":"/x"`},
	} {
		changed := strings.Replace(deployment, change[0], change[1], 1)
		if changed == deployment {
			t.Fatalf("%s: nothing changed", name)
		}
		if _, err := apply(t, changed, operations); err == nil {
			t.Errorf("%s: the patch was applied", name)
		}
	}
}

func TestOperationsLeaveWhatTheTemplateDoesNotHave(t *testing.T) {
	got, left := operations(objectOf(t, deployment), []mend.Mend{
		{Container: "injected", Path: fieldPath("securityContext", "privileged"), Op: mend.Set, Value: false},
		{Path: mend.Path{itemStep("volumes", "name", "injected", 0)}, Op: mend.Remove},
		{Path: fieldPath("hostNetwork"), Op: mend.Remove},
		{Container: "web", Path: mend.Path{itemStep("ports", "", "", 7), {Name: "hostPort"}}, Op: mend.Remove},
		{Path: fieldPath("volumes"), Op: mend.Append, Value: map[string]any{"name": "b", "emptyDir": map[string]any{}}},
		{Container: "web", Path: fieldPath("volumeMounts"), Op: mend.Append, Value: map[string]any{"name": "c", "mountPath": "/tmp"}},
	})
	var why []string
	for _, u := range left {
		why = append(why, u.why)
	}
	want := []string{
		"the object's template does not have this container: something adds it to the pods",
		"the object's template does not have volumes[name=injected]: something adds it to the pods",
		"the object's template does not have it: something adds it to the pods",
		"the object's template does not have ports[7]: something adds it to the pods",
		"the object's template has another name of this name",
		"the object's template has another mountPath of this name",
	}
	if diff := cmp.Diff(want, why); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if len(got) > 0 {
		t.Errorf("operations: %+v", got)
	}
}

// An object whose pod spec is in several pieces, or in no known place, has no patch.
func TestOperationsNeedATemplate(t *testing.T) {
	mends := []mend.Mend{{Path: fieldPath("hostPID"), Op: mend.Remove}}
	for _, object := range []*fact.Object{
		{Template: "", Has: []string{"hostPID"}},
		{Template: "spec.a\u2026b", Has: []string{"hostPID"}},
		{Template: "spec", Fields: map[string]string{"containers[0]": "spec.steps[0]"}, Has: []string{"hostPID"}},
	} {
		if got, left := operations(object, mends); len(got) > 0 || len(left) != 1 {
			t.Errorf("%q: %v, %v", object.Template, got, left)
		}
	}
}

func TestTokens(t *testing.T) {
	for in, want := range map[string][]string{
		"spec.template.spec":            {"spec", "template", "spec"},
		"spec.jobs[1].template[0].spec": {"spec", "jobs", "1", "template", "0", "spec"},
		"spec.pods[a.b/c].spec":         {"spec", "pods", "a.b/c", "spec"},
		"metadata.annotations[x/y]":     {"metadata", "annotations", "x/y"},
		"spec..x":                       nil,
		"spec.[":                        nil,
		"spec.a b":                      nil,
		"spec.x[\u2026]":                nil,
		"spec[a[b]":                     nil,
		"spec[a]b":                      nil,
		"":                              {},
		"containers[0].securityContext.capabilities": {"containers", "0", "securityContext", "capabilities"},
	} {
		got, ok := tokens(in)
		if ok != (want != nil) || ok && !slices.Equal(got, want) {
			t.Errorf("%q: want %q, got %q, %v", in, want, got, ok)
		}
	}
	if got, want := pointer("metadata", "annotations", "a/b~c"), "/metadata/annotations/a~1b~0c"; got != want {
		t.Errorf("pointer: want %s, got %s", want, got)
	}
}

func FuzzTokens(f *testing.F) {
	f.Add("spec.jobs[1].template.spec")
	f.Add("spec[a.b].x")
	f.Fuzz(func(t *testing.T, in string) {
		got, ok := tokens(in)
		if !ok {
			return
		}
		if again := len(pointer(got...)); again < len(got) {
			t.Errorf("%q: %d steps in %d bytes", in, len(got), again)
		}
	})
}

// A patch of an image or a directory of the node is refused if somebody has changed it since: it
// would undo an update, or lay an emptyDir in place of another volume.
func TestOperationsTestWhatTheyReplace(t *testing.T) {
	image := mend.Mend{Container: "web", Path: fieldPath("image"), Op: mend.Set, Value: "w@sha256:1", Tests: []mend.Test{{Text: "w"}}}
	volume := mend.Mend{Path: mend.Path{itemStep("volumes", "name", "a", 0)}, Op: mend.Set, Value: map[string]any{"name": "a", "emptyDir": map[string]any{}}, Tests: []mend.Test{{Below: []string{"hostPath", "path"}, Text: "/"}}}
	for name, tc := range map[string]struct {
		m       mend.Mend
		changed *strings.Replacer
	}{
		"image":  {image, strings.NewReplacer(`"image":"w"`, `"image":"w:2"`)},
		"volume": {volume, strings.NewReplacer(`"hostPath":{"path":"/"}`, `"persistentVolumeClaim":{"claimName":"data"}`)},
	} {
		operations, left := operations(objectOf(t, deployment), []mend.Mend{tc.m})
		if len(left) > 0 {
			t.Fatal(left)
		}
		if _, err := apply(t, deployment, operations); err != nil {
			t.Errorf("%s: the object as it was read: %v", name, err)
		}
		if out, err := apply(t, tc.changed.Replace(deployment), operations); err == nil {
			t.Errorf("%s: a changed object is patched: %s", name, out)
		}
	}
}
