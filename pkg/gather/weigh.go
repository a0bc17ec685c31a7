package gather

import (
	"encoding/json"
	"reflect"
	"strings"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// weigh counts the bytes of memory that JSON needs after it is decoded into a type:
// entries of lists (also null ones), what pointers refer to, maps and strings. It
// stops above the limit. The text must be valid JSON. Two letters of text ("0,") can
// become an entry of hundreds of bytes, so the length of the text is no measure.
//
// The result is an upper bound (TestFactsAreWeighed). An entry of a list counts one
// and a half times, because a growing list allocates too much. A field that occurs
// twice counts twice.
func weigh(text []byte, t reflect.Type, limit int64) int64 {
	w := weigher{text: text, left: limit, names: map[reflect.Type]map[string]reflect.Type{}}
	w.value(t)
	return limit - w.left
}

type weigher struct {
	text  []byte
	at    int
	left  int64
	names map[reflect.Type]map[string]reflect.Type
}

// Costs in addition to a type's own size.
const (
	mapEntry = 64  // for an entry of a map, with its two string headers
	aMap     = 384 // for a map, with its first group of entries
	opaque   = 128 // for a value that decodes itself
)

// allocated is at least what the allocator takes for one value of a size: its size
// classes are at most an eighth apart above 128 bytes, and 16 bytes below
// (runtime/sizeclasses.go).
func allocated(size int64) int64 { return size + size/8 + 16 }

// value weighs one value of a type. nil means that the type has no place for the
// value.
func (w *weigher) value(t reflect.Type) {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
		w.left -= allocated(int64(t.Size()))
	}
	if t != nil && reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		// The decoded value is larger than its text by a constant at most, except
		// for a value that refers to another: a node's gap.
		start := w.at
		w.value(nil)
		switch t {
		case reflect.TypeFor[fact.CapMask](), reflect.TypeFor[fact.Time](), reflect.TypeFor[metav1.Time]():
			// They refer to nothing.
		default:
			w.left -= opaque + 8*int64(w.at-start)
		}
		return
	}
	switch w.next() {
	case '{':
		w.object(t)
	case '[':
		w.list(t)
	case '"':
		for _, c := range w.quoted() {
			w.left--
			if c >= utf8.RuneSelf {
				w.left -= 2 // invalid UTF-8 becomes U+FFFD
			}
		}
	default: // a number, true, false, null
		start := w.at
		for w.at < len(w.text) && strings.IndexByte(",:]} \t\r\n", w.text[w.at]) < 0 {
			w.at++
		}
		if w.at == start {
			w.stop()
		}
	}
}

func (w *weigher) object(t reflect.Type) {
	var fields map[string]reflect.Type
	var entry reflect.Type
	switch {
	case t == nil:
	case t.Kind() == reflect.Struct:
		if fields = w.names[t]; fields == nil {
			fields = map[string]reflect.Type{}
			jsonFields(t, fields)
			w.names[t] = fields
		}
	case t.Kind() == reflect.Map:
		w.left -= aMap
		entry = t.Elem()
	}
	w.at++
	for w.left >= 0 && w.next() != '}' {
		name := w.quoted()
		w.next()
		w.at++ // the colon
		inner := entry
		if fields != nil {
			inner = fieldOf(fields, name)
		} else {
			w.left -= mapEntry + int64(len(name))
			if entry != nil {
				w.left -= int64(entry.Size())
			}
		}
		w.value(inner)
		if w.next() == ',' {
			w.at++
		}
	}
	w.at++
}

// fieldOf finds a field by its written name as encoding/json does: it decodes escapes
// and folds case.
func fieldOf(fields map[string]reflect.Type, written []byte) reflect.Type {
	if t := fields[string(written)]; t != nil {
		return t
	}
	name := string(written)
	if strings.Contains(name, `\`) && json.Unmarshal([]byte(`"`+name+`"`), &name) != nil {
		return nil
	}
	for field, t := range fields {
		if strings.EqualFold(field, name) {
			return t
		}
	}
	return nil
}

func (w *weigher) list(t reflect.Type) {
	var entry reflect.Type
	if t != nil && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) {
		entry = t.Elem()
	}
	w.at++
	for w.left >= 0 && w.next() != ']' {
		if entry != nil {
			w.left -= int64(entry.Size()) * 3 / 2
		}
		w.value(entry)
		if w.next() == ',' {
			w.at++
		}
	}
	w.at++
}

// next returns the next byte that is not a space, or 0 at the end.
func (w *weigher) next() byte {
	for ; w.at < len(w.text); w.at++ {
		switch w.text[w.at] {
		case ' ', '\t', '\r', '\n':
			continue
		}
		return w.text[w.at]
	}
	w.stop()
	return 0
}

// stop ends the weighing of a text that is not JSON.
func (w *weigher) stop() { w.left = min(w.left, -1) }

// quoted returns a string as it is written.
func (w *weigher) quoted() []byte {
	w.at++
	start := w.at
	for w.at < len(w.text) && w.text[w.at] != '"' {
		if w.text[w.at] == '\\' {
			w.at++
		}
		w.at++
	}
	end := min(w.at, len(w.text))
	w.at++
	return w.text[min(start, end):end]
}
