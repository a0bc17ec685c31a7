package workloadkind

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// podFields are the fields of a pod that are taken from beside containers: those that checks read.
var podFields = []string{
	"automountServiceAccountToken", "hostIPC", "hostNetwork", "hostPID", "hostUsers", "imagePullSecrets", "nodeSelector", "os",
	"resourceClaims", "restartPolicy", "runtimeClassName", "securityContext", "serviceAccount", "serviceAccountName",
	"shareProcessNamespace", "tolerations", "volumes",
}

// containerFields are the fields of a container.
var containerFields = []string{
	"args", "command", "env", "envFrom", "image", "imagePullPolicy", "lifecycle", "livenessProbe", "name", "ports", "readinessProbe",
	"resources", "restartPolicy", "securityContext", "startupProbe", "volumeDevices", "volumeMounts", "workingDir",
}

// assembly is a pod spec that is put together.
type assembly struct {
	spec   map[string]any
	fields map[string]Path
	used   []map[string]any // the maps that became containers
	taken  []map[string]any // the maps that became other fields
}

// assemble makes a pod spec from the containers that a part names below base.
func (f *finder) assemble(row *Row, part *Part, path Path, base map[string]any) {
	a := assembly{spec: map[string]any{}, fields: map[string]Path{}}
	name, _ := base["name"].(string)
	for _, list := range []struct {
		field string
		at    []string
	}{{"initContainers", part.Init}, {"containers", part.Containers}, {"ephemeralContainers", part.Ephemeral}} {
		for _, at := range list.at {
			walk(base, at, func(below Path, value any) {
				if c, isMap := value.(map[string]any); isMap && isContainer(c) {
					own := at == "" && part.PodContext == "securityContext" // securityContext is the pod's
					a.container(list.field, slices.Concat(path, below), c, name, own)
				}
			})
		}
	}
	if len(a.used) == 0 {
		return
	}
	if len(f.result.Pods) >= MaxPods {
		f.truncated(fmt.Sprintf("more than %d pod specs", MaxPods))
		return
	}
	fresh := false
	for _, c := range a.used {
		fresh = !f.account(c) || fresh
	}
	if !fresh {
		return
	}
	if !part.Bare {
		self := slices.Contains(part.Containers, "")
		a.pod(path, base, self, part.PodContext)
		for _, outer := range part.Outer {
			walk(f.object, outer, func(at Path, value any) {
				if fields, isMap := value.(map[string]any); isMap {
					a.pod(at, fields, false, "")
					if len(at) > len(path) || !slices.Equal(at, path[:len(at)]) {
						f.seenAt(fields)
					}
				}
			})
		}
	}
	for _, used := range a.taken {
		f.seenAt(used)
	}
	for _, at := range a.fields {
		switch lookup(f.object, at).(type) {
		case bool, string:
			f.taken[at.String()] = true
		}
	}
	f.misfits(&a, path)
	pod := Pod{Path: path, Spec: a.spec, Fields: a.fields, Partial: row.adds()}
	metadata := append(slices.Clone(path), "metadata")
	if fields, isMap := lookup(f.object, metadata).(map[string]any); isMap && len(path) > 0 {
		pod.Metadata = metadata
		a.fields["metadata"] = metadata
		f.seenAt(fields)
	}
	f.result.Pods = append(f.result.Pods, pod)
}

// isContainer reports whether a map, in a place of a container, says anything about one.
func isContainer(c map[string]any) bool {
	return slices.ContainsFunc(containerFields, func(field string) bool { return field != "name" && c[field] != nil }) ||
		slices.ContainsFunc(scripts, func(field string) bool { return c[field] != nil })
}

// scripts are fields that hold a script as text: of Tekton, Argo and Testkube.
var scripts = []string{"script", "source", "shell"}

// container adds one. A container that has no name gets that of what it is in, or of its field.
func (a *assembly) container(list string, path Path, from map[string]any, owner string, podContext bool) {
	for _, known := range a.used {
		if address(known) == address(from) {
			return
		}
	}
	a.used = append(a.used, from)
	c := make(map[string]any, len(from))
	for _, field := range containerFields {
		if value, found := from[field]; found && value != nil && !(podContext && field == "securityContext") {
			c[field] = value
		}
	}
	if name, _ := c["name"].(string); name == "" {
		name = owner
		for i := len(path) - 1; i >= 0 && name == ""; i-- {
			if field, isText := path[i].(string); isText {
				name = field
			}
		}
		c["name"] = name
	}
	all, _ := a.spec[list].([]any)
	at := fmt.Sprintf("%s[%d]", list, len(all))
	a.fields[at] = path
	a.script(at, path, from, c)
	a.spec[list] = append(all, c)
}

