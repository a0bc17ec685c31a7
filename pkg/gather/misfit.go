package gather

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// misplaced finds the first place where JSON does not fit a type: a field that the
// type does not have, or another kind of value. The text holds only names of our own
// fields. It is "" if the JSON fits. Values that decode themselves (times, masks) are
// tried with their own decoder.
func misplaced(data []byte, t reflect.Type) (text string, offset int64) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	m := mismatch{decoder: decoder, data: data}
	m.value(t, "")
	return m.text, m.offset
}

type mismatch struct {
	decoder *json.Decoder
	data    []byte
	text    string
	offset  int64
}

var unmarshalerType = reflect.TypeFor[json.Unmarshaler]()

// value reads one value that should be of a type. It returns false if the search is
// over: something was found, or the text ended.
func (m *mismatch) value(t reflect.Type, path string) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	found := func(text string) bool {
		if path != "" {
			text = path + ": " + text
		}
		m.text, m.offset = text, m.decoder.InputOffset()
		return false
	}
	if reflect.PointerTo(t).Implements(unmarshalerType) {
		var raw json.RawMessage
		if m.decoder.Decode(&raw) != nil {
			return false
		}
		if string(raw) != "null" && json.Unmarshal(raw, reflect.New(t).Interface()) != nil {
			return found("expected a value in the form that --save-facts writes")
		}
		return true
	}
	token, err := m.decoder.Token()
	if err != nil {
		return false
	}
	is := ""
	switch token := token.(type) {
	case nil:
		return true
	case json.Delim:
		is = map[json.Delim]string{'{': "an object", '[': "a list"}[token]
	case string:
		is = "a string"
	case bool:
		is = "true or false"
	case json.Number:
		is = "a number"
		_, whole := token.Int64()
		if t.Kind() == reflect.Uint64 {
			_, whole = strconv.ParseUint(token.String(), 10, 64)
		}
		if whole != nil && wanted(t) == is && t.Kind() != reflect.Float64 {
			return found("expected a whole number")
		}
	}
	if want := wanted(t); is != want && want != "" {
		return found("expected " + want + ", found " + is)
	}
	switch {
	case is == "an object" && t.Kind() == reflect.Struct:
		fields := map[string]reflect.Type{}
		jsonFields(t, fields)
		for m.decoder.More() {
			name, err := m.decoder.Token()
			if err != nil {
				return false
			}
			key, _ := name.(string)
			field, known := fields[strings.ToLower(key)]
			if !known {
				return found("found a field that this version does not know")
			}
			inner := strings.TrimPrefix(path+"."+key, ".")
			if !m.value(field, inner) {
				return false
			}
		}
	case is == "an object": // a map; its keys come from the file and are not shown
		for m.decoder.More() {
			if _, err := m.decoder.Token(); err != nil || !m.value(t.Elem(), path) {
				return false
			}
		}
	case is == "a list":
		for i := 0; m.decoder.More(); i++ {
			if !m.value(t.Elem(), fmt.Sprintf("%s[%d]", path, i)) {
				return false
			}
		}
	default:
		return true
	}
	_, err = m.decoder.Token() // the closing delimiter
	return err == nil
}

// wanted returns the kind of JSON value that a type is read from.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Interface:
		return ""
	}
	return "a number"
}

// jsonFields lists the fields of a struct by their JSON names in lower case, with
// those of embedded structs.
func jsonFields(t reflect.Type, into map[string]reflect.Type) {
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name == "" && t.Field(i).Anonymous {
			jsonFields(t.Field(i).Type, into)
			continue
		}
		into[strings.ToLower(name)] = t.Field(i).Type
	}
}
