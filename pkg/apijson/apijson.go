// Package apijson decodes JSON into the types of the Kubernetes API, as the API server does
// (sigs.k8s.io/json), several times faster: by tables that are made once of a type. It decodes
// what is usual and right. Of everything else it says only that another decoder has to look
// at it, which then says what is wrong and where.
package apijson

import (
	"encoding/json"
	"hash/maphash"
	"math"
	"reflect"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Decoder decodes into one type. It can be used by several goroutines at once.
type Decoder[T any] struct{ plan plan }

// For makes the decoder of a type. It panics for a type that it cannot decode: one with an
// interface, a float or an embedded pointer. Types that have UnmarshalJSON are fine.
func For[T any]() *Decoder[T] { return &Decoder[T]{compile(reflect.TypeFor[T](), 0)} }

// Names keeps short texts that were decoded, so that the next one that is equal takes no
// memory. It is for one goroutine. The zero value is ready to use.
type Names struct{ of [1 << 10]string }

// longestName is the longest text that Names keeps, bytes.
const longestName = 64

var seed = maphash.MakeSeed()

func (n *Names) text(b []byte) string {
	if n == nil || len(b) > longestName {
		return string(b)
	}
	at := &n.of[maphash.Bytes(seed, b)%uint64(len(n.of))]
	if *at != string(b) {
		*at = string(b)
	}
	return *at
}

// Decode decodes a whole text into a zero value. If it returns true, the value is what
// sigs.k8s.io/json.UnmarshalStrict makes of it, which finds nothing wrong: no field is there
// twice, and the type has them all. Else the text has to be decoded in another way, and the
// value is incomplete. Names may be nil.
func (d *Decoder[T]) Decode(text []byte, into *T, names *Names) bool {
	r := reader{b: text, names: names}
	r.space()
	ok := d.plan(&r, reflect.ValueOf(into).Elem())
	r.space()
	return ok && r.pos == len(r.b)
}

// plan decodes the value at the reader into a zero value; false if it is not a usual one.
type plan func(r *reader, v reflect.Value) bool

// deepest is how deep types may be nested. Of the API's, only schemas are deeper.
const deepest = 64

func compile(t reflect.Type, depth int) plan {
	if depth > deepest {
		panic("apijson: a type that holds itself: " + t.String())
	}
	switch t {
	case reflect.TypeFor[resource.Quantity]():
		return func(r *reader, v reflect.Value) bool { return r.quantity(v.Addr().Interface().(*resource.Quantity)) }
	case reflect.TypeFor[intstr.IntOrString]():
		return func(r *reader, v reflect.Value) bool {
			return r.intOrString(v.Addr().Interface().(*intstr.IntOrString))
		}
	case reflect.TypeFor[map[string]string]():
		return func(r *reader, v reflect.Value) bool { return r.texts(v.Addr().Interface().(*map[string]string)) }
	case reflect.TypeFor[corev1.ResourceList]():
		return func(r *reader, v reflect.Value) bool { return r.resources(v.Addr().Interface().(*corev1.ResourceList)) }
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return func(r *reader, v reflect.Value) bool {
			raw, ok := r.raw()
			return ok && v.Addr().Interface().(json.Unmarshaler).UnmarshalJSON(raw) == nil
		}
	}
	switch t.Kind() {
	case reflect.String:
		return func(r *reader, v reflect.Value) bool {
			text, ok := r.text()
			if ok {
				v.SetString(text)
				return true
			}
			return r.null()
		}
	case reflect.Bool:
		return func(r *reader, v reflect.Value) bool {
			switch {
			case r.word("true"):
				v.SetBool(true)
			case r.word("false"):
			default:
				return r.null()
			}
			return true
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return func(r *reader, v reflect.Value) bool {
			n, ok := r.whole()
			if ok {
				v.SetInt(n)
				return !v.OverflowInt(n)
			}
			return r.null()
		}
	case reflect.Pointer:
		of := compile(t.Elem(), depth+1)
		return func(r *reader, v reflect.Value) bool {
			if r.null() {
				return true
			}
			p := reflect.New(t.Elem())
			if !of(r, p.Elem()) {
				return false
			}
			v.Set(p)
			return true
		}
	case reflect.Slice:
		if t.Elem().Kind() != reflect.Uint8 {
			return compileSlice(t, depth)
		}
	case reflect.Struct:
		return compileStruct(t, depth)
	}
	panic("apijson: no decoder for the type " + t.String())
}

// mostRoom bounds how many entries a list has room for before any is read.
const mostRoom = 16

func compileSlice(t reflect.Type, depth int) plan {
	of := compile(t.Elem(), depth+1)
	var last atomic.Int32 // how long the last list was: the next one often is as long
	return func(r *reader, v reflect.Value) bool {
		if !r.take('[') {
			return r.null()
		}
		if r.take(']') {
			v.Set(reflect.MakeSlice(t, 0, 0))
			return true
		}
		for n := 0; ; n++ {
			switch {
			case n < v.Cap():
			case n == 0:
				v.Grow(min(max(1, int(last.Load())), mostRoom))
			default:
				v.Grow(n)
			}
			v.SetLen(n + 1)
			if !of(r, v.Index(n)) {
				return false
			}
			if r.take(',') {
				continue
			}
			last.Store(int32(min(n+1, mostRoom)))
			return r.take(']')
		}
	}
}

// structPlan is what a struct's fields are found by.
type structPlan struct {
	fields []field
	first  [256]uint8 // by hash: the place of a field in fields, from 1
}

type field struct {
	name  string
	index []int
	one   int // the index, if it is only one; -1 else
	of    plan
	next  uint8 // the place of another one with the same hash, from 1
}

// hash tells most fields of the API's types apart.
func hash(name []byte) uint8 {
	n := len(name)
	if n == 0 {
		return 0
	}
	return uint8(n)*31 + name[0] + name[n/2]*7 + name[n-1]*3
}

func compileStruct(t reflect.Type, depth int) plan {
	s := new(structPlan)
	s.add(t, nil, depth)
	if len(s.fields) > 128 {
		panic("apijson: too many fields in " + t.String())
	}
	for i := range s.fields {
		f := &s.fields[i]
		h := hash([]byte(f.name))
		for at := s.first[h]; at > 0; at = s.fields[at-1].next {
			if s.fields[at-1].name == f.name {
				panic("apijson: two fields " + f.name + " in " + t.String())
			}
		}
		f.next, s.first[h] = s.first[h], uint8(i+1)
	}
	return s.decode
}

// add adds the fields of a type, and those of the types in it that have no name.
func (s *structPlan) add(t reflect.Type, index []int, depth int) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		at := append(index[:len(index):len(index)], i)
		switch {
		case tag == "-" || !f.IsExported() && !f.Anonymous:
			continue
		case tag == "" && f.Anonymous:
			if f.Type.Kind() != reflect.Struct {
				panic("apijson: an embedded pointer in " + t.String())
			}
			s.add(f.Type, at, depth)
			continue
		case strings.Contains(options, "string"):
			panic("apijson: a number in a string in " + t.String())
		case tag == "":
			tag = f.Name
		}
		one := -1
		if len(at) == 1 {
			one = i
		}
		s.fields = append(s.fields, field{name: tag, index: at, one: one, of: compile(f.Type, depth+1)})
	}
}

