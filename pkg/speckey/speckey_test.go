package speckey

import (
	"reflect"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// fill sets every field of a value to something, and calls changed after each change of
// one field to another value.
func fill(v reflect.Value, path string, changed func(path string)) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("a")
		changed(path)
		v.SetString("b")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(7)
		changed(path)
		v.SetInt(-1)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		changed(path + " is set")
		fill(v.Elem(), path, changed)
		return
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		changed(path + " has two")
		fill(v.Index(0), path+"[0]", changed)
		fill(v.Index(1), path+"[1]", changed)
		return
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("k"), reflect.ValueOf("1"))
		changed(path)
		v.SetMapIndex(reflect.ValueOf("k"), reflect.ValueOf("2"))
		changed(path)
		v.SetMapIndex(reflect.ValueOf("l"), reflect.ValueOf("2"))
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), path+"."+v.Type().Field(i).Name, changed)
		}
		return
	}
	changed(path)
}

// Every change of a field gives a key that no state before had, except of the origin.
func TestEveryFieldIsInTheKey(t *testing.T) {
	var spec fact.PodSpec
	seen := map[string]string{string(Append(nil, &spec)): "nothing"}
	fill(reflect.ValueOf(&spec).Elem(), "spec", func(path string) {
		key := string(Append(nil, &spec))
		if before, known := seen[key]; known && path != "spec.Origin" {
			t.Errorf("after %s the key is that of after %s", path, before)
		}
		seen[key] = path
	})
	if len(seen) < 200 {
		t.Errorf("only %d states", len(seen))
	}
}

func TestWhatPodsOfOneTemplateShare(t *testing.T) {
	pod := func(name, hash, volume string) *fact.PodSpec {
		return &fact.PodSpec{
			Origin: "pod/shop/" + name, Labels: map[string]string{"app": "web", "pod-template-hash": hash},
			Volumes:    []fact.Volume{{Name: volume, Field: "spec.volumes[0]"}},
			Containers: []fact.Container{{Name: "app", Mounts: []fact.VolumeMount{{Volume: volume, Path: "/token"}}}},
		}
	}
	a, b := pod("a", "x", "kube-api-access-1"), pod("b", "y", "kube-api-access-2")
	if string(Append(nil, a)) != string(Append(nil, b)) {
		t.Error("two pods of one template differ")
	}
	anonymous, hidden := Anonymous(a, "o", "t"), Anonymous(b, "o", "t")
	if string(Append(nil, a)) != string(Append(nil, &anonymous)) {
		t.Error("the key of the anonymous spec is another")
	}
	if !reflect.DeepEqual(anonymous, hidden) {
		t.Errorf("want what is alike, got %+v and %+v", anonymous, hidden)
	}
	if !reflect.DeepEqual(a, pod("a", "x", "kube-api-access-1")) {
		t.Error("the spec was changed")
	}
	for name, other := range map[string]*fact.PodSpec{
		"a volume that is not mounted": {Labels: a.Labels, Volumes: append(a.Volumes, fact.Volume{Name: "kube-api-access-2", Field: "spec.volumes[0]"})[1:], Containers: a.Containers},
		"another label":                {Labels: map[string]string{"app": "api"}, Volumes: a.Volumes, Containers: a.Containers},
		"a volume of another use":      pod("a", "x", "kube-api-acces-1"),
	} {
		if string(Append(nil, a)) == string(Append(nil, other)) {
			t.Errorf("%s: the key is the same", name)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	yes := true
	spec := &fact.PodSpec{
		Origin: "pod/shop/web-1", Path: "spec", Labels: map[string]string{"app": "web", "pod-template-hash": "x", "tier": "front"},
		Volumes: []fact.Volume{{Name: "a", Field: "spec.volumes[0]", Source: "emptyDir"}, {Name: "kube-api-access-1", Field: "spec.volumes[1]", Source: "projected"}},
		Containers: []fact.Container{
			{Name: "app", Image: "registry.example.com/app:v1", RunAsNonRoot: &yes, CapDrop: []string{"ALL"}, Mounts: []fact.VolumeMount{{Volume: "a", Path: "/tmp"}}},
			{Name: "proxy", Image: "registry.example.com/proxy:v1", RunAsNonRoot: &yes, CapDrop: []string{"ALL"}, Mounts: []fact.VolumeMount{{Volume: "a", Path: "/tmp"}}},
		},
	}
	var key []byte
	b.ReportAllocs()
	for b.Loop() {
		key = Append(key[:0], spec)
	}
}
