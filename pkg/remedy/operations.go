package remedy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/remedy/mend"
)

// undone is a mend that cannot be written as a patch, and why.
type undone struct {
	mend.Mend
	why string
}

// editor makes the operations of one JSON patch. It follows what the object has while the patch
// is applied.
type editor struct {
	object *fact.Object
	spec   []string // the steps to the pod's spec
	has    map[string]bool
	items  []fact.NamedField

	tests, sets []api.PatchOperation
	removes     []removal
	tested      map[string]bool
	made        [][]string // objects and lists that the patch makes, by their steps
	undone      []undone
}

// removal is a field to be removed, by its steps.
type removal struct{ steps []string }

// operations turns mends into a JSON patch of an object. The patch applies only to the object
// that was read, while what it builds on is as it was: it tests the object's uid, the names of
// containers and entries at their places, and that an object that it adds is not there yet. That
// last test compares with null, which the API server's library takes for an absent field
// (https://github.com/evanphx/json-patch).
func operations(object *fact.Object, mends []mend.Mend) ([]api.PatchOperation, []undone) {
	e := editor{object: object, has: map[string]bool{}, tested: map[string]bool{}}
	spec, known := tokens(object.Template)
	if !known || len(spec) == 0 || len(object.Fields) > 0 {
		for i := range mends {
			why := "the object does not have a pod template as a whole"
			if place := object.Fields[e.place(mends[i].Container)]; place != "" {
				why += ": change it in " + place
			}
			e.undone = append(e.undone, undone{mends[i], why})
		}
		return nil, e.undone
	}
	e.spec = spec
	for _, field := range object.Has {
		e.has[field] = true
	}
	e.items = slices.Clone(object.Items)
	if object.UID != "" {
		e.test([]string{"metadata", "uid"}, object.UID)
	}
	for i := range mends {
		if why := e.mend(&mends[i]); why != "" {
			e.undone = append(e.undone, undone{mends[i], why})
		}
	}
	if len(e.sets)+len(e.removes) == 0 {
		return nil, e.undone
	}
	out := slices.Concat(e.tests, e.sets)
	// The entries of a list move up when one before them is removed: the last one goes first.
	slices.SortStableFunc(e.removes, func(a, b removal) int { return -compareSteps(a.steps, b.steps) })
	e.removes = slices.CompactFunc(e.removes, func(a, b removal) bool { return compareSteps(a.steps, b.steps) == 0 })
	for _, r := range e.removes {
		out = append(out, api.PatchOperation{Op: "remove", Path: pointer(r.steps...)})
	}
	return out, e.undone
}

// compareSteps orders the steps of paths; entries of a list by their number.
func compareSteps(a, b []string) int {
	return slices.CompareFunc(a, b, func(x, y string) int {
		n, errN := strconv.Atoi(x)
		m, errM := strconv.Atoi(y)
		if errN == nil && errM == nil {
			return n - m
		}
		return strings.Compare(x, y)
	})
}

// place is where a container is below the spec; "" if the template does not have it.
func (e *editor) place(container string) string {
	for _, c := range e.object.Containers {
		if c.Name == container && container != "" {
			return c.Field
		}
	}
	return ""
}

// steps are those from the root of the object to a field below the spec, or of the template's
// metadata, which is next to the spec.
func (e *editor) steps(field string) []string {
	below, _ := tokens(field)
	if len(below) > 0 && below[0] == "metadata" {
		return slices.Concat(e.spec[:len(e.spec)-1], below)
	}
	return slices.Concat(e.spec, below)
}

// test adds a test, once.
func (e *editor) test(steps []string, value any) {
	path := pointer(steps...)
	if !e.tested[path] {
		e.tested[path] = true
		e.tests = append(e.tests, api.PatchOperation{Op: "test", Path: path, Value: encode(value)})
	}
}

func encode(value any) json.RawMessage {
	data, err := json.Marshal(value)
	if err != nil { // a mend's value is JSON
		return json.RawMessage("null")
	}
	return data
}

