// Package workloadkind knows which kinds of objects hold pod specs, and where. It finds
// the pod specs in any decoded object: by a table of kinds (table.go), and by shape in kinds
// that the table does not have. What it cannot make sense of is a gap, so that no object with
// containers is skipped in silence. It is pure and uses no client.
package workloadkind

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/credential"
)

// Bounds of what is taken from one object. What lies beyond is a gap (Truncated).
const (
	MaxDepth   = 100    // levels of maps and lists in which it looks
	MaxPods    = 10_000 // pod specs
	MaxNested  = 10_000 // objects in the object
	MaxObjects = 16     // levels of objects in objects, for the caller that follows Result.Objects
	maxGaps    = 100
)

// Path is a place in a decoded object: names of fields (string) and indices of lists (int).
type Path []any

// Pod is a pod spec in an object.
type Pod struct {
	// Path is where the pod spec is, and Metadata where the labels and annotations of its
	// template are; Metadata is nil if there are none.
	Path, Metadata Path
	// Spec is the decoded pod spec, as corev1.PodSpec in JSON. Its values may have another
	// type than the API's: nobody has checked them.
	Spec map[string]any
	// Fields says where the parts of Spec are in the object if it was put together from
	// several places: "containers[0]" is at spec.steps[0]. It is nil if all are below Path.
	Fields map[string]Path
	// Partial is why an absent field says nothing about the pod that runs; "" if Spec is the
	// whole pod spec. See fact.PodSpec.Partial.
	Partial string
}

// At returns the place in the object of a place in Spec.
func (p *Pod) At(inSpec Path) Path {
	for n := len(inSpec); n > 0 && p.Fields != nil; n-- {
		if at, ok := p.Fields[inSpec[:n].String()]; ok {
			return slices.Concat(at, inSpec[n:])
		}
	}
	return slices.Concat(p.Path, inSpec)
}

// Object is a whole object in another one: in a template, or what a policy creates.
type Object struct {
	Path   Path
	Object map[string]any
	// Partial is why it may be changed before it is created; "" if it is not.
	Partial string
	// Text says that it is in a text, which no JSON patch can change in part.
	Text bool
}

// Gap is a part of an object of which it is unknown which pods it runs.
type Gap struct {
	Path   Path // nil for the object as a whole
	Reason fact.Reason
	// Detail and Hint are one line each, in this package's own words; a name of an object or
	// of a field is all that they quote.
	Detail, Hint string
}

// Result is what an object holds.
type Result struct {
	Pods    []Pod
	Objects []Object
	Gaps    []Gap
	// Known reports whether the table has the kind.
	Known bool
}

// Find returns the pod specs in a decoded object (as from JSON: maps, lists, strings, booleans,
// int64 or float64), of any kind. All paths start at the object. It does not change the object;
// the maps in the result are parts of it, or new. It looks into Result.Objects only if the caller
// calls it again for them.
func Find(object map[string]any) Result {
	f := finder{object: object, seen: map[uintptr]bool{}, taken: map[string]bool{}}
	kind, _ := object["kind"].(string)
	version, _ := object["apiVersion"].(string)
	group := groupOf(version)
	if items, isList := object["items"].([]any); isList && strings.HasSuffix(kind, "List") {
		for i, item := range items {
			if fields, isMap := item.(map[string]any); isMap {
				f.nested(Object{Path: Path{"items", i}, Object: fields})
			}
		}
		f.result.Known = true
		return f.result
	}
	rows := rowsOf(group, kind)
	f.result.Known = len(rows) > 0
	shape := true
	for _, row := range rows {
		f.row(row)
		shape = shape && !row.NoShape
	}
	if shape && !(f.result.Known && builtinGroup(group)) && !knownBuiltin(group, kind) {
		f.shapes(cmp.Or(kind, "object"))
	}
	f.finish()
	return f.result
}

func groupOf(apiVersion string) string {
	group, _, found := strings.Cut(apiVersion, "/")
	if !found {
		return ""
	}
	return group
}

// finder collects the result for one object.
type finder struct {
	object map[string]any
	result Result
	// seen are the maps, by address, that the result accounts for.
	seen map[uintptr]bool
	// taken are the places of plain values that it accounts for, and of what a gap names.
	taken map[string]bool
	// patches are why all pods of the object are partial.
	patches []string
	cut     bool
}

