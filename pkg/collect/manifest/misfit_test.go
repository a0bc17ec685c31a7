package manifest

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// fill makes a value in which every field of a type is set, as JSON decodes to.
func fill(t reflect.Type, depth int) any {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case quantityType:
		return "1Gi"
	case intOrString:
		return int64(1)
	case timeType:
		return "2026-01-02T03:04:05Z"
	}
	switch t.Kind() {
	case reflect.Struct:
		fields := map[string]any{}
		if depth == 0 {
			return fields
		}
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			inner := fill(t.Field(i).Type, depth-1)
			if name == "" {
				for k, v := range inner.(map[string]any) {
					fields[k] = v
				}
				continue
			}
			fields[name] = inner
		}
		return fields
	case reflect.Map:
		return map[string]any{"k": fill(t.Elem(), depth)}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "AAAA"
		}
		return []any{fill(t.Elem(), depth)}
	case reflect.String:
		return "x"
	case reflect.Bool:
		return true
	}
	return int64(1)
}

// misfit finds what the API's own converter refuses, at every place of a pod's
// spec, and nothing that it takes.
func TestMisfit(t *testing.T) {
	whole := fill(podSpecType, 12).(map[string]any)
	delete(whole, "initContainers") // of the same type as containers
	data, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	decode := func() map[string]any {
		var spec map[string]any
		if err := json.Unmarshal(data, &spec); err != nil {
			t.Fatal(err)
		}
		return numbers(spec).(map[string]any)
	}
	if found := misfit(decode(), podSpecType, nil); found != nil {
		t.Fatalf("a whole spec: %v", found)
	}
	var paths [][]any
	var walk func(value any, path []any)
	walk = func(value any, path []any) {
		if len(path) > 0 {
			paths = append(paths, append([]any{}, path...))
		}
		switch v := value.(type) {
		case map[string]any:
			for key, inner := range v {
				walk(inner, append(path, key))
			}
		case []any:
			for i, inner := range v {
				walk(inner, append(path, i))
			}
		}
	}
	walk(decode(), nil)
	refused, taken := 0, 0
	all := decode()
	for _, path := range paths {
		// Of the field that the path is in, and of no other.
		field := path[0].(string)
		spec := map[string]any{field: all[field]}
		if field == "volumes" && len(path) > 3 { // one source, too
			source := path[2].(string)
			spec = map[string]any{field: []any{map[string]any{source: get(all, path[:3])}}}
		}
		before := get(spec, path)
		for _, value := range []any{"CANARY", 7654321.5, int64(1), []any{"CANARY"}, map[string]any{"CANARY": "CANARY"}, true, nil} {
			put(spec, path, value)
			var into corev1.PodSpec
			err := runtime.DefaultUnstructuredConverter.FromUnstructured(spec, &into)
			found := misfit(spec, podSpecType, []any{"spec"})
			switch {
			case err == nil && found == nil:
				taken++
			case err != nil && found != nil:
				refused++
			default:
				t.Errorf("%v = %v: the converter says %v, misfit %v", path, value, err, found)
			}
			if found != nil && strings.Contains(found.Error(), "CANARY") {
				t.Errorf("%v: %v", path, found)
			}
		}
		put(spec, path, before)
	}
	if refused < 3000 || taken < 500 {
		t.Errorf("only %d refused and %d taken", refused, taken)
	}
}

// numbers makes whole numbers int64, as apimachinery's decoder does.
func numbers(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for k, inner := range v {
			v[k] = numbers(inner)
		}
	case []any:
		for i, inner := range v {
			v[i] = numbers(inner)
		}
	case float64:
		return int64(v)
	}
	return value
}

// get is the value at a path.
func get(at any, path []any) any {
	for _, step := range path {
		switch key := step.(type) {
		case string:
			at = at.(map[string]any)[key]
		case int:
			at = at.([]any)[key]
		}
	}
	return at
}
