package workloadkind

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// container is the least that a container has.
func container(name string) map[string]any {
	return map[string]any{"name": name, "image": "registry.example/" + name + ":1", "securityContext": map[string]any{"privileged": true}}
}

func podSpecOf(name string) map[string]any {
	return map[string]any{"containers": []any{container(name)}}
}

// put sets a value at every place that an expression can name: of "{a,b}" both, of a list one
// entry, of a map one key. It returns how many places these are.
func put(object map[string]any, expression string, value func() any) int {
	if expression == "" {
		for key, v := range value().(map[string]any) {
			object[key] = v
		}
		return 1
	}
	segment, rest, _ := strings.Cut(expression, ".")
	lists := strings.Count(segment, "[]")
	segment = strings.TrimRight(segment, "[]")
	names := []string{segment}
	switch {
	case segment == "*":
		names = []string{"worker"}
	case strings.HasPrefix(segment, "{"):
		names = strings.Split(strings.Trim(segment, "{}"), ",")
	}
	places := 0
	for _, name := range names {
		if rest == "" {
			v := value()
			for range lists {
				v = []any{v}
			}
			object[name] = v
			places++
			continue
		}
		at := object[name]
		for range lists {
			if at == nil {
				break
			}
			at = at.([]any)[0]
		}
		inner, _ := at.(map[string]any)
		if inner == nil {
			inner = map[string]any{}
			var v any = inner
			for range lists {
				v = []any{v}
			}
			object[name] = v
		}
		places += put(inner, rest, value)
	}
	return places
}

// groupsOf are groups that a row's group stands for.
func groupsOf(row *Row) string {
	return strings.Replace(row.Group, "*", "any", 1)
}

func objectOf(group, kind string) map[string]any {
	version := group + "/v1"
	if group == "" {
		version = "v1"
	}
	if kind == "*" {
		kind = "Anything"
	}
	return map[string]any{"apiVersion": version, "kind": kind, "metadata": map[string]any{"name": "a"}}
}

// TestEveryRow writes a minimal object for each place of each row, and looks for what was put
// there.
func TestEveryRow(t *testing.T) {
	for i := range table {
		row := &table[i]
		for _, kind := range row.Kinds {
			for j := range row.Parts {
				part := &row.Parts[j]
				t.Run(fmt.Sprintf("%s %s %s %s", row.Group, kind, part.What, part.At), func(t *testing.T) { testPart(t, row, kind, part) })
			}
		}
	}
}

