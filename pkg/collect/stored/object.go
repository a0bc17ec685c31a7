package stored

import (
	"bytes"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// object is what a plaintext value says about itself.
type object struct {
	class            fact.StorageClass // "" if it has none of the forms
	apiVersion, kind string
	// named is true if the bytes tell name and namespace.
	named           bool
	name, namespace string
	problem         string
}

// format is the name of the object's form, for problems.
func (o object) format() string {
	switch o.class {
	case fact.ClassIdentityProtobuf:
		return "protobuf"
	case fact.ClassIdentityJSON:
		return "JSON"
	case fact.ClassIdentityCBOR:
		return "CBOR"
	}
	return "YAML"
}

func (o object) broken() object {
	o.problem = "its value starts like " + o.format() + ", but does not continue like it"
	return o
}

var (
	protobufHead = []byte("k8s\x00")
	// secretHead is runtime.Unknown's TypeMeta of a Secret.
	secretHead = []byte("k8s\x00\x0a\x0c\x0a\x02v1\x12\x06Secret")
	cborHead   = []byte{0xD9, 0xD9, 0xF7} // self-described CBOR (RFC 8949)
	yamlHead   = []byte("apiVersion: ")
)

// jsonSecretHeads are the starts of a Secret in JSON: as encoding/json writes
// the type, and with sorted keys. They have the same length.
var jsonSecretHeads = [...]string{
	`{"kind":"Secret","apiVersion":"v1",`,
	`{"apiVersion":"v1","kind":"Secret",`,
}

// plaintextOf is the form that a value starts like. Each start is at least two
// bytes long, so that one flipped bit of an envelope does not look like it.
func plaintextOf(lead []byte) fact.StorageClass {
	switch {
	case bytes.HasPrefix(lead, protobufHead):
		return fact.ClassIdentityProtobuf
	case bytes.HasPrefix(lead, []byte(`{"`)):
		return fact.ClassIdentityJSON
	case len(lead) > 3 && bytes.HasPrefix(lead, cborHead) && lead[3]>>5 == cborMap:
		return fact.ClassIdentityCBOR
	case bytes.HasPrefix(lead, yamlHead):
		return fact.ClassIdentityYAML
	}
	return fact.ClassUnknown
}

// readObject reads a Secret's type and names from a value in plaintext.
func readObject(value Span, lead []byte) (object, error) {
	switch plaintextOf(lead) {
	case fact.ClassIdentityProtobuf:
		return readProtobuf(value)
	case fact.ClassIdentityJSON:
		return readJSON(lead), nil
	case fact.ClassIdentityCBOR:
		return readCBOR(value, false)
	case fact.ClassIdentityYAML:
		return readYAML(value, false)
	}
	return object{}, nil
}

// maxNameSize bounds the names that are read, bytes: those of DNS subdomains.
const maxNameSize = 253

// readProtobuf reads runtime.Unknown {typeMeta 1, raw 2, contentEncoding 3,
// contentType 4} and in raw, a Secret, only ObjectMeta's name 1 and namespace 3.
func readProtobuf(value Span) (object, error) {
	o := object{class: fact.ClassIdentityProtobuf}
	c := Scanner{Span: value}
	if head := c.Take(len(secretHead)); c.Err != nil || !bytes.Equal(head, secretHead) {
		return o, c.Err
	}
	o.apiVersion, o.kind = "v1", "Secret"
	if number, wire, ok := c.Tag(); !ok || number != 2 || wire != WireBytes {
		return o.broken(), c.Err
	}
	rawLen, ok := c.Length()
	if !ok {
		return o.broken(), c.Err
	}
	rawEnd := c.Off + rawLen
	if number, wire, ok := c.Tag(); !ok || number != 1 || wire != WireBytes {
		return o.broken(), c.Err
	}
	metaLen, ok := c.Length()
	if !ok || c.Off+metaLen > rawEnd {
		return o.broken(), c.Err
	}
	metaEnd := c.Off + metaLen
	var got [4]string
	for last := 0; c.Off < metaEnd && last < 3; {
		number, wire, ok := c.Tag()
		if !ok || wire != WireBytes || number <= last {
			return o.broken(), c.Err
		}
		last = number
		n, ok := c.Length()
		if !ok || c.Off+n > metaEnd {
			return o.broken(), c.Err
		}
		if number > 3 {
			break
		}
		if number == 2 || n > maxNameSize { // generateName
			c.Skip(n)
			continue
		}
		b := c.Take(n)
		if c.Err != nil {
			return o.broken(), c.Err
		}
		got[number] = string(b)
	}
	o.named, o.name, o.namespace = true, got[1], got[3]
	c.Off = rawEnd
	for last := 2; c.Left() > 0; {
		number, wire, ok := c.Tag()
		if !ok || wire != WireBytes || number <= last || number > 4 {
			return o.broken(), c.Err
		}
		last = number
		n, ok := c.Length()
		if !ok || !c.Skip(n) {
			return o.broken(), c.Err
		}
	}
	return o, nil
}

// readJSON requires the kind in the first bytes, where encoding/json puts it.
// The same for the metadata, which starts with name, generateName (optional)
// and namespace: where it does so, the names can be compared.
func readJSON(lead []byte) object {
	o := object{class: fact.ClassIdentityJSON}
	text := string(lead)
	const kind = `"kind":"Secret"`
	if !strings.Contains(text, kind) || strings.HasPrefix(text, `{"kind":`) && text[1:1+len(kind)] != kind {
		return object{}
	}
	o.apiVersion, o.kind = "v1", "Secret"
	_, after, found := strings.Cut(text, `"metadata":{"name":"`)
	if !found {
		return o
	}
	o.name, after, found = strings.Cut(after, `"`)
	if !found || len(o.name) > maxNameSize {
		return o
	}
	if rest, generated := strings.CutPrefix(after, `,"generateName":"`); generated {
		_, after, _ = strings.Cut(rest, `"`)
	}
	if after, found = strings.CutPrefix(after, `,"namespace":"`); found {
		o.namespace, _, o.named = strings.Cut(after, `"`)
	}
	return o
}

// The major types of CBOR (RFC 8949, 3.1).
const (
	cborBytes = 2
	cborText  = 3
	cborArray = 4
	cborMap   = 5
	cborTag   = 6
	cborOther = 7
)

// maxCBORDepth bounds how deeply items are nested. The API server's own limit
// is 64.
const maxCBORDepth = 64

// cborReader reads items of definite length, as the API server writes them.
type cborReader struct{ Scanner }

// head reads the start of an item.
func (c *cborReader) head() (major int, arg uint64, ok bool) {
	b := c.Take(1)
	if len(b) == 0 {
		return 0, 0, false
	}
	major, arg = int(b[0]>>5), uint64(b[0]&0x1f)
	if arg < 24 {
		return major, arg, true
	}
	if arg > 27 {
		return 0, 0, false
	}
	b = c.Take(1 << (arg - 24))
	arg = 0
	for _, v := range b {
		arg = arg<<8 | uint64(v)
	}
	return major, arg, len(b) > 0
}

// skip moves over the rest of an item whose head was read.
func (c *cborReader) skip(major int, arg uint64, depth int) bool {
	switch major {
	case cborBytes, cborText:
		return arg <= uint64(c.Left()) && c.Skip(int(arg))
	case cborMap:
		if arg > uint64(c.Left()) {
			return false
		}
		arg *= 2
	case cborTag:
		arg = 1
	case cborArray:
	default:
		return true
	}
	if depth >= maxCBORDepth || arg > uint64(c.Left()) {
		return false
	}
	for range arg {
		major, arg, ok := c.head()
		if !ok || !c.skip(major, arg, depth+1) {
			return false
		}
	}
	return true
}

func (c *cborReader) skipItem(depth int) bool {
	major, arg, ok := c.head()
	return ok && c.skip(major, arg, depth)
}

// text reads a string of either type. Longer ones than names can be are "".
func (c *cborReader) text() (string, bool) {
	major, arg, ok := c.head()
	if !ok || major != cborBytes && major != cborText || arg > uint64(c.Left()) {
		return "", false
	}
	if arg > maxNameSize {
		return "", c.Skip(int(arg))
	}
	b := c.Take(int(arg))
	return string(b), c.Err == nil && len(b) == int(arg)
}

// each reads a map: field takes the value of each key.
func (c *cborReader) each(field func(key string) bool) bool {
	major, pairs, ok := c.head()
	if !ok || major != cborMap || pairs > uint64(c.Left()) {
		return false
	}
	for range pairs {
		key, ok := c.text()
		if !ok || !field(key) {
			return false
		}
	}
	return true
}

// readCBOR reads an object of which the fields may have any order. With
// typeOnly it ends as soon as the type is known.
func readCBOR(value Span, typeOnly bool) (object, error) {
	o := object{class: fact.ClassIdentityCBOR}
	c := cborReader{Scanner{Span: value, Off: len(cborHead)}}
	const none = "\x00"
	o.apiVersion, o.kind, o.name, o.namespace = none, none, none, none
	once := func(to *string) bool {
		text, ok := c.text()
		first := *to == none
		*to = text
		return ok && first
	}
	metadata, enough := false, false
	ok := c.each(func(key string) bool {
		enough = typeOnly && o.apiVersion != none && o.kind != none
		switch {
		case enough:
			return false
		case key == "apiVersion":
			return once(&o.apiVersion)
		case key == "kind":
			return once(&o.kind)
		case key == "metadata" && !metadata:
			metadata = true
			return c.each(func(key string) bool {
				switch key {
				case "name":
					return once(&o.name)
				case "namespace":
					return once(&o.namespace)
				}
				return c.skipItem(2)
			})
		}
		return c.skipItem(1)
	})
	if c.Err != nil || !enough && (!ok || c.Left() > 0) {
		return o.broken(), c.Err
	}
	o.named = o.name != none && o.namespace != none
	return o, nil
}

// yamlWindow is how much of a value in YAML is read at once, bytes.
const yamlWindow = 4096

// readYAML reads an object as the API server writes it: YAML of which the keys
// are sorted, so that a Secret's data lie before its kind. Only lines at the
// outermost level and those directly below metadata are looked at; everything
// else is indented further. With typeOnly it ends as soon as the type is known.
func readYAML(value Span, typeOnly bool) (object, error) {
	y := yamlLines{object: object{class: fact.ClassIdentityYAML}}
	var held [512]byte // the start of a line
	line, long := held[:0], false
	for off := 0; off < value.Size; {
		win, err := value.Bytes(off, min(yamlWindow, value.Size-off))
		if err != nil {
			return y.broken(), err
		}
		off += len(win)
		for len(win) > 0 {
			n, whole := bytes.IndexByte(win, '\n'), true
			if n < 0 {
				n, whole = len(win), false
			}
			fits := min(n, len(held)-len(line))
			line, long = append(line, win[:fits]...), long || fits < n
			if !whole {
				break
			}
			win = win[n+1:]
			if !y.take(line, long) {
				return y.broken(), nil
			}
			if typeOnly && y.kind != "" {
				return y.object, nil
			}
			line, long = held[:0], false
		}
	}
	if len(line) > 0 || y.apiVersion == "" || y.kind == "" {
		return y.broken(), nil
	}
	y.named = y.name != "" && y.namespace != ""
	return y.object, nil
}

// yamlLines takes the lines of an object.
type yamlLines struct {
	object
	last       string // the last key of the outermost level
	inMetadata bool
}

// take reports whether the line may follow. long lines are cut.
func (y *yamlLines) take(line []byte, long bool) bool {
	if len(line) == 0 {
		return true // in a text of several lines
	}
	if line[0] == ' ' {
		if !y.inMetadata || long || len(line) < 3 || line[1] != ' ' {
			return true
		}
		key, value, ok := yamlField(line[2:])
		switch {
		case !ok: // deeper, or a list
		case key == "name":
			ok = y.name == ""
			y.name = value
			return ok
		case key == "namespace":
			ok = y.namespace == ""
			y.namespace = value
			return ok
		}
		return true
	}
	if bytes.HasPrefix(line, []byte("- ")) { // of a list at the outermost level
		return y.last != "" && !y.inMetadata
	}
	key, value, ok := yamlField(line)
	if !ok || key <= y.last {
		return false
	}
	y.last, y.inMetadata = key, key == "metadata" && value == ""
	switch key {
	case "apiVersion":
		y.apiVersion = value
		return !long && value != ""
	case "kind":
		y.kind = value
		return !long && value != ""
	}
	return true
}

// yamlField splits "key: value" of which the key is made of letters and digits.
// Quotes around the value are taken off: a name that looks like a number has
// them. Values that are longer than names are "".
func yamlField(line []byte) (key, value string, ok bool) {
	n := 0
	for n < len(line) && (line[n] >= 'a' && line[n] <= 'z' || line[n] >= 'A' && line[n] <= 'Z' || n > 0 && line[n] >= '0' && line[n] <= '9') {
		n++
	}
	if n == 0 || n == len(line) || n > 64 || line[n] != ':' || n+1 < len(line) && line[n+1] != ' ' {
		return "", "", false
	}
	key = string(line[:n])
	if n+2 >= len(line) {
		return key, "", true
	}
	rest := line[n+2:]
	if len(rest) >= 2 && (rest[0] == '"' || rest[0] == '\'') && rest[len(rest)-1] == rest[0] {
		rest = rest[1 : len(rest)-1]
	}
	if len(rest) > maxNameSize {
		return key, "", true
	}
	return key, string(rest), true
}
