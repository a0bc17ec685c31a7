package workloadkind

import (
	"maps"
	"slices"
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
	// OpaqueSchema is a template, a pod spec or a whole spec of which the schema says nothing: only
	// an object shows what is in it.
	OpaqueSchema PlaceWhat = "opaque"
)

// MaxPlaces bounds the places of one schema.
const MaxPlaces = 256

// InSchema returns the places where a schema of a custom resource (openAPIV3Schema, decoded) says
// that objects hold pod specs, containers, or something that it does not describe, in order. A
// kind without such a place runs no pod that its objects declare. Find finds what one object has.
func InSchema(schema map[string]any) []Place {
	w := schemaWalk{}
	properties, _ := schema["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		switch name {
		case "apiVersion", "kind", "metadata", "status":
			continue
		}
		w.schema(properties[name], name, name, 0)
	}
	// The API server publishes such a schema with the three fields that every object has.
	if len(w.places) == 0 && schema["x-kubernetes-preserve-unknown-fields"] == true {
		w.add("spec", OpaqueSchema)
	}
	return w.places
}

type schemaWalk struct{ places []Place }

func (w *schemaWalk) add(at string, what PlaceWhat) {
	if len(w.places) < MaxPlaces {
		w.places = append(w.places, Place{at, what})
	}
}

// schema looks at the schema of a field.
func (w *schemaWalk) schema(value any, name, at string, depth int) {
	s, isMap := value.(map[string]any)
	if !isMap || depth > MaxDepth || len(w.places) >= MaxPlaces {
		return
	}
	properties, _ := s["properties"].(map[string]any)
	for _, list := range containerLists {
		if containerSchema(properties[list], false) {
			w.add(at, PodSpecSchema)
			return
		}
	}
	// It keeps what it does not describe, next to what it does.
	open := s["x-kubernetes-preserve-unknown-fields"] == true && opaqueName(name)
	if open || s["x-kubernetes-embedded-resource"] == true {
		w.add(at, OpaqueSchema)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		below := at + "." + name
		if containerSchema(properties[name], !containerName(name)) {
			w.add(below+"[]", ContainersSchema)
			continue
		}
		w.schema(properties[name], name, below, depth+1)
	}
	w.schema(s["items"], name, at+"[]", depth+1)
	w.schema(s["additionalProperties"], "*", at+".*", depth+1)
}

// containerSchema reports whether a schema is that of a list whose entries have a name and an
// image; with strict, and what else a container has.
func containerSchema(value any, strict bool) bool {
	s, _ := value.(map[string]any)
	items, _ := s["items"].(map[string]any)
	properties, _ := items["properties"].(map[string]any)
	if properties["name"] == nil || properties["image"] == nil {
		// The containers of a template can be opaque too.
		return !strict && s["type"] == "array" && items["x-kubernetes-preserve-unknown-fields"] == true && len(properties) == 0
	}
	if !strict {
		return true
	}
	return properties["env"] != nil || properties["volumeMounts"] != nil || properties["command"] != nil || properties["securityContext"] != nil
}

// opaqueName reports whether a field of this name can hold a pod.
func opaqueName(name string) bool {
	switch name {
	case "spec", "template", "podTemplate", "podSpec", "podTemplateSpec", "pod", "manifest", "resource", "resources", "object", "objects", "data":
		return true
	}
	return hasSuffixFold(name, "template") || hasSuffixFold(name, "podspec") || hasSuffixFold(name, "containers")
}
