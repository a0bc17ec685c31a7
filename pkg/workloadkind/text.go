package workloadkind

import (
	"fmt"
	"slices"
	"strings"

	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// maxText bounds a text with objects, in bytes.
const maxText = 256 << 10

// text takes the objects that a field has as YAML text, and that the controller creates. What it
// reads or deletes makes no pod.
// Source: https://argo-workflows.readthedocs.io/en/latest/walk-through/kubernetes-resources/
func (f *finder) text(path Path, text string) {
	beside, _ := lookup(f.object, path[:len(path)-1]).(map[string]any)
	f.taken[path.String()] = true
	switch beside["action"] {
	case "get", "delete":
		return
	case "patch":
		f.gap(Gap{Path: path, Reason: fact.Unsupported, Detail: path.String() + ": it changes an object, as text", Hint: "judge that object"})
		return
	}
	if len(text) > maxText {
		f.gap(Gap{
			Path: path, Reason: fact.Truncated, Hint: "judge that object as a manifest of its own",
			Detail: fmt.Sprintf("%s: expected an object of at most %d bytes, found %d", path, maxText, len(text)),
		})
		return
	}
	partial := ""
	if Rendered(text) {
		partial = path.String() + " is text that is rendered before the object is created"
	}
	for i, document := range documents(text) {
		object := objectIn(document)
		if object == nil && strings.Contains(document, "{{") {
			object = objectIn(placeholders(document))
		}
		if object == nil {
			f.gap(Gap{
				Path: path, Reason: fact.Unsupported, Hint: "judge that object as a manifest of its own",
				Detail: fmt.Sprintf("%s: the object that it creates is a text that cannot be read as YAML (document %d)", path, i+1),
			})
			continue
		}
		f.nested(Object{Path: slices.Clone(path), Object: object, Partial: partial, Text: true})
	}
}

// documents are the parts of a YAML text that are not empty.
func documents(text string) []string {
	var out []string
	for document := range strings.SplitSeq("\n"+strings.ReplaceAll(text, "\r\n", "\n"), "\n---") {
		if strings.TrimSpace(document) != "" {
			out = append(out, document)
		}
	}
	return out
}

// objectIn decodes an object; nil if it is none.
func objectIn(document string) map[string]any {
	text, err := yaml.YAMLToJSON([]byte(document))
	if err != nil {
		return nil
	}
	var object map[string]any
	if utiljson.Unmarshal(text, &object) != nil {
		return nil
	}
	return object
}

// placeholders replaces what is rendered, and is no YAML before that, by a text that has to be
// rendered and is.
func placeholders(document string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(document, "{{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		_, after, ended := strings.Cut(rest, "}}")
		if !ended {
			b.WriteString("{{" + rest)
			return b.String()
		}
		b.WriteString("${rendered}")
		document = after
	}
}