func testPart(t *testing.T, row *Row, kind string, part *Part) {
	object := objectOf(groupsOf(row), kind)
	find := func() Result { return Find(object) }
	// paths are those of containers.
	paths := func(r Result) []string {
		var out []string
		for i := range r.Pods {
			pod := &r.Pods[i]
			for _, list := range []string{"initContainers", "containers", "ephemeralContainers"} {
				all, _ := pod.Spec[list].([]any)
				for n := range all {
					out = append(out, pod.At(Path{list, n}).String())
				}
			}
			if (pod.Partial != "") != part.Merged {
				t.Errorf("partial is %q, and the row says %v", pod.Partial, part.Merged)
			}
		}
		slices.Sort(out)
		return out
	}
	expect := func(got []string, at string, places int) {
		t.Helper()
		pattern := regexp.MustCompile("^" + expressionPattern(at) + "$")
		matched := 0
		for _, path := range got {
			if pattern.MatchString(path) {
				matched++
			}
		}
		if matched != places || len(got) != places {
			t.Errorf("found %v, want %d at %s", got, places, at)
		}
	}
	switch part.What {
	case Spec:
		places := put(object, part.At, func() any { return podSpecOf("x") })
		expect(paths(find()), part.At+".containers[]", places)
	case Template:
		places := put(object, part.At, func() any {
			return map[string]any{"metadata": map[string]any{"labels": map[string]any{"a": "b"}}, "spec": podSpecOf("x")}
		})
		r := find()
		expect(paths(r), part.At+".spec.containers[]", places)
		for i := range r.Pods {
			if lookup(object, r.Pods[i].Metadata) == nil {
				t.Errorf("the template's metadata at %v is not there", r.Pods[i].Metadata)
			}
		}
	case Nested:
		places := put(object, part.At, func() any {
			return map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "x"}, "spec": podSpecOf("x")}
		})
		if r := find(); len(r.Objects) != places || len(r.Pods) != 0 {
			t.Errorf("found %d objects and %d pods, want %d and 0", len(r.Objects), len(r.Pods), places)
		}
	case Text:
		places := put(object, part.At, func() any { return "{apiVersion: v1, kind: Pod, spec: {containers: [{name: x, image: x}]}}" })
		if r := find(); len(r.Objects) != places || len(r.Pods) != 0 || places == 0 || !r.Objects[0].Text {
			t.Errorf("found %d objects and %d pods, want %d and 0", len(r.Objects), len(r.Pods), places)
		}
	case Assembled:
		for _, at := range slices.Concat(part.Init, part.Containers, part.Ephemeral) {
			object = objectOf(groupsOf(row), kind)
			place := part.At
			if at != "" {
				place = join(part.At, at)
			}
			places := put(object, place, func() any { return container("x") })
			expect(paths(find()), place, places)
		}
	case Patch:
		// It needs a pod.
		for k := range row.Parts {
			if p := &row.Parts[k]; p.What == Assembled && p.Containers[0] != "" || p.What == Template {
				at := p.At
				value := func() any { return map[string]any{"spec": podSpecOf("x")} }
				if p.What == Assembled {
					at, value = join(p.At, p.Containers[0]), func() any { return container("x") }
				}
				put(object, at, value)
				break
			}
		}
		put(object, part.At, func() any { return "spec: {}" })
		r := find()
		if len(r.Pods) == 0 {
			t.Fatal("no pod to patch was found")
		}
		for _, pod := range r.Pods {
			if pod.Partial == "" {
				t.Errorf("the patch left the pod at %v whole", pod.Path)
			}
		}
	case Made:
		if part.At == "" {
			if r := find(); len(r.Gaps) != 1 || len(r.Pods) != 0 || r.Gaps[0].Detail != part.Why {
				t.Errorf("found %+v, want one gap: %s", r, part.Why)
			}
			return
		}
		places := put(object, part.At, func() any { return map[string]any{"name": "x"} })
		var got []string
		for _, gap := range find().Gaps {
			if strings.HasSuffix(gap.Detail, part.Why) {
				got = append(got, gap.Path.String())
			}
		}
		expect(got, part.At, places)
	case Apart:
		put(object, part.At, func() any { return map[string]any{"steps": []any{container("x")}, "hostNetwork": true} })
		for _, gap := range find().Gaps {
			if len(gap.Path) > 0 {
				t.Errorf("found %+v", gap)
			}
		}
	case Annotated:
		put(object, part.At, func() any {
			return map[string]any{"hooks.kubevirt.io/hookSidecars": `[{"image": "registry.example/hook:1", "args": ["--version"]}]`}
		})
		r := find()
		if len(r.Pods) != 1 || lookup(r.Pods[0].Spec, Path{"containers", 0, "image"}) != "registry.example/hook:1" || r.Pods[0].Partial == "" {
			t.Errorf("found %+v, want one container", r.Pods)
		}
	}
}

// expressionPattern is a regular expression for the paths that an expression can name.
func expressionPattern(expression string) string {
	var b strings.Builder
	for _, segment := range strings.Split(expression, ".") {
		lists := strings.Count(segment, "[]")
		segment = strings.TrimRight(segment, "[]")
		if b.Len() > 0 {
			b.WriteString(`\.`)
		}
		switch {
		case segment == "*":
			segment = `\w+`
		case strings.HasPrefix(segment, "{"):
			segment = "(" + strings.ReplaceAll(strings.Trim(segment, "{}"), ",", "|") + ")"
		}
		b.WriteString(segment + strings.Repeat(`\[\d+\]`, lists))
	}
	return b.String()
}

// TestTableIsWellFormed holds the rules for rows.
func TestTableIsWellFormed(t *testing.T) {
	date := regexp.MustCompile(`^20\d\d-(0[1-9]|1[0-2])$`)
	field := regexp.MustCompile(`^(\*|[A-Za-z0-9_]+|\{[A-Za-z0-9_,]+\})(\[\])*$`)
	seen := map[string]bool{}
	for i := range table {
		row := &table[i]
		name := row.Group + " " + strings.Join(row.Kinds, ",")
		if row.Source == "" || !date.MatchString(row.Date) {
			t.Errorf("%s: source %q, date %q", name, row.Source, row.Date)
		}
		if len(row.Parts) == 0 && !row.NoShape {
			t.Errorf("%s: no place", name)
		}
		for _, kind := range row.Kinds {
			if seen[row.Group+" "+kind] {
				t.Errorf("%s %s has two rows", row.Group, kind)
			}
			seen[row.Group+" "+kind] = true
		}
		for _, part := range row.Parts {
			for _, at := range slices.Concat([]string{part.At}, part.Containers, part.Init, part.Ephemeral, part.Outer) {
				for _, segment := range strings.Split(at, ".") {
					if at != "" && !field.MatchString(segment) {
						t.Errorf("%s: %q is no expression", name, at)
					}
				}
			}
			if (part.What == Made || part.What == Patch) && part.Why == "" {
				t.Errorf("%s: %s without a reason", name, part.At)
			}
		}
	}
}
