package manifest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// fieldError says what is wrong at one place of an object: a path of fields of
// the API and of indices. Keys that a user chose are left out.
type fieldError struct {
	path []any
	text string
}

func (e *fieldError) Error() string {
	if len(e.path) == 0 {
		return e.text
	}
	return pathText(e.path) + ": " + e.text
}

// pathText writes a path as spec.containers[0].image.
func pathText(path []any) string {
	var b strings.Builder
	for _, step := range path {
		switch step := step.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", step)
		case string:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(step)
		}
	}
	return b.String()
}

var (
	quantityType = reflect.TypeFor[resource.Quantity]()
	intOrString  = reflect.TypeFor[intstr.IntOrString]()
	timeType     = reflect.TypeFor[metav1.Time]()
	microTime    = reflect.TypeFor[metav1.MicroTime]()
	unmarshaler  = reflect.TypeFor[json.Unmarshaler]()
)

// misfit finds the first place at which a decoded value has another type than
// the API's; nil if there is none. The library that converts objects does not
// say where, and its errors quote values.
func misfit(value any, t reflect.Type, path []any) *fieldError {
	wrong := func(expected string) *fieldError {
		return &fieldError{append([]any{}, path...), fmt.Sprintf("expected %s, found %s", expected, typeName(value))}
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if value == nil {
		return nil
	}
	switch t {
	case ignoredType:
		return nil
	case quantityType:
		text, isText := value.(string)
		if isText {
			if _, err := resource.ParseQuantity(text); err != nil {
				return &fieldError{append([]any{}, path...), "expected a quantity like 500m or 1Gi, found other text"}
			}
		} else if !isNumber(value) {
			return wrong("a quantity like 500m or 1Gi")
		}
		return nil
	case intOrString:
		if _, isText := value.(string); !isText && !isWhole(value) {
			return wrong("a whole number or a string")
		}
		return nil
	case timeType, microTime:
		text, isText := value.(string)
		if !isText {
			return wrong("a time (RFC 3339)")
		}
		if _, err := time.Parse(time.RFC3339, text); err != nil && text != "" {
			return &fieldError{append([]any{}, path...), "expected a time (RFC 3339), found other text"}
		}
		return nil
	}
	if reflect.PointerTo(t).Implements(unmarshaler) {
		data, err := json.Marshal(value)
		if err == nil {
			err = json.Unmarshal(data, reflect.New(t).Interface())
		}
		if err != nil {
			return wrong("a value of another form")
		}
		return nil
	}
	switch t.Kind() {
	case reflect.Struct:
		fields, isMap := value.(map[string]any)
		if !isMap {
			return wrong("a map")
		}
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			if name == "" && t.Field(i).Anonymous {
				if found := misfit(value, t.Field(i).Type, path); found != nil {
					return found
				}
				continue
			}
			if found := misfit(fields[name], t.Field(i).Type, append(path, name)); found != nil {
				return found
			}
		}
	case reflect.Map:
		fields, isMap := value.(map[string]any)
		if !isMap {
			return wrong("a map")
		}
		for _, inner := range fields {
			if found := misfit(inner, t.Elem(), path); found != nil {
				found.text = "one of its values: " + found.text
				return found
			}
		}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			text, isText := value.(string)
			if !isText {
				return wrong("base64")
			}
			if _, err := base64.StdEncoding.DecodeString(text); err != nil {
				return &fieldError{append([]any{}, path...), "expected base64, found other text"}
			}
			return nil
		}
		items, isList := value.([]any)
		if !isList {
			return wrong("a list")
		}
		for i, item := range items {
			if found := misfit(item, t.Elem(), append(path, i)); found != nil {
				return found
			}
		}
	case reflect.String:
		if _, isText := value.(string); !isText {
			return wrong("a string")
		}
	case reflect.Bool:
		if _, isBool := value.(bool); !isBool {
			return wrong("true or false")
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if !isWhole(value) {
			return wrong("a whole number")
		}
	}
	return nil
}

func isNumber(value any) bool {
	switch value.(type) {
	case int64, float64:
		return true
	}
	return false
}

func isWhole(value any) bool {
	switch v := value.(type) {
	case int64:
		return true
	case float64:
		return math.Abs(v) < 1<<63 && v == math.Trunc(v)
	}
	return false
}

// CheckType reports where a YAML document does not match a type of the API,
// with its line; "" if it matches, or if it cannot be read at all. Unknown
// fields are allowed.
func CheckType(text []byte, t reflect.Type) (line int, problem string) {
	d := document{text: text}
	value, err := d.decode()
	if err != nil {
		return 0, ""
	}
	found := misfit(value, t, nil)
	if found == nil {
		return 0, ""
	}
	return lineOf(text, found.path), found.Error()
}
