package manifest

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/credential"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/workloadkind"
)

// kubectl refuses a field that the API does not have, unless it is told not to validate
// (--validate=strict, KEP-2885). The API server alone drops it. So nothing may be concluded from
// what a pod spec with a misspelt field does not say.

// ignored is a field that is known and not read.
type ignored struct{}

// UnmarshalJSON takes any value.
func (*ignored) UnmarshalJSON([]byte) error { return nil }

var ignoredType = reflect.TypeFor[ignored]()

// builtinTypes are the types of the built-in kinds that are judged ("VERSION Kind").
var builtinTypes = map[string]reflect.Type{
	"v1 Pod":                   reflect.TypeFor[corev1.Pod](),
	"v1 ReplicationController": reflect.TypeFor[corev1.ReplicationController](),
	"v1 PodTemplate":           reflect.TypeFor[corev1.PodTemplate](),
	"v1 Namespace":             reflect.TypeFor[corev1.Namespace](),
	"apps/v1 Deployment":       reflect.TypeFor[appsv1.Deployment](),
	"apps/v1 DaemonSet":        reflect.TypeFor[appsv1.DaemonSet](),
	"apps/v1 StatefulSet":      reflect.TypeFor[appsv1.StatefulSet](),
	"apps/v1 ReplicaSet":       reflect.TypeFor[appsv1.ReplicaSet](),
	"batch/v1 Job":             reflect.TypeFor[batchv1.Job](),
	"batch/v1 CronJob":         reflect.TypeFor[batchv1.CronJob](),
}

// unknownField is a field that its type does not have.
type unknownField struct {
	at   []any  // the object that has it
	name string // "" for one that does not look like a field
	// meant is the field that was probably meant, below "at" or above it; "" for a field that
	// may be of a newer version of the API.
	meant string
	// outside says that it changes nothing of the pod spec: what is read of the pod is right.
	outside bool
}

func (u *unknownField) place() string {
	if u.name == "" {
		return cmp.Or(pathText(u.at), "the object")
	}
	return pathText(append(slices.Clone(u.at), u.name))
}

// text says what is wrong, after the place.
func (u *unknownField) text() string {
	if u.meant == "" {
		return fact.NoSuchField
	}
	return fact.NoSuchField + ": is it " + u.meant + "?"
}

// maxUnknown bounds how many fields of one object are told.
const maxUnknown = 20

// misspelt finds the fields in an object of a built-in kind that the API does not have. It
// returns why nothing follows from what the pod spec does not say, "" if the fields change
// nothing of it. Template is the path of what holds the pod's metadata and spec.
func (t *taken) misspelt(object *unstructured.Unstructured, template []any) (partial string) {
	if kind := builtinTypes[object.GetAPIVersion()+" "+object.GetKind()]; kind != nil {
		t.unknown = unknownFields(object.Object, kind, nil)
	} else {
		// An old version of the kind, whose own fields may be others.
		fields := make([]string, 0, len(template)+1)
		for _, step := range template {
			fields = append(fields, step.(string))
		}
		value, _ := lookup(object.Object, append(fields, "spec"))
		t.unknown = unknownFields(value, podSpecType, append(slices.Clone(template), "spec"))
	}
	for i := range t.unknown {
		u := &t.unknown[i]
		changes := len(u.at) >= len(template) && slices.Equal(u.at[:len(template)], template) ||
			strings.HasPrefix(u.meant, "template.") || strings.HasPrefix(u.meant, "jobTemplate.")
		u.outside = !changes
		if u.meant != "" && changes {
			partial = cmp.Or(partial, u.place()+": "+u.text())
		}
	}
	return partial
}