// row takes what a row of the table says about the object.
func (f *finder) row(row *Row) {
	before := len(f.result.Pods) + len(f.result.Objects) + len(f.result.Gaps)
	if row.NoShape && len(row.Parts) == 0 {
		return
	}
	for i := range row.Parts {
		part := &row.Parts[i]
		if part.At == "" && part.What == Made { // said below, if there is nothing else
			continue
		}
		walk(f.object, part.At, func(path Path, value any) {
			f.part(row, part, path, value)
		})
	}
	if len(f.result.Pods)+len(f.result.Objects)+len(f.result.Gaps) > before {
		return
	}
	for i := range row.Parts {
		if part := &row.Parts[i]; part.At == "" && part.What == Made {
			f.gap(Gap{Reason: fact.Unsupported, Detail: part.Why, Hint: part.Hint})
			return
		}
	}
	if row.Optional || row.NoShape || builtinGroup(row.Group) {
		return
	}
	f.gap(Gap{
		Reason: fact.NotPresent, Hint: liveHint,
		Detail: row.by() + " makes pods for it, and the object does not say which containers they have",
	})
}

// liveHint is what helps where the object alone does not show the pod.
const liveHint = "judge the pods that it makes, on a cluster"

// part takes one place that a row names.
func (f *finder) part(row *Row, part *Part, path Path, value any) {
	switch part.What {
	case Spec, Template:
		fields, isMap := value.(map[string]any)
		if !isMap {
			return
		}
		pod := Pod{Path: path, Spec: fields}
		if part.What == Template {
			spec, isMap := fields["spec"].(map[string]any)
			if !isMap {
				return
			}
			pod.Path, pod.Spec = append(slices.Clone(path), "spec"), spec
		}
		if part.Merged {
			pod.Partial = row.adds()
		}
		f.pod(pod, part.Merged)
	case Nested:
		fields, isMap := value.(map[string]any)
		if isMap && !f.account(fields) {
			f.nested(Object{Path: path, Object: fields})
		}
	case Text:
		if text, isText := value.(string); isText {
			f.text(path, text)
		}
	case Assembled:
		if base, isMap := value.(map[string]any); isMap {
			f.assemble(row, part, path, base)
		}
	case Patch:
		if value != nil && value != "" {
			f.patches = append(f.patches, path.String()+" "+part.Why)
		}
	case Made:
		if value == nil || value == false || value == "" {
			return
		}
		if list, isList := value.([]any); isList && len(list) == 0 {
			return
		}
		if above, isMap := lookup(f.object, path[:len(path)-1]).(map[string]any); isMap && part.Covers {
			f.seenAt(above)
		}
		f.taken[path.String()] = true
		f.gap(Gap{Path: path, Reason: fact.Unsupported, Detail: path.String() + ": " + part.Why, Hint: cmp.Or(part.Hint, liveHint)})
	case Apart:
		list, isList := value.([]any)
		if !isList {
			list = []any{value}
		}
		for _, item := range list {
			if fields, isMap := item.(map[string]any); isMap {
				f.seenAt(fields)
			}
		}
	case Annotated:
		f.annotated(row, path, value)
	}
}

// pod takes a pod spec. One without any container is a gap: a merged one is then an override
// of the pod that a controller makes.
func (f *finder) pod(pod Pod, merged bool) {
	if f.account(pod.Spec) {
		return
	}
	if len(f.result.Pods) >= MaxPods {
		f.truncated(fmt.Sprintf("more than %d pod specs", MaxPods))
		return
	}
	pod.Metadata = f.metadataOf(pod.Path)
	containers, isList := pod.Spec["containers"].([]any)
	switch init, _ := pod.Spec["initContainers"].([]any); {
	case isList && len(containers) > 0:
	case merged:
		// The fields that it sets are judged; they are the pod's.
	case len(init) > 0:
		// The API refuses it, but a controller may add the container.
		pod.Partial = cmp.Or(pod.Partial, "it has no containers, only initContainers")
		f.gap(Gap{
			Path: pod.Path, Reason: fact.NotPresent, Detail: pod.Path.String() + " has initContainers and no containers: the API refuses such a pod, so something adds them",
			Hint: liveHint,
		})
	default:
		pod.Partial = cmp.Or(pod.Partial, "it has no containers")
		f.gap(Gap{Path: pod.Path, Reason: fact.NotPresent, Detail: pod.Path.String() + " has no containers, so something adds them", Hint: liveHint})
	}
	f.result.Pods = append(f.result.Pods, pod)
}

// metadataOf is where the metadata beside a spec is: that of its template.
func (f *finder) metadataOf(spec Path) Path {
	if len(spec) == 0 || spec[len(spec)-1] != "spec" {
		return nil
	}
	path := append(slices.Clone(spec[:len(spec)-1]), "metadata")
	if _, isMap := lookup(f.object, path).(map[string]any); !isMap {
		return nil
	}
	return path
}

