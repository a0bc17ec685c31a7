package workloadkind

import (
	"maps"
	"slices"
	"strings"
)

// Place is a place in a schema where objects can hold pods.
type Place struct {
	// At is an expression: fields with dots between, "[]" for the entries of a list, "*" for the
	// values of a map.
	At   string
	What PlaceWhat
}

// PlaceWhat says what a schema has at a place.
type PlaceWhat string

// What a schema can have.
const (
	// PodSpecSchema is a map with a list of containers under the name that a PodSpec has for it.
	PodSpecSchema PlaceWhat = "pod spec"
	// ContainersSchema is a list of containers under another name.
	ContainersSchema PlaceWhat = "containers"
	// OpaqueSchema is a field of any name that may have what the schema does not describe: only an
	// object shows what is in it.
	OpaqueSchema PlaceWhat = "opaque"
)

// MaxPlaces bounds the places of one schema.
const MaxPlaces = 256

// InSchema returns the places where a schema of a custom resource (openAPIV3Schema, decoded) says
// that objects hold pod specs, containers, or something that it does not describe, in order. A
// kind without such a place runs no pod that its objects declare. Find finds what one object has.
func InSchema(schema map[string]any) []Place { return InOpenAPI(schema, nil) }

// InOpenAPI is InSchema for a schema of an OpenAPI document (version 3), whose schemas refer to
// each other. Those are the document's components, by name.
func InOpenAPI(schema map[string]any, schemas map[string]map[string]any) []Place {
	w := schemaWalk{schemas: schemas, entered: map[string]bool{}}
	properties, _ := schema["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		switch name {
		case "apiVersion", "kind", "metadata", "status":
			continue
		}
		w.schema(properties[name], name, 0)
	}
	// The API server publishes such a schema with the three fields that every object has.
	if len(w.places) == 0 && schema["x-kubernetes-preserve-unknown-fields"] == true {
		w.add("spec", OpaqueSchema)
	}
	return w.places
}

type schemaWalk struct {
	places  []Place
	schemas map[string]map[string]any
	// entered are the schemas that were walked into: each once, since some contain themselves.
	entered map[string]bool
}

// follow returns the schema that a value is, or refers to, and the name of the last that it
// refers to. API servers write a reference alone, or in allOf if the field has a default.
// Source: https://spec.openapis.org/oas/v3.0.0#reference-object
func (w *schemaWalk) follow(value any) (schema map[string]any, name string) {
	schema, _ = value.(map[string]any)
	for range MaxDepth {
		to, isText := schema["$ref"].(string)
		if all, _ := schema["allOf"].([]any); !isText && len(all) == 1 {
			inner, _ := all[0].(map[string]any)
			to, isText = inner["$ref"].(string)
		}
		if !isText {
			return schema, name
		}
		name = strings.TrimPrefix(to, "#/components/schemas/")
		schema = w.schemas[name]
	}
	return nil, name
}

func (w *schemaWalk) add(at string, what PlaceWhat) {
	if len(w.places) < MaxPlaces {
		w.places = append(w.places, Place{at, what})
	}
}

// schema looks at the schema of a field.
func (w *schemaWalk) schema(value any, at string, depth int) {
	s, name := w.follow(value)
	if s == nil || len(w.places) >= MaxPlaces || w.entered[name] {
		return
	}
	if name != "" {
		w.entered[name] = true
	}
	properties, _ := s["properties"].(map[string]any)
	for _, list := range containerLists {
		if w.containers(properties[list], false) {
			w.add(at, PodSpecSchema)
			return
		}
	}
	// It keeps what it does not describe, next to what it does. Or it is deeper than is looked.
	if s["x-kubernetes-preserve-unknown-fields"] == true || s["x-kubernetes-embedded-resource"] == true || depth > MaxDepth {
		w.add(at, OpaqueSchema)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		below := at + "." + name
		if w.containers(properties[name], !containerName(name)) {
			w.add(below+"[]", ContainersSchema)
			continue
		}
		w.schema(properties[name], below, depth+1)
	}
	w.schema(s["items"], at+"[]", depth+1)
	w.schema(s["additionalProperties"], at+".*", depth+1)
}

// containers reports whether a schema is that of a list whose entries have a name and an image;
// with strict, and what else a container has.
func (w *schemaWalk) containers(value any, strict bool) bool {
	s, _ := w.follow(value)
	items, _ := w.follow(s["items"])
	properties, _ := items["properties"].(map[string]any)
	if properties["name"] == nil || properties["image"] == nil {
		// The containers of a template can be opaque too.
		return !strict && s["type"] == "array" && items["x-kubernetes-preserve-unknown-fields"] == true && len(properties) == 0
	}
	return !strict || slices.ContainsFunc(onlyContainers, func(field string) bool { return properties[field] != nil })
}
