package wire

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// reader reads a measurement from its records in two passes over the same text.
// The first checks every byte and counts what the second will allocate; it
// allocates only the lengths of lists. The second runs only if the count is
// within the limit, and makes each list once, with its length.
//
// encoding/json has no such limit: an element of two bytes becomes a struct of
// 300, and a list that grows leaves its smaller blocks as garbage.
//
// The reader accepts less than JSON permits, but everything that Encode writes.
// Names of fields are exact, known, and unique in an object. null is only where
// Go has nil, or a mask that was not read. Numbers are whole. Text is valid
// UTF-8. The types bound the depth. An unknown field may say that a list is
// incomplete, so it is refused rather than left out.
type reader struct {
	stream []byte // all records
	text   []byte // the record that is read
	at     int    // in text

	cost, limit int

	// counts are those of the records in the first pass, for the second.
	counts ending

	// lengths are those of the lists and maps, in order of their opening
	// brackets, for the second pass; next is the one that comes next.
	lengths []int32
	next    int

	// last holds the string that each field had last: a repeated string (a
	// namespace, a type of file system) is allocated once.
	last []sample
}

// sample is a string as it is in the text, and in the second pass as such.
type sample struct {
	raw    []byte
	string string
}

// newReader makes a reader for the first pass over a stream.
func newReader(stream []byte, limit int) *reader {
	return &reader{stream: stream, limit: limit, last: make([]sample, layout().strings)}
}

// rewind makes it ready for the second pass.
func (r *reader) rewind() {
	r.at, r.cost, r.next = 0, 0, 0
	clear(r.last)
}

// scan is the first pass. It returns a reader that is ready for the second
// pass. The reader's cost is what the measurement will take: at most limit
// bytes.
func scan(stream []byte, limit int) (*reader, *fault) {
	r := newReader(stream, limit)
	if f := r.records(nil); f != nil {
		return nil, f
	}
	return r, nil
}

// measurement is the second pass. It can find only one more fault: a key that a
// map has twice.
func (r *reader) measurement() (*fact.Measurement, *fault) {
	r.rewind()
	m := &fact.Measurement{
		APIServers:   made[fact.APIServer](r.counts.APIServers),
		Etcd:         made[fact.EtcdDB](r.counts.Etcd),
		Backups:      made[fact.Backup](r.counts.Backups),
		Listeners:    made[fact.Listener](r.counts.Listeners),
		Components:   made[fact.Component](r.counts.Components),
		Certificates: made[fact.CertificateFile](r.counts.Certificates),
		Containers:   made[fact.MeasuredContainer](r.counts.Containers),
		Images:       made[fact.ImageInventory](r.counts.Images),
		Gaps:         made[fact.NodeGap](r.counts.Gaps),
	}
	if f := r.records(m); f != nil {
		return nil, f
	}
	return m, nil
}

// made is a list of n elements; nil if there is none, as in JSON.
func made[T any](n int) []T {
	if n == 0 {
		return nil
	}
	return make([]T, n)
}

// progress is how far a pass is.
type progress struct {
	m *fact.Measurement // nil in the first pass
	// section is that of the last record, -1 before the first.
	section section
	found   ending
	// slot is where lengths has the number of the last database's Secrets, of
	// which filled were read.
	slot, filled int
}

