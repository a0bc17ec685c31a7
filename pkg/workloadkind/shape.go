package workloadkind

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// address identifies a map.
func address(m map[string]any) uintptr { return reflect.ValueOf(m).Pointer() }

// account marks a map as accounted for, and reports whether it was already.
func (f *finder) account(m map[string]any) bool {
	at := address(m)
	before := f.seen[at]
	f.seen[at] = true
	return before
}

func (f *finder) seenAt(m map[string]any) { f.seen[address(m)] = true }

// shapes looks for what is like a pod in the parts of the object that no row accounts for: a map
// with containers, a list of containers under another name, a whole object, or fields that only a
// pod has. Kind is the object's.
func (f *finder) shapes(kind string) {
	s := shapes{finder: f, kind: kind}
	for _, key := range slices.Sorted(maps.Keys(f.object)) {
		switch key {
		case "apiVersion", "kind", "metadata", "status":
			continue
		}
		s.value(f.object[key], Path{key})
	}
}

type shapes struct {
	*finder
	kind string
}

// where says that the table does not have the kind, or not the place.
func (s *shapes) where() string {
	if s.result.Known {
		return "a place that is not known in this kind, with "
	}
	return "a kind that is not known, with "
}

// unknownAdds is why the pods of an unknown kind are partial.
func (s *shapes) unknownAdds() string {
	if s.result.Known {
		return "this place is not known in a " + keptKey(s.kind) + ": its controller may add to the pod"
	}
	return "this kind is not known (" + keptKey(s.kind) + "): its controller may add to the pod"
}

func (s *shapes) value(value any, path Path) {
	if len(path) > MaxDepth {
		s.truncated(fmt.Sprintf("more than %d levels", MaxDepth))
		return
	}
	switch v := value.(type) {
	case map[string]any:
		s.fields(v, path)
	case []any:
		for i, item := range v {
			switch item.(type) {
			case map[string]any, []any:
				s.value(item, append(path, i))
			}
		}
	}
}

// fields looks at a map.
func (s *shapes) fields(fields map[string]any, path Path) {
	if s.seen[address(fields)] {
		return
	}
	if isObject(fields) {
		s.account(fields)
		s.nested(Object{Path: slices.Clone(path), Object: fields, Partial: "it is part of another object of a kind that is not known (" + keptKey(s.kind) + "), whose controller may change it"})
		return
	}
	inSpec := false
	for _, list := range containerLists {
		inSpec = areContainers(fields[list], false) && s.fresh(fields[list]) || inSpec
	}
	if inSpec {
		s.podSpec(fields, path)
		return
	}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		value := fields[key]
		at := append(path, key)
		list, isList := value.([]any)
		if inner, isMap := value.(map[string]any); isMap && s.seen[address(inner)] {
			continue
		}
		switch {
		case isList && !s.fresh(value):
		case isList && areContainers(value, !containerName(key)):
			s.assemble(&Row{Kinds: []string{keptKey(s.kind)}, By: "the controller of " + keptKey(s.kind) + ", a kind that is not known,"},
				&Part{What: Assembled, Containers: []string{key + "[]"}}, slices.Clone(path), fields)
		case isList && slices.Contains(suspects, key) && holdsMaps(list):
			s.gap(Gap{
				Path: slices.Clone(at), Reason: fact.Unsupported, Hint: liveHint,
				Detail: Path(at).String() + ": " + s.where() + "a list that may hold containers and is not like one",
			})
			s.value(value, at)
		case podOverride(key, value) && !s.accounted(value) && !s.taken[Path(at).String()]:
			s.gap(Gap{
				Path: slices.Clone(at), Reason: fact.Unsupported, Hint: liveHint,
				Detail: Path(at).String() + ": " + s.where() + "a pod template in which no container is found",
			})
			s.value(value, at)
		case dangerous(key, value) && !s.taken[Path(at).String()]:
			s.gap(Gap{
				Path: slices.Clone(at), Reason: fact.Unsupported, Hint: liveHint,
				Detail: Path(at).String() + ": " + s.where() + "a field that only pods have, outside of a pod spec",
			})
			s.value(value, at)
		default:
			s.value(value, at)
		}
	}
}