func (s *structPlan) find(name []byte) (place int, f *field) {
	for at := s.first[hash(name)]; at > 0; at = f.next {
		if f = &s.fields[at-1]; f.name == string(name) {
			return int(at - 1), f
		}
	}
	return 0, nil
}

func (s *structPlan) decode(r *reader, v reflect.Value) bool {
	if !r.take('{') {
		return r.null()
	}
	if r.take('}') {
		return true
	}
	var seen [2]uint64
	for {
		name, ok := r.key()
		if !ok || !r.take(':') {
			return false
		}
		at, f := s.find(name)
		if f == nil || seen[at/64]&(1<<(at%64)) != 0 {
			return false
		}
		seen[at/64] |= 1 << (at % 64)
		if f.one >= 0 {
			ok = f.of(r, v.Field(f.one))
		} else {
			ok = f.of(r, v.FieldByIndex(f.index))
		}
		if !ok {
			return false
		}
		if r.take(',') {
			continue
		}
		return r.take('}')
	}
}

// reader reads JSON that is whole in memory.
type reader struct {
	b     []byte
	pos   int
	names *Names
}

func (r *reader) space() {
	for r.pos < len(r.b) && r.b[r.pos] <= ' ' && isSpace(r.b[r.pos]) {
		r.pos++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// take reads one byte of punctuation, with the white space around it.
func (r *reader) take(want byte) bool {
	r.space()
	if r.pos == len(r.b) || r.b[r.pos] != want {
		return false
	}
	r.pos++
	r.space()
	return true
}

// word reads a literal. What follows it is for the caller to check: it has to be punctuation.
func (r *reader) word(want string) bool {
	if len(r.b)-r.pos < len(want) || string(r.b[r.pos:r.pos+len(want)]) != want {
		return false
	}
	r.pos += len(want)
	return true
}

func (r *reader) null() bool { return r.pos < len(r.b) && r.b[r.pos] == 'n' && r.word("null") }

// key reads the name of a field; not one with escapes, which no field of the API has.
func (r *reader) key() ([]byte, bool) {
	if r.pos == len(r.b) || r.b[r.pos] != '"' {
		return nil, false
	}
	from := r.pos + 1
	for i := from; i < len(r.b); i++ {
		switch c := r.b[i]; {
		case c == '"':
			r.pos = i + 1
			return r.b[from:i], true
		case c < ' ' || c == '\\':
			return nil, false
		}
	}
	return nil, false
}

// ends are the bytes that end a plain string, or are not plain.
var ends = func() (table [256]bool) {
	for c := range table {
		table[c] = c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf
	}
	return table
}()

// quoted finds the end of a string, which begins at the reader, and says whether it has
// escapes, and other bytes than ASCII.
func (r *reader) quoted() (raw []byte, escapes, wide, ok bool) {
	if r.pos == len(r.b) || r.b[r.pos] != '"' {
		return nil, false, false, false
	}
	b := r.b
	for i := r.pos + 1; i < len(b); i++ {
		c := b[i]
		if !ends[c] {
			continue
		}
		switch {
		case c == '"':
			raw = b[r.pos : i+1]
			r.pos = i + 1
			return raw, escapes, wide, true
		case c == '\\':
			escapes = true
			i++
		case c < ' ':
			return nil, false, false, false
		default:
			wide = true
		}
	}
	return nil, false, false, false
}

// text reads a string. If there is none, the reader stays where it is.
func (r *reader) text() (string, bool) {
	from := r.pos
	raw, escapes, wide, ok := r.quoted()
	if !ok {
		return "", false
	}
	inner := raw[1 : len(raw)-1]
	if !escapes && (!wide || utf8.Valid(inner)) {
		return r.names.text(inner), true
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		r.pos = from
		return "", false
	}
	return text, true
}

// number reads a number, and says whether it is a whole one: without a fraction and an
// exponent.
func (r *reader) number() (raw []byte, whole, ok bool) {
	from := r.pos
	digits := func() bool {
		n := r.pos
		for r.pos < len(r.b) && r.b[r.pos] >= '0' && r.b[r.pos] <= '9' {
			r.pos++
		}
		return r.pos > n
	}
	at := func(c byte) bool { return r.pos < len(r.b) && r.b[r.pos] == c }
	if at('-') {
		r.pos++
	}
	if at('0') {
		r.pos++
	} else if !digits() {
		r.pos = from
		return nil, false, false
	}
	whole = true
	if at('.') {
		r.pos++
		if whole = false; !digits() {
			r.pos = from
			return nil, false, false
		}
	}
	if at('e') || at('E') {
		r.pos++
		whole = false
		if at('+') || at('-') {
			r.pos++
		}
		if !digits() {
			r.pos = from
			return nil, false, false
		}
	}
	return r.b[from:r.pos], whole, true
}

// whole reads a whole number of up to 18 digits. If there is none, the reader stays where it
// is.
func (r *reader) whole() (int64, bool) {
	from := r.pos
	raw, whole, ok := r.number()
	if !ok || !whole || len(raw) > 19 || raw[0] != '-' && len(raw) > 18 {
		r.pos = from
		return 0, false
	}
	n, sign := int64(0), int64(1)
	for _, c := range raw {
		if c == '-' {
			sign = -1
			continue
		}
		n = n*10 + int64(c-'0')
	}
	return sign * n, true
}

// maxDepth is how deep a value may be nested that a type decodes itself. The usual decoder allows
// 10,000.
const maxDepth = 1000

// skip passes over a value, of which everything is checked that a decoder checks.
func (r *reader) skip(depth int) bool {
	if r.pos == len(r.b) || depth > maxDepth {
		return false
	}
	switch c := r.b[r.pos]; c {
	case '"':
		return r.skipText()
	case '{', '[':
		end := c + 2 // of ASCII, for both
		r.take(c)
		if r.take(end) {
			return true
		}
		for {
			if c == '{' && (!r.skipText() || !r.take(':')) {
				return false
			}
			if !r.skip(depth + 1) {
				return false
			}
			if r.take(',') {
				continue
			}
			return r.take(end)
		}
	case 't':
		return r.word("true")
	case 'f':
		return r.word("false")
	case 'n':
		return r.word("null")
	}
	_, _, ok := r.number()
	return ok
}

func (r *reader) skipText() bool {
	raw, escapes, _, ok := r.quoted()
	return ok && (!escapes || json.Valid(raw))
}

// raw reads a value as it is.
func (r *reader) raw() ([]byte, bool) {
	from := r.pos
	ok := r.skip(0)
	end := r.pos
	for end > from && isSpace(r.b[end-1]) { // behind a bracket
		end--
	}
	return r.b[from:end], ok
}

func (r *reader) quantity(q *resource.Quantity) bool {
	if r.null() {
		return false // inside a map it is a zero, elsewhere another decoder knows
	}
	var raw []byte
	ok := false
	if r.pos < len(r.b) && r.b[r.pos] == '"' {
		var escapes bool
		raw, escapes, _, ok = r.quoted()
		ok = ok && !escapes
	} else {
		raw, _, ok = r.number()
	}
	return ok && q.UnmarshalJSON(raw) == nil
}

func (r *reader) intOrString(i *intstr.IntOrString) bool {
	if text, ok := r.text(); ok {
		i.Type, i.StrVal = intstr.String, text
		return true
	}
	n, ok := r.whole()
	if !ok || n < math.MinInt32 || n > math.MaxInt32 {
		return false
	}
	i.Type, i.IntVal = intstr.Int, int32(n)
	return true
}

func (r *reader) texts(into *map[string]string) bool {
	if !r.take('{') {
		return r.null()
	}
	*into = map[string]string{}
	return r.entries(func(key string) bool {
		if _, twice := (*into)[key]; twice {
			return false
		}
		text, ok := r.text()
		(*into)[key] = text
		return ok || r.null()
	})
}

func (r *reader) resources(into *corev1.ResourceList) bool {
	if !r.take('{') {
		return r.null()
	}
	*into = corev1.ResourceList{}
	return r.entries(func(key string) bool {
		var q resource.Quantity
		if _, twice := (*into)[corev1.ResourceName(key)]; twice || !r.quantity(&q) {
			return false
		}
		(*into)[corev1.ResourceName(key)] = q
		return true
	})
}

// entries reads the entries of a map behind its bracket.
func (r *reader) entries(value func(key string) bool) bool {
	if r.take('}') {
		return true
	}
	for {
		key, ok := r.text()
		if !ok || !r.take(':') || !value(key) {
			return false
		}
		if r.take(',') {
			continue
		}
		return r.take('}')
	}
}
