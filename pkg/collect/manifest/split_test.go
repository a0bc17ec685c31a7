package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// splitAll writes what a splitter gives, one line for each.
func splitAll(r io.Reader) (out []string, err error) {
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	s := splitter{
		in: newInput(r), source: "x",
		whole: func(d *document) error {
			say("document %d at %d, line %d, json %v: %q", d.number, d.before, d.first, d.json, d.text)
			return nil
		},
		item: func(d *document, kind, version string) error {
			say("item %v of %q %q at %d: %q", d.path, kind, version, d.before, d.text)
			return nil
		},
		listed: func(d *document, h head, items int) error {
			say("list %d of %d, %q %q", d.number, items, h.kind, h.apiVersion)
			return nil
		},
		problem: func(p Problem) { say("problem: %v", p) },
	}
	err = s.run()
	return out, err
}

func TestSplit(t *testing.T) {
	for name, tc := range map[string]struct {
		in   string
		want []string
	}{
		"documents": {"a: 1\n---\n# comment\n---\n\n---\nb: 2\n...\nc: 3", []string{
			`document 1 at 0, line 1, json false: "a: 1\n"`, `document 2 at 2, line 3, json false: ""`,
			`document 3 at 6, line 7, json false: "b: 2\n"`, `document 4 at 8, line 9, json false: "c: 3"`,
		}},
		"JSON objects": {"{\"a\":1} {\"b\":\n2}\n---\nc: 3\n", []string{
			`document 1 at 0, line 1, json true: "{\"a\":1}"`, `document 2 at 0, line 1, json true: "{\"b\":\n2}"`, `document 3 at 3, line 4, json false: "c: 3\n"`,
		}},
		"a List whose kind comes first": {"{\"kind\":\"PodList\", \"apiVersion\": \"v1\", \"items\": [ {\"a\":1} ,\n{\"b\":[2]}], \"metadata\":{}}\n", []string{
			`item [items 0] of "PodList" "v1" at 0: "{\"a\":1}"`, `item [items 1] of "PodList" "v1" at 1: "{\"b\":[2]}"`, `list 1 of 2, "PodList" "v1"`,
		}},
		"a List whose kind comes last": {`{"items":[{"kind":"Pod"},{"a":1}],"kind":"PodList","apiVersion":"v1"}`, []string{
			`item [items 0] of "" "" at 0: "{\"kind\":\"Pod\"}"`, `item [items 1] of "PodList" "v1" at 0: "{\"a\":1}"`, `list 1 of 2, "PodList" "v1"`,
		}},
		"items without any kind":     {`{"items":[{"a":1}]}`, []string{`list 1 of 1, "" ""`}},
		"an empty List":              {`{"kind":"List","items":[]}`, []string{`list 1 of 0, "List" ""`}},
		"YAML in braces":             {"{a: 1, b: \"}\"}\n---\n{\"a\": x y}\n", []string{`document 1 at 0, line 1, json false: "{a: 1, b: \"}\"}\n"`, `document 2 at 2, line 3, json false: "{\"a\": x y}\n"`}},
		"a brace that is not closed": {"{\"a\": {\n---\nb: 1\n", []string{`document 1 at 0, line 1, json false: "{\"a\": {\n"`, `document 2 at 2, line 3, json false: "b: 1\n"`}},
		"a List that is cut short": {"{\"kind\":\"List\",\"items\":[{\"a\":1},\n{\"b\":", []string{
			`item [items 0] of "List" "" at 0: "{\"a\":1}"`, `problem: x: document 1, line 2: not valid JSON: the text ends in the middle of an object`,
		}},
		"a List with text in it": {"{\"kind\":\"List\",\"items\":[{\"a\":1},\nx y\n---\nb: 1\n", []string{
			`item [items 0] of "List" "" at 0: "{\"a\":1}"`, `item [items 1] of "List" "" at 1: "x"`, `problem: x: document 1, line 2: not valid JSON`, `document 2 at 3, line 4, json false: "b: 1\n"`,
		}},
		"text behind an object": {"{\"a\":1} b: 2\n", []string{`document 1 at 0, line 1, json true: "{\"a\":1}"`, `document 2 at 0, line 1, json false: " b: 2\n"`}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := splitAll(strings.NewReader(tc.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzSplit checks that it does not matter in which pieces a source is read, that nothing is
// said about an error of the source but the error, and that lines are those of the source.
func FuzzSplit(f *testing.F) {
	for _, seed := range []string{
		"a: 1\n---\nb: 2\n...\n", "{\"a\":1}{\"b\":2}\n---\nc: 3", `{"items":[{"kind":"Pod"},{"a":[1,"}"]}],"kind":"PodList"}`, "{a: 1}\n--- x\n", "{\"a\": {\n---\nb: 1\n",
		"\xef\xbb\xbfa: 1\r\n---\r\nb: 2", "\xff\xfea\x00\n\x00", "\xfe\xff\xd8\x3d\xde\x00", "# a\n%YAML\n---\n{", `{"items":[1,"\"",null],`, "{}{}\n{", "\t{\"a\":-1}\n---", `{"a":--1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		want, err := splitAll(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		got, err := splitAll(iotest.OneByteReader(bytes.NewReader(data)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("in pieces of one byte (-whole +pieces):\n%s", diff)
		}
		broken := errors.New("broken")
		part, err := splitAll(io.MultiReader(bytes.NewReader(data), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) {
			t.Errorf("the error of the source is %v", err)
		}
		if len(part) > len(want) {
			t.Errorf("more from a source that is cut short:\n%s", cmp.Diff(want, part))
		}
	})
}

// What makes a document large does not make the run large, and costs no other document.
func TestBounds(t *testing.T) {
	defer func(before int) { maxDocument = before }(maxDocument)
	maxDocument = 1 << 20
	pod := object("v1", "Pod", "a", "spec: "+spec)
	jsonPod := `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":` + spec + `}`
	laughs := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'j'; c++ {
		laughs += fmt.Sprintf("%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1)
	}
	large := strings.Repeat("CANARY ", 1<<18)
	for name, tc := range map[string]struct {
		in, want string
		reason   fact.Reason
	}{
		"a document of YAML":    {pod + "---\na: " + large + "\nb: 1\n---\n" + strings.Replace(pod, "name: a", "name: b", 1), "stdin: document 2, line 6: expected a document of at most 1 MiB, found more", fact.Truncated},
		"an object of JSON":     {jsonPod + `{"a":"` + large + `"}` + strings.Replace(jsonPod, `"a"`, `"b"`, 1), "stdin: document 2, line 1: expected a document of at most 1 MiB, found more", fact.Truncated},
		"an item of a List":     {`{"kind":"List","items":[` + jsonPod + `,` + "\n" + `{"a":"` + large + `"},` + strings.Replace(jsonPod, `"a"`, `"b"`, 1) + `]}`, "stdin: line 2: items[1]: expected a document of at most 1 MiB, found more", fact.Truncated},
		"aliases of aliases":    {pod + "---\n" + laughs + "---\n" + strings.Replace(pod, "name: a", "name: b", 1), "stdin: document 2, line 6: expected a document of at most 1 MiB with its aliases in full, found more", fact.Truncated},
		"braces in braces":      {pod + "---\n" + strings.Repeat("{a: ", 20000) + "\n---\n" + strings.Replace(pod, "name: a", "name: b", 1), "stdin: document 2, line 6: not valid YAML: nested too deeply", fact.Corrupt},
		"brackets of JSON":      {pod + "---\n{\"a\":" + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + "}\n---\n" + strings.Replace(pod, "name: a", "name: b", 1), "stdin: document 2, line 6: expected an object, found a value that is not JSON", fact.Corrupt},
		"items without a kind":  {jsonPod + `{"items":[` + strings.Repeat(`{"a":"`+strings.Repeat("x", 1000)+`"},`, 2000) + `{"b":1}],"kind":"PodList"}` + strings.Replace(jsonPod, `"a"`, `"b"`, 1), "", ""},
		"a document of its end": {pod + "---\n" + strings.Replace(pod, "name: a", "name: b", 1) + "---\na: " + large, "stdin: document 3, line 11: expected a document of at most 1 MiB, found more", fact.Truncated},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Read(t.Context(), Files{Filenames: []string{"-"}}, "", strings.NewReader(tc.in))
			if err != nil {
				t.Fatal(err)
			}
			names := []string{}
			for _, w := range got.Workloads {
				names = append(names, w.Owner.Name)
			}
			if diff := cmp.Diff([]string{"a", "b"}, names); diff != "" {
				t.Errorf("workloads (-want +got):\n%s", diff)
			}
			if tc.want == "" {
				if first := wrong(got, nil)[0]; !strings.Contains(first, "not all of them were read") {
					t.Errorf("got %q", first)
				}
				return
			}
			if diff := cmp.Diff([]string{tc.want}, wrong(got, nil)); diff != "" || got.Gaps[0].Reason != tc.reason {
				t.Errorf("%s (-want +got):\n%s", got.Gaps[0].Reason, diff)
			}
		})
	}
}

// A source that ends with an error gives what was whole before it, and the error.
func TestCutShort(t *testing.T) {
	pod := object("v1", "Pod", "a", "spec: "+spec)
	in := io.MultiReader(strings.NewReader(pod+"---\n"+strings.Replace(pod, "name: a", "name: b", 1)), failing{})
	got, err := Read(t.Context(), Files{Filenames: []string{"-"}}, "", in)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Pod shop/a from stdin pod/shop/a spec"}, found(got.Workloads)); diff != "" {
		t.Errorf("workloads (-want +got):\n%s", diff)
	}
	want := []fact.Gap{{What: fact.Pods, Subject: fact.Subject{Kind: fact.SubjectFile, Name: "stdin"}, Reason: fact.Unreadable, Detail: "reading it: is a directory"}}
	if diff := cmp.Diff(want, got.Gaps); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
}

// Pipes in a directory are not waited for.
func TestPipeInDirectory(t *testing.T) {
	pipe := namedPipe(t)
	if pipe == "" {
		t.Skip("no named pipes here")
	}
	dir := filepath.Dir(pipe)
	if err := os.Rename(pipe, filepath.Join(dir, "pipe.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(object("v1", "Pod", "a", "spec: "+spec)), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Read(t.Context(), Files{Filenames: []string{dir}}, "", nil)
	if err != nil || len(got.Workloads) != 1 {
		t.Fatalf("%v, %v", got, err)
	}
	if diff := cmp.Diff([]string{filepath.Join(dir, "pipe.yaml") + ": expected a file, found a pipe, a socket or a device"}, wrong(got, nil)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