// records reads all of them: into m, or in the first pass into nothing.
func (r *reader) records(m *fact.Measurement) *fault {
	if f := r.take(block(layout().whole.size)); f != nil {
		return f
	}
	p := progress{m: m, section: -1}
	rest := r.stream
	for number := 1; ; number++ {
		end := bytes.IndexByte(rest, '\n')
		switch {
		case len(rest) == 0:
			return &fault{text: fmt.Sprintf("expected an end after %d records, found none", number-1)}
		case end > MaxRecord || end < 0 && len(rest) > MaxRecord:
			return &fault{record: number, text: fmt.Sprintf("expected at most %d bytes, found more", MaxRecord)}
		case end < 0:
			return &fault{record: number, text: fmt.Sprintf("expected the end of the line, found the end of the text after %d bytes", len(rest))}
		}
		r.text, r.at = rest[:end], 0
		rest = rest[end+1:]
		if f := r.record(&p); f != nil {
			f.record = number
			return f
		}
		if p.section < endSection {
			continue
		}
		if len(rest) > 0 {
			return &fault{record: number, text: fmt.Sprintf("expected nothing after the end, found %d bytes", len(rest))}
		}
		r.counts = p.found
		return nil
	}
}

// record reads one record: an object with one field, whose name says what it
// is.
func (r *reader) record(p *progress) *fault {
	if !r.token('{') {
		return r.expected("an object")
	}
	r.space()
	at := r.at
	raw, _, f := r.quoted("a record's name")
	if f != nil {
		return f
	}
	l := layout()
	kind, known := l.named[string(raw)]
	if !known {
		return &fault{text: fmt.Sprintf("expected a known record at byte %d, found another: use a probe of this plugin's version", at)}
	}
	name := "." + l.kinds[kind].name
	section := l.kinds[kind].section
	switch {
	case section != hostSection && p.section < hostSection:
		return (&fault{text: "expected the host's record first"}).in(name)
	case section == hostSection && p.section >= hostSection:
		return (&fault{text: "expected one such record, found a second"}).in(name)
	case section < p.section:
		return (&fault{text: "expected it before others"}).in(name)
	case l.kinds[kind].page && p.found.Etcd == 0:
		return (&fault{text: "expected a database before it"}).in(name)
	case !r.token(':'):
		return r.expected("a colon")
	}
	p.section = section
	if l.kinds[kind].page {
		f = r.page(l.kinds[kind].shape, p)
	} else {
		f = r.single(l.kinds[kind].shape, p)
	}
	if f != nil {
		return f.in(name)
	}
	if !r.token('}') {
		return r.expected("the record's end")
	}
	return r.end()
}

// end is that of the text.
func (r *reader) end() *fault {
	if r.space(); r.at < len(r.text) {
		return r.expected("the end")
	}
	return nil
}

// single reads a record that is one value, and counts it.
func (r *reader) single(s *shape, p *progress) *fault {
	var into reflect.Value
	f := (*fault)(nil)
	switch p.section {
	case hostSection:
		if p.m != nil {
			into = reflect.ValueOf(p.m).Elem()
		}
	case serverSection:
		f = r.more(s, &p.found.APIServers)
		if p.m != nil {
			into = reflect.ValueOf(&p.m.APIServers[p.found.APIServers-1]).Elem()
		}
	case etcdSection:
		f = r.more(s, &p.found.Etcd)
		p.slot, p.filled = r.enter(), 0
		if p.m != nil {
			db := &p.m.Etcd[p.found.Etcd-1]
			db.Secrets = made[fact.StoredSecret](int(r.lengths[p.slot]))
			into = reflect.ValueOf(db).Elem()
		}
	case backupSection:
		f = r.more(s, &p.found.Backups)
		if p.m != nil {
			into = reflect.ValueOf(&p.m.Backups[p.found.Backups-1]).Elem()
		}
	case listenerSection:
		f = r.more(s, &p.found.Listeners)
		if p.m != nil {
			into = reflect.ValueOf(&p.m.Listeners[p.found.Listeners-1]).Elem()
		}
	case componentSection:
		f = r.more(s, &p.found.Components)
		if p.m != nil {
			into = reflect.ValueOf(&p.m.Components[p.found.Components-1]).Elem()
		}
	case certificateSection:
		f = r.more(s, &p.found.Certificates)
		if p.m != nil {
			into = reflect.ValueOf(&p.m.Certificates[p.found.Certificates-1]).Elem()
		}
	case containerSection:
		f = r.more(s, &p.found.Containers)
		if p.m != nil {
			into = reflect.ValueOf(&p.m.Containers[p.found.Containers-1]).Elem()
		}
	case imageSection:
		f = r.more(s, &p.found.Images)
		if p.m != nil {
			into = reflect.ValueOf(&p.m.Images[p.found.Images-1]).Elem()
		}
	case gapSection:
		f = r.more(s, &p.found.Gaps)
		if p.m != nil {
			into = reflect.ValueOf(&p.m.Gaps[p.found.Gaps-1]).Elem()
		}
	case endSection:
		var end ending
		if f := r.value(s, reflect.ValueOf(&end).Elem()); f != nil {
			return f
		}
		if end != p.found {
			return &fault{text: fmt.Sprintf("expected %s, as were found, found other numbers", p.found)}
		}
		return nil
	}
	if f != nil {
		return f
	}
	return r.value(s, into)
}

