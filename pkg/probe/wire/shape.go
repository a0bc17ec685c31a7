package wire

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// form is how a Go type is written in JSON.
type form uint8

const (
	aStruct  form = iota // an object with the fields of a struct
	aMap                 // an object of strings
	aList                // of any length
	anArray              // a list of a fixed length
	aPointer             // what it points to, or null
	aString
	anInt
	aUint
	aBool
	aMask // fact.CapMask: a string of hex digits, or null
	aTime // fact.Time: a string
)

// shape is a Go type as the reader sees it: how it is written, and what it takes
// in memory. Shapes come from the types alone, so that a new field of a fact is
// read and counted without a second list.
type shape struct {
	form form
	typ  reflect.Type
	size int    // bytes, without what it refers to
	elem *shape // of a list, an array or a pointer

	fields []field
	named  map[string]int // index in fields

	// id numbers the strings' shapes: see reader.last.
	id int
}

// field is a field of a struct.
type field struct {
	name  string // in JSON
	index int    // in the struct
	shape *shape
}

// streamForm says what records there are in a stream, by name.
type streamForm struct {
	// whole is a measurement as one value, container a single container, and image a
	// single inventory, for their cost.
	whole, container, image *shape
	kinds                   []recordKind
	named                   map[string]int // index in kinds
	// strings is the number of strings' shapes.
	strings int
}

// recordKind is a kind of record.
type recordKind struct {
	name    string
	section section
	shape   *shape // of the value, or of a page's elements
	page    bool
}

// layout is the form of the stream, made once from the types.
var layout = sync.OnceValue(func() *streamForm {
	b := shapes{structs: make(map[reflect.Type]*shape)}
	whole := b.of(reflect.TypeFor[fact.Measurement]())
	s := &streamForm{whole: whole, named: make(map[string]int)}
	for _, kind := range []recordKind{
		{"host", hostSection, whole.without("apiServers", "etcd", "backups", "listeners", "components", "certificates", "containers", "images", "gaps"), false},
		{"apiServer", serverSection, b.of(reflect.TypeFor[fact.APIServer]()), false},
		{"etcd", etcdSection, b.of(reflect.TypeFor[fact.EtcdDB]()).without("secrets"), false},
		{"secrets", etcdSection, b.of(reflect.TypeFor[fact.StoredSecret]()), true},
		{"backup", backupSection, b.of(reflect.TypeFor[fact.Backup]()), false},
		{"listener", listenerSection, b.of(reflect.TypeFor[fact.Listener]()), false},
		{"component", componentSection, b.of(reflect.TypeFor[fact.Component]()), false},
		{"certificate", certificateSection, b.of(reflect.TypeFor[fact.CertificateFile]()), false},
		{"container", containerSection, b.of(reflect.TypeFor[fact.MeasuredContainer]()), false},
		{"image", imageSection, b.of(reflect.TypeFor[fact.ImageInventory]()), false},
		{"gap", gapSection, b.of(reflect.TypeFor[fact.NodeGap]()), false},
		{"end", endSection, b.of(reflect.TypeFor[ending]()), false},
	} {
		s.named[kind.name] = len(s.kinds)
		s.kinds = append(s.kinds, kind)
	}
	s.container, s.image = b.of(reflect.TypeFor[fact.MeasuredContainer]()), b.of(reflect.TypeFor[fact.ImageInventory]())
	s.strings = b.strings
	return s
})

// without is the shape of a struct whose fields of these names come elsewhere. It
// panics where there is no such field: that place would stay empty.
func (s *shape) without(names ...string) *shape {
	less := *s
	less.fields, less.named = nil, make(map[string]int)
	for _, f := range s.fields {
		if !slices.Contains(names, f.name) {
			less.named[f.name] = len(less.fields)
			less.fields = append(less.fields, f)
		}
	}
	if len(less.fields)+len(names) != len(s.fields) {
		panic(fmt.Sprintf("%s: expected all of %q among its fields", s.typ, names))
	}
	return &less
}

// shapes makes them.
type shapes struct {
	structs map[reflect.Type]*shape
	strings int
}

