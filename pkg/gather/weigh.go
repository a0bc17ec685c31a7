package gather

import (
	"encoding/json"
	"reflect"
	"strings"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// weigh counts the bytes that JSON takes in memory once it is decoded into a
// type: entries of lists, null ones too, what pointers refer to, maps and
// strings. It stops above the limit. The text has to be valid JSON. Two letters
// of text ("0,") can be an entry of hundreds of bytes, so that the length of a
// text says nothing of it.
//
// It is an upper bound (TestFactsAreWeighed): an entry of a list counts one and a
// half times for what a growing list has too much, and a field that is there twice
// counts twice.
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

// Costs beside a type's own size.
const (
	mapEntry = 64  // of a map, its two headers of strings among it
	aMap     = 384 // of a map, its first group of entries among it
	opaque   = 128 // of a value that decodes itself
)

// value weighs one value of a type; nil is a value that has no place in the type.
func (w *weigher) value(t reflect.Type) {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
		w.left -= int64(t.Size())
	}
	if t != nil && reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		// What it makes of its text is larger by a constant at most, but for a
		// value that refers to another: a node's gap.
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
				w.left -= 2 // what is not UTF-8 becomes U+FFFD
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

// fieldOf finds a field by its name as it is written, as encoding/json does: it
// takes escapes off and folds case.
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

// next is the next byte that is no space, 0 at the end.
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

// stop ends the weighing of what is no JSON: nothing can be said of it.
func (w *weigher) stop() { w.left = min(w.left, -1) }

// quoted is a string as it is written.
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