// more counts one more element of a list whose elements are records.
func (r *reader) more(s *shape, n *int) *fault {
	*n++
	if *n == 1 {
		if f := r.take(perList); f != nil {
			return f
		}
	}
	// All together they cost what one block of them does.
	return r.take(block(*n*s.size) - block((*n-1)*s.size))
}

// page reads Secrets of the last database.
func (r *reader) page(s *shape, p *progress) *fault {
	if !r.token('[') {
		return r.expected("a list")
	}
	for n := 0; n == 0 || !r.token(']'); n++ {
		if n > 0 && !r.token(',') {
			return r.expected("a comma or the list's end")
		}
		if n == MaxPage {
			return &fault{text: fmt.Sprintf("expected at most %d Secrets, found more", MaxPage)}
		}
		f := r.more(s, &p.filled)
		var into reflect.Value
		if p.m != nil {
			into = reflect.ValueOf(&p.m.Etcd[p.found.Etcd-1].Secrets[p.filled-1]).Elem()
		}
		if f == nil {
			f = r.value(s, into)
		}
		if f != nil {
			return f.in("[" + strconv.Itoa(n) + "]")
		}
		p.found.Secrets++
	}
	r.lengths[p.slot] = int32(p.filled) //nolint:gosec // at most the bytes of the text
	return nil
}

// value reads one value of this shape. In the first pass v is invalid; in the
// second it is the zero value that is filled.
func (r *reader) value(s *shape, v reflect.Value) *fault {
	r.space()
	switch s.form {
	case aStruct:
		return r.object(s, v)
	case aList:
		return r.list(s, v)
	case anArray:
		return r.array(s, v)
	case aMap:
		return r.stringMap(v)
	case aPointer:
		if r.word("null") {
			return nil
		}
		if f := r.take(block(s.elem.size)); f != nil {
			return f
		}
		if v.IsValid() {
			v.Set(reflect.New(s.elem.typ))
			v = v.Elem()
		}
		return r.value(s.elem, v)
	case aString:
		return r.stringInto(s, v)
	case anInt, aUint:
		return r.number(s, v)
	case aBool:
		switch {
		case r.word("false"):
		case r.word("true"):
			if v.IsValid() {
				v.SetBool(true)
			}
		default:
			return r.expected("true or false")
		}
		return nil
	case aMask:
		return r.mask(v)
	default:
		return r.time(v)
	}
}

func (r *reader) object(s *shape, v reflect.Value) *fault {
	if !r.token('{') {
		return r.expected("an object")
	}
	var seen uint64
	for !r.token('}') {
		if seen != 0 && !r.token(',') {
			return r.expected("a comma or the object's end")
		}
		r.space()
		at := r.at
		name, _, f := r.quoted("a field's name")
		if f != nil {
			return f
		}
		i, known := s.named[string(name)]
		switch {
		case !known:
			return &fault{text: fmt.Sprintf("expected a known field at byte %d, found another: use a probe of this plugin's version", at)}
		case seen&(1<<i) != 0:
			return (&fault{text: fmt.Sprintf("expected it once, found it again at byte %d", at)}).in("." + s.fields[i].name)
		case !r.token(':'):
			return r.expected("a colon")
		}
		seen |= 1 << i
		var into reflect.Value
		if v.IsValid() {
			into = v.Field(s.fields[i].index)
		}
		if f := r.value(s.fields[i].shape, into); f != nil {
			return f.in("." + s.fields[i].name)
		}
	}
	return nil
}