// script makes a command line of a script in a field of its own: Tekton's script, Argo's source,
// Testkube's shell.
func (a *assembly) script(at string, path Path, from, c map[string]any) {
	for _, field := range scripts {
		text, isText := from[field].(string)
		if !isText || text == "" {
			continue
		}
		program := "sh"
		switch command, _ := from["command"].([]any); {
		case strings.HasPrefix(text, "#!"):
			line, _, _ := strings.Cut(text, "\n")
			words := strings.Fields(strings.TrimPrefix(line, "#!"))
			if len(words) > 1 && strings.HasSuffix(words[0], "/env") {
				words = words[1:]
			}
			if len(words) > 0 {
				program = words[0]
			}
		case field == "source" && len(command) > 0:
			if word, isText := command[0].(string); isText {
				program = word
			}
		}
		base := program[strings.LastIndexByte(program, '/')+1:]
		if !slices.Contains([]string{"sh", "bash", "ash", "dash", "zsh", "ksh"}, base) {
			c["command"] = []any{program} // a script in another language
			delete(c, "args")
			a.fields[at+".command"] = append(slices.Clone(path), field)
			return
		}
		c["command"] = []any{program, "-c", text}
		delete(c, "args")
		for i := range 3 {
			a.fields[fmt.Sprintf("%s.command[%d]", at, i)] = append(slices.Clone(path), field)
		}
		return
	}
}

// pod takes the pod's fields from a map. What an inner map says wins; lists are joined.
func (a *assembly) pod(path Path, from map[string]any, self bool, context string) {
	for _, field := range podFields {
		at := Path{field}
		if field == "securityContext" {
			switch {
			case context != "":
				at = nil
				for _, name := range strings.Split(context, ".") {
					at = append(at, name)
				}
			case self:
				continue // it is the container's
			}
		}
		if field == "restartPolicy" && self {
			continue
		}
		value := lookup(from, at)
		if value == nil {
			continue
		}
		where := slices.Concat(path, at)
		list, isList := value.([]any)
		for _, item := range append([]any{value}, list...) {
			if fields, isMap := item.(map[string]any); isMap {
				a.taken = append(a.taken, fields)
			}
		}
		if !isList {
			if _, set := a.spec[field]; !set {
				a.spec[field], a.fields[field] = value, where
			}
			continue
		}
		if a.fields[field] == nil {
			a.fields[field] = where
		}
		before, _ := a.spec[field].([]any)
		for i := range list {
			a.fields[fmt.Sprintf("%s[%d]", field, len(before)+i)] = append(slices.Clone(where), i)
		}
		a.spec[field] = slices.Concat(before, list)
	}
}

// misfits drops what has another type than the API's: the field has another meaning in this kind,
// or something goes wrong. Each is a gap.
func (f *finder) misfits(a *assembly, path Path) {
	a.spec, _ = clone(a.spec, 0).(map[string]any) // the object is not ours to change
	pod := Pod{Path: path, Spec: a.spec, Fields: a.fields}
	for _, wrong := range settle(a.spec, false) {
		at := pod.At(wrong)
		f.gap(Gap{Path: at, Reason: fact.Unsupported, Detail: at.String() + ": not what a pod has under this name, so it is not judged", Hint: liveHint})
	}
}

// annotated takes the containers that KubeVirt's annotation declares as JSON text.
func (f *finder) annotated(row *Row, path Path, value any) {
	const key = "hooks.kubevirt.io/hookSidecars"
	annotations, _ := value.(map[string]any)
	text, isText := annotations[key].(string)
	if !isText {
		return
	}
	at := append(slices.Clone(path), key)
	var list []map[string]any
	if err := json.Unmarshal([]byte(text), &list); err != nil || len(list) > 100 {
		f.gap(Gap{Path: at, Reason: fact.Corrupt, Detail: at.String() + ": expected a JSON list of containers", Hint: liveHint})
		return
	}
	spec, fields := map[string]any{}, map[string]Path{}
	var containers []any
	for i, from := range list {
		c := map[string]any{}
		for _, field := range containerFields {
			if v, found := from[field]; found && v != nil {
				c[field] = v
			}
		}
		name, _ := c["name"].(string)
		c["name"] = cmp.Or(name, fmt.Sprintf("hook-sidecar-%d", i))
		fields[fmt.Sprintf("containers[%d]", i)] = append(slices.Clone(at), i)
		containers = append(containers, c)
	}
	if len(containers) == 0 {
		return
	}
	spec["containers"] = containers
	a := assembly{spec: spec, fields: fields}
	f.misfits(&a, at)
	f.result.Pods = append(f.result.Pods, Pod{Path: at, Spec: spec, Fields: fields, Partial: row.adds()})
}
