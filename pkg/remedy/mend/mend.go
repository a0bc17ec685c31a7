package mend

import (
	"strconv"
	"strings"
)

// Mend is one change of a pod spec. All mends that For returns for an owner belong together: the
// API server may refuse some of them without the others.
type Mend struct {
	// Checks are the checks of the catalogue that it answers, sorted.
	Checks []string `json:"checks"`
	// Container is the name of the container, regular or init, "" for the pod.
	Container string `json:"container,omitempty"`
	// Path is the field below the container, or below the pod spec. A path of the pod that begins
	// with "metadata" is of the pod's own metadata, next to the spec.
	Path Path `json:"path"`
	Op   Op   `json:"op"`
	// Value is a JSON value: nil, bool, int64, string, []any or map[string]any. It never holds the
	// value of a variable.
	Value any `json:"value,omitempty"`
	// Tests are texts that fields have now on which the mend builds: a patch of an object in which
	// somebody has changed one since must be refused.
	Tests []Test `json:"tests,omitempty"`
	// Safe reports whether a measurement shows that nothing of the running pods needs what the
	// mend takes away. Because is that measurement, in one sentence.
	Safe    bool   `json:"safe,omitempty"`
	Because string `json:"because,omitempty"`
	// Breaks is what may break, in one sentence; "" if it is safe.
	Breaks string `json:"breaks,omitempty"`
	// Leaves is what stays open after the mend, in one sentence; "" if nothing does.
	Leaves string `json:"leaves,omitempty"`
}

// Test is a text that a field has now. Below are the names of the field below the mend's own; none
// for that one itself.
type Test struct {
	Below []string `json:"below,omitempty"`
	Text  string   `json:"text"`
}

// Op is what a mend does with its field.
type Op string

// The operations. Set makes the field, and the objects above it, if they are not there. Append
// adds Value at the end of a list, which it makes if it is not there. Remove takes the field or
// item away; if it is not there, nothing is to do.
const (
	Set    Op = "set"
	Remove Op = "remove"
	Append Op = "append"
)

// Path is a field of an object, from its root.
type Path []Step

// Step is one step of a path: into a field, a map's key, or an item of a list.
type Step struct {
	Name string `json:"name"` // of the field, or the map's key
	Item *Item  `json:"item,omitempty"`
}

// Item is an item of a list: the one whose field Key has the text Value ("name=tmp"), or, if Key is
// "", the one with this index, as the pod has it.
type Item struct {
	Key   string `json:"key,omitempty"`
	Value string `json:"value,omitempty"`
	Index int    `json:"index,omitempty"`
}

// String writes the path as findings do: "securityContext.capabilities.add", "ports[0].hostPort",
// "volumes[name=tmp]". A name or value with other bytes than those of labels and paths is quoted.
func (p Path) String() string {
	var b strings.Builder
	for i, s := range p {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(word(s.Name, false))
		switch {
		case s.Item == nil:
		case s.Item.Key == "":
			b.WriteString("[" + strconv.Itoa(s.Item.Index) + "]")
		default:
			b.WriteString("[" + s.Item.Key + "=" + word(s.Item.Value, true) + "]")
		}
	}
	return b.String()
}

// word quotes a text that a reader could take for a part of the path.
func word(text string, value bool) string {
	for i := range len(text) {
		switch c := text[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '/':
		case c == '.' && value:
		default:
			return strconv.Quote(text)
		}
	}
	if text == "" {
		return `""`
	}
	return text
}

// fields makes a path of plain field names: fields("securityContext", "privileged").
func fields(names ...string) Path {
	p := make(Path, len(names))
	for i, name := range names {
		p[i].Name = name
	}
	return p
}

// item is the item of a list by one of its fields: item("volumes", "name", "tmp").
func item(list, key, value string) Step {
	return Step{Name: list, Item: &Item{Key: key, Value: value}}
}

// at is the item of a list by its place.
func at(list string, index int) Step {
	return Step{Name: list, Item: &Item{Index: index}}
}