func (r *reader) list(s *shape, v reflect.Value) *fault {
	if r.word("null") {
		return nil
	}
	if !r.token('[') {
		return r.expected("a list")
	}
	if f := r.take(perList); f != nil {
		return f
	}
	slot, n := r.enter(), 0
	if v.IsValid() {
		if n := int(r.lengths[slot]); n == 0 {
			v.Set(reflect.MakeSlice(s.typ, 0, 0)) // [] and null differ
		} else {
			v.Grow(n)
			v.SetLen(n)
		}
	}
	for ; !r.token(']'); n++ {
		if n > 0 && !r.token(',') {
			return r.expected("a comma or the list's end")
		}
		f := r.take(s.elem.size)
		var into reflect.Value
		if v.IsValid() {
			into = v.Index(n)
		}
		if f == nil {
			f = r.value(s.elem, into)
		}
		if f != nil {
			return f.in("[" + strconv.Itoa(n) + "]")
		}
	}
	r.lengths[slot] = int32(n) //nolint:gosec // at most the bytes of the text
	return r.take(block(n*s.elem.size) - n*s.elem.size)
}

// enter returns the place in lengths of the list or map that begins.
func (r *reader) enter() int {
	if r.next == len(r.lengths) {
		r.lengths = append(r.lengths, 0)
	}
	r.next++
	return r.next - 1
}

func (r *reader) array(s *shape, v reflect.Value) *fault {
	if !r.token('[') {
		return r.expected("a list")
	}
	for i := range s.typ.Len() {
		if i > 0 && !r.token(',') {
			return r.expected("a comma")
		}
		var into reflect.Value
		if v.IsValid() {
			into = v.Index(i)
		}
		if f := r.value(s.elem, into); f != nil {
			return f.in("[" + strconv.Itoa(i) + "]")
		}
	}
	if !r.token(']') {
		return r.expected("the list's end")
	}
	return nil
}

func (r *reader) stringMap(v reflect.Value) *fault {
	if r.word("null") {
		return nil
	}
	if !r.token('{') {
		return r.expected("an object")
	}
	if f := r.take(perMap); f != nil {
		return f
	}
	slot, n := r.enter(), 0
	var entries map[string]string
	if v.IsValid() {
		entries = make(map[string]string, r.lengths[slot])
		*v.Addr().Interface().(*map[string]string) = entries
	}
	for ; !r.token('}'); n++ {
		if n > 0 && !r.token(',') {
			return r.expected("a comma or the object's end")
		}
		f := r.take(perEntry)
		var key, value string
		if f == nil {
			key, f = r.string(v.IsValid())
		}
		if f == nil && !r.token(':') {
			f = r.expected("a colon")
		}
		if f == nil {
			value, f = r.string(v.IsValid())
		}
		if f != nil {
			return f.in("[" + strconv.Itoa(n) + "]")
		}
		if entries != nil {
			entries[key] = value
			if len(entries) <= n {
				return (&fault{text: fmt.Sprintf("expected each key once, found one again before byte %d", r.at)}).in("[" + strconv.Itoa(n) + "]")
			}
		}
	}
	r.lengths[slot] = int32(n) //nolint:gosec // at most the bytes of the text
	return nil
}