// nested takes a whole object.
func (f *finder) nested(o Object) {
	if len(f.result.Objects) >= MaxNested {
		f.truncated(fmt.Sprintf("more than %d objects in it", MaxNested))
		return
	}
	if kind, isText := o.Object["kind"].(string); !isText || kind == "" {
		f.gap(Gap{Path: o.Path, Reason: fact.Unsupported, Detail: o.Path.String() + ": an object without kind", Hint: liveHint})
		return
	}
	f.result.Objects = append(f.result.Objects, o)
}

func (f *finder) gap(g Gap) {
	if len(f.result.Gaps) >= maxGaps {
		f.truncated(fmt.Sprintf("more than %d gaps", maxGaps))
		return
	}
	f.result.Gaps = append(f.result.Gaps, g)
}

// truncated says once that a bound was reached.
func (f *finder) truncated(what string) {
	if !f.cut {
		f.cut = true
		f.result.Gaps = append(f.result.Gaps, Gap{Reason: fact.Truncated, Detail: what + ": the rest was not looked at", Hint: "judge a smaller object"})
	}
}

// finish marks the pods that the whole object's patches or texts change.
func (f *finder) finish() {
	for i := range f.result.Pods {
		pod := &f.result.Pods[i]
		if len(f.patches) > 0 {
			pod.Partial = cmp.Or(pod.Partial, strings.Join(f.patches[:min(len(f.patches), 3)], "; "))
		}
	}
}

// lookup finds a value; nil if it is not there.
func lookup(value any, path Path) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			fields, _ := value.(map[string]any)
			value = fields[step]
		case int:
			list, _ := value.([]any)
			if step < 0 || step >= len(list) {
				return nil
			}
			value = list[step]
		}
	}
	return value
}

// Lookup finds the value at a path; nil if there is none.
func Lookup(object map[string]any, path Path) any { return lookup(object, path) }

// String writes a path as spec.containers[0].image. A key that is not like a field's name stands
// in brackets.
func (p Path) String() string {
	var b strings.Builder
	for _, step := range p {
		switch step := step.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", step)
		case string:
			if !plainKey(step) {
				b.WriteString("[" + keptKey(step) + "]")
				continue
			}
			if len(step) >= 16 { // no credential that is recognised is shorter
				step = keptKey(step)
			}
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(step)
		}
	}
	return b.String()
}

// keptKey is a key that a user chose, as it may be printed. It may be anything, even a password.
func keptKey(key string) string {
	const most = 63
	if len(key) > most {
		return "…"
	}
	for i := range len(key) {
		if c := key[i]; c <= ' ' || c >= 0x7f {
			return "…"
		}
	}
	return credential.KeptName(key)
}

func plainKey(key string) bool {
	if key == "" || len(key) > 63 {
		return false
	}
	for i := range len(key) {
		switch c := key[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// walk calls yield for each value that an expression names and that is there, in the order of
// lists and, for maps, of keys. An expression is fields with dots between: "name", "name[]" for
// each entry of a list, "*" for each value of a map, "{a,b}" for several fields. "" is the object.
func walk(object map[string]any, expression string, yield func(Path, any)) {
	walkFrom(object, nil, expression, yield)
}

func walkFrom(value any, path Path, expression string, yield func(Path, any)) {
	if expression == "" {
		yield(slices.Clone(path), value)
		return
	}
	segment, rest, _ := strings.Cut(expression, ".")
	for len(rest) > 0 && strings.Contains(segment, "{") && !strings.Contains(segment, "}") { // no field has a dot
		return
	}
	lists := 0
	for strings.HasSuffix(segment, "[]") {
		segment, lists = strings.TrimSuffix(segment, "[]"), lists+1
	}
	fields, isMap := value.(map[string]any)
	if !isMap {
		return
	}
	var names []string
	switch {
	case segment == "*":
		names = slices.Sorted(maps.Keys(fields))
	case strings.HasPrefix(segment, "{"):
		names = strings.Split(strings.Trim(segment, "{}"), ",")
	default:
		names = []string{segment}
	}
	for _, name := range names {
		if inner, found := fields[name]; found {
			walkLists(inner, append(path, name), lists, rest, yield)
		}
	}
}

func walkLists(value any, path Path, lists int, rest string, yield func(Path, any)) {
	if lists == 0 {
		walkFrom(value, path, rest, yield)
		return
	}
	list, _ := value.([]any)
	for i, item := range list {
		walkLists(item, append(path, i), lists-1, rest, yield)
	}
}
