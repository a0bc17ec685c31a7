// Package speckey makes keys of pod specs: two specs have one key if they differ only in
// what differs between the pods of one template. Collectors group pods by it, and package
// checks judges what is equal once.
package speckey

import (
	"encoding/binary"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// tokenVolume begins the name of the volume that the API server adds for the service
// account's token. Five random letters follow.
const tokenVolume = "kube-api-access-"

// ofController are the labels that a controller adds to the pods of one template.
var ofController = []string{
	"controller-revision-hash", "pod-template-generation", "statefulset.kubernetes.io/pod-name",
	"apps.kubernetes.io/pod-index", "batch.kubernetes.io/job-completion-index", "controller-uid",
	"batch.kubernetes.io/controller-uid", "job-name", "batch.kubernetes.io/job-name", "pod-template-hash",
}

// Append appends the key of a spec to a buffer: all of its fields, but not the origin, the
// labels that a controller adds, and the random part of the name of the token's volume.
// The key is exact: it is the fields, not a hash of them.
func Append(key []byte, spec *fact.PodSpec) []byte {
	key = ofSpec(key, reflect.ValueOf(spec).Elem())
	if _, one := token(spec); !one {
		tokens(spec, func(name *string) { key = appendText(key, *name) })
	}
	return key
}

// tokens calls fn with each name of a token's volume: where it is declared, and where it is
// mounted.
func tokens(spec *fact.PodSpec, fn func(name *string)) {
	for i := range spec.Volumes {
		if name := &spec.Volumes[i].Name; strings.HasPrefix(*name, tokenVolume) {
			fn(name)
		}
	}
	for i := range spec.Containers {
		for j := range spec.Containers[i].Mounts {
			if name := &spec.Containers[i].Mounts[j].Volume; strings.HasPrefix(*name, tokenVolume) {
				fn(name)
			}
		}
	}
}

// token is the name of the token's volume, "" if there is none. One is false if there are
// several: then their names are a part of the key.
func token(spec *fact.PodSpec) (name string, one bool) {
	one = true
	tokens(spec, func(other *string) {
		if name == "" {
			name = *other
		}
		one = one && *other == name
	})
	return name, one
}

// Anonymous returns a spec with the same key that has an origin and a text in place of
// what is not in the key. It shares with the spec what it does not change.
func Anonymous(spec *fact.PodSpec, origin, text string) fact.PodSpec {
	out := *spec
	out.Origin = origin
	for _, label := range ofController {
		if _, ok := out.Labels[label]; ok {
			out.Labels = maps.Clone(spec.Labels)
			break
		}
	}
	for _, label := range ofController {
		if _, ok := out.Labels[label]; ok {
			out.Labels[label] = text
		}
	}
	if name, one := token(spec); name != "" && one {
		out.Volumes, out.Containers = slices.Clone(spec.Volumes), slices.Clone(spec.Containers)
		for i := range out.Containers {
			out.Containers[i].Mounts = slices.Clone(out.Containers[i].Mounts)
		}
		tokens(&out, func(name *string) { *name = tokenVolume + text })
	}
	return out
}

// encoder appends a value. Values of a type have different encodings, and none begins
// another's.
type encoder func(key []byte, v reflect.Value) []byte

var ofSpec = compile(reflect.TypeFor[fact.PodSpec]())

// compile makes the encoder of a type, so that a field that is added to it later is a part
// of the key. It panics for a type that a spec does not have: see the test.
func compile(t reflect.Type) encoder {
	switch t.Kind() {
	case reflect.String:
		return func(key []byte, v reflect.Value) []byte { return appendText(key, v.String()) }
	case reflect.Bool:
		return func(key []byte, v reflect.Value) []byte {
			if v.Bool() {
				return append(key, 1)
			}
			return append(key, 0)
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return func(key []byte, v reflect.Value) []byte { return binary.AppendVarint(key, v.Int()) }
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return func(key []byte, v reflect.Value) []byte { return binary.AppendUvarint(key, v.Uint()) }
	case reflect.Pointer:
		of := compile(t.Elem())
		return func(key []byte, v reflect.Value) []byte {
			if v.IsNil() {
				return append(key, 0)
			}
			return of(append(key, 1), v.Elem())
		}
	case reflect.Slice:
		of := compile(t.Elem())
		return func(key []byte, v reflect.Value) []byte {
			key = binary.AppendUvarint(key, uint64(v.Len()))
			for i := range v.Len() {
				key = of(key, v.Index(i))
			}
			return key
		}
	case reflect.Map:
		if t != reflect.TypeFor[map[string]string]() {
			break
		}
		return func(key []byte, v reflect.Value) []byte {
			return appendMap(key, *v.Addr().Interface().(*map[string]string), nil)
		}
	case reflect.Struct:
		return compileStruct(t)
	}
	panic("speckey: a spec has a field of type " + t.String())
}

// compileStruct appends the fields that are not zero, each after its number. A zero ends it.
func compileStruct(t reflect.Type) encoder {
	type field struct {
		index int
		of    encoder
	}
	var fields []field
	for i := range t.NumField() {
		f := t.Field(i)
		switch {
		case t == reflect.TypeFor[fact.PodSpec]() && f.Name == "Origin":
		case t == reflect.TypeFor[fact.PodSpec]() && f.Name == "Labels":
			fields = append(fields, field{i, func(key []byte, v reflect.Value) []byte {
				return appendMap(key, *v.Addr().Interface().(*map[string]string), ofController)
			}})
		case t == reflect.TypeFor[fact.Volume]() && f.Name == "Name", t == reflect.TypeFor[fact.VolumeMount]() && f.Name == "Volume":
			fields = append(fields, field{i, func(key []byte, v reflect.Value) []byte {
				name := v.String()
				if strings.HasPrefix(name, tokenVolume) {
					name = tokenVolume
				}
				return appendText(key, name)
			}})
		default:
			fields = append(fields, field{i, compile(f.Type)})
		}
	}
	return func(key []byte, v reflect.Value) []byte {
		for i := range fields {
			value := v.Field(fields[i].index)
			switch value.Kind() {
			case reflect.String, reflect.Slice, reflect.Map:
				if value.Len() == 0 {
					continue
				}
			default:
				if value.IsZero() {
					continue
				}
			}
			key = fields[i].of(binary.AppendUvarint(key, uint64(i+1)), value)
		}
		return append(key, 0)
	}
}

func appendText(key []byte, text string) []byte {
	return append(binary.AppendUvarint(key, uint64(len(text))), text...)
}

// appendMap appends the entries in the order of their names, without some.
func appendMap(key []byte, m map[string]string, without []string) []byte {
	var few [16]string
	names := few[:0]
	for name := range m {
		if !slices.Contains(without, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	key = binary.AppendUvarint(key, uint64(len(names)))
	for _, name := range names {
		key = appendText(appendText(key, name), m[name])
	}
	return key
}