// mend adds the operations of one mend. It returns why it cannot.
func (e *editor) mend(m *mend.Mend) string {
	at := ""
	if m.Container != "" {
		if at = e.place(m.Container); at == "" {
			return "the object's template does not have this container: something adds it to the pods"
		}
		e.test(append(e.steps(at), "name"), m.Container)
	}
	missing := "" // the first field on the way that is not there
	for i, s := range m.Path {
		last := i == len(m.Path)-1
		list := child(at, s.Name)
		at = list
		if s.Item != nil {
			if at = e.entry(list, s.Item); at == "" {
				return fmt.Sprintf("the object's template does not have %s: something adds it to the pods", mend.Path{s})
			}
		}
		if missing == "" && !e.has[at] && (!last || m.Op != mend.Set) {
			missing = at
		}
		if missing != "" && s.Item != nil {
			return fmt.Sprintf("the object's template does not have %s", mend.Path{s})
		}
	}
	for _, test := range m.Tests {
		if missing == "" && e.has[at] {
			e.test(append(e.steps(at), test.Below...), test.Text)
		}
	}
	switch m.Op {
	case mend.Remove:
		if missing != "" {
			return "the object's template does not have it: something adds it to the pods"
		}
		e.removes = append(e.removes, removal{e.steps(at)})
	case mend.Append:
		return e.append(at, missing, m)
	case mend.Set:
		e.set(at, missing, m.Value)
	default:
		return "unknown operation"
	}
	return ""
}

// entry is the entry of a list that an item means; "" if it is not there. It is tested to be at
// its place.
func (e *editor) entry(list string, item *mend.Item) string {
	if item.Key == "" {
		field := entry(list, item.Index)
		if !e.has[field] {
			return ""
		}
		return field
	}
	for _, known := range e.items {
		if before, _, ok := cutEntry(known.Field); ok && before == list && known.Name == item.Value {
			e.test(append(e.steps(known.Field), item.Key), item.Value)
			return known.Field
		}
	}
	return ""
}

// cutEntry cuts "volumes[1]" into its list and its place there.
func cutEntry(field string) (list string, index int, ok bool) {
	open := strings.LastIndexByte(field, '[')
	if open < 0 || !strings.HasSuffix(field, "]") {
		return "", 0, false
	}
	index, err := strconv.Atoi(field[open+1 : len(field)-1])
	return field[:open], index, err == nil
}

// add adds a value at a field whose parents may be missing from a field on.
func (e *editor) set(at, missing string, value any) {
	if missing == "" {
		op := "add"
		if e.has[at] {
			op = "replace"
		}
		e.sets = append(e.sets, api.PatchOperation{Op: op, Path: pointer(e.steps(at)...), Value: encode(value)})
		e.has[at] = true
		return
	}
	// One operation adds the first object that is missing, with all that is in it.
	from, to := e.steps(missing), e.steps(at)
	for i := len(to) - 1; i >= len(from); i-- {
		value = map[string]any{to[i]: value}
	}
	if !slices.ContainsFunc(e.made, func(made []string) bool { return len(made) < len(from) && slices.Equal(made, from[:len(made)]) }) {
		e.test(from, nil) // in an object that the patch makes, there is nothing
	}
	e.made = append(e.made, from)
	e.sets = append(e.sets, api.PatchOperation{Op: "add", Path: pointer(from...), Value: encode(value)})
	field := missing
	e.has[field] = true
	for _, step := range to[len(from):] {
		field = child(field, step)
		e.has[field] = true
	}
}

// append adds a value at the end of a list.
func (e *editor) append(list, missing string, m *mend.Mend) string {
	if fields, isMap := m.Value.(map[string]any); isMap {
		for _, key := range []string{"mountPath", "name"} {
			name, isText := fields[key].(string)
			if !isText {
				continue
			}
			if slices.ContainsFunc(e.items, func(known fact.NamedField) bool {
				before, _, ok := cutEntry(known.Field)
				return ok && before == list && known.Name == name
			}) {
				return "the object's template has another " + key + " of this name"
			}
			added := entry(list, e.length(list))
			e.items = append(e.items, fact.NamedField{Name: name, Field: added})
			e.tested[pointer(append(e.steps(added), key)...)] = true // the patch itself puts it there
			break
		}
	}
	added := entry(list, e.length(list))
	if missing != "" {
		e.set(list, missing, []any{m.Value})
	} else {
		e.sets = append(e.sets, api.PatchOperation{Op: "add", Path: pointer(append(e.steps(list), "-")...), Value: encode(m.Value)})
	}
	e.has[added] = true
	return ""
}

// length is how many entries a list has.
func (e *editor) length(list string) int {
	for n := 0; ; n++ {
		if !e.has[entry(list, n)] {
			return n
		}
	}
}