// string reads a string, and makes it if it is wanted.
func (r *reader) string(wanted bool) (string, *fault) {
	r.space()
	raw, size, f := r.quoted("a string")
	if f == nil {
		f = r.take(block(size))
	}
	if f != nil || !wanted {
		return "", f
	}
	return unescape(raw, size), nil
}

func (r *reader) stringInto(s *shape, v reflect.Value) *fault {
	raw, size, f := r.quoted("a string")
	if f != nil {
		return f
	}
	last := &r.last[s.id]
	if !bytes.Equal(raw, last.raw) {
		if f := r.take(block(size)); f != nil {
			return f
		}
		last.raw = raw
		if v.IsValid() {
			last.string = unescape(raw, size)
		}
	}
	if v.IsValid() {
		v.SetString(last.string)
	}
	return nil
}

func (r *reader) number(s *shape, v reflect.Value) *fault {
	begin := r.at
	negative := r.at < len(r.text) && r.text[r.at] == '-'
	if negative {
		r.at++
	}
	digits := r.at
	for r.at < len(r.text) && '0' <= r.text[r.at] && r.text[r.at] <= '9' && r.at-digits < 20 {
		r.at++
	}
	raw := r.text[digits:r.at]
	wide := r.at < len(r.text) && strings.IndexByte("0123456789.eE+-", r.text[r.at]) >= 0
	n, err := strconv.ParseUint(string(raw), 10, 64)
	ok := err == nil && !wide && (len(raw) == 1 || raw[0] != '0')
	if s.form == aUint {
		ok = ok && !negative && !s.typ.OverflowUint(n)
		if ok && v.IsValid() {
			v.SetUint(n)
		}
	} else {
		i := int64(n) //nolint:gosec // checked below
		if negative {
			i = -i
		}
		// -1<<63 is its own negative.
		ok = ok && (n <= math.MaxInt64 || negative && n == 1<<63) && !s.typ.OverflowInt(i)
		if ok && v.IsValid() {
			v.SetInt(i)
		}
	}
	switch {
	case ok:
		return nil
	case len(raw) == 0 && !negative:
		return r.expected("a number")
	default:
		return &fault{text: fmt.Sprintf("expected a whole number (%s) at byte %d, found another", s.typ.Kind(), begin)}
	}
}

func (r *reader) mask(v reflect.Value) *fault {
	if r.word("null") {
		return nil
	}
	begin := r.at
	raw, _, f := r.quoted("a string of hex digits")
	if f != nil {
		return f
	}
	bits, err := uint64(0), error(nil)
	if len(raw) <= 16 {
		bits, err = strconv.ParseUint(string(raw), 16, 64)
	}
	if err != nil || len(raw) > 16 {
		return &fault{text: fmt.Sprintf("expected up to 16 hex digits at byte %d, found another string", begin)}
	}
	if v.IsValid() {
		*v.Addr().Interface().(*fact.CapMask) = fact.NewCapMask(bits)
	}
	return nil
}

// time reads a time in UTC: one with an offset would allocate its zone.
func (r *reader) time(v reflect.Value) *fault {
	begin := r.at
	_, _, f := r.quoted("a time")
	if f != nil {
		return f
	}
	var t fact.Time
	token := r.text[begin:r.at]
	if len(token) > 40 || !bytes.HasSuffix(token, []byte(`Z"`)) || t.UnmarshalJSON(token) != nil {
		return &fault{text: fmt.Sprintf("expected a time in UTC as in RFC 3339 at byte %d, found another string", begin)}
	}
	if v.IsValid() {
		*v.Addr().Interface().(*fact.Time) = t
	}
	return nil
}

// take counts what will be allocated.
func (r *reader) take(n int) *fault {
	if r.cost += n; r.cost > r.limit {
		return &fault{text: fmt.Sprintf("expected a measurement that takes at most %d bytes in memory, found more at byte %d", r.limit, r.at)}
	}
	return nil
}

func (r *reader) space() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\r', '\n':
			r.at++
		default:
			return
		}
	}
}