// misspeltIn is misspelt for a pod spec that was found in an object of another kind, which may
// have fields of its own there: only what looks misspelt counts.
func (t *taken) misspeltIn(p *workloadkind.Pod) (partial string) {
	for _, u := range unknownFields(p.Spec, podSpecType, nil) {
		if u.meant == "" {
			continue
		}
		u.at = p.At(u.at)
		t.unknown = append(t.unknown, u)
		partial = cmp.Or(partial, u.place()+": "+u.text())
	}
	return partial
}

// unknownWalk finds the fields that a type does not have.
type unknownWalk struct {
	out     []unknownField
	parents []structFields
}

// unknownFields finds the fields in a decoded value that its type does not have, at most
// maxUnknown. Path is where the value is.
func unknownFields(value any, t reflect.Type, path []any) []unknownField {
	var w unknownWalk
	w.value(value, t, path)
	return w.out
}

func (w *unknownWalk) value(value any, t reflect.Type, path []any) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Struct:
		fields, isMap := value.(map[string]any)
		if !isMap || opaqueType(t) {
			return
		}
		w.fields(fields, fieldsOf(t), path)
	case reflect.Slice:
		items, _ := value.([]any)
		for i, item := range items {
			w.value(item, t.Elem(), append(path, i))
		}
	}
}

func (w *unknownWalk) fields(fields map[string]any, known structFields, path []any) {
	w.parents = append(w.parents, known)
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		value := fields[name]
		if t, found := known[name]; found {
			w.value(value, t, append(path, name))
			continue
		}
		if len(w.out) == maxUnknown {
			break
		}
		u := unknownField{at: slices.Clone(path), meant: w.meant(name)}
		if u.meant != "" || isField(name) && value != nil {
			u.name = credential.KeptName(name)
		}
		w.out = append(w.out, u)
	}
	w.parents = w.parents[:len(w.parents)-1]
}

// meant finds the known field that a name is probably meant to be: one that is written almost
// alike, or one with this name a level below or anywhere above.
func (w *unknownWalk) meant(name string) string {
	if len(name) < 3 || len(name) > 60 {
		return ""
	}
	here := w.parents[len(w.parents)-1]
	if near := here.nearest(name); near != "" {
		return near
	}
	for depth := 1; depth <= maxBelow; depth++ {
		if found := here.below(name, depth); found != "" {
			return found
		}
	}
	for i := len(w.parents) - 2; i >= 0; i-- {
		if w.parents[i][name] != nil {
			return name + " of the object that holds this one"
		}
	}
	return ""
}

// structFields are the fields of a struct by their names in JSON.
type structFields map[string]reflect.Type

// maxBelow is how many levels below its own a field is looked for: from a Deployment's spec that
// is into the pod's security context.
const maxBelow = 3

// below is the path of a field that is so many levels deeper; "" if there is none.
func (s structFields) below(name string, depth int) string {
	names := slices.Sorted(maps.Keys(s))
	// What is in securityContext is also in parts that few pods have.
	if i := slices.Index(names, "securityContext"); i > 0 {
		names = slices.Insert(slices.Delete(names, i, i+1), 0, "securityContext")
	}
	for _, field := range names {
		t := s[field]
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || opaqueType(t) {
			continue
		}
		inner := fieldsOf(t)
		if depth > 1 {
			if found := inner.below(name, depth-1); found != "" {
				return field + "." + found
			}
		} else if inner[name] != nil {
			return field + "." + name
		}
	}
	return ""
}

// nearest is the field whose name differs in case only, or in up to two letters (one for a name
// shorter than six).
func (s structFields) nearest(name string) string {
	best, least := "", 3
	if len(name) < 6 {
		least = 2
	}
	lower := strings.ToLower(name)
	for field := range s {
		if strings.EqualFold(field, name) || strings.EqualFold(strings.Map(plainLetter, name), field) {
			return field
		}
		if d := distance(lower, strings.ToLower(field), least+1); d < least || d == least && best != "" && field < best {
			best, least = field, d
		}
	}
	return best
}

// plainLetter drops what some write between the words of a name.
func plainLetter(r rune) rune {
	if r == '_' || r == '-' {
		return -1
	}
	return r
}

