package workloadkind

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

var (
	podSpecType  = reflect.TypeFor[corev1.PodSpec]()
	quantityType = reflect.TypeFor[resource.Quantity]()
	intOrString  = reflect.TypeFor[intstr.IntOrString]()
	timeType     = reflect.TypeFor[metav1.Time]()
)

// Rendered reports whether a text holds a place that is filled in before the object is created:
// "{{inputs.parameters.x}}", "${IMAGE}", "${schema.spec.image}", "$(params.image)". Not "$(NAME)",
// which the kubelet fills in.
func Rendered(text string) bool {
	if strings.Contains(text, "{{") || strings.Contains(text, "${") {
		return true
	}
	for rest := text; ; {
		i := strings.Index(rest, "$(")
		if i < 0 {
			return false
		}
		rest = rest[i+2:]
		for _, root := range []string{"params", "inputs", "outputs", "tt", "context", "workspaces", "tasks", "steps", "results", "resources"} {
			if strings.HasPrefix(rest, root+".") || strings.HasPrefix(rest, root+"[") {
				return true
			}
		}
	}
}

// Settle takes out of Spec what is a text to be rendered in a place of another type, and marks the
// pod as partial if a text that checks read has to be rendered; it reports whether there is one.
// Partial then begins with its field, if it was empty. Objects that are created as they are do not
// need it. Spec is copied before it is changed.
func (p *Pod) Settle() bool {
	if !holdsRendered(p.Spec, 0) {
		return false
	}
	own, _ := clone(p.Spec, 0).(map[string]any)
	var texts []Path
	dropped := settleAll(own, true, &texts)
	p.Spec = own
	at := slices.Concat(dropped, texts)
	if len(at) > 0 && p.Partial == "" {
		p.Partial = fmt.Sprintf("%s is text that is rendered before the pod is made", p.At(at[0]))
	}
	return len(at) > 0
}

// settle drops values whose type does not fit, and returns where they were. With rendered it
// drops only texts that have to be rendered. It changes spec, and copies nothing below it: the
// caller owns spec and its lists.
func settle(spec map[string]any, rendered bool) []Path { return settleAll(spec, rendered, nil) }

func settleAll(spec map[string]any, rendered bool, texts *[]Path) []Path {
	s := settler{rendered: rendered, texts: texts}
	s.value(spec, podSpecType, nil, func(any) {})
	return s.dropped
}

type settler struct {
	rendered bool
	texts    *[]Path
	dropped  []Path
}

// unreadFields are fields whose text, as long as it has to be rendered, leads to no verdict: no fact
// keeps it, "$(" in it is the kubelet's, or it is a name or a reference, and what cannot be found
// or parsed is unknown by itself (an image).
var unreadFields = []string{
	"command", "args", "value", "workingDir", "subPathExpr", "hostname", "subdomain", "nodeName", "mountPath",
	"name", "image", "reference", "secretName", "claimName", "serviceAccountName", "key",
}

// value looks at one value and replaces it if it does not fit.
func (s *settler) value(value any, t reflect.Type, path Path, replace func(any)) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	text, isText := value.(string)
	wrong := func() {
		if s.rendered && !(isText && Rendered(text)) {
			return
		}
		if len(s.dropped) < maxGaps {
			s.dropped = append(s.dropped, slices.Clone(path))
		}
		replace(nil)
	}
	if value == nil {
		return
	}
	switch t {
	case quantityType:
		_, err := resource.ParseQuantity(text)
		if isText && err != nil || !isText && !isNumber(value) {
			wrong()
		}
		return
	case intOrString:
		if !isText && !isNumber(value) {
			wrong()
		}
		return
	case timeType:
		if !isText {
			wrong()
		}
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		fields, isMap := value.(map[string]any)
		if !isMap {
			wrong()
			return
		}
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			if name == "" && t.Field(i).Anonymous {
				s.value(value, t.Field(i).Type, path, replace)
				continue
			}
			if inner, found := fields[name]; found {
				s.value(inner, t.Field(i).Type, append(path, name), func(v any) { set(fields, name, v) })
			}
		}
	case reflect.Map:
		fields, isMap := value.(map[string]any)
		if !isMap {
			wrong()
			return
		}
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			inner := fields[name]
			s.value(inner, t.Elem(), append(path, name), func(v any) { set(fields, name, v) })
		}
	case reflect.Slice:
		items, isList := value.([]any)
		if !isList {
			wrong()
			return
		}
		for i, item := range items {
			s.value(item, t.Elem(), append(path, i), func(v any) { items[i] = v })
		}
	case reflect.String:
		switch {
		case !isText:
			wrong()
		case s.texts != nil && len(*s.texts) < maxGaps && Rendered(text):
			if field := lastField(path); !slices.Contains(unreadFields, field) {
				*s.texts = append(*s.texts, slices.Clone(path))
			}
		}
	case reflect.Bool:
		if _, isBool := value.(bool); !isBool {
			wrong()
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if !isWhole(value) {
			wrong()
		}
	}
}

func set(fields map[string]any, name string, value any) {
	if value == nil {
		delete(fields, name)
		return
	}
	fields[name] = value
}

func lastField(path Path) string {
	for i := len(path) - 1; i >= 0; i-- {
		if name, isText := path[i].(string); isText {
			return name
		}
	}
	return ""
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
		return v == float64(int64(v))
	}
	return false
}

// holdsRendered reports whether a value holds a text that has to be rendered.
func holdsRendered(value any, depth int) bool {
	if depth > MaxDepth {
		return false
	}
	switch v := value.(type) {
	case string:
		return Rendered(v)
	case map[string]any:
		for _, inner := range v {
			if holdsRendered(inner, depth+1) {
				return true
			}
		}
	case []any:
		for _, inner := range v {
			if holdsRendered(inner, depth+1) {
				return true
			}
		}
	}
	return false
}

// clone copies maps and lists.
func clone(value any, depth int) any {
	if depth > MaxDepth {
		return nil
	}
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, inner := range v {
			out[key] = clone(inner, depth+1)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, inner := range v {
			out[i] = clone(inner, depth+1)
		}
		return out
	}
	return value
}