// token reads this one byte, after white space.
func (r *reader) token(c byte) bool {
	r.space()
	if r.at < len(r.text) && r.text[r.at] == c {
		r.at++
		return true
	}
	return false
}

func (r *reader) word(w string) bool {
	if len(r.text)-r.at < len(w) || string(r.text[r.at:r.at+len(w)]) != w {
		return false
	}
	r.at += len(w)
	return true
}

// quoted reads a string: what is between its quotes, and the number of bytes
// that it stands for. The two have the same length where there is no escape.
func (r *reader) quoted(what string) (raw []byte, size int, f *fault) {
	if r.at == len(r.text) || r.text[r.at] != '"' {
		return nil, 0, r.expected(what)
	}
	begin := r.at + 1
	for i := begin; i < len(r.text); {
		switch c := r.text[i]; {
		case c == '"':
			r.at = i + 1
			return r.text[begin:i], size, nil
		case c == '\\':
			char, n := unescapeOne(r.text[i:])
			if n == 0 {
				return nil, 0, &fault{text: fmt.Sprintf("expected an escape of JSON at byte %d, found another", i)}
			}
			size += utf8.RuneLen(char)
			i += n
		case c < ' ':
			return nil, 0, &fault{text: fmt.Sprintf("expected printable text at byte %d, found a control character", i)}
		case c < utf8.RuneSelf:
			size++
			i++
		default:
			char, n := utf8.DecodeRune(r.text[i:])
			if char == utf8.RuneError && n == 1 {
				return nil, 0, &fault{text: fmt.Sprintf("expected valid UTF-8 at byte %d, found another byte", i)}
			}
			size += n
			i += n
		}
	}
	return nil, 0, &fault{text: fmt.Sprintf("expected the end of the string that begins at byte %d, found the end of the text", begin-1)}
}

// unescapeOne returns the character of an escape at the start of text, and the
// escape's length: 0 for an escape that JSON does not have, and for half of a
// surrogate pair, which is not a character.
func unescapeOne(text []byte) (char rune, n int) {
	if len(text) < 2 {
		return 0, 0
	}
	switch text[1] {
	case '"', '\\', '/':
		return rune(text[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	}
	char = hexEscape(text)
	switch {
	case char < 0:
		return 0, 0
	case !utf16.IsSurrogate(char):
		return char, 6
	}
	char = utf16.DecodeRune(char, hexEscape(text[6:]))
	if char == utf8.RuneError {
		return 0, 0
	}
	return char, 12
}

// hexEscape reads \uXXXX; -1 if there is no such escape.
func hexEscape(text []byte) rune {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	n, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(n)
}

// unescape makes the string of size bytes that raw stands for.
func unescape(raw []byte, size int) string {
	if len(raw) == size {
		return string(raw)
	}
	var out strings.Builder
	out.Grow(size)
	for len(raw) > 0 {
		if raw[0] != '\\' {
			n := bytes.IndexByte(raw, '\\')
			if n < 0 {
				n = len(raw)
			}
			out.Write(raw[:n])
			raw = raw[n:]
			continue
		}
		char, n := unescapeOne(raw)
		out.WriteRune(char)
		raw = raw[n:]
	}
	return out.String()
}

// expected is the fault of finding something else at the current position.
func (r *reader) expected(what string) *fault {
	found := "something else"
	if r.at == len(r.text) {
		found = "the end"
	} else {
		switch c := r.text[r.at]; c {
		case '{':
			found = "an object"
		case '[':
			found = "a list"
		case '"':
			found = "a string"
		case 't', 'f':
			found = "true or false"
		case 'n':
			found = "null"
		case '}', ']':
			found = "an end of an object or a list"
		default:
			if c == '-' || '0' <= c && c <= '9' {
				found = "a number"
			}
		}
	}
	return &fault{text: fmt.Sprintf("expected %s at byte %d, found %s", what, r.at, found)}
}