// accounted reports whether a row accounts for a template's spec.
func (s *shapes) accounted(template any) bool {
	fields, _ := template.(map[string]any)
	spec, isMap := fields["spec"].(map[string]any)
	return isMap && s.seen[address(spec)]
}

// fresh reports whether a list has an entry that is no map, or one that nothing accounts for.
func (s *shapes) fresh(value any) bool {
	list, _ := value.([]any)
	for _, item := range list {
		if fields, isMap := item.(map[string]any); !isMap || !s.seen[address(fields)] {
			return true
		}
	}
	return false
}

// podSpec takes a map with containers as the pod spec that it most likely is.
func (s *shapes) podSpec(fields map[string]any, path Path) {
	s.pod(Pod{Path: slices.Clone(path), Spec: fields, Partial: s.unknownAdds()}, true)
	// The API's fields hold no pods. What is beside them may.
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if !podSpecFields[key] {
			s.value(fields[key], append(path, key))
		}
	}
}

var (
	containerLists = []string{"containers", "initContainers", "ephemeralContainers"}
	// suspects are names of lists that hold containers in kinds of pods.
	suspects      = []string{"containers", "initContainers", "ephemeralContainers", "steps", "sidecars"}
	podSpecFields = fieldsOf(podSpecType)
)

// fieldsOf are the names of a type's fields in JSON.
func fieldsOf(t reflect.Type) map[string]bool {
	out := map[string]bool{}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		out[name] = true
	}
	return out
}

// containerName reports whether a list of this name is one of containers if it looks so.
func containerName(key string) bool {
	key = strings.ToLower(key)
	return strings.HasSuffix(key, "containers") || strings.HasSuffix(key, "sidecars") || strings.HasSuffix(key, "steps")
}

// areContainers reports whether a value is a list of maps that each have a name and an image as
// text. With strict, one of them has a field that only a container has.
func areContainers(value any, strict bool) bool {
	list, _ := value.([]any)
	if len(list) == 0 {
		return false
	}
	only := false
	for _, item := range list {
		c, isMap := item.(map[string]any)
		if !isMap {
			return false
		}
		_, named := c["name"].(string)
		_, imaged := c["image"].(string)
		if !named || !imaged {
			return false
		}
		for _, field := range onlyContainers {
			_, found := c[field]
			only = only || found
		}
	}
	return only || !strict
}

// onlyContainers are fields that a container has, and few other things with a name and an image.
var onlyContainers = []string{"command", "args", "env", "envFrom", "volumeMounts", "securityContext", "livenessProbe", "readinessProbe", "imagePullPolicy"}

func holdsMaps(list []any) bool {
	return slices.ContainsFunc(list, func(item any) bool {
		_, isMap := item.(map[string]any)
		return isMap
	})
}

// isObject reports whether a map is a whole object, and not a reference to one.
func isObject(fields map[string]any) bool {
	version, _ := fields["apiVersion"].(string)
	kind, _ := fields["kind"].(string)
	if version == "" || kind == "" {
		return false
	}
	for _, field := range []string{"spec", "data", "items", "template", "objects", "stringData", "metadata"} {
		if _, isMap := fields[field].(map[string]any); isMap {
			return true
		}
		if _, isList := fields[field].([]any); isList {
			return true
		}
	}
	return false
}

// podOverride reports whether a field holds a pod template without containers.
func podOverride(key string, value any) bool {
	fields, isMap := value.(map[string]any)
	if !isMap || len(fields) == 0 {
		return false
	}
	switch key {
	case "podTemplate", "podSpec", "podTemplateSpec", "pod_spec":
		return !holdsContainers(fields)
	}
	return false
}

// holdsContainers reports whether a map, or its spec, has containers: then these are found.
func holdsContainers(fields map[string]any) bool {
	for _, list := range containerLists {
		if areContainers(fields[list], false) {
			return true
		}
	}
	inner, isMap := fields["spec"].(map[string]any)
	return isMap && inner != nil && slices.ContainsFunc(containerLists, func(list string) bool { return areContainers(inner[list], false) })
}

// dangerous reports whether a field asks for what only a pod can ask for.
func dangerous(key string, value any) bool {
	switch key {
	case "hostNetwork", "hostPID", "hostIPC", "privileged":
		return value == true
	case "hostPath":
		fields, _ := value.(map[string]any)
		path, _ := fields["path"].(string)
		return path != ""
	}
	return false
}
