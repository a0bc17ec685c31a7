package workloadkind

import (
	"cmp"
	"strings"
)

// What says what is at one place of an object.
type What string

// What can be there.
const (
	// Spec is a whole PodSpec, Template a map with metadata and a PodSpec as spec.
	Spec     What = "spec"
	Template What = "template"
	// Nested is a whole object, with apiVersion and kind.
	Nested What = "object"
	// Text is whole objects as YAML text.
	Text What = "object as text"
	// Assembled is a map that holds containers, and pod fields beside them, but is no PodSpec.
	Assembled What = "containers"
	// Patch is a value that changes the pods which the object's other fields declare.
	Patch What = "patch"
	// Made is a field that says what the pods are, other than by a pod spec. With no place, it is
	// said about objects in which nothing else was found.
	Made What = "made elsewhere"
	// Apart is a part of the object in which nothing is a container, whatever it looks like.
	Apart What = "no pods"
	// Annotated is a map of annotations in which one holds containers as JSON.
	Annotated What = "annotation"
)

// Part is one place of a row.
type Part struct {
	What What
	// At is an expression (see walk) from the object.
	At string
	// Merged says that a controller merges it into a pod of its own: an absent field says nothing.
	Merged bool
	// Containers, Init and Ephemeral are expressions from At, each for a map or for maps that are
	// containers. "" is At itself.
	Containers, Init, Ephemeral []string
	// Outer are expressions from the object for maps with more fields of the pod.
	Outer []string
	// PodContext is the field of At that has the pod's securityContext: by default
	// securityContext, unless At is a container itself.
	PodContext string
	// Bare says that the fields of At are not those of a pod, whatever they are called.
	Bare bool
	// Covers says, for Made, that it accounts for the map that has the field.
	Covers bool
	// Why says, for Patch and Made, what that means. Hint is what a user can do.
	Why, Hint string
}

// Row says where some kinds of one group hold pod specs.
type Row struct {
	// Group is the API group, "" for the core group. "*.NAME" stands for all groups that end in
	// .NAME.
	Group string
	Kinds []string
	Parts []Part
	// By is what makes the pods; "" for the kind's controller.
	By string
	// Optional says that objects in which none of the parts is found run no pod by themselves.
	Optional bool
	// NoShape says that it is a policy or a schema: what looks like a container in it is none.
	NoShape bool
	// Source is the repository or document that says so, and Date when that was read or its last
	// change, as year and month.
	Source, Date string
}

func (r *Row) by() string {
	return cmp.Or(r.By, "the controller of "+strings.Join(r.Kinds[:min(len(r.Kinds), 1)], ""))
}

// adds is why the pod specs of a row are partial.
func (r *Row) adds() string {
	return r.by() + " makes the pod and adds to what is declared here"
}

var rowIndex = func() map[string][]*Row {
	index := map[string][]*Row{}
	for i := range table {
		for _, kind := range table[i].Kinds {
			key := table[i].Group + " " + kind
			index[key] = append(index[key], &table[i])
		}
	}
	return index
}()

// rowsOf are the rows of a kind.
func rowsOf(group, kind string) []*Row {
	if rows := rowIndex[group+" "+kind]; rows != nil {
		return rows
	}
	for from := 0; ; {
		dot := strings.IndexByte(group[from:], '.')
		if dot < 0 {
			return rowIndex[group+" *"]
		}
		from += dot + 1
		if rows := rowIndex["*."+group[from:]+" "+kind]; rows != nil {
			return rows
		}
	}
}
