package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

const module = "github.com/kubectl-checklist/kubectl-checklist"

// words are the values of types that have few. What reads a report must expect others in a later
// version only where its comment says so.
var words = map[reflect.Type][]any{
	reflect.TypeFor[api.Severity]():    {api.Critical, api.High, api.Medium, api.Low},
	reflect.TypeFor[api.Verdict]():     {api.Pass, api.Fail, api.VerdictUnknown, api.Accepted},
	reflect.TypeFor[api.Basis]():       {api.Declared, api.Measured},
	reflect.TypeFor[api.AnswerWord]():  {api.Yes, api.No, api.Unknown, api.NotApplicable},
	reflect.TypeFor[api.ChangeClass](): classes(),
	reflect.TypeFor[api.Question]():    {api.Builds, api.Immutable, api.Privileged, api.Hosts, api.Secrets, api.Drift},
}

func classes() []any {
	var out []any
	for _, c := range api.ChangeClasses() {
		out = append(out, c)
	}
	return out
}

// mapType replaces types that the reflector does not know as JSON knows them.
func mapType(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[metav1.Time](), reflect.TypeFor[metav1.MicroTime]():
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "string", Format: "date-time"}, {Type: "null"}}}
	case reflect.TypeFor[metav1.ObjectMeta]():
		properties := jsonschema.NewProperties()
		properties.Set("name", &jsonschema.Schema{Type: "string"})
		properties.Set("creationTimestamp", mapType(reflect.TypeFor[metav1.Time]()))
		return &jsonschema.Schema{
			Type: "object", Properties: properties, Description: "The metadata of any object of Kubernetes. A run sets a name and when the facts were collected.",
		}
	case reflect.TypeFor[json.RawMessage]():
		return &jsonschema.Schema{Description: "Any value."}
	case reflect.TypeFor[api.Remediation]():
		return nil
	}
	if list := words[t]; list != nil {
		return &jsonschema.Schema{Type: "string", Enum: list}
	}
	return nil
}

// schemas returns the text of each schema by the name of its file. root is the repository.
func schemas(root string) map[string][]byte {
	before, err := os.Getwd()
	must(err)
	must(os.Chdir(root)) // comments are found by the path of a package below the module
	defer func() { must(os.Chdir(before)) }()
	out := map[string][]byte{}
	for _, of := range []struct {
		kind string
		of   any
	}{{api.ReportKind, &api.ChecklistReport{}}, {api.DiffKind, &api.ChecklistDiff{}}} {
		reflector := &jsonschema.Reflector{Mapper: mapType, AllowAdditionalProperties: false}
		must(reflector.AddGoComments(module, "./pkg/api"))
		for name, text := range reflector.CommentMap {
			text, _, _ = strings.Cut(text, "\n\n+k8s:")
			text, _, _ = strings.Cut(text, "\n+k8s:")
			reflector.CommentMap[name] = strings.Join(strings.Fields(text), " ")
		}
		schema := reflector.Reflect(of.of)
		schema.ID = jsonschema.ID("https://kubectl-checklist.github.io/" + file(of.kind))
		root := schema.Definitions[of.kind]
		root.Properties.Set("apiVersion", &jsonschema.Schema{Type: "string", Const: api.GroupVersion.String()})
		root.Properties.Set("kind", &jsonschema.Schema{Type: "string", Const: of.kind})
		root.Required = append([]string{"apiVersion", "kind"}, without(without(root.Required, "apiVersion"), "kind")...)
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		must(encoder.Encode(schema))
		out[file(of.kind)] = text.Bytes()
	}
	return out
}

func file(kind string) string {
	return filepath.Base(strings.ToLower(kind) + "-" + api.GroupVersion.Version + ".json")
}

func without(list []string, name string) []string {
	var out []string
	for _, one := range list {
		if one != name {
			out = append(out, one)
		}
	}
	return out
}

func must(err error) {
	if err != nil {
		panic(err) // a program that developers run
	}
}
