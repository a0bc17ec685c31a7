package admission

import (
	"reflect"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// traced notes what an evaluation has looked at, besides what its value shows.
type traced struct {
	// doubt is the first object of which it needed to know all fields, while some of them
	// are only known to the API server. "" if there is none.
	doubt string
	// namespaced reports whether it read something that differs between namespaces.
	namespaced bool
}

// unknown is a value that only the API server knows. What is computed from it is unknown,
// too, unless it does not matter, as in CEL's partial evaluation. field names it.
func unknown(field string) *types.Unknown {
	return types.NewUnknown(1, types.NewAttributeTrail(field))
}

// object is a map in CEL of which some fields are known, and of which others have a value, or
// are there, as only the API server decides.
type object struct {
	traits.Mapper // the known fields

	path string
	// decided are the fields that the API server decides.
	decided map[string]*types.Unknown
	// more reports whether the API server may add a field of this name; nil: none.
	more func(name string) bool
	// namespaced are the fields that differ between namespaces.
	namespaced map[string]bool
	trace      *traced
}

func newObject(path string, known map[string]any, trace *traced) *object {
	return &object{Mapper: mapper(known), path: path, decided: map[string]*types.Unknown{}, trace: trace}
}

func mapper(fields map[string]any) traits.Mapper {
	return types.NewStringInterfaceMap(types.DefaultTypeAdapter, fields)
}

// decide marks fields as ones that the API server decides.
func (o *object) decide(names ...string) {
	for _, name := range names {
		o.decided[name] = unknown(join(o.path, name))
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// Find gives a field, as the interpreter asks for it, also by has().
func (o *object) Find(key ref.Val) (ref.Val, bool) {
	if name, ok := key.(types.String); ok {
		if o.namespaced[string(name)] {
			o.trace.namespaced = true
		}
		if u := o.decided[string(name)]; u != nil {
			return u, true
		}
		value, found := o.Mapper.Find(key)
		if !found && o.more != nil && o.more(string(name)) {
			return unknown(o.path + "[...]"), true
		}
		return value, found
	}
	return o.Mapper.Find(key)
}

// Get is Find that fails without the field.
func (o *object) Get(key ref.Val) ref.Val {
	if value, found := o.Find(key); found {
		return value
	}
	return o.Mapper.Get(key)
}

// Contains is the operator in.
func (o *object) Contains(key ref.Val) ref.Val {
	value, found := o.Find(key)
	if types.IsUnknown(value) {
		return value
	}
	return types.Bool(found)
}

// whole notes that all fields were asked for.
func (o *object) whole() {
	o.trace.namespaced = o.trace.namespaced || len(o.namespaced) > 0
	if (len(o.decided) > 0 || o.more != nil) && o.trace.doubt == "" {
		o.trace.doubt = o.path
	}
}

// Iterator, Size and the rest need all fields.
func (o *object) Iterator() traits.Iterator {
	o.whole()
	return o.Mapper.Iterator()
}

func (o *object) Size() ref.Val {
	o.whole()
	return o.Mapper.Size()
}

func (o *object) Equal(other ref.Val) ref.Val {
	o.whole()
	return o.Mapper.Equal(other)
}

func (o *object) ConvertToNative(to reflect.Type) (any, error) {
	o.whole()
	return o.Mapper.ConvertToNative(to)
}

func (o *object) ConvertToType(to ref.Type) ref.Val {
	if to == types.TypeType {
		return types.MapType
	}
	o.whole()
	return o.Mapper.ConvertToType(to)
}

func (o *object) Value() any {
	o.whole()
	return o.Mapper.Value()
}

// nameOf is the field of an unknown value.
func nameOf(value *types.Unknown) string {
	for _, id := range value.IDs() {
		trails, _ := value.GetAttributeTrails(id)
		for _, trail := range trails {
			return trail.Variable()
		}
	}
	return ""
}