// of makes the shape of a type. It panics on a type that no fact has so far:
// such a type needs a form here, with its cost, before it can be sent.
func (b *shapes) of(t reflect.Type) *shape {
	s := &shape{typ: t, size: int(t.Size())}
	switch t {
	case reflect.TypeFor[fact.CapMask]():
		s.form = aMask
		return s
	case reflect.TypeFor[fact.Time]():
		s.form = aTime
		return s
	case reflect.TypeFor[map[string]string]():
		s.form = aMap
		return s
	case reflect.TypeFor[fact.NodeGap]():
		// It decodes itself because of old files; on the wire there is only its
		// newest form.
		return b.ofStruct(s)
	}
	if m := reflect.PointerTo(t); m.Implements(reflect.TypeFor[unmarshaler]()) || m.Implements(reflect.TypeFor[textUnmarshaler]()) {
		panic("no form for the type " + t.String() + ", which decodes itself")
	}
	switch t.Kind() {
	case reflect.Struct:
		return b.ofStruct(s)
	case reflect.Slice:
		s.form, s.elem = aList, b.of(t.Elem())
	case reflect.Array:
		s.form, s.elem = anArray, b.of(t.Elem())
	case reflect.Pointer:
		s.form, s.elem = aPointer, b.of(t.Elem())
	case reflect.String:
		s.form, s.id = aString, b.strings
		b.strings++
	case reflect.Bool:
		s.form = aBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		s.form = anInt
	case reflect.Uint8:
		panic("no form for bytes, which are base64 in a list: " + t.String())
	case reflect.Uint, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		s.form = aUint
	default:
		panic("no form for the type " + t.String())
	}
	return s
}

type (
	unmarshaler     interface{ UnmarshalJSON([]byte) error }
	textUnmarshaler interface{ UnmarshalText([]byte) error }
)

// maxFields is what a set of bits in the reader holds.
const maxFields = 64

func (b *shapes) ofStruct(s *shape) *shape {
	if known, ok := b.structs[s.typ]; ok {
		if known.named == nil {
			panic("no form for a type that holds itself: " + s.typ.String())
		}
		return known
	}
	b.structs[s.typ] = s
	s.form = aStruct
	if s.typ.NumField() > maxFields {
		panic(fmt.Sprintf("%s: expected at most %d fields, found %d", s.typ, maxFields, s.typ.NumField()))
	}
	named := make(map[string]int)
	for i := range s.typ.NumField() {
		f := s.typ.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue // never on the wire
		}
		_, twice := named[name]
		if f.Anonymous || !f.IsExported() || name == "" || twice || strings.Contains(options, "string") {
			panic("no form for the field " + s.typ.String() + "." + f.Name)
		}
		named[name] = len(s.fields)
		s.fields = append(s.fields, field{name: name, index: i, shape: b.of(f.Type)})
	}
	s.named = named
	return s
}

// Costs, in bytes. Each is at least what Go's allocator hands out, so that their
// sum bounds what reading allocates, garbage included: TestCosts compares them
// with the runtime.
const (
	// perList is what a list takes besides its elements: the reader's note of
	// its length.
	perList = 32
	// A map holds its entries in groups of 8 and those in tables of up to 1024,
	// with room for up to 16/7 of what it was made for. Tables that its hash,
	// which nobody can foresee, fills unequally are split (internal/runtime/maps).
	perMap   = 512
	perEntry = 128
)

// block is the cost of n bytes that are allocated together. The allocator rounds
// up to its size classes (runtime/sizeclasses.go): 16 bytes apart up to 256, 32
// up to 512, at most 3/16 of themselves up to 32 KiB, whole pages of 8 KiB from
// there. Blocks of more than 512 bytes with pointers hold 8 bytes of its own.
func block(n int) int {
	switch {
	case n <= 256:
		return (n + 15) &^ 15
	case n <= 512:
		return (n + 31) &^ 31
	case n <= 32<<10-8:
		return n + n*3/16 + 32
	default:
		return (n + 8191) &^ 8191
	}
}

// cost is what reading a value of this shape allocates: at least what the reader
// counts for the JSON of v. Invalid UTF-8 is written as U+FFFD, 3 bytes for one.
func (s *shape) cost(v reflect.Value) int {
	n := 0
	switch s.form {
	case aStruct:
		for _, f := range s.fields {
			n += f.shape.cost(v.Field(f.index))
		}
	case aList:
		if v.IsNil() {
			return 0
		}
		n = perList + block(v.Len()*s.elem.size)
		for i := range v.Len() {
			n += s.elem.cost(v.Index(i))
		}
	case anArray:
		for i := range v.Len() {
			n += s.elem.cost(v.Index(i))
		}
	case aPointer:
		if v.IsNil() {
			return 0
		}
		n = block(s.elem.size) + s.elem.cost(v.Elem())
	case aMap:
		if v.IsNil() {
			return 0
		}
		n = perMap
		for entries := v.MapRange(); entries.Next(); {
			n += perEntry + stringCost(entries.Key().String()) + stringCost(entries.Value().String())
		}
	case aString:
		n = stringCost(v.String())
	}
	return n
}

func stringCost(s string) int {
	if utf8.ValidString(s) {
		return block(len(s))
	}
	return block(3 * len(s))
}

// cost is what a measurement takes at most in the plugin once it is decoded.
func cost(m *fact.Measurement) int {
	whole := layout().whole
	return block(whole.size) + whole.cost(reflect.ValueOf(m).Elem())
}