// distance is how many letters must be put in, left out, changed or swapped with the next one to
// make b of a; most if it is not less.
func distance(a, b string, most int) int {
	if d := len(a) - len(b); d >= most || -d >= most {
		return most
	}
	// Three rows of the table: names are short.
	two, one, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range one {
		one[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(one[j]+1, row[j-1]+1, one[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], two[j-2]+1)
			}
		}
		two, one, row = one, row, two
	}
	return min(one[len(b)], most)
}

// isField reports whether a name has the form of the API's fields.
func isField(name string) bool {
	if len(name) < 2 || len(name) > 40 || name[0] < 'a' || name[0] > 'z' {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
	})
}

var (
	structs     sync.Map // reflect.Type to structFields
	opaqueTypes sync.Map // reflect.Type to bool
)

// opaqueType reports whether a struct's JSON is not its fields: a time, a quantity.
func opaqueType(t reflect.Type) bool {
	if known, found := opaqueTypes.Load(t); found {
		return known.(bool)
	}
	opaque := reflect.PointerTo(t).Implements(unmarshaler)
	opaqueTypes.Store(t, opaque)
	return opaque
}

func fieldsOf(t reflect.Type) structFields {
	if known, found := structs.Load(t); found {
		return known.(structFields)
	}
	out := structFields{}
	addFields(out, t)
	structs.Store(t, out)
	return out
}

func addFields(out structFields, t reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-":
		case f.Anonymous && name == "", options == "inline":
			inner := f.Type
			for inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			addFields(out, inner)
		case name != "":
			out[name] = f.Type
		}
	}
}

// ofAnother counts the fields that may be of a newer version of the API, over all objects of a
// run: servers write them into every object.
type ofAnother struct {
	first map[string]*newerField // by the path without indices
	names []string               // in the order of their first places
	more  int                    // that are not among them
}

type newerField struct {
	source, where string // of the first one
	text          string
	count         int
}

// maxNewer bounds how many such fields are named.
const maxNewer = 50

func (o *ofAnother) add(u *unknownField, source, where string) {
	name := plainPath(u) // one without a name is told apart by what holds it
	n := o.first[name]
	switch {
	case n != nil:
		n.count++
		return
	case len(o.first) == maxNewer:
		o.more++
		return
	case o.first == nil:
		o.first = map[string]*newerField{}
	}
	text := name + ": a field that this version does not know"
	if u.name == "" {
		text = name + " has a field that this version does not know"
	}
	o.first[name] = &newerField{source, where, text, 1}
	o.names = append(o.names, name)
}

// plainPath is the path of a field without the indices of lists.
func plainPath(u *unknownField) string {
	var path []any
	for _, step := range u.at {
		if text, isText := step.(string); isText {
			path = append(path, text)
		}
	}
	return (&unknownField{at: path, name: u.name}).place()
}

// gaps says which fields of the files no version of the API that is known here has.
func (o *ofAnother) gaps(files string) []fact.Gap {
	var out []fact.Gap
	for _, name := range o.names {
		n := o.first[name]
		g := fact.Gap{
			What: fact.Pods, Subject: fact.Subject{Kind: fact.SubjectFile, Name: n.source}, Reason: fact.Unsupported,
			Detail: n.where + n.text,
			Hint:   "kubectl refuses it, unless the server's version has it: then use a newer version of this program",
		}
		if n.count > 1 {
			g.Detail += fmt.Sprintf(" (%d times, first here)", n.count)
		}
		out = append(out, g)
	}
	if o.more > 0 {
		out = append(out, fact.Gap{
			What: fact.Pods, Subject: fact.Subject{Kind: fact.SubjectFile, Name: files}, Reason: fact.Truncated,
			Detail: fmt.Sprintf("more fields that this version does not know: %d", o.more),
		})
	}
	return out
}
